/*
 * pipeline.c - the pipeline's life, its settings, and the steps of asking.
 *
 * The order of steps is DESIGN's "Asking"; each step either completes the
 * answer (done) or leaves it to the next. Called by the workers of http.
 */
#include "daemon/desk.h"
#include "daemon/pipeline_int.h"

#include "base/clock.h"
#include "base/terms.h"
#include "base/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FAQ_EXACT_MAX 8
#define FAQ_NEAR_K 8
#define PASSAGES_A_DOCUMENT 6
/* Of a document's lead over its passage's own score. Much of it comes from the
 * document's best passage, which says little of its other ones. */
#define DOCUMENT_SHARE 0.25
/* Passages far behind the best one distract a small model more than they
 * help: without a reader, which tells them apart, only those with at least this
 * share of its score are evidence. */
#define PASSAGE_SHARE 0.2

int rag_pipeline_open(const rag_pipeline_parts *parts, rag_config *config,
                      rag_pipeline **out, rag_error *err) {
    *out = NULL;
    rag_pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the pipeline");
    p->parts = *parts;
    int rc = rag_cache_open((size_t)config->cache_entries,
                            (size_t)config->cache_bytes, &p->cache, err);
    if (rc) {
        free(p);
        return rc;
    }
    p->config = rag_config_ref(config);
    p->started_ms = rag_clock_ms();
    rag_encoder_describe(parts->encoder, &p->encoder);
    if (parts->reader)
        rag_reader_describe(parts->reader, &p->reader);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->turn, &attr);
    pthread_condattr_destroy(&attr);
    *out = p;
    return 0;
}

void rag_pipeline_close(rag_pipeline *p) {
    if (!p)
        return;
    pthread_cond_destroy(&p->turn);
    pthread_mutex_destroy(&p->lock);
    rag_cache_close(p->cache);
    rag_config_unref(p->config);
    free(p);
}

void rag_pipeline_configure(rag_pipeline *p, rag_config *config) {
    pthread_mutex_lock(&p->lock);
    rag_config *old = p->config;
    p->config = rag_config_ref(config);
    p->settings++;
    pthread_mutex_unlock(&p->lock);
    rag_config_unref(old);
    rag_cache_limit(p->cache, (size_t)config->cache_entries,
                    (size_t)config->cache_bytes);
}

rag_config *rag_pipeline_config(rag_pipeline *p) {
    pthread_mutex_lock(&p->lock);
    rag_config *c = rag_config_ref(p->config);
    pthread_mutex_unlock(&p->lock);
    return c;
}

const rag_pipeline_parts *rag_pipeline_uses(const rag_pipeline *p) {
    return &p->parts;
}

void rag_pipeline_load_now(rag_pipeline *p, rag_pipeline_load *out) {
    pthread_mutex_lock(&p->lock);
    out->generating = p->generating;
    out->waiting = p->waiting;
    pthread_mutex_unlock(&p->lock);
    rag_cache_describe(p->cache, &out->cache);
}

/* ---- pieces that asking and searching share ------------------------------------ */

int rag_pipeline_question(const char *s, size_t n, rag_buf *out,
                          rag_error *err) {
    size_t bad;
    /* Twice the limit before cleaning: white space may shrink. */
    if (n > 2 * (size_t)RAG_QUESTION_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "question longer than %d bytes",
                             RAG_QUESTION_MAX);
    if (!rag_utf8_valid(s, n, &bad))
        return rag_error_set(err, RAG_E_DATA,
                             "question is not UTF-8 (byte %zu)", bad);
    int rc = rag_unicode_clean(s, n, out, err);
    if (rc)
        return rc;
    if (!out->len)
        return rag_error_set(err, RAG_E_DATA, "question is empty");
    if (out->len > RAG_QUESTION_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "question longer than %d bytes",
                             RAG_QUESTION_MAX);
    return 0;
}

int rag_pipeline_encode(rag_pipeline *p, const char *s, size_t n, float **out,
                        double *ms, rag_error *err) {
    double started = rag_clock_ms();
    float *v = calloc((size_t)p->encoder.dim, sizeof *v);
    *out = NULL;
    if (!v)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for a vector");
    rag_text text = {s, n};
    int rc = rag_encoder_encode(p->parts.encoder, RAG_TEXT_QUERY, &text, 1, v,
                                NULL, err);
    if (rc) {
        free(v);
        return rc;
    }
    *out = v;
    *ms = rag_clock_ms() - started;
    return 0;
}

/* ---- the steps -------------------------------------------------------------------- */

