/*
 * generate.h - evidence, prompt, the generative model, and grounding.
 *
 * Four parts, used by ragd's pipeline one after the other:
 *   rag_evidence_*   passages -> short sentence windows within a budget
 *   rag_prompt_*     question + evidence -> what the model reads (by card)
 *   rag_generator_*  a supervised llama-server child or any OpenAI-compatible
 *                    endpoint; streams tokens
 *   rag_ground_*     what the model said against the evidence's bytes
 * Knows no index and no encoder.
 */
#ifndef RAG_GENERATE_GENERATE_H
#define RAG_GENERATE_GENERATE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/sentence.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- evidence ----------------------------------------------------------- */

#define RAG_EVIDENCE_MAX 8 /* windows in one prompt */

typedef struct rag_passage {
    const char *doc, *title, *heading; /* borrowed */
    int64_t chunk;
    const char *text; /* borrowed; bytes [start, start+len) of the document */
    size_t start, len;
    double score; /* retrieval's, larger is better */
    /* Header row of the table that text begins inside of, which stands before
     * start: table_len bytes of the document from table_start. Borrowed;
     * NULL: none. */
    const char *table;
    size_t table_start, table_len;
} rag_passage;

typedef struct rag_evidence_item {
    size_t passage; /* index into the passages given */
    size_t start, end; /* bytes of the document */
    const char *text; /* borrowed from the passage, end - start bytes */
    double score;
    size_t tokens;
    const char *heading; /* the passage's heading, else its title; borrowed,
                          * may be NULL: shown to models that want it */
    size_t focus_start, focus_end; /* bytes of the document: the sentence that
                                    * speaks most to the question */
    double value; /* of that sentence, comparable within one evidence */
    double cosine; /* of that sentence with the question; 0 unless ranked */
} rag_evidence_item;

typedef struct rag_evidence {
    rag_evidence_item items[RAG_EVIDENCE_MAX]; /* as numbered in the prompt */
    size_t n;
    bool unknown_code; /* the question names a code (HB-2107) that none of the
                        * passages has: they cannot answer it */
    bool named; /* the first item's best sentence has a code of the question */
    bool ranked; /* by meaning too: the first item's focus is the best */
    size_t tokens; /* of all items */
    size_t dropped; /* passages that gave nothing for want of budget */
    unsigned cited; /* markers an answer has before an extract of this; 0 */
    /* What a reading model made of it; read is false without one. */
    bool read;
    double answers; /* log-odds that the best passage answers */
    double span; /* of its best span, against there being none */
    double next; /* by how much the next best passage is behind */
    size_t answer_start, answer_end; /* bytes of the document of the first
                                      * item: the span; both 0: none */
} rag_evidence;

#define RAG_SIMILAR_MAX 40 /* sentences read by an encoder for one question */

/* An encoder lent for one call: cosines of n texts with the question. */
typedef struct rag_similarity {
    int (*cosines)(void *user, const char *const *texts, const size_t *lens,
                   size_t n, double *out, rag_error *err);
    void *user;
} rag_similarity;

#define RAG_READ_MAX 16 /* passages read by a reading model for one question */
#define RAG_READ_SPANS 8 /* answers it may find in one */

/* What a reading model finds in one passage. */
typedef struct rag_read {
    double answers; /* log-odds that the passage answers */
    size_t n;
    struct {
        size_t start, end; /* bytes of the passage's text */
        double score; /* log-odds against there being no answer */
    } span[RAG_READ_SPANS]; /* best first */
} rag_read;

/* A reading model lent for one call: reads the first n passages. */
typedef struct rag_reading_lent {
    size_t max; /* passages it is asked to read; at most RAG_READ_MAX */
    int (*read)(void *user, const rag_passage *passages, size_t n,
                rag_read *out, rag_error *err);
    void *user;
} rag_reading_lent;

