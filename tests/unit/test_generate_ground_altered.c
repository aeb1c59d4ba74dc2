/*
 * Promise: a right answer in which one thing was altered is never shown.
 *
 * Right answers here are sentences of the evidence. From each, all answers
 * are made that differ in one digit (changed, dropped, added), one unit, one
 * comparison, half of the day or direction in time, one negation (dropped,
 * added) or one content word: thousands, always the same ones. What such
 * checks cannot see is in docs/GROUNDING.md.
 */
#include "generate/generate.h"

#include "base/buf.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ANSWER_MAX 512

typedef struct law {
    const char *question;
    const char *text; /* the evidence */
    const char *right; /* one sentence of it */
} law;

static const law KO[] = {
    {"정기예금을 중도에 해지하면 이자는 어떻게 되나요?",
     "정기예금은 가입 후 3개월이 지나면 중도 해지할 수 있습니다. 중도 "
     "해지하면 약정 이율의 50%만 지급합니다. 만기 이자는 연 3.2%입니다.",
     "중도 해지하면 약정 이율의 50%만 지급합니다."},
    {"해외 송금 수수료는 얼마인가요?",
     "해외 송금 수수료는 건당 15,000원입니다. 전신료 8,000원은 별도로 "
     "청구합니다. 국내 송금에는 수수료가 없습니다.",
     "해외 송금 수수료는 건당 15,000원입니다."},
    {"체크카드는 몇 살부터 만들 수 있나요?",
     "체크카드는 만 12세 이상이면 발급할 수 있습니다. 신용카드는 만 19세 "
     "미만에게 발급하지 않습니다.",
     "체크카드는 만 12세 이상이면 발급할 수 있습니다."},
    {"신용카드를 청소년에게 발급하나요?",
     "체크카드는 만 12세 이상이면 발급할 수 있습니다. 신용카드는 만 19세 "
     "미만에게 발급하지 않습니다.",
     "신용카드는 만 19세 미만에게 발급하지 않습니다."},
    {"고객센터 운영 시간은 언제인가요?",
     "고객센터는 평일 오전 9시부터 오후 6시까지 운영합니다. 분실 신고는 "
     "24시간 받습니다. 대표 번호는 1588-0000입니다.",
     "고객센터는 평일 오전 9시부터 오후 6시까지 운영합니다."},
    {"법인 통장은 어디에서 개설하나요?",
     "법인 통장은 영업점에서만 개설할 수 있습니다. 비대면으로는 개설할 수 "
     "없습니다. 서류 심사에는 2영업일이 걸립니다.",
     "비대면으로는 개설할 수 없습니다."},
    {"법인 통장 서류 심사는 얼마나 걸리나요?",
     "법인 통장은 영업점에서만 개설할 수 있습니다. 비대면으로는 개설할 수 "
     "없습니다. 서류 심사에는 2영업일이 걸립니다.",
     "서류 심사에는 2영업일이 걸립니다."},
    {"연차는 며칠 전에 신청해야 하나요?",
     "연차는 사용일 3일 전까지 신청해야 합니다. 반차는 당일 오전 10시까지 "
     "신청할 수 있습니다. 사용하지 않은 연차는 이월되지 않습니다.",
     "연차는 사용일 3일 전까지 신청해야 합니다."},
    {"쓰지 않은 연차는 이월되나요?",
     "연차는 사용일 3일 전까지 신청해야 합니다. 반차는 당일 오전 10시까지 "
     "신청할 수 있습니다. 사용하지 않은 연차는 이월되지 않습니다.",
     "사용하지 않은 연차는 이월되지 않습니다."},
    {"출장 숙박비 한도는 얼마인가요?",
     "출장 숙박비는 1박 130,000원 이하로 지급합니다. 식비는 하루 40,000원을 "
     "정액으로 지급합니다. 영수증은 7일 이내에 제출합니다.",
     "출장 숙박비는 1박 130,000원 이하로 지급합니다."},
    {"대출 신청은 언제까지 할 수 있나요?",
     "주택 대출은 2026년 3월 1일부터 2026년 9월 30일까지 신청할 수 있습니다. "
     "금리는 연 4.15%이며 한도는 5억 원입니다.",
     "주택 대출은 2026년 3월 1일부터 2026년 9월 30일까지 신청할 수 있습니다."},
    {"대출 금리와 한도는 얼마인가요?",
     "주택 대출은 2026년 3월 1일부터 2026년 9월 30일까지 신청할 수 있습니다. "
     "금리는 연 4.15%이며 한도는 5억 원입니다.",
     "금리는 연 4.15%이며 한도는 5억 원입니다."},
    {"서버실 온도는 몇 도로 유지하나요?",
     "서버실 온도는 22도로 유지하고 습도는 45%를 넘지 않게 합니다. 점검은 2주 "
     "마다 합니다. 출입은 담당자 2명이 함께 합니다.",
     "서버실 온도는 22도로 유지하고 습도는 45%를 넘지 않게 합니다."},
};

