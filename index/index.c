/*
 * index.c - the reader: opening, connections, publishing generations.
 *
 * Locks, taken in this order: `advance` (whoever makes a new generation),
 * then `lock` (current generation, pool, frequencies; held for moments).
 * A search holds a reference to its generation and no lock.
 *
 *   rag_index_open -> snapshot or build -> catch up -> publish
 *   rag_index_refresh -> catch up -> publish; rebuild when the tail is long
 *   rag_index_search -> catch up itself when the store is ahead (search.c)
 */
#include "index/generation_int.h"
#include "index/lexicon.h"
#include "index/posting.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define QUIET 10 /* nice value of what is built while questions are served */
#define POOL_MAX 16
#define DF_SLOTS 4096

typedef struct df_slot {
    int64_t seq;
    uint32_t df;
    char token[RAG_TOKEN_MAX];
    bool used;
} df_slot;

struct rag_index {
    char *dir;
    char encoder[65]; /* expected; "": any */
    int dim, threads;
    bool read_only;
    rag_interned *strings;
    rag_lexicon *lexicon;
    rag_tuning tuning;
    rag_index_limits limits;

    pthread_mutex_t advance;
    rag_store *watch; /* connection that catches up; under advance */
    int64_t version; /* its data version at the last look */

    /* Of the thread that refreshes: when a posting file was last made again
     * for what was removed, and in how long (ms). */
    double scrubbed_at, scrubbed_in;

    pthread_mutex_t lock;
    rag_generation *current;
    rag_store *pool[POOL_MAX];
    size_t pooled;
    df_slot *df;
};

/* ---- small access ----------------------------------------------------------------- */

rag_generation *rag_index_current(rag_index *ix) {
    rag_generation *g;

    pthread_mutex_lock(&ix->lock);
    g = ix->current;
    __atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&ix->lock);
    return g;
}

static void publish(rag_index *ix, rag_generation *g) {
    rag_generation *old;

    pthread_mutex_lock(&ix->lock);
    old = ix->current;
    ix->current = g;
    pthread_mutex_unlock(&ix->lock);
    rag_generation_release(old);
}

int rag_index_take(rag_index *ix, rag_store **out, rag_error *err) {
    *out = NULL;
    pthread_mutex_lock(&ix->lock);
    if (ix->pooled > 0)
        *out = ix->pool[--ix->pooled];
    pthread_mutex_unlock(&ix->lock);
    return *out ? 0 : rag_store_open(ix->dir, false, out, err);
}

void rag_index_give(rag_index *ix, rag_store *s, bool broken) {
    if (s == NULL)
        return;
    rag_store_end_read(s);
    pthread_mutex_lock(&ix->lock);
    if (!broken && ix->pooled < POOL_MAX) {
        ix->pool[ix->pooled++] = s;
        s = NULL;
    }
    pthread_mutex_unlock(&ix->lock);
    rag_store_close(s);
}

rag_interned *rag_index_strings(rag_index *ix) {
    return ix->strings;
}

const rag_lexicon *rag_index_lexicon(const rag_index *ix) {
    return ix->lexicon;
}

const rag_tuning *rag_index_tuning(const rag_index *ix) {
    return &ix->tuning;
}

void rag_index_set_tuning(rag_index *ix, const rag_tuning *t) {
    ix->tuning = *t;
}

static df_slot *df_slot_of(rag_index *ix, const char *token, size_t len) {
    return &ix->df[rag_hash_fast(token, len) % DF_SLOTS];
}

bool rag_index_df_get(rag_index *ix, int64_t seq, const char *token, size_t len,
                      size_t *df) {
    df_slot *s = df_slot_of(ix, token, len);
    bool hit;

    pthread_mutex_lock(&ix->lock);
    hit = s->used && s->seq == seq && strlen(s->token) == len &&
          memcmp(s->token, token, len) == 0;
    if (hit)
        *df = s->df;
    pthread_mutex_unlock(&ix->lock);
    return hit;
}

