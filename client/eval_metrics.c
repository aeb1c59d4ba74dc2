/* eval_metrics.c - ranks, intervals, ROC, and comparison of answers. */
#include "client/eval.h"

#include "base/json.h"
#include "base/unicode.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- ranks ----------------------------------------------------------------- */

static bool same_doc(const char *doc, const char *label) {
    size_t d = strlen(doc), l = strlen(label);

    if (d == l)
        return memcmp(doc, label, d) == 0;
    return d > l && doc[d - l - 1] == '/' && doc[0] == '/' &&
           memcmp(doc + d - l, label, l) == 0;
}

static bool relevant(const rag_eval_query *q, const char *doc) {
    for (size_t i = 0; i < q->nrelevant; i++)
        if (same_doc(doc, q->relevant[i]))
            return true;
    return false;
}

void rag_eval_rank(const rag_eval_query *q, const char *const *docs, size_t n,
                   rag_eval_outcome *out) {
    double dcg = 0, ideal = 0;
    size_t at5 = 0, at10 = 0;

    out->first = 0;
    for (size_t i = 0; i < n && i < 10; i++) {
        if (!relevant(q, docs[i]))
            continue;
        if (!out->first)
            out->first = (int)i + 1;
        dcg += 1 / log2((double)i + 2);
        at5 += i < 5;
        at10++;
    }
    for (size_t i = 0; i < q->nrelevant && i < 10; i++)
        ideal += 1 / log2((double)i + 2);
    out->ndcg10 = ideal > 0 ? dcg / ideal : NAN;
    out->recall5 = q->nrelevant ? (double)at5 / (double)q->nrelevant : NAN;
    out->recall10 = q->nrelevant ? (double)at10 / (double)q->nrelevant : NAN;
}

/* ---- statistics -------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double rag_eval_quantile(double *x, size_t n, double p) {
    double at, low;

    if (!n)
        return NAN;
    qsort(x, n, sizeof *x, by_value);
    at = p * (double)(n - 1);
    low = floor(at);
    if ((size_t)low + 1 >= n)
        return x[n - 1];
    return x[(size_t)low] + (at - low) * (x[(size_t)low + 1] - x[(size_t)low]);
}

#define RESAMPLES 1000

/* xorshift64*: the same intervals in every run. */
static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

rag_interval rag_eval_bootstrap(const double *x, size_t n) {
    rag_interval r = {NAN, NAN, NAN, n};
    double means[RESAMPLES], sum = 0;
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);

    if (!n)
        return r;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    r.mean = sum / (double)n;
    for (size_t b = 0; b < RESAMPLES; b++) {
        sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += x[(next_random(&state) >> 11) % n];
        means[b] = sum / (double)n;
    }
    r.low = rag_eval_quantile(means, RESAMPLES, .025);
    r.high = rag_eval_quantile(means, RESAMPLES, .975);
    return r;
}

double rag_eval_auroc(const double *pos, size_t npos, const double *neg,
                      size_t nneg) {
    double wins = 0;

    if (!npos || !nneg)
        return NAN;
    for (size_t i = 0; i < npos; i++)
        for (size_t j = 0; j < nneg; j++)
            wins += pos[i] > neg[j] ? 1 : pos[i] == neg[j] ? .5 : 0;
    return wins / ((double)npos * (double)nneg);
}

double rag_eval_false_answers(const double *pos, size_t npos, const double *neg,
                              size_t nneg, double refused) {
    double *sorted, threshold;
    size_t passed = 0;

    if (!npos || !nneg || !(sorted = malloc(npos * sizeof *sorted)))
        return NAN;
    memcpy(sorted, pos, npos * sizeof *sorted);
    qsort(sorted, npos, sizeof *sorted, by_value);
    threshold = sorted[(size_t)(refused * (double)npos)];
    free(sorted);
    for (size_t i = 0; i < nneg; i++)
        passed += neg[i] >= threshold;
    return (double)passed / (double)nneg;
}

/* ---- answers ------------------------------------------------------------------ */

/*
 * Folded words of an answer, separated by single spaces: case, punctuation,
 * [n] markers and English articles gone. NULL when out of memory.
 */
