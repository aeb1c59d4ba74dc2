/*
 * store_desk_live.c - the picture of what answers now.
 *
 * Loaded whole from desk.db after each change and then immutable: exact
 * lookup by a hash table of keys, near lookup by brute force over the vectors
 * (at most RAG_DESK_ENTRIES_MAX entries). No database at question time.
 */
#include "index/store_desk_int.h"

#include "base/clock.h"
#include "base/terms.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct wording {
    size_t entry, ord; /* ord 0: the question, then the variants */
    char *key;
    size_t len;
    const float *v; /* in vectors; NULL: none of this encoder */
    size_t next; /* in its hash chain, SIZE_MAX ends */
} wording;

/* A content word of an entry, by its hash. */
typedef struct term {
    uint64_t word;
    double weight; /* 1 in a wording, ANSWER_WEIGHT in the answer alone */
} term;

#define ANSWER_WEIGHT 0.5
#define TERM_SHARE 0.1 /* of shared words in the order, beside the cosine */
/* An entry must be ahead of the next by so much to be put among what was
 * found: of the samples' held-out wordings, 46 % are, and of these nine in ten
 * rightly (0: all, seven in ten; 0.01: 64 %, 85 in a hundred). */
#define STANDS_OUT 0.02
#define LOOKED_AT 8 /* nearest entries that are put in order */
#define ASKED_TERMS 64

struct rag_desk_live {
    atomic_int refs;
    rag_desk_list entries;
    wording *words;
    size_t nwords;
    size_t *table; /* first wording of a hash, SIZE_MAX: none */
    size_t slots; /* a power of two */
    char **hidden; /* ids, sorted */
    size_t nhidden;
    float *vectors;
    int dim;
    term *terms; /* of all entries, by entry, then by word */
    size_t nterms, terms_cap;
    size_t *first_term; /* of each entry, and one behind the last */
};

rag_desk_live *rag_desk_live_ref(rag_desk_live *l) {
    if (l)
        atomic_fetch_add(&l->refs, 1);
    return l;
}

void rag_desk_live_unref(rag_desk_live *l) {
    if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
        return;
    for (size_t i = 0; i < l->nwords; i++)
        free(l->words[i].key);
    for (size_t i = 0; i < l->nhidden; i++)
        free(l->hidden[i]);
    rag_desk_list_free(&l->entries);
    free(l->words);
    free(l->table);
    free(l->hidden);
    free(l->vectors);
    free(l->terms);
    free(l->first_term);
    free(l);
}

size_t rag_desk_live_count(const rag_desk_live *l) {
    return l ? l->entries.n : 0;
}

bool rag_desk_live_lacks_vectors(const rag_desk_live *l, size_t i,
                                 const rag_desk_entry **e) {
    *e = &l->entries.v[i];
    for (size_t w = 0; w < l->nwords; w++)
        if (l->words[w].entry == i && !l->words[w].v)
            return true;
    return false;
}

int64_t rag_desk_live_version(const rag_desk_live *l, const char *id) {
    for (size_t i = 0; l && i < l->entries.n; i++)
        if (strcmp(l->entries.v[i].id, id) == 0)
            return l->entries.v[i].version;
    return 0;
}

/* ---- loading ------------------------------------------------------------- */

static size_t slot_of(const rag_desk_live *l, const char *key, size_t n) {
    return (size_t)rag_hash_fast(key, n) & (l->slots - 1);
}

static int add_wordings(rag_desk_live *l, size_t entry, rag_error *err) {
    const rag_desk_entry *e = &l->entries.v[entry];
    for (size_t ord = 0; ord <= e->nvariants; ord++) {
        const char *s = ord ? e->variants[ord - 1] : e->question;
        wording *w = &l->words[l->nwords++];
        rag_buf key;
        rag_buf_init(&key, 0);
        *w = (wording){.entry = entry, .ord = ord, .next = SIZE_MAX};
        int rc = rag_terms_key(s, strlen(s), &key, err);
        if (!rc)
            rc = rag_buf_steal(&key, &w->key, &w->len, err);
        rag_buf_free(&key);
        if (rc)
            return rc;
    }
    return 0;
}

