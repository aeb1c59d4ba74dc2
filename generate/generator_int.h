/*
 * generator_int.h - what generator.c (supervision, turns) and client.c (one
 * generation) share. Private to generate/.
 */
#ifndef RAG_GENERATE_GENERATOR_INT_H
#define RAG_GENERATE_GENERATOR_INT_H

#include "generate/generate.h"

#include "base/http.h"

#include <pthread.h>

#define RAG_GENERATOR_SLOTS_MAX 16
#define RAG_GENERATOR_REFUSALS 4

/* One place at the server; used by one request at a time. */
typedef struct rag_slot {
    rag_http *http; /* NULL until first used */
    unsigned epoch; /* of the server the connection was made to */
    bool busy;
} rag_slot;

typedef struct rag_waiter {
    struct rag_waiter *next;
} rag_waiter;

struct rag_generator {
    /* Fixed after open. */
    bool is_child;
    char *base; /* "http://localhost" or the endpoint's URL, no final '/' */
    char *socket; /* Unix socket, or NULL */
    char *api_key, *model;
    char *program, *model_path, *lora_path, *log_path;
    char **extra; /* further arguments, NULL-ended, or NULL */
    int threads, context, parallel;
    long start_timeout_ms, token_timeout_ms, answer_timeout_ms;
    int wake_fd; /* eventfd: something for the supervising thread */
    int lock_fd; /* of run_dir, or -1 */
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool stop, suspect;
    rag_generator_state state;
    long pid;
    unsigned restarts;
    unsigned epoch; /* counts servers; a connection of an old one is void */
    char message[256];
    rag_slot slot[RAG_GENERATOR_SLOTS_MAX];
    rag_waiter *first, *last; /* who waits for a slot, in order */
    struct {
        char text[64];
        int token;
        unsigned epoch;
    } refusal[RAG_GENERATOR_REFUSALS]; /* first tokens, as the server says */
    unsigned next_refusal;
};

/* A slot, when it is the caller's turn. RAG_E_UNAVAILABLE, RAG_E_TIMEOUT,
 * RAG_E_CANCELLED. */
int rag_generator_take(rag_generator *g, const rag_generation_options *opt,
                       double deadline_ms, rag_slot **out, rag_error *err);
void rag_generator_give(rag_generator *g, rag_slot *slot);
/* Tells the supervisor that a request saw the server fail: hung when no token
 * came in time, else lost. */
void rag_generator_doubt(rag_generator *g, unsigned epoch, bool hung);

#endif
