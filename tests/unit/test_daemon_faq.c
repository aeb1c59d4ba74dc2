/*
 * test_daemon_faq.c - an approved answer is never given to the opposite
 * question, to another number or to another matter.
 *
 * The pair list: every pair of opposites in every shape of sentence, both
 * directions; none may be taken for the same. The other half: the same
 * question differently spelled must still be the same.
 */
#include "daemon/faq.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rag_guard_result guard(const char *q, const char *e) {
    rag_guard_result g;
    rag_error err = {0};
    assert_int_equal(rag_faq_guard(q, e, &g, &err), 0);
    return g;
}

/* ---- opposites ------------------------------------------------------------------ */

static const char *const KO_PAIRS[][2] = {
    {"가입", "해지"},         {"개설", "해지"},
    {"가입", "탈퇴"},         {"신규", "해지"},
    {"등록", "해제"},         {"등록", "변경"},
    {"설정", "해제"},         {"신청", "취소"},
    {"신청", "철회"},         {"입금", "출금"},
    {"입금", "이체"},         {"예치", "인출"},
    {"개인", "법인"},         {"국내", "해외"},
    {"국내", "국외"},         {"이전", "이후"},
    {"신규", "기존"},         {"이상", "미만"},
    {"이상", "이하"},         {"초과", "미만"},
    {"최대", "최소"},         {"최고", "최저"},
    {"상한", "하한"},         {"상향", "하향"},
    {"증액", "감액"},         {"예금", "대출"},
    {"예금", "적금"},         {"신용카드", "체크카드"},
    {"고정금리", "변동금리"}, {"중도상환", "만기상환"},
    {"중도해지", "만기해지"}, {"승인", "거절"},
    {"승인", "반려"},         {"분실", "도난"},
    {"분실", "훼손"},         {"재발급", "신규발급"},
    {"로그인", "로그아웃"},   {"수신동의", "수신거부"},
    {"잠금", "잠금해제"},     {"무료", "유료"},
    {"환급", "납부"},         {"자동이체", "예약이체"},
    {"원화", "외화"},         {"달러", "엔화"},
    {"매수", "매도"},         {"본인", "대리인"},
    {"미성년", "성인"},       {"거주자", "비거주자"},
    {"평일", "주말"},         {"오전", "오후"},
    {"하루", "매월"},         {"인터넷뱅킹", "영업점"},
    {"앱", "영업점"},         {"시작", "종료"},
    {"포함", "제외"},         {"추가", "제거"},
    {"입사", "퇴사"},         {"출근", "퇴근"},
    {"구매", "판매"},         {"정규직", "계약직"},
    {"유급", "무급"},         {"항공", "철도"},
    {"가능", "불가능"},       {"필수", "선택"},
    {"공개", "비공개"},       {"업로드", "다운로드"},
    {"수입", "수출"},         {"활성화", "비활성화"},
    {"가입", "재가입"},       {"등록", "미등록"},
    {"성공", "실패"},         {"허용", "차단"},
};

static const char *const KO_SHAPES[] = {
    "%s 방법을 알려 주세요",   "통장 %s 어떻게 하나요?",
    "%s 수수료는 얼마인가요?", "계좌 %s 시 필요한 서류",
    "카드 %s 하고 싶은데요",   "%s한도",
    "모바일에서 %s 되나요",    "고객 %s 처리 기간",
};

static const char *const EN_PAIRS[][2] = {
    {"open", "close"},
    {"opening", "closing"},
    {"open", "cancel"},
    {"sign up for", "unsubscribe from"},
    {"turn on", "turn off"},
    {"enable", "disable"},
    {"activate", "deactivate"},
    {"unblock", "block"},
    {"deposit into", "withdraw from"},
    {"send", "receive"},
    {"domestic", "overseas"},
    {"domestic", "foreign"},
    {"personal", "business"},
    {"individual", "corporate"},
    {"personal", "joint"},
    {"before", "after"},
    {"new", "existing"},
    {"maximum", "minimum"},
    {"highest", "lowest"},
    {"increase", "decrease"},
    {"raise", "reduce"},
    {"savings", "loan"},
    {"credit card", "debit card"},
    {"fixed", "variable"},
    {"approved", "rejected"},
    {"lost", "stolen"},
    {"lock", "unlock"},
    {"lock", "activate"},
    {"freeze", "activate"},
    {"freeze", "unfreeze"},
    {"free", "charged"},
    {"refund", "pay"},
    {"automatic", "manual"},
    {"buy", "sell"},
    {"minor", "adult"},
    {"weekday", "weekend"},
    {"morning", "afternoon"},
    {"daily", "monthly"},
    {"online banking", "branch"},
    {"start", "stop"},
    {"including", "excluding"},
    {"with", "without"},
    {"add", "remove"},
    {"paid", "unpaid"},
    {"mandatory", "optional"},
    {"public", "confidential"},
    {"upload", "download"},
    {"import", "export"},
    {"permanent", "temporary"},
    {"log in to", "log out of"},
    {"opt in to", "opt out of"},
    {"under", "over"},
    {"at least", "at most"},
    {"can", "cannot"},
    {"allow", "forbid"},
};

