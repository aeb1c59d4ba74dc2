/*
 * http.c - connections: receiving requests and writing responses.
 *
 * The only file that touches libmicrohttpd. Its functions run on the polling
 * thread of a door, except those that workers call on a job (rag_job_*).
 * Invariants:
 *   1. a suspended connection has job.paused set, under job.lock, and whoever
 *      clears it resumes the connection: none is resumed twice or forgotten;
 *   2. job.fd is the connection's descriptor until on_completed, so a worker
 *      that looks at it under the lock never sees another connection's;
 *   3. on_completed marks the job gone and cancelled; the worker finds out
 *      and lets go; the last of the two frees.
 */
#include "daemon/http_int.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_BYTES (32 * 1024) /* memory of a connection: limits headers */
#define STALL_SECONDS 30 /* neither side moves a byte for so long */
#define KEEPALIVE_MS 60000.0 /* between requests of one connection */
#define STREAM_BLOCK 4096
/* A refused upload up to this size is read and thrown away, so that its
 * sender gets to read the refusal. */
#define DISCARD_MAX (16L << 20)

/* A connection, from accept to close. */
typedef struct peer {
    struct peer *next, **at;
    int fd;
    double since_ms; /* a request should arrive from then on; 0: at work */
    double limit_ms;
    bool used; /* it has had a request */
} peer;

typedef struct door {
    struct rag_server *server;
    struct MHD_Daemon *mhd;
    bool tcp;
} door;

struct rag_server {
    rag_server_options opt;
    char *token;
    rag_queue *queue;
    door doors[RAG_LISTENERS_MAX];
    size_t ndoors;
    atomic_bool draining;
    atomic_ulong last_id;
    pthread_mutex_t lock; /* guards peers and jobs */
    pthread_cond_t over; /* a job ended */
    peer *peers;
    size_t jobs;
};

rag_pipeline *rag_job_pipeline(rag_job *j) {
    return j->server->opt.pipeline;
}

rag_metrics *rag_job_metrics(rag_job *j) {
    return j->server->opt.metrics;
}

/* ---- jobs ------------------------------------------------------------------------- */

static rag_job *job_new(rag_server *s, int fd, void *connection) {
    rag_job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->server = s;
    j->fd = fd;
    j->connection = connection;
    j->id = atomic_fetch_add(&s->last_id, 1) + 1;
    j->started_ms = rag_clock_ms();
    atomic_init(&j->refs, 1);
    pthread_mutex_init(&j->lock, NULL);
    rag_buf_init(&j->body, 0);
    rag_buf_init(&j->out, 0);
    pthread_mutex_lock(&s->lock);
    s->jobs++;
    pthread_mutex_unlock(&s->lock);
    return j;
}

void rag_job_release(rag_job *j) {
    if (atomic_fetch_sub(&j->refs, 1) > 1)
        return;
    pthread_mutex_destroy(&j->lock);
    rag_buf_free(&j->body);
    rag_buf_free(&j->out);
    free(j);
}

/* Called with j->lock held. */
static void wake(rag_job *j) {
    if (!j->paused)
        return;
    j->paused = false;
    MHD_resume_connection(j->connection);
}

void rag_job_respond(rag_job *j, int status, const char *type, const char *body,
                     size_t len) {
    pthread_mutex_lock(&j->lock);
    if (!j->status) {
        rag_buf_clear(&j->out);
        bool failed = rag_buf_append(&j->out, body, len, NULL) != 0;
        j->status = failed ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
        j->type = type;
    }
    j->finished = true;
    wake(j);
    pthread_mutex_unlock(&j->lock);
}

void rag_job_stream(rag_job *j) {
    pthread_mutex_lock(&j->lock);
    if (!j->status) {
        j->status = MHD_HTTP_OK;
        j->type = "text/event-stream; charset=utf-8";
        j->streaming = true;
        wake(j);
    }
    pthread_mutex_unlock(&j->lock);
}

int rag_job_write(rag_job *j, const char *p, size_t n) {
    pthread_mutex_lock(&j->lock);
    int rc = j->gone || !j->streaming ? RAG_E_CANCELLED
                                      : rag_buf_append(&j->out, p, n, NULL);
    wake(j);
    pthread_mutex_unlock(&j->lock);
    return rc;
}

