/*
 * reload.c - the store: opening it when it appears, following its changes.
 *
 * Owns the current rag_index and the one thread that may refresh or replace
 * it. Invariants:
 *   1. current is replaced only by the watching thread, under lock;
 *   2. an index is closed when it is no longer current and nobody borrows it;
 *   3. a failed refresh leaves what is served as it is.
 */
#include "daemon/serving.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define STORE_FILE "store.db"
#define RETRY_MS 2000.0 /* between attempts to open what could not be */

typedef struct holder {
    rag_index *index;
    unsigned borrowed;
    struct holder *next;
} holder;

struct rag_serving {
    rag_serving_options opt;
    char *file; /* of the store, to notice that it was replaced */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    holder *all; /* current first, then those still borrowed */
    bool current; /* all->index is served */
    uint64_t opened;
    rag_error why; /* why nothing is */
    dev_t dev;
    ino_t ino;
    struct timespec mtime; /* when opening last failed: try again on change */
    double tried_ms;
    bool stop, watching;
    pthread_t thread;
};

static bool identity(const rag_serving *s, struct stat *st) {
    return stat(s->file, st) == 0;
}

/* Opens what is there and makes it current. */
static int open_current(rag_serving *s, rag_error *err) {
    struct stat st;
    rag_index *ix = NULL;
    s->tried_ms = rag_clock_ms();
    if (!identity(s, &st))
        return rag_error_set(err, RAG_E_NOINPUT,
                             "no documents yet: run rag-ingest");
    int rc = rag_index_open(s->opt.dir, &s->opt.index, &ix, err);
    if (rc) {
        s->mtime = st.st_mtim;
        return rc;
    }
    holder *h = calloc(1, sizeof *h);
    if (!h) {
        rag_index_close(ix);
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the index");
    }
    h->index = ix;
    pthread_mutex_lock(&s->lock);
    h->next = s->all;
    s->all = h;
    s->current = true;
    s->opened++;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    pthread_mutex_unlock(&s->lock);
    rag_index_stats stats = {0};
    rag_index_describe(ix, &stats, NULL);
    rag_log(RAG_LOG_INFO, "index.open", RAG_S("dir", s->opt.dir),
            RAG_I("documents", stats.documents), RAG_I("chunks", stats.chunks),
            RAG_I("generation", stats.generation));
    return 0;
}

/* Closes what is neither current nor borrowed. Called without the lock. */
static void sweep(rag_serving *s) {
    holder *dead = NULL;
    pthread_mutex_lock(&s->lock);
    holder **at = s->current && s->all ? &s->all->next : &s->all;
    while (*at) {
        holder *h = *at;
        if (h->borrowed) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        h->next = dead;
        dead = h;
    }
    pthread_mutex_unlock(&s->lock);
    while (dead) {
        holder *next = dead->next;
        rag_index_close(dead->index);
        free(dead);
        dead = next;
    }
}

static void withdraw(rag_serving *s, const rag_error *why) {
    pthread_mutex_lock(&s->lock);
    s->current = false;
    s->why = *why;
    pthread_mutex_unlock(&s->lock);
}

static void remember(rag_serving *s, const rag_error *why) {
    bool news;
    pthread_mutex_lock(&s->lock);
    news =
        s->why.code != why->code || strcmp(s->why.message, why->message) != 0;
    s->why = *why;
    pthread_mutex_unlock(&s->lock);
    if (news)
        rag_log(RAG_LOG_WARN, "index.absent", RAG_S("why", why->message));
}

static void try_open(rag_serving *s) {
    struct stat st;
    rag_error err = {0};
    bool changed = identity(s, &st) && (st.st_mtim.tv_sec != s->mtime.tv_sec ||
                                        st.st_mtim.tv_nsec != s->mtime.tv_nsec);
    if (!changed && s->why.code != RAG_E_NOINPUT &&
        rag_clock_ms() - s->tried_ms < RETRY_MS)
        return;
    if (open_current(s, &err))
        remember(s, &err);
}

