/*
 * child.c - one llama-server process: started, listened to, ended.
 *
 * Called only by the supervising thread of generator.c.
 *
 * fork() from a program with threads: between fork and exec the child calls
 * async-signal-safe functions only, and everything it needs (arguments,
 * environment, descriptors) is made before. The parent-death signal is set
 * in the child; a parent that died before that is found by comparing
 * getppid() with the pid taken before the fork.
 */
#include "generate/child.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_NICE 5

extern char **environ;

void rag_child_init(rag_child *c) {
    memset(c, 0, sizeof *c);
    c->out_fd = c->log_fd = -1;
}

/* ---- output ---------------------------------------------------------------- */

static void log_open(rag_child *c) {
    struct stat st;
    c->log_fd =
        open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    c->log_size =
        c->log_fd >= 0 && fstat(c->log_fd, &st) == 0 ? (long)st.st_size : 0;
}

/* One file back when it is full, so that two at most exist. */
static void log_turn(rag_child *c) {
    char old[4096];
    int n = snprintf(old, sizeof old, "%s.1", c->log_path);
    if (n > 0 && (size_t)n < sizeof old)
        (void)rename(c->log_path, old);
    if (c->log_fd >= 0)
        close(c->log_fd);
    log_open(c);
    if (c->log_size >= RAG_CHILD_LOG_MAX && c->log_fd >= 0 &&
        ftruncate(c->log_fd, 0) == 0)
        c->log_size = 0;
}

static void remember_line(rag_child *c) {
    c->line[c->line_len] = '\0';
    bool error =
        strcasestr(c->line, "error") || strcasestr(c->line, "failed") ||
        strcasestr(c->line, "unable") || strcasestr(c->line, "invalid");
    if (c->line_len && (error || !c->said_error)) {
        snprintf(c->said, sizeof c->said, "%.*s", (int)sizeof c->said - 1,
                 c->line);
        c->said_error = error;
    }
    c->line_len = 0;
}

