/*
 * test_ingest_program.c - what rag-ingest promises about a store, with the
 * real program: nothing is done twice, what changed is replaced, what
 * vanished disappears, what moved is known again, nothing is wiped by
 * accident, and a killed run loses nothing that another run does not bring
 * back.
 *
 * The encoder is a stub behind /v1/embeddings in a process of this test: its
 * vectors are made from the texts' bytes. One test runs the real encoder and
 * is skipped where its model is not there.
 */
#include "test_ingest_support.h"

/* ---- promises ------------------------------------------------------------------------ */

static void again_changes_nothing(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\n첫째 문서다.\n");
    put("docs/sub/b.txt", "Second document.\n");
    put("docs/faq.csv", "id,question,answer,variants\n"
                        "f1,연회비는?,없습니다.,회비 | 비용\n");
    RUN(0, at("docs"));
    expect(3, 0, 0, 0, 0);
    assert_int_equal(number("chunks"), 3);
    /* 3 chunks, 3 questions, heading and sentence of a.md */
    assert_int_equal(number("vectors"), 8);
    RUN(0, at("docs"));
    expect(0, 0, 3, 0, 0);
    assert_int_equal(number("vectors"), 0);
    assert_string_equal(stored(at("docs/sub/b.txt")), "Second document.\n");
    assert_string_equal(stored("f1"), "없습니다.");
}

static void changed_is_replaced(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOld words.\n");
    put("docs/b.md", "# B\n\nStays.\n");
    RUN(0, at("docs"));
    put("docs/a.md", "# A\n\nNew words.\n");
    RUN(0, at("docs"));
    expect(0, 1, 1, 0, 0);
    assert_string_equal(stored(at("docs/a.md")), "# A\n\nNew words.\n");
    assert_int_equal(documents(), 2);
    RUN(0, "--rebuild", at("docs"));
    expect(0, 2, 0, 0, 0);
}

static void vanished_disappears(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    put("docs/c.md", "# C\n\nThree.\n");
    put("docs/r.jsonl", "{\"id\":\"r1\",\"text\":\"x\"}\n"
                        "{\"id\":\"r2\",\"text\":\"y\"}\n");
    RUN(0, at("docs"));
    expect(5, 0, 0, 0, 0);
    unlink(at("docs/b.md"));
    put("docs/r.jsonl", "{\"id\":\"r2\",\"text\":\"y\"}\n");
    RUN(0, at("docs"));
    expect(0, 0, 3, 0, 2);
    assert_string_equal(stored(at("docs/b.md")), "");
    assert_string_equal(stored("r1"), "");
    assert_string_equal(stored("r2"), "y");
}

static void moved_is_known_again(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nWords.\n");
    put("docs/b.md", "# B\n\nWords.\n");
    RUN(0, at("docs"));
    mkdir(at("docs/sub"), 0755);
    assert_int_equal(rename(at("docs/a.md"), at("docs/sub/a.md")), 0);
    RUN(0, at("docs"));
    expect(0, 0, 1, 1, 0);
    assert_int_equal(number("vectors"), 0);
    assert_string_equal(stored(at("docs/sub/a.md")), "# A\n\nWords.\n");
    assert_string_equal(stored(at("docs/a.md")), "");
}

static void nothing_is_wiped_by_accident(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    put("docs/c.md", "# C\n\nThree.\n");
    RUN(0, at("docs"));
    assert_int_equal(rename(at("docs"), at("away")), 0);
    RUN(66, at("docs")); /* unreachable */
    assert_int_equal(documents(), 3);
    mkdir(at("docs"), 0755);
    RUN(65, at("docs")); /* empty, as an unmounted disk is */
    assert_int_equal(documents(), 3);
    put("docs/a.md", "# A\n\nOne.\n");
    RUN(65, at("docs")); /* two of three are gone */
    assert_int_equal(documents(), 3);
    expect(0, 0, 1, 0, 0);
    RUN(0, "--force", at("docs"));
    expect(0, 0, 1, 0, 2);
    assert_int_equal(documents(), 1);
}

static void what_cannot_be_read_keeps_its_documents(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    put("docs/c.md", "# C\n\nThree.\n");
    RUN(0, at("docs"));
    FILE *f = fopen(at("docs/b.md"), "w");
    fwrite("\0\1\2\0\0", 1, 5, f);
    fclose(f);
    RUN(65, at("docs"));
    expect(0, 0, 2, 0, 0);
    assert_string_equal(stored(at("docs/b.md")), "# B\n\nTwo.\n");
}

