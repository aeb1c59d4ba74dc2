/*
 * pairs.c - see pairs.h.
 *
 * Called by reader.c and rank.c on the caller's thread.
 */
#include "embed/pairs.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define SPECIAL_MAX 4u /* <s> question </s></s> passage </s> */

static int oom(rag_error *err) {
    return rag_error_set(err, RAG_E_NOMEM, "out of memory for a batch");
}

void rag_pairs_free(rag_pairs *p) {
    rag_ids_free(&p->ids);
    free(p->pair);
    free(p->start);
    free(p->sorted);
    free(p->second);
    *p = (rag_pairs){0};
}

/* Appends at most max ids of prefix and text; *cut: there were more. Places
 * are then those in the text; *own: the first id that is not the prefix's. */
static int split(const rag_tokenizer *tokenizer, const char *prefix,
                 const rag_text *t, size_t max, rag_ids *ids, size_t *own,
                 bool *cut, rag_error *err) {
    size_t before = ids->n, skip = strlen(prefix);
    const char *s = t->s;
    rag_buf joined;
    int rc = 0;
    rag_buf_init(&joined, SIZE_MAX);
    if (skip > 0) {
        rc = rag_buf_append(&joined, prefix, skip, err);
        rc = rc != 0 ? rc : rag_buf_append(&joined, t->s, t->len, err);
        s = joined.data;
    }
    if (rc == 0) {
        rc = rag_tokenizer_encode(tokenizer, s, skip + t->len, false,
                                  before + max, ids, err);
    }
    rag_buf_free(&joined);
    if (rc != 0) {
        return rc;
    }
    *cut = ids->n - before > max;
    ids->n = *cut ? before + max : ids->n;
    *own = before;
    for (size_t i = before; ids->with_places && i < ids->n; i++) {
        rag_range *p = &ids->place[i];
        *own += p->start < skip && p->end <= skip;
        p->start = p->start > skip ? p->start - skip : 0;
        p->end = p->end > skip ? p->end - skip : 0;
    }
    return 0;
}

int rag_pairs_question(const rag_pair_form *f, const rag_text *question,
                       rag_ids *ids, bool *cut, rag_error *err) {
    size_t max = (f->max_tokens - SPECIAL_MAX) / 2, own;
    max = f->question_max < max ? f->question_max : max;
    return split(f->tokenizer, f->question_prefix, question, max, ids, &own,
                 cut, err);
}

static int add_pair(const rag_pair_form *f, const rag_ids *question,
                    const rag_text *passage, rag_ids *ids, rag_pair *p,
                    rag_error *err) {
    int32_t eos = rag_tokenizer_eos(f->tokenizer);
    size_t between = rag_tokenizer_is_unigram(f->tokenizer) ? 2 : 1, own;
    size_t room = f->max_tokens - question->n - between - 2;
    int rc;
    p->first = ids->n;
    rc = rag_ids_push(ids, rag_tokenizer_bos(f->tokenizer), NULL, err);
    for (size_t i = 0; rc == 0 && i < question->n; i++) {
        rc = rag_ids_push(ids, question->v[i], NULL, err);
    }
    for (size_t i = 0; rc == 0 && i < between; i++) {
        rc = rag_ids_push(ids, eos, NULL, err);
    }
    if (rc != 0) {
        return rc;
    }
    p->second = ids->n - p->first;
    rc = split(f->tokenizer, f->passage_prefix, passage, room, ids, &own,
               &p->cut, err);
    if (rc != 0) {
        return rc;
    }
    p->body = own - p->first;
    p->n = ids->n - own;
    rc = rag_ids_push(ids, eos, NULL, err);
    p->len = ids->n - p->first;
    return rc;
}

static int longer_first(const void *a, const void *b) {
    const rag_pair *x = a, *y = b;
    if (x->len != y->len) {
        return x->len < y->len ? 1 : -1;
    }
    return (x->text > y->text) - (x->text < y->text);
}

int rag_pairs_fill(const rag_pair_form *f, const rag_ids *question,
                   const rag_text *passages, size_t n, rag_pairs *p,
                   rag_error *err) {
    bool two_types = !rag_tokenizer_is_unigram(f->tokenizer);
    size_t at = 0;
    p->n = n;
    p->ids.with_places = f->with_places;
    p->pair = malloc(n * sizeof(*p->pair));
    p->start = malloc((n + 1) * sizeof(*p->start));
    if (!p->pair || !p->start) {
        return oom(err);
    }
    for (size_t i = 0; i < n; i++) {
        int rc;
        p->pair[i].text = i;
        rc = add_pair(f, question, &passages[i], &p->ids, &p->pair[i], err);
        if (rc != 0) {
            return rc;
        }
    }
    qsort(p->pair, n, sizeof(*p->pair), longer_first);
    p->sorted = malloc(p->ids.n * sizeof(*p->sorted));
    p->second = calloc(p->ids.n, 1);
    if (!p->sorted || !p->second) {
        return oom(err);
    }
    for (size_t i = 0; i < n; at += p->pair[i++].len) {
        const rag_pair *q = &p->pair[i];
        p->start[i] = at;
        memcpy(p->sorted + at, p->ids.v + q->first, q->len * sizeof(int32_t));
        if (two_types) {
            memset(p->second + at + q->second, 1, q->len - q->second);
        }
    }
    p->start[n] = at;
    return 0;
}

rag_bert_batch rag_pairs_batch(const rag_pairs *p, rag_bert_each each,
                               void *arg) {
    return (rag_bert_batch){.ids = p->sorted,
                            .start = p->start,
                            .n = p->n,
                            .second = p->second,
                            .each = each,
                            .arg = arg};
}
