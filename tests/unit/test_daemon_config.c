/*
 * test_daemon_config.c - settings: what a file may say, what wins over what,
 * and that the example shows every setting at its default.
 */
#include "daemon/config.h"

#include "base/buf.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int set_up(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.30s/ragd-config-XXXXXX",
             tmp && strlen(tmp) < 30 ? tmp : "/tmp");
    unsetenv("RAGD_SOCKET");
    return mkdtemp(folder) ? setenv("XDG_CONFIG_HOME", folder, 1) : -1;
}

static int tear_down(void **state) {
    (void)state;
    return rmdir(folder);
}

static void put(char *path, size_t cap, const char *text) {
    snprintf(path, cap, "%s/ragd.conf", folder);
    assert_int_equal(rag_file_replace(path, text, strlen(text), 0600, NULL), 0);
}

/* Reads text; returns the code. */
static int read_text(const char *text, rag_config **c, rag_error *err) {
    char path[128];
    put(path, sizeof path, text);
    assert_int_equal(rag_config_new(c, err), 0);
    int rc = rag_config_read(*c, path, err);
    unlink(path);
    return rc;
}

static void refuses(const char *text, rag_code code, const char *where) {
    rag_config *c = NULL;
    rag_error err = {0};
    int rc = read_text(text, &c, &err);
    if (rc != (int)code || !strstr(err.message, where))
        print_error("%s -> %d, %s\n", text, rc, err.message);
    assert_int_equal(rc, code);
    assert_non_null(strstr(err.message, where));
    rag_config_unref(c);
}

static void values_are_read(void **state) {
    (void)state;
    rag_config *c = NULL;
    rag_error err = {0};
    assert_int_equal(read_text("# comment\n[server]\nworkers = 24\n"
                               "socket_mode = 0600\n\n[answer]\n"
                               "contact = 고객센터 1588-0000 으로 전화하세요\n"
                               "gate=0.5\nfaq = no\n[data]\ndir = docs/store\n",
                               &c, &err),
                     0);
    assert_int_equal(c->workers, 24);
    assert_int_equal(c->socket_mode, 0600);
    assert_string_equal(c->contact, "고객센터 1588-0000 으로 전화하세요");
    assert_true(c->gate > 0.49 && c->gate < 0.51);
    assert_false(c->faq);
    /* relative to the file's folder, not to the current one */
    assert_int_equal(strncmp(c->data, folder, strlen(folder)), 0);
    assert_true(rag_str_ends(c->data, "/docs/store"));
    rag_config_unref(c);
}

static void mistakes_name_their_line(void **state) {
    (void)state;
    refuses("[server]\nworkes = 3\n", RAG_E_DATA, "ragd.conf:2");
    refuses("[sever]\nworkers = 3\n", RAG_E_DATA, "ragd.conf:2");
    refuses("workers = 3\n", RAG_E_DATA, "ragd.conf:1");
    refuses("[server]\n\nworkers = many\n", RAG_E_DATA, "ragd.conf:3");
    refuses("[server]\nworkers = 0\n", RAG_E_DATA, "server.workers");
    refuses("[server]\nworkers = 100000\n", RAG_E_DATA, "server.workers");
    refuses("[server]\nsocket_mode = 0999\n", RAG_E_DATA, "octal");
    refuses("[answer]\nfaq = perhaps\n", RAG_E_DATA, "perhaps");
    refuses("[answer]\ngate = 1.5\n", RAG_E_DATA, "answer.gate");
    refuses("[answer]\nfalse_answers = 2%\n", RAG_E_DATA,
            "answer.false_answers");
    refuses("[server]\nqueue = 1\nqueue = 2\n", RAG_E_DATA, "twice");
    refuses("[server]\nnonsense\n", RAG_E_DATA, ":2");
}

static void hostile_files_are_refused(void **state) {
    (void)state;
    char line[2048];
    memset(line, 'x', sizeof line);
    memcpy(line, "[answer]\ncontact = ", 19);
    line[sizeof line - 2] = '\n';
    line[sizeof line - 1] = '\0';
    refuses(line, RAG_E_LIMIT, "ragd.conf:2");
    rag_config *c = NULL;
    rag_error err = {0};
    char path[128];
    snprintf(path, sizeof path, "%s/ragd.conf", folder);
    assert_int_equal(
        rag_file_replace(path, "[log]\n\0level = info", 19, 0600, NULL), 0);
    assert_int_equal(rag_config_new(&c, &err), 0);
    assert_int_equal(rag_config_read(c, path, &err), RAG_E_DATA);
    unlink(path);
    assert_int_equal(rag_config_read(c, path, &err), RAG_E_NOINPUT);
    rag_config_unref(c);
}

/* ---- the example ---------------------------------------------------------------- */

typedef struct listing {
    const char *text;
    int missing;
} listing;

