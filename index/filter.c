/*
 * filter.c - which rows a question may find: collection, language, source,
 * kind, and what is valid at the time of asking.
 *
 * A look at every document and row, which at a million takes longer than the
 * search, so the last few are kept with the generation. What is valid changes
 * only at the first and last moments that documents name: a filter holds from
 * the one before to the one after the question. Any thread.
 */
#include "index/index_int.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static int no_memory(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory");
}

void rag_filter_release(rag_filter *f) {
    if (f == NULL || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(f->collection);
    free(f->lang);
    free(f->source);
    for (int i = 0; i < 4; i++)
        free(f->own[i]);
    free(f);
}

/* ---- documents ------------------------------------------------------------------- */

/* Narrows the time that f holds for by one moment: what has it, or is past
 * it, at `now` has so from `at` on. */
static void turn(rag_filter *f, int64_t at, int64_t now) {
    if (at <= now && at > f->from)
        f->from = at;
    if (at > now && at - 1 < f->until)
        f->until = at - 1;
}

static bool is_valid(rag_filter *f, const rag_doc_row *d, int64_t now) {
    if (d->from != RAG_TIME_NONE)
        turn(f, d->from, now);
    if (d->until != RAG_TIME_NONE && d->until < INT64_MAX)
        turn(f, d->until + 1, now);
    return (d->from == RAG_TIME_NONE || d->from <= now) &&
           (d->until == RAG_TIME_NONE || d->until >= now);
}

/* Which interned strings begin with prefix. */
static uint8_t *with_prefix(rag_interned *strings, const char *prefix) {
    size_t n = rag_interned_count(strings), len = strlen(prefix);
    uint8_t *match = calloc(n + 1, 1);

    for (size_t i = 0; match && i < n; i++)
        match[i] =
            strncmp(rag_interned_get(strings, (uint32_t)i), prefix, len) == 0;
    return match;
}

/* allowed[doc] for every document. */
static int allow(rag_filter *f, const rag_generation *g, rag_interned *strings,
                 int64_t now, uint8_t *allowed, rag_error *err) {
    uint32_t collection = UINT32_MAX, lang = UINT32_MAX;
    uint8_t *sources = NULL;

    if ((f->collection &&
         !rag_interned_find(strings, f->collection, &collection)) ||
        (f->lang && !rag_interned_find(strings, f->lang, &lang)))
        return 0; /* no document has it */
    if (f->source && (sources = with_prefix(strings, f->source)) == NULL)
        return no_memory(err);
    for (size_t i = 0; i < g->ndocs; i++) {
        const rag_doc_row *d = &g->docs[i];

        allowed[i] =
            !d->dead && (!f->collection || d->collection == collection) &&
            (!f->lang || d->lang == lang) && (!sources || sources[d->source]) &&
            (f->kind < 0 || d->kind == f->kind) &&
            (!f->validity || is_valid(f, d, now));
    }
    free(sources);
    return 0;
}

/* ---- rows -------------------------------------------------------------------------- */

static int spread(rag_filter *f, int which, const rag_segment *s,
                  const uint8_t *allowed, rag_error *err) {
    uint8_t *rows = calloc(s->nchunks / 8 + 1, 1);
    uint8_t *live = calloc(s->nvecs / 8 + 1, 1);

    f->rows[which] = f->own[which] = rows;
    f->live[which] = f->own[2 + which] = live;
    if (rows == NULL || live == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->nchunks; i++)
        if (allowed[s->chunks[i].doc]) {
            rows[i / 8] |= (uint8_t)(1u << (i % 8));
            f->live_rows[which]++;
        }
    for (size_t i = 0; i < s->nvecs; i++) {
        size_t row = s->vecs[i].chunk;

        if (rows[row / 8] >> row % 8 & 1) {
            live[i / 8] |= (uint8_t)(1u << (i % 8));
            f->live_vecs[which]++;
        }
    }
    return 0;
}

static int copy_string(const char *s, char **out, rag_error *err) {
    return s ? rag_str_dup(s, out, err) : 0;
}

static int make(rag_generation *g, rag_interned *strings,
                const rag_index_query *q, bool validity, int64_t now,
                rag_filter **out, rag_error *err) {
    rag_filter *f = calloc(1, sizeof(*f));
    uint8_t *allowed = NULL;
    int rc = f ? 0 : no_memory(err);

    *out = f;
    if (rc != 0)
        return rc;
    f->refs = 1;
    f->kind = q->kind;
    f->validity = validity;
    f->from = INT64_MIN;
    f->until = INT64_MAX;
    rc = copy_string(q->collection, &f->collection, err);
    if (rc == 0)
        rc = copy_string(q->lang, &f->lang, err);
    if (rc == 0)
        rc = copy_string(q->source, &f->source, err);
    if (rc == 0 && !f->collection && !f->lang && !f->source && f->kind < 0 &&
        !validity) { /* all that live */
        for (int i = 0; i < 2; i++) {
            f->live[i] = g->live[i];
            f->rows[i] = g->rows[i];
            f->live_vecs[i] = g->live_vecs[i];
            f->live_rows[i] = g->live_rows[i];
        }
        return 0;
    }
    if (rc == 0 && (allowed = calloc(g->ndocs + 1, 1)) == NULL)
        rc = no_memory(err);
    if (rc == 0)
        rc = allow(f, g, strings, now, allowed, err);
    if (rc == 0)
        rc = spread(f, 0, g->base, allowed, err);
    if (rc == 0)
        rc = spread(f, 1, g->tail, allowed, err);
    free(allowed);
    return rc;
}

/* ---- what is remembered ---------------------------------------------------------------- */

static bool same(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static rag_filter *recall(rag_generation *g, const rag_index_query *q,
                          bool validity, int64_t now) {
    for (int i = 0; i < RAG_INDEX_FILTERS_MAX && g->filters[i]; i++) {
        rag_filter *f = g->filters[i];

        if (f->kind != q->kind || f->validity != validity ||
            (validity && (now < f->from || now > f->until)) ||
            !same(f->collection, q->collection) || !same(f->lang, q->lang) ||
            !same(f->source, q->source))
            continue;
        memmove(g->filters + 1, g->filters, (size_t)i * sizeof(f));
        g->filters[0] = f;
        __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
        return f;
    }
    return NULL;
}

int rag_filter_get(rag_generation *g, rag_interned *strings,
                   const rag_index_query *q, rag_filter **out, rag_error *err) {
    bool validity = q->now != RAG_TIME_NONE && g->has_validity;
    int64_t now = q->now == 0 ? rag_clock_now() : q->now;
    rag_filter *oldest;
    int rc;

    pthread_mutex_lock(&g->lock);
    *out = recall(g, q, validity, now);
    pthread_mutex_unlock(&g->lock);
    if (*out)
        return 0;
    rc = make(g, strings, q, validity, now, out, err);
    if (rc != 0) {
        rag_filter_release(*out);
        *out = NULL;
        return rc;
    }
    pthread_mutex_lock(&g->lock);
    oldest = g->filters[RAG_INDEX_FILTERS_MAX - 1];
    memmove(g->filters + 1, g->filters,
            (RAG_INDEX_FILTERS_MAX - 1) * sizeof(*g->filters));
    g->filters[0] = *out;
    (*out)->refs++;
    pthread_mutex_unlock(&g->lock);
    rag_filter_release(oldest);
    return 0;
}
