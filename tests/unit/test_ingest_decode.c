/*
 * test_ingest_decode.c - whatever an editor of the last thirty years saved as
 * text is read as that text; what is no text is refused with a reason.
 */
#include "tests/unit/test_ingest_collect.h"

#include "base/unicode.h"

#include <iconv.h>

static const char KOREAN[] =
    "연차는 3영업일 전까지 한빛온에서 신청한다. 팀장은 2영업일 안에 승인한다.\n"
    "갑작스러운 사정이 있으면 당일 오전 10시까지 전화로 알린다.\n";
static const char ENGLISH[] =
    "The caf\xC3\xA9 closes at 9 \xE2\x80\x93 don\xE2\x80\x99t be late.\n"
    "A na\xC3\xAFve r\xC3\xA9sum\xC3\xA9 costs \xE2\x82\xAC"
    "5.\n";

/* s in a charset, behind a mark. */
static rag_buf encode(const char *s, const char *charset, const char *mark,
                      size_t mark_len) {
    rag_buf out;
    rag_buf_init(&out, 0);
    assert_int_equal(rag_buf_append(&out, mark, mark_len, NULL), 0);
    assert_int_equal(rag_buf_reserve(&out, strlen(s) * 4 + 16, NULL), 0);
    iconv_t cd = iconv_open(charset, "UTF-8");
    assert_true(cd != (iconv_t)-1);
    char *in = (char *)(uintptr_t)s, *to = out.data + out.len;
    size_t left = strlen(s), room = strlen(s) * 4;
    assert_int_equal(iconv(cd, &in, &left, &to, &room), 0);
    out.len = (size_t)(to - out.data);
    iconv_close(cd);
    return out;
}

static void expect(const char *s, const char *charset, const char *mark,
                   size_t mark_len, bool html) {
    rag_buf in = encode(s, charset, mark, mark_len), out;
    rag_buf_init(&out, 0);
    rag_error err = {0};
    if (rag_decode(in.data, in.len, html, 1 << 20, &out, &err))
        fail_msg("%s: %s", charset, err.message);
    assert_string_equal(rag_buf_str(&out), s);
    rag_buf_free(&in);
    rag_buf_free(&out);
}

static void utf8_is_kept_byte_for_byte(void **state) {
    (void)state;
    expect(KOREAN, "UTF-8", "", 0, false);
    expect(ENGLISH, "UTF-8", "", 0, false);
    expect(KOREAN, "UTF-8", "\xEF\xBB\xBF", 3, false); /* less the mark */
}

static void decomposed_korean_stays_decomposed(void **state) {
    (void)state;
    static const char NFD[] = "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB";
    collected *c = collect_text("a.txt", NFD);
    assert_int_equal(c->ndocs, 1);
    assert_string_equal(c->docs[0].text, NFD);
    collect_free(c);
}

static void unicode_with_marks(void **state) {
    (void)state;
    expect(KOREAN, "UTF-16LE", "\xFF\xFE", 2, false);
    expect(KOREAN, "UTF-16BE", "\xFE\xFF", 2, false);
    expect(KOREAN, "UTF-32LE", "\xFF\xFE\0\0", 4, false);
    expect(KOREAN, "UTF-32BE", "\0\0\xFE\xFF", 4, false);
}

static void utf16_without_mark(void **state) {
    (void)state;
    expect(ENGLISH, "UTF-16LE", "", 0, false);
    expect(KOREAN, "UTF-16LE", "", 0, false);
    expect(KOREAN, "UTF-16BE", "", 0, false);
}

static void korean_windows_text(void **state) {
    (void)state;
    expect(KOREAN, "CP949", "", 0, false);
    expect(KOREAN, "EUC-KR", "", 0, false);
    expect("휴가\n", "CP949", "", 0, false);
    expect("똠방각하도 펲시콜라를 마신다. 쓩하고 간다.\n", "CP949", "", 0,
           false); /* syllables that EUC-KR has not */
}

static void western_windows_text(void **state) {
    (void)state;
    expect(ENGLISH, "WINDOWS-1252", "", 0, false);
    expect("caf\xC3\xA9\n", "WINDOWS-1252", "", 0, false);
}

