/*
 * ground_focus.c - of several numbers of one kind, is it the one asked for?
 *
 * Called by ground.c for each number of a sentence that has passed the other
 * checks; no state.
 *
 * "Lockers cost 50,000 won (small), 80,000 won (medium); the deposit is
 * 200,000 won": each number is in the evidence, and only one is the price of
 * a medium one. A number is close to a question by the question's words that
 * stand in its own segment (up to a comma, semicolon or connective ending; in
 * a row of a table its cell, with the cell of the header above it and the
 * row's first one), less so by those of its sentence and of its heading. When
 * another value of the same unit is clearly closer than the one said, the
 * claim fails: the whole sentence is quoted instead.
 */
#include "generate/generate_int.h"
#include "generate/ground_ctx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FOCUS_SENTENCE 0.3
#define FOCUS_HEADING 0.5
#define FOCUS_COLUMN 1.0 /* a word that one column's header alone has */
/* How much closer another number must be: about one word of middling
 * rarity. */
#define FOCUS_MARGIN 0.8

typedef struct focus {
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
        /* A header counts once, not with each row. */
        for (size_t h = 0; h < c->nheaders && !df; h++)
            df += rag_words_have(&c->header[h].facts, f, &f->word[i]);
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

/* Where a number stands in the evidence. */
typedef struct spot {
    const rag_facts *e, *head; /* its sentence, and its source's heading */
    size_t start, end; /* its segment */
    const rag_facts *header; /* of its table, or NULL */
    size_t column_start, column_end; /* its cell there */
    size_t label_start, label_end; /* the row's first cell */
} spot;

static bool word_near(const spot *x, const rag_facts *f, const rag_word *w) {
    return word_within(x->e, f, w, x->start, x->end) ||
           (x->header &&
            (word_within(x->header, f, w, x->column_start, x->column_end) ||
             word_within(x->e, f, w, x->label_start, x->label_end)));
}

/* The word stands in the header of this column and of no other. */
static bool names_column(const spot *x, const rag_facts *f, const rag_word *w) {
    const rag_facts *h = x->header;
    return h && word_within(h, f, w, x->column_start, x->column_end) &&
           !word_within(h, f, w, 0, x->column_start) &&
           !word_within(h, f, w, x->column_end, h->text.len);
}

static double close_words(const spot *x, const rag_facts *f,
                          const double *weight) {
    double got = 0;
    for (size_t i = 0; i < f->nwords; i++) {
        const rag_word *w = &f->word[i];
        if (weight[i] <= 0)
            continue;
        if (names_column(x, f, w))
            got += fmax(weight[i], FOCUS_COLUMN);
        else if (word_near(x, f, w))
            got += weight[i];
        else if (rag_words_have(x->head, f, w))
            got += FOCUS_HEADING * weight[i];
        else if (rag_words_have(x->e, f, w))
            got += FOCUS_SENTENCE * weight[i];
    }
    return got;
}

/* Words of the segment that the question holds inside longer ones, as it does
 * when typed without spaces ("서울출장숙박비한도"). */
static double inside_question(const rag_ground_ctx *c, const rag_facts *e,
                              size_t start, size_t end) {
    const rag_facts *q = &c->question;
    double got = 0;
    for (size_t i = 0; i < e->nwords; i++) {
        const rag_word *w = &e->word[i];
        size_t len = w->end - w->start;
        bool hangul = (unsigned char)e->text.data[w->start] >= 0xEA;
        if (!w->content || w->strict || w->start < start || w->start >= end ||
            len < (hangul ? 6 : 5) || rag_words_have(q, e, w))
            continue;
        got += memmem(q->text.data, q->text.len, e->text.data + w->start,
                      len) != NULL;
    }
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
    while (lo > *start && !strchr(",;", s[lo - 1])) {
        lo--;
        for (size_t k = 0; k < e->nnumbers; k++)
            if (lo > e->number[k].start && lo < e->number[k].end)
                lo = e->number[k].start;
    }
    while (hi < *end && !strchr(",;", s[hi])) {
        for (size_t k = 0; k < e->nnumbers; k++)
            if (hi >= e->number[k].start && hi < e->number[k].end)
                hi = e->number[k].end - 1;
        hi++;
    }
    *start = lo > *start ? lo : *start;
    *end = hi;
}

/* The spot of number i of source s: of a row whose header is known, a cell. */
static void spot_of(const rag_ground_ctx *c, size_t s, size_t i, spot *x) {
    const rag_facts *e = &c->source[s].facts;
    const rag_facts *header = rag_ground_header(c, s);
    size_t at = e->number[i].start, k = rag_table_column(e->text.data, at);
    *x = (spot){.e = e, .head = &c->head[c->source[s].item]};
    if (header &&
        rag_table_cell(e->text.data, e->text.len, k, &x->start, &x->end) &&
        rag_table_cell(e->text.data, e->text.len, 1, &x->label_start,
                       &x->label_end) &&
        rag_table_cell(header->text.data, header->text.len, k, &x->column_start,
                       &x->column_end))
        x->header = header;
    else
        segment_of(e, i, &x->start, &x->end);
}

/* What a question asks for by its words, and the units that answer it. */
typedef struct asked {
    const char *words, *units; /* units between spaces; "" any number */
} asked;

static const asked ASKED[] = {
    {"며칠", " day bday cday month week year mon hour "},
    {"몇일", " day bday cday month week year mon hour "},
    {"몇 분", " min sec hour "},
    {"몇분", " min sec hour "},
    {"몇 시간", " hour min day "},
    {"몇시간", " hour min day "},
    {"몇 개월", " month year week day "},
    {"몇개월", " month year week day "},
    {"몇 년", " year month "},
    {"몇년", " year month "},
    {"몇 퍼센트", " % pp "},
    {"몇퍼센트", " % pp "},
    {"몇 프로", " % pp "},
    {"몇프로", " % pp "},
    {"몇 명", " person "},
    {"몇명", " person "},
    {"얼마", ""},
    {"몇 ", ""},
    {"how much", ""},
    {"how many", ""},
    {"how long", ""},
    {"how often", ""},
    {"what percent", " % pp "},
    {"how many days", " day bday cday week "},
    {"how many hours", " hour "},
    {"how many months", " month year "},
    {"how many years", " year month "},
    {"phone number", ""},
    {"전화번호", ""}};

bool rag_ground_answers_kind(const rag_ground_ctx *c, const rag_facts *said) {
    const char *q = c->question.text.data;
    const asked *a = NULL;
    for (size_t i = 0; i < sizeof ASKED / sizeof ASKED[0]; i++)
        if (strstr(q, ASKED[i].words) && (!a || !a->units[0]))
            a = &ASKED[i];
    if (!a || rag_facts_predicative(said))
        return true;
    for (size_t i = 0; i < said->nnumbers; i++) {
        char unit[24] = " ";
        size_t n = strlen(said->number[i].unit);
        memcpy(unit + 1, said->number[i].unit, n);
        memcpy(unit + 1 + n, " ", 2);
        if (!a->units[0] || !n || strstr(a->units, unit))
            return true;
    }
    /* "twelve", "하루", "무료" */
    for (size_t i = 0; i < said->nwords; i++)
        if (said->word[i].strict)
            return true;
    return strstr(said->text.data, "무료") || strstr(said->text.data, "free") ||
           strstr(said->text.data, "없") || strstr(said->text.data, "daily") ||
           strstr(said->text.data, "ly");
}

bool rag_ground_focus(const rag_ground_ctx *c, const rag_facts *said,
                      size_t number) {
    const rag_number *x = &said->number[number];
    double mine = -1, other = -1;
    focus *f = malloc(sizeof *f);
    if (!f)
        return false;
    weigh(c, &c->question, f->question);
    weigh(c, said, f->own);
    for (size_t s = 0; s < c->n; s++) {
        const rag_facts *e = &c->source[s].facts;
        for (size_t i = 0; i < e->nnumbers; i++) {
            const rag_number *y = &e->number[i];
            spot at;
            bool same = strcmp(x->value, y->value) == 0;
            if (x->kind != y->kind ||
                (strcmp(x->unit, y->unit) != 0 && !(same && !x->unit[0])))
                continue;
            spot_of(c, s, i, &at);
            double near = close_words(&at, &c->question, f->question) +
                          close_words(&at, said, f->own) +
                          inside_question(c, e, at.start, at.end);
            if (same)
                mine = fmax(mine, near);
            else
                other = fmax(other, near);
        }
    }
    free(f);
    return other <= mine + FOCUS_MARGIN;
}
