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
    char *digits[] = {"40자리"}, *cure[] = {"60 ℃ 90분"};

    (void)state;
    assert_true(rag_eval_contains("It was the 40  Men.", men, 1));
    assert_true(rag_eval_contains("수수료는 3만원입니다 [1]", fee, 1));
    assert_false(rag_eval_contains("15 days", five, 1));
    assert_true(rag_eval_contains("5 days [1]", five, 1));
    assert_false(rag_eval_contains("day [5]", five, 1));
    assert_false(rag_eval_contains("concatenate", cat, 1));
    assert_true(rag_eval_contains("the annual fee is due", both, 2));
    /* a space ends a number, in Korean too */
    assert_true(rag_eval_contains("해시는 SHA-1 40자리입니다", digits, 1));
    assert_true(rag_eval_contains("해시는 40 자리", digits, 1));
    assert_false(rag_eval_contains("해시는 140자리", digits, 1));
    assert_true(rag_eval_contains("저온형 mPa·s | 60 ℃ 90분 |", cure, 1));
    assert_false(rag_eval_contains("6090분", cure, 1));
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

static void a_quote_is_what_the_store_has(void **state) {
    json_t *hits =
        json_pack("[{s:s,s:i,s:i,s:s},{s:s,s:i,s:i,s:s}]", "doc", "a", "start",
                  0, "end", 5, "text", "other", "doc", "b", "start", 10, "end",
                  26, "text", "fee is 5,000 won");
    static const struct {
        const char *doc, *quote;
        int start, end, is;
    } OF[] = {{"b", "5,000 won", 17, 26, 1},
              {"b", "fee is 5,000 won", 10, 26, 1},
              {"b", "5,001 won", 17, 26, 0}, /* other bytes */
              {"b", "5,000 won", 16, 25, 0}, /* another place */
              {"b", "5,000 won", 17, 25, 0}, /* another length */
              {"b", "", 17, 17, 0},
              {"b", "5,000 won.", 17, 27, -1}, /* beyond what is known */
              {"c", "5,000 won", 17, 26, -1}};

    (void)state;
    for (size_t i = 0; i < sizeof OF / sizeof OF[0]; i++) {
        json_t *c =
            json_pack("{s:s,s:s,s:i,s:i}", "doc", OF[i].doc, "quote",
                      OF[i].quote, "start", OF[i].start, "end", OF[i].end);
        assert_int_equal(rag_eval_quote_in(c, hits), OF[i].is);
        json_decref(c);
    }
    json_decref(hits);
}

/* Figures of four outcomes, by hand. */
static void a_report_counts_what_was_given(void **state) {
    rag_eval_query q[4] = {{.id = "1", .question = "?", .answerable = true},
                           {.id = "2", .question = "?", .answerable = true},
                           {.id = "3", .question = "?", .answerable = true},
                           {.id = "4", .question = "?", .answerable = false}};
    rag_eval_outcome o[4] = {{.asked = true,
                              .status = "answered",
                              .given = true,
                              .cited = true,
                              .exact_quotes = true,
                              .numbers_grounded = true},
                             {.asked = true, .status = "refused"},
                             {.asked = true, .status = "clarify"},
                             {.asked = true,
                              .status = "extract",
                              .given = true,
                              .cited = true,
                              .numbers_grounded = true}};
    static const struct {
        const char *name;
        double mean;
        int n;
    } EXPECTED[] = {{"quotes_exact", .5, 2},
                    {"numbers_grounded", 1, 2},
                    {"cited", 1, 2},
                    {"extract_share", .5, 2},
                    {"wrongly_answered", 1, 1},
                    {"wrongly_refused", 1 / 3., 3}};
    rag_eval_set set = {.name = "s", .queries = q, .n = 4};
    rag_eval_about about = {0};
    json_t *report;

    (void)state;
    assert_int_equal(rag_eval_report(&set, o, &about, &report, NULL), 0);
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++) {
        json_t *f = json_object_get(json_object_get(report, "figures"),
                                    EXPECTED[i].name);
        assert_non_null(f);
        NEAR(json_number_value(json_object_get(f, "mean")), EXPECTED[i].mean);
        assert_int_equal(json_integer_value(json_object_get(f, "n")),
                         EXPECTED[i].n);
    }
    json_decref(report);
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
        cmocka_unit_test(a_quote_is_what_the_store_has),
        cmocka_unit_test(a_report_counts_what_was_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
