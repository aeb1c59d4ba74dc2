/*
 * A follow-up is rewritten to stand alone from the conversation's own words;
 * what has a subject of its own is left; no content word is ever invented.
 */
#include "daemon/followup.h"

#include "base/buf.h"
#include "base/terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* want NULL: stands alone. */
static const struct {
    const char *previous, *question, *want;
} TABLE[] = {
    /* The other side of what was said. */
    {"개인 통장 개설에 필요한 서류는 무엇인가요?", "그럼 법인은요?",
     "법인 통장 개설에 필요한 서류는 무엇인가요?"},
    {"개인 통장 개설에 필요한 서류는 무엇인가요?", "법인은?",
     "법인 통장 개설에 필요한 서류는 무엇인가요?"},
    {"국내 송금 수수료는 얼마인가요?", "해외는요?",
     "해외 송금 수수료는 얼마인가요?"},
    {"해외 이체 한도는 얼마예요?", "그러면 국내는요?",
     "국내 이체 한도는 얼마예요?"},
    {"정기예금 가입은 어떻게 하나요?", "그럼 해지는요?",
     "정기예금 해지는 어떻게 하나요?"},
    {"정기예금 해지는 어떻게 하나요?", "가입은요?",
     "정기예금 가입은 어떻게 하나요?"},
    {"신용카드 분실 신고는 어떻게 하나요?", "체크카드는요?",
     "체크카드 분실 신고는 어떻게 하나요?"},
    {"평일 영업시간은 어떻게 되나요?", "주말에는요?",
     "주말 영업시간은 어떻게 되나요?"},
    {"고정금리 대출 이자는 얼마예요?", "변동금리라면요?",
     "변동금리 대출 이자는 얼마예요?"},
    {"How do I open an individual account?", "What about a business?",
     "How do I open an business account?"},
    {"What is the limit for domestic transfers?", "and overseas?",
     "What is the limit for overseas transfers?"},
    {"What is the limit for domestic transfers?", "what about overseas?",
     "What is the limit for overseas transfers?"},
    {"What are the weekday opening hours?", "How about the weekend?",
     "What are the weekend opening hours?"},
    /* A scope that was open. */
    {"통장 개설에 필요한 서류는 무엇인가요?", "그럼 법인은요?",
     "법인 통장 개설에 필요한 서류는 무엇인가요?"},
    {"통장 개설에 필요한 서류는 무엇인가요?", "미성년자인 경우는요?",
     "미성년자 통장 개설에 필요한 서류는 무엇인가요?"},
    {"출장 일비는 얼마인가요?", "2025년은요?",
     "2025년 출장 일비는 얼마인가요?"},
    {"출장 일비는 얼마인가요?", "해외는?", "해외 출장 일비는 얼마인가요?"},
    {"How long is the notice period?", "what about contractors?",
     "How long is the notice period (contractors)?"},
    /* The subject goes on. */
    {"해외 송금은 어떻게 하나요?", "그럼 수수료는요?", "해외 송금 수수료는요?"},
    {"해외 송금은 어떻게 하나요?", "그럼 수수료는 얼마예요?",
     "해외 송금 수수료는 얼마예요?"},
    {"해외 송금은 어떻게 하나요?", "수수료는?", "해외 송금 수수료는?"},
    {"해외 송금은 어떻게 하나요?", "얼마나 걸려요?",
     "해외 송금 얼마나 걸려요?"},
    {"해외 송금 수수료는 얼마예요?", "그럼 한도는요?", "해외 송금 한도는요?"},
    {"육아휴직 기간은 얼마인가요?", "그건 누가 승인하나요?",
     "육아휴직 기간 누가 승인하나요?"},
    {"육아휴직은 어떻게 신청하나요?", "왜요?", "육아휴직 왜요?"},
    {"How do I send money abroad?", "How long does it take?",
     "send money abroad: How long does it take?"},
    {"How do I send money abroad?", "What about the fee?",
     "send money abroad: fee?"},
    {"What is the parental leave policy?", "Who approves it?",
     "parental leave policy: Who approves it?"},
    /* A new subject drops the old. */
    {"해외 송금은 어떻게 하나요?", "주택담보대출 금리는 얼마인가요?", NULL},
    {"해외 송금은 어떻게 하나요?", "그럼 주택담보대출 금리는 얼마인가요?",
     NULL},
    {"해외 송금은 어떻게 하나요?", "카드를 잃어버렸어요", NULL},
    {"해외 송금은 어떻게 하나요?", "연차휴가는 며칠인가요?", NULL},
    {"해외 송금은 어떻게 하나요?", "비밀번호 변경 방법 알려주세요", NULL},
    {"How do I send money abroad?", "How do I reset my password?", NULL},
    {"How do I send money abroad?", "And what is the mortgage rate?", NULL},
    {"How do I send money abroad?", "what about the mortgage rate?", NULL},
    {"연차휴가는 며칠인가요?", "카드 분실 신고는 어디에 하나요?", NULL},
    {"연차휴가는 며칠인가요?", "법인카드 한도는 얼마인가요?", NULL},
    {"What is the fee for a transfer?", "Where is the nearest branch?", NULL},
    {"What is the fee for a transfer?", "I lost my debit card", NULL},
    {"What is the fee for a transfer?",
     "How many days of annual leave do I get?", NULL},
    /* Politeness is about nothing. */
    {"해외 송금은 어떻게 하나요?", "감사합니다", NULL},
    {"해외 송금은 어떻게 하나요?", "네 알겠습니다", NULL},
    {"How do I send money abroad?", "Thank you!", NULL},
    {"How do I send money abroad?", "ok", NULL},
    /* Nothing before. */
    {"", "그럼 법인은요?", NULL},
    {"", "얼마예요?", NULL},
};

