/*
 * trie.c - a double array over byte strings, built once a model.
 *
 * The double array of Aoe (1989): node p has the children base(p) ^ c for
 * bytes c, each of which names p in its check. A string's end is the child
 * by byte 0, whose base holds the value, and the flag RAG_TRIE_ENDS on the
 * node saves a look at it. XOR keeps a node's children inside one block of
 * 256 units, so the search for a free place can skip full blocks.
 *
 * Called by tokenizer.c; one thread builds, then the trie is immutable.
 */
#include "embed/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 256u
/* Blocks that stay candidates for a new node's children. Small keeps the
 * build quick; full or nearly full blocks are dropped from the front. */
#define OPEN_BLOCKS 32u
#define ROOT 0xFFFFFFFEu

typedef struct builder {
    rag_trie_unit *units;
    uint32_t n, cap; /* units */
    uint32_t first_open; /* block */
    uint16_t *used; /* units taken, a block */
} builder;

/* A range of sorted keys that share `depth` bytes and hang under `node`. */
typedef struct range {
    size_t from, to;
    uint32_t depth, node;
} range;

static int compare_keys(const void *a, const void *b) {
    const rag_trie_key *x = a, *y = b;
    int r = memcmp(x->s, y->s, x->len < y->len ? x->len : y->len);
    if (r == 0) {
        r = (x->len > y->len) - (x->len < y->len);
    }
    return r != 0 ? r : (x->value > y->value) - (x->value < y->value);
}

/* Sorts, and keeps the lowest value of a string that occurs twice. */
static size_t sort_keys(rag_trie_key *keys, size_t n) {
    size_t kept = 0;
    if (n > 1) {
        qsort(keys, n, sizeof(*keys), compare_keys);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || keys[kept - 1].len != keys[i].len ||
            memcmp(keys[kept - 1].s, keys[i].s, keys[i].len) != 0) {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

static int add_block(builder *b, rag_error *err) {
    if (b->n == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : BLOCK * 64;
        rag_trie_unit *units;
        uint16_t *used;
        if (cap > RAG_TRIE_UNITS_MAX) {
            return rag_error_set(err, RAG_E_LIMIT,
                                 "the vocabulary is too large");
        }
        units = realloc(b->units, (size_t)cap * sizeof(*units));
        if (!units) {
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        }
        b->units = units;
        used = realloc(b->used, (size_t)cap / BLOCK * sizeof(*used));
        if (!used) {
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        }
        b->used = used;
        b->cap = cap;
    }
    for (uint32_t i = 0; i < BLOCK; i++) {
        b->units[b->n + i] = (rag_trie_unit){0, RAG_TRIE_FREE};
    }
    b->used[b->n / BLOCK] = 0;
    b->n += BLOCK;
    return 0;
}

static bool fits(const builder *b, uint32_t base, const unsigned char *labels,
                 unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        if (b->units[base ^ labels[i]].check != RAG_TRIE_FREE) {
            return false;
        }
    }
    return true;
}

/* A base whose children by labels are all free. */
static int find_base(builder *b, const unsigned char *labels, unsigned n,
                     uint32_t *base, rag_error *err) {
    int rc;
    for (uint32_t blk = b->first_open; blk < b->n / BLOCK; blk++) {
        if (b->used[blk] + n > BLOCK) {
            continue;
        }
        for (uint32_t i = 0; i < BLOCK; i++) {
            uint32_t at = blk * BLOCK + i;
            if (b->units[at].check == RAG_TRIE_FREE &&
                fits(b, at ^ labels[0], labels, n)) {
                *base = at ^ labels[0];
                return 0;
            }
        }
    }
    *base = b->n;
    rc = add_block(b, err);
    if (rc == 0 && b->n / BLOCK - b->first_open > OPEN_BLOCKS) {
        b->first_open++;
    }
    return rc;
}

/* Places the children of one node and puts their ranges on the stack. */
static int place(builder *b, const rag_trie_key *keys, range r, range *stack,
                 size_t *depth, rag_error *err) {
    unsigned char labels[256];
    size_t starts[257];
    unsigned n = 0;
    uint32_t base;
    int rc;
    for (size_t i = r.from; i < r.to; i++) {
        unsigned char c =
            keys[i].len > r.depth ? (unsigned char)keys[i].s[r.depth] : 0;
        if (n == 0 || labels[n - 1] != c) {
            labels[n] = c;
            starts[n++] = i;
        }
    }
    starts[n] = r.to;
    rc = find_base(b, labels, n, &base, err);
    if (rc != 0) {
        return rc;
    }
    b->units[r.node].base = base | (labels[0] == 0 ? RAG_TRIE_ENDS : 0);
    for (unsigned i = 0; i < n; i++) {
        uint32_t child = base ^ labels[i];
        b->units[child].check = r.node;
        b->used[child / BLOCK]++;
        if (labels[i] == 0) {
            b->units[child].base = keys[starts[i]].value;
        } else {
            stack[(*depth)++] =
                (range){starts[i], starts[i + 1], r.depth + 1, child};
        }
    }
    return 0;
}

int rag_trie_build(rag_trie_key *keys, size_t n, rag_trie_unit **units,
                   uint32_t *nunits, rag_error *err) {
    builder b = {0};
    range *stack = NULL;
    size_t depth = 0, longest = 1;
    int rc;
    *units = NULL;
    *nunits = 0;
    for (size_t i = 0; i < n; i++) {
        if (keys[i].len == 0 || keys[i].len > RAG_PIECE_MAX ||
            memchr(keys[i].s, 0, keys[i].len)) {
            return rag_error_set(err, RAG_E_CORRUPT,
                                 "a piece of the vocabulary is empty, too "
                                 "long or holds a zero byte");
        }
        longest = keys[i].len > longest ? keys[i].len : longest;
    }
    n = sort_keys(keys, n);
    /* Depth first: at most 256 open ranges a byte of the longest key. */
    stack = malloc((longest + 1) * 256 * sizeof(*stack));
    rc = stack ? add_block(&b, err)
               : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (rc != 0) {
        goto out;
    }
    b.units[0].check = ROOT; /* taken, and nobody's child */
    b.used[0] = 1;
    if (n > 0) {
        stack[depth++] = (range){0, n, 0, 0};
    }
    while (depth > 0) {
        range r = stack[--depth];
        rc = place(&b, keys, r, stack, &depth, err);
        if (rc != 0) {
            goto out;
        }
    }
    *units = b.units;
    *nunits = b.n;
    b.units = NULL;
out:
    free(stack);
    free(b.used);
    free(b.units);
    return rc;
}
