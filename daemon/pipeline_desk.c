/*
 * pipeline_desk.c - where a question meets the FAQ desk: its number, the
 * conversation it belongs to, what may leave the machine, and the record.
 *
 * Called by pipeline.c on the request's thread; harmless without a desk.
 */
#include "daemon/pipeline_int.h"

#include "daemon/desk.h"
#include "daemon/followup.h"

#include <stdlib.h>
#include <string.h>

/* A follow-up becomes the question it stands for; what was typed is kept in
 * the answer. */
static int converse(rag_asking *a, rag_error *err) {
    const char *session = a->ask->session;
    rag_conversations *c = rag_desk_conversations(a->p->parts.desk);
    rag_followup f = {0};
    rag_turns turns = {0};
    if (!session || !c)
        return 0;
    if (!rag_session_name_ok(session))
        return rag_error_set(err, RAG_E_DATA,
                             "a session is named by 1 to %d letters, digits "
                             "and - _ . :",
                             RAG_SESSION_NAME_MAX);
    int rc = rag_conversations_turns(c, session, &turns, err);
    if (!rc)
        rc = rag_followup_rewrite_after((const char *const *)turns.of, turns.n,
                                        rag_buf_str(&a->question), &f, err);
    if (!rc && f.question && strlen(f.question) <= RAG_QUESTION_MAX) {
        rc = rag_buf_steal(&a->question, &a->out->said, NULL, err);
        if (!rc)
            rc = rag_buf_append_str(&a->question, f.question, err);
    }
    if (!rc)
        rc = rag_conversations_note(c, session, rag_buf_str(&a->question), err);
    rag_followup_free(&f);
    rag_turns_free(&turns);
    return rc;
}

/* With a model elsewhere the question itself leaves the machine. */
static int mask_for_remote(rag_asking *a, rag_error *err) {
    const rag_config *c = a->config;
    if (!c->mask_remote || (!*c->generator_url && !*c->encoder_url))
        return 0;
    rag_buf b;
    rag_buf_init(&b, 0);
    rag_desk_mask(a->p->parts.desk, NULL, a->question.data, a->question.len,
                  &b);
    if (!b.len) {
        rag_buf_free(&b);
        return rag_error_set(err, RAG_E_NOMEM, "no memory to mask a question");
    }
    rag_buf_free(&a->question);
    a->question = b;
    return 0;
}

int rag_asking_begin(rag_asking *a, rag_error *err) {
    rag_desk *d = a->p->parts.desk;
    if (!d)
        return 0;
    if (!a->ask->unrecorded)
        rag_desk_new_id(a->out->id);
    int rc = converse(a, err);
    return rc ? rc : mask_for_remote(a, err);
}

void rag_asking_record(rag_asking *a) {
    rag_desk *d = a->p->parts.desk;
    rag_answer *o = a->out;
    if (!d)
        return;
    if (a->config->log_questions) {
        rag_buf b;
        rag_buf_init(&b, 0);
        rag_desk_mask(d, o->lang, o->question, strlen(o->question), &b);
        rag_buf_steal(&b, &o->masked, NULL, NULL);
        rag_buf_free(&b);
    }
    if (a->ask->unrecorded)
        return;
    rag_desk_asked asked = {.question = o->question,
                            .collection = a->ask->collection,
                            .session = a->ask->session,
                            .vector = a->vector,
                            .model_encoder = a->p->encoder.fingerprint};
    rag_desk_record(d, &asked, o);
}

int rag_asking_code(rag_asking *a, rag_buf *b, rag_error *err) {
    if (!*a->out->id)
        return 0;
    rag_desk_code(a->out->id, a->out->code);
    return rag_desk_code_line(a->lang, a->out->code, b, err);
}