void rag_index_df_put(rag_index *ix, int64_t seq, const char *token, size_t len,
                      size_t df) {
    df_slot *s = df_slot_of(ix, token, len);

    if (len >= sizeof(s->token))
        return;
    pthread_mutex_lock(&ix->lock);
    s->used = true;
    s->seq = seq;
    s->df = (uint32_t)df;
    memcpy(s->token, token, len);
    s->token[len] = '\0';
    pthread_mutex_unlock(&ix->lock);
}

/* ---- advancing ---------------------------------------------------------------------- */

static int check_encoder(const rag_index *ix, const rag_store_meta *m,
                         rag_error *err) {
    if (ix->encoder[0] == '\0' || m->encoder[0] == '\0' ||
        (strcmp(ix->encoder, m->encoder) == 0 && ix->dim == m->dim))
        return 0;
    return rag_error_set(err, RAG_E_MISMATCH,
                         "%s/store.db was made with the encoder %s (%.12s), "
                         "not with the one in use (%.12s): ingest with "
                         "--rebuild, or use that model",
                         ix->dir, m->model[0] ? m->model : "(unnamed)",
                         m->encoder, ix->encoder);
}

static void write_snapshot(rag_index *ix, const rag_generation *g) {
    rag_error err;

    if (ix->read_only)
        return;
    /* Derived data: a full disk must not stop anybody from searching. */
    if (rag_snapshot_write(ix->dir, g, ix->strings, &err) != 0)
        rag_log(RAG_LOG_WARN, "index.snapshot_failed",
                RAG_S("error", err.message));
}

static bool is_large(const rag_index *ix, const rag_generation *g) {
    return g->base->nchunks > 0 && g->base->nchunks >= ix->limits.postings_min;
}

/* Makes the posting file of g's base. Like the snapshot it is derived:
 * without it, FTS5 answers. */
static void make_postings(rag_index *ix, rag_store *s, rag_generation *g,
                          rag_postings **out) {
    rag_error err;

    *out = NULL;
    if (!is_large(ix, g) || ix->read_only)
        return;
    if (rag_postings_make(s, ix->dir, g, &ix->tuning, out, &err) != 0)
        rag_log(RAG_LOG_WARN, "index.postings_failed",
                RAG_S("error", err.message));
}

static int build_base(rag_index *ix, rag_store *s, const rag_store_meta *m,
                      int threads, rag_generation **out, rag_error *err) {
    rag_postings *p;
    int rc =
        rag_generation_build(s, m, &ix->limits, ix->strings, threads, out, err);

    if (rc == 0) {
        make_postings(ix, s, *out, &p);
        rag_generation_set_postings(*out, p);
    }
    return rc;
}

typedef struct builder {
    rag_index *ix;
    int threads;
    rag_generation *g; /* made; only_postings: given */
    rag_postings *postings; /* only_postings: made */
    bool only_postings;
    rag_error *err;
    int rc;
} builder;

/* Makes a base of all the store has now, or a file of g's base. Own connection, so that catching up
 * goes on meanwhile. */
static int build(builder *b) {
    rag_index *ix = b->ix;
    rag_store *s;
    rag_store_meta m;
    int rc = rag_index_take(ix, &s, b->err);

    if (rc != 0)
        return rc;
    rc = rag_store_begin_read(s, b->err);
    if (rc == 0)
        rc = rag_store_meta_get(s, &m, b->err);
    if (rc == 0)
        rc = check_encoder(ix, &m, b->err);
    if (rc == 0 && b->only_postings)
        make_postings(ix, s, b->g, &b->postings);
    else if (rc == 0)
        rc = build_base(ix, s, &m, b->threads, &b->g, b->err);
    rag_index_give(ix, s, rc != 0);
    return rc;
}

