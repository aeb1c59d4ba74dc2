/*
 * desk.h - desk.db: what the FAQ desk itself adds, and its memory.
 *
 * Approved answers made or edited at the desk with their versions, feedback,
 * the queue of questions that could not be answered, and the audit log.
 * SQLite (WAL, synchronous=FULL), one writer process (ragd, under a lock),
 * mode 0600. docs/DESK.md defines the tables and the audit record.
 *
 * Invariants:
 *   1. a version of an entry never changes once written, but for its state;
 *   2. at most one version of an entry answers (live); editing makes a draft
 *      and leaves the live one answering until the draft is approved;
 *   3. an id that is live or retired here hides the entry of that id in
 *      store.db;
 *   4. audit records are only added; erasing one takes its text and salt and
 *      leaves the chain whole;
 *   5. every function that changes something returns 0 only once the change
 *      would survive power loss.
 *
 * Thread-safe: writes take one lock, reads another and a connection of their
 * own, so that a commit never delays a reader.
 */
#ifndef RAG_INDEX_DESK_H
#define RAG_INDEX_DESK_H

#include "base/error.h"
#include "base/hash.h"
#include "index/index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAG_DESK_FILE "desk.db"
#define RAG_DESK_ENTRIES_MAX 10000 /* ids */
#define RAG_DESK_ID_MAX 200 /* bytes */
#define RAG_DESK_QUESTION_MAX 4000 /* bytes, each */
#define RAG_DESK_VARIANTS_MAX 32 /* a version */
#define RAG_DESK_ANSWER_MAX 65536 /* bytes */
#define RAG_DESK_FIELD_MAX 2000 /* bytes: names, notes, URLs */
#define RAG_DESK_JSON_MAX 262144 /* bytes: citations, an audit body */
#define RAG_DESK_GROUPS_LOOKED_AT 1000 /* newest open groups, for grouping */

typedef struct rag_deskdb rag_deskdb;

/* Opens or creates DIR/desk.db and takes its lock; RAG_E_BUSY when another
 * ragd has it, RAG_E_UNSUPPORTED for a newer schema, RAG_E_CORRUPT for a file
 * that is none of ours. dir is created (0700) when absent. */
int rag_deskdb_open(const char *dir, rag_deskdb **out, rag_error *err);
void rag_deskdb_close(rag_deskdb *db);

/* ---- entries ------------------------------------------------------------ */

typedef enum rag_desk_state {
    RAG_DESK_DRAFT,
    RAG_DESK_APPROVED,
    RAG_DESK_RETIRED,
    RAG_DESK_REPLACED, /* approved once, a later version has been approved */
    RAG_DESK_STATES
} rag_desk_state;
const char *rag_desk_state_name(rag_desk_state s); /* "draft" */

/* One version of an entry. All strings owned and never NULL once loaded; to
 * put one, NULL counts as "". */
typedef struct rag_desk_entry {
    char *id;
    int64_t version; /* from 1 */
    rag_desk_state state;
    char *question;
    char **variants;
    size_t nvariants;
    char *answer;
    char *lang, *collection, *category, *url;
    char *citations; /* JSON array: what a draft was made from; or "" */
    char *author, *approver, *note;
    int64_t valid_from, valid_until; /* RAG_TIME_NONE: no limit */
    int64_t created_at, decided_at; /* decided: approved or retired; 0 */
    int64_t live; /* version that answers now; 0: none */
} rag_desk_entry;
void rag_desk_entry_free(rag_desk_entry *e); /* what it owns, not e */

/* Vectors of an approved version: its question, then its variants. */
typedef struct rag_desk_vectors {
    const char *fingerprint; /* the encoder's */
    int dim;
    size_t n; /* 1 + nvariants */
    const float *v; /* n rows of dim, unit length; borrowed */
} rag_desk_vectors;

/*
 * Adds e as the next version of its id, a draft (e->version, state, approver
 * and times are ignored). An id of "" gets a new one. id_out (may be NULL)
 * receives it, free with free(). RAG_E_DATA: a field is missing, too long or
 * no UTF-8; RAG_E_LIMIT: too many entries. base: refuse with RAG_E_CONFLICT
 * unless the newest version is this one; negative: any.
 */
int rag_deskdb_put(rag_deskdb *db, const rag_desk_entry *e, int64_t base,
                   char **id_out, int64_t *version, rag_error *err);
/*
 * Approves a draft (version 0: the newest) in the name of who; what was live
 * is replaced, and queue groups drafted into this entry are answered. vec may
 * be NULL (no encoder: exact matches only, until _set_vectors). other_person:
 * refuse with RAG_E_PERMISSION when who wrote it. RAG_E_CONFLICT: that version
 * is no draft.
 */
