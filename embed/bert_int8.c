/*
 * bert_int8.c - the forward pass in 8-bit integers. See kernel.h for the
 * arithmetic; this file is the order of work and who does it.
 *
 * A layer is nine phases over the rows (tokens) of a batch:
 *
 *   QKV      queries, keys, values            by row and panel of outputs
 *   ATTEND   attention                        by text and head
 *   CONTEXT  its result to bytes              by row
 *   OUT      x += projection of it            by row and panel
 *   NORM1    x = norm(x), also to bytes       by row
 *   UP       gelu(first feed-forward matrix)  by row and panel
 *   WIDE     its result to bytes              by row
 *   DOWN     x += second matrix               by row and panel
 *   NORM2    x = norm(x), also to bytes       by row
 *
 * Two ways to use the threads:
 * - Many tokens: each thread takes a part of the batch (whole texts, about
 *   PART_TOKENS tokens) through all layers by itself and then takes the
 *   next. Nobody waits for anybody until the last parts. All phases but
 *   ATTEND run over ROW_BLOCK rows at a time, so that what one phase leaves
 *   is still in the cache for the next.
 * - Few tokens (a question): all threads go through the phases together,
 *   each phase cut into tickets that are drawn from a counter. The caller
 *   never waits for a thread that has not drawn a ticket. One that has, and
 *   then loses its core to another process, does hold the caller up; when
 *   that happens the next few batches are run by the caller alone, twice as
 *   many each time it happens again, so that a busy second core costs its
 *   help and not much more.
 */
#include "embed/bert_int8.h"

#include "embed/workers.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PART_TOKENS 256u /* tokens of one part, at least one text */
#define PART_TOKENS_MIN 64u
#define ROW_BLOCK 96u /* a multiple of the kernels' micro-tile rows */
/* Up to so many tokens a thread, a batch is run together. */
#define TOGETHER_TOKENS 96u
#define TICKETS_PER_THREAD 4u
/* Before a waiting thread yields its core, and calls it a stall: some 0.2 ms,
 * several times what a ticket takes. */
#define SPIN_PAUSES 20000u
#define ALONE_MAX 64u /* batches run without help after a stall */

typedef enum phase {
    QKV,
    ATTEND,
    CONTEXT,
    OUT,
    NORM1,
    UP,
    WIDE,
    DOWN,
    NORM2,
    PHASES
} phase;

/* Buffers for `rows` tokens. */
typedef struct area {
    unsigned char *memory;
    float *x, *qkv, *ctx, *up; /* hidden, 3 hidden, hidden, ffn a row */
    rag_rows narrow, wide; /* of hidden, ffn bytes a row */
} area;

/* One ticket counter a phase, on a cache line of its own. */
typedef struct counter {
    _Alignas(64) atomic_uint next;
    atomic_uint done;
    unsigned tickets;
} counter;

/* Texts [from,to) of the batch, whose tokens are rows [0,rows). */
typedef struct task {
    rag_bert_int8 *e;
    area *a;
    size_t from, to, first, rows;
} task;

struct rag_bert_int8 {
    const rag_bert *m;
    const rag_pack *p;
    const rag_kernel *k;
    rag_workers *workers;
    int threads;
    size_t rows; /* tokens an area is for */
    area *areas; /* one a thread */
    unsigned char **scratch;
    /* the batch in work */
    const rag_bert_batch *batch;
    float *const *vectors;
    size_t *part; /* texts [part[i], part[i+1]) are part i */
    size_t part_cap;
    size_t nparts;
    atomic_size_t next_part;
    counter *counters; /* 1 + layers * PHASES: embedding first */
    task whole; /* of run_together; a late thread may read it */
    /* The caller's: it stalled in this batch; batches still to be run alone,
     * and how many after the next stall. */
    bool stalled;
    unsigned alone, penalty;
};

static int oom(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory for the encoder");
}

static size_t aligned(size_t n) {
    return (n + 63) & ~(size_t)63;
}

