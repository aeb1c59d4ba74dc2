/*
 * Any bytes as text. Must hold: walking forward and back meets the same
 * characters; sanitized text is valid; normal forms are valid and, once
 * made, stay as they are; what is cleaned has no control character.
 */
#include "base/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const char *s, size_t n) {
    size_t count = 0, back = 0;
    uint32_t cp;
    for (size_t i = 0; i < n;) {
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (k < 1 || k > n - i)
            abort();
        (void)rag_unicode_class(cp);
        if (rag_utf8_floor(s, n, i) != i)
            abort();
        i += k;
        count++;
    }
    for (size_t i = n; i > 0; back++) {
        size_t j = rag_utf8_prev(s, i);
        if (j >= i)
            abort();
        i = j;
    }
    if (count != rag_utf8_count(s, n) || back != count)
        abort();
    (void)rag_unicode_lang(s, n);
    (void)rag_unicode_width(s, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *s = (const char *)data;
    rag_buf clean, form, again;
    rag_error err;
    rag_buf_init(&clean, 0);
    rag_buf_init(&form, 0);
    rag_buf_init(&again, 0);
    walk(s, size);
    if (rag_utf8_sanitize(s, size, &clean, &err) != 0 ||
        !rag_utf8_valid(rag_buf_str(&clean), clean.len, NULL))
        abort();
    s = rag_buf_str(&clean);
    if (rag_unicode_fold(s, clean.len, &form, &err) != 0 ||
        !rag_utf8_valid(rag_buf_str(&form), form.len, NULL))
        abort();
    rag_buf_clear(&form);
    if (rag_unicode_clean(s, clean.len, &form, &err) != 0)
        abort();
    for (size_t i = 0; i < form.len; i++)
        if ((unsigned char)form.data[i] < 0x20 || form.data[i] == 0x7F)
            abort();
    if (rag_unicode_clean(rag_buf_str(&form), form.len, &again, &err) != 0 ||
        again.len != form.len ||
        (form.len > 0 && memcmp(again.data, form.data, form.len) != 0))
        abort();
    rag_buf_free(&clean);
    rag_buf_free(&form);
    rag_buf_free(&again);
    return 0;
}
