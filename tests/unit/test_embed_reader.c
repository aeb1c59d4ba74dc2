/*
 * Promises: the reader gives the numbers, places and spans of an independent
 * implementation (tests/eval/reference_reader.py); the fast kernels rank as
 * the exact one; a batch gives what its pairs give alone; many threads may
 * read; spans are whole characters of the passage as it was given, whatever
 * it holds; packed weights of encoder and reader do not mix; a damaged,
 * hostile or unfitting adapter is refused, saying why.
 */
#include "test_embed_support.h"

#include "base/unicode.h"
#include "embed/engine.h"
#include "embed/reader_int.h"

#include <dirent.h>
#include <pthread.h>

typedef struct family {
    const char *model, *reader, *lines;
    int max_tokens;
} family;

static const family families[] = {
    {DATA "tiny-unigram.gguf", DATA "tiny-unigram-reader.gguf",
     DATA "tiny-unigram-reader.jsonl", 40},
    {DATA "tiny-wordpiece.gguf", DATA "tiny-wordpiece-reader.gguf",
     DATA "tiny-wordpiece-reader.jsonl", 33},
};

static rag_reader *open_with(const family *f, const char *kernel, int threads,
                             const char *pack_dir) {
    rag_encoder_options o = {threads, kernel, pack_dir, NULL};
    rag_reader *r;
    int rc = rag_reader_open(f->model, f->reader, &o, &r, ERR);
    if (rc == RAG_E_UNSUPPORTED && strstr(test_error.message, "CPU")) {
        return NULL;
    }
    assert_ok(rc);
    return r;
}

static rag_text field(const json_t *line, const char *key) {
    const json_t *t = json_object_get(line, key);
    return (rag_text){json_string_value(t), json_string_length(t)};
}

static double number(const json_t *line, const char *key) {
    return json_number_value(json_object_get(line, key));
}

static void read_one(rag_reader *r, const json_t *line, rag_reading *out) {
    rag_text q = field(line, "question"), p = field(line, "passage");
    assert_ok(rag_reader_read(r, &q, &p, 1, out, ERR));
}

static void assert_close(double a, double b, double slack) {
    if (!(fabs(a - b) <= slack)) {
        fail_msg("%.7g instead of %.7g", a, b);
    }
}

static void exact_readings_equal_the_reference(void **state) {
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        json_t *lines = read_lines(families[f].lines);
        rag_reader *r = open_with(&families[f], "onednn-f32", 1, "");
        rag_reader_info info;
        rag_reader_describe(r, &info);
        assert_string_equal(info.kernel, "onednn-f32");
        assert_int_equal(info.max_tokens, families[f].max_tokens);
        assert_int_equal(strlen(info.fingerprint), 64);
        for (size_t i = 0; i < json_array_size(lines); i++) {
            const json_t *line = json_array_get(lines, i);
            const json_t *spans = json_object_get(line, "spans");
            rag_reading got;
            read_one(r, line, &got);
            assert_close(got.answerable, number(line, "answerable"), 2e-4);
            assert_close(got.none, number(line, "none"), 2e-4);
            assert_close(
                got.probability,
                1 / (1 + exp(-(0.5 * number(line, "answerable") - 0.25))),
                1e-4);
            assert_int_equal(got.truncated, number(line, "truncated"));
            assert_int_equal(got.n, json_array_size(spans));
            for (size_t j = 0; j < got.n; j++) {
                const json_t *s = json_array_get(spans, j);
                assert_int_equal(got.span[j].start,
                                 json_integer_value(json_array_get(s, 0)));
                assert_int_equal(got.span[j].end,
                                 json_integer_value(json_array_get(s, 1)));
                assert_close(got.span[j].score,
                             json_number_value(json_array_get(s, 2)), 4e-4);
            }
        }
        rag_reader_close(r);
        json_decref(lines);
    }
}

static double correlation(const double *a, const double *b, size_t n) {
    double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ma += a[i] / (double)n;
        mb += b[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        ab += (a[i] - ma) * (b[i] - mb);
        aa += (a[i] - ma) * (a[i] - ma);
        bb += (b[i] - mb) * (b[i] - mb);
    }
    return ab / sqrt(aa * bb);
}

/* The tiny models have 32 numbers a token, so a step of 8 bits is coarse for
 * them: what must hold is that the numbers rank alike. */
