/*
 * sse.c - server-sent events; see http.h. One owner, no locks.
 *
 * WHATWG HTML, 9.2.6 "Interpreting an event stream", without id and retry,
 * which only matter to a client that reconnects. An event that the stream's
 * end leaves without its blank line is never given.
 */
#include "base/http.h"

#include <string.h>

#define EVENT_MAX_DEFAULT ((size_t)1 << 20)
#define FIELD_NAME_ROOM 16 /* "data: " beside max bytes of data in a line */
#define EVENT_NAME_MAX 256

void rag_sse_init(rag_sse *s, size_t max) {
    if (max == 0)
        max = EVENT_MAX_DEFAULT;
    *s = (rag_sse){.after_cr = false};
    rag_buf_init(&s->line, max + FIELD_NAME_ROOM);
    rag_buf_init(&s->data, max + 1); /* the last newline comes off */
    rag_buf_init(&s->event, EVENT_NAME_MAX);
}

void rag_sse_free(rag_sse *s) {
    if (!s)
        return;
    rag_buf_free(&s->line);
    rag_buf_free(&s->data);
    rag_buf_free(&s->event);
}

static int append(rag_buf *b, const char *p, size_t n, size_t max,
                  rag_error *err) {
    int rc = rag_buf_append(b, p, n, err);
    if (rc == RAG_E_LIMIT)
        return rag_error_set(err, RAG_E_LIMIT,
                             "a server-sent event is over the limit of %zu "
                             "bytes",
                             max);
    return rc;
}

static int dispatch(rag_sse *s, rag_sse_fn on_event, void *user) {
    int rc = 0;
    if (s->data.len > 0) {
        s->data.data[--s->data.len] = '\0';
        rc = on_event(user, s->event.len > 0 ? s->event.data : "message",
                      s->data.data, s->data.len);
    }
    rag_buf_clear(&s->data);
    rag_buf_clear(&s->event);
    return rc;
}

static bool is_field(const char *line, size_t n, const char *name) {
    return n == strlen(name) && memcmp(line, name, n) == 0;
}

static int take_line(rag_sse *s, rag_sse_fn on_event, void *user,
                     rag_error *err) {
    const char *line = rag_buf_str(&s->line), *value;
    size_t n = s->line.len, name_len, value_len = 0, max = s->data.max - 1;
    if (!s->begun) {
        s->begun = true;
        if (n >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
            line += 3;
            n -= 3;
        }
    }
    if (n == 0)
        return dispatch(s, on_event, user);
    const char *colon = memchr(line, ':', n);
    name_len = colon ? (size_t)(colon - line) : n;
    value = colon ? colon + 1 : line + n;
    value_len = (size_t)(line + n - value);
    if (value_len > 0 && *value == ' ') {
        value++;
        value_len--;
    }
    if (is_field(line, name_len, "data")) {
        int rc = append(&s->data, value, value_len, max, err);
        return rc ? rc : append(&s->data, "\n", 1, max, err);
    }
    if (is_field(line, name_len, "event")) {
        rag_buf_clear(&s->event);
        if (memchr(value, '\0', value_len))
            return 0; /* no name a C string could carry */
        return append(&s->event, value, value_len, EVENT_NAME_MAX, err);
    }
    return 0; /* a comment (no name), or a field we have no use for */
}

int rag_sse_feed(rag_sse *s, const char *p, size_t n, rag_sse_fn on_event,
                 void *user, rag_error *err) {
    size_t i = 0;
    while (i < n) {
        if (s->after_cr) {
            s->after_cr = false;
            if (p[i] == '\n') {
                i++;
                continue;
            }
        }
        size_t from = i;
        while (i < n && p[i] != '\n' && p[i] != '\r')
            i++;
        int rc = append(&s->line, p + from, i - from, s->data.max - 1, err);
        if (rc)
            return rc;
        if (i == n)
            break;
        s->after_cr = p[i] == '\r';
        i++;
        rc = take_line(s, on_event, user, err);
        rag_buf_clear(&s->line);
        if (rc)
            return rc;
    }
    return 0;
}
