/*
 * store.h - the index as ragd serves it: absent, present, replaced.
 *
 * ragd may start before the first rag-ingest has run, and the store's folder
 * may be replaced while it runs. Requests borrow the current index by a
 * counted reference; one thread (reload.c) opens, refreshes and replaces it.
 */
#ifndef RAG_DAEMON_STORE_H
#define RAG_DAEMON_STORE_H

#include "index/index.h"

#include <stdbool.h>

typedef struct rag_store rag_store;

typedef struct rag_store_options {
    const char *dir;
    rag_index_options index;
    long refresh_ms;
} rag_store_options;

/* Tries to open the index once; that there is none yet is no failure. The
 * strings in opt must live as long as the store. */
int rag_store_open(const rag_store_options *opt, rag_store **out,
                   rag_error *err);
/* Starts the thread that looks for changes. */
int rag_store_watch(rag_store *s, rag_error *err);
void rag_store_close(rag_store *s); /* after all borrowed indexes are back */

/* Borrows the index until rag_store_return. RAG_E_NOINPUT: no documents yet;
 * RAG_E_MISMATCH and others: why it cannot be opened. */
int rag_store_borrow(rag_store *s, rag_index **out, rag_error *err);
void rag_store_return(rag_store *s, rag_index *ix);

/* True when an index is served, else err says why not (for status). */
bool rag_store_ready(rag_store *s, rag_error *why);

#endif