static void malformed_input_is_reported_and_the_rest_goes_on(void **state) {
    (void)state;
    put("docs/bad.jsonl", "{\"id\":\"1\",\"text\":\"one\"}\nnonsense\n"
                          "{\"id\":\"3\",\"text\":\"three\"}\n");
    put("docs/esc\x1b[31m.pdf", "%PDF-1.7");
    put("docs/good.txt", "Good.\n");
    RUN(65, at("docs"));
    expect(3, 0, 0, 0, 0);
    const json_t *problems = json_object_get(last, "problems");
    assert_int_equal(json_array_size(problems), 2);
    const json_t *first = json_array_get(problems, 0);
    assert_int_equal(json_integer_value(json_object_get(first, "line")), 2);
    assert_non_null(
        strstr(json_string_value(json_object_get(first, "path")), "bad.jsonl"));
    const char *err = slurp("err");
    assert_non_null(strstr(err, "bad.jsonl:2: "));
    assert_non_null(strstr(err, "PDF"));
    assert_null(strchr(err, 0x1b)); /* a name cannot move the cursor */
    assert_non_null(strstr(err, "\\x1B"));
}

static void one_id_from_two_sources_names_both(void **state) {
    (void)state;
    put("docs/x.jsonl", "{\"id\":\"same\",\"text\":\"from x\"}\n");
    put("docs/y.jsonl", "{\"id\":\"same\",\"text\":\"from y\"}\n");
    RUN(65, at("docs"));
    const char *err = slurp("err");
    assert_non_null(strstr(err, "x.jsonl"));
    assert_non_null(strstr(err, "y.jsonl"));
    assert_string_equal(stored("same"), "from x");
}

static void a_slip_in_a_line_takes_nothing_away(void **state) {
    (void)state;
    put("docs/f.jsonl", "{\"id\":\"1\",\"text\":\"one\"}\n"
                        "{\"id\":\"2\",\"text\":\"two\"}\n");
    RUN(0, at("docs"));
    put("docs/f.jsonl", "{\"id\":\"1\",\"text\":\"new\"}\n"
                        "{\"id\":\"2\",\"text:\"two\"}\n");
    RUN(65, at("docs"));
    assert_string_equal(stored("1"), "new");
    assert_string_equal(stored("2"), "two");
    put("docs/f.jsonl", "{\"id\":\"1\",\"text\":\"new\"}\n");
    RUN(0, at("docs"));
    assert_string_equal(stored("2"), "");
}

static void files_of_one_name_in_two_roots_are_two_documents(void **state) {
    (void)state;
    put("one/readme.md", "# One\n");
    put("two/readme.md", "# Two\n");
    RUN(0, at("one"), at("two"));
    expect(2, 0, 0, 0, 0);
    assert_string_equal(stored(at("one/readme.md")), "# One\n");
    assert_string_equal(stored(at("two/readme.md")), "# Two\n");
}

static void korean_windows_files_and_decomposed_names(void **state) {
    (void)state;
    static const char CP949[] = /* "연차는 십오일이다.\n" */
        "\xBF\xAC\xC2\xF7\xB4\xC2 \xBD\xCA\xBF\xC0\xC0\xCF\xC0\xCC\xB4\xD9.\n";
    put("docs/cp949.txt", CP949);
    put("docs/\xE1\x84\x80\xE1\x85\xA1.txt",
        "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB.\n");
    RUN(0, at("docs"));
    assert_string_equal(stored(at("docs/cp949.txt")), "연차는 십오일이다.\n");
    assert_string_equal(stored(at("docs/\xE1\x84\x80\xE1\x85\xA1.txt")),
                        "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB.\n");
    RUN(0, at("docs"));
    expect(0, 0, 2, 0, 0);
}

static void one_document_can_be_removed(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    RUN(0, at("docs"));
    RUN(0, "--remove", at("docs/a.md"));
    assert_string_equal(stored(at("docs/a.md")), "");
    assert_int_equal(documents(), 1);
    RUN(66, "--remove", at("docs/a.md"));
}

