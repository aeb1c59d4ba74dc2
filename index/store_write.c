/*
 * store_write.c - the writer: documents, chunks, vectors and terms go in and
 * out together.
 *
 * One process at a time (store.lock), one thread. A transaction opens with
 * the first change and ends with commit; closing rolls back. Text that was
 * replaced or removed is zeroed in the database (secure_delete); FTS5 keeps a
 * removed row's terms in its older segments until they are merged, so a purge
 * (optimize, then a truncating checkpoint) ends every removal: at the commit
 * that follows _remove or _sweep, at close for what was only replaced, and at
 * the next writer's open when a process died before it (meta.purge).
 */
#include "index/store_int.h"

#include "base/clock.h"
#include "base/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- half floats ----------------------------------------------------------- */

uint16_t rag_half_from(float f) {
    uint32_t x, sign, mant;
    int exp;

    memcpy(&x, &f, sizeof(x));
    sign = x >> 16 & 0x8000;
    exp = (int)(x >> 23 & 0xff) - 127 + 15;
    mant = x & 0x7fffff;
    if (exp >= 31) /* too large, infinite or no number */
        return (uint16_t)(sign | 0x7c00 |
                          ((x & 0x7fffffff) > 0x7f800000 ? 0x200 : 0));
    if (exp <= 0) {
        unsigned shift = (unsigned)(14 - exp);

        if (exp < -10)
            return (uint16_t)sign;
        mant |= 0x800000;
        return (uint16_t)(sign | ((mant + (1u << (shift - 1))) >> shift));
    }
    /* A carry out of the mantissa raises the exponent, as it should. */
    return (uint16_t)(sign |
                      (((uint32_t)exp << 10 | mant >> 13) + (mant >> 12 & 1)));
}

float rag_half_to(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = h >> 10 & 31;
    uint32_t mant = h & 0x3ff, x;
    float f;

    if (exp == 0) {
        f = (float)mant * 0x1p-24f;
        return sign ? -f : f;
    }
    x = exp == 31 ? sign | 0x7f800000 | mant << 13
                  : sign | (exp + 112) << 23 | mant << 13;
    memcpy(&f, &x, sizeof(f));
    return f;
}

/* ---- opening --------------------------------------------------------------- */

static int write_fingerprint(rag_index_writer *w,
                             const rag_index_fingerprint *fp, rag_error *err) {
    rag_store *s = w->store;
    int rc = rag_store_meta_set_int(s, "dim", fp->dim, err);

    if (rc == 0)
        rc = rag_store_meta_set_int(s, "chunker", fp->chunker, err);
    if (rc == 0)
        rc = rag_store_meta_set_text(s, "encoder", fp->encoder, err);
    if (rc == 0)
        rc = rag_store_meta_set_text(s, "model", fp->model ? fp->model : "",
                                     err);
    w->changed = true;
    return rc;
}

/* Compares the store's fingerprint with fp; records or refuses. */
static int check_fingerprint(rag_index_writer *w, const rag_store_meta *m,
                             const rag_index_fingerprint *fp, bool rebuild,
                             rag_error *err) {
    bool same_encoder =
        strcmp(m->encoder, fp->encoder) == 0 && m->dim == fp->dim;
    int rc = 0;

    w->epoch = m->epoch;
    if (m->encoder[0] != '\0' && same_encoder && m->chunker == fp->chunker &&
        !rebuild)
        return 0;
    if (m->encoder[0] != '\0' && !rebuild)
        return rag_error_set(
            err, RAG_E_MISMATCH,
            "%s was made with %s%s (%s): ingest with --rebuild to make it "
            "again with this one, or use the model it was made with",
            w->store->path,
            same_encoder ? "another version of the chunker, encoder "
                         : "the encoder ",
            m->model[0] ? m->model : "(unnamed)", m->encoder);
    rc = rag_writer_begin(w, err);
    if (rc == 0 && m->encoder[0] != '\0') {
        rc = rag_store_exec(w->store, "UPDATE documents SET hash = NULL",
                            "forgetting hashes", err);
        if (rc == 0 && !same_encoder) {
            w->epoch = m->epoch + 1;
            rc = rag_store_meta_set_int(w->store, "epoch", w->epoch, err);
        }
    }
    if (rc == 0)
        rc = write_fingerprint(w, fp, err);
    if (rc == 0)
        rc = rag_index_writer_commit(w, err);
    return rc;
}

