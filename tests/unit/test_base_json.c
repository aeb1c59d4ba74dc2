/*
 * Promises: foreign JSON is one strict UTF-8 value without duplicate keys,
 * within size and depth, or an error that says where; fields have the type
 * and range they must have; what is written comes back the same.
 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *s, json_t **v, rag_error *err) {
    rag_error_clear(err);
    return rag_json_parse(s, strlen(s), 1 << 20, v, err);
}

static void test_any_value(void **state) {
    const char *good[] = {"{}",     "[]",   "\"가\"",       "1",
                          "-0.5e3", "true", " \n null\t\r", "[1,{\"a\":[]}]"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        json_t *v;
        rag_error err;
        assert_int_equal(parse(good[i], &v, &err), 0);
        assert_non_null(v);
        json_decref(v);
    }
}

static void test_refused(void **state) {
    static const struct {
        const char *s, *says;
    } bad[] = {
        {"", "1:1"},
        {"   ", NULL},
        {"{", NULL},
        {"{\"a\":1", NULL},
        {"{\"a\":1}}", NULL},
        {"{} {}", NULL},
        {"{'a':1}", NULL},
        {"{\"a\":1,}", NULL},
        {"[1 2]", NULL},
        {"[01]", NULL},
        {"[NaN]", NULL},
        {"[1e999]", NULL},
        {"[99999999999999999999]", NULL},
        {"\"a\nb\"", NULL},
        {"\"\\u0000\"", NULL},
        {"\"\\ud800\"", NULL},
        {"\"\xC0\xAF\"", NULL},
        {"\"\xED\xA0\x80\"", NULL},
        {"\"\xFF\"", NULL},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"{\"a\":1,\"\\u0061\":2}", "duplicate"},
        {"{\n  \"a\": x\n}", "2:"},
        {"\xEF\xBB\xBF{}", NULL},
        {"// no\n{}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *v = (json_t *)1;
        rag_error err;
        assert_int_equal(parse(bad[i].s, &v, &err), RAG_E_DATA);
        assert_null(v);
        assert_non_null(strstr(err.message, "bad JSON at "));
        if (bad[i].says)
            assert_non_null(strstr(err.message, bad[i].says));
    }
}

static void test_message_is_clean(void **state) {
    json_t *v;
    rag_error err;
    (void)state;
    assert_int_equal(parse("[\x1b[2J]", &v, &err), RAG_E_DATA);
    assert_null(strchr(err.message, '\x1b'));
    assert_int_equal(parse("{\"a\": \xEA\xB0}", &v, &err), RAG_E_DATA);
    for (const char *p = err.message; *p; p++)
        assert_true((unsigned char)*p < 0x80);
}

static void nest(rag_buf *b, size_t depth, const char *open,
                 const char *close) {
    rag_buf_clear(b);
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(rag_buf_append_str(b, open, NULL), 0);
    assert_int_equal(rag_buf_append_str(b, "1", NULL), 0);
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(rag_buf_append_str(b, close, NULL), 0);
}

static void test_depth(void **state) {
    rag_buf b;
    json_t *v;
    rag_error err;
    (void)state;
    rag_buf_init(&b, 0);
    nest(&b, RAG_JSON_DEPTH_MAX, "[", "]");
    assert_int_equal(parse(b.data, &v, &err), 0);
    json_decref(v);
    nest(&b, RAG_JSON_DEPTH_MAX + 1, "[", "]");
    assert_int_equal(parse(b.data, &v, &err), RAG_E_LIMIT);
    assert_non_null(strstr(err.message, "1:65"));
    nest(&b, RAG_JSON_DEPTH_MAX / 2 + 1, "{\"a\":[", "]}");
    assert_int_equal(parse(b.data, &v, &err), RAG_E_LIMIT);
    nest(&b, 300000, "[", "]");
    assert_int_equal(parse(b.data, &v, &err), RAG_E_LIMIT);
    /* Brackets in strings are none, behind escaped quotes too. */
    rag_buf_clear(&b);
    assert_int_equal(rag_buf_append_str(&b, "\"\\\"\\\\\\\"", NULL), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(rag_buf_append_str(&b, "[{", NULL), 0);
    assert_int_equal(rag_buf_append_str(&b, "\"", NULL), 0);
    assert_int_equal(parse(b.data, &v, &err), 0);
    json_decref(v);
    /* And many in a row are not deep. */
    rag_buf_clear(&b);
    assert_int_equal(rag_buf_append_str(&b, "[1", NULL), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(rag_buf_append_str(&b, ",[{}]", NULL), 0);
    assert_int_equal(rag_buf_append_str(&b, "]", NULL), 0);
    assert_int_equal(parse(b.data, &v, &err), 0);
    json_decref(v);
    rag_buf_free(&b);
}

static void test_size(void **state) {
    json_t *v;
    rag_error err;
    (void)state;
    assert_int_equal(rag_json_parse("[1,2]", 5, 5, &v, &err), 0);
    json_decref(v);
    assert_int_equal(rag_json_parse("[1,2]", 5, 4, &v, &err), RAG_E_LIMIT);
    assert_null(v);
    /* n counts, not a NUL: what is behind it is not read. */
    assert_int_equal(rag_json_parse("[1]x", 3, 5, &v, &err), 0);
    json_decref(v);
    assert_int_equal(rag_json_parse("[1]\0", 4, 5, &v, &err), RAG_E_DATA);
    assert_int_equal(rag_json_parse(NULL, 0, 5, &v, &err), RAG_E_DATA);
}

static void test_dump_round_trip(void **state) {
    const char *same[] = {
        "{\"b\":1,\"a\":[true,null,0.1,-2.5,\"통장 \\\"개설\\\" \\n\"]}",
        "\"\\u001b\\\\/\"", "[]", "123456789012345", "0.123456789012345"};
    rag_buf b;
    (void)state;
    rag_buf_init(&b, 0);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *v;
        rag_error err;
        assert_int_equal(parse(same[i], &v, &err), 0);
        rag_buf_clear(&b);
        assert_int_equal(rag_json_dump(v, &b, &err), 0);
        if (i != 1) /* \u001b is written as \u001B */
            assert_string_equal(b.data, same[i]);
        json_t *again;
        assert_int_equal(parse(b.data, &again, &err), 0);
        assert_true(json_equal(v, again));
        json_decref(v);
        json_decref(again);
    }
    rag_buf_free(&b);
}

