/*
 * test_index_support.h - what the tests of index/ share: scratch folders,
 * documents in one call, vectors made of words (no encoder needed).
 */
#ifndef RAG_TEST_INDEX_SUPPORT_H
#define RAG_TEST_INDEX_SUPPORT_H

#include "index/index_int.h"

#include "base/hash.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DIM 32

static const rag_index_fingerprint test_fp = {DIM, "test-encoder", "test", 1};

static inline void must(int rc, const rag_error *err) {
    if (rc != 0)
        fail_msg("%s", err->message);
}

static inline char *test_dir(void) {
    const char *tmp = getenv("TMPDIR");
    char *dir = malloc(512);

    assert_non_null(dir);
    snprintf(dir, 512, "%s/rag-index-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static inline void test_dir_free(char *dir) {
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
    free(dir);
}

/* A unit vector from the words of s: near for texts that share words. */
static inline int test_vector_term(void *user, const rag_term *t) {
    float *v = user;

    v[rag_hash_fast(t->text, t->len) % DIM] += 1;
    return 0;
}

static inline void test_vector(const char *s, float v[DIM]) {
    double sum = 0;

    for (int i = 0; i < DIM; i++)
        v[i] = 0.01f;
    assert_int_equal(rag_terms_each(s, strlen(s), test_vector_term, v, NULL),
                     0);
    for (int i = 0; i < DIM; i++)
        sum += (double)v[i] * v[i];
    for (int i = 0; i < DIM; i++)
        v[i] /= (float)sqrt(sum);
}

typedef struct test_doc {
    const char *id, *title, *text, *question, *source, *root, *collection,
        *lang; /* NULL: ko */
    int64_t from, until; /* 0: none */
} test_doc;

static inline char *test_dup(const char *s) {
    char *d = strdup(s ? s : "");

    assert_non_null(d);
    return d;
}

/* One chunk, the whole text; lines "---" in the text part chunks. */
static inline void test_document(const test_doc *t, rag_document *d) {
    const char *p;
    size_t n = 1;

    rag_document_init(d);
    d->id = test_dup(t->id);
    d->title = test_dup(t->title);
    d->text = test_dup(t->text);
    d->text_len = strlen(d->text);
    d->source = test_dup(t->source ? t->source : "/nowhere/file");
    d->root = test_dup(t->root ? t->root : "/nowhere");
    d->collection = test_dup(t->collection);
    d->lang = test_dup(t->lang ? t->lang : "ko");
    d->url = test_dup("");
    d->category = test_dup("");
    d->valid_from = t->from ? t->from : RAG_TIME_NONE;
    d->valid_until = t->until ? t->until : RAG_TIME_NONE;
    if (t->question) {
        d->kind = RAG_DOC_FAQ;
        d->questions = calloc(1, sizeof(*d->questions));
        assert_non_null(d->questions);
        d->questions[0] = test_dup(t->question);
        d->nquestions = 1;
    }
    for (p = d->text; (p = strstr(p, "---")) != NULL; p += 3)
        n++;
    d->chunks = calloc(n, sizeof(*d->chunks));
    assert_non_null(d->chunks);
    d->nchunks = n;
    p = d->text;
    for (size_t i = 0; i < n; i++) {
        const char *q = strstr(p, "---");

        d->chunks[i].heading = test_dup("");
        d->chunks[i].start = (size_t)(p - d->text);
        d->chunks[i].end = q ? (size_t)(q - d->text) : d->text_len;
        p = q ? q + 3 : p;
    }
    rag_hash_sha256(d->text, d->text_len, &d->hash);
}

static inline int test_put_rc(rag_index_writer *w, const test_doc *t,
                              rag_error *err) {
    rag_document d;
    rag_vector v[16];
    float values[16][DIM];
    size_t n = 0;
    int rc;

    test_document(t, &d);
    for (size_t i = 0; i < d.nchunks && n < 8; i++, n++) {
        char *s = strndup(d.text + d.chunks[i].start,
                          d.chunks[i].end - d.chunks[i].start);

        assert_non_null(s);
        test_vector(s, values[n]);
        v[n] = (rag_vector){RAG_VECTOR_CHUNK, i, 0, values[n]};
        free(s);
    }
    for (size_t i = 0; i < d.nquestions; i++, n++) {
        test_vector(d.questions[i], values[n]);
        v[n] = (rag_vector){RAG_VECTOR_QUESTION, 0, i, values[n]};
    }
    rc = rag_index_writer_put(w, &d, v, n, err);
    rag_document_free(&d);
    return rc;
}

static inline void test_put(rag_index_writer *w, const test_doc *t) {
    rag_error err;

    must(test_put_rc(w, t, &err), &err);
}

static inline rag_index_writer *test_writer(const char *dir) {
    rag_index_writer *w;
    rag_error err;

    must(rag_index_writer_open(dir, &test_fp, false, &w, &err), &err);
    return w;
}

static inline void test_commit(rag_index_writer *w) {
    rag_error err;

    must(rag_index_writer_commit(w, &err), &err);
}

static inline void test_store(const char *dir, const test_doc *docs, size_t n) {
    rag_index_writer *w = test_writer(dir);
    rag_error err;

    must(rag_index_writer_begin_root(w, "/nowhere", &err), &err);
    for (size_t i = 0; i < n; i++)
        test_put(w, &docs[i]);
    test_commit(w);
    rag_index_writer_close(w);
}

static inline rag_index *test_open(const char *dir) {
    rag_index_options opt = {.fingerprint = test_fp, .threads = 1};
    rag_index *ix;
    rag_error err;

    must(rag_index_open(dir, &opt, &ix, &err), &err);
    return ix;
}

/* Best document's id for a question; "" when nothing was found. */
static inline void test_best(rag_index *ix, const char *question, bool vector,
                             char out[64]) {
    float v[DIM];
    rag_index_query q = {.text = question,
                         .len = strlen(question),
                         .k = 3,
                         .kind = -1,
                         .vector_weight = -1};
    rag_index_result r;
    rag_error err;

    if (vector) {
        test_vector(question, v);
        q.vector = v;
    }
    must(rag_index_search(ix, &q, &r, &err), &err);
    snprintf(out, 64, "%s", r.n > 0 ? r.hits[0].doc : "");
    rag_index_result_free(&r);
}

#define assert_finds(ix, question, id)                                         \
    do {                                                                       \
        char best_[64];                                                        \
        test_best((ix), (question), false, best_);                             \
        if (strcmp(best_, (id)) != 0)                                          \
            fail_msg("\"%s\" found \"%s\", not \"%s\"", (question), best_,     \
                     (id));                                                    \
    } while (0)

/* True when any file of the folder holds the bytes. */
static inline bool test_on_disk(const char *dir, const char *needle) {
    DIR *d = opendir(dir);
    struct dirent *e;
    bool found = false;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL && !found) {
        int fd = openat(dirfd(d), e->d_name, O_RDONLY);
        struct stat st;

        if (fd < 0)
            continue;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
            char *p = malloc((size_t)st.st_size);

            assert_non_null(p);
            assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
            found = memmem(p, (size_t)st.st_size, needle, strlen(needle));
            free(p);
        }
        close(fd);
    }
    closedir(d);
    return found;
}

#endif
