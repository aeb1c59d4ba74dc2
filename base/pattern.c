/*
 * pattern.c - PCRE2 with limits; see pattern.h.
 *
 * What a match needs besides the pattern (match data, JIT stack) belongs to
 * the thread: made at its first match, freed when it ends, so that splitting
 * a text into sentences allocates nothing per sentence and a compiled pattern
 * stays immutable.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/pattern.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Longest pattern source, against a configured one that is a whole file. */
#define SOURCE_MAX ((size_t)64 << 10)
#define JIT_STACK_FIRST ((size_t)32 << 10)
#define JIT_STACK_MAX ((size_t)1 << 20)

struct rag_pattern {
    pcre2_code *code;
    pcre2_match_context *limits; /* set once, only read by matches */
};

typedef struct scratch {
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
} scratch;

static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static pthread_key_t scratch_key;
static int scratch_key_error;

static void scratch_free(void *p) {
    scratch *s = p;
    if (!s)
        return;
    pcre2_match_data_free(s->data);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

static void scratch_key_make(void) {
    scratch_key_error = pthread_key_create(&scratch_key, scratch_free);
}

/* This thread's scratch memory; NULL when out of memory. */
static scratch *scratch_get(void) {
    pthread_once(&scratch_once, scratch_key_make);
    if (scratch_key_error)
        return NULL;
    scratch *s = pthread_getspecific(scratch_key);
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->data = pcre2_match_data_create(RAG_PATTERN_GROUPS_MAX, NULL);
    /* Without a stack of its own a JIT match has 32 KiB of the thread's. */
    s->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, NULL);
    if (!s->data || pthread_setspecific(scratch_key, s) != 0) {
        scratch_free(s);
        return NULL;
    }
    return s;
}

static pcre2_jit_stack *jit_stack_of_thread(void *unused) {
    (void)unused;
    scratch *s = scratch_get();
    return s ? s->stack : NULL;
}

static pcre2_match_context *limits_make(void) {
    pcre2_match_context *m = pcre2_match_context_create(NULL);
    if (!m)
        return NULL;
    pcre2_set_match_limit(m, RAG_PATTERN_MATCH_LIMIT);
    pcre2_set_depth_limit(m, RAG_PATTERN_DEPTH_LIMIT);
    pcre2_set_heap_limit(m, RAG_PATTERN_HEAP_KIB);
    pcre2_jit_stack_assign(m, jit_stack_of_thread, NULL);
    return m;
}

static int compile(const char *source, size_t len, unsigned flags,
                   pcre2_code **out, rag_error *err) {
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    if (flags & RAG_PATTERN_CASELESS)
        options |= PCRE2_CASELESS;
    if (flags & RAG_PATTERN_MULTILINE)
        options |= PCRE2_MULTILINE;
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);
    if (!c)
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory compiling a pattern");
    /* Documents end their lines in every way. */
    pcre2_set_newline(c, PCRE2_NEWLINE_ANYCRLF);
    int e;
    PCRE2_SIZE at;
    *out = pcre2_compile((PCRE2_SPTR)source, len, options, &e, &at, c);
    pcre2_compile_context_free(c);
    if (*out)
        return 0;
    char why[160];
    if (pcre2_get_error_message(e, (PCRE2_UCHAR *)why, sizeof why) < 0)
        memcpy(why, "?", 2);
    return rag_error_set(err, RAG_E_DATA,
                         "the pattern /%.*s/ is wrong at byte %zu: %s",
                         len < 80 ? (int)len : 80, source, (size_t)at, why);
}

int rag_pattern_open(const char *source, unsigned flags, rag_pattern **out,
                     rag_error *err) {
    uint32_t groups = 0;
    size_t len = strlen(source);
    int rc;
    *out = NULL;
    if (len > SOURCE_MAX)
        return rag_error_set(err, RAG_E_LIMIT,
                             "a pattern of %zu bytes is over the limit of %zu",
                             len, SOURCE_MAX);
    rag_pattern *p = calloc(1, sizeof *p);
    if (!p)
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory compiling a pattern");
    rc = compile(source, len, flags, &p->code, err);
    if (rc)
        goto out;
    pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups >= RAG_PATTERN_GROUPS_MAX) {
        rc = rag_error_set(err, RAG_E_LIMIT,
                           "a pattern has %u groups; at most %d are allowed",
                           (unsigned)groups, RAG_PATTERN_GROUPS_MAX - 1);
        goto out;
    }
    p->limits = limits_make();
    if (!p->limits) {
        rc = rag_error_set(err, RAG_E_NOMEM,
                           "out of memory compiling a pattern");
        goto out;
    }
    /* Without JIT (another processor, a hardened kernel) pcre2_match()
     * interprets: slower, the same answers. */
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    *out = p;
    p = NULL;
out:
    rag_pattern_close(p);
    return rc;
}

void rag_pattern_close(rag_pattern *p) {
    if (!p)
        return;
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->limits);
    free(p);
}

static int match_failed(int e, rag_error *err) {
    switch (e) {
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_JIT_STACKLIMIT:
        return rag_error_set(err, RAG_E_LIMIT,
                             "a pattern was stopped by its limits");
    case PCRE2_ERROR_NOMEMORY:
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory matching a pattern");
    default:
        return rag_error_set(err, RAG_E_INTERNAL,
                             "a pattern could not be matched (PCRE2 error %d)",
                             e);
    }
}

int rag_pattern_find(const rag_pattern *p, const char *text, size_t len,
                     size_t from, bool *found, rag_match *m, rag_error *err) {
    *found = false;
    if (from > len)
        return rag_error_set(err, RAG_E_INTERNAL,
                             "a search starts behind the text's end");
    scratch *s = scratch_get();
    if (!s)
        return match_failed(PCRE2_ERROR_NOMEMORY, err);
    int n = pcre2_match(p->code, (PCRE2_SPTR)(len > 0 ? text : ""), len, from,
                        PCRE2_NO_UTF_CHECK, s->data, p->limits);
    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    if (n <= 0)
        return match_failed(n, err);
    *found = true;
    if (!m)
        return 0;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->data);
    m->groups = (unsigned)n;
    for (unsigned i = 0; i < RAG_PATTERN_GROUPS_MAX; i++) {
        /* PCRE2_UNSET is (size_t)-1 too. */
        m->start[i] = i < m->groups ? at[2 * i] : (size_t)-1;
        m->end[i] = i < m->groups ? at[2 * i + 1] : (size_t)-1;
    }
    return 0;
}
