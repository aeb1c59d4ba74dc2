/*
 * Promises: the posting file answers as FTS5 does, to the last bit of every
 * score, in both languages, with deletions, additions, filters and any
 * tuning; it reads less than everything to do so; a file that is damaged or
 * hostile is never believed.
 */
#include "test_index_support.h"

#include "index/posting.h"
#include "index/posting_int.h"

#define DOCS 1100
#define PARTS 4 /* chunks a document: more rows than a window has */
#define QUESTIONS 40

static unsigned seed = 12345;

static unsigned draw(unsigned n) {
    seed = seed * 1664525u + 1013904223u;
    return (unsigned)((uint64_t)seed * n >> 32);
}

/* Of n words, the first ones far more often. */
static unsigned draw_zipf(unsigned n) {
    return (unsigned)exp((double)draw(1 << 20) / (1 << 20) * log(n + 1.0)) - 1;
}

static size_t add_word(char *out, size_t cap) {
    static const char *const ko[] = {
        "은행", "계좌", "대출", "금리", "이자", "휴가", "출장", "보험",
        "카드", "한도", "상환", "해지", "인증", "서류", "신청", "승인"};
    static const char *const particle[] = {"이", "을",   "에서",
                                           "은", "으로", ""};
    static const char *const en[] = {"loan",    "rate",   "account", "transfer",
                                     "holiday", "travel", "limit",   "card"};
    unsigned r = draw_zipf(60);

    if (r % 3 == 0)
        return (size_t)snprintf(out, cap, "%s%s ", ko[r / 3 % 16],
                                particle[draw(6)]);
    if (r % 3 == 1)
        return (size_t)snprintf(out, cap, "%s ", en[r / 3 % 8]);
    if (r % 9 == 2)
        return (size_t)snprintf(out, cap, "PPR-%u ", 100 + draw_zipf(400));
    return (size_t)snprintf(out, cap, "%s%s%s ", ko[draw_zipf(16)],
                            ko[draw_zipf(16)], particle[draw(6)]);
}

static void sentence(char *out, size_t cap, unsigned words) {
    size_t n = 0;

    out[0] = '\0';
    while (words-- > 0 && n + 64 < cap)
        n += add_word(out + n, cap - n);
}

static void put_some(rag_index_writer *w, int from, int to) {
    for (int i = from; i < to; i++) {
        char id[16], title[128], text[2048], question[256];
        test_doc d = {.id = id,
                      .title = title,
                      .text = text,
                      .question = i % 7 == 0 ? question : NULL,
                      .collection = i % 100 == 3 ? "few" : "many",
                      .from = i % 11 == 0 ? 1000 : 0,
                      .until = i % 13 == 0 ? 5000 : 0};
        size_t n = 0;

        snprintf(id, sizeof(id), "d%d", i);
        sentence(title, sizeof(title), 1 + draw(3));
        sentence(question, sizeof(question), 4);
        for (int p = 0; p < PARTS; p++) {
            sentence(text + n, 400, draw(40) == 0 ? 30 : 2 + draw(10));
            n += strlen(text + n);
            if (p + 1 < PARTS)
                n += (size_t)snprintf(text + n, 4, "---");
        }
        test_put(w, &d);
    }
    test_commit(w);
}

static rag_index *open_with(const char *dir, size_t postings_min,
                            const rag_tuning *t) {
    rag_index_options opt = {.fingerprint = test_fp, .threads = 1};
    rag_index_limits limits = rag_index_limits_default;
    rag_index *ix;
    rag_error err;

    limits.postings_min = postings_min;
    must(rag_index_open_limited(dir, &opt, &limits, &ix, &err), &err);
    rag_index_set_tuning(ix, t);
    return ix;
}

static bool has_postings(rag_index *ix) {
    rag_generation *g = rag_index_current(ix);
    bool has = g->postings != NULL;

    rag_generation_release(g);
    return has;
}