static void is_shown(void *user, const char *name) {
    listing *l = user;
    char section[64], shown[80], hidden[80];
    snprintf(section, sizeof section, "[%.*s]", (int)strcspn(name, "."), name);
    const char *key = strchr(name, '.') + 1;
    snprintf(shown, sizeof shown, "\n%s =", key);
    snprintf(hidden, sizeof hidden, "\n#%s =", key);
    const char *from = strstr(l->text, section);
    const char *to = from ? strstr(from, "\n[") : NULL;
    const char *at = from ? strstr(from, shown) : NULL;
    if (from && !at)
        at = strstr(from, hidden);
    if (!at || (to && at > to)) {
        print_error("docs/ragd.conf.example does not show %s\n", name);
        l->missing++;
    }
}

static void differs(void *user, const char *name, bool reloadable) {
    (void)reloadable;
    print_error("docs/ragd.conf.example: %s is not at its default\n", name);
    ++*(int *)user;
}

static void the_example_shows_every_default(void **state) {
    (void)state;
    const char *path = RAG_SOURCE_DIR "/docs/ragd.conf.example";
    rag_config *plain = NULL, *c = NULL;
    rag_error err = {0};
    rag_buf text;
    int different = 0;
    assert_int_equal(rag_config_new(&plain, &err), 0);
    assert_int_equal(rag_config_new(&c, &err), 0);
    if (rag_config_read(c, path, &err))
        fail_msg("%s", err.message);
    rag_config_diff(plain, c, differs, &different);
    assert_int_equal(different, 0);
    rag_buf_init(&text, 0);
    assert_int_equal(rag_file_read(path, 1 << 20, &text, &err), 0);
    listing l = {.text = rag_buf_str(&text)};
    rag_config_keys(is_shown, &l);
    assert_int_equal(l.missing, 0);
    assert_int_equal(rag_config_finish(c, NULL, &err), 0);
    rag_buf_free(&text);
    rag_config_unref(plain);
    rag_config_unref(c);
}

static void is_explained(void *user, const char *name) {
    listing *l = user;
    char item[96];
    snprintf(item, sizeof item, "\n.It Cm %s ", strchr(name, '.') + 1);
    if (!strstr(l->text, item)) {
        print_error("man/ragd.conf.5 does not explain %s\n", name);
        l->missing++;
    }
}

static void the_manual_explains_every_setting(void **state) {
    (void)state;
    rag_error err = {0};
    rag_buf text;
    rag_buf_init(&text, 0);
    assert_int_equal(
        rag_file_read(RAG_SOURCE_DIR "/man/ragd.conf.5", 1 << 20, &text, &err),
        0);
    listing l = {.text = rag_buf_str(&text)};
    rag_config_keys(is_explained, &l);
    assert_int_equal(l.missing, 0);
    rag_buf_free(&text);
}

/* ---- the command line ------------------------------------------------------------ */

#define ARGS(...) ((char *[]){(char *)(uintptr_t) "ragd", __VA_ARGS__, NULL})
#define S(x) ((char *)(uintptr_t)(x))

static int parse(char **argv, rag_daemon_args *a, rag_error *err) {
    int n = 0;
    while (argv[n])
        n++;
    return rag_daemon_args_parse(n, argv, NULL, a, err);
}

static void flags_win_over_the_file(void **state) {
    (void)state;
    rag_daemon_args a;
    rag_error err = {0};
    char path[128];
    put(path, sizeof path,
        "[data]\ndir = /from/file\n[server]\nsocket = /from/file.sock\n");
    assert_int_equal(parse(ARGS(S("--data"), S("/from/flag"), S("--config"),
                                path, S("-n"), S("--no-generator")),
                           &a, &err),
                     0);
    assert_string_equal(a.config->data, "/from/flag");
    assert_string_equal(a.config->socket, "/from/file.sock");
    assert_true(a.check);
    assert_false(a.config->generator_on);
    rag_daemon_args_free(&a);
    unlink(path);
}

static void wrong_flags_are_usage_errors(void **state) {
    (void)state;
    rag_daemon_args a;
    rag_error err = {0};
    assert_int_equal(parse(ARGS(S("--dta"), S("x")), &a, &err), RAG_E_USAGE);
    assert_int_equal(parse(ARGS(S("--data")), &a, &err), RAG_E_USAGE);
    assert_int_equal(parse(ARGS(S("stray")), &a, &err), RAG_E_USAGE);
    assert_null(a.config);
}

static void a_network_door_needs_a_token(void **state) {
    (void)state;
    rag_daemon_args a;
    rag_error err = {0};
    assert_int_equal(parse(ARGS(S("--listen=127.0.0.1:7399")), &a, &err),
                     RAG_E_DATA);
    assert_non_null(strstr(err.message, "token"));
    assert_int_equal(
        parse(ARGS(S("--listen=127.0.0.1:7399"), S("--token-file=/some/file")),
              &a, &err),
        0);
    rag_daemon_args_free(&a);
}

