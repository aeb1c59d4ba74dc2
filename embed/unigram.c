/*
 * unigram.c - SentencePiece Unigram: the most probable split of a text.
 *
 * Normalises (charsmap.c), turns white space into U+2581 as the model's
 * flags say, and finds the split with the highest sum of scores (Viterbi
 * over a trie; Kudo 2018, "Subword Regularization", and the rules of
 * sentencepiece's Normalizer and unigram::Model::EncodeOptimized).
 *
 * When no piece has a U+2581 inside, no piece spans two words, so the best
 * split of a text is that of its words one by one: the work area stays small
 * and a text that is cut after a limit is not read further.
 */
#include "embed/tokenizer.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "\xE2\x96\x81" /* U+2581 */
#define SPACE_LEN 3u
#define UNK_PENALTY 10.0f /* sentencepiece's kUnkPenalty */
/* A run without a space is searched whole up to this many bytes, then cut at
 * a character: bounds the work area, far above any word. */
#define SEGMENT_MAX ((size_t)8 << 20)

/* Best way to reach a byte: the piece that ends there and where it starts. */
typedef struct reach {
    double score;
    int32_t id; /* -1: not reached */
    uint32_t start;
} reach;

typedef struct work {
    const rag_unigram *u;
    char *seg; /* the word, or text, that is being gathered */
    size_t len, cap;
    reach *best;
    size_t best_cap;
    int32_t *path;
    size_t path_cap;
    rag_ids *ids;
    size_t first; /* ids->n when this text began */
    rag_error *err;
} work;

static int oom(work *w) {
    return rag_error_set(w->err, RAG_E_NOMEM,
                         "out of memory while splitting a text");
}

static int put(work *w, const char *s, size_t n) {
    if (n > w->cap - w->len) {
        size_t cap = (w->cap ? w->cap * 2 : 256) + n;
        char *p = realloc(w->seg, cap);
        if (!p) {
            return oom(w);
        }
        w->seg = p;
        w->cap = cap;
    }
    memcpy(w->seg + w->len, s, n);
    w->len += n;
    return 0;
}

/* Bytes of the character at s; the text is valid UTF-8 by now, except for
 * what a hostile table may have put in, so never past the end. */
static inline size_t char_len(const char *s, size_t left) {
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    return n < left ? n : left;
}

static inline void improve(reach *r, double score, int32_t id, uint32_t start) {
    if (r->id < 0 || score > r->score) {
        *r = (reach){score, id, start};
    }
}

/* Fills w->best for the segment. */
static void search(work *w) {
    const rag_unigram *u = w->u;
    const rag_vocab *v = u->vocab;
    const rag_trie *t = &v->trie;
    size_t n = w->len;
    reach *best = w->best;
    for (size_t i = 0; i <= n; i++) {
        best[i].id = -1;
    }
    best[0] = (reach){0, 0, 0};
    for (size_t at = 0; at < n;) {
        size_t one = char_len(w->seg + at, n - at);
        double here = best[at].score;
        uint32_t node = 0, id;
        bool whole = false; /* the character is a piece by itself */
        for (size_t i = at; i < n; i++) {
            node = rag_trie_step(t, node, (unsigned char)w->seg[i]);
            if (node == RAG_TRIE_FREE) {
                break;
            }
            if (rag_trie_value(t, node, &id) && id < (uint32_t)v->n) {
                improve(&best[i + 1], here + (double)v->scores[id], (int32_t)id,
                        (uint32_t)at);
                whole = whole || i + 1 - at == one;
            }
        }
        if (!whole) {
            improve(&best[at + one], here + (double)u->unk_score, v->unk,
                    (uint32_t)at);
        }
        at += one;
    }
}

static int grow(work *w) {
    if (w->len + 1 > w->best_cap) {
        size_t cap = (w->len + 1) * 2;
        reach *best = realloc(w->best, cap * sizeof(*best));
        int32_t *path;
        if (!best) {
            return oom(w);
        }
        w->best = best;
        path = realloc(w->path, cap * sizeof(*path));
        if (!path) {
            return oom(w);
        }
        w->path = path;
        w->best_cap = cap;
    }
    return 0;
}

