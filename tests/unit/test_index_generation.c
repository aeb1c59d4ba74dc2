/*
 * Promises: a reader follows the writer without a restart and never sees a
 * mixture; derived files may be damaged or lost at any time; killing a writer
 * loses nothing that was committed; an approximate index finds what an exact
 * one does.
 */
#include "test_index_support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static const test_doc a = {.id = "a", .text = "사과는 빨갛습니다."};
static const test_doc b = {.id = "b", .text = "바나나는 노랗습니다."};

static void changes_are_served_without_a_restart(void **state) {
    char *dir = test_dir();
    rag_index *ix;
    rag_index_stats before, after;
    rag_index_writer *w;
    rag_error err;
    bool changed;

    (void)state;
    test_store(dir, &a, 1);
    ix = test_open(dir);
    must(rag_index_refresh(ix, &changed, &err), &err);
    assert_false(changed);
    assert_finds(ix, "바나나", "");
    must(rag_index_describe(ix, &before, &err), &err);
    test_store(dir, &b, 1);
    must(rag_index_refresh(ix, &changed, &err), &err);
    assert_true(changed);
    must(rag_index_describe(ix, &after, &err), &err);
    assert_true(after.generation > before.generation);
    assert_int_equal(after.documents, 2);
    assert_int_equal(after.vectors, 2);
    {
        char best[64];

        test_best(ix, "바나나는 노랗습니다.", true, best);
        assert_string_equal(best, "b");
    }
    w = test_writer(dir);
    must(rag_index_writer_remove(w, "a", &err), &err);
    test_commit(w);
    rag_index_writer_close(w);
    /* a search sees it even before anybody refreshed */
    assert_finds(ix, "사과", "");
    must(rag_index_describe(ix, &after, &err), &err);
    assert_int_equal(after.documents, 1);
    assert_int_equal(after.deleted, 1);
    rag_index_close(ix);
    test_dir_free(dir);
}

/* Calls fn on the snapshot's path; returns how many there were. */
static int each_snapshot(const char *dir, void (*fn)(const char *)) {
    DIR *d = opendir(dir);
    struct dirent *e;
    char path[800];
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".snap")) {
            snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
            if (fn)
                fn(path);
            n++;
        }
    closedir(d);
    return n;
}

static void flip_middle(const char *path) {
    int fd = open(path, O_RDWR);
    struct stat st;
    char c;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pread(fd, &c, 1, st.st_size / 2), 1);
    c = (char)(c ^ 0x55);
    assert_int_equal(pwrite(fd, &c, 1, st.st_size / 2), 1);
    close(fd);
}

static void cut_short(const char *path) {
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 3), 0);
}

static void make_empty(const char *path) {
    assert_int_equal(truncate(path, 0), 0);
}

static void lose(const char *path) {
    unlink(path);
}

static void damaged_snapshots_are_made_again(void **state) {
    void (*const harm[])(const char *) = {flip_middle, cut_short, make_empty,
                                          lose};
    char *dir = test_dir(), best[64];
    rag_index *ix;

    (void)state;
    test_store(dir, (const test_doc[]){a, b}, 2);
    for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
        rag_index_close(test_open(dir));
        assert_int_equal(each_snapshot(dir, harm[i]), 1);
        ix = test_open(dir);
        test_best(ix, "바나나는 노랗습니다.", true, best);
        assert_string_equal(best, "b");
        rag_index_close(ix);
        assert_int_equal(each_snapshot(dir, NULL), 1);
    }
    /* a good one is used: what came after it is caught up with */
    test_store(dir, &(test_doc){.id = "c", .text = "포도는 보라색입니다."}, 1);
    ix = test_open(dir);
    test_best(ix, "포도는 보라색입니다.", true, best);
    assert_string_equal(best, "c");
    rag_index_close(ix);
    test_dir_free(dir);
}

typedef struct race {
    rag_index *ix;
    int stop, failed;
    unsigned searches;
} race;

