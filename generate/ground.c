/*
 * ground.c - what the model said against the evidence's bytes.
 *
 * Called by ground_stream.c for one sentence of an answer at a time; any
 * thread, no state.
 *
 * Each sentence of the answer is judged by itself. Its claims are its numbers
 * (as runs: a date is one claim), its relations and spelled-out numbers, and
 * the stems of its content words except those the question or a heading
 * lends. One to three quotes, each one sentence of the evidence or two
 * neighbours, must hold all claims; the source that the model named is tried
 * first. Then negation must agree with the clause the quote says it in.
 *
 * What must hold: nothing reaches `answer` that was not judged; what was
 * once appended to `answer` is never changed, since it may have been shown.
 * What this cannot see is written in docs/GROUNDING.md.
 */
#include "generate/generate_int.h"
#include "generate/ground_ctx.h"

#include "base/terms.h"
#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEEDS_MAX 128

/* ---- the evidence's sentences ---------------------------------------------------- */

void rag_ground_ctx_free(rag_ground_ctx *c) {
    if (!c)
        return;
    rag_facts_free(&c->question);
    for (size_t i = 0; i < RAG_EVIDENCE_MAX; i++)
        rag_facts_free(&c->head[i]);
    for (size_t i = 0; i < c->n; i++)
        rag_facts_free(&c->source[i].facts);
    for (size_t i = 0; i < c->nheaders; i++)
        rag_facts_free(&c->header[i].facts);
    free(c->source);
    free(c->header);
    memset(c, 0, sizeof *c);
}

/* The header row of the table that source s is a row of: within its passage,
 * or before it. */
static bool find_header(const rag_ground_ctx *c, const rag_source *s,
                        const char **text, size_t *start, size_t *len) {
    const rag_passage *p = &c->passages[c->ev->items[s->item].passage];
    bool open = false;
    size_t at;
    if (!rag_table_row(s->text, s->end - s->start) || s->start < p->start)
        return false;
    if (rag_table_header(p->text, s->start - p->start, &at, len, &open)) {
        *text = p->text + at;
        *start = p->start + at;
    } else if (open && p->table && p->table_len <= RAG_TABLE_HEADER_MAX) {
        *text = p->table;
        *start = p->table_start;
        *len = p->table_len;
    } else {
        return false;
    }
    return rag_utf8_valid(*text, *len, NULL) &&
           !rag_inject_suspect(*text, *len);
}

static int add_header(rag_ground_ctx *c, rag_source *s, rag_error *err) {
    const char *text;
    size_t start, len;
    s->header = SIZE_MAX;
    if (!find_header(c, s, &text, &start, &len))
        return 0;
    for (size_t i = 0; i < c->nheaders; i++)
        if (c->header[i].item == s->item && c->header[i].start == start) {
            s->header = i;
            return 0;
        }
    if (c->nheaders == RAG_GROUND_HEADERS_MAX)
        return 0;
    rag_source *h = &c->header[c->nheaders];
    *h = (rag_source){.item = s->item,
                      .text = text,
                      .start = start,
                      .end = start + len,
                      .header = SIZE_MAX};
    int rc = rag_facts_read(text, len, &h->facts, err);
    if (!rc)
        s->header = c->nheaders++;
    return rc;
}

const rag_facts *rag_ground_header(const rag_ground_ctx *c, size_t i) {
    size_t h = c->source[i].header;
    if (h >= c->nheaders || c->header[h].facts.nnegations)
        return NULL;
    return &c->header[h].facts;
}

