/*
 * posting_search.c - the rows that score best for a question.
 *
 * Rows are walked in windows. In a window each list has a bound, the most that
 * it can add to any row there; lists in ascending order of their bounds whose
 * sum stays below the threshold are not essential: a row that only they have
 * cannot count. The essential lists are added up over the window (term at a
 * time, in floats: good enough to decide with SLACK); the few rows that can
 * still reach the threshold are looked up in the others, largest bound first,
 * until they fail; who is left is handed over with all its exact counts.
 *
 * Each list has two cursors, since the lookups trail behind the walk. State
 * belongs to one search.
 */
#include "index/posting_int.h"

#include <math.h>
#include <stdlib.h>

#define WINDOW RAG_POSTING_WINDOW
#define BLOCK RAG_POSTING_BLOCK
#define NONE UINT32_MAX
#define SLACK 4e-5 /* of the threshold: rounding of up to 192 floats */
#define STRETCH_MAX 1e9

typedef struct cursor {
    uint32_t block; /* where it stands; nblocks: behind the last */
    uint32_t loaded, counted; /* the block in rows and in tf, or NONE */
    uint32_t i, n;
    uint32_t rows[BLOCK];
    uint16_t tf[BLOCK][RAG_COLS];
} cursor;

typedef struct list {
    rag_posting_list l;
    size_t term; /* in the question */
    double gain; /* what an infinite count would score */
    double bound; /* in this window */
    uint32_t at; /* first block of this window */
    cursor scan, probe;
} list;

typedef struct searcher {
    const rag_postings *p;
    const rag_posting_query *q;
    list *lists;
    list **order; /* by bound in this window, ascending */
    size_t n;
    double stretch; /* what the file's bounds are multiplied by */
    double threshold;
    rag_posting_fn fn;
    void *user;
    uint16_t *tf; /* of all terms of the question */
    float score[WINDOW];
    uint64_t touched[WINDOW / 64];
    bool damaged;
} searcher;

/* ---- bounds --------------------------------------------------------------------------- */

static double over(double a, double b) {
    double r = b > 0 ? a / b : a > 0 ? STRETCH_MAX : 0;

    return r < STRETCH_MAX ? r : STRETCH_MAX;
}

/*
 * The file's bounds are of the weighted counts with the lengths and tuning it
 * was made with. Each term of that sum has changed by a ratio that is largest
 * where a row has no words or very many; the largest of all holds for the sum.
 */
static double stretch_of(const rag_posting_head *h,
                         const rag_posting_query *q) {
    double most = 0;

    for (int j = 0; j < RAG_COLS; j++) {
        double was0 = rag_posting_norm(h->b, h->avg_words[j], 0, j);
        double was1 = rag_posting_norm(h->b, h->avg_words[j], 1, j) - was0;
        double is0 = rag_posting_norm(q->b, q->avg_words[j], 0, j);
        double is1 = rag_posting_norm(q->b, q->avg_words[j], 1, j) - is0;
        double r = over(was0, is0);

        if (over(was1, is1) > r)
            r = over(was1, is1);
        r *= over(q->column[j], h->column[j]);
        if (r > most)
            most = r;
    }
    return (most < STRETCH_MAX ? most : STRETCH_MAX) * (1 + 1e-9);
}

/* Of a weighted count. */
static double share(const searcher *s, const list *l, double w) {
    return w > 0 ? l->gain * w / (w + s->q->k1) : 0;
}

static double block_bound(const searcher *s, const list *l, uint32_t block) {
    float w = l->l.skips ? rag_posting_skip_at(&l->l, block).bound : l->l.bound;

    return w > 0 ? share(s, l, w * s->stretch) : isnan(w) ? l->gain : 0;
}

/* ---- cursors ---------------------------------------------------------------------------- */

