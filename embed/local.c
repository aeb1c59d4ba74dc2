/*
 * local.c - an encoder that runs a GGUF file in this process.
 *
 * Puts the pieces together: reader, tokenizer, model, engine. A call splits
 * its texts into tokens on the caller's thread, sorts them by length, and
 * hands them to the engine under the encoder's lock. Model, tokenizer and
 * prefixes are immutable; only the engine's work area is not.
 */
#include "embed/encoder_int.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "embed/bert.h"
#include "embed/bert_int8.h"
#include "embed/pack.h"
#include "embed/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Texts that are tokenised and sorted together. */
#define WINDOW_TEXTS 1024u
#define PREFIX_MAX 4096u /* bytes of a prefix in the metadata */
/* Bytes hashed at the start, middle and end of each tensor. */
#define SAMPLE_BYTES 4096u

typedef struct local {
    rag_gguf *gguf;
    rag_tokenizer *tokenizer;
    rag_bert *bert;
    rag_pack *pack; /* of int8 */
    rag_bert_int8 *int8; /* one of the two engines, the other NULL */
    rag_bert_f32 *f32;
} local;

#define EXACT_KERNEL "onednn-f32"
#define KERNEL_VARIABLE "RAGD_ENCODER_KERNEL"

static void local_close(rag_encoder *e) {
    local *l = e->self;
    if (!l) {
        return;
    }
    rag_bert_int8_close(l->int8);
    rag_bert_f32_close(l->f32);
    rag_bert_close(l->bert);
    rag_tokenizer_close(l->tokenizer);
    rag_pack_close(l->pack); /* after the tokenizer, which uses its trie */
    rag_gguf_close(l->gguf);
    free(l);
}

/* Ids of prefix + s, cut to max_tokens (0: not cut) with the closing special
 * token kept. *cut tells whether there was more. */
static int split(rag_encoder *e, rag_text_kind kind, const char *s, size_t len,
                 size_t max, rag_ids *ids, bool *cut, rag_error *err) {
    local *l = e->self;
    const char *prefix = rag_encoder_prefix(e, kind);
    size_t before = ids->n, limit = max > 0 ? before + max : SIZE_MAX;
    int rc;
    if (prefix[0]) {
        rag_buf joined;
        rag_buf_init(&joined, SIZE_MAX);
        rc = rag_buf_reserve(&joined, strlen(prefix) + len, err);
        if (rc == 0) {
            (void)rag_buf_append_str(&joined, prefix, NULL);
            rc = rag_buf_append(&joined, s, len, err);
        }
        if (rc == 0) {
            rc = rag_tokenizer_encode(l->tokenizer, joined.data, joined.len,
                                      true, limit, ids, err);
        }
        rag_buf_free(&joined);
    } else {
        rc = rag_tokenizer_encode(l->tokenizer, s, len, true, limit, ids, err);
    }
    *cut = rc == 0 && max > 0 && ids->n - before > max;
    if (*cut) {
        ids->v[before + max - 1] = ids->v[ids->n - 1];
        ids->n = before + max;
    }
    return rc;
}

/* A text's place in its window, for sorting by length. */
typedef struct item {
    size_t text, first, len;
} item;

static int longer_first(const void *a, const void *b) {
    const item *x = a, *y = b;
    if (x->len != y->len) {
        return x->len < y->len ? 1 : -1;
    }
    return (x->text > y->text) - (x->text < y->text);
}

typedef struct window {
    rag_ids ids; /* as split */
    item *items;
    int32_t *sorted;
    size_t *start;
    float **out;
} window;

static void window_free(window *w) {
    rag_ids_free(&w->ids);
    free(w->items);
    free(w->sorted);
    free(w->start);
    free(w->out);
}

