/*
 * query.c - a question to weighted terms.
 *
 * Two walks over the question: content words first, then all terms, which are
 * weighted by what they are (function words little; bigrams that reach into a
 * particle little; codes and quoted words more). The weights multiply each
 * term's BM25 share. No state.
 */
#include "index/index_int.h"

#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>

#define POSITIONS_MAX 2048 /* words of a question that are told apart */
#define SPANS_MAX 8 /* quotations */

/* Tuned on finreg_ko, squad2_en and banking77_en; hotpotqa_en and
 * cncf_glossary_koen were only looked at. The optimum is flat. What concerns
 * extra text: on banking77_en. */
const rag_tuning rag_tuning_default = {
    .k1 = 1.0,
    .b = 0.6,
    .column = {3.0, 1.5, 1.5, 1.0, 0.25},
    .w_word = 1.0,
    .w_stop = 0.15,
    .w_stem = 0.7,
    .w_bigram = 1.0,
    .w_cross = 0.4,
    .w_number = 1.0,
    .w_code = 1.5,
    .w_part = 0.5,
    .ubiquitous = 0.5,
    .budget = 60000,
    .vector_weight = 0.72,
    .vector_coarse = 0.6,
    .w_min = 0.2,
    .w_max = 0.9,
    .a_code = 0.3,
    .a_rare = 0.6,
    .second = 0.0,
    .sentence = 0.6,
    .extra = 0.2,
    .feedback = 0.25,
    .typo = 0.6,
    .to_korean = 1.0,
    .to_english = 1.5,
    .synonym = 0.25,
    .alone = 0.4,
    .foreign = 0.6,
};

typedef struct span {
    size_t start, end;
} span;

typedef struct builder {
    const rag_tuning *t;
    rag_query_term *terms;
    size_t n;
    unsigned char content[POSITIONS_MAX];
    span quotes[SPANS_MAX];
    size_t nquotes;
    unsigned stem_word; /* word of the last stem */
    size_t stem_end;
    bool has_stem;
} builder;

/* ---- quotations ------------------------------------------------------------------- */

static uint32_t closing(uint32_t cp) {
    switch (cp) {
    case '"':
        return '"';
    case 0x201C:
        return 0x201D;
    case 0x2018:
        return 0x2019;
    case 0x300C:
        return 0x300D;
    case 0x300E:
        return 0x300F;
    case 0x300A:
        return 0x300B;
    default:
        return 0;
    }
}

static void find_quotes(builder *b, const char *s, size_t n) {
    uint32_t want = 0;
    size_t start = 0;

    for (size_t i = 0; i < n && b->nquotes < SPANS_MAX;) {
        uint32_t cp;
        size_t len = rag_utf8_next(s + i, n - i, &cp);

        if (want != 0 && cp == want) {
            if (i > start)
                b->quotes[b->nquotes++] = (span){start, i};
            want = 0;
        } else if (want == 0 && closing(cp) != 0) {
            want = closing(cp);
            start = i + len;
        }
        i += len;
    }
}

static bool is_quoted(const builder *b, const rag_term *t) {
    for (size_t i = 0; i < b->nquotes; i++)
        if (t->start >= b->quotes[i].start && t->end <= b->quotes[i].end)
            return true;
    return false;
}

/* ---- terms ------------------------------------------------------------------------- */

static int mark_content(void *user, const rag_term *t) {
    builder *b = user;

    if (t->position < POSITIONS_MAX)
        b->content[t->position] = 1;
    return 0;
}

static double weight_of(builder *b, const rag_term *t, bool stop) {
    const rag_tuning *w = b->t;
    bool second;

    switch (t->kind) {
    case RAG_TERM_WORD:
        return stop ? w->w_stop : w->w_word;
    case RAG_TERM_STEM:
        /* The second stem of a word is the less likely reading. */
        second = b->has_stem && b->stem_word == t->position;
        b->has_stem = true;
        b->stem_word = t->position;
        if (!second)
            b->stem_end = t->end;
        return (stop ? w->w_stop : w->w_stem) * (second ? 0.5 : 1);
    case RAG_TERM_UNIGRAM:
        return stop ? w->w_stop : w->w_stem;
    case RAG_TERM_BIGRAM:
        if (stop)
            return 0;
        if (!b->has_stem || b->stem_word != t->position)
            return w->w_bigram; /* Han or Kana */
        return t->end <= b->stem_end ? w->w_bigram : w->w_cross;
    case RAG_TERM_NUMBER:
        return w->w_number;
    case RAG_TERM_CODE:
        return w->w_code;
    case RAG_TERM_PART:
        return w->w_part;
    }
    return 0;
}

static int add_term(void *user, const rag_term *t) {
    builder *b = user;
    bool stop = t->position < POSITIONS_MAX && !b->content[t->position];
    double weight = weight_of(b, t, stop);
    rag_query_term *q;
    char token[RAG_TOKEN_MAX];
    size_t len = rag_fts_token(t->kind, t->text, t->len, token);

    if (weight <= 0)
        return 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->terms[i].len == len &&
            memcmp(b->terms[i].token, token, len) == 0) {
            if (weight > b->terms[i].weight)
                b->terms[i].weight = weight;
            return 0;
        }
    if (b->n == RAG_QUERY_OWN_MAX)
        return 0;
    q = &b->terms[b->n++];
    memset(q, 0, sizeof(*q));
    memcpy(q->token, token, len + 1);
    q->len = len;
    q->kind = t->kind;
    q->word = t->position;
    q->weight = weight;
    q->stop = stop;
    q->quoted = is_quoted(b, t);
    return 0;
}

int rag_query_terms(const char *s, size_t n, const rag_tuning *t,
                    rag_query_term *terms, size_t *count, rag_error *err) {
    builder *b = calloc(1, sizeof(*b));
    int rc;

    *count = 0;
    if (b == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    b->t = t;
    b->terms = terms;
    if (n > RAG_QUERY_BYTES_MAX)
        n = rag_utf8_floor(s, n, RAG_QUERY_BYTES_MAX);
    find_quotes(b, s, n);
    rc = rag_terms_content(s, n, mark_content, b, err);
    if (rc == 0)
        rc = rag_terms_each(s, n, add_term, b, err);
    *count = b->n;
    free(b);
    return rc;
}
