/*
 * parts.h - a question that asks for several things: "휴가는 며칠이고 경조금은
 * 얼마예요?".
 *
 * What answers the one seldom answers the other, so each part is asked by
 * itself. By rules, from the question's own words: a part is what stands
 * between two question words that a connective keeps apart, or behind a
 * question of its own, with what the whole question says first ("할아버지가
 * 돌아가셨어요."), or as a follow-up of the first part when it leans on that
 * (followup.h). Where in doubt it is one question. Pure; any thread.
 */
#ifndef RAG_DAEMON_PARTS_H
#define RAG_DAEMON_PARTS_H

#include "base/error.h"

#include <stddef.h>

#define RAG_PARTS_MAX 3

typedef struct rag_parts {
    char *of[RAG_PARTS_MAX]; /* owned; each stands alone */
    char *
        bare[RAG_PARTS_MAX]; /* owned; its own words, when they are enough to be
                                * asked if of finds nothing; else NULL */
    size_t n; /* 0: it is one question, or asks for more than RAG_PARTS_MAX */
} rag_parts;

/* question: cleaned (rag_unicode_clean). RAG_E_NOMEM is the only failure. */
int rag_parts_read(const char *question, rag_parts *out, rag_error *err);
void rag_parts_free(rag_parts *p);

#endif
