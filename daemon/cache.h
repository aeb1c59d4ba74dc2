/*
 * cache.h - answers that were given before, and questions that are being
 * answered now.
 *
 * Keeps values under exact keys, bounded in number and bytes, least recently
 * used out first; and lets one of those who ask for the same key at the same
 * time do the work while the others wait for it. What a value is and what a
 * key is made of is the caller's (cache_answer.c). Thread-safe; one lock.
 */
#ifndef RAG_DAEMON_CACHE_H
#define RAG_DAEMON_CACHE_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAG_CACHE_ENTRIES_MAX 65536
#define RAG_CACHE_BYTES_MAX (1L << 30)

typedef struct rag_cache rag_cache;

/* Head of a value: shared by counted references, never changed. */
typedef struct rag_cached {
    atomic_int refs;
    size_t bytes; /* what it takes, for the limit */
    int64_t until; /* last second it may be given out; 0: never kept */
    void (*destroy)(struct rag_cached *v);
} rag_cached;
void rag_cached_unref(rag_cached *v); /* NULL harmless */

/* A limit of 0 keeps nothing; who asks at the same time is still served by
 * one. */
int rag_cache_open(size_t entries, size_t bytes, rag_cache **out,
                   rag_error *err);
void rag_cache_close(rag_cache *c); /* when nobody is in it; NULL harmless */
/* New limits, at once. */
void rag_cache_limit(rag_cache *c, size_t entries, size_t bytes);

/* The state of the world comes first in a key: when it is another than the
 * last one, everything that was kept is forgotten. */
typedef struct rag_cache_key {
    const char *s;
    size_t len, state; /* bytes in all; of the state */
} rag_cache_key;

/* One who may have to wait for another's answer. */
typedef struct rag_cache_waiter {
    bool (*enter)(void *user); /* takes a place to wait; false: there is none.
                                * Called under the cache's lock. */
    void (*leave)(void *user); /* gives it back; without the lock */
    bool (*gone)(void *user); /* waits no longer; asked often, without it */
    void *user;
} rag_cache_waiter;

typedef struct rag_flight rag_flight;

/*
 * One of three: *value is set (a reference of the caller's); or *flight is,
 * and the caller must answer and then call rag_cache_end; or neither: no
 * place to wait, gone, or out of memory, and the caller is on its own. When
 * the one that answers ends without a value, one of those who wait gets the
 * flight. now: seconds since the epoch.
 */
void rag_cache_begin(rag_cache *c, const rag_cache_key *key, int64_t now,
                     const rag_cache_waiter *w, rag_cached **value,
                     rag_flight **flight);
/* Takes the reference v: gives it to all who wait and keeps it as long as it
 * says. NULL: there is none to share. */
void rag_cache_end(rag_cache *c, rag_flight *flight, rag_cached *v);

typedef struct rag_cache_counts {
    size_t entries, bytes;
    uint64_t kept, shared, missed; /* taken from what was kept; from one that
                                    * was under way; made anew */
} rag_cache_counts;
void rag_cache_describe(rag_cache *c, rag_cache_counts *out);

#endif
