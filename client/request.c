/*
 * request.c - talking to ragd: one call, one stream, errors made plain.
 */
#include "client/client.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX 4096
#define ANSWER_MAX ((size_t)64 << 20)
#define IDLE_MS 120000 /* a model may think for long before its first word */

int rag_client_open(const char *socket, const char *url, const char *token_file,
                    rag_client *out, rag_error *err) {
    rag_buf token;
    int rc = 0;
    memset(out, 0, sizeof *out);
    rag_buf_init(&token, TOKEN_MAX + 1);
    if (url) {
        size_t n = strlen(url);
        while (n && url[n - 1] == '/')
            n--;
        rc = rag_str_dup_n(url, n, &out->url, err);
    } else {
        rc = socket ? rag_str_dup(socket, &out->socket, err)
                    : rag_path_place(RAG_PLACE_SOCKET, &out->socket, err);
        if (!rc)
            rc = rag_str_dup("http://localhost", &out->url, err);
    }
    if (!rc && token_file &&
        !(rc = rag_file_read(token_file, TOKEN_MAX, &token, err)))
        rc = rag_str_dup_n(rag_buf_str(&token),
                           strcspn(rag_buf_str(&token), "\r\n"), &out->token,
                           err);
    if (!rc)
        rc = rag_http_open(out->socket, &out->http, err);
    rag_buf_free(&token);
    if (rc)
        rag_client_close(out);
    return rc;
}

void rag_client_close(rag_client *c) {
    rag_http_close(c->http);
    free(c->socket);
    free(c->url);
    free(c->token);
    memset(c, 0, sizeof *c);
}

/* The daemon's error names back to our codes. */
static rag_code code_of(const char *name, long status) {
    static const struct {
        const char *name;
        rag_code code;
    } extra[] = {
        {"no_index", RAG_E_UNAVAILABLE}, {"stopping", RAG_E_UNAVAILABLE},
        {"mismatch", RAG_E_UNAVAILABLE}, {"unauthorized", RAG_E_PERMISSION},
        {"method", RAG_E_INTERNAL},      {"not_found", RAG_E_INTERNAL}};
    for (size_t i = 0; i < sizeof extra / sizeof extra[0]; i++)
        if (strcmp(extra[i].name, name) == 0)
            return extra[i].code;
    for (int c = 1; c < RAG_CODE_COUNT; c++)
        if (strcmp(rag_code_name((rag_code)c), name) == 0)
            return (rag_code)c;
    return status == 503 ? RAG_E_UNAVAILABLE : RAG_E_INTERNAL;
}

static int error_of(const json_t *v, long status, rag_error *err) {
    const json_t *e = json_object_get(v, "error");
    const char *message = rag_field(e, "message");
    return rag_error_set(err, code_of(rag_field(e, "code"), status), "%s",
                         *message ? message : "the daemon gave no reason");
}

static int not_running(const rag_client *c, rag_error *err) {
    char why[RAG_ERROR_MESSAGE_MAX];
    rag_buf b;
    rag_buf_init(&b, sizeof why);
    rag_buf_append_str(&b, err->message, NULL);
    int rc = rag_error_set(err, RAG_E_UNAVAILABLE,
                           "no ragd on %s (%s): start it with `ragd &`, or "
                           "name its place with --socket",
                           c->socket ? c->socket : c->url, rag_buf_str(&b));
    rag_buf_free(&b);
    return rc;
}

static int parse(const rag_buf *b, json_t **out, rag_error *err) {
    int rc = rag_json_parse(rag_buf_str(b), b->len, ANSWER_MAX, out, err);
    if (rc)
        rag_error_prefix(err, "the daemon's answer");
    return rc;
}

static int once(rag_client *c, const char *method, const char *path,
                const rag_buf *body, json_t **out, long *retry,
                rag_error *err) {
    rag_buf url;
    rag_http_response res = {0};
    json_t *v = NULL;
    rag_buf_init(&url, 0);
    *retry = -1;
    int rc = rag_buf_printf(&url, err, "%s%s", c->url, path);
    if (rc)
        goto out;
    rag_http_request req = {.method = method,
                            .url = rag_buf_str(&url),
                            .body = body->len ? body->data : NULL,
                            .body_len = body->len,
                            .bearer = c->token,
                            .idle_timeout_ms = IDLE_MS,
                            .max_body = ANSWER_MAX};
    rc = rag_http_do(c->http, &req, &res, err);
    if (rc == RAG_E_UNAVAILABLE && !res.status)
        rc = not_running(c, err);
    if (rc || (rc = parse(&res.body, &v, err)))
        goto out;
    if (res.status == 200) {
        *out = v;
        v = NULL;
    } else {
        if (res.status == 503 &&
            strcmp(rag_field(json_object_get(v, "error"), "code"), "busy") == 0)
            *retry = res.retry_after > 0 ? res.retry_after : 1;
        rc = error_of(v, res.status, err);
    }
out:
    json_decref(v);
    rag_http_response_free(&res);
    rag_buf_free(&url);
    return rc;
}

