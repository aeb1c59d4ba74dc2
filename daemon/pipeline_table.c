/*
 * pipeline_table.c - the header of a table whose rows were found.
 *
 * A long table lies in several chunks, and a row of a later one says little
 * without the header in the first. Passages that begin inside a table get its
 * header row from the document's text. Called by pipeline.c on the request's
 * thread, before evidence is chosen.
 */
#include "daemon/pipeline_int.h"

#include <stdlib.h>
#include <string.h>

/* How far above a row its header is looked for, and at the document's start:
 * a document that is one long table has it there. */
#define REACH ((size_t)64 << 10)
#define START_REACH ((size_t)2 * RAG_TABLE_HEADER_MAX)
#define SAME 64 /* bytes by which a text is known to be still the same */

/* Takes what find found in text, which begins at byte from of the document. */
static int take(rag_asking *a, size_t i, const char *text, size_t from,
                size_t at, size_t len, rag_error *err) {
    rag_passage *p = &a->passages[i];
    int rc = rag_str_dup_n(text + at, len, &a->tables[i], err);
    if (rc)
        return rc;
    p->table = a->tables[i];
    p->table_start = from + at;
    p->table_len = len;
    return 0;
}

/* The document itself begins with the table. */
static int look_at_start(rag_asking *a, size_t i, rag_error *err) {
    char *text = NULL;
    size_t len = 0, at, n;
    bool open;
    int rc = rag_index_text(a->index, a->passages[i].doc, 0, START_REACH, &text,
                            &len, err);
    if (rc)
        return rc;
    const char *second = memchr(text, '\n', len);
    const char *third =
        second ? memchr(second + 1, '\n', len - (size_t)(second + 1 - text))
               : NULL;
    if (third &&
        rag_table_header(text, (size_t)(third + 1 - text), &at, &n, &open))
        rc = take(a, i, text, 0, at, n, err);
    free(text);
    return rc;
}

static int look_above(rag_asking *a, size_t i, rag_error *err) {
    const rag_passage *p = &a->passages[i];
    size_t from = p->start > REACH ? p->start - REACH : 0;
    size_t same = p->len < SAME ? p->len : SAME, len = 0, at, n;
    size_t above = p->start - from, skip = 0;
    char *text = NULL;
    bool open = false;
    int rc = rag_index_text(a->index, p->doc, from, p->start + same, &text,
                            &len, err);
    if (rc)
        return rc;
    /* The document may have changed since the search. */
    if (len != above + same || memcmp(text + above, p->text, same) != 0)
        goto out;
    if (from) { /* not with half a line */
        const char *nl = memchr(text, '\n', above);
        skip = nl ? (size_t)(nl - text) + 1 : above;
    }
    if (rag_table_header(text + skip, above - skip, &at, &n, &open))
        rc = take(a, i, text + skip, from + skip, at, n, err);
    else if (open && from)
        rc = look_at_start(a, i, err);
out:
    free(text);
    return rc;
}

int rag_asking_tables(rag_asking *a, rag_error *err) {
    a->tables = calloc(a->npassages ? a->npassages : 1, sizeof *a->tables);
    if (!a->tables)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for tables");
    for (size_t i = 0; i < a->npassages; i++) {
        const rag_passage *p = &a->passages[i];
        const rag_index_hit *h = &a->found.hits[a->hit_of[i]];
        if (h->kind == RAG_DOC_FAQ || !a->index || !p->start || !p->len ||
            !rag_table_row(p->text, strcspn(p->text, "\n")))
            continue;
        int rc = look_above(a, i, err);
        if (rc == RAG_E_NOTFOUND) /* removed meanwhile */
            rc = 0;
        if (rc)
            return rc;
    }
    return 0;
}

void rag_asking_tables_free(rag_asking *a) {
    for (size_t i = 0; a->tables && i < a->npassages; i++)
        free(a->tables[i]);
    free(a->tables);
}
