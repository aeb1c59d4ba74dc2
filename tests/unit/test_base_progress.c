/*
 * Promises: the bar is drawn only on a terminal, only for work that lasts,
 * within the terminal's width, without colour when NO_COLOR is set, and
 * leaves no trace.
 *
 * The terminal is a pseudo-terminal in place of stderr; the clock is moved
 * by setting the bar's start back.
 */
#include "base/clock.h"
#include "base/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static int terminal, real_stderr;

static void set_columns(unsigned short columns) {
    struct winsize w = {.ws_row = 24, .ws_col = columns};
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &w), 0);
}

static int setup(void **state) {
    (void)state;
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        return -1;
    char name[64];
    if (ptsname_r(terminal, name, sizeof name) != 0)
        return -1;
    int fd = open(name, O_RDWR | O_NOCTTY);
    if (fd < 0)
        return -1;
    fflush(stderr);
    real_stderr = dup(2);
    dup2(fd, 2);
    close(fd);
    set_columns(80);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    return 0;
}

static int teardown(void **state) {
    (void)state;
    dup2(real_stderr, 2);
    close(real_stderr);
    close(terminal);
    return 0;
}

static const char *drawn(void) {
    static char text[4096];
    struct pollfd p = {terminal, POLLIN, 0};
    ssize_t n = 0;
    if (poll(&p, 1, 0) > 0)
        n = read(terminal, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_waits_draws_and_leaves(void **state) {
    rag_progress p;
    (void)state;
    rag_progress_start(&p, "encoding", "chunks", 200, false);
    rag_progress_set(&p, 1, 200);
    assert_string_equal(drawn(), ""); /* a second has not passed */
    p.started_ms -= 5000;
    rag_progress_set(&p, 50, 200);
    const char *s = drawn();
    assert_non_null(strstr(s, "\r\033[Kencoding "));
    assert_non_null(strstr(s, " 25% 50/200 chunks, "));
    assert_non_null(strstr(s, ", left 0:1"));
    assert_non_null(strstr(s, "\033[32m######\033[0m"));
    rag_progress_set(&p, 51, 200);
    assert_string_equal(drawn(), ""); /* too soon */
    p.drawn_ms -= 200;
    rag_progress_set(&p, 200, 200);
    assert_non_null(strstr(drawn(), "100% 200/200 chunks"));
    rag_progress_hide(&p);
    assert_string_equal(drawn(), "\r\033[K");
    rag_progress_hide(&p);
    assert_string_equal(drawn(), "");
    rag_progress_set(&p, 200, 200);
    assert_string_not_equal(drawn(), "");
    rag_progress_end(&p);
    assert_string_equal(drawn(), "\r\033[K");
    p.drawn_ms = 0;
    rag_progress_set(&p, 200, 200);
    assert_string_equal(drawn(), "");
}

static void test_unknown_total_and_odd_figures(void **state) {
    rag_progress p;
    (void)state;
    rag_progress_start(&p, "reading", "files", 0, false);
    p.started_ms -= 65000;
    rag_progress_set(&p, 7, 0);
    assert_non_null(strstr(drawn(), "reading 7 files, 0/s, 1:05"));
    p.drawn_ms = 0;
    rag_progress_set(&p, 9, 3); /* more than there should be */
    assert_non_null(strstr(drawn(), "100% 9/3 files"));
    p.drawn_ms = 0;
    rag_progress_set(&p, 0, (size_t)-1); /* nothing yet of very much */
    assert_non_null(strstr(drawn(), "  0% 0/"));
    rag_progress_end(&p);
}

static void test_no_colour(void **state) {
    rag_progress p;
    (void)state;
    setenv("NO_COLOR", "1", 1);
    rag_progress_start(&p, "encoding", "chunks", 4, false);
    p.started_ms -= 2000;
    rag_progress_set(&p, 2, 4);
    const char *s = drawn();
    assert_non_null(strstr(s, "############............"));
    assert_null(strstr(s, "\033[32m"));
    rag_progress_end(&p);
}

static void test_narrow_terminal(void **state) {
    rag_progress p;
    (void)state;
    for (unsigned short columns = 1; columns < 90; columns++) {
        set_columns(columns);
        setenv("NO_COLOR", "1", 1);
        rag_progress_start(&p, "색인", "chunks", 400, false);
        p.started_ms -= 2000;
        rag_progress_set(&p, 100, 400);
        const char *s = drawn();
        assert_memory_equal(s, "\r\033[K", 4);
        /* 색인 takes 4 columns and 6 bytes. */
        size_t width = strlen(s + 4) - (strstr(s, "색인") ? 2 : 0);
        assert_true(width < columns || columns == 1);
        rag_progress_end(&p);
        drawn();
    }
}

static void test_silent_where_nobody_looks(void **state) {
    rag_progress p;
    int pipes[2];
    (void)state;
    rag_progress_start(&p, "a", "b", 4, true);
    assert_false(p.enabled);
    setenv("TERM", "dumb", 1);
    rag_progress_start(&p, "a", "b", 4, false);
    assert_false(p.enabled);
    unsetenv("TERM");
    rag_progress_start(&p, "a", "b", 4, false);
    assert_false(p.enabled);
    setenv("TERM", "xterm", 1);
    assert_int_equal(pipe(pipes), 0);
    int was = dup(2);
    dup2(pipes[1], 2);
    rag_progress_start(&p, "a", "b", 4, false);
    dup2(was, 2);
    close(was);
    close(pipes[0]);
    close(pipes[1]);
    assert_false(p.enabled);
    p.started_ms -= 5000;
    rag_progress_set(&p, 1, 4);
    rag_progress_end(&p);
    assert_string_equal(drawn(), "");
}

#define ON_TERMINAL(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_TERMINAL(test_waits_draws_and_leaves),
        ON_TERMINAL(test_unknown_total_and_odd_figures),
        ON_TERMINAL(test_no_colour),
        ON_TERMINAL(test_narrow_terminal),
        ON_TERMINAL(test_silent_where_nobody_looks),
    };
    return cmocka_run_group_tests_name("base/progress", tests, NULL, NULL);
}
