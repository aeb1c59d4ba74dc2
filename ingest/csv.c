/*
 * csv.c - comma-separated values: a FAQ where there are columns for question
 * and answer, otherwise one document that holds the table.
 *
 * Reads what RFC 4180 describes, and line ends and white space as they are
 * found. A row that cannot be trusted (a quote that is not closed, more
 * fields than columns) is reported with its line and left out: half an answer
 * is worse than none. Called by read.c; no state.
 */
#include "ingest/idset.h"
#include "ingest/ingest_int.h"

#include "base/hash.h"
#include "base/terms.h"
#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 256
#define FIELD_MAX ((size_t)1 << 20) /* bytes of one field */
#define VARIANT_SEPARATOR '|'

/* Fields of one record, one after another in a buffer with NULs between. */
typedef struct record {
    rag_buf text;
    struct {
        size_t start, len;
    } f[COLUMNS_MAX];
    size_t n;
    size_t line; /* on which it begins */
} record;

typedef struct csv {
    const rag_source *src;
    const char *s;
    size_t n, at, line;
    char delimiter;
} csv;

static const char *field(const record *r, size_t i, size_t *len) {
    *len = i < r->n ? r->f[i].len : 0;
    return i < r->n ? rag_buf_str(&r->text) + r->f[i].start : "";
}

static bool at_line_end(const csv *c, size_t i) {
    return i >= c->n || c->s[i] == '\n' || c->s[i] == '\r';
}

/* Behind the line end at i; counts lines. */
static size_t next_line(csv *c, size_t i) {
    while (i < c->n && c->s[i] != '\n' && c->s[i] != '\r')
        i++;
    if (i < c->n) {
        i += c->s[i] == '\r' && i + 1 < c->n && c->s[i + 1] == '\n' ? 2 : 1;
        c->line++;
    }
    return i;
}

/* A quoted field whose quote is at i; *to is behind its closing quote. */
static int quoted_field(csv *c, size_t i, rag_buf *out, size_t *to,
                        size_t *lines, rag_error *err) {
    const size_t before = out->len;
    for (i++; i < c->n;) {
        const char *q = memchr(c->s + i, '"', c->n - i);
        size_t end = q ? (size_t)(q - c->s) : c->n;
        if (end - i + (out->len - before) > FIELD_MAX)
            return rag_error_set(err, RAG_E_LIMIT,
                                 "a quoted field is over %zu KiB long or its "
                                 "quote is never closed",
                                 FIELD_MAX >> 10);
        for (size_t k = i; k < end; k++)
            *lines += c->s[k] == '\n';
        int rc = rag_buf_append(out, c->s + i, end - i, err);
        if (rc)
            return rc;
        if (!q)
            break;
        i = end + 1;
        if (i < c->n && c->s[i] == '"') {
            if ((rc = rag_buf_append_char(out, '"', err)))
                return rc;
            i++;
            continue;
        }
        while (i < c->n && c->s[i] == ' ' && c->delimiter != ' ')
            i++;
        if (!at_line_end(c, i) && c->s[i] != c->delimiter)
            return rag_error_set(err, RAG_E_DATA,
                                 "something stands between a closing quote "
                                 "and the next comma (write \"\" for a quote "
                                 "inside quotes)");
        *to = i;
        return RAG_OK;
    }
    return rag_error_set(err, RAG_E_DATA, "a quote is opened and never closed");
}

/*
 * Reads the record at c->at. RAG_E_DATA or RAG_E_LIMIT with a reason when it
 * is malformed; c->at is then at the next line, otherwise behind the record.
 */
static int read_record(csv *c, record *r, rag_error *err) {
    rag_buf_clear(&r->text);
    r->n = 0;
    r->line = c->line;
    size_t i = c->at, lines = 0;
    int rc = RAG_OK;
    for (;;) {
        if (r->n == COLUMNS_MAX) {
            rc = rag_error_set(err, RAG_E_LIMIT, "it has over %d columns",
                               COLUMNS_MAX);
            break;
        }
        size_t start = r->text.len, blank = i;
        while (blank < c->n && c->s[blank] == ' ')
            blank++;
        if (blank < c->n && c->s[blank] == '"') {
            rc = quoted_field(c, blank, &r->text, &i, &lines, err);
        } else {
            size_t end = i;
            while (!at_line_end(c, end) && c->s[end] != c->delimiter)
                end++;
            if (end - i > FIELD_MAX)
                rc = rag_error_set(err, RAG_E_LIMIT,
                                   "a field is over %zu KiB long",
                                   FIELD_MAX >> 10);
            else
                rc = rag_buf_append(&r->text, c->s + i, end - i, err);
            i = end;
        }
        if (rc)
            break;
        r->f[r->n].start = start;
        r->f[r->n++].len = r->text.len - start;
        if ((rc = rag_buf_append_char(&r->text, '\0', err)))
            break;
        if (at_line_end(c, i))
            break;
        i++; /* the delimiter */
    }
    if (rc) {
        c->at = next_line(c, c->at);
        return rc;
    }
    c->line += lines;
    c->at = next_line(c, i);
    return RAG_OK;
}

