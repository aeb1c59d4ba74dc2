/*
 * http_openai.c - the endpoints that existing OpenAI clients know.
 *
 * A chat completion is an answer of the pipeline to the last user message:
 * cited and checked like any other; the conversation before it and sampling
 * parameters are not looked at. Citations and status are in the extra field
 * "ragd". Runs on workers.
 */
#include "daemon/http_int.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUTS_MAX 64
#define INPUT_BYTES_MAX 32768
#define MODEL_NAME "ragd"

/* ---- chat -------------------------------------------------------------------------- */

/* Text of a message: a string, or the text parts of an array. */
static int message_text(const json_t *m, rag_buf *out, rag_error *err) {
    json_t *content = json_object_get(m, "content");
    if (json_is_string(content))
        return rag_buf_append(out, json_string_value(content),
                              json_string_length(content), err);
    if (!json_is_array(content))
        return rag_error_set(err, RAG_E_DATA,
                             "a message's \"content\" must be text");
    for (size_t i = 0; i < json_array_size(content); i++) {
        json_t *part = json_array_get(content, i);
        const char *type = NULL, *text = NULL;
        int rc;
        if ((rc = rag_json_str(part, "type", "", &type, err)) ||
            (rc = rag_json_str(part, "text", "", &text, err)))
            return rc;
        if (strcmp(type, "text") != 0)
            return rag_error_set(err, RAG_E_UNSUPPORTED,
                                 "only text can be asked about");
        if ((rc = rag_buf_append_str(out, text, err)))
            return rc;
    }
    return 0;
}

static int last_question(const json_t *body, rag_buf *out, rag_error *err) {
    json_t *list = json_object_get(body, "messages");
    if (!json_is_array(list))
        return rag_error_set(err, RAG_E_DATA, "\"messages\" is missing");
    for (size_t i = json_array_size(list); i-- > 0;) {
        json_t *m = json_array_get(list, i);
        const char *role = NULL;
        int rc =
            json_is_object(m)
                ? rag_json_str(m, "role", "", &role, err)
                : rag_error_set(err, RAG_E_DATA, "a message is no JSON object");
        if (rc)
            return rc;
        if (strcmp(role, "user") == 0)
            return message_text(m, out, err);
    }
    return rag_error_set(err, RAG_E_DATA, "no message of role \"user\"");
}

static json_t *usage(const rag_answer *a) {
    return json_pack("{sI sI sI}", "prompt_tokens",
                     (json_int_t)a->prompt_tokens, "completion_tokens",
                     (json_int_t)a->tokens, "total_tokens",
                     (json_int_t)(a->prompt_tokens + a->tokens));
}

static json_t *extra(const rag_answer *a) {
    json_t *v = NULL;
    rag_answer_json(a, &v, NULL);
    return v ? v : json_null();
}

static json_t *envelope(const rag_job *j, const char *object) {
    char id[48];
    snprintf(id, sizeof id, "chatcmpl-%lu", j->id);
    return json_pack("{ss ss sI ss}", "id", id, "object", object, "created",
                     (json_int_t)rag_clock_now(), "model", MODEL_NAME);
}

static json_t *chunk(const rag_job *j, json_t *delta, const char *finish) {
    json_t *v = envelope(j, "chat.completion.chunk");
    json_t *choice =
        json_pack("{si so so}", "index", 0, "delta", delta, "finish_reason",
                  finish ? json_string(finish) : json_null());
    json_t *list = json_array();
    json_array_append_new(list, choice);
    json_object_set_new(v, "choices", list);
    return v;
}

static void chat_text(void *user, const char *s, size_t n) {
    rag_job *j = user;
    pthread_mutex_lock(&j->lock);
    bool first = !j->streaming;
    pthread_mutex_unlock(&j->lock);
    rag_job_stream(j);
    if (first)
        rag_api_event(
            j, NULL,
            chunk(j, json_pack("{ss ss}", "role", "assistant", "content", ""),
                  NULL));
    rag_api_event(j, NULL, chunk(j, json_pack("{ss%}", "content", s, n), NULL));
}

