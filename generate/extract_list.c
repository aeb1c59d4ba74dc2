/*
 * extract_list.c - the list or table that a quoted sentence only announces.
 *
 * "Send the following documents:" is no answer, and neither is a heading: what
 * stands below it is. Its items are quoted one by one, each byte for byte and
 * at most two sentences, from the passage itself, as the evidence's window may
 * end before them. Called by extract.c, any thread; no state.
 */
#include "generate/generate_int.h"
#include "generate/ground_ctx.h"

#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>

#define LIST_ITEMS_MAX 12
#define LIST_CHARS_MAX 900
#define LIST_SENTENCES_MAX 4 /* of one item */

/* How an item is marked. */
typedef enum mark { NONE, BULLET, DIGIT, LETTER, CIRCLED, ROW } mark;

static const char *const BULLETS[] = {"-", "*", "+", "•", "·", "▪",
                                      "■", "□", "○", "●", "◦", "▶",
                                      "▷", "※", "→", "–", "—"};

/* "1.", "2)", "(3)", "가.", "a)"; *len: its bytes. */
static mark numbering(const char *s, size_t n, size_t *len) {
    bool bracket = n && *s == '(';
    size_t i = bracket, from = i;
    mark m = DIGIT;
    uint32_t cp;
    while (i < n && i < from + 3 && s[i] >= '0' && s[i] <= '9')
        i++;
    if (i == from && i < n) {
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if ((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') ||
            rag_unicode_class(cp) == RAG_CHAR_HANGUL)
            i += k;
        m = LETTER;
    }
    if (i == from || i >= n || !strchr(bracket ? ")" : ".)", s[i]))
        return NONE;
    *len = i + 1;
    return m;
}

static mark mark_of(const char *s, size_t n) {
    size_t i = 0, len = 0;
    uint32_t cp;
    mark m = NONE;
    while (i < n && strchr(" \t>", s[i]))
        i++;
    if (i == n)
        return NONE;
    if (s[i] == '|')
        return ROW;
    size_t first = rag_utf8_next(s + i, n - i, &cp);
    if (cp >= 0x2460 && cp <= 0x2473) /* ① */
        return CIRCLED;
    for (size_t k = 0; k < sizeof BULLETS / sizeof *BULLETS && !m; k++)
        if (strlen(BULLETS[k]) == first && !memcmp(s + i, BULLETS[k], first)) {
            m = BULLET;
            len = first;
        }
    if (!m)
        m = numbering(s + i, n - i, &len);
    i += len;
    return m && i < n && (s[i] == ' ' || s[i] == '\t') ? m : NONE;
}

bool rag_extract_item(const char *s, size_t n) {
    mark m = mark_of(s, n);
    return m && m != ROW;
}

/* "다음 서류", but not "다음 날". */
static bool says_next(const char *s, size_t n) {
    static const char *const NEXT[] = {"날", "달", "해",   "주",    "월",
                                       "년", "번", "분기", "영업일"};
    const char *end = s + n, *p = s;
    while ((p = memmem(p, (size_t)(end - p), "다음", 6))) {
        bool time = false;
        p += 6;
        size_t left = (size_t)(end - p), space = left && *p == ' ';
        for (size_t i = 0; i < sizeof NEXT / sizeof *NEXT && !time; i++) {
            size_t len = strlen(NEXT[i]);
            time = left >= space + len && !memcmp(p + space, NEXT[i], len);
        }
        if (!time)
            return true;
    }
    return false;
}

bool rag_extract_announces(const char *s, size_t n) {
    while (n && strchr(" *_", s[n - 1]))
        n--;
    return (n && s[n - 1] == ':') || (n > 2 && !memcmp(s + n - 3, "：", 3)) ||
           says_next(s, n) || memmem(s, n, "아래", 6) ||
           memmem(s, n, "following", 9) || memmem(s, n, "below", 5);
}

typedef struct walk {
    const rag_ground_ctx *c;
    const rag_source *after;
    const char *text; /* what follows, to the passage's end */
    size_t len, start; /* start: its place in the document */
    rag_span *span;
    size_t n;
    size_t chars; /* quoted so far */
} walk;

static bool begins_line(const walk *w, size_t i) {
    size_t from = i ? w->span[i - 1].end : 0;
    return memchr(w->text + from, '\n', w->span[i].start - from) != NULL;
}

static mark mark_at(const walk *w, size_t i) {
    return mark_of(w->text + w->span[i].start,
                   w->span[i].end - w->span[i].start);
}

/* Sentences of the item that begins at span i; 0 when none does. */
static size_t item_at(const walk *w, size_t i) {
    size_t n = 1;
    if (!begins_line(w, i) || !mark_at(w, i))
        return 0;
    while (i + n < w->n && n < LIST_SENTENCES_MAX && !begins_line(w, i + n))
        n++;
    for (size_t k = i; k < i + n; k++)
        if (rag_inject_suspect(w->text + w->span[k].start,
                               w->span[k].end - w->span[k].start))
            return 0;
    return n;
}

/* The same of the item that goes on a list whose first is marked so. "①" is
 * of paragraphs, which hold lists of their own. */
static size_t next_item(const walk *w, size_t i, mark first) {
    mark m = mark_at(w, i);
    bool own = m != CIRCLED || first == CIRCLED;
    return own && (m == ROW) == (first == ROW) ? item_at(w, i) : 0;
}

/* Whether all rows of a table fit: a part of one says nothing of the rest. */
static bool table_fits(const walk *w) {
    size_t rows = 0, chars = 0, i = 0;
    for (size_t n; i < w->n && (n = next_item(w, i, ROW)); i += n, rows++)
        chars += rag_utf8_count(w->text + w->span[i].start,
                                w->span[i + n - 1].end - w->span[i].start);
    return rows <= LIST_ITEMS_MAX && chars <= LIST_CHARS_MAX;
}

/* Quotes spans [i, i + n), two at a time. */
static int quote_item(walk *w, size_t i, size_t n, rag_buf *text,
                      rag_citing *to, rag_error *err) {
    int rc = rag_buf_append_char(text, '\n', err);
    for (size_t k = i; k < i + n && !rc; k += 2) {
        size_t last = k + 1 < i + n ? k + 1 : k;
        const char *s = w->text + w->span[k].start;
        size_t len = w->span[last].end - w->span[k].start;
        unsigned number = 0;
        if (k > i)
            rc = rag_buf_append_char(text, ' ', err);
        if (!rc)
            rc = rag_prompt_plain(s, len, text, err);
        if (!rc)
            rc = rag_ground_cite_bytes(
                w->after->item, s, w->start + w->span[k].start,
                w->start + w->span[last].end, to, &number, err);
        if (!rc)
            rc = rag_buf_printf(text, err, " [%u]", number);
    }
    return rc;
}

int rag_extract_list(const rag_ground_ctx *c, size_t after, bool announced,
                     rag_buf *text, rag_citing *to, size_t *items,
                     rag_error *err) {
    const rag_source *s = &c->source[after];
    const rag_passage *p = &c->passages[c->ev->items[s->item].passage];
    *items = 0;
    if (s->end < p->start || s->end > p->start + p->len)
        return 0;
    walk w = {.c = c,
              .after = s,
              .text = p->text + (s->end - p->start),
              .len = p->len - (s->end - p->start),
              .start = s->end};
    if (!rag_utf8_valid(w.text, w.len, NULL))
        return 0;
    int rc =
        rag_sentences_split(c->sentences, w.text, w.len, &w.span, &w.n, err);
    /* An item may announce others, but not those of its own list. */
    mark first = !rc && w.n ? mark_at(&w, 0) : NONE;
    if (announced && first != ROW &&
        mark_of(s->text, s->end - s->start) == first)
        w.n = 0;
    if (first == ROW && !table_fits(&w))
        w.n = 0;
    for (size_t i = 0, n; i < w.n && !rc && (n = next_item(&w, i, first));
         i += n) {
        const char *item = w.text + w.span[i].start;
        size_t bytes = w.span[i + n - 1].end - w.span[i].start;
        w.chars += rag_utf8_count(item, bytes);
        if (w.chars > LIST_CHARS_MAX || *items == LIST_ITEMS_MAX)
            break;
        if (*item != '|' || rag_table_row(item, bytes)) {
            rc = quote_item(&w, i, n, text, to, err);
            (*items)++;
        }
    }
    free(w.span);
    return rc;
}
