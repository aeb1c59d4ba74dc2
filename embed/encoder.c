/*
 * encoder.c - the public face of embed/: one interface, two implementations.
 *
 * Called by rag-ingest and ragd from any thread. Nothing here computes: see
 * local.c and remote.c.
 */
#include "embed/encoder_int.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

int rag_encoder_new(const rag_encoder_ops *ops, rag_encoder **out,
                    rag_error *err) {
    rag_encoder *e = calloc(1, sizeof(*e));
    *out = NULL;
    if (!e || pthread_mutex_init(&e->lock, NULL) != 0) {
        free(e);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    e->ops = ops;
    e->info.name = NULL;
    *out = e;
    return 0;
}

int rag_encoder_set_name(rag_encoder *e, const char *s, size_t len,
                         rag_error *err) {
    char *name;
    int rc = rag_str_dup_n(s, len, &name, err);
    if (rc == 0) {
        free((void *)(uintptr_t)e->info.name);
        e->info.name = name;
    }
    return rc;
}

const char *rag_encoder_prefix(const rag_encoder *e, rag_text_kind kind) {
    size_t i = (size_t)kind;
    return i < 3 && e->prefix[i] ? e->prefix[i] : "";
}

void rag_encoder_close(rag_encoder *e) {
    if (!e) {
        return;
    }
    e->ops->close(e);
    (void)pthread_mutex_destroy(&e->lock);
    for (size_t i = 0; i < 3; i++) {
        free(e->prefix[i]);
    }
    free((void *)(uintptr_t)e->info.name);
    free(e);
}

void rag_encoder_describe(const rag_encoder *e, rag_encoder_info *out) {
    *out = e->info;
}

int rag_encoder_encode(rag_encoder *e, rag_text_kind kind,
                       const rag_text *texts, size_t n, float *vectors,
                       unsigned char *truncated, rag_error *err) {
    if (truncated && n > 0) {
        memset(truncated, 0, n);
    }
    return n == 0 ? 0
                  : e->ops->encode(e, kind, texts, n, vectors, truncated, err);
}

int rag_encoder_tokenize(rag_encoder *e, rag_text_kind kind, const char *s,
                         size_t len, int32_t **out, size_t *n, rag_error *err) {
    *out = NULL;
    *n = 0;
    return e->ops->tokenize(e, kind, s, len, out, n, err);
}

int rag_encoder_rank(rag_encoder *e, const rag_text *query,
                     const rag_text *passages, size_t n, float *scores,
                     rag_error *err) {
    if (!e->ops->rank) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: a remote encoder cannot re-rank",
                             e->info.name ? e->info.name : "encoder");
    }
    return n == 0 ? 0 : e->ops->rank(e, query, passages, n, scores, err);
}

size_t rag_encoder_count(rag_encoder *e, const char *s, size_t len) {
    return e->ops->count(e, s, len);
}
