/*
 * kernel.c - which arithmetic this CPU gets. See kernel.h.
 */
#include "embed/kernel.h"

#include <string.h>

static const rag_kernel *const kernels[] = {
    &rag_kernel_avx512, &rag_kernel_avx2, &rag_kernel_portable};

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
    size_t padded = (len + RAG_LANES_MAX - 1) & ~(size_t)(RAG_LANES_MAX - 1);
    /* keys and values, then scores, probabilities and queries of at most
     * eight rows: see attend in kernel_body.h */
    return 4 * padded * d + RAG_ROWS_SLACK * (6 * padded + 2 * d) + 64;
}
