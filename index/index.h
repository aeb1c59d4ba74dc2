/*
 * index.h - the store (truth), lexical and vector search (derived), fusion.
 *
 * store.db (SQLite) holds documents, chunks, vectors and the FTS5 index; a
 * FAISS index is derived from it, a snapshot file a generation. One writer
 * process (rag-ingest, under a lock) and any number of readers. Nothing
 * outside index/ may assume SQLite or FAISS.
 *
 * Writer: one thread. Reader (rag_index): thread-safe; searches run on an
 * immutable generation that is reference-counted, so that a refresh never
 * disturbs a running search.
 */
#ifndef RAG_INDEX_INDEX_H
#define RAG_INDEX_INDEX_H

#include "base/buf.h"
#include "base/document.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what a store was made with ---------------------------------------- */

typedef struct rag_index_fingerprint {
    int dim; /* floats a vector */
    const char *encoder; /* rag_encoder_info.fingerprint */
    const char *model; /* encoder's name, for people */
    int chunker; /* RAG_INGEST_VERSION */
} rag_index_fingerprint;

/* ---- writing (rag-ingest) ---------------------------------------------- */

typedef struct rag_index_writer rag_index_writer;

/*
 * Opens or creates the store in dir (created 0700) and takes the writer's
 * lock: RAG_E_BUSY names the process that has it. A store made with another
 * encoder, dim or chunker gives RAG_E_MISMATCH and says what to do, unless
 * rebuild is true: then all documents' hashes are forgotten, so that
 * everything offered is put again (old rows serve until replaced), and the
 * new fingerprint is recorded. A store of a newer schema is refused.
 */
int rag_index_writer_open(const char *dir, const rag_index_fingerprint *fp,
                          bool rebuild, rag_index_writer **out, rag_error *err);
void rag_index_writer_close(rag_index_writer *w); /* rolls back what is open */

typedef enum rag_vector_role {
    RAG_VECTOR_CHUNK = 0, /* of a chunk's passage */
    RAG_VECTOR_QUESTION =
        1, /* of a FAQ's question or variant, ord its number */
    RAG_VECTOR_SENTENCE = 2, /* of a part of a chunk, optional; ord its number.
                              * A chunk's cosine is then a mixture of its own
                              * and its best part's. */
    RAG_VECTOR_EXTRA = 3 /* of a line of a chunk's extra text: it helps to
                          * find the chunk, and no score that is reported or
                          * judged has it in it */
} rag_vector_role;

typedef struct rag_vector {
    rag_vector_role role;
    size_t chunk; /* which chunk of the document it finds */
    size_t ord; /* RAG_VECTOR_QUESTION: index into doc->questions */
    const float *v; /* dim floats, unit length; borrowed during the call */
} rag_vector;

/* What the store holds under an id. */
typedef struct rag_index_known {
    bool found;
    bool same; /* same hash: nothing to do but _keep */
    bool moved; /* same hash, other source */
    bool other_source; /* id came from another source that still exists under
                         * another root (or the same run): a conflict */
    char source[4096]; /* the stored source */
} rag_index_known;

/* Looks doc up by id (and by hash, to recognise a moved file: then found and
 * moved are set, and old id in source). */
int rag_index_writer_lookup(rag_index_writer *w, const rag_document *doc,
                            rag_index_known *out, rag_error *err);

/*
 * Marks the start of reading a root; documents of that root that are neither
 * put nor kept until rag_index_writer_sweep are vanished. Reading several
 * roots one after another is normal.
 */
int rag_index_writer_begin_root(rag_index_writer *w, const char *root,
                                rag_error *err);

/* doc is in the store unchanged (also: moved, then id, source and root are
 * updated). */
int rag_index_writer_keep(rag_index_writer *w, const rag_document *doc,
                          rag_error *err);

/*
 * Stores doc (with chunks) and its vectors, replacing what had its id; part
 * of the transaction that the next commit ends. A reader sees old or new,
 * never a mixture. RAG_E_CONFLICT when the id was put in this run from
 * another source (names both).
 */
int rag_index_writer_put(rag_index_writer *w, const rag_document *doc,
                         const rag_vector *vectors, size_t n, rag_error *err);

/* Makes everything so far durable (synchronous=FULL) and visible. */
int rag_index_writer_commit(rag_index_writer *w, rag_error *err);

/* How many documents of the root just read have vanished. */
int rag_index_writer_vanished(rag_index_writer *w, size_t *vanished,
                              size_t *had, rag_error *err);
