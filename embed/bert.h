/*
 * bert.h - a BERT encoder's weights in a GGUF file, and what every way of
 * running it shares: embeddings in, pooled vectors out.
 *
 * Private to embed/. A model is immutable once open.
 */
#ifndef RAG_EMBED_BERT_H
#define RAG_EMBED_BERT_H

#include "embed/gguf.h"

#define RAG_BERT_LAYERS_MAX 64u
#define RAG_BERT_HIDDEN_MAX 4096u
#define RAG_BERT_FFN_MAX 16384u
#define RAG_BERT_POSITIONS_MAX 8192u

typedef enum rag_pooling {
    RAG_POOL_MEAN = 1,
    RAG_POOL_CLS = 2, /* the first token */
    RAG_POOL_RANK = 4 /* no vectors: rank.h */
} rag_pooling;

/* What an adapter adds to rows [row, row + out) of a matrix of `in` columns:
 * scale * B A (Hu et al. 2021, "LoRA", section 4.1). */
typedef struct rag_lowrank {
    const float *a; /* rank rows of in numbers; NULL: adds nothing */
    const float *b; /* out rows of rank numbers */
    size_t rank, row, out;
    float scale;
} rag_lowrank;

/* A matrix y = W x + b: W has `out` rows of `in` numbers. */
typedef struct rag_linear {
    const rag_gguf_tensor *w[3]; /* w[1], w[2]: further rows (k and v) */
    const rag_gguf_tensor *b[3]; /* NULL: no bias */
    unsigned parts;
    size_t in, out;
    rag_lowrank add[3]; /* an adapter's, merged when the weights are read */
} rag_linear;

typedef struct rag_norm {
    const rag_gguf_tensor *w, *b;
} rag_norm;

typedef struct rag_bert_layer {
    rag_linear qkv, attn_out, up, down;
    rag_norm attn_norm, out_norm; /* after the residual sums */
} rag_bert_layer;

typedef struct rag_bert {
    const rag_gguf *g; /* stays open as long as this */
    size_t layers, hidden, ffn, heads, positions, vocab;
    float eps;
    rag_pooling pooling;
    const rag_gguf_tensor *tokens, *places;
    float *first_type; /* row 0 of the token types; zeros without */
    float *second_type; /* row 1 less row 0; zeros without */
    float *norm_w, *norm_b; /* of the embeddings */
    rag_bert_layer *layer;
} rag_bert;

/* Resolves and checks every tensor. RAG_E_UNSUPPORTED names what is not
 * supported, RAG_E_CORRUPT what is missing or misshapen. */
int rag_bert_open(const rag_gguf *g, rag_bert **out, rag_error *err);
void rag_bert_close(rag_bert *m);

/* Gets the final hidden states of a text: n rows of m->hidden numbers, valid
 * during the call, which comes on any of the engine's threads, once a text. */
typedef void (*rag_bert_each)(void *arg, size_t text, const float *x, size_t n);

/* Texts to run together: text i has the ids [start[i], start[i+1]), at least
 * one and at most m->positions, each below m->vocab. */
typedef struct rag_bert_batch {
    const int32_t *ids;
    const size_t *start; /* n + 1 */
    size_t n;
    const unsigned char *second; /* 1 where an id has the second token type;
                                  * NULL: nowhere */
    rag_bert_each each; /* NULL: pool to vectors, which are else not used */
    void *arg; /* of each */
} rag_bert_batch;

/* Weight (with what adapters add) and bias of the whole matrix as float32: w
 * is out * in, b is out. */
void rag_linear_read(const rag_linear *l, float *w, float *b);
/* A whole one-row tensor as float32. */
void rag_norm_read(const rag_norm *n, float *w, float *b);

/* Sum of token, place and type embeddings, normalised: x gets hidden floats.
 * second: of the second type. scratch: hidden floats. */
void rag_bert_embed(const rag_bert *m, int32_t id, size_t place, bool second,
                    float *x, float *scratch);
/* y = (x - mean) / sqrt(variance + eps) * w + b; x and y may be the same. */
void rag_bert_layer_norm(const float *x, size_t n, float eps, const float *w,
                         const float *b, float *y);
/* Pools n token vectors and scales the result to length 1. */
void rag_bert_pool(const rag_bert *m, const float *x, size_t n, float *out);
/* What the engines do with text i's n final hidden states x. */
void rag_bert_finish(const rag_bert *m, const rag_bert_batch *b, size_t i,
                     const float *x, float *const *vectors);
/* Scales to length 1; a zero vector stays. */
void rag_unit_vector(float *v, size_t n);

/* --- the float32 engine on oneDNN: bert_f32.c --- */

typedef struct rag_bert_f32 rag_bert_f32;
int rag_bert_f32_open(const rag_bert *m, int threads, rag_bert_f32 **out,
                      rag_error *err);
void rag_bert_f32_close(rag_bert_f32 *e);
/* vectors: b->n times m->hidden floats. One call at a time. */
int rag_bert_f32_run(rag_bert_f32 *e, const rag_bert_batch *b,
                     float *const *vectors, rag_error *err);

/* Largest magnitude seen of each input of a layer's matrices. */
typedef struct rag_bert_tops {
    float *qkv, *attn_out, *up, *down; /* as many as the matrix has inputs */
} rag_bert_tops;
/* From now on every run raises tops (one a layer; NULL: no more). */
void rag_bert_f32_watch(rag_bert_f32 *e, rag_bert_tops *tops);

#endif