static int purge(rag_index_writer *w, rag_error *err) {
    int rc = rag_store_exec(w->store,
                            "BEGIN IMMEDIATE;"
                            "INSERT INTO fts(fts) VALUES('optimize');"
                            "UPDATE meta SET value = 0 WHERE key = 'purge';"
                            "COMMIT",
                            "purging removed text", err);

    if (rc != 0) {
        if (!sqlite3_get_autocommit(w->store->db))
            rag_store_exec(w->store, "ROLLBACK", "rolling back", NULL);
        return rc;
    }
    /* The log may still hold pages from before; a reader in the midst of a
     * search can keep it for a moment. */
    for (int i = 0; i < 50; i++) {
        int frames = -1;

        rc = sqlite3_wal_checkpoint_v2(
            w->store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &frames, NULL);
        if (rc == SQLITE_OK || (rc & 0xff) != SQLITE_BUSY)
            break;
        rag_clock_sleep_ms(20);
    }
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        return rag_store_fail(w->store, rc, "checkpointing", err);
    w->purge = w->removed = false;
    return 0;
}

static int pending_purge(rag_index_writer *w, rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc = rag_store_prepare(
        w->store, "SELECT value FROM meta WHERE key = 'purge'", &st, err);

    if (rc == 0)
        rc = rag_store_row(w->store, st, "reading meta", &row, err);
    if (rc != 0 || !row)
        return rc;
    w->purge = sqlite3_column_int(st, 0) != 0;
    sqlite3_reset(st);
    return w->purge ? purge(w, err) : 0;
}