static void fast_kernels_rank_as_the_reference(void **state) {
    static const char *const kernels[] = {"avx512-vnni", "avx2", "portable"};
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        json_t *lines = read_lines(families[f].lines);
        size_t n = json_array_size(lines);
        for (size_t k = 0; k < 3; k++) {
            rag_reader *r = open_with(&families[f], kernels[k], 2, "");
            double want[100], got[100], c;
            size_t same = 0, have = 0;
            assert_true(n <= 100);
            for (size_t i = 0; r && i < n; i++) {
                const json_t *line = json_array_get(lines, i);
                const json_t *top =
                    json_array_get(json_object_get(line, "spans"), 0);
                rag_reading out;
                read_one(r, line, &out);
                want[i] = number(line, "answerable");
                got[i] = (double)out.answerable;
                have += top != NULL;
                assert_int_equal(out.n > 0, top != NULL);
                same += top &&
                        out.span[0].start == (size_t)json_integer_value(
                                                 json_array_get(top, 0)) &&
                        out.span[0].end ==
                            (size_t)json_integer_value(json_array_get(top, 1));
            }
            if (!r) {
                print_message("this CPU cannot run %s\n", kernels[k]);
                continue;
            }
            c = correlation(want, got, n);
            if (c < 0.99 || same * 10 < have * 8) {
                fail_msg("%s with %s: correlation %.4f, %zu of %zu first spans",
                         families[f].reader, kernels[k], c, same, have);
            }
            rag_reader_close(r);
        }
        json_decref(lines);
    }
}

/* The tokenizer's ids are the same with places, and the places those of the
 * reference. */
static void places_equal_the_reference(void **state) {
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        json_t *lines = read_lines(families[f].lines);
        rag_encoder_options o = {1, "onednn-f32", "", NULL};
        rag_engine *e;
        assert_ok(rag_engine_open(families[f].model, families[f].reader, &o, &e,
                                  ERR));
        for (size_t i = 0; i < json_array_size(lines); i++) {
            const json_t *line = json_array_get(lines, i);
            const json_t *places = json_object_get(line, "places");
            const char *prefix = e->adapter->passage_prefix;
            size_t skip = strlen(prefix), n = json_array_size(places);
            rag_text p = field(line, "passage");
            char text[600];
            rag_ids with = {.with_places = true}, without = {0};
            memcpy(text, prefix, skip);
            memcpy(text + skip, p.s, p.len);
            assert_ok(rag_tokenizer_encode(e->tokenizer, text, skip + p.len,
                                           false, SIZE_MAX, &with, ERR));
            assert_ok(rag_tokenizer_encode(e->tokenizer, text, skip + p.len,
                                           false, SIZE_MAX, &without, ERR));
            assert_int_equal(with.n, without.n);
            assert_true(with.n >= n);
            for (size_t j = 0; j < with.n; j++) {
                assert_int_equal(with.v[j], without.v[j]);
            }
            for (size_t j = 0; j < n; j++) {
                const json_t *want = json_array_get(places, j);
                assert_int_equal(with.place[j].start,
                                 json_integer_value(json_array_get(want, 0)));
                assert_int_equal(with.place[j].end,
                                 json_integer_value(json_array_get(want, 1)));
            }
            rag_ids_free(&with);
            rag_ids_free(&without);
        }
        rag_engine_close(e);
        json_decref(lines);
    }
}

enum { MANY = 300 }; /* more than one window of pairs */

static void batches_equal_single_pairs(void **state) {
    static const char *const kernels[] = {"onednn-f32", NULL};
    static char words[MANY][120];
    static rag_text texts[MANY];
    static rag_reading batch[MANY];
    rag_text q = {"the leave", 9};
    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        texts[i] = (rag_text){words[i], i * 13 % 120};
        for (size_t j = 0; j < texts[i].len; j++) {
            words[i][j] = "hello world of leave "[(i + j) % 21];
        }
    }
    for (size_t k = 0; k < 2; k++) {
        rag_reader *one = open_with(&families[0], kernels[k], 1, "");
        rag_reader *many = open_with(&families[0], kernels[k], 3, "");
        assert_ok(rag_reader_read(many, &q, texts, MANY, batch, ERR));
        for (size_t i = 0; i < MANY; i++) {
            rag_reading alone;
            assert_ok(rag_reader_read(one, &q, &texts[i], 1, &alone, ERR));
            assert_close(batch[i].answerable, alone.answerable, 1e-4);
            assert_int_equal(batch[i].n, alone.n);
            assert_int_equal(batch[i].truncated, alone.truncated);
            for (size_t j = 0; j < alone.n; j++) {
                assert_close(batch[i].span[j].score, alone.span[j].score, 1e-4);
            }
        }
        assert_ok(rag_reader_read(many, &q, texts, 0, batch, ERR));
        rag_reader_close(one);
        rag_reader_close(many);
    }
    rag_reader_close(NULL);
}

