/*
 * Promise: an answer is shown only when every claim in it stands in the
 * evidence, with a quote that is exactly the document's bytes.
 *
 * Right answers pass; the same answers with a digit changed, a unit swapped,
 * a negation dropped or added, or a content word replaced never do.
 */
#include "generate/generate.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rag_sentences *splitter;

static int setup(void **state) {
    (void)state;
    return rag_sentences_open(&splitter, NULL);
}

static int teardown(void **state) {
    (void)state;
    rag_sentences_close(splitter);
    return 0;
}

/* Evidence of whole texts, one item each, at offset 100 of their documents. */
typedef struct world {
    rag_passage p[3];
    rag_evidence ev;
} world;

static void make_world(world *w, const char *const *texts, size_t n) {
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < n; i++) {
        w->p[i] = (rag_passage){.doc = i ? "b.md" : "a.md",
                                .title = "",
                                .heading = "",
                                .text = texts[i],
                                .start = 100,
                                .len = strlen(texts[i]),
                                .score = 1.0 - (double)i * 0.1};
        w->ev.items[i] = (rag_evidence_item){.passage = i,
                                             .start = 100,
                                             .end = 100 + strlen(texts[i]),
                                             .text = texts[i],
                                             .score = 1.0};
    }
    w->ev.n = n;
}

static rag_ground_verdict verdict_of(const world *w, const char *question,
                                     const char *lang, const char *answer,
                                     char *why, size_t cap) {
    rag_grounding g;
    rag_error err = {0};
    const char *refusal =
        strcmp(lang, "ko") == 0 ? "자료에 없음" : "not in the sources";
    int rc = rag_ground_check(question, lang, answer, refusal, &w->ev, w->p,
                              splitter, &g, &err);
    if (rc)
        print_error("%s\n", err.message);
    assert_int_equal(rc, 0);
    snprintf(why, cap, "%s", g.reason);
    rag_ground_verdict v = g.verdict;
    if (v == RAG_GROUND_OK) {
        assert_non_null(g.answer);
        assert_true(g.ncitations > 0);
        for (size_t i = 0; i < g.ncitations; i++) {
            const rag_citation *c = &g.citations[i];
            const rag_passage *p = &w->p[w->ev.items[c->item].passage];
            assert_int_equal(c->n, i + 1);
            assert_true(c->start >= p->start && c->end <= p->start + p->len);
            assert_int_equal(strlen(c->quote), c->end - c->start);
            assert_memory_equal(c->quote, p->text + (c->start - p->start),
                                c->end - c->start);
        }
    } else {
        assert_null(g.answer);
        assert_int_equal(g.ncitations, 0);
    }
    rag_grounding_free(&g);
    return v;
}

/* One right answer and the wrong ones made of it. */
typedef struct law {
    const char *lang, *text, *question, *right;
    const char *wrong[10];
} law;

