/*
 * chunk.c - cuts a document into chunks.
 *
 * The outline's blocks are packed one after another. A heading begins a new
 * chunk (unless the one before is tiny), paragraphs are added up to the
 * target, lists and tables stay whole and with the line that introduces them
 * as long as the maximum allows. What is over the maximum is cut into pieces
 * - rows, items, sentences, at last words - and the pieces are packed.
 *
 * Invariants: chunks are in order; each begins and ends at a character that
 * is no white space; none has more tokens than the maximum (as counted by
 * the caller's counter); every character outside of markup is in one.
 *
 * Called by rag-ingest, one document at a time; no state.
 */
#include "ingest/ingest_int.h"

#include "base/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_TOKENS 200
#define MAX_TOKENS 400
#define TINY_DIVISOR 5 /* a section under target/5 takes in the next one */
#define HEADING_DEPTH 8
#define PATH_MAX_BYTES 512
#define BYTES_PER_TOKEN_MAX 24 /* longer than this times max: not counted */

typedef struct chunker {
    const rag_document *doc;
    const char *s;
    size_t n;
    size_t target, max, overlap;
    rag_token_count_fn count;
    void *user;
    const rag_sentences *sentences;
    rag_error *err;
    int rc;

    /* headings above where we are; words tidied, owned */
    struct {
        int level;
        char *words;
    } stack[HEADING_DEPTH];
    size_t depth;

    /* the chunk that is open: [start,end), its path and its heading's level */
    bool open;
    size_t start, end;
    char *path;
    int level;
    rag_block_kind last; /* kind of the block added last */
    size_t section; /* first chunk of the section we are in */

    /* headings seen since, not in a chunk yet */
    bool pending;
    size_t pending_start, pending_end;

    rag_chunk *v;
    size_t nchunks, cap;
} chunker;

/* From above, in twelfths of a token: a Hangul syllable is 0.53 tokens in
 * running text, a Latin letter 0.22; digits and signs are often one each. */
static size_t estimate(void *user, const char *s, size_t n) {
    (void)user;
    size_t twelfths = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        switch (rag_unicode_class(cp)) {
        case RAG_CHAR_SPACE:
            break;
        case RAG_CHAR_LATIN:
            twelfths += cp < 0x80 ? 3 : 5;
            break;
        case RAG_CHAR_HANGUL:
            twelfths += cp >= 0xAC00 ? 7 : 3;
            break;
        case RAG_CHAR_CJK:
        case RAG_CHAR_DIGIT:
            twelfths += 9;
            break;
        default:
            twelfths += 10;
        }
    }
    return (twelfths + 11) / 12;
}

/* Whether [a,b) has at most limit tokens; a range that cannot is not counted.
 */
static bool fits(const chunker *c, size_t a, size_t b, size_t limit) {
    if (b <= a)
        return true;
    if (b - a > limit * BYTES_PER_TOKEN_MAX)
        return false;
    return c->count(c->user, c->s + a, b - a) <= limit;
}

static bool is_space(const chunker *c, size_t i, size_t *len) {
    uint32_t cp;
    *len = rag_utf8_next(c->s + i, c->n - i, &cp);
    return cp == 0xFEFF || rag_unicode_class(cp) == RAG_CHAR_SPACE;
}

static void trim(const chunker *c, size_t *a, size_t *b) {
    size_t k;
    while (*a < *b && is_space(c, *a, &k))
        *a += k;
    while (*b > *a) {
        size_t p = rag_utf8_prev(c->s, *b);
        if (p < *a || !is_space(c, p, &k))
            break;
        *b = p;
    }
}

/* ---- headings ----------------------------------------------------------- */

/* Path of the headings below depth, without one that the title ends with. */
static char *path_of(chunker *c, size_t depth) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = RAG_OK;
    const char *title = c->doc->title ? c->doc->title : "";
    for (size_t i = 0; i < depth && !rc; i++) {
        const char *w = c->stack[i].words;
        if (!*w || rag_str_ends(title, w) ||
            b.len + strlen(w) + 3 > PATH_MAX_BYTES)
            continue;
        if (b.len > 0)
            rc = rag_buf_append_str(&b, " > ", c->err);
        if (!rc)
            rc = rag_buf_append_str(&b, w, c->err);
    }
    char *out = NULL;
    if (!rc)
        rc = rag_buf_steal(&b, &out, NULL, c->err);
    rag_buf_free(&b);
    if (rc)
        c->rc = rc;
    return out;
}

