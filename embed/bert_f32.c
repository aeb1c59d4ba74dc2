/*
 * bert_f32.c - the forward pass in float32 on oneDNN's matrix product.
 *
 * The exact engine: what the quantised one is measured against, and what
 * runs models whose sizes the quantised one does not take. The only file
 * that touches oneDNN (with its thread pool, OpenMP).
 *
 * The tokens of all texts of a batch are the rows of one matrix, without
 * padding; attention runs text by text. Weights are kept as float32.
 */
#include "embed/bert.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>

/* OpenMP's own names (the library comes with oneDNN); its header belongs to
 * one compiler, and not every compiler has it. */
int omp_get_max_threads(void);
void omp_set_num_threads(int n);

/* Tokens run together: bounds the work area (a few MiB for small models). */
#define TOKENS_MAX 512u

typedef struct linear32 {
    float *w, *b;
    size_t in, out;
} linear32;

typedef struct layer32 {
    linear32 qkv, attn_out, up, down;
    float *norm; /* four vectors: weight and bias, twice */
} layer32;

struct rag_bert_f32 {
    const rag_bert *m;
    int threads;
    layer32 *layer;
    rag_bert_tops *tops; /* NULL: nobody asks */
    size_t rows; /* tokens the work area is for */
    float *x, *qkv, *ctx, *up, *score; /* work area */
};

static int oom(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory for the encoder");
}

static int read_linear(const rag_linear *l, linear32 *out, rag_error *err) {
    out->in = l->in;
    out->out = l->out;
    out->w = malloc(l->in * l->out * sizeof(float));
    out->b = malloc(l->out * sizeof(float));
    if (!out->w || !out->b) {
        return oom(err);
    }
    rag_linear_read(l, out->w, out->b);
    return 0;
}

static int read_layer(const rag_bert *m, size_t i, layer32 *out,
                      rag_error *err) {
    const rag_bert_layer *l = &m->layer[i];
    size_t h = m->hidden;
    int rc;
    if ((rc = read_linear(&l->qkv, &out->qkv, err)) != 0 ||
        (rc = read_linear(&l->attn_out, &out->attn_out, err)) != 0 ||
        (rc = read_linear(&l->up, &out->up, err)) != 0 ||
        (rc = read_linear(&l->down, &out->down, err)) != 0) {
        return rc;
    }
    out->norm = malloc(4 * h * sizeof(float));
    if (!out->norm) {
        return oom(err);
    }
    rag_norm_read(&l->attn_norm, out->norm, out->norm + h);
    rag_norm_read(&l->out_norm, out->norm + 2 * h, out->norm + 3 * h);
    return 0;
}

int rag_bert_f32_open(const rag_bert *m, int threads, rag_bert_f32 **out,
                      rag_error *err) {
    rag_bert_f32 *e = calloc(1, sizeof(*e));
    int rc = 0;
    *out = NULL;
    if (!e) {
        return oom(err);
    }
    e->m = m;
    e->threads = threads;
    e->rows = m->positions > TOKENS_MAX ? m->positions : TOKENS_MAX;
    e->layer = calloc(m->layers, sizeof(*e->layer));
    e->x = malloc(e->rows * m->hidden * sizeof(float));
    e->qkv = malloc(e->rows * m->hidden * 3 * sizeof(float));
    e->ctx = malloc(e->rows * m->hidden * sizeof(float));
    e->up = malloc(e->rows * m->ffn * sizeof(float));
    e->score = malloc(m->positions * m->positions * sizeof(float));
    if (!e->layer || !e->x || !e->qkv || !e->ctx || !e->up || !e->score) {
        rc = oom(err);
    }
    for (size_t i = 0; rc == 0 && i < m->layers; i++) {
        rc = read_layer(m, i, &e->layer[i], err);
    }
    if (rc != 0) {
        rag_bert_f32_close(e);
        return rc;
    }
    *out = e;
    return 0;
}

void rag_bert_f32_close(rag_bert_f32 *e) {
    if (!e) {
        return;
    }
    for (size_t i = 0; e->layer && i < e->m->layers; i++) {
        layer32 *l = &e->layer[i];
        linear32 *all[] = {&l->qkv, &l->attn_out, &l->up, &l->down};
        for (size_t j = 0; j < 4; j++) {
            free(all[j]->w);
            free(all[j]->b);
        }
        free(l->norm);
    }
    free(e->layer);
    free(e->x);
    free(e->qkv);
    free(e->ctx);
    free(e->up);
    free(e->score);
    free(e);
}

static int failed(dnnl_status_t s, rag_error *err) {
    return s == dnnl_success
               ? 0
               : rag_error_set(err, RAG_E_INTERNAL,
                               "the matrix library failed (status %d)", (int)s);
}

static void raise(float *tops, const float *x, size_t rows, size_t n) {
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < n; j++) {
            float a = fabsf(x[i * n + j]);
            tops[j] = a > tops[j] ? a : tops[j];
        }
    }
}

void rag_bert_f32_watch(rag_bert_f32 *e, rag_bert_tops *tops) {
    e->tops = tops;
}

