/*
 * test_ingest_program.c - what rag-ingest promises about a store, with the
 * real program: nothing is done twice, what changed is replaced, what
 * vanished disappears, what moved is known again, nothing is wiped by
 * accident, and a killed run loses nothing that another run does not bring
 * back.
 *
 * The encoder is a stub behind /v1/embeddings in a process of this test: its
 * vectors are made from the texts' bytes. One test runs the real encoder and
 * is skipped where its model is not there.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "index/index.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DIM 8

static char top[256];
static char url[64];
static int port_fd = -1;
static pid_t stub_pid;
static long stub_delay_ms; /* before each answer of the slow stub */

/* ---- the stub ---------------------------------------------------------------- */

static bool read_request(int fd, rag_buf *in, const char **body, size_t *len) {
    char block[65536];
    for (;;) {
        char *end = in->data ? strstr(in->data, "\r\n\r\n") : NULL;
        if (end) {
            const char *cl = strcasestr(in->data, "content-length:");
            size_t want = cl ? strtoul(cl + 15, NULL, 10) : 0;
            *body = end + 4;
            *len = want;
            if (in->len - (size_t)(*body - in->data) >= want)
                return true;
        }
        ssize_t n = read(fd, block, sizeof block);
        if (n <= 0 || rag_buf_append(in, block, (size_t)n, NULL))
            return false;
    }
}

static json_t *embed(const char *s) {
    double v[DIM] = {0.01};
    for (size_t i = 0; s[i]; i++)
        v[((unsigned char)s[i] * 7u + i) % DIM] += 1.0;
    json_t *a = json_array();
    for (int i = 0; i < DIM; i++)
        json_array_append_new(a, json_real(v[i]));
    return a;
}

static void answer(int fd) {
    rag_buf in, out;
    const char *body;
    size_t len;
    rag_buf_init(&in, 0);
    rag_buf_init(&out, 0);
    if (read_request(fd, &in, &body, &len)) {
        json_t *q = NULL, *data = json_array(), *text;
        size_t i;
        rag_json_parse(body, len, 1 << 26, &q, NULL);
        const json_t *input = json_object_get(q, "input");
        json_array_foreach(input, i, text) {
            json_t *o = json_object();
            json_object_set_new(o, "index", json_integer((json_int_t)i));
            json_object_set_new(o, "embedding", embed(json_string_value(text)));
            json_array_append_new(data, o);
        }
        json_t *reply = json_object();
        json_object_set_new(reply, "data", data);
        rag_buf dump;
        rag_buf_init(&dump, 0);
        rag_json_dump(reply, &dump, NULL);
        rag_buf_printf(&out, NULL,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                       dump.len);
        rag_buf_append(&out, rag_buf_str(&dump), dump.len, NULL);
        rag_buf_free(&dump);
        json_decref(reply);
        json_decref(q);
        if (stub_delay_ms > 0) {
            struct timespec t = {.tv_sec = stub_delay_ms / 1000,
                                 .tv_nsec = stub_delay_ms % 1000 * 1000000};
            nanosleep(&t, NULL);
        }
        for (size_t at = 0; at < out.len;) {
            ssize_t n = write(fd, out.data + at, out.len - at);
            if (n <= 0)
                break;
            at += (size_t)n;
        }
    }
    rag_buf_free(&in);
    rag_buf_free(&out);
    close(fd);
}

/* A loopback port for the whole test: its address is part of the encoder's
 * fingerprint. */
