/*
 * socket.c - binding, stale sockets, socket activation.
 *
 * A Unix socket's path is guarded by a lock file beside it (path + ".lock"),
 * held as long as the daemon lives: of two daemons started together exactly
 * one wins, and whoever holds the lock knows that a socket file it finds is
 * left over, unless something else answers on it.
 */
#include "daemon/socket.h"

#include "base/buf.h"
#include "base/file.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 512
#define PASSED_FD 3 /* sd_listen_fds(3) */

void rag_listeners_init(rag_listeners *l) {
    memset(l, 0, sizeof *l);
    l->lock_fd = -1;
    for (size_t i = 0; i < RAG_LISTENERS_MAX; i++)
        l->of[i].fd = -1;
}

void rag_listeners_close(rag_listeners *l) {
    for (size_t i = 0; i < l->n; i++) {
        rag_listener *x = &l->of[i];
        struct stat st;
        if (!x->tcp && !x->passed && lstat(x->name, &st) == 0 &&
            S_ISSOCK(st.st_mode) && st.st_dev == x->dev && st.st_ino == x->ino)
            unlink(x->name);
        if (x->fd >= 0)
            close(x->fd);
    }
    if (l->lock_fd >= 0)
        close(l->lock_fd);
    rag_listeners_init(l);
}

static int add(rag_listeners *l, int fd, bool tcp, bool passed,
               const char *name, rag_error *err) {
    if (l->n == RAG_LISTENERS_MAX) {
        close(fd);
        return rag_error_set(err, RAG_E_LIMIT, "more than %d sockets",
                             RAG_LISTENERS_MAX);
    }
    rag_listener *x = &l->of[l->n++];
    x->fd = fd;
    x->tcp = tcp;
    x->passed = passed;
    snprintf(x->name, sizeof x->name, "%s", name);
    return 0;
}

/* ---- socket activation ----------------------------------------------------------- */

static long variable(const char *name) {
    const char *s = getenv(name);
    long n = 0;
    if (!s || rag_str_to_long(s, 0, 1 << 30, &n, NULL))
        return 0;
    return n;
}

static int take_one(rag_listeners *l, int fd, rag_error *err) {
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    int listening = 0;
    socklen_t size = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) ||
        !listening)
        return rag_error_set(err, RAG_E_DATA,
                             "descriptor %d passed by the service manager is "
                             "no listening socket",
                             fd);
    if (getsockname(fd, (struct sockaddr *)&addr, &len))
        return rag_error_errno(err, RAG_E_IO, errno, "descriptor %d", fd);
    bool tcp = addr.ss_family != AF_UNIX;
    return add(l, fd, tcp, true, tcp ? "passed TCP socket" : "passed socket",
               err);
}

