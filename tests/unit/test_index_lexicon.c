/*
 * Promises: a question finds what is written in the other language or in other
 * words; whatever the spaces, the particles and the endings; a word's
 * alternatives together count as one word; nothing is added that was not asked
 * for; a company adds its own; the lexicon itself is well-formed.
 */
#include "test_index_support.h"

#include "base/unicode.h"
#include "index/lexicon.h"

static const char *const lexicon[][2] = {
#include "index/lexicon.inc"
};

static const test_doc desk[] = {
    {.id = "wage", .text = "급여는 매월 25일에 지급한다.", .lang = "ko"},
    {.id = "lost", .text = "분실한 카드는 바로 정지된다.", .lang = "ko"},
    {.id = "fx", .text = "외화 송금의 한도는 영업점이 정한다.", .lang = "ko"},
    {.id = "leave", .text = "Annual leave is booked in advance.", .lang = "en"},
    {.id = "prepay",
     .text = "For early repayment of the mortgage we charge nothing.",
     .lang = "en"},
    {.id = "password",
     .text = "A password must have twelve letters.",
     .lang = "en"},
};

static const struct {
    const char *question, *id;
} table[] = {
    /* from Korean to English: particles, spaces, compounds, verbs */
    {"연차휴가는 어떻게 쓰나요", "leave"},
    {"연차 휴가를 미리", "leave"},
    {"비밀번호가 뭐예요", "password"},
    {"비밀 번호", "password"},
    {"주택담보대출 중도상환하면", "prepay"},
    /* from English to Korean: inflections, phrases */
    {"when are salaries paid", "wage"},
    {"foreign currency remittance", "fx"},
    {"I lost it", "lost"},
    /* other words of the same language */
    {"월급 언제", "wage"},
    {"잃어버렸는데요", "lost"},
    {"vacation days", "leave"},
};

static void other_words_find_the_document(void **state) {
    char *dir = test_dir();
    rag_index *ix;

    (void)state;
    test_store(dir, desk, sizeof(desk) / sizeof(desk[0]));
    ix = test_open(dir);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_finds(ix, table[i].question, table[i].id);
    rag_index_close(ix);
    test_dir_free(dir);
}

static size_t widened_by(const rag_lexicon *l, const char *question,
                         rag_lexicon_use use, rag_query_term *terms,
                         size_t *n) {
    size_t own;
    rag_error err;

    must(rag_query_terms(question, strlen(question), &rag_tuning_default, terms,
                         n, &err),
         &err);
    own = *n;
    must(rag_lexicon_widen(l, question, strlen(question), &rag_tuning_default,
                           use, terms, n, &err),
         &err);
    assert_true(*n <= RAG_QUERY_TERMS_MAX);
    for (size_t i = 0; i < *n; i++) {
        assert_true(terms[i].widened == (i >= own));
        assert_true(i < own || terms[i].weight > 0);
    }
    return *n - own;
}

static size_t widened(const char *question, rag_lexicon_use use,
                      rag_query_term *terms, size_t *n) {
    rag_lexicon *l;
    rag_error err;

    must(rag_lexicon_open(NULL, &l, &err), &err);
    return widened_by(l, question, use, terms, n);
}

static bool has(const rag_query_term *terms, size_t n, const char *token) {
    for (size_t i = 0; i < n; i++)
        if (terms[i].widened && strcmp(terms[i].token, token) == 0)
            return true;
    return false;
}

static void only_what_was_asked_for_is_added(void **state) {
    rag_query_term *t = calloc(RAG_QUERY_TERMS_MAX, sizeof(*t));
    const rag_lexicon_use none = {0}, korean = {.korean = 1},
                          english = {.english = 1}, same = {.synonym = 1};
    size_t n;

    (void)state;
    assert_non_null(t);
    assert_int_equal(widened("월급은 언제 salary", none, t, &n), 0);
    assert_true(widened("월급은 언제", english, t, &n) > 0);
    assert_true(has(t, n, "salari"));
    assert_false(has(t, n, "=급여"));
    assert_int_equal(widened("월급은 언제", korean, t, &n), 0);
    assert_true(widened("월급은 언제", same, t, &n) > 0);
    assert_true(has(t, n, "=급여"));
    assert_false(has(t, n, "=월급"));
    assert_false(has(t, n, "salari"));
    /* Of large stores only the usual ones. */
    assert_true(widened("월급은", english, t, &n) > 1);
    assert_int_equal(widened("월급은",
                             (rag_lexicon_use){.english = 1, .alternatives = 1},
                             t, &n),
                     1);
    assert_true(widened("Salaries?", korean, t, &n) > 0);
    assert_true(has(t, n, "=급여"));
    /* Function words mean nothing of their own, and are not looked for. */
    assert_int_equal(widened("is it for the the", korean, t, &n), 0);
    assert_true(widened("이름변경 신청", english, t, &n) > 0);
    assert_false(has(t, n, "of"));
    /* Words with a hyphen are found, and words across a full stop are not. */
    assert_true(widened("write-off", korean, t, &n) > 0);
    assert_true(widened("foreign currency", korean, t, &n) > 0);
    assert_true(has(t, n, "=외화"));
    widened("foreign. currency", korean, t, &n);
    assert_false(has(t, n, "=외화"));
    assert_int_equal(widened("", korean, t, &n), 0);
    free(t);
}

