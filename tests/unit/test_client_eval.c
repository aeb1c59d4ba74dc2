/* `rag eval`'s figures are those of their definitions. */
#include "client/eval.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void ranks_follow_the_definitions(void **state) {
    char *rel[] = {"b", "d"};
    rag_eval_query q = {.relevant = rel, .nrelevant = 2};
    const char *docs[] = {"a", "b", "c", "d"};
    rag_eval_outcome o = {0};

    (void)state;
    rag_eval_rank(&q, docs, 4, &o);
    assert_int_equal(o.first, 2);
    NEAR(o.recall5, 1);
    NEAR(o.ndcg10, (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3)));
    rag_eval_rank(&q, docs, 1, &o);
    assert_int_equal(o.first, 0);
    NEAR(o.ndcg10, 0);
    NEAR(o.recall10, 0);
}

static void a_path_matches_by_whole_components(void **state) {
    char *rel[] = {"company/leave.md"};
    rag_eval_query q = {.relevant = rel, .nrelevant = 1};
    const char *yes[] = {"/srv/docs/company/leave.md"};
    const char *no[] = {"/srv/docs/oldcompany/leave.md"};
    rag_eval_outcome o = {0};

    (void)state;
    rag_eval_rank(&q, yes, 1, &o);
    assert_int_equal(o.first, 1);
    rag_eval_rank(&q, no, 1, &o);
    assert_int_equal(o.first, 0);
}

static void auroc_counts_ties_half(void **state) {
    double pos[] = {.9, .5, .5}, neg[] = {.5, .1};

    (void)state;
    NEAR(rag_eval_auroc(pos, 3, neg, 2), (1 + 1 + .5 + 1 + .5 + 1) / 6.0);
    assert_true(isnan(rag_eval_auroc(pos, 0, neg, 2)));
}

static void false_answers_at_a_false_refusal_share(void **state) {
    double pos[10], neg[] = {.05, .15, .95};

    (void)state;
    for (int i = 0; i < 10; i++)
        pos[i] = i / 10.0; /* 0, .1, ... .9 */
    /* Refusing one in ten puts the threshold at .1. */
    NEAR(rag_eval_false_answers(pos, 10, neg, 3, .10), 2 / 3.0);
}

static void an_interval_holds_its_mean_and_shrinks(void **state) {
    double few[10], many[1000];
    rag_interval a, b;

    (void)state;
    for (int i = 0; i < 1000; i++)
        many[i] = i % 2;
    for (int i = 0; i < 10; i++)
        few[i] = i % 2;
    a = rag_eval_bootstrap(few, 10);
    b = rag_eval_bootstrap(many, 1000);
    NEAR(a.mean, .5);
    NEAR(b.mean, .5);
    assert_true(a.low <= .5 && a.high >= .5 && b.low < .5 && b.high > .5);
    assert_true(b.high - b.low < a.high - a.low);
}

static void quantiles_interpolate(void **state) {
    double x[] = {4, 1, 3, 2};

    (void)state;
    NEAR(rag_eval_quantile(x, 4, .5), 2.5);
    NEAR(rag_eval_quantile(x, 4, 1), 4);
    assert_true(isnan(rag_eval_quantile(x, 0, .5)));
}

static void answers_compare_as_people_read_them(void **state) {
    char *men[] = {"40 men"}, *fee[] = {"3만 원"}, *five[] = {"5"};
    char *cat[] = {"cat"}, *both[] = {"수수료", "annual fee"};

    (void)state;
    assert_true(rag_eval_contains("It was the 40  Men.", men, 1));
    assert_true(rag_eval_contains("수수료는 3만원입니다 [1]", fee, 1));
    assert_false(rag_eval_contains("15 days", five, 1));
    assert_true(rag_eval_contains("5 days [1]", five, 1));
    assert_false(rag_eval_contains("day [5]", five, 1));
    assert_false(rag_eval_contains("concatenate", cat, 1));
    assert_true(rag_eval_contains("the annual fee is due", both, 2));
    NEAR(rag_eval_exact("The 40 men!", men, 1), 1);
    NEAR(rag_eval_exact("41 men", men, 1), 0);
    NEAR(rag_eval_f1("40 soldiers", men, 1), .5);
    NEAR(rag_eval_f1("3만 원", fee, 1), 1);
}

static void a_number_must_stand_in_a_quote(void **state) {
    json_t *c = json_pack("[{s:s},{s:s}]", "quote", "한도는 1,000,000원",
                          "quote", "rate 3.5 %");

    (void)state;
    assert_true(rag_eval_numbers_in("1000000원, 3.5% [2]", c));
    assert_false(rag_eval_numbers_in("2,000,000원 [1]", c));
    assert_false(rag_eval_numbers_in("35% [1]", c));
    assert_true(rag_eval_numbers_in("no number [7]", c));
    json_decref(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_follow_the_definitions),
        cmocka_unit_test(a_path_matches_by_whole_components),
        cmocka_unit_test(auroc_counts_ties_half),
        cmocka_unit_test(false_answers_at_a_false_refusal_share),
        cmocka_unit_test(an_interval_holds_its_mean_and_shrinks),
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(answers_compare_as_people_read_them),
        cmocka_unit_test(a_number_must_stand_in_a_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
