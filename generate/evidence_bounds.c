/*
 * evidence_bounds.c - whether a sentence's condition holds for what the
 * question says: "14 or older" does not for a child of 13, the table's row
 * "over 30 million, up to 100 million won" does for 40 million.
 *
 * Called by evidence.c; any thread, no state. Entries and rows for different
 * cases differ in little else, so a model of words takes one for the other.
 *
 * A quantity of the question (13 years, 40 million won, 11 p.m., a Saturday)
 * is compared with the bounds of the same unit that a sentence states, or, if
 * it states none, its passage's heading or title. A bound may as well be a
 * limit that is asked about ("can I send 10 million at once?"), so a sentence
 * only loses when another one's condition holds.
 */
#include "generate/evidence_int.h"
#include "generate/ground_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOUNDS_MAX 32 /* of a text */
#define MERGE_BYTES 24 /* between the two bounds of one range */

typedef struct bound {
    const char *unit;
    double low, high;
    bool above, below; /* open ends: more than low, less than high */
    size_t end; /* of what states it */
} bound;

typedef enum verdict { SILENT, HOLDS, FAILS } verdict;

/* ---- reading ------------------------------------------------------------------- */

/* Units of what a person says of a case. */
static const char *const MEASURES[] = {
    "age",   "year",  "month",    "week", "day", "bday",  "hour",  "min",
    "krw",   "usd",   "jpy",      "eur",  "gbp", "cny",   "%",     "person",
    "kg",    "g",     "km",       "m",    "cm",  "mm",    "piece", "celsius",
    "night", "point", "employee", "gb",   "mb",  "sheet", "floor"};

static const char WEEKDAY[] = "weekday", CLOCK[] = "clock";

static const char *measure(const char *unit) {
    for (size_t i = 0; i < sizeof MEASURES / sizeof MEASURES[0]; i++)
        if (strcmp(unit, MEASURES[i]) == 0)
            return MEASURES[i];
    return NULL;
}

static bool starts(const char *s, const char *w) {
    return strncmp(s, w, strlen(w)) == 0;
}

/* "3년이 지났으면", "10만 원을 넘고", "3년이 되기 전": what only a verb says. */
static rag_compare by_verb(const char *s) {
    static const char *const PARTICLES[] = {"이 ", "가 ", "을 ", "를 ", "이",
                                            "가",  "을",  "를",  " "};
    for (size_t i = 0; i < sizeof PARTICLES / sizeof PARTICLES[0]; i++)
        if (starts(s, PARTICLES[i])) {
            s += strlen(PARTICLES[i]);
            break;
        }
    if (starts(s, "지나기 전") || starts(s, "되기 전") ||
        starts(s, "넘지 않") || starts(s, "안 된") || starts(s, "안 됐") ||
        starts(s, "안 되"))
        return RAG_CMP_LESS;
    if (starts(s, "지나") || starts(s, "지난") || starts(s, "지났") ||
        starts(s, "넘") || starts(s, "초과"))
        return RAG_CMP_MORE;
    return RAG_CMP_NONE;
}

/* Minutes of "18:00", "오후 3시", "11 pm"; false when the half of the day is
 * left open. */
static bool clock_of(const rag_number *x, double *out) {
    bool time = x->kind == RAG_NUMBER_TIME;
    char *rest;
    double h = strtod(x->value, &rest), m = 0;
    if (!time && strcmp(x->unit, CLOCK) != 0)
        return false;
    if (time && *rest == ':')
        m = strtod(rest + 1, NULL);
    if (x->half == 2 && h < 12)
        h += 12;
    else if (x->half == 1 && h == 12)
        h = 0;
    else if (!time && !x->half && h < 13)
        return false;
    *out = 60 * h + m;
    return h >= 0 && h <= 24 && m >= 0 && m < 60;
}

/* "aged 14 or over", "I'm 74" say no unit. */
static bool says_age(const rag_facts *f, const rag_number *x) {
    static const char *const WHO[] = {"i'm ", "i am ", "he is ", "he's ",
                                      "turned "};
    const char *s = f->text.data;
    bool age = strstr(s, "aged ") || strstr(s, "age ");
    for (size_t i = 0; i < sizeof WHO / sizeof WHO[0] && !age; i++)
        age = x->start >= strlen(WHO[i]) &&
              starts(s + x->start - strlen(WHO[i]), WHO[i]);
    return age && !x->unit[0] && strlen(x->value) <= 3;
}

/* Value and unit of a number that can be compared; NULL for dates, codes,
 * ordinals. */
