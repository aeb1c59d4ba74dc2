/*
 * search_int.h - the state of one search, between search.c and cosine.c.
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
    rag_filter *filter;
    rag_postings *postings; /* of the generation, or NULL */

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
    int64_t best_id; /* chunk of best_bm25 */
    bool exhausted; /* _lookup is done: candidates have their scores */
} rag_search;

/* The cosine of every candidate with the question (cosine.c). */
int rag_search_cosines(rag_search *s, rag_error *err);
/*
 * Pseudo relevance feedback (Rocchio, 1971, in its simplest form): every
 * candidate's likeness to the best document, so that what belongs to it (a
 * law's next article, the page that a page is about) can move up.
 */
int rag_search_likeness(rag_search *s, const rag_fusion *f, rag_error *err);

/* ---- order.c ---- */

/* True when the second document is a newer version of the first, and the
 * question does not ask for the older one. */
bool rag_order_succeeds(const char *old_title, const char *old_id,
                        const char *new_title, const char *new_id,
                        const char *question);
/* Puts newer versions before older ones; numbers documents again. */
int rag_order_successors(rag_index_result *r, const char *question,
                         rag_error *err);
/* The same for passages that differ in spaces and punctuation only; 0: none. */
uint64_t rag_order_passage(const rag_index_hit *h);

#endif
