/*
 * ann_build.c - making a vector index a piece at a time.
 *
 * hnsw: 32 neighbours a node (ann_graph.c).
 *
 * ivf: about 3.2 sqrt(n) lists (the FAISS wiki, "Guidelines to choose an
 * index"), centroids by k-means over a sample, codes of one byte a dimension.
 *
 * How many lists a search visits (how wide a graph's search is) is measured:
 * some vectors of the sample, with noise, are questions, their true neighbours
 * are found while the vectors go by, and the fewest lists that find enough of
 * them are kept. One thread calls; FAISS splits the work among OpenMP's.
 */
#include "index/ann_int.h"

#include <faiss/c_api/Clustering_c.h>
#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexScalarQuantizer_c.h>
#include <faiss/c_api/utils/distances_c.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_PER_LIST                                                        \
    40 /* vectors a list that k-means sees; FAISS warns below 39 */
#define KMEANS_ROUNDS 10
#define LISTS_MIN 64
#define LISTS_MAX 4096
#define SAMPLE_GRAPH 10000 /* vectors that a graph's codes are fitted to */
#define WIDTH_MIN 16
#define WIDTH_MAX 4096 /* of a graph's searches */
#define ASKED 128 /* questions that the number of lists is measured with */
#define NEAREST 10 /* neighbours looked for */
#define DEPTH                                                                  \
    100 /* places they may be found in: candidates are scored again with       \
         * vectors that are not compressed, so only the lists must be right */
/*
 * Questions of people lie further away from the texts than those from one
 * another, by how much depends on the texts: with vectors of texts as
 * questions, 0.98 here was 0.86 for people in one set and 0.996, at four times
 * the work, in another. A vector and a random direction of the same length
 * make a question as hard as a person's or a little harder (docs/INDEX.md), so
 * that this is what people have, at least.
 */
#define RECALL 0.96
#define TILE 1024 /* vectors that are compared at a time */

typedef struct near {
    float score;
    int64_t position;
} near;

struct rag_ann_builder {
    rag_ann *ann;
    int threads;
    float *asked; /* nasked vectors */
    size_t nasked;
    near *truth; /* NEAREST a question, worst first */
};

/* ---- lists ---------------------------------------------------------------------- */

static size_t lists_for(size_t n) {
    size_t lists = LISTS_MIN;

    while (lists < LISTS_MAX && (double)lists < 3.2 * sqrt((double)n))
        lists *= 2;
    return lists;
}

size_t rag_ann_sample_size(rag_ann_kind kind, size_t n) {
    size_t want = rag_ann_lists(kind)    ? lists_for(n) * SAMPLE_PER_LIST
                  : kind == RAG_ANN_HNSW ? SAMPLE_GRAPH
                                         : 0;

    return want < n ? want : n;
}

static int train_lists(rag_ann *a, const float *v, size_t n, rag_error *err) {
    FaissClusteringParameters cp;
    FaissClustering *clustering = NULL;
    int rc;

    faiss_ClusteringParameters_init(&cp);
    cp.niter = KMEANS_ROUNDS;
    cp.spherical = 1;
    cp.seed = 1234;
    cp.min_points_per_centroid = 1; /* a small index: no warning */
    rc = faiss_Clustering_new_with_params(&clustering, a->dim, (int)a->nlist,
                                          &cp);
    if (rc == 0)
        rc = faiss_Clustering_train(clustering, (idx_t)n, v, a->quantizer);
    if (clustering)
        faiss_Clustering_free(clustering);
    return rc == 0 ? 0 : rag_ann_fail(rc, "clustering", err);
}

static int begin_ivf(rag_ann *a, size_t n, const float *sample, size_t nsample,
                     rag_error *err) {
    int rc, failed;

    a->nlist = lists_for(n);
    while (a->nlist > 1 && a->nlist > nsample)
        a->nlist /= 2;
    rc = faiss_IndexFlatIP_new_with(&a->quantizer, a->dim);
    if (rc != 0)
        return rag_ann_fail(rc, "making lists", err);
    failed = train_lists(a, sample, nsample, err);
    if (failed != 0)
        return failed;
    rc = faiss_IndexIVFScalarQuantizer_new_with_metric(
        &a->index, a->quantizer, (size_t)a->dim, a->nlist,
        a->kind == RAG_ANN_IVF4 ? QT_4bit : QT_8bit, METRIC_INNER_PRODUCT, 0);
    if (rc == 0)
        rc = faiss_Index_train(a->index, (idx_t)nsample, sample);
    return rc == 0 ? 0 : rag_ann_fail(rc, "making lists", err);
}

