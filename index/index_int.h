/*
 * index_int.h - what the files of index/ share. Included by nothing else but
 * the room's own unit tests and benches.
 *
 *   store.c        a connection: opening, schema, statements   (SQLite)
 *   store_write.c  the writer                                  (SQLite)
 *   store_sweep.c  roots, vanished and moved documents         (SQLite)
 *   store_extra.c  text that only helps to find                (SQLite)
 *   store_read.c   what a generation and a search read         (SQLite)
 *   fts.c          the FTS5 tokenizer and the ranking function (SQLite)
 *   posting*.c     the lexical index of a large base, in a file
 *   ann.c          one vector index                            (FAISS)
 *   ann_build.c    making one                                  (FAISS)
 *   ann_graph.c    what only a graph needs                     (FAISS)
 *   generation.c   rows in memory, catching up, publishing
 *   filter.c       which rows a question may find
 *   snapshot.c     a generation's base in a file
 *   query.c        a question to weighted terms
 *   spell.c        words the index does not have
 *   lexicon.c      terms that mean the same, of both languages
 *   lexicon_widen.c  ... added to a question's
 *   search.c       candidates of both sides, hits
 *   cosine.c       exact cosines of the candidates
 *   fuse.c         scores of both sides to one
 */
#ifndef RAG_INDEX_INDEX_INT_H
#define RAG_INDEX_INDEX_INT_H

#include "index/index.h"

#include "base/buf.h"
#include "base/terms.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- limits ------------------------------------------------------------- */

#define RAG_INDEX_SCHEMA 2 /* with extra text; 1: without */
#define RAG_INDEX_TERMS 2 /* raised when terms.c would index other terms */
#define RAG_INDEX_K_MAX 1000
#define RAG_INDEX_CANDIDATES_MAX 10000
#define RAG_QUERY_OWN_MAX 96 /* terms of a question's own */
#define RAG_QUERY_TERMS_MAX 192 /* terms of a question that are looked up */
#define RAG_QUERY_BYTES_MAX 4000 /* bytes of a question that are read */
#define RAG_INDEX_DIM_MAX 8192
/* Vectors up to which search is exact. */
#define RAG_INDEX_FLAT_MAX 30000
/* Rows beside the base before a rebuild: a sixteenth of it, but at least and
 * at most so many. */
#define RAG_INDEX_TAIL_MIN 8192
#define RAG_INDEX_TAIL_MAX 30000
/* Chunks from which the base has a posting file: at 10,000 it answers in a
 * quarter of the time, with all of a question's words. */
#define RAG_INDEX_POSTINGS_MIN 10000
/* Vectors up to which those of parts of chunks are searched; above, they only
 * score what was found otherwise. */
#define RAG_INDEX_PARTS_MAX 300000
/* Milliseconds before a posting file is made without the words of what was
 * removed: at least, and at least 20 times what that takes. */
#define RAG_INDEX_SCRUB_MS 60000
/* Filters that a generation remembers. */
#define RAG_INDEX_FILTERS_MAX 8

/* Those that tests change. */
typedef struct rag_index_limits {
    size_t flat_max, postings_min, parts_max;
    double scrub_ms; /* RAG_INDEX_SCRUB_MS */
    rag_index_kind kind; /* those of the options */
    size_t memory;
} rag_index_limits;

extern const rag_index_limits rag_index_limits_default;

/* rag_index_open with other limits. */
int rag_index_open_limited(const char *dir, const rag_index_options *opt,
                           const rag_index_limits *limits, rag_index **out,
                           rag_error *err);

/* Columns of the lexical index. */
enum {
    RAG_COL_TITLE,
    RAG_COL_HEADING,
    RAG_COL_QUESTION,
    RAG_COL_BODY,
    RAG_COL_EXTRA, /* only where the store has extra text */
    RAG_COLS
};

/* ---- what can be tuned -------------------------------------------------- */