static void enter_heading(chunker *c, const rag_block *b) {
    while (c->depth > 0 && c->stack[c->depth - 1].level >= b->level)
        free(c->stack[--c->depth].words);
    rag_buf raw, words;
    rag_buf_init(&raw, 0);
    rag_buf_init(&words, 0);
    int rc = rag_passage_tidy(c->s + b->title_start,
                              b->title_end - b->title_start, &raw, c->err);
    if (!rc)
        rc = rag_unicode_clean(rag_buf_str(&raw), raw.len, &words, c->err);
    if (!rc && c->depth < HEADING_DEPTH) {
        char *w = NULL;
        rc = rag_buf_steal(&words, &w, NULL, c->err);
        if (!rc) {
            c->stack[c->depth].level = b->level;
            c->stack[c->depth++].words = w;
        }
    }
    rag_buf_free(&raw);
    rag_buf_free(&words);
    if (rc)
        c->rc = rc;
}

/* ---- chunks ------------------------------------------------------------- */

static void emit(chunker *c, size_t a, size_t b, const char *path) {
    trim(c, &a, &b);
    if (c->rc || a == b)
        return;
    if (c->nchunks == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 8;
        rag_chunk *v = realloc(c->v, cap * sizeof *v);
        if (!v) {
            c->rc = rag_error_set(c->err, RAG_E_NOMEM, "no memory for chunks");
            return;
        }
        c->v = v;
        c->cap = cap;
    }
    char *heading;
    c->rc = rag_str_dup(path ? path : "", &heading, c->err);
    if (!c->rc)
        c->v[c->nchunks++] = (rag_chunk){a, b, heading};
}

static void flush(chunker *c) {
    if (c->open)
        emit(c, c->start, c->end, c->path);
    free(c->path);
    c->path = NULL;
    c->open = false;
}

static void begin(chunker *c, size_t start, size_t end) {
    flush(c);
    c->path = path_of(c, c->depth);
    c->level = c->depth > 0 ? c->stack[c->depth - 1].level : 0;
    c->start = start;
    c->end = end;
    c->open = true;
    c->pending = false;
}

/* ---- pieces of what is too long ----------------------------------------- */

typedef struct pieces {
    rag_span *v;
    size_t n, cap;
} pieces;

static void add_piece(chunker *c, pieces *p, size_t a, size_t b) {
    trim(c, &a, &b);
    if (c->rc || a == b)
        return;
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 32;
        rag_span *v = realloc(p->v, cap * sizeof *v);
        if (!v) {
            c->rc = rag_error_set(c->err, RAG_E_NOMEM, "no memory for chunks");
            return;
        }
        p->v = v;
        p->cap = cap;
    }
    p->v[p->n++] = (rag_span){a, b};
}

/* Cuts [a,b) into runs of words that fit, each as long as may be within a
 * power of two; words that do not fit are cut between characters. */
static void cut_words(chunker *c, pieces *p, size_t a, size_t b) {
    while (a < b && !c->rc) {
        size_t len = b - a, cap = c->max * BYTES_PER_TOKEN_MAX;
        if (len > cap)
            len = rag_utf8_floor(c->s, c->n, a + cap) - a;
        while (len > 4 && !fits(c, a, a + len, c->max)) {
            len = rag_utf8_floor(c->s, c->n, a + len / 2) - a;
        }
        uint32_t cp;
        if (len == 0)
            len = rag_utf8_next(c->s + a, b - a, &cp);
        size_t end = a + len, k;
        for (size_t i = end; end < b && i > a + len / 2;) {
            i = rag_utf8_prev(c->s, i);
            if (is_space(c, i, &k)) {
                end = i;
                break;
            }
        }
        add_piece(c, p, a, end);
        a = end;
    }
}

