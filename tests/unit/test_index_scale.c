/*
 * Promises: what a large store does otherwise than a small one changes no
 * answer. Compressed lists find what a scan finds and never come back with
 * less than there is; cosines are those of the stored vectors; sentences that
 * are too many to be searched still count; a filter that is remembered is
 * right at every moment; each kind of vector index finds what a scan finds and
 * can be asked for.
 */
#include "test_index_support.h"

#define MANY 6000
#define CENTRES 200
#define K 10
#define CANDIDATES 100

static unsigned seed = 4711;

static double draw(void) {
    seed = seed * 1664525u + 1013904223u;
    return (double)(seed >> 8) / (1 << 24);
}

static void normalize(float *v) {
    double sum = 0;

    for (int i = 0; i < DIM; i++)
        sum += (double)v[i] * v[i];
    for (int i = 0; i < DIM; i++)
        v[i] /= (float)sqrt(sum);
}

/* Around one of the centres, as texts on a subject are. */
static void near_centre(int centre, float *v) {
    unsigned keep = seed;

    seed = (unsigned)centre * 2654435761u + 1;
    for (int i = 0; i < DIM; i++)
        v[i] = (float)(draw() - 0.5);
    seed = keep;
    for (int i = 0; i < DIM; i++)
        v[i] += (float)(draw() - 0.5) * 0.6f;
    normalize(v);
}

typedef struct both {
    float *v;
    rag_ann *flat, *lists;
} both;

static void make_both(both *b, rag_ann_kind kind) {
    rag_error err;

    b->v = malloc((size_t)MANY * DIM * sizeof(*b->v));
    assert_non_null(b->v);
    for (int i = 0; i < MANY; i++)
        near_centre(i % CENTRES, b->v + (size_t)i * DIM);
    must(rag_ann_build(RAG_ANN_FLAT, DIM, b->v, MANY, 1, &b->flat, &err), &err);
    must(rag_ann_build(kind, DIM, b->v, MANY, 1, &b->lists, &err), &err);
}

static void free_both(both *b) {
    rag_ann_close(b->flat);
    rag_ann_close(b->lists);
    free(b->v);
}

/* Of the K nearest, among as many candidates as a search takes: those are
 * scored again with vectors that are not compressed. */
static double recall(const both *b, const uint8_t *live, size_t count) {
    int64_t exact[K], got[CANDIDATES];
    float s[CANDIDATES];
    size_t n, m, hits = 0, all = 0;
    rag_error err;

    for (int t = 0; t < 100; t++) {
        float q[DIM];

        near_centre(t % CENTRES, q);
        must(rag_ann_search(b->flat, q, K, live, count, exact, s, &n, &err),
             &err);
        must(rag_ann_search(b->lists, q, CANDIDATES, live, count, got, s, &m,
                            &err),
             &err);
        assert_int_equal(m, CANDIDATES);
        all += n;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < m; j++)
                hits += exact[i] == got[j];
        for (size_t j = 0; j < m; j++)
            assert_true(live == NULL || live[got[j] / 8] >> got[j] % 8 & 1);
    }
    return (double)hits / (double)all;
}

static int append(void *user, const void *p, size_t n) {
    return rag_buf_append(user, p, n, NULL);
}

/* What is loaded in b's place; a file that says it is another kind is not. */
static void save_and_load(both *b, rag_ann_kind kind) {
    rag_ann *other = NULL;
    rag_error err;
    rag_buf bytes;

    rag_buf_init(&bytes, 0);
    must(rag_ann_save(b->lists, append, &bytes, &err), &err);
    rag_ann_close(b->lists);
    must(rag_ann_load(bytes.data, bytes.len, DIM, &b->lists, &err), &err);
    assert_int_equal(rag_ann_kind_of(b->lists), kind);
    for (uint32_t k = 0; k < 6; k++) {
        bool lists = kind != RAG_ANN_HNSW;
        bool may = lists ? k == RAG_ANN_IVF || k == RAG_ANN_IVF4 : k == kind;

        memcpy(bytes.data, &k, sizeof(k)); /* the head's first number */
        if (may)
            continue;
        assert_int_equal(rag_ann_load(bytes.data, bytes.len, DIM, &other, &err),
                         RAG_E_CORRUPT);
        assert_null(other);
    }
    rag_buf_free(&bytes);
}

