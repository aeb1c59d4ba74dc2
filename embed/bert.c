/*
 * bert.c - finds and checks the tensors of a BERT encoder.
 *
 * Architecture "bert" as GGUF names it: learned positions, one of two token
 * types, post-layer-norm blocks, GELU. What differs (rotary positions, ALiBi,
 * gated feed-forward, pre-norm) has other architecture names or other tensors
 * and is refused by name rather than computed wrongly.
 *
 * Called by encoder.c when a model is opened; rag_bert_embed and
 * rag_bert_pool by the engines on their threads.
 */
#include "embed/bert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unsupported(const rag_gguf *g, const char *what, rag_error *err) {
    return rag_error_set(err, RAG_E_UNSUPPORTED, "%s: %s", rag_gguf_name(g),
                         what);
}

/* blk.<layer>.<name>.weight and .bias as part `i` of l. */
static int linear_part(const rag_gguf *g, size_t layer, const char *name,
                       size_t rows, rag_linear *l, rag_error *err) {
    char key[96];
    unsigned i = l->parts++;
    int rc;
    (void)snprintf(key, sizeof(key), "blk.%zu.%s.weight", layer, name);
    rc = rag_gguf_shaped(g, key, l->in, rows, false, &l->w[i], err);
    if (rc != 0) {
        return rc;
    }
    l->out += rows;
    (void)snprintf(key, sizeof(key), "blk.%zu.%s.bias", layer, name);
    return rag_gguf_shaped(g, key, rows, 1, true, &l->b[i], err);
}

static int norm(const rag_gguf *g, size_t layer, const char *name, size_t n,
                rag_norm *out, rag_error *err) {
    char key[96];
    int rc;
    (void)snprintf(key, sizeof(key), "blk.%zu.%s.weight", layer, name);
    rc = rag_gguf_shaped(g, key, n, 1, false, &out->w, err);
    if (rc == 0) {
        (void)snprintf(key, sizeof(key), "blk.%zu.%s.bias", layer, name);
        rc = rag_gguf_shaped(g, key, n, 1, false, &out->b, err);
    }
    return rc;
}

static int read_layer(rag_bert *m, size_t i, rag_error *err) {
    const rag_gguf *g = m->g;
    rag_bert_layer *l = &m->layer[i];
    char key[96];
    int rc;
    l->qkv.in = l->attn_out.in = l->up.in = m->hidden;
    l->down.in = m->ffn;
    (void)snprintf(key, sizeof(key), "blk.%zu.attn_qkv.weight", i);
    if (rag_gguf_tensor_find(g, key)) {
        rc = linear_part(g, i, "attn_qkv", 3 * m->hidden, &l->qkv, err);
    } else if ((rc = linear_part(g, i, "attn_q", m->hidden, &l->qkv, err)) ==
                   0 &&
               (rc = linear_part(g, i, "attn_k", m->hidden, &l->qkv, err)) ==
                   0) {
        rc = linear_part(g, i, "attn_v", m->hidden, &l->qkv, err);
    }
    if (rc != 0 ||
        (rc = linear_part(g, i, "attn_output", m->hidden, &l->attn_out, err)) !=
            0 ||
        (rc = linear_part(g, i, "ffn_up", m->ffn, &l->up, err)) != 0 ||
        (rc = linear_part(g, i, "ffn_down", m->hidden, &l->down, err)) != 0 ||
        (rc = norm(g, i, "attn_output_norm", m->hidden, &l->attn_norm, err)) !=
            0) {
        return rc;
    }
    return norm(g, i, "layer_output_norm", m->hidden, &l->out_norm, err);
}