int rag_index_writer_open(const char *dir, const rag_index_fingerprint *fp,
                          bool rebuild, rag_index_writer **out,
                          rag_error *err) {
    rag_index_writer *w = calloc(1, sizeof(*w));
    rag_store_meta m;
    char *lock = NULL;
    int rc;

    *out = NULL;
    if (w == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    w->lock = -1;
    w->dim = fp->dim;
    if (fp->dim < 1 || fp->dim > RAG_INDEX_DIM_MAX || fp->encoder == NULL ||
        fp->encoder[0] == '\0' || strlen(fp->encoder) > 64) {
        rc = rag_error_set(err, RAG_E_USAGE,
                           "a store needs an encoder's fingerprint and 1 to "
                           "%d dimensions",
                           RAG_INDEX_DIM_MAX);
        goto out;
    }
    rc = rag_file_mkdirs(dir, 0700, err);
    if (rc == 0)
        rc = rag_path_join(dir, "store.lock", &lock, err);
    if (rc == 0)
        rc = rag_file_lock(lock, &w->lock, err);
    if (rc == 0)
        rc = rag_store_open(dir, true, &w->store, err);
    if (rc == 0)
        rc = rag_store_exec(w->store,
                            "CREATE TEMP TABLE seen(doc INTEGER PRIMARY KEY);"
                            "CREATE TEMP TABLE gone(key BLOB PRIMARY KEY)",
                            "opening", err);
    if (rc == 0)
        rc = rag_store_meta_get(w->store, &m, err);
    if (rc == 0)
        rc = check_fingerprint(w, &m, fp, rebuild, err);
    if (rc == 0)
        rc = pending_purge(w, err);
out:
    free(lock);
    if (rc != 0) {
        rag_index_writer_close(w);
        return rc;
    }
    *out = w;
    return 0;
}

void rag_index_writer_close(rag_index_writer *w) {
    if (w == NULL)
        return;
    if (w->store) {
        if (w->open)
            rag_store_exec(w->store, "ROLLBACK", "rolling back", NULL);
        if (w->purge)
            purge(w, NULL); /* or the next writer does: meta.purge */
        rag_store_close(w->store);
    }
    if (w->lock >= 0)
        close(w->lock);
    free(w->root);
    free(w->by);
    free(w);
}

/* ---- transactions ----------------------------------------------------------- */

int rag_writer_begin(rag_index_writer *w, rag_error *err) {
    rag_store_meta m;
    int rc;

    if (w->open)
        return 0;
    rc = rag_store_exec(w->store, "BEGIN IMMEDIATE", "beginning to write", err);
    if (rc != 0)
        return rc;
    w->open = true;
    w->changed = false;
    rc = rag_store_meta_get(w->store, &m, err);
    if (rc == 0)
        w->seq = m.seq + 1;
    return rc;
}

int rag_index_writer_commit(rag_index_writer *w, rag_error *err) {
    int rc = 0;

    if (!w->open)
        return w->removed ? purge(w, err) : 0;
    if (w->changed) {
        rc = rag_extra_sweep(w, err);
        if (rc == 0)
            rc = rag_store_meta_set_int(w->store, "seq", w->seq, err);
        if (rc == 0)
            rc = rag_store_meta_set_int(w->store, "changed_at", rag_clock_now(),
                                        err);
        if (rc == 0 && w->purge)
            rc = rag_store_meta_set_int(w->store, "purge", 1, err);
    }
    if (rc == 0)
        rc = rag_store_exec(w->store, "COMMIT", "committing", err);
    if (rc != 0)
        return rc;
    w->open = false;
    w->changed = false;
    return w->removed ? purge(w, err) : 0;
}

/* ---- terms ------------------------------------------------------------------- */

typedef struct columns {
    const char *s[RAG_COLS];
    size_t n[RAG_COLS];
} columns;

static int count_word(void *user, const rag_term *t) {
    *(unsigned *)user = t->position + 1;
    return 0;
}

static int count_words(const columns *c, int words[RAG_COLS], rag_error *err) {
    for (int i = 0; i < RAG_COLS; i++) {
        unsigned n = 0;
        int rc = rag_terms_each(c->s[i], c->n[i], count_word, &n, err);

        if (rc != 0)
            return rc;
        words[i] = n > 65535 ? 65535 : (int)n;
    }
    return 0;
}

static int fts_change(rag_index_writer *w, bool add, int64_t chunk,
                      const columns *c, rag_error *err) {
    static const char *const sql[2][2] = {
        {"INSERT INTO fts(fts, rowid, title, heading, question, body)"
         " VALUES('delete', ?1, ?2, ?3, ?4, ?5)",
         "INSERT INTO fts(fts, rowid, title, heading, question, body, extra)"
         " VALUES('delete', ?1, ?2, ?3, ?4, ?5, ?6)"},
        {"INSERT INTO fts(rowid, title, heading, question, body)"
         " VALUES(?1, ?2, ?3, ?4, ?5)",
         "INSERT INTO fts(rowid, title, heading, question, body, extra)"
         " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"}};
    sqlite3_stmt *st;
    int columns_here = w->store->extra ? RAG_COLS : RAG_COL_EXTRA;
    int rc = rag_store_prepare(w->store, sql[add][w->store->extra], &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, chunk);
    for (int i = 0; i < columns_here; i++)
        sqlite3_bind_text64(st, i + 2, c->s[i], c->n[i], SQLITE_STATIC,
                            SQLITE_UTF8);
    return rag_store_run(w->store, st, "indexing terms", err);
}

/* ---- removing ---------------------------------------------------------------- */

#define COLUMNS_OF_CHUNKS                                                      \
    "SELECT c.id, CASE WHEN d.kind = 1 THEN '' ELSE d.title END,"              \
    " c.heading, (SELECT group_concat(text, char(10)) FROM (SELECT text"       \
    " FROM questions WHERE doc = d.id ORDER BY ord)),"                         \
    " substr(t.body, c.start + 1, c.stop - c.start)"
#define OF_CHUNKS                                                              \
    " FROM chunks c JOIN documents d ON d.id = c.doc"                          \
    " JOIN texts t ON t.doc = c.doc"

int rag_writer_terms(rag_index_writer *w, int64_t doc, bool add,
                     rag_error *err) {
    static const char plain[] =
        COLUMNS_OF_CHUNKS ", ''" OF_CHUNKS " WHERE c.doc = ?1";
    static const char extra[] = COLUMNS_OF_CHUNKS
        ", w.text" OF_CHUNKS " LEFT JOIN extras x ON x.chunk = c.id"
        " LEFT JOIN written w ON w.key = x.key"
        " AND w.by = x.by WHERE c.doc = ?1";
    sqlite3_stmt *st;
    bool row = true;
    int rc =
        rag_store_prepare(w->store, w->store->extra ? extra : plain, &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, doc);
    while (rc == 0) {
        columns c;

        rc = rag_store_row(w->store, st, "reading a document", &row, err);
        if (rc != 0 || !row)
            break;
        for (int i = 0; i < RAG_COLS; i++) {
            const void *p = sqlite3_column_blob(st, i + 1);

            c.s[i] = p ? p : "";
            c.n[i] = (size_t)sqlite3_column_bytes(st, i + 1);
        }
        rc = fts_change(w, add, sqlite3_column_int64(st, 0), &c, err);
    }
    sqlite3_reset(st);
    return rc;
}

int rag_writer_delete(rag_index_writer *w, int64_t doc, rag_error *err) {
    static const char *const from[] = {
        "DELETE FROM vectors WHERE doc = ?1",
        "DELETE FROM chunks WHERE doc = ?1",
        "DELETE FROM questions WHERE doc = ?1",
        "DELETE FROM texts WHERE doc = ?1",
        "DELETE FROM temp.seen WHERE doc = ?1",
        "DELETE FROM documents WHERE id = ?1",
        "INSERT INTO tombstones VALUES(?1, ?2)",
    };
    size_t count = sizeof(from) / sizeof(from[0]);
    int rc = rag_writer_begin(w, err);

    if (rc == 0)
        rc = rag_writer_terms(w, doc, false, err);
    if (rc == 0)
        rc = rag_extra_leave(w, doc, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        sqlite3_stmt *st;

        rc = rag_store_prepare(w->store, from[i], &st, err);
        if (rc != 0)
            break;
        sqlite3_bind_int64(st, 1, doc);
        if (i + 1 == count)
            sqlite3_bind_int64(st, 2, w->seq);
        rc = rag_store_run(w->store, st, "removing a document", err);
    }
    w->changed = w->purge = true;
    return rc;
}

/* ---- putting ------------------------------------------------------------------ */

static int check_document(const rag_index_writer *w, const rag_document *d,
                          const rag_vector *v, size_t n, rag_error *err) {
    const char *id = d->id ? d->id : "";

    if (id[0] == '\0')
        return rag_error_set(err, RAG_E_DATA, "a document has no id (%s)",
                             d->source ? d->source : "?");
    for (size_t i = 0; i < d->nchunks; i++)
        if (d->chunks[i].start > d->chunks[i].end ||
            d->chunks[i].end > d->text_len)
            return rag_error_set(err, RAG_E_DATA,
                                 "%s: chunk %zu lies outside its text", id, i);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;

        if (v[i].chunk >= d->nchunks ||
            (v[i].role == RAG_VECTOR_QUESTION && v[i].ord >= d->nquestions))
            return rag_error_set(err, RAG_E_DATA,
                                 "%s: vector %zu belongs to nothing", id, i);
        for (int j = 0; j < w->dim; j++)
            sum += (double)v[i].v[j] * v[i].v[j];
        if (!(fabs(sum - 1) < 0.05))
            return rag_error_set(err, RAG_E_DATA,
                                 "%s: vector %zu is not of unit length", id, i);
    }
    return 0;
}

