/*
 * engine.c - see engine.h.
 *
 * Called by local.c and reader.c when a model is opened, and to run it. The
 * packed weights are kept in a folder under the fingerprint, so that an
 * adapter's sums lie beside the plain model's.
 */
#include "embed/engine.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes hashed at the start, middle and end of each tensor. */
#define FORGET_TOKENS 512u /* embedded between giving the file's memory back */
#define SAMPLE_BYTES 4096u
#define EXACT_KERNEL "onednn-f32"
#define KERNEL_VARIABLE "RAGD_ENCODER_KERNEL"

/* Metadata whole, tensors by samples: changes when anything that shapes the
 * vectors does, and reads little. */
static int fingerprint(const rag_gguf *g, char out[65], rag_error *err) {
    size_t len, header;
    const unsigned char *p = rag_gguf_bytes(g, &len, &header);
    uint64_t sizes[3] = {rag_hash_fast(p, header), header, len};
    rag_hasher *h = rag_hasher_new();
    rag_sha256 sum;
    if (!h) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    rag_hasher_field(h, sizes, sizeof(sizes));
    for (size_t i = 0; i < rag_gguf_tensor_count(g); i++) {
        const rag_gguf_tensor *t = rag_gguf_tensor_at(g, i);
        size_t n = t->size < SAMPLE_BYTES ? t->size : SAMPLE_BYTES;
        uint64_t parts[3] = {rag_hash_fast(t->data, n),
                             rag_hash_fast(t->data + (t->size - n) / 2, n),
                             rag_hash_fast(t->data + t->size - n, n)};
        rag_hasher_field(h, parts, sizeof(parts));
    }
    rag_hasher_end(h, &sum);
    rag_hash_hex(&sum, out);
    return 0;
}

static int cores(const rag_encoder_options *opt) {
    long n =
        opt && opt->threads > 0 ? opt->threads : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 256 ? 256 : (int)n;
}

/* The folder for packed weights; *out NULL when none is wanted or known. */
static int pack_folder(const rag_encoder_options *opt, char **out,
                       rag_error *err) {
    char *cache = NULL;
    int rc;
    *out = NULL;
    if (opt && opt->pack_dir) {
        return opt->pack_dir[0] ? rag_str_dup(opt->pack_dir, out, err) : 0;
    }
    rc = rag_path_place(RAG_PLACE_CACHE, &cache, NULL);
    if (rc != 0) {
        return 0; /* no home: work in memory */
    }
    rc = rag_path_join(cache, "packed", out, err);
    free(cache);
    return rc;
}

/* Tokenizer and packed weights: from the packed file when there is one, else
 * made now and kept for the next time. */
static int open_int8(rag_engine *e, const rag_kernel *k,
                     const rag_encoder_options *opt, rag_error *err) {
    const char *print = e->fingerprint;
    char *dir = NULL;
    int rc = pack_folder(opt, &dir, err);
    if (rc == 0 && dir) {
        rc = rag_pack_load(e->bert, print, dir, &e->pack, err);
    }
    if (rc == 0) {
        rc =
            rag_tokenizer_open(e->gguf, e->pack ? rag_pack_trie(e->pack) : NULL,
                               &e->tokenizer, err);
    }
    if (rc == 0 && !e->pack) {
        rc = rag_pack_build(e->bert, print, rag_tokenizer_trie(e->tokenizer),
                            &e->pack, err);
        if (rc == 0 && dir) {
            /* Failing to keep it costs the next start time, no more. */
            (void)rag_pack_save(e->pack, dir, NULL);
        }
    }
    free(dir);
    if (rc == 0) {
        e->kernel = k->name;
        rc = rag_bert_int8_open(e->bert, e->pack, k, e->threads, &e->int8, err);
    }
    return rc;
}

static int open_f32(rag_engine *e, rag_error *err) {
    int rc = rag_tokenizer_open(e->gguf, NULL, &e->tokenizer, err);
    e->kernel = EXACT_KERNEL;
    return rc != 0 ? rc : rag_bert_f32_open(e->bert, e->threads, &e->f32, err);
}

