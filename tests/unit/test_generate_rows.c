/*
 * Of a table's rows the one that a question names: by its label, by its
 * second column, typed without spaces, among labels that share words; and none
 * where the question names none.
 */
#include "generate/evidence_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 6

typedef struct table {
    const char *question, *row[ROWS_MAX];
    int named; /* index; -1 none */
} table;

static const table tables[] = {
    {"물결 트래블 연회비",
     {"| 물결 라이프 | 신용 | 10,000원 |", "| 물결 사업자 | 신용 | 15,000원 |",
      "| 물결 트래블 | 신용 | 35,000원 |"},
     2},
    {"물결트래블연회비얼마에요",
     {"| 물결 라이프 | 10,000원 |", "| 물결 트래블 | 35,000원 |"},
     1},
    {"결제일을 14일로 하면 이용 기간은 언제부터인가요?",
     {"| 매월 1일 | 전전월 18일부터 |", "| 매월 14일 | 전월 1일부터 |",
      "| 매월 25일 | 전월 12일부터 |"},
     1},
    {"zone C cut-off time in the app",
     {"| Zone A | 15:00 |", "| Zone A, urgent | 14:00 |", "| Zone C | 13:00 |",
      "| Zone C, urgent | 11:30 |"},
     2},
    {"urgent payment to zone C, cut-off?",
     {"| Zone A | 15:00 |", "| Zone A, urgent | 14:00 |", "| Zone C | 13:00 |",
      "| Zone C, urgent | 11:30 |"},
     3},
    {"How long may I keep my mobile phone?",
     {"| EQ-11 | Developer laptop | 36 months |",
      "| EQ-44 | Mobile phone | 30 months |"},
     1},
    {"EQ-11 replacement period",
     {"| EQ-11 | Developer laptop | 36 months |",
      "| EQ-44 | Mobile phone | 30 months |"},
     0},
    {"zone C, urgent", {"| Zone C, urgent | 11:30 |", "| Zone C | 13:00 |"}, 0},
    {"cut-off for zone C",
     {"| Zone C, urgent | 11:30 |", "| Zone C | 13:00 |", "| Zone A | 15:00 |"},
     1},
    {"fee of the travel card for students abroad",
     {"| Travel card for students, premium | 5 |", "| Business card | 9 |"},
     0},
    /* named by nothing, by two alike, or by one word of many */
    {"대출을 신청하면 얼마까지 빌릴 수 있나요?",
     {"| 대상 | 재직 1년 이상 |", "| 한도 | 최대 5천만 원 |",
      "| 신청 방법 | 앱 또는 영업점 |"},
     -1},
    {"카드를 잃어버리면 재발급 비용은?",
     {"| 분실 | 5,000원 |", "| 카드 훼손 | 3,000원 |", "| 기타 | 2,000원 |"},
     -1},
    /* behind words stand answers, not labels */
    {"청소년도 비대면 개설이 가능한가요?",
     {"| 미성년자 | 불가 |", "| 성인 | 가능 |"},
     -1},
    /* a label over two rows */
    {"일반형 2년 금리는?",
     {"| 일반형 | 1년 | 3.0% |", "| | 2년 | 3.2% |", "| 우대형 | 1년 | 3.5% |",
      "| | 2년 | 3.7% |"},
     -1},
    {"연회비가 가장 비싼 카드는?",
     {"| 물결 라이프 | 10,000원 |", "| 물결 트래블 | 35,000원 |"},
     -1},
    {"silver or gold, which is cheaper?",
     {"| Silver card | 10 |", "| Gold card | 20 |", "| Silver loan | 30 |",
      "| Gold loan | 40 |"},
     -1},
    {"silver or gold, which is cheaper?",
     {"| Bronze | 5 |", "| Silver | 10 |", "| Gold | 20 |"},
     -1},
};

/* ... by its other words, where its own name none. */
static const struct {
    table t;
    const char *also;
} otherwise[] = {
    {{"할아버지가 돌아가셨는데 휴가는 며칠이에요?",
      {"| 부모 사망 | 5일 |", "| 조부모 또는 외조부모 사망 | 3일 |",
       "| 형제자매 사망 | 3일 |"},
      1},
     "조부모, 할머니, 외조부모, grandparent, grandmother, grandfather, "},
    {{"how long is the leave when a grandmother dies",
      {"| 부모 사망 | 5일 |", "| 조부모 사망 | 3일 |"},
      1},
     "조부모, 할머니, 할아버지, 외조부모, grandparent, "},
    {{"물결 트래블 연회비",
      {"| 물결 라이프 | 10,000원 |", "| 물결 트래블 | 35,000원 |"},
      1},
     "라이프, life, "},
    {{"카드 연회비",
      {"| 물결 라이프 | 10,000원 |", "| 물결 트래블 | 35,000원 |"},
      -1},
     "물결, card, "},
};

