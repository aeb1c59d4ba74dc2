/*
 * ingest.h - files to documents to chunks.
 *
 * Reads text, Markdown, HTML, FAQ CSV and JSONL; decodes to UTF-8; finds
 * structure; cuts chunks that respect it. Knows no encoder and no store:
 * ingest/main.c (rag-ingest) wires those. Not thread-safe except where said;
 * one reader a thread.
 */
#ifndef RAG_INGEST_INGEST_H
#define RAG_INGEST_INGEST_H

#include "base/buf.h"
#include "base/document.h"
#include "base/error.h"
#include "base/sentence.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAG_INGEST_FILE_MAX ((size_t)64 << 20) /* bytes of one file */
#define RAG_INGEST_TEXT_MAX ((size_t)16 << 20) /* bytes of one text */
#define RAG_INGEST_DEPTH_MAX 64 /* folders below a root */

/* Version of reading and chunking: part of the store's fingerprint; raised
 * when the same input would give other chunks. */
#define RAG_INGEST_VERSION 1

/* Counts tokens of s[0..len); user as given. */
typedef size_t (*rag_token_count_fn)(void *user, const char *s, size_t len);

typedef struct rag_chunk_options {
    size_t target_tokens; /* 0: 200 */
    size_t max_tokens; /* 0: 400; never exceeded */
    size_t overlap_sentences; /* sentences repeated between chunks of one
                               * section that had to be cut */
    rag_token_count_fn count; /* NULL: an estimate */
    void *user;
} rag_chunk_options;

typedef struct rag_ingest_options {
    const char *collection; /* for all documents; NULL: none */
    size_t file_max; /* 0: RAG_INGEST_FILE_MAX */
    bool hidden; /* also files and folders that begin with '.' */
} rag_ingest_options;

/* A document that was read; take ownership by moving *doc away (and calling
 * rag_document_init on it), otherwise it is freed. Nonzero stops the walk. */
typedef int (*rag_document_fn)(void *user, rag_document *doc);

/* Something that could not be read; the walk goes on. path and reason are
 * borrowed. line 0: the whole file. */
typedef void (*rag_problem_fn)(void *user, const char *path, size_t line,
                               rag_code code, const char *reason);

/*
 * Reads path (a file, or a folder with everything below it in byte order;
 * symbolic links that leave the root are not followed; special files are
 * reported, not opened) and calls on_document for each document, without
 * chunks. Fails only when path itself cannot be read (RAG_E_NOINPUT), when
 * the callback stops it, or out of memory.
 */
int rag_ingest_read(const char *path, const rag_ingest_options *opt,
                    const rag_sentences *sentences, rag_document_fn on_document,
                    rag_problem_fn on_problem, void *user, rag_error *err);

/*
 * Cuts doc into chunks (doc->chunks, replaced): along headings, paragraphs,
 * lists and tables kept whole where they fit, sentences otherwise. Chunks are
 * in order, each starts and ends at a character, and together they hold every
 * character of the text that is not white space or markup-only. A FAQ is one
 * chunk unless its answer is over max_tokens. A table that is cut keeps its
 * header row in the passage (rag_ingest_passage), never in the range.
 */
int rag_ingest_chunk(rag_document *doc, const rag_chunk_options *opt,
                     const rag_sentences *sentences, rag_error *err);

/*
 * What the encoder sees of chunk i: title, heading path and the chunk's text,
 * NFC, white space and markup signs tidied; appended to out. Of a FAQ: the
 * question, then the answer.
 */
int rag_ingest_passage(const rag_document *doc, size_t i, rag_buf *out,
                       rag_error *err);

#endif
