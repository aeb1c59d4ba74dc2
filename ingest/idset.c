/*
 * idset.c - a hash set with open addressing, for ids within one file; see
 * idset.h. Keeps 64-bit hashes only: two ids of the same hash (never seen)
 * would be reported as one used twice, and nothing lost silently.
 */
#include "ingest/idset.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static struct rag_idset_slot *find(struct rag_idset_slot *slots, size_t cap,
                                   uint64_t hash) {
    size_t i = (size_t)hash & (cap - 1);
    while (slots[i].line != 0 && slots[i].hash != hash)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static int grow(rag_idset *s, rag_error *err) {
    size_t cap = s->cap ? s->cap * 2 : 64;
    struct rag_idset_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for ids");
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i].line != 0)
            *find(slots, cap, s->slots[i].hash) = s->slots[i];
    free(s->slots);
    s->slots = slots;
    s->cap = cap;
    return RAG_OK;
}

int rag_idset_add(rag_idset *s, const char *id, size_t line, size_t *earlier,
                  rag_error *err) {
    *earlier = 0;
    if (s->n * 4 >= s->cap * 3) {
        int rc = grow(s, err);
        if (rc)
            return rc;
    }
    uint64_t hash = rag_hash_fast(id, strlen(id));
    struct rag_idset_slot *slot = find(s->slots, s->cap, hash);
    if (slot->line != 0) {
        *earlier = slot->line;
        return RAG_OK;
    }
    slot->hash = hash;
    slot->line = line;
    s->n++;
    return RAG_OK;
}

void rag_idset_free(rag_idset *s) {
    free(s->slots);
    *s = (rag_idset){0};
}