static const law LAWS[] = {
    {"ko",
     "법인 통장은 영업점에서만 개설할 수 있으며 서류 심사에 2영업일이 "
     "걸립니다. 심사가 끝나면 문자로 알려 드립니다.",
     "법인 통장 심사에 며칠 걸리나요?",
     "2영업일 [1]",
     {"3영업일 [1]", "2일 [1]", "2주 [1]", "12영업일 [1]", "2시간 [1]",
      "약 2개월 [1]"}},
    {"ko",
     "개인 통장 해지 수수료는 없습니다. 잔액이 100만 원을 넘으면 영업점을 "
     "방문해 주세요.",
     "개인 통장 해지 수수료가 있나요?",
     "개인 통장 해지 수수료는 없습니다 [1]",
     {"개인 통장 해지 수수료는 있습니다 [1]",
      "개인 통장 해지 수수료는 100만 원입니다 [1]",
      "법인 통장 해지 수수료는 없습니다 [1]", "개인 통장 해지 수수료 [1]",
      "네, 해지 수수료가 있습니다 [1]", "네 [1]",
      "개인 통장 발급 수수료는 없습니다 [1]"}},
    {"ko",
     "1회 이체 한도는 5,000,000원이고 1일 이체 한도는 1억 원입니다.",
     "1일 이체 한도는 얼마인가요?",
     "1억 원 [1]",
     {"2억 원 [1]", "1억 달러 [1]", "10억 원 [1]", "1만 원 [1]",
      "1,000,000원 [1]"}},
    {"ko",
     "주택 대출은 2026년 3월 1일부터 2027년 5월 9일까지 신청할 수 "
     "있습니다.",
     "주택 대출은 언제부터 신청할 수 있나요?",
     "2026년 3월 1일부터 [1]",
     {"2026년 5월 1일부터 [1]", "2027년 3월 1일부터 [1]",
      "2026년 3월 9일부터 [1]", "2026년 3월 1일까지 [1]",
      "2025년 3월 1일부터 [1]"}},
    {"ko",
     "만 19세 미만은 신용카드를 만들 수 없습니다. 체크카드는 만 12세 "
     "이상이면 만들 수 있습니다.",
     "체크카드는 몇 살부터 만들 수 있나요?",
     "체크카드는 만 12세 이상이면 만들 수 있습니다 [1]",
     {"체크카드는 만 12세 이상이면 만들 수 없습니다 [1]",
      "체크카드는 만 12세 이하이면 만들 수 있습니다 [1]",
      "체크카드는 만 14세 이상이면 만들 수 있습니다 [1]",
      "직불카드는 만 12세 이상이면 만들 수 있습니다 [1]",
      "만 19세 미만은 신용카드를 만들 수 있습니다 [1]"}},
    {"ko",
     "고객센터는 1588-0000이며 평일 오전 9시부터 오후 6시까지 운영합니다.",
     "고객센터 전화번호가 무엇인가요?",
     "1588-0000 [1]",
     {"1588-0001 [1]", "1588 [1]", "1599-0000 [1]", "0000-1588 [1]"}},
    {"ko",
     "고객센터는 1588-0000이며 평일 오전 9시부터 오후 6시까지 운영합니다.",
     "고객센터는 언제 운영하나요?",
     "평일 오전 9시부터 오후 6시까지 [1]",
     {"평일 오후 9시부터 오후 6시까지 [1]",
      "평일 오전 9시부터 오후 8시까지 [1]",
      "주말 오전 9시부터 오후 6시까지 [1]",
      "평일 오전 6시부터 오후 9시까지 [1]"}},
    {"ko",
     "예금 금리는 연 3.5%이고 3~5일 뒤에 이자를 지급합니다.",
     "예금 금리는 얼마인가요?",
     "연 3.5% [1]",
     {"연 5.3% [1]", "연 35% [1]", "연 3.5%p [1]", "월 3.5% [1]", "3.5원 [1]",
      "5일 [1]", "3일 [1]"}},
    {"ko",
     "부품 PPR-9087은 재고가 40개이며 PPR-9078은 단종되었습니다.",
     "PPR-9087 재고는 몇 개인가요?",
     "40개 [1]",
     {"40박스 [1]", "90개 [1]", "400개 [1]",
      "부품 PPR-9077은 재고가 40개입니다 [1]"}},
    {"en",
     "Refunds are paid within 5 business days. Opened software cannot be "
     "returned.",
     "How long does a refund take?",
     "within 5 business days [1]",
     {"within 5 days [1]", "within 15 business days [1]", "within 5 weeks [1]",
      "after 5 business days [1]", "within 6 business days [1]",
      "within 5 calendar days [1]"}},
    {"en",
     "Refunds are paid within 5 business days. Opened software cannot be "
     "returned.",
     "Can I return opened software?",
     "Opened software cannot be returned. [1]",
     {"Opened software can be returned. [1]", "Yes [1]",
      "Yes, opened software can be returned. [1]",
      "Opened hardware cannot be returned. [1]",
      "Opened software cannot be refunded twice. [1]"}},
    {"en",
     "The annual fee is $25 for gold cards and $10 for silver cards. "
     "Students pay no fee.",
     "What is the annual fee for gold cards?",
     "The annual fee is $25 for gold cards. [1]",
     {"The annual fee is $52 for gold cards. [1]",
      "The annual fee is \xE2\x82\xAC"
      "25 for gold cards. [1]",
      "The annual fee is not $25 for gold cards. [1]",
      "The annual fee is $25 for platinum cards. [1]",
      "The monthly fee is $25 for gold cards. [1]",
      "The annual fee is $25 million for gold cards. [1]"}},
    /* the question said again is no answer; its words in a sentence are none */
    {"ko",
     "구매하고 30일 안에는 언제든지 환불할 수 있습니다.",
     "언제든지 환불할 수 있나요? 언제까지 되나요?",
     "30일 안에는 언제든지 환불할 수 있습니다 [1]",
     {"30일 안에는 환불할 수 있습니다 언제까지 되나요? [1]"}},
    {"en",
     "You can return it at any branch, whatever the reason.",
     "Can I return it whatever the reason, or how do I do it?",
     "You can return it at any branch, whatever the reason [1]",
     {"You can return it at any branch, or how do I do it [1]"}},
    {"en",
     "The plant opened on March 1, 2019 and closed on May 9, 2021.",
     "When did the plant open?",
     "March 1, 2019 [1]",
     {"May 1, 2019 [1]", "March 9, 2019 [1]", "March 1, 2021 [1]",
      "March 1, 1919 [1]", "March 11, 2019 [1]"}},
    {"en",
     "Contractors are not allowed to enter the server room without an "
     "escort.",
     "Who may not enter the server room?",
     "Contractors are not allowed to enter the server room without an "
     "escort. [1]",
     {"Contractors are allowed to enter the server room without an escort. "
      "[1]",
      "Contractors are not allowed to enter the server room with an escort. "
      "[1]",
      "Contractors are allowed to enter the server room. [1]",
      "Visitors are not allowed to enter the server room without an escort. "
      "[1]"}},
    {"en",
     "A disk holds 512 GB and spins at 7,200 rpm; firmware 2.1.3 is "
     "required.",
     "Which firmware does the disk need?",
     "firmware 2.1.3 [1]",
     {"firmware 2.1.4 [1]", "firmware 2.1 [1]", "firmware 3.1.2 [1]"}},
};

