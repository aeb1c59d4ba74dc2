/*
 * jsonl.c - one JSON object a line: {"id","title","text"} and optionally
 * "question" (a FAQ), "variants", "category", "url", "lang", "valid_from",
 * "valid_until". The text is stored unchanged. A bad line is reported with
 * its number and the rest goes on. Called by read.c; no state.
 */
#include "ingest/idset.h"
#include "ingest/ingest_int.h"

#include "base/json.h"
#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (RAG_INGEST_TEXT_MAX * 2)

static int set_str(rag_document *doc, const json_t *o, const char *name,
                   rag_meta_key key, rag_error *err) {
    const char *s;
    int rc = rag_json_str(o, name, "", &s, err);
    return rc ? rc : rag_document_set(doc, key, s, strlen(s), err);
}

/* The id is a string, or a whole number as people have it in exports. */
static int set_id(rag_document *doc, const json_t *o, rag_error *err) {
    const json_t *id = json_object_get(o, "id");
    char number[32];
    if (json_is_integer(id)) {
        int n = snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                         json_integer_value(id));
        return rag_document_set(doc, RAG_META_ID, number, (size_t)n, err);
    }
    int rc = set_str(doc, o, "id", RAG_META_ID, err);
    if (!rc && !doc->id)
        rc = rag_error_set(err, RAG_E_DATA, "it has no \"id\"");
    return rc;
}

static int set_questions(rag_document *doc, const json_t *o, rag_error *err) {
    const char *q;
    int rc = rag_json_str(o, "question", "", &q, err);
    if (rc || !*q)
        return rc;
    doc->kind = RAG_DOC_FAQ;
    rc = rag_document_add_question(doc, q, strlen(q), err);
    if (!rc && doc->nquestions == 0)
        return rag_error_set(err, RAG_E_DATA, "its \"question\" is blank");
    const json_t *variants = json_object_get(o, "variants"), *v;
    size_t i;
    if (!rc && variants && !json_is_null(variants) && !json_is_array(variants))
        return rag_error_set(err, RAG_E_DATA,
                             "its \"variants\" is no array of strings");
    json_array_foreach(variants, i, v) {
        if (rc)
            break;
        if (!json_is_string(v))
            return rag_error_set(err, RAG_E_DATA,
                                 "its \"variants\" is no array of strings");
        rc = rag_document_add_question(doc, json_string_value(v),
                                       json_string_length(v), err);
    }
    return rc;
}

static int fill(rag_document *doc, const json_t *o, rag_error *err) {
    if (!json_is_object(o))
        return rag_error_set(err, RAG_E_DATA, "it is no JSON object");
    int rc = set_id(doc, o, err);
    if (!rc)
        rc = set_questions(doc, o, err);
    if (!rc && doc->kind != RAG_DOC_FAQ)
        rc = set_str(doc, o, "title", RAG_META_TITLE, err);
    if (!rc)
        rc = set_str(doc, o, "lang", RAG_META_LANG, err);
    if (!rc)
        rc = set_str(doc, o, "url", RAG_META_URL, err);
    if (!rc)
        rc = set_str(doc, o, "category", RAG_META_CATEGORY, err);
    if (!rc)
        rc = set_str(doc, o, "valid_from", RAG_META_VALID_FROM, err);
    if (!rc)
        rc = set_str(doc, o, "valid_until", RAG_META_VALID_UNTIL, err);
    const char *text = NULL;
    if (!rc)
        rc = rag_json_str(o, "text", NULL, &text, err);
    if (!rc && !text && doc->kind == RAG_DOC_FAQ)
        rc = rag_json_str(o, "answer", NULL, &text, err);
    if (!rc && !text)
        rc = rag_error_set(err, RAG_E_DATA, "it has no \"text\"");
    if (!rc) {
        doc->text_len = strlen(text);
        rc = rag_str_dup_n(text, doc->text_len, &doc->text, err);
    }
    return rc;
}

static int take_line(const rag_source *src, const char *l, size_t n,
                     size_t number, rag_idset *ids, rag_error *err) {
    rag_document doc;
    rag_document_init(&doc);
    rag_error why = {0};
    json_t *o = NULL;
    size_t earlier = 0;
    int rc = rag_json_parse(l, n, LINE_MAX_BYTES, &o, &why);
    if (!rc)
        rc = fill(&doc, o, &why);
    json_decref(o);
    if (!rc)
        rc = rag_idset_add(ids, doc.id, number, &earlier, &why);
    if (!rc && earlier)
        rc = rag_error_set(&why, RAG_E_CONFLICT,
                           "the id \"%.200s\" was already used on line %zu",
                           doc.id, earlier);
    if (!rc)
        return rag_document_emit(src, &doc, number, err);
    rag_document_free(&doc);
    if (rc == RAG_E_NOMEM)
        return rag_error_set(err, RAG_E_NOMEM, "%s", why.message);
    rag_source_problem(src, number, why.code, "%s", why.message);
    return RAG_OK;
}

int rag_ingest_jsonl(const rag_source *src, const char *text, size_t n,
                     rag_error *err) {
    rag_idset ids = {0};
    int rc = RAG_OK;
    size_t at = 0;
    for (size_t number = 1; at < n && !rc; number++) {
        const char *nl = memchr(text + at, '\n', n - at);
        size_t end = nl ? (size_t)(nl - text) : n, e = end, a = at;
        while (e > a && (text[e - 1] == '\r' || text[e - 1] == ' ' ||
                         text[e - 1] == '\t'))
            e--;
        while (a < e && (text[a] == ' ' || text[a] == '\t'))
            a++;
        if (e > a)
            rc = take_line(src, text + a, e - a, number, &ids, err);
        at = end + 1;
    }
    rag_idset_free(&ids);
    return rc;
}
