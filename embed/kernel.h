/*
 * kernel.h - the arithmetic of the int8 encoder, once a kind of CPU.
 *
 * Weights are signed 8-bit integers with one scale an output (-127..127);
 * activations are 8-bit with one scale a row, stored with 128 added so that
 * they are unsigned, as the dot-product instructions want them:
 *
 *     y[r][n] = bias[n] + sa[r] * sw[n] * sum_k (a[r][k] - 128) * w[n][k]
 *
 * A few inputs of a layer ("outliers") are many times larger than the others,
 * in every text (Dettmers et al. 2022, "LLM.int8()", section 3.2); within the
 * row's one scale they would leave the others few steps. RAG_OUTLIERS inputs
 * a matrix, found when the weights are packed, therefore bypass the bytes and
 * are added in float32.
 *
 * Attention runs in 16-bit integers (queries, keys, values, probabilities)
 * with float32 between them, so that it loses nothing that could be measured.
 *
 * kernel_body.h holds the one algorithm; kernel_avx512.c, kernel_avxvnni.c,
 * kernel_avx2.c and kernel_portable.c give it vectors. Everything else in embed/ is compiled
 * for the plainest CPU. All functions are pure: any thread may call them.
 *
 * Private to embed/.
 */
#ifndef RAG_EMBED_KERNEL_H
#define RAG_EMBED_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAG_OUTLIERS 4u /* inputs of a matrix that stay float32 */
#define RAG_PANEL 64u /* outputs in one panel of packed weights */
#define RAG_LANES_MAX 16u /* every size a kernel sees is a multiple of it */
#define RAG_QUERIES_MAX 32u /* that attention handles at once */
/* Rows a micro-tile may read past the last one: buffers have that many. */
#define RAG_ROWS_SLACK 8u

/*
 * Packed weights: for each panel of 64 outputs, for each four inputs, 64
 * groups of four bytes w[n][k..k+3]. The last panel is filled with zeros.
 */
typedef struct rag_matrix {
    size_t in, out; /* in % 4 == 0; out % 16 == 0 */
    const int8_t *w;
    const float *scale; /* by output, filled to whole panels */
    const float *bias; /* likewise */
    const int32_t *sum; /* 128 * sum_k w[n][k], likewise */
    const uint32_t *outlier; /* RAG_OUTLIERS inputs; their w is zero */
    const float *exact; /* for each outlier, its weight by output, filled */
} rag_matrix;

/* Rows of quantised activations. */
typedef struct rag_rows {
    uint8_t *q; /* `in` bytes a row, 128 at the outliers' places */
    float *scale; /* one a row */
    float *exact; /* RAG_OUTLIERS a row */
} rag_rows;

static inline rag_rows rag_rows_from(rag_rows a, size_t row, size_t in) {
    return (rag_rows){a.q + row * in, a.scale + row,
                      a.exact + row * RAG_OUTLIERS};
}

static inline size_t rag_matrix_panels(size_t out) {
    return (out + RAG_PANEL - 1) / RAG_PANEL;
}

typedef enum rag_epilogue {
    RAG_STORE, /* y = v */
    RAG_GELU, /* y = gelu(v), the exact (erf) form */
    RAG_ADD /* y += v */
} rag_epilogue;

typedef struct rag_kernel {
    const char *name;
    bool (*usable)(void); /* this CPU and system can run it */

    /* Outputs of panels [p0,p1) for the first `rows` rows: y has rows of
     * ldy floats, a rows of m->in bytes. */
    void (*product)(const rag_matrix *m, rag_rows a, size_t rows, size_t p0,
                    size_t p1, float *y, size_t ldy, rag_epilogue e);
    /* Rows of m->in floats as m's input. x loses its outliers. */
    void (*quantise)(const rag_matrix *m, float *x, size_t rows, rag_rows to);
    /* x = layer norm of x, row by row; then as quantise, but x stays. */
    void (*norm)(const rag_matrix *m, float *x, size_t rows, float eps,
                 const float *w, const float *b, rag_rows to);
    /*
     * One head of one text: len rows of ld floats at q, k and v (d of each
     * count), result to ctx (rows of ldc floats). scratch: as
     * rag_attend_scratch says, aligned to 64.
     */
    void (*attend)(const float *q, const float *k, const float *v, size_t ld,
                   size_t len, size_t d, void *scratch, float *ctx, size_t ldc);
} rag_kernel;

/* Bytes of scratch for one head of a text of len tokens. */
size_t rag_attend_scratch(size_t len, size_t d);

extern const rag_kernel rag_kernel_avx512, rag_kernel_avxvnni, rag_kernel_avx2,
    rag_kernel_portable;

/* By name; NULL name: the fastest that is usable here. NULL when there is no
 * such kernel, or it is not usable (*known tells which). */
const rag_kernel *rag_kernel_select(const char *name, bool *known);

#endif