static void bind_str(sqlite3_stmt *st, int i, const char *s) {
    sqlite3_bind_text(st, i, s ? s : "", -1, SQLITE_STATIC);
}

static int put_row(rag_index_writer *w, const rag_document *d, int64_t *doc,
                   rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(
        w->store,
        "INSERT INTO documents(ext, source, root, title, lang, collection,"
        " url, category, kind, valid_from, valid_until, hash, epoch, seq)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        &st, err);

    if (rc != 0)
        return rc;
    bind_str(st, 1, d->id);
    bind_str(st, 2, d->source);
    bind_str(st, 3, d->root);
    bind_str(st, 4, d->title);
    bind_str(st, 5, d->lang);
    bind_str(st, 6, d->collection);
    bind_str(st, 7, d->url);
    bind_str(st, 8, d->category);
    sqlite3_bind_int(st, 9, d->kind);
    sqlite3_bind_int64(st, 10, d->valid_from);
    sqlite3_bind_int64(st, 11, d->valid_until);
    sqlite3_bind_blob(st, 12, d->hash.d, RAG_SHA256_LEN, SQLITE_STATIC);
    sqlite3_bind_int64(st, 13, w->epoch);
    sqlite3_bind_int64(st, 14, w->seq);
    rc = rag_store_run(w->store, st, "storing a document", err);
    *doc = sqlite3_last_insert_rowid(w->store->db);
    if (rc == 0)
        rc = rag_store_prepare(w->store, "INSERT INTO texts VALUES(?1, ?2)",
                               &st, err);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, *doc);
    sqlite3_bind_blob64(st, 2, d->text ? d->text : "", d->text_len,
                        SQLITE_STATIC);
    return rag_store_run(w->store, st, "storing a text", err);
}

