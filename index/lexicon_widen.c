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
    bool hangul, stop;
    unsigned position;
} word;

typedef struct widening {
    const rag_lexicon *lexicon;
    const rag_tuning *t;
    rag_lexicon_use use;
    rag_query_term *terms;
    size_t *count;
    word words[WORDS_MAX];
    size_t n;
    /* of what is being added */
    double weight;
    unsigned concept;
    uint16_t alternative;
    double share; /* of the weight, a token */
    rag_error *err;
} widening;

static int take_word(void *user, const rag_term *t) {
    widening *w = user;
    word *last = w->n > 0 ? &w->words[w->n - 1] : NULL;
    bool hangul = t->kind == RAG_TERM_STEM || t->kind == RAG_TERM_BIGRAM ||
                  t->kind == RAG_TERM_UNIGRAM;

    if (t->kind == RAG_TERM_PART)
        return 0;
    if (last == NULL || last->position != t->position ||
        last->hangul != hangul) {
        if (w->n == WORDS_MAX)
            return 0;
        last = &w->words[w->n++];
        memset(last, 0, sizeof(*last));
        last->position = t->position;
        last->hangul = hangul;
        for (size_t i = 0; i < *w->count && !last->stop; i++)
            last->stop = w->terms[i].word == t->position && w->terms[i].stop;
    }
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

/* ---- adding ------------------------------------------------------------------------- */

static int count_tokens(void *user, const rag_term *t) {
    size_t *n = user;

    *n += t->kind == RAG_TERM_WORD || t->kind == RAG_TERM_STEM;
    return 0;
}

static int add_token(void *user, const rag_term *t) {
    widening *w = user;
    rag_query_term *q;
    char token[RAG_TOKEN_MAX];
    size_t len = rag_fts_token(t->kind, t->text, t->len, token);
    double weight = t->kind == RAG_TERM_STEM || t->kind == RAG_TERM_UNIGRAM
                        ? w->t->w_stem
                        : 1;

    if (t->kind == RAG_TERM_PART || *w->count == RAG_QUERY_TERMS_MAX)
        return 0;
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
    q->weight = weight * w->weight * w->share;
    q->widened = true;
    q->alternative = w->alternative;
    return 0;
}

static int add_side(widening *w, const char *side, double weight,
                    const rag_lexicon_entry *than) {
    const char *term;
    size_t n;
    int rc = 0;

    for (int k = 0; k < RAG_LEXICON_TERMS_MAX && rc == 0 &&
                    (term = rag_lexicon_next(&side, &n)) != NULL;
         k++) {
        size_t tokens = 0;
        rag_lexicon_key own;

        n -= n > 1 && term[n - 1] == '~';
        rc = rag_lexicon_key_of(term, n, (unsigned char)*term >= 0x80, &own,
                                w->err);
        if (rc != 0 || (than && own.len == than->len &&
                        memcmp(own.text, than->key, own.len) == 0))
            continue;
        rc = rag_terms_each(term, n, count_tokens, &tokens, w->err);
        w->weight = weight;
        w->share = tokens > 1 ? 1 / sqrt((double)tokens) : 1;
        w->alternative++;
        if (rc == 0)
            rc = rag_terms_each(term, n, add_token, w, w->err);
    }
    return rc;
}

static int add_concepts(widening *w, const rag_lexicon_entry *e, size_t n,
                        size_t at) {
    int rc = 0;

    w->concept++;
    for (size_t i = 0; i < n && i < SAME_MAX && rc == 0; i++) {
        const char *const *side = e[i].concept;
        int own = w->words[at].hangul ? 0 : 1;
        double translation = own ? w->use.korean : w->use.english;

        if (translation > 0)
            rc = add_side(w, side[!own], translation, NULL);
        if (rc == 0 && w->use.synonym > 0)
            rc = add_side(w, side[own], w->use.synonym, &e[i]);
    }
    return rc;
}

/* ---- finding ------------------------------------------------------------------------ */

/*
 * The longest term that begins with byte `from` of word i. *end is the byte
 * of that word behind it (its length where the term goes on into the next),
 * *words how many words it takes.
 */
static const rag_lexicon_entry *longest_hangul(const widening *w, size_t i,
                                               size_t from, size_t *count,
                                               size_t *end, size_t *words) {
    const rag_lexicon_entry *best = NULL;
    rag_lexicon_key k = {.len = 0};

    for (size_t j = i; j < w->n && j < i + SPAN_MAX; j++) {
        const word *x = &w->words[j];
        size_t first = j == i ? from : 0;

        if (!x->hangul || (j > i && first != 0))
            break;
        for (size_t at = first + SYL; at <= x->len; at += SYL) {
            size_t n;
            const rag_lexicon_entry *e;

            rag_lexicon_append(&k, x->text + at - SYL, SYL);
            if (k.too_long)
                return best;
            if (k.len < 2 * SYL ||
                (e = rag_lexicon_find(w->lexicon, k.text, k.len, &n)) == NULL)
                continue;
            /* A noun ends with its word's stem, or inside the first word,
             * where what follows may be another noun. */
            if (!e->prefix && j > i && at != x->stem && at != x->len)
                continue;
            if (e->prefix && from > 0)
                continue;
            best = e;
            *count = n;
            *end = j > i || e->prefix ? w->words[i].len : at;
            *words = j - i + 1;
        }
    }
    return best;
}

static int hangul_word(widening *w, size_t i, size_t *words) {
    const word *x = &w->words[i];
    size_t from = 0, stem = x->stem ? x->stem : x->len;
    int rc = 0;

    while (from + 2 * SYL <= stem && rc == 0) {
        size_t count, end, many;
        const rag_lexicon_entry *e =
            longest_hangul(w, i, from, &count, &end, &many);

        if (e) {
            rc = add_concepts(w, e, count, i);
            *words = many;
            from = end;
            continue;
        }
        /* Nothing begins here: what the word ends in. */
        for (from += SYL; from + 2 * SYL <= stem; from += SYL) {
            e = rag_lexicon_find(w->lexicon, x->text + from, stem - from,
                                 &count);
            if (e && !e->prefix)
                return add_concepts(w, e, count, i);
        }
    }
    return rc;
}

static int latin_word(widening *w, size_t i, size_t *words) {
    const rag_lexicon_entry *best = NULL;
    size_t count = 0;
    rag_lexicon_key k = {.len = 0};

    for (size_t j = i; j < w->n && j < i + SPAN_MAX && !w->words[j].hangul;
         j++) {
        const rag_lexicon_entry *e;
        size_t n;

        if (j > i)
            rag_lexicon_append(&k, " ", 1);
        rag_lexicon_append(&k, w->words[j].text, w->words[j].len);
        if (k.too_long)
            break;
        if ((e = rag_lexicon_find(w->lexicon, k.text, k.len, &n)) != NULL) {
            best = e;
            count = n;
            *words = j - i + 1;
        }
    }
    return best ? add_concepts(w, best, count, i) : 0;
}

int rag_lexicon_widen(const rag_lexicon *l, const char *s, size_t n,
                      const rag_tuning *t, rag_lexicon_use use,
                      rag_query_term *terms, size_t *count, rag_error *err) {
    widening *w = calloc(1, sizeof(*w));
    int rc;

    if (w == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for other words");
    w->lexicon = l;
    w->t = t;
    w->use = use;
    w->terms = terms;
    w->count = count;
    w->err = err;
    if (n > RAG_QUERY_BYTES_MAX)
        n = rag_utf8_floor(s, n, RAG_QUERY_BYTES_MAX);
    rc = rag_terms_each(s, n, take_word, w, err);
    for (size_t i = 0, words; i < w->n && rc == 0; i += words) {
        words = 1;
        if (!w->words[i].stop)
            rc = w->words[i].hangul ? hangul_word(w, i, &words)
                                    : latin_word(w, i, &words);
    }
    free(w);
    return rc;
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
