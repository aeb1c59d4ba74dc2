/*
 * store_extra.c - extra text: what was written for chunks, which of it is in
 * the index, and documents put again with theirs.
 *
 * Three states of a chunk that can have some, in the row of extras:
 *   by NULL              its text, if written, is not in the index
 *   by is the writer's   its text (maybe empty) and vectors are in the index
 *   by is another's      the same, of an earlier writer; put again when asked
 * A row of written is never changed while a row of extras names it, since FTS5
 * must be given the same text to take it out again.
 *
 * The writer's thread.
 */
#include "index/store_int.h"

#include <stdlib.h>
#include <string.h>

int rag_extra_key(const rag_document *d, size_t chunk, rag_sha256 *out,
                  rag_error *err) {
    const rag_chunk *c = &d->chunks[chunk];
    const char *title = d->title ? d->title : "";
    const char *heading = c->heading ? c->heading : "";
    rag_hasher *h = rag_hasher_new();

    if (h == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rag_hasher_field(h, title, strlen(title));
    rag_hasher_field(h, heading, strlen(heading));
    rag_hasher_field(h, d->text ? d->text + c->start : "", c->end - c->start);
    rag_hasher_end(h, out);
    return 0;
}

static void bind_key(sqlite3_stmt *st, int i, const rag_sha256 *key) {
    sqlite3_bind_blob(st, i, key->d, RAG_SHA256_LEN, SQLITE_STATIC);
}

int rag_extra_text(rag_index_writer *w, const rag_sha256 *key, rag_buf *out,
                   bool *found, rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(w->store,
                               "SELECT text FROM written WHERE key = ?1"
                               " AND by = ?2",
                               &st, err);

    *found = false;
    if (rc != 0)
        return rc;
    bind_key(st, 1, key);
    sqlite3_bind_text(st, 2, w->by, -1, SQLITE_STATIC);
    rc = rag_store_row(w->store, st, "looking for extra text", found, err);
    if (rc == 0 && *found)
        rc = rag_buf_append(out, (const char *)sqlite3_column_text(st, 0),
                            (size_t)sqlite3_column_bytes(st, 0), err);
    sqlite3_reset(st);
    return rc;
}

int rag_extra_row(rag_index_writer *w, int64_t chunk, int64_t doc,
                  const rag_sha256 *key, const char *by, int words,
                  rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(w->store,
                               "INSERT INTO extras(chunk, doc, key, by, words)"
                               " VALUES(?1, ?2, ?3, ?4, ?5)",
                               &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, chunk);
    sqlite3_bind_int64(st, 2, doc);
    bind_key(st, 3, key);
    if (by)
        sqlite3_bind_text(st, 4, by, -1, SQLITE_STATIC);
    sqlite3_bind_int(st, 5, words);
    return rag_store_run(w->store, st, "storing extra text", err);
}

static int run_with(rag_index_writer *w, const char *sql, int64_t doc,
                    rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(w->store, sql, &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, doc);
    return rag_store_run(w->store, st, "removing extra text", err);
}

int rag_extra_leave(rag_index_writer *w, int64_t doc, rag_error *err) {
    static const char remember[] = "INSERT OR IGNORE INTO temp.gone"
                                   " SELECT key FROM extras WHERE doc = ?1";
    int rc;

    if (!w->store->extra)
        return 0;
    rc = run_with(w, remember, doc, err);
    return rc == 0 ? run_with(w, "DELETE FROM extras WHERE doc = ?1", doc, err)
                   : rc;
}

int rag_extra_sweep(rag_index_writer *w, rag_error *err) {
    if (!w->store->extra)
        return 0;
    return rag_store_exec(w->store,
                          "DELETE FROM written WHERE key IN (SELECT key FROM"
                          " temp.gone) AND NOT EXISTS(SELECT 1 FROM extras x"
                          " WHERE x.key = written.key);"
                          "DELETE FROM temp.gone",
                          "removing extra text", err);
}

/* ---- documents as they are stored ----------------------------------------- */

static int dup_text(sqlite3_stmt *st, int col, char **out, rag_error *err) {
    const char *s = (const char *)sqlite3_column_text(st, col);

    return rag_str_dup(s ? s : "", out, err);
}

static int load_row(rag_index_writer *w, int64_t id, rag_document *d,
                    rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc = rag_store_prepare(
        w->store,
        "SELECT d.ext, d.source, d.root, d.title, d.lang, d.collection, d.url,"
        " d.category, d.kind, d.valid_from, d.valid_until, d.hash, t.body,"
        " (SELECT count(*) FROM chunks WHERE doc = d.id)"
        " FROM documents d JOIN texts t ON t.doc = d.id WHERE d.id = ?1",
        &st, err);
    char **const to[] = {&d->id,   &d->source,     &d->root, &d->title,
                         &d->lang, &d->collection, &d->url,  &d->category};
    const void *body;

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, id);
    rc = rag_store_row(w->store, st, "reading a document", &row, err);
    if (rc == 0 && !row)
        rc = rag_error_set(err, RAG_E_NOTFOUND, "a document is gone");
    if (rc != 0)
        return rc;
    for (int i = 0; i < 8 && rc == 0; i++)
        rc = dup_text(st, i, to[i], err);
    d->kind = sqlite3_column_int(st, 8);
    d->valid_from = sqlite3_column_int64(st, 9);
    d->valid_until = sqlite3_column_int64(st, 10);
    /* A forgotten hash stays one that nothing has. */
    if (sqlite3_column_bytes(st, 11) == RAG_SHA256_LEN)
        memcpy(d->hash.d, sqlite3_column_blob(st, 11), RAG_SHA256_LEN);
    body = sqlite3_column_blob(st, 12);
    d->text_len = (size_t)sqlite3_column_bytes(st, 12);
    if (rc == 0)
        rc = rag_str_dup_n(body ? body : "", d->text_len, &d->text, err);
    d->nchunks = (size_t)sqlite3_column_int64(st, 13);
    sqlite3_reset(st);
    return rc;
}

