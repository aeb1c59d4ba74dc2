/*
 * http.h - HTTP client over TCP or a Unix socket, streaming and cancellable.
 *
 * The only place that touches libcurl. A client may be used by one thread at
 * a time and keeps its connection alive between requests; make one a thread
 * (or a pool). No redirects are followed, no proxy is used, nothing but
 * http:// and https:// is spoken. rag_http_global_init once a program before
 * threads start. A program that speaks https:// must ignore SIGPIPE.
 */
#ifndef RAG_BASE_HTTP_H
#define RAG_BASE_HTTP_H

#include "base/buf.h"

#include <stdbool.h>

typedef struct rag_http rag_http;

int rag_http_global_init(rag_error *err);

/* unix_socket NULL means TCP by the URL's host. */
int rag_http_open(const char *unix_socket, rag_http **out, rag_error *err);
void rag_http_close(rag_http *h);

/* Bytes of the body as they come; nonzero cancels (RAG_E_CANCELLED). */
typedef int (*rag_http_body_fn)(void *user, const char *p, size_t n);
/* Asked at least every 50 ms while waiting; nonzero cancels. */
typedef int (*rag_http_cancel_fn)(void *user);

typedef struct rag_http_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *url; /* http://localhost/v1/... */
    const char *body; /* may be NULL */
    size_t body_len;
    const char *content_type; /* NULL: application/json */
    const char *bearer; /* NULL: none */
    const char *const *headers; /* further "Name: value", NULL-ended, or NULL */
    long connect_timeout_ms; /* 0: 2000 */
    long idle_timeout_ms; /* no byte for so long; 0: 30000 */
    long total_timeout_ms; /* 0: none */
    size_t max_body; /* ceiling of the response; 0: 64 MiB */
    rag_http_body_fn on_body; /* for a status < 400; NULL: response.body */
    rag_http_cancel_fn cancelled; /* NULL: never */
    void *user;
} rag_http_request;

typedef struct rag_http_response {
    long status; /* HTTP status; 0 when none came */
    rag_buf body; /* owned; with on_body: only of a status >= 400 */
    long retry_after; /* seconds; -1 when absent */
    char content_type[96];
} rag_http_response;

/*
 * Runs the request to its end. 0 means a response came, whatever its status.
 * RAG_E_UNAVAILABLE: no connection, or lost; RAG_E_TIMEOUT; RAG_E_CANCELLED;
 * RAG_E_LIMIT: response over max_body. Free response with
 * rag_http_response_free also after a failure.
 */
int rag_http_do(rag_http *h, const rag_http_request *req,
                rag_http_response *res, rag_error *err);
void rag_http_response_free(rag_http_response *res);

/*
 * Server-sent events (WHATWG HTML, 9.2.6): feed bytes as they come; for each
 * whole event on_event gets its data lines joined by \n and its event name
 * ("message" by default), borrowed during the call; nonzero stops and is
 * returned. Lines end in \n, \r\n or \r; an event over max bytes fails with
 * RAG_E_LIMIT (max 0: 1 MiB). After a failure or a stop nothing more is fed.
 */
typedef struct rag_sse {
    rag_buf line, data, event;
    bool after_cr, begun;
} rag_sse;
typedef int (*rag_sse_fn)(void *user, const char *event, const char *data,
                          size_t len);
void rag_sse_init(rag_sse *s, size_t max);
void rag_sse_free(rag_sse *s);
int rag_sse_feed(rag_sse *s, const char *p, size_t n, rag_sse_fn on_event,
                 void *user, rag_error *err);

#endif