static int make_table(rag_desk_live *l, rag_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < l->entries.n; i++)
        total += 1 + l->entries.v[i].nvariants;
    for (l->slots = 16; l->slots < 2 * total;)
        l->slots *= 2;
    l->words = calloc(total + 1, sizeof *l->words);
    l->table = malloc(l->slots * sizeof *l->table);
    if (!l->words || !l->table)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
    for (size_t i = 0; i < l->slots; i++)
        l->table[i] = SIZE_MAX;
    int rc = 0;
    for (size_t i = 0; i < l->entries.n && !rc; i++)
        rc = add_wordings(l, i, err);
    for (size_t i = 0; i < l->nwords && !rc; i++) {
        size_t at = slot_of(l, l->words[i].key, l->words[i].len);
        l->words[i].next = l->table[at];
        l->table[at] = i;
    }
    return rc;
}

typedef struct collecting {
    rag_desk_live *live;
    double weight;
} collecting;

static int collect_term(void *user, const rag_term *t) {
    collecting *c = user;
    rag_desk_live *l = c->live;
    if (t->kind == RAG_TERM_PART)
        return 0;
    if (l->nterms == l->terms_cap) {
        size_t cap = l->terms_cap ? l->terms_cap * 2 : 256;
        term *v = realloc(l->terms, cap * sizeof *v);
        if (!v)
            return RAG_E_NOMEM;
        l->terms = v;
        l->terms_cap = cap;
    }
    l->terms[l->nterms++] = (term){rag_hash_fast(t->text, t->len), c->weight};
    return 0;
}

static int by_word(const void *a, const void *b) {
    const term *x = a, *y = b;
    if (x->word != y->word)
        return x->word < y->word ? -1 : 1;
    return x->weight > y->weight ? -1 : x->weight < y->weight;
}

/* Words of an entry, each once with its larger weight, in order of hash. */
static int make_terms_of(rag_desk_live *l, const rag_desk_entry *e,
                         rag_error *err) {
    size_t first = l->nterms, kept = first;
    collecting c = {l, 1};
    int rc = rag_terms_content(e->question, strlen(e->question), collect_term,
                               &c, err);
    for (size_t i = 0; i < e->nvariants && !rc; i++)
        rc = rag_terms_content(e->variants[i], strlen(e->variants[i]),
                               collect_term, &c, err);
    c.weight = ANSWER_WEIGHT;
    if (!rc)
        rc = rag_terms_content(e->answer, strlen(e->answer), collect_term, &c,
                               err);
    if (rc)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
    if (l->nterms > first)
        qsort(l->terms + first, l->nterms - first, sizeof(term), by_word);
    for (size_t i = first; i < l->nterms; i++)
        if (kept == first || l->terms[kept - 1].word != l->terms[i].word)
            l->terms[kept++] = l->terms[i];
    l->nterms = kept;
    return 0;
}

static int make_terms(rag_desk_live *l, rag_error *err) {
    int rc = 0;
    l->first_term = calloc(l->entries.n + 1, sizeof *l->first_term);
    if (!l->first_term)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
    for (size_t i = 0; i < l->entries.n && !rc; i++) {
        l->first_term[i] = l->nterms;
        rc = make_terms_of(l, &l->entries.v[i], err);
    }
    l->first_term[l->entries.n] = l->nterms;
    return rc;
}

/* The wording of an entry's version, found by walking: entries and vectors
 * come in the same order. */
static wording *wording_of(rag_desk_live *l, size_t *at, const char *id,
                           int64_t ord) {
    for (; *at < l->nwords; (*at)++) {
        wording *w = &l->words[*at];
        int c = strcmp(l->entries.v[w->entry].id, id);
        if (c == 0 && (int64_t)w->ord == ord)
            return w;
        if (c > 0 || (c == 0 && (int64_t)w->ord > ord))
            return NULL;
    }
    return NULL;
}

