/*
 * evidence.c - from retrieved passages to the few sentences a small model is
 * to read.
 *
 * Called by ragd's pipeline for each question, any thread; no state.
 *
 * How: the question's content terms (at most 64) are looked up in every
 * sentence of every passage; a term weighs more the fewer sentences have it.
 * From each passage, best retrieved first, the best sentence is taken and
 * grown to its neighbours while the window's ceiling and the budget allow.
 *
 * What must hold: every item is one unbroken run of bytes of its passage,
 * begins and ends at a sentence (or, of a sentence longer than a window, at
 * a word), and contains no suspect sentence (inject.c).
 */
#include "generate/evidence_int.h"
#include "generate/generate_int.h"

#include "base/hash.h"
#include "base/terms.h"
#include "base/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVIDENCE_PASSAGES_MAX 64
#define EVIDENCE_PARTS_MAX 128
#define EVIDENCE_SENTENCES_MAX 4096 /* over all passages */
#define EVIDENCE_TOKENS 300
#define EVIDENCE_ITEMS 3
#define EVIDENCE_CHARS_KO 260
#define EVIDENCE_CHARS_EN 420
/* A window is not begun with fewer tokens than this left. */
#define EVIDENCE_TOKENS_MIN 24
/* Codes such as HB-2107: a name nobody may mistake. */
#define CODES_MAX 8
#define CODE_LETTERS_MAX 6
#define CODE_DIGITS_MIN 2
#define ANNOUNCE_VALUE 1.5 /* what a heading is worth less */
#define HEADER_VALUE 100.0 /* and a table's header: it never answers */
#define CODE_VALUE 3.0 /* a sentence with the code, in spreads of value */

/*
 * Measured with Gemma 3's tokenizer (260k pieces): Korean 0.54 tokens a
 * character, English words 0.23, digits 1 each. Rounded up, as other
 * tokenizers are coarser in Korean.
 */
size_t rag_evidence_tokens(const char *s, size_t n) {
    double t = 0.5;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        switch (rag_unicode_class(cp)) {
        case RAG_CHAR_SPACE:
            break;
        case RAG_CHAR_LATIN:
            t += cp < 0x80 ? 0.28 : 0.6;
            break;
        case RAG_CHAR_HANGUL:
            t += 0.72;
            break;
        case RAG_CHAR_DIGIT:
            t += 1.0;
            break;
        default:
            t += 0.8;
            break;
        }
    }
    return (size_t)t + 1;
}

/* ---- the question's terms ------------------------------------------------- */

typedef struct query_term {
    uint64_t hash;
    double weight; /* by kind, then times rarity */
} query_term;

typedef struct query {
    query_term term[64];
    unsigned n;
    struct {
        size_t start, end;
    } span[64]; /* of content words, so that only their bigrams count */
    unsigned nspans;
    bool number_asked;
    double number; /* what a sentence with a number is worth beside that */
    uint64_t code[CODES_MAX]; /* "HB-2107", "hb2107": hashed alike */
    unsigned ncodes;
} query;

static void query_add(query *q, const rag_term *t, double weight) {
    uint64_t h = rag_hash_fast(t->text, t->len);
    for (unsigned i = 0; i < q->n; i++)
        if (q->term[i].hash == h)
            return;
    if (q->n < 64)
        q->term[q->n++] = (query_term){h, weight};
}

/*
 * Hash of a code: letters, then digits (and perhaps more), hyphens aside; 0
 * for any other term. "2nd" and "30days" are no codes.
 */
static uint64_t code_of(const rag_term *t) {
    char s[RAG_TERM_MAX];
    size_t n = 0, letters = 0, digits = 0;
    if (t->kind != RAG_TERM_CODE)
        return 0;
    for (size_t i = 0; i < t->len && n < sizeof s; i++) {
        char c = t->text[i];
        if (c == '-')
            continue;
        if (c >= '0' && c <= '9')
            digits++;
        else if (!digits)
            letters++;
        s[n++] = c;
    }
    if (!letters || letters > CODE_LETTERS_MAX || digits < CODE_DIGITS_MIN)
        return 0;
    return rag_hash_fast(s, n);
}