static const char *const EN_SHAPES[] = {
    "How do I %s my account?",
    "%s account fee",
    "what is the limit for %s transfers",
    "please tell me about %s payment rules",
    "%s",
};

/* shape with word in place of its "%s". */
static void fill(char *out, size_t cap, const char *shape, const char *word) {
    const char *at = strstr(shape, "%s");
    snprintf(out, cap, "%.*s%s%s", (int)(at - shape), shape, word, at + 2);
}

static size_t confusions(const char *const (*pairs)[2], size_t npairs,
                         const char *const *shapes, size_t nshapes) {
    size_t bad = 0;
    for (size_t i = 0; i < npairs; i++)
        for (size_t s = 0; s < nshapes; s++)
            for (int turn = 0; turn < 2; turn++) {
                char q[256], e[256];
                fill(q, sizeof q, shapes[s], pairs[i][turn]);
                fill(e, sizeof e, shapes[s], pairs[i][!turn]);
                if (guard(q, e).verdict == RAG_GUARD_SAME) {
                    print_error("same: \"%s\" | \"%s\"\n", q, e);
                    bad++;
                }
            }
    return bad;
}

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void no_korean_opposites_are_confused(void **state) {
    (void)state;
    assert_int_equal(
        confusions(KO_PAIRS, COUNT(KO_PAIRS), KO_SHAPES, COUNT(KO_SHAPES)), 0);
}

static void no_english_opposites_are_confused(void **state) {
    (void)state;
    assert_int_equal(
        confusions(EN_PAIRS, COUNT(EN_PAIRS), EN_SHAPES, COUNT(EN_SHAPES)), 0);
}

/* Every two sides of every group of the table, with each side's first word
 * of the language the other has one in. */
static const char *bare(const char *w) {
    return *w == '=' || *w == '~' ? w + 1 : w;
}

static void the_table_keeps_its_own_sides_apart(void **state) {
    (void)state;
    size_t bad = 0;
    for (size_t g = 0; rag_faq_group(g); g++)
        for (size_t a = 0; rag_faq_word(g, a, 0); a++)
            for (size_t b = 0; rag_faq_word(g, b, 0); b++) {
                if (a == b)
                    continue;
                char q[256], e[256];
                snprintf(q, sizeof q, "카드 %s 절차",
                         bare(rag_faq_word(g, a, 0)));
                snprintf(e, sizeof e, "카드 %s 절차",
                         bare(rag_faq_word(g, b, 0)));
                if (guard(q, e).verdict == RAG_GUARD_SAME) {
                    print_error("%s: \"%s\" | \"%s\"\n", rag_faq_group(g), q,
                                e);
                    bad++;
                }
            }
    assert_int_equal(bad, 0);
}

/* ---- numbers and matters ---------------------------------------------------------- */

static const char *const NUMBERS[][2] = {
    {"만 14세 미만 자녀의 통장", "만 19세 미만 자녀의 통장"},
    {"1회 이체 한도", "2회 이체 한도"},
    {"30만 원 인출 수수료", "30억 원 인출 수수료"},
    {"3년 만기 예금 금리", "3개월 만기 예금 금리"},
    {"2024년 출장비", "2026년 출장비"},
    {"PPR-9087 재고", "PPR-9078 재고"},
    {"fee for 10 dollars", "fee for 100 dollars"},
    {"12 month deposit rate", "24 month deposit rate"},
    {"5% 우대 조건", "5천 우대 조건"},
};