static void names(const table *t, const char *also) {
    rag_passage p = {.doc = "a", .title = "", .heading = "", .text = ""};
    rag_ranked s[ROWS_MAX + 3] = {
        {.passage = &p, .text = "Rates.", .len = 6},
        {.passage = &p, .text = "| a | b |", .len = 9},
        {.passage = &p, .text = "|---|---|", .len = 9}};
    size_t n = 3;
    for (; n - 3 < ROWS_MAX && t->row[n - 3]; n++)
        s[n] = (rag_ranked){
            .passage = &p, .text = t->row[n - 3], .len = strlen(t->row[n - 3])};
    assert_int_equal(rag_evidence_rows(t->question, also, s, n, NULL), 0);
    for (size_t k = 0; k < n; k++)
        assert_int_equal(s[k].row, t->named < 0 || k < 3       ? 0
                                   : k == 3 + (size_t)t->named ? 1
                                                               : -1);
}

static void the_row_the_question_names(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        names(&tables[i], NULL);
    for (size_t i = 0; i < sizeof otherwise / sizeof otherwise[0]; i++)
        names(&otherwise[i].t, otherwise[i].also);
}

static void conditions_come_first(void **state) {
    (void)state;
    rag_passage p = {.doc = "a", .title = "", .heading = "", .text = ""};
    rag_ranked s[] = {{.passage = &p, .text = "| app | 1 |", .len = 11},
                      {.passage = &p, .text = "| desk | 2 |", .len = 12}};
    s[1].condition = 1;
    assert_int_equal(rag_evidence_rows("fee in the app", NULL, s, 2, NULL), 0);
    assert_int_equal(s[0].row, 0);
    assert_int_equal(s[1].row, 0);
}

static void one_condition_for_all_decides_nothing(void **state) {
    (void)state;
    rag_passage p = {.doc = "a", .title = "", .heading = "", .text = ""};
    rag_ranked s[] = {
        {.passage = &p, .text = "| app | 1 |", .len = 11, .condition = 1},
        {.passage = &p, .text = "| desk | 2 |", .len = 12, .condition = 1}};
    assert_int_equal(rag_evidence_rows("fee in the app", NULL, s, 2, NULL), 0);
    assert_int_equal(s[0].row, 1);
    assert_int_equal(s[1].row, -1);
}

static void the_next_tables_header_is_no_row(void **state) {
    (void)state;
    rag_passage p = {.doc = "a", .title = "", .heading = "", .text = ""};
    rag_ranked s[] = {{.passage = &p, .text = "| Replacement | 5 |", .len = 19},
                      {.passage = &p, .text = "| Transfer | 20 |", .len = 17},
                      {.passage = &p, .text = "| Card | Limit |", .len = 16},
                      {.passage = &p, .text = "|---|---|", .len = 9}};
    assert_int_equal(rag_evidence_rows("cost of a new card?", NULL, s, 4, NULL),
                     0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(s[i].row, 0);
}

/* More rows, and more words in a label, than are looked at. */
static void long_tables_and_labels(void **state) {
    (void)state;
    rag_passage p = {.doc = "a", .title = "", .heading = "", .text = ""};
    rag_ranked s[200];
    static char text[200][16];
    for (size_t i = 0; i < 200; i++) {
        int n = snprintf(text[i], sizeof text[i], "| row %zu | 1 |", i);
        s[i] = (rag_ranked){.passage = &p, .text = text[i], .len = (size_t)n};
    }
    assert_int_equal(rag_evidence_rows("row 7", NULL, s, 200, NULL), 0);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(s[i].row, 0);
    static const char many[] =
        "| amber birch cedar daisy elder fennel ginger hazel iris juniper "
        "kale laurel maple nettle olive poplar quince rowan sorrel thyme | 1 |";
    rag_ranked t[] = {{.passage = &p, .text = many, .len = sizeof many - 1},
                      {.passage = &p, .text = "| thyme | 2 |", .len = 13}};
    assert_int_equal(rag_evidence_rows("thyme", NULL, t, 2, NULL), 0);
    assert_int_equal(t[1].row, 1);
}

static void rows_of_two_passages_are_two_tables(void **state) {
    (void)state;
    rag_passage a = {.doc = "a", .title = "", .heading = "", .text = ""}, b = a;
    rag_ranked s[] = {{.passage = &a, .text = "| app | 1 |", .len = 11},
                      {.passage = &a, .text = "| desk | 2 |", .len = 12},
                      {.passage = &b, .text = "| mail | 3 |", .len = 12},
                      {.passage = &b, .text = "| phone | 4 |", .len = 13}};
    assert_int_equal(rag_evidence_rows("fee in the app", NULL, s, 4, NULL), 0);
    assert_int_equal(s[0].row, 1);
    assert_int_equal(s[1].row, -1);
    assert_int_equal(s[2].row, 0);
    assert_int_equal(s[3].row, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_row_the_question_names),
        cmocka_unit_test(conditions_come_first),
        cmocka_unit_test(one_condition_for_all_decides_nothing),
        cmocka_unit_test(the_next_tables_header_is_no_row),
        cmocka_unit_test(long_tables_and_labels),
        cmocka_unit_test(rows_of_two_passages_are_two_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
