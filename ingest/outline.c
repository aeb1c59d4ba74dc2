/*
 * outline.c - the structure of a text: headings, paragraphs, lists, tables,
 * code, and what is markup only.
 *
 * One pass over the lines, linear in the text, without recursion, so that no
 * text can make it slow. It reads the part of CommonMark (and GitHub's
 * tables) that decides where a passage may be cut; inline markup is
 * passage.c's. (md4c parses all of it, but tells no positions and, in Debian
 * 12's version, takes quadratic time for tables with many columns.)
 *
 * Plain text has the same signs where people use them in plain text too, and
 * headings by their look: underlined, "제1조(목적)", "1. 목적" alone between
 * blank lines.
 *
 * Called by chunk.c, passage.c and the readers for titles; no state.
 */
#include "ingest/ingest_int.h"

#include "base/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FRONT_MATTER_MAX ((size_t)64 << 10)
#define HEADING_MAX 200 /* bytes of a heading's words that are kept */
#define HEADING_COLUMNS 60 /* a plain line wider than this is no heading */

/* One line: [start,end) without line end, [text,end) without indentation. */
typedef struct line {
    size_t start, text, end, next;
    bool blank;
} line;

typedef struct outline {
    const char *s;
    size_t n;
    bool markdown;
    rag_block *v;
    size_t count, cap;
    bool open; /* the last block may go on */
    bool no_comment_end; /* there is no "-->" any more: do not look again */
    rag_error *err;
    int rc;
} outline;

static line line_at(const char *s, size_t n, size_t start) {
    line l = {.start = start};
    const char *nl = start < n ? memchr(s + start, '\n', n - start) : NULL;
    l.end = nl ? (size_t)(nl - s) : n;
    l.next = nl ? l.end + 1 : n;
    while (l.end > start && (s[l.end - 1] == '\r' || s[l.end - 1] == ' ' ||
                             s[l.end - 1] == '\t'))
        l.end--;
    l.text = start;
    while (l.text < l.end && (s[l.text] == ' ' || s[l.text] == '\t'))
        l.text++;
    l.blank = l.text >= l.end;
    if (!l.blank && (unsigned char)s[l.text] >= 0xC2) {
        /* A line of no-break or ideographic spaces is blank as well. */
        size_t i = l.text;
        uint32_t cp;
        while (i < l.end) {
            size_t k = rag_utf8_next(s + i, l.end - i, &cp);
            if (cp != 0xA0 && cp != 0x3000 && cp != 0x200B && cp != 0xFEFF &&
                cp != ' ' && cp != '\t')
                break;
            i += k;
        }
        l.blank = i >= l.end;
    }
    return l;
}

static rag_block *push(outline *o, rag_block_kind kind, size_t start,
                       size_t end) {
    if (o->rc)
        return NULL;
    if (o->count == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 64;
        rag_block *v = realloc(o->v, cap * sizeof *v);
        if (!v) {
            o->rc = rag_error_set(o->err, RAG_E_NOMEM,
                                  "no memory for a text's structure");
            return NULL;
        }
        o->v = v;
        o->cap = cap;
    }
    rag_block *b = &o->v[o->count++];
    *b = (rag_block){.kind = kind, .start = start, .end = end};
    o->open = false;
    return b;
}

static void push_heading(outline *o, int level, size_t start, size_t end,
                         size_t title_start, size_t title_end) {
    rag_block *b = push(o, RAG_BLOCK_HEADING, start, end);
    if (!b)
        return;
    b->level = level;
    b->title_start = title_start;
    if (title_end - title_start > HEADING_MAX)
        title_end = rag_utf8_floor(o->s, title_end, title_start + HEADING_MAX);
    b->title_end = title_end;
}

/* ---- what a line is ----------------------------------------------------- */

static size_t run_of(const char *s, size_t from, size_t end, char c) {
    size_t i = from;
    while (i < end && s[i] == c)
        i++;
    return i - from;
}

