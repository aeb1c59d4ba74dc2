/*
 * http_int.h - private to daemon/http*.c: requests at work and their queue.
 *
 * A job is shared by the thread that polls its connection and the worker that
 * answers it; what both touch is behind job.lock. It lives until both have
 * let it go.
 *
 *   receiving --enqueue--> waiting --worker--> running --respond--> answering
 *       |                                                              |
 *       +--------- refused (status set, no worker) ------------------->+--> over
 */
#ifndef RAG_DAEMON_HTTP_INT_H
#define RAG_DAEMON_HTTP_INT_H

#include "daemon/http.h"

#include "base/buf.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define RAG_HTTP_RETRY_SECONDS 2

typedef struct rag_job {
    rag_server *server;
    rag_endpoint endpoint;
    char principal[24]; /* "token", "uid 1000", or "" when not known */
    bool stream; /* the client accepts server-sent events */
    bool too_large; /* by its own word: not even read */
    size_t received;
    rag_buf body;
    unsigned long id;
    double started_ms;
    atomic_int refs;
    atomic_bool stop; /* the server wants it to end */

    pthread_mutex_t lock;
    int fd; /* the connection's; -1 once it is over */
    bool gone; /* the connection is over */
    int status; /* HTTP status; 0: not known yet */
    bool streaming;
    bool finished; /* nothing will be appended any more */
    bool paused; /* the connection is suspended and must be woken */
    rag_buf out;
    size_t sent;
    const char *type; /* content type; static */
    int retry_after; /* seconds; 0 none */

    void *connection; /* libmicrohttpd's */
    struct rag_job *next;
} rag_job;

/* ---- http.c: what a worker does to a job ---------------------------------------- */

/* The whole response; takes nothing. Later calls are ignored. */
void rag_job_respond(rag_job *j, int status, const char *type, const char *body,
                     size_t len);
/* Begins a stream of server-sent events, appends to it, ends it. */
void rag_job_stream(rag_job *j);
int rag_job_write(rag_job *j, const char *p, size_t n);
void rag_job_finish(rag_job *j);
/* True when the client has gone or the server is stopping for good. */
bool rag_job_cancelled(rag_job *j);
void rag_job_release(rag_job *j);

/* {"error":{"code","message"}} with the status that belongs to it. */
void rag_job_error(rag_job *j, const rag_error *err);
void rag_job_error_as(rag_job *j, int status, const char *code,
                      const char *message);
/* Responds with JSON; takes v (NULL: out of memory). */
void rag_job_json(rag_job *j, int status, json_t *v);
int rag_http_status(const rag_error *err, const char **code);

/* ---- http_queue.c ------------------------------------------------------------------ */

typedef struct rag_queue rag_queue;
int rag_queue_open(long workers, long capacity, rag_metrics *metrics,
                   rag_queue **out, rag_error *err);
/* False when full or closing. */
bool rag_queue_push(rag_queue *q, rag_job *j);
/* Waits until nothing waits or runs; false after limit_ms. */
bool rag_queue_idle(rag_queue *q, double limit_ms);
/* Lets no job in any more. */
void rag_queue_stop(rag_queue *q);
/* Asks everything that waits or runs to end. */
void rag_queue_cancel(rag_queue *q);
void rag_queue_close(rag_queue *q); /* joins the workers */

/* ---- http_api.c, http_openai.c: run on a worker ------------------------------------ */

void rag_api_run(rag_job *j);
void rag_api_chat(rag_job *j, json_t *body);
void rag_api_embeddings(rag_job *j, json_t *body);
void rag_api_models(rag_job *j);
rag_pipeline *rag_job_pipeline(rag_job *j);
rag_metrics *rag_job_metrics(rag_job *j);

/* Asks for a job and logs; the answer is the caller's to free. on_text may be
 * NULL. RAG_OK or an error that has not been sent yet. */
int rag_api_ask(rag_job *j, const char *question, size_t len,
                const char *collection,
                void (*on_text)(void *, const char *, size_t), rag_answer *out,
                rag_error *err);
/* Sends one server-sent event (event may be NULL). Takes v. */
int rag_api_event(rag_job *j, const char *event, json_t *v);

#endif
