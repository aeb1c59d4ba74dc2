/*
 * http.h - ragd's HTTP/1.1 server.
 *
 * One polling thread a listening socket receives requests; a fixed number of
 * workers answers them from one bounded queue. Streams are written as the
 * worker makes them. Only http.c knows libmicrohttpd.
 */
#ifndef RAG_DAEMON_HTTP_H
#define RAG_DAEMON_HTTP_H

#include "daemon/metrics.h"
#include "daemon/pipeline.h"
#include "daemon/socket.h"

#include <stdbool.h>

typedef struct rag_server rag_server;

typedef struct rag_server_options {
    rag_pipeline *pipeline; /* borrowed */
    rag_metrics *metrics; /* borrowed */
    const char *token; /* for TCP; NULL: TCP requests are refused */
    long workers, queue, connections;
} rag_server_options;

/* Starts serving on all listeners; takes their descriptors (fd becomes -1). */
int rag_server_open(const rag_server_options *opt, rag_listeners *listeners,
                    rag_server **out, rag_error *err);
/*
 * Stops accepting, lets what runs and waits finish for up to limit_ms, then
 * cancels it. Returns true when all finished by itself.
 */
bool rag_server_drain(rag_server *s, double limit_ms);
/* Drains with no patience if that was not done, then frees. */
void rag_server_close(rag_server *s);

/* Closes connections whose request has not arrived in time; call about once
 * a second. */
void rag_server_tick(rag_server *s);

/* a and b are equal; the time taken tells nothing but the lengths. */
bool rag_server_token_equal(const char *a, const char *b);

#endif
