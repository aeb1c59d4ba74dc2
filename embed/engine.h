/*
 * engine.h - a model file made ready to run: what encoder and reader share.
 *
 * Owns the mapped file, tokenizer, weights (with an adapter merged into
 * them) and one of the two ways of running them. All but the run itself is
 * immutable once open. Runs take turns: their caller holds a lock.
 *
 * Private to embed/.
 */
#ifndef RAG_EMBED_ENGINE_H
#define RAG_EMBED_ENGINE_H

#include "embed/adapter.h"
#include "embed/bert.h"
#include "embed/bert_int8.h"
#include "embed/embed.h"
#include "embed/pack.h"
#include "embed/rank.h"
#include "embed/tokenizer.h"

typedef struct rag_engine {
    rag_gguf *gguf;
    rag_tokenizer *tokenizer;
    rag_bert *bert;
    rag_adapter *adapter; /* NULL: none */
    rag_rank_head *rank; /* NULL: none */
    rag_pack *pack; /* of int8 */
    rag_bert_int8 *int8; /* one of the two ways, the other NULL */
    rag_bert_f32 *f32;
    size_t embedded; /* tokens since the file's memory was given back */
    int threads;
    const char *kernel;
    char fingerprint[65]; /* of the file, and of the adapter's */
} rag_engine;

/* adapter_path NULL: none. Errors as rag_encoder_open and rag_adapter_open. */
int rag_engine_open(const char *gguf_path, const char *adapter_path,
                    const rag_encoder_options *opt, rag_engine **out,
                    rag_error *err);
void rag_engine_close(rag_engine *e);

/* As rag_bert_int8_run. One call at a time. */
int rag_engine_run(rag_engine *e, const rag_bert_batch *b,
                   float *const *vectors, rag_error *err);

#endif
