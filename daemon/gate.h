/*
 * gate.h - the evidence gate: is what was found likely to hold the answer?
 *
 * First step of two (the generator's own doubt is the second): a logistic
 * model over a few cheap features of the search. Its coefficients stand in
 * gate.c and nowhere else. Pure; thread-safe.
 */
#ifndef RAG_DAEMON_GATE_H
#define RAG_DAEMON_GATE_H

#include "index/index.h"

typedef struct rag_gate_features {
    double cosine; /* best of all candidates */
    double bm25; /* best, over the number of query terms */
    double coverage; /* of the question's content words by the best hits,
                      * rarer words (longer ones) weighing more; 0..1 */
    double numbers; /* share of its numbers and codes found there; 1: none
                      * asked */
    double agree; /* 1 when both sides rank the same document first */
} rag_gate_features;

int rag_gate_measure(const char *question, const rag_index_result *r,
                     rag_gate_features *out, rag_error *err);

/* Probability that the evidence holds the answer. */
double rag_gate_probability(const rag_gate_features *f);

/*
 * Joins it with the probability the generator gave to its refusal line
 * (natural logarithm; NAN when not told).
 */
double rag_gate_join(double probability, double refusal_logprob);

#endif