static void another_model_does_not_get_our_adapter(void **state) {
    (void)state;
    rag_daemon_args a;
    rag_error err = {0};
    assert_int_equal(parse(ARGS(S("--generator"), S("/m.gguf")), &a, &err), 0);
    assert_string_equal(a.config->adapter, "");
    assert_string_equal(a.config->card, "");
    rag_daemon_args_free(&a);
    assert_int_equal(parse(ARGS(S("-n")), &a, &err), 0);
    assert_true(rag_str_ends(a.config->adapter, RAG_ADAPTER_FILE));
    assert_true(rag_str_ends(a.config->card, RAG_CARD_FILE));
    rag_daemon_args_free(&a);
}

static void quick_answers_keep_a_worker(void **state) {
    (void)state;
    rag_config *c = NULL;
    rag_error err = {0};
    assert_int_equal(rag_config_new(&c, &err), 0);
    assert_int_equal(rag_config_set(c, "server.workers", "9", NULL, &err), 0);
    assert_int_equal(rag_config_finish(c, NULL, &err), RAG_E_DATA);
    assert_non_null(strstr(err.message, "server.workers"));
    rag_config_unref(c);
}

/* Adapter and reader belong to the default encoder; with any other they are
 * there only when they are named. */
static void parts_of_the_encoder_go_with_it(void **state) {
    static const struct {
        const char *text;
        bool reader, adapter;
    } cases[] = {
        {"", true, true},
        {"[encoder]\nmodel = /m.gguf\n", false, false},
        {"[encoder]\nurl = http://127.0.0.1:1/v1\n", false, false},
        {"[encoder]\nmodel = /m.gguf\n[reader]\nmodel = /r.gguf\n", true,
         false},
        {"[encoder]\nmodel = /m.gguf\nadapter = /a.gguf\n", false, true},
        {"[reader]\nmodel =\n", false, true},
        {"[encoder]\nadapter =\n", true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rag_config *c = NULL;
        rag_error err = {0};
        assert_int_equal(read_text(cases[i].text, &c, &err), 0);
        assert_int_equal(rag_config_finish(c, NULL, &err), 0);
        if (!*c->reader == cases[i].reader ||
            !*c->encoder_adapter == cases[i].adapter)
            fail_msg("%s: reader \"%s\", adapter \"%s\"", cases[i].text,
                     c->reader, c->encoder_adapter);
        rag_config_unref(c);
    }
}

static void an_endpoint_takes_no_adapter(void **state) {
    (void)state;
    rag_config *c = NULL;
    rag_error err = {0};
    assert_int_equal(read_text("[encoder]\nurl = http://127.0.0.1:1/v1\n"
                               "adapter = /a.gguf\n",
                               &c, &err),
                     0);
    assert_int_equal(rag_config_finish(c, NULL, &err), RAG_E_DATA);
    assert_non_null(strstr(err.message, "encoder.adapter"));
    rag_config_unref(c);
}

static void note(void *user, const char *name, bool reloadable) {
    char *names = user; /* 512 bytes */
    size_t n = strlen(names);
    snprintf(names + n, 512 - n, "%s%s", name, reloadable ? "+ " : "- ");
}

static void differences_say_what_needs_a_restart(void **state) {
    (void)state;
    rag_config *a = NULL, *b = NULL;
    char names[512] = "";
    assert_int_equal(rag_config_new(&a, NULL), 0);
    assert_int_equal(rag_config_new(&b, NULL), 0);
    assert_int_equal(rag_config_set(b, "answer.gate", "0.9", NULL, NULL), 0);
    assert_int_equal(rag_config_set(b, "data.dir", "/x", NULL, NULL), 0);
    rag_config_diff(a, b, note, names);
    assert_string_equal(names, "data.dir- answer.gate+ ");
    rag_config_unref(a);
    rag_config_unref(b);
}

int main(void) {
    /* Without it the default socket's folder would be made. */
    setenv("XDG_RUNTIME_DIR", "/run/nowhere", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(the_example_shows_every_default),
        cmocka_unit_test(the_manual_explains_every_setting),
        cmocka_unit_test(flags_win_over_the_file),
        cmocka_unit_test(wrong_flags_are_usage_errors),
        cmocka_unit_test(a_network_door_needs_a_token),
        cmocka_unit_test(another_model_does_not_get_our_adapter),
        cmocka_unit_test(quick_answers_keep_a_worker),
        cmocka_unit_test(parts_of_the_encoder_go_with_it),
        cmocka_unit_test(an_endpoint_takes_no_adapter),
        cmocka_unit_test(differences_say_what_needs_a_restart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
