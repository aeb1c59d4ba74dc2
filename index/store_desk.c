/*
 * store_desk.c - desk.db: the file, its schema, and the way rows come out.
 *
 * Owns the two connections of a rag_deskdb. Everything read from the file is
 * taken for hostile: a row of the wrong type or size is RAG_E_CORRUPT, never
 * a crash.
 */
#include "index/store_desk_int.h"

#include "base/file.h"
#include "base/unicode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA 1
#define APPLICATION 0x52444B31 /* "RDK1" */
#define BUSY_MS 5000

static const char CREATE[] =
    "CREATE TABLE entry(id TEXT PRIMARY KEY NOT NULL, newest INTEGER NOT NULL,"
    " live INTEGER NOT NULL, retired INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE version(id TEXT NOT NULL, version INTEGER NOT NULL,"
    " state INTEGER NOT NULL, question TEXT NOT NULL, variants TEXT NOT NULL,"
    " answer TEXT NOT NULL, lang TEXT NOT NULL, collection TEXT NOT NULL,"
    " category TEXT NOT NULL, url TEXT NOT NULL, citations TEXT NOT NULL,"
    " author TEXT NOT NULL, approver TEXT NOT NULL, note TEXT NOT NULL,"
    " valid_from INTEGER, valid_until INTEGER, created_at INTEGER NOT NULL,"
    " decided_at INTEGER NOT NULL, PRIMARY KEY(id, version)) WITHOUT ROWID;"
    "CREATE TABLE vector(id TEXT NOT NULL, version INTEGER NOT NULL,"
    " ord INTEGER NOT NULL, fingerprint TEXT NOT NULL, v BLOB NOT NULL,"
    " PRIMARY KEY(id, version, ord)) WITHOUT ROWID;"
    "CREATE TABLE feedback(exchange TEXT PRIMARY KEY NOT NULL,"
    " at INTEGER NOT NULL, vote INTEGER NOT NULL, who TEXT NOT NULL,"
    " comment TEXT) WITHOUT ROWID;"
    "CREATE TABLE queue_group(id INTEGER PRIMARY KEY, key TEXT NOT NULL,"
    " question TEXT NOT NULL, lang TEXT NOT NULL, why TEXT NOT NULL,"
    " terms TEXT NOT NULL, v BLOB, n INTEGER NOT NULL,"
    " first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
    " state TEXT NOT NULL, entry TEXT NOT NULL);"
    "CREATE INDEX queue_key ON queue_group(key, state);"
    "CREATE INDEX queue_state ON queue_group(state, n);"
    "CREATE TABLE queue_item(exchange TEXT PRIMARY KEY NOT NULL,"
    " grp INTEGER NOT NULL, at INTEGER NOT NULL, question TEXT NOT NULL,"
    " why TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX queue_of ON queue_item(grp, at);"
    "CREATE TABLE audit(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,"
    " salt BLOB, digest BLOB NOT NULL, hash BLOB NOT NULL, body TEXT);"
    "CREATE INDEX audit_subject ON audit(subject);"
    "CREATE INDEX audit_text ON audit(at) WHERE body IS NOT NULL;"
    "CREATE TABLE audit_doc(doc TEXT NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY(doc, seq)) WITHOUT ROWID;"
    /* Against a slip, not against intent: that is what the chain is for. */
    "CREATE TRIGGER audit_kept BEFORE DELETE ON audit"
    " BEGIN SELECT RAISE(ABORT, 'audit records are never removed'); END;"
    "CREATE TRIGGER audit_fixed BEFORE UPDATE ON audit"
    " WHEN NEW.seq IS NOT OLD.seq OR NEW.at IS NOT OLD.at"
    " OR NEW.kind IS NOT OLD.kind OR NEW.subject IS NOT OLD.subject"
    " OR NEW.digest IS NOT OLD.digest OR NEW.hash IS NOT OLD.hash"
    " OR NEW.body IS NOT NULL OR NEW.salt IS NOT NULL"
    " BEGIN SELECT RAISE(ABORT, 'audit records never change'); END;"
    "PRAGMA application_id=1380207409;"
    "PRAGMA user_version=1;";

static rag_code code_of(int rc) {
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return RAG_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return RAG_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        return RAG_E_CORRUPT;
    case SQLITE_FULL:
    case SQLITE_IOERR:
        return RAG_E_IO;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return RAG_E_PERMISSION;
    case SQLITE_TOOBIG:
        return RAG_E_LIMIT;
    default:
        return RAG_E_INTERNAL;
    }
}

