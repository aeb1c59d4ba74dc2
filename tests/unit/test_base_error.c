/*
 * Promises: every code has a name, a word and an exit status; a message is
 * one line of valid UTF-8 without control characters, cut at a character;
 * NULL is allowed everywhere.
 */
#include "base/error.h"
#include "base/unicode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_every_code_is_described(void **state) {
    (void)state;
    for (int c = 0; c < RAG_CODE_COUNT; c++) {
        assert_string_not_equal(rag_code_word((rag_code)c), "unknown error");
        assert_string_not_equal(rag_code_name((rag_code)c), "unknown");
        int status = rag_code_exit_status((rag_code)c);
        assert_true(c == RAG_OK ? status == 0 : status >= 64 && status <= 78);
        for (int d = 0; d < c; d++)
            assert_string_not_equal(rag_code_name((rag_code)c),
                                    rag_code_name((rag_code)d));
    }
    assert_string_equal(rag_code_name(RAG_E_TIMEOUT), "timeout");
    assert_string_equal(rag_code_word(RAG_E_TIMEOUT), "timed out");
    assert_string_equal(rag_code_name((rag_code)1000), "unknown");
    assert_string_equal(rag_code_word((rag_code)1000), "unknown error");
    assert_int_equal(rag_code_exit_status((rag_code)1000), 70);
}

static void test_set_prefix_clear(void **state) {
    rag_error e;
    (void)state;
    assert_int_equal(rag_error_set(&e, RAG_E_DATA, "line %d", 3), RAG_E_DATA);
    assert_int_equal(e.code, RAG_E_DATA);
    assert_string_equal(e.message, "line 3");
    assert_int_equal(rag_error_prefix(&e, "%s", "a.jsonl"), RAG_E_DATA);
    assert_string_equal(e.message, "a.jsonl: line 3");
    assert_int_equal(
        rag_error_errno(&e, RAG_E_IO, ENOENT, "cannot open %s", "x"), RAG_E_IO);
    assert_string_equal(e.message, "cannot open x: No such file or directory");
    assert_int_equal(rag_error_errno(&e, RAG_E_IO, 99999, "x"), RAG_E_IO);
    assert_string_equal(e.message, "x: error number 99999");
    /* Its own message may be an argument. */
    rag_error_set(&e, RAG_E_BUSY, "inner");
    rag_error_set(&e, e.code, "outer (%s)", e.message);
    assert_string_equal(e.message, "outer (inner)");
    rag_error_clear(&e);
    assert_int_equal(e.code, RAG_OK);
    assert_string_equal(e.message, "");
}

static void test_null_is_allowed(void **state) {
    (void)state;
    assert_int_equal(rag_error_set(NULL, RAG_E_IO, "x"), RAG_E_IO);
    assert_int_equal(rag_error_errno(NULL, RAG_E_IO, EIO, "x"), RAG_E_IO);
    assert_int_not_equal(rag_error_prefix(NULL, "x"), 0);
    rag_error_clear(NULL);
}

static void test_message_is_one_clean_line(void **state) {
    rag_error e;
    (void)state;
    rag_error_set(&e, RAG_E_DATA, "a\nb\x1b[2J%s", "\r\x7f\xC2\x9B 가\n");
    assert_string_equal(e.message, "a b [2J    가");
    rag_error_set(&e, RAG_E_DATA, "x\u202Ey\u2028z");
    assert_string_equal(e.message, "x y z");
    rag_error_set(&e, RAG_E_DATA, "\xFFx\xEA\xB0");
    assert_string_equal(e.message, "?x??");
    rag_error_set(&e, RAG_E_DATA, "%s", "");
    assert_string_equal(e.message, "");
}

static void test_long_message_is_cut_at_a_character(void **state) {
    char text[4096];
    rag_error e;
    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        size_t n = shift;
        while (n + 4 < sizeof text) {
            memcpy(text + n, "가", 3);
            n += 3;
        }
        text[n] = '\0';
        rag_error_set(&e, RAG_E_DATA, "%s", text);
        size_t len = strlen(e.message);
        assert_true(len < RAG_ERROR_MESSAGE_MAX &&
                    len > RAG_ERROR_MESSAGE_MAX - 5);
        assert_true(rag_utf8_valid(e.message, len, NULL));
        assert_null(strchr(e.message, '?'));
        assert_int_equal(rag_error_prefix(&e, "p"), RAG_E_DATA);
        assert_true(rag_utf8_valid(e.message, strlen(e.message), NULL));
        assert_memory_equal(e.message, "p: ", 3);
        rag_error_errno(&e, RAG_E_IO, EIO, "%s", text);
        assert_true(rag_utf8_valid(e.message, strlen(e.message), NULL));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_is_described),
        cmocka_unit_test(test_set_prefix_clear),
        cmocka_unit_test(test_null_is_allowed),
        cmocka_unit_test(test_message_is_one_clean_line),
        cmocka_unit_test(test_long_message_is_cut_at_a_character),
    };
    return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