static void cut_sentences(chunker *c, pieces *p, size_t a, size_t b) {
    rag_span *v;
    size_t n;
    int rc = rag_sentences_split(c->sentences, c->s + a, b - a, &v, &n, c->err);
    if (rc) {
        c->rc = rc;
        return;
    }
    for (size_t i = 0; i < n && !c->rc; i++) {
        if (fits(c, a + v[i].start, a + v[i].end, c->max))
            add_piece(c, p, a + v[i].start, a + v[i].end);
        else
            cut_words(c, p, a + v[i].start, a + v[i].end);
    }
    free(v);
}

/* Lines of a table or of code; items of a list with their further lines. */
static void cut_lines(chunker *c, pieces *p, const rag_block *b) {
    size_t from = b->start;
    size_t indent = SIZE_MAX; /* of the outermost items */
    for (size_t at = b->start; at < b->end && !c->rc;) {
        const char *nl = memchr(c->s + at, '\n', b->end - at);
        size_t end = nl ? (size_t)(nl - c->s) : b->end;
        size_t next = nl ? end + 1 : b->end;
        bool cut = true;
        if (b->kind == RAG_BLOCK_LIST) {
            size_t in = at;
            while (in < end && (c->s[in] == ' ' || c->s[in] == '\t'))
                in++;
            cut = rag_outline_marker(c->s + at, end - at) > 0 &&
                  (indent == SIZE_MAX || in - at <= indent + 1);
            if (cut && indent == SIZE_MAX)
                indent = in - at;
        }
        if (cut && at > from) {
            if (fits(c, from, at, c->max))
                add_piece(c, p, from, at);
            else
                cut_sentences(c, p, from, at);
            from = at;
        }
        at = next;
    }
    if (fits(c, from, b->end, c->max))
        add_piece(c, p, from, b->end);
    else
        cut_sentences(c, p, from, b->end);
}

/*
 * A block over the maximum, with the headings before it (from `start`): its
 * pieces are packed up to the target; the last run stays open for what
 * follows.
 */
static void add_pieces(chunker *c, const rag_block *b, size_t start) {
    pieces p = {0};
    if (start < b->start)
        cut_sentences(c, &p, start, b->start);
    size_t head = p.n; /* pieces that are headings stay with what follows */
    bool prose = b->kind == RAG_BLOCK_PARAGRAPH;
    if (prose)
        cut_sentences(c, &p, b->start, b->end);
    else
        cut_lines(c, &p, b);
    size_t i = 0, first = 0;
    while (i < p.n && !c->rc) {
        first = i;
        size_t last = i;
        while (last + 1 < p.n &&
               (last + 1 <= head
                    ? fits(c, p.v[first].start, p.v[last + 1].end, c->max)
                    : fits(c, p.v[first].start, p.v[last + 1].end, c->target)))
            last++;
        begin(c, p.v[first].start, p.v[last].end);
        i = last + 1;
        if (prose && i < p.n && c->overlap > 0 && last > first) {
            size_t back = c->overlap < last - first ? c->overlap : last - first;
            /* Only as far as the next piece still fits behind it. */
            while (back > 0 &&
                   !fits(c, p.v[i - back].start, p.v[i].end, c->target))
                back--;
            i -= back;
        }
    }
    free(p.v);
}

/* ---- blocks ------------------------------------------------------------- */

/* The end of a section that is but a line or two goes with the chunk before
 * it, if that has room. */
static void join_tail(chunker *c) {
    if (!c->open || c->nchunks == c->section || c->nchunks == 0)
        return;
    rag_chunk *before = &c->v[c->nchunks - 1];
    if (c->start < before->end || /* sentences were repeated */
        !fits(c, c->start, c->end, c->target / TINY_DIVISOR) ||
        !fits(c, before->start, c->end, c->max))
        return;
    size_t a = before->start, b = c->end;
    trim(c, &a, &b);
    before->end = b;
    c->open = false;
    flush(c);
}

static void take_heading(chunker *c, const rag_block *b) {
    if (!c->pending)
        join_tail(c);
    bool tiny = c->open && !c->pending && b->level >= c->level &&
                c->level > 0 &&
                fits(c, c->start, c->end, c->target / TINY_DIVISOR);
    if (!tiny && !c->pending)
        flush(c);
    if (c->open && b->level < c->level)
        flush(c); /* was tiny, but its section is over */
    enter_heading(c, b);
    c->section = c->nchunks;
    if (!c->pending) {
        c->pending = true;
        c->pending_start = b->start;
    }
    c->pending_end = b->end;
}

