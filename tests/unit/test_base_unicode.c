/*
 * Promises: bad bytes are found and never run past; normal forms are
 * Unicode's, however long the text; hostile runs of marks cost linear time;
 * a question is cleaned alike however it was typed.
 */
#include "base/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef int (*form)(const char *, size_t, rag_buf *, rag_error *);

static void expect_form(form f, const char *in, const char *want) {
    rag_buf b;
    rag_error err;
    rag_buf_init(&b, 0);
    assert_int_equal(f(in, strlen(in), &b, &err), 0);
    assert_string_equal(rag_buf_str(&b), want);
    rag_buf_free(&b);
}

static void test_decoding(void **state) {
    static const struct {
        const char *s;
        size_t n, len;
        uint32_t cp;
    } t[] = {
        {"a", 1, 1, 'a'},
        {"\0", 1, 1, 0},
        {"\xC3\xA9", 2, 2, 0xE9},
        {"가", 3, 3, 0xAC00},
        {"\xF0\x9F\x98\x80", 4, 4, 0x1F600},
        {"\xF4\x8F\xBF\xBF", 4, 4, 0x10FFFF},
        {"\x80", 1, 1, RAG_CP_INVALID},
        {"\xC0\x80", 2, 1, RAG_CP_INVALID},
        {"\xC1\xBF", 2, 1, RAG_CP_INVALID},
        {"\xE0\x80\x80", 3, 1, RAG_CP_INVALID},
        {"\xE0\x9F\xBF", 3, 1, RAG_CP_INVALID},
        {"\xED\xA0\x80", 3, 1, RAG_CP_INVALID},
        {"\xED\xBF\xBF", 3, 1, RAG_CP_INVALID},
        {"\xF0\x80\x80\x80", 4, 1, RAG_CP_INVALID},
        {"\xF4\x90\x80\x80", 4, 1, RAG_CP_INVALID},
        {"\xF5\x80\x80\x80", 4, 1, RAG_CP_INVALID},
        {"\xFF", 1, 1, RAG_CP_INVALID},
        {"\xEA\xB0\x80", 2, 1, RAG_CP_INVALID}, /* cut */
        {"\xC3(", 2, 1, RAG_CP_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        uint32_t cp;
        /* A copy of its own length lets the sanitizer see every read. */
        char *s = malloc(t[i].n);
        assert_non_null(s);
        memcpy(s, t[i].s, t[i].n);
        assert_int_equal(rag_utf8_next(s, t[i].n, &cp), t[i].len);
        assert_int_equal(cp, t[i].cp);
        size_t bad = 99;
        assert_int_equal(rag_utf8_valid(s, t[i].n, &bad), cp != RAG_CP_INVALID);
        assert_int_equal(bad, cp == RAG_CP_INVALID ? 0 : 99);
        char put[4];
        if (cp != RAG_CP_INVALID) {
            assert_int_equal(rag_utf8_put(cp, put), t[i].len);
            assert_memory_equal(put, s, t[i].len);
            assert_int_equal(rag_utf8_prev(s, t[i].len), 0);
        } else {
            assert_int_equal(rag_utf8_prev(s, t[i].n), t[i].n - 1);
        }
        free(s);
    }
    char put[4];
    assert_int_equal(rag_utf8_put(0xD800, put), 0);
    assert_int_equal(rag_utf8_put(0xDFFF, put), 0);
    assert_int_equal(rag_utf8_put(0x110000, put), 0);
    assert_int_equal(rag_utf8_put(RAG_CP_INVALID, put), 0);
}

static void test_walking_both_ways_meets(void **state) {
    const char *s = "a가\xFF\xC3\xA9\xEA\xB0z\xF0\x9F\x98\x80\x80";
    size_t n = strlen(s), at[32], k = 0;
    (void)state;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        at[k++] = i;
        i += rag_utf8_next(s + i, n - i, &cp);
    }
    assert_int_equal(rag_utf8_count(s, n), k);
    for (size_t i = n; i > 0; i = rag_utf8_prev(s, i))
        assert_int_equal(rag_utf8_prev(s, i), at[--k]);
    assert_int_equal(k, 0);
}

