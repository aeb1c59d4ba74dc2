/*
 * main_expand.h - rag-ingest --expand: the generator writes questions for the
 * chunks of the documents just read, and they go into the store as extra
 * text. Private to the program (ingest/main*.c). One thread.
 */
#ifndef RAG_INGEST_MAIN_EXPAND_H
#define RAG_INGEST_MAIN_EXPAND_H

#include "embed/embed.h"
#include "generate/generate.h"
#include "index/index.h"

#include <signal.h>

typedef struct rag_expand_counts {
    size_t chunks; /* that had none by this writer */
    size_t written; /* of them, written now */
    size_t kept; /* written before */
    size_t questions; /* that were taken, of those written now */
    size_t faults[RAG_QUESTION_FAULTS]; /* lines that were not, and why */
    size_t documents; /* put again with theirs */
    double seconds; /* of writing alone */
} rag_expand_counts;

typedef struct rag_expand_options {
    rag_index_writer *writer; /* these two are borrowed */
    rag_encoder *encoder;
    const char *model; /* GGUF for a llama-server of our own; NULL: default */
    const char *url, *name, *api_key; /* or an endpoint and its model */
    int threads; /* 0: all */
    bool quiet;
    const volatile sig_atomic_t *stop; /* a signal's number, once it came */
} rag_expand_options;

/*
 * Writes what is missing and puts each document again that then has all of
 * its texts. What was written is durable a chunk at a time: whatever ends
 * this, the next run goes on there. RAG_E_UNAVAILABLE when there is no
 * generator, RAG_E_CANCELLED when a signal came.
 */
int rag_expand_run(const rag_expand_options *opt, rag_expand_counts *out,
                   rag_error *err);

#endif
