/*
 * fuzz_request.c - the way of a request's body up to the index: JSON, fields,
 * cleaning, and the guard that compares a question with an entry.
 *
 * Also holds that a question is the same as itself or says nothing at all.
 */
#include "daemon/faq.h"
#include "daemon/pipeline_int.h"

#include "base/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const char *question, const char *entry) {
    rag_guard_result g, same;
    rag_error err = {0};
    if (rag_faq_guard(question, entry, &g, &err) ||
        rag_faq_guard(question, question, &same, &err))
        return;
    /* Only a question without content may not be the same as itself. */
    if (same.verdict != RAG_GUARD_SAME &&
        strcmp(same.reason, "word: none") != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rag_error err = {0};
    json_t *body = NULL;
    const char *question = NULL, *entry = NULL;
    int64_t k;
    rag_buf clean;
    rag_buf_init(&clean, 0);
    if (rag_json_parse((const char *)data, size, BODY_MAX, &body, &err) ||
        !json_is_object(body) ||
        rag_json_str(body, "question", NULL, &question, &err) ||
        rag_json_str(body, "entry", "통장 해지 방법", &entry, &err) ||
        rag_json_int(body, "k", 10, 1, 100, &k, &err) || !question)
        goto out;
    if (rag_pipeline_question(question, strlen(question), &clean, &err) == 0)
        compare(rag_buf_str(&clean), entry);
out:
    rag_buf_free(&clean);
    json_decref(body);
    return 0;
}
