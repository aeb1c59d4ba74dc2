/*
 * faq.h - approved answers: which entry, if any, a question may be given.
 *
 * Similarity finds candidates; it never decides, because "how do I close an
 * account" is nearer to "how do I open an account" than most paraphrases are.
 * The guard decides: opposites (a table), numbers and content words of the
 * question and of the entry's question must agree. Pure functions, no state,
 * thread-safe.
 */
#ifndef RAG_DAEMON_FAQ_H
#define RAG_DAEMON_FAQ_H

#include "base/error.h"
#include "index/index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum rag_guard_verdict {
    RAG_GUARD_SAME, /* asks the same */
    RAG_GUARD_VAGUE, /* the question leaves open what the entry fixes:
                      * "close my account" against "close a company account" */
    RAG_GUARD_OTHER /* opposite, another number, or another matter */
} rag_guard_verdict;

typedef struct rag_guard_result {
    rag_guard_verdict verdict;
    double coverage; /* share of the entry's content words the question has */
    char reason[96]; /* of VAGUE and OTHER, for logs: "opposite: ..." */
} rag_guard_result;

/* Compares a question with an entry's question; both valid UTF-8, any
 * normalisation. RAG_E_NOMEM is the only failure. */
int rag_faq_guard(const char *question, const char *entry,
                  rag_guard_result *out, rag_error *err);

/* Whether the entry is about an opposite deed (add, remove) or another thing
 * (credit card, debit card) than the question: not to be shown for it, however
 * near it is. What of a thing is asked (when, how much) and what is told along
 * with it (a locked card, at the counter) do not count: an entry may answer
 * more than its title asks. */
int rag_faq_contrary(const char *question, const char *entry, bool *out,
                     rag_error *err);

/* The groups of opposites, for the pair-list test: name of group g, and word
 * w of side s; NULL past the end. */
const char *rag_faq_group(size_t g);
const char *rag_faq_word(size_t g, size_t side, size_t w);

typedef enum rag_faq_decision {
    RAG_FAQ_NONE, /* no entry fits: ask the documents */
    RAG_FAQ_ANSWER, /* hit `best` is the answer */
    RAG_FAQ_CLARIFY /* several fit: hits `choice[0..nchoices)` */
} rag_faq_decision;

#define RAG_FAQ_CHOICES_MAX 5

typedef struct rag_faq_match {
    rag_faq_decision decision;
    size_t best; /* index into the result's hits */
    size_t choice[RAG_FAQ_CHOICES_MAX];
    size_t nchoices;
    char reason[96]; /* why the nearest was not taken, for logs */
} rag_faq_match;

/* Entries with exactly the question's key: one, or several with the same
 * answer, is an answer; several with different answers is a choice. */
void rag_faq_decide_exact(const rag_index_result *exact, rag_faq_match *out);

/* What an entry that was not asked for in its own words needs. */
typedef struct rag_faq_limits {
    double cosine; /* least similarity that is looked at */
    double certainty; /* least certainty to be the answer; above 1: none is */
} rag_faq_limits;

/* Near matches: FAQ hits of a search with the question's vector. */
int rag_faq_decide_near(const char *question, const rag_index_result *near,
                        const rag_faq_limits *limits, rag_faq_match *out,
                        rag_error *err);

#endif
