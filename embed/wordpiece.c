/*
 * wordpiece.c - BERT's WordPiece: words, then the longest known pieces.
 *
 * BERT's basic tokenizer (clean, Han characters and punctuation stand alone,
 * lower case and accents off for uncased models), then greedy longest match
 * from the left inside each word (Schuster and Nakajima 2012; the rules are
 * those of BERT's published tokenization.py). Unicode data from utf8proc.
 *
 * A GGUF file writes the vocabulary in one of two ways: as BERT has it
 * (pieces inside a word begin with ##), or with U+2581 before pieces that
 * begin a word and nothing before the others.
 */
#include "embed/tokenizer.h"

#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define WORD_CHARS_MAX 100u /* longer words are unknown, as in BERT */
#define WORD_BYTES_MAX (WORD_CHARS_MAX * 4u + 4u)
#define START "\xE2\x96\x81"
#define START_LEN 3u

typedef struct word {
    const rag_wordpiece *w;
    char s[START_LEN + WORD_BYTES_MAX]; /* room for the mark in front */
    size_t len; /* bytes after the mark */
    unsigned chars;
    rag_range whole, now; /* of the word, and of the character in work */
    rag_range from[WORD_BYTES_MAX]; /* of each byte of s */
    rag_ids *ids;
    rag_error *err;
} word;

/* Longest piece at s[0..n) after the bytes of mark; returns its length in s,
 * 0 for none. */
static size_t longest(const rag_vocab *v, const char *mark, const char *s,
                      size_t n, int32_t *id) {
    uint32_t node = 0, value;
    size_t best = 0;
    for (; *mark; mark++) {
        node = rag_trie_step(&v->trie, node, (unsigned char)*mark);
        if (node == RAG_TRIE_FREE) {
            return 0;
        }
    }
    for (size_t i = 0; i < n; i++) {
        node = rag_trie_step(&v->trie, node, (unsigned char)s[i]);
        if (node == RAG_TRIE_FREE) {
            break;
        }
        /* Only whole characters: pieces are text, and so is s. */
        if (rag_trie_value(&v->trie, node, &value) && value < (uint32_t)v->n) {
            best = i + 1;
            *id = (int32_t)value;
        }
    }
    return best;
}

static int end_word(word *w) {
    const rag_vocab *v = w->w->vocab;
    size_t before = w->ids->n, len = w->len;
    bool known = w->chars <= WORD_CHARS_MAX;
    int rc = 0;
    if (w->chars == 0) {
        return 0;
    }
    for (size_t at = 0; known && rc == 0 && at < len;) {
        const char *mark =
            w->w->phantom ? (at == 0 ? START : "") : (at == 0 ? "" : "##");
        int32_t id = 0;
        size_t n = longest(v, mark, w->s + at, len - at, &id);
        known = n > 0;
        if (known) {
            rag_range place = {w->from[at].start, w->from[at + n - 1].end};
            rc = rag_ids_push(w->ids, id, &place, w->err);
        }
        at += n;
    }
    if (rc == 0 && !known) {
        w->ids->n = before; /* one unknown token for the whole word */
        rc = rag_ids_push(w->ids, v->unk, &w->whole, w->err);
    }
    w->len = 0;
    w->chars = 0;
    return rc;
}

static void add_char(word *w, uint32_t cp) {
    w->whole.start = w->chars == 0 ? w->now.start : w->whole.start;
    w->whole.end = w->now.end;
    w->chars++;
    if (w->chars <= WORD_CHARS_MAX) {
        size_t n = rag_utf8_put(cp, w->s + w->len);
        for (size_t i = 0; i < n; i++) {
            w->from[w->len + i] = w->now;
        }
        w->len += n;
    }
}

/* BERT's _is_chinese_char: the CJK ideograph blocks. */
static bool is_han(uint32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* BERT's _is_punctuation: category P, and the ASCII symbols too. */
static bool is_punctuation(uint32_t c) {
    utf8proc_category_t k;
    if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
        (c >= 123 && c <= 126)) {
        return true;
    }
    if (c < 128) {
        return false;
    }
    k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

static bool is_space(uint32_t c) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        return true;
    }
    return c >= 128 &&
           utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ZS;
}

/* BERT's _is_control: category C (unassigned too). */
static bool is_control(uint32_t c) {
    utf8proc_category_t k;
    if (c >= 32 && c < 127) {
        return false;
    }
    k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_CS || k == UTF8PROC_CATEGORY_CO ||
           k == UTF8PROC_CATEGORY_CN;
}

/* One character after case folding and decomposition. */
static int take(word *w, uint32_t c) {
    int rc;
    if (is_punctuation(c)) {
        rc = end_word(w);
        if (rc != 0) {
            return rc;
        }
        add_char(w, c);
        return end_word(w);
    }
    add_char(w, c);
    return 0;
}

/* Lower case, canonical decomposition, marks dropped: in BERT's order. */
static int take_folded(word *w, uint32_t c) {
    utf8proc_int32_t parts[32];
    utf8proc_ssize_t n;
    int boundary = 0;
    if (c < 128) {
        return take(w, c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    /* Capital I with dot is the one letter that becomes two; the second is a
     * mark and is dropped anyway. */
    c = c == 0x130 ? 'i' : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 32,
                                UTF8PROC_DECOMPOSE, &boundary);
    if (n < 0 || n > 32) {
        return take(w, c);
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        if (utf8proc_category(parts[i]) != UTF8PROC_CATEGORY_MN) {
            int rc = take(w, (uint32_t)parts[i]);
            if (rc != 0) {
                return rc;
            }
        }
    }
    return 0;
}

int rag_wordpiece_encode(const rag_wordpiece *wp, const char *s, size_t len,
                         size_t limit, rag_ids *ids, rag_error *err) {
    word w;
    int rc = 0;
    w.w = wp;
    w.ids = ids;
    w.err = err;
    w.len = w.chars = 0;
    for (size_t i = 0; rc == 0 && i < len && ids->n <= limit;) {
        uint32_t c;
        w.now.start = i;
        i += rag_utf8_next(s + i, len - i, &c);
        w.now.end = i;
        if (c == 0 || c == 0xFFFD || c == RAG_CP_INVALID) {
            continue; /* BERT drops them */
        }
        if (is_space(c)) {
            rc = end_word(&w);
        } else if (is_control(c)) {
            continue;
        } else if (is_han(c)) {
            rc = end_word(&w);
            add_char(&w, c);
            rc = rc != 0 ? rc : end_word(&w);
        } else {
            rc = wp->lowercase ? take_folded(&w, c) : take(&w, c);
        }
    }
    return rc != 0 ? rc : end_word(&w);
}

int rag_wordpiece_open(const rag_gguf *g, const rag_vocab *vocab,
                       rag_wordpiece *out, rag_error *err) {
    int32_t id;
    memset(out, 0, sizeof(*out));
    out->vocab = vocab;
    out->phantom = longest(vocab, START, "a", 1, &id) == 1 ||
                   longest(vocab, START, ".", 1, &id) == 1;
    /* A cased vocabulary knows capital letters. */
    return rag_gguf_bool(
        g, "ragd.lowercase",
        longest(vocab, out->phantom ? START : "", "A", 1, &id) == 0,
        &out->lowercase, err);
}
