/*
 * search_int.h - the state of one search, between search.c and lookup.c.
 */
#ifndef RAG_INDEX_SEARCH_INT_H
#define RAG_INDEX_SEARCH_INT_H

#include "index/index_int.h"

typedef struct rag_scored {
    double score;
    int64_t id;
    uint32_t at;
    int segment;
} rag_scored;

typedef struct rag_search {
    rag_index *ix;
    const rag_index_query *query;
    const rag_tuning *tuning;
    rag_store *store;
    rag_generation *g;
    uint8_t *allowed; /* by document; NULL: all that live */

    rag_query_term terms[RAG_QUERY_TERMS_MAX];
    size_t nterms;

    size_t wanted; /* candidates of each side */
    rag_candidate *c;
    size_t n, cap;
    uint32_t *table; /* candidate + 1 by chunk id, open addressing */
    size_t slots;
    rag_scored *heap; /* best of the lexical side */
    size_t heaped;
    double best_bm25, best_cover, best_cosine;
} rag_search;

#endif
