/*
 * test_index_fuse.c - how two orders become one, where the language of a
 * document decides what its words can tell.
 */
#include "test_index_support.h"

static rag_candidate found(uint32_t doc, double lexical, double vector,
                           bool foreign) {
    return (rag_candidate){.id = doc + 1,
                           .doc = doc,
                           .has_vector = true,
                           .foreign = foreign,
                           .question = -1,
                           .lexical = lexical,
                           .vector = vector};
}

/* The document that comes first. */
static uint32_t first(rag_candidate *c, size_t n, const rag_tuning *t) {
    rag_query_signals s = {.words = 4, .rare = 0.5, .cover = 0.6};
    rag_fusion f;
    rag_error err;
    uint32_t doc;

    must(rag_fuse(c, n, true, true, 0.5, &s, t, &f, &err), &err);
    assert_int_equal(f.n, n);
    doc = f.docs[0].doc;
    free(f.docs);
    return doc;
}

/* Nearest by meaning, without a word in common since it is in another
 * language: a chance likeness of words must not beat it. */
static void another_language_shares_no_words(void **state) {
    rag_candidate c[] = {found(0, 3, 0.80, false), found(1, 0, 0.90, true),
                         found(2, 1, 0.79, false), found(3, 0, 0.78, true),
                         found(4, 2, 0.78, false)};
    rag_candidate own[5];
    rag_tuning off = rag_tuning_default;

    (void)state;
    memcpy(own, c, sizeof(c));
    assert_int_equal(first(c, 5, &rag_tuning_default), 1);
    /* In the question's language its silence would be news. */
    own[1].foreign = false;
    assert_int_equal(first(own, 5, &rag_tuning_default), 0);
    own[1].foreign = true;
    off.foreign = 0;
    assert_int_equal(first(own, 5, &off), 0);
}

/* What it shares (a name, a number) counts in full. */
static void shared_words_still_count(void **state) {
    rag_candidate c[] = {found(0, 0, 0.82, true), found(1, 6, 0.81, true),
                         found(2, 1, 0.79, false), found(3, 0, 0.78, false)};

    (void)state;
    assert_int_equal(first(c, 4, &rag_tuning_default), 1);
}

/* Likeness to the best moves only what is alike among its own kind. */
static void feedback_compares_within_a_language(void **state) {
    rag_candidate c[] = {found(0, 3, 0.90, false), found(1, 2, 0.85, false),
                         found(2, 2, 0.84, false), found(3, 0, 0.86, true),
                         found(4, 0, 0.80, true)};
    static const double likeness[] = {1, 0.9, 0.8, 0.6, 0.5};
    rag_query_signals s = {.words = 4, .rare = 0.5, .cover = 0.6};
    rag_fusion f;
    rag_error err;
    double before[5], after[5];

    (void)state;
    must(rag_fuse(c, 5, true, true, 0.5, &s, &rag_tuning_default, &f, &err),
         &err);
    for (size_t i = 0; i < 5; i++)
        c[f.docs[i].first].likeness = likeness[f.docs[i].doc];
    assert_int_equal(f.docs[0].doc, 0);
    for (size_t i = 0; i < 5; i++)
        before[f.docs[i].doc] = f.docs[i].score;
    rag_fuse_feedback(c, &f, 0.25);
    for (size_t i = 0; i < 5; i++)
        after[f.docs[i].doc] = f.docs[i].score;
    assert_true(after[1] - before[1] > 0 && after[2] - before[2] < 0);
    assert_true(after[3] - before[3] > 0 && after[4] - before[4] < 0);
    free(f.docs);
}

/* The best gains most, also as the only one of its language. */
static void feedback_leaves_the_best_first(void **state) {
    rag_candidate c[] = {found(0, 3, 0.95, false), found(1, 0, 0.90, true),
                         found(2, 0, 0.80, true), found(3, 0, 0.79, true),
                         found(4, 0, 0.78, true)};
    rag_query_signals s = {.words = 4, .rare = 0.5, .cover = 0.6};
    rag_fusion f;
    rag_error err;
    uint32_t best;

    (void)state;
    must(rag_fuse(c, 5, true, true, 0.5, &s, &rag_tuning_default, &f, &err),
         &err);
    best = f.docs[0].doc;
    assert_int_equal(best, 0);
    for (size_t i = 0; i < 5; i++)
        c[i].likeness = c[i].doc == 1 ? 0.95 : c[i].doc == best ? 1 : 0.5;
    rag_fuse_feedback(c, &f, 5);
    assert_int_equal(f.docs[0].doc, best);
    free(f.docs);
}

/* The chunks of a store's only document have nothing else to be compared
 * with, and still an order. */
static void one_document_has_its_best_chunk_first(void **state) {
    rag_candidate c[] = {found(0, 1, 0.80, false), found(0, 5, 0.90, false),
                         found(0, 0, 0.78, false)};
    rag_query_signals s = {.words = 4, .rare = 0.5, .cover = 0.6};
    rag_fusion f;
    rag_error err;

    (void)state;
    for (int i = 0; i < 3; i++)
        c[i].id = i + 1;
    must(rag_fuse(c, 3, true, true, -1, &s, &rag_tuning_default, &f, &err),
         &err);
    assert_int_equal(f.n, 1);
    assert_int_equal(c[f.docs[0].first].id, 2);
    assert_true(f.docs[0].score > 0);
    free(f.docs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_language_shares_no_words),
        cmocka_unit_test(shared_words_still_count),
        cmocka_unit_test(feedback_leaves_the_best_first),
        cmocka_unit_test(one_document_has_its_best_chunk_first),
        cmocka_unit_test(feedback_compares_within_a_language),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
