/*
 * reader.c - the reader: questions and passages as pairs through the engine.
 *
 * A call splits the question once and each passage with the places of its
 * tokens, joins them as the model's family does, and hands the pairs, longest
 * first, to the engine under the reader's lock. The engine's threads leave
 * three numbers a token; the spans are chosen on the caller's thread.
 */
#include "embed/reader_int.h"

#include "base/buf.h"
#include "base/unicode.h"
#include "embed/engine.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_PAIRS 256u /* pairs that are run together */
#define SPECIAL_MAX 4u /* <s> question </s></s> passage </s> */

struct rag_reader {
    rag_engine *engine;
    char *name;
    pthread_mutex_t lock; /* around the engine's runs */
};

/* One pair: ids [first, first + len) as split. Of these, counted from first,
 * the passage with its prefix begins at second, and the passage's own tokens
 * are [body, body + n). */
typedef struct pair {
    size_t text, first, len, second, body, n;
} pair;

/* The pairs of a window. All arrays are by token, in the order of pairs. */
typedef struct window {
    const rag_adapter *adapter;
    rag_ids ids; /* as split, with places in the passage */
    pair *pairs;
    size_t *start;
    int32_t *sorted;
    unsigned char *second;
    float *begin, *end, *answer; /* logits; answer by pair */
} window;

static void window_free(window *w) {
    rag_ids_free(&w->ids);
    free(w->pairs);
    free(w->start);
    free(w->sorted);
    free(w->second);
    free(w->begin);
    free(w->end);
    free(w->answer);
}

static int oom(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory for the reader");
}

/* Appends at most max ids of prefix and text; *cut: there were more. Places
 * are then those in the text; *own: the first id that is not the prefix's. */
static int split(const rag_reader *r, const char *prefix, const rag_text *t,
                 size_t max, rag_ids *ids, size_t *own, bool *cut,
                 rag_error *err) {
    size_t before = ids->n, skip = strlen(prefix);
    rag_buf joined;
    int rc = 0;
    rag_buf_init(&joined, SIZE_MAX);
    if (skip > 0 && (rc = rag_buf_reserve(&joined, skip + t->len, err)) == 0) {
        (void)rag_buf_append(&joined, prefix, skip, NULL);
        (void)rag_buf_append(&joined, t->s, t->len, NULL);
    }
    if (rc == 0) {
        rc = rag_tokenizer_encode(r->engine->tokenizer,
                                  skip > 0 ? joined.data : t->s, skip + t->len,
                                  false, ids->n + max, ids, err);
    }
    rag_buf_free(&joined);
    if (rc != 0) {
        return rc;
    }
    *cut = ids->n - before > max;
    ids->n = *cut ? before + max : ids->n;
    *own = before;
    for (size_t i = before; ids->with_places && i < ids->n; i++) {
        rag_range *p = &ids->place[i];
        *own += p->start < skip && p->end <= skip;
        p->start = p->start > skip ? p->start - skip : 0;
        p->end = p->end > skip ? p->end - skip : 0;
    }
    return 0;
}

/* Special tokens between and around the two texts: two separators in the
 * family of XLM-R, whose tokenizer is Unigram, one in BERT's. */
static int push(window *w, int32_t id, rag_error *err) {
    return rag_ids_push(&w->ids, id, NULL, err);
}

static int add_pair(const rag_reader *r, const rag_ids *question,
                    const rag_text *passage, window *w, pair *p, bool *cut,
                    rag_error *err) {
    const rag_tokenizer *t = r->engine->tokenizer;
    int32_t bos = rag_tokenizer_bos(t), eos = rag_tokenizer_eos(t);
    bool twice = rag_tokenizer_is_unigram(t);
    size_t room = w->adapter->max_tokens - question->n - (twice ? 4 : 3), own;
    int rc;
    p->first = w->ids.n;
    rc = push(w, bos, err);
    for (size_t i = 0; rc == 0 && i < question->n; i++) {
        rc = push(w, question->v[i], err);
    }
    rc = rc != 0 ? rc : push(w, eos, err);
    if (rc == 0 && twice) {
        rc = push(w, eos, err);
    }
    if (rc != 0) {
        return rc;
    }
    p->second = w->ids.n - p->first;
    rc = split(r, w->adapter->passage_prefix, passage, room, &w->ids, &own, cut,
               err);
    if (rc != 0) {
        return rc;
    }
    p->body = own - p->first;
    p->n = w->ids.n - own;
    rc = push(w, eos, err);
    p->len = w->ids.n - p->first;
    return rc;
}

