/*
 * http.c - HTTP client on libcurl's multi interface; see http.h.
 *
 * One transfer at a time runs in a loop of ours: curl moves the bytes, we
 * look at the clock and at the caller's cancel function between its steps.
 * The multi handle keeps the connection for the next request. Used by
 * generate/ and client/, each client by one thread at a time.
 *
 *   rag_http_do -> transfer_prepare -> transfer_run -> transfer_result
 *
 * Every end of a transfer other than a response is told by `stop` where it
 * was ours (cancelled, too slow, too large), else by curl's code.
 */
#include "base/http.h"
#include "base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECT_TIMEOUT_MS 2000L
#define IDLE_TIMEOUT_MS 30000L
#define BODY_MAX ((size_t)64 << 20)
/* Bytes of all header lines of a response together. */
#define HEADERS_MAX ((size_t)256 << 10)
/* What a response of status >= 400 may say when its body is streamed. */
#define ERROR_BODY_MAX ((size_t)1 << 20)
#define CANCEL_POLL_MS 25
#define POLL_MAX_MS 1000

struct rag_http {
    CURLM *multi;
    CURL *easy;
    char *unix_socket; /* NULL: TCP */
};

typedef enum stop {
    STOP_NONE,
    STOP_CANCELLED,
    STOP_IDLE,
    STOP_TOTAL,
    STOP_BODY_LIMIT,
    STOP_HEADER_LIMIT,
    STOP_NOMEM
} stop;

typedef struct transfer {
    rag_http *h;
    const rag_http_request *req;
    rag_http_response *res;
    struct curl_slist *headers;
    char peer[192]; /* whom we talk to, for messages */
    char why[CURL_ERROR_SIZE];
    long idle_ms, total_ms, connect_ms;
    size_t max_body, got, got_headers;
    curl_off_t sent;
    double started_ms, last_ms; /* of the last byte either way */
    stop stop;
} transfer;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;

static void curl_start(void) {
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int rag_http_global_init(rag_error *err) {
    pthread_once(&curl_once, curl_start);
    if (curl_started != CURLE_OK)
        return rag_error_set(err, RAG_E_INTERNAL, "libcurl cannot start: %s",
                             curl_easy_strerror(curl_started));
    return 0;
}

int rag_http_open(const char *unix_socket, rag_http **out, rag_error *err) {
    struct sockaddr_un un;
    *out = NULL;
    int rc = rag_http_global_init(err);
    if (rc)
        return rc;
    if (unix_socket &&
        (!*unix_socket || strlen(unix_socket) >= sizeof un.sun_path))
        return rag_error_set(err, RAG_E_USAGE,
                             "the path of a socket must have 1 to %zu bytes, "
                             "not %zu",
                             sizeof un.sun_path - 1, strlen(unix_socket));
    rag_http *h = calloc(1, sizeof *h);
    if (!h)
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory for an HTTP client");
    rc = rag_str_dup(unix_socket, &h->unix_socket, err);
    if (rc)
        goto out;
    h->multi = curl_multi_init();
    h->easy = curl_easy_init();
    if (!h->multi || !h->easy) {
        rc =
            rag_error_set(err, RAG_E_NOMEM, "out of memory for an HTTP client");
        goto out;
    }
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 1L);
    *out = h;
    h = NULL;
out:
    rag_http_close(h);
    return rc;
}

void rag_http_close(rag_http *h) {
    if (!h)
        return;
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    free(h->unix_socket);
    free(h);
}

void rag_http_response_free(rag_http_response *res) {
    if (res)
        rag_buf_free(&res->body);
}

/* ---- what curl calls ----------------------------------------------------*/

static size_t on_header(char *p, size_t size, size_t n, void *user) {
    transfer *t = user;
    (void)p;
    t->last_ms = rag_clock_ms();
    t->got_headers += size * n;
    if (t->got_headers > HEADERS_MAX) {
        t->stop = STOP_HEADER_LIMIT;
        return 0;
    }
    return size * n;
}

static size_t on_data(char *p, size_t size, size_t n, void *user) {
    transfer *t = user;
    long status = 0;
    n *= size;
    if (n == 0)
        return 0;
    t->last_ms = rag_clock_ms();
    if (n > t->max_body - t->got) {
        t->stop = STOP_BODY_LIMIT;
        return 0;
    }
    t->got += n;
    curl_easy_getinfo(t->h->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->req->on_body && status < 400) {
        if (t->req->on_body(t->req->user, p, n) != 0) {
            t->stop = STOP_CANCELLED;
            return 0;
        }
        t->last_ms = rag_clock_ms(); /* its time is not the server's */
        return n;
    }
    int rc = rag_buf_append(&t->res->body, p, n, NULL);
    if (rc) {
        t->stop = rc == RAG_E_NOMEM ? STOP_NOMEM : STOP_BODY_LIMIT;
        return 0;
    }
    return n;
}

