/*
 * Promises: a buffer never passes its ceiling, keeps what it had when it
 * would, and always ends in NUL; numbers and dates are taken whole, within
 * their range, or refused.
 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_growing(void **state) {
    rag_buf b;
    rag_error err;
    (void)state;
    rag_buf_init(&b, 0);
    assert_string_equal(rag_buf_str(&b), "");
    for (int i = 0; i < 100000; i++)
        assert_int_equal(rag_buf_append_char(&b, (char)('a' + i % 26), &err),
                         0);
    assert_int_equal(b.len, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    assert_int_equal(b.data[b.len], '\0');
    rag_buf_clear(&b);
    assert_string_equal(b.data, "");
    assert_int_equal(rag_buf_append_str(&b, "x", &err), 0);
    assert_int_equal(rag_buf_printf(&b, &err, "-%d-%s", 7, "가"), 0);
    assert_int_equal(rag_buf_append_codepoint(&b, 0x1F600, &err), 0);
    assert_int_equal(rag_buf_append(&b, NULL, 0, &err), 0);
    assert_string_equal(b.data, "x-7-가\U0001F600");
    assert_int_equal(rag_buf_append_codepoint(&b, 0xD800, &err), RAG_E_DATA);
    rag_buf_free(&b);
    assert_null(b.data);
    assert_int_equal(rag_buf_append_str(&b, "again", &err), 0);
    rag_buf_free(&b);
    rag_buf_free(&b);
    rag_buf_free(NULL);
}

static void test_ceiling(void **state) {
    rag_buf b;
    rag_error err;
    (void)state;
    rag_buf_init(&b, 8);
    assert_int_equal(rag_buf_append_str(&b, "12345678", &err), 0);
    assert_int_equal(rag_buf_append_char(&b, '9', &err), RAG_E_LIMIT);
    assert_non_null(strstr(err.message, "8 bytes"));
    assert_string_equal(b.data, "12345678");
    assert_int_equal(rag_buf_reserve(&b, SIZE_MAX, &err), RAG_E_LIMIT);
    assert_int_equal(rag_buf_reserve(&b, SIZE_MAX - 8, &err), RAG_E_LIMIT);
    assert_int_equal(rag_buf_reserve(&b, 0, &err), 0);
    rag_buf_clear(&b);
    assert_int_equal(rag_buf_printf(&b, &err, "%s", "123456789"), RAG_E_LIMIT);
    assert_string_equal(b.data, "");
    assert_int_equal(rag_buf_printf(&b, &err, "%s", "12345678"), 0);
    rag_buf_free(&b);
    assert_int_equal(b.max, 8); /* the ceiling outlives the memory */
    rag_buf_init(&b, 0);
    assert_int_equal(rag_buf_reserve(&b, RAG_BUF_MAX_DEFAULT + 1, &err),
                     RAG_E_LIMIT);
    assert_null(b.data);
}

