/*
 * file.c - files and folders; see file.h. No state, any thread.
 *
 * Everything is opened close-on-exec, and what is to be read without
 * blocking, so that a named pipe put where a file should be is refused
 * instead of waited for.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BLOCK ((size_t)1 << 16)

static rag_code open_code(int e) {
    switch (e) {
    case ENOENT:
    case ENOTDIR:
        return RAG_E_NOINPUT;
    case EACCES:
    case EPERM:
        return RAG_E_PERMISSION;
    case ENOMEM:
        return RAG_E_NOMEM;
    default:
        return RAG_E_IO;
    }
}

int rag_file_open(const char *path, int *fd_out, off_t *size, rag_error *err) {
    struct stat st;
    *fd_out = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        /* A socket cannot be opened: ENXIO. */
        if (errno == ENXIO)
            return rag_error_set(err, RAG_E_DATA, "%s is no regular file",
                                 path);
        return rag_error_errno(err, open_code(errno), errno, "cannot open %s",
                               path);
    }
    if (fstat(fd, &st) != 0) {
        int e = errno;
        close(fd);
        return rag_error_errno(err, RAG_E_IO, e, "cannot examine %s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return rag_error_set(err, RAG_E_DATA,
                             S_ISDIR(st.st_mode) ? "%s is a folder, not a file"
                                                 : "%s is no regular file",
                             path);
    }
    *fd_out = fd;
    if (size)
        *size = st.st_size;
    return 0;
}

static int too_large(rag_error *err, const char *path, size_t max) {
    return rag_error_set(err, RAG_E_LIMIT,
                         "%s is larger than the limit of %zu bytes", path, max);
}

int rag_file_read(const char *path, size_t max, rag_buf *out, rag_error *err) {
    int fd;
    off_t size;
    size_t ceiling = out->max ? out->max : RAG_BUF_MAX_DEFAULT;
    if (max > ceiling)
        max = ceiling;
    rag_buf_clear(out);
    int rc = rag_file_open(path, &fd, &size, err);
    if (rc)
        return rc;
    if (size < 0 || (uint64_t)size > max) {
        rc = too_large(err, path, max);
        goto out;
    }
    rc = rag_buf_reserve(out, (size_t)size, err);
    /* The size is a hint: the file may grow meanwhile, and in /proc it is 0.
     * The extra byte past max is what tells a file that is too large. */
    while (rc == 0) {
        char extra[1];
        size_t room = max - out->len;
        if (room > READ_BLOCK)
            room = READ_BLOCK;
        rc = rag_buf_reserve(out, room, err);
        if (rc)
            break;
        ssize_t n = room > 0 ? read(fd, out->data + out->len, room)
                             : read(fd, extra, sizeof extra);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = rag_error_errno(err, RAG_E_IO, errno, "cannot read %s", path);
            break;
        }
        if (n == 0)
            break;
        if (room == 0) {
            rc = too_large(err, path, max);
            break;
        }
        out->len += (size_t)n;
        out->data[out->len] = '\0';
    }
out:
    if (rc)
        rag_buf_clear(out);
    close(fd);
    return rc;
}

int rag_file_map_open(const char *path, rag_file_map *out, rag_error *err) {
    static const unsigned char nothing[1] = {0};
    int fd;
    off_t size;
    *out = (rag_file_map){NULL, 0, NULL};
    int rc = rag_file_open(path, &fd, &size, err);
    if (rc)
        return rc;
    if (size == 0) {
        out->data = nothing;
    } else if (size < 0 || (uint64_t)size > SIZE_MAX) {
        rc = too_large(err, path, SIZE_MAX);
    } else {
        void *p = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            rc = rag_error_errno(err, errno == ENOMEM ? RAG_E_NOMEM : RAG_E_IO,
                                 errno, "cannot map %s", path);
        } else {
            out->base = p;
            out->data = p;
            out->len = (size_t)size;
        }
    }
    close(fd);
    return rc;
}

void rag_file_map_forget(const rag_file_map *m) {
    if (m->base)
        (void)madvise(m->base, m->len, MADV_DONTNEED);
}

void rag_file_unmap(rag_file_map *m) {
    if (!m)
        return;
    if (m->base)
        munmap(m->base, m->len);
    *m = (rag_file_map){NULL, 0, NULL};
}

