/*
 * bench_index.c - the index at size.
 *
 *   bench_index [--vectors FILE] [CHUNKS...]            (default 10000)
 *
 * Texts and questions are those of the sets below $RAG_BENCH_DATA (default
 * ../shared/data/retrieval; docs.jsonl and queries.jsonl each) or, without
 * them, of samples/. They are mixed up to size: a chunk is sentences of two
 * documents, its vector the mean of their real embeddings and some noise.
 * Prints "index.CHUNKS.name value unit" a line: making, opening, memory, time
 * of both sides and of the whole (the questions' encoding apart; ".long": of
 * questions of 20 to 40 words, put together from several), recall of
 * the ten best against exact search on both sides; then with filters and with
 * 30 per cent deleted. --vectors writes vectors, questions and true
 * neighbours for peers_index.py. Scratch files go to $TMPDIR.
 *
 * Children encode and build, so that the memory of who serves is its own.
 */
#include "embed/embed.h"
#include "index/posting.h"
#include "ingest/ingest.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/unicode.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIM_MAX 1024
#define SETS_MAX 16
#define DOCS_MAX 1600 /* of all sets together */
#define QUESTIONS_MAX 300
#define SENTENCES 4 /* a chunk */
#define NOISE 0.35 /* length of what is added to a mean of embeddings */
#define FOLDERS 16 /* a set */
#define EXACT 100 /* questions whose recall is measured */
#define K 10

typedef struct source { /* a document */
    size_t set;
    char lang[4];
    char *passage;
    rag_document doc;
    rag_span *spans; /* sentences */
    size_t nspans;
} source;

static source docs[DOCS_MAX];
static char *questions[QUESTIONS_MAX];
static size_t ndocs, nquestions, dim;
static float *embedded; /* ndocs, then nquestions; shared with children */

static void die(const rag_error *err) {
    fprintf(stderr, "bench_index: %s\n", err->message);
    exit(rag_code_exit_status(err->code));
}

static const char *scratch(void) {
    const char *tmp = getenv("TMPDIR");

    return tmp && tmp[0] ? tmp : "/tmp";
}

static void need(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "bench_index: %s\n", what);
    exit(70);
}

/* ---- numbers that depend on their place only ------------------------------------ */

