/*
 * gguf.c - the GGUF reader's checks. See gguf.h.
 *
 * One pass over the header with a cursor that cannot leave the file; names
 * are then sorted once, which finds duplicates and makes look-ups quick.
 */
#include "embed/gguf.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

struct rag_gguf {
    rag_file_map map;
    bool mapped;
    char *name;
    const unsigned char *data;
    size_t len, header_len;
    rag_gguf_value *values; /* sorted by key */
    size_t nvalues;
    rag_gguf_tensor *tensors; /* in the file's order */
    const rag_gguf_tensor **by_name;
    size_t ntensors;
};

/* Where reading is, and what to say when it fails. */
typedef struct cursor {
    const unsigned char *p;
    size_t len, at;
    const char *file;
    rag_error *err;
} cursor;

static int corrupt(cursor *c, const char *what) {
    return rag_error_set(c->err, RAG_E_CORRUPT,
                         "%s: damaged GGUF file: %s (at byte %zu); fetch the "
                         "model again",
                         c->file, what, c->at);
}

static int take(cursor *c, size_t n, const unsigned char **p,
                const char *what) {
    if (n > c->len - c->at) {
        return corrupt(c, what);
    }
    *p = c->p + c->at;
    c->at += n;
    return 0;
}

static uint32_t le32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static uint64_t le64(const unsigned char *p) {
    return (uint64_t)le32(p) | (uint64_t)le32(p + 4) << 32;
}

static int take32(cursor *c, uint32_t *v, const char *what) {
    const unsigned char *p = NULL;
    if (take(c, 4, &p, what) != 0) {
        return RAG_E_CORRUPT;
    }
    *v = le32(p);
    return 0;
}

static int take64(cursor *c, uint64_t *v, const char *what) {
    const unsigned char *p = NULL;
    if (take(c, 8, &p, what) != 0) {
        return RAG_E_CORRUPT;
    }
    *v = le64(p);
    return 0;
}

/* A key or tensor name: short, and without NUL. */
static int take_name(cursor *c, const char **s, uint32_t *len) {
    const unsigned char *p = NULL;
    uint64_t n;
    if (take64(c, &n, "it ends inside a name") != 0) {
        return RAG_E_CORRUPT;
    }
    if (n == 0 || n > RAG_GGUF_NAME_MAX) {
        return corrupt(c, "a name is empty or too long");
    }
    if (take(c, (size_t)n, &p, "it ends inside a name") != 0) {
        return RAG_E_CORRUPT;
    }
    if (memchr(p, 0, (size_t)n)) {
        return corrupt(c, "a name holds a zero byte");
    }
    *s = (const char *)p;
    *len = (uint32_t)n;
    return 0;
}

/* Bytes of one value of a fixed size; 0 for strings, arrays and others. */
static size_t kind_size(uint32_t kind) {
    switch (kind) {
    case RAG_GGUF_U8:
    case RAG_GGUF_I8:
    case RAG_GGUF_BOOL:
        return 1;
    case RAG_GGUF_U16:
    case RAG_GGUF_I16:
        return 2;
    case RAG_GGUF_U32:
    case RAG_GGUF_I32:
    case RAG_GGUF_F32:
        return 4;
    case RAG_GGUF_U64:
    case RAG_GGUF_I64:
    case RAG_GGUF_F64:
        return 8;
    default:
        return 0;
    }
}

static int skip_strings(cursor *c, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t len;
        const unsigned char *p;
        if (take64(c, &len, "it ends inside a string") != 0) {
            return RAG_E_CORRUPT;
        }
        if (len > RAG_GGUF_STRING_MAX) {
            return corrupt(c, "a string is too long");
        }
        if (take(c, (size_t)len, &p, "it ends inside a string") != 0) {
            return RAG_E_CORRUPT;
        }
    }
    return 0;
}

