/*
 * pipeline_entry.c - answering with an approved entry that was found rather
 * than asked for.
 *
 * The guards of faq.c settle when a question *is* an entry's question. Most
 * customers put it in words of their own; then the entry that retrieval
 * ranks first still answers better than anything a small model would make of
 * it: its text is approved. It is given whole, as a quotation ("extract"),
 * after the evidence gate has let the question through, and never when
 * question and entry speak of opposite sides. Entries of the opposite side
 * are no evidence either. Called by pipeline.c on the request's thread.
 */
#include "daemon/pipeline_int.h"

#include <string.h>

/* An entry that is not the first hit must be this near to it. */
#define ENTRY_SCORE_SHARE 0.85
/* Log-odds by which the reader may prefer another entry. */
#define ENTRY_READ_GAP 3.0

int rag_asking_contrary(rag_asking *a, const rag_index_hit *hit, bool *contrary,
                        rag_error *err) {
    *contrary = false;
    if (hit->kind != RAG_DOC_FAQ || !hit->title)
        return 0;
    return rag_faq_contrary(rag_buf_str(&a->question), hit->title, contrary,
                            err);
}

/*
 * With a reading model: the entry whose answer it put first - or, of those it
 * finds nearly as good, the one that retrieval did. An entry's title is a
 * question, and likeness of questions is what retrieval measures best.
 */
static int read_entry(rag_asking *a, rag_error *err) {
    const rag_evidence *ev = &a->evidence;
    size_t hit = a->hit_of[ev->items[0].passage];
    if (a->found.hits[hit].kind != RAG_DOC_FAQ)
        return 0;
    for (size_t i = 1; i < ev->n; i++) {
        size_t other = a->hit_of[ev->items[i].passage];
        if (a->found.hits[other].kind == RAG_DOC_FAQ && other < hit &&
            ev->items[i].value >= ev->items[0].value - ENTRY_READ_GAP)
            hit = other;
    }
    /* Contrary entries were left out of the passages. */
    return rag_asking_quote_entry(a, &a->found.hits[hit], err);
}

int rag_asking_entry(rag_asking *a, rag_error *err) {
    if (!a->config->faq)
        return 0;
    if (a->evidence.read && a->evidence.n)
        return read_entry(a, err);
    for (size_t i = 0; i < a->found.n; i++) {
        const rag_index_hit *h = &a->found.hits[i];
        bool contrary = false;
        if (h->score < a->found.hits[0].score * ENTRY_SCORE_SHARE)
            break;
        int rc = rag_asking_contrary(a, h, &contrary, err);
        if (rc)
            return rc;
        if (contrary)
            continue;
        /* A document that speaks to it more than any entry is read. */
        return h->kind == RAG_DOC_FAQ ? rag_asking_quote_entry(a, h, err) : 0;
    }
    return 0;
}