static int add_item(rag_ground_ctx *c, size_t item, rag_error *err) {
    const rag_evidence_item *it = &c->ev->items[item];
    const rag_passage *p = &c->passages[it->passage];
    size_t len = it->end - it->start, n = 0;
    rag_span *spans = NULL;
    rag_buf head;
    /* The splitter's patterns may only see valid UTF-8. */
    if (!rag_utf8_valid(it->text, len, NULL))
        return rag_facts_read("", 0, &c->head[item], err);
    rag_buf_init(&head, 8192);
    int rc =
        rag_buf_printf(&head, err, "%.2000s | %.2000s",
                       p->title ? p->title : "", p->heading ? p->heading : "");
    if (rc == RAG_E_LIMIT) {
        rag_buf_clear(&head);
        rc = 0;
    }
    /* A title cut in the middle of a character is no title. */
    if (!rc && !rag_utf8_valid(rag_buf_str(&head), head.len, NULL))
        rag_buf_clear(&head);
    if (!rc)
        rc = rag_facts_read(rag_buf_str(&head), head.len, &c->head[item], err);
    rag_buf_free(&head);
    if (!rc)
        rc = rag_sentences_split(c->sentences, it->text, len, &spans, &n, err);
    for (size_t i = 0; i < n && !rc && c->n < RAG_GROUND_SOURCES_MAX; i++) {
        const char *text = it->text + spans[i].start;
        size_t bytes = spans[i].end - spans[i].start;
        if (rag_inject_suspect(text, bytes))
            continue;
        rag_source *s = &c->source[c->n];
        s->item = item;
        s->order = i;
        s->text = text;
        s->start = it->start + spans[i].start;
        s->end = it->start + spans[i].end;
        rc = rag_facts_read(text, bytes, &s->facts, err);
        if (rc)
            break;
        c->n++;
        rc = add_header(c, s, err);
    }
    free(spans);
    return rc;
}