typedef struct rag_tuning {
    double k1, b; /* BM25 */
    double column[RAG_COLS]; /* weight of an occurrence in a column */
    double w_word, w_stop, w_stem, w_bigram, w_cross, w_number, w_code, w_part;
    double ubiquitous; /* share of chunks above which a term is
                               * dropped when rarer ones remain, and ... */
    double budget; /* ... rows of FTS5's that a search may read, about; both
                    * only where there is no posting file */
    double vector_weight; /* where nothing speaks for either side, and
                           * candidates have vectors of their parts */
    double vector_coarse; /* ... where they have only one each */
    double w_min, w_max; /* bounds of the adapted weight */
    double a_code, a_quote, a_rare, a_margin, a_cover; /* adaptation */
    double second; /* share of a document's further chunks */
    double typo; /* weight of a corrected word */
    double to_korean, to_english, synonym; /* weights of what lexicon.c adds */
    double alone; /* share of the first two where words alone decide */
    double feedback; /* share of likeness to the best document */
    double sentence; /* share of the best sentence in the cosine */
    double foreign; /* where a document's language is not the question's: what
                     * its cosine counts for words it cannot share */
    double extra; /* share of what the best line of extra text is nearer */
} rag_tuning;

extern const rag_tuning rag_tuning_default;

/* ---- a connection (store.c) --------------------------------------------- */

typedef struct rag_store rag_store;

typedef struct rag_store_meta {
    int64_t seq; /* grows with every commit that changed something */
    int64_t floor; /* deletions up to this seq are forgotten */
    int64_t epoch; /* grows when the encoder changes */
    int64_t changed_at;
    int dim, chunker;
    char encoder[65];
    char model[128];
} rag_store_meta;

/* Opens dir/store.db. create: for the writer; makes file and schema. */
int rag_store_open(const char *dir, bool create, rag_store **out,
                   rag_error *err);
void rag_store_close(rag_store *s);
int rag_store_meta_get(rag_store *s, rag_store_meta *out, rag_error *err);
int rag_store_begin_read(rag_store *s, rag_error *err);
void rag_store_end_read(rag_store *s);
/* Number that differs when another connection committed since the last call
 * on this connection (PRAGMA data_version). */
int rag_store_data_version(rag_store *s, int64_t *out, rag_error *err);

/* ---- rows (store_read.c) ------------------------------------------------ */

typedef struct rag_doc_row {
    int64_t id;
    int64_t from, until;
    uint32_t collection, lang, source; /* interned */
    uint8_t kind;
    bool dead;
} rag_doc_row;

typedef struct rag_chunk_row {
    int64_t id;
    uint32_t doc; /* position in the generation's documents */
    uint16_t words[RAG_COLS];
} rag_chunk_row;

#define RAG_VECTOR_ROLES 4

typedef struct rag_vec_row {
    int64_t id;
    uint32_t chunk; /* position in the segment's chunks */
    uint16_t ord;
    uint8_t role;
} rag_vec_row;

typedef struct rag_part_row { /* vectors [first, first + n) of the store */
    int64_t first;
    uint32_t n;
} rag_part_row;

typedef struct rag_doc_raw { /* borrowed until the callback returns */
    int64_t id, from, until;
    const char *collection, *lang, *source;
    int kind;
} rag_doc_raw;

typedef struct rag_chunk_raw {
    int64_t id, doc;
    int words[RAG_COLS];
} rag_chunk_raw;

typedef struct rag_vec_raw {
    int64_t id, chunk;
    int role, ord;
    const uint16_t *half; /* dim values */
} rag_vec_raw;

/* Each calls fn for rows of documents with seq in (after, upto], ordered by
 * id; nonzero from fn stops. Vectors only those of this epoch and dim. */
typedef int (*rag_doc_fn)(void *user, const rag_doc_raw *d);
typedef int (*rag_chunk_fn)(void *user, const rag_chunk_raw *c);
typedef int (*rag_vec_fn)(void *user, const rag_vec_raw *v);
typedef int (*rag_gone_fn)(void *user, int64_t doc);
int rag_store_docs(rag_store *s, int64_t after, rag_doc_fn fn, void *user,
                   rag_error *err);
