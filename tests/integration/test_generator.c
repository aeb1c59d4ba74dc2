/*
 * Promises of the generator with the real server and model: it becomes ready,
 * answers, comes back after being killed, dies with its parent, stops when
 * the client goes, does not mind a stale socket, says what is missing.
 *
 * Skipped, saying so, where server or model are not installed.
 */
#include "generate/generate.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/http.h"
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define READY_MS 120000

static char *server, *model, *adapter, *card_path;
static char dir[256];

static bool parts_there(void) {
    return server && model && rag_file_exists(server) &&
           rag_file_exists(model) && rag_file_exists(adapter);
}

static int setup(void **state) {
    char *cache = NULL;
    const char *tmp = getenv("TMPDIR");
    (void)state;
    if (rag_path_place(RAG_PLACE_CACHE, &cache, NULL))
        return -1;
    int rc = rag_path_join(cache, RAG_LLAMA_SERVER, &server, NULL) |
             rag_path_join(cache, RAG_GENERATOR_FILE, &model, NULL) |
             rag_path_join(RAG_SOURCE_DIR "/generate/models", RAG_ADAPTER_FILE,
                           &adapter, NULL) |
             rag_path_join(RAG_SOURCE_DIR "/generate/models", RAG_CARD_FILE,
                           &card_path, NULL);
    free(cache);
    snprintf(dir, sizeof dir, "%s/rag-gen-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return -1;
    return rc;
}

static int teardown(void **state) {
    static const char *const FILES[] = {"generator.sock", "generator.log",
                                        "generator.log.1", "generator.lock",
                                        "bad.gguf"};
    (void)state;
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        char p[512];
        snprintf(p, sizeof p, "%s/%s", dir, FILES[i]);
        (void)unlink(p);
    }
    (void)rmdir(dir);
    free(server);
    free(model);
    free(adapter);
    free(card_path);
    return 0;
}

#define NEEDS_PARTS()                                                          \
    do {                                                                       \
        if (!parts_there()) {                                                  \
            print_message("skipped: llama-server or the model is not "         \
                          "installed (./setup)\n");                            \
            skip();                                                            \
        }                                                                      \
    } while (0)

static rag_generator_options options(void) {
    return (rag_generator_options){.child_program = server,
                                   .model_path = model,
                                   .lora_path = adapter,
                                   .run_dir = dir,
                                   .context = 2048,
                                   .start_timeout_ms = READY_MS};
}

static rag_generator *open_ready(const rag_generator_options *o) {
    rag_generator *g = NULL;
    rag_error err = {0};
    if (rag_generator_open(o, &g, &err) ||
        rag_generator_wait_ready(g, READY_MS, &err))
        print_error("%s\n", err.message);
    assert_non_null(g);
    assert_int_equal(err.code, 0);
    return g;
}

static bool alive(long pid) {
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    const char *state = strrchr(line, ')');
    return got && state && state[1] == ' ' && state[2] != 'Z' &&
           state[2] != 'X';
}

static bool gone_within(long pid, double ms) {
    double until = rag_clock_ms() + ms;
    while (alive(pid) && rag_clock_ms() < until)
        rag_clock_sleep_ms(20);
    return !alive(pid);
}

/* Question and evidence through card and prompt. */
static void make_prompt(const char *lang, const char *question,
                        const char *text, rag_prompt *p) {
    rag_card *card = NULL;
    rag_evidence ev = {.n = 1};
    assert_int_equal(rag_card_load(card_path, &card, NULL), 0);
    ev.items[0] = (rag_evidence_item){.text = text, .end = strlen(text)};
    assert_int_equal(rag_prompt_build(card, lang, question, &ev, p, NULL), 0);
    rag_card_free(card);
}

static void ask(rag_generator *g, const char *lang, const char *question,
                const char *text, rag_generation *out) {
    rag_prompt p;
    rag_error err = {0};
    make_prompt(lang, question, text, &p);
    int rc = rag_generator_run(g, &p, NULL, out, &err);
    if (rc)
        print_error("%s\n", err.message);
    assert_int_equal(rc, 0);
    rag_prompt_free(&p);
}

