/*
 * store.c - a connection to store.db: opening, schema, statements.
 *
 * Invariants of the store:
 *  1. Rows of documents, chunks and vectors are never changed but for a
 *     document's id, source, root and seq when its file was moved; a new
 *     content is a new row, and row numbers are never used again.
 *  2. Every commit that changes something raises meta.seq by one; each
 *     document carries the seq of its commit, each removed one leaves its
 *     number and the seq in tombstones. So a reader at seq S is brought up to
 *     date by what has seq > S.
 *  3. The text of a document stands in texts and nowhere else; fts holds
 *     terms only (contentless), and removal takes them out of its segments.
 *  4. Extra text (schema 2, made by the first that is asked for) stands in
 *     written, by the content that it is for; extras has a row for each chunk
 *     of a document that can have some, and says whose text is in fts.
 *
 * One connection a thread; the writer has its own (store_write.c).
 */
#include "index/store_int.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STR2(x) #x
#define STR(x) STR2(x)

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE documents(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " ext TEXT NOT NULL UNIQUE, source TEXT NOT NULL, root TEXT NOT NULL,"
    " title TEXT NOT NULL, lang TEXT NOT NULL, collection TEXT NOT NULL,"
    " url TEXT NOT NULL, category TEXT NOT NULL, kind INTEGER NOT NULL,"
    " valid_from INTEGER NOT NULL, valid_until INTEGER NOT NULL,"
    " hash BLOB, epoch INTEGER NOT NULL, seq INTEGER NOT NULL);"
    "CREATE INDEX documents_seq ON documents(seq);"
    "CREATE INDEX documents_hash ON documents(hash);"
    "CREATE INDEX documents_root ON documents(root);"
    "CREATE INDEX documents_source ON documents(source);"
    "CREATE TABLE texts(doc INTEGER PRIMARY KEY, body BLOB NOT NULL);"
    "CREATE TABLE questions(doc INTEGER NOT NULL, ord INTEGER NOT NULL,"
    " text TEXT NOT NULL, key BLOB NOT NULL, PRIMARY KEY(doc, ord))"
    " WITHOUT ROWID;"
    "CREATE INDEX questions_key ON questions(key);"
    "CREATE TABLE chunks(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " doc INTEGER NOT NULL, ord INTEGER NOT NULL, start INTEGER NOT NULL,"
    " stop INTEGER NOT NULL, heading TEXT NOT NULL, w0 INTEGER NOT NULL,"
    " w1 INTEGER NOT NULL, w2 INTEGER NOT NULL, w3 INTEGER NOT NULL);"
    "CREATE INDEX chunks_doc ON chunks(doc);"
    "CREATE TABLE vectors(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " doc INTEGER NOT NULL, chunk INTEGER NOT NULL, role INTEGER NOT NULL,"
    " ord INTEGER NOT NULL, v BLOB NOT NULL);"
    "CREATE INDEX vectors_doc ON vectors(doc);"
    "CREATE TABLE tombstones(doc INTEGER PRIMARY KEY, seq INTEGER NOT NULL);"
    "CREATE INDEX tombstones_seq ON tombstones(seq);"
    "CREATE VIRTUAL TABLE fts USING fts5(title, heading, question, body,"
    " content='', columnsize=0, tokenize='rag');"
    "INSERT INTO meta VALUES('schema', 1), ('terms', " STR(
        RAG_INDEX_TERMS) "), ('seq', 0), ('floor', 0), ('epoch', 1),"
                         " ('changed_at', 0), ('purge', 0);";

int rag_store_fail(rag_store *s, int rc, const char *what, rag_error *err) {
    const char *text = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    rag_code code;

    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        code = RAG_E_NOMEM;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = RAG_E_CORRUPT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = RAG_E_BUSY;
        break;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        code = RAG_E_PERMISSION;
        break;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
        code = RAG_E_IO;
        break;
    case SQLITE_TOOBIG:
        code = RAG_E_LIMIT;
        break;
    case SQLITE_INTERRUPT:
        code = RAG_E_CANCELLED;
        break;
    default:
        code = RAG_E_INTERNAL;
    }
    return rag_error_set(err, code, "%s: %s: %s", s->path, what, text);
}