/* Whole, with 30 % deleted, with with a filter that keeps two fifths, and one that
 * keeps a hundredth; after a restart, too. */
static void every_kind_finds_what_a_scan_finds(void **state) {
    static const rag_ann_kind kinds[] = {RAG_ANN_IVF, RAG_ANN_IVF4,
                                         RAG_ANN_HNSW};
    static const double kept[] = {0.7, 0.4, 0.01};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        both b;

        make_both(&b, kinds[i]);
        assert_false(rag_ann_exact(b.lists));
        assert_true(recall(&b, NULL, MANY) >= 0.95);
        save_and_load(&b, kinds[i]);
        assert_true(recall(&b, NULL, MANY) >= 0.95);
        for (size_t j = 0; j < sizeof(kept) / sizeof(kept[0]); j++) {
            uint8_t *live = calloc(MANY / 8 + 1, 1);
            size_t count = 0;

            assert_non_null(live);
            for (int r = 0; r < MANY; r++)
                if (r < CANDIDATES || draw() < kept[j]) {
                    live[r / 8] |= (uint8_t)(1u << (r % 8));
                    count++;
                }
            assert_true(recall(&b, live, count) >= 0.95);
            free(live);
        }
        assert_true(recall(&b, NULL, MANY) >= 0.95); /* as before */
        free_both(&b);
    }
}

static void the_kind_fits_size_wish_and_memory(void **state) {
    const size_t max = 30000, n = 100000, dim = 384;

    (void)state;
    assert_int_equal(rag_ann_choose(RAG_INDEX_AUTO, max, 384, max, 0),
                     RAG_ANN_FLAT);
    assert_int_equal(rag_ann_choose(RAG_INDEX_AUTO, max + 1, 384, max, 0),
                     RAG_ANN_IVF);
    assert_int_equal(rag_ann_choose(RAG_INDEX_FLAT, n, 384, max, 0),
                     RAG_ANN_FLAT);
    assert_int_equal(rag_ann_choose(RAG_INDEX_IVF, 100, 384, max, 0),
                     RAG_ANN_IVF);
    assert_int_equal(rag_ann_choose(RAG_INDEX_HNSW, n, 384, max, 0),
                     RAG_ANN_HNSW);
    assert_int_equal(rag_ann_choose(RAG_INDEX_HNSW, 0, 384, max, 0),
                     RAG_ANN_FLAT);
    /* too little memory for floats, for a graph, for bytes, for anything */
    assert_int_equal(
        rag_ann_choose(RAG_INDEX_FLAT, n, 384, max, n * dim * 4 - 1),
        RAG_ANN_IVF);
    assert_int_equal(
        rag_ann_choose(RAG_INDEX_HNSW, n, 384, max, n * (dim + 100)),
        RAG_ANN_IVF);
    assert_int_equal(rag_ann_choose(RAG_INDEX_AUTO, n, 384, max, n * dim),
                     RAG_ANN_IVF4);
    assert_int_equal(rag_ann_choose(RAG_INDEX_AUTO, n, 384, max, 1),
                     RAG_ANN_IVF4);
}

static void lists_are_as_many_as_recall_needs(void **state) {
    uint8_t *live = calloc(MANY / 8 + 1, 1);
    size_t visited, lists, count = 0;
    both b;

    (void)state;
    assert_non_null(live);
    make_both(&b, RAG_ANN_IVF);
    rag_ann_probes(b.lists, &visited, &lists);
    assert_true(visited > 0 && visited < lists / 2); /* not simply all */
    assert_true(recall(&b, NULL, MANY) >= 0.95);
    for (int i = 0; i < MANY; i++)
        if (draw() < 0.7) { /* 30 % deleted */
            live[i / 8] |= (uint8_t)(1u << (i % 8));
            count++;
        }
    assert_true(recall(&b, live, count) >= 0.95);
    free(live);
    free_both(&b);
}

