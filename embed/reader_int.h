/*
 * reader_int.h - choosing a reading's spans.
 *
 * Private to embed/; apart from reader.c so that it can be tested alone.
 */
#ifndef RAG_EMBED_READER_INT_H
#define RAG_EMBED_READER_INT_H

#include "embed/embed.h"
#include "embed/tokenizer.h"

/* A passage's n tokens: logits, and where they stand in the passage. */
typedef struct rag_read_tokens {
    const float *start, *end;
    const rag_range *place; /* in order; empty ones end no span */
    size_t n;
} rag_read_tokens;

/* Fills out->n and out->span from t and out->none, which is set. */
int rag_read_spans(const rag_read_tokens *t, rag_reading *out, rag_error *err);

#endif
