/*
 * test_embed_query_map.c - a query map moves vectors as its formula says, and
 * a file that is damaged or belongs to something else is refused, saying why.
 */
#include "test_embed_support.h"

#include "base/buf.h"

#define RANK 2u

typedef struct map_file {
    const char *type, *encoder; /* NULL: the key is missing */
    uint64_t down_columns, up_rows, rank;
    unsigned tensors;
    float spoilt; /* the last number of the bias */
} map_file;

static void put(rag_buf *b, uint64_t v, size_t bytes) {
    assert_ok(rag_buf_append(b, (const char *)&v, bytes, ERR));
}

static void put_text(rag_buf *b, const char *s) {
    put(b, strlen(s), 8);
    assert_ok(rag_buf_append_str(b, s, ERR));
}

static void put_key(rag_buf *b, const char *key, const char *value) {
    put_text(b, key);
    put(b, 8, 4); /* string */
    put_text(b, value);
}

static uint64_t put_tensor(rag_buf *b, const char *name, uint64_t columns,
                           uint64_t rows, uint64_t at) {
    put_text(b, name);
    put(b, 2, 4);
    put(b, columns, 8);
    put(b, rows, 8);
    put(b, 0, 4); /* F32 */
    put(b, at, 8);
    return (at + 4 * columns * rows + 31) / 32 * 32;
}

/* The number at i of a matrix: some of everything, nothing large. */
static float number(unsigned matrix, size_t i) {
    return 0.01f * (float)((int)((i * 7 + matrix * 5) % 13) - 6);
}

static void put_numbers(rag_buf *b, unsigned matrix, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = number(matrix, i);
        assert_ok(rag_buf_append(b, (const char *)&v, 4, ERR));
    }
    while (b->len % 32 != 0) {
        put(b, 0, 1);
    }
}

static char *write_map(const map_file *m, uint64_t dim) {
    rag_buf b;
    char *path;
    uint64_t at = 0;
    size_t keys = (m->type != NULL) + (m->encoder != NULL);
    rag_buf_init(&b, 0);
    assert_ok(rag_buf_append_str(&b, "GGUF", ERR));
    put(&b, 3, 4);
    put(&b, m->tensors, 8);
    put(&b, keys, 8);
    if (m->type) {
        put_key(&b, "general.type", m->type);
    }
    if (m->encoder) {
        put_key(&b, "ragd.encoder", m->encoder);
    }
    at = put_tensor(&b, "down.weight", m->down_columns, m->rank, at);
    at = put_tensor(&b, "up.weight", m->rank, m->up_rows, at);
    if (m->tensors > 2) {
        at = put_tensor(&b, "bias", dim, 1, at);
    }
    if (m->tensors > 3) {
        at = put_tensor(&b, "more", dim, 1, at);
    }
    while (b.len % 32 != 0) {
        put(&b, 0, 1);
    }
    put_numbers(&b, 0, m->down_columns * m->rank);
    put_numbers(&b, 1, m->up_rows * m->rank);
    put_numbers(&b, 2, dim);
    memcpy(b.data + b.len - 4, &m->spoilt, 4);
    put_numbers(&b, 3, dim);
    path = write_temp("map.gguf", b.data, b.len);
    rag_buf_free(&b);
    return path;
}

static rag_encoder *encoder(rag_encoder_info *info) {
    rag_encoder_options o = {1, "onednn-f32", ""};
    rag_encoder *e;
    assert_ok(rag_encoder_open(DATA "tiny-unigram.gguf", &o, &e, ERR));
    rag_encoder_describe(e, info);
    return e;
}

static int open_map(const rag_encoder *e, const map_file *m, uint64_t dim,
                    rag_query_map **out) {
    char *path = write_map(m, dim);
    int rc = rag_query_map_open(path, e, out, ERR);
    (void)unlink(path);
    free(path);
    return rc;
}

static map_file good(const rag_encoder_info *e) {
    uint64_t dim = (uint64_t)e->dim;
    return (map_file){"query-map", e->fingerprint, dim, dim, RANK, 3, 0.5f};
}

static void a_vector_moves_by_the_formula(void **state) {
    rag_encoder_info info;
    rag_encoder *e = encoder(&info);
    size_t dim = (size_t)info.dim;
    map_file m = good(&info);
    rag_query_map *map;
    rag_query_map_info about;
    float v[1024], *q = v;
    double want[1024], length = 0;
    (void)state;
    assert_true(dim % 8 == 0 && dim <= 1024); /* the bias ends its block */
    assert_ok(open_map(e, &m, dim, &map));
    rag_encoder_close(e); /* nothing of it is needed any more */
    rag_query_map_describe(map, &about);
    assert_int_equal(about.rank, RANK);
    for (size_t i = 0; i < dim; i++) {
        q[i] = (float)(i % 5) - 2;
    }
    for (size_t i = 0; i < dim; i++) {
        want[i] = q[i] + (i + 1 < dim ? number(2, i) : 0.5);
        for (size_t r = 0; r < RANK; r++) {
            double low = 0;
            for (size_t j = 0; j < dim; j++) {
                low += (double)number(0, r * dim + j) * q[j];
            }
            want[i] += number(1, i * RANK + r) * low;
        }
        length += want[i] * want[i];
    }
    rag_query_map_apply(map, v);
    for (size_t i = 0; i < dim; i++) {
        assert_float_equal(v[i], want[i] / sqrt(length), 1e-5);
    }
    rag_query_map_close(map);
}

#define assert_refused(change, code, words)                                    \
    do {                                                                       \
        map_file m = good(&info);                                              \
        rag_query_map *none = NULL;                                            \
        change;                                                                \
        assert_int_equal(open_map(e, &m, (uint64_t)info.dim, &none), code);    \
        assert_null(none);                                                     \
        if (!strstr(test_error.message, words)) {                              \
            fail_msg("\"%s\" does not say \"%s\"", test_error.message, words); \
        }                                                                      \
    } while (0)

static void unfitting_files_are_refused(void **state) {
    rag_encoder_info info;
    rag_encoder *e = encoder(&info);
    rag_query_map *map = NULL;
    (void)state;
    assert_refused(m.type = "adapter", RAG_E_UNSUPPORTED, "query-map");
    assert_refused(m.type = NULL, RAG_E_UNSUPPORTED, "general.type");
    assert_refused(m.encoder = "0123", RAG_E_UNSUPPORTED, "another encoder");
    assert_refused(m.encoder = NULL, RAG_E_UNSUPPORTED, "another encoder");
    assert_refused(m.down_columns += 8, RAG_E_CORRUPT, "down.weight");
    assert_refused(m.up_rows -= 8, RAG_E_CORRUPT, "up.weight");
    assert_refused(m.rank = 257, RAG_E_CORRUPT, "rank 257");
    assert_refused(m.tensors = 2, RAG_E_CORRUPT, "bias is missing");
    assert_refused(m.tensors = 4, RAG_E_UNSUPPORTED, "3 tensors");
    assert_refused(m.spoilt = NAN, RAG_E_CORRUPT, "no number");
    assert_refused(m.spoilt = INFINITY, RAG_E_CORRUPT, "no number");
    assert_int_not_equal(rag_query_map_open("/nowhere/map.gguf", e, &map, ERR),
                         0);
    assert_int_not_equal(
        rag_query_map_open(DATA "tiny-unigram.gguf", e, &map, ERR), 0);
    rag_encoder_close(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_moves_by_the_formula),
        cmocka_unit_test(unfitting_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