/* The rows that a filter leaves can all lie far away from the question. */
static void leave_far_rows(rag_ann_kind kind) {
    uint8_t *live = calloc(MANY / 8 + 1, 1);
    size_t count = 0, hits = 0;
    int64_t got[100], exact[K];
    float s[100], q[DIM];
    rag_error err;
    size_t n, m;
    both b;

    assert_non_null(live);
    make_both(&b, kind);
    near_centre(0, q);
    for (int i = 0; i < MANY; i++) {
        double dot = 0;

        for (int j = 0; j < DIM; j++)
            dot += (double)q[j] * b.v[(size_t)i * DIM + (size_t)j];
        if (dot < 0) {
            live[i / 8] |= (uint8_t)(1u << (i % 8));
            count++;
        }
    }
    assert_true(count > 2100 && count < MANY);
    must(rag_ann_search(b.flat, q, K, live, count, exact, s, &m, &err), &err);
    must(rag_ann_search(b.lists, q, 100, live, count, got, s, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            hits += got[i] == exact[j];
    assert_int_equal(m, K);
    assert_true(hits + 1 >= K);
    assert_int_equal(n, 100);
    free(live);
    free_both(&b);
}

static void filters_never_leave_the_list_short(void **state) {
    (void)state;
    leave_far_rows(RAG_ANN_IVF);
    leave_far_rows(RAG_ANN_HNSW);
}

/* ---- whole searches --------------------------------------------------------------- */

static void put_parts(rag_index_writer *w, int from, int to) {
    for (int i = from; i < to; i++) {
        char id[16], text[64];
        test_doc t = {.id = id, .text = text};
        float values[5][DIM];
        rag_vector v[5];
        rag_document d;
        rag_error err;

        snprintf(id, sizeof(id), "d%d", i);
        snprintf(text, sizeof(text), "word%d a---word%d b", i % 50, i % 9);
        test_document(&t, &d);
        for (int j = 0; j < 5; j++)
            near_centre(i * 5 + j, values[j]);
        v[0] = (rag_vector){RAG_VECTOR_CHUNK, 0, 0, values[0]};
        v[1] = (rag_vector){RAG_VECTOR_CHUNK, 1, 0, values[1]};
        v[2] = (rag_vector){RAG_VECTOR_SENTENCE, 0, 0, values[2]};
        v[3] = (rag_vector){RAG_VECTOR_SENTENCE, 0, 1, values[3]};
        v[4] = (rag_vector){RAG_VECTOR_SENTENCE, 1, 0, values[4]};
        must(rag_index_writer_put(w, &d, v, 5, &err), &err);
        rag_document_free(&d);
    }
    test_commit(w);
}

static rag_index *open_with(const char *dir, rag_index_limits limits) {
    rag_index_options opt = {.fingerprint = test_fp, .threads = 1};
    rag_index *ix;
    rag_error err;

    must(rag_index_open_limited(dir, &opt, &limits, &ix, &err), &err);
    return ix;
}

/* All candidates are asked for, so that both must see the same ones. */
static rag_index_result ask_all(rag_index *ix, const float *v) {
    rag_index_query q = {.vector = v,
                         .k = 1000,
                         .chunks = 5,
                         .candidates = 10000,
                         .kind = -1,
                         .vector_weight = 1};
    rag_tuning t = rag_tuning_default;
    rag_index_result r;
    rag_error err;

    t.feedback = 0; /* that one takes the index's word for it */
    rag_index_set_tuning(ix, &t);
    must(rag_index_search(ix, &q, &r, &err), &err);
    return r;
}

static void lose_snapshots(const char *dir) {
    DIR *d = opendir(dir);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".snap"))
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

static void cosines_are_those_of_the_store(void **state) {
    rag_index_limits plain = rag_index_limits_default, large = plain;
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir);

    (void)state;
    large.flat_max = 0; /* compressed */
    large.parts_max = 0; /* parts are only in the store */
    put_parts(w, 0, 150);
    for (int round = 0; round < 3; round++) {
        rag_index *a = open_with(dir, plain), *b;
        rag_index_stats s;
        rag_error err;

        if (round < 2)
            lose_snapshots(dir); /* the last round reads the large one's */
        b = open_with(dir, large);
        if (round == 1) { /* and some that came later */
            put_parts(w, 150, 170);
            must(rag_index_writer_remove(w, "d7", &err), &err);
            test_commit(w);
        }
        must(rag_index_describe(b, &s, &err), &err);
        assert_string_equal(s.ann, "ivf");
        assert_true(s.vectors < 150 * 2 + 20 * 5 + 1);
        for (int t = 0; t < 20; t++) {
            rag_index_result x, y;
            float q[DIM];

            near_centre(t * 31, q);
            x = ask_all(a, q);
            y = ask_all(b, q);
            assert_true(x.n > 250);
            assert_int_equal(x.n, y.n);
            for (size_t i = 0; i < x.n; i++) {
                assert_int_equal(x.hits[i].chunk, y.hits[i].chunk);
                if (fabs(x.hits[i].vector - y.hits[i].vector) > 1e-6)
                    fail_msg("cosine %.9f, not %.9f", y.hits[i].vector,
                             x.hits[i].vector);
            }
            rag_index_result_free(&x);
            rag_index_result_free(&y);
        }
        rag_index_close(a);
        rag_index_close(b);
        lose_snapshots(dir);
        if (round == 1)
            rag_index_close(open_with(dir, large));
    }
    rag_index_writer_close(w);
    test_dir_free(dir);
}