/* A random direction as long as the vector is added to it; the length of the
 * sum does not matter, as only the order of its neighbours is looked at. */
static void add_noise(float *v, size_t dim, uint64_t *seed) {
    double sum = 0, scale;

    for (size_t i = 0; i < dim; i++)
        sum += (double)v[i] * v[i];
    scale = sqrt(sum * 12 / (double)dim); /* 12: of a uniform number */
    for (size_t i = 0; i < dim; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        v[i] +=
            (float)(scale * ((double)(*seed >> 11) / 9007199254740992.0 - 0.5));
    }
}

/* Every so manyth vector of the sample, with noise, is a question. */
static int choose_questions(rag_ann_builder *b, const float *sample, size_t n,
                            rag_error *err) {
    size_t dim = (size_t)b->ann->dim;
    uint64_t seed = 1234;

    b->nasked = n < ASKED ? n : ASKED;
    b->asked = malloc((b->nasked + 1) * dim * sizeof(*b->asked));
    b->truth = malloc((b->nasked + 1) * NEAREST * sizeof(*b->truth));
    if (b->asked == NULL || b->truth == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < b->nasked; i++) {
        memcpy(b->asked + i * dim, sample + i * n / b->nasked * dim,
               dim * sizeof(*b->asked));
        add_noise(b->asked + i * dim, dim, &seed);
    }
    for (size_t i = 0; i < b->nasked * NEAREST; i++)
        b->truth[i] = (near){-INFINITY, -1};
    return 0;
}