static int on_content(void *user, const rag_term *t) {
    query *q = user;
    double w = t->kind == RAG_TERM_NUMBER || t->kind == RAG_TERM_CODE ? 1.5
               : t->kind == RAG_TERM_UNIGRAM                          ? 0.5
                                                                      : 1.0;
    query_add(q, t, w);
    if (q->nspans < 64) {
        q->span[q->nspans].start = t->start;
        q->span[q->nspans++].end = t->end;
    }
    return 0;
}

static int on_bigram(void *user, const rag_term *t) {
    query *q = user;
    uint64_t code = code_of(t);
    if (code && q->ncodes < CODES_MAX)
        q->code[q->ncodes++] = code;
    if (t->kind != RAG_TERM_BIGRAM && t->kind != RAG_TERM_PART)
        return 0;
    for (unsigned i = 0; i < q->nspans; i++)
        if (t->start >= q->span[i].start && t->end <= q->span[i].end)
            query_add(q, t, 0.4);
    return 0;
}

static int query_read(const char *question, query *q, rag_error *err) {
    size_t n = strlen(question);
    rag_buf folded;
    memset(q, 0, sizeof *q);
    rag_buf_init(&folded, 0);
    int rc = rag_unicode_fold(question, n, &folded, err);
    q->number_asked = !rc && rag_asks_number(rag_buf_str(&folded));
    rag_buf_free(&folded);
    if (!rc)
        rc = rag_terms_content(question, n, on_content, q, err);
    if (!rc)
        rc = rag_terms_each(question, n, on_bigram, q, err);
    return rc;
}

/* A number, date, amount or the like is asked for (folded question). */
bool rag_asks_number(const char *question) {
    static const char *const W[] = {
        "얼마",     "몇",       "언제",     "며칠",    "기간",      "금액",
        "한도",     "수수료",   "비용",     "시간",    "비율",      "금리",
        "이율",     "전화",     "번호",     "연락처",  "내선",      "날짜",
        "how much", "how many", "how long", "when",    "what time", "price",
        "cost",     "fee",      "limit",    "percent", "phone",     "number",
        "deadline", "rate"};
    for (size_t i = 0; i < sizeof W / sizeof W[0]; i++)
        if (strstr(question, W[i]))
            return true;
    return false;
}

/* How often one of the words stands in s. */
static unsigned count_words(const char *s, const char *const *words, size_t n) {
    unsigned found = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(words[i]);
        bool latin = (unsigned char)words[i][0] < 0x80;
        for (const char *p = strstr(s, words[i]); p;
             p = strstr(p + len, words[i]))
            found += !latin || ((p == s || p[-1] == ' ') &&
                                strchr(" ,.?'", p[len]) != NULL);
    }
    return found;
}

bool rag_asks_twice(const char *question) {
    static const char *const KO[] = {"며칠", "얼마", "언제", "어디",
                                     "누구", "누가", "몇",   "어떤",
                                     "뭐",   "무엇", "무슨", "어떻게"};
    static const char *const EN[] = {"what", "when",  "where", "who",
                                     "how",  "which", "why"};
    return count_words(question, KO, sizeof KO / sizeof *KO) > 1 ||
           (strstr(question, " and ") &&
            count_words(question, EN, sizeof EN / sizeof *EN) > 1);
}

/* ---- sentences ----------------------------------------------------------- */

typedef struct sentence {
    size_t start, end; /* bytes of the passage's text */
    uint64_t mask; /* which question terms are in it */
    bool number; /* has a digit */
    bool suspect;
    unsigned codes; /* which of the question's codes it has */
    bool other_code;
    double announces; /* what it is worth less: it does not answer */
    int row; /* by evidence_rows.c */
    double value, cosine; /* by evidence_rank.c */
    size_t span_start, span_end; /* by evidence_read.c */
} sentence;

typedef struct passage_view {
    const rag_passage *p;
    size_t index;
    sentence *s; /* into the shared array */
    size_t n;
    double best; /* value of its best sentence */
    bool korean;
    unsigned codes; /* in title or heading */
} passage_view;

typedef struct lookup {
    const query *q;
    uint64_t mask;
    unsigned codes;
    bool other_code;
} lookup;

static int on_sentence_term(void *user, const rag_term *t) {
    lookup *l = user;
    uint64_t code = code_of(t);
    unsigned before = l->codes;
    for (unsigned i = 0; code && i < l->q->ncodes; i++)
        l->codes |= l->q->code[i] == code ? 1u << i : 0;
    l->other_code = l->other_code || (code && l->codes == before);
    uint64_t h = rag_hash_fast(t->text, t->len);
    for (unsigned i = 0; i < l->q->n; i++)
        if (l->q->term[i].hash == h) {
            l->mask |= (uint64_t)1 << i;
            break;
        }
    return 0;
}

