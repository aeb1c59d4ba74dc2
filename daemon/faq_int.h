/* faq_int.h - private to daemon/faq*.c. */
#ifndef RAG_DAEMON_FAQ_INT_H
#define RAG_DAEMON_FAQ_INT_H

#include "daemon/faq.h"

#include "base/buf.h"
#include "base/terms.h"

#include <stdlib.h>

#define RAG_FAQ_ITEMS_MAX 64 /* words, and numbers, looked at in a text */
#define RAG_FAQ_GROUPS_MAX 80
#define RAG_FAQ_UNIT_MAX 8

typedef struct rag_faq_number {
    char digits[RAG_TERM_MAX + 1];
    char unit[RAG_FAQ_UNIT_MAX]; /* the character behind, "" at the end */
} rag_faq_number;

/*
 * A text as questions are compared: cleaned; folded to words with single
 * spaces between them, and the same without any; the sides of the table of
 * opposites that it speaks of; its Latin words, numbers and codes.
 */
typedef struct rag_faq_text {
    char *clean, *spaced, *joined; /* owned */
    unsigned char sides[RAG_FAQ_GROUPS_MAX]; /* a bit a side */
    char words[RAG_FAQ_ITEMS_MAX][RAG_TERM_MAX + 1];
    rag_faq_number numbers[RAG_FAQ_ITEMS_MAX];
    char stems[RAG_FAQ_ITEMS_MAX][RAG_TERM_MAX + 1]; /* content, both scripts */
    size_t nwords, nnumbers, nstems;
} rag_faq_text;

int rag_faq_text_init(rag_faq_text *t, const char *s, size_t n, rag_error *err);
void rag_faq_text_free(rag_faq_text *t);

/* ---- faq_opposites.c ------------------------------------------------------ */

typedef enum rag_faq_kind {
    RAG_FAQ_PLAIN, /* words of a side mean the same */
    RAG_FAQ_ASKED, /* ... and a terse question leaves it out */
    RAG_FAQ_NEGATION, /* ... and never may */
    RAG_FAQ_SCOPE, /* whom or what an answer holds for */
    RAG_FAQ_SCOPE_USUAL, /* ... the first side when nothing is said */
    /* Words of a side are related, not the same, and may be left out; only
     * texts that speak of different sides are told apart. */
    RAG_FAQ_LOOSE,
    RAG_FAQ_MATTER /* loose too: what of a thing is asked (fee, limit) */
} rag_faq_kind;
#define RAG_FAQ_IS_LOOSE(kind) ((kind) >= RAG_FAQ_LOOSE)

size_t rag_faq_groups(void);
rag_faq_kind rag_faq_kind_of(size_t g);
/* A circumstance that people tell along with what they need. */
bool rag_faq_is_told(size_t g);
/* Fills t->sides from its two forms. */
void rag_faq_find_sides(rag_faq_text *t);
/* True when at[0..left) begins with a word of some side that t speaks of too
 * ("만들" where t has "개설"); *n gets the longest such word's bytes. */
bool rag_faq_shares_side(const rag_faq_text *t, const char *at, size_t left,
                         size_t *n);
/* Bytes of the noun of a matter (fee, limit, papers ...) that at begins with:
 * "한도" is no "한" and "도". */
size_t rag_faq_matter_noun(const char *at, size_t left);
/* Takes words out that only look like a side's. */
void rag_faq_blank(char *s);

/* ---- faq_words.c ---------------------------------------------------------- */

/* What a says and b does not, in bytes of content; what: the first of it. */
typedef struct rag_faq_gap {
    size_t missing, content;
    char what[RAG_TERM_MAX + 1];
} rag_faq_gap;

void rag_faq_compare(const rag_faq_text *a, const rag_faq_text *b,
                     rag_faq_gap *out);

/* ---- faq_guard.c ---------------------------------------------------------- */

/* A number of a that b has not, with another unit or not at all. */
const rag_faq_number *rag_faq_number_missing(const rag_faq_text *a,
                                             const rag_faq_text *b);
void rag_faq_guard_texts(const rag_faq_text *q, const rag_faq_text *e,
                         rag_guard_result *out);
/* Some group of opposites of which both speak, on different sides. */
bool rag_faq_sides_differ(const rag_faq_text *q, const rag_faq_text *e);

/* ---- faq_slip.c ----------------------------------------------------------- */

/* Word a is word b with one key wrong, and no word of its own. */
bool rag_faq_slip_word(const char *a, size_t alen, const char *b, size_t blen);
/* Whether q, spaces aside, is e but for one key, says nothing of the table of
 * opposites that e does not, and no word of another text instead. */
bool rag_faq_one_slip(const rag_faq_text *q, const rag_faq_text *e,
                      const rag_faq_text *const *others, size_t nothers);
/* q with the words that mistype e's replaced, unless others have them;
 * *mended false (and nothing in out) when there are none. */
int rag_faq_mend(const rag_faq_text *q, const rag_faq_text *e,
                 const rag_faq_text *const *others, size_t nothers,
                 rag_faq_text *out, bool *mended, rag_error *err);
/* How alike two texts are as sequences of keys, 0 to 1. */
double rag_faq_likeness(const rag_faq_text *a, const rag_faq_text *b);

/* ---- faq_score.c ---------------------------------------------------------- */

typedef enum rag_faq_feature {
    RAG_FAQ_COSINE,
    RAG_FAQ_COVERED_LEAD, /* the question's words in entry and answer, ahead
                           * of the next entry's share */
    RAG_FAQ_MATTER_OPEN, /* the question asks for a fee, a limit ..., the
                          * entry for nothing such */
    RAG_FAQ_LENGTH, /* log of the ratio of lengths, absolute */
    RAG_FAQ_SAID_LEAD, /* the entry's telling words in the question, ahead */
    RAG_FAQ_LIKE_LEAD, /* likeness of the letters, ahead */
    RAG_FAQ_FEATURES
} rag_faq_feature;

/* Guards on the certain score, in the order they are asked. */
typedef enum rag_faq_veto {
    RAG_FAQ_VETO_NONE,
    RAG_FAQ_VETO_LANGUAGE,
    RAG_FAQ_VETO_OPPOSITE,
    RAG_FAQ_VETO_NUMBER,
    RAG_FAQ_VETO_SCOPE,
    RAG_FAQ_VETO_CONTRAST,
    RAG_FAQ_VETO_ENTITY,
    RAG_FAQ_VETOES
} rag_faq_veto;
const char *rag_faq_veto_name(rag_faq_veto v);

/* A hit as it is judged. */
typedef struct rag_faq_candidate {
    rag_faq_text wording, title, whole; /* whole: both and the answer */
    rag_guard_result guard; /* of the better of both, slips mended */
    bool looked_at; /* a FAQ entry that is near enough */
    rag_faq_veto veto;
    double cosine;
    double covered, said, like; /* by itself */
    double f[RAG_FAQ_FEATURES];
    double certainty; /* 0 to 1; 0 with a veto */
} rag_faq_candidate;

/* Reads and judges the hits of r; c has r->n elements of zeroes and is freed
 * with rag_faq_candidates_free whatever is returned. */
int rag_faq_candidates_init(const rag_faq_text *q, const rag_index_result *r,
                            double min_cosine, rag_faq_candidate *c,
                            rag_error *err);
void rag_faq_candidates_free(rag_faq_candidate *c, size_t n);
/* Whether two hits are of one entry, or say the same. */
bool rag_faq_same_answer(const rag_index_hit *a, const rag_index_hit *b);

#endif
