/*
 * adapter.c - see adapter.h.
 *
 * Called by engine.c when a reader or an adapted encoder is opened;
 * rag_adapter_heads by the engines' threads.
 */
#include "embed/adapter.h"

#include "base/buf.h"
#include "embed/pairs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_DEFAULT 512u
#define TENSOR_NAME_MAX 96u /* bytes of any tensor name that is known here */

static int oom(const rag_adapter *a, rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory",
                         rag_gguf_name(a->g));
}

static int read_number(const rag_adapter *a, const char *key, double def,
                       double max, double *out, rag_error *err) {
    int rc = rag_gguf_float(a->g, key, def, out, err);
    if (rc == 0 && !(fabs(*out) <= max)) {
        rc =
            rag_error_set(err, RAG_E_CORRUPT, "%s: %s is not between %g and %g",
                          rag_gguf_name(a->g), key, -max, max);
    }
    return rc;
}

static int read_prefix(const rag_adapter *a, const char *key, char **out,
                       rag_error *err) {
    const char *s;
    size_t len;
    int rc = rag_gguf_string(a->g, key, "", &s, &len, err);
    if (rc == 0 && len > RAG_READER_PREFIX_MAX) {
        rc = rag_error_set(err, RAG_E_CORRUPT, "%s: %s is longer than %u bytes",
                           rag_gguf_name(a->g), key, RAG_READER_PREFIX_MAX);
    }
    return rc != 0 ? rc : rag_str_dup_n(s, len, out, err);
}

/* One of a layer's six matrices: part `part` of `into`. */
typedef struct place {
    const char *name;
    rag_linear *into;
    size_t part, row, out;
} place;

enum { MATRICES = 6 };

static void places(const rag_bert *m, size_t layer, place p[MATRICES]) {
    rag_bert_layer *l = &m->layer[layer];
    size_t h = m->hidden;
    p[0] = (place){"attn_q", &l->qkv, 0, 0, h};
    p[1] = (place){"attn_k", &l->qkv, 1, h, h};
    p[2] = (place){"attn_v", &l->qkv, 2, 2 * h, h};
    p[3] = (place){"attn_output", &l->attn_out, 0, 0, h};
    p[4] = (place){"ffn_up", &l->up, 0, 0, m->ffn};
    p[5] = (place){"ffn_down", &l->down, 0, 0, h};
}

/* A and B of one matrix; both NULL when the adapter leaves it alone. */
static int find_pair(const rag_adapter *a, size_t layer, const place *p,
                     const rag_gguf_tensor *pair[2], rag_error *err) {
    char name[TENSOR_NAME_MAX];
    int rc;
    (void)snprintf(name, sizeof(name), "blk.%zu.%s.weight.lora_a", layer,
                   p->name);
    rc = rag_gguf_matrix(a->g, name, p->into->in, 0, true, &pair[0], err);
    if (rc != 0) {
        return rc;
    }
    (void)snprintf(name, sizeof(name), "blk.%zu.%s.weight.lora_b", layer,
                   p->name);
    if (!pair[0]) {
        pair[1] = NULL;
        return rag_gguf_tensor_find(a->g, name)
                   ? rag_error_set(err, RAG_E_CORRUPT,
                                   "%s: tensor %s has no .lora_a beside it",
                                   rag_gguf_name(a->g), name)
                   : 0;
    }
    return rag_gguf_matrix(a->g, name, (size_t)pair[0]->rows, p->out, false,
                           &pair[1], err);
}

/* Walks all matrices: without numbers it checks and counts, with them it
 * reads and hooks. *n: numbers, *tensors: tensors so far. */
