/*
 * lexicon_widen.c - the other terms of what a question names (lexicon.h).
 *
 * A question is walked word by word. At each word the longest term of the
 * lexicon that begins there counts: of Korean by syllables, whatever the
 * spaces ("인터넷 뱅킹" is 인터넷뱅킹), and inside a compound one after the
 * other from its beginning (외화|송금|한도), or the longest at its end; of
 * English by stemmed words. A Korean term that ends in "~" is the beginning
 * of a verb and matches whatever follows in its word. No state.
 */
#include "index/lexicon.h"

#include "base/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SYL 3 /* bytes of a Hangul syllable in UTF-8 */
#define WORDS_MAX 96 /* words of a question that are looked at */
#define SPAN_MAX 4 /* words that a term may span */
#define SAME_MAX 3 /* concepts that a term stands for at most */

/* ---- a question's words ------------------------------------------------------------- */

typedef struct word {
    char text[RAG_TERM_MAX]; /* Hangul: the whole eojeol; else the stem */
    size_t len, stem; /* stem: bytes of Hangul without particles */
    bool hangul, content;
    bool joined; /* only white space between it and the word before */
    unsigned position;
} word;

typedef struct widening {
    const rag_lexicon *lexicon;
    const rag_tuning *t;
    rag_lexicon_use use;
    rag_query_term *terms;
    size_t *count;
    const char *s; /* the question */
    word words[WORDS_MAX];
    size_t n, end; /* end: byte behind the last of them */
    /* of the term that is being added */
    unsigned concept;
    uint16_t alternative;
    double weight; /* a token */
    bool content[WORDS_MAX]; /* its words that are no function words */
    unsigned stemmed; /* 1 + the word whose stem was added */
    rag_buf
        *said; /* NULL, or gets the terms themselves, and no tokens are added */
    rag_error *err;
} widening;

static bool is_syllable(const char *s, size_t n) {
    uint32_t cp;

    return rag_utf8_next(s, n, &cp) == SYL && rag_unicode_syllable(cp);
}

static bool is_gap(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\n' && s[i] != '\r')
            return false;
    return true;
}

static int take_word(void *user, const rag_term *t) {
    widening *w = user;
    word *last = w->n > 0 ? &w->words[w->n - 1] : NULL;
    bool hangul = is_syllable(t->text, t->len);

    if (t->kind == RAG_TERM_PART || (!hangul && (t->kind == RAG_TERM_BIGRAM ||
                                                 t->kind == RAG_TERM_UNIGRAM)))
        return 0;
    if (last == NULL || last->position != t->position ||
        last->hangul != hangul) {
        if (w->n == WORDS_MAX)
            return 0;
        last = &w->words[w->n++];
        memset(last, 0, sizeof(*last));
        last->position = t->position;
        last->hangul = hangul;
        last->joined = w->n > 1 && t->start >= w->end &&
                       is_gap(w->s + w->end, t->start - w->end);
    }
    if (t->end > w->end)
        w->end = t->end;
    if (t->kind == RAG_TERM_STEM) {
        if (last->stem == 0)
            last->stem = t->len;
        return 0;
    }
    if (t->kind == RAG_TERM_BIGRAM && last->len > 0) {
        if (t->len == 2 * SYL && last->len + SYL <= sizeof(last->text)) {
            memcpy(last->text + last->len, t->text + SYL, SYL);
            last->len += SYL;
        }
        return 0;
    }
    if (last->len == 0 && t->len <= sizeof(last->text)) {
        memcpy(last->text, t->text, t->len);
        last->len = t->len;
    }
    return 0;
}

static int take_content(void *user, const rag_term *t) {
    widening *w = user;

    for (size_t i = 0; i < w->n; i++)
        w->words[i].content |= w->words[i].position == t->position;
    return 0;
}

/* ---- adding ------------------------------------------------------------------------- */

static int mark_content(void *user, const rag_term *t) {
    widening *w = user;

    if (t->position < WORDS_MAX)
        w->content[t->position] = true;
    return 0;
}

