/*
 * Promises: matches are byte-exact in both languages; no text makes a
 * pattern run for long; a bad pattern is refused with the place; one pattern
 * serves many threads.
 */
#include "base/pattern.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rag_pattern *open_pattern(const char *source, unsigned flags) {
    rag_pattern *p;
    rag_error err;
    rag_error_clear(&err);
    if (rag_pattern_open(source, flags, &p, &err) != 0)
        fail_msg("%s", err.message);
    return p;
}

/* Where source first matches text from `from`: -1 for nowhere. */
static long find(const char *source, unsigned flags, const char *text,
                 size_t from, rag_match *m) {
    rag_pattern *p = open_pattern(source, flags);
    bool found;
    rag_error err;
    assert_int_equal(
        rag_pattern_find(p, text, strlen(text), from, &found, m, &err), 0);
    rag_pattern_close(p);
    return found ? (long)m->start[0] : -1;
}

static void test_matches(void **state) {
    rag_match m;
    (void)state;
    assert_int_equal(find("나", 0, "가나다", 0, &m), 3);
    assert_int_equal(m.end[0], 6);
    assert_int_equal(m.groups, 1);
    assert_int_equal(find("x", 0, "가나다", 0, &m), -1);
    assert_int_equal(find("a", 0, "aba", 1, &m), 2);
    assert_int_equal(find("^a", 0, "aa", 1, &m), -1);
    assert_int_equal(find("(?<=a)b", 0, "ab", 1, &m), 1);
    assert_int_equal(find("$", 0, "ab", 2, &m), 2);
    assert_int_equal(find("ß", RAG_PATTERN_CASELESS, "Aẞ", 0, &m), 1);
    assert_int_equal(find("^b$", RAG_PATTERN_MULTILINE, "a\r\nb\nc", 0, &m), 3);
    assert_int_equal(find("^b$", 0, "a\nb\nc", 0, &m), -1);
    /* Unicode's words, digits and spaces, not ASCII's. */
    assert_int_equal(find("\\w+", 0, "  통장!", 0, &m), 2);
    assert_int_equal(m.end[0], 8);
    assert_int_equal(find("\\b다\\b", 0, "가다 다", 0, &m), 7);
    assert_int_equal(find("\\s", 0, "가\u3000", 0, &m), 3);
    assert_int_equal(find("", 0, "", 0, &m), 0);
}

static void test_groups(void **state) {
    rag_match m;
    (void)state;
    assert_int_equal(find("(\\d+)(x)?(원)?", 0, "약 1000원", 0, &m), 4);
    assert_int_equal(m.groups, 4);
    assert_int_equal(m.start[1], 4);
    assert_int_equal(m.end[1], 8);
    assert_true(m.start[2] == (size_t)-1 && m.end[2] == (size_t)-1);
    assert_int_equal(m.start[3], 8);
    assert_int_equal(m.end[3], 11);
    assert_true(m.start[4] == (size_t)-1);
    assert_true(m.start[RAG_PATTERN_GROUPS_MAX - 1] == (size_t)-1);
}

static void test_without_a_place_for_the_match(void **state) {
    rag_pattern *p = open_pattern("a", 0);
    bool found = false;
    rag_error err;
    (void)state;
    assert_int_equal(rag_pattern_find(p, "ba", 2, 0, &found, NULL, &err), 0);
    assert_true(found);
    assert_int_equal(rag_pattern_find(p, NULL, 0, 0, &found, NULL, &err), 0);
    assert_false(found);
    assert_int_equal(rag_pattern_find(p, "a", 1, 2, &found, NULL, &err),
                     RAG_E_INTERNAL);
    /* len counts, not a NUL. */
    assert_int_equal(rag_pattern_find(p, "b\0a", 3, 0, &found, NULL, &err), 0);
    assert_true(found);
    rag_pattern_close(p);
    rag_pattern_close(NULL);
}

