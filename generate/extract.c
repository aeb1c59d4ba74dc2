/*
 * extract.c - the best one or two sentences of the evidence, verbatim: what
 * is answered when the model is down, or said what the evidence does not.
 *
 * Called by ragd's pipeline, any thread; no state.
 *
 * A sentence is worth the share of the question's content it holds, each word
 * weighted by its rarity in the evidence; words that only its title or
 * heading holds count nearly as much (a FAQ's title is its question). A question for a number prefers sentences with
 * one. Its neighbour is taken along when that adds to it.
 */
#include "generate/generate_int.h"
#include "generate/ground_ctx.h"

#include "base/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Less of the question than this in a sentence, heading included, and it
 * does not speak to it. */
#define EXTRACT_COVERAGE_MIN 0.15
#define EXTRACT_QUOTE_CHARS 600
/* A second sentence is quoted when its value is this near to the best's. */
#define EXTRACT_SECOND_GAP 0.7
#define EXTRACT_SECOND_READ 2.0 /* by a reading model: log-odds */
#define EXTRACT_SECOND_TWICE 6.0 /* the same, where two things are asked */

typedef struct wish {
    const rag_ground_ctx *c;
    double weight[RAG_FACT_WORDS_MAX]; /* of the question's words */
    double total;
    bool number; /* a number, date or amount is asked for */
} wish;

static void make_wish(const rag_ground_ctx *c, wish *w) {
    const rag_facts *q = &c->question;
    memset(w, 0, sizeof *w);
    w->c = c;
    w->number = rag_asks_number(q->text.data);
    for (size_t i = 0; i < q->nwords; i++) {
        size_t df = 0;
        if (!q->word[i].content || q->word[i].strict)
            continue;
        for (size_t s = 0; s < c->n; s++)
            df += rag_words_have(&c->source[s].facts, q, &q->word[i]);
        w->weight[i] =
            log(1.5 + ((double)c->n - (double)df + 0.5) / ((double)df + 0.5));
        w->total += w->weight[i];
    }
    /* Numbers of the question ("PPR-9087", "3개월") weigh like rare words. */
    w->total += 2.0 * (double)q->nnumbers;
}

/* Share of the question held by the sentences [first, first + count). */
static double coverage(const wish *w, size_t first, size_t count) {
    const rag_ground_ctx *c = w->c;
    const rag_facts *q = &c->question;
    const rag_facts *head = &c->head[c->source[first].item];
    double got = 0;
    if (w->total <= 0)
        return 0;
    for (size_t i = 0; i < q->nwords; i++) {
        bool here = false;
        if (w->weight[i] <= 0)
            continue;
        for (size_t k = 0; k < count && !here; k++)
            here = rag_words_have(&c->source[first + k].facts, q, &q->word[i]);
        if (here)
            got += w->weight[i];
        else if (rag_words_have(head, q, &q->word[i]))
            got += 0.85 * w->weight[i];
    }
    for (size_t i = 0; i < q->nnumbers; i++) {
        size_t at;
        for (size_t k = 0; k < count; k++)
            if (rag_numbers_have(&c->source[first + k].facts, q, i, 1, NULL,
                                 &at)) {
                got += 2.0;
                break;
            }
    }
    return got / w->total;
}

static bool is_question(const rag_facts *f) {
    size_t n = f->text.len;
    return n && f->text.data[n - 1] == '?';
}

/* "## 9. Recovery targets", "4. WORKING TIME": a line that announces. */
static bool is_heading(const rag_facts *f) {
    const char *s = f->text.data;
    size_t n = f->text.len, i = 0;
    if (n && s[0] == '#')
        return true;
    if (n && strchr("-*", s[0])) /* an item: "- a payslip" */
        return false;
    while (i < n && strchr("0123456789.)-* ", s[i]))
        i++;
    for (size_t k = 0; k < f->nnumbers; k++)
        if (f->number[k].start >= i)
            return false;
    return n - i < 60 && !strchr(s, '|') && !rag_facts_predicative(f);
}

/* "네, 가능합니다.": an answer to a question that is not in it. */
static bool is_bare_stance(const rag_facts *f) {
    size_t skip, words = 0;
    if (!rag_facts_stance(f, &skip))
        return false;
    for (size_t i = 0; i < f->nwords; i++)
        words += f->word[i].content;
    return words <= 3;
}

