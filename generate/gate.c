/*
 * gate.c - does the evidence answer the question? A fitted probability.
 *
 * Called by ragd's pipeline (measure, probability) from any thread and by the
 * fitting command; a gate is immutable once made.
 *
 * Logistic regression with an L2 penalty, by Newton's method (Hastie,
 * Tibshirani, Friedman, "The Elements of Statistical Learning", 4.4.1), on
 * standardised features. The penalty is on what differs from the built-in gate,
 * so that few questions move it a little and many wherever they want. Everything
 * reported, thresholds included, comes from five-fold cross-validation, so that
 * a gate does not judge itself on what it has seen.
 */
#include "generate/generate_int.h"
#include "generate/ground_ctx.h"

#include "base/file.h"
#include "base/json.h"
#include "base/unicode.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GATE_VERSION 1
#define GATE_EACH_MIN 20
#define GATE_FOLDS 5
#define GATE_PENALTY 10.0
#define GATE_CURVE 41 /* points of each trade-off curve */
#define GATE_FILE_MAX ((size_t)1 << 20)

enum { N = RAG_GATE_FEATURES };

/* Places in the list below. */
enum { RAG_GATE_READ_FIRST = 13, RAG_GATE_REFUSAL = 16 };

const char *const rag_gate_feature_names[RAG_GATE_FEATURES] = {
    "fused_top",   "fused_margin", "vector_top", "vector_margin", "lexical_top",
    "agree",       "cover_all",    "cover_best", "cover_names",   "type_there",
    "words",       "korean",       "sentence",   "read_answers",  "read_span",
    "read_margin", "refusal",      "grounded",   "quote_cover"};

typedef struct step {
    double mean[N], scale[N], weight[N], bias;
    /* Rates at ascending thresholds, by cross-validation. */
    double threshold[GATE_CURVE], answered[GATE_CURVE], refused[GATE_CURVE];
    size_t points;
} step;

struct rag_gate {
    step step[2];
    char *fingerprint;
};

/* Not every installation measures these: without a reading model, with an
 * endpoint that does not tell its probabilities. */
static bool optional(int feature) {
    return feature >= RAG_GATE_READ_FIRST && feature <= RAG_GATE_REFUSAL;
}

static int features_of(int which) {
    return which == 0 ? RAG_GATE_FIRST : N;
}

/* ---- measuring ------------------------------------------------------------------- */

typedef struct cover {
    double weight[RAG_FACT_WORDS_MAX];
    double total;
} cover;

static void weigh_words(const rag_ground_ctx *c, cover *w) {
    const rag_facts *q = &c->question;
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < q->nwords; i++) {
        size_t df = 0;
        if (!q->word[i].content || q->word[i].strict)
            continue;
        for (size_t s = 0; s < c->n; s++)
            df += rag_words_have(&c->source[s].facts, q, &q->word[i]);
        w->weight[i] =
            log(1.5 + ((double)c->n - (double)df + 0.5) / ((double)df + 0.5));
        w->total += w->weight[i];
    }
}

/* Share of the question's words in [first, first + count), headings too. */
static double share(const rag_ground_ctx *c, const cover *w, size_t first,
                    size_t count) {
    const rag_facts *q = &c->question;
    double got = 0;
    for (size_t i = 0; i < q->nwords; i++) {
        bool here = false;
        if (w->weight[i] <= 0)
            continue;
        for (size_t k = first; k < first + count && !here; k++)
            here = rag_words_have(&c->source[k].facts, q, &q->word[i]) ||
                   rag_words_have(&c->head[c->source[k].item], q, &q->word[i]);
        got += here ? w->weight[i] : 0;
    }
    return w->total > 0 ? got / w->total : 0;
}

/* Share of the question's numbers, codes and capitalised names that the
 * evidence has; 1 when it has none. */
