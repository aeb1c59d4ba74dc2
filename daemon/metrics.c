/*
 * metrics.c - Prometheus text format (exposition format 0.0.4).
 *
 * Called by http_api.c for /metrics.
 */
#include "daemon/metrics.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const double BUCKETS[RAG_METRICS_BUCKETS] = {
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

const char *rag_endpoint_name(rag_endpoint e) {
    static const char *const names[RAG_ENDPOINTS] = {
        "ask",   "search",     "status", "healthz",  "metrics",
        "chat",  "embeddings", "models", "feedback", "faq",
        "queue", "audit",      "replay", "none"};
    return (unsigned)e < RAG_ENDPOINTS ? names[e] : "none";
}

void rag_metrics_ask(rag_metrics *m, const rag_answer *a) {
    if ((unsigned)a->status < RAG_ANSWER_STATUSES)
        atomic_fetch_add(&m->answers[a->status], 1);
    atomic_fetch_add(&m->tokens, a->tokens);
    atomic_fetch_add(&m->prompt_tokens, a->prompt_tokens);
    if (isnan(a->ms.total))
        return;
    double s = a->ms.total / 1000;
    size_t i = 0;
    while (i < RAG_METRICS_BUCKETS && s > BUCKETS[i])
        i++;
    atomic_fetch_add(&m->ask_bucket[i], 1);
    atomic_fetch_add(&m->ask_micros, (unsigned long long)(s * 1e6));
}

/* Resident bytes of this process, 0 when the kernel does not tell. */
static long resident(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static int head(rag_buf *b, const char *name, const char *type,
                const char *help, rag_error *err) {
    return rag_buf_printf(b, err, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                          name, type);
}

static int single(rag_buf *b, const char *name, const char *type,
                  const char *help, double value, rag_error *err) {
    int rc = head(b, name, type, help, err);
    return rc ? rc : rag_buf_printf(b, err, "%s %.17g\n", name, value);
}

static int print_requests(rag_metrics *m, rag_buf *b, rag_error *err) {
    int rc = head(b, "ragd_requests_total", "counter",
                  "Requests by endpoint and class of status.", err);
    for (int e = 0; e < RAG_ENDPOINTS && !rc; e++)
        for (int s = 1; s < 6 && !rc; s++) {
            unsigned long long n = atomic_load(&m->requests[e][s]);
            if (n)
                rc = rag_buf_printf(
                    b, err,
                    "ragd_requests_total{endpoint=\"%s\",status=\"%dxx\"} "
                    "%llu\n",
                    rag_endpoint_name((rag_endpoint)e), s, n);
        }
    if (!rc)
        rc =
            head(b, "ragd_answers_total", "counter", "Answers by status.", err);
    for (int s = 0; s < RAG_ANSWER_STATUSES && !rc; s++)
        rc = rag_buf_printf(b, err, "ragd_answers_total{status=\"%s\"} %llu\n",
                            rag_answer_status_name((rag_answer_status)s),
                            atomic_load(&m->answers[s]));
    return rc;
}

static int print_histogram(rag_metrics *m, rag_buf *b, rag_error *err) {
    unsigned long long sum = 0;
    int rc = head(b, "ragd_ask_seconds", "histogram",
                  "Time from question to answer.", err);
    for (int i = 0; i < RAG_METRICS_BUCKETS && !rc; i++) {
        sum += atomic_load(&m->ask_bucket[i]);
        rc = rag_buf_printf(b, err, "ragd_ask_seconds_bucket{le=\"%g\"} %llu\n",
                            BUCKETS[i], sum);
    }
    sum += atomic_load(&m->ask_bucket[RAG_METRICS_BUCKETS]);
    if (!rc)
        rc = rag_buf_printf(
            b, err,
            "ragd_ask_seconds_bucket{le=\"+Inf\"} %llu\n"
            "ragd_ask_seconds_sum %.6f\nragd_ask_seconds_count %llu\n",
            sum, (double)atomic_load(&m->ask_micros) / 1e6, sum);
    return rc;
}

static int print_state(rag_metrics *m, rag_pipeline *p, rag_buf *b,
                       rag_error *err) {
    rag_pipeline_load load;
    rag_pipeline_load_now(p, &load);
    const struct {
        const char *name, *type, *help;
        double value;
    } of[] = {
        {"ragd_rejected_total", "counter",
         "Requests refused because too many wait.",
         (double)atomic_load(&m->rejected)},
        {"ragd_cancelled_total", "counter", "Requests whose client went away.",
         (double)atomic_load(&m->cancelled)},
        {"ragd_generated_tokens_total", "counter", "Tokens generated.",
         (double)atomic_load(&m->tokens)},
        {"ragd_prompt_tokens_total", "counter", "Tokens of prompts.",
         (double)atomic_load(&m->prompt_tokens)},
        {"ragd_connections", "gauge", "Open connections.",
         atomic_load(&m->connections)},
        {"ragd_queued", "gauge", "Requests that wait for a worker.",
         atomic_load(&m->queued)},
        {"ragd_running", "gauge", "Requests at work.",
         atomic_load(&m->running)},
        {"ragd_generating", "gauge", "Generations at work.", load.generating},
        {"ragd_generator_waiting", "gauge",
         "Questions that wait for the model.", load.waiting},
        {"ragd_cache_answers", "gauge", "Answers kept for the same question.",
         (double)load.cache.entries},
        {"ragd_cache_bytes", "gauge", "What they take.",
         (double)load.cache.bytes},
        {"ragd_cache_kept_total", "counter",
         "Questions answered from what was kept.", (double)load.cache.kept},
        {"ragd_cache_shared_total", "counter",
         "Questions answered together with one under way.",
         (double)load.cache.shared},
        {"ragd_cache_missed_total", "counter", "Questions answered anew.",
         (double)load.cache.missed},
        {"ragd_resident_bytes", "gauge", "Resident memory.",
         (double)resident()},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof of / sizeof of[0] && !rc; i++)
        rc = single(b, of[i].name, of[i].type, of[i].help, of[i].value, err);
    return rc;
}

static int print_parts(rag_pipeline *p, rag_buf *b, rag_error *err) {
    const rag_pipeline_parts *parts = rag_pipeline_uses(p);
    rag_index *ix = NULL;
    rag_index_stats s = {0};
    int rc = 0;
    if (rag_serving_borrow(parts->store, &ix, NULL) == 0) {
        rag_index_describe(ix, &s, NULL);
        rag_serving_return(parts->store, ix);
    }
    if ((rc = single(b, "ragd_index_generation", "gauge", "Index generation.",
                     (double)s.generation, err)) ||
        (rc = single(b, "ragd_index_documents", "gauge", "Documents served.",
                     (double)s.documents, err)) ||
        (rc = single(b, "ragd_index_chunks", "gauge", "Chunks served.",
                     (double)s.chunks, err)))
        return rc;
    if (!parts->generator)
        return 0;
    rag_generator_status g;
    rag_generator_describe(parts->generator, &g);
    rc = single(b, "ragd_generator_ready", "gauge",
                "1 when the generative model answers.",
                g.state == RAG_GENERATOR_READY, err);
    if (!rc)
        rc = single(b, "ragd_generator_restarts_total", "counter",
                    "Restarts of the model's process.", g.restarts, err);
    return rc;
}

int rag_metrics_print(rag_metrics *m, rag_pipeline *p, rag_buf *out,
                      rag_error *err) {
    int rc;
    if ((rc = print_requests(m, out, err)) ||
        (rc = print_histogram(m, out, err)) ||
        (rc = print_state(m, p, out, err)))
        return rc;
    return print_parts(p, out, err);
}
