/*
 * Promises: SHA-256 is SHA-256, streamed or not; fields cannot run together;
 * XXH3 is XXH3 on every machine; a document frees all it owns, once.
 */
#include "base/clock.h"
#include "base/document.h"
#include "base/file.h"
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_hex(const rag_sha256 *h, const char *want) {
    char hex[65];
    rag_hash_hex(h, hex);
    assert_string_equal(hex, want);
}

/* FIPS 180-4's examples. */
#define SHA_EMPTY                                                              \
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA_ABC                                                                \
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_sha256(void **state) {
    rag_sha256 h;
    (void)state;
    rag_hash_sha256(NULL, 0, &h);
    expect_hex(&h, SHA_EMPTY);
    rag_hash_sha256("abc", 3, &h);
    expect_hex(&h, SHA_ABC);
    rag_hasher *s = rag_hasher_new();
    assert_non_null(s);
    rag_hasher_add(s, "a", 1);
    rag_hasher_add(s, NULL, 0);
    rag_hasher_add(s, "bc", 2);
    rag_hasher_end(s, &h);
    expect_hex(&h, SHA_ABC);
    rag_hasher_end(rag_hasher_new(), NULL); /* only frees */
    rag_hasher_end(NULL, &h);
}

static void test_fields_do_not_run_together(void **state) {
    const char *cuts[][3] = {
        {"ab", "c", ""}, {"a", "bc", ""}, {"abc", "", ""}, {"", "abc", ""}};
    rag_sha256 h[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        rag_hasher *s = rag_hasher_new();
        assert_non_null(s);
        for (int k = 0; k < 3; k++)
            rag_hasher_field(s, cuts[i][k], strlen(cuts[i][k]));
        rag_hasher_end(s, &h[i]);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(&h[i], &h[k], sizeof h[i]);
    }
    /* The length is 8 bytes, lowest first. */
    rag_sha256 a, b;
    rag_hasher *s = rag_hasher_new();
    assert_non_null(s);
    rag_hasher_field(s, "abc", 3);
    rag_hasher_end(s, &a);
    rag_hash_sha256("\3\0\0\0\0\0\0\0abc", 11, &b);
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_file(void **state) {
    char path[300];
    const char *tmp = getenv("TMPDIR");
    rag_error err;
    rag_sha256 h, want;
    size_t n = 200001;
    char *big = malloc(n);
    (void)state;
    assert_non_null(big);
    for (size_t i = 0; i < n; i++)
        big[i] = (char)(i * 31);
    snprintf(path, sizeof path, "%s/hash-%ld", tmp ? tmp : "/tmp",
             (long)getpid());
    assert_int_equal(rag_file_replace(path, big, n, 0600, &err), 0);
    assert_int_equal(rag_hash_file(path, &h, &err), 0);
    rag_hash_sha256(big, n, &want);
    assert_memory_equal(&h, &want, sizeof h);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rag_hash_file(path, &h, &err), RAG_E_NOINPUT);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(rag_hash_file(tmp ? tmp : "/tmp", &h, &err), RAG_E_DATA);
    free(big);
}

static void test_fast(void **state) {
    char data[300];
    (void)state;
    /* XXH3_64bits of nothing, from the specification's reference. */
    assert_true(rag_hash_fast(NULL, 0) == 0x2D06800538D394C2ULL);
    memset(data, 0, sizeof data);
    uint64_t zero = rag_hash_fast(data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = 1;
        assert_true(rag_hash_fast(data, sizeof data) != zero);
        data[i] = 0;
    }
    assert_true(rag_hash_fast(data, sizeof data - 1) != zero);
}

static char *copy(const char *s) {
    char *p;
    assert_int_equal(rag_str_dup(s, &p, NULL), 0);
    return p;
}

static void test_document(void **state) {
    rag_document d;
    (void)state;
    rag_document_init(&d);
    assert_true(d.valid_from == RAG_TIME_NONE);
    assert_true(d.valid_until == RAG_TIME_NONE);
    assert_int_equal(d.kind, RAG_DOC_TEXT);
    assert_null(d.text);
    d.id = copy("id");
    d.source = copy("s");
    d.root = copy("r");
    d.title = copy("t");
    d.text = copy("x");
    d.lang = copy("ko");
    d.collection = copy("");
    d.url = copy("");
    d.category = copy("");
    d.nquestions = 2;
    d.questions = calloc(2, sizeof *d.questions);
    assert_non_null(d.questions);
    d.questions[0] = copy("q"); /* the second was never made */
    d.nchunks = 2;
    d.chunks = calloc(2, sizeof *d.chunks);
    assert_non_null(d.chunks);
    d.chunks[1].heading = copy("h");
    rag_document_free(&d); /* the leak sanitizer looks */
    assert_null(d.id);
    assert_int_equal(d.nchunks, 0);
    d.nquestions = 5; /* a count without its array */
    d.nchunks = 5;
    rag_document_free(&d);
    rag_document_free(&d);
    rag_document_free(NULL);
}

static void test_clock(void **state) {
    char iso[32], small[5];
    (void)state;
    double before = rag_clock_ms();
    rag_clock_sleep_ms(2);
    assert_true(rag_clock_ms() - before >= 2);
    rag_clock_sleep_ms(0);
    rag_clock_sleep_ms(-5);
    assert_true(rag_clock_now() > 1700000000);
    assert_ptr_equal(rag_clock_iso(iso, sizeof iso), iso);
    assert_int_equal(strlen(iso), 24);
    assert_int_equal(iso[23], 'Z');
    rag_clock_iso(small, sizeof small);
    assert_int_equal(strlen(small), 4);
    rag_clock_iso(small, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_fields_do_not_run_together),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_fast),
        cmocka_unit_test(test_document),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