/*
 * Bytes of the syllable that p[0..n) begins with when it is this one,
 * composed or as the two or three jamo of it; 0 when it is another.
 */
static size_t syllable(const char *p, size_t n, const char *composed,
                       const char *jamo) {
    size_t k = strlen(composed);
    if (n >= k && !memcmp(p, composed, k))
        return k;
    k = strlen(jamo);
    return n >= k && !memcmp(p, jamo, k) ? k : 0;
}

/* 가, 나, 다 ... 하 as item marks, composed or decomposed: bytes, or 0. */
static size_t item_letter(const char *p, size_t n) {
    static const uint32_t LEADS[] = {
        0,  2,  3,  5,  6,  7,  9,
        11, 12, 14, 15, 16, 17, 18}; /* Unicode 3.12, L index */
    uint32_t cp, vowel;
    size_t k = rag_utf8_next(p, n, &cp);
    for (size_t i = 0; i < sizeof LEADS / sizeof *LEADS; i++) {
        if (cp == 0xAC00 + LEADS[i] * 588)
            return k;
        if (cp == 0x1100 + LEADS[i] && k < n) {
            size_t v = rag_utf8_next(p + k, n - k, &vowel);
            return vowel == 0x1161 ? k + v : 0;
        }
    }
    return 0;
}

/* Signs that bullets are made of in Korean and English office texts. */
static size_t bullet(const char *p, size_t n) {
    static const char *const SIGNS[] = {
        "-", "*", "+", "•", "·", "▪",  "■", "□", "◦", "○",  "●", "▶",
        "▷", "※", "→", "–", "—", "ㆍ", "★", "✓", "✔", "ㅇ", "ㅁ"};
    for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++) {
        size_t k = strlen(SIGNS[i]);
        if (n > k && !memcmp(p, SIGNS[i], k) && (p[k] == ' ' || p[k] == '\t'))
            return k;
    }
    return 0;
}

/* "1." "12)" "(3)" "가." "(나)" "①" "a)": bytes of it, 0 when none. */
static size_t ordinal(const char *p, size_t n) {
    size_t i = 0;
    bool open = n > 0 && p[0] == '(';
    if (open)
        i++;
    size_t digits = i;
    while (digits < n && digits - i < 4 && isdigit((unsigned char)p[digits]))
        digits++;
    if (digits > i) {
        i = digits;
    } else if (i + 3 <= n && (unsigned char)p[i] >= 0xE1) {
        uint32_t cp;
        size_t k = rag_utf8_next(p + i, n - i, &cp);
        if ((cp >= 0x2460 && cp <= 0x2473) || (cp >= 0x3260 && cp <= 0x327B) ||
            (cp >= 0x2776 && cp <= 0x277F))
            return open ? 0 : k;
        k = item_letter(p + i, n - i);
        if (!k)
            return 0;
        i += k;
    } else if (i < n && isalpha((unsigned char)p[i])) {
        i++;
    } else {
        return 0;
    }
    if (i >= n || (p[i] != ')' && (open || p[i] != '.')))
        return 0;
    i++;
    return i == n || p[i] == ' ' || p[i] == '\t' ? i : 0;
}

size_t rag_outline_marker(const char *l, size_t n) {
    size_t i = 0;
    while (i < n && (l[i] == ' ' || l[i] == '\t'))
        i++;
    size_t k = bullet(l + i, n - i);
    if (!k)
        k = ordinal(l + i, n - i);
    return k ? i + k : 0;
}

bool rag_outline_delimiter_row(const char *l, size_t n) {
    size_t dashes = 0, pipes = 0;
    for (size_t i = 0; i < n; i++) {
        if (l[i] == '-')
            dashes++;
        else if (l[i] == '|')
            pipes++;
        else if (l[i] != ':' && l[i] != ' ' && l[i] != '\t' && l[i] != '\r')
            return false;
    }
    return dashes > 0 && pipes > 0;
}

