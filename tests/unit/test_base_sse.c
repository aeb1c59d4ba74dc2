/*
 * Promises: an event stream gives the same events however its bytes are cut,
 * by the rules of WHATWG HTML 9.2.6; an event without an end is bounded; the
 * receiver can stop.
 */
#include "base/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct got {
    rag_buf text;
    int events, stop_at;
} got;

/* "name(data)" for each event. */
static int note(void *user, const char *event, const char *data, size_t len) {
    got *g = user;
    g->events++;
    assert_int_equal(data[len], '\0');
    assert_int_equal(rag_buf_printf(&g->text, NULL, "%s(", event), 0);
    assert_int_equal(rag_buf_append(&g->text, data, len, NULL), 0);
    assert_int_equal(rag_buf_append_str(&g->text, ")", NULL), 0);
    return g->stop_at && g->events == g->stop_at ? 77 : 0;
}

/* Feeds s in pieces of `piece` bytes and compares the events. */
static void expect_cut(const char *s, size_t n, size_t piece,
                       const char *want) {
    rag_sse sse;
    rag_error err;
    got g = {.events = 0};
    rag_sse_init(&sse, 4096);
    for (size_t i = 0; i < n; i += piece)
        assert_int_equal(rag_sse_feed(&sse, s + i,
                                      n - i < piece ? n - i : piece, note, &g,
                                      &err),
                         0);
    assert_string_equal(rag_buf_str(&g.text), want);
    rag_sse_free(&sse);
    rag_buf_free(&g.text);
}

static void expect(const char *s, const char *want) {
    for (size_t piece = 1; piece <= strlen(s) + 1; piece++)
        expect_cut(s, strlen(s), piece, want);
}

static void test_fields(void **state) {
    (void)state;
    expect("data: one\n\n", "message(one)");
    expect("data:one\n\n", "message(one)");
    expect("data:  one \n\n", "message( one )");
    expect("event: add\ndata: 1\n\ndata: 2\n\n", "add(1)message(2)");
    expect("data: a\ndata: b\ndata:\n\n", "message(a\nb\n)");
    expect("data\n\n", "message()");
    expect("data: [DONE]\n\n", "message([DONE])");
    expect("data: {\"a\":\"나\"}\n\n", "message({\"a\":\"나\"})");
    /* Nothing to give: no data, a comment, a field without use. */
    expect("event: x\n\n: ping\n\nid: 3\nretry: 5\nfoo: x\n\n", "");
    /* An event name without data is forgotten. */
    expect("event: x\n\ndata: 1\n\n", "message(1)");
    expect("Data: x\ndatas: y\n\n", "");
    /* The end without a blank line gives nothing. */
    expect("data: 1\n\ndata: 2\n", "message(1)");
    expect("data: 2", "");
    expect("", "");
}

static void test_line_ends(void **state) {
    (void)state;
    expect("data: 1\r\n\r\ndata: 2\r\rdata: 3\n\n",
           "message(1)message(2)message(3)");
    expect("data: 1\r\ndata: 2\r\n\r\n", "message(1\n2)");
    expect("\r\n\n\r\rdata: 1\r\n\n", "message(1)");
    expect("\xEF\xBB\xBF"
           "data: 1\n\n\xEF\xBB\xBF"
           "data: 2\n\n",
           "message(1)");
}

static void test_nul_bytes_are_data(void **state) {
    static const char s[] = "data: a\0b\n\n";
    rag_sse sse;
    got g = {.events = 0};
    (void)state;
    rag_sse_init(&sse, 100);
    assert_int_equal(rag_sse_feed(&sse, s, sizeof s - 1, note, &g, NULL), 0);
    assert_int_equal(g.text.len, strlen("message(") + 3 + 1);
    assert_memory_equal(g.text.data, "message(a\0b)", g.text.len);
    rag_sse_free(&sse);
    rag_buf_free(&g.text);
    static const char name[] = "event: a\0b\ndata: 1\n\n";
    expect_cut(name, sizeof name - 1, 5, "message(1)");
}

/* Feeds head, n times fill, then tail; returns the first failure. */
static int feed_many(size_t max, const char *head, const char *fill, size_t n,
                     const char *tail, got *g, rag_error *err) {
    rag_sse sse;
    rag_sse_init(&sse, max);
    int rc = rag_sse_feed(&sse, head, strlen(head), note, g, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = rag_sse_feed(&sse, fill, strlen(fill), note, g, err);
    if (rc == 0)
        rc = rag_sse_feed(&sse, tail, strlen(tail), note, g, err);
    rag_sse_free(&sse);
    return rc;
}

static void test_limits(void **state) {
    rag_error err;
    got g = {.events = 0};
    (void)state;
    /* In one line: the limit itself fits, one byte more does not. */
    assert_int_equal(feed_many(100, "data: ", "x", 100, "\n\n", &g, &err), 0);
    assert_int_equal(g.events, 1);
    assert_int_equal(feed_many(100, "data: ", "x", 101, "\n\n", &g, &err),
                     RAG_E_LIMIT);
    assert_non_null(strstr(err.message, "100 bytes"));
    /* Over lines. */
    assert_int_equal(feed_many(100, "", "data: x\n", 50, "\n", &g, &err), 0);
    assert_int_equal(feed_many(100, "", "data: x\n", 51, "\n", &g, &err),
                     RAG_E_LIMIT);
    /* Lines that never end, and never matter. */
    assert_int_equal(feed_many(100, ":", "x", 1000, "", &g, &err), RAG_E_LIMIT);
    assert_int_equal(feed_many(4096, "event: ", "x", 1000, "\n", &g, &err),
                     RAG_E_LIMIT);
    /* Many small ones are no large one. */
    g.events = 0;
    assert_int_equal(
        feed_many(100, "", "event: e\ndata: x\n\n", 1000, "", &g, &err), 0);
    assert_int_equal(g.events, 1000);
    rag_buf_free(&g.text);
}

static void test_receiver_stops(void **state) {
    rag_sse sse;
    got g = {.stop_at = 2};
    const char *s = "data: 1\n\ndata: 2\n\ndata: 3\n\n";
    (void)state;
    rag_sse_init(&sse, 0);
    assert_int_equal(rag_sse_feed(&sse, s, strlen(s), note, &g, NULL), 77);
    assert_string_equal(rag_buf_str(&g.text), "message(1)message(2)");
    rag_sse_free(&sse);
    rag_sse_free(NULL);
    rag_buf_free(&g.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_nul_bytes_are_data),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_receiver_stops),
    };
    return cmocka_run_group_tests_name("base/sse", tests, NULL, NULL);
}
