/* desk_int.h - private to daemon/desk*.c. */
#ifndef RAG_DAEMON_DESK_INT_H
#define RAG_DAEMON_DESK_INT_H

#include "daemon/desk.h"

#include <pthread.h>

#define RAG_DESK_ALLOW_MAX 8

/* An exchange that waits to be written; owns all of it. */
typedef struct rag_desk_waiting {
    struct rag_desk_waiting *next;
    char id[RAG_ANSWER_ID_MAX];
    int64_t at;
    char *body, *question, *queue_why;
    const char *lang; /* static */
    char **docs;
    size_t ndocs;
    float *vector;
} rag_desk_waiting;

struct rag_desk {
    rag_deskdb *db;
    rag_pii *pii;
    rag_encoder *encoder;
    rag_encoder_info info;
    char *contact;
    const char *allow[RAG_DESK_ALLOW_MAX + 1];
    unsigned mask, keep;
    bool two_persons, record;
    struct rag_conversations *conversations;

    pthread_mutex_t live_lock;
    rag_desk_live *live; /* replaced whole; readers take a reference */
    uint64_t revision; /* how often it was */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake, space, idle;
    rag_desk_waiting *first, **last;
    size_t waiting;
    uint64_t lost;
    bool stop, busy, running;
    pthread_t thread;
};

rag_desk_live *rag_desk_live_now(rag_desk *d); /* a reference */
/* Makes the picture anew from desk.db and publishes it. */
int rag_desk_refresh(rag_desk *d, rag_error *err);
/* Waits until everything handed to the recorder is written. */
void rag_desk_flush(rag_desk *d);
/* Encodes an entry's wordings; *v (free it) has 1 + nvariants rows. */
int rag_desk_encode(rag_desk *d, const rag_desk_entry *e, float **v,
                    rag_error *err);

/* desk_faq.c, desk_draft.c, desk_audit.c: one request each. */
int rag_desk_faq(rag_desk *d, rag_pipeline *p, const json_t *body, json_t **out,
                 rag_error *err);
int rag_desk_draft(rag_desk *d, rag_pipeline *p, const json_t *body,
                   json_t **out, rag_error *err);
int rag_desk_audit_call(rag_desk *d, const json_t *body, json_t **out,
                        rag_error *err);
int rag_desk_replay(rag_desk *d, rag_pipeline *p, const json_t *body,
                    json_t **out, rag_error *err);
/* An exchange id from an id or a hand-off code in any writing. */
int rag_desk_resolve(rag_desk *d, const char *said, char **id, rag_error *err);
json_t *rag_desk_entry_json(const rag_desk_entry *e);
/* "2026-11-22T10:51:02Z", or null for 0 and RAG_TIME_NONE. */
json_t *rag_desk_time_json(int64_t t);

/* The body of an "ask" record, masked; a new reference. */
int rag_desk_body(rag_desk *d, const rag_desk_asked *asked, const rag_answer *a,
                  json_t **out, rag_error *err);

#endif