static const law EN[] = {
    {"How long does a refund take?",
     "Refunds are paid within 5 business days. Opened software cannot be "
     "returned. Gift cards expire after 24 months.",
     "Refunds are paid within 5 business days."},
    {"Can opened software be returned?",
     "Refunds are paid within 5 business days. Opened software cannot be "
     "returned. Gift cards expire after 24 months.",
     "Opened software cannot be returned."},
    {"When do gift cards expire?",
     "Refunds are paid within 5 business days. Opened software cannot be "
     "returned. Gift cards expire after 24 months.",
     "Gift cards expire after 24 months."},
    {"What is the annual fee for gold cards?",
     "The annual fee is $25 for gold cards. Silver cards cost $10 a year. "
     "Students pay no fee.",
     "The annual fee is $25 for gold cards."},
    {"Do students pay a fee?",
     "The annual fee is $25 for gold cards. Silver cards cost $10 a year. "
     "Students pay no fee.",
     "Students pay no fee."},
    {"How many days of annual leave do employees get?",
     "Employees get at least 15 days of annual leave. Leave must be requested "
     "3 weeks before it begins. Unused leave is not carried over.",
     "Employees get at least 15 days of annual leave."},
    {"When must leave be requested?",
     "Employees get at least 15 days of annual leave. Leave must be requested "
     "3 weeks before it begins. Unused leave is not carried over.",
     "Leave must be requested 3 weeks before it begins."},
    {"Is unused leave carried over?",
     "Employees get at least 15 days of annual leave. Leave must be requested "
     "3 weeks before it begins. Unused leave is not carried over.",
     "Unused leave is not carried over."},
    {"When is the front desk open?",
     "The front desk is open from 9 a.m. to 6 p.m. on weekdays. Deliveries are "
     "accepted until 17:30. The phone number is 1588-0000.",
     "The front desk is open from 9 a.m. to 6 p.m. on weekdays."},
    {"Until when are deliveries accepted?",
     "The front desk is open from 9 a.m. to 6 p.m. on weekdays. Deliveries are "
     "accepted until 17:30. The phone number is 1588-0000.",
     "Deliveries are accepted until 17:30."},
    {"What is the rate of the savings account?",
     "The savings account pays 3.25% a year. Transfers above $10,000 need "
     "approval. Statements are kept for 7 years.",
     "The savings account pays 3.25% a year."},
    {"Who may enter the server room?",
     "Contractors may not enter the server room without an escort. Visitors "
     "sign in before 18:00. The room is kept at 21 degrees.",
     "Contractors may not enter the server room without an escort."},
    {"When did the plant open?",
     "The plant opened on March 14, 2019 and employs 320 people. It never "
     "closes on weekends. A new line starts in May 2027.",
     "The plant opened on March 14, 2019 and employs 320 people."},
};