static bool is_blank_record(const record *r) {
    for (size_t i = 0; i < r->n; i++)
        if (r->f[i].len > 0)
            return false;
    return true;
}

/* Which column holds what; SIZE_MAX where there is none. */
typedef struct columns {
    size_t at[RAG_META_NONE];
    size_t n;
} columns;

static void read_header(const record *r, columns *cols) {
    for (size_t k = 0; k < RAG_META_NONE; k++)
        cols->at[k] = SIZE_MAX;
    cols->n = r->n;
    for (size_t i = 0; i < r->n; i++) {
        size_t len;
        const char *name = field(r, i, &len);
        rag_meta_key key = rag_meta_key_of(name, len);
        if (key != RAG_META_NONE && cols->at[key] == SIZE_MAX)
            cols->at[key] = i;
    }
}

static const char *cell(const record *r, const columns *cols, rag_meta_key key,
                        size_t *len) {
    *len = 0;
    return cols->at[key] == SIZE_MAX ? "" : field(r, cols->at[key], len);
}

/* An id for a row without one: the same question keeps it when rows move. */
static int make_id(const rag_source *src, rag_document *doc, rag_error *err) {
    rag_buf key;
    rag_buf_init(&key, 0);
    const char *q = doc->questions[0];
    int rc = rag_terms_key(q, strlen(q), &key, err);
    rag_sha256 h;
    char hex[65];
    rag_hash_sha256(rag_buf_str(&key), key.len, &h);
    rag_hash_hex(&h, hex);
    rag_buf_clear(&key);
    if (!rc)
        rc = rag_buf_printf(&key, err, "%s#%.12s", src->path, hex);
    if (!rc)
        rc =
            rag_document_set(doc, RAG_META_ID, rag_buf_str(&key), key.len, err);
    rag_buf_free(&key);
    return rc;
}

static int add_variants(rag_document *doc, const char *s, size_t n,
                        rag_error *err) {
    int rc = RAG_OK;
    size_t at = 0;
    while (at <= n && !rc) {
        const char *bar = memchr(s + at, VARIANT_SEPARATOR, n - at);
        size_t end = bar ? (size_t)(bar - s) : n;
        rc = rag_document_add_question(doc, s + at, end - at, err);
        at = end + 1;
    }
    return rc;
}

/* The answer, byte for byte but for white space around it. */
static int set_answer(rag_document *doc, const char *s, size_t n,
                      rag_error *err) {
    while (n > 0 && (unsigned char)s[0] <= ' ')
        s++, n--;
    while (n > 0 && (unsigned char)s[n - 1] <= ' ')
        n--;
    if (n == 0)
        return rag_error_set(err, RAG_E_DATA, "its answer is empty");
    doc->text_len = n;
    return rag_str_dup_n(s, n, &doc->text, err);
}

static int fill(const rag_source *src, const record *r, const columns *cols,
                rag_document *doc, rag_error *err) {
    if (r->n > cols->n)
        return rag_error_set(err, RAG_E_DATA,
                             "it has %zu fields, but there are %zu columns (a "
                             "text with commas needs quotes around it)",
                             r->n, cols->n);
    doc->kind = RAG_DOC_FAQ;
    size_t n;
    const char *s = cell(r, cols, RAG_META_QUESTION, &n);
    int rc = rag_document_add_question(doc, s, n, err);
    if (!rc && doc->nquestions == 0)
        rc = rag_error_set(err, RAG_E_DATA, "its question is empty");
    if (!rc) {
        s = cell(r, cols, RAG_META_VARIANTS, &n);
        rc = add_variants(doc, s, n, err);
    }
    if (!rc) {
        s = cell(r, cols, RAG_META_ANSWER, &n);
        rc = set_answer(doc, s, n, err);
    }
    static const rag_meta_key PLAIN[] = {
        RAG_META_ID,       RAG_META_LANG,       RAG_META_URL,
        RAG_META_CATEGORY, RAG_META_VALID_FROM, RAG_META_VALID_UNTIL,
    };
    for (size_t i = 0; i < sizeof PLAIN / sizeof *PLAIN && !rc; i++) {
        s = cell(r, cols, PLAIN[i], &n);
        while (n > 0 && (unsigned char)*s <= ' ')
            s++, n--;
        rc = rag_document_set(doc, PLAIN[i], s, n, err);
    }
    if (!rc && !doc->id)
        rc = make_id(src, doc, err);
    return rc;
}

