/*
 * generation.c - what a search runs on: rows in memory and two vector
 * indexes, immutable and counted.
 *
 * A generation is a base, made in one go and written as a snapshot, and a
 * tail of what came since, small and exact. Catching up copies the document
 * rows (to mark the dead) and the tail, never the base. Positions:
 *  1. documents keep theirs while the base lives; new ones are appended, so
 *     they stay ordered by id;
 *  2. chunks and vectors are positions in their own segment;
 *  3. a chunk is in one segment only.
 */
#include "index/generation_int.h"
#include "index/posting.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- interned strings --------------------------------------------------------- */

struct rag_interned {
    pthread_mutex_t lock;
    char **s;
    uint32_t *table; /* open addressing, number + 1 */
    size_t n, cap, slots;
};

rag_interned *rag_interned_new(void) {
    rag_interned *t = calloc(1, sizeof(*t));
    uint32_t zero;

    if (t == NULL)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    if (rag_interned_put(t, "", &zero) != 0) {
        rag_interned_free(t);
        return NULL;
    }
    return t;
}

void rag_interned_free(rag_interned *t) {
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->s[i]);
    free(t->s);
    free(t->table);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static size_t slot_of(const rag_interned *t, const char *s) {
    size_t i = (size_t)rag_hash_fast(s, strlen(s)) & (t->slots - 1);

    while (t->table[i] != 0 && strcmp(t->s[t->table[i] - 1], s) != 0)
        i = (i + 1) & (t->slots - 1);
    return i;
}

static int grow(rag_interned *t) {
    size_t slots = t->slots ? t->slots * 2 : 64, cap = slots / 2;
    uint32_t *table = calloc(slots, sizeof(*table)), *old = t->table;
    char **s = realloc(t->s, cap * sizeof(*s));

    if (s)
        t->s = s;
    if (table == NULL || s == NULL) {
        free(table);
        return RAG_E_NOMEM;
    }
    t->table = table;
    t->slots = slots;
    t->cap = cap;
    for (size_t i = 0; i < t->n; i++)
        table[slot_of(t, t->s[i])] = (uint32_t)i + 1;
    free(old);
    return 0;
}