/* As query.c weighs a question's own; function words are left out. */
static int add_token(void *user, const rag_term *t) {
    widening *w = user;
    bool stem = t->kind == RAG_TERM_STEM || t->kind == RAG_TERM_UNIGRAM;
    rag_query_term *q;
    char token[RAG_TOKEN_MAX];
    size_t len = rag_fts_token(t->kind, t->text, t->len, token);

    if (t->kind == RAG_TERM_PART || *w->count == RAG_QUERY_TERMS_MAX ||
        t->position >= WORDS_MAX || !w->content[t->position])
        return 0;
    if (t->kind == RAG_TERM_STEM) {
        if (w->stemmed == t->position + 1)
            return 0; /* a second reading */
        w->stemmed = t->position + 1;
    }
    for (size_t i = 0; i < *w->count; i++)
        if (w->terms[i].len == len &&
            memcmp(w->terms[i].token, token, len) == 0)
            return 0;
    q = &w->terms[(*w->count)++];
    memset(q, 0, sizeof(*q));
    memcpy(q->token, token, len + 1);
    q->len = len;
    q->kind = t->kind;
    q->word = w->concept;
    q->weight = w->weight * (stem ? w->t->w_stem : 1);
    q->widened = true;
    q->alternative = w->alternative;
    return 0;
}

static int add_side(widening *w, const char *side, bool korean, double weight,
                    const rag_lexicon_entry *than) {
    size_t most = w->use.alternatives ? w->use.alternatives : SIZE_MAX, n;
    const char *term;
    int rc = 0;

    for (size_t k = 0;
         k < most && rc == 0 && (term = rag_lexicon_next(&side, &n)) != NULL;
         k++) {
        size_t words = 0;
        rag_lexicon_key own;

        n -= korean && n > 1 && term[n - 1] == '~';
        if (than) {
            rc = rag_lexicon_key_of(term, n, korean, &own, w->err);
            if (rc != 0 || (own.len == than->len &&
                            memcmp(own.text, than->key, own.len) == 0))
                continue;
        }
        if (w->said) {
            rc = rag_buf_printf(w->said, w->err, "%.*s, ", (int)n, term);
            continue;
        }
        memset(w->content, 0, sizeof(w->content));
        rc = rag_terms_content(term, n, mark_content, w, w->err);
        for (size_t i = 0; i < WORDS_MAX; i++)
            words += w->content[i];
        w->weight = words > 1 ? weight / sqrt((double)words) : weight;
        w->alternative++;
        w->stemmed = 0;
        if (rc == 0)
            rc = rag_terms_each(term, n, add_token, w, w->err);
    }
    return rc;
}

/* What was found at a word. */
typedef struct match {
    const rag_lexicon_entry *e; /* n of one key, of which some may not fit */
    size_t n;
    bool noun, beginning; /* what fits: a whole term, the beginning of a verb */
    size_t end; /* byte of the first word behind it */
    size_t words;
} match;

static bool fits(const rag_lexicon_entry *e, const match *m) {
    return e->prefix ? m->beginning && (!e->spaced || m->words > 1) : m->noun;
}

static bool any_fits(const match *m) {
    for (size_t i = 0; i < m->n; i++)
        if (fits(&m->e[i], m))
            return true;
    return false;
}

static int add_concepts(widening *w, const match *m, bool korean) {
    size_t added = 0;
    int rc = 0;

    w->concept++;
    for (size_t i = 0; i < m->n && added < SAME_MAX && rc == 0; i++) {
        const rag_lexicon_entry *e = &m->e[i];
        double translation = korean ? w->use.english : w->use.korean;

        if (!fits(e, m))
            continue;
        added++;
        if (translation > 0)
            rc = add_side(w, e->concept[korean], !korean, translation, NULL);
        if (rc == 0 && w->use.synonym > 0)
            rc = add_side(w, e->concept[!korean], korean, w->use.synonym, e);
    }
    return rc;
}

/* ---- finding ------------------------------------------------------------------------ */

/*
 * The longest term that begins with byte `from` of word i. A noun ends with its
 * word's stem or inside the first word, where another noun may follow.
 */
static bool longest_hangul(const widening *w, size_t i, size_t from,
                           match *best) {
    rag_lexicon_key k = {.len = 0};
    bool found = false;

    for (size_t j = i; j < w->n && j < i + SPAN_MAX; j++) {
        const word *x = &w->words[j];

        if (!x->hangul || (j > i && !x->joined))
            break;
        for (size_t at = j == i ? from + SYL : SYL; at <= x->len; at += SYL) {
            match m = {.beginning = from == 0, .words = j - i + 1};

            rag_lexicon_append(&k, x->text + at - SYL, SYL);
            if (k.too_long)
                return found;
            if (k.len < 2 * SYL)
                continue;
            m.noun = j == i || at == x->stem || at == x->len;
            m.e = rag_lexicon_find(w->lexicon, k.text, k.len, &m.n);
            if (m.e == NULL || !any_fits(&m))
                continue;
            m.end = j > i ? w->words[i].len : at;
            *best = m;
            found = true;
        }
    }
    return found;
}

