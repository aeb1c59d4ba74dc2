/*
 * passage.c - what the encoder sees of a chunk.
 *
 * Title and heading path, then the chunk's text without the signs of its
 * markup, in NFC. The stored text is never touched. Called by rag-ingest for
 * every chunk and by chunk.c for the words of headings; no state.
 */
#include "ingest/ingest_int.h"

#include "base/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_SEEN 200 /* bytes of the title in a passage */
#define PATH_SEEN 300 /* bytes of the heading path */
#define TABLE_HEADER_MAX 400 /* bytes of a table's header row */
#define TABLE_REACH ((size_t)32 << 10) /* how far up a header is looked for */
#define LINK_MAX 2048 /* bytes of a link's address */

/* Appends c unless it is white space behind white space. */
static int put_space(rag_buf *out, rag_error *err) {
    if (out->len == 0 || out->data[out->len - 1] == ' ' ||
        out->data[out->len - 1] == '\n')
        return RAG_OK;
    return rag_buf_append_char(out, ' ', err);
}

/* &amp; and friends at s[0..n): bytes read, 0 when it is none. */
static size_t entity(const char *s, size_t n, uint32_t *cp) {
    static const struct {
        const char *name;
        uint32_t cp;
    } NAMES[] = {{"&amp;", '&'},     {"&lt;", '<'},       {"&gt;", '>'},
                 {"&quot;", '"'},    {"&#39;", '\''},     {"&nbsp;", ' '},
                 {"&middot;", 0xB7}, {"&ndash;", 0x2013}, {"&mdash;", 0x2014}};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        size_t k = strlen(NAMES[i].name);
        if (n >= k && !memcmp(s, NAMES[i].name, k)) {
            *cp = NAMES[i].cp;
            return k;
        }
    }
    return 0;
}

/*
 * A link or image at s[i] = '[' (or '!' before it): finds its words and its
 * end. Nested brackets in the words are counted, addresses have a limit.
 */
static bool link_at(const char *s, size_t n, size_t i, size_t *words_end,
                    size_t *end) {
    size_t depth = 0, j = i, stop = n - i > LINK_MAX ? i + LINK_MAX : n;
    for (; j < stop; j++) {
        if (s[j] == '\\')
            j++;
        else if (s[j] == '[')
            depth++;
        else if (s[j] == ']' && --depth == 0)
            break;
    }
    if (j >= stop || j + 1 >= n || s[j + 1] != '(')
        return false;
    *words_end = j;
    depth = 0;
    stop = n - j > LINK_MAX ? j + LINK_MAX : n;
    for (size_t k = j + 1; k < stop; k++) {
        if (s[k] == '(')
            depth++;
        else if (s[k] == ')' && --depth == 0) {
            *end = k + 1;
            return true;
        } else if (s[k] == '\n')
            return false;
    }
    return false;
}

/* <br>, </b>, <a href="...">, <!-- ... -->: bytes of it, 0 when it is none. */
static size_t tag_at(const char *s, size_t n) {
    if (n >= 7 && !memcmp(s, "<!--", 4)) {
        const char *e = memmem(s + 4, n - 4, "-->", 3);
        return e ? (size_t)(e - s) + 3 : 0;
    }
    size_t i = 1;
    if (i < n && s[i] == '/')
        i++;
    if (i >= n || !isalpha((unsigned char)s[i]))
        return 0;
    size_t stop = n < 1024 ? n : 1024;
    while (i < stop && (isalnum((unsigned char)s[i]) || s[i] == '-'))
        i++;
    if (i >= stop || (s[i] != '>' && s[i] != ' ' && s[i] != '/'))
        return 0; /* <https://...> and a < b stay */
    for (; i < stop; i++) {
        if (s[i] == '>')
            return i + 1;
        if (s[i] == '<')
            return 0;
    }
    return 0;
}

/* Runs of * _ ~ ` that are emphasis or code, not words: "**" always, a single
 * one when it stands at a word's edge. */
static size_t emphasis_at(const char *s, size_t n, size_t i) {
    char c = s[i];
    size_t k = 1;
    while (i + k < n && s[i + k] == c)
        k++;
    if (c == '`')
        return k;
    if (c == '~')
        return k >= 2 ? k : 0;
    unsigned char before = i > 0 ? (unsigned char)s[i - 1] : ' ';
    unsigned char behind = i + k < n ? (unsigned char)s[i + k] : ' ';
    bool word_before = isalnum(before) || before >= 0x80;
    bool word_behind = isalnum(behind) || behind >= 0x80;
    if (k >= 2 && c == '*') /* "2 ** 3" stays */
        return !isspace(before) || !isspace(behind) ? k : 0;
    return word_before != word_behind ? k : 0;
}

/* One pass over s; white space becomes single spaces. depth counts links
 * within links. */