/* Stores the questions with their keys; joined gets them line by line. */
static int put_questions(rag_index_writer *w, const rag_document *d,
                         int64_t doc, rag_buf *joined, rag_error *err) {
    rag_buf key;
    int rc = 0;

    rag_buf_init(&key, 0);
    for (size_t i = 0; i < d->nquestions && rc == 0; i++) {
        const char *q = d->questions[i];
        sqlite3_stmt *st;

        rag_buf_clear(&key);
        rc = rag_terms_key(q, strlen(q), &key, err);
        if (rc == 0)
            rc = rag_store_prepare(w->store,
                                   "INSERT INTO questions"
                                   " VALUES(?1, ?2, ?3, ?4)",
                                   &st, err);
        if (rc != 0)
            break;
        sqlite3_bind_int64(st, 1, doc);
        sqlite3_bind_int64(st, 2, (int64_t)i);
        bind_str(st, 3, q);
        sqlite3_bind_blob64(st, 4, rag_buf_str(&key), key.len, SQLITE_STATIC);
        rc = rag_store_run(w->store, st, "storing a question", err);
        if (rc == 0 && i > 0)
            rc = rag_buf_append_char(joined, '\n', err);
        if (rc == 0)
            rc = rag_buf_append_str(joined, q, err);
    }
    rag_buf_free(&key);
    return rc;
}

static int put_chunk(rag_index_writer *w, const rag_document *d, size_t i,
                     int64_t doc, const rag_buf *questions,
                     const rag_buf *extra, int64_t *chunk, int words[RAG_COLS],
                     rag_error *err) {
    const rag_chunk *c = &d->chunks[i];
    const char *heading = c->heading ? c->heading : "";
    const char *title = d->title && d->kind != RAG_DOC_FAQ ? d->title : "";
    columns cols = {{title, heading, rag_buf_str(questions),
                     d->text ? d->text + c->start : "", rag_buf_str(extra)},
                    {strlen(title), strlen(heading), questions->len,
                     c->end - c->start, extra->len}};
    sqlite3_stmt *st;
    int rc = count_words(&cols, words, err);

    if (rc == 0)
        rc = rag_store_prepare(w->store,
                               "INSERT INTO chunks(doc, ord, start, stop,"
                               " heading, w0, w1, w2, w3)"
                               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                               &st, err);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, doc);
    sqlite3_bind_int64(st, 2, (int64_t)i);
    sqlite3_bind_int64(st, 3, (int64_t)c->start);
    sqlite3_bind_int64(st, 4, (int64_t)c->end);
    bind_str(st, 5, heading);
    for (int j = 0; j < RAG_COL_EXTRA; j++)
        sqlite3_bind_int(st, 6 + j, words[j]);
    rc = rag_store_run(w->store, st, "storing a chunk", err);
    *chunk = sqlite3_last_insert_rowid(w->store->db);
    return rc == 0 ? fts_change(w, true, *chunk, &cols, err) : rc;
}

/* A chunk with, where the store has room for it, its extra text. */
static int put_with_extra(rag_index_writer *w, const rag_document *d, size_t i,
                          int64_t doc, const rag_buf *questions, bool extra,
                          int64_t *chunk, rag_error *err) {
    bool can = w->store->extra && d->kind != RAG_DOC_FAQ, found = false;
    int words[RAG_COLS], rc = 0;
    rag_sha256 key;
    rag_buf text;

    rag_buf_init(&text, 0);
    if (can)
        rc = rag_extra_key(d, i, &key, err);
    if (rc == 0 && can && extra)
        rc = rag_extra_text(w, &key, &text, &found, err);
    if (rc == 0)
        rc = put_chunk(w, d, i, doc, questions, &text, chunk, words, err);
    if (rc == 0 && can)
        rc = rag_extra_row(w, *chunk, doc, &key, found ? w->by : NULL,
                           words[RAG_COL_EXTRA], err);
    rag_buf_free(&text);
    return rc;
}

