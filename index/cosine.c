/*
 * cosine.c - exact cosines of a search's candidates: with the question, and
 * with the best document.
 *
 * A chunk can have several vectors: its own, one for each question of a FAQ,
 * one for each part (sentence). Those that only the words found have no
 * cosine yet, and an approximate search need not give all of a chunk's
 * vectors, so all are computed here, one call a segment. Where the index leaves
 * those of parts out, the store's are used, and where it has compressed ones,
 * the store's for those that can be among the hits: what a code of a byte a
 * dimension is off by, a thousandth, matters only there. Any thread.
 */
#include "index/search_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a segment, by their codes, so many are corrected at least; and how many
 * times the documents asked for. */
#define CORRECTED 64
#define CORRECTED_TIMES 4

/* Scores of vectors of the candidates of one segment, in their order. */
typedef struct batch {
    int64_t *positions;
    float *scores;
    size_t n;
} batch;

static const rag_segment *segment_of(const rag_search *s, int which) {
    return which ? s->g->tail : s->g->base;
}

/* first_only: a chunk's first vector, else all of them. */
static int make_batch(const rag_search *s, int which, const float *q,
                      bool first_only, batch *b, rag_error *err) {
    const rag_segment *seg = segment_of(s, which);

    memset(b, 0, sizeof(*b));
    for (size_t i = 0; i < s->n; i++)
        if (s->c[i].segment == which)
            b->n += seg->vec_start[s->c[i].at + 1] - seg->vec_start[s->c[i].at];
    b->positions = malloc((b->n + 1) * sizeof(*b->positions));
    b->scores = malloc((b->n + 1) * sizeof(*b->scores));
    if (b->positions == NULL || b->scores == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    b->n = 0;
    for (size_t i = 0; i < s->n; i++) {
        uint32_t from, to;

        if (s->c[i].segment != which)
            continue;
        from = seg->vec_start[s->c[i].at];
        to = seg->vec_start[s->c[i].at + 1];
        for (uint32_t j = from; j < to && (!first_only || j == from); j++)
            b->positions[b->n++] = seg->vec_list[j];
    }
    return seg->ann
               ? rag_ann_scores(seg->ann, q, b->positions, b->n, b->scores, err)
               : 0;
}

/* ---- vectors of the store --------------------------------------------------- */

typedef struct best {
    const float *q;
    size_t dim;
    int64_t chunk;
    double score; /* the largest so far; -2: none */
} best;

static int take_best(void *user, const rag_vec_raw *v) {
    best *b = user;
    float sum = 0;

    if (v->chunk != b->chunk)
        return 0;
    for (size_t i = 0; i < b->dim; i++)
        sum += b->q[i] * rag_half_to(v->half[i]);
    if ((double)sum > b->score)
        b->score = (double)sum;
    return 0;
}

/* The best cosine of vectors [from, to) of a chunk; -2 when there are none. */
static int stored_cosine(const rag_search *s, const float *q, int64_t chunk,
                         int64_t from, int64_t to, double *out,
                         rag_error *err) {
    const rag_store_meta *m = &s->g->meta;
    best b = {q, (size_t)m->dim, chunk, -2};
    int rc = rag_store_vector_range(s->store, from, to, m, take_best, &b, err);

    *out = b.score;
    return rc;
}

static int by_falling(const void *x, const void *y) {
    const float *a = x, *b = y;

    return *a > *b ? -1 : *a < *b;
}

/* The score from which on codes are not enough. */
static int worth_correcting(const rag_search *s, const batch *b,
                            rag_ann_kind kind, float *least, rag_error *err) {
    size_t n = CORRECTED_TIMES * s->query->k;
    float *sorted;

    n = n < CORRECTED ? CORRECTED : n;
    *least = -INFINITY;
    if (kind == RAG_ANN_IVF4 || b->n <= n)
        return 0;
    sorted = malloc(b->n * sizeof(*sorted));
    if (sorted == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    memcpy(sorted, b->scores, b->n * sizeof(*sorted));
    qsort(sorted, b->n, sizeof(*sorted), by_falling);
    *least = sorted[n - 1];
    free(sorted);
    return 0;
}

/* Exact scores instead of those of a compressed index. */
static int correct(const rag_search *s, int which, const float *q, batch *b,
                   rag_error *err) {
    const rag_segment *seg = segment_of(s, which);
    float least;
    int rc = worth_correcting(s, b, rag_ann_kind_of(seg->ann), &least, err);

    for (size_t i = 0; i < b->n && rc == 0; i++) {
        const rag_vec_row *v = &seg->vecs[b->positions[i]];
        double score;

        if (b->scores[i] < least)
            continue;
        rc = stored_cosine(s, q, seg->chunks[v->chunk].id, v->id, v->id + 1,
                           &score, err);
        if (score > -2)
            b->scores[i] = (float)score;
    }
    return rc;
}

static void free_batch(batch *b) {
    free(b->positions);
    free(b->scores);
}

/* A chunk's cosine: its own (or its best question's), mixed with its best
 * part's; part is that of parts that are only in the store, or -2. Extra text
 * only raises it in the ranking. */
static void mix(rag_search *s, rag_candidate *c, const rag_segment *seg,
                const float *scores, double part) {
    uint32_t from = seg->vec_start[c->at], to = seg->vec_start[c->at + 1];
    double whole = -2, extra = -2, share = s->tuning->sentence;

    c->fine |= part > -2;
    for (uint32_t j = from; j < to; j++) {
        const rag_vec_row *v = &seg->vecs[seg->vec_list[j]];
        double score = scores[j - from];

        c->fine |= v->role != RAG_VECTOR_CHUNK && v->role != RAG_VECTOR_EXTRA;
        if (v->role == RAG_VECTOR_EXTRA) {
            extra = score > extra ? score : extra;
        } else if (v->role == RAG_VECTOR_SENTENCE) {
            part = score > part ? score : part;
        } else if (score > whole) {
            whole = score;
            c->question = v->role == RAG_VECTOR_QUESTION ? v->ord : -1;
        }
    }
    c->has_vector = whole > -2 || part > -2;
    if (!c->has_vector)
        return;
    c->plain = whole == -2  ? part
               : part == -2 ? whole
                            : (1 - share) * whole + share * part;
    if (c->plain > s->best_cosine)
        s->best_cosine = c->plain;
    c->vector = c->plain;
    if (extra > c->plain)
        c->vector += s->tuning->extra * (extra - c->plain);
}

static int segment_cosines(rag_search *s, int which, rag_error *err) {
    const rag_segment *seg = segment_of(s, which);
    const float *q = s->query->vector;
    size_t at = 0;
    batch b;
    int rc = make_batch(s, which, q, false, &b, err);

    if (rc == 0 && !rag_ann_exact(seg->ann))
        rc = correct(s, which, q, &b, err);
    for (size_t i = 0; i < s->n && rc == 0 && seg->ann; i++) {
        rag_candidate *c = &s->c[i];
        double part = -2;

        if (c->segment != which)
            continue;
        if (seg->parts && seg->parts[c->at].n > 0) {
            const rag_part_row *p = &seg->parts[c->at];

            rc = stored_cosine(s, q, c->id, p->first, p->first + p->n, &part,
                               err);
        }
        if (rc == 0)
            mix(s, c, seg, b.scores + at, part);
        at += seg->vec_start[c->at + 1] - seg->vec_start[c->at];
    }
    free_batch(&b);
    return rc;
}

int rag_search_cosines(rag_search *s, rag_error *err) {
    int rc = segment_cosines(s, 0, err);

    return rc == 0 ? segment_cosines(s, 1, err) : rc;
}

/* The best document's vector; *v is owned, NULL when it has none. */
static int best_vector(const rag_search *s, const rag_fusion *f, float **v,
                       rag_error *err) {
    const rag_candidate *top = &s->c[f->docs[0].first];
    const rag_segment *seg = segment_of(s, top->segment);
    int rc;

    *v = NULL;
    if (seg->ann == NULL ||
        seg->vec_start[top->at] == seg->vec_start[top->at + 1])
        return 0;
    *v = malloc((size_t)s->g->meta.dim * sizeof(**v));
    if (*v == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = rag_ann_vector(seg->ann, seg->vec_list[seg->vec_start[top->at]], *v,
                        err);
    if (rc != 0) {
        free(*v);
        *v = NULL;
    }
    return rc;
}

int rag_search_likeness(rag_search *s, const rag_fusion *f, rag_error *err) {
    float *v;
    int rc;

    if (f->n == 0)
        return 0;
    rc = best_vector(s, f, &v, err);
    if (rc != 0 || v == NULL)
        return rc;
    for (int which = 0; which < 2 && rc == 0; which++) {
        const rag_segment *seg = segment_of(s, which);
        size_t at = 0;
        batch b;

        rc = make_batch(s, which, v, true, &b, err);
        for (size_t i = 0; i < s->n && rc == 0 && seg->ann; i++) {
            rag_candidate *c = &s->c[i];

            if (c->segment == which &&
                seg->vec_start[c->at] < seg->vec_start[c->at + 1])
                c->likeness = b.scores[at++];
        }
        free_batch(&b);
    }
    free(v);
    return rc;
}
