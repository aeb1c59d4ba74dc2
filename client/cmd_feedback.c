/* cmd_feedback.c - rag feedback and rag queue: what customers thought of
 * answers, and what could not be answered. */
#include "client/desk.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char rag_usage_feedback[] =
    "usage: rag feedback ID up|down [COMMENT...] [--by NAME] [--json]\n"
    "\n"
    "Says of an answer whether it helped. ID is the answer's \"id\" (rag ask\n"
    "--json) or the code of a refusal. down puts its question into the\n"
    "queue.\n";

const char rag_usage_queue[] =
    "usage: rag queue [--state S] [--limit N] [--json]\n"
    "       rag queue dismiss|reopen GROUP [--by NAME] [--json]\n"
    "\n"
    "Questions that were refused or disliked, similar ones in one group, most\n"
    "asked first. rag faq draft --group GROUP proposes an answer.\n"
    "\n"
    "  --state S    open, drafted, answered, dismissed or all\n"
    "               (open and drafted)\n";

typedef struct desk_args {
    bool json;
    const char *by, *state, *limit;
} desk_args;

/* -1: help was printed. */
static int read_options(int argc, char **argv, const char *usage,
                        desk_args *a) {
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"by", required_argument, NULL, 'b'},
        {"state", required_argument, NULL, 's'},
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
        case 'b':
            a->by = optarg;
            break;
        case 's':
            a->state = optarg;
            break;
        case 'l':
            a->limit = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            return RAG_EXIT_USAGE;
        }
    }
    return 0;
}

static void show_vote(rag_printer *p, const json_t *v) {
    rag_desk_line(p, "noted", rag_field(v, "id"));
}

int rag_cmd_feedback(rag_client *c, int argc, char **argv) {
    desk_args a = {0};
    rag_error err = {0};
    rag_buf comment;
    json_t *v = NULL;
    int rc = read_options(argc, argv, rag_usage_feedback, &a);
    if (rc)
        return rc < 0 ? 0 : rc;
    if (argc - optind < 2)
        return rag_complain(RAG_EXIT_USAGE, "feedback takes an id, then up or "
                                            "down");
    rag_buf_init(&comment, 0);
    if (argc - optind > 2)
        rc = rag_words(argc, argv, optind + 2, &comment, &err);
    if (!rc)
        rc = rag_desk_post(c, "/v1/feedback",
                           json_pack("{ss ss ss ss}", "id", argv[optind],
                                     "vote", argv[optind + 1], "comment",
                                     rag_buf_str(&comment), "by",
                                     rag_desk_by(a.by)),
                           &v, &err);
    rag_buf_free(&comment);
    rc = rc ? rag_complain_error(&err) : rag_desk_print(a.json, v, show_vote);
    json_decref(v);
    return rc;
}

/* ---- queue ------------------------------------------------------------------- */

static void show_group(rag_printer *p, const json_t *g) {
    char line[160];
    snprintf(line, sizeof line, "%lld",
             (long long)json_integer_value(json_object_get(g, "group")));
    rag_desk_line(p, "group", line);
    rag_desk_line(p, "question", rag_field(g, "question"));
    json_t *list = json_object_get(g, "examples");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        rag_desk_line(p, "also", s ? s : "");
    }
    snprintf(line, sizeof line, "%lld times, last %s",
             (long long)json_integer_value(json_object_get(g, "count")),
             rag_field(g, "last_at"));
    rag_desk_line(p, "asked", line);
    rag_desk_line(p, "why", rag_field(g, "why"));
    rag_desk_line(p, "state", rag_field(g, "state"));
    rag_desk_line(p, "entry", rag_field(g, "entry"));
}

static void show_queue(rag_printer *p, const json_t *v) {
    json_t *list = json_object_get(v, "groups");
    if (!json_array_size(list))
        rag_complain(0, "the queue is empty");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i)
            rag_printer_end(p);
        show_group(p, json_array_get(list, i));
    }
}

int rag_cmd_queue(rag_client *c, int argc, char **argv) {
    desk_args a = {0};
    rag_error err = {0};
    json_t *v = NULL, *body = json_object();
    long n;
    int rc = read_options(argc, argv, rag_usage_queue, &a);
    if (rc) {
        json_decref(body);
        return rc < 0 ? 0 : rc;
    }
    bool list = optind == argc;
    if (!list && (argc - optind != 2 ||
                  rag_str_to_long(argv[optind + 1], 1, 1L << 40, &n, &err))) {
        json_decref(body);
        return rag_complain(RAG_EXIT_USAGE,
                            "queue takes nothing, or dismiss or reopen and "
                            "the number of a group");
    }
    if (!list) {
        rag_desk_set(body, "op", argv[optind]);
        json_object_set_new(body, "group", json_integer(n));
    }
    rag_desk_set(body, "by", rag_desk_by(a.by));
    rag_desk_set(body, "state", a.state);
    if (a.limit && rag_str_to_long(a.limit, 1, 1000, &n, &err)) {
        json_decref(body);
        return rag_complain(RAG_EXIT_USAGE, "--limit: %s", err.message);
    }
    if (a.limit)
        json_object_set_new(body, "limit", json_integer(n));
    rc = rag_desk_post(c, "/v1/queue", body, &v, &err);
    rc = rc ? rag_complain_error(&err)
            : rag_desk_print(a.json, v, list ? show_queue : show_group);
    json_decref(v);
    return rc;
}