/* The engine that is asked for, or the fastest that can run this model. */
static int open_kernel(rag_engine *e, const rag_encoder_options *opt,
                       rag_error *err) {
    const char *name =
        opt && opt->kernel ? opt->kernel : getenv(KERNEL_VARIABLE);
    const rag_kernel *k;
    bool known, possible = rag_pack_possible(e->bert);
    if (name && !name[0]) {
        name = NULL;
    }
    if ((name && strcmp(name, EXACT_KERNEL) == 0) || (!name && !possible)) {
        return open_f32(e, err);
    }
    k = rag_kernel_select(name, &known);
    if (!known) {
        return rag_error_set(err, RAG_E_USAGE,
                             "encoder kernel \"%s\" is not known "
                             "(" EXACT_KERNEL ", %s, %s, %s are)",
                             name, rag_kernel_avx512.name, rag_kernel_avx2.name,
                             rag_kernel_portable.name);
    }
    if (!k) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "this CPU cannot run the encoder kernel \"%s\"",
                             name);
    }
    if (!possible) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: the sizes of this model suit only the "
                             "encoder kernel " EXACT_KERNEL,
                             rag_gguf_name(e->gguf));
    }
    return open_int8(e, k, opt, err);
}

/* The file's fingerprint, and the adapter's bytes behind it. */
static int both_fingerprints(rag_engine *e, rag_error *err) {
    int rc = fingerprint(e->gguf, e->fingerprint, err);
    rag_hasher *h = NULL;
    if (rc == 0 && e->adapter) {
        size_t len, header;
        const unsigned char *p = rag_gguf_bytes(e->adapter->g, &len, &header);
        rag_sha256 sum;
        h = rag_hasher_new();
        if (!h) {
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        }
        rag_hasher_field(h, e->fingerprint, sizeof(e->fingerprint));
        rag_hasher_field(h, p, len);
        rag_hasher_end(h, &sum);
        rag_hash_hex(&sum, e->fingerprint);
    }
    return rc;
}

static int open_all(rag_engine *e, const char *path, const char *adapter,
                    const rag_encoder_options *opt, rag_error *err) {
    int rc;
    e->threads = cores(opt);
    if ((rc = rag_gguf_open(path, &e->gguf, err)) != 0 ||
        (rc = rag_bert_open(e->gguf, &e->bert, err)) != 0 ||
        (rc = rag_rank_head_open(e->bert, &e->rank, err)) != 0 ||
        (rc = adapter ? rag_adapter_open(adapter, e->bert, &e->adapter, err)
                      : 0) != 0 ||
        (rc = both_fingerprints(e, err)) != 0 ||
        (rc = open_kernel(e, opt, err)) != 0) {
        return rc;
    }
    if (e->adapter) {
        rag_adapter_forget(e->adapter, e->bert);
    }
    if ((size_t)rag_tokenizer_vocab(e->tokenizer) > e->bert->vocab) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: the tokenizer has more tokens (%d) than "
                             "token_embd.weight has rows (%zu)",
                             path, rag_tokenizer_vocab(e->tokenizer),
                             e->bert->vocab);
    }
    return 0;
}

int rag_engine_open(const char *gguf_path, const char *adapter_path,
                    const rag_encoder_options *opt, rag_engine **out,
                    rag_error *err) {
    rag_engine *e = calloc(1, sizeof(*e));
    int rc;
    *out = NULL;
    if (!e) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    rc = open_all(e, gguf_path, adapter_path, opt, err);
    if (rc != 0) {
        rag_engine_close(e);
        return rc;
    }
    /* From here on only rows of embeddings are read. Each brings a piece of
     * the file along (64 KiB here), a thousand of them nearly all of it. */
    rag_gguf_forget(e->gguf);
    if (e->adapter) {
        rag_gguf_forget(e->adapter->g);
    }
    *out = e;
    return 0;
}

void rag_engine_close(rag_engine *e) {
    if (!e) {
        return;
    }
    rag_bert_int8_close(e->int8);
    rag_bert_f32_close(e->f32);
    rag_adapter_close(e->adapter);
    rag_rank_head_close(e->rank);
    rag_bert_close(e->bert);
    rag_tokenizer_close(e->tokenizer);
    rag_pack_close(e->pack); /* after the tokenizer, which uses its trie */
    rag_gguf_close(e->gguf);
    free(e);
}

int rag_engine_run(rag_engine *e, const rag_bert_batch *b,
                   float *const *vectors, rag_error *err) {
    int rc = e->int8 ? rag_bert_int8_run(e->int8, b, vectors, err)
                     : rag_bert_f32_run(e->f32, b, vectors, err);
    e->embedded += b->start[b->n] - b->start[0];
    if (e->embedded >= FORGET_TOKENS) {
        rag_gguf_forget(e->gguf);
        e->embedded = 0;
    }
    return rc;
}
