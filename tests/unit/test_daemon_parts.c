/*
 * A question that asks for several things is taken apart, each part with what
 * it leans on; one that only looks so is left whole.
 */
#include "daemon/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* No parts: it is one question. */
static const struct {
    const char *question, *part[RAG_PARTS_MAX];
} TABLE[] = {
    /* A connective between two question words. */
    {"HB-2107 두께는 얼마고 생산 중엔 몇 분마다 재나요?",
     {"HB-2107 두께는 얼마고?", "HB-2107 두께는 생산 중엔 몇 분마다 재나요?"}},
    {"4천만 원 구매 건은 누가 승인하고, 공급자가 납기를 어기면 지체상금이 몇 "
     "%인가요?",
     {"4천만 원 구매 건은 누가 승인하고?",
      "4천만 원 구매 건은 공급자가 납기를 어기면 지체상금이 몇 %인가요?"}},
    {"체육관은 몇 시에 열고 그리고 수건은 어디서 받아서 쓰나요?",
     {"체육관은 몇 시에 열고?", "체육관은 수건은 어디서 받아서 쓰나요?"}},
    {"I lost my laptop, how fast must I report it and how soon does the remote "
     "wipe go out",
     {"I lost my laptop, how fast must I report it?",
      "I lost my laptop, how soon does the remote wipe go out?"}},
    {"For a grade C supplier, what score is that and how is their raw material "
     "inspected?",
     {"For a grade C supplier, what score is that?",
      "For a grade C supplier, how is their raw material inspected?"}},
    /* Two sentences. */
    {"카드를 잃어버렸어요. 어디로 전화하나요? 재발급은 서울에서 며칠 걸려요?",
     {"카드를 잃어버렸어요. 어디로 전화하나요?",
      "카드를 잃어버렸어요. 재발급은 서울에서 며칠 걸려요?"}},
    {"What is the fee for a lost card? How long does a new one take?",
     {"What is the fee for a lost card?", "How long does a new one take?"}},
    {"시재가 모자라요. 누구한테 알리죠? 제 돈으로 채워도 되나요?",
     {"시재가 모자라요. 누구한테 알리죠?",
      "시재가 모자라요. 제 돈으로 채워도 되나요?"}},
    {"수의계약 한도가 얼마예요? 그리고 심의회는 언제 열려요?",
     {"수의계약 한도가 얼마예요?", "수의계약 한도가 심의회는 언제 열려요?"}},
    {"Carry-over days: how many do I get? When do they lapse?",
     {"Carry-over days: how many do I get?",
      "Carry-over days: When do they lapse?"}},
    {"What does a new card cost? Does reporting it lost stop my "
     "subscriptions too?",
     {"What does a new card cost?",
      "Does reporting it lost stop my subscriptions too?"}},
    /* The second leans on the first. */
    {"연회비는 얼마고 언제 빠져나가요?",
     {"연회비는 얼마고?", "연회비 언제 빠져나가요?"}},
    {"Is there an activation fee, and who sets it?",
     {"Is there an activation fee?", "activation fee: who sets it?"}},
    {"Who audits the contractor and who pays?",
     {"Who audits the contractor?", "Who audits the contractor? who pays?"}},
    /* Three. */
    {"When does the pool open, what does the pass for a month cost, and who "
     "sells the towels?",
     {"When does the pool open?", "what does the pass for a month cost?",
      "who sells the towels?"}},
    /* One. */
    {"연회비는 얼마예요?", {NULL}},
    {"연회비가 어디에 있고 얼마예요?", {NULL}},
    {"Is there an activation fee, and how high is it?", {NULL}},
    {"Who audits the contractor and how often?", {NULL}},
    {"Do I get time off for that and by how much?", {NULL}},
    {"얼마 이상이면 누구 승인을 받나요?", {NULL}},
    {"누가 하는지 어떻게 알아요?", {NULL}},
    {"어디에 신고하고 나서 언제까지 기다려요?", {NULL}},
    {"가방을 누가 들고 튀었어요. 제일 먼저 어디로 연락해요?", {NULL}},
    {"기자가 무슨 일이냐고 전화했는데 어디로 돌려요?", {NULL}},
    {"프리랜서한테 어떤 중고 노트북 줄지는 누가 골라요", {NULL}},
    {"몇 시에 퇴근하고 다시 와도 되나요?", {NULL}},
    {"How do I know who to call and what to say?", {NULL}},
    {"What do I have to hand back and when on my last day?", {NULL}},
    {"Where and when do I hand in my token?", {NULL}},
    {"When I quit, how soon are my files wiped?", {NULL}},
    {"Fred, who knows half the code, quit. By when does it have to be "
     "altered?",
     {NULL}},
    {"I forgot to tell you what to do with it and it got rolled over again. "
     "Can I still back out?",
     {NULL}},
    /* More than are taken apart. */
    {"몇 시에 열고 몇 시에 닫고 언제 쉬고 누가 관리해요?", {NULL}},
    {"", {NULL}},
    {"?", {NULL}},
};

static void parts_stand_alone(void **state) {
    size_t wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
        rag_parts p;
        size_t n = 0;
        assert_int_equal(rag_parts_read(TABLE[i].question, &p, NULL), 0);
        while (n < RAG_PARTS_MAX && TABLE[i].part[n])
            n++;
        bool same = p.n == n;
        for (size_t k = 0; k < n && same; k++)
            same = strcmp(p.of[k], TABLE[i].part[k]) == 0;
        if (!same) {
            wrong++;
            print_message("\"%s\":\n", TABLE[i].question);
            for (size_t k = 0; k < p.n; k++)
                print_message("  \"%s\"\n", p.of[k]);
        }
        rag_parts_free(&p);
    }
    assert_int_equal(wrong, 0);
}

/* What stands alone by its own words is kept for when nothing is found. */
static void own_words_are_kept(void **state) {
    rag_parts p;
    (void)state;
    assert_int_equal(rag_parts_read("구매 건은 누가 승인하고, 공급자가 납기를 "
                                    "어기면 지체상금이 몇 %인가요?",
                                    &p, NULL),
                     0);
    assert_int_equal(p.n, 2);
    assert_null(p.bare[0]);
    assert_string_equal(p.bare[1],
                        "공급자가 납기를 어기면 지체상금이 몇 %인가요?");
    rag_parts_free(&p);
    assert_int_equal(
        rag_parts_read("연회비는 얼마고 언제 빠져나가요?", &p, NULL), 0);
    assert_int_equal(p.n, 2);
    assert_null(p.bare[1]); /* two words say too little */
    rag_parts_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_stand_alone),
        cmocka_unit_test(own_words_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