static void chat_stream_end(rag_job *j, int rc, const rag_answer *a,
                            const rag_error *err) {
    static const char done[] = "data: [DONE]\n\n";
    rag_job_stream(j);
    if (rc) {
        const char *code;
        rag_http_status(err, &code);
        rag_api_event(j, NULL,
                      json_pack("{s{ss ss}}", "error", "code", code, "message",
                                err->message));
    } else {
        json_t *v = chunk(j, json_object(), "stop");
        json_object_set_new(v, "usage", usage(a));
        json_object_set_new(v, "ragd", extra(a));
        rag_api_event(j, NULL, v);
    }
    rag_job_write(j, done, sizeof done - 1);
    rag_job_finish(j);
}

static json_t *completion(const rag_job *j, const rag_answer *a) {
    json_t *v = envelope(j, "chat.completion");
    json_t *list = json_array();
    json_array_append_new(list, json_pack("{si s{ss ss} ss}", "index", 0,
                                          "message", "role", "assistant",
                                          "content", a->text ? a->text : "",
                                          "finish_reason", "stop"));
    json_object_set_new(v, "choices", list);
    json_object_set_new(v, "usage", usage(a));
    json_object_set_new(v, "citations", rag_answer_citations(a));
    json_object_set_new(v, "ragd", extra(a));
    return v;
}

void rag_api_chat(rag_job *j, json_t *body) {
    rag_error err = {0};
    rag_answer a = {0};
    rag_buf question;
    bool stream = false;
    const char *collection = NULL;
    rag_buf_init(&question, 0);
    int rc = rag_json_bool(body, "stream", false, &stream, &err);
    if (!rc)
        rc = rag_json_str(body, "collection", NULL, &collection, &err);
    if (!rc)
        rc = last_question(body, &question, &err);
    if (!rc)
        rc = rag_api_ask(j, rag_buf_str(&question), question.len, collection,
                         stream ? chat_text : NULL, &a, &err);
    pthread_mutex_lock(&j->lock);
    bool begun = j->streaming;
    pthread_mutex_unlock(&j->lock);
    if (rc && !begun)
        rag_job_error(j, &err);
    else if (stream)
        chat_stream_end(j, rc, &a, &err);
    else
        rag_job_json(j, 200, completion(j, &a));
    rag_buf_free(&question);
    rag_answer_free(&a);
}

/* ---- embeddings ---------------------------------------------------------------------- */

static int input_of(const json_t *v, rag_text *out, rag_error *err) {
    if (!json_is_string(v))
        return rag_error_set(err, RAG_E_DATA,
                             "\"input\" must be a text or a list of texts");
    out->s = json_string_value(v);
    out->len = json_string_length(v);
    if (out->len > INPUT_BYTES_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "a text longer than %d bytes",
                             INPUT_BYTES_MAX);
    return 0;
}