static void long_questions_fit(void **state) {
    rag_query_term *t = calloc(RAG_QUERY_TERMS_MAX, sizeof(*t));
    const rag_lexicon_use all = {.korean = 1, .english = 1, .synonym = 1};
    char *s = malloc(RAG_QUERY_BYTES_MAX + 400);
    size_t used = 0, n, k = 0;

    (void)state;
    assert_non_null(t);
    assert_non_null(s);
    while (used < RAG_QUERY_BYTES_MAX) {
        const char *side = lexicon[(k * 37) % 5000][k % 2];

        used += (size_t)sprintf(s + used, "%.60s ", side);
        k++;
    }
    widened(s, all, t, &n);
    assert_int_equal(n, RAG_QUERY_TERMS_MAX);
    free(s);
    free(t);
}

static void alternatives_count_as_one_word(void **state) {
    rag_query_term t[] = {
        {.token = "own", .word = 1, .df = 3, .idf = 7},
        /* one alternative of two tokens, the rarer in 2 chunks; one in 10 */
        {.token = "a", .word = 1, .df = 40, .widened = true, .alternative = 1},
        {.token = "b", .word = 1, .df = 2, .widened = true, .alternative = 1},
        {.token = "c", .word = 1, .df = 10, .widened = true, .alternative = 2},
        /* another word's */
        {.token = "d", .word = 2, .df = 1, .widened = true, .alternative = 3},
    };
    double n = 100;

    (void)state;
    for (size_t i = 1; i < 5; i++)
        t[i].idf =
            log(1 + (n - (double)t[i].df + 0.5) / ((double)t[i].df + 0.5));
    rag_lexicon_weigh(t, 5, n);
    assert_float_equal(t[0].idf, 7, 0);
    assert_float_equal(t[1].idf, log(1 + 60.5 / 40.5), 1e-12);
    assert_float_equal(t[2].idf, log(1 + 88.5 / 12.5), 1e-12);
    assert_float_equal(t[3].idf, log(1 + 88.5 / 12.5), 1e-12);
    assert_float_equal(t[4].idf, log(1 + 99.5 / 1.5), 1e-12);
}

static void a_company_adds_words(void **state) {
    static const char text[] =
        "\xEF\xBB\xBF# ours\n\n"
        "  구매요청서 ,구매품의,PPR, Purchase Request\r\n"
        "월급\n안 내~, unpaid\n안내, guidance\n"
        "\xE1\x84\x83\xE1\x85\xA2\xE1\x84\x8E\xE1\x85\xAE\xE1\x86\xAF, "
        "빌리~, zeta";
    const rag_lexicon_use all = {.korean = 1, .english = 1, .synonym = 1};
    rag_query_term *t = calloc(RAG_QUERY_TERMS_MAX, sizeof(*t));
    rag_lexicon *l;
    rag_error err;
    size_t n;

    (void)state;
    assert_non_null(t);
    must(rag_lexicon_parse("own", text, sizeof(text) - 1, &l, &err), &err);
    assert_true(widened_by(l, "PPR은 어디에", all, t, &n) > 0);
    assert_true(has(t, n, "=구매요청서"));
    assert_true(has(t, n, "purchas"));
    assert_true(widened_by(l, "빌리려면", all, t, &n) > 0);
    assert_true(has(t, n, "=대출"));
    assert_true(has(t, n, "zeta"));
    /* A noun is not the beginning of a phrase that reads the same. */
    assert_true(widened_by(l, "안내를", all, t, &n) > 0);
    assert_true(has(t, n, "guidanc"));
    assert_false(has(t, n, "unpaid"));
    widened_by(l, "안 내고", all, t, &n);
    assert_true(has(t, n, "unpaid"));
    assert_false(has(t, n, "guidanc"));
    /* Said instead of what is built in, which still has the rest. */
    assert_int_equal(widened_by(l, "월급은", all, t, &n), 0);
    assert_true(widened_by(l, "급여는", all, t, &n) > 0);
    rag_lexicon_close(l);
    free(t);
}

