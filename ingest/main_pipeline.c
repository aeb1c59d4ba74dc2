/*
 * main_pipeline.c - see main_pipeline.h.
 *
 * Documents that are new or changed wait, cut and with their passages made,
 * until there is a batch for the encoder; then all are encoded, those of like
 * length together, and put. A transaction ends after COMMIT_DOCUMENTS or
 * COMMIT_MS, so that a killed run has lost little; what it had committed is found unchanged
 * by the next one.
 */
#include "ingest/main_pipeline.h"

#include "base/clock.h"
#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_TEXTS 256 /* passages that wait at most */
#define BATCH_BYTES ((size_t)8 << 20) /* documents' text that waits at most */
/*
 * Sentences of a chunk that get a vector of their own. A question is nearer to
 * the sentence that answers it than to a chunk of many: measured, 0.015
 * nDCG@10 on the mean of five sets for twice the encoding.
 */
#define CHUNK_SENTENCES 16
#define SLICE_TEXTS 32 /* passages of one call to the encoder */
#define COMMIT_MS 5000.0
#define COMMIT_DOCUMENTS 512
#define CHUNK_MAX_TOKENS 400
#define CHUNK_TARGET_TOKENS 200

typedef struct text {
    char *s; /* owned */
    size_t len, at; /* at: its place before sorting */
    rag_text_kind kind;
    rag_vector_role role;
    size_t chunk, ord; /* as of rag_vector */
} text;

typedef struct waiting {
    rag_document doc;
    size_t first, ntexts; /* its texts */
    bool known; /* it replaces one in the store */
} waiting;

struct rag_pipeline {
    rag_pipeline_options opt;
    rag_encoder_info info;
    rag_chunk_options chunks;
    rag_pipeline_counts n;
    rag_progress bar;
    size_t seen; /* documents of all roots so far */

    waiting *docs;
    size_t ndocs, docs_cap;
    text *texts;
    size_t ntexts, texts_cap;
    size_t bytes;
    double committed_ms;
    size_t uncommitted; /* documents put since */
    rag_error *err; /* of the call that runs */
    char *kept; /* the file last kept for a problem in it */
};

static bool stopped(const rag_pipeline *p) {
    return p->opt.stop && *p->opt.stop;
}

static int cancelled(rag_error *err) {
    return rag_error_set(err, RAG_E_CANCELLED, "stopped by a signal");
}

static void problem(rag_pipeline *p, const char *path, size_t line,
                    rag_code code, const char *reason) {
    p->n.problems++;
    rag_progress_hide(&p->bar);
    p->opt.on_problem(p->opt.user, path, line, code, reason);
}

/* ---- what waits ---------------------------------------------------------- */

static void clear_waiting(rag_pipeline *p) {
    for (size_t i = 0; i < p->ndocs; i++)
        rag_document_free(&p->docs[i].doc);
    for (size_t i = 0; i < p->ntexts; i++)
        free(p->texts[i].s);
    p->ndocs = p->ntexts = p->bytes = 0;
}

static int grow(void **v, size_t *cap, size_t need, size_t size,
                rag_error *err) {
    if (need <= *cap)
        return RAG_OK;
    size_t more = *cap ? *cap * 2 : 64;
    void *p = realloc(*v, more * size);
    if (!p)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for a batch");
    *v = p;
    *cap = more;
    return RAG_OK;
}

/* Takes b's contents as a text to be encoded. */
static int add_text(rag_pipeline *p, rag_buf *b, rag_vector_role role,
                    size_t chunk, size_t ord) {
    int rc = grow((void **)&p->texts, &p->texts_cap, p->ntexts + 1,
                  sizeof *p->texts, p->err);
    if (rc)
        return rc;
    text *t = &p->texts[p->ntexts];
    /* A question is compared with questions: both sides as queries. */
    *t = (text){.at = p->ntexts,
                .kind = role == RAG_VECTOR_QUESTION ? RAG_TEXT_QUERY
                                                    : RAG_TEXT_PASSAGE,
                .role = role,
                .chunk = chunk,
                .ord = ord};
    if ((rc = rag_buf_steal(b, &t->s, &t->len, p->err)))
        return rc;
    p->n.tokens += rag_encoder_count(p->opt.encoder, t->s, t->len);
    p->ntexts++;
    return RAG_OK;
}