static uint64_t mixed(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static size_t pick(uint64_t chunk, unsigned what, size_t n) {
    return (size_t)(mixed(chunk * 64 + what) % n);
}

/* The two documents of a chunk. */
static size_t parent(size_t chunk, unsigned which) {
    return pick(chunk, which, ndocs);
}

static size_t text_of(size_t chunk, char *out, size_t cap) {
    size_t n = 0;

    for (unsigned i = 0; i < SENTENCES; i++) {
        const source *d = &docs[parent(chunk, i % 2)];
        const rag_span *s = &d->spans[pick(chunk, 8 + i, d->nspans)];
        size_t len = s->end - s->start;

        if (n + len + 1 > cap)
            continue;
        memcpy(out + n, d->doc.text + s->start, len);
        n += len;
        out[n++] = ' ';
    }
    return n;
}

static void vector_of(size_t chunk, float *v) {
    const float *a = embedded + parent(chunk, 0) * dim;
    const float *b = embedded + parent(chunk, 1) * dim;
    uint64_t x = mixed(chunk);
    double sum = 0;

    for (size_t i = 0; i < dim; i++) {
        /* uniform with the deviation of NOISE over all dimensions */
        double r = (double)(x >> 11) / 9007199254740992.0 - 0.5;

        v[i] = 0.6f * a[i] + 0.4f * b[i] +
               (float)(r * NOISE * sqrt(12.0 / (double)dim));
        sum += (double)v[i] * v[i];
        x = mixed(x);
    }
    for (size_t i = 0; i < dim; i++)
        v[i] /= (float)sqrt(sum);
}

/* ---- texts ------------------------------------------------------------------------ */

static size_t most_docs; /* that may be there after this set */
static size_t set; /* that is read */

static int on_document(void *user, rag_document *d) {
    const rag_sentences *sentences = user;
    source *s = &docs[ndocs];
    rag_buf passage;
    rag_error err;
    size_t n;

    if (ndocs == most_docs)
        return 0;
    rag_buf_init(&passage, 0);
    if (rag_ingest_chunk(d, NULL, sentences, &err) != 0 || d->nchunks == 0)
        return 0;
    if (rag_ingest_passage(d, 0, &passage, &err) != 0 ||
        rag_sentences_split(sentences, d->text, d->text_len, &s->spans,
                            &s->nspans, &err) != 0 ||
        rag_buf_steal(&passage, &s->passage, &n, &err) != 0)
        die(&err);
    if (s->nspans == 0)
        return 0;
    s->set = set;
    snprintf(s->lang, sizeof(s->lang), "%s",
             rag_unicode_lang(d->text, d->text_len));
    s->doc = *d;
    rag_document_init(d);
    ndocs++;
    return 0;
}

static void on_problem(void *user, const char *path, size_t line, rag_code code,
                       const char *reason) {
    (void)user;
    (void)code;
    fprintf(stderr, "%s:%zu: %s\n", path, line, reason);
}

static void read_questions(const char *path, size_t most) {
    rag_buf file;
    rag_error err;

    rag_buf_init(&file, 0);
    if (rag_file_read(path, RAG_BUF_MAX_DEFAULT, &file, &err) != 0)
        die(&err);
    for (char *line = file.data; line && *line && nquestions < most;) {
        char *end = strchr(line, '\n');
        rag_buf clean;
        const char *q;
        json_t *o;
        size_t n;

        if (rag_json_parse(line, end ? (size_t)(end - line) : strlen(line),
                           1 << 20, &o, &err) != 0)
            die(&err);
        q = json_string_value(json_object_get(o, "question"));
        rag_buf_init(&clean, 0);
        if (q && (rag_unicode_clean(q, strlen(q), &clean, &err) != 0 ||
                  rag_buf_steal(&clean, &questions[nquestions++], &n, &err)))
            die(&err);
        json_decref(o);
        line = end ? end + 1 : NULL;
    }
    rag_buf_free(&file);
}

static void read_set(const rag_sentences *s, const char *documents,
                     const char *asked, size_t i, size_t sets) {
    rag_error err;

    set = i;
    most_docs = DOCS_MAX * (i + 1) / sets;
    if (rag_ingest_read(documents, NULL, s, on_document, on_problem,
                        (void *)(uintptr_t)s, &err) != 0)
        die(&err);
    read_questions(asked, QUESTIONS_MAX * (i + 1) / sets);
}

static int visible(const struct dirent *e) {
    return e->d_name[0] != '.';
}

static void read_texts(void) {
    const char *named = getenv("RAG_BENCH_DATA");
    const char *data =
        named ? named : RAG_SOURCE_DIR "/../shared/data/retrieval";
    rag_sentences *s;
    struct dirent **e = NULL;
    char a[1024], b[1024];
    rag_error err;
    int n;

    if (rag_sentences_open(&s, &err) != 0)
        die(&err);
    n = scandir(data, &e, visible, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(a, sizeof(a), "%s/%s/docs.jsonl", data, e[i]->d_name);
        snprintf(b, sizeof(b), "%s/%s/queries.jsonl", data, e[i]->d_name);
        if (rag_file_exists(a) && rag_file_exists(b))
            read_set(s, a, b, (size_t)i, (size_t)n);
    }
    need(ndocs > 0 || !named, "RAG_BENCH_DATA: no folder in it has docs.jsonl "
                              "and queries.jsonl");
    if (ndocs == 0) {
        fprintf(stderr, "no sets at %s: texts are those of samples/\n", data);
        read_set(s, RAG_SOURCE_DIR "/samples",
                 RAG_SOURCE_DIR "/samples/questions.jsonl", 0, 1);
    }
    for (int i = 0; i < n; i++)
        free(e[i]);
    free(e);
    rag_sentences_close(s);
    need(ndocs > 1 && nquestions > 0, "no texts");
    fprintf(stderr, "mixed from %zu documents and %zu questions\n", ndocs,
            nquestions);
}

/* ---- children ----------------------------------------------------------------------- */

typedef void (*child_fn)(const char *dir, size_t n);

static void in_child(child_fn fn, const char *dir, size_t n) {
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    need(pid >= 0, "no process");
    if (pid == 0) {
        fn(dir, n);
        fflush(stdout);
        _exit(0);
    }
    need(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
             WEXITSTATUS(status) == 0,
         "a child failed");
}

static void encode(const char *dir, size_t n) {
    rag_encoder_info info;
    rag_encoder *e;
    rag_text *t = calloc(ndocs + nquestions, sizeof(*t));
    char *cache, *path;
    rag_error err;

    (void)dir;
    (void)n;
    need(t != NULL, "out of memory");
    if (rag_path_place(RAG_PLACE_CACHE, &cache, &err) != 0 ||
        rag_path_join(cache, RAG_ENCODER_FILE, &path, &err) != 0 ||
        rag_encoder_open(path, NULL, &e, &err) != 0)
        die(&err);
    rag_encoder_describe(e, &info);
    need(info.dim > 0 && info.dim <= DIM_MAX, "unusual dimensions");
    for (size_t i = 0; i < ndocs; i++)
        t[i] = (rag_text){docs[i].passage, strlen(docs[i].passage)};
    for (size_t i = 0; i < nquestions; i++)
        t[ndocs + i] = (rag_text){questions[i], strlen(questions[i])};
    dim = (size_t)info.dim;
    for (size_t i = 0; i < ndocs; i += 64)
        if (rag_encoder_encode(e, RAG_TEXT_PASSAGE, t + i,
                               ndocs - i < 64 ? ndocs - i : 64,
                               embedded + 1 + i * dim, NULL, &err) != 0)
            die(&err);
    if (rag_encoder_encode(e, RAG_TEXT_QUERY, t + ndocs, nquestions,
                           embedded + 1 + ndocs * dim, NULL, &err) != 0)
        die(&err);
    embedded[0] = (float)dim; /* whole now */
}

/* Kept in $TMPDIR for the next run. */
static void embed_texts(void) {
    size_t bytes = (1 + (ndocs + nquestions) * DIM_MAX) * sizeof(float);
    char path[600];
    bool there;
    int fd;

    snprintf(path, sizeof(path), "%s/rag-bench-%zu-%zu.vec", scratch(), ndocs,
             nquestions);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    need(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, "no scratch file");
    embedded = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    need(embedded != MAP_FAILED, "out of memory");
    close(fd);
    there = embedded[0] > 0;
    if (!there)
        in_child(encode, "", 0);
    dim = (size_t)embedded[0];
    embedded++;
}

static const float *question_vector(size_t i) {
    return embedded + (ndocs + i) * dim;
}

/* ---- lines ---------------------------------------------------------------------------- */

static int by_value(const void *x, const void *y) {
    const double *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

static void line(size_t n, const char *what, double value, const char *unit) {
    printf("index.%zu.%s %.4g %s\n", n, what, value, unit);
    fflush(stdout);
}

static void percentiles(size_t n, const char *what, const char *kind,
                        double *ms, size_t m) {
    char name[96];

    qsort(ms, m, sizeof(*ms), by_value);
    snprintf(name, sizeof(name), "%s%s.p50", what, kind);
    line(n, name, ms[m / 2], "ms");
    snprintf(name, sizeof(name), "%s%s.p99", what, kind);
    line(n, name, ms[m * 99 / 100], "ms");
}

static double status_mib(const char *key) {
    FILE *f = fopen("/proc/self/status", "r");
    char row[256];
    double kib = 0;

    while (f && fgets(row, sizeof(row), f))
        if (strncmp(row, key, strlen(key)) == 0)
            kib = strtod(row + strlen(key) + 1, NULL);
    if (f)
        fclose(f);
    return kib / 1024;
}

static void memory(size_t n, const char *when) {
    static const char *const keys[] = {"VmRSS", "RssAnon", "RssFile"};
    char name[96];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "memory%s.%s", when, keys[i]);
        line(n, name, status_mib(keys[i]), "MiB");
    }
}

