/*
 * test_generate_support.h - what the tests of evidence and extracts share: the
 * rules of sentences, open for the life of a group of tests.
 */
#ifndef RAG_TEST_GENERATE_SUPPORT_H
#define RAG_TEST_GENERATE_SUPPORT_H

#include "generate/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rag_sentences *sentences;

static inline int open_all(void **state) {
    (void)state;
    return rag_sentences_open(&sentences, NULL);
}

static inline int close_all(void **state) {
    (void)state;
    rag_sentences_close(sentences);
    return 0;
}

#endif