static rag_index_result ask(rag_index *ix, const char *text, const float *v,
                            unsigned which) {
    rag_index_query q = {.text = text,
                         .len = strlen(text),
                         .vector = v,
                         .k = 10,
                         .chunks = 2,
                         .candidates = which % 2 ? 0 : 15,
                         .kind = which % 5 == 4 ? RAG_DOC_FAQ : -1,
                         .collection = which % 4 == 1 ? "few" : NULL,
                         .now = which % 3 ? RAG_TIME_NONE : 3000,
                         .vector_weight = -1};
    rag_index_result r;
    rag_error err;

    must(rag_index_search(ix, &q, &r, &err), &err);
    return r;
}

/* The same questions to both; every number must be the same. */
static void compare(rag_index *a, rag_index *b) {
    size_t hits = 0;

    for (unsigned i = 0; i < QUESTIONS; i++) {
        char text[512];
        float v[DIM];
        rag_index_result x, y;

        sentence(text, sizeof(text), 1 + draw(9));
        test_vector(text, v);
        x = ask(a, text, i % 3 == 1 ? v : NULL, i);
        y = ask(b, text, i % 3 == 1 ? v : NULL, i);
        assert_int_equal(x.n, y.n);
        assert_int_equal(x.documents, y.documents);
        assert_true(x.best_bm25 == y.best_bm25);
        assert_true(x.vector_weight == y.vector_weight);
        for (size_t j = 0; j < x.n; j++) {
            if (x.hits[j].chunk != y.hits[j].chunk ||
                x.hits[j].lexical != y.hits[j].lexical ||
                x.hits[j].score != y.hits[j].score)
                fail_msg("\"%s\", hit %zu: %s %.17g, not %s %.17g", text, j,
                         x.hits[j].doc, x.hits[j].lexical, y.hits[j].doc,
                         y.hits[j].lexical);
            hits++;
        }
        rag_index_result_free(&x);
        rag_index_result_free(&y);
    }
    assert_true(hits > QUESTIONS);
}

static void compare_both(const char *dir, const rag_tuning *t) {
    rag_index *posted = open_with(dir, 1, t);
    rag_index *plain = open_with(dir, SIZE_MAX, t);

    assert_true(has_postings(posted));
    assert_false(has_postings(plain));
    compare(posted, plain);
    rag_index_close(posted);
    rag_index_close(plain);
}

static void remove_some(rag_index_writer *w, int step, int from, int to) {
    rag_error err;
    char id[16];

    for (int i = from; i < to; i += step) {
        snprintf(id, sizeof(id), "d%d", i);
        must(rag_index_writer_remove(w, id, &err), &err);
    }
    test_commit(w);
}

static void scores_are_those_of_fts5(void **state) {
    rag_tuning t = rag_tuning_default, other;
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir);
    rag_index *posted, *plain;
    rag_error err;

    (void)state;
    t.ubiquitous = 2; /* FTS5's ways of saving time are not wanted here */
    t.budget = INFINITY;
    other = t;
    other.k1 = 1.6;
    other.b = 0.9;
    other.column[RAG_COL_TITLE] = 5;
    other.column[RAG_COL_BODY] = 0.5;
    put_some(w, 0, DOCS);
    compare_both(dir, &t);
    compare_both(dir, &other); /* bounds were made for another tuning */
    /* what came and went since the file was made, and a new start with it */
    posted = open_with(dir, 1, &t);
    plain = open_with(dir, SIZE_MAX, &t);
    remove_some(w, 7, 0, DOCS);
    must(rag_index_refresh(posted, NULL, &err), &err);
    compare(posted, plain);
    put_some(w, DOCS, DOCS + 60);
    put_some(w, 7, 8); /* replaced */
    remove_some(w, 9, DOCS, DOCS + 60);
    compare(posted, plain);
    rag_index_close(posted);
    rag_index_close(plain);
    compare_both(dir, &t);
    rag_index_writer_close(w);
    test_dir_free(dir);
}

/* ---- the file itself ------------------------------------------------------------- */

#define ROWS 20000

typedef struct made {
    rag_chunk_row rows[ROWS];
    char path[600];
    char *dir;
} made;

static rag_posting random_posting(uint32_t row) {
    rag_posting p = {.row = row};

    p.tf[RAG_COL_BODY] = (uint16_t)(draw(30) == 0 ? draw(65536) : draw(3));
    if (draw(5) == 0 || p.tf[RAG_COL_BODY] == 0)
        p.tf[draw(3)] = (uint16_t)(1 + draw(draw(50) == 0 ? 65535 : 2));
    return p;
}

