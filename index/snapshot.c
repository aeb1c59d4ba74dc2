/*
 * snapshot.c - a generation's base in a file, so that a start is a read.
 *
 * vectors-SEQ.snap: head, document rows, chunk rows, vector rows, rows of
 * parts, strings, vector index, and a checksum of all before it (XXH3). Written beside,
 * synced, renamed; older ones are removed after. Derived data: whatever does
 * not fit (other encoder, epoch, schema; damage) is not used and made again
 * from the store. Called by index.c, on one thread.
 */
#include "index/generation_int.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION 2
#define SNAPSHOTS_MAX 16 /* files looked at, newest first */

typedef struct head {
    char magic[8];
    uint32_t version, dim;
    uint32_t row_size[4];
    int64_t seq, epoch;
    uint64_t docs, chunks, vecs, parts, strings, string_bytes, ann_bytes;
    char encoder[72];
} head;

static const char magic[8] = "RAGSNAP";

/* ---- writing ------------------------------------------------------------------- */

typedef struct sink {
    FILE *f;
    uint64_t bytes;
    rag_error *err;
    const char *path;
} sink;

static int put(void *user, const void *p, size_t n) {
    sink *k = user;

    k->bytes += n;
    if (n > 0 && fwrite(p, 1, n, k->f) != n)
        return rag_error_errno(k->err, RAG_E_IO, errno, "writing %s", k->path);
    return 0;
}

static int put_strings(sink *k, rag_interned *strings, size_t n) {
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        const char *s = rag_interned_get(strings, (uint32_t)i);

        rc = put(k, s, strlen(s) + 1);
    }
    return rc;
}

static int put_all(sink *k, const rag_generation *g, rag_interned *strings) {
    const rag_segment *b = g->base;
    head h = {.version = VERSION,
              .dim = (uint32_t)g->meta.dim,
              .row_size = {sizeof(rag_doc_row), sizeof(rag_chunk_row),
                           sizeof(rag_vec_row), sizeof(rag_part_row)},
              .seq = g->meta.seq,
              .epoch = g->meta.epoch,
              .docs = g->ndocs,
              .chunks = b->nchunks,
              .vecs = b->nvecs,
              .parts = b->parts ? b->nchunks : 0,
              .strings = rag_interned_count(strings)};
    uint64_t before;
    int rc;

    memcpy(h.magic, magic, sizeof(magic));
    snprintf(h.encoder, sizeof(h.encoder), "%s", g->meta.encoder);
    rc = put(k, &h, sizeof(h));
    if (rc == 0)
        rc = put(k, g->docs, g->ndocs * sizeof(*g->docs));
    if (rc == 0)
        rc = put(k, b->chunks, b->nchunks * sizeof(*b->chunks));
    if (rc == 0)
        rc = put(k, b->vecs, b->nvecs * sizeof(*b->vecs));
    if (rc == 0 && b->parts)
        rc = put(k, b->parts, b->nchunks * sizeof(*b->parts));
    before = k->bytes;
    if (rc == 0)
        rc = put_strings(k, strings, h.strings);
    h.string_bytes = k->bytes - before;
    before = k->bytes;
    if (rc == 0 && b->ann)
        rc = rag_ann_save(b->ann, put, k, k->err);
    h.ann_bytes = k->bytes - before;
    if (rc == 0 && (fflush(k->f) != 0 || fseek(k->f, 0, SEEK_SET) != 0))
        rc = rag_error_errno(k->err, RAG_E_IO, errno, "writing %s", k->path);
    return rc == 0 ? put(k, &h, sizeof(h)) : rc;
}

/* Appends the checksum of what the file holds. */
static int seal(const char *path, rag_error *err) {
    rag_file_map map;
    uint64_t sum;
    FILE *f;
    int rc = rag_file_map_open(path, &map, err);

    if (rc != 0)
        return rc;
    sum = rag_hash_fast(map.data, map.len);
    rag_file_unmap(&map);
    f = fopen(path, "ab");
    if (f == NULL || fwrite(&sum, sizeof(sum), 1, f) != 1)
        rc = rag_error_errno(err, RAG_E_IO, errno, "writing %s", path);
    if (f && fclose(f) != 0 && rc == 0)
        rc = rag_error_errno(err, RAG_E_IO, errno, "writing %s", path);
    return rc;
}

static int64_t seq_of(const char *name) {
    int64_t seq;
    int end = 0;

    if (sscanf(name, "vectors-%20" SCNd64 ".snap%n", &seq, &end) != 1 ||
        end == 0 || name[end] != '\0')
        return -1;
    return seq;
}

