/*
 * fuzz_postings.c - any bytes as a posting file (without the sum that keeps
 * damage out): opened, listed, counted and searched without a step outside.
 *
 * The seed is a small file written now, so that it is always of today's form,
 * cut where the sum begins: run.sh names the folder in RAG_FUZZ_SEEDS.
 */
#include "index/posting.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 600

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Terms of every, every third and every fiftieth row. */
static int write_seed(const char *path, rag_error *err) {
    static const char *const tokens[] = {"a", "bb", "은행"};
    static const uint32_t step[] = {1, 3, 50};
    static rag_chunk_row rows[ROWS];
    rag_posting_basis basis = {.rows = rows,
                               .nrows = ROWS,
                               .avg_words = {1, 1, 1, 30, 1},
                               .column = {3, 1.5, 1.5, 1, 0.25},
                               .b = 0.6};
    rag_postings_writer *w;
    rag_buf b;
    int rc;

    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (rag_chunk_row){.id = i, .words = {1, 1, 1, 30, 1}};
    rc = rag_postings_create(path, &basis, &w, err);
    if (rc != 0)
        return rc;
    for (size_t t = 0; t < 3 && rc == 0; t++)
        for (uint32_t i = 0; i < ROWS && rc == 0; i += step[t]) {
            rag_posting p = {.row = i};

            p.tf[RAG_COL_BODY] = (uint16_t)(1 + i % 3);
            p.tf[i % RAG_COLS] += (uint16_t)(i % 7 == 0);
            rc = rag_postings_add(w, tokens[t], strlen(tokens[t]), &p, err);
        }
    if (rc != 0) {
        rag_postings_abort(w);
        return rc;
    }
    rag_buf_init(&b, 0);
    if ((rc = rag_postings_finish(w, err)) == 0 &&
        (rc = rag_file_read(path, 1 << 20, &b, err)) == 0)
        rc =
            rag_file_replace(path, b.data, b.len - sizeof(uint64_t), 0600, err);
    rag_buf_free(&b);
    return rc;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    const char *folder = getenv("RAG_FUZZ_SEEDS");
    char path[4096];
    rag_error err;

    (void)argc;
    (void)argv;
    if (folder == NULL)
        return 0;
    snprintf(path, sizeof(path), "%s/seed", folder);
    if (write_seed(path, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return 0;
}

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
                           .column = {3, 1.5, 1.5, 1, 0.25},
                           .avg_words = {1, 1, 1, 30, 1},
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
