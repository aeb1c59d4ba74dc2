/*
 * client.c - one generation: request, streamed answer, the refusal line's
 * probability.
 *
 * Called by rag_generator_run's callers, any thread; a slot (and with it an
 * HTTP connection) belongs to the calling thread for the time of the call.
 *
 * Three dialects: llama-server's own /completion (text prompts to our child:
 * it alone takes the adapter's scale and token ids), and the OpenAI API's
 * /completions and /chat/completions. To cancel is to close the connection:
 * the servers stop generating then.
 */
#include "generate/generator_int.h"

#include "base/clock.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOKENS_DEFAULT 160
#define MAX_TOKENS_CEILING 4096
#define TEXT_MAX ((size_t)256 << 10)
#define EVENT_MAX ((size_t)4 << 20)
#define PROBS_CHILD 40
#define PROBS_OPENAI 5

typedef enum dialect { NATIVE, TEXT, CHAT } dialect;

typedef struct run {
    rag_generator *g;
    const rag_prompt *prompt;
    const rag_generation_options *opt;
    rag_generation *out;
    rag_slot *slot;
    rag_error *err;
    dialect dialect;
    int refusal_token; /* -1 when not known */
    double started_ms, deadline_ms;
    rag_sse sse;
    bool done; /* the server said that it is finished */
    bool failed; /* rc in code */
    int code;
    rag_error fault; /* said by the callbacks; the HTTP client writes err */
} run;

/* ---- request ---------------------------------------------------------------- */

static int set_new(json_t *o, const char *key, json_t *v, rag_error *err) {
    if (!v || json_object_set_new(o, key, v) != 0)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    return 0;
}

static int add_stops(const run *r, json_t *o, rag_error *err) {
    json_t *a = json_array();
    int rc = a ? 0 : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    /* OpenAI takes four at most. */
    for (size_t i = 0; !rc && i < 4 && r->prompt->stop[i]; i++)
        if (json_array_append_new(a, json_string(r->prompt->stop[i])) != 0)
            rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    const char *const *s = r->opt->stop;
    for (; !rc && s && *s && json_array_size(a) < 4; s++)
        if (json_array_append_new(a, json_string(*s)) != 0)
            rc = rag_error_set(err, RAG_E_DATA, "a stop string is not UTF-8");
    if (!rc && json_array_size(a) > 0)
        return set_new(o, "stop", a, err);
    json_decref(a);
    return rc;
}

static int native_fields(const run *r, json_t *o, int max_tokens,
                         rag_error *err) {
    int rc = set_new(
        o, "prompt",
        json_stringn(rag_buf_str(&r->prompt->text), r->prompt->text.len), err);
    if (!rc)
        rc = set_new(o, "n_predict", json_integer(max_tokens), err);
    if (!rc)
        rc = set_new(o, "cache_prompt", json_true(), err);
    if (!rc && r->prompt->grammar)
        rc = set_new(o, "grammar", json_string(r->prompt->grammar), err);
    /* No run of more than a few tokens twice, the prompt's included (DRY). */
    if (!rc && r->prompt->fresh)
        rc = set_new(o, "dry_multiplier", json_real(1.0), err);
    if (!rc && r->prompt->fresh)
        rc = set_new(o, "dry_allowed_length", json_integer(3), err);
    if (!rc && r->prompt->fresh)
        rc = set_new(o, "dry_penalty_last_n", json_integer(4096), err);
    if (!rc && r->prompt->refusal)
        rc = set_new(o, "n_probs", json_integer(PROBS_CHILD), err);
    if (!rc && r->g->lora_path && !isnan(r->prompt->adapter_scale))
        rc = set_new(o, "lora",
                     json_pack("[{s:i, s:f}]", "id", 0, "scale",
                               r->prompt->adapter_scale),
                     err);
    if (!rc && r->prompt->refusal_bias != 0.0 && r->refusal_token >= 0)
        rc = set_new(
            o, "logit_bias",
            json_pack("[[i, f]]", r->refusal_token, r->prompt->refusal_bias),
            err);
    return rc;
}

