/*
 * remote.c - an encoder behind an OpenAI-compatible /v1/embeddings endpoint.
 *
 * Texts go out in batches, in order; an overloaded endpoint (429, 503) is
 * asked again after what it says, within bounds. Nothing that comes back is
 * trusted: every index must occur once, every vector must have the known
 * length and finite numbers, and is scaled to length 1 here.
 *
 * The endpoint's tokenizer is unknown, so texts are cut by characters, and
 * the estimate of tokens errs upwards. Calls take turns on one connection
 * behind the encoder's lock.
 */
#include "embed/encoder_int.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/http.h"
#include "base/json.h"
#include "base/unicode.h"
#include "embed/bert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_TEXTS 64u
#define BATCH_BYTES ((size_t)256 << 10)
#define TRIES_MAX 5
#define WAIT_MAX_MS 8000.0 /* longest wait before one further try */
#define DIM_MAX 16384
#define ANSWER_MAX ((size_t)64 << 20) /* bytes of one answer */
#define DEFAULT_MAX_TOKENS 512
#define DEFAULT_TIMEOUT_MS 30000
/* A character is at least two thirds of a token: see rag_encoder_count. */
#define TOKENS_OF_CHARS(n) (((n)*2 + 2) / 3)

typedef struct remote {
    rag_http *http;
    char *url, *key;
    long timeout_ms;
} remote;

static void remote_close(rag_encoder *e) {
    remote *r = e->self;
    if (!r) {
        return;
    }
    rag_http_close(r->http);
    free(r->url);
    free(r->key);
    free(r);
}

static size_t remote_count(rag_encoder *e, const char *s, size_t len) {
    (void)e;
    return TOKENS_OF_CHARS(rag_utf8_count(s, len));
}

static int remote_tokenize(rag_encoder *e, rag_text_kind kind, const char *s,
                           size_t len, int32_t **out, size_t *n,
                           rag_error *err) {
    (void)kind, (void)s, (void)len, (void)out, (void)n;
    return rag_error_set(err, RAG_E_UNSUPPORTED,
                         "%s: a remote encoder does not show its tokens",
                         e->info.name);
}

/* Bytes of s that surely fit into max_tokens beside the prefix. */
static size_t fitting(const rag_encoder *e, const char *s, size_t len,
                      size_t prefix_chars) {
    size_t max = (size_t)e->info.max_tokens * 3 / 2, at = 0;
    max = max > prefix_chars + 3 ? max - prefix_chars - 3 : 1;
    for (size_t chars = 0; at < len && chars < max; chars++) {
        uint32_t cp;
        at += rag_utf8_next(s + at, len - at, &cp);
    }
    return at;
}

/* {"model":...,"input":[...],"encoding_format":"float"} */
static int make_request(const rag_encoder *e, rag_text_kind kind,
                        const rag_text *texts, size_t n,
                        unsigned char *truncated, rag_buf *out,
                        rag_error *err) {
    const char *prefix = rag_encoder_prefix(e, kind);
    size_t prefix_len = strlen(prefix);
    size_t prefix_chars = rag_utf8_count(prefix, prefix_len);
    json_t *input = json_array(), *body;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t len = fitting(e, texts[i].s, texts[i].len, prefix_chars);
        rag_buf text;
        rag_buf_init(&text, SIZE_MAX);
        rc = rag_buf_append(&text, prefix, prefix_len, err);
        if (rc == 0) {
            rc = rag_utf8_sanitize(texts[i].s, len, &text, err);
        }
        if (rc == 0 &&
            json_array_append_new(
                input, json_stringn(rag_buf_str(&text), text.len)) != 0) {
            rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
        }
        if (truncated && len < texts[i].len) {
            truncated[i] = 1;
        }
        rag_buf_free(&text);
    }
    if (rc != 0) {
        json_decref(input);
        return rc;
    }
    body = json_pack("{s:s, s:o, s:s}", "model", e->info.name, "input", input,
                     "encoding_format", "float");
    if (!body) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    rc = rag_json_dump(body, out, err);
    json_decref(body);
    return rc;
}

static int bad_answer(const remote *r, const char *what, rag_error *err) {
    return rag_error_set(err, RAG_E_DATA, "%s: the endpoint's answer %s",
                         r->url, what);
}

static int read_vector(rag_encoder *e, const json_t *v, float *out,
                       rag_error *err) {
    const remote *r = e->self;
    size_t dim = (size_t)e->info.dim;
    double square = 0;
    if (!json_is_array(v) || json_array_size(v) != dim) {
        return rag_error_set(err, RAG_E_MISMATCH,
                             "%s: the endpoint gave a vector of %zu numbers "
                             "instead of %zu; another model?",
                             r->url, json_array_size(v), dim);
    }
    for (size_t i = 0; i < dim; i++) {
        const json_t *x = json_array_get(v, i);
        /* NaN and infinities cannot be written in JSON: they come as null
         * or as text, if at all. */
        if (!json_is_number(x) || !isfinite(json_number_value(x)) ||
            fabs(json_number_value(x)) > 1e30) {
            return bad_answer(r,
                              "has a vector with something that is no "
                              "finite number",
                              err);
        }
        out[i] = (float)json_number_value(x);
        square += (double)out[i] * (double)out[i];
    }
    if (!(square > 0)) {
        return bad_answer(r, "has a vector of zeros", err);
    }
    rag_unit_vector(out, dim);
    return 0;
}