static int fail(rag_desk_link *l, rag_error *err) {
    return rag_error_set(err, code_of(sqlite3_extended_errcode(l->db)),
                         "%s: %s", l->path, sqlite3_errmsg(l->db));
}

sqlite3_stmt *rag_desk_prepare(rag_desk_link *l, const char *sql,
                               rag_error *err) {
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(l->db, sql, -1, &st, NULL)) {
        fail(l, err);
        return NULL;
    }
    return st;
}

int rag_desk_step(rag_desk_link *l, sqlite3_stmt *st, bool *row,
                  rag_error *err) {
    int rc = sqlite3_step(st);
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail(l, err);
}

int rag_desk_finish(rag_desk_link *l, sqlite3_stmt *st, rag_error *err) {
    bool row = true;
    int rc = 0;
    if (!st)
        return fail(l, err);
    while (!rc && row)
        rc = rag_desk_step(l, st, &row, err);
    sqlite3_finalize(st);
    return rc;
}

int rag_desk_exec(rag_desk_link *l, const char *sql, rag_error *err) {
    return sqlite3_exec(l->db, sql, NULL, NULL, NULL) ? fail(l, err) : 0;
}

int rag_desk_int(rag_desk_link *l, const char *sql, int64_t *out,
                 rag_error *err) {
    bool row;
    *out = 0;
    sqlite3_stmt *st = rag_desk_prepare(l, sql, err);
    if (!st)
        return fail(l, err);
    int rc = rag_desk_step(l, st, &row, err);
    if (!rc && row)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc;
}

void rag_desk_bind_str(sqlite3_stmt *st, int at, const char *s) {
    sqlite3_bind_text(st, at, s ? s : "", -1, SQLITE_TRANSIENT);
}

int rag_desk_corrupt(rag_desk_link *l, rag_error *err, const char *what) {
    return rag_error_set(err, RAG_E_CORRUPT, "%s: a row is damaged (%s)",
                         l->path, what);
}

int rag_desk_text(rag_desk_link *l, sqlite3_stmt *st, int col, size_t max,
                  bool null_ok, char **out, rag_error *err) {
    int type = sqlite3_column_type(st, col);
    *out = NULL;
    if (type == SQLITE_NULL && null_ok)
        return 0;
    if (type != SQLITE_TEXT)
        return rag_desk_corrupt(l, err, sqlite3_column_name(st, col));
    const char *s = (const char *)sqlite3_column_text(st, col);
    size_t n = (size_t)sqlite3_column_bytes(st, col);
    if (!s)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for a row");
    if (n > max || memchr(s, 0, n) || !rag_utf8_valid(s, n, NULL))
        return rag_desk_corrupt(l, err, sqlite3_column_name(st, col));
    return rag_str_dup_n(s, n, out, err);
}

int rag_desk_number(rag_desk_link *l, sqlite3_stmt *st, int col, int64_t min,
                    int64_t max, int64_t *out, rag_error *err) {
    *out = sqlite3_column_int64(st, col);
    if (sqlite3_column_type(st, col) != SQLITE_INTEGER || *out < min ||
        *out > max)
        return rag_desk_corrupt(l, err, sqlite3_column_name(st, col));
    return 0;
}

/* ---- opening ------------------------------------------------------------- */