static const char *quantity(const rag_facts *f, const rag_number *x,
                            double *v) {
    const char *unit = measure(says_age(f, x) ? "year" : x->unit);
    if (clock_of(x, v))
        return CLOCK;
    if (x->kind != RAG_NUMBER_PLAIN || x->follows || !unit)
        return NULL;
    *v = strtod(x->value, NULL);
    if (!isfinite(*v) || (strcmp(unit, "year") == 0 && *v >= 1000))
        return NULL;
    return unit;
}

static rag_compare compare_of(const rag_facts *f, const rag_number *x) {
    return x->compare ? (rag_compare)x->compare
                      : by_verb(f->text.data + x->end);
}

/* False when the comparison is no bound of a case: "3 days before". */
static bool bound_of(const char *unit, rag_compare compare, double v,
                     bound *b) {
    *b = (bound){unit, -INFINITY, INFINITY, false, false, 0};
    bool moment = unit == CLOCK || strcmp(unit, "year") == 0;
    switch (compare) {
    case RAG_CMP_AT_LEAST:
    case RAG_CMP_FROM:
        b->low = v;
        return true;
    case RAG_CMP_MORE:
        b->low = v;
        b->above = true;
        return true;
    case RAG_CMP_AT_MOST:
    case RAG_CMP_WITHIN:
    case RAG_CMP_UNTIL:
        b->high = v;
        return true;
    case RAG_CMP_LESS:
        b->high = v;
        b->below = true;
        return true;
    case RAG_CMP_AFTER:
        b->low = v;
        return moment;
    case RAG_CMP_BEFORE:
        b->high = v;
        b->below = true;
        return moment;
    default:
        return false;
    }
}

static void add_weekdays(const char *text, bound *b, size_t *n) {
    static const struct {
        const char *word;
        double day; /* 0 of the week, 1 of its end */
    } DAYS[] = {{"평일", 0},    {"토요일", 1},         {"일요일", 1},
                {"주말", 1},    {"공휴일", 1},         {"휴일", 1},
                {"weekday", 0}, {"saturday", 1},       {"sunday", 1},
                {"weekend", 1}, {"public holiday", 1}, {"bank holiday", 1}};
    for (size_t i = 0; i < sizeof DAYS / sizeof DAYS[0]; i++)
        if (*n < BOUNDS_MAX && strstr(text, DAYS[i].word))
            b[(*n)++] =
                (bound){WEEKDAY, DAYS[i].day, DAYS[i].day, false, false, 0};
}

/* "14 to 17 years", "4 to under 9 years": the first number has no unit of its
 * own. */
static bool is_to(const rag_facts *f, size_t i, bool *below) {
    static const char *const TO[] = {" to ", " and ", " to under ",
                                     " to less than ", " to below "};
    const rag_number *a = &f->number[i - 1], *b = &f->number[i];
    const char *between = f->text.data + a->end;
    *below = false;
    if (a->kind != RAG_NUMBER_PLAIN || a->unit[0] || b->start <= a->end)
        return false;
    for (size_t k = 0; k < sizeof TO / sizeof TO[0]; k++)
        if (b->start - a->end == strlen(TO[k]) && starts(between, TO[k])) {
            *below = k > 1;
            return true;
        }
    return false;
}

static size_t read_bounds(const rag_facts *f, bound b[BOUNDS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < f->nnumbers && n < BOUNDS_MAX; i++) {
        const rag_number *x = &f->number[i];
        double v, from;
        bool below;
        const char *unit = quantity(f, x, &v);
        bound *last = n ? &b[n - 1] : NULL, now;
        if (!unit)
            continue;
        if (i && (is_to(f, i, &below) || x->range)) { /* "3~5 days" */
            from = strtod(f->number[i - 1].value, NULL);
            if (unit == CLOCK && !clock_of(&f->number[i - 1], &from))
                continue;
            b[n++] = (bound){unit, from, v, false, below, x->end};
            continue;
        }
        if (!bound_of(unit, compare_of(f, x), v, &now))
            continue;
        now.end = x->end;
        if (last && strcmp(last->unit, unit) == 0 && last->high == INFINITY &&
            now.low == -INFINITY && last->low < now.high &&
            x->start - last->end <= MERGE_BYTES) {
            last->high = now.high;
            last->below = now.below;
            last->end = now.end;
            continue;
        }
        b[n++] = now;
    }
    add_weekdays(f->text.data, b, &n);
    return n;
}