static int openai_fields(const run *r, json_t *o, int max_tokens, bool extras,
                         rag_error *err) {
    int rc = 0;
    if (r->g->model)
        rc = set_new(o, "model", json_string(r->g->model), err);
    if (!rc)
        rc = set_new(o, "max_tokens", json_integer(max_tokens), err);
    if (!rc && r->dialect == TEXT)
        rc = set_new(
            o, "prompt",
            json_stringn(rag_buf_str(&r->prompt->text), r->prompt->text.len),
            err);
    if (!rc && r->dialect == CHAT) {
        json_t *m = NULL;
        rc = rag_json_parse(rag_buf_str(&r->prompt->messages),
                            r->prompt->messages.len, TEXT_MAX * 2, &m, err);
        if (!rc)
            rc = set_new(o, "messages", m, err);
    }
    if (rc || !extras)
        return rc;
    if (r->prompt->refusal && r->dialect == CHAT) {
        rc = set_new(o, "logprobs", json_true(), err);
        if (!rc)
            rc = set_new(o, "top_logprobs", json_integer(PROBS_OPENAI), err);
    } else if (r->prompt->refusal) {
        rc = set_new(o, "logprobs", json_integer(PROBS_OPENAI), err);
    }
    if (!rc)
        rc = set_new(o, "stream_options",
                     json_pack("{s:b}", "include_usage", 1), err);
    return rc;
}

static int make_body(const run *r, bool extras, rag_buf *body, rag_error *err) {
    int max = r->opt->max_tokens > 0 ? r->opt->max_tokens : MAX_TOKENS_DEFAULT;
    if (max > MAX_TOKENS_CEILING)
        max = MAX_TOKENS_CEILING;
    json_t *o = json_object();
    if (!o)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = set_new(o, "stream", json_true(), err);
    if (!rc)
        rc = set_new(o, "temperature", json_real(r->opt->temperature), err);
    if (!rc)
        rc = r->dialect == NATIVE ? native_fields(r, o, max, err)
                                  : openai_fields(r, o, max, extras, err);
    if (!rc)
        rc = add_stops(r, o, err);
    if (!rc)
        rc = rag_json_dump(o, body, err);
    json_decref(o);
    return rc;
}

/* ---- answer ------------------------------------------------------------------- */

static int fail(run *r, int code) {
    r->failed = true;
    r->code = code;
    return 1;
}

/* A token the refusal line could begin with; leading space aside. */
static bool begins_refusal(const char *refusal, const char *token) {
    while (*token == ' ' || *token == '\n')
        token++;
    size_t n = strlen(token);
    return n > 0 && strncmp(refusal, token, n) == 0;
}

/*
 * The refusal's first token among a list of {"token"|key, "logprob", "id"}.
 * When it is not in the list it is less likely than all that are: the least
 * of them is the bound.
 */
static void note_refusal(run *r, const json_t *list) {
    size_t i;
    json_t *e;
    double found = -INFINITY, least = INFINITY;
    json_array_foreach(list, i, e) {
        const char *token = json_string_value(json_object_get(e, "token"));
        double lp = json_number_value(json_object_get(e, "logprob"));
        const json_t *id = json_object_get(e, "id");
        if (!token || !isfinite(lp))
            continue;
        least = fmin(least, lp);
        bool is = r->refusal_token >= 0 && json_is_integer(id)
                      ? json_integer_value(id) == r->refusal_token
                      : begins_refusal(r->prompt->refusal, token);
        if (is)
            found = fmax(found, lp);
    }
    if (isfinite(found))
        r->out->refusal_logprob = found;
    else if (isfinite(least))
        r->out->refusal_logprob = least;
}

/* OpenAI's older form: {"token": logprob, ...}. */
static void note_refusal_map(run *r, const json_t *map) {
    const char *token;
    json_t *v;
    json_t *m = json_incref((json_t *)(uintptr_t)map);
    double found = -INFINITY, least = INFINITY;
    json_object_foreach(m, token, v) {
        double lp = json_number_value(v);
        least = fmin(least, lp);
        if (begins_refusal(r->prompt->refusal, token))
            found = fmax(found, lp);
    }
    json_decref(m);
    if (isfinite(found))
        r->out->refusal_logprob = found;
    else if (isfinite(least))
        r->out->refusal_logprob = least;
}