void rag_job_finish(rag_job *j) {
    pthread_mutex_lock(&j->lock);
    j->finished = true;
    wake(j);
    pthread_mutex_unlock(&j->lock);
}

bool rag_job_cancelled(rag_job *j) {
    if (atomic_load(&j->stop))
        return true;
    pthread_mutex_lock(&j->lock);
    bool gone = j->gone;
    if (!gone && j->fd >= 0) {
        /* libmicrohttpd does not look at a suspended connection. A client
         * that only shuts its sending side down counts as gone: no HTTP
         * client does that while it waits. */
        struct pollfd p = {.fd = j->fd, .events = POLLRDHUP};
        gone =
            poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
    }
    pthread_mutex_unlock(&j->lock);
    return gone;
}

/* ---- writing responses ----------------------------------------------------------------- */

static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max) {
    rag_job *j = cls;
    (void)pos;
    ssize_t n = 0;
    pthread_mutex_lock(&j->lock);
    size_t left = j->out.len - j->sent;
    if (left) {
        n = (ssize_t)(left < max ? left : max);
        memcpy(buf, j->out.data + j->sent, (size_t)n);
        j->sent += (size_t)n;
        if (j->sent == j->out.len) {
            rag_buf_clear(&j->out);
            j->sent = 0;
        }
    } else if (j->finished) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        j->paused = true;
        MHD_suspend_connection(j->connection);
    }
    pthread_mutex_unlock(&j->lock);
    return n;
}

static void let_go(void *cls) {
    rag_job_release(cls);
}

static void add_headers(struct MHD_Response *r, const rag_job *j, int status) {
    char number[32];
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
                            j->type ? j->type : "application/json");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    snprintf(number, sizeof number, "%lu", j->id);
    MHD_add_response_header(r, "X-Request-Id", number);
    if (j->retry_after) {
        snprintf(number, sizeof number, "%d", j->retry_after);
        MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, number);
    }
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Bearer realm=\"ragd\"");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW,
                                j->endpoint == RAG_EP_STATUS ||
                                        j->endpoint == RAG_EP_HEALTH ||
                                        j->endpoint == RAG_EP_METRICS ||
                                        j->endpoint == RAG_EP_MODELS
                                    ? "GET, HEAD"
                                    : "POST");
    if (status >= 400 || atomic_load(&j->server->draining))
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* Puts the job's response on its connection. */
static enum MHD_Result answer(struct MHD_Connection *c, rag_job *j) {
    struct MHD_Response *r;
    pthread_mutex_lock(&j->lock);
    int status = j->status ? j->status : MHD_HTTP_INTERNAL_SERVER_ERROR;
    atomic_fetch_add(&j->refs, 1); /* until let_go: the response reads it */
    if (j->streaming) {
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
                                              read_stream, j, let_go);
        if (!r)
            atomic_fetch_sub(&j->refs, 1);
    } else {
        const char *body = rag_buf_str(&j->out);
        r = MHD_create_response_from_buffer_with_free_callback_cls(
            j->out.len, (void *)(uintptr_t)body, let_go, j);
    }
    if (!r)
        atomic_fetch_sub(&j->refs, 1);
    pthread_mutex_unlock(&j->lock);
    if (!r)
        return MHD_NO;
    add_headers(r, j, status);
    enum MHD_Result ok = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    int class = status / 100;
    if (class > 0 && class < 6)
        atomic_fetch_add(&j->server->opt.metrics->requests[j->endpoint][class],
                         1);
    return ok;
}

/* ---- receiving requests ------------------------------------------------------------------ */

static const struct {
    const char *path;
    rag_endpoint endpoint;
    bool post;
} PATHS[] = {
    {"/v1/ask", RAG_EP_ASK, true},
    {"/v1/search", RAG_EP_SEARCH, true},
    {"/v1/status", RAG_EP_STATUS, false},
    {"/healthz", RAG_EP_HEALTH, false},
    {"/metrics", RAG_EP_METRICS, false},
    {"/v1/chat/completions", RAG_EP_CHAT, true},
    {"/v1/embeddings", RAG_EP_EMBEDDINGS, true},
    {"/v1/models", RAG_EP_MODELS, false},
    {"/v1/feedback", RAG_EP_FEEDBACK, true},
    {"/v1/faq", RAG_EP_FAQ, true},
    {"/v1/queue", RAG_EP_QUEUE, true},
    {"/v1/audit", RAG_EP_AUDIT, true},
    {"/v1/replay", RAG_EP_REPLAY, true},
};