/* "---", "* * *", "=====" and their like. */
static bool is_rule(const char *s, const line *l) {
    size_t signs = 0;
    char c = s[l->text];
    if (!strchr("-*_=~", c))
        return false;
    for (size_t i = l->text; i < l->end; i++) {
        if (s[i] == c)
            signs++;
        else if (s[i] != ' ' && s[i] != '\t')
            return false;
    }
    return signs >= 3;
}

/* Level of "## words", 0 when it is none. */
static int atx_level(const char *s, const line *l) {
    size_t k = run_of(s, l->text, l->end, '#');
    if (k < 1 || k > 6 || l->text - l->start > 3)
        return 0;
    size_t after = l->text + k;
    return after == l->end || s[after] == ' ' || s[after] == '\t' ? (int)k : 0;
}

static void push_atx(outline *o, const line *l, int level) {
    const char *s = o->s;
    size_t a = l->text + (size_t)level, e = l->end;
    while (a < e && (s[a] == ' ' || s[a] == '\t'))
        a++;
    size_t hashes = e;
    while (hashes > a && s[hashes - 1] == '#')
        hashes--;
    if (hashes == a || s[hashes - 1] == ' ') /* closing ##s */
        e = hashes;
    while (e > a && (s[e - 1] == ' ' || s[e - 1] == '\t'))
        e--;
    push_heading(o, level, l->start, l->end, a, e);
}

static bool is_fence(const char *s, const line *l, char *c, size_t *len) {
    char f = s[l->text];
    if (f != '`' && f != '~')
        return false;
    size_t k = run_of(s, l->text, l->end, f);
    if (k < 3 ||
        (f == '`' && memchr(s + l->text + k, '`', l->end - l->text - k)))
        return false;
    *c = f;
    *len = k;
    return true;
}

static bool has_pipe(const char *s, const line *l) {
    return memchr(s + l->text, '|', l->end - l->text) != NULL;
}

/*
 * "제3조(정의)", "제2장 총칙", "제5조의2 [시행일]": level by the unit; *words
 * is the length of the heading in the line. Text may follow a 조 on its line.
 */
static int statute_level(const char *p, size_t n, size_t *words) {
    size_t i = syllable(p, n, "제", "\u110C\u1166");
    if (i == 0)
        return 0;
    while (i < n && p[i] == ' ')
        i++;
    size_t digits = i;
    while (digits < n && isdigit((unsigned char)p[digits]))
        digits++;
    if (digits == i || digits - i > 4)
        return 0;
    i = digits;
    while (i < n && p[i] == ' ')
        i++;
    static const char *const UNITS[][2] = {{"편", "\u1111\u1167\u11AB"},
                                           {"장", "\u110C\u1161\u11BC"},
                                           {"절", "\u110C\u1165\u11AF"},
                                           {"관", "\u1100\u116A\u11AB"},
                                           {"조", "\u110C\u1169"}};
    int level = 0;
    size_t unit = 0, branch;
    for (int k = 0; k < 5 && !unit; k++)
        if ((unit = syllable(p + i, n - i, UNITS[k][0], UNITS[k][1])) > 0)
            level = k + 1;
    if (!level)
        return 0;
    i += unit;
    branch = syllable(p + i, n - i, "의", "\u110B\u1174"); /* 제5조의2 */
    if (branch && i + branch < n && isdigit((unsigned char)p[i + branch])) {
        i += branch;
        while (i < n && isdigit((unsigned char)p[i]))
            i++;
    }
    if (level < 5) { /* a chapter's line is its heading */
        if (i < n && p[i] != ' ')
            return 0;
        *words = n;
        return rag_unicode_width(p, n) <= HEADING_COLUMNS ? level : 0;
    }
    while (i < n && p[i] == ' ')
        i++;
    if (i >= n || p[i] != '(')
        return 0;
    const char *close = memchr(p + i, ')', n - i < 120 ? n - i : 120);
    if (!close)
        return 0;
    *words = (size_t)(close - p) + 1;
    return level;
}

