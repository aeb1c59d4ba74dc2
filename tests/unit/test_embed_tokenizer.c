/*
 * Promises: Unigram and WordPiece give the ids of an independent
 * implementation; time is linear in the text's length; text never becomes a
 * control token; bad UTF-8 and hostile tables are survived.
 */
#include "test_embed_support.h"

#include "base/clock.h"
#include "embed/tokenizer.h"

static void compare(const char *model, const char *lines_path) {
    json_t *lines = read_lines(lines_path);
    rag_encoder_options opt = {.threads = 1, .pack_dir = ""};
    rag_encoder *e;
    assert_ok(rag_encoder_open(model, &opt, &e, ERR));
    assert_true(json_array_size(lines) > 10);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const json_t *want = json_object_get(line, "ids");
        rag_text t = text_of(line);
        int32_t *ids;
        size_t n;
        assert_ok(
            rag_encoder_tokenize(e, kind_of(line), t.s, t.len, &ids, &n, ERR));
        if (n != json_array_size(want)) {
            fail_msg("line %zu: %zu ids instead of %zu", i, n,
                     json_array_size(want));
        }
        for (size_t j = 0; j < n; j++) {
            assert_int_equal(ids[j],
                             json_integer_value(json_array_get(want, j)));
        }
        free(ids);
    }
    rag_encoder_close(e);
    json_decref(lines);
}

static void unigram_equals_the_reference(void **state) {
    (void)state;
    compare(DATA "tiny-unigram.gguf", DATA "tiny-unigram.jsonl");
}

static void wordpiece_equals_the_reference(void **state) {
    (void)state;
    compare(DATA "tiny-wordpiece.gguf", DATA "tiny-wordpiece.jsonl");
}

typedef struct opened {
    rag_gguf *g;
    rag_tokenizer *t;
} opened;

static opened open_model(const char *path) {
    opened o;
    assert_ok(rag_gguf_open(path, &o.g, ERR));
    assert_ok(rag_tokenizer_open(o.g, NULL, &o.t, ERR));
    return o;
}

static void close_model(opened o) {
    rag_tokenizer_close(o.t);
    rag_gguf_close(o.g);
}

static size_t steps(const rag_tokenizer *t, const char *s, size_t len) {
    rag_ids ids = {0};
    size_t n;
    assert_ok(rag_tokenizer_encode(t, s, len, false, SIZE_MAX, &ids, ERR));
    n = ids.n;
    rag_ids_free(&ids);
    return n;
}

/* A text without spaces, where a quadratic search would not end. */
static void long_runs_are_linear(void **state) {
    static const char *const models[] = {DATA "tiny-unigram.gguf",
                                         DATA "tiny-wordpiece.gguf"};
    size_t len = (size_t)3 << 20;
    char *s = malloc(len);
    (void)state;
    assert_non_null(s);
    for (int m = 0; m < 2; m++) {
        opened o = open_model(models[m]);
        memset(s, 'l', len);
        assert_true(steps(o.t, s, len) >= 1);
        memset(s, ' ', len);
        assert_true(steps(o.t, s, len) <= 1);
        for (size_t i = 0; i < len; i++) {
            s[i] = "hello "[i % 6];
        }
        assert_true(steps(o.t, s, len - len % 6) >= len / 6);
        close_model(o);
    }
    free(s);
}

static void limit_stops_early_and_keeps_the_end(void **state) {
    opened o = open_model(DATA "tiny-unigram.gguf");
    char s[6000];
    rag_ids ids = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(s); i++) {
        s[i] = "hello "[i % 6];
    }
    assert_ok(rag_tokenizer_encode(o.t, s, sizeof(s), true, 10, &ids, ERR));
    assert_true(ids.n > 10 && ids.n < 40);
    assert_int_equal(ids.v[0], 0);
    assert_int_equal(ids.v[ids.n - 1], 2);
    rag_ids_free(&ids);
    close_model(o);
}

static void text_never_becomes_a_control_token(void **state) {
    static const char s[] = "<s></s><pad><unk> [CLS] [SEP] [PAD]";
    static const char *const models[] = {DATA "tiny-unigram.gguf",
                                         DATA "tiny-wordpiece.gguf"};
    (void)state;
    for (int m = 0; m < 2; m++) {
        opened o = open_model(models[m]);
        rag_ids ids = {0};
        int32_t unk = m == 0 ? 3 : 1;
        assert_ok(rag_tokenizer_encode(o.t, s, sizeof(s) - 1, false, SIZE_MAX,
                                       &ids, ERR));
        assert_true(ids.n > 10);
        for (size_t i = 0; i < ids.n; i++) {
            assert_true(ids.v[i] > 3 || ids.v[i] == unk);
        }
        rag_ids_free(&ids);
        close_model(o);
    }
}

static void bad_utf8_is_survived(void **state) {
    static const char *const models[] = {DATA "tiny-unigram.gguf",
                                         DATA "tiny-wordpiece.gguf"};
    uint32_t seed = 3;
    (void)state;
    for (int m = 0; m < 2; m++) {
        opened o = open_model(models[m]);
        for (int i = 0; i < 2000; i++) {
            size_t n = (size_t)(i % 40);
            char *s = malloc(n + 1);
            assert_non_null(s);
            for (size_t j = 0; j < n; j++) {
                seed = seed * 1664525u + 1013904223u;
                s[j] = (char)(seed >> 16);
            }
            (void)steps(o.t, s, n);
            free(s);
        }
        close_model(o);
    }
}