typedef struct rag_evidence_options {
    size_t max_tokens; /* 0: 300 */
    size_t max_items; /* 0: 3; at most RAG_EVIDENCE_MAX */
    size_t max_chars_ko, max_chars_en; /* a window; 0: 260 and 420 */
    const char *also; /* what the question's words are called otherwise; NULL */
    const rag_similarity *similar; /* NULL: words alone */
    /* Not NULL: its word counts most, and similar is not asked. The passages
     * must come best first. */
    const rag_reading_lent *reading;
} rag_evidence_options;

/*
 * Chooses from each passage the run of whole sentences that speaks most to
 * the question (overlap of content terms weighted by rarity among the
 * passages, numbers and names; with `similar` also nearness of meaning; with
 * `reading` what that finds to be the answer), the best first. Items point into the passages' text. Thread-safe.
 */
int rag_evidence_select(const char *question, const rag_passage *passages,
                        size_t n, const rag_evidence_options *opt,
                        const rag_sentences *sentences, rag_evidence *out,
                        rag_error *err);

/* ---- model card ---------------------------------------------------------- */

/*
 * How a model wants to be asked: an ini file beside the model or adapter
 * (model.gguf -> model.card), see docs. Immutable once loaded.
 */
typedef struct rag_card rag_card;
int rag_card_load(const char *path, rag_card **out, rag_error *err);
/* style: "chat" (the server's chat template), or "few-shot" (completion with
 * examples for a bare base model). */
int rag_card_builtin(const char *style, rag_card **out, rag_error *err);
void rag_card_free(rag_card *c);
/* Name, for logs and answers; until free. */
const char *rag_card_name(const rag_card *c);

/* ---- prompt --------------------------------------------------------------- */

typedef struct rag_prompt {
    rag_buf text; /* completion prompt; empty when messages is used */
    rag_buf messages; /* JSON array for /v1/chat/completions, or empty */
    char *stop[4]; /* owned; NULL-ended unless full */
    char *refusal; /* the exact refusal line asked for; owned */
    size_t evidence_tokens;
    double adapter_scale; /* of the child's adapter; NAN: as it is */
    double refusal_bias; /* on the logit of the refusal's first token */
    const char *grammar; /* GBNF that our child's answer must have, or NULL;
                          * static */
    bool fresh; /* our child is kept from repeating itself and the prompt */
} rag_prompt;

/*
 * lang "ko" or "en" chooses instruction and refusal line. Control tokens and
 * template markers in question and evidence are neutralised.
 */
int rag_prompt_build(const rag_card *card, const char *lang,
                     const char *question, const rag_evidence *ev,
                     rag_prompt *out, rag_error *err);
void rag_prompt_free(rag_prompt *p);
/* The windows this card's model was made for: what to give to
 * rag_evidence_select (0 where the card says nothing). */
void rag_card_windows(const rag_card *card, const char *lang,
                      rag_evidence_options *out);

/* ---- generator ------------------------------------------------------------ */

typedef struct rag_generator rag_generator;

typedef struct rag_generator_options {
    /* An endpoint of its own (child_program NULL), e.g.
     * "http://127.0.0.1:8000/v1", or unix_socket with it. */
    const char *url, *unix_socket, *api_key, *model;
    /* Or a child: llama-server on a private Unix socket in run_dir. */
    const char *child_program; /* path of llama-server */
    const char *model_path, *lora_path;
    const char *run_dir; /* 0700 folder for its socket and log */
    const char *const *child_args; /* further arguments, NULL-ended, or NULL */
    int threads; /* 0: all */
    int context; /* tokens; 0: 2048 */
    int parallel; /* slots; 0: 1 */
    long start_timeout_ms; /* 0: 60000 */
    long token_timeout_ms; /* no token for so long; 0: 15000 */
    long answer_timeout_ms; /* one whole answer; 0: 60000 */
} rag_generator_options;

/*
 * Starts the supervising thread and returns at once; the child becomes ready
 * later. Everything in opt is copied. The child dies with this process
 * (PDEATHSIG from the supervising thread, which lives as long as the
 * generator), is restarted with back-off (0.25 s doubling to 15 s) when it
 * ends or stops answering, and its stale socket is unlinked before each start.
 * RAG_E_NOINPUT at once when program, model or adapter does not exist.
 */
