/*
 * ann_graph.c - hnsw: a navigable graph over codes of one byte a dimension
 * (Malkov & Yashunin, 2016). Called by ann.c and ann_build.c, any thread.
 *
 * How far a search looks around is FAISS's efSearch, which through its C
 * interface belongs to the index, not to a search. The width of a search
 * without a filter is what the index has; it is half as large again as was
 * measured, which is enough while a third of the rows are dead. Whoever needs
 * another one has the index for itself meanwhile. That, and the memory and
 * time that a graph takes, is why nobody gets one unasked (docs/INDEX.md).
 */
#include "index/ann_int.h"

#include <faiss/c_api/AutoTune_c.h>
#include <faiss/c_api/index_factory_c.h>

#include <stdlib.h>

#define SHAPE "HNSW32_SQ8"

struct rag_graph {
    pthread_rwlock_t lock; /* of the width; shared by searches that fit it */
    size_t width;
};

int rag_ann_graph_new(rag_ann *a, rag_error *err) {
    a->graph = calloc(1, sizeof(*a->graph));
    if (a->graph == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    pthread_rwlock_init(&a->graph->lock, NULL);
    return 0;
}

void rag_ann_graph_free(rag_graph *g) {
    if (g == NULL)
        return;
    pthread_rwlock_destroy(&g->lock);
    free(g);
}

int rag_ann_graph_begin(rag_ann *a, const float *sample, size_t nsample,
                        rag_error *err) {
    int rc = rag_ann_graph_new(a, err);

    if (rc != 0)
        return rc;
    rc = faiss_index_factory(&a->index, a->dim, SHAPE, METRIC_INNER_PRODUCT);
    if (rc == 0)
        rc = faiss_Index_train(a->index, (idx_t)nsample, sample);
    return rc == 0 ? 0 : rag_ann_fail(rc, "making a graph", err);
}

size_t rag_ann_graph_bytes(size_t n, int dim) {
    /* code; 64 neighbours below, few above; place, level, a half more */
    return n * ((size_t)dim + 64 * 4 + 24);
}

/* Under the lock, alone. */
static int set_width(const rag_ann *a, size_t width, rag_error *err) {
    FaissParameterSpace *space = NULL;
    int rc = faiss_ParameterSpace_new(&space);

    if (rc == 0)
        rc = faiss_ParameterSpace_set_index_parameter(
            space, a->index, "efSearch", (double)width);
    if (space)
        faiss_ParameterSpace_free(space);
    if (rc != 0)
        return rag_ann_fail(rc, "searching", err);
    a->graph->width = width;
    return 0;
}

int rag_ann_graph_search(const rag_ann *a, const float *q, size_t k,
                         const FaissSearchParameters *p, size_t width,
                         int64_t *positions, float *scores, rag_error *err) {
    pthread_rwlock_t *lock = &a->graph->lock;
    bool alone = false;
    int rc = 0, failed;

    pthread_rwlock_rdlock(lock);
    if (a->graph->width != width) {
        pthread_rwlock_unlock(lock);
        pthread_rwlock_wrlock(lock);
        alone = true;
        rc = set_width(a, width, err);
    }
    if (rc == 0) {
        failed = faiss_Index_search_with_params(a->index, 1, q, (idx_t)k, p,
                                                scores, positions);
        if (failed != 0)
            rc = rag_ann_fail(failed, "searching", err);
    }
    if (alone && width != a->nprobe && rc == 0)
        rc = set_width(a, a->nprobe, err);
    pthread_rwlock_unlock(lock);
    return rc;
}
