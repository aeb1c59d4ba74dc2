/*
 * log.c - structured log lines; see log.h.
 *
 * A line is built on the caller's stack and leaves by one write(2): no lock,
 * no allocation, lines of threads and processes never mix. What does not fit
 * is left out whole, field by field, and the line says "truncated". The
 * settings are atomics written by the program before or while others log.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/unicode.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192
#define VALUE_MAX_BYTES 2048 /* of one value, before escaping */

static atomic_int log_level = RAG_LOG_WARN;
static atomic_int log_format = RAG_LOG_TEXT;
static atomic_int log_fd = 2;
static atomic_int log_journal; /* 1: stderr is systemd's journal */

static const char *const level_words[] = {"error", "warn", "info", "debug"};

/* Whether fd is the stream that systemd said leads to the journal:
 * JOURNAL_STREAM is "device:inode" (systemd.exec(5)). */
static int is_journal(int fd) {
    const char *v = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return v && sscanf(v, "%llu:%llu", &dev, &ino) == 2 &&
           fstat(fd, &st) == 0 && (unsigned long long)st.st_dev == dev &&
           (unsigned long long)st.st_ino == ino;
}

void rag_log_setup(rag_log_level level, rag_log_format format, int fd) {
    atomic_store(&log_level, (int)level);
    atomic_store(&log_format, (int)format);
    atomic_store(&log_journal, is_journal(fd));
    atomic_store(&log_fd, fd);
}

bool rag_log_enabled(rag_log_level level) {
    return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

bool rag_log_level_from(const char *word, rag_log_level *out) {
    for (unsigned i = 0; word && i < 4; i++)
        if (strcmp(word, level_words[i]) == 0) {
            *out = (rag_log_level)i;
            return true;
        }
    return false;
}

/* The line being built; over is set when something did not fit. */
typedef struct line {
    char s[LINE_MAX_BYTES];
    size_t len, room; /* room: end for fields, the close needs the rest */
    bool over;
} line;

static void put(line *l, const char *p, size_t n) {
    if (l->over || n > l->room - l->len) {
        l->over = true;
        return;
    }
    memcpy(l->s + l->len, p, n);
    l->len += n;
}

static void put_str(line *l, const char *s) {
    put(l, s, strlen(s));
}

/* Characters that could end the line, move the cursor or turn the text. */
static bool must_escape(uint32_t cp) {
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == '"' || cp == '\\' ||
           cp == 0x061C || (cp >= 0x200B && cp <= 0x200F) ||
           (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2060 && cp <= 0x206F) ||
           cp == 0xFEFF || (cp >= 0xFFF9 && cp <= 0xFFFB) || cp > 0xE0000;
}

static void put_escaped(line *l, uint32_t cp, unsigned char byte, bool json) {
    char e[16];
    if (cp == RAG_CP_INVALID)
        snprintf(e, sizeof e, json ? "\\ufffd" : "\\x%02x", byte);
    else if (cp == '"' || cp == '\\')
        snprintf(e, sizeof e, "\\%c", (char)cp);
    else if (cp == '\n' || cp == '\r' || cp == '\t')
        snprintf(e, sizeof e, "\\%c",
                 cp == '\n'   ? 'n'
                 : cp == '\r' ? 'r'
                              : 't');
    else if (cp > 0xFFFF && json)
        snprintf(e, sizeof e, "\\u%04x\\u%04x",
                 (unsigned)(0xD800 + ((cp - 0x10000) >> 10)),
                 (unsigned)(0xDC00 + ((cp - 0x10000) & 0x3FF)));
    else
        snprintf(e, sizeof e, cp > 0xFFFF ? "\\U%08x" : "\\u%04x",
                 (unsigned)cp);
    put_str(l, e);
}

static void put_quoted(line *l, const char *s, bool json) {
    size_t n = strnlen(s, VALUE_MAX_BYTES + 1);
    bool cut = n > VALUE_MAX_BYTES;
    if (cut)
        n = rag_utf8_floor(s, n, VALUE_MAX_BYTES);
    put(l, "\"", 1);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID || must_escape(cp))
            put_escaped(l, cp, (unsigned char)s[i], json);
        else
            put(l, s + i, k);
        i += k;
    }
    if (cut)
        put_str(l, "\xE2\x80\xA6"); /* an ellipsis */
    put(l, "\"", 1);
}

