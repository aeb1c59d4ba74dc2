/*
 * Promises: a GGUF file's numbers are read as written, in every supported
 * type; a damaged or hostile file is refused with a message that names file
 * and reason, and never read outside its bytes.
 */
#include "test_embed_support.h"

#include "embed/bert.h"
#include "embed/gguf.h"

static void types_are_read_as_written(void **state) {
    json_t *lines = read_lines(DATA "types.jsonl");
    rag_gguf *g;
    (void)state;
    assert_ok(rag_gguf_open(DATA "types.gguf", &g, ERR));
    assert_int_equal(rag_gguf_tensor_count(g), json_array_size(lines));
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const char *name = json_string_value(json_object_get(line, "name"));
        const json_t *want = json_object_get(line, "numbers");
        const rag_gguf_tensor *t = rag_gguf_tensor_find(g, name);
        assert_non_null(t);
        assert_string_equal(rag_gguf_type_name(t->type), name);
        assert_int_equal(t->dims[0], 256);
        assert_int_equal(t->rows, 2);
        for (size_t r = 0; r < 2; r++) {
            float got[256];
            rag_gguf_row(t, r, got);
            for (size_t j = 0; j < 256; j++) {
                double w = json_number_value(json_array_get(want, r * 256 + j));
                if (fabs(w - (double)got[j]) > 1e-6 * (fabs(w) + 1)) {
                    fail_msg("%s[%zu][%zu] is %g, not %g", name, r, j,
                             (double)got[j], w);
                }
            }
        }
    }
    json_decref(lines);
    rag_gguf_close(g);
}

static void close_null_is_harmless(void **state) {
    (void)state;
    rag_gguf_close(NULL);
    rag_bert_close(NULL);
}

/* --- small files made here --- */

typedef struct maker {
    unsigned char b[4096];
    size_t n;
} maker;

static void put(maker *m, const void *p, size_t n) {
    assert_true(m->n + n <= sizeof(m->b));
    memcpy(m->b + m->n, p, n);
    m->n += n;
}

static void put32(maker *m, uint32_t v) {
    put(m, &v, 4);
}

static void put64(maker *m, uint64_t v) {
    put(m, &v, 8);
}

static void put_str(maker *m, const char *s) {
    put64(m, strlen(s));
    put(m, s, strlen(s));
}

static void head(maker *m, uint64_t tensors, uint64_t values) {
    m->n = 0;
    put(m, "GGUF", 4);
    put32(m, 3);
    put64(m, tensors);
    put64(m, values);
}

static void tensor(maker *m, const char *name, uint32_t type, uint64_t a,
                   uint64_t b, uint64_t offset) {
    put_str(m, name);
    put32(m, 2);
    put64(m, a);
    put64(m, b);
    put32(m, type);
    put64(m, offset);
}

static void refused(const maker *m, rag_code code, const char *word) {
    rag_gguf *g;
    rag_error err = {0};
    /* a copy of exactly that size, so that a sanitizer sees every step past
     * its end */
    unsigned char *copy = malloc(m->n ? m->n : 1);
    assert_non_null(copy);
    memcpy(copy, m->b, m->n);
    assert_int_equal(rag_gguf_open_memory(copy, m->n, "x.gguf", &g, &err),
                     code);
    assert_null(g);
    if (!strstr(err.message, word) || !strstr(err.message, "x.gguf")) {
        fail_msg("\"%s\" does not say \"%s\"", err.message, word);
    }
    free(copy);
}

static void hostile_heads_are_refused(void **state) {
    maker m = {.n = 0};
    (void)state;
    refused(&m, RAG_E_CORRUPT, "not a GGUF");
    put(&m, "GGML", 4);
    refused(&m, RAG_E_CORRUPT, "not a GGUF");
    m.n = 0;
    put(&m, "GGUF", 4);
    refused(&m, RAG_E_CORRUPT, "ends");
    put32(&m, 1);
    refused(&m, RAG_E_UNSUPPORTED, "version 1");
    head(&m, RAG_GGUF_TENSORS_MAX + 1, 0);
    refused(&m, RAG_E_CORRUPT, "too many");
    head(&m, 0, RAG_GGUF_KEYS_MAX + 1);
    refused(&m, RAG_E_CORRUPT, "too many");
    head(&m, 0, UINT64_MAX);
    refused(&m, RAG_E_CORRUPT, "too many");
    head(&m, 3, 3);
    refused(&m, RAG_E_CORRUPT, "ends");
}

