/*
 * ann.c - one vector index: exact ("flat"), inverted lists of codes of 8 or 4
 * bits ("ivf", "ivf4") or a graph ("hnsw"). Only index/ann*.c touch FAISS.
 *
 * An index is immutable once built, so any number of threads may search it;
 * each sets its own OpenMP width to one, because a search is too short to be
 * worth splitting and many run at once. FAISS's error text lives until the
 * next call in any thread, so it is copied at once and may, in a crowd, be
 * another's.
 *
 * Of a filter that leaves few rows, exactly those rows are scored. One that
 * leaves a share p of them makes a list hold p times as many, so 1/p times as
 * many lists are visited, or a graph is searched as many times wider, and the
 * search sees as many vectors as without it. Lists: at most FILTER_LISTS times
 * as many, since of rows left at random those near the question hold more of
 * the nearest than others do (docs/INDEX.md). Up to a third that is gone changes
 * nothing.
 */
#include "index/ann_int.h"

#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>
#include <faiss/c_api/index_io_c.h>
#include <faiss/c_api/utils/distances_c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBES_MIN 24 /* lists that cost next to nothing */
#define FILTER_LISTS 10.0 /* times as many as without a filter */
#define DEAD_SHARE 0.66 /* of rows that live, for which an index is made */
#define EXACT_ROWS                                                             \
    2000 /* rows left by a filter up to which they are scored                  \
          * one by one */

int rag_ann_fail(int rc, const char *what, rag_error *err) {
    const char *text = faiss_get_last_error();

    return rag_error_set(err, rc == STD_EXCEPT ? RAG_E_NOMEM : RAG_E_INTERNAL,
                         "vector index: %s: %s", what, text ? text : "failed");
}

void rag_ann_close(rag_ann *a) {
    if (a == NULL)
        return;
    if (a->index)
        faiss_Index_free(a->index);
    if (a->quantizer)
        faiss_Index_free(a->quantizer);
    rag_ann_graph_free(a->graph);
    free(a);
}

size_t rag_ann_count(const rag_ann *a) {
    return a ? a->n : 0;
}

static size_t bytes_of(rag_ann_kind kind, size_t n, int dim) {
    size_t d = (size_t)dim;

    if (kind == RAG_ANN_FLAT)
        return n * d * sizeof(float);
    if (kind == RAG_ANN_HNSW)
        return rag_ann_graph_bytes(n, dim);
    /* code, id in its list, place in the direct map */
    return n * ((kind == RAG_ANN_IVF4 ? (d + 1) / 2 : d) + 8 + 8);
}

size_t rag_ann_memory(const rag_ann *a) {
    return a ? bytes_of(a->kind, a->n, a->dim) +
                   a->nlist * (size_t)a->dim * sizeof(float)
             : 0;
}

rag_ann_kind rag_ann_choose(rag_index_kind wanted, size_t n, int dim,
                            size_t flat_max, size_t memory) {
    static const rag_ann_kind next[] = {[RAG_ANN_FLAT] = RAG_ANN_IVF,
                                        [RAG_ANN_HNSW] = RAG_ANN_IVF,
                                        [RAG_ANN_IVF] = RAG_ANN_IVF4};
    rag_ann_kind kind = n <= flat_max ? RAG_ANN_FLAT : RAG_ANN_IVF;

    if (n == 0)
        return RAG_ANN_FLAT;
    if (wanted != RAG_INDEX_AUTO)
        kind = wanted == RAG_INDEX_FLAT  ? RAG_ANN_FLAT
               : wanted == RAG_INDEX_IVF ? RAG_ANN_IVF
                                         : RAG_ANN_HNSW;
    while (memory > 0 && kind != RAG_ANN_IVF4 &&
           bytes_of(kind, n, dim) > memory)
        kind = next[kind];
    return kind;
}

rag_ann_kind rag_ann_kind_of(const rag_ann *a) {
    return a ? a->kind : RAG_ANN_FLAT;
}

bool rag_ann_exact(const rag_ann *a) {
    return a == NULL || a->kind == RAG_ANN_FLAT;
}

void rag_ann_probes(const rag_ann *a, size_t *visited, size_t *lists) {
    *visited = a ? a->nprobe : 0;
    *lists = a ? a->nlist : 0;
}

const char *rag_ann_name(const rag_ann *a) {
    static const char *const names[] = {"flat", "ivf", "ivf4", "hnsw"};

    return names[rag_ann_kind_of(a)];
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
        return rc == 0 ? 0 : rag_ann_fail(rc, "scoring", err);
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
    return rc == 0 ? 0 : rag_ann_fail(rc, "scoring", err);
}