static double worth(const wish *w, size_t i, double *cover) {
    const rag_source *s = &w->c->source[i];
    const rag_facts *f = &s->facts;
    *cover = coverage(w, i, 1);
    double x = *cover;
    if (w->number)
        x += f->nnumbers ? 0.2 : -0.1;
    if (is_question(f))
        x -= 0.4;
    if (is_heading(f))
        x -= 0.6;
    if (is_bare_stance(f))
        x -= 0.3;
    /* Retrieval's order, and of one source what stands first. */
    return x + 0.12 / (1.0 + (double)s->item) -
           0.02 * (double)(s->order < 5 ? s->order : 5);
}

static bool short_enough(const rag_ground_ctx *c, size_t first, size_t count) {
    const rag_source *a = &c->source[first], *b = &c->source[first + count - 1];
    return rag_utf8_count(a->text, b->end - a->start) <= EXTRACT_QUOTE_CHARS;
}

/* Takes the neighbour along that adds most, if it adds enough. */
static void widen(const wish *w, size_t best, size_t *first, size_t *count) {
    const rag_ground_ctx *c = w->c;
    double have = coverage(w, best, 1), gain_best = 0.12;
    bool number = c->source[best].facts.nnumbers > 0;
    *first = best;
    *count = 1;
    for (int side = 0; side < 2; side++) {
        size_t from = side ? best - 1 : best, other = side ? from : best + 1;
        if ((side && best == 0) || other >= c->n ||
            c->source[other].item != c->source[best].item ||
            c->source[from + 1].order != c->source[from].order + 1 ||
            !short_enough(c, from, 2))
            continue;
        double gain = coverage(w, from, 2) - have;
        if (is_heading(&c->source[other].facts))
            continue;
        if (!side && is_bare_stance(&c->source[best].facts))
            gain += 1.0;
        /* The number asked for often stands in the next sentence. */
        if (!side && have < 0.7 && w->number && !number &&
            c->source[other].facts.nnumbers)
            gain += 0.2;
        if (gain > gain_best) {
            gain_best = gain;
            *first = from;
            *count = 2;
        }
    }
}

/* Of a row its passage's: codes and figures are of no language. */
static const char *language(const rag_ground_ctx *c, const rag_source *s) {
    const rag_passage *p = &c->passages[c->ev->items[s->item].passage];
    return s->text[0] == '|' ? rag_unicode_lang(p->text, p->len)
                             : rag_unicode_lang(s->text, s->end - s->start);
}

static const char *lead_in(const rag_ground_ctx *c, const char *lang,
                           const rag_source *s) {
    const char *own = language(c, s);
    if (strcmp(lang, "ko") == 0 && strcmp(own, "en") == 0)
        return "영어 자료의 원문입니다: ";
    if (strcmp(lang, "en") == 0 && strcmp(own, "ko") == 0)
        return "From a source in Korean: ";
    return "";
}

/* The sentences as they stand: what was on lines of its own stays so. */
static int add_plain(const rag_ground_ctx *c, size_t first, size_t count,
                     rag_buf *text, rag_error *err) {
    int rc = 0;
    for (size_t i = first; i < first + count && !rc; i++) {
        const rag_source *s = &c->source[i];
        if (i > first) {
            const char *gap = s[-1].text + (s[-1].end - s[-1].start);
            bool line = memchr(gap, '\n', s->start - s[-1].end) != NULL;
            rc = rag_buf_append_char(text, line ? '\n' : ' ', err);
        }
        if (!rc)
            rc = rag_prompt_plain(s->text, s->end - s->start, text, err);
    }
    return rc;
}

/* Appends the sentences [first, first + count) and their marker; the header
 * of a table's row on a line above it. */
static int add_quote(const rag_ground_ctx *c, size_t first, size_t count,
                     rag_buf *text, rag_citing *to, rag_error *err) {
    const rag_source *b = &c->source[first + count - 1];
    unsigned number = 0, header = 0;
    size_t before = to->n;
    int rc = rag_ground_cite(c, first, count, to, &number, &header, err);
    if (!rc && header > before) { /* not said already */
        const rag_source *h = &c->header[b->header];
        rc = rag_prompt_plain(h->text, h->end - h->start, text, err);
        if (!rc)
            rc = rag_buf_printf(text, err, " [%u]\n", header);
    }
    if (!rc)
        rc = add_plain(c, first, count, text, err);
    return rc ? rc : rag_buf_printf(text, err, " [%u]", number);
}