static char *normal(const char *s) {
    rag_buf folded, out;
    char *result = NULL;
    size_t n = strlen(s), i = 0, word = 0;

    rag_buf_init(&folded, 0);
    rag_buf_init(&out, 0);
    if (!rag_utf8_valid(s, n, NULL) || rag_unicode_fold(s, n, &folded, NULL))
        goto out;
    while (i <= folded.len) {
        uint32_t cp = ' ';
        size_t len = 1;
        rag_char_class c = RAG_CHAR_SPACE;

        if (i < folded.len && folded.data[i] == '[') {
            size_t d = strspn(folded.data + i + 1, "0123456789");
            if (d && folded.data[i + 1 + d] == ']') {
                i += d + 2;
                continue;
            }
        }
        if (i < folded.len) {
            len = rag_utf8_next(folded.data + i, folded.len - i, &cp);
            c = rag_unicode_class(cp);
        }
        if (c == RAG_CHAR_SPACE) {
            const char *w = rag_buf_str(&out) + word;
            if (!strcmp(w, "a") || !strcmp(w, "an") || !strcmp(w, "the"))
                out.len = word;
            if (out.len > word && rag_buf_append_char(&out, ' ', NULL))
                goto out;
            word = out.len;
        } else if (c != RAG_CHAR_OTHER || cp == '%') {
            if (rag_buf_append(&out, folded.data + i, len, NULL))
                goto out;
        }
        i += len;
    }
    if (out.len)
        out.data[--out.len] = 0;
    rag_buf_steal(&out, &result, NULL, NULL);
out:
    rag_buf_free(&folded);
    rag_buf_free(&out);
    return result;
}

double rag_eval_exact(const char *answer, char *const *accepted, size_t n) {
    char *a = normal(answer);
    double best = 0;

    for (size_t i = 0; a && i < n && best < 1; i++) {
        char *b = normal(accepted[i]);
        if (b && !strcmp(a, b))
            best = 1;
        free(b);
    }
    free(a);
    return best;
}

static bool word_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

/* Where b ends when it begins at a, NULL when it does not. Spaces are typed as
 * people please in Korean: with `loose` they count only between two numbers or
 * Latin words. */
static const char *match(const char *a, const char *b, bool loose) {
    char before = ' ';

    for (; *b; a++, b++) {
        bool gap_a = *a == ' ', gap_b = *b == ' ';

        if (loose) {
            a += gap_a;
            b += gap_b;
            if (gap_a != gap_b && word_byte(before) && word_byte(*b))
                return NULL;
        }
        if (*a != *b)
            return NULL;
        before = *b;
    }
    return a;
}

/* b occurs in a, not as a part of a longer number or Latin word. Both are
 * normal: single spaces, none at the ends. */
static bool occurs(const char *a, const char *b, bool loose) {
    size_t len = strlen(b);

    for (const char *at = a; len && *at; at++) {
        const char *end = *at == ' ' ? NULL : match(at, b, loose);

        if (end && !(at > a && word_byte(at[-1]) && word_byte(*b)) &&
            !(word_byte(b[len - 1]) && word_byte(*end)))
            return true;
    }
    return false;
}

bool rag_eval_contains(const char *answer, char *const *accepted, size_t n) {
    bool found = false;

    for (size_t i = 0; i < n && !found; i++) {
        char *a = normal(answer), *b = normal(accepted[i]);

        found = a && b &&
                occurs(a, b, strcmp(rag_unicode_lang(b, strlen(b)), "ko") == 0);
        free(a);
        free(b);
    }
    return found;
}

/* Tokens of s: words, or characters when `chars`. Returns their count. */
static size_t tokens(char *s, bool chars, const char **at, size_t *len,
                     size_t max) {
    size_t n = 0, total = strlen(s);

    for (size_t i = 0; i < total && n < max;) {
        if (s[i] == ' ') {
            i++;
            continue;
        }
        at[n] = s + i;
        if (chars) {
            uint32_t cp;
            len[n] = rag_utf8_next(s + i, total - i, &cp);
        } else {
            len[n] = strcspn(s + i, " ");
        }
        i += len[n++];
    }
    return n;
}

