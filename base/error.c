/*
 * error.c - error codes and messages; see error.h.
 *
 * Messages often carry foreign bytes (file names, parser texts, a server's
 * words) and end on terminals and in logs, so that every message leaves here
 * as one line of valid UTF-8 without control characters. Called by everything,
 * from any thread; no state.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrordesc_np */
#endif
#include "base/error.h"
#include "base/unicode.h"

#include <stdio.h>
#include <string.h>

/* Control characters, and those that reorder or break lines on a terminal. */
static bool unsafe_codepoint(uint32_t cp) {
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0x2028 ||
           cp == 0x2029 || (cp >= 0x202A && cp <= 0x202E) ||
           (cp >= 0x2066 && cp <= 0x2069);
}

/* Makes s[0..n) clean in place (it never grows), cutting a character that
 * the end of the buffer cut in two. */
static void message_clean(char *s, size_t n, bool was_cut) {
    size_t r = 0, w = 0;
    while (r < n) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + r, n - r, &cp);
        if (cp == RAG_CP_INVALID) {
            if (was_cut && n - r < 4 && ((unsigned char)s[r] & 0xC0) == 0xC0)
                break;
            s[w++] = '?';
        } else if (unsafe_codepoint(cp)) {
            s[w++] = ' ';
        } else {
            memmove(s + w, s + r, k);
            w += k;
        }
        r += k;
    }
    while (w > 0 && s[w - 1] == ' ')
        w--;
    s[w] = '\0';
}

static void message_format(char *out, size_t cap, const char *fmt, va_list ap) {
    int n = vsnprintf(out, cap, fmt, ap);
    if (n < 0) {
        snprintf(out, cap, "(message could not be formatted)");
        return;
    }
    bool was_cut = (size_t)n >= cap;
    message_clean(out, was_cut ? cap - 1 : (size_t)n, was_cut);
}

int rag_error_set(rag_error *err, rag_code code, const char *fmt, ...) {
    if (err) {
        /* An argument may be err->message itself: build beside it. */
        char text[RAG_ERROR_MESSAGE_MAX];
        va_list ap;
        va_start(ap, fmt);
        message_format(text, sizeof text, fmt, ap);
        va_end(ap);
        memcpy(err->message, text, sizeof text);
        err->code = code;
    }
    return (int)code;
}

int rag_error_errno(rag_error *err, rag_code code, int errnum, const char *fmt,
                    ...) {
    if (err) {
        char text[RAG_ERROR_MESSAGE_MAX];
        va_list ap;
        va_start(ap, fmt);
        message_format(text, sizeof text, fmt, ap);
        va_end(ap);
        /* Not translated, which keeps messages in one language, and safe in
         * threads, which strerror() is not. */
        const char *why = strerrordesc_np(errnum);
        if (why)
            return rag_error_set(err, code, "%s: %s", text, why);
        return rag_error_set(err, code, "%s: error number %d", text, errnum);
    }
    return (int)code;
}

int rag_error_prefix(rag_error *err, const char *fmt, ...) {
    if (!err)
        return RAG_E_INTERNAL;
    char text[RAG_ERROR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    message_format(text, sizeof text, fmt, ap);
    va_end(ap);
    return rag_error_set(err, err->code, "%s: %s", text, err->message);
}

void rag_error_clear(rag_error *err) {
    if (err) {
        err->code = RAG_OK;
        err->message[0] = '\0';
    }
}

const char *rag_code_word(rag_code code) {
    switch (code) {
#define X(name, status, word)                                                  \
    case name:                                                                 \
        return word;
        RAG_ERROR_LIST(X)
#undef X
    case RAG_CODE_COUNT:
        break;
    }
    return "unknown error";
}

const char *rag_code_name(rag_code code) {
    switch (code) {
    case RAG_OK:
        return "ok";
    case RAG_E_NOMEM:
        return "nomem";
    case RAG_E_IO:
        return "io";
    case RAG_E_USAGE:
        return "usage";
    case RAG_E_DATA:
        return "data";
    case RAG_E_NOINPUT:
        return "noinput";
    case RAG_E_NOTFOUND:
        return "notfound";
    case RAG_E_UNAVAILABLE:
        return "unavailable";
    case RAG_E_TIMEOUT:
        return "timeout";
    case RAG_E_BUSY:
        return "busy";
    case RAG_E_CANCELLED:
        return "cancelled";
    case RAG_E_LIMIT:
        return "limit";
    case RAG_E_CONFLICT:
        return "conflict";
    case RAG_E_MISMATCH:
        return "mismatch";
    case RAG_E_CORRUPT:
        return "corrupt";
    case RAG_E_UNSUPPORTED:
        return "unsupported";
    case RAG_E_PERMISSION:
        return "permission";
    case RAG_E_INTERNAL:
        return "internal";
    case RAG_CODE_COUNT:
        break;
    }
    return "unknown";
}

int rag_code_exit_status(rag_code code) {
    switch (code) {
#define X(name, status, word)                                                  \
    case name:                                                                 \
        return status;
        RAG_ERROR_LIST(X)
#undef X
    case RAG_CODE_COUNT:
        break;
    }
    return 70;
}