/* The bare span that was found in the sentences [first, first + count). */
static int bare_span(const rag_ground_ctx *c, size_t first, size_t count,
                     rag_grounding *out, rag_error *err) {
    const rag_source *a = &c->source[first], *b = &c->source[first + count - 1];
    const rag_evidence *ev = c->ev;
    size_t start = ev->answer_start, end = ev->answer_end;
    if (start < a->start && a->text[0] != '|') /* it began in a heading */
        start = a->start;
    if (start < a->start || end > b->end || end <= start ||
        (a->text[0] == '|' && end - start == a->end - a->start))
        return 0; /* elsewhere, or a whole row */
    return rag_str_dup_n(a->text + (start - a->start), end - start,
                         &out->shortest, err);
}

typedef enum below { ALONE, ANNOUNCED, BEGUN } below;

/* What is quoted. */
typedef struct choice {
    size_t first, count; /* sentences */
    bool placed; /* they hold what the reading model found */
    below below; /* whether the answer is what stands below them */
    size_t second; /* a sentence of another item nearly as good, or c->n */
} choice;

static int write_extract(const rag_ground_ctx *c, const char *lang,
                         const choice *q, rag_grounding *out, rag_error *err) {
    rag_citing to = {.taken = c->ev->cited};
    size_t items = 0;
    rag_buf text;
    rag_buf_init(&text, 0);
    int rc =
        rag_buf_append_str(&text, lead_in(c, lang, &c->source[q->first]), err);
    if (!rc)
        rc = add_quote(c, q->first, q->count, &text, &to, err);
    if (!rc && q->below != ALONE)
        rc = rag_extract_list(c, q->first + q->count - 1, q->below == ANNOUNCED,
                              &text, &to, &items, err);
    if (!rc && q->second < c->n && !items) {
        rc = rag_buf_append_char(&text, '\n', err);
        if (!rc)
            rc = add_quote(c, q->second, 1, &text, &to, err);
    }
    if (!rc)
        rc = rag_buf_steal(&text, &out->answer, NULL, err);
    if (!rc && q->placed && !items)
        rc = bare_span(c, q->first, q->count, out, err);
    rag_buf_free(&text);
    out->citations = to.list;
    out->ncitations = to.n;
    out->verdict = RAG_GROUND_OK;
    return rc;
}

/* The sentence of an item that ranking put first; what it announces or asks
 * is said in the one behind it. c->n when it is not among the sources. */
static size_t focus_of(const rag_ground_ctx *c, size_t item) {
    const rag_evidence_item *top = &c->ev->items[item];
    for (size_t i = 0; i < c->n; i++) {
        const rag_source *s = &c->source[i];
        if (s->item != item || s->end <= top->focus_start ||
            s->start >= top->focus_end)
            continue;
        while (i + 1 < c->n && c->source[i + 1].item == item &&
               (is_question(&c->source[i].facts) ||
                is_heading(&c->source[i].facts)))
            i++;
        return short_enough(c, i, 1) ? i : c->n;
    }
    return c->n;
}

/* The source that holds byte at of the first item; c->n when none does. */
static size_t source_at(const rag_ground_ctx *c, size_t at) {
    for (size_t i = 0; i < c->n; i++)
        if (c->source[i].item == 0 && c->source[i].start <= at &&
            at < c->source[i].end)
            return i;
    return c->n;
}

/* The one or two sentences that hold what the reading model found; false
 * when there is no such place. */
static bool answer_place(const rag_ground_ctx *c, size_t *first,
                         size_t *count) {
    const rag_evidence *ev = c->ev;
    if (!ev->read || !ev->n || ev->answer_end <= ev->answer_start)
        return false;
    size_t a = source_at(c, ev->answer_start);
    size_t b = source_at(c, ev->answer_end - 1);
    while (a < b && b < c->n && is_heading(&c->source[a].facts))
        a++;
    /* Of several rows of a table the one that ranking put first. */
    if (a < b && b < c->n && c->source[b].text[0] == '|')
        a = b = source_at(c, ev->items[0].focus_start);
    if (a >= c->n || b >= c->n || b > a + 1 || !short_enough(c, a, b - a + 1))
        return false;
    *first = a;
    *count = b - a + 1;
    return true;
}

/* Number i of the question stands in the sentences [first, first + count). */
static bool holds_number(const rag_ground_ctx *c, size_t first, size_t count,
                         size_t i) {
    size_t at;
    for (size_t k = first; k < first + count; k++)
        if (rag_numbers_have(&c->source[k].facts, &c->question, i, 1, NULL,
                             &at))
            return true;
    return false;
}

/* Several codes are asked about ("HB-1104 and HB-1104L") and the quote has
 * one: the first sentence that has another; c->n when none does. */