static int area_init(area *a, size_t rows, size_t h, size_t f, rag_error *err) {
    size_t narrow = aligned(rows * h), wide = aligned(rows * f);
    size_t scale = aligned(rows * sizeof(float)), at = 0;
    size_t exact = scale * RAG_OUTLIERS;
    size_t sizes[] = {4 * narrow, 12 * narrow, 4 * narrow, 4 * wide, narrow,
                      scale,      exact,       wide,       scale,    exact};
    enum { PARTS = sizeof(sizes) / sizeof(sizes[0]) };
    void *parts[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        at += sizes[i];
    }
    a->memory = aligned_alloc(64, at);
    if (!a->memory) {
        return oom(err);
    }
    at = 0;
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = a->memory + at;
        at += sizes[i];
    }
    a->x = parts[0];
    a->qkv = parts[1];
    a->ctx = parts[2];
    a->up = parts[3];
    a->narrow = (rag_rows){parts[4], parts[5], parts[6]};
    a->wide = (rag_rows){parts[7], parts[8], parts[9]};
    return 0;
}

int rag_bert_int8_open(const rag_bert *m, const rag_pack *p,
                       const rag_kernel *k, int threads, rag_bert_int8 **out,
                       rag_error *err) {
    rag_bert_int8 *e = calloc(1, sizeof(*e));
    size_t scratch;
    int rc = 0;
    *out = NULL;
    if (!e) {
        return oom(err);
    }
    e->m = m;
    e->p = p;
    e->k = k;
    e->threads = threads;
    e->rows = m->positions > PART_TOKENS ? m->positions : PART_TOKENS;
    e->rows += RAG_ROWS_SLACK;
    e->areas = calloc((size_t)threads, sizeof(*e->areas));
    e->scratch = calloc((size_t)threads, sizeof(*e->scratch));
    e->counters = aligned_alloc(_Alignof(counter),
                                (1 + m->layers * PHASES) * sizeof(counter));
    if (!e->areas || !e->scratch || !e->counters) {
        rc = oom(err);
    }
    scratch = aligned(rag_attend_scratch(m->positions, m->hidden / m->heads));
    for (int i = 0; rc == 0 && i < threads; i++) {
        e->scratch[i] = aligned_alloc(64, scratch);
        rc = e->scratch[i]
                 ? area_init(&e->areas[i], e->rows, m->hidden, m->ffn, err)
                 : oom(err);
    }
    if (rc == 0) {
        rc = rag_workers_open(threads, &e->workers, err);
    }
    if (rc != 0) {
        rag_bert_int8_close(e);
        return rc;
    }
    *out = e;
    return 0;
}

void rag_bert_int8_close(rag_bert_int8 *e) {
    if (!e) {
        return;
    }
    rag_workers_close(e->workers);
    for (int i = 0; i < e->threads; i++) {
        if (e->areas) {
            free(e->areas[i].memory);
        }
        if (e->scratch) {
            free(e->scratch[i]);
        }
    }
    free(e->areas);
    free(e->scratch);
    free(e->counters);
    free(e->part);
    free(e);
}

/* --- one phase over rows [r0,r1), panels [p0,p1) --- */

static const rag_matrix *matrix(const task *t, size_t layer, phase ph) {
    const rag_pack_layer *l = rag_pack_layer_at(t->e->p, layer);
    switch (ph) {
    case QKV:
        return &l->qkv;
    case OUT:
        return &l->attn_out;
    case UP:
        return &l->up;
    case DOWN:
        return &l->down;
    default:
        return NULL;
    }
}

static void multiply(const task *t, size_t layer, phase ph, size_t r0,
                     size_t r1, size_t p0, size_t p1) {
    const rag_matrix *m = matrix(t, layer, ph);
    const rag_kernel *k = t->e->k;
    const area *a = t->a;
    bool wide = ph == DOWN;
    float *y = ph == QKV ? a->qkv : ph == UP ? a->up : a->x;
    k->product(m, rag_rows_from(wide ? a->wide : a->narrow, r0, m->in), r1 - r0,
               p0, p1, y + r0 * m->out, m->out,
               ph == QKV  ? RAG_STORE
               : ph == UP ? RAG_GELU
                          : RAG_ADD);
}

