/*
 * Promises: what is put is found, what is replaced or removed is gone (from
 * the files, too), nothing vanishes by accident, and two sources cannot fight
 * over one id.
 */
#include "test_index_support.h"

static const test_doc leave = {
    .id = "leave", .title = "연차", .text = "연차휴가는 십오 일입니다."};
static const test_doc travel = {
    .id = "travel", .title = "출장", .text = "출장비는 영수증으로 청구합니다."};

static void put_is_found_with_its_exact_text(void **state) {
    char *dir = test_dir();
    const char *question = "출장비를 청구하려면";
    rag_index_query q = {.text = question,
                         .len = strlen(question),
                         .kind = -1,
                         .vector_weight = -1};
    rag_index_result r;
    rag_error err;
    rag_index *ix;
    char *text;
    size_t len;

    (void)state;
    test_store(dir, (const test_doc[]){leave, travel}, 2);
    ix = test_open(dir);
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_true(r.n >= 1);
    assert_string_equal(r.hits[0].doc, "travel");
    assert_string_equal(r.hits[0].title, "출장");
    assert_string_equal(r.hits[0].text, travel.text);
    assert_int_equal(r.hits[0].start, 0);
    assert_int_equal(r.hits[0].end, strlen(travel.text));
    assert_true(r.hits[0].lexical > 0);
    assert_true(isnan(r.hits[0].vector));
    rag_index_result_free(&r);
    must(rag_index_text(ix, "leave", 0, 6, &text, &len, &err), &err);
    assert_string_equal(text, "연차");
    assert_int_equal(len, 6);
    free(text);
    must(rag_index_text(ix, "leave", 3, SIZE_MAX, &text, &len, &err), &err);
    assert_string_equal(text, leave.text + 3);
    free(text);
    assert_int_equal(rag_index_text(ix, "none", 0, 1, &text, &len, &err),
                     RAG_E_NOTFOUND);
    assert_null(text);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void replacing_leaves_only_the_new(void **state) {
    char *dir = test_dir();
    test_doc changed = leave;
    rag_index *ix;
    rag_index_stats st;

    (void)state;
    test_store(dir, (const test_doc[]){leave, travel}, 2);
    ix = test_open(dir);
    changed.text = "연차휴가는 이십 일이고 quixotic 입니다.";
    test_store(dir, &changed, 1);
    assert_finds(ix, "quixotic", "leave");
    assert_int_equal(rag_index_describe(ix, &st, NULL), 0);
    assert_int_equal(st.documents, 2);
    assert_int_equal(st.chunks, 2);
    changed.text = "연차휴가는 삼십 일입니다.";
    test_store(dir, &changed, 1);
    assert_finds(ix, "quixotic", "");
    assert_false(test_on_disk(dir, "quixotic"));
    rag_index_close(ix);
    test_dir_free(dir);
}

static void removed_text_is_gone_from_the_files(void **state) {
    char *dir = test_dir();
    test_doc secret = {.id = "secret",
                       .title = "Zanzibarium",
                       .text = "The word xylophonist is here. ---"
                               "Another chunk with quetzalcoatl."};
    rag_index_writer *w;
    rag_error err;

    (void)state;
    test_store(dir, (const test_doc[]){leave, secret, travel}, 3);
    assert_true(test_on_disk(dir, "xylophonist"));
    assert_true(test_on_disk(dir, "Zanzibarium"));
    w = test_writer(dir);
    must(rag_index_writer_remove(w, "secret", &err), &err);
    assert_int_equal(rag_index_writer_remove(w, "secret", &err),
                     RAG_E_NOTFOUND);
    test_commit(w);
    /* The writer is still open: nothing waits for its close. */
    assert_false(test_on_disk(dir, "xylophonist"));
    assert_false(test_on_disk(dir, "quetzalcoatl"));
    assert_false(test_on_disk(dir, "Zanzibarium"));
    assert_false(test_on_disk(dir, "zanzibarium"));
    assert_false(test_on_disk(dir, "quetzalcoat"));
    rag_index_writer_close(w);
    test_dir_free(dir);
}

static void uncommitted_is_rolled_back(void **state) {
    char *dir = test_dir();
    rag_index_writer *w;
    rag_index *ix;

    (void)state;
    test_store(dir, &leave, 1);
    w = test_writer(dir);
    test_put(w, &travel);
    rag_index_writer_close(w);
    ix = test_open(dir);
    assert_finds(ix, "출장비", "");
    assert_finds(ix, "연차휴가", "leave");
    rag_index_close(ix);
    test_dir_free(dir);
}

static void second_writer_is_refused(void **state) {
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir), *other;
    rag_error err;

    (void)state;
    assert_int_equal(rag_index_writer_open(dir, &test_fp, false, &other, &err),
                     RAG_E_BUSY);
    assert_null(other);
    rag_index_writer_close(w);
    rag_index_writer_close(NULL);
    test_dir_free(dir);
}

