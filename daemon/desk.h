/*
 * desk.h - the FAQ desk inside ragd: its answers, its memory, its requests.
 *
 * Wraps desk.db (index/desk.h): keeps a picture of the live entries that
 * answering reads without a lock on the database, masks personal data before
 * anything is stored, records every answer through one background thread, and
 * carries out what `rag faq`, `feedback`, `queue`, `audit` and `replay` ask
 * for. Thread-safe. Every function takes a NULL desk for one that has nothing.
 */
#ifndef RAG_DAEMON_DESK_H
#define RAG_DAEMON_DESK_H

#include "daemon/pipeline.h"

#include "base/pii.h"
#include "index/desk.h"

#define RAG_DESK_WAITING_MAX 4096 /* answers not yet written */
#define RAG_DESK_IMPORT_MAX 2000 /* entries in one request */

typedef struct rag_desk rag_desk;

typedef struct rag_desk_options {
    const char *dir; /* of desk.db */
    rag_encoder *encoder; /* borrowed; NULL: exact matches only */
    unsigned mask, keep; /* kinds of personal data, see base/pii.h */
    const char *contact; /* the company's own numbers in it are not masked */
    bool two_persons; /* who wrote an entry may not approve it */
    bool record; /* false: no exchange is stored */
} rag_desk_options;

/* Opens desk.db (waits a little for a daemon that is just ending), makes the
 * first picture, starts the recorder. */
int rag_desk_open(const rag_desk_options *opt, rag_desk **out, rag_error *err);
/* Writes what waits, then ends. After all requests have returned. */
void rag_desk_close(rag_desk *d);

/* ---- while answering ------------------------------------------------------ */

/* A new exchange id: 12 letters and digits that can be read out. */
void rag_desk_new_id(char out[RAG_ANSWER_ID_MAX]);
/* The hand-off code of an id, "7K3-M9Q": its first six characters. */
void rag_desk_code(const char *id, char out[RAG_ANSWER_CODE_MAX]);

/* " (Reference: 7K3-M9Q)" as it stands behind a refusal. */
int rag_desk_code_line(const char *lang, const char *code, rag_buf *out,
                       rag_error *err);

/* Another number whenever the live entries are others. */
uint64_t rag_desk_revision(rag_desk *d);
/* True when the desk has live entries. */
bool rag_desk_answers(rag_desk *d);
/* Takes hidden entries out of r; _exact and _near also append the desk's. */
void rag_desk_hide(rag_desk *d, rag_index_result *r);
int rag_desk_exact(rag_desk *d, const char *key, size_t len,
                   const char *collection, rag_index_result *r, rag_error *err);
/* Among what a search of the documents found, hidden ones taken out, the
 * desk's entries that are as near: paraphrases that no guard lets through
 * find them as they find ingested ones. */
int rag_desk_join(rag_desk *d, const char *question, const float *vector,
                  const char *collection, rag_index_result *r, rag_error *err);
int rag_desk_near(rag_desk *d, const float *vector, const char *collection,
                  double least, rag_index_result *r, rag_error *err);
/* The version of the desk's entry that a hit is; 0: it is the store's. The
 * desk's hits carry it negated in `chunk`. */
int64_t rag_desk_hit_version(const rag_index_hit *hit);
/* Live version of the desk's entry; 0: it is not the desk's. */
int64_t rag_desk_version(rag_desk *d, const char *id);

/* Masks, with labels in lang (NULL: the text's own); without a desk, or when
 * that fails, "[withheld]" alone. */
void rag_desk_mask(rag_desk *d, const char *lang, const char *s, size_t n,
                   rag_buf *out);

/* Conversations named by clients; NULL without a desk. */
struct rag_conversations *rag_desk_conversations(rag_desk *d);

typedef struct rag_desk_asked {
    const char *question; /* cleaned, as answered */
    const char *collection, *session;
    const float *vector; /* may be NULL */
    const char *model_encoder; /* fingerprint */
} rag_desk_asked;

/* Hands an answer to the recorder; waits only when RAG_DESK_WAITING_MAX wait.
 * Failures are logged, never the asker's. */
void rag_desk_record(rag_desk *d, const rag_desk_asked *asked,
                     const rag_answer *a);

/* ---- requests ------------------------------------------------------------- */

/*
 * Carries out one request: path "/v1/faq", "/v1/feedback", "/v1/queue",
 * "/v1/audit" or "/v1/replay" with its body (docs/DESK.md); *out a new
 * reference. p is for drafts and replays.
 */
int rag_desk_call(rag_desk *d, rag_pipeline *p, const char *path,
                  const json_t *body, json_t **out, rag_error *err);

/* For status: counts and state of the desk. */
json_t *rag_desk_status(rag_desk *d);

#endif
