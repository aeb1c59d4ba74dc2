/*
 * Promise: a WordPiece model repacked by third_party/models/convert_bert.py
 * gives the token ids of its own tokenizer and the vectors of its original
 * float32 weights (tests/eval/reference_bert.py), where
 * "./setup model minilm" has fetched it.
 */
#include "test_embed_support.h"

#define MODEL "models/all-minilm-l6-v2-f16.gguf"

static void repacked_model_equals_its_original(void **state) {
    static const struct {
        const char *kernel;
        double worst, mean;
    } kernels[] = {{"onednn-f32", 0.99999, 0.99999},
                   {"avx512-vnni", 0.997, 0.999},
                   {"avx2", 0.997, 0.999}};
    json_t *lines = read_lines(DATA "minilm.jsonl");
    char *cache, *path;
    (void)state;
    assert_ok(rag_path_place(RAG_PLACE_CACHE, &cache, ERR));
    assert_ok(rag_path_join(cache, MODEL, &path, ERR));
    free(cache);
    if (!rag_file_exists(path)) {
        print_message("skipped: %s is not there\n", path);
        json_decref(lines);
        free(path);
        skip();
    }
    for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++) {
        rag_encoder_options o = {2, kernels[k].kernel, "", NULL};
        rag_encoder_info info;
        rag_encoder *e;
        double worst = 2, mean = 0;
        int rc = rag_encoder_open(path, &o, &e, ERR);
        if (rc == RAG_E_UNSUPPORTED && strstr(test_error.message, "CPU")) {
            print_message("this CPU cannot run %s\n", kernels[k].kernel);
            continue;
        }
        assert_ok(rc);
        rag_encoder_describe(e, &info);
        assert_string_equal(info.name, "all-MiniLM-L6-v2");
        assert_int_equal(info.dim, 384);
        assert_int_equal(info.max_tokens, 256);
        for (size_t i = 0; i < json_array_size(lines); i++) {
            const json_t *line = json_array_get(lines, i);
            const json_t *want = json_object_get(line, "ids");
            rag_text t = text_of(line);
            float v[384];
            int32_t *ids;
            size_t n;
            double c;
            assert_ok(rag_encoder_tokenize(e, kind_of(line), t.s, t.len, &ids,
                                           &n, ERR));
            if (n != json_array_size(want)) {
                fail_msg("text %zu: %zu ids instead of %zu", i, n,
                         json_array_size(want));
            }
            for (size_t j = 0; j < n; j++) {
                assert_int_equal(ids[j],
                                 json_integer_value(json_array_get(want, j)));
            }
            free(ids);
            assert_ok(
                rag_encoder_encode(e, kind_of(line), &t, 1, v, NULL, ERR));
            c = cosine(v, line, 384);
            worst = c < worst ? c : worst;
            mean += c / (double)json_array_size(lines);
        }
        print_message("%s: worst cosine %.6f, mean %.6f\n", kernels[k].kernel,
                      worst, mean);
        assert_true(worst >= kernels[k].worst && mean >= kernels[k].mean);
        rag_encoder_close(e);
    }
    json_decref(lines);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repacked_model_equals_its_original),
    };
    return cmocka_run_group_tests_name("embed_minilm", tests, NULL, NULL);
}