static void expect_kind(const char *dir, rag_index_kind kind, size_t memory,
                        const char *name) {
    rag_index_options opt = {
        .fingerprint = test_fp, .threads = 1, .kind = kind, .memory = memory};
    rag_index_stats s;
    rag_index *ix;
    rag_error err;

    for (int round = 0; round < 2; round++) { /* made, then read */
        rag_index_result r;
        float q[DIM];

        must(rag_index_open(dir, &opt, &ix, &err), &err);
        must(rag_index_describe(ix, &s, &err), &err);
        assert_string_equal(s.ann, name);
        near_centre(40, q); /* the document d8's */
        r = ask_all(ix, q);
        assert_true(r.n > 0);
        rag_index_result_free(&r);
        rag_index_close(ix);
    }
}

static void a_kind_is_had_for_the_asking(void **state) {
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir);
    rag_index_kind kind;

    (void)state;
    put_parts(w, 0, 150); /* 750 vectors */
    rag_index_writer_close(w);
    expect_kind(dir, RAG_INDEX_AUTO, 0, "flat");
    expect_kind(dir, RAG_INDEX_HNSW, 0, "hnsw");
    expect_kind(dir, RAG_INDEX_IVF, 0, "ivf");
    expect_kind(dir, RAG_INDEX_AUTO, 750 * DIM * 4 - 1, "ivf");
    expect_kind(dir, RAG_INDEX_AUTO, 1, "ivf4");
    expect_kind(dir, RAG_INDEX_AUTO, 1 << 20, "flat");
    assert_true(rag_index_kind_from("hnsw", &kind) && kind == RAG_INDEX_HNSW);
    assert_false(rag_index_kind_from("HNSW", &kind));
    test_dir_free(dir);
}

typedef struct crowd {
    const both *b;
    const uint8_t *live;
    size_t count, hits, all;
} crowd;

static void *ask_in_a_crowd(void *user) {
    crowd *c = user;
    rag_error err;

    for (int t = 0; t < 100; t++) {
        int64_t exact[K], got[CANDIDATES];
        float s[CANDIDATES];
        const float *q = c->b->v + (size_t)(t * 37 % MANY) * DIM;
        size_t n, m;

        if (rag_ann_search(c->b->flat, q, K, c->live, c->count, exact, s, &n,
                           &err) != 0 ||
            rag_ann_search(c->b->lists, q, CANDIDATES, c->live, c->count, got,
                           s, &m, &err) != 0)
            return NULL;
        c->all += n;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < m; j++)
                c->hits += exact[i] == got[j];
    }
    return NULL;
}

