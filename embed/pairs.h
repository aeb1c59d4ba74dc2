/*
 * pairs.h - a question with each of many passages, as a cross-encoder reads
 * them: what reader and rank head share.
 *
 * In the family of XLM-R (Unigram) a pair is <s> question </s></s> passage
 * </s>; in BERT's (WordPiece) it is [CLS] question [SEP] passage [SEP], where
 * the passage and the last [SEP] have the second token type.
 *
 * Private to embed/. A batch of pairs belongs to one call.
 */
#ifndef RAG_EMBED_PAIRS_H
#define RAG_EMBED_PAIRS_H

#include "embed/bert.h"
#include "embed/embed.h"
#include "embed/tokenizer.h"

#define RAG_PAIRS_WINDOW 256u /* pairs that should be run together */
#define RAG_PAIRS_TOKENS_MIN 16u /* least max_tokens */

/* How pairs are made; what it points to must outlive them. */
typedef struct rag_pair_form {
    const rag_tokenizer *tokenizer;
    size_t max_tokens; /* of a pair, at least RAG_PAIRS_TOKENS_MIN */
    size_t question_max; /* tokens; also never over half of max_tokens */
    const char *question_prefix, *passage_prefix; /* "" for none */
    bool with_places; /* of the passage's tokens */
} rag_pair_form;

/* One pair: ids [first, first + len) as split. Of these, counted from first,
 * the passage with its prefix begins at second, and the passage's own tokens
 * are [body, body + n). */
typedef struct rag_pair {
    size_t text, first, len, second, body, n;
    bool cut; /* the passage's end is missing */
} rag_pair;

/* Pairs longest first; start[i] is pair[i]'s first token in sorted. */
typedef struct rag_pairs {
    rag_ids ids; /* as split */
    rag_pair *pair;
    size_t *start; /* n + 1 */
    int32_t *sorted;
    unsigned char *second; /* token types */
    size_t n;
} rag_pairs;

/* Ids of a question, to be freed also after an error; *cut: not all of it. */
int rag_pairs_question(const rag_pair_form *f, const rag_text *question,
                       rag_ids *ids, bool *cut, rag_error *err);
/* Fills p, which is {0}; to be freed also after an error. */
int rag_pairs_fill(const rag_pair_form *f, const rag_ids *question,
                   const rag_text *passages, size_t n, rag_pairs *p,
                   rag_error *err);
void rag_pairs_free(rag_pairs *p);

/* The pairs as the engine wants them. */
rag_bert_batch rag_pairs_batch(const rag_pairs *p, rag_bert_each each,
                               void *arg);

#endif