static void *build_quietly(void *user) {
    builder *b = user;

    /* Linux: of this thread, and of those that it starts. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), QUIET);
    b->rc = build(b);
    return NULL;
}

/* The same in a thread of its own that gives way to those who serve, and on
 * fewer cores than there are. */
static int build_aside(builder *b) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t thread;

    b->threads = b->ix->threads ? b->ix->threads
                 : cores > 2    ? (int)cores / 2
                                : 1;
    if (pthread_create(&thread, NULL, build_quietly, b) != 0)
        return build(b);
    pthread_join(thread, NULL);
    return b->rc;
}

/* Brings g (owned) up to the store's state; *out may be g itself. Under
 * advance. */
static int bring_up(rag_index *ix, rag_generation *g, rag_generation **out,
                    rag_error *err) {
    rag_store_meta m;
    rag_store *s = ix->watch;
    int rc = rag_store_begin_read(s, err);

    *out = NULL;
    if (rc == 0)
        rc = rag_store_meta_get(s, &m, err);
    if (rc == 0)
        rc = check_encoder(ix, &m, err);
    if (rc == 0 && m.seq == g->meta.seq && m.epoch == g->meta.epoch) {
        *out = g;
    } else if (rc == 0 && m.epoch == g->meta.epoch && m.dim == g->meta.dim &&
               m.seq > g->meta.seq && m.floor <= g->meta.seq) {
        rc = rag_generation_advance(s, &m, g, ix->strings, out, err);
    } else if (rc == 0) {
        rc = build_base(ix, s, &m, ix->threads, out, err);
    }
    rag_store_end_read(s);
    return rc;
}

static int catch_up_locked(rag_index *ix, bool *changed, rag_error *err) {
    rag_generation *g = rag_index_current(ix), *next;
    int64_t version;
    int rc = rag_store_data_version(ix->watch, &version, err);

    if (rc == 0 && version != ix->version) {
        rc = bring_up(ix, g, &next, err);
        if (rc == 0) {
            ix->version = version;
            if (next != g) {
                publish(ix, next);
                *changed = true;
            }
        }
    }
    rag_generation_release(g);
    return rc;
}

int rag_index_catch_up(rag_index *ix, rag_error *err) {
    bool changed = false;
    int rc;

    pthread_mutex_lock(&ix->advance);
    rc = catch_up_locked(ix, &changed, err);
    pthread_mutex_unlock(&ix->advance);
    return rc;
}

/* A new base, made while searches and catching up go on, then brought up to
 * date and published. */
static int rebuild(rag_index *ix, rag_error *err) {
    builder b = {.ix = ix, .err = err};
    rag_generation *g, *next = NULL;
    int rc = build_aside(&b);

    if (rc != 0)
        return rc;
    g = b.g;
    write_snapshot(ix, g);
    pthread_mutex_lock(&ix->advance);
    rc = bring_up(ix, g, &next, err);
    if (rc == 0) {
        if (next != g)
            rag_generation_release(g);
        publish(ix, next);
    } else {
        rag_generation_release(g);
    }
    pthread_mutex_unlock(&ix->advance);
    return rc;
}

/*
 * Words of what was removed stay in the posting file until it is made again:
 * soon, but not so often that it is all that is done.
 */
static bool wants_scrub(const rag_index *ix, rag_generation *g) {
    rag_postings *p = rag_generation_postings(g);
    double wait = 20 * ix->scrubbed_in;
    bool wants = p && !ix->read_only &&
                 g->base->nchunks - g->live_rows[0] > rag_postings_dead(p);

    rag_postings_close(p);
    if (wait < ix->limits.scrub_ms)
        wait = ix->limits.scrub_ms;
    return wants && rag_clock_ms() - ix->scrubbed_at >= wait;
}

static int scrub(rag_index *ix, rag_generation *g, rag_error *err) {
    builder b = {.ix = ix, .g = g, .only_postings = true, .err = err};
    rag_generation *now;
    double t0 = rag_clock_ms();
    bool changed;
    int rc = build_aside(&b);

    ix->scrubbed_at = rag_clock_ms();
    ix->scrubbed_in = ix->scrubbed_at - t0;
    if (rc != 0 || b.postings == NULL)
        return rc;
    /* What is gone from the file must be dead in the generation, too. */
    pthread_mutex_lock(&ix->advance);
    rc = catch_up_locked(ix, &changed, err);
    now = rag_index_current(ix);
    if (rc == 0 && now->base == g->base)
        rag_generation_set_postings(now, b.postings);
    else
        rag_postings_close(b.postings);
    rag_generation_release(now);
    pthread_mutex_unlock(&ix->advance);
    return rc;
}