static int take_value(cursor *c, rag_gguf_value *v) {
    uint32_t kind, item;
    uint64_t n = 1;
    if (take_name(c, &v->key, &v->key_len) != 0 ||
        take32(c, &kind, "it ends inside the metadata") != 0) {
        return RAG_E_CORRUPT;
    }
    item = kind;
    if (kind == RAG_GGUF_ARRAY) {
        if (take32(c, &item, "it ends inside an array") != 0 ||
            take64(c, &n, "it ends inside an array") != 0) {
            return RAG_E_CORRUPT;
        }
        if (n > RAG_GGUF_ITEMS_MAX) {
            return corrupt(c, "an array is too long");
        }
    }
    if (item != RAG_GGUF_STRING && kind_size(item) == 0) {
        return corrupt(c, "a value of an unknown kind");
    }
    v->kind = (rag_gguf_kind)kind;
    v->item = (rag_gguf_kind)item;
    v->count = n;
    v->data = c->p + c->at;
    if (item == RAG_GGUF_STRING) {
        size_t from = c->at;
        if (skip_strings(c, n) != 0) {
            return RAG_E_CORRUPT;
        }
        v->size = c->at - from;
        return 0;
    }
    v->size = (size_t)n * kind_size(item);
    return take(c, v->size, &v->data, "it ends inside a value");
}

/* Name, shape and type; the offset is kept in t->size for place_tensor. */
static int take_tensor(cursor *c, rag_gguf_tensor *t) {
    uint32_t type, numbers, bytes;
    uint64_t offset;
    if (take_name(c, &t->name, &t->name_len) != 0 ||
        take32(c, &t->ndims, "it ends inside the tensor list") != 0) {
        return RAG_E_CORRUPT;
    }
    if (t->ndims == 0 || t->ndims > RAG_GGUF_DIMS_MAX) {
        return corrupt(c, "a tensor has an impossible number of dimensions");
    }
    t->rows = 1;
    for (uint32_t i = 0; i < RAG_GGUF_DIMS_MAX; i++) {
        t->dims[i] = 1;
        if (i < t->ndims &&
            take64(c, &t->dims[i], "it ends inside the tensor list") != 0) {
            return RAG_E_CORRUPT;
        }
        /* No tensor has more numbers than the file has half bytes, so the
         * products below cannot overflow. */
        if (t->dims[i] == 0 || t->dims[i] > (uint64_t)c->len * 4) {
            return corrupt(c, "a tensor has an impossible size");
        }
        if (i > 0) {
            if (t->dims[i] > (uint64_t)c->len * 4 / t->rows) {
                return corrupt(c, "a tensor is larger than the file");
            }
            t->rows *= t->dims[i];
        }
    }
    if (take32(c, &type, "it ends inside the tensor list") != 0 ||
        take64(c, &offset, "it ends inside the tensor list") != 0) {
        return RAG_E_CORRUPT;
    }
    if (!rag_gguf_type_block(type, &numbers, &bytes)) {
        return rag_error_set(c->err, RAG_E_UNSUPPORTED,
                             "%s: tensor %.*s has type %u, which is not "
                             "supported (F32, F16, BF16, Q4_0, Q4_1, Q5_0, "
                             "Q5_1, Q8_0, Q4_K, Q6_K are)",
                             c->file, (int)t->name_len, t->name, type);
    }
    if (t->dims[0] % numbers != 0) {
        return corrupt(c, "a tensor's row is no whole number of blocks");
    }
    t->type = (rag_gguf_type)type;
    t->row_size = (size_t)(t->dims[0] / numbers * bytes);
    if (t->rows > c->len / t->row_size || offset > c->len) {
        return corrupt(c, "a tensor is larger than the file");
    }
    t->size = (size_t)offset;
    return 0;
}

static int place_tensor(cursor *c, rag_gguf_tensor *t, size_t alignment) {
    size_t offset = t->size;
    size_t size = t->row_size * (size_t)t->rows;
    if (offset % alignment != 0) {
        return corrupt(c, "a tensor is not aligned");
    }
    if (offset > c->len - c->at || size > c->len - c->at - offset) {
        return rag_error_set(c->err, RAG_E_CORRUPT,
                             "%s: damaged GGUF file: tensor %.*s reaches past "
                             "the end of the file; fetch the model again",
                             c->file, (int)t->name_len, t->name);
    }
    t->data = c->p + c->at + offset;
    t->size = size;
    return 0;
}

