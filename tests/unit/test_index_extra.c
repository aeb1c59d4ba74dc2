/*
 * Promises of extra text: it helps to find and is never shown or judged; it is
 * written once a content and writer, whatever interrupts; it goes with its
 * document; and a store without it is what it always was.
 */
#include "test_index_support.h"

static const test_doc leave = {
    .id = "leave",
    .title = "연차",
    .text = "연차휴가는 십오 일입니다.---남은 휴가는 수당으로 받습니다."};
static const test_doc travel = {
    .id = "travel", .title = "출장", .text = "출장비는 영수증으로 청구합니다."};
static const test_doc faq = {
    .id = "faq", .text = "앱에서 정지합니다.", .question = "카드를 잃었어요"};

static rag_index_writer *test_run(const char *dir, const test_doc *docs,
                                  size_t n) {
    rag_index_writer *w = test_writer(dir);
    rag_error err;

    must(rag_index_writer_begin_root(w, "/nowhere", &err), &err);
    for (size_t i = 0; i < n; i++) {
        rag_index_known known;
        rag_document d;

        test_document(&docs[i], &d);
        must(rag_index_writer_lookup(w, &d, &known, &err), &err);
        if (known.found && known.same)
            must(rag_index_writer_keep(w, &d, &err), &err);
        else
            test_put(w, &docs[i]);
        rag_document_free(&d);
    }
    test_commit(w);
    return w;
}

static void put_with(rag_index_writer *w, const rag_index_extra *x) {
    rag_vector v[16];
    float values[16][DIM];
    size_t n = 0;
    rag_error err;

    for (size_t i = 0; i < x->doc.nchunks; i++)
        if (*x->text[i]) {
            assert_true(n < 16);
            test_vector(x->text[i], values[n]);
            v[n] = (rag_vector){RAG_VECTOR_EXTRA, i, 0, values[n]};
            n++;
        }
    must(rag_index_writer_extra_put(w, x, v, n, &err), &err);
}

/* Writes `text` with the chunk's number for every chunk that has none; counts
 * what was asked for. stop: documents put before it breaks off, -1 never. */
static size_t expand(rag_index_writer *w, const char *by, const char *text,
                     int stop) {
    size_t asked = 0;
    rag_error err;

    must(rag_index_writer_extra_begin(w, by, NULL, NULL, &err), &err);
    for (;; stop--) {
        rag_index_extra x;
        bool found;

        must(rag_index_writer_extra_next(w, &x, &found, &err), &err);
        if (!found)
            break;
        for (size_t i = 0; i < x.doc.nchunks; i++) {
            char line[128];

            if (x.text[i])
                continue;
            snprintf(line, sizeof(line), "%s%zu %s?", x.doc.id, i, text);
            must(rag_index_writer_extra_note(w, &x, i, line, &err), &err);
            test_commit(w);
            asked++;
            if (stop == 0)
                break;
        }
        if (stop != 0)
            put_with(w, &x);
        rag_index_extra_free(&x);
        if (stop == 0)
            break;
    }
    test_commit(w);
    return asked;
}

static void ask(rag_index *ix, const char *question, bool vector,
                rag_index_result *r) {
    float v[DIM];
    rag_index_query q = {.text = question,
                         .len = strlen(question),
                         .k = 5,
                         .chunks = 3,
                         .kind = -1,
                         .vector_weight = -1};
    rag_error err;

    if (vector) {
        test_vector(question, v);
        q.vector = v;
    }
    must(rag_index_search(ix, &q, r, &err), &err);
}

static void assert_same(const rag_index_result *a, const rag_index_result *b) {
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->hits[i].doc, b->hits[i].doc);
        assert_string_equal(a->hits[i].text, b->hits[i].text);
        assert_true(a->hits[i].score == b->hits[i].score);
        assert_true(a->hits[i].lexical == b->hits[i].lexical);
        assert_true(a->hits[i].vector == b->hits[i].vector ||
                    (isnan(a->hits[i].vector) && isnan(b->hits[i].vector)));
    }
    assert_true(a->best_bm25 == b->best_bm25);
    assert_true(a->best_cosine == b->best_cosine);
}

