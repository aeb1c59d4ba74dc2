/*
 * tokenizer.c - opens the tokenizer a GGUF file describes, and dispatches.
 *
 * Keeps the vocabulary (scores, kinds, trie), knows the special tokens and
 * puts them around a text. The two kinds are in unigram.c and wordpiece.c.
 */
#include "embed/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct rag_tokenizer {
    rag_vocab vocab;
    float *scores;
    unsigned char *kinds;
    rag_trie_unit *built; /* NULL when the trie was given */
    bool is_unigram;
    rag_unigram unigram;
    rag_wordpiece wordpiece;
    bool add_bos, add_eos;
    int32_t bos, eos;
};

static int grow(rag_ids *ids, rag_error *err) {
    size_t cap = ids->cap ? ids->cap * 2 : 64;
    int32_t *v = realloc(ids->v, cap * sizeof(*v));
    if (v && ids->with_places) {
        rag_range *place = realloc(ids->place, cap * sizeof(*place));
        ids->v = v;
        v = place ? v : NULL;
        ids->place = place ? place : ids->place;
    }
    if (!v) {
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory while splitting a text");
    }
    ids->v = v;
    ids->cap = cap;
    return 0;
}

int rag_ids_push(rag_ids *ids, int32_t id, const rag_range *place,
                 rag_error *err) {
    int rc = ids->n == ids->cap ? grow(ids, err) : 0;
    if (rc != 0) {
        return rc;
    }
    if (ids->with_places) {
        ids->place[ids->n] = place ? *place : (rag_range){0};
    }
    ids->v[ids->n++] = id;
    return 0;
}

void rag_ids_free(rag_ids *ids) {
    free(ids->v);
    free(ids->place);
    *ids = (rag_ids){0};
}

static int oom(const rag_gguf *g, rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "%s: out of memory",
                         rag_gguf_name(g));
}

static int read_scores(rag_tokenizer *t, const rag_gguf *g, rag_error *err) {
    const rag_gguf_value *v;
    size_t n = (size_t)t->vocab.n;
    int rc = rag_gguf_array(g, "tokenizer.ggml.scores", RAG_GGUF_F32, &v, err);
    if (rc != 0) {
        return rc;
    }
    if (!v || v->count != n) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tokenizer.ggml.scores does not have one "
                             "score a token",
                             rag_gguf_name(g));
    }
    t->scores = malloc(n * sizeof(*t->scores));
    if (!t->scores) {
        return oom(g, err);
    }
    rag_gguf_dequantise(RAG_GGUF_T_F32, v->data, n, t->scores);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(t->scores[i])) {
            return rag_error_set(err, RAG_E_CORRUPT,
                                 "%s: tokenizer.ggml.scores: the score of "
                                 "token %zu is not a number",
                                 rag_gguf_name(g), i);
        }
    }
    t->vocab.scores = t->scores;
    return 0;
}

/* Kinds of the tokens; all are normal when the file does not say. */
static int read_kinds(rag_tokenizer *t, const rag_gguf *g, rag_error *err) {
    const rag_gguf_value *v = rag_gguf_find(g, "tokenizer.ggml.token_type");
    size_t n = (size_t)t->vocab.n;
    t->kinds = malloc(n);
    if (!t->kinds) {
        return oom(g, err);
    }
    t->vocab.kinds = t->kinds;
    memset(t->kinds, RAG_TOKEN_NORMAL, n);
    if (!v) {
        return 0;
    }
    if (v->kind != RAG_GGUF_ARRAY || v->count != n ||
        (v->item != RAG_GGUF_I32 && v->item != RAG_GGUF_U32)) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tokenizer.ggml.token_type does not have "
                             "one kind a token",
                             rag_gguf_name(g));
    }
    for (size_t i = 0; i < n; i++) {
        const unsigned char *p = v->data + i * 4;
        t->kinds[i] = p[1] || p[2] || p[3] ? 0 : p[0];
    }
    return 0;
}

static bool in_trie(const rag_tokenizer *t, int32_t id) {
    unsigned char k = t->kinds[id];
    return k == RAG_TOKEN_NORMAL || k == RAG_TOKEN_USER;
}

static bool has_inner_space(const char *s, size_t len) {
    return len > 1 && memmem(s + 1, len - 1, "\xE2\x96\x81", 3) != NULL;
}

static int build_trie(rag_tokenizer *t, const rag_gguf *g, rag_error *err) {
    size_t n = 0, at = 0, len;
    uint32_t flags = 0;
    const char *s;
    int rc;
    rag_trie_key *keys = malloc(((size_t)t->vocab.n + 1) * sizeof(*keys));
    if (!keys) {
        return oom(g, err);
    }
    for (int32_t i = 0; i < t->vocab.n; i++) {
        (void)rag_gguf_next_string(t->vocab.tokens, &at, &s, &len);
        if (!in_trie(t, i) || len == 0) {
            continue;
        }
        keys[n++] = (rag_trie_key){
            s, len > RAG_PIECE_MAX ? RAG_PIECE_MAX + 1 : (uint32_t)len,
            (uint32_t)i};
        if (t->is_unigram && has_inner_space(s, len)) {
            flags |= RAG_TRIE_INNER_SPACE;
        }
    }
    rc = rag_trie_build(keys, n, &t->built, &t->vocab.trie.n, err);
    free(keys);
    if (rc != 0) {
        return rag_error_prefix(err, "%s", rag_gguf_name(g));
    }
    t->vocab.trie.units = t->built;
    t->vocab.trie.flags = flags;
    return 0;
}