/* The title and each sentence of chunk i, when it has several. */
static int add_sentences(rag_pipeline *p, const rag_document *d, size_t i,
                         rag_buf *b) {
    const rag_chunk *c = &d->chunks[i];
    const char *s = d->text + c->start;
    rag_span *spans = NULL;
    size_t n = 0;
    int rc = rag_sentences_split(p->opt.sentences, s, c->end - c->start, &spans,
                                 &n, p->err);
    for (size_t k = 0; k < n && k < CHUNK_SENTENCES && n > 1 && !rc; k++) {
        if (*d->title)
            rc = rag_buf_printf(b, p->err, "%s\n", d->title);
        if (!rc)
            rc = rag_buf_append(b, s + spans[k].start,
                                spans[k].end - spans[k].start, p->err);
        if (!rc)
            rc = add_text(p, b, RAG_VECTOR_SENTENCE, i, k);
    }
    free(spans);
    return rc;
}

/* Cuts doc, makes its passages, and lets it wait; takes its contents. */
static int wait_for_batch(rag_pipeline *p, rag_document *doc, bool known) {
    int rc = rag_ingest_chunk(doc, &p->chunks, p->opt.sentences, p->err);
    if (!rc && doc->nchunks == 0) {
        problem(p, doc->source, 0, RAG_E_DATA, "it holds nothing but markup");
        return RAG_OK;
    }
    if (!rc)
        rc = grow((void **)&p->docs, &p->docs_cap, p->ndocs + 1,
                  sizeof *p->docs, p->err);
    if (rc)
        return rc;
    waiting *w = &p->docs[p->ndocs++];
    *w = (waiting){.doc = *doc, .first = p->ntexts, .known = known};
    rag_document_init(doc);
    rag_buf b;
    rag_buf_init(&b, 0);
    for (size_t i = 0; i < w->doc.nchunks && !rc; i++)
        if (!(rc = rag_ingest_passage(&w->doc, i, &b, p->err)))
            rc = add_text(p, &b, RAG_VECTOR_CHUNK, i, 0);
    for (size_t i = 0; i < w->doc.nquestions && !rc; i++)
        if (!(rc = rag_buf_append_str(&b, w->doc.questions[i], p->err)))
            rc = add_text(p, &b, RAG_VECTOR_QUESTION, 0, i);
    for (size_t i = 0; i < w->doc.nchunks && !rc; i++)
        if (w->doc.kind == RAG_DOC_TEXT)
            rc = add_sentences(p, &w->doc, i, &b);
    rag_buf_free(&b);
    w->ntexts = p->ntexts - w->first;
    p->bytes += w->doc.text_len;
    return rc;
}

/* ---- encoding and storing ------------------------------------------------- */

