/*
 * eval_html.c - the report as one page: no script, no font, no picture from
 * elsewhere. Every text from the set is escaped.
 */
#include "client/eval.h"

#include "base/file.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORST_MAX 60
#define PLOT 260 /* pixels a side */

static void text(rag_buf *b, const char *s) {
    for (; s && *s; s++)
        switch (*s) {
        case '<':
            rag_buf_append_str(b, "&lt;", NULL);
            break;
        case '>':
            rag_buf_append_str(b, "&gt;", NULL);
            break;
        case '&':
            rag_buf_append_str(b, "&amp;", NULL);
            break;
        case '"':
            rag_buf_append_str(b, "&quot;", NULL);
            break;
        default:
            rag_buf_append_char(b, *s, NULL);
        }
}

static const char *str(const json_t *v, const char *key) {
    const char *s = json_string_value(json_object_get(v, key));
    return s ? s : "";
}

static double num(const json_t *v, const char *key) {
    const json_t *x = json_object_get(v, key);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

static const char head[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;"
    "margin:2rem auto;padding:0 1rem;color:#1d2730}h1{font-size:1.5rem}"
    "h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;"
    "width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #dde3e8;"
    "text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    ".row{display:flex;gap:2rem;flex-wrap:wrap}svg{background:#f6f8fa;"
    "border-radius:6px}.bad{color:#b3261e}.ok{color:#1a7f4b}"
    "small{color:#5b6770}</style>";

static void figures(rag_buf *b, const json_t *report) {
    const char *key;
    json_t *v;

    rag_buf_append_str(b,
                       "<h2>Figures</h2><table><tr><th>figure<th>mean<th>95 "
                       "% interval<th><th>n",
                       NULL);
    json_object_foreach(json_object_get(report, "figures"), key, v) {
        double mean = num(v, "mean"), low = num(v, "low"),
               high = num(v, "high");
        rag_buf_append_str(b, "<tr><td>", NULL);
        text(b, key);
        rag_buf_printf(
            b, NULL,
            "<td class=n>%.3f<td class=n>%.3f – %.3f<td><svg width=200 "
            "height=14><rect x=0 y=6 width=200 height=2 "
            "fill=\"#dde3e8\"/><rect x=%.1f y=4 width=%.1f height=6 "
            "fill=\"#8fb8de\"/><rect x=%.1f y=1 width=3 height=12 "
            "fill=\"#1f5f99\"/></svg><td class=n>%.0f",
            mean, low, high, 200 * low, fmax(1, 200 * (high - low)),
            fmax(0, 200 * mean - 1.5), num(v, "n"));
    }
    rag_buf_append_str(b, "</table>", NULL);
}

static void status_mix(rag_buf *b, const json_t *report) {
    const json_t *mix = json_object_get(report, "status");
    double all = num(report, "questions");
    const char *key;
    json_t *v;

    if (!json_object_size(mix))
        return;
    rag_buf_append_str(b,
                       "<h2>Answers by status</h2><table><tr><th>status<th>"
                       "questions<th>share",
                       NULL);
    json_object_foreach((json_t *)(uintptr_t)mix, key, v) {
        rag_buf_append_str(b, "<tr><td>", NULL);
        text(b, key);
        rag_buf_printf(b, NULL, "<td class=n>%.0f<td class=n>%.1f %%",
                       json_number_value(v),
                       100 * json_number_value(v) / fmax(1, all));
    }
    rag_buf_append_str(b, "</table>", NULL);
}

static void rank_bars(rag_buf *b, const json_t *outcomes) {
    size_t count[12] = {0}, most = 1, i;
    const json_t *o;

    json_array_foreach(outcomes, i, o) {
        double first = num(o, "first");
        if (first >= 0)
            count[first > 10 ? 11 : (size_t)first]++;
    }
    for (i = 0; i <= 10; i++)
        most = count[i] > most ? count[i] : most;
    rag_buf_append_str(b,
                       "<div><h2>Rank of the first right document</h2><svg "
                       "width=360 height=200>",
                       NULL);
    for (i = 1; i <= 11; i++) {
        size_t n = i == 11 ? count[0] : count[i];
        double h = 150.0 * (double)n / (double)most;
        rag_buf_printf(b, NULL,
                       "<rect x=%zu y=%.1f width=22 height=%.1f fill=\"%s\"/>"
                       "<text x=%zu y=186 font-size=11 "
                       "text-anchor=middle>%s</text><text x=%zu y=%.1f "
                       "font-size=10 text-anchor=middle>%zu</text>",
                       i * 31 - 16, 170 - h, h, i == 11 ? "#c9584f" : "#1f5f99",
                       i * 31 - 5,
                       i == 11 ? "none"
                               : (const char *[]){"", "1", "2", "3", "4", "5",
                                                  "6", "7", "8", "9", "10"}[i],
                       i * 31 - 5, 166 - h, n);
    }
    rag_buf_append_str(b, "</svg></div>", NULL);
}

typedef struct scored {
    double score;
    bool positive;
} scored;

static int by_score(const void *a, const void *b) {
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x < y) - (x > y);
}

/* Answered answerable (up) against answered unanswerable (right). */
static void roc(rag_buf *b, const json_t *outcomes) {
    size_t n = json_array_size(outcomes), used = 0, pos = 0, neg = 0, i;
    scored *s = calloc(n ? n : 1, sizeof *s);
    double up = 0, right = 0;
    const json_t *o;

    if (!s)
        return;
    json_array_foreach(outcomes, i, o) {
        double c = num(o, "confidence");
        if (isnan(c))
            continue;
        s[used].score = c;
        s[used].positive = json_is_true(json_object_get(o, "answerable"));
        pos += s[used].positive;
        neg += !s[used++].positive;
    }
    if (pos && neg) {
        qsort(s, used, sizeof *s, by_score);
        rag_buf_printf(b, NULL,
                       "<div><h2>Refusing: ROC</h2><svg width=%d height=%d>"
                       "<line x1=0 y1=%d x2=%d y2=0 stroke=\"#c5ced6\"/>"
                       "<polyline fill=none stroke=\"#1f5f99\" "
                       "stroke-width=2 points=\"0,%d",
                       PLOT, PLOT, PLOT, PLOT, PLOT);
        for (i = 0; i < used; i++) {
            up += s[i].positive ? 1.0 / (double)pos : 0;
            right += s[i].positive ? 0 : 1.0 / (double)neg;
            if (i + 1 == used || s[i].score > s[i + 1].score)
                rag_buf_printf(b, NULL, " %.1f,%.1f", right * PLOT,
                               PLOT - up * PLOT);
        }
        rag_buf_append_str(b,
                           "\"/></svg><br><small>up: answerable questions "
                           "let through; right: unanswerable ones</small>"
                           "</div>",
                           NULL);
    }
    free(s);
}

static void worst(rag_buf *b, const json_t *outcomes) {
    const json_t *o;
    size_t i, shown = 0;

    rag_buf_append_str(b,
                       "<h2>Questions to look at</h2><table><tr><th>id<th>"
                       "question<th>rank<th>status<th>answer",
                       NULL);
    json_array_foreach(outcomes, i, o) {
        double first = num(o, "first");
        bool answerable = json_is_true(json_object_get(o, "answerable"));
        bool refused = !strcmp(str(o, "status"), "refused");
        bool asked = json_object_get(o, "status") != NULL;
        /* These two must never be: the checks have failed. */
        bool broken = json_is_false(json_object_get(o, "quotes_exact")) ||
                      json_is_false(json_object_get(o, "numbers_grounded"));
        bool bad = broken || first == 0 || first > 5 ||
                   (asked && answerable == refused);

        if (!bad || shown++ >= WORST_MAX)
            continue;
        rag_buf_append_str(b, "<tr><td>", NULL);
        text(b, str(o, "id"));
        rag_buf_append_str(b, "<td>", NULL);
        text(b, str(o, "question"));
        if (!answerable)
            rag_buf_append_str(b, "<td><small>unanswerable</small><td>", NULL);
        else if (first > 0)
            rag_buf_printf(b, NULL, "<td class=n>%.0f<td>", first);
        else
            rag_buf_append_str(b, "<td class=n>&gt; 10<td>", NULL);
        text(b, str(o, "status"));
        rag_buf_append_str(b, "<td>", NULL);
        text(b, str(o, "answer"));
    }
    rag_buf_append_str(b, "</table>", NULL);
    if (shown > WORST_MAX)
        rag_buf_printf(b, NULL, "<p><small>and %zu more</small>",
                       shown - WORST_MAX);
}

static void latency(rag_buf *b, const json_t *report) {
    const char *key;
    json_t *v;

    rag_buf_append_str(b,
                       "<h2>Latency</h2><table><tr><th>step<th>p50 ms<th>p90 "
                       "ms<th>p99 ms",
                       NULL);
    json_object_foreach(json_object_get(report, "latency_ms"), key, v) {
        rag_buf_append_str(b, "<tr><td>", NULL);
        text(b, key);
        rag_buf_printf(b, NULL,
                       "<td class=n>%.1f<td class=n>%.1f<td "
                       "class=n>%.1f",
                       num(v, "p50"), num(v, "p90"), num(v, "p99"));
    }
    rag_buf_append_str(b, "</table>", NULL);
}

int rag_eval_html(const json_t *report, const char *path, rag_error *err) {
    const json_t *outcomes = json_object_get(report, "outcomes");
    rag_buf b;
    int rc;

    rag_buf_init(&b, 0);
    rag_buf_append_str(&b, head, NULL);
    rag_buf_append_str(&b, "<title>rag eval: ", NULL);
    text(&b, str(report, "set"));
    rag_buf_append_str(&b, "</title><h1>rag eval: ", NULL);
    text(&b, str(report, "set"));
    rag_buf_printf(&b, NULL, "</h1><p>%.0f questions",
                   num(report, "questions"));
    figures(&b, report);
    status_mix(&b, report);
    rag_buf_append_str(&b, "<div class=row>", NULL);
    rank_bars(&b, outcomes);
    roc(&b, outcomes);
    rag_buf_append_str(&b, "</div>", NULL);
    latency(&b, report);
    worst(&b, outcomes);
    /* Appends keep what they had when memory ends: a last one tells. */
    rc = rag_buf_append_str(&b, "</html>\n", err);
    if (!rc)
        rc = rag_file_replace(path, b.data, b.len, 0644, err);
    rag_buf_free(&b);
    return rc;
}
