/*
 * faq_file.c - a FAQ file to entries: CSV (RFC 4180) or JSON lines.
 *
 * The same columns and keys as rag-ingest reads, so that one file serves
 * both. Pure but for reading the file.
 */
#include "client/desk.h"

#include "base/file.h"
#include "base/json.h"
#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 32

static const char *const FIELDS[] = {
    "id",   "question", "answer",     "text",        "category", "collection",
    "lang", "url",      "valid_from", "valid_until", "variants"};

typedef struct reader {
    const char *path, *s, *end;
    size_t line;
    const char *column[COLUMNS_MAX]; /* FIELDS's, NULL: not ours */
    size_t ncolumns;
    json_t *entries;
} reader;

static int bad(const reader *r, const char *why, rag_error *err) {
    return rag_error_set(err, RAG_E_DATA, "%s, line %zu: %s", r->path, r->line,
                         why);
}

static const char *field_of(const char *s, size_t n) {
    while (n && (*s == ' ' || *s == '\t')) {
        s++;
        n--;
    }
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        if (strlen(FIELDS[i]) == n && memcmp(FIELDS[i], s, n) == 0)
            return FIELDS[i];
    return NULL;
}

/* One field; r->s stands behind it, at ',' or a line's end. */
static int read_field(reader *r, rag_buf *out, rag_error *err) {
    int rc = 0;
    rag_buf_clear(out);
    if (r->s == r->end || *r->s != '"') {
        const char *from = r->s;
        while (r->s < r->end && *r->s != ',' && *r->s != '\n' && *r->s != '\r')
            r->s++;
        return rag_buf_append(out, from, (size_t)(r->s - from), err);
    }
    r->s++;
    for (;;) {
        if (r->s == r->end)
            return bad(r, "a quoted field has no end", err);
        char c = *r->s++;
        if (c == '"') {
            if (r->s == r->end || *r->s != '"')
                break;
            r->s++;
        }
        r->line += c == '\n';
        if ((rc = rag_buf_append_char(out, c, err)))
            return rc;
    }
    if (r->s < r->end && *r->s != ',' && *r->s != '\n' && *r->s != '\r')
        return bad(r, "text behind a closing quote", err);
    return 0;
}

/* Past a line's end; false when there is none here. */
static bool end_of_row(reader *r) {
    if (r->s == r->end)
        return true;
    if (*r->s == '\r')
        r->s++;
    if (r->s < r->end && *r->s == '\n')
        r->s++;
    else if (r->s[-1] != '\r')
        return false;
    r->line++;
    return true;
}

static json_t *variants_of(const char *s) {
    json_t *list = json_array();
    while (*s) {
        size_t n = strcspn(s, "|"), from = strspn(s, " \t"), to = n;
        while (to > from && (s[to - 1] == ' ' || s[to - 1] == '\t'))
            to--;
        if (to > from)
            json_array_append_new(list, json_stringn(s + from, to - from));
        s += n;
        s += *s == '|';
    }
    return list;
}

static int read_header(reader *r, rag_buf *field, rag_error *err) {
    bool question = false, answer = false;
    for (;;) {
        int rc = read_field(r, field, err);
        if (rc)
            return rc;
        if (r->ncolumns == COLUMNS_MAX)
            return bad(r, "too many columns", err);
        const char *name = field_of(rag_buf_str(field), field->len);
        r->column[r->ncolumns++] = name;
        question = question || (name && strcmp(name, "question") == 0);
        answer = answer || (name && (strcmp(name, "answer") == 0 ||
                                     strcmp(name, "text") == 0));
        if (r->s < r->end && *r->s == ',')
            r->s++;
        else if (end_of_row(r))
            break;
    }
    if (question && answer)
        return 0;
    r->line = 1;
    return bad(r, "the header names no question and answer", err);
}