static int load_chunks(rag_index_writer *w, int64_t id, rag_document *d,
                       rag_error *err) {
    size_t n = d->nchunks;
    sqlite3_stmt *st;
    bool row = true;
    int rc = rag_store_prepare(w->store,
                               "SELECT start, stop, heading FROM chunks"
                               " WHERE doc = ?1 ORDER BY ord",
                               &st, err);

    d->nchunks = 0;
    d->chunks = calloc(n + 1, sizeof(*d->chunks));
    if (rc == 0 && d->chunks == NULL)
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, id);
    while (rc == 0 && d->nchunks < n) {
        rag_chunk *c = &d->chunks[d->nchunks];

        rc = rag_store_row(w->store, st, "reading chunks", &row, err);
        if (rc != 0 || !row)
            break;
        c->start = (size_t)sqlite3_column_int64(st, 0);
        c->end = (size_t)sqlite3_column_int64(st, 1);
        if (c->start > c->end || c->end > d->text_len)
            rc = rag_error_set(err, RAG_E_CORRUPT,
                               "%s: a chunk of \"%s\" lies outside its text",
                               w->store->path, d->id);
        if (rc == 0)
            rc = dup_text(st, 2, &c->heading, err);
        d->nchunks += rc == 0;
    }
    sqlite3_reset(st);
    return rc;
}

static int load_texts(rag_index_writer *w, rag_index_extra *x, rag_error *err) {
    int rc = 0;

    x->text = calloc(x->doc.nchunks + 1, sizeof(*x->text));
    if (x->text == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < x->doc.nchunks && rc == 0; i++) {
        rag_sha256 key;
        rag_buf b;
        bool found = false;

        rag_buf_init(&b, 0);
        rc = rag_extra_key(&x->doc, i, &key, err);
        if (rc == 0)
            rc = rag_extra_text(w, &key, &b, &found, err);
        if (rc == 0 && found)
            rc = rag_buf_steal(&b, &x->text[i], NULL, err);
        rag_buf_free(&b);
    }
    return rc;
}

/* ---- making room ------------------------------------------------------------ */

