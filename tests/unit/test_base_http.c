/*
 * Promises: bodies stream as they come and stop when the caller says so; a
 * silent, slow, endless, broken or absent server ends a request with the
 * right code and plain words, at the server's end too; connections are kept,
 * and found dead ones replaced; nothing but HTTP is spoken and no redirect
 * followed; a header cannot be smuggled in.
 *
 * The server is a thread of this program that answers by path, one
 * connection at a time.
 */
#include "base/http.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST_MAX (512 * 1024)

typedef struct server {
    char folder[128], path[160];
    int listener, stop[2];
    int port; /* 0: Unix socket */
    pthread_t thread;
    atomic_int connections, requests, left_early;
    char *request; /* the last one, head and body */
} server;

static bool send_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool send_str(int fd, const char *s) {
    return send_all(fd, s, strlen(s));
}

/* False when the server is to stop or the client has gone; waits for one
 * of them, ms at most (-1: for ever). */
static bool pause_ms(server *s, int fd, int ms) {
    struct pollfd p[2] = {{fd, POLLIN | POLLRDHUP, 0}, {s->stop[0], POLLIN, 0}};
    if (poll(p, 2, ms) == 0)
        return true;
    if (p[0].revents)
        s->left_early++;
    return false;
}

/* Reads one request; its bytes, 0 at the connection's end. */
static size_t read_request(server *s, int fd) {
    size_t n = 0, need = 0;
    for (;;) {
        struct pollfd p[2] = {{fd, POLLIN, 0}, {s->stop[0], POLLIN, 0}};
        if (poll(p, 2, -1) <= 0 || p[1].revents || n >= REQUEST_MAX - 1)
            return 0;
        ssize_t k = recv(fd, s->request + n, REQUEST_MAX - 1 - n, 0);
        if (k <= 0)
            return 0;
        n += (size_t)k;
        s->request[n] = '\0';
        char *end = strstr(s->request, "\r\n\r\n");
        if (!end)
            continue;
        if (!need) {
            const char *len = strstr(s->request, "Content-Length: ");
            need = (size_t)(end + 4 - s->request) +
                   (len && len < end ? strtoul(len + 16, NULL, 10) : 0);
        }
        if (n >= need)
            return n;
    }
}

