/*
 * store_desk_audit.c - the audit log: a chain of salted hashes, and erasing.
 *
 * digest(n) = SHA-256(field(salt) field(body))
 * hash(n)   = SHA-256(field("ragd audit 1") field(hash(n-1)) field(seq)
 *             field(at) field(kind) field(subject) field(digest(n)))
 * field(x) is the length of x as 8 bytes little-endian, then x; seq and at
 * are 8 bytes little-endian; hash(0) is empty. Erasing removes salt and body:
 * what is left proves the chain and tells nothing, because nobody can try
 * bodies against a digest whose random salt of 128 bits is gone.
 */
#include "index/store_desk_int.h"

#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SALT_LEN 16
#define WORD_MAX 64 /* of a record's kind */

static const char TAG[] = "ragd audit 1";

static void le64(int64_t v, unsigned char out[8]) {
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)((uint64_t)v >> (8 * i));
}

static int digest_of(const void *salt, const char *body, rag_sha256 *out,
                     rag_error *err) {
    rag_hasher *h = rag_hasher_new();
    if (!h)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to hash a record");
    rag_hasher_field(h, salt, SALT_LEN);
    rag_hasher_field(h, body, strlen(body));
    rag_hasher_end(h, out);
    return 0;
}

static int hash_of(const void *prev, size_t prev_len, int64_t seq, int64_t at,
                   const char *kind, const char *subject,
                   const rag_sha256 *digest, rag_sha256 *out, rag_error *err) {
    unsigned char n[8];
    rag_hasher *h = rag_hasher_new();
    if (!h)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to hash a record");
    rag_hasher_field(h, TAG, sizeof TAG - 1);
    rag_hasher_field(h, prev, prev_len);
    le64(seq, n);
    rag_hasher_field(h, n, sizeof n);
    le64(at, n);
    rag_hasher_field(h, n, sizeof n);
    rag_hasher_field(h, kind, strlen(kind));
    rag_hasher_field(h, subject, strlen(subject));
    rag_hasher_field(h, digest->d, sizeof digest->d);
    rag_hasher_end(h, out);
    return 0;
}

/* ---- adding -------------------------------------------------------------- */

static int last_record(rag_deskdb *db, int64_t *seq, rag_sha256 *hash,
                       bool *any, rag_error *err) {
    bool row;
    *seq = 0;
    *any = false;
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", err);
    if (!st)
        return rag_desk_finish(&db->w, st, err);
    int rc = rag_desk_step(&db->w, st, &row, err);
    if (!rc && row) {
        if (sqlite3_column_type(st, 1) != SQLITE_BLOB ||
            sqlite3_column_bytes(st, 1) != RAG_SHA256_LEN) {
            rc = rag_desk_corrupt(&db->w, err, "hash");
        } else {
            *seq = sqlite3_column_int64(st, 0);
            memcpy(hash->d, sqlite3_column_blob(st, 1), RAG_SHA256_LEN);
            *any = true;
        }
    }
    sqlite3_finalize(st);
    return rc;
}

static int add_docs(rag_deskdb *db, int64_t seq, const char *const *docs,
                    size_t ndocs, rag_error *err) {
    int rc = 0;
    for (size_t i = 0; i < ndocs && !rc; i++) {
        sqlite3_stmt *st = rag_desk_prepare(
            &db->w, "INSERT OR IGNORE INTO audit_doc(doc,seq) VALUES(?,?)",
            err);
        if (st) {
            rag_desk_bind_str(st, 1, docs[i]);
            sqlite3_bind_int64(st, 2, seq);
        }
        rc = rag_desk_finish(&db->w, st, err);
    }
    return rc;
}

