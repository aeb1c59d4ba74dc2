/*
 * ann_int.h - a vector index, between ann.c and ann_build.c.
 */
#ifndef RAG_INDEX_ANN_INT_H
#define RAG_INDEX_ANN_INT_H

#include "index/index_int.h"

#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>

/* libgomp's; not every compiler of ours has <omp.h>. */
void omp_set_num_threads(int n);
int omp_get_num_procs(void);

struct rag_ann {
    FaissIndex *index;
    FaissIndex *quantizer; /* of ivf while it is not the index's own */
    rag_ann_kind kind;
    int dim;
    size_t n, nlist;
    size_t nprobe; /* lists visited without a filter, as measured ... */
    bool measuring; /* ... now: exactly so many */
};

/* FAISS's last error as ours; what says what was being done. */
int rag_ann_fail(int rc, const char *what, rag_error *err);

#endif
