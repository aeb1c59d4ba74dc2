/*
 * Promise: whatever an endpoint does wrong - silence, an error status, half
 * an answer, garbage, too much - a generation ends with a plain error in the
 * time it was given, and the next one can go on.
 *
 * The endpoint is a stub in this process on a Unix socket.
 */
#include "generate/generate.h"

#include "base/clock.h"
#include "base/http.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

typedef enum mode {
    GOOD_TEXT,
    GOOD_CHAT,
    HANG,
    STATUS_500,
    STATUS_429,
    STATUS_401,
    ONLY_PLAIN, /* 400 until the extra fields are left out */
    HALF,
    GARBAGE,
    SSE_ERROR,
    FLOOD,
    SLOW
} mode;

static struct {
    int fd;
    pthread_t thread;
    char path[128];
    atomic_int mode, requests, hangups;
    atomic_bool stop;
    char last[8192]; /* the last POST's body */
} stub;

static void say(int fd, const char *s) {
    size_t n = strlen(s);
    while (n) {
        ssize_t w = send(fd, s, n, MSG_NOSIGNAL);
        if (w <= 0)
            return;
        s += w;
        n -= (size_t)w;
    }
}

static void answer(int fd, int status, const char *body) {
    char head[256];
    snprintf(head, sizeof head,
             "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n",
             status, strlen(body));
    say(fd, head);
    say(fd, body);
}

