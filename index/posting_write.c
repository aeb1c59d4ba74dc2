/*
 * posting_write.c - a posting file from postings in order.
 *
 * Lists go to the file as their terms end; the dictionary is kept until the
 * end. Needs memory for the longest list and the dictionary. One thread.
 */
#include "index/posting_int.h"

#include "base/hash.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define LIST_MAX ((size_t)1 << 32) /* bytes of a list */

struct rag_postings_writer {
    FILE *f;
    char *path;
    rag_posting_basis basis;
    rag_posting_head head;
    char token[RAG_TOKEN_MAX], last[RAG_TOKEN_MAX];
    size_t len, last_len;
    rag_posting *list; /* of the term that is being added */
    size_t n, cap;
    rag_buf blocks, skips, dict, groups;
};

static int write_error(const rag_postings_writer *w, rag_error *err) {
    return rag_error_errno(err, RAG_E_IO, errno, "writing %s", w->path);
}

static int put(rag_postings_writer *w, const void *p, size_t n,
               rag_error *err) {
    return n == 0 || fwrite(p, 1, n, w->f) == n ? 0 : write_error(w, err);
}

int rag_postings_create(const char *path, const rag_posting_basis *basis,
                        rag_postings_writer **out, rag_error *err) {
    rag_postings_writer *w = calloc(1, sizeof(*w));
    int rc;

    *out = NULL;
    if (w == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    w->basis = *basis;
    rag_buf_init(&w->blocks, LIST_MAX);
    rag_buf_init(&w->skips, LIST_MAX);
    rag_buf_init(&w->dict, LIST_MAX);
    rag_buf_init(&w->groups, LIST_MAX);
    memcpy(w->head.magic, rag_posting_magic, sizeof(w->head.magic));
    w->head.version = RAG_POSTING_VERSION;
    w->head.cols = RAG_COLS;
    w->head.nrows = basis->nrows;
    w->head.dead = basis->dead;
    w->head.rows_sum =
        rag_hash_fast(basis->rows, basis->nrows * sizeof(*basis->rows));
    memcpy(w->head.column, basis->column, sizeof(basis->column));
    memcpy(w->head.avg_words, basis->avg_words, sizeof(basis->avg_words));
    w->head.b = basis->b;
    rc = rag_str_dup(path, &w->path, err);
    if (rc == 0 && (w->f = fopen(path, "wb")) == NULL)
        rc = rag_error_errno(err, RAG_E_IO, errno, "creating %s", path);
    if (rc == 0) {
        fchmod(fileno(w->f), 0600);
        rc = put(w, &w->head, sizeof(w->head), err);
    }
    if (rc != 0) {
        rag_postings_abort(w);
        return rc;
    }
    *out = w;
    return 0;
}

void rag_postings_abort(rag_postings_writer *w) {
    if (w == NULL)
        return;
    if (w->f)
        fclose(w->f);
    rag_buf_free(&w->blocks);
    rag_buf_free(&w->skips);
    rag_buf_free(&w->dict);
    rag_buf_free(&w->groups);
    free(w->list);
    free(w->path);
    free(w);
}

/* ---- a list ------------------------------------------------------------------------- */

/* What bm25 calls w, with the basis' tuning and lengths. */
static double weighted(const rag_posting_basis *s, const rag_posting *p) {
    double sum = 0;

    for (int j = 0; j < RAG_COLS; j++)
        sum += p->tf[j] * s->column[j] /
               rag_posting_norm(s->b, s->avg_words[j], s->rows[p->row].words[j],
                                j);
    return sum;
}

static float bound_of(const rag_posting_basis *s, const rag_posting *p,
                      size_t n) {
    double most = 0;

    for (size_t i = 0; i < n; i++) {
        double w = weighted(s, &p[i]);

        most = w > most ? w : most;
    }
    return nextafterf((float)most, INFINITY);
}

static int encode_list(rag_postings_writer *w, rag_error *err) {
    uint32_t first = 0;
    int rc = 0;

    rag_buf_clear(&w->blocks);
    rag_buf_clear(&w->skips);
    for (size_t i = 0; i < w->n && rc == 0; i += RAG_POSTING_BLOCK) {
        const rag_posting *p = w->list + i;
        size_t n = w->n - i < RAG_POSTING_BLOCK ? w->n - i : RAG_POSTING_BLOCK;
        float bound = bound_of(&w->basis, p, n);
        uint32_t last = p[n - 1].row, end;

        rc = rag_posting_encode(p, n, first, &w->blocks, err);
        if (w->blocks.len > UINT32_MAX)
            return rag_error_set(err, RAG_E_LIMIT,
                                 "a term has too many postings");
        end = (uint32_t)w->blocks.len;
        if (rc == 0 && w->n > RAG_POSTING_BLOCK) {
            rc = rag_buf_append(&w->skips, &last, 4, err);
            if (rc == 0)
                rc = rag_buf_append(&w->skips, &end, 4, err);
        }
        if (rc == 0)
            rc = rag_buf_append(&w->skips, &bound, 4, err);
        first = last + 1;
    }
    return rc;
}

static int put_number(rag_buf *out, uint64_t v, rag_error *err) {
    char bytes[10];
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    return rag_buf_append(out, bytes, n, err);
}

static int put_term(rag_postings_writer *w, rag_error *err) {
    uint64_t at = w->head.list_bytes, group = w->dict.len;
    size_t shared = 0;
    int rc = 0;

    if (w->head.nterms % RAG_POSTING_GROUP == 0) {
        rc = rag_buf_append(&w->groups, &group, sizeof(group), err);
        if (rc == 0)
            rc = rag_buf_append(&w->dict, &at, sizeof(at), err);
        w->head.ngroups++;
    } else {
        while (shared < w->len && shared < w->last_len &&
               w->token[shared] == w->last[shared])
            shared++;
    }
    if (rc == 0)
        rc = rag_buf_append_char(&w->dict, (char)shared, err);
    if (rc == 0)
        rc = rag_buf_append_char(&w->dict, (char)(w->len - shared), err);
    if (rc == 0)
        rc = rag_buf_append(&w->dict, w->token + shared, w->len - shared, err);
    if (rc == 0)
        rc = put_number(&w->dict, w->n, err);
    if (rc == 0)
        rc = put_number(&w->dict, w->skips.len + w->blocks.len, err);
    return rc;
}

/* Writes the term that has been added. */
static int end_term(rag_postings_writer *w, rag_error *err) {
    int rc;

    if (w->n == 0)
        return 0;
    rc = encode_list(w, err);
    if (rc == 0)
        rc = put_term(w, err);
    if (rc == 0)
        rc = put(w, w->skips.data, w->skips.len, err);
    if (rc == 0)
        rc = put(w, w->blocks.data, w->blocks.len, err);
    w->head.list_bytes += w->skips.len + w->blocks.len;
    w->head.nterms++;
    memcpy(w->last, w->token, w->len);
    w->last_len = w->len;
    w->n = 0;
    return rc;
}

static bool follows(const char *a, size_t n, const char *b, size_t m) {
    int order = memcmp(a, b, n < m ? n : m);

    return order < 0 || (order == 0 && n < m);
}

int rag_postings_add(rag_postings_writer *w, const char *token, size_t len,
                     const rag_posting *p, rag_error *err) {
    int rc = 0;

    if (len == 0 || len >= RAG_TOKEN_MAX || p->row >= w->basis.nrows)
        return rag_error_set(err, RAG_E_INTERNAL, "a posting out of bounds");
    if (w->n == 0 || len != w->len || memcmp(token, w->token, len) != 0) {
        if ((w->n > 0 || w->head.nterms > 0) &&
            !follows(w->token, w->len, token, len))
            return rag_error_set(err, RAG_E_INTERNAL, "terms out of order");
        rc = end_term(w, err);
        memcpy(w->token, token, len);
        w->len = len;
    } else if (p->row <= w->list[w->n - 1].row) {
        return rag_error_set(err, RAG_E_INTERNAL, "postings out of order");
    }
    if (rc == 0 && w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 4096;
        rag_posting *list = realloc(w->list, cap * sizeof(*list));

        if (list == NULL)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        w->list = list;
        w->cap = cap;
    }
    if (rc == 0)
        w->list[w->n++] = *p;
    return rc;
}

/* ---- the end --------------------------------------------------------------------------- */

/* Appends the sum of what the file holds. */
static int seal(const char *path, rag_error *err) {
    rag_file_map map;
    uint64_t sum;
    FILE *f;
    int rc = rag_file_map_open(path, &map, err);

    if (rc != 0)
        return rc;
    sum = rag_hash_fast(map.data, map.len);
    rag_file_unmap(&map);
    f = fopen(path, "ab");
    if (f == NULL || fwrite(&sum, sizeof(sum), 1, f) != 1)
        rc = rag_error_errno(err, RAG_E_IO, errno, "writing %s", path);
    if (f && fclose(f) != 0 && rc == 0)
        rc = rag_error_errno(err, RAG_E_IO, errno, "writing %s", path);
    return rc;
}

int rag_postings_finish(rag_postings_writer *w, rag_error *err) {
    static const char padding[RAG_POSTING_PAD];
    int rc = end_term(w, err);

    w->head.dict_bytes = w->dict.len;
    if (rc == 0)
        rc = put(w, w->dict.data, w->dict.len, err);
    if (rc == 0)
        rc = put(w, w->groups.data, w->groups.len, err);
    if (rc == 0)
        rc = put(w, padding, sizeof(padding), err);
    if (rc == 0 && (fflush(w->f) != 0 || fseek(w->f, 0, SEEK_SET) != 0))
        rc = write_error(w, err);
    if (rc == 0)
        rc = put(w, &w->head, sizeof(w->head), err);
    if (fclose(w->f) != 0 && rc == 0)
        rc = write_error(w, err);
    w->f = NULL;
    if (rc == 0)
        rc = seal(w->path, err);
    rag_postings_abort(w);
    return rc;
}
