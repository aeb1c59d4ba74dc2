/*
 * json.c - jansson with our limits and messages; see json.h.
 *
 * jansson recurses per level, up to 2048 of them; a scan before it refuses
 * what is deeper than we ever write. No state, any thread.
 */
#include "base/json.h"

#include <math.h>
#include <string.h>

/* Digits of a real number: every decimal of 15 digits comes back as it was
 * written, and 0.1 stays 0.1. */
#define REAL_DIGITS 15

/* Where s[at] is, for a message: lines and columns count from 1, columns in
 * bytes. */
static void locate(const char *s, size_t at, size_t *line, size_t *column) {
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < at; i++) {
        if (s[i] == '\n') {
            ++*line;
            *column = 1;
        } else {
            ++*column;
        }
    }
}

static int check_depth(const char *s, size_t n, rag_error *err) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > RAG_JSON_DEPTH_MAX) {
                size_t line, column;
                locate(s, i, &line, &column);
                return rag_error_set(err, RAG_E_LIMIT,
                                     "JSON is nested over %d deep at "
                                     "%zu:%zu",
                                     RAG_JSON_DEPTH_MAX, line, column);
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

int rag_json_parse(const char *s, size_t n, size_t max, json_t **out,
                   rag_error *err) {
    json_error_t why;
    *out = NULL;
    if (n > max)
        return rag_error_set(err, RAG_E_LIMIT,
                             "JSON of %zu bytes is over the limit of %zu", n,
                             max);
    int rc = check_depth(s, n, err);
    if (rc)
        return rc;
    json_t *v = json_loadb(n > 0 ? s : "", n,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!v) {
        if (json_error_code(&why) == json_error_out_of_memory)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory for JSON");
        return rag_error_set(err, RAG_E_DATA, "bad JSON at %d:%d: %s",
                             why.line > 0 ? why.line : 1,
                             why.column > 0 ? why.column : 1, why.text);
    }
    *out = v;
    return 0;
}

typedef struct dump {
    rag_buf *out;
    rag_error *err;
    int rc;
} dump;

static int dump_piece(const char *p, size_t n, void *user) {
    dump *d = user;
    d->rc = rag_buf_append(d->out, p, n, d->err);
    return d->rc ? -1 : 0;
}

int rag_json_dump(const json_t *v, rag_buf *out, rag_error *err) {
    dump d = {out, err, 0};
    size_t before = out->len;
    if (json_dump_callback(v, dump_piece, &d,
                           JSON_COMPACT | JSON_ENCODE_ANY |
                               JSON_REAL_PRECISION(REAL_DIGITS)) == 0)
        return 0;
    if (out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return d.rc ? d.rc
                : rag_error_set(err, RAG_E_INTERNAL,
                                "a value could not be written as JSON");
}

/* The value of key, NULL when it is missing or null. */
static int field(const json_t *obj, const char *key, json_t **v,
                 rag_error *err) {
    *v = NULL;
    if (!json_is_object(obj))
        return rag_error_set(err, RAG_E_DATA,
                             "a JSON object was expected (for \"%s\")", key);
    *v = json_object_get(obj, key);
    if (json_is_null(*v))
        *v = NULL;
    return 0;
}

static int wrong_type(rag_error *err, const char *key, const char *type) {
    return rag_error_set(err, RAG_E_DATA, "\"%s\" must be %s", key, type);
}

int rag_json_str(const json_t *obj, const char *key, const char *def,
                 const char **out, rag_error *err) {
    json_t *v;
    *out = NULL;
    int rc = field(obj, key, &v, err);
    if (rc)
        return rc;
    if (v && !json_is_string(v))
        return wrong_type(err, key, "a string");
    *out = v ? json_string_value(v) : def;
    return 0;
}

int rag_json_int(const json_t *obj, const char *key, int64_t def, int64_t min,
                 int64_t max, int64_t *out, rag_error *err) {
    json_t *v;
    *out = def;
    int rc = field(obj, key, &v, err);
    if (rc || !v)
        return rc;
    int64_t i;
    if (json_is_integer(v)) {
        i = json_integer_value(v);
    } else if (json_is_real(v) &&
               floor(json_real_value(v)) == json_real_value(v) &&
               fabs(json_real_value(v)) < 9007199254740992.0) {
        i = (int64_t)json_real_value(v); /* 5.0, as some writers have it */
    } else {
        return wrong_type(err, key, "a whole number");
    }
    if (i < min || i > max)
        return rag_error_set(err, RAG_E_DATA,
                             "\"%s\" must be from %lld to %lld, not %lld", key,
                             (long long)min, (long long)max, (long long)i);
    *out = i;
    return 0;
}

int rag_json_num(const json_t *obj, const char *key, double def, double *out,
                 rag_error *err) {
    json_t *v;
    *out = def;
    int rc = field(obj, key, &v, err);
    if (rc || !v)
        return rc;
    if (!json_is_number(v))
        return wrong_type(err, key, "a number");
    *out = json_number_value(v);
    return 0;
}

int rag_json_bool(const json_t *obj, const char *key, bool def, bool *out,
                  rag_error *err) {
    json_t *v;
    *out = def;
    int rc = field(obj, key, &v, err);
    if (rc || !v)
        return rc;
    if (!json_is_boolean(v))
        return wrong_type(err, key, "true or false");
    *out = json_is_true(v);
    return 0;
}
