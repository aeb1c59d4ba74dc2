/*
 * ground_stream.c - the model's text, cut into sentences, judged by ground.c
 * and put together again as the answer with its citations.
 *
 * Called by ragd's pipeline, any thread; a stream belongs to one thread. The
 * plain check is a stream that is fed everything at once, so both judge
 * alike.
 *
 * What must hold: nothing reaches `answer` that was not judged; what was
 * once appended to `answer` is never changed, since it may have been shown.
 */
#include "generate/generate_int.h"
#include "generate/ground_ctx.h"

#include "base/terms.h"
#include "base/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX ((size_t)64 << 10) /* bytes the model may say */
#define ANSWER_SENTENCES 8
#define MARKERS_MAX 64
#define COMMIT_AHEAD 8 /* bytes of the next sentence before one is judged */

/* ---- the model's text ------------------------------------------------------------------ */

typedef struct marker {
    size_t pos; /* in the text without markers */
    unsigned n;
} marker;

typedef struct plain {
    rag_buf text; /* without markers */
    marker mark[MARKERS_MAX];
    size_t nmarks;
    size_t *origin; /* raw offset of each byte of text */
} plain;

/* "[1]", "[1, 2]", "[1" at the very end. Bytes, or 0. */
static size_t read_marker(const char *s, size_t n, unsigned nums[8],
                          size_t *nnums) {
    size_t i = 1;
    *nnums = 0;
    if (s[0] != '[')
        return 0;
    while (i < n && s[i] != ']') {
        if (s[i] >= '0' && s[i] <= '9') {
            unsigned v = 0;
            for (; i < n && s[i] >= '0' && s[i] <= '9'; i++)
                v = v < 1000 ? v * 10 + (unsigned)(s[i] - '0') : v;
            if (*nnums < 8)
                nums[(*nnums)++] = v;
        } else if (s[i] == ',' || s[i] == ' ' || s[i] == ';') {
            i++;
        } else {
            return 0;
        }
    }
    if (i == n)
        return *nnums || n == 1 ? n : 0;
    return *nnums ? i + 1 : 0;
}

static int strip_markers(const char *s, size_t n, plain *p, rag_error *err) {
    memset(p, 0, sizeof *p);
    rag_buf_init(&p->text, ANSWER_MAX + 1);
    p->origin = calloc(n + 1, sizeof *p->origin);
    if (!p->origin)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = rag_buf_reserve(&p->text, n + 1, err);
    for (size_t i = 0; i < n && !rc;) {
        unsigned nums[8];
        size_t nn, k = read_marker(s + i, n - i, nums, &nn);
        if (k) {
            for (size_t m = 0; m < nn && p->nmarks < MARKERS_MAX; m++)
                p->mark[p->nmarks++] = (marker){p->text.len, nums[m]};
            i += k;
            continue;
        }
        p->origin[p->text.len] = i;
        rc = rag_buf_append(&p->text, s + i, 1, err);
        i++;
    }
    p->origin[p->text.len] = n;
    return rc;
}

static void plain_free(plain *p) {
    rag_buf_free(&p->text);
    free(p->origin);
}

/* Cuts a tail that says the same thing three times or more. */
static size_t cut_loop(const char *s, size_t n) {
    for (size_t period = 4; period <= 200 && period * 3 <= n; period++) {
        size_t reps = 1;
        while ((reps + 1) * period <= n &&
               memcmp(s + n - (reps + 1) * period, s + n - period, period) == 0)
            reps++;
        if (reps >= 3)
            return rag_utf8_floor(s, n, n - (reps - 1) * period);
    }
    return n;
}

static int key_of(const char *s, size_t n, rag_buf *out, rag_error *err) {
    rag_buf_clear(out);
    return rag_terms_key(s, n, out, err);
}

/* Refusals of models that do not keep to the line they were given. */
static bool own_refusal(const char *key) {
    static const char *const LINE[] = {"idontknow",
                                       "icannotanswer",
                                       "icantanswer",
                                       "notmentioned",
                                       "notstated",
                                       "notspecified",
                                       "noinformation",
                                       "thesourcesdonot",
                                       "thesourcesdont",
                                       "thesourcesprovideddonot",
                                       "theprovidedsourcesdonot",
                                       "notinthesource",
                                       "notprovided",
                                       "unknown",
                                       "자료에없",
                                       "자료에는없",
                                       "알수없",
                                       "모르겠",
                                       "정보가없",
                                       "찾을수없",
                                       "답할수없",
                                       "답변할수없",
                                       "확인할수없",
                                       "제공된자료에",
                                       "언급되지않",
                                       "명시되지않"};
    for (size_t i = 0; i < sizeof LINE / sizeof LINE[0]; i++)
        if (rag_str_starts(key, LINE[i]))
            return true;
    return false;
}

/* ---- stream ----------------------------------------------------------------------------- */