int rag_generator_open(const rag_generator_options *opt, rag_generator **out,
                       rag_error *err);
/* Ends the child: SIGTERM, SIGKILL after 3 s; waits for it. */
void rag_generator_close(rag_generator *g);

typedef enum rag_generator_state {
    RAG_GENERATOR_STARTING,
    RAG_GENERATOR_READY,
    RAG_GENERATOR_FAILED /* waiting to be restarted, or endpoint down */
} rag_generator_state;

typedef struct rag_generator_status {
    rag_generator_state state;
    long pid; /* of the child, 0 when none */
    unsigned restarts;
    char model[128];
    char message[256]; /* why it is not ready; "" when ready */
} rag_generator_status;
void rag_generator_describe(rag_generator *g, rag_generator_status *out);
/* Waits until ready; RAG_E_TIMEOUT, or RAG_E_UNAVAILABLE with the reason. */
int rag_generator_wait_ready(rag_generator *g, long timeout_ms, rag_error *err);

/* A piece of text as it comes; nonzero stops the generation (not an error:
 * the generation ends with stopped set). */
typedef int (*rag_token_fn)(void *user, const char *piece, size_t len);

typedef struct rag_generation_options {
    int max_tokens; /* 0: 160 */
    double temperature; /* 0: greedy */
    const char *const *stop; /* NULL-ended, or NULL */
    rag_token_fn on_token; /* may be NULL */
    int (*cancelled)(void *user); /* asked often; may be NULL */
    void *user;
} rag_generation_options;

typedef struct rag_generation {
    rag_buf text;
    bool stopped; /* by on_token */
    char finish[16]; /* "stop", "length", "" */
    size_t prompt_tokens, cached_tokens, tokens;
    double first_token_ms, total_ms;
    /* log probability of the refusal line's first token at the first place;
     * NAN when the server does not tell. */
    double refusal_logprob;
} rag_generation;

/*
 * Runs a prompt; waits its turn when all slots are busy. Thread-safe.
 * RAG_E_UNAVAILABLE when the model is not ready or was lost, RAG_E_TIMEOUT,
 * RAG_E_CANCELLED. Free out in every case.
 */
int rag_generator_run(rag_generator *g, const rag_prompt *prompt,
                      const rag_generation_options *opt, rag_generation *out,
                      rag_error *err);
void rag_generation_free(rag_generation *r);

/* For ragd's /v1/chat/completions when the request is to reach the model as
 * it is: none yet. Chat requests are answered by the pipeline. */

/* ---- questions that a passage answers (rag-ingest --expand) ------------- */

#define RAG_QUESTIONS_VERSION 1 /* raised with the prompt or the rules */
#define RAG_QUESTIONS_MAX 4 /* that are taken of one passage */
#define RAG_QUESTION_CHARS_MAX 120

/* Why a line that the model wrote is not taken. */
typedef enum rag_question_fault {
    RAG_QUESTION_TAKEN,
    RAG_QUESTION_SHORT, /* fewer than 6 characters, or not two words' worth */
    RAG_QUESTION_LONG, /* more than RAG_QUESTION_CHARS_MAX */
    RAG_QUESTION_NOT_ASKED, /* no question mark at its end, or in Korean no
                             * ending of a question before it */
    RAG_QUESTION_ECHO, /* of the prompt: its labels or its examples */
    RAG_QUESTION_COPY, /* mostly one stretch of the passage */
    RAG_QUESTION_FOREIGN, /* in a language that was not asked for */
    RAG_QUESTION_NUMBER, /* a number or code that the passage has not */
    RAG_QUESTION_UNRELATED, /* no content word of passage, title or heading */
    RAG_QUESTION_TWIN, /* says what one before it says */
    RAG_QUESTION_SURPLUS, /* after the last that is taken */
    RAG_QUESTION_FAULTS
} rag_question_fault;

/*
 * Asks for three questions in the passage's language; chat (an endpoint's
 * model) for a fourth in the other one of Korean and English as well, which
 * small base models cannot write. Free the prompt.
 */
int rag_questions_prompt(const rag_passage *p, bool chat, rag_prompt *out,
                         rag_error *err);
