/*
 * pipeline_int.h - private to daemon/pipeline*.c: one question on its way.
 */
#ifndef RAG_DAEMON_PIPELINE_INT_H
#define RAG_DAEMON_PIPELINE_INT_H

#include "daemon/cache.h"
#include "daemon/faq.h"
#include "daemon/pipeline.h"

#include "base/buf.h"

#include <pthread.h>

struct rag_pipeline {
    rag_pipeline_parts parts;
    rag_encoder_info encoder;
    rag_reader_info reader; /* when parts has one */
    double started_ms;
    rag_cache *cache;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t turn;
    rag_config *config;
    uint64_t settings; /* how often they were changed */
    unsigned generating, waiting;
};

/* All that belongs to one question; one thread. */
typedef struct rag_asking {
    rag_pipeline *p;
    rag_config *config; /* a reference */
    uint64_t settings; /* which settings those are */
    const rag_ask *ask;
    rag_answer *out;
    uint64_t opened; /* how many stores had been opened before index was */
    rag_index *index; /* borrowed from the store */
    rag_buf question; /* cleaned */
    rag_buf other_words; /* what its words are called otherwise */
    const char *lang;
    float *vector;
    double started_ms, deadline_ms;
    rag_index_result exact, near, found;
    rag_passage *passages; /* npassages, pointing into found */
    size_t npassages;
    size_t *hit_of; /* which hit a passage is */
    char **tables; /* header rows of npassages passages, or NULL */
    rag_evidence evidence;
    double probability; /* the gate's */
    rag_buf key; /* of the cache; key_state bytes are the world's state */
    size_t key_state;
    rag_flight *flight; /* others may wait for this answer */
    bool makeshift; /* only for want of a model: not the answer it would be */
    bool done; /* out is complete */
} rag_asking;

/* pipeline.c: searches, chooses evidence and asks the gate; done when that
 * refused. */
int rag_asking_find(rag_asking *a, rag_error *err);
/* Frees what belongs to a; not index, config and out. */
void rag_asking_close(rag_asking *a);

/* Cleans and checks a question. */
int rag_pipeline_question(const char *s, size_t n, rag_buf *out,
                          rag_error *err);
int rag_pipeline_encode(rag_pipeline *p, const char *s, size_t n, float **out,
                        double *ms, rag_error *err);

/* pipeline_desk.c: the desk's part in a question. */
int rag_asking_begin(rag_asking *a, rag_error *err);
void rag_asking_record(rag_asking *a);
/* Appends the hand-off code of a refusal. */
int rag_asking_code(rag_asking *a, rag_buf *b, rag_error *err);

/* pipeline_answer.c: the ends a question can come to. */
int rag_asking_faq(rag_asking *a, const rag_index_hit *hit, rag_error *err);
/* The whole of an entry that was found, not asked for: an extract. */
int rag_asking_quote_entry(rag_asking *a, const rag_index_hit *hit,
                           rag_error *err);
int rag_asking_clarify(rag_asking *a, const rag_index_result *r,
                       const rag_faq_match *m, rag_error *err);
int rag_asking_refuse(rag_asking *a, const char *reason, rag_error *err);
int rag_asking_extract(rag_asking *a, const char *reason, rag_error *err);
int rag_asking_grounded(rag_asking *a, rag_answer_status status,
                        const char *lead_in, const rag_grounding *g,
                        rag_error *err);
/* Adds what g, an extract of of's evidence, cites to a's sources. */
int rag_asking_cite(rag_asking *a, const rag_asking *of, const rag_grounding *g,
                    rag_error *err);
/* Completes a with the text of an extract; takes it. */
void rag_asking_extracted(rag_asking *a, const char *reason, char *text);
void rag_asking_warn(rag_asking *a, const char *fmt, ...) RAG_PRINTF(2, 3);
/* Gives text to the one who waits, and notes when. */
void rag_asking_say(rag_asking *a, const char *s, size_t n);
bool rag_asking_cancelled(const rag_asking *a);

/*
 * pipeline_gate.c: how likely the evidence answers, into probability and
 * out->confidence. grounding NULL: before the generator has spoken.
 */
int rag_asking_judge(rag_asking *a, double refusal_logprob,
                     const rag_grounding *grounding, rag_error *err);

/* What that must be at least. */
double rag_asking_gate(const rag_asking *a);

/* pipeline_read.c: a rag_reading_lent's read; user is the rag_asking. */
int rag_asking_read(void *user, const rag_passage *passages, size_t n,
                    rag_read *out, rag_error *err);

/* pipeline_table.c: passages that begin inside a table get its header. */
int rag_asking_tables(rag_asking *a, rag_error *err);
void rag_asking_tables_free(rag_asking *a);

/* pipeline_entry.c: an entry that was found answers; done when it did. */
int rag_asking_entry(rag_asking *a, rag_error *err);
/* Whether hit is an entry whose question is the opposite of what is asked. */
int rag_asking_contrary(rag_asking *a, const rag_index_hit *hit, bool *contrary,
                        rag_error *err);

/* cache_answer.c: an answer given before, or one that is just being given to
 * another, completes this one; otherwise this asking may be the one that
 * others wait for, and must end with _share. */
int rag_asking_recall(rag_asking *a, rag_error *err);
void rag_asking_share(rag_asking *a, bool answered);

/* pipeline_parts.c: a question that asks for several things (parts.h): done when
 * each of them was answered by itself. */
int rag_asking_parts(rag_asking *a, rag_error *err);

/* pipeline_generate.c: prompt, generator, grounding while it streams. */
int rag_asking_generate(rag_asking *a, rag_error *err);

#endif