/* Splits n texts and lays their ids out longest first. */
static int window_fill(rag_encoder *e, rag_text_kind kind,
                       const rag_text *texts, size_t n, float *vectors,
                       unsigned char *truncated, window *w, rag_error *err) {
    size_t at = 0, dim = (size_t)e->info.dim;
    w->items = malloc(n * sizeof(*w->items));
    w->start = malloc((n + 1) * sizeof(*w->start));
    w->out = malloc(n * sizeof(*w->out));
    if (!w->items || !w->start || !w->out) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        bool cut;
        size_t first = w->ids.n;
        int rc = split(e, kind, texts[i].s, texts[i].len,
                       (size_t)e->info.max_tokens, &w->ids, &cut, err);
        if (rc == 0 && w->ids.n == first) {
            /* A model without special tokens, and nothing to read: one
             * unknown token stands for the empty text. */
            rc = rag_ids_push(&w->ids, 0, err);
        }
        if (rc != 0) {
            return rc;
        }
        if (truncated && cut) {
            truncated[i] = 1;
        }
        w->items[i] = (item){i, first, w->ids.n - first};
    }
    w->sorted = malloc(w->ids.n * sizeof(*w->sorted));
    if (!w->sorted) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    qsort(w->items, n, sizeof(*w->items), longer_first);
    for (size_t i = 0; i < n; i++) {
        const item *it = &w->items[i];
        memcpy(w->sorted + at, w->ids.v + it->first,
               it->len * sizeof(*w->sorted));
        w->start[i] = at;
        w->out[i] = vectors + it->text * dim;
        at += it->len;
    }
    w->start[n] = at;
    return 0;
}

static int local_encode(rag_encoder *e, rag_text_kind kind,
                        const rag_text *texts, size_t n, float *vectors,
                        unsigned char *truncated, rag_error *err) {
    local *l = e->self;
    int rc = 0;
    for (size_t from = 0; rc == 0 && from < n; from += WINDOW_TEXTS) {
        size_t count = n - from < WINDOW_TEXTS ? n - from : WINDOW_TEXTS;
        window w = {0};
        rc = window_fill(e, kind, texts + from, count,
                         vectors + from * (size_t)e->info.dim,
                         truncated ? truncated + from : NULL, &w, err);
        if (rc == 0) {
            rag_bert_batch b = {w.sorted, w.start, count};
            pthread_mutex_lock(&e->lock);
            rc = l->int8 ? rag_bert_int8_run(l->int8, &b, w.out, err)
                         : rag_bert_f32_run(l->f32, &b, w.out, err);
            pthread_mutex_unlock(&e->lock);
        }
        window_free(&w);
    }
    return rc;
}

static int local_tokenize(rag_encoder *e, rag_text_kind kind, const char *s,
                          size_t len, int32_t **out, size_t *n,
                          rag_error *err) {
    rag_ids ids = {0};
    bool cut;
    int rc = split(e, kind, s, len, 0, &ids, &cut, err);
    if (rc == 0 && !ids.v) {
        rc = rag_ids_push(&ids, 0, err); /* so that *out is never NULL */
        ids.n = 0;
    }
    if (rc != 0) {
        rag_ids_free(&ids);
        return rc;
    }
    *out = ids.v;
    *n = ids.n;
    return 0;
}

static size_t local_count(rag_encoder *e, const char *s, size_t len) {
    local *l = e->self;
    rag_ids ids = {0};
    size_t n = len; /* out of memory: no text has more tokens than bytes */
    if (rag_tokenizer_encode(l->tokenizer, s, len, false, SIZE_MAX, &ids,
                             NULL) == 0) {
        n = ids.n;
    }
    rag_ids_free(&ids);
    return n;
}

static const rag_encoder_ops local_ops = {local_encode, local_tokenize,
                                          local_count, local_close};

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

