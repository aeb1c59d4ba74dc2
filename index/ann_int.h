/*
 * ann_int.h - a vector index, between index/ann*.c.
 */
#ifndef RAG_INDEX_ANN_INT_H
#define RAG_INDEX_ANN_INT_H

#include "index/index_int.h"

#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>

/* libgomp's; not every compiler of ours has <omp.h>. */
void omp_set_num_threads(int n);
int omp_get_num_procs(void);

typedef struct rag_graph rag_graph;

struct rag_ann {
    FaissIndex *index;
    FaissIndex *quantizer; /* of ivf while it is not the index's own */
    rag_ann_kind kind;
    int dim;
    size_t n, nlist;
    size_t nprobe; /* lists visited without a filter, as measured (hnsw: the
                    * width of a search) ... */
    bool measuring; /* ... now: exactly so many */
    rag_graph *graph; /* hnsw only */
};

/* FAISS's last error as ours; what says what was being done. */
int rag_ann_fail(int rc, const char *what, rag_error *err);

static inline bool rag_ann_lists(rag_ann_kind kind) {
    return kind == RAG_ANN_IVF || kind == RAG_ANN_IVF4;
}

/* ---- ann_graph.c ---- */

int rag_ann_graph_new(rag_ann *a, rag_error *err); /* for a loaded index */
int rag_ann_graph_begin(rag_ann *a, const float *sample, size_t nsample,
                        rag_error *err);
void rag_ann_graph_free(rag_graph *g);
size_t rag_ann_graph_bytes(size_t n, int dim);
/* The k best of those that p selects; -1 behind what was found. */
int rag_ann_graph_search(const rag_ann *a, const float *q, size_t k,
                         const FaissSearchParameters *p, size_t width,
                         int64_t *positions, float *scores, rag_error *err);

#endif
