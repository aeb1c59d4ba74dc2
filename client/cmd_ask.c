/* cmd_ask.c - rag ask: a question, a cited answer, its sources. */
#include "client/client.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_MS 30000

const char rag_usage_ask[] =
    "usage: rag ask [--json] [--collection C] [--session NAME] QUESTION...\n"
    "       rag ask [--collection C] --batch FILE\n"
    "\n"
    "Asks and prints the answer, then where it stands. QUESTION \"-\" is read\n"
    "from standard input.\n"
    "\n"
    "  --json            the whole answer as one JSON object\n"
    "  --collection C    only documents of this collection\n"
    "  --session NAME    a conversation: a follow-up is understood from the\n"
    "                    question before it\n"
    "  --batch FILE      one {\"id\",\"question\"} a line (\"-\": standard\n"
    "                    input), one answer a line\n"
    "\n"
    "Exit status: 0 answered, 3 refused, 4 several answers fit, 64 usage,\n"
    "65 bad data, 69 no daemon or no documents, 70 internal.\n";

typedef struct asking {
    rag_client *client;
    bool json;
    const char *collection, *batch, *session;
} asking;

static int read_options(int argc, char **argv, asking *a) {
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"collection", required_argument, NULL, 'c'},
        {"batch", required_argument, NULL, 'b'},
        {"session", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int o;
    optind = 1;
    while ((o = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (o) {
        case 'j':
            a->json = true;
            break;
        case 'c':
            a->collection = optarg;
            break;
        case 'b':
            a->batch = optarg;
            break;
        case 's':
            a->session = optarg;
            break;
        case 'h':
            fputs(rag_usage_ask, stdout);
            return -1;
        default:
            return RAG_EXIT_USAGE;
        }
    }
    return 0;
}

static json_t *request(const asking *a, const char *question,
                       const char *collection) {
    json_t *v = json_pack("{ss}", "question", question);
    const char *c = collection ? collection : a->collection;
    if (v && c)
        json_object_set_new(v, "collection", json_string(c));
    if (v && a->session)
        json_object_set_new(v, "session", json_string(a->session));
    return v;
}

static int exit_status(const json_t *answer) {
    const char *s = rag_field(answer, "status");
    if (strcmp(s, "refused") == 0)
        return RAG_EXIT_REFUSED;
    return strcmp(s, "clarify") == 0 ? RAG_EXIT_CLARIFY : 0;
}

static void warn(const json_t *answer) {
    json_t *list = json_object_get(answer, "warnings");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        rag_complain(0, "warning: %s", s ? s : "");
    }
}

/* ---- sources --------------------------------------------------------------------------- */

static void put(rag_printer *p, const char *s) {
    rag_printer_text(p, s, strlen(s));
}

static void print_source(rag_printer *p, const json_t *c) {
    char number[32], place[96];
    const char *title = rag_field(c, "title"), *doc = rag_field(c, "doc");
    const char *heading = rag_field(c, "heading"), *url = rag_field(c, "url");
    snprintf(number, sizeof number, "[%d]",
             (int)json_integer_value(json_object_get(c, "n")));
    snprintf(place, sizeof place, ":%lld-%lld",
             (long long)json_integer_value(json_object_get(c, "start")),
             (long long)json_integer_value(json_object_get(c, "end")));
    p->indent = 4;
    rag_printer_style(p, RAG_STYLE_BOLD);
    put(p, number);
    put(p, " ");
    put(p, *title ? title : doc);
    rag_printer_style(p, RAG_STYLE_PLAIN);
    if (*heading) {
        put(p, " > ");
        put(p, heading);
    }
    rag_printer_style(p, RAG_STYLE_DIM);
    put(p, "\n");
    put(p, doc);
    put(p, place);
    if (*url) {
        put(p, " ");
        put(p, url);
    }
    put(p, "\n\"");
    put(p, rag_field(c, "quote"));
    put(p, "\"");
    rag_printer_style(p, RAG_STYLE_PLAIN);
    p->indent = 0;
    rag_printer_end(p);
}

static void print_rest(rag_printer *p, const json_t *answer) {
    if (json_object_get(answer, "said")) {
        p->indent = 4;
        rag_printer_style(p, RAG_STYLE_DIM);
        put(p, "understood as: ");
        put(p, rag_field(answer, "question"));
        rag_printer_style(p, RAG_STYLE_PLAIN);
        p->indent = 0;
        rag_printer_end(p);
    }
    json_t *choices = json_object_get(answer, "choices");
    for (size_t i = 0; i < json_array_size(choices); i++) {
        p->indent = 4;
        put(p, "- ");
        put(p, rag_field(json_array_get(choices, i), "question"));
        p->indent = 0;
        rag_printer_end(p);
    }
    json_t *list = json_object_get(answer, "citations");
    if (json_array_size(list))
        rag_printer_end(p);
    for (size_t i = 0; i < json_array_size(list); i++)
        print_source(p, json_array_get(list, i));
}

static void on_text(void *user, const char *s, size_t n) {
    rag_printer *p = user;
    rag_printer_text(p, s, n);
    fflush(p->file);
}

static int ask_person(const asking *a, const char *question, rag_error *err) {
    rag_printer p;
    json_t *body = request(a, question, NULL), *answer = NULL;
    rag_printer_init(&p, stdout);
    int rc = rag_client_stream(a->client, "/v1/ask", body, on_text, &p, &answer,
                               err);
    if (!rc) {
        rag_printer_end(&p);
        print_rest(&p, answer);
        warn(answer);
        rc = exit_status(answer);
        if (ferror(stdout))
            rc = rag_complain(74, "cannot write to standard output");
    } else {
        if (p.column || p.word.len)
            rag_printer_end(&p);
        rc = rag_complain_error(err);
    }
    rag_printer_free(&p);
    json_decref(body);
    json_decref(answer);
    return rc;
}

static int ask_json(const asking *a, const char *question, rag_error *err) {
    json_t *body = request(a, question, NULL), *answer = NULL;
    int rc = rag_client_call(a->client, "POST", "/v1/ask", body, BUSY_MS,
                             &answer, err);
    if (!rc)
        rc = rag_print_json(answer, err);
    if (!rc) {
        warn(answer);
        rc = exit_status(answer);
    } else {
        rc = rag_complain_error(err);
    }
    json_decref(body);
    json_decref(answer);
    return rc;
}

static int ask_line(void *user, const json_t *line, const char *text,
                    json_t **out, rag_error *err) {
    const asking *a = user;
    const char *collection =
        json_string_value(json_object_get(line, "collection"));
    json_t *body = request(a, text, collection);
    int rc =
        rag_client_call(a->client, "POST", "/v1/ask", body, BUSY_MS, out, err);
    json_decref(body);
    return rc;
}

int rag_cmd_ask(rag_client *c, int argc, char **argv) {
    static const char *const keys[] = {"question", NULL};
    asking a = {.client = c};
    rag_error err = {0};
    rag_buf question;
    int rc = read_options(argc, argv, &a);
    if (rc)
        return rc < 0 ? 0 : rc;
    if (a.batch) {
        if (optind < argc)
            return rag_complain(RAG_EXIT_USAGE,
                                "--batch takes its questions from the file");
        return rag_batch(a.batch, keys, ask_line, &a);
    }
    rag_buf_init(&question, 0);
    if (rag_words(argc, argv, optind, &question, &err))
        rc = rag_complain_error(&err);
    else if (a.json)
        rc = ask_json(&a, rag_buf_str(&question), &err);
    else
        rc = ask_person(&a, rag_buf_str(&question), &err);
    rag_buf_free(&question);
    return rc;
}
