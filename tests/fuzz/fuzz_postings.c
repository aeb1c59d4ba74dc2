/*
 * fuzz_postings.c - any bytes as a posting file (without the sum that keeps
 * damage out): opened, listed, counted and searched without a step outside.
 *
 * The seed is a small real file, cut where the sum begins.
 */
#include "index/posting.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int list_token(void *user, const char *token, size_t len, size_t df) {
    size_t *n = user;

    if (len == 0 || len >= RAG_TOKEN_MAX || token[len] != '\0' || df == 0)
        abort();
    return ++*n == 100;
}

static double take_row(void *user, uint32_t row, const uint16_t *tf) {
    double *best = user;

    (void)tf;
    if (row >= ROWS)
        abort();
    return *best += 0.01;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rag_chunk_row rows[ROWS];
    uint8_t live[ROWS / 8 + 1];
    uint32_t some[3] = {0, 77, ROWS - 1};
    rag_query_term terms[3] = {
        {.token = "a", .len = 1, .weight = 1, .idf = 1},
        {.token = "bb", .len = 2, .weight = 1, .idf = 2},
        {.token = "은행", .len = 6, .weight = 1, .idf = 2}};
    rag_posting_query q = {.terms = terms,
                           .n = 3,
                           .column = {3, 1.5, 1.5, 1},
                           .avg_words = {1, 1, 1, 30},
                           .b = 0.6,
                           .k1 = 1,
                           .allowed = live};
    rag_postings *p;
    double best = 0;
    size_t n = 0, df;

    memset(live, 0xdb, sizeof(live));
    if (rag_postings_from(data, size, rows, ROWS, &p, NULL) != 0)
        return 0;
    rag_postings_range(p, "a", 1, "z", 1, list_token, &n, NULL);
    rag_postings_df(p, "bb", 2, live, &df, NULL);
    rag_postings_search(p, &q, -1, take_row, &best, NULL);
    rag_postings_lookup(p, &q, some, 3, take_row, &best, NULL);
    rag_postings_close(p);
    return 0;
}
