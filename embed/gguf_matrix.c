/*
 * gguf_matrix.c - tensors by name and shape, and the small files of numbers
 * that go with a model.
 *
 * Called by bert.c and adapter.c. Immutable data, any thread.
 */
#include "embed/gguf.h"

#include <math.h>
#include <string.h>

int rag_gguf_expect(const rag_gguf *g, const char *key, const char *want,
                    rag_error *err) {
    const char *s;
    size_t len;
    int rc = rag_gguf_string(g, key, "", &s, &len, err);
    if (rc == 0 && (len != strlen(want) || memcmp(s, want, len) != 0)) {
        rc = rag_error_set(err, RAG_E_UNSUPPORTED,
                           "%s: %s is \"%.*s\" instead of \"%s\": not the "
                           "kind of file that belongs here",
                           rag_gguf_name(g), key, (int)(len > 40 ? 40 : len), s,
                           want);
    }
    return rc;
}

int rag_gguf_shaped(const rag_gguf *g, const char *name, size_t columns,
                    size_t rows, bool optional, const rag_gguf_tensor **out,
                    rag_error *err) {
    const rag_gguf_tensor *t = rag_gguf_tensor_find(g, name);
    *out = t;
    if (!t) {
        return optional ? 0
                        : rag_error_set(err, RAG_E_CORRUPT,
                                        "%s: tensor %s is missing",
                                        rag_gguf_name(g), name);
    }
    if (t->dims[0] != columns || (rows > 0 && t->rows != rows)) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tensor %s has %llu x %llu numbers instead "
                             "of %zu x %zu, which does not fit the model",
                             rag_gguf_name(g), name,
                             (unsigned long long)t->rows,
                             (unsigned long long)t->dims[0],
                             rows > 0 ? rows : (size_t)t->rows, columns);
    }
    return 0;
}

int rag_gguf_matrix(const rag_gguf *g, const char *name, size_t columns,
                    size_t rows, bool optional, const rag_gguf_tensor **out,
                    rag_error *err) {
    int rc = rag_gguf_shaped(g, name, columns, rows, optional, out, err);
    const rag_gguf_tensor *t = *out;
    if (rc != 0 || !t) {
        return rc;
    }
    if (t->type != RAG_GGUF_T_F32 && t->type != RAG_GGUF_T_F16) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: tensor %s has type %s (F32 and F16 are "
                             "supported in an adapter)",
                             rag_gguf_name(g), name,
                             rag_gguf_type_name(t->type));
    }
    if (rows == 0 && t->rows > RAG_LORA_RANK_MAX) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tensor %s: rank %llu is above %u",
                             rag_gguf_name(g), name,
                             (unsigned long long)t->rows, RAG_LORA_RANK_MAX);
    }
    return 0;
}

int rag_gguf_matrix_read(const rag_gguf *g, const rag_gguf_tensor *t,
                         float *out, rag_error *err) {
    size_t n = (size_t)t->dims[0];
    for (size_t i = 0; i < t->rows; i++) {
        rag_gguf_row(t, i, out + i * n);
    }
    for (size_t i = 0; i < n * t->rows; i++) {
        if (!isfinite(out[i])) {
            return rag_error_set(err, RAG_E_CORRUPT,
                                 "%s: tensor %.*s holds something that is no "
                                 "number",
                                 rag_gguf_name(g), (int)t->name_len, t->name);
        }
    }
    return 0;
}
