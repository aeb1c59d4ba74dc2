/*
 * test_ingest_formats.c - each format gives the documents its authors meant:
 * text as it came, titles, validity, FAQ entries with their variants; what is
 * malformed is reported with its line, and the rest goes on.
 */
#include "tests/unit/test_ingest_collect.h"

#include <time.h>

static int64_t local(int y, int m, int d, int h, int min, int s) {
    struct tm tm = {.tm_year = y - 1900,
                    .tm_mon = m - 1,
                    .tm_mday = d,
                    .tm_hour = h,
                    .tm_min = min,
                    .tm_sec = s,
                    .tm_isdst = -1};
    return (int64_t)mktime(&tm);
}

static collected *one(const char *name, const char *text) {
    collected *c = collect_text(name, text);
    if (c->nproblems)
        print_error("%s:%zu: %s\n", c->problems[0].path, c->problems[0].line,
                    c->problems[0].reason);
    assert_int_equal(c->nproblems, 0);
    assert_int_equal(c->ndocs, 1);
    return c;
}

static collected *bad(const char *name, const char *text, size_t line) {
    collected *c = collect_text(name, text);
    assert_int_equal(c->ndocs, 0);
    assert_int_equal(c->nproblems, 1);
    assert_int_equal(c->problems[0].line, line);
    return c;
}

/* ---- text and Markdown ---------------------------------------------------- */

static void markdown_text_is_the_files(void **state) {
    (void)state;
    static const char TEXT[] = "# 휴가 **규정**\r\n\r\n본문  \n\n* a\n";
    collected *c = one("leave.ko.md", TEXT);
    assert_string_equal(c->docs[0].text, TEXT);
    assert_string_equal(c->docs[0].title, "휴가 규정");
    assert_string_equal(c->docs[0].id, "/root-of-test/leave.ko.md");
    assert_string_equal(c->docs[0].lang, "ko");
    assert_int_equal(c->docs[0].valid_from, RAG_TIME_NONE);
    collect_free(c);
}

static void front_matter_is_read(void **state) {
    (void)state;
    collected *c = one("a.md", "---\n"
                               "title: \"Leave: the rules\"\n"
                               "id: HR-012\n"
                               "시행일: 2026년 1월 1일\n"
                               "valid_until: 2026-12-31 # end of year\n"
                               "lang: en\n"
                               "tags:\n  - x\n"
                               "---\n# Other\n\nText.\n");
    assert_string_equal(c->docs[0].title, "Leave: the rules");
    assert_string_equal(c->docs[0].id, "HR-012");
    assert_string_equal(c->docs[0].lang, "en");
    assert_int_equal(c->docs[0].valid_from, local(2026, 1, 1, 0, 0, 0));
    assert_int_equal(c->docs[0].valid_until, local(2026, 12, 31, 23, 59, 59));
    collect_free(c);
}

/* A document whose end of validity cannot be read must not be served for
 * ever; another field that happens to hold words is no reason to drop it. */
static void malformed_dates(void **state) {
    (void)state;
    collected *c =
        bad("a.md", "---\ntitle: x\nvalid_until: soon\n---\nText.\n", 3);
    assert_non_null(strstr(c->problems[0].reason, "soon"));
    collect_free(c);
    c = one("a.md", "---\n시행일: 추후 공지\n---\nText.\n");
    assert_int_equal(c->docs[0].valid_from, RAG_TIME_NONE);
    collect_free(c);
}

static void a_rule_is_no_front_matter(void **state) {
    (void)state;
    collected *c = one("a.md", "---\nJust a line under a rule.\n---\n\nMore.");
    assert_string_equal(c->docs[0].title, "Just a line under a rule.");
    collect_free(c);
}

static void dates_as_people_write_them(void **state) {
    (void)state;
    static const char *const DATES[] = {
        "2026-03-01",     "2026.3.1",      "2026. 3. 1.",
        "2026년 3월 1일", "2026/03/01",    "20260301",
        "1 March 2026",   "March 1, 2026", "2026년 03월 01일"};
    int64_t t;
    for (size_t i = 0; i < sizeof DATES / sizeof *DATES; i++) {
        rag_error err = {0};
        if (rag_meta_time(DATES[i], strlen(DATES[i]), false, &t, &err))
            fail_msg("%s", err.message);
        assert_int_equal(t, local(2026, 3, 1, 0, 0, 0));
    }
    static const char *const NONE[] = {"",           "soon",       "2026",
                                       "2026-13-01", "2026-02-30", "1-2-3",
                                       "3월 1일",    "99999999"};
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++)
        assert_int_equal(
            rag_meta_time(NONE[i], strlen(NONE[i]), false, &t, NULL),
            RAG_E_DATA);
}