static int step_faq_exact(rag_asking *a, rag_error *err) {
    if (!a->config->faq)
        return 0;
    rag_buf key;
    rag_buf_init(&key, 0);
    double started = rag_clock_ms();
    int rc = rag_terms_key(a->question.data, a->question.len, &key, err);
    if (!rc && key.len && a->index)
        rc = rag_index_faq_exact(a->index, rag_buf_str(&key), key.len,
                                 a->ask->collection, 0, FAQ_EXACT_MAX,
                                 &a->exact, err);
    if (!rc && key.len)
        rc = rag_desk_exact(a->p->parts.desk, rag_buf_str(&key), key.len,
                            a->ask->collection, &a->exact, err);
    rag_buf_free(&key);
    a->out->ms.search = rag_clock_ms() - started;
    a->out->generation = a->exact.generation;
    if (rc || !a->exact.n)
        return rc;
    rag_faq_match m;
    rag_faq_decide_exact(&a->exact, &m);
    if (m.decision == RAG_FAQ_ANSWER)
        return rag_asking_faq(a, &a->exact.hits[m.best], err);
    return rag_asking_clarify(a, &a->exact, &m, err);
}

static int step_search(rag_asking *a, rag_error *err) {
    int rc = rag_pipeline_encode(a->p, a->question.data, a->question.len,
                                 &a->vector, &a->out->ms.embed, err);
    if (rc)
        return rc;
    rag_index_query q = {.text = a->question.data,
                         .len = a->question.len,
                         .vector = a->vector,
                         .k = (size_t)a->config->passages,
                         .chunks = PASSAGES_A_DOCUMENT,
                         .collection = a->ask->collection,
                         .kind = -1,
                         .vector_weight = -1};
    double started = rag_clock_ms();
    if (a->index)
        rc = rag_index_search(a->index, &q, &a->found, err);
    if (!rc)
        rc = rag_desk_join(a->p->parts.desk, rag_buf_str(&a->question),
                           a->vector, a->ask->collection, &a->found, err);
    a->out->ms.search += rag_clock_ms() - started;
    a->out->generation = a->found.generation;
    return rc;
}

static int step_faq_near(rag_asking *a, rag_error *err) {
    bool any = rag_desk_answers(a->p->parts.desk);
    for (size_t i = 0; i < a->found.n && !any; i++)
        any = a->found.hits[i].kind == RAG_DOC_FAQ;
    if (!a->config->faq || !any)
        return 0;
    rag_index_query q = {.text = a->question.data,
                         .len = a->question.len,
                         .vector = a->vector,
                         .k = FAQ_NEAR_K,
                         .collection = a->ask->collection,
                         .kind = RAG_DOC_FAQ,
                         .vector_weight = -1};
    double started = rag_clock_ms();
    int rc = a->index ? rag_index_search(a->index, &q, &a->near, err) : 0;
    if (!rc)
        rc = rag_desk_near(a->p->parts.desk, a->vector, a->ask->collection,
                           a->config->faq_cosine, &a->near, err);
    a->out->ms.search += rag_clock_ms() - started;
    rag_faq_match m;
    rag_faq_limits limits = {a->config->faq_cosine, a->config->faq_certainty};
    if (!rc)
        rc = rag_faq_decide_near(rag_buf_str(&a->question), &a->near, &limits,
                                 &m, err);
    if (rc || m.decision == RAG_FAQ_NONE)
        return rc;
    if (m.decision == RAG_FAQ_ANSWER)
        return rag_asking_faq(a, &a->near.hits[m.best], err);
    return rag_asking_clarify(a, &a->near, &m, err);
}

