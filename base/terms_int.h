/*
 * terms_int.h - what base/terms*.c share. Included by nothing else.
 */
#ifndef RAG_BASE_TERMS_INT_H
#define RAG_BASE_TERMS_INT_H

#include <stdbool.h>
#include <stddef.h>

/* Stems a folded word of a-z in place (w has n bytes, room for n + 1) and
 * returns the new length. Words under four letters stay as they are. */
size_t rag_terms_english_stem(char *w, size_t n);
/* Function words, question words and courtesies; w folded, not stemmed. */
bool rag_terms_english_stop(const char *w, size_t n);

/*
 * Hangul words are whole syllables of three bytes each. Returns the bytes of
 * w that remain without particles or endings; n when nothing comes off. *alt
 * (may be NULL) gets a second, shorter reading where one syllable could be a
 * particle or the end of a noun ("길이"), else 0.
 */
size_t rag_terms_korean_stem(const char *w, size_t n, size_t *alt);
/* Only particles are taken off, no endings. */
size_t rag_terms_korean_strip(const char *w, size_t n);
/* The whole of w is particles ("은", "에서는"): what follows a Latin word. */
bool rag_terms_korean_is_particle(const char *w, size_t n);
/* Function words, question words, polite phrases; asked with the whole word
 * and with its stem. */
bool rag_terms_korean_stop(const char *w, size_t n);

#endif