int rag_index_refresh(rag_index *ix, bool *changed, rag_error *err) {
    bool did = false, again;
    rag_generation *g;
    int rc;

    pthread_mutex_lock(&ix->advance);
    rc = catch_up_locked(ix, &did, err);
    pthread_mutex_unlock(&ix->advance);
    g = rag_index_current(ix);
    again = rc == 0 && rag_generation_wants_rebuild(g);
    if (again)
        rc = rebuild(ix, err);
    else if (rc == 0 && wants_scrub(ix, g))
        rc = scrub(ix, g, err);
    rag_generation_release(g);
    if (changed)
        *changed = did || (again && rc == 0);
    return rc;
}

/* ---- opening --------------------------------------------------------------------------- */

/* A snapshot's posting file, made again when it does not fit. */
static int find_postings(rag_index *ix, rag_generation *g, rag_error *err) {
    rag_postings *p = NULL;
    rag_store *s;
    int rc;

    if (!is_large(ix, g))
        return 0;
    if (rag_postings_load(ix->dir, g, &p, err) != 0) {
        rag_error_clear(err);
        rc = rag_index_take(ix, &s, err);
        if (rc != 0)
            return rc;
        rc = rag_store_begin_read(s, err);
        if (rc == 0)
            make_postings(ix, s, g, &p);
        rag_index_give(ix, s, rc != 0);
        if (rc != 0)
            return rc;
    }
    rag_generation_set_postings(g, p);
    return 0;
}

bool rag_index_kind_from(const char *name, rag_index_kind *out) {
    static const char *const names[] = {"auto", "flat", "ivf", "hnsw"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (rag_index_kind)i;
            return true;
        }
    return false;
}

/* The snapshot's vectors are of the kind that is asked for now. */
static bool is_wanted(const rag_index *ix, const rag_generation *g) {
    const rag_index_limits *l = &ix->limits;
    rag_ann_kind kind = rag_ann_kind_of(g->base->ann);

    if (l->kind == RAG_INDEX_AUTO && l->memory == 0)
        return kind == RAG_ANN_FLAT || kind == RAG_ANN_IVF;
    return kind == rag_ann_choose(l->kind, g->base->nvecs, g->meta.dim,
                                  l->flat_max, l->memory);
}

static int first_generation(rag_index *ix, rag_error *err) {
    builder b = {.ix = ix, .threads = ix->threads, .err = err};
    rag_store_meta m;
    rag_generation *g = NULL, *next = NULL;
    int rc = rag_store_meta_get(ix->watch, &m, err);

    if (rc == 0)
        rc = check_encoder(ix, &m, err);
    if (rc != 0)
        return rc;
    if (rag_snapshot_load(ix->dir, &m, ix->strings, &g, err) == 0 &&
        !is_wanted(ix, g)) {
        rag_generation_release(g);
        g = NULL;
    }
    if (g) {
        rc = find_postings(ix, g, err);
    } else {
        rag_error_clear(err);
        rc = build(&b);
        g = b.g;
        if (rc == 0)
            write_snapshot(ix, g);
    }
    if (rc != 0) {
        rag_generation_release(g);
        return rc;
    }
    pthread_mutex_lock(&ix->advance);
    rc = rag_store_data_version(ix->watch, &ix->version, err);
    if (rc == 0)
        rc = bring_up(ix, g, &next, err);
    pthread_mutex_unlock(&ix->advance);
    if (rc != 0 || next != g)
        rag_generation_release(g);
    if (rc != 0)
        return rc;
    ix->current = next;
    if (rag_generation_wants_rebuild(next))
        rc = rebuild(ix, err);
    return rc;
}

