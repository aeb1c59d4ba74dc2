/*
 * test_ingest_chunk.c - chunks respect a text's structure, never exceed the
 * maximum, leave nothing out, and the encoder sees what a reader would need.
 */
#include "tests/unit/test_ingest_collect.h"

#include "base/unicode.h"

static rag_sentences *S;

/* Words, so that sizes in the tests can be counted by hand. */
static size_t count_words(void *user, const char *s, size_t n) {
    (void)user;
    size_t words = 0;
    bool in = false;
    for (size_t i = 0; i < n; i++) {
        bool space = strchr(" \t\r\n", s[i]) != NULL;
        words += !space && !in;
        in = !space;
    }
    return words;
}

static collected *cut(const char *name, const char *text, size_t target,
                      size_t max) {
    collected *c = collect_text(name, text);
    assert_int_equal(c->ndocs, 1);
    rag_chunk_options opt = {
        .target_tokens = target, .max_tokens = max, .count = count_words};
    rag_error err = {0};
    if (rag_ingest_chunk(&c->docs[0], &opt, S, &err))
        fail_msg("%s", err.message);
    return c;
}

static const char *chunk_text(const rag_document *d, size_t i) {
    static char out[4096];
    snprintf(out, sizeof out, "%.*s",
             (int)(d->chunks[i].end - d->chunks[i].start),
             d->text + d->chunks[i].start);
    return out;
}

static const char *passage(const rag_document *d, size_t i) {
    static char out[4096];
    rag_buf b;
    rag_buf_init(&b, 0);
    rag_error err = {0};
    if (rag_ingest_passage(d, i, &b, &err))
        fail_msg("%s", err.message);
    snprintf(out, sizeof out, "%s", rag_buf_str(&b));
    rag_buf_free(&b);
    return out;
}

static void sections_and_their_paths(void **state) {
    (void)state;
    collected *c = cut("a.md",
                       "# Leave\n\nIntro text here.\n\n## Annual\n\n### Ask\n\n"
                       "Ask three days before.\n\n### Carry over\n\nFive days "
                       "at most.\n\n## Sick\n\nCall by ten.\n",
                       10, 20);
    const rag_document *d = &c->docs[0];
    assert_int_equal(d->nchunks, 4);
    assert_string_equal(d->chunks[0].heading, "");
    assert_string_equal(chunk_text(d, 0), "# Leave\n\nIntro text here.");
    assert_string_equal(d->chunks[1].heading, "Annual > Ask");
    assert_string_equal(chunk_text(d, 1),
                        "## Annual\n\n### Ask\n\nAsk three days before.");
    assert_string_equal(d->chunks[2].heading, "Annual > Carry over");
    assert_string_equal(d->chunks[3].heading, "Sick");
    assert_string_equal(passage(d, 1),
                        "Leave\nAnnual > Ask\nAnnual\nAsk\nAsk three days "
                        "before.");
    assert_string_equal(passage(d, 3), "Leave\nSick\nCall by ten.");
    collect_free(c);
}

static void tiny_sections_go_together(void **state) {
    (void)state;
    collected *c = cut("a.md", "# T\n\n## A\n\nyes\n\n## B\n\nno\n\n", 60, 100);
    assert_int_equal(c->docs[0].nchunks, 1);
    assert_string_equal(c->docs[0].chunks[0].heading, "");
    collect_free(c);
}

static void lists_stay_whole_with_their_introduction(void **state) {
    (void)state;
    collected *c = cut("a.md",
                       "One two three four five six.\n\nYou need:\n\n- an id "
                       "card\n- a seal\n  of stone\n\n- a form\n\nAfter it "
                       "comes some more text.\n",
                       12, 40);
    const rag_document *d = &c->docs[0];
    assert_int_equal(d->nchunks, 2);
    assert_non_null(strstr(chunk_text(d, 0), "You need:"));
    assert_non_null(strstr(chunk_text(d, 0), "- a form"));
    assert_string_equal(chunk_text(d, 1), "After it comes some more text.");
    collect_free(c);
}

static void long_lists_are_cut_between_items(void **state) {
    (void)state;
    collected *c = cut("a.md",
                       "- one two three\n- four five six\n  seven eight\n"
                       "- nine ten eleven\n- twelve thirteen\n",
                       8, 9);
    const rag_document *d = &c->docs[0];
    assert_true(d->nchunks >= 2);
    for (size_t i = 0; i < d->nchunks; i++)
        assert_int_equal(strncmp(chunk_text(d, i), "- ", 2), 0);
    collect_free(c);
}

