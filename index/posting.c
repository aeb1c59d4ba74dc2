/*
 * posting.c - a posting file opened: its dictionary and frequencies.
 *
 * A lookup halves over the groups' first terms, then reads one group. All
 * positions in the file are checked when they are used. Any thread.
 */
#include "index/posting_int.h"

#include "base/hash.h"

#include <stdlib.h>

int rag_posting_damaged(rag_error *err) {
    return rag_error_set(err, RAG_E_CORRUPT, "the posting file is damaged");
}

/* ---- opening ------------------------------------------------------------------------- */

static int take_parts(rag_postings *p, const unsigned char *data, size_t len,
                      rag_error *err) {
    rag_posting_head *h = &p->head;
    size_t rest;

    if (len < sizeof(*h) + RAG_POSTING_PAD)
        return rag_posting_damaged(err);
    memcpy(h, data, sizeof(*h));
    if (memcmp(h->magic, rag_posting_magic, sizeof(h->magic)) != 0 ||
        h->version != RAG_POSTING_VERSION || h->cols != RAG_COLS)
        return rag_error_set(err, RAG_E_MISMATCH,
                             "the posting file has another form");
    rest = len - sizeof(*h) - RAG_POSTING_PAD;
    if (h->list_bytes > rest || h->dict_bytes > rest - h->list_bytes ||
        h->ngroups != (rest - h->list_bytes - h->dict_bytes) / 8 ||
        h->nterms > h->ngroups * RAG_POSTING_GROUP ||
        h->nterms + RAG_POSTING_GROUP - 1 < h->ngroups * RAG_POSTING_GROUP ||
        h->nrows > UINT32_MAX)
        return rag_posting_damaged(err);
    p->lists = data + sizeof(*h);
    p->dict = p->lists + h->list_bytes;
    p->groups = p->dict + h->dict_bytes;
    return 0;
}