static int write_all(int fd, const void *data, size_t len) {
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int rag_file_sync_parent(const char *path, rag_error *err) {
    char *folder = NULL;
    const char *base = rag_path_base(path);
    size_t n = (size_t)(base - path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    int rc = n == 0 ? rag_str_dup(".", &folder, err)
                    : rag_str_dup_n(path, n, &folder, err);
    if (rc)
        return rc;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        rc = rag_error_errno(err, open_code(errno), errno,
                             "cannot open the folder %s", folder);
    /* EINVAL: a file system without fsync for folders. */
    else if (fsync(fd) != 0 && errno != EINVAL)
        rc = rag_error_errno(err, RAG_E_IO, errno, "cannot sync the folder %s",
                             folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

static int rename_synced(const char *tmp_path, const char *path,
                         rag_error *err) {
    if (rename(tmp_path, path) != 0)
        return rag_error_errno(err, open_code(errno), errno,
                               "cannot rename %s to %s", tmp_path, path);
    return rag_file_sync_parent(path, err);
}

int rag_file_publish(const char *tmp_path, const char *path, rag_error *err) {
    int fd = open(tmp_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return rag_error_errno(err, open_code(errno), errno, "cannot open %s",
                               tmp_path);
    int failed = fsync(fd) != 0 ? errno : 0;
    close(fd);
    if (failed)
        return rag_error_errno(err, RAG_E_IO, failed, "cannot sync %s",
                               tmp_path);
    return rename_synced(tmp_path, path, err);
}

int rag_file_replace(const char *path, const void *data, size_t len,
                     mode_t mode, rag_error *err) {
    rag_buf tmp;
    int fd = -1;
    rag_buf_init(&tmp, 0);
    int rc = rag_buf_printf(&tmp, err, "%s.tmp.XXXXXX", path);
    if (rc)
        goto out;
    fd = mkostemp(tmp.data, O_CLOEXEC);
    if (fd < 0) {
        rc = rag_error_errno(err, open_code(errno), errno,
                             "cannot make a file beside %s", path);
        goto out;
    }
    if (fchmod(fd, mode) != 0 || write_all(fd, data, len) != 0 ||
        fsync(fd) != 0) {
        rc = rag_error_errno(err, RAG_E_IO, errno, "cannot write %s", path);
        goto out;
    }
    if (close(fd) != 0) {
        fd = -1;
        rc = rag_error_errno(err, RAG_E_IO, errno, "cannot write %s", path);
        unlink(tmp.data);
        goto out;
    }
    fd = -1;
    rc = rename_synced(tmp.data, path, err);
    if (rc)
        unlink(tmp.data); /* gone already when only the folder's sync failed */
out:
    if (fd >= 0) {
        close(fd);
        unlink(tmp.data);
    }
    rag_buf_free(&tmp);
    return rc;
}

void rag_file_remove_folder(const char *path) {
    DIR *d = path ? opendir(path) : NULL;
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    (void)closedir(d);
    (void)rmdir(path);
}

int rag_file_mkdirs(const char *path, mode_t mode, rag_error *err) {
    char *p = NULL;
    struct stat st;
    int rc = rag_str_dup(path, &p, err);
    if (rc)
        return rc;
    if (!p || !*p) {
        free(p);
        return rag_error_set(err, RAG_E_USAGE, "the name of a folder is empty");
    }
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s != '\0')
            continue;
        char end = *s;
        *s = '\0';
        if (mkdir(p, mode) != 0 && errno != EEXIST) {
            /* Above a folder that exists mkdir may also say EROFS or
             * EACCES: what counts is whether it is there. */
            int e = errno;
            if (stat(p, &st) != 0)
                rc = rag_error_errno(err, open_code(e), e,
                                     "cannot make the folder %s", p);
        }
        if (rc == 0 && (stat(p, &st) != 0 || !S_ISDIR(st.st_mode)))
            rc = rag_error_set(err, RAG_E_IO,
                               "cannot make the folder %s: %s is there and is "
                               "no folder",
                               path, p);
        *s = end;
        if (rc || end == '\0')
            break;
        while (s[1] == '/')
            s++;
        if (s[1] == '\0')
            break;
    }
    free(p);
    return rc;
}

bool rag_file_exists(const char *path) {
    struct stat st;
    return path && stat(path, &st) == 0;
}

int rag_file_lock(const char *path, int *fd_out, rag_error *err) {
    char text[32];
    int r;
    *fd_out = -1;
    int fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0660);
    if (fd < 0)
        return rag_error_errno(err, open_code(errno), errno,
                               "cannot open the lock %s", path);
    do
        r = flock(fd, LOCK_EX | LOCK_NB);
    while (r != 0 && errno == EINTR);
    if (r != 0) {
        int e = errno, rc;
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        long pid = 0;
        if (e != EWOULDBLOCK)
            rc = rag_error_errno(err, RAG_E_IO, e, "cannot lock %s", path);
        else if (rag_str_to_long(text, 1, INT32_MAX, &pid, NULL) == 0)
            rc = rag_error_set(err, RAG_E_BUSY, "%s is held by process %ld",
                               path, pid);
        else
            rc = rag_error_set(err, RAG_E_BUSY, "%s is held by another process",
                               path);
        close(fd);
        return rc;
    }
    /* Only a hint for the next one's message: failing to write it is none of
     * our failures. */
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && n > 0 && pwrite(fd, text, (size_t)n, 0) != n)
        (void)!ftruncate(fd, 0);
    *fd_out = fd;
    return 0;
}