int rag_store_chunks(rag_store *s, int64_t after, rag_chunk_fn fn, void *user,
                     rag_error *err);
int rag_store_vectors(rag_store *s, int64_t after, const rag_store_meta *m,
                      rag_vec_fn fn, void *user, rag_error *err);
int rag_store_gone(rag_store *s, int64_t after, rag_gone_fn fn, void *user,
                   rag_error *err);

/* Vectors of this epoch, by role. */
int rag_store_count_vectors(rag_store *s, const rag_store_meta *m,
                            size_t count[RAG_VECTOR_ROLES], rag_error *err);
/* Calls fn for vectors with numbers in [from, to) that are still there. */
int rag_store_vector_range(rag_store *s, int64_t from, int64_t to,
                           const rag_store_meta *m, rag_vec_fn fn, void *user,
                           rag_error *err);

/* Fills the strings of h (chunk set; doc NULL) from the store; question ord
 * -1: none. *found false when the chunk is no more. */
int rag_store_hit(rag_store *s, int64_t chunk, int question, rag_index_hit *h,
                  bool *found, rag_error *err);
/* Chunk ids (first chunk) and question numbers of FAQ entries with this key. */
typedef int (*rag_key_fn)(void *user, int64_t doc, int64_t chunk, int ord);
int rag_store_key(rag_store *s, const char *key, size_t len, rag_key_fn fn,
                  void *user, rag_error *err);
int rag_store_text(rag_store *s, const char *doc, size_t start, size_t end,
                   char **out, size_t *len, rag_error *err);
/* As rag_store_hit, of a FAQ's whole answer instead of the chunk's range. */
int rag_store_whole(rag_store *s, int64_t chunk, rag_index_hit *h,
                    rag_error *err);

/* float16 <-> float32 (IEEE 754 binary16). */
uint16_t rag_half_from(float f);
float rag_half_to(uint16_t h);

/* ---- lexical side (fts.c) ----------------------------------------------- */

#define RAG_TOKEN_MAX (RAG_TERM_MAX + 2)

/* The token that stands for a term in FTS5; returns its length. */
size_t rag_fts_token(rag_term_kind kind, const char *text, size_t len,
                     char out[RAG_TOKEN_MAX]);

typedef struct rag_query_term {
    char token[RAG_TOKEN_MAX];
    size_t len;
    rag_term_kind kind;
    unsigned word; /* number of the question's word */
    double weight; /* of this term; 0: not searched */
    double idf; /* filled by the search */
    size_t df; /* chunks that have it */
    bool stop; /* function word */
    bool quoted; /* stood in quotation marks */
    bool widened; /* not the question's own (lexicon.c) ... */
    uint16_t alternative; /* ... but of this other term */
} rag_query_term;

/* Called for each row that matches: how often each term stands in each
 * column, tf[term * RAG_COLS + column]. */
typedef void (*rag_match_fn)(void *user, int64_t chunk, const uint16_t *tf);

/* Runs the terms with weight > 0, OR-ed, on chunks with ids above `after`. */
int rag_fts_match(rag_store *s, const rag_query_term *terms, size_t n,
                  int64_t after, rag_match_fn fn, void *user, rag_error *err);
/* Calls fn for each occurrence of each term: tokens ascending, then chunks,
 * then columns; nonzero from fn stops and is returned. */
typedef int (*rag_instance_fn)(void *user, const char *token, size_t len,
                               int64_t chunk, int column);
int rag_fts_instances(rag_store *s, rag_instance_fn fn, void *user,
                      rag_error *err);
/* While set, tokens are listed and counted from here instead (spell.c), NULL
 * to end; borrowed. */