static void follow_ups_stand_alone(void **state) {
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        rag_followup f;
        assert_int_equal(rag_followup_rewrite(TABLE[i].previous,
                                              TABLE[i].question, &f, NULL),
                         0);
        const char *want = TABLE[i].want ? TABLE[i].want : "";
        const char *got = f.question ? f.question : "";
        if (strcmp(want, got) != 0) {
            wrong++;
            print_message("\"%s\" after \"%s\":\n  want \"%s\"\n  got  "
                          "\"%s\"\n",
                          TABLE[i].question, TABLE[i].previous, want, got);
        }
        assert_true((f.kind == RAG_FOLLOWUP_ALONE) == (f.question == NULL));
        rag_followup_free(&f);
    }
    assert_int_equal(wrong, 0);
}

/* Several turns: each is asked after those before it, as they stood alone;
 * want NULL: the last stands alone. */
static const struct {
    const char *asked[RAG_SESSION_TURNS_MAX + 2];
    const char *want;
} CHAINS[] = {
    {{"해외 송금은 어떻게 하나요?", "그럼 수수료는요?", "한도는요?"},
     "해외 송금 한도는요?"},
    {{"해외 송금은 어떻게 하나요?", "그럼 수수료는요?", "국내는요?"},
     "국내 송금 수수료는요?"},
    {{"해외 송금은 어떻게 하나요?", "수수료는?", "국내는요?", "한도는요?"},
     "국내 송금 한도는요?"},
    {{"개인 통장 개설에 필요한 서류는 무엇인가요?", "그럼 법인은요?",
      "개인은요?"},
     "개인 통장 개설에 필요한 서류는 무엇인가요?"},
    {{"정기예금 가입은 어떻게 하나요?", "그럼 해지는요?", "얼마나 걸려요?"},
     "정기예금 해지 얼마나 걸려요?"},
    {{"출장 일비는 얼마인가요?", "해외는?", "국내는요?"},
     "국내 출장 일비는 얼마인가요?"},
    {{"평일 영업시간은 어떻게 되나요?", "주말에는요?", "그럼 평일은요?"},
     "평일 영업시간은 어떻게 되나요?"},
    {{"해외 송금은 어떻게 하나요?", "감사합니다", "수수료는요?"},
     "해외 송금 수수료는요?"},
    {{"해외 송금은 어떻게 하나요?", "네", "고마워요",
      "그럼 수수료는 얼마예요?"},
     "해외 송금 수수료는 얼마예요?"},
    {{"해외 송금은 어떻게 하나요?", "연차휴가는 며칠인가요?",
      "누가 승인하나요?"},
     "연차휴가 누가 승인하나요?"},
    {{"개인 통장 개설 서류는 무엇인가요?", "주택담보대출 금리는 얼마인가요?",
      "한도는요?"},
     "주택담보대출 한도는요?"},
    {{"해외 송금은 어떻게 하나요?", "수수료는요?", "카드를 잃어버렸어요"},
     NULL},
    {{"How do I send money abroad?", "What about the fee?",
      "What about the limit?"},
     "send money abroad: limit?"},
    {{"How do I send money abroad?", "How long does it take?", "And the fee?"},
     "send money abroad: the fee?"},
    {{"What are the weekday opening hours?", "How about the weekend?",
      "And weekdays?"},
     "What are the weekdays opening hours?"},
    {{"What is the limit for domestic transfers?", "and overseas?",
      "what about domestic?"},
     "What is the limit for domestic transfers?"},
    {{"How do I send money abroad?", "Thanks!", "How long does it take?"},
     "send money abroad: How long does it take?"},
    {{"How do I send money abroad?", "What is the parental leave policy?",
      "Who approves it?"},
     "parental leave policy: Who approves it?"},
    {{"How do I send money abroad?", "What about the fee?",
      "How do I reset my password?"},
     NULL},
    {{"감사합니다", "수수료는요?"}, NULL},
};

