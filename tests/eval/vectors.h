/*
 * vectors.h - vectors of an evaluation's texts, kept in a file by the hash of
 * what they encode, so that only the first run is slow.
 *
 * For tools in tests/eval: these may exit on an error. One thread.
 */
#ifndef RAG_TESTS_EVAL_VECTORS_H
#define RAG_TESTS_EVAL_VECTORS_H

#include "embed/embed.h"

#include "base/hash.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64

typedef struct cache {
    rag_encoder *e;
    int dim;
    uint64_t *keys;
    float **v; /* each its own, so that pointers stay good */
    size_t n, cap;
    FILE *f;
    size_t made;
} cache;

static void die(const rag_error *err, const char *what) {
    fprintf(stderr, "eval_retrieval: %s: %s\n", what, err->message);
    exit(rag_code_exit_status(err->code));
}

static void *need(void *p) {
    if (p == NULL) {
        fputs("eval_retrieval: out of memory\n", stderr);
        exit(70);
    }
    return p;
}

static void cache_add(cache *c, uint64_t key, const float *v) {
    size_t bytes = (size_t)c->dim * sizeof(float);

    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 4096;
        c->keys = need(realloc(c->keys, c->cap * sizeof(*c->keys)));
        c->v = need(realloc(c->v, c->cap * sizeof(*c->v)));
    }
    c->keys[c->n] = key;
    c->v[c->n] = need(malloc(bytes));
    memcpy(c->v[c->n++], v, bytes);
}

static const float *cache_find(const cache *c, uint64_t key) {
    for (size_t i = 0; i < c->n; i++)
        if (c->keys[i] == key)
            return c->v[i];
    return NULL;
}

static void cache_open(cache *c, rag_encoder *e, const char *work) {
    rag_encoder_info info;
    char path[2048];
    float *v;
    uint64_t key;

    rag_encoder_describe(e, &info);
    memset(c, 0, sizeof(*c));
    c->e = e;
    c->dim = info.dim;
    v = need(malloc((size_t)c->dim * sizeof(*v)));
    snprintf(path, sizeof(path), "%s/%.16s.vec", work, info.fingerprint);
    c->f = need(fopen(path, "a+b"));
    rewind(c->f);
    while (fread(&key, sizeof(key), 1, c->f) == 1 &&
           fread(v, sizeof(*v), (size_t)c->dim, c->f) == (size_t)c->dim)
        cache_add(c, key, v);
    free(v);
}

static uint64_t key_of(rag_text_kind kind, const char *s, size_t n) {
    return rag_hash_fast(s, n) * 31 + (uint64_t)kind;
}

/* Encodes what is not there yet, a batch at a time. */
static void cache_fill(cache *c, rag_text_kind kind, const rag_text *t,
                       size_t n) {
    rag_text batch[BATCH];
    uint64_t keys[BATCH];
    float *v = need(malloc(BATCH * (size_t)c->dim * sizeof(*v)));
    size_t m = 0;
    rag_error err;

    for (size_t i = 0; i <= n; i++) {
        if (i < n) {
            uint64_t key = key_of(kind, t[i].s, t[i].len);
            bool have = cache_find(c, key) != NULL;

            for (size_t j = 0; j < m; j++)
                have |= keys[j] == key;
            if (!have) {
                keys[m] = key;
                batch[m++] = t[i];
            }
        }
        if (m == BATCH || (i == n && m > 0)) {
            if (rag_encoder_encode(c->e, kind, batch, m, v, NULL, &err) != 0)
                die(&err, "encoding");
            for (size_t j = 0; j < m; j++) {
                const float *x = v + j * (size_t)c->dim;

                cache_add(c, keys[j], x);
                fwrite(&keys[j], sizeof(keys[j]), 1, c->f);
                fwrite(x, sizeof(*x), (size_t)c->dim, c->f);
            }
            fflush(c->f);
            c->made += m;
            m = 0;
        }
    }
    free(v);
}

static const float *vector_of(cache *c, rag_text_kind kind, const char *s,
                              size_t n) {
    const float *v = cache_find(c, key_of(kind, s, n));

    return v ? v : need(NULL);
}

#endif
