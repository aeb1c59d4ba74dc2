/*
 * adapter.h - a GGUF file with a LoRA adapter: an encoder's, or a reader's with
 * the heads it trained.
 *
 * The file's metadata say general.type "adapter", general.architecture
 * "bert", adapter.type "lora", adapter.lora.alpha. Its tensors are, for any
 * of a layer's six matrices, blk.N.NAME.weight.lora_a (rank rows of as many
 * numbers as the matrix has inputs) and .lora_b (as many rows as it has
 * outputs, of rank numbers), and a reader's also the heads' reader.span.weight
 * (2 rows: start, end), reader.span.bias, reader.answer.weight (1 row) and
 * reader.answer.bias; all F32 or F16. A file with anything else in it is
 * refused: what is not understood would be computed wrongly.
 *
 * Private to embed/. Immutable once open.
 */
#ifndef RAG_EMBED_ADAPTER_H
#define RAG_EMBED_ADAPTER_H

#include "embed/bert.h"

#define RAG_LORA_ALPHA_MAX 4096.0
#define RAG_READER_PREFIX_MAX 4096u /* bytes of a prefix */

typedef struct rag_adapter {
    rag_gguf *g;
    size_t hidden;
    float *numbers; /* of the matrices; NULL after rag_adapter_forget */
    float *heads; /* start, end and answer: hidden numbers each; NULL: an
                   * encoder's adapter, and nothing below is set */
    float start_bias, end_bias, answer_bias;
    float scale, bias; /* probability = sigmoid(scale * answer + bias) */
    size_t max_tokens;
    char *question_prefix, *passage_prefix; /* "" for none */
} rag_adapter;

/* Reads and checks path for m, whose matrices it hooks itself to: from then
 * on rag_linear_read gives the sums. RAG_E_CORRUPT for what is damaged or
 * does not fit m, RAG_E_UNSUPPORTED for another kind of adapter. */
int rag_adapter_open(const char *path, rag_bert *m, rag_adapter **out,
                     rag_error *err);
/* The same over an open file, which it owns from then on, failing or not. */
int rag_adapter_open_gguf(rag_gguf *g, rag_bert *m, rag_adapter **out,
                          rag_error *err);
void rag_adapter_close(rag_adapter *a);

/* Unhooks it from m and frees what only merging needs. */
void rag_adapter_forget(rag_adapter *a, rag_bert *m);

/* The three logits of one final hidden state, by a reader's. */
void rag_adapter_heads(const rag_adapter *a, const float *x, float *start,
                       float *end, float *answer);

#endif
