/*
 * unicode.c - UTF-8 and Unicode by utf8proc; see unicode.h. No state, any
 * thread.
 *
 * Normalising works batch by batch: utf8proc sorts combining marks with a
 * quadratic sort and wants four bytes a byte of input, so that one hostile
 * text (a megabyte of accents, or of anything) could otherwise hold a thread
 * or the memory. A batch ends where the normal forms of both sides do not
 * touch, and at the latest after a limit.
 */
#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Bytes after which a batch ends at the next safe place, and at any place. */
#define BATCH_SOFT ((size_t)4096)
#define BATCH_HARD ((size_t)65536)
/* Combining marks in a row after which a batch ends anywhere. Unicode's
 * stream-safe format allows 30 (UAX #15, 13). */
#define MARKS_MAX 30

/* A share of Hangul among letters from which a text counts as Korean; the
 * same for Latin letters and English. */
#define LANG_KO_SHARE 0.2
#define LANG_EN_SHARE 0.5

size_t rag_utf8_next(const char *s, size_t n, uint32_t *cp) {
    unsigned char c = (unsigned char)s[0];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    utf8proc_int32_t v;
    utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)s,
                                          n < 4 ? (utf8proc_ssize_t)n : 4, &v);
    if (k <= 0) {
        *cp = RAG_CP_INVALID;
        return 1;
    }
    *cp = (uint32_t)v;
    return (size_t)k;
}

size_t rag_utf8_prev(const char *s, size_t i) {
    for (size_t k = 1; k <= 4 && k <= i; k++) {
        if (((unsigned char)s[i - k] & 0xC0) == 0x80)
            continue;
        uint32_t cp;
        return rag_utf8_next(s + i - k, k, &cp) == k ? i - k : i - 1;
    }
    return i - 1;
}

size_t rag_utf8_put(uint32_t cp, char out[4]) {
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        return 0;
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)cp,
                                        (utf8proc_uint8_t *)out);
}

/* Bytes at the start of s[0..n) that are ASCII. */
static size_t ascii_run(const char *s, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, s + i, 8);
        if (w & 0x8080808080808080u)
            break;
    }
    while (i < n && (unsigned char)s[i] < 0x80)
        i++;
    return i;
}

bool rag_utf8_valid(const char *s, size_t n, size_t *bad) {
    size_t i = 0;
    while (i < n) {
        i += ascii_run(s + i, n - i);
        if (i == n)
            break;
        uint32_t cp;
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID) {
            if (bad)
                *bad = i;
            return false;
        }
        i += k;
    }
    return true;
}

size_t rag_utf8_count(const char *s, size_t n) {
    size_t count = 0;
    uint32_t cp;
    for (size_t i = 0; i < n; i += rag_utf8_next(s + i, n - i, &cp))
        count++;
    return count;
}

size_t rag_utf8_floor(const char *s, size_t len, size_t n) {
    if (n >= len)
        return len;
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        unsigned char c = (unsigned char)s[n - k];
        if ((c & 0xC0) == 0x80)
            continue;
        uint32_t cp;
        return rag_utf8_next(s + n - k, len - (n - k), &cp) > k ? n - k : n;
    }
    return n;
}

int rag_utf8_sanitize(const char *s, size_t n, rag_buf *out, rag_error *err) {
    size_t before = out->len, from = 0, i = 0;
    int rc = 0;
    while (i < n && rc == 0) {
        size_t bad;
        if (rag_utf8_valid(s + i, n - i, &bad))
            break;
        i += bad;
        rc = rag_buf_append(out, s + from, i - from, err);
        if (rc == 0)
            rc = rag_buf_append(out, "\xEF\xBF\xBD", 3, err);
        from = ++i;
    }
    if (rc == 0)
        rc = rag_buf_append(out, s + from, n - from, err);
    if (rc && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return rc;
}

/*
 * True when the normal forms of what is before cp and of what begins with cp
 * can be made apart: no mark, no jamo, nothing that decomposes into one.
 */
static bool starts_apart(uint32_t cp) {
    if (cp < 0x300)
        return true;
    if ((cp >= 0x1100 && cp <= 0x11FF) || (cp >= 0x3130 && cp <= 0x318F) ||
        (cp >= 0xA960 && cp <= 0xA97F) || (cp >= 0xD7B0 && cp <= 0xD7FF) ||
        (cp >= 0xFF9E && cp <= 0xFFDF))
        return false;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    return p->combining_class == 0 && p->category != UTF8PROC_CATEGORY_MN &&
           p->category != UTF8PROC_CATEGORY_MC &&
           p->category != UTF8PROC_CATEGORY_ME;
}

/* End of the batch that starts at s[0]; 0 when a byte is bad, at *bad. */
static size_t batch_end(const char *s, size_t n, size_t *bad) {
    size_t i = 0, marks = 0;
    while (i < n) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID) {
            *bad = i;
            return 0;
        }
        if (i >= BATCH_HARD || (i >= BATCH_SOFT && starts_apart(cp)))
            return i;
        if (cp >= 0x300) {
            if (utf8proc_get_property((utf8proc_int32_t)cp)->combining_class)
                marks++;
            else
                marks = 0;
            if (marks > MARKS_MAX)
                return i;
        } else {
            marks = 0;
        }
        i += k;
    }
    return i;
}