int rag_desk_audit_add(rag_deskdb *db, int64_t at, const char *kind,
                       const char *subject, const char *body,
                       const char *const *docs, size_t ndocs, rag_error *err) {
    unsigned char salt[SALT_LEN];
    rag_sha256 prev = {{0}}, digest, hash;
    int64_t seq;
    bool any;
    if (strlen(body) > RAG_DESK_JSON_MAX)
        return rag_error_set(err, RAG_E_LIMIT,
                             "an audit record of %zu bytes is too long",
                             strlen(body));
    if (getrandom(salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        return rag_error_errno(err, RAG_E_IO, errno, "no random bytes");
    int rc = last_record(db, &seq, &prev, &any, err);
    if (!rc)
        rc = digest_of(salt, body, &digest, err);
    if (!rc)
        rc = hash_of(prev.d, any ? sizeof prev.d : 0, seq + 1, at, kind,
                     subject, &digest, &hash, err);
    if (rc)
        return rc;
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w,
        "INSERT INTO audit(seq,at,kind,subject,salt,digest,hash,body)"
        " VALUES(?,?,?,?,?,?,?,?)",
        err);
    if (st) {
        sqlite3_bind_int64(st, 1, seq + 1);
        sqlite3_bind_int64(st, 2, at);
        rag_desk_bind_str(st, 3, kind);
        rag_desk_bind_str(st, 4, subject);
        sqlite3_bind_blob(st, 5, salt, sizeof salt, SQLITE_TRANSIENT);
        sqlite3_bind_blob(st, 6, digest.d, sizeof digest.d, SQLITE_TRANSIENT);
        sqlite3_bind_blob(st, 7, hash.d, sizeof hash.d, SQLITE_TRANSIENT);
        rag_desk_bind_str(st, 8, body);
    }
    rc = rag_desk_finish(&db->w, st, err);
    return rc ? rc : add_docs(db, seq + 1, docs, ndocs, err);
}

int rag_deskdb_record(rag_deskdb *db, const rag_desk_exchange *x, size_t n,
                      rag_error *err) {
    int rc = rag_desk_begin(db, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = rag_desk_audit_add(db, x[i].at, "ask", x[i].id, x[i].body,
                                x[i].docs, x[i].ndocs, err);
        if (!rc && x[i].queue_why)
            rc = rag_desk_queue_add(db, x[i].id, x[i].at, x[i].question,
                                    x[i].lang, x[i].queue_why, x[i].vector,
                                    x[i].dim, err);
    }
    return rag_desk_end(db, rc, err);
}

/* ---- showing ------------------------------------------------------------- */

void rag_desk_audits_free(rag_desk_audits *a) {
    for (size_t i = 0; i < a->n; i++) {
        free(a->v[i].kind);
        free(a->v[i].subject);
        free(a->v[i].body);
    }
    free(a->v);
    memset(a, 0, sizeof *a);
}

/* Columns: seq, at, kind, subject, body, hash. */
static int read_record(rag_desk_link *l, sqlite3_stmt *st, rag_desk_audit *a,
                       rag_error *err) {
    rag_sha256 h;
    memset(a, 0, sizeof *a);
    int rc = rag_desk_number(l, st, 0, 1, INT64_MAX, &a->seq, err);
    if (!rc)
        rc = rag_desk_number(l, st, 1, INT64_MIN, INT64_MAX, &a->at, err);
    if (!rc)
        rc = rag_desk_text(l, st, 2, WORD_MAX, false, &a->kind, err);
    if (!rc)
        rc = rag_desk_text(l, st, 3, RAG_DESK_ID_MAX, false, &a->subject, err);
    if (!rc)
        rc = rag_desk_text(l, st, 4, RAG_DESK_JSON_MAX, true, &a->body, err);
    if (!rc && (sqlite3_column_type(st, 5) != SQLITE_BLOB ||
                sqlite3_column_bytes(st, 5) != RAG_SHA256_LEN))
        rc = rag_desk_corrupt(l, err, "hash");
    if (!rc) {
        memcpy(h.d, sqlite3_column_blob(st, 5), sizeof h.d);
        rag_hash_hex(&h, a->hash);
    }
    return rc;
}

int rag_deskdb_audit(rag_deskdb *db, const char *subject, size_t limit,
                     rag_desk_audits *out, rag_error *err) {
    bool row;
    memset(out, 0, sizeof *out);
    limit = limit ? limit : 100;
    pthread_mutex_lock(&db->r.lock);
    sqlite3_stmt *st = rag_desk_prepare(
        &db->r,
        subject ? "SELECT seq,at,kind,subject,body,hash FROM audit"
                  " WHERE subject=?1 ORDER BY seq LIMIT ?2"
                : "SELECT seq,at,kind,subject,body,hash FROM audit"
                  " ORDER BY seq DESC LIMIT ?2",
        err);
    int rc = st ? 0 : rag_desk_finish(&db->r, NULL, err);
    if (st) {
        if (subject)
            rag_desk_bind_str(st, 1, subject);
        sqlite3_bind_int64(st, 2, (int64_t)limit);
    }
    while (!rc && !(rc = rag_desk_step(&db->r, st, &row, err)) && row) {
        rag_desk_audit *v = realloc(out->v, (out->n + 1) * sizeof *v);
        if (!v) {
            rc = rag_error_set(err, RAG_E_NOMEM, "no memory for the audit");
            break;
        }
        out->v = v;
        rc = read_record(&db->r, st, &v[out->n++], err);
    }
    sqlite3_finalize(st);
    pthread_mutex_unlock(&db->r.lock);
    if (!rc && subject && !out->n)
        rc = rag_error_set(err, RAG_E_NOTFOUND, "nothing is recorded of \"%s\"",
                           subject);
    if (rc)
        rag_desk_audits_free(out);
    return rc;
}

int rag_deskdb_find(rag_deskdb *db, const char *prefix, char **id,
                    rag_error *err) {
    bool row;
    *id = NULL;
    if (strlen(prefix) < 6)
        return rag_error_set(err, RAG_E_NOTFOUND,
                             "\"%s\" is neither an id nor a code", prefix);
    pthread_mutex_lock(&db->r.lock);
    sqlite3_stmt *st = rag_desk_prepare(
        &db->r,
        "SELECT subject FROM audit WHERE kind='ask' AND subject>=?1 AND"
        " subject<?1||'~' LIMIT 2",
        err);
    int rc = st ? 0 : rag_desk_finish(&db->r, NULL, err);
    for (int i = 0; i < 2 && !rc; i++) {
        if (!i)
            rag_desk_bind_str(st, 1, prefix);
        rc = rag_desk_step(&db->r, st, &row, err);
        if (!rc && !row && !i)
            rc = rag_error_set(err, RAG_E_NOTFOUND,
                               "no answer with the id or code \"%s\" is "
                               "recorded",
                               prefix);
        else if (!rc && row && i)
            rc = rag_error_set(err, RAG_E_CONFLICT,
                               "several answers have the code \"%s\": give "
                               "the whole id",
                               prefix);
        else if (!rc && row)
            rc = rag_desk_text(&db->r, st, 0, RAG_DESK_ID_MAX, false, id, err);
    }
    sqlite3_finalize(st);
    pthread_mutex_unlock(&db->r.lock);
    if (rc) {
        free(*id);
        *id = NULL;
    }
    return rc;
}

/* ---- verifying ----------------------------------------------------------- */

typedef struct walk {
    rag_desk_verdict *out;
    int64_t expect_seq;
    const char *expect_hash;
    rag_sha256 prev;
    bool any;
} walk;

static void bad(walk *w, int64_t seq, const char *why) {
    if (!w->out->bad) {
        w->out->bad = seq > 0 ? seq : 1;
        snprintf(w->out->why, sizeof w->out->why, "record %lld: %s",
                 (long long)seq, why);
    }
}

static bool blob(sqlite3_stmt *st, int col, void *out, size_t n) {
    if (sqlite3_column_type(st, col) != SQLITE_BLOB ||
        (size_t)sqlite3_column_bytes(st, col) != n)
        return false;
    memcpy(out, sqlite3_column_blob(st, col), n);
    return true;
}

/* Columns: seq, at, kind, subject, body, hash, digest, salt. A record that
 * cannot be read is one that does not fit. */
static int check_record(rag_desk_link *l, sqlite3_stmt *st, walk *w,
                        rag_error *err) {
    rag_desk_audit a;
    rag_sha256 stored, digest, made;
    unsigned char salt[SALT_LEN];
    rag_error why = {0};
    int64_t seq = sqlite3_column_int64(st, 0);
    int rc = read_record(l, st, &a, &why);
    if (rc == RAG_E_NOMEM) {
        rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
        goto out;
    }
    bool readable = !rc && blob(st, 5, stored.d, sizeof stored.d) &&
                    blob(st, 6, digest.d, sizeof digest.d);
    rc = 0;
    w->out->records++;
    if (!readable) {
        bad(w, seq, "cannot be read");
        goto out;
    }
    if (seq != w->out->head + 1)
        bad(w, seq, "records before it are missing");
    rc = hash_of(w->prev.d, w->any ? sizeof w->prev.d : 0, seq, a.at, a.kind,
                 a.subject, &digest, &made, err);
    if (rc)
        goto out;
    if (memcmp(made.d, stored.d, sizeof made.d) != 0)
        bad(w, seq, "its hash does not fit what stands before it");
    if (a.body) {
        if (!blob(st, 7, salt, sizeof salt)) {
            bad(w, seq, "its salt is missing");
        } else {
            rc = digest_of(salt, a.body, &made, err);
            if (!rc && memcmp(made.d, digest.d, sizeof made.d) != 0)
                bad(w, seq, "its text has been changed");
        }
    } else {
        w->out->erased++;
    }
    if (w->expect_seq == seq && strcmp(w->expect_hash, a.hash) != 0)
        bad(w, seq, "it is not the record that was noted");
    w->prev = stored;
    w->any = true;
    w->out->head = seq;
    memcpy(w->out->head_hash, a.hash, sizeof a.hash);
out:
    free(a.kind);
    free(a.subject);
    free(a.body);
    return rc;
}

int rag_deskdb_verify(rag_deskdb *db, int64_t expect_seq,
                      const char *expect_hash, rag_desk_verdict *out,
                      rag_error *err) {
    walk w = {out, expect_seq, expect_hash ? expect_hash : "", {{0}}, false};
    int64_t ever = 0;
    bool row;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&db->r.lock);
    int rc = rag_desk_exec(&db->r, "BEGIN", err);
    sqlite3_stmt *st =
        rc ? NULL
           : rag_desk_prepare(&db->r,
                              "SELECT seq,at,kind,subject,body,hash,digest,"
                              "salt FROM audit ORDER BY seq",
                              err);
    if (!rc && !st)
        rc = rag_desk_finish(&db->r, NULL, err);
    while (!rc && !(rc = rag_desk_step(&db->r, st, &row, err)) && row)
        rc = check_record(&db->r, st, &w, err);
    sqlite3_finalize(st);
    if (!rc)
        rc = rag_desk_int(&db->r,
                          "SELECT seq FROM sqlite_sequence WHERE name='audit'",
                          &ever, err);
    sqlite3_exec(db->r.db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&db->r.lock);
    if (rc)
        return rc;
    if (ever > out->head)
        bad(&w, out->head + 1, "it and those behind it have been removed");
    if (expect_seq > out->head)
        bad(&w, out->head + 1, "the record that was noted is gone");
    out->whole = !out->bad;
    return 0;
}