static int hangul_word(widening *w, size_t i, size_t *words) {
    const word *x = &w->words[i];
    size_t from = 0, stem = x->stem ? x->stem : x->len;
    match m;
    int rc = 0;

    while (rc == 0 && (from == 0 || from + 2 * SYL <= stem)) {
        if (longest_hangul(w, i, from, &m)) {
            if (!x->content && m.words == 1)
                return 0;
            rc = add_concepts(w, &m, true);
            *words = m.words;
            from = m.end;
            continue;
        }
        /* Nothing begins here: what the word ends in. */
        for (from += SYL; from + 2 * SYL <= stem; from += SYL) {
            m = (match){.noun = true, .words = 1};
            m.e =
                rag_lexicon_find(w->lexicon, x->text + from, stem - from, &m.n);
            if (m.e && x->content && any_fits(&m))
                return add_concepts(w, &m, true);
        }
    }
    return rc;
}

static int latin_word(widening *w, size_t i, size_t *words) {
    match best = {.n = 0};
    rag_lexicon_key k = {.len = 0};

    for (size_t j = i; j < w->n && j < i + SPAN_MAX; j++) {
        const word *x = &w->words[j];
        match m = {.noun = true, .words = j - i + 1};

        if (x->hangul || (j > i && !x->joined))
            break;
        if (j > i)
            rag_lexicon_append(&k, " ", 1);
        rag_lexicon_append(&k, x->text, x->len);
        if (k.too_long)
            break;
        m.e = rag_lexicon_find(w->lexicon, k.text, k.len, &m.n);
        if (m.e)
            best = m;
    }
    /* A function word means something only with others. */
    if (best.n == 0 || (best.words == 1 && !w->words[i].content))
        return 0;
    *words = best.words;
    return add_concepts(w, &best, false);
}

static int walk(widening like, const char *s, size_t n, rag_error *err) {
    widening *w = malloc(sizeof(*w));
    int rc;

    if (w == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for other words");
    *w = like;
    w->s = s;
    w->err = err;
    if (n > RAG_QUERY_BYTES_MAX)
        n = rag_utf8_floor(s, n, RAG_QUERY_BYTES_MAX);
    rc = rag_terms_each(s, n, take_word, w, err);
    if (rc == 0)
        rc = rag_terms_content(s, n, take_content, w, err);
    for (size_t i = 0, words; i < w->n && rc == 0; i += words) {
        words = 1;
        rc = w->words[i].hangul ? hangul_word(w, i, &words)
                                : latin_word(w, i, &words);
    }
    free(w);
    return rc;
}

int rag_lexicon_widen(const rag_lexicon *l, const char *s, size_t n,
                      const rag_tuning *t, rag_lexicon_use use,
                      rag_query_term *terms, size_t *count, rag_error *err) {
    widening w = {
        .lexicon = l, .t = t, .use = use, .terms = terms, .count = count};

    return walk(w, s, n, err);
}

int rag_lexicon_say(const rag_lexicon *l, const char *s, size_t n, rag_buf *out,
                    rag_error *err) {
    widening w = {.lexicon = l, .use = {1, 1, 1, 0}, .said = out};

    return walk(w, s, n, err);
}

/* ---- frequencies ---------------------------------------------------------------------- */

void rag_lexicon_weigh(rag_query_term *terms, size_t n, double chunks) {
    for (size_t i = 0; i < n;) {
        unsigned at = terms[i].word;
        double together = 0, idf;
        size_t end = i;

        if (!terms[i].widened) {
            i++;
            continue;
        }
        /* An alternative is as frequent as its rarest token. */
        while (end < n && terms[end].widened && terms[end].word == at) {
            uint16_t alternative = terms[end].alternative;
            double rarest = HUGE_VAL;

            for (; end < n && terms[end].widened && terms[end].word == at &&
                   terms[end].alternative == alternative;
                 end++)
                rarest = fmin(rarest, (double)terms[end].df);
            together += rarest;
        }
        together = fmin(together, chunks);
        idf = log(1 + (chunks - together + 0.5) / (together + 0.5));
        for (; i < end; i++)
            terms[i].idf = fmin(terms[i].idf, idf);
    }
}
