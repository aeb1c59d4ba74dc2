/*
 * pipeline_json.c - answers, search results and status as JSON (DESIGN,
 * "Doors"). Pure apart from rag_pipeline_status; any thread.
 */
#include "daemon/desk.h"
#include "daemon/pipeline_int.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

static json_t *number_or_null(double d) {
    return isnan(d) || isinf(d) ? json_null() : json_real(d);
}

/* Milliseconds to the microsecond: more digits say nothing. */
static json_t *ms(double d) {
    return isnan(d) ? json_null() : json_real(round(d * 1000) / 1000);
}

static json_t *string_or_null(const char *s) {
    return s ? json_string(s) : json_null();
}

static int done(json_t *v, json_t **out, rag_error *err) {
    *out = v;
    return v ? 0
             : rag_error_set(err, RAG_E_NOMEM, "no memory for a JSON answer");
}

json_t *rag_answer_citations(const rag_answer *a) {
    json_t *list = json_array();
    for (size_t i = 0; i < a->nsources; i++) {
        const rag_source *s = &a->sources[i];
        json_array_append_new(
            list,
            json_pack("{si ss ss ss ss sI sI sI ss sf}", "n", (int)s->n, "doc",
                      s->doc ? s->doc : "", "title", s->title ? s->title : "",
                      "heading", s->heading ? s->heading : "", "url",
                      s->url ? s->url : "", "chunk", (json_int_t)s->chunk,
                      "start", (json_int_t)s->start, "end", (json_int_t)s->end,
                      "quote", s->quote ? s->quote : "", "score", s->score));
    }
    return list;
}

int rag_answer_json(const rag_answer *a, json_t **out, rag_error *err) {
    json_t *choices = json_array(), *warnings = json_array();
    for (size_t i = 0; i < a->nchoices; i++)
        json_array_append_new(choices,
                              json_pack("{ss ss}", "doc", a->choices[i].doc,
                                        "question", a->choices[i].question));
    for (size_t i = 0; i < a->nwarnings; i++)
        json_array_append_new(warnings, json_string(a->warnings[i]));
    json_t *times =
        json_pack("{so so so so so so}", "embed", ms(a->ms.embed), "search",
                  ms(a->ms.search), "read", ms(a->ms.read), "first_token",
                  ms(a->ms.first_token), "first_text", ms(a->ms.first_text),
                  "total", ms(a->ms.total));
    json_t *v = json_pack(
        "{so ss ss ss so so so so so so so so}", "id",
        string_or_null(*a->id ? a->id : NULL), "question",
        a->question ? a->question : "", "status",
        rag_answer_status_name(a->status), "answer", a->text ? a->text : "",
        "short", string_or_null(a->shortest), "citations",
        rag_answer_citations(a), "choices", choices, "timings_ms", times,
        "model", string_or_null(a->model), "warnings", warnings, "confidence",
        number_or_null(a->confidence), "generation",
        json_integer((json_int_t)a->generation));
    if (v && *a->code)
        json_object_set_new(v, "handoff", json_string(a->code));
    if (v && a->cached)
        json_object_set_new(v, "cached", json_true());
    if (v && a->said)
        json_object_set_new(v, "said", json_string(a->said));
    if (v && a->entry_version)
        json_object_set_new(v, "version",
                            json_integer((json_int_t)a->entry_version));
    return done(v, out, err);
}

void rag_answer_explain(const rag_answer *a, json_t *answer) {
    json_t *features = json_object();
    for (size_t i = 0; i < a->nfeatures; i++)
        json_object_set_new(features, rag_gate_feature_names[i],
                            number_or_null(a->features[i]));
    json_object_set_new(answer, "features", features);
    json_object_set_new(answer, "reason", json_string(a->reason));
    json_object_set_new(answer, "tokens",
                        json_pack("{sI sI sI}", "prompt",
                                  (json_int_t)a->prompt_tokens, "known",
                                  (json_int_t)a->cached_tokens, "answer",
                                  (json_int_t)a->tokens));
}

static json_t *hit_json(const rag_index_hit *h, bool explain) {
    json_t *v = json_pack(
        "{ss ss ss sI sI sI ss sf sf so}", "doc", h->doc ? h->doc : "", "title",
        h->title ? h->title : "", "heading", h->heading ? h->heading : "",
        "chunk", (json_int_t)h->chunk, "start", (json_int_t)h->start, "end",
        (json_int_t)h->end, "text", h->text ? h->text : "", "score", h->score,
        "lexical", h->lexical, "vector", number_or_null(h->vector));
    if (!v)
        return NULL;
    json_object_set_new(v, "kind",
                        json_string(h->kind == RAG_DOC_FAQ ? "faq" : "text"));
    if (h->url && *h->url)
        json_object_set_new(v, "url", json_string(h->url));
    if (explain) {
        json_object_set_new(v, "lexical_rank", json_integer(h->lexical_rank));
        json_object_set_new(v, "vector_rank", json_integer(h->vector_rank));
        json_object_set_new(v, "lexical_z", number_or_null(h->lexical_z));
        json_object_set_new(v, "vector_z", number_or_null(h->vector_z));
        json_object_set_new(v, "source", string_or_null(h->source));
        if (h->question)
            json_object_set_new(v, "question", json_string(h->question));
    }
    return v;
}