static int walk(rag_adapter *a, const rag_bert *m, double alpha, float *numbers,
                size_t *n, size_t *tensors, rag_error *err) {
    place p[MATRICES];
    *n = *tensors = 0;
    for (size_t i = 0; i < m->layers * MATRICES; i++) {
        const rag_gguf_tensor *pair[2];
        const place *at = &p[i % MATRICES];
        size_t na, rank;
        int rc;
        places(m, i / MATRICES, p);
        rc = find_pair(a, i / MATRICES, at, pair, err);
        if (rc != 0) {
            return rc;
        }
        if (!pair[0]) {
            continue;
        }
        rank = (size_t)pair[0]->rows;
        na = rank * at->into->in;
        if (numbers) {
            float *fa = numbers + *n, *fb = fa + na;
            if ((rc = rag_gguf_matrix_read(a->g, pair[0], fa, err)) != 0 ||
                (rc = rag_gguf_matrix_read(a->g, pair[1], fb, err)) != 0) {
                return rc;
            }
            at->into->add[at->part] = (rag_lowrank){
                fa, fb, rank, at->row, at->out, (float)(alpha / (double)rank)};
        }
        *n += na + rank * at->out;
        *tensors += 2;
    }
    return 0;
}

enum { HEADS = 4 };
static const char *const head_names[HEADS] = {
    "reader.span.weight", "reader.span.bias", "reader.answer.weight",
    "reader.answer.bias"};

/* Whether it is a reader's: an encoder's adapter has none of them. */
static bool has_heads(const rag_adapter *a) {
    bool any = false;
    for (size_t i = 0; i < HEADS; i++) {
        any |= rag_gguf_tensor_find(a->g, head_names[i]) != NULL;
    }
    return any;
}

static int read_heads(rag_adapter *a, const rag_bert *m, rag_error *err) {
    const rag_gguf_tensor *span, *span_bias, *answer, *answer_bias;
    size_t h = m->hidden;
    float bias[2] = {0};
    int rc;
    a->hidden = h;
    a->heads = malloc(3 * h * sizeof(float));
    if (!a->heads) {
        return oom(a, err);
    }
    if ((rc = rag_gguf_matrix(a->g, head_names[0], h, 2, false, &span, err)) !=
            0 ||
        (rc = rag_gguf_matrix(a->g, head_names[1], 2, 1, false, &span_bias,
                              err)) != 0 ||
        (rc = rag_gguf_matrix(a->g, head_names[2], h, 1, false, &answer,
                              err)) != 0 ||
        (rc = rag_gguf_matrix(a->g, head_names[3], 1, 1, false, &answer_bias,
                              err)) != 0 ||
        (rc = rag_gguf_matrix_read(a->g, span, a->heads, err)) != 0 ||
        (rc = rag_gguf_matrix_read(a->g, answer, a->heads + 2 * h, err)) != 0 ||
        (rc = rag_gguf_matrix_read(a->g, span_bias, bias, err)) != 0 ||
        (rc = rag_gguf_matrix_read(a->g, answer_bias, &a->answer_bias, err)) !=
            0) {
        return rc;
    }
    a->start_bias = bias[0];
    a->end_bias = bias[1];
    return 0;
}

static int read_settings(rag_adapter *a, const rag_bert *m, rag_error *err) {
    uint64_t tokens =
        m->positions < TOKENS_DEFAULT ? m->positions : TOKENS_DEFAULT;
    double scale, bias;
    int rc;
    if ((rc = rag_gguf_uint(a->g, "ragd.reader.max_tokens", tokens,
                            RAG_PAIRS_TOKENS_MIN, m->positions, &tokens,
                            err)) != 0 ||
        (rc = read_number(a, "ragd.reader.scale", 1, 1e6, &scale, err)) != 0 ||
        (rc = read_number(a, "ragd.reader.bias", 0, 1e6, &bias, err)) != 0 ||
        (rc = read_prefix(a, "ragd.reader.question_prefix", &a->question_prefix,
                          err)) != 0) {
        return rc;
    }
    if (tokens < RAG_PAIRS_TOKENS_MIN) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: the model reads %zu tokens at once, too "
                             "few for a reader",
                             rag_gguf_name(m->g), m->positions);
    }
    a->max_tokens = (size_t)tokens;
    a->scale = (float)scale;
    a->bias = (float)bias;
    return read_prefix(a, "ragd.reader.passage_prefix", &a->passage_prefix,
                       err);
}

