/* A question taken apart: no crash, no part empty, valid UTF-8. */
#include "base/buf.h"
#include "base/unicode.h"
#include "daemon/parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rag_buf a;
    rag_parts p;
    rag_buf_init(&a, 0);
    if (!rag_utf8_valid((const char *)data, size, NULL) ||
        rag_unicode_clean((const char *)data, size, &a, NULL))
        goto out;
    if (rag_parts_read(rag_buf_str(&a), &p, NULL) == 0) {
        for (size_t i = 0; i < p.n; i++)
            if (!*p.of[i] || !rag_utf8_valid(p.of[i], strlen(p.of[i]), NULL))
                abort();
        if (p.n == 1)
            abort();
        rag_parts_free(&p);
    }
out:
    rag_buf_free(&a);
    return 0;
}