static int load_vectors(rag_desk_link *r, rag_desk_live *l,
                        const char *fingerprint, rag_error *err) {
    bool row;
    size_t at = 0, bytes = sizeof(float) * (size_t)l->dim;
    l->vectors = calloc(l->nwords + 1, bytes);
    if (!l->vectors)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
    sqlite3_stmt *st = rag_desk_prepare(
        r,
        "SELECT v.id, v.ord, v.v FROM vector v JOIN entry e ON e.id=v.id AND"
        " e.live=v.version WHERE v.fingerprint=? ORDER BY v.id, v.ord",
        err);
    int rc = st ? 0 : rag_desk_finish(r, NULL, err);
    if (st)
        rag_desk_bind_str(st, 1, fingerprint);
    while (!rc && !(rc = rag_desk_step(r, st, &row, err)) && row) {
        const char *id = (const char *)sqlite3_column_text(st, 0);
        wording *w =
            id ? wording_of(l, &at, id, sqlite3_column_int64(st, 1)) : NULL;
        if (!w)
            continue;
        if (sqlite3_column_type(st, 2) != SQLITE_BLOB ||
            (size_t)sqlite3_column_bytes(st, 2) != bytes)
            continue; /* made again by whoever has the encoder */
        float *to = l->vectors + (size_t)(w - l->words) * (size_t)l->dim;
        memcpy(to, sqlite3_column_blob(st, 2), bytes);
        bool finite = true;
        for (int i = 0; i < l->dim; i++)
            finite = finite && isfinite(to[i]);
        w->v = finite ? to : NULL;
    }
    sqlite3_finalize(st);
    return rc;
}

static int load_hidden(rag_desk_link *r, rag_desk_live *l, rag_error *err) {
    bool row;
    sqlite3_stmt *st = rag_desk_prepare(
        r, "SELECT id FROM entry WHERE live>0 OR retired ORDER BY id", err);
    int rc = st ? 0 : rag_desk_finish(r, NULL, err);
    while (!rc && !(rc = rag_desk_step(r, st, &row, err)) && row) {
        char **v = realloc(l->hidden, (l->nhidden + 1) * sizeof *v);
        if (!v) {
            rc = rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
            break;
        }
        l->hidden = v;
        rc = rag_desk_text(r, st, 0, RAG_DESK_ID_MAX, false, &v[l->nhidden],
                           err);
        l->nhidden += !rc;
    }
    sqlite3_finalize(st);
    return rc;
}

int rag_deskdb_live(rag_deskdb *db, const char *fingerprint, int dim,
                    rag_desk_live **out, rag_error *err) {
    *out = NULL;
    rag_desk_live *l = calloc(1, sizeof *l);
    if (!l)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
    atomic_init(&l->refs, 1);
    l->dim = dim > 0 ? dim : 0;
    int rc = rag_desk_live_entries(db, &l->entries, err);
    if (!rc)
        rc = make_table(l, err);
    if (!rc)
        rc = make_terms(l, err);
    if (!rc) {
        pthread_mutex_lock(&db->r.lock);
        rc = load_hidden(&db->r, l, err);
        if (!rc && fingerprint && l->dim)
            rc = load_vectors(&db->r, l, fingerprint, err);
        pthread_mutex_unlock(&db->r.lock);
    }
    if (rc) {
        rag_desk_live_unref(l);
        return rc;
    }
    *out = l;
    return 0;
}