static void test_steal(void **state) {
    rag_buf b;
    rag_error err;
    char *p;
    size_t n;
    (void)state;
    rag_buf_init(&b, 0);
    assert_int_equal(rag_buf_steal(&b, &p, &n, &err), 0);
    assert_non_null(p);
    assert_string_equal(p, "");
    assert_int_equal(n, 0);
    free(p);
    assert_int_equal(rag_buf_append(&b, "a\0b", 3, &err), 0);
    assert_int_equal(rag_buf_steal(&b, &p, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(p, "a\0b", 4);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    free(p);
    assert_int_equal(rag_buf_append_str(&b, "new", &err), 0);
    assert_int_equal(rag_buf_steal(&b, &p, NULL, &err), 0);
    assert_string_equal(p, "new");
    free(p);
}

static void test_strings(void **state) {
    rag_error err;
    char *p = (char *)1;
    (void)state;
    assert_int_equal(rag_str_dup(NULL, &p, &err), 0);
    assert_null(p);
    assert_int_equal(rag_str_dup("가", &p, &err), 0);
    assert_string_equal(p, "가");
    free(p);
    assert_int_equal(rag_str_dup_n("abc", 2, &p, &err), 0);
    assert_string_equal(p, "ab");
    free(p);
    assert_int_equal(rag_str_dup_n("abc", SIZE_MAX, &p, &err), RAG_E_NOMEM);
    assert_null(p);
    assert_true(rag_str_starts("abc", "ab"));
    assert_true(rag_str_starts("abc", ""));
    assert_false(rag_str_starts("ab", "abc"));
    assert_true(rag_str_ends("abc", "bc"));
    assert_true(rag_str_ends("abc", ""));
    assert_false(rag_str_ends("bc", "abc"));
    assert_false(rag_str_ends("abc", "ab"));
}

static void test_numbers(void **state) {
    static const char *const no_long[] = {
        "",    " 1", "1 ",  "1x",  "x",
        "+",   "-",  "--1", "0x1", "1.0",
        "1e3", "９", "11",  "-11", "99999999999999999999"};
    static const char *const no_double[] = {
        "",    " 1",  "1 ", "1x",  "x",   ".",    "+",  "-.",  "0x1",
        "inf", "nan", "1e", "1e+", "1,5", "1..2", "11", "-11", "1e999"};
    rag_error err;
    long l;
    double d;
    (void)state;
    for (size_t i = 0; i < sizeof no_long / sizeof *no_long; i++)
        assert_int_equal(rag_str_to_long(no_long[i], -10, 10, &l, &err),
                         RAG_E_DATA);
    assert_int_equal(rag_str_to_long(NULL, -10, 10, &l, &err), RAG_E_DATA);
    assert_int_equal(rag_str_to_long("-10", -10, 10, &l, &err), 0);
    assert_int_equal(l, -10);
    assert_int_equal(rag_str_to_long("+10", -10, 10, &l, &err), 0);
    assert_int_equal(l, 10);
    assert_int_equal(rag_str_to_long("007", -10, 10, &l, &err), 0);
    assert_int_equal(l, 7);
    for (size_t i = 0; i < sizeof no_double / sizeof *no_double; i++)
        assert_int_equal(rag_str_to_double(no_double[i], -10, 10, &d, &err),
                         RAG_E_DATA);
    assert_int_equal(rag_str_to_double(NULL, -10, 10, &d, &err), RAG_E_DATA);
    static const struct {
        const char *s;
        double v;
    } yes[] = {{"0.5", 0.5}, {"-10", -10}, {"5.", 5},
               {".5", 0.5},  {"1e1", 10},  {"-25E-1", -2.5}};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        assert_int_equal(rag_str_to_double(yes[i].s, -10, 10, &d, &err), 0);
        assert_true(d == yes[i].v);
    }
}

/* Seconds of s under the zone, which the program sets for itself. */
static long long at(const char *zone, const char *s, bool end) {
    long long v = -1;
    rag_error err;
    setenv("TZ", zone, 1);
    tzset();
    assert_int_equal(rag_str_to_time(s, end, &v, &err), 0);
    return v;
}

static void test_times(void **state) {
    (void)state;
    assert_int_equal(at("UTC", "1970-01-01", false), 0);
    assert_int_equal(at("UTC", "1970-01-01", true), 86399);
    assert_int_equal(at("UTC", "1969-12-31T23:59:59", false), -1);
    assert_int_equal(at("UTC", "2026-03-01", false), 1772323200);
    assert_int_equal(at("KST-9", "2026-03-01", false), 1772323200 - 9 * 3600);
    assert_int_equal(at("KST-9", "2026-03-01", true),
                     1772323200 - 9 * 3600 + 86399);
    /* A zone in the text wins over the local one. */
    assert_int_equal(at("KST-9", "2026-03-01T00:00:00Z", false), 1772323200);
    assert_int_equal(at("UTC", "2026-03-01T09:00:00+09:00", false), 1772323200);
    assert_int_equal(at("UTC", "2026-03-01T09:00+0900", false), 1772323200);
    assert_int_equal(at("UTC", "2026-03-01 09:00:00.75+09", false), 1772323200);
    assert_int_equal(at("UTC", "2026-02-28T18:30:00-05:30", false), 1772323200);
    /* A time of day is no whole day. */
    assert_int_equal(at("UTC", "2026-03-01T00:00:00", true), 1772323200);
    assert_int_equal(at("UTC", "2024-02-29", false), 1709164800);
    assert_int_equal(at("UTC", "2016-12-31T23:59:60Z", false), 1483228800);
    /* The day the clocks go forward has 23 hours. */
    assert_int_equal(at("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29", true) -
                         at("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29", false),
                     23 * 3600 - 1);
}

static void test_bad_times(void **state) {
    static const char *const bad[] = {
        "",
        "2026",
        "2026-3-1",
        "2026-13-01",
        "2026-00-01",
        "2026-02-30",
        "2025-02-29",
        "1900-02-29",
        "2026-04-31",
        "2026-01-00",
        "0000-01-01",
        "20260301",
        "2026/03/01",
        " 2026-03-01",
        "2026-03-01 ",
        "2026-03-01T",
        "2026-03-01T24:00",
        "2026-03-01T10",
        "2026-03-01T10:60",
        "2026-03-01T10:00:61",
        "2026-03-01T10:00:00.",
        "2026-03-01T10:00:00+",
        "2026-03-01T10:00:00+9",
        "2026-03-01T10:00:00+09:0",
        "2026-03-01T10:00:00+24:00",
        "2026-03-01T10:00:00+09:60",
        "2026-03-01T10:00:00Zx",
        "2026-03-01x",
        "내일",
    };
    rag_error err;
    long long v;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (rag_str_to_time(bad[i], false, &v, &err) != RAG_E_DATA)
            fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(rag_str_to_time(NULL, false, &v, &err), RAG_E_DATA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing),   cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_steal),     cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_times),
        cmocka_unit_test(test_bad_times),
    };
    return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
