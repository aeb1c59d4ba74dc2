/* eval_report.c - from outcomes to figures: JSON, a table, a comparison. */
#include "client/eval.h"

#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A growing list of figures; NAN values are not added. */
typedef struct series {
    double *x;
    size_t n, cap;
} series;

static int add(series *s, double v, rag_error *err) {
    if (isnan(v))
        return 0;
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        double *x = realloc(s->x, cap * sizeof *x);
        if (!x)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        s->x = x;
        s->cap = cap;
    }
    s->x[s->n++] = v;
    return 0;
}

static json_t *number(double v) {
    return isnan(v) ? json_null() : json_real(v);
}

static void put_interval(json_t *obj, const char *key, const series *s) {
    rag_interval v = rag_eval_bootstrap(s->x, s->n);

    if (s->n)
        json_object_set_new(obj, key,
                            json_pack("{s:o,s:o,s:o,s:I}", "mean",
                                      number(v.mean), "low", number(v.low),
                                      "high", number(v.high), "n",
                                      (json_int_t)v.n));
}

static void put_latency(json_t *obj, const char *key, series *s) {
    if (s->n)
        json_object_set_new(
            obj, key,
            json_pack("{s:o,s:o,s:o}", "p50",
                      number(rag_eval_quantile(s->x, s->n, .5)), "p90",
                      number(rag_eval_quantile(s->x, s->n, .9)), "p99",
                      number(rag_eval_quantile(s->x, s->n, .99))));
}

enum {
    HIT1,
    HIT5,
    HIT10,
    RECALL5,
    RECALL10,
    MRR,
    NDCG,
    SEARCH_MS,
    POS, /* confidence of answerable questions */
    NEG, /* and of others */
    RIGHT,
    WRONG_ANSWERED, /* unanswerable, yet answered */
    WRONG_REFUSED, /* answerable, yet refused */
    EXACT,
    F1,
    CITED,
    QUOTES,
    GROUNDED,
    EXTRACT,
    ASK_MS,
    FIRST_MS,
    SERIES
};

static int collect(const rag_eval_query *q, const rag_eval_outcome *o,
                   series *s, rag_error *err) {
    bool refused = o->asked && !strcmp(o->status, "refused");
    int rc = add(&s[SEARCH_MS], o->search_ms, err);

    if (!rc)
        rc = add(&s[q->answerable ? POS : NEG], o->confidence, err);
    if (!rc && q->nrelevant) {
        if ((rc = add(&s[HIT1], o->first == 1, err)) ||
            (rc = add(&s[HIT5], o->first && o->first <= 5, err)) ||
            (rc = add(&s[HIT10], o->first > 0, err)) ||
            (rc = add(&s[RECALL5], o->recall5, err)) ||
            (rc = add(&s[RECALL10], o->recall10, err)) ||
            (rc = add(&s[MRR], o->first ? 1.0 / o->first : 0, err)))
            return rc;
        rc = add(&s[NDCG], o->ndcg10, err);
    }
    if (rc || !o->asked)
        return rc;
    if ((rc = add(&s[q->answerable ? WRONG_REFUSED : WRONG_ANSWERED],
                  q->answerable ? refused : !refused, err)) ||
        (rc = add(&s[ASK_MS], o->ask_ms, err)) ||
        (rc = add(&s[FIRST_MS], o->first_ms, err)))
        return rc;
    if (q->answerable && q->nanswers &&
        ((rc = add(&s[RIGHT], o->right, err)) ||
         (rc = add(&s[EXACT], o->exact, err)) ||
         (rc = add(&s[F1], o->f1, err))))
        return rc;
    if (!o->given)
        return 0;
    if ((rc = add(&s[CITED], o->cited, err)) ||
        (rc = add(&s[QUOTES], o->exact_quotes, err)) ||
        (rc = add(&s[GROUNDED], o->numbers_grounded, err)))
        return rc;
    return add(&s[EXTRACT], !strcmp(o->status, "extract"), err);
}