static void took_output(rag_child *c, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n')
            remember_line(c);
        else if (c->line_len < sizeof c->line - 1)
            c->line[c->line_len++] =
                (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? ' ' : p[i];
    }
    if (c->log_size + (long)n > RAG_CHILD_LOG_MAX)
        log_turn(c);
    while (n && c->log_fd >= 0) {
        ssize_t w = write(c->log_fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            break; /* a full disk must not stop the model */
        c->log_size += w;
        p += w;
        n -= (size_t)w;
    }
}

/* Reads what is there; false when the child closed its end. */
static bool drain(rag_child *c) {
    char b[4096];
    for (int i = 0; i < 64; i++) {
        ssize_t n = read(c->out_fd, b, sizeof b);
        if (n > 0)
            took_output(c, b, (size_t)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else
            return n < 0 && errno == EAGAIN;
    }
    return true;
}

void rag_child_pump(rag_child *c, int wake_fd, int timeout_ms) {
    struct pollfd p[2] = {{.fd = c->out_fd, .events = POLLIN},
                          {.fd = wake_fd, .events = POLLIN}};
    int n = poll(p, 2, timeout_ms);
    if (n <= 0)
        return;
    if (p[0].revents && !drain(c)) {
        close(c->out_fd);
        c->out_fd = -1;
        /* It is about to be gone: do not spin until it is. */
        rag_clock_sleep_ms(5);
    }
    if (p[1].revents) {
        uint64_t count;
        (void)!read(wake_fd, &count, sizeof count);
    }
}

/* ---- start ------------------------------------------------------------------ */

/* The server's threads wait for each other at every layer. Spinning there is
 * the default and fatal where cores are shared with other work (measured at a
 * load of 14 on two cores: 1 token/s, and 19 when they sleep). Whoever sets
 * either variable decides for himself. */
static char PASSIVE[] = "OMP_WAIT_POLICY=passive";

/* The environment without what would change the server's options or make it
 * look for models elsewhere. Array owned, strings borrowed. */
static char **child_environment(rag_error *err) {
    size_t n = 0;
    while (environ && environ[n])
        n++;
    char **env = calloc(n + 2, sizeof *env);
    if (!env) {
        rag_error_set(err, RAG_E_NOMEM, "out of memory");
        return NULL;
    }
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (!rag_str_starts(environ[i], "LLAMA_") &&
            !rag_str_starts(environ[i], "HF_"))
            env[k++] = environ[i];
    if (!getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT"))
        env[k++] = PASSIVE;
    return env;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become(char *const *argv, char *const *env, int out, int null,
                   int report, pid_t parent) {
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;
    int e;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(127);
    (void)setpgid(0, 0);
    for (int s = 1; s < NSIG; s++)
        (void)sigaction(s, &dfl, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        goto fail;
    (void)umask(0077); /* its socket is ours alone */
#ifdef SYS_close_range
    /* 4: CLOSE_RANGE_CLOEXEC; what others opened without close-on-exec. */
    (void)syscall(SYS_close_range, 3u, ~0u, 4u);
#endif
    /* Approved answers and searches must not wait for a core that writes
     * prose; nor does it go before a parent that stands further back. */
    if (getpriority(PRIO_PROCESS, 0) < CHILD_NICE)
        setpriority(PRIO_PROCESS, 0, CHILD_NICE);
    execve(argv[0], argv, env);
fail:
    e = errno;
    (void)!write(report, &e, sizeof e);
    _exit(127);
}

/* Waits for exec to happen (the pipe closes) or fail (it carries errno). */
static int exec_result(int fd, int *errnum) {
    ssize_t n;
    do
        n = read(fd, errnum, sizeof *errnum);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *errnum ? -1 : 0;
}

int rag_child_start(rag_child *c, const char *const *argv, const char *log_path,
                    rag_error *err) {
    int out[2] = {-1, -1}, report[2] = {-1, -1}, null = -1, errnum = 0;
    char **env = NULL;
    char *args[RAG_CHILD_ARGS_MAX + 1];
    size_t n = 0;
    int rc = 0;
    for (; argv[n]; n++) {
        if (n == RAG_CHILD_ARGS_MAX)
            return rag_error_set(err, RAG_E_LIMIT, "%s: more than %d arguments",
                                 argv[0], RAG_CHILD_ARGS_MAX);
        /* execve takes char *const[] but changes nothing. */
        memcpy(&args[n], &argv[n], sizeof args[n]);
    }
    args[n] = NULL;
    rag_child_free(c);
    rag_child_init(c);
    if ((rc = rag_str_dup(log_path, &c->log_path, err)))
        return rc;
    env = child_environment(err);
    if (!env) {
        rc = RAG_E_NOMEM;
        goto out;
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || pipe2(out, O_CLOEXEC) != 0 ||
        pipe2(report, O_CLOEXEC) != 0) {
        rc = rag_error_errno(err, RAG_E_IO, errno, "starting %s", argv[0]);
        goto out;
    }
    log_open(c);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(args, env, out[1], null, report[1], parent);
    if (pid < 0) {
        rc = rag_error_errno(err, RAG_E_UNAVAILABLE, errno, "starting %s",
                             argv[0]);
        goto out;
    }
    close(report[1]);
    report[1] = -1;
    if (exec_result(report[0], &errnum) != 0) {
        (void)waitpid(pid, NULL, 0);
        rc = rag_error_errno(err, RAG_E_UNAVAILABLE, errnum, "running %s",
                             argv[0]);
        goto out;
    }
    c->pid = pid;
    c->out_fd = out[0];
    out[0] = -1;
    (void)fcntl(c->out_fd, F_SETFL, O_NONBLOCK);
out:
    for (int i = 0; i < 2; i++) {
        if (out[i] >= 0)
            close(out[i]);
        if (report[i] >= 0)
            close(report[i]);
    }
    if (null >= 0)
        close(null);
    free(env);
    if (rc)
        rag_child_free(c);
    return rc;
}

/* ---- end ------------------------------------------------------------------- */

bool rag_child_ended(rag_child *c, char *why, size_t cap) {
    int status = 0;
    if (c->pid <= 0)
        return true;
    pid_t p = waitpid(c->pid, &status, WNOHANG);
    if (p == 0 || (p < 0 && errno == EINTR))
        return false;
    c->pid = 0;
    if (c->out_fd >= 0)
        (void)drain(c);
    if (c->line_len)
        remember_line(c);
    if (p < 0)
        snprintf(why, cap, "was lost (%s)", strerror(errno));
    else if (WIFSIGNALED(status))
        snprintf(why, cap, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(why, cap, "ended with status %d%s%s", WEXITSTATUS(status),
                 c->said[0] ? ": " : "", c->said);
    return true;
}

void rag_child_end(rag_child *c) {
    char why[64];
    if (c->pid <= 0)
        return;
    (void)kill(c->pid, SIGTERM);
    double until = rag_clock_ms() + RAG_CHILD_KILL_AFTER_MS;
    while (!rag_child_ended(c, why, sizeof why)) {
        if (rag_clock_ms() > until) {
            (void)kill(c->pid, SIGKILL);
            until += 1e9;
        }
        rag_child_pump(c, -1, 10);
        if (c->out_fd < 0)
            rag_clock_sleep_ms(5);
    }
}

void rag_child_free(rag_child *c) {
    rag_child_end(c);
    if (c->out_fd >= 0)
        close(c->out_fd);
    if (c->log_fd >= 0)
        close(c->log_fd);
    free(c->log_path);
    rag_child_init(c);
}