static int read_faq(csv *c, record *r, const columns *cols, rag_error *err) {
    rag_idset ids = {0};
    int rc = RAG_OK;
    while (c->at < c->n && !rc) {
        rag_document doc;
        rag_document_init(&doc);
        rag_error why = {0};
        size_t earlier = 0;
        rc = read_record(c, r, &why);
        if (!rc && is_blank_record(r))
            continue;
        if (!rc)
            rc = fill(c->src, r, cols, &doc, &why);
        if (!rc)
            rc = rag_idset_add(&ids, doc.id, r->line, &earlier, &why);
        if (!rc && earlier)
            rc = rag_error_set(&why, RAG_E_CONFLICT,
                               "the id \"%.200s\" was already used on line "
                               "%zu",
                               doc.id, earlier);
        if (!rc) {
            rc = rag_document_emit(c->src, &doc, r->line, err);
            continue;
        }
        rag_document_free(&doc);
        if (rc == RAG_E_NOMEM) {
            rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
            break;
        }
        rag_source_problem(c->src, r->line, why.code, "%s", why.message);
        rc = RAG_OK;
    }
    rag_idset_free(&ids);
    return rc;
}

/* ---- a table that is no FAQ --------------------------------------------- */

static int put_row(const record *r, size_t columns_n, rag_buf *out,
                   rag_error *err) {
    int rc = rag_buf_append_char(out, '|', err);
    for (size_t i = 0; i < (r->n > columns_n ? r->n : columns_n) && !rc; i++) {
        size_t len;
        const char *s = field(r, i, &len);
        rc = rag_buf_append_char(out, ' ', err);
        size_t from = out->len;
        if (!rc)
            rc = rag_unicode_clean(s, len, out, err);
        for (size_t k = from; k < out->len && !rc; k++)
            if (out->data[k] == '|')
                out->data[k] = '/';
        if (!rc)
            rc = rag_buf_append_str(out, " |", err);
    }
    return rc ? rc : rag_buf_append_char(out, '\n', err);
}

static int read_table(csv *c, record *r, rag_error *err) {
    rag_buf out;
    rag_buf_init(&out, RAG_INGEST_TEXT_MAX);
    size_t columns_n = r->n;
    int rc = put_row(r, columns_n, &out, err);
    for (size_t i = 0; i < columns_n && !rc; i++)
        rc = rag_buf_append_str(&out, i == 0 ? "|---|" : "---|", err);
    if (!rc)
        rc = rag_buf_append_char(&out, '\n', err);
    while (c->at < c->n && !rc) {
        rag_error why = {0};
        rc = read_record(c, r, &why);
        if (rc == RAG_E_NOMEM) {
            rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
        } else if (rc) {
            rag_source_problem(c->src, r->line, why.code, "%s", why.message);
            rc = RAG_OK;
        } else if (!is_blank_record(r)) {
            rc = put_row(r, columns_n, &out, err);
        }
    }
    rag_document doc;
    rag_document_init(&doc);
    if (!rc)
        rc = rag_buf_steal(&out, &doc.text, &doc.text_len, err);
    rag_buf_free(&out);
    if (!rc)
        return rag_document_emit(c->src, &doc, 0, err);
    rag_document_free(&doc);
    if (rc != RAG_E_LIMIT)
        return rc;
    rag_source_problem(c->src, 0, RAG_E_LIMIT,
                       "its table is over the limit of %zu MiB of text",
                       RAG_INGEST_TEXT_MAX >> 20);
    return RAG_OK;
}

/* Comma, unless the first line has none and semicolons or tabs instead. */
static char guess_delimiter(const char *s, size_t n) {
    size_t commas = 0, semicolons = 0, tabs = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && (quoted || s[i] != '\n'); i++) {
        if (s[i] == '"')
            quoted = !quoted;
        commas += !quoted && s[i] == ',';
        semicolons += !quoted && s[i] == ';';
        tabs += !quoted && s[i] == '\t';
    }
    if (commas == 0 && (semicolons > 0 || tabs > 0))
        return semicolons >= tabs ? ';' : '\t';
    return ',';
}

int rag_ingest_csv(const rag_source *src, char delimiter, const char *text,
                   size_t n, rag_error *err) {
    csv c = {.src = src, .s = text, .n = n, .line = 1};
    c.delimiter = delimiter ? delimiter : guess_delimiter(text, n);
    record *r = calloc(1, sizeof *r);
    columns *cols = calloc(1, sizeof *cols);
    int rc = RAG_OK;
    if (!r || !cols) {
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for a CSV record");
        goto out;
    }
    rag_error why = {0};
    do
        rc = read_record(&c, r, &why);
    while (!rc && is_blank_record(r) && c.at < c.n);
    if (rc == RAG_E_NOMEM) {
        rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
        goto out;
    }
    if (rc) {
        rag_source_problem(src, r->line, why.code,
                           "its header cannot be read: %s", why.message);
        rc = RAG_OK;
        goto out;
    }
    if (is_blank_record(r)) {
        rag_source_problem(src, 0, RAG_E_DATA, "it holds no text");
        goto out;
    }
    read_header(r, cols);
    if (cols->at[RAG_META_QUESTION] != SIZE_MAX &&
        cols->at[RAG_META_ANSWER] != SIZE_MAX)
        rc = read_faq(&c, r, cols, err);
    else
        rc = read_table(&c, r, err);
out:
    if (r)
        rag_buf_free(&r->text);
    free(r);
    free(cols);
    return rc;
}