const rag_index_limits rag_index_limits_default = {
    .flat_max = RAG_INDEX_FLAT_MAX,
    .postings_min = RAG_INDEX_POSTINGS_MIN,
    .parts_max = RAG_INDEX_PARTS_MAX,
    .scrub_ms = RAG_INDEX_SCRUB_MS,
};

int rag_index_open(const char *dir, const rag_index_options *opt,
                   rag_index **out, rag_error *err) {
    return rag_index_open_limited(dir, opt, &rag_index_limits_default, out,
                                  err);
}

int rag_index_open_limited(const char *dir, const rag_index_options *opt,
                           const rag_index_limits *limits, rag_index **out,
                           rag_error *err) {
    rag_index *ix = calloc(1, sizeof(*ix));
    int rc;

    *out = NULL;
    if (ix == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    pthread_mutex_init(&ix->advance, NULL);
    pthread_mutex_init(&ix->lock, NULL);
    ix->tuning = rag_tuning_default;
    ix->limits = *limits;
    ix->scrubbed_at = rag_clock_ms();
    if (opt) {
        const char *encoder = opt->fingerprint.encoder;

        snprintf(ix->encoder, sizeof(ix->encoder), "%s",
                 encoder ? encoder : "");
        ix->dim = opt->fingerprint.dim;
        ix->threads = opt->threads;
        ix->read_only = opt->read_only;
        ix->limits.kind = opt->kind;
        ix->limits.memory = opt->memory;
    }
    rc = rag_str_dup(dir, &ix->dir, err);
    ix->strings = rag_interned_new();
    ix->df = calloc(DF_SLOTS, sizeof(*ix->df));
    if (rc == 0 && (ix->strings == NULL || ix->df == NULL))
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = rag_lexicon_open(opt ? opt->lexicon : NULL, &ix->lexicon, err);
    if (rc == 0)
        rc = rag_store_open(dir, false, &ix->watch, err);
    if (rc == 0)
        rc = first_generation(ix, err);
    if (rc != 0) {
        rag_index_close(ix);
        return rc;
    }
    *out = ix;
    return 0;
}

void rag_index_close(rag_index *ix) {
    if (ix == NULL)
        return;
    rag_generation_release(ix->current);
    for (size_t i = 0; i < ix->pooled; i++)
        rag_store_close(ix->pool[i]);
    rag_store_close(ix->watch);
    rag_interned_free(ix->strings);
    rag_lexicon_close(ix->lexicon);
    free(ix->df);
    free(ix->dir);
    pthread_mutex_destroy(&ix->lock);
    pthread_mutex_destroy(&ix->advance);
    free(ix);
}

int rag_index_describe(rag_index *ix, rag_index_stats *out, rag_error *err) {
    rag_generation *g = rag_index_current(ix);

    (void)err;
    memset(out, 0, sizeof(*out));
    out->generation = (uint64_t)g->meta.seq;
    out->documents = g->ndocs - g->dead_docs;
    out->faqs = g->live_faqs;
    out->chunks = g->live_chunks;
    out->vectors = g->live_vecs[0] + g->live_vecs[1];
    out->deleted = g->base->nvecs + g->tail->nvecs - out->vectors;
    out->memory_bytes = rag_ann_memory(g->base->ann) +
                        2 * rag_ann_memory(g->tail->ann) +
                        g->ndocs * sizeof(*g->docs) +
                        (g->base->nchunks + g->tail->nchunks) *
                            (sizeof(rag_chunk_row) + sizeof(uint32_t)) +
                        (g->base->nvecs + g->tail->nvecs) * sizeof(rag_vec_row);
    snprintf(out->ann, sizeof(out->ann), "%s", rag_ann_name(g->base->ann));
    snprintf(out->fingerprint, sizeof(out->fingerprint), "%s", g->meta.encoder);
    snprintf(out->model, sizeof(out->model), "%s", g->meta.model);
    out->changed_at = g->meta.changed_at;
    rag_generation_release(g);
    return 0;
}
