/* cmd_audit.c - rag audit: show records, verify the chain, erase texts. */
#include "client/desk.h"

#include "base/json.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char rag_usage_audit[] =
    "usage: rag audit show [ID] [--limit N] [--json]\n"
    "       rag audit verify [--head NUMBER:HASH] [--json]\n"
    "       rag audit purge (--days N | --doc ID) [--by NAME] [--json]\n"
    "\n"
    "show prints what is recorded of an answer (its id or the code of a\n"
    "refusal) or of an entry; without ID the newest records. verify checks\n"
    "the whole chain; note its head elsewhere and give it later with --head:\n"
    "then nobody can have replaced what stood before it. purge erases the\n"
    "texts of answers older than N days, or that quote a document; the chain\n"
    "still verifies.\n"
    "\n"
    "Exit status: 0, 65 when the chain is broken or the data bad, 66 when\n"
    "nothing is recorded of ID, 69 no daemon.\n";

typedef struct audit_args {
    bool json;
    const char *head, *days, *doc, *by, *limit;
} audit_args;

/* -1: help was printed. */
static int read_options(int argc, char **argv, audit_args *a) {
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"head", required_argument, NULL, 'H'},
        {"days", required_argument, NULL, 'd'},
        {"doc", required_argument, NULL, 'D'},
        {"by", required_argument, NULL, 'b'},
        {"limit", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int o;
    optind = 1;
    while ((o = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (o) {
        case 'j':
            a->json = true;
            break;
        case 'H':
            a->head = optarg;
            break;
        case 'd':
            a->days = optarg;
            break;
        case 'D':
            a->doc = optarg;
            break;
        case 'b':
            a->by = optarg;
            break;
        case 'l':
            a->limit = optarg;
            break;
        case 'h':
            fputs(rag_usage_audit, stdout);
            return -1;
        default:
            return RAG_EXIT_USAGE;
        }
    }
    return 0;
}

static int set_number(json_t *body, const char *key, const char *s, long max) {
    rag_error err = {0};
    long n;
    if (!s)
        return 0;
    if (rag_str_to_long(s, 0, max, &n, &err))
        return rag_complain(RAG_EXIT_USAGE, "--%s: %s", key, err.message);
    json_object_set_new(body, key, json_integer(n));
    return 0;
}

/* "NUMBER:HASH" as verify prints it. */
static int set_head(json_t *body, const char *head) {
    char number[24];
    const char *colon = head ? strchr(head, ':') : NULL;
    if (!head)
        return 0;
    if (!colon || (size_t)(colon - head) >= sizeof number)
        return rag_complain(RAG_EXIT_USAGE, "--head is NUMBER:HASH");
    memcpy(number, head, (size_t)(colon - head));
    number[colon - head] = '\0';
    rag_desk_set(body, "hash", colon + 1);
    return set_number(body, "seq", number, 1L << 50);
}

/* ---- printing ------------------------------------------------------------------ */

static void show_list(rag_printer *p, const json_t *body, const char *key) {
    json_t *list = json_object_get(body, key), *v;
    size_t i;
    json_array_foreach(list, i, v) {
        char line[256];
        if (json_is_string(v)) {
            rag_desk_line(p, key, json_string_value(v));
            continue;
        }
        snprintf(line, sizeof line, "%s:%lld-%lld", rag_field(v, "doc"),
                 (long long)json_integer_value(json_object_get(v, "start")),
                 (long long)json_integer_value(json_object_get(v, "end")));
        rag_desk_line(p, key, line);
    }
}

static void show_record(rag_printer *p, const json_t *r) {
    char line[192];
    const json_t *body = json_object_get(r, "body");
    snprintf(line, sizeof line, "%lld  %s  %s  %s",
             (long long)json_integer_value(json_object_get(r, "seq")),
             rag_field(r, "at"), rag_field(r, "kind"), rag_field(r, "subject"));
    rag_desk_line(p, "record", line);
    if (json_is_true(json_object_get(r, "erased")))
        rag_desk_line(p, "text", "erased");
    static const char *const keys[] = {"question", "status", "reason", "answer",
                                       "comment",  "note",   "by",     "who"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        rag_desk_line(p, keys[i], rag_field(body, keys[i]));
    json_t *entry = json_object_get(body, "entry");
    if (json_is_object(entry)) {
        snprintf(
            line, sizeof line, "%s, version %lld", rag_field(entry, "id"),
            (long long)json_integer_value(json_object_get(entry, "version")));
        rag_desk_line(p, "entry", line);
    }
    show_list(p, body, "evidence");
    show_list(p, body, "choices");
    const json_t *versions = json_object_get(body, "versions");
    rag_desk_line(p, "model", rag_field(versions, "generator"));
    rag_desk_line(p, "hash", rag_field(r, "hash"));
}

static void show_records(rag_printer *p, const json_t *v) {
    json_t *list = json_object_get(v, "records");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i)
            rag_printer_end(p);
        show_record(p, json_array_get(list, i));
    }
}

