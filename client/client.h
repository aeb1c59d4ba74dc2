/*
 * client.h - rag, the thin command-line client.
 *
 * Everything it knows it asks ragd over HTTP. One thread; one process a
 * command. A command is a function in cmd_*.c and a line in commands.c.
 */
#ifndef RAG_CLIENT_CLIENT_H
#define RAG_CLIENT_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/http.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define RAG_EXIT_REFUSED 3
#define RAG_EXIT_CLARIFY 4
#define RAG_EXIT_USAGE 64
#define RAG_EXIT_DATA 65
#define RAG_EXIT_NOINPUT 66
#define RAG_EXIT_UNAVAILABLE 69
#define RAG_EXIT_INTERNAL 70

/* ---- where the daemon is ------------------------------------------------------- */

typedef struct rag_client {
    char *socket; /* Unix socket; NULL with url */
    char *url; /* base without final slash; "http://localhost" for socket */
    char *token; /* bearer, or NULL */
    rag_http *http;
} rag_client;

/* From the global options; nothing is connected yet. */
int rag_client_open(const char *socket, const char *url, const char *token_file,
                    rag_client *out, rag_error *err);
void rag_client_close(rag_client *c);

/*
 * One request; *out the JSON of a good answer (new reference). An error
 * answer of the daemon comes back as its code and message; no daemon is
 * RAG_E_UNAVAILABLE and says how to start it. Waits and asks again while the
 * daemon says it is busy, up to busy_ms.
 */
int rag_client_call(rag_client *c, const char *method, const char *path,
                    const json_t *body, long busy_ms, json_t **out,
                    rag_error *err);

/* POST with server-sent events; on_text gets released text as it comes, *out
 * the answer at the end. */
int rag_client_stream(rag_client *c, const char *path, const json_t *body,
                      void (*on_text)(void *user, const char *s, size_t n),
                      void *user, json_t **out, rag_error *err);

/* ---- what people see ------------------------------------------------------------ */

typedef struct rag_printer {
    FILE *file;
    bool colour;
    size_t width; /* columns; 0: do not wrap */
    size_t column; /* where the cursor is */
    size_t indent;
    rag_buf word; /* not yet printed: it may have to go to the next line */
    bool space; /* one is due before the word */
    bool started; /* something stands on this line */
} rag_printer;

void rag_printer_init(rag_printer *p, FILE *file);
void rag_printer_free(rag_printer *p);
/* Text from anywhere: wrapped, wide characters counted as two columns,
 * control characters and direction overrides left out. May come in pieces
 * that end anywhere between characters. */
void rag_printer_text(rag_printer *p, const char *s, size_t n);
/* Prints what is held back and ends the line. */
void rag_printer_end(rag_printer *p);
typedef enum rag_style {
    RAG_STYLE_PLAIN,
    RAG_STYLE_BOLD,
    RAG_STYLE_DIM,
    RAG_STYLE_GOOD,
    RAG_STYLE_BAD
} rag_style;
void rag_printer_style(rag_printer *p, rag_style s);

/* "rag: ..." on stderr; control characters left out. Returns status. */
int rag_complain(int status, const char *fmt, ...) RAG_PRINTF(2, 3);
/* Complains about err; the exit status that belongs to it. */
int rag_complain_error(const rag_error *err);
/* JSON and a newline on stdout. RAG_E_IO when it cannot be written. */
int rag_print_json(const json_t *v, rag_error *err);
/* The string at key, "" when there is none. */
const char *rag_field(const json_t *v, const char *key);

/* ---- commands --------------------------------------------------------------------- */

typedef struct rag_command {
    const char *name;
    const char *summary; /* one line for `rag help` */
    const char *usage; /* whole text for `rag help NAME` */
    /* argv[0] is the command's name. Returns the exit status. */
    int (*run)(rag_client *c, int argc, char **argv);
} rag_command;

/* The table, ended by a NULL name. */
extern const rag_command rag_commands[];
const rag_command *rag_command_find(const char *name);

extern const char rag_usage_ask[], rag_usage_search[], rag_usage_status[],
    rag_usage_doctor[], rag_usage_eval[], rag_usage_help[];
int rag_cmd_ask(rag_client *c, int argc, char **argv);
int rag_cmd_search(rag_client *c, int argc, char **argv);
int rag_cmd_status(rag_client *c, int argc, char **argv);
int rag_cmd_doctor(rag_client *c, int argc, char **argv);
int rag_cmd_eval(rag_client *c, int argc, char **argv);
extern const char rag_usage_faq[], rag_usage_feedback[], rag_usage_queue[],
    rag_usage_audit[], rag_usage_replay[];
int rag_cmd_faq(rag_client *c, int argc, char **argv);
int rag_cmd_feedback(rag_client *c, int argc, char **argv);
int rag_cmd_queue(rag_client *c, int argc, char **argv);
int rag_cmd_audit(rag_client *c, int argc, char **argv);
int rag_cmd_replay(rag_client *c, int argc, char **argv);
int rag_cmd_help(rag_client *c, int argc, char **argv);

/* Words of argv from first on joined by spaces; "-" alone reads standard
 * input. RAG_E_USAGE when there is nothing. */
int rag_words(int argc, char **argv, int first, rag_buf *out, rag_error *err);

/*
 * Runs a batch: for each line of file ("-": standard input) calls one() with
 * the parsed object, prints its result with the line's id. key names the
 * field that must be there. Returns the exit status.
 */
typedef int (*rag_batch_fn)(void *user, const json_t *line, const char *text,
                            json_t **out, rag_error *err);
int rag_batch(const char *file, const char *const *keys, rag_batch_fn one,
              void *user);

#endif
