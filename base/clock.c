/* clock.c - monotonic milliseconds and wall time; see clock.h. No state. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

double rag_clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int64_t rag_clock_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec;
}

char *rag_clock_iso(char *out, size_t cap) {
    struct timespec t;
    struct tm tm;
    char day[40];
    if (cap == 0)
        return out;
    clock_gettime(CLOCK_REALTIME, &t);
    out[0] = '\0';
    if (gmtime_r(&t.tv_sec, &tm) &&
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm) > 0)
        snprintf(out, cap, "%s.%03ldZ", day, t.tv_nsec / 1000000L);
    return out;
}

void rag_clock_sleep_ms(double ms) {
    if (!(ms > 0))
        return;
    struct timespec t;
    t.tv_sec = (time_t)(ms / 1e3);
    t.tv_nsec = (long)((ms - (double)t.tv_sec * 1e3) * 1e6);
    if (t.tv_nsec > 999999999L)
        t.tv_nsec = 999999999L;
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}
