/*
 * eval_faq.c - what the desk's guards and score make of labelled questions.
 *
 *   eval_faq [ENCODER] < JSON
 *
 * JSON is {"entries": [{"id", "wordings": [...], "answer"}], "asked": [{"q",
 * "want", "gone", ...}]}; the entry "gone" is left out of what is looked at.
 * One line of JSON a question: what was asked, and of the eight nearest
 * entries id, verdict, veto, features, certainty and covered share. For fit_faq.py, which
 * fits the score, and eval_desk.py, which counts the guards.
 */
#include "daemon/faq_int.h"
#include "embed/embed.h"

#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define NEAREST 8

typedef struct entry {
    json_t *json;
    float *v;
    size_t n;
} entry;

typedef struct near_entry {
    const entry *e;
    size_t wording;
    double cosine;
} near_entry;

static rag_encoder *encoder;
static size_t dim;

static void die(const char *why) {
    fprintf(stderr, "eval_faq: %s\n", why);
    exit(70);
}

static const char *str(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static float *encode(const rag_text *t, size_t n) {
    rag_error err = {0};
    float *v = calloc(n * dim + 1, sizeof *v);
    if (!v || rag_encoder_encode(encoder, RAG_TEXT_QUERY, t, n, v, NULL, &err))
        die(err.message);
    return v;
}

static void load(entry *e, json_t *json) {
    json_t *words = json_object_get(json, "wordings");
    e->json = json;
    e->n = json_array_size(words);
    rag_text *t = calloc(e->n + 1, sizeof *t);
    for (size_t i = 0; t && i < e->n; i++) {
        t[i].s = json_string_value(json_array_get(words, i));
        t[i].len = strlen(t[i].s);
    }
    e->v = encode(t, e->n);
    free(t);
}

static size_t nearest(const entry *all, size_t n, const float *v,
                      const char *gone, near_entry *top) {
    size_t have = 0;
    for (size_t i = 0; i < n; i++) {
        near_entry x = {&all[i], 0, -1};
        for (size_t w = 0; w < all[i].n; w++) {
            double c = 0;
            for (size_t d = 0; d < dim; d++)
                c += (double)v[d] * all[i].v[w * dim + d];
            if (c > x.cosine)
                x = (near_entry){&all[i], w, c};
        }
        if (*gone && strcmp(str(all[i].json, "id"), gone) == 0)
            continue;
        size_t at = have < NEAREST ? have++ : NEAREST;
        if (at == NEAREST && top[--at].cosine >= x.cosine)
            continue;
        for (; at && top[at - 1].cosine < x.cosine; at--)
            top[at] = top[at - 1];
        top[at] = x;
    }
    return have;
}

/* Borrowed: the hits live no longer than the entries. */
static char *borrow(const char *s) {
    union {
        const char *in;
        char *out;
    } u = {s};
    return u.out;
}

static void judge(json_t *asked, const entry *all, size_t n) {
    static rag_faq_text q;
    static rag_faq_candidate c[NEAREST];
    near_entry top[NEAREST];
    rag_index_hit hits[NEAREST] = {{0}};
    rag_error err = {0};
    rag_text t = {str(asked, "q"), strlen(str(asked, "q"))};
    float *v = encode(&t, 1);
    rag_index_result r = {.hits = hits};
    r.n = nearest(all, n, v, str(asked, "gone"), top);
    for (size_t i = 0; i < r.n; i++) {
        json_t *words = json_object_get(top[i].e->json, "wordings");
        hits[i].doc = borrow(str(top[i].e->json, "id"));
        hits[i].text = borrow(str(top[i].e->json, "answer"));
        hits[i].title = borrow(json_string_value(json_array_get(words, 0)));
        hits[i].question =
            borrow(json_string_value(json_array_get(words, top[i].wording)));
        hits[i].vector = top[i].cosine;
        hits[i].kind = RAG_DOC_FAQ;
    }
    memset(c, 0, sizeof c);
    if (rag_faq_text_init(&q, t.s, t.len, &err) ||
        rag_faq_candidates_init(&q, &r, 0.7, c, &err))
        die(err.message);
    json_t *list = json_array();
    for (size_t i = 0; i < r.n; i++) {
        json_t *f = json_array();
        for (size_t k = 0; k < RAG_FAQ_FEATURES; k++)
            json_array_append_new(f, json_real(c[i].f[k]));
        json_array_append_new(
            list, json_pack("{ss si ss so sf sf}", "id", hits[i].doc, "verdict",
                            (int)c[i].guard.verdict, "veto",
                            rag_faq_veto_name(c[i].veto), "f", f, "certainty",
                            c[i].certainty, "covered", c[i].covered));
    }
    json_t *out = json_pack("{sO so}", "asked", asked, "near", list);
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
    rag_faq_candidates_free(c, r.n);
    rag_faq_text_free(&q);
    free(v);
}

int main(int argc, char **argv) {
    rag_error err = {0};
    rag_encoder_info info;
    json_t *in = json_loadf(stdin, 0, NULL), *x;
    json_t *entries = json_object_get(in, "entries");
    json_t *asked = json_object_get(in, "asked");
    size_t i, n = json_array_size(entries);
    char *cache = NULL, *path = NULL;
    if (!in)
        die("no JSON to read");
    if (argc < 2 && (rag_path_place(RAG_PLACE_CACHE, &cache, &err) ||
                     rag_path_join(cache, RAG_ENCODER_FILE, &path, &err)))
        die(err.message);
    rag_encoder_options opt = {.adapter =
                                   argc < 2 ? RAG_SOURCE_DIR
                                       "/embed/models/" RAG_ENCODER_ADAPTER_FILE
                                            : NULL};
    if (rag_encoder_open(argc < 2 ? path : argv[1], &opt, &encoder, &err))
        die(err.message);
    rag_encoder_describe(encoder, &info);
    dim = (size_t)info.dim;
    entry *all = calloc(n + 1, sizeof *all);
    if (!all)
        die("out of memory");
    json_array_foreach(entries, i, x) load(&all[i], x);
    json_array_foreach(asked, i, x) judge(x, all, n);
    for (i = 0; i < n; i++)
        free(all[i].v);
    free(all);
    free(path);
    free(cache);
    json_decref(in);
    rag_encoder_close(encoder);
    return 0;
}
