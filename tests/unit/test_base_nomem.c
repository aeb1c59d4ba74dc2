/*
 * Promise: out of memory is an error like another. Each allocation of a call
 * fails in turn; the call must end with RAG_E_NOMEM, give no output, leak
 * nothing (the leak sanitizer looks) and keep what its buffer held.
 *
 * The sources under test are compiled in here with an allocator of ours; the
 * library's copies are then not linked.
 */
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static long fail_at = -1; /* how many allocations still succeed; -1: all */
static long failures;
static bool others_words; /* jansson does not always say why it failed */

static int must_fail(void) {
    if (fail_at != 0) {
        if (fail_at > 0)
            fail_at--;
        return 0;
    }
    failures++;
    return 1;
}

static void *try_malloc(size_t n) {
    return must_fail() ? NULL : malloc(n);
}
static void *try_calloc(size_t n, size_t size) {
    return must_fail() ? NULL : calloc(n, size);
}
static void *try_realloc(void *p, size_t n) {
    return must_fail() ? NULL : realloc(p, n);
}

#define malloc try_malloc
#define calloc try_calloc
#define realloc try_realloc
#include "base/buf.c"
#include "base/file.c"
#include "base/path.c"
#include "base/unicode.c"
#include "base/hash.c"
#include "base/http.c"
#include "base/json.c"
#include "base/sse.c"
#undef malloc
#undef calloc
#undef realloc

/* Runs call with ever later failures until it succeeds; at least `least`
 * allocations must have failed on the way. */
static void torture(int (*call)(rag_error *err), long least) {
    failures = 0;
    for (long n = 0;; n++) {
        rag_error err;
        long before = failures;
        rag_error_clear(&err);
        fail_at = n;
        int rc = call(&err);
        fail_at = -1;
        if (failures == before) {
            assert_int_equal(rc, 0);
            break;
        }
        if (others_words) {
            assert_int_not_equal(rc, 0);
        } else {
            assert_int_equal(rc, RAG_E_NOMEM);
        }
        assert_int_equal(err.code, rc);
        assert_true(strlen(err.message) > 0);
        assert_true(n < 1000);
    }
    assert_true(failures >= least);
}

static int call_buf(rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = rag_buf_append_str(&b, "abc", err);
    for (int i = 0; rc == 0 && i < 1000; i++) {
        size_t len = b.len;
        rc = rag_buf_printf(&b, err, "%d ", i);
        if (rc)
            assert_int_equal(b.len, len);
        assert_memory_equal(b.data, "abc", 3);
        assert_int_equal(strlen(b.data), b.len);
    }
    char *p = (char *)1;
    int rc2 = rc ? rc : rag_buf_steal(&b, &p, NULL, err);
    if (rc2 == 0)
        free(p);
    rag_buf_free(&b);
    return rc2;
}

static int call_steal_empty(rag_error *err) {
    rag_buf b;
    char *p = (char *)1;
    rag_buf_init(&b, 0);
    int rc = rag_buf_steal(&b, &p, NULL, err);
    assert_true(rc ? p == NULL : p != NULL);
    free(p);
    return rc;
}

static int call_place(rag_error *err) {
    char *p = (char *)1;
    setenv("HOME", "/home/u", 1);
    unsetenv("XDG_DATA_HOME");
    unsetenv("RAGD_DATA");
    int rc = rag_path_place(RAG_PLACE_DATA, &p, err);
    assert_true(rc ? p == NULL : p != NULL);
    free(p);
    return rc;
}

static int normalize_all(rag_error *err, int (*f)(const char *, size_t,
                                                  rag_buf *, rag_error *)) {
    rag_buf in, out;
    rag_buf_init(&in, 0);
    rag_buf_init(&out, 0);
    long hold = fail_at;
    fail_at = -1; /* the input is not what is tested */
    for (int i = 0; i < 3000; i++)
        assert_int_equal(rag_buf_append_str(&in, "e\u0301Ａ\uFDFA한 ", NULL),
                         0);
    assert_int_equal(rag_buf_append_str(&out, "was", NULL), 0);
    fail_at = hold;
    int rc = f(in.data, in.len, &out, err);
    assert_memory_equal(out.data, "was", 3);
    if (rc)
        assert_string_equal(out.data, "was");
    rag_buf_free(&in);
    rag_buf_free(&out);
    return rc;
}

