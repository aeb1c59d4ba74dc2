/*
 * bench_encoder.c - how fast the encoder is, and how near to what the
 * machine's matrix product alone would allow.
 *
 * usage: bench_encoder [MODEL.gguf [SECONDS]]
 *        bench_encoder --texts FILE.jsonl MODEL.gguf    (a "text" a line)
 *        bench_encoder --ids FILE.jsonl MODEL.gguf      their ids, a line each
 *
 * Prints "name value unit" lines. The figures called "core" are of one
 * thread by its own CPU time: those to trust on a busy machine. The roof is
 * oneDNN's u8s8s32 GEMM at the shapes of one layer (rows: ROOF_ROWS tokens),
 * run between our own rounds in the same process, so that a busy machine
 * slows both alike; each figure is the best of its rounds.
 * encoder_roof_ratio = (our multiply-adds/s, attention's included) / (its).
 * encoder_query* is one text: the best of QUERIES and their median, then the
 * median while another process keeps a core busy.
 *
 * --texts says "ready", then for each line of its input encodes all texts and
 * prints the seconds: see peers_encoder.py.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "embed/embed.h"

#include <oneapi/dnnl/dnnl.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROOF_ROWS 512
#define HIDDEN 384
#define FFN 1536
#define LAYERS 12
#define QUERIES 400

static void fail(const char *what, const rag_error *err) {
    (void)fprintf(stderr, "bench_encoder: %s: %s\n", what,
                  err ? err->message : "out of memory");
    exit(1);
}

/* Text of exactly `tokens` tokens (special ones and prefix included) from
 * Korean and English words in turn. */
static char *make_text(rag_encoder *e, size_t tokens, unsigned seed) {
    static const char *const words[] = {
        "연차휴가는",   "근로자에게", "contract", "수수료를", "해외송금",
        "employee",     "한도를",     "확인하고", "the",      "security",
        "규정에",       "따라",       "승인을",   "받아야",   "한다.",
        "expenses",     "비밀번호",   "변경은",   "매",       "분기마다",
        "approved",     "by",         "a",        "manager.", "개인정보",
        "보호책임자가", "2026년",     "1월",
    };
    size_t n = sizeof(words) / sizeof(words[0]), len = 0, have;
    char *s = calloc(1, tokens * 32 + 64);
    int32_t *ids;
    if (!s) {
        fail("text", NULL);
    }
    for (have = 0; have < tokens;) {
        const char *w = words[(seed = seed * 1103515245u + 12345u) / 65536 % n];
        size_t before = len;
        rag_error err;
        len += (size_t)sprintf(s + len, "%s ", w);
        if (rag_encoder_tokenize(e, RAG_TEXT_PASSAGE, s, len - 1, &ids, &have,
                                 &err) != 0) {
            fail("tokenize", &err);
        }
        free(ids);
        if (have > tokens) { /* does not fit: end with single characters */
            len = before;
            len += (size_t)sprintf(s + len, "a ");
            (void)rag_encoder_tokenize(e, RAG_TEXT_PASSAGE, s, len - 1, &ids,
                                       &have, &err);
            free(ids);
        }
    }
    s[len - 1] = 0;
    return s;
}

typedef struct set {
    rag_text *texts;
    size_t n, tokens;
    double macs; /* multiply-adds of one pass */
    double best_ms;
} set;

static set make_set(rag_encoder *e, const size_t *lengths, size_t kinds,
                    size_t n) {
    set s = {calloc(n, sizeof(rag_text)), n, 0, 0, 1e30};
    for (size_t i = 0; i < n; i++) {
        size_t len = lengths[i % kinds];
        double t = (double)len;
        char *text = make_text(e, len, (unsigned)(i * 7919 + len));
        s.texts[i] = (rag_text){text, strlen(text)};
        s.tokens += len;
        s.macs += LAYERS * (t * (4.0 * HIDDEN * HIDDEN + 2.0 * HIDDEN * FFN) +
                            2.0 * t * t * HIDDEN);
    }
    return s;
}

