/*
 * store_sweep.c - roots: what is known, kept, moved, and what has vanished.
 *
 * The documents that were put or kept in this run stand in temp.seen, which
 * dies with the writer; vanished are those of the root that are not in it.
 * Writer's thread.
 */
#include "index/store_int.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int rag_writer_see(rag_index_writer *w, int64_t doc, rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(
        w->store, "INSERT OR IGNORE INTO temp.seen VALUES(?1)", &st, err);

    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, doc);
    rc = rag_store_run(w->store, st, "marking a document", err);
    if (rc == 0)
        w->seen++;
    return rc;
}

int rag_writer_is_seen(rag_index_writer *w, int64_t doc, bool *seen,
                       rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_store_prepare(
        w->store, "SELECT 1 FROM temp.seen WHERE doc = ?1", &st, err);

    *seen = false;
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, doc);
    rc = rag_store_row(w->store, st, "looking for a mark", seen, err);
    sqlite3_reset(st);
    return rc;
}

/* ---- looking up --------------------------------------------------------------- */

typedef struct stored {
    int64_t id;
    bool found, same;
    char ext[4096], source[4096], root[4096];
} stored;

static void copy(char *out, size_t cap, sqlite3_stmt *st, int col) {
    const char *s = (const char *)sqlite3_column_text(st, col);

    snprintf(out, cap, "%s", s ? s : "");
}

static int find(rag_index_writer *w, const char *sql, const char *id,
                const rag_document *d, stored *out, rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc = rag_store_prepare(w->store, sql, &st, err);

    memset(out, 0, sizeof(*out));
    if (rc != 0)
        return rc;
    if (id)
        sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC);
    else
        sqlite3_bind_blob(st, 1, d->hash.d, RAG_SHA256_LEN, SQLITE_STATIC);
    rc = rag_store_row(w->store, st, "looking for a document", &row, err);
    if (rc != 0 || !row)
        return rc;
    out->found = true;
    out->id = sqlite3_column_int64(st, 0);
    copy(out->source, sizeof(out->source), st, 1);
    copy(out->root, sizeof(out->root), st, 2);
    copy(out->ext, sizeof(out->ext), st, 3);
    out->same =
        sqlite3_column_bytes(st, 4) == RAG_SHA256_LEN &&
        memcmp(sqlite3_column_blob(st, 4), d->hash.d, RAG_SHA256_LEN) == 0;
    sqlite3_reset(st);
    return 0;
}

#define FIELDS "SELECT id, source, root, ext, hash FROM documents"
static const char by_id[] = FIELDS " WHERE ext = ?1";
static const char by_hash[] =
    FIELDS " WHERE hash = ?1 AND id NOT IN (SELECT doc FROM temp.seen)"
           " ORDER BY id LIMIT 1";

static const char *text_or_empty(const char *s) {
    return s ? s : "";
}