/* curl's own sockets would be inherited by a child the daemon starts. */
static curl_socket_t on_socket(void *user, curlsocktype purpose,
                               struct curl_sockaddr *a) {
    (void)user;
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Sending a large body slowly is no idling. */
static int on_progress(void *user, curl_off_t dltotal, curl_off_t dlnow,
                       curl_off_t ultotal, curl_off_t ulnow) {
    transfer *t = user;
    (void)dltotal;
    (void)dlnow;
    (void)ultotal;
    if (ulnow != t->sent) {
        t->sent = ulnow;
        t->last_ms = rag_clock_ms();
    }
    return 0;
}

/* ---- preparing ----------------------------------------------------------*/

/* A value that could smuggle a header line, or an invisible byte. */
static bool has_control(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return true;
    return false;
}

static int add_header(transfer *t, const char *name, const char *value,
                      rag_error *err) {
    rag_buf line;
    rag_buf_init(&line, HEADERS_MAX);
    int rc = 0;
    if (has_control(value))
        rc = rag_error_set(err, RAG_E_USAGE,
                           "a request header%s%s has a control character",
                           *name ? ": " : "", name);
    if (rc == 0)
        rc = rag_buf_printf(&line, err, "%s%s%s", name, *name ? ": " : "",
                            value);
    if (rc == 0) {
        struct curl_slist *l = curl_slist_append(t->headers, line.data);
        if (l)
            t->headers = l;
        else
            rc = rag_error_set(err, RAG_E_NOMEM, "out of memory for a request");
    }
    rag_buf_free(&line);
    return rc;
}

static int add_headers(transfer *t, rag_error *err) {
    const rag_http_request *req = t->req;
    int rc = 0;
    if (req->body)
        rc = add_header(
            t, "Content-Type",
            req->content_type ? req->content_type : "application/json", err);
    /* Or curl waits a second for "100 Continue" before a large body. */
    if (rc == 0)
        rc = add_header(t, "", "Expect:", err);
    if (rc == 0 && req->bearer) {
        rag_buf value;
        rag_buf_init(&value, HEADERS_MAX);
        rc = rag_buf_printf(&value, err, "Bearer %s", req->bearer);
        if (rc == 0)
            rc = add_header(t, "Authorization", value.data, err);
        rag_buf_free(&value);
    }
    for (size_t i = 0; rc == 0 && req->headers && req->headers[i]; i++)
        rc = add_header(t, "", req->headers[i], err);
    return rc;
}

/* Host and port of the URL: what a message may show of it (a path or a user
 * part may be secret). */
static void name_peer(transfer *t) {
    char *host = NULL, *port = NULL;
    if (t->h->unix_socket) {
        snprintf(t->peer, sizeof t->peer, "the socket %s", t->h->unix_socket);
        return;
    }
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, t->req->url, 0) == CURLUE_OK) {
        curl_url_get(u, CURLUPART_HOST, &host, 0);
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    }
    if (host)
        snprintf(t->peer, sizeof t->peer, "%s%s%s", host, port ? ":" : "",
                 port ? port : "");
    else
        snprintf(t->peer, sizeof t->peer, "the server");
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

static bool valid_method(const char *m) {
    size_t n = 0;
    for (; m && m[n]; n++)
        if (m[n] < 'A' || m[n] > 'Z' || n > 15)
            return false;
    return n > 0;
}

static CURLcode set_method(transfer *t) {
    CURL *c = t->h->easy;
    const rag_http_request *req = t->req;
    CURLcode rc = CURLE_OK;
    if (strcmp(req->method, "HEAD") == 0)
        return curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    if (req->body || strcmp(req->method, "POST") == 0) {
        rc = curl_easy_setopt(c, CURLOPT_POST, 1L);
        if (rc == CURLE_OK)
            rc = curl_easy_setopt(c, CURLOPT_POSTFIELDS,
                                  req->body ? req->body : "");
        if (rc == CURLE_OK)
            rc = curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
                                  (curl_off_t)(req->body ? req->body_len : 0));
    }
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
    return rc;
}

