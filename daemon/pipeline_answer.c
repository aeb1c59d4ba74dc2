/*
 * pipeline_answer.c - the ends a question can come to: approved answer,
 * choice, extract, refusal, grounded answer.
 *
 * Each fills rag_asking.out and sets done. Called by pipeline.c and
 * pipeline_generate.c on the request's thread.
 */
#include "daemon/desk.h"
#include "daemon/pipeline_int.h"

#include "base/clock.h"
#include "base/unicode.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rag_answer_status_name(rag_answer_status s) {
    static const char *const names[RAG_ANSWER_STATUSES] = {
        "answered", "faq", "extract", "clarify", "refused"};
    return (unsigned)s < RAG_ANSWER_STATUSES ? names[s] : "unknown";
}

static bool korean(const rag_asking *a) {
    return strcmp(a->lang, "ko") == 0;
}

void rag_asking_warn(rag_asking *a, const char *fmt, ...) {
    char line[RAG_ERROR_MESSAGE_MAX + 128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    rag_answer *o = a->out;
    if (o->nwarnings < RAG_WARNINGS_MAX &&
        rag_str_dup(line, &o->warnings[o->nwarnings], NULL) == 0)
        o->nwarnings++;
}

void rag_asking_say(rag_asking *a, const char *s, size_t n) {
    if (!n)
        return;
    if (isnan(a->out->ms.first_text))
        a->out->ms.first_text = rag_clock_ms() - a->started_ms;
    if (a->ask->on_text)
        a->ask->on_text(a->ask->user, s, n);
}

bool rag_asking_cancelled(const rag_asking *a) {
    return a->ask->cancelled && a->ask->cancelled(a->ask->user);
}

static void because(rag_asking *a, const char *reason) {
    snprintf(a->out->reason, sizeof a->out->reason, "%s", reason);
}

/* Completes the answer with text already given out piece by piece, or gives
 * it out whole. Takes text. */
static void finish(rag_asking *a, rag_answer_status status, char *text) {
    a->out->status = status;
    if (status == RAG_ANSWER_EXTRACT) { /* not the model's words */
        free(a->out->model);
        a->out->model = NULL;
    }
    free(a->out->text);
    a->out->text = text;
    if (isnan(a->out->ms.first_text))
        rag_asking_say(a, text, strlen(text));
    a->done = true;
}

/* A quotation in another language is introduced in the question's. */
static const char *foreign_lead_in(const rag_asking *a, const char *quote) {
    const char *lang = quote ? rag_unicode_lang(quote, strlen(quote)) : "";
    if (!*lang || strcmp(lang, a->lang) == 0)
        return "";
    return korean(a) ? "문서 원문은 다음과 같습니다: " : "The document says: ";
}

/* ---- sources ------------------------------------------------------------------------ */

static int add_source(rag_asking *a, unsigned n, const rag_index_hit *h,
                      size_t start, size_t end, const char *quote,
                      rag_error *err) {
    rag_source *s =
        reallocarray(a->out->sources, a->out->nsources + 1, sizeof *s);
    if (!s)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for a citation");
    a->out->sources = s;
    s += a->out->nsources++;
    memset(s, 0, sizeof *s);
    s->n = n;
    s->chunk = h->chunk;
    s->start = start;
    s->end = end;
    s->score = h->score;
    int rc;
    if ((rc = rag_str_dup(h->doc, &s->doc, err)) ||
        (rc = rag_str_dup(h->title, &s->title, err)) ||
        (rc = rag_str_dup(h->heading, &s->heading, err)) ||
        (rc = rag_str_dup(h->url, &s->url, err)))
        return rc;
    return rag_str_dup_n(quote, end - start, &s->quote, err);
}

static void drop_sources(rag_answer *o) {
    for (size_t i = 0; i < o->nsources; i++) {
        rag_source *s = &o->sources[i];
        free(s->doc);
        free(s->title);
        free(s->heading);
        free(s->url);
        free(s->quote);
    }
    free(o->sources);
    o->sources = NULL;
    o->nsources = 0;
}

/* ---- approved answers ------------------------------------------------------------------ */

/* Citations that together hold the whole of an approved answer, each at most
 * two sentences, numbered from 1. */
static int cite_entry(rag_asking *a, const rag_index_hit *hit, const char *text,
                      size_t len, rag_error *err) {
    rag_span *spans = NULL;
    size_t n = 0;
    unsigned number = 0;
    int rc =
        rag_sentences_split(a->p->parts.sentences, text, len, &spans, &n, err);
    for (size_t i = 0; i < n && !rc; i += 2) {
        size_t last = i + 1 < n ? i + 1 : i;
        rc = add_source(a, ++number, hit, spans[i].start, spans[last].end,
                        text + spans[i].start, err);
    }
    free(spans);
    return rc;
}

/* The whole text of an entry (the hit may be one chunk of a long answer: the
 * whole is approved), cited wholly. */
static int whole_entry(rag_asking *a, const rag_index_hit *hit, char **text,
                       rag_error *err) {
    size_t len = 0;
    int rc;
    a->out->entry_version = rag_desk_hit_version(hit);
    if (a->out->entry_version) { /* the store may know another of that id */
        rc = rag_str_dup(hit->text, text, err);
        len = rc ? 0 : strlen(*text);
    } else {
        rc = rag_index_text(a->index, hit->doc, 0, SIZE_MAX, text, &len, err);
    }
    if (!rc)
        rc = cite_entry(a, hit, *text, len, err);
    if (rc) {
        free(*text);
        *text = NULL;
    }
    return rc;
}

int rag_asking_faq(rag_asking *a, const rag_index_hit *hit, rag_error *err) {
    char *text = NULL;
    int rc = whole_entry(a, hit, &text, err);
    if (!rc)
        finish(a, RAG_ANSWER_FAQ, text);
    return rc;
}

int rag_asking_quote_entry(rag_asking *a, const rag_index_hit *hit,
                           rag_error *err) {
    char *text = NULL;
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = whole_entry(a, hit, &text, err);
    if (!rc)
        rc = rag_buf_printf(&b, err, "%s%s ", foreign_lead_in(a, text), text);
    for (size_t i = 0; i < a->out->nsources && !rc; i++)
        rc = rag_buf_printf(&b, err, "[%u]", a->out->sources[i].n);
    free(text);
    text = NULL;
    if (!rc)
        rc = rag_buf_steal(&b, &text, NULL, err);
    rag_buf_free(&b);
    if (rc)
        return rc;
    rag_asking_extracted(a, "approved entry found", text);
    return 0;
}

int rag_asking_clarify(rag_asking *a, const rag_index_result *r,
                       const rag_faq_match *m, rag_error *err) {
    rag_answer *o = a->out;
    o->choices = calloc(m->nchoices, sizeof *o->choices);
    if (!o->choices)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for choices");
    int rc = 0;
    for (size_t i = 0; i < m->nchoices && !rc; i++) {
        const rag_index_hit *h = &r->hits[m->choice[i]];
        rag_choice *c = &o->choices[o->nchoices++];
        const char *question = h->title && *h->title ? h->title : h->question;
        rc = rag_str_dup(h->doc, &c->doc, err);
        if (!rc)
            rc = rag_str_dup(question ? question : "", &c->question, err);
    }
    char *text = NULL;
    if (!rc)
        rc = rag_str_dup(korean(a) ? "어느 것을 물으셨나요?"
                                   : "Which of these do you mean?",
                         &text, err);
    if (rc)
        return rc;
    because(a, "several entries fit");
    finish(a, RAG_ANSWER_CLARIFY, text);
    return 0;
}

/* ---- refusals and extracts -------------------------------------------------------------- */

int rag_asking_refuse(rag_asking *a, const char *reason, rag_error *err) {
    rag_buf b;
    char *text = NULL;
    rag_buf_init(&b, 0);
    drop_sources(a->out);
    int rc = rag_buf_append_str(
        &b,
        korean(a) ? "가지고 있는 자료에서는 답을 찾지 못했습니다."
                  : "The documents at hand do not answer this question.",
        err);
    if (!rc && *a->config->contact)
        rc = rag_buf_printf(&b, err, " %s", a->config->contact);
    if (!rc)
        rc = rag_asking_code(a, &b, err);
    if (!rc)
        rc = rag_buf_steal(&b, &text, NULL, err);
    rag_buf_free(&b);
    if (rc)
        return rc;
    because(a, reason);
    finish(a, RAG_ANSWER_REFUSED, text);
    return 0;
}

int rag_asking_cite(rag_asking *a, const rag_asking *of, const rag_grounding *g,
                    rag_error *err) {
    for (size_t i = 0; i < g->ncitations; i++) {
        const rag_citation *c = &g->citations[i];
        if (c->item >= of->evidence.n ||
            of->evidence.items[c->item].passage >= of->npassages)
            return rag_error_set(err, RAG_E_INTERNAL,
                                 "citation %u points at no evidence", c->n);
        size_t passage = of->evidence.items[c->item].passage;
        int rc = add_source(a, c->n, &of->found.hits[of->hit_of[passage]],
                            c->start, c->end, c->quote, err);
        if (rc)
            return rc;
    }
    return 0;
}

void rag_asking_extracted(rag_asking *a, const char *reason, char *text) {
    because(a, reason);
    finish(a, RAG_ANSWER_EXTRACT, text);
}

int rag_asking_grounded(rag_asking *a, rag_answer_status status,
                        const char *lead_in, const rag_grounding *g,
                        rag_error *err) {
    rag_buf b;
    char *text = NULL;
    rag_buf_init(&b, 0);
    drop_sources(a->out);
    int rc = rag_buf_append_str(&b, lead_in, err);
    if (!rc)
        rc = rag_buf_append_str(&b, g->answer ? g->answer : "", err);
    if (!rc)
        rc = rag_buf_steal(&b, &text, NULL, err);
    if (!rc) {
        free(a->out->shortest);
        rc = rag_str_dup(g->shortest, &a->out->shortest, err);
    }
    if (!rc)
        rc = rag_asking_cite(a, a, g, err);
    rag_buf_free(&b);
    if (rc) {
        free(text);
        return rc;
    }
    finish(a, status, text);
    return 0;
}

int rag_asking_extract(rag_asking *a, const char *reason, rag_error *err) {
    rag_grounding g = {0};
    int rc =
        rag_ground_extract(rag_buf_str(&a->question), a->lang, &a->evidence,
                           a->passages, a->p->parts.sentences, &g, err);
    if (!rc && g.verdict != RAG_GROUND_OK)
        rc = rag_asking_refuse(a, "no extract", err);
    else if (!rc) {
        because(a, reason);
        rc = rag_asking_grounded(a, RAG_ANSWER_EXTRACT, "", &g, err);
    }
    rag_grounding_free(&g);
    return rc;
}

void rag_answer_free(rag_answer *a) {
    drop_sources(a);
    for (size_t i = 0; i < a->nchoices; i++) {
        free(a->choices[i].doc);
        free(a->choices[i].question);
    }
    free(a->choices);
    for (size_t i = 0; i < a->nwarnings; i++)
        free(a->warnings[i]);
    free(a->question);
    free(a->text);
    free(a->shortest);
    free(a->model);
    free(a->said);
    free(a->masked);
    memset(a, 0, sizeof *a);
}
