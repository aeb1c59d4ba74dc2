/*
 * buf.c - growing byte buffer with a ceiling, and small string helpers; see
 * buf.h.
 *
 * Invariants of a rag_buf: data is NULL and cap 0, or data has cap bytes,
 * len < cap and data[len] is NUL. cap never passes the ceiling plus one.
 * One owner, no locks.
 */
#include "base/buf.h"
#include "base/unicode.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY ((size_t)64)

void rag_buf_init(rag_buf *b, size_t max) {
    *b = (rag_buf){.max = max};
}

void rag_buf_free(rag_buf *b) {
    if (!b)
        return;
    free(b->data);
    *b = (rag_buf){.max = b->max};
}

void rag_buf_clear(rag_buf *b) {
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

static size_t buf_ceiling(const rag_buf *b) {
    size_t max = b->max ? b->max : RAG_BUF_MAX_DEFAULT;
    return max < SIZE_MAX / 2 ? max : SIZE_MAX / 2;
}

int rag_buf_reserve(rag_buf *b, size_t extra, rag_error *err) {
    size_t max = buf_ceiling(b);
    if (b->len > max || extra > max - b->len)
        return rag_error_set(err, RAG_E_LIMIT,
                             "a buffer would grow past its limit of %zu bytes",
                             max);
    size_t need = b->len + extra + 1;
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap < FIRST_CAPACITY ? FIRST_CAPACITY : b->cap * 2;
    if (cap > max + 1)
        cap = max + 1;
    if (cap < need)
        cap = need;
    char *data = realloc(b->data, cap);
    if (!data)
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory for a buffer of %zu bytes", cap);
    data[b->len] = '\0';
    b->data = data;
    b->cap = cap;
    return 0;
}

int rag_buf_append(rag_buf *b, const void *p, size_t n, rag_error *err) {
    int rc = rag_buf_reserve(b, n, err);
    if (rc)
        return rc;
    if (n > 0)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
    return 0;
}

int rag_buf_append_str(rag_buf *b, const char *s, rag_error *err) {
    return rag_buf_append(b, s, strlen(s), err);
}

int rag_buf_append_char(rag_buf *b, char c, rag_error *err) {
    return rag_buf_append(b, &c, 1, err);
}

int rag_buf_append_codepoint(rag_buf *b, unsigned cp, rag_error *err) {
    char bytes[4];
    size_t n = rag_utf8_put(cp, bytes);
    if (n == 0)
        return rag_error_set(err, RAG_E_DATA, "U+%04X is no character", cp);
    return rag_buf_append(b, bytes, n, err);
}

int rag_buf_printf(rag_buf *b, rag_error *err, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    int rc;
    if (n < 0) {
        rc = rag_error_set(err, RAG_E_INTERNAL, "text could not be formatted");
    } else {
        rc = rag_buf_reserve(b, (size_t)n, err);
        if (rc == 0) {
            vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
            b->len += (size_t)n;
        }
    }
    va_end(again);
    return rc;
}

const char *rag_buf_str(const rag_buf *b) {
    return b->data ? b->data : "";
}

int rag_buf_steal(rag_buf *b, char **out, size_t *len_out, rag_error *err) {
    *out = NULL;
    if (len_out)
        *len_out = 0;
    int rc = rag_buf_reserve(b, 0, err);
    if (rc)
        return rc;
    *out = b->data;
    if (len_out)
        *len_out = b->len;
    *b = (rag_buf){.max = b->max};
    return 0;
}

int rag_str_dup(const char *s, char **out, rag_error *err) {
    *out = NULL;
    return s ? rag_str_dup_n(s, strlen(s), out, err) : 0;
}

int rag_str_dup_n(const char *s, size_t n, char **out, rag_error *err) {
    *out = NULL;
    if (!s)
        return 0;
    char *copy = n < SIZE_MAX ? malloc(n + 1) : NULL;
    if (!copy)
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory for a string of %zu bytes", n);
    if (n > 0)
        memcpy(copy, s, n);
    copy[n] = '\0';
    *out = copy;
    return 0;
}

/* strtol() and strtod() skip white space first; a whole string is none. */
static bool starts_number(const char *s) {
    if (*s == '+' || *s == '-')
        s++;
    return (*s >= '0' && *s <= '9') || *s == '.';
}

int rag_str_to_long(const char *s, long min, long max, long *out,
                    rag_error *err) {
    if (!s || !starts_number(s))
        return rag_error_set(err, RAG_E_DATA, "\"%s\" is no whole number",
                             s ? s : "");
    char *end;
    errno = 0;
    long v = strtol(s, &end, 10);
    if (end == s || *end)
        return rag_error_set(err, RAG_E_DATA, "\"%s\" is no whole number", s);
    if (errno == ERANGE || v < min || v > max)
        return rag_error_set(err, RAG_E_DATA, "%s is not between %ld and %ld",
                             s, min, max);
    *out = v;
    return 0;
}

/* Digits with one point and an exponent: strtod() alone would also take hex,
 * "inf" and the locale's comma. */
static bool is_decimal(const char *s) {
    size_t digits = 0;
    if (*s == '+' || *s == '-')
        s++;
    for (; *s >= '0' && *s <= '9'; s++)
        digits++;
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++)
            digits++;
    if (digits == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '+' || *s == '-')
            s++;
        if (*s < '0' || *s > '9')
            return false;
        while (*s >= '0' && *s <= '9')
            s++;
    }
    return *s == '\0';
}

int rag_str_to_double(const char *s, double min, double max, double *out,
                      rag_error *err) {
    if (!s || !is_decimal(s))
        return rag_error_set(err, RAG_E_DATA, "\"%s\" is no number",
                             s ? s : "");
    char *end;
    double v = strtod(s, &end);
    if (*end) /* only under a locale whose decimal point is another */
        return rag_error_set(err, RAG_E_DATA, "\"%s\" is no number", s);
    if (!isfinite(v) || v < min || v > max)
        return rag_error_set(err, RAG_E_DATA, "%s is not between %g and %g", s,
                             min, max);
    *out = v;
    return 0;
}

bool rag_str_starts(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool rag_str_ends(const char *s, const char *suffix) {
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && memcmp(s + n - k, suffix, k) == 0;
}