int rag_client_call(rag_client *c, const char *method, const char *path,
                    const json_t *body, long busy_ms, json_t **out,
                    rag_error *err) {
    rag_buf text;
    double until = rag_clock_ms() + (double)busy_ms;
    *out = NULL;
    rag_buf_init(&text, 0);
    int rc = body ? rag_json_dump(body, &text, err) : 0;
    while (!rc) {
        long retry;
        rc = once(c, method, path, &text, out, &retry, err);
        if (retry < 0 || rag_clock_ms() >= until)
            break;
        rag_clock_sleep_ms((double)retry * 500);
        rc = 0;
    }
    rag_buf_free(&text);
    return rc;
}

/* ---- streams ------------------------------------------------------------------------ */

typedef struct streaming {
    void (*on_text)(void *user, const char *s, size_t n);
    void *user;
    rag_sse sse;
    json_t *answer;
    rag_error *err;
    int rc;
} streaming;

static int on_event(void *user, const char *event, const char *data,
                    size_t len) {
    streaming *s = user;
    json_t *v = NULL;
    if ((s->rc = rag_json_parse(data, len, ANSWER_MAX, &v, s->err)))
        return 1;
    if (strcmp(event, "text") == 0) {
        const char *text = rag_field(v, "text");
        s->on_text(s->user, text, strlen(text));
    } else if (strcmp(event, "done") == 0) {
        json_decref(s->answer);
        s->answer = json_incref(v);
    } else if (strcmp(event, "error") == 0) {
        s->rc = error_of(v, 500, s->err);
    }
    json_decref(v);
    return s->rc;
}

static int on_body(void *user, const char *p, size_t n) {
    streaming *s = user;
    int rc = rag_sse_feed(&s->sse, p, n, on_event, s, s->err);
    if (rc && !s->rc)
        s->rc = rc;
    return rc;
}

int rag_client_stream(rag_client *c, const char *path, const json_t *body,
                      void (*on_text)(void *user, const char *s, size_t n),
                      void *user, json_t **out, rag_error *err) {
    static const char *const headers[] = {"Accept: text/event-stream", NULL};
    streaming s = {.on_text = on_text, .user = user, .err = err};
    rag_buf url, text;
    rag_http_response res = {0};
    json_t *v = NULL;
    rag_buf_init(&url, 0);
    rag_buf_init(&text, 0);
    rag_sse_init(&s.sse, ANSWER_MAX);
    *out = NULL;
    int rc = rag_buf_printf(&url, err, "%s%s", c->url, path);
    if (rc || (rc = rag_json_dump(body, &text, err)))
        goto out;
    rag_http_request req = {.method = "POST",
                            .url = rag_buf_str(&url),
                            .body = text.data,
                            .body_len = text.len,
                            .bearer = c->token,
                            .headers = headers,
                            .idle_timeout_ms = IDLE_MS,
                            .on_body = on_body,
                            .user = &s};
    rc = rag_http_do(c->http, &req, &res, err);
    if (s.rc)
        rc = s.rc;
    else if (rc == RAG_E_UNAVAILABLE && !res.status)
        rc = not_running(c, err);
    else if (!rc && res.status != 200)
        rc = parse(&res.body, &v, err) ? (int)err->code
                                       : error_of(v, res.status, err);
    else if (!rc && !s.answer)
        rc = rag_error_set(err, RAG_E_UNAVAILABLE,
                           "the daemon ended before its answer was whole");
    if (!rc) {
        *out = s.answer;
        s.answer = NULL;
    }
out:
    json_decref(v);
    json_decref(s.answer);
    rag_sse_free(&s.sse);
    rag_http_response_free(&res);
    rag_buf_free(&url);
    rag_buf_free(&text);
    return rc;
}
