/* clock.h - monotonic milliseconds and wall time. Thread-safe. */
#ifndef RAG_BASE_CLOCK_H
#define RAG_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of the monotonic clock, with fractions. */
double rag_clock_ms(void);
/* Seconds since the epoch (wall clock). */
int64_t rag_clock_now(void);
/* "2026-11-22T10:51:02.123Z" into out (at least 32 bytes); returns out. */
char *rag_clock_iso(char *out, size_t cap);
void rag_clock_sleep_ms(double ms);

#endif