static json_t *outcome_json(const rag_eval_query *q,
                            const rag_eval_outcome *o) {
    json_t *v = json_pack("{s:s,s:s,s:b,s:i,s:o,s:o}", "id", q->id, "question",
                          q->question, "answerable", q->answerable, "first",
                          q->nrelevant ? o->first : -1, "ndcg10",
                          number(q->nrelevant ? o->ndcg10 : NAN), "confidence",
                          number(o->confidence));

    if (v && o->asked) {
        json_object_set_new(v, "status", json_string(o->status));
        json_object_set_new(v, "answer",
                            json_string(o->answer ? o->answer : ""));
        json_object_set_new(v, "right", json_boolean(o->right));
        if (o->given) {
            json_object_set_new(v, "quotes_exact",
                                json_boolean(o->exact_quotes));
            json_object_set_new(v, "numbers_grounded",
                                json_boolean(o->numbers_grounded));
        }
        if (o->features)
            json_object_set(v, "features", o->features);
    }
    return v;
}

static json_t *status_mix(const rag_eval_set *set, const rag_eval_outcome *o) {
    static const char *const words[] = {"answered", "faq",     "extract",
                                        "clarify",  "refused", "error"};
    json_t *mix = json_object();

    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        json_int_t n = 0;
        for (size_t i = 0; i < set->n; i++)
            n += o[i].asked && !strcmp(o[i].status, words[w]);
        if (n)
            json_object_set_new(mix, words[w], json_integer(n));
    }
    return mix;
}

int rag_eval_report(const rag_eval_set *set, const rag_eval_outcome *o,
                    const rag_eval_about *about, json_t **out, rag_error *err) {
    static const char *const names[SERIES] = {
        [HIT1] = "hit@1",
        [HIT5] = "hit@5",
        [HIT10] = "hit@10",
        [RECALL5] = "recall@5",
        [RECALL10] = "recall@10",
        [MRR] = "mrr@10",
        [NDCG] = "ndcg@10",
        [RIGHT] = "answered_right",
        [WRONG_ANSWERED] = "wrongly_answered",
        [WRONG_REFUSED] = "wrongly_refused",
        [EXACT] = "exact_match",
        [F1] = "f1",
        [CITED] = "cited",
        [QUOTES] = "quotes_exact",
        [GROUNDED] = "numbers_grounded",
        [EXTRACT] = "extract_share",
    };
    series s[SERIES] = {{0}};
    json_t *report, *figures, *latency, *each, *refusal;
    int rc = 0;

    *out = NULL;
    for (size_t i = 0; i < set->n && !rc; i++)
        rc = collect(&set->queries[i], &o[i], s, err);
    if (rc)
        goto out;
    figures = json_object();
    for (int i = 0; i < SERIES; i++)
        if (names[i])
            put_interval(figures, names[i], &s[i]);
    refusal = json_pack(
        "{s:o,s:o,s:o,s:I,s:I}", "auroc",
        number(rag_eval_auroc(s[POS].x, s[POS].n, s[NEG].x, s[NEG].n)),
        "false_answers_at_5",
        number(rag_eval_false_answers(s[POS].x, s[POS].n, s[NEG].x, s[NEG].n,
                                      .05)),
        "false_answers_at_10",
        number(rag_eval_false_answers(s[POS].x, s[POS].n, s[NEG].x, s[NEG].n,
                                      .10)),
        "answerable", (json_int_t)s[POS].n, "unanswerable",
        (json_int_t)s[NEG].n);
    latency = json_object();
    put_latency(latency, "search", &s[SEARCH_MS]);
    put_latency(latency, "first_text", &s[FIRST_MS]);
    put_latency(latency, "ask", &s[ASK_MS]);
    each = json_array();
    for (size_t i = 0; i < set->n; i++)
        json_array_append_new(each, outcome_json(&set->queries[i], &o[i]));
    report = json_pack("{s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "set", set->name,
                       "questions", (json_int_t)set->n, "ingest_s",
                       number(about->ingest_s), "figures", figures, "refusal",
                       refusal, "latency_ms", latency, "status",
                       status_mix(set, o), "outcomes", each);
    if (report)
        json_object_set_new(report, "gate", json_string(about->gate));
    else
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
    *out = report;
out:
    for (int i = 0; i < SERIES; i++)
        free(s[i].x);
    return rc;
}