/* ---- the store ------------------------------------------------------------------------- */

static rag_index_writer *writer(const char *dir) {
    rag_index_fingerprint fp = {(int)dim, "bench", "bench", 1};
    rag_index_writer *w;
    rag_error err;

    if (rag_index_writer_open(dir, &fp, false, &w, &err) != 0)
        die(&err);
    return w;
}

/* ---- which rows a filter or deletions leave: two at random, three by what the
 * text is about --------------------------------------------------------------- */

typedef bool (*keep_fn)(size_t chunk);

static bool is_removed(size_t i) {
    return i % 10 < 3;
}

static bool keep_all(size_t i) {
    (void)i;
    return true;
}

static bool keep_one(size_t i) {
    return pick(i, 40, 100) == 0;
}

static bool keep_living(size_t i) {
    return !is_removed(i);
}

static bool keep_korean(size_t i) {
    return strcmp(docs[parent(i, 0)].lang, "ko") == 0;
}

static bool keep_set(size_t i) {
    return docs[parent(i, 0)].set == 0;
}

static bool keep_folder(size_t i) {
    return keep_set(i) && parent(i, 0) % FOLDERS == 3;
}

static void fill(const char *dir, size_t n) {
    rag_index_writer *w = writer(dir);
    double t0 = rag_clock_ms();
    rag_error err;

    for (size_t i = 0; i < n; i++) {
        char id[32], from[64], body[4096];
        size_t of = parent(i, 0);
        float v[DIM_MAX];
        rag_vector vec = {RAG_VECTOR_CHUNK, 0, 0, v};
        rag_chunk c = {0};
        rag_document d;

        rag_document_init(&d);
        snprintf(id, sizeof(id), "%zu", i);
        snprintf(from, sizeof(from), "/s/%zu/%zu/file", docs[of].set,
                 of % FOLDERS);
        d.id = id;
        d.source = from;
        d.text = body;
        d.text_len = c.end = text_of(i, body, sizeof(body));
        d.collection = keep_one(i) ? "one" : "rest";
        d.lang = docs[of].lang;
        d.valid_from = pick(i, 42, 2) ? 1000 : RAG_TIME_NONE;
        d.valid_until = RAG_TIME_NONE;
        d.chunks = &c;
        d.nchunks = 1;
        vector_of(i, v);
        if (rag_index_writer_put(w, &d, &vec, 1, &err) != 0 ||
            (i % 5000 == 4999 && rag_index_writer_commit(w, &err) != 0))
            die(&err);
    }
    if (rag_index_writer_commit(w, &err) != 0)
        die(&err);
    rag_index_writer_close(w);
    line(n, "put", (double)n * 1000 / (rag_clock_ms() - t0), "chunks/s");
}

