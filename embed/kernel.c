/*
 * kernel.c - which arithmetic this CPU gets. See kernel.h.
 */
#include "embed/kernel.h"

#include <string.h>

static const rag_kernel *const kernels[] = {
    &rag_kernel_avx512, &rag_kernel_avxvnni, &rag_kernel_avx2,
    &rag_kernel_portable};

const rag_kernel *rag_kernel_select(const char *name, bool *known) {
    *known = name == NULL;
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        if (name && strcmp(name, kernels[i]->name) == 0) {
            *known = true;
            return kernels[i]->usable() ? kernels[i] : NULL;
        }
        if (!name && kernels[i]->usable()) {
            return kernels[i];
        }
    }
    return NULL;
}

size_t rag_attend_scratch(size_t len, size_t d) {
    size_t pairs = (d + 2 * RAG_LANES_MAX - 1) / 2;
    /* keys, values, queries, scores, results: see attend_head in
     * kernel_body.h */
    return (len + 8) * (pairs * 4 + d * 2) +
           RAG_QUERIES_MAX * 4 * (pairs + 128 + 8 + d) + 64;
}