static void usage_and_parts_have_their_exit_status(void **state) {
    (void)state;
    const char *none[] = {NULL};
    assert_int_equal(finish(start(none, true)), 64);
    const char *wrong[] = {"--no-such-option", "x", NULL};
    assert_int_equal(finish(start(wrong, true)), 64);
    const char *help[] = {"--help", NULL};
    assert_int_equal(finish(start(help, false)), 0);
    const char *model[] = {"--model", at("none.gguf"), at("docs"), NULL};
    put("docs/a.md", "# A\n");
    assert_int_equal(finish(start(model, false)), 69);
    RUN(66, at("nothing"));
    stop_stub();
    close(port_fd);
    const char *docs[] = {at("docs"), NULL};
    assert_int_equal(finish(start(docs, true)), 69);
    port_fd = -1;
}

/* Many small documents, so that a run takes several calls to the encoder and
 * several commits. */
static void put_many(size_t n) {
    rag_buf b;
    rag_buf_init(&b, 0);
    for (size_t i = 0; i < n; i++)
        rag_buf_printf(&b, NULL,
                       "{\"id\":\"d%zu\",\"text\":\"Document %zu.\"}\n", i, i);
    put("docs/many.jsonl", rag_buf_str(&b));
    rag_buf_free(&b);
}

static void a_killed_run_is_completed_by_the_next(void **state) {
    (void)state;
    put_many(1500);
    start_stub(20); /* slow enough to be killed in the middle */
    const char *docs[] = {at("docs"), NULL};
    for (int i = 0; i < 6; i++) {
        pid_t pid = start(docs, true);
        nap(40 + 150 * i);
        kill(pid, SIGKILL);
        finish(pid);
    }
    start_stub(0);
    RUN(0, at("docs"));
    assert_int_equal(number("documents"), 1500);
    assert_int_equal(documents(), 1500);
    assert_string_equal(stored("d1499"), "Document 1499.");
    RUN(0, at("docs"));
    expect(0, 0, 1500, 0, 0);
}

static void a_signal_stops_it_cleanly(void **state) {
    (void)state;
    put_many(3000);
    start_stub(30);
    const char *docs[] = {at("docs"), NULL};
    pid_t pid = start(docs, true);
    nap(600);
    kill(pid, SIGTERM);
    assert_int_equal(finish(pid), 128 + SIGTERM);
    assert_non_null(strstr(slurp("err"), "run it again"));
    start_stub(0);
    RUN(0, at("docs"));
    assert_int_equal(documents(), 3000);
}

static void two_writers_do_not_meet(void **state) {
    (void)state;
    put_many(1500);
    start_stub(30);
    const char *docs[] = {at("docs"), NULL};
    pid_t first = start(docs, true);
    nap(400);
    int second = finish(start(docs, true));
    kill(first, SIGTERM);
    finish(first);
    assert_int_equal(second, 69);
}

/* The real encoder, where its model is. */
static void the_real_encoder_ingests(void **state) {
    (void)state;
    char *cache = NULL, *model = NULL;
    assert_int_equal(rag_path_place(RAG_PLACE_CACHE, &cache, NULL), 0);
    assert_int_equal(rag_path_join(cache, RAG_ENCODER_FILE, &model, NULL), 0);
    bool there = rag_file_exists(model);
    free(cache);
    if (!there) {
        print_message("no encoder model at %s: skipped\n", model);
        free(model);
        skip();
    }
    put("docs/a.md", "# 휴가\n\n연차는 15일이다.\n");
    const char *args[] = {"--model", model, at("docs"), NULL};
    int status = finish(start(args, false));
    if (status)
        fail_msg("%s", slurp("err"));
    assert_non_null(strstr(slurp("out"), "1 new"));
    assert_int_equal(documents(), 1);
    free(model);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    if (access(program(), X_OK) != 0) {
        fprintf(stderr, "no program at %s: set RAG_BUILD\n", program());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        T(again_changes_nothing),
        T(changed_is_replaced),
        T(vanished_disappears),
        T(moved_is_known_again),
        T(nothing_is_wiped_by_accident),
        T(what_cannot_be_read_keeps_its_documents),
        T(malformed_input_is_reported_and_the_rest_goes_on),
        T(one_id_from_two_sources_names_both),
        T(files_of_one_name_in_two_roots_are_two_documents),
        T(a_slip_in_a_line_takes_nothing_away),
        T(korean_windows_files_and_decomposed_names),
        T(one_document_can_be_removed),
        T(usage_and_parts_have_their_exit_status),
        T(a_killed_run_is_completed_by_the_next),
        T(a_signal_stops_it_cleanly),
        T(two_writers_do_not_meet),
        T(the_real_encoder_ingests),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(last);
    return failed;
}
