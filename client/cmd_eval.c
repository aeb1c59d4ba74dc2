/* cmd_eval.c - `rag eval`: options, and what to print or write. */
#include "client/client.h"
#include "client/eval.h"

#include "base/file.h"
#include "base/http.h"
#include "base/json.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char rag_usage_eval[] =
    "usage: rag eval [--answers] [--data DIR] [--expand] [--limit N] [--json]\n"
    "                [--out FILE.json] [--html FILE.html] DIR\n"
    "                [-- RAGD-OPTION...]\n"
    "       rag eval --compare A.json B.json\n"
    "\n"
    "Measures the product on the questions in DIR: queries.jsonl (or\n"
    "questions.jsonl) and docs.jsonl (or the folders of DIR) are read into a\n"
    "scratch store and asked of a ragd of its own.\n"
    "\n"
    "  --answers   with the generator; without, answers are approved FAQ\n"
    "              entries and extracts\n"
    "  --data DIR  a store that stays, instead of the scratch one\n"
    "  --expand    with questions that the generator writes for each chunk, "
    "as\n"
    "              rag-ingest --expand does; keep them with --data\n"
    "  --limit N   an even sample of N questions\n"
    "  --json      the whole report as JSON on stdout\n"
    "  --out FILE  the same into FILE, for --compare\n"
    "  --html FILE a page with tables and plots\n"
    "  --compare   what moved between two reports\n";

typedef struct eval_args {
    rag_eval_options opt;
    const char *out, *html, *dir;
    bool json, compare;
} eval_args;

static int write_report(const json_t *report, const eval_args *a,
                        rag_error *err) {
    rag_buf b;
    int rc;

    rag_buf_init(&b, 0);
    rc = rag_json_dump(report, &b, err);
    if (!rc && a->json)
        printf("%s\n", rag_buf_str(&b));
    else if (!rc)
        rag_eval_print(report);
    if (!rc && a->out)
        rc = rag_file_replace(a->out, b.data, b.len, 0644, err);
    if (!rc && a->html)
        rc = rag_eval_html(report, a->html, err);
    rag_buf_free(&b);
    return rc;
}

static int evaluate(const eval_args *a, rag_error *err) {
    rag_eval_outcome *outcomes = NULL;
    rag_eval_set set = {0};
    json_t *report = NULL;
    rag_eval_about about = {0};
    int rc;

    if ((rc = rag_http_global_init(err)) ||
        (rc = rag_eval_load(a->dir, a->opt.limit, &set, err)) ||
        (rc = rag_eval_run(&set, &a->opt, &outcomes, &about, err)) ||
        (rc = rag_eval_report(&set, outcomes, &about, &report, err)))
        goto out;
    rc = write_report(report, a, err);
out:
    for (size_t i = 0; outcomes && i < set.n; i++)
        rag_eval_outcome_free(&outcomes[i]);
    free(outcomes);
    json_decref(report);
    rag_eval_set_free(&set);
    return rc;
}

static int usage_error(const char *why) {
    fprintf(stderr, "rag eval: %s\n%s", why, rag_usage_eval);
    return rag_code_exit_status(RAG_E_USAGE);
}

/* Needs no running daemon: it starts one of its own. */
int rag_cmd_eval(rag_client *client, int argc, char **argv) {
    (void)client;
    static const struct option longs[] = {
        {"answers", no_argument, NULL, 'a'},
        {"data", required_argument, NULL, 'd'},
        {"expand", no_argument, NULL, 'e'},
        {"limit", required_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
        {"out", required_argument, NULL, 'o'},
        {"html", required_argument, NULL, 'H'},
        {"compare", no_argument, NULL, 'c'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
    eval_args a = {0};
    rag_error err = {0};
    long limit;
    int c, rc;

    optind = 0;
    while ((c = getopt_long(argc, argv, "+hq", longs, NULL)) != -1) {
        switch (c) {
        case 'a':
            a.opt.answers = true;
            break;
        case 'd':
            a.opt.data = optarg;
            break;
        case 'e':
            a.opt.expand = true;
            break;
        case 'j':
            a.json = true;
            break;
        case 'o':
            a.out = optarg;
            break;
        case 'H':
            a.html = optarg;
            break;
        case 'c':
            a.compare = true;
            break;
        case 'q':
            a.opt.quiet = true;
            break;
        case 'l':
            if (rag_str_to_long(optarg, 1, RAG_EVAL_QUERIES_MAX, &limit, &err))
                return usage_error(err.message);
            a.opt.limit = (size_t)limit;
            break;
        case 'h':
            fputs(rag_usage_eval, stdout);
            return 0;
        default:
            return usage_error("see its options");
        }
    }
    if (a.compare) {
        if (argc - optind != 2)
            return usage_error("--compare takes two reports");
        rc = rag_eval_compare(argv[optind], argv[optind + 1], &err);
    } else {
        if (optind >= argc)
            return usage_error("which folder?");
        a.dir = argv[optind];
        if (optind + 1 < argc) {
            if (strcmp(argv[optind + 1], "--"))
                return usage_error("one folder, then -- and ragd's options");
            a.opt.daemon_args = (const char *const *)&argv[optind + 2];
        }
        rc = evaluate(&a, &err);
    }
    if (rc)
        fprintf(stderr, "rag eval: %s\n", err.message);
    return rag_code_exit_status((rag_code)rc);
}
