/*
 * ann.c - one vector index: exact ("flat") or inverted lists of 8-bit codes
 * ("ivf"). The only place that touches FAISS.
 *
 * An index is immutable once built, so any number of threads may search it;
 * each sets its own OpenMP width to one, because a search is too short to be
 * worth splitting and many run at once. FAISS's error text lives until the
 * next call in any thread, so it is copied at once and may, in a crowd, be
 * another's.
 *
 * ivf: about 4 sqrt(n) lists (the FAISS wiki, "Guidelines to choose an
 * index"), centroids by k-means over a sample, codes of one byte a dimension.
 * Of a filter that leaves few rows, exactly those rows are scored instead.
 */
#include "index/index_int.h"

#include <faiss/c_api/Clustering_c.h>
#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexScalarQuantizer_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>
#include <faiss/c_api/index_io_c.h>
#include <faiss/c_api/utils/distances_c.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libgomp's; not every compiler of ours has <omp.h>. */
void omp_set_num_threads(int n);
int omp_get_num_procs(void);

#define SAMPLE_PER_LIST                                                        \
    48 /* vectors a list that k-means sees; FAISS warns
                            * below 39 */
#define KMEANS_ROUNDS 10
#define ENCODER_SAMPLE 50000
#define PROBE_SHARE 16 /* one list of so many is visited ... */
#define PROBE_MIN 160 /* ... but at least so many */
#define EXACT_ROWS                                                             \
    4000 /* rows left by a filter up to which they are scored
                         * one by one */

struct rag_ann {
    FaissIndex *index;
    FaissIndex *quantizer; /* of ivf while it is not the index's own */
    rag_ann_kind kind;
    int dim;
    size_t n, nlist;
};

static int fail(int rc, const char *what, rag_error *err) {
    const char *text = faiss_get_last_error();

    return rag_error_set(err, rc == STD_EXCEPT ? RAG_E_NOMEM : RAG_E_INTERNAL,
                         "vector index: %s: %s", what, text ? text : "failed");
}

/* ---- building ------------------------------------------------------------------ */

/* Every step-th vector, at most max of them, copied. */
static float *sample(const float *v, size_t n, int dim, size_t max,
                     size_t *out_n) {
    size_t take = n < max ? n : max;
    float *s = malloc((take ? take : 1) * (size_t)dim * sizeof(*s));

    *out_n = take;
    for (size_t i = 0; s && i < take; i++)
        memcpy(s + i * (size_t)dim,
               v + (size_t)((double)i * (double)n / (double)take) * (size_t)dim,
               (size_t)dim * sizeof(*s));
    return s;
}