static int read_shape(rag_bert *m, rag_error *err) {
    const rag_gguf *g = m->g;
    const struct {
        const char *key;
        uint64_t max;
        size_t *out;
    } sizes[] = {
        {"bert.block_count", RAG_BERT_LAYERS_MAX, &m->layers},
        {"bert.embedding_length", RAG_BERT_HIDDEN_MAX, &m->hidden},
        {"bert.feed_forward_length", RAG_BERT_FFN_MAX, &m->ffn},
        {"bert.attention.head_count", RAG_BERT_HIDDEN_MAX, &m->heads},
        {"bert.context_length", RAG_BERT_POSITIONS_MAX, &m->positions},
    };
    uint64_t v;
    double eps;
    bool causal;
    int rc;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (!rag_gguf_find(g, sizes[i].key)) {
            return rag_error_set(err, RAG_E_CORRUPT, "%s: %s is missing",
                                 rag_gguf_name(g), sizes[i].key);
        }
        rc = rag_gguf_uint(g, sizes[i].key, 0, 1, sizes[i].max, &v, err);
        if (rc != 0) {
            return rc;
        }
        *sizes[i].out = (size_t)v;
    }
    if (m->hidden % m->heads != 0) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: bert.attention.head_count %zu does not "
                             "divide bert.embedding_length %zu",
                             rag_gguf_name(g), m->heads, m->hidden);
    }
    if ((rc = rag_gguf_float(g, "bert.attention.layer_norm_epsilon", 1e-12,
                             &eps, err)) != 0 ||
        (rc = rag_gguf_bool(g, "bert.attention.causal", false, &causal, err)) !=
            0 ||
        (rc = rag_gguf_uint(g, "bert.pooling_type", RAG_POOL_MEAN, 0, 255, &v,
                            err)) != 0) {
        return rc;
    }
    if (!(eps >= 0 && eps < 1)) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: bert.attention.layer_norm_epsilon is not "
                             "between 0 and 1",
                             rag_gguf_name(g));
    }
    if (causal) {
        return unsupported(g, "causal attention is not supported", err);
    }
    if (v != RAG_POOL_MEAN && v != RAG_POOL_CLS && v != RAG_POOL_RANK) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: bert.pooling_type %llu is not supported "
                             "(1, mean, 2, first token, and 4, a "
                             "re-ranker, are)",
                             rag_gguf_name(g), (unsigned long long)v);
    }
    m->pooling = (rag_pooling)v;
    m->eps = (float)eps;
    return 0;
}

static int read_embeddings(rag_bert *m, rag_error *err) {
    const rag_gguf *g = m->g;
    const rag_gguf_tensor *types, *w, *b;
    size_t h = m->hidden;
    int rc;
    m->tokens = rag_gguf_tensor_find(g, "token_embd.weight");
    if (!m->tokens || m->tokens->dims[0] != h || m->tokens->rows > INT32_MAX) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tensor token_embd.weight is missing or has "
                             "not %zu columns",
                             rag_gguf_name(g), h);
    }
    m->vocab = (size_t)m->tokens->rows;
    m->places = rag_gguf_tensor_find(g, "position_embd.weight");
    if (!m->places) {
        return unsupported(g,
                           "it has no position_embd.weight: rotary and ALiBi "
                           "positions are not supported",
                           err);
    }
    if (m->places->dims[0] != h || m->places->rows < m->positions) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tensor position_embd.weight is smaller than "
                             "%zu x %zu",
                             rag_gguf_name(g), m->positions, h);
    }
    types = rag_gguf_tensor_find(g, "token_types.weight");
    if (types && types->dims[0] != h) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tensor token_types.weight has not %zu "
                             "columns",
                             rag_gguf_name(g), h);
    }
    if ((rc = rag_gguf_shaped(g, "token_embd_norm.weight", h, 1, false, &w,
                              err)) != 0 ||
        (rc = rag_gguf_shaped(g, "token_embd_norm.bias", h, 1, false, &b,
                              err)) != 0) {
        return rc;
    }
    m->first_type = calloc(4 * h, sizeof(float));
    if (!m->first_type) {
        return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory",
                             rag_gguf_name(g));
    }
    m->norm_w = m->first_type + h;
    m->norm_b = m->norm_w + h;
    m->second_type = m->norm_b + h;
    if (types) {
        rag_gguf_row(types, 0, m->first_type);
    }
    if (types && types->rows > 1) {
        rag_gguf_row(types, 1, m->second_type);
        for (size_t i = 0; i < h; i++) {
            m->second_type[i] -= m->first_type[i];
        }
    }
    rag_gguf_row(w, 0, m->norm_w);
    rag_gguf_row(b, 0, m->norm_b);
    return 0;
}