static int tidy(const char *s, size_t n, int depth, rag_buf *out,
                rag_error *err) {
    int rc = RAG_OK;
    for (size_t i = 0; i < n && !rc;) {
        unsigned char c = (unsigned char)s[i];
        size_t k = 0, words = 0, end = 0;
        uint32_t cp;
        if (c <= ' ') {
            rc = put_space(out, err);
            i++;
        } else if (c == '\\' && i + 1 < n && ispunct((unsigned char)s[i + 1])) {
            rc = rag_buf_append_char(out, s[i + 1], err);
            i += 2;
        } else if ((c == '*' || c == '_' || c == '~' || c == '`') &&
                   (k = emphasis_at(s, n, i)) > 0) {
            i += k;
        } else if (depth < 3 &&
                   (c == '[' || (c == '!' && i + 1 < n && s[i + 1] == '[')) &&
                   link_at(s, n, c == '!' ? i + 1 : i, &words, &end)) {
            size_t from = c == '!' ? i + 2 : i + 1;
            rc = tidy(s + from, words - from, depth + 1, out, err);
            i = end;
        } else if (c == '<' && (k = tag_at(s + i, n - i)) > 0) {
            rc = put_space(out, err);
            i += k;
        } else if (c == '&' && (k = entity(s + i, n - i, &cp)) > 0) {
            rc = cp == ' ' ? put_space(out, err)
                           : rag_buf_append_codepoint(out, cp, err);
            i += k;
        } else if (c == '|') {
            /* Cells of a table: a bar with spaces, none at the edges. */
            rc = put_space(out, err);
            if (!rc && out->len > 0 && out->data[out->len - 1] == ' ' &&
                (out->len < 3 || out->data[out->len - 2] != '|'))
                rc = rag_buf_append_str(out, "| ", err);
            i++;
        } else {
            k = rag_utf8_next(s + i, n - i, &cp);
            if (cp == 0xA0 || cp == 0x3000)
                rc = put_space(out, err);
            else if (cp != 0xFEFF && cp != 0x200B && cp != 0xAD)
                rc = rag_buf_append(out, s + i, k, err);
            i += k;
        }
    }
    return rc;
}

int rag_passage_tidy(const char *s, size_t n, rag_buf *out, rag_error *err) {
    return tidy(s, n, 0, out, err);
}

static void trim_to(rag_buf *b, size_t from) {
    while (b->len > from &&
           (b->data[b->len - 1] == ' ' || b->data[b->len - 1] == '\n' ||
            b->data[b->len - 1] == '|'))
        b->data[--b->len] = '\0';
}

static size_t line_end(const char *s, size_t at, size_t end) {
    const char *nl = at < end ? memchr(s + at, '\n', end - at) : NULL;
    return nl ? (size_t)(nl - s) : end;
}

/* Appends one line of a chunk; bars at its edges, heading signs, list marks,
 * rules and fences go. */
static int put_line(const char *s, size_t a, size_t e, rag_buf *out,
                    rag_error *err) {
    while (a < e && isspace((unsigned char)s[a]))
        a++;
    while (e > a && isspace((unsigned char)s[e - 1]))
        e--;
    if (a == e || rag_outline_delimiter_row(s + a, e - a))
        return RAG_OK;
    while (a < e && s[a] == '>') { /* quotation */
        a++;
        while (a < e && s[a] == ' ')
            a++;
    }
    if (a < e && strchr("-*_=~`", s[a])) {
        size_t k = a;
        while (k < e && (s[k] == s[a] || s[k] == ' '))
            k++;
        if (k == e && e - a >= 3)
            return RAG_OK; /* a rule, an underline, a fence */
        if (s[a] == '`' && e - a > 3 && !memcmp(s + a, "```", 3))
            return RAG_OK; /* a fence with its language */
    }
    size_t hashes = a;
    while (hashes < e && s[hashes] == '#')
        hashes++;
    if (hashes > a && hashes - a <= 6 && (hashes == e || s[hashes] == ' ')) {
        a = hashes;
    } else if (e - a > 2 && strchr("-*+", s[a]) && s[a + 1] == ' ') {
        a += 2;
        if (e - a > 4 && s[a] == '[' && s[a + 2] == ']' && s[a + 3] == ' ')
            a += 4; /* a box to tick */
    }
    while (a < e && (s[a] == '|' || s[a] == ' '))
        a++;
    size_t from = out->len;
    int rc = tidy(s + a, e - a, 0, out, err);
    trim_to(out, from);
    if (!rc && out->len > from)
        rc = rag_buf_append_char(out, '\n', err);
    return rc;
}