static int train_lists(rag_ann *a, const float *v, size_t n, rag_error *err) {
    FaissClusteringParameters cp;
    FaissClustering *clustering = NULL;
    size_t m;
    float *s = sample(v, n, a->dim, a->nlist * SAMPLE_PER_LIST, &m);
    int rc;

    if (s == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    faiss_ClusteringParameters_init(&cp);
    cp.niter = KMEANS_ROUNDS;
    cp.spherical = 1;
    cp.seed = 1234;
    rc = faiss_Clustering_new_with_params(&clustering, a->dim, (int)a->nlist,
                                          &cp);
    if (rc == 0)
        rc = faiss_Clustering_train(clustering, (idx_t)m, s, a->quantizer);
    if (clustering)
        faiss_Clustering_free(clustering);
    free(s);
    return rc == 0 ? 0 : fail(rc, "clustering", err);
}

static int build_ivf(rag_ann *a, const float *v, size_t n, rag_error *err) {
    size_t m;
    float *s = NULL;
    int rc, failed = 0;

    a->nlist = 64;
    while (a->nlist < 4096 && (double)a->nlist < 3.2 * sqrt((double)n))
        a->nlist *= 2;
    rc = faiss_IndexFlatIP_new_with(&a->quantizer, a->dim);
    if (rc != 0)
        return fail(rc, "making lists", err);
    failed = train_lists(a, v, n, err);
    if (failed != 0)
        return failed;
    rc = faiss_IndexIVFScalarQuantizer_new_with_metric(
        &a->index, a->quantizer, (size_t)a->dim, a->nlist, QT_8bit,
        METRIC_INNER_PRODUCT, 0);
    if (rc != 0)
        return fail(rc, "making lists", err);
    s = sample(v, n, a->dim, ENCODER_SAMPLE, &m);
    if (s == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = faiss_Index_train(a->index, (idx_t)m, s);
    free(s);
    if (rc == 0)
        rc = faiss_Index_add(a->index, (idx_t)n, v);
    if (rc == 0)
        rc = faiss_IndexIVF_make_direct_map(a->index, 1);
    return rc == 0 ? 0 : fail(rc, "filling lists", err);
}

int rag_ann_build(rag_ann_kind kind, int dim, const float *v, size_t n,
                  int threads, rag_ann **out, rag_error *err) {
    rag_ann *a = calloc(1, sizeof(*a));
    int rc, failed = 0;

    *out = NULL;
    if (a == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    omp_set_num_threads(threads > 0 ? threads : omp_get_num_procs());
    a->kind = kind;
    a->dim = dim;
    a->n = n;
    if (kind == RAG_ANN_FLAT) {
        rc = faiss_IndexFlatIP_new_with(&a->index, dim);
        if (rc == 0 && n > 0)
            rc = faiss_Index_add(a->index, (idx_t)n, v);
        if (rc != 0)
            failed = fail(rc, "adding vectors", err);
    } else {
        failed = build_ivf(a, v, n, err);
    }
    omp_set_num_threads(1);
    if (failed != 0) {
        rag_ann_close(a);
        return failed;
    }
    *out = a;
    return 0;
}

void rag_ann_close(rag_ann *a) {
    if (a == NULL)
        return;
    if (a->index)
        faiss_Index_free(a->index);
    if (a->quantizer)
        faiss_Index_free(a->quantizer);
    free(a);
}

size_t rag_ann_count(const rag_ann *a) {
    return a ? a->n : 0;
}

size_t rag_ann_memory(const rag_ann *a) {
    if (a == NULL)
        return 0;
    if (a->kind == RAG_ANN_FLAT)
        return a->n * (size_t)a->dim * sizeof(float);
    /* code, id in its list, place in the direct map */
    return a->n * ((size_t)a->dim + 8 + 8) +
           a->nlist * (size_t)a->dim * sizeof(float);
}

const char *rag_ann_name(const rag_ann *a) {
    return a && a->kind == RAG_ANN_IVF ? "ivf" : "flat";
}

/* ---- scores of given rows -------------------------------------------------------- */

int rag_ann_scores(const rag_ann *a, const float *q, const int64_t *positions,
                   size_t n, float *scores, rag_error *err) {
    float *v;
    int rc = 0;

    if (n == 0)
        return 0;
    omp_set_num_threads(1);
    if (a->kind == RAG_ANN_FLAT) {
        rc = faiss_IndexFlat_compute_distance_subset(a->index, 1, q, (idx_t)n,
                                                     scores, positions);
        return rc == 0 ? 0 : fail(rc, "scoring", err);
    }
    v = malloc((size_t)a->dim * sizeof(*v));
    if (v == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = faiss_Index_reconstruct(a->index, positions[i], v);
        if (rc == 0)
            faiss_fvec_inner_products_ny(&scores[i], q, v, (size_t)a->dim, 1);
    }
    free(v);
    return rc == 0 ? 0 : fail(rc, "scoring", err);
}

int rag_ann_vector(const rag_ann *a, int64_t position, float *out,
                   rag_error *err) {
    int rc = faiss_Index_reconstruct(a->index, position, out);

    return rc == 0 ? 0 : fail(rc, "reading a vector", err);
}

/* ---- searching --------------------------------------------------------------------- */

typedef struct scored {
    float score;
    int64_t position;
} scored;

static int by_score(const void *x, const void *y) {
    const scored *a = x, *b = y;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->position < b->position ? -1 : a->position > b->position;
}

/* Scores every live row: where a filter leaves few. */
static int search_rows(const rag_ann *a, const float *q, size_t k,
                       const uint8_t *live, size_t live_count,
                       int64_t *positions, float *scores, size_t *found,
                       rag_error *err) {
    int64_t *rows = malloc((live_count + 1) * sizeof(*rows));
    float *s = malloc((live_count + 1) * sizeof(*s));
    scored *all = malloc((live_count + 1) * sizeof(*all));
    size_t n = 0;
    int rc = 0;

    if (rows == NULL || s == NULL || all == NULL) {
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
        goto out;
    }
    for (size_t byte = 0; byte < (a->n + 7) / 8 && n < live_count; byte++)
        for (unsigned bit = 0; live[byte] != 0 && bit < 8; bit++)
            if (live[byte] >> bit & 1 && n < live_count &&
                byte * 8 + bit < a->n)
                rows[n++] = (int64_t)(byte * 8 + bit);
    rc = rag_ann_scores(a, q, rows, n, s, err);
    if (rc != 0)
        goto out;
    for (size_t i = 0; i < n; i++)
        all[i] = (scored){s[i], rows[i]};
    qsort(all, n, sizeof(*all), by_score);
    *found = n < k ? n : k;
    for (size_t i = 0; i < *found; i++) {
        positions[i] = all[i].position;
        scores[i] = all[i].score;
    }
out:
    free(all);
    free(s);
    free(rows);
    return rc;
}

static size_t probes(const rag_ann *a, int effort) {
    size_t p = a->nlist / PROBE_SHARE;

    if (p < PROBE_MIN)
        p = PROBE_MIN;
    p *= (size_t)(effort > 1 ? effort : 1);
    return p < a->nlist ? p : a->nlist;
}

static int search_index(const rag_ann *a, const float *q, size_t k,
                        const uint8_t *live, int effort, int64_t *positions,
                        float *scores, rag_error *err) {
    FaissIDSelectorBitmap *bitmap = NULL;
    FaissSearchParameters *plain = NULL;
    FaissSearchParametersIVF *ivf = NULL;
    FaissIDSelector *selector;
    int rc = 0;

    if (live)
        rc = faiss_IDSelectorBitmap_new(&bitmap, (a->n + 7) / 8, live);
    /* FAISS's own classes: a bitmap is a selector. */
    selector = (FaissIDSelector *)(void *)bitmap;
    if (rc == 0 && a->kind == RAG_ANN_IVF) {
        rc = faiss_SearchParametersIVF_new_with(&ivf, selector,
                                                probes(a, effort), 0);
        if (rc == 0)
            rc = faiss_Index_search_with_params(a->index, 1, q, (idx_t)k,
                                                (FaissSearchParameters *)ivf,
                                                scores, positions);
    } else if (rc == 0) {
        rc = faiss_SearchParameters_new(&plain, selector);
        if (rc == 0)
            rc = faiss_Index_search_with_params(a->index, 1, q, (idx_t)k, plain,
                                                scores, positions);
    }
    if (rc != 0)
        rc = fail(rc, "searching", err);
    if (ivf)
        faiss_SearchParametersIVF_free(ivf);
    if (plain)
        faiss_SearchParameters_free(plain);
    if (bitmap)
        faiss_IDSelectorBitmap_free(bitmap);
    return rc;
}

int rag_ann_search(const rag_ann *a, const float *q, size_t k,
                   const uint8_t *live, size_t live_count, int effort,
                   int64_t *positions, float *scores, size_t *found,
                   rag_error *err) {
    size_t n = 0;
    int rc;

    *found = 0;
    if (a == NULL || a->n == 0 || k == 0 || (live && live_count == 0))
        return 0;
    omp_set_num_threads(1);
    if (live && live_count >= a->n)
        live = NULL;
    if (live && live_count <= EXACT_ROWS)
        return search_rows(a, q, k, live, live_count, positions, scores, found,
                           err);
    if (k > a->n)
        k = a->n;
    rc = search_index(a, q, k, live, effort, positions, scores, err);
    if (rc != 0)
        return rc;
    while (n < k && positions[n] >= 0)
        n++;
    *found = n;
    return 0;
}

/* ---- files ------------------------------------------------------------------------- */

typedef struct head {
    uint32_t kind, dim;
    uint64_t n, nlist;
} head;

int rag_ann_save(const rag_ann *a, rag_write_fn fn, void *user,
                 rag_error *err) {
    head h = {(uint32_t)a->kind, (uint32_t)a->dim, a->n, a->nlist};
    char *bytes = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&bytes, &size);
    int rc;

    if (f == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = faiss_write_index(a->index, f);
    if (fclose(f) != 0 && rc == 0)
        rc = STD_EXCEPT;
    if (rc != 0)
        rc = fail(rc, "writing", err);
    if (rc == 0)
        rc = fn(user, &h, sizeof(h));
    if (rc == 0)
        rc = fn(user, bytes, size);
    free(bytes);
    return rc;
}

int rag_ann_load(const void *p, size_t n, int dim, rag_ann **out,
                 rag_error *err) {
    rag_ann *a = calloc(1, sizeof(*a));
    head h;
    FILE *f = NULL;
    union {
        const void *in;
        void *out;
    } bytes = {(const char *)p + sizeof(h)};
    int rc = 0;

    *out = NULL;
    if (a == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (n <= sizeof(h))
        rc = rag_error_set(err, RAG_E_CORRUPT, "vector index: too short");
    if (rc == 0) {
        memcpy(&h, p, sizeof(h));
        if (h.dim != (uint32_t)dim || h.kind > RAG_ANN_IVF)
            rc = rag_error_set(err, RAG_E_CORRUPT,
                               "vector index: wrong dimensions");
    }
    if (rc == 0) {
        f = fmemopen(bytes.out, n - sizeof(h), "rb");
        if (f == NULL)
            rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = faiss_read_index(f, 0, &a->index);
        if (rc != 0)
            rc = fail(rc, "reading", err);
    }
    if (rc == 0 && (faiss_Index_d(a->index) != dim ||
                    faiss_Index_ntotal(a->index) != (idx_t)h.n))
        rc = rag_error_set(err, RAG_E_CORRUPT, "vector index: wrong size");
    if (f)
        fclose(f);
    if (rc != 0) {
        rag_ann_close(a);
        return rc;
    }
    a->kind = (rag_ann_kind)h.kind;
    a->dim = dim;
    a->n = h.n;
    a->nlist = h.nlist;
    *out = a;
    return 0;
}
