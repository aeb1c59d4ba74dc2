/*
 * store_int.h - what index/store*.c and index/fts*.c share: the SQLite
 * connection itself. Included by nothing else.
 */
#ifndef RAG_INDEX_STORE_INT_H
#define RAG_INDEX_STORE_INT_H

#include "index/index_int.h"

#include <sqlite3.h>

#define RAG_STORE_STATEMENTS 80

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
    bool extra; /* the store has room for extra text (schema 2) */
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
    char *by; /* writer of extra text, or NULL */
    int64_t extra_after; /* document that _extra_next gave last */
};

int rag_writer_begin(rag_index_writer *w, rag_error *err);
/* Adds a document's terms to the full-text index or takes them out. */
int rag_writer_terms(rag_index_writer *w, int64_t doc, bool add,
                     rag_error *err);
/* rag_index_writer_put, with extra text by w->by where it was written. */
int rag_writer_put(rag_index_writer *w, const rag_document *doc,
                   const rag_vector *vectors, size_t n, bool extra,
                   rag_error *err);
int rag_writer_delete(rag_index_writer *w, int64_t doc, rag_error *err);
/* Marks a document as seen in this run. */
int rag_writer_see(rag_index_writer *w, int64_t doc, rag_error *err);
int rag_writer_is_seen(rag_index_writer *w, int64_t doc, bool *seen,
                       rag_error *err);

/* ---- extra text (store_extra.c) ------------------------------------------ */

#define RAG_EXTRA_SCHEMA                                                       \
    "CREATE TABLE written(key BLOB NOT NULL, by TEXT NOT NULL,"                \
    " text TEXT NOT NULL, PRIMARY KEY(key, by)) WITHOUT ROWID;"                \
    "CREATE TABLE extras(chunk INTEGER PRIMARY KEY, doc INTEGER NOT NULL,"     \
    " key BLOB NOT NULL, by TEXT, words INTEGER NOT NULL);"                    \
    "CREATE INDEX extras_doc ON extras(doc);"                                  \
    "CREATE INDEX extras_key ON extras(key);"

/* What a chunk's extra text is kept by. */
int rag_extra_key(const rag_document *d, size_t chunk, rag_sha256 *out,
                  rag_error *err);
/* Text written by w->by for this content: appended to out; *found. */
int rag_extra_text(rag_index_writer *w, const rag_sha256 *key, rag_buf *out,
                   bool *found, rag_error *err);
/* A chunk's row in extras; by NULL: its text is not in the index. */
int rag_extra_row(rag_index_writer *w, int64_t chunk, int64_t doc,
                  const rag_sha256 *key, const char *by, int words,
                  rag_error *err);
/* Before a document's rows go: its texts are looked at by _sweep. */
int rag_extra_leave(rag_index_writer *w, int64_t doc, rag_error *err);
/* Before a commit: removes texts whose content no chunk has any more. */
int rag_extra_sweep(rag_index_writer *w, rag_error *err);

#endif
