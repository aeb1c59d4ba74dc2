/*
 * pipeline_gate.c - what the search measured, for the evidence gate, and its
 * verdict. Called by pipeline.c (before the generator) and
 * pipeline_generate.c (with what it said), on the request's thread.
 */
#include "daemon/pipeline_int.h"

#include <math.h>

static void signals_of(const rag_index_result *r, rag_gate_signals *out) {
    *out = (rag_gate_signals){0};
    for (size_t i = 0; i < r->n; i++) {
        const rag_index_hit *h = &r->hits[i];
        if (h->lexical_rank == 1 && h->vector_rank == 1)
            out->agree = true;
        if (i && h->document == r->hits[i - 1].document)
            continue; /* another chunk of it */
        double cosine = isnan(h->vector) ? 0 : h->vector;
        if (h->document == 0) {
            out->fused_top = h->score;
            out->vector_top = cosine;
        } else if (h->document == 1) {
            out->fused_second = h->score;
            out->vector_second = cosine;
        }
    }
    out->lexical_top = r->best_bm25;
}

double rag_gate_point(const rag_gate *gate, const rag_config *config,
                      double *false_refusals) {
    if (false_refusals)
        *false_refusals = NAN;
    if (config->false_answers < 1)
        return rag_gate_threshold(gate, 0, config->false_answers,
                                  false_refusals);
    return config->gate;
}

int rag_gate_name(const rag_pipeline_parts *parts, char **out, rag_error *err) {
    rag_encoder_info e;
    rag_reader_info r = {.fingerprint = "none"};
    rag_buf b;
    rag_buf_init(&b, 0);
    rag_encoder_describe(parts->encoder, &e);
    if (parts->reader)
        rag_reader_describe(parts->reader, &r);
    int rc = rag_buf_printf(&b, err, "%s/%s/%s", e.fingerprint, r.fingerprint,
                            parts->card ? rag_card_name(parts->card) : "none");
    if (!rc)
        rc = rag_buf_steal(&b, out, NULL, err);
    rag_buf_free(&b);
    return rc;
}

double rag_asking_gate(const rag_asking *a) {
    return rag_gate_point(a->p->parts.gate, a->config, NULL);
}

int rag_asking_judge(rag_asking *a, double refusal_logprob,
                     const rag_grounding *grounding, rag_error *err) {
    rag_gate_signals s;
    int step = grounding != NULL;
    signals_of(&a->found, &s);
    int rc =
        rag_gate_measure(rag_buf_str(&a->question), &s, &a->evidence,
                         a->passages, a->p->parts.sentences, refusal_logprob,
                         grounding, a->out->features, err);
    if (rc)
        return rc;
    a->out->nfeatures = step ? RAG_GATE_FEATURES : RAG_GATE_FIRST;
    a->probability = a->out->confidence =
        rag_gate_probability(a->p->parts.gate, step, a->out->features);
    return 0;
}