/* A cut table says its header in each passage, never in the range. */
static void long_tables_repeat_their_header(void **state) {
    (void)state;
    collected *c = cut("a.md",
                       "## Codes\n\n| Code | Who |\n|---|---|\n"
                       "| E-1 | a b c |\n| E-2 | d e f |\n| E-3 | g h i |\n"
                       "| E-4 | j k l |\n\nEnd of it all here now.\n",
                       17, 19);
    const rag_document *d = &c->docs[0];
    assert_true(d->nchunks >= 2);
    assert_int_equal(strncmp(chunk_text(d, 1), "| E-", 4), 0);
    assert_non_null(strstr(passage(d, 1), "Codes\nCode | Who\nE-"));
    assert_null(strstr(chunk_text(d, 1), "Code"));
    assert_null(strstr(passage(d, 1), "---"));
    collect_free(c);
}

static void prose_is_cut_at_sentences(void **state) {
    (void)state;
    collected *c =
        cut("a.txt",
            "하나 둘 셋 넷. 다섯 여섯 일곱입니다. 여덟 아홉 열인가요? "
            "열하나 열둘 열셋이다.\n",
            7, 8);
    const rag_document *d = &c->docs[0];
    assert_int_equal(d->nchunks, 2);
    assert_string_equal(chunk_text(d, 0),
                        "하나 둘 셋 넷. 다섯 여섯 일곱입니다.");
    collect_free(c);
}

static void overlap_repeats_sentences(void **state) {
    (void)state;
    collected *c = collect_text("a.txt", "One two. Three four. Five six. Seven "
                                         "eight. Nine ten.\n");
    rag_chunk_options opt = {.target_tokens = 4,
                             .max_tokens = 5,
                             .overlap_sentences = 1,
                             .count = count_words};
    assert_int_equal(rag_ingest_chunk(&c->docs[0], &opt, S, NULL), 0);
    const rag_document *d = &c->docs[0];
    assert_string_equal(chunk_text(d, 0), "One two. Three four.");
    assert_string_equal(chunk_text(d, 1), "Three four. Five six.");
    assert_int_equal(d->chunks[d->nchunks - 1].end, strlen(d->text) - 1);
    collect_free(c);
}

static void statutes_have_articles(void **state) {
    (void)state;
    collected *c = cut("law.txt",
                       "제1장 총칙\n\n제1조(목적) 이 법은 하나 둘 셋 넷 다섯을 "
                       "목적으로 한다.\n\n제2조(정의) 이 법에서 쓰는 말의 뜻은 "
                       "다음과 같다.\n1. 가나 다라\n2. 마바 사아\n",
                       12, 30);
    const rag_document *d = &c->docs[0];
    assert_int_equal(d->nchunks, 2);
    assert_string_equal(d->chunks[0].heading, "제1조(목적)");
    assert_string_equal(d->chunks[1].heading, "제2조(정의)");
    collect_free(c);
}

static void a_faq_is_one_chunk_with_its_question(void **state) {
    (void)state;
    collected *c = cut("faq.csv",
                       "question,answer\n"
                       "연회비는?,\"# 없음\n\n- 첫째\n- 둘째\"\n",
                       2, 20);
    const rag_document *d = &c->docs[0];
    assert_int_equal(d->nchunks, 1);
    assert_int_equal(d->chunks[0].start, 0);
    assert_int_equal(d->chunks[0].end, d->text_len);
    assert_string_equal(passage(d, 0), "연회비는?\n없음\n첫째\n둘째");
    collect_free(c);
}

static void passages_have_no_markup(void **state) {
    (void)state;
    collected *c = cut(
        "a.md",
        "---\ntitle: T\n---\n> **Bold** and _it_ `code` [a link](http://x/(y)) "
        "![pic](z) <br> &amp; snake_case 2 * 3 3~5일 a\\*b\n\n```sh\nls -l\n"
        "```\n\n* * *\n<!-- secret -->\n",
        50, 80);
    const rag_document *d = &c->docs[0];
    assert_int_equal(d->nchunks, 1);
    assert_string_equal(passage(d, 0),
                        "T\nBold and it code a link pic & snake_case 2 * 3 "
                        "3~5일 a*b\nls -l");
    assert_null(strstr(chunk_text(d, 0), "secret"));
    assert_null(strstr(chunk_text(d, 0), "title:"));
    collect_free(c);
}

