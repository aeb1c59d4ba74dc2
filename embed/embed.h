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
    /* LoRA adapter (GGUF, embed/adapter.h) that is merged into the weights;
     * NULL: none. A reader has its own in its place. */
    const char *adapter;
} rag_encoder_options;

/* Loads a GGUF file, and the adapter's. A damaged, hostile or unsupported file
 * is refused with RAG_E_CORRUPT or RAG_E_UNSUPPORTED and a message that names
 * file and field. opt may be NULL. */
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
    const char *name; /* general.name (the adapter's, with one), or the remote
                       * model's; until close */
    int dim; /* floats a vector */
    int max_tokens; /* with the two special tokens */
    int threads;
    const char *kernel; /* "onednn-f32", "avx512-vnni", "remote", ... */
    /* Hex digest of weights, adapter, tokenizer, pooling and prefixes: two
     * encoders with the same fingerprint give the same vectors (up to
     * rounding). Computed at open, within 20 ms, from the file's metadata, size
     * and sampled tensor bytes and from all of the adapter's. */
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

/*
 * Scores n passages for one query with the rank head of a re-ranking model
 * (GGUF pooling type "rank", llama.cpp's cls.* tensors): scores[i] is the
 * head's number for passages[i], higher is better; only the order means
 * something across models. Question and passage are read as one text; a
 * question is cut to half of max_tokens, a passage to what is left.
 * RAG_E_UNSUPPORTED for a model without such a head and for remote ones. A
 * model that only re-ranks gives no vectors: rag_encoder_encode refuses it.
 */
int rag_encoder_rank(rag_encoder *e, const rag_text *query,
                     const rag_text *passages, size_t n, float *scores,
                     rag_error *err);

/* --- the reader: does a passage answer a question, and where --- */

/*
 * A cross-encoder: question and passage are read as one text by an encoder
 * whose weights carry a LoRA adapter, with two small heads on top: one number
 * for "the passage answers", and for each token how likely the answer starts
 * and ends there (Devlin et al. 2019, "BERT", section 4.3). The adapter's file
 * is described in embed/adapter.h.
 *
 * Safe to use from many threads at once, as an encoder is. It has threads of
 * its own, which sleep between calls. The token embeddings, by far the most
 * of a multilingual model, stay in the encoder's file, of which the system
 * keeps one copy whoever has it open.
 */
typedef struct rag_reader rag_reader;

#define RAG_READER_SPANS 8 /* at most so many in a reading */
#define RAG_READER_SPAN_TOKENS 96 /* longest span */
/* A question is cut to so many tokens, its prefix included (and to half of
 * what the reader takes, where that is less). */
#define RAG_READER_QUESTION_TOKENS 96

/* Opens a reader: the encoder's file and the adapter's. Errors as
 * rag_encoder_open; an adapter that does not fit the encoder is refused with
 * RAG_E_CORRUPT or RAG_E_UNSUPPORTED. opt may be NULL; its pack_dir also
 * keeps the reader's packed weights. */
int rag_reader_open(const char *encoder_gguf, const char *reader_gguf,
                    const rag_encoder_options *opt, rag_reader **out,
                    rag_error *err);
void rag_reader_close(rag_reader *r);

typedef struct rag_reader_info {
    const char *name; /* the adapter's general.name; until close */
    int max_tokens; /* of question, passage and special tokens */
    int threads;
    const char *kernel; /* as rag_encoder_info */
    char fingerprint[65]; /* hex digest of encoder and adapter */
} rag_reader_info;

void rag_reader_describe(const rag_reader *r, rag_reader_info *out);

typedef struct rag_read_span {
    /* Bytes [start,end) of the passage as it was given: never empty, never
     * through a character, no white space at its ends. */
    size_t start, end;
    /* Logit of the start plus that of the end, less rag_reading.none. */
    float score;
} rag_read_span;

typedef enum rag_read_cut {
    RAG_READ_CUT_PASSAGE = 1, /* its end was not read */
    RAG_READ_CUT_QUESTION = 2
} rag_read_cut;

typedef struct rag_reading {
    float answerable; /* logit: the passage answers */
    float probability; /* the same, calibrated by the adapter: 0 to 1 */
    float none; /* start and end logit of "no span": the first token's */
    size_t n;
    /* Best first. None lies inside a better one, and none shares more than
     * half of what the two cover together with a better one. */
    rag_read_span span[RAG_READER_SPANS];
    unsigned char truncated; /* rag_read_cut, added up */
} rag_reading;

/*
 * Reads n passages (valid UTF-8, any length) for one question, all as one
 * batch: out[i] is passages[i]'s. An empty or blank passage has no span. On
 * failure out is undefined. The time is that of encoding as many tokens.
 */
int rag_reader_read(rag_reader *r, const rag_text *question,
                    const rag_text *passages, size_t n, rag_reading *out,
                    rag_error *err);

#endif
