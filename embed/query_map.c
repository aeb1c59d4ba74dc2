/*
 * query_map.c - the query map of embed.h: a file of three small matrices.
 *
 * Opened by ragd when it starts and by the evaluation programs; applied to
 * every question's vector before the search. Any thread.
 */
#include "embed/bert.h"
#include "embed/embed.h"
#include "embed/gguf.h"

#include "base/buf.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct rag_query_map {
    size_t dim, rank;
    float *down; /* rank rows of dim */
    float *up; /* dim rows of rank */
    float *bias; /* dim */
    char *name;
    char fingerprint[65];
};

static int read_matrices(rag_query_map *m, const rag_gguf *g, rag_error *err) {
    const rag_gguf_tensor *down, *up, *bias;
    int rc;
    if ((rc = rag_gguf_matrix(g, "down.weight", m->dim, 0, false, &down,
                              err)) != 0 ||
        (rc = rag_gguf_matrix(g, "up.weight", (size_t)down->rows, m->dim, false,
                              &up, err)) != 0 ||
        (rc = rag_gguf_matrix(g, "bias", m->dim, 1, false, &bias, err)) != 0) {
        return rc;
    }
    if (rag_gguf_tensor_count(g) != 3) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: a query map has 3 tensors, this file %zu",
                             rag_gguf_name(g), rag_gguf_tensor_count(g));
    }
    m->rank = (size_t)down->rows;
    m->down = malloc((2 * m->rank + 1) * m->dim * sizeof(float));
    if (!m->down) {
        return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory",
                             rag_gguf_name(g));
    }
    m->up = m->down + m->rank * m->dim;
    m->bias = m->up + m->rank * m->dim;
    if ((rc = rag_gguf_matrix_read(g, down, m->down, err)) != 0 ||
        (rc = rag_gguf_matrix_read(g, up, m->up, err)) != 0) {
        return rc;
    }
    return rag_gguf_matrix_read(g, bias, m->bias, err);
}

static int open_all(rag_query_map *m, const rag_gguf *g,
                    const rag_encoder_info *e, rag_error *err) {
    const unsigned char *p;
    const char *s;
    size_t len, header;
    rag_sha256 sum;
    int rc = rag_gguf_expect(g, "general.type", "query-map", err);
    if (rc != 0 ||
        (rc = rag_gguf_string(g, "ragd.encoder", "", &s, &len, err)) != 0) {
        return rc;
    }
    if (len != strlen(e->fingerprint) || memcmp(s, e->fingerprint, len) != 0) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: this query map was made for another encoder "
                             "than %s",
                             rag_gguf_name(g), e->name);
    }
    m->dim = (size_t)e->dim;
    rc = read_matrices(m, g, err);
    if (rc != 0) {
        return rc;
    }
    p = rag_gguf_bytes(g, &len, &header);
    rag_hash_sha256(p, len, &sum);
    rag_hash_hex(&sum, m->fingerprint);
    rc = rag_gguf_string(g, "general.name", "query map", &s, &len, err);
    return rc != 0 ? rc : rag_str_dup_n(s, len, &m->name, err);
}

int rag_query_map_open(const char *path, const rag_encoder *e,
                       rag_query_map **out, rag_error *err) {
    rag_query_map *m = calloc(1, sizeof(*m));
    rag_gguf *g = NULL;
    rag_encoder_info info;
    int rc;
    *out = NULL;
    if (!m) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    rag_encoder_describe(e, &info);
    rc = rag_gguf_open(path, &g, err);
    if (rc == 0) {
        rc = open_all(m, g, &info, err);
    }
    rag_gguf_close(g);
    if (rc != 0) {
        rag_query_map_close(m);
        return rc;
    }
    *out = m;
    return 0;
}

void rag_query_map_close(rag_query_map *m) {
    if (!m) {
        return;
    }
    free(m->down);
    free(m->name);
    free(m);
}

void rag_query_map_describe(const rag_query_map *m, rag_query_map_info *out) {
    *out = (rag_query_map_info){.name = m->name, .rank = (int)m->rank};
    memcpy(out->fingerprint, m->fingerprint, sizeof(out->fingerprint));
}

void rag_query_map_apply(const rag_query_map *m, float *v) {
    float low[RAG_LORA_RANK_MAX];
    for (size_t r = 0; r < m->rank; r++) {
        const float *row = m->down + r * m->dim;
        float sum = 0;
        for (size_t i = 0; i < m->dim; i++) {
            sum += row[i] * v[i];
        }
        low[r] = sum;
    }
    for (size_t i = 0; i < m->dim; i++) {
        const float *row = m->up + i * m->rank;
        float sum = m->bias[i];
        for (size_t r = 0; r < m->rank; r++) {
            sum += row[r] * low[r];
        }
        v[i] += sum;
    }
    rag_unit_vector(v, m->dim);
}
