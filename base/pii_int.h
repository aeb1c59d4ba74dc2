/* pii_int.h - what base/pii*.c share. Included by nothing else. */
#ifndef RAG_BASE_PII_INT_H
#define RAG_BASE_PII_INT_H

#include "base/pattern.h"
#include "base/pii.h"

/* A match of a rule in the folded text. */
typedef struct rag_pii_candidate {
    const char *text; /* whole folded text, NUL behind it */
    size_t len;
    const rag_match *m;
    size_t start, end; /* of the match; a check may narrow it */
    rag_pii_kind kind; /* the rule's; a check may change it */
    int year;
} rag_pii_candidate;

typedef struct rag_pii_rule {
    rag_pii_kind kind;
    const char *source;
    unsigned flags;
    bool (*check)(rag_pii_candidate *c); /* NULL: the pattern is enough */
} rag_pii_rule;

/* Rules in order of precedence: where two overlap, the earlier wins. */
extern const rag_pii_rule rag_pii_rules[];
extern const size_t rag_pii_nrules;

/* pii_check.c: what a format fixes. */
bool rag_pii_check_resident(rag_pii_candidate *c);
bool rag_pii_check_card(rag_pii_candidate *c);
bool rag_pii_check_account(rag_pii_candidate *c);
bool rag_pii_check_bare_account(rag_pii_candidate *c);
bool rag_pii_check_iban(rag_pii_candidate *c);
bool rag_pii_check_number(rag_pii_candidate *c);
bool rag_pii_check_bare_phone(rag_pii_candidate *c);
bool rag_pii_check_international(rag_pii_candidate *c);
bool rag_pii_check_passport(rag_pii_candidate *c);
bool rag_pii_check_foreign_passport(rag_pii_candidate *c);
bool rag_pii_check_bare_licence(rag_pii_candidate *c);
bool rag_pii_check_business(rag_pii_candidate *c);
bool rag_pii_check_ip4(rag_pii_candidate *c);
bool rag_pii_check_ip6(rag_pii_candidate *c);
bool rag_pii_check_road(rag_pii_candidate *c);
bool rag_pii_check_lot(rag_pii_candidate *c);

#endif