bool rag_server_token_equal(const char *a, const char *b) {
    rag_sha256 x, y;
    unsigned char differ = 0;
    rag_hash_sha256(a, strlen(a), &x);
    rag_hash_sha256(b, strlen(b), &y);
    for (size_t i = 0; i < RAG_SHA256_LEN; i++)
        differ |= x.d[i] ^ y.d[i];
    return differ == 0;
}

static bool allowed(const door *d, struct MHD_Connection *c,
                    rag_endpoint endpoint) {
    if (!d->tcp || endpoint == RAG_EP_HEALTH)
        return true;
    const char *h = MHD_lookup_connection_value(c, MHD_HEADER_KIND,
                                                MHD_HTTP_HEADER_AUTHORIZATION);
    return h && d->server->token && strncasecmp(h, "Bearer ", 7) == 0 &&
           rag_server_token_equal(h + 7, d->server->token);
}

/* Who may ask over the network may not therefore change what is answered or
 * read what others asked. */
static bool desk_allowed(const door *d, rag_endpoint endpoint) {
    if (!d->tcp || endpoint < RAG_EP_FAQ || endpoint == RAG_EP_NONE)
        return true;
    rag_config *c = rag_pipeline_config(d->server->opt.pipeline);
    bool yes = c->desk_tcp;
    rag_config_unref(c);
    return yes;
}

static const char *header(struct MHD_Connection *c, const char *name) {
    const char *v = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
    return v ? v : "";
}

static size_t body_limit(rag_server *s) {
    rag_config *c = rag_pipeline_config(s->opt.pipeline);
    size_t n = (size_t)c->body_bytes;
    rag_config_unref(c);
    return n;
}

/* Who asks, as far as the door tells: the holder of the token, or a user of
 * this machine. */
static void name_principal(const door *d, rag_job *j) {
    struct ucred u;
    socklen_t len = sizeof u;
    if (d->tcp)
        snprintf(j->principal, sizeof j->principal, "token");
    else if (getsockopt(j->fd, SOL_SOCKET, SO_PEERCRED, &u, &len) == 0)
        snprintf(j->principal, sizeof j->principal, "uid %ld", (long)u.uid);
}

/* What can be said before the body: path, method, token, length. */
static void look_at_head(door *d, struct MHD_Connection *c, rag_job *j,
                         const char *url, const char *method) {
    bool post = false;
    j->endpoint = RAG_EP_NONE;
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++)
        if (strcmp(PATHS[i].path, url) == 0) {
            j->endpoint = PATHS[i].endpoint;
            post = PATHS[i].post;
        }
    long length = 0;
    const char *said = header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t limit = body_limit(d->server);
    rag_buf_init(&j->body, limit);
    if (*said && rag_str_to_long(said, 0, 1L << 40, &length, NULL))
        length = 1L << 40;
    j->stream =
        strstr(header(c, MHD_HTTP_HEADER_ACCEPT), "text/event-stream") != NULL;
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!allowed(d, c, j->endpoint))
        rag_job_error_as(j, MHD_HTTP_UNAUTHORIZED, "unauthorized",
                         "the bearer token is missing or wrong");
    else if (!desk_allowed(d, j->endpoint))
        rag_job_error_as(j, MHD_HTTP_FORBIDDEN, "permission",
                         "the desk is not served over TCP (setting desk.tcp)");
    else if (j->endpoint == RAG_EP_NONE)
        rag_job_error_as(j, MHD_HTTP_NOT_FOUND, "not_found",
                         "there is no such path");
    else if (post ? strcmp(method, "POST") != 0 : !get)
        rag_job_error_as(j, MHD_HTTP_METHOD_NOT_ALLOWED, "method",
                         post ? "this path wants POST" : "this path wants GET");
    else if ((size_t)length > limit) {
        j->too_large = length > DISCARD_MAX;
        rag_job_error_as(j, MHD_HTTP_CONTENT_TOO_LARGE, "limit",
                         "the request's body is too large");
    } else if (atomic_load(&d->server->draining))
        rag_job_error_as(j, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping",
                         "the daemon is stopping");
}