static void titles_of_plain_texts(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"공장 안전 수칙\n문서 번호 EH-001\n\n본문이다.\n", "공장 안전 수칙"},
        {"Retention Schedule\n==================\n\nText.\n",
         "Retention Schedule"},
        {"This is a sentence that begins a text.\nIt goes on.\n", "note"},
        {"\n\n  \nOnly a line alone here\n\nText.\n", "Only a line alone here"},
    };
    for (size_t i = 0; i < 4; i++) {
        collected *c = one("note.txt", CASES[i][0]);
        assert_string_equal(c->docs[0].title, CASES[i][1]);
        assert_string_equal(c->docs[0].text, CASES[i][0]);
        collect_free(c);
    }
}

static void files_without_text_are_reported(void **state) {
    (void)state;
    collect_free(bad("a.txt", " \n\t\n\xC2\xA0", 0));
    collect_free(bad("a.html", "<html><script>x()</script></html>", 0));
    collect_free(bad("a.csv", "\n\n", 0));
}

/* Same content, same hash: a file that moved is known again. */
static void hash_follows_content_only(void **state) {
    (void)state;
    collected *a = one("x/a.md", "# T\n\nText.\n");
    collected *b = one("y/z/a.md", "# T\n\nText.\n");
    collected *d = one("x/a.md", "# T\n\nText!\n");
    collected *e = one("x/a.md", "---\nvalid_until: 2026-01-01\n---\n# T\n");
    assert_memory_equal(&a->docs[0].hash, &b->docs[0].hash, RAG_SHA256_LEN);
    assert_memory_not_equal(&a->docs[0].hash, &d->docs[0].hash, RAG_SHA256_LEN);
    assert_memory_not_equal(&a->docs[0].hash, &e->docs[0].hash, RAG_SHA256_LEN);
    collect_free(a);
    collect_free(b);
    collect_free(d);
    collect_free(e);
}

/* ---- HTML ------------------------------------------------------------------- */

static void html_becomes_text_with_structure(void **state) {
    (void)state;
    collected *c =
        one("p.html",
            "<!DOCTYPE html><html><head><title>Policy - Hanbit</title>"
            "<style>p{}</style></head><body><nav>Home &gt; x</nav>"
            "<h1>Policy</h1><p>First   &amp; <b>bold</b>\n text.<br>Next.</p>"
            "<h2>List</h2><ul><li>one<li>two <ol><li>deep</ol></ul>"
            "<table><caption>Limits</caption><tr><th>Code<th>Who"
            "<tr><td rowspan=2>E-1<td>A|B<tr><td>C</table>"
            "<dl><dt>Term<dd>Meaning</dl><pre>a\n  b</pre>"
            "<script>alert(1)</script><!-- old: 5 --></body></html>");
    assert_string_equal(c->docs[0].title, "Policy");
    assert_string_equal(c->docs[0].text, "# Policy\n\n"
                                         "First & bold text.\nNext.\n\n"
                                         "## List\n\n"
                                         "- one\n- two\n   1. deep\n\n"
                                         "Limits\n\n"
                                         "| Code | Who |\n|---|---|\n"
                                         "| E-1 | A/B |\n| E-1 | C |\n\n"
                                         "- Term: Meaning\n\n"
                                         "```\na\n  b\n```\n");
    collect_free(c);
}

static void hidden_text_is_left_out(void **state) {
    (void)state;
    collected *c =
        one("p.html",
            "<body><p>Seen.</p><p hidden>no1</p><div style='Display : None'>no2"
            "</div><span style=\"visibility:hidden\">no3</span><span "
            "style='font-size:0px'>no4</span><i style='opacity:0'>no5</i>"
            "<div style='height:0;overflow:hidden'>no6</div><template>no7"
            "</template><p style='opacity:0.9;line-height:0'>Also seen.</p>"
            "<table><tr hidden><td>no8<tr><td>cell</table></body>");
    assert_null(strstr(c->docs[0].text, "no"));
    assert_non_null(strstr(c->docs[0].text, "Seen."));
    assert_non_null(strstr(c->docs[0].text, "Also seen."));
    assert_non_null(strstr(c->docs[0].text, "cell"));
    collect_free(c);
}