static int open_all(rag_adapter *a, rag_bert *m, rag_error *err) {
    size_t n, tensors, heads = has_heads(a) ? HEADS : 0;
    double alpha;
    int rc;
    if ((rc = rag_gguf_expect(a->g, "general.type", "adapter", err)) != 0 ||
        (rc = rag_gguf_expect(a->g, "general.architecture", "bert", err)) !=
            0 ||
        (rc = rag_gguf_expect(a->g, "adapter.type", "lora", err)) != 0 ||
        (rc = read_number(a, "adapter.lora.alpha", 0, RAG_LORA_ALPHA_MAX,
                          &alpha, err)) != 0 ||
        (rc = heads ? read_settings(a, m, err) : 0) != 0 ||
        (rc = heads ? read_heads(a, m, err) : 0) != 0 ||
        (rc = walk(a, m, alpha, NULL, &n, &tensors, err)) != 0) {
        return rc;
    }
    if (tensors > 0 && !rag_gguf_find(a->g, "adapter.lora.alpha")) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: adapter.lora.alpha is missing",
                             rag_gguf_name(a->g));
    }
    if (tensors + heads != rag_gguf_tensor_count(a->g)) {
        return rag_error_set(
            err, RAG_E_UNSUPPORTED,
            "%s: %zu of its %zu tensors are for no matrix "
            "of %s (%zu layers) and for no head",
            rag_gguf_name(a->g), rag_gguf_tensor_count(a->g) - tensors - heads,
            rag_gguf_tensor_count(a->g), rag_gguf_name(m->g), m->layers);
    }
    if (n == 0 && !heads) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: the adapter changes nothing",
                             rag_gguf_name(a->g));
    }
    if (n == 0) {
        return 0;
    }
    a->numbers = malloc(n * sizeof(float));
    return a->numbers ? walk(a, m, alpha, a->numbers, &n, &tensors, err)
                      : oom(a, err);
}

int rag_adapter_open_gguf(rag_gguf *g, rag_bert *m, rag_adapter **out,
                          rag_error *err) {
    rag_adapter *a = calloc(1, sizeof(*a));
    int rc;
    *out = NULL;
    if (!a) {
        rag_gguf_close(g);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    a->g = g;
    rc = open_all(a, m, err);
    if (rc != 0) {
        rag_adapter_forget(a, m);
        rag_adapter_close(a);
        return rc;
    }
    *out = a;
    return 0;
}

int rag_adapter_open(const char *path, rag_bert *m, rag_adapter **out,
                     rag_error *err) {
    rag_gguf *g;
    int rc = rag_gguf_open(path, &g, err);
    *out = NULL;
    return rc != 0 ? rc : rag_adapter_open_gguf(g, m, out, err);
}

void rag_adapter_forget(rag_adapter *a, rag_bert *m) {
    place p[MATRICES];
    for (size_t i = 0; i < m->layers * MATRICES; i++) {
        places(m, i / MATRICES, p);
        p[i % MATRICES].into->add[p[i % MATRICES].part] = (rag_lowrank){0};
    }
    free(a->numbers);
    a->numbers = NULL;
}

void rag_adapter_close(rag_adapter *a) {
    if (!a) {
        return;
    }
    free(a->numbers);
    free(a->heads);
    free(a->question_prefix);
    free(a->passage_prefix);
    rag_gguf_close(a->g);
    free(a);
}

void rag_adapter_heads(const rag_adapter *a, const float *x, float *start,
                       float *end, float *answer) {
    const float *s = a->heads, *e = s + a->hidden, *w = e + a->hidden;
    float sum[3] = {a->start_bias, a->end_bias, a->answer_bias};
    for (size_t i = 0; i < a->hidden; i++) {
        sum[0] += x[i] * s[i];
        sum[1] += x[i] * e[i];
        sum[2] += x[i] * w[i];
    }
    *start = sum[0];
    *end = sum[1];
    *answer = sum[2];
}
