/*
 * faq_score.c - how certain it is that an entry is what was asked for, when
 * the words differ.
 *
 * Each hit is looked at by itself (its guard, likeness, shared words) and
 * beside the others: an entry must lead. Six features go through a logistic
 * function fitted by tests/eval/fit_faq.py on half of BANKING77 and on
 * wordings of our samples, with and without the right entry among the hits,
 * so that a desk that has no answer stays silent. What a guard vetoes has no
 * certainty, however near it is. Pure; any thread.
 */
#include "daemon/faq_int.h"

#include "base/unicode.h"

#include <math.h>
#include <string.h>

#define ANSWER_READ 1200 /* bytes of an answer whose words are compared */
/* Texts this alike that differ in what the table of opposites knows differ
 * just there: "can I", "can I not"; so do short ones. Of texts less alike it
 * says little that one alone has a negation. */
#define ALIKE 0.55
#define SHORT 10 /* bytes, without spaces */
/* A question of whose content less than this share stands in the entry or its
 * answer is about something else besides ("the spring event's rate"). Of 145
 * right answers to what the score was fitted on it takes two. */
#define KNOWN 0.6
/* What others are taken to have at least, so that an entry that stands alone
 * leads by no more than one among many: medians of the samples'. */
#define OTHERS_COVERED 0.50
#define OTHERS_SAID 0.25
#define OTHERS_LIKE 0.25
/* Below this a slip is not looked for. */
#define SLIP_LIKE 0.35

/* cosine, lead of covered words, matter open, length, leads of telling words
 * and of likeness; printed by fit_faq.py. */
static const double WEIGHT[RAG_FAQ_FEATURES] = {26.075, 4.306, -1.215,
                                                1.297,  1.849, 0.497};
static const double BIAS = -25.007;

static double larger(double a, double b) {
    return a > b ? a : b;
}

const char *rag_faq_veto_name(rag_faq_veto v) {
    static const char *const names[RAG_FAQ_VETOES] = {
        "none",  "language", "opposite", "number",
        "scope", "contrast", "entity"};
    return (unsigned)v < RAG_FAQ_VETOES ? names[v] : "?";
}

bool rag_faq_same_answer(const rag_index_hit *a, const rag_index_hit *b) {
    return (a->doc && b->doc && strcmp(a->doc, b->doc) == 0) ||
           (a->text && b->text && strcmp(a->text, b->text) == 0);
}

/* ---- vetoes ---------------------------------------------------------------- */

static bool scope_differs(const rag_faq_text *q, const rag_faq_candidate *c) {
    for (size_t g = 0; g < rag_faq_groups(); g++) {
        rag_faq_kind kind = rag_faq_kind_of(g);
        unsigned asked = q->sides[g], said = c->wording.sides[g];
        unsigned anywhere = said | c->title.sides[g] | c->whole.sides[g];
        if (kind != RAG_FAQ_SCOPE && kind != RAG_FAQ_SCOPE_USUAL)
            continue;
        if (asked & ~anywhere)
            return true;
        if (!asked && said && !(kind == RAG_FAQ_SCOPE_USUAL && said == 1))
            return true;
    }
    return false;
}

/* "1회", "1일": a period of the table ("한 번에", "하루") rather than a number. */
static bool is_period(const rag_faq_number *n) {
    return strcmp(n->digits, "1") == 0 &&
           (strcmp(n->unit, "회") == 0 || strcmp(n->unit, "일") == 0);
}

static bool counted(const rag_faq_text *t) {
    for (size_t i = 0; i < t->nnumbers; i++)
        if (!is_period(&t->numbers[i]))
            return true;
    return false;
}

/* Numbers of the question are the wording's, or where that has none, the
 * answer's; a number of the wording is never left open. */
static bool numbers_differ(const rag_faq_text *q, const rag_faq_candidate *c) {
    const rag_faq_text *e = &c->wording;
    const rag_faq_number *asked =
        rag_faq_number_missing(q, counted(e) ? e : &c->whole);
    const rag_faq_number *open = rag_faq_number_missing(e, q);
    return (asked && !is_period(asked)) || (open && !is_period(open));
}

/* Some group of the table of which one speaks otherwise than the other. */
static bool sides_differ(const rag_faq_text *q, const rag_faq_text *e) {
    for (size_t g = 0; g < rag_faq_groups(); g++) {
        rag_faq_kind kind = rag_faq_kind_of(g);
        if (q->sides[g] != e->sides[g] && kind != RAG_FAQ_ASKED &&
            !RAG_FAQ_IS_LOOSE(kind))
            return true;
    }
    return false;
}

/* Of some group both speak, and each of a side that the other leaves out. */
static bool sides_cross(const rag_faq_text *q, const rag_faq_text *e) {
    for (size_t g = 0; g < rag_faq_groups(); g++)
        if ((q->sides[g] & ~e->sides[g]) && (e->sides[g] & ~q->sides[g]) &&
            !RAG_FAQ_IS_LOOSE(rag_faq_kind_of(g)))
            return true;
    return false;
}