static void test_bad_patterns(void **state) {
    rag_pattern *p = (rag_pattern *)1;
    rag_error err;
    (void)state;
    assert_int_equal(rag_pattern_open("a(b", 0, &p, &err), RAG_E_DATA);
    assert_null(p);
    assert_non_null(strstr(err.message, "/a(b/ is wrong at byte 3"));
    assert_int_equal(rag_pattern_open("\xFF", 0, &p, &err), RAG_E_DATA);
    assert_int_equal(rag_pattern_open("a\\C", 0, &p, &err), RAG_E_DATA);
    /* As many groups as there is place for, and one more. */
    char source[4 * RAG_PATTERN_GROUPS_MAX + 1] = "";
    for (int i = 0; i < RAG_PATTERN_GROUPS_MAX - 1; i++)
        memcpy(source + 3 * i, "(a)", 4);
    assert_int_equal(rag_pattern_open(source, 0, &p, &err), 0);
    rag_pattern_close(p);
    memcpy(source + 3 * (RAG_PATTERN_GROUPS_MAX - 1), "(a)", 4);
    assert_int_equal(rag_pattern_open(source, 0, &p, &err), RAG_E_LIMIT);
    char *large = malloc(70000);
    assert_non_null(large);
    memset(large, 'a', 69999);
    large[69999] = '\0';
    assert_int_equal(rag_pattern_open(large, 0, &p, &err), RAG_E_LIMIT);
    free(large);
}

/* Without limits each of these takes longer than the world lasts; the
 * runner's time-out is the judge. */
static void test_runaway_patterns_are_stopped(void **state) {
    static const char *const sources[] = {"(a+)+$", "(a|aa)+$", "(a|a?)+$",
                                          "^(([a-z])+.)+[A-Z]([a-z])+$",
                                          "(?:(?:a*)*)*b"};
    char text[4001];
    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 2] = '!';
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        /* (*NO_JIT) shows that the interpreter is bound as well. */
        for (int jit = 0; jit < 2; jit++) {
            char source[80];
            bool found;
            rag_error err;
            rag_match m;
            snprintf(source, sizeof source, "%s%s", jit ? "" : "(*NO_JIT)",
                     sources[i]);
            rag_pattern *p = open_pattern(source, 0);
            int rc =
                rag_pattern_find(p, text, sizeof text - 1, 0, &found, &m, &err);
            assert_true(rc == RAG_E_LIMIT || (rc == 0 && !found));
            rag_pattern_close(p);
        }
    }
    bool found;
    rag_error err;
    rag_pattern *p = open_pattern("(a+)+$", 0);
    assert_int_equal(
        rag_pattern_find(p, text, sizeof text - 1, 0, &found, NULL, &err),
        RAG_E_LIMIT);
    assert_false(found);
    rag_pattern_close(p);
    /* Deep recursion ends in an error, not in the stack's end. */
    p = open_pattern("(a(?1)?b?)", 0);
    int rc = rag_pattern_find(p, text, sizeof text - 1, 0, &found, NULL, &err);
    assert_true(rc == 0 || rc == RAG_E_LIMIT);
    rag_pattern_close(p);
}

static void *count_words(void *arg) {
    const rag_pattern *p = arg;
    static const char text[] = "통장 개설 how to open an account 은행";
    intptr_t words = 0;
    for (int i = 0; i < 200; i++) {
        size_t from = 0;
        bool found = true;
        rag_match m;
        while (rag_pattern_find(p, text, sizeof text - 1, from, &found, &m,
                                NULL) == 0 &&
               found) {
            words++;
            from = m.end[0];
        }
    }
    return (void *)words;
}

static void test_one_pattern_many_threads(void **state) {
    rag_pattern *p = open_pattern("\\w+", 0);
    pthread_t t[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_words, p), 0);
    for (int i = 0; i < 4; i++) {
        void *words;
        pthread_join(t[i], &words);
        assert_int_equal((intptr_t)words, 200 * 8);
    }
    rag_pattern_close(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_without_a_place_for_the_match),
        cmocka_unit_test(test_bad_patterns),
        cmocka_unit_test(test_runaway_patterns_are_stopped),
        cmocka_unit_test(test_one_pattern_many_threads),
    };
    return cmocka_run_group_tests_name("base/pattern", tests, NULL, NULL);
}
