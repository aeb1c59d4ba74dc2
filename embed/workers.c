/*
 * workers.c - see workers.h.
 *
 * Invariant: under the lock, `busy` counts the threads inside fn; fn is NULL
 * when there is no job to join; `round` grows with each job, so that a thread
 * joins a job once.
 *
 * The threads keep off the core that the caller runs on: on a machine whose
 * other cores are busy, a scheduler likes to wake a thread next to who woke
 * it, where it would take the caller's own time instead of another's.
 */
#include "embed/workers.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

typedef struct thread {
    rag_workers *w;
    pthread_t id;
    int index;
} thread;

struct rag_workers {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    rag_work_fn fn;
    void *job;
    unsigned long round;
    int busy, started;
    bool over;
    thread *threads;
    cpu_set_t cpus; /* this process may use */
    int caller; /* core the threads keep off; -1: none */
};

static void *serve(void *arg) {
    const thread *t = arg;
    rag_workers *w = t->w;
    unsigned long seen = 0;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        rag_work_fn fn;
        void *job;
        while (!w->over && (!w->fn || w->round == seen)) {
            pthread_cond_wait(&w->wake, &w->lock);
        }
        if (w->over) {
            break;
        }
        seen = w->round;
        fn = w->fn;
        job = w->job;
        w->busy++;
        pthread_mutex_unlock(&w->lock);
        fn(job, t->index);
        pthread_mutex_lock(&w->lock);
        if (--w->busy == 0) {
            pthread_cond_signal(&w->idle);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int rag_workers_open(int threads, rag_workers **out, rag_error *err) {
    rag_workers *w = calloc(1, sizeof(*w));
    sigset_t all, old;
    int rc = 0;
    *out = NULL;
    if (!w || !(w->threads = calloc((size_t)threads, sizeof(thread)))) {
        free(w);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    (void)pthread_cond_init(&w->idle, NULL);
    w->caller = -1;
    if (sched_getaffinity(0, sizeof(w->cpus), &w->cpus) != 0) {
        CPU_ZERO(&w->cpus); /* more cores than the set has room for */
    }
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 0; rc == 0 && i < threads - 1; i++) {
        w->threads[i] = (thread){.w = w, .index = i + 1};
        rc = pthread_create(&w->threads[i].id, NULL, serve, &w->threads[i]);
        w->started += rc == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        rag_workers_close(w);
        return rag_error_errno(err, RAG_E_NOMEM, rc,
                               "cannot start a thread of the encoder");
    }
    *out = w;
    return 0;
}

void rag_workers_close(rag_workers *w) {
    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->started; i++) {
        (void)pthread_join(w->threads[i].id, NULL);
    }
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_cond_destroy(&w->idle);
    (void)pthread_mutex_destroy(&w->lock);
    free(w->threads);
    free(w);
}

static void keep_off_caller(rag_workers *w) {
    int cpu = sched_getcpu();
    cpu_set_t others = w->cpus;
    if (cpu < 0 || cpu >= CPU_SETSIZE || cpu == w->caller) {
        return;
    }
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) < w->started) {
        return;
    }
    for (int i = 0; i < w->started; i++) {
        (void)pthread_setaffinity_np(w->threads[i].id, sizeof(others), &others);
    }
    w->caller = cpu;
}

static void wait_idle(rag_workers *w) {
    while (w->busy > 0) {
        pthread_cond_wait(&w->idle, &w->lock);
    }
}

bool rag_workers_ready(rag_workers *w) {
    bool ready;
    pthread_mutex_lock(&w->lock);
    ready = w->busy == 0;
    pthread_mutex_unlock(&w->lock);
    return ready;
}

void rag_workers_run(rag_workers *w, rag_work_fn fn, void *job, bool join) {
    if (w->started == 0) {
        fn(job, 0);
        return;
    }
    pthread_mutex_lock(&w->lock);
    wait_idle(w);
    keep_off_caller(w);
    w->fn = fn;
    w->job = job;
    w->round++;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    fn(job, 0);
    pthread_mutex_lock(&w->lock);
    w->fn = NULL; /* nobody joins from now on */
    if (join) {
        wait_idle(w);
    }
    pthread_mutex_unlock(&w->lock);
}
