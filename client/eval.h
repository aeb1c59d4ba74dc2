/*
 * eval.h - `rag eval`: the product measured on labelled questions.
 *
 * Reads a folder with questions (queries.jsonl or questions.jsonl) and
 * documents (docs.jsonl, else the folders in it), ingests them into a scratch
 * store with the real rag-ingest, asks the real ragd, and reports retrieval,
 * refusal, answers and latency with bootstrap intervals. One thread.
 */
#ifndef RAG_CLIENT_EVAL_H
#define RAG_CLIENT_EVAL_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- questions (eval_data.c) -------------------------------------------- */

#define RAG_EVAL_QUERIES_MAX 100000
#define RAG_EVAL_LINE_MAX ((size_t)1 << 20)

typedef struct rag_eval_query {
    char *id, *question;
    bool answerable;
    char **relevant, **answers; /* owned, owned */
    size_t nrelevant, nanswers;
} rag_eval_query;

typedef struct rag_eval_set {
    char *dir, *name;
    rag_eval_query *queries;
    size_t n;
    char **sources; /* what to ingest: files and folders; owned */
    size_t nsources;
} rag_eval_set;

/* limit 0: all queries, else an even sample of so many. RAG_E_NOINPUT,
 * RAG_E_DATA (names file and line). */
int rag_eval_load(const char *dir, size_t limit, rag_eval_set *out,
                  rag_error *err);
void rag_eval_set_free(rag_eval_set *s);

/* ---- one query's outcome -------------------------------------------------- */

typedef struct rag_eval_outcome {
    /* retrieval; defined when the query has relevant documents */
    int first; /* rank of the first relevant document, 0: not in the top 10 */
    double ndcg10, recall5, recall10;
    double search_ms;
    double confidence; /* the gate's, NAN when not told */
    /* answer; defined when asked */
    bool asked;
    char status[16]; /* "answered", "faq", ..., or "error" */
    char *answer; /* owned, may be NULL */
    bool right; /* an accepted answer occurs in the answer */
    double exact, f1; /* of `short`, else of the answer without markers */
    bool given; /* something was stated: answered, faq or extract */
    bool cited; /* has a citation */
    bool exact_quotes; /* and each quote is what the store has in its place */
    bool numbers_grounded; /* each number of the answer is in a quote */
    double ask_ms, first_ms; /* whole; until first checked text */
    json_t *features; /* of the evidence gate; owned, may be NULL */
} rag_eval_outcome;

/* What a run was like. */
typedef struct rag_eval_about {
    double ingest_s;
    char gate[256]; /* fingerprint that a gate fitted on it would have */
} rag_eval_about;

void rag_eval_outcome_free(rag_eval_outcome *o);

/* ---- figures (eval_metrics.c): pure functions ----------------------------- */

/*
 * Ranks of relevant documents in docs[0..n): fills first, ndcg10 (binary
 * gains, log2 discount; Jarvelin and Kekalainen 2002), recall5, recall10. An
 * id that is a path matches by its last components, so that labels need not
 * know where a folder stands.
 */
void rag_eval_rank(const rag_eval_query *q, const char *const *docs, size_t n,
                   rag_eval_outcome *out);

typedef struct rag_interval {
    double mean, low, high; /* bootstrap percentile 95 %; NAN without values */
    size_t n;
} rag_interval;

/* Bootstrap of the mean, 1000 resamples, fixed seed. */
rag_interval rag_eval_bootstrap(const double *x, size_t n);
/* Area under the ROC curve of positives over negatives, ties counting half
 * (Mann-Whitney U); NAN when either is empty. */
double rag_eval_auroc(const double *pos, size_t npos, const double *neg,
                      size_t nneg);
/* Share of negatives that score at least as high as the threshold which
 * refuses the given share of positives. */
double rag_eval_false_answers(const double *pos, size_t npos, const double *neg,
                              size_t nneg, double refused);
/* The p-quantile (0..1) of x, which is sorted in place; NAN when empty. */
double rag_eval_quantile(double *x, size_t n, double p);

/* Normalised comparison: case, punctuation, articles and white space aside
 * (SQuAD 1.1's); F1 over words, over characters when the text is Korean
 * (KorQuAD 1.0's). Best over the accepted answers. */
double rag_eval_exact(const char *answer, char *const *accepted, size_t n);
double rag_eval_f1(const char *answer, char *const *accepted, size_t n);
bool rag_eval_contains(const char *answer, char *const *accepted, size_t n);
/* Every number in the answer (markers such as [1] aside) stands in one of the
 * quotes, separators aside. */
bool rag_eval_numbers_in(const char *answer, const json_t *citations);
/* 1: one of a search's hits is of the citation's document, holds its place,
 * and has exactly the quote's bytes there; 0: it has other bytes there; -1:
 * no hit holds the place. */
int rag_eval_quote_in(const json_t *citation, const json_t *hits);

/* ---- report (eval_report.c, eval_html.c) ----------------------------------- */

/* All figures and per-query outcomes as one JSON object (new reference). */
int rag_eval_report(const rag_eval_set *set, const rag_eval_outcome *o,
                    const rag_eval_about *about, json_t **out, rag_error *err);
/* For people: a table on stdout. */
void rag_eval_print(const json_t *report);
/* A page that needs nothing else: tables, rank bars, ROC, latency. */
int rag_eval_html(const json_t *report, const char *path, rag_error *err);
/* What moved between two reports, on stdout. RAG_E_DATA when they are not of
 * the same questions. */
int rag_eval_compare(const char *path_a, const char *path_b, rag_error *err);

/* ---- running (eval_run.c) --------------------------------------------------- */

typedef struct rag_eval_options {
    size_t limit; /* queries; 0: all */
    bool answers; /* with the generator, not only extracts */
    bool expand; /* rag-ingest --expand */
    const char *data; /* the store's folder, which stays; NULL: a scratch */
    bool quiet;
    const char *const *daemon_args; /* passed on to ragd; NULL-ended or NULL */
} rag_eval_options;

/* *outcomes: array of set->n; free each and the array. */
int rag_eval_run(const rag_eval_set *set, const rag_eval_options *opt,
                 rag_eval_outcome **outcomes, rag_eval_about *about,
                 rag_error *err);

#endif