/* ---- what an altered answer may become ----------------------------------------- */

/* Members of a family may not stand for each other. */
static const char *const KO_FAMILY[][12] = {
    {"영업일", "일", "주", "개월", "시간", "분", "년", "초"},
    {"원", "달러", "엔", "유로", "개", "건", "명"},
    {"%", "%p", "원", "배"},
    {"이상", "이하", "미만", "초과"},
    {"이내", "이후", "이전"},
    {"오전", "오후"},
    {"부터", "까지"},
    {"전까지", "후까지"},
    {"연 ", "월 ", "일 "},
    {"건당", "월", "연간"},
    {"평일", "주말", "휴일"},
    {"세 ", "명 ", "년 ", "개월 "},
    {"도로", "시로", "분으로"},
    {"억 ", "만 ", "천 ", "백만 ", "조 "},
};
static const char *const EN_FAMILY[][12] = {
    {"business days", "days", "weeks", "months", "years", "hours",
     "calendar days"},
    {"24 months", "24 weeks", "24 days", "24 years", "24 hours"},
    {"15 days", "15 weeks", "15 months", "15 hours"},
    {"3 weeks", "3 days", "3 months", "3 hours", "3 years"},
    {"$", "\xE2\x82\xAC", "\xC2\xA3", "\xC2\xA5"},
    {"%", "%p", " dollars", " points"},
    {"at least", "at most", "up to", "less than", "more than"},
    {"within", "after"},
    {"before", "after"},
    {"until", "after", "from"},
    {"a.m.", "p.m."},
    {"weekdays", "weekends", "holidays"},
    {"a year", "a month", "a day"},
    {"320 people", "320 million people", "320 thousand people",
     "320 percent people"},
    {"March", "May", "June", "November"},
    {"without", "with"},
};

/* A negation and what is left without it, both ways. */
static const char *const KO_NEGATION[][2] = {
    {"할 수 있습니다", "할 수 없습니다"},
    {"지급합니다", "지급하지 않습니다"},
    {"운영합니다", "운영하지 않습니다"},
    {"해야 합니다", "하지 않아야 합니다"},
    {"발급하지 않", "발급하"},
    {"되지 않습니다", "됩니다"},
    {"걸립니다", "걸리지 않습니다"},
    {"않은", "는"},
    {"원입니다", "원이 아닙니다"},
    {"넘지 않게", "넘게"},
    {"유지하고", "유지하지 않고"},
    {"%이며", "%가 아니며"}};
static const char *const EN_NEGATION[][2] = {
    {"are paid", "are not paid"},
    {"cannot be", "can be"},
    {"expire", "do not expire"},
    {"expire", "never expire"},
    {"fee is", "fee is not"},
    {"pay no fee", "pay a fee"},
    {"pay no fee", "pay the fee"},
    {"get at least", "do not get at least"},
    {"must be", "must not be"},
    {"is not carried", "is carried"},
    {"is open", "is not open"},
    {"are accepted", "are not accepted"},
    {"are accepted", "are no longer accepted"},
    {"pays", "does not pay"},
    {"may not enter", "may enter"},
    {"opened on", "did not open on"},
    {"employs", "does not employ"},
    {"employs", "no longer employs"}};

/* Content that is in none of the texts. */
static const char *const KO_WORD[] = {
    "자전거", "김치찌개를", "우주선입니다", "보험료",   "상속세는",
    "펀드를", "주차장에서", "변호사가",     "환불하며", "고양이"};
static const char *const EN_WORD[] = {
    "bicycle", "purple",   "satellites", "mortgage",  "lawyers",
    "insured", "doubling", "parking",    "refinance", "Norway"};

/* ---- trying -------------------------------------------------------------------- */

typedef struct trial {
    const law *l;
    const char *lang;
    unsigned tried, passed;
    unsigned held; /* right ones that were not shown */
    rag_sentences *splitter;
} trial;