static void drop(const char *dir, size_t n) {
    rag_index_writer *w = writer(dir);
    double t0 = rag_clock_ms();
    rag_error err;

    for (size_t i = 0; i < n; i++) {
        char id[32];

        if (!is_removed(i))
            continue;
        snprintf(id, sizeof(id), "%zu", i);
        if (rag_index_writer_remove(w, id, &err) != 0)
            die(&err);
    }
    if (rag_index_writer_commit(w, &err) != 0)
        die(&err);
    rag_index_writer_close(w);
    line(n, "remove30", rag_clock_ms() - t0, "ms");
}

static rag_index *open_index(const char *dir, size_t n, const char *what) {
    rag_index *ix;
    rag_error err;
    double t0 = rag_clock_ms();

    if (rag_index_open(dir, NULL, &ix, &err) != 0)
        die(&err);
    line(n, what, rag_clock_ms() - t0, "ms");
    return ix;
}

static void build(const char *dir, size_t n) {
    rag_index_close(open_index(dir, n, "build"));
    line(n, "build.peak", status_mib("VmHWM"), "MiB");
}

static void describe(rag_index *ix, size_t n) {
    rag_generation *g = rag_index_current(ix);
    rag_postings *p = rag_generation_postings(g);
    size_t visited, lists;

    rag_ann_probes(g->base->ann, &visited, &lists);
    printf("index.%zu.kind %s\n", n, rag_ann_name(g->base->ann));
    line(n, "lists", (double)lists, "lists");
    line(n, "lists.visited", (double)visited, "lists");
    line(n, "vectors", (double)rag_ann_memory(g->base->ann) / (1 << 20), "MiB");
    if (p) {
        line(n, "postings", (double)rag_postings_bytes(p) / (1 << 20), "MiB");
        line(n, "postings.terms", (double)rag_postings_terms(p), "terms");
    }
    rag_postings_close(p);
    rag_generation_release(g);
}

