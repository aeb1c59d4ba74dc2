/*
 * test_embed_support.h - fixtures of the encoder's tests: the tiny models of
 * tests/data/embed (see tests/eval/reference_encoder.py) and their lines.
 */
#ifndef RAG_TEST_EMBED_SUPPORT_H
#define RAG_TEST_EMBED_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "embed/embed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA RAG_SOURCE_DIR "/tests/data/embed/"

/* The calls below pass ERR, so that a failure shows its message. */
static rag_error test_error __attribute__((unused));
#define ERR (&test_error)

#define assert_ok(call)                                                        \
    do {                                                                       \
        if ((call) != 0) {                                                     \
            fail_msg("%s: %s", #call, test_error.message);                     \
        }                                                                      \
    } while (0)

/* Lines of a JSONL file, one array. */
static inline json_t *read_lines(const char *path) {
    json_t *all = json_array();
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) {
        json_t *v = json_loads(line, 0, NULL);
        assert_non_null(v);
        json_array_append_new(all, v);
    }
    free(line);
    (void)fclose(f);
    return all;
}

static inline rag_text text_of(const json_t *line) {
    const json_t *t = json_object_get(line, "text");
    return (rag_text){json_string_value(t), json_string_length(t)};
}

static inline rag_text_kind kind_of(const json_t *line) {
    const char *k = json_string_value(json_object_get(line, "kind"));
    return k[0] == 'q'   ? RAG_TEXT_QUERY
           : k[0] == 'p' ? RAG_TEXT_PASSAGE
                         : RAG_TEXT_RAW;
}

static inline double cosine(const float *v, const json_t *line, size_t dim) {
    const json_t *r = json_object_get(line, "vector");
    double dot = 0, a = 0, b = 0;
    assert_int_equal(json_array_size(r), dim);
    for (size_t i = 0; i < dim; i++) {
        double x = json_number_value(json_array_get(r, i));
        dot += x * (double)v[i];
        a += x * x;
        b += (double)v[i] * (double)v[i];
    }
    return dot / sqrt(a * b);
}

/* Writes bytes to a new file in the test's temporary folder. */
static inline char *write_temp(const char *name, const void *p, size_t n) {
    const char *dir = getenv("TMPDIR");
    char *path = malloc(4096);
    FILE *f;
    assert_non_null(path);
    (void)snprintf(path, 4096, "%s/embed-%ld-%s", dir ? dir : "/tmp",
                   (long)getpid(), name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    (void)fclose(f);
    return path;
}

#endif