/* Each version of the document holds its number twice, in both chunks. */
static void *search_all_the_time(void *user) {
    race *r = user;
    float v[DIM];

    test_vector("version counter", v);
    while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
        rag_index_query q = {.text = "version counter",
                             .len = 15,
                             .k = 5,
                             .chunks = 5,
                             .vector = v,
                             .kind = -1,
                             .vector_weight = -1};
        rag_index_result res;
        rag_error err;

        if (rag_index_search(r->ix, &q, &res, &err) != 0) {
            fprintf(stderr, "%s\n", err.message);
            __atomic_store_n(&r->failed, 1, __ATOMIC_RELEASE);
            return NULL;
        }
        if (res.documents != 1 || res.n != 2 ||
            strcmp(strrchr(res.hits[0].text, '='),
                   strrchr(res.hits[1].text, '=')) != 0)
            __atomic_store_n(&r->failed, 2, __ATOMIC_RELEASE);
        __atomic_add_fetch(&r->searches, 1, __ATOMIC_RELAXED);
        rag_index_result_free(&res);
    }
    return NULL;
}

static void put_version(rag_index_writer *w, int i) {
    char text[128];

    snprintf(text, sizeof(text),
             "version counter first =%d---version counter second =%d", i, i);
    test_put(w, &(test_doc){.id = "v", .text = text});
    test_commit(w);
}

static void searches_never_see_a_mixture(void **state) {
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir);
    pthread_t thread[3];
    race r = {0};
    rag_error err;
    unsigned before;

    (void)state;
    put_version(w, 0);
    r.ix = test_open(dir);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            pthread_create(&thread[i], NULL, search_all_the_time, &r), 0);
    for (int i = 1; i <= 60; i++) {
        put_version(w, i);
        if (i % 3 == 0)
            must(rag_index_refresh(r.ix, NULL, &err), &err);
    }
    /* every thread goes on after the last change */
    before = __atomic_load_n(&r.searches, __ATOMIC_RELAXED);
    while (__atomic_load_n(&r.searches, __ATOMIC_RELAXED) < before + 6 &&
           !__atomic_load_n(&r.failed, __ATOMIC_ACQUIRE))
        usleep(1000);
    __atomic_store_n(&r.stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(r.failed, 0);
    rag_index_writer_close(w);
    rag_index_close(r.ix);
    test_dir_free(dir);
}

