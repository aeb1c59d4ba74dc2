/*
 * Promises: a log line is one line whatever its values hold, and JSON when
 * JSON is asked for; levels are kept; lines of threads do not mix; errno
 * survives.
 */
#include "base/json.h"
#include "base/log.h"
#include "base/unicode.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int out[2]; /* a pipe the log writes into */

static int setup(void **state) {
    (void)state;
    unsetenv("JOURNAL_STREAM");
    return pipe2(out, O_NONBLOCK);
}

static int teardown(void **state) {
    (void)state;
    rag_log_setup(RAG_LOG_WARN, RAG_LOG_TEXT, 2);
    close(out[0]);
    close(out[1]);
    return 0;
}

/* What was written since the last call; borrowed until the next. */
static char *take(void) {
    static char text[65536];
    ssize_t n = read(out[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* The line behind its time. */
static const char *take_line(void) {
    char *s = take();
    size_t n = strlen(s);
    assert_true(n > 26);
    assert_int_equal(s[n - 1], '\n');
    s[n - 1] = '\0';
    assert_null(strchr(s, '\n'));
    assert_int_equal(s[4], '-');
    assert_int_equal(s[10], 'T');
    assert_int_equal(s[23], 'Z');
    return s + 25;
}

static void test_text(void **state) {
    (void)state;
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_TEXT, out[1]);
    rag_log(RAG_LOG_INFO, "ask.done");
    assert_string_equal(take_line(), "info ask.done");
    rag_log(RAG_LOG_WARN, "ask.done", RAG_S("id", "7f3a"), RAG_I("ms", -812),
            RAG_D("score", 0.25), RAG_S("q", "통장 개설"), RAG_S("empty", ""),
            RAG_S("none", NULL), RAG_S("word", "통장"));
    assert_string_equal(take_line(),
                        "warn ask.done id=7f3a ms=-812 score=0.25 q=\"통장 "
                        "개설\" empty=\"\" none=- word=통장");
    rag_log(RAG_LOG_ERROR, "x", RAG_I("min", INT64_MIN), RAG_D("nan", NAN),
            RAG_D("inf", -INFINITY));
    assert_string_equal(take_line(),
                        "error x min=-9223372036854775808 nan=nan inf=-inf");
}

static void test_hostile_values(void **state) {
    static const struct {
        const char *in, *want;
    } t[] = {
        {"a\n2026-01-01T00:00:00.000Z error forged",
         "\"a\\n2026-01-01T00:00:00.000Z error forged\""},
        {"a\r\tb", "\"a\\r\\tb\""},
        {"\x1b[2J", "\"\\u001b[2J\""},
        {"\xC2\x9B[2J", "\"\\u009b[2J\""},
        {"a\" b=\"c", "\"a\\\" b=\\\"c\""},
        {"a=b", "\"a=b\""},
        {"a\\", "\"a\\\\\""},
        {"\xFF\xEA\xB0", "\"\\xff\\xea\\xb0\""},
        {"\u202Eabc\u2028", "\"\\u202eabc\\u2028\""},
        {"\U000E0041", "\"\\U000e0041\""},
        {"a\u3000b", "\"a\u3000b\""},
    };
    (void)state;
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_TEXT, out[1]);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char want[200];
        rag_log(RAG_LOG_INFO, "e", RAG_S("v", t[i].in));
        snprintf(want, sizeof want, "info e v=%s", t[i].want);
        assert_string_equal(take_line(), want);
    }
    /* A key and an event are escaped too. */
    rag_log(RAG_LOG_INFO, "e\nf", RAG_S("k\nl", "v"));
    assert_string_equal(take_line(), "info \"e\\nf\" \"k\\nl\"=v");
}

static json_t *take_json(void) {
    char *s = take();
    json_t *v;
    rag_error err;
    size_t n = strlen(s);
    assert_true(n > 1 && s[n - 1] == '\n');
    rag_error_clear(&err);
    if (rag_json_parse(s, n - 1, 65536, &v, &err) != 0)
        fail_msg("%s in %s", err.message, s);
    return v;
}

static void test_json(void **state) {
    (void)state;
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_JSON, out[1]);
    rag_log(RAG_LOG_INFO, "e", RAG_S("s", "a\n\"\x1b\xFF통장\U000E0041"),
            RAG_I("i", 5), RAG_D("d", 0.5), RAG_S("none", NULL),
            RAG_D("nan", NAN));
    json_t *v = take_json();
    assert_string_equal(json_string_value(json_object_get(v, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(v, "event")), "e");
    assert_string_equal(json_string_value(json_object_get(v, "s")),
                        "a\n\"\x1b\uFFFD통장\U000E0041");
    assert_int_equal(json_integer_value(json_object_get(v, "i")), 5);
    assert_true(json_real_value(json_object_get(v, "d")) == 0.5);
    assert_true(json_is_null(json_object_get(v, "none")));
    assert_true(json_is_null(json_object_get(v, "nan")));
    assert_int_equal(strlen(json_string_value(json_object_get(v, "time"))), 24);
    json_decref(v);
}