static void test_valid_names_the_first_bad_byte(void **state) {
    char s[64];
    (void)state;
    for (size_t i = 0; i < 40; i++) {
        memset(s, 'a', sizeof s);
        s[i] = (char)0x80;
        size_t bad = 99;
        assert_false(rag_utf8_valid(s, 40, &bad));
        assert_int_equal(bad, i);
        assert_true(rag_utf8_valid(s, i, NULL));
    }
    assert_true(rag_utf8_valid("", 0, NULL));
}

static void test_floor(void **state) {
    const char *s = "a가b"; /* 0 1 4 5 */
    static const size_t want[] = {0, 1, 1, 1, 4, 5};
    (void)state;
    for (size_t i = 0; i <= 5; i++)
        assert_int_equal(rag_utf8_floor(s, 5, i), want[i]);
    assert_int_equal(rag_utf8_floor(s, 5, 100), 5);
    assert_int_equal(rag_utf8_floor("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
    assert_int_equal(rag_utf8_floor("", 0, 0), 0);
}

static void test_sanitize(void **state) {
    expect_form(rag_utf8_sanitize, "가나", "가나");
    expect_form(rag_utf8_sanitize, "\xFF가\xEA\xB0z\x80",
                "\xEF\xBF\xBD가\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD");
    expect_form(rag_utf8_sanitize, "", "");
    rag_buf b;
    rag_error err;
    (void)state;
    rag_buf_init(&b, 8);
    assert_int_equal(rag_buf_append_str(&b, "ab", NULL), 0);
    assert_int_equal(rag_utf8_sanitize("\xFF\xFF\xFF", 3, &b, &err),
                     RAG_E_LIMIT);
    assert_string_equal(b.data, "ab");
    rag_buf_free(&b);
}

static void test_normal_forms(void **state) {
    (void)state;
    /* NFD Hangul and accents, as macOS writes file names. */
    expect_form(rag_unicode_nfc, "\u1112\u1161\u11ab\u1100\u1173\u11af",
                "한글");
    expect_form(rag_unicode_nfc, "e\u0301cole", "école");
    expect_form(rag_unicode_nfc, "a\u0323\u0307", "\u1ea1\u0307");
    expect_form(rag_unicode_nfc, "a\u0307\u0323", "\u1ea1\u0307");
    expect_form(rag_unicode_nfc, "ＡＢ①", "ＡＢ①");
    expect_form(rag_unicode_nfc, "", "");
    expect_form(rag_unicode_nfkc, "ＡＢｃ１２３％　ﬁ①㎏", "ABc123% fi1kg");
    expect_form(rag_unicode_nfkc, "ﾊﾟ", "パ");
    expect_form(rag_unicode_nfkc, "ㄱㅏ", "가"); /* what NFKC says */
    expect_form(rag_unicode_fold, "ATM Ｃard ÉCOLE Straße ΣΑΣ",
                "atm card école strasse σασ");
    expect_form(rag_unicode_fold, "AbC", "abc");
    expect_form(rag_unicode_fold, "\uFDFA", "صلى الله عليه وسلم");
}

static void test_bad_input_is_refused(void **state) {
    form all[] = {rag_unicode_nfc, rag_unicode_nfkc, rag_unicode_fold,
                  rag_unicode_clean};
    (void)state;
    for (int i = 0; i < 4; i++) {
        rag_buf b;
        rag_error err;
        rag_buf_init(&b, 0);
        assert_int_equal(rag_buf_append_str(&b, "was", NULL), 0);
        assert_int_equal(all[i]("가a\xFF", 5, &b, &err), RAG_E_DATA);
        assert_non_null(strstr(err.message, "byte 4"));
        assert_string_equal(b.data, "was");
        /* A NUL is a character like another. */
        assert_int_equal(all[i]("가\0a", 5, &b, &err), 0);
        rag_buf_free(&b);
        rag_buf_init(&b, 4);
        assert_int_equal(all[i]("가가가", 9, &b, &err), RAG_E_LIMIT);
        assert_int_equal(b.len, 0);
        rag_buf_free(&b);
    }
}

/* Long texts go in batches: every piece must come out as it does alone,
 * wherever the cuts fall. */
static void test_batches_do_not_show(void **state) {
    static const struct {
        const char *in, *nfc, *fold;
    } t[] = {
        {"\u1112\u1161\u11ab", "한", "한"},
        {"e\u0301", "é", "é"},
        {"\u0915\u093C", "\u0915\u093C", "\u0915\u093C"},
        {"Ａ", "Ａ", "a"},
        {"ﾊﾟ", "ﾊﾟ", "パ"},
        {"\u09C7\u09BE", "\u09CB", "\u09CB"},
        {"Ab", "Ab", "ab"},
    };
    rag_buf in, nfc, fold, out;
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        rag_buf_init(&in, 0);
        rag_buf_init(&nfc, 0);
        rag_buf_init(&fold, 0);
        rag_buf_init(&out, 0);
        for (size_t k = 0; k < 20000; k++) {
            size_t i = (k * 7 + k / 13 + shift) % (sizeof t / sizeof *t);
            assert_int_equal(rag_buf_append_str(&in, t[i].in, NULL), 0);
            assert_int_equal(rag_buf_append_str(&nfc, t[i].nfc, NULL), 0);
            assert_int_equal(rag_buf_append_str(&fold, t[i].fold, NULL), 0);
        }
        assert_int_equal(rag_unicode_nfc(in.data, in.len, &out, NULL), 0);
        assert_string_equal(out.data, nfc.data);
        rag_buf_clear(&out);
        assert_int_equal(rag_unicode_fold(in.data, in.len, &out, NULL), 0);
        assert_string_equal(out.data, fold.data);
        rag_buf_free(&in);
        rag_buf_free(&nfc);
        rag_buf_free(&fold);
        rag_buf_free(&out);
    }
}

/* With utf8proc's sort over all of it this would take hours; the runner's
 * time-out is the limit. */
static void test_marks_without_end(void **state) {
    rag_buf in, out;
    (void)state;
    rag_buf_init(&in, 0);
    rag_buf_init(&out, 0);
    assert_int_equal(rag_buf_append_str(&in, "a", NULL), 0);
    for (int i = 0; i < 400000; i++)
        assert_int_equal(
            rag_buf_append_str(&in, i % 2 ? "\u0301" : "\u0323", NULL), 0);
    assert_int_equal(rag_unicode_nfc(in.data, in.len, &out, NULL), 0);
    assert_true(rag_utf8_valid(out.data, out.len, NULL));
    rag_buf_clear(&out);
    assert_int_equal(rag_unicode_fold(in.data, in.len, &out, NULL), 0);
    rag_buf_free(&in);
    rag_buf_free(&out);
}

static void test_clean(void **state) {
    (void)state;
    expect_form(rag_unicode_clean, "  통장\t\n개설은 　 어떻게？ ",
                "통장 개설은 어떻게?");
    expect_form(rag_unicode_clean, "ＡＴＭ　１００％", "ATM 100%");
    expect_form(rag_unicode_clean, "\u1112\u1161\u11ab", "한");
    expect_form(rag_unicode_clean, "a\x01\x1b[31mb\x7f", "a[31mb");
    expect_form(rag_unicode_clean, "\uFEFFa\u200Bb\u202Ec\u00ADd", "abcd");
    expect_form(rag_unicode_clean, "a\u00A0\u2003\u2028\xC2\x85 b", "a b");
    expect_form(rag_unicode_clean, " \n\t ", "");
    expect_form(rag_unicode_clean, "", "");
    /* What was between a letter and its mark is gone first. */
    expect_form(rag_unicode_clean, "e\x01\u0301", "é");
    expect_form(rag_unicode_clean, "①ﬁ", "①ﬁ");
}

static void test_classes(void **state) {
    static const struct {
        uint32_t cp;
        rag_char_class want;
    } t[] = {
        {'a', RAG_CHAR_LATIN},     {'Z', RAG_CHAR_LATIN},
        {'0', RAG_CHAR_DIGIT},     {' ', RAG_CHAR_SPACE},
        {'\n', RAG_CHAR_SPACE},    {'.', RAG_CHAR_OTHER},
        {'_', RAG_CHAR_OTHER},     {0, RAG_CHAR_OTHER},
        {0xE9, RAG_CHAR_LATIN},    {0x3B1, RAG_CHAR_LATIN},
        {0x416, RAG_CHAR_LATIN},   {0x301, RAG_CHAR_LATIN},
        {0xFF21, RAG_CHAR_LATIN},  {0x5D0, RAG_CHAR_LATIN},
        {0xAC00, RAG_CHAR_HANGUL}, {0xD7A3, RAG_CHAR_HANGUL},
        {0x1100, RAG_CHAR_HANGUL}, {0x11AB, RAG_CHAR_HANGUL},
        {0x3131, RAG_CHAR_HANGUL}, {0x4E00, RAG_CHAR_CJK},
        {0x3042, RAG_CHAR_CJK},    {0x30AB, RAG_CHAR_CJK},
        {0xFF76, RAG_CHAR_CJK},    {0x20000, RAG_CHAR_CJK},
        {0x3005, RAG_CHAR_CJK},    {0x3002, RAG_CHAR_OTHER},
        {0x30FB, RAG_CHAR_OTHER},  {0xFF10, RAG_CHAR_DIGIT},
        {0x3000, RAG_CHAR_SPACE},  {0xA0, RAG_CHAR_SPACE},
        {0x85, RAG_CHAR_SPACE},    {0x2028, RAG_CHAR_SPACE},
        {0x1F600, RAG_CHAR_OTHER}, {0x20AC, RAG_CHAR_OTHER},
        {0x2460, RAG_CHAR_OTHER},  {0x110000, RAG_CHAR_OTHER},
        {0xD800, RAG_CHAR_OTHER},  {RAG_CP_INVALID, RAG_CHAR_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        if (rag_unicode_class(t[i].cp) != t[i].want)
            fail_msg("U+%04X has class %d", t[i].cp,
                     (int)rag_unicode_class(t[i].cp));
}

static const char *lang(const char *s) {
    return rag_unicode_lang(s, strlen(s));
}

static void test_lang(void **state) {
    (void)state;
    assert_string_equal(lang("통장을 만들고 싶어요"), "ko");
    assert_string_equal(lang("ATM 수수료는 얼마인가요?"), "ko");
    assert_string_equal(lang("How do I open an account?"), "en");
    assert_string_equal(lang("Ｈｅｌｌｏ"), "en");
    assert_string_equal(lang("The word 통장 means a bank book for savings"),
                        "en");
    assert_string_equal(lang("1588-0000"), "");
    assert_string_equal(lang(""), "");
    assert_string_equal(lang("Привет"), "");
    assert_string_equal(lang("\xFF\xFE"), "");
    /* One of five letters is the border. */
    assert_string_equal(lang("가abcd"), "ko");
    assert_string_equal(lang("가abcde"), "en");
}

static void test_width(void **state) {
    (void)state;
    assert_int_equal(rag_unicode_width("abc", 3), 3);
    assert_int_equal(rag_unicode_width("가나", 6), 4);
    assert_int_equal(rag_unicode_width("e\u0301", 3), 1);
    assert_int_equal(rag_unicode_width("\n\x1b", 2), 0);
    assert_int_equal(rag_unicode_width("\xFF", 1), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_walking_both_ways_meets),
        cmocka_unit_test(test_valid_names_the_first_bad_byte),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_sanitize),
        cmocka_unit_test(test_normal_forms),
        cmocka_unit_test(test_bad_input_is_refused),
        cmocka_unit_test(test_batches_do_not_show),
        cmocka_unit_test(test_marks_without_end),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_lang),
        cmocka_unit_test(test_width),
    };
    return cmocka_run_group_tests_name("base/unicode", tests, NULL, NULL);
}
