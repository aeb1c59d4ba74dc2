/*
 * search.c - a question's candidates from both sides, and the hits.
 *
 * One read transaction of one connection and one generation at the same
 * commit serve a whole search, so that what is found, scored and quoted
 * belongs together. Steps: terms and their frequencies; vector candidates;
 * one pass over the rows that match, which scores every one, keeps the best,
 * and gives the vector candidates their lexical score; the exact cosine of
 * those that only the words found; fusion; texts of the best.
 *
 * BM25: Robertson & Zaragoza, "The Probabilistic Relevance Framework" (2009),
 * with weighted columns as in section 3.6 (BM25F). Any thread.
 */
#include "index/lexicon.h"
#include "index/posting.h"
#include "index/search_int.h"
#include "index/spell.h"

#include "base/clock.h"
#include "base/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 32 /* tries to meet the store at one commit */
#define SAME_MAX 2 /* times the same passage may stand in a result */
#define FEW 8 /* a filter that keeps less than one of so many rows */
#define KEEP_SHARE 0.6 /* of the question's weight, whatever it costs */
#define DROP_FROM 1000 /* chunks from which common terms are dropped */
#define WIDE_MAX 200000 /* chunks; in more, fewer other words are looked for: */
#define WIDE_FEW 2 /* of a concept, and none of the question's language */
#define WIDEST_MAX 500000 /* chunks; in more, one of a concept */

static int no_memory(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory");
}

static bool is_allowed(const rag_search *s, int segment, size_t at) {
    return s->filter->rows[segment][at / 8] >> at % 8 & 1;
}

/* ---- candidates ----------------------------------------------------------------------- */

static size_t slot_of(const rag_search *s, int64_t id) {
    size_t i =
        (size_t)((uint64_t)id * 0x9E3779B97F4A7C15u >> 32) & (s->slots - 1);

    while (s->table[i] != 0 && s->c[s->table[i] - 1].id != id)
        i = (i + 1) & (s->slots - 1);
    return i;
}

static rag_candidate *find_candidate(rag_search *s, int64_t id) {
    size_t i = slot_of(s, id);

    return s->table[i] ? &s->c[s->table[i] - 1] : NULL;
}

/* The candidate for a chunk, made when there is none; room was reserved. */
static rag_candidate *candidate(rag_search *s, const rag_chunk_row *row,
                                int segment, size_t at) {
    size_t i = slot_of(s, row->id);
    rag_candidate *c;

    if (s->table[i] != 0)
        return &s->c[s->table[i] - 1];
    if (s->n == s->cap)
        return NULL;
    c = &s->c[s->n++];
    memset(c, 0, sizeof(*c));
    c->id = row->id;
    c->doc = row->doc;
    c->at = (uint32_t)at;
    c->segment = (uint8_t)segment;
    c->question = -1;
    s->table[i] = (uint32_t)s->n;
    return c;
}

static int reserve(rag_search *s, rag_error *err) {
    s->cap = 9 * s->wanted + 16; /* 4 a segment, and the heap */
    s->slots = 64;
    while (s->slots < 2 * s->cap)
        s->slots *= 2;
    s->c = malloc(s->cap * sizeof(*s->c));
    s->table = calloc(s->slots, sizeof(*s->table));
    s->heap = malloc((s->wanted + 1) * sizeof(*s->heap));
    return s->c && s->table && s->heap ? 0 : no_memory(err);
}

/* ---- vector side ------------------------------------------------------------------------ */

static void note_vector(rag_candidate *c, const rag_vec_row *v, double score) {
    if (!c->has_vector || score > c->vector) {
        c->has_vector = true;
        c->vector = score;
        if (v->role == RAG_VECTOR_QUESTION)
            c->question = v->ord;
    }
}

