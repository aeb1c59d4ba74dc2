/*
 * prompt.c - question and evidence put together as the card wants them.
 *
 * Called by ragd's pipeline for each question, any thread; no state.
 *
 * The part that does not change (turn token, instruction, examples) stands
 * first, byte for byte the same for every question of a language, so that the
 * server's prompt cache keeps it. Documents follow as numbered lines, one
 * window a line (see neutral.c for what keeps them lines), the question last.
 */
#include "generate/generate_int.h"

#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT_MAX ((size_t)256 << 10)
#define PROMPT_QUESTION_CHARS 1000

static int append_sources(const rag_card *card, const rag_card_lang *l,
                          const rag_evidence *ev, rag_buf *b, rag_error *err) {
    int rc = 0;
    for (size_t i = 0; i < ev->n && !rc; i++) {
        const rag_evidence_item *it = &ev->items[i];
        rc = rag_buf_printf(b, err, "[%zu] ", i + 1);
        const char *head = l->titles ? it->heading : NULL;
        if (!rc && head && head[0]) {
            rc = rag_buf_append_char(b, '(', err);
            if (!rc)
                rc =
                    rag_prompt_neutralise(card, head, strlen(head), 80, b, err);
            if (!rc)
                rc = rag_buf_append_str(b, ") ", err);
        }
        if (!rc)
            rc = rag_prompt_neutralise(card, it->text, it->end - it->start, 0,
                                       b, err);
        if (!rc)
            rc = rag_buf_append_char(b, '\n', err);
    }
    return rc;
}

/* "[1] ...\n[2] ...\n\nQuestion: ..." */
static int append_task(const rag_card *card, const rag_card_lang *l,
                       const char *question, const rag_evidence *ev, rag_buf *b,
                       rag_error *err) {
    int rc = append_sources(card, l, ev, b, err);
    if (!rc)
        rc = rag_buf_printf(b, err, "\n%s", l->question);
    if (!rc)
        rc = rag_prompt_neutralise(card, question, strlen(question),
                                   PROMPT_QUESTION_CHARS, b, err);
    return rc;
}

static int build_turns(const rag_card *card, const rag_card_lang *l,
                       const char *question, const rag_evidence *ev, rag_buf *b,
                       rag_error *err) {
    int rc =
        rag_buf_printf(b, err, "%s%s\n\n", card->user_open, l->instruction);
    if (!rc)
        rc = append_task(card, l, question, ev, b, err);
    if (!rc)
        rc = rag_buf_append_str(b, card->user_close, err);
    if (!rc)
        rc = rag_buf_append_str(b, card->model_open, err);
    return rc;
}

static int build_few_shot(const rag_card *card, const rag_card_lang *l,
                          const char *lang, const char *question,
                          const rag_evidence *ev, rag_buf *b, rag_error *err) {
    const char *answer =
        rag_card_lang_of(lang) == RAG_CARD_KO ? "답:" : "Answer:";
    int rc = rag_buf_printf(b, err, "%s\n\n", l->instruction);
    for (size_t i = 0; i < l->nexamples && !rc; i++) {
        const rag_card_example *e = &l->examples[i];
        rc = rag_buf_printf(b, err, "%s\n\n%s%s\n%s %s\n\n", e->sources,
                            l->question, e->question, answer, e->answer);
    }
    if (!rc)
        rc = append_task(card, l, question, ev, b, err);
    /* No space at the end: the model's own token begins with it. */
    if (!rc)
        rc = rag_buf_printf(b, err, "\n%s", answer);
    return rc;
}

static int build_chat(const rag_card *card, const rag_card_lang *l,
                      const char *question, const rag_evidence *ev,
                      rag_buf *out, rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, PROMPT_MAX);
    json_t *messages = NULL;
    /* One user turn: many templates (Gemma's) have no system turn. */
    int rc = rag_buf_printf(&b, err, "%s\n\n", l->instruction);
    if (!rc)
        rc = append_task(card, l, question, ev, &b, err);
    if (rc)
        goto out;
    messages = json_pack("[{s:s, s:s%}]", "role", "user", "content",
                         rag_buf_str(&b), b.len);
    if (!messages)
        rc = rag_error_set(err, RAG_E_DATA,
                           "the question or a source is not valid UTF-8");
    else
        rc = rag_json_dump(messages, out, err);
out:
    json_decref(messages);
    rag_buf_free(&b);
    return rc;
}

static int copy_stops(const rag_card *card, rag_prompt *out, rag_error *err) {
    int rc = 0;
    for (size_t i = 0; i < card->nstops && i < 4 && !rc; i++)
        rc = rag_str_dup(card->stops[i], &out->stop[i], err);
    return rc;
}

int rag_prompt_build(const rag_card *card, const char *lang,
                     const char *question, const rag_evidence *ev,
                     rag_prompt *out, rag_error *err) {
    memset(out, 0, sizeof *out);
    rag_buf_init(&out->text, PROMPT_MAX);
    rag_buf_init(&out->messages, 2 * PROMPT_MAX);
    const rag_card_lang *l = &card->lang[rag_card_lang_of(lang)];
    out->adapter_scale = l->adapter_scale;
    out->refusal_bias = l->refusal_bias;
    out->evidence_tokens = ev->tokens;
    int rc = rag_str_dup(l->refusal, &out->refusal, err);
    if (!rc)
        rc = copy_stops(card, out, err);
    if (rc)
        goto out;
    switch (l->format) {
    case RAG_CARD_TURNS:
        rc = build_turns(card, l, question, ev, &out->text, err);
        break;
    case RAG_CARD_FEW_SHOT:
        rc = build_few_shot(card, l, lang, question, ev, &out->text, err);
        if (!rc && !out->stop[0])
            rc = rag_str_dup("\n", &out->stop[0], err);
        break;
    case RAG_CARD_CHAT:
        rc = build_chat(card, l, question, ev, &out->messages, err);
        break;
    }
out:
    if (rc)
        rag_prompt_free(out);
    return rc;
}

void rag_card_windows(const rag_card *card, const char *lang,
                      rag_evidence_options *out) {
    const rag_card_lang *l = &card->lang[rag_card_lang_of(lang)];
    memset(out, 0, sizeof *out);
    out->max_tokens = l->max_tokens;
    out->max_items = l->max_items;
    out->max_chars_ko = card->lang[RAG_CARD_KO].max_chars;
    out->max_chars_en = card->lang[RAG_CARD_EN].max_chars;
}

void rag_prompt_free(rag_prompt *p) {
    if (!p)
        return;
    rag_buf_free(&p->text);
    rag_buf_free(&p->messages);
    for (size_t i = 0; i < 4; i++)
        free(p->stop[i]);
    free(p->refusal);
    memset(p, 0, sizeof *p);
}
