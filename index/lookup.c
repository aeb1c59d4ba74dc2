/*
 * lookup.c - what is found without ranking: exact FAQ questions and texts;
 * and the self test of the whole chain. Any thread.
 */
#include "index/lexicon.h"

#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- exact questions ------------------------------------------------------------- */

typedef struct found {
    int64_t chunk[64];
    int ord[64];
    size_t n;
} found;

static int note(void *user, int64_t doc, int64_t chunk, int ord) {
    found *f = user;

    (void)doc;
    if (f->n == sizeof(f->chunk) / sizeof(f->chunk[0]))
        return 1;
    f->chunk[f->n] = chunk;
    f->ord[f->n++] = ord;
    return 0;
}

static bool valid(const rag_index_hit *h, const char *collection, int64_t now) {
    if (h->kind != RAG_DOC_FAQ ||
        (collection && strcmp(h->collection, collection) != 0))
        return false;
    if (now == RAG_TIME_NONE)
        return true;
    return (h->valid_from == RAG_TIME_NONE || h->valid_from <= now) &&
           (h->valid_until == RAG_TIME_NONE || h->valid_until >= now);
}

static int fetch_valid(rag_store *s, const found *f, const char *collection,
                       int64_t now, size_t max, rag_index_result *out,
                       rag_error *err) {
    int rc = 0;

    out->hits = calloc(f->n + 1, sizeof(*out->hits));
    if (out->hits == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (size_t i = 0; i < f->n && out->n < max && rc == 0; i++) {
        rag_index_result one = {.hits = calloc(1, sizeof(*one.hits)), .n = 1};
        rag_index_hit *h = one.hits;
        bool there = false;

        if (h == NULL)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        rc = rag_store_hit(s, f->chunk[i], f->ord[i], h, &there, err);
        if (rc == 0 && there && valid(h, collection, now)) {
            rc = rag_store_whole(s, f->chunk[i], h, err);
            h->score = 1;
            h->vector = NAN;
            h->document = out->documents++;
            out->hits[out->n++] = *h;
            one.n = 0;
        }
        rag_index_result_free(&one);
    }
    return rc;
}

int rag_index_faq_exact(rag_index *ix, const char *key, size_t len,
                        const char *collection, int64_t now, size_t max,
                        rag_index_result *out, rag_error *err) {
    rag_store *s;
    rag_store_meta m;
    found f = {.n = 0};
    int rc = rag_index_take(ix, &s, err);

    memset(out, 0, sizeof(*out));
    if (rc != 0)
        return rc;
    if (now == 0)
        now = rag_clock_now();
    rc = rag_store_begin_read(s, err);
    if (rc == 0)
        rc = rag_store_meta_get(s, &m, err);
    if (rc == 0)
        rc = rag_store_key(s, key, len, note, &f, err);
    if (rc == 0)
        rc = fetch_valid(s, &f, collection, now, max, out, err);
    if (rc == 0)
        out->generation = (uint64_t)m.seq;
    rag_index_give(ix, s, rc != 0);
    if (rc != 0)
        rag_index_result_free(out);
    return rc;
}

int rag_index_text(rag_index *ix, const char *doc, size_t start, size_t end,
                   char **out, size_t *len, rag_error *err) {
    rag_store *s;
    size_t n;
    int rc = rag_index_take(ix, &s, err);

    *out = NULL;
    if (rc != 0)
        return rc;
    rc = rag_store_begin_read(s, err);
    if (rc == 0)
        rc = rag_store_text(s, doc, start, end, out, &n, err);
    if (rc == 0 && len)
        *len = n;
    rag_index_give(ix, s, rc != 0 && rc != RAG_E_NOTFOUND);
    return rc;
}

int rag_index_other_words(const rag_index *ix, const char *s, size_t n,
                          rag_buf *out, rag_error *err) {
    return rag_lexicon_say(rag_index_lexicon(ix), s, n, out, err);
}

/* ---- self test --------------------------------------------------------------------- */

/* Two documents that share a word; each question must find its own. */
static const struct {
    const char *id, *text, *question;
} samples[2] = {
    {"a", "연차휴가는 입사 후 일 년이 지나면 십오 일이 생깁니다.",
     "휴가가 며칠인가요?"},
    {"b", "출장비는 출장이 끝난 후 일 주일 안에 청구합니다.",
     "출장비를 청구하려면?"},
};

static int put_samples(rag_index_writer *w, rag_error *err) {
    int rc = rag_index_writer_begin_root(w, "/", err);

    for (int i = 0; i < 2 && rc == 0; i++) {
        rag_document d;
        rag_chunk c = {0};

        rag_document_init(&d);
        rc = rag_str_dup(samples[i].id, &d.id, err);
        if (rc == 0)
            rc = rag_str_dup(samples[i].text, &d.text, err);
        if (rc == 0) {
            d.text_len = c.end = strlen(d.text);
            d.valid_from = d.valid_until = RAG_TIME_NONE;
            d.chunks = &c;
            d.nchunks = 1;
            rc = rag_index_writer_put(w, &d, NULL, 0, err);
            d.chunks = NULL;
            d.nchunks = 0;
        }
        rag_document_free(&d);
    }
    return rc == 0 ? rag_index_writer_commit(w, err) : rc;
}

static int ask_samples(rag_index *ix, rag_error *err) {
    int rc = 0;

    for (int i = 0; i < 2 && rc == 0; i++) {
        rag_index_query q = {.text = samples[i].question,
                             .len = strlen(samples[i].question),
                             .k = 1,
                             .kind = -1,
                             .vector_weight = -1};
        rag_index_result r;

        rc = rag_index_search(ix, &q, &r, err);
        if (rc != 0)
            break;
        if (r.n != 1 || strcmp(r.hits[0].doc, samples[i].id) != 0)
            rc = rag_error_set(err, RAG_E_INTERNAL,
                               "self test: \"%s\" did not find its document; "
                               "the full-text index does not work here",
                               samples[i].question);
        rag_index_result_free(&r);
    }
    return rc;
}

static void remove_folder(const char *dir) {
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}

int rag_index_self_test(rag_error *err) {
    const char *tmp = getenv("TMPDIR");
    char dir[1024];
    rag_index_fingerprint fp = {1, "self-test", "none", 1};
    rag_index_options opt = {.read_only = true, .threads = 1};
    rag_index_writer *w = NULL;
    rag_index *ix = NULL;
    int rc;

    snprintf(dir, sizeof(dir), "%s/ragd-test-XXXXXX",
             tmp && tmp[0] ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return rag_error_set(err, RAG_E_IO,
                             "self test: no folder could be made at %s", dir);
    rc = rag_index_writer_open(dir, &fp, false, &w, err);
    if (rc == 0)
        rc = put_samples(w, err);
    rag_index_writer_close(w);
    if (rc == 0)
        rc = rag_index_open(dir, &opt, &ix, err);
    if (rc == 0)
        rc = ask_samples(ix, err);
    rag_index_close(ix);
    remove_folder(dir);
    return rc;
}