int rag_interned_put(rag_interned *t, const char *s, uint32_t *out) {
    size_t i;
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    if (t->n == t->cap)
        rc = grow(t);
    if (rc == 0) {
        i = slot_of(t, s);
        if (t->table[i] == 0) {
            t->s[t->n] = strdup(s);
            if (t->s[t->n] == NULL)
                rc = RAG_E_NOMEM;
            else
                t->table[i] = (uint32_t)++t->n;
        }
        *out = t->table[i] ? t->table[i] - 1 : 0;
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

bool rag_interned_find(rag_interned *t, const char *s, uint32_t *out) {
    size_t i;
    bool found;

    pthread_mutex_lock(&t->lock);
    i = slot_of(t, s);
    found = t->table[i] != 0;
    if (found)
        *out = t->table[i] - 1;
    pthread_mutex_unlock(&t->lock);
    return found;
}

const char *rag_interned_get(rag_interned *t, uint32_t i) {
    const char *s;

    pthread_mutex_lock(&t->lock);
    s = i < t->n ? t->s[i] : ""; /* the string itself never moves */
    pthread_mutex_unlock(&t->lock);
    return s;
}

size_t rag_interned_count(rag_interned *t) {
    size_t n;

    pthread_mutex_lock(&t->lock);
    n = t->n;
    pthread_mutex_unlock(&t->lock);
    return n;
}

/* ---- segments and generations --------------------------------------------------- */

void rag_segment_release(rag_segment *s) {
    if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    rag_ann_close(s->ann);
    free(s->chunks);
    free(s->by_id);
    free(s->vecs);
    free(s->vec_start);
    free(s->vec_list);
    free(s->parts);
    free(s->floats);
    free(s);
}

void rag_generation_release(rag_generation *g) {
    if (g == NULL || __atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    rag_segment_release(g->base);
    rag_segment_release(g->tail);
    free(g->docs);
    for (int i = 0; i < 2; i++) {
        free(g->live[i]);
        free(g->rows[i]);
    }
    for (int i = 0; i < RAG_INDEX_FILTERS_MAX; i++)
        rag_filter_release(g->filters[i]);
    rag_postings_close(g->postings);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

rag_postings *rag_generation_postings(rag_generation *g) {
    rag_postings *p;

    pthread_mutex_lock(&g->lock);
    p = rag_postings_share(g->postings);
    pthread_mutex_unlock(&g->lock);
    return p;
}

void rag_generation_set_postings(rag_generation *g, rag_postings *p) {
    rag_postings *old;

    pthread_mutex_lock(&g->lock);
    old = g->postings;
    g->postings = p;
    pthread_mutex_unlock(&g->lock);
    rag_postings_close(old);
}

rag_segment *rag_segment_new(void) {
    rag_segment *s = calloc(1, sizeof(*s));

    if (s)
        s->refs = 1;
    return s;
}

rag_generation *rag_generation_new(void) {
    rag_generation *g = calloc(1, sizeof(*g));

    if (g) {
        g->refs = 1;
        pthread_mutex_init(&g->lock, NULL);
    }
    return g;
}

int rag_segment_index(rag_segment *s, rag_error *err) {
    size_t span;

    free(s->by_id);
    s->by_id = NULL;
    if (s->nchunks == 0)
        return 0;
    span = (size_t)(s->chunks[s->nchunks - 1].id - s->chunks[0].id) + 1;
    if (span > 4 * s->nchunks + 1024)
        return 0; /* too sparse: searched by halves */
    s->by_id = calloc(span, sizeof(*s->by_id));
    if (s->by_id == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < s->nchunks; i++)
        s->by_id[s->chunks[i].id - s->chunks[0].id] = (uint32_t)i + 1;
    return 0;
}

static bool segment_chunk(const rag_segment *s, int64_t id, size_t *position) {
    size_t lo = 0, hi;

    if (s == NULL || s->nchunks == 0 || id < s->chunks[0].id ||
        id > s->chunks[s->nchunks - 1].id)
        return false;
    if (s->by_id) {
        uint32_t i = s->by_id[id - s->chunks[0].id];

        *position = i ? i - 1 : 0;
        return i != 0;
    }
    for (hi = s->nchunks; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->chunks[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    *position = lo;
    return lo < s->nchunks && s->chunks[lo].id == id;
}

const rag_chunk_row *rag_generation_chunk(const rag_generation *g, int64_t id,
                                          int *segment, size_t *position) {
    if (segment_chunk(g->base, id, position)) {
        *segment = 0;
        return &g->base->chunks[*position];
    }
    if (segment_chunk(g->tail, id, position)) {
        *segment = 1;
        return &g->tail->chunks[*position];
    }
    return NULL;
}

/* ---- collecting rows -------------------------------------------------------------- */

typedef struct collector {
    rag_generation *g;
    const rag_generation *old; /* NULL: everything is new */
    rag_segment *seg; /* that new rows go to */
    rag_interned *strings;
    float *floats;
    size_t cap_docs, cap_chunks, cap_vecs, cap_floats;
    rag_error *err;
} collector;

static int no_memory(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory");
}

static int room(void **p, size_t *cap, size_t n, size_t size, rag_error *err) {
    size_t want = *cap ? *cap : 256;
    void *q;

    if (n < *cap)
        return 0;
    while (want <= n)
        want *= 2;
    q = realloc(*p, want * size);
    if (q == NULL)
        return no_memory(err);
    *p = q;
    *cap = want;
    return 0;
}

#define ROOM(p, cap, n, err)                                                   \
    room((void **)&(p), &(cap), (n), sizeof(*(p)), (err))

/* Position of a document, or ndocs. */
static size_t doc_position(const rag_generation *g, int64_t id) {
    size_t lo = 0, hi = g->ndocs;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (g->docs[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < g->ndocs && g->docs[lo].id == id ? lo : g->ndocs;
}

static int add_doc(void *user, const rag_doc_raw *d) {
    collector *c = user;
    rag_generation *g = c->g;
    size_t at = doc_position(g, d->id);
    rag_doc_row *row;
    int rc;

    if (at == g->ndocs) {
        rc = ROOM(g->docs, c->cap_docs, g->ndocs, c->err);
        if (rc != 0)
            return rc;
        memset(&g->docs[at], 0, sizeof(g->docs[at]));
        g->ndocs++;
    }
    row = &g->docs[at];
    row->id = d->id;
    row->from = d->from;
    row->until = d->until;
    row->kind = (uint8_t)d->kind;
    if (rag_interned_put(c->strings, d->collection, &row->collection) != 0 ||
        rag_interned_put(c->strings, d->lang, &row->lang) != 0 ||
        rag_interned_put(c->strings, d->source, &row->source) != 0)
        return no_memory(c->err);
    return 0;
}

static int drop_doc(void *user, int64_t id) {
    collector *c = user;
    size_t at = doc_position(c->g, id);

    if (at < c->g->ndocs && !c->g->docs[at].dead) {
        c->g->docs[at].dead = true;
        c->g->dead_docs++;
    }
    return 0;
}

static int add_chunk(void *user, const rag_chunk_raw *k) {
    collector *c = user;
    rag_segment *s = c->seg;
    size_t at = doc_position(c->g, k->doc), position;
    rag_chunk_row *row;
    int segment, rc;

    if (at == c->g->ndocs)
        return 0;
    if (c->old && rag_generation_chunk(c->old, k->id, &segment, &position))
        return 0; /* of a document that only moved */
    rc = ROOM(s->chunks, c->cap_chunks, s->nchunks, c->err);
    if (rc != 0)
        return rc;
    row = &s->chunks[s->nchunks++];
    memset(row, 0, sizeof(*row));
    row->id = k->id;
    row->doc = (uint32_t)at;
    for (int i = 0; i < RAG_COLS; i++)
        row->words[i] = (uint16_t)k->words[i];
    return 0;
}

static void to_floats(const rag_vec_raw *v, size_t dim, float *out) {
    for (size_t i = 0; i < dim; i++)
        out[i] = rag_half_to(v->half[i]);
}

static int add_vector(void *user, const rag_vec_raw *v) {
    collector *c = user;
    rag_segment *s = c->seg;
    size_t dim = (size_t)c->g->meta.dim, position;
    rag_vec_row *row;
    int segment, rc;

    if (c->old && rag_generation_chunk(c->old, v->chunk, &segment, &position))
        return 0;
    if (!segment_chunk(s, v->chunk, &position))
        return 0;
    rc = ROOM(s->vecs, c->cap_vecs, s->nvecs, c->err);
    if (rc == 0)
        rc = room((void **)&c->floats, &c->cap_floats, s->nvecs,
                  dim * sizeof(float), c->err);
    if (rc != 0)
        return rc;
    row = &s->vecs[s->nvecs];
    memset(row, 0, sizeof(*row));
    row->id = v->id;
    row->chunk = (uint32_t)position;
    row->role = (uint8_t)v->role;
    row->ord = (uint16_t)v->ord;
    to_floats(v, dim, c->floats + s->nvecs * dim);
    s->nvecs++;
    return 0;
}

/* ---- what follows from the rows ------------------------------------------------------ */

static void set_bit(uint8_t *bits, size_t i) {
    bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static int set_live(rag_generation *g, int which, const rag_segment *s,
                    rag_error *err) {
    uint8_t *rows = calloc(s->nchunks / 8 + 1, 1);
    uint8_t *live = calloc(s->nvecs / 8 + 1, 1);

    g->rows[which] = rows;
    g->live[which] = live;
    if (rows == NULL || live == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->nchunks; i++)
        if (!g->docs[s->chunks[i].doc].dead) {
            set_bit(rows, i);
            g->live_rows[which]++;
        }
    for (size_t i = 0; i < s->nvecs; i++) {
        size_t row = s->vecs[i].chunk;

        if (rows[row / 8] >> row % 8 & 1) {
            set_bit(live, i);
            g->live_vecs[which]++;
        }
    }
    return 0;
}

/* Which vectors each chunk has, by counting. */
static int list_vectors(rag_segment *s, rag_error *err) {
    if (s->vec_start)
        return 0; /* a base that was made before */
    s->vec_start = calloc(s->nchunks + 2, sizeof(*s->vec_start));
    s->vec_list = malloc((s->nvecs + 1) * sizeof(*s->vec_list));
    if (s->vec_start == NULL || s->vec_list == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->nvecs; i++)
        s->vec_start[s->vecs[i].chunk + 2]++;
    for (size_t i = 2; i < s->nchunks + 2; i++)
        s->vec_start[i] += s->vec_start[i - 1];
    for (size_t i = 0; i < s->nvecs; i++)
        s->vec_list[s->vec_start[s->vecs[i].chunk + 1]++] = (uint32_t)i;
    return 0;
}

int rag_generation_finish(rag_generation *g, rag_error *err) {
    rag_segment *seg[2] = {g->base, g->tail};
    double sum[RAG_COLS] = {0};
    int rc = 0;

    g->live_chunks = 0;
    g->dead_docs = g->live_faqs = 0;
    for (size_t i = 0; i < g->ndocs; i++) {
        g->dead_docs += g->docs[i].dead;
        g->live_faqs += !g->docs[i].dead && g->docs[i].kind == RAG_DOC_FAQ;
        g->has_validity |= g->docs[i].from != RAG_TIME_NONE ||
                           g->docs[i].until != RAG_TIME_NONE;
    }
    for (int w = 0; w < 2 && rc == 0; w++) {
        rc = list_vectors(seg[w], err);
        if (rc == 0)
            rc = set_live(g, w, seg[w], err);
        for (size_t i = 0; i < seg[w]->nchunks; i++) {
            const rag_chunk_row *c = &seg[w]->chunks[i];

            if (g->docs[c->doc].dead)
                continue;
            g->live_chunks++;
            for (int j = 0; j < RAG_COLS; j++)
                sum[j] += c->words[j];
        }
    }
    for (int j = 0; j < RAG_COLS; j++)
        g->avg_words[j] = g->live_chunks ? sum[j] / (double)g->live_chunks : 0;
    return rc;
}

/* ---- the base ------------------------------------------------------------------------ */

#define BATCH 1024 /* vectors given to the index together */

typedef struct bulk {
    collector *c;
    rag_ann_builder *ann;
    bool parts; /* vectors of parts are searched, too */
    float *batch; /* vectors not yet given */
    size_t nbatch, cap_vecs;
    float *sample;
    size_t nsample, want, seen, of; /* taken, wanted; gone by, in all */
} bulk;

static bool is_indexed(const bulk *b, const rag_vec_raw *v) {
    return b->parts || v->role != RAG_VECTOR_SENTENCE;
}

/* Vectors at equal distances, `want` of them. */
static int take_sample(void *user, const rag_vec_raw *v) {
    bulk *b = user;
    size_t dim = (size_t)b->c->g->meta.dim;

    if (!is_indexed(b, v) || b->nsample == b->want)
        return 0;
    if ((double)b->seen++ * (double)b->want >=
        (double)b->nsample * (double)b->of)
        to_floats(v, dim, b->sample + b->nsample++ * dim);
    return 0;
}

/* Vectors of a chunk's parts follow one another in the store. */
static void note_part(rag_part_row *p, int64_t id) {
    if (p->n == 0)
        p->first = id;
    if (id == p->first + p->n)
        p->n++;
}

static int flush(bulk *b) {
    int rc = rag_ann_add(b->ann, b->batch, b->nbatch, b->c->err);

    b->nbatch = 0;
    return rc;
}

static int add_bulk(void *user, const rag_vec_raw *v) {
    bulk *b = user;
    rag_segment *s = b->c->seg;
    size_t dim = (size_t)b->c->g->meta.dim, position;
    int rc;

    if (!segment_chunk(s, v->chunk, &position))
        return 0;
    if (!is_indexed(b, v)) {
        note_part(&s->parts[position], v->id);
        return 0;
    }
    rc = ROOM(s->vecs, b->cap_vecs, s->nvecs, b->c->err);
    if (rc != 0)
        return rc;
    s->vecs[s->nvecs] = (rag_vec_row){.id = v->id,
                                      .chunk = (uint32_t)position,
                                      .role = (uint8_t)v->role,
                                      .ord = (uint16_t)v->ord};
    s->nvecs++;
    to_floats(v, dim, b->batch + b->nbatch++ * dim);
    return b->nbatch == BATCH ? flush(b) : 0;
}

static int build_vectors(rag_store *s, collector *c,
                         const rag_index_limits *limits, int threads,
                         rag_error *err) {
    const rag_store_meta *m = &c->g->meta;
    rag_segment *base = c->g->base;
    size_t count[RAG_VECTOR_ROLES], dim = (size_t)m->dim;
    bulk b = {.c = c};
    rag_ann_kind kind;
    int rc = rag_store_count_vectors(s, m, count, err);

    if (rc != 0)
        return rc;
    b.of = count[RAG_VECTOR_CHUNK] + count[RAG_VECTOR_QUESTION] +
           count[RAG_VECTOR_EXTRA];
    b.parts = b.of + count[RAG_VECTOR_SENTENCE] <= limits->parts_max;
    if (b.parts)
        b.of += count[RAG_VECTOR_SENTENCE];
    kind = rag_ann_choose(limits->kind, b.of, m->dim, limits->flat_max,
                          limits->memory);
    b.want = rag_ann_sample_size(kind, b.of);
    b.sample = malloc((b.want + 1) * dim * sizeof(*b.sample));
    b.batch = malloc(BATCH * dim * sizeof(*b.batch));
    if (!b.parts)
        base->parts = calloc(base->nchunks + 1, sizeof(*base->parts));
    if (b.sample == NULL || b.batch == NULL || (!b.parts && !base->parts))
        rc = no_memory(err);
    if (rc == 0 && b.want > 0)
        rc = rag_store_vectors(s, -1, m, take_sample, &b, err);
    if (rc == 0)
        rc = rag_ann_begin(kind, m->dim, b.of, b.sample, b.nsample, threads,
                           &b.ann, err);
    free(b.sample);
    if (rc == 0)
        rc = rag_store_vectors(s, -1, m, add_bulk, &b, err);
    if (rc == 0)
        rc = flush(&b);
    free(b.batch);
    if (rc != 0) {
        rag_ann_abort(b.ann);
        return rc;
    }
    return rag_ann_finish(b.ann, &base->ann, err);
}

int rag_generation_build(rag_store *s, const rag_store_meta *m,
                         const rag_index_limits *limits, rag_interned *strings,
                         int threads, rag_generation **out, rag_error *err) {
    rag_generation *g = rag_generation_new();
    collector c = {.g = g, .strings = strings, .err = err};
    int rc = 0;

    *out = NULL;
    if (g == NULL || (g->base = rag_segment_new()) == NULL ||
        (g->tail = rag_segment_new()) == NULL) {
        rag_generation_release(g);
        return no_memory(err);
    }
    g->meta = *m;
    g->base->seq = m->seq;
    c.seg = g->base;
    rc = rag_store_docs(s, -1, add_doc, &c, err);
    if (rc == 0)
        rc = rag_store_chunks(s, -1, add_chunk, &c, err);
    if (rc == 0)
        rc = rag_segment_index(g->base, err);
    if (rc == 0 && m->dim > 0)
        rc = build_vectors(s, &c, limits, threads, err);
    if (rc == 0)
        rc = rag_generation_finish(g, err);
    if (rc != 0) {
        rag_generation_release(g);
        return rc;
    }
    *out = g;
    return 0;
}

/* The old tail's rows whose documents live. */
static int copy_tail(collector *c, const rag_segment *old, rag_error *err) {
    rag_generation *g = c->g;
    rag_segment *s = c->seg;
    size_t dim = (size_t)g->meta.dim;
    uint32_t *moved = calloc(old->nchunks + 1, sizeof(*moved));
    int rc = moved ? 0 : no_memory(err);

    for (size_t i = 0; i < old->nchunks && rc == 0; i++) {
        if (g->docs[old->chunks[i].doc].dead)
            continue;
        rc = ROOM(s->chunks, c->cap_chunks, s->nchunks, err);
        if (rc == 0) {
            s->chunks[s->nchunks++] = old->chunks[i];
            moved[i] = (uint32_t)s->nchunks;
        }
    }
    for (size_t i = 0; i < old->nvecs && rc == 0; i++) {
        if (moved[old->vecs[i].chunk] == 0)
            continue;
        rc = ROOM(s->vecs, c->cap_vecs, s->nvecs, err);
        if (rc == 0)
            rc = room((void **)&c->floats, &c->cap_floats, s->nvecs,
                      dim * sizeof(float), err);
        if (rc != 0)
            break;
        memcpy(c->floats + s->nvecs * dim, old->floats + i * dim,
               dim * sizeof(float));
        s->vecs[s->nvecs] = old->vecs[i];
        s->vecs[s->nvecs++].chunk = moved[old->vecs[i].chunk] - 1;
    }
    free(moved);
    return rc;
}

int rag_generation_advance(rag_store *s, const rag_store_meta *m,
                           rag_generation *old, rag_interned *strings,
                           rag_generation **out, rag_error *err) {
    rag_generation *g = rag_generation_new();
    collector c = {.g = g, .old = old, .strings = strings, .err = err};
    int rc = 0;

    *out = NULL;
    if (g == NULL || (g->tail = rag_segment_new()) == NULL)
        rc = no_memory(err);
    if (rc != 0) {
        rag_generation_release(g);
        return rc;
    }
    g->meta = *m;
    g->base = old->base;
    g->postings = rag_generation_postings(old);
    __atomic_add_fetch(&g->base->refs, 1, __ATOMIC_RELAXED);
    c.seg = g->tail;
    c.cap_docs = old->ndocs + 64;
    g->docs = malloc(c.cap_docs * sizeof(*g->docs));
    if (g->docs == NULL)
        rc = no_memory(err);
    else if (old->ndocs > 0)
        memcpy(g->docs, old->docs, old->ndocs * sizeof(*g->docs));
    g->ndocs = old->ndocs;
    if (rc == 0)
        rc = rag_store_gone(s, old->meta.seq, drop_doc, &c, err);
    if (rc == 0)
        rc = copy_tail(&c, old->tail, err);
    if (rc == 0)
        rc = rag_store_docs(s, old->meta.seq, add_doc, &c, err);
    if (rc == 0)
        rc = rag_store_chunks(s, old->meta.seq, add_chunk, &c, err);
    if (rc == 0)
        rc = rag_segment_index(g->tail, err);
    if (rc == 0 && m->dim > 0)
        rc = rag_store_vectors(s, old->meta.seq, m, add_vector, &c, err);
    g->tail->floats = c.floats;
    if (rc == 0 && m->dim > 0)
        rc = rag_ann_build(RAG_ANN_FLAT, m->dim, c.floats, g->tail->nvecs, 1,
                           &g->tail->ann, err);
    if (rc == 0)
        rc = rag_generation_finish(g, err);
    if (rc != 0) {
        rag_generation_release(g);
        return rc;
    }
    *out = g;
    return 0;
}

bool rag_generation_wants_rebuild(const rag_generation *g) {
    size_t base = g->base->nvecs, tail_max = base / 16;
    size_t dead = base - g->live_vecs[0];

    if (tail_max > RAG_INDEX_TAIL_MAX)
        tail_max = RAG_INDEX_TAIL_MAX;
    if (tail_max < RAG_INDEX_TAIL_MIN)
        tail_max = RAG_INDEX_TAIL_MIN;
    return g->tail->nvecs > tail_max || (dead > 1000 && dead * 10 > base * 3);
}
