/* A company's own words are a file from elsewhere: any bytes give a lexicon
 * that questions can be looked up in, or an error. */
#include "index/lexicon.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rag_query_term terms[RAG_QUERY_TERMS_MAX];
    static rag_lexicon *built_in;
    const rag_lexicon_use use = {.korean = 1, .english = 1, .synonym = 1};
    const char *s = (const char *)data;
    rag_lexicon *l = NULL;
    rag_error err;
    size_t n = 0;

    if (built_in == NULL && rag_lexicon_open(NULL, &built_in, &err) != 0)
        abort();
    if (rag_lexicon_parse("fuzz", s, size, &l, &err) != 0)
        return 0;
    if (rag_query_terms(s, size, &rag_tuning_default, terms, &n, &err) != 0 ||
        rag_lexicon_widen(l, s, size, &rag_tuning_default, use, terms, &n,
                          &err) != 0 ||
        n > RAG_QUERY_TERMS_MAX)
        abort();
    rag_lexicon_close(l);
    return 0;
}
