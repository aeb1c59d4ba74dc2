/*
 * Foreign JSON: parsed, written, parsed again. Must hold: what is accepted is
 * valid UTF-8 and comes back equal; what is refused has a clean message.
 */
#include "base/json.h"
#include "base/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_real(const json_t *v) {
    const char *key;
    json_t *e;
    size_t i;
    if (json_is_real(v))
        return true;
    if (json_is_array(v)) {
        json_array_foreach(v, i, e) {
            if (has_real(e))
                return true;
        }
    }
    if (json_is_object(v)) {
        /* json_object_foreach wants a pointer it could write through. */
        json_t *o = json_copy((json_t *)(uintptr_t)v);
        bool found = false;
        json_object_foreach(o, key, e) {
            found = found || has_real(e);
        }
        json_decref(o);
        return found;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *v = NULL, *again = NULL;
    rag_error err;
    rag_buf b;
    rag_error_clear(&err);
    if (rag_json_parse((const char *)data, size, 1 << 16, &v, &err) != 0) {
        if (v || !err.message[0] ||
            !rag_utf8_valid(err.message, strlen(err.message), NULL))
            abort();
        return 0;
    }
    rag_buf_init(&b, 1 << 20);
    if (rag_json_dump(v, &b, &err) == 0) {
        if (!rag_utf8_valid(b.data, b.len, NULL))
            abort();
        if (rag_json_parse(b.data, b.len, 1 << 20, &again, &err) != 0)
            abort();
        /* Reals are written with 15 digits: near, not equal. */
        if (!has_real(v) && !json_equal(v, again))
            abort();
    }
    const char *s;
    int64_t i;
    (void)rag_json_str(v, "a", "", &s, &err);
    (void)rag_json_int(v, "a", 0, -5, 5, &i, &err);
    json_decref(v);
    json_decref(again);
    rag_buf_free(&b);
    return 0;
}