static void other_numbers_are_other_questions(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(NUMBERS); i++) {
        assert_int_not_equal(guard(NUMBERS[i][0], NUMBERS[i][1]).verdict,
                             RAG_GUARD_SAME);
        assert_int_not_equal(guard(NUMBERS[i][1], NUMBERS[i][0]).verdict,
                             RAG_GUARD_SAME);
    }
}

static void other_matters_are_other_questions(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"통장 재발급 수수료", "통장 발급 수수료"},
        {"체크카드 발급 서류", "보안카드 발급 서류"},
        {"연차 신청 기한", "병가 신청 기한"},
        {"인터넷뱅킹 비밀번호 변경", "인터넷뱅킹 연락처 변경"},
        {"펀드 환매 수수료", "펀드 판매 수수료"},
        {"이체는 언제 되나요", "이체는 얼마까지 되나요"},
        {"how do I change my address", "how do I change my password"},
        {"fee for a card", "fee for a cheque"},
        {"when is the office open", "where is the office open"},
        {"오늘 날씨 어때", "이체 한도"},
        {"안녕하세요", "통장 개설 방법"},
        {"", "통장 개설 방법"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++)
        if (guard(pairs[i][0], pairs[i][1]).verdict == RAG_GUARD_SAME)
            fail_msg("same: \"%s\" | \"%s\"", pairs[i][0], pairs[i][1]);
}

