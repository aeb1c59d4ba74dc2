/*
 * socket.h - the sockets ragd listens on.
 *
 * Called by main.c before any thread starts (binding sets the umask).
 */
#ifndef RAG_DAEMON_SOCKET_H
#define RAG_DAEMON_SOCKET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RAG_LISTENERS_MAX 4

typedef struct rag_listener {
    int fd; /* -1 when handed to the server */
    bool tcp; /* needs the token */
    bool passed; /* by the service manager: not ours to remove */
    char name[256];
    dev_t dev; /* of a Unix socket's file, to remove only our own */
    ino_t ino;
} rag_listener;

typedef struct rag_listeners {
    rag_listener of[RAG_LISTENERS_MAX];
    size_t n;
    int lock_fd; /* one ragd a socket path; -1 none */
} rag_listeners;

void rag_listeners_init(rag_listeners *l);
/* Closes what is open and removes our socket's file, if it is still ours. */
void rag_listeners_close(rag_listeners *l);

/* Takes what the service manager passed (LISTEN_PID, LISTEN_FDS); none is no
 * failure. The variables are unset, so that children do not see them. */
int rag_listeners_take(rag_listeners *l, rag_error *err);

/*
 * Binds a Unix socket at path with these permission bits. A socket that is
 * left over is replaced; one that answers, or whose lock is held, is
 * RAG_E_BUSY. Anything else at path is left alone: RAG_E_CONFLICT.
 */
int rag_listeners_unix(rag_listeners *l, const char *path, mode_t mode,
                       rag_error *err);
/* Binds HOST:PORT ("[::1]:80" too). */
int rag_listeners_tcp(rag_listeners *l, const char *host_port, rag_error *err);

#endif