/* What the question says of its case, as points. */
static size_t read_case(const rag_facts *f, bound c[BOUNDS_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < f->nnumbers && n < BOUNDS_MAX; i++) {
        const rag_number *x = &f->number[i];
        rag_compare compare = compare_of(f, x);
        double v;
        const char *unit = quantity(f, x, &v);
        bool rate = unit && v == 1 && strcmp(unit, "day") == 0; /* 1일 한도 */
        if (!unit || rate || x->range ||
            (i + 1 < f->nnumbers && f->number[i + 1].range))
            continue;
        if (compare == RAG_CMP_MORE) /* "over 4 years now" */
            v = nextafter(v, INFINITY);
        else if (compare == RAG_CMP_LESS)
            v = nextafter(v, -INFINITY);
        else if (compare != RAG_CMP_NONE && compare != RAG_CMP_ABOUT)
            continue;
        c[n++] = (bound){unit, v, v, false, false, 0};
    }
    add_weekdays(f->text.data, c, &n);
    return n;
}

/* ---- comparing ------------------------------------------------------------------- */

static bool holds(const bound *b, double v) {
    return (b->above ? v > b->low : v >= b->low) &&
           (b->below ? v < b->high : v <= b->high);
}

/* All that both speak of has to hold; one bound of a unit is enough. */
static verdict compare(const bound *said, size_t nsaid, const bound *b,
                       size_t n) {
    bool any = false;
    for (size_t i = 0; i < nsaid; i++) {
        bool stated = false, ok = false;
        for (size_t j = 0; j < n; j++)
            if (strcmp(said[i].unit, b[j].unit) == 0) {
                stated = true;
                ok = ok || holds(&b[j], said[i].low);
            }
        if (stated && !ok)
            return FAILS;
        any = any || ok;
    }
    return any ? HOLDS : SILENT;
}

static int judge(const bound *said, size_t nsaid, const char *s, size_t len,
                 rag_facts *room, verdict *out, rag_error *err) {
    bound b[BOUNDS_MAX];
    int rc = rag_facts_read_numbers(s, len, room, err);
    *out = SILENT;
    if (rc)
        return rc == RAG_E_NOMEM ? rc : 0;
    *out = compare(said, nsaid, b, read_bounds(room, b));
    rag_facts_free(room);
    return 0;
}

/* What a passage's heading, else its title says. */
static int judge_heads(const bound *said, size_t nsaid, const rag_passage *p,
                       rag_facts *room, verdict *out, rag_error *err) {
    const char *const heads[] = {p->heading, p->title};
    int rc = 0;
    *out = SILENT;
    for (size_t i = 0; i < 2 && !rc && *out == SILENT; i++)
        if (heads[i])
            rc = judge(said, nsaid, heads[i], strlen(heads[i]), room, out, err);
    return rc;
}

/* Verdicts on sentences, those of one passage together. */
static int judge_all(const bound *said, size_t nsaid, const rag_ranked *s,
                     size_t n, rag_facts *room, verdict *v, rag_error *err) {
    const rag_passage *passage = NULL;
    verdict head = SILENT;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        rc = judge(said, nsaid, s[i].text, s[i].len, room, &v[i], err);
        if (rc || v[i] != SILENT)
            continue;
        if (s[i].passage != passage)
            rc = judge_heads(said, nsaid, s[i].passage, room, &head, err);
        passage = s[i].passage;
        v[i] = head;
    }
    return rc;
}

int rag_names_year(const char *question, size_t n, bool *out, rag_error *err) {
    rag_facts *f = malloc(sizeof *f);
    *out = false;
    if (!f)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = rag_facts_read_numbers(question, n, f, err);
    for (size_t i = 0; !rc && i < f->nnumbers; i++) {
        const rag_number *x = &f->number[i];
        *out |= x->kind == RAG_NUMBER_PLAIN && strlen(x->value) == 4 &&
                (memcmp(x->value, "19", 2) == 0 ||
                 memcmp(x->value, "20", 2) == 0) &&
                (!*x->unit || strcmp(x->unit, "year") == 0);
    }
    rag_facts_free(f);
    free(f);
    return rc;
}

int rag_evidence_bounds(const char *question, rag_ranked *s, size_t n,
                        rag_error *err) {
    bound said[BOUNDS_MAX];
    size_t nsaid = 0;
    bool any = false;
    verdict *v = NULL;
    rag_facts *room = malloc(sizeof *room);
    if (!room)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = rag_facts_read_numbers(question, strlen(question), room, err);
    if (!rc) {
        nsaid = read_case(room, said);
        rag_facts_free(room);
    } else if (rc != RAG_E_NOMEM) {
        rc = 0; /* not a text */
    }
    if (!nsaid)
        goto out;
    v = calloc(n ? n : 1, sizeof *v);
    rc = v ? judge_all(said, nsaid, s, n, room, v, err)
           : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n && !rc; i++)
        any = any || v[i] == HOLDS;
    for (size_t i = 0; i < n && any && !rc; i++)
        s[i].condition = v[i] == HOLDS ? 1 : v[i] == FAILS ? -1 : 0;
out:
    free(v);
    free(room);
    return rc;
}
