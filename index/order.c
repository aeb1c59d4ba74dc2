/*
 * order.c - the last look at a result: an older version gives way to its
 * successor, and the same passage does not fill the list.
 *
 * Versions are told by a year (2024, 2024년판) or a version number (v2, 버전
 * 3.0, version 1.4, rev. 2) in the title or in the file's name, what is
 * left being the same. A question that names the older one's number is about
 * the older one. Pure functions, any thread.
 */
#include "index/search_int.h"

#include "base/hash.h"
#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEM_MAX 160
#define STEM_MIN 4 /* bytes below which names are too short to compare */

typedef struct version {
    char stem[STEM_MAX]; /* letters of the name without the version */
    double number; /* 0: none found */
    char digits[16]; /* as it is written */
} version;

static bool is_marker(const char *s, size_t n) {
    static const char *const markers[] = {
        "v", "ver", "version", "rev", "revision", "edition", "버전", "판"};

    for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++)
        if (strlen(markers[i]) == n && memcmp(markers[i], s, n) == 0)
            return true;
    return false;
}

static size_t number_at(const char *s, size_t n, size_t i) {
    size_t j = i;

    while (j < n && ((s[j] >= '0' && s[j] <= '9') ||
                     (s[j] == '.' && j > i && j + 1 < n && s[j + 1] >= '0' &&
                      s[j + 1] <= '9')))
        j++;
    return j;
}

static bool is_year(const char *s, size_t n) {
    return n == 4 &&
           ((s[0] == '1' && s[1] == '9') || (s[0] == '2' && s[1] == '0'));
}

/* The run of letters at s[i..), in bytes. */
static size_t letters_at(const char *s, size_t n, size_t i) {
    size_t j = i;

    while (j < n) {
        uint32_t cp;
        size_t len = rag_utf8_next(s + j, n - j, &cp);
        rag_char_class c = rag_unicode_class(cp);

        if (c != RAG_CHAR_LATIN && c != RAG_CHAR_HANGUL && c != RAG_CHAR_CJK)
            break;
        j += len;
    }
    return j;
}

/* Splits a folded name into words and numbers. */
static void parse(const char *s, size_t n, version *v) {
    size_t stem = 0, last = 0, last_len = 0;
    bool marked = false;

    memset(v, 0, sizeof(*v));
    for (size_t i = 0; i < n;) {
        size_t j = letters_at(s, n, i);

        if (j > i) {
            marked = is_marker(s + i, j - i);
            /* what follows a number: 2024년판, 3판 */
            if (stem + (j - i) < STEM_MAX &&
                !(v->number > 0 && last_len > 0 && last == i)) {
                memcpy(v->stem + stem, s + i, j - i);
                last = stem;
                stem += j - i;
                if (!marked)
                    last_len = 0;
            }
            i = j;
            if (marked && stem >= last) {
                size_t d = i;

                while (d < n && (s[d] == ' ' || s[d] == '.' || s[d] == '-'))
                    d++;
                if (d < n && s[d] >= '0' && s[d] <= '9')
                    stem = last; /* the marker is no part of the name */
                else
                    marked = false;
                i = d;
            }
            continue;
        }
        j = number_at(s, n, i);
        if (j == i) {
            uint32_t cp;

            i += rag_utf8_next(s + i, n - i, &cp);
            continue;
        }
        if (v->number == 0 && j - i < sizeof(v->digits) &&
            (is_year(s + i, j - i) || marked)) {
            memcpy(v->digits, s + i, j - i);
            v->number = strtod(v->digits, NULL);
            last = j;
            last_len = 1;
        } else if (stem + (j - i) < STEM_MAX) {
            memcpy(v->stem + stem, s + i, j - i);
            stem += j - i;
        }
        marked = false;
        i = j;
    }
    v->stem[stem] = '\0';
}

static int read_version(const char *name, size_t n, version *v) {
    rag_buf folded;
    int rc;

    rag_buf_init(&folded, 0);
    rc = rag_unicode_fold(name, n, &folded, NULL);
    if (rc == 0)
        parse(rag_buf_str(&folded), folded.len, v);
    else
        memset(v, 0, sizeof(*v));
    rag_buf_free(&folded);
    return rc;
}

