/*
 * faq_text.c - a text as the desk compares it: two folded forms, words,
 * numbers and codes, sides of the table of opposites. Pure; any thread.
 */
#include "daemon/faq_int.h"

#include "base/unicode.h"

#include <string.h>

/* ---- numbers and codes ------------------------------------------------------ */

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits with separators between them ("1,000" "3.5" "1588-0000"): their
 * length. */
static size_t number_length(const char *s) {
    size_t n = 0;
    while (digit(s[n]) ||
           (n && strchr(",.-:/", s[n]) && s[n] && digit(s[n + 1])))
        n++;
    return n;
}

/* A word of letters, digits and hyphens with a digit in it ("PPR-9087"). */
static size_t code_length(const char *s) {
    size_t n = 0;
    bool digits = false;
    while (letter(s[n]) || digit(s[n]) ||
           (n && s[n] == '-' && (letter(s[n + 1]) || digit(s[n + 1])))) {
        digits = digits || digit(s[n]);
        n++;
    }
    return digits ? n : 0;
}

static void number_add(rag_faq_text *t, const char *s, size_t n, bool unit) {
    if (t->nnumbers == RAG_FAQ_ITEMS_MAX)
        return;
    rag_faq_number *x = &t->numbers[t->nnumbers++];
    size_t k = 0;
    for (size_t i = 0; i < n && k < sizeof x->digits - 1; i++)
        if (s[i] != ',')
            x->digits[k++] = letter(s[i]) ? (char)(s[i] | 0x20) : s[i];
    x->digits[k] = '\0';
    x->unit[0] = '\0';
    const char *at = s + n;
    while (*at == ' ')
        at++;
    uint32_t cp = 0;
    size_t len = unit && *at ? rag_utf8_next(at, strlen(at), &cp) : 0;
    if (len && (cp == '%' || rag_unicode_class(cp) == RAG_CHAR_HANGUL)) {
        memcpy(x->unit, at, len);
        x->unit[len] = '\0';
    }
}

static void find_numbers(rag_faq_text *t) {
    const char *s = t->clean; /* full-width digits are plain ones */
    for (size_t i = 0; s[i];) {
        size_t n = digit(s[i]) ? number_length(s + i) : 0;
        size_t code = letter(s[i]) ? code_length(s + i) : 0;
        if (n)
            number_add(t, s + i, n, true);
        else if (code)
            number_add(t, s + i, code, false);
        n = n ? n : code;
        if (!n && letter(s[i]))
            while (letter(s[i + n]))
                n++;
        i += n ? n : 1;
    }
}

/* ---- words ------------------------------------------------------------------- */

static int on_word(void *user, const rag_term *term) {
    rag_faq_text *t = user;
    if (term->kind != RAG_TERM_NUMBER && t->nstems < RAG_FAQ_ITEMS_MAX) {
        size_t k = term->len < RAG_TERM_MAX ? term->len : RAG_TERM_MAX;
        memcpy(t->stems[t->nstems], term->text, k);
        t->stems[t->nstems++][k] = '\0';
    }
    bool latin = term->len && (unsigned char)term->text[0] < 0x80;
    /* Codes are compared with the numbers. */
    if (term->kind != RAG_TERM_WORD || !latin || t->nwords == RAG_FAQ_ITEMS_MAX)
        return 0;
    size_t n = term->len < RAG_TERM_MAX ? term->len : RAG_TERM_MAX;
    memcpy(t->words[t->nwords], term->text, n);
    t->words[t->nwords++][n] = '\0';
    return 0;
}

/* ---- the two folded forms ------------------------------------------------------ */

static int fold(rag_faq_text *t, rag_error *err) {
    rag_buf folded, spaced, joined;
    rag_buf_init(&folded, 0);
    rag_buf_init(&spaced, 0);
    rag_buf_init(&joined, 0);
    int rc = rag_unicode_fold(t->clean, strlen(t->clean), &folded, err);
    const char *p = rag_buf_str(&folded), *end = p + folded.len;
    while (!rc && p < end) {
        uint32_t cp;
        size_t n = rag_utf8_next(p, (size_t)(end - p), &cp);
        rag_char_class c = rag_unicode_class(cp);
        bool word = c == RAG_CHAR_LATIN || c == RAG_CHAR_HANGUL ||
                    c == RAG_CHAR_CJK || c == RAG_CHAR_DIGIT;
        if (word) {
            rc = rag_buf_append(&spaced, p, n, err);
            if (!rc)
                rc = rag_buf_append(&joined, p, n, err);
        } else if (cp != '\'' && cp != 0x2019 && spaced.len &&
                   spaced.data[spaced.len - 1] != ' ') {
            rc = rag_buf_append_char(&spaced, ' ', err);
        }
        p += n;
    }
    if (!rc)
        rc = rag_buf_steal(&spaced, &t->spaced, NULL, err);
    if (!rc)
        rc = rag_buf_steal(&joined, &t->joined, NULL, err);
    rag_buf_free(&folded);
    rag_buf_free(&spaced);
    rag_buf_free(&joined);
    return rc;
}

int rag_faq_text_init(rag_faq_text *t, const char *s, size_t n,
                      rag_error *err) {
    rag_buf clean;
    memset(t, 0, sizeof *t);
    rag_buf_init(&clean, 0);
    int rc;
    if ((rc = rag_unicode_clean(s, n, &clean, err)) ||
        (rc = rag_buf_steal(&clean, &t->clean, NULL, err)) ||
        (rc = fold(t, err)) ||
        (rc = rag_terms_content(t->clean, strlen(t->clean), on_word, t, err)))
        goto out;
    find_numbers(t);
    rag_faq_blank(t->spaced);
    rag_faq_blank(t->joined);
    rag_faq_find_sides(t);
out:
    rag_buf_free(&clean);
    if (rc)
        rag_faq_text_free(t);
    return rc;
}

void rag_faq_text_free(rag_faq_text *t) {
    free(t->clean);
    free(t->spaced);
    free(t->joined);
    memset(t, 0, sizeof *t);
}