static peer *peer_of(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

static void expect(rag_server *s, peer *l, double since, double limit) {
    if (!l)
        return;
    pthread_mutex_lock(&s->lock);
    l->since_ms = since;
    l->limit_ms = limit;
    pthread_mutex_unlock(&s->lock);
}

static double receive_limit(rag_server *s) {
    rag_config *c = rag_pipeline_config(s->opt.pipeline);
    double ms = (double)c->receive_ms;
    rag_config_unref(c);
    return ms;
}

/* The request is whole: to the queue, or refused at once. */
static enum MHD_Result hand_over(rag_server *s, struct MHD_Connection *c,
                                 rag_job *j) {
    pthread_mutex_lock(&j->lock);
    bool taken = false;
    if (!j->status) {
        atomic_fetch_add(&j->refs, 1); /* the worker's */
        taken = rag_queue_push(s->queue, j);
        if (taken) {
            j->paused = true;
            MHD_suspend_connection(c);
        } else {
            atomic_fetch_sub(&j->refs, 1);
        }
    }
    pthread_mutex_unlock(&j->lock);
    if (taken)
        return MHD_YES;
    if (!j->status) {
        atomic_fetch_add(&s->opt.metrics->rejected, 1);
        rag_job_error_as(j, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                         "too many requests wait: try again shortly");
    }
    return answer(c, j);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *size, void **state) {
    door *d = cls;
    rag_server *s = d->server;
    rag_job *j = *state;
    (void)version;
    if (!j) {
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        j = *state = job_new(s, i ? i->connect_fd : -1, c);
        if (!j)
            return MHD_NO;
        peer *l = peer_of(c);
        if (l && l->used)
            expect(s, l, rag_clock_ms(), receive_limit(s));
        if (l)
            l->used = true;
        name_principal(d, j);
        look_at_head(d, c, j, url, method);
        bool waits = *header(c, MHD_HTTP_HEADER_EXPECT) != '\0';
        return j->status && (waits || j->too_large) ? answer(c, j) : MHD_YES;
    }
    if (*size) {
        rag_error err = {0};
        if (!j->status && rag_buf_append(&j->body, data, *size, &err)) {
            rag_buf_free(&j->body);
            rag_job_error_as(j, MHD_HTTP_CONTENT_TOO_LARGE, "limit",
                             "the request's body is too large");
        }
        j->received += *size;
        *size = 0;
        /* Nobody sends that much by mistake. */
        return j->received > (size_t)DISCARD_MAX + j->body.max ? MHD_NO
                                                               : MHD_YES;
    }
    expect(s, peer_of(c), 0, 0);
    if (j->status)
        return answer(c, j);
    return hand_over(s, c, j);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode how) {
    door *d = cls;
    rag_server *s = d->server;
    rag_job *j = *state;
    if (!j)
        return;
    *state = NULL;
    pthread_mutex_lock(&j->lock);
    j->gone = true;
    j->fd = -1;
    j->paused = false;
    pthread_mutex_unlock(&j->lock);
    (void)how;
    rag_log(RAG_LOG_DEBUG, "http.request",
            RAG_S("endpoint", rag_endpoint_name(j->endpoint)),
            RAG_I("id", j->id), RAG_I("status", j->status),
            RAG_D("ms", rag_clock_ms() - j->started_ms));
    rag_job_release(j);
    expect(s, peer_of(c), rag_clock_ms(), KEEPALIVE_MS);
    pthread_mutex_lock(&s->lock);
    s->jobs--;
    pthread_cond_broadcast(&s->over);
    pthread_mutex_unlock(&s->lock);
}

static void on_connection(void *cls, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what) {
    door *d = cls;
    rag_server *s = d->server;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        peer *l = calloc(1, sizeof *l);
        atomic_fetch_add(&s->opt.metrics->connections, 1);
        *context = l;
        if (!l)
            return;
        l->fd = i ? i->connect_fd : -1;
        l->since_ms = rag_clock_ms();
        l->limit_ms = receive_limit(s);
        pthread_mutex_lock(&s->lock);
        l->next = s->peers;
        l->at = &s->peers;
        if (l->next)
            l->next->at = &l->next;
        s->peers = l;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    atomic_fetch_sub(&s->opt.metrics->connections, 1);
    peer *l = *context;
    *context = NULL;
    if (!l)
        return;
    pthread_mutex_lock(&s->lock);
    *l->at = l->next;
    if (l->next)
        l->next->at = l->at;
    pthread_mutex_unlock(&s->lock);
    free(l);
}

void rag_server_tick(rag_server *s) {
    double now = rag_clock_ms();
    pthread_mutex_lock(&s->lock);
    for (peer *l = s->peers; l; l = l->next)
        if (l->since_ms > 0 && l->fd >= 0 && now - l->since_ms > l->limit_ms) {
            shutdown(l->fd, SHUT_RDWR);
            l->since_ms = 0;
        }
    pthread_mutex_unlock(&s->lock);
}

/* ---- the server ---------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void on_log(void *cls,
                                                         const char *fmt,
                                                         va_list ap) {
    char line[512];
    (void)cls;
    vsnprintf(line, sizeof line, fmt, ap);
    line[strcspn(line, "\n")] = '\0';
    rag_log(RAG_LOG_DEBUG, "http.library", RAG_S("says", line));
}

static int open_door(rag_server *s, rag_listener *l, rag_error *err) {
    door *d = &s->doors[s->ndoors];
    d->server = s;
    d->tcp = l->tcp;
    d->mhd = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, d, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)l->fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->opt.connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)STALL_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, d,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, d, MHD_OPTION_END);
    if (!d->mhd)
        return rag_error_set(err, RAG_E_INTERNAL, "%s: cannot serve", l->name);
    l->fd = -1;
    s->ndoors++;
    return 0;
}

int rag_server_open(const rag_server_options *opt, rag_listeners *listeners,
                    rag_server **out, rag_error *err) {
    *out = NULL;
    rag_server *s = calloc(1, sizeof *s);
    if (!s)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the server");
    s->opt = *opt;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->over, &attr);
    pthread_condattr_destroy(&attr);
    int rc = rag_str_dup(opt->token, &s->token, err);
    if (!rc)
        rc = rag_queue_open(opt->workers, opt->queue, opt->metrics, &s->queue,
                            err);
    for (size_t i = 0; i < listeners->n && !rc; i++)
        rc = open_door(s, &listeners->of[i], err);
    if (rc) {
        rag_server_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

static bool wait_jobs(rag_server *s, double until_ms) {
    for (;;) {
        pthread_mutex_lock(&s->lock);
        bool none = s->jobs == 0;
        pthread_mutex_unlock(&s->lock);
        if (none || rag_clock_ms() >= until_ms)
            return none;
        rag_clock_sleep_ms(5);
        rag_server_tick(s);
    }
}

bool rag_server_drain(rag_server *s, double limit_ms) {
    double until = rag_clock_ms() + limit_ms;
    if (atomic_exchange(&s->draining, true))
        return true;
    /* Closed at once, or the kernel would go on accepting for us. */
    for (size_t i = 0; i < s->ndoors; i++) {
        int fd = MHD_quiesce_daemon(s->doors[i].mhd);
        if (fd >= 0)
            close(fd);
    }
    if (wait_jobs(s, until))
        return true;
    rag_queue_stop(s->queue);
    rag_queue_cancel(s->queue);
    rag_queue_idle(s->queue, 5000);
    wait_jobs(s, rag_clock_ms() + 1000);
    return false;
}

void rag_server_close(rag_server *s) {
    if (!s)
        return;
    rag_server_drain(s, 0);
    rag_queue_close(s->queue);
    for (size_t i = 0; i < s->ndoors; i++)
        MHD_stop_daemon(s->doors[i].mhd);
    pthread_cond_destroy(&s->over);
    pthread_mutex_destroy(&s->lock);
    free(s->token);
    free(s);
}
