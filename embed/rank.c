/*
 * rank.c - see rank.h.
 *
 * Called by engine.c when a model is opened; rag_rank_head_score by the
 * engines' threads.
 */
#include "embed/rank.h"

#include <math.h>
#include <stdlib.h>

struct rag_rank_head {
    size_t hidden;
    size_t dense; /* rows of the first layer: hidden, 1, or 0 for none */
    bool last; /* there is a second layer */
    float *w; /* the first layer's weight and bias, then the second's */
};

/* The weight of `rows` rows, and its bias, which may be missing. */
static int layer(const rag_bert *m, const rag_gguf_tensor *w, const char *bias,
                 size_t rows, float *out, rag_error *err) {
    const rag_gguf_tensor *b = rag_gguf_tensor_find(m->g, bias);
    size_t h = m->hidden;
    if (b && (b->dims[0] != rows || b->rows != 1)) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tensor %s has not %zu numbers",
                             rag_gguf_name(m->g), bias, rows);
    }
    for (size_t i = 0; i < rows; i++) {
        rag_gguf_row(w, i, out + i * h);
    }
    if (b) {
        rag_gguf_row(b, 0, out + rows * h);
    }
    for (size_t i = 0; i < rows * (h + 1); i++) {
        if (!isfinite(out[i])) {
            return rag_error_set(err, RAG_E_CORRUPT,
                                 "%s: tensor %.*s or its bias holds "
                                 "something that is no number",
                                 rag_gguf_name(m->g), (int)w->name_len,
                                 w->name);
        }
    }
    return 0;
}

static int read_head(const rag_bert *m, const rag_gguf_tensor *first,
                     const rag_gguf_tensor *last, rag_rank_head *r,
                     rag_error *err) {
    size_t h = m->hidden;
    int rc = 0;
    r->hidden = h;
    r->dense = first ? (last ? h : 1) : 0;
    r->last = last != NULL;
    if ((first && (first->dims[0] != h || first->rows != r->dense)) ||
        (last && (last->dims[0] != h || last->rows != 1))) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: cls.weight and cls.output.weight are no "
                             "head that gives one score",
                             rag_gguf_name(m->g));
    }
    r->w = calloc((r->dense + 1) * (h + 1), sizeof(float));
    if (!r->w) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    if (first) {
        rc = layer(m, first, "cls.bias", r->dense, r->w, err);
    }
    if (rc == 0 && last) {
        rc = layer(m, last, "cls.output.bias", 1, r->w + r->dense * (h + 1),
                   err);
    }
    return rc;
}

int rag_rank_head_open(const rag_bert *m, rag_rank_head **out, rag_error *err) {
    const rag_gguf_tensor *first = rag_gguf_tensor_find(m->g, "cls.weight");
    const rag_gguf_tensor *last =
        rag_gguf_tensor_find(m->g, "cls.output.weight");
    rag_rank_head *r;
    int rc;
    *out = NULL;
    if (!first && !last) {
        return m->pooling == RAG_POOL_RANK
                   ? rag_error_set(err, RAG_E_CORRUPT,
                                   "%s: a re-ranker without cls.weight and "
                                   "cls.output.weight",
                                   rag_gguf_name(m->g))
                   : 0;
    }
    r = calloc(1, sizeof(*r));
    if (!r) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    rc = read_head(m, first, last, r, err);
    if (rc != 0) {
        rag_rank_head_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

void rag_rank_head_close(rag_rank_head *h) {
    if (h) {
        free(h->w);
        free(h);
    }
}

static float product(const float *w, const float *x, size_t n, float bias) {
    double sum = (double)bias;
    for (size_t i = 0; i < n; i++) {
        sum += (double)w[i] * (double)x[i];
    }
    return (float)sum;
}

float rag_rank_head_score(const rag_rank_head *r, const float *x) {
    size_t h = r->hidden;
    const float *bias = r->w + r->dense * h, *last = bias + r->dense;
    float score = r->last ? last[h] : 0;
    if (r->dense == 0) {
        return product(last, x, h, score);
    }
    for (size_t i = 0; i < r->dense; i++) {
        float y = tanhf(product(r->w + i * h, x, h, bias[i]));
        score += r->last ? last[i] * y : y;
    }
    return score;
}