/* Terms a0 (every row), a1 (every second), a2 (every fourth) ... */
static void make_file(made *m) {
    rag_posting_basis basis = {.rows = m->rows,
                               .nrows = ROWS,
                               .avg_words = {2, 2, 2, 50},
                               .column = {3, 1.5, 1.5, 1},
                               .b = 0.6};
    rag_postings_writer *w;
    rag_error err;

    m->dir = test_dir();
    snprintf(m->path, sizeof(m->path), "%s/p", m->dir);
    for (uint32_t i = 0; i < ROWS; i++)
        m->rows[i] = (rag_chunk_row){
            .id = i, .words = {2, 2, 2, (uint16_t)(1 + draw(100))}};
    must(rag_postings_create(m->path, &basis, &w, &err), &err);
    for (unsigned t = 0; t < 60; t++) {
        char token[8];

        snprintf(token, sizeof(token), "%c%u", 'a' + t / 10, t % 10);
        for (uint32_t i = 0; i < ROWS; i += 1u << t % 15) {
            rag_posting p = random_posting(i);

            must(rag_postings_add(w, token, strlen(token), &p, &err), &err);
        }
    }
    must(rag_postings_finish(w, &err), &err);
}

static made *new_file(void) {
    made *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    make_file(m);
    return m;
}

static void free_file(made *m) {
    test_dir_free(m->dir);
    free(m);
}

static void blocks_keep_every_count(void **state) {
    (void)state;
    for (int round = 0; round < 1000; round++) {
        size_t n = round % 2 ? RAG_POSTING_BLOCK : 1 + draw(RAG_POSTING_BLOCK);
        rag_posting p[RAG_POSTING_BLOCK];
        uint32_t rows[RAG_POSTING_BLOCK], first = draw(1000), next = first;
        uint16_t tf[RAG_POSTING_BLOCK][RAG_COLS];
        unsigned gap = 1u << draw(24);
        const unsigned char *bytes;
        rag_error err;
        rag_buf b;
        size_t len;

        for (size_t i = 0; i < n; i++) {
            next += draw(gap);
            p[i] = random_posting(next++);
        }
        rag_buf_init(&b, 0);
        must(rag_posting_encode(p, n, first, &b, &err), &err);
        len = b.len;
        for (int i = 0; i < RAG_POSTING_PAD; i++)
            must(rag_buf_append_char(&b, 0, &err), &err);
        bytes = (const unsigned char *)b.data;
        assert_true(rag_posting_rows(bytes, len, n, first, next, rows));
        assert_true(rag_posting_counts(bytes, len, n, tf));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(rows[i], p[i].row);
            assert_memory_equal(tf[i], p[i].tf, sizeof(tf[i]));
        }
        /* one row too many, one byte too few */
        assert_false(rag_posting_rows(bytes, len, n, first, next - 1, rows));
        assert_false(rag_posting_counts(bytes, len - 1, n, tf) &&
                     rag_posting_rows(bytes, len - 1, n, first, next, rows));
        rag_buf_free(&b);
    }
}

typedef struct best {
    double k1, top[10]; /* ascending */
    size_t offered, terms;
} best;

static double score_row(void *user, uint32_t row, const uint16_t *tf) {
    best *b = user;
    double score = 0;

    for (size_t t = 0; t < b->terms; t++) {
        double w = 0;

        for (int j = 0; j < RAG_COLS; j++)
            w += tf[t * RAG_COLS + (size_t)j];
        score += w / (w + b->k1);
    }
    (void)row;
    b->offered++;
    if (score > b->top[0]) {
        size_t i = 0;

        for (; i + 1 < 10 && b->top[i + 1] < score; i++)
            b->top[i] = b->top[i + 1];
        b->top[i] = score;
    }
    return b->top[0];
}