static int add_keys(rag_index_writer *w, int64_t id, rag_error *err) {
    rag_document d;
    int64_t first = 0;
    sqlite3_stmt *st;
    bool row;
    int rc;

    rag_document_init(&d);
    rc = load_row(w, id, &d, err);
    if (rc == 0 && d.kind != RAG_DOC_FAQ)
        rc = load_chunks(w, id, &d, err);
    else
        d.nchunks = 0;
    if (rc == 0)
        rc = rag_store_prepare(
            w->store, "SELECT min(id) FROM chunks WHERE doc = ?1", &st, err);
    if (rc == 0) {
        sqlite3_bind_int64(st, 1, id);
        rc = rag_store_row(w->store, st, "reading chunks", &row, err);
    }
    if (rc == 0 && row) {
        first = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    /* A document's chunks were put one after the other. */
    for (size_t i = 0; i < d.nchunks && rc == 0; i++) {
        rag_sha256 key;

        rc = rag_extra_key(&d, i, &key, err);
        if (rc == 0)
            rc = rag_extra_row(w, first + (int64_t)i, id, &key, NULL, 0, err);
    }
    rag_document_free(&d);
    return rc;
}

/* The full-text index gets another column, so all terms are put again: little
 * beside writing a text for each chunk. */
static int make_room(rag_index_writer *w, rag_error *err) {
    int64_t id = 0;
    int rc = rag_writer_begin(w, err);

    if (rc == 0)
        rc = rag_store_exec(w->store,
                            RAG_EXTRA_SCHEMA
                            "DROP TABLE fts;"
                            "CREATE VIRTUAL TABLE fts USING fts5(title,"
                            " heading, question, body, extra, content='',"
                            " columnsize=0, tokenize='rag');"
                            "UPDATE meta SET value = 2 WHERE key = 'schema'",
                            "making room for extra text", err);
    w->store->extra = rc == 0;
    while (rc == 0) {
        sqlite3_stmt *st;
        bool row;

        rc = rag_store_prepare(w->store,
                               "SELECT id FROM documents WHERE id > ?1"
                               " ORDER BY id LIMIT 1",
                               &st, err);
        if (rc != 0)
            break;
        sqlite3_bind_int64(st, 1, id);
        rc = rag_store_row(w->store, st, "listing documents", &row, err);
        if (rc != 0 || !row)
            break;
        id = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
        rc = rag_writer_terms(w, id, true, err);
        if (rc == 0)
            rc = add_keys(w, id, err);
    }
    w->changed = true;
    return rc == 0 ? rag_index_writer_commit(w, err) : rc;
}

/* ---- the run -------------------------------------------------------------------- */

#define WAITING                                                                \
    " FROM temp.seen s JOIN documents d ON d.id = s.doc"                       \
    " JOIN extras x ON x.doc = s.doc"                                          \
    " WHERE d.epoch = ?2 AND x.by IS NOT ?1"

static int count_waiting(rag_index_writer *w, size_t *chunks, size_t *missing,
                         rag_error *err) {
    sqlite3_stmt *st;
    bool row = false;
    int rc = rag_store_prepare(
        w->store,
        "SELECT count(*), count(DISTINCT CASE WHEN NOT EXISTS(SELECT 1 FROM"
        " written w WHERE w.key = x.key AND w.by = ?1) THEN x.key END)" WAITING,
        &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, w->by, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, w->epoch);
    rc = rag_store_row(w->store, st, "counting chunks", &row, err);
    if (rc == 0 && row && chunks)
        *chunks = (size_t)sqlite3_column_int64(st, 0);
    if (rc == 0 && row && missing)
        *missing = (size_t)sqlite3_column_int64(st, 1);
    sqlite3_reset(st);
    return rc;
}

int rag_index_writer_extra_begin(rag_index_writer *w, const char *by,
                                 size_t *chunks, size_t *missing,
                                 rag_error *err) {
    int rc;

    if (by[0] == '\0' || strlen(by) > RAG_INDEX_EXTRA_BY_MAX)
        return rag_error_set(err, RAG_E_USAGE,
                             "a writer of extra text needs a name of at most "
                             "%d bytes",
                             RAG_INDEX_EXTRA_BY_MAX);
    free(w->by);
    rc = rag_str_dup(by, &w->by, err);
    if (rc == 0)
        rc = rag_index_writer_commit(w, err);
    if (rc == 0 && !w->store->extra)
        rc = make_room(w, err);
    w->extra_after = 0;
    return rc == 0 ? count_waiting(w, chunks, missing, err) : rc;
}

static int not_begun(const rag_index_writer *w, rag_error *err) {
    return w->by && w->store->extra
               ? 0
               : rag_error_set(err, RAG_E_USAGE, "extra text was not begun");
}

int rag_index_writer_extra_next(rag_index_writer *w, rag_index_extra *out,
                                bool *found, rag_error *err) {
    sqlite3_stmt *st;
    int rc = not_begun(w, err);

    memset(out, 0, sizeof(*out));
    rag_document_init(&out->doc);
    *found = false;
    if (rc == 0)
        rc = rag_store_prepare(w->store,
                               "SELECT s.doc" WAITING
                               " AND s.doc > ?3 ORDER BY s.doc LIMIT 1",
                               &st, err);
    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, w->by, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, w->epoch);
    sqlite3_bind_int64(st, 3, w->extra_after);
    rc = rag_store_row(w->store, st, "listing documents", found, err);
    if (rc != 0 || !*found)
        return rc;
    w->extra_after = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    rc = load_row(w, w->extra_after, &out->doc, err);
    if (rc == 0)
        rc = load_chunks(w, w->extra_after, &out->doc, err);
    return rc == 0 ? load_texts(w, out, err) : rc;
}

void rag_index_extra_free(rag_index_extra *x) {
    for (size_t i = 0; x->text && i < x->doc.nchunks; i++)
        free(x->text[i]);
    free(x->text);
    rag_document_free(&x->doc);
    memset(x, 0, sizeof(*x));
}