static void test_dump_over_ceiling_keeps_what_was(void **state) {
    rag_buf b;
    rag_error err;
    json_t *v;
    (void)state;
    rag_buf_init(&b, 8);
    assert_int_equal(rag_buf_append_str(&b, "ab", NULL), 0);
    assert_int_equal(parse("[1,2,3,4,5]", &v, &err), 0);
    assert_int_equal(rag_json_dump(v, &b, &err), RAG_E_LIMIT);
    assert_string_equal(b.data, "ab");
    json_decref(v);
    rag_buf_free(&b);
}

static void test_fields(void **state) {
    json_t *o;
    rag_error err;
    const char *s;
    int64_t i;
    double d;
    bool b;
    (void)state;
    assert_int_equal(parse("{\"s\":\"x\",\"i\":5,\"f\":5.0,\"r\":2.5,"
                           "\"t\":true,\"z\":null,\"big\":1e300,"
                           "\"max\":9223372036854775807}",
                           &o, &err),
                     0);
    assert_int_equal(rag_json_str(o, "s", "d", &s, &err), 0);
    assert_string_equal(s, "x");
    assert_int_equal(rag_json_str(o, "none", "d", &s, &err), 0);
    assert_string_equal(s, "d");
    assert_int_equal(rag_json_str(o, "z", NULL, &s, &err), 0);
    assert_null(s);
    assert_int_equal(rag_json_str(o, "i", "d", &s, &err), RAG_E_DATA);
    assert_string_equal(err.message, "\"i\" must be a string");
    assert_null(s);

    assert_int_equal(rag_json_int(o, "i", 1, 0, 5, &i, &err), 0);
    assert_int_equal(i, 5);
    assert_int_equal(rag_json_int(o, "f", 1, 0, 5, &i, &err), 0);
    assert_int_equal(i, 5);
    assert_int_equal(rag_json_int(o, "none", 9, 0, 5, &i, &err), 0);
    assert_int_equal(i, 9);
    assert_int_equal(rag_json_int(o, "max", 0, 0, INT64_MAX, &i, &err), 0);
    assert_true(i == INT64_MAX);
    assert_int_equal(rag_json_int(o, "i", 1, 0, 4, &i, &err), RAG_E_DATA);
    assert_string_equal(err.message, "\"i\" must be from 0 to 4, not 5");
    assert_int_equal(rag_json_int(o, "i", 1, 6, 9, &i, &err), RAG_E_DATA);
    const char *no_int[] = {"r", "s", "t", "big"};
    for (int k = 0; k < 4; k++)
        assert_int_equal(
            rag_json_int(o, no_int[k], 1, INT64_MIN, INT64_MAX, &i, &err),
            RAG_E_DATA);

    assert_int_equal(rag_json_num(o, "r", 0, &d, &err), 0);
    assert_true(d == 2.5);
    assert_int_equal(rag_json_num(o, "i", 0, &d, &err), 0);
    assert_true(d == 5);
    assert_int_equal(rag_json_num(o, "none", 7, &d, &err), 0);
    assert_true(d == 7);
    assert_int_equal(rag_json_num(o, "s", 0, &d, &err), RAG_E_DATA);

    assert_int_equal(rag_json_bool(o, "t", false, &b, &err), 0);
    assert_true(b);
    assert_int_equal(rag_json_bool(o, "none", true, &b, &err), 0);
    assert_true(b);
    assert_int_equal(rag_json_bool(o, "i", true, &b, &err), RAG_E_DATA);
    json_decref(o);

    json_t *array = json_array();
    assert_int_equal(rag_json_str(array, "s", "d", &s, &err), RAG_E_DATA);
    assert_int_equal(rag_json_str(NULL, "s", "d", &s, &err), RAG_E_DATA);
    json_decref(array);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_value),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_message_is_clean),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_dump_round_trip),
        cmocka_unit_test(test_dump_over_ceiling_keeps_what_was),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