static void a_store_without_it_is_as_it_was(void **state) {
    char *dir = test_dir();
    rag_index_result before, after;
    rag_index_writer *w;
    rag_index *ix;

    (void)state;
    test_store(dir, (const test_doc[]){leave, travel, faq}, 3);
    assert_false(test_on_disk(dir, "CREATE TABLE extras"));
    ix = test_open(dir);
    ask(ix, "출장비 영수증 휴가", true, &before);
    assert_true(before.n >= 3);
    /* Room for it, and nothing in it: all scores to the last bit. */
    w = test_run(dir, (const test_doc[]){leave, travel, faq}, 3);
    must(rag_index_writer_extra_begin(w, "w", NULL, NULL, NULL), NULL);
    rag_index_writer_close(w);
    assert_true(test_on_disk(dir, "CREATE TABLE extras"));
    ask(ix, "출장비 영수증 휴가", true, &after);
    assert_same(&before, &after);
    rag_index_result_free(&after);
    rag_index_close(ix);
    ix = test_open(dir);
    ask(ix, "출장비 영수증 휴가", true, &after);
    assert_same(&before, &after);
    rag_index_result_free(&after);
    rag_index_result_free(&before);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void it_finds_and_is_not_shown(void **state) {
    char *dir = test_dir();
    rag_index_result r;
    rag_index_writer *w;
    rag_index_stats st;
    rag_index *ix;

    (void)state;
    test_store(dir, (const test_doc[]){leave, travel, faq}, 3);
    ix = test_open(dir);
    assert_finds(ix, "leave1 xylophone", "");
    w = test_run(dir, (const test_doc[]){leave, travel, faq}, 3);
    assert_int_equal(expand(w, "w", "xylophone", -1), 3);
    rag_index_writer_close(w);
    assert_finds(ix, "leave1 xylophone", "leave");
    assert_finds(ix, "travel0 xylophone", "travel");
    ask(ix, "leave1 xylophone", true, &r);
    assert_true(r.n >= 3);
    assert_true(r.best_bm25 == 0 && r.best_cosine < 0.9);
    for (size_t i = 0; i < r.n; i++) {
        assert_null(strstr(r.hits[i].text, "xylophone"));
        assert_null(strstr(r.hits[i].title, "xylophone"));
        assert_null(strstr(r.hits[i].heading, "xylophone"));
        /* Equal to the extra text's vector, and yet no cosine of 1. */
        assert_true(r.hits[i].vector < 0.9);
    }
    rag_index_result_free(&r);
    must(rag_index_describe(ix, &st, NULL), NULL);
    assert_int_equal(st.documents, 3);
    assert_int_equal(st.faqs, 1);
    assert_int_equal(st.chunks, 4);
    rag_index_close(ix);
    ix = test_open(dir);
    assert_finds(ix, "leave1 xylophone", "leave");
    rag_index_close(ix);
    test_dir_free(dir);
}

/* The reported cosine of a document's best chunk; NAN when not found. */
static double cosine_of(const rag_index_result *r, const char *doc) {
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->hits[i].doc, doc) == 0)
            return r->hits[i].vector;
    return NAN;
}

