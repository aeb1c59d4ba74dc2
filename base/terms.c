/*
 * terms.c - text to index terms: folding, words, codes, Hangul.
 *
 * A reader folds the input character by character (full-width, NFD, case,
 * accents) and remembers for each folded character the bytes it came from.
 * Characters are collected up to white space (at most RUN_MAX at a time, so
 * time is linear and memory constant), split into words there, and each word
 * into segments of one script, which give the terms.
 *
 * Called from any thread; no state.
 */
#include "base/terms.h"

#include "base/terms_int.h"
#include "base/unicode.h"

#include <stdint.h>
#include <string.h>

#define RUN_MAX 512 /* characters between two spaces; longer runs are cut */
#define WHOLE_MAX 16 /* characters of a mixed word kept whole ("제17조의2") */
#define FOLD_MAX 20 /* characters one character may fold to */

typedef struct chr {
    uint32_t cp;
    rag_char_class cls;
    size_t start, end;
} chr;

typedef struct reader {
    const char *s;
    size_t n, pos;
    chr queue[FOLD_MAX]; /* folded, not yet handed out */
    unsigned head, count;
    rag_buf scratch;
    rag_error *err;
    int rc;
} reader;

typedef struct analyser {
    rag_term_fn fn;
    void *user;
    bool content; /* only content words and their stems */
    unsigned position;
    chr run[RUN_MAX];
    size_t n;
} analyser;

/* ---- folding ------------------------------------------------------------ */

/* Base letters of U+00C0..U+017F, lower case; '.' where the character is
 * kept as it is. */
static const char accents[] =
    "aaaaaa.ceeeeiiiidnooooo.ouuuuy..aaaaaa.ceeeeiiiidnooooo.ouuuuy.y"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii..jjkk.llllll."
    ".llnnnnnn...oooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzz.";