static bool load_rows(searcher *s, const list *l, cursor *c) {
    size_t from, to, n;
    uint32_t first;

    if (!rag_posting_place(&l->l, c->block, &from, &to, &first, &n) ||
        !rag_posting_rows(l->l.blocks + from, to - from, n, first,
                          (uint32_t)s->p->head.nrows, c->rows)) {
        s->damaged = true;
        return false;
    }
    /* So that rows ascend from block to block, whatever the file says. */
    if (l->l.skips &&
        rag_posting_skip_at(&l->l, c->block).last != c->rows[n - 1]) {
        s->damaged = true;
        return false;
    }
    c->loaded = c->block;
    c->n = (uint32_t)n;
    c->i = 0;
    return true;
}

static bool load_counts(searcher *s, const list *l, cursor *c) {
    size_t from, to, n;
    uint32_t first;

    if (c->counted == c->loaded)
        return true;
    if (!rag_posting_place(&l->l, c->loaded, &from, &to, &first, &n) ||
        !rag_posting_counts(l->l.blocks + from, to - from, n, c->tf)) {
        s->damaged = true;
        return false;
    }
    c->counted = c->loaded;
    return true;
}

/* The first block from `block` on that reaches row. */
static uint32_t block_with(const list *l, uint32_t block, uint32_t row) {
    uint32_t lo = block, step = 1, hi;

    if (l->l.skips == NULL)
        return block;
    while (lo < l->l.nblocks && rag_posting_skip_at(&l->l, lo).last < row) {
        block = lo + 1;
        lo += step;
        step *= 2;
    }
    for (hi = lo < l->l.nblocks ? lo : l->l.nblocks; block < hi;) {
        uint32_t mid = block + (hi - block) / 2;

        if (rag_posting_skip_at(&l->l, mid).last < row)
            block = mid + 1;
        else
            hi = mid;
    }
    return block;
}

/* Moves to the first posting at or after row; false behind the last. */
static bool seek(searcher *s, const list *l, cursor *c, uint32_t row) {
    uint32_t lo, hi;

    c->block = block_with(l, c->block, row);
    if (c->block >= l->l.nblocks ||
        (c->loaded != c->block && !load_rows(s, l, c)))
        return false;
    for (lo = c->i, hi = c->n; lo < hi;) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (c->rows[mid] < row)
            lo = mid + 1;
        else
            hi = mid;
    }
    c->i = lo;
    if (lo < c->n)
        return true;
    c->block = l->l.nblocks; /* of one block, or damaged */
    return false;
}

static bool stands_at(searcher *s, const list *l, cursor *c, uint32_t row) {
    return seek(s, l, c, row) && c->rows[c->i] == row && load_counts(s, l, c);
}

/* ---- scores ------------------------------------------------------------------------------- */

static double contribution(const searcher *s, const list *l, const cursor *c,
                           uint32_t i) {
    const rag_posting_query *q = s->q;
    const rag_chunk_row *row = &s->p->rows[c->rows[i]];
    double w = 0;

    for (int j = 0; j < RAG_COLS; j++)
        if (c->tf[i][j] > 0)
            w += c->tf[i][j] * q->column[j] /
                 rag_posting_norm(q->b, q->avg_words[j], row->words[j], j);
    return share(s, l, w);
}

static bool is_allowed(const searcher *s, uint32_t row) {
    return s->q->allowed == NULL || s->q->allowed[row / 8] >> row % 8 & 1;
}

