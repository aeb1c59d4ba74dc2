/*
 * posting.h - a lexical index in a mapped file, for stores whose frequent
 * terms FTS5 is too slow for.
 *
 *   posting_block.c   blocks of 128 postings, packed and unpacked
 *   posting_write.c   a file from postings in order of term and row
 *   posting.c         a file opened: dictionary, frequencies
 *   posting_base.c    the file of a base: made from the store, or found
 *   posting_search.c  the best rows for a question, and given rows
 *
 * A row is the position of a chunk in its generation's base, so the file
 * belongs to that base and to no other (rows_sum). It holds the exact count of
 * every term in every column; nothing is rounded, and who searches scores with
 * the very function that FTS5's matches are scored with. What is stored beside
 * the counts, the largest weighted count of each block, only tells which
 * blocks need not be read.
 *
 * The file is immutable; every function but the writer's may be called from
 * any thread. Bytes are checked against damage by a sum and against hostility
 * by bounds wherever they are read.
 */
#ifndef RAG_INDEX_POSTING_H
#define RAG_INDEX_POSTING_H

#include "index/index_int.h"

#define RAG_POSTING_BLOCK 128 /* postings a block */
#define RAG_POSTING_GROUP 16 /* terms a group of the dictionary */
#define RAG_POSTING_WINDOW 4096 /* rows that are scored together */
#define RAG_POSTING_PAD 16 /* bytes that may be read past the last block */

/* ---- blocks (posting_block.c) -------------------------------------------- */

typedef struct rag_posting {
    uint32_t row;
    uint16_t tf[RAG_COLS];
} rag_posting;

/* Appends n (1 to 128) postings with rows from `first` on, ascending. */
int rag_posting_encode(const rag_posting *p, size_t n, uint32_t first,
                       rag_buf *out, rag_error *err);
/* The rows of a block of n postings at p[0..len), all below limit; false when
 * it is damaged. RAG_POSTING_PAD bytes behind the block may be read. */
bool rag_posting_rows(const unsigned char *p, size_t len, size_t n,
                      uint32_t first, uint32_t limit, uint32_t *rows);
/* The counts of the same block. */
bool rag_posting_counts(const unsigned char *p, size_t len, size_t n,
                        uint16_t (*tf)[RAG_COLS]);

/* ---- writing (posting_write.c) ------------------------------------------- */

typedef struct rag_postings_writer rag_postings_writer;

/* What a file is made for: rows of base, with the tuning and mean lengths
 * that its bounds are tight for (they hold for all). */
typedef struct rag_posting_basis {
    const rag_chunk_row *rows;
    size_t nrows, dead;
    double avg_words[RAG_COLS];
    double column[RAG_COLS], b;
} rag_posting_basis;

/* Writes to path, which the caller publishes and removes on failure; basis is
 * borrowed until finish or abort. */
int rag_postings_create(const char *path, const rag_posting_basis *basis,
                        rag_postings_writer **out, rag_error *err);
/* Postings of one term after another (bytes ascending), rows ascending. */
int rag_postings_add(rag_postings_writer *w, const char *token, size_t len,
                     const rag_posting *p, rag_error *err);
/* Dictionary, head and sum; frees w in any case. */
int rag_postings_finish(rag_postings_writer *w, rag_error *err);
void rag_postings_abort(rag_postings_writer *w);

/* ---- reading (posting.c) -------------------------------------------------- */

/* Maps a file and checks its sum and that it belongs to these rows:
 * RAG_E_CORRUPT, RAG_E_MISMATCH. */
int rag_postings_open(const char *path, const rag_chunk_row *rows, size_t nrows,
                      rag_postings **out, rag_error *err);
/* The same of bytes that stay where they are, without the sum. */
int rag_postings_from(const unsigned char *p, size_t len,
                      const rag_chunk_row *rows, size_t nrows,
                      rag_postings **out, rag_error *err);
void rag_postings_close(rag_postings *p); /* drops a reference */
rag_postings *rag_postings_share(rag_postings *p); /* one more; NULL: NULL */
/* Rows that were dead when the file was made: their words are not in it. */
size_t rag_postings_dead(const rag_postings *p);
size_t rag_postings_bytes(const rag_postings *p);
size_t rag_postings_terms(const rag_postings *p);

/* Rows that have a term; of those whose bit is set in live, when not NULL. */
int rag_postings_df(const rag_postings *p, const char *token, size_t len,
                    const uint8_t *live, size_t *df, rag_error *err);
/* As rag_fts_range; frequencies count all rows. */
int rag_postings_range(const rag_postings *p, const char *from, size_t from_len,
                       const char *to, size_t to_len, rag_token_fn fn,
                       void *user, rag_error *err);

/* ---- searching (posting_search.c) ---------------------------------------- */

typedef struct rag_posting_query {
    const rag_query_term *terms; /* those with weight > 0 are searched */
    size_t n;
    double column[RAG_COLS], b, k1;
    double avg_words[RAG_COLS]; /* of the generation that asks */
    const uint8_t *allowed; /* bits of rows; NULL: all */
    bool few; /* ... that leave few: looked at first */
} rag_posting_query;

/* A row with what it has, tf[term * RAG_COLS + column], as rag_match_fn has
 * it. Returns the score below which further rows are of no use (negative:
 * none yet). */
typedef double (*rag_posting_fn)(void *user, uint32_t row, const uint16_t *tf);

/*
 * Calls fn for rows in ascending order, for at least every allowed row whose
 * BM25 (search.c) is not below what fn returned last; threshold is what holds
 * before the first.
 *
 * Block-max MaxScore (Turtle & Flood 1995; Ding & Suel, "Faster top-k document
 * retrieval using block-max indexes", SIGIR 2011) over windows of rows: in a
 * window, the terms whose bounds together cannot reach the threshold are only
 * looked up for the rows that the others found.
 */
int rag_postings_search(const rag_postings *p, const rag_posting_query *q,
                        double threshold, rag_posting_fn fn, void *user,
                        rag_error *err);
/* Calls fn for those of the given rows (ascending) that have any term. */
int rag_postings_lookup(const rag_postings *p, const rag_posting_query *q,
                        const uint32_t *rows, size_t n, rag_posting_fn fn,
                        void *user, rag_error *err);

/* ---- of a base (posting_base.c) ------------------------------------------- */

/*
 * Makes the file of g's base in dir from the store's full text (inside its
 * read transaction, at g's commit or any later one: what is gone by then is
 * dead in g, or will be), and opens it. Files of other bases are removed.
 */
int rag_postings_make(rag_store *s, const char *dir, const rag_generation *g,
                      const rag_tuning *t, rag_postings **out, rag_error *err);
/* Opens the one there is; RAG_E_NOINPUT. */
int rag_postings_load(const char *dir, const rag_generation *g,
                      rag_postings **out, rag_error *err);

#endif