int rag_found_json(const rag_found *f, bool explain, json_t **out,
                   rag_error *err) {
    json_t *hits = json_array();
    const rag_index_result *r = &f->result;
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(hits, hit_json(&r->hits[i], explain));
    json_t *v =
        json_pack("{ss so}", "query", f->query ? f->query : "", "hits", hits);
    json_t *times = json_pack("{so so so}", "embed", ms(f->embed_ms), "search",
                              ms(f->search_ms), "total", ms(f->total_ms));
    if (v)
        json_object_set_new(v, "timings_ms", times);
    else
        json_decref(times);
    if (v && explain)
        json_object_set_new(
            v, "explain",
            json_pack(
                "{sf so sf sf so so so sI}", "vector_weight", r->vector_weight,
                "best_cosine", number_or_null(r->best_cosine), "best_bm25",
                r->best_bm25, "query_terms", r->query_terms, "lexical_ms",
                ms(r->lexical_ms), "vector_ms", ms(r->vector_ms), "fuse_ms",
                ms(r->fuse_ms), "generation", (json_int_t)r->generation));
    return done(v, out, err);
}

/* ---- status -------------------------------------------------------------------------- */

static json_t *index_status(rag_pipeline *p, json_t *missing) {
    rag_error why = {0};
    rag_index *ix = NULL;
    rag_index_stats s = {0};
    int rc = rag_serving_borrow(p->parts.store, &ix, &why);
    if (!rc)
        rc = rag_index_describe(ix, &s, &why);
    rag_serving_return(p->parts.store, ix);
    if (rc) {
        json_array_append_new(missing, json_string(why.message));
        return json_pack("{ss ss}", "state",
                         rc == RAG_E_NOINPUT ? "absent" : "failed", "message",
                         why.message);
    }
    return json_pack("{ss sI sI sI sI sI sI sI ss ss sI}", "state", "open",
                     "generation", (json_int_t)s.generation, "documents",
                     (json_int_t)s.documents, "faqs", (json_int_t)s.faqs,
                     "chunks", (json_int_t)s.chunks, "vectors",
                     (json_int_t)s.vectors, "deleted", (json_int_t)s.deleted,
                     "memory_bytes", (json_int_t)s.memory_bytes, "ann", s.ann,
                     "model", s.model, "changed_at", (json_int_t)s.changed_at);
}

static json_t *generator_status(rag_pipeline *p, json_t *missing) {
    static const char *const names[] = {"starting", "ready", "failed"};
    if (!p->parts.generator)
        return json_pack("{ss}", "state", "off");
    rag_generator_status s;
    rag_generator_describe(p->parts.generator, &s);
    if (s.state != RAG_GENERATOR_READY) {
        json_t *m = json_sprintf(
            "the generative model is %s%s%s",
            s.state == RAG_GENERATOR_STARTING ? "starting" : "not running",
            *s.message ? ": " : "", s.message);
        json_array_append_new(missing, m);
    }
    return json_pack("{ss ss sI si ss}", "state",
                     names[(unsigned)s.state < 3 ? s.state : 2], "model",
                     s.model, "pid", (json_int_t)s.pid, "restarts",
                     (int)s.restarts, "message", s.message);
}

/* The gate in force, and what it is expected to cost where that is known. */
static json_t *gate_status(rag_pipeline *p, const char *fingerprint) {
    double refused;
    rag_config *c = rag_pipeline_config(p);
    double least = rag_gate_point(p->parts.gate, c, &refused);
    rag_config_unref(c);
    json_t *v =
        json_pack("{ss sf}", "fingerprint", fingerprint, "least", least);
    if (v && !isnan(refused))
        json_object_set_new(v, "false_refusals", json_real(refused));
    return v;
}

int rag_pipeline_status(rag_pipeline *p, json_t **out, bool *ready,
                        rag_error *err) {
    rag_pipeline_load load;
    rag_pipeline_load_now(p, &load);
    json_t *missing = json_array();
    json_t *index = index_status(p, missing);
    json_t *generator = generator_status(p, missing);
    bool ok = missing && json_array_size(missing) == 0;
    json_t *encoder = json_pack(
        "{ss si si ss ss}", "model", p->encoder.name ? p->encoder.name : "",
        "dim", p->encoder.dim, "threads", p->encoder.threads, "kernel",
        p->encoder.kernel ? p->encoder.kernel : "", "fingerprint",
        p->encoder.fingerprint);
    json_t *v = json_pack(
        "{ss sb so ss sf so so so s{si si}}", "status", ok ? "ok" : "not ready",
        "ready", ok, "missing", missing, "version", RAG_VERSION, "uptime_s",
        round((rag_clock_ms() - p->started_ms) / 100) / 10, "index", index,
        "encoder", encoder, "generator", generator, "load", "generating",
        (int)load.generating, "waiting", (int)load.waiting);
    char *gate = NULL;
    if (v && p->parts.reader)
        json_object_set_new(v, "reader",
                            json_pack("{ss ss}", "model", p->reader.name,
                                      "fingerprint", p->reader.fingerprint));
    if (v)
        json_object_set_new(v, "desk", rag_desk_status(p->parts.desk));
    if (v && !rag_gate_name(&p->parts, &gate, err))
        json_object_set_new(v, "gate", gate_status(p, gate));
    free(gate);
    *ready = ok;
    return done(v, out, err);
}
