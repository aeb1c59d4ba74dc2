/*
 * Promises: words, codes and numbers of both languages become the terms that
 * find them again, whatever their width, normal form, case, particle or
 * spacing; offsets stay the input's; any bytes are survived in linear time.
 */
#include "base/terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct bag {
    char text[8192];
    size_t n, terms, input;
    unsigned last;
    bool kinds;
} bag;

static const char kind_letter[] = {'w', 's', 'b', 'u', 'n', 'c', 'p'};

static int collect(void *user, const rag_term *t) {
    bag *b = user;

    assert_true(t->len > 0 && t->len <= RAG_TERM_MAX);
    assert_true(t->start < t->end && t->end <= b->input);
    assert_true(t->position >= b->last);
    b->last = t->position;
    b->terms++;
    if (b->n + t->len + 8 < sizeof(b->text))
        b->n +=
            (size_t)snprintf(b->text + b->n, sizeof(b->text) - b->n, "%c:%.*s ",
                             kind_letter[t->kind], (int)t->len, t->text);
    return 0;
}

static const char *terms_of(bag *b, const char *s, bool content) {
    rag_error err;

    memset(b, 0, sizeof(*b));
    b->input = strlen(s);
    assert_int_equal((content ? rag_terms_content
                              : rag_terms_each)(s, b->input, collect, b, &err),
                     0);
    if (b->n > 0)
        b->text[b->n - 1] = '\0';
    return b->text;
}

static bool has(const bag *b, const char *term) {
    const char *p = b->text;
    size_t n = strlen(term);

    while ((p = strstr(p, term)) != NULL) {
        if ((p == b->text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
        p += n;
    }
    return false;
}

static const struct {
    const char *in, *terms;
} table[] = {
    {"", ""},
    {" \t\n .,!? ", ""},
    {"Accounts", "w:account"},
    {"ACCOUNT'S", "w:account"},
    {"don't", "w:dont"},
    {"café Café ｃａｆｅ cafe\xCC\x81", "w:cafe w:cafe w:cafe w:cafe"},
    {"e-mail", "w:e w:mail w:email"},
    {"state-of-the-art", "w:state w:of w:the w:art"},
    {"and/or", "w:and w:or"},
    {"B", "w:b"},
    {"C++ and C#", "c:c++ p:c w:and c:c# p:c"},
    {"PPR-9087", "c:ppr-9087 p:ppr p:9087 p:ppr9087"},
    {"ppr9087", "c:ppr9087 p:ppr p:9087 p:ppr9087"},
    {"1588-0000", "c:1588-0000 p:1588 p:0000 p:15880000"},
    {"1,000", "n:1000"},
    {"１，０００", "n:1000"},
    {"3.5%", "n:3.5 c:3.5%"},
    {"3.", "n:3"},
    {"은행", "s:은행 b:은행"},
    {"은행에서는", "s:은행 b:은행 b:행에 b:에서 b:서는"},
    {"\xE1\x84\x8B\xE1\x85\xB3\xE1\x86\xAB\xE1\x84\x92\xE1\x85\xA2\xE1\x86\xBC",
     "s:은행 b:은행"},
    {"돈", "u:돈"},
    {"API를", "w:api"},
    {"제17조", "u:제 n:17 u:조 c:제17조"},
    {"제17조에서는", "u:제 n:17 s:조 b:조에 b:에서 b:서는 c:제17조"},
    {"10만원", "n:10 s:만원 b:만원 c:10만원"},
    {"가입/해지", "s:가입 b:가입 s:해지 b:해지"},
    {"金利", "b:金利"},
    {"\xEF\xBB\xBFhello\xE2\x80\x8Bworld", "w:helloworld"},
    {"bad\xFF"
     "byte",
     "w:bad w:byte"},
};

static void table_of_terms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        bag b;

        terms_of(&b, table[i].in, false);
        if (strcmp(b.text, table[i].terms) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", table[i].in, b.text,
                     table[i].terms);
    }
}

static const struct {
    const char *word, *stem;
} stems[] = {
    {"은행이", "은행"},         {"은행을", "은행"},
    {"은행에서만은", "은행"},   {"계좌가", "계좌"},
    {"계좌를", "계좌"},         {"계좌로", "계좌"},
    {"통장으로", "통장"},       {"서울로", "서울"},
    {"고객에게는", "고객"},     {"직원까지", "직원"},
    {"나이", "나이"},           {"회의", "회의"},
    {"휴가", "휴가"},           {"평가", "평가"},
    {"신고", "신고"},           {"창고", "창고"},
    {"마을", "마을"},           {"이자", "이자"},
    {"카드는", "카드"},         {"신청하려면", "신청"},
    {"신청하는", "신청"},       {"신청합니다", "신청"},
    {"신청했는데", "신청"},     {"신청할", "신청"},
    {"발급되나요", "발급"},     {"발급받으려면", "발급"},
    {"개설하면", "개설"},       {"개설하고", "개설"},
    {"등록된", "등록"},         {"바꾸려면", "바꾸"},
    {"사용권한", "사용권한"},   {"상품인가요", "상품"},
    {"수수료입니다", "수수료"}, {"포함", "포함"},
};