static void the_same_differently_spelled_is_the_same(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"통장 해지 어떻게 해요", "통장은 어떻게 해지하나요?"},
        {"휴면예금 어떻게 찾아요", "휴면예금은 어떻게 찾나요?"},
        {"통장해지어떻게하나요", "통장은 어떻게 해지하나요?"},
        {"통장을 해지하려고 하는데요", "통장은 어떻게 해지하나요?"},
        {"이체한도 얼마예요?", "이체 한도는 얼마인가요?"},
        {"이체 한도가 얼마인지 알려주세요", "이체 한도는 얼마인가요?"},
        {"통장 개설 방법", "통장을 만들려면 어떻게 하나요?"},
        {"ＡＴＭ 출금 한도", "ATM 출금 한도는 얼마인가요?"},
        {"만14세 미만 체크카드", "만 14세 미만 체크카드"},
        {"how can i close my account", "How do I close my account?"},
        {"closing my account", "How do I close an account?"},
        {"change my adress", "How do I change my address?"},
        {"What's the fee for a transfer?", "transfer fee"},
    };
    size_t bad = 0;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        rag_guard_result g = guard(pairs[i][0], pairs[i][1]);
        if (g.verdict != RAG_GUARD_SAME) {
            print_error("not same (%s): \"%s\" | \"%s\"\n", g.reason,
                        pairs[i][0], pairs[i][1]);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

static void what_is_left_open_is_vague(void **state) {
    (void)state;
    assert_int_equal(guard("통장 해지", "법인 통장 해지").verdict,
                     RAG_GUARD_VAGUE);
    assert_int_equal(
        guard("체크카드 한도", "만 14세 미만 체크카드 한도").verdict,
        RAG_GUARD_VAGUE);
    assert_int_equal(guard("법인 통장 해지", "통장 해지").verdict,
                     RAG_GUARD_OTHER);
}

/* ---- decisions ------------------------------------------------------------------------ */

static rag_index_hit entry(const char *doc, const char *question,
                           const char *answer, double cosine) {
    rag_index_hit h = {0};
    h.doc = (char *)(uintptr_t)doc;
    h.title = h.question = (char *)(uintptr_t)question;
    h.text = (char *)(uintptr_t)answer;
    h.kind = RAG_DOC_FAQ;
    h.vector = cosine;
    return h;
}

static rag_faq_match decide(const char *q, rag_index_hit *hits, size_t n) {
    rag_index_result r = {.hits = hits, .n = n};
    rag_faq_match m;
    rag_error err = {0};
    rag_faq_limits limits = {0.85, 0.70};
    assert_int_equal(rag_faq_decide_near(q, &r, &limits, &m, &err), 0);
    return m;
}

static void the_right_entry_beats_the_nearer_one(void **state) {
    (void)state;
    rag_index_hit hits[] = {
        entry("open", "통장은 어떻게 개설하나요?", "A", 0.97),
        entry("close", "통장은 어떻게 해지하나요?", "B", 0.93)};
    rag_faq_match m = decide("통장 해지 어떻게 하나요", hits, 2);
    assert_int_equal(m.decision, RAG_FAQ_ANSWER);
    assert_int_equal(m.best, 1);
}

/* ---- in other words, and mistyped ----------------------------------------------------- */

/* However near the vectors say it is, alone or beside its opposite. */
static size_t opposites_answered(const char *const (*pairs)[2], size_t npairs,
                                 const char *const *shapes, size_t nshapes) {
    size_t bad = 0;
    for (size_t i = 0; i < npairs; i++)
        for (size_t s = 0; s < nshapes; s++)
            for (int turn = 0; turn < 2; turn++) {
                char q[256], e[256];
                fill(q, sizeof q, shapes[s], pairs[i][turn]);
                fill(e, sizeof e, shapes[s], pairs[i][!turn]);
                rag_index_hit hits[] = {entry("e", e, "A", 0.995),
                                        entry("f", "지점 위치", "B", 0.80)};
                if (decide(q, hits, 1).decision == RAG_FAQ_ANSWER ||
                    decide(q, hits, 2).decision == RAG_FAQ_ANSWER) {
                    print_error("answered: \"%s\" | \"%s\"\n", q, e);
                    bad++;
                }
            }
    return bad;
}

static void no_opposite_is_answered_however_near(void **state) {
    (void)state;
    size_t bad = opposites_answered(KO_PAIRS, COUNT(KO_PAIRS), KO_SHAPES,
                                    COUNT(KO_SHAPES));
    bad += opposites_answered(EN_PAIRS, COUNT(EN_PAIRS), EN_SHAPES,
                              COUNT(EN_SHAPES));
    assert_int_equal(bad, 0);
}

/* What an entry is about keeps it from being shown, not what its title asks
 * nor what people tell along with their need. */
static void entries_of_the_opposite_deed_are_contrary(void **state) {
    static const struct {
        const char *question, *entry;
        bool contrary;
    } pairs[] = {
        {"자동이체를 등록하고 싶어요", "자동이체는 어떻게 해지하나요?", true},
        {"한도를 올려 주세요", "이체 한도를 낮추려면 어떻게 하나요?", true},
        {"체크카드 연회비", "신용카드 연회비는 얼마인가요?", true},
        {"How much is a credit card?", "What does a debit card cost?", true},
        {"close my account", "How do I open an account?", true},
        {"카드 결제일은 언제로 고를 수 있나요?",
         "신용카드 결제일을 바꾸려면 어떻게 하나요?", false},
        {"해외결제 차단하려는데 앱 어디서 해요?",
         "카드의 해외 결제를 끄려면 어떻게 하나요?", false},
        {"How soon must the bank have my new card?",
         "How do I update my card details?", false},
        {"my card is locked, what now?", "How do I unlock my card?", false},
        {"남은 유로를 원화로 바꿀 때 우대",
         "외화 현찰을 팔 때 환율 우대는 얼마나 되나요?", false},
        {"창구에서 카드를 만들 수 있나요?",
         "앱에서 카드를 만들려면 어떻게 하나요?", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        rag_error err;
        bool contrary;
        assert_int_equal(rag_faq_contrary(pairs[i].question, pairs[i].entry,
                                          &contrary, &err),
                         0);
        if (contrary != pairs[i].contrary)
            fail_msg("%s / %s: %scontrary", pairs[i].question, pairs[i].entry,
                     contrary ? "" : "not ");
    }
}

static void no_other_number_is_answered_however_near(void **state) {
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < COUNT(NUMBERS); i++)
        for (int turn = 0; turn < 2; turn++) {
            rag_index_hit h = entry("e", NUMBERS[i][!turn], "A", 0.995);
            if (decide(NUMBERS[i][turn], &h, 1).decision == RAG_FAQ_ANSWER) {
                print_error("answered: \"%s\" | \"%s\"\n", NUMBERS[i][turn],
                            NUMBERS[i][!turn]);
                bad++;
            }
        }
    assert_int_equal(bad, 0);
}

static void one_key_wrong_is_the_same(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"통장은 어떻게 해ㅣ하나요?", "통장은 어떻게 해지하나요?"},
        {"통장은 어떻게 해디하나요?", "통장은 어떻게 해지하나요?"},
        {"통장은 ㅓ떻게 해지하나요?", "통장은 어떻게 해지하나요?"},
        {"이체 하ㄴ도를 올리려면 어떻게 하나요",
         "이체 한도를 올리려면 어떻게 하나요?"},
        {"휴면에금 어떻게 찾아요", "휴면예금은 어떻게 찾나요?"},
        {"자동이체를 등록하고 싶어요 계좌간 자동이쳬", "계좌 간 자동이체 등록"},
        {"How do I colse my account?", "How do I close my account?"},
        {"how do i close my acount", "How do I close my account?"},
        {"What is the mininum balance?", "What is the minimum balance?"},
    };
    size_t bad = 0;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        rag_index_hit h = entry("e", pairs[i][1], "A", 0.9);
        rag_faq_match m = decide(pairs[i][0], &h, 1);
        if (m.decision != RAG_FAQ_ANSWER) {
            print_error("not answered (%s): \"%s\" | \"%s\"\n", m.reason,
                        pairs[i][0], pairs[i][1]);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

/* One key makes another word of these; the word is meant. */
static void a_real_word_is_no_slip(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"임금 한도는 얼마인가요", "입금 한도는 얼마인가요"},
        {"출근 시간은 언제인가요", "출금 시간은 언제인가요"},
        {"요금 금액은 얼마인가요", "예금 금액은 얼마인가요"},
        {"외화 현찰을 살 때 우대", "외화 현찰을 팔 때 우대"},
        {"how do I charge my card", "how do I change my card"},
        {"is there a free card at a branch", "is there a fee card at a branch"},
        {"where can I lend some money here",
         "where can I send some money here"},
    };
    size_t bad = 0;
    for (size_t i = 0; i < COUNT(pairs); i++)
        for (int turn = 0; turn < 2; turn++) {
            rag_index_hit h = entry("e", pairs[i][!turn], "A", 0.93);
            if (decide(pairs[i][turn], &h, 1).decision == RAG_FAQ_ANSWER) {
                print_error("answered: \"%s\" | \"%s\"\n", pairs[i][turn],
                            pairs[i][!turn]);
                bad++;
            }
        }
    assert_int_equal(bad, 0);
}

