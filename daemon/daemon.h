/*
 * daemon.h - ragd from the outside: parts, started in order, stopped in
 * reverse.
 *
 *   config  settings                     faq     approved answers' guards
 *   socket  listening sockets            gate    evidence gate
 *   store   the index, as it comes       pipeline  question to answer
 *   http    HTTP server and workers      metrics, notify
 *
 * rag_daemon_start builds everything that main.c then only waits on; tests
 * use it to run a whole daemon inside themselves.
 */
#ifndef RAG_DAEMON_DAEMON_H
#define RAG_DAEMON_DAEMON_H

#include "daemon/config.h"
#include "daemon/http.h"
#include "daemon/pipeline.h"

typedef struct rag_daemon rag_daemon;

/*
 * Checks the files the configuration names, loads what must be loaded and
 * starts serving. config is borrowed and referenced. The generator may still
 * be starting, and the store may not exist yet.
 */
int rag_daemon_start(rag_config *config, rag_daemon **out, rag_error *err);
/* Takes new settings (SIGHUP); what needs a restart is logged as such. */
void rag_daemon_reload(rag_daemon *d, rag_config *config);
/* Housekeeping; call about ten times a second. */
void rag_daemon_tick(rag_daemon *d);
/* One line for people: what is ready. */
void rag_daemon_describe(rag_daemon *d, char *out, size_t cap);
/* Lets what runs finish within the configured limit, then ends. */
void rag_daemon_stop(rag_daemon *d);

/* `ragd -n`: files that are needed but not there, or no settings to use. */
int rag_daemon_check(const rag_config *config, rag_error *err);

#endif