typedef struct rag_postings rag_postings;
void rag_fts_lexicon(rag_store *s, const rag_postings *p);
/* Fills df, the chunks that have the token, of terms[which[0..n)], or of
 * terms[0..n) where which is NULL. */
int rag_fts_dfs(rag_store *s, rag_query_term *terms, const size_t *which,
                size_t n, rag_error *err);
/* Calls fn for each token of the index that begins with prefix, until
 * nonzero. */
typedef int (*rag_token_fn)(void *user, const char *token, size_t len,
                            size_t df);
int rag_fts_prefix(rag_store *s, const char *prefix, size_t len,
                   rag_token_fn fn, void *user, rag_error *err);
/* ... each token from `from` to what begins with `to`. */
int rag_fts_range(rag_store *s, const char *from, size_t from_len,
                  const char *to, size_t to_len, rag_token_fn fn, void *user,
                  rag_error *err);
/* Registers tokenizer and functions; called by store.c with its sqlite3. */
int rag_fts_register(void *db, rag_error *err);

/* Analyses the question; terms is an array of RAG_QUERY_TERMS_MAX. */
int rag_query_terms(const char *s, size_t n, const rag_tuning *t,
                    rag_query_term *terms, size_t *count, rag_error *err);

/* ---- vectors (ann.c) ---------------------------------------------------- */

typedef struct rag_ann rag_ann;

typedef enum rag_ann_kind { /* numbers that snapshots hold */
                            RAG_ANN_FLAT = 0,
                            RAG_ANN_IVF =
                                1, /* lists of codes of one byte a dimension */
                            RAG_ANN_IVF4 = 2, /* ... of half a byte */
                            RAG_ANN_HNSW =
                                3 /* a graph over codes of one byte */
} rag_ann_kind;

/*
 * The kind that n vectors get: of up to flat_max (with AUTO) a scan, of more
 * lists, as measured in docs/INDEX.md; then the next smaller kind while they
 * would take more than memory bytes (0: any amount), IVF4 at the least.
 */
rag_ann_kind rag_ann_choose(rag_index_kind wanted, size_t n, int dim,
                            size_t flat_max, size_t memory);
rag_ann_kind rag_ann_kind_of(const rag_ann *a); /* NULL: flat */

/* Builds an index of n vectors (n * dim floats, borrowed; may be 0). */
int rag_ann_build(rag_ann_kind kind, int dim, const float *v, size_t n,
                  int threads, rag_ann **out, rag_error *err);
/*
 * The same a piece at a time, so that the vectors need not be in memory
 * together. n is about how many there will be; sample (rag_ann_sample_size of
 * them, spread over all; borrowed during the call) is what an approximate
 * index learns from. _finish frees b in any case; _abort is harmless on NULL.
 */
typedef struct rag_ann_builder rag_ann_builder;
size_t rag_ann_sample_size(rag_ann_kind kind, size_t n);
int rag_ann_begin(rag_ann_kind kind, int dim, size_t n, const float *sample,
                  size_t nsample, int threads, rag_ann_builder **out,
                  rag_error *err);
int rag_ann_add(rag_ann_builder *b, const float *v, size_t n, rag_error *err);
int rag_ann_finish(rag_ann_builder *b, rag_ann **out, rag_error *err);
void rag_ann_abort(rag_ann_builder *b);

void rag_ann_close(rag_ann *a);
size_t rag_ann_count(const rag_ann *a);
size_t rag_ann_memory(const rag_ann *a);
const char *rag_ann_name(const rag_ann *a);
/* True when scores are those of the vectors as they were added. */
bool rag_ann_exact(const rag_ann *a);
/* Lists that a search without a filter visits, of how many; hnsw: the width
 * of a search, of 0; 0 of 0 when exact. Set when the index was made: the fewest that find enough of the ten
 * nearest neighbours of vectors of its own. */
void rag_ann_probes(const rag_ann *a, size_t *visited, size_t *lists);
/*
 * The k best positions among those whose bit is set in live (NULL: all; count
 * of them), best first; *found of them, less than k only when there are no
 * more. Where a filter leaves few, as many more lists are visited. One thread.
 */