/*
 * Of what the model wrote, which may be anything: the lines that are
 * questions, cleaned, appended to out with line ends between them; counts
 * says how many lines had which fate. Thread-safe.
 */
int rag_questions_take(const rag_passage *p, bool chat, const char *written,
                       size_t len, rag_buf *out,
                       size_t counts[RAG_QUESTION_FAULTS], rag_error *err);

/* ---- grounding ------------------------------------------------------------ */

typedef enum rag_ground_verdict {
    RAG_GROUND_OK, /* every check passed */
    RAG_GROUND_REFUSED, /* the model gave its refusal line */
    RAG_GROUND_FAILED /* a claim is not in the evidence */
} rag_ground_verdict;

typedef struct rag_citation {
    unsigned n; /* as in the answer's [n] marker, from 1 */
    size_t item; /* index into the evidence's items */
    size_t start, end; /* bytes of the document: at most two sentences */
    char *quote; /* exactly those bytes; owned */
} rag_citation;

typedef struct rag_grounding {
    rag_ground_verdict verdict;
    char *answer; /* tidied, with [n] markers renumbered from 1; owned */
    char *shortest; /* the bare answer span without markers; owned or NULL */
    rag_citation *citations;
    size_t ncitations;
    char reason[256]; /* of FAILED: which word or number, for logs */
} rag_grounding;

/*
 * Checks what the model said: markers exist and point at evidence (an answer
 * without one is given the item that holds it); every number, amount, date,
 * rate, phone number and code stands verbatim (separators and spacing aside)
 * in a cited item; every content word's stem in the evidence or the question;
 * negation agrees. Quotes are the sentences of the cited item that hold the
 * answer.
 */
int rag_ground_check(const char *question, const char *lang,
                     const char *generated, const char *refusal,
                     const rag_evidence *ev, const rag_passage *passages,
                     const rag_sentences *sentences, rag_grounding *out,
                     rag_error *err);

/* The best extract: at most two sentences of the evidence, verbatim, with
 * its citation; verdict OK, or REFUSED when nothing speaks to the question. */
int rag_ground_extract(const char *question, const char *lang,
                       const rag_evidence *ev, const rag_passage *passages,
                       const rag_sentences *sentences, rag_grounding *out,
                       rag_error *err);
void rag_grounding_free(rag_grounding *g);

/*
 * The same check while the model is still speaking: text is released
 * sentence by sentence, only when it has passed, and never taken back. What
 * was released is a prefix of the final answer, markers included; a sentence
 * that fails ends the answer before it (verdict OK with reason set), and
 * FAILED or REFUSED mean that nothing was released. One thread.
 */
typedef struct rag_ground_stream rag_ground_stream;
/* Everything but refusal and lang is borrowed until close. */
int rag_ground_stream_open(const char *question, const char *lang,
                           const char *refusal, const rag_evidence *ev,
                           const rag_passage *passages,
                           const rag_sentences *sentences,
                           rag_ground_stream **out, rag_error *err);
/* Appends to release what may be shown now; *stop asks the caller to end the
 * generation, as nothing further will be taken. */
int rag_ground_stream_feed(rag_ground_stream *g, const char *piece, size_t len,
                           rag_buf *release, bool *stop, rag_error *err);
/* What was taken so far, as it would be if nothing followed: OK, or FAILED
 * while there is nothing. Borrowed until the next call on g. */
void rag_ground_stream_view(const rag_ground_stream *g, rag_grounding *out);
/* Judges the rest. release may be NULL. Once a stream. */
int rag_ground_stream_finish(rag_ground_stream *g, rag_buf *release,
                             rag_grounding *out, rag_error *err);
void rag_ground_stream_close(rag_ground_stream *g);

/* ---- tables ----------------------------------------------------------------- */

#define RAG_TABLE_HEADER_MAX 600 /* bytes of a header row that is quoted */

/*
 * Looks for the header row of the table whose next row begins behind
 * text[0..n): the row above the row of dashes, without white space at its
 * ends. False when there is none, with *open set when the table goes on above
 * text.
 */