int rag_store_prepare(rag_store *s, const char *sql, sqlite3_stmt **out,
                      rag_error *err) {
    int rc;

    *out = NULL;
    for (unsigned i = 0; i < s->cached; i++)
        if (s->cache[i].sql == sql) {
            *out = s->cache[i].st;
            sqlite3_reset(*out);
            sqlite3_clear_bindings(*out);
            return 0;
        }
    if (s->cached == RAG_STORE_STATEMENTS)
        return rag_error_set(err, RAG_E_INTERNAL, "too many statements");
    rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out,
                            NULL);
    if (rc != SQLITE_OK)
        return rag_store_fail(s, rc, "preparing a statement", err);
    s->cache[s->cached].sql = sql;
    s->cache[s->cached++].st = *out;
    return 0;
}

int rag_store_row(rag_store *s, sqlite3_stmt *st, const char *what, bool *row,
                  rag_error *err) {
    int rc = sqlite3_step(st);

    *row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return 0;
    sqlite3_reset(st);
    if (rc == SQLITE_DONE)
        return 0;
    return rag_store_fail(s, rc, what, err);
}

int rag_store_run(rag_store *s, sqlite3_stmt *st, const char *what,
                  rag_error *err) {
    bool row;
    int rc;

    do
        rc = rag_store_row(s, st, what, &row, err);
    while (rc == 0 && row);
    return rc;
}

int rag_store_exec(rag_store *s, const char *sql, const char *what,
                   rag_error *err) {
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : rag_store_fail(s, rc, what, err);
}

/* ---- meta ---------------------------------------------------------------- */

static const char meta_put[] = "INSERT INTO meta VALUES(?1, ?2)"
                               " ON CONFLICT(key) DO UPDATE SET value = ?2";

int rag_store_meta_set_int(rag_store *s, const char *key, int64_t v,
                           rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(s, meta_put, &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, v);
    return rag_store_run(s, st, "writing meta", err);
}

int rag_store_meta_set_text(rag_store *s, const char *key, const char *v,
                            rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(s, meta_put, &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, v, -1, SQLITE_STATIC);
    return rag_store_run(s, st, "writing meta", err);
}

static void copy_text(char *out, size_t cap, sqlite3_stmt *st, int col) {
    const unsigned char *t = sqlite3_column_text(st, col);
    size_t n = t ? (size_t)sqlite3_column_bytes(st, col) : 0;

    if (n >= cap)
        n = cap - 1;
    if (n > 0)
        memcpy(out, t, n);
    out[n] = '\0';
}

int rag_store_meta_get(rag_store *s, rag_store_meta *out, rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc;

    memset(out, 0, sizeof(*out));
    rc = rag_store_prepare(s, "SELECT key, value FROM meta", &st, err);
    while (rc == 0) {
        const char *key;
        int64_t v;

        rc = rag_store_row(s, st, "reading meta", &row, err);
        if (rc != 0 || !row)
            break;
        key = (const char *)sqlite3_column_text(st, 0);
        v = sqlite3_column_int64(st, 1);
        if (key == NULL)
            continue;
        if (strcmp(key, "schema") == 0)
            s->extra = v >= 2;
        else if (strcmp(key, "seq") == 0)
            out->seq = v;
        else if (strcmp(key, "floor") == 0)
            out->floor = v;
        else if (strcmp(key, "epoch") == 0)
            out->epoch = v;
        else if (strcmp(key, "changed_at") == 0)
            out->changed_at = v;
        else if (strcmp(key, "dim") == 0)
            out->dim = v > 0 && v <= RAG_INDEX_DIM_MAX ? (int)v : 0;
        else if (strcmp(key, "chunker") == 0)
            out->chunker = (int)v;
        else if (strcmp(key, "encoder") == 0)
            copy_text(out->encoder, sizeof(out->encoder), st, 1);
        else if (strcmp(key, "model") == 0)
            copy_text(out->model, sizeof(out->model), st, 1);
    }
    return rc;
}

/* ---- opening -------------------------------------------------------------- */