/* What another entry says is no slip of this one's words. */
static void a_word_of_another_entry_is_no_slip(void **state) {
    (void)state;
    rag_index_hit hits[] = {entry("a", "마루카드 발급 방법", "A", 0.89),
                            entry("b", "나루카드 한도", "B", 0.90)};
    assert_int_not_equal(decide("나루카드 발급 방법", hits, 2).decision,
                         RAG_FAQ_ANSWER);
    assert_int_equal(decide("나루카드 발급 방법", hits, 1).decision,
                     RAG_FAQ_ANSWER);
}

static void other_words_are_answered_when_certain(void **state) {
    (void)state;
    rag_index_hit hits[] = {
        entry("close", "개인 입출금통장은 어떻게 해지하나요?",
              "앱에서 해지할 수 있습니다. 쓰지 않는 통장도 같습니다.", 0.965),
        entry("card", "카드를 재발급받으면 수수료가 얼마인가요?", "2,000원",
              0.84)};
    const char *q = "쓰지 않는 입출금통장 해지하고 싶습니다";
    rag_faq_match m = decide(q, hits, 2);
    assert_int_equal(m.decision, RAG_FAQ_ANSWER);
    assert_int_equal(m.best, 0);
    /* Less near, or with a rival as near, it is not. */
    hits[0].vector = 0.87;
    assert_int_equal(decide(q, hits, 2).decision, RAG_FAQ_NONE);
    hits[0].vector = 0.965;
    rag_index_result r = {.hits = hits, .n = 2};
    rag_faq_limits never = {0.85, 1.5};
    assert_int_equal(rag_faq_decide_near(q, &r, &never, &m, NULL), 0);
    assert_int_equal(m.decision, RAG_FAQ_NONE);
}