/* Number of levels in "3.2.1 words" or "3. words", 0 when it is none; *last
 * is its last number. */
static int numbered_level(const char *p, size_t n, long *last) {
    size_t i = 0;
    int level = 0;
    while (i < n && isdigit((unsigned char)p[i])) {
        size_t d = i;
        while (i < n && isdigit((unsigned char)p[i]))
            i++;
        if (i - d > 2)
            return 0;
        *last = strtol(p + d, NULL, 10);
        level++;
        if (i < n && p[i] == '.')
            i++;
        else
            break;
    }
    bool dot = i > 0 && p[i - 1] == '.';
    if (level == 0 || level > 4 || (level == 1 && !dot) || i >= n ||
        p[i] != ' ')
        return 0;
    return level;
}

/* A line of plain text that stands alone and looks like a heading. */
static int plain_level(const outline *o, const line *l, const line *after,
                       const line *beyond) {
    const char *p = o->s + l->text;
    size_t n = l->end - l->text;
    if (l->text - l->start > 3 || n < 2 || n > 4 * HEADING_COLUMNS ||
        rag_unicode_width(p, n) > HEADING_COLUMNS)
        return 0;
    if (strchr(".!?,;:", p[n - 1]))
        return 0;
    if (p[0] == '[' && n > 4 && memchr(p, ']', n) == p + n - 1)
        return 2;
    if (!after->blank)
        return 0;
    long number = 0, next = 0;
    int level = numbered_level(p, n, &number);
    if (level) {
        /* Items with blank lines between them are a list. */
        const char *q = o->s + beyond->text;
        size_t m = beyond->blank ? 0 : beyond->end - beyond->text;
        if (level == 1 && m && numbered_level(q, m, &next) == 1 &&
            next == number + 1)
            return 0;
        return level + 1;
    }
    static const char *const SQUARES[] = {"■", "□", "◆", "◇", "▣", "○", "●"};
    for (int i = 0; i < 7; i++)
        if (n > 4 && !memcmp(p, SQUARES[i], 3) && p[3] == ' ')
            return i < 5 ? 2 : 3;
    size_t upper = 0;
    for (size_t i = 0; i < n; i++) {
        if (islower((unsigned char)p[i]) || (unsigned char)p[i] >= 0x80)
            return 0;
        upper += isupper((unsigned char)p[i]) != 0;
    }
    return upper >= 4 ? 2 : 0;
}

/* ---- blocks of more than one line --------------------------------------- */

/* Adds l to the block of this kind that is open, or begins one. */
static void extend(outline *o, rag_block_kind kind, const line *l) {
    if (o->open && o->count > 0 && o->v[o->count - 1].kind == kind)
        o->v[o->count - 1].end = l->end;
    else
        push(o, kind, l->start, l->end);
    o->open = true;
}

/* Fenced code from l to its closing fence; returns where to go on. */
static size_t take_fence(outline *o, const line *l, char c, size_t len) {
    size_t end = l->end, at = l->next;
    while (at < o->n) {
        line m = line_at(o->s, o->n, at);
        at = m.next;
        if (!m.blank) {
            end = m.end;
            size_t k = run_of(o->s, m.text, m.end, c);
            if (k >= len && m.text + k == m.end)
                break;
        }
    }
    push(o, RAG_BLOCK_CODE, l->start, end);
    return at;
}

/* A comment that begins a line, to its end (or to the end of the text, as
 * CommonMark has it). */
