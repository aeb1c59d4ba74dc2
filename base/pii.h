/*
 * pii.h - personal data in a text: where it is, and the text without it.
 *
 * Korean and international kinds, found by PCRE2 rules under match limits
 * (base/pattern.h) and confirmed by what their format fixes: check digits,
 * dates of birth, number prefixes, lengths, and words standing near. What
 * merely looks alike (order numbers, amounts, dates, product codes, a
 * company's 1588-0000 line) is left alone. Full-width digits, every kind of
 * dash and space, invisible characters and decomposed Hangul are seen through;
 * spans are offsets of the text as it came. The kinds, their rules and the
 * decisions behind them are in docs/DESK.md.
 *
 * Open one a program; it is immutable and may be used by many threads.
 */
#ifndef RAG_BASE_PII_H
#define RAG_BASE_PII_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* X(name, word, Korean label, English label) */
#define RAG_PII_LIST(X)                                                        \
    X(RAG_PII_RESIDENT, "resident", "주민번호", "resident number")             \
    X(RAG_PII_FOREIGNER, "foreigner", "외국인번호", "foreigner number")        \
    X(RAG_PII_PASSPORT, "passport", "여권번호", "passport")                    \
    X(RAG_PII_LICENCE, "licence", "면허번호", "driving licence")               \
    X(RAG_PII_CARD, "card", "카드번호", "card")                                \
    X(RAG_PII_ACCOUNT, "account", "계좌번호", "account")                       \
    X(RAG_PII_PHONE, "phone", "전화번호", "phone")                             \
    X(RAG_PII_EMAIL, "email", "이메일", "e-mail")                              \
    X(RAG_PII_ADDRESS, "address", "주소", "address")                           \
    X(RAG_PII_IP, "ip", "IP주소", "IP address")                                \
    X(RAG_PII_BUSINESS, "business", "사업자번호", "business number")

typedef enum rag_pii_kind {
#define X(name, word, ko, en) name,
    RAG_PII_LIST(X)
#undef X
        RAG_PII_KINDS
} rag_pii_kind;

#define RAG_PII_BIT(kind) (1u << (kind))
#define RAG_PII_ALL ((1u << RAG_PII_KINDS) - 1)
/* A business registration number names a firm, not a person. */
#define RAG_PII_DEFAULT (RAG_PII_ALL & ~RAG_PII_BIT(RAG_PII_BUSINESS))
#define RAG_PII_ALLOW_MAX 16 /* numbers that are never masked */
#define RAG_PII_TEXT_MAX ((size_t)1 << 20)

typedef struct rag_pii_span {
    rag_pii_kind kind;
    size_t start, end; /* bytes [start,end) of the text as it came */
} rag_pii_span;

typedef struct rag_pii_options {
    unsigned kinds; /* RAG_PII_BIT(...) of what is masked; 0: the default */
    unsigned keep; /* kinds whose last four digits stay: "[card *1234]" */
    /* Numbers that are the company's own (its contact line), compared by
     * their digits; NULL-ended, at most RAG_PII_ALLOW_MAX, or NULL. */
    const char *const *allow;
    const char *lang; /* of the labels: "ko", "en"; NULL: the text's */
} rag_pii_options;

typedef struct rag_pii rag_pii;

/* year: the present one, against births in the future; 0: from the clock. */
int rag_pii_open(int year, rag_pii **out, rag_error *err);
void rag_pii_close(rag_pii *p);

/*
 * Spans in order that do not overlap; *out is an array of *n, free with
 * free(). opt may be NULL. RAG_E_DATA: no UTF-8; RAG_E_LIMIT: longer than
 * RAG_PII_TEXT_MAX, or a pattern was stopped by its limits. After a failure
 * the text must be taken for personal: store none of it.
 */
int rag_pii_find(const rag_pii *p, const char *s, size_t n,
                 const rag_pii_options *opt, rag_pii_span **out, size_t *count,
                 rag_error *err);

/* Appends s with each span replaced by its label; *masked (may be NULL) gets
 * how many. On failure out is as it was. */
int rag_pii_mask(const rag_pii *p, const char *s, size_t n,
                 const rag_pii_options *opt, rag_buf *out, size_t *masked,
                 rag_error *err);

/* "card"; never NULL. */
const char *rag_pii_word(rag_pii_kind kind);
/* "card, phone" or "all", "default", "none" to a set. RAG_E_DATA. */
int rag_pii_kinds_parse(const char *words, unsigned *out, rag_error *err);

#endif