static void passages_are_composed(void **state) {
    (void)state;
    collected *c =
        cut("a.txt", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB.\n", 9, 9);
    assert_non_null(strstr(passage(&c->docs[0], 0), "한."));
    assert_int_equal(c->docs[0].chunks[0].end, 10);
    collect_free(c);
}

/* Any text: order, characters, maximum, and nothing left out. */
static void chunks_hold_everything(void **state) {
    (void)state;
    static const char *const PIECES[] = {
        "# H\n\n",
        "## 둘\n",
        "문장이다. ",
        "word ",
        "\n",
        "\n\n",
        "- item ",
        "1. 하나 ",
        "| a | b |\n",
        "|---|---|\n",
        "가나다라마바사",
        "```\n",
        "> q ",
        "제3조(가) ",
        "x\n---\n",
        "   - sub ",
        "Sentence ends here. ",
        "긴 문장 하나가 여기 있습니다. ",
    };
    uint32_t seed = 99;
    for (int round = 0; round < 400; round++) {
        rag_buf b;
        rag_buf_init(&b, 0);
        for (int i = 0; i < 80; i++) {
            seed = seed * 1664525u + 1013904223u;
            rag_buf_append_str(
                &b, PIECES[(seed >> 16) % (sizeof PIECES / sizeof *PIECES)],
                NULL);
        }
        collected *c =
            cut(round % 2 ? "a.md" : "a.txt", rag_buf_str(&b), 12, 20);
        const rag_document *d = &c->docs[0];
        rag_block *blocks;
        size_t nblocks, at = 0;
        assert_int_equal(rag_outline(d->text, d->text_len, round % 2, &blocks,
                                     &nblocks, NULL),
                         0);
        char *covered = calloc(d->text_len + 1, 1);
        for (size_t i = 0; i < nblocks; i++)
            if (blocks[i].kind == RAG_BLOCK_MARKUP)
                memset(covered + blocks[i].start, 1,
                       blocks[i].end - blocks[i].start);
        free(blocks);
        for (size_t i = 0; i < d->nchunks; i++) {
            const rag_chunk *k = &d->chunks[i];
            assert_true(k->start >= at && k->end > k->start &&
                        k->end <= d->text_len);
            assert_true(
                rag_utf8_valid(d->text + k->start, k->end - k->start, NULL));
            assert_true(
                count_words(NULL, d->text + k->start, k->end - k->start) <= 20);
            memset(covered + k->start, 1, k->end - k->start);
            at = k->end;
            assert_true(passage(d, i)[0] != 0);
        }
        for (size_t i = 0; i < d->text_len; i++)
            if (!covered[i] && !strchr(" \t\r\n", d->text[i]))
                fail_msg("left out at %zu of:\n%s", i, d->text);
        free(covered);
        rag_buf_free(&b);
        collect_free(c);
    }
}

/* One word longer than the maximum is cut between characters. */
static size_t count_bytes(void *user, const char *s, size_t n) {
    (void)user;
    (void)s;
    return n;
}

static void endless_words_are_cut(void **state) {
    (void)state;
    rag_buf b;
    rag_buf_init(&b, 0);
    for (int i = 0; i < 3000; i++)
        rag_buf_append_str(&b, "가", NULL);
    collected *c = collect_text("a.txt", b.data);
    rag_chunk_options opt = {
        .target_tokens = 50, .max_tokens = 100, .count = count_bytes};
    assert_int_equal(rag_ingest_chunk(&c->docs[0], &opt, S, NULL), 0);
    size_t at = 0;
    for (size_t i = 0; i < c->docs[0].nchunks; i++) {
        const rag_chunk *k = &c->docs[0].chunks[i];
        assert_int_equal(k->start, at);
        assert_true(k->end - k->start <= 100);
        assert_int_equal((k->end - k->start) % 3, 0);
        at = k->end;
    }
    assert_int_equal(at, 9000);
    rag_buf_free(&b);
    collect_free(c);
}

static int open_splitter(void **state) {
    (void)state;
    return rag_sentences_open(&S, NULL);
}

static int close_splitter(void **state) {
    (void)state;
    rag_sentences_close(S);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_and_their_paths),
        cmocka_unit_test(tiny_sections_go_together),
        cmocka_unit_test(lists_stay_whole_with_their_introduction),
        cmocka_unit_test(long_lists_are_cut_between_items),
        cmocka_unit_test(long_tables_repeat_their_header),
        cmocka_unit_test(prose_is_cut_at_sentences),
        cmocka_unit_test(overlap_repeats_sentences),
        cmocka_unit_test(statutes_have_articles),
        cmocka_unit_test(a_faq_is_one_chunk_with_its_question),
        cmocka_unit_test(passages_have_no_markup),
        cmocka_unit_test(passages_are_composed),
        cmocka_unit_test(chunks_hold_everything),
        cmocka_unit_test(endless_words_are_cut),
    };
    return cmocka_run_group_tests(tests, open_splitter, close_splitter);
}