int rag_ann_search(const rag_ann *a, const float *q, size_t k,
                   const uint8_t *live, size_t live_count, int64_t *positions,
                   float *scores, size_t *found, rag_error *err);
/* Scores of given positions (of the stored, maybe compressed, vectors). */
int rag_ann_scores(const rag_ann *a, const float *q, const int64_t *positions,
                   size_t n, float *scores, rag_error *err);
/* The (maybe compressed) vector at a position: dim floats. */
int rag_ann_vector(const rag_ann *a, int64_t position, float *out,
                   rag_error *err);
/* To and from bytes. */
typedef int (*rag_write_fn)(void *user, const void *p, size_t n);
int rag_ann_save(const rag_ann *a, rag_write_fn fn, void *user, rag_error *err);
int rag_ann_load(const void *p, size_t n, int dim, rag_ann **out,
                 rag_error *err);

/* ---- generations (generation.c, snapshot.c) ------------------------------ */

/* Immutable once published; shared between generations. */
typedef struct rag_segment {
    int refs; /* atomic */
    int64_t seq; /* of the base: the commit it was made at */
    rag_chunk_row *chunks;
    size_t nchunks;
    uint32_t *by_id; /* chunk position + 1 by id - first, or NULL */
    rag_vec_row *vecs;
    size_t nvecs;
    /* Vectors of chunk i: vec_list[vec_start[i] .. vec_start[i + 1]). */
    uint32_t *vec_start, *vec_list;
    /* Vectors of parts of chunk i that are only in the store, NULL: none. */
    rag_part_row *parts;
    rag_ann *ann;
    float *floats; /* tail only: the vectors themselves */
} rag_segment;

typedef struct rag_generation {
    int refs; /* atomic */
    rag_store_meta meta;
    rag_doc_row *docs;
    size_t ndocs, dead_docs;
    size_t live_faqs;
    rag_segment *base, *tail;
    uint8_t *live[2]; /* bits of vectors whose document lives: base, tail */
    size_t live_vecs[2];
    uint8_t *rows[2]; /* bits of chunks whose document lives */
    size_t live_rows[2];
    size_t live_chunks; /* of both */
    pthread_mutex_t lock; /* of what follows; the rest is immutable */
    struct rag_filter *filters[RAG_INDEX_FILTERS_MAX]; /* newest first */
    rag_postings *postings; /* of a large base, else NULL */
    double avg_words[RAG_COLS];
    bool has_validity; /* some document has a first or last day */
} rag_generation;

/* Strings that many documents share; append-only, numbers from 0 ("" is 0). */
typedef struct rag_interned rag_interned;
rag_interned *rag_interned_new(void);
void rag_interned_free(rag_interned *t);
int rag_interned_put(rag_interned *t, const char *s, uint32_t *out);
bool rag_interned_find(rag_interned *t, const char *s, uint32_t *out);
const char *rag_interned_get(rag_interned *t, uint32_t i);
size_t rag_interned_count(rag_interned *t);

void rag_segment_release(rag_segment *s);
void rag_generation_release(rag_generation *g);
/* Chunk row of an id: *segment 0 base, 1 tail; NULL when not there. */
const rag_chunk_row *rag_generation_chunk(const rag_generation *g, int64_t id,
                                          int *segment, size_t *position);
int rag_segment_index(rag_segment *s, rag_error *err); /* makes by_id */
/* A reference to g's posting file, or NULL; and another in its place (p's
 * reference is taken over). */
rag_postings *rag_generation_postings(rag_generation *g);
void rag_generation_set_postings(rag_generation *g, rag_postings *p);

/* ---- filters (filter.c) --------------------------------------------------- */

