/*
 * reader.c - the reader: questions and passages as pairs through the engine.
 *
 * A call makes the pairs (pairs.c) with the places of their tokens and hands
 * them to the engine under the reader's lock. The engine's threads leave
 * three numbers a token; the spans are chosen on the caller's thread.
 */
#include "embed/reader_int.h"

#include "base/buf.h"
#include "base/unicode.h"
#include "embed/engine.h"
#include "embed/pairs.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct rag_reader {
    rag_engine *engine;
    rag_pair_form form;
    char *name;
    pthread_mutex_t lock; /* around the engine's runs */
};

/* The pairs of a window and what the heads say of them. */
typedef struct window {
    const rag_adapter *adapter;
    rag_pairs pairs;
    float *begin, *end; /* logits by token */
    float *answer; /* logit by pair */
} window;

static void window_free(window *w) {
    rag_pairs_free(&w->pairs);
    free(w->begin);
    free(w->end);
    free(w->answer);
}

static int oom(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory for the reader");
}

/* The heads of one pair, on a thread of the engine. */
static void heads(void *arg, size_t i, const float *x, size_t n) {
    window *w = arg;
    size_t at = w->pairs.start[i], h = w->adapter->hidden;
    for (size_t j = 0; j < n; j++) {
        float answer;
        rag_adapter_heads(w->adapter, x + j * h, &w->begin[at + j],
                          &w->end[at + j], &answer);
        if (j == 0) {
            w->answer[i] = answer;
        }
    }
}

static bool is_space(const rag_text *t, size_t at) {
    uint32_t cp;
    (void)rag_utf8_next(t->s + at, t->len - at, &cp);
    return rag_unicode_class(cp) == RAG_CHAR_SPACE;
}

/* A place as a reading wants it, whatever a model's table did: whole
 * characters without white space around them, or empty. */
static void tidy(const rag_text *t, rag_range *p) {
    uint32_t cp;
    if (p->end <= p->start) {
        return;
    }
    p->start = rag_utf8_floor(t->s, t->len, p->start);
    while (rag_utf8_floor(t->s, t->len, p->end) != p->end) {
        p->end++;
    }
    while (p->start < p->end && is_space(t, p->start)) {
        p->start += rag_utf8_next(t->s + p->start, t->len - p->start, &cp);
    }
    while (p->start < p->end && is_space(t, rag_utf8_prev(t->s, p->end))) {
        p->end = rag_utf8_prev(t->s, p->end);
    }
}

/* Of all a passage's tokens. A span that starts with an empty one, such as a
 * space, starts where the next one does. */
static void tidy_all(const rag_text *t, rag_range *p, size_t n) {
    size_t next = t->len;
    while (n-- > 0) {
        tidy(t, &p[n]);
        if (p[n].end <= p[n].start) {
            p[n] = (rag_range){next, next};
        }
        next = p[n].start;
    }
}

static int finish(const window *w, size_t i, const rag_text *passage,
                  rag_reading *out, rag_error *err) {
    const rag_pair *p = &w->pairs.pair[i];
    size_t at = w->pairs.start[i];
    rag_range *place = w->pairs.ids.place + p->first + p->body;
    rag_read_tokens t = {w->begin + at + p->body, w->end + at + p->body, place,
                         p->n};
    float z = w->adapter->scale * w->answer[i] + w->adapter->bias;
    bool good = isfinite(w->answer[i]);
    for (size_t j = at; j < at + p->len; j++) {
        good = good && isfinite(w->begin[j]) && isfinite(w->end[j]);
    }
    if (!good) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: the reader computes what is no number",
                             rag_gguf_name(w->adapter->g));
    }
    tidy_all(passage, place, p->n);
    out->truncated |= p->cut ? RAG_READ_CUT_PASSAGE : 0;
    out->answerable = w->answer[i];
    out->probability = 1 / (1 + expf(-z));
    out->none = w->begin[at] + w->end[at];
    return rag_read_spans(&t, out, err);
}