/* Code points of one batch; grows as needed. */
typedef struct work {
    utf8proc_int32_t *cps;
    size_t cap;
} work;

static int work_grow(work *w, size_t cap, rag_error *err) {
    if (cap <= w->cap)
        return 0;
    utf8proc_int32_t *p = realloc(w->cps, (cap + 1) * sizeof *p);
    if (!p)
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory normalising text");
    w->cps = p;
    w->cap = cap;
    return 0;
}

static int normalize_batch(const char *s, size_t n, utf8proc_option_t options,
                           work *w, rag_buf *out, rag_error *err) {
    int rc = work_grow(w, n + 64, err);
    if (rc)
        return rc;
    utf8proc_ssize_t k =
        utf8proc_decompose((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n,
                           w->cps, (utf8proc_ssize_t)w->cap, options);
    if (k > 0 && (size_t)k > w->cap) { /* a ligature of 18 letters, say */
        rc = work_grow(w, (size_t)k, err);
        if (rc)
            return rc;
        k = utf8proc_decompose((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n,
                               w->cps, (utf8proc_ssize_t)w->cap, options);
    }
    if (k >= 0)
        k = utf8proc_reencode(w->cps, k, options); /* in place, with NUL */
    if (k < 0)
        return rag_error_set(
            err, k == UTF8PROC_ERROR_NOMEM ? RAG_E_NOMEM : RAG_E_DATA,
            "text could not be normalised: %s", utf8proc_errmsg(k));
    return rag_buf_append(out, w->cps, (size_t)k, err);
}

static int normalize(const char *s, size_t n, utf8proc_option_t options,
                     rag_buf *out, rag_error *err) {
    size_t before = out->len, i = 0;
    work w = {NULL, 0};
    int rc = 0;
    while (i < n && rc == 0) {
        size_t run = ascii_run(s + i, n - i);
        /* The last one may carry a mark. */
        if (run > 0 && i + run < n)
            run--;
        if (run > 0) {
            rc = rag_buf_append(out, s + i, run, err);
            if (rc == 0 && (options & UTF8PROC_CASEFOLD))
                for (char *p = out->data + out->len - run;
                     p < out->data + out->len; p++)
                    if (*p >= 'A' && *p <= 'Z')
                        *p = (char)(*p + 32);
            i += run;
            continue;
        }
        size_t bad = 0;
        size_t end = batch_end(s + i, n - i, &bad);
        if (end == 0) {
            rc = rag_error_set(err, RAG_E_DATA,
                               "text is not valid UTF-8 at byte %zu", i + bad);
            break;
        }
        rc = normalize_batch(s + i, end, options, &w, out, err);
        i += end;
    }
    free(w.cps);
    if (rc && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return rc;
}

int rag_unicode_nfc(const char *s, size_t n, rag_buf *out, rag_error *err) {
    return normalize(s, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE, out, err);
}

int rag_unicode_nfkc(const char *s, size_t n, rag_buf *out, rag_error *err) {
    return normalize(s, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                     out, err);
}

int rag_unicode_fold(const char *s, size_t n, rag_buf *out, rag_error *err) {
    return normalize(s, n,
                     UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                         UTF8PROC_CASEFOLD,
                     out, err);
}

static bool is_space(uint32_t cp) {
    if (cp < 0x80)
        return cp == ' ' || (cp >= '\t' && cp <= '\r');
    if (cp == 0x85)
        return true;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return true;
    default:
        return false;
    }
}

/* Controls, and the invisible ones that only hide or reorder text; the
 * joiners U+200C and U+200D spell words and emoji and stay. */
static bool is_dropped(uint32_t cp) {
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0xAD ||
           cp == 0x200B || cp == 0x200E || cp == 0x200F ||
           (cp >= 0x202A && cp <= 0x202E) || cp == 0x2060 ||
           (cp >= 0x2066 && cp <= 0x2069) || cp == 0xFEFF;
}

int rag_unicode_clean(const char *s, size_t n, rag_buf *out, rag_error *err) {
    rag_buf plain;
    int rc = 0;
    bool gap = false;
    rag_buf_init(&plain, RAG_BUF_MAX_DEFAULT);
    for (size_t i = 0; i < n && rc == 0;) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID) {
            rc = rag_error_set(err, RAG_E_DATA,
                               "text is not valid UTF-8 at byte %zu", i);
            break;
        }
        i += k;
        if (is_space(cp)) {
            gap = plain.len > 0;
            continue;
        }
        if (is_dropped(cp))
            continue;
        if (cp >= 0xFF01 && cp <= 0xFF5E)
            cp -= 0xFEE0;
        if (gap)
            rc = rag_buf_append_char(&plain, ' ', err);
        gap = false;
        if (rc == 0)
            rc = rag_buf_append_codepoint(&plain, cp, err);
    }
    if (rc == 0)
        rc = rag_unicode_nfc(rag_buf_str(&plain), plain.len, out, err);
    rag_buf_free(&plain);
    return rc;
}