/* ---- searching --------------------------------------------------------------------------- */

static rag_index_query query_of(size_t i, const rag_index_query *filter) {
    rag_index_query q = *filter;

    q.text = questions[i];
    q.len = strlen(q.text);
    q.vector = question_vector(i);
    q.k = K;
    q.vector_weight = -1;
    return q;
}

/* The question and those after it up to 20 words, at most 40. */
static char *long_question(size_t i) {
    static char text[8192];
    size_t n = 0, words = 0;

    for (size_t j = 0; j < nquestions && words < 20; j++) {
        const char *s = questions[(i + j) % nquestions];

        for (; *s && words < 40 && n + 2 < sizeof(text); s++) {
            words += *s == ' ';
            text[n++] = *s;
        }
        text[n++] = ' ';
        words++;
    }
    text[n] = '\0';
    return text;
}

static rag_index_result ask(rag_index *ix, const rag_index_query *q) {
    rag_index_result r;
    rag_error err;

    if (rag_index_search(ix, q, &r, &err) != 0)
        die(&err);
    return r;
}

static const rag_index_query everything = {.kind = -1, .now = RAG_TIME_NONE};

static void least(double *t, double ms, int round) {
    if (round <= 1 || ms < *t)
        *t = ms;
}

/* A question's time is the least of three, after one that brings the files
 * into memory: the machine may have other work. */
static void search(rag_index *ix, size_t n, const char *what,
                   const rag_index_query *filter, bool longer) {
    static double all[QUESTIONS_MAX], lexical[QUESTIONS_MAX],
        vectors[QUESTIONS_MAX], fuse[QUESTIONS_MAX];

    for (int round = 0; round < 4; round++)
        for (size_t i = 0; i < nquestions; i++) {
            rag_index_query q = query_of(i, filter);
            rag_index_result r;
            double t0;

            if (longer) {
                q.text = long_question(i);
                q.len = strlen(q.text);
            }
            t0 = rag_clock_ms();
            r = ask(ix, &q);

            least(&all[i], rag_clock_ms() - t0, round);
            least(&lexical[i], r.lexical_ms, round);
            least(&vectors[i], r.vector_ms, round);
            least(&fuse[i], r.fuse_ms, round);
            rag_index_result_free(&r);
        }
    percentiles(n, "search", what, all, nquestions);
    percentiles(n, "lexical", what, lexical, nquestions);
    percentiles(n, "vector", what, vectors, nquestions);
    percentiles(n, "fuse", what, fuse, nquestions);
}

/* ---- recall --------------------------------------------------------------------------------- */

typedef struct neighbours {
    double score[K];
    size_t chunk[K];
} neighbours;

static void note(neighbours *t, double score, size_t chunk) {
    size_t i = K;

    if (score <= t->score[K - 1])
        return;
    for (; i > 0 && t->score[i - 1] < score; i--)
        if (i < K) {
            t->score[i] = t->score[i - 1];
            t->chunk[i] = t->chunk[i - 1];
        }
    t->score[i] = score;
    t->chunk[i] = chunk;
}

