/*
 * followup.h - questions that lean on the one before: "그럼 법인은요?".
 *
 * A follow-up is rewritten to stand alone, by rules and from the words of the
 * conversation only: nothing is added but particles, so no entity can be
 * invented. What names a subject of its own is left as it is and the old
 * subject is dropped. rag_followup_rewrite is pure; rag_conversations is
 * behind one lock.
 */
#ifndef RAG_DAEMON_FOLLOWUP_H
#define RAG_DAEMON_FOLLOWUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define RAG_SESSION_NAME_MAX 64
#define RAG_SESSIONS_MAX 1000
#define RAG_SESSION_TURNS_MAX 4 /* questions of a session that are kept */
#define RAG_SESSION_IDLE_MS (30 * 60 * 1000.0)

typedef enum rag_followup_kind {
    RAG_FOLLOWUP_ALONE, /* stands alone: as it was asked */
    RAG_FOLLOWUP_SWAP, /* the earlier question with one side changed */
    RAG_FOLLOWUP_NARROW, /* the earlier question with a scope added */
    RAG_FOLLOWUP_SUBJECT /* this question with the earlier subject */
} rag_followup_kind;

typedef struct rag_followup {
    rag_followup_kind kind;
    char *question; /* owned; NULL when it stands alone */
} rag_followup;

/* previous: the last question as it stood alone, "" when there is none; both
 * cleaned (rag_unicode_clean). RAG_E_NOMEM is the only failure. */
int rag_followup_rewrite(const char *previous, const char *question,
                         rag_followup *out, rag_error *err);
/* The same after several questions, turn[0] the oldest: the last one that is
 * about something counts ("thank you" is not). */
int rag_followup_rewrite_after(const char *const *turn, size_t n,
                               const char *question, rag_followup *out,
                               rag_error *err);
void rag_followup_free(rag_followup *f);
const char *rag_followup_name(rag_followup_kind k); /* "swap" */

/* ---- conversations, named by the client ---------------------------------- */

typedef struct rag_conversations rag_conversations;

int rag_conversations_open(rag_conversations **out, rag_error *err);
void rag_conversations_close(rag_conversations *c);
/* 1-64 letters, digits, "-", "_", "." or ":". */
bool rag_session_name_ok(const char *name);
typedef struct rag_turns {
    char *of[RAG_SESSION_TURNS_MAX]; /* oldest first, as they stood alone */
    size_t n;
} rag_turns;

/* The last questions of a session, none when there are none (any more); free
 * with rag_turns_free. */
int rag_conversations_turns(rag_conversations *c, const char *session,
                            rag_turns *out, rag_error *err);
void rag_turns_free(rag_turns *t);
/* Remembers a question; the session longest unused is forgotten for it. */
int rag_conversations_note(rag_conversations *c, const char *session,
                           const char *question, rag_error *err);

#endif
