/*
 * fuzz_terms.c - any bytes through the term analysis: no crash, offsets
 * inside the input, terms that are valid UTF-8 and not too long.
 */
#include "base/terms.h"

#include "base/unicode.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct state {
    size_t n, terms;
    unsigned last;
} state;

static int check(void *user, const rag_term *t) {
    state *s = user;

    if (t->len == 0 || t->len > RAG_TERM_MAX || t->start >= t->end ||
        t->end > s->n || t->position < s->last ||
        !rag_utf8_valid(t->text, t->len, NULL))
        abort();
    s->last = t->position;
    s->terms++;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *s = (const char *)data;
    state all = {.n = size}, content = {.n = size};
    rag_buf key;

    if (rag_terms_each(s, size, check, &all, NULL) != 0 ||
        rag_terms_content(s, size, check, &content, NULL) != 0)
        abort();
    if (content.terms > all.terms)
        abort();
    if (rag_utf8_valid(s, size, NULL) &&
        rag_terms_strip_particle(s, size) > size)
        abort();
    rag_buf_init(&key, 0);
    rag_terms_key(s, size, &key, NULL);
    if (!rag_utf8_valid(rag_buf_str(&key), key.len, NULL))
        abort();
    rag_buf_free(&key);
    return 0;
}
