/*
 * serving.h - the index as ragd serves it: absent, present, replaced.
 *
 * ragd may start before the first rag-ingest has run, and the store's folder
 * may be replaced while it runs. Requests borrow the current index by a
 * counted reference; one thread (reload.c) opens, refreshes and replaces it.
 */
#ifndef RAG_DAEMON_SERVING_H
#define RAG_DAEMON_SERVING_H

#include "index/index.h"

#include <stdbool.h>

typedef struct rag_serving rag_serving;

typedef struct rag_serving_options {
    const char *dir;
    rag_index_options index;
    long refresh_ms;
} rag_serving_options;

/* Tries to open the index once; that there is none yet is no failure. The
 * strings in opt must live as long as the store. */
int rag_serving_open(const rag_serving_options *opt, rag_serving **out,
                     rag_error *err);
/* Starts the thread that looks for changes. */
int rag_serving_watch(rag_serving *s, rag_error *err);
void rag_serving_close(
    rag_serving *s); /* after all borrowed indexes are back */

/* Borrows the index until rag_serving_return. RAG_E_NOINPUT: no documents yet;
 * RAG_E_MISMATCH and others: why it cannot be opened. */
int rag_serving_borrow(rag_serving *s, rag_index **out, rag_error *err);
void rag_serving_return(rag_serving *s, rag_index *ix);

/* How many indexes were opened so far: together with an index's generation,
 * and asked before borrowing it, names what is served. */
uint64_t rag_serving_opened(rag_serving *s);

/* True when an index is served, else err says why not (for status). */
bool rag_serving_ready(rag_serving *s, rag_error *why);

#endif