static int compare_names(const char *a, size_t an, const char *b, size_t bn) {
    int r = memcmp(a, b, an < bn ? an : bn);
    return r != 0 ? r : (an > bn) - (an < bn);
}

static int compare_values(const void *a, const void *b) {
    const rag_gguf_value *x = a, *y = b;
    return compare_names(x->key, x->key_len, y->key, y->key_len);
}

static int compare_tensors(const void *a, const void *b) {
    const rag_gguf_tensor *x = *(const rag_gguf_tensor *const *)a;
    const rag_gguf_tensor *y = *(const rag_gguf_tensor *const *)b;
    return compare_names(x->name, x->name_len, y->name, y->name_len);
}

/* Sorts both lists; a name given twice makes the file ambiguous. */
static int index_names(rag_gguf *g, cursor *c) {
    if (g->nvalues > 1) {
        qsort(g->values, g->nvalues, sizeof(*g->values), compare_values);
    }
    for (size_t i = 1; i < g->nvalues; i++) {
        if (compare_values(&g->values[i - 1], &g->values[i]) == 0) {
            return rag_error_set(c->err, RAG_E_CORRUPT,
                                 "%s: damaged GGUF file: key %.*s occurs "
                                 "twice",
                                 c->file, (int)g->values[i].key_len,
                                 g->values[i].key);
        }
    }
    for (size_t i = 0; i < g->ntensors; i++) {
        g->by_name[i] = &g->tensors[i];
    }
    if (g->ntensors > 1) {
        qsort(g->by_name, g->ntensors, sizeof(*g->by_name), compare_tensors);
    }
    for (size_t i = 1; i < g->ntensors; i++) {
        if (compare_tensors(&g->by_name[i - 1], &g->by_name[i]) == 0) {
            return rag_error_set(c->err, RAG_E_CORRUPT,
                                 "%s: damaged GGUF file: tensor %.*s occurs "
                                 "twice",
                                 c->file, (int)g->by_name[i]->name_len,
                                 g->by_name[i]->name);
        }
    }
    return 0;
}

static int read_header(rag_gguf *g, cursor *c) {
    const unsigned char *p = NULL;
    uint32_t version;
    uint64_t ntensors, nvalues, alignment;
    if (c->len < 4 || memcmp(c->p, "GGUF", 4) != 0) {
        return rag_error_set(c->err, RAG_E_CORRUPT,
                             "%s: not a GGUF file (its first bytes are not "
                             "\"GGUF\")",
                             c->file);
    }
    if (take(c, 4, &p, "it is empty") != 0 ||
        take32(c, &version, "it ends inside its head") != 0) {
        return RAG_E_CORRUPT;
    }
    if (version != 2 && version != 3) {
        return rag_error_set(c->err, RAG_E_UNSUPPORTED,
                             "%s: GGUF version %u is not supported (2 and 3 "
                             "are)",
                             c->file, version);
    }
    if (take64(c, &ntensors, "it ends inside its head") != 0 ||
        take64(c, &nvalues, "it ends inside its head") != 0) {
        return RAG_E_CORRUPT;
    }
    if (ntensors > RAG_GGUF_TENSORS_MAX || nvalues > RAG_GGUF_KEYS_MAX) {
        return corrupt(c, "it announces too many tensors or keys");
    }
    g->values = calloc((size_t)nvalues + 1, sizeof(*g->values));
    g->tensors = calloc((size_t)ntensors + 1, sizeof(*g->tensors));
    g->by_name = calloc((size_t)ntensors + 1, sizeof(*g->by_name));
    if (!g->values || !g->tensors || !g->by_name) {
        return rag_error_set(c->err, RAG_E_NOMEM, "%s: out of memory", c->file);
    }
    for (; g->nvalues < nvalues; g->nvalues++) {
        if (take_value(c, &g->values[g->nvalues]) != 0) {
            return RAG_E_CORRUPT;
        }
    }
    for (; g->ntensors < ntensors; g->ntensors++) {
        int rc = take_tensor(c, &g->tensors[g->ntensors]);
        if (rc != 0) {
            return rc;
        }
    }
    g->header_len = c->at;
    if (index_names(g, c) != 0 ||
        rag_gguf_uint(g, "general.alignment", 32, 1, RAG_GGUF_ALIGNMENT_MAX,
                      &alignment, c->err) != 0) {
        return RAG_E_CORRUPT;
    }
    if ((alignment & (alignment - 1)) != 0) {
        return corrupt(c, "general.alignment is no power of two");
    }
    size_t pad = (size_t)(-(uint64_t)c->at & (alignment - 1));
    if (ntensors > 0 && take(c, pad, &p, "it ends before its tensors") != 0) {
        return RAG_E_CORRUPT;
    }
    for (size_t i = 0; i < g->ntensors; i++) {
        if (place_tensor(c, &g->tensors[i], (size_t)alignment) != 0) {
            return RAG_E_CORRUPT;
        }
    }
    return 0;
}

