/*
 * encoder_int.h - what the two implementations of an encoder share.
 *
 * Private to embed/. encoder.c holds the public functions and dispatches;
 * local.c runs a GGUF file in this process, remote.c asks an endpoint.
 */
#ifndef RAG_EMBED_ENCODER_INT_H
#define RAG_EMBED_ENCODER_INT_H

#include "embed/embed.h"

#include <pthread.h>

typedef struct rag_encoder_ops {
    int (*encode)(rag_encoder *e, rag_text_kind kind, const rag_text *texts,
                  size_t n, float *vectors, unsigned char *truncated,
                  rag_error *err);
    int (*tokenize)(rag_encoder *e, rag_text_kind kind, const char *s,
                    size_t len, int32_t **out, size_t *n, rag_error *err);
    size_t (*count)(rag_encoder *e, const char *s, size_t len);
    /* NULL: never. Not called with n = 0. */
    int (*rank)(rag_encoder *e, const rag_text *query, const rag_text *passages,
                size_t n, float *scores, rag_error *err);
    void (*close)(rag_encoder *e); /* frees self's part, not e */
} rag_encoder_ops;

struct rag_encoder {
    const rag_encoder_ops *ops;
    void *self; /* the implementation's own part */
    pthread_mutex_t lock; /* calls that compute or talk take turns */
    rag_encoder_info info; /* info.name is owned */
    char *prefix[3]; /* by rag_text_kind; owned, may be NULL */
};

/* An encoder without an implementation yet; rag_encoder_close frees it. */
int rag_encoder_new(const rag_encoder_ops *ops, rag_encoder **out,
                    rag_error *err);
int rag_encoder_set_name(rag_encoder *e, const char *s, size_t len,
                         rag_error *err);
const char *rag_encoder_prefix(const rag_encoder *e, rag_text_kind kind);

#endif