static void a_bad_line_is_named(void **state) {
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"체카, 체크카드\n\nA/S센터, service",
         "own:3: a Korean term is written"},
        {"하나,, 둘", "own:1: a term without a letter"},
        {"체카,", "own:1: a term without a letter"},
        {"돈, money", "own:1: a Korean term has two"},
        {"a, b, c, d, e, f, g", "own:1: more than six"},
        {"# \n가나다라마바사아자차카타파하가나다라마바사아자차카타파하",
         "own:2: a term is too long"},
        {"\xFF", "own: not UTF-8 at byte 0"},
        {"4대보험, insurance", "own:1: a Korean term is written"},
    };
    rag_error err;
    rag_lexicon *l;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(rag_lexicon_parse("own", bad[i].text,
                                           strlen(bad[i].text), &l, &err),
                         RAG_E_DATA);
        assert_null(l);
        if (strncmp(err.message, bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("\"%s\" says: %s", bad[i].text, err.message);
    }
    assert_int_equal(rag_lexicon_parse("own", "a\0b", 3, &l, &err), RAG_E_DATA);
    assert_int_equal(rag_lexicon_open("/nowhere/words", &l, &err),
                     RAG_E_NOINPUT);
    assert_non_null(strstr(err.message, "/nowhere/words"));
}

/* Terms separated by ", ", of one script, none twice, at most six. */
static void other_words_are_told(void **state) {
    static const char question[] = "체카 연회비는 얼마고 grandmother";
    rag_lexicon *l;
    rag_error err;
    rag_buf b;

    (void)state;
    rag_buf_init(&b, 0);
    must(rag_lexicon_open(NULL, &l, &err), &err);
    must(rag_lexicon_say(l, question, sizeof(question) - 1, &b, &err), &err);
    assert_non_null(strstr(rag_buf_str(&b), "annual fee, "));
    assert_non_null(strstr(rag_buf_str(&b), "조부모, "));
    assert_null(strchr(rag_buf_str(&b), '~'));
    rag_buf_free(&b);
    must(rag_lexicon_say(l, "", 0, &b, &err), &err);
    assert_int_equal(b.len, 0);
    rag_buf_free(&b);
    rag_lexicon_close(l);
}

static void the_lexicon_is_well_formed(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(lexicon) / sizeof(lexicon[0]); i++) {
        const char *side = lexicon[i / 2][i % 2], *s = side;
        size_t terms = 0;

        while (*s) {
            size_t n = strcspn(s, ",");

            if (n < 2 || n > 60 || s[0] == ' ' || s[n - 1] == ' ')
                fail_msg("a term of \"%s\"", side);
            for (size_t k = 0; k < n; k++) {
                bool high = (unsigned char)s[k] >= 0x80;
                bool tilde = s[k] == '~' && k == n - 1 && i % 2 == 0;

                if (s[k] != ' ' && !tilde && high != (i % 2 == 0))
                    fail_msg("another script in \"%s\"", side);
                if (i % 2 == 1 && s[k] >= 'A' && s[k] <= 'Z')
                    fail_msg("a capital in \"%s\"", side);
            }
            for (const char *q = side; q < s; q += strcspn(q, ",") + 2)
                if (strcspn(q, ",") == n && memcmp(q, s, n) == 0)
                    fail_msg("a term twice in \"%s\"", side);
            terms++;
            if (s[n] == ',' && s[n + 1] != ' ')
                fail_msg("no space in \"%s\"", side);
            s += s[n] ? n + 2 : n;
        }
        if (terms == 0 || terms > 6)
            fail_msg("%zu terms in \"%s\"", terms, side);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_words_find_the_document),
        cmocka_unit_test(only_what_was_asked_for_is_added),
        cmocka_unit_test(long_questions_fit),
        cmocka_unit_test(alternatives_count_as_one_word),
        cmocka_unit_test(a_company_adds_words),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(other_words_are_told),
        cmocka_unit_test(the_lexicon_is_well_formed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
