/*
 * main_pipeline.h - rag-ingest's pipeline: documents as they are read are
 * looked up, cut, encoded in batches across documents, and stored. Private
 * to the program (ingest/main*.c). One thread.
 */
#ifndef RAG_INGEST_MAIN_PIPELINE_H
#define RAG_INGEST_MAIN_PIPELINE_H

#include "embed/embed.h"
#include "index/index.h"
#include "ingest/ingest.h"

#include <signal.h>

typedef struct rag_pipeline_counts {
    size_t added, changed, unchanged, moved, removed; /* documents */
    size_t chunks, vectors; /* stored now */
    size_t tokens; /* that the encoder read now */
    size_t truncated; /* texts longer than the encoder reads */
    size_t problems; /* files and records that could not be taken */
} rag_pipeline_counts;

typedef struct rag_pipeline_options {
    rag_index_writer *writer; /* these three are borrowed */
    rag_encoder *encoder;
    const rag_sentences *sentences;
    rag_ingest_options ingest;
    bool force; /* sweep whatever is gone */
    bool quiet; /* no progress bar */
    const volatile sig_atomic_t *stop; /* a signal's number, once it came */
    rag_problem_fn on_problem;
    void *user;
} rag_pipeline_options;

typedef struct rag_pipeline rag_pipeline;

int rag_pipeline_open(const rag_pipeline_options *opt, rag_pipeline **out,
                      rag_error *err);
/*
 * Ingests one root: reads, stores, commits at intervals, sweeps what has
 * vanished, commits. RAG_E_NOINPUT when it cannot be read, RAG_E_CANCELLED
 * when a signal came (what was committed stays); a sweep that is refused is a
 * problem of the root and no failure.
 */
int rag_pipeline_root(rag_pipeline *p, const char *path, rag_error *err);
void rag_pipeline_describe(const rag_pipeline *p, rag_pipeline_counts *out);
void rag_pipeline_close(rag_pipeline *p);

#endif