static void test_long_values_and_lines(void **state) {
    char *big = malloc(200001);
    rag_log_field many[64];
    (void)state;
    assert_non_null(big);
    for (size_t i = 0; i < 200000; i += 3)
        memcpy(big + i, "가", 3);
    big[199998] = '\0';
    for (int i = 0; i < 64; i++)
        many[i] = RAG_S("k", big);
    for (int format = 0; format < 2; format++) {
        rag_log_setup(RAG_LOG_DEBUG, (rag_log_format)format, out[1]);
        rag_log(RAG_LOG_INFO, "e", RAG_S("v", big), RAG_I("after", 1));
        const char *s = take();
        assert_true(strlen(s) < 2300);
        assert_true(rag_utf8_valid(s, strlen(s), NULL));
        assert_non_null(strstr(s, "가…\""));
        assert_non_null(strstr(s, "after"));
        /* Escapes that grow: still one line, with its end. */
        memset(big, 1, 200000);
        for (int i = 0; i < 64; i++)
            many[i] = RAG_S(i == 63 ? "last" : "k", i == 63 ? "z" : big);
        rag_log_line(RAG_LOG_INFO, "e", many, 64);
        s = take();
        assert_true(strlen(s) <= 8192);
        assert_int_equal(s[strlen(s) - 1], '\n');
        assert_null(memchr(s, '\n', strlen(s) - 1));
        assert_non_null(
            strstr(s, format ? "\"truncated\":true}" : " truncated=true\n"));
        assert_non_null(strstr(s, "last")); /* what fits is there */
        rag_log_line(RAG_LOG_INFO, big, NULL, 0);
        s = take();
        assert_non_null(strstr(s, format ? "\"event\":\"?\"" : " info ? "));
        for (size_t i = 0; i < 200000; i += 3)
            memcpy(big + i, "가", 3);
    }
    free(big);
}

static void test_levels(void **state) {
    rag_log_level l = RAG_LOG_ERROR;
    (void)state;
    rag_log_setup(RAG_LOG_WARN, RAG_LOG_TEXT, out[1]);
    rag_log(RAG_LOG_INFO, "no");
    rag_log(RAG_LOG_DEBUG, "no");
    assert_string_equal(take(), "");
    rag_log(RAG_LOG_WARN, "yes");
    assert_string_equal(take_line(), "warn yes");
    assert_true(rag_log_enabled(RAG_LOG_ERROR));
    assert_true(rag_log_enabled(RAG_LOG_WARN));
    assert_false(rag_log_enabled(RAG_LOG_INFO));
    assert_true(rag_log_level_from("debug", &l));
    assert_int_equal(l, RAG_LOG_DEBUG);
    assert_false(rag_log_level_from("loud", &l));
    assert_false(rag_log_level_from("", &l));
    assert_false(rag_log_level_from(NULL, &l));
    assert_int_equal(l, RAG_LOG_DEBUG);
}

static void test_journal(void **state) {
    char stream[64];
    struct stat st;
    (void)state;
    assert_int_equal(fstat(out[1], &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_TEXT, out[1]);
    rag_log(RAG_LOG_WARN, "e", RAG_I("i", 1));
    assert_string_equal(take(), "<4>warn e i=1\n");
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_JSON, out[1]);
    rag_log(RAG_LOG_DEBUG, "e");
    assert_true(strncmp(take(), "<7>{\"time\":", 11) == 0);
    /* Inherited by a program whose stderr leads elsewhere. */
    setenv("JOURNAL_STREAM", "1:1", 1);
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_TEXT, out[1]);
    rag_log(RAG_LOG_INFO, "e");
    assert_string_equal(take_line(), "info e");
    unsetenv("JOURNAL_STREAM");
}

static void test_errno_survives_and_a_dead_end_is_harmless(void **state) {
    (void)state;
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_TEXT, -1);
    errno = ENOENT;
    rag_log(RAG_LOG_INFO, "e");
    assert_int_equal(errno, ENOENT);
    /* A pipe that nobody empties: lines are lost, nobody waits. */
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_TEXT, out[1]);
    for (int i = 0; i < 10000; i++)
        rag_log(RAG_LOG_INFO, "flood", RAG_S("v", "0123456789"));
}

static void *chatter(void *arg) {
    char value[64];
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 100; i++) {
        memset(value, 'a' + me, sizeof value - 1);
        value[sizeof value - 1] = '\0';
        rag_log(RAG_LOG_INFO, "t", RAG_S("v", value));
    }
    return NULL;
}

static void test_threads_do_not_mix(void **state) {
    pthread_t t[4];
    char *text;
    int lines = 0;
    (void)state;
    rag_log_setup(RAG_LOG_DEBUG, RAG_LOG_TEXT, out[1]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&t[i], NULL, chatter, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    text = take();
    for (char *l = text, *end; (end = strchr(l, '\n')) != NULL; l = end + 1) {
        *end = '\0';
        const char *v = strstr(l, " info t v=");
        assert_non_null(v);
        v += 10;
        assert_int_equal(strlen(v), 63);
        assert_int_equal(strspn(v, (char[]){v[0], '\0'}), 63);
        lines++;
    }
    assert_int_equal(lines, 400);
}

#define WITH_PIPE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_PIPE(test_text),
        WITH_PIPE(test_hostile_values),
        WITH_PIPE(test_json),
        WITH_PIPE(test_long_values_and_lines),
        WITH_PIPE(test_levels),
        WITH_PIPE(test_journal),
        WITH_PIPE(test_errno_survives_and_a_dead_end_is_harmless),
        WITH_PIPE(test_threads_do_not_mix),
    };
    return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
