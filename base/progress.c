/*
 * progress.c - a progress bar on stderr; see progress.h. One owner thread.
 *
 * One write(2) a drawing, so that it does not tear; the bar is cut to the
 * terminal's width and always ends with "erase to end of line".
 */
#include "base/progress.h"
#include "base/clock.h"
#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SHOW_AFTER_MS 1000.0
#define REDRAW_MS 100.0
#define BAR_CELLS 24
#define COLUMNS_DEFAULT 80
#define ERASE_LINE "\r\033[K"

static void send_text(const char *s, size_t n) {
    /* A bar that cannot be drawn is no reason to fail. */
    (void)!write(STDERR_FILENO, s, n);
}

static bool can_draw(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static size_t terminal_columns(void) {
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    return COLUMNS_DEFAULT;
}

void rag_progress_start(rag_progress *p, const char *what, const char *unit,
                        size_t total, bool quiet) {
    *p = (rag_progress){.what = what,
                        .unit = unit,
                        .total = total,
                        .enabled = !quiet && can_draw(),
                        .started_ms = rag_clock_ms()};
}

/* "1:05", "2:03:04" */
static void put_duration(char *out, size_t cap, double seconds) {
    long s = seconds < 0 ? 0 : seconds > 359999 ? 359999 : (long)seconds;
    if (s >= 3600)
        snprintf(out, cap, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, cap, "%ld:%02ld", s / 60, s % 60);
}

static void put_bar(char *out, size_t cap, double share) {
    const char *no_color = getenv("NO_COLOR");
    bool color = !(no_color && *no_color);
    size_t full = (size_t)(share * BAR_CELLS + 0.5);
    char cells[BAR_CELLS + 1];
    for (size_t i = 0; i < BAR_CELLS; i++)
        cells[i] = i < full ? '#' : '.';
    cells[BAR_CELLS] = '\0';
    snprintf(out, cap, "%s%.*s%s%s", color ? "\033[32m" : "", (int)full, cells,
             color ? "\033[0m" : "", cells + full);
}

static void draw(rag_progress *p, double now) {
    char text[256], bar[BAR_CELLS + 16], left[32], out[512];
    double passed = (now - p->started_ms) / 1e3;
    double rate = passed > 0 ? (double)p->done / passed : 0;
    size_t columns = terminal_columns(), bar_columns = 0;
    bar[0] = '\0';
    if (p->total > 0) {
        size_t done = p->done < p->total ? p->done : p->total;
        double share = (double)done / (double)p->total;
        put_duration(left, sizeof left,
                     rate > 0 ? (double)(p->total - done) / rate : 0);
        snprintf(text, sizeof text, "%3.0f%% %zu/%zu %s, %.0f/s%s%s",
                 share * 100, p->done, p->total, p->unit, rate,
                 done < p->total && rate > 0 ? ", left " : "",
                 done < p->total && rate > 0 ? left : "");
        put_bar(bar, sizeof bar, share);
        bar_columns = BAR_CELLS + 1;
    } else {
        put_duration(left, sizeof left, passed);
        snprintf(text, sizeof text, "%zu %s, %.0f/s, %s", p->done, p->unit,
                 rate, left);
    }
    size_t need = rag_unicode_width(p->what, strlen(p->what)) + 1 +
                  bar_columns + strlen(text);
    int n;
    if (need < columns)
        n = snprintf(out, sizeof out, "%s%s %s%s%s", ERASE_LINE, p->what, bar,
                     bar_columns ? " " : "", text);
    else /* too narrow: the figures matter most */
        n = snprintf(out, sizeof out, "%s%.*s", ERASE_LINE, (int)(columns - 1),
                     text);
    if (n > 0)
        send_text(out, (size_t)n < sizeof out ? (size_t)n : sizeof out - 1);
    p->shown = true;
    p->drawn_ms = now;
}

void rag_progress_set(rag_progress *p, size_t done, size_t total) {
    p->done = done;
    p->total = total;
    if (!p->enabled)
        return;
    double now = rag_clock_ms();
    if (now - p->started_ms < SHOW_AFTER_MS || now - p->drawn_ms < REDRAW_MS)
        return;
    draw(p, now);
}

void rag_progress_hide(rag_progress *p) {
    if (!p->shown)
        return;
    send_text(ERASE_LINE, strlen(ERASE_LINE));
    p->shown = false;
    p->drawn_ms = 0;
}

void rag_progress_end(rag_progress *p) {
    rag_progress_hide(p);
    p->enabled = false;
}
