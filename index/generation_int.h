/*
 * generation_int.h - making generations: between generation.c, snapshot.c and
 * index.c.
 */
#ifndef RAG_INDEX_GENERATION_INT_H
#define RAG_INDEX_GENERATION_INT_H

#include "index/index_int.h"

#include "base/hash.h"

rag_segment *rag_segment_new(void); /* one reference; NULL: no memory */
rag_generation *rag_generation_new(void);

/* Everything in the store (inside its read transaction) as a new base. */
int rag_generation_build(rag_store *s, const rag_store_meta *m,
                         const rag_index_limits *limits, rag_interned *strings,
                         int threads, rag_generation **out, rag_error *err);
/* old, and what changed since it. */
int rag_generation_advance(rag_store *s, const rag_store_meta *m,
                           rag_generation *old, rag_interned *strings,
                           rag_generation **out, rag_error *err);
/* Fills what follows from the rows: live bits, counts, averages. */
int rag_generation_finish(rag_generation *g, rag_error *err);
/* True when tail or dead rows have grown so that a new base pays. */
bool rag_generation_wants_rebuild(const rag_generation *g);

#endif