static void another_encoder_is_refused_until_rebuild(void **state) {
    char *dir = test_dir();
    rag_index_fingerprint other = {DIM, "other-encoder", "other", 1};
    rag_index_options opt = {.fingerprint = {DIM, "other-encoder", "o", 1}};
    rag_index_writer *w;
    rag_index_known known;
    rag_document d;
    rag_index *ix;
    rag_error err;

    (void)state;
    test_store(dir, (const test_doc[]){leave, travel}, 2);
    assert_int_equal(rag_index_open(dir, &opt, &ix, &err), RAG_E_MISMATCH);
    assert_null(ix);
    assert_int_equal(rag_index_writer_open(dir, &other, false, &w, &err),
                     RAG_E_MISMATCH);
    assert_non_null(strstr(err.message, "--rebuild"));
    must(rag_index_writer_open(dir, &other, true, &w, &err), &err);
    test_document(&leave, &d);
    must(rag_index_writer_lookup(w, &d, &known, &err), &err);
    assert_true(known.found && !known.same);
    rag_document_free(&d);
    rag_index_writer_close(w);
    must(rag_index_open(dir, &opt, &ix, &err), &err);
    assert_finds(ix, "연차휴가", "leave"); /* old rows serve on */
    {
        rag_index_stats st;

        assert_int_equal(rag_index_describe(ix, &st, NULL), 0);
        assert_int_equal(st.vectors, 0); /* but not their vectors */
    }
    rag_index_close(ix);
    test_dir_free(dir);
}

static void lookup_tells_same_changed_moved_conflict(void **state) {
    char *dir = test_dir();
    test_doc t = leave;
    rag_index_writer *w;
    rag_index_known k;
    rag_document d;
    rag_error err;

    (void)state;
    t.source = "/nowhere/a";
    test_store(dir, &t, 1);
    w = test_writer(dir);
    must(rag_index_writer_begin_root(w, "/nowhere", &err), &err);

    test_document(&t, &d);
    must(rag_index_writer_lookup(w, &d, &k, &err), &err);
    assert_true(k.found && k.same && !k.moved && !k.other_source);
    assert_string_equal(k.source, "/nowhere/a");
    d.hash.d[0] ^= 1;
    must(rag_index_writer_lookup(w, &d, &k, &err), &err);
    assert_true(k.found && !k.same && !k.moved);
    rag_document_free(&d);

    t.source = "/nowhere/b"; /* same id, other file */
    test_document(&t, &d);
    must(rag_index_writer_lookup(w, &d, &k, &err), &err);
    assert_true(k.found && k.same && k.moved && !k.other_source);
    rag_document_free(&d);

    t.id = "leave2"; /* same content under a new id: the file moved */
    test_document(&t, &d);
    must(rag_index_writer_lookup(w, &d, &k, &err), &err);
    assert_true(k.found && k.same && k.moved);
    assert_string_equal(k.source, "leave");
    must(rag_index_writer_keep(w, &d, &err), &err);
    rag_document_free(&d);
    test_commit(w);
    rag_index_writer_close(w);
    {
        rag_index *ix = test_open(dir);

        assert_finds(ix, "연차휴가", "leave2");
        rag_index_close(ix);
    }
    test_dir_free(dir);
}