static double names_share(const rag_ground_ctx *c, const char *question) {
    const rag_facts *q = &c->question;
    size_t asked = 0, there = 0, at;
    for (size_t i = 0; i < q->nnumbers; i += rag_numbers_run(q, i)) {
        bool found = false;
        asked++;
        for (size_t s = 0; s < c->n && !found; s++)
            found = rag_numbers_have(&c->source[s].facts, q, i,
                                     rag_numbers_run(q, i), NULL, &at) ||
                    rag_numbers_have(&c->head[c->source[s].item], q, i,
                                     rag_numbers_run(q, i), NULL, &at);
        there += found;
    }
    for (const char *p = question; *p;) {
        size_t n = strcspn(p, " ");
        if (p > question && n > 1 && *p >= 'A' && *p <= 'Z') {
            rag_facts *f = malloc(sizeof *f);
            if (f && rag_facts_read(p, n, f, NULL) == 0) {
                for (size_t i = 0; i < f->nwords; i++) {
                    if (!f->word[i].content || f->word[i].strict)
                        continue;
                    bool found = false;
                    for (size_t s = 0; s < c->n && !found; s++)
                        found = rag_words_have(&c->source[s].facts, f,
                                               &f->word[i]) ||
                                rag_words_have(&c->head[c->source[s].item], f,
                                               &f->word[i]);
                    asked++;
                    there += found;
                }
                rag_facts_free(f);
            }
            free(f);
        }
        p += n + (p[n] == ' ');
    }
    return asked ? (double)there / (double)asked : 1.0;
}

static double quote_share(const rag_ground_ctx *c, const cover *w,
                          const rag_grounding *g) {
    double best = 0;
    if (!g)
        return 0;
    for (size_t i = 0; i < g->ncitations; i++) {
        size_t first = 0, count = 0;
        for (size_t s = 0; s < c->n; s++)
            if (c->source[s].item == g->citations[i].item &&
                c->source[s].start >= g->citations[i].start &&
                c->source[s].end <= g->citations[i].end) {
                if (!count)
                    first = s;
                count = s - first + 1;
            }
        best = fmax(best, share(c, w, first, count));
    }
    return best;
}

int rag_gate_measure(const char *question, const rag_gate_signals *signals,
                     const rag_evidence *ev, const rag_passage *passages,
                     const rag_sentences *sentences, double refusal_logprob,
                     const rag_grounding *grounding,
                     double out[RAG_GATE_FEATURES], rag_error *err) {
    rag_ground_ctx c;
    memset(out, 0, N * sizeof *out);
    int rc = rag_ground_ctx_open(question, ev, passages, sentences, &c, err);
    if (rc)
        return rc;
    cover *w = malloc(sizeof *w);
    if (!w) {
        rag_ground_ctx_free(&c);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    weigh_words(&c, w);
    if (signals) {
        out[0] = signals->fused_top;
        out[1] = signals->fused_top - signals->fused_second;
        out[2] = signals->vector_top;
        out[3] = signals->vector_top - signals->vector_second;
        out[4] = log1p(fmax(signals->lexical_top, 0));
        out[5] = signals->agree;
    }
    out[6] = share(&c, w, 0, c.n);
    bool number = false;
    for (size_t i = 0; i < c.n; i++) {
        out[7] = fmax(out[7], share(&c, w, i, 1));
        number = number || c.source[i].facts.nnumbers > 0;
    }
    out[8] = names_share(&c, question);
    out[9] = !rag_asks_number(c.question.text.data) ? 0.5 : number;
    size_t words = 0;
    for (size_t i = 0; i < c.question.nwords; i++)
        words += c.question.word[i].content;
    out[10] = log1p((double)words);
    out[11] = c.question.korean;
    for (size_t i = 0; i < ev->n; i++)
        out[12] = fmax(out[12], ev->items[i].cosine);
    out[RAG_GATE_READ_FIRST] = ev->read ? ev->answers : NAN;
    out[RAG_GATE_READ_FIRST + 1] = ev->read ? ev->span : NAN;
    out[RAG_GATE_READ_FIRST + 2] = ev->read ? ev->next : NAN;
    if (!isnan(refusal_logprob)) {
        /* As log odds, kept in bounds. */
        double p = exp(fmin(refusal_logprob, 0));
        p = fmin(fmax(p, 1e-5), 1 - 1e-5);
        out[RAG_GATE_REFUSAL] = log(p / (1 - p));
    } else if (grounding) {
        out[RAG_GATE_REFUSAL] = NAN; /* this endpoint does not tell */
    }
    out[17] = grounding && grounding->verdict == RAG_GROUND_OK;
    out[18] = quote_share(&c, w, grounding);
    free(w);
    rag_ground_ctx_free(&c);
    return 0;
}

/* ---- fitting ---------------------------------------------------------------------- */

static double sigmoid(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double score(const step *s, int n, const double *f) {
    double x = s->bias;
    for (int j = 0; j < n; j++)
        if (!isnan(f[j])) /* not measured: neither for nor against */
            x += s->weight[j] * (f[j] - s->mean[j]) / s->scale[j];
    return x;
}

/* Solves the symmetric positive definite a x = b in place (Cholesky). */
static bool solve(double a[N + 1][N + 1], double b[N + 1], int n) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j <= i; j++) {
            double x = a[i][j];
            for (int k = 0; k < j; k++)
                x -= a[i][k] * a[j][k];
            if (i == j) {
                if (x <= 0)
                    return false;
                a[i][i] = sqrt(x);
            } else {
                a[i][j] = x / a[j][j];
            }
        }
    }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            b[i] -= a[i][k] * b[k];
        b[i] /= a[i][i];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int k = i + 1; k < n; k++)
            b[i] -= a[k][i] * b[k];
        b[i] /= a[i][i];
    }
    return true;
}