static CURLcode set_options(transfer *t) {
    CURL *c = t->h->easy;
    CURLcode rc = CURLE_OK;
#define SET(option, value)                                                     \
    do {                                                                       \
        if (rc == CURLE_OK)                                                    \
            rc = curl_easy_setopt(c, option, value);                           \
    } while (0)
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_URL, t->req->url);
    SET(CURLOPT_UNIX_SOCKET_PATH, t->h->unix_socket);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, ""); /* "": not even the environment's */
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* no waiting for a resolver on cancel */
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_CONNECTTIMEOUT_MS, t->connect_ms);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_data);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, t);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_ERRORBUFFER, t->why);
#undef SET
    return rc == CURLE_OK ? set_method(t) : rc;
}

static long or_default(long v, long def) {
    return v > 0 ? v : def;
}

static int transfer_prepare(transfer *t, rag_error *err) {
    const rag_http_request *req = t->req;
    if (!valid_method(req->method) || !req->url)
        return rag_error_set(err, RAG_E_USAGE,
                             "an HTTP request needs a method and a URL");
    t->idle_ms = or_default(req->idle_timeout_ms, IDLE_TIMEOUT_MS);
    t->total_ms = or_default(req->total_timeout_ms, 0);
    t->connect_ms = or_default(req->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    t->max_body = req->max_body ? req->max_body : BODY_MAX;
    size_t keep = t->max_body;
    if (req->on_body && keep > ERROR_BODY_MAX)
        keep = ERROR_BODY_MAX;
    rag_buf_init(&t->res->body, keep);
    name_peer(t);
    int rc = add_headers(t, err);
    if (rc)
        return rc;
    curl_easy_reset(t->h->easy); /* options only: the connection stays */
    CURLcode c = set_options(t);
    if (c == CURLE_OUT_OF_MEMORY)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory for a request");
    if (c != CURLE_OK)
        return rag_error_set(err, RAG_E_INTERNAL,
                             "an HTTP request could not be set up: %s",
                             curl_easy_strerror(c));
    return 0;
}

/* ---- running ------------------------------------------------------------*/

/* Looks at cancel function and clocks; *wait_ms is how long curl may sleep
 * before they must be looked at again. */
static bool must_stop(transfer *t, int *wait_ms) {
    double now = rag_clock_ms(), left = POLL_MAX_MS;
    if (t->req->cancelled) {
        if (t->req->cancelled(t->req->user) != 0) {
            t->stop = STOP_CANCELLED;
            return true;
        }
        left = CANCEL_POLL_MS;
    }
    double idle_left = (double)t->idle_ms - (now - t->last_ms);
    if (idle_left <= 0) {
        t->stop = STOP_IDLE;
        return true;
    }
    if (idle_left < left)
        left = idle_left;
    if (t->total_ms > 0) {
        double total_left = (double)t->total_ms - (now - t->started_ms);
        if (total_left <= 0) {
            t->stop = STOP_TOTAL;
            return true;
        }
        if (total_left < left)
            left = total_left;
    }
    *wait_ms = (int)left + 1;
    return false;
}

/* Drives the transfer; *done is curl's verdict when it came to its end. */
static CURLMcode transfer_run(transfer *t, CURLcode *done) {
    CURLM *m = t->h->multi;
    for (;;) {
        int running = 0, left, wait_ms;
        CURLMcode mc = curl_multi_perform(m, &running);
        if (mc != CURLM_OK)
            return mc;
        const CURLMsg *msg;
        while ((msg = curl_multi_info_read(m, &left)) != NULL)
            if (msg->msg == CURLMSG_DONE) {
                *done = msg->data.result;
                return CURLM_OK;
            }
        /* A body that is complete is never called cancelled or late. */
        if (t->stop != STOP_NONE || must_stop(t, &wait_ms))
            return CURLM_OK;
        mc = curl_multi_poll(m, NULL, 0, wait_ms, NULL);
        if (mc != CURLM_OK)
            return mc;
    }
}

/* ---- what came of it ----------------------------------------------------*/

static int stop_error(const transfer *t, rag_error *err) {
    switch (t->stop) {
    case STOP_CANCELLED:
        return rag_error_set(err, RAG_E_CANCELLED, "the request was cancelled");
    case STOP_IDLE:
        return rag_error_set(err, RAG_E_TIMEOUT,
                             "%s has sent nothing for %ld ms", t->peer,
                             t->idle_ms);
    case STOP_TOTAL:
        return rag_error_set(err, RAG_E_TIMEOUT,
                             "%s has not finished its answer within %ld ms",
                             t->peer, t->total_ms);
    case STOP_BODY_LIMIT:
        return rag_error_set(
            err, RAG_E_LIMIT, "the answer of %s is over the limit of %zu bytes",
            t->peer,
            t->req->on_body && t->got <= t->max_body && t->res->body.len > 0
                ? t->res->body.max
                : t->max_body);
    case STOP_HEADER_LIMIT:
        return rag_error_set(err, RAG_E_LIMIT,
                             "the headers of %s are over the limit of %zu "
                             "bytes",
                             t->peer, HEADERS_MAX);
    case STOP_NOMEM:
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory for the answer of %s", t->peer);
    case STOP_NONE:
        break;
    }
    return rag_error_set(err, RAG_E_INTERNAL, "a request ended for no reason");
}

static int connect_error(const transfer *t, rag_error *err) {
    long e = 0;
    curl_easy_getinfo(t->h->easy, CURLINFO_OS_ERRNO, &e);
    if (e != 0)
        return rag_error_errno(err, RAG_E_UNAVAILABLE, (int)e,
                               "cannot connect to %s", t->peer);
    return rag_error_set(err, RAG_E_UNAVAILABLE, "cannot connect to %s: %s",
                         t->peer, t->why);
}

static int curl_error(const transfer *t, CURLcode code, rag_error *err) {
    const char *why = t->why[0] ? t->why : curl_easy_strerror(code);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return connect_error(t, err);
    case CURLE_OPERATION_TIMEDOUT: /* only the connecting is timed by curl */
        return rag_error_set(err, RAG_E_TIMEOUT,
                             "cannot connect to %s within %ld ms", t->peer,
                             t->connect_ms);
    case CURLE_COULDNT_RESOLVE_HOST:
        return rag_error_set(err, RAG_E_UNAVAILABLE, "cannot find the host %s",
                             t->peer);
    case CURLE_GOT_NOTHING:
        return rag_error_set(err, RAG_E_UNAVAILABLE,
                             "%s closed the connection without an answer",
                             t->peer);
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return rag_error_set(err, RAG_E_UNAVAILABLE,
                             "the connection to %s was lost in the middle of "
                             "an answer",
                             t->peer);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        if (code == CURLE_UNSUPPORTED_PROTOCOL && t->got_headers == 0 &&
            !rag_str_starts(t->req->url, "http"))
            return rag_error_set(err, RAG_E_USAGE,
                                 "only http:// and https:// are spoken");
        return rag_error_set(err, RAG_E_UNAVAILABLE,
                             "%s does not answer in HTTP: %s", t->peer, why);
    case CURLE_URL_MALFORMAT:
        return rag_error_set(err, RAG_E_USAGE, "bad URL: %s", why);
    case CURLE_OUT_OF_MEMORY:
        return rag_error_set(err, RAG_E_NOMEM, "out of memory talking to %s",
                             t->peer);
    default:
        return rag_error_set(err, RAG_E_UNAVAILABLE,
                             "the request to %s failed: %s", t->peer, why);
    }
}

