/*
 * fuzz_ingest_common.h - reads bytes as a file of some name, cuts what comes
 * of it and checks the invariants that ingest.h promises.
 */
#ifndef RAG_FUZZ_INGEST_COMMON_H
#define RAG_FUZZ_INGEST_COMMON_H

#include "ingest/ingest_int.h"

#include "base/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static rag_sentences *fuzz_sentences;

#define MUST(x)                                                                \
    do {                                                                       \
        if (!(x))                                                              \
            abort();                                                           \
    } while (0)

static int fuzz_document(void *user, rag_document *d) {
    (void)user;
    rag_error err = {0};
    MUST(d->id && d->title && d->text && d->lang);
    MUST(d->text_len <= RAG_INGEST_TEXT_MAX && strlen(d->text) == d->text_len);
    MUST(rag_utf8_valid(d->text, d->text_len, NULL));
    MUST(rag_utf8_valid(d->title, strlen(d->title), NULL));
    rag_chunk_options opt = {.target_tokens = 20, .max_tokens = 40};
    MUST(rag_ingest_chunk(d, &opt, fuzz_sentences, &err) == 0);
    size_t at = 0;
    for (size_t i = 0; i < d->nchunks; i++) {
        const rag_chunk *c = &d->chunks[i];
        MUST(c->start >= at && c->end > c->start && c->end <= d->text_len);
        MUST(rag_utf8_valid(d->text + c->start, c->end - c->start, NULL));
        at = c->end;
        rag_buf b;
        rag_buf_init(&b, 0);
        MUST(rag_ingest_passage(d, i, &b, &err) == 0);
        MUST(rag_utf8_valid(rag_buf_str(&b), b.len, NULL));
        rag_buf_free(&b);
    }
    return 0;
}

static void fuzz_problem(void *user, const char *path, size_t line,
                         rag_code code, const char *reason) {
    (void)user, (void)path, (void)line;
    MUST(code != RAG_OK && reason[0]);
}

static void fuzz_ingest(const char *name, const uint8_t *data, size_t size) {
    static const rag_ingest_options OPT;
    if (!fuzz_sentences)
        MUST(rag_sentences_open(&fuzz_sentences, NULL) == 0);
    rag_source src = {.path = name,
                      .root = "/",
                      .opt = &OPT,
                      .on_document = fuzz_document,
                      .on_problem = fuzz_problem};
    const char *why;
    rag_format f = rag_format_of(name, (const char *)data, size, &why);
    if (f != RAG_FORMAT_UNKNOWN)
        MUST(rag_ingest_parse(&src, f, (const char *)data, size, NULL) == 0);
}

#endif