static void standardise(const rag_gate_example *ex, size_t n, int fold, int nf,
                        const step *prior, step *s) {
    for (int j = 0; j < nf; j++) {
        double sum = 0, sq = 0, count = 0;
        for (size_t i = 0; i < n; i++) {
            if (fold >= 0 && (int)(i % GATE_FOLDS) == fold)
                continue;
            if (isnan(ex[i].feature[j]))
                continue; /* not measured */
            sum += ex[i].feature[j];
            sq += ex[i].feature[j] * ex[i].feature[j];
            count++;
        }
        s->mean[j] = count > 0 ? sum / count : prior->mean[j];
        double var = count > 0 ? sq / count - s->mean[j] * s->mean[j] : 0;
        /* A feature that never changes tells nothing. */
        s->scale[j] = var > 1e-12 ? sqrt(var) : 1e9;
    }
}

/* Newton's method on all examples but those of one fold (-1: on all); w is what
 * is added to the prior's weights. */
static bool fit_step(const rag_gate_example *ex, size_t n, int fold, int nf,
                     const step *prior, step *s) {
    double w[N + 1] = {0}; /* bias last */
    standardise(ex, n, fold, nf, prior, s);
    for (int round = 0; round < 50; round++) {
        double h[N + 1][N + 1] = {{0}}, g[N + 1] = {0}, x[N + 1];
        for (size_t i = 0; i < n; i++) {
            if (fold >= 0 && (int)(i % GATE_FOLDS) == fold)
                continue;
            double z = w[nf] + score(prior, nf, ex[i].feature);
            for (int j = 0; j < nf; j++) {
                x[j] = isnan(ex[i].feature[j])
                           ? 0
                           : (ex[i].feature[j] - s->mean[j]) / s->scale[j];
                z += w[j] * x[j];
            }
            x[nf] = 1;
            double p = sigmoid(z), v = fmax(p * (1 - p), 1e-9);
            double d = (ex[i].answerable ? 1.0 : 0.0) - p;
            for (int j = 0; j <= nf; j++) {
                g[j] += d * x[j];
                for (int k = 0; k <= j; k++)
                    h[j][k] += v * x[j] * x[k];
            }
        }
        for (int j = 0; j < nf; j++) {
            g[j] -= GATE_PENALTY * w[j];
            h[j][j] += GATE_PENALTY;
        }
        h[nf][nf] += 1e-6;
        if (!solve(h, g, nf + 1))
            return false;
        double moved = 0;
        for (int j = 0; j <= nf; j++) {
            double by = fmin(fmax(g[j], -4), 4);
            w[j] += by;
            moved = fmax(moved, fabs(by));
        }
        if (moved < 1e-8)
            break;
    }
    s->bias = prior->bias + w[nf];
    for (int j = 0; j < nf; j++) {
        double known = prior->weight[j] / prior->scale[j];
        s->weight[j] = known * s->scale[j] + w[j];
        s->bias += known * (s->mean[j] - prior->mean[j]);
    }
    for (int j = nf; j < N; j++) {
        s->weight[j] = s->mean[j] = 0;
        s->scale[j] = 1;
    }
    return isfinite(s->bias);
}

typedef struct judged {
    double p;
    bool answerable;
} judged;

static int by_p(const void *a, const void *b) {
    const judged *x = a, *y = b;
    return x->p < y->p ? -1 : x->p > y->p;
}