static bool has_digit(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] >= '0' && s[i] <= '9')
            return true;
    return false;
}

static int view_passage(const query *q, const rag_sentences *sentences,
                        sentence *room, size_t left, passage_view *v,
                        rag_error *err) {
    rag_span *spans = NULL;
    size_t n = 0;
    /* The splitter's patterns may only see valid UTF-8. */
    if (!rag_utf8_valid(v->p->text, v->p->len, NULL))
        return 0;
    int rc =
        rag_sentences_split(sentences, v->p->text, v->p->len, &spans, &n, err);
    if (rc)
        return rc;
    if (n > left)
        n = left;
    v->s = room;
    for (size_t i = 0; i < n && !rc; i++) {
        const char *text = v->p->text + spans[i].start;
        size_t len = spans[i].end - spans[i].start;
        lookup l = {.q = q};
        rc = rag_terms_each(text, len, on_sentence_term, &l, err);
        room[i] = (sentence){.start = spans[i].start,
                             .end = spans[i].end,
                             .mask = l.mask,
                             .codes = l.codes,
                             .other_code = l.other_code && !l.codes,
                             .number = has_digit(text, len),
                             .suspect = rag_inject_suspect(text, len)};
    }
    lookup head = {.q = q};
    const char *const heads[] = {v->p->title, v->p->heading};
    for (size_t i = 0; i < 2 && !rc; i++)
        if (heads[i])
            rc = rag_terms_each(heads[i], strlen(heads[i]), on_sentence_term,
                                &head, err);
    v->codes = head.codes;
    v->n = n;
    v->korean = strcmp(rag_unicode_lang(v->p->text, v->p->len), "ko") == 0;
    free(spans);
    return rc;
}

/* Turns the kinds' weights into weights by rarity among all sentences. */
static void weigh(query *q, const sentence *all, size_t n) {
    for (unsigned t = 0; t < q->n; t++) {
        size_t df = 0;
        for (size_t i = 0; i < n; i++)
            df += (all[i].mask >> t) & 1;
        q->term[t].weight *=
            log(1.0 + ((double)n - (double)df + 0.5) / ((double)df + 0.5));
        q->number += q->number_asked ? 0.5 * q->term[t].weight / q->n : 0;
    }
}

static double worth(const query *q, uint64_t mask) {
    double w = 0;
    for (unsigned t = 0; t < q->n; t++)
        if ((mask >> t) & 1)
            w += q->term[t].weight;
    return w;
}

/* ---- windows -------------------------------------------------------------- */

typedef struct window {
    size_t start, end; /* bytes of the passage's text */
    size_t tokens;
    size_t focus; /* which sentence it was grown from */
} window;

/* The best stretch of at most max_chars of one long sentence. */
static int cut_sentence(const query *q, const passage_view *v,
                        const sentence *s, size_t max_chars, window *w,
                        rag_error *err) {
    const char *text = v->p->text;
    size_t best = s->start, best_end = s->end;
    double best_worth = -1;
    /* Candidates begin at words; two pointers keep this linear but for the
     * look-up of each stretch, so only every eighth word is tried. */
    size_t step = 0;
    for (size_t i = s->start; i < s->end;) {
        if ((i == s->start || text[i - 1] == ' ' || text[i - 1] == '\n') &&
            step++ % 8 == 0) {
            size_t e = i, chars = 0, last_space = 0;
            while (e < s->end && chars < max_chars) {
                uint32_t cp;
                if (text[e] == ' ' || text[e] == '\n')
                    last_space = e;
                e += rag_utf8_next(text + e, s->end - e, &cp);
                chars++;
            }
            if (e < s->end && last_space > i)
                e = last_space;
            lookup l = {.q = q};
            int rc = rag_terms_each(text + i, e - i, on_sentence_term, &l, err);
            if (rc)
                return rc;
            double x = worth(q, l.mask);
            if (x > best_worth + 1e-9) {
                best_worth = x;
                best = i;
                best_end = e;
            }
            if (e >= s->end)
                break;
        }
        uint32_t cp;
        i += rag_utf8_next(text + i, s->end - i, &cp);
    }
    w->start = best;
    w->end = best_end;
    return 0;
}

