/*
 * cache.c - a bounded table with the least recently used out first, and the
 * flights of those who ask for the same at the same time.
 *
 * Called by cache_answer.c on the requests' threads. Invariants, under lock:
 *   1. everything in the table was made in `state`;
 *   2. count and bytes are those of the table, and within the limits;
 *   3. a flight in the list has one leader, who will end it; it is freed by
 *      the last of its leader and waiters.
 */
#include "daemon/cache.h"

#include "base/buf.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUCKETS 4096
#define SLICE_NS 50000000L /* how often one who waits looks for its client */

typedef struct entry {
    struct entry *chain; /* in its bucket */
    struct entry *newer, *older;
    uint64_t hash;
    size_t len;
    rag_cached *value; /* a reference */
    char key[];
} entry;

struct rag_flight {
    struct rag_flight *next;
    unsigned users; /* leader and waiters */
    bool over;
    rag_cached *value; /* a reference; NULL: none came */
    size_t len, state;
    char key[];
};

struct rag_cache {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t landed;
    size_t max_entries, max_bytes;
    entry *bucket[BUCKETS];
    entry *newest, *oldest;
    rag_buf state;
    rag_flight *flights;
    rag_cache_counts counts;
};

void rag_cached_unref(rag_cached *v) {
    if (v && atomic_fetch_sub(&v->refs, 1) == 1)
        v->destroy(v);
}

static rag_cached *reference(rag_cached *v) {
    atomic_fetch_add(&v->refs, 1);
    return v;
}

/* ---- the table --------------------------------------------------------------- */

static size_t weight(const entry *e) {
    return sizeof *e + e->len + e->value->bytes;
}

static void forget(rag_cache *c, entry *e) {
    entry **at = &c->bucket[e->hash % BUCKETS];
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    c->counts.entries--;
    c->counts.bytes -= weight(e);
    rag_cached_unref(e->value);
    free(e);
}

static void shrink(rag_cache *c, size_t entries, size_t bytes) {
    while (c->oldest &&
           (c->counts.entries > entries || c->counts.bytes > bytes))
        forget(c, c->oldest);
}

static void put_first(rag_cache *c, entry *e) {
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static entry *find(rag_cache *c, const char *key, size_t len, uint64_t hash) {
    entry *e = c->bucket[hash % BUCKETS];
    while (e &&
           (e->hash != hash || e->len != len || memcmp(e->key, key, len) != 0))
        e = e->chain;
    return e;
}

/* What is kept under the key and may still be given out, made the newest. */
static rag_cached *look_up(rag_cache *c, const rag_cache_key *key,
                           int64_t now) {
    entry *e = find(c, key->s, key->len, rag_hash_fast(key->s, key->len));
    if (!e)
        return NULL;
    if (e->value->until < now) {
        forget(c, e);
        return NULL;
    }
    if (e != c->newest) {
        e->newer->older = e->older;
        *(e->older ? &e->older->newer : &c->oldest) = e->newer;
        put_first(c, e);
    }
    return reference(e->value);
}

/* Everything kept was true in another state of the world. */
static void enter_state(rag_cache *c, const rag_cache_key *key) {
    if (c->state.len == key->state &&
        memcmp(rag_buf_str(&c->state), key->s, key->state) == 0)
        return;
    shrink(c, 0, 0);
    rag_buf_clear(&c->state);
    /* Out of memory leaves a state that is none: nothing will be kept. */
    if (rag_buf_append(&c->state, key->s, key->state, NULL))
        rag_buf_clear(&c->state);
}

static void keep(rag_cache *c, const rag_flight *f) {
    if (!f->value->until || f->state != c->state.len ||
        memcmp(f->key, rag_buf_str(&c->state), f->state) != 0)
        return;
    uint64_t hash = rag_hash_fast(f->key, f->len);
    entry *old = find(c, f->key, f->len, hash);
    if (old)
        forget(c, old);
    entry *e = malloc(sizeof *e + f->len);
    if (!e)
        return;
    *e = (entry){.hash = hash, .len = f->len, .value = f->value};
    memcpy(e->key, f->key, f->len);
    size_t more = weight(e);
    if (!c->max_entries || more > c->max_bytes) {
        free(e);
        return;
    }
    shrink(c, c->max_entries - 1, c->max_bytes - more);
    reference(e->value);
    e->chain = c->bucket[hash % BUCKETS];
    c->bucket[hash % BUCKETS] = e;
    put_first(c, e);
    c->counts.entries++;
    c->counts.bytes += more;
}

/* ---- flights ------------------------------------------------------------------ */

static rag_flight *flight_of(rag_cache *c, const rag_cache_key *key) {
    rag_flight *f = c->flights;
    while (f && (f->len != key->len || memcmp(f->key, key->s, key->len) != 0))
        f = f->next;
    return f;
}

static rag_flight *take_off(rag_cache *c, const rag_cache_key *key) {
    rag_flight *f = malloc(sizeof *f + key->len);
    if (!f)
        return NULL;
    *f = (rag_flight){
        .next = c->flights, .users = 1, .len = key->len, .state = key->state};
    memcpy(f->key, key->s, key->len);
    c->flights = f;
    return f;
}

static void let_go(rag_flight *f) {
    if (--f->users)
        return;
    rag_cached_unref(f->value);
    free(f);
}

/* Until the flight is over; false: the waiter has gone before. The lock is
 * let go while its own questions are asked. */
static bool await(rag_cache *c, const rag_flight *f,
                  const rag_cache_waiter *w) {
    while (!f->over) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SLICE_NS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        pthread_cond_timedwait(&c->landed, &c->lock, &until);
        if (f->over)
            break;
        pthread_mutex_unlock(&c->lock);
        bool gone = w->gone(w->user);
        pthread_mutex_lock(&c->lock);
        if (gone)
            return false;
    }
    return true;
}

