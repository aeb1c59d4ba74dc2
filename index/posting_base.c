/*
 * posting_base.c - the posting file of a generation's base.
 *
 * postings-SEQ.snap stands beside the vectors' snapshot of the same base.
 * FTS5 lists every occurrence in order of term and chunk, so that one pass
 * makes the file and little is in memory. Called by index.c, on one thread.
 */
#include "index/posting.h"

#include "base/file.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int path_of(const char *dir, const rag_generation *g, rag_buf *out,
                   rag_error *err) {
    rag_buf_init(out, 0);
    return rag_buf_printf(out, err, "%s/postings-%020" PRId64 ".snap", dir,
                          g->base->seq);
}

/* ---- making ---------------------------------------------------------------------- */

typedef struct maker {
    const rag_generation *g;
    rag_postings_writer *w;
    char token[RAG_TOKEN_MAX];
    size_t len;
    int64_t chunk;
    bool known; /* the chunk is in the base: p is being counted */
    rag_posting p;
    rag_error *err;
} maker;

static int hand_over(maker *m) {
    return m->known ? rag_postings_add(m->w, m->token, m->len, &m->p, m->err)
                    : 0;
}

static int count(void *user, const char *token, size_t len, int64_t chunk,
                 int column) {
    maker *m = user;
    int rc = 0, segment;
    size_t row;

    if (len == 0 || len >= RAG_TOKEN_MAX)
        return 0;
    if (chunk != m->chunk || len != m->len ||
        memcmp(token, m->token, len) != 0) {
        rc = hand_over(m);
        memcpy(m->token, token, len);
        m->len = len;
        m->chunk = chunk;
        m->known = rag_generation_chunk(m->g, chunk, &segment, &row) != NULL &&
                   segment == 0;
        memset(&m->p, 0, sizeof(m->p));
        m->p.row = m->known ? (uint32_t)row : 0;
    }
    if (m->p.tf[column] < UINT16_MAX)
        m->p.tf[column]++;
    return rc;
}

static void remove_others(const char *dir, const char *keep) {
    DIR *d = opendir(dir);
    struct dirent *e;

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL)
        if (strncmp(e->d_name, "postings-", 9) == 0 &&
            strcmp(e->d_name, keep) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static int write_file(rag_store *s, const char *path, const rag_generation *g,
                      const rag_tuning *t, rag_error *err) {
    rag_posting_basis basis = {
        .rows = g->base->chunks, .nrows = g->base->nchunks, .b = t->b};
    maker m = {.g = g, .chunk = -1, .err = err};
    int rc;

    memcpy(basis.avg_words, g->avg_words, sizeof(basis.avg_words));
    memcpy(basis.column, t->column, sizeof(basis.column));
    rc = rag_postings_create(path, &basis, &m.w, err);
    if (rc != 0)
        return rc;
    rc = rag_fts_instances(s, count, &m, err);
    if (rc == 0)
        rc = hand_over(&m);
    if (rc == 0)
        return rag_postings_finish(m.w, err);
    rag_postings_abort(m.w);
    return rc;
}

int rag_postings_make(rag_store *s, const char *dir, const rag_generation *g,
                      const rag_tuning *t, rag_postings **out, rag_error *err) {
    rag_buf path, tmp;
    int rc = path_of(dir, g, &path, err);

    *out = NULL;
    rag_buf_init(&tmp, 0);
    if (rc == 0)
        rc = rag_buf_printf(&tmp, err, "%s.%ld.tmp", rag_buf_str(&path),
                            (long)getpid());
    if (rc == 0) {
        rc = write_file(s, rag_buf_str(&tmp), g, t, err);
        if (rc == 0)
            rc = rag_file_publish(rag_buf_str(&tmp), rag_buf_str(&path), err);
        if (rc != 0)
            unlink(rag_buf_str(&tmp));
    }
    if (rc == 0) {
        remove_others(dir, rag_path_base(rag_buf_str(&path)));
        rc = rag_postings_load(dir, g, out, err);
    }
    rag_buf_free(&tmp);
    rag_buf_free(&path);
    return rc;
}

int rag_postings_load(const char *dir, const rag_generation *g,
                      rag_postings **out, rag_error *err) {
    rag_buf path;
    int rc = path_of(dir, g, &path, err);

    *out = NULL;
    if (rc == 0)
        rc = rag_postings_open(rag_buf_str(&path), g->base->chunks,
                               g->base->nchunks, out, err);
    rag_buf_free(&path);
    return rc;
}
