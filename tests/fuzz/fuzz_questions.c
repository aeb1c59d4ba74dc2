/* Any reply about any passage: what is taken is few, short, clean lines that
 * end as questions do. */
#include "base/unicode.h"
#include "generate/generate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const char *s, size_t n) {
    uint32_t cp = 0;
    if (rag_utf8_count(s, n) > RAG_QUESTION_CHARS_MAX)
        abort();
    for (size_t i = 0; i < n; i += rag_utf8_next(s + i, n - i, &cp))
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7F)
            abort();
    if (cp != '?' && cp != 0xFF1F)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t counts[RAG_QUESTION_FAULTS], lines = 0;
    if (size < 2)
        return 0;
    size_t half = data[0] * (size - 1) / 255;
    const char *s = (const char *)data + 1;
    bool chat = data[0] & 1;
    if (!rag_utf8_valid(s, half, NULL) || memchr(s, 0, half))
        return 0; /* what is stored is valid */
    rag_passage p = {.title = "Title", .text = s, .len = half};
    rag_prompt prompt;
    rag_buf out;
    rag_buf_init(&out, 0);
    if (rag_questions_prompt(&p, chat, &prompt, NULL) == 0)
        rag_prompt_free(&prompt);
    if (rag_questions_take(&p, chat, s + half, size - 1 - half, &out, counts,
                           NULL) == 0 &&
        out.len > 0) {
        if (!rag_utf8_valid(out.data, out.len, NULL))
            abort();
        for (const char *q = out.data; q; lines++) {
            const char *end = strchr(q, '\n');
            look(q, end ? (size_t)(end - q) : strlen(q));
            q = end ? end + 1 : NULL;
        }
        if (lines != counts[RAG_QUESTION_TAKEN] || lines > RAG_QUESTIONS_MAX)
            abort();
    }
    rag_buf_free(&out);
    return 0;
}
