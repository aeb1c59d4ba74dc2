/*
 * error.h - one list of error codes and a message for a person.
 *
 * Every function of the project that can fail returns one of these codes
 * (0 is success) and, through its last parameter, says in words what is
 * wrong, where, and what to do. A NULL rag_error is allowed everywhere.
 */
#ifndef RAG_BASE_ERROR_H
#define RAG_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

/* X(name, process exit status after sysexits(3), short word) */
#define RAG_ERROR_LIST(X)                                                      \
    X(RAG_OK, 0, "ok")                                                         \
    X(RAG_E_NOMEM, 70, "out of memory")                                        \
    X(RAG_E_IO, 74, "input/output error")                                      \
    X(RAG_E_USAGE, 64, "usage error")                                          \
    X(RAG_E_DATA, 65, "bad data")                                              \
    X(RAG_E_NOINPUT, 66, "no such input")                                      \
    X(RAG_E_NOTFOUND, 66, "not found")                                         \
    X(RAG_E_UNAVAILABLE, 69, "unavailable")                                    \
    X(RAG_E_TIMEOUT, 69, "timed out")                                          \
    X(RAG_E_BUSY, 69, "busy")                                                  \
    X(RAG_E_CANCELLED, 70, "cancelled")                                        \
    X(RAG_E_LIMIT, 65, "limit exceeded")                                       \
    X(RAG_E_CONFLICT, 65, "conflict")                                          \
    X(RAG_E_MISMATCH, 65, "mismatch")                                          \
    X(RAG_E_CORRUPT, 65, "corrupt")                                            \
    X(RAG_E_UNSUPPORTED, 65, "not supported")                                  \
    X(RAG_E_PERMISSION, 77, "permission denied")                               \
    X(RAG_E_INTERNAL, 70, "internal error")

typedef enum rag_code {
#define X(name, status, word) name,
    RAG_ERROR_LIST(X)
#undef X
        RAG_CODE_COUNT
} rag_code;

#define RAG_ERROR_MESSAGE_MAX 768

typedef struct rag_error {
    rag_code code;
    char message[RAG_ERROR_MESSAGE_MAX]; /* UTF-8, no final newline */
} rag_error;

#if defined(__GNUC__)
#define RAG_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define RAG_PRINTF(f, a)
#endif

/*
 * Fills err (may be NULL) with code and a formatted message, cut at a
 * character boundary when too long, and returns code, so that a failure is
 * one statement: return rag_error_set(err, RAG_E_IO, ...). Arguments may be
 * foreign: control characters become spaces and bytes that are no UTF-8
 * question marks, so that a message is always one line that a terminal can
 * show. err->message may itself be an argument.
 */
int rag_error_set(rag_error *err, rag_code code, const char *fmt, ...)
    RAG_PRINTF(3, 4);

/* As rag_error_set, with ": " and the text of errno value errnum appended. */
int rag_error_errno(rag_error *err, rag_code code, int errnum, const char *fmt,
                    ...) RAG_PRINTF(4, 5);

/* Puts "prefix: " before the message already in err. Returns err's code. */
int rag_error_prefix(rag_error *err, const char *fmt, ...) RAG_PRINTF(2, 3);

void rag_error_clear(rag_error *err);

/* Short word for a code ("timed out"); never NULL. */
const char *rag_code_word(rag_code code);
/* Machine name of a code as in the HTTP API ("timeout" is RAG_E_TIMEOUT
 * without prefix, in lower case); never NULL. */
const char *rag_code_name(rag_code code);
/* Exit status of a command that ends with this code. */
int rag_code_exit_status(rag_code code);

#endif