static size_t other_code(const rag_ground_ctx *c, size_t first, size_t count) {
    const rag_facts *q = &c->question;
    size_t had = 0, found = c->n;
    for (size_t i = 0; i < q->nnumbers; i++) {
        if (q->number[i].kind != RAG_NUMBER_CODE)
            continue;
        bool here = holds_number(c, first, count, i);
        had += here;
        for (size_t k = 0; k < c->n && found == c->n && !here; k++)
            if (short_enough(c, k, 1) && holds_number(c, k, 1, i))
                found = k;
    }
    return had ? found : c->n;
}

/* The best sentence of the item ranked second, when it is nearly as good and
 * in the same language; c->n otherwise. */
static size_t second_of(const rag_ground_ctx *c, size_t first, size_t count) {
    const rag_evidence *ev = c->ev;
    size_t code = other_code(c, first, count);
    if (code < c->n)
        return code;
    double gap = !ev->read                               ? EXTRACT_SECOND_GAP
                 : rag_asks_twice(c->question.text.data) ? EXTRACT_SECOND_TWICE
                                                         : EXTRACT_SECOND_READ;
    if (!ev->ranked || ev->n < 2 ||
        ev->items[1].value < ev->items[0].value - gap)
        return c->n;
    size_t i = focus_of(c, 1);
    if (i >= c->n ||
        strcmp(language(c, &c->source[first]), language(c, &c->source[i])) != 0)
        return c->n;
    return i;
}

/* Source i is the first item or row below a heading. */
static bool first_below_heading(const rag_ground_ctx *c, size_t i) {
    const rag_source *s = &c->source[i];
    size_t k = i;
    if (s->text[0] == '|') /* below its header and the dashes */
        k = i > 2 ? i - 2 : i;
    else if (!rag_extract_item(s->text, s->end - s->start))
        return false;
    if (s->text[0] == '|' && (s->header >= c->nheaders ||
                              c->source[k].start != c->header[s->header].start))
        return false;
    return k > 0 && c->source[k - 1].item == s->item &&
           c->source[k - 1].text[0] == '#';
}

/*
 * Whether what stands below the sentences [first, first + count) is the
 * answer: they announce it, or are the first item under a heading that was
 * found to answer. placed: the answer itself is in them.
 */
static below goes_on_below(const wish *w, size_t first, size_t count,
                           bool placed) {
    const rag_ground_ctx *c = w->c;
    const rag_source *s = &c->source[first + count - 1];
    size_t len = s->end - s->start;
    if (rag_extract_announces(s->text, len))
        return placed && w->number ? ALONE : ANNOUNCED;
    bool begun = count == 1 && first_below_heading(c, first) &&
                 (!placed || c->ev->answer_start < s->start);
    return begun ? BEGUN : ALONE;
}

int rag_ground_extract(const char *question, const char *lang,
                       const rag_evidence *ev, const rag_passage *passages,
                       const rag_sentences *sentences, rag_grounding *out,
                       rag_error *err) {
    rag_ground_ctx c;
    memset(out, 0, sizeof *out);
    out->verdict = RAG_GROUND_REFUSED;
    int rc = rag_ground_ctx_open(question, ev, passages, sentences, &c, err);
    if (rc)
        return rc;
    wish *w = malloc(sizeof *w);
    if (!w) {
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
        goto out;
    }
    make_wish(&c, w);
    size_t best = c.n;
    double best_worth = -1e9, best_cover = 0;
    bool foreign = false;
    for (size_t i = 0; i < c.n; i++) {
        double cover, x = worth(w, i, &cover);
        if (!short_enough(&c, i, 1))
            continue;
        if (x > best_worth) {
            best_worth = x;
            best_cover = cover;
            best = i;
        }
    }
    size_t focus = ev->ranked && ev->n ? focus_of(&c, 0) : c.n;
    if (focus < c.n)
        best = focus;
    if (best < c.n)
        foreign = lead_in(&c, lang, &c.source[best])[0] != '\0';
    /* Another language shares no words, and meaning needs none: retrieval has
     * judged it then. */
    if (best < c.n &&
        (foreign || focus < c.n || best_cover >= EXTRACT_COVERAGE_MIN)) {
        choice q = {.second = c.n};
        q.placed = answer_place(&c, &q.first, &q.count);
        if (!q.placed)
            widen(w, best, &q.first, &q.count);
        q.below = goes_on_below(w, q.first, q.count, q.placed);
        if (focus < c.n)
            q.second = second_of(&c, q.first, q.count);
        rc = write_extract(&c, lang, &q, out, err);
    }
out:
    free(w);
    rag_ground_ctx_free(&c);
    if (rc)
        rag_grounding_free(out);
    return rc;
}
