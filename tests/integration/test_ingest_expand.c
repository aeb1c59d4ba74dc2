/*
 * test_ingest_expand.c - what rag-ingest --expand promises, with the real
 * program and a stub for both models: questions help to find and are never
 * shown, nothing is asked twice, whatever ends a run costs no more than the
 * chunk it was at, no reply does harm, and what was read is stored whatever
 * becomes of the questions.
 */
#include "test_ingest_support.h"

#define EXPAND "--expand", "--generator-url", url, "--generator-model", "stub"

static int64_t expanded(const char *key) {
    return json_integer_value(
        json_object_get(json_object_get(last, "expand"), key));
}

/* The best document's base name for a question by words; "" when none. No
 * hit may show what the stub writes. */
static const char *best(const char *question) {
    static char name[256];
    rag_index *ix = open_store();
    rag_index_query q = {.text = question,
                         .len = strlen(question),
                         .k = 5,
                         .kind = -1,
                         .vector_weight = -1};
    rag_index_result r;
    rag_error err = {0};
    if (rag_index_search(ix, &q, &r, &err))
        fail_msg("%s", err.message);
    snprintf(name, sizeof name, "%s", r.n ? rag_path_base(r.hits[0].doc) : "");
    for (size_t i = 0; i < r.n; i++) {
        assert_null(strstr(r.hits[i].text, "xylophone"));
        assert_null(strstr(r.hits[i].title, "xylophone"));
        assert_null(strstr(r.hits[i].heading, "xylophone"));
    }
    rag_index_result_free(&r);
    rag_index_close(ix);
    return name;
}

static bool on_disk(const char *needle) {
    rag_buf b;
    rag_buf_init(&b, (size_t)64 << 20);
    assert_int_equal(rag_file_read(at("data/store.db"), 64 << 20, &b, NULL), 0);
    bool found = memmem(b.data, b.len, needle, strlen(needle)) != NULL;
    rag_buf_free(&b);
    return found;
}

static void put_two(void) {
    put("docs/a.txt", "turbine halls are closed at night\n");
    put("docs/b.txt", "pantry shelves are filled on Monday\n");
}

static void questions_help_to_find(void **state) {
    (void)state;
    put_two();
    RUN(0, EXPAND, at("docs"));
    expect(2, 0, 0, 0, 0);
    assert_int_equal(expanded("chunks"), 2);
    assert_int_equal(expanded("written"), 2);
    assert_int_equal(expanded("questions"), 4);
    assert_int_equal(expanded("documents"), 2);
    assert_int_equal(*stub_asked, 2);
    assert_string_equal(best("xylophone turbine"), "a.txt");
    assert_string_equal(best("xylophone pantry"), "b.txt");
    assert_string_equal(best("xylophone"), "a.txt"); /* by that word alone */
    assert_string_equal(stored(at("docs/a.txt")),
                        "turbine halls are closed at night\n");
}

static void without_it_there_is_nothing_of_it(void **state) {
    (void)state;
    put_two();
    RUN(0, at("docs"));
    assert_null(json_object_get(last, "expand"));
    assert_int_equal(*stub_asked, 0);
    assert_false(on_disk("CREATE TABLE extras"));
    assert_string_equal(best("xylophone"), "");
}

static void nothing_is_asked_twice(void **state) {
    (void)state;
    put_two();
    RUN(0, at("docs"));
    RUN(0, EXPAND, at("docs")); /* what an earlier run stored, too */
    assert_int_equal(*stub_asked, 2);
    RUN(0, EXPAND, at("docs"));
    assert_int_equal(*stub_asked, 2);
    assert_int_equal(expanded("chunks"), 0);
    put("docs/b.txt", "pantry shelves are filled on Friday\n");
    RUN(0, EXPAND, at("docs"));
    assert_int_equal(*stub_asked, 3);
    assert_int_equal(expanded("written"), 1);
    /* Everything is read again, and nothing asked. */
    RUN(0, "--rebuild", EXPAND, at("docs"));
    assert_int_equal(*stub_asked, 3);
    assert_int_equal(expanded("kept"), 2);
    assert_string_equal(best("xylophone pantry"), "b.txt");
    /* Read again without it, they are out of the index, and kept. */
    RUN(0, "--rebuild", at("docs"));
    assert_string_equal(best("xylophone"), "");
    RUN(0, EXPAND, at("docs"));
    assert_int_equal(*stub_asked, 3);
    assert_string_equal(best("xylophone turbine"), "a.txt");
}

static void faq_entries_are_left_alone(void **state) {
    (void)state;
    put("docs/faq.csv", "question,answer\nHow do I lock a card?,In the app.\n");
    RUN(0, EXPAND, at("docs"));
    assert_int_equal(expanded("chunks"), 0);
    assert_int_equal(*stub_asked, 0);
}

