/*
 * lexicon.c - terms by what they are looked up with; see lexicon.h.
 */
#include "index/lexicon.h"

#include "base/file.h"
#include "base/unicode.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)4 << 20)
#define LINES_MAX 50000

/* Korean and English terms of a concept, separated by ", ". */
typedef const char *rag_sides[2];

static const rag_sides concepts[] = {
#include "index/lexicon.inc"
};

#define CONCEPTS (sizeof(concepts) / sizeof(concepts[0]))

struct rag_lexicon {
    rag_lexicon_entry *entries; /* sorted by key */
    size_t n;
    char *keys;
    rag_sides *own; /* concepts of a file; NULL: the built-in ones */
    size_t nown;
};

/* Made once and never freed. */
static rag_lexicon built_in;
static int built_in_rc;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- keys ---------------------------------------------------------------------------- */

void rag_lexicon_append(rag_lexicon_key *k, const char *s, size_t n) {
    if (k->len + n > sizeof(k->text)) {
        k->too_long = true;
        return;
    }
    memcpy(k->text + k->len, s, n);
    k->len += n;
}

/* Latin words and numbers, stemmed as everywhere. */
static int add_stem(void *user, const rag_term *t) {
    rag_lexicon_key *k = user;

    if (t->kind == RAG_TERM_PART || (k->len > 0 && t->position == k->position))
        return 0; /* the first of a word's terms, as a question is read */
    k->position = t->position;
    if (k->len > 0)
        rag_lexicon_append(k, " ", 1);
    rag_lexicon_append(k, t->text, t->len);
    return 0;
}

int rag_lexicon_key_of(const char *term, size_t n, bool korean,
                       rag_lexicon_key *k, rag_error *err) {
    memset(k, 0, sizeof(*k));
    if (!korean)
        return rag_terms_each(term, n, add_stem, k, err);
    for (size_t i = 0; i < n; i++)
        if (term[i] != ' ')
            rag_lexicon_append(k, term + i, 1);
    return 0;
}

const char *rag_lexicon_next(const char **side, size_t *n) {
    const char *s = *side, *end;

    if (*s == '\0')
        return NULL;
    end = strstr(s, ", ");
    *n = end ? (size_t)(end - s) : strlen(s);
    *side = end ? end + 2 : s + *n;
    return s;
}

static int compare(const char *a, size_t n, const char *b, size_t m) {
    int c = memcmp(a, b, n < m ? n : m);

    return c != 0 ? c : n < m ? -1 : n > m;
}

static int by_key(const void *x, const void *y) {
    const rag_lexicon_entry *a = x, *b = y;
    int c = compare(a->key, a->len, b->key, b->len);

    if (c == 0)
        c = (a->concept > b->concept) - (a->concept < b->concept);
    return c != 0 ? c : a->prefix - b->prefix;
}

/* ---- making -------------------------------------------------------------------------- */