static size_t take_comment(outline *o, const line *l) {
    const char *s = o->s;
    if (o->no_comment_end)
        return 0;
    const char *close = memmem(s + l->text + 4, o->n - l->text - 4, "-->", 3);
    if (!close) {
        o->no_comment_end = true;
        return 0; /* nothing is hidden by a sign that is never closed */
    }
    size_t end = (size_t)(close - s) + 3;
    line m = line_at(s, o->n, end);
    if (!m.blank && m.text < m.end) {
        /* Words behind the comment: they are content. */
        push(o, RAG_BLOCK_MARKUP, l->start, end);
        return end;
    }
    push(o, RAG_BLOCK_MARKUP, l->start, end);
    return m.next;
}

/* A table from its first row l; returns where to go on. */
static size_t take_table(outline *o, const line *l) {
    size_t end = l->end, at = l->next;
    while (at < o->n) {
        line m = line_at(o->s, o->n, at);
        if (m.blank || !has_pipe(o->s, &m))
            break;
        end = m.end;
        at = m.next;
    }
    push(o, RAG_BLOCK_TABLE, l->start, end);
    return at;
}

/* Does a line that follows a blank one belong to the list before it? */
static bool continues_list(const char *s, const line *l) {
    return rag_outline_marker(s + l->start, l->end - l->start) > 0 ||
           l->text - l->start >= 2;
}

/* What the line is, apart from going on with what is open. Returns where to
 * go on, 0 when it is an ordinary line. */
static size_t take_special(outline *o, const line *l, const line *after,
                           bool was_blank) {
    const char *s = o->s;
    char fence;
    size_t fence_len;
    int level = atx_level(s, l);
    if (level && (o->markdown || was_blank || o->count == 0 ||
                  o->v[o->count - 1].kind == RAG_BLOCK_HEADING)) {
        push_atx(o, l, level);
        return l->next;
    }
    bool in_list =
        o->open && o->count > 0 && o->v[o->count - 1].kind == RAG_BLOCK_LIST;
    if (in_list && l->text - l->start >= 2)
        return 0; /* whatever it is, it is inside the item */
    if (is_fence(s, l, &fence, &fence_len))
        return take_fence(o, l, fence, fence_len);
    if (l->end - l->text >= 4 && !memcmp(s + l->text, "<!--", 4)) {
        size_t to = take_comment(o, l);
        if (to)
            return to;
    }
    if (is_rule(s, l)) {
        push(o, RAG_BLOCK_MARKUP, l->start, l->end);
        return l->next;
    }
    if (has_pipe(s, l) &&
        (s[l->text] == '|' || (!after->blank && after->start > l->start &&
                               rag_outline_delimiter_row(
                                   s + after->text, after->end - after->text))))
        return take_table(o, l);
    return 0;
}

/* A paragraph of one line above "====" or "----" is a heading. */
static bool take_setext(outline *o, const line *l) {
    char c = o->s[l->text];
    if ((c != '=' && c != '-') || l->text - l->start > 3 || !o->open ||
        o->count == 0)
        return false;
    size_t k = run_of(o->s, l->text, l->end, c);
    if (l->text + k != l->end || k < (o->markdown ? 2u : 3u))
        return false;
    rag_block b = o->v[o->count - 1];
    if (b.kind != RAG_BLOCK_PARAGRAPH ||
        memchr(o->s + b.start, '\n', b.end - b.start) ||
        b.end - b.start > 4 * HEADING_COLUMNS)
        return false;
    o->count--;
    size_t a = b.start;
    while (a < b.end && (o->s[a] == ' ' || o->s[a] == '\t'))
        a++;
    push_heading(o, c == '=' ? 1 : 2, b.start, l->end, a, b.end);
    return true;
}

