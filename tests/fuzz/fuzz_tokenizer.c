/*
 * fuzz_tokenizer.c - any bytes as text for both tokenizers, and as a
 * normaliser's table: ids stay inside the vocabulary and their places inside
 * the text, in order, and every step of the normaliser takes at least a byte
 * and no more than there are.
 */
#include "embed/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA RAG_SOURCE_DIR "/tests/data/embed/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good) {
    if (!good) {
        abort();
    }
}

/* Both stay for the life of the program. */
static rag_gguf *files[2];

static rag_tokenizer *open_one(int i, const char *path) {
    rag_gguf *g;
    rag_tokenizer *t;
    rag_error err;
    if (rag_gguf_open(path, &g, &err) != 0 ||
        rag_tokenizer_open(g, NULL, &t, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        abort();
    }
    files[i] = g;
    return t;
}

/* The same ids with places, which lie in the text, in order. */
static void check_places(const rag_tokenizer *t, const char *s, size_t size,
                         const rag_ids *want) {
    rag_ids ids = {.with_places = true};
    size_t before = 0;
    check(rag_tokenizer_encode(t, s, size, true, SIZE_MAX, &ids, NULL) == 0);
    check(ids.n == want->n);
    for (size_t j = 0; j < ids.n; j++) {
        check(ids.v[j] == want->v[j]);
    }
    for (size_t j = 1; j + 1 < ids.n; j++) {
        check(ids.place[j].start >= before);
        check(ids.place[j].end >= ids.place[j].start);
        check(ids.place[j].end <= size);
        before = ids.place[j].start;
    }
    rag_ids_free(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rag_tokenizer *both[2];
    const char *s = (const char *)data, *out;
    rag_charsmap map;
    size_t len;
    if (!both[0]) {
        both[0] = open_one(0, DATA "tiny-unigram.gguf");
        both[1] = open_one(1, DATA "tiny-wordpiece.gguf");
    }
    for (int i = 0; i < 2; i++) {
        rag_ids ids = {0};
        check(rag_tokenizer_encode(both[i], s, size, true, SIZE_MAX, &ids,
                                   NULL) == 0);
        check(ids.n >= 2);
        for (size_t j = 0; j < ids.n; j++) {
            check(ids.v[j] >= 0 && ids.v[j] < rag_tokenizer_vocab(both[i]));
        }
        check_places(both[i], s, size, &ids);
        rag_ids_free(&ids);
    }
    if (rag_charsmap_open(data, size, "fuzz", &map, NULL) == 0) {
        for (size_t i = 0; i < size;) {
            size_t n = rag_charsmap_next(&map, s + i, size - i, &out, &len);
            check(n >= 1 && n <= size - i);
            i += n;
        }
    }
    return 0;
}