struct rag_ground_stream {
    rag_ground_ctx ctx;
    char *refusal; /* its key */
    rag_buf raw; /* all the model said */
    size_t done; /* bytes of raw that were judged */
    rag_buf answer;
    rag_citing cited;
    char *said[ANSWER_SENTENCES]; /* keys, owned */
    size_t nsaid;
    bool refused, failed, over;
    char reason[256];
    char *shortest;
};

int rag_ground_stream_open(const char *question, const char *lang,
                           const char *refusal, const rag_evidence *ev,
                           const rag_passage *passages,
                           const rag_sentences *sentences,
                           rag_ground_stream **out, rag_error *err) {
    (void)lang;
    *out = NULL;
    rag_ground_stream *g = calloc(1, sizeof *g);
    if (!g)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rag_buf_init(&g->raw, ANSWER_MAX);
    rag_buf_init(&g->answer, 4 * ANSWER_MAX);
    rag_buf key;
    rag_buf_init(&key, 0);
    int rc =
        rag_ground_ctx_open(question, ev, passages, sentences, &g->ctx, err);
    if (!rc && refusal)
        rc = key_of(refusal, strlen(refusal), &key, err);
    if (!rc)
        rc = rag_buf_steal(&key, &g->refusal, NULL, err);
    rag_buf_free(&key);
    if (rc)
        rag_ground_stream_close(g);
    else
        *out = g;
    return rc;
}

void rag_ground_stream_close(rag_ground_stream *g) {
    if (!g)
        return;
    rag_ground_ctx_free(&g->ctx);
    rag_buf_free(&g->raw);
    rag_buf_free(&g->answer);
    for (size_t i = 0; i < g->cited.n; i++)
        free(g->cited.list[i].quote);
    for (size_t i = 0; i < g->nsaid; i++)
        free(g->said[i]);
    free(g->cited.list);
    free(g->refusal);
    free(g->shortest);
    free(g);
}

/* Puts a sentence that passed, with its markers, behind the answer. */
static int commit(rag_ground_stream *g, const char *s, size_t n,
                  const rag_quote *quotes, size_t nquotes, rag_error *err) {
    int rc = g->answer.len ? rag_buf_append_char(&g->answer, ' ', err) : 0;
    if (!rc)
        rc = rag_prompt_plain(s, n, &g->answer, err);
    for (size_t i = 0; i < nquotes && !rc; i++) {
        unsigned number = 0, header = 0;
        rc = rag_ground_cite(&g->ctx, quotes[i].first, quotes[i].count,
                             &g->cited, &number, &header, err);
        if (!rc)
            rc = rag_buf_printf(&g->answer, err, " [%u]", number);
        if (!rc && header)
            rc = rag_buf_printf(&g->answer, err, " [%u]", header);
    }
    free(g->shortest);
    g->shortest = NULL;
    if (!rc && g->nsaid == 1) {
        while (n && (s[n - 1] == '.' || s[n - 1] == ' '))
            n--;
        rc = rag_str_dup_n(s, n, &g->shortest, err);
    }
    return rc;
}

/* Judges one sentence and takes or leaves it. */
static int take(rag_ground_stream *g, const char *s, size_t n,
                const unsigned *marks, size_t nmarks, rag_error *err) {
    rag_buf key;
    rag_buf_init(&key, 0);
    int rc = key_of(s, n, &key, err);
    if (rc)
        goto out;
    const char *k = rag_buf_str(&key);
    if (!key.len)
        goto out; /* punctuation alone */
    if ((g->refusal[0] && strstr(k, g->refusal)) || own_refusal(k)) {
        g->refused = !g->answer.len;
        g->over = true;
        goto out;
    }
    for (size_t i = 0; i < g->nsaid; i++)
        if (rag_str_starts(g->said[i], k)) {
            g->over = true; /* it has begun to repeat itself */
            goto out;
        }
    if (g->nsaid == ANSWER_SENTENCES) {
        g->over = true;
        goto out;
    }
    rc = rag_str_dup(k, &g->said[g->nsaid], err);
    if (rc)
        goto out;
    g->nsaid++;
    rag_quote quotes[RAG_GROUND_QUOTES_MAX];
    size_t nquotes = 0;
    bool ok = false;
    rc = rag_ground_judge(&g->ctx, s, n, marks, nmarks, quotes, &nquotes, &ok,
                          g->reason, sizeof g->reason, err);
    if (!rc && ok)
        rc = commit(g, s, n, quotes, nquotes, err);
    else if (!rc)
        g->failed = g->over = true;
out:
    rag_buf_free(&key);
    return rc;
}

