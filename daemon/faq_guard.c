/*
 * faq_guard.c - whether two questions ask the same.
 *
 * Four checks, cheapest first; the first that fails gives the verdict:
 *   1. opposites   same sides of every group of the table
 *   2. numbers     same numbers with the same units
 *   3. the question has nothing the entry lacks (faq_words.c)
 *   4. the entry has nothing the question lacks, else the question is vague
 * Pure; any thread.
 */
#include "daemon/faq_int.h"

#include "base/unicode.h"

#include <stdio.h>
#include <string.h>

static void say(rag_guard_result *out, rag_guard_verdict v, const char *what,
                const char *detail, size_t n) {
    out->verdict = v;
    size_t max = sizeof out->reason - strlen(what) - 3;
    n = rag_utf8_floor(detail, n, n < max ? n : max);
    snprintf(out->reason, sizeof out->reason, "%s: %.*s", what, (int)n, detail);
}

/* ---- 1. opposites --------------------------------------------------------------- */

static void check_opposites(const rag_faq_text *q, const rag_faq_text *e,
                            rag_guard_result *out) {
    for (size_t g = 0; g < rag_faq_groups(); g++) {
        unsigned a = q->sides[g], b = e->sides[g];
        const char *name = rag_faq_group(g);
        rag_faq_kind kind = rag_faq_kind_of(g);
        if (a == b || (RAG_FAQ_IS_LOOSE(kind) && (!a || !b || a & b)))
            continue;
        if (a & ~b || kind == RAG_FAQ_NEGATION) {
            say(out, RAG_GUARD_OTHER, "opposite", name, strlen(name));
            return;
        }
        /* What is asked (how much, when) may be left out: "transfer limit". */
        if (kind == RAG_FAQ_ASKED)
            continue;
        if (out->verdict == RAG_GUARD_SAME)
            say(out, RAG_GUARD_VAGUE, "left open", name, strlen(name));
    }
}

/* ---- 2. numbers ------------------------------------------------------------------ */

/* Sides agree when each number of a occurs in b with the same unit, where
 * both have one. Returns the one that does not. */
const rag_faq_number *rag_faq_number_missing(const rag_faq_text *a,
                                             const rag_faq_text *b) {
    for (size_t i = 0; i < a->nnumbers; i++) {
        bool found = false;
        for (size_t j = 0; j < b->nnumbers && !found; j++) {
            const rag_faq_number *x = &a->numbers[i], *y = &b->numbers[j];
            found = strcmp(x->digits, y->digits) == 0 &&
                    (!*x->unit || !*y->unit || strcmp(x->unit, y->unit) == 0);
        }
        if (!found)
            return &a->numbers[i];
    }
    return NULL;
}

static void check_numbers(const rag_faq_text *q, const rag_faq_text *e,
                          rag_guard_result *out) {
    const rag_faq_number *x = rag_faq_number_missing(q, e);
    const rag_faq_number *y = rag_faq_number_missing(e, q);
    if (x)
        say(out, RAG_GUARD_OTHER, "number", x->digits, strlen(x->digits));
    else if (y && q->nnumbers)
        say(out, RAG_GUARD_OTHER, "number", y->digits, strlen(y->digits));
    else if (y && out->verdict == RAG_GUARD_SAME)
        say(out, RAG_GUARD_VAGUE, "left open", y->digits, strlen(y->digits));
}

/* ---- 3 and 4. words ---------------------------------------------------------------- */

static void check_words(const rag_faq_text *q, const rag_faq_text *e,
                        rag_guard_result *out) {
    rag_faq_gap of_question, of_entry;
    rag_faq_compare(q, e, &of_question);
    rag_faq_compare(e, q, &of_entry);
    if (of_entry.content)
        out->coverage =
            1.0 - (double)of_entry.missing / (double)of_entry.content;
    if (of_question.missing)
        say(out, RAG_GUARD_OTHER, "word", of_question.what,
            strlen(of_question.what));
    else if (!of_question.content)
        say(out, RAG_GUARD_OTHER, "word", "none", 4);
    else if (of_entry.missing && out->verdict == RAG_GUARD_SAME)
        say(out, RAG_GUARD_VAGUE, "left open", of_entry.what,
            strlen(of_entry.what));
}

void rag_faq_guard_texts(const rag_faq_text *q, const rag_faq_text *e,
                         rag_guard_result *out) {
    memset(out, 0, sizeof *out);
    check_opposites(q, e, out);
    if (out->verdict != RAG_GUARD_OTHER)
        check_numbers(q, e, out);
    if (out->verdict != RAG_GUARD_OTHER)
        check_words(q, e, out);
}

static bool differ(const rag_faq_text *q, const rag_faq_text *e, size_t group) {
    return q->sides[group] && e->sides[group] &&
           !(q->sides[group] & e->sides[group]);
}

bool rag_faq_sides_differ(const rag_faq_text *q, const rag_faq_text *e) {
    for (size_t g = 0; g < rag_faq_groups(); g++)
        if (differ(q, e, g))
            return true;
    return false;
}

/* The opposite deed or another thing: neither what is asked of it nor what is
 * only told along with it. */
static bool contrary_texts(const rag_faq_text *q, const rag_faq_text *e) {
    for (size_t g = 0; g < rag_faq_groups(); g++) {
        rag_faq_kind kind = rag_faq_kind_of(g);
        if (kind != RAG_FAQ_ASKED && kind != RAG_FAQ_MATTER &&
            !rag_faq_is_told(g) && differ(q, e, g))
            return true;
    }
    return false;
}

/* Two texts to compare; the caller frees both whatever is returned. */
static int read_both(const char *question, const char *entry,
                     rag_faq_text both[2], rag_error *err) {
    int rc = rag_faq_text_init(&both[0], question, strlen(question), err);
    return rc ? rc : rag_faq_text_init(&both[1], entry, strlen(entry), err);
}

static int with_both(const char *question, const char *entry,
                     rag_guard_result *guard, bool *contrary, rag_error *err) {
    rag_faq_text *t = calloc(2, sizeof *t);
    if (!t)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to compare entries");
    int rc = read_both(question, entry, t, err);
    if (!rc && guard)
        rag_faq_guard_texts(&t[0], &t[1], guard);
    if (!rc && contrary)
        *contrary = contrary_texts(&t[0], &t[1]);
    rag_faq_text_free(&t[0]);
    rag_faq_text_free(&t[1]);
    free(t);
    return rc;
}

int rag_faq_guard(const char *question, const char *entry,
                  rag_guard_result *out, rag_error *err) {
    memset(out, 0, sizeof *out);
    return with_both(question, entry, out, NULL, err);
}

int rag_faq_contrary(const char *question, const char *entry, bool *out,
                     rag_error *err) {
    *out = false;
    return with_both(question, entry, NULL, out, err);
}
