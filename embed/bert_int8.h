/*
 * bert_int8.h - the fast engine: 8-bit weights and activations.
 *
 * Private to embed/. One call at a time (the encoder's lock); it uses the
 * threads it was opened with.
 */
#ifndef RAG_EMBED_BERT_INT8_H
#define RAG_EMBED_BERT_INT8_H

#include "embed/bert.h"
#include "embed/kernel.h"
#include "embed/pack.h"

typedef struct rag_bert_int8 rag_bert_int8;

/* m, p and k must outlive the engine. */
int rag_bert_int8_open(const rag_bert *m, const rag_pack *p,
                       const rag_kernel *k, int threads, rag_bert_int8 **out,
                       rag_error *err);
void rag_bert_int8_close(rag_bert_int8 *e);
/* Texts should come longest first; vectors[i] gets m->hidden floats. */
int rag_bert_int8_run(rag_bert_int8 *e, const rag_bert_batch *b,
                      float *const *vectors, rag_error *err);

#endif