static int longer_first(const void *a, const void *b) {
    const pair *x = a, *y = b;
    if (x->len != y->len) {
        return x->len < y->len ? 1 : -1;
    }
    return (x->text > y->text) - (x->text < y->text);
}

static int window_fill(const rag_reader *r, const rag_ids *question,
                       const rag_text *passages, size_t n, rag_reading *out,
                       window *w, rag_error *err) {
    bool two_types = !rag_tokenizer_is_unigram(r->engine->tokenizer);
    size_t at = 0;
    w->ids.with_places = true;
    w->adapter = r->engine->adapter;
    w->pairs = malloc(n * sizeof(*w->pairs));
    w->start = malloc((n + 1) * sizeof(*w->start));
    w->answer = malloc(n * sizeof(*w->answer));
    if (!w->pairs || !w->start || !w->answer) {
        return oom(err);
    }
    for (size_t i = 0; i < n; i++) {
        bool cut = false;
        int rc;
        w->pairs[i].text = i;
        rc = add_pair(r, question, &passages[i], w, &w->pairs[i], &cut, err);
        if (rc != 0) {
            return rc;
        }
        out[i].truncated |= cut ? RAG_READ_CUT_PASSAGE : 0;
    }
    qsort(w->pairs, n, sizeof(*w->pairs), longer_first);
    w->sorted = malloc(w->ids.n * sizeof(*w->sorted));
    w->second = calloc(w->ids.n, 1);
    w->begin = malloc(w->ids.n * sizeof(*w->begin));
    w->end = malloc(w->ids.n * sizeof(*w->end));
    if (!w->sorted || !w->second || !w->begin || !w->end) {
        return oom(err);
    }
    for (size_t i = 0; i < n; at += w->pairs[i++].len) {
        const pair *p = &w->pairs[i];
        w->start[i] = at;
        memcpy(w->sorted + at, w->ids.v + p->first, p->len * sizeof(int32_t));
        if (two_types) {
            memset(w->second + at + p->second, 1, p->len - p->second);
        }
    }
    w->start[n] = at;
    return 0;
}

/* The heads of one pair, on a thread of the engine. */
static void heads(void *arg, size_t i, const float *x, size_t n) {
    window *w = arg;
    size_t at = w->start[i], h = w->adapter->hidden;
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
    const pair *p = &w->pairs[i];
    size_t at = w->start[i];
    rag_range *place = w->ids.place + p->first + p->body;
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
    out->answerable = w->answer[i];
    out->probability = 1 / (1 + expf(-z));
    out->none = w->begin[at] + w->end[at];
    return rag_read_spans(&t, out, err);
}

static int read_window(rag_reader *r, const rag_ids *question,
                       const rag_text *passages, size_t n, rag_reading *out,
                       rag_error *err) {
    window w = {0};
    int rc = window_fill(r, question, passages, n, out, &w, err);
    if (rc == 0) {
        rag_bert_batch b = {.ids = w.sorted,
                            .start = w.start,
                            .n = n,
                            .second = w.second,
                            .each = heads,
                            .arg = &w};
        pthread_mutex_lock(&r->lock);
        rc = rag_engine_run(r->engine, &b, NULL, err);
        pthread_mutex_unlock(&r->lock);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t text = w.pairs[i].text;
        rc = finish(&w, i, &passages[text], &out[text], err);
    }
    window_free(&w);
    return rc;
}

int rag_reader_read(rag_reader *r, const rag_text *question,
                    const rag_text *passages, size_t n, rag_reading *out,
                    rag_error *err) {
    const rag_adapter *a = r->engine->adapter;
    size_t max = (a->max_tokens - SPECIAL_MAX) / 2, own;
    rag_ids ids = {0};
    bool cut;
    int rc;
    if (max > RAG_READER_QUESTION_TOKENS) {
        max = RAG_READER_QUESTION_TOKENS;
    }
    rc = split(r, a->question_prefix, question, max, &ids, &own, &cut, err);
    for (size_t from = 0; rc == 0 && from < n; from += WINDOW_PAIRS) {
        size_t count = n - from < WINDOW_PAIRS ? n - from : WINDOW_PAIRS;
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