static bool fits(const passage_view *v, size_t start, size_t end,
                 size_t max_chars, size_t max_tokens) {
    const char *t = v->p->text + start;
    return rag_utf8_count(t, end - start) <= max_chars &&
           rag_evidence_tokens(t, end - start) <= max_tokens;
}

static int find_window(const query *q, const passage_view *v, size_t max_chars,
                       size_t max_tokens, bool *found, window *w,
                       rag_error *err) {
    size_t best = v->n;
    double best_worth = -1e8;
    *found = false;
    for (size_t i = 0; i < v->n; i++) {
        double x = v->s[i].suspect ? -1e9 : v->s[i].value;
        if (x > best_worth + 1e-9) {
            best_worth = x;
            best = i;
        }
    }
    if (best == v->n)
        return 0;
    w->focus = best;
    size_t lo = best, hi = best;
    if (!fits(v, v->s[best].start, v->s[best].end, max_chars, max_tokens)) {
        /* Tokens a character here, to turn the budget into characters. */
        size_t len = v->s[best].end - v->s[best].start;
        const char *t = v->p->text + v->s[best].start;
        double rate = (double)rag_evidence_tokens(t, len) /
                      ((double)rag_utf8_count(t, len) + 1);
        size_t chars = (size_t)((double)max_tokens / rate);
        if (chars > max_chars)
            chars = max_chars;
        if (chars < 20)
            return 0;
        int rc = cut_sentence(q, v, &v->s[best], chars, w, err);
        if (rc)
            return rc;
        w->tokens =
            rag_evidence_tokens(v->p->text + w->start, w->end - w->start);
        *found = w->tokens <= max_tokens;
        return 0;
    }
    for (;;) {
        /* Another code's row would be read for the one asked about. */
        bool down =
            lo > 0 && !v->s[lo - 1].suspect &&
            !(q->ncodes && v->s[lo - 1].other_code) &&
            fits(v, v->s[lo - 1].start, v->s[hi].end, max_chars, max_tokens);
        bool up =
            hi + 1 < v->n && !v->s[hi + 1].suspect &&
            !(q->ncodes && v->s[hi + 1].other_code) &&
            fits(v, v->s[lo].start, v->s[hi + 1].end, max_chars, max_tokens);
        if (!down && !up)
            break;
        /* What follows explains more often than what stands before. */
        double wd = down ? v->s[lo - 1].value : -1e9;
        double wu = up ? v->s[hi + 1].value : -1e9;
        if (wu >= wd)
            hi++;
        else
            lo--;
    }
    w->start = v->s[lo].start;
    w->end = v->s[hi].end;
    w->tokens = rag_evidence_tokens(v->p->text + w->start, w->end - w->start);
    *found = true;
    return 0;
}

/* True when the same bytes, or a part of them, are among the items. */
static bool have_already(const rag_evidence *ev, const rag_passage *passages,
                         const rag_passage *p, const window *w) {
    for (size_t i = 0; i < ev->n; i++) {
        const rag_evidence_item *it = &ev->items[i];
        const rag_passage *o = &passages[it->passage];
        size_t len = w->end - w->start;
        if (len == it->end - it->start &&
            memcmp(it->text, p->text + w->start, len) == 0)
            return true;
        if (o->doc && p->doc && strcmp(o->doc, p->doc) == 0 &&
            p->start + w->start < it->end && p->start + w->end > it->start)
            return true;
    }
    return false;
}

