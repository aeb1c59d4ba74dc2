/* fit.h - fitting the evidence gate on labelled questions. */
#ifndef RAG_DAEMON_FIT_H
#define RAG_DAEMON_FIT_H

#include "base/error.h"

#include <stddef.h>

/*
 * Fits a gate on the outcomes of n reports (`rag eval --answers --out`),
 * writes it to out and prints how it does. RAG_E_DATA with too few questions,
 * RAG_E_MISMATCH when the reports are of different models.
 */
int rag_fit_gate(const char *out, char *const *reports, size_t n,
                 rag_error *err);

#endif