/* Cosines of texts with the question, for rag_evidence_select. */
static int cosines(void *user, const char *const *texts, const size_t *lens,
                   size_t n, double *out, rag_error *err) {
    rag_asking *a = user;
    size_t dim = (size_t)a->p->encoder.dim;
    rag_text *t = calloc(n, sizeof *t);
    float *v = calloc(n * dim, sizeof *v);
    int rc = RAG_E_NOMEM;
    if (!t || !v) {
        rag_error_set(err, RAG_E_NOMEM, "no memory for vectors");
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        t[i] = (rag_text){texts[i], lens[i]};
    rc = rag_encoder_encode(a->p->parts.encoder, RAG_TEXT_PASSAGE, t, n, v,
                            NULL, err);
    for (size_t i = 0; i < n && !rc; i++) {
        out[i] = 0;
        for (size_t d = 0; d < dim; d++)
            out[i] += (double)v[i * dim + d] * a->vector[d];
    }
out:
    free(t);
    free(v);
    return rc;
}

/* What the card's model was made for, within what the settings allow; a card
 * may leave it open (0). */
static size_t least(size_t card, size_t setting) {
    return card && card < setting ? card : setting;
}

rag_passage rag_pipeline_passage(const rag_index_hit *h) {
    return (rag_passage){.doc = h->doc,
                         .title = h->title,
                         .heading = h->heading,
                         .chunk = h->chunk,
                         .text = h->text,
                         .start = h->start,
                         .len = h->end - h->start,
                         .score = h->score};
}

/* Puts a hit among the passages, best first by its own score and a share of
 * its document's. Without a reader it is the document's score alone, so that a
 * document's passages stay together: the gate of that case was fitted so. */
static void add_passage(rag_asking *a, size_t hit) {
    const rag_index_hit *h = &a->found.hits[hit];
    rag_passage p = rag_pipeline_passage(h);
    size_t at = a->npassages++;
    if (a->p->parts.reader)
        p.score = h->own + DOCUMENT_SHARE * (h->score - h->own);
    for (; at && a->passages[at - 1].score < p.score; at--) {
        a->passages[at] = a->passages[at - 1];
        a->hit_of[at] = a->hit_of[at - 1];
    }
    a->hit_of[at] = hit;
    a->passages[at] = p;
}

static int step_evidence(rag_asking *a, rag_error *err) {
    if (!a->found.n)
        return rag_asking_refuse(a, "nothing found", err);
    a->passages = calloc(a->found.n, sizeof *a->passages);
    a->hit_of = calloc(a->found.n, sizeof *a->hit_of);
    if (!a->passages || !a->hit_of)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for passages");
    double floor = 0;
    bool past; /* an older version may be what is asked for */
    int rc = rag_names_year(a->question.data, a->question.len, &past, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < a->found.n; i++) {
        const rag_index_hit *h = &a->found.hits[i];
        bool contrary;
        if (i && h->superseded && !past)
            continue;
        if (a->npassages && h->score < floor && !a->p->parts.reader)
            continue;
        rc = rag_asking_contrary(a, h, &contrary, err);
        if (rc)
            return rc;
        if (contrary)
            continue;
        /* Hangs on the best that is not contrary; scores may be negative. */
        if (!a->npassages)
            floor = h->score - (1 - PASSAGE_SHARE) * fabs(h->score);
        add_passage(a, i);
    }
    /* What the reader does not read is no evidence. */
    if (a->p->parts.reader && a->npassages > (size_t)a->config->read_passages)
        a->npassages = (size_t)a->config->read_passages;
    rag_similarity similar = {cosines, a};
    rag_reading_lent reading = {(size_t)a->config->read_passages,
                                rag_asking_read, a};
    rag_evidence_options opt = {0};
    if (a->p->parts.card)
        rag_card_windows(a->p->parts.card, a->lang, &opt);
    if (a->p->parts.reader)
        opt.reading = &reading;
    else
        opt.similar = &similar;
    opt.max_tokens = least(opt.max_tokens, (size_t)a->config->evidence_tokens);
    opt.max_items = least(opt.max_items, (size_t)a->config->evidence_items);
    if (!a->npassages)
        return rag_asking_refuse(a, "only opposites", err);
    rc = rag_asking_tables(a, err);
    if (!rc && a->index)
        rc = rag_index_other_words(a->index, a->question.data, a->question.len,
                                   &a->other_words, err);
    opt.also = rag_buf_str(&a->other_words);
    if (!rc)
        rc = rag_evidence_select(rag_buf_str(&a->question), a->passages,
                                 a->npassages, &opt, a->p->parts.sentences,
                                 &a->evidence, err);
    if (rc)
        return rc;
    a->out->dropped = a->evidence.dropped;
    if (!a->evidence.n)
        return rag_asking_refuse(a, "no evidence", err);
    if (a->evidence.unknown_code)
        return rag_asking_refuse(a, "unknown code", err);
    return 0;
}

static int step_gate(rag_asking *a, rag_error *err) {
    int rc = rag_asking_judge(a, NAN, NULL, err);
    /* The very code that is asked about is evidence enough to read on: rows of
     * tables are far from questions in meaning. */
    if (!rc && !a->evidence.named && a->probability < rag_asking_gate(a))
        rc = rag_asking_refuse(a, "gate", err);
    return rc;
}

/* True when none of the evidence is in the question's language: the small
 * model would have to translate, and what it says could not be checked. */
static bool other_language(const rag_asking *a) {
    for (size_t i = 0; i < a->evidence.n; i++) {
        const rag_evidence_item *it = &a->evidence.items[i];
        const char *lang = rag_unicode_lang(it->text, it->end - it->start);
        if (!*lang || strcmp(lang, a->lang) == 0)
            return false;
    }
    return true;
}

static int step_answer(rag_asking *a, rag_error *err) {
    if (other_language(a))
        return rag_asking_extract(a, "other language", err);
    if (!a->p->parts.generator)
        return rag_asking_extract(a, "no generator", err);
    return rag_asking_generate(a, err);
}

typedef int (*step)(rag_asking *a, rag_error *err);

static int run_steps(rag_asking *a, const step *steps, size_t n,
                     rag_error *err) {
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        if (rag_asking_cancelled(a))
            return rag_error_set(err, RAG_E_CANCELLED, "the client has gone");
        rc = steps[i](a, err);
        if (rc || a->done)
            break;
    }
    return rc;
}

