/*
 * Promises: a remote encoder sends prefix and text in batches, puts vectors
 * back in order by their index, waits when it is told to and gives up in
 * time, and believes nothing: wrong counts, indices, lengths and numbers are
 * refused.
 */
#include "test_embed_support.h"

#include "base/http.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DIM 3

/* What the server does with the next requests. */
typedef enum mode {
    GOOD,
    BUSY_ONCE,
    BUSY_LONG,
    SHORT_VECTOR,
    WITH_NULL,
    HUGE_NUMBER,
    ZEROS,
    SAME_INDEX,
    BIG_INDEX,
    TOO_FEW,
    NO_JSON,
    DENIED
} mode;

typedef struct server {
    int fd;
    char path[108];
    pthread_t thread;
    pthread_mutex_t lock;
    mode mode;
    int requests;
    size_t last_n;
    char last_first[256];
} server;

static void say(int fd, int status, const char *extra, const char *body) {
    char head[256];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n%s\r\n",
                     status, strlen(body), extra);
    assert_int_equal(write(fd, head, (size_t)n), n);
    assert_int_equal(write(fd, body, strlen(body)), strlen(body));
}

/* One vector a text, in reversed order: [length, 1, position] */
static void answer(server *s, int fd, const char *request) {
    json_t *root = json_loads(request, 0, NULL), *data = json_array(), *out;
    const json_t *input = json_object_get(root, "input");
    size_t n = json_array_size(input);
    mode m;
    char *text;
    pthread_mutex_lock(&s->lock);
    m = s->mode;
    s->requests++;
    s->last_n = n;
    (void)snprintf(s->last_first, sizeof(s->last_first), "%s",
                   json_string_value(json_array_get(input, 0)));
    if (m == BUSY_ONCE) {
        s->mode = GOOD;
    }
    pthread_mutex_unlock(&s->lock);
    if (m == BUSY_ONCE || m == BUSY_LONG) {
        say(fd, m == BUSY_ONCE ? 503 : 429,
            m == BUSY_ONCE ? "Retry-After: 0\r\n" : "Retry-After: 3600\r\n",
            "{}");
    } else if (m == NO_JSON) {
        say(fd, 200, "", "<html>");
    } else if (m == DENIED) {
        say(fd, 401, "", "{\"error\":\"who are you\"}");
    } else {
        for (size_t i = n; i-- > 0;) {
            double length =
                (double)json_string_length(json_array_get(input, i));
            json_t *v = json_pack("[f,f,f]", length, 1.0, (double)i);
            json_int_t at = (json_int_t)i;
            if (m == SHORT_VECTOR) {
                json_array_remove(v, 0);
            } else if (m == WITH_NULL) {
                json_array_set_new(v, 1, json_null());
            } else if (m == HUGE_NUMBER) {
                json_array_set_new(v, 1, json_real(1e300));
            } else if (m == ZEROS) {
                json_decref(v);
                v = json_pack("[i,i,i]", 0, 0, 0);
            }
            at = m == SAME_INDEX ? 0 : m == BIG_INDEX ? at + 100 : at;
            if (m != TOO_FEW || i > 0) {
                json_array_append_new(
                    data, json_pack("{s:o,s:I}", "embedding", v, "index", at));
            } else {
                json_decref(v);
            }
        }
        out = json_pack("{s:O}", "data", data);
        text = json_dumps(out, 0);
        say(fd, 200, "", text);
        free(text);
        json_decref(out);
    }
    json_decref(data);
    json_decref(root);
}

/* Reads requests of one connection until it ends. */
static void serve_connection(server *s, int fd) {
    static char buf[1 << 20];
    size_t have = 0;
    for (;;) {
        char *end;
        size_t body = 0, head;
        ssize_t n;
        buf[have] = 0;
        end = strstr(buf, "\r\n\r\n");
        if (end) {
            const char *cl = strcasestr(buf, "content-length:");
            head = (size_t)(end - buf) + 4;
            body = cl ? (size_t)strtoul(cl + 15, NULL, 10) : 0;
            if (have >= head + body) {
                char keep = buf[head + body];
                buf[head + body] = 0;
                answer(s, fd, buf + head);
                buf[head + body] = keep;
                memmove(buf, buf + head + body, have - head - body);
                have -= head + body;
                continue;
            }
        }
        n = read(fd, buf + have, sizeof(buf) - 1 - have);
        if (n <= 0) {
            return;
        }
        have += (size_t)n;
    }
}

static void *serve(void *arg) {
    server *s = arg;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        serve_connection(s, fd);
        (void)close(fd);
    }
    return NULL;
}

static int start(void **state) {
    server *s = calloc(1, sizeof(*s));
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *dir = getenv("TMPDIR");
    assert_non_null(s);
    assert_ok(rag_http_global_init(ERR));
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)snprintf(s->path, sizeof(s->path), "%s/embed-%ld.sock",
                   dir ? dir : "/tmp", (long)getpid());
    (void)unlink(s->path);
    memcpy(a.sun_path, s->path, sizeof(a.sun_path));
    s->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    *state = s;
    return 0;
}

static int stop(void **state) {
    server *s = *state;
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)close(s->fd);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)unlink(s->path);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    return 0;
}

static rag_encoder *connect_to(server *s, int dim) {
    rag_encoder_remote cfg = {.url = "http://localhost/v1/",
                              .unix_socket = s->path,
                              .model = "m",
                              .query_prefix = "q: ",
                              .dim = dim,
                              .max_tokens = 20,
                              .timeout_ms = 5000};
    rag_encoder *e;
    pthread_mutex_lock(&s->lock);
    s->mode = GOOD;
    s->requests = 0;
    pthread_mutex_unlock(&s->lock);
    assert_ok(rag_encoder_open_remote(&cfg, &e, ERR));
    return e;
}