/* Rates at each of GATE_CURVE thresholds, cut at the judged values. */
static void draw_curve(step *s, const judged *j, size_t n, size_t good,
                       size_t bad) {
    s->points = GATE_CURVE;
    for (size_t k = 0; k < GATE_CURVE; k++) {
        size_t at = k * n / (GATE_CURVE - 1);
        double t = at < n ? j[at].p : fmin(j[n - 1].p + 1e-9, 1.0);
        size_t refused = 0, answered = 0;
        if (k == 0)
            t = 0;
        for (size_t i = 0; i < n; i++) {
            refused += j[i].answerable && j[i].p < t;
            answered += !j[i].answerable && j[i].p >= t;
        }
        s->threshold[k] = t;
        s->refused[k] = (double)refused / (double)good;
        s->answered[k] = (double)answered / (double)bad;
    }
}

static double false_answers_at(const judged *j, size_t n, size_t good,
                               size_t bad, double refusals) {
    /* The highest threshold that refuses at most so many good ones. */
    size_t allowed = (size_t)((double)good * refusals + 1e-9), seen = 0, i = 0;
    while (i < n && seen + j[i].answerable <= allowed)
        seen += j[i++].answerable;
    size_t answered = 0;
    for (; i < n; i++)
        answered += !j[i].answerable;
    return (double)answered / (double)bad;
}

static double auroc_of(const judged *j, size_t n, size_t good, size_t bad) {
    double sum = 0;
    size_t below = 0;
    for (size_t i = 0; i < n;) {
        size_t e = i, g = 0, b = 0;
        for (; e < n && j[e].p == j[i].p; e++) {
            g += j[e].answerable;
            b += !j[e].answerable;
        }
        sum += (double)g * ((double)below + 0.5 * (double)b);
        below += b;
        i = e;
    }
    return sum / ((double)good * (double)bad);
}

static double calibration_of(const judged *j, size_t n) {
    double err = 0;
    for (size_t b = 0; b < 10; b++) {
        size_t lo = b * n / 10, hi = (b + 1) * n / 10;
        double p = 0, o = 0;
        for (size_t i = lo; i < hi; i++) {
            p += j[i].p;
            o += j[i].answerable;
        }
        err += fabs(p - o);
    }
    return err / (double)n;
}

/* Judges every example by a step fitted without its fold, into j; loss: the
 * mean negative log-likelihood. */
static int cross_validate(const rag_gate_example *ex, size_t n, int nf,
                          const step *prior, judged *j, double *loss,
                          rag_error *err) {
    *loss = 0;
    for (int fold = 0; fold < GATE_FOLDS; fold++) {
        step part = {.bias = 0};
        if (!fit_step(ex, n, fold, nf, prior, &part))
            return rag_error_set(err, RAG_E_DATA,
                                 "the gate's features cannot be fitted");
        for (size_t i = (size_t)fold; i < n; i += GATE_FOLDS) {
            double z = score(&part, nf, ex[i].feature);
            j[i] = (judged){sigmoid(z), ex[i].answerable};
            *loss -= log(fmax(sigmoid(ex[i].answerable ? z : -z), 1e-12));
        }
    }
    *loss /= (double)n;
    return 0;
}

/*
 * From the built-in step, or from nothing where that predicts better what was
 * left out: with a few dozen questions like ours the first knows more, with
 * others it is in the way.
 */
static int fit_best(const rag_gate_example *ex, size_t n, int which,
                    size_t good, const step *built_in, step *s,
                    rag_gate_report *report, rag_error *err) {
    int nf = features_of(which);
    step nothing = {.bias = 0};
    for (int k = 0; k < N; k++)
        nothing.scale[k] = 1;
    const step *from[2] = {built_in, &nothing};
    judged *j = calloc(2 * n, sizeof *j);
    double loss[2];
    int rc = 0;
    if (!j)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (int k = 0; k < 2 && !rc; k++)
        rc = cross_validate(ex, n, nf, from[k], j + (size_t)k * n, &loss[k],
                            err);
    int best = !rc && loss[1] < loss[0];
    if (!rc && !fit_step(ex, n, -1, nf, from[best], s))
        rc = rag_error_set(err, RAG_E_DATA,
                           "the gate's features cannot be fitted");
    if (!rc) {
        judged *of = j + (size_t)best * n;
        size_t bad = n - good;
        qsort(of, n, sizeof *of, by_p);
        draw_curve(s, of, n, good, bad);
        report->auroc[which] = auroc_of(of, n, good, bad);
        report->false_answers_at_5[which] =
            false_answers_at(of, n, good, bad, 0.05);
        report->false_answers_at_10[which] =
            false_answers_at(of, n, good, bad, 0.10);
        report->calibration_error[which] = calibration_of(of, n);
    }
    free(j);
    return rc;
}