int rag_postings_from(const unsigned char *bytes, size_t len,
                      const rag_chunk_row *rows, size_t nrows,
                      rag_postings **out, rag_error *err) {
    rag_postings *p = calloc(1, sizeof(*p));
    int rc;

    *out = NULL;
    if (p == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    p->refs = 1;
    p->rows = rows;
    rc = take_parts(p, bytes, len, err);
    if (rc == 0 && p->head.nrows != nrows)
        rc = rag_error_set(err, RAG_E_MISMATCH,
                           "the posting file is of other rows");
    if (rc != 0) {
        free(p);
        return rc;
    }
    *out = p;
    return 0;
}

int rag_postings_open(const char *path, const rag_chunk_row *rows, size_t nrows,
                      rag_postings **out, rag_error *err) {
    rag_file_map map;
    uint64_t sum;
    int rc = rag_file_map_open(path, &map, err);

    *out = NULL;
    if (rc != 0)
        return rc;
    if (map.len < sizeof(sum)) {
        rc = rag_posting_damaged(err);
    } else {
        memcpy(&sum, map.data + map.len - sizeof(sum), sizeof(sum));
        if (rag_hash_fast(map.data, map.len - sizeof(sum)) != sum)
            rc = rag_posting_damaged(err);
    }
    if (rc == 0)
        rc = rag_postings_from(map.data, map.len - sizeof(sum), rows, nrows,
                               out, err);
    if (rc == 0 &&
        (*out)->head.rows_sum != rag_hash_fast(rows, nrows * sizeof(*rows))) {
        rag_postings_close(*out);
        *out = NULL;
        rc = rag_error_set(err, RAG_E_MISMATCH,
                           "the posting file is of other rows");
    }
    if (rc != 0) {
        rag_file_unmap(&map);
        rag_error_prefix(err, "%s", path);
        return rc;
    }
    (*out)->map = map;
    return 0;
}

rag_postings *rag_postings_share(rag_postings *p) {
    if (p)
        __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

size_t rag_postings_dead(const rag_postings *p) {
    return p->head.dead;
}

void rag_postings_close(rag_postings *p) {
    if (p == NULL || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (p->map.base)
        rag_file_unmap(&p->map);
    free(p);
}

size_t rag_postings_bytes(const rag_postings *p) {
    return p ? p->map.len : 0;
}

size_t rag_postings_terms(const rag_postings *p) {
    return p ? p->head.nterms : 0;
}

/* ---- the dictionary --------------------------------------------------------------------- */

typedef struct cursor { /* a term of a group */
    const unsigned char *p, *end;
    char token[RAG_TOKEN_MAX];
    size_t len;
    uint64_t df, at, bytes; /* its list */
    size_t left; /* terms of the group after it */
} cursor;

static bool get_number(const unsigned char **p, const unsigned char *end,
                       uint64_t *v) {
    uint64_t x = 0;

    for (unsigned shift = 0; shift < 63 && *p < end; shift += 7) {
        unsigned char c = *(*p)++;

        x |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *v = x;
            return true;
        }
    }
    return false;
}

static bool next_term(const rag_postings *d, cursor *c) {
    size_t shared, own;

    if (c->end - c->p < 2)
        return false;
    shared = c->p[0];
    own = c->p[1];
    c->p += 2;
    if (shared > c->len || shared + own >= RAG_TOKEN_MAX || shared + own == 0 ||
        (size_t)(c->end - c->p) < own)
        return false;
    memcpy(c->token + shared, c->p, own);
    c->len = shared + own;
    c->token[c->len] = '\0';
    c->p += own;
    c->at += c->bytes;
    c->left--;
    return get_number(&c->p, c->end, &c->df) &&
           get_number(&c->p, c->end, &c->bytes) && c->df >= 1 &&
           c->df <= d->head.nrows && c->at <= d->head.list_bytes &&
           c->bytes <= d->head.list_bytes - c->at;
}

/* The first term of a group. */
static bool open_group(const rag_postings *d, size_t group, cursor *c) {
    uint64_t from, to = d->head.dict_bytes;

    memset(c, 0, sizeof(*c));
    memcpy(&from, d->groups + group * 8, 8);
    if (group + 1 < d->head.ngroups)
        memcpy(&to, d->groups + (group + 1) * 8, 8);
    if (from > to || to > d->head.dict_bytes || to - from < 8)
        return false;
    memcpy(&c->at, d->dict + from, 8);
    c->p = d->dict + from + 8;
    c->end = d->dict + to;
    c->left = group + 1 < d->head.ngroups
                  ? RAG_POSTING_GROUP
                  : d->head.nterms - group * RAG_POSTING_GROUP;
    return c->at <= d->head.list_bytes && next_term(d, c);
}

static int compare(const char *a, size_t n, const char *b, size_t m) {
    int order = memcmp(a, b, n < m ? n : m);

    return order ? order : n < m ? -1 : n > m;
}

/* The last group whose first term is not after the token; SIZE_MAX: none. */
static int find_group(const rag_postings *d, const char *token, size_t len,
                      size_t *group, rag_error *err) {
    size_t lo = 0, hi = d->head.ngroups;
    cursor c;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (!open_group(d, mid, &c))
            return rag_posting_damaged(err);
        if (compare(c.token, c.len, token, len) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *group = lo ? lo - 1 : SIZE_MAX;
    return 0;
}

static int open_list(const rag_postings *d, const cursor *c,
                     rag_posting_list *out, rag_error *err) {
    const unsigned char *p = d->lists + c->at;
    size_t table;

    out->df = (uint32_t)c->df;
    out->nblocks =
        (uint32_t)((c->df + RAG_POSTING_BLOCK - 1) / RAG_POSTING_BLOCK);
    out->skips = NULL;
    table = sizeof(out->bound);
    if (out->nblocks > 1) {
        table = (size_t)out->nblocks * RAG_POSTING_SKIP_BYTES;
        out->skips = p;
    }
    if (c->bytes < table)
        return rag_posting_damaged(err);
    if (out->nblocks == 1)
        memcpy(&out->bound, p, sizeof(out->bound));
    out->blocks = p + table;
    out->bytes = c->bytes - table;
    return 0;
}

int rag_posting_find(const rag_postings *p, const char *token, size_t len,
                     rag_posting_list *out, bool *found, rag_error *err) {
    size_t group;
    cursor c;
    int order, rc = find_group(p, token, len, &group, err);

    *found = false;
    if (rc != 0 || group == SIZE_MAX)
        return rc;
    if (!open_group(p, group, &c))
        return rag_posting_damaged(err);
    while ((order = compare(c.token, c.len, token, len)) < 0 && c.left > 0)
        if (!next_term(p, &c))
            return rag_posting_damaged(err);
    *found = order == 0;
    return *found ? open_list(p, &c, out, err) : 0;
}

int rag_postings_range(const rag_postings *p, const char *from, size_t from_len,
                       const char *to, size_t to_len, rag_token_fn fn,
                       void *user, rag_error *err) {
    size_t group;
    cursor c;
    int rc = find_group(p, from, from_len, &group, err);

    if (rc != 0)
        return rc;
    for (group = group == SIZE_MAX ? 0 : group; group < p->head.ngroups;
         group++) {
        if (!open_group(p, group, &c))
            return rag_posting_damaged(err);
        for (;;) {
            size_t n = c.len < to_len ? c.len : to_len;

            if (memcmp(c.token, to, n) > 0)
                return 0;
            if (compare(c.token, c.len, from, from_len) >= 0 &&
                fn(user, c.token, c.len, (size_t)c.df) != 0)
                return 0;
            if (c.left == 0)
                break;
            if (!next_term(p, &c))
                return rag_posting_damaged(err);
        }
    }
    return 0;
}

/* ---- frequencies -------------------------------------------------------------------------- */

#define LOOK_MAX 4096 /* rows whose bits are looked at before a block is read */

/* True when rows [from,to) are surely all alive. */
static bool all_live(const uint8_t *live, uint32_t from, uint32_t to) {
    if (to - from > LOOK_MAX)
        return false;
    for (; from < to && from % 8 != 0; from++)
        if (!(live[from / 8] >> from % 8 & 1))
            return false;
    for (; from + 8 <= to; from += 8)
        if (live[from / 8] != 0xff)
            return false;
    for (; from < to; from++)
        if (!(live[from / 8] >> from % 8 & 1))
            return false;
    return true;
}

int rag_postings_df(const rag_postings *p, const char *token, size_t len,
                    const uint8_t *live, size_t *df, rag_error *err) {
    uint32_t rows[RAG_POSTING_BLOCK];
    rag_posting_list l;
    bool found;
    int rc = rag_posting_find(p, token, len, &l, &found, err);

    *df = 0;
    if (rc != 0 || !found)
        return rc;
    for (uint32_t i = 0; i < l.nblocks; i++) {
        size_t from, to, n;
        uint32_t first;

        if (live == NULL) {
            *df = l.df;
            return 0;
        }
        if (!rag_posting_place(&l, i, &from, &to, &first, &n))
            return rag_posting_damaged(err);
        if (l.skips) {
            uint32_t last = rag_posting_skip_at(&l, i).last;

            if (last >= p->head.nrows || last < first)
                return rag_posting_damaged(err);
            if (all_live(live, first, last + 1)) {
                *df += n;
                continue;
            }
        }
        if (!rag_posting_rows(l.blocks + from, to - from, n, first,
                              (uint32_t)p->head.nrows, rows))
            return rag_posting_damaged(err);
        for (size_t j = 0; j < n; j++)
            *df += live[rows[j] / 8] >> rows[j] % 8 & 1;
    }
    return 0;
}