int rag_asking_find(rag_asking *a, rag_error *err) {
    static const step steps[] = {step_search, step_evidence, step_gate};
    return run_steps(a, steps, sizeof steps / sizeof steps[0], err);
}

/* What was borrowed for one question, but for the index and the settings. */
void rag_asking_close(rag_asking *a) {
    rag_index_result_free(&a->exact);
    rag_index_result_free(&a->near);
    rag_index_result_free(&a->found);
    rag_asking_tables_free(a);
    free(a->passages);
    free(a->hit_of);
    free(a->vector);
    rag_buf_free(&a->question);
    rag_buf_free(&a->key);
    rag_buf_free(&a->other_words);
}

int rag_pipeline_ask(rag_pipeline *p, const rag_ask *ask, rag_answer *out,
                     rag_error *err) {
    static const step steps[] = {
        step_faq_exact, rag_asking_recall, step_search,
        step_faq_near,  rag_asking_parts,  step_evidence,
        step_gate,      rag_asking_entry,  step_answer};
    memset(out, 0, sizeof *out);
    out->ms = (rag_timings){NAN, NAN, NAN, NAN, NAN, NAN};
    out->confidence = NAN;
    out->lang = "";
    rag_asking a = {.p = p, .ask = ask, .out = out};
    a.started_ms = rag_clock_ms();
    pthread_mutex_lock(&p->lock);
    a.config = rag_config_ref(p->config);
    a.settings = p->settings;
    pthread_mutex_unlock(&p->lock);
    a.deadline_ms = a.started_ms + (double)a.config->answer_ms;
    a.probability = NAN;
    rag_buf_init(&a.question, 0);
    rag_buf_init(&a.key, 0);
    rag_buf_init(&a.other_words, 0);
    int rc = rag_pipeline_question(ask->question, ask->len, &a.question, err);
    if (rc || (rc = rag_asking_begin(&a, err)))
        goto out;
    a.lang = rag_unicode_lang(a.question.data, a.question.len);
    if (!*a.lang)
        a.lang = strcmp(a.config->language, "en") == 0 ? "en" : "ko";
    out->lang = a.lang;
    rc = rag_str_dup(rag_buf_str(&a.question), &out->question, err);
    a.opened = rag_serving_opened(p->parts.store);
    if (!rc)
        rc = rag_serving_borrow(p->parts.store, &a.index, err);
    /* Before the first documents come the desk may have entries. */
    if (rc == RAG_E_NOINPUT && rag_desk_answers(p->parts.desk))
        rc = 0;
    if (rc)
        goto out;
    rc = run_steps(&a, steps, sizeof steps / sizeof steps[0], err);
    rag_asking_share(&a, rc == 0);
    out->ms.total = rag_clock_ms() - a.started_ms;
    if (!rc)
        rag_asking_record(&a);
out:
    rag_serving_return(p->parts.store, a.index);
    rag_asking_close(&a);
    rag_config_unref(a.config);
    return rc;
}

/* ---- searching ----------------------------------------------------------------------- */

int rag_pipeline_search(rag_pipeline *p, const rag_search *s, rag_found *out,
                        rag_error *err) {
    memset(out, 0, sizeof *out);
    double started = rag_clock_ms();
    rag_index *ix = NULL;
    float *vector = NULL;
    rag_buf query;
    rag_buf_init(&query, 0);
    int rc = rag_pipeline_question(s->query, s->len, &query, err);
    if (rc || (rc = rag_serving_borrow(p->parts.store, &ix, err)))
        goto out;
    rc = rag_pipeline_encode(p, query.data, query.len, &vector, &out->embed_ms,
                             err);
    if (rc)
        goto out;
    rag_index_query q = {.text = query.data,
                         .len = query.len,
                         .vector = vector,
                         .k = s->k,
                         .chunks = s->chunks,
                         .collection = s->collection,
                         .lang = s->lang,
                         .kind = -1,
                         .vector_weight = s->weight};
    double before = rag_clock_ms();
    rc = rag_index_search(ix, &q, &out->result, err);
    rag_desk_hide(p->parts.desk, &out->result);
    out->search_ms = rag_clock_ms() - before;
    if (!rc)
        rc = rag_buf_steal(&query, &out->query, NULL, err);
    out->total_ms = rag_clock_ms() - started;
out:
    rag_serving_return(p->parts.store, ix);
    free(vector);
    rag_buf_free(&query);
    return rc;
}

void rag_found_free(rag_found *f) {
    rag_index_result_free(&f->result);
    free(f->query);
    memset(f, 0, sizeof *f);
}