static int open_bytes(rag_gguf *g, const char *name, rag_error *err) {
    cursor c = {g->data, g->len, 0, name, err};
    int rc = rag_str_dup(name, &g->name, err);
    return rc != 0 ? rc : read_header(g, &c);
}

int rag_gguf_open_memory(const void *data, size_t len, const char *name,
                         rag_gguf **out, rag_error *err) {
    rag_gguf *g = calloc(1, sizeof(*g));
    int rc;
    *out = NULL;
    if (!g) {
        return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory", name);
    }
    g->data = data;
    g->len = len;
    rc = open_bytes(g, name, err);
    if (rc != 0) {
        rag_gguf_close(g);
        return rc;
    }
    *out = g;
    return 0;
}

int rag_gguf_open(const char *path, rag_gguf **out, rag_error *err) {
    rag_gguf *g = calloc(1, sizeof(*g));
    int rc;
    *out = NULL;
    if (!g) {
        return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory", path);
    }
    rc = rag_file_map_open(path, &g->map, err);
    if (rc != 0) {
        free(g);
        return rc;
    }
    g->mapped = true;
    g->data = g->map.data;
    g->len = g->map.len;
    rc = open_bytes(g, path, err);
    if (rc != 0) {
        rag_gguf_close(g);
        return rc;
    }
    *out = g;
    return 0;
}

void rag_gguf_forget(const rag_gguf *g) {
    if (g->mapped) {
        rag_file_map_forget(&g->map);
    }
}

void rag_gguf_close(rag_gguf *g) {
    if (!g) {
        return;
    }
    if (g->mapped) {
        rag_file_unmap(&g->map);
    }
    free(g->values);
    free(g->tensors);
    free(g->by_name);
    free(g->name);
    free(g);
}

const char *rag_gguf_name(const rag_gguf *g) {
    return g->name;
}

const unsigned char *rag_gguf_bytes(const rag_gguf *g, size_t *len,
                                    size_t *header_len) {
    *len = g->len;
    *header_len = g->header_len;
    return g->data;
}

size_t rag_gguf_tensor_count(const rag_gguf *g) {
    return g->ntensors;
}

const rag_gguf_tensor *rag_gguf_tensor_at(const rag_gguf *g, size_t i) {
    return &g->tensors[i];
}

const rag_gguf_value *rag_gguf_find(const rag_gguf *g, const char *key) {
    rag_gguf_value want = {.key = key, .key_len = (uint32_t)strlen(key)};
    if (g->nvalues == 0) {
        return NULL;
    }
    return bsearch(&want, g->values, g->nvalues, sizeof(want), compare_values);
}

const rag_gguf_tensor *rag_gguf_tensor_find(const rag_gguf *g,
                                            const char *name) {
    rag_gguf_tensor want = {.name = name, .name_len = (uint32_t)strlen(name)};
    const rag_gguf_tensor *p = &want, *const * found;
    if (g->ntensors == 0) {
        return NULL;
    }
    found = bsearch(&p, g->by_name, g->ntensors, sizeof(p), compare_tensors);
    return found ? *found : NULL;
}