/* Milliseconds of CPU this thread has used. */
static double cpu_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void run_set(rag_encoder *e, set *s, float *out,
                    double (*clock_ms)(void)) {
    rag_error err;
    double t0 = clock_ms(), ms;
    if (rag_encoder_encode(e, RAG_TEXT_PASSAGE, s->texts, s->n, out, NULL,
                           &err) != 0) {
        fail("encode", &err);
    }
    ms = clock_ms() - t0;
    s->best_ms = ms < s->best_ms ? ms : s->best_ms;
}

typedef struct roof {
    unsigned char *a;
    signed char *b;
    int *c;
    double best_ms[4]; /* of each of a layer's four products */
} roof;

static const struct {
    dnnl_dim_t n, k;
} shapes[4] = {
    {3 * HIDDEN, HIDDEN}, {HIDDEN, HIDDEN}, {FFN, HIDDEN}, {HIDDEN, FFN}};

static roof roof_make(void) {
    roof r = {calloc(ROOF_ROWS, FFN),
              calloc(FFN, 3 * HIDDEN),
              calloc((size_t)ROOF_ROWS * FFN, sizeof(int)),
              {0}};
    if (!r.a || !r.b || !r.c) {
        fail("roof", NULL);
    }
    memset(r.a, 3, (size_t)ROOF_ROWS * FFN);
    memset(r.b, 5, (size_t)FFN * 3 * HIDDEN);
    for (int i = 0; i < 4; i++) {
        r.best_ms[i] = 1e30;
    }
    return r;
}

static void roof_free(roof *r) {
    free(r->a);
    free(r->b);
    free(r->c);
}

static void roof_round(roof *r, double (*clock_ms)(void)) {
    const int32_t zero = 0;
    for (int rep = 0; rep < 4; rep++) {
        for (int i = 0; i < 4; i++) {
            double t0 = clock_ms(), ms;
            if (dnnl_gemm_u8s8s32('N', 'N', 'F', ROOF_ROWS, shapes[i].n,
                                  shapes[i].k, 1, r->a, shapes[i].k, 0, r->b,
                                  shapes[i].n, 0, 0, r->c, shapes[i].n,
                                  &zero) != dnnl_success) {
                fail("oneDNN", NULL);
            }
            ms = clock_ms() - t0;
            r->best_ms[i] = ms < r->best_ms[i] ? ms : r->best_ms[i];
        }
    }
}

/* Multiply-adds a second at the mix of a layer's shapes. */
static double roof_rate(const roof *r) {
    double macs = 0, ms = 0;
    for (int i = 0; i < 4; i++) {
        macs += ROOF_ROWS * (double)shapes[i].n * (double)shapes[i].k;
        ms += r->best_ms[i];
    }
    return macs / (ms / 1e3);
}

static int by_value(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Milliseconds of QUERIES runs of one text, in order. */
static void query_ms(rag_encoder *e, size_t tokens, double ms[QUERIES],
                     float *out) {
    char *text = make_text(e, tokens, 42);
    rag_text t = {text, strlen(text)};
    for (int i = 0; i < QUERIES; i++) {
        rag_error err;
        double t0 = rag_clock_ms();
        if (rag_encoder_encode(e, RAG_TEXT_PASSAGE, &t, 1, out, NULL, &err) !=
            0) {
            fail("encode", &err);
        }
        ms[i] = rag_clock_ms() - t0;
    }
    free(text);
    qsort(ms, QUERIES, sizeof(*ms), by_value);
}

static void query_figures(rag_encoder *e, float *out) {
    static const size_t lengths[] = {16, 64};
    double ms[QUERIES];
    pid_t busy;
    for (size_t i = 0; i < 2; i++) {
        query_ms(e, lengths[i], ms, out);
        printf("encoder_query%zu_ms %.3f ms\n"
               "encoder_query%zu_p50_ms %.3f ms\n",
               lengths[i], ms[0], lengths[i], ms[QUERIES / 2]);
    }
    (void)fflush(stdout);
    busy = fork();
    if (busy == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile unsigned n = 0;; n++) {
        }
    }
    for (size_t i = 0; i < 2; i++) {
        query_ms(e, lengths[i], ms, out);
        printf("encoder_query%zu_busy_ms %.3f ms\n", lengths[i],
               ms[QUERIES / 2]);
    }
    (void)kill(busy, SIGKILL);
    (void)waitpid(busy, NULL, 0);
}

