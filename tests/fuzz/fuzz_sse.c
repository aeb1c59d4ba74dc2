/*
 * A server's event stream. Must hold: however the bytes are cut, the same
 * events come out, within the limit.
 */
#include "base/http.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EVENT_MAX 256

static int note(void *user, const char *event, const char *data, size_t len) {
    rag_buf *b = user;
    if (len > EVENT_MAX || data[len] != '\0' || !*event)
        abort();
    if (rag_buf_append_str(b, event, NULL) != 0 ||
        rag_buf_append_char(b, '\0', NULL) != 0 ||
        rag_buf_append(b, data, len, NULL) != 0 ||
        rag_buf_append_char(b, '\0', NULL) != 0)
        abort();
    return 0;
}

static int feed(const char *p, size_t n, size_t piece, rag_buf *out) {
    rag_sse s;
    int rc = 0;
    rag_sse_init(&s, EVENT_MAX);
    for (size_t i = 0; i < n && rc == 0; i += piece)
        rc = rag_sse_feed(&s, p + i, n - i < piece ? n - i : piece, note, out,
                          NULL);
    rag_sse_free(&s);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rag_buf whole, cut;
    if (size < 1)
        return 0;
    size_t piece = 1 + data[0] % 7;
    const char *p = (const char *)data + 1;
    rag_buf_init(&whole, 0);
    rag_buf_init(&cut, 0);
    int a = feed(p, size - 1, size, &whole);
    int b = feed(p, size - 1, piece, &cut);
    if (a != b || whole.len != cut.len ||
        (whole.len > 0 && memcmp(whole.data, cut.data, whole.len) != 0))
        abort();
    rag_buf_free(&whole);
    rag_buf_free(&cut);
    return 0;
}