/* Those the generator spoke to, in front of all; false when too few. */
static bool only_generated(const rag_gate_example *all, size_t n,
                           rag_gate_example *out, size_t *k, size_t *good) {
    *k = *good = 0;
    for (size_t i = 0; i < n; i++)
        if (all[i].generated) {
            out[(*k)++] = all[i];
            *good += all[i].answerable;
        }
    return *good >= GATE_EACH_MIN && *k - *good >= GATE_EACH_MIN;
}

/* Whether the reading model was at work. */
static bool was_read(const rag_gate_example *ex, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isnan(ex[i].feature[RAG_GATE_READ_FIRST]))
            return true;
    return false;
}

int rag_gate_fit(const rag_gate_example *examples, size_t n,
                 const char *fingerprint, rag_gate **out,
                 rag_gate_report *report, rag_error *err) {
    rag_gate_report own;
    if (!report)
        report = &own;
    *out = NULL;
    memset(report, 0, sizeof *report);
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        good += examples[i].answerable;
        for (int j = 0; j < N; j++)
            if (!isfinite(examples[i].feature[j]) &&
                !(isnan(examples[i].feature[j]) && optional(j)))
                return rag_error_set(err, RAG_E_DATA,
                                     "example %zu: %s is not a number", i + 1,
                                     rag_gate_feature_names[j]);
    }
    size_t bad = n - good;
    report->answerable = good;
    report->unanswerable = bad;
    if (good < GATE_EACH_MIN || bad < GATE_EACH_MIN)
        return rag_error_set(err, RAG_E_DATA,
                             "fitting the gate needs at least %d answerable "
                             "and %d unanswerable questions; there are %zu "
                             "and %zu",
                             GATE_EACH_MIN, GATE_EACH_MIN, good, bad);
    rag_gate *prior = NULL, *g = calloc(1, sizeof *g);
    rag_gate_example *spoken = calloc(n, sizeof *spoken);
    int rc = g && spoken ? rag_gate_default(was_read(examples, n), &prior, err)
                         : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (!rc)
        rc = rag_str_dup(fingerprint ? fingerprint : "", &g->fingerprint, err);
    for (int k = 0; k < 2 && !rc; k++) {
        size_t some, some_good;
        if (k == 1 && only_generated(examples, n, spoken, &some, &some_good)) {
            examples = spoken;
            n = some;
            good = some_good;
            bad = n - good;
        }
        rc = fit_best(examples, n, k, good, &prior->step[k], &g->step[k],
                      report, err);
    }
    free(spoken);
    rag_gate_free(prior);
    if (rc)
        rag_gate_free(g);
    else
        *out = g;
    return rc;
}

/* ---- use ------------------------------------------------------------------------------ */

void rag_gate_free(rag_gate *g) {
    if (!g)
        return;
    free(g->fingerprint);
    free(g);
}

double rag_gate_probability(const rag_gate *g, int which,
                            const double feature[RAG_GATE_FEATURES]) {
    double p =
        sigmoid(score(&g->step[which != 0], features_of(which != 0), feature));
    return fmin(fmax(p, 1e-9), 1 - 1e-9);
}

double rag_gate_threshold(const rag_gate *g, int which,
                          double max_false_answers, double *false_refusals) {
    const step *s = &g->step[which != 0];
    size_t k = 0;
    while (k < s->points && s->answered[k] > max_false_answers)
        k++;
    if (false_refusals)
        *false_refusals = k < s->points ? s->refused[k] : 1;
    return k < s->points ? s->threshold[k] : 1;
}

/* ---- file ----------------------------------------------------------------------------- */

static json_t *numbers(const double *v, size_t n) {
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++)
        if (json_array_append_new(a, json_real(v[i])) != 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static json_t *step_json(const step *s, int nf) {
    return json_pack("{s:o,s:o,s:o,s:f,s:o,s:o,s:o}", "mean",
                     numbers(s->mean, (size_t)nf), "scale",
                     numbers(s->scale, (size_t)nf), "weight",
                     numbers(s->weight, (size_t)nf), "bias", s->bias,
                     "threshold", numbers(s->threshold, s->points),
                     "false_answers", numbers(s->answered, s->points),
                     "false_refusals", numbers(s->refused, s->points));
}

int rag_gate_save(const rag_gate *g, const char *path, rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, GATE_FILE_MAX);
    json_t *names = json_array();
    for (int j = 0; names && j < N; j++)
        (void)json_array_append_new(names,
                                    json_string(rag_gate_feature_names[j]));
    json_t *o = json_pack("{s:i,s:s,s:o,s:o,s:o}", "version", GATE_VERSION,
                          "fingerprint", g->fingerprint, "features", names,
                          "first", step_json(&g->step[0], RAG_GATE_FIRST),
                          "second", step_json(&g->step[1], N));
    int rc = o ? rag_json_dump(o, &b, err)
               : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (!rc)
        rc = rag_buf_append_char(&b, '\n', err);
    if (!rc)
        rc = rag_file_replace(path, b.data, b.len, 0644, err);
    json_decref(o);
    rag_buf_free(&b);
    return rc;
}