int rag_index_writer_lookup(rag_index_writer *w, const rag_document *doc,
                            rag_index_known *out, rag_error *err) {
    stored *s = malloc(sizeof(*s));
    bool seen = false;
    int rc;

    memset(out, 0, sizeof(*out));
    if (s == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = find(w, by_id, text_or_empty(doc->id), doc, s, err);
    if (rc == 0 && s->found) {
        bool elsewhere = strcmp(s->source, text_or_empty(doc->source)) != 0;

        rc = rag_writer_is_seen(w, s->id, &seen, err);
        out->found = true;
        out->same = s->same;
        out->moved = elsewhere && s->same;
        out->other_source =
            elsewhere &&
            (seen || (strcmp(s->root, text_or_empty(doc->root)) != 0 &&
                      rag_file_exists(s->source)));
        snprintf(out->source, sizeof(out->source), "%s", s->source);
    } else if (rc == 0) {
        /* The same content under another id, whose file is gone: moved. */
        rc = find(w, by_hash, NULL, doc, s, err);
        if (rc == 0 && s->found && !rag_file_exists(s->source)) {
            out->found = out->same = out->moved = true;
            snprintf(out->source, sizeof(out->source), "%s", s->ext);
        }
    }
    free(s);
    return rc;
}

/* ---- reading a root ------------------------------------------------------------ */

static int count(rag_index_writer *w, const char *sql, size_t *out,
                 rag_error *err) {
    sqlite3_stmt *st;
    bool row;
    int rc = rag_store_prepare(w->store, sql, &st, err);

    *out = 0;
    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, text_or_empty(w->root), -1, SQLITE_STATIC);
    rc = rag_store_row(w->store, st, "counting documents", &row, err);
    if (rc == 0 && row) {
        *out = (size_t)sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return rc;
}

int rag_index_writer_begin_root(rag_index_writer *w, const char *root,
                                rag_error *err) {
    char *name;
    int rc = rag_str_dup(root, &name, err);

    if (rc != 0)
        return rc;
    free(w->root);
    w->root = name;
    w->seen = 0;
    return count(w, "SELECT count(*) FROM documents WHERE root = ?1", &w->had,
                 err);
}

static int move(rag_index_writer *w, int64_t id, const rag_document *d,
                rag_error *err) {
    sqlite3_stmt *st;
    int rc = rag_writer_begin(w, err);

    if (rc == 0)
        rc = rag_store_prepare(w->store,
                               "UPDATE documents SET ext = ?2, source = ?3,"
                               " root = ?4, seq = ?5 WHERE id = ?1",
                               &st, err);
    if (rc != 0)
        return rc;
    sqlite3_bind_int64(st, 1, id);
    sqlite3_bind_text(st, 2, text_or_empty(d->id), -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 3, text_or_empty(d->source), -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 4, text_or_empty(d->root), -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 5, w->seq);
    w->changed = true;
    return rag_store_run(w->store, st, "moving a document", err);
}

int rag_index_writer_keep(rag_index_writer *w, const rag_document *doc,
                          rag_error *err) {
    stored *s = malloc(sizeof(*s));
    bool seen = false;
    int rc;

    if (s == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = find(w, by_id, text_or_empty(doc->id), doc, s, err);
    if (rc == 0 && !s->found)
        rc = find(w, by_hash, NULL, doc, s, err);
    if (rc == 0 && !s->found)
        rc = rag_error_set(err, RAG_E_NOTFOUND, "no document \"%s\" to keep",
                           text_or_empty(doc->id));
    if (rc == 0)
        rc = rag_writer_is_seen(w, s->id, &seen, err);
    if (rc == 0 && seen && strcmp(s->source, text_or_empty(doc->source)) != 0)
        rc = rag_error_set(err, RAG_E_CONFLICT,
                           "the id \"%s\" is in both %s and %s: give one of "
                           "them another id",
                           doc->id, s->source, text_or_empty(doc->source));
    if (rc == 0 && (strcmp(s->ext, text_or_empty(doc->id)) != 0 ||
                    strcmp(s->source, text_or_empty(doc->source)) != 0 ||
                    strcmp(s->root, text_or_empty(doc->root)) != 0))
        rc = move(w, s->id, doc, err);
    if (rc == 0)
        rc = rag_writer_see(w, s->id, err);
    free(s);
    return rc;
}

int rag_index_writer_keep_source(rag_index_writer *w, const char *path,
                                 rag_error *err) {
    sqlite3_stmt *st;
    size_t n = strlen(path);
    int rc;

    while (n > 1 && path[n - 1] == '/')
        n--;
    rc = rag_store_prepare(
        w->store,
        "INSERT OR IGNORE INTO temp.seen SELECT id FROM documents"
        " WHERE source = ?1 OR substr(source, 1, length(?1) + 1) = ?1 || '/'",
        &st, err);
    if (rc != 0)
        return rc;
    sqlite3_bind_text64(st, 1, path, n, SQLITE_STATIC, SQLITE_UTF8);
    rc = rag_store_run(w->store, st, "keeping a source", err);
    if (rc == 0)
        w->seen += (size_t)sqlite3_changes(w->store->db);
    return rc;
}

/* ---- vanished ------------------------------------------------------------------- */

/* had is what the root had when its reading began: what was put since then
 * must not make a loss look small. */
int rag_index_writer_vanished(rag_index_writer *w, size_t *vanished,
                              size_t *had, rag_error *err) {
    *vanished = *had = 0;
    if (w->root == NULL)
        return rag_error_set(err, RAG_E_USAGE, "no root is being read");
    *had = w->had;
    return count(w,
                 "SELECT count(*) FROM documents WHERE root = ?1"
                 " AND id NOT IN (SELECT doc FROM temp.seen)",
                 vanished, err);
}

static int collect_vanished(rag_index_writer *w, int64_t *ids, size_t n,
                            size_t *found, rag_error *err) {
    sqlite3_stmt *st;
    bool row = true;
    int rc = rag_store_prepare(
        w->store,
        "SELECT id FROM documents WHERE root = ?1"
        " AND id NOT IN (SELECT doc FROM temp.seen) ORDER BY id",
        &st, err);

    *found = 0;
    if (rc != 0)
        return rc;
    sqlite3_bind_text(st, 1, w->root, -1, SQLITE_STATIC);
    while (rc == 0 && *found < n) {
        rc = rag_store_row(w->store, st, "listing documents", &row, err);
        if (rc != 0 || !row)
            break;
        ids[(*found)++] = sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    return rc;
}

int rag_index_writer_sweep(rag_index_writer *w, bool force, size_t *removed,
                           rag_error *err) {
    size_t vanished, had, n = 0;
    int64_t *ids = NULL;
    int rc = rag_index_writer_vanished(w, &vanished, &had, err);

    if (removed)
        *removed = 0;
    if (rc != 0 || vanished == 0)
        return rc;
    if (!force && w->seen == 0)
        return rag_error_set(err, RAG_E_CONFLICT,
                             "%s gave no document at all, but %zu are stored "
                             "from it: nothing was removed; is it mounted and "
                             "readable? Use --force if it is really empty",
                             w->root, had);
    if (!force && vanished * 2 > had)
        return rag_error_set(err, RAG_E_CONFLICT,
                             "%zu of the %zu documents stored from %s are "
                             "gone: nothing was removed; use --force if that "
                             "is right",
                             vanished, had, w->root);
    ids = malloc(vanished * sizeof(*ids));
    if (ids == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = collect_vanished(w, ids, vanished, &n, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = rag_writer_delete(w, ids[i], err);
    if (rc == 0) {
        w->removed = true;
        if (removed)
            *removed = n;
    }
    free(ids);
    return rc;
}