/* A file's name without folder and endings (travel-2024.ko.md). */
static size_t base_name(const char *id, const char **name) {
    const char *slash = strrchr(id, '/');
    size_t n;

    *name = slash ? slash + 1 : id;
    n = strlen(*name);
    for (int endings = 0; endings < 2; endings++) {
        size_t dot = n;

        while (dot > 0 && (*name)[dot - 1] != '.')
            dot--;
        if (dot < 2 || n - dot > 5)
            break;
        n = dot - 1;
    }
    return n;
}

static bool older(const version *a, const version *b, const char *question) {
    return a->number > 0 && b->number > 0 && a->number < b->number &&
           strlen(a->stem) >= STEM_MIN && strcmp(a->stem, b->stem) == 0 &&
           strstr(question, a->digits) == NULL;
}

bool rag_order_succeeds(const char *old_title, const char *old_id,
                        const char *new_title, const char *new_id,
                        const char *question) {
    const char *x, *y;
    version a, b;
    size_t n, m;

    read_version(old_title, strlen(old_title), &a);
    read_version(new_title, strlen(new_title), &b);
    if (older(&a, &b, question))
        return true;
    n = base_name(old_id, &x);
    m = base_name(new_id, &y);
    read_version(x, n, &a);
    read_version(y, m, &b);
    return older(&a, &b, question);
}

/* ---- results ------------------------------------------------------------------ */

static size_t group_end(const rag_index_result *r, size_t i) {
    size_t j = i;

    while (j < r->n && r->hits[j].document == r->hits[i].document)
        j++;
    return j;
}

/* Moves hits [from,to) before `at`, the first with no less than the one there. */
static int move_before(rag_index_result *r, size_t at, size_t from, size_t to,
                       rag_error *err) {
    size_t n = to - from;
    rag_index_hit *moved = malloc(n * sizeof(*moved));

    if (moved == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    memcpy(moved, r->hits + from, n * sizeof(*moved));
    if (moved[0].score < r->hits[at].score)
        moved[0].score = r->hits[at].score;
    if (moved[0].own < r->hits[at].own)
        moved[0].own = r->hits[at].own;
    memmove(r->hits + at + n, r->hits + at, (from - at) * sizeof(*moved));
    memcpy(r->hits + at, moved, n * sizeof(*moved));
    free(moved);
    return 0;
}

/* Says of every hit whether a newer version stands before it. */
static void mark_superseded(rag_index_result *r, const char *question) {
    for (size_t i = 0; i < r->n; i = group_end(r, i)) {
        const rag_index_hit *a = &r->hits[i];
        bool old = false;

        for (size_t j = 0; j < i && !old; j = group_end(r, j)) {
            const rag_index_hit *b = &r->hits[j];

            old = a->kind == RAG_DOC_TEXT && b->kind == RAG_DOC_TEXT &&
                  rag_order_succeeds(a->title, a->doc, b->title, b->doc,
                                     question);
        }
        for (size_t k = i; k < group_end(r, i); k++)
            r->hits[k].superseded = old;
    }
}

int rag_order_successors(rag_index_result *r, const char *question,
                         rag_error *err) {
    int rc = 0;
    size_t number = 0;

    for (size_t i = 0; i < r->n && rc == 0; i = group_end(r, i))
        for (size_t j = group_end(r, i); j < r->n && rc == 0;) {
            size_t end = group_end(r, j);
            const rag_index_hit *a = &r->hits[i], *b = &r->hits[j];

            if (a->kind == RAG_DOC_TEXT && b->kind == RAG_DOC_TEXT &&
                rag_order_succeeds(a->title, a->doc, b->title, b->doc,
                                   question)) {
                rc = move_before(r, i, j, end, err);
                j = group_end(r, i); /* a newer one still may follow */
            } else {
                j = end;
            }
        }
    for (size_t i = 0; i < r->n;) {
        size_t end = group_end(r, i);

        for (; i < end; i++)
            r->hits[i].document = number + r->documents;
        number++;
    }
    for (size_t i = 0; i < r->n; i++)
        r->hits[i].document -= r->documents;
    mark_superseded(r, question);
    return rc;
}

uint64_t rag_order_passage(const rag_index_hit *h) {
    const char *q = h->question ? h->question : "";
    rag_buf key;
    uint64_t sum = 0;

    rag_buf_init(&key, 0);
    if (rag_terms_key(h->text, h->end - h->start, &key, NULL) == 0 &&
        rag_terms_key(q, strlen(q), &key, NULL) == 0 && key.len > 0)
        sum = rag_hash_fast(key.data, key.len);
    rag_buf_free(&key);
    return sum;
}
