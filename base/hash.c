/* hash.c - SHA-256 by nettle, XXH3 by xxhash; see hash.h. No shared state. */
#include "base/hash.h"
#include "base/file.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#define FILE_BLOCK ((size_t)1 << 16)

struct rag_hasher {
    struct sha256_ctx ctx;
};

void rag_hash_sha256(const void *p, size_t n, rag_sha256 *out) {
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    if (n > 0)
        sha256_update(&ctx, n, p);
    sha256_digest(&ctx, sizeof out->d, out->d);
}

void rag_hash_hex(const rag_sha256 *h, char out[65]) {
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof h->d; i++) {
        out[2 * i] = digit[h->d[i] >> 4];
        out[2 * i + 1] = digit[h->d[i] & 15];
    }
    out[64] = '\0';
}

rag_hasher *rag_hasher_new(void) {
    rag_hasher *h = malloc(sizeof *h);
    if (h)
        sha256_init(&h->ctx);
    return h;
}

void rag_hasher_add(rag_hasher *h, const void *p, size_t n) {
    if (n > 0)
        sha256_update(&h->ctx, n, p);
}

void rag_hasher_field(rag_hasher *h, const void *p, size_t n) {
    unsigned char len[8]; /* little-endian on every machine */
    for (int i = 0; i < 8; i++)
        len[i] = (unsigned char)((uint64_t)n >> (8 * i));
    sha256_update(&h->ctx, sizeof len, len);
    rag_hasher_add(h, p, n);
}

void rag_hasher_end(rag_hasher *h, rag_sha256 *out) {
    if (!h)
        return;
    if (out)
        sha256_digest(&h->ctx, sizeof out->d, out->d);
    free(h);
}

int rag_hash_file(const char *path, rag_sha256 *out, rag_error *err) {
    struct sha256_ctx ctx;
    unsigned char *block = NULL;
    int fd;
    *out = (rag_sha256){{0}};
    int rc = rag_file_open(path, &fd, NULL, err);
    if (rc)
        return rc;
    block = malloc(FILE_BLOCK);
    if (!block) {
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory reading %s", path);
        goto out;
    }
    sha256_init(&ctx);
    for (;;) {
        ssize_t n = read(fd, block, FILE_BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = rag_error_errno(err, RAG_E_IO, errno, "cannot read %s", path);
            goto out;
        }
        if (n == 0)
            break;
        sha256_update(&ctx, (size_t)n, block);
    }
    sha256_digest(&ctx, sizeof out->d, out->d);
out:
    free(block);
    close(fd);
    return rc;
}

uint64_t rag_hash_fast(const void *p, size_t n) {
    return XXH3_64bits(n > 0 ? p : "", n);
}