int rag_listeners_take(rag_listeners *l, rag_error *err) {
    long pid = variable("LISTEN_PID"), n = variable("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (pid != (long)getpid())
        return 0;
    for (int i = 0; i < n; i++) {
        int rc = take_one(l, PASSED_FD + i, err);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- Unix ---------------------------------------------------------------------------- */

static int address(const char *path, struct sockaddr_un *a, rag_error *err) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof a->sun_path)
        return rag_error_set(err, RAG_E_LIMIT,
                             "%s: a socket's path may have %zu bytes", path,
                             sizeof a->sun_path - 1);
    memcpy(a->sun_path, path, strlen(path));
    return 0;
}

/* Removes a socket file that nobody answers on. */
static int clear_stale(const char *path, const struct sockaddr_un *a,
                       rag_error *err) {
    struct stat st;
    if (lstat(path, &st)) {
        if (errno == ENOENT)
            return 0;
        return rag_error_errno(err, RAG_E_IO, errno, "%s", path);
    }
    if (!S_ISSOCK(st.st_mode))
        return rag_error_set(err, RAG_E_CONFLICT,
                             "%s exists and is no socket: choose another "
                             "path for the socket",
                             path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return rag_error_errno(err, RAG_E_IO, errno, "socket");
    int rc = connect(fd, (const struct sockaddr *)a, sizeof *a) ? errno : 0;
    close(fd);
    if (rc == 0 || rc == EAGAIN)
        return rag_error_set(err, RAG_E_BUSY,
                             "already running: something answers on %s", path);
    if (rc != ECONNREFUSED && rc != ENOENT)
        return rag_error_errno(err, RAG_E_IO, rc, "%s", path);
    if (unlink(path) && errno != ENOENT)
        return rag_error_errno(err, RAG_E_IO, errno,
                               "%s: cannot remove the socket left over", path);
    return 0;
}

static int take_lock(rag_listeners *l, const char *path, rag_error *err) {
    rag_buf name;
    rag_buf_init(&name, 0);
    int rc = rag_buf_printf(&name, err, "%s.lock", path);
    if (!rc)
        rc = rag_file_lock(rag_buf_str(&name), &l->lock_fd, err);
    if (rc == RAG_E_BUSY)
        rag_error_prefix(err, "already running on %s", path);
    rag_buf_free(&name);
    return rc;
}

static int make_folder(const char *path, rag_error *err) {
    char *folder = NULL;
    int rc = rag_str_dup(path, &folder, err);
    if (rc)
        return rc;
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder) {
        *slash = '\0';
        rc = rag_file_mkdirs(folder, 0700, err);
    }
    free(folder);
    return rc;
}

int rag_listeners_unix(rag_listeners *l, const char *path, mode_t mode,
                       rag_error *err) {
    struct sockaddr_un a;
    struct stat st;
    int rc, fd = -1;
    if ((rc = address(path, &a, err)) || (rc = make_folder(path, err)) ||
        (rc = take_lock(l, path, err)) || (rc = clear_stale(path, &a, err)))
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rag_error_errno(err, RAG_E_IO, errno, "socket");
    /* The file must never be wider open than asked, not even for a moment. */
    mode_t old = umask((mode_t)(~mode & 0777));
    rc = bind(fd, (const struct sockaddr *)&a, sizeof a) ? errno : 0;
    umask(old);
    if (rc) {
        close(fd);
        return rag_error_errno(err, RAG_E_IO, rc, "%s: cannot bind", path);
    }
    /* The kernel gives 0777 & ~umask; bits are exact only after this. */
    if (chmod(path, mode) || lstat(path, &st) || listen(fd, BACKLOG)) {
        rc = rag_error_errno(err, RAG_E_IO, errno, "%s: cannot listen", path);
        unlink(path);
        close(fd);
        return rc;
    }
    if ((rc = add(l, fd, false, false, path, err)))
        return rc;
    l->of[l->n - 1].dev = st.st_dev;
    l->of[l->n - 1].ino = st.st_ino;
    return 0;
}

/* ---- TCP ------------------------------------------------------------------------------- */

static int split_host(const char *host_port, char **host, char **port,
                      rag_error *err) {
    const char *colon = strrchr(host_port, ':');
    size_t n = colon ? (size_t)(colon - host_port) : 0;
    const char *h = host_port;
    if (!colon || !n || !colon[1])
        return rag_error_set(err, RAG_E_DATA, "'%s' is not HOST:PORT",
                             host_port);
    if (*h == '[' && n > 2 && h[n - 1] == ']') {
        h++;
        n -= 2;
    }
    int rc = rag_str_dup_n(h, n, host, err);
    return rc ? rc : rag_str_dup(colon + 1, port, err);
}

int rag_listeners_tcp(rag_listeners *l, const char *host_port, rag_error *err) {
    char *host = NULL, *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int fd = -1, on = 1;
    int rc = split_host(host_port, &host, &port, err);
    if (rc)
        goto out;
    int gai = getaddrinfo(host, port, &hints, &list);
    if (gai) {
        rc = rag_error_set(err, RAG_E_DATA, "%s: %s", host_port,
                           gai_strerror(gai));
        goto out;
    }
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, list->ai_addr, list->ai_addrlen) || listen(fd, BACKLOG)) {
        rc = rag_error_errno(err, errno == EADDRINUSE ? RAG_E_BUSY : RAG_E_IO,
                             errno, "%s: cannot listen", host_port);
        if (fd >= 0)
            close(fd);
        goto out;
    }
    rc = add(l, fd, true, false, host_port, err);
out:
    if (list)
        freeaddrinfo(list);
    free(host);
    free(port);
    return rc;
}