/* What would be shown of the answer is no part of the evidence. */
static bool shows_more(const trial *t, const char *shown) {
    char bare[ANSWER_MAX];
    size_t n = 0;
    for (const char *s = shown; *s && n + 1 < sizeof bare; s++) {
        if (s[0] == ' ' && s[1] == '[')
            s += strcspn(s, "]");
        else
            bare[n++] = *s;
    }
    bare[n] = '\0';
    return !strstr(t->l->text, bare);
}

typedef enum result { HELD_BACK, TRUE_SHOWN, UNTRUE_SHOWN } result;

static result result_of(const trial *t, const char *answer, char *why,
                        size_t cap) {
    rag_passage p = {.doc = "d",
                     .title = "",
                     .heading = "",
                     .text = t->l->text,
                     .len = strlen(t->l->text),
                     .score = 1};
    rag_evidence ev = {.n = 1};
    ev.items[0] = (rag_evidence_item){.end = p.len, .text = p.text, .score = 1};
    rag_grounding g;
    assert_int_equal(rag_ground_check(t->l->question, t->lang, answer, "none",
                                      &ev, &p, t->splitter, &g, NULL),
                     0);
    result r = g.verdict != RAG_GROUND_OK ? HELD_BACK
               : shows_more(t, g.answer)  ? UNTRUE_SHOWN
                                          : TRUE_SHOWN;
    snprintf(why, cap, "%s", g.reason);
    rag_grounding_free(&g);
    return r;
}

/* right with n bytes at `at` replaced. */
static void try_with(trial *t, size_t at, size_t n, const char *with) {
    char answer[ANSWER_MAX], why[256];
    const char *r = t->l->right;
    if (strlen(with) == n && memcmp(r + at, with, n) == 0)
        return;
    int len = snprintf(answer, sizeof answer, "%.*s%s%s", (int)at, r, with,
                       r + at + n);
    assert_true(len > 0 && (size_t)len < sizeof answer - 8);
    if (strstr(t->l->text, answer))
        return; /* still a sentence of the evidence */
    memcpy(answer + len, " [1]", 5);
    t->tried++;
    if (result_of(t, answer, why, sizeof why) == UNTRUE_SHOWN) {
        print_error("passed: %s\n", answer);
        t->passed++;
    }
}

static void alter_digits(trial *t) {
    const char *r = t->l->right;
    for (size_t i = 0; r[i]; i++) {
        if (!isdigit((unsigned char)r[i]))
            continue;
        for (char d = '0'; d <= '9'; d++) {
            char one[2] = {d, 0}, two[3] = {d, r[i], 0};
            try_with(t, i, 1, one);
            if (d != '0' || (i && (isdigit((unsigned char)r[i - 1]))))
                try_with(t, i, 1, two);
        }
        if (isdigit((unsigned char)r[i + 1]) ||
            (i && isdigit((unsigned char)r[i - 1])))
            try_with(t, i, 1, "");
    }
}

static void alter_family(trial *t, const char *const *family, size_t max) {
    for (size_t a = 0; a < max && family[a]; a++)
        for (const char *at = strstr(t->l->right, family[a]); at;
             at = strstr(at + 1, family[a]))
            for (size_t b = 0; b < max && family[b]; b++)
                try_with(t, (size_t)(at - t->l->right), strlen(family[a]),
                         family[b]);
}

static void alter_pair(trial *t, const char *a, const char *b) {
    const char *at = strstr(t->l->right, a);
    if (at)
        try_with(t, (size_t)(at - t->l->right), strlen(a), b);
    at = strstr(t->l->right, b);
    if (at && !strstr(a, b))
        try_with(t, (size_t)(at - t->l->right), strlen(b), a);
}

