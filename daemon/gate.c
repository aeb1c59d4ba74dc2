/*
 * gate.c - features and coefficients of the evidence gate.
 *
 * Called by the pipeline after each search. The numbers below are the only
 * place that knows them; `rag eval` prints the features to fit them anew.
 */
#include "daemon/gate.h"

#include "base/terms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TERMS_MAX 64
#define HITS_LOOKED_AT 3

/* log-odds = BIAS + sum of weight * (feature - centre) / scale */
static const double BIAS = 0.6;
static const struct {
    double weight, centre, scale;
} COSINE = {1.3, 0.845, 0.025}, BM25 = {0.5, 1.6, 1.0},
  COVERAGE = {2.2, 0.5, 0.25}, NUMBERS = {0.8, 0.8, 0.4},
  AGREE = {0.3, 0.5, 0.5};
/* Weight of the generator's doubt. */
static const double DOUBT = 0.5;

typedef struct term {
    char text[RAG_TERM_MAX];
    size_t len;
    double weight;
    bool number, found;
} term;

typedef struct terms {
    term of[TERMS_MAX];
    size_t n;
} terms;

static int collect(void *user, const rag_term *t) {
    terms *ts = user;
    if (ts->n == TERMS_MAX || t->kind == RAG_TERM_PART ||
        t->kind == RAG_TERM_BIGRAM)
        return 0;
    term *x = &ts->of[ts->n];
    x->len = t->len < RAG_TERM_MAX ? t->len : RAG_TERM_MAX;
    memcpy(x->text, t->text, x->len);
    for (size_t i = 0; i < ts->n; i++)
        if (ts->of[i].len == x->len &&
            memcmp(ts->of[i].text, x->text, x->len) == 0)
            return 0;
    x->number = t->kind == RAG_TERM_NUMBER || t->kind == RAG_TERM_CODE;
    /* Long words are rare words: a stand-in for their rarity that needs no
     * look into the index. */
    x->weight = log(2.0 + (double)x->len);
    x->found = false;
    ts->n++;
    return 0;
}

static int mark(void *user, const rag_term *t) {
    terms *ts = user;
    for (size_t i = 0; i < ts->n; i++) {
        term *x = &ts->of[i];
        if (x->found)
            continue;
        size_t n = x->len < t->len ? x->len : t->len;
        bool hangul = x->len && (unsigned char)x->text[0] >= 0x80;
        /* A Hangul stem also counts inside a compound or with an ending the
         * stemmer left on. */
        x->found = (x->len == t->len || (hangul && n >= 6)) &&
                   memcmp(x->text, t->text, n) == 0;
    }
    return 0;
}

static int look(terms *ts, const char *s, rag_error *err) {
    return s ? rag_terms_content(s, strlen(s), mark, ts, err) : 0;
}

int rag_gate_measure(const char *question, const rag_index_result *r,
                     rag_gate_features *out, rag_error *err) {
    memset(out, 0, sizeof *out);
    out->numbers = 1;
    terms *ts = calloc(1, sizeof *ts);
    if (!ts)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the gate");
    int rc = rag_terms_content(question, strlen(question), collect, ts, err);
    for (size_t i = 0; i < r->n && i < HITS_LOOKED_AT && !rc; i++) {
        const rag_index_hit *h = &r->hits[i];
        if ((rc = look(ts, h->title, err)) ||
            (rc = look(ts, h->heading, err)) ||
            (rc = look(ts, h->question, err)))
            break;
        rc = look(ts, h->text, err);
    }
    double all = 0, found = 0, numbers = 0, there = 0;
    for (size_t i = 0; i < ts->n; i++) {
        all += ts->of[i].weight;
        found += ts->of[i].found ? ts->of[i].weight : 0;
        numbers += ts->of[i].number;
        there += ts->of[i].number && ts->of[i].found;
    }
    free(ts);
    if (rc)
        return rc;
    out->coverage = all > 0 ? found / all : 0;
    if (numbers > 0)
        out->numbers = there / numbers;
    out->cosine = isnan(r->best_cosine) ? 0 : r->best_cosine;
    out->bm25 = r->query_terms > 0 ? r->best_bm25 / r->query_terms : 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->hits[i].lexical_rank == 1 && r->hits[i].vector_rank == 1)
            out->agree = 1;
    return 0;
}

#define PART(c, value) ((c).weight * ((value) - (c).centre) / (c).scale)

double rag_gate_probability(const rag_gate_features *f) {
    double odds = BIAS + PART(COSINE, f->cosine) + PART(BM25, f->bm25) +
                  PART(COVERAGE, f->coverage) + PART(NUMBERS, f->numbers) +
                  PART(AGREE, f->agree);
    return 1 / (1 + exp(-odds));
}

double rag_gate_join(double probability, double refusal_logprob) {
    if (isnan(refusal_logprob) || probability <= 0 || probability >= 1)
        return probability;
    double refusal = exp(refusal_logprob);
    if (refusal < 1e-4)
        refusal = 1e-4;
    if (refusal > 1 - 1e-4)
        refusal = 1 - 1e-4;
    double odds = log(probability / (1 - probability)) -
                  DOUBT * log(refusal / (1 - refusal));
    return 1 / (1 + exp(-odds));
}
