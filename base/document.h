/*
 * document.h - what ingest makes and the index stores: documents and chunks.
 *
 * A document's text is kept as it came, byte for byte; every offset in the
 * project is a byte offset into it. Plain data, no thread rules of its own.
 */
#ifndef RAG_BASE_DOCUMENT_H
#define RAG_BASE_DOCUMENT_H

#include "base/error.h"
#include "base/hash.h"

#include <stdint.h>

typedef enum rag_doc_kind {
    RAG_DOC_TEXT = 0, /* a page, a file, a record */
    RAG_DOC_FAQ = 1 /* an approved question with its answer as text */
} rag_doc_kind;

#define RAG_TIME_NONE INT64_MIN /* no such limit */

typedef struct rag_chunk {
    size_t start, end; /* bytes [start,end) of the document's text */
    char *heading; /* path of headings, "Leave > Sick leave"; owned, may
                        * be "" */
} rag_chunk;

typedef struct rag_document {
    char *id; /* unique in a store: a JSONL or CSV id, else the
                       * absolute path (so that a folder ingested by itself
                       * or as part of a larger one gives the same ids) */
    char *source; /* absolute path of the file it came from */
    char *root; /* absolute path given on the command line */
    char *title; /* may be ""; of a FAQ: its question */
    char *text; /* valid UTF-8, NUL behind it; of a FAQ: its answer */
    size_t text_len; /* bytes */
    char *lang; /* "ko", "en" or "" */
    char *collection; /* "" when none */
    char *url; /* "" when none */
    char *category; /* "" when none */
    rag_doc_kind kind;
    int64_t valid_from, valid_until; /* seconds since the epoch, inclusive */
    char **questions; /* FAQ: question first, then variants */
    size_t nquestions;
    rag_chunk *chunks;
    size_t nchunks;
    rag_sha256 hash; /* of everything above that came from the source (not
                      * of source and root: a moved file keeps its hash) */
} rag_document;

void rag_document_init(rag_document *d);
void rag_document_free(rag_document *d); /* frees what it owns, not d */

#endif