static int read_window(rag_reader *r, const rag_ids *question,
                       const rag_text *passages, size_t n, rag_reading *out,
                       rag_error *err) {
    window w = {.adapter = r->engine->adapter};
    rag_pairs *p = &w.pairs;
    int rc = rag_pairs_fill(&r->form, question, passages, n, p, err);
    if (rc == 0) {
        w.begin = malloc(p->ids.n * sizeof(*w.begin));
        w.end = malloc(p->ids.n * sizeof(*w.end));
        w.answer = malloc(n * sizeof(*w.answer));
        rc = w.begin && w.end && w.answer ? 0 : oom(err);
    }
    if (rc == 0) {
        rag_bert_batch b = rag_pairs_batch(p, heads, &w);
        pthread_mutex_lock(&r->lock);
        rc = rag_engine_run(r->engine, &b, NULL, err);
        pthread_mutex_unlock(&r->lock);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t text = p->pair[i].text;
        rc = finish(&w, i, &passages[text], &out[text], err);
    }
    window_free(&w);
    return rc;
}

int rag_reader_read(rag_reader *r, const rag_text *question,
                    const rag_text *passages, size_t n, rag_reading *out,
                    rag_error *err) {
    rag_ids ids = {0};
    bool cut;
    int rc = rag_pairs_question(&r->form, question, &ids, &cut, err);
    for (size_t from = 0; rc == 0 && from < n; from += RAG_PAIRS_WINDOW) {
        size_t count =
            n - from < RAG_PAIRS_WINDOW ? n - from : RAG_PAIRS_WINDOW;
        memset(out + from, 0, count * sizeof(*out));
        for (size_t i = from; i < from + count; i++) {
            out[i].truncated = cut ? RAG_READ_CUT_QUESTION : 0;
        }
        rc = read_window(r, &ids, passages + from, count, out + from, err);
    }
    rag_ids_free(&ids);
    return rc;
}

int rag_reader_open(const char *encoder_gguf, const char *reader_gguf,
                    const rag_encoder_options *opt, rag_reader **out,
                    rag_error *err) {
    rag_reader *r = calloc(1, sizeof(*r));
    const char *name;
    size_t len;
    int rc;
    *out = NULL;
    if (!r || pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return oom(err);
    }
    rc = rag_engine_open(encoder_gguf, reader_gguf, opt, &r->engine, err);
    if (rc == 0 && !r->engine->adapter->heads) {
        rc = rag_error_set(err, RAG_E_UNSUPPORTED,
                           "%s is an encoder's adapter: it has no heads to "
                           "read with",
                           reader_gguf);
    }
    if (rc == 0) {
        rc = rag_gguf_string(r->engine->adapter->g, "general.name", "reader",
                             &name, &len, err);
    }
    if (rc == 0) {
        rc = rag_str_dup_n(name, len, &r->name, err);
    }
    if (rc != 0) {
        rag_reader_close(r);
        return rc;
    }
    r->form =
        (rag_pair_form){.tokenizer = r->engine->tokenizer,
                        .max_tokens = r->engine->adapter->max_tokens,
                        .question_max = RAG_READER_QUESTION_TOKENS,
                        .question_prefix = r->engine->adapter->question_prefix,
                        .passage_prefix = r->engine->adapter->passage_prefix,
                        .with_places = true};
    *out = r;
    return 0;
}

void rag_reader_close(rag_reader *r) {
    if (!r) {
        return;
    }
    rag_engine_close(r->engine);
    (void)pthread_mutex_destroy(&r->lock);
    free(r->name);
    free(r);
}

void rag_reader_describe(const rag_reader *r, rag_reader_info *out) {
    const rag_engine *e = r->engine;
    *out = (rag_reader_info){.name = r->name,
                             .max_tokens = (int)e->adapter->max_tokens,
                             .threads = e->threads,
                             .kernel = e->kernel};
    memcpy(out->fingerprint, e->fingerprint, sizeof(out->fingerprint));
}