static double tokenizer_rate(rag_encoder *e) {
    static const char ko[] =
        "제12조(연차 유급휴가) 회사는 1년간 80퍼센트 이상 출근한 근로자에게 "
        "15일의 유급휴가를 주어야 한다. 계속하여 근로한 기간이 1년 미만인 "
        "근로자에게는 1개월 개근 시 1일의 유급휴가를 준다.\n";
    size_t reps = 2000, len = reps * (sizeof(ko) - 1), n;
    char *s = malloc(len);
    double best = 1e30;
    if (!s) {
        fail("tokenizer", NULL);
    }
    for (size_t i = 0; i < reps; i++) {
        memcpy(s + i * (sizeof(ko) - 1), ko, sizeof(ko) - 1);
    }
    for (int i = 0; i < 7; i++) {
        double t0 = rag_clock_ms(), ms;
        n = rag_encoder_count(e, s, len);
        ms = rag_clock_ms() - t0;
        best = ms < best && n > 0 ? ms : best;
    }
    free(s);
    return (double)len / 1e6 / (best / 1e3);
}

/* Resident memory of this process in MiB. */
static double resident_mib(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long all = 0, pages = 0;
    if (f) {
        if (fscanf(f, "%lu %lu", &all, &pages) != 2) {
            pages = 0;
        }
        (void)fclose(f);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576.0;
}

#define SETS 5

/* As ingest's chunks come: 40 to 400 tokens, mean 160. */
static const size_t mix[] = {40,  400, 96,  160, 128, 208, 64,  176,
                             144, 288, 112, 72,  192, 96,  240, 144};

/* Rounds of roof and encoder in turn, then the figures. */
static void race(rag_encoder *e, double seconds, bool core) {
    static const size_t lengths[] = {64, 128, 256, 512};
    const char *prefix = core ? "core_" : "";
    double (*clock_ms)(void) = core ? cpu_ms : rag_clock_ms;
    rag_encoder_info info;
    roof r = roof_make();
    set sets[SETS];
    float *out;
    double end = rag_clock_ms() + seconds * 1e3, limit;
    rag_encoder_describe(e, &info);
    out = malloc(64 * sizeof(float) * (size_t)info.dim);
    if (!out) {
        fail("memory", NULL);
    }
    for (size_t i = 0; i < 4; i++) {
        sets[i] = make_set(e, &lengths[i], 1, 2048 / lengths[i]);
    }
    sets[4] = make_set(e, mix, 16, 16);
    omp_set_num_threads(core ? 1 : info.threads);
    do {
        for (size_t i = 0; i < SETS; i++) {
            roof_round(&r, clock_ms);
            run_set(e, &sets[i], out, clock_ms);
        }
    } while (rag_clock_ms() < end);
    limit = roof_rate(&r);
    printf("encoder_%sroof_gmacs %.1f G/s\n", prefix, limit / 1e9);
    for (size_t i = 0; i < SETS; i++) {
        double s = sets[i].best_ms / 1e3;
        char suffix[16] = "";
        if (i < 4) {
            (void)snprintf(suffix, sizeof(suffix), "_%zu", lengths[i]);
        }
        printf("encoder_%stokens_per_second%s %.0f tokens/s\n"
               "encoder_%sroof_ratio%s %.3f ratio\n",
               prefix, suffix, (double)sets[i].tokens / s, prefix, suffix,
               sets[i].macs / s / limit);
        for (size_t j = 0; j < sets[i].n; j++) {
            free((void *)(uintptr_t)sets[i].texts[j].s);
        }
        free(sets[i].texts);
    }
    free(out);
    roof_free(&r);
}

static rag_encoder *open_encoder(const char *path, int threads) {
    rag_encoder_options o = {.threads = threads};
    rag_encoder *e;
    rag_error err;
    if (rag_encoder_open(path, &o, &e, &err) != 0) {
        fail("open", &err);
    }
    return e;
}

/* Seconds of a pass over the texts of a file, each time a line is read; or
 * only their ids as the model sees them. */
static void texts_passes(const char *file, const char *model, bool only_ids) {
    rag_encoder *e = open_encoder(model, 0);
    rag_encoder_info info;
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t cap = 0, n = 0;
    rag_text *texts = NULL;
    set s;
    float *out;
    if (!f) {
        fail(file, NULL);
    }
    rag_encoder_describe(e, &info);
    while (getline(&line, &cap, f) > 0) {
        json_t *v = json_loads(line, 0, NULL); /* stays for the run */
        const json_t *t = json_object_get(v, "text");
        rag_text *grown = realloc(texts, (n + 1) * sizeof(*texts));
        int32_t *ids;
        size_t have;
        if (!grown || !json_is_string(t)) {
            fail("texts", NULL);
        }
        texts = grown;
        texts[n] = (rag_text){json_string_value(t), json_string_length(t)};
        if (rag_encoder_tokenize(e, RAG_TEXT_PASSAGE, texts[n].s, texts[n].len,
                                 &ids, &have, NULL) == 0) {
            size_t max = (size_t)info.max_tokens;
            have = have < max ? have : max;
            for (size_t i = 0; only_ids && i < have; i++) {
                printf("%d%c", ids[i], i + 1 < have ? ' ' : '\n');
            }
            free(ids);
        }
        n++;
    }
    s = (set){.texts = texts, .n = n};
    out = malloc((n + 1) * sizeof(float) * (size_t)info.dim);
    if (!out) {
        fail("memory", NULL);
    }
    for (bool first = true; !only_ids; first = false) {
        s.best_ms = 1e30;
        run_set(e, &s, out, rag_clock_ms);
        if (first) {
            printf("ready\n");
        } else {
            printf("%.6f\n", s.best_ms / 1e3);
        }
        (void)fflush(stdout);
        if (getline(&line, &cap, stdin) <= 0) {
            break;
        }
    }
    free(out);
    free(texts);
    free(line);
    (void)fclose(f);
    rag_encoder_close(e);
}

static void small_figures(const char *path) {
    double load = 1e30, before = resident_mib();
    rag_encoder *e = open_encoder(path, 0); /* may pack: not counted */
    set s = make_set(e, mix, 16, 16);
    rag_encoder_info info;
    float *out;
    rag_encoder_describe(e, &info);
    out = malloc(16 * sizeof(float) * (size_t)info.dim);
    run_set(e, &s, out, rag_clock_ms);
    printf("encoder_rss_mib %.1f MiB\n", resident_mib() - before);
    rag_encoder_close(e);
    for (int i = 0; i < 5; i++) {
        double t0 = rag_clock_ms(), ms;
        e = open_encoder(path, 0);
        ms = rag_clock_ms() - t0;
        load = ms < load ? ms : load;
        if (i < 4) {
            rag_encoder_close(e);
        }
    }
    printf("encoder_load_ms %.2f ms\n", load);
    printf("tokenizer_mb_per_second %.1f MB/s\n", tokenizer_rate(e));
    query_figures(e, out);
    free(out);
    for (size_t i = 0; i < s.n; i++) {
        free((void *)(uintptr_t)s.texts[i].s);
    }
    free(s.texts);
    rag_encoder_close(e);
}

int main(int argc, char **argv) {
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 15;
    rag_encoder *e;
    rag_error err;
    char *path = NULL, *cache = NULL;
    if (argc == 4 && argv[1][0] == '-') {
        texts_passes(argv[2], argv[3], strcmp(argv[1], "--ids") == 0);
        return 0;
    }
    if (rag_path_place(RAG_PLACE_CACHE, &cache, &err) != 0 ||
        rag_path_join(cache, argc > 1 ? argv[1] : RAG_ENCODER_FILE, &path,
                      &err) != 0) {
        fail("model", &err);
    }
    small_figures(path);
    e = open_encoder(path, 0);
    race(e, seconds, false);
    rag_encoder_close(e);
    e = open_encoder(path, 1);
    race(e, seconds, true);
    rag_encoder_close(e);
    free(path);
    free(cache);
    return 0;
}