static void html_validity_from_meta(void **state) {
    (void)state;
    collected *c = one("p.html", "<head><meta name=valid_until "
                                 "content='2025-12-31'></head><p>x</p>");
    assert_int_equal(c->docs[0].valid_until, local(2025, 12, 31, 23, 59, 59));
    collect_free(c);
    collect_free(
        bad("p.html", "<meta name=valid_until content='never'><p>x</p>", 0));
}

static void hostile_html_is_refused_in_time(void **state) {
    (void)state;
    rag_buf b;
    rag_buf_init(&b, 0);
    for (int i = 0; i < 100000; i++)
        rag_buf_append_str(&b, "<div>", NULL);
    rag_buf_append_str(&b, "deep", NULL);
    collected *c = collect_bytes("a.html", b.data, b.len);
    assert_int_equal(c->ndocs, 0);
    assert_int_equal(c->problems[0].code, RAG_E_LIMIT);
    collect_free(c);
    rag_buf_clear(&b);
    rag_buf_append_str(&b, "<p ", NULL);
    for (int i = 0; i < 300000; i++)
        rag_buf_printf(&b, NULL, "a%d ", i);
    rag_buf_append_str(&b, ">x</p>", NULL);
    c = collect_bytes("a.html", b.data, b.len);
    assert_int_equal(c->ndocs, 0);
    assert_int_equal(c->problems[0].code, RAG_E_LIMIT);
    collect_free(c);
    rag_buf_free(&b);
}

/* ---- CSV ---------------------------------------------------------------------- */

static void faq_csv(void **state) {
    (void)state;
    collected *c = one(
        "faq.csv",
        "id,question,answer,category,valid_from,valid_until,variants\r\n"
        "f1,\"통장을, 어떻게 만드나요?\",\"신분증이 \"\"하나\"\" 필요합니다.\n"
        "앱에서도 됩니다.\",계좌,2026-01-01,,통장 만들기 | 계좌 개설 | "
        "통장 만들기\r\n\r\n");
    const rag_document *d = &c->docs[0];
    assert_int_equal(d->kind, RAG_DOC_FAQ);
    assert_string_equal(d->id, "f1");
    assert_string_equal(d->title, "통장을, 어떻게 만드나요?");
    assert_string_equal(d->text,
                        "신분증이 \"하나\" 필요합니다.\n앱에서도 됩니다.");
    assert_string_equal(d->category, "계좌");
    assert_int_equal(d->nquestions, 3);
    assert_string_equal(d->questions[0], "통장을, 어떻게 만드나요?");
    assert_string_equal(d->questions[2], "계좌 개설");
    assert_int_equal(d->valid_from, local(2026, 1, 1, 0, 0, 0));
    assert_int_equal(d->valid_until, RAG_TIME_NONE);
    collect_free(c);
}

static void faq_csv_with_korean_columns(void **state) {
    (void)state;
    collected *c = one("faq.csv", "\xEF\xBB\xBF분류;질문;답변;유사질문\n"
                                  "카드;연회비는?;없습니다.;회비 | 비용\n");
    assert_string_equal(c->docs[0].text, "없습니다.");
    assert_string_equal(c->docs[0].category, "카드");
    assert_int_equal(c->docs[0].nquestions, 3);
    /* Without an id it gets one that follows its question. */
    collected *again = one("faq.csv", "질문,답변\n연회비는?,3만 원입니다.\n");
    assert_string_equal(c->docs[0].id, again->docs[0].id);
    collect_free(c);
    collect_free(again);
}