static int open_all(rag_bert *m, rag_error *err) {
    const rag_gguf *g = m->g;
    const char *arch;
    size_t len;
    int rc = rag_gguf_string(g, "general.architecture", "", &arch, &len, err);
    if (rc != 0) {
        return rc;
    }
    if (len != 4 || memcmp(arch, "bert", 4) != 0) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: architecture \"%.*s\" is not supported as "
                             "an encoder (\"bert\" is)",
                             rag_gguf_name(g), (int)(len > 40 ? 40 : len),
                             arch);
    }
    if (rag_gguf_tensor_find(g, "blk.0.ffn_gate.weight") ||
        rag_gguf_tensor_find(g, "blk.0.attn_q_norm.weight")) {
        return unsupported(g,
                           "gated feed-forward layers and normalised queries "
                           "are not supported",
                           err);
    }
    if ((rc = read_shape(m, err)) != 0 || (rc = read_embeddings(m, err)) != 0) {
        return rc;
    }
    m->layer = calloc(m->layers, sizeof(*m->layer));
    if (!m->layer) {
        return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory",
                             rag_gguf_name(g));
    }
    for (size_t i = 0; i < m->layers; i++) {
        rc = read_layer(m, i, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int rag_bert_open(const rag_gguf *g, rag_bert **out, rag_error *err) {
    rag_bert *m = calloc(1, sizeof(*m));
    int rc;
    *out = NULL;
    if (!m) {
        return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory",
                             rag_gguf_name(g));
    }
    m->g = g;
    rc = open_all(m, err);
    if (rc != 0) {
        rag_bert_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

void rag_bert_close(rag_bert *m) {
    if (!m) {
        return;
    }
    free(m->first_type); /* the other vectors are part of it */
    free(m->layer);
    free(m);
}

static void add_lowrank(const rag_lowrank *l, size_t in, float *w) {
    for (size_t i = 0; l->a && i < l->out; i++) {
        float *row = w + (l->row + i) * in;
        for (size_t r = 0; r < l->rank; r++) {
            const float *a = l->a + r * in;
            float f = l->scale * l->b[i * l->rank + r];
            for (size_t k = 0; k < in; k++) {
                row[k] += f * a[k];
            }
        }
    }
}

void rag_linear_read(const rag_linear *l, float *w, float *b) {
    size_t row = 0;
    for (unsigned p = 0; p < l->parts; p++) {
        size_t rows = (size_t)l->w[p]->rows;
        for (size_t i = 0; i < rows; i++) {
            rag_gguf_row(l->w[p], i, w + (row + i) * l->in);
        }
        if (l->b[p]) {
            rag_gguf_row(l->b[p], 0, b + row);
        } else {
            memset(b + row, 0, rows * sizeof(*b));
        }
        row += rows;
    }
    for (size_t i = 0; i < sizeof(l->add) / sizeof(l->add[0]); i++) {
        add_lowrank(&l->add[i], l->in, w);
    }
}

void rag_norm_read(const rag_norm *n, float *w, float *b) {
    rag_gguf_row(n->w, 0, w);
    rag_gguf_row(n->b, 0, b);
}

void rag_bert_layer_norm(const float *x, size_t n, float eps, const float *w,
                         const float *b, float *y) {
    double sum = 0, square = 0;
    float mean, scale;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
    }
    mean = (float)(sum / (double)n);
    for (size_t i = 0; i < n; i++) {
        double d = (double)(x[i] - mean);
        square += d * d;
    }
    scale = (float)(1 / sqrt(square / (double)n + (double)eps));
    for (size_t i = 0; i < n; i++) {
        y[i] = (x[i] - mean) * scale * w[i] + b[i];
    }
}

void rag_bert_embed(const rag_bert *m, int32_t id, size_t place, bool second,
                    float *x, float *scratch) {
    rag_gguf_row(m->tokens, (uint64_t)id, x);
    rag_gguf_row(m->places, place, scratch);
    for (size_t i = 0; i < m->hidden; i++) {
        x[i] += scratch[i] + m->first_type[i];
        if (second) {
            x[i] += m->second_type[i];
        }
    }
    rag_bert_layer_norm(x, m->hidden, m->eps, m->norm_w, m->norm_b, x);
}

void rag_unit_vector(float *v, size_t n) {
    double sum = 0;
    float scale;
    for (size_t i = 0; i < n; i++) {
        sum += (double)v[i] * (double)v[i];
    }
    if (!(sum > 0)) {
        return;
    }
    scale = (float)(1 / sqrt(sum));
    for (size_t i = 0; i < n; i++) {
        v[i] *= scale;
    }
}

void rag_bert_pool(const rag_bert *m, const float *x, size_t n, float *out) {
    size_t h = m->hidden;
    memcpy(out, x, h * sizeof(*out));
    if (m->pooling == RAG_POOL_MEAN) {
        for (size_t i = 1; i < n; i++) {
            for (size_t j = 0; j < h; j++) {
                out[j] += x[i * h + j];
            }
        }
    }
    rag_unit_vector(out, h); /* the mean's 1/n cancels out here */
}

void rag_bert_finish(const rag_bert *m, const rag_bert_batch *b, size_t i,
                     const float *x, float *const *vectors) {
    size_t n = b->start[i + 1] - b->start[i];
    if (b->each) {
        b->each(b->arg, i, x, n);
    } else {
        rag_bert_pool(m, x, n, vectors[i]);
    }
}