enum { KEEPS = 6 };
static neighbours truth[KEEPS][EXACT];
static const keep_fn keeps[KEEPS] = {keep_all,    keep_one, keep_living,
                                     keep_korean, keep_set, keep_folder};

/* True neighbours of the first questions among what each leaves. */
static void find_truth(size_t n, FILE *out) {
    size_t m = nquestions < EXACT ? nquestions : EXACT;

    for (int f = 0; f < KEEPS; f++)
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < K; j++)
                truth[f][i] =
                    (neighbours){{-2, -2, -2, -2, -2, -2, -2, -2, -2, -2}, {0}};
    for (size_t i = 0; i < n; i++) {
        float v[DIM_MAX];

        vector_of(i, v);
        if (out)
            need(fwrite(v, sizeof(*v), dim, out) == dim, "writing vectors");
        for (size_t j = 0; j < m; j++) {
            const float *q = question_vector(j);
            float sum = 0;

            for (size_t k = 0; k < dim; k++)
                sum += q[k] * v[k];
            for (int f = 0; f < KEEPS; f++)
                if (keeps[f](i))
                    note(&truth[f][j], (double)sum, i);
        }
    }
}

static void vector_recall(rag_index *ix, size_t n, const char *what, int which,
                          const rag_index_query *filter) {
    size_t m = nquestions < EXACT ? nquestions : EXACT, hits = 0;
    rag_tuning t = rag_tuning_default;
    char name[96];

    t.feedback = 0; /* the order by cosine alone */
    rag_index_set_tuning(ix, &t);
    for (size_t i = 0; i < m; i++) {
        rag_index_query q = query_of(i, filter);
        rag_index_result r;

        q.text = NULL;
        q.len = 0;
        r = ask(ix, &q);
        for (size_t a = 0; a < r.n; a++)
            for (size_t b = 0; b < K; b++)
                hits += strtoul(r.hits[a].doc, NULL, 10) ==
                        truth[which][i].chunk[b];
        rag_index_result_free(&r);
    }
    rag_index_set_tuning(ix, &rag_tuning_default);
    snprintf(name, sizeof(name), "vector%s.recall10", what);
    line(n, name, (double)hits / (double)(m * K), "share");
}

/* Of the ten best by words, how many are so by every row's whole BM25. */
static void lexical_recall(rag_index *ix, const char *dir, size_t n,
                           const char *what, const rag_index_query *filter) {
    rag_index_limits limits = rag_index_limits_default;
    rag_tuning t = rag_tuning_default;
    size_t m = nquestions < EXACT / 2 ? nquestions : EXACT / 2, hits = 0,
           all = 0;
    rag_index_options opt = {.read_only = true};
    double ms[EXACT / 2];
    rag_index *exact;
    rag_error err;
    char name[96];

    limits.postings_min = SIZE_MAX;
    t.ubiquitous = 2;
    t.budget = INFINITY;
    if (rag_index_open_limited(dir, &opt, &limits, &exact, &err) != 0)
        die(&err);
    rag_index_set_tuning(exact, &t);
    for (size_t i = 0; i < m; i++) {
        rag_index_query q = query_of(i, filter);
        rag_index_result a, b;

        q.vector = NULL;
        a = ask(ix, &q);
        b = ask(exact, &q);
        ms[i] = b.lexical_ms;
        all += b.n;
        /* one of equal score is as good */
        for (size_t j = 0; j < a.n && b.n > 0; j++)
            hits += a.hits[j].lexical >= b.hits[b.n - 1].lexical;
        rag_index_result_free(&a);
        rag_index_result_free(&b);
    }
    rag_index_close(exact);
    malloc_trim(0); /* what it had is not the server's */
    snprintf(name, sizeof(name), "lexical%s.recall10", what);
    line(n, name, all ? (double)hits / (double)all : 1, "share");
    snprintf(name, sizeof(name), "%s.exhaustive", what);
    percentiles(n, "lexical", name, ms, m);
}