int rag_deskdb_approve(rag_deskdb *db, const char *id, int64_t version,
                       const char *who, const rag_desk_vectors *vec,
                       bool other_person, rag_error *err);
/* Nothing answers under this id any more. An id that only store.db has is
 * retired too: copy (may be NULL) is then kept as version 1. */
int rag_deskdb_retire(rag_deskdb *db, const char *id, const char *who,
                      const char *note, const rag_desk_entry *copy,
                      rag_error *err);
int rag_deskdb_set_vectors(rag_deskdb *db, const char *id, int64_t version,
                           const rag_desk_vectors *vec, rag_error *err);

/* version 0: the newest; -1: the live one. RAG_E_NOTFOUND. */
int rag_deskdb_get(rag_deskdb *db, const char *id, int64_t version,
                   rag_desk_entry *out, rag_error *err);

typedef struct rag_desk_list {
    rag_desk_entry *v;
    size_t n;
    bool more; /* there are further ones */
} rag_desk_list;
void rag_desk_list_free(rag_desk_list *l);

typedef struct rag_desk_filter {
    int state; /* of the newest version; -1: all */
    const char *collection; /* NULL: all */
    const char *contains; /* in id, question or answer; NULL: all */
    const char *after; /* ids behind this one; NULL: from the start */
    size_t limit; /* 0: 100; at most RAG_DESK_ENTRIES_MAX */
} rag_desk_filter;
/* Newest version of each entry, by id. */
int rag_deskdb_list(rag_deskdb *db, const rag_desk_filter *f,
                    rag_desk_list *out, rag_error *err);
/* All versions of an entry, oldest first. RAG_E_NOTFOUND. */
int rag_deskdb_history(rag_deskdb *db, const char *id, rag_desk_list *out,
                       rag_error *err);

/* ---- what answers now --------------------------------------------------- */

/*
 * An immutable picture of the live entries, for answering without a database:
 * exact lookup, and brute force over few vectors. Counted references: the
 * owner replaces it after a change while others still read the old one.
 */
typedef struct rag_desk_live rag_desk_live;

/* fingerprint: of the running encoder; vectors of another are left out. */
int rag_deskdb_live(rag_deskdb *db, const char *fingerprint, int dim,
                    rag_desk_live **out, rag_error *err);
rag_desk_live *rag_desk_live_ref(rag_desk_live *l);
void rag_desk_live_unref(rag_desk_live *l); /* NULL harmless */

size_t rag_desk_live_count(const rag_desk_live *l);
/* Entries without vectors of this encoder: borrowed; index < count. */
bool rag_desk_live_lacks_vectors(const rag_desk_live *l, size_t i,
                                 const rag_desk_entry **e);
/* True when this id of store.db must not answer. */
bool rag_desk_live_hides(const rag_desk_live *l, const char *id);
/* Takes hits of hidden ids out of r. */
void rag_desk_live_filter(const rag_desk_live *l, rag_index_result *r);
/*
 * Appends live entries, valid at now, to r as FAQ hits (doc, title and
 * question, text the whole answer, vector the cosine or NAN, chunk the
 * version negated): those whose
 * question or variant has exactly this key, or the max nearest to vector with
 * cosine >= least. now 0: the current time.
 */
int rag_desk_live_exact(const rag_desk_live *l, const char *key, size_t len,
                        const char *collection, int64_t now,
                        rag_index_result *r, rag_error *err);
int rag_desk_live_near(const rag_desk_live *l, const float *vector,
                       const char *collection, int64_t now, size_t max,
                       double least, rag_index_result *r, rag_error *err);
/*
 * Puts up to max live entries that are near to vector (cosine >= least) among
 * the hits of a search of the store, as documents of their own, the one that
 * also shares most of question's words first, and none when the next could be
 * meant as well: each gets the score of the best
 * hit that is no nearer than it, and stands before it. A search that found
 * nothing gets them scored by cosine. best_cosine is kept right.
 */
int rag_desk_live_join(const rag_desk_live *l, const char *question,
                       const float *vector, const char *collection, int64_t now,
                       size_t max, double least, rag_index_result *r,
                       rag_error *err);
/* Live version of an id; 0: none. */
int64_t rag_desk_live_version(const rag_desk_live *l, const char *id);

/* ---- exchanges, queue, feedback ----------------------------------------- */

/* One asked question as it is remembered. Text is masked by the caller. */
typedef struct rag_desk_exchange {
    const char *id; /* chosen by the caller, unique */
    int64_t at; /* seconds since the epoch */
    const char *body; /* JSON object; has "question" */
    const char *const *docs; /* documents whose text is in it */
    size_t ndocs;
    const char *queue_why; /* why it goes to the queue; NULL: it does not */
    const char *question; /* for the queue */
    const char *lang;
    const float *vector; /* of the question, dim floats; NULL: none */
    int dim;
} rag_desk_exchange;