/* A word that needs no quotes in a text line. */
static bool is_plain(const char *s) {
    if (!*s)
        return false;
    size_t n = strnlen(s, VALUE_MAX_BYTES + 1);
    if (n > VALUE_MAX_BYTES)
        return false;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID || cp == '=' || must_escape(cp) ||
            rag_unicode_class(cp) == RAG_CHAR_SPACE)
            return false;
    }
    return true;
}

static void put_text(line *l, const char *s, bool json) {
    if (!json && is_plain(s))
        put_str(l, s);
    else
        put_quoted(l, s, json);
}

static void put_number(line *l, double d, bool json) {
    char text[40];
    if (!isfinite(d)) {
        put_str(l, json ? "null" : isnan(d) ? "nan" : d > 0 ? "inf" : "-inf");
        return;
    }
    snprintf(text, sizeof text, "%.6g", d);
    put_str(l, text);
}

static void put_field(line *l, const rag_log_field *f, bool json) {
    char text[32];
    put_str(l, json ? "," : " ");
    put_text(l, f->key ? f->key : "?", json);
    put_str(l, json ? ":" : "=");
    switch (f->type) {
    case RAG_LOG_STR:
        if (!f->s && json)
            put_str(l, "null");
        else
            put_text(l, f->s ? f->s : "-", json);
        break;
    case RAG_LOG_INT:
        snprintf(text, sizeof text, "%lld", (long long)f->i);
        put_str(l, text);
        break;
    case RAG_LOG_NUM:
        put_number(l, f->d, json);
        break;
    }
}

static void put_head(line *l, rag_log_level level, const char *event,
                     bool json) {
    char iso[32];
    bool journal = atomic_load(&log_journal) != 0;
    if (journal) {
        /* LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG of syslog(3) */
        static const char *const priority[] = {"<3>", "<4>", "<6>", "<7>"};
        put_str(l, priority[level]);
    }
    if (json) {
        put_str(l, "{\"time\":\"");
        put_str(l, rag_clock_iso(iso, sizeof iso));
        put_str(l, "\",\"level\":\"");
        put_str(l, level_words[level]);
        put_str(l, "\",\"event\":");
    } else {
        if (!journal) {
            put_str(l, rag_clock_iso(iso, sizeof iso));
            put_str(l, " ");
        }
        put_str(l, level_words[level]);
        put_str(l, " ");
    }
    put_text(l, event, json);
}

/* One write(2); the rest only follows when the kernel took a part. */
static void send_line(const char *s, size_t n) {
    int fd = atomic_load(&log_fd);
    while (n > 0) {
        ssize_t k = write(fd, s, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return; /* nowhere to complain to */
        s += k;
        n -= (size_t)k;
    }
}

void rag_log_line(rag_log_level level, const char *event,
                  const rag_log_field *fields, unsigned n) {
    static const char cut_json[] = ",\"truncated\":true";
    static const char cut_text[] = " truncated=true";
    if ((unsigned)level > RAG_LOG_DEBUG || !rag_log_enabled(level))
        return;
    int saved = errno;
    bool json = atomic_load(&log_format) == RAG_LOG_JSON, truncated = false;
    line l;
    l.len = 0;
    l.room = sizeof l.s - sizeof cut_json - 2;
    l.over = false;
    put_head(&l, level, event ? event : "?", json);
    if (l.over) { /* an event that is longer than a line */
        l.len = 0;
        l.over = false;
        truncated = true;
        put_head(&l, level, "?", json);
    }
    for (unsigned i = 0; i < n; i++) {
        size_t before = l.len;
        put_field(&l, &fields[i], json);
        if (l.over) {
            l.len = before;
            l.over = false;
            truncated = true;
        }
    }
    l.room = sizeof l.s;
    if (truncated)
        put_str(&l, json ? cut_json : cut_text);
    put_str(&l, json ? "}\n" : "\n");
    send_line(l.s, l.len);
    errno = saved;
}