/* ---- asking -------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(a, *(const char *const *)b);
}

bool rag_desk_live_hides(const rag_desk_live *l, const char *id) {
    return l && l->nhidden && id &&
           bsearch(id, l->hidden, l->nhidden, sizeof *l->hidden, by_name);
}

static void hit_free(rag_index_hit *h) {
    rag_index_result one = {.hits = malloc(sizeof *h), .n = 1};
    if (!one.hits)
        return; /* leaks one hit when memory is out */
    *one.hits = *h;
    rag_index_result_free(&one);
}

void rag_desk_live_filter(const rag_desk_live *l, rag_index_result *r) {
    size_t kept = 0, documents = 0, last = SIZE_MAX;
    if (!l || !l->nhidden)
        return;
    for (size_t i = 0; i < r->n; i++) {
        if (rag_desk_live_hides(l, r->hits[i].doc)) {
            hit_free(&r->hits[i]);
            continue;
        }
        if (r->hits[i].document != last) {
            last = r->hits[i].document;
            documents++;
        }
        r->hits[kept] = r->hits[i];
        r->hits[kept++].document = documents - 1;
    }
    r->n = kept;
    r->documents = documents;
}

static bool serves(const rag_desk_entry *e, const char *collection,
                   int64_t now) {
    if (collection && *collection && strcmp(e->collection, collection) != 0)
        return false;
    return (e->valid_from == RAG_TIME_NONE || now >= e->valid_from) &&
           (e->valid_until == RAG_TIME_NONE || now <= e->valid_until);
}

static int append(rag_index_result *r, const rag_desk_entry *e,
                  const char *question, double cosine, rag_error *err) {
    rag_index_hit *v = realloc(r->hits, (r->n + 1) * sizeof *v);
    if (!v)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for an answer");
    r->hits = v;
    rag_index_hit *h = &v[r->n];
    memset(h, 0, sizeof *h);
    h->kind = RAG_DOC_FAQ;
    h->chunk = -e->version; /* no chunk of the store has such a number */
    h->end = strlen(e->answer);
    h->valid_from = e->valid_from;
    h->valid_until = e->valid_until;
    h->vector = cosine;
    h->score = isnan(cosine) ? 1 : cosine;
    h->document = r->documents;
    const struct {
        const char *s;
        char **to;
    } text[] = {{e->id, &h->doc},
                {e->question, &h->title},
                {"", &h->heading},
                {"", &h->source},
                {e->url, &h->url},
                {e->lang, &h->lang},
                {e->answer, &h->text},
                {question, &h->question},
                {e->collection, &h->collection}};
    int rc = 0;
    for (size_t i = 0; i < sizeof text / sizeof text[0] && !rc; i++)
        rc = rag_str_dup(text[i].s, text[i].to, err);
    if (rc) {
        hit_free(h);
        return rc;
    }
    r->n++;
    r->documents++;
    return 0;
}

static const char *words_of(const rag_desk_live *l, const wording *w) {
    const rag_desk_entry *e = &l->entries.v[w->entry];
    return w->ord ? e->variants[w->ord - 1] : e->question;
}

int rag_desk_live_exact(const rag_desk_live *l, const char *key, size_t len,
                        const char *collection, int64_t now,
                        rag_index_result *r, rag_error *err) {
    int rc = 0;
    size_t last = SIZE_MAX;
    if (!l || !l->nwords || !len)
        return 0;
    now = now ? now : rag_clock_now();
    for (size_t i = l->table[slot_of(l, key, len)]; i != SIZE_MAX && !rc;
         i = l->words[i].next) {
        const wording *w = &l->words[i];
        const rag_desk_entry *e = &l->entries.v[w->entry];
        if (w->len == len && memcmp(w->key, key, len) == 0 &&
            w->entry != last &&
            (now == RAG_TIME_NONE || serves(e, collection, now))) {
            rc = append(r, e, words_of(l, w), NAN, err);
            last = w->entry;
        }
    }
    return rc;
}

typedef struct nearest {
    size_t word;
    double cosine;
} nearest;

static int by_cosine(const void *a, const void *b) {
    double x = ((const nearest *)a)->cosine, y = ((const nearest *)b)->cosine;
    return x > y ? -1 : x < y;
}