/* Records them in one transaction: audit records of kind "ask", and what
 * belongs to the queue. */
int rag_deskdb_record(rag_deskdb *db, const rag_desk_exchange *x, size_t n,
                      rag_error *err);

/* Asked before two questions are put into one group; true keeps them apart
 * (opposites). Called under the writer's lock. */
typedef bool (*rag_desk_apart_fn)(void *user, const char *a, const char *b);
void rag_deskdb_set_apart(rag_deskdb *db, rag_desk_apart_fn fn, void *user);

/* A thumb up (1) or down (-1) for an exchange; a second one replaces the
 * first. Down puts its question into the queue. RAG_E_NOTFOUND; RAG_E_DATA
 * when the exchange has been erased. */
int rag_deskdb_feedback(rag_deskdb *db, const char *exchange, int vote,
                        const char *comment, const char *who, rag_error *err);

typedef struct rag_desk_group {
    int64_t id, count, first_at, last_at;
    char *question, *why, *state, *entry, *lang; /* owned; state "open",
                                                  * "drafted", "answered",
                                                  * "dismissed" */
    char **examples; /* other wordings, at most 5 */
    char **exchanges; /* newest first, at most 5 */
    size_t nexamples, nexchanges;
} rag_desk_group;
typedef struct rag_desk_groups {
    rag_desk_group *v;
    size_t n;
    int64_t open; /* groups open in all */
} rag_desk_groups;
void rag_desk_groups_free(rag_desk_groups *g);
/* Most asked first. state NULL: open and drafted; "all". limit 0: 50. */
int rag_deskdb_queue(rag_deskdb *db, const char *state, size_t limit,
                     rag_desk_groups *out, rag_error *err);
int rag_deskdb_group(rag_deskdb *db, int64_t id, rag_desk_groups *out,
                     rag_error *err);
/* state "dismissed", "open", or "drafted" with the entry that was made. */
int rag_deskdb_group_set(rag_deskdb *db, int64_t id, const char *state,
                         const char *entry, const char *who, rag_error *err);

/* ---- audit -------------------------------------------------------------- */

typedef struct rag_desk_audit {
    int64_t seq, at;
    char *kind; /* "ask", "faq.approve", "feedback", "purge", ... */
    char *subject; /* exchange or entry id */
    char *body; /* JSON; NULL when erased */
    char hash[65];
} rag_desk_audit;
typedef struct rag_desk_audits {
    rag_desk_audit *v;
    size_t n;
} rag_desk_audits;
void rag_desk_audits_free(rag_desk_audits *a);
/* Records of a subject, oldest first; subject NULL: the newest, limit of them,
 * newest first. RAG_E_NOTFOUND when a subject has none. */
int rag_deskdb_audit(rag_deskdb *db, const char *subject, size_t limit,
                     rag_desk_audits *out, rag_error *err);

/* The id of the one exchange that begins with prefix (six characters or more:
 * a hand-off code); free with free(). RAG_E_NOTFOUND, RAG_E_CONFLICT when
 * several do. */
int rag_deskdb_find(rag_deskdb *db, const char *prefix, char **id,
                    rag_error *err);

typedef struct rag_desk_verdict {
    bool whole;
    int64_t records, erased;
    int64_t head; /* number of the last record; 0: none */
    char head_hash[65]; /* keep it elsewhere: it dates everything before */
    int64_t bad; /* first record that does not fit; 0: none */
    char why[160];
} rag_desk_verdict;
/* Walks the whole chain. With expect_seq > 0 that record's hash must be
 * expect_hash (an older head kept elsewhere). */
int rag_deskdb_verify(rag_deskdb *db, int64_t expect_seq,
                      const char *expect_hash, rag_desk_verdict *out,
                      rag_error *err);

/*
 * Erases texts: of exchanges, feedback and queue older than `before`
 * (RAG_TIME_NONE: not by age) and of those that quote document doc (NULL: not
 * by document). The chain still verifies. The file holds nothing of it
 * afterwards (secure_delete, the WAL emptied). *erased: audit records.
 */
int rag_deskdb_purge(rag_deskdb *db, int64_t before, const char *doc,
                     const char *who, int64_t *erased, rag_error *err);

typedef struct rag_desk_counts {
    int64_t entries, live, drafts, groups_open, exchanges, up, down;
} rag_desk_counts;
int rag_deskdb_counts(rag_deskdb *db, rag_desk_counts *out, rag_error *err);

#endif