static void one_id_from_two_sources_is_a_conflict(void **state) {
    char *dir = test_dir();
    test_doc a = leave, b = leave;
    rag_index_writer *w = test_writer(dir);
    rag_index_known k;
    rag_document d;
    rag_error err;

    (void)state;
    a.source = "/nowhere/a";
    b.source = "/nowhere/b";
    b.text = "다른 글";
    test_put(w, &a);
    test_document(&b, &d);
    must(rag_index_writer_lookup(w, &d, &k, &err), &err);
    assert_true(k.other_source);
    rag_document_free(&d);
    assert_int_equal(test_put_rc(w, &b, &err), RAG_E_CONFLICT);
    assert_non_null(strstr(err.message, "/nowhere/a"));
    assert_non_null(strstr(err.message, "/nowhere/b"));
    test_put(w, &travel); /* the run goes on */
    test_commit(w);
    rag_index_writer_close(w);
    {
        rag_index *ix = test_open(dir);

        assert_finds(ix, "연차휴가", "leave");
        assert_finds(ix, "출장비", "travel");
        rag_index_close(ix);
    }
    test_dir_free(dir);
}

static void fill(const char *dir, int n) {
    rag_index_writer *w = test_writer(dir);
    rag_error err;

    must(rag_index_writer_begin_root(w, "/nowhere", &err), &err);
    for (int i = 0; i < n; i++) {
        char id[16], text[64], source[64];
        test_doc t = {.id = id, .title = "", .text = text, .source = source};

        snprintf(id, sizeof(id), "d%d", i);
        snprintf(source, sizeof(source), "/nowhere/sub%d/d%d", i % 2, i);
        snprintf(text, sizeof(text), "qx%c document", 'a' + i);
        test_put(w, &t);
    }
    test_commit(w);
    rag_index_writer_close(w);
}

static void keep(rag_index_writer *w, int i) {
    char id[16], text[64], source[64];
    test_doc t = {.id = id, .title = "", .text = text, .source = source};
    rag_document d;
    rag_error err;

    snprintf(id, sizeof(id), "d%d", i);
    snprintf(source, sizeof(source), "/nowhere/sub%d/d%d", i % 2, i);
    snprintf(text, sizeof(text), "qx%c document", 'a' + i);
    test_document(&t, &d);
    must(rag_index_writer_keep(w, &d, &err), &err);
    rag_document_free(&d);
}

static void vanished_are_swept_but_not_by_accident(void **state) {
    char *dir = test_dir();
    rag_index_writer *w;
    size_t vanished, had, removed;
    rag_index *ix;
    rag_error err;

    (void)state;
    fill(dir, 10);
    w = test_writer(dir);
    must(rag_index_writer_begin_root(w, "/nowhere", &err), &err);
    /* an empty root */
    assert_int_equal(rag_index_writer_sweep(w, false, &removed, &err),
                     RAG_E_CONFLICT);
    assert_int_equal(removed, 0);
    /* more than half gone */
    for (int i = 0; i < 4; i++)
        keep(w, i);
    assert_int_equal(rag_index_writer_sweep(w, false, &removed, &err),
                     RAG_E_CONFLICT);
    must(rag_index_writer_vanished(w, &vanished, &had, &err), &err);
    assert_int_equal(vanished, 6);
    assert_int_equal(had, 10);
    /* a folder that could not be read */
    must(rag_index_writer_keep_source(w, "/nowhere/sub1/", &err), &err);
    must(rag_index_writer_sweep(w, false, &removed, &err), &err);
    assert_int_equal(removed, 3); /* d4, d6, d8 */
    test_commit(w);
    rag_index_writer_close(w);
    ix = test_open(dir);
    assert_finds(ix, "qxe", "");
    assert_finds(ix, "qxf", "d5");
    assert_finds(ix, "qxd", "d3");
    rag_index_close(ix);
    /* with force */
    w = test_writer(dir);
    must(rag_index_writer_begin_root(w, "/nowhere", &err), &err);
    must(rag_index_writer_sweep(w, true, &removed, &err), &err);
    assert_int_equal(removed, 7);
    test_commit(w);
    rag_index_writer_close(w);
    test_dir_free(dir);
}

