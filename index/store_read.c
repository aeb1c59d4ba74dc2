/*
 * store_read.c - what generations and searches read from the store.
 *
 * Runs on a reader's connection inside its read transaction, so that all of
 * one search comes from one commit. A connection belongs to one thread.
 */
#include "index/store_int.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(sqlite3_stmt *st, int col) {
    const char *s = (const char *)sqlite3_column_text(st, col);

    return s ? s : "";
}

/* ---- rows for a generation -------------------------------------------------------- */

int rag_store_docs(rag_store *s, int64_t after, rag_doc_fn fn, void *user,
                   rag_error *err) {
    sqlite3_stmt *st;
    bool row = true;
    int rc = rag_store_prepare(
        s,
        "SELECT id, valid_from, valid_until, collection, lang, source, kind"
        " FROM documents WHERE seq > ?1 ORDER BY id",
        &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, after);
    while (rc == 0) {
        rag_doc_raw d;

        rc = rag_store_row(s, st, "reading documents", &row, err);
        if (rc != 0 || !row)
            break;
        d = (rag_doc_raw){sqlite3_column_int64(st, 0),
                          sqlite3_column_int64(st, 1),
                          sqlite3_column_int64(st, 2),
                          text_of(st, 3),
                          text_of(st, 4),
                          text_of(st, 5),
                          sqlite3_column_int(st, 6)};
        rc = fn(user, &d);
    }
    sqlite3_reset(st);
    return rc;
}

/* From the beginning the tables are read in their own order; a few documents
 * are looked up one by one. */
static const char chunks_all[] = "SELECT id, doc, w0, w1, w2, w3, 0"
                                 " FROM chunks ORDER BY id";
static const char chunks_new[] =
    "SELECT c.id, c.doc, c.w0, c.w1, c.w2, c.w3, 0 FROM documents d"
    " CROSS JOIN chunks c ON c.doc = d.id WHERE d.seq > ?1 ORDER BY c.id";
/* The same where there is extra text. */
static const char extra_all[] =
    "SELECT c.id, c.doc, c.w0, c.w1, c.w2, c.w3, x.words FROM chunks c"
    " LEFT JOIN extras x ON x.chunk = c.id ORDER BY c.id";
static const char extra_new[] =
    "SELECT c.id, c.doc, c.w0, c.w1, c.w2, c.w3, x.words FROM documents d"
    " CROSS JOIN chunks c ON c.doc = d.id"
    " LEFT JOIN extras x ON x.chunk = c.id WHERE d.seq > ?1 ORDER BY c.id";

int rag_store_chunks(rag_store *s, int64_t after, rag_chunk_fn fn, void *user,
                     rag_error *err) {
    sqlite3_stmt *st;
    bool row = true;
    const char *sql = s->extra ? (after < 0 ? extra_all : extra_new)
                               : (after < 0 ? chunks_all : chunks_new);
    int rc = rag_store_prepare(s, sql, &st, err);

    if (rc != 0)
        return rc;
    if (after >= 0)
        sqlite3_bind_int64(st, 1, after);
    while (rc == 0) {
        rag_chunk_raw c;

        rc = rag_store_row(s, st, "reading chunks", &row, err);
        if (rc != 0 || !row)
            break;
        c.id = sqlite3_column_int64(st, 0);
        c.doc = sqlite3_column_int64(st, 1);
        for (int i = 0; i < RAG_COLS; i++)
            c.words[i] = sqlite3_column_int(st, 2 + i);
        rc = fn(user, &c);
    }
    sqlite3_reset(st);
    return rc;
}

static const char vectors_all[] =
    "SELECT v.id, v.chunk, v.role, v.ord, v.v FROM vectors v"
    " CROSS JOIN documents d ON d.id = v.doc WHERE d.epoch = ?2"
    " ORDER BY v.id";
static const char vectors_new[] =
    "SELECT v.id, v.chunk, v.role, v.ord, v.v FROM documents d"
    " CROSS JOIN vectors v ON v.doc = d.id WHERE d.seq > ?1 AND d.epoch = ?2"
    " ORDER BY v.id";