static void open_port(void) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    port_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(port_fd >= 0);
    assert_int_equal(bind(port_fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(port_fd, 16), 0);
    assert_int_equal(getsockname(port_fd, (struct sockaddr *)&a, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", ntohs(a.sin_port));
}

static void stop_stub(void) {
    if (stub_pid > 0) {
        kill(stub_pid, SIGKILL);
        waitpid(stub_pid, NULL, 0);
    }
    stub_pid = 0;
}

/* Serves on the port until killed, in the place of the one before. */
static void start_stub(long delay_ms) {
    stop_stub();
    fflush(NULL);
    stub_pid = fork();
    assert_true(stub_pid >= 0);
    if (stub_pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        stub_delay_ms = delay_ms;
        for (;;) {
            int fd = accept(port_fd, NULL, NULL);
            if (fd >= 0)
                answer(fd);
        }
    }
}

/* ---- files -------------------------------------------------------------------- */

static const char *at(const char *rel) {
    static char path[16][1024];
    static int turn;
    turn = (turn + 1) % 16;
    snprintf(path[turn], sizeof path[turn], "%s/%s", top, rel);
    return path[turn];
}

static void put(const char *rel, const char *text) {
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", at(rel));
    *strrchr(dir, '/') = '\0';
    assert_int_equal(rag_file_mkdirs(dir, 0755, NULL), 0);
    FILE *f = fopen(at(rel), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int drop(const char *path, const struct stat *st, int type,
                struct FTW *f) {
    (void)st, (void)type, (void)f;
    return remove(path);
}

/* Every test has a folder and a store of its own. */
static int set_up(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/rag-ingest-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(top))
        return -1;
    open_port();
    start_stub(0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stop_stub();
    close(port_fd);
    return nftw(top, drop, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- running it ------------------------------------------------------------------ */

static const char *program(void) {
    static char path[1024];
    const char *build = getenv("RAG_BUILD");
    snprintf(path, sizeof path, "%s/rag-ingest", build ? build : "build");
    return path;
}

#define ARGS_MAX 24

/* Starts rag-ingest on the store "data" with the stub; output to files. */
static pid_t start(const char *const *args, bool stub) {
    const char *v[ARGS_MAX + 8];
    size_t n = 0;
    v[n++] = program();
    v[n++] = "--data";
    v[n++] = at("data");
    if (stub) {
        v[n++] = "--encoder-url";
        v[n++] = url;
        v[n++] = "--encoder-model";
        v[n++] = "stub";
    }
    for (; *args && n < ARGS_MAX; args++)
        v[n++] = *args;
    v[n] = NULL;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int out = open(at("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int err = open(at("err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(out, 1);
        dup2(err, 2);
        execv(v[0], (char *const *)(uintptr_t)v);
        _exit(127);
    }
    return pid;
}

static int finish(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *slurp(const char *rel) {
    static char text[2][65536];
    static int turn;
    turn = !turn;
    rag_buf b;
    rag_buf_init(&b, 60000);
    rag_file_read(at(rel), 60000, &b, NULL);
    snprintf(text[turn], sizeof text[turn], "%s", rag_buf_str(&b));
    rag_buf_free(&b);
    return text[turn];
}

#define RUN(want, ...)                                                         \
    run_it(want, (const char *const[]){__VA_ARGS__, NULL}, __LINE__)

static json_t *last; /* the summary of the last run, as --json gives it */

static void run_it(int want, const char *const *args, int line) {
    const char *v[ARGS_MAX] = {"--json"};
    size_t n = 1;
    for (; *args && n + 1 < ARGS_MAX; args++)
        v[n++] = *args;
    int status = finish(start(v, true));
    if (status != want)
        fail_msg("line %d: exit status %d, wanted %d\n%s%s", line, status, want,
                 slurp("out"), slurp("err"));
    json_decref(last);
    last = NULL;
    const char *out = slurp("out");
    if (*out && rag_json_parse(out, strlen(out), 1 << 20, &last, NULL))
        fail_msg("line %d: no JSON: %s", line, out);
}

static int64_t number(const char *key) {
    return json_integer_value(json_object_get(last, key));
}

static void expect(int64_t added, int64_t changed, int64_t same, int64_t moved,
                   int64_t removed) {
    int64_t got[5] = {number("new"), number("changed"), number("unchanged"),
                      number("moved"), number("removed")};
    int64_t want[5] = {added, changed, same, moved, removed};
    for (int i = 0; i < 5; i++)
        if (got[i] != want[i])
            fail_msg("got %d new, %d changed, %d unchanged, %d moved, %d "
                     "removed",
                     (int)got[0], (int)got[1], (int)got[2], (int)got[3],
                     (int)got[4]);
}

/* ---- looking into the store -------------------------------------------------------- */

static rag_index *open_store(void) {
    rag_index *ix = NULL;
    rag_error err = {0};
    rag_index_options opt = {.threads = 1, .read_only = true};
    if (rag_index_open(at("data"), &opt, &ix, &err))
        fail_msg("%s", err.message);
    return ix;
}

/* Text of a document, "" when there is none. */
static const char *stored(const char *id) {
    static char text[4096];
    rag_index *ix = open_store();
    char *s = NULL;
    size_t n = 0;
    text[0] = '\0';
    if (!rag_index_text(ix, id, 0, SIZE_MAX, &s, &n, NULL))
        snprintf(text, sizeof text, "%s", s);
    free(s);
    rag_index_close(ix);
    return text;
}

static size_t documents(void) {
    rag_index *ix = open_store();
    rag_index_stats st;
    assert_int_equal(rag_index_describe(ix, &st, NULL), 0);
    rag_index_close(ix);
    return st.documents;
}

/* ---- promises ------------------------------------------------------------------------ */

static void again_changes_nothing(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\n첫째 문서다.\n");
    put("docs/sub/b.txt", "Second document.\n");
    put("docs/faq.csv", "id,question,answer,variants\n"
                        "f1,연회비는?,없습니다.,회비 | 비용\n");
    RUN(0, at("docs"));
    expect(3, 0, 0, 0, 0);
    assert_int_equal(number("chunks"), 3);
    /* 3 chunks, 3 questions, heading and sentence of a.md */
    assert_int_equal(number("vectors"), 8);
    RUN(0, at("docs"));
    expect(0, 0, 3, 0, 0);
    assert_int_equal(number("vectors"), 0);
    assert_string_equal(stored(at("docs/sub/b.txt")), "Second document.\n");
    assert_string_equal(stored("f1"), "없습니다.");
}

static void changed_is_replaced(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOld words.\n");
    put("docs/b.md", "# B\n\nStays.\n");
    RUN(0, at("docs"));
    put("docs/a.md", "# A\n\nNew words.\n");
    RUN(0, at("docs"));
    expect(0, 1, 1, 0, 0);
    assert_string_equal(stored(at("docs/a.md")), "# A\n\nNew words.\n");
    assert_int_equal(documents(), 2);
    RUN(0, "--rebuild", at("docs"));
    expect(0, 2, 0, 0, 0);
}

static void vanished_disappears(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    put("docs/c.md", "# C\n\nThree.\n");
    put("docs/r.jsonl", "{\"id\":\"r1\",\"text\":\"x\"}\n"
                        "{\"id\":\"r2\",\"text\":\"y\"}\n");
    RUN(0, at("docs"));
    expect(5, 0, 0, 0, 0);
    unlink(at("docs/b.md"));
    put("docs/r.jsonl", "{\"id\":\"r2\",\"text\":\"y\"}\n");
    RUN(0, at("docs"));
    expect(0, 0, 3, 0, 2);
    assert_string_equal(stored(at("docs/b.md")), "");
    assert_string_equal(stored("r1"), "");
    assert_string_equal(stored("r2"), "y");
}

static void moved_is_known_again(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nWords.\n");
    put("docs/b.md", "# B\n\nWords.\n");
    RUN(0, at("docs"));
    mkdir(at("docs/sub"), 0755);
    assert_int_equal(rename(at("docs/a.md"), at("docs/sub/a.md")), 0);
    RUN(0, at("docs"));
    expect(0, 0, 1, 1, 0);
    assert_int_equal(number("vectors"), 0);
    assert_string_equal(stored(at("docs/sub/a.md")), "# A\n\nWords.\n");
    assert_string_equal(stored(at("docs/a.md")), "");
}

static void nothing_is_wiped_by_accident(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    put("docs/c.md", "# C\n\nThree.\n");
    RUN(0, at("docs"));
    assert_int_equal(rename(at("docs"), at("away")), 0);
    RUN(66, at("docs")); /* unreachable */
    assert_int_equal(documents(), 3);
    mkdir(at("docs"), 0755);
    RUN(65, at("docs")); /* empty, as an unmounted disk is */
    assert_int_equal(documents(), 3);
    put("docs/a.md", "# A\n\nOne.\n");
    RUN(65, at("docs")); /* two of three are gone */
    assert_int_equal(documents(), 3);
    expect(0, 0, 1, 0, 0);
    RUN(0, "--force", at("docs"));
    expect(0, 0, 1, 0, 2);
    assert_int_equal(documents(), 1);
}

static void what_cannot_be_read_keeps_its_documents(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    put("docs/c.md", "# C\n\nThree.\n");
    RUN(0, at("docs"));
    FILE *f = fopen(at("docs/b.md"), "w");
    fwrite("\0\1\2\0\0", 1, 5, f);
    fclose(f);
    RUN(65, at("docs"));
    expect(0, 0, 2, 0, 0);
    assert_string_equal(stored(at("docs/b.md")), "# B\n\nTwo.\n");
}

static void malformed_input_is_reported_and_the_rest_goes_on(void **state) {
    (void)state;
    put("docs/bad.jsonl", "{\"id\":\"1\",\"text\":\"one\"}\nnonsense\n"
                          "{\"id\":\"3\",\"text\":\"three\"}\n");
    put("docs/esc\x1b[31m.pdf", "%PDF-1.7");
    put("docs/good.txt", "Good.\n");
    RUN(65, at("docs"));
    expect(3, 0, 0, 0, 0);
    const json_t *problems = json_object_get(last, "problems");
    assert_int_equal(json_array_size(problems), 2);
    const json_t *first = json_array_get(problems, 0);
    assert_int_equal(json_integer_value(json_object_get(first, "line")), 2);
    assert_non_null(
        strstr(json_string_value(json_object_get(first, "path")), "bad.jsonl"));
    const char *err = slurp("err");
    assert_non_null(strstr(err, "bad.jsonl:2: "));
    assert_non_null(strstr(err, "PDF"));
    assert_null(strchr(err, 0x1b)); /* a name cannot move the cursor */
    assert_non_null(strstr(err, "\\x1B"));
}

static void one_id_from_two_sources_names_both(void **state) {
    (void)state;
    put("docs/x.jsonl", "{\"id\":\"same\",\"text\":\"from x\"}\n");
    put("docs/y.jsonl", "{\"id\":\"same\",\"text\":\"from y\"}\n");
    RUN(65, at("docs"));
    const char *err = slurp("err");
    assert_non_null(strstr(err, "x.jsonl"));
    assert_non_null(strstr(err, "y.jsonl"));
    assert_string_equal(stored("same"), "from x");
}

static void a_slip_in_a_line_takes_nothing_away(void **state) {
    (void)state;
    put("docs/f.jsonl", "{\"id\":\"1\",\"text\":\"one\"}\n"
                        "{\"id\":\"2\",\"text\":\"two\"}\n");
    RUN(0, at("docs"));
    put("docs/f.jsonl", "{\"id\":\"1\",\"text\":\"new\"}\n"
                        "{\"id\":\"2\",\"text:\"two\"}\n");
    RUN(65, at("docs"));
    assert_string_equal(stored("1"), "new");
    assert_string_equal(stored("2"), "two");
    put("docs/f.jsonl", "{\"id\":\"1\",\"text\":\"new\"}\n");
    RUN(0, at("docs"));
    assert_string_equal(stored("2"), "");
}

static void files_of_one_name_in_two_roots_are_two_documents(void **state) {
    (void)state;
    put("one/readme.md", "# One\n");
    put("two/readme.md", "# Two\n");
    RUN(0, at("one"), at("two"));
    expect(2, 0, 0, 0, 0);
    assert_string_equal(stored(at("one/readme.md")), "# One\n");
    assert_string_equal(stored(at("two/readme.md")), "# Two\n");
}

static void korean_windows_files_and_decomposed_names(void **state) {
    (void)state;
    static const char CP949[] = /* "연차는 십오일이다.\n" */
        "\xBF\xAC\xC2\xF7\xB4\xC2 \xBD\xCA\xBF\xC0\xC0\xCF\xC0\xCC\xB4\xD9.\n";
    put("docs/cp949.txt", CP949);
    put("docs/\xE1\x84\x80\xE1\x85\xA1.txt",
        "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB.\n");
    RUN(0, at("docs"));
    assert_string_equal(stored(at("docs/cp949.txt")), "연차는 십오일이다.\n");
    assert_string_equal(stored(at("docs/\xE1\x84\x80\xE1\x85\xA1.txt")),
                        "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB.\n");
    RUN(0, at("docs"));
    expect(0, 0, 2, 0, 0);
}

static void one_document_can_be_removed(void **state) {
    (void)state;
    put("docs/a.md", "# A\n\nOne.\n");
    put("docs/b.md", "# B\n\nTwo.\n");
    RUN(0, at("docs"));
    RUN(0, "--remove", at("docs/a.md"));
    assert_string_equal(stored(at("docs/a.md")), "");
    assert_int_equal(documents(), 1);
    RUN(66, "--remove", at("docs/a.md"));
}

static void usage_and_parts_have_their_exit_status(void **state) {
    (void)state;
    const char *none[] = {NULL};
    assert_int_equal(finish(start(none, true)), 64);
    const char *wrong[] = {"--no-such-option", "x", NULL};
    assert_int_equal(finish(start(wrong, true)), 64);
    const char *help[] = {"--help", NULL};
    assert_int_equal(finish(start(help, false)), 0);
    const char *model[] = {"--model", at("none.gguf"), at("docs"), NULL};
    put("docs/a.md", "# A\n");
    assert_int_equal(finish(start(model, false)), 69);
    RUN(66, at("nothing"));
    stop_stub();
    close(port_fd);
    const char *docs[] = {at("docs"), NULL};
    assert_int_equal(finish(start(docs, true)), 69);
    port_fd = -1;
}

/* Many small documents, so that a run takes several calls to the encoder and
 * several commits. */
static void put_many(size_t n) {
    rag_buf b;
    rag_buf_init(&b, 0);
    for (size_t i = 0; i < n; i++)
        rag_buf_printf(&b, NULL,
                       "{\"id\":\"d%zu\",\"text\":\"Document %zu.\"}\n", i, i);
    put("docs/many.jsonl", rag_buf_str(&b));
    rag_buf_free(&b);
}

static void nap(long ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static void a_killed_run_is_completed_by_the_next(void **state) {
    (void)state;
    put_many(1500);
    start_stub(20); /* slow enough to be killed in the middle */
    const char *docs[] = {at("docs"), NULL};
    for (int i = 0; i < 6; i++) {
        pid_t pid = start(docs, true);
        nap(40 + 150 * i);
        kill(pid, SIGKILL);
        finish(pid);
    }
    start_stub(0);
    RUN(0, at("docs"));
    assert_int_equal(number("documents"), 1500);
    assert_int_equal(documents(), 1500);
    assert_string_equal(stored("d1499"), "Document 1499.");
    RUN(0, at("docs"));
    expect(0, 0, 1500, 0, 0);
}

static void a_signal_stops_it_cleanly(void **state) {
    (void)state;
    put_many(3000);
    start_stub(30);
    const char *docs[] = {at("docs"), NULL};
    pid_t pid = start(docs, true);
    nap(600);
    kill(pid, SIGTERM);
    assert_int_equal(finish(pid), 128 + SIGTERM);
    assert_non_null(strstr(slurp("err"), "run it again"));
    start_stub(0);
    RUN(0, at("docs"));
    assert_int_equal(documents(), 3000);
}

static void two_writers_do_not_meet(void **state) {
    (void)state;
    put_many(1500);
    start_stub(30);
    const char *docs[] = {at("docs"), NULL};
    pid_t first = start(docs, true);
    nap(400);
    int second = finish(start(docs, true));
    kill(first, SIGTERM);
    finish(first);
    assert_int_equal(second, 69);
}

/* The real encoder, where its model is. */
static void the_real_encoder_ingests(void **state) {
    (void)state;
    char *cache = NULL, *model = NULL;
    assert_int_equal(rag_path_place(RAG_PLACE_CACHE, &cache, NULL), 0);
    assert_int_equal(rag_path_join(cache, RAG_ENCODER_FILE, &model, NULL), 0);
    bool there = rag_file_exists(model);
    free(cache);
    if (!there) {
        print_message("no encoder model at %s: skipped\n", model);
        free(model);
        skip();
    }
    put("docs/a.md", "# 휴가\n\n연차는 15일이다.\n");
    const char *args[] = {"--model", model, at("docs"), NULL};
    int status = finish(start(args, false));
    if (status)
        fail_msg("%s", slurp("err"));
    assert_non_null(strstr(slurp("out"), "1 new"));
    assert_int_equal(documents(), 1);
    free(model);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    if (access(program(), X_OK) != 0) {
        fprintf(stderr, "no program at %s: set RAG_BUILD\n", program());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        T(again_changes_nothing),
        T(changed_is_replaced),
        T(vanished_disappears),
        T(moved_is_known_again),
        T(nothing_is_wiped_by_accident),
        T(what_cannot_be_read_keeps_its_documents),
        T(malformed_input_is_reported_and_the_rest_goes_on),
        T(one_id_from_two_sources_names_both),
        T(files_of_one_name_in_two_roots_are_two_documents),
        T(a_slip_in_a_line_takes_nothing_away),
        T(korean_windows_files_and_decomposed_names),
        T(one_document_can_be_removed),
        T(usage_and_parts_have_their_exit_status),
        T(a_killed_run_is_completed_by_the_next),
        T(a_signal_stops_it_cleanly),
        T(two_writers_do_not_meet),
        T(the_real_encoder_ingests),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(last);
    return failed;
}
