/*
 * fuzz_query.c - any question against a small real store: what is typed is
 * never query syntax, and a search of text never fails.
 */
#include "index/index_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static rag_index *ix;

static void put(rag_index_writer *w, const char *id, const char *lang,
                const char *text) {
    rag_document d;
    rag_chunk c = {.end = strlen(text)};

    rag_document_init(&d);
    d.id = strdup(id);
    d.text = strdup(text);
    d.lang = strdup(lang);
    d.text_len = c.end;
    d.valid_from = d.valid_until = RAG_TIME_NONE;
    d.chunks = &c;
    d.nchunks = 1;
    if (rag_index_writer_put(w, &d, NULL, 0, NULL) != 0)
        abort();
    d.chunks = NULL;
    d.nchunks = 0;
    rag_document_free(&d);
}

static void set_up(void) {
    const char *tmp = getenv("TMPDIR");
    static char dir[512];
    rag_index_fingerprint fp = {4, "fuzz", "fuzz", 1};
    rag_index_writer *w;

    snprintf(dir, sizeof(dir), "%s/rag-fuzz-XXXXXX",
             tmp && tmp[0] ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL ||
        rag_index_writer_open(dir, &fp, false, &w, NULL) != 0)
        abort();
    put(w, "a", "ko", "연차휴가는 십오 일입니다. PPR-9087 3.5% C++");
    put(w, "b", "en",
        "Travel expenses are reimbursed within 30 days (e-mail).");
    if (rag_index_writer_commit(w, NULL) != 0)
        abort();
    rag_index_writer_close(w);
    if (rag_index_open(dir, NULL, &ix, NULL) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rag_index_query q = {.text = (const char *)data,
                         .len = size,
                         .kind = -1,
                         .vector_weight = -1};
    rag_index_result r;
    rag_error err;

    if (ix == NULL)
        set_up();
    if (rag_index_search(ix, &q, &r, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    if (r.n > 2)
        abort();
    rag_index_result_free(&r);
    return 0;
}
