/*
 * faq.c - from candidates to a decision: one entry, a choice, or none.
 *
 * Called by the pipeline with what the index found. Pure; any thread.
 */
#include "daemon/faq_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of two entries that both ask the same as the question, the nearer is taken
 * alone only when it is nearer by this share of its words. */
#define COVERAGE_MARGIN 0.15
/* A choice offers entries whose similarity is this close to the nearest's. */
#define CHOICE_COSINE 0.04

static bool same_answer(const rag_index_hit *a, const rag_index_hit *b) {
    return a->text && b->text && strcmp(a->text, b->text) == 0;
}

static bool same_document(const rag_index_hit *a, const rag_index_hit *b) {
    return a->doc && b->doc && strcmp(a->doc, b->doc) == 0;
}

static void add_choice(rag_faq_match *m, const rag_index_result *r, size_t i) {
    for (size_t c = 0; c < m->nchoices; c++)
        if (same_document(&r->hits[m->choice[c]], &r->hits[i]))
            return;
    if (m->nchoices < RAG_FAQ_CHOICES_MAX)
        m->choice[m->nchoices++] = i;
}

void rag_faq_decide_exact(const rag_index_result *exact, rag_faq_match *out) {
    memset(out, 0, sizeof *out);
    if (!exact->n)
        return;
    bool differ = false;
    for (size_t i = 0; i < exact->n; i++) {
        differ = differ || !same_answer(&exact->hits[0], &exact->hits[i]);
        add_choice(out, exact, i);
    }
    out->decision = differ ? RAG_FAQ_CLARIFY : RAG_FAQ_ANSWER;
    if (!differ)
        out->nchoices = 0;
}

typedef struct candidate {
    rag_guard_verdict verdict;
    double coverage, cosine;
} candidate;

/* The question the index matched, and the entry's own: the better verdict. */
static int judge(const char *question, const rag_index_hit *h, candidate *c,
                 char *reason, size_t cap, rag_error *err) {
    rag_guard_result g, own;
    const char *matched = h->question ? h->question : h->title;
    int rc = rag_faq_guard(question, matched ? matched : "", &g, err);
    if (!rc && g.verdict != RAG_GUARD_SAME && h->title && matched &&
        strcmp(h->title, matched) != 0) {
        rc = rag_faq_guard(question, h->title, &own, err);
        if (!rc && own.verdict < g.verdict)
            g = own;
    }
    if (rc)
        return rc;
    c->verdict = g.verdict;
    c->coverage = g.coverage;
    c->cosine = isnan(h->vector) ? 0 : h->vector;
    if (reason && !*reason)
        snprintf(reason, cap, "%s", g.reason);
    return 0;
}

/* Entries that ask the same: the one that says most of the question, or a
 * choice when that does not tell them apart. */
static void decide_same(const rag_index_result *r, const candidate *c,
                        rag_faq_match *out) {
    size_t best = r->n;
    for (size_t i = 0; i < r->n; i++) {
        if (c[i].verdict != RAG_GUARD_SAME)
            continue;
        if (best == r->n || c[i].coverage > c[best].coverage + 1e-9)
            best = i;
    }
    out->best = best;
    add_choice(out, r, best);
    for (size_t i = 0; i < r->n; i++)
        if (c[i].verdict == RAG_GUARD_SAME &&
            c[i].coverage > c[best].coverage - COVERAGE_MARGIN &&
            !same_answer(&r->hits[best], &r->hits[i]))
            add_choice(out, r, i);
    out->decision = out->nchoices > 1 ? RAG_FAQ_CLARIFY : RAG_FAQ_ANSWER;
    if (out->decision == RAG_FAQ_ANSWER)
        out->nchoices = 0;
}

/* Entries that fix what the question leaves open: a choice when there are
 * several; one alone may still be the wrong one. */
static void decide_vague(const rag_index_result *r, const candidate *c,
                         double min_cosine, rag_faq_match *out) {
    double nearest = 0;
    for (size_t i = 0; i < r->n; i++)
        if (c[i].cosine > nearest)
            nearest = c[i].cosine;
    for (size_t i = 0; i < r->n; i++)
        if (c[i].verdict == RAG_GUARD_VAGUE && c[i].cosine >= min_cosine &&
            c[i].cosine >= nearest - CHOICE_COSINE)
            add_choice(out, r, i);
    if (out->nchoices > 1)
        out->decision = RAG_FAQ_CLARIFY;
    else
        out->nchoices = 0;
}

int rag_faq_decide_near(const char *question, const rag_index_result *near,
                        double min_cosine, rag_faq_match *out, rag_error *err) {
    memset(out, 0, sizeof *out);
    if (!near->n)
        return 0;
    candidate *c = calloc(near->n, sizeof *c);
    if (!c)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to compare entries");
    int rc = 0;
    bool same = false;
    for (size_t i = 0; i < near->n && !rc; i++) {
        const rag_index_hit *h = &near->hits[i];
        c[i].verdict = RAG_GUARD_OTHER;
        if (h->kind != RAG_DOC_FAQ ||
            (!isnan(h->vector) && h->vector < min_cosine))
            continue;
        rc = judge(question, h, &c[i], out->reason, sizeof out->reason, err);
        same = same || (!rc && c[i].verdict == RAG_GUARD_SAME);
    }
    if (!rc && same)
        decide_same(near, c, out);
    else if (!rc)
        decide_vague(near, c, min_cosine, out);
    free(c);
    return rc;
}