/* Adds a list's postings in [lo, hi) to the window's scores. */
static void add_list(searcher *s, list *l, uint32_t lo, uint32_t hi) {
    const rag_posting_query *q = s->q;
    const rag_chunk_row *rows = s->p->rows;
    double avg = q->avg_words[RAG_COL_BODY];
    float gain = (float)l->gain, column = (float)q->column[RAG_COL_BODY];
    /* count * column / (count * column + k1 * norm), norm = fixed + slope * n */
    float fixed = (float)(q->k1 * (avg > 0 ? 1 - q->b : 1));
    float slope = avg > 0 ? (float)(q->k1 * q->b / avg) : 0;
    cursor *c = &l->scan;

    if (!seek(s, l, c, lo))
        return;
    for (;;) {
        if (!load_counts(s, l, c))
            return;
        for (; c->i < c->n && c->rows[c->i] < hi; c->i++) {
            uint32_t row = c->rows[c->i], at = row - lo;
            const uint16_t *tf = c->tf[c->i];

            if (q->few && !is_allowed(s, row))
                continue;
            if ((tf[RAG_COL_TITLE] | tf[RAG_COL_HEADING] |
                 tf[RAG_COL_QUESTION] | tf[RAG_COL_EXTRA]) == 0) {
                float x = tf[RAG_COL_BODY] * column;

                s->score[at] +=
                    gain * x /
                    (x + fixed + slope * rows[row].words[RAG_COL_BODY]);
            } else {
                s->score[at] += (float)contribution(s, l, c, c->i);
            }
            s->touched[at / 64] |= 1ull << at % 64;
        }
        if (c->i < c->n || ++c->block >= l->l.nblocks || !load_rows(s, l, c))
            return;
    }
}

/* Hands a row over with all that it has. */
static void offer(searcher *s, uint32_t row) {
    bool any = false;

    memset(s->tf, 0, s->q->n * RAG_COLS * sizeof(*s->tf));
    for (size_t i = 0; i < s->n; i++) {
        list *l = &s->lists[i];

        if (stands_at(s, l, &l->probe, row)) {
            memcpy(s->tf + l->term * RAG_COLS, l->probe.tf[l->probe.i],
                   sizeof(l->probe.tf[0]));
            any = true;
        }
    }
    if (any && !s->damaged)
        s->threshold = s->fn(s->user, row, s->tf);
}

static double needed(const searcher *s) {
    return s->threshold < 0 ? -1 : s->threshold * (1 - SLACK);
}

/* True when a row that scored so far can reach the threshold with what the
 * `optional` first lists of the order have. */
static bool can_reach(searcher *s, uint32_t row, double score, size_t optional,
                      double rest) {
    double need = needed(s);

    while (optional-- > 0) {
        list *l = s->order[optional];
        double most;

        if (score + rest < need)
            return false;
        rest -= l->bound;
        l->probe.block = block_with(l, l->probe.block, row);
        if (l->probe.block >= l->l.nblocks)
            continue;
        most = block_bound(s, l, l->probe.block);
        if (score + most + rest < need)
            return false;
        if (stands_at(s, l, &l->probe, row))
            score += contribution(s, l, &l->probe, l->probe.i);
    }
    return score >= need;
}

/* ---- windows --------------------------------------------------------------------------------- */

static void window_bound(searcher *s, list *l, uint32_t lo, uint32_t hi) {
    uint32_t before, last;

    l->bound = 0;
    l->at = block_with(l, l->at, lo);
    if (l->at >= l->l.nblocks)
        return;
    if (l->l.skips == NULL) {
        if (seek(s, l, &l->scan, lo) && l->scan.rows[l->scan.i] < hi)
            l->bound = block_bound(s, l, 0);
        return;
    }
    before = l->at ? rag_posting_skip_at(&l->l, l->at - 1).last : 0;
    last = rag_posting_skip_at(&l->l, l->at).last;
    /* Where a block spans windows, there may be nothing in this one. */
    if (last - before >= WINDOW &&
        (!seek(s, l, &l->scan, lo) || l->scan.rows[l->scan.i] >= hi))
        return;
    for (uint32_t i = l->at; i < l->l.nblocks; i++) {
        double b = block_bound(s, l, i);

        if (b > l->bound)
            l->bound = b;
        if (rag_posting_skip_at(&l->l, i).last >= hi - 1)
            break;
    }
}

/* Insertion: the order changes little from window to window. */
static void sort_lists(searcher *s) {
    for (size_t i = 1; i < s->n; i++) {
        list *l = s->order[i];
        size_t j = i;

        for (; j > 0 && s->order[j - 1]->bound > l->bound; j--)
            s->order[j] = s->order[j - 1];
        s->order[j] = l;
    }
}