static void chains_of_follow_ups_stand_alone(void **state) {
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof CHAINS / sizeof CHAINS[0]; i++) {
        rag_conversations *c;
        rag_followup f = {0};
        assert_int_equal(rag_conversations_open(&c, NULL), 0);
        for (size_t k = 0; CHAINS[i].asked[k]; k++) {
            rag_turns t;
            rag_followup_free(&f);
            assert_int_equal(rag_conversations_turns(c, "s", &t, NULL), 0);
            assert_int_equal(
                rag_followup_rewrite_after((const char *const *)t.of, t.n,
                                           CHAINS[i].asked[k], &f, NULL),
                0);
            rag_conversations_note(
                c, "s", f.question ? f.question : CHAINS[i].asked[k], NULL);
            rag_turns_free(&t);
        }
        const char *want = CHAINS[i].want ? CHAINS[i].want : "";
        const char *got = f.question ? f.question : "";
        if (strcmp(want, got) != 0) {
            wrong++;
            print_message("after \"%s\": want \"%s\", got \"%s\"\n",
                          CHAINS[i].asked[0], want, got);
        }
        rag_followup_free(&f);
        rag_conversations_close(c);
    }
    assert_int_equal(wrong, 0);
}

static int collect(void *user, const rag_term *t) {
    rag_buf *b = user;
    return rag_buf_printf(b, NULL, "|%.*s|", (int)t->len, t->text);
}

/* Among the terms of the conversation, or a piece of its text (a stem whose
 * particle was taken off). */
static int is_known(void *user, const rag_term *t) {
    char word[RAG_TERM_MAX + 3];
    snprintf(word, sizeof word, "%.*s", (int)t->len, t->text);
    return strcasestr(user, word) ? 0 : 1;
}