/*
 * Removes them. Refused with RAG_E_CONFLICT (nothing removed) when the root
 * gave no document at all, or more than half of what it had are gone, unless
 * force. *removed (may be NULL). Then commit.
 */
int rag_index_writer_sweep(rag_index_writer *w, bool force, size_t *removed,
                           rag_error *err);
/* Source files that were reported unreadable must not count as vanished:
 * keeps every document whose source is path (or lies below it). */
int rag_index_writer_keep_source(rag_index_writer *w, const char *path,
                                 rag_error *err);
/* Removes one document by id; RAG_E_NOTFOUND. Its text is gone everywhere at
 * the next commit (secure_delete, FTS segments included). */
int rag_index_writer_remove(rag_index_writer *w, const char *id,
                            rag_error *err);

/* ---- extra text (rag-ingest --expand) ----------------------------------- */

/*
 * Text that helps to find a chunk and is never shown: questions that it
 * answers. What was written is kept by the chunk's content (title, heading,
 * text) and by who wrote it, so that it is written once, and goes with the
 * last chunk that has this content. FAQ entries have none. A store that never
 * had any is what it was without; the first _begin makes room.
 */
#define RAG_INDEX_EXTRA_MAX 2000 /* bytes a chunk */
#define RAG_INDEX_EXTRA_BY_MAX 200 /* bytes of a writer's name */

typedef struct rag_index_extra {
    rag_document doc; /* as it is stored */
    char **text; /* of each chunk, one or more lines; NULL: not written yet;
                  * "": nothing useful came */
} rag_index_extra;

/*
 * After the roots were read: counts the chunks of this run's documents that
 * have no extra text by this writer, and those of them for which none was
 * written yet (both may be NULL).
 */
int rag_index_writer_extra_begin(rag_index_writer *w, const char *by,
                                 size_t *chunks, size_t *missing,
                                 rag_error *err);
/* The next of these documents; *found false at the end. Free in any case. */
int rag_index_writer_extra_next(rag_index_writer *w, rag_index_extra *out,
                                bool *found, rag_error *err);
void rag_index_extra_free(rag_index_extra *x);
/* Keeps a chunk's text, in the store and in x->text; durable at the next
 * commit, and seen by no search before _put. */
int rag_index_writer_extra_note(rag_index_writer *w, rag_index_extra *x,
                                size_t chunk, const char *text, rag_error *err);
/* Puts the document again with the texts of all its chunks and their vectors
 * (role RAG_VECTOR_EXTRA) beside those it has. As _put. */
int rag_index_writer_extra_put(rag_index_writer *w, const rag_index_extra *x,
                               const rag_vector *vectors, size_t n,
                               rag_error *err);

/* ---- reading ------------------------------------------------------------ */

typedef struct rag_index rag_index;

typedef enum rag_index_kind { /* how vectors are searched */
                              RAG_INDEX_AUTO, /* by size: what was measured to be best */
                              RAG_INDEX_FLAT, /* each is compared */
                              RAG_INDEX_IVF, /* lists of compressed vectors */
                              RAG_INDEX_HNSW /* a graph over compressed vectors */
} rag_index_kind;

/* Reads a file of a company's own words as rag_index_open does; "": 0. */
int rag_index_lexicon_check(const char *path, rag_error *err);

/* "auto", "flat", "ivf", "hnsw"; false for anything else. */
bool rag_index_kind_from(const char *name, rag_index_kind *out);

typedef struct rag_index_options {
    /* Expected fingerprint; encoder NULL: any (lexical use, status). */
    rag_index_fingerprint fingerprint;
    int threads; /* for building; 0: all */
    bool read_only; /* do not write snapshots */
    rag_index_kind kind;
    size_t memory; /* bytes that vectors of the base may take, 0 any: a kind
                    * that takes less is used, down to codes of half a byte */
    const char *lexicon; /* a company's own words (ragd.conf(5), index.lexicon),
                          * read at the opening; NULL or "": none */
} rag_index_options;

/*
 * Opens the store in dir and makes the first generation: loads the newest
 * snapshot, catches up from the store, or rebuilds when nothing matches.
 * RAG_E_NOINPUT when there is no store; RAG_E_MISMATCH when it was made with
 * another encoder; what is wrong with the lexicon.
 */
int rag_index_open(const char *dir, const rag_index_options *opt,
                   rag_index **out, rag_error *err);
void rag_index_close(rag_index *ix); /* after all searches have returned */

