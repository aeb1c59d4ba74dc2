/* A follow-up rewritten from any two questions: no crash, valid UTF-8. */
#include "base/buf.h"
#include "base/unicode.h"
#include "daemon/followup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t half = size ? data[0] * (size - 1) / 255 : 0;
    rag_buf a, b;
    rag_followup f;
    if (size < 2)
        return 0;
    rag_buf_init(&a, 0);
    rag_buf_init(&b, 0);
    const char *s = (const char *)data + 1;
    if (!rag_utf8_valid(s, half, NULL) ||
        !rag_utf8_valid(s + half, size - 1 - half, NULL) ||
        rag_unicode_clean(s, half, &a, NULL) ||
        rag_unicode_clean(s + half, size - 1 - half, &b, NULL))
        goto out;
    if (rag_followup_rewrite(rag_buf_str(&a), rag_buf_str(&b), &f, NULL) == 0) {
        if (f.question && !rag_utf8_valid(f.question, strlen(f.question), NULL))
            abort();
        rag_followup_free(&f);
    }
out:
    rag_buf_free(&a);
    rag_buf_free(&b);
    return 0;
}
