/*
 * http_api.c - the endpoints: a request's body in, a response out.
 *
 * Runs on workers; knows jobs and the pipeline, not libmicrohttpd. The
 * OpenAI-compatible endpoints are in http_openai.c.
 */
#include "daemon/desk.h"
#include "daemon/http_int.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define K_MAX 100
#define CHUNKS_MAX 20

/* ---- errors ------------------------------------------------------------------------ */

int rag_http_status(const rag_error *err, const char **code) {
    *code = rag_code_name(err->code);
    switch (err->code) {
    case RAG_E_USAGE:
    case RAG_E_DATA:
        return 400;
    case RAG_E_LIMIT:
        return 413;
    case RAG_E_NOTFOUND:
        return 404;
    case RAG_E_CONFLICT:
        return 409;
    case RAG_E_PERMISSION:
        return 403;
    case RAG_E_NOINPUT:
        *code = "no_index";
        return 503;
    case RAG_E_MISMATCH:
    case RAG_E_BUSY:
    case RAG_E_UNAVAILABLE:
        return 503;
    case RAG_E_TIMEOUT:
        return 504;
    case RAG_E_UNSUPPORTED:
        return 501;
    case RAG_E_CANCELLED: /* nobody reads it */
        return 503;
    default:
        return 500;
    }
}

static json_t *error_json(const char *code, const char *message) {
    return json_pack("{s{ss ss}}", "error", "code", code, "message", message);
}

void rag_job_json(rag_job *j, int status, json_t *v) {
    static const char oom[] =
        "{\"error\":{\"code\":\"nomem\",\"message\":\"out of memory\"}}";
    rag_buf b;
    rag_buf_init(&b, 0);
    if (v && rag_json_dump(v, &b, NULL) == 0 &&
        rag_buf_append_char(&b, '\n', NULL) == 0)
        rag_job_respond(j, status, "application/json", rag_buf_str(&b), b.len);
    else
        rag_job_respond(j, 500, "application/json", oom, sizeof oom - 1);
    rag_buf_free(&b);
    json_decref(v);
}

void rag_job_error_as(rag_job *j, int status, const char *code,
                      const char *message) {
    if (status == 503)
        j->retry_after = RAG_HTTP_RETRY_SECONDS;
    rag_job_json(j, status, error_json(code, message));
}

void rag_job_error(rag_job *j, const rag_error *err) {
    const char *code;
    int status = rag_http_status(err, &code);
    if (err->code == RAG_E_BUSY)
        atomic_fetch_add(&rag_job_metrics(j)->rejected, 1);
    if (status >= 500 && status != 503)
        rag_log(RAG_LOG_ERROR, "http.error", RAG_I("id", j->id),
                RAG_S("endpoint", rag_endpoint_name(j->endpoint)),
                RAG_S("why", err->message));
    rag_job_error_as(j, status, code, err->message);
}

/* ---- streams -------------------------------------------------------------------------- */

int rag_api_event(rag_job *j, const char *event, json_t *v) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = v ? 0 : RAG_E_NOMEM;
    if (!rc && event)
        rc = rag_buf_printf(&b, NULL, "event: %s\n", event);
    if (!rc)
        rc = rag_buf_append_str(&b, "data: ", NULL);
    if (!rc)
        rc = rag_json_dump(v, &b, NULL); /* one line: JSON escapes ends */
    if (!rc)
        rc = rag_buf_append_str(&b, "\n\n", NULL);
    if (!rc)
        rc = rag_job_write(j, b.data, b.len);
    rag_buf_free(&b);
    json_decref(v);
    return rc;
}

/* ---- asking ------------------------------------------------------------------------------ */

static int cancelled(void *user) {
    return rag_job_cancelled(user);
}

static void log_ask(rag_job *j, const rag_answer *a, const char *question) {
    rag_config *c = rag_pipeline_config(rag_job_pipeline(j));
    char hex[65];
    rag_sha256 h;
    rag_hash_sha256(question, strlen(question), &h);
    rag_hash_hex(&h, hex);
    hex[16] = '\0'; /* enough to tell questions apart in a log */
    const char *chunk = a->nsources ? a->sources[0].doc : "";
    bool plain = c->log_questions;
    const char *said = !plain ? hex : a->masked ? a->masked : question;
    rag_log(RAG_LOG_INFO, "ask.done", RAG_I("id", j->id),
            RAG_S("exchange", a->id), RAG_S(plain ? "question" : "hash", said),
            RAG_S("status", rag_answer_status_name(a->status)),
            RAG_S("reason", a->reason), RAG_S("doc", chunk ? chunk : ""),
            RAG_D("confidence", isnan(a->confidence) ? -1 : a->confidence),
            RAG_I("generation", a->generation), RAG_I("tokens", a->tokens),
            RAG_D("ms", a->ms.total));
    rag_config_unref(c);
}

