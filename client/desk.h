/* desk.h - what the desk's commands share (cmd_faq, cmd_feedback, ...). */
#ifndef RAG_CLIENT_DESK_H
#define RAG_CLIENT_DESK_H

#include "client/client.h"

#define RAG_DESK_BUSY_MS 30000
#define RAG_FAQ_FILE_MAX ((size_t)16 << 20)
#define RAG_FAQ_FILE_ENTRIES_MAX 10000

/* Who does it: --by, else the login name; borrowed, static. */
const char *rag_desk_by(const char *given);
/* POSTs body (taken; NULL: out of memory) to path. */
int rag_desk_post(rag_client *c, const char *path, json_t *body, json_t **out,
                  rag_error *err);
/* Sets a string field when there is a value. */
void rag_desk_set(json_t *o, const char *key, const char *value);
/* One line of text for people: bold label, then text. */
void rag_desk_line(rag_printer *p, const char *label, const char *text);
/* Prints v with --json, else by show; the exit status. */
int rag_desk_print(bool json, const json_t *v,
                   void (*show)(rag_printer *p, const json_t *v));

/*
 * Entries of a FAQ file: CSV with a header (id, question, answer, variants
 * separated by |, category, collection, lang, url, valid_from, valid_until)
 * or JSON lines with the same keys (text counts as answer, variants a list).
 * *out an array. The error names the line.
 */
int rag_faq_file(const char *path, json_t **out, rag_error *err);

#endif
