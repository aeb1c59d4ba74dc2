/*
 * Conditions of sentences for what a question says of its case: which of two
 * sentences that differ in little else is meant.
 */
#include "generate/evidence_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static rag_ranked sentence(const rag_passage *p) {
    return (rag_ranked){.passage = p, .text = p->text, .len = strlen(p->text)};
}

typedef struct row {
    const char *question, *holds, *fails;
} row;

static const row rows[] = {
    /* ages */
    {"만 13살인데 체크카드 하루 한도가 얼마예요?",
     "만 12세부터 만 14세 미만까지는 1일 3만 원입니다.",
     "만 14세 이상 미성년자는 1일 5만 원입니다."},
    {"My son is 13 years old, can he open an account alone?",
     "Children under 14 years need a parent.",
     "Teenagers of at least 14 years can open one alone."},
    {"our 17-year-old wants a card",
     "Customers from 14 to 17 years get the junior card.",
     "Customers over 18 years get the standard card."},
    {"can a 13-year-old have a card", "Children aged 7 to 13 get a play card.",
     "Customers aged 14 or over get a debit card."},
    {"I'm 74 and have no phone", "Customers aged 70 or over get it free.",
     "Customers aged under 70 pay 12 euros."},
    /* time that has passed */
    {"I have been here 6 years now, how much leave?",
     "| 4 to under 9 years | 28 |", "| 9 years and more | 31 |"},
    {"주담대 받은 지 4년 됐는데 지금 갚으면 수수료 있나요?",
     "대출받은 날부터 3년이 지났으면 수수료가 없습니다.",
     "대출받은 날부터 3년 이내에 갚으면 1.2%를 냅니다."},
    {"입사한 지 8개월 됐는데 휴가 며칠이에요?",
     "입사 12개월 미만은 한 달에 1일입니다.", "근속 12개월 이상은 15일입니다."},
    {"I bought it 45 days ago, can I return it?",
     "After more than 30 days we offer store credit.",
     "Within 30 days the price is refunded."},
    /* amounts, and rows of tables */
    {"법인카드 25만원 쓴 건 승인 누가 해요?", "| 30만 원 이하 | 팀장 |",
     "| 30만 원 초과 | 본부장 |"},
    {"4천만 원짜리 장비 사려면 견적 몇 군데?",
     "| 3천만 원 초과 1억 원 이하 | 3곳 이상 |", "| 1억 원 초과 | 공개 입찰 |"},
    {"50만 원 이체 수수료", "10만 원을 넘고 100만 원 이하이면 2,000원입니다.",
     "100만 원을 넘으면 3,500원입니다."},
    {"fee for sending $3,000 abroad",
     "Over $500 up to $5,000 the fee is 15,000 won.",
     "Up to $500 the fee is 5,000 won."},
    {"three quotes for 40 million won?",
     "| over 30 million won | three quotes |",
     "| up to 30 million won | one quote |"},
    {"직원 60명인데 안전관리자 필요해요?", "50명 이상이면 1명을 둔다.",
     "50명 미만이면 두지 않아도 된다."},
    /* days of the week and times of day */
    {"토요일 낮에 다른 은행 기계에서 뽑으면 얼마?",
     "평일 18:00 이후, 토요일과 공휴일에는 1,000원입니다.",
     "평일 08:30부터 18:00까지는 800원입니다."},
    {"밤 11시에 뽑으면 수수료가 얼마예요?",
     "18:00 이후와 08:30 이전에는 1,000원입니다.",
     "08:30부터 18:00까지는 800원입니다."},
    {"Is the desk staffed on Sunday?",
     "At weekends the guard answers the desk phone.",
     "On weekdays the desk is staffed."},
};

static void verdicts(const char *question, const char *a, const char *b,
                     int out[2]) {
    rag_passage p[2] = {{.text = a}, {.text = b}};
    rag_ranked s[2] = {sentence(&p[0]), sentence(&p[1])};
    rag_error err;
    p[0].len = s[0].len;
    p[1].len = s[1].len;
    assert_int_equal(rag_evidence_bounds(question, s, 2, &err), 0);
    out[0] = s[0].condition;
    out[1] = s[1].condition;
}

