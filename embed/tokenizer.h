/*
 * tokenizer.h - text to token ids, as a model's GGUF file describes it.
 *
 * Two kinds: SentencePiece Unigram (tokenizer.ggml.model "t5") and BERT
 * WordPiece ("bert"). Neither ever turns text into a control token: "<s>"
 * written in a document is plain text.
 *
 * Private to embed/. A tokenizer is immutable once open and may be used by
 * many threads.
 */
#ifndef RAG_EMBED_TOKENIZER_H
#define RAG_EMBED_TOKENIZER_H

#include "embed/gguf.h"

#define RAG_VOCAB_MAX (4u << 20) /* pieces */
#define RAG_PIECE_MAX 1024u /* bytes of one piece */
#define RAG_CHARSMAP_MAX (16u << 20) /* bytes of the normaliser table */
#define RAG_TRIE_UNITS_MAX (64u << 20)

/* Bytes [start,end) of the text that was split. */
typedef struct rag_range {
    size_t start, end;
} rag_range;

/* Growing list of ids; owned by whoever initialised it with {0}. */
typedef struct rag_ids {
    int32_t *v;
    size_t n, cap;
    bool with_places; /* set before the first id: keep places too */
    /* Where each id's text stands, white space in front left out; empty for
     * special tokens and for a space that became a token of its own (at the
     * character after it). Neighbouring ids have the same place when the
     * normaliser made several pieces of one character. */
    rag_range *place;
} rag_ids;

/* place: used with_places; NULL: empty, at 0. */
int rag_ids_push(rag_ids *ids, int32_t id, const rag_range *place,
                 rag_error *err);
void rag_ids_free(rag_ids *ids);

/* A double array over byte strings: see trie.c. */
typedef struct rag_trie_unit {
    uint32_t base; /* bit 31: a string ends here */
    uint32_t check; /* the parent, RAG_TRIE_FREE when unused */
} rag_trie_unit;

#define RAG_TRIE_FREE 0xFFFFFFFFu
#define RAG_TRIE_ENDS 0x80000000u

typedef struct rag_trie {
    const rag_trie_unit *units;
    uint32_t n; /* units, a multiple of 256 */
    uint32_t flags; /* RAG_TRIE_INNER_SPACE; set by tokenizer.c */
} rag_trie;

/* A piece has U+2581 at a place other than its start, so that a text cannot
 * be cut into words before its best path is searched. */
#define RAG_TRIE_INNER_SPACE 1u

typedef struct rag_trie_key {
    const char *s;
    uint32_t len;
    uint32_t value; /* below 2^31 */
} rag_trie_key;

/* Builds over keys, which it sorts (not empty, no zero byte; of equal ones
 * the lowest value counts). Free *units with free(). */
int rag_trie_build(rag_trie_key *keys, size_t n, rag_trie_unit **units,
                   uint32_t *nunits, rag_error *err);

/*
 * One step from node (the root is 0) by byte c. Returns the next node, or
 * RAG_TRIE_FREE when there is none. Any content of units is safe: an index
 * past n is no transition.
 */
static inline uint32_t rag_trie_step(const rag_trie *t, uint32_t node,
                                     unsigned char c) {
    uint32_t next = (t->units[node].base & ~RAG_TRIE_ENDS) ^ c;
    return next < t->n && t->units[next].check == node ? next : RAG_TRIE_FREE;
}

/* True, with the string's value, when a string ends at node. */
static inline bool rag_trie_value(const rag_trie *t, uint32_t node,
                                  uint32_t *value) {
    uint32_t base = t->units[node].base, leaf = base & ~RAG_TRIE_ENDS;
    if (!(base & RAG_TRIE_ENDS) || leaf >= t->n) {
        return false;
    }
    *value = t->units[leaf].base & ~RAG_TRIE_ENDS;
    return true;
}