/* ---- all of it -------------------------------------------------------------------------------- */

static void measure(const char *dir, size_t n) {
    static const struct {
        const char *name;
        int truth; /* of keeps; -1: recall is not measured */
        rag_index_query q;
    } filters[] = {
        {".filter1",
         1,
         {.kind = -1, .now = RAG_TIME_NONE, .collection = "one"}},
        {".lang", 3, {.kind = -1, .now = RAG_TIME_NONE, .lang = "ko"}},
        {".set", 4, {.kind = -1, .now = RAG_TIME_NONE, .source = "/s/0"}},
        {".folder", 5, {.kind = -1, .now = RAG_TIME_NONE, .source = "/s/0/3"}},
        {".date", -1, {.kind = -1, .now = 2000}},
    };
    rag_index *ix = open_index(dir, n, "open");

    describe(ix, n);
    memory(n, ".opened");
    search(ix, n, "", &everything, false);
    search(ix, n, ".long", &everything, true);
    memory(n, "");
    vector_recall(ix, n, "", 0, &everything);
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        search(ix, n, filters[i].name, &filters[i].q, false);
        if (filters[i].truth >= 0)
            vector_recall(ix, n, filters[i].name, filters[i].truth,
                          &filters[i].q);
    }
    lexical_recall(ix, dir, n, "", &everything);
    lexical_recall(ix, dir, n, ".filter1", &filters[0].q);
    in_child(drop, dir, n);
    search(ix, n, ".deleted30", &everything, false);
    memory(n, ".deleted30");
    vector_recall(ix, n, ".deleted30", 2, &everything);
    lexical_recall(ix, dir, n, ".deleted30", &everything);
    rag_index_close(ix);
}

static void write_peers_file(FILE *out, size_t n, uint64_t at[3]) {
    for (size_t i = 0; i < nquestions; i++)
        need(fwrite(question_vector(i), sizeof(float), dim, out) == dim,
             "writing vectors");
    for (size_t i = 0; i < EXACT && i < nquestions; i++)
        for (size_t j = 0; j < K; j++) {
            uint32_t c = (uint32_t)truth[0][i].chunk[j];

            need(fwrite(&c, sizeof(c), 1, out) == 1, "writing vectors");
        }
    at[0] = n;
    at[1] = nquestions;
    at[2] = dim;
    need(fseek(out, 0, SEEK_SET) == 0 && fwrite(at, sizeof(*at), 3, out) == 3 &&
             fclose(out) == 0,
         "writing vectors");
}

static void run(size_t n, const char *vectors) {
    FILE *out = vectors ? fopen(vectors, "wb") : NULL;
    uint64_t head[3] = {0};
    char dir[600];
    DIR *d;
    struct dirent *e;

    need(!vectors || (out && fwrite(head, sizeof(head), 1, out) == 1),
         "no file for the vectors");
    snprintf(dir, sizeof(dir), "%s/rag-bench-XXXXXX", scratch());
    need(mkdtemp(dir) != NULL, "no scratch folder");
    in_child(fill, dir, n);
    in_child(build, dir, n);
    find_truth(n, out);
    if (out)
        write_peers_file(out, n, head);
    measure(dir, n);
    d = opendir(dir);
    while (d && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}

int main(int argc, char **argv) {
    const char *vectors = NULL;
    int i = 1;

    if (argc > 2 && strcmp(argv[1], "--vectors") == 0) {
        vectors = argv[2];
        i = 3;
    }
    read_texts();
    embed_texts();
    if (i == argc)
        run(10000, vectors);
    for (; i < argc; i++) {
        long n;
        rag_error err;

        if (rag_str_to_long(argv[i], 100, 10000000, &n, &err) != 0)
            die(&err);
        run((size_t)n, vectors);
    }
    return 0;
}
