/*
 * Promise: a model card is read exactly or refused with file, place and
 * reason; a misspelt key never changes silently what a model is asked.
 */
#include "generate/generate.h"
#include "generate/generate_int.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TURNS                                                                  \
    "[card]\nname = t\nformat = turns\nuser_open = <u>\\n\n"                   \
    "model_open = <m>\n"

static int parse(const char *text, rag_card **out, rag_error *err) {
    rag_error_clear(err);
    return rag_card_parse(text, strlen(text), "x.card", out, err);
}

static void test_values(void **state) {
    (void)state;
    rag_card *c = NULL;
    rag_error err;
    assert_int_equal(parse(TURNS "stop = <e>\nstop = \\n\\n\n[en]\n"
                                 "instruction = One\ninstruction = two.\\n\n"
                                 "instruction = Three\\s\\\\.\n"
                                 "refusal_bias = -2.5\nadapter_scale = 0.5\n"
                                 "max_items = 4\ntitles = yes\n",
                           &c, &err),
                     0);
    assert_string_equal(rag_card_name(c), "t");
    assert_string_equal(c->user_open, "<u>\n");
    assert_int_equal(c->nstops, 2);
    assert_string_equal(c->stops[1], "\n\n");
    const rag_card_lang *en = &c->lang[RAG_CARD_EN];
    assert_string_equal(en->instruction, "One two.\nThree \\.");
    assert_true(en->refusal_bias == -2.5 && en->adapter_scale == 0.5);
    assert_true(en->titles);
    const rag_card_lang *ko = &c->lang[RAG_CARD_KO];
    assert_string_equal(ko->refusal, "자료에 없음");
    assert_true(isnan(ko->adapter_scale));
    rag_evidence_options o;
    rag_card_windows(c, "en", &o);
    assert_int_equal(o.max_items, 4);
    rag_card_free(c);
}

static void test_mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } BAD[] = {
        {TURNS "stpo = x\n", "unknown key \"stpo\""},
        {TURNS "[english]\nquestion = x\n", "unknown section [english]"},
        {"[card]\nformat = tune\n", "format = tune"},
        {"[card]\nformat = turns\n", "user_open"},
        {"[card]\nformat = few-shot\n", "[ko.example.1]"},
        {TURNS "[en]\nmax_items = many\n", "max_items = many"},
        {TURNS "[en]\nmax_items = 9\n", "max_items = 9"},
        {TURNS "[en]\nadapter_scale = nan\n", "adapter_scale"},
        {TURNS "[en]\ntitles = maybe\n", "titles"},
        {TURNS "[en]\nrefusal = x\n", "refusal"},
        {TURNS "[en]\nquestion = a\\q\n", "backslash"},
        {TURNS "[en.example.2]\nquestion = x\n", "example 1"},
        {TURNS "[en.example.0]\nquestion = x\n", "numbered"},
        {TURNS "[en.example.1]\nquestion = x\n", "source"},
        {TURNS "stop = a\nstop = b\nstop = c\nstop = d\nstop = e\n", "stop"},
        {TURNS "what is this\n", "line 6"},
        {TURNS "[en]\nquestion = \xff\n", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        rag_card *c = NULL;
        rag_error err;
        assert_int_not_equal(parse(BAD[i].text, &c, &err), 0);
        assert_null(c);
        if (!strstr(err.message, BAD[i].says))
            print_error("%s: %s\n", BAD[i].says, err.message);
        assert_non_null(strstr(err.message, BAD[i].says));
        assert_non_null(strstr(err.message, "x.card"));
    }
}

static void test_limits(void **state) {
    (void)state;
    rag_card *c = NULL;
    rag_error err;
    char *big = calloc(1, RAG_CARD_FILE_MAX + 200);
    assert_non_null(big);
    /* One long line: it would be cut without a word. */
    snprintf(big, 1024, TURNS "[en]\ninstruction = %0400d\n", 1);
    assert_int_equal(parse(big, &c, &err), RAG_E_DATA);
    assert_non_null(strstr(err.message, "line 7"));
    /* A value of too many lines. */
    size_t n = (size_t)snprintf(big, 1024, TURNS "[en]\n");
    while (n < 40000)
        n += (size_t)snprintf(big + n, 100, "instruction = %060d\n", 1);
    assert_int_equal(parse(big, &c, &err), RAG_E_LIMIT);
    memset(big, '\n', RAG_CARD_FILE_MAX + 100);
    assert_int_equal(parse(big, &c, &err), RAG_E_LIMIT);
    assert_int_equal(rag_card_parse("[card]\0x", 8, "x", &c, &err), RAG_E_DATA);
    free(big);
    assert_int_equal(rag_card_load("/nonexistent/x.card", &c, &err),
                     RAG_E_NOINPUT);
    assert_null(c);
    rag_card_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