static bool is_hangul(uint32_t cp) {
    return rag_unicode_syllable(cp) || (cp >= 0x1100 && cp <= 0x11FF) ||
           (cp >= 0x3131 && cp <= 0x318E) || (cp >= 0xA960 && cp <= 0xA97C) ||
           (cp >= 0xD7B0 && cp <= 0xD7FB) || (cp >= 0xFFA0 && cp <= 0xFFDC);
}

/* Blocks of Han and Kana; marks and punctuation in them are taken out by
 * category first. */
static bool is_cjk(uint32_t cp) {
    return (cp >= 0x3005 && cp <= 0x3007) || (cp >= 0x3021 && cp <= 0x3029) ||
           (cp >= 0x3031 && cp <= 0x30FF) || (cp >= 0x31F0 && cp <= 0x31FF) ||
           (cp >= 0x3400 && cp <= 0x4DBF) || (cp >= 0x4E00 && cp <= 0x9FFF) ||
           (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0xFF66 && cp <= 0xFF9F) ||
           (cp >= 0x1AFF0 && cp <= 0x1B16F) || (cp >= 0x20000 && cp <= 0x3FFFD);
}

rag_char_class rag_unicode_class(uint32_t cp) {
    if (cp < 0x80) {
        if ((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z'))
            return RAG_CHAR_LATIN;
        if (cp >= '0' && cp <= '9')
            return RAG_CHAR_DIGIT;
        return is_space(cp) ? RAG_CHAR_SPACE : RAG_CHAR_OTHER;
    }
    if (rag_unicode_syllable(cp))
        return RAG_CHAR_HANGUL;
    if (cp > 0x10FFFF)
        return RAG_CHAR_OTHER;
    if (is_space(cp))
        return RAG_CHAR_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_ND:
        return RAG_CHAR_DIGIT;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_NL: /* ideographic zero, Hangzhou numerals */
        if (is_hangul(cp))
            return RAG_CHAR_HANGUL;
        return is_cjk(cp) ? RAG_CHAR_CJK : RAG_CHAR_LATIN;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return RAG_CHAR_LATIN;
    default:
        return RAG_CHAR_OTHER;
    }
}

/* Letters English is written with, accents and full width included. */
static bool is_latin_letter(uint32_t cp) {
    return cp < 0x250 || (cp >= 0x1E00 && cp <= 0x1EFF) ||
           (cp >= 0xFF21 && cp <= 0xFF5A);
}

const char *rag_unicode_lang(const char *s, size_t n) {
    size_t letters = 0, hangul = 0, latin = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        switch (rag_unicode_class(cp)) {
        case RAG_CHAR_HANGUL:
            letters++;
            hangul++;
            break;
        case RAG_CHAR_LATIN:
            letters++;
            latin += is_latin_letter(cp);
            break;
        case RAG_CHAR_CJK:
            letters++;
            break;
        default:
            break;
        }
    }
    if (letters == 0)
        return "";
    if ((double)hangul >= LANG_KO_SHARE * (double)letters)
        return "ko";
    return (double)latin >= LANG_EN_SHARE * (double)letters ? "en" : "";
}

size_t rag_unicode_width(const char *s, size_t n) {
    size_t columns = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID) {
            columns++;
            continue;
        }
        int w = utf8proc_charwidth((utf8proc_int32_t)cp);
        if (w > 0)
            columns += (size_t)w;
    }
    return columns;
}