void rag_cache_begin(rag_cache *c, const rag_cache_key *key, int64_t now,
                     const rag_cache_waiter *w, rag_cached **value,
                     rag_flight **flight) {
    bool waits = false;
    *value = NULL;
    *flight = NULL;
    pthread_mutex_lock(&c->lock);
    enter_state(c, key);
    for (;;) {
        if ((*value = look_up(c, key, now))) {
            c->counts.kept++;
            break;
        }
        rag_flight *f = flight_of(c, key);
        if (!f) {
            *flight = take_off(c, key);
            c->counts.missed++;
            break;
        }
        if (!waits && !(waits = w->enter(w->user))) {
            c->counts.missed++;
            break;
        }
        f->users++;
        bool over = await(c, f, w);
        if (over && f->value)
            *value = reference(f->value);
        let_go(f);
        if (*value)
            c->counts.shared++;
        if (*value || !over)
            break;
    }
    pthread_mutex_unlock(&c->lock);
    if (waits)
        w->leave(w->user);
}

void rag_cache_end(rag_cache *c, rag_flight *f, rag_cached *v) {
    pthread_mutex_lock(&c->lock);
    rag_flight **at = &c->flights;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->over = true;
    f->value = v;
    if (v)
        keep(c, f);
    pthread_cond_broadcast(&c->landed);
    let_go(f);
    pthread_mutex_unlock(&c->lock);
}

/* ---- life ----------------------------------------------------------------------- */

int rag_cache_open(size_t entries, size_t bytes, rag_cache **out,
                   rag_error *err) {
    rag_cache *c = *out = calloc(1, sizeof *c);
    if (!c)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the cache");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->landed, &attr);
    pthread_condattr_destroy(&attr);
    rag_buf_init(&c->state, 0);
    c->max_entries = entries;
    c->max_bytes = bytes;
    return 0;
}

void rag_cache_close(rag_cache *c) {
    if (!c)
        return;
    shrink(c, 0, 0);
    rag_buf_free(&c->state);
    pthread_cond_destroy(&c->landed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void rag_cache_limit(rag_cache *c, size_t entries, size_t bytes) {
    pthread_mutex_lock(&c->lock);
    c->max_entries = entries;
    c->max_bytes = bytes;
    shrink(c, entries, bytes);
    pthread_mutex_unlock(&c->lock);
}

void rag_cache_describe(rag_cache *c, rag_cache_counts *out) {
    pthread_mutex_lock(&c->lock);
    *out = c->counts;
    pthread_mutex_unlock(&c->lock);
}
