/*
 * path.c - joining paths, and where the project's own files are; see file.h.
 * No state of its own: the environment is read at each call.
 */
#include "base/file.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int rag_path_join(const char *a, const char *b, char **out, rag_error *err) {
    *out = NULL;
    if (!a || !*a || b[0] == '/')
        return rag_str_dup(b, out, err);
    size_t n = strlen(a);
    while (n > 1 && a[n - 1] == '/')
        n--;
    rag_buf p;
    rag_buf_init(&p, 0);
    int rc = rag_buf_append(&p, a, n, err);
    if (rc == 0 && a[n - 1] != '/')
        rc = rag_buf_append_char(&p, '/', err);
    if (rc == 0)
        rc = rag_buf_append_str(&p, b, err);
    if (rc == 0)
        rc = rag_buf_steal(&p, out, NULL, err);
    rag_buf_free(&p);
    return rc;
}

const char *rag_path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Where `make install` puts what the program itself brings, seen from the
 * folder of the program. */
#define SHARE_DIR "../share/ragd"

const char *rag_path_program(char *buf, size_t cap) {
    ssize_t n = readlink("/proc/self/exe", buf, cap - 1);
    if (n <= 0)
        return NULL;
    buf[n] = '\0';
    char *slash = strrchr(buf, '/');
    if (!slash)
        return NULL;
    *slash = '\0';
    return buf;
}

static int join_if_there(const char *dir, const char *name, char **out,
                         rag_error *err) {
    int rc = rag_path_join(dir, name, out, err);
    if (rc == 0 && !rag_file_exists(*out)) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

int rag_path_own(const char *program_dir, const char *tree, const char *name,
                 char **out, rag_error *err) {
    char *share = NULL;
    int rc = 0;
    *out = NULL;
    if (program_dir)
        rc = rag_path_join(program_dir, SHARE_DIR, &share, err);
    if (rc == 0 && share)
        rc = join_if_there(share, name, out, err);
    free(share);
    if (rc == 0 && !*out)
        rc = join_if_there(tree, name, out, err);
    return rc == 0 && !*out ? rag_str_dup("", out, err) : rc;
}

/* An environment variable that is set and not empty. */
static const char *env(const char *name) {
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* As env(), but an absolute path: the XDG base directory specification has
 * relative ones ignored. */
static const char *env_absolute(const char *name) {
    const char *v = env(name);
    return v && v[0] == '/' ? v : NULL;
}

static int make_absolute(const char *path, char **out, rag_error *err) {
    *out = NULL;
    if (path[0] == '/')
        return rag_str_dup(path, out, err);
    char *cwd = getcwd(NULL, 0);
    if (!cwd)
        return rag_error_errno(err, RAG_E_IO, errno,
                               "cannot tell the current folder");
    int rc = rag_path_join(cwd, path, out, err);
    free(cwd);
    return rc;
}

static int home_folder(char **out, rag_error *err) {
    const char *home = env_absolute("HOME");
    *out = NULL;
    if (home)
        return rag_str_dup(home, out, err);
    struct passwd pw, *found = NULL;
    char text[4096];
    if (getpwuid_r(getuid(), &pw, text, sizeof text, &found) != 0 || !found ||
        !found->pw_dir || found->pw_dir[0] != '/')
        return rag_error_set(err, RAG_E_NOTFOUND,
                             "cannot tell your home folder: set HOME");
    return rag_str_dup(found->pw_dir, out, err);
}

/* ${XDG:-~/below}/tail */
static int xdg_place(const char *xdg, const char *below, const char *tail,
                     char **out, rag_error *err) {
    char *home = NULL, *base = NULL;
    const char *v = env_absolute(xdg);
    int rc = 0;
    *out = NULL;
    if (v) {
        rc = rag_str_dup(v, &base, err);
    } else {
        rc = home_folder(&home, err);
        if (rc == 0)
            rc = rag_path_join(home, below, &base, err);
    }
    if (rc == 0)
        rc = rag_path_join(base, tail, out, err);
    free(home);
    free(base);
    return rc;
}

/* The folder for the socket where there is no XDG_RUNTIME_DIR: anyone can
 * make names in /tmp, so that only one that is ours alone is trusted. */
static int private_folder(const char *path, rag_error *err) {
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return rag_error_errno(err, RAG_E_IO, errno,
                               "cannot make the folder %s", path);
    if (lstat(path, &st) != 0)
        return rag_error_errno(err, RAG_E_IO, errno, "cannot examine %s", path);
    if (!S_ISDIR(st.st_mode))
        return rag_error_set(err, RAG_E_PERMISSION,
                             "%s is no folder: remove it, or set RAGD_SOCKET",
                             path);
    if (st.st_uid != geteuid())
        return rag_error_set(err, RAG_E_PERMISSION,
                             "the folder %s belongs to another user: set "
                             "RAGD_SOCKET or XDG_RUNTIME_DIR",
                             path);
    if ((st.st_mode & 077) != 0)
        return rag_error_set(err, RAG_E_PERMISSION,
                             "the folder %s is open to other users: chmod 700 "
                             "it, or set RAGD_SOCKET",
                             path);
    return 0;
}

static int socket_place(char **out, rag_error *err) {
    const char *v = env("RAGD_SOCKET");
    int rc;
    *out = NULL;
    if (v) {
        rc = make_absolute(v, out, err);
    } else if ((v = env_absolute("XDG_RUNTIME_DIR")) != NULL) {
        rc = rag_path_join(v, "ragd.sock", out, err);
    } else {
        char name[48];
        char *folder = NULL;
        const char *tmp = env_absolute("TMPDIR");
        snprintf(name, sizeof name, "ragd-%lu", (unsigned long)geteuid());
        rc = rag_path_join(tmp ? tmp : "/tmp", name, &folder, err);
        if (rc == 0)
            rc = private_folder(folder, err);
        if (rc == 0)
            rc = rag_path_join(folder, "ragd.sock", out, err);
        free(folder);
    }
    struct sockaddr_un un;
    if (rc == 0 && strlen(*out) >= sizeof un.sun_path) {
        rc = rag_error_set(err, RAG_E_LIMIT,
                           "the socket's path %s is over %zu bytes: set "
                           "RAGD_SOCKET to a shorter one",
                           *out, sizeof un.sun_path - 1);
        free(*out);
        *out = NULL;
    }
    return rc;
}

int rag_path_place(rag_place place, char **out, rag_error *err) {
    const char *v;
    *out = NULL;
    switch (place) {
    case RAG_PLACE_CACHE:
        v = env("RAGD_CACHE");
        return v ? make_absolute(v, out, err)
                 : xdg_place("XDG_CACHE_HOME", ".cache", "ragd", out, err);
    case RAG_PLACE_DATA:
        v = env("RAGD_DATA");
        return v ? make_absolute(v, out, err)
                 : xdg_place("XDG_DATA_HOME", ".local/share", "ragd", out, err);
    case RAG_PLACE_CONFIG:
        return xdg_place("XDG_CONFIG_HOME", ".config", "ragd/ragd.conf", out,
                         err);
    case RAG_PLACE_SOCKET:
        return socket_place(out, err);
    }
    return rag_error_set(err, RAG_E_INTERNAL, "no such place: %d", (int)place);
}
