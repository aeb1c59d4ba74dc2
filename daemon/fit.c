/*
 * fit.c - `ragd --fit-gate OUT REPORT...`: an evidence gate from the reports
 * of `rag eval`. Runs alone, before any part of the daemon; main thread.
 */
#include "daemon/fit.h"

#include "base/file.h"
#include "base/json.h"
#include "generate/generate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_MAX ((size_t)256 << 20)

typedef struct examples {
    rag_gate_example *of;
    size_t n, cap, not_found;
    char fingerprint[256];
} examples;

static int add(examples *e, const json_t *outcome, rag_error *err) {
    const json_t *f = json_object_get(outcome, "features");
    if (!json_is_object(f) || !json_object_size(f))
        return 0; /* settled before the gate: nothing to learn */
    bool answerable = json_is_true(json_object_get(outcome, "answerable"));
    const json_t *first = json_object_get(outcome, "first");
    if (answerable && json_is_integer(first) && !json_integer_value(first)) {
        e->not_found++; /* what would answer was not there to be judged */
        return 0;
    }
    if (e->n == e->cap) {
        size_t cap = e->cap ? 2 * e->cap : 256;
        rag_gate_example *p = realloc(e->of, cap * sizeof *p);
        if (!p)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        e->of = p;
        e->cap = cap;
    }
    rag_gate_example *x = &e->of[e->n++];
    memset(x, 0, sizeof *x);
    x->answerable = answerable;
    for (size_t i = 0; i < RAG_GATE_FEATURES; i++) {
        const json_t *v = json_object_get(f, rag_gate_feature_names[i]);
        bool read = strncmp(rag_gate_feature_names[i], "read_", 5) == 0;
        /* null or absent: not measured; the model's own stay 0 then. */
        x->feature[i] = json_is_number(v) || !read ? json_number_value(v) : NAN;
        x->generated =
            x->generated || (i >= RAG_GATE_FIRST && json_is_number(v));
    }
    return 0;
}

static int read_report(const char *path, examples *e, rag_error *err) {
    rag_buf b;
    json_t *v = NULL;
    const char *gate = NULL;
    rag_buf_init(&b, REPORT_MAX);
    int rc = rag_file_read(path, REPORT_MAX - 1, &b, err);
    if (!rc)
        rc = rag_json_parse(rag_buf_str(&b), b.len, REPORT_MAX, &v, err);
    if (!rc)
        rc = rag_json_str(v, "gate", "", &gate, err);
    if (!rc && *e->fingerprint && strcmp(gate, e->fingerprint) != 0)
        rc = rag_error_set(err, RAG_E_MISMATCH,
                           "made with another encoder or model than the "
                           "reports before it");
    if (!rc)
        snprintf(e->fingerprint, sizeof e->fingerprint, "%s", gate);
    const json_t *list = json_object_get(v, "outcomes");
    for (size_t i = 0; i < json_array_size(list) && !rc; i++)
        rc = add(e, json_array_get(list, i), err);
    if (rc)
        (void)rag_error_prefix(err, "%s", path);
    json_decref(v);
    rag_buf_free(&b);
    return rc;
}

static void print(const rag_gate_report *r) {
    static const char *const steps[] = {"before generating", "after"};
    printf("%zu answerable, %zu unanswerable questions; five-fold "
           "cross-validation:\n",
           r->answerable, r->unanswerable);
    for (int k = 0; k < 2; k++)
        printf("%-18s AUROC %.3f, false answers %.1f %% at 5 %% false "
               "refusals, %.1f %% at 10 %%; calibration error %.3f\n",
               steps[k], r->auroc[k], 100 * r->false_answers_at_5[k],
               100 * r->false_answers_at_10[k], r->calibration_error[k]);
}

int rag_fit_gate(const char *out, char *const *reports, size_t n,
                 rag_error *err) {
    examples e = {0};
    rag_gate *gate = NULL;
    rag_gate_report report;
    int rc = n ? 0
               : rag_error_set(err, RAG_E_USAGE,
                               "--fit-gate OUT REPORT...: which reports?");
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_report(reports[i], &e, err);
    if (!rc)
        rc = rag_gate_fit(e.of, e.n, e.fingerprint, &gate, &report, err);
    if (!rc)
        rc = rag_gate_save(gate, out, err);
    if (e.not_found)
        printf("%zu answerable questions whose document was not found are left "
               "out\n",
               e.not_found);
    if (!rc)
        print(&report);
    rag_gate_free(gate);
    free(e.of);
    return rc;
}