static void set_mode(server *s, mode m) {
    pthread_mutex_lock(&s->lock);
    s->mode = m;
    s->requests = 0;
    pthread_mutex_unlock(&s->lock);
}

static void vectors_come_back_in_order(void **state) {
    enum { N = 150 };
    server *s = *state;
    rag_encoder *e = connect_to(s, 0);
    rag_encoder_info info;
    rag_text texts[N];
    static float v[N * DIM];
    static const char xs[] = "xxxxxxxxxxxxxxxxxxxxxxxx";
    rag_encoder_describe(e, &info);
    assert_int_equal(info.dim, DIM);
    assert_string_equal(info.kernel, "remote");
    assert_string_equal(info.name, "m");
    assert_int_equal(strlen(info.fingerprint), 64);
    for (size_t i = 0; i < N; i++) {
        texts[i] = (rag_text){xs, i % 20};
    }
    assert_ok(rag_encoder_encode(e, RAG_TEXT_QUERY, texts, N, v, NULL, ERR));
    for (size_t i = 0; i < N; i++) {
        double x = (double)(i % 20 + 3), z = (double)(i % 64);
        double length = sqrt(x * x + 1 + z * z);
        assert_true(fabs((double)v[i * DIM] - x / length) < 1e-5);
        assert_true(fabs((double)v[i * DIM + 2] - z / length) < 1e-5);
    }
    assert_int_equal(s->requests, 4); /* one to learn, three batches */
    assert_int_equal(s->last_n, N - 128);
    assert_memory_equal(s->last_first, "q: ", 3);
    rag_encoder_close(e);
}

static void long_texts_are_cut_and_reported(void **state) {
    server *s = *state;
    rag_encoder *e = connect_to(s, DIM);
    char text[500];
    unsigned char cut[2];
    float v[2 * DIM];
    rag_text t[2] = {{text, sizeof(text)}, {"short", 5}};
    memset(text, 'a', sizeof(text));
    assert_ok(rag_encoder_encode(e, RAG_TEXT_RAW, t, 2, v, cut, ERR));
    assert_int_equal(cut[0], 1);
    assert_int_equal(cut[1], 0);
    assert_true(strlen(s->last_first) < 31);
    assert_int_equal(rag_encoder_count(e, "한국어", 9), 2);
    rag_encoder_close(e);
}

static void busy_endpoint_is_asked_again(void **state) {
    server *s = *state;
    rag_encoder *e = connect_to(s, DIM);
    rag_text t = {"x", 1};
    float v[DIM];
    set_mode(s, BUSY_ONCE);
    assert_ok(rag_encoder_encode(e, RAG_TEXT_RAW, &t, 1, v, NULL, ERR));
    assert_int_equal(s->requests, 2);
    /* one that wants an hour is not waited for */
    set_mode(s, BUSY_LONG);
    assert_int_equal(rag_encoder_encode(e, RAG_TEXT_RAW, &t, 1, v, NULL, ERR),
                     RAG_E_UNAVAILABLE);
    assert_int_equal(s->requests, 1);
    rag_encoder_close(e);
}

static void lies_are_refused(void **state) {
    static const struct {
        mode m;
        rag_code code;
        const char *word;
    } cases[] = {
        {SHORT_VECTOR, RAG_E_MISMATCH, "2 numbers"},
        {WITH_NULL, RAG_E_DATA, "finite"},
        {HUGE_NUMBER, RAG_E_DATA, "finite"},
        {ZEROS, RAG_E_DATA, "zeros"},
        {SAME_INDEX, RAG_E_DATA, "index"},
        {BIG_INDEX, RAG_E_DATA, "index"},
        {TOO_FEW, RAG_E_DATA, "one vector a text"},
        {NO_JSON, RAG_E_DATA, "answer"},
        {DENIED, RAG_E_PERMISSION, "who are you"},
    };
    server *s = *state;
    rag_encoder *e = connect_to(s, DIM);
    rag_text t[2] = {{"one", 3}, {"two", 3}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        float v[2 * DIM];
        rag_error err = {0};
        set_mode(s, cases[i].m);
        assert_int_equal(
            rag_encoder_encode(e, RAG_TEXT_RAW, t, 2, v, NULL, &err),
            cases[i].code);
        if (!strstr(err.message, cases[i].word) ||
            !strstr(err.message, "http://localhost/v1/embeddings")) {
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].word);
        }
    }
    rag_encoder_close(e);
}

static void what_cannot_be_is_said(void **state) {
    server *s = *state;
    rag_encoder *e = connect_to(s, DIM);
    rag_encoder_remote cfg = {.url = "http://localhost/v1",
                              .unix_socket = "/nonexistent/socket",
                              .timeout_ms = 1000};
    int32_t *ids;
    size_t n;
    assert_int_equal(
        rag_encoder_tokenize(e, RAG_TEXT_RAW, "a", 1, &ids, &n, ERR),
        RAG_E_UNSUPPORTED);
    assert_null(ids);
    rag_encoder_close(e);
    assert_int_equal(rag_encoder_open_remote(&cfg, &e, ERR), RAG_E_UNAVAILABLE);
    assert_null(e);
    cfg.url = NULL;
    assert_int_equal(rag_encoder_open_remote(&cfg, &e, ERR), RAG_E_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_come_back_in_order),
        cmocka_unit_test(long_texts_are_cut_and_reported),
        cmocka_unit_test(busy_endpoint_is_asked_again),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests_name("embed_remote", tests, start, stop);
}