static void table_of_stems(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++) {
        bag b;
        char want[64];

        terms_of(&b, stems[i].word, false);
        snprintf(want, sizeof(want), "s:%s", stems[i].stem);
        if (!has(&b, want))
            fail_msg("%s: got \"%s\", want %s", stems[i].word, b.text, want);
    }
}

static void english_stems_join_forms(void **state) {
    static const char *const groups[][4] = {
        {"transfer", "transfers", "transferring", "transferred"},
        {"cancel", "cancelled", "cancellation", "cancels"},
        {"reimburse", "reimbursed", "reimbursement", "reimburses"},
        {"policy", "policies", NULL, NULL},
        {"apply", "applies", "applied", "applying"},
        {"account", "accounts", NULL, NULL},
        {"organization", "organizations", NULL, NULL},
        {"paying", "paid", "pay", "pays"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        bag a, b;

        terms_of(&a, groups[i][0], false);
        for (size_t j = 1; j < 4 && groups[i][j]; j++)
            assert_string_equal(terms_of(&b, groups[i][j], false), a.text);
    }
}

static void spacing_variants_share_most_bigrams(void **state) {
    bag joined, apart;
    static const char *const shared[] = {"b:인터", "b:터넷", "b:뱅킹"};

    (void)state;
    terms_of(&joined, "인터넷뱅킹", false);
    terms_of(&apart, "인터넷 뱅킹", false);
    for (size_t i = 0; i < 3; i++) {
        assert_true(has(&joined, shared[i]));
        assert_true(has(&apart, shared[i]));
    }
}

static void content_leaves_function_words_out(void **state) {
    static const struct {
        const char *in, *terms;
    } t[] = {
        {"통장 개설은 어떻게 하나요?", "s:통장 s:개설"},
        {"해외 송금 수수료가 얼마인가요", "s:해외 s:송금 s:수수료"},
        {"비밀번호를 알려주세요", "s:비밀번호"},
        {"How do I cancel my card?", "w:cancel w:card"},
        {"What is the fee for PPR-9087?", "w:fee c:ppr-9087"},
        {"한도는 1,000만원인가요", "s:한도 n:1000 s:만원 c:1,000만원"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        bag b;

        terms_of(&b, t[i].in, true);
        if (strcmp(b.text, t[i].terms) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", t[i].in, b.text,
                     t[i].terms);
    }
}

static int check_offsets(void *user, const rag_term *t) {
    const char *s = user;

    if (t->kind == RAG_TERM_STEM) {
        assert_int_equal(t->end - t->start, 6);
        assert_memory_equal(s + t->start, "한도", 6);
    }
    return 0;
}

static void offsets_are_the_inputs(void **state) {
    const char *s = "ＡＢ cafe\xCC\x81 한도는";
    union {
        const char *in;
        void *out;
    } u = {s};

    (void)state;
    assert_int_equal(rag_terms_each(s, strlen(s), check_offsets, u.out, NULL),
                     0);
}

static int stop_at_third(void *user, const rag_term *t) {
    (void)t;
    return ++*(int *)user == 3 ? 77 : 0;
}

static void callback_stops_the_walk(void **state) {
    int calls = 0;

    (void)state;
    assert_int_equal(rag_terms_each("a b c d", 7, stop_at_third, &calls, NULL),
                     77);
    assert_int_equal(calls, 3);
}

static void long_runs_are_cut_not_refused(void **state) {
    size_t n = 1 << 20;
    char *s = malloc(n);
    static bag b;

    (void)state;
    assert_non_null(s);
    memset(s, 'a', n);
    memset(&b, 0, sizeof(b));
    b.input = n;
    assert_int_equal(rag_terms_each(s, n, collect, &b, NULL), 0);
    assert_true(b.terms > 0 && b.terms <= n / 256);
    for (size_t i = 0; i + 3 <= n; i += 3)
        memcpy(s + i, "가", 3);
    memset(&b, 0, sizeof(b));
    b.input = n;
    assert_int_equal(rag_terms_each(s, n, collect, &b, NULL), 0);
    assert_true(b.terms >= n / 3 - n / 300 && b.terms < n);
    free(s);
}

static void particles_come_off(void **state) {
    static const struct {
        const char *w, *stem;
    } t[] = {
        {"은행에서는", "은행"},
        {"은행에서만은", "은행"},
        {"은행에서부터", "은행"},
        {"은행으로부터", "은행"},
        {"은행으로는", "은행"},
        {"은행까지만", "은행"},
        {"은행까지는", "은행"},
        {"은행까지가", "은행"},
        {"은행과의", "은행"},
        {"은행과는", "은행"},
        {"은행마다", "은행"},
        {"은행만으로는", "은행"},
        {"은행만을", "은행"},
        {"은행뿐만", "은행"},
        {"은행이라도", "은행"},
        {"은행처럼은", "은행"},
        {"은행입니다", "은행"},
        {"은행에서입니까", "은행"},
        {"은행하고는", "은행"},
        {"고객에게도", "고객"},
        {"고객에게만", "고객"},
        {"고객에게서는", "고객"},
        {"고객들에게만은", "고객"},
        {"고객님들께서는", "고객"},
        {"직원들과의", "직원"},
        {"직원으로서의", "직원"},
        {"계좌로의", "계좌"},
        {"계좌로부터", "계좌"},
        {"계좌보다는", "계좌"},
        {"계좌밖에는", "계좌"},
        {"계좌별로는", "계좌별"},
        {"수수료는요", "수수료"},
        {"통장은요", "통장"},
        {"내일부터는", "내일"},
        {"내일부터의", "내일"},
        {"월말까지인가요", "월말"},
        {"연차휴가", "연차휴가"},
        {"연차휴가는", "연차휴가"},
        {"연차휴가가", "연차휴가"},
        {"연차휴가를", "연차휴가"},
        {"연차휴가의", "연차휴가"},
        {"연차휴가에서도", "연차휴가"},
        {"휴가가", "휴가"},
        {"영업허가는", "영업허가"},
        {"평가가", "평가"},
        {"국가가", "국가"},
        {"시험결과는", "시험결과"},
        {"시험결과의", "시험결과"},
        {"시험결과와", "시험결과"},
        {"대출한도", "대출한도"},
        {"대출한도는", "대출한도"},
        {"대출한도까지", "대출한도"},
        {"기한도", "기한"},
        {"문제도", "문제"},
        {"수수료도", "수수료"},
        {"근무태도가", "근무태도"},
        {"본인명의로", "본인명의"},
        {"고객문의는", "고객문의"},
        {"고객불만은", "고객불만"},
        {"미만은", "미만"},
        {"십년미만의", "십년미만"},
        {"최대길이는", "최대길이"},
        {"사업개요", "사업개요"},
        {"사업개요는", "사업개요"},
        {"나이는", "나이"},
        {"나이가", "나이"},
        {"회의의", "회의"},
        {"효과도", "효과"},
        {"어린이는", "어린이"},
        {"어린이", "어린이"},
        {"API를", "API"},
        {"API에서만은", "API"},
        {"3월에는", "3월"},
        {"은행", "은행"},
        {"가", "가"},
        {"abc", "abc"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        size_t n = rag_terms_strip_particle(t[i].w, strlen(t[i].w));

        if (n != strlen(t[i].stem))
            fail_msg("%s: got \"%.*s\", want %s", t[i].w, (int)n, t[i].w,
                     t[i].stem);
    }
}

static void keys_join_spellings_and_keep_figures_apart(void **state) {
    static const struct {
        const char *a, *b;
        bool same;
    } t[] = {
        {"통장 개설은, 어떻게 하나요?", "통장개설은어떻게하나요", true},
        {"ＡＴＭ 수수료", "atm수수료!", true},
        {"한도 1,000원", "한도 1000원", true},
        {"금리 3.5%", "금리 35%", false},
        {"금리 3.5%", "금리 3.5", false},
        {"-5도", "5도", false},
        {"3-5일", "35일", false},
        {"3 - 5일", "3-5일", true},
        {"3~5일", "35일", false},
        {"3～5일", "3~5일", true},
        {"3–5일", "3-5일", true},
        {"3, 5일", "35일", false},
        {"3 5일", "35일", false},
        {"1/2 지분", "12 지분", false},
        {"09:30 마감", "0930 마감", false},
        {"1,000 원", "1000원", true},
        {"1588-0000", "15880000", false},
        {"2024-01-02", "20240102", false},
        {"PPR-9087", "ppr9087", true},
        {"A 3", "a3", true},
        {"3번째 5일", "3번째5일", true},
        {"수수료 안내", "수수료안내", true},
        {"$100", "100", false},
        {"가입 방법", "해지 방법", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        rag_buf a, b;

        rag_buf_init(&a, 0);
        rag_buf_init(&b, 0);
        assert_int_equal(rag_terms_key(t[i].a, strlen(t[i].a), &a, NULL), 0);
        assert_int_equal(rag_terms_key(t[i].b, strlen(t[i].b), &b, NULL), 0);
        if ((strcmp(rag_buf_str(&a), rag_buf_str(&b)) == 0) != t[i].same)
            fail_msg("%s / %s: %s / %s", t[i].a, t[i].b, rag_buf_str(&a),
                     rag_buf_str(&b));
        rag_buf_free(&a);
        rag_buf_free(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_terms),
        cmocka_unit_test(table_of_stems),
        cmocka_unit_test(english_stems_join_forms),
        cmocka_unit_test(spacing_variants_share_most_bigrams),
        cmocka_unit_test(content_leaves_function_words_out),
        cmocka_unit_test(offsets_are_the_inputs),
        cmocka_unit_test(callback_stops_the_walk),
        cmocka_unit_test(long_runs_are_cut_not_refused),
        cmocka_unit_test(particles_come_off),
        cmocka_unit_test(keys_join_spellings_and_keep_figures_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
