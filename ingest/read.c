/*
 * read.c - walks a root and reads its files.
 *
 * Folders are opened relative to the folder that holds them and never through
 * a symbolic link, so that nothing renamed during the walk leads out of the
 * root. Names are taken in byte order: the same folder gives the same
 * documents in the same order everywhere.
 *
 * Called by rag-ingest; one walk a thread.
 */
#include "ingest/ingest_int.h"

#include "base/file.h"
#include "base/unicode.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_ENTRIES_MAX 1000000

typedef struct walk {
    rag_source src; /* path is that of the entry in hand */
    char *root; /* absolute, real; owned */
    rag_buf path; /* of the entry in hand */
    size_t file_max;
    rag_error *err;
} walk;

static void problem(walk *w, rag_code code, const char *fmt, ...)
    RAG_PRINTF(3, 4);
static void problem(walk *w, rag_code code, const char *fmt, ...) {
    va_list ap;
    rag_error e;
    char text[RAG_ERROR_MESSAGE_MAX];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rag_error_set(&e, code, "%s", text);
    w->src.on_problem(w->src.user, rag_buf_str(&w->path), 0, code, e.message);
}

static void problem_errno(walk *w, int errnum, const char *what) {
    rag_error e;
    rag_code code = errnum == EACCES || errnum == EPERM ? RAG_E_PERMISSION
                    : errnum == ENOENT                  ? RAG_E_NOINPUT
                                                        : RAG_E_IO;
    rag_error_errno(&e, code, errnum, "%s", what);
    w->src.on_problem(w->src.user, rag_buf_str(&w->path), 0, code, e.message);
}

/* Reads all of fd (size is what fstat said; a file may grow meanwhile). */
static int read_all(walk *w, int fd, size_t size, rag_buf *out, bool *read_ok) {
    *read_ok = false;
    int rc = rag_buf_reserve(out, size + 1, w->err);
    while (!rc) {
        if (out->len > w->file_max) {
            problem(w, RAG_E_LIMIT, "it is over the limit of %zu MiB",
                    w->file_max >> 20);
            return RAG_OK;
        }
        if ((rc = rag_buf_reserve(out, 65536, w->err)))
            break;
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            problem_errno(w, errno, "it cannot be read");
            return RAG_OK;
        }
        if (n == 0) {
            *read_ok = true;
            break;
        }
        out->len += (size_t)n;
        out->data[out->len] = '\0';
    }
    return rc;
}

static int read_file(walk *w, int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        problem_errno(w, errno, "it cannot be read");
        return RAG_OK;
    }
    if (!S_ISREG(st.st_mode)) {
        problem(w, RAG_E_UNSUPPORTED, "it is no regular file");
        return RAG_OK;
    }
    if (st.st_size > (off_t)w->file_max) {
        problem(w, RAG_E_LIMIT, "it is over the limit of %zu MiB",
                w->file_max >> 20);
        return RAG_OK;
    }
    if (st.st_size == 0) {
        problem(w, RAG_E_DATA, "it is empty");
        return RAG_OK;
    }
    const char *path = rag_buf_str(&w->path), *why;
    rag_buf bytes;
    rag_buf_init(&bytes, w->file_max + 262144);
    char first[512];
    ssize_t n = pread(fd, first, sizeof first, 0);
    rag_format format = rag_format_of(path, first, n > 0 ? (size_t)n : 0, &why);
    if (format == RAG_FORMAT_UNKNOWN) {
        problem(w, RAG_E_UNSUPPORTED, "%s", why);
        return RAG_OK;
    }
    bool ok;
    int rc = read_all(w, fd, (size_t)st.st_size, &bytes, &ok);
    if (!rc && ok) {
        w->src.path = path;
        rc = rag_ingest_parse(&w->src, format, rag_buf_str(&bytes), bytes.len,
                              w->err);
    }
    rag_buf_free(&bytes);
    return rc;
}

/* A link inside the root needs no reading: what it points at is read where it
 * lies. One that leaves it is not followed. */
static void judge_link(walk *w) {
    char *real = realpath(rag_buf_str(&w->path), NULL);
    if (!real) {
        problem_errno(w, errno, "it is a symbolic link to nothing");
        return;
    }
    size_t n = strlen(w->root);
    bool inside = !strncmp(real, w->root, n) &&
                  (real[n] == '/' || real[n] == '\0' || n == 1);
    if (!inside)
        problem(w, RAG_E_UNSUPPORTED,
                "it is a symbolic link that leaves the folder; name what it "
                "points at to read it");
    free(real);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* All names in the folder that are to be looked at, sorted. */
static int list_folder(walk *w, DIR *dir, char ***out, size_t *count) {
    char **names = NULL;
    size_t n = 0, cap = 0;
    *out = NULL;
    *count = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e) {
            if (errno != 0)
                problem_errno(w, errno, "the folder cannot be read to its end");
            break;
        }
        const char *name = e->d_name;
        if (!strcmp(name, ".") || !strcmp(name, "..") ||
            (name[0] == '.' && !w->src.opt->hidden))
            continue;
        if (n == FOLDER_ENTRIES_MAX) {
            problem(w, RAG_E_LIMIT, "it holds over %d entries",
                    FOLDER_ENTRIES_MAX);
            break;
        }
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            char **more = realloc(names, cap * sizeof *more);
            if (!more) {
                free_names(names, n);
                return rag_error_set(w->err, RAG_E_NOMEM,
                                     "no memory for a folder");
            }
            names = more;
        }
        int rc = rag_str_dup(name, &names[n], w->err);
        if (rc) {
            free_names(names, n);
            return rc;
        }
        n++;
    }
    if (n > 0)
        qsort(names, n, sizeof *names, by_bytes);
    *out = names;
    *count = n;
    return RAG_OK;
}