/* What the entry knows nothing of is another matter, however near. */
static void unknown_things_are_not_answered(void **state) {
    (void)state;
    rag_index_hit hits[] = {
        entry("rate", "환전 우대율", "앱에서 사면 90%, 영업점에서는 50%입니다.",
              0.95),
        entry("card", "카드를 재발급받으면 수수료가 얼마인가요?", "2,000원",
              0.84)};
    assert_int_not_equal(
        decide("봄맞이 환전 행사의 우대율은 얼마인가요?", hits, 2).decision,
        RAG_FAQ_ANSWER);
}

static void an_entry_of_another_language_is_no_answer(void **state) {
    (void)state;
    rag_index_hit h = entry("e", "How do I close my account?", "A", 0.995);
    assert_int_equal(decide("계좌를 닫으려고 합니다", &h, 1).decision,
                     RAG_FAQ_NONE);
}

static void two_that_fit_are_a_choice(void **state) {
    (void)state;
    rag_index_hit hits[] = {entry("a", "개인 통장 해지", "A", 0.95),
                            entry("b", "법인 통장 해지", "B", 0.94),
                            entry("c", "개인 통장 개설", "C", 0.93)};
    rag_faq_match m = decide("통장 해지", hits, 3);
    assert_int_equal(m.decision, RAG_FAQ_CLARIFY);
    assert_int_equal(m.nchoices, 2);
    assert_int_equal(m.choice[0], 0);
    assert_int_equal(m.choice[1], 1);
}

static void one_vague_entry_is_no_answer(void **state) {
    (void)state;
    rag_index_hit hits[] = {entry("a", "법인 통장 해지", "A", 0.95)};
    assert_int_equal(decide("통장 해지", hits, 1).decision, RAG_FAQ_NONE);
}

static void far_entries_are_not_looked_at(void **state) {
    (void)state;
    rag_index_hit hits[] = {entry("a", "통장 해지", "A", 0.5)};
    assert_int_equal(decide("통장 해지", hits, 1).decision, RAG_FAQ_NONE);
    hits[0].vector = NAN; /* found by its words alone: the guard decides */
    assert_int_equal(decide("통장 해지", hits, 1).decision, RAG_FAQ_ANSWER);
    hits[0].kind = RAG_DOC_TEXT;
    assert_int_equal(decide("통장 해지", hits, 1).decision, RAG_FAQ_NONE);
}

static void exact_entries_that_differ_are_a_choice(void **state) {
    (void)state;
    rag_index_hit hits[] = {entry("a", "q", "A", 1), entry("b", "q", "A", 1),
                            entry("c", "q", "C", 1)};
    rag_index_result r = {.hits = hits, .n = 2};
    rag_faq_match m;
    rag_faq_decide_exact(&r, &m);
    assert_int_equal(m.decision, RAG_FAQ_ANSWER);
    r.n = 3;
    rag_faq_decide_exact(&r, &m);
    assert_int_equal(m.decision, RAG_FAQ_CLARIFY);
    assert_int_equal(m.nchoices, 3);
    r.n = 0;
    rag_faq_decide_exact(&r, &m);
    assert_int_equal(m.decision, RAG_FAQ_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_korean_opposites_are_confused),
        cmocka_unit_test(no_english_opposites_are_confused),
        cmocka_unit_test(the_table_keeps_its_own_sides_apart),
        cmocka_unit_test(other_numbers_are_other_questions),
        cmocka_unit_test(other_matters_are_other_questions),
        cmocka_unit_test(the_same_differently_spelled_is_the_same),
        cmocka_unit_test(what_is_left_open_is_vague),
        cmocka_unit_test(the_right_entry_beats_the_nearer_one),
        cmocka_unit_test(no_opposite_is_answered_however_near),
        cmocka_unit_test(entries_of_the_opposite_deed_are_contrary),
        cmocka_unit_test(no_other_number_is_answered_however_near),
        cmocka_unit_test(one_key_wrong_is_the_same),
        cmocka_unit_test(a_real_word_is_no_slip),
        cmocka_unit_test(a_word_of_another_entry_is_no_slip),
        cmocka_unit_test(other_words_are_answered_when_certain),
        cmocka_unit_test(unknown_things_are_not_answered),
        cmocka_unit_test(an_entry_of_another_language_is_no_answer),
        cmocka_unit_test(two_that_fit_are_a_choice),
        cmocka_unit_test(one_vague_entry_is_no_answer),
        cmocka_unit_test(far_entries_are_not_looked_at),
        cmocka_unit_test(exact_entries_that_differ_are_a_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