/* Judges the whole sentences behind done; at the end the rest as well. */
static int advance(rag_ground_stream *g, bool end, rag_error *err) {
    const char *s = rag_buf_str(&g->raw) + g->done;
    size_t n = g->raw.len - g->done, nspans = 0;
    rag_span *spans = NULL;
    plain *p = malloc(sizeof *p);
    if (!p)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (end)
        n = cut_loop(s, n);
    int rc = strip_markers(s, n, p, err);
    if (!rc)
        rc = rag_sentences_split(g->ctx.sentences, rag_buf_str(&p->text),
                                 p->text.len, &spans, &nspans, err);
    for (size_t i = 0; i < nspans && !rc && !g->over; i++) {
        size_t next = i + 1 < nspans ? spans[i + 1].start : p->text.len;
        if (!end && (i + 1 == nspans ||
                     p->text.len - spans[i + 1].start < COMMIT_AHEAD))
            break;
        unsigned marks[16];
        size_t nmarks = 0;
        for (size_t m = 0; m < p->nmarks && nmarks < 16; m++)
            if (p->mark[m].pos > spans[i].start && (p->mark[m].pos <= next))
                marks[nmarks++] = p->mark[m].n;
        rc = take(g, p->text.data + spans[i].start,
                  spans[i].end - spans[i].start, marks, nmarks, err);
        g->done = (size_t)(s - rag_buf_str(&g->raw)) + p->origin[next];
    }
    plain_free(p);
    free(p);
    free(spans);
    return rc;
}

int rag_ground_stream_feed(rag_ground_stream *g, const char *piece, size_t len,
                           rag_buf *release, bool *stop, rag_error *err) {
    size_t before = g->answer.len;
    int rc = 0;
    if (!g->over) {
        if (g->raw.len + len > ANSWER_MAX)
            g->over = true;
        else
            rc = rag_buf_append(&g->raw, piece, len, err);
        /* A piece may end within a character: wait for the rest. */
        if (!rc && !g->over &&
            rag_utf8_valid(rag_buf_str(&g->raw), g->raw.len, NULL))
            rc = advance(g, false, err);
        if (!rc && !g->over && cut_loop(g->raw.data, g->raw.len) < g->raw.len)
            g->over = true;
    }
    if (!rc && g->answer.len > before)
        rc = rag_buf_append(release, g->answer.data + before,
                            g->answer.len - before, err);
    *stop = g->over;
    return rc;
}

void rag_ground_stream_view(const rag_ground_stream *g, rag_grounding *out) {
    *out = (rag_grounding){.verdict = g->answer.len ? RAG_GROUND_OK
                                                    : RAG_GROUND_FAILED,
                           .answer = g->answer.len ? g->answer.data : NULL,
                           .shortest = g->shortest,
                           .citations = g->cited.list,
                           .ncitations = g->cited.n};
}

int rag_ground_stream_finish(rag_ground_stream *g, rag_buf *release,
                             rag_grounding *out, rag_error *err) {
    size_t before = g->answer.len;
    memset(out, 0, sizeof *out);
    int rc = 0;
    if (!g->failed && !g->refused) {
        bool was_over = g->over;
        if (!was_over || !g->nsaid) {
            g->over = false;
            if (!rag_utf8_valid(rag_buf_str(&g->raw), g->raw.len, NULL))
                g->raw.len =
                    rag_utf8_floor(g->raw.data, g->raw.len, g->raw.len - 1);
            if (rag_utf8_valid(rag_buf_str(&g->raw), g->raw.len, NULL))
                rc = advance(g, true, err);
            else
                g->failed = true;
        }
    }
    if (rc)
        return rc;
    if (g->answer.len > before && release)
        rc = rag_buf_append(release, g->answer.data + before,
                            g->answer.len - before, err);
    snprintf(out->reason, sizeof out->reason, "%s", g->failed ? g->reason : "");
    if (!rc && g->answer.len) {
        out->verdict = RAG_GROUND_OK;
        rc = rag_buf_steal(&g->answer, &out->answer, NULL, err);
        out->shortest = g->shortest;
        out->citations = g->cited.list;
        out->ncitations = g->cited.n;
        g->shortest = NULL;
        g->cited = (rag_citing){0};
    } else if (!rc) {
        out->verdict = g->refused ? RAG_GROUND_REFUSED : RAG_GROUND_FAILED;
        if (out->verdict == RAG_GROUND_FAILED && !out->reason[0])
            snprintf(out->reason, sizeof out->reason, "nothing was said");
    }
    if (rc)
        rag_grounding_free(out);
    return rc;
}

int rag_ground_check(const char *question, const char *lang,
                     const char *generated, const char *refusal,
                     const rag_evidence *ev, const rag_passage *passages,
                     const rag_sentences *sentences, rag_grounding *out,
                     rag_error *err) {
    rag_ground_stream *g = NULL;
    memset(out, 0, sizeof *out);
    int rc = rag_ground_stream_open(question, lang, refusal, ev, passages,
                                    sentences, &g, err);
    if (!rc)
        rc = rag_buf_append(&g->raw, generated,
                            strnlen(generated, ANSWER_MAX - 8), err);
    if (!rc)
        rc = rag_ground_stream_finish(g, NULL, out, err);
    rag_ground_stream_close(g);
    return rc;
}

void rag_grounding_free(rag_grounding *g) {
    if (!g)
        return;
    free(g->answer);
    free(g->shortest);
    for (size_t i = 0; i < g->ncitations; i++)
        free(g->citations[i].quote);
    free(g->citations);
    memset(g, 0, sizeof *g);
}
