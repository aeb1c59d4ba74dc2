/*
 * ground_ctx.h - the evidence as ground.c and extract.c look at it: its
 * sentences with their facts. Private to generate/.
 */
#ifndef RAG_GENERATE_GROUND_CTX_H
#define RAG_GENERATE_GROUND_CTX_H

#include "generate/ground_int.h"

#define RAG_GROUND_SOURCES_MAX 96 /* sentences of the evidence looked at */
#define RAG_GROUND_HEADERS_MAX 8 /* header rows of their tables */

typedef struct rag_source {
    size_t item, order; /* of which evidence item, its how-manieth sentence */
    const char *text; /* borrowed from the passage */
    size_t start, end; /* bytes of the document */
    rag_facts facts;
    size_t header; /* of a table's row: index into headers; else SIZE_MAX */
} rag_source;

typedef struct rag_ground_ctx {
    const rag_evidence *ev;
    const rag_passage *passages;
    const rag_sentences *sentences;
    rag_facts question;
    rag_facts head[RAG_EVIDENCE_MAX]; /* title and heading of each item */
    rag_source *source; /* owned; none of them suspect */
    size_t n;
    rag_source *header; /* owned; of the tables that sources are rows of */
    size_t nheaders;
} rag_ground_ctx;

/* Everything given is borrowed for the life of the context. */
int rag_ground_ctx_open(const char *question, const rag_evidence *ev,
                        const rag_passage *passages,
                        const rag_sentences *sentences, rag_ground_ctx *c,
                        rag_error *err);
void rag_ground_ctx_free(rag_ground_ctx *c);

/* The header row of the table that source i is a row of; NULL: none, or it is
 * one that negates and so lends no words. */
const rag_facts *rag_ground_header(const rag_ground_ctx *c, size_t i);

/* Citations as they are collected; the pieces are the caller's. */
typedef struct rag_citing {
    rag_citation *list;
    size_t n, cap;
    unsigned taken; /* markers before the first one's */
} rag_citing;

/*
 * Adds the sentences [first, first + count) of one item as a citation, or
 * finds it; *number is its marker. A row of a table has its header cited as
 * well, with the marker *header; 0: it has none, or quotes it itself.
 */
int rag_ground_cite(const rag_ground_ctx *c, size_t first, size_t count,
                    rag_citing *to, unsigned *number, unsigned *header,
                    rag_error *err);

/* The same of any bytes of an item's document. */
int rag_ground_cite_bytes(size_t item, const char *text, size_t start,
                          size_t end, rag_citing *to, unsigned *number,
                          rag_error *err);

/* extract_list.c: whether a line is an item of a list, and whether a sentence
 * announces one ("다음 서류", "the following:"). */
bool rag_extract_item(const char *s, size_t n);
bool rag_extract_announces(const char *s, size_t n);
/* Appends the list or table that begins on the line below source `after`, each
 * of *items quoted; none when none does. announced: `after` speaks of it,
 * rather than being its first item. */
int rag_extract_list(const rag_ground_ctx *c, size_t after, bool announced,
                     rag_buf *text, rag_citing *to, size_t *items,
                     rag_error *err);

/* False when another number of the same unit in the evidence is clearly
 * closer to the question than the one said; ground_focus.c. */
bool rag_ground_focus(const rag_ground_ctx *c, const rag_facts *said,
                      size_t number);

/* False when the question asks for a number, or for one of a certain kind
 * ("며칠", "how many days"), and a bare span gives none such. */
bool rag_ground_answers_kind(const rag_ground_ctx *c, const rag_facts *said);

#define RAG_GROUND_QUOTES_MAX 3 /* for one sentence of an answer */

/* One or two neighbouring sentences of the evidence. */
typedef struct rag_quote {
    size_t first, count;
} rag_quote;

/*
 * Judges one sentence s[0..n) whose markers named the sources marks (from 1).
 * *ok: every claim is held, and quotes[0..*nquotes) hold them; otherwise why
 * says what is missing.
 */
int rag_ground_judge(const rag_ground_ctx *c, const char *s, size_t n,
                     const unsigned *marks, size_t nmarks,
                     rag_quote quotes[RAG_GROUND_QUOTES_MAX], size_t *nquotes,
                     bool *ok, char *why, size_t cap, rag_error *err);

#endif
