/*
 * ann_lists.c - how many inverted lists a filtered search visits.
 *
 * Which rows stand in which list is read once from FAISS, when an index was
 * built or loaded; 4 bytes a row. Then immutable: any thread.
 *
 * Of a filter that leaves a share p of the rows at random, the k nearest are
 * about the k/p nearest of all, and lists near the question hold more of them
 * than others do: 1/sqrt(p) times as many lists find as much as without it.
 * Filters are seldom random. Of a filter by language or source, whole lists
 * near the question may hold nothing (a question in another language), or all
 * of it. So live rows are counted, nearest list first, until as many were
 * seen as those lists would hold at random.
 */
#include "index/ann_int.h"

#include <faiss/c_api/IndexIVF_c.h>

#include <math.h>
#include <stdlib.h>

struct rag_list_rows {
    uint32_t *row; /* of all lists, one behind the other */
    size_t *start; /* of each list, and the end */
};

void rag_ann_rows_free(rag_list_rows *r) {
    if (r == NULL)
        return;
    free(r->row);
    free(r->start);
    free(r);
}

int rag_ann_rows_read(rag_ann *a, rag_error *err) {
    const FaissIndexIVF *ivf = faiss_IndexIVF_cast(a->index);
    rag_list_rows *r = calloc(1, sizeof(*r));
    idx_t *ids = NULL;
    size_t n = 0, longest = 0;
    int rc = 0;

    a->rows = r;
    for (size_t i = 0; i < a->nlist; i++) {
        size_t len = faiss_IndexIVF_get_list_size(ivf, i);

        longest = len > longest ? len : longest;
    }
    if (r) {
        r->row = malloc((a->n + 1) * sizeof(*r->row));
        r->start = malloc((a->nlist + 1) * sizeof(*r->start));
        ids = longest <= a->n ? malloc((longest + 1) * sizeof(*ids)) : NULL;
    }
    if (longest > a->n)
        return rag_error_set(err, RAG_E_CORRUPT, "vector index: wrong lists");
    if (r == NULL || r->row == NULL || r->start == NULL || ids == NULL)
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < a->nlist && rc == 0; i++) {
        size_t len = faiss_IndexIVF_get_list_size(ivf, i);

        r->start[i] = n;
        if (len > a->n - n)
            rc = rag_error_set(err, RAG_E_CORRUPT, "vector index: wrong lists");
        else
            faiss_IndexIVF_invlists_get_ids(ivf, i, ids);
        for (size_t j = 0; j < len && rc == 0; j++) {
            if (ids[j] < 0 || (size_t)ids[j] >= a->n)
                rc = rag_error_set(err, RAG_E_CORRUPT,
                                   "vector index: wrong lists");
            r->row[n++] = (uint32_t)ids[j];
        }
    }
    if (rc == 0)
        r->start[a->nlist] = n;
    free(ids);
    return rc;
}

int rag_ann_lists_to_visit(const rag_ann *a, const float *q,
                           const uint8_t *live, size_t live_count,
                           size_t *nprobe, rag_error *err) {
    const FaissIndexIVF *ivf = faiss_IndexIVF_cast(a->index);
    double share = (double)live_count / (double)a->n;
    size_t want = (size_t)((double)a->nprobe * (double)a->n / (double)a->nlist *
                           sqrt(share)),
           seen = 0, i;
    idx_t *list = malloc(a->nlist * sizeof(*list));
    float *score = malloc(a->nlist * sizeof(*score));
    int rc = 0;

    if (list == NULL || score == NULL)
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (rc == 0) {
        rc = faiss_Index_search(faiss_IndexIVF_quantizer(ivf), 1, q,
                                (idx_t)a->nlist, score, list);
        rc = rc == 0 ? 0 : rag_ann_fail(rc, "ordering lists", err);
    }
    for (i = 0; i < a->nlist && seen < want && rc == 0; i++) {
        const size_t *at = list[i] < 0 ? NULL : &a->rows->start[list[i]];

        for (size_t j = at ? at[0] : 0; at && j < at[1]; j++) {
            uint32_t row = a->rows->row[j];

            seen += live[row / 8] >> row % 8 & 1;
        }
    }
    if (rc == 0)
        *nprobe = i > a->nprobe ? i : a->nprobe;
    free(list);
    free(score);
    return rc;
}