static void read_head(transfer *t) {
    CURL *c = t->h->easy;
    rag_http_response *res = t->res;
    const char *type = NULL;
    struct curl_header *found;
    curl_off_t seconds = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &res->status);
    curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    snprintf(res->content_type, sizeof res->content_type, "%s",
             type ? type : "");
    /* curl says 0 when there is no such header. */
    if (curl_easy_header(c, "Retry-After", 0, CURLH_HEADER, -1, &found) ==
            CURLHE_OK &&
        curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK &&
        seconds >= 0)
        res->retry_after = seconds < 86400 * 365 ? (long)seconds : 86400L * 365;
}

int rag_http_do(rag_http *h, const rag_http_request *req,
                rag_http_response *res, rag_error *err) {
    transfer t = {.h = h, .req = req, .res = res};
    CURLcode done = CURLE_OK;
    bool added = false;
    *res = (rag_http_response){.retry_after = -1};
    int rc = transfer_prepare(&t, err);
    if (rc)
        goto out;
    t.started_ms = t.last_ms = rag_clock_ms();
    CURLMcode mc = curl_multi_add_handle(h->multi, h->easy);
    added = mc == CURLM_OK;
    if (added)
        mc = transfer_run(&t, &done);
    if (mc != CURLM_OK) {
        rc = rag_error_set(
            err, mc == CURLM_OUT_OF_MEMORY ? RAG_E_NOMEM : RAG_E_INTERNAL,
            "talking to %s failed: %s", t.peer, curl_multi_strerror(mc));
        goto out;
    }
    read_head(&t);
    if (t.stop != STOP_NONE)
        rc = stop_error(&t, err);
    else if (done != CURLE_OK)
        rc = curl_error(&t, done, err);
out:
    /* Closes the connection when the answer was not read to its end: that is
     * how the server learns that nobody waits. */
    if (added)
        curl_multi_remove_handle(h->multi, h->easy);
    curl_easy_reset(h->easy); /* nothing in it may point at t */
    curl_slist_free_all(t.headers);
    return rc;
}