static int run_ask(rag_job *j, rag_ask *ask, rag_answer *out, rag_error *err) {
    ask->cancelled = cancelled;
    ask->principal = j->principal;
    ask->user = j;
    int rc = rag_pipeline_ask(rag_job_pipeline(j), ask, out, err);
    if (rc == RAG_E_CANCELLED)
        atomic_fetch_add(&rag_job_metrics(j)->cancelled, 1);
    if (!rc) {
        rag_metrics_ask(rag_job_metrics(j), out);
        log_ask(j, out, out->question);
    }
    return rc;
}

int rag_api_ask(rag_job *j, const char *question, size_t len,
                const char *collection,
                void (*on_text)(void *, const char *, size_t), rag_answer *out,
                rag_error *err) {
    rag_ask ask = {.question = question,
                   .len = len,
                   .collection = collection,
                   .on_text = on_text};
    return run_ask(j, &ask, out, err);
}

static void stream_text(void *user, const char *s, size_t n) {
    rag_job *j = user;
    rag_job_stream(j); /* only the first time */
    rag_api_event(j, "text", json_pack("{ss%}", "text", s, n));
}

static void ask_stream_end(rag_job *j, int rc, const rag_answer *a,
                           rag_error *err) {
    json_t *v = NULL;
    if (!rc)
        rc = rag_answer_json(a, &v, err);
    rag_job_stream(j);
    if (rc) {
        const char *code;
        rag_http_status(err, &code);
        rag_api_event(j, "error", error_json(code, err->message));
    } else {
        rag_api_event(j, "done", v);
    }
    rag_job_finish(j);
}

static void api_ask(rag_job *j, json_t *body) {
    rag_error err = {0};
    rag_answer a = {0};
    const char *question = NULL, *collection = NULL, *session = NULL;
    bool stream = j->stream, explain = false;
    int rc;
    if (!(rc = rag_json_str(body, "question", NULL, &question, &err)) &&
        !(rc = rag_json_str(body, "collection", NULL, &collection, &err)) &&
        !(rc = rag_json_str(body, "session", NULL, &session, &err)))
        rc = rag_json_bool(body, "stream", stream, &stream, &err);
    if (!rc)
        rc = rag_json_bool(body, "explain", false, &explain, &err);
    if (!rc && !question)
        rc = rag_error_set(&err, RAG_E_DATA, "\"question\" is missing");
    if (rc) {
        rag_job_error(j, &err);
        return;
    }
    rag_ask ask = {.question = question,
                   .len = strlen(question),
                   .collection = collection,
                   .session = session,
                   .on_text = stream ? stream_text : NULL};
    rc = run_ask(j, &ask, &a, &err);
    pthread_mutex_lock(&j->lock);
    bool begun = j->streaming;
    pthread_mutex_unlock(&j->lock);
    /* Until the first text is out an error can still have its status. */
    if (rc && !begun) {
        rag_job_error(j, &err);
    } else if (stream) {
        ask_stream_end(j, rc, &a, &err);
    } else {
        json_t *v = NULL;
        if (rag_answer_json(&a, &v, &err))
            rag_job_error(j, &err);
        else {
            if (explain)
                rag_answer_explain(&a, v);
            rag_job_json(j, 200, v);
        }
    }
    rag_answer_free(&a);
}

/* ---- searching ------------------------------------------------------------------------------ */

