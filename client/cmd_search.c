/* cmd_search.c - rag search: the passages that speak of something. */
#include "client/client.h"

#include "base/unicode.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 30000
#define SNIPPET_BYTES 400

const char rag_usage_search[] =
    "usage: rag search [-k N] [--chunks N] [--json] [--explain]\n"
    "                  [--collection C] QUERY...\n"
    "       rag search [-k N] --batch FILE\n"
    "\n"
    "Prints the best documents, each with its best passage.\n"
    "\n"
    "  -k N              documents (10)\n"
    "  --chunks N        passages a document (1)\n"
    "  --json            one JSON object\n"
    "  --explain         how each hit came to its place\n"
    "  --collection C    only documents of this collection\n"
    "  --batch FILE      one {\"id\",\"query\"} a line (\"-\": standard "
    "input),\n"
    "                    one result a line\n"
    "\n"
    "Exit status: 0 found, 3 nothing found, 64 usage, 65 bad data, 69 no\n"
    "daemon or no documents, 70 internal.\n";

typedef struct searching {
    rag_client *client;
    bool json, explain;
    long k, chunks;
    const char *collection, *batch;
} searching;

static int number(const char *flag, const char *s, long *out) {
    rag_error err = {0};
    if (rag_str_to_long(s, 1, 100, out, &err))
        return rag_complain(RAG_EXIT_USAGE, "%s: %s", flag, err.message);
    return 0;
}

static int read_options(int argc, char **argv, searching *s) {
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"explain", no_argument, NULL, 'e'},
        {"chunks", required_argument, NULL, 'n'},
        {"collection", required_argument, NULL, 'c'},
        {"batch", required_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int o, rc = 0;
    optind = 1;
    while (!rc && (o = getopt_long(argc, argv, "hk:", longs, NULL)) != -1) {
        switch (o) {
        case 'k':
            rc = number("-k", optarg, &s->k);
            break;
        case 'n':
            rc = number("--chunks", optarg, &s->chunks);
            break;
        case 'j':
            s->json = true;
            break;
        case 'e':
            s->explain = true;
            break;
        case 'c':
            s->collection = optarg;
            break;
        case 'b':
            s->batch = optarg;
            break;
        case 'h':
            fputs(rag_usage_search, stdout);
            return -1;
        default:
            return RAG_EXIT_USAGE;
        }
    }
    return rc;
}

static int call(const searching *s, const char *query, json_t **out,
                rag_error *err) {
    json_t *body =
        json_pack("{ss si si sb}", "query", query, "k", (int)s->k, "chunks",
                  (int)s->chunks, "explain", (int)s->explain);
    if (body && s->collection)
        json_object_set_new(body, "collection", json_string(s->collection));
    int rc = rag_client_call(s->client, "POST", "/v1/search", body, BUSY_MS,
                             out, err);
    json_decref(body);
    return rc;
}

static int search_line(void *user, const json_t *line, const char *text,
                       json_t **out, rag_error *err) {
    (void)line;
    return call(user, text, out, err);
}

static void put(rag_printer *p, const char *s) {
    rag_printer_text(p, s, strlen(s));
}

static double real(const json_t *v, const char *key) {
    return json_number_value(json_object_get(v, key));
}

static void print_hit(rag_printer *p, size_t n, const json_t *h, bool explain) {
    char line[160];
    const char *title = rag_field(h, "title"), *doc = rag_field(h, "doc");
    const char *heading = rag_field(h, "heading"), *text = rag_field(h, "text");
    snprintf(line, sizeof line, "%2zu. ", n);
    p->indent = 4;
    rag_printer_style(p, RAG_STYLE_BOLD);
    put(p, line);
    put(p, *title ? title : doc);
    rag_printer_style(p, RAG_STYLE_PLAIN);
    if (*heading) {
        put(p, " > ");
        put(p, heading);
    }
    rag_printer_style(p, RAG_STYLE_DIM);
    snprintf(line, sizeof line, ":%lld-%lld  score %.3f",
             (long long)json_integer_value(json_object_get(h, "start")),
             (long long)json_integer_value(json_object_get(h, "end")),
             real(h, "score"));
    put(p, "\n");
    put(p, doc);
    put(p, line);
    if (explain) {
        snprintf(line, sizeof line,
                 "\nlexical %.2f (z %.2f, rank %d)  vector %.4f (z %.2f, rank "
                 "%d)",
                 real(h, "lexical"), real(h, "lexical_z"),
                 (int)real(h, "lexical_rank"), real(h, "vector"),
                 real(h, "vector_z"), (int)real(h, "vector_rank"));
        put(p, line);
    }
    rag_printer_style(p, RAG_STYLE_PLAIN);
    put(p, "\n");
    size_t len = strlen(text);
    size_t cut =
        rag_utf8_floor(text, len, len < SNIPPET_BYTES ? len : SNIPPET_BYTES);
    rag_printer_text(p, text, cut);
    if (cut < len)
        put(p, " ...");
    p->indent = 0;
    rag_printer_end(p);
}

static void print_explain(rag_printer *p, const json_t *v) {
    const json_t *e = json_object_get(v, "explain");
    char line[256];
    snprintf(line, sizeof line,
             "weight of vectors %.2f, best cosine %.4f, best BM25 %.2f over "
             "%.0f terms; lexical %.1f ms, vector %.1f ms, fusion %.1f ms",
             real(e, "vector_weight"), real(e, "best_cosine"),
             real(e, "best_bm25"), real(e, "query_terms"),
             real(e, "lexical_ms"), real(e, "vector_ms"), real(e, "fuse_ms"));
    put(p, line);
    rag_printer_end(p);
}

static int search_once(const searching *s, const char *query, rag_error *err) {
    json_t *v = NULL;
    int rc = call(s, query, &v, err);
    if (rc)
        return rag_complain_error(err);
    json_t *hits = json_object_get(v, "hits");
    int status = json_array_size(hits) ? 0 : RAG_EXIT_REFUSED;
    if (s->json) {
        if (rag_print_json(v, err))
            status = rag_complain_error(err);
    } else {
        rag_printer p;
        rag_printer_init(&p, stdout);
        if (s->explain)
            print_explain(&p, v);
        for (size_t i = 0; i < json_array_size(hits); i++)
            print_hit(&p, i + 1, json_array_get(hits, i), s->explain);
        if (status)
            rag_complain(0, "nothing found");
        rag_printer_free(&p);
    }
    json_decref(v);
    return status;
}

int rag_cmd_search(rag_client *c, int argc, char **argv) {
    static const char *const keys[] = {"query", "question", NULL};
    searching s = {.client = c, .k = 10, .chunks = 1};
    rag_error err = {0};
    rag_buf query;
    int rc = read_options(argc, argv, &s);
    if (rc)
        return rc < 0 ? 0 : rc;
    if (s.batch) {
        if (optind < argc)
            return rag_complain(RAG_EXIT_USAGE,
                                "--batch takes its queries from the file");
        return rag_batch(s.batch, keys, search_line, &s);
    }
    rag_buf_init(&query, 0);
    if (rag_words(argc, argv, optind, &query, &err))
        rc = rag_complain_error(&err);
    else
        rc = search_once(&s, rag_buf_str(&query), &err);
    rag_buf_free(&query);
    return rc;
}
