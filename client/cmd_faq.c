/* cmd_faq.c - rag faq: entries of the desk, from draft to retirement. */
#include "client/desk.h"

#include "base/file.h"
#include "base/json.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_FILE_MAX 65536
#define IMPORT_ENTRIES 200 /* in one request */
#define IMPORT_BYTES ((size_t)500000)

const char rag_usage_faq[] =
    "usage: rag faq list [--state S] [--collection C] [--contains TEXT]\n"
    "       rag faq show ID [--version N]\n"
    "       rag faq add --question Q (--answer A | --answer-file F) [FIELDS]\n"
    "       rag faq edit ID [--question Q] [--answer A] [FIELDS]\n"
    "       rag faq approve ID [--version N]\n"
    "       rag faq retire ID [--note TEXT]\n"
    "       rag faq import [--approve] FILE\n"
    "       rag faq export\n"
    "       rag faq history ID\n"
    "       rag faq draft (QUESTION... | --group N) [--id ID]\n"
    "\n"
    "Approved answers of the desk. What is added, edited, imported or drafted\n"
    "is a draft and answers nobody until it is approved; then it does, at\n"
    "once and in exactly these words, and hides an ingested entry of the same\n"
    "id. draft proposes an answer from the documents, for a question or a\n"
    "group of the queue (rag queue).\n"
    "\n"
    "FIELDS: --id ID --variant Q (again for more) --collection C\n"
    "--category C --url U --lang ko|en --valid-from DATE --valid-until DATE\n"
    "--note TEXT\n"
    "\n"
    "  --by NAME    who does it (the login name)\n"
    "  --json       the reply as JSON; export always is JSON lines\n"
    "  --state S    draft, approved, retired or all (the newest version's)\n"
    "  --limit N    how many are listed (100)\n"
    "\n"
    "Exit status: 0, 64 usage, 65 bad data or conflict, 66 no such entry or\n"
    "file, 69 no daemon, 77 not permitted.\n";

/* ---- shared by the desk's commands ----------------------------------------- */

const char *rag_desk_by(const char *given) {
    if (given)
        return given;
    struct passwd *pw = getpwuid(getuid());
    return pw && pw->pw_name ? pw->pw_name : "";
}

int rag_desk_post(rag_client *c, const char *path, json_t *body, json_t **out,
                  rag_error *err) {
    *out = NULL;
    int rc = body ? rag_client_call(c, "POST", path, body, RAG_DESK_BUSY_MS,
                                    out, err)
                  : rag_error_set(err, RAG_E_NOMEM, "no memory for a request");
    json_decref(body);
    return rc;
}

void rag_desk_set(json_t *o, const char *key, const char *value) {
    if (value)
        json_object_set_new(o, key, json_string(value));
}

void rag_desk_line(rag_printer *p, const char *label, const char *text) {
    if (!*text)
        return;
    p->indent = 12;
    rag_printer_style(p, RAG_STYLE_BOLD);
    fprintf(p->file, "%-12s", label);
    p->column = 12;
    rag_printer_style(p, RAG_STYLE_PLAIN);
    rag_printer_text(p, text, strlen(text));
    p->indent = 0;
    rag_printer_end(p);
}

int rag_desk_print(bool json, const json_t *v,
                   void (*show)(rag_printer *p, const json_t *v)) {
    rag_error err = {0};
    rag_printer p;
    if (json)
        return rag_print_json(v, &err) ? rag_complain_error(&err) : 0;
    rag_printer_init(&p, stdout);
    show(&p, v);
    rag_printer_free(&p);
    return ferror(stdout) ? rag_complain(74, "cannot write to standard output")
                          : 0;
}

/* ---- options ------------------------------------------------------------------ */

typedef struct faq_args {
    json_t *body; /* what is asked for */
    json_t *variants;
    const char *by, *answer_file;
    bool json, approve;
} faq_args;

enum { OPT_FIRST = 256 };

/* Options that are fields of the request under the same name. */
static const char *const FIELD[] = {
    "question", "answer",   "id",         "collection",  "category",
    "url",      "lang",     "valid-from", "valid-until", "note",
    "state",    "contains", "after"};
#define NFIELDS (sizeof FIELD / sizeof FIELD[0])

