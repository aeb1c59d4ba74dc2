/* hash.h - SHA-256 (nettle) and a fast checksum (XXH3). Thread-safe. */
#ifndef RAG_BASE_HASH_H
#define RAG_BASE_HASH_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define RAG_SHA256_LEN 32

typedef struct rag_sha256 {
    unsigned char d[RAG_SHA256_LEN];
} rag_sha256;

void rag_hash_sha256(const void *p, size_t n, rag_sha256 *out);
/* Lower-case hex, 64 characters and NUL. */
void rag_hash_hex(const rag_sha256 *h, char out[65]);

/* Streaming SHA-256; _new returns NULL when out of memory. */
typedef struct rag_hasher rag_hasher;
rag_hasher *rag_hasher_new(void);
void rag_hasher_add(rag_hasher *h, const void *p, size_t n);
/* Adds the length as 8 bytes, then the bytes: fields cannot run together. */
void rag_hasher_field(rag_hasher *h, const void *p, size_t n);
void rag_hasher_end(rag_hasher *h, rag_sha256 *out); /* frees h */

/* SHA-256 of a file's bytes. */
int rag_hash_file(const char *path, rag_sha256 *out, rag_error *err);

/* 64-bit XXH3: a checksum against damage, no protection against intent. */
uint64_t rag_hash_fast(const void *p, size_t n);

#endif
