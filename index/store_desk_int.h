/*
 * store_desk_int.h - what index/store_desk*.c share. Included by nothing
 * else.
 */
#ifndef RAG_INDEX_STORE_DESK_INT_H
#define RAG_INDEX_STORE_DESK_INT_H

#include "base/buf.h"
#include "index/desk.h"

#include <pthread.h>
#include <sqlite3.h>

/* One connection and the lock that guards it. */
typedef struct rag_desk_link {
    sqlite3 *db;
    pthread_mutex_t lock;
    const char *path; /* borrowed */
} rag_desk_link;

struct rag_deskdb {
    char *path;
    int lock_fd;
    rag_desk_link w, r; /* writer, reader */
    rag_desk_apart_fn apart;
    void *apart_user;
};

/* Statement for sql on a link; NULL and err on failure. */
sqlite3_stmt *rag_desk_prepare(rag_desk_link *l, const char *sql,
                               rag_error *err);
/* Steps: SQLITE_ROW gives *row true; SQLITE_DONE false. */
int rag_desk_step(rag_desk_link *l, sqlite3_stmt *st, bool *row,
                  rag_error *err);
/* Steps to the end and finalizes; st NULL gives the failure already in err. */
int rag_desk_finish(rag_desk_link *l, sqlite3_stmt *st, rag_error *err);
int rag_desk_exec(rag_desk_link *l, const char *sql, rag_error *err);
/* One integer of a query without parameters. */
int rag_desk_int(rag_desk_link *l, const char *sql, int64_t *out,
                 rag_error *err);
void rag_desk_bind_str(sqlite3_stmt *st, int at, const char *s); /* NULL: "" */

/* Column as a copy; RAG_E_CORRUPT unless it is UTF-8 text without NUL of at
 * most max bytes. SQL NULL gives NULL with null_ok, else is corrupt. */
int rag_desk_text(rag_desk_link *l, sqlite3_stmt *st, int col, size_t max,
                  bool null_ok, char **out, rag_error *err);
/* Column as an integer within bounds; RAG_E_CORRUPT otherwise. */
int rag_desk_number(rag_desk_link *l, sqlite3_stmt *st, int col, int64_t min,
                    int64_t max, int64_t *out, rag_error *err);
int rag_desk_corrupt(rag_desk_link *l, rag_error *err, const char *what);

/* Takes the writer's lock and begins; _end commits when rc is 0, rolls back
 * otherwise, and gives the lock back. Returns rc or the commit's failure. */
int rag_desk_begin(rag_deskdb *db, rag_error *err);
int rag_desk_end(rag_deskdb *db, int rc, rag_error *err);

/* Adds an audit record within the open transaction; docs as in an exchange. */
int rag_desk_audit_add(rag_deskdb *db, int64_t at, const char *kind,
                       const char *subject, const char *body,
                       const char *const *docs, size_t ndocs, rag_error *err);
/* Puts a question into the queue within the open transaction. */
int rag_desk_queue_add(rag_deskdb *db, const char *exchange, int64_t at,
                       const char *question, const char *lang, const char *why,
                       const float *vector, int dim, rag_error *err);
/* Groups that were drafted into an entry are answered. */
int rag_desk_queue_answered(rag_deskdb *db, const char *entry, rag_error *err);

/* The live version of every entry, by id. */
int rag_desk_live_entries(rag_deskdb *db, rag_desk_list *out, rag_error *err);

#endif
