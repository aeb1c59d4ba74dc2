/*
 * rank.h - the head of a re-ranking model: one score for a pair.
 *
 * The tensors, as llama.cpp names them, on the first token's final hidden
 * state: cls.weight and cls.bias (square, then tanh), cls.output.weight and
 * cls.output.bias (one row); either may be missing. Other heads are refused.
 *
 * Private to embed/. Immutable once open.
 */
#ifndef RAG_EMBED_RANK_H
#define RAG_EMBED_RANK_H

#include "embed/bert.h"

typedef struct rag_rank_head rag_rank_head;

/* *out is NULL, without an error, when the file has no head and its pooling
 * needs none. */
int rag_rank_head_open(const rag_bert *m, rag_rank_head **out, rag_error *err);
void rag_rank_head_close(rag_rank_head *h);

/* x: m->hidden numbers. */
float rag_rank_head_score(const rag_rank_head *h, const float *x);

#endif