typedef struct caller {
    rag_reader *r;
    rag_reading first;
    int bad;
} caller;

static void *call(void *arg) {
    caller *c = arg;
    rag_text q = {"hello", 5}, p[2] = {{"the leave of", 12}, {"world", 5}};
    for (int i = 0; i < 100; i++) {
        rag_reading out[2];
        c->bad |= rag_reader_read(c->r, &q, p, 1 + (size_t)i % 2, out, NULL);
        c->bad |= fabsf(out[0].answerable - c->first.answerable) > 1e-5f ||
                  out[0].span[0].end != c->first.span[0].end;
    }
    return NULL;
}

static void many_threads_may_read(void **state) {
    rag_reader *r = open_with(&families[0], NULL, 2, "");
    rag_text q = {"hello", 5}, p = {"the leave of", 12};
    caller c[4];
    pthread_t id[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        c[i] = (caller){.r = r};
        assert_ok(rag_reader_read(r, &q, &p, 1, &c[i].first, ERR));
        assert_int_equal(pthread_create(&id[i], NULL, call, &c[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(id[i], NULL), 0);
        assert_int_equal(c[i].bad, 0);
    }
    rag_reader_close(r);
}

static bool is_space_at(const char *s, size_t n, size_t i) {
    uint32_t cp;
    (void)rag_utf8_next(s + i, n - i, &cp);
    return rag_unicode_class(cp) == RAG_CHAR_SPACE;
}

/* What every reading keeps, whatever the text. */
static void check_spans(const rag_text *t, const rag_reading *r) {
    for (size_t i = 0; i < r->n; i++) {
        const rag_read_span *s = &r->span[i];
        assert_true(s->start < s->end && s->end <= t->len);
        assert_int_equal(rag_utf8_floor(t->s, t->len, s->start), s->start);
        assert_int_equal(rag_utf8_floor(t->s, t->len, s->end), s->end);
        assert_false(is_space_at(t->s, t->len, s->start));
        assert_false(is_space_at(t->s, t->len, rag_utf8_prev(t->s, s->end)));
        for (size_t j = 0; j < i; j++) {
            assert_true(r->span[j].score >= s->score);
            assert_false(s->start >= r->span[j].start &&
                         s->end <= r->span[j].end);
        }
    }
}

static void spans_are_whole_characters_of_any_text(void **state) {
    static const char *const texts[] = {
        "\xff\xfe\x80 hello \xed\xa0\x80 \xf4\x90\x80\x80",
        "\xea\xb0 \xea\xb0\x80\xea",
        "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\xe1\x84\x92",
        "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9 \xf0\x9f\x98\x80",
        "e\xcc\x81\xcc\x81\xcc\x81 \xcc\x81",
        "\xe3\x80\x80\xef\xbc\xa1\xe3\x80\x80\xef\xbc\x91\xe3\x80\x80",
        " \t\n\r\v\f\xc2\xa0 a \xe2\x80\x8b",
        "\xe2\x96\x81\xe2\x96\x81 \xe2\x96\x81 hello \xe2\x96\x81",
        "\x01\x02 a\x7f b",
    };
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        rag_reader *r = open_with(&families[f], NULL, 1, "");
        rag_text q = {"hello", 5};
        uint64_t seed = 7;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            rag_text t = {texts[i], strlen(texts[i])};
            rag_reading out;
            assert_ok(rag_reader_read(r, &q, &t, 1, &out, ERR));
            check_spans(&t, &out);
            assert_ok(rag_reader_read(r, &t, &t, 1, &out, ERR));
            check_spans(&t, &out);
        }
        for (size_t i = 0; i < 500; i++) {
            char s[64];
            rag_text t = {s, i % 64};
            rag_reading out;
            for (size_t j = 0; j < t.len; j++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                s[j] = "\xea\xb0\x80 a\xe3\x80\xcc\x81\xef\xbc\n\xff-\xe1\x84"
                       "\x92\xf0\x9f\x98"[(seed >> 33) % 21];
            }
            assert_ok(rag_reader_read(r, &q, &t, 1, &out, ERR));
            check_spans(&t, &out);
        }
        rag_reader_close(r);
    }
}

