/*
 * pipeline_generate.c - prompt, generator, and grounding while it streams.
 *
 * Text reaches the one who asked only after it passed the checks: sentence by
 * sentence, as rag_ground_stream lets it through, and from the moment on when
 * what was said so far is likely enough and rests on the right place. Nothing
 * given out is taken back: if what follows fails, the answer ends before it.
 * Called on the request's thread; the generator's token callback runs on it
 * too.
 */
#include "daemon/pipeline_int.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/terms.h"
#include "base/unicode.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bytes of a generated answer that is a span rather than a sentence. */
#define SPAN_MAX 120
/* What passed the gate once is asked for less the second time: together the
 * two steps then refuse about a tenth of what could be answered. */
#define SECOND_SHARE 0.75
#define WAIT_SLICE_MS 50 /* how often one who waits looks for its client */
/* A model that is starting is waited for so long: a few seconds for an
 * answer are better than an extract at once. */
#define START_PATIENCE_MS 8000.0

/* ---- taking turns ---------------------------------------------------------------- */

static void soon(struct timespec *t) {
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_nsec += WAIT_SLICE_MS * 1000000L;
    if (t->tv_nsec >= 1000000000L) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000L;
    }
}

/* Waits for one of the generator's slots. So few may wait that workers stay
 * free for approved answers and searches. */