static void test_right_passes_altered_never(void **state) {
    (void)state;
    unsigned bad = 0;
    for (size_t i = 0; i < sizeof LAWS / sizeof LAWS[0]; i++) {
        const law *l = &LAWS[i];
        world w;
        char why[256];
        make_world(&w, &l->text, 1);
        if (verdict_of(&w, l->question, l->lang, l->right, why, sizeof why) !=
            RAG_GROUND_OK) {
            print_error("right refused: %s (%s)\n", l->right, why);
            bad++;
        }
        for (size_t k = 0; k < 10 && l->wrong[k]; k++)
            if (verdict_of(&w, l->question, l->lang, l->wrong[k], why,
                           sizeof why) == RAG_GROUND_OK) {
                print_error("wrong passed: %s\n", l->wrong[k]);
                bad++;
            }
    }
    assert_int_equal(bad, 0);
}

/* Every digit of every right answer, changed in every way. */
static void test_no_digit_can_change(void **state) {
    (void)state;
    unsigned bad = 0, tried = 0;
    for (size_t i = 0; i < sizeof LAWS / sizeof LAWS[0]; i++) {
        const law *l = &LAWS[i];
        world w;
        char why[256], text[512];
        make_world(&w, &l->text, 1);
        snprintf(text, sizeof text, "%s", l->right);
        size_t end = strcspn(text, "[");
        for (size_t k = 0; k < end; k++) {
            char was = text[k];
            if (was < '0' || was > '9')
                continue;
            for (char d = '0'; d <= '9'; d++) {
                if (d == was)
                    continue;
                text[k] = d;
                tried++;
                if (verdict_of(&w, l->question, l->lang, text, why,
                               sizeof why) == RAG_GROUND_OK) {
                    print_error("passed: %s\n", text);
                    bad++;
                }
            }
            text[k] = was;
        }
    }
    assert_true(tried > 200);
    assert_int_equal(bad, 0);
}

