/*
 * test_client_print.c - what rag prints: wrapped by columns, and harmless to
 * the terminal whatever a document holds.
 */
#include "client/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Prints pieces to memory with a width; the caller frees. */
static char *printed(size_t width, size_t indent, const char *const *pieces) {
    char *text = NULL;
    size_t len = 0;
    rag_printer p;
    FILE *f = tmpfile();
    assert_non_null(f);
    rag_printer_init(&p, f);
    p.width = width;
    p.indent = indent;
    for (size_t i = 0; pieces[i]; i++)
        rag_printer_text(&p, pieces[i], strlen(pieces[i]));
    rag_printer_end(&p);
    rag_printer_free(&p);
    len = (size_t)ftell(f);
    text = calloc(1, len + 1);
    assert_non_null(text);
    rewind(f);
    assert_int_equal(fread(text, 1, len, f), len);
    fclose(f);
    return text;
}

static void prints(size_t width, size_t indent, const char *in,
                   const char *want) {
    const char *pieces[] = {in, NULL};
    char *got = printed(width, indent, pieces);
    assert_string_equal(got, want);
    free(got);
}

static void wide_characters_count_as_two(void **state) {
    (void)state;
    prints(10, 0, "가나다라 마바사아", "가나다라\n마바사아\n");
    prints(10, 0, "가나다라마 바", "가나다라마\n바\n");
    prints(8, 0, "가나다라마바", "가나다라\n마바\n");
    prints(0, 0, "가나다라 마바사아", "가나다라 마바사아\n");
}

static void words_are_wrapped_whole(void **state) {
    (void)state;
    prints(10, 0, "one two three four", "one two\nthree four\n");
    prints(10, 2, "a b\nccc dddd eee", "a b\n  ccc dddd\n  eee\n");
    prints(10, 0, "  lead", "lead\n");
    prints(20, 0, "a  \t b", "a b\n");
}

static void nothing_reaches_the_terminal_but_text(void **state) {
    (void)state;
    prints(0, 0, "red \033[31mtext\033[0m \007bell\r\b",
           "red [31mtext[0m bell\n");
    prints(0, 0,
           "\xC2\x9B"
           "31m",
           "31m\n"); /* C1 control sequence introducer */
    prints(0, 0,
           "a\xE2\x80\xAE"
           "b\xE2\x81\xA6"
           "c",
           "abc\n"); /* direction overrides */
    prints(0, 0, "bad \xff\xfe bytes", "bad bytes\n");
}

static void pieces_join_without_a_seam(void **state) {
    (void)state;
    const char *pieces[] = {"연차는 ", "최대 5", "일까지", " 넘길 수 있다.",
                            NULL};
    char *got = printed(0, 0, pieces);
    assert_string_equal(got, "연차는 최대 5일까지 넘길 수 있다.\n");
    free(got);
}

static void words_of_a_question_are_joined(void **state) {
    (void)state;
    char *argv[] = {(char *)(uintptr_t) "ask", (char *)(uintptr_t) "통장",
                    (char *)(uintptr_t) "해지", NULL};
    char *blank[] = {(char *)(uintptr_t) "ask", (char *)(uintptr_t) "  ", NULL};
    char *latin1[] = {(char *)(uintptr_t) "ask", (char *)(uintptr_t) "caf\xe9",
                      NULL};
    rag_buf b;
    rag_error err = {0};
    rag_buf_init(&b, 0);
    assert_int_equal(rag_words(3, argv, 1, &b, &err), 0);
    assert_string_equal(rag_buf_str(&b), "통장 해지");
    rag_buf_clear(&b);
    assert_int_equal(rag_words(1, argv, 1, &b, &err), RAG_E_USAGE);
    assert_int_equal(rag_words(2, blank, 1, &b, &err), RAG_E_USAGE);
    rag_buf_clear(&b);
    assert_int_equal(rag_words(2, latin1, 1, &b, &err), RAG_E_DATA);
    rag_buf_free(&b);
}

static void each_command_explains_itself(void **state) {
    (void)state;
    for (const rag_command *c = rag_commands; c->name; c++) {
        assert_ptr_equal(rag_command_find(c->name), c);
        assert_non_null(c->run);
        assert_true(strlen(c->summary) > 0 && strlen(c->summary) < 65);
        assert_non_null(strstr(c->usage, c->name));
    }
    assert_null(rag_command_find("nonsense"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_characters_count_as_two),
        cmocka_unit_test(words_are_wrapped_whole),
        cmocka_unit_test(nothing_reaches_the_terminal_but_text),
        cmocka_unit_test(pieces_join_without_a_seam),
        cmocka_unit_test(words_of_a_question_are_joined),
        cmocka_unit_test(each_command_explains_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
