/*
 * evidence_read.c - which sentences answer the question, as a reading model
 * sees it.
 *
 * Called by evidence.c; any thread, no state. Where word overlap and nearness
 * of meaning ask whether a sentence speaks of the same things, a reading model
 * is asked whether the passage answers, and with which words. Its log-odds
 * are weighed against retrieval's order; words settle what both leave open.
 */
#include "generate/evidence_int.h"

#include <math.h>
#include <string.h>

/* Chosen on four sets that the samples are not of: long documents of
 * companies and banks, short notes, passages, squad2_en. Anything near does as
 * well. */
#define WEIGHT_ANSWERS 0.65
#define WEIGHT_SPAN 0.35
#define WEIGHT_WORDS 0.2
#define WEIGHT_PASSAGE 1.0
/* A sentence without any of the spans, in log-odds behind none at all. */
#define NO_SPAN -6.0
/* What a passage that was not read is worth. */
#define UNREAD -30.0

static double words(const rag_ranked *s) {
    return s->words;
}
static double passage(const rag_ranked *s) {
    return s->passage->score;
}

/* The best span of which s holds at least half; r->n when there is none. */
static size_t span_of(const rag_ranked *s, const rag_read *r) {
    size_t start = (size_t)(s->text - s->passage->text), end = start + s->len;
    for (size_t i = 0; i < r->n; i++) {
        size_t lo = r->span[i].start > start ? r->span[i].start : start;
        size_t hi = r->span[i].end < end ? r->span[i].end : end;
        if (hi > lo && 2 * (hi - lo) >= r->span[i].end - r->span[i].start)
            return i;
    }
    return r->n;
}

/* Foreign figures: no span may leave its passage. */
static void tame(const rag_passage *p, rag_read *r) {
    size_t n = 0;
    if (!isfinite(r->answers))
        r->answers = NO_SPAN;
    for (size_t i = 0; i < r->n && i < RAG_READ_SPANS; i++)
        if (r->span[i].start < r->span[i].end && r->span[i].end <= p->len &&
            isfinite(r->span[i].score))
            r->span[n++] = r->span[i];
    r->n = n;
}

int rag_evidence_read(const rag_reading_lent *reading,
                      const rag_passage *passages, size_t npassages,
                      rag_ranked *s, size_t n, rag_evidence *out,
                      rag_error *err) {
    rag_read read[RAG_READ_MAX];
    double wm, ws, pm, ps, best[RAG_READ_MAX], top = -INFINITY;
    size_t nread = reading->max < RAG_READ_MAX ? reading->max : RAG_READ_MAX;
    if (nread > npassages)
        nread = npassages;
    memset(read, 0, sizeof read);
    int rc =
        nread ? reading->read(reading->user, passages, nread, read, err) : 0;
    if (rc)
        return rc;
    for (size_t i = 0; i < nread; i++) {
        tame(&passages[i], &read[i]);
        best[i] = -INFINITY;
    }
    rag_ranked_spread(s, n, words, &wm, &ws);
    rag_ranked_spread(s, n, passage, &pm, &ps);
    for (size_t i = 0; i < n; i++) {
        size_t p = (size_t)(s[i].passage - passages);
        double open = WEIGHT_WORDS * (s[i].words - wm) / ws +
                      WEIGHT_PASSAGE * (s[i].passage->score - pm) / ps +
                      RAG_CONDITION_VALUE * s[i].condition;
        if (p >= nread) {
            s[i].value = UNREAD + open;
            continue;
        }
        size_t k = span_of(&s[i], &read[p]);
        bool any = k < read[p].n;
        double score = any ? read[p].span[k].score : NO_SPAN;
        if (any) {
            s[i].span_start = s[i].passage->start + read[p].span[k].start;
            s[i].span_end = s[i].passage->start + read[p].span[k].end;
        }
        s[i].value =
            WEIGHT_ANSWERS * read[p].answers + WEIGHT_SPAN * score + open;
        best[p] = fmax(best[p], s[i].value);
        if (s[i].value > top) {
            top = s[i].value;
            out->answers = read[p].answers;
            out->span = score;
        }
    }
    double second = -INFINITY;
    for (size_t i = 0; i < nread; i++)
        if (best[i] < top)
            second = fmax(second, best[i]);
    out->next = isfinite(second) ? fmin(top - second, -NO_SPAN) : -NO_SPAN;
    out->read = isfinite(top);
    return 0;
}