static void tick(rag_serving *s) {
    if (!s->current) {
        try_open(s);
        return;
    }
    struct stat st;
    rag_error err = {0};
    if (!identity(s, &st)) {
        rag_error_set(&err, RAG_E_NOINPUT,
                      "the store has been removed: run rag-ingest");
        rag_log(RAG_LOG_WARN, "index.gone", RAG_S("dir", s->opt.dir));
        withdraw(s, &err);
        return;
    }
    if (st.st_dev != s->dev || st.st_ino != s->ino) {
        /* Another store under the same name: serve the old one until the new
         * one is open. */
        if (open_current(s, &err))
            rag_log(RAG_LOG_WARN, "index.replace", RAG_S("why", err.message));
        return;
    }
    bool changed = false;
    double started = rag_clock_ms();
    if (rag_index_refresh(s->all->index, &changed, &err)) {
        rag_log(RAG_LOG_WARN, "index.refresh", RAG_S("why", err.message));
    } else if (changed) {
        rag_index_stats stats = {0};
        rag_index_describe(s->all->index, &stats, NULL);
        rag_log(RAG_LOG_INFO, "index.refresh",
                RAG_I("generation", stats.generation),
                RAG_I("documents", stats.documents),
                RAG_I("chunks", stats.chunks),
                RAG_D("ms", rag_clock_ms() - started));
    }
}

static void *watch(void *arg) {
    rag_serving *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        pthread_mutex_unlock(&s->lock);
        tick(s);
        sweep(s);
        pthread_mutex_lock(&s->lock);
        if (s->stop)
            break;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += s->opt.refresh_ms / 1000;
        until.tv_nsec += s->opt.refresh_ms % 1000 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&s->wake, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int rag_serving_open(const rag_serving_options *opt, rag_serving **out,
                     rag_error *err) {
    *out = NULL;
    rag_serving *s = calloc(1, sizeof *s);
    if (!s)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the store");
    s->opt = *opt;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    int rc = rag_path_join(opt->dir, STORE_FILE, &s->file, err);
    if (rc) {
        rag_serving_close(s);
        return rc;
    }
    rag_error why = {0};
    if (open_current(s, &why))
        remember(s, &why);
    *out = s;
    return 0;
}

int rag_serving_watch(rag_serving *s, rag_error *err) {
    int rc = pthread_create(&s->thread, NULL, watch, s);
    if (rc)
        return rag_error_errno(err, RAG_E_NOMEM, rc, "thread for the store");
    s->watching = true;
    return 0;
}

void rag_serving_close(rag_serving *s) {
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->watching)
        pthread_join(s->thread, NULL);
    s->current = false;
    sweep(s);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->file);
    free(s);
}

int rag_serving_borrow(rag_serving *s, rag_index **out, rag_error *err) {
    int rc = 0;
    *out = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->current) {
        s->all->borrowed++;
        *out = s->all->index;
    } else {
        rc = rag_error_set(err, s->why.code ? s->why.code : RAG_E_NOINPUT, "%s",
                           s->why.message);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void rag_serving_return(rag_serving *s, rag_index *ix) {
    if (!ix)
        return;
    pthread_mutex_lock(&s->lock);
    for (holder *h = s->all; h; h = h->next)
        if (h->index == ix) {
            h->borrowed--;
            break;
        }
    pthread_mutex_unlock(&s->lock);
}

uint64_t rag_serving_opened(rag_serving *s) {
    pthread_mutex_lock(&s->lock);
    uint64_t n = s->opened;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool rag_serving_ready(rag_serving *s, rag_error *why) {
    pthread_mutex_lock(&s->lock);
    bool ready = s->current;
    if (!ready && why)
        *why = s->why;
    pthread_mutex_unlock(&s->lock);
    return ready;
}