/* Of the rows that have a term only those that could matter are offered. */
static void most_rows_are_never_looked_at(void **state) {
    made *m = new_file();
    rag_query_term terms[2] = {{.token = "a0", .len = 2, .weight = 1},
                               {.token = "a9", .len = 2, .weight = 1}};
    rag_posting_query q = {
        .terms = terms, .n = 2, .column = {1, 1, 1, 1}, .k1 = 1};
    best b = {.k1 = 1, .terms = 2};
    rag_postings *p;
    rag_error err;
    size_t df;

    (void)state;
    terms[0].idf = 0.5;
    terms[1].idf = 0.5;
    must(rag_postings_open(m->path, m->rows, ROWS, &p, &err), &err);
    must(rag_postings_df(p, "a0", 2, NULL, &df, &err), &err);
    assert_int_equal(df, ROWS);
    must(rag_postings_df(p, "a9", 2, NULL, &df, &err), &err);
    assert_int_equal(df, (ROWS + 511) / 512);
    must(rag_postings_search(p, &q, -1, score_row, &b, &err), &err);
    assert_true(b.offered >= 10);
    if (b.offered > ROWS / 20)
        fail_msg("%zu of %d rows were offered", b.offered, ROWS);
    rag_postings_close(p);
    free_file(m);
}

typedef struct listed {
    size_t n;
    char last[RAG_TOKEN_MAX];
} listed;

static int list_token(void *user, const char *token, size_t len, size_t df) {
    listed *l = user;

    assert_true(strcmp(l->last, token) < 0);
    assert_int_equal(strlen(token), len);
    assert_true(df > 0);
    snprintf(l->last, sizeof(l->last), "%s", token);
    l->n++;
    return 0;
}

static void the_dictionary_lists_in_order(void **state) {
    made *m = new_file();
    rag_postings *p;
    listed l = {0}, c = {0}, none = {0}, two = {0};
    size_t df;
    rag_error err;

    (void)state;
    must(rag_postings_open(m->path, m->rows, ROWS, &p, &err), &err);
    assert_int_equal(rag_postings_terms(p), 60);
    must(rag_postings_range(p, "a", 1, "z", 1, list_token, &l, &err), &err);
    assert_int_equal(l.n, 60);
    must(rag_postings_range(p, "c", 1, "c", 1, list_token, &c, &err), &err);
    assert_int_equal(c.n, 10);
    must(rag_postings_range(p, "b9", 2, "c0", 2, list_token, &two, &err), &err);
    assert_int_equal(two.n, 2);
    must(rag_postings_range(p, "x", 1, "y", 1, list_token, &none, &err), &err);
    assert_int_equal(none.n, 0);
    must(rag_postings_df(p, "a", 1, NULL, &df, &err), &err);
    assert_int_equal(df, 0);
    must(rag_postings_df(p, "zz", 2, NULL, &df, &err), &err);
    assert_int_equal(df, 0);
    rag_postings_close(p);
    free_file(m);
}

static void damaged_files_are_refused(void **state) {
    made *m = new_file();
    rag_postings *p;
    rag_error err;
    FILE *f;

    (void)state;
    m->rows[5].words[3]++; /* other rows */
    assert_int_equal(rag_postings_open(m->path, m->rows, ROWS, &p, &err),
                     RAG_E_MISMATCH);
    m->rows[5].words[3]--;
    assert_int_equal(rag_postings_open(m->path, m->rows, ROWS - 1, &p, &err),
                     RAG_E_MISMATCH);
    f = fopen(m->path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 5000, SEEK_SET), 0);
    assert_int_equal(fputc(0x5a, f), 0x5a);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rag_postings_open(m->path, m->rows, ROWS, &p, &err),
                     RAG_E_CORRUPT);
    assert_null(p);
    assert_int_equal(truncate(m->path, 4), 0);
    assert_int_equal(rag_postings_open(m->path, m->rows, ROWS, &p, &err),
                     RAG_E_CORRUPT);
    free_file(m);
}

/* Every byte of the file, without the sum that protects it, set to something
 * else: an error or an answer, never a step outside (see make asan). */
