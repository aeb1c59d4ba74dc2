/*
 * store_int.h - what index/store*.c and index/fts*.c share: the SQLite
 * connection itself. Included by nothing else.
 */
#ifndef RAG_INDEX_STORE_INT_H
#define RAG_INDEX_STORE_INT_H

#include "index/index_int.h"

#include <sqlite3.h>

#define RAG_STORE_STATEMENTS 64

struct rag_store {
    sqlite3 *db;
    char *path;
    /* Statements prepared so far, by the address of their text. */
    struct {
        const char *sql;
        sqlite3_stmt *st;
    } cache[RAG_STORE_STATEMENTS];
    unsigned cached;
    bool reading; /* a read transaction is open */
    const rag_postings *lexicon; /* rag_fts_lexicon */
};

/* Fills err from the connection's last error and returns its code. what says
 * what was being done. */
int rag_store_fail(rag_store *s, int rc, const char *what, rag_error *err);
/* The statement for sql (a string literal), reset and unbound. */
int rag_store_prepare(rag_store *s, const char *sql, sqlite3_stmt **out,
                      rag_error *err);
/* Steps to SQLITE_DONE. */
int rag_store_run(rag_store *s, sqlite3_stmt *st, const char *what,
                  rag_error *err);
/* One row: *row tells. Reset with sqlite3_reset when done with it. */
int rag_store_row(rag_store *s, sqlite3_stmt *st, const char *what, bool *row,
                  rag_error *err);
int rag_store_exec(rag_store *s, const char *sql, const char *what,
                   rag_error *err);
int rag_store_meta_set_int(rag_store *s, const char *key, int64_t v,
                           rag_error *err);
int rag_store_meta_set_text(rag_store *s, const char *key, const char *v,
                            rag_error *err);

/* ---- the writer (store_write.c, store_sweep.c) --------------------------- */

struct rag_index_writer {
    rag_store *store;
    int lock;
    int dim;
    int64_t epoch;
    int64_t seq; /* of the open transaction */
    bool open; /* a transaction is open */
    bool changed; /* something in it changed */
    bool purge; /* text was removed since the last purge */
    bool removed; /* ... by _remove or _sweep: purge at commit */
    char *root; /* the root being read, or NULL */
    size_t seen; /* documents seen in it */
    size_t had; /* documents it had when reading began */
};

int rag_writer_begin(rag_index_writer *w, rag_error *err);
int rag_writer_delete(rag_index_writer *w, int64_t doc, rag_error *err);
/* Marks a document as seen in this run. */
int rag_writer_see(rag_index_writer *w, int64_t doc, rag_error *err);
int rag_writer_is_seen(rag_index_writer *w, int64_t doc, bool *seen,
                       rag_error *err);

#endif
