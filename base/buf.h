/*
 * buf.h - growing byte buffer with a ceiling, and small string helpers.
 *
 * The contents are always followed by a NUL that len does not count, so that
 * buf->data is a C string whenever it holds no NUL itself. A buffer that
 * would grow past its ceiling fails with RAG_E_LIMIT and keeps what it had.
 * Not thread-safe: one owner.
 */
#ifndef RAG_BASE_BUF_H
#define RAG_BASE_BUF_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct rag_buf {
    char *data; /* owned; NULL until the first byte (use rag_buf_str) */
    size_t len, cap;
    size_t max; /* ceiling in bytes, 0 means RAG_BUF_MAX_DEFAULT */
} rag_buf;

#define RAG_BUF_MAX_DEFAULT ((size_t)256 << 20)

void rag_buf_init(rag_buf *b, size_t max);
void rag_buf_free(rag_buf *b); /* leaves an empty, usable buffer */
void rag_buf_clear(rag_buf *b); /* keeps the memory */
int rag_buf_reserve(rag_buf *b, size_t extra, rag_error *err);
int rag_buf_append(rag_buf *b, const void *p, size_t n, rag_error *err);
int rag_buf_append_str(rag_buf *b, const char *s, rag_error *err);
int rag_buf_append_char(rag_buf *b, char c, rag_error *err);
int rag_buf_append_codepoint(rag_buf *b, unsigned cp, rag_error *err);
int rag_buf_printf(rag_buf *b, rag_error *err, const char *fmt, ...)
    RAG_PRINTF(3, 4);
/* The contents as a C string, "" when empty; borrowed until the next change. */
const char *rag_buf_str(const rag_buf *b);
/* Hands the memory to the caller (free with free()), leaves b empty. Never
 * NULL on success; *len_out may be NULL. */
int rag_buf_steal(rag_buf *b, char **out, size_t *len_out, rag_error *err);

/* strdup/strndup with an error; free with free(). s NULL gives *out NULL. */
int rag_str_dup(const char *s, char **out, rag_error *err);
int rag_str_dup_n(const char *s, size_t n, char **out, rag_error *err);
/* Whole string as a number within [min,max]; RAG_E_DATA otherwise. */
int rag_str_to_long(const char *s, long min, long max, long *out,
                    rag_error *err);
int rag_str_to_double(const char *s, double min, double max, double *out,
                      rag_error *err);
bool rag_str_starts(const char *s, const char *prefix);
bool rag_str_ends(const char *s, const char *suffix);
/* ISO date or date-time (2026-03-01, 2026-03-01T09:00:00+09:00) to seconds
 * since the epoch; a bare date means local midnight, or with end_of_day its
 * last second. RAG_E_DATA otherwise. */
int rag_str_to_time(const char *s, bool end_of_day, long long *out,
                    rag_error *err);

#endif