/* Against sorting all pairs, on random logits. */
static int better(const void *a, const void *b) {
    const rag_read_span *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

static void spans_are_the_best_of_all_pairs(void **state) {
    enum { N = 120 };
    static rag_read_span all[N * N];
    uint64_t seed = 5;
    (void)state;
    for (size_t n = 0; n <= N; n += n < 12 ? 1 : 9) {
        float start[N], end[N];
        rag_range place[N];
        rag_read_tokens t = {start, end, place, n};
        rag_reading want = {0}, got = {.none = 0.5f};
        size_t m = 0, at = 0;
        for (size_t i = 0; i < n; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            start[i] = (float)(seed >> 40) / 1e6f;
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            end[i] = (float)(seed >> 40) / 1e6f;
            place[i].start = at;
            at += (seed >> 33) % 4; /* sometimes empty */
            place[i].end = at;
            at += (seed >> 35) % 2;
        }
        for (size_t i = 0; i < n; i++) {
            for (size_t j = i; j < n && j < i + RAG_READER_SPAN_TOKENS; j++) {
                if (place[j].end > place[j].start) {
                    all[m++] = (rag_read_span){place[i].start, place[j].end,
                                               start[i] + end[j] - 0.5f};
                }
            }
        }
        qsort(all, m, sizeof(*all), better);
        for (size_t i = 0; i < m && want.n < RAG_READER_SPANS; i++) {
            bool keep = true;
            for (size_t j = 0; j < want.n; j++) {
                double from = fmax((double)all[i].start,
                                   (double)want.span[j].start),
                       to = fmin((double)all[i].end, (double)want.span[j].end),
                       both = fmax(0, to - from),
                       one = (double)(all[i].end - all[i].start),
                       two = (double)(want.span[j].end - want.span[j].start);
                keep = keep && both < one && both / (one + two - both) <= 0.5;
            }
            if (keep) {
                want.span[want.n++] = all[i];
            }
        }
        assert_ok(rag_read_spans(&t, &got, ERR));
        assert_int_equal(got.n, want.n);
        for (size_t i = 0; i < want.n; i++) {
            assert_int_equal(got.span[i].start, want.span[i].start);
            assert_int_equal(got.span[i].end, want.span[i].end);
        }
    }
}

static size_t files_in(const char *dir, bool remove) {
    DIR *d = opendir(dir);
    struct dirent *f;
    size_t n = 0;
    assert_non_null(d);
    while ((f = readdir(d)) != NULL) {
        if (f->d_name[0] != '.') {
            char path[600];
            n++;
            (void)snprintf(path, sizeof(path), "%s/%s", dir, f->d_name);
            assert_true(!remove || unlink(path) == 0);
        }
    }
    (void)closedir(d);
    return n;
}

/* Encoder and reader share a folder, and neither changes the other. */
static void packed_weights_do_not_mix(void **state) {
    char dir[] = "/tmp/rag-reader-XXXXXX";
    rag_encoder_options o = {1, "portable", dir, NULL};
    rag_text q = {"hello", 5}, p = {"the leave of", 12};
    rag_reading a, b;
    rag_encoder *e;
    rag_encoder_info ei;
    rag_reader_info ri;
    float va[32], vb[32];
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_ok(rag_encoder_open(families[0].model, &o, &e, ERR));
    assert_ok(rag_encoder_encode(e, RAG_TEXT_RAW, &p, 1, va, NULL, ERR));
    rag_encoder_describe(e, &ei);
    for (int i = 0; i < 2; i++) {
        rag_reader *r = open_with(&families[0], "portable", 1, dir);
        assert_int_equal(files_in(dir, false), 2);
        assert_ok(rag_reader_read(r, &q, &p, 1, i == 0 ? &a : &b, ERR));
        rag_reader_describe(r, &ri);
        assert_string_equal(ri.name, "tiny-unigram-reader");
        assert_string_not_equal(ri.fingerprint, ei.fingerprint);
        rag_reader_close(r);
    }
    assert_memory_equal(&a, &b, sizeof(a));
    rag_encoder_close(e);
    assert_ok(rag_encoder_open(families[0].model, &o, &e, ERR));
    assert_ok(rag_encoder_encode(e, RAG_TEXT_RAW, &p, 1, vb, NULL, ERR));
    assert_memory_equal(va, vb, sizeof(va));
    rag_encoder_close(e);
    assert_int_equal(files_in(dir, true), 2);
    assert_int_equal(rmdir(dir), 0);
}

/* The adapter's file with `from` written over by `to`. */
static int open_changed(const char *from, const void *to, size_t n,
                        ptrdiff_t shift) {
    rag_encoder_options o = {1, "onednn-f32", "", NULL};
    rag_buf file;
    rag_reader *r = NULL;
    char *path, *at;
    int rc;
    rag_buf_init(&file, 0);
    assert_ok(rag_file_read(families[0].reader, 1 << 20, &file, ERR));
    at = memmem(file.data, file.len, from, strlen(from));
    assert_non_null(at);
    memcpy(at + shift, to, n);
    path = write_temp("reader.gguf", file.data, file.len);
    rc = rag_reader_open(families[0].model, path, &o, &r, ERR);
    rag_reader_close(r);
    (void)unlink(path);
    free(path);
    rag_buf_free(&file);
    return rc;
}

#define assert_refused(call, code, words)                                      \
    do {                                                                       \
        assert_int_equal((call), (code));                                      \
        if (!strstr(test_error.message, (words))) {                            \
            fail_msg("\"%s\" does not say \"%s\"", test_error.message, words); \
        }                                                                      \
    } while (0)

static void unfitting_adapters_are_refused(void **state) {
    static const unsigned char nan32[] = {0, 0, 0xc0, 0x7f};
    static const unsigned char huge[] = {0xff, 0xff, 0xff, 0x7e};
    static const unsigned char rank0[] = {0}, q8[] = {8};
    /* behind a tensor's name: dimensions (u32), sizes (u64 each), type */
    const char *a = "blk.0.attn_q.weight.lora_a";
    ptrdiff_t behind = (ptrdiff_t)strlen(a);
    family wrong = {families[1].model, families[0].reader, NULL, 0};
    rag_encoder_options o = {1, "onednn-f32", "", NULL};
    rag_reader *r = NULL;
    (void)state;
    assert_refused(open_changed("adapter.type", "l", 1, 0), RAG_E_UNSUPPORTED,
                   "adapter.type");
    assert_refused(open_changed("lora.alpha", nan32, 4, 14), RAG_E_CORRUPT,
                   "adapter.lora.alpha");
    assert_refused(open_changed("lora.alpha", huge, 4, 14), RAG_E_CORRUPT,
                   "adapter.lora.alpha");
    assert_refused(open_changed("adapter.lora.alpha", "x", 1, 0), RAG_E_CORRUPT,
                   "alpha is missing");
    assert_refused(open_changed("blk.0.attn_q.", "blk.7", 5, 0), RAG_E_CORRUPT,
                   "");
    assert_refused(
        open_changed("blk.0.ffn_up.weight.lora_a", "blk.0.fff", 9, 0),
        RAG_E_CORRUPT, "no .lora_a");
    assert_refused(open_changed("reader.span.weight", "r.", 2, 0),
                   RAG_E_CORRUPT, "reader.span.weight is missing");
    assert_refused(open_changed(a, rank0, 1, behind + 4), RAG_E_CORRUPT, "");
    assert_refused(open_changed(a, "\x10", 1, behind + 4), RAG_E_CORRUPT,
                   "does not fit");
    assert_refused(open_changed(a, q8, 1, behind + 20), RAG_E_UNSUPPORTED,
                   "F32 and F16");
    assert_refused(
        rag_reader_open(families[0].model, families[0].model, &o, &r, ERR),
        RAG_E_UNSUPPORTED, "general.type");
    assert_refused(
        rag_reader_open(DATA "none.gguf", families[0].reader, &o, &r, ERR),
        RAG_E_NOINPUT, "none.gguf");
    assert_refused(rag_reader_open(families[0].model,
                                   DATA "tiny-unigram-encoder.gguf", &o, &r,
                                   ERR),
                   RAG_E_UNSUPPORTED, "an encoder's adapter");
    assert_null(r);
    /* another model of the same sizes is taken; only its owner can know */
    assert_ok(rag_reader_open(wrong.model, wrong.reader, &o, &r, ERR));
    rag_reader_close(r);
}

/* On the real model and texts: the ids of the reference, and wherever the
 * normaliser leaves a text as it is, the bytes at a token's place are the
 * token's own. */
static void real_places_hold_the_pieces(void **state) {
    const char *lines_path =
        RAG_SOURCE_DIR "/../shared/data/encoder_reference.jsonl";
    rag_tokenizer *t;
    rag_gguf *g;
    const rag_gguf_value *tokens;
    const char **piece;
    size_t *piece_len, at = 0, checked = 0, i = 0;
    char *cache, *path;
    json_t *lines;
    (void)state;
    assert_ok(rag_path_place(RAG_PLACE_CACHE, &cache, ERR));
    assert_ok(rag_path_join(cache, RAG_ENCODER_FILE, &path, ERR));
    if (!rag_file_exists(path) || !rag_file_exists(lines_path)) {
        print_message("skipped: %s or %s is not there\n", path, lines_path);
        free(cache);
        free(path);
        skip();
    }
    assert_ok(rag_gguf_open(path, &g, ERR));
    assert_ok(rag_tokenizer_open(g, NULL, &t, ERR));
    assert_ok(rag_gguf_array(g, "tokenizer.ggml.tokens", RAG_GGUF_STRING,
                             &tokens, ERR));
    piece = calloc(tokens->count, sizeof(*piece));
    piece_len = calloc(tokens->count, sizeof(*piece_len));
    assert_true(piece && piece_len);
    while (i < tokens->count &&
           rag_gguf_next_string(tokens, &at, &piece[i], &piece_len[i])) {
        if (piece_len[i] >= 3 && memcmp(piece[i], "\xE2\x96\x81", 3) == 0) {
            piece[i] += 3;
            piece_len[i] -= 3;
        }
        i++;
    }
    lines = read_lines(lines_path);
    for (i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        const json_t *want = json_object_get(line, "ids");
        rag_text text = text_of(line);
        rag_ids ids = {.with_places = true};
        rag_buf plain;
        rag_buf_init(&plain, 0);
        assert_ok(rag_unicode_nfkc(text.s, text.len, &plain, ERR));
        assert_ok(rag_tokenizer_encode(t, text.s, text.len, true, SIZE_MAX,
                                       &ids, ERR));
        if (kind_of(line) == RAG_TEXT_RAW) {
            for (size_t j = 0; j + 1 < json_array_size(want); j++) {
                assert_int_equal(ids.v[j],
                                 json_integer_value(json_array_get(want, j)));
            }
        }
        for (size_t j = 1; j + 1 < ids.n; j++) {
            const rag_range *p = &ids.place[j];
            size_t id = (size_t)ids.v[j];
            assert_true(p->start >= ids.place[j - 1].end ||
                        (p->start == ids.place[j - 1].start));
            if (plain.len == text.len && ids.v[j] != 3 &&
                memcmp(plain.data, text.s, text.len) == 0) {
                assert_int_equal(p->end - p->start, piece_len[id]);
                assert_memory_equal(text.s + p->start, piece[id],
                                    piece_len[id]);
                checked++;
            }
        }
        rag_buf_free(&plain);
        rag_ids_free(&ids);
    }
    assert_true(checked > 500);
    print_message("%zu places hold their pieces\n", checked);
    json_decref(lines);
    free(piece);
    free(piece_len);
    rag_tokenizer_close(t);
    rag_gguf_close(g);
    free(cache);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_readings_equal_the_reference),
        cmocka_unit_test(fast_kernels_rank_as_the_reference),
        cmocka_unit_test(places_equal_the_reference),
        cmocka_unit_test(batches_equal_single_pairs),
        cmocka_unit_test(many_threads_may_read),
        cmocka_unit_test(spans_are_whole_characters_of_any_text),
        cmocka_unit_test(spans_are_the_best_of_all_pairs),
        cmocka_unit_test(packed_weights_do_not_mix),
        cmocka_unit_test(unfitting_adapters_are_refused),
        cmocka_unit_test(real_places_hold_the_pieces),
    };
    return cmocka_run_group_tests_name("embed_reader", tests, NULL, NULL);
}