/* ---- erasing ------------------------------------------------------------- */

/* ?1: time, ?2: document; which records lose their text. Entries' own records
 * hold no text of customers and stay with age. */
#define DOOMED_BY_AGE                                                          \
    "SELECT seq FROM audit WHERE body IS NOT NULL AND at < ?1 AND kind IN "    \
    "('ask','feedback')"
#define DOOMED_BY_DOC "SELECT seq FROM audit_doc WHERE doc = ?2"

static int erase(rag_deskdb *db, const char *sql, int64_t before,
                 const char *doc, int64_t *changed, rag_error *err) {
    sqlite3_stmt *st = rag_desk_prepare(&db->w, sql, err);
    if (st) {
        if (sqlite3_bind_parameter_index(st, "?1"))
            sqlite3_bind_int64(st, 1, before);
        if (sqlite3_bind_parameter_index(st, "?2"))
            rag_desk_bind_str(st, 2, doc);
    }
    int rc = rag_desk_finish(&db->w, st, err);
    if (!rc && changed)
        *changed += sqlite3_changes(db->w.db);
    return rc;
}

static int erase_by_age(rag_deskdb *db, int64_t before, int64_t *erased,
                        rag_error *err) {
    static const char *const more[] = {
        "DELETE FROM audit_doc WHERE seq IN"
        " (SELECT seq FROM audit WHERE body IS NULL)",
        "DELETE FROM feedback WHERE at < ?1",
        "DELETE FROM queue_item WHERE at < ?1",
        "DELETE FROM queue_group WHERE last_at < ?1",
    };
    int rc = erase(db,
                   "UPDATE audit SET body=NULL, salt=NULL WHERE seq IN"
                   " (" DOOMED_BY_AGE ")",
                   before, NULL, erased, err);
    for (size_t i = 0; i < sizeof more / sizeof more[0] && !rc; i++)
        rc = erase(db, more[i], before, NULL, NULL, err);
    return rc;
}

