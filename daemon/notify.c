/*
 * notify.c - datagrams to the service manager's socket.
 *
 * Called by main.c from the main thread. A lost datagram is no failure of
 * ours.
 */
#include "daemon/notify.h"

#include "base/buf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int notify_fd = -1;

static void open_socket(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if ((*path != '/' && *path != '@') || n >= sizeof a.sun_path)
        return;
    memcpy(a.sun_path, path, n);
    if (*path == '@') /* abstract namespace */
        a.sun_path[0] = '\0';
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (notify_fd >= 0 &&
        connect(notify_fd, (const struct sockaddr *)&a, len)) {
        close(notify_fd);
        notify_fd = -1;
    }
}

double rag_notify_init(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    long us = 0, whose = 0;
    if (path)
        open_socket(path);
    if (!usec || rag_str_to_long(usec, 1, 1L << 50, &us, NULL))
        us = 0;
    if (pid && (rag_str_to_long(pid, 1, 1L << 30, &whose, NULL) ||
                whose != (long)getpid()))
        us = 0;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return (double)us / 2000; /* half the limit, in milliseconds */
}

void rag_notify(const char *state) {
    if (notify_fd >= 0 &&
        send(notify_fd, state, strlen(state), MSG_NOSIGNAL) < 0)
        return; /* nothing better to do */
}

void rag_notify_close(void) {
    if (notify_fd >= 0)
        close(notify_fd);
    notify_fd = -1;
}
