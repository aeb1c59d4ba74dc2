/*
 * Promises: a word with one typing error, and an English word written in
 * Hangul or the other way round, still find their document; words that are
 * known are left alone.
 */
#include "test_index_support.h"

#include "index/spell.h"

static const test_doc docs[] = {
    {.id = "vpn", .text = "Connect to the VPN before opening payroll."},
    {.id = "k8s", .text = "Kubernetes runs our containers."},
    {.id = "expense", .text = "Expenses are reimbursed within thirty days."},
    {.id = "card", .text = "체크카드를 잃어버리면 신고합니다."},
    {.id = "account", .text = "계좌를 개설하려면 신분증이 필요합니다."},
    {.id = "password", .text = "비밀번호를 다섯 번 틀리면 잠깁니다."},
    {.id = "server", .text = "데이터베이스 백업은 매일 밤에 합니다."},
    {.id = "login", .text = "대시보드 로그인 화면입니다."},
    {.id = "pledge", .text = "예금담보대출의 한도를 안내합니다."},
    {.id = "meal", .text = "야근 식대는 한 끼에 만 원까지입니다."},
    {.id = "overtime", .text = "야근 신청은 팀장에게 한다."},
    {.id = "supply", .text = "기간이 끝나면 자동으로 연장된다."},
};

static const struct {
    const char *question, *id;
} table[] = {
    /* one error in a Latin word, anywhere in it */
    {"reimbursd", "expense"},
    {"reimbrused", "expense"},
    {"reimbureed", "expense"},
    {"Kubernetse", "k8s"},
    {"ubernetes", "k8s"},
    {"kkubernetes", "k8s"},
    {"xubernetes", "k8s"},
    {"conainers", "k8s"},
    {"payrol", "vpn"},
    /* one jamo of a Hangul word */
    {"채크카드", "card"},
    {"게좌", "account"},
    {"비밀번허", "password"},
    {"야근식데", "meal"}, /* in one of two words written as one */
    /* two words written as one */
    {"자동연장", "supply"},
    /* the first syllables of a compound's words */
    {"예담대", "pledge"},
    {"예담대는 얼마", "pledge"},
    /* English in Hangul */
    {"브이피엔", "vpn"},
    {"페이롤", "vpn"},
    {"쿠버네티스", "k8s"},
    {"쿠버네티스는 무엇인가요", "k8s"},
    /* Korean loan words in English */
    {"database", "server"},
    {"dashboard", "login"},
};

static void unknown_words_find_their_document(void **state) {
    char *dir = test_dir();
    rag_index *ix;

    (void)state;
    test_store(dir, docs, sizeof(docs) / sizeof(docs[0]));
    ix = test_open(dir);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_finds(ix, table[i].question, table[i].id);
    /* two errors, or another word: nothing is made up */
    assert_finds(ix, "rembursd", "");
    assert_finds(ix, "elephant", "");
    assert_finds(ix, "코끼리", "");
    rag_index_close(ix);
    test_dir_free(dir);
}

static bool edit(const char *a, const char *b) {
    uint32_t x[16], y[16];
    size_t n = strlen(a), m = strlen(b);

    for (size_t i = 0; i < n; i++)
        x[i] = (unsigned char)a[i];
    for (size_t i = 0; i < m; i++)
        y[i] = (unsigned char)b[i];
    return rag_spell_one_edit(x, n, y, m);
}

static void one_edit_is_one_edit(void **state) {
    (void)state;
    assert_true(edit("card", "cart"));
    assert_true(edit("card", "cards"));
    assert_true(edit("card", "crd"));
    assert_true(edit("card", "acrd"));
    assert_true(edit("card", "xcard"));
    assert_true(edit("a", ""));
    assert_false(edit("card", "card"));
    assert_false(edit("card", "cord s"));
    assert_false(edit("card", "crad2"));
    assert_false(edit("card", "drac"));
    assert_false(edit("", ""));
}

static void sounds_agree_across_scripts(void **state) {
    static const char *const pairs[][2] = {
        {"서버", "server"},
        {"로그인", "login"},
        {"페이롤", "payroll"},
        {"대시보드", "dashboard"},
        {"데이터베이스", "database"},
        {"뱅킹", "banking"},
        {"링크", "link"},
        {"북", "book"},
        {"캐시", "cash"},
        {"엔진", "engine"},
        {"플랫폼", "platform"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char a[RAG_SPELL_MAX], b[RAG_SPELL_MAX];

        rag_spell_skeleton(pairs[i][0], strlen(pairs[i][0]), a);
        rag_spell_skeleton(pairs[i][1], strlen(pairs[i][1]), b);
        if (!rag_spell_same_sound(a, b))
            fail_msg("%s: %s, %s: %s", pairs[i][0], a, pairs[i][1], b);
    }
    assert_false(rag_spell_same_sound("LGN", "LKN"));
}

static void letter_names_are_read(void **state) {
    char out[16];

    (void)state;
    assert_int_equal(rag_spell_letters("에이티엠", 12, out, sizeof(out)), 3);
    assert_string_equal(out, "atm");
    assert_int_equal(rag_spell_letters("아이디", 9, out, sizeof(out)), 2);
    assert_string_equal(out, "id");
    assert_int_equal(rag_spell_letters("은행", 6, out, sizeof(out)), 0);
    assert_int_equal(rag_spell_letters("비", 3, out, sizeof(out)), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_words_find_their_document),
        cmocka_unit_test(one_edit_is_one_edit),
        cmocka_unit_test(sounds_agree_across_scripts),
        cmocka_unit_test(letter_names_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
