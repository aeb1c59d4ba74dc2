/*
 * http_queue.c - the bounded queue of requests and the workers behind it.
 *
 * Owns the worker threads. Pushed to by the polling threads; a job that is
 * pushed is run exactly once, also while the queue is being closed.
 */
#include "daemon/http_int.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

struct rag_queue {
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    rag_job *head, *tail;
    size_t waiting, capacity;
    rag_job **running; /* one slot a worker */
    size_t busy;
    pthread_t *threads;
    size_t nthreads, started;
    rag_metrics *metrics;
    bool stopped, closing;
};

typedef struct seat {
    rag_queue *queue;
    size_t number;
} seat;

static rag_job *take(rag_queue *q, size_t seat_number) {
    pthread_mutex_lock(&q->lock);
    while (!q->head && !q->closing)
        pthread_cond_wait(&q->work, &q->lock);
    rag_job *j = q->head;
    if (j) {
        q->head = j->next;
        if (!q->head)
            q->tail = NULL;
        j->next = NULL;
        q->waiting--;
        q->busy++;
        q->running[seat_number] = j;
        atomic_fetch_sub(&q->metrics->queued, 1);
        atomic_fetch_add(&q->metrics->running, 1);
    }
    pthread_mutex_unlock(&q->lock);
    return j;
}

static void done(rag_queue *q, size_t seat_number) {
    pthread_mutex_lock(&q->lock);
    q->running[seat_number] = NULL;
    q->busy--;
    atomic_fetch_sub(&q->metrics->running, 1);
    if (!q->busy && !q->waiting)
        pthread_cond_broadcast(&q->idle);
    pthread_mutex_unlock(&q->lock);
}

static void *work(void *arg) {
    seat at = *(seat *)arg;
    free(arg);
    rag_job *j;
    while ((j = take(at.queue, at.number))) {
        rag_api_run(j);
        rag_job_finish(j);
        done(at.queue, at.number);
        rag_job_release(j);
    }
    return NULL;
}

int rag_queue_open(long workers, long capacity, rag_metrics *metrics,
                   rag_queue **out, rag_error *err) {
    *out = NULL;
    rag_queue *q = calloc(1, sizeof *q);
    if (!q)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the queue");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->work, NULL);
    pthread_cond_init(&q->idle, &attr);
    pthread_condattr_destroy(&attr);
    q->capacity = (size_t)capacity;
    q->nthreads = (size_t)workers;
    q->metrics = metrics;
    q->threads = calloc(q->nthreads, sizeof *q->threads);
    q->running = calloc(q->nthreads, sizeof *q->running);
    int rc = q->threads && q->running ? 0 : ENOMEM;
    while (!rc && q->started < q->nthreads) {
        seat *at = malloc(sizeof *at);
        if (!at) {
            rc = ENOMEM;
            break;
        }
        *at = (seat){q, q->started};
        rc = pthread_create(&q->threads[q->started], NULL, work, at);
        if (rc)
            free(at);
        else
            q->started++;
    }
    if (rc) {
        rag_queue_close(q);
        return rag_error_errno(err, RAG_E_NOMEM, rc, "%ld workers", workers);
    }
    *out = q;
    return 0;
}

bool rag_queue_push(rag_queue *q, rag_job *j) {
    pthread_mutex_lock(&q->lock);
    /* A free worker takes it at once: capacity is of those that wait. */
    size_t room = q->capacity + (q->started - q->busy);
    bool ok = !q->stopped && q->waiting < room;
    if (ok) {
        j->next = NULL;
        if (q->tail)
            q->tail->next = j;
        else
            q->head = j;
        q->tail = j;
        q->waiting++;
        atomic_fetch_add(&q->metrics->queued, 1);
        pthread_cond_signal(&q->work);
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

bool rag_queue_idle(rag_queue *q, double limit_ms) {
    double until = rag_clock_ms() + limit_ms;
    pthread_mutex_lock(&q->lock);
    while (q->busy || q->waiting) {
        double left = until - rag_clock_ms();
        if (left <= 0)
            break;
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec += (time_t)(left / 1000);
        t.tv_nsec +=
            (long)(left - (double)(long)(left / 1000) * 1000) * 1000000;
        if (t.tv_nsec >= 1000000000L) {
            t.tv_sec++;
            t.tv_nsec -= 1000000000L;
        }
        pthread_cond_timedwait(&q->idle, &q->lock, &t);
    }
    bool idle = !q->busy && !q->waiting;
    pthread_mutex_unlock(&q->lock);
    return idle;
}

void rag_queue_stop(rag_queue *q) {
    pthread_mutex_lock(&q->lock);
    q->stopped = true;
    pthread_mutex_unlock(&q->lock);
}

void rag_queue_cancel(rag_queue *q) {
    pthread_mutex_lock(&q->lock);
    for (rag_job *j = q->head; j; j = j->next)
        atomic_store(&j->stop, true);
    for (size_t i = 0; i < q->nthreads; i++)
        if (q->running[i])
            atomic_store(&q->running[i]->stop, true);
    pthread_mutex_unlock(&q->lock);
}

void rag_queue_close(rag_queue *q) {
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->stopped = q->closing = true;
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < q->started; i++)
        pthread_join(q->threads[i], NULL);
    pthread_cond_destroy(&q->work);
    pthread_cond_destroy(&q->idle);
    pthread_mutex_destroy(&q->lock);
    free(q->threads);
    free(q->running);
    free(q);
}