void rag_eval_print(const json_t *report) {
    const char *key;
    json_t *v;

    printf("%s: %lld questions, documents ingested in %.1f s\n\n",
           json_string_value(json_object_get(report, "set")),
           (long long)json_integer_value(json_object_get(report, "questions")),
           json_real_value(json_object_get(report, "ingest_s")));
    json_object_foreach(json_object_get(report, "figures"), key, v)
        printf("%-18s %.3f  [%.3f, %.3f]  n = %lld\n", key,
               json_real_value(json_object_get(v, "mean")),
               json_real_value(json_object_get(v, "low")),
               json_real_value(json_object_get(v, "high")),
               (long long)json_integer_value(json_object_get(v, "n")));
    v = json_object_get(report, "refusal");
    if (json_is_real(json_object_get(v, "auroc")))
        printf("\nanswerable against unanswerable: AUROC %.3f, false answers "
               "%.1f %% at 5 %% false refusals, %.1f %% at 10 %%\n",
               json_real_value(json_object_get(v, "auroc")),
               100 * json_real_value(json_object_get(v, "false_answers_at_5")),
               100 *
                   json_real_value(json_object_get(v, "false_answers_at_10")));
    printf("\n");
    json_object_foreach(json_object_get(report, "status"), key, v)
        printf("%-18s %lld\n", key, (long long)json_integer_value(v));
    json_object_foreach(json_object_get(report, "latency_ms"), key, v)
        printf("%-10s ms   p50 %.1f  p90 %.1f  p99 %.1f\n", key,
               json_real_value(json_object_get(v, "p50")),
               json_real_value(json_object_get(v, "p90")),
               json_real_value(json_object_get(v, "p99")));
}

static int load(const char *path, json_t **out, rag_error *err) {
    rag_buf b;
    int rc;

    rag_buf_init(&b, 0);
    rc = rag_file_read(path, RAG_BUF_MAX_DEFAULT - 1, &b, err);
    if (!rc)
        rc = rag_json_parse(rag_buf_str(&b), b.len, RAG_BUF_MAX_DEFAULT, out,
                            err);
    if (!rc && !json_is_array(json_object_get(*out, "outcomes")))
        rc = rag_error_set(err, RAG_E_DATA, "no \"outcomes\" in it");
    if (rc)
        rag_error_prefix(err, "%s", path);
    rag_buf_free(&b);
    return rc;
}

/* Prints how one question moved; returns -1, 0, 1: worse, same, better. */
static int moved(const json_t *a, const json_t *b) {
    double na = json_number_value(json_object_get(a, "ndcg10"));
    double nb = json_number_value(json_object_get(b, "ndcg10"));
    bool ra = json_is_true(json_object_get(a, "right"));
    bool rb = json_is_true(json_object_get(b, "right"));
    int way = nb > na + 1e-9 ? 1 : nb < na - 1e-9 ? -1 : rb - ra;

    if (way)
        printf("%c %-12s nDCG %.3f -> %.3f%s  %s\n", way > 0 ? '+' : '-',
               json_string_value(json_object_get(b, "id")), na, nb,
               ra == rb ? ""
               : rb     ? "  now right"
                        : "  no longer right",
               json_string_value(json_object_get(b, "question")));
    return way;
}

int rag_eval_compare(const char *path_a, const char *path_b, rag_error *err) {
    json_t *a = NULL, *b = NULL, *oa, *ob, *item;
    size_t i, better = 0, worse = 0;
    series diff = {0};
    rag_interval d;
    int rc;

    if ((rc = load(path_a, &a, err)) || (rc = load(path_b, &b, err)))
        goto out;
    oa = json_object_get(a, "outcomes");
    ob = json_object_get(b, "outcomes");
    if (json_array_size(oa) != json_array_size(ob)) {
        rc = rag_error_set(err, RAG_E_DATA,
                           "%s and %s are not of the same "
                           "questions",
                           path_a, path_b);
        goto out;
    }
    json_array_foreach(ob, i, item) {
        const json_t *before = json_array_get(oa, i);
        int way;

        if (!json_equal(json_object_get(before, "id"),
                        json_object_get(item, "id"))) {
            rc = rag_error_set(err, RAG_E_DATA,
                               "question %zu differs between %s and %s", i + 1,
                               path_a, path_b);
            goto out;
        }
        way = moved(before, item);
        better += way > 0;
        worse += way < 0;
        if (json_is_number(json_object_get(item, "ndcg10")) &&
            (rc = add(&diff,
                      json_number_value(json_object_get(item, "ndcg10")) -
                          json_number_value(json_object_get(before, "ndcg10")),
                      err)))
            goto out;
    }
    d = rag_eval_bootstrap(diff.x, diff.n);
    printf("%zu better, %zu worse of %zu; nDCG@10 %+.4f [%+.4f, %+.4f] "
           "(paired bootstrap)\n",
           better, worse, json_array_size(ob), d.mean, d.low, d.high);
out:
    free(diff.x);
    json_decref(a);
    json_decref(b);
    return rc;
}
