/*
 * fuzz_gguf.c - any bytes as a model file: refused, or usable without a step
 * outside them.
 */
#include "embed/bert.h"
#include "embed/gguf.h"
#include "embed/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rag_gguf *g;
    rag_bert *m;
    rag_tokenizer *t;
    if (rag_gguf_open_memory(data, size, "fuzz", &g, NULL) != 0) {
        return 0;
    }
    for (size_t i = 0; i < rag_gguf_tensor_count(g); i++) {
        const rag_gguf_tensor *x = rag_gguf_tensor_at(g, i);
        if (x->dims[0] <= RAG_BERT_FFN_MAX) {
            float *row = malloc((size_t)x->dims[0] * sizeof(*row));
            if (row) {
                rag_gguf_row(x, x->rows - 1, row);
            }
            free(row);
        }
    }
    if (rag_bert_open(g, &m, NULL) == 0) {
        float *x = malloc(2 * m->hidden * sizeof(*x));
        if (x) {
            rag_bert_embed(m, (int32_t)m->vocab - 1, m->positions - 1, true, x,
                           x + m->hidden);
        }
        free(x);
        rag_bert_close(m);
    }
    if (rag_tokenizer_open(g, NULL, &t, NULL) == 0) {
        static const char text[] = "hello 휴가 \xff [CLS] e\xcc\x81";
        rag_ids ids = {0};
        (void)rag_tokenizer_encode(t, text, sizeof(text) - 1, true, 100, &ids,
                                   NULL);
        rag_ids_free(&ids);
        rag_tokenizer_close(t);
    }
    rag_gguf_close(g);
    return 0;
}
