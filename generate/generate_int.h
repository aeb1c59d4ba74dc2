/*
 * generate_int.h - what the files of this room share: the model card's
 * fields, neutralising of foreign text, suspicion of injected instructions.
 *
 * Only files below generate/ (and its own unit tests) include it.
 */
#ifndef RAG_GENERATE_INT_H
#define RAG_GENERATE_INT_H

#include "generate/generate.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- card --------------------------------------------------------------- */

typedef enum rag_card_format {
    RAG_CARD_TURNS, /* completion with the card's turn tokens */
    RAG_CARD_CHAT, /* messages; the server's own chat template */
    RAG_CARD_FEW_SHOT /* completion with the card's examples */
} rag_card_format;

#define RAG_CARD_FILE_MAX ((size_t)64 << 10)
#define RAG_CARD_VALUE_MAX 4096
#define RAG_CARD_EXAMPLES_MAX 6
#define RAG_CARD_STOPS_MAX 4

typedef struct rag_card_example {
    char *sources; /* ready lines, "[1] ...\n[2] ..." */
    char *question;
    char *answer;
} rag_card_example;

typedef struct rag_card_lang {
    rag_card_format format;
    bool has_format;
    char *instruction, *question, *refusal; /* owned */
    double adapter_scale; /* NAN: as the server has it */
    double refusal_bias; /* added to the logit of the refusal's first token */
    size_t max_items, max_tokens, max_chars; /* 0: the default */
    bool titles; /* put title and heading before each window */
    rag_card_example examples[RAG_CARD_EXAMPLES_MAX];
    size_t nexamples;
} rag_card_lang;

enum { RAG_CARD_KO, RAG_CARD_EN, RAG_CARD_LANGS };

struct rag_card {
    char *name;
    rag_card_format format;
    char *user_open, *user_close, *model_open; /* owned, never NULL */
    char *answer_label; /* few-shot: "Answer: " */
    char *stops[RAG_CARD_STOPS_MAX];
    size_t nstops;
    rag_card_lang lang[RAG_CARD_LANGS];
};

/* "ko" gives RAG_CARD_KO, everything else RAG_CARD_EN. */
int rag_card_lang_of(const char *lang);
/* A card from the bytes of a file; name is for messages. */
int rag_card_parse(const char *text, size_t len, const char *name,
                   rag_card **out, rag_error *err);

/* ---- foreign text ------------------------------------------------------- */

/*
 * Appends s as one harmless line: white space collapsed, control and
 * invisible characters dropped, whatever looks like a control token, a
 * template marker or a source number ("<start_of_turn>", "<|im_start|>",
 * "[INST]", "</s>", "[1]", the card's own tokens) taken apart so that no
 * tokenizer makes it a special token again. card may be NULL. At most
 * max_chars characters, 0 for no limit.
 */
int rag_prompt_neutralise(const rag_card *card, const char *s, size_t n,
                          size_t max_chars, rag_buf *out, rag_error *err);

/* Its first half only: one line without invisible characters. */
int rag_prompt_plain(const char *s, size_t n, rag_buf *out, rag_error *err);
/* Characters without width or look: hidden text is made of them. */
bool rag_prompt_invisible(uint32_t cp);

/*
 * True when a sentence speaks to the machine instead of the reader: an order
 * to drop its instructions, to play a role, to show its prompt, to answer
 * with given words; a picture link; text hidden with invisible characters.
 * Such sentences are never evidence. On failure (out of memory) true.
 */
bool rag_inject_suspect(const char *s, size_t n);

/* The built-in gates, as their files would be: without and with a reading
 * model. */
extern const char rag_gate_default_json[], rag_gate_read_json[];

/* A number, date, amount or the like is asked for (folded question). */
bool rag_asks_number(const char *question);

/* Two things are asked at once: "how many days, and how much?" (folded). */
bool rag_asks_twice(const char *question);

/* Cell k of a row, the bytes between its bars; 0 is what stands before the
 * first. False when the row has not so many. */
bool rag_table_cell(const char *row, size_t n, size_t k, size_t *start,
                    size_t *end);
/* Whether s is the row of dashes below a header. */
bool rag_table_dashes(const char *s, size_t n);
/* Which cell byte `at` of a row is in. */
size_t rag_table_column(const char *row, size_t at);

/* Tokens a piece of text is about to take; errs high. See evidence.c. */
size_t rag_evidence_tokens(const char *s, size_t n);

#endif
