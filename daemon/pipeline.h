/*
 * pipeline.h - from a question to a cited answer, and plain search.
 *
 * Wires the rooms: approved answers, encoder, index, evidence gate, evidence,
 * prompt, generator, grounding. Knows no HTTP. Thread-safe: many requests at
 * once; each runs on its caller's thread.
 */
#ifndef RAG_DAEMON_PIPELINE_H
#define RAG_DAEMON_PIPELINE_H

#include "daemon/cache.h"
#include "daemon/config.h"
#include "daemon/serving.h"

#include "base/sentence.h"
#include "embed/embed.h"
#include "generate/generate.h"
#include "index/index.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAG_QUESTION_MAX 4000 /* bytes, after cleaning */
#define RAG_ANSWER_ID_MAX 13 /* 12 characters and NUL */
#define RAG_ANSWER_CODE_MAX 8 /* "7K3-M9Q" and NUL */

typedef struct rag_pipeline rag_pipeline;

/* What it works with; borrowed, must outlive it. */
typedef struct rag_pipeline_parts {
    rag_encoder *encoder;
    rag_reader *reader; /* NULL: none */
    rag_serving *store;
    rag_generator *generator; /* NULL: extracts only */
    rag_card *card; /* NULL with generator NULL */
    rag_sentences *sentences;
    rag_gate *gate;
    struct rag_desk *desk; /* daemon/desk.h; NULL: none */
} rag_pipeline_parts;

/* What a gate is fitted for: encoder, reader and way of asking;
 * free with free(). */
int rag_gate_name(const rag_pipeline_parts *parts, char **out, rag_error *err);

/*
 * What evidence must be worth to be answered from: `gate`, or where
 * `false_answers` is set the fitted threshold that keeps to it. *false_refusals
 * (may be NULL): what that costs of what could be answered, NAN with `gate`.
 */
double rag_gate_point(const rag_gate *gate, const rag_config *config,
                      double *false_refusals);

int rag_pipeline_open(const rag_pipeline_parts *parts, rag_config *config,
                      rag_pipeline **out, rag_error *err);
void rag_pipeline_close(rag_pipeline *p); /* after all requests returned */

/* New settings for requests that start from now on. */
void rag_pipeline_configure(rag_pipeline *p, rag_config *config);
/* The settings now in force; a reference of the caller's own. */
rag_config *rag_pipeline_config(rag_pipeline *p);
const rag_pipeline_parts *rag_pipeline_uses(const rag_pipeline *p);

/* ---- asking ------------------------------------------------------------------ */

typedef enum rag_answer_status {
    RAG_ANSWERED,
    RAG_ANSWER_FAQ,
    RAG_ANSWER_EXTRACT,
    RAG_ANSWER_CLARIFY,
    RAG_ANSWER_REFUSED
} rag_answer_status;
#define RAG_ANSWER_STATUSES 5
const char *rag_answer_status_name(rag_answer_status s);

typedef struct rag_source {
    unsigned n;
    char *doc, *title, *heading, *url; /* owned */
    int64_t chunk;
    size_t start, end;
    char *quote; /* owned */
    double score;
} rag_source;

typedef struct rag_choice {
    char *doc, *question; /* owned */
} rag_choice;

typedef struct rag_timings {
    double embed, search, read, first_token, first_text, total; /* NAN: none */
} rag_timings;

#define RAG_WARNINGS_MAX 4

typedef struct rag_answer {
    rag_answer_status status;
    char *question, *text, *shortest; /* owned; shortest may be NULL */
    char *model; /* owned; NULL when none was asked */
    const char *lang; /* static */
    rag_source *sources;
    size_t nsources;
    rag_choice *choices;
    size_t nchoices;
    rag_timings ms;
    char *warnings[RAG_WARNINGS_MAX]; /* owned */
    size_t nwarnings;
    double confidence; /* of the gate; NAN when it was not asked */
    double features[RAG_GATE_FEATURES]; /* what it judged by */
    size_t nfeatures; /* how many of them were measured */
    uint64_t generation; /* of the index */
    size_t prompt_tokens, cached_tokens, tokens, dropped; /* cached: of the
                                         * prompt, known to the model */
    char reason[160]; /* why refused or extracted, for logs */
    char id[RAG_ANSWER_ID_MAX]; /* "" without a desk */
    char code[RAG_ANSWER_CODE_MAX]; /* hand-off code of a refusal, else "" */
    char *said; /* owned: the question as it was typed, when a conversation
                   * rewrote it into `question`; else NULL */
    char *masked; /* owned: question without personal data, for logs; NULL
                   * without a desk */
    int64_t entry_version; /* of the desk's entry that answered; 0 none */
    bool cached; /* made for an earlier asking, or for one at the same time */
} rag_answer;

typedef struct rag_ask {
    const char *question;
    size_t len;
    const char *collection; /* NULL: all */
    /* Text of the answer that has been checked, as soon as it has; pieces
     * together are the answer's text. May be NULL. */
    void (*on_text)(void *user, const char *s, size_t n);
    /* Nonzero: nobody waits any more. May be NULL. */
    int (*cancelled)(void *user);
    void *user;
    const char *session; /* names a conversation; NULL: a question alone */
    bool unrecorded; /* a rehearsal: nothing is stored or queued, and the
                      * answer is made anew */
    const char *principal; /* who asks, as far as is known: answers are shared
                            * among one principal's questions; NULL: nobody
                            * in particular */
} rag_ask;

/*
 * RAG_E_DATA: question empty or no UTF-8; RAG_E_LIMIT: too long;
 * RAG_E_NOINPUT: no documents yet; RAG_E_BUSY: too many wait for the
 * generator; RAG_E_CANCELLED. Everything else that goes wrong with the
 * generator gives an extract with a warning. Free out in every case.
 */
int rag_pipeline_ask(rag_pipeline *p, const rag_ask *ask, rag_answer *out,
                     rag_error *err);
void rag_answer_free(rag_answer *a);

/* The answer as DESIGN's JSON; a new reference. */
int rag_answer_json(const rag_answer *a, json_t **out, rag_error *err);
/* Adds to an answer's JSON why it came out so: "reason", and "features" of
 * the gate by name. */
void rag_answer_explain(const rag_answer *a, json_t *answer);
/* Its citations alone. */
json_t *rag_answer_citations(const rag_answer *a);

/* ---- searching ---------------------------------------------------------------- */

typedef struct rag_search {
    const char *query;
    size_t len, k, chunks;
    const char *collection, *lang;
    double weight; /* of vectors; negative: by itself */
} rag_search;

typedef struct rag_found {
    char *query; /* cleaned; owned */
    rag_index_result result;
    double embed_ms, search_ms, total_ms;
} rag_found;

/* A found chunk as a passage to read; borrows the hit's texts. */
rag_passage rag_pipeline_passage(const rag_index_hit *hit);

int rag_pipeline_search(rag_pipeline *p, const rag_search *s, rag_found *out,
                        rag_error *err);
void rag_found_free(rag_found *f);
/* explain adds how each hit came to its place. */
int rag_found_json(const rag_found *f, bool explain, json_t **out,
                   rag_error *err);

/* ---- state -------------------------------------------------------------------- */

typedef struct rag_pipeline_load {
    unsigned generating, waiting;
    rag_cache_counts cache;
} rag_pipeline_load;
void rag_pipeline_load_now(rag_pipeline *p, rag_pipeline_load *out);

/* Everything /v1/status says; *ready when questions can be answered. */
int rag_pipeline_status(rag_pipeline *p, json_t **out, bool *ready,
                        rag_error *err);

#endif