static rag_faq_veto veto_of(const rag_faq_text *q, const rag_faq_candidate *c) {
    const rag_faq_text *e = &c->wording;
    if (strcmp(rag_unicode_lang(q->clean, strlen(q->clean)),
               rag_unicode_lang(e->clean, strlen(e->clean))) != 0)
        return RAG_FAQ_VETO_LANGUAGE;
    if (rag_faq_sides_differ(q, e) || rag_faq_sides_differ(q, &c->title) ||
        sides_cross(q, e))
        return RAG_FAQ_VETO_OPPOSITE;
    if (numbers_differ(q, c))
        return RAG_FAQ_VETO_NUMBER;
    if (scope_differs(q, c))
        return RAG_FAQ_VETO_SCOPE;
    if ((c->like >= ALIKE || strlen(q->joined) < SHORT ||
         strlen(e->joined) < SHORT) &&
        sides_differ(q, e))
        return RAG_FAQ_VETO_CONTRAST;
    return RAG_FAQ_VETO_NONE;
}

/* ---- telling words ------------------------------------------------------------ */

static bool has(const rag_faq_text *t, const char *stem) {
    size_t side, n = strlen(stem);
    if ((unsigned char)*stem >= 0x80 && strstr(t->joined, stem))
        return true;
    for (size_t i = 0; (unsigned char)*stem < 0x80 && i < t->nwords; i++)
        if (strcmp(t->words[i], stem) == 0 ||
            rag_faq_slip_word(stem, n, t->words[i], strlen(t->words[i])))
            return true;
    return rag_faq_shares_side(t, stem, n, &side) && side >= n / 2;
}

/* Share of c's words that the question has; a word that few of the entries
 * have counts for more. */
static double said(const rag_faq_text *q, const rag_faq_candidate *c,
                   const rag_faq_candidate *all, size_t n) {
    double sum = 0, shared = 0;
    for (size_t i = 0; i < c->wording.nstems; i++) {
        const char *stem = c->wording.stems[i];
        double have = 0.5;
        for (size_t k = 0; k < n; k++)
            have += all[k].looked_at && has(&all[k].wording, stem);
        double weight = log(((double)n + 1.5) / have);
        sum += weight;
        if (has(q, stem))
            shared += weight;
    }
    return sum > 0 ? shared / sum : 0;
}

/* The question is worded like the entry, but for a word that is another
 * entry's: that one is meant. */
static bool names_another(const rag_faq_text *q, const rag_faq_candidate *c,
                          const rag_faq_candidate *all, size_t n) {
    for (size_t i = 0; i < q->nstems && c->like >= ALIKE; i++)
        for (size_t k = 0; k < n && !has(&c->whole, q->stems[i]); k++)
            if (&all[k] != c && all[k].looked_at &&
                has(&all[k].wording, q->stems[i]))
                return true;
    return false;
}

/* ---- one by one ------------------------------------------------------------------ */

static int read_texts(rag_faq_candidate *c, const rag_index_hit *h,
                      rag_error *err) {
    const char *title = h->title ? h->title : "";
    const char *wording = h->question ? h->question : title;
    const char *answer = h->text ? h->text : "";
    size_t n = strlen(answer);
    n = rag_utf8_floor(answer, n, n < ANSWER_READ ? n : ANSWER_READ);
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc;
    if ((rc = rag_buf_printf(&b, err, "%s / %s / %.*s", wording, title, (int)n,
                             answer)) ||
        (rc = rag_faq_text_init(&c->wording, wording, strlen(wording), err)) ||
        (rc = rag_faq_text_init(&c->title, title, strlen(title), err)))
        goto out;
    rc = rag_faq_text_init(&c->whole, rag_buf_str(&b), b.len, err);
out:
    rag_buf_free(&b);
    return rc;
}

/* The wording the index matched, and the entry's own: the better verdict. */
static void guard_both(const rag_faq_text *q, rag_faq_candidate *c) {
    rag_guard_result own;
    rag_faq_guard_texts(q, &c->wording, &c->guard);
    if (c->guard.verdict == RAG_GUARD_SAME)
        return;
    rag_faq_guard_texts(q, &c->title, &own);
    if (own.verdict < c->guard.verdict)
        c->guard = own;
}

static void look(const rag_faq_text *q, rag_faq_candidate *c) {
    rag_faq_gap gap;
    guard_both(q, c);
    rag_faq_compare(q, &c->whole, &gap);
    c->covered =
        gap.content ? 1.0 - (double)gap.missing / (double)gap.content : 0;
    c->like = larger(rag_faq_likeness(q, &c->wording),
                     rag_faq_likeness(q, &c->title));
    c->veto = veto_of(q, c);
}

/* ---- beside the others --------------------------------------------------------------- */