static int took_piece(run *r, const char *piece, size_t n) {
    rag_generation *out = r->out;
    if (!n)
        return 0;
    if (out->first_token_ms == 0.0)
        out->first_token_ms = rag_clock_ms() - r->started_ms;
    out->tokens++; /* until the server tells, which it does not when stopped */
    int rc = rag_buf_append(&out->text, piece, n, &r->fault);
    if (rc)
        return fail(r, rc);
    if (r->opt->on_token && r->opt->on_token(r->opt->user, piece, n)) {
        out->stopped = true;
        return 1;
    }
    return 0;
}

static size_t size_at(const json_t *o, const char *key) {
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) && json_integer_value(v) > 0
               ? (size_t)json_integer_value(v)
               : 0;
}

static int native_event(run *r, const json_t *o) {
    rag_generation *out = r->out;
    const char *piece = json_string_value(json_object_get(o, "content"));
    if (!piece)
        return fail(r, rag_error_set(&r->fault, RAG_E_UNAVAILABLE,
                                     "the generator sent an event without "
                                     "content"));
    const json_t *probs = json_object_get(o, "completion_probabilities");
    if (isnan(out->refusal_logprob) && r->prompt->refusal &&
        json_array_size(probs) > 0)
        note_refusal(r,
                     json_object_get(json_array_get(probs, 0), "top_logprobs"));
    if (json_is_true(json_object_get(o, "stop"))) {
        const char *why = json_string_value(json_object_get(o, "stop_type"));
        const json_t *t = json_object_get(o, "timings");
        snprintf(out->finish, sizeof out->finish, "%s",
                 why && strcmp(why, "limit") == 0 ? "length" : "stop");
        out->tokens = size_at(o, "tokens_predicted");
        out->prompt_tokens = size_at(o, "tokens_evaluated");
        out->cached_tokens = size_at(t, "cache_n");
        r->done = true;
    }
    return took_piece(r, piece, strlen(piece));
}