/* Whatever a trie's units or a normaliser's table hold, no step leaves it. */
static void hostile_tables_are_survived(void **state) {
    enum { UNITS = 512 };
    rag_trie_unit units[UNITS];
    rag_trie t = {units, UNITS, 0};
    unsigned char table[4 + 4 * UNITS + 16];
    uint32_t seed = 11, size = 4 * UNITS;
    (void)state;
    for (int round = 0; round < 300; round++) {
        rag_charsmap map;
        for (size_t i = 0; i < UNITS; i++) {
            seed = seed * 1664525u + 1013904223u;
            units[i].base = seed >> (round % 24);
            seed = seed * 1664525u + 1013904223u;
            units[i].check = (seed >> 8) % 600;
        }
        for (uint32_t node = 0, c = 0, v; c < 256; c++) {
            uint32_t next = rag_trie_step(&t, node, (unsigned char)c);
            if (next != RAG_TRIE_FREE) {
                assert_true(next < UNITS);
                node = next;
                (void)rag_trie_value(&t, node, &v);
            }
        }
        for (size_t i = 0; i < sizeof(table); i++) {
            seed = seed * 1664525u + 1013904223u;
            table[i] = (unsigned char)(seed >> 16);
        }
        memcpy(table, &size, 4);
        table[sizeof(table) - 1] = 0;
        assert_ok(rag_charsmap_open(table, sizeof(table), "x", &map, ERR));
        for (unsigned i = 0; i < 3000; i++) {
            char s[6];
            const char *out;
            size_t len, used;
            for (size_t j = 0; j < sizeof(s); j++) {
                seed = seed * 1664525u + 1013904223u;
                s[j] = (char)(seed >> 16);
            }
            used = rag_charsmap_next(&map, s, sizeof(s), &out, &len);
            assert_true(used >= 1 && used <= sizeof(s));
        }
    }
}

static void damaged_normalisers_are_refused(void **state) {
    static const unsigned char cut[] = {8, 0, 0, 0, 1, 2, 3, 4};
    static const unsigned char odd[] = {3, 0, 0, 0, 1, 2, 3, 0};
    static const unsigned char open_end[] = {4, 0, 0, 0, 1, 2, 3, 4, 'a'};
    static const unsigned char no_pool[] = {4, 0, 0, 0, 1, 2, 3, 4};
    rag_charsmap m;
    rag_error err;
    (void)state;
    assert_int_equal(rag_charsmap_open(cut, sizeof(cut), "f", &m, &err),
                     RAG_E_CORRUPT);
    assert_int_equal(rag_charsmap_open(odd, sizeof(odd), "f", &m, &err),
                     RAG_E_CORRUPT);
    assert_int_equal(
        rag_charsmap_open(open_end, sizeof(open_end), "f", &m, &err),
        RAG_E_CORRUPT);
    assert_int_equal(rag_charsmap_open(no_pool, sizeof(no_pool), "f", &m, &err),
                     RAG_E_CORRUPT);
    assert_int_equal(rag_charsmap_open(cut, 3, "f", &m, &err), RAG_E_CORRUPT);
    assert_int_equal(rag_charsmap_open(NULL, 0, "f", &m, &err), 0);
}

static void trie_finds_its_keys_and_no_others(void **state) {
    enum { KEYS = 5000 };
    static char names[KEYS][12];
    rag_trie_key *keys = calloc(KEYS + 1, sizeof(*keys));
    rag_trie_unit *units;
    rag_trie t = {0};
    (void)state;
    assert_non_null(keys);
    for (uint32_t i = 0; i < KEYS; i++) {
        int n = snprintf(names[i], sizeof(names[i]), "%x", i * 2654435761u);
        keys[i] = (rag_trie_key){names[i], (uint32_t)n, i};
    }
    keys[KEYS] = keys[17]; /* twice, with a higher value */
    keys[KEYS].value = KEYS;
    assert_ok(rag_trie_build(keys, KEYS + 1, &units, &t.n, ERR));
    t.units = units;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t node = 0, v = KEYS + 1;
        for (const char *p = names[i]; *p; p++) {
            node = rag_trie_step(&t, node, (unsigned char)*p);
            assert_int_not_equal(node, RAG_TRIE_FREE);
        }
        assert_true(rag_trie_value(&t, node, &v));
        assert_int_equal(v, i);
        node = rag_trie_step(&t, node, 'z');
        assert_int_equal(node, RAG_TRIE_FREE);
    }
    free(units);
    free(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unigram_equals_the_reference),
        cmocka_unit_test(wordpiece_equals_the_reference),
        cmocka_unit_test(long_runs_are_linear),
        cmocka_unit_test(limit_stops_early_and_keeps_the_end),
        cmocka_unit_test(text_never_becomes_a_control_token),
        cmocka_unit_test(bad_utf8_is_survived),
        cmocka_unit_test(hostile_tables_are_survived),
        cmocka_unit_test(damaged_normalisers_are_refused),
        cmocka_unit_test(trie_finds_its_keys_and_no_others),
    };
    return cmocka_run_group_tests_name("embed_tokenizer", tests, NULL, NULL);
}