static void remove_older(const char *dir, int64_t seq) {
    DIR *d = opendir(dir);
    struct dirent *e;

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL) {
        int64_t s = seq_of(e->d_name);

        if (s >= 0 && s != seq)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

int rag_snapshot_write(const char *dir, const rag_generation *g,
                       rag_interned *strings, rag_error *err) {
    rag_buf path, tmp;
    sink k = {.err = err};
    int rc;

    rag_buf_init(&path, 0);
    rag_buf_init(&tmp, 0);
    rc = rag_buf_printf(&path, err, "%s/vectors-%020" PRId64 ".snap", dir,
                        g->meta.seq);
    if (rc == 0)
        rc = rag_buf_printf(&tmp, err, "%s.%ld.tmp", rag_buf_str(&path),
                            (long)getpid());
    if (rc != 0)
        goto out;
    k.path = rag_buf_str(&tmp);
    k.f = fopen(k.path, "wb");
    if (k.f == NULL) {
        rc = rag_error_errno(err, RAG_E_IO, errno, "creating %s", k.path);
        goto out;
    }
    fchmod(fileno(k.f), 0600);
    rc = put_all(&k, g, strings);
    if (fclose(k.f) != 0 && rc == 0)
        rc = rag_error_errno(err, RAG_E_IO, errno, "writing %s", k.path);
    if (rc == 0)
        rc = seal(k.path, err);
    if (rc == 0)
        rc = rag_file_publish(k.path, rag_buf_str(&path), err);
    if (rc == 0)
        remove_older(dir, g->meta.seq);
    else
        unlink(k.path);
out:
    rag_buf_free(&tmp);
    rag_buf_free(&path);
    return rc;
}

/* ---- reading ---------------------------------------------------------------------- */

/* Takes count rows of size bytes off the map; NULL when it is too short. */
static const unsigned char *part(const rag_file_map *m, size_t *at,
                                 uint64_t count, size_t size) {
    const unsigned char *p = m->data + *at;

    if (count > (m->len - *at) / size)
        return NULL;
    *at += (size_t)count * size;
    return p;
}

static void *copy(const void *p, size_t n) {
    void *q = malloc(n ? n : 1);

    if (q && n > 0)
        memcpy(q, p, n);
    return q;
}

static int check_head(const rag_file_map *m, const rag_store_meta *meta,
                      const char *path, head *h, rag_error *err) {
    uint64_t sum;

    if (m->len < sizeof(*h) + sizeof(sum))
        return rag_error_set(err, RAG_E_CORRUPT, "%s is too short", path);
    memcpy(h, m->data, sizeof(*h));
    if (memcmp(h->magic, magic, sizeof(magic)) != 0 || h->version != VERSION ||
        h->row_size[0] != sizeof(rag_doc_row) ||
        h->row_size[1] != sizeof(rag_chunk_row) ||
        h->row_size[2] != sizeof(rag_vec_row) ||
        h->row_size[3] != sizeof(rag_part_row))
        return rag_error_set(err, RAG_E_CORRUPT,
                             "%s is of another version or no snapshot", path);
    h->encoder[sizeof(h->encoder) - 1] = '\0';
    if (h->epoch != meta->epoch || (int)h->dim != meta->dim ||
        h->seq > meta->seq || h->seq < meta->floor ||
        strcmp(h->encoder, meta->encoder) != 0)
        return rag_error_set(err, RAG_E_MISMATCH,
                             "%s was made of another store", path);
    memcpy(&sum, m->data + m->len - sizeof(sum), sizeof(sum));
    if (sum != rag_hash_fast(m->data, m->len - sizeof(sum)))
        return rag_error_set(err, RAG_E_CORRUPT, "%s is damaged", path);
    return 0;
}

/* Numbers of the file's strings become numbers of ours. */
static int read_strings(const unsigned char *p, const head *h,
                        rag_interned *strings, uint32_t **map, rag_error *err) {
    size_t at = 0;

    *map = malloc((h->strings + 1) * sizeof(**map));
    if (*map == NULL)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (uint64_t i = 0; i < h->strings; i++) {
        const char *s = (const char *)p + at;
        size_t n = strnlen(s, h->string_bytes - at);

        if (at + n >= h->string_bytes)
            return rag_error_set(err, RAG_E_CORRUPT, "strings are cut");
        if (rag_interned_put(strings, s, &(*map)[i]) != 0)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        at += n + 1;
    }
    return 0;
}

static int check_rows(rag_generation *g, const uint32_t *map, uint64_t strings,
                      rag_error *err) {
    rag_segment *b = g->base;
    bool ok = true;

    for (size_t i = 0; i < g->ndocs && ok; i++) {
        rag_doc_row *d = &g->docs[i];

        ok = d->collection < strings && d->lang < strings &&
             d->source < strings && (i == 0 || d[-1].id < d->id);
        if (ok) {
            d->collection = map[d->collection];
            d->lang = map[d->lang];
            d->source = map[d->source];
        }
    }
    for (size_t i = 0; i < b->nchunks && ok; i++)
        ok = b->chunks[i].doc < g->ndocs &&
             (i == 0 || b->chunks[i - 1].id < b->chunks[i].id);
    for (size_t i = 0; i < b->nvecs && ok; i++)
        ok = b->vecs[i].chunk < b->nchunks;
    return ok ? 0
              : rag_error_set(err, RAG_E_CORRUPT,
                              "rows of the snapshot do not fit together");
}

static int read_all(const rag_file_map *m, const head *h,
                    const rag_store_meta *meta, rag_interned *strings,
                    rag_generation *g, rag_error *err) {
    rag_segment *b = g->base;
    size_t at = sizeof(*h);
    const unsigned char *docs = part(m, &at, h->docs, sizeof(*g->docs)),
                        *chunks, *vecs, *parts, *text, *ann;
    uint32_t *map = NULL;
    int rc;

    chunks = docs ? part(m, &at, h->chunks, sizeof(*b->chunks)) : NULL;
    vecs = chunks ? part(m, &at, h->vecs, sizeof(*b->vecs)) : NULL;
    parts = vecs ? part(m, &at, h->parts, sizeof(*b->parts)) : NULL;
    text = parts ? part(m, &at, h->string_bytes, 1) : NULL;
    ann = text ? part(m, &at, h->ann_bytes, 1) : NULL;
    if (ann == NULL || at + sizeof(uint64_t) != m->len ||
        h->strings > h->string_bytes ||
        (h->parts != 0 && h->parts != h->chunks))
        return rag_error_set(err, RAG_E_CORRUPT, "the snapshot is cut");
    g->meta = *meta;
    g->meta.seq = b->seq = h->seq;
    g->ndocs = h->docs;
    b->nchunks = h->chunks;
    b->nvecs = h->vecs;
    g->docs = copy(docs, h->docs * sizeof(*g->docs));
    b->chunks = copy(chunks, h->chunks * sizeof(*b->chunks));
    b->vecs = copy(vecs, h->vecs * sizeof(*b->vecs));
    if (h->parts > 0)
        b->parts = copy(parts, h->parts * sizeof(*b->parts));
    if (g->docs == NULL || b->chunks == NULL || b->vecs == NULL ||
        (h->parts > 0 && b->parts == NULL))
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    rc = read_strings(text, h, strings, &map, err);
    if (rc == 0)
        rc = check_rows(g, map, h->strings, err);
    if (rc == 0 && h->ann_bytes > 0)
        rc = rag_ann_load(ann, h->ann_bytes, meta->dim, &b->ann, err);
    if (rc == 0 && rag_ann_count(b->ann) != b->nvecs)
        rc = rag_error_set(err, RAG_E_CORRUPT, "vectors are missing");
    if (rc == 0)
        rc = rag_segment_index(b, err);
    if (rc == 0)
        rc = rag_generation_finish(g, err);
    free(map);
    return rc;
}

static int load_file(const char *path, const rag_store_meta *meta,
                     rag_interned *strings, rag_generation **out,
                     rag_error *err) {
    rag_generation *g = rag_generation_new();
    rag_file_map map;
    head h;
    int rc;

    if (g == NULL || (g->base = rag_segment_new()) == NULL ||
        (g->tail = rag_segment_new()) == NULL) {
        rag_generation_release(g);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    rc = rag_file_map_open(path, &map, err);
    if (rc == 0) {
        rc = check_head(&map, meta, path, &h, err);
        if (rc == 0) {
            rc = read_all(&map, &h, meta, strings, g, err);
            if (rc != 0)
                rag_error_prefix(err, "%s", path);
        }
        rag_file_unmap(&map);
    }
    if (rc != 0) {
        rag_generation_release(g);
        return rc;
    }
    *out = g;
    return 0;
}

static int descending(const void *x, const void *y) {
    const int64_t *a = x, *b = y;

    return *a > *b ? -1 : *a < *b;
}

int rag_snapshot_load(const char *dir, const rag_store_meta *meta,
                      rag_interned *strings, rag_generation **out,
                      rag_error *err) {
    int64_t seqs[SNAPSHOTS_MAX];
    size_t n = 0;
    DIR *d = opendir(dir);
    struct dirent *e;
    int rc = RAG_E_NOTFOUND;

    *out = NULL;
    while (d && (e = readdir(d)) != NULL && n < SNAPSHOTS_MAX) {
        int64_t s = seq_of(e->d_name);

        if (s >= 0)
            seqs[n++] = s;
    }
    if (d)
        closedir(d);
    qsort(seqs, n, sizeof(*seqs), descending);
    if (n == 0)
        return rag_error_set(err, RAG_E_NOTFOUND, "no snapshot in %s", dir);
    for (size_t i = 0; i < n && rc != 0; i++) {
        rag_buf path;

        rag_buf_init(&path, 0);
        rc = rag_buf_printf(&path, err, "%s/vectors-%020" PRId64 ".snap", dir,
                            seqs[i]);
        if (rc == 0)
            rc = load_file(rag_buf_str(&path), meta, strings, out, err);
        rag_buf_free(&path);
        if (rc == RAG_E_NOMEM)
            break;
    }
    return rc;
}
