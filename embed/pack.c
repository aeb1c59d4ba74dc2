/*
 * pack.c - see pack.h.
 *
 * The block: a head, then sections in a fixed order, each aligned to 64
 * bytes. Their places follow from the model's sizes and the trie's, so the
 * file holds no offsets that could point astray; its length and a checksum
 * are compared before use. Byte order and float format are the machine's.
 */
#include "embed/pack.h"

#include "base/file.h"
#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACK_VERSION 2u
#define ALIGN 64u

typedef struct head {
    char magic[8]; /* "RAGPACK" and a zero */
    uint32_t version;
    uint32_t order; /* 0x01020304 as this machine writes it */
    uint64_t size; /* of the whole block */
    uint64_t sum; /* rag_hash_fast of all behind the head */
    uint32_t trie_units, trie_flags;
    char fingerprint[72];
    char unused[16];
} head;

_Static_assert(sizeof(head) == 128, "the head has a fixed size");

struct rag_pack {
    rag_file_map map;
    bool mapped;
    unsigned char *memory; /* owned when not mapped */
    size_t size;
    rag_trie trie;
    size_t hidden;
    const float *places;
    rag_pack_layer *layer;
};

/* Walks the sections: base NULL only measures. */
typedef struct walk {
    unsigned char *base;
    size_t at;
} walk;

