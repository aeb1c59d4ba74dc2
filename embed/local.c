/*
 * local.c - an encoder that runs a GGUF file in this process.
 *
 * A call splits its texts into tokens on the caller's thread, sorts them by
 * length, and hands them to the engine under the encoder's lock. Model,
 * tokenizer and prefixes are immutable; only the engine's work area is not.
 */
#include "embed/encoder_int.h"

#include "base/buf.h"
#include "embed/engine.h"
#include "embed/pairs.h"

#include <stdlib.h>
#include <string.h>

/* Texts that are tokenised and sorted together. */
#define WINDOW_TEXTS 1024u
#define PREFIX_MAX 4096u /* bytes of a prefix in the metadata */

static void local_close(rag_encoder *e) {
    rag_engine_close(e->self);
}

/* Ids of prefix + s, cut to max_tokens (0: not cut) with the closing special
 * token kept. *cut tells whether there was more. */
static int split(rag_encoder *e, rag_text_kind kind, const char *s, size_t len,
                 size_t max, rag_ids *ids, bool *cut, rag_error *err) {
    rag_engine *l = e->self;
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
            rc = rag_ids_push(&w->ids, 0, NULL, err);
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
    rag_engine *l = e->self;
    int rc = 0;
    if (l->bert->pooling == RAG_POOL_RANK) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: this model re-ranks and gives no vectors",
                             rag_gguf_name(l->gguf));
    }
    for (size_t from = 0; rc == 0 && from < n; from += WINDOW_TEXTS) {
        size_t count = n - from < WINDOW_TEXTS ? n - from : WINDOW_TEXTS;
        window w = {0};
        rc = window_fill(e, kind, texts + from, count,
                         vectors + from * (size_t)e->info.dim,
                         truncated ? truncated + from : NULL, &w, err);
        if (rc == 0) {
            rag_bert_batch b = {.ids = w.sorted, .start = w.start, .n = count};
            pthread_mutex_lock(&e->lock);
            rc = rag_engine_run(l, &b, w.out, err);
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
        rc = rag_ids_push(&ids, 0, NULL, err); /* so that *out is never NULL */
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
    rag_engine *l = e->self;
    rag_ids ids = {0};
    size_t n = len; /* out of memory: no text has more tokens than bytes */
    if (rag_tokenizer_encode(l->tokenizer, s, len, false, SIZE_MAX, &ids,
                             NULL) == 0) {
        n = ids.n;
    }
    rag_ids_free(&ids);
    return n;
}

/* What the rank head's calls need. */
typedef struct ranking {
    const rag_rank_head *head;
    const rag_pairs *pairs;
    float *scores;
} ranking;

static void rank_one(void *arg, size_t i, const float *x, size_t n) {
    const ranking *r = arg;
    (void)n;
    r->scores[r->pairs->pair[i].text] = rag_rank_head_score(r->head, x);
}

static int local_rank(rag_encoder *e, const rag_text *query,
                      const rag_text *passages, size_t n, float *scores,
                      rag_error *err) {
    rag_engine *l = e->self;
    rag_pair_form f = {.tokenizer = l->tokenizer,
                       .max_tokens = l->bert->positions,
                       .question_max = l->bert->positions,
                       .question_prefix = rag_encoder_prefix(e, RAG_TEXT_QUERY),
                       .passage_prefix =
                           rag_encoder_prefix(e, RAG_TEXT_PASSAGE)};
    rag_ids ids = {0};
    bool cut;
    int rc;
    if (!l->rank || f.max_tokens < RAG_PAIRS_TOKENS_MIN) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: this model has no rank head",
                             rag_gguf_name(l->gguf));
    }
    rc = rag_pairs_question(&f, query, &ids, &cut, err);
    for (size_t from = 0; rc == 0 && from < n; from += RAG_PAIRS_WINDOW) {
        size_t count =
            n - from < RAG_PAIRS_WINDOW ? n - from : RAG_PAIRS_WINDOW;
        rag_pairs p = {0};
        ranking r = {l->rank, &p, scores + from};
        rc = rag_pairs_fill(&f, &ids, passages + from, count, &p, err);
        if (rc == 0) {
            rag_bert_batch b = rag_pairs_batch(&p, rank_one, &r);
            pthread_mutex_lock(&e->lock);
            rc = rag_engine_run(l, &b, NULL, err);
            pthread_mutex_unlock(&e->lock);
        }
        rag_pairs_free(&p);
    }
    rag_ids_free(&ids);
    return rc;
}

static const rag_encoder_ops local_ops = {
    .encode = local_encode,
    .tokenize = local_tokenize,
    .count = local_count,
    .rank = local_rank,
    .close = local_close,
};

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

static int open_all(rag_encoder *e, const char *path,
                    const rag_encoder_options *opt, rag_error *err) {
    rag_engine *l;
    const char *name;
    size_t len;
    int rc = rag_engine_open(path, opt ? opt->adapter : NULL, opt, &l, err);
    if (rc != 0) {
        return rc;
    }
    e->self = l;
    if (l->adapter && l->adapter->heads) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s is a reader's adapter, not an encoder's",
                             opt->adapter);
    }
    e->info.dim = (int)l->bert->hidden;
    e->info.max_tokens = (int)l->bert->positions;
    e->info.threads = l->threads;
    e->info.kernel = l->kernel;
    memcpy(e->info.fingerprint, l->fingerprint, sizeof(l->fingerprint));
    if ((rc = rag_gguf_string(l->adapter ? l->adapter->g : l->gguf,
                              "general.name", "encoder", &name, &len, err)) !=
            0 ||
        (rc = rag_encoder_set_name(e, name, len, err)) != 0 ||
        (rc = read_prefix(e, l->gguf, "ragd.query_prefix", RAG_TEXT_QUERY,
                          err)) != 0) {
        return rc;
    }
    return read_prefix(e, l->gguf, "ragd.passage_prefix", RAG_TEXT_PASSAGE,
                       err);
}

int rag_encoder_open(const char *gguf_path, const rag_encoder_options *opt,
                     rag_encoder **out, rag_error *err) {
    rag_encoder *e;
    int rc = rag_encoder_new(&local_ops, &e, err);
    *out = NULL;
    if (rc != 0) {
        return rc;
    }
    rc = open_all(e, gguf_path, opt, err);
    if (rc != 0) {
        rag_encoder_close(e);
        return rc;
    }
    *out = e;
    return 0;
}