bool rag_table_header(const char *text, size_t n, size_t *start, size_t *len,
                      bool *open);
/* Whether s is one row that says something: no row of dashes. */
bool rag_table_row(const char *s, size_t n);

/* ---- questions ---------------------------------------------------------------- */

/* Whether a year is named, 1900 to 2099: "2024 rules", "2023년", "2025-03-01",
 * and not "2000 won". Thread-safe. */
int rag_names_year(const char *question, size_t n, bool *out, rag_error *err);

/* ---- evidence gate -------------------------------------------------------- */

/*
 * A calibrated probability that the evidence answers the question: logistic
 * regression over a few plain numbers, in two steps. The first step refuses
 * the hopeless before the generator runs; the second adds what the generator
 * itself said. Fitted on labelled questions by rag_gate_fit, kept in a small
 * JSON file with the fingerprint of index and models.
 */
#define RAG_GATE_FEATURES 19
#define RAG_GATE_FIRST 16 /* features of the first step */
/* Name of a feature, as in the file. */
extern const char *const rag_gate_feature_names[RAG_GATE_FEATURES];

/* What retrieval measured; 0 where it did not. */
typedef struct rag_gate_signals {
    double fused_top, fused_second; /* scores of the two best documents */
    double vector_top, vector_second; /* cosine */
    double lexical_top; /* BM25 of the best */
    bool agree; /* both indexes have the same document first */
} rag_gate_signals;

/*
 * The features of one question. refusal_logprob (NAN) and grounding (NULL)
 * are known after generation only. What was not measured (a model that does
 * not tell its probabilities, no reading model) is NAN, which counts for
 * nothing. Thread-safe.
 */
int rag_gate_measure(const char *question, const rag_gate_signals *signals,
                     const rag_evidence *ev, const rag_passage *passages,
                     const rag_sentences *sentences, double refusal_logprob,
                     const rag_grounding *grounding,
                     double out[RAG_GATE_FEATURES], rag_error *err);

typedef struct rag_gate rag_gate;
typedef struct rag_gate_example {
    double feature[RAG_GATE_FEATURES];
    bool answerable;
    bool generated; /* the features of the second step were measured */
} rag_gate_example;

typedef struct rag_gate_report { /* by five-fold cross-validation */
    size_t answerable, unanswerable;
    double auroc[2]; /* first and second step */
    double false_answers_at_5[2], false_answers_at_10[2]; /* rates at 5 % and
                                                 * 10 % false refusals */
    double calibration_error[2]; /* mean |predicted - observed| in ten bins */
} rag_gate_report;

/*
 * Fits both steps, the second on what was generated (on all when that is too
 * little), each from the built-in gate's weights, or from nothing where that
 * predicts better in cross-validation. At least 20 examples of each kind:
 * RAG_E_DATA otherwise.
 * fingerprint: any text that changes when index or models do. Deterministic.
 */
int rag_gate_fit(const rag_gate_example *examples, size_t n,
                 const char *fingerprint, rag_gate **out,
                 rag_gate_report *report, rag_error *err);
/* The gate that is used until one is fitted, with the default models; read:
 * where the reading model is at work. */
int rag_gate_default(bool read, rag_gate **out, rag_error *err);
int rag_gate_save(const rag_gate *g, const char *path, rag_error *err);
/* RAG_E_MISMATCH when it was fitted with other index or models; fingerprint
 * NULL skips that check. */
int rag_gate_load(const char *path, const char *fingerprint, rag_gate **out,
                  rag_error *err);
void rag_gate_free(rag_gate *g);
/* step 0 or 1; within (0, 1). */
double rag_gate_probability(const rag_gate *g, int step,
                            const double feature[RAG_GATE_FEATURES]);
/*
 * The lowest known threshold at which at most max_false_answers (a rate of
 * unanswerable questions, 0..1) are answered; *false_refusals (may be NULL):
 * the rate of answerable ones it costs, both as they were when the gate was
 * fitted. 1 and 1 when not even the highest one does.
 */
double rag_gate_threshold(const rag_gate *g, int step, double max_false_answers,
                          double *false_refusals);

#endif