/* A graph's width belongs to all who search it. */
static void filtered_searches_do_not_disturb_others(void **state) {
    uint8_t *live = calloc(MANY / 8 + 1, 1);
    size_t count = 0;
    pthread_t thread[3];
    crowd c[3];
    both b;

    (void)state;
    assert_non_null(live);
    make_both(&b, RAG_ANN_HNSW);
    for (int i = 0; i < MANY; i++)
        if (draw() < 0.4) {
            live[i / 8] |= (uint8_t)(1u << (i % 8));
            count++;
        }
    assert_true(count > 2000);
    for (int i = 0; i < 3; i++) {
        c[i] = (crowd){&b, i ? live : NULL, i ? count : MANY, 0, 0};
        assert_int_equal(
            pthread_create(&thread[i], NULL, ask_in_a_crowd, &c[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(c[i].all, 100 * K);
        assert_true((double)c[i].hits >= 0.95 * (double)c[i].all);
    }
    free(live);
    free_both(&b);
}

/* ---- filters ------------------------------------------------------------------------- */

static size_t count_at(rag_index *ix, int64_t now, const char *collection,
                       const char *source) {
    rag_index_query q = {.text = "word",
                         .len = 4,
                         .k = 100,
                         .kind = -1,
                         .now = now,
                         .collection = collection,
                         .source = source,
                         .vector_weight = -1};
    rag_index_result r;
    rag_error err;
    size_t n;

    must(rag_index_search(ix, &q, &r, &err), &err);
    n = r.documents;
    rag_index_result_free(&r);
    return n;
}

static void remembered_filters_know_the_time(void **state) {
    const test_doc docs[] = {
        {.id = "always", .text = "word one", .collection = "x"},
        {.id = "from", .text = "word two", .from = 100},
        {.id = "until", .text = "word three", .until = 200, .collection = "x"},
        {.id = "both", .text = "word four", .from = 100, .until = 150},
        {.id = "else", .text = "word five", .source = "/other/file"}};
    char *dir = test_dir();
    rag_index *ix;

    (void)state;
    test_store(dir, docs, 5);
    ix = test_open(dir);
    for (int round = 0; round < 3; round++) { /* made, then remembered */
        for (int64_t now = 90; now <= 210; now++) {
            size_t want =
                2 + (now >= 100) + (now <= 200) + (now >= 100 && now <= 150);

            assert_int_equal(count_at(ix, now, NULL, NULL), want);
            assert_int_equal(count_at(ix, now, "x", NULL), 1 + (now <= 200));
        }
        assert_int_equal(count_at(ix, RAG_TIME_NONE, NULL, NULL), 5);
        assert_int_equal(count_at(ix, RAG_TIME_NONE, NULL, "/other"), 1);
        assert_int_equal(count_at(ix, RAG_TIME_NONE, "none", NULL), 0);
        /* more kinds than are remembered */
        for (int i = 0; i < 2 * RAG_INDEX_FILTERS_MAX; i++) {
            char name[16];

            snprintf(name, sizeof(name), "c%d", i);
            assert_int_equal(count_at(ix, 120, name, NULL), 0);
        }
    }
    rag_index_close(ix);
    test_dir_free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_as_many_as_recall_needs),
        cmocka_unit_test(every_kind_finds_what_a_scan_finds),
        cmocka_unit_test(the_kind_fits_size_wish_and_memory),
        cmocka_unit_test(a_kind_is_had_for_the_asking),
        cmocka_unit_test(filtered_searches_do_not_disturb_others),
        cmocka_unit_test(filters_never_leave_the_list_short),
        cmocka_unit_test(cosines_are_those_of_the_store),
        cmocka_unit_test(remembered_filters_know_the_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
