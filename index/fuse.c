/*
 * fuse.c - scores of both sides to one, chunks to documents.
 *
 * A document has the scores of its best chunk on each side (and a share of
 * its further ones). Both lists are z-normalised over the candidates and
 * added, weighted by what the question and the lists say of themselves.
 * Pure arithmetic, no state.
 */
#include "index/index_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct spread {
    double mean, sd;
} spread;

static int by_doc(const void *x, const void *y) {
    const rag_candidate *a = x, *b = y;

    if (a->doc != b->doc)
        return a->doc < b->doc ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_fused(const void *x, const void *y) {
    const rag_candidate *a = x, *b = y;

    if (a->fused != b->fused)
        return a->fused > b->fused ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_final(const void *x, const void *y) {
    const rag_ranked *a = x, *b = y;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->doc < b->doc ? -1 : a->doc > b->doc;
}

/* Best plus a share of the rest, which counts ever less. */
static double combine(const rag_candidate *c, size_t n, bool vector,
                      double share) {
    double best = -INFINITY, sum = 0;
    size_t rest = 0;

    for (size_t i = 0; i < n; i++) {
        double v = vector ? c[i].vector : c[i].lexical;

        if (vector && !c[i].has_vector)
            continue;
        if (v > best) {
            if (best > 0)
                sum += best;
            best = v;
        } else if (v > 0) {
            sum += v;
        }
        rest++;
    }
    if (rest == 0)
        return vector ? NAN : 0;
    return share > 0 && rest > 1 && !vector ? best + share * sum / (double)rest
                                            : best;
}

/* Adds v to sum, its square and the count; an unknown one is left out. */
static void note(double v, double *sum, double *square, size_t *m) {
    if (isnan(v))
        return;
    *sum += v;
    *square += v * v;
    ++*m;
}

/* A variance of `least` or less is rounding. */
static spread spread_from(double sum, double square, size_t m, double least) {
    spread s = {0, 1};

    if (m == 0)
        return s;
    s.mean = sum / (double)m;
    square = square / (double)m - s.mean * s.mean;
    s.sd = square > least ? sqrt(square) : 0;
    return s;
}

static spread spread_of(const rag_ranked *d, size_t n, bool vector) {
    double sum = 0, square = 0;
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        note(vector ? d[i].vector : d[i].lexical, &sum, &square, &m);
    return spread_from(sum, square, m, 1e-18);
}

/* Where there is one document, its chunks are what is compared. */
static spread spread_of_chunks(const rag_candidate *c, size_t n, bool vector) {
    double sum = 0, square = 0;
    size_t m = 0;

    for (size_t i = 0; i < n; i++)
        note(!vector           ? c[i].lexical
             : c[i].has_vector ? c[i].vector
                               : NAN,
             &sum, &square, &m);
    return spread_from(sum, square, m, 1e-18);
}

static double z(double v, spread s) {
    if (s.sd == 0)
        return 0;
    return isnan(v) ? -2 : (v - s.mean) / s.sd;
}

static double clamp(double v, double lo, double hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

/* How far the best document stands out, in standard deviations, over the
 * second. */
static double margin(const rag_ranked *d, size_t n, bool vector) {
    double first = -INFINITY, second = -INFINITY;

    for (size_t i = 0; i < n; i++) {
        double v = vector ? d[i].vector_z : d[i].lexical_z;

        if (v > first) {
            second = first;
            first = v;
        } else if (v > second) {
            second = v;
        }
    }
    return n < 2 || isinf(second) ? 0 : first - second;
}

/* fine: share of candidates with vectors of their questions or parts; those
 * tell more than one vector for a whole passage. */
static double adapt(const rag_ranked *d, size_t n, double fine,
                    const rag_query_signals *s, const rag_tuning *t) {
    double w = fine * t->vector_weight + (1 - fine) * t->vector_coarse;

    w -= t->a_code * s->codes;
    w -= t->a_quote * s->quoted;
    w -= t->a_rare * (s->rare - 0.5);
    w -= t->a_cover * (s->cover - 0.6);
    w += t->a_margin * clamp(margin(d, n, true) - margin(d, n, false), -2, 2);
    return clamp(w, t->w_min, t->w_max);
}

static void rank(rag_ranked *d, size_t n, bool vector) {
    /* Ranks among documents: one more than those with a better score. n is
     * at most a few thousand, mostly two hundred. */
    for (size_t i = 0; i < n; i++) {
        double v = vector ? d[i].vector : d[i].lexical;
        int r = 1;

        if (isnan(v) || (!vector && v <= 0))
            continue;
        for (size_t j = 0; j < n; j++)
            r += (vector ? d[j].vector : d[j].lexical) > v;
        if (vector)
            d[i].vector_rank = r;
        else
            d[i].lexical_rank = r;
    }
}

/* The weighted sum. A text in another language shares no words with the
 * question but those that the lexicon knows: that is no news about it, so its
 * lexical score is at least what its cosine makes likely (the regression of
 * one z-score on the other, of slope `known`). */
static double weigh(double w, double vector, double lexical, double known) {
    if (known > 0 && lexical < known * vector)
        lexical = known * vector;
    return w * vector + (1 - w) * lexical;
}

int rag_fuse(rag_candidate *c, size_t n, bool lexical, bool vector,
             double weight, const rag_query_signals *signals,
             const rag_tuning *t, rag_fusion *out, rag_error *err) {
    rag_ranked *d = calloc(n + 1, sizeof(*d));
    size_t docs = 0;
    spread ls, vs;
    double w, fine = 0;

    memset(out, 0, sizeof(*out));
    if (d == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    qsort(c, n, sizeof(*c), by_doc);
    for (size_t i = 0; i < n; i++)
        fine += c[i].fine;
    for (size_t i = 0; i < n;) {
        size_t j = i;

        while (j < n && c[j].doc == c[i].doc)
            j++;
        d[docs].doc = c[i].doc;
        d[docs].first = i;
        d[docs].n = j - i;
        d[docs].foreign = c[i].foreign;
        d[docs].lexical = combine(c + i, j - i, false, t->second);
        d[docs++].vector = combine(c + i, j - i, true, t->second);
        i = j;
    }
    ls = docs > 1 ? spread_of(d, docs, false) : spread_of_chunks(c, n, false);
    vs = docs > 1 ? spread_of(d, docs, true) : spread_of_chunks(c, n, true);
    for (size_t i = 0; i < docs; i++) {
        d[i].lexical_z = z(d[i].lexical, ls);
        d[i].vector_z = vector ? z(d[i].vector, vs) : 0;
    }
    if (!vector)
        w = 0;
    else if (!lexical)
        w = 1;
    else
        w = weight >= 0 ? clamp(weight, 0, 1)
                        : adapt(d, docs, n ? fine / (double)n : 0, signals, t);
    for (size_t i = 0; i < docs; i++) {
        double known = d[i].foreign && vector ? t->foreign : 0;

        d[i].score = weigh(w, d[i].vector_z, d[i].lexical_z, known);
        for (size_t j = d[i].first; j < d[i].first + d[i].n; j++)
            c[j].fused = weigh(
                w, vector ? z(c[j].has_vector ? c[j].vector : NAN, vs) : 0,
                z(c[j].lexical, ls), known);
        qsort(c + d[i].first, d[i].n, sizeof(*c), by_fused);
    }
    rank(d, docs, false);
    if (vector)
        rank(d, docs, true);
    qsort(d, docs, sizeof(*d), by_final);
    out->docs = d;
    out->n = docs;
    out->weight = w;
    return 0;
}

/* Of the likenesses of all documents of one kind but the best. */
static spread likeness_of(const rag_candidate *c, const rag_fusion *f,
                          bool foreign) {
    double sum = 0, square = 0;
    size_t m = 0;

    for (size_t i = 1; i < f->n; i++)
        if (f->docs[i].foreign == foreign)
            note(c[f->docs[i].first].likeness, &sum, &square, &m);
    return spread_from(sum, square, m, 1e-12);
}

void rag_fuse_feedback(const rag_candidate *c, rag_fusion *f, double share) {
    spread of[2], own;
    double most = 0;

    if (f->n < 3)
        return;
    /* Texts of one language are alike: each is compared with its own kind. */
    for (int i = 0; i < 2; i++)
        of[i] = likeness_of(c, f, i == 1);
    for (size_t i = 1; i < f->n; i++) {
        double more =
            share * z(c[f->docs[i].first].likeness, of[f->docs[i].foreign]);

        f->docs[i].score += more;
        most = more > most ? more : most;
    }
    /* The best is like itself most of all, so it keeps its place, also where
     * it is the only one of its kind. */
    own = of[f->docs[0].foreign];
    f->docs[0].score += fmax(share * z(1, own), most);
    qsort(f->docs, f->n, sizeof(*f->docs), by_final);
}
