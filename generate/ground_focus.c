/*
 * ground_focus.c - of several numbers of one kind, is it the one asked for?
 *
 * Called by ground.c for each number of a sentence that has passed the other
 * checks; no state.
 *
 * "Lockers cost 50,000 won (small), 80,000 won (medium); the deposit is
 * 200,000 won": each number is in the evidence, and only one is the price of
 * a medium one. A number is close to a question by the question's words that
 * stand in its own segment (up to a comma, semicolon, table bar or connective
 * ending), less so by those of its sentence and of its heading. When another
 * value of the same unit is clearly closer than the one said, the claim
 * fails: the whole sentence is quoted instead.
 */
#include "generate/ground_ctx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FOCUS_SENTENCE 0.3
#define FOCUS_HEADING 0.5
/* How much closer another number must be: about one word of middling
 * rarity. */
#define FOCUS_MARGIN 0.8

typedef struct focus {
    const rag_ground_ctx *c;
    const rag_facts *said;
    double question[RAG_FACT_WORDS_MAX]; /* weights of the words asked */
    double own[RAG_FACT_WORDS_MAX]; /* and of those said */
} focus;

static void weigh(const rag_ground_ctx *c, const rag_facts *f, double *out) {
    for (size_t i = 0; i < f->nwords; i++) {
        size_t df = 0;
        out[i] = 0;
        if (!f->word[i].content)
            continue;
        for (size_t s = 0; s < c->n; s++)
            df += rag_words_have(&c->source[s].facts, f, &f->word[i]) ||
                  rag_words_have(&c->head[c->source[s].item], f, &f->word[i]);
        if (df)
            out[i] = log(1.2 + ((double)c->n - (double)df + 0.5) /
                                   ((double)df + 0.5));
    }
}

/* The word stands in e within [start, end). */
static bool word_within(const rag_facts *e, const rag_facts *f,
                        const rag_word *w, size_t start, size_t end) {
    for (size_t i = 0; i < e->nwords; i++)
        if (e->word[i].start >= start && e->word[i].start < end &&
            (e->word[i].hash == w->hash ||
             (!w->strict && w->loose && e->word[i].loose == w->loose)))
            return true;
    size_t len = w->end - w->start;
    return !w->strict && len >= 6 && end > start &&
           (unsigned char)f->text.data[w->start] >= 0xEA &&
           memmem(e->text.data + start, end - start, f->text.data + w->start,
                  len) != NULL;
}

static double close_words(const focus *x, const rag_facts *e,
                          const rag_facts *head, size_t start, size_t end,
                          const rag_facts *f, const double *weight) {
    double got = 0;
    for (size_t i = 0; i < f->nwords; i++) {
        const rag_word *w = &f->word[i];
        if (weight[i] <= 0)
            continue;
        if (word_within(e, f, w, start, end))
            got += weight[i];
        else if (rag_words_have(head, f, w))
            got += FOCUS_HEADING * weight[i];
        else if (rag_words_have(e, f, w))
            got += FOCUS_SENTENCE * weight[i];
    }
    (void)x;
    return got;
}

/* The segment of e around number i: commas inside numbers do not end it. */
static void segment_of(const rag_facts *e, size_t i, size_t *start,
                       size_t *end) {
    const char *s = e->text.data;
    size_t lo = e->number[i].start, hi = e->number[i].end;
    *start = lo;
    *end = hi;
    rag_clause_around(e, start, end);
    while (lo > *start && !strchr(",;|", s[lo - 1])) {
        lo--;
        for (size_t k = 0; k < e->nnumbers; k++)
            if (lo > e->number[k].start && lo < e->number[k].end)
                lo = e->number[k].start;
    }
    while (hi < *end && !strchr(",;|", s[hi])) {
        for (size_t k = 0; k < e->nnumbers; k++)
            if (hi >= e->number[k].start && hi < e->number[k].end)
                hi = e->number[k].end - 1;
        hi++;
    }
    *start = lo > *start ? lo : *start;
    *end = hi;
}

bool rag_ground_focus(const rag_ground_ctx *c, const rag_facts *said,
                      size_t number) {
    const rag_number *x = &said->number[number];
    double mine = -1, other = -1;
    focus *f = malloc(sizeof *f);
    if (!f)
        return false;
    f->c = c;
    f->said = said;
    weigh(c, &c->question, f->question);
    weigh(c, said, f->own);
    for (size_t s = 0; s < c->n; s++) {
        const rag_facts *e = &c->source[s].facts;
        const rag_facts *head = &c->head[c->source[s].item];
        for (size_t i = 0; i < e->nnumbers; i++) {
            const rag_number *y = &e->number[i];
            size_t start, end;
            bool same = strcmp(x->value, y->value) == 0;
            if (x->kind != y->kind ||
                (strcmp(x->unit, y->unit) != 0 && !(same && !x->unit[0])))
                continue;
            segment_of(e, i, &start, &end);
            double near =
                close_words(f, e, head, start, end, &c->question, f->question) +
                close_words(f, e, head, start, end, said, f->own);
            if (same)
                mine = fmax(mine, near);
            else
                other = fmax(other, near);
        }
    }
    free(f);
    return other <= mine + FOCUS_MARGIN;
}