int rag_ann_vector(const rag_ann *a, int64_t position, float *out,
                   rag_error *err) {
    int rc = faiss_Index_reconstruct(a->index, position, out);

    return rc == 0 ? 0 : rag_ann_fail(rc, "reading a vector", err);
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

static int search_index(const rag_ann *a, const float *q, size_t k,
                        const uint8_t *live, size_t nprobe, int64_t *positions,
                        float *scores, rag_error *err) {
    FaissIDSelectorBitmap *bitmap = NULL;
    FaissSearchParameters *plain = NULL;
    FaissSearchParametersIVF *ivf = NULL;
    FaissIDSelector *selector;
    int rc = 0, failed = 0;

    if (live)
        rc = faiss_IDSelectorBitmap_new(&bitmap, (a->n + 7) / 8, live);
    /* FAISS's own classes: a bitmap is a selector. */
    selector = (FaissIDSelector *)(void *)bitmap;
    if (rc == 0 && rag_ann_lists(a->kind)) {
        rc = faiss_SearchParametersIVF_new_with(&ivf, selector, nprobe, 0);
        if (rc == 0)
            rc = faiss_Index_search_with_params(a->index, 1, q, (idx_t)k,
                                                (FaissSearchParameters *)ivf,
                                                scores, positions);
    } else if (rc == 0) {
        rc = faiss_SearchParameters_new(&plain, selector);
        if (rc == 0 && a->graph)
            failed = rag_ann_graph_search(a, q, k, plain, nprobe, positions,
                                          scores, err);
        else if (rc == 0)
            rc = faiss_Index_search_with_params(a->index, 1, q, (idx_t)k, plain,
                                                scores, positions);
    }
    if (rc != 0)
        rc = rag_ann_fail(rc, "searching", err);
    if (ivf)
        faiss_SearchParametersIVF_free(ivf);
    if (plain)
        faiss_SearchParameters_free(plain);
    if (bitmap)
        faiss_IDSelectorBitmap_free(bitmap);
    return rc ? rc : failed;
}

/* Searches with nprobe lists (as wide), then with all when there should be
 * more. */
static int search_lists(const rag_ann *a, const float *q, size_t k,
                        const uint8_t *live, size_t live_count, size_t nprobe,
                        int64_t *positions, float *scores, size_t *found,
                        rag_error *err) {
    size_t there = live ? live_count : a->n, want = k < there ? k : there, n;
    size_t most = a->graph ? a->n : a->nlist;
    int rc;

    for (;;) {
        rc = search_index(a, q, k, live, nprobe, positions, scores, err);
        if (rc != 0)
            return rc;
        for (n = 0; n < k && positions[n] >= 0;)
            n++;
        *found = n;
        if (n >= want || nprobe >= most || (a->graph && a->measuring))
            return 0;
        nprobe = most;
    }
}

/* How many lists (how wide) for a share of the rows. */
static size_t width_for(const rag_ann *a, double share) {
    size_t most = a->graph ? a->n : a->nlist;
    double times = 1 / share, wide;

    if (share > DEAD_SHARE)
        return a->nprobe; /* which allows for it */
    if (!a->graph && times > FILTER_LISTS)
        times = FILTER_LISTS;
    wide = times * (double)a->nprobe;
    return wide < (double)most ? (size_t)wide : most;
}

int rag_ann_search(const rag_ann *a, const float *q, size_t k,
                   const uint8_t *live, size_t live_count, int64_t *positions,
                   float *scores, size_t *found, rag_error *err) {
    size_t nprobe, most;

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
    most = a->graph ? a->n : a->nlist;
    nprobe = width_for(a, live ? (double)live_count / (double)a->n : 1);
    if (!a->measuring && nprobe < PROBES_MIN)
        nprobe = most < PROBES_MIN ? most : PROBES_MIN;
    return search_lists(a, q, k, live, live_count, nprobe, positions, scores,
                        found, err);
}

/* ---- files ------------------------------------------------------------------------- */

typedef struct head {
    uint32_t kind, dim;
    uint64_t n, nlist, nprobe;
} head;

typedef struct
    pipe_end { /* FAISS writes to a FILE, our caller has a function */
    rag_write_fn fn;
    void *user;
    int rc;
} pipe_end;

static ssize_t write_on(void *cookie, const char *p, size_t n) {
    pipe_end *e = cookie;

    if (e->rc == 0)
        e->rc = e->fn(e->user, p, n);
    return e->rc == 0 ? (ssize_t)n : 0;
}

int rag_ann_save(const rag_ann *a, rag_write_fn fn, void *user,
                 rag_error *err) {
    head h = {(uint32_t)a->kind, (uint32_t)a->dim, a->n, a->nlist, a->nprobe};
    pipe_end end = {fn, user, 0};
    FILE *f;
    int rc = fn(user, &h, sizeof(h));

    if (rc != 0)
        return rc;
    f = fopencookie(&end, "wb", (cookie_io_functions_t){.write = write_on});
    if (f == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = faiss_write_index(a->index, f);
    if (fclose(f) != 0 && rc == 0)
        rc = STD_EXCEPT;
    if (end.rc != 0)
        return end.rc; /* what fn said */
    return rc == 0 ? 0 : rag_ann_fail(rc, "writing", err);
}

/* FAISS's own class of it; calls for another would read what is not there. */
static bool is_of_kind(FaissIndex *index, rag_ann_kind kind) {
    bool flat = faiss_IndexFlat_cast(index) != NULL;
    bool lists = faiss_IndexIVF_cast(index) != NULL;

    return flat == (kind == RAG_ANN_FLAT) && lists == rag_ann_lists(kind);
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
        if (h.dim != (uint32_t)dim || h.kind > RAG_ANN_HNSW ||
            h.nprobe > (h.kind == RAG_ANN_HNSW ? h.n : h.nlist))
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
            rc = rag_ann_fail(rc, "reading", err);
    }
    if (rc == 0 &&
        (faiss_Index_d(a->index) != dim ||
         faiss_Index_ntotal(a->index) != (idx_t)h.n ||
         !is_of_kind(a->index, (rag_ann_kind)h.kind) ||
         (rag_ann_lists((rag_ann_kind)h.kind) &&
          faiss_IndexIVF_nlist(faiss_IndexIVF_cast(a->index)) != h.nlist)))
        rc = rag_error_set(err, RAG_E_CORRUPT, "vector index: wrong size");
    if (rc == 0) {
        a->kind = (rag_ann_kind)h.kind;
        a->dim = dim;
        a->n = h.n;
        a->nlist = h.nlist;
        a->nprobe = h.nprobe;
    }
    if (rc == 0 && a->kind == RAG_ANN_HNSW)
        rc = rag_ann_graph_new(a, err);
    if (f)
        fclose(f);
    if (rc != 0) {
        rag_ann_close(a);
        return rc;
    }
    *out = a;
    return 0;
}
