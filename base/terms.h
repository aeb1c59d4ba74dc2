/*
 * terms.h - text to index terms, Korean and English, and what is built on
 * them: keys of questions, stems of content words, numbers and codes.
 *
 * One analysis for everything that compares words: the FTS5 tokenizer, the
 * query builder, the evidence gate, FAQ matching and grounding. Input need
 * not be normalised: full-width, NFD and case are folded here, while offsets
 * stay those of the input. Thread-safe: no state.
 */
#ifndef RAG_BASE_TERMS_H
#define RAG_BASE_TERMS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum rag_term_kind {
    RAG_TERM_WORD, /* Latin word, folded and stemmed */
    RAG_TERM_STEM, /* eojeol without its particle or ending */
    RAG_TERM_BIGRAM, /* two Hangul syllables (or CJK characters) */
    RAG_TERM_UNIGRAM, /* a Hangul run of one syllable */
    RAG_TERM_NUMBER, /* digits without separators: 1,000 -> 1000 */
    RAG_TERM_CODE, /* letters, digits and hyphens kept whole: ppr-9087 */
    RAG_TERM_PART /* part of a code or number: ppr, 9087 */
} rag_term_kind;

typedef struct rag_term {
    const char *text; /* folded UTF-8, borrowed during the call */
    size_t len; /* bytes, at most RAG_TERM_MAX */
    rag_term_kind kind;
    size_t start, end; /* bytes of the input it came from */
    unsigned position; /* word number; terms of one word share it */
} rag_term;

#define RAG_TERM_MAX 64 /* bytes; longer words are cut */

/* Calls fn for each term in order of position; nonzero stops and is
 * returned. RAG_E_NOMEM (with err) is the only failure of its own. */
typedef int (*rag_term_fn)(void *user, const rag_term *t);
int rag_terms_each(const char *s, size_t n, rag_term_fn fn, void *user,
                   rag_error *err);

/*
 * Content words with their stems: every Hangul eojeol's stem (particles and
 * common verb endings off), Latin words stemmed, numbers and codes; function
 * words (stop words of both languages, question words, polite endings) left
 * out. What grounding, gate and FAQ guards compare.
 */
int rag_terms_content(const char *s, size_t n, rag_term_fn fn, void *user,
                      rag_error *err);

/* Length in bytes of the eojeol w[0..n) (NFC Hangul) without its particles
 * ("은행에서는" -> that of "은행"); n when there is none to take off. One
 * cluster at most, and no last syllable of a noun ("연차휴가는" is 연차휴가). */
size_t rag_terms_strip_particle(const char *w, size_t n);

/*
 * Key of a question for exact matching: NFKC, case-folded, white space and
 * punctuation removed ("통장 개설은, 어떻게 하나요?" and
 * "통장개설은어떻게하나요" have the same key). Digits, currency, percent and
 * plus/minus signs before digits stay, and what stands between two digits: a
 * "3-5일" is no "35일" (a comma that only groups thousands goes). Appended to
 * out.
 */
int rag_terms_key(const char *s, size_t n, rag_buf *out, rag_error *err);

#endif