static double dot(const float *a, const float *b, int dim) {
    float sum[8] = {0};
    int i = 0;
    for (; i + 8 <= dim; i += 8)
        for (int k = 0; k < 8; k++)
            sum[k] += a[i + k] * b[i + k];
    for (; i < dim; i++)
        sum[0] += a[i] * b[i];
    return (double)(sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] +
                    sum[6] + sum[7]);
}

int rag_desk_live_near(const rag_desk_live *l, const float *vector,
                       const char *collection, int64_t now, size_t max,
                       double least, rag_index_result *r, rag_error *err) {
    int rc = 0;
    size_t n = 0;
    if (!l || !l->nwords || !vector || !l->vectors)
        return 0;
    now = now ? now : rag_clock_now();
    nearest *v = malloc((l->entries.n + 1) * sizeof *v);
    if (!v)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to compare entries");
    for (size_t i = 0; i < l->nwords; i++) {
        const wording *w = &l->words[i];
        if (!w->v || !serves(&l->entries.v[w->entry], collection, now))
            continue;
        double c = dot(vector, w->v, l->dim);
        if (c < least)
            continue;
        /* The wordings of an entry stand together: its best one counts. */
        if (n && l->words[v[n - 1].word].entry == w->entry) {
            if (c > v[n - 1].cosine)
                v[n - 1] = (nearest){i, c};
        } else {
            v[n++] = (nearest){i, c};
        }
    }
    qsort(v, n, sizeof *v, by_cosine);
    for (size_t i = 0; i < n && i < max && !rc; i++) {
        const wording *w = &l->words[v[i].word];
        rc = append(r, &l->entries.v[w->entry], words_of(l, w), v[i].cosine,
                    err);
    }
    free(v);
    return rc;
}

/* Where a hit of this cosine belongs in r, and its score; false: behind
 * everything that was found. */
static bool rank_of(const rag_index_result *r, double cosine, size_t *at,
                    double *score) {
    bool any = false;
    for (size_t i = 0; i < r->n; i++) {
        const rag_index_hit *h = &r->hits[i];
        if (isnan(h->vector) || h->vector > cosine ||
            (any && h->score <= *score))
            continue;
        any = true;
        *score = h->score;
        *at = i;
    }
    /* Before the first chunk of that document. */
    while (any && *at && r->hits[*at - 1].document == r->hits[*at].document)
        --*at;
    return any;
}

typedef struct asked {
    uint64_t word[ASKED_TERMS];
    double rarity[ASKED_TERMS];
    size_t n;
    double total;
} asked;

static int collect_asked(void *user, const rag_term *t) {
    asked *a = user;
    uint64_t word = rag_hash_fast(t->text, t->len);
    for (size_t i = 0; i < a->n; i++)
        if (a->word[i] == word)
            return 0;
    if (t->kind != RAG_TERM_PART && a->n < ASKED_TERMS)
        a->word[a->n++] = word;
    return 0;
}

static double weight_in(const rag_desk_live *l, size_t entry, uint64_t word) {
    term key = {word, 0};
    size_t first = l->first_term[entry], n = l->first_term[entry + 1] - first;
    for (size_t low = 0; low < n;) {
        size_t mid = low + (n - low) / 2;
        const term *t = &l->terms[first + mid];
        if (t->word == key.word)
            return t->weight;
        if (t->word < key.word)
            low = mid + 1;
        else
            n = mid;
    }
    return 0;
}

/* The question's words, rare ones among the entries weighing more. */
static int weigh(const rag_desk_live *l, const char *question, asked *a,
                 rag_error *err) {
    memset(a, 0, sizeof *a);
    if (rag_terms_content(question, strlen(question), collect_asked, a, err))
        return rag_error_set(err, RAG_E_NOMEM, "no memory for words");
    for (size_t i = 0; i < a->n; i++) {
        size_t in = 0;
        for (size_t e = 0; e < l->entries.n; e++)
            in += weight_in(l, e, a->word[i]) > 0;
        a->rarity[i] = log(1 + (double)l->entries.n / (double)(in + 1));
        a->total += a->rarity[i];
    }
    return 0;
}

