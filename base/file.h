/*
 * file.h - files, folders and the places of the project's own files.
 *
 * Thread-safe: no state. Paths are bytes as the system gives them.
 */
#ifndef RAG_BASE_FILE_H
#define RAG_BASE_FILE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens a regular file (symbolic links followed) for reading, close-on-exec,
 * without waiting for what is a pipe; *size (may be NULL) is its length. The
 * caller closes *fd_out, which is -1 on failure. */
int rag_file_open(const char *path, int *fd_out, off_t *size, rag_error *err);

/* Reads a whole regular file (symbolic links followed) into *out, whose old
 * contents go, up to max bytes; RAG_E_LIMIT past that or past the buffer's
 * ceiling, RAG_E_NOINPUT when absent, RAG_E_DATA when it is no regular
 * file. */
int rag_file_read(const char *path, size_t max, rag_buf *out, rag_error *err);

/* Read-only map of a file. data is valid until rag_file_unmap. An empty file
 * gives len 0 and data not NULL. */
typedef struct rag_file_map {
    const unsigned char *data;
    size_t len;
    void *base; /* private */
} rag_file_map;
int rag_file_map_open(const char *path, rag_file_map *out, rag_error *err);
void rag_file_unmap(rag_file_map *m);
/* Gives back the memory of what was read of it so far; it is read again where
 * it is needed. Any thread, also while others read. */
void rag_file_map_forget(const rag_file_map *m);

/*
 * Replaces path by data, all or nothing and surviving power loss: temporary
 * file beside it, fsync, rename, fsync of the folder.
 */
int rag_file_replace(const char *path, const void *data, size_t len,
                     mode_t mode, rag_error *err);
/* The two halves of rag_file_replace for a writer that streams: fsyncs
 * tmp_path, renames it to path and fsyncs the folder. */
int rag_file_publish(const char *tmp_path, const char *path, rag_error *err);
/* fsync of the folder that holds path. */
int rag_file_sync_parent(const char *path, rag_error *err);

/* mkdir -p; new folders get mode. Existing ones are left as they are. */
int rag_file_mkdirs(const char *path, mode_t mode, rag_error *err);
bool rag_file_exists(const char *path);
/* Removes a folder of plain files and itself, as far as it can; NULL: none. */
void rag_file_remove_folder(const char *path);

/*
 * Takes an exclusive advisory lock (flock) on path, created when absent.
 * *fd_out holds it until closed. RAG_E_BUSY at once when another process has
 * it; the message names that process's pid when the file tells.
 */
int rag_file_lock(const char *path, int *fd_out, rag_error *err);

/* a + "/" + b (one slash); free with free(). b absolute gives b. */
int rag_path_join(const char *a, const char *b, char **out, rag_error *err);
/* Last component; borrowed from path. */
const char *rag_path_base(const char *path);

/* Folder of the running program, written to buf; NULL when the system does
 * not tell. */
const char *rag_path_program(char *buf, size_t cap);
/* A file that the project itself brings: ../share/ragd/NAME seen from
 * program_dir (NULL: not looked at), where `make install` puts it, else
 * tree/NAME in the source tree, else "". Free with free(). */
int rag_path_own(const char *program_dir, const char *tree, const char *name,
                 char **out, rag_error *err);

/*
 * The project's places, each made absolute, not created; free with free().
 * cache:   $RAGD_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/ragd
 * data:    $RAGD_DATA, else ${XDG_DATA_HOME:-~/.local/share}/ragd
 * config:  ${XDG_CONFIG_HOME:-~/.config}/ragd/ragd.conf
 * socket:  $RAGD_SOCKET, else $XDG_RUNTIME_DIR/ragd.sock, else
 *          ${TMPDIR:-/tmp}/ragd-UID/ragd.sock (that folder is created 0700
 *          and refused unless it is ours alone)
 */
typedef enum rag_place {
    RAG_PLACE_CACHE,
    RAG_PLACE_DATA,
    RAG_PLACE_CONFIG,
    RAG_PLACE_SOCKET
} rag_place;
int rag_path_place(rag_place place, char **out, rag_error *err);

#endif
