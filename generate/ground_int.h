/*
 * ground_int.h - facts of a stretch of text: its numbers, words, relations
 * and negations, and how they compare. Private to generate/.
 *
 * All is read from a folded copy (NFKC, case) of one sentence; positions are
 * bytes of that copy. Sentences are the unit of quotes, so no position has to
 * be carried back into the document.
 */
#ifndef RAG_GENERATE_GROUND_INT_H
#define RAG_GENERATE_GROUND_INT_H

#include "generate/generate.h"

#include <stdint.h>

#define RAG_FACT_NUMBERS_MAX 96
#define RAG_FACT_WORDS_MAX 384
#define RAG_FACT_NEGATIONS_MAX 32

typedef enum rag_number_kind {
    RAG_NUMBER_PLAIN,
    RAG_NUMBER_TIME, /* 09:00 */
    RAG_NUMBER_CODE /* PPR-9087, 1588-0000, 3/4, 2.1.3 */
} rag_number_kind;

/* What is said of a number: "at least", 이하, ... */
typedef enum rag_compare {
    RAG_CMP_NONE,
    RAG_CMP_AT_LEAST,
    RAG_CMP_AT_MOST,
    RAG_CMP_LESS,
    RAG_CMP_MORE,
    RAG_CMP_WITHIN,
    RAG_CMP_BEFORE,
    RAG_CMP_AFTER,
    RAG_CMP_UNTIL,
    RAG_CMP_FROM,
    RAG_CMP_SINCE_BEFORE, /* "3일 전부터" */
    RAG_CMP_UNTIL_AFTER,
    RAG_CMP_ABOUT
} rag_compare;

typedef struct rag_number {
    size_t start, end; /* with unit */
    rag_number_kind kind;
    char value[40]; /* canonical: no separators, magnitude multiplied out */
    char unit[16]; /* canonical, "" when none is said */
    char unit_text[20]; /* as written, for looking it up in a question */
    uint8_t compare; /* rag_compare */
    uint8_t half; /* 1 a.m., 2 p.m. */
    bool follows; /* part of the same date or time as the one before */
    bool range; /* "3~5": belongs with the one before */
} rag_number;

typedef struct rag_word {
    size_t start, end;
    uint64_t hash; /* of the stem */
    uint64_t loose; /* of the stem without its last final consonant, or 0 */
    bool content; /* of the content analysis (else: any reading) */
    bool strict; /* a number word or relation: a question does not lend it */
} rag_word;

typedef struct rag_negation {
    size_t start, end;
    bool adnominal; /* "않은", "없는": its scope ends at the noun behind it */
} rag_negation;

typedef struct rag_facts {
    rag_buf text; /* folded; owned */
    rag_number number[RAG_FACT_NUMBERS_MAX];
    size_t nnumbers;
    rag_word word[RAG_FACT_WORDS_MAX];
    size_t nwords;
    rag_negation negation[RAG_FACT_NEGATIONS_MAX];
    size_t nnegations;
    bool korean;
    bool full; /* something did not fit: nothing may be concluded */
} rag_facts;

/* Reads s; free with rag_facts_free in every case. RAG_E_NOMEM, or
 * RAG_E_DATA when s is not valid UTF-8. */
int rag_facts_read(const char *s, size_t n, rag_facts *out, rag_error *err);
/* The same of its numbers alone. */
int rag_facts_read_numbers(const char *s, size_t n, rag_facts *out,
                           rag_error *err);
void rag_facts_free(rag_facts *f);

/* Parts of rag_facts_read, on the folded text. */
void rag_numbers_scan(rag_facts *f);
void rag_numbers_link(rag_facts *f); /* its last step: runs */
int rag_words_scan(rag_facts *f, rag_error *err);
void rag_negations_scan(rag_facts *f);

/*
 * The run of numbers a[i..i+n) (a date, a time, a range, or one number)
 * stands in b: same values, units and comparisons in the same order and,
 * where b has them as a range, not torn out of it. question may be NULL: what
 * is asked for may say the unit that the answer leaves out. *at: index in b.
 */
bool rag_numbers_have(const rag_facts *b, const rag_facts *a, size_t i,
                      size_t n, const rag_facts *question, size_t *at);
/* Length of the run that begins at a's number i. */
size_t rag_numbers_run(const rag_facts *a, size_t i);

/* True when b has the word (by stem, by loose stem, or, of two syllables or
 * more, inside a longer Hangul word). */
bool rag_words_have(const rag_facts *b, const rag_facts *a, const rag_word *w);

/* The clause of f around [start, end), bytes of the folded text. */
void rag_clause_around(const rag_facts *f, size_t *start, size_t *end);
/* Negations of f within [start, end). */
unsigned rag_negations_in(const rag_facts *f, size_t start, size_t end);
/* The text says something of itself: it has a predicate ("...합니다",
 * "... is ..."), rather than being a bare span. */
bool rag_facts_predicative(const rag_facts *f);
/* 1 "yes", -1 "no" at the beginning, 0 neither; *len: its bytes. */
int rag_facts_stance(const rag_facts *f, size_t *len);

#endif