static int search_segment(rag_search *s, int which, const rag_segment *seg,
                          rag_error *err) {
    size_t k = s->wanted, found = 0;
    int64_t *positions;
    float *scores;
    int rc = 0;

    if (seg->ann == NULL || seg->nvecs == 0)
        return 0;
    /* Chunks have several vectors: look further to have as many chunks. */
    if (seg->nvecs > seg->nchunks)
        k = k * (seg->nvecs / seg->nchunks < 3 ? 2 : 4);
    positions = malloc(k * sizeof(*positions));
    scores = malloc(k * sizeof(*scores));
    if (positions == NULL || scores == NULL)
        rc = no_memory(err);
    if (rc == 0)
        rc = rag_ann_search(seg->ann, s->query->vector, k,
                            s->filter->live[which], s->filter->live_vecs[which],
                            positions, scores, &found, err);
    for (size_t i = 0; i < found && rc == 0; i++) {
        const rag_vec_row *v = &seg->vecs[positions[i]];
        rag_candidate *c =
            candidate(s, &seg->chunks[v->chunk], which, v->chunk);

        if (c)
            note_vector(c, v, scores[i]);
    }
    free(positions);
    free(scores);
    return rc;
}

static int by_vector(const void *x, const void *y) {
    const rag_candidate *a = x, *b = y;

    if (a->vector != b->vector)
        return a->vector > b->vector ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static int vector_side(rag_search *s, rag_error *err) {
    int rc = search_segment(s, 0, s->g->base, err);

    if (rc == 0)
        rc = search_segment(s, 1, s->g->tail, err);
    if (rc != 0)
        return rc;
    /* Both segments gave their best: keep the best of both. */
    qsort(s->c, s->n, sizeof(*s->c), by_vector);
    if (s->n > 2 * s->wanted)
        s->n = 2 * s->wanted;
    memset(s->table, 0, s->slots * sizeof(*s->table));
    for (size_t i = 0; i < s->n; i++)
        s->table[slot_of(s, s->c[i].id)] = (uint32_t)i + 1;
    return 0;
}

/* ---- lexical side ------------------------------------------------------------------------ */

/* The last chunk that the posting file has; those after it are FTS5's. */
static int64_t last_of_base(const rag_search *s) {
    const rag_segment *b = s->g->base;

    return s->postings ? b->chunks[b->nchunks - 1].id : -1;
}

typedef struct counter {
    const rag_search *s;
    const rag_query_term *terms;
    size_t df[RAG_QUERY_TERMS_MAX];
} counter;

static void count_terms(void *user, int64_t chunk, const uint16_t *tf) {
    counter *c = user;

    (void)chunk;
    for (size_t i = 0; i < c->s->nterms; i++)
        if (c->terms[i].weight > 0)
            for (int j = 0; j < RAG_COLS; j++)
                if (tf[i * RAG_COLS + (size_t)j] > 0) {
                    c->df[i]++;
                    break;
                }
}

/* Frequencies from the posting file, and of the chunks that came after it. */
static int count_postings(rag_search *s, const size_t *which, size_t n,
                          rag_error *err) {
    const rag_generation *g = s->g;
    const uint8_t *live =
        g->live_rows[0] < g->base->nchunks ? g->rows[0] : NULL;
    rag_query_term asked[RAG_QUERY_TERMS_MAX];
    counter c = {.s = s, .terms = asked};
    int rc = 0;

    if (n == 0)
        return 0;
    memcpy(asked, s->terms, s->nterms * sizeof(*asked));
    for (size_t i = 0; i < s->nterms; i++)
        asked[i].weight = 0;
    for (size_t i = 0; i < n; i++)
        asked[which[i]].weight = 1;
    if (g->tail->nchunks > 0)
        rc = rag_fts_match(s->store, asked, s->nterms, last_of_base(s),
                           count_terms, &c, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rag_query_term *t = &s->terms[which[i]];

        rc = rag_postings_df(s->postings, t->token, t->len, live, &t->df, err);
        t->df += c.df[which[i]];
    }
    return rc;
}

/* Looks up how many chunks have each term: what was looked up since the last
 * change is remembered. */
static int look_up(rag_search *s, rag_error *err) {
    size_t which[RAG_QUERY_TERMS_MAX] = {0}, unknown = 0;
    int64_t seq = s->g->meta.seq;
    int rc;

    for (size_t i = 0; i < s->nterms; i++) {
        rag_query_term *t = &s->terms[i];

        if (!rag_index_df_get(s->ix, seq, t->token, t->len, &t->df))
            which[unknown++] = i;
    }
    rc = s->postings ? count_postings(s, which, unknown, err)
                     : rag_fts_dfs(s->store, s->terms, which, unknown, err);
    for (size_t i = 0; i < unknown && rc == 0; i++) {
        const rag_query_term *t = &s->terms[which[i]];

        rag_index_df_put(s->ix, seq, t->token, t->len, t->df);
    }
    return rc;
}

/* Drops what nearly all chunks have, where FTS5 would have to read it. */
static int frequencies(rag_search *s, rag_error *err) {
    double n = (double)s->g->live_chunks;
    size_t kept = 0;
    int rc = look_up(s, err);
    bool drop;

    for (size_t i = 0; i < s->nterms && rc == 0; i++) {
        rag_query_term *t = &s->terms[i];

        if ((double)t->df > n)
            t->df = s->g->live_chunks;
        t->idf = log(1 + (n - (double)t->df + 0.5) / ((double)t->df + 0.5));
        if (!t->widened && t->df > 0 &&
            (double)t->df <= s->tuning->ubiquitous * n)
            kept++;
    }
    drop = kept > 0 && n >= DROP_FROM && !s->postings;
    for (size_t i = 0; i < s->nterms && rc == 0; i++) {
        rag_query_term *t = &s->terms[i];

        if (t->df == 0 || (drop && (double)t->df > s->tuning->ubiquitous * n))
            t->weight = 0;
    }
    return rc;
}

static int by_frequency(const void *x, const void *y) {
    const rag_query_term *const *a = x, *const *b = y;

    if ((*a)->widened != (*b)->widened)
        return (*a)->widened - (*b)->widened;
    return (*a)->df < (*b)->df ? -1 : (*a)->df > (*b)->df;
}

/*
 * Rows that will be read grow with the frequencies of the terms, and the most
 * frequent tell the least: from the rarest on, terms are kept while their
 * rows fit into the budget or too little of the question's weight is kept;
 * then the terms that it was widened by.
 */
static void fit_budget(rag_search *s) {
    rag_query_term *order[RAG_QUERY_TERMS_MAX];
    double all = 0, kept = 0;
    size_t n = 0, rows = 0;

    for (size_t i = 0; i < s->nterms; i++)
        if (s->terms[i].weight > 0) {
            order[n++] = &s->terms[i];
            if (!s->terms[i].widened)
                all += s->terms[i].weight * s->terms[i].idf;
        }
    qsort(order, n, sizeof(order[0]), by_frequency);
    for (size_t i = 0; i < n; i++) {
        double worth = order[i]->weight * order[i]->idf;

        if ((double)(rows + order[i]->df) > s->tuning->budget &&
            kept > KEEP_SHARE * all) {
            order[i]->weight = 0;
            continue;
        }
        rows += order[i]->df;
        kept += worth;
    }
}

static double length_norm(const rag_search *s, const rag_chunk_row *row,
                          int col) {
    double avg = s->g->avg_words[col], b = s->tuning->b;

    if (avg <= 0 || col == RAG_COL_TITLE || col == RAG_COL_HEADING)
        return 1;
    return 1 - b + b * row->words[col] / avg;
}

/* columns: how many count, RAG_COL_EXTRA for all but extra text. */
static double bm25(const rag_search *s, const rag_chunk_row *row,
                   const uint16_t *tf, int columns, double *cover) {
    double score = 0, inverse[RAG_COLS];

    for (int j = 0; j < columns; j++)
        inverse[j] = s->tuning->column[j] / length_norm(s, row, j);
    *cover = 0;
    for (size_t i = 0; i < s->nterms; i++) {
        const rag_query_term *t = &s->terms[i];
        const uint16_t *f = tf + i * RAG_COLS;
        double w = 0;

        if (t->weight <= 0)
            continue;
        for (int j = 0; j < columns; j++)
            w += f[j] * inverse[j];
        if (w <= 0)
            continue;
        score +=
            t->weight * t->idf * w * (s->tuning->k1 + 1) / (w + s->tuning->k1);
        if (!t->widened)
            *cover += t->weight * t->idf;
    }
    return score;
}

static bool worse(const rag_scored *a, const rag_scored *b) {
    return a->score != b->score ? a->score < b->score : a->id > b->id;
}

static void sift_down(rag_scored *h, size_t n, size_t i) {
    for (;;) {
        size_t child = 2 * i + 1;
        rag_scored swap;

        if (child >= n)
            return;
        if (child + 1 < n && worse(&h[child + 1], &h[child]))
            child++;
        if (!worse(&h[child], &h[i]))
            return;
        swap = h[i];
        h[i] = h[child];
        h[child] = swap;
        i = child;
    }
}

/* Keeps the best `wanted` in a heap whose root is the worst. */
static void keep(rag_search *s, rag_scored x) {
    rag_scored *h = s->heap;
    size_t i;

    if (s->heaped == s->wanted) {
        if (worse(&h[0], &x)) {
            h[0] = x;
            sift_down(h, s->heaped, 0);
        }
        return;
    }
    i = s->heaped++;
    h[i] = x;
    while (i > 0 && worse(&h[i], &h[(i - 1) / 2])) {
        rag_scored swap = h[i];

        h[i] = h[(i - 1) / 2];
        h[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

/* A row that matches, with its counts. */
static void on_row(rag_search *s, int segment, size_t at, const uint16_t *tf) {
    const rag_segment *seg = segment ? s->g->tail : s->g->base;
    const rag_chunk_row *row = &seg->chunks[at];
    rag_candidate *c = find_candidate(s, row->id);
    double cover, score, plain;

    if (c && s->exhausted && segment == 0)
        return; /* looked up before */
    /* What is reported and judged is about the documents' own words. */
    plain = score = bm25(s, row, tf, RAG_COL_EXTRA, &cover);
    if (row->words[RAG_COL_EXTRA] > 0) {
        double any;

        score = bm25(s, row, tf, RAG_COLS, &any);
    }
    if (plain > s->best_bm25 ||
        (plain == s->best_bm25 && row->id < s->best_id)) {
        s->best_bm25 = plain;
        s->best_cover = cover;
        s->best_id = row->id;
    }
    if (c)
        c->lexical = score;
    keep(s, (rag_scored){score, row->id, (uint32_t)at, segment});
}

static void on_match(void *user, int64_t chunk, const uint16_t *tf) {
    rag_search *s = user;
    size_t at;
    int segment;

    if (rag_generation_chunk(s->g, chunk, &segment, &at) &&
        is_allowed(s, segment, at))
        on_row(s, segment, at, tf);
}

static double on_posting(void *user, uint32_t row, const uint16_t *tf) {
    rag_search *s = user;

    on_row(s, 0, row, tf);
    return s->heaped == s->wanted ? s->heap[0].score : -1;
}

static int by_row(const void *x, const void *y) {
    const uint32_t *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

/* The candidates' own scores first: they raise the threshold for the rest. */
static int match_postings(rag_search *s, rag_error *err) {
    const rag_tuning *t = s->tuning;
    rag_posting_query q = {.terms = s->terms,
                           .n = s->nterms,
                           .b = t->b,
                           .k1 = t->k1,
                           .allowed = s->filter->rows[0],
                           .few = s->filter->live_rows[0] <
                                  s->g->base->nchunks / FEW};
    uint32_t *rows = malloc((s->n + 1) * sizeof(*rows));
    size_t n = 0;
    int rc;

    if (rows == NULL)
        return no_memory(err);
    memcpy(q.column, t->column, sizeof(q.column));
    memcpy(q.avg_words, s->g->avg_words, sizeof(q.avg_words));
    for (size_t i = 0; i < s->n; i++)
        if (s->c[i].segment == 0)
            rows[n++] = s->c[i].at;
    qsort(rows, n, sizeof(*rows), by_row);
    rc = rag_postings_lookup(s->postings, &q, rows, n, on_posting, s, err);
    free(rows);
    s->exhausted = true;
    if (rc == 0)
        rc = rag_postings_search(s->postings, &q,
                                 s->heaped == s->wanted ? s->heap[0].score : -1,
                                 on_posting, s, err);
    s->exhausted = false;
    return rc;
}

static int match_all(rag_search *s, rag_error *err) {
    int rc = 0;

    if (s->postings == NULL) {
        fit_budget(s);
        return rag_fts_match(s->store, s->terms, s->nterms, -1, on_match, s,
                             err);
    }
    if (s->g->tail->nchunks > 0)
        rc = rag_fts_match(s->store, s->terms, s->nterms, last_of_base(s),
                           on_match, s, err);
    return rc == 0 ? match_postings(s, err) : rc;
}

/* What the question's words are called in other words and, where the store has
 * had documents in it and they are not filtered out, in the other language. */
static int widen(rag_search *s, rag_error *err) {
    const rag_tuning *t = s->tuning;
    const rag_index_query *q = s->query;
    rag_interned *known = rag_index_strings(s->ix);
    bool alone =
        q->vector == NULL || s->g->meta.dim == 0 || q->vector_weight == 0;
    double share = alone ? t->alone : 1;
    rag_lexicon_use use = {.synonym = t->synonym};
    size_t before = s->nterms;
    uint32_t lang;
    int rc;

    if (rag_interned_find(known, "ko", &lang) &&
        (q->lang == NULL || strcmp(q->lang, "ko") == 0))
        use.korean = share * t->to_korean;
    if (rag_interned_find(known, "en", &lang) &&
        (q->lang == NULL || strcmp(q->lang, "en") == 0))
        use.english = share * t->to_english;
    if (s->g->live_chunks > WIDE_MAX) {
        use.synonym = 0;
        use.alternatives = s->g->live_chunks > WIDEST_MAX ? 1 : WIDE_FEW;
    }
    rc = rag_lexicon_widen(rag_index_lexicon(s->ix), q->text, q->len, t, use,
                           s->terms, &s->nterms, err);
    if (rc == 0 && s->nterms > before)
        rc = frequencies(s, err);
    if (rc == 0)
        rag_lexicon_weigh(s->terms, s->nterms, (double)s->g->live_chunks);
    return rc;
}

static int lexical_side(rag_search *s, rag_error *err) {
    int rc = rag_query_terms(s->query->text, s->query->len, s->tuning, s->terms,
                             &s->nterms, err);

    if (rc == 0)
        rc = frequencies(s, err);
    if (rc == 0 && s->tuning->typo > 0) {
        size_t before = s->nterms;

        rag_fts_lexicon(s->store, s->postings);
        rc = rag_spell_repair(s->store, s->tuning->typo, s->terms, &s->nterms,
                              err);
        rag_fts_lexicon(s->store, NULL);
        if (rc == 0 && s->nterms > before)
            rc = frequencies(s, err);
    }
    if (rc == 0)
        rc = widen(s, err);
    if (rc == 0)
        rc = match_all(s, err);
    for (size_t i = 0; i < s->heaped && rc == 0; i++) {
        const rag_scored *x = &s->heap[i];
        const rag_segment *seg = x->segment ? s->g->tail : s->g->base;
        rag_candidate *c = candidate(s, &seg->chunks[x->at], x->segment, x->at);

        if (c)
            c->lexical = x->score;
    }
    return rc;
}

/* Which candidates are in another language than the question; where one of
 * the two is not known, none is. */
static void note_languages(rag_search *s) {
    static const char *const known[] = {"ko", "en"};
    const char *own = rag_unicode_lang(s->query->text, s->query->len);
    uint32_t other;

    for (size_t k = 0; k < 2; k++) {
        if (*own == 0 || strcmp(own, known[k]) == 0 ||
            !rag_interned_find(rag_index_strings(s->ix), known[k], &other))
            continue;
        for (size_t i = 0; i < s->n; i++)
            s->c[i].foreign = s->g->docs[s->c[i].doc].lang == other;
    }
}

static void read_signals(rag_search *s, rag_query_signals *q) {
    double n = (double)s->g->live_chunks, top = log(1 + (n + 0.5) / 0.5);
    double idf = 0, possible = 0, weight = 0, codes = 0, quoted = 0,
           unknown = 0;

    memset(q, 0, sizeof(*q));
    for (size_t i = 0; i < s->nterms; i++) {
        const rag_query_term *t = &s->terms[i];

        if (t->widened)
            continue;
        possible += t->weight * t->idf;
        if (t->stop || t->kind == RAG_TERM_BIGRAM || t->kind == RAG_TERM_PART)
            continue;
        weight += 1;
        idf += t->df > 0 ? t->idf : 0;
        unknown += t->df == 0;
        codes += t->kind == RAG_TERM_CODE || t->kind == RAG_TERM_NUMBER;
        quoted += t->quoted;
    }
    q->words = weight;
    if (weight > 0) {
        q->codes = codes / weight;
        q->quoted = quoted / weight;
        q->rare = idf / weight / top;
        q->unknown = unknown / weight;
    }
    q->cover = possible > 0 ? s->best_cover / possible : 0;
}

/* ---- hits ----------------------------------------------------------------------------------- */

static int fill_hit(rag_search *s, const rag_ranked *d, const rag_candidate *c,
                    size_t number, rag_index_hit *h, bool *found,
                    rag_error *err) {
    int rc = rag_store_hit(s->store, c->id, c->question, h, found, err);

    if (rc != 0 || !*found)
        return rc;
    h->score = d->score - (s->c[d->first].fused - c->fused);
    h->own = c->fused;
    h->lexical = c->lexical;
    h->vector = c->has_vector ? c->plain : NAN;
    h->lexical_z = d->lexical_z;
    h->vector_z = d->vector_z;
    h->lexical_rank = d->lexical_rank;
    h->vector_rank = d->vector_rank;
    h->document = number;
    return 0;
}

static void free_hit(rag_index_hit *h) {
    free(h->doc);
    free(h->title);
    free(h->heading);
    free(h->source);
    free(h->url);
    free(h->lang);
    free(h->collection);
    free(h->text);
    free(h->question);
}

/* Counts a passage; true when it has been there SAME_MAX times before. */
static bool is_repeated(uint64_t *seen, size_t *n, size_t cap, uint64_t x) {
    size_t times = 0;

    if (x == 0)
        return false;
    for (size_t i = 0; i < *n; i++)
        times += seen[i] == x;
    if (times < SAME_MAX && *n < cap)
        seen[(*n)++] = x;
    return times >= SAME_MAX;
}

/* Adds document d's best chunks to out; *repeated when its passage was there
 * often enough (seen NULL: not asked), and then nothing is added. */
static int fetch_document(rag_search *s, const rag_ranked *d, size_t per,
                          rag_index_result *out, uint64_t *seen, size_t *nseen,
                          bool *repeated, rag_error *err) {
    size_t n = d->n < per ? d->n : per;
    rag_index_hit *more = realloc(out->hits, (out->n + n) * sizeof(*more));
    bool any = false;
    int rc = 0;

    *repeated = false;
    if (more == NULL)
        return no_memory(err);
    out->hits = more;
    for (size_t j = 0; j < n && rc == 0 && !*repeated; j++) {
        rag_index_hit *h = &out->hits[out->n];
        bool found = false;

        memset(h, 0, sizeof(*h));
        rc =
            fill_hit(s, d, &s->c[d->first + j], out->documents, h, &found, err);
        if (rc == 0 && found && !any && seen)
            *repeated =
                is_repeated(seen, nseen, RAG_INDEX_K_MAX, rag_order_passage(h));
        if (*repeated || (!found && rc == 0)) {
            free_hit(h);
            continue;
        }
        out->n++; /* freed with the result */
        any |= found;
    }
    out->documents += any;
    return rc;
}

/* Texts of the best; the same passage again and again goes to the end. */
static int fetch(rag_search *s, rag_fusion *f, rag_index_result *out,
                 rag_error *err) {
    size_t k = s->query->k ? s->query->k : 10;
    size_t per = s->query->chunks ? s->query->chunks : 1, later = 0, n = 0;
    uint64_t *seen = calloc(RAG_INDEX_K_MAX, sizeof(*seen));
    bool repeated;
    int rc = seen ? 0 : no_memory(err);

    if (k > RAG_INDEX_K_MAX)
        k = RAG_INDEX_K_MAX;
    if (per > RAG_INDEX_K_MAX)
        per = RAG_INDEX_K_MAX;
    for (size_t i = 0; i < f->n && out->documents < k && rc == 0; i++) {
        rc = fetch_document(s, &f->docs[i], per, out, seen, &n, &repeated, err);
        if (repeated)
            f->docs[later++] = f->docs[i]; /* its place is free by now */
    }
    for (size_t i = 0; i < later && out->documents < k && rc == 0; i++)
        rc = fetch_document(s, &f->docs[i], per, out, NULL, NULL, &repeated,
                            err);
    free(seen);
    if (rc == 0 && s->query->text)
        rc = rag_order_successors(out, s->query->text, err);
    return rc;
}

/* ---- the whole -------------------------------------------------------------------------------- */

/* Connection and generation at the same commit; *s owns both. */
static int begin(rag_index *ix, rag_search *s, rag_error *err) {
    rag_store_meta m;
    bool behind;
    int rc = rag_index_take(ix, &s->store, err);

    /* A writer that commits all the time could outrun us for ever; after
     * many rounds what is missing on one side is left out. */
    for (int round = 0; rc == 0 && round < ROUNDS; round++) {
        rc = rag_store_begin_read(s->store, err);
        if (rc == 0)
            rc = rag_store_meta_get(s->store, &m, err);
        if (rc != 0)
            break;
        s->g = rag_index_current(ix);
        if (m.seq == s->g->meta.seq || round == ROUNDS - 1)
            return 0;
        rag_store_end_read(s->store);
        behind = m.seq > s->g->meta.seq;
        rag_generation_release(s->g);
        s->g = NULL;
        /* When it cannot be followed (another encoder now), the old
         * generation goes on serving. */
        if (behind && rag_index_catch_up(ix, NULL) != 0)
            round = ROUNDS - 2;
    }
    return rc;
}

static void end(rag_index *ix, rag_search *s, bool broken) {
    rag_index_give(ix, s->store, broken);
    rag_filter_release(s->filter);
    rag_postings_close(s->postings);
    rag_generation_release(s->g);
    free(s->c);
    free(s->table);
    free(s->heap);
}

static int check_query(const rag_index_query *q, rag_error *err) {
    if (q->text == NULL && q->vector == NULL)
        return rag_error_set(err, RAG_E_USAGE, "an empty question");
    if (q->vector_weight > 1 || isnan(q->vector_weight))
        return rag_error_set(err, RAG_E_USAGE,
                             "the vector weight is a number from 0 to 1");
    return 0;
}

static int run(rag_search *s, rag_index_result *out, rag_error *err) {
    rag_query_signals signals;
    rag_fusion f = {0};
    double t0 = rag_clock_ms(), t1, t2;
    bool vector = s->query->vector && s->g->meta.dim > 0;
    int rc = rag_filter_get(s->g, rag_index_strings(s->ix), s->query,
                            &s->filter, err);

    s->postings = rag_generation_postings(s->g);
    if (rc == 0)
        rc = reserve(s, err);
    if (rc == 0 && vector)
        rc = vector_side(s, err);
    t1 = rag_clock_ms();
    if (rc == 0 && s->query->text && s->query->len > 0)
        rc = lexical_side(s, err);
    t2 = rag_clock_ms();
    if (rc == 0 && vector)
        rc = rag_search_cosines(s, err);
    note_languages(s);
    read_signals(s, &signals);
    if (rc == 0)
        rc = rag_fuse(s->c, s->n, s->best_bm25 > 0, vector,
                      s->query->vector_weight, &signals, s->tuning, &f, err);
    if (rc == 0 && vector && s->tuning->feedback > 0 && f.weight > 0) {
        rc = rag_search_likeness(s, &f, err);
        if (rc == 0)
            rag_fuse_feedback(s->c, &f, s->tuning->feedback);
    }
    if (rc == 0)
        rc = fetch(s, &f, out, err);
    free(f.docs);
    out->generation = (uint64_t)s->g->meta.seq;
    out->vector_weight = f.weight;
    out->vector_ms = t1 - t0;
    out->lexical_ms = t2 - t1;
    out->fuse_ms = rag_clock_ms() - t2;
    out->best_cosine = s->n > 0 && vector ? s->best_cosine : 0;
    out->best_bm25 = s->best_bm25;
    out->query_terms = signals.words;
    return rc;
}

int rag_index_search(rag_index *ix, const rag_index_query *q,
                     rag_index_result *out, rag_error *err) {
    rag_search *s;
    int rc = check_query(q, err);

    memset(out, 0, sizeof(*out));
    if (rc != 0)
        return rc;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return no_memory(err);
    s->ix = ix;
    s->query = q;
    s->tuning = rag_index_tuning(ix);
    s->best_cosine = -1;
    s->wanted = q->candidates ? q->candidates : 5 * (q->k ? q->k : 10);
    if (s->wanted < 100 && q->candidates == 0)
        s->wanted = 100;
    if (s->wanted > RAG_INDEX_CANDIDATES_MAX)
        s->wanted = RAG_INDEX_CANDIDATES_MAX;
    rc = begin(ix, s, err);
    if (rc == 0)
        rc = run(s, out, err);
    end(ix, s, rc != 0);
    free(s);
    if (rc != 0)
        rag_index_result_free(out);
    return rc;
}

void rag_index_result_free(rag_index_result *r) {
    for (size_t i = 0; i < r->n; i++)
        free_hit(&r->hits[i]);
    free(r->hits);
    memset(r, 0, sizeof(*r));
}