static void alter_words(trial *t, const char *const *words, size_t n) {
    const char *r = t->l->right;
    for (size_t i = 0; r[i];) {
        size_t len = strcspn(r + i, " .");
        for (size_t k = 0; k < n && len; k++)
            try_with(t, i, len, words[k]);
        i += len;
        i += strspn(r + i, " .");
    }
}

static void try_all(const law *laws, size_t n, bool korean, trial *t) {
    char why[256], right[ANSWER_MAX];
    for (size_t i = 0; i < n; i++) {
        t->l = &laws[i];
        t->lang = korean ? "ko" : "en";
        snprintf(right, sizeof right, "%s [1]", t->l->right);
        if (result_of(t, right, why, sizeof why) != TRUE_SHOWN) {
            print_error("right refused: %s (%s)\n", right, why);
            t->passed++;
        }
        alter_digits(t);
        if (korean) {
            for (size_t k = 0; k < sizeof KO_FAMILY / sizeof KO_FAMILY[0]; k++)
                alter_family(t, KO_FAMILY[k], 12);
            for (size_t k = 0; k < sizeof KO_NEGATION / sizeof KO_NEGATION[0];
                 k++)
                alter_pair(t, KO_NEGATION[k][0], KO_NEGATION[k][1]);
            alter_words(t, KO_WORD, sizeof KO_WORD / sizeof KO_WORD[0]);
        } else {
            for (size_t k = 0; k < sizeof EN_FAMILY / sizeof EN_FAMILY[0]; k++)
                alter_family(t, EN_FAMILY[k], 12);
            for (size_t k = 0; k < sizeof EN_NEGATION / sizeof EN_NEGATION[0];
                 k++)
                alter_pair(t, EN_NEGATION[k][0], EN_NEGATION[k][1]);
            alter_words(t, EN_WORD, sizeof EN_WORD / sizeof EN_WORD[0]);
        }
    }
}

static void nothing_altered_gets_through(void **state) {
    trial t = {.splitter = *state};
    try_all(KO, sizeof KO / sizeof KO[0], true, &t);
    unsigned korean = t.tried;
    try_all(EN, sizeof EN / sizeof EN[0], false, &t);
    print_message("%u altered answers, %u Korean\n", t.tried, korean);
    assert_int_equal(t.passed, 0);
    assert_true(korean > 1200 && t.tried - korean > 1200);
}

/* ---- negations of every kind in clauses of every kind ------------------------------ */

typedef struct sides {
    const char *yes, *no;
} sides;

static const sides KO_SIDES[] = {
    {"환불됩니다", "환불되지 않습니다"},
    {"환불할 수 있습니다", "환불할 수 없습니다"},
    {"환불이 가능합니다", "환불이 불가능합니다"},
    {"환불이 가능합니다", "환불이 불가합니다"},
    {"환불 대상입니다", "환불 대상이 아닙니다"},
    {"환불해도 됩니다", "환불하면 안 됩니다"},
    {"환불을 허용합니다", "환불을 허용하지 않습니다"},
    {"환불을 받습니다", "환불을 받지 않습니다"},
    {"환불을 받습니다", "환불을 받지 못합니다"},
    {"환불 신청이 필요합니다", "환불 신청이 필요 없습니다"},
    {"환불 신청이 필요합니다", "환불 신청이 필요하지 않습니다"},
    {"환불 수수료가 있습니다", "환불 수수료가 없습니다"},
    {"환불 수수료가 적용됩니다", "환불 수수료가 적용되지 않습니다"},
    {"환불 한도에 포함됩니다", "환불 한도에 포함되지 않습니다"},
    {"환불하세요", "환불하지 마세요"},
    {"환불한 상품입니다", "환불하지 않은 상품입니다"},
};
static const char *const KO_CLAUSE[] = {"",
                                        "개봉한 상품은 ",
                                        "포장을 뜯으면 ",
                                        "결제일이 지난 경우에는 ",
                                        "해외에서 결제했지만 ",
                                        "카드로 결제했으며 ",
                                        "배송이 시작되면 그 상품은 ",
                                        "영수증이 없는 상품은 ",
                                        "사용하지 않은 쿠폰은 ",
                                        "할인은 적용되지 않으며 상품은 "};
