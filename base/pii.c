/*
 * pii.c - folding a text, running the rules, settling overlaps, masking.
 *
 * Called by the daemon before anything is logged, stored or sent away. Any
 * thread: the rules are compiled once and immutable.
 */
#include "base/pii_int.h"

#include "base/clock.h"
#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPANS_MAX 20000 /* in one text */

struct rag_pii {
    rag_pattern **patterns; /* as rag_pii_rules */
    int year;
};

static const char *const WORD[] = {
#define X(name, word, ko, en) word,
    RAG_PII_LIST(X)
#undef X
};
static const char *const LABEL_KO[] = {
#define X(name, word, ko, en) ko,
    RAG_PII_LIST(X)
#undef X
};
static const char *const LABEL_EN[] = {
#define X(name, word, ko, en) en,
    RAG_PII_LIST(X)
#undef X
};

const char *rag_pii_word(rag_pii_kind kind) {
    return (unsigned)kind < RAG_PII_KINDS ? WORD[kind] : "?";
}

int rag_pii_kinds_parse(const char *words, unsigned *out, rag_error *err) {
    unsigned set = 0;
    *out = 0;
    while (*words) {
        words += strspn(words, ", ");
        size_t n = strcspn(words, ", "), k = 0;
        if (!n)
            break;
        if (n == 3 && memcmp(words, "all", 3) == 0)
            set |= RAG_PII_ALL;
        else if (n == 7 && memcmp(words, "default", 7) == 0)
            set |= RAG_PII_DEFAULT;
        else if (n != 4 || memcmp(words, "none", 4) != 0) {
            while (k < RAG_PII_KINDS &&
                   (strlen(WORD[k]) != n || memcmp(WORD[k], words, n) != 0))
                k++;
            if (k == RAG_PII_KINDS)
                return rag_error_set(err, RAG_E_DATA,
                                     "no kind of personal data is called "
                                     "\"%.*s\"",
                                     n < 40 ? (int)n : 40, words);
            set |= RAG_PII_BIT(k);
        }
        words += n;
    }
    *out = set;
    return 0;
}

void rag_pii_close(rag_pii *p) {
    if (!p)
        return;
    for (size_t i = 0; p->patterns && i < rag_pii_nrules; i++)
        rag_pattern_close(p->patterns[i]);
    free(p->patterns);
    free(p);
}

int rag_pii_open(int year, rag_pii **out, rag_error *err) {
    int rc = 0;
    *out = NULL;
    rag_pii *p = calloc(1, sizeof *p);
    if (!p || !(p->patterns = calloc(rag_pii_nrules, sizeof *p->patterns))) {
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for privacy rules");
        goto out;
    }
    p->year = year;
    if (!year) {
        time_t now = (time_t)rag_clock_now();
        struct tm tm;
        p->year = gmtime_r(&now, &tm) ? tm.tm_year + 1900 : 9999;
    }
    for (size_t i = 0; i < rag_pii_nrules && !rc; i++)
        rc = rag_pattern_open(rag_pii_rules[i].source, rag_pii_rules[i].flags,
                              &p->patterns[i], err);
    if (rc)
        goto out;
    *out = p;
    p = NULL;
out:
    rag_pii_close(p);
    return rc;
}

/* ---- folding ------------------------------------------------------------- */

/* Folded text and, for each of its bytes, where it came from. */
typedef struct folded {
    rag_buf text;
    size_t *start, *end; /* bytes of the source */
    size_t cap;
} folded;

static void folded_free(folded *f) {
    rag_buf_free(&f->text);
    free(f->start);
    free(f->end);
}

static bool is_dash(uint32_t cp) {
    return (cp >= 0x2010 && cp <= 0x2015) || cp == 0x2212 || cp == 0xFE58 ||
           cp == 0xFE63 || cp == 0xFF0D || cp == 0x00AD || cp == 0x2043 ||
           cp == 0x30FC || cp == 0x3161 || cp == 0xFF5E || cp == 0x301C;
}

static bool is_blank(uint32_t cp) {
    return cp == '\t' || cp == 0xA0 || cp == 0x1680 || cp == 0x202F ||
           cp == 0x205F || cp == 0x3000 || (cp >= 0x2000 && cp <= 0x200A);
}

static bool is_invisible(uint32_t cp) {
    return (cp >= 0x200B && cp <= 0x200F) || (cp >= 0x202A && cp <= 0x202E) ||
           (cp >= 0x2060 && cp <= 0x2064) || cp == 0xFEFF || cp == 0x180E ||
           (cp >= 0xFE00 && cp <= 0xFE0F) || cp == 0x115F || cp == 0x3164;
}

/* Digits of other shapes that a person may type or paste. */
static uint32_t plain_digit(uint32_t cp) {
    static const uint32_t zero[] = {0x0660,  0x06F0,  0x0966,  0x2070,
                                    0x2080,  0x1D7CE, 0x1D7D8, 0x1D7E2,
                                    0x1D7EC, 0x1D7F6};
    for (size_t i = 0; i < sizeof zero / sizeof zero[0]; i++)
        if (cp >= zero[i] && cp < zero[i] + 10)
            return '0' + (cp - zero[i]);
    if (cp >= 0x2460 && cp <= 0x2468) /* circled */
        return '1' + (cp - 0x2460);
    return cp;
}