static int read_prefix(rag_encoder *e, const rag_gguf *g, const char *key,
                       rag_text_kind kind, rag_error *err) {
    const char *s;
    size_t len;
    int rc = rag_gguf_string(g, key, "", &s, &len, err);
    if (rc != 0) {
        return rc;
    }
    if (len > PREFIX_MAX) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: %s is longer than %u bytes", rag_gguf_name(g),
                             key, PREFIX_MAX);
    }
    return rag_str_dup_n(s, len, &e->prefix[kind], err);
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
static int open_int8(rag_encoder *e, const rag_kernel *k,
                     const rag_encoder_options *opt, rag_error *err) {
    local *l = e->self;
    const char *print = e->info.fingerprint;
    char *dir = NULL;
    int rc = pack_folder(opt, &dir, err);
    if (rc == 0 && dir) {
        rc = rag_pack_load(l->bert, print, dir, &l->pack, err);
    }
    if (rc == 0) {
        rc =
            rag_tokenizer_open(l->gguf, l->pack ? rag_pack_trie(l->pack) : NULL,
                               &l->tokenizer, err);
    }
    if (rc == 0 && !l->pack) {
        rc = rag_pack_build(l->bert, print, rag_tokenizer_trie(l->tokenizer),
                            &l->pack, err);
        if (rc == 0 && dir) {
            /* Failing to keep it costs the next start time, no more. */
            (void)rag_pack_save(l->pack, dir, NULL);
        }
    }
    free(dir);
    if (rc == 0) {
        e->info.kernel = k->name;
        rc = rag_bert_int8_open(l->bert, l->pack, k, e->info.threads, &l->int8,
                                err);
    }
    return rc;
}

static int open_f32(rag_encoder *e, rag_error *err) {
    local *l = e->self;
    int rc = rag_tokenizer_open(l->gguf, NULL, &l->tokenizer, err);
    e->info.kernel = EXACT_KERNEL;
    return rc != 0 ? rc
                   : rag_bert_f32_open(l->bert, e->info.threads, &l->f32, err);
}

/* The engine that is asked for, or the fastest that can run this model. */
static int open_engine(rag_encoder *e, const rag_encoder_options *opt,
                       rag_error *err) {
    local *l = e->self;
    const char *name =
        opt && opt->kernel ? opt->kernel : getenv(KERNEL_VARIABLE);
    const rag_kernel *k;
    bool known, possible = rag_pack_possible(l->bert);
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
                             rag_gguf_name(l->gguf));
    }
    return open_int8(e, k, opt, err);
}

static int open_all(rag_encoder *e, const char *path,
                    const rag_encoder_options *opt, rag_error *err) {
    local *l = e->self;
    const char *name;
    size_t len;
    int rc;
    if ((rc = rag_gguf_open(path, &l->gguf, err)) != 0 ||
        (rc = rag_bert_open(l->gguf, &l->bert, err)) != 0) {
        return rc;
    }
    e->info.dim = (int)l->bert->hidden;
    e->info.max_tokens = (int)l->bert->positions;
    e->info.threads = cores(opt);
    if ((rc = rag_gguf_string(l->gguf, "general.name", "encoder", &name, &len,
                              err)) != 0 ||
        (rc = rag_encoder_set_name(e, name, len, err)) != 0 ||
        (rc = read_prefix(e, l->gguf, "ragd.query_prefix", RAG_TEXT_QUERY,
                          err)) != 0 ||
        (rc = read_prefix(e, l->gguf, "ragd.passage_prefix", RAG_TEXT_PASSAGE,
                          err)) != 0 ||
        (rc = fingerprint(l->gguf, e->info.fingerprint, err)) != 0 ||
        (rc = open_engine(e, opt, err)) != 0) {
        return rc;
    }
    if ((size_t)rag_tokenizer_vocab(l->tokenizer) > l->bert->vocab) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: the tokenizer has more tokens (%d) than "
                             "token_embd.weight has rows (%zu)",
                             path, rag_tokenizer_vocab(l->tokenizer),
                             l->bert->vocab);
    }
    return 0;
}

int rag_encoder_open(const char *gguf_path, const rag_encoder_options *opt,
                     rag_encoder **out, rag_error *err) {
    rag_encoder *e;
    int rc = rag_encoder_new(&local_ops, &e, err);
    *out = NULL;
    if (rc != 0) {
        return rc;
    }
    e->self = calloc(1, sizeof(local));
    rc = e->self ? open_all(e, gguf_path, opt, err)
                 : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (rc != 0) {
        rag_encoder_close(e);
        return rc;
    }
    *out = e;
    return 0;
}
