/* document.c - a document's life; see document.h. One owner, no locks. */
#include "base/document.h"

#include <stdlib.h>

void rag_document_init(rag_document *d) {
    *d = (rag_document){.kind = RAG_DOC_TEXT,
                        .valid_from = RAG_TIME_NONE,
                        .valid_until = RAG_TIME_NONE};
}

void rag_document_free(rag_document *d) {
    if (!d)
        return;
    free(d->id);
    free(d->source);
    free(d->root);
    free(d->title);
    free(d->text);
    free(d->lang);
    free(d->collection);
    free(d->url);
    free(d->category);
    if (d->questions)
        for (size_t i = 0; i < d->nquestions; i++)
            free(d->questions[i]);
    free(d->questions);
    if (d->chunks)
        for (size_t i = 0; i < d->nchunks; i++)
            free(d->chunks[i].heading);
    free(d->chunks);
    rag_document_init(d);
}