static int erase_by_doc(rag_deskdb *db, const char *doc, int64_t *erased,
                        rag_error *err) {
    static const char *const more[] = {
        "DELETE FROM audit_doc WHERE doc = ?2",
        /* Drafts that quote it and never answered. */
        "DELETE FROM version WHERE state = 0 AND version > 0 AND instr("
        "citations, ?2) > 0 AND id IN (SELECT id FROM entry WHERE live = 0"
        " AND newest = 1)",
        "DELETE FROM entry WHERE live = 0 AND retired = 0 AND NOT EXISTS"
        " (SELECT 1 FROM version v WHERE v.id = entry.id)",
    };
    int rc = erase(db,
                   "UPDATE audit SET body=NULL, salt=NULL WHERE"
                   " body IS NOT NULL AND seq IN (" DOOMED_BY_DOC ")",
                   0, doc, erased, err);
    for (size_t i = 0; i < sizeof more / sizeof more[0] && !rc; i++)
        rc = erase(db, more[i], 0, doc, NULL, err);
    return rc;
}

int rag_deskdb_purge(rag_deskdb *db, int64_t before, const char *doc,
                     const char *who, int64_t *erased, rag_error *err) {
    int64_t n = 0;
    rag_buf body;
    rag_buf_init(&body, 0);
    int rc = rag_desk_begin(db, err);
    if (rc)
        return rc;
    if (before != RAG_TIME_NONE)
        rc = erase_by_age(db, before, &n, err);
    if (!rc && doc)
        rc = erase_by_doc(db, doc, &n, err);
    /* The record does not name the document: it is to be forgotten. */
    json_t *o = json_pack("{s:I, s:s, s:s}", "erased", (json_int_t)n, "by",
                          doc ? "document" : "age", "who", who ? who : "");
    if (!rc && !o)
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for a record");
    if (!rc)
        rc = rag_json_dump(o, &body, err);
    if (!rc)
        rc = rag_desk_audit_add(db, rag_clock_now(), "purge", "purge",
                                rag_buf_str(&body), NULL, 0, err);
    json_decref(o);
    rag_buf_free(&body);
    rc = rag_desk_end(db, rc, err);
    if (!rc) {
        /* What was erased is still in the write-ahead log until then. */
        pthread_mutex_lock(&db->w.lock);
        rc = rag_desk_exec(&db->w, "PRAGMA wal_checkpoint(TRUNCATE)", err);
        pthread_mutex_unlock(&db->w.lock);
    }
    if (!rc && erased)
        *erased = n;
    return rc;
}