static void hostile_values_are_refused(void **state) {
    maker m;
    (void)state;
    head(&m, 0, 1);
    put64(&m, RAG_GGUF_NAME_MAX + 1);
    refused(&m, RAG_E_CORRUPT, "name");
    head(&m, 0, 1);
    put64(&m, UINT64_MAX);
    refused(&m, RAG_E_CORRUPT, "name");
    head(&m, 0, 1);
    put64(&m, 3);
    put(&m, "a\0b", 3);
    put32(&m, RAG_GGUF_U32);
    put32(&m, 1);
    refused(&m, RAG_E_CORRUPT, "zero byte");
    head(&m, 0, 1);
    put_str(&m, "k");
    put32(&m, 99);
    refused(&m, RAG_E_CORRUPT, "unknown kind");
    head(&m, 0, 1); /* an array of arrays */
    put_str(&m, "k");
    put32(&m, RAG_GGUF_ARRAY);
    put32(&m, RAG_GGUF_ARRAY);
    put64(&m, 1);
    refused(&m, RAG_E_CORRUPT, "unknown kind");
    head(&m, 0, 1);
    put_str(&m, "k");
    put32(&m, RAG_GGUF_ARRAY);
    put32(&m, RAG_GGUF_U64);
    put64(&m, UINT64_MAX / 4);
    refused(&m, RAG_E_CORRUPT, "too long");
    head(&m, 0, 1);
    put_str(&m, "k");
    put32(&m, RAG_GGUF_ARRAY);
    put32(&m, RAG_GGUF_U64);
    put64(&m, 1000);
    refused(&m, RAG_E_CORRUPT, "ends");
    head(&m, 0, 1);
    put_str(&m, "k");
    put32(&m, RAG_GGUF_STRING);
    put64(&m, UINT64_MAX);
    refused(&m, RAG_E_CORRUPT, "string");
    head(&m, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_str(&m, "same");
        put32(&m, RAG_GGUF_U8);
        put(&m, "", 1);
    }
    refused(&m, RAG_E_CORRUPT, "twice");
    head(&m, 0, 1);
    put_str(&m, "general.alignment");
    put32(&m, RAG_GGUF_U32);
    put32(&m, 24);
    refused(&m, RAG_E_CORRUPT, "power of two");
    head(&m, 0, 1);
    put_str(&m, "general.alignment");
    put32(&m, RAG_GGUF_U32);
    put32(&m, 0);
    refused(&m, RAG_E_CORRUPT, "general.alignment");
}

static void hostile_tensors_are_refused(void **state) {
    static const unsigned char zeros[256 + 32] = {0};
    static const struct {
        uint32_t type;
        uint64_t a, b, offset;
        rag_code code;
        const char *word;
    } cases[] = {
        {99, 32, 1, 0, RAG_E_UNSUPPORTED, "type 99"},
        {RAG_GGUF_T_F32, 0, 1, 0, RAG_E_CORRUPT, "size"},
        {RAG_GGUF_T_F32, UINT64_MAX, 1, 0, RAG_E_CORRUPT, "size"},
        {RAG_GGUF_T_F32, 16, UINT64_MAX / 16, 0, RAG_E_CORRUPT, "size"},
        {RAG_GGUF_T_F32, 1024, 1024, 0, RAG_E_CORRUPT, "larger"},
        {RAG_GGUF_T_Q4_0, 33, 1, 0, RAG_E_CORRUPT, "blocks"},
        {RAG_GGUF_T_F32, 4, 1, 7, RAG_E_CORRUPT, "aligned"},
        {RAG_GGUF_T_F32, 4, 1, UINT64_MAX - 31, RAG_E_CORRUPT, "larger"},
        {RAG_GGUF_T_F32, 4, 1, 256, RAG_E_CORRUPT, "past the end"},
        {RAG_GGUF_T_F32, 32, 2, 32, RAG_E_CORRUPT, "past the end"},
    };
    maker m;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        head(&m, 1, 0);
        tensor(&m, "t", cases[i].type, cases[i].a, cases[i].b, cases[i].offset);
        put(&m, zeros, (32 - m.n % 32) % 32 + 256);
        refused(&m, cases[i].code, cases[i].word);
    }
    head(&m, 2, 0);
    tensor(&m, "t", RAG_GGUF_T_F32, 4, 1, 0);
    tensor(&m, "t", RAG_GGUF_T_F32, 4, 1, 32);
    put(&m, zeros, (32 - m.n % 32) % 32 + 256);
    refused(&m, RAG_E_CORRUPT, "twice");
    head(&m, 1, 0);
    put_str(&m, "t");
    put32(&m, 5);
    refused(&m, RAG_E_CORRUPT, "dimensions");
    head(&m, 1, 0);
    tensor(&m, "t", RAG_GGUF_T_F32, 4, 1, 0);
    refused(&m, RAG_E_CORRUPT, "ends before its tensors");
}

/* Every kind of damage to a real file: it opens or is refused, and what
 * opens can be read without leaving its bytes. */