/* SentencePiece's precompiled normaliser: see charsmap.c. */
typedef struct rag_charsmap {
    const unsigned char *units; /* Darts double array, u32 each, unaligned */
    uint32_t nunits;
    const char *pool; /* NUL-terminated replacements */
    size_t pool_len;
    bool plain[128]; /* an ASCII byte that stays, before ASCII or the end */
} rag_charsmap;

/* data may be empty: then nothing is replaced. RAG_E_CORRUPT. */
int rag_charsmap_open(const unsigned char *data, size_t len, const char *file,
                      rag_charsmap *out, rag_error *err);
/* Replacement of the longest match at s (n > 0): *out and *out_len, either
 * inside the table or inside s; returns the bytes of s it stands for. */
size_t rag_charsmap_next(const rag_charsmap *m, const char *s, size_t n,
                         const char **out, size_t *out_len);

typedef struct rag_tokenizer rag_tokenizer;

/*
 * Reads the tokenizer of g, which must stay open. trie: what
 * rag_tokenizer_trie gave for the same file earlier (it must outlive the
 * tokenizer), or NULL to build one now.
 */
int rag_tokenizer_open(const rag_gguf *g, const rag_trie *trie,
                       rag_tokenizer **out, rag_error *err);
void rag_tokenizer_close(rag_tokenizer *t);

/* The trie over the vocabulary in use; lives as long as t. */
const rag_trie *rag_tokenizer_trie(const rag_tokenizer *t);
int32_t rag_tokenizer_vocab(const rag_tokenizer *t);
/* The tokens around a text, whether or not rag_tokenizer_encode puts them. */
int32_t rag_tokenizer_bos(const rag_tokenizer *t);
int32_t rag_tokenizer_eos(const rag_tokenizer *t);
bool rag_tokenizer_is_unigram(const rag_tokenizer *t);

/*
 * Appends the ids of s to ids, with the special tokens around them when
 * special is set (prefix and text are one text: join them before). Stops
 * early, with ids->n > limit, once more than limit ids are there. Bad UTF-8
 * counts as U+FFFD. Time is linear in len.
 */
int rag_tokenizer_encode(const rag_tokenizer *t, const char *s, size_t len,
                         bool special, size_t limit, rag_ids *ids,
                         rag_error *err);

/* --- the two kinds, called by tokenizer.c alone --- */

typedef struct rag_vocab {
    int32_t n;
    const rag_gguf_value *tokens;
    const float *scores; /* NULL: none */
    const unsigned char *kinds; /* rag_token_kind each */
    rag_trie trie;
    int32_t unk;
} rag_vocab;

typedef enum rag_token_kind {
    RAG_TOKEN_NORMAL = 1,
    RAG_TOKEN_UNKNOWN = 2,
    RAG_TOKEN_CONTROL = 3,
    RAG_TOKEN_USER = 4,
    RAG_TOKEN_UNUSED = 5,
    RAG_TOKEN_BYTE = 6
} rag_token_kind;

typedef struct rag_unigram {
    const rag_vocab *vocab;
    rag_charsmap map;
    float unk_score;
    bool add_space_prefix, remove_extra_spaces;
} rag_unigram;

int rag_unigram_open(const rag_gguf *g, const rag_vocab *vocab,
                     rag_unigram *out, rag_error *err);
int rag_unigram_encode(const rag_unigram *u, const char *s, size_t len,
                       size_t limit, rag_ids *ids, rag_error *err);

typedef struct rag_wordpiece {
    const rag_vocab *vocab;
    bool lowercase; /* and accents off */
    bool phantom; /* word starts carry U+2581, instead of ## inside */
} rag_wordpiece;

int rag_wordpiece_open(const rag_gguf *g, const rag_vocab *vocab,
                       rag_wordpiece *out, rag_error *err);
int rag_wordpiece_encode(const rag_wordpiece *w, const char *s, size_t len,
                         size_t limit, rag_ids *ids, rag_error *err);

#endif