static const sides EN_SIDES[] = {
    {"can be refunded", "cannot be refunded"},
    {"can be refunded", "can not be refunded"},
    {"can be refunded", "can never be refunded"},
    {"are refundable", "are not refundable"},
    {"are refundable", "aren't refundable"},
    {"are allowed", "are not allowed"},
    {"may be carried over", "may not be carried over"},
    {"are charged a fee", "are not charged a fee"},
    {"are charged a fee", "are no longer charged a fee"},
    {"must be returned", "must not be returned"},
    {"need approval", "do not need approval"},
    {"need approval", "need no approval"},
    {"are sold with a receipt", "are sold without a receipt"},
};
static const char *const EN_CLAUSE[] = {
    "Opened items ",
    "If the seal is broken, opened items ",
    "When paid by card, opened items ",
    "Although they are new, opened items ",
    "Gift cards do not expire, but opened items ",
    "Items without a label, and opened items too, ",
    "After 30 days opened items "};

static void try_sides(trial *t, const char *clause, const char *there,
                      const char *said, const char *after) {
    char text[ANSWER_MAX], answer[ANSWER_MAX], right[ANSWER_MAX], why[256];
    law l = {.text = text};
    l.question = after[0] == 'T' ? "What are the rules for opened items?"
                                 : "상품 규정이 어떻게 되나요?";
    t->l = &l;
    snprintf(text, sizeof text, "%s%s. %s", clause, there, after);
    snprintf(right, sizeof right, "%s%s. [1]", clause, there);
    snprintf(answer, sizeof answer, "%s%s. [1]", clause, said);
    t->tried++;
    if (result_of(t, right, why, sizeof why) == UNTRUE_SHOWN ||
        result_of(t, answer, why, sizeof why) == UNTRUE_SHOWN) {
        print_error("passed: %s  for  %s\n", answer, right);
        t->passed++;
    }
    t->held += result_of(t, right, why, sizeof why) != TRUE_SHOWN;
}

static void no_clause_hides_a_negation(void **state) {
    trial t = {.splitter = *state};
    t.lang = "ko";
    for (size_t i = 0; i < sizeof KO_SIDES / sizeof KO_SIDES[0]; i++)
        for (size_t k = 0; k < sizeof KO_CLAUSE / sizeof KO_CLAUSE[0]; k++)
            for (int way = 0; way < 2; way++)
                try_sides(&t, KO_CLAUSE[k],
                          way ? KO_SIDES[i].yes : KO_SIDES[i].no,
                          way ? KO_SIDES[i].no : KO_SIDES[i].yes,
                          "자세한 내용은 안내문에 있습니다.");
    t.lang = "en";
    for (size_t i = 0; i < sizeof EN_SIDES / sizeof EN_SIDES[0]; i++)
        for (size_t k = 0; k < sizeof EN_CLAUSE / sizeof EN_CLAUSE[0]; k++)
            for (int way = 0; way < 2; way++)
                try_sides(&t, EN_CLAUSE[k],
                          way ? EN_SIDES[i].yes : EN_SIDES[i].no,
                          way ? EN_SIDES[i].no : EN_SIDES[i].yes,
                          "The leaflet has more on this.");
    print_message("%u of %u right answers held back\n", t.held, t.tried);
    assert_int_equal(t.passed, 0);
    assert_true(t.tried > 450 && 20 * t.held < t.tried);
}

static int setup(void **state) {
    return rag_sentences_open((rag_sentences **)state, NULL);
}

static int teardown(void **state) {
    rag_sentences_close(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_altered_gets_through),
        cmocka_unit_test(no_clause_hides_a_negation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