static int by_kind_and_length(const void *a, const void *b) {
    const text *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Encodes all texts; vectors in the order they were added. */
static int encode_all(rag_pipeline *p, float *vectors) {
    size_t dim = (size_t)p->info.dim;
    float *slice = malloc(SLICE_TEXTS * dim * sizeof *slice);
    if (!slice)
        return rag_error_set(p->err, RAG_E_NOMEM, "no memory for vectors");
    qsort(p->texts, p->ntexts, sizeof *p->texts, by_kind_and_length);
    int rc = RAG_OK;
    for (size_t i = 0; i < p->ntexts && !rc;) {
        rag_text in[SLICE_TEXTS];
        unsigned char cut[SLICE_TEXTS];
        size_t n = 0;
        while (n < SLICE_TEXTS && i + n < p->ntexts &&
               p->texts[i + n].kind == p->texts[i].kind) {
            in[n] = (rag_text){p->texts[i + n].s, p->texts[i + n].len};
            n++;
        }
        if (stopped(p)) {
            rc = cancelled(p->err);
            break;
        }
        rc = rag_encoder_encode(p->opt.encoder, p->texts[i].kind, in, n, slice,
                                cut, p->err);
        for (size_t k = 0; k < n && !rc; k++) {
            memcpy(vectors + p->texts[i + k].at * dim, slice + k * dim,
                   dim * sizeof *slice);
            p->n.truncated += cut[k] != 0;
        }
        i += n;
        /* The bar moves within a long document too. */
        rag_progress_set(&p->bar, p->seen, 0);
    }
    free(slice);
    return rc;
}

/* What is wrong with one document only. */
static bool is_documents_own(int rc) {
    return rc == RAG_E_CONFLICT || rc == RAG_E_DATA || rc == RAG_E_LIMIT;
}

/* all: every text that waits, in the order they were added. */
static int put(rag_pipeline *p, const waiting *w, const text *const *all,
               const float *vectors) {
    rag_vector *v = calloc(w->ntexts + 1, sizeof *v);
    if (!v)
        return rag_error_set(p->err, RAG_E_NOMEM, "no memory for vectors");
    const rag_document *d = &w->doc;
    for (size_t i = 0; i < w->ntexts; i++) {
        const text *t = all[w->first + i];
        v[i] = (rag_vector){.role = t->role,
                            .chunk = t->chunk,
                            .ord = t->ord,
                            .v = vectors + t->at * (size_t)p->info.dim};
    }
    rag_error why = {0};
    int rc = rag_index_writer_put(p->opt.writer, d, v, w->ntexts, &why);
    free(v);
    if (is_documents_own(rc)) {
        problem(p, d->source, 0, why.code, why.message);
        return RAG_OK;
    }
    if (rc)
        return rag_error_set(p->err, why.code, "%s", why.message);
    p->uncommitted++;
    p->n.chunks += d->nchunks;
    p->n.vectors += w->ntexts;
    if (w->known)
        p->n.changed++;
    else
        p->n.added++;
    return RAG_OK;
}

static int commit(rag_pipeline *p) {
    int rc = rag_index_writer_commit(p->opt.writer, p->err);
    p->committed_ms = rag_clock_ms();
    p->uncommitted = 0;
    return rc;
}

/* Encodes and stores what waits. */
static int flush(rag_pipeline *p) {
    int rc = RAG_OK;
    if (p->ndocs == 0)
        return RAG_OK;
    float *vectors =
        malloc((p->ntexts + 1) * (size_t)p->info.dim * sizeof *vectors);
    const text **all = calloc(p->ntexts + 1, sizeof *all);
    if (!vectors || !all)
        rc = rag_error_set(p->err, RAG_E_NOMEM, "no memory for vectors");
    if (!rc)
        rc = encode_all(p, vectors); /* sorts the texts */
    for (size_t i = 0; i < p->ntexts && !rc; i++)
        all[p->texts[i].at] = &p->texts[i];
    for (size_t i = 0; i < p->ndocs && !rc; i++)
        rc = put(p, &p->docs[i], all, vectors);
    free(vectors);
    free(all);
    clear_waiting(p);
    if (!rc && (p->uncommitted >= COMMIT_DOCUMENTS ||
                rag_clock_ms() - p->committed_ms > COMMIT_MS))
        rc = commit(p);
    return rc;
}

/* ---- reading -------------------------------------------------------------- */

static int on_document(void *user, rag_document *doc) {
    rag_pipeline *p = user;
    if (stopped(p))
        return cancelled(p->err);
    rag_index_known *known = malloc(sizeof *known);
    if (!known)
        return rag_error_set(p->err, RAG_E_NOMEM, "no memory for a document");
    rag_progress_set(&p->bar, ++p->seen, 0);
    rag_error why = {0};
    int rc = rag_index_writer_lookup(p->opt.writer, doc, known, p->err);
    if (!rc && known->other_source) {
        rag_error_set(&why, RAG_E_CONFLICT,
                      "the id \"%.200s\" is already that of %.300s: give one "
                      "of them another id",
                      doc->id, known->source);
        problem(p, doc->source, 0, why.code, why.message);
    } else if (!rc && known->found && known->same) {
        rc = rag_index_writer_keep(p->opt.writer, doc, &why);
        if (is_documents_own(rc)) {
            problem(p, doc->source, 0, why.code, why.message);
            rc = RAG_OK;
        } else if (rc) {
            rag_error_set(p->err, why.code, "%s", why.message);
        } else if (known->moved) {
            p->n.moved++;
        } else {
            p->n.unchanged++;
        }
    } else if (!rc) {
        rc = wait_for_batch(p, doc, known->found);
        if (!rc && (p->ntexts >= BATCH_TEXTS || p->bytes >= BATCH_BYTES))
            rc = flush(p);
    }
    free(known);
    return rc;
}

/* A file that cannot be read, wholly or in a record, keeps what the store has
 * of it: a slip in one line must not take an entry away. What is really gone
 * goes when the file is whole again. */
static void on_problem(void *user, const char *path, size_t line, rag_code code,
                       const char *reason) {
    rag_pipeline *p = user;
    problem(p, path, line, code, reason);
    if (p->kept && strcmp(p->kept, path) == 0)
        return; /* one file, many bad lines */
    free(p->kept);
    p->kept = strdup(path); /* NULL only costs time */
    rag_error why = {0};
    if (rag_index_writer_keep_source(p->opt.writer, path, &why))
        problem(p, path, 0, why.code, why.message);
}

static int sweep(rag_pipeline *p, const char *root) {
    rag_error why = {0};
    size_t removed = 0;
    int rc =
        rag_index_writer_sweep(p->opt.writer, p->opt.force, &removed, &why);
    if (rc == RAG_E_CONFLICT) {
        problem(p, root, 0, RAG_E_CONFLICT, why.message);
        return RAG_OK;
    }
    if (rc)
        return rag_error_set(p->err, why.code, "%s", why.message);
    p->n.removed += removed;
    return RAG_OK;
}

static int read_root(rag_pipeline *p, const char *path, const char *root) {
    int rc = rag_index_writer_begin_root(p->opt.writer, root, p->err);
    if (!rc)
        rc = rag_ingest_read(path, &p->opt.ingest, p->opt.sentences,
                             on_document, on_problem, p, p->err);
    if (!rc)
        rc = flush(p);
    if (!rc && stopped(p))
        rc = cancelled(p->err);
    if (!rc)
        rc = sweep(p, root);
    if (!rc)
        rc = commit(p);
    return rc;
}

int rag_pipeline_root(rag_pipeline *p, const char *path, rag_error *err) {
    p->err = err;
    free(p->kept);
    p->kept = NULL;
    char *root = realpath(path, NULL);
    /* Without a root there is nothing to begin; the reader says why. */
    int rc = root ? read_root(p, path, root)
                  : rag_ingest_read(path, &p->opt.ingest, p->opt.sentences,
                                    on_document, on_problem, p, err);
    free(root);
    rag_progress_hide(&p->bar);
    clear_waiting(p);
    return rc;
}

/* ---- life ------------------------------------------------------------------ */

static size_t count_tokens(void *user, const char *s, size_t len) {
    return rag_encoder_count(user, s, len);
}

int rag_pipeline_open(const rag_pipeline_options *opt, rag_pipeline **out,
                      rag_error *err) {
    *out = NULL;
    rag_pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the pipeline");
    p->opt = *opt;
    rag_encoder_describe(opt->encoder, &p->info);
    /* Title, headings and a prefix go before the chunk: a quarter of what the
     * encoder reads is theirs. */
    size_t room = p->info.max_tokens > 8 ? (size_t)p->info.max_tokens : 8;
    p->chunks = (rag_chunk_options){.max_tokens = room * 3 / 4,
                                    .target_tokens = CHUNK_TARGET_TOKENS,
                                    .count = count_tokens,
                                    .user = opt->encoder};
    if (p->chunks.max_tokens > CHUNK_MAX_TOKENS)
        p->chunks.max_tokens = CHUNK_MAX_TOKENS;
    p->committed_ms = rag_clock_ms();
    rag_progress_start(&p->bar, "ingesting", "documents", 0, opt->quiet);
    *out = p;
    return RAG_OK;
}

void rag_pipeline_describe(const rag_pipeline *p, rag_pipeline_counts *out) {
    *out = p->n;
}

void rag_pipeline_close(rag_pipeline *p) {
    if (!p)
        return;
    rag_progress_end(&p->bar);
    clear_waiting(p);
    free(p->docs);
    free(p->texts);
    free(p->kept);
    free(p);
}
