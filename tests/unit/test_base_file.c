/*
 * Promises: what is read is a regular file within its limit, whatever was put
 * in its place; what is replaced is replaced whole or not at all and leaves
 * nothing beside it; a lock has one holder and names it; the project's places
 * follow the environment, and a socket folder of someone else is not trusted.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];

static const char *in(const char *name) {
    static char paths[4][400];
    static int turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", folder, name);
    return p;
}

static int setup(void **state) {
    const char *tmp = getenv("TMPDIR");
    (void)state;
    snprintf(folder, sizeof folder, "%s/file-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

/* Removes what is in path, and path. */
static void remove_all(const char *path) {
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        char sub[600];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        if (unlink(sub) != 0)
            remove_all(sub);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int teardown(void **state) {
    (void)state;
    remove_all(folder);
    return 0;
}

static size_t entries(const char *path) {
    DIR *d = opendir(path);
    size_t n = 0;
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void put(const char *path, const char *s) {
    rag_error err;
    assert_int_equal(rag_file_replace(path, s, strlen(s), 0644, &err), 0);
}

static void test_read(void **state) {
    rag_buf b;
    rag_error err;
    (void)state;
    rag_buf_init(&b, 0);
    put(in("a"), "hello");
    assert_int_equal(rag_file_read(in("a"), 100, &b, &err), 0);
    assert_string_equal(b.data, "hello");
    /* What was in the buffer is replaced. */
    assert_int_equal(rag_file_read(in("a"), 5, &b, &err), 0);
    assert_string_equal(b.data, "hello");
    assert_int_equal(rag_file_read(in("a"), 4, &b, &err), RAG_E_LIMIT);
    assert_non_null(strstr(err.message, "/a is larger than the limit of 4"));
    assert_int_equal(b.len, 0);
    put(in("empty"), "");
    assert_int_equal(rag_file_read(in("empty"), 0, &b, &err), 0);
    assert_string_equal(rag_buf_str(&b), "");
    rag_buf_free(&b);
    /* The buffer's own ceiling holds too. */
    rag_buf_init(&b, 3);
    assert_int_equal(rag_file_read(in("a"), 100, &b, &err), RAG_E_LIMIT);
    rag_buf_free(&b);
    /* A file that says it is empty and is not, and one without an end. */
    rag_buf_init(&b, 0);
    assert_int_equal(rag_file_read("/proc/self/status", 1 << 20, &b, &err), 0);
    assert_true(b.len > 100);
    assert_int_equal(rag_file_read("/proc/self/status", 10, &b, &err),
                     RAG_E_LIMIT);
    rag_buf_free(&b);
}

static void test_only_regular_files(void **state) {
    rag_buf b;
    rag_error err;
    rag_file_map m;
    (void)state;
    rag_buf_init(&b, 0);
    assert_int_equal(rag_file_read(in("none"), 9, &b, &err), RAG_E_NOINPUT);
    put(in("a"), "x");
    assert_int_equal(rag_file_read(in("a/b"), 9, &b, &err), RAG_E_NOINPUT);
    assert_int_equal(rag_file_read(folder, 9, &b, &err), RAG_E_DATA);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    assert_int_equal(rag_file_read(in("pipe"), 9, &b, &err), RAG_E_DATA);
    assert_int_equal(rag_file_read("/dev/zero", 9, &b, &err), RAG_E_DATA);
    assert_int_equal(rag_file_map_open(in("pipe"), &m, &err), RAG_E_DATA);
    assert_null(m.data);
    assert_int_equal(rag_file_map_open(in("none"), &m, &err), RAG_E_NOINPUT);
    assert_int_equal(symlink(in("a"), in("link")), 0);
    assert_int_equal(rag_file_read(in("link"), 9, &b, &err), 0);
    assert_string_equal(b.data, "x");
    assert_int_equal(symlink(in("loop"), in("loop")), 0);
    assert_int_equal(rag_file_read(in("loop"), 9, &b, &err), RAG_E_IO);
    rag_buf_free(&b);
}

static void test_map(void **state) {
    rag_error err;
    rag_file_map m;
    (void)state;
    put(in("a"), "hello");
    assert_int_equal(rag_file_map_open(in("a"), &m, &err), 0);
    assert_int_equal(m.len, 5);
    assert_memory_equal(m.data, "hello", 5);
    /* The map is of the file that was there, not of the name. */
    put(in("a"), "other");
    assert_memory_equal(m.data, "hello", 5);
    /* What was given back is read again. */
    rag_file_map_forget(&m);
    assert_memory_equal(m.data, "hello", 5);
    rag_file_unmap(&m);
    rag_file_unmap(&m);
    rag_file_unmap(NULL);
    put(in("empty"), "");
    assert_int_equal(rag_file_map_open(in("empty"), &m, &err), 0);
    assert_int_equal(m.len, 0);
    assert_non_null(m.data);
    rag_file_map_forget(&m);
    rag_file_unmap(&m);
}

static void test_replace(void **state) {
    rag_error err;
    rag_buf b;
    struct stat st;
    (void)state;
    rag_buf_init(&b, 0);
    mode_t was = umask(077);
    assert_int_equal(rag_file_replace(in("a"), "1", 1, 0640, &err), 0);
    umask(was);
    assert_int_equal(stat(in("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(rag_file_replace(in("a"), "22", 2, 0600, &err), 0);
    assert_int_equal(rag_file_read(in("a"), 9, &b, &err), 0);
    assert_string_equal(b.data, "22");
    assert_int_equal(rag_file_replace(in("a"), NULL, 0, 0600, &err), 0);
    assert_int_equal(entries(folder), 1);
    /* What fails leaves the target and nothing else. */
    assert_int_equal(mkdir(in("dir"), 0700), 0);
    assert_int_equal(rag_file_replace(in("dir"), "x", 1, 0600, &err), RAG_E_IO);
    assert_int_equal(rag_file_replace(in("no/x"), "x", 1, 0600, &err),
                     RAG_E_NOINPUT);
    assert_int_equal(entries(folder), 2);
    rag_buf_free(&b);
}

/* As on a full disk: a write fails in its middle. In a process of its own,
 * for the limit is the process's. */
static void test_replace_on_a_full_disk_keeps_the_old(void **state) {
    rag_buf b;
    rag_error err;
    (void)state;
    put(in("a"), "old");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit = {4096, 4096};
        char big[8192];
        memset(big, 'x', sizeof big);
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(9);
        _exit(rag_file_replace(in("a"), big, sizeof big, 0600, NULL) == RAG_E_IO
                  ? 0
                  : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    rag_buf_init(&b, 0);
    assert_int_equal(rag_file_read(in("a"), 9, &b, &err), 0);
    assert_string_equal(b.data, "old");
    assert_int_equal(entries(folder), 1);
    rag_buf_free(&b);
}

static void test_publish(void **state) {
    rag_error err;
    (void)state;
    put(in("tmp"), "new");
    put(in("a"), "old");
    assert_int_equal(rag_file_publish(in("tmp"), in("a"), &err), 0);
    assert_false(rag_file_exists(in("tmp")));
    assert_int_equal(rag_file_publish(in("tmp"), in("a"), &err), RAG_E_NOINPUT);
    assert_true(rag_file_exists(in("a")));
    assert_int_equal(rag_file_sync_parent(in("a"), &err), 0);
    assert_int_equal(rag_file_sync_parent("x", &err), 0);
    assert_int_equal(rag_file_sync_parent("/x", &err), 0);
    assert_int_equal(rag_file_sync_parent(in("none/x"), &err), RAG_E_NOINPUT);
    assert_false(rag_file_exists(NULL));
}

/* A folder of plain files goes; what holds a folder stays, as does what is
 * behind a link. */
static void test_remove_folder(void **state) {
    rag_error err = {0};
    (void)state;
    rag_file_remove_folder(NULL);
    rag_file_remove_folder(in("absent"));
    assert_int_equal(rag_file_mkdirs(in("run"), 0700, &err), 0);
    assert_int_equal(rag_file_mkdirs(in("kept/inner"), 0700, &err), 0);
    put(in("run/a"), "1");
    put(in("kept/a"), "1");
    put(in("other"), "1");
    assert_int_equal(symlink(in("other"), in("run/link")), 0);
    rag_file_remove_folder(in("run"));
    assert_false(rag_file_exists(in("run")));
    assert_true(rag_file_exists(in("other")));
    rag_file_remove_folder(in("kept"));
    assert_true(rag_file_exists(in("kept/inner")));
}

static void test_mkdirs(void **state) {
    rag_error err;
    struct stat st;
    (void)state;
    mode_t was = umask(022);
    assert_int_equal(rag_file_mkdirs(in("a/b//c/"), 0700, &err), 0);
    umask(was);
    assert_int_equal(stat(in("a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rag_file_mkdirs(in("a/b/c"), 0755, &err), 0);
    assert_int_equal(stat(in("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700); /* left as it was */
    assert_int_equal(rag_file_mkdirs("/", 0755, &err), 0);
    put(in("file"), "");
    assert_int_not_equal(rag_file_mkdirs(in("file"), 0755, &err), 0);
    assert_int_not_equal(rag_file_mkdirs(in("file/x"), 0755, &err), 0);
    assert_int_equal(rag_file_mkdirs("", 0755, &err), RAG_E_USAGE);
    /* A link to a folder is a folder. */
    assert_int_equal(symlink(in("a"), in("link")), 0);
    assert_int_equal(rag_file_mkdirs(in("link/d"), 0700, &err), 0);
    assert_true(rag_file_exists(in("a/d")));
}

static void test_lock(void **state) {
    rag_error err;
    char want[64];
    int a, b;
    (void)state;
    assert_int_equal(rag_file_lock(in("lock"), &a, &err), 0);
    assert_int_equal(fcntl(a, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(rag_file_lock(in("lock"), &b, &err), RAG_E_BUSY);
    assert_int_equal(b, -1);
    snprintf(want, sizeof want, "is held by process %ld", (long)getpid());
    assert_non_null(strstr(err.message, want));
    close(a);
    assert_int_equal(rag_file_lock(in("lock"), &b, &err), 0);
    /* What the file says is only a hint, and may be anything. */
    assert_int_equal(ftruncate(b, 0), 0);
    assert_int_equal(pwrite(b, "\x1b[2J99999999999999999999999999", 30, 0), 30);
    assert_int_equal(rag_file_lock(in("lock"), &a, &err), RAG_E_BUSY);
    assert_non_null(strstr(err.message, "is held by another process"));
    close(b);
    assert_int_equal(symlink(in("lock"), in("link")), 0);
    assert_int_not_equal(rag_file_lock(in("link"), &a, &err), 0);
    assert_int_equal(rag_file_lock(in("none/lock"), &a, &err), RAG_E_NOINPUT);
}

static void test_lock_ends_with_its_process(void **state) {
    rag_error err;
    int ready[2], fd;
    char c;
    (void)state;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        c = rag_file_lock(in("lock"), &fd, NULL) == 0 ? 'y' : 'n';
        if (write(ready[1], &c, 1) == 1)
            pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    assert_int_equal(rag_file_lock(in("lock"), &fd, &err), RAG_E_BUSY);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(rag_file_lock(in("lock"), &fd, &err), 0);
    close(fd);
    close(ready[0]);
    close(ready[1]);
}

static void expect_join(const char *a, const char *b, const char *want) {
    char *p;
    rag_error err;
    assert_int_equal(rag_path_join(a, b, &p, &err), 0);
    assert_string_equal(p, want);
    free(p);
}

static void test_join_and_base(void **state) {
    (void)state;
    expect_join("a", "b", "a/b");
    expect_join("a/", "b", "a/b");
    expect_join("a///", "b/c", "a/b/c");
    expect_join("/", "b", "/b");
    expect_join("a", "/b", "/b");
    expect_join("", "b", "b");
    expect_join(NULL, "b", "b");
    assert_string_equal(rag_path_base("/a/b.txt"), "b.txt");
    assert_string_equal(rag_path_base("b.txt"), "b.txt");
    assert_string_equal(rag_path_base("/a/"), "");
}

static void expect_place(rag_place place, const char *want) {
    char *p;
    rag_error err;
    rag_error_clear(&err);
    if (rag_path_place(place, &p, &err) != 0)
        fail_msg("%s", err.message);
    assert_string_equal(p, want);
    free(p);
}

static void clear_environment(void) {
    const char *names[] = {
        "RAGD_CACHE",    "RAGD_DATA",       "RAGD_SOCKET",     "XDG_CACHE_HOME",
        "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "TMPDIR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    setenv("HOME", "/home/u", 1);
}

static void test_places(void **state) {
    char *p, cwd[300], want[400];
    rag_error err;
    (void)state;
    clear_environment();
    expect_place(RAG_PLACE_CACHE, "/home/u/.cache/ragd");
    expect_place(RAG_PLACE_DATA, "/home/u/.local/share/ragd");
    expect_place(RAG_PLACE_CONFIG, "/home/u/.config/ragd/ragd.conf");
    setenv("XDG_CACHE_HOME", "/c", 1);
    setenv("XDG_DATA_HOME", "/d/", 1);
    setenv("XDG_CONFIG_HOME", "/e", 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
    expect_place(RAG_PLACE_CACHE, "/c/ragd");
    expect_place(RAG_PLACE_DATA, "/d/ragd");
    expect_place(RAG_PLACE_CONFIG, "/e/ragd/ragd.conf");
    expect_place(RAG_PLACE_SOCKET, "/run/user/1/ragd.sock");
    /* Relative and empty ones count as unset (XDG base directories). */
    setenv("XDG_CACHE_HOME", "c", 1);
    setenv("XDG_DATA_HOME", "", 1);
    expect_place(RAG_PLACE_CACHE, "/home/u/.cache/ragd");
    expect_place(RAG_PLACE_DATA, "/home/u/.local/share/ragd");
    /* Ours come first, and are made absolute. */
    setenv("RAGD_CACHE", "/x", 1);
    setenv("RAGD_DATA", "y", 1);
    setenv("RAGD_SOCKET", "z.sock", 1);
    assert_non_null(getcwd(cwd, sizeof cwd));
    expect_place(RAG_PLACE_CACHE, "/x");
    snprintf(want, sizeof want, "%s/y", cwd);
    expect_place(RAG_PLACE_DATA, want);
    snprintf(want, sizeof want, "%s/z.sock", cwd);
    expect_place(RAG_PLACE_SOCKET, want);
    memset(want, 'a', 200);
    want[0] = '/';
    want[200] = '\0';
    setenv("RAGD_SOCKET", want, 1);
    assert_int_equal(rag_path_place(RAG_PLACE_SOCKET, &p, &err), RAG_E_LIMIT);
    assert_null(p);
    clear_environment();
}

static void test_socket_folder_must_be_ours_alone(void **state) {
    char own[350], want[400];
    struct stat st;
    char *p;
    rag_error err;
    (void)state;
    clear_environment();
    setenv("TMPDIR", folder, 1);
    snprintf(own, sizeof own, "%s/ragd-%lu", folder, (unsigned long)geteuid());
    snprintf(want, sizeof want, "%s/ragd.sock", own);
    mode_t was = umask(0);
    expect_place(RAG_PLACE_SOCKET, want);
    umask(was);
    assert_int_equal(stat(own, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    expect_place(RAG_PLACE_SOCKET, want); /* it is there now */
    assert_int_equal(chmod(own, 0750), 0);
    assert_int_equal(rag_path_place(RAG_PLACE_SOCKET, &p, &err),
                     RAG_E_PERMISSION);
    assert_null(p);
    assert_non_null(strstr(err.message, "chmod 700"));
    /* Neither a link to a good folder nor a file. */
    assert_int_equal(rmdir(own), 0);
    assert_int_equal(mkdir(in("good"), 0700), 0);
    assert_int_equal(symlink(in("good"), own), 0);
    assert_int_equal(rag_path_place(RAG_PLACE_SOCKET, &p, &err),
                     RAG_E_PERMISSION);
    assert_int_equal(unlink(own), 0);
    put(own, "");
    assert_int_equal(rag_path_place(RAG_PLACE_SOCKET, &p, &err),
                     RAG_E_PERMISSION);
    assert_int_equal(unlink(own), 0);
    /* Another user's: only root can make one. */
    if (geteuid() == 0) {
        assert_int_equal(mkdir(own, 0700), 0);
        assert_int_equal(chown(own, 1, 1), 0);
        assert_int_equal(rag_path_place(RAG_PLACE_SOCKET, &p, &err),
                         RAG_E_PERMISSION);
        assert_non_null(strstr(err.message, "another user"));
    }
    clear_environment();
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Installed files win over the source tree's; what is nowhere is "". */
static void own_files_are_found(void **state) {
    (void)state;
    rag_error err = {0};
    char dir[] = "/tmp/rag-own-XXXXXX", exe[4096], *p, *bin, *share;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(rag_path_join(dir, "bin", &bin, &err), 0);
    assert_int_equal(rag_path_join(dir, "share/ragd", &share, &err), 0);
    assert_int_equal(rag_file_mkdirs(bin, 0700, &err), 0);
    assert_int_equal(rag_file_mkdirs(share, 0700, &err), 0);
    assert_int_equal(rag_path_own(bin, dir, "own", &p, &err), 0);
    assert_string_equal(p, "");
    free(p);
    char *tree, *installed;
    assert_int_equal(rag_path_join(dir, "own", &tree, &err), 0);
    assert_int_equal(rag_path_join(share, "own", &installed, &err), 0);
    assert_int_equal(rag_file_replace(tree, "x", 1, 0600, &err), 0);
    assert_int_equal(rag_path_own(bin, dir, "own", &p, &err), 0);
    assert_string_equal(p, tree);
    free(p);
    assert_int_equal(rag_file_replace(installed, "x", 1, 0600, &err), 0);
    assert_int_equal(rag_path_own(bin, dir, "own", &p, &err), 0);
    assert_non_null(strstr(p, "/share/ragd/own"));
    free(p);
    assert_int_equal(rag_path_own(NULL, dir, "own", &p, &err), 0);
    assert_string_equal(p, tree);
    free(p);
    assert_non_null(rag_path_program(exe, sizeof exe));
    assert_true(rag_file_exists(exe));
    rag_file_remove_folder(share);
    rag_file_remove_folder(bin);
    unlink(tree);
    assert_int_equal(rag_path_join(dir, "share", &p, &err), 0);
    assert_int_equal(rmdir(p), 0);
    assert_int_equal(rmdir(dir), 0);
    free(p);
    free(bin);
    free(share);
    free(tree);
    free(installed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_read),
        IN_FOLDER(test_only_regular_files),
        IN_FOLDER(test_map),
        IN_FOLDER(test_replace),
        IN_FOLDER(test_replace_on_a_full_disk_keeps_the_old),
        IN_FOLDER(test_publish),
        IN_FOLDER(test_remove_folder),
        IN_FOLDER(test_mkdirs),
        IN_FOLDER(test_lock),
        IN_FOLDER(test_lock_ends_with_its_process),
        cmocka_unit_test(own_files_are_found),
        cmocka_unit_test(test_join_and_base),
        IN_FOLDER(test_socket_folder_must_be_ours_alone),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests_name("base/file", tests, NULL, NULL);
}
