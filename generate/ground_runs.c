/*
 * ground_runs.c - numbers that belong together (dates, times, ranges), and
 * whether a run of them stands in another text.
 *
 * Called by ground_numbers.c, ground.c and the gate; no state.
 */
#include "generate/ground_int.h"

#include <stdio.h>
#include <string.h>

/* ---- runs ---------------------------------------------------------------------- */

static bool dateish(const rag_number *x) {
    static const char *const U[] = {"year",  "mon", "day",
                                    "clock", "min", "sec"};
    if (x->kind == RAG_NUMBER_TIME)
        return true;
    for (size_t k = 0; k < sizeof U / sizeof U[0]; k++)
        if (strcmp(x->unit, U[k]) == 0)
            return true;
    return false;
}

/* "2026. 3. 1.": three bare numbers with full stops become a date. */
static void find_spaced_dates(rag_facts *f) {
    for (size_t i = 0; i + 2 < f->nnumbers; i++) {
        rag_number *x = &f->number[i];
        bool ok = strlen(x->value) == 4;
        for (size_t k = 0; ok && k < 3; k++) {
            ok = !x[k].unit[0] && x[k].kind == RAG_NUMBER_PLAIN &&
                 (k == 0 || strlen(x[k].value) <= 2);
            if (ok && k < 2)
                ok = x[k + 1].start - x[k].end <= 3 &&
                     f->text.data[x[k].end] == '.';
        }
        if (!ok)
            continue;
        snprintf(x[0].unit, sizeof x->unit, "year");
        snprintf(x[1].unit, sizeof x->unit, "mon");
        snprintf(x[2].unit, sizeof x->unit, "day");
        x[1].follows = x[2].follows = true;
    }
}

static void link_numbers(rag_facts *f) {
    const char *s = f->text.data;
    for (size_t i = 1; i < f->nnumbers; i++) {
        rag_number *a = &f->number[i - 1], *b = &f->number[i];
        if (b->follows || b->range || b->start < a->end)
            continue;
        bool tilde = false, plain = true;
        for (size_t k = a->end; k < b->start && plain; k++) {
            tilde = tilde || s[k] == '~';
            plain = strchr(" .,()~-", s[k]) != NULL;
        }
        /* "–" and "∼" */
        size_t gap = b->start - a->end;
        if (!plain && gap <= 6)
            for (size_t k = a->end; k + 2 < b->start + 1; k++)
                tilde = tilde || memcmp(s + k, "\xE2\x80\x93", 3) == 0 ||
                        memcmp(s + k, "\xE2\x88\xBC", 3) == 0;
        if (tilde && gap <= 6) {
            b->range = true;
            if (!a->unit[0] && !dateish(b))
                snprintf(a->unit, sizeof a->unit, "%s", b->unit);
        } else if (plain && gap <= 4 && dateish(a) && dateish(b)) {
            b->follows = true;
        } else if (plain && gap <= 2 && strcmp(a->unit, "mon") == 0 &&
                   b->kind == RAG_NUMBER_PLAIN && strlen(b->value) <= 2 &&
                   (!b->unit[0] || strcmp(b->unit, "ord") == 0)) {
            /* March 1 */
            snprintf(b->unit, sizeof b->unit, "day");
            b->follows = true;
        } else if (plain && gap <= 2 && dateish(a) && !b->unit[0] &&
                   strlen(b->value) == 4) {
            /* March 1, 2026 */
            snprintf(b->unit, sizeof b->unit, "year");
            b->follows = true;
        } else if (plain && gap <= 2 && strcmp(b->unit, "mon") == 0 &&
                   !a->unit[0] && strlen(a->value) <= 2) {
            /* 1 March */
            snprintf(a->unit, sizeof a->unit, "day");
            b->follows = true;
        }
    }
}

void rag_numbers_link(rag_facts *f) {
    find_spaced_dates(f);
    link_numbers(f);
}

/* ---- comparing -------------------------------------------------------------------- */

size_t rag_numbers_run(const rag_facts *a, size_t i) {
    size_t n = 1;
    while (i + n < a->nnumbers &&
           (a->number[i + n].follows || a->number[i + n].range))
        n++;
    return n;
}

/* The unit that the answer left out is said, or asked for, in the question. */
static bool question_says(const rag_facts *q, const rag_number *x) {
    if (!q || !q->text.data)
        return false;
    const char *t = q->text.data;
    if (x->unit_text[0] && strstr(t, x->unit_text))
        return true;
    if (strcmp(x->unit, "krw") == 0 || strcmp(x->unit, "usd") == 0 ||
        strcmp(x->unit, "eur") == 0)
        return strstr(t, "얼마") || strstr(t, "금액") ||
               strstr(t, "how much") || strstr(t, "price") || strstr(t, "cost");
    if (strcmp(x->unit, "day") == 0)
        return strstr(t, "며칠") || strstr(t, "몇일") || strstr(t, "when");
    if (strcmp(x->unit, "year") == 0)
        return strstr(t, "year") || strstr(t, "when") || strstr(t, "연도") ||
               strstr(t, "언제");
    if (strcmp(x->unit, "%") == 0)
        return strstr(t, "percent") || strstr(t, "퍼센트") || strstr(t, "%");
    if (strcmp(x->unit, "person") == 0 || strcmp(x->unit, "ord") == 0 ||
        strcmp(x->unit, "employee") == 0 || strcmp(x->unit, "piece") == 0)
        return strstr(t, "how many") || strstr(t, "몇");
    return false;
}

static bool same_number(const rag_number *b, const rag_number *a,
                        const rag_facts *q) {
    if (strcmp(a->value, b->value) != 0)
        return false;
    if (a->half != b->half)
        return false;
    if (a->compare && a->compare != b->compare)
        return false;
    if (strcmp(a->unit, b->unit) == 0)
        return true;
    return !a->unit[0] && question_says(q, b);
}

bool rag_numbers_have(const rag_facts *b, const rag_facts *a, size_t i,
                      size_t n, const rag_facts *question, size_t *at) {
    for (size_t j = 0; j + n <= b->nnumbers; j++) {
        bool same = true;
        for (size_t k = 0; k < n && same; k++) {
            const rag_number *x = &a->number[i + k], *y = &b->number[j + k];
            same = same_number(y, x, question);
            if (k > 0)
                same = same && (y->follows || y->range) && y->range == x->range;
        }
        if (!same)
            continue;
        /* Torn out of a range: its other end is missing. */
        if (b->number[j].range ||
            (j + n < b->nnumbers && b->number[j + n].range))
            continue;
        *at = j;
        return true;
    }
    return false;
}
