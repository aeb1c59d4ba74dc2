/*
 * log.h - structured log lines on stderr: time, level, event, key=value.
 *
 *   2026-11-22T10:51:02.123Z info ask.done id=7f3a status=answered ms=812
 *
 * or, with RAG_LOG_JSON, one JSON object a line. Values are quoted when
 * needed and control characters escaped, so that a hostile value can neither
 * forge a line nor move the terminal's cursor. Under systemd (JOURNAL_STREAM)
 * the sd-daemon priority prefix "<6>" is put first and the time left out.
 * Thread-safe; one write(2) a line. Only programs set it up; libraries use
 * rag_log.
 */
#ifndef RAG_BASE_LOG_H
#define RAG_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum rag_log_level {
    RAG_LOG_ERROR,
    RAG_LOG_WARN,
    RAG_LOG_INFO,
    RAG_LOG_DEBUG
} rag_log_level;

typedef enum rag_log_format { RAG_LOG_TEXT, RAG_LOG_JSON } rag_log_format;

/* Level and format from now on (default: warn, text). fd: default 2. */
void rag_log_setup(rag_log_level level, rag_log_format format, int fd);
bool rag_log_enabled(rag_log_level level);
/* "error", "warn", "info", "debug"; false when the word is none of them. */
bool rag_log_level_from(const char *word, rag_log_level *out);

typedef struct rag_log_field {
    const char *key;
    enum { RAG_LOG_STR, RAG_LOG_INT, RAG_LOG_NUM } type;
    const char *s;
    int64_t i;
    double d;
} rag_log_field;

#define RAG_S(k, v) ((rag_log_field){(k), RAG_LOG_STR, (v), 0, 0})
#define RAG_I(k, v) ((rag_log_field){(k), RAG_LOG_INT, 0, (int64_t)(v), 0})
#define RAG_D(k, v) ((rag_log_field){(k), RAG_LOG_NUM, 0, 0, (double)(v)})

/* rag_log(RAG_LOG_INFO, "index.load", RAG_S("file", f), RAG_I("rows", n)) */
#define rag_log(level, ...)                                                    \
    rag_log_line(                                                              \
        (level), RAG_LOG_EVENT(__VA_ARGS__, 0),                                \
        (const rag_log_field[]){RAG_LOG_FIELDS(__VA_ARGS__)},                  \
        sizeof((const rag_log_field[]){RAG_LOG_FIELDS(__VA_ARGS__)}) /         \
                sizeof(rag_log_field) -                                        \
            1)
#define RAG_LOG_EVENT(event, ...) (event)
#define RAG_LOG_FIELDS(event, ...)                                             \
    __VA_ARGS__ __VA_OPT__(, ) {                                               \
        0                                                                      \
    }
void rag_log_line(rag_log_level level, const char *event,
                  const rag_log_field *fields, unsigned n);

#endif
