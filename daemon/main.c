/*
 * main.c - ragd: command line, signals, the main loop.
 *
 * Signal handlers only set a flag and write to an event descriptor; the main
 * thread does the rest.
 */
#include "daemon/daemon.h"
#include "daemon/fit.h"
#include "daemon/notify.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_MS 100
/* Each of malloc's arenas keeps what its busiest moment took; unasked there
 * are eight a core, one a worker. */
#define MALLOC_ARENAS 4

static volatile sig_atomic_t want_stop, want_reload;
static int wake_fd = -1;

static void on_signal(int number) {
    int saved = errno;
    uint64_t one = 1;
    if (number == SIGHUP)
        want_reload = 1;
    else
        want_stop = 1;
    ssize_t n = write(wake_fd, &one, sizeof one);
    (void)n; /* the loop looks at the flags anyway */
    errno = saved;
}

static int catch_signals(rag_error *err) {
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return rag_error_errno(err, RAG_E_IO, errno, "eventfd");
    struct sigaction act = {.sa_handler = on_signal};
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL);
    return 0;
}

static void set_up_log(const rag_config *c, bool verbose) {
    rag_log_level level = RAG_LOG_INFO;
    rag_log_level_from(c->log_level, &level);
    if (verbose && level < RAG_LOG_DEBUG)
        level = RAG_LOG_DEBUG;
    rag_log_setup(
        level, strcmp(c->log_format, "json") == 0 ? RAG_LOG_JSON : RAG_LOG_TEXT,
        2);
}

static int complain(const rag_error *err) {
    fprintf(stderr, "ragd: %s\n", err->message);
    return rag_code_exit_status(err->code);
}

static void reload(rag_daemon *d, int argc, char **argv, const char *dir) {
    rag_error err = {0};
    rag_daemon_args next;
    rag_notify("RELOADING=1");
    if (rag_daemon_args_parse(argc, argv, dir, &next, &err)) {
        rag_log(RAG_LOG_ERROR, "config.reload", RAG_S("why", err.message),
                RAG_S("effect", "the old settings stay"));
    } else {
        set_up_log(next.config, next.verbose);
        rag_daemon_reload(d, next.config);
        rag_log(RAG_LOG_INFO, "config.reload",
                RAG_S("file", next.config->path ? next.config->path : ""));
        rag_daemon_args_free(&next);
    }
    rag_notify("READY=1");
}

static void tell_status(rag_daemon *d, char *last, size_t cap) {
    char now[512], line[600];
    rag_daemon_describe(d, now, sizeof now);
    if (strcmp(now, last) == 0)
        return;
    snprintf(last, cap, "%s", now);
    snprintf(line, sizeof line, "STATUS=%s", now);
    rag_notify(line);
    rag_log(RAG_LOG_INFO, "daemon.status", RAG_S("is", now));
}

static void serve(rag_daemon *d, int argc, char **argv, const char *dir,
                  double watchdog_ms) {
    char last[512] = "";
    double pinged = 0;
    rag_notify("READY=1");
    while (!want_stop) {
        struct pollfd p = {.fd = wake_fd, .events = POLLIN};
        if (poll(&p, 1, LOOP_MS) > 0) {
            uint64_t n;
            ssize_t got = read(wake_fd, &n, sizeof n);
            (void)got;
        }
        if (want_reload) {
            want_reload = 0;
            reload(d, argc, argv, dir);
        }
        rag_daemon_tick(d);
        tell_status(d, last, sizeof last);
        if (watchdog_ms > 0 && rag_clock_ms() - pinged >= watchdog_ms) {
            pinged = rag_clock_ms();
            rag_notify("WATCHDOG=1");
        }
    }
    rag_notify("STOPPING=1");
}

int main(int argc, char **argv) {
    char exe[PATH_MAX];
    rag_error err = {0};
    rag_daemon_args args;
    rag_daemon *daemon = NULL;
    const char *dir = rag_path_program(exe, sizeof exe);
    setlocale(LC_CTYPE, "C.UTF-8");
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    if (argc > 2 && strcmp(argv[1], "--fit-gate") == 0)
        return rag_fit_gate(argv[2], argv + 3, (size_t)argc - 3, &err)
                   ? complain(&err)
                   : 0;
    if (rag_daemon_args_parse(argc, argv, dir, &args, &err))
        return complain(&err);
    if (args.help || args.version) {
        if (args.help)
            fputs(rag_daemon_usage(), stdout);
        else
            puts("ragd " RAG_VERSION);
        rag_daemon_args_free(&args);
        return 0;
    }
    set_up_log(args.config, args.verbose);
    int rc;
    if (args.check) {
        if (!(rc = rag_daemon_check(args.config, &err)))
            puts("ragd: settings are in order");
        rag_daemon_args_free(&args);
        return rc ? complain(&err) : 0;
    }
    double watchdog = rag_notify_init();
    rc = catch_signals(&err);
    if (!rc)
        rc = rag_daemon_start(args.config, &daemon, &err);
    if (!rc)
        serve(daemon, argc, argv, dir, watchdog);
    rag_daemon_stop(daemon);
    rag_daemon_args_free(&args);
    rag_notify_close();
    return rc ? complain(&err) : 0;
}