/* Every pair of a previous question and a follow-up, also the senseless. */
static void no_word_is_invented(void **state) {
    (void)state;
    size_t n = sizeof TABLE / sizeof TABLE[0], rewritten = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            const char *p = TABLE[i].previous, *q = TABLE[k].question;
            rag_followup f;
            rag_buf known;
            rag_buf_init(&known, 0);
            assert_int_equal(rag_followup_rewrite(p, q, &f, NULL), 0);
            if (f.question) {
                rewritten++;
                rag_buf_printf(&known, NULL, "%s %s", p, q);
                rag_terms_each(p, strlen(p), collect, &known, NULL);
                rag_terms_content(p, strlen(p), collect, &known, NULL);
                rag_terms_each(q, strlen(q), collect, &known, NULL);
                rag_terms_content(q, strlen(q), collect, &known, NULL);
                if (rag_terms_content(f.question, strlen(f.question), is_known,
                                      known.data, NULL))
                    fail_msg("\"%s\" after \"%s\" became \"%s\"", q, p,
                             f.question);
            }
            rag_buf_free(&known);
            rag_followup_free(&f);
        }
    assert_true(rewritten > n);
}

static void hostile_questions_do_no_harm(void **state) {
    (void)state;
    static const char *const odd[] = {"",
                                      "?",
                                      "는",
                                      "은요?",
                                      "요",
                                      "그럼",
                                      "그럼 ",
                                      "그럼 ?",
                                      "what about",
                                      "what about ?",
                                      "it",
                                      "그건",
                                      "그건 ",
                                      "(((",
                                      "은은은은은",
                                      "a a a a",
                                      "그럼 그럼 그럼",
                                      "\xEA\xB0\x80",
                                      "what about the",
                                      "what about a ?"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++) {
            rag_followup f;
            assert_int_equal(rag_followup_rewrite(odd[i], odd[k], &f, NULL), 0);
            rag_followup_free(&f);
        }
}

/* What a session said last, "" for nothing. */
static void assert_last(rag_conversations *c, const char *session,
                        const char *want) {
    rag_turns t;
    assert_int_equal(rag_conversations_turns(c, session, &t, NULL), 0);
    assert_string_equal(t.n ? t.of[t.n - 1] : "", want);
    rag_turns_free(&t);
}

static void sessions_are_kept_apart_and_forgotten(void **state) {
    (void)state;
    rag_conversations *c;
    rag_turns t;
    assert_int_equal(rag_conversations_open(&c, NULL), 0);
    assert_int_equal(rag_conversations_note(c, "a", "first", NULL), 0);
    assert_int_equal(rag_conversations_note(c, "b", "second", NULL), 0);
    assert_int_equal(rag_conversations_note(c, "a", "third", NULL), 0);
    assert_last(c, "a", "third");
    assert_last(c, "c", "");
    assert_int_equal(rag_conversations_turns(c, "a", &t, NULL), 0);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.of[0], "first");
    rag_turns_free(&t);
    /* The oldest goes when there are too many, of turns and of sessions. */
    for (int i = 0; i < RAG_SESSIONS_MAX - 1; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        assert_int_equal(rag_conversations_note(c, name, "x", NULL), 0);
    }
    assert_last(c, "b", "");
    assert_last(c, "a", "third");
    for (int i = 0; i < RAG_SESSION_TURNS_MAX; i++)
        assert_int_equal(rag_conversations_note(c, "a", "more", NULL), 0);
    assert_int_equal(rag_conversations_turns(c, "a", &t, NULL), 0);
    assert_int_equal(t.n, RAG_SESSION_TURNS_MAX);
    assert_string_equal(t.of[0], "more");
    rag_turns_free(&t);
    /* Who takes a forgotten session's place does not hear what it said. */
    assert_int_equal(rag_conversations_note(c, "new", "y", NULL), 0);
    assert_int_equal(rag_conversations_turns(c, "new", &t, NULL), 0);
    assert_int_equal(t.n, 1);
    rag_turns_free(&t);
    rag_error err = {0};
    assert_int_equal(rag_conversations_note(c, "a b", "x", &err), RAG_E_DATA);
    assert_int_equal(rag_conversations_note(c, "", "x", &err), RAG_E_DATA);
    rag_conversations_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follow_ups_stand_alone),
        cmocka_unit_test(chains_of_follow_ups_stand_alone),
        cmocka_unit_test(no_word_is_invented),
        cmocka_unit_test(hostile_questions_do_no_harm),
        cmocka_unit_test(sessions_are_kept_apart_and_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