/* Share of the question that an entry speaks of, 0 to 1. */
static double share(const rag_desk_live *l, const asked *a, const char *id) {
    double sum = 0;
    size_t e = 0;
    while (e < l->entries.n && strcmp(l->entries.v[e].id, id) != 0)
        e++;
    for (size_t i = 0; e < l->entries.n && i < a->n; i++)
        sum += a->rarity[i] * weight_in(l, e, a->word[i]);
    return a->total > 0 ? sum / a->total : 0;
}

/* Orders near hits by cosine and shared words; score gets the measure. */
static int put_in_order(const rag_desk_live *l, const char *question,
                        rag_index_result *near, rag_error *err) {
    asked a;
    int rc = weigh(l, question, &a, err);
    for (size_t i = 0; i < near->n && !rc; i++) {
        rag_index_hit h = near->hits[i];
        size_t at = i;
        h.score = h.vector + TERM_SHARE * share(l, &a, h.doc);
        for (; at && near->hits[at - 1].score < h.score; at--)
            near->hits[at] = near->hits[at - 1];
        near->hits[at] = h;
    }
    return rc;
}

static int insert(rag_index_result *r, rag_index_hit *h, size_t at,
                  double score, rag_error *err) {
    rag_index_hit *v = realloc(r->hits, (r->n + 1) * sizeof *v);
    if (!v)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for an answer");
    r->hits = v;
    /* As much of the score is its document's as of the hit's beside it. */
    const rag_index_hit *beside = at < r->n ? &v[at]
                                  : at > 0  ? &v[at - 1]
                                            : NULL;
    double lead = beside ? beside->score - beside->own : 0;
    memmove(v + at + 1, v + at, (r->n - at) * sizeof *v);
    v[at] = *h;
    memset(h, 0, sizeof *h);
    v[at].score = score;
    v[at].own = score - lead;
    v[at].document = at < r->n ? v[at + 1].document
                     : at > 0  ? v[at - 1].document + 1
                               : 0;
    for (size_t k = at + 1; k <= r->n; k++)
        v[k].document++;
    r->n++;
    r->documents++;
    if (isnan(r->best_cosine) || v[at].vector > r->best_cosine)
        r->best_cosine = v[at].vector;
    return 0;
}

int rag_desk_live_join(const rag_desk_live *l, const char *question,
                       const float *vector, const char *collection, int64_t now,
                       size_t max, double least, rag_index_result *r,
                       rag_error *err) {
    rag_index_result near = {0};
    size_t at = 0, had = r->n;
    double top = 0, score = 0;
    int rc = rag_desk_live_near(l, vector, collection, now, LOOKED_AT, least,
                                &near, err);
    if (!rc && near.n) {
        top = near.hits[0].vector;
        rc = put_in_order(l, question, &near, err);
    }
    if (near.n > 1 && near.hits[0].score - near.hits[1].score < STANDS_OUT)
        max = 0; /* it could be either: better none */
    /* The first of ours stands where the nearest belongs, the others, where
     * they are as near, right behind it. */
    for (size_t i = 0; i < near.n && i < max && !rc; i++) {
        double cosine = i ? near.hits[i].vector : top;
        size_t place = i;
        if (!had)
            score = i ? score * 0.95 : cosine;
        else if (!rank_of(r, cosine, &place, &score))
            continue;
        if (i && place <= at)
            place = at + 1;
        at = place;
        if (at && r->hits[at - 1].score < score)
            score = r->hits[at - 1].score;
        rc = insert(r, &near.hits[i], at, score, err);
    }
    rag_index_result_free(&near);
    return rc;
}