/* y[rows][out] = x[rows][in] W' + b */
static int product(const linear32 *l, const float *x, size_t rows, float *y,
                   float *tops, rag_error *err) {
    int rc = failed(dnnl_sgemm('N', 'T', (dnnl_dim_t)rows, (dnnl_dim_t)l->out,
                               (dnnl_dim_t)l->in, 1, x, (dnnl_dim_t)l->in, l->w,
                               (dnnl_dim_t)l->in, 0, y, (dnnl_dim_t)l->out),
                    err);
    if (tops) {
        raise(tops, x, rows, l->in);
    }
    for (size_t i = 0; rc == 0 && i < rows; i++) {
        for (size_t j = 0; j < l->out; j++) {
            y[i * l->out + j] += l->b[j];
        }
    }
    return rc;
}

static void softmax(float *s, size_t n) {
    float max = s[0], sum = 0;
    for (size_t i = 1; i < n; i++) {
        max = s[i] > max ? s[i] : max;
    }
    for (size_t i = 0; i < n; i++) {
        s[i] = expf(s[i] - max);
        sum += s[i];
    }
    for (size_t i = 0; i < n; i++) {
        s[i] /= sum;
    }
}

/* Attention of one text: n rows of qkv to n rows of ctx. */
static int attend(rag_bert_f32 *e, const float *qkv, size_t n, float *ctx,
                  rag_error *err) {
    size_t h = e->m->hidden, d = h / e->m->heads;
    dnnl_dim_t N = (dnnl_dim_t)n, D = (dnnl_dim_t)d, H = (dnnl_dim_t)h;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < e->m->heads; i++) {
        const float *q = qkv + i * d, *k = q + h, *v = k + h;
        rc = failed(dnnl_sgemm('N', 'T', N, N, D, 1 / sqrtf((float)d), q, 3 * H,
                               k, 3 * H, 0, e->score, N),
                    err);
        for (size_t r = 0; rc == 0 && r < n; r++) {
            softmax(e->score + r * n, n);
        }
        if (rc == 0) {
            rc = failed(dnnl_sgemm('N', 'N', N, D, N, 1, e->score, N, v, 3 * H,
                                   0, ctx + i * d, H),
                        err);
        }
    }
    return rc;
}

/* x = norm(x + y) row by row */
static void add_norm(const rag_bert_f32 *e, float *x, const float *y,
                     size_t rows, const float *norm) {
    size_t h = e->m->hidden;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < h; j++) {
            x[i * h + j] += y[i * h + j];
        }
        rag_bert_layer_norm(x + i * h, h, e->m->eps, norm, norm + h, x + i * h);
    }
}

static int run_layer(rag_bert_f32 *e, size_t layer, const size_t *start,
                     size_t n, size_t rows, rag_error *err) {
    const layer32 *l = &e->layer[layer];
    rag_bert_tops none = {0}, *t = e->tops ? &e->tops[layer] : &none;
    size_t h = e->m->hidden;
    int rc = product(&l->qkv, e->x, rows, e->qkv, t->qkv, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t at = start[i] - start[0];
        rc = attend(e, e->qkv + at * 3 * h, start[i + 1] - start[i],
                    e->ctx + at * h, err);
    }
    if (rc != 0 || (rc = product(&l->attn_out, e->ctx, rows, e->qkv,
                                 t->attn_out, err)) != 0) {
        return rc;
    }
    add_norm(e, e->x, e->qkv, rows, l->norm);
    rc = product(&l->up, e->x, rows, e->up, t->up, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < rows * e->m->ffn; i++) {
        float v = e->up[i];
        e->up[i] = 0.5f * v * (1 + erff(v * 0.70710678f));
    }
    rc = product(&l->down, e->up, rows, e->ctx, t->down, err);
    if (rc == 0) {
        add_norm(e, e->x, e->ctx, rows, l->norm + 2 * h);
    }
    return rc;
}

/* Texts [from, to) of the batch, together at most e->rows tokens. */
static int run_part(rag_bert_f32 *e, const rag_bert_batch *b, size_t from,
                    size_t to, float *const *vectors, rag_error *err) {
    const size_t *start = b->start + from;
    size_t h = e->m->hidden, rows = start[to - from] - start[0];
    int rc = 0;
    for (size_t t = from; t < to; t++) {
        for (size_t i = b->start[t]; i < b->start[t + 1]; i++) {
            /* the query area is free yet: it serves as scratch */
            rag_bert_embed(e->m, b->ids[i], i - b->start[t],
                           b->second && b->second[i], e->x + (i - start[0]) * h,
                           e->qkv);
        }
    }
    for (size_t i = 0; rc == 0 && i < e->m->layers; i++) {
        rc = run_layer(e, i, start, to - from, rows, err);
    }
    for (size_t t = from; rc == 0 && t < to; t++) {
        rag_bert_finish(e->m, b, t, e->x + (b->start[t] - start[0]) * h,
                        vectors);
    }
    return rc;
}

int rag_bert_f32_run(rag_bert_f32 *e, const rag_bert_batch *b,
                     float *const *vectors, rag_error *err) {
    int before = omp_get_max_threads(), rc = 0;
    omp_set_num_threads(e->threads);
    for (size_t from = 0, to; rc == 0 && from < b->n; from = to) {
        for (to = from + 1;
             to < b->n && b->start[to + 1] - b->start[from] <= e->rows; to++) {
        }
        rc = run_part(e, b, from, to, vectors, err);
    }
    omp_set_num_threads(before);
    return rc;
}
