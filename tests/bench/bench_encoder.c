/*
 * bench_encoder.c - how fast the encoder is, and how near to what the
 * machine's matrix product alone would allow.
 *
 * usage: bench_encoder [MODEL.gguf] [SECONDS]
 *
 * Prints "name value unit" lines. The roof is oneDNN's u8s8s32 GEMM at the
 * shapes of one layer (rows: ROOF_ROWS tokens), run between our own rounds in
 * the same process, so that a busy machine slows both alike; each figure is
 * the best of its rounds.
 * encoder_roof_ratio = (our multiply-adds/s, attention's included) / (its).
 */
#include "base/clock.h"
#include "base/file.h"
#include "embed/embed.h"

#include <oneapi/dnnl/dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOF_ROWS 512
#define HIDDEN 384
#define FFN 1536
#define LAYERS 12

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

static void run_set(rag_encoder *e, set *s, float *out) {
    rag_error err;
    double t0 = rag_clock_ms(), ms;
    if (rag_encoder_encode(e, RAG_TEXT_PASSAGE, s->texts, s->n, out, NULL,
                           &err) != 0) {
        fail("encode", &err);
    }
    ms = rag_clock_ms() - t0;
    s->best_ms = ms < s->best_ms ? ms : s->best_ms;
}

/* One pass of a layer's four products; returns multiply-adds/s. */
static double roof_round(unsigned char *a, signed char *b, int *c) {
    static const struct {
        dnnl_dim_t n, k;
    } shapes[] = {
        {3 * HIDDEN, HIDDEN}, {HIDDEN, HIDDEN}, {FFN, HIDDEN}, {HIDDEN, FFN}};
    const int32_t zero = 0;
    double macs = 0, t0 = rag_clock_ms();
    for (int rep = 0; rep < 4; rep++) {
        for (size_t i = 0; i < 4; i++) {
            if (dnnl_gemm_u8s8s32('N', 'N', 'F', ROOF_ROWS, shapes[i].n,
                                  shapes[i].k, 1, a, shapes[i].k, 0, b,
                                  shapes[i].n, 0, 0, c, shapes[i].n,
                                  &zero) != dnnl_success) {
                fail("oneDNN", NULL);
            }
            macs +=
                (double)ROOF_ROWS * (double)shapes[i].n * (double)shapes[i].k;
        }
    }
    return macs / ((rag_clock_ms() - t0) / 1e3);
}

static double query_ms(rag_encoder *e, size_t tokens, float *out) {
    char *text = make_text(e, tokens, 42);
    double best = 1e30;
    rag_text t = {text, strlen(text)};
    for (int i = 0; i < 200; i++) {
        rag_error err;
        double t0 = rag_clock_ms(), ms;
        if (rag_encoder_encode(e, RAG_TEXT_PASSAGE, &t, 1, out, NULL, &err) !=
            0) {
            fail("encode", &err);
        }
        ms = rag_clock_ms() - t0;
        best = ms < best ? ms : best;
    }
    free(text);
    return best;
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

int main(int argc, char **argv) {
    static const size_t l64[] = {64}, l128[] = {128}, l256[] = {256},
                        l512[] = {512};
    /* As ingest's chunks come: 40 to 400 tokens, mean 160. */
    static const size_t mix[] = {40,  400, 96,  160, 128, 208, 64,  176,
                                 144, 288, 112, 72,  192, 96,  240, 144};
    set sets[5];
    const char *names[] = {"64", "128", "256", "512", "mix"};
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 20, end, load = 1e30;
    double roof = 0, before, q16, q64;
    rag_encoder_info info;
    rag_encoder *e = NULL;
    rag_error err;
    char *path = NULL, *cache = NULL;
    float *out;
    if (argc > 1) {
        path = argv[1];
    } else if (rag_path_place(RAG_PLACE_CACHE, &cache, &err) != 0 ||
               rag_path_join(cache, RAG_ENCODER_FILE, &path, &err) != 0) {
        fail("cache", &err);
    }
    before = resident_mib();
    for (int i = 0; i < 5; i++) {
        double t0 = rag_clock_ms(), ms;
        rag_encoder_close(e);
        if (rag_encoder_open(path, NULL, &e, &err) != 0) {
            fail("open", &err);
        }
        ms = rag_clock_ms() - t0;
        load = i > 0 && ms < load ? ms : load; /* the first one may pack */
    }
    rag_encoder_describe(e, &info);
    out = malloc(256 * sizeof(float) * (size_t)info.dim);
    sets[0] = make_set(e, l64, 1, 128);
    sets[1] = make_set(e, l128, 1, 64);
    sets[2] = make_set(e, l256, 1, 32);
    sets[3] = make_set(e, l512, 1, 16);
    sets[4] = make_set(e, mix, 16, 64);
    run_set(e, &sets[4], out);
    printf("encoder_rss_mib %.1f MiB\n", resident_mib() - before);
    printf("encoder_load_ms %.2f ms\n", load);
    printf("tokenizer_mb_per_second %.1f MB/s\n", tokenizer_rate(e));
    q16 = query_ms(e, 16, out);
    q64 = query_ms(e, 64, out);
    printf("encoder_query16_ms %.3f ms\nencoder_query64_ms %.3f ms\n", q16,
           q64);
    {
        unsigned char *a = calloc(ROOF_ROWS, FFN);
        signed char *b = calloc(FFN, 3 * HIDDEN);
        int *c = calloc((size_t)ROOF_ROWS * FFN, sizeof(*c));
        if (!a || !b || !c || !out) {
            fail("roof", NULL);
        }
        memset(a, 3, (size_t)ROOF_ROWS * FFN);
        memset(b, 5, (size_t)FFN * 3 * HIDDEN);
        omp_set_num_threads(info.threads);
        end = rag_clock_ms() + seconds * 1e3;
        do {
            for (size_t i = 0; i < 5; i++) {
                double r = roof_round(a, b, c);
                roof = r > roof ? r : roof;
                run_set(e, &sets[i], out);
            }
        } while (rag_clock_ms() < end);
        free(a);
        free(b);
        free(c);
    }
    printf("encoder_roof_gmacs %.1f G/s\n", roof / 1e9);
    for (size_t i = 0; i < 5; i++) {
        double rate = (double)sets[i].tokens / (sets[i].best_ms / 1e3);
        double macs = sets[i].macs / (sets[i].best_ms / 1e3);
        if (i == 4) {
            printf("encoder_tokens_per_second %.0f tokens/s\n"
                   "encoder_roof_ratio %.3f ratio\n",
                   rate, macs / roof);
        } else {
            printf("encoder_tokens_per_second_%s %.0f tokens/s\n"
                   "encoder_roof_ratio_%s %.3f ratio\n",
                   names[i], rate, names[i], macs / roof);
        }
        for (size_t j = 0; j < sets[i].n; j++) {
            free((void *)(uintptr_t)sets[i].texts[j].s);
        }
        free(sets[i].texts);
    }
    free(out);
    free(cache);
    if (argc <= 1) {
        free(path);
    }
    rag_encoder_close(e);
    return 0;
}