static int by_score(const void *a, const void *b) {
    const passage_view *x = a, *y = b;
    if (x->p->score != y->p->score)
        return x->p->score > y->p->score ? -1 : 1;
    if (x->index == y->index && x->best != y->best)
        return x->best > y->best ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static int choose(const query *q, const rag_passage *passages,
                  const passage_view *views, size_t n,
                  const rag_evidence_options *opt, rag_evidence *out,
                  rag_error *err) {
    size_t max_tokens = opt->max_tokens ? opt->max_tokens : EVIDENCE_TOKENS;
    size_t max_items = opt->max_items ? opt->max_items : EVIDENCE_ITEMS;
    if (max_items > RAG_EVIDENCE_MAX)
        max_items = RAG_EVIDENCE_MAX;
    for (size_t i = 0; i < n; i++) {
        const passage_view *v = &views[i];
        size_t left = max_tokens - out->tokens;
        size_t chars =
            v->korean
                ? (opt->max_chars_ko ? opt->max_chars_ko : EVIDENCE_CHARS_KO)
                : (opt->max_chars_en ? opt->max_chars_en : EVIDENCE_CHARS_EN);
        if (out->n == max_items || left < EVIDENCE_TOKENS_MIN) {
            out->dropped++;
            continue;
        }
        window w;
        bool found = false;
        int rc = find_window(q, v, chars, left, &found, &w, err);
        if (rc)
            return rc;
        if (!found) {
            out->dropped += v->n > 0;
            continue;
        }
        if (have_already(out, passages, v->p, &w))
            continue;
        if (!out->n) {
            out->named = v->s[w.focus].codes || v->codes;
            out->answer_start = v->s[w.focus].span_start;
            out->answer_end = v->s[w.focus].span_end;
        }
        out->items[out->n++] = (rag_evidence_item){
            .passage = v->index,
            .start = v->p->start + w.start,
            .end = v->p->start + w.end,
            .text = v->p->text + w.start,
            .score = v->p->score,
            .tokens = w.tokens,
            .heading =
                v->p->heading && v->p->heading[0] ? v->p->heading : v->p->title,
            .focus_start = v->p->start + v->s[w.focus].start,
            .focus_end = v->p->start + v->s[w.focus].end,
            .value = v->s[w.focus].value,
            .cosine = v->s[w.focus].cosine,
        };
        out->tokens += w.tokens;
    }
    return 0;
}

/* Cuts passages where suspect sentences stand: what is on either side of one
 * may each give a window. */
static size_t part(const passage_view *views, size_t n, passage_view *parts,
                   size_t max) {
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const passage_view *v = &views[i];
        for (size_t lo = 0; lo < v->n && k < max;) {
            size_t hi = lo;
            double best = -1e8;
            for (; hi < v->n && !v->s[hi].suspect; hi++)
                best = fmax(best, v->s[hi].value);
            if (hi > lo) {
                parts[k] = *v;
                parts[k].s = v->s + lo;
                parts[k].n = hi - lo;
                parts[k++].best = best;
            }
            lo = hi + 1;
        }
    }
    return k;
}

static int by_best(const void *a, const void *b) {
    const passage_view *x = a, *y = b;
    if (x->best != y->best)
        return x->best > y->best ? -1 : 1;
    return by_score(a, b);
}

/* A code of the question that stands in none of the passages. */
static bool unknown_code(const query *q, const passage_view *views, size_t n) {
    unsigned all = (1u << q->ncodes) - 1, found = 0;
    for (size_t i = 0; i < n; i++) {
        found |= views[i].codes;
        for (size_t j = 0; j < views[i].n; j++)
            found |= views[i].s[j].codes;
    }
    return found != all;
}

static bool is_heading(const passage_view *v, size_t i) {
    return v->p->text[v->s[i].start] == '#';
}

static bool is_dashes(const passage_view *v, size_t i) {
    return rag_table_dashes(v->p->text + v->s[i].start,
                            v->s[i].end - v->s[i].start);
}

/* A table's first row: its words are everywhere in the table. */
static bool is_header(const passage_view *v, size_t i) {
    return v->p->text[v->s[i].start] == '|' && i + 1 < v->n &&
           is_dashes(v, i + 1);
}

/* What a heading is worth is what stands below it: that is what answers. */
static void pass_on(const passage_view *v) {
    for (size_t i = 0; i + 1 < v->n; i++) {
        size_t to = i + 1;
        if (to + 2 < v->n && is_header(v, to)) /* the first row */
            to += 2;
        if (!is_heading(v, i) || v->s[i].suspect || v->s[to].suspect ||
            v->s[i].value <= v->s[to].value)
            continue;
        v->s[to].value = v->s[i].value;
        v->s[to].cosine = fmax(v->s[i].cosine, v->s[to].cosine);
        v->s[to].span_start = v->s[to].span_end = 0;
        v->s[i].value -= ANNOUNCE_VALUE;
    }
}