static void measure(const rag_faq_text *q, const rag_index_result *r,
                    rag_faq_candidate *all, rag_faq_candidate *c) {
    double covered = OTHERS_COVERED, said_most = OTHERS_SAID;
    double like = OTHERS_LIKE, sum = BIAS;
    for (size_t k = 0; k < r->n; k++) {
        const rag_faq_candidate *o = &all[k];
        if (!o->looked_at || o->veto == RAG_FAQ_VETO_OPPOSITE ||
            rag_faq_same_answer(&r->hits[c - all], &r->hits[k]))
            continue;
        covered = larger(covered, o->covered);
        said_most = larger(said_most, o->said);
        like = larger(like, o->like);
    }
    c->f[RAG_FAQ_COSINE] = c->cosine;
    c->f[RAG_FAQ_COVERED_LEAD] = c->covered - covered;
    c->f[RAG_FAQ_SAID_LEAD] = c->said - said_most;
    c->f[RAG_FAQ_LIKE_LEAD] = c->like - like;
    c->f[RAG_FAQ_LENGTH] = fabs(log(((double)strlen(q->joined) + 6) /
                                    ((double)strlen(c->wording.joined) + 6)));
    for (size_t g = 0; g < rag_faq_groups(); g++)
        if (rag_faq_kind_of(g) == RAG_FAQ_MATTER)
            c->f[RAG_FAQ_MATTER_OPEN] =
                q->sides[g] && !(c->wording.sides[g] | c->title.sides[g]);
    for (size_t i = 0; i < RAG_FAQ_FEATURES; i++)
        sum += WEIGHT[i] * c->f[i];
    c->certainty = c->veto ? 0 : 1 / (1 + exp(-sum));
}

/* Mended slips: the same question but for one key, or but for words that are
 * one key away from the entry's and no other entry's. */
static int mend(const rag_faq_text *q, rag_faq_candidate *all, size_t n,
                rag_faq_candidate *c, rag_error *err) {
    const rag_faq_text *own[2] = {&c->wording, &c->title};
    const rag_faq_text **others = calloc(n, sizeof *others);
    size_t nothers = 0;
    int rc = 0;
    if (!others)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to compare entries");
    for (size_t k = 0; k < n; k++)
        if (&all[k] != c && all[k].looked_at)
            others[nothers++] = &all[k].wording;
    for (size_t k = 0; k < 2 && !rc && c->guard.verdict != RAG_GUARD_SAME;
         k++) {
        rag_guard_result g;
        rag_faq_text mended;
        bool any = false;
        if (rag_faq_one_slip(q, own[k], others, nothers)) {
            c->guard =
                (rag_guard_result){.verdict = RAG_GUARD_SAME, .coverage = 1};
            break;
        }
        rc = rag_faq_mend(q, own[k], others, nothers, &mended, &any, err);
        if (!rc && any) {
            rag_faq_guard_texts(&mended, own[k], &g);
            if (g.verdict < c->guard.verdict)
                c->guard = g;
        }
        rag_faq_text_free(&mended);
    }
    free(others);
    return rc;
}

int rag_faq_candidates_init(const rag_faq_text *q, const rag_index_result *r,
                            double min_cosine, rag_faq_candidate *c,
                            rag_error *err) {
    int rc = 0;
    for (size_t i = 0; i < r->n && !rc; i++) {
        const rag_index_hit *h = &r->hits[i];
        c[i].guard.verdict = RAG_GUARD_OTHER;
        c[i].cosine = isnan(h->vector) ? 0 : h->vector;
        c[i].looked_at = h->kind == RAG_DOC_FAQ &&
                         (isnan(h->vector) || h->vector >= min_cosine);
        if (!c[i].looked_at)
            continue;
        rc = read_texts(&c[i], h, err);
        if (!rc)
            look(q, &c[i]);
    }
    for (size_t i = 0; i < r->n && !rc; i++)
        if (c[i].looked_at)
            c[i].said = said(q, &c[i], c, r->n);
    for (size_t i = 0; i < r->n && !rc; i++) {
        if (!c[i].looked_at)
            continue;
        if (!c[i].veto &&
            (c[i].covered < KNOWN || names_another(q, &c[i], c, r->n)))
            c[i].veto = RAG_FAQ_VETO_ENTITY;
        measure(q, r, c, &c[i]);
        /* A slip leaves most letters alike and turns no word round. */
        if (c[i].guard.verdict != RAG_GUARD_SAME && c[i].like >= SLIP_LIKE &&
            (!c[i].veto || c[i].veto >= RAG_FAQ_VETO_SCOPE))
            rc = mend(q, c, r->n, &c[i], err);
    }
    return rc;
}

void rag_faq_candidates_free(rag_faq_candidate *c, size_t n) {
    for (size_t i = 0; i < n; i++) {
        rag_faq_text_free(&c[i].wording);
        rag_faq_text_free(&c[i].title);
        rag_faq_text_free(&c[i].whole);
    }
}