static void search_window(searcher *s, uint32_t lo, uint32_t hi) {
    double sum = 0, rest = 0;
    size_t optional = 0;

    for (size_t i = 0; i < s->n; i++) {
        window_bound(s, &s->lists[i], lo, hi);
        sum += s->lists[i].bound;
    }
    if (sum <= 0 || sum < needed(s))
        return;
    sort_lists(s);
    while (optional < s->n && rest + s->order[optional]->bound < needed(s))
        rest += s->order[optional++]->bound;
    memset(s->score, 0, sizeof(s->score));
    memset(s->touched, 0, sizeof(s->touched));
    for (size_t i = optional; i < s->n; i++)
        if (s->order[i]->bound > 0)
            add_list(s, s->order[i], lo, hi);
    for (size_t w = 0; w < WINDOW / 64; w++)
        for (uint64_t bits = s->touched[w]; bits; bits &= bits - 1) {
            uint32_t at = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);

            if (s->score[at] + rest >= needed(s) && is_allowed(s, lo + at) &&
                can_reach(s, lo + at, s->score[at], optional, rest))
                offer(s, lo + at);
        }
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static void rewind_cursor(cursor *c) {
    c->block = c->i = c->n = 0;
    c->loaded = c->counted = NONE;
}

static int begin(searcher **out, const rag_postings *p,
                 const rag_posting_query *q, rag_posting_fn fn, void *user,
                 rag_error *err) {
    searcher *s = calloc(1, sizeof(*s));
    int rc = 0;

    *out = s;
    if (s == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    s->p = p;
    s->q = q;
    s->fn = fn;
    s->user = user;
    s->threshold = -1;
    s->stretch = stretch_of(&p->head, q);
    s->lists = malloc((q->n + 1) * sizeof(*s->lists));
    s->order = malloc((q->n + 1) * sizeof(*s->order));
    s->tf = calloc((q->n + 1) * RAG_COLS, sizeof(*s->tf));
    if (s->lists == NULL || s->order == NULL || s->tf == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < q->n && rc == 0; i++) {
        const rag_query_term *t = &q->terms[i];
        list *l = &s->lists[s->n];
        bool found = false;

        if (t->weight > 0)
            rc = rag_posting_find(p, t->token, t->len, &l->l, &found, err);
        if (!found)
            continue;
        l->term = i;
        l->gain = t->weight * t->idf * (q->k1 + 1);
        l->at = 0;
        rewind_cursor(&l->scan);
        rewind_cursor(&l->probe);
        s->order[s->n++] = l;
    }
    return rc;
}

static int finish(searcher *s, int rc, rag_error *err) {
    if (rc == 0 && s->damaged)
        rc = rag_posting_damaged(err);
    if (s) {
        free(s->lists);
        free(s->order);
        free(s->tf);
    }
    free(s);
    return rc;
}

int rag_postings_search(const rag_postings *p, const rag_posting_query *q,
                        double threshold, rag_posting_fn fn, void *user,
                        rag_error *err) {
    uint32_t nrows = (uint32_t)p->head.nrows;
    searcher *s;
    int rc = begin(&s, p, q, fn, user, err);

    if (rc == 0)
        s->threshold = threshold;
    for (uint32_t lo = 0; rc == 0 && lo < nrows && !s->damaged;) {
        uint32_t hi = nrows - lo > WINDOW ? lo + WINDOW : nrows;

        search_window(s, lo, hi);
        lo = hi;
    }
    return finish(s, rc, err);
}

int rag_postings_lookup(const rag_postings *p, const rag_posting_query *q,
                        const uint32_t *rows, size_t n, rag_posting_fn fn,
                        void *user, rag_error *err) {
    searcher *s;
    int rc = begin(&s, p, q, fn, user, err);

    for (size_t i = 0; rc == 0 && i < n && !s->damaged; i++)
        if (rows[i] < p->head.nrows)
            offer(s, rows[i]);
    return finish(s, rc, err);
}