static int each_vector(rag_store *s, sqlite3_stmt *st, const rag_store_meta *m,
                       rag_vec_fn fn, void *user, rag_error *err) {
    bool row = true;
    int rc = 0;

    while (rc == 0) {
        rag_vec_raw v;

        rc = rag_store_row(s, st, "reading vectors", &row, err);
        if (rc != 0 || !row)
            break;
        v = (rag_vec_raw){sqlite3_column_int64(st, 0),
                          sqlite3_column_int64(st, 1),
                          sqlite3_column_int(st, 2), sqlite3_column_int(st, 3),
                          sqlite3_column_blob(st, 4)};
        if (v.half == NULL ||
            sqlite3_column_bytes(st, 4) != m->dim * (int)sizeof(*v.half))
            continue;
        rc = fn(user, &v);
    }
    sqlite3_reset(st);
    return rc;
}

int rag_store_vectors(rag_store *s, int64_t after, const rag_store_meta *m,
                      rag_vec_fn fn, void *user, rag_error *err) {
    sqlite3_stmt *st;
    int rc =
        rag_store_prepare(s, after < 0 ? vectors_all : vectors_new, &st, err);

    if (rc != 0)
        return rc;
    if (after >= 0)
        sqlite3_bind_int64(st, 1, after);
    sqlite3_bind_int64(st, 2, m->epoch);
    return each_vector(s, st, m, fn, user, err);
}

int rag_store_vector_range(rag_store *s, int64_t from, int64_t to,
                           const rag_store_meta *m, rag_vec_fn fn, void *user,
                           rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(s,
                               "SELECT id, chunk, role, ord, v FROM vectors"
                               " WHERE id >= ?1 AND id < ?2 ORDER BY id",
                               &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, from);
    sqlite3_bind_int64(st, 2, to);
    return each_vector(s, st, m, fn, user, err);
}

int rag_store_count_vectors(rag_store *s, const rag_store_meta *m,
                            size_t count[RAG_VECTOR_ROLES], rag_error *err) {
    sqlite3_stmt *st;
    bool row = true;
    int rc = rag_store_prepare(
        s,
        "SELECT v.role, count(*) FROM vectors v CROSS JOIN documents d"
        " ON d.id = v.doc WHERE d.epoch = ?1 GROUP BY v.role",
        &st, err);

    memset(count, 0, RAG_VECTOR_ROLES * sizeof(*count));
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, m->epoch);
    while (rc == 0) {
        int role;

        rc = rag_store_row(s, st, "counting vectors", &row, err);
        if (rc != 0 || !row)
            break;
        role = sqlite3_column_int(st, 0);
        if (role >= 0 && role < RAG_VECTOR_ROLES)
            count[role] = (size_t)sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    return rc;
}

int rag_store_gone(rag_store *s, int64_t after, rag_gone_fn fn, void *user,
                   rag_error *err) {
    sqlite3_stmt *st;
    bool row = true;
    int rc = rag_store_prepare(s, "SELECT doc FROM tombstones WHERE seq > ?1",
                               &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, after);
    while (rc == 0) {
        rc = rag_store_row(s, st, "reading removals", &row, err);
        if (rc != 0 || !row)
            break;
        rc = fn(user, sqlite3_column_int64(st, 0));
    }
    sqlite3_reset(st);
    return rc;
}

/* ---- hits --------------------------------------------------------------------------- */

static int dup_col(sqlite3_stmt *st, int col, char **out, rag_error *err) {
    free(*out);
    return rag_str_dup(text_of(st, col), out, err);
}

static int dup_blob(sqlite3_stmt *st, int col, char **out, size_t *len,
                    rag_error *err) {
    const void *p = sqlite3_column_blob(st, col);
    size_t n = (size_t)sqlite3_column_bytes(st, col);

    free(*out);
    if (len)
        *len = n;
    return rag_str_dup_n(p ? p : "", n, out, err);
}

static int hit_question(rag_store *s, int64_t chunk, int ord, rag_index_hit *h,
                        rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc = rag_store_prepare(s,
                               "SELECT q.text FROM chunks c JOIN questions q"
                               " ON q.doc = c.doc WHERE c.id = ?1"
                               " AND q.ord = ?2",
                               &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, chunk);
    sqlite3_bind_int(st, 2, ord < 0 ? 0 : ord);
    rc = rag_store_row(s, st, "reading a question", &row, err);
    if (rc == 0 && row)
        rc = dup_col(st, 0, &h->question, err);
    sqlite3_reset(st);
    return rc;
}

