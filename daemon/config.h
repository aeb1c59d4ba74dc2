/*
 * config.h - ragd's configuration: one table of keys, one structure.
 *
 * Read from a file of `key = value` lines in sections, then overridden by
 * command-line flags, then completed with defaults. A finished configuration
 * is immutable and reference-counted: a request takes a reference at its
 * start, so that a reload never changes what it sees halfway.
 */
#ifndef RAG_DAEMON_CONFIG_H
#define RAG_DAEMON_CONFIG_H

#include "base/error.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

#define RAG_CONFIG_FILE_MAX ((size_t)256 << 10) /* bytes */
#define RAG_CONFIG_LINE_MAX 190 /* bytes of one line */

typedef struct rag_config {
    /* [server] */
    char *socket; /* absolute path; "" with socket activation only */
    long socket_mode; /* permission bits, 0660 */
    char *listen; /* "HOST:PORT" or "" */
    char *token_file; /* bearer token for listen */
    long workers; /* threads that answer */
    long queue; /* requests that may wait for a worker */
    long connections; /* open at once, all doors together */
    long body_bytes; /* largest request body */
    long receive_ms; /* a request must have arrived by then */
    long answer_ms; /* an answer must be given by then */
    long stop_ms; /* what runs may finish for so long */
    /* [data] */
    char *data; /* folder of the store */
    long refresh_ms; /* how often to look for new documents */
    /* [index] */
    char *index_kind; /* auto, flat, ivf or hnsw */
    long index_memory; /* MiB, 0 any */
    char *lexicon; /* "": the built-in words alone */
    /* [encoder] */
    char *encoder; /* GGUF */
    char *encoder_adapter; /* LoRA, "" none */
    char *encoder_url; /* or an endpoint */
    char *encoder_unix;
    char *encoder_key_file;
    char *encoder_name;
    char *query_prefix, *passage_prefix;
    long encoder_dim;
    long encoder_threads;

    /* [reader] */
    char *reader; /* adapter that makes the encoder a reader, "" none */
    long read_passages;
    /* [generator] */
    bool generator_on;
    char *server_program; /* llama-server */
    char *generator; /* GGUF */
    char *adapter; /* LoRA, "" none */
    char *card; /* how to ask the model, "" built in */
    char *generator_url; /* or an endpoint; "" the child */
    char *generator_unix;
    char *generator_key_file;
    char *generator_name;
    long generator_threads;
    long context, parallel, waiting;
    long start_ms, token_ms, generation_ms;
    long max_tokens;
    /* [answer] */
    char *contact; /* appended to refusals */
    char *language; /* of an answer when the question's is unclear */
    long passages; /* documents taken from the index */
    long evidence_items, evidence_tokens;
    bool faq; /* approved answers first */
    double faq_cosine; /* a near match needs at least this */
    double faq_certainty; /* to be the answer in other words than the entry's */
    double gate; /* evidence below this probability is refused */
    double false_answers; /* below 1, in place of gate: the rate of questions
                           * without an answer that may be answered */
    long cache_entries, cache_bytes; /* answers kept for the same question */
    char *gate_file; /* a gate of one's own; "" the built-in one */
    /* [desk] */
    bool desk_on;
    bool desk_record; /* exchanges are stored (masked) */
    bool desk_two_persons; /* an entry's author may not approve it */
    bool desk_tcp; /* the desk's requests over TCP too */
    /* [privacy] */
    char *mask, *mask_keep; /* kinds of personal data, base/pii.h */
    bool mask_remote; /* questions are masked before a remote model */
    /* [log] */
    char *log_level, *log_format;
    bool log_questions;

    char *path; /* the file it came from, or NULL */
    int refs; /* private, atomic */
} rag_config;

/* Everything at its built-in default, one reference. */
int rag_config_new(rag_config **out, rag_error *err);
rag_config *rag_config_ref(rag_config *c);
void rag_config_unref(rag_config *c); /* NULL harmless */

/*
 * Reads a file over c. Unknown sections and keys, values out of range and
 * lines that are no `key = value` are RAG_E_DATA, naming file and line.
 * Relative paths are taken from the file's folder.
 */
int rag_config_read(rag_config *c, const char *path, rag_error *err);

/* Sets one "section.key"; relative paths are made absolute against folder
 * (NULL: the current one). */
int rag_config_set(rag_config *c, const char *name, const char *value,
                   const char *folder, rag_error *err);

/*
 * Fills in the places that have no fixed default (socket, data, models) and
 * checks what belongs together. program_dir is the folder of the running
 * program, where ../share/ragd is looked for; may be NULL.
 */
int rag_config_finish(rag_config *c, const char *program_dir, rag_error *err);

/*
 * Calls fn for every key whose value differs between a and b; reloadable
 * tells whether it takes effect without a restart.
 */
typedef void (*rag_config_diff_fn)(void *user, const char *name,
                                   bool reloadable);
void rag_config_diff(const rag_config *a, const rag_config *b,
                     rag_config_diff_fn fn, void *user);

/* Calls fn for every key there is (for tests and documents). */
typedef void (*rag_config_key_fn)(void *user, const char *name);
void rag_config_keys(rag_config_key_fn fn, void *user);

/* ---- the command line ---------------------------------------------------- */

typedef struct rag_daemon_args {
    rag_config *config; /* finished; owned */
    bool check; /* -n */
    bool verbose; /* -v */
    bool help, version; /* then config is NULL */
} rag_daemon_args;

/* Parses flags and reads the file they name (or the default one when it
 * exists). RAG_E_USAGE for a wrong flag. Free with rag_daemon_args_free. */
int rag_daemon_args_parse(int argc, char **argv, const char *program_dir,
                          rag_daemon_args *out, rag_error *err);
void rag_daemon_args_free(rag_daemon_args *a);
const char *rag_daemon_usage(void);

#endif