static const char EVENTS[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: text/event-stream\r\n"
                             "Connection: close\r\n\r\n";

static bool client_left(int fd) {
    char c;
    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void wait_for_client(int fd) {
    for (int i = 0; i < 500 && !client_left(fd) && !stub.stop; i++)
        rag_clock_sleep_ms(20);
    if (client_left(fd))
        stub.hangups++;
}

static void serve_post(int fd, const char *body) {
    snprintf(stub.last, sizeof stub.last, "%s", body);
    stub.requests++;
    switch ((mode)stub.mode) {
    case GOOD_TEXT:
        say(fd, EVENTS);
        say(fd, "data: {\"choices\":[{\"text\":\"120 \",\"logprobs\":"
                "{\"top_logprobs\":[{\" not\":-2.5,\" 120\":-0.1}]},"
                "\"finish_reason\":null}]}\r\n\r\n");
        say(fd, ": keep-alive\n\ndata: {\"choices\":[{\"text\":\"seats [1]\","
                "\"finish_reason\":\"stop\"}]}\n\n");
        say(fd, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":50,"
                "\"completion_tokens\":6}}\n\ndata: [DONE]\n\n");
        break;
    case GOOD_CHAT:
        say(fd, EVENTS);
        say(fd, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}"
                "\n\n");
        say(fd, "data: {\"choices\":[{\"delta\":{\"content\":\"120석\"},"
                "\"logprobs\":{\"content\":[{\"token\":\"120\",\"logprob\":"
                "-0.1,\"top_logprobs\":[{\"token\":\"자료\",\"logprob\":-3.5}"
                "]}]}}]}\n\n");
        say(fd, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":"
                "\"stop\"}]}\n\ndata: [DONE]\n\n");
        break;
    case HANG:
        wait_for_client(fd);
        break;
    case STATUS_500:
        answer(fd, 500, "{\"error\":{\"message\":\"out of cheese\"}}");
        break;
    case STATUS_429:
        answer(fd, 429, "{\"error\":{\"message\":\"slow down\"}}");
        break;
    case STATUS_401:
        answer(fd, 401, "{\"error\":\"who are you\"}");
        break;
    case ONLY_PLAIN:
        if (strstr(body, "logprobs") || strstr(body, "stream_options")) {
            answer(fd, 400, "{\"error\":{\"message\":\"unknown field\"}}");
            break;
        }
        say(fd, EVENTS);
        say(fd, "data: {\"choices\":[{\"text\":\"plain\",\"finish_reason\":"
                "\"length\"}]}\n\n");
        break;
    case HALF:
        say(fd, EVENTS);
        say(fd, "data: {\"choices\":[{\"text\":\"120 \"}]}\n\n");
        say(fd, "data: {\"choices\":[{\"te");
        break;
    case GARBAGE:
        say(fd, EVENTS);
        say(fd, "data: <html>no</html>\n\n");
        wait_for_client(fd);
        break;
    case SSE_ERROR:
        say(fd, EVENTS);
        say(fd, "data: {\"error\":{\"message\":\"context is full\"}}\n\n");
        break;
    case FLOOD:
        say(fd, EVENTS);
        for (int i = 0; i < 100000 && !client_left(fd) && !stub.stop; i++)
            say(fd, "data: {\"choices\":[{\"text\":\"and on and on and on and "
                    "on and on and on and on\"}]}\n\n");
        stub.hangups++;
        break;
    case SLOW: /* keeps the connection warm and says little */
        say(fd, EVENTS);
        for (int i = 0; i < 400 && !client_left(fd) && !stub.stop; i++) {
            say(fd, "data: {\"choices\":[{\"text\":\"x\"}]}\n\n");
            rag_clock_sleep_ms(25);
        }
        stub.hangups++;
        break;
    }
}

static void serve(int fd) {
    static char b[65536];
    size_t n = 0, need = 0;
    char *body = NULL;
    while (n < sizeof b - 1) {
        ssize_t k = recv(fd, b + n, sizeof b - 1 - n, 0);
        if (k <= 0)
            return;
        n += (size_t)k;
        b[n] = '\0';
        body = strstr(b, "\r\n\r\n");
        if (!body)
            continue;
        body += 4;
        const char *len = strcasestr(b, "content-length:");
        need = len && len < body ? strtoul(len + 15, NULL, 10) : 0;
        if (n >= (size_t)(body - b) + need)
            break;
    }
    if (strncmp(b, "GET ", 4) == 0)
        answer(fd, stub.mode == STATUS_401 ? 401 : 200, "{\"data\":[]}");
    else if (body)
        serve_post(fd, body);
}

static void *stub_main(void *arg) {
    (void)arg;
    while (!stub.stop) {
        int fd = accept(stub.fd, NULL, NULL);
        if (fd < 0)
            break;
        serve(fd);
        close(fd);
    }
    return NULL;
}

static int setup(void **state) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *tmp = getenv("TMPDIR");
    (void)state;
    snprintf(stub.path, sizeof stub.path, "%s/rag-stub-%ld.sock",
             tmp && strlen(tmp) < 60 ? tmp : "/tmp", (long)getpid());
    snprintf(a.sun_path, sizeof a.sun_path, "%.100s", stub.path);
    stub.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(stub.path);
    if (stub.fd < 0 || bind(stub.fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(stub.fd, 16) != 0)
        return -1;
    return pthread_create(&stub.thread, NULL, stub_main, NULL);
}

static int teardown(void **state) {
    (void)state;
    stub.stop = true;
    shutdown(stub.fd, SHUT_RDWR);
    pthread_join(stub.thread, NULL);
    close(stub.fd);
    (void)unlink(stub.path);
    return 0;
}

static rag_generator *open_stub(mode m) {
    rag_generator *g = NULL;
    rag_error err = {0};
    rag_generator_options o = {.url = "http://localhost/v1/",
                               .unix_socket = stub.path,
                               .model = "tiny",
                               .api_key = "secret",
                               .token_timeout_ms = 400,
                               .answer_timeout_ms = 3000};
    stub.mode = GOOD_TEXT;
    assert_int_equal(rag_generator_open(&o, &g, &err), 0);
    int rc = rag_generator_wait_ready(g, 10000, &err);
    if (rc)
        print_error("%s\n", err.message);
    assert_int_equal(rc, 0);
    stub.mode = m;
    return g;
}

static void text_prompt(rag_prompt *p, bool chat) {
    memset(p, 0, sizeof *p);
    rag_buf_init(&p->text, 0);
    rag_buf_init(&p->messages, 0);
    assert_int_equal(
        chat ? rag_buf_append_str(&p->messages,
                                  "[{\"role\":\"user\",\"content\":\"q\"}]",
                                  NULL)
             : rag_buf_append_str(&p->text, "Question: how many?", NULL),
        0);
    assert_int_equal(rag_str_dup(chat ? "자료에 없음" : "not in the sources",
                                 &p->refusal, NULL),
                     0);
    p->adapter_scale = NAN;
}

static int run(rag_generator *g, bool chat, rag_generation *r, rag_error *err) {
    rag_prompt p;
    text_prompt(&p, chat);
    rag_error_clear(err);
    int rc = rag_generator_run(g, &p, NULL, r, err);
    rag_prompt_free(&p);
    return rc;
}

static void test_text_and_chat(void **state) {
    (void)state;
    rag_generation r;
    rag_error err;
    rag_generator *g = open_stub(GOOD_TEXT);
    assert_int_equal(run(g, false, &r, &err), 0);
    assert_string_equal(rag_buf_str(&r.text), "120 seats [1]");
    assert_string_equal(r.finish, "stop");
    assert_true(r.refusal_logprob > -2.6 && r.refusal_logprob < -2.4);
    assert_int_equal(r.prompt_tokens, 50);
    assert_non_null(strstr(stub.last, "\"model\":\"tiny\""));
    rag_generation_free(&r);
    stub.mode = GOOD_CHAT;
    assert_int_equal(run(g, true, &r, &err), 0);
    assert_string_equal(rag_buf_str(&r.text), "120석");
    assert_true(r.refusal_logprob > -3.6 && r.refusal_logprob < -3.4);
    rag_generation_free(&r);
    rag_generator_close(g);
}

static void expect(mode m, int code, const char *words) {
    rag_generation r;
    rag_error err;
    rag_generator *g = open_stub(m);
    int rc = run(g, false, &r, &err);
    if (rc != code || (words && !strstr(err.message, words)))
        print_error("mode %d: %d %s\n", (int)m, rc, err.message);
    assert_int_equal(rc, code);
    if (words)
        assert_non_null(strstr(err.message, words));
    rag_generation_free(&r);
    /* The next request is served. */
    stub.mode = GOOD_TEXT;
    assert_int_equal(rag_generator_wait_ready(g, 10000, &err), 0);
    assert_int_equal(run(g, false, &r, &err), 0);
    rag_generation_free(&r);
    rag_generator_close(g);
}

static void test_silence_ends(void **state) {
    (void)state;
    stub.hangups = 0;
    expect(HANG, RAG_E_TIMEOUT, NULL);
    assert_true(stub.hangups >= 1);
}

static void test_statuses(void **state) {
    (void)state;
    expect(STATUS_500, RAG_E_UNAVAILABLE, "out of cheese");
    expect(STATUS_429, RAG_E_BUSY, "slow down");
    expect(STATUS_401, RAG_E_PERMISSION, "who are you");
}

static void test_broken_streams(void **state) {
    (void)state;
    expect(HALF, RAG_E_UNAVAILABLE, "broke off");
    expect(GARBAGE, RAG_E_UNAVAILABLE, "no event");
    expect(SSE_ERROR, RAG_E_UNAVAILABLE, "context is full");
}

static void test_too_much_is_cut_off(void **state) {
    (void)state;
    stub.hangups = 0;
    expect(FLOOD, RAG_E_LIMIT, NULL);
    assert_true(stub.hangups >= 1);
    expect(SLOW, RAG_E_TIMEOUT, NULL);
}

static void test_unknown_fields_are_left_out(void **state) {
    (void)state;
    rag_generation r;
    rag_error err;
    rag_generator *g = open_stub(ONLY_PLAIN);
    assert_int_equal(run(g, false, &r, &err), 0);
    assert_string_equal(rag_buf_str(&r.text), "plain");
    assert_string_equal(r.finish, "length");
    assert_true(isnan(r.refusal_logprob));
    rag_generation_free(&r);
    rag_generator_close(g);
}

static int stop_at_once(void *user, const char *piece, size_t n) {
    (void)user;
    (void)piece;
    (void)n;
    return 1;
}

static void test_reader_may_stop(void **state) {
    (void)state;
    rag_generation r;
    rag_prompt p;
    rag_generator *g = open_stub(SLOW);
    stub.hangups = 0;
    text_prompt(&p, false);
    rag_generation_options o = {.on_token = stop_at_once};
    assert_int_equal(rag_generator_run(g, &p, &o, &r, NULL), 0);
    assert_true(r.stopped);
    rag_generation_free(&r);
    rag_prompt_free(&p);
    for (int i = 0; i < 250 && !stub.hangups; i++)
        rag_clock_sleep_ms(20);
    assert_true(stub.hangups >= 1);
    rag_generator_close(g);
}

typedef struct waiter {
    rag_generator *g;
    int rc;
} waiter;

static void *run_in_thread(void *user) {
    waiter *w = user;
    rag_generation r;
    rag_error err;
    w->rc = run(w->g, false, &r, &err);
    rag_generation_free(&r);
    return NULL;
}

/* One slot: all are served, one after the other. */
static void test_callers_queue(void **state) {
    (void)state;
    enum { N = 8 };
    pthread_t t[N];
    waiter w[N];
    rag_generator *g = open_stub(GOOD_TEXT);
    for (int i = 0; i < N; i++) {
        w[i] = (waiter){g, -1};
        assert_int_equal(pthread_create(&t[i], NULL, run_in_thread, &w[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].rc, 0);
    }
    rag_generator_close(g);
}

static void test_nobody_there(void **state) {
    (void)state;
    rag_generator *g = NULL;
    rag_error err;
    rag_generation r;
    rag_generator_options o = {.url = "http://localhost/v1",
                               .unix_socket = "/nonexistent/x.sock"};
    assert_int_equal(rag_generator_open(&o, &g, &err), 0);
    assert_int_equal(rag_generator_wait_ready(g, 300, &err), RAG_E_UNAVAILABLE);
    assert_int_equal(run(g, false, &r, &err), RAG_E_UNAVAILABLE);
    assert_true(strlen(err.message) > 10);
    rag_generation_free(&r);
    rag_generator_close(g);
    o.url = "ftp://x";
    assert_int_equal(rag_generator_open(&o, &g, &err), RAG_E_USAGE);
    assert_null(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_chat),
        cmocka_unit_test(test_silence_ends),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_broken_streams),
        cmocka_unit_test(test_too_much_is_cut_off),
        cmocka_unit_test(test_unknown_fields_are_left_out),
        cmocka_unit_test(test_reader_may_stop),
        cmocka_unit_test(test_callers_queue),
        cmocka_unit_test(test_nobody_there),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