static void *section(walk *w, size_t bytes) {
    void *p = w->base ? w->base + w->at : NULL;
    w->at += (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return p;
}

static void place_matrix(walk *w, const rag_linear *l, rag_matrix *m) {
    size_t n = rag_matrix_panels(l->out) * RAG_PANEL;
    m->in = l->in;
    m->out = l->out;
    m->w = section(w, n * l->in);
    m->scale = section(w, n * sizeof(float));
    m->bias = section(w, n * sizeof(float));
    m->sum = section(w, n * sizeof(int32_t));
    m->outlier = section(w, RAG_OUTLIERS * sizeof(uint32_t));
    m->exact = section(w, RAG_OUTLIERS * n * sizeof(float));
}

/* Gives every section its place; returns the size of the whole. */
static size_t lay_out(rag_pack *p, const rag_bert *m, unsigned char *base,
                      uint32_t trie_units) {
    walk w = {base, sizeof(head)};
    size_t h = m->hidden;
    p->hidden = h;
    p->trie.n = trie_units;
    p->trie.units = section(&w, (size_t)trie_units * sizeof(rag_trie_unit));
    p->places = section(&w, m->positions * h * sizeof(float));
    for (size_t i = 0; i < m->layers; i++) {
        const rag_bert_layer *l = &m->layer[i];
        rag_pack_layer *o = &p->layer[i];
        place_matrix(&w, &l->qkv, &o->qkv);
        place_matrix(&w, &l->attn_out, &o->attn_out);
        place_matrix(&w, &l->up, &o->up);
        place_matrix(&w, &l->down, &o->down);
        o->attn_norm_w = section(&w, h * sizeof(float));
        o->attn_norm_b = section(&w, h * sizeof(float));
        o->out_norm_w = section(&w, h * sizeof(float));
        o->out_norm_b = section(&w, h * sizeof(float));
    }
    return w.at;
}

bool rag_pack_possible(const rag_bert *m) {
    size_t d = m->hidden / m->heads;
    return m->hidden % RAG_LANES_MAX == 0 && m->ffn % RAG_LANES_MAX == 0 &&
           d % RAG_LANES_MAX == 0 && d <= 256;
}

static rag_pack *new_pack(const rag_bert *m) {
    rag_pack *p = calloc(1, sizeof(*p));
    if (p && !(p->layer = calloc(m->layers, sizeof(*p->layer)))) {
        free(p);
        p = NULL;
    }
    return p;
}

void rag_pack_close(rag_pack *p) {
    if (!p) {
        return;
    }
    if (p->mapped) {
        rag_file_unmap(&p->map);
    }
    free(p->memory);
    free(p->layer);
    free(p);
}

static int pack_path(const char *dir, const char *fingerprint, char **out,
                     rag_error *err) {
    char name[96];
    (void)snprintf(name, sizeof(name), "%.32s.pack", fingerprint);
    return rag_path_join(dir, name, out, err);
}

/* The only numbers of the file that are used as an index without a check at
 * their use, the trie's apart, which checks itself. */
static bool outliers_inside(const rag_pack *p, size_t layers) {
    for (size_t i = 0; i < layers; i++) {
        const rag_pack_layer *l = &p->layer[i];
        const rag_matrix *all[] = {&l->qkv, &l->attn_out, &l->up, &l->down};
        for (size_t j = 0; j < 4 * RAG_OUTLIERS; j++) {
            const rag_matrix *m = all[j / RAG_OUTLIERS];
            if (m->outlier[j % RAG_OUTLIERS] >= m->in) {
                return false;
            }
        }
    }
    return true;
}

/* Whether the mapped file is what rag_pack_build would make. */
static bool whole(rag_pack *p, const rag_bert *m, const char *fingerprint) {
    head h;
    if (p->map.len < sizeof(h)) {
        return false;
    }
    memcpy(&h, p->map.data, sizeof(h));
    if (memcmp(h.magic, "RAGPACK", 8) != 0 || h.version != PACK_VERSION ||
        h.order != 0x01020304u || h.size != p->map.len ||
        memchr(h.fingerprint, 0, sizeof(h.fingerprint)) == NULL ||
        strcmp(h.fingerprint, fingerprint) != 0 || h.trie_units == 0 ||
        h.trie_units > RAG_TRIE_UNITS_MAX) {
        return false;
    }
    p->trie.flags = h.trie_flags;
    p->size = p->map.len;
    return lay_out(p, m, (unsigned char *)(uintptr_t)p->map.data,
                   h.trie_units) == p->map.len &&
           rag_hash_fast(p->map.data + sizeof(h), p->map.len - sizeof(h)) ==
               h.sum &&
           outliers_inside(p, m->layers);
}

int rag_pack_load(const rag_bert *m, const char *fingerprint, const char *dir,
                  rag_pack **out, rag_error *err) {
    rag_pack *p = new_pack(m);
    char *path = NULL;
    int rc;
    *out = NULL;
    if (!p) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    rc = pack_path(dir, fingerprint, &path, err);
    if (rc != 0) {
        rag_pack_close(p);
        return rc;
    }
    if (rag_file_map_open(path, &p->map, NULL) == 0) {
        p->mapped = true;
        if (whole(p, m, fingerprint)) {
            *out = p;
            p = NULL;
        }
    }
    free(path);
    rag_pack_close(p);
    return 0;
}

/* One output's weights to bytes in its column of its panel. */
static void pack_row(const float *w, size_t in, size_t n, rag_matrix *m) {
    int8_t *to = (int8_t *)(uintptr_t)m->w + n / RAG_PANEL * in * RAG_PANEL +
                 n % RAG_PANEL * 4;
    float top = 0, inverse;
    int32_t sum = 0;
    for (size_t k = 0; k < in; k++) {
        float a = fabsf(w[k]);
        top = a > top ? a : top;
    }
    inverse = top > 0 ? 127.0f / top : 0;
    for (size_t k = 0; k < in; k++) {
        int32_t q = (int32_t)lrintf(w[k] * inverse);
        q = q > 127 ? 127 : q < -127 ? -127 : q;
        to[k / 4 * 4 * RAG_PANEL + k % 4] = (int8_t)q;
        sum += q;
    }
    ((float *)(uintptr_t)m->scale)[n] = top / 127.0f;
    ((int32_t *)(uintptr_t)m->sum)[n] = 128 * sum;
}

/* The inputs with the largest tops. */
static void choose_outliers(const float *tops, size_t in, uint32_t *out) {
    for (size_t j = 0; j < RAG_OUTLIERS; j++) {
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < in; k++) {
            bool taken = false;
            for (size_t i = 0; i < j; i++) {
                taken = taken || out[i] == k;
            }
            if (!taken && (best == SIZE_MAX || tops[k] > tops[best])) {
                best = k;
            }
        }
        out[j] = (uint32_t)best;
    }
}