/* The open chunk is tiny and the block's section follows: take both under
 * the path they share. */
static bool join_sections(chunker *c, const rag_block *b) {
    if (!fits(c, c->start, b->end, c->target))
        return false;
    size_t shared = c->depth;
    while (shared > 0 && c->stack[shared - 1].level >= c->level)
        shared--;
    bool child = c->depth > 0 && c->stack[c->depth - 1].level > c->level;
    if (child)
        return true; /* keeps the path of the section above */
    char *path = path_of(c, shared);
    if (!path)
        return true;
    free(c->path);
    c->path = path;
    return true;
}

static void take_block(chunker *c, const rag_block *b) {
    if (c->open && c->pending) {
        if (join_sections(c, b)) {
            c->end = b->end;
            c->pending = false;
            c->last = b->kind;
            return;
        }
        flush(c);
    }
    bool whole = b->kind != RAG_BLOCK_PARAGRAPH;
    if (c->open) {
        /* A list or table goes with the line that introduces it, and what is
         * still short may grow past the target rather than stay short. */
        bool grow = (whole && c->last == RAG_BLOCK_PARAGRAPH) ||
                    fits(c, c->start, c->end, c->target / 3);
        if (fits(c, c->start, b->end, grow ? c->max : c->target)) {
            c->end = b->end;
            c->last = b->kind;
            return;
        }
    }
    size_t start = c->pending ? c->pending_start : b->start;
    if (fits(c, start, b->end, c->max))
        begin(c, start, b->end);
    else {
        flush(c);
        add_pieces(c, b, start);
    }
    c->last = b->kind;
}

static void walk(chunker *c, const rag_block *blocks, size_t count) {
    for (size_t i = 0; i < count && !c->rc; i++) {
        if (blocks[i].kind == RAG_BLOCK_HEADING)
            take_heading(c, &blocks[i]);
        else if (blocks[i].kind != RAG_BLOCK_MARKUP)
            take_block(c, &blocks[i]);
    }
    if (!c->rc && c->pending) {
        /* Headings with nothing below them, at the end. */
        if (c->open && fits(c, c->start, c->pending_end, c->max)) {
            c->end = c->pending_end;
        } else {
            rag_block b = {.kind = RAG_BLOCK_PARAGRAPH,
                           .start = c->pending_start,
                           .end = c->pending_end};
            flush(c);
            c->pending = false;
            take_block(c, &b);
        }
    }
    if (!c->rc) {
        join_tail(c);
        flush(c);
    }
}

static void free_chunks(rag_chunk *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(v[i].heading);
    free(v);
}

int rag_ingest_chunk(rag_document *doc, const rag_chunk_options *opt,
                     const rag_sentences *sentences, rag_error *err) {
    static const rag_chunk_options DEFAULTS;
    if (!opt)
        opt = &DEFAULTS;
    chunker c = {.doc = doc,
                 .s = doc->text ? doc->text : "",
                 .n = doc->text_len,
                 .target =
                     opt->target_tokens ? opt->target_tokens : TARGET_TOKENS,
                 .max = opt->max_tokens ? opt->max_tokens : MAX_TOKENS,
                 .overlap = opt->overlap_sentences,
                 .count = opt->count ? opt->count : estimate,
                 .user = opt->count ? opt->user : NULL,
                 .sentences = sentences,
                 .err = err};
    if (c.target > c.max)
        c.target = c.max;
    if (doc->kind == RAG_DOC_FAQ && fits(&c, 0, c.n, c.max)) {
        emit(&c, 0, c.n, "");
    } else {
        rag_block *blocks = NULL;
        size_t count = 0;
        c.rc = rag_outline(c.s, c.n, rag_outline_is_markdown(doc), &blocks,
                           &count, err);
        if (!c.rc)
            walk(&c, blocks, count);
        free(blocks);
    }
    while (c.depth > 0)
        free(c.stack[--c.depth].words);
    free(c.path);
    if (c.rc) {
        free_chunks(c.v, c.nchunks);
        return c.rc;
    }
    free_chunks(doc->chunks, doc->nchunks);
    doc->chunks = c.v;
    doc->nchunks = c.nchunks;
    return RAG_OK;
}