static void show_verdict(rag_printer *p, const json_t *v) {
    char line[128];
    bool whole = json_is_true(json_object_get(v, "whole"));
    rag_printer_style(p, whole ? RAG_STYLE_GOOD : RAG_STYLE_BAD);
    rag_desk_line(p, "chain", whole ? "whole" : rag_field(v, "why"));
    rag_printer_style(p, RAG_STYLE_PLAIN);
    snprintf(line, sizeof line, "%lld, %lld of them erased",
             (long long)json_integer_value(json_object_get(v, "records")),
             (long long)json_integer_value(json_object_get(v, "erased")));
    rag_desk_line(p, "records", line);
    snprintf(line, sizeof line, "%lld:%s",
             (long long)json_integer_value(json_object_get(v, "head")),
             rag_field(v, "hash"));
    rag_desk_line(p, "head", line);
}

static void show_purge(rag_printer *p, const json_t *v) {
    char line[64];
    snprintf(line, sizeof line, "%lld records",
             (long long)json_integer_value(json_object_get(v, "erased")));
    rag_desk_line(p, "erased", line);
}

int rag_cmd_audit(rag_client *c, int argc, char **argv) {
    audit_args a = {0};
    rag_error err = {0};
    json_t *v = NULL, *body = json_object();
    int rc = body ? read_options(argc, argv, &a) : RAG_EXIT_INTERNAL;
    const char *op = optind < argc ? argv[optind] : NULL;
    if (!rc && !op)
        rc = rag_complain(RAG_EXIT_USAGE, "audit what? show, verify or purge");
    bool show = op && strcmp(op, "show") == 0;
    bool verify = op && strcmp(op, "verify") == 0;
    bool purge = op && strcmp(op, "purge") == 0;
    if (!rc && ((!show && !verify && !purge) || argc - optind > (show ? 2 : 1)))
        rc = rag_complain(RAG_EXIT_USAGE, "audit takes show [ID], verify or "
                                          "purge");
    if (!rc)
        rc = set_number(body, "limit", a.limit, 1000);
    if (!rc)
        rc = set_number(body, "days", a.days, 36500);
    if (!rc)
        rc = set_head(body, a.head);
    if (rc) {
        json_decref(body);
        return rc < 0 ? 0 : rc;
    }
    rag_desk_set(body, "op", op);
    rag_desk_set(body, "doc", a.doc);
    rag_desk_set(body, "by", rag_desk_by(a.by));
    if (show && argc - optind == 2)
        rag_desk_set(body, "id", argv[optind + 1]);
    if (rag_desk_post(c, "/v1/audit", body, &v, &err))
        return rag_complain_error(&err);
    rc = rag_desk_print(a.json, v,
                        show     ? show_records
                        : verify ? show_verdict
                                 : show_purge);
    if (!rc && verify && !json_is_true(json_object_get(v, "whole")))
        rc = RAG_EXIT_DATA;
    json_decref(v);
    return rc;
}