static void open_damaged(const unsigned char *p, size_t n) {
    unsigned char *copy = malloc(n ? n : 1);
    rag_gguf *g;
    rag_bert *m;
    rag_error err;
    assert_non_null(copy);
    memcpy(copy, p, n);
    if (rag_gguf_open_memory(copy, n, "damaged", &g, &err) == 0) {
        if (rag_bert_open(g, &m, &err) == 0) {
            float x[RAG_BERT_HIDDEN_MAX], y[RAG_BERT_HIDDEN_MAX];
            rag_bert_embed(m, (int32_t)m->vocab - 1, m->positions - 1, true, x,
                           y);
            rag_bert_close(m);
        }
        rag_gguf_close(g);
    }
    free(copy);
}

static void cuts_and_flips_never_crash(void **state) {
    rag_buf b;
    uint32_t seed = 7;
    (void)state;
    rag_buf_init(&b, 0);
    assert_ok(rag_file_read(DATA "tiny-unigram.gguf", 1 << 20, &b, ERR));
    for (size_t n = 0; n < b.len; n += n < 6000 ? 13 : 997) {
        open_damaged((unsigned char *)b.data, n);
    }
    for (int i = 0; i < 3000; i++) {
        size_t at;
        char old;
        seed = seed * 1664525u + 1013904223u;
        at = (seed >> 8) % 7000;
        old = b.data[at];
        b.data[at] = (char)(seed >> 3);
        open_damaged((unsigned char *)b.data, b.len);
        b.data[at] = old;
    }
    rag_buf_free(&b);
}

/* A change of one key or tensor: what is wrong is said by name. */
static void unsupported_models_are_named(void **state) {
    static const struct {
        const char *from, *to;
        rag_code code;
        const char *word;
    } cases[] = {
        {"\4\0\0\0\0\0\0\0bert", "\4\0\0\0\0\0\0\0nope", RAG_E_UNSUPPORTED,
         "nope"},
        {"position_embd.weight", "position_xxxx.weight", RAG_E_UNSUPPORTED,
         "rotary"},
        {"bert.pooling_type\4\0\0\0\1", "bert.pooling_type\4\0\0\0\3",
         RAG_E_UNSUPPORTED, "pooling_type 3"},
        {"blk.1.ffn_up.weight", "blk.1.ffn_xx.weight", RAG_E_CORRUPT,
         "blk.1.ffn_up.weight"},
        {"bert.block_count", "bert.block_xxxxx", RAG_E_CORRUPT,
         "bert.block_count"},
        {"blk.0.attn_q.bias", "blk.0.ffn_gate.xx", 0, ""},
        {"token_embd.weight", "token_xxxx.weight", RAG_E_CORRUPT,
         "token_embd.weight"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = i == 0 ? 12 : i == 2 ? 22 : strlen(cases[i].from);
        rag_gguf *g;
        rag_bert *m;
        rag_error err = {0};
        rag_buf b;
        char *at;
        rag_buf_init(&b, 0);
        assert_ok(rag_file_read(DATA "tiny-unigram.gguf", 1 << 20, &b, ERR));
        at = memmem(b.data, b.len, cases[i].from, n);
        assert_non_null(at);
        memcpy(at, cases[i].to, n);
        assert_ok(rag_gguf_open_memory(b.data, b.len, "model", &g, ERR));
        assert_int_equal(rag_bert_open(g, &m, &err), cases[i].code);
        if (cases[i].code != 0 && !strstr(err.message, cases[i].word)) {
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].word);
        }
        rag_bert_close(m);
        rag_gguf_close(g);
        rag_buf_free(&b);
    }
}

/* Architectures whose tensors look alike and mean something else. */
static void other_architectures_are_refused_by_name(void **state) {
    static const char *const names[] = {
        "nomic-bert",   "nomic-bert-moe",
        "jina-bert-v2", "jina-bert-v3",
        "modern-bert",  "neo-bert",
        "eurobert",     "gemma-embedding",
        "bert2",        "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        maker m;
        rag_gguf *g;
        rag_bert *bert;
        rag_error err = {0};
        char quoted[64];
        head(&m, 0, 1);
        put_str(&m, "general.architecture");
        put32(&m, RAG_GGUF_STRING);
        put_str(&m, names[i]);
        assert_ok(rag_gguf_open_memory(m.b, m.n, "model", &g, ERR));
        assert_int_equal(rag_bert_open(g, &bert, &err), RAG_E_UNSUPPORTED);
        assert_null(bert);
        (void)snprintf(quoted, sizeof(quoted), "\"%s\"", names[i]);
        assert_non_null(strstr(err.message, quoted));
        rag_gguf_close(g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_read_as_written),
        cmocka_unit_test(close_null_is_harmless),
        cmocka_unit_test(hostile_heads_are_refused),
        cmocka_unit_test(hostile_values_are_refused),
        cmocka_unit_test(hostile_tensors_are_refused),
        cmocka_unit_test(cuts_and_flips_never_crash),
        cmocka_unit_test(unsupported_models_are_named),
        cmocka_unit_test(other_architectures_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("embed_gguf", tests, NULL, NULL);
}
