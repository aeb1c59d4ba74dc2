/* faq_int.h - private to daemon/faq*.c. */
#ifndef RAG_DAEMON_FAQ_INT_H
#define RAG_DAEMON_FAQ_INT_H

#include "daemon/faq.h"

#include "base/buf.h"

#include <stdlib.h>

/* A question folded for comparing: words with single spaces between them, and
 * the same without any. Owned strings. */
typedef struct rag_faq_text {
    char *spaced, *joined;
} rag_faq_text;

int rag_faq_text_init(rag_faq_text *t, const char *s, rag_error *err);
void rag_faq_text_free(rag_faq_text *t);

/* Number of groups of opposites, and the bit set of sides of group g that a
 * text speaks of. */
size_t rag_faq_groups(void);
unsigned rag_faq_sides(const rag_faq_text *t, size_t g);

/* True when at[0..left) begins with a word of some side that t speaks of too
 * ("만들" where t has "개설"); *n gets the longest such word's bytes. */
bool rag_faq_shares_side(const rag_faq_text *t, const char *at, size_t left,
                         size_t *n);

#endif