static int read_folder(walk *w, int fd, int depth);

static int read_entry(walk *w, int dir, const char *name, int depth) {
    struct stat st;
    if (!rag_utf8_valid(name, strlen(name), NULL)) {
        problem(w, RAG_E_DATA,
                "its name is not valid UTF-8; rename it to read it");
        return RAG_OK;
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        problem_errno(w, errno, "it cannot be read");
        return RAG_OK;
    }
    if (S_ISLNK(st.st_mode)) {
        judge_link(w);
        return RAG_OK;
    }
    bool folder = S_ISDIR(st.st_mode);
    if (!folder && !S_ISREG(st.st_mode)) {
        problem(w, RAG_E_UNSUPPORTED,
                "it is a device, socket or pipe; only files are read");
        return RAG_OK;
    }
    if (folder && depth >= RAG_INGEST_DEPTH_MAX) {
        problem(w, RAG_E_LIMIT, "folders are nested over %d deep",
                RAG_INGEST_DEPTH_MAX);
        return RAG_OK;
    }
    /* Not blocking: what was a file a moment ago may be a pipe now. */
    int fd = openat(dir, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
                        (folder ? O_DIRECTORY : 0));
    if (fd < 0) {
        problem_errno(w, errno, "it cannot be opened");
        return RAG_OK;
    }
    if (folder)
        return read_folder(w, fd, depth + 1); /* closes fd */
    int rc = read_file(w, fd);
    close(fd);
    return rc;
}

/* Everything in the folder fd (closed here), whose path is in w->path. */
static int read_folder(walk *w, int fd, int depth) {
    DIR *dir = fdopendir(fd);
    if (!dir) {
        problem_errno(w, errno, "the folder cannot be read");
        close(fd);
        return RAG_OK;
    }
    char **names;
    size_t n;
    int rc = list_folder(w, dir, &names, &n);
    size_t len = w->path.len;
    bool slash = len > 0 && w->path.data[len - 1] == '/';
    for (size_t i = 0; i < n && !rc; i++) {
        if (!slash)
            rc = rag_buf_append_char(&w->path, '/', w->err);
        if (!rc)
            rc = rag_buf_append_str(&w->path, names[i], w->err);
        if (!rc)
            rc = read_entry(w, fd, names[i], depth);
        w->path.len = len;
        w->path.data[len] = '\0';
    }
    if (names)
        free_names(names, n);
    closedir(dir);
    return rc;
}

int rag_ingest_read(const char *path, const rag_ingest_options *opt,
                    const rag_sentences *sentences, rag_document_fn on_document,
                    rag_problem_fn on_problem, void *user, rag_error *err) {
    (void)sentences; /* reading cuts nothing; chunking does */
    static const rag_ingest_options DEFAULTS;
    if (!opt)
        opt = &DEFAULTS;
    walk w = {.err = err};
    rag_buf_init(&w.path, 65536);
    w.file_max = opt->file_max ? opt->file_max : RAG_INGEST_FILE_MAX;
    int rc, fd = -1;
    struct stat st;
    w.root = realpath(path, NULL);
    if (!w.root) {
        rc = rag_error_errno(err,
                             errno == EACCES ? RAG_E_PERMISSION : RAG_E_NOINPUT,
                             errno, "%s", path);
        goto out;
    }
    if (!rag_utf8_valid(w.root, strlen(w.root), NULL)) {
        rc = rag_error_set(err, RAG_E_NOINPUT,
                           "%s: the path is not valid UTF-8", path);
        goto out;
    }
    fd = open(w.root, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        rc = rag_error_errno(err,
                             errno == EACCES ? RAG_E_PERMISSION : RAG_E_NOINPUT,
                             errno, "%s", path);
        goto out;
    }
    w.src = (rag_source){.root = w.root,
                         .opt = opt,
                         .on_document = on_document,
                         .on_problem = on_problem,
                         .user = user};
    if ((rc = rag_buf_append_str(&w.path, w.root, err)))
        goto out;
    if (S_ISDIR(st.st_mode)) {
        rc = read_folder(&w, fd, 0);
        fd = -1;
    } else if (S_ISREG(st.st_mode)) {
        rc = read_file(&w, fd);
    } else {
        rc = rag_error_set(err, RAG_E_NOINPUT,
                           "%s: neither a file nor a folder", path);
    }
out:
    if (fd >= 0)
        close(fd);
    rag_buf_free(&w.path);
    free(w.root);
    return rc;
}