static void test_answers(void **state) {
    (void)state;
    NEEDS_PARTS();
    rag_generator_options o = options();
    rag_generator *g = open_ready(&o);
    rag_generator_status st;
    rag_generation r;
    rag_generator_describe(g, &st);
    assert_int_equal(st.state, RAG_GENERATOR_READY);
    assert_true(st.pid > 0);
    assert_string_equal(st.message, "");
    const char *ko = "법인 통장은 영업점에서만 개설할 수 있으며 서류 심사에 "
                     "2영업일이 걸립니다.";
    ask(g, "ko", "법인 통장 심사는 며칠 걸리나요?", ko, &r);
    assert_non_null(strstr(rag_buf_str(&r.text), "2영업일"));
    assert_string_equal(r.finish, "stop");
    assert_true(r.tokens > 0 && r.prompt_tokens > 20);
    assert_true(isfinite(r.refusal_logprob) && r.refusal_logprob <= 0);
    double answerable = r.refusal_logprob;
    rag_generation_free(&r);
    /* The static part of the prompt is read from the cache. */
    ask(g, "ko", "주차장은 어디에 있나요?", ko, &r);
    assert_true(r.cached_tokens >= 20);
    /* Nothing there: the refusal line is likelier than before. */
    assert_true(r.refusal_logprob > answerable);
    rag_generation_free(&r);
    ask(g, "en", "How long do refunds take?",
        "Refunds are paid within 5 business days after approval.", &r);
    assert_non_null(strstr(rag_buf_str(&r.text), "5 business days"));
    rag_generation_free(&r);
    long pid = st.pid;
    rag_generator_close(g);
    assert_true(gone_within(pid, 5000));
    char sock[512];
    snprintf(sock, sizeof sock, "%s/generator.sock", dir);
    assert_false(rag_file_exists(sock));
}

static void test_comes_back_after_kill(void **state) {
    (void)state;
    NEEDS_PARTS();
    rag_generator_options o = options();
    rag_generator *g = open_ready(&o);
    rag_generator_status st;
    rag_generator_describe(g, &st);
    long pid = st.pid;
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    double until = rag_clock_ms() + READY_MS;
    do {
        rag_clock_sleep_ms(20);
        rag_generator_describe(g, &st);
    } while ((st.pid == pid || st.state != RAG_GENERATOR_READY) &&
             rag_clock_ms() < until);
    assert_int_equal(st.state, RAG_GENERATOR_READY);
    assert_int_not_equal(st.pid, pid);
    assert_int_equal(st.restarts, 1);
    rag_generation r;
    ask(g, "ko", "식당은 언제 여나요?", "식당은 11시 30분에 엽니다.", &r);
    assert_true(r.text.len > 0);
    rag_generation_free(&r);
    rag_generator_close(g);
}

static void test_dies_with_its_parent(void **state) {
    (void)state;
    NEEDS_PARTS();
    int p[2];
    long server_pid = 0;
    assert_int_equal(pipe(p), 0);
    pid_t parent = fork();
    if (parent == 0) {
        rag_generator *g = NULL;
        rag_generator_options o = options();
        rag_generator_status st;
        if (rag_generator_open(&o, &g, NULL) ||
            rag_generator_wait_ready(g, READY_MS, NULL))
            _exit(1);
        rag_generator_describe(g, &st);
        if (write(p[1], &st.pid, sizeof st.pid) != (ssize_t)sizeof st.pid)
            _exit(1);
        for (;;)
            pause();
    }
    close(p[1]);
    assert_int_equal(read(p[0], &server_pid, sizeof server_pid),
                     sizeof server_pid);
    close(p[0]);
    assert_true(alive(server_pid));
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_true(gone_within(server_pid, 5000));
    /* It left its socket behind; the next one starts all the same. */
    char sock[512];
    struct stat sb;
    snprintf(sock, sizeof sock, "%s/generator.sock", dir);
    assert_int_equal(stat(sock, &sb), 0);
    rag_generator_options o = options();
    rag_generator_close(open_ready(&o));
}

typedef struct counter {
    unsigned pieces;
} counter;

static int count_piece(void *user, const char *piece, size_t n) {
    (void)piece;
    (void)n;
    ((counter *)user)->pieces++;
    return 0;
}

static int enough(void *user) {
    return ((counter *)user)->pieces >= 3;
}