static int call_fold(rag_error *err) {
    return normalize_all(err, rag_unicode_fold);
}
static int call_nfc(rag_error *err) {
    return normalize_all(err, rag_unicode_nfc);
}
static int call_clean(rag_error *err) {
    return normalize_all(err, rag_unicode_clean);
}

static int call_file(rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = rag_file_read("/proc/self/status", 1 << 20, &b, err);
    if (rc)
        assert_int_equal(b.len, 0);
    rag_buf_free(&b);
    return rc;
}

static int call_replace(rag_error *err) {
    char path[300];
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/nomem-%ld", tmp ? tmp : "/tmp",
             (long)getpid());
    int rc = rag_file_replace(path, "x", 1, 0600, err);
    unlink(path);
    return rc;
}

static int call_hash_file(rag_error *err) {
    rag_sha256 h;
    return rag_hash_file("/dev/null", &h, err) == RAG_E_DATA
               ? rag_hash_file("/proc/self/status", &h, err)
               : RAG_E_INTERNAL;
}

/* A request to nobody: what is ours of it. */
static int call_http(rag_error *err) {
    rag_http *h = (rag_http *)1;
    rag_http_response res = {0};
    const char *more[] = {"X-A: 1", NULL};
    int rc = rag_http_open("/nonexistent/x.sock", &h, err);
    if (rc) {
        assert_null(h);
        return rc;
    }
    rag_http_request req = {.method = "POST",
                            .url = "http://localhost/",
                            .body = "{}",
                            .body_len = 2,
                            .bearer = "t",
                            .headers = more};
    rc = rag_http_do(h, &req, &res, err);
    rag_http_response_free(&res);
    rag_http_close(h);
    return rc == RAG_E_UNAVAILABLE ? 0 : rc;
}

static int ignore_event(void *user, const char *event, const char *data,
                        size_t len) {
    (void)user;
    (void)event;
    (void)data;
    (void)len;
    return 0;
}

static int call_sse(rag_error *err) {
    rag_sse s;
    const char *text = "event: e\ndata: a\ndata: b\n\n";
    rag_sse_init(&s, 0);
    int rc = rag_sse_feed(&s, text, strlen(text), ignore_event, NULL, err);
    rag_sse_free(&s);
    return rc;
}

/* jansson's own allocations fail as well. */
static int call_json(rag_error *err) {
    json_t *v = (json_t *)1;
    const char *s = "{\"a\":[1,2.5,\"가\",{\"b\":null}],\"c\":true}";
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = rag_json_parse(s, strlen(s), 1000, &v, err);
    if (rc == 0) {
        rc = rag_json_dump(v, &b, err);
        if (rc == 0)
            assert_string_equal(b.data, s);
        json_decref(v);
    } else {
        assert_null(v);
    }
    rag_buf_free(&b);
    return rc;
}

#define TORTURE(name, least)                                                   \
    static void test_##name(void **state) {                                    \
        (void)state;                                                           \
        torture(call_##name, least);                                           \
    }
TORTURE(buf, 5)
TORTURE(steal_empty, 1)
TORTURE(place, 3)
TORTURE(fold, 8)
TORTURE(nfc, 4)
TORTURE(clean, 10)
TORTURE(file, 1)
TORTURE(replace, 2)
TORTURE(hash_file, 1)
TORTURE(http, 4)
TORTURE(sse, 3)

static void test_json(void **state) {
    (void)state;
    others_words = true;
    torture(call_json, 5);
    others_words = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf),       cmocka_unit_test(test_steal_empty),
        cmocka_unit_test(test_place),     cmocka_unit_test(test_fold),
        cmocka_unit_test(test_nfc),       cmocka_unit_test(test_clean),
        cmocka_unit_test(test_file),      cmocka_unit_test(test_replace),
        cmocka_unit_test(test_hash_file), cmocka_unit_test(test_http),
        cmocka_unit_test(test_sse),       cmocka_unit_test(test_json),
    };
    json_set_alloc_funcs(try_malloc, free);
    return cmocka_run_group_tests_name("base/nomem", tests, NULL, NULL);
}