/* What a question may find; bits as in the generation. Immutable. */
typedef struct rag_filter {
    int refs; /* atomic */
    char *collection, *lang, *source; /* NULL: any */
    int kind;
    bool validity;
    int64_t from, until; /* times of asking that it holds for */
    const uint8_t *live[2], *rows[2];
    size_t live_vecs[2], live_rows[2];
    uint8_t *own[4]; /* what of these is its own */
} rag_filter;

/* The filter of a query: made at the first question, then remembered with
 * the generation, so that it costs the next one nothing. */
int rag_filter_get(rag_generation *g, rag_interned *strings,
                   const rag_index_query *q, rag_filter **out, rag_error *err);
void rag_filter_release(rag_filter *f);

/* ---- searching (search.c, fuse.c) ---------------------------------------- */

typedef struct rag_candidate { /* a chunk that one side or both found */
    int64_t id;
    uint32_t doc; /* position in the generation */
    uint32_t at; /* position in its segment */
    uint8_t segment;
    bool has_vector;
    bool fine; /* has vectors of questions or parts, too */
    bool foreign; /* in another language than the question */
    int question; /* FAQ: question of the best vector, -1 none */
    double lexical, vector;
    double plain; /* vector, but for extra text */
    double likeness; /* cosine with the best document's best chunk */
    double fused;
    int lexical_rank, vector_rank;
} rag_candidate;

typedef struct rag_ranked { /* a document and its candidates */
    uint32_t doc;
    size_t first, n; /* in the candidates, best first */
    bool foreign;
    double lexical, vector, lexical_z, vector_z, score;
    int lexical_rank, vector_rank;
} rag_ranked;

typedef struct rag_fusion {
    rag_ranked *docs; /* best first; free with free() */
    size_t n;
    double weight;
} rag_fusion;

/* What the question itself says about the two sides. */
typedef struct rag_query_signals {
    double words; /* content words */
    double codes; /* share of them that are codes or numbers */
    double quoted; /* share of them in quotation marks */
    double rare; /* mean idf over the largest possible */
    double cover; /* idf share of the best chunk's matched terms */
    double unknown; /* share of content words the index does not have */
} rag_query_signals;

/* Orders candidates (in place) and documents. weight < 0: adapts. */
int rag_fuse(rag_candidate *c, size_t n, bool lexical, bool vector,
             double weight, const rag_query_signals *signals,
             const rag_tuning *t, rag_fusion *out, rag_error *err);

/* Adds to each document's score what it has in common with the best one
 * (candidates' likeness), and orders again. */
void rag_fuse_feedback(const rag_candidate *c, rag_fusion *f, double share);

/* Writes g's base (tail must be empty) as dir's snapshot. */
int rag_snapshot_write(const char *dir, const rag_generation *g,
                       rag_interned *strings, rag_error *err);
/* Newest usable snapshot; RAG_E_NOTFOUND or RAG_E_CORRUPT when none is. */
int rag_snapshot_load(const char *dir, const rag_store_meta *m,
                      rag_interned *strings, rag_generation **out,
                      rag_error *err);

/* Takes a reference to the current generation. */
rag_generation *rag_index_current(rag_index *ix);
/* A connection from the pool, and back (broken: closed instead). */
int rag_index_take(rag_index *ix, rag_store **out, rag_error *err);
void rag_index_give(rag_index *ix, rag_store *s, bool broken);
/* Brings the current generation to the store's state without rebuilding. */
int rag_index_catch_up(rag_index *ix, rag_error *err);
rag_interned *rag_index_strings(rag_index *ix);
const struct rag_lexicon *rag_index_lexicon(const rag_index *ix);
const rag_tuning *rag_index_tuning(const rag_index *ix);
/* For measuring only. */
void rag_index_set_tuning(rag_index *ix, const rag_tuning *t);
/* Cached chunk frequency of a token at this seq; false when not known. */
bool rag_index_df_get(rag_index *ix, int64_t seq, const char *token, size_t len,
                      size_t *df);
void rag_index_df_put(rag_index *ix, int64_t seq, const char *token, size_t len,
                      size_t df);

#endif
