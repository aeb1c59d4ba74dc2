/*
 * cache_answer.c - which answers are kept, for whom, and for how long.
 *
 * A key is the state of the world (settings, store, its generation, desk,
 * quarter of an hour), who asks, which collection, and the question itself as
 * it was cleaned, to the letter. Nothing looser will do: spacing alone makes
 * "수수료 안내" (about fees) "수수료 안 내" (pays no fee), and folding makes
 * 10² of 102. Models, cards and gate cannot change while the process lives.
 *
 * Validity begins and ends at dates, which begin at a quarter of an hour
 * somewhere on earth; what a document says to the second is honoured where an
 * answer could have come from it.
 *
 * Called by pipeline.c on the request's thread.
 */
#include "daemon/desk.h"
#include "daemon/pipeline_int.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUARTER_SECONDS 900

typedef struct kept_answer {
    rag_cached head;
    rag_answer answer; /* without what belongs to one asking */
    float *vector; /* of a refused question, for the queue; or NULL */
} kept_answer;

static void destroy(rag_cached *v) {
    kept_answer *k = (kept_answer *)v;
    rag_answer_free(&k->answer);
    free(k->vector);
    free(k);
}

/* ---- keys -------------------------------------------------------------------- */

static int write_state(rag_asking *a, rag_buf *out, rag_error *err) {
    rag_index_stats s = {0};
    int rc = a->index ? rag_index_describe(a->index, &s, err) : 0;
    if (rc)
        return rc;
    return rag_buf_printf(
        out, err,
        "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n",
        a->settings, a->opened, s.generation,
        rag_desk_revision(a->p->parts.desk), rag_clock_now() / QUARTER_SECONDS);
}

static int write_key(rag_asking *a, rag_error *err) {
    const char *who = a->ask->principal ? a->ask->principal : "";
    const char *in = a->ask->collection;
    size_t n = a->question.len;
    while (n && strchr("?!. ", a->question.data[n - 1]))
        n--; /* how a question ends is not what it asks */
    rag_buf *b = &a->key;
    int rc = write_state(a, b, err);
    a->key_state = b->len;
    if (!rc)
        rc = rag_buf_printf(b, err, "%zu:%s%zu:%s%c", strlen(who), who,
                            in ? strlen(in) : 0, in ? in : "", in ? ' ' : '*');
    return rc ? rc : rag_buf_append(b, a->question.data, n, err);
}

/* ---- copies ------------------------------------------------------------------- */

static int copy_source(const rag_source *s, rag_source *out, size_t *bytes,
                       rag_error *err) {
    const struct {
        const char *from;
        char **to;
    } of[] = {{s->doc, &out->doc},
              {s->title, &out->title},
              {s->heading, &out->heading},
              {s->url, &out->url},
              {s->quote, &out->quote}};
    int rc = 0;
    *out = *s;
    for (size_t i = 0; i < 5; i++)
        *of[i].to = NULL;
    for (size_t i = 0; i < 5 && !rc; i++) {
        rc = rag_str_dup(of[i].from, of[i].to, err);
        *bytes += of[i].from ? strlen(of[i].from) + 1 : 0;
    }
    return rc;
}

static int copy_lists(const rag_answer *a, rag_answer *out, size_t *bytes,
                      rag_error *err) {
    int rc = 0;
    out->sources = calloc(a->nsources + 1, sizeof *out->sources);
    out->choices = calloc(a->nchoices + 1, sizeof *out->choices);
    if (!out->sources || !out->choices)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for an answer");
    *bytes += a->nsources * sizeof *a->sources;
    *bytes += a->nchoices * sizeof *a->choices;
    for (size_t i = 0; i < a->nsources && !rc; i++)
        rc = copy_source(&a->sources[i], &out->sources[out->nsources++], bytes,
                         err);
    for (size_t i = 0; i < a->nchoices && !rc; i++) {
        const rag_choice *c = &a->choices[i];
        rag_choice *to = &out->choices[out->nchoices++];
        rc = rag_str_dup(c->doc, &to->doc, err);
        if (!rc)
            rc = rag_str_dup(c->question, &to->question, err);
        *bytes += strlen(c->doc) + strlen(c->question) + 2;
    }
    return rc;
}

/* What does not belong to one asking: not its number, times, tokens, or the
 * words it was asked in. out holds the asking's own already, or nothing. */