static int read_row(reader *r, rag_buf *field, rag_error *err) {
    json_t *o = json_object();
    size_t first = r->line, at = 0;
    bool any = false;
    int rc = o ? 0 : rag_error_set(err, RAG_E_NOMEM, "no memory for a row");
    while (!rc && !(rc = read_field(r, field, err))) {
        const char *s = rag_buf_str(field);
        const char *name = at < r->ncolumns ? r->column[at] : NULL;
        if (strlen(s) != field->len)
            rc = bad(r, "a NUL byte", err);
        else if (at >= r->ncolumns && field->len)
            rc = bad(r, "more fields than the header names", err);
        else if (name && field->len && strcmp(name, "variants") == 0)
            json_object_set_new(o, name, variants_of(s));
        else if (name && field->len)
            json_object_set_new(o, strcmp(name, "text") ? name : "answer",
                                json_string(s));
        any = any || field->len;
        at++;
        if (rc)
            break;
        if (r->s < r->end && *r->s == ',')
            r->s++;
        else if (end_of_row(r))
            break;
    }
    if (!rc && any) {
        json_object_set_new(o, "line", json_integer((json_int_t)first));
        json_array_append(r->entries, o);
    }
    json_decref(o);
    return rc;
}

static int read_csv(reader *r, rag_error *err) {
    rag_buf field;
    rag_buf_init(&field, RAG_FAQ_FILE_MAX);
    int rc = read_header(r, &field, err);
    while (!rc && r->s < r->end) {
        rc = read_row(r, &field, err);
        if (!rc && json_array_size(r->entries) > RAG_FAQ_FILE_ENTRIES_MAX)
            rc = bad(r, "too many entries for the desk: ingest the file", err);
    }
    rag_buf_free(&field);
    return rc;
}

static int read_jsonl(reader *r, rag_error *err) {
    int rc = 0;
    for (; r->s < r->end && !rc; r->line++) {
        const char *end = memchr(r->s, '\n', (size_t)(r->end - r->s));
        size_t n = (size_t)((end ? end : r->end) - r->s);
        json_t *o = NULL;
        if (strspn(r->s, " \t\r") < n) {
            rc = rag_json_parse(r->s, n, RAG_FAQ_FILE_MAX, &o, err);
            if (rc)
                rag_error_prefix(err, "%s, line %zu", r->path, r->line);
            else if (!json_is_object(o))
                rc = bad(r, "no JSON object", err);
        }
        json_t *text = json_object_get(o, "text");
        if (!rc && o) {
            if (text && !json_object_get(o, "answer"))
                json_object_set(o, "answer", text);
            json_object_set_new(o, "line", json_integer((json_int_t)r->line));
            json_array_append(r->entries, o);
        }
        if (!rc && json_array_size(r->entries) > RAG_FAQ_FILE_ENTRIES_MAX)
            rc = bad(r, "too many entries for the desk: ingest the file", err);
        json_decref(o);
        r->s += n + (end ? 1 : 0);
    }
    return rc;
}

int rag_faq_file(const char *path, json_t **out, rag_error *err) {
    rag_buf b;
    reader r = {.path = path, .line = 1};
    size_t at;
    *out = NULL;
    rag_buf_init(&b, RAG_FAQ_FILE_MAX + 1);
    int rc = rag_file_read(path, RAG_FAQ_FILE_MAX, &b, err);
    if (!rc && !rag_utf8_valid(rag_buf_str(&b), b.len, &at))
        rc = rag_error_set(err, RAG_E_DATA, "%s: byte %zu is no UTF-8", path,
                           at);
    r.entries = json_array();
    if (!rc && !r.entries)
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for the entries");
    if (!rc) {
        r.s = rag_buf_str(&b);
        r.end = r.s + b.len;
        if (b.len >= 3 && memcmp(r.s, "\xEF\xBB\xBF", 3) == 0)
            r.s += 3;
        const char *first = r.s + strspn(r.s, " \t\r\n");
        rc = *first == '{' ? read_jsonl(&r, err) : read_csv(&r, err);
    }
    if (!rc && !json_array_size(r.entries))
        rc = rag_error_set(err, RAG_E_DATA, "%s holds no entry", path);
    rag_buf_free(&b);
    if (rc) {
        json_decref(r.entries);
        return rc;
    }
    *out = r.entries;
    return 0;
}