static int make(rag_lexicon *l, const rag_sides *c, size_t count,
                rag_error *err) {
    size_t terms = 0, used = 0, kept = 0, n;
    int rc = 0;

    for (size_t i = 0; i < 2 * count; i++)
        for (const char *side = c[i / 2][i % 2]; rag_lexicon_next(&side, &n);)
            terms++;
    l->entries = calloc(terms + 1, sizeof(*l->entries));
    l->keys = malloc(terms * RAG_LEXICON_KEY_MAX + 1);
    if (l->entries == NULL || l->keys == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the lexicon");
    for (size_t i = 0; i < 2 * count && rc == 0; i++) {
        const char *side = c[i / 2][i % 2], *term;

        while (rc == 0 && (term = rag_lexicon_next(&side, &n)) != NULL) {
            rag_lexicon_entry *e = &l->entries[l->n];
            rag_lexicon_key k;

            e->prefix = n > 1 && term[n - 1] == '~';
            e->spaced = memchr(term, ' ', n) != NULL;
            rc = rag_lexicon_key_of(term, n - e->prefix, i % 2 == 0, &k, err);
            if (rc != 0 || k.len == 0 || k.too_long)
                continue;
            e->key = memcpy(l->keys + used, k.text, k.len);
            e->len = (uint16_t)k.len;
            e->concept = c[i / 2];
            used += k.len;
            l->n++;
        }
    }
    qsort(l->entries, l->n, sizeof(*l->entries), by_key);
    /* "revise, revision": terms of a concept with the same stems. */
    for (size_t i = 0; i < l->n; i++)
        if (i == 0 || by_key(&l->entries[i], &l->entries[kept - 1]) != 0)
            l->entries[kept++] = l->entries[i];
    l->n = kept;
    return rc;
}

static void make_built_in(void) {
    built_in_rc = make(&built_in, concepts, CONCEPTS, NULL);
}

static int need_built_in(rag_error *err) {
    pthread_once(&once, make_built_in);
    return built_in_rc == 0
               ? 0
               : rag_error_set(err, built_in_rc, "no memory for the lexicon");
}

static const rag_lexicon_entry *look(const rag_lexicon *l, const char *s,
                                     size_t n, size_t *count) {
    size_t lo = 0, hi = l->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (compare(l->entries[mid].key, l->entries[mid].len, s, n) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *count = 0;
    while (lo + *count < l->n &&
           compare(l->entries[lo + *count].key, l->entries[lo + *count].len, s,
                   n) == 0)
        (*count)++;
    return *count > 0 ? &l->entries[lo] : NULL;
}

const rag_lexicon_entry *rag_lexicon_find(const rag_lexicon *l, const char *s,
                                          size_t n, size_t *count) {
    const rag_lexicon_entry *e = l->own ? look(l, s, n, count) : NULL;

    return e ? e : look(&built_in, s, n, count);
}

/* ---- a company's own ------------------------------------------------------------------- */

typedef struct reader {
    const char *name;
    size_t line;
    rag_buf side[2];
    size_t terms[2];
    rag_error *err;
} reader;

static int bad(const reader *r, const char *what) {
    return rag_error_set(r->err, RAG_E_DATA, "%s:%zu: %s", r->name, r->line,
                         what);
}

static bool is_hangul(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;

        i += rag_utf8_next(s + i, n - i, &cp);
        if (!rag_unicode_syllable(cp) && cp != ' ')
            return false;
    }
    return n > 0;
}

static bool has_hangul(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;

        i += rag_utf8_next(s + i, n - i, &cp);
        if (rag_unicode_syllable(cp))
            return true;
    }
    return false;
}