/* One side alone: the vector of a line finds its chunk. */
static void its_vectors_find(void **state) {
    static const char question[] = "leave0 zephyr?";
    char *dir = test_dir();
    rag_index_query q = {.k = 3, .kind = RAG_DOC_TEXT, .vector_weight = 1};
    test_doc short_leave = leave;
    rag_index_result r;
    rag_index_writer *w;
    rag_index *ix;
    double before;
    float v[DIM];

    (void)state;
    short_leave.text = "연차휴가는 십오 일입니다.";
    test_vector(question, v);
    q.vector = v;
    /* One chunk each, so that the best one is the same before and after. */
    w = test_run(dir, (const test_doc[]){short_leave, travel}, 2);
    ix = test_open(dir);
    must(rag_index_search(ix, &q, &r, NULL), NULL);
    before = cosine_of(&r, "leave");
    rag_index_result_free(&r);
    expand(w, "w", "zephyr", -1);
    rag_index_writer_close(w);
    must(rag_index_search(ix, &q, &r, NULL), NULL);
    assert_string_equal(r.hits[0].doc, "leave");
    assert_string_equal(r.hits[0].text, short_leave.text);
    assert_true(before < 0.9 && cosine_of(&r, "leave") == before);
    rag_index_result_free(&r);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void postings_and_generations_agree(void **state) {
    static const rag_index_limits limits = {
        .postings_min = 1, .parts_max = 1000, .scrub_ms = 1000};
    rag_index_options opt = {.fingerprint = test_fp, .threads = 1};
    char *dir = test_dir();
    rag_index_result a, b;
    rag_index_writer *w;
    rag_index *plain, *large;

    (void)state;
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    expand(w, "w", "xylophone 출장비", -1);
    rag_index_writer_close(w);
    plain = test_open(dir);
    ask(plain, "xylophone 출장비 휴가", false, &a);
    rag_index_close(plain);
    must(rag_index_open_limited(dir, &opt, &limits, &large, NULL), NULL);
    ask(large, "xylophone 출장비 휴가", false, &b);
    assert_int_equal(a.n, 3);
    assert_int_equal(b.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(a.hits[i].doc, b.hits[i].doc);
        assert_true(a.hits[i].lexical == b.hits[i].lexical);
    }
    assert_true(a.best_bm25 == b.best_bm25);
    rag_index_result_free(&a);
    rag_index_result_free(&b);
    rag_index_close(large);
    test_dir_free(dir);
}

/* Rows with extra text and rows without compete for few places: a posting
 * file, which leaves out what cannot reach them, keeps the same. */
static void postings_leave_nothing_out(void **state) {
    enum { DOCS = 300 };
    static const rag_index_limits limits = {
        .postings_min = 1, .parts_max = 1000, .scrub_ms = 1000};
    static char text[DOCS][4 * DOCS + 64], id[DOCS][16];
    rag_index_options opt = {.fingerprint = test_fp, .threads = 1};
    static test_doc docs[DOCS];
    char *dir = test_dir();
    rag_index_result a, b;
    rag_index_writer *w;
    rag_index *ix;

    (void)state;
    /* The later a document the shorter, and so the better. */
    for (int i = 0; i < DOCS; i++) {
        size_t n = (size_t)snprintf(text[i], sizeof(text[i]), "%s",
                                    i % 2 ? "gadget " : "");

        for (int k = i; k < DOCS; k++)
            n += (size_t)snprintf(text[i] + n, sizeof(text[i]) - n, "so ");
        snprintf(id[i], sizeof(id[i]), "d%d", i);
        docs[i] = (test_doc){.id = id[i], .title = "t", .text = text[i]};
    }
    w = test_run(dir, docs, DOCS);
    assert_int_equal(expand(w, "w", "gadget gadget gadget gadget", -1), DOCS);
    rag_index_writer_close(w);
    ix = test_open(dir);
    ask(ix, "gadget", false, &a);
    rag_index_close(ix);
    must(rag_index_open_limited(dir, &opt, &limits, &ix, NULL), NULL);
    ask(ix, "gadget", false, &b);
    rag_index_close(ix);
    assert_int_equal(a.n, 5);
    assert_same(&a, &b);
    rag_index_result_free(&a);
    rag_index_result_free(&b);
    test_dir_free(dir);
}

static void what_was_written_is_not_asked_again(void **state) {
    char *dir = test_dir();
    test_doc changed = leave;
    size_t chunks, missing;
    rag_index_writer *w;
    rag_index *ix;
    rag_error err;

    (void)state;
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    must(rag_index_writer_extra_begin(w, "w", &chunks, &missing, &err), &err);
    assert_int_equal(chunks, 3);
    assert_int_equal(missing, 3);
    assert_int_equal(expand(w, "w", "xylophone", -1), 3);
    must(rag_index_writer_extra_begin(w, "w", &chunks, &missing, &err), &err);
    assert_int_equal(chunks, 0);
    assert_int_equal(missing, 0);
    rag_index_writer_close(w);
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    assert_int_equal(expand(w, "w", "xylophone", -1), 0);
    rag_index_writer_close(w);
    /* One chunk of it changed: the other's text is still there. */
    changed.text = "연차휴가는 이십 일입니다.---남은 휴가는 수당으로 받습니다.";
    w = test_run(dir, (const test_doc[]){changed, travel}, 2);
    must(rag_index_writer_extra_begin(w, "w", &chunks, &missing, &err), &err);
    assert_int_equal(chunks, 2);
    assert_int_equal(missing, 1);
    assert_int_equal(expand(w, "w", "marimba", -1), 1);
    rag_index_writer_close(w);
    ix = test_open(dir);
    assert_finds(ix, "leave1 xylophone", "leave");
    assert_finds(ix, "marimba", "leave");
    assert_finds(ix, "leave0 xylophone", "leave"); /* by "leave1"'s word */
    rag_index_close(ix);
    assert_false(test_on_disk(dir, "leave0 xylophone"));
    test_dir_free(dir);
}

static void an_interrupted_run_goes_on(void **state) {
    char *dir = test_dir();
    rag_index_writer *w;
    rag_index *ix;

    (void)state;
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    assert_int_equal(expand(w, "w", "xylophone", 0), 1);
    rag_index_writer_close(w); /* nothing was put: it is not found yet */
    ix = test_open(dir);
    assert_finds(ix, "xylophone", "");
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    assert_int_equal(expand(w, "w", "xylophone", 1), 2);
    rag_index_writer_close(w);
    assert_finds(ix, "xylophone", "leave");
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    assert_int_equal(expand(w, "w", "xylophone", -1), 0);
    rag_index_writer_close(w);
    assert_finds(ix, "travel0 xylophone", "travel");
    rag_index_close(ix);
    test_dir_free(dir);
}

static void it_goes_with_its_document(void **state) {
    char *dir = test_dir();
    test_doc twin = travel;
    rag_index_writer *w;
    rag_index *ix;
    rag_error err;

    (void)state;
    twin.id = "twin"; /* the same content: one text for both */
    twin.source = "/nowhere/twin";
    w = test_run(dir, (const test_doc[]){leave, travel, twin}, 3);
    assert_int_equal(expand(w, "w", "xylophone", -1), 3);
    must(rag_index_writer_remove(w, "travel", &err), &err);
    test_commit(w);
    rag_index_writer_close(w);
    ix = test_open(dir);
    assert_true(test_on_disk(dir, "travel0 xylophone"));
    assert_finds(ix, "travel0 xylophone", "twin");
    w = test_writer(dir);
    must(rag_index_writer_remove(w, "twin", &err), &err);
    must(rag_index_writer_remove(w, "leave", &err), &err);
    test_commit(w);
    rag_index_writer_close(w);
    assert_finds(ix, "travel0 xylophone", "");
    rag_index_close(ix);
    assert_false(test_on_disk(dir, "xylophone"));
    test_dir_free(dir);
}

static void another_writer_replaces(void **state) {
    char *dir = test_dir();
    rag_index_writer *w;
    rag_index *ix;

    (void)state;
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    expand(w, "one", "xylophone", -1);
    assert_int_equal(expand(w, "two", "marimba", -1), 3);
    rag_index_writer_close(w);
    ix = test_open(dir);
    assert_finds(ix, "xylophone", "");
    assert_finds(ix, "travel0 marimba", "travel");
    /* And back, without asking. */
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    assert_int_equal(expand(w, "one", "xylophone", -1), 0);
    rag_index_writer_close(w);
    assert_finds(ix, "travel0 xylophone", "travel");
    assert_finds(ix, "marimba", "");
    rag_index_close(ix);
    test_dir_free(dir);
}

/* Read again without it, a document has none; with it, nothing is asked. */
static void reading_again_without_it_takes_it_out(void **state) {
    char *dir = test_dir();
    rag_index_writer *w;
    rag_index *ix;
    rag_error err;

    (void)state;
    w = test_run(dir, (const test_doc[]){leave, travel}, 2);
    expand(w, "w", "xylophone", -1);
    rag_index_writer_close(w);
    must(rag_index_writer_open(dir, &test_fp, true, &w, &err), &err);
    must(rag_index_writer_begin_root(w, "/nowhere", &err), &err);
    test_put(w, &leave);
    test_put(w, &travel);
    test_commit(w);
    ix = test_open(dir);
    assert_finds(ix, "xylophone", "");
    assert_int_equal(expand(w, "w", "xylophone", -1), 0);
    rag_index_writer_close(w);
    assert_finds(ix, "travel0 xylophone", "travel");
    rag_index_close(ix);
    test_dir_free(dir);
}

static void wrong_use_is_refused(void **state) {
    char *dir = test_dir(), *longer;
    rag_index_writer *w;
    rag_index_extra x;
    rag_vector v = {RAG_VECTOR_CHUNK, 0, 0, NULL};
    float values[DIM];
    rag_error err;
    bool found;

    (void)state;
    w = test_run(dir, (const test_doc[]){leave}, 1);
    assert_int_equal(rag_index_writer_extra_next(w, &x, &found, &err),
                     RAG_E_USAGE);
    rag_index_extra_free(&x);
    assert_int_equal(rag_index_writer_extra_begin(w, "", NULL, NULL, &err),
                     RAG_E_USAGE);
    must(rag_index_writer_extra_begin(w, "w", NULL, NULL, &err), &err);
    must(rag_index_writer_extra_next(w, &x, &found, &err), &err);
    assert_true(found);
    assert_int_equal(rag_index_writer_extra_put(w, &x, NULL, 0, &err),
                     RAG_E_USAGE); /* not all of its chunks have one */
    longer = malloc(RAG_INDEX_EXTRA_MAX + 2);
    assert_non_null(longer);
    memset(longer, 'a', RAG_INDEX_EXTRA_MAX + 1);
    longer[RAG_INDEX_EXTRA_MAX + 1] = '\0';
    assert_int_equal(rag_index_writer_extra_note(w, &x, 0, longer, &err),
                     RAG_E_LIMIT);
    longer[RAG_INDEX_EXTRA_MAX] = '\0';
    must(rag_index_writer_extra_note(w, &x, 0, longer, &err), &err);
    must(rag_index_writer_extra_note(w, &x, 1, "", &err), &err);
    assert_int_equal(rag_index_writer_extra_note(w, &x, 2, "", &err),
                     RAG_E_LIMIT);
    test_vector("a", values);
    v.v = values;
    assert_int_equal(rag_index_writer_extra_put(w, &x, &v, 1, &err),
                     RAG_E_USAGE);
    v.role = RAG_VECTOR_EXTRA;
    must(rag_index_writer_extra_put(w, &x, &v, 1, &err), &err);
    rag_index_extra_free(&x);
    free(longer);
    rag_index_writer_close(w);
    test_dir_free(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_without_it_is_as_it_was),
        cmocka_unit_test(it_finds_and_is_not_shown),
        cmocka_unit_test(its_vectors_find),
        cmocka_unit_test(postings_and_generations_agree),
        cmocka_unit_test(postings_leave_nothing_out),
        cmocka_unit_test(what_was_written_is_not_asked_again),
        cmocka_unit_test(an_interrupted_run_goes_on),
        cmocka_unit_test(it_goes_with_its_document),
        cmocka_unit_test(another_writer_replaces),
        cmocka_unit_test(reading_again_without_it_takes_it_out),
        cmocka_unit_test(wrong_use_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