static int check_schema(rag_store *s, bool create, rag_error *err) {
    sqlite3_stmt *st = NULL;
    int64_t version = 0, terms = 0;
    bool row;
    int rc;

    rc = rag_store_prepare(s, "SELECT 1 FROM sqlite_master WHERE name = 'meta'",
                           &st, err);
    if (rc == 0)
        rc = rag_store_row(s, st, "reading the schema", &row, err);
    if (rc != 0)
        return rc;
    sqlite3_reset(st);
    if (!row) {
        if (!create)
            return rag_error_set(err, RAG_E_NOINPUT,
                                 "%s is empty; ingest documents first",
                                 s->path);
        rc = rag_store_exec(s, "BEGIN IMMEDIATE", "creating the store", err);
        if (rc == 0)
            rc = rag_store_exec(s, schema, "creating the store", err);
        if (rc == 0)
            rc = rag_store_exec(s, "COMMIT", "creating the store", err);
        return rc;
    }
    rc = rag_store_prepare(
        s,
        "SELECT (SELECT value FROM meta WHERE key = 'schema'),"
        " (SELECT value FROM meta WHERE key = 'terms')",
        &st, err);
    if (rc == 0)
        rc = rag_store_row(s, st, "reading the schema", &row, err);
    if (rc != 0)
        return rc;
    if (row) {
        version = sqlite3_column_int64(st, 0);
        terms = sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    if (version < 1 || version > RAG_INDEX_SCHEMA || terms != RAG_INDEX_TERMS)
        return rag_error_set(
            err, RAG_E_MISMATCH,
            "%s has schema %" PRId64 ".%" PRId64
            ", this program reads %d.%d: use the program that made it, or "
            "remove the store's folder and ingest again",
            s->path, version, terms, RAG_INDEX_SCHEMA, RAG_INDEX_TERMS);
    s->extra = version >= 2;
    return 0;
}

static int set_up(rag_store *s, bool create, rag_error *err) {
    int rc;

    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, 5000);
    rc = rag_fts_register(s->db, err);
    if (rc == 0 && create)
        rc = rag_store_exec(s,
                            "PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL;"
                            "PRAGMA secure_delete = ON;"
                            "PRAGMA wal_autocheckpoint = 4000;"
                            "PRAGMA cache_size = -65536;"
                            "PRAGMA temp_store = MEMORY",
                            "opening", err);
    if (rc == 0 && !create)
        rc = rag_store_exec(s,
                            "PRAGMA query_only = ON;"
                            "PRAGMA cache_size = -16384;"
                            "PRAGMA mmap_size = 134217728;"
                            "PRAGMA temp_store = MEMORY",
                            "opening", err);
    if (rc == 0)
        rc = check_schema(s, create, err);
    if (rc == 0 && !create) {
        rc = rag_store_exec(s,
                            "PRAGMA query_only = OFF;"
                            "CREATE VIRTUAL TABLE temp.vocab"
                            " USING fts5vocab('main', 'fts', 'row');"
                            "CREATE VIRTUAL TABLE temp.instances"
                            " USING fts5vocab('main', 'fts', 'instance');"
                            "PRAGMA query_only = ON",
                            "opening", err);
    }
    return rc;
}

int rag_store_open(const char *dir, bool create, rag_store **out,
                   rag_error *err) {
    rag_store *s = calloc(1, sizeof(*s));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                (create ? SQLITE_OPEN_CREATE : 0);
    int rc;

    *out = NULL;
    if (s == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = rag_path_join(dir, "store.db", &s->path, err);
    if (rc != 0)
        goto out;
    if (!create && !rag_file_exists(s->path)) {
        rc = rag_error_set(err, RAG_E_NOINPUT,
                           "no store at %s; ingest documents first", s->path);
        goto out;
    }
    rc = sqlite3_open_v2(s->path, &s->db, flags, NULL);
    if (rc != SQLITE_OK) {
        rc = rag_store_fail(s, rc, "opening", err);
        goto out;
    }
    rc = set_up(s, create, err);
out:
    if (rc != 0) {
        rag_store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void rag_store_close(rag_store *s) {
    if (s == NULL)
        return;
    for (unsigned i = 0; i < s->cached; i++)
        sqlite3_finalize(s->cache[i].st);
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

int rag_store_begin_read(rag_store *s, rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(s, "BEGIN", &st, err);

    if (rc == 0)
        rc = rag_store_run(s, st, "beginning to read", err);
    s->reading = rc == 0;
    return rc;
}

void rag_store_end_read(rag_store *s) {
    sqlite3_stmt *st;

    if (!s->reading)
        return;
    s->reading = false;
    if (rag_store_prepare(s, "COMMIT", &st, NULL) == 0)
        rag_store_run(s, st, "ending to read", NULL);
}

int rag_store_data_version(rag_store *s, int64_t *out, rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc = rag_store_prepare(s, "PRAGMA data_version", &st, err);

    *out = 0;
    if (rc == 0)
        rc = rag_store_row(s, st, "looking for changes", &row, err);
    if (rc == 0 && row) {
        *out = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return rc;
}