static int wrong(const rag_gguf *g, const char *key, const char *what,
                 rag_error *err) {
    return rag_error_set(err, RAG_E_CORRUPT, "%s: %s %s", g->name, key, what);
}

int rag_gguf_uint(const rag_gguf *g, const char *key, uint64_t def,
                  uint64_t min, uint64_t max, uint64_t *out, rag_error *err) {
    const rag_gguf_value *v = rag_gguf_find(g, key);
    uint64_t x = 0;
    *out = def;
    if (!v) {
        return 0;
    }
    switch (v->kind) {
    case RAG_GGUF_U8:
    case RAG_GGUF_BOOL:
        x = v->data[0];
        break;
    case RAG_GGUF_U16:
        x = (uint64_t)v->data[0] | (uint64_t)v->data[1] << 8;
        break;
    case RAG_GGUF_U32:
        x = le32(v->data);
        break;
    case RAG_GGUF_U64:
        x = le64(v->data);
        break;
    case RAG_GGUF_I32:
        if (le32(v->data) >> 31) {
            return wrong(g, key, "is negative", err);
        }
        x = le32(v->data);
        break;
    case RAG_GGUF_I64:
        if (le64(v->data) >> 63) {
            return wrong(g, key, "is negative", err);
        }
        x = le64(v->data);
        break;
    default:
        return wrong(g, key, "is not a whole number", err);
    }
    if (x < min || x > max) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: %s is %llu, outside %llu to %llu", g->name,
                             key, (unsigned long long)x,
                             (unsigned long long)min, (unsigned long long)max);
    }
    *out = x;
    return 0;
}

int rag_gguf_float(const rag_gguf *g, const char *key, double def, double *out,
                   rag_error *err) {
    const rag_gguf_value *v = rag_gguf_find(g, key);
    *out = def;
    if (!v) {
        return 0;
    }
    if (v->kind == RAG_GGUF_F32) {
        uint32_t u = le32(v->data);
        float f;
        memcpy(&f, &u, sizeof(f));
        *out = (double)f;
    } else if (v->kind == RAG_GGUF_F64) {
        uint64_t u = le64(v->data);
        memcpy(out, &u, sizeof(*out));
    } else {
        return wrong(g, key, "is not a number", err);
    }
    return 0;
}

int rag_gguf_bool(const rag_gguf *g, const char *key, bool def, bool *out,
                  rag_error *err) {
    const rag_gguf_value *v = rag_gguf_find(g, key);
    *out = def;
    if (!v) {
        return 0;
    }
    if (v->kind != RAG_GGUF_BOOL || v->data[0] > 1) {
        return wrong(g, key, "is neither true nor false", err);
    }
    *out = v->data[0] == 1;
    return 0;
}

int rag_gguf_string(const rag_gguf *g, const char *key, const char *def,
                    const char **out, size_t *len, rag_error *err) {
    const rag_gguf_value *v = rag_gguf_find(g, key);
    size_t at = 0;
    *out = def;
    *len = def ? strlen(def) : 0;
    if (!v) {
        return 0;
    }
    if (v->kind != RAG_GGUF_STRING) {
        return wrong(g, key, "is not a text", err);
    }
    (void)rag_gguf_next_string(v, &at, out, len);
    if (memchr(*out, 0, *len)) {
        return wrong(g, key, "holds a zero byte", err);
    }
    return 0;
}

int rag_gguf_array(const rag_gguf *g, const char *key, rag_gguf_kind item,
                   const rag_gguf_value **out, rag_error *err) {
    const rag_gguf_value *v = rag_gguf_find(g, key);
    *out = NULL;
    if (v && (v->kind != RAG_GGUF_ARRAY || v->item != item)) {
        return wrong(g, key, "is not an array of the right kind", err);
    }
    *out = v;
    return 0;
}

bool rag_gguf_next_string(const rag_gguf_value *v, size_t *at, const char **s,
                          size_t *len) {
    /* Lengths were checked when the file was opened. */
    if (*at >= v->size) {
        *s = "";
        *len = 0;
        return false;
    }
    *len = (size_t)le64(v->data + *at);
    *s = (const char *)v->data + *at + 8;
    *at += 8 + *len;
    return true;
}
