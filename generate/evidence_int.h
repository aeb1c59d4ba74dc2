/* evidence_int.h - private to generate/evidence*.c: sentences and what they
 * are worth. */
#ifndef RAG_GENERATE_EVIDENCE_INT_H
#define RAG_GENERATE_EVIDENCE_INT_H

#include "generate/generate.h"

typedef struct rag_ranked {
    const rag_passage *passage;
    const char *text;
    size_t len;
    double words; /* weighted overlap with the question's terms */
    double meaning; /* cosine, once read */
    double value; /* what it is worth in the end */
} rag_ranked;

/* Fills value of each; without similar it is words. */
int rag_evidence_rank(const rag_similarity *similar, rag_ranked *s, size_t n,
                      rag_error *err);

#endif
