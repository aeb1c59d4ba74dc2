/*
 * lexicon.h - what a question's words are called in the other language and
 * by others (lexicon.c); private to index/.
 *
 * lexicon.inc holds a few thousand concepts of companies and banks, each with
 * its Korean and its English terms. It lets a question find documents of the
 * other language by words, and official terms by everyday ones.
 */
#ifndef RAG_INDEX_LEXICON_H
#define RAG_INDEX_LEXICON_H

#include "index/index_int.h"

#define RAG_LEXICON_KEY_MAX 64 /* bytes; longer terms are not found */
#define RAG_LEXICON_TERMS_MAX 6 /* of a concept in a language */

typedef struct rag_lexicon rag_lexicon; /* not changed once it is made */

typedef struct rag_lexicon_entry {
    const char *key; /* Hangul without spaces, or stems with one between */
    uint16_t len;
    bool prefix; /* whatever follows in its word */
    bool spaced; /* written with a space */
    const char *const *concept; /* Korean terms, English terms */
} rag_lexicon_entry;

/*
 * The built-in lexicon and, before it, the file at path (NULL or "": none): a
 * concept a line, its terms in both languages separated by commas, at most
 * RAG_LEXICON_TERMS_MAX of each; "#" begins a comment. What the file says of a
 * term is said instead of what is built in. RAG_E_NOINPUT, RAG_E_LIMIT,
 * RAG_E_DATA with the line.
 */
int rag_lexicon_open(const char *path, rag_lexicon **out, rag_error *err);
/* The file's text; name is for messages. */
int rag_lexicon_parse(const char *name, const char *text, size_t n,
                      rag_lexicon **out, rag_error *err);
void rag_lexicon_close(rag_lexicon *l); /* NULL: nothing */

typedef struct rag_lexicon_key {
    char text[RAG_LEXICON_KEY_MAX];
    size_t len;
    unsigned position; /* of the last word of the term */
    bool too_long;
} rag_lexicon_key;

void rag_lexicon_append(rag_lexicon_key *k, const char *s, size_t n);
/* What a term (without its "~") is looked up with. */
int rag_lexicon_key_of(const char *term, size_t n, bool korean,
                       rag_lexicon_key *k, rag_error *err);
/* The entries with this key, *count of them; NULL: none. */
const rag_lexicon_entry *rag_lexicon_find(const rag_lexicon *l, const char *s,
                                          size_t n, size_t *count);
/* The next term of a side of a concept and its length; NULL at the end. */
const char *rag_lexicon_next(const char **side, size_t *n);

/* ---- lexicon_widen.c ---- */

typedef struct rag_lexicon_use {
    double korean, english; /* weight of a term of that language for a word of
                             * the other; 0: none */
    double synonym; /* weight of another term of the same language; 0: none */
    size_t alternatives; /* of a concept in a language, the usual ones first; 0:
                          * all */
} rag_lexicon_use;

/*
 * Adds to terms (room for RAG_QUERY_TERMS_MAX), which rag_query_terms made of
 * the question s[0..n), the other terms of the concepts that the question
 * names: tokens marked `widened`, with the number of what was named as `word`
 * and one of each other term as `alternative`.
 * Dictionary-based query translation: Pirkola, "The effects of query structure
 * and dictionary setups in dictionary-based cross-language information
 * retrieval" (SIGIR 1998). RAG_E_NOMEM is the only failure. Any thread.
 */
int rag_lexicon_widen(const rag_lexicon *l, const char *s, size_t n,
                      const rag_tuning *t, rag_lexicon_use use,
                      rag_query_term *terms, size_t *count, rag_error *err);

/* Appends to out, each with ", " behind it, the same other terms as they are
 * written. RAG_E_NOMEM is the only failure. Any thread. */
int rag_lexicon_say(const rag_lexicon *l, const char *s, size_t n, rag_buf *out,
                    rag_error *err);

/*
 * The idf of widened terms, once frequencies (df, of `chunks`) are filled in:
 * all alternatives of what was named have that of one word, as frequent as they
 * are together (as under Pirkola's synonym operator), so that a rare
 * alternative does not outweigh a common one. Their occurrences are counted
 * each for itself.
 */
void rag_lexicon_weigh(rag_query_term *terms, size_t n, double chunks);

#endif