static void hostile_bytes_stay_inside(void **state) {
    made *m = new_file();
    size_t refused = 0, tries = 400;
    unsigned char *bytes;
    rag_file_map map;
    rag_error err;

    (void)state;
    must(rag_file_map_open(m->path, &map, &err), &err);
    bytes = malloc(map.len);
    assert_non_null(bytes);
    for (size_t t = 0; t < tries; t++) {
        rag_query_term terms[4] = {
            {.token = "a0", .len = 2, .weight = 1, .idf = 1},
            {.token = "b5", .len = 2, .weight = 1, .idf = 2},
            {.token = "c9", .len = 2, .weight = 1, .idf = 2},
            {.token = "f3", .len = 2, .weight = 1, .idf = 3}};
        rag_posting_query q = {
            .terms = terms, .n = 4, .column = {1, 1, 1, 1}, .k1 = 1};
        best b = {.k1 = 1, .terms = 4};
        rag_postings *p;
        listed l = {0};
        size_t df, len = map.len - 8;

        memcpy(bytes, map.data, map.len);
        for (unsigned i = 0; i <= draw(4); i++)
            bytes[draw(2) ? draw((unsigned)len)
                          : (unsigned)len - 1 - draw(1200)] =
                (unsigned char)draw(256);
        if (rag_postings_from(bytes, len, m->rows, ROWS, &p, &err) != 0) {
            refused++;
            continue;
        }
        (void)l;
        refused +=
            rag_postings_search(p, &q, -1, score_row, &b, &err) != 0 ||
            rag_postings_df(p, "a3", 2, (const uint8_t *)m->rows, &df, &err);
        rag_postings_close(p);
    }
    assert_true(refused > 40 && refused < tries);
    free(bytes);
    rag_file_unmap(&map);
    free_file(m);
}

static void flip(const char *dir) {
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (strncmp(e->d_name, "postings-", 9) == 0) {
            int fd = openat(dirfd(d), e->d_name, O_RDWR);
            char c = 0x77;

            assert_true(fd >= 0);
            assert_int_equal(pwrite(fd, &c, 1, 300), 1);
            close(fd);
            n++;
        }
    closedir(d);
    assert_int_equal(n, 1);
}

static void a_lost_file_is_made_again(void **state) {
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir);
    rag_index *ix;

    (void)state;
    put_some(w, 0, 40);
    rag_index_close(open_with(dir, 1, &rag_tuning_default));
    flip(dir);
    /* also when the store has gone on since the base was made */
    put_some(w, 40, 45);
    remove_some(w, 5, 0, 40);
    compare_both(dir, &rag_tuning_default);
    ix = open_with(dir, 100000, &rag_tuning_default);
    assert_false(has_postings(ix)); /* a small store needs none */
    rag_index_close(ix);
    rag_index_writer_close(w);
    test_dir_free(dir);
}

static void removed_words_leave_the_file(void **state) {
    rag_index_options opt = {.fingerprint = test_fp, .threads = 1};
    rag_index_limits limits = rag_index_limits_default;
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir);
    rag_index *ix;
    rag_error err;

    (void)state;
    put_some(w, 0, 20);
    test_put(w, &(test_doc){.id = "q", .text = "qzsecret name"});
    test_commit(w);
    limits.postings_min = 1;
    must(rag_index_open_limited(dir, &opt, &limits, &ix, &err), &err);
    assert_finds(ix, "qzsecret", "q");
    must(rag_index_writer_remove(w, "q", &err), &err);
    test_commit(w);
    must(rag_index_refresh(ix, NULL, &err), &err);
    assert_finds(ix, "qzsecret", "");
    assert_true(test_on_disk(dir, "qzsecret")); /* not at once */
    rag_index_close(ix);
    limits.scrub_ms = 0;
    must(rag_index_open_limited(dir, &opt, &limits, &ix, &err), &err);
    must(rag_index_refresh(ix, NULL, &err), &err);
    assert_false(test_on_disk(dir, "qzsecret"));
    assert_true(has_postings(ix));
    assert_finds(ix, "qzsecret", "");
    rag_index_close(ix);
    rag_index_writer_close(w);
    compare_both(dir, &rag_tuning_default);
    test_dir_free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_keep_every_count),
        cmocka_unit_test(the_dictionary_lists_in_order),
        cmocka_unit_test(most_rows_are_never_looked_at),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(hostile_bytes_stay_inside),
        cmocka_unit_test(a_lost_file_is_made_again),
        cmocka_unit_test(removed_words_leave_the_file),
        cmocka_unit_test(scores_are_those_of_fts5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