static int read_term(reader *r, const char *s, size_t n) {
    bool korean = has_hangul(s, n);
    size_t bare = n - (korean && n > 0 && s[n - 1] == '~');
    rag_buf *side = &r->side[korean ? 0 : 1];
    rag_lexicon_key k;
    int rc;

    if (korean && !is_hangul(s, bare))
        return bad(r, "a Korean term is written in Hangul and spaces only");
    rc = rag_lexicon_key_of(s, bare, korean, &k, r->err);
    if (rc != 0)
        return rc;
    if (k.len == 0)
        return bad(r, "a term without a letter; put one comma between terms");
    if (k.too_long)
        return bad(r, "a term is too long");
    if (korean && k.len < 6)
        return bad(r, "a Korean term has two syllables or more");
    if (++r->terms[korean ? 0 : 1] > RAG_LEXICON_TERMS_MAX)
        return bad(r, "more than six terms of a language; make two lines");
    if (side->len > 0)
        rc = rag_buf_append(side, ", ", 2, r->err);
    return rc != 0 ? rc : rag_buf_append(side, s, n, r->err);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static int read_line(reader *r, const char *s, size_t n, rag_lexicon *l) {
    char *copy;
    int rc = 0;

    while (n > 0 && is_blank(*s))
        s++, n--;
    while (n > 0 && is_blank(s[n - 1]))
        n--;
    if (n == 0 || *s == '#')
        return 0;
    for (int i = 0; i < 2; i++) {
        rag_buf_clear(&r->side[i]);
        r->terms[i] = 0;
    }
    for (size_t i = 0; i <= n && rc == 0;) {
        const char *comma = memchr(s + i, ',', n - i);
        size_t end = comma ? (size_t)(comma - s) : n, from = i, to = end;

        while (from < to && is_blank(s[from]))
            from++;
        while (to > from && is_blank(s[to - 1]))
            to--;
        rc = read_term(r, s + from, to - from);
        i = end + 1;
    }
    for (int i = 0; i < 2 && rc == 0; i++)
        if ((rc = rag_str_dup(rag_buf_str(&r->side[i]), &copy, r->err)) == 0)
            l->own[l->nown][i] = copy;
    l->nown++; /* what there is of it is freed with the rest */
    return rc;
}

int rag_lexicon_parse(const char *name, const char *text, size_t n,
                      rag_lexicon **out, rag_error *err) {
    reader r = {.name = name, .err = err};
    rag_lexicon *l = calloc(1, sizeof(*l));
    rag_buf nfc;
    size_t lines = 1, wrong;
    int rc = l ? need_built_in(err)
               : rag_error_set(err, RAG_E_NOMEM, "out of memory");

    *out = NULL;
    rag_buf_init(&nfc, 0);
    if (rc == 0 && memchr(text, '\0', n))
        rc = rag_error_set(err, RAG_E_DATA,
                           "%s: no text (a NUL byte); save it as UTF-8", name);
    if (rc == 0 && !rag_utf8_valid(text, n, &wrong))
        rc = rag_error_set(err, RAG_E_DATA,
                           "%s: not UTF-8 at byte %zu; save it as UTF-8", name,
                           wrong);
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3, n -= 3; /* a byte order mark */
    if (rc == 0)
        rc = rag_unicode_nfc(text, n, &nfc, err);
    text = rag_buf_str(&nfc);
    for (size_t i = 0; i < nfc.len; i++)
        lines += text[i] == '\n';
    if (rc == 0 && lines > LINES_MAX)
        rc = rag_error_set(err, RAG_E_LIMIT, "%s: more than %d lines", name,
                           LINES_MAX);
    if (rc == 0 && (l->own = calloc(lines, sizeof(*l->own))) == NULL)
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < nfc.len && rc == 0;) {
        const char *end = memchr(text + i, '\n', nfc.len - i);
        size_t len = end ? (size_t)(end - (text + i)) : nfc.len - i;

        r.line++;
        rc = read_line(&r, text + i, len, l);
        i += len + 1;
    }
    if (rc == 0)
        rc = make(l, l->own, l->nown, err);
    for (int i = 0; i < 2; i++)
        rag_buf_free(&r.side[i]);
    rag_buf_free(&nfc);
    if (rc != 0)
        rag_lexicon_close(l);
    else
        *out = l;
    return rc;
}

int rag_lexicon_open(const char *path, rag_lexicon **out, rag_error *err) {
    rag_buf text;
    int rc;

    *out = NULL;
    if ((rc = need_built_in(err)) != 0)
        return rc;
    if (path == NULL || *path == '\0') {
        *out = &built_in;
        return 0;
    }
    rag_buf_init(&text, 0);
    rc = rag_file_read(path, FILE_MAX, &text, err);
    if (rc == 0)
        rc = rag_lexicon_parse(path, rag_buf_str(&text), text.len, out, err);
    rag_buf_free(&text);
    return rc;
}

int rag_index_lexicon_check(const char *path, rag_error *err) {
    rag_lexicon *l;
    int rc = rag_lexicon_open(path, &l, err);

    rag_lexicon_close(l);
    return rc;
}

void rag_lexicon_close(rag_lexicon *l) {
    if (l == NULL || l == &built_in)
        return;
    for (size_t i = 0; i < l->nown; i++)
        for (int k = 0; k < 2; k++)
            free((void *)(uintptr_t)l->own[i][k]);
    free(l->own);
    free(l->entries);
    free(l->keys);
    free(l);
}
