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
    rag_range *from; /* of each byte of seg, when places are wanted */
    rag_range now; /* of what is being put */
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

static int widen(work *w, size_t n) {
    size_t cap = (w->cap ? w->cap * 2 : 256) + n;
    char *p = realloc(w->seg, cap);
    if (!p) {
        return oom(w);
    }
    w->seg = p;
    if (w->ids->with_places) {
        rag_range *from = realloc(w->from, cap * sizeof(*from));
        if (!from) {
            return oom(w);
        }
        w->from = from;
    }
    w->cap = cap;
    return 0;
}

static int put(work *w, const char *s, size_t n) {
    int rc = n > w->cap - w->len ? widen(w, n) : 0;
    if (rc != 0) {
        return rc;
    }
    memcpy(w->seg + w->len, s, n);
    for (size_t i = 0; w->ids->with_places && i < n; i++) {
        w->from[w->len + i] = w->now;
    }
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

/* Where bytes [at,end) of the segment stand in the text. */
static rag_range place_of(const work *w, size_t at, size_t end) {
    while (end - at > SPACE_LEN && memcmp(w->seg + at, SPACE, SPACE_LEN) == 0) {
        at += SPACE_LEN;
    }
    return (rag_range){w->from[at].start, w->from[end - 1].end};
}

/* Splits the gathered segment and appends its ids. */
static int flush(work *w) {
    size_t n = 0, at = 0;
    rag_range place = {0};
    int rc;
    if (w->len == 0) {
        return 0;
    }
    rc = grow(w);
    if (rc != 0) {
        return rc;
    }
    search(w);
    for (size_t end = w->len; end > 0; end = w->best[end].start) {
        w->path[n++] = (int32_t)end;
    }
    for (; n > 0; at = (size_t)w->path[n]) {
        size_t end = (size_t)w->path[--n];
        int32_t id = w->best[end].id;
        if (w->ids->with_places) {
            place = place_of(w, at, end);
        }
        /* Neighbouring unknown characters are one unknown token. */
        if (id == w->u->vocab->unk && w->ids->n > w->first &&
            w->ids->v[w->ids->n - 1] == id) {
            if (w->ids->with_places) {
                w->ids->place[w->ids->n - 1].end = place.end;
            }
            continue;
        }
        rc = rag_ids_push(w->ids, id, &place, w->err);
        if (rc != 0) {
            return rc;
        }
    }
    w->len = 0;
    return 0;
}

/* A U+2581 begins a word; the character after it stands at byte next. */
static int begin_word(work *w, size_t next) {
    rag_range now = w->now;
    int rc = 0;
    if (!(w->u->vocab->trie.flags & RAG_TRIE_INNER_SPACE)) {
        rc = flush(w);
    }
    w->now = (rag_range){next, next};
    if (rc == 0) {
        rc = put(w, SPACE, SPACE_LEN);
    }
    w->now = now;
    return rc;
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
                rc = begin_word(w, w->now.end);
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
        rc = *pending ? begin_word(w, w->now.start) : 0;
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
        rc = begin_word(&w, 0);
    }
    for (size_t i = 0; rc == 0 && i < len && ids->n <= limit;) {
        const char *to;
        size_t to_len;
        w.now.start = i;
        i += rag_charsmap_next(&u->map, s + i, len - i, &to, &to_len);
        w.now.end = i;
        rc = take(&w, to, to_len, &pending, &started);
        if (rc == 0 && w.len > SEGMENT_MAX) {
            rc = flush(&w);
        }
    }
    /* White space at the end counts as a space of its own: sentencepiece
     * drops it, but the published tokenizers of XLM-R's family, with which
     * these encoders were trained, do not. */
    if (rc == 0 && pending && len > 0) {
        rc = begin_word(&w, len);
    }
    if (rc == 0) {
        rc = flush(&w);
    }
    free(w.seg);
    free(w.from);
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