static void api_search(rag_job *j, json_t *body) {
    rag_error err = {0};
    rag_found found = {0};
    const char *query = NULL, *collection = NULL, *lang = NULL;
    int64_t k = 10, chunks = 1;
    double weight = -1;
    bool explain = false;
    json_t *v = NULL;
    int rc;
    if ((rc = rag_json_str(body, "query", NULL, &query, &err)) ||
        (rc = rag_json_str(body, "collection", NULL, &collection, &err)) ||
        (rc = rag_json_str(body, "lang", NULL, &lang, &err)) ||
        (rc = rag_json_int(body, "k", 10, 1, K_MAX, &k, &err)) ||
        (rc = rag_json_int(body, "chunks", 1, 1, CHUNKS_MAX, &chunks, &err)) ||
        (rc = rag_json_num(body, "vector_weight", -1, &weight, &err)) ||
        (rc = rag_json_bool(body, "explain", false, &explain, &err)))
        goto out;
    if (!query) {
        rc = rag_error_set(&err, RAG_E_DATA, "\"query\" is missing");
        goto out;
    }
    if (weight > 1) {
        rc = rag_error_set(&err, RAG_E_DATA,
                           "\"vector_weight\" must be between 0 and 1");
        goto out;
    }
    rag_search s = {.query = query,
                    .len = strlen(query),
                    .k = (size_t)k,
                    .chunks = (size_t)chunks,
                    .collection = collection,
                    .lang = lang,
                    .weight = weight};
    rc = rag_pipeline_search(rag_job_pipeline(j), &s, &found, &err);
    if (!rc)
        rc = rag_found_json(&found, explain, &v, &err);
out:
    if (rc)
        rag_job_error(j, &err);
    else
        rag_job_json(j, 200, v);
    rag_found_free(&found);
}

/* ---- the desk ------------------------------------------------------------------------------ */

static void api_desk(rag_job *j, json_t *body) {
    rag_error err = {0};
    json_t *v = NULL;
    const char *path = j->endpoint == RAG_EP_FEEDBACK ? "/v1/feedback"
                       : j->endpoint == RAG_EP_FAQ    ? "/v1/faq"
                       : j->endpoint == RAG_EP_QUEUE  ? "/v1/queue"
                       : j->endpoint == RAG_EP_AUDIT  ? "/v1/audit"
                                                      : "/v1/replay";
    rag_pipeline *p = rag_job_pipeline(j);
    if (rag_desk_call(rag_pipeline_uses(p)->desk, p, path, body, &v, &err))
        rag_job_error(j, &err);
    else
        rag_job_json(j, 200, v);
}

/* ---- state ------------------------------------------------------------------------------------ */

static void api_status(rag_job *j) {
    rag_error err = {0};
    json_t *v = NULL;
    bool ready = false;
    if (rag_pipeline_status(rag_job_pipeline(j), &v, &ready, &err))
        rag_job_error(j, &err);
    else
        rag_job_json(j, 200, v);
}

static void api_metrics(rag_job *j) {
    rag_error err = {0};
    rag_buf b;
    rag_buf_init(&b, 0);
    if (rag_metrics_print(rag_job_metrics(j), rag_job_pipeline(j), &b, &err))
        rag_job_error(j, &err);
    else
        rag_job_respond(j, 200, "text/plain; version=0.0.4; charset=utf-8",
                        rag_buf_str(&b), b.len);
    rag_buf_free(&b);
}

/* ---- which ------------------------------------------------------------------------------------- */

static void with_body(rag_job *j, void (*fn)(rag_job *, json_t *)) {
    rag_error err = {0};
    json_t *body = NULL;
    int rc = rag_json_parse(rag_buf_str(&j->body), j->body.len, j->body.len + 1,
                            &body, &err);
    if (!rc && !json_is_object(body))
        rc = rag_error_set(&err, RAG_E_DATA,
                           "the request's body is no JSON object");
    if (rc) {
        err.code = RAG_E_DATA; /* whatever is wrong with it, it is the body */
        rag_job_error(j, &err);
    } else {
        fn(j, body);
    }
    json_decref(body);
}

void rag_api_run(rag_job *j) {
    if (rag_job_cancelled(j)) {
        rag_job_error_as(j, 503, "stopping", "the daemon is stopping");
        return;
    }
    switch (j->endpoint) {
    case RAG_EP_ASK:
        with_body(j, api_ask);
        break;
    case RAG_EP_SEARCH:
        with_body(j, api_search);
        break;
    case RAG_EP_CHAT:
        with_body(j, rag_api_chat);
        break;
    case RAG_EP_EMBEDDINGS:
        with_body(j, rag_api_embeddings);
        break;
    case RAG_EP_STATUS:
        api_status(j);
        break;
    case RAG_EP_HEALTH:
        rag_job_json(j, 200, json_pack("{ss}", "status", "ok"));
        break;
    case RAG_EP_METRICS:
        api_metrics(j);
        break;
    case RAG_EP_MODELS:
        rag_api_models(j);
        break;
    case RAG_EP_FEEDBACK:
    case RAG_EP_FAQ:
    case RAG_EP_QUEUE:
    case RAG_EP_AUDIT:
    case RAG_EP_REPLAY:
        with_body(j, api_desk);
        break;
    case RAG_EP_NONE:
        rag_job_error_as(j, 404, "not_found", "there is no such path");
        break;
    }
}
