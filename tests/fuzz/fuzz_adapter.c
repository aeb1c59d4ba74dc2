/*
 * fuzz_adapter.c - any bytes as a reader's adapter: refused, or merged and
 * used without a step outside what it holds.
 */
#include "embed/adapter.h"

#include <stdio.h>
#include <stdlib.h>

#define MODEL RAG_SOURCE_DIR "/tests/data/embed/tiny-unigram.gguf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both stay for the life of the program. */
static rag_gguf *file;
static rag_bert *model;

static void open_model(void) {
    rag_error err;
    if (rag_gguf_open(MODEL, &file, &err) != 0 ||
        rag_bert_open(file, &model, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        abort();
    }
}

static void merge(const rag_linear *l) {
    float *w = malloc((l->in + 1) * l->out * sizeof(*w));
    if (w) {
        rag_linear_read(l, w, w + l->in * l->out);
    }
    free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rag_gguf *g;
    rag_adapter *a;
    if (!model) {
        open_model();
    }
    if (rag_gguf_open_memory(data, size, "fuzz", &g, NULL) != 0) {
        return 0;
    }
    if (rag_adapter_open_gguf(g, model, &a, NULL) == 0) {
        float *x = calloc(model->hidden, sizeof(*x)), out[3];
        for (size_t i = 0; i < model->layers; i++) {
            merge(&model->layer[i].qkv);
            merge(&model->layer[i].attn_out);
            merge(&model->layer[i].up);
            merge(&model->layer[i].down);
        }
        if (x && a->heads) {
            rag_adapter_heads(a, x, &out[0], &out[1], &out[2]);
        }
        free(x);
        if (a->max_tokens > model->positions) {
            abort();
        }
        rag_adapter_forget(a, model);
        rag_adapter_close(a);
    }
    for (size_t i = 0; i < model->layers; i++) {
        if (model->layer[i].qkv.add[0].a || model->layer[i].down.add[0].a) {
            abort(); /* a refused adapter left its mark */
        }
    }
    return 0;
}