static void bad_faq_rows_are_reported_and_the_rest_goes_on(void **state) {
    (void)state;
    collected *c = collect_text("faq.csv", "id,question,answer,valid_until\n"
                                           "a,Q1,A1,\n"
                                           "b,Q2,A2, with a comma,\n"
                                           "c,,A3,\n"
                                           "d,Q4,,\n"
                                           "e,Q5,A5,soon\n"
                                           "f,\"Q6\nmore\",A6,\n"
                                           "a,Q7,A7,\n"
                                           "g,\"Q8\"x,A8,\n"
                                           "h,Q9,A9,\n"
                                           "i,\"Q10,never closed\n");
    assert_int_equal(c->ndocs, 3);
    assert_string_equal(c->docs[0].id, "a");
    assert_string_equal(c->docs[1].id, "f");
    assert_string_equal(c->docs[2].id, "h");
    static const size_t LINES[] = {3, 4, 5, 6, 9, 10, 12};
    assert_int_equal(c->nproblems, 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(c->problems[i].line, LINES[i]);
    assert_int_equal(c->problems[4].code, RAG_E_CONFLICT);
    assert_non_null(strstr(c->problems[4].reason, "line 2"));
    collect_free(c);
}

static void csv_that_is_no_faq_is_a_table(void **state) {
    (void)state;
    collected *c = one("codes.csv", "Code,Meaning\nE-1,\"Fees, all | some\"\n"
                                    "E-2,Taxi\n");
    assert_int_equal(c->docs[0].kind, RAG_DOC_TEXT);
    assert_string_equal(c->docs[0].text, "| Code | Meaning |\n|---|---|\n"
                                         "| E-1 | Fees, all / some |\n"
                                         "| E-2 | Taxi |\n");
    assert_string_equal(c->docs[0].title, "codes");
    collect_free(c);
}

static void tsv_is_read(void **state) {
    (void)state;
    collected *c = one("faq.tsv", "question\tanswer\nWhat, now?\tNothing.\n");
    assert_string_equal(c->docs[0].title, "What, now?");
    collect_free(c);
}

/* ---- JSONL ---------------------------------------------------------------------- */

static void jsonl_records(void **state) {
    (void)state;
    collected *c = collect_text(
        "docs.jsonl",
        "{\"id\":\"a\",\"title\":\"T\",\"text\":\" as it\\ncame \\u00a0\"}\n"
        "\n"
        "{\"id\":7,\"question\":\"Q?\",\"variants\":[\"R?\"],\"text\":\"A.\","
        "\"valid_until\":\"2026-03-01T09:00:00+09:00\",\"url\":\"https://x\"}");
    assert_int_equal(c->nproblems, 0);
    assert_int_equal(c->ndocs, 2);
    assert_string_equal(c->docs[0].text, " as it\ncame \xC2\xA0");
    assert_string_equal(c->docs[0].title, "T");
    assert_int_equal(c->docs[0].kind, RAG_DOC_TEXT);
    assert_string_equal(c->docs[1].id, "7");
    assert_int_equal(c->docs[1].kind, RAG_DOC_FAQ);
    assert_string_equal(c->docs[1].title, "Q?");
    assert_int_equal(c->docs[1].nquestions, 2);
    assert_int_equal(c->docs[1].valid_until, 1772323200);
    assert_string_equal(c->docs[1].url, "https://x");
    collect_free(c);
}

static void bad_jsonl_lines_are_reported_and_the_rest_goes_on(void **state) {
    (void)state;
    static const char TEXT[] =
        "{\"id\":\"a\",\"text\":\"1\"}\n"
        "{\"id\":\"b\",\"text\":\n"
        "[1,2]\n"
        "{\"text\":\"no id\"}\n"
        "{\"id\":\"c\"}\n"
        "{\"id\":\"a\",\"text\":\"again\"}\n"
        "{\"id\":\"d\",\"text\":\"bad \xFF byte\"}\n"
        "{\"id\":\"e\",\"text\":\"nul \\u0000 byte\"}\n"
        "{\"id\":\"f\",\"text\":5}\n"
        "{\"id\":\"g\",\"text\":\"x\",\"valid_from\":\"tomorrow\"}\n"
        "{\"id\":\"h\",\"text\":\"  \"}\n"
        "{\"id\":\"z\",\"text\":\"last\"}\n";
    collected *c = collect_text("docs.jsonl", TEXT);
    assert_int_equal(c->ndocs, 2);
    assert_string_equal(c->docs[1].id, "z");
    assert_int_equal(c->nproblems, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(c->problems[i].line, i + 2);
    assert_int_equal(c->problems[4].code, RAG_E_CONFLICT);
    collect_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown_text_is_the_files),
        cmocka_unit_test(front_matter_is_read),
        cmocka_unit_test(malformed_dates),
        cmocka_unit_test(a_rule_is_no_front_matter),
        cmocka_unit_test(dates_as_people_write_them),
        cmocka_unit_test(titles_of_plain_texts),
        cmocka_unit_test(files_without_text_are_reported),
        cmocka_unit_test(hash_follows_content_only),
        cmocka_unit_test(html_becomes_text_with_structure),
        cmocka_unit_test(hidden_text_is_left_out),
        cmocka_unit_test(html_validity_from_meta),
        cmocka_unit_test(hostile_html_is_refused_in_time),
        cmocka_unit_test(faq_csv),
        cmocka_unit_test(faq_csv_with_korean_columns),
        cmocka_unit_test(bad_faq_rows_are_reported_and_the_rest_goes_on),
        cmocka_unit_test(csv_that_is_no_faq_is_a_table),
        cmocka_unit_test(tsv_is_read),
        cmocka_unit_test(jsonl_records),
        cmocka_unit_test(bad_jsonl_lines_are_reported_and_the_rest_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
