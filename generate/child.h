/*
 * child.h - one llama-server process: started, listened to, ended.
 *
 * Private to generate/. A child belongs to the thread that started it: the
 * kernel's parent-death signal follows the thread that forked, so that
 * thread must live as long as the child.
 */
#ifndef RAG_GENERATE_CHILD_H
#define RAG_GENERATE_CHILD_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RAG_CHILD_ARGS_MAX 64
#define RAG_CHILD_LOG_MAX (1L << 20) /* bytes of one log file; two are kept */
#define RAG_CHILD_KILL_AFTER_MS 3000

typedef struct rag_child {
    pid_t pid; /* 0 when there is none */
    int out_fd; /* its stdout and stderr, our end; -1 when closed */
    int log_fd; /* the log file; -1 when there is none */
    char *log_path; /* owned */
    long log_size;
    char line[512]; /* of output being collected */
    size_t line_len;
    char said[256]; /* the last line that spoke of an error, or the last */
    bool said_error;
} rag_child;

void rag_child_init(rag_child *c);

/*
 * Starts argv[0] (a path) with the given arguments. Standard input is
 * /dev/null; what it prints goes to log_path, at most RAG_CHILD_LOG_MAX bytes
 * and the same again in log_path.1. It is in a process group of its own (a
 * terminal's Ctrl-C is not for it), gets SIGKILL when the calling thread or
 * its process ends, inherits no descriptor but these, no LLAMA_* and HF_*
 * variables, no blocked or ignored signal.
 * RAG_E_UNAVAILABLE when the program cannot be run.
 */
int rag_child_start(rag_child *c, const char *const *argv, const char *log_path,
                    rag_error *err);

/* Copies what the child printed to the log; waits up to timeout_ms for
 * something to come, or for wake_fd (an eventfd, emptied) when not -1. */
void rag_child_pump(rag_child *c, int wake_fd, int timeout_ms);

/* True once the child has ended (and is reaped); how in words into why. */
bool rag_child_ended(rag_child *c, char *why, size_t cap);

/* SIGTERM, SIGKILL after RAG_CHILD_KILL_AFTER_MS; waits. Harmless without a
 * child. */
void rag_child_end(rag_child *c);
void rag_child_free(rag_child *c); /* ends it as well */

#endif