static void questions_go_with_their_document(void **state) {
    (void)state;
    put_two();
    RUN(0, EXPAND, at("docs"));
    assert_true(on_disk("turbine a xylophone"));
    RUN(0, "--remove", at("docs/a.txt"));
    assert_false(on_disk("turbine a xylophone"));
    assert_true(on_disk("pantry a xylophone"));
    assert_string_equal(best("xylophone"), "b.txt");
}

#define MANY 40

static void put_many_files(void) {
    for (int i = 0; i < MANY; i++) {
        char name[64], text[64];
        snprintf(name, sizeof name, "docs/%d.txt", i);
        snprintf(text, sizeof text, "machine%d stands in hall %d\n", i, i);
        put(name, text);
    }
}

/* Ended again and again, by a signal that can be heard or not: at most the
 * chunk that was being written is asked again. */
static void interrupted(int number, int status) {
    put_many_files();
    RUN(0, at("docs"));
    start_stub(10);
    const char *args[] = {EXPAND, at("docs"), NULL};
    int ended = 0;
    for (int i = 0; i < 4; i++) {
        pid_t pid = start(args, true);
        for (int t = 0; t < 2000 && *stub_asked < 8 * (i + 1); t++)
            nap(5);
        kill(pid, number);
        int got = finish(pid);
        if (got != 0)
            assert_int_equal(got, status);
        ended += got != 0;
    }
    assert_true(ended > 0);
    start_stub(0);
    RUN(0, EXPAND, at("docs"));
    assert_true(*stub_asked <= MANY + ended);
    assert_string_equal(best("xylophone machine39"), "39.txt");
    RUN(0, EXPAND, at("docs"));
    assert_int_equal(expanded("chunks"), 0);
    assert_int_equal(documents(), MANY);
}

static void a_killed_run_goes_on(void **state) {
    (void)state;
    interrupted(SIGKILL, 128 + SIGKILL);
}

static void a_stopped_run_goes_on(void **state) {
    (void)state;
    interrupted(SIGINT, 128 + SIGINT);
}

static void hostile_replies_do_no_harm(void **state) {
    (void)state;
    put_two();
    stub_writes = STUB_HOSTILE;
    start_stub(0);
    RUN(0, EXPAND, at("docs"));
    assert_int_equal(expanded("written"), 2);
    assert_false(on_disk("\x1b["));
    assert_false(on_disk("<script>"));
    assert_false(on_disk("Ignore all"));
    assert_false(on_disk("number 7"));
    assert_string_equal(best("turbine halls"), "a.txt");
}

/* No generator, or one that fails: said clearly, what was read is there, and
 * the next run goes on. */
static void without_a_generator_the_documents_are_stored(void **state) {
    static const stub_mode MODES[] = {STUB_BROKEN, STUB_TORN};
    (void)state;
    put_two();
    for (size_t i = 0; i < 2; i++) {
        stub_writes = MODES[i];
        start_stub(0);
        RUN(69, EXPAND, at("docs"));
        assert_non_null(strstr(slurp("err"), "run it again"));
        assert_int_equal(documents(), 2);
    }
    RUN(69, "--expand", "--generator-url", "http://127.0.0.1:1/v1",
        "--generator-model", "stub", at("docs"));
    assert_non_null(strstr(slurp("err"), "no generator is ready"));
    RUN(69, "--expand", "--generator", at("none.gguf"), at("docs"));
    stub_writes = STUB_GOOD;
    start_stub(0);
    RUN(0, EXPAND, at("docs"));
    assert_int_equal(expanded("written"), 2);
    assert_string_equal(best("xylophone turbine"), "a.txt");
}

static void usage(void **state) {
    (void)state;
    put_two();
    const char *docs = at("docs");
    const char *const WRONG[][5] = {
        {"--generator", "x.gguf", docs},
        {"--expand", "--generator-url", url, docs},
        {"--expand", "--generator-model", "m", docs},
        {"--expand", "--remove", docs},
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        assert_int_equal(finish(start(WRONG[i], true)), 64);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    if (access(program(), X_OK) != 0) {
        fprintf(stderr, "no program at %s: set RAG_BUILD\n", program());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        T(questions_help_to_find),
        T(without_it_there_is_nothing_of_it),
        T(nothing_is_asked_twice),
        T(faq_entries_are_left_alone),
        T(questions_go_with_their_document),
        T(a_killed_run_goes_on),
        T(a_stopped_run_goes_on),
        T(hostile_replies_do_no_harm),
        T(without_a_generator_the_documents_are_stored),
        T(usage),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(last);
    return failed;
}
