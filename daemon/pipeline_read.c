/*
 * pipeline_read.c - the reading model, lent to the choice of evidence.
 *
 * The rooms embed and generate do not know each other: here a retrieved
 * passage becomes what the reader was trained on (its title and heading on a
 * line of their own, then the text, of a table begun earlier with its header),
 * and places in that become places in the passage again. Called by pipeline.c on the request's thread.
 */
#include "daemon/pipeline_int.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* Writes a passage as the reader sees it; *head: bytes before its text. */
static int write_passage(const rag_passage *p, rag_buf *out, size_t *head,
                         rag_error *err) {
    int rc = 0;
    if (p->title && *p->title)
        rc = rag_buf_append_str(out, p->title, err);
    if (!rc && p->heading && *p->heading)
        rc =
            rag_buf_printf(out, err, "%s%s", out->len ? " > " : "", p->heading);
    if (!rc && out->len)
        rc = rag_buf_append_char(out, '\n', err);
    if (!rc && p->table)
        rc = rag_buf_printf(out, err, "%.*s\n", (int)p->table_len, p->table);
    *head = out->len;
    return rc ? rc : rag_buf_append(out, p->text, p->len, err);
}

/* Spans within the text; one that lies in the title answers nothing that
 * could be quoted. */
static void take(const rag_reading *r, size_t head, rag_read *out) {
    *out = (rag_read){.answers = r->answerable};
    for (size_t i = 0; i < r->n && out->n < RAG_READ_SPANS; i++) {
        if (r->span[i].end <= head)
            continue;
        size_t start = r->span[i].start > head ? r->span[i].start - head : 0;
        out->span[out->n].start = start;
        out->span[out->n].end = r->span[i].end - head;
        out->span[out->n++].score = r->span[i].score;
    }
}

int rag_asking_read(void *user, const rag_passage *passages, size_t n,
                    rag_read *out, rag_error *err) {
    rag_asking *a = user;
    rag_buf text[RAG_READ_MAX];
    rag_text passage[RAG_READ_MAX] = {0};
    size_t head[RAG_READ_MAX] = {0};
    rag_reading *reading = calloc(RAG_READ_MAX, sizeof *reading);
    rag_text question = {rag_buf_str(&a->question), a->question.len};
    double started = rag_clock_ms();
    int rc = 0;
    if (n > RAG_READ_MAX)
        n = RAG_READ_MAX;
    for (size_t i = 0; i < n; i++)
        rag_buf_init(&text[i], 0);
    if (!reading)
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for readings");
    for (size_t i = 0; i < n && !rc; i++) {
        rc = write_passage(&passages[i], &text[i], &head[i], err);
        passage[i] = (rag_text){rag_buf_str(&text[i]), text[i].len};
    }
    if (!rc)
        rc = rag_reader_read(a->p->parts.reader, &question, passage, n, reading,
                             err);
    for (size_t i = 0; i < n && !rc; i++)
        take(&reading[i], head[i], &out[i]);
    for (size_t i = 0; i < n; i++)
        rag_buf_free(&text[i]);
    free(reading);
    a->out->ms.read = rag_clock_ms() - started;
    return rc;
}
