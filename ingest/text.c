/*
 * text.c - plain text and Markdown: the text is the file's own; what is found
 * here is title and metadata. Called by read.c; no state.
 */
#include "ingest/ingest_int.h"

#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_REACH                                                            \
    ((size_t)64 << 10) /* bytes in which a title is looked for */

/* Title from the first heading of the highest level near the start. */
static int title_from_heading(rag_document *doc, bool markdown,
                              rag_error *err) {
    size_t n = doc->text_len;
    if (n > TITLE_REACH)
        n = rag_utf8_floor(doc->text, n, TITLE_REACH);
    rag_block *blocks;
    size_t count;
    int rc = rag_outline(doc->text, n, markdown, &blocks, &count, err);
    if (rc)
        return rc;
    const rag_block *best = NULL;
    for (size_t i = 0; i < count && !(best && best->level == 1); i++) {
        const rag_block *b = &blocks[i];
        /* In plain text only a heading that stands first is a title. */
        if (!markdown && i > 0)
            break;
        if (b->kind == RAG_BLOCK_HEADING && b->title_end > b->title_start &&
            (!best || b->level < best->level))
            best = b;
    }
    if (best) {
        rag_buf t;
        rag_buf_init(&t, 0);
        rc = rag_passage_tidy(doc->text + best->title_start,
                              best->title_end - best->title_start, &t, err);
        if (!rc)
            rc = rag_document_set(doc, RAG_META_TITLE, rag_buf_str(&t), t.len,
                                  err);
        rag_buf_free(&t);
    }
    free(blocks);
    return rc;
}

/* A first line that is no sentence is a title as well: a short one, or one
 * that stands alone. */
static int title_from_line(rag_document *doc, rag_error *err) {
    const char *s = doc->text;
    size_t n = doc->text_len, a = 0;
    while (a < n && (s[a] == '\n' || s[a] == '\r' || s[a] == ' '))
        a++;
    const char *nl = memchr(s + a, '\n', n - a);
    if (!nl)
        return RAG_OK;
    size_t e = (size_t)(nl - s), after = e + 1;
    while (e > a && (s[e - 1] == '\r' || s[e - 1] == ' '))
        e--;
    while (after < n && (s[after] == ' ' || s[after] == '\r'))
        after++;
    bool alone = after == n || s[after] == '\n';
    if (e == a || e - a > 300 || strchr(".!?,;:", s[e - 1]) ||
        rag_unicode_width(s + a, e - a) > (alone ? 80 : 40))
        return RAG_OK;
    return rag_document_set(doc, RAG_META_TITLE, s + a, e - a, err);
}

/* One "key: value" of front matter; quotes around the value go. */
static int front_matter_line(rag_document *doc, const char *l, size_t n,
                             rag_error *err) {
    const char *colon = memchr(l, ':', n);
    if (!colon || l[0] == ' ' || l[0] == '#' || l[0] == '-')
        return RAG_OK;
    size_t key_len = (size_t)(colon - l);
    const char *v = colon + 1;
    size_t m = n - key_len - 1;
    while (m > 0 && (*v == ' ' || *v == '\t'))
        v++, m--;
    while (m > 0 && (v[m - 1] == ' ' || v[m - 1] == '\t' || v[m - 1] == '\r'))
        m--;
    if (m >= 2 && (v[0] == '"' || v[0] == '\'')) {
        const char *close = memchr(v + 1, v[0], m - 1);
        if (close) {
            m = (size_t)(close - v) - 1;
            v++;
        }
    } else {
        const char *comment = memmem(v, m, " #", 2);
        if (comment)
            m = (size_t)(comment - v);
        while (m > 0 && v[m - 1] == ' ')
            m--;
    }
    rag_meta_key key = rag_meta_key_of(l, key_len);
    if (key > RAG_META_VALID_UNTIL)
        return RAG_OK;
    int rc = rag_document_set(doc, key, v, m, err);
    /* "시행일: 추후 공지" is no reason to leave a document out. */
    if (rc == RAG_E_DATA &&
        (key == RAG_META_VALID_FROM || key == RAG_META_VALID_UNTIL) &&
        !rag_meta_is_strict(l, key_len))
        return RAG_OK;
    return rc;
}

static int front_matter(rag_document *doc, size_t *line, rag_error *err) {
    size_t end = rag_outline_front_matter(doc->text, doc->text_len);
    size_t at = 0;
    int rc = RAG_OK;
    for (*line = 1; at < end && !rc; ++*line) {
        const char *nl = memchr(doc->text + at, '\n', end - at);
        size_t e = nl ? (size_t)(nl - doc->text) : end;
        rc = front_matter_line(doc, doc->text + at, e - at, err);
        if (rc)
            return rc;
        at = e + 1;
    }
    *line = 0;
    return rc;
}

static int read_text(const rag_source *src, bool markdown, const char *text,
                     size_t n, rag_error *err) {
    rag_document doc;
    rag_document_init(&doc);
    rag_error why = {0};
    size_t line = 0;
    int rc = rag_str_dup_n(text, n, &doc.text, err);
    if (rc)
        return rc;
    doc.text_len = n;
    if (markdown && (rc = front_matter(&doc, &line, &why)) != 0) {
        rag_document_free(&doc);
        if (rc == RAG_E_NOMEM)
            return rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
        rag_source_problem(src, line, why.code, "%s", why.message);
        return RAG_OK;
    }
    if (!doc.title)
        rc = title_from_heading(&doc, markdown, err);
    if (!rc && !doc.title && !markdown)
        rc = title_from_line(&doc, err);
    if (rc) {
        rag_document_free(&doc);
        return rc;
    }
    return rag_document_emit(src, &doc, 0, err);
}

int rag_ingest_text(const rag_source *src, const char *text, size_t n,
                    rag_error *err) {
    return read_text(src, false, text, n, err);
}

int rag_ingest_markdown(const rag_source *src, const char *text, size_t n,
                        rag_error *err) {
    return read_text(src, true, text, n, err);
}
