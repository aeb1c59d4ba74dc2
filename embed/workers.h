/*
 * workers.h - a few threads that help the one that computes.
 *
 * Private to embed/. One caller at a time (the encoder's lock sees to it).
 */
#ifndef RAG_EMBED_WORKERS_H
#define RAG_EMBED_WORKERS_H

#include "base/error.h"

#include <stdbool.h>

typedef struct rag_workers rag_workers;

/* Work of one thread; index 0 is the caller, then 1 to threads - 1. */
typedef void (*rag_work_fn)(void *job, int index);

/* Starts threads - 1 threads, with all signals blocked. */
int rag_workers_open(int threads, rag_workers **out, rag_error *err);
void rag_workers_close(rag_workers *w);

/*
 * Calls fn on this thread and on every other that wakes in time, and returns
 * when this thread's call has returned - and, with join, all others' too.
 * Without join the work must be complete by then whoever did it, and what
 * job points to must stay unchanged until rag_workers_ready says yes: a
 * thread that came late may still look at it. (So one slow or busy core
 * cannot hold a short job up.)
 */
void rag_workers_run(rag_workers *w, rag_work_fn fn, void *job, bool join);
/* Whether no other thread is inside the last job. */
bool rag_workers_ready(rag_workers *w);

#endif