static void by_rows(const task *t, size_t layer, phase ph, size_t r0,
                    size_t r1) {
    const rag_pack_layer *l = rag_pack_layer_at(t->e->p, layer);
    const rag_bert *m = t->e->m;
    const area *a = t->a;
    const rag_kernel *k = t->e->k;
    size_t h = m->hidden, f = m->ffn, n = r1 - r0;
    rag_rows narrow = rag_rows_from(a->narrow, r0, h);
    if (ph == CONTEXT) {
        k->quantise(&l->attn_out, a->ctx + r0 * h, n, narrow);
    } else if (ph == WIDE) {
        k->quantise(&l->down, a->up + r0 * f, n, rag_rows_from(a->wide, r0, f));
    } else if (ph == NORM1) {
        k->norm(&l->up, a->x + r0 * h, n, m->eps, l->attn_norm_w,
                l->attn_norm_b, narrow);
    } else {
        /* for the next layer; after the last one nobody reads the bytes */
        size_t next = layer + 1 < m->layers ? layer + 1 : layer;
        k->norm(&rag_pack_layer_at(t->e->p, next)->qkv, a->x + r0 * h, n,
                m->eps, l->out_norm_w, l->out_norm_b, narrow);
    }
}

static void attend(const task *t, size_t text, size_t head, int index) {
    const rag_bert_int8 *e = t->e;
    size_t h = e->m->hidden, d = h / e->m->heads;
    const size_t *start = e->batch->start + text;
    size_t row = start[0] - t->first;
    const float *q = t->a->qkv + row * 3 * h + head * d;
    e->k->attend(q, q + h, q + 2 * h, 3 * h, start[1] - start[0], d,
                 e->scratch[index], t->a->ctx + row * h + head * d, h);
}

/* Embeddings of rows [r0,r1), normalised and as bytes. */
static void embed(const task *t, size_t r0, size_t r1) {
    const rag_bert_int8 *e = t->e;
    const rag_bert *m = e->m;
    size_t h = m->hidden, text = t->from;
    for (size_t r = r0; r < r1; r++) {
        size_t i = t->first + r;
        float *x = t->a->x + r * h;
        const float *place;
        while (e->batch->start[text + 1] <= i) {
            text++;
        }
        rag_gguf_row(m->tokens, (uint64_t)e->batch->ids[i], x);
        place = rag_pack_place(e->p, i - e->batch->start[text]);
        for (size_t j = 0; j < h; j++) {
            x[j] += place[j];
        }
        for (size_t j = 0; e->batch->second && e->batch->second[i] && j < h;
             j++) {
            x[j] += m->second_type[j];
        }
    }
    e->k->norm(&rag_pack_layer_at(e->p, 0)->qkv, t->a->x + r0 * h, r1 - r0,
               m->eps, m->norm_w, m->norm_b,
               rag_rows_from(t->a->narrow, r0, h));
}

static void finish_texts(const task *t) {
    const rag_bert_int8 *e = t->e;
    for (size_t i = t->from; i < t->to; i++) {
        size_t row = e->batch->start[i] - t->first;
        rag_bert_finish(e->m, e->batch, i, t->a->x + row * e->m->hidden,
                        e->vectors);
    }
}

/* --- many tokens: a part by one thread --- */

static void whole_panels(const task *t, size_t layer, phase ph, size_t r0,
                         size_t r1) {
    multiply(t, layer, ph, r0, r1, 0,
             rag_matrix_panels(matrix(t, layer, ph)->out));
}

static void run_alone(const task *t, int index) {
    size_t layers = t->e->m->layers, r0, r1;
    for (r0 = 0; r0 < t->rows; r0 = r1) {
        r1 = r0 + ROW_BLOCK < t->rows ? r0 + ROW_BLOCK : t->rows;
        embed(t, r0, r1);
        whole_panels(t, 0, QKV, r0, r1);
    }
    for (size_t l = 0; l < layers; l++) {
        for (size_t i = t->from; i < t->to; i++) {
            for (size_t head = 0; head < t->e->m->heads; head++) {
                attend(t, i, head, index);
            }
        }
        for (r0 = 0; r0 < t->rows; r0 = r1) {
            r1 = r0 + ROW_BLOCK < t->rows ? r0 + ROW_BLOCK : t->rows;
            by_rows(t, l, CONTEXT, r0, r1);
            whole_panels(t, l, OUT, r0, r1);
            by_rows(t, l, NORM1, r0, r1);
            whole_panels(t, l, UP, r0, r1);
            by_rows(t, l, WIDE, r0, r1);
            whole_panels(t, l, DOWN, r0, r1);
            by_rows(t, l, NORM2, r0, r1);
            if (l + 1 < layers) {
                whole_panels(t, l + 1, QKV, r0, r1);
            }
        }
    }
    finish_texts(t);
}