static int copy_answer(const rag_answer *a, rag_answer *out, size_t *bytes,
                       rag_error *err) {
    out->status = a->status;
    out->lang = a->lang;
    out->confidence = a->confidence;
    out->nfeatures = a->nfeatures;
    memcpy(out->features, a->features, sizeof out->features);
    out->generation = a->generation;
    out->dropped = a->dropped;
    out->entry_version = a->entry_version;
    memcpy(out->reason, a->reason, sizeof out->reason);
    const struct {
        const char *from;
        char **to;
    } of[] = {{a->text, &out->text},
              {a->shortest, &out->shortest},
              {a->model, &out->model}};
    int rc = 0;
    for (size_t i = 0; i < 3 && !rc; i++) {
        rc = rag_str_dup(of[i].from, of[i].to, err);
        *bytes += of[i].from ? strlen(of[i].from) + 1 : 0;
    }
    return rc ? rc : copy_lists(a, out, bytes, err);
}

/* ---- looking ------------------------------------------------------------------- */

/* Who waits here waits for the model: so few may that workers stay free, and
 * a place is left for the one whose answer all wait for. */
static bool enter(void *user) {
    rag_asking *a = user;
    rag_pipeline *p = a->p;
    pthread_mutex_lock(&p->lock);
    bool room = p->waiting + 1 < (unsigned)a->config->waiting;
    p->waiting += room;
    pthread_mutex_unlock(&p->lock);
    return room;
}

static void leave(void *user) {
    rag_asking *a = user;
    pthread_mutex_lock(&a->p->lock);
    a->p->waiting--;
    pthread_mutex_unlock(&a->p->lock);
}

static bool gone(void *user) {
    const rag_asking *a = user;
    return rag_clock_ms() > a->deadline_ms || rag_asking_cancelled(a);
}

/* The answer as if it had been found just now: of this asking's number. */
static int give(rag_asking *a, const kept_answer *k, rag_error *err) {
    rag_answer *o = a->out;
    size_t bytes = 0, size = sizeof(float) * (size_t)a->p->encoder.dim;
    int rc = copy_answer(&k->answer, o, &bytes, err);
    o->cached = true;
    if (!rc && k->vector && (a->vector = malloc(size)))
        memcpy(a->vector, k->vector, size);
    if (rc)
        return rc;
    if (o->status == RAG_ANSWER_REFUSED) /* its text has a code of its own */
        return rag_asking_refuse(a, k->answer.reason, err);
    rag_asking_say(a, o->text, strlen(o->text));
    a->done = true;
    return 0;
}

int rag_asking_recall(rag_asking *a, rag_error *err) {
    const rag_cache_waiter w = {enter, leave, gone, a};
    rag_cached *v = NULL;
    if (a->ask->unrecorded) /* a rehearsal is to be played */
        return 0;
    int rc = write_key(a, err);
    if (rc)
        return rc;
    rag_cache_key key = {rag_buf_str(&a->key), a->key.len, a->key_state};
    rag_cache_begin(a->p->cache, &key, rag_clock_now(), &w, &v, &a->flight);
    if (v)
        rc = give(a, (const kept_answer *)v, err);
    rag_cached_unref(v);
    return rc;
}

/* ---- keeping -------------------------------------------------------------------- */

static int64_t sooner(int64_t until, const rag_index_result *r) {
    for (size_t i = 0; i < r->n; i++)
        if (r->hits[i].valid_until != RAG_TIME_NONE &&
            r->hits[i].valid_until < until)
            until = r->hits[i].valid_until;
    return until;
}

/* The last second at which all it could have come from is valid; 0 when the
 * world has changed since the question came. */
static int64_t valid_until(rag_asking *a) {
    rag_buf now;
    rag_buf_init(&now, 0);
    bool same = !write_state(a, &now, NULL) && now.len == a->key_state &&
                memcmp(now.data, a->key.data, now.len) == 0;
    rag_buf_free(&now);
    return same ? sooner(sooner(INT64_MAX, &a->found), &a->near) : 0;
}

static rag_cached *make(rag_asking *a) {
    kept_answer *k = calloc(1, sizeof *k);
    size_t bytes = sizeof *k, size = sizeof(float) * (size_t)a->p->encoder.dim;
    if (!k)
        return NULL;
    bool refused = a->out->status == RAG_ANSWER_REFUSED;
    bool failed = copy_answer(a->out, &k->answer, &bytes, NULL) != 0;
    if (refused) { /* the next one has another code in it */
        free(k->answer.text);
        k->answer.text = NULL;
    }
    if (!failed && refused && a->vector) {
        failed = !(k->vector = malloc(size));
        if (!failed)
            memcpy(k->vector, a->vector, size);
        bytes += size;
    }
    if (failed) {
        destroy(&k->head);
        return NULL;
    }
    atomic_init(&k->head.refs, 1);
    k->head.bytes = bytes;
    k->head.until = valid_until(a);
    k->head.destroy = destroy;
    return &k->head;
}

void rag_asking_share(rag_asking *a, bool answered) {
    if (!a->flight)
        return;
    rag_cache_end(a->p->cache, a->flight,
                  answered && !a->makeshift ? make(a) : NULL);
    a->flight = NULL;
}