static int openai_event(run *r, const json_t *o) {
    rag_generation *out = r->out;
    const json_t *usage = json_object_get(o, "usage");
    if (json_is_object(usage)) {
        out->prompt_tokens = size_at(usage, "prompt_tokens");
        out->tokens = size_at(usage, "completion_tokens");
        out->cached_tokens = size_at(
            json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    }
    const json_t *choice = json_array_get(json_object_get(o, "choices"), 0);
    if (!choice)
        return 0; /* usage comes in an event of its own */
    const json_t *lp = json_object_get(choice, "logprobs");
    if (isnan(out->refusal_logprob) && r->prompt->refusal &&
        json_is_object(lp)) {
        const json_t *first = json_array_get(json_object_get(lp, "content"), 0);
        const json_t *old =
            json_array_get(json_object_get(lp, "top_logprobs"), 0);
        if (first)
            note_refusal(r, json_object_get(first, "top_logprobs"));
        else if (json_is_object(old))
            note_refusal_map(r, old);
    }
    const char *why =
        json_string_value(json_object_get(choice, "finish_reason"));
    if (why) {
        snprintf(out->finish, sizeof out->finish, "%s", why);
        r->done = true;
    }
    const json_t *delta = json_object_get(choice, "delta");
    const char *piece = json_string_value(
        json_object_get(delta ? delta : choice, delta ? "content" : "text"));
    return piece ? took_piece(r, piece, strlen(piece)) : 0;
}

static int server_error(run *r, const json_t *e) {
    const char *message =
        json_is_string(e) ? json_string_value(e)
                          : json_string_value(json_object_get(e, "message"));
    return fail(r, rag_error_set(&r->fault, RAG_E_UNAVAILABLE,
                                 "the generator reports: %.300s",
                                 message ? message : "an error"));
}

static int on_event(void *user, const char *event, const char *data,
                    size_t len) {
    run *r = user;
    json_t *o = NULL;
    rag_error why;
    (void)event;
    if (len == 6 && memcmp(data, "[DONE]", 6) == 0) {
        r->done = true;
        return 0;
    }
    if (len == 0)
        return 0;
    rag_error_clear(&why);
    if (rag_json_parse(data, len, EVENT_MAX, &o, &why) || !json_is_object(o)) {
        json_decref(o);
        return fail(r, rag_error_set(&r->fault, RAG_E_UNAVAILABLE,
                                     "the generator sent something that is "
                                     "no event: %.200s",
                                     why.message));
    }
    const json_t *error = json_object_get(o, "error");
    int rc = error && !json_is_null(error) ? server_error(r, error)
             : r->dialect == NATIVE        ? native_event(r, o)
                                           : openai_event(r, o);
    json_decref(o);
    return rc;
}

static int on_body(void *user, const char *p, size_t n) {
    run *r = user;
    int rc = rag_sse_feed(&r->sse, p, n, on_event, r, &r->fault);
    if (rc && !r->failed && !r->out->stopped)
        return fail(r, rc);
    return rc;
}

static int on_cancel(void *user) {
    run *r = user;
    return r->opt->cancelled ? r->opt->cancelled(r->opt->user) : 0;
}

/* ---- one exchange ---------------------------------------------------------------- */

static int status_error(run *r, const rag_http_response *res) {
    json_t *o = NULL;
    const char *said = rag_buf_str(&res->body);
    if (rag_json_parse(said, res->body.len, EVENT_MAX, &o, NULL) == 0) {
        const json_t *e = json_object_get(o, "error");
        const char *m = json_is_string(e)
                            ? json_string_value(e)
                            : json_string_value(json_object_get(e, "message"));
        if (m)
            said = m;
    }
    rag_code code = res->status == 401 || res->status == 403 ? RAG_E_PERMISSION
                    : res->status == 429                     ? RAG_E_BUSY
                    : res->status >= 500                     ? RAG_E_UNAVAILABLE
                                                             : RAG_E_DATA;
    int rc = rag_error_set(r->err, code,
                           "the generator answers with status %ld: %.300s",
                           res->status, said);
    json_decref(o);
    return rc;
}

/* Sends the request and reads the stream. *status: of the response, or 0. */
static int exchange(run *r, bool extras, long *status) {
    static const char *const PATH[] = {"/completion", "/completions",
                                       "/chat/completions"};
    char url[1024];
    rag_buf body;
    rag_http_response res = {0};
    *status = 0;
    rag_buf_init(&body, 2 * TEXT_MAX);
    int rc = make_body(r, extras, &body, r->err);
    /* The child's OpenAI doors are below /v1; an endpoint's URL has it. */
    snprintf(url, sizeof url, "%s%s%s", r->g->base,
             r->g->is_child && r->dialect != NATIVE ? "/v1" : "",
             PATH[r->dialect]);
    if (rc)
        goto out;
    rag_sse_free(&r->sse);
    rag_sse_init(&r->sse, EVENT_MAX);
    r->failed = r->done = false;
    long left = (long)(r->deadline_ms - rag_clock_ms());
    rag_http_request req = {.method = "POST",
                            .url = url,
                            .body = body.data,
                            .body_len = body.len,
                            .bearer = r->g->api_key,
                            .idle_timeout_ms = r->g->token_timeout_ms,
                            .total_timeout_ms = left > 1 ? left : 1,
                            .max_body = (size_t)64 << 20,
                            .on_body = on_body,
                            .cancelled = on_cancel,
                            .user = r};
    rc = rag_http_do(r->slot->http, &req, &res, r->err);
    *status = res.status;
    if (r->out->stopped)
        rc = 0;
    else if (r->failed)
        rc = rag_error_set(r->err, (rag_code)r->code, "%s", r->fault.message);
    else if (!rc && res.status >= 400)
        rc = status_error(r, &res);
    else if (!rc && !r->done)
        rc = rag_error_set(r->err, RAG_E_UNAVAILABLE,
                           "the generator broke off in the middle of its "
                           "answer");
out:
    rag_http_response_free(&res);
    rag_buf_free(&body);
    return rc;
}

/*
 * First token of the refusal line as the child's tokenizer cuts it, asked
 * once a server. -1 when it cannot be had: the answer goes on without.
 */
static int first_token(run *r) {
    rag_generator *g = r->g;
    const char *refusal = r->prompt->refusal;
    int token = -1;
    if (!refusal || strlen(refusal) >= sizeof g->refusal[0].text)
        return -1;
    pthread_mutex_lock(&g->lock);
    for (unsigned i = 0; i < RAG_GENERATOR_REFUSALS; i++)
        if (g->refusal[i].epoch == r->slot->epoch &&
            strcmp(g->refusal[i].text, refusal) == 0)
            token = g->refusal[i].token;
    pthread_mutex_unlock(&g->lock);
    if (token >= 0)
        return token;
    rag_buf body;
    rag_buf_init(&body, 4096);
    json_t *o = json_pack("{s:s}", "content", refusal), *a = NULL;
    rag_http_response res = {0};
    if (o && rag_json_dump(o, &body, NULL) == 0) {
        rag_http_request req = {.method = "POST",
                                .url = "http://localhost/tokenize",
                                .body = body.data,
                                .body_len = body.len,
                                .idle_timeout_ms = 2000,
                                .total_timeout_ms = 2000,
                                .max_body = 65536};
        if (rag_http_do(r->slot->http, &req, &res, NULL) == 0 &&
            res.status == 200 &&
            rag_json_parse(rag_buf_str(&res.body), res.body.len, 65536, &a,
                           NULL) == 0) {
            const json_t *t = json_array_get(json_object_get(a, "tokens"), 0);
            if (json_is_integer(t))
                token = (int)json_integer_value(t);
        }
    }
    rag_http_response_free(&res);
    json_decref(o);
    json_decref(a);
    rag_buf_free(&body);
    if (token >= 0) {
        pthread_mutex_lock(&g->lock);
        unsigned i = g->next_refusal++ % RAG_GENERATOR_REFUSALS;
        snprintf(g->refusal[i].text, sizeof g->refusal[i].text, "%s", refusal);
        g->refusal[i].token = token;
        g->refusal[i].epoch = r->slot->epoch;
        pthread_mutex_unlock(&g->lock);
    }
    return token;
}

static int generate(run *r) {
    long status = 0;
    rag_error own;
    if (!r->err) {
        rag_error_clear(&own);
        r->err = &own;
    }
    if (r->dialect == NATIVE)
        r->refusal_token = first_token(r);
    int rc = exchange(r, true, &status);
    /* Servers that do not know a field say 400 or 422: ask without. */
    if (rc && r->dialect != NATIVE && (status == 400 || status == 422) &&
        r->out->text.len == 0) {
        rag_error_clear(r->err);
        rc = exchange(r, false, &status);
    }
    if (rc == RAG_E_TIMEOUT || rc == RAG_E_UNAVAILABLE) {
        bool late = rag_clock_ms() >= r->deadline_ms - 1;
        rag_generator_doubt(r->g, r->slot->epoch, rc == RAG_E_TIMEOUT && !late);
    }
    if (r->err == &own)
        r->err = NULL;
    return rc;
}

int rag_generator_run(rag_generator *g, const rag_prompt *prompt,
                      const rag_generation_options *opt, rag_generation *out,
                      rag_error *err) {
    static const rag_generation_options plain = {0};
    memset(out, 0, sizeof *out);
    rag_buf_init(&out->text, TEXT_MAX);
    out->refusal_logprob = NAN;
    run r = {.g = g,
             .prompt = prompt,
             .opt = opt ? opt : &plain,
             .out = out,
             .err = err,
             .refusal_token = -1};
    if (prompt->messages.len)
        r.dialect = CHAT;
    else if (prompt->text.len)
        r.dialect = g->is_child ? NATIVE : TEXT;
    else
        return rag_error_set(err, RAG_E_USAGE, "the prompt is empty");
    double asked = rag_clock_ms();
    r.deadline_ms = asked + (double)g->answer_timeout_ms;
    int rc = rag_generator_take(g, r.opt, r.deadline_ms, &r.slot, err);
    if (rc)
        return rc;
    r.started_ms = rag_clock_ms();
    rag_sse_init(&r.sse, EVENT_MAX);
    rc = generate(&r);
    rag_sse_free(&r.sse);
    rag_generator_give(g, r.slot);
    out->total_ms = rag_clock_ms() - r.started_ms;
    return rc;
}

void rag_generation_free(rag_generation *r) {
    if (!r)
        return;
    rag_buf_free(&r->text);
    memset(r, 0, sizeof *r);
    r->refusal_logprob = NAN;
}