static task part_task(rag_bert_int8 *e, size_t i, int index) {
    const size_t *start = e->batch->start;
    size_t from = e->part[i], to = e->part[i + 1];
    return (task){e,  &e->areas[index], from,
                  to, start[from],      start[to] - start[from]};
}

static void run_parts(void *job, int index) {
    rag_bert_int8 *e = job;
    for (;;) {
        size_t i = atomic_fetch_add(&e->next_part, 1);
        task t;
        if (i >= e->nparts) {
            return;
        }
        t = part_task(e, i, index);
        run_alone(&t, index);
    }
}

/* --- few tokens: all threads through the phases --- */

/* How a phase is cut: tickets = blocks of rows x groups of panels. */
typedef struct cut {
    size_t rows, row_blocks, panels, groups;
} cut;

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

static cut cut_phase(const task *t, size_t layer, phase ph) {
    const rag_matrix *m = matrix(t, layer, ph);
    size_t want = (size_t)t->e->threads * TICKETS_PER_THREAD;
    cut c = {.rows = t->rows, .row_blocks = 1, .panels = 1, .groups = 1};
    if (m) {
        size_t panels = rag_matrix_panels(m->out), groups;
        c.rows = t->rows < 2 * ROW_BLOCK ? t->rows : ROW_BLOCK;
        c.row_blocks = ceil_div(t->rows, c.rows);
        groups = ceil_div(want, c.row_blocks);
        groups = groups < panels ? groups : panels;
        c.panels = ceil_div(panels, groups);
        c.groups = ceil_div(panels, c.panels);
    } else {
        c.rows = ceil_div(t->rows, want);
        c.rows = c.rows < 2 ? 2 : c.rows;
        c.row_blocks = ceil_div(t->rows, c.rows);
    }
    return c;
}

static unsigned phase_tickets(const task *t, size_t layer, phase ph) {
    cut c;
    if (ph == ATTEND) {
        return (unsigned)((t->to - t->from) * t->e->m->heads);
    }
    c = cut_phase(t, layer, ph);
    return (unsigned)(c.row_blocks * c.groups);
}

static void do_ticket(const task *t, size_t layer, phase ph, unsigned ticket,
                      int index) {
    cut c;
    size_t r0, r1, p0, p1;
    if (ph == ATTEND) {
        size_t heads = t->e->m->heads;
        attend(t, t->from + ticket / heads, ticket % heads, index);
        return;
    }
    c = cut_phase(t, layer, ph);
    r0 = ticket % c.row_blocks * c.rows;
    r1 = r0 + c.rows < t->rows ? r0 + c.rows : t->rows;
    if (!matrix(t, layer, ph)) {
        by_rows(t, layer, ph, r0, r1);
        return;
    }
    p0 = ticket / c.row_blocks * c.panels;
    p1 = rag_matrix_panels(matrix(t, layer, ph)->out);
    p1 = p0 + c.panels < p1 ? p0 + c.panels : p1;
    multiply(t, layer, ph, r0, r1, p0, p1);
}

static void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Waits until all tickets of a phase are done: those drawn by others. False
 * when it took long. */
static bool wait_for(counter *c) {
    unsigned i = 0;
    while (atomic_load_explicit(&c->done, memory_order_acquire) != c->tickets) {
        if (i < SPIN_PAUSES) {
            pause_cpu();
            i++;
        } else {
            (void)sched_yield();
        }
    }
    return i < SPIN_PAUSES;
}

static bool draw(counter *c, unsigned *ticket) {
    /* A look first: a late thread must not push the counter on and on. */
    if (atomic_load_explicit(&c->next, memory_order_relaxed) >= c->tickets) {
        return false;
    }
    *ticket = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
    return *ticket < c->tickets;
}

static void finish(counter *c) {
    (void)atomic_fetch_add_explicit(&c->done, 1, memory_order_release);
}