int rag_ground_ctx_open(const char *question, const rag_evidence *ev,
                        const rag_passage *passages,
                        const rag_sentences *sentences, rag_ground_ctx *c,
                        rag_error *err) {
    memset(c, 0, sizeof *c);
    c->ev = ev;
    c->passages = passages;
    c->sentences = sentences;
    c->source = calloc(RAG_GROUND_SOURCES_MAX, sizeof *c->source);
    c->header = calloc(RAG_GROUND_HEADERS_MAX, sizeof *c->header);
    if (!c->source || !c->header) {
        rag_ground_ctx_free(c);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    int rc = rag_facts_read(question, strlen(question), &c->question, err);
    for (size_t i = 0; i < ev->n && !rc; i++)
        rc = add_item(c, i, err);
    if (rc)
        rag_ground_ctx_free(c);
    return rc;
}

/* ---- claims ------------------------------------------------------------------------ */

typedef struct need {
    bool number;
    size_t index, run; /* into the facts; numbers: length of the run */
} need;

typedef struct claim {
    rag_facts facts; /* of the sentence, without its stance */
    int stance;
    need need[NEEDS_MAX];
    size_t n;
    char url[512]; /* addresses it shows, space-separated; "" none */
} claim;

static bool lent(const rag_ground_ctx *c, const rag_facts *f,
                 const rag_word *w) {
    if (w->strict)
        return false;
    if (rag_words_have(&c->question, f, w))
        return true;
    for (size_t i = 0; i < c->ev->n; i++)
        if (rag_words_have(&c->head[i], f, w))
            return true;
    return false;
}

/* Addresses in the text; false when it shows a link or picture in markup. */
static bool read_urls(const char *s, size_t n, claim *cl) {
    size_t used = 0;
    if (memmem(s, n, "](", 2) || memmem(s, n, "<a ", 3) ||
        memmem(s, n, "<img", 4) || memmem(s, n, "![", 2))
        return false;
    for (size_t i = 0; i < n;) {
        size_t e = i;
        while (e < n && s[e] != ' ')
            e++;
        size_t len = e - i;
        if (memmem(s + i, len, "://", 3) || memmem(s + i, len, "www.", 4) ||
            memchr(s + i, '@', len)) {
            while (len && strchr(".,;:!?)\"'", s[i + len - 1]))
                len--;
            if (used + len + 2 > sizeof cl->url)
                return false;
            memcpy(cl->url + used, s + i, len);
            used += len;
            cl->url[used++] = ' ';
        }
        i = e + 1;
    }
    cl->url[used] = '\0';
    return true;
}

static bool mark(char c) {
    return c == ' ' || c == ',' || c == '.' || c == ';' || c == ':' ||
           c == '?' || c == '!';
}

/* "... or how do I do it": from a question word to the end what the question
 * has as well. */
static bool asks_back(const rag_facts *question, const rag_facts *said) {
    static const char *const ASK[] = {"how",  "what", "why",  "어떻게",
                                      "언제", "얼마", "누가", "무엇"};
    const char *s = said->text.data;
    size_t n = said->text.len;
    while (n && mark(s[n - 1]))
        n--;
    for (size_t k = 0; k < sizeof ASK / sizeof ASK[0]; k++) {
        size_t len = strlen(ASK[k]);
        bool latin = ASK[k][0] < 'z' && ASK[k][0] > 'a'; /* "whatever" */
        const char *at = s, *end = s + n;
        while ((at = memmem(at, (size_t)(end - at), ASK[k], len)) != NULL) {
            const char *from = at;
            at += len;
            if ((from == s || mark(from[-1])) &&
                (!latin || at == end || mark(*at)) &&
                memmem(question->text.data, question->text.len, from,
                       (size_t)(end - from)))
                return true;
        }
    }
    return false;
}

static int read_claim(const rag_ground_ctx *c, const char *s, size_t n,
                      claim *cl, bool *ok, char *why, size_t cap,
                      rag_error *err) {
    memset(cl, 0, sizeof *cl);
    *ok = false;
    int rc = rag_facts_read(s, n, &cl->facts, err);
    if (rc)
        return rc;
    size_t skip = 0;
    cl->stance = rag_facts_stance(&cl->facts, &skip);
    if (cl->stance) {
        rag_facts rest;
        rc = rag_facts_read(cl->facts.text.data + skip,
                            cl->facts.text.len - skip, &rest, err);
        rag_facts_free(&cl->facts);
        cl->facts = rest;
        if (rc)
            return rc;
    }
    const rag_facts *f = &cl->facts;
    if (f->full) {
        snprintf(why, cap, "a sentence says too much to be checked");
        return 0;
    }
    if (!read_urls(f->text.data, f->text.len, cl)) {
        snprintf(why, cap, "a link or picture");
        return 0;
    }
    for (size_t i = 0; i < f->nnumbers; i += rag_numbers_run(f, i))
        if (cl->n < NEEDS_MAX)
            cl->need[cl->n++] = (need){true, i, rag_numbers_run(f, i)};
    size_t words = 0, fresh = 0; /* fresh: not the question's own */
    for (size_t i = 0; i < f->nwords; i++) {
        if (!f->word[i].content)
            continue;
        words++;
        fresh += !rag_words_have(&c->question, f, &f->word[i]);
        if (!lent(c, f, &f->word[i]) && cl->n < NEEDS_MAX)
            cl->need[cl->n++] = (need){false, i, 1};
    }
    if (cl->n == NEEDS_MAX)
        snprintf(why, cap, "a sentence says too much to be checked");
    else if (!words && !f->nnumbers)
        snprintf(why, cap, "a sentence without anything to check");
    else if (!cl->stance && !fresh && !f->nnumbers && !rag_facts_predicative(f))
        snprintf(why, cap, "it only repeats the question");
    else if (asks_back(&c->question, f))
        snprintf(why, cap, "it asks the question again");
    else if (!cl->stance && words < 2 && !f->nnumbers &&
             rag_facts_predicative(f))
        snprintf(why, cap, "it says too little to be an answer");
    else if (!rag_ground_answers_kind(c, f))
        snprintf(why, cap, "it is not the kind of number asked for");
    else
        *ok = true;
    return 0;
}

static bool have(const rag_ground_ctx *c, const rag_facts *e, const claim *cl,
                 const need *x) {
    size_t at;
    if (x->number)
        return rag_numbers_have(e, &cl->facts, x->index, x->run, &c->question,
                                &at);
    return rag_words_have(e, &cl->facts, &cl->facts.word[x->index]);
}

/* ---- negation ----------------------------------------------------------------------- */

enum { HITS_MAX = 512 };

typedef struct hit {
    size_t start, end;
    size_t fact;
} hit;

static int by_start(const void *a, const void *b) {
    const hit *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Where the claim's facts stand in e, sorted; how many distinct ones. */
static size_t find_hits(const rag_ground_ctx *c, const rag_facts *e,
                        const claim *cl, hit *hits, size_t max,
                        size_t *distinct) {
    const rag_facts *f = &cl->facts;
    size_t n = 0;
    *distinct = 0;
    for (size_t i = 0; i < f->nwords; i++) {
        const rag_word *w = &f->word[i];
        size_t before = n;
        if (!w->content)
            continue;
        for (size_t k = 0; k < e->nwords && n < max; k++)
            if (e->word[k].hash == w->hash ||
                (!w->strict && w->loose && e->word[k].loose == w->loose))
                hits[n++] = (hit){e->word[k].start, e->word[k].end, *distinct};
        *distinct += n > before;
    }
    for (size_t i = 0; i < f->nnumbers; i += rag_numbers_run(f, i)) {
        size_t at, run = rag_numbers_run(f, i);
        if (n < max && rag_numbers_have(e, f, i, run, &c->question, &at)) {
            hits[n++] = (hit){e->number[at].start, e->number[at + run - 1].end,
                              *distinct};
            (*distinct)++;
        }
    }
    qsort(hits, n, sizeof *hits, by_start);
    return n;
}

/* Shortest stretch of e that holds every fact that e holds at all. */
static bool align(const rag_ground_ctx *c, const rag_facts *e, const claim *cl,
                  size_t *start, size_t *end) {
    hit hits[HITS_MAX];
    unsigned count[HITS_MAX] = {0};
    size_t distinct, n = find_hits(c, e, cl, hits, HITS_MAX, &distinct);
    size_t have_now = 0, lo = 0, best = (size_t)-1;
    if (!n)
        return false;
    for (size_t hi = 0; hi < n; hi++) {
        have_now += count[hits[hi].fact]++ == 0;
        while (have_now == distinct) {
            size_t to = hits[lo].end;
            for (size_t k = lo; k <= hi; k++)
                if (hits[k].end > to)
                    to = hits[k].end;
            if (to - hits[lo].start < best) {
                best = to - hits[lo].start;
                *start = hits[lo].start;
                *end = to;
            }
            have_now -= --count[hits[lo].fact] == 0;
            lo++;
        }
    }
    return best != (size_t)-1;
}

/* Negations that bear on [start, end) from outside it, in its clause. Korean
 * ones before it count only when they do not belong to a noun of their own
 * ("신청하지 않은 고객은 ..."). */
static unsigned outer_negations(const rag_facts *e, size_t start, size_t end) {
    size_t lo = start, hi = end;
    unsigned n = 0;
    rag_clause_around(e, &lo, &hi);
    for (size_t i = 0; i < e->nnegations; i++) {
        const rag_negation *g = &e->negation[i];
        if (g->start >= lo && g->start < start && !(e->korean && g->adnominal))
            n++;
        if (g->start >= end && g->start < hi)
            n++;
    }
    return n;
}

static bool negation_agrees(const rag_ground_ctx *c, const rag_facts *e,
                            const claim *cl) {
    size_t start = 0, end = 0;
    const rag_facts *f = &cl->facts;
    if (!align(c, e, cl, &start, &end))
        return f->nnegations == 0 && e->nnegations == 0;
    unsigned said = (unsigned)f->nnegations;
    unsigned inner = rag_negations_in(e, start, end);
    unsigned outer = outer_negations(e, start, end);
    if (cl->stance) /* "yes" and "no" answer a question that is not negated */
        return c->question.nnegations == 0 &&
               (inner + outer) % 2 == (cl->stance < 0) &&
               (said == inner + outer || said == 0);
    if (rag_facts_predicative(f))
        return said == inner + outer;
    /* A bare span: what the clause says of it must be what was asked. */
    if (said != inner && said != inner + outer)
        return false;
    bool asked = c->question.nnegations > 0;
    if (said == inner + outer && outer > 0)
        return true;
    if (outer > 0)
        return asked;
    return !asked || e->nnegations > 0 || said > 0;
}

/* ---- choosing quotes ------------------------------------------------------------------ */

static bool quote_has(const rag_ground_ctx *c, rag_quote q, const claim *cl,
                      const need *x) {
    for (size_t k = 0; k < q.count; k++) {
        const rag_facts *header = rag_ground_header(c, q.first + k);
        if (have(c, &c->source[q.first + k].facts, cl, x) ||
            (header && have(c, header, cl, x)))
            return true;
    }
    return false;
}

/* Content words that the sentence and the question share with the quote. */
static unsigned closeness(const rag_ground_ctx *c, rag_quote q,
                          const claim *cl) {
    unsigned n = 0;
    for (size_t k = 0; k < q.count; k++) {
        const rag_facts *e = &c->source[q.first + k].facts;
        for (size_t i = 0; i < cl->facts.nwords; i++)
            n += 2 * (cl->facts.word[i].content &&
                      rag_words_have(e, &cl->facts, &cl->facts.word[i]));
        for (size_t i = 0; i < c->question.nwords; i++)
            n += c->question.word[i].content &&
                 rag_words_have(e, &c->question, &c->question.word[i]);
    }
    return n;
}

static bool cited(const unsigned *marks, size_t n, size_t item) {
    for (size_t i = 0; i < n; i++)
        if (marks[i] == item + 1)
            return true;
    return false;
}

static bool quote_urls(const rag_ground_ctx *c, rag_quote q, const claim *cl) {
    const char *u = cl->url;
    while (*u) {
        size_t len = strcspn(u, " ");
        bool found = false;
        for (size_t k = 0; k < q.count && !found; k++) {
            const rag_buf *t = &c->source[q.first + k].facts.text;
            found = memmem(t->data, t->len, u, len) != NULL;
        }
        if (!found)
            return false;
        u += len + (u[len] == ' ');
    }
    return true;
}

/*
 * The quote that holds most of what is still needed; among equals one of a
 * cited source, then the closest, then the shorter. False when none holds
 * anything new.
 */
static bool best_quote(const rag_ground_ctx *c, const claim *cl,
                       const unsigned *marks, size_t nmarks, const bool *met,
                       rag_quote *out) {
    long best = -1;
    for (size_t i = 0; i < c->n; i++) {
        for (size_t count = 1; count <= 2; count++) {
            rag_quote q = {i, count};
            if (count == 2 &&
                (i + 1 == c->n || c->source[i + 1].item != c->source[i].item ||
                 c->source[i + 1].order != c->source[i].order + 1))
                continue;
            unsigned fresh = 0;
            for (size_t k = 0; k < cl->n; k++)
                fresh += !met[k] && quote_has(c, q, cl, &cl->need[k]);
            if (!quote_urls(c, q, cl))
                continue;
            unsigned close = closeness(c, q, cl);
            if (cl->n ? !fresh : !close)
                continue;
            long score = (long)fresh * 100000 +
                         (cited(marks, nmarks, c->source[i].item) ? 5000 : 0) +
                         (long)close * 100 / (long)count +
                         (count == 1 ? 10 : 0);
            /* Two sentences only where one does not do. */
            if (score > best) {
                best = score;
                *out = q;
            }
        }
    }
    return best >= 0;
}

/* Half of the sentence's words, lent ones included, must be in its quotes:
 * otherwise nothing ties a number found there to what is said of it. */
static bool tied(const rag_ground_ctx *c, const rag_quote *quotes, size_t n,
                 const claim *cl) {
    unsigned words = 0, there = 0;
    for (size_t i = 0; i < cl->facts.nwords; i++) {
        const rag_word *w = &cl->facts.word[i];
        if (!w->content)
            continue;
        bool found = false;
        for (size_t k = 0; k < n && !found; k++) {
            const rag_source *s = &c->source[quotes[k].first];
            for (size_t m = 0; m < quotes[k].count && !found; m++) {
                const rag_facts *h = rag_ground_header(c, quotes[k].first + m);
                found = rag_words_have(&s[m].facts, &cl->facts, w) ||
                        (h && rag_words_have(h, &cl->facts, w));
            }
            /* What the quote's own heading says it says as well. */
            found = found || rag_words_have(&c->head[s->item], &cl->facts, w);
        }
        words++;
        there += found;
    }
    return 2 * there >= words;
}

static void name_need(const claim *cl, const need *x, char *why, size_t cap) {
    const rag_facts *f = &cl->facts;
    size_t start, end;
    if (x->number) {
        start = f->number[x->index].start;
        end = f->number[x->index + x->run - 1].end;
    } else {
        start = f->word[x->index].start;
        end = f->word[x->index].end;
    }
    snprintf(why, cap, "%s \"%.*s\" is not in the evidence",
             x->number ? "number" : "word", (int)(end - start),
             f->text.data + start);
}

/*
 * Negation of the sentence against the quotes chosen for it. With several
 * sentences quoted, a bare span is held against the one that shares most with
 * it; a full sentence must be negated as often as the clauses it is made of.
 */
static bool negations_agree(const rag_ground_ctx *c, const rag_quote *quotes,
                            size_t n, const claim *cl) {
    const rag_facts *most = NULL;
    size_t most_n = 0;
    unsigned all = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < quotes[i].count; k++) {
            const rag_facts *e = &c->source[quotes[i].first + k].facts;
            size_t shared, start, end;
            hit hits[HITS_MAX];
            (void)find_hits(c, e, cl, hits, HITS_MAX, &shared);
            if (!shared || !align(c, e, cl, &start, &end))
                continue;
            all += rag_negations_in(e, start, end) +
                   outer_negations(e, start, end);
            if (!most || shared > most_n) {
                most = e;
                most_n = shared;
            }
        }
    if (!most)
        return false;
    if ((n == 1 && quotes[0].count == 1) ||
        (!cl->stance && !rag_facts_predicative(&cl->facts)))
        return negation_agrees(c, most, cl);
    return !cl->stance && all == cl->facts.nnegations;
}

/*
 * Judges one sentence. *ok: every claim is held; then quotes[0..*nquotes)
 * hold them. Otherwise why says what is missing.
 */
int rag_ground_judge(const rag_ground_ctx *c, const char *s, size_t n,
                     const unsigned *marks, size_t nmarks,
                     rag_quote quotes[RAG_GROUND_QUOTES_MAX], size_t *nquotes,
                     bool *ok, char *why, size_t cap, rag_error *err) {
    claim *cl = malloc(sizeof *cl);
    bool met[NEEDS_MAX] = {false};
    *nquotes = 0;
    *ok = false;
    if (!cl)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    bool readable = false;
    int rc = read_claim(c, s, n, cl, &readable, why, cap, err);
    if (rc || !readable)
        goto out;
    size_t left = cl->n;
    do {
        rag_quote q;
        if (!best_quote(c, cl, marks, nmarks, met, &q))
            break;
        quotes[(*nquotes)++] = q;
        for (size_t k = 0; k < cl->n; k++)
            if (!met[k] && quote_has(c, q, cl, &cl->need[k])) {
                met[k] = true;
                left--;
            }
    } while (left && *nquotes < RAG_GROUND_QUOTES_MAX);
    if (left) {
        for (size_t k = 0; k < cl->n; k++)
            if (!met[k]) {
                name_need(cl, &cl->need[k], why, cap);
                break;
            }
    } else if (!*nquotes) {
        snprintf(why, cap, "no sentence of the evidence speaks of it");
    } else if (!tied(c, quotes, *nquotes, cl)) {
        snprintf(why, cap, "nothing ties it to the evidence");
    } else if (!negations_agree(c, quotes, *nquotes, cl)) {
        snprintf(why, cap, "negation does not agree with the evidence");
    } else {
        *ok = true;
        for (size_t k = 0; k < cl->n && *ok; k++)
            if (cl->need[k].number && cl->need[k].run == 1 &&
                !rag_ground_focus(c, &cl->facts, cl->need[k].index)) {
                *ok = false;
                snprintf(why, cap, "another number is closer to the question");
            }
    }
out:
    rag_facts_free(&cl->facts);
    free(cl);
    return rc;
}

/* ---- citations ---- */

int rag_ground_cite_bytes(size_t item, const char *text, size_t start,
                          size_t end, rag_citing *to, unsigned *number,
                          rag_error *err) {
    for (size_t i = 0; i < to->n; i++)
        if (to->list[i].item == item && to->list[i].start == start &&
            to->list[i].end == end) {
            *number = to->list[i].n;
            return 0;
        }
    if (to->n == to->cap) {
        size_t more = to->cap ? 2 * to->cap : 4;
        rag_citation *p = realloc(to->list, more * sizeof *p);
        if (!p)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        to->list = p;
        to->cap = more;
    }
    rag_citation *x = &to->list[to->n];
    memset(x, 0, sizeof *x);
    x->n = to->taken + (unsigned)to->n + 1;
    x->item = item;
    x->start = start;
    x->end = end;
    int rc = rag_str_dup_n(text, end - start, &x->quote, err);
    if (rc)
        return rc;
    *number = x->n;
    to->n++;
    return 0;
}

int rag_ground_cite(const rag_ground_ctx *c, size_t first, size_t count,
                    rag_citing *to, unsigned *number, unsigned *header,
                    rag_error *err) {
    const rag_source *a = &c->source[first], *b = &c->source[first + count - 1];
    *header = 0;
    int rc = rag_ground_cite_bytes(a->item, a->text, a->start, b->end, to,
                                   number, err);
    if (rc || b->header >= c->nheaders)
        return rc;
    const rag_source *h = &c->header[b->header];
    if (h->start >= a->start && h->end <= b->end)
        return 0;
    return rag_ground_cite_bytes(h->item, h->text, h->start, h->end, to, header,
                                 err);
}