/* Every content word replaced by one that is nowhere in the evidence. */
static void test_no_word_can_be_replaced(void **state) {
    (void)state;
    static const char *const KO[] = {"자전거", "김치찌개를", "우주선입니다"};
    static const char *const EN[] = {"bicycle", "purple", "satellites"};
    unsigned bad = 0, tried = 0;
    for (size_t i = 0; i < sizeof LAWS / sizeof LAWS[0]; i++) {
        const law *l = &LAWS[i];
        world w;
        char why[256], text[1024];
        make_world(&w, &l->text, 1);
        size_t n = strlen(l->right), end = strcspn(l->right, "[");
        for (size_t k = 0; k < end;) {
            size_t e = k + strcspn(l->right + k, " [");
            for (size_t r = 0; r < 3 && e > k; r++) {
                const char *with = strcmp(l->lang, "ko") == 0 ? KO[r] : EN[r];
                snprintf(text, sizeof text, "%.*s%s%.*s", (int)k, l->right,
                         with, (int)(n - e), l->right + e);
                tried++;
                if (verdict_of(&w, l->question, l->lang, text, why,
                               sizeof why) == RAG_GROUND_OK) {
                    print_error("passed: %s\n", text);
                    bad++;
                }
            }
            k = e + 1;
        }
    }
    assert_true(tried > 100);
    assert_int_equal(bad, 0);
}

