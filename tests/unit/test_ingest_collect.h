/*
 * test_ingest_collect.h - what the tests of ingest/ share: reading bytes or
 * paths and keeping the documents and problems that come of it.
 */
#ifndef RAG_TEST_INGEST_COLLECT_H
#define RAG_TEST_INGEST_COLLECT_H

#include "ingest/ingest_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COLLECT_MAX 256

typedef struct collected {
    rag_document docs[COLLECT_MAX];
    size_t ndocs;
    struct {
        char path[512], reason[512];
        size_t line;
        rag_code code;
    } problems[COLLECT_MAX];
    size_t nproblems;
    size_t stop_after; /* documents; 0: never */
} collected;

static int collect_document(void *user, rag_document *doc) {
    collected *c = user;
    assert_true(c->ndocs < COLLECT_MAX);
    /* What every document keeps, whatever it was read from. */
    assert_non_null(doc->id);
    assert_non_null(doc->source);
    assert_non_null(doc->root);
    assert_non_null(doc->title);
    assert_non_null(doc->lang);
    assert_non_null(doc->collection);
    assert_non_null(doc->url);
    assert_non_null(doc->category);
    assert_true(doc->text_len > 0);
    assert_int_equal(doc->text[doc->text_len], 0);
    assert_int_equal(strlen(doc->text), doc->text_len);
    c->docs[c->ndocs++] = *doc;
    rag_document_init(doc);
    return c->stop_after && c->ndocs == c->stop_after ? RAG_E_CANCELLED : 0;
}

static void collect_problem(void *user, const char *path, size_t line,
                            rag_code code, const char *reason) {
    collected *c = user;
    assert_true(c->nproblems < COLLECT_MAX);
    snprintf(c->problems[c->nproblems].path, 512, "%s", path);
    snprintf(c->problems[c->nproblems].reason, 512, "%s", reason);
    c->problems[c->nproblems].line = line;
    c->problems[c->nproblems++].code = code;
}

static void collect_free(collected *c) {
    for (size_t i = 0; i < c->ndocs; i++)
        rag_document_free(&c->docs[i]);
    free(c);
}

/* Reads bytes as the file `name` would be read; free with collect_free. */
static inline collected *collect_bytes(const char *name, const char *bytes,
                                       size_t n) {
    static const rag_ingest_options OPT = {.collection = NULL};
    collected *c = calloc(1, sizeof *c);
    assert_non_null(c);
    char path[512];
    snprintf(path, sizeof path, "/root-of-test/%s", name);
    rag_source src = {.path = path,
                      .root = "/root-of-test",
                      .opt = &OPT,
                      .on_document = collect_document,
                      .on_problem = collect_problem,
                      .user = c};
    const char *why;
    rag_format f = rag_format_of(path, bytes, n, &why);
    rag_error err = {0};
    if (f == RAG_FORMAT_UNKNOWN)
        collect_problem(c, path, 0, RAG_E_UNSUPPORTED, why);
    else if (rag_ingest_parse(&src, f, bytes, n, &err))
        fail_msg("%s", err.message);
    return c;
}

static inline collected *collect_text(const char *name, const char *text) {
    return collect_bytes(name, text, strlen(text));
}

#endif
