/*
 * desk_audit.c - what is recorded of an answer, showing it, running it again.
 *
 * Called by the recorder's side of rag_desk_record (body) and by requests.
 * Any thread.
 */
#include "daemon/desk_int.h"

#include "base/clock.h"
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHOWN 100 /* records listed by default */
#define SHOWN_MAX 1000
#define DAY_SECONDS 86400
#define DAYS_MAX 36500

json_t *rag_desk_time_json(int64_t t) {
    char s[32];
    struct tm tm;
    time_t when = (time_t)t;
    if (t == 0 || t == RAG_TIME_NONE || !gmtime_r(&when, &tm) ||
        !strftime(s, sizeof s, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return json_null();
    return json_string(s);
}

/* ---- the record --------------------------------------------------------------- */

static json_t *masked(rag_desk *d, const char *lang, const char *s) {
    rag_buf b;
    rag_buf_init(&b, 0);
    rag_desk_mask(d, lang, s ? s : "", s ? strlen(s) : 0, &b);
    json_t *v = json_stringn(rag_buf_str(&b), b.len);
    rag_buf_free(&b);
    return v;
}

/* Where each citation stands and the hash of what it said: enough to see
 * later whether it still says it, without keeping it. */
static json_t *evidence_json(const rag_answer *a) {
    json_t *list = json_array();
    for (size_t i = 0; i < a->nsources; i++) {
        const rag_source *s = &a->sources[i];
        char hex[65];
        rag_sha256 h;
        const char *quote = s->quote ? s->quote : "";
        rag_hash_sha256(quote, strlen(quote), &h);
        rag_hash_hex(&h, hex);
        json_array_append_new(
            list,
            json_pack("{ss sI sI sI ss}", "doc", s->doc ? s->doc : "", "chunk",
                      (json_int_t)s->chunk, "start", (json_int_t)s->start,
                      "end", (json_int_t)s->end, "sha256", hex));
    }
    return list;
}

/* The answer as it is compared later: without the code of this one asking. */
static json_t *answer_json(rag_desk *d, const rag_answer *a) {
    rag_buf line, text;
    const char *at;
    rag_buf_init(&line, 0);
    rag_buf_init(&text, 0);
    const char *s = a->text ? a->text : "";
    if (*a->code && !rag_desk_code_line(a->lang, a->code, &line, NULL) &&
        (at = strstr(s, rag_buf_str(&line)))) {
        rag_buf_append(&text, s, (size_t)(at - s), NULL);
        rag_buf_append_str(&text, at + line.len, NULL);
        s = rag_buf_str(&text);
    }
    json_t *v = masked(d, a->lang, s);
    rag_buf_free(&line);
    rag_buf_free(&text);
    return v;
}

int rag_desk_body(rag_desk *d, const rag_desk_asked *asked, const rag_answer *a,
                  json_t **out, rag_error *err) {
    json_t *choices = json_array();
    for (size_t i = 0; i < a->nchoices; i++)
        json_array_append_new(choices, json_string(a->choices[i].doc));
    json_t *entry = json_null();
    if (a->status == RAG_ANSWER_FAQ && a->nsources && a->sources[0].doc)
        entry = json_pack("{ss sI}", "id", a->sources[0].doc, "version",
                          (json_int_t)a->entry_version);
    json_t *versions =
        json_pack("{ss ss ss sI}", "ragd", RAG_VERSION, "encoder",
                  asked->model_encoder ? asked->model_encoder : "", "generator",
                  a->model ? a->model : "", "index", (json_int_t)a->generation);
    json_t *v = json_pack(
        "{so ss ss ss ss so ss so so so so so}", "question",
        masked(d, a->lang, asked->question), "lang", a->lang ? a->lang : "",
        "collection", asked->collection ? asked->collection : "", "session",
        asked->session ? asked->session : "", "status",
        rag_answer_status_name(a->status), "answer", answer_json(d, a),
        "reason", a->reason, "entry", entry, "evidence", evidence_json(a),
        "choices", choices, "versions", versions, "ms",
        isnan(a->ms.total) ? json_null() : json_real(round(a->ms.total)));
    if (v && !isnan(a->confidence))
        json_object_set_new(v, "confidence", json_real(a->confidence));
    if (v && a->cached)
        json_object_set_new(v, "cached", json_true());
    *out = v;
    return v ? 0 : rag_error_set(err, RAG_E_NOMEM, "no memory for a record");
}

/* ---- rag audit ------------------------------------------------------------------ */

static json_t *record_json(const rag_desk_audit *a) {
    json_t *body = NULL;
    if (a->body)
        rag_json_parse(a->body, strlen(a->body), RAG_DESK_JSON_MAX, &body,
                       NULL);
    return json_pack("{sI so ss ss sb so ss}", "seq", (json_int_t)a->seq, "at",
                     rag_desk_time_json(a->at), "kind", a->kind, "subject",
                     a->subject, "erased", a->body == NULL, "body",
                     body ? body : json_null(), "hash", a->hash);
}

static int show(rag_desk *d, const json_t *body, json_t **out, rag_error *err) {
    const char *said = NULL;
    char *id = NULL;
    int64_t limit;
    rag_desk_audits a = {0};
    int rc = rag_json_str(body, "id", NULL, &said, err);
    if (!rc)
        rc = rag_json_int(body, "limit", SHOWN, 1, SHOWN_MAX, &limit, err);
    if (!rc && said)
        rc = rag_desk_resolve(d, said, &id, err);
    if (!rc)
        rc = rag_deskdb_audit(d->db, id, (size_t)limit, &a, err);
    if (!rc) {
        json_t *list = json_array();
        for (size_t i = 0; i < a.n; i++)
            json_array_append_new(list, record_json(&a.v[i]));
        *out = json_pack("{so}", "records", list);
    }
    rag_desk_audits_free(&a);
    free(id);
    return rc;
}

static int verify(rag_desk *d, const json_t *body, json_t **out,
                  rag_error *err) {
    rag_desk_verdict v;
    int64_t seq;
    const char *hash = NULL;
    int rc = rag_json_int(body, "seq", 0, 0, INT64_MAX, &seq, err);
    if (!rc)
        rc = rag_json_str(body, "hash", NULL, &hash, err);
    if (!rc && (seq > 0) != (hash != NULL))
        rc = rag_error_set(err, RAG_E_DATA,
                           "a noted head is its number and its hash");
    if (!rc)
        rc = rag_deskdb_verify(d->db, seq, hash, &v, err);
    if (!rc)
        *out =
            json_pack("{sb sI sI sI ss so ss}", "whole", v.whole, "records",
                      (json_int_t)v.records, "erased", (json_int_t)v.erased,
                      "head", (json_int_t)v.head, "hash", v.head_hash, "bad",
                      v.bad ? json_integer(v.bad) : json_null(), "why", v.why);
    return rc;
}

static int purge(rag_desk *d, const json_t *body, json_t **out,
                 rag_error *err) {
    int64_t days, erased = 0;
    const char *doc = NULL, *by = NULL;
    int rc = rag_json_int(body, "days", -1, -1, DAYS_MAX, &days, err);
    if (!rc)
        rc = rag_json_str(body, "doc", NULL, &doc, err);
    if (!rc)
        rc = rag_json_str(body, "by", "", &by, err);
    if (!rc && days < 0 && !doc)
        rc = rag_error_set(err, RAG_E_DATA,
                           "say what to erase: \"days\" or \"doc\"");
    if (rc)
        return rc;
    rag_desk_flush(d);
    rc = rag_deskdb_purge(
        d->db, days < 0 ? RAG_TIME_NONE : rag_clock_now() - days * DAY_SECONDS,
        doc, by, &erased, err);
    if (!rc)
        rc = rag_desk_refresh(d, err);
    if (!rc)
        *out = json_pack("{sI}", "erased", (json_int_t)erased);
    return rc;
}

int rag_desk_audit_call(rag_desk *d, const json_t *body, json_t **out,
                        rag_error *err) {
    const char *op = NULL;
    int rc = rag_json_str(body, "op", "show", &op, err);
    if (rc)
        return rc;
    rag_desk_flush(d);
    if (strcmp(op, "show") == 0)
        return show(d, body, out, err);
    if (strcmp(op, "verify") == 0)
        return verify(d, body, out, err);
    if (strcmp(op, "purge") == 0)
        return purge(d, body, out, err);
    return rag_error_set(err, RAG_E_DATA, "audit cannot \"%s\"", op);
}

/* ---- rag replay ------------------------------------------------------------------- */

/* Adds what differs between two records under key. */
static void compare(json_t *changes, const char *what, const json_t *then,
                    const json_t *now, const char *key) {
    json_t *a = json_object_get(then, key), *b = json_object_get(now, key);
    if (!json_equal(a, b) && (a || b))
        json_array_append_new(changes, json_pack("{ss sO? sO?}", "what", what,
                                                 "then", a, "now", b));
}

static json_t *changes_between(const json_t *then, const json_t *now) {
    static const char *const keys[] = {"status", "answer", "entry", "evidence",
                                       "choices"};
    static const char *const versions[] = {"ragd", "encoder", "generator",
                                           "index"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        compare(list, keys[i], then, now, keys[i]);
    const json_t *a = json_object_get(then, "versions");
    const json_t *b = json_object_get(now, "versions");
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        compare(list, versions[i], a, b, versions[i]);
    return list;
}

/* True when a change is of what was said, not only of what said it. */
static bool said_otherwise(const json_t *changes) {
    size_t i;
    json_t *c;
    json_array_foreach(changes, i, c) {
        const char *what = json_string_value(json_object_get(c, "what"));
        if (what &&
            (strcmp(what, "status") == 0 || strcmp(what, "answer") == 0))
            return true;
    }
    return false;
}

static int recorded(rag_desk *d, const char *id, json_t **out, int64_t *at,
                    rag_error *err) {
    rag_desk_audits a;
    int rc = rag_deskdb_audit(d->db, id, 1, &a, err);
    if (rc)
        return rc;
    *at = a.v[0].at;
    if (strcmp(a.v[0].kind, "ask") != 0)
        rc = rag_error_set(err, RAG_E_DATA, "\"%s\" is no answer", id);
    else if (!a.v[0].body)
        rc =
            rag_error_set(err, RAG_E_DATA, "the text of \"%s\" was erased", id);
    else
        rc = rag_json_parse(a.v[0].body, strlen(a.v[0].body), RAG_DESK_JSON_MAX,
                            out, err);
    rag_desk_audits_free(&a);
    return rc;
}

int rag_desk_replay(rag_desk *d, rag_pipeline *p, const json_t *body,
                    json_t **out, rag_error *err) {
    const char *said = NULL, *question = NULL, *collection = NULL;
    char *id = NULL;
    json_t *then = NULL, *now = NULL;
    rag_answer a = {0};
    int64_t at = 0;
    int rc = rag_json_str(body, "id", NULL, &said, err);
    if (!rc && !said)
        rc = rag_error_set(err, RAG_E_DATA, "\"id\" is missing");
    if (!rc)
        rc = rag_desk_resolve(d, said, &id, err);
    if (!rc)
        rc = recorded(d, id, &then, &at, err);
    if (!rc)
        rc = rag_json_str(then, "question", "", &question, err);
    if (!rc)
        rc = rag_json_str(then, "collection", "", &collection, err);
    if (rc)
        goto out;
    rag_ask ask = {.question = question,
                   .len = strlen(question),
                   .collection = *collection ? collection : NULL,
                   .unrecorded = true};
    rc = rag_pipeline_ask(p, &ask, &a, err);
    if (rc)
        goto out;
    rag_desk_asked asked = {.question = question,
                            .collection = collection,
                            .model_encoder = d->info.fingerprint};
    rc = rag_desk_body(d, &asked, &a, &now, err);
    if (rc)
        goto out;
    json_t *changes = changes_between(then, now);
    *out = json_pack("{ss so sb so sO sO}", "id", id, "at",
                     rag_desk_time_json(at), "same", !said_otherwise(changes),
                     "changes", changes, "then", then, "now", now);
out:
    rag_answer_free(&a);
    json_decref(then);
    json_decref(now);
    free(id);
    return rc;
}