static void test_the_case_that_is_asked_about(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int v[2];
        verdicts(rows[i].question, rows[i].holds, rows[i].fails, v);
        if (v[0] != 1 || v[1] != -1)
            fail_msg("%s: %d %d", rows[i].question, v[0], v[1]);
    }
}

/* A limit that is asked about is no condition: nothing is taken away where no
 * other sentence's condition holds. */
static void test_nothing_is_lost_without_another(void **state) {
    static const row alone[] = {
        {"2천만 원 한 번에 이체되나요?", "1회 이체 한도는 1천만 원 이하입니다.",
         "수수료는 없습니다."},
        {"can I take 30 days of leave at once?",
         "At most 15 days may be taken at once.", "Ask your manager."},
        /* dates, codes, ordinals, notice periods, what the question bounds */
        {"2026년 3월 5일 회의 결정", "2025년 이후에는 보류한다.",
         "3월 5일까지 낸다."},
        {"제3조가 뭐예요", "5조 이상", "3일 전에 알린다."},
        {"5일 안에 취소하면요?", "3일 이내에 취소하면 무료입니다.",
         "10일 이내에는 절반입니다."},
        {"HB-3005 보관 온도", "30 ℃ 이하에서 보관한다.", "-20 ℃ 이하"},
        {"1일 한도", "3일 이내에 씁니다.", "5일 이상이면 됩니다."},
        {"what happens to unused days of holiday?", "Holiday is listed here.",
         "The portal is open on weekdays."},
        {"얼마예요", "3만 원 이상", "5만 원 이하"},
        {"", "3만 원 이상", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
        int v[2];
        verdicts(alone[i].question, alone[i].holds, alone[i].fails, v);
        if (v[0] != 0 || v[1] != 0)
            fail_msg("%s: %d %d", alone[i].question, v[0], v[1]);
    }
}

/* A sentence without a condition of its own has its title's. */
static void test_titles_and_headings(void **state) {
    rag_passage young = {.title = "만 14세 미만도 카드를 받나요?",
                         .text = "한도는 1일 3만 원입니다."};
    rag_passage old = {.title = "청소년",
                       .heading = "만 14세 이상",
                       .text = "한도는 1일 5만 원입니다."};
    rag_ranked s[2] = {sentence(&young), sentence(&old)};
    rag_error err;
    (void)state;
    assert_int_equal(rag_evidence_bounds("13살 한도", s, 2, &err), 0);
    assert_int_equal(s[0].condition, 1);
    assert_int_equal(s[1].condition, -1);
}

static void test_hostile_text(void **state) {
    static const char bad[] = "\xff\xfe 14세 이상 \xed\xa0\x80";
    static const char one[] = "3세 이상 ";
    char many[8192] = "";
    int v[2];
    (void)state;
    for (size_t n = 0; n + sizeof one < sizeof many; n += sizeof one - 1)
        memcpy(many + n, one, sizeof one);
    verdicts("만 13세", bad, many, v);
    assert_int_equal(v[1], 1);
    verdicts(many, many, bad, v);
    verdicts("\xff 13세", bad, many, v);
    verdicts("9e999세 999999999999999999999세 13세", many, bad, v);
}

static void years_are_told_from_amounts(void **state) {
    (void)state;
    static const struct {
        const char *question;
        bool year;
    } cases[] = {
        {"2024년 연차 규정", true},
        {"2023년도 수수료는?", true},
        {"the 2024 rules", true},
        {"fees as of 2025-03-01", true},
        {"연차 규정 2023", true},
        {"2000만 원까지 비과세인가요?", false},
        {"2000원 할인", false},
        {"a fee of $2000", false},
        {"내선 2024-1000", false},
        {"20 years of service", false},
        {"2150년", false},
        {"\xff 2024", true},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool year = true;
        const char *q = cases[i].question;
        assert_int_equal(rag_names_year(q, strlen(q), &year, NULL), 0);
        if (year != cases[i].year)
            fail_msg("%s", q);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_case_that_is_asked_about),
        cmocka_unit_test(test_nothing_is_lost_without_another),
        cmocka_unit_test(test_titles_and_headings),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(years_are_told_from_amounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
