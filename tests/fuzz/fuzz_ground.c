/*
 * What a model says and what a document holds are foreign: any bytes are
 * judged or refused, quotes stay the document's bytes, and what a stream
 * released is a prefix of the final answer. Input: document, 0x01, question,
 * 0x01, answer.
 */
#include "generate/generate.h"

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const rag_grounding *g, const rag_passage *p) {
    for (size_t i = 0; i < g->ncitations; i++) {
        const rag_citation *c = &g->citations[i];
        if (c->start < p->start || c->end > p->start + p->len ||
            c->start >= c->end ||
            memcmp(c->quote, p->text + (c->start - p->start),
                   c->end - c->start) != 0)
            abort();
    }
    if ((g->verdict == RAG_GROUND_OK) != (g->answer != NULL))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static rag_sentences *sp;
    rag_evidence ev;
    rag_grounding g;
    if (!sp && rag_sentences_open(&sp, NULL))
        abort();
    if (size > 4096)
        return 0;
    char *s = malloc(size + 1);
    if (!s)
        return 0;
    for (size_t i = 0; i < size; i++)
        s[i] = data[i] ? (char)data[i] : ' ';
    s[size] = '\0';
    char *question = strchr(s, 1), *answer = NULL;
    if (question) {
        *question++ = '\0';
        answer = strchr(question, 1);
    }
    if (!answer) {
        free(s);
        return 0;
    }
    *answer++ = '\0';
    rag_passage p = {.doc = "d",
                     .title = question,
                     .heading = "",
                     .text = s,
                     .start = 5,
                     .len = strlen(s)};
    if (rag_evidence_select(question, &p, 1, NULL, sp, &ev, NULL) == 0) {
        if (rag_ground_check(question, "ko", answer, "자료에 없음", &ev, &p, sp,
                             &g, NULL) == 0) {
            look(&g, &p);
            rag_grounding_free(&g);
        }
        if (rag_ground_extract(question, "en", &ev, &p, sp, &g, NULL) == 0) {
            look(&g, &p);
            rag_grounding_free(&g);
        }
        rag_ground_stream *st = NULL;
        if (rag_ground_stream_open(question, "en", "not in the sources", &ev,
                                   &p, sp, &st, NULL) == 0) {
            rag_buf shown;
            bool stop = false;
            rag_buf_init(&shown, 0);
            int rc = 0;
            for (const char *a = answer; *a && !stop && !rc; a++)
                rc = rag_ground_stream_feed(st, a, 1, &shown, &stop, NULL);
            if (!rc && rag_ground_stream_finish(st, &shown, &g, NULL) == 0) {
                look(&g, &p);
                if (strcmp(rag_buf_str(&shown), g.answer ? g.answer : "") != 0)
                    abort();
                rag_grounding_free(&g);
            }
            rag_ground_stream_close(st);
            rag_buf_free(&shown);
        }
    }
    free(s);
    return 0;
}