static int open_link(rag_deskdb *db, rag_desk_link *l, bool writer,
                     rag_error *err) {
    l->path = db->path;
    if (sqlite3_open_v2(db->path, &l->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
        return l->db ? fail(l, err)
                     : rag_error_set(err, RAG_E_NOMEM, "no memory for %s",
                                     db->path);
    sqlite3_extended_result_codes(l->db, 1);
    sqlite3_busy_timeout(l->db, BUSY_MS);
    sqlite3_limit(l->db, SQLITE_LIMIT_LENGTH, 4 << 20);
    sqlite3_limit(l->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(l->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(l->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return rag_desk_exec(
        l,
        writer ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                 "PRAGMA secure_delete=ON; PRAGMA cell_size_check=ON;"
               : "PRAGMA query_only=ON; PRAGMA cell_size_check=ON;",
        err);
}

static int check_schema(rag_deskdb *db, rag_error *err) {
    int64_t version, app, tables;
    int rc = rag_desk_int(&db->w, "PRAGMA user_version", &version, err);
    if (!rc)
        rc = rag_desk_int(&db->w, "PRAGMA application_id", &app, err);
    if (!rc)
        rc = rag_desk_int(&db->w, "SELECT count(*) FROM sqlite_master", &tables,
                          err);
    if (rc)
        return rc;
    if (version == 0 && tables == 0) {
        rc = rag_desk_exec(&db->w, "BEGIN IMMEDIATE", err);
        if (!rc)
            rc = rag_desk_exec(&db->w, CREATE, err);
        return rc ? rc : rag_desk_exec(&db->w, "COMMIT", err);
    }
    if (app != APPLICATION)
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s is no desk file of ragd; move it away",
                             db->path);
    if (version != SCHEMA)
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s has schema %lld, this ragd knows %d: use the "
                             "newer ragd that wrote it",
                             db->path, (long long)version, SCHEMA);
    return 0;
}

/* The file is made with its final mode before SQLite sees it; the WAL and
 * the shared memory get the same. */
static int make_private(const char *path, rag_error *err) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return rag_error_errno(
            err,
            errno == EACCES || errno == EROFS ? RAG_E_PERMISSION : RAG_E_IO,
            errno, "cannot open %s", path);
    struct stat st;
    int rc = 0;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        rc = rag_error_set(err, RAG_E_DATA, "%s is no regular file", path);
    else if ((st.st_mode & 077) && fchmod(fd, 0600))
        rc = rag_error_errno(err, RAG_E_PERMISSION, errno,
                             "others may read %s and that cannot be changed",
                             path);
    close(fd);
    return rc;
}

int rag_deskdb_open(const char *dir, rag_deskdb **out, rag_error *err) {
    char *lock = NULL;
    *out = NULL;
    rag_deskdb *db = calloc(1, sizeof *db);
    if (!db)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
    db->lock_fd = -1;
    pthread_mutex_init(&db->w.lock, NULL);
    pthread_mutex_init(&db->r.lock, NULL);
    int rc = rag_file_mkdirs(dir, 0700, err);
    if (!rc)
        rc = rag_path_join(dir, RAG_DESK_FILE, &db->path, err);
    if (!rc)
        rc = rag_path_join(dir, "desk.lock", &lock, err);
    if (!rc)
        rc = rag_file_lock(lock, &db->lock_fd, err);
    if (!rc)
        rc = make_private(db->path, err);
    if (!rc)
        rc = open_link(db, &db->w, true, err);
    if (!rc)
        rc = check_schema(db, err);
    if (!rc)
        rc = open_link(db, &db->r, false, err);
    free(lock);
    if (rc) {
        rag_deskdb_close(db);
        return rc;
    }
    *out = db;
    return 0;
}

void rag_deskdb_close(rag_deskdb *db) {
    if (!db)
        return;
    sqlite3_close(db->r.db);
    sqlite3_close(db->w.db);
    pthread_mutex_destroy(&db->w.lock);
    pthread_mutex_destroy(&db->r.lock);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    free(db->path);
    free(db);
}

void rag_deskdb_set_apart(rag_deskdb *db, rag_desk_apart_fn fn, void *user) {
    pthread_mutex_lock(&db->w.lock);
    db->apart = fn;
    db->apart_user = user;
    pthread_mutex_unlock(&db->w.lock);
}

int rag_desk_begin(rag_deskdb *db, rag_error *err) {
    pthread_mutex_lock(&db->w.lock);
    int rc = rag_desk_exec(&db->w, "BEGIN IMMEDIATE", err);
    if (rc)
        pthread_mutex_unlock(&db->w.lock);
    return rc;
}

int rag_desk_end(rag_deskdb *db, int rc, rag_error *err) {
    if (!rc)
        rc = rag_desk_exec(&db->w, "COMMIT", err);
    if (rc)
        sqlite3_exec(db->w.db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&db->w.lock);
    return rc;
}

int rag_deskdb_counts(rag_deskdb *db, rag_desk_counts *out, rag_error *err) {
    static const char *const sql[] = {
        "SELECT count(*) FROM entry",
        "SELECT count(*) FROM entry WHERE live>0",
        "SELECT count(*) FROM version WHERE state=0",
        "SELECT count(*) FROM queue_group WHERE state='open'",
        "SELECT count(*) FROM audit WHERE kind='ask'",
        "SELECT count(*) FROM feedback WHERE vote>0",
        "SELECT count(*) FROM feedback WHERE vote<0"};
    int64_t *to[] = {&out->entries,     &out->live,      &out->drafts,
                     &out->groups_open, &out->exchanges, &out->up,
                     &out->down};
    int rc = 0;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&db->r.lock);
    for (size_t i = 0; i < sizeof sql / sizeof sql[0] && !rc; i++)
        rc = rag_desk_int(&db->r, sql[i], to[i], err);
    pthread_mutex_unlock(&db->r.lock);
    return rc;
}