static bool send_chunk(int fd, const char *p, size_t n) {
    char size[24];
    snprintf(size, sizeof size, "%zx\r\n", n);
    return send_str(fd, size) && send_all(fd, p, n) && send_str(fd, "\r\n");
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* Answers s->request; false closes the connection. */
static bool answer(server *s, int fd, size_t n) {
    char path[64] = "", head[128];
    sscanf(s->request, "%*s %63s", path);
    if (strcmp(path, "/echo") == 0) {
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 n);
        return send_str(fd, head) && send_all(fd, s->request, n);
    }
    if (strcmp(path, "/echo-close") == 0) {
        send_str(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        return false;
    }
    if (strcmp(path, "/stream") == 0) {
        send_str(fd, CHUNKED);
        for (int i = 0; i < 5; i++) {
            snprintf(head, sizeof head, "data: %d\n\n", i);
            if (!send_chunk(fd, head, strlen(head)) || !pause_ms(s, fd, 5))
                return false;
        }
        return send_chunk(fd, "", 0);
    }
    if (strcmp(path, "/silent") == 0)
        return pause_ms(s, fd, -1);
    if (strcmp(path, "/stuck") == 0) {
        send_str(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return pause_ms(s, fd, -1);
    }
    if (strcmp(path, "/drip") == 0) {
        send_str(fd, CHUNKED);
        while (send_chunk(fd, "x", 1) && pause_ms(s, fd, 10))
            ;
        return false;
    }
    if (strcmp(path, "/endless") == 0) {
        char block[4096];
        memset(block, 'x', sizeof block);
        send_str(fd, CHUNKED);
        while (send_chunk(fd, block, sizeof block))
            ;
        s->left_early++;
        return false;
    }
    if (strcmp(path, "/headers") == 0) {
        send_str(fd, "HTTP/1.1 200 OK\r\n");
        while (send_str(fd, "X-Header: 0123456789012345678901234567890\r\n"))
            ;
        s->left_early++;
        return false;
    }
    if (strcmp(path, "/lost") == 0) {
        send_str(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return false;
    }
    if (strcmp(path, "/lost-chunk") == 0) {
        send_str(fd, CHUNKED);
        send_chunk(fd, "half", 4);
        return false;
    }
    if (strcmp(path, "/busy") == 0)
        return send_str(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n"
                            "Content-Type: application/json\r\n"
                            "Content-Length: 9\r\n\r\n{\"e\":\"b\"}");
    if (strcmp(path, "/now") == 0)
        return send_str(fd, "HTTP/1.1 429 Slow\r\nRetry-After: 0\r\n"
                            "Content-Length: 0\r\n\r\n");
    if (strcmp(path, "/moved") == 0)
        return send_str(fd, "HTTP/1.1 302 Found\r\nLocation: /echo\r\n"
                            "Content-Length: 0\r\n\r\n");
    if (strcmp(path, "/garbage") == 0)
        send_str(fd, "SSH-2.0-what are you saying\r\n\r\n");
    return false; /* "/nothing" */
}

static void *serve(void *arg) {
    server *s = arg;
    for (;;) {
        struct pollfd p[2] = {{s->listener, POLLIN, 0},
                              {s->stop[0], POLLIN, 0}};
        if (poll(p, 2, -1) <= 0 || p[1].revents)
            return NULL;
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        s->connections++;
        size_t n;
        while ((n = read_request(s, fd)) > 0) {
            s->requests++;
            if (!answer(s, fd, n))
                break;
        }
        close(fd);
    }
}

static int start(void **state, bool tcp) {
    server *s = calloc(1, sizeof *s);
    const char *tmp = getenv("TMPDIR");
    assert_non_null(s);
    s->request = malloc(REQUEST_MAX);
    assert_non_null(s->request);
    snprintf(s->folder, sizeof s->folder, "%s/http-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof s->path, "%s/s.sock", s->folder);
    if (tcp) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        socklen_t len = sizeof in;
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        s->listener = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(s->listener, (struct sockaddr *)&in, len), 0);
        getsockname(s->listener, (struct sockaddr *)&in, &len);
        s->port = ntohs(in.sin_port);
    } else {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        assert_true(strlen(s->path) < sizeof un.sun_path);
        memcpy(un.sun_path, s->path, strlen(s->path) + 1);
        s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(s->listener, (struct sockaddr *)&un, sizeof un),
                         0);
    }
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(pipe(s->stop), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    *state = s;
    return 0;
}

static int setup(void **state) {
    return start(state, false);
}

static int setup_tcp(void **state) {
    return start(state, true);
}

static int teardown(void **state) {
    server *s = *state;
    assert_int_equal(write(s->stop[1], "x", 1), 1);
    pthread_join(s->thread, NULL);
    close(s->listener);
    close(s->stop[0]);
    close(s->stop[1]);
    unlink(s->path);
    rmdir(s->folder);
    free(s->request);
    free(s);
    return 0;
}

static rag_http *client_of(server *s) {
    rag_http *h;
    rag_error err;
    assert_int_equal(rag_http_open(s->port ? NULL : s->path, &h, &err), 0);
    return h;
}

/* One request, with the response left to the caller. */
static int get(rag_http *h, const char *path, rag_http_request req,
               rag_http_response *res, rag_error *err) {
    char url[128];
    snprintf(url, sizeof url, "http://localhost%s", path);
    if (!req.url)
        req.url = url;
    if (!req.method)
        req.method = "GET";
    rag_error_clear(err);
    return rag_http_do(h, &req, res, err);
}

static void test_request_arrives_as_given(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    const char *more[] = {"X-One: 1", "X-Two: two words", NULL};
    rag_http_request req = {.method = "POST",
                            .body = "{\"q\":\"통장\"}",
                            .body_len = strlen("{\"q\":\"통장\"}"),
                            .bearer = "s3cret",
                            .headers = more};
    assert_int_equal(get(h, "/echo", req, &res, &err), 0);
    assert_int_equal(res.status, 200);
    assert_string_equal(res.content_type, "text/plain");
    assert_int_equal(res.retry_after, -1);
    const char *b = rag_buf_str(&res.body);
    assert_true(rag_str_starts(b, "POST /echo HTTP/1.1\r\n"));
    assert_non_null(strstr(b, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(b, "\r\nAuthorization: Bearer s3cret\r\n"));
    assert_non_null(strstr(b, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(b, "\r\nX-Two: two words\r\n"));
    assert_null(strstr(b, "Expect:"));
    assert_true(rag_str_ends(b, "\r\n\r\n{\"q\":\"통장\"}"));
    rag_http_response_free(&res);

    rag_http_request del = {.method = "DELETE"};
    assert_int_equal(get(h, "/echo", del, &res, &err), 0);
    assert_true(rag_str_starts(rag_buf_str(&res.body), "DELETE /echo "));
    rag_http_response_free(&res);
    rag_http_request empty = {.method = "POST"};
    assert_int_equal(get(h, "/echo", empty, &res, &err), 0);
    assert_non_null(strstr(rag_buf_str(&res.body), "Content-Length: 0"));
    rag_http_response_free(&res);
    /* A plain GET behind a POST carries nothing over from it. */
    assert_int_equal(get(h, "/echo", (rag_http_request){0}, &res, &err), 0);
    assert_true(rag_str_starts(rag_buf_str(&res.body), "GET /echo "));
    assert_null(strstr(rag_buf_str(&res.body), "Authorization"));
    assert_null(strstr(rag_buf_str(&res.body), "Content-Length"));
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_large_body_is_sent(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    size_t n = 400 * 1024;
    char *body = malloc(n);
    assert_non_null(body);
    memset(body, 'b', n);
    rag_http_request req = {.method = "POST", .body = body, .body_len = n};
    assert_int_equal(get(h, "/echo", req, &res, &err), 0);
    assert_true(res.body.len > n);
    assert_memory_equal(res.body.data + res.body.len - n, body, n);
    rag_http_response_free(&res);
    free(body);
    rag_http_close(h);
}

static void test_connection_is_kept_and_replaced(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(get(h, "/echo", (rag_http_request){0}, &res, &err), 0);
        rag_http_response_free(&res);
    }
    assert_int_equal(s->connections, 1);
    /* The server closes behind its answer: the next request still works. */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(
            get(h, "/echo-close", (rag_http_request){0}, &res, &err), 0);
        assert_string_equal(rag_buf_str(&res.body), "ok");
        rag_http_response_free(&res);
    }
    assert_int_equal(s->connections, 5);
    assert_int_equal(s->requests, 10);
    rag_http_close(h);
}

typedef struct seen {
    rag_buf text;
    int pieces, asked;
    int stop_at; /* piece or question at which to cancel; 0: never */
} seen;

static int on_body(void *user, const char *p, size_t n) {
    seen *v = user;
    v->pieces++;
    if (rag_buf_append(&v->text, p, n, NULL) != 0)
        return 1;
    return v->stop_at && v->pieces >= v->stop_at;
}

static int on_cancel(void *user) {
    seen *v = user;
    v->asked++;
    return v->stop_at && v->asked >= v->stop_at;
}

static void test_body_streams(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    seen v = {.pieces = 0};
    rag_http_request req = {.on_body = on_body, .user = &v};
    assert_int_equal(get(h, "/stream", req, &res, &err), 0);
    assert_int_equal(res.status, 200);
    assert_int_equal(res.body.len, 0);
    assert_string_equal(rag_buf_str(&v.text), "data: 0\n\ndata: 1\n\ndata: "
                                              "2\n\ndata: 3\n\ndata: 4\n\n");
    assert_true(v.pieces > 1);
    rag_http_response_free(&res);
    rag_buf_free(&v.text);
    rag_http_close(h);
}

/* Until the server has seen the client go. The run's time-out is the limit. */
static void wait_left(server *s, int n) {
    while (s->left_early < n)
        rag_clock_sleep_ms(2);
}

static void test_cancel_while_streaming_reaches_the_server(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    seen v = {.stop_at = 2};
    rag_http_request req = {.on_body = on_body, .user = &v};
    assert_int_equal(get(h, "/endless", req, &res, &err), RAG_E_CANCELLED);
    assert_int_equal(v.pieces, 2);
    assert_int_equal(res.status, 200);
    wait_left(s, 1); /* while our client is still open */
    rag_http_response_free(&res);
    rag_buf_free(&v.text);
    /* The client is as good as new. */
    assert_int_equal(get(h, "/echo", (rag_http_request){0}, &res, &err), 0);
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_cancel_while_waiting_reaches_the_server(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    const char *paths[] = {"/silent", "/stuck"};
    for (int i = 0; i < 2; i++) {
        seen v = {.stop_at = 5};
        rag_http_request req = {.cancelled = on_cancel, .user = &v};
        assert_int_equal(get(h, paths[i], req, &res, &err), RAG_E_CANCELLED);
        assert_int_equal(v.asked, 5);
        assert_string_equal(err.message, "the request was cancelled");
        rag_http_response_free(&res);
        wait_left(s, i + 1);
    }
    rag_http_close(h);
}

static void test_cancelled_before_it_starts(void **state) {
    rag_http *h = client_of(*state);
    rag_http_response res;
    rag_error err;
    seen v = {.stop_at = 1};
    rag_http_request req = {.cancelled = on_cancel, .user = &v};
    assert_int_equal(get(h, "/silent", req, &res, &err), RAG_E_CANCELLED);
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_idle_timeout(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    rag_http_request req = {.idle_timeout_ms = 60};
    assert_int_equal(get(h, "/silent", req, &res, &err), RAG_E_TIMEOUT);
    assert_non_null(strstr(err.message, s->path));
    assert_non_null(strstr(err.message, "60 ms"));
    assert_int_equal(res.status, 0);
    rag_http_response_free(&res);
    wait_left(s, 1);
    assert_int_equal(get(h, "/stuck", req, &res, &err), RAG_E_TIMEOUT);
    assert_int_equal(res.status, 200);
    assert_string_equal(rag_buf_str(&res.body), "half");
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_total_timeout_of_a_server_that_drips(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    rag_http_request req = {.idle_timeout_ms = 60000, .total_timeout_ms = 100};
    assert_int_equal(get(h, "/drip", req, &res, &err), RAG_E_TIMEOUT);
    assert_non_null(strstr(err.message, "within 100 ms"));
    rag_http_response_free(&res);
    wait_left(s, 1);
    rag_http_close(h);
}

static void test_body_ceiling(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    rag_http_request req = {.max_body = 100000};
    assert_int_equal(get(h, "/endless", req, &res, &err), RAG_E_LIMIT);
    assert_non_null(strstr(err.message, "100000"));
    assert_true(res.body.len <= 100000);
    rag_http_response_free(&res);
    wait_left(s, 1);
    /* The same when it is streamed to the caller. */
    seen v = {.pieces = 0};
    req.on_body = on_body;
    req.user = &v;
    assert_int_equal(get(h, "/endless", req, &res, &err), RAG_E_LIMIT);
    assert_true(v.text.len <= 100000);
    rag_buf_free(&v.text);
    rag_http_response_free(&res);
    wait_left(s, 2);
    /* Exactly the ceiling is allowed. */
    rag_http_request two = {.max_body = 2};
    assert_int_equal(get(h, "/echo-close", two, &res, &err), 0);
    rag_http_response_free(&res);
    two.max_body = 1;
    assert_int_equal(get(h, "/echo-close", two, &res, &err), RAG_E_LIMIT);
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_endless_headers(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    assert_int_equal(get(h, "/headers", (rag_http_request){0}, &res, &err),
                     RAG_E_LIMIT);
    wait_left(s, 1);
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_lost_connections(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    const char *paths[] = {"/lost", "/lost-chunk", "/nothing", "/garbage"};
    for (int i = 0; i < 4; i++) {
        int rc = get(h, paths[i], (rag_http_request){0}, &res, &err);
        assert_int_equal(rc, RAG_E_UNAVAILABLE);
        assert_non_null(strstr(err.message, s->path));
        rag_http_response_free(&res);
    }
    /* What came before the loss was still handed on. */
    seen v = {.pieces = 0};
    rag_http_request req = {.on_body = on_body, .user = &v};
    assert_int_equal(get(h, "/lost-chunk", req, &res, &err), RAG_E_UNAVAILABLE);
    assert_string_equal(rag_buf_str(&v.text), "half");
    rag_buf_free(&v.text);
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_error_status_keeps_its_body(void **state) {
    rag_http *h = client_of(*state);
    rag_http_response res;
    rag_error err;
    seen v = {.pieces = 0};
    rag_http_request req = {.on_body = on_body, .user = &v};
    assert_int_equal(get(h, "/busy", req, &res, &err), 0);
    assert_int_equal(res.status, 503);
    assert_int_equal(res.retry_after, 7);
    assert_int_equal(v.pieces, 0);
    assert_string_equal(rag_buf_str(&res.body), "{\"e\":\"b\"}");
    assert_string_equal(res.content_type, "application/json");
    rag_http_response_free(&res);
    assert_int_equal(get(h, "/now", req, &res, &err), 0);
    assert_int_equal(res.status, 429);
    assert_int_equal(res.retry_after, 0);
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_redirect_is_not_followed(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    assert_int_equal(get(h, "/moved", (rag_http_request){0}, &res, &err), 0);
    assert_int_equal(res.status, 302);
    assert_int_equal(s->requests, 1);
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_headers_cannot_be_smuggled(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    const char *bad[] = {"X-A: 1\r\nX-B: 2", NULL};
    rag_http_request reqs[] = {
        {.bearer = "a\r\nX-Evil: 1"},
        {.headers = bad},
        {.body = "{}", .body_len = 2, .content_type = "a/b\nX-Evil: 1"},
        {.method = "GET / HTTP/1.1\r\nX-Evil: 1\r\n"},
        {.method = ""},
        {.url = "http://localhost/a\r\nX-Evil: 1"},
    };
    for (size_t i = 0; i < sizeof reqs / sizeof *reqs; i++) {
        assert_int_equal(get(h, "/echo", reqs[i], &res, &err), RAG_E_USAGE);
        rag_http_response_free(&res);
    }
    assert_int_equal(s->requests, 0);
    rag_http_close(h);
}

static void test_only_http_is_spoken(void **state) {
    rag_http *h;
    rag_http_response res;
    rag_error err;
    (void)state;
    assert_int_equal(rag_http_open(NULL, &h, &err), 0);
    const char *urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/",
                          "gopher://127.0.0.1/", "telnet://127.0.0.1/"};
    for (int i = 0; i < 4; i++) {
        rag_http_request req = {.url = urls[i]};
        assert_int_equal(get(h, "", req, &res, &err), RAG_E_USAGE);
        assert_int_equal(res.body.len, 0);
        rag_http_response_free(&res);
    }
    rag_http_close(h);
}

static void test_tcp(void **state) {
    server *s = *state;
    rag_http *h = client_of(s);
    rag_http_response res;
    rag_error err;
    char url[64], text[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/echo", s->port);
    rag_http_request req = {.url = url};
    /* An environment's proxy must not be asked. */
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    assert_int_equal(get(h, "", req, &res, &err), 0);
    unsetenv("http_proxy");
    assert_int_equal(res.status, 200);
    snprintf(text, sizeof text, "Host: 127.0.0.1:%d", s->port);
    assert_non_null(strstr(rag_buf_str(&res.body), text));
    rag_http_response_free(&res);
    rag_http_close(h);
}

static void test_nobody_there(void **state) {
    rag_http *h;
    rag_http_response res;
    rag_error err;
    (void)state;
    assert_int_equal(rag_http_open("/nonexistent/x.sock", &h, &err), 0);
    assert_int_equal(get(h, "/", (rag_http_request){0}, &res, &err),
                     RAG_E_UNAVAILABLE);
    assert_string_equal(err.message,
                        "cannot connect to the socket /nonexistent/x.sock: No "
                        "such file or directory");
    assert_int_equal(res.status, 0);
    rag_http_response_free(&res);
    rag_http_close(h);

    /* A port that is ours and does not listen refuses. */
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    char url[64], text[96];
    snprintf(url, sizeof url, "http://u:secret@127.0.0.1:%d/",
             ntohs(in.sin_port));
    snprintf(text, sizeof text,
             "cannot connect to 127.0.0.1:%d: Connection refused",
             ntohs(in.sin_port));
    rag_http_request req = {.url = url};
    assert_int_equal(rag_http_open(NULL, &h, &err), 0);
    assert_int_equal(get(h, "", req, &res, &err), RAG_E_UNAVAILABLE);
    assert_string_equal(err.message, text);
    rag_http_response_free(&res);
    rag_http_close(h);
    close(fd);
}

static void test_open_refuses_bad_sockets(void **state) {
    rag_http *h = (rag_http *)1;
    rag_error err;
    char path[200];
    (void)state;
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(rag_http_open(path, &h, &err), RAG_E_USAGE);
    assert_null(h);
    assert_int_equal(rag_http_open("", &h, &err), RAG_E_USAGE);
    rag_http_close(NULL);
    rag_http_response_free(NULL);
}

static void *hammer(void *arg) {
    server *s = arg;
    rag_http *h = NULL;
    rag_http_response res;
    intptr_t bad = rag_http_open(s->path, &h, NULL) != 0;
    /* The server takes one connection at a time: ask without keeping it. */
    for (int i = 0; h && i < 20; i++) {
        rag_http_request req = {.method = "GET",
                                .url = "http://localhost/echo-close",
                                .total_timeout_ms = 60000};
        bad += rag_http_do(h, &req, &res, NULL) != 0;
        bad += res.status != 200;
        rag_http_response_free(&res);
    }
    rag_http_close(h);
    return (void *)bad;
}

static void test_a_client_a_thread(void **state) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, hammer, *state), 0);
    for (int i = 0; i < 4; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        assert_int_equal((intptr_t)bad, 0);
    }
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_request_arrives_as_given),
        WITH_SERVER(test_large_body_is_sent),
        WITH_SERVER(test_connection_is_kept_and_replaced),
        WITH_SERVER(test_body_streams),
        WITH_SERVER(test_cancel_while_streaming_reaches_the_server),
        WITH_SERVER(test_cancel_while_waiting_reaches_the_server),
        WITH_SERVER(test_cancelled_before_it_starts),
        WITH_SERVER(test_idle_timeout),
        WITH_SERVER(test_total_timeout_of_a_server_that_drips),
        WITH_SERVER(test_body_ceiling),
        WITH_SERVER(test_endless_headers),
        WITH_SERVER(test_lost_connections),
        WITH_SERVER(test_error_status_keeps_its_body),
        WITH_SERVER(test_redirect_is_not_followed),
        WITH_SERVER(test_headers_cannot_be_smuggled),
        cmocka_unit_test(test_only_http_is_spoken),
        cmocka_unit_test_setup_teardown(test_tcp, setup_tcp, teardown),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_open_refuses_bad_sockets),
        WITH_SERVER(test_a_client_a_thread),
    };
    return cmocka_run_group_tests_name("base/http", tests, NULL, NULL);
}