/*
 * Catches up with the store and publishes a new generation when it changed
 * (*changed, may be NULL). Cheap when nothing did (under 1 ms). One caller
 * thread; searches go on meanwhile.
 */
int rag_index_refresh(rag_index *ix, bool *changed, rag_error *err);

typedef struct rag_index_stats {
    uint64_t generation; /* of what is served; grows with every change */
    size_t documents, faqs, chunks, vectors, deleted;
    size_t memory_bytes; /* of the vector side */
    char ann[32]; /* "flat", "ivf", "ivf4", "hnsw" */
    char fingerprint[65]; /* encoder's */
    char model[128];
    int64_t changed_at; /* seconds since the epoch, last commit */
} rag_index_stats;
/* Takes the same short time however many documents there are. */
int rag_index_describe(rag_index *ix, rag_index_stats *out, rag_error *err);

typedef struct rag_index_query {
    const char *text; /* cleaned question (rag_unicode_clean) */
    size_t len;
    const float *vector; /* dim floats, unit; NULL: lexical only */
    size_t k; /* documents wanted; 0: 10; at most 1000 */
    size_t chunks; /* chunks a document; 0: 1 */
    size_t candidates; /* taken from each side; 0: max(100, 5 k) */
    const char *collection, *lang, *source; /* filters; NULL: all; source is
                                             * a prefix of the path */
    int kind; /* -1 all, else a rag_doc_kind */
    int64_t now; /* for validity; 0: the current time;
                          * RAG_TIME_NONE: validity is ignored */
    double vector_weight; /* 0..1; negative: adapts to the question */
} rag_index_query;

typedef struct rag_index_hit {
    char *doc, *title, *heading, *source, *url, *lang, *collection;
    rag_doc_kind kind;
    int64_t chunk; /* id of the chunk, stable until it is replaced */
    size_t start, end; /* bytes in the document's text */
    char *text; /* exactly those bytes, NUL behind */
    char *question; /* FAQ: the question or variant that matched best */
    int64_t valid_from, valid_until;
    double score; /* of the document, less what the chunk is behind its best */
    /* Of the chunk by itself, whichever document it is of; where a newer
     * version or a desk's entry was put before others, in line with theirs. */
    double own;
    double lexical; /* BM25, larger is better; 0 when not found so */
    double vector; /* cosine, to .001 where an index with codes found the
                    * text by its words only; NAN without a query vector */
    double lexical_z, vector_z; /* after normalisation, as fused */
    int lexical_rank, vector_rank; /* from 1; 0 when not found so */
    size_t document; /* number of the document in this result, from 0 */
    bool superseded; /* a newer version of it stands before it in this result,
                      * and the question does not ask for this one */
} rag_index_hit;

typedef struct rag_index_result {
    rag_index_hit *hits; /* documents best first; the chunks of one stand
                          * together, best first */
    size_t n;
    size_t documents;
    uint64_t generation;
    double vector_weight; /* the one used */
    double lexical_ms, vector_ms, fuse_ms;
    /* For gates and --explain: of all candidates, before the cut. */
    double best_cosine, best_bm25, query_terms;
} rag_index_result;

/* Thread-safe. Free with rag_index_result_free (harmless on zeroes). */
int rag_index_search(rag_index *ix, const rag_index_query *q,
                     rag_index_result *out, rag_error *err);
void rag_index_result_free(rag_index_result *r);

/*
 * FAQ entries whose question or variant has exactly this key
 * (rag_terms_key), valid now; at most max hits (kind FAQ, text the whole
 * answer). For the FAQ desk's first look.
 */
int rag_index_faq_exact(rag_index *ix, const char *key, size_t len,
                        const char *collection, int64_t now, size_t max,
                        rag_index_result *out, rag_error *err);

/* Appends what the lexicon calls the words of s[0..n) otherwise, in Korean and
 * English, a comma behind each: for judging what a search found.
 * RAG_E_NOMEM is the only failure. Any thread. */
int rag_index_other_words(const rag_index *ix, const char *s, size_t n,
                          rag_buf *out, rag_error *err);

/* Text of a document [start,end) clipped to it (end SIZE_MAX: all); free
 * with free(). RAG_E_NOTFOUND. For quotes, neighbours of a chunk, checks. */
int rag_index_text(rag_index *ix, const char *doc, size_t start, size_t end,
                   char **out, size_t *len, rag_error *err);

/*
 * Starts-up check of the whole chain on a scratch store of two documents: a
 * Korean question must find the right one lexically. RAG_E_INTERNAL if not.
 */
int rag_index_self_test(rag_error *err);

#endif
