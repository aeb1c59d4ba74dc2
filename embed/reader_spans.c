/*
 * reader_spans.c - the best spans of a passage, exactly.
 *
 * The best span of each starting token is found once. Then, as often as
 * spans are wanted, the best of these is taken; one that a better span rules
 * out gives way to the next best of the same start. So the result is that of
 * sorting all pairs, at the price of looking at each pair about once.
 *
 * Called by reader.c on the caller's thread.
 */
#include "embed/reader_int.h"

#include <stdlib.h>

typedef struct best {
    float score; /* start + end */
    size_t last; /* token it ends with; SIZE_MAX: none is left */
} best;

/* Bytes that two spans share. */
static size_t shared(size_t a0, size_t a1, const rag_read_span *b) {
    size_t from = a0 > b->start ? a0 : b->start;
    size_t to = a1 < b->end ? a1 : b->end;
    return to > from ? to - from : 0;
}

/* Whether a better span stands for [from,to) already. */
static bool ruled_out(const rag_reading *r, size_t from, size_t to) {
    for (size_t i = 0; i < r->n; i++) {
        const rag_read_span *s = &r->span[i];
        size_t both = shared(from, to, s);
        size_t all = to - from + (s->end - s->start) - both;
        if (both == to - from || 2 * both > all) {
            return true;
        }
    }
    return false;
}

static best best_from(const rag_read_tokens *t, const rag_reading *r,
                      size_t first) {
    size_t from = t->place[first].start;
    best b = {0, SIZE_MAX};
    for (size_t i = first; i < t->n && i - first < RAG_READER_SPAN_TOKENS;
         i++) {
        const rag_range *p = &t->place[i];
        float score = t->start[first] + t->end[i];
        if ((b.last == SIZE_MAX || score > b.score) && p->end > p->start &&
            p->end > from && !ruled_out(r, from, p->end)) {
            b = (best){score, i};
        }
    }
    return b;
}

int rag_read_spans(const rag_read_tokens *t, rag_reading *out, rag_error *err) {
    best *all = malloc((t->n + 1) * sizeof(*all));
    out->n = 0;
    if (!all) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < t->n; i++) {
        all[i] = best_from(t, out, i);
    }
    while (out->n < RAG_READER_SPANS) {
        size_t top = SIZE_MAX, from, to;
        for (size_t i = 0; i < t->n; i++) {
            if (all[i].last != SIZE_MAX &&
                (top == SIZE_MAX || all[i].score > all[top].score)) {
                top = i;
            }
        }
        if (top == SIZE_MAX) {
            break;
        }
        from = t->place[top].start;
        to = t->place[all[top].last].end;
        if (ruled_out(out, from, to)) {
            all[top] = best_from(t, out, top);
            continue;
        }
        out->span[out->n++] =
            (rag_read_span){from, to, all[top].score - out->none};
        all[top] = best_from(t, out, top);
    }
    free(all);
    return 0;
}
