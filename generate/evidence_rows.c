/*
 * evidence_rows.c - of the rows of one table, the one that the question names.
 *
 * Called by evidence.c; any thread, no state. Rows differ in little but their
 * label ("물결 사업자", "물결 트래블"; "Zone C", "Zone C, urgent"), which a
 * reading model often does not hold apart: it tells which table answers, the
 * label tells which row.
 *
 * Of a label count the content words that less than all rows share. The row
 * with most of them in the question is named, among equals the one with fewest
 * that are not; it must be the only one, or one whose whole label the question
 * has. Rows whose condition decides (evidence_bounds.c) are left alone.
 */
#include "generate/evidence_int.h"

#include "base/hash.h"
#include "base/terms.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64 /* of a table */
#define WORDS_MAX 16 /* of a label, and twice of a question */
#define LABELS 2 /* columns that may name a row: "EQ-44 | Mobile phone" */
#define HANGUL_INSIDE 6 /* bytes, two syllables: looked for in longer words */

typedef struct label {
    struct {
        uint64_t hash;
        char text[RAG_TERM_MAX + 1];
    } word[2 * WORDS_MAX];
    size_t n, max;
    int asked, other; /* words in the question, and not */
} label;

static int add_word(void *user, const rag_term *t) {
    label *l = user;
    uint64_t h = rag_hash_fast(t->text, t->len);
    for (size_t i = 0; i < l->n; i++)
        if (l->word[i].hash == h)
            return 0;
    if (l->n == l->max || t->len > RAG_TERM_MAX)
        return 0;
    l->word[l->n].hash = h;
    memcpy(l->word[l->n].text, t->text, t->len);
    l->word[l->n++].text[t->len] = '\0';
    return 0;
}

static int read_words(const char *s, size_t n, size_t max, label *l,
                      rag_error *err) {
    l->n = 0;
    l->max = max;
    return rag_terms_content(s, n, add_word, l, err);
}

static bool has(const label *l, uint64_t hash) {
    for (size_t i = 0; i < l->n; i++)
        if (l->word[i].hash == hash)
            return true;
    return false;
}

/* As a word, or inside one that was typed without spaces. */
static bool asked(const label *question, const char *text, const label *l,
                  size_t i) {
    const char *w = l->word[i].text;
    return has(question, l->word[i].hash) ||
           ((unsigned char)w[0] >= 0xEA && strlen(w) >= HANGUL_INSIDE &&
            strstr(text, w));
}

/* The row that the question names by its labels; n when it names none. */
static size_t named(const label *question, const char *text, label *rows,
                    size_t n) {
    size_t best = n;
    bool only = false;
    for (size_t i = 0; i < n; i++) {
        rows[i].asked = rows[i].other = 0;
        for (size_t w = 0; w < rows[i].n; w++) {
            size_t df = 0;
            for (size_t k = 0; k < n; k++)
                df += has(&rows[k], rows[i].word[w].hash);
            if (df == n)
                continue;
            if (asked(question, text, &rows[i], w))
                rows[i].asked++;
            else
                rows[i].other++;
        }
        const label *b = best < n ? &rows[best] : NULL;
        if (!rows[i].asked || (b && rows[i].asked < b->asked))
            continue;
        if (b && rows[i].asked == b->asked) {
            only = false;
            if (rows[i].other >= b->other)
                continue;
        } else {
            only = true;
        }
        best = i;
    }
    return best < n && (only || rows[best].other == 0) ? best : n;
}

/* Marks the rows s[0..n) of one table. */
static int mark(const label *question, const char *text, rag_ranked *s,
                size_t n, label *rows, rag_error *err) {
    size_t found = n;
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i].condition)
            return 0;
    for (size_t column = 1; column <= LABELS && found == n; column++) {
        for (size_t i = 0; i < n; i++) {
            size_t start = 0, end = 0;
            if (!rag_table_cell(s[i].text, s[i].len, column, &start, &end))
                start = end = 0;
            rc = read_words(s[i].text + start, end - start, WORDS_MAX, &rows[i],
                            err);
            if (rc)
                return rc;
        }
        found = named(question, text, rows, n);
    }
    for (size_t i = 0; i < n && found < n; i++)
        s[i].row = i == found ? 1 : -1;
    return 0;
}

int rag_evidence_rows(const char *question, rag_ranked *s, size_t n,
                      rag_error *err) {
    label *rows = malloc((ROWS_MAX + 1) * sizeof *rows);
    if (!rows)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    label *asking = &rows[ROWS_MAX];
    int rc = read_words(question, strlen(question), 2 * WORDS_MAX, asking, err);
    for (size_t i = 0, to; i < n && !rc; i = to) {
        for (to = i; to < n && s[to].passage == s[i].passage &&
                     rag_table_row(s[to].text, s[to].len);)
            to++;
        if (to > i + 1 && to - i <= ROWS_MAX) /* one alone is a header */
            rc = mark(asking, question, s + i, to - i, rows, err);
        to += to == i;
    }
    free(rows);
    return rc;
}
