/*
 * pipeline_parts.c - a question that asks for several things.
 *
 * Each part (parts.h) is searched, read and judged as a question of its own.
 * When every part has an answer and no two have the same, these are given one
 * after the other, verbatim. Else the question is asked as it stands: half an
 * answer for the whole would say nothing of the other half. Called by
 * pipeline.c on the request's thread, with a reader only: without it, what is
 * found is not sure enough to be taken apart.
 */
#include "daemon/parts.h"
#include "daemon/pipeline_int.h"

#include <math.h>
#include <string.h>

typedef struct part {
    rag_asking asking;
    rag_answer answer;
    rag_grounding extract;
} part;

static void close_part(part *p) {
    rag_asking_close(&p->asking);
    rag_answer_free(&p->answer);
    rag_grounding_free(&p->extract);
}

/* Asks one; *answered when there is an extract that may stand by itself. */
static int ask(const rag_asking *a, const rag_ask *quiet, const char *question,
               unsigned cited, part *p, bool *answered, rag_error *err) {
    *p = (part){.answer.ms.embed = NAN};
    rag_asking *x = &p->asking;
    *x = (rag_asking){.p = a->p,
                      .config = a->config,
                      .settings = a->settings,
                      .ask = quiet,
                      .out = &p->answer,
                      .index = a->index,
                      .lang = a->lang,
                      .started_ms = a->started_ms,
                      .deadline_ms = a->deadline_ms,
                      .probability = NAN};
    rag_buf_init(&x->question, 0);
    rag_buf_init(&x->key, 0);
    rag_buf_init(&x->other_words, 0);
    *answered = false;
    int rc = rag_buf_append_str(&x->question, question, err);
    if (!rc)
        rc = rag_asking_find(x, err);
    if (rc || x->done)
        return rc;
    /* An approved entry is given whole. */
    if (x->found.hits[x->hit_of[x->evidence.items[0].passage]].kind ==
        RAG_DOC_FAQ)
        return 0;
    x->evidence.n = 1; /* what else is near may answer another part */
    x->evidence.cited = cited;
    rc = rag_ground_extract(question, x->lang, &x->evidence, x->passages,
                            x->p->parts.sentences, &p->extract, err);
    *answered = !rc && p->extract.verdict == RAG_GROUND_OK;
    return rc;
}

static bool same(const part *p, const part *q) {
    const rag_citation *a = &p->extract.citations[0];
    const rag_citation *b = &q->extract.citations[0];
    size_t x = p->asking.evidence.items[a->item].passage;
    size_t y = q->asking.evidence.items[b->item].passage;
    return strcmp(p->asking.passages[x].doc, q->asking.passages[y].doc) == 0 &&
           a->start < b->end && b->start < a->end;
}

/* One answer of all; as sure as the least sure of them. */
static int join(rag_asking *a, const part *p, size_t n, rag_error *err) {
    const part *least = p;
    rag_buf text;
    char *whole = NULL;
    int rc = 0;
    rag_buf_init(&text, 0);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = rag_buf_printf(&text, err, "%s%s", i ? "\n" : "",
                            p[i].extract.answer);
        if (!rc)
            rc = rag_asking_cite(a, &p[i].asking, &p[i].extract, err);
        if (p[i].asking.probability < least->asking.probability)
            least = &p[i];
    }
    if (!rc)
        rc = rag_buf_steal(&text, &whole, NULL, err);
    rag_buf_free(&text);
    if (rc)
        return rc;
    a->probability = a->out->confidence = least->asking.probability;
    memcpy(a->out->features, least->answer.features, sizeof a->out->features);
    a->out->nfeatures = least->answer.nfeatures;
    rag_asking_extracted(a, "asked in parts", whole);
    return 0;
}

int rag_asking_parts(rag_asking *a, rag_error *err) {
    rag_ask quiet = *a->ask;
    rag_parts parts;
    part p[RAG_PARTS_MAX];
    size_t n = 0;
    unsigned cited = 0;
    bool all = true;
    if (!a->p->parts.reader)
        return 0;
    int rc = rag_parts_read(rag_buf_str(&a->question), &parts, err);
    if (rc || parts.n < 2)
        return rc;
    quiet.on_text = NULL;
    while (n < parts.n && all && !rc) {
        rc = ask(a, &quiet, parts.of[n], cited, &p[n], &all, err);
        if (!rc && !all && parts.bare[n]) {
            close_part(&p[n]);
            rc = ask(a, &quiet, parts.bare[n], cited, &p[n], &all, err);
        }
        for (size_t i = 0; i < n && all && !rc; i++)
            all = !same(&p[i], &p[n]);
        cited += (unsigned)p[n++].extract.ncitations;
    }
    if (all && !rc)
        rc = join(a, p, n, err);
    for (size_t i = 0; i < n; i++)
        close_part(&p[i]);
    rag_parts_free(&parts);
    return rc;
}