static void set_field(json_t *body, const char *name, const char *value) {
    char key[32];
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof key; n++)
        key[n] = name[n] == '-' ? '_' : name[n];
    key[n] = '\0';
    rag_desk_set(body, key, value);
}

static int set_number(faq_args *a, const char *key, const char *value,
                      long max) {
    rag_error err = {0};
    long n;
    if (rag_str_to_long(value, 0, max, &n, &err))
        return rag_complain(RAG_EXIT_USAGE, "--%s: %s", key, err.message);
    json_object_set_new(a->body, key, json_integer(n));
    return 0;
}

/* -1: help was printed. */
static int read_options(int argc, char **argv, faq_args *a) {
    struct option longs[NFIELDS + 10] = {{0}};
    size_t n = 0;
    for (; n < NFIELDS; n++)
        longs[n] = (struct option){FIELD[n], required_argument, NULL,
                                   OPT_FIRST + (int)n};
    longs[n++] = (struct option){"variant", required_argument, NULL, 'v'};
    longs[n++] = (struct option){"answer-file", required_argument, NULL, 'f'};
    longs[n++] = (struct option){"by", required_argument, NULL, 'b'};
    longs[n++] = (struct option){"version", required_argument, NULL, 'V'};
    longs[n++] = (struct option){"limit", required_argument, NULL, 'l'};
    longs[n++] = (struct option){"group", required_argument, NULL, 'g'};
    longs[n++] = (struct option){"approve", no_argument, NULL, 'a'};
    longs[n++] = (struct option){"json", no_argument, NULL, 'j'};
    longs[n++] = (struct option){"help", no_argument, NULL, 'h'};
    int o, rc = 0;
    optind = 1;
    while (!rc && (o = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (o >= OPT_FIRST) {
            set_field(a->body, FIELD[o - OPT_FIRST], optarg);
            continue;
        }
        switch (o) {
        case 'v':
            json_array_append_new(a->variants, json_string(optarg));
            break;
        case 'f':
            a->answer_file = optarg;
            break;
        case 'b':
            a->by = optarg;
            break;
        case 'V':
            rc = set_number(a, "version", optarg, 1000000);
            break;
        case 'l':
            rc = set_number(a, "limit", optarg, 10000);
            break;
        case 'g':
            rc = set_number(a, "group", optarg, 1000000000);
            break;
        case 'a':
            a->approve = true;
            break;
        case 'j':
            a->json = true;
            break;
        case 'h':
            fputs(rag_usage_faq, stdout);
            return -1;
        default:
            return RAG_EXIT_USAGE;
        }
    }
    return rc;
}

/* ---- printing ------------------------------------------------------------------ */

static void show_entry(rag_printer *p, const json_t *e) {
    char line[128];
    long long live = json_integer_value(json_object_get(e, "live"));
    long long version = json_integer_value(json_object_get(e, "version"));
    rag_desk_line(p, "id", rag_field(e, "id"));
    snprintf(line, sizeof line, "%lld, %s%s", version, rag_field(e, "state"),
             live == version ? ", answers now"
             : live          ? " (an earlier version answers)"
                             : "");
    rag_desk_line(p, "version", line);
    rag_desk_line(p, "question", rag_field(e, "question"));
    json_t *list = json_object_get(e, "variants");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        rag_desk_line(p, "also", s ? s : "");
    }
    rag_desk_line(p, "answer", rag_field(e, "answer"));
    static const char *const more[] = {
        "collection", "category",   "url",      "valid_from", "valid_until",
        "author",     "created_at", "approver", "decided_at", "note"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        rag_desk_line(p, more[i], rag_field(e, more[i]));
    list = json_object_get(e, "citations");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *c = json_array_get(list, i);
        rag_desk_line(p, "from", rag_field(c, "doc"));
        rag_desk_line(p, "", rag_field(c, "quote"));
    }
}

static void show_list(rag_printer *p, const json_t *v) {
    json_t *list = json_object_get(v, "entries");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *e = json_array_get(list, i);
        const char *id = rag_field(e, "id"), *state = rag_field(e, "state");
        const char *question = rag_field(e, "question");
        rag_printer_style(p, RAG_STYLE_BOLD);
        rag_printer_text(p, id, strlen(id));
        rag_printer_style(p, RAG_STYLE_PLAIN);
        rag_printer_text(p, "  ", 2);
        rag_printer_text(p, state, strlen(state));
        rag_printer_text(p, "  ", 2);
        rag_printer_text(p, question, strlen(question));
        rag_printer_end(p);
    }
    if (json_is_true(json_object_get(v, "more")))
        rag_complain(0, "there are more: --limit N, or --after with the last "
                        "id");
}