/* Writes documents for ever, telling each commit through a pipe. */
static void write_until_killed(const char *dir, int out) {
    rag_index_writer *w;

    if (rag_index_writer_open(dir, &test_fp, false, &w, NULL) != 0)
        _exit(1);
    for (int i = 0;; i++) {
        char id[16], text[64];
        test_doc t = {.id = id, .text = text};

        snprintf(id, sizeof(id), "k%d", i);
        snprintf(text, sizeof(text), "kw%c%c sentence", 'a' + i / 26 % 26,
                 'a' + i % 26);
        if (test_put_rc(w, &t, NULL) != 0)
            _exit(1);
        /* every third document also replaces the first */
        if (i % 3 == 2) {
            t.id = "k0";
            if (test_put_rc(w, &t, NULL) != 0)
                _exit(1);
        }
        if (rag_index_writer_commit(w, NULL) != 0 ||
            write(out, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void killing_the_writer_loses_nothing_committed(void **state) {
    (void)state;
    for (int round = 0; round < 4; round++) {
        char *dir = test_dir();
        int fd[2], last = -1, i, status;
        rag_index_stats st;
        rag_index *ix;
        rag_index_writer *w;
        rag_error err;
        pid_t pid;

        assert_int_equal(pipe(fd), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fd[0]);
            write_until_killed(dir, fd[1]);
        }
        close(fd[1]);
        while (last < 5 + 9 * round && read(fd[0], &i, sizeof(i)) == sizeof(i))
            last = i;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(fd[0], &i, sizeof(i)) == sizeof(i))
            last = i;
        close(fd[0]);
        ix = test_open(dir);
        must(rag_index_describe(ix, &st, &err), &err);
        assert_true(st.documents >= (size_t)last + 1);
        assert_int_equal(st.vectors, st.documents);
        for (i = 1; i <= last; i++) {
            char word[8], id[16], best[64];

            if (i % 3 == 2)
                continue; /* k0 has that word, too */
            snprintf(word, sizeof(word), "kw%c%c", 'a' + i / 26 % 26,
                     'a' + i % 26);
            snprintf(id, sizeof(id), "k%d", i);
            test_best(ix, word, false, best);
            assert_string_equal(best, id);
        }
        rag_index_close(ix);
        w = test_writer(dir); /* the lock died with its holder */
        rag_index_writer_close(w);
        test_dir_free(dir);
    }
}

static void random_unit(float *v, unsigned *seed) {
    double sum = 0;

    for (int i = 0; i < DIM; i++) {
        *seed = *seed * 1103515245u + 12345u;
        v[i] = (float)(*seed >> 8 & 0xffff) / 65536.0f - 0.5f;
        sum += (double)v[i] * v[i];
    }
    for (int i = 0; i < DIM; i++)
        v[i] /= (float)sqrt(sum);
}

static double overlap(const int64_t *x, size_t n, const int64_t *y, size_t m) {
    size_t both = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < m; j++)
            both += x[i] == y[j];
    return n ? (double)both / (double)n : 1;
}

enum { MANY = 20000, K = 10 };

static int append(void *user, const void *p, size_t n) {
    return rag_buf_append(user, p, n, NULL);
}

static void lists_find_what_a_scan_finds(void **state) {
    float *v = malloc((size_t)MANY * DIM * sizeof(*v)), q[DIM];
    uint8_t *live = calloc(MANY / 8 + 1, 1), *few = calloc(MANY / 8 + 1, 1);
    rag_ann *flat, *ivf, *again;
    unsigned seed = 7;
    double recall[3] = {0};
    size_t nlive = 0, nfew = 0;
    rag_error err;
    rag_buf bytes;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        random_unit(v + (size_t)i * DIM, &seed);
        if (i % 10 >= 3) { /* 30 % deleted */
            live[i / 8] |= (uint8_t)(1 << (i % 8));
            nlive++;
        }
        if (i % 100 == 1) { /* a filter that keeps 1 % */
            few[i / 8] |= (uint8_t)(1 << (i % 8));
            nfew++;
        }
    }
    /* One thread: the thread sanitizer does not see OpenMP's barriers. */
    must(rag_ann_build(RAG_ANN_FLAT, DIM, v, MANY, 1, &flat, &err), &err);
    must(rag_ann_build(RAG_ANN_IVF, DIM, v, MANY, 1, &ivf, &err), &err);
    rag_buf_init(&bytes, 0);
    must(rag_ann_save(ivf, append, &bytes, &err), &err);
    must(rag_ann_load(bytes.data, bytes.len, DIM, &again, &err), &err);
    assert_int_equal(rag_ann_count(again), MANY);
    /* (Cut files never come so far: the snapshot's checksum is first.) */
    assert_int_equal(rag_ann_load(bytes.data, 8, DIM, &(rag_ann *){NULL}, &err),
                     RAG_E_CORRUPT);
    assert_int_equal(
        rag_ann_load(bytes.data, bytes.len, DIM + 1, &(rag_ann *){NULL}, &err),
        RAG_E_CORRUPT);
    rag_buf_free(&bytes);
    for (int t = 0; t < 50; t++) {
        const uint8_t *bits[3] = {NULL, live, few};
        size_t count[3] = {MANY, nlive, nfew};

        random_unit(q, &seed);
        for (int f = 0; f < 3; f++) {
            int64_t exact[K], got[K];
            float s[K], e[K];
            size_t n, m;

            must(rag_ann_search(flat, q, K, bits[f], count[f], exact, e, &n,
                                &err),
                 &err);
            must(rag_ann_search(again, q, K, bits[f], count[f], got, s, &m,
                                &err),
                 &err);
            assert_int_equal(n, K);
            assert_int_equal(m, K);
            for (size_t i = 0; i < m; i++)
                assert_true(bits[f] == NULL ||
                            (bits[f][got[i] / 8] >> (got[i] % 8) & 1));
            recall[f] += overlap(exact, n, got, m) / 50;
        }
    }
    /* Random vectors are the hardest case: real ones form clusters. */
    assert_true(recall[0] >= 0.5 && recall[1] >= 0.5);
    assert_true(recall[2] >= 0.95); /* scanned: only the codes round */
    rag_ann_close(flat);
    rag_ann_close(ivf);
    rag_ann_close(again);
    rag_ann_close(NULL);
    free(few);
    free(live);
    free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_served_without_a_restart),
        cmocka_unit_test(damaged_snapshots_are_made_again),
        cmocka_unit_test(searches_never_see_a_mixture),
        cmocka_unit_test(killing_the_writer_loses_nothing_committed),
        cmocka_unit_test(lists_find_what_a_scan_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
