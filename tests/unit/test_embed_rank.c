/*
 * Promises: a rank head gives the scores of an independent implementation
 * (tests/eval/reference_reader.py), of one layer and of two; the fast kernels
 * rank as the exact one; scores come in the caller's order; models without a
 * head, with another one, or behind an endpoint say so; a re-ranker gives no
 * vectors.
 */
#include "test_embed_support.h"

#include "base/buf.h"

typedef struct family {
    const char *model, *lines;
} family;

static const family families[] = {
    {DATA "tiny-unigram-rank.gguf", DATA "tiny-unigram-rank.jsonl"},
    {DATA "tiny-wordpiece-rank.gguf", DATA "tiny-wordpiece-rank.jsonl"},
};

static rag_encoder *open_with(const char *path, const char *kernel) {
    rag_encoder_options o = {2, kernel, "", NULL};
    rag_encoder *e;
    int rc = rag_encoder_open(path, &o, &e, ERR);
    if (rc == RAG_E_UNSUPPORTED && strstr(test_error.message, "CPU")) {
        return NULL;
    }
    assert_ok(rc);
    return e;
}

static rag_text field(const json_t *line, const char *key) {
    const json_t *t = json_object_get(line, key);
    return (rag_text){json_string_value(t), json_string_length(t)};
}

/* Pairs of lines with different scores that got and want order alike. */
static double agreement(const double *want, const float *got, size_t n) {
    size_t same = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (fabs(want[i] - want[j]) > 0.05) {
                all++;
                same += (want[i] > want[j]) == (got[i] > got[j]);
            }
        }
    }
    return (double)same / (double)all;
}

static void scores_equal_the_reference(void **state) {
    static const char *const kernels[] = {"onednn-f32", "avx512-vnni", "avx2",
                                          "portable"};
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        json_t *lines = read_lines(families[f].lines);
        size_t n = json_array_size(lines);
        for (size_t k = 0; k < 4; k++) {
            rag_encoder *e = open_with(families[f].model, kernels[k]);
            double want[100], worst = 0;
            float got[100];
            assert_true(n > 40 && n <= 100);
            for (size_t from = 0, to; e && from < n; from = to) {
                const json_t *line = json_array_get(lines, from);
                rag_text q = field(line, "query"), p[100];
                for (to = from; to < n; to++) {
                    line = json_array_get(lines, to);
                    if (strcmp(field(line, "query").s, q.s) != 0) {
                        break;
                    }
                    p[to - from] = field(line, "passage");
                    want[to] =
                        json_number_value(json_object_get(line, "score"));
                }
                assert_ok(
                    rag_encoder_rank(e, &q, p, to - from, got + from, ERR));
            }
            if (!e) {
                print_message("this CPU cannot run %s\n", kernels[k]);
                continue;
            }
            for (size_t i = 0; i < n; i++) {
                worst = fmax(worst, fabs(want[i] - (double)got[i]));
            }
            if (k == 0 ? worst > 2e-4 : agreement(want, got, n) < 0.97) {
                fail_msg("%s with %s: off by %g, %.3f in order",
                         families[f].model, kernels[k], worst,
                         agreement(want, got, n));
            }
            rag_encoder_close(e);
        }
        json_decref(lines);
    }
}

/* More pairs than run together, of all lengths. */
static void scores_come_in_the_callers_order(void **state) {
    enum { MANY = 600 };
    static char words[MANY][80];
    static rag_text p[MANY];
    static float scores[MANY];
    rag_text q = {"the leave", 9};
    rag_encoder *e = open_with(families[0].model, NULL);
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        p[i] = (rag_text){words[i], i * 31 % 80};
        for (size_t j = 0; j < p[i].len; j++) {
            words[i][j] = "hello world of leave "[(i + j) % 21];
        }
    }
    assert_ok(rag_encoder_rank(e, &q, p, MANY, scores, ERR));
    for (size_t i = 0; i < MANY; i += 7) {
        float alone;
        assert_ok(rag_encoder_rank(e, &q, &p[i], 1, &alone, ERR));
        assert_true(fabsf(alone - scores[i]) < 1e-4f);
    }
    assert_ok(rag_encoder_rank(e, &q, p, 0, scores, ERR));
    p[0] = (rag_text){NULL, 0};
    assert_ok(rag_encoder_rank(e, &p[0], p, 1, scores, ERR));
    rag_encoder_close(e);
}

