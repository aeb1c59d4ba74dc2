/*
 * sentence.h - where sentences end, in Korean and English.
 *
 * Built on base/pattern.h. Used by ingest (chunks), generate (evidence
 * windows, quotes). Open one a program; a splitter is immutable and may be
 * used by many threads.
 */
#ifndef RAG_BASE_SENTENCE_H
#define RAG_BASE_SENTENCE_H

#include "base/error.h"

#include <stddef.h>

typedef struct rag_sentences rag_sentences;

int rag_sentences_open(rag_sentences **out, rag_error *err);
void rag_sentences_close(rag_sentences *s);

typedef struct rag_span {
    size_t start, end; /* bytes [start,end) */
} rag_span;

/*
 * Splits text[0..len) (valid UTF-8) into sentences: spans in order that do
 * not overlap, without white space at their ends; all that is not white space
 * is in a span. Ends: . ! ? (full-width too) with closing quotes or brackets
 * behind them, Korean final endings (다. 요. 까? 죠. 음. 함.), line ends of
 * list items and headings, blank lines; not: abbreviations (Dr. e.g. No.),
 * decimals (3.5), dates (2026. 3. 1.), version numbers, URLs, initials,
 * numbered list markers (1. 가.). A span over
 * RAG_SENTENCE_MAX bytes is cut at a space or a character boundary.
 * *out is an array of *n spans; free with free().
 */
#define RAG_SENTENCE_MAX 2000
int rag_sentences_split(const rag_sentences *s, const char *text, size_t len,
                        rag_span **out, size_t *n, rag_error *err);

#endif