static int pack_matrix(const rag_bert *model, const rag_linear *l,
                       const float *tops, rag_matrix *m, rag_error *err) {
    size_t filled = rag_matrix_panels(l->out) * RAG_PANEL;
    float *w = malloc(l->in * l->out * sizeof(*w));
    if (!w) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    /* The block is zeroed, so what fills the last panel is zero. */
    rag_linear_read(l, w, (float *)(uintptr_t)m->bias);
    choose_outliers(tops, l->in, (uint32_t *)(uintptr_t)m->outlier);
    for (size_t n = 0; n < l->out; n++) {
        float *row = w + n * l->in;
        for (size_t k = 0; k < l->in; k++) {
            if (!isfinite(row[k])) {
                free(w);
                return rag_error_set(err, RAG_E_CORRUPT,
                                     "%s: tensor %.*s holds something that "
                                     "is no number",
                                     rag_gguf_name(model->g),
                                     (int)l->w[0]->name_len, l->w[0]->name);
            }
        }
        for (size_t j = 0; j < RAG_OUTLIERS; j++) {
            ((float *)(uintptr_t)m->exact)[j * filled + n] = row[m->outlier[j]];
            row[m->outlier[j]] = 0;
        }
        pack_row(row, l->in, n, m);
    }
    free(w);
    return 0;
}

/*
 * Largest magnitudes of all inputs of all matrices, by running the model in
 * float32 over random tokens: which inputs are outliers is a property of the
 * model, not of the text, so any tokens show them. The numbers come from a
 * fixed generator, so that packing twice gives the same.
 */
#define PROBE_TEXTS 8u
#define PROBE_TOKENS 64u

static int probe(const rag_bert *m, rag_bert_tops *tops, rag_error *err) {
    size_t len = m->positions < PROBE_TOKENS ? m->positions : PROBE_TOKENS;
    int32_t ids[PROBE_TEXTS * PROBE_TOKENS];
    size_t start[PROBE_TEXTS + 1] = {0};
    float *out[PROBE_TEXTS], *vector = malloc(m->hidden * sizeof(*vector));
    rag_bert_batch b = {.ids = ids, .start = start, .n = PROBE_TEXTS};
    rag_bert_f32 *f = NULL;
    uint64_t seed = 1;
    int rc;
    if (!vector) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < PROBE_TEXTS * len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((seed >> 33) % m->vocab);
    }
    for (size_t i = 0; i < PROBE_TEXTS; i++) {
        start[i + 1] = start[i] + len;
        out[i] = vector;
    }
    rc = rag_bert_f32_open(m, 1, &f, err);
    if (rc == 0) {
        rag_bert_f32_watch(f, tops);
        rc = rag_bert_f32_run(f, &b, out, err);
    }
    rag_bert_f32_close(f);
    free(vector);
    return rc;
}

static void pack_norm(const rag_norm *n, const float *w, const float *b) {
    rag_norm_read(n, (float *)(uintptr_t)w, (float *)(uintptr_t)b);
}