#define TOKENS_MAX 2048

static double f1_one(char *a, char *b) {
    bool chars = !strcmp(rag_unicode_lang(b, strlen(b)), "ko");
    const char *ta[TOKENS_MAX], *tb[TOKENS_MAX];
    size_t la[TOKENS_MAX], lb[TOKENS_MAX], same = 0;
    size_t na = tokens(a, chars, ta, la, TOKENS_MAX);
    size_t nb = tokens(b, chars, tb, lb, TOKENS_MAX);

    if (!na || !nb)
        return na == nb;
    for (size_t i = 0; i < na; i++)
        for (size_t j = 0; j < nb; j++)
            if (tb[j] && la[i] == lb[j] && !memcmp(ta[i], tb[j], la[i])) {
                tb[j] = NULL; /* each token counts once */
                same++;
                break;
            }
    return 2.0 * (double)same / (double)(na + nb);
}

double rag_eval_f1(const char *answer, char *const *accepted, size_t n) {
    char *a = normal(answer);
    double best = 0;

    for (size_t i = 0; a && i < n; i++) {
        char *b = normal(accepted[i]);
        if (b)
            best = fmax(best, f1_one(a, b));
        free(b);
    }
    free(a);
    return best;
}

/* Digits of the number at s (separators inside dropped); bytes consumed. */
static size_t number_at(const char *s, char *digits, size_t cap) {
    size_t i = 0, n = 0;

    while (
        (s[i] >= '0' && s[i] <= '9') ||
        ((s[i] == ',' || s[i] == '.') && s[i + 1] >= '0' && s[i + 1] <= '9')) {
        if (s[i] != ',' && n + 1 < cap)
            digits[n++] = s[i];
        i++;
    }
    digits[n] = 0;
    return i;
}

static bool number_in(const char *digits, const char *text) {
    char other[64];

    for (size_t i = 0; text[i];) {
        size_t n = number_at(text + i, other, sizeof other);
        if (n && !strcmp(digits, other))
            return true;
        i += n ? n : 1;
    }
    return false;
}

int rag_eval_quote_in(const json_t *citation, const json_t *hits) {
    const char *doc = NULL, *quote = NULL, *in = NULL, *text = NULL;
    int64_t start, end, from, to;
    const json_t *h;
    size_t i;

    if (rag_json_str(citation, "doc", "", &doc, NULL) ||
        rag_json_str(citation, "quote", "", &quote, NULL) ||
        rag_json_int(citation, "start", -1, 0, INT64_MAX, &start, NULL) ||
        rag_json_int(citation, "end", -1, 0, INT64_MAX, &end, NULL) ||
        start < 0 || end <= start || strlen(quote) != (size_t)(end - start))
        return 0;
    json_array_foreach(hits, i, h) {
        if (rag_json_str(h, "doc", "", &in, NULL) ||
            rag_json_str(h, "text", "", &text, NULL) ||
            rag_json_int(h, "start", -1, 0, INT64_MAX, &from, NULL) ||
            rag_json_int(h, "end", -1, 0, INT64_MAX, &to, NULL) ||
            strcmp(in, doc) != 0 || from < 0 || start < from || end > to ||
            strlen(text) != (size_t)(to - from))
            continue;
        return memcmp(text + (start - from), quote, (size_t)(end - start)) == 0;
    }
    return -1;
}

bool rag_eval_numbers_in(const char *answer, const json_t *citations) {
    char digits[64];

    for (size_t i = 0; answer[i];) {
        size_t marker =
            answer[i] == '[' ? strspn(answer + i + 1, "0123456789") : 0;
        size_t n;
        bool found = false;
        size_t k;
        const json_t *c;

        if (marker && answer[i + 1 + marker] == ']') {
            i += marker + 2;
            continue;
        }
        n = number_at(answer + i, digits, sizeof digits);
        if (!n) {
            i++;
            continue;
        }
        json_array_foreach(citations, k, c) {
            const char *quote = NULL;
            if (!rag_json_str(c, "quote", "", &quote, NULL) &&
                number_in(digits, quote))
                found = true;
        }
        if (!found)
            return false;
        i += n;
    }
    return true;
}
