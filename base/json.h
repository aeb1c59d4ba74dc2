/*
 * json.h - jansson with our limits and error messages.
 *
 * jansson itself may be used everywhere; what comes from outside is parsed
 * through here: strict UTF-8, duplicate keys refused, depth and size limited.
 */
#ifndef RAG_BASE_JSON_H
#define RAG_BASE_JSON_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define RAG_JSON_DEPTH_MAX 64

/* Parses one value that fills s[0..n); *out is a new reference. The error
 * says line and column. RAG_E_DATA, RAG_E_LIMIT (size, depth). */
int rag_json_parse(const char *s, size_t n, size_t max, json_t **out,
                   rag_error *err);
/* Appends compact JSON, real UTF-8 (not \u), no trailing newline. */
int rag_json_dump(const json_t *v, rag_buf *out, rag_error *err);

/* Field of an object with type check: RAG_E_DATA naming the key. A missing
 * key (or null) gives the default; strings are borrowed from obj. */
int rag_json_str(const json_t *obj, const char *key, const char *def,
                 const char **out, rag_error *err);
int rag_json_int(const json_t *obj, const char *key, int64_t def, int64_t min,
                 int64_t max, int64_t *out, rag_error *err);
int rag_json_num(const json_t *obj, const char *key, double def, double *out,
                 rag_error *err);
int rag_json_bool(const json_t *obj, const char *key, bool def, bool *out,
                  rag_error *err);

#endif
