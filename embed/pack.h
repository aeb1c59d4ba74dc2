/*
 * pack.h - a model's weights as the int8 kernels want them, packed once.
 *
 * Packing quantises every matrix to 8 bits an output, lays it out in panels,
 * and builds the tokenizer's trie: half a second of work. The result is one
 * block of memory that is kept as a file, named by the model's fingerprint,
 * and mapped the next time. The file is derived: whatever is wrong with it,
 * it is made again.
 *
 * Private to embed/. Immutable once open.
 */
#ifndef RAG_EMBED_PACK_H
#define RAG_EMBED_PACK_H

#include "embed/bert.h"
#include "embed/kernel.h"
#include "embed/tokenizer.h"

typedef struct rag_pack_layer {
    rag_matrix qkv, attn_out, up, down;
    const float *attn_norm_w, *attn_norm_b, *out_norm_w, *out_norm_b;
} rag_pack_layer;

typedef struct rag_pack rag_pack;

/* True when the model's sizes suit the int8 kernels. */
bool rag_pack_possible(const rag_bert *m);

/* Maps the packed file of this fingerprint in dir. *out is NULL, without an
 * error, when there is none that is whole and of this version. */
int rag_pack_load(const rag_bert *m, const char *fingerprint, const char *dir,
                  rag_pack **out, rag_error *err);

/* Packs in memory. */
int rag_pack_build(const rag_bert *m, const char *fingerprint,
                   const rag_trie *trie, rag_pack **out, rag_error *err);

/* Writes p to dir, which is created when missing. */
int rag_pack_save(const rag_pack *p, const char *dir, rag_error *err);

void rag_pack_close(rag_pack *p);

const rag_trie *rag_pack_trie(const rag_pack *p);
const rag_pack_layer *rag_pack_layer_at(const rag_pack *p, size_t i);
/* Embedding of position i plus that of the first token type. */
const float *rag_pack_place(const rag_pack *p, size_t i);

#endif