static uint32_t plain(uint32_t cp) {
    if (is_dash(cp))
        return '-';
    if (is_blank(cp))
        return ' ';
    if (cp >= 0xFF01 && cp <= 0xFF5E)
        return cp - 0xFF01 + '!';
    if (cp == 0x00B7 || cp == 0x2027 || cp == 0x2219 || cp == 0x30FB ||
        cp == 0x318D || cp == 0x3002)
        return '.';
    return plain_digit(cp);
}

static int put(folded *f, uint32_t cp, size_t start, size_t end,
               rag_error *err) {
    char c[4];
    size_t n = rag_utf8_put(cp, c), at = f->text.len;
    if (at + n > f->cap) {
        size_t cap = f->cap * 2 + 256;
        size_t *a = realloc(f->start, cap * sizeof *a);
        if (a)
            f->start = a;
        size_t *b = a ? realloc(f->end, cap * sizeof *b) : NULL;
        if (!b)
            return rag_error_set(err, RAG_E_NOMEM,
                                 "no memory to look for "
                                 "personal data");
        f->end = b;
        f->cap = cap;
    }
    int rc = rag_buf_append(&f->text, c, n, err);
    for (size_t i = 0; i < n && !rc; i++) {
        f->start[at + i] = start;
        f->end[at + i] = end;
    }
    return rc;
}

/* Conjoining jamo at s to one syllable (Unicode 3.12); *used its bytes. */
static uint32_t compose(const char *s, size_t n, uint32_t lead, size_t lead_n,
                        size_t *used) {
    uint32_t v, t;
    *used = lead_n;
    if (lead_n >= n)
        return lead;
    size_t vn = rag_utf8_next(s + lead_n, n - lead_n, &v);
    if (v < 0x1161 || v > 0x1175)
        return lead;
    *used = lead_n + vn;
    uint32_t syllable = 0xAC00 + ((lead - 0x1100) * 21 + (v - 0x1161)) * 28;
    if (*used < n) {
        size_t tn = rag_utf8_next(s + *used, n - *used, &t);
        if (t > 0x11A7 && t < 0x11C3) {
            syllable += t - 0x11A7;
            *used += tn;
        }
    }
    return syllable;
}

static int fold(const char *s, size_t n, folded *f, rag_error *err) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t used = rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID)
            return rag_error_set(err, RAG_E_DATA,
                                 "byte %zu of the text is no UTF-8", i);
        if (cp >= 0x1100 && cp <= 0x1112)
            cp = compose(s + i, n - i, cp, used, &used);
        /* NUL would end the text for the checks. */
        cp = cp ? plain(cp) : ' ';
        int rc = is_invisible(cp) ? 0 : put(f, cp, i, i + used, err);
        if (rc)
            return rc;
        i += used;
    }
    return 0;
}

/* ---- finding ------------------------------------------------------------- */

typedef struct found {
    rag_pii_span *v; /* in the folded text; kind RAG_PII_KINDS when dropped */
    size_t n, cap;
} found;

static bool taken(const found *f, size_t start, size_t end) {
    for (size_t i = 0; i < f->n; i++)
        if (start < f->v[i].end && end > f->v[i].start)
            return true;
    return false;
}

static int add(found *f, rag_pii_kind kind, size_t start, size_t end,
               rag_error *err) {
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 16;
        rag_pii_span *v = realloc(f->v, cap * sizeof *v);
        if (!v)
            return rag_error_set(err, RAG_E_NOMEM,
                                 "no memory to look for "
                                 "personal data");
        f->v = v;
        f->cap = cap;
    }
    if (f->n >= SPANS_MAX)
        return rag_error_set(err, RAG_E_LIMIT,
                             "more than %d pieces of personal data in a text",
                             SPANS_MAX);
    f->v[f->n++] = (rag_pii_span){kind, start, end};
    return 0;
}

static int run_rule(const rag_pii *p, size_t r, const rag_buf *text, found *f,
                    rag_error *err) {
    const rag_pii_rule *rule = &rag_pii_rules[r];
    size_t from = 0;
    while (from <= text->len) {
        bool hit;
        rag_match m;
        int rc = rag_pattern_find(p->patterns[r], text->data, text->len, from,
                                  &hit, &m, err);
        if (rc || !hit)
            return rc;
        rag_pii_candidate c = {text->data, text->len,  &m,     m.start[0],
                               m.end[0],   rule->kind, p->year};
        bool ours = m.end[0] > m.start[0] && !taken(f, m.start[0], m.end[0]) &&
                    (!rule->check || rule->check(&c));
        if (ours && (rc = add(f, c.kind, c.start, c.end, err)))
            return rc;
        /* A refused match may hide one that begins inside it. */
        uint32_t cp;
        from = ours ? m.end[0]
                    : m.start[0] +
                          (m.start[0] < text->len
                               ? rag_utf8_next(text->data + m.start[0],
                                               text->len - m.start[0], &cp)
                               : 1);
    }
    return 0;
}

