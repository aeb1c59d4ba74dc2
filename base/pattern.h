/*
 * pattern.h - PCRE2 patterns with limits.
 *
 * The only place that touches PCRE2. Patterns are UTF mode, JIT-compiled
 * where that is possible, and every match runs under a match limit, a depth
 * limit and a heap limit, so that no text can make one run for long.
 * A compiled pattern is immutable and may be used by many threads.
 *
 * \w \d \s \b and caseless matching go by Unicode's properties (PCRE2_UCP);
 * a line ends in \n, \r or \r\n, which ^ $ (with RAG_PATTERN_MULTILINE) and .
 * go by. \C is refused.
 */
#ifndef RAG_BASE_PATTERN_H
#define RAG_BASE_PATTERN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define RAG_PATTERN_MATCH_LIMIT 200000u
#define RAG_PATTERN_DEPTH_LIMIT 2000u
#define RAG_PATTERN_HEAP_KIB 4096u
#define RAG_PATTERN_GROUPS_MAX 32

typedef struct rag_pattern rag_pattern;

enum { RAG_PATTERN_CASELESS = 1, RAG_PATTERN_MULTILINE = 2 };

/* Compiles source (PCRE2 syntax, UTF-8). The error names the offset. */
int rag_pattern_open(const char *source, unsigned flags, rag_pattern **out,
                     rag_error *err);
void rag_pattern_close(rag_pattern *p);

typedef struct rag_match {
    size_t start[RAG_PATTERN_GROUPS_MAX]; /* byte offsets into text; */
    size_t end[RAG_PATTERN_GROUPS_MAX]; /* (size_t)-1 where unset */
    unsigned groups; /* group 0 is the whole match */
} rag_match;

/*
 * First match at or after byte `from`, which must be a character's start.
 * *found tells whether there is one; m (may be NULL) where.
 * text must be valid UTF-8 (it is not checked again here: check it once where
 * it comes in). RAG_E_LIMIT when a limit stopped the search.
 */
int rag_pattern_find(const rag_pattern *p, const char *text, size_t len,
                     size_t from, bool *found, rag_match *m, rag_error *err);

#endif
