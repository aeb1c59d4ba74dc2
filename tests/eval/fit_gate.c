/*
 * fit_gate.c - fits the evidence gate on labelled answers.
 *
 *   fit_gate GATE.json [FINGERPRINT] < ANSWERS.jsonl
 *
 * One JSON object a line: "features", as /v1/ask gives them with "explain",
 * and "answerable". Label a question answerable only when its document was
 * among the hits: the gate judges the evidence. Lines without the features of
 * the first step are left out, and counted. Prints the cross-validated
 * figures; a gate with fingerprint "default" can be turned into
 * generate/models/default-gate.inc (one C string a line).
 */
#include "generate/generate.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLES_MAX 100000

static bool read_example(const char *line, size_t n, rag_gate_example *out) {
    json_t *o = NULL;
    bool ok = false;
    if (rag_json_parse(line, n, 1 << 22, &o, NULL) == 0) {
        const json_t *f = json_object_get(o, "features");
        const json_t *a = json_object_get(o, "answerable");
        ok = json_is_boolean(a) && json_is_object(f);
        out->answerable = json_is_true(a);
        for (int j = 0; j < RAG_GATE_FEATURES; j++) {
            const json_t *v = json_object_get(f, rag_gate_feature_names[j]);
            if (j < RAG_GATE_FIRST && !json_is_number(v))
                ok = false;
            out->feature[j] = json_is_number(v) ? json_number_value(v) : 0;
        }
    }
    json_decref(o);
    return ok;
}

/* The folds of cross-validation are taken in turn: no order may be left. */
static void shuffle(rag_gate_example *e, size_t n) {
    unsigned seed = 1;
    for (size_t i = n; i > 1; i--) {
        seed = seed * 1664525u + 1013904223u;
        size_t k = (seed >> 8) % i;
        rag_gate_example t = e[i - 1];
        e[i - 1] = e[k];
        e[k] = t;
    }
}

static void print_report(const rag_gate *g, const rag_gate_report *r) {
    printf("%zu answerable, %zu not\n", r->answerable, r->unanswerable);
    for (int k = 0; k < 2; k++) {
        printf("step %d: AUROC %.3f; false answers %.3f at 5 %% and %.3f at "
               "10 %% false refusals; calibration error %.3f\n",
               k + 1, r->auroc[k], r->false_answers_at_5[k],
               r->false_answers_at_10[k], r->calibration_error[k]);
        for (double most = 0.02; most < 0.7; most *= 2) {
            double cost, t = rag_gate_threshold(g, k, most, &cost);
            printf("  at most %.2f false answers: threshold %.3f, false "
                   "refusals %.3f\n",
                   most, t, cost);
        }
    }
}

int main(int argc, char **argv) {
    rag_gate *g = NULL;
    rag_gate_report report;
    rag_error err = {0};
    char *line = NULL;
    size_t cap = 0, n = 0, left_out = 0;
    ssize_t len;
    int rc = 1;
    if (argc < 2) {
        fprintf(stderr, "usage: fit_gate GATE.json [FINGERPRINT] < "
                        "ANSWERS.jsonl\n");
        return 64;
    }
    rag_gate_example *e = calloc(EXAMPLES_MAX, sizeof *e);
    if (!e)
        goto out;
    while (n < EXAMPLES_MAX && (len = getline(&line, &cap, stdin)) > 0) {
        if (read_example(line, (size_t)len, &e[n]))
            n++;
        else
            left_out++;
    }
    shuffle(e, n);
    if (rag_gate_fit(e, n, argc > 2 ? argv[2] : "default", &g, &report, &err) ||
        rag_gate_save(g, argv[1], &err)) {
        fprintf(stderr, "fit_gate: %s\n", err.message);
        goto out;
    }
    if (left_out)
        printf("%zu lines left out\n", left_out);
    print_report(g, &report);
    rc = 0;
out:
    rag_gate_free(g);
    free(e);
    free(line);
    return rc;
}