static int inputs(const json_t *body, rag_text *texts, size_t *n,
                  rag_error *err) {
    json_t *v = json_object_get(body, "input");
    if (json_is_string(v)) {
        *n = 1;
        return input_of(v, texts, err);
    }
    *n = json_is_array(v) ? json_array_size(v) : 0;
    if (!*n)
        return rag_error_set(err, RAG_E_DATA, "\"input\" is missing");
    if (*n > INPUTS_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "more than %d texts",
                             INPUTS_MAX);
    for (size_t i = 0; i < *n; i++) {
        int rc = input_of(json_array_get(v, i), &texts[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

static int kind_of(const json_t *body, rag_text_kind *kind, rag_error *err) {
    const char *type = NULL;
    int rc = rag_json_str(body, "input_type", "passage", &type, err);
    if (rc)
        return rc;
    if (strcmp(type, "passage") == 0 || strcmp(type, "document") == 0)
        *kind = RAG_TEXT_PASSAGE;
    else if (strcmp(type, "query") == 0)
        *kind = RAG_TEXT_QUERY;
    else if (strcmp(type, "raw") == 0)
        *kind = RAG_TEXT_RAW;
    else
        return rag_error_set(err, RAG_E_DATA,
                             "\"input_type\" must be query, passage or raw");
    return 0;
}

/* The vector's floats, little-endian, in base64 (RFC 4648, section 4). */
static json_t *base64(const float *v, size_t dim) {
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
                              "wxyz0123456789+/";
    size_t n = dim * sizeof *v, o = 0;
    const unsigned char *p = (const unsigned char *)v;
    char *out = malloc((n + 2) / 3 * 4);
    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i += 3) {
        unsigned long w = (unsigned long)p[i] << 16;
        w |= i + 1 < n ? (unsigned long)p[i + 1] << 8 : 0;
        w |= i + 2 < n ? p[i + 2] : 0;
        out[o++] = set[w >> 18];
        out[o++] = set[w >> 12 & 63];
        out[o++] = i + 1 < n ? set[w >> 6 & 63] : '=';
        out[o++] = i + 2 < n ? set[w & 63] : '=';
    }
    json_t *s = json_stringn(out, o);
    free(out);
    return s;
}

static json_t *vector_json(const float *v, size_t dim, bool packed) {
    if (packed)
        return base64(v, dim);
    json_t *list = json_array();
    for (size_t i = 0; i < dim; i++)
        json_array_append_new(list, json_real(v[i]));
    return list;
}

static int encode(rag_encoder *e, rag_text_kind kind, const rag_text *texts,
                  size_t n, bool packed, json_t *data, size_t *tokens,
                  rag_error *err) {
    rag_encoder_info info;
    rag_encoder_describe(e, &info);
    size_t dim = (size_t)info.dim;
    float *v = calloc(n * dim, sizeof *v);
    if (!v)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for vectors");
    int rc = rag_encoder_encode(e, kind, texts, n, v, NULL, err);
    for (size_t i = 0; i < n && !rc; i++) {
        *tokens += rag_encoder_count(e, texts[i].s, texts[i].len);
        json_array_append_new(data,
                              json_pack("{ss si so}", "object", "embedding",
                                        "index", (int)i, "embedding",
                                        vector_json(v + i * dim, dim, packed)));
    }
    free(v);
    return rc;
}

void rag_api_embeddings(rag_job *j, json_t *body) {
    rag_error err = {0};
    rag_text texts[INPUTS_MAX];
    rag_text_kind kind = RAG_TEXT_PASSAGE;
    const char *format = NULL;
    size_t n = 0, tokens = 0;
    rag_encoder *e = rag_pipeline_uses(rag_job_pipeline(j))->encoder;
    rag_encoder_info info;
    rag_encoder_describe(e, &info);
    json_t *data = json_array();
    int rc;
    if (!(rc = rag_json_str(body, "encoding_format", "float", &format, &err)) &&
        !(rc = kind_of(body, &kind, &err)))
        rc = inputs(body, texts, &n, &err);
    if (!rc && strcmp(format, "float") != 0 && strcmp(format, "base64") != 0)
        rc = rag_error_set(&err, RAG_E_DATA,
                           "\"encoding_format\" must be float or base64");
    if (!rc)
        rc = encode(e, kind, texts, n, strcmp(format, "base64") == 0, data,
                    &tokens, &err);
    if (rc) {
        json_decref(data);
        rag_job_error(j, &err);
        return;
    }
    rag_job_json(j, 200,
                 json_pack("{ss so ss s{sI sI}}", "object", "list", "data",
                           data, "model", info.name ? info.name : "encoder",
                           "usage", "prompt_tokens", (json_int_t)tokens,
                           "total_tokens", (json_int_t)tokens));
}

/* ---- models --------------------------------------------------------------------------- */

void rag_api_models(rag_job *j) {
    rag_encoder_info info;
    rag_encoder_describe(rag_pipeline_uses(rag_job_pipeline(j))->encoder,
                         &info);
    rag_job_json(j, 200,
                 json_pack("{ss s[{ss ss sI ss}{ss ss sI ss}]}", "object",
                           "list", "data", "id", MODEL_NAME, "object", "model",
                           "created", (json_int_t)0, "owned_by", "ragd", "id",
                           info.name ? info.name : "encoder", "object", "model",
                           "created", (json_int_t)0, "owned_by", "ragd"));
}
