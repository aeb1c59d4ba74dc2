/*
 * evidence_rows.c - of the rows of one table, the one that the question names.
 *
 * Called by evidence.c; any thread, no state. Rows differ in little but their
 * label ("물결 사업자", "물결 트래블"; "Zone C", "Zone C, urgent"), which a
 * reading model often does not hold apart: it tells which table answers, the
 * label tells which row.
 *
 * Of a label count the words and numbers that not all rows share. The row with
 * most of them in the question is named, among equals the one with fewest that
 * are not; it must be alone in that. All of them must be in the question, or
 * most, and more than of any other row. Where the question's own words name
 * none, what they are called otherwise may ("할아버지": "조부모 사망"). Tables in
 * which a condition decides between rows (evidence_bounds.c) are left alone.
 */
#include "generate/evidence_int.h"
#include "generate/ground_int.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64 /* of a table */
#define PARTS_MAX 16 /* words and numbers of a label */
#define LABELS 2 /* columns that may name a row: "EQ-44 | Mobile phone" */

typedef struct label {
    struct {
        uint64_t hash;
        bool asked; /* the question has it */
    } part[PARTS_MAX];
    size_t n;
    bool words; /* not only numbers and codes */
    int asked, other; /* parts in the question, and not, that tell rows apart */
} label;

typedef struct reading {
    rag_facts question, also, cell;
    bool wide; /* words of `also` count, too */
    label row[ROWS_MAX];
} reading;

static bool has(const label *l, uint64_t hash) {
    for (size_t i = 0; i < l->n; i++)
        if (l->part[i].hash == hash)
            return true;
    return false;
}

static void add(label *l, uint64_t hash, bool asked) {
    if (l->n == PARTS_MAX || has(l, hash))
        return;
    l->part[l->n].hash = hash;
    l->part[l->n++].asked = asked;
}

/* The whole word: "부모" is not "조부모". */
static bool is_one_of(const rag_facts *f, uint64_t hash) {
    for (size_t i = 0; i < f->nwords; i++)
        if (f->word[i].hash == hash)
            return true;
    return false;
}

/* A cell that is no text names nothing. */
static int read_label(reading *r, const char *s, size_t n, label *l,
                      rag_error *err) {
    const rag_facts *q = &r->question, *f = &r->cell;
    int rc = rag_facts_read(s, n, &r->cell, err);
    *l = (label){.n = 0};
    for (size_t i = 0; i < f->nwords && !rc; i++)
        if (f->word[i].content) {
            l->words = true;
            add(l, f->word[i].hash,
                rag_words_have(q, f, &f->word[i]) ||
                    (r->wide && is_one_of(&r->also, f->word[i].hash)));
        }
    for (size_t i = 0; i < f->nnumbers && !rc; i++) {
        const rag_number *x = &f->number[i];
        size_t at;
        add(l, rag_hash_fast(f->text.data + x->start, x->end - x->start),
            rag_numbers_have(q, f, i, 1, NULL, &at));
    }
    rag_facts_free(&r->cell);
    return rc == RAG_E_NOMEM ? rc : 0;
}

static void count(label *rows, size_t n, label *l) {
    l->asked = l->other = 0;
    for (size_t i = 0; i < l->n; i++) {
        size_t shared = 0;
        for (size_t k = 0; k < n; k++)
            shared += has(&rows[k], l->part[i].hash);
        if (shared < n && l->part[i].asked)
            l->asked++;
        else if (shared < n)
            l->other++;
    }
}

/* The row that its labels name; n when none is. */
static size_t named(label *rows, size_t n) {
    size_t best = 0, as_much = 0, equal = 0;
    for (size_t i = 0; i < n; i++) {
        const label *l = &rows[i], *b = &rows[best];
        count(rows, n, &rows[i]);
        if (l->asked > b->asked ||
            (l->asked == b->asked && l->other < b->other))
            best = i;
    }
    const label *b = &rows[best];
    for (size_t i = 0; i < n; i++) {
        as_much += rows[i].asked == b->asked;
        equal += rows[i].asked == b->asked && rows[i].other == b->other;
    }
    bool most = as_much == 1 && b->asked > b->other;
    return b->asked && equal == 1 && (most || b->other == 0) ? best : n;
}

/* *found: which of the rows s[0..n) of a table is named; n: none. */
static int find(reading *r, const rag_ranked *s, size_t n, size_t *found,
                rag_error *err) {
    bool words = false; /* then what is behind them is no label */
    *found = n;
    for (size_t column = 1; column <= LABELS && *found == n && !words;
         column++) {
        for (size_t i = 0; i < n; i++) {
            size_t start = 0, end = 0;
            if (!rag_table_cell(s[i].text, s[i].len, column, &start, &end))
                start = end = 0;
            while (start < end && s[i].text[start] == ' ')
                start++;
            if (start == end && i) { /* a cell over several rows */
                r->row[i] = r->row[i - 1];
                continue;
            }
            int rc =
                read_label(r, s[i].text + start, end - start, &r->row[i], err);
            if (rc)
                return rc;
            words |= r->row[i].words;
        }
        *found = named(r->row, n);
    }
    return 0;
}

/* Marks the rows s[0..n) of one table. */
static int mark(reading *r, rag_ranked *s, size_t n, rag_error *err) {
    size_t found = n;
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i].condition != s[0].condition)
            return 0;
    for (int wide = 0; wide < 2 && found == n && !rc; wide++) {
        r->wide = wide && r->also.nwords;
        if (wide == r->wide)
            rc = find(r, s, n, &found, err);
    }
    for (size_t i = 0; i < n && found < n; i++)
        s[i].row = i == found ? 1 : -1;
    return rc;
}

/* The question and its other words; *out is owned, also after a failure. */
static int begin(const char *question, const char *also, reading **out,
                 rag_error *err) {
    reading *r = *out = calloc(1, sizeof *r);
    if (!r)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = rag_facts_read(question, strlen(question), &r->question, err);
    if (!rc && also)
        rc = rag_facts_read(also, strlen(also), &r->also, err);
    return rc;
}

int rag_evidence_rows(const char *question, const char *also, rag_ranked *s,
                      size_t n, rag_error *err) {
    reading *r = NULL; /* once there is a table */
    int rc = 0;
    for (size_t i = 0, to; i < n && !rc; i = to) {
        for (to = i; to < n && s[to].passage == s[i].passage &&
                     rag_table_row(s[to].text, s[to].len);)
            to++;
        size_t rows = to - i;
        if (rows && to < n && s[to].passage == s[i].passage &&
            rag_table_dashes(s[to].text, s[to].len))
            rows--; /* the last is the header of what follows */
        bool table = rows > 1 && rows <= ROWS_MAX;
        if (table && !r)
            rc = begin(question, also, &r, err);
        if (table && !rc)
            rc = mark(r, s + i, rows, err);
        to += to == i;
    }
    if (r) {
        rag_facts_free(&r->question);
        rag_facts_free(&r->also);
    }
    free(r);
    return rc == RAG_E_DATA ? 0 : rc; /* the question is no text */
}