int rag_ann_begin(rag_ann_kind kind, int dim, size_t n, const float *sample,
                  size_t nsample, int threads, rag_ann_builder **out,
                  rag_error *err) {
    rag_ann_builder *b = calloc(1, sizeof(*b));
    rag_ann *a = calloc(1, sizeof(*a));
    int rc = 0;

    *out = NULL;
    if (b == NULL || a == NULL) {
        free(b);
        free(a);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    b->ann = a;
    b->threads = threads > 0 ? threads : omp_get_num_procs();
    omp_set_num_threads(b->threads);
    a->kind = kind;
    a->dim = dim;
    if (kind == RAG_ANN_FLAT) {
        int failed = faiss_IndexFlatIP_new_with(&a->index, dim);

        if (failed != 0)
            rc = rag_ann_fail(failed, "making an index", err);
    } else {
        rc = kind == RAG_ANN_HNSW ? rag_ann_graph_begin(a, sample, nsample, err)
                                  : begin_ivf(a, n, sample, nsample, err);
        if (rc == 0)
            rc = choose_questions(b, sample, nsample, err);
    }
    omp_set_num_threads(1);
    if (rc != 0) {
        rag_ann_abort(b);
        return rc;
    }
    *out = b;
    return 0;
}

/* ---- adding ----------------------------------------------------------------------- */

static void keep_nearest(near *truth, near x) {
    size_t i = 0;

    if (x.score <= truth[0].score)
        return;
    for (; i + 1 < NEAREST && truth[i + 1].score < x.score; i++)
        truth[i] = truth[i + 1];
    truth[i] = x;
}

static void compare(rag_ann_builder *b, const float *v, size_t n) {
    size_t dim = (size_t)b->ann->dim;
    float score[TILE];

    for (size_t i = 0; i < b->nasked; i++) {
        faiss_fvec_inner_products_ny(score, b->asked + i * dim, v, dim, n);
        for (size_t j = 0; j < n; j++)
            keep_nearest(b->truth + i * NEAREST,
                         (near){score[j], (int64_t)(b->ann->n + j)});
    }
}

int rag_ann_add(rag_ann_builder *b, const float *v, size_t n, rag_error *err) {
    size_t dim = (size_t)b->ann->dim;
    int rc = 0;

    omp_set_num_threads(b->threads);
    while (n > 0 && rc == 0) {
        size_t m = n < TILE ? n : TILE;

        if (b->nasked > 0)
            compare(b, v, m);
        rc = faiss_Index_add(b->ann->index, (idx_t)m, v);
        b->ann->n += m;
        v += m * dim;
        n -= m;
    }
    omp_set_num_threads(1);
    return rc == 0 ? 0 : rag_ann_fail(rc, "adding vectors", err);
}

/* ---- the end ------------------------------------------------------------------------- */

/* Share of the true neighbours that are found in nprobe lists. */
static int measure(const rag_ann_builder *b, size_t nprobe, double *recall,
                   rag_error *err) {
    rag_ann a = *b->ann;
    size_t hits = 0, all = 0;
    int rc = 0;

    a.nprobe = nprobe;
    a.measuring = true;
    for (size_t i = 0; i < b->nasked && rc == 0; i++) {
        const near *truth = b->truth + i * NEAREST;
        int64_t positions[DEPTH];
        float scores[DEPTH];
        size_t found;

        rc = rag_ann_search(&a, b->asked + i * (size_t)a.dim, DEPTH, NULL, a.n,
                            positions, scores, &found, err);
        for (size_t j = 0; j < NEAREST && rc == 0; j++) {
            all += truth[j].position >= 0;
            for (size_t k = 0; k < found; k++)
                hits +=
                    truth[j].position >= 0 && positions[k] == truth[j].position;
        }
    }
    *recall = all > 0 ? (double)hits / (double)all : 1;
    return rc;
}

static int calibrate(rag_ann_builder *b, rag_error *err) {
    rag_ann *a = b->ann;
    size_t low = 0, least = a->graph ? WIDTH_MIN : 8,
           most = a->graph ? WIDTH_MAX : a->nlist;
    double recall = 0;
    int rc = 0;

    if (most > a->n)
        most = a->n;
    a->nprobe = most < least ? most : least;
    for (;; a->nprobe = a->nprobe * 2 < most ? a->nprobe * 2 : most) {
        rc = measure(b, a->nprobe, &recall, err);
        if (rc != 0 || recall >= RECALL || a->nprobe == most)
            break;
        low = a->nprobe;
    }
    /* Between the last that was too few and this, to an eighth. */
    while (rc == 0 && a->nprobe - low > a->nprobe / 8 + 1) {
        size_t middle = low + (a->nprobe - low) / 2;

        rc = measure(b, middle, &recall, err);
        if (recall >= RECALL)
            a->nprobe = middle;
        else
            low = middle;
    }
    if (a->graph) /* a third may be dead */
        a->nprobe =
            a->nprobe + a->nprobe / 2 < a->n ? a->nprobe + a->nprobe / 2 : a->n;
    return rc;
}

int rag_ann_finish(rag_ann_builder *b, rag_ann **out, rag_error *err) {
    rag_ann *a = b->ann;
    int rc = 0;

    *out = NULL;
    if (rag_ann_lists(a->kind)) {
        int failed = faiss_IndexIVF_make_direct_map(a->index, 1);

        rc = failed ? rag_ann_fail(failed, "filling lists", err) : 0;
    }
    if (rc == 0 && a->kind != RAG_ANN_FLAT)
        rc = calibrate(b, err);
    if (rc == 0) {
        *out = a;
        b->ann = NULL;
    }
    rag_ann_abort(b);
    return rc;
}

void rag_ann_abort(rag_ann_builder *b) {
    if (b == NULL)
        return;
    rag_ann_close(b->ann);
    free(b->asked);
    free(b->truth);
    free(b);
}

int rag_ann_build(rag_ann_kind kind, int dim, const float *v, size_t n,
                  int threads, rag_ann **out, rag_error *err) {
    size_t m = rag_ann_sample_size(kind, n), d = (size_t)dim;
    float *sample = malloc((m + 1) * d * sizeof(*sample));
    rag_ann_builder *b = NULL;
    int rc;

    *out = NULL;
    if (sample == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < m; i++)
        memcpy(sample + i * d, v + i * n / m * d, d * sizeof(*sample));
    rc = rag_ann_begin(kind, dim, n, sample, m, threads, &b, err);
    free(sample);
    if (rc == 0)
        rc = rag_ann_add(b, v, n, err);
    if (rc == 0)
        return rag_ann_finish(b, out, err);
    rag_ann_abort(b);
    return rc;
}