static void other_roots_are_left_alone(void **state) {
    char *dir = test_dir();
    test_doc other = travel;
    rag_index_writer *w;
    size_t vanished, had;
    rag_error err;

    (void)state;
    other.root = "/elsewhere";
    test_store(dir, (const test_doc[]){leave, other}, 2);
    w = test_writer(dir);
    must(rag_index_writer_begin_root(w, "/elsewhere", &err), &err);
    must(rag_index_writer_vanished(w, &vanished, &had, &err), &err);
    assert_int_equal(vanished, 1);
    assert_int_equal(had, 1);
    must(rag_index_writer_begin_root(w, "/never-read", &err), &err);
    must(rag_index_writer_vanished(w, &vanished, &had, &err), &err);
    assert_int_equal(vanished, 0);
    rag_index_writer_close(w);
    test_dir_free(dir);
}

static void bad_documents_are_refused_whole(void **state) {
    char *dir = test_dir();
    rag_index_writer *w = test_writer(dir);
    rag_document d;
    rag_error err;
    float v[DIM] = {0};
    rag_vector vec = {RAG_VECTOR_CHUNK, 0, 0, v};

    (void)state;
    test_document(&leave, &d);
    d.chunks[0].end = d.text_len + 1;
    assert_int_equal(rag_index_writer_put(w, &d, NULL, 0, &err), RAG_E_DATA);
    d.chunks[0].end = d.text_len;
    assert_int_equal(rag_index_writer_put(w, &d, &vec, 1, &err), RAG_E_DATA);
    v[0] = NAN;
    assert_int_equal(rag_index_writer_put(w, &d, &vec, 1, &err), RAG_E_DATA);
    v[0] = 1;
    vec.chunk = 5;
    assert_int_equal(rag_index_writer_put(w, &d, &vec, 1, &err), RAG_E_DATA);
    vec.chunk = 0;
    must(rag_index_writer_put(w, &d, &vec, 1, &err), &err);
    rag_document_free(&d);
    rag_index_writer_close(w);
    test_dir_free(dir);
}

static void no_store_is_said_plainly(void **state) {
    char *dir = test_dir();
    rag_index *ix;
    rag_error err;

    (void)state;
    assert_int_equal(rag_index_open(dir, NULL, &ix, &err), RAG_E_NOINPUT);
    assert_null(ix);
    rag_index_close(NULL);
    test_dir_free(dir);
}

static void half_floats_round_trip(void **state) {
    (void)state;
    for (unsigned h = 0; h < 0x7c00; h++)
        assert_int_equal(rag_half_from(rag_half_to((uint16_t)h)), h);
    for (float f = -1; f <= 1; f += 0.001f)
        assert_true(fabsf(rag_half_to(rag_half_from(f)) - f) <=
                    fabsf(f) * 0.0005f + 1e-7f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_is_found_with_its_exact_text),
        cmocka_unit_test(replacing_leaves_only_the_new),
        cmocka_unit_test(removed_text_is_gone_from_the_files),
        cmocka_unit_test(uncommitted_is_rolled_back),
        cmocka_unit_test(second_writer_is_refused),
        cmocka_unit_test(another_encoder_is_refused_until_rebuild),
        cmocka_unit_test(lookup_tells_same_changed_moved_conflict),
        cmocka_unit_test(one_id_from_two_sources_is_a_conflict),
        cmocka_unit_test(vanished_are_swept_but_not_by_accident),
        cmocka_unit_test(other_roots_are_left_alone),
        cmocka_unit_test(bad_documents_are_refused_whole),
        cmocka_unit_test(no_store_is_said_plainly),
        cmocka_unit_test(half_floats_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