static int put_vector(rag_index_writer *w, int64_t doc, int64_t chunk,
                      const rag_vector *v, uint16_t *half, rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(w->store,
                               "INSERT INTO vectors(doc, chunk, role, ord, v)"
                               " VALUES(?1, ?2, ?3, ?4, ?5)",
                               &st, err);

    if (rc != 0)
        return rc;
    for (int j = 0; j < w->dim; j++)
        half[j] = rag_half_from(v->v[j]);
    sqlite3_bind_int64(st, 1, doc);
    sqlite3_bind_int64(st, 2, chunk);
    sqlite3_bind_int(st, 3, v->role);
    sqlite3_bind_int64(st, 4, (int64_t)v->ord);
    sqlite3_bind_blob(st, 5, half, w->dim * (int)sizeof(*half), SQLITE_STATIC);
    return rag_store_run(w->store, st, "storing a vector", err);
}

/* Refuses an id that this run had from another source; removes the old. */
static int replace_old(rag_index_writer *w, const rag_document *d,
                       rag_error *err) {
    sqlite3_stmt *st;
    bool row, seen;
    int64_t old;
    int rc = rag_store_prepare(
        w->store, "SELECT id, source FROM documents WHERE ext = ?1", &st, err);

    if (rc != 0)
        return rc;
    bind_str(st, 1, d->id);
    rc = rag_store_row(w->store, st, "looking for a document", &row, err);
    if (rc != 0 || !row)
        return rc;
    old = sqlite3_column_int64(st, 0);
    rc = rag_writer_is_seen(w, old, &seen, err);
    if (rc == 0 && seen) {
        const char *source = (const char *)sqlite3_column_text(st, 1);

        if (source && d->source && strcmp(source, d->source) != 0)
            rc = rag_error_set(err, RAG_E_CONFLICT,
                               "the id \"%s\" is in both %s and %s: give one "
                               "of them another id",
                               d->id, source, d->source);
    }
    sqlite3_reset(st);
    return rc == 0 ? rag_writer_delete(w, old, err) : rc;
}

static int put_all(rag_index_writer *w, const rag_document *d,
                   const rag_vector *v, size_t n, bool extra, rag_error *err) {
    int64_t *chunks = calloc(d->nchunks + 1, sizeof(*chunks)), doc = 0;
    uint16_t *half = calloc((size_t)w->dim, sizeof(*half));
    rag_buf questions;
    int rc = 0;

    rag_buf_init(&questions, 0);
    if (chunks == NULL || half == NULL)
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = replace_old(w, d, err);
    if (rc == 0)
        rc = put_row(w, d, &doc, err);
    if (rc == 0)
        rc = put_questions(w, d, doc, &questions, err);
    for (size_t i = 0; i < d->nchunks && rc == 0; i++)
        rc = put_with_extra(w, d, i, doc, &questions, extra, &chunks[i], err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = put_vector(w, doc, chunks[v[i].chunk], &v[i], half, err);
    if (rc == 0)
        rc = rag_writer_see(w, doc, err);
    rag_buf_free(&questions);
    free(half);
    free(chunks);
    return rc;
}

int rag_writer_put(rag_index_writer *w, const rag_document *doc,
                   const rag_vector *vectors, size_t n, bool extra,
                   rag_error *err) {
    int rc = check_document(w, doc, vectors, n, err);

    if (rc == 0)
        rc = rag_writer_begin(w, err);
    if (rc == 0)
        rc = rag_store_exec(w->store, "SAVEPOINT put", "storing", err);
    if (rc != 0)
        return rc;
    /* A document is stored whole or not at all; what went before stays. */
    rc = put_all(w, doc, vectors, n, extra, err);
    if (rc != 0) {
        rag_store_exec(w->store, "ROLLBACK TO put; RELEASE put", "storing",
                       NULL);
        return rc;
    }
    w->changed = true;
    return rag_store_exec(w->store, "RELEASE put", "storing", err);
}

int rag_index_writer_put(rag_index_writer *w, const rag_document *doc,
                         const rag_vector *vectors, size_t n, rag_error *err) {
    return rag_writer_put(w, doc, vectors, n, false, err);
}

int rag_index_writer_remove(rag_index_writer *w, const char *id,
                            rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int64_t doc;
    int rc = rag_store_prepare(
        w->store, "SELECT id FROM documents WHERE ext = ?1", &st, err);

    if (rc != 0)
        return rc;
    bind_str(st, 1, id);
    rc = rag_store_row(w->store, st, "looking for a document", &row, err);
    if (rc == 0 && !row)
        return rag_error_set(err, RAG_E_NOTFOUND, "no document \"%s\"", id);
    if (rc != 0)
        return rc;
    doc = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    w->removed = true;
    return rag_writer_delete(w, doc, err);
}
