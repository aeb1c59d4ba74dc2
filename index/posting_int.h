/*
 * posting_int.h - the file's layout, between index/posting*.c.
 *
 *   head | lists | dictionary | starts of groups (u64) | padding | sum
 *
 * A list of up to 128 postings is a bound (float) and a block; a longer one
 * is a table of its blocks (last row, end of the block, bound) and the blocks.
 * The dictionary holds terms in groups: where the first one's list begins
 * (u64), then each term as bytes shared with the one before, bytes of its
 * own, frequency and length of its list.
 */
#ifndef RAG_INDEX_POSTING_INT_H
#define RAG_INDEX_POSTING_INT_H

#include "index/posting.h"

#include "base/file.h"

#include <string.h>

#define RAG_POSTING_VERSION 2

typedef struct rag_posting_head {
    char magic[8];
    uint32_t version, cols;
    uint64_t nrows, rows_sum, dead;
    uint64_t nterms, ngroups;
    uint64_t list_bytes, dict_bytes;
    double column[RAG_COLS], avg_words[RAG_COLS], b;
} rag_posting_head;

static const char rag_posting_magic[8] = "RAGPOST";

typedef struct rag_posting_skip { /* one block of a list */
    uint32_t last; /* row */
    uint32_t end; /* byte after it, from the first block's start */
    float bound; /* largest weighted count, see rag_posting_weight */
} rag_posting_skip;

#define RAG_POSTING_SKIP_BYTES 12

struct rag_postings {
    int refs; /* atomic */
    rag_file_map map; /* base NULL: borrowed bytes */
    rag_posting_head head;
    const unsigned char *lists, *dict, *groups;
    const rag_chunk_row *rows; /* borrowed from the base */
};

typedef struct rag_posting_list { /* found in the dictionary */
    const unsigned char *skips; /* NULL: one block, with `bound` */
    const unsigned char *blocks;
    size_t bytes; /* of the blocks */
    uint32_t df, nblocks;
    float bound;
} rag_posting_list;

/* *found false: no row has it. RAG_E_CORRUPT when the file is damaged. */
int rag_posting_find(const rag_postings *p, const char *token, size_t len,
                     rag_posting_list *out, bool *found, rag_error *err);
int rag_posting_damaged(rag_error *err);

static inline rag_posting_skip rag_posting_skip_at(const rag_posting_list *l,
                                                   uint32_t block) {
    const unsigned char *p = l->skips + (size_t)block * RAG_POSTING_SKIP_BYTES;
    rag_posting_skip s;

    memcpy(&s.last, p, 4);
    memcpy(&s.end, p + 4, 4);
    memcpy(&s.bound, p + 8, 4);
    return s;
}

/* Where a block lies; false when its place is impossible. */
static inline bool rag_posting_place(const rag_posting_list *l, uint32_t block,
                                     size_t *from, size_t *to, uint32_t *first,
                                     size_t *n) {
    *from = 0;
    *first = 0;
    *to = l->bytes;
    *n = l->df - (size_t)block * RAG_POSTING_BLOCK;
    if (l->skips) {
        *to = rag_posting_skip_at(l, block).end;
        if (block > 0) {
            rag_posting_skip before = rag_posting_skip_at(l, block - 1);

            if (before.last == UINT32_MAX)
                return false;
            *from = before.end;
            *first = before.last + 1;
        }
        if (*n > RAG_POSTING_BLOCK)
            *n = RAG_POSTING_BLOCK;
    }
    return *from <= *to && *to <= l->bytes && *n >= 1 &&
           *n <= RAG_POSTING_BLOCK;
}

/* What length does to a count in a column, as search.c has it. */
static inline double rag_posting_norm(double b, double avg, unsigned words,
                                      int col) {
    if (avg <= 0 || col == RAG_COL_TITLE || col == RAG_COL_HEADING)
        return 1;
    return 1 - b + b * words / avg;
}

#endif