/* True when the text begins with a table whose header ends at *e. */
static bool begins_with_table(const char *s, size_t n, size_t *e) {
    size_t end = line_end(s, 0, n);
    *e = end;
    if (end > TABLE_HEADER_MAX || end + 1 >= n || s[0] != '|')
        return false;
    size_t second = line_end(s, end + 1, n);
    return rag_outline_delimiter_row(s + end + 1, second - end - 1);
}

/*
 * Header row of the table that a chunk begins inside of: the line above the
 * row of dashes, found going up row by row. Far up it is not looked for (that
 * would take quadratic time), but at the text's start: a text that is one long
 * table has its header there.
 */
static bool table_header(const char *s, size_t n, size_t start, size_t *a,
                         size_t *e) {
    size_t floor = start > TABLE_REACH ? start - TABLE_REACH : 0;
    size_t first = line_end(s, start, n);
    if (!memchr(s + start, '|', first - start))
        return false;
    size_t at = start;
    bool dashes = false;
    while (at > floor) {
        size_t end = at - 1; /* the line end before `at` */
        if (s[end] != '\n')
            return false; /* the chunk begins inside a line */
        const char *nl =
            end > floor ? memrchr(s + floor, '\n', end - floor) : NULL;
        size_t from = nl ? (size_t)(nl - s) + 1 : floor;
        size_t to = end;
        while (to > from && isspace((unsigned char)s[to - 1]))
            to--;
        if (!memchr(s + from, '|', to - from))
            return false;
        if (dashes) {
            *a = from;
            *e = to;
            return to - from <= TABLE_HEADER_MAX;
        }
        dashes = rag_outline_delimiter_row(s + from, to - from);
        at = from;
    }
    *a = 0;
    return floor > 0 && begins_with_table(s, n, e);
}

/* True when the first line of the chunk says no more than the path's end. */
static bool repeats(const char *path, const char *l, size_t n) {
    size_t k = strlen(path);
    while (n > 0 && (l[n - 1] == '\n' || l[n - 1] == ' '))
        n--;
    return n > 0 && k >= n && !memcmp(path + k - n, l, n) &&
           (k == n || (k >= n + 3 && !memcmp(path + k - n - 3, " > ", 3)));
}

static int put_cut(rag_buf *out, const char *s, size_t max, rag_error *err) {
    size_t n = strlen(s);
    if (n > max)
        n = rag_utf8_floor(s, n, max);
    return rag_buf_append(out, s, n, err);
}

/* The chunk's own lines; those that repeat title or heading are left out. */
static int put_text(const rag_document *doc, const rag_chunk *c, rag_buf *out,
                    rag_error *err) {
    size_t h, he, body = out->len;
    int rc = RAG_OK;
    if (table_header(doc->text, c->end, c->start, &h, &he))
        rc = put_line(doc->text, h, he, out, err);
    for (size_t at = c->start; at < c->end && !rc;) {
        size_t end = line_end(doc->text, at, c->end), from = out->len;
        rc = put_line(doc->text, at, end, out, err);
        if (!rc && from == body && out->len > from &&
            (repeats(c->heading, out->data + from, out->len - from) ||
             repeats(doc->title, out->data + from, out->len - from))) {
            out->len = from;
            out->data[from] = '\0';
        }
        at = end + 1;
    }
    trim_to(out, body);
    if (!rc && out->len == body) /* markup only: better than nothing */
        rc = rag_buf_append(out, doc->text + c->start, c->end - c->start, err);
    return rc;
}

int rag_ingest_passage(const rag_document *doc, size_t i, rag_buf *out,
                       rag_error *err) {
    if (i >= doc->nchunks)
        return rag_error_set(err, RAG_E_INTERNAL, "there is no chunk %zu", i);
    const rag_chunk *c = &doc->chunks[i];
    if (c->start > c->end || c->end > doc->text_len)
        return rag_error_set(err, RAG_E_INTERNAL, "chunk %zu is out of range",
                             i);
    rag_buf raw;
    rag_buf_init(&raw, 0);
    int rc = RAG_OK;
    const char *head = doc->kind == RAG_DOC_FAQ && doc->nquestions > 0
                           ? doc->questions[0]
                           : doc->title;
    if (head && *head) {
        rc = put_cut(&raw, head, TITLE_SEEN, err);
        if (!rc)
            rc = rag_buf_append_char(&raw, '\n', err);
    }
    if (!rc && c->heading && *c->heading && strcmp(c->heading, head) != 0) {
        rc = put_cut(&raw, c->heading, PATH_SEEN, err);
        if (!rc)
            rc = rag_buf_append_char(&raw, '\n', err);
    }
    if (!rc)
        rc = put_text(doc, c, &raw, err);
    if (!rc)
        rc = rag_unicode_nfc(raw.data ? raw.data : "", raw.len, out, err);
    rag_buf_free(&raw);
    return rc;
}
