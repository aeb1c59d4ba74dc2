/*
 * idset.h - ids seen in one file and the line each was on. Private to
 * ingest/; one owner.
 */
#ifndef RAG_INGEST_IDSET_H
#define RAG_INGEST_IDSET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct rag_idset {
    struct rag_idset_slot {
        uint64_t hash;
        size_t line; /* 0: empty */
    } * slots;
    size_t cap, n;
} rag_idset;

/* Adds id; *earlier is the line it was on before, 0 when it is new. All
 * zeroes is an empty set. */
int rag_idset_add(rag_idset *s, const char *id, size_t line, size_t *earlier,
                  rag_error *err);
void rag_idset_free(rag_idset *s);

#endif
