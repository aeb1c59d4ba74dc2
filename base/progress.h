/*
 * progress.h - a progress bar on stderr for work that takes over a second.
 *
 * Draws only when stderr is a terminal (and TERM is not "dumb"), at most ten
 * times a second, and only once a second has passed; no colour when NO_COLOR
 * is set. One owner thread.
 */
#ifndef RAG_BASE_PROGRESS_H
#define RAG_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rag_progress {
    const char *what; /* "encoding"; borrowed for the life of the bar */
    const char *unit; /* "chunks"; borrowed */
    double started_ms, drawn_ms;
    size_t done, total; /* total 0: not known */
    bool enabled, shown;
} rag_progress;

void rag_progress_start(rag_progress *p, const char *what, const char *unit,
                        size_t total, bool quiet);
void rag_progress_set(rag_progress *p, size_t done, size_t total);
/* Takes the bar off the line; call before printing anything else. */
void rag_progress_hide(rag_progress *p);
void rag_progress_end(rag_progress *p);

#endif