static int fill_layers(rag_pack *p, const rag_bert *m, rag_error *err) {
    size_t h = m->hidden, each = 3 * h + m->ffn;
    float *numbers = calloc(m->layers * each, sizeof(*numbers));
    rag_bert_tops *tops = calloc(m->layers, sizeof(*tops));
    int rc =
        numbers && tops ? 0 : rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < m->layers; i++) {
        float *at = numbers + i * each;
        tops[i] = (rag_bert_tops){at, at + h, at + 2 * h, at + 3 * h};
    }
    if (rc == 0) {
        rc = probe(m, tops, err);
    }
    for (size_t i = 0; rc == 0 && i < m->layers; i++) {
        const rag_bert_layer *l = &m->layer[i];
        const rag_bert_tops *t = &tops[i];
        rag_pack_layer *o = &p->layer[i];
        if ((rc = pack_matrix(m, &l->qkv, t->qkv, &o->qkv, err)) != 0 ||
            (rc = pack_matrix(m, &l->attn_out, t->attn_out, &o->attn_out,
                              err)) != 0 ||
            (rc = pack_matrix(m, &l->up, t->up, &o->up, err)) != 0 ||
            (rc = pack_matrix(m, &l->down, t->down, &o->down, err)) != 0) {
            break;
        }
        pack_norm(&l->attn_norm, o->attn_norm_w, o->attn_norm_b);
        pack_norm(&l->out_norm, o->out_norm_w, o->out_norm_b);
    }
    free(numbers);
    free(tops);
    return rc;
}

static int fill(rag_pack *p, const rag_bert *m, const rag_trie *trie,
                rag_error *err) {
    float *places = (float *)(uintptr_t)p->places;
    memcpy((void *)(uintptr_t)p->trie.units, trie->units,
           (size_t)trie->n * sizeof(rag_trie_unit));
    for (size_t i = 0; i < m->positions; i++, places += m->hidden) {
        rag_gguf_row(m->places, i, places);
        for (size_t j = 0; j < m->hidden; j++) {
            places[j] += m->first_type[j];
        }
    }
    return fill_layers(p, m, err);
}

int rag_pack_build(const rag_bert *m, const char *fingerprint,
                   const rag_trie *trie, rag_pack **out, rag_error *err) {
    rag_pack *p = new_pack(m);
    head h = {.magic = "RAGPACK",
              .version = PACK_VERSION,
              .order = 0x01020304u,
              .trie_units = trie->n,
              .trie_flags = trie->flags};
    int rc;
    *out = NULL;
    if (!p) {
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    p->size = lay_out(p, m, NULL, trie->n);
    p->memory = aligned_alloc(ALIGN, p->size);
    if (!p->memory) {
        rag_pack_close(p);
        return rag_error_set(err, RAG_E_NOMEM,
                             "out of memory for %zu bytes of weights", p->size);
    }
    memset(p->memory, 0, p->size);
    (void)lay_out(p, m, p->memory, trie->n);
    p->trie.flags = trie->flags;
    rc = fill(p, m, trie, err);
    if (rc != 0) {
        rag_pack_close(p);
        return rc;
    }
    h.size = p->size;
    h.sum = rag_hash_fast(p->memory + sizeof(h), p->size - sizeof(h));
    (void)snprintf(h.fingerprint, sizeof(h.fingerprint), "%s", fingerprint);
    memcpy(p->memory, &h, sizeof(h));
    *out = p;
    return 0;
}

int rag_pack_save(const rag_pack *p, const char *dir, rag_error *err) {
    const unsigned char *bytes = p->mapped ? p->map.data : p->memory;
    char *path = NULL;
    head h;
    int rc = rag_file_mkdirs(dir, 0700, err);
    memcpy(&h, bytes, sizeof(h));
    if (rc == 0) {
        rc = pack_path(dir, h.fingerprint, &path, err);
    }
    if (rc == 0) {
        rc = rag_file_replace(path, bytes, p->size, 0600, err);
    }
    free(path);
    return rc;
}

const rag_trie *rag_pack_trie(const rag_pack *p) {
    return &p->trie;
}

const rag_pack_layer *rag_pack_layer_at(const rag_pack *p, size_t i) {
    return &p->layer[i];
}

const float *rag_pack_place(const rag_pack *p, size_t i) {
    return p->places + i * p->hidden;
}