static void test_same_value_other_writing(void **state) {
    (void)state;
    static const struct {
        const char *text, *question, *answer;
    } SAME[] = {
        {"숙박비 상한은 130,000원입니다.", "숙박비 상한은 얼마인가요?",
         "13만 원 [1]"},
        {"숙박비 상한은 13만 원입니다.", "숙박비 상한은 얼마인가요?",
         "130,000원 [1]"},
        {"시행일은 2026. 3. 1.입니다.", "시행일은 언제인가요?",
         "2026년 3월 1일 [1]"},
        {"시행일은 2026-03-01입니다.", "시행일은 언제인가요?",
         "2026년 3월 1일 [1]"},
        {"앱은 \xEF\xBC\x90\xEF\xBC\x96:\xEF\xBC\x90\xEF\xBC\x90에 엽니다.",
         "앱은 언제 여나요?", "06:00 [1]"},
        {"전화는 1588-0000입니다.", "전화번호는?", "15880000 [1]"},
        {"한도는 1억 2,000만 원입니다.", "한도는 얼마인가요?",
         "120,000,000원 [1]"},
        {"The price is US$1,250.50 per unit.", "How much is one unit?",
         "$1250.50 [1]"},
    };
    unsigned bad = 0;
    for (size_t i = 0; i < sizeof SAME / sizeof SAME[0]; i++) {
        world w;
        char why[256];
        make_world(&w, &SAME[i].text, 1);
        const char *lang = SAME[i].text[0] == 'T' ? "en" : "ko";
        if (verdict_of(&w, SAME[i].question, lang, SAME[i].answer, why,
                       sizeof why) != RAG_GROUND_OK) {
            print_error("refused: %s (%s)\n", SAME[i].answer, why);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void test_refusal_lines(void **state) {
    (void)state;
    static const char *const SAID[] = {"자료에 없음", "자료에 없음.",
                                       " 자료에 없음 [1]", "\"자료에 없음\"",
                                       "제공된 자료에서 찾을 수 없습니다."};
    const char *text = "식당은 11시 30분에 엽니다.";
    world w;
    char why[256];
    make_world(&w, &text, 1);
    for (size_t i = 0; i < sizeof SAID / sizeof SAID[0]; i++)
        assert_int_equal(verdict_of(&w, "주차장은 어디인가요?", "ko", SAID[i],
                                    why, sizeof why),
                         RAG_GROUND_REFUSED);
    assert_int_equal(
        verdict_of(&w, "주차장은 어디인가요?", "ko", "", why, sizeof why),
        RAG_GROUND_FAILED);
    assert_int_equal(verdict_of(&w, "주차장은 어디인가요?", "ko", " \n. [1]",
                                why, sizeof why),
                     RAG_GROUND_FAILED);
}

/* A question is no answer, though each of its words is in the evidence. */
static void test_question_is_no_answer(void **state) {
    (void)state;
    const char *texts[] = {
        "A wish to cancel is sent in writing only, by mail or in a support "
        "request. How to cancel: see below.",
        "해지는 지점에서 서면으로만 합니다."};
    static const struct {
        const char *question, *said;
        rag_ground_verdict verdict;
    } CASES[] = {
        {"Can I just write that in a support request or how do I do it?",
         "only in a support request or how do I do it", RAG_GROUND_FAILED},
        {"해지는 어떻게 하나요?", "서면 해지는 어떻게 하나요",
         RAG_GROUND_FAILED},
        {"How do I cancel?", "in writing only, by mail", RAG_GROUND_OK},
        {"해지는 어떻게 하나요?", "해지는 지점에서 서면으로만 합니다.",
         RAG_GROUND_OK},
    };
    world w;
    char why[256];
    make_world(&w, texts, 2);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(verdict_of(&w, CASES[i].question, "en", CASES[i].said,
                                    why, sizeof why),
                         CASES[i].verdict);
}

/* The source that holds the answer is cited, whatever the model says. */
static void test_citation_is_found(void **state) {
    (void)state;
    const char *texts[] = {"식당은 11시 30분에 엽니다.",
                           "열람실은 모두 120석입니다. 예약은 받지 않습니다."};
    static const char *const SAID[] = {"120석 [2]", "120석",    "120석 [1]",
                                       "120석 [9]", "120석 [2", "120석 [1, 2]"};
    world w;
    make_world(&w, texts, 2);
    for (size_t i = 0; i < sizeof SAID / sizeof SAID[0]; i++) {
        rag_grounding g;
        assert_int_equal(rag_ground_check("열람실은 몇 석인가요?", "ko",
                                          SAID[i], "자료에 없음", &w.ev, w.p,
                                          splitter, &g, NULL),
                         0);
        assert_int_equal(g.verdict, RAG_GROUND_OK);
        assert_string_equal(g.answer, "120석 [1]");
        assert_string_equal(g.shortest, "120석");
        assert_int_equal(g.ncitations, 1);
        assert_int_equal(g.citations[0].item, 1);
        assert_string_equal(g.citations[0].quote, "열람실은 모두 120석입니다.");
        rag_grounding_free(&g);
    }
}

static void test_loops_are_cut(void **state) {
    (void)state;
    const char *text = "The library has 120 seats. It is open on weekdays.";
    world w;
    rag_grounding g;
    make_world(&w, &text, 1);
    assert_int_equal(
        rag_ground_check("How many seats does the library have?", "en",
                         "The library has 120 seats. The library has 120 "
                         "seats. The library has 120 seats. The library has",
                         "not in the sources", &w.ev, w.p, splitter, &g, NULL),
        0);
    assert_int_equal(g.verdict, RAG_GROUND_OK);
    assert_string_equal(g.answer, "The library has 120 seats. [1]");
    rag_grounding_free(&g);
}

static void test_links_need_evidence(void **state) {
    (void)state;
    const char *text =
        "Forms are at https://intra.example.com/forms for all staff.";
    world w;
    char why[256];
    make_world(&w, &text, 1);
    const char *q = "Where are the forms?";
    assert_int_equal(verdict_of(&w, q, "en",
                                "https://intra.example.com/forms [1]", why,
                                sizeof why),
                     RAG_GROUND_OK);
    static const char *const BAD[] = {
        "https://evil.example.com/forms [1]",
        "https://intra.example.com/forms?q=1 [1]",
        "[forms](https://intra.example.com/forms) [1]",
        "![x](https://intra.example.com/forms) [1]",
        "forms@intra.example.com [1]"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_int_not_equal(verdict_of(&w, q, "en", BAD[i], why, sizeof why),
                             RAG_GROUND_OK);
}

/* Fed byte by byte, what is released is a prefix of the final answer. */
static void test_stream_never_takes_back(void **state) {
    (void)state;
    const char *text =
        "The reading room has 120 seats. It opens at 9 a.m. on weekdays. "
        "Reservations are not taken.";
    static const char *const SAID[] = {
        "The reading room has 120 seats. [1] It opens at 9 a.m. on weekdays. "
        "[1]",
        "The reading room has 120 seats. [1] It opens at 7 a.m. on weekdays.",
        "The reading room has 130 seats. [1] It opens at 9 a.m. on weekdays.",
        "not in the sources",
        "120 seats [1]",
        "The reading room has 120 seats. The reading room has 120 seats. The "
        "reading room has 120 seats."};
    static const char *const SHOWN[] = {
        "The reading room has 120 seats. [1] It opens at 9 a.m. on weekdays. "
        "[2]",
        "The reading room has 120 seats. [1]",
        "",
        "",
        "120 seats [1]",
        "The reading room has 120 seats. [1]"};
    world w;
    make_world(&w, &text, 1);
    for (size_t i = 0; i < sizeof SAID / sizeof SAID[0]; i++) {
        rag_ground_stream *s = NULL;
        rag_grounding g;
        rag_buf shown;
        bool stop = false;
        rag_buf_init(&shown, 0);
        assert_int_equal(rag_ground_stream_open(
                             "How many seats are in the reading room and when "
                             "does it open?",
                             "en", "not in the sources", &w.ev, w.p, splitter,
                             &s, NULL),
                         0);
        for (const char *p = SAID[i]; *p && !stop; p++)
            assert_int_equal(
                rag_ground_stream_feed(s, p, 1, &shown, &stop, NULL), 0);
        assert_int_equal(rag_ground_stream_finish(s, &shown, &g, NULL), 0);
        assert_string_equal(rag_buf_str(&shown), SHOWN[i]);
        assert_string_equal(g.answer ? g.answer : "", SHOWN[i]);
        rag_grounding_free(&g);
        rag_ground_stream_close(s);
        rag_buf_free(&shown);
    }
}

static void test_extract(void **state) {
    (void)state;
    const char *texts[] = {
        "통장을 만들 때는 신분증이 필요합니다. 개인 통장 해지 수수료는 "
        "없습니다. 잔액이 100만 원을 넘으면 영업점을 방문해 주세요.",
        "식당은 11시 30분에 엽니다."};
    world w;
    rag_grounding g;
    make_world(&w, texts, 2);
    assert_int_equal(rag_ground_extract("개인 통장 해지할 때 수수료 있나요?",
                                        "ko", &w.ev, w.p, splitter, &g, NULL),
                     0);
    assert_int_equal(g.verdict, RAG_GROUND_OK);
    assert_string_equal(g.answer, "개인 통장 해지 수수료는 없습니다. [1]");
    assert_string_equal(g.citations[0].quote,
                        "개인 통장 해지 수수료는 없습니다.");
    rag_grounding_free(&g);
    assert_int_equal(rag_ground_extract("비행기 표는 어떻게 환불하나요?", "ko",
                                        &w.ev, w.p, splitter, &g, NULL),
                     0);
    assert_int_equal(g.verdict, RAG_GROUND_REFUSED);
    assert_null(g.answer);
    rag_grounding_free(&g);
    assert_int_equal(rag_ground_extract("When does the canteen open?", "en",
                                        &w.ev, w.p, splitter, &g, NULL),
                     0);
    assert_int_equal(g.verdict, RAG_GROUND_OK);
    assert_non_null(strstr(g.answer, "From a source in Korean: "));
    rag_grounding_free(&g);
}

static void test_no_evidence(void **state) {
    (void)state;
    world w;
    char why[256];
    rag_grounding g;
    make_world(&w, NULL, 0);
    assert_int_equal(
        verdict_of(&w, "질문?", "ko", "120석 [1]", why, sizeof why),
        RAG_GROUND_FAILED);
    assert_int_equal(
        rag_ground_extract("질문?", "ko", &w.ev, w.p, splitter, &g, NULL), 0);
    assert_int_equal(g.verdict, RAG_GROUND_REFUSED);
    rag_grounding_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_passes_altered_never),
        cmocka_unit_test(test_no_digit_can_change),
        cmocka_unit_test(test_no_word_can_be_replaced),
        cmocka_unit_test(test_same_value_other_writing),
        cmocka_unit_test(test_refusal_lines),
        cmocka_unit_test(test_question_is_no_answer),
        cmocka_unit_test(test_citation_is_found),
        cmocka_unit_test(test_loops_are_cut),
        cmocka_unit_test(test_links_need_evidence),
        cmocka_unit_test(test_stream_never_takes_back),
        cmocka_unit_test(test_extract),
        cmocka_unit_test(test_no_evidence),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