int rag_store_hit(rag_store *s, int64_t chunk, int question, rag_index_hit *h,
                  bool *found, rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(
        s,
        "SELECT d.ext, d.title, c.heading, d.source, d.url, d.lang,"
        " d.collection, d.kind, c.start, c.stop, d.valid_from, d.valid_until,"
        " substr(t.body, c.start + 1, c.stop - c.start)"
        " FROM chunks c JOIN documents d ON d.id = c.doc"
        " JOIN texts t ON t.doc = c.doc WHERE c.id = ?1",
        &st, err);

    *found = false;
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, chunk);
    rc = rag_store_row(s, st, "reading a passage", found, err);
    if (rc != 0 || !*found)
        return rc;
    {
        char **const to[] = {&h->doc, &h->title, &h->heading,   &h->source,
                             &h->url, &h->lang,  &h->collection};

        for (int i = 0; i < 7 && rc == 0; i++)
            rc = dup_col(st, i, to[i], err);
    }
    h->kind =
        sqlite3_column_int(st, 7) == RAG_DOC_FAQ ? RAG_DOC_FAQ : RAG_DOC_TEXT;
    h->chunk = chunk;
    h->start = (size_t)sqlite3_column_int64(st, 8);
    h->end = (size_t)sqlite3_column_int64(st, 9);
    h->valid_from = sqlite3_column_int64(st, 10);
    h->valid_until = sqlite3_column_int64(st, 11);
    if (rc == 0)
        rc = dup_blob(st, 12, &h->text, NULL, err);
    sqlite3_reset(st);
    if (rc == 0 && h->kind == RAG_DOC_FAQ)
        rc = hit_question(s, chunk, question, h, err);
    return rc;
}

int rag_store_whole(rag_store *s, int64_t chunk, rag_index_hit *h,
                    rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    size_t len;
    int rc = rag_store_prepare(s,
                               "SELECT t.body FROM chunks c JOIN texts t"
                               " ON t.doc = c.doc WHERE c.id = ?1",
                               &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, chunk);
    rc = rag_store_row(s, st, "reading an answer", &row, err);
    if (rc == 0 && row) {
        rc = dup_blob(st, 0, &h->text, &len, err);
        h->start = 0;
        h->end = len;
    }
    sqlite3_reset(st);
    return rc;
}

int rag_store_key(rag_store *s, const char *key, size_t len, rag_key_fn fn,
                  void *user, rag_error *err) {
    sqlite3_stmt *st;
    bool row = true;
    int rc = rag_store_prepare(
        s,
        "SELECT q.doc, (SELECT min(id) FROM chunks WHERE doc = q.doc),"
        " min(q.ord) FROM questions q WHERE q.key = ?1 GROUP BY q.doc"
        " ORDER BY q.doc",
        &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_blob64(st, 1, key, len, SQLITE_STATIC);
    while (rc == 0) {
        rc = rag_store_row(s, st, "looking for a question", &row, err);
        if (rc != 0 || !row)
            break;
        if (sqlite3_column_type(st, 1) != SQLITE_NULL &&
            fn(user, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
               sqlite3_column_int(st, 2)) != 0)
            break;
    }
    sqlite3_reset(st);
    return rc;
}

int rag_store_text(rag_store *s, const char *doc, size_t start, size_t end,
                   char **out, size_t *len, rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc =
        rag_store_prepare(s,
                          "SELECT substr(t.body, ?2 + 1, ?3) FROM documents d"
                          " JOIN texts t ON t.doc = d.id WHERE d.ext = ?1",
                          &st, err);

    *out = NULL;
    *len = 0;
    if (rc != 0)
        return rc;
    if (end < start)
        end = start;
    if (start > INT32_MAX)
        start = INT32_MAX;
    if (end - start > INT32_MAX)
        end = start + INT32_MAX;
    sqlite3_bind_text(st, 1, doc, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 2, (int64_t)start);
    sqlite3_bind_int64(st, 3, (int64_t)(end - start));
    rc = rag_store_row(s, st, "reading a text", &row, err);
    if (rc == 0 && !row)
        return rag_error_set(err, RAG_E_NOTFOUND, "no document \"%s\"", doc);
    if (rc == 0)
        rc = dup_blob(st, 0, out, len, err);
    sqlite3_reset(st);
    return rc;
}