static void show_history(rag_printer *p, const json_t *v) {
    json_t *list = json_object_get(v, "versions");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i)
            rag_printer_end(p);
        show_entry(p, json_array_get(list, i));
    }
}

/* ---- import, export --------------------------------------------------------------- */

typedef struct import_sum {
    long long added, unchanged;
    json_t *failed;
} import_sum;

static int send_batch(rag_client *c, const faq_args *a, json_t *entries,
                      size_t from, size_t to, import_sum *sum, rag_error *err) {
    json_t *part = json_array(), *reply = NULL, *f;
    size_t i;
    for (i = from; i < to; i++)
        json_array_append(part, json_array_get(entries, i));
    json_t *body = json_pack("{ss so sb ss}", "op", "import", "entries", part,
                             "approve", a->approve, "by", rag_desk_by(a->by));
    int rc = rag_desk_post(c, "/v1/faq", body, &reply, err);
    if (rc)
        return rc;
    sum->added += json_integer_value(json_object_get(reply, "added"));
    sum->unchanged += json_integer_value(json_object_get(reply, "unchanged"));
    json_array_foreach(json_object_get(reply, "failed"), i, f) {
        size_t at = (size_t)json_integer_value(json_object_get(f, "number"));
        json_t *line = json_object_get(
            json_array_get(entries, from + (at ? at - 1 : 0)), "line");
        if (line)
            json_object_set(f, "line", line);
        json_array_append(sum->failed, f);
    }
    json_decref(reply);
    return 0;
}

static int import(rag_client *c, const faq_args *a, const char *path) {
    rag_error err = {0};
    json_t *entries = NULL;
    import_sum sum = {.failed = json_array()};
    size_t from = 0, i = 0, bytes = 0;
    int rc = rag_faq_file(path, &entries, &err);
    for (; !rc && i < json_array_size(entries); i++) {
        char *text = json_dumps(json_array_get(entries, i), JSON_COMPACT);
        size_t n = text ? strlen(text) : 0;
        free(text);
        if (i > from &&
            (i - from >= IMPORT_ENTRIES || bytes + n > IMPORT_BYTES)) {
            rc = send_batch(c, a, entries, from, i, &sum, &err);
            from = i;
            bytes = 0;
        }
        bytes += n;
    }
    if (!rc && i > from)
        rc = send_batch(c, a, entries, from, i, &sum, &err);
    size_t failed = json_array_size(sum.failed);
    if (rc) {
        rc = rag_complain_error(&err);
        failed = 0;
    } else if (a->json) {
        json_t *v =
            json_pack("{sI sI sO}", "added", (json_int_t)sum.added, "unchanged",
                      (json_int_t)sum.unchanged, "failed", sum.failed);
        rc = rag_print_json(v, &err) ? rag_complain_error(&err) : 0;
        json_decref(v);
    } else {
        printf("%lld added, %lld unchanged, %zu failed\n", sum.added,
               sum.unchanged, failed);
    }
    for (i = 0; i < failed; i++) {
        json_t *f = json_array_get(sum.failed, i);
        rag_complain(0, "%s, line %lld: %s", path,
                     (long long)json_integer_value(json_object_get(f, "line")),
                     rag_field(f, "message"));
    }
    json_decref(entries);
    json_decref(sum.failed);
    return rc ? rc : failed ? RAG_EXIT_DATA : 0;
}

static int export(rag_client *c) {
    rag_error err = {0};
    json_t *v = NULL, *e;
    size_t i;
    int rc = rag_desk_post(c, "/v1/faq", json_pack("{ss}", "op", "export"), &v,
                           &err);
    static const char *const drop[] = {"version",    "state",      "live",
                                       "citations",  "author",     "approver",
                                       "created_at", "decided_at", "note"};
    json_array_foreach(json_object_get(v, "entries"), i, e) {
        for (size_t k = 0; k < sizeof drop / sizeof drop[0]; k++)
            json_object_del(e, drop[k]);
        if ((rc = rag_print_json(e, &err)))
            break;
    }
    json_decref(v);
    return rc ? rag_complain_error(&err) : 0;
}

