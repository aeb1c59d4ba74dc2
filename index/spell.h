/*
 * spell.h - words the index does not have (spell.c); private to index/.
 */
#ifndef RAG_INDEX_SPELL_H
#define RAG_INDEX_SPELL_H

#include "index/index_int.h"

#define RAG_SPELL_MAX 40

/* Adds to terms (room for RAG_QUERY_TERMS_MAX) what unknown words may have
 * meant, with this weight. Frequencies (df) must be filled in. */
int rag_spell_repair(rag_store *store, double weight, rag_query_term *terms,
                     size_t *n, rag_error *err);

/* One insertion, deletion, substitution or transposition apart. */
bool rag_spell_one_edit(const uint32_t *a, size_t n, const uint32_t *b,
                        size_t m);
/* Letters whose Korean names make up the word; 0 when it is none such. */
size_t rag_spell_letters(const char *word, size_t n, char *out, size_t cap);
/* True when two skeletons can be the same word. */
bool rag_spell_same_sound(const char *hangul, const char *latin);
/* Consonants of a Hangul or lower-case Latin word as Korean hears them. */
size_t rag_spell_skeleton(const char *word, size_t n, char out[RAG_SPELL_MAX]);

#endif