static void take_ordinary(outline *o, const line *l, const line *after,
                          bool was_blank) {
    const char *s = o->s;
    size_t words = 0;
    int level = 0;
    if ((unsigned char)s[l->text] >= 0xE1)
        level = statute_level(s + l->text, l->end - l->text, &words);
    if (level && (was_blank || words < l->end - l->text)) {
        bool alone = words == l->end - l->text;
        push_heading(o, level, l->start, alone ? l->end : l->start, l->text,
                     l->text + words);
        if (alone)
            return;
        push(o, RAG_BLOCK_PARAGRAPH, l->start, l->end);
        o->open = true;
        return;
    }
    if (!o->markdown && (was_blank || o->count == 0)) {
        line beyond = *after;
        while (beyond.blank && beyond.next < o->n)
            beyond = line_at(s, o->n, beyond.next);
        level = plain_level(o, l, after, &beyond);
        if (level) {
            push_heading(o, level, l->start, l->end, l->text, l->end);
            return;
        }
    }
    bool in_list =
        o->open && o->count > 0 && o->v[o->count - 1].kind == RAG_BLOCK_LIST;
    if (rag_outline_marker(s + l->start, l->end - l->start))
        extend(o, RAG_BLOCK_LIST, l);
    else if (in_list)
        extend(o, RAG_BLOCK_LIST, l); /* a lazy line of the item */
    else
        extend(o, RAG_BLOCK_PARAGRAPH, l);
}

size_t rag_outline_front_matter(const char *text, size_t n) {
    if (n < 8 || memcmp(text, "---", 3) != 0)
        return 0;
    line l = line_at(text, n, 0);
    if (l.end != 3)
        return 0;
    size_t end = n < FRONT_MATTER_MAX ? n : FRONT_MATTER_MAX;
    bool keys = false;
    for (size_t at = l.next; at < end;) {
        line m = line_at(text, n, at);
        size_t k = m.end - m.start;
        if (k == 3 && (!memcmp(text + m.start, "---", 3) ||
                       !memcmp(text + m.start, "...", 3)))
            return keys ? m.next : 0;
        if (!m.blank && m.text == m.start && text[m.text] != '#' &&
            text[m.text] != '-') {
            if (!memchr(text + m.start, ':', k))
                return 0; /* a rule and then prose */
            keys = true;
        }
        at = m.next;
    }
    return 0;
}

int rag_outline(const char *text, size_t n, bool markdown, rag_block **out,
                size_t *count, rag_error *err) {
    *out = NULL;
    *count = 0;
    outline o = {.s = text, .n = n, .markdown = markdown, .err = err};
    size_t at = 0;
    bool was_blank = true;
    if (markdown && (at = rag_outline_front_matter(text, n)) > 0)
        push(&o, RAG_BLOCK_MARKUP, 0, at);
    while (at < n && !o.rc) {
        line l = line_at(text, n, at);
        at = l.next;
        if (l.blank) {
            was_blank = true;
            continue;
        }
        if (was_blank && o.open && o.count > 0) {
            rag_block *last = &o.v[o.count - 1];
            o.open = last->kind == RAG_BLOCK_LIST && continues_list(text, &l);
        }
        line after = line_at(text, n, l.next);
        if (!was_blank && take_setext(&o, &l)) {
            was_blank = false;
            continue;
        }
        size_t to = take_special(&o, &l, &after, was_blank);
        if (to)
            at = to;
        else
            take_ordinary(&o, &l, &after, was_blank);
        was_blank = false;
    }
    if (!o.rc && !o.v)
        push(&o, RAG_BLOCK_MARKUP, 0, 0);
    if (o.rc) {
        free(o.v);
        return o.rc;
    }
    *out = o.v;
    *count = o.count;
    return RAG_OK;
}

bool rag_outline_is_markdown(const rag_document *doc) {
    static const char *const EXT[] = {".md",    ".markdown", ".mdown",
                                      ".mkd",   ".html",     ".htm",
                                      ".xhtml", ".csv",      ".tsv"};
    const char *dot = doc->source ? strrchr(doc->source, '.') : NULL;
    for (size_t i = 0; dot && i < sizeof EXT / sizeof *EXT; i++)
        if (!strcasecmp(dot, EXT[i]))
            return true;
    return false;
}