static void models_without_a_head_say_so(void **state) {
    rag_text t = {"hello", 5};
    float v[32];
    rag_encoder *e = open_with(DATA "tiny-unigram.gguf", NULL);
    rag_encoder_remote cfg = {
        .url = "http://127.0.0.1:9/v1", .model = "far", .dim = 32};
    (void)state;
    assert_int_equal(rag_encoder_rank(e, &t, &t, 1, v, ERR), RAG_E_UNSUPPORTED);
    assert_non_null(strstr(test_error.message, "no rank head"));
    rag_encoder_close(e);
    e = open_with(families[0].model, NULL);
    assert_int_equal(rag_encoder_encode(e, RAG_TEXT_RAW, &t, 1, v, NULL, ERR),
                     RAG_E_UNSUPPORTED);
    assert_non_null(strstr(test_error.message, "no vectors"));
    rag_encoder_close(e);
    assert_ok(rag_encoder_open_remote(&cfg, &e, ERR));
    assert_int_equal(rag_encoder_rank(e, &t, &t, 1, v, ERR), RAG_E_UNSUPPORTED);
    assert_non_null(strstr(test_error.message, "remote"));
    rag_encoder_close(e);
}

static int open_changed(const char *model, const char *name, const void *to,
                        size_t n, size_t behind) {
    rag_encoder_options o = {1, "onednn-f32", "", NULL};
    rag_buf file;
    rag_encoder *e = NULL;
    char *path, *at;
    int rc;
    rag_buf_init(&file, 0);
    assert_ok(rag_file_read(model, 1 << 20, &file, ERR));
    at = memmem(file.data, file.len, name, strlen(name));
    assert_non_null(at);
    memcpy(at + behind, to, n);
    path = write_temp("rank.gguf", file.data, file.len);
    rc = rag_encoder_open(path, &o, &e, ERR);
    rag_encoder_close(e);
    (void)unlink(path);
    free(path);
    rag_buf_free(&file);
    return rc;
}

static void other_heads_are_refused(void **state) {
    const char *two = families[1].model;
    (void)state;
    /* behind a name: dimensions (u32), sizes (u64 each); or a value's kind */
    assert_int_equal(open_changed(two, "cls.output.weight", "\x10", 1, 17 + 4),
                     RAG_E_UNSUPPORTED);
    assert_non_null(strstr(test_error.message, "one score"));
    assert_int_equal(open_changed(two, "cls.bias", "\x10", 1, 8 + 4),
                     RAG_E_CORRUPT);
    assert_non_null(strstr(test_error.message, "cls.bias"));
    /* the square layer alone gives no one score */
    assert_int_equal(open_changed(two, "cls.output.weight", "x", 1, 0),
                     RAG_E_UNSUPPORTED);
    /* a re-ranker without a head is damaged */
    assert_int_equal(open_changed(DATA "tiny-unigram.gguf", "bert.pooling_type",
                                  "\4", 1, 17 + 4),
                     RAG_E_CORRUPT);
    assert_non_null(strstr(test_error.message, "cls.output.weight"));
    /* a head beside vectors is welcome */
    assert_int_equal(open_changed(two, "bert.pooling_type", "\1", 1, 17 + 4),
                     0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_equal_the_reference),
        cmocka_unit_test(scores_come_in_the_callers_order),
        cmocka_unit_test(models_without_a_head_say_so),
        cmocka_unit_test(other_heads_are_refused),
    };
    return cmocka_run_group_tests_name("embed_rank", tests, NULL, NULL);
}