static bool read_numbers(const json_t *o, const char *key, double *out,
                         size_t n) {
    const json_t *a = json_object_get(o, key);
    if (json_array_size(a) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(a, i);
        if (!json_is_number(v) || !isfinite(json_number_value(v)))
            return false;
        out[i] = json_number_value(v);
    }
    return true;
}

static bool read_step(const json_t *o, int nf, step *s) {
    const json_t *bias = json_object_get(o, "bias");
    s->points = json_array_size(json_object_get(o, "threshold"));
    if (s->points < 2 || s->points > GATE_CURVE || !json_is_number(bias) ||
        !read_numbers(o, "mean", s->mean, (size_t)nf) ||
        !read_numbers(o, "scale", s->scale, (size_t)nf) ||
        !read_numbers(o, "weight", s->weight, (size_t)nf) ||
        !read_numbers(o, "threshold", s->threshold, s->points) ||
        !read_numbers(o, "false_answers", s->answered, s->points) ||
        !read_numbers(o, "false_refusals", s->refused, s->points))
        return false;
    s->bias = json_number_value(bias);
    for (int j = 0; j < nf; j++)
        if (fabs(s->scale[j]) < DBL_MIN)
            return false;
    for (int j = nf; j < N; j++)
        s->scale[j] = 1;
    return isfinite(s->bias);
}

static int read_gate(const json_t *o, const char *path, const char *fingerprint,
                     rag_gate *g, rag_error *err) {
    const json_t *names = json_object_get(o, "features");
    const char *fp = json_string_value(json_object_get(o, "fingerprint"));
    bool same =
        json_array_size(names) == N &&
        json_integer_value(json_object_get(o, "version")) == GATE_VERSION;
    for (int j = 0; same && j < N; j++) {
        const char *s = json_string_value(json_array_get(names, (size_t)j));
        same = s && strcmp(s, rag_gate_feature_names[j]) == 0;
    }
    if (!same)
        return rag_error_set(err, RAG_E_MISMATCH,
                             "%s was made by another version: fit the gate "
                             "again",
                             path);
    if (!fp ||
        !read_step(json_object_get(o, "first"), RAG_GATE_FIRST, &g->step[0]) ||
        !read_step(json_object_get(o, "second"), N, &g->step[1]))
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s is damaged: fit the gate again", path);
    if (fingerprint && strcmp(fp, fingerprint) != 0)
        return rag_error_set(err, RAG_E_MISMATCH,
                             "%s was fitted with another index or model: fit "
                             "the gate again",
                             path);
    return rag_str_dup(fp, &g->fingerprint, err);
}

static int parse_gate(const char *s, size_t n, const char *path,
                      const char *fingerprint, rag_gate **out, rag_error *err) {
    json_t *o = NULL;
    *out = NULL;
    rag_gate *g = calloc(1, sizeof *g);
    if (!g)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = rag_json_parse(s, n, GATE_FILE_MAX, &o, err);
    if (rc)
        (void)rag_error_prefix(err, "%s", path);
    else
        rc = read_gate(o, path, fingerprint, g, err);
    json_decref(o);
    if (rc)
        rag_gate_free(g);
    else
        *out = g;
    return rc;
}

int rag_gate_load(const char *path, const char *fingerprint, rag_gate **out,
                  rag_error *err) {
    rag_buf b;
    *out = NULL;
    rag_buf_init(&b, GATE_FILE_MAX + 1);
    int rc = rag_file_read(path, GATE_FILE_MAX, &b, err);
    if (!rc)
        rc = parse_gate(rag_buf_str(&b), b.len, path, fingerprint, out, err);
    rag_buf_free(&b);
    return rc;
}

int rag_gate_default(bool read, rag_gate **out, rag_error *err) {
    const char *s = read ? rag_gate_read_json : rag_gate_default_json;
    return parse_gate(s, strlen(s), "the built-in gate", NULL, out, err);
}