static int turn_take(rag_asking *a, rag_error *err) {
    rag_pipeline *p = a->p;
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    if (p->generating >= (unsigned)a->config->parallel &&
        p->waiting >= (unsigned)a->config->waiting) {
        pthread_mutex_unlock(&p->lock);
        return rag_error_set(err, RAG_E_BUSY,
                             "too many questions wait for the model: try "
                             "again in a few seconds");
    }
    p->waiting++;
    while (p->generating >= (unsigned)a->config->parallel && !rc) {
        struct timespec until;
        soon(&until);
        pthread_cond_timedwait(&p->turn, &p->lock, &until);
        if (rag_clock_ms() > a->deadline_ms)
            rc = rag_error_set(err, RAG_E_TIMEOUT,
                               "no turn with the model in time");
        else if (rag_asking_cancelled(a))
            rc = rag_error_set(err, RAG_E_CANCELLED, "the client has gone");
    }
    p->waiting--;
    if (!rc)
        p->generating++;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static void turn_give(rag_pipeline *p) {
    pthread_mutex_lock(&p->lock);
    p->generating--;
    pthread_cond_signal(&p->turn);
    pthread_mutex_unlock(&p->lock);
}

/* ---- releasing what has been checked ------------------------------------------------ */

typedef struct speaking {
    rag_asking *a;
    const rag_prompt *prompt;
    rag_generation *gen;
    rag_ground_stream *stream; /* judges what is said */
    rag_buf passed; /* judged well, not yet given out */
    rag_grounding best; /* the extract that would be given without a model */
    bool given; /* something was given out: what passes follows at once */
    bool late; /* the deadline stopped it */
    rag_error err;
} speaking;

/* Whether what the model said, and how much it doubted, leaves the evidence
 * likely enough. */
static bool trusted(speaking *s, const rag_grounding *g) {
    double least = rag_asking_gate(s->a);
    if (!s->a->evidence.named) /* it has passed the first step */
        least *= SECOND_SHARE;
    return rag_asking_judge(s->a, s->gen->refusal_logprob, g, &s->err) == 0 &&
           s->a->probability >= least;
}

static const char *cited_doc(const rag_asking *a, const rag_citation *c) {
    return a->passages[a->evidence.items[c->item].passage].doc;
}

#define WORDS_MAX 32

/* Hashes of the content words of a text, each once. */
typedef struct words {
    uint64_t of[WORDS_MAX];
    size_t n;
} words;

static int add_word(void *user, const rag_term *t) {
    words *w = user;
    uint64_t h = rag_hash_fast(t->text, t->len);
    for (size_t i = 0; i < w->n; i++)
        if (w->of[i] == h)
            return 0;
    if (w->n < WORDS_MAX)
        w->of[w->n++] = h;
    return 0;
}

/* How many of the question's words a quote has. */
static size_t shared(const words *question, const char *quote) {
    words w = {.n = 0};
    size_t n = 0;
    if (rag_terms_content(quote, strlen(quote), add_word, &w, NULL))
        return 0;
    for (size_t i = 0; i < question->n; i++)
        for (size_t k = 0; k < w.n; k++)
            n += question->of[i] == w.of[k];
    return n;
}

/* Whether c, of the window ranked first, has more of the question's words than
 * the sentence ranked first. */
static bool speaks_more(const rag_asking *a, const rag_citation *c,
                        const rag_citation *best) {
    words q = {.n = 0};
    const char *s = rag_buf_str(&a->question);
    return c->item == best->item &&
           rag_terms_content(s, strlen(s), add_word, &q, NULL) == 0 &&
           shared(&q, c->quote) > shared(&q, best->quote);
}

/*
 * Whether the answer rests on the sentence that ranking put first: one of its
 * quotes is in it; without a reading model, goes on behind it, or stands beside
 * it and has more of the question's words. A small generator reads badly and
 * ranks not at all: where it looked elsewhere, the sentence itself was right
 * more than twice as often.
 */
static bool agrees(speaking *s, const rag_grounding *g) {
    rag_asking *a = s->a;
    bool read = a->evidence.read;
    if (s->best.verdict != RAG_GROUND_OK || !s->best.ncitations)
        return true; /* there is nothing better to say */
    const rag_citation *b = &s->best.citations[0];
    for (size_t i = 0; i < g->ncitations; i++) {
        const rag_citation *c = &g->citations[i];
        bool there = read ? c->start >= b->start && c->end <= b->end
                          : c->start < b->end && b->start < c->end;
        if (there && strcmp(cited_doc(a, c), cited_doc(a, b)) == 0)
            return true;
        if (!read && speaks_more(a, c, b))
            return true;
    }
    return false;
}

/* Gives out what has passed, once the answer so far may be given at all. */
static void give_out(speaking *s) {
    if (!s->passed.len)
        return;
    if (!s->given) {
        rag_grounding g;
        rag_ground_stream_view(s->stream, &g);
        s->given = trusted(s, &g) && agrees(s, &g);
    }
    if (!s->given)
        return;
    rag_asking_say(s->a, s->passed.data, s->passed.len);
    rag_buf_clear(&s->passed);
}

static int on_token(void *user, const char *piece, size_t len) {
    speaking *s = user;
    bool over = false;
    if (isnan(s->a->out->ms.first_token))
        s->a->out->ms.first_token = rag_clock_ms() - s->a->started_ms;
    if (rag_ground_stream_feed(s->stream, piece, len, &s->passed, &over,
                               &s->err))
        return 1;
    if (s->a->ask->on_text)
        give_out(s);
    return over;
}

static int gone(void *user) {
    speaking *s = user;
    if (rag_clock_ms() > s->a->deadline_ms)
        s->late = true;
    return s->late || rag_asking_cancelled(s->a);
}

/* ---- from generation to answer ---------------------------------------------------- */

/* Whether a sentence has a span, in whatever case the model wrote it. */
static bool has_span(const char *sentence, const char *span) {
    rag_buf a, b;
    rag_buf_init(&a, 0);
    rag_buf_init(&b, 0);
    bool has = rag_unicode_fold(sentence, strlen(sentence), &a, NULL) == 0 &&
               rag_unicode_fold(span, strlen(span), &b, NULL) == 0 &&
               strstr(rag_buf_str(&a), rag_buf_str(&b)) != NULL;
    rag_buf_free(&a);
    rag_buf_free(&b);
    return has;
}

/*
 * A bare span ("5 days [1]") is said as the sentence it stands in, which the
 * reader can judge; the span stays as the short answer. The sentence is the
 * one that ranking put first: agrees() has seen to that.
 */
static void say_in_full(speaking *s, rag_grounding *g) {
    if (!g->shortest || strlen(g->shortest) > SPAN_MAX || !s->best.answer ||
        !s->best.ncitations ||
        !has_span(s->best.citations[0].quote, g->shortest))
        return;
    char *span = g->shortest;
    g->shortest = NULL;
    rag_grounding_free(g);
    *g = s->best;
    memset(&s->best, 0, sizeof s->best);
    free(g->shortest);
    g->shortest = span;
}

static int cut_short(rag_asking *a, const rag_grounding *g, const char *why,
                     rag_error *err) {
    snprintf(a->out->reason, sizeof a->out->reason, "cut: %.120s", why);
    return rag_asking_grounded(a, RAG_ANSWERED, "", g, err);
}

static int settle(speaking *s, rag_error *err) {
    rag_asking *a = s->a;
    rag_grounding g = {0};
    int rc = rag_ground_stream_finish(s->stream, &s->passed, &g, err);
    if (rc)
        return rc;
    bool trust = trusted(s, &g);
    if (s->given) {
        give_out(s);
        rc = *g.reason ? cut_short(a, &g, g.reason, err)
                       : rag_asking_grounded(a, RAG_ANSWERED, "", &g, err);
    } else if (!trust) {
        rc = rag_asking_refuse(
            a, g.verdict == RAG_GROUND_REFUSED ? "model" : "doubt", err);
    } else if (g.verdict == RAG_GROUND_REFUSED) {
        rc = rag_asking_extract(a, "refused by the model", err);
    } else if (g.verdict == RAG_GROUND_FAILED) {
        char reason[sizeof a->out->reason];
        snprintf(reason, sizeof reason, "not grounded: %.120s", g.reason);
        rc = rag_asking_extract(a, reason, err);
    } else if (!agrees(s, &g)) {
        rc = rag_asking_extract(a, "the model read another place", err);
    } else {
        say_in_full(s, &g);
        rc = rag_asking_grounded(a, RAG_ANSWERED, "", &g, err);
    }
    rag_grounding_free(&g);
    return rc;
}

/* The generation ended before its end: what was given out is the answer. */
static int keep_given(speaking *s, const char *why, rag_error *err) {
    rag_grounding g;
    s->a->makeshift = true;
    rag_ground_stream_view(s->stream, &g);
    return cut_short(s->a, &g, why, err);
}

static int without_generator(rag_asking *a, const char *why, rag_error *err) {
    a->makeshift = true;
    rag_asking_warn(a,
                    "the generative model is not available (%s): this is "
                    "quoted from the documents, not generated",
                    why);
    rag_log(RAG_LOG_WARN, "ask.extract", RAG_S("why", why));
    return rag_asking_extract(a, "generator down", err);
}

static int run(speaking *s, rag_error *err) {
    rag_asking *a = s->a;
    const char *stop[5] = {0};
    for (size_t i = 0; i < 4; i++)
        stop[i] = s->prompt->stop[i];
    rag_generation_options opt = {.max_tokens = (int)a->config->max_tokens,
                                  .stop = stop,
                                  .on_token = on_token,
                                  .cancelled = gone,
                                  .user = s};
    rag_error why = {0};
    int rc =
        rag_generator_run(a->p->parts.generator, s->prompt, &opt, s->gen, &why);
    a->out->prompt_tokens = s->gen->prompt_tokens;
    a->out->cached_tokens = s->gen->cached_tokens;
    a->out->tokens = s->gen->tokens;
    if (!rc && s->gen->stopped && s->err.code) {
        rc = (int)s->err.code;
        why = s->err;
    }
    if (!rc)
        return settle(s, err);
    if (rag_asking_cancelled(a)) {
        if (err)
            *err = why;
        return RAG_E_CANCELLED;
    }
    if (s->late)
        rag_error_set(&why, RAG_E_TIMEOUT, "no answer in time");
    if (s->given)
        return keep_given(s, why.message, err);
    return without_generator(a, why.message, err);
}

/* Waits while the model starts; false when it is not there to be asked. */
static bool model_ready(rag_asking *a, rag_generator_status *state) {
    double until = rag_clock_ms() + START_PATIENCE_MS;
    for (;;) {
        rag_generator_describe(a->p->parts.generator, state);
        if (state->state != RAG_GENERATOR_STARTING || rag_clock_ms() >= until ||
            rag_asking_cancelled(a))
            return state->state == RAG_GENERATOR_READY;
        rag_clock_sleep_ms(WAIT_SLICE_MS);
    }
}

/*
 * What the model is shown. What it takes from elsewhere than the sentences
 * ranked first is not given (agrees()), so when a reading model ranked them,
 * it sees the windows they stand in and none after: half the prompt, half the
 * wait, and it strays less.
 */
static rag_evidence shown(const speaking *s) {
    rag_evidence ev = s->a->evidence;
    if (!ev.read || s->best.verdict != RAG_GROUND_OK || !s->best.ncitations)
        return ev;
    size_t n = 0;
    for (size_t i = 0; i < s->best.ncitations; i++)
        if (s->best.citations[i].item >= n)
            n = s->best.citations[i].item + 1;
    while (ev.n > n)
        ev.tokens -= ev.items[--ev.n].tokens;
    return ev;
}

int rag_asking_generate(rag_asking *a, rag_error *err) {
    rag_error why = {0};
    int rc = turn_take(a, &why);
    if (rc == RAG_E_TIMEOUT)
        return without_generator(a, why.message, err);
    if (rc) {
        if (err)
            *err = why;
        return rc;
    }
    rag_generator_status state;
    if (!model_ready(a, &state)) {
        turn_give(a->p);
        return without_generator(
            a, *state.message ? state.message : "it is not running", err);
    }
    rag_prompt prompt = {0};
    rag_generation gen = {.refusal_logprob = NAN};
    speaking s = {.a = a, .prompt = &prompt, .gen = &gen};
    rag_buf_init(&s.passed, 0);
    rc = rag_ground_extract(rag_buf_str(&a->question), a->lang, &a->evidence,
                            a->passages, a->p->parts.sentences, &s.best, err);
    if (!rc) {
        rag_evidence ev = shown(&s);
        rc = rag_prompt_build(a->p->parts.card, a->lang,
                              rag_buf_str(&a->question), &ev, &prompt, err);
    }
    if (!rc)
        rc = rag_str_dup(rag_card_name(a->p->parts.card), &a->out->model, err);
    if (!rc)
        rc = rag_ground_stream_open(rag_buf_str(&a->question), a->lang,
                                    prompt.refusal, &a->evidence, a->passages,
                                    a->p->parts.sentences, &s.stream, err);
    if (!rc)
        rc = run(&s, err);
    turn_give(a->p);
    rag_ground_stream_close(s.stream);
    rag_grounding_free(&s.best);
    rag_generation_free(&gen);
    rag_prompt_free(&prompt);
    rag_buf_free(&s.passed);
    return rc;
}