static size_t only_digits(const char *s, size_t n, char *out, size_t max) {
    size_t k = 0;
    for (size_t i = 0; i < n && k < max; i++)
        if (s[i] >= '0' && s[i] <= '9')
            out[k++] = s[i];
    return k;
}

static bool allowed(const rag_pii_options *opt, const char *s, size_t n) {
    char a[32], b[32];
    size_t na = only_digits(s, n, a, sizeof a);
    if (!opt || !opt->allow || !na)
        return false;
    for (size_t i = 0; i < RAG_PII_ALLOW_MAX && opt->allow[i]; i++) {
        size_t nb =
            only_digits(opt->allow[i], strlen(opt->allow[i]), b, sizeof b);
        if (na == nb && memcmp(a, b, na) == 0)
            return true;
    }
    return false;
}

static int by_start(const void *a, const void *b) {
    const rag_pii_span *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Cheap: most questions hold neither a digit nor an at sign. */
static bool may_hold_any(const rag_buf *text) {
    for (size_t i = 0; i < text->len; i++)
        if ((text->data[i] >= '0' && text->data[i] <= '9') ||
            text->data[i] == '@' || text->data[i] == '(' ||
            text->data[i] == '[' || text->data[i] == ':')
            return true;
    return false;
}

int rag_pii_find(const rag_pii *p, const char *s, size_t n,
                 const rag_pii_options *opt, rag_pii_span **out, size_t *count,
                 rag_error *err) {
    unsigned kinds = opt && opt->kinds ? opt->kinds : RAG_PII_DEFAULT;
    folded f = {0};
    found hits = {0};
    size_t kept = 0;
    int rc;
    *out = NULL;
    *count = 0;
    if (n > RAG_PII_TEXT_MAX)
        return rag_error_set(err, RAG_E_LIMIT,
                             "a text of %zu bytes is too long to look for "
                             "personal data (at most %zu)",
                             n, RAG_PII_TEXT_MAX);
    rag_buf_init(&f.text, 0);
    rc = fold(s, n, &f, err);
    for (size_t r = 0; !rc && may_hold_any(&f.text) && r < rag_pii_nrules; r++)
        rc = run_rule(p, r, &f.text, &hits, err);
    if (rc)
        goto out;
    if (hits.n)
        qsort(hits.v, hits.n, sizeof *hits.v, by_start);
    for (size_t i = 0; i < hits.n; i++) {
        rag_pii_span h = hits.v[i];
        if (!(kinds & RAG_PII_BIT(h.kind)) ||
            allowed(opt, f.text.data + h.start, h.end - h.start))
            continue;
        h.start = f.start[h.start];
        h.end = f.end[h.end - 1];
        hits.v[kept++] = h;
    }
    *count = kept;
    *out = hits.v;
    hits.v = NULL;
out:
    folded_free(&f);
    free(hits.v);
    return rc;
}

/* ---- masking ------------------------------------------------------------- */

static int put_label(const rag_pii_span *h, const char *s,
                     const rag_pii_options *opt, bool korean, rag_buf *out,
                     rag_error *err) {
    const char *label = korean ? LABEL_KO[h->kind] : LABEL_EN[h->kind];
    char last[4];
    size_t n = 0;
    if (opt && (opt->keep & RAG_PII_BIT(h->kind)))
        for (size_t i = h->end; i > h->start && n < sizeof last;) {
            uint32_t cp;
            i = rag_utf8_prev(s, i);
            rag_utf8_next(s + i, h->end - i, &cp);
            cp = plain(cp);
            if (cp >= '0' && cp <= '9')
                last[sizeof last - ++n] = (char)cp;
        }
    if (n < sizeof last)
        return rag_buf_printf(out, err, "[%s]", label);
    return rag_buf_printf(out, err, "[%s *%.4s]", label, last);
}

int rag_pii_mask(const rag_pii *p, const char *s, size_t n,
                 const rag_pii_options *opt, rag_buf *out, size_t *masked,
                 rag_error *err) {
    rag_pii_span *spans = NULL;
    size_t count = 0, before = out->len, at = 0;
    if (masked)
        *masked = 0;
    int rc = rag_pii_find(p, s, n, opt, &spans, &count, err);
    const char *lang = opt && opt->lang ? opt->lang : rag_unicode_lang(s, n);
    bool korean = strcmp(lang, "ko") == 0;
    for (size_t i = 0; i < count && !rc; i++) {
        rc = rag_buf_append(out, s + at, spans[i].start - at, err);
        if (!rc)
            rc = put_label(&spans[i], s, opt, korean, out, err);
        at = spans[i].end;
    }
    if (!rc)
        rc = rag_buf_append(out, s + at, n - at, err);
    free(spans);
    if (rc) {
        out->len = before;
        if (out->data)
            out->data[before] = '\0';
    } else if (masked) {
        *masked = count;
    }
    return rc;
}
