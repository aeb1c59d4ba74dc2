/*
 * metrics.h - counters of the daemon, printed in Prometheus' text format.
 *
 * Counters are atomic; any thread.
 */
#ifndef RAG_DAEMON_METRICS_H
#define RAG_DAEMON_METRICS_H

#include "base/buf.h"

#include "daemon/pipeline.h"

#include <stdatomic.h>

typedef enum rag_endpoint {
    RAG_EP_ASK,
    RAG_EP_SEARCH,
    RAG_EP_STATUS,
    RAG_EP_HEALTH,
    RAG_EP_METRICS,
    RAG_EP_CHAT,
    RAG_EP_EMBEDDINGS,
    RAG_EP_MODELS,
    RAG_EP_FEEDBACK,
    RAG_EP_FAQ, /* from here on: the desk's, see daemon/desk.h */
    RAG_EP_QUEUE,
    RAG_EP_AUDIT,
    RAG_EP_REPLAY,
    RAG_EP_NONE /* no such path */
} rag_endpoint;
#define RAG_ENDPOINTS 14

#define RAG_METRICS_BUCKETS 12

typedef struct rag_metrics {
    atomic_ullong requests[RAG_ENDPOINTS][6]; /* by status / 100 */
    atomic_ullong answers[RAG_ANSWER_STATUSES];
    atomic_ullong rejected; /* 503: queue or generator's turn */
    atomic_ullong cancelled; /* the client went */
    atomic_ullong tokens, prompt_tokens;
    atomic_ullong ask_bucket[RAG_METRICS_BUCKETS + 1];
    atomic_ullong ask_micros;
    atomic_int connections, queued, running;
} rag_metrics;

void rag_metrics_ask(rag_metrics *m, const rag_answer *a);
const char *rag_endpoint_name(rag_endpoint e);
int rag_metrics_print(rag_metrics *m, rag_pipeline *p, rag_buf *out,
                      rag_error *err);

#endif