/* ---- which ------------------------------------------------------------------------ */

typedef struct faq_op {
    const char *name;
    bool id, changes;
    void (*show)(rag_printer *p, const json_t *v);
} faq_op;

static const faq_op OPS[] = {
    {"list", false, false, show_list},      {"show", true, false, show_entry},
    {"add", false, true, show_entry},       {"edit", true, true, show_entry},
    {"approve", true, true, show_entry},    {"retire", true, true, show_entry},
    {"history", true, false, show_history}, {"draft", false, true, show_entry},
    {"import", false, true, NULL},          {"export", false, false, NULL}};

/* What stands behind the options: an id, a question, or nothing. */
static int take_words(int argc, char **argv, const faq_op *op, faq_args *a) {
    rag_error err = {0};
    rag_buf b;
    int rc = 0;
    if (op->id) {
        if (argc - optind != 1)
            return rag_complain(RAG_EXIT_USAGE, "faq %s takes one id",
                                op->name);
        rag_desk_set(a->body, "id", argv[optind]);
        return 0;
    }
    if (strcmp(op->name, "draft") == 0) {
        if (optind == argc && json_object_get(a->body, "group"))
            return 0;
        rag_buf_init(&b, 0);
        rc = rag_words(argc, argv, optind, &b, &err);
        if (rc)
            rc = rag_complain_error(&err);
        else
            rag_desk_set(a->body, "question", rag_buf_str(&b));
        rag_buf_free(&b);
        return rc;
    }
    if (optind < argc)
        return rag_complain(RAG_EXIT_USAGE, "faq %s takes no such argument",
                            op->name);
    return 0;
}

static int run(rag_client *c, int argc, char **argv, const faq_op *op,
               faq_args *a) {
    rag_error err = {0};
    rag_buf answer;
    json_t *v = NULL;
    int rc = take_words(argc, argv, op, a);
    if (rc)
        return rc;
    if (a->answer_file) {
        rag_buf_init(&answer, ANSWER_FILE_MAX + 1);
        rc = rag_file_read(a->answer_file, ANSWER_FILE_MAX, &answer, &err);
        while (!rc && answer.len && answer.data[answer.len - 1] == '\n')
            answer.data[--answer.len] = '\0';
        if (!rc)
            rag_desk_set(a->body, "answer", rag_buf_str(&answer));
        rag_buf_free(&answer);
        if (rc)
            return rag_complain_error(&err);
    }
    if (json_array_size(a->variants))
        json_object_set(a->body, "variants", a->variants);
    if (op->changes)
        rag_desk_set(a->body, "by", rag_desk_by(a->by));
    rag_desk_set(a->body, "op", strcmp(op->name, "show") ? op->name : "get");
    if (rag_desk_post(c, "/v1/faq", json_incref(a->body), &v, &err))
        return rag_complain_error(&err);
    rc = rag_desk_print(a->json, v, op->show);
    json_decref(v);
    return rc;
}

int rag_cmd_faq(rag_client *c, int argc, char **argv) {
    faq_args a = {0};
    const faq_op *op = NULL;
    if (argc > 1 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(rag_usage_faq, stdout);
        return 0;
    }
    for (size_t i = 0; argc > 1 && i < sizeof OPS / sizeof OPS[0]; i++)
        if (strcmp(argv[1], OPS[i].name) == 0)
            op = &OPS[i];
    if (!op)
        return rag_complain(RAG_EXIT_USAGE,
                            "faq what? list, show, add, edit, approve, retire, "
                            "import, export, history or draft");
    a.body = json_object();
    a.variants = json_array();
    argc--;
    argv++;
    int rc =
        a.body && a.variants ? read_options(argc, argv, &a) : RAG_EXIT_INTERNAL;
    if (rc < 0)
        rc = 0;
    else if (!rc && strcmp(op->name, "import") == 0)
        rc = argc - optind == 1
                 ? import(c, &a, argv[optind])
                 : rag_complain(RAG_EXIT_USAGE, "faq import takes one file");
    else if (!rc && strcmp(op->name, "export") == 0)
        rc = export(c);
    else if (!rc)
        rc = run(c, argc, argv, op, &a);
    json_decref(a.body);
    json_decref(a.variants);
    return rc;
}