static void run_together(void *job, int index) {
    rag_bert_int8 *e = job;
    task t = e->whole; /* not through the batch: it may be gone */
    counter *c = e->counters;
    unsigned i;
    bool prompt;
    cut rows = cut_phase(&t, 0, NORM1);
    while (draw(c, &i)) {
        size_t r0 = i * rows.rows, r1 = r0 + rows.rows;
        embed(&t, r0, r1 < t.rows ? r1 : t.rows);
        finish(c);
    }
    prompt = wait_for(c++);
    for (size_t l = 0; l < e->m->layers; l++) {
        for (phase ph = QKV; ph < PHASES; ph++, c++) {
            while (draw(c, &i)) {
                do_ticket(&t, l, ph, i, index);
                finish(c);
            }
            prompt = wait_for(c) && prompt;
        }
    }
    if (index == 0) {
        e->stalled = !prompt;
    }
}

static void start_counters(rag_bert_int8 *e) {
    task t = e->whole;
    counter *c = e->counters;
    c->tickets = (unsigned)cut_phase(&t, 0, NORM1).row_blocks;
    for (size_t l = 0; l < e->m->layers; l++) {
        for (phase ph = QKV; ph < PHASES; ph++) {
            (++c)->tickets = phase_tickets(&t, l, ph);
        }
    }
    for (size_t i = 0; i <= e->m->layers * PHASES; i++) {
        atomic_init(&e->counters[i].next, 0);
        atomic_init(&e->counters[i].done, 0);
    }
}

/* The only part of the batch, together where that promises to be faster. */
static void run_one(rag_bert_int8 *e) {
    if (e->alone > 0 || !rag_workers_ready(e->workers)) {
        task t = part_task(e, 0, 0);
        e->alone -= e->alone > 0;
        run_alone(&t, 0);
        return;
    }
    e->whole = part_task(e, 0, 0); /* everybody in the first area */
    start_counters(e);
    rag_workers_run(e->workers, run_together, e, false);
    if (e->stalled) {
        e->penalty = e->penalty > 0 ? 2 * e->penalty : 1;
        e->penalty = e->penalty < ALONE_MAX ? e->penalty : ALONE_MAX;
        e->alone = e->penalty;
    } else {
        e->penalty /= 2;
    }
    finish_texts(&e->whole);
}

/* --- a batch --- */

/* Cuts the batch into parts of whole texts of about `tokens` tokens. */
static int cut_parts(rag_bert_int8 *e, const rag_bert_batch *b, size_t tokens,
                     rag_error *err) {
    if (e->part_cap < b->n + 1) {
        size_t *part = realloc(e->part, (b->n + 1) * sizeof(*part));
        if (!part) {
            return oom(err);
        }
        e->part = part;
        e->part_cap = b->n + 1;
    }
    e->nparts = 0;
    e->part[0] = 0;
    for (size_t i = 1; i <= b->n; i++) {
        size_t from = b->start[e->part[e->nparts]];
        if (i == b->n || b->start[i + 1] - from > tokens) {
            e->part[++e->nparts] = i;
        }
    }
    return 0;
}

int rag_bert_int8_run(rag_bert_int8 *e, const rag_bert_batch *b,
                      float *const *vectors, rag_error *err) {
    size_t tokens = b->start[b->n] - b->start[0];
    size_t threads = (size_t)e->threads, share = tokens / (threads * 4);
    int rc;
    bool together;
    e->batch = b;
    e->vectors = vectors;
    together = threads > 1 && tokens <= TOGETHER_TOKENS * threads;
    together = together || (threads > 1 && b->n == 1);
    if (together) {
        share = tokens;
        if (share > e->rows - RAG_ROWS_SLACK) {
            share = e->rows - RAG_ROWS_SLACK;
        }
    } else if (share > PART_TOKENS) {
        share = PART_TOKENS;
    } else if (share < PART_TOKENS_MIN) {
        share = PART_TOKENS_MIN;
    }
    rc = cut_parts(e, b, share, err);
    if (rc != 0) {
        return rc;
    }
    if (together && e->nparts == 1) {
        run_one(e);
        return 0;
    }
    atomic_store(&e->next_part, 0);
    rag_workers_run(e->workers, run_parts, e, true);
    return 0;
}
