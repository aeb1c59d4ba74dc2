/*
 * bench_index.c - the index at size: bench_index [CHUNKS...] (default 10000).
 *
 * Makes a store of that many chunks (words drawn by Zipf's law, vectors in
 * clusters, as texts have them), opens it cold and warm, searches, deletes 30
 * per cent, filters to 1 per cent, and compares with an exact scan. Prints
 * "name value unit" a line. Scratch files go to $TMPDIR and are removed.
 */
#include "index/index_int.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIM 384
#define WORDS 50000 /* vocabulary */
#define LENGTH 60 /* words a chunk */
#define CLUSTERS 2000
#define QUERIES 300
#define K 10

static uint64_t seed = 88172645463325252u;

static double uniform(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static void die(const rag_error *err) {
    fprintf(stderr, "bench_index: %s\n", err->message);
    exit(rag_code_exit_status(err->code));
}

/* Rank by Zipf's law, by inversion of the continuous law. */
static unsigned word(void) {
    return (unsigned)exp(uniform() * log((double)WORDS));
}

static size_t text(char *out, size_t cap, unsigned words) {
    size_t n = 0;

    for (unsigned i = 0; i < words && n + 16 < cap; i++) {
        unsigned w = word();

        n += (size_t)snprintf(out + n, cap - n, "%sw%c%c%c%u", i ? " " : "",
                              'a' + w % 26, 'a' + w / 26 % 26,
                              'a' + w / 676 % 26, w % 7);
    }
    return n;
}

static float *centres;

static void vector(float *v) {
    const float *c = centres + (size_t)(uniform() * CLUSTERS) * (size_t)DIM;
    double sum = 0;

    for (int i = 0; i < DIM; i++) {
        v[i] = c[i] + (float)(uniform() - 0.5) * 0.15f;
        sum += (double)v[i] * v[i];
    }
    for (int i = 0; i < DIM; i++)
        v[i] /= (float)sqrt(sum);
}

static int by_value(const void *x, const void *y) {
    const double *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

static void line(size_t n, const char *what, double value, const char *unit) {
    printf("index.%zu.%s %.4g %s\n", n, what, value, unit);
    fflush(stdout);
}

static void percentiles(size_t n, const char *what, double *ms, size_t m) {
    char name[64];

    qsort(ms, m, sizeof(*ms), by_value);
    snprintf(name, sizeof(name), "%s.p50", what);
    line(n, name, ms[m / 2], "ms");
    snprintf(name, sizeof(name), "%s.p99", what);
    line(n, name, ms[m * 99 / 100], "ms");
}

/* ---- the store ------------------------------------------------------------------ */

static void fill(const char *dir, size_t n) {
    rag_index_fingerprint fp = {DIM, "bench", "bench", 1};
    rag_index_writer *w;
    rag_error err;
    double t0 = rag_clock_ms();

    if (rag_index_writer_open(dir, &fp, false, &w, &err) != 0)
        die(&err);
    for (size_t i = 0; i < n; i++) {
        char id[32], body[1024];
        float v[DIM];
        rag_vector vec = {RAG_VECTOR_CHUNK, 0, 0, v};
        rag_chunk c = {0};
        rag_document d;

        rag_document_init(&d);
        snprintf(id, sizeof(id), "d%zu", i);
        d.id = id;
        d.text = body;
        d.text_len = c.end = text(body, sizeof(body), LENGTH);
        d.collection = (char[]){'c', (char)('0' + (i % 100 == 0)), 0};
        d.valid_from = d.valid_until = RAG_TIME_NONE;
        d.chunks = &c;
        d.nchunks = 1;
        vector(v);
        if (rag_index_writer_put(w, &d, &vec, 1, &err) != 0 ||
            (i % 5000 == 4999 && rag_index_writer_commit(w, &err) != 0))
            die(&err);
    }
    if (rag_index_writer_commit(w, &err) != 0)
        die(&err);
    rag_index_writer_close(w);
    line(n, "put", (double)n * 1000 / (rag_clock_ms() - t0), "chunks/s");
}

static void drop(const char *dir, size_t n) {
    rag_index_fingerprint fp = {DIM, "bench", "bench", 1};
    rag_index_writer *w;
    rag_error err;
    double t0 = rag_clock_ms();

    if (rag_index_writer_open(dir, &fp, false, &w, &err) != 0)
        die(&err);
    for (size_t i = 0; i < n; i++) {
        char id[32];

        if (i % 10 >= 3)
            continue;
        snprintf(id, sizeof(id), "d%zu", i);
        if (rag_index_writer_remove(w, id, &err) != 0)
            die(&err);
    }
    if (rag_index_writer_commit(w, &err) != 0)
        die(&err);
    rag_index_writer_close(w);
    line(n, "remove30", (rag_clock_ms() - t0), "ms");
}

static rag_index *reopen(const char *dir, size_t n, const char *what) {
    rag_index *ix;
    rag_error err;
    double t0 = rag_clock_ms();

    if (rag_index_open(dir, NULL, &ix, &err) != 0)
        die(&err);
    line(n, what, rag_clock_ms() - t0, "ms");
    return ix;
}

/* ---- searching ------------------------------------------------------------------- */

static void search(rag_index *ix, size_t n, const char *what,
                   const char *collection) {
    static double all[QUERIES], lexical[QUERIES], vectors[QUERIES];
    char name[64];

    for (size_t i = 0; i < QUERIES; i++) {
        char question[256];
        float v[DIM];
        rag_index_query q = {.text = question,
                             .vector = v,
                             .k = K,
                             .kind = -1,
                             .vector_weight = -1,
                             .collection = collection};
        rag_index_result r;
        rag_error err;
        double t0;

        q.len = text(question, sizeof(question), 8);
        vector(v);
        t0 = rag_clock_ms();
        if (rag_index_search(ix, &q, &r, &err) != 0)
            die(&err);
        all[i] = rag_clock_ms() - t0;
        lexical[i] = r.lexical_ms;
        vectors[i] = r.vector_ms;
        rag_index_result_free(&r);
    }
    snprintf(name, sizeof(name), "search%s", what);
    percentiles(n, name, all, QUERIES);
    snprintf(name, sizeof(name), "lexical%s", what);
    percentiles(n, name, lexical, QUERIES);
    snprintf(name, sizeof(name), "vector%s", what);
    percentiles(n, name, vectors, QUERIES);
}

/* recall@10 of the index's kind against an exact scan of the same vectors */
static void recall(size_t n, rag_ann_kind kind) {
    float *v = malloc(n * DIM * sizeof(*v)), q[DIM];
    rag_ann *exact, *ann;
    double hit = 0, t0 = rag_clock_ms(), ms[QUERIES];
    rag_error err;

    if (v == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        vector(v + i * DIM);
    if (rag_ann_build(RAG_ANN_FLAT, DIM, v, n, 0, &exact, &err) != 0)
        die(&err);
    t0 = rag_clock_ms();
    if (rag_ann_build(kind, DIM, v, n, 0, &ann, &err) != 0)
        die(&err);
    line(n, kind == RAG_ANN_IVF ? "ivf.build" : "flat.build",
         rag_clock_ms() - t0, "ms");
    free(v);
    for (size_t i = 0; i < QUERIES; i++) {
        int64_t a[K], b[K];
        float s[K];
        size_t na, nb;

        vector(q);
        if (rag_ann_search(exact, q, K, NULL, n, 1, a, s, &na, &err) != 0)
            die(&err);
        t0 = rag_clock_ms();
        if (rag_ann_search(ann, q, K, NULL, n, 1, b, s, &nb, &err) != 0)
            die(&err);
        ms[i] = rag_clock_ms() - t0;
        for (size_t x = 0; x < na; x++)
            for (size_t y = 0; y < nb; y++)
                hit += a[x] == b[y];
    }
    line(n, kind == RAG_ANN_IVF ? "ivf.recall10" : "flat.recall10",
         hit / (QUERIES * K), "share");
    percentiles(n, kind == RAG_ANN_IVF ? "ivf.search" : "flat.search", ms,
                QUERIES);
    line(n, "vector.memory", (double)rag_ann_memory(ann) / (1 << 20), "MiB");
    rag_ann_close(exact);
    rag_ann_close(ann);
}

static void run(size_t n) {
    const char *tmp = getenv("TMPDIR");
    char dir[512];
    rag_index *ix;
    DIR *d;
    struct dirent *e;

    snprintf(dir, sizeof(dir), "%s/rag-bench-XXXXXX",
             tmp && tmp[0] ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        exit(74);
    fill(dir, n);
    rag_index_close(reopen(dir, n, "open.build"));
    ix = reopen(dir, n, "open.snapshot");
    search(ix, n, "", NULL);
    search(ix, n, ".filter1", "c1");
    drop(dir, n);
    search(ix, n, ".deleted30", NULL);
    rag_index_close(ix);
    d = opendir(dir);
    while (d && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
    recall(n, n <= RAG_INDEX_FLAT_MAX ? RAG_ANN_FLAT : RAG_ANN_IVF);
}

int main(int argc, char **argv) {
    centres = malloc((size_t)CLUSTERS * DIM * sizeof(*centres));
    if (centres == NULL)
        return 70;
    for (size_t i = 0; i < (size_t)CLUSTERS * DIM; i++)
        centres[i] = (float)(uniform() - 0.5) * 0.1f;
    if (argc == 1)
        run(10000);
    for (int i = 1; i < argc; i++) {
        long n;
        rag_error err;

        if (rag_str_to_long(argv[i], 100, 10000000, &n, &err) != 0)
            die(&err);
        run((size_t)n);
    }
    free(centres);
    return 0;
}