/* True when a slot of the server is at work. */
static bool server_busy(void) {
    char sock[512];
    rag_http *h = NULL;
    rag_http_response res = {0};
    json_t *o = NULL;
    bool busy = true;
    snprintf(sock, sizeof sock, "%s/generator.sock", dir);
    assert_int_equal(rag_http_open(sock, &h, NULL), 0);
    rag_http_request req = {.method = "GET", .url = "http://localhost/slots"};
    if (rag_http_do(h, &req, &res, NULL) == 0 &&
        rag_json_parse(rag_buf_str(&res.body), res.body.len, 1 << 20, &o,
                       NULL) == 0)
        busy = json_is_true(
            json_object_get(json_array_get(o, 0), "is_processing"));
    json_decref(o);
    rag_http_response_free(&res);
    rag_http_close(h);
    return busy;
}

static void test_cancel_stops_the_server(void **state) {
    (void)state;
    NEEDS_PARTS();
    const char *const extra[] = {"--slots", NULL};
    rag_generator_options o = options();
    o.child_args = extra;
    rag_generator *g = open_ready(&o);
    counter c = {0};
    rag_prompt p = {.adapter_scale = 0.0};
    rag_buf_init(&p.text, 0);
    /* The bare model counts on for as long as it may. */
    assert_int_equal(
        rag_buf_append_str(&p.text, "1, 2, 3, 4, 5, 6, 7, 8, 9,", NULL), 0);
    rag_generation_options go = {.max_tokens = 1900,
                                 .on_token = count_piece,
                                 .cancelled = enough,
                                 .user = &c};
    rag_generation r;
    assert_int_equal(rag_generator_run(g, &p, &go, &r, NULL), RAG_E_CANCELLED);
    assert_true(r.text.len > 0);
    rag_generation_free(&r);
    double until = rag_clock_ms() + 5000;
    while (server_busy() && rag_clock_ms() < until)
        rag_clock_sleep_ms(50);
    assert_false(server_busy());
    rag_prompt_free(&p);
    rag_generator_close(g);
}

static void test_two_do_not_share_a_folder(void **state) {
    (void)state;
    NEEDS_PARTS();
    rag_generator_options o = options();
    rag_generator *g = NULL, *other = NULL;
    rag_error err;
    assert_int_equal(rag_generator_open(&o, &g, &err), 0);
    assert_int_equal(rag_generator_open(&o, &other, &err), RAG_E_BUSY);
    assert_null(other);
    rag_generator_close(g);
}

static void test_says_what_is_missing(void **state) {
    (void)state;
    rag_generator *g = NULL;
    rag_error err;
    rag_generator_options o = {.child_program = "/nonexistent/llama-server",
                               .model_path = "/nonexistent/m.gguf",
                               .run_dir = dir};
    assert_int_equal(rag_generator_open(&o, &g, &err), RAG_E_NOINPUT);
    assert_non_null(strstr(err.message, "/nonexistent/llama-server"));
    o.child_program = "/bin/sh";
    assert_int_equal(rag_generator_open(&o, &g, &err), RAG_E_NOINPUT);
    assert_non_null(strstr(err.message, "/nonexistent/m.gguf"));
    assert_null(g);
}

/* A program that ends at once: FAILED with its last words, then back-off. */
static void test_bad_model_is_reported(void **state) {
    (void)state;
    NEEDS_PARTS();
    char bad[512];
    rag_generator *g = NULL;
    rag_error err;
    snprintf(bad, sizeof bad, "%s/bad.gguf", dir);
    assert_int_equal(rag_file_replace(bad, "no model", 8, 0600, NULL), 0);
    rag_generator_options o = options();
    o.model_path = bad;
    o.lora_path = NULL;
    assert_int_equal(rag_generator_open(&o, &g, &err), 0);
    rag_generator_status st;
    double until = rag_clock_ms() + 30000;
    do {
        rag_clock_sleep_ms(20);
        rag_generator_describe(g, &st);
    } while (st.restarts < 2 && rag_clock_ms() < until);
    assert_true(st.restarts >= 2);
    rag_generation r;
    rag_prompt p;
    make_prompt("ko", "질문", "자료", &p);
    assert_int_equal(rag_generator_run(g, &p, NULL, &r, &err),
                     RAG_E_UNAVAILABLE);
    rag_generation_free(&r);
    rag_prompt_free(&p);
    assert_int_equal(rag_generator_wait_ready(g, 1, &err) != 0, 1);
    rag_generator_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_is_missing),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_comes_back_after_kill),
        cmocka_unit_test(test_dies_with_its_parent),
        cmocka_unit_test(test_cancel_stops_the_server),
        cmocka_unit_test(test_two_do_not_share_a_folder),
        cmocka_unit_test(test_bad_model_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