static int read_id(const rag_tokenizer *t, const rag_gguf *g, const char *key,
                   int32_t def, int32_t *out, rag_error *err) {
    uint64_t v;
    int rc = rag_gguf_uint(g, key, (uint64_t)def, 0, (uint64_t)t->vocab.n - 1,
                           &v, err);
    *out = (int32_t)v;
    return rc;
}

/* Special tokens. Missing ids are BERT's and XLM-R's customary ones. */
static int read_special(rag_tokenizer *t, const rag_gguf *g, rag_error *err) {
    bool uni = t->is_unigram;
    const char *bos =
        uni ? "tokenizer.ggml.bos_token_id" : "tokenizer.ggml.cls_token_id";
    const char *eos = uni ? "tokenizer.ggml.eos_token_id"
                          : "tokenizer.ggml.seperator_token_id";
    int rc;
    /* Newer BERT files name [CLS] as bos. */
    if (!uni && !rag_gguf_find(g, bos)) {
        bos = "tokenizer.ggml.bos_token_id";
    }
    if (t->vocab.n < 4) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: the vocabulary has fewer than 4 tokens",
                             rag_gguf_name(g));
    }
    rc = read_id(t, g, "tokenizer.ggml.unknown_token_id",
                 uni ? 3 : (t->vocab.n > 100 ? 100 : 0), &t->vocab.unk, err);
    if (rc == 0) {
        rc = read_id(t, g, bos, uni ? 0 : (t->vocab.n > 101 ? 101 : 0), &t->bos,
                     err);
    }
    if (rc == 0) {
        rc = read_id(t, g, eos, uni ? 2 : (t->vocab.n > 102 ? 102 : 0), &t->eos,
                     err);
    }
    if (rc == 0) {
        rc = rag_gguf_bool(g, "tokenizer.ggml.add_bos_token", true, &t->add_bos,
                           err);
    }
    return rc != 0 ? rc
                   : rag_gguf_bool(g, "tokenizer.ggml.add_eos_token", true,
                                   &t->add_eos, err);
}

static int open_all(rag_tokenizer *t, const rag_gguf *g, const rag_trie *trie,
                    rag_error *err) {
    const char *model;
    size_t len;
    int rc = rag_gguf_string(g, "tokenizer.ggml.model", "", &model, &len, err);
    if (rc != 0) {
        return rc;
    }
    t->is_unigram = len == 2 && memcmp(model, "t5", 2) == 0;
    if (!t->is_unigram && !(len == 4 && memcmp(model, "bert", 4) == 0)) {
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "%s: tokenizer.ggml.model \"%.*s\" is not "
                             "supported (\"t5\", Unigram, and \"bert\", "
                             "WordPiece, are)",
                             rag_gguf_name(g), (int)(len > 40 ? 40 : len),
                             model);
    }
    rc = rag_gguf_array(g, "tokenizer.ggml.tokens", RAG_GGUF_STRING,
                        &t->vocab.tokens, err);
    if (rc != 0) {
        return rc;
    }
    if (!t->vocab.tokens || t->vocab.tokens->count == 0 ||
        t->vocab.tokens->count > RAG_VOCAB_MAX) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tokenizer.ggml.tokens is missing, empty or "
                             "too long",
                             rag_gguf_name(g));
    }
    t->vocab.n = (int32_t)t->vocab.tokens->count;
    if ((rc = read_kinds(t, g, err)) != 0 ||
        (rc = read_special(t, g, err)) != 0 ||
        (t->is_unigram && (rc = read_scores(t, g, err)) != 0)) {
        return rc;
    }
    if (trie) {
        t->vocab.trie = *trie;
    } else {
        rc = build_trie(t, g, err);
    }
    if (rc == 0) {
        rc = t->is_unigram
                 ? rag_unigram_open(g, &t->vocab, &t->unigram, err)
                 : rag_wordpiece_open(g, &t->vocab, &t->wordpiece, err);
    }
    return rc;
}

int rag_tokenizer_open(const rag_gguf *g, const rag_trie *trie,
                       rag_tokenizer **out, rag_error *err) {
    rag_tokenizer *t = calloc(1, sizeof(*t));
    int rc;
    *out = NULL;
    if (!t) {
        return oom(g, err);
    }
    rc = open_all(t, g, trie, err);
    if (rc != 0) {
        rag_tokenizer_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

void rag_tokenizer_close(rag_tokenizer *t) {
    if (!t) {
        return;
    }
    free(t->scores);
    free(t->kinds);
    free(t->built);
    free(t);
}

const rag_trie *rag_tokenizer_trie(const rag_tokenizer *t) {
    return &t->vocab.trie;
}

int32_t rag_tokenizer_vocab(const rag_tokenizer *t) {
    return t->vocab.n;
}

int32_t rag_tokenizer_bos(const rag_tokenizer *t) {
    return t->bos;
}

int32_t rag_tokenizer_eos(const rag_tokenizer *t) {
    return t->eos;
}

bool rag_tokenizer_is_unigram(const rag_tokenizer *t) {
    return t->is_unigram;
}

int rag_tokenizer_encode(const rag_tokenizer *t, const char *s, size_t len,
                         bool special, size_t limit, rag_ids *ids,
                         rag_error *err) {
    int rc = 0;
    if (special && t->add_bos) {
        rc = rag_ids_push(ids, t->bos, NULL, err);
    }
    if (rc == 0) {
        rc = t->is_unigram
                 ? rag_unigram_encode(&t->unigram, s, len, limit, ids, err)
                 : rag_wordpiece_encode(&t->wordpiece, s, len, limit, ids, err);
    }
    if (rc == 0 && special && t->add_eos) {
        rc = rag_ids_push(ids, t->eos, NULL, err);
    }
    return rc;
}