static void html_says_its_charset(void **state) {
    (void)state;
    expect("<html><head><meta charset=\"euc-kr\"></head><body>가나다 "
           "표준어</body></html>",
           "EUC-KR", "", 0, true);
    expect("<meta http-equiv=Content-Type content=\"text/html; "
           "charset=shift_jis\">日本語の文章です",
           "SHIFT_JIS", "", 0, true);
}

static void stray_bytes_do_not_cost_the_document(void **state) {
    (void)state;
    rag_buf b, out;
    rag_buf_init(&b, 0);
    rag_buf_init(&out, 0);
    for (int i = 0; i < 20; i++)
        rag_buf_append_str(&b, KOREAN, NULL);
    rag_buf_append(&b, "\xEC\x97", 2, NULL); /* cut in a syllable */
    assert_int_equal(rag_decode(b.data, b.len, false, 1 << 20, &out, NULL), 0);
    assert_true(rag_utf8_valid(out.data, out.len, NULL));
    assert_memory_equal(out.data, KOREAN, strlen(KOREAN));
    rag_buf_free(&b);
    rag_buf_free(&out);
}

static void refused(const char *bytes, size_t n, rag_code want) {
    rag_buf out;
    rag_buf_init(&out, 0);
    rag_error err = {0};
    assert_int_equal(rag_decode(bytes, n, false, 1000, &out, &err), want);
    assert_true(err.message[0] != 0);
    assert_int_equal(out.len, 0);
    rag_buf_free(&out);
}

static void binary_is_refused(void **state) {
    (void)state;
    char noise[900];
    uint32_t seed = 7;
    for (size_t i = 0; i < sizeof noise; i++) {
        seed = seed * 1664525u + 1013904223u;
        noise[i] = (char)(seed >> 24);
    }
    refused(noise, sizeof noise, RAG_E_DATA);
    refused("text\0more", 9, RAG_E_DATA);
    refused("\x01\x02\x03\x04\x05\x06\x07 abc", 11, RAG_E_DATA);
    refused("\xFF\xFE\x00\xD8\x41\x00", 6, RAG_E_DATA); /* lone surrogate */
}

static void ceiling_is_kept(void **state) {
    (void)state;
    char big[1101];
    memset(big, 'a', 1100);
    refused(big, 1100, RAG_E_LIMIT);
    rag_buf in, out;
    in = encode(KOREAN, "CP949", "", 0);
    rag_buf_init(&out, 0);
    assert_int_equal(rag_decode(in.data, in.len, false, 20, &out, NULL),
                     RAG_E_LIMIT);
    assert_int_equal(out.len, 0);
    rag_buf_free(&in);
    rag_buf_free(&out);
}

static void formats_that_are_not_read_say_so(void **state) {
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t n;
        const char *word;
    } FILES[] = {
        {"a.pdf", "%PDF-1.7 ...", 12, "PDF"},
        {"a.docx", "PK\x03\x04....", 8, "docx"},
        {"a.hwp", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", 8, "HWP"},
        {"a.png", "\x89PNG....", 8, "picture"},
        {"a.txt", "%PDF-1.7 ...", 12, "PDF"}, /* whatever its name */
        {"a",
         "\x7F"
         "ELF....",
         8, "program"},
    };
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        collected *c = collect_bytes(FILES[i].name, FILES[i].bytes, FILES[i].n);
        assert_int_equal(c->ndocs, 0);
        assert_int_equal(c->nproblems, 1);
        assert_int_equal(c->problems[0].code, RAG_E_UNSUPPORTED);
        assert_non_null(strstr(c->problems[0].reason, FILES[i].word));
        collect_free(c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_kept_byte_for_byte),
        cmocka_unit_test(decomposed_korean_stays_decomposed),
        cmocka_unit_test(unicode_with_marks),
        cmocka_unit_test(utf16_without_mark),
        cmocka_unit_test(korean_windows_text),
        cmocka_unit_test(western_windows_text),
        cmocka_unit_test(html_says_its_charset),
        cmocka_unit_test(stray_bytes_do_not_cost_the_document),
        cmocka_unit_test(binary_is_refused),
        cmocka_unit_test(ceiling_is_kept),
        cmocka_unit_test(formats_that_are_not_read_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