int rag_index_writer_extra_note(rag_index_writer *w, rag_index_extra *x,
                                size_t chunk, const char *text,
                                rag_error *err) {
    sqlite3_stmt *st;
    rag_sha256 key;
    char *copy = NULL;
    int rc = not_begun(w, err);

    if (rc == 0 &&
        (chunk >= x->doc.nchunks || strlen(text) > RAG_INDEX_EXTRA_MAX))
        rc = rag_error_set(err, RAG_E_LIMIT,
                           "extra text is for a chunk, and at most %d bytes",
                           RAG_INDEX_EXTRA_MAX);
    if (rc == 0)
        rc = rag_str_dup(text, &copy, err);
    if (rc == 0)
        rc = rag_extra_key(&x->doc, chunk, &key, err);
    if (rc == 0)
        rc = rag_writer_begin(w, err);
    if (rc == 0)
        rc = rag_store_prepare(w->store,
                               "INSERT OR IGNORE INTO written(key, by, text)"
                               " VALUES(?1, ?2, ?3)",
                               &st, err);
    if (rc == 0) {
        bind_key(st, 1, &key);
        sqlite3_bind_text(st, 2, w->by, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 3, text, -1, SQLITE_STATIC);
        rc = rag_store_run(w->store, st, "keeping extra text", err);
    }
    if (rc != 0) {
        free(copy);
        return rc;
    }
    free(x->text[chunk]);
    x->text[chunk] = copy;
    return 0;
}

/* ---- putting again ---------------------------------------------------------------- */

typedef struct stored { /* a document's own vectors */
    rag_vector *v;
    float *floats;
    size_t n, cap;
} stored;

static int load_vector(rag_index_writer *w, sqlite3_stmt *st, stored *s,
                       rag_error *err) {
    size_t dim = (size_t)w->dim;
    const uint16_t *half = sqlite3_column_blob(st, 3);
    rag_vector *v = &s->v[s->n];
    float *f = s->floats + s->n * dim;

    if (half == NULL ||
        sqlite3_column_bytes(st, 3) != w->dim * (int)sizeof(*half))
        return rag_error_set(err, RAG_E_CORRUPT, "%s: a vector of another size",
                             w->store->path);
    for (size_t j = 0; j < dim; j++)
        f[j] = rag_half_to(half[j]);
    *v = (rag_vector){.role = (rag_vector_role)sqlite3_column_int(st, 1),
                      .chunk = (size_t)sqlite3_column_int64(st, 0),
                      .ord = (size_t)sqlite3_column_int64(st, 2),
                      .v = f};
    s->n++;
    return 0;
}

/* The vectors of the document with this id but for those of extra text, with
 * room for `more`. */
static int load_vectors(rag_index_writer *w, const char *id, size_t more,
                        stored *s, rag_error *err) {
    sqlite3_stmt *st;
    bool row = true;
    int rc = rag_store_prepare(w->store,
                               "SELECT count(*) FROM vectors WHERE doc ="
                               " (SELECT id FROM documents WHERE ext = ?1)",
                               &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
    rc = rag_store_row(w->store, st, "counting vectors", &row, err);
    if (rc != 0 || !row)
        return rc;
    s->cap = (size_t)sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    s->v = calloc(s->cap + more + 1, sizeof(*s->v));
    s->floats = malloc((s->cap + 1) * (size_t)w->dim * sizeof(*s->floats));
    if (s->v == NULL || s->floats == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = rag_store_prepare(
        w->store,
        "SELECT c.ord, v.role, v.ord, v.v FROM documents d"
        " JOIN vectors v ON v.doc = d.id JOIN chunks c ON c.id = v.chunk"
        " WHERE d.ext = ?1 AND v.role <> 3 ORDER BY v.id",
        &st, err);
    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
    while (rc == 0 && s->n < s->cap) {
        rc = rag_store_row(w->store, st, "reading vectors", &row, err);
        if (rc != 0 || !row)
            break;
        rc = load_vector(w, st, s, err);
    }
    sqlite3_reset(st);
    return rc;
}

int rag_index_writer_extra_put(rag_index_writer *w, const rag_index_extra *x,
                               const rag_vector *vectors, size_t n,
                               rag_error *err) {
    stored s = {0};
    int rc = not_begun(w, err);

    for (size_t i = 0; i < x->doc.nchunks && rc == 0; i++)
        if (x->text[i] == NULL)
            rc = rag_error_set(err, RAG_E_USAGE,
                               "chunk %zu has no extra text yet", i);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (vectors[i].role != RAG_VECTOR_EXTRA)
            rc = rag_error_set(err, RAG_E_USAGE,
                               "vector %zu is not one of extra text", i);
    if (rc == 0)
        rc = load_vectors(w, x->doc.id, n, &s, err);
    if (rc == 0) {
        if (n > 0)
            memcpy(s.v + s.n, vectors, n * sizeof(*vectors));
        rc = rag_writer_put(w, &x->doc, s.v, s.n + n, true, err);
    }
    free(s.v);
    free(s.floats);
    return rc;
}