static rag_char_class class_of(uint32_t cp) {
    if (cp < 0x80) {
        if (cp >= '0' && cp <= '9')
            return RAG_CHAR_DIGIT;
        if ((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z'))
            return RAG_CHAR_LATIN;
        return cp == ' ' || (cp >= 9 && cp <= 13) ? RAG_CHAR_SPACE
                                                  : RAG_CHAR_OTHER;
    }
    if (rag_unicode_syllable(cp))
        return RAG_CHAR_HANGUL;
    return rag_unicode_class(cp);
}

/* Characters that vanish: combining marks (their base letter stays), soft
 * hyphen, zero-width signs, byte order mark. */
static bool vanishes(uint32_t cp) {
    return (cp >= 0x300 && cp <= 0x36F) || cp == 0xAD ||
           (cp >= 0x200B && cp <= 0x200D) || cp == 0x2060 || cp == 0xFEFF ||
           (cp >= 0xFE00 && cp <= 0xFE0F);
}

static uint32_t simple_fold(uint32_t cp) {
    if (cp >= 'A' && cp <= 'Z')
        return cp + 32;
    if (cp >= 0xC0 && cp - 0xC0 < sizeof(accents) - 1 &&
        accents[cp - 0xC0] != '.')
        return (unsigned char)accents[cp - 0xC0];
    if ((cp >= 0x2010 && cp <= 0x2015) || cp == 0x2212)
        return '-';
    if (cp == 0x2018 || cp == 0x2019)
        return '\'';
    return cp;
}

static void push(reader *r, uint32_t cp, size_t start, size_t end) {
    if (r->count < FOLD_MAX) {
        cp = simple_fold(cp);
        r->queue[r->head + r->count] = (chr){cp, class_of(cp), start, end};
        r->count++;
    }
}

static int fold_other(reader *r, size_t start, size_t end) {
    size_t i = 0;

    rag_buf_clear(&r->scratch);
    if (rag_unicode_fold(r->s + start, end - start, &r->scratch, r->err) != 0)
        return RAG_E_NOMEM;
    while (i < r->scratch.len) {
        uint32_t cp;

        i += rag_utf8_next(r->scratch.data + i, r->scratch.len - i, &cp);
        if (!vanishes(cp))
            push(r, cp, start, end);
    }
    return 0;
}

/* Fills the queue with the next character's folding; false at the end. */
static bool fill(reader *r) {
    r->head = 0;
    while (r->count == 0) {
        size_t start = r->pos;
        uint32_t cp;

        if (start >= r->n || r->rc != 0)
            return false;
        if ((unsigned char)r->s[start] < 0x80) {
            cp = (unsigned char)r->s[start];
            r->pos++;
            push(r, cp, start, r->pos);
            break;
        }
        r->pos += rag_utf8_next(r->s + start, r->n - start, &cp);
        if (vanishes(cp))
            continue;
        if (cp == RAG_CP_INVALID)
            push(r, 0xFFFD, start, r->pos);
        else if (rag_unicode_syllable(cp) || (cp >= 0x1100 && cp <= 0x11FF) ||
                 (cp >= 0x3131 && cp <= 0x318E) ||
                 (cp >= 0x4E00 && cp <= 0x9FFF))
            push(r, cp, start, r->pos);
        else if (simple_fold(cp) != cp)
            push(r, cp, start, r->pos);
        else
            r->rc = fold_other(r, start, r->pos);
    }
    return r->rc == 0;
}

static bool peek(reader *r, chr *out) {
    if (r->count == 0 && !fill(r))
        return false;
    *out = r->queue[r->head];
    return true;
}

static void take(reader *r) {
    r->head++;
    r->count--;
}

/* Next folded character with conjoining jamo composed (Unicode 3.12). */
static bool next(reader *r, chr *out) {
    chr c;

    if (!peek(r, out))
        return false;
    take(r);
    if (out->cp >= 0x1100 && out->cp <= 0x1112 && peek(r, &c) &&
        c.cp >= 0x1161 && c.cp <= 0x1175) {
        out->cp = 0xAC00 + ((out->cp - 0x1100) * 21 + (c.cp - 0x1161)) * 28;
        out->cls = RAG_CHAR_HANGUL;
        out->end = c.end;
        take(r);
    }
    if (rag_unicode_syllable(out->cp) && (out->cp - 0xAC00) % 28 == 0 &&
        peek(r, &c) && c.cp >= 0x11A8 && c.cp <= 0x11C2) {
        out->cp += c.cp - 0x11A7;
        out->end = c.end;
        take(r);
    }
    return r->rc == 0;
}

/* ---- terms -------------------------------------------------------------- */

static bool is_alnum(const chr *c) {
    return c->cls == RAG_CHAR_LATIN || c->cls == RAG_CHAR_DIGIT;
}

static bool is_word(const chr *c) {
    return c->cls >= RAG_CHAR_LATIN;
}

/* Writes run[from..to) as UTF-8 into out, cut at RAG_TERM_MAX bytes. */
static size_t put(const analyser *a, size_t from, size_t to,
                  char out[RAG_TERM_MAX + 4]) {
    size_t n = 0;

    for (size_t i = from; i < to; i++) {
        char u[4];
        size_t len = rag_utf8_put(a->run[i].cp, u);

        if (n + len > RAG_TERM_MAX)
            break;
        memcpy(out + n, u, len);
        n += len;
    }
    out[n] = '\0';
    return n;
}

static int emit(analyser *a, rag_term_kind kind, const char *text, size_t len,
                size_t from, size_t to) {
    rag_term t = {text,       len, kind, a->run[from].start, a->run[to - 1].end,
                  a->position};

    return len == 0 ? 0 : a->fn(a->user, &t);
}

static int emit_run(analyser *a, rag_term_kind kind, size_t from, size_t to) {
    char text[RAG_TERM_MAX + 4];
    size_t n = put(a, from, to, text);

    return emit(a, kind, text, n, from, to);
}

static int emit_word(analyser *a, size_t from, size_t to) {
    char text[RAG_TERM_MAX + 4];
    size_t n = put(a, from, to, text);
    bool ascii = true;

    for (size_t i = 0; i < n; i++)
        ascii &= text[i] >= 'a' && text[i] <= 'z';
    if (a->content && ascii && rag_terms_english_stop(text, n))
        return 0;
    if (ascii)
        n = rag_terms_english_stem(text, n);
    return emit(a, RAG_TERM_WORD, text, n, from, to);
}

static int emit_cjk(analyser *a, size_t from, size_t to) {
    int rc = 0;

    if (to - from == 1)
        return emit_run(a, RAG_TERM_UNIGRAM, from, to);
    for (size_t i = from; i + 1 < to && rc == 0; i++) {
        rc = emit_run(a, RAG_TERM_BIGRAM, i, i + 2);
        a->position += i + 2 < to; /* no spaces: each pair is a word */
    }
    return rc;
}

static bool all_syllables(const analyser *a, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        if (!rag_unicode_syllable(a->run[i].cp))
            return false;
    return true;
}

/* Syllables of the stem of Hangul run[from..to); *alt a second reading. */
static size_t hangul_stem(const analyser *a, size_t from, size_t to,
                          size_t *alt) {
    char text[3 * 24 + 4];
    size_t n = to - from, skip = n > 24 ? n - 24 : 0, len = 0, stem;

    *alt = 0;
    if (!all_syllables(a, from + skip, to))
        return n;
    for (size_t i = from + skip; i < to; i++)
        len += rag_utf8_put(a->run[i].cp, text + len);
    stem = rag_terms_korean_stem(text, len, alt) / 3 + skip;
    if (*alt != 0)
        *alt = *alt / 3 + skip;
    return stem;
}

static int content_hangul(analyser *a, size_t from, size_t to, size_t stem) {
    char text[RAG_TERM_MAX + 4];
    size_t n = put(a, from, to, text);

    if (rag_terms_korean_stop(text, n))
        return 0;
    n = put(a, from, from + stem, text);
    if (rag_terms_korean_stop(text, n))
        return 0;
    return emit(a, to - from == 1 ? RAG_TERM_UNIGRAM : RAG_TERM_STEM, text, n,
                from, from + stem);
}

/* A Hangul segment; tail says that letters or digits stand before it in the
 * same word, so that a bare particle means nothing. */
static int emit_hangul(analyser *a, size_t from, size_t to, bool tail) {
    char text[RAG_TERM_MAX + 4];
    size_t n = put(a, from, to, text), stem, alt;
    int rc;

    if (tail && to - from <= 6 && rag_terms_korean_is_particle(text, n))
        return 0;
    stem = hangul_stem(a, from, to, &alt);
    if (a->content)
        return content_hangul(a, from, to, stem);
    if (to - from == 1)
        return emit_run(a, RAG_TERM_UNIGRAM, from, to);
    rc = emit_run(a, RAG_TERM_STEM, from, from + stem);
    if (rc == 0 && alt > 0 && alt != stem)
        rc = emit_run(a, RAG_TERM_STEM, from, from + alt);
    for (size_t i = from; i + 1 < to && rc == 0; i++)
        rc = emit_run(a, RAG_TERM_BIGRAM, i, i + 2);
    return rc;
}

/* Kinds of characters in letters-and-digits segment run[from..to). */
typedef struct shape {
    size_t letters, digits, commas, dots, hyphens, others;
    bool percent, plus;
} shape;

static shape shape_of(const analyser *a, size_t from, size_t to) {
    shape s = {0};

    for (size_t i = from; i < to; i++) {
        const chr *c = &a->run[i];

        if (c->cls == RAG_CHAR_LATIN)
            s.letters++;
        else if (c->cls == RAG_CHAR_DIGIT)
            s.digits++;
        else if (c->cp == ',')
            s.commas++;
        else if (c->cp == '.')
            s.dots++;
        else if (c->cp == '-')
            s.hyphens++;
        else if (c->cp == '%')
            s.percent = true;
        else if (c->cp == '+' || c->cp == '#')
            s.plus = true;
        else
            s.others++;
    }
    return s;
}

/* Digits with separators: 1,000 -> 1000, 3.5% -> 3.5 and 3.5%. */
static int emit_number(analyser *a, size_t from, size_t to, bool percent) {
    char text[RAG_TERM_MAX + 4];
    size_t n = 0;
    int rc;

    for (size_t i = from; i < to && n + 4 <= RAG_TERM_MAX; i++) {
        uint32_t cp = a->run[i].cp;

        if (cp != ',' && cp != '%')
            n += rag_utf8_put(cp, text + n);
    }
    rc = emit(a, RAG_TERM_NUMBER, text, n, from, percent ? to - 1 : to);
    if (rc == 0 && percent) {
        text[n++] = '%';
        rc = emit(a, RAG_TERM_CODE, text, n, from, to);
    }
    return rc;
}

/* The maximal runs of letters and of digits, and all of them joined. */
static int emit_parts(analyser *a, size_t from, size_t to, bool joined) {
    char all[RAG_TERM_MAX + 4];
    size_t n = 0, i = from, parts = 0;
    int rc = 0;

    while (i < to && rc == 0) {
        size_t j = i + 1;

        if (!is_alnum(&a->run[i])) {
            i++;
            continue;
        }
        while (j < to && a->run[j].cls == a->run[i].cls)
            j++;
        for (size_t k = i; k < j && n + 4 <= RAG_TERM_MAX; k++)
            n += rag_utf8_put(a->run[k].cp, all + n);
        if (a->run[i].cls == RAG_CHAR_LATIN && j - i > 3 && !a->content)
            rc = emit_word(a, i, j);
        else if (!a->content)
            rc = emit_run(a, RAG_TERM_PART, i, j);
        parts++;
        i = j;
    }
    if (rc == 0 && joined && parts > 1 && !a->content)
        rc = emit(a, RAG_TERM_PART, all, n, from, to);
    return rc;
}

/* "state-of-the-art", "and/or": words of their own; a pair also joined, so
 * that "e-mail" meets "email". */
static int emit_compound(analyser *a, size_t from, size_t to) {
    char all[RAG_TERM_MAX + 4];
    size_t n = 0, i = from, parts = 0;
    int rc = 0;

    while (i < to && rc == 0) {
        size_t j = i;

        while (j < to && a->run[j].cls == RAG_CHAR_LATIN)
            j++;
        for (size_t k = i; k < j && n + 4 <= RAG_TERM_MAX; k++)
            n += rag_utf8_put(a->run[k].cp, all + n);
        if (parts++ > 0)
            a->position++;
        rc = emit_word(a, i, j);
        i = j + 1;
    }
    if (rc == 0 && parts == 2 && !a->content) {
        bool ascii = true;

        for (i = 0; i < n; i++)
            ascii &= all[i] >= 'a' && all[i] <= 'z';
        if (ascii)
            n = rag_terms_english_stem(all, n);
        rc = emit(a, RAG_TERM_WORD, all, n, from, to);
    }
    return rc;
}

static int emit_alnum(analyser *a, size_t from, size_t to) {
    shape s = shape_of(a, from, to);
    int rc;

    if (s.letters == 0 && s.hyphens == 0 && s.others == 0 && s.dots < 2)
        return emit_number(a, from, to, s.percent);
    if (s.digits == 0 && !s.plus && s.others == 0 && s.dots == 0) {
        if (s.hyphens == 0)
            return emit_word(a, from, to);
        return emit_compound(a, from, to);
    }
    if (s.plus) { /* C++, C#: as it is, and the letters */
        rc = emit_run(a, RAG_TERM_CODE, from, to);
        return rc != 0 ? rc : emit_parts(a, from, to, false);
    }
    rc = emit_run(a, RAG_TERM_CODE, from, to);
    return rc != 0 ? rc : emit_parts(a, from, to, s.others == 0);
}

/* True when run[i], no letter itself, holds the word together. */
static bool connects(const analyser *a, size_t i, size_t from) {
    const chr *p, *q;

    if (i == from || i + 1 >= a->n)
        return false;
    p = &a->run[i - 1];
    q = &a->run[i + 1];
    if (!is_alnum(p) || !is_alnum(q))
        return false;
    switch (a->run[i].cp) {
    case '-':
    case '_':
    case '@':
    case '&':
        return true;
    case '.':
    case '/':
        /* Letters on both sides: ends of sentences without a space and
         * "and/or" are commoner than names; digits make codes. */
        return p->cls == RAG_CHAR_DIGIT || q->cls == RAG_CHAR_DIGIT;
    case ',':
    case ':':
        return p->cls == RAG_CHAR_DIGIT && q->cls == RAG_CHAR_DIGIT;
    default:
        return false;
    }
}

/* Signs that belong to the word they follow: 3.5%, C++, C#. */
static size_t trailing(const analyser *a, size_t i) {
    const chr *p = &a->run[i - 1];
    size_t j = i;

    if (p->cls == RAG_CHAR_DIGIT && i < a->n && a->run[i].cp == '%')
        return i + 1;
    while (p->cls == RAG_CHAR_LATIN && j < a->n && j < i + 2 &&
           (a->run[j].cp == '+' || a->run[j].cp == '#'))
        j++;
    if (j < a->n && is_word(&a->run[j]) && a->run[j].cls != RAG_CHAR_HANGUL)
        return i; /* "a+b" is no name */
    return j;
}

/* One word run[from..to): its segments by script. */
static int emit_segments(analyser *a, size_t from, size_t to) {
    bool mixed = false, hangul = false, digit = false, tail = false;
    size_t i, whole = to;
    int rc = 0;

    for (i = from; i < to; i++) {
        hangul |= a->run[i].cls == RAG_CHAR_HANGUL;
        digit |= a->run[i].cls == RAG_CHAR_DIGIT;
    }
    mixed = hangul && digit;
    for (i = from; i < to && rc == 0;) {
        rag_char_class cls = a->run[i].cls;
        size_t j = i + 1;

        if (cls == RAG_CHAR_HANGUL || cls == RAG_CHAR_CJK) {
            while (j < to && a->run[j].cls == cls)
                j++;
            if (cls == RAG_CHAR_CJK)
                rc = emit_cjk(a, i, j);
            else
                rc = emit_hangul(a, i, j, tail);
            if (cls == RAG_CHAR_HANGUL && j == to) {
                size_t alt, stem = hangul_stem(a, i, j, &alt);
                char text[RAG_TERM_MAX + 4];
                size_t n = put(a, i, j, text);

                whole = rag_terms_korean_is_particle(text, n) ? i : i + stem;
            }
            tail = false;
        } else {
            while (j < to && a->run[j].cls != RAG_CHAR_HANGUL &&
                   a->run[j].cls != RAG_CHAR_CJK)
                j++;
            rc = emit_alnum(a, i, j);
            tail = true;
        }
        i = j;
    }
    /* "제17조", "3월": whole, when Hangul is still part of it */
    if (rc == 0 && mixed && whole - from <= WHOLE_MAX && whole > from) {
        hangul = false;
        for (i = from; i < whole; i++)
            hangul |= a->run[i].cls == RAG_CHAR_HANGUL;
        if (hangul)
            rc = emit_run(a, RAG_TERM_CODE, from, whole);
    }
    return rc;
}

/* Letters with an apostrophe: "don't" is dont, "bank's" is bank. */
static void drop_apostrophes(analyser *a) {
    size_t w = 0;

    for (size_t i = 0; i < a->n; i++) {
        bool inside = a->run[i].cp == '\'' && i > 0 && i + 1 < a->n &&
                      a->run[i - 1].cls == RAG_CHAR_LATIN &&
                      a->run[i + 1].cls == RAG_CHAR_LATIN;

        if (inside && a->run[i + 1].cp == 's' &&
            (i + 2 == a->n || !is_word(&a->run[i + 2]))) {
            i++;
            continue;
        }
        if (inside)
            continue;
        a->run[w++] = a->run[i];
    }
    a->n = w;
}

static int analyse_run(analyser *a) {
    size_t i = 0;
    int rc = 0;

    drop_apostrophes(a);
    while (i < a->n && rc == 0) {
        size_t j;

        if (!is_word(&a->run[i])) {
            i++;
            continue;
        }
        for (j = i + 1; j < a->n; j++)
            if (!is_word(&a->run[j]) && !connects(a, j, i))
                break;
        j = trailing(a, j);
        rc = emit_segments(a, i, j);
        a->position++;
        i = j;
    }
    a->n = 0;
    return rc;
}

static int analyse(const char *s, size_t n, bool content, rag_term_fn fn,
                   void *user, rag_error *err) {
    reader r = {.s = s, .n = n, .err = err};
    analyser a;
    chr c;
    int rc = 0;

    a.fn = fn;
    a.user = user;
    a.content = content;
    a.position = 0;
    a.n = 0;
    rag_buf_init(&r.scratch, 0);
    while (rc == 0 && next(&r, &c)) {
        if (c.cls == RAG_CHAR_SPACE || a.n == RUN_MAX)
            rc = analyse_run(&a);
        if (rc == 0 && c.cls != RAG_CHAR_SPACE)
            a.run[a.n++] = c;
    }
    if (rc == 0 && r.rc != 0)
        rc = rag_error_set(err, RAG_E_NOMEM,
                           "out of memory while reading words");
    if (rc == 0)
        rc = analyse_run(&a);
    rag_buf_free(&r.scratch);
    return rc;
}

int rag_terms_each(const char *s, size_t n, rag_term_fn fn, void *user,
                   rag_error *err) {
    return analyse(s, n, false, fn, user, err);
}

int rag_terms_content(const char *s, size_t n, rag_term_fn fn, void *user,
                      rag_error *err) {
    return analyse(s, n, true, fn, user, err);
}

size_t rag_terms_strip_particle(const char *w, size_t n) {
    size_t i = n;

    /* Only the Hangul at the end matters: "API를", "3월에는". */
    while (i >= 3) {
        uint32_t cp;

        if (rag_utf8_next(w + i - 3, 3, &cp) != 3 || !rag_unicode_syllable(cp))
            break;
        i -= 3;
    }
    if (i == n)
        return n;
    if (i > 0 && rag_terms_korean_is_particle(w + i, n - i))
        return i;
    return i + rag_terms_korean_strip(w + i, n - i);
}

/* ---- keys --------------------------------------------------------------- */

static bool is_currency(uint32_t cp) {
    return cp == '$' || (cp >= 0xA2 && cp <= 0xA5) ||
           (cp >= 0x20A0 && cp <= 0x20CF);
}

/* Whether s begins with three digits and no fourth: behind a comma they go on
 * with the number before it. */
static bool is_group(const char *s) {
    return strspn(s, "0123456789") == 3;
}

/* What is left of what stands between two digits: a dash, a slash, white
 * space; anything visible says more than that. */
static uint32_t between(uint32_t had, uint32_t cp) {
    bool space = rag_unicode_class(cp) == RAG_CHAR_SPACE;

    return had && had != ' ' ? had : space ? ' ' : cp;
}

static bool key_keeps(uint32_t cp, uint32_t after, uint32_t before) {
    bool number = class_of(after) == RAG_CHAR_DIGIT;

    return class_of(cp) >= RAG_CHAR_LATIN || cp == '%' || is_currency(cp) ||
           (cp == '.' && number && class_of(before) == RAG_CHAR_DIGIT) ||
           ((cp == '-' || cp == '+') && number &&
            class_of(before) < RAG_CHAR_LATIN);
}

int rag_terms_key(const char *s, size_t n, rag_buf *out, rag_error *err) {
    rag_buf clean, folded;
    uint32_t before = 0; /* the character before */
    uint32_t gap = 0; /* of what was dropped behind a digit */
    bool digit = false; /* what was kept last */
    int rc;

    rag_buf_init(&clean, 0);
    rag_buf_init(&folded, 0);
    rc = rag_utf8_sanitize(s, n, &clean, err);
    if (rc == 0)
        rc = rag_unicode_fold(rag_buf_str(&clean), clean.len, &folded, err);
    for (size_t i = 0; rc == 0 && i < folded.len;) {
        uint32_t cp, after = 0;
        size_t len = rag_utf8_next(folded.data + i, folded.len - i, &cp);
        const char *rest = folded.data + i + len;

        if (i + len < folded.len)
            rag_utf8_next(rest, folded.len - i - len, &after);
        if ((cp >= 0x2010 && cp <= 0x2015) || cp == 0x2212)
            cp = '-';
        else if (cp == 0x301C || cp == 0x223C)
            cp = '~';
        if (key_keeps(cp, after, before)) {
            bool now = class_of(cp) == RAG_CHAR_DIGIT;

            if (digit && now && gap)
                rc = rag_buf_append_codepoint(out, gap, err);
            if (rc == 0)
                rc = rag_buf_append_codepoint(out, cp, err);
            digit = now;
            gap = 0;
        } else if (cp != ',' || class_of(before) != RAG_CHAR_DIGIT ||
                   !is_group(rest)) {
            gap = between(gap, cp);
        }
        before = cp;
        i += len;
    }
    rag_buf_free(&folded);
    rag_buf_free(&clean);
    return rc;
}
