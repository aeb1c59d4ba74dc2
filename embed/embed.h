/*
 * embed.h - text to vectors: encoder models and their tokenizers.
 *
 * Two implementations of one interface: a GGUF file run in this process
 * (architecture "bert": multilingual-e5, bge, MiniLM, gte, arctic-embed; on
 * oneDNN), and a remote /v1/embeddings endpoint. Prefixes such as "query: "
 * belong to the model (its metadata), never to callers.
 *
 * Called by rag-ingest (passages in batches) and ragd (one question at a
 * time). An encoder is safe to use from many threads at once: calls that
 * compute take turns behind a lock inside, each using `threads` cores.
 */
#ifndef RAG_EMBED_EMBED_H
#define RAG_EMBED_EMBED_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rag_encoder rag_encoder;

typedef struct rag_encoder_options {
    int threads; /* cores a call may use; 0: all that are online */
    /* NULL (or $RAGD_ENCODER_KERNEL when that is set): the fastest this CPU
     * has. "onednn-f32": exact, several times slower. "avx512-vnni", "avx2",
     * "portable": int8 by that code; refused when the CPU lacks it. */
    const char *kernel;
    /* Folder for weights packed once, so that the next start is quick; NULL:
     * "packed" in the cache folder (rag_path_place). "": keep none. A folder
     * that cannot be written is no error. */
    const char *pack_dir;
} rag_encoder_options;

/* Loads a GGUF file. A damaged, hostile or unsupported file is refused with
 * RAG_E_CORRUPT or RAG_E_UNSUPPORTED and a message that names file and field.
 * opt may be NULL. */
int rag_encoder_open(const char *gguf_path, const rag_encoder_options *opt,
                     rag_encoder **out, rag_error *err);

typedef struct rag_encoder_remote {
    const char *url; /* base, "http://127.0.0.1:8080/v1" */
    const char *unix_socket; /* NULL: TCP */
    const char *api_key; /* NULL: none */
    const char *model; /* name to ask for */
    const char *query_prefix, *passage_prefix; /* NULL: none */
    int dim; /* expected length of vectors; 0: learn it by one call */
    int max_tokens; /* 0: 512 */
    long timeout_ms; /* 0: 30000 */
} rag_encoder_remote;

/* Asks the endpoint once (unless dim is given). RAG_E_UNAVAILABLE when it
 * does not answer. */
int rag_encoder_open_remote(const rag_encoder_remote *cfg, rag_encoder **out,
                            rag_error *err);

void rag_encoder_close(rag_encoder *e);

typedef struct rag_encoder_info {
    const char *name; /* general.name, or the remote model's; until close */
    int dim; /* floats a vector */
    int max_tokens; /* with the two special tokens */
    int threads;
    const char *kernel; /* "onednn-f32", "avx512-vnni", "remote", ... */
    /* Hex digest of weights, tokenizer, pooling and prefixes: two encoders
     * with the same fingerprint give the same vectors (up to rounding).
     * Computed from the file's metadata, size and sampled tensor bytes at
     * open, within 20 ms. */
    char fingerprint[65];
} rag_encoder_info;

void rag_encoder_describe(const rag_encoder *e, rag_encoder_info *out);

typedef enum rag_text_kind {
    RAG_TEXT_RAW, /* no prefix */
    RAG_TEXT_QUERY, /* the model's prefix for questions */
    RAG_TEXT_PASSAGE /* the model's prefix for passages */
} rag_text_kind;

typedef struct rag_text {
    const char *s; /* valid UTF-8; any length */
    size_t len;
} rag_text;

/*
 * Encodes n texts to unit vectors: vectors[i * dim .. + dim) is text i's.
 * truncated (may be NULL) gets n flags: 1 where a text had more than
 * max_tokens tokens and its end was not read. An empty text gives the vector
 * of the prefix alone. On failure vectors are undefined.
 */
int rag_encoder_encode(rag_encoder *e, rag_text_kind kind,
                       const rag_text *texts, size_t n, float *vectors,
                       unsigned char *truncated, rag_error *err);

/*
 * Token ids of one text as the model sees them, special tokens and prefix
 * included, not cut. *out: array of *n ids; free with free().
 * RAG_E_UNSUPPORTED for a remote encoder.
 */
int rag_encoder_tokenize(rag_encoder *e, rag_text_kind kind, const char *s,
                         size_t len, int32_t **out, size_t *n, rag_error *err);

/* Number of tokens of s without prefix and special tokens (a remote encoder
 * estimates from above: characters / 1.5 rounded up). Never fails; needs no
 * lock. */
size_t rag_encoder_count(rag_encoder *e, const char *s, size_t len);

#endif
