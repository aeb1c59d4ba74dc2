/*
 * faq.c - from candidates to a decision: one entry, a choice, or none.
 *
 * Called by the pipeline with what the index found. Pure; any thread.
 */
#include "daemon/faq_int.h"

#include <stdio.h>
#include <string.h>

/* Of two entries that both ask the same as the question, the nearer is taken
 * alone only when it is nearer by this share of its words. */
#define COVERAGE_MARGIN 0.15
/* Shares of the certainty that is asked for: below the first an entry is not
 * offered; one that has the second of the best one's is its rival. */
#define CHOICE_CERTAINTY 0.6
#define RIVAL_SHARE 0.6
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

/* Entries that ask the same: the one that says most of the question, or a
 * choice when that does not tell them apart. */
static void decide_same(const rag_index_result *r, const rag_faq_candidate *c,
                        rag_faq_match *out) {
    size_t best = r->n;
    for (size_t i = 0; i < r->n; i++) {
        if (c[i].guard.verdict != RAG_GUARD_SAME)
            continue;
        if (best == r->n || c[i].guard.coverage > c[best].guard.coverage + 1e-9)
            best = i;
    }
    out->best = best;
    add_choice(out, r, best);
    for (size_t i = 0; i < r->n; i++)
        if (c[i].guard.verdict == RAG_GUARD_SAME &&
            c[i].guard.coverage > c[best].guard.coverage - COVERAGE_MARGIN &&
            !same_answer(&r->hits[best], &r->hits[i]))
            add_choice(out, r, i);
    out->decision = out->nchoices > 1 ? RAG_FAQ_CLARIFY : RAG_FAQ_ANSWER;
    if (out->decision == RAG_FAQ_ANSWER)
        out->nchoices = 0;
}

/* Entries that fix what the question leaves open: a choice when there are
 * several; one alone may still be the wrong one. */
static void decide_vague(const rag_index_result *r, const rag_faq_candidate *c,
                         double min_cosine, rag_faq_match *out) {
    double nearest = 0;
    for (size_t i = 0; i < r->n; i++)
        if (c[i].cosine > nearest)
            nearest = c[i].cosine;
    for (size_t i = 0; i < r->n; i++)
        if (c[i].guard.verdict == RAG_GUARD_VAGUE &&
            c[i].cosine >= min_cosine && c[i].cosine >= nearest - CHOICE_COSINE)
            add_choice(out, r, i);
    if (out->nchoices > 1)
        out->decision = RAG_FAQ_CLARIFY;
    else
        out->nchoices = 0;
}

/* The entry that is certain enough, or a choice of the two or more that are
 * nearly. */
static void decide_certain(const rag_index_result *r,
                           const rag_faq_candidate *c, double certainty,
                           rag_faq_match *out) {
    size_t best = 0;
    for (size_t i = 1; i < r->n; i++)
        if (c[i].certainty > c[best].certainty)
            best = i;
    if (c[best].certainty < certainty * CHOICE_CERTAINTY)
        return;
    add_choice(out, r, best);
    for (size_t i = 0; i < r->n; i++)
        if (c[i].certainty >= c[best].certainty * RIVAL_SHARE &&
            c[i].certainty >= certainty * CHOICE_CERTAINTY &&
            !rag_faq_same_answer(&r->hits[best], &r->hits[i]))
            add_choice(out, r, i);
    if (out->nchoices > 1) {
        out->decision = RAG_FAQ_CLARIFY;
        return;
    }
    out->nchoices = 0;
    if (c[best].certainty >= certainty) {
        out->decision = RAG_FAQ_ANSWER;
        out->best = best;
    }
}

/* Why the nearest was not taken. */
static void explain(const rag_index_result *r, const rag_faq_candidate *c,
                    rag_faq_match *out) {
    for (size_t i = 0; i < r->n; i++) {
        if (!c[i].looked_at)
            continue;
        if (c[i].veto)
            snprintf(out->reason, sizeof out->reason, "%s", c[i].guard.reason);
        else
            snprintf(out->reason, sizeof out->reason, "certainty %.2f",
                     c[i].certainty);
        return;
    }
}

int rag_faq_decide_near(const char *question, const rag_index_result *near,
                        const rag_faq_limits *limits, rag_faq_match *out,
                        rag_error *err) {
    memset(out, 0, sizeof *out);
    if (!near->n)
        return 0;
    rag_faq_text *q = calloc(1, sizeof *q);
    rag_faq_candidate *c = calloc(near->n, sizeof *c);
    int rc = q && c ? 0
                    : rag_error_set(err, RAG_E_NOMEM,
                                    "no memory to compare entries");
    if (!rc)
        rc = rag_faq_text_init(q, question, strlen(question), err);
    if (!rc)
        rc = rag_faq_candidates_init(q, near, limits->cosine, c, err);
    bool same = false;
    for (size_t i = 0; i < near->n && !rc; i++)
        same = same || c[i].guard.verdict == RAG_GUARD_SAME;
    if (!rc && same)
        decide_same(near, c, out);
    else if (!rc)
        decide_vague(near, c, limits->cosine, out);
    if (!rc && out->decision == RAG_FAQ_NONE)
        decide_certain(near, c, limits->certainty, out);
    if (!rc && out->decision == RAG_FAQ_NONE)
        explain(near, c, out);
    if (c)
        rag_faq_candidates_free(c, near->n);
    free(c);
    if (q)
        rag_faq_text_free(q);
    free(q);
    return rc;
}