/* vectors: n times dim; *dim 0 is learnt from the first vector. */
static int read_answer(rag_encoder *e, const rag_buf *body, size_t n,
                       float *vectors, rag_error *err) {
    const remote *r = e->self;
    json_t *root = NULL;
    const json_t *data;
    unsigned char seen[BATCH_TEXTS] = {0};
    int rc =
        rag_json_parse(rag_buf_str(body), body->len, ANSWER_MAX, &root, err);
    if (rc != 0) {
        return rag_error_prefix(err, "%s: the endpoint's answer", r->url);
    }
    data = json_object_get(root, "data");
    if (!json_is_array(data) || json_array_size(data) != n) {
        rc = bad_answer(r, "does not have one vector a text", err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const json_t *item = json_array_get(data, i);
        const json_t *at = json_object_get(item, "index");
        json_int_t k = at ? json_integer_value(at) : (json_int_t)i;
        if ((at && !json_is_integer(at)) || k < 0 || k >= (json_int_t)n ||
            seen[k]) {
            rc = bad_answer(r, "has a wrong or repeated index", err);
            break;
        }
        seen[k] = 1;
        rc = read_vector(e, json_object_get(item, "embedding"),
                         vectors + (size_t)k * (size_t)e->info.dim, err);
    }
    json_decref(root);
    return rc;
}

/* Learns the length of vectors from the answer to one text. */
static int learn_dim(rag_encoder *e, const rag_buf *body, rag_error *err) {
    const remote *r = e->self;
    json_t *root = NULL;
    size_t dim;
    int rc =
        rag_json_parse(rag_buf_str(body), body->len, ANSWER_MAX, &root, err);
    if (rc != 0) {
        return rag_error_prefix(err, "%s: the endpoint's answer", r->url);
    }
    dim = json_array_size(json_object_get(
        json_array_get(json_object_get(root, "data"), 0), "embedding"));
    json_decref(root);
    if (dim == 0 || dim > DIM_MAX) {
        return bad_answer(r, "has no vector", err);
    }
    e->info.dim = (int)dim;
    return 0;
}

/* Says what an HTTP error means, with the endpoint's own words. */
static int refused(const remote *r, const rag_http_response *res,
                   rag_error *err) {
    rag_code code = res->status == 429 || res->status >= 500 ? RAG_E_UNAVAILABLE
                    : res->status == 401 || res->status == 403
                        ? RAG_E_PERMISSION
                        : RAG_E_DATA;
    size_t n = rag_utf8_floor(rag_buf_str(&res->body), res->body.len,
                              res->body.len < 200 ? res->body.len : 200);
    return rag_error_set(err, code,
                         "%s: the endpoint answered with HTTP status %ld: "
                         "%.*s",
                         r->url, res->status, (int)n, rag_buf_str(&res->body));
}

/* One request, tried again while the endpoint says it is overloaded. */
static int post(const remote *r, const rag_buf *body, rag_http_response *res,
                rag_error *err) {
    rag_http_request req = {.method = "POST",
                            .url = r->url,
                            .body = rag_buf_str(body),
                            .body_len = body->len,
                            .bearer = r->key,
                            .idle_timeout_ms = r->timeout_ms,
                            .total_timeout_ms = r->timeout_ms};
    for (int i = 1;; i++) {
        double wait = 100.0 * (double)(1 << i);
        int rc = rag_http_do(r->http, &req, res, err);
        if (rc != 0) {
            return rag_error_prefix(err, "%s", r->url);
        }
        if (res->status == 200) {
            return 0;
        }
        if ((res->status != 429 && res->status != 503) || i == TRIES_MAX) {
            return refused(r, res, err);
        }
        if (res->retry_after >= 0) {
            wait = (double)res->retry_after * 1000.0;
        }
        /* An endpoint that asks for more patience than we have is taken as
         * unavailable rather than asked too early. */
        if (wait > WAIT_MAX_MS) {
            return refused(r, res, err);
        }
        rag_http_response_free(res);
        memset(res, 0, sizeof(*res));
        rag_clock_sleep_ms(wait);
    }
}

static int encode_batch(rag_encoder *e, rag_text_kind kind,
                        const rag_text *texts, size_t n, float *vectors,
                        unsigned char *truncated, rag_error *err) {
    rag_http_response res = {0};
    rag_buf body;
    int rc;
    rag_buf_init(&body, 0);
    rc = make_request(e, kind, texts, n, truncated, &body, err);
    if (rc == 0) {
        rc = post(e->self, &body, &res, err);
    }
    if (rc == 0 && e->info.dim == 0) {
        rc = learn_dim(e, &res.body, err);
    } else if (rc == 0) {
        rc = read_answer(e, &res.body, n, vectors, err);
    }
    rag_http_response_free(&res);
    rag_buf_free(&body);
    return rc;
}

static int remote_encode(rag_encoder *e, rag_text_kind kind,
                         const rag_text *texts, size_t n, float *vectors,
                         unsigned char *truncated, rag_error *err) {
    size_t dim = (size_t)e->info.dim;
    int rc = 0;
    pthread_mutex_lock(&e->lock);
    for (size_t from = 0, to; rc == 0 && from < n; from = to) {
        size_t bytes = texts[from].len;
        for (to = from + 1; to < n && to - from < BATCH_TEXTS &&
                            texts[to].len <= BATCH_BYTES &&
                            bytes + texts[to].len <= BATCH_BYTES;
             to++) {
            bytes += texts[to].len;
        }
        rc =
            encode_batch(e, kind, texts + from, to - from, vectors + from * dim,
                         truncated ? truncated + from : NULL, err);
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

static const rag_encoder_ops remote_ops = {
    .encode = remote_encode,
    .tokenize = remote_tokenize,
    .count = remote_count,
    .close = remote_close,
};

static int remote_fingerprint(rag_encoder *e, const rag_encoder_remote *cfg,
                              rag_error *err) {
    const char *fields[] = {"remote",
                            cfg->url,
                            cfg->unix_socket ? cfg->unix_socket : "",
                            e->info.name,
                            rag_encoder_prefix(e, RAG_TEXT_QUERY),
                            rag_encoder_prefix(e, RAG_TEXT_PASSAGE)};
    int64_t sizes[2] = {e->info.dim, e->info.max_tokens};
    rag_hasher *h = rag_hasher_new();
    rag_sha256 sum;
    if (!h) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        rag_hasher_field(h, fields[i], strlen(fields[i]));
    }
    rag_hasher_field(h, sizes, sizeof(sizes));
    rag_hasher_end(h, &sum);
    rag_hash_hex(&sum, e->info.fingerprint);
    return 0;
}

/* base + "/embeddings", with one slash between. */
static int endpoint_url(const char *base, char **out, rag_error *err) {
    rag_buf b;
    size_t n = strlen(base);
    int rc;
    while (n > 0 && base[n - 1] == '/') {
        n--;
    }
    rag_buf_init(&b, 0);
    rc = rag_buf_append(&b, base, n, err);
    if (rc == 0) {
        rc = rag_buf_append_str(&b, "/embeddings", err);
    }
    if (rc == 0) {
        rc = rag_buf_steal(&b, out, NULL, err);
    }
    rag_buf_free(&b);
    return rc;
}

static int open_remote(rag_encoder *e, const rag_encoder_remote *cfg,
                       rag_error *err) {
    remote *r = e->self;
    const char *model = cfg->model ? cfg->model : "encoder";
    rag_text probe = {"probe", 5};
    int rc;
    if (!cfg->url || cfg->dim < 0 || cfg->dim > DIM_MAX) {
        return rag_error_set(err, RAG_E_USAGE,
                             "remote encoder: the URL is missing or the "
                             "length of vectors is outside 0 to %d",
                             DIM_MAX);
    }
    e->info.dim = cfg->dim;
    e->info.max_tokens =
        cfg->max_tokens > 0 ? cfg->max_tokens : DEFAULT_MAX_TOKENS;
    e->info.threads = 1;
    e->info.kernel = "remote";
    r->timeout_ms = cfg->timeout_ms > 0 ? cfg->timeout_ms : DEFAULT_TIMEOUT_MS;
    if ((rc = rag_encoder_set_name(e, model, strlen(model), err)) != 0 ||
        (rc = rag_str_dup(cfg->query_prefix, &e->prefix[RAG_TEXT_QUERY],
                          err)) != 0 ||
        (rc = rag_str_dup(cfg->passage_prefix, &e->prefix[RAG_TEXT_PASSAGE],
                          err)) != 0 ||
        (rc = rag_str_dup(cfg->api_key, &r->key, err)) != 0 ||
        (rc = endpoint_url(cfg->url, &r->url, err)) != 0 ||
        (rc = rag_http_open(cfg->unix_socket, &r->http, err)) != 0) {
        return rc;
    }
    if (e->info.dim == 0) {
        rc = encode_batch(e, RAG_TEXT_RAW, &probe, 1, NULL, NULL, err);
    }
    return rc != 0 ? rc : remote_fingerprint(e, cfg, err);
}

int rag_encoder_open_remote(const rag_encoder_remote *cfg, rag_encoder **out,
                            rag_error *err) {
    rag_encoder *e;
    int rc = rag_encoder_new(&remote_ops, &e, err);
    *out = NULL;
    if (rc != 0) {
        return rc;
    }
    e->self = calloc(1, sizeof(remote));
    rc = e->self ? open_remote(e, cfg, err)
                 : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (rc != 0) {
        rag_encoder_close(e);
        return rc;
    }
    *out = e;
    return 0;
}