/* Splits the gathered segment and appends its ids. */
static int flush(work *w) {
    size_t n = 0;
    int rc;
    if (w->len == 0) {
        return 0;
    }
    rc = grow(w);
    if (rc != 0) {
        return rc;
    }
    search(w);
    for (size_t at = w->len; at > 0; at = w->best[at].start) {
        w->path[n++] = w->best[at].id;
    }
    w->len = 0;
    while (n > 0) {
        int32_t id = w->path[--n];
        /* Neighbouring unknown characters are one unknown token. */
        if (id == w->u->vocab->unk && w->ids->n > w->first &&
            w->ids->v[w->ids->n - 1] == id) {
            continue;
        }
        rc = rag_ids_push(w->ids, id, w->err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* A U+2581 begins a word. */
static int begin_word(work *w) {
    if (!(w->u->vocab->trie.flags & RAG_TRIE_INNER_SPACE)) {
        int rc = flush(w);
        if (rc != 0) {
            return rc;
        }
    }
    return put(w, SPACE, SPACE_LEN);
}

/* One replacement of the normaliser: what is not space goes to the segment.
 * *pending: a space is owed before the next character. */
static int take(work *w, const char *s, size_t n, bool *pending,
                bool *started) {
    for (size_t i = 0; i < n;) {
        size_t run = 0;
        int rc;
        if (s[i] == ' ') {
            i++;
            if (!w->u->remove_extra_spaces) {
                rc = begin_word(w);
                if (rc != 0) {
                    return rc;
                }
            } else if (*started) {
                *pending = true;
            }
            continue;
        }
        while (i + run < n && s[i + run] != ' ') {
            run++;
        }
        rc = *pending ? begin_word(w) : 0;
        *pending = false;
        *started = true;
        if (rc != 0 || (rc = put(w, s + i, run)) != 0) {
            return rc;
        }
        i += run;
    }
    return 0;
}

int rag_unigram_encode(const rag_unigram *u, const char *s, size_t len,
                       size_t limit, rag_ids *ids, rag_error *err) {
    work w = {.u = u, .ids = ids, .first = ids->n, .err = err};
    bool pending = u->add_space_prefix, started = false;
    int rc = 0;
    if (len > 0 && pending && !u->remove_extra_spaces) {
        pending = false;
        rc = begin_word(&w);
    }
    for (size_t i = 0; rc == 0 && i < len && ids->n <= limit;) {
        const char *to;
        size_t to_len;
        i += rag_charsmap_next(&u->map, s + i, len - i, &to, &to_len);
        rc = take(&w, to, to_len, &pending, &started);
        if (rc == 0 && w.len > SEGMENT_MAX) {
            rc = flush(&w);
        }
    }
    /* White space at the end counts as a space of its own: sentencepiece
     * drops it, but the published tokenizers of XLM-R's family, with which
     * these encoders were trained, do not. */
    if (rc == 0 && pending && len > 0) {
        rc = begin_word(&w);
    }
    if (rc == 0) {
        rc = flush(&w);
    }
    free(w.seg);
    free(w.best);
    free(w.path);
    return rc;
}

int rag_unigram_open(const rag_gguf *g, const rag_vocab *vocab,
                     rag_unigram *out, rag_error *err) {
    const rag_gguf_value *map;
    float lowest = FLT_MAX;
    int rc;
    memset(out, 0, sizeof(*out));
    out->vocab = vocab;
    rc = rag_gguf_bool(g, "tokenizer.ggml.add_space_prefix", true,
                       &out->add_space_prefix, err);
    if (rc == 0) {
        rc = rag_gguf_bool(g, "tokenizer.ggml.remove_extra_whitespaces", false,
                           &out->remove_extra_spaces, err);
    }
    if (rc != 0) {
        return rc;
    }
    map = rag_gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    if (map && (map->kind != RAG_GGUF_ARRAY ||
                (map->item != RAG_GGUF_U8 && map->item != RAG_GGUF_I8))) {
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s: tokenizer.ggml.precompiled_charsmap is not "
                             "an array of bytes",
                             rag_gguf_name(g));
    }
    rc = rag_charsmap_open(map ? map->data : NULL, map ? map->size : 0,
                           rag_gguf_name(g), &out->map, err);
    for (int32_t i = 0; rc == 0 && i < vocab->n; i++) {
        if (vocab->kinds[i] == RAG_TOKEN_NORMAL && vocab->scores[i] < lowest) {
            lowest = vocab->scores[i];
        }
    }
    out->unk_score = (lowest == FLT_MAX ? 0 : lowest) - UNK_PENALTY;
    return rc;
}
