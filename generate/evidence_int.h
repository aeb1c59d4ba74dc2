/* evidence_int.h - private to generate/evidence*.c: sentences and what they
 * are worth. */
#ifndef RAG_GENERATE_EVIDENCE_INT_H
#define RAG_GENERATE_EVIDENCE_INT_H

#include "generate/generate_int.h"

/* What a condition that holds is worth, in the log-odds of a reading model or
 * spreads of value. */
#define RAG_CONDITION_VALUE 4.0

typedef struct rag_ranked {
    const rag_passage *passage;
    const char *text;
    size_t len;
    double words; /* weighted overlap with the question's terms */
    double meaning; /* cosine, once read */
    int condition; /* 1 its condition holds for the question's case, -1 fails */
    int row; /* 1 the row of its table that the question names, -1 another */
    double value; /* what it is worth in the end */
    /* Bytes of the document that a reading model takes for the answer, at
     * least half of them in this sentence; both 0: none. */
    size_t span_start, span_end;
} rag_ranked;

/* Fills value of each; without similar it is words. */
int rag_evidence_rank(const rag_similarity *similar, rag_ranked *s, size_t n,
                      rag_error *err);

/*
 * The same by what a reading model finds in the passages, which come best
 * first; s holds their sentences in order. Fills out's read, answers, span and
 * next, and where each sentence has an answer. evidence_read.c.
 */
int rag_evidence_read(const rag_reading_lent *reading,
                      const rag_passage *passages, size_t npassages,
                      rag_ranked *s, size_t n, rag_evidence *out,
                      rag_error *err);
/* Fills condition: whether "14 or older" holds for the question's child of 13.
 * evidence_bounds.c. */
int rag_evidence_bounds(const char *question, rag_ranked *s, size_t n,
                        rag_error *err);
/* Fills row, for sentences in order. evidence_rows.c. */
int rag_evidence_rows(const char *question, const char *also, rag_ranked *s,
                      size_t n, rag_error *err);
/* Mean and spread of n values taken by get; a spread of 0 becomes 1. */
void rag_ranked_spread(const rag_ranked *s, size_t n,
                       double (*get)(const rag_ranked *), double *mean,
                       double *sd);

#endif