/* Of a table's rows the one that is named is worth what the best is. */
static void pass_to_named(const passage_view *v) {
    for (size_t i = 0, to; i < v->n; i = to) {
        size_t best = i, row = v->n;
        for (to = i; to < v->n && v->s[to].row; to++) {
            best = v->s[to].value > v->s[best].value ? to : best;
            row = v->s[to].row > 0 ? to : row;
        }
        double value = v->s[best].value, cosine = v->s[best].cosine;
        for (size_t k = i; k < to; k++)
            v->s[k].value -= RAG_CONDITION_VALUE;
        if (row < v->n) { /* not beyond a suspect sentence */
            sentence *s = &v->s[row];
            s->value = value;
            s->cosine = cosine;
            if (!s->span_end) { /* it answers as a whole */
                s->span_start = v->p->start + s->start;
                s->span_end = v->p->start + s->end;
            }
        }
        to += to == i;
    }
}

/* Gives every sentence its value; suspect ones are not read by anyone. */
static int value_all(const char *question, const query *q,
                     const passage_view *views, size_t n, sentence *all,
                     size_t total, const rag_passage *passages,
                     const rag_evidence_options *opt, rag_evidence *out,
                     rag_error *err) {
    rag_ranked *r = calloc(total ? total : 1, sizeof *r);
    size_t k = 0;
    if (!r)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < views[i].n; j++) {
            const sentence *s = &views[i].s[j];
            if (s->suspect)
                continue;
            r[k++] = (rag_ranked){.passage = views[i].p,
                                  .text = views[i].p->text + s->start,
                                  .len = s->end - s->start,
                                  .words = worth(q, s->mask) +
                                           (s->number ? q->number : 0)};
        }
    int rc = rag_evidence_bounds(question, r, k, err);
    if (!rc)
        rc = rag_evidence_rows(question, opt->also, r, k, err);
    if (!rc)
        rc = opt->reading
                 ? rag_evidence_read(opt->reading, passages, n, r, k, out, err)
                 : rag_evidence_rank(opt->similar, r, k, err);
    for (size_t i = 0; i < n && !rc; i++)
        for (size_t j = 0; j < views[i].n; j++)
            views[i].s[j].announces =
                is_heading(&views[i], j) ? ANNOUNCE_VALUE
                : is_header(&views[i], j) || is_dashes(&views[i], j)
                    ? HEADER_VALUE
                    : 0;
    k = 0;
    for (size_t i = 0; i < total && !rc; i++)
        if (!all[i].suspect) {
            all[i].value =
                r[k].value + (all[i].codes ? CODE_VALUE : 0) - all[i].announces;
            all[i].cosine = r[k].meaning;
            all[i].row = r[k].row;
            all[i].span_start = r[k].span_start;
            all[i].span_end = r[k++].span_end;
        }
    for (size_t i = 0; i < n && !rc; i++) {
        pass_on(&views[i]);
        pass_to_named(&views[i]);
    }
    free(r);
    return rc;
}

int rag_evidence_select(const char *question, const rag_passage *passages,
                        size_t n, const rag_evidence_options *opt,
                        const rag_sentences *sentences, rag_evidence *out,
                        rag_error *err) {
    static const rag_evidence_options none = {0};
    query q;
    passage_view views[EVIDENCE_PASSAGES_MAX], parts[EVIDENCE_PARTS_MAX];
    memset(out, 0, sizeof *out);
    if (!opt)
        opt = &none;
    size_t used = n < EVIDENCE_PASSAGES_MAX ? n : EVIDENCE_PASSAGES_MAX;
    sentence *all = calloc(EVIDENCE_SENTENCES_MAX, sizeof *all);
    if (!all)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = query_read(question, &q, err);
    size_t total = 0;
    for (size_t i = 0; i < used && !rc; i++) {
        views[i] = (passage_view){.p = &passages[i], .index = i};
        rc = view_passage(&q, sentences, all + total,
                          EVIDENCE_SENTENCES_MAX - total, &views[i], err);
        total += views[i].n;
    }
    if (!rc) {
        weigh(&q, all, total);
        out->unknown_code = unknown_code(&q, views, used);
        rc = value_all(question, &q, views, used, all, total, passages, opt,
                       out, err);
    }
    if (!rc) {
        size_t nparts = part(views, used, parts, EVIDENCE_PARTS_MAX);
        qsort(parts, nparts, sizeof parts[0],
              opt->similar || opt->reading ? by_best : by_score);
        rc = choose(&q, passages, parts, nparts, opt, out, err);
        out->ranked = opt->similar || opt->reading;
        out->dropped += n - used;
    }
    free(all);
    if (rc)
        memset(out, 0, sizeof *out);
    return rc;
}
