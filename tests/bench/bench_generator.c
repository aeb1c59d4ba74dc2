/*
 * How long a question waits for the model: prompts of the sample company's
 * documents, at most 300 tokens of evidence, through rag_generator_run.
 *
 * Without and with speculation from the prompt's own n-grams, question by
 * question in turn, so that a busy machine is as busy for each; and the bare
 * engine's tokens a second on the same prompts. RAG_BENCH_QUESTIONS: how many
 * (24). Prints "name value unit"; what each question reused of the prompt goes
 * to stderr.
 */
#include "generate/generate.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/http.h"
#include "base/json.h"
#include "base/terms.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSAGES_MAX 600
#define PASSAGE_BYTES 900
#define TAKEN 6
#define QUESTIONS_MAX 100
#define WORDS_MAX 256
#define RAW_TOKENS 48
#define FILE_BYTES ((size_t)1 << 20)

typedef struct variant {
    const char *name;
    const char *args[3];
    char dir[128];
    rag_generator *g;
    double first[QUESTIONS_MAX], total[QUESTIONS_MAX];
} variant;

static variant VARIANTS[] = {
    {.name = "plain"},
    {.name = "ngram_simple", .args = {"--spec-type", "ngram-simple"}},
    {.name = "ngram_cache", .args = {"--spec-type", "ngram-cache"}},
};
#define NVARIANTS (sizeof VARIANTS / sizeof VARIANTS[0])

static rag_passage passage[PASSAGES_MAX];
static size_t npassages;
static rag_sentences *sentences;
static rag_card *card;

static void line(const char *name, double v, const char *unit) {
    printf("%s %.4g %s\n", name, v, unit);
    fflush(stdout);
}

static int die(const char *what, const rag_error *err) {
    fprintf(stderr, "bench_generator: %s: %s\n", what, err->message);
    return 1;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n) {
    qsort(x, n, sizeof *x, ascending);
    return n ? x[n / 2] : NAN;
}

/* ---- passages and questions --------------------------------------------------- */

/* Paragraphs of one file, packed to PASSAGE_BYTES; kept until the end. */
static void add_file(const char *path) {
    rag_buf b;
    char *text = NULL;
    rag_buf_init(&b, FILE_BYTES + 1);
    if (rag_file_read(path, FILE_BYTES, &b, NULL) == 0)
        rag_buf_steal(&b, &text, NULL, NULL);
    rag_buf_free(&b);
    for (char *s = text; s && *s && npassages < PASSAGES_MAX;) {
        char *end = s;
        for (char *p = s; p && (size_t)(p - s) < PASSAGE_BYTES;) {
            p = strstr(p, "\n\n");
            if (p && (size_t)(p - s) < PASSAGE_BYTES)
                end = p += 2;
        }
        if (end == s) /* a long paragraph, or the last */
            end = strstr(s, "\n\n") ? strstr(s, "\n\n") + 2 : s + strlen(s);
        passage[npassages++] = (rag_passage){.doc = "d",
                                             .title = "",
                                             .heading = "",
                                             .text = s,
                                             .len = (size_t)(end - s),
                                             .score = 1};
        s = end;
    }
}

static void add_files(void) {
    static const char FOLDER[] = RAG_SOURCE_DIR "/samples/company";
    DIR *d = opendir(FOLDER);
    for (struct dirent *e; d && (e = readdir(d));)
        if (rag_str_ends(e->d_name, ".md") || rag_str_ends(e->d_name, ".txt")) {
            char path[1024];
            snprintf(path, sizeof path, "%s/%s", FOLDER, e->d_name);
            add_file(path);
        }
    if (d)
        closedir(d);
}

typedef struct words {
    uint64_t of[WORDS_MAX];
    size_t n;
} words;

static int add_word(void *user, const rag_term *t) {
    words *w = user;
    if (w->n < WORDS_MAX)
        w->of[w->n++] = rag_hash_fast(t->text, t->len);
    return 0;
}

/* The TAKEN passages that share most words with the question. */
static size_t nearest(const char *question, rag_passage *out) {
    words q = {.n = 0};
    size_t n = 0;
    rag_terms_content(question, strlen(question), add_word, &q, NULL);
    double score[PASSAGES_MAX];
    for (size_t i = 0; i < npassages; i++) {
        words w = {.n = 0};
        rag_terms_content(passage[i].text, passage[i].len, add_word, &w, NULL);
        score[i] = 0;
        for (size_t k = 0; k < q.n; k++)
            for (size_t j = 0; j < w.n; j++)
                if (q.of[k] == w.of[j]) {
                    score[i]++;
                    break;
                }
    }
    for (; n < TAKEN && n < npassages; n++) {
        size_t best = 0;
        for (size_t i = 1; i < npassages; i++)
            if (score[i] > score[best])
                best = i;
        out[n] = passage[best];
        out[n].score = 1.0 / (double)(n + 1);
        score[best] = -1;
    }
    return n;
}

/* ---- the model ------------------------------------------------------------------ */

static int open_variant(variant *v, rag_error *err) {
    char *cache = NULL, *server = NULL, *model = NULL;
    const char *tmp = getenv("TMPDIR");
    snprintf(v->dir, sizeof v->dir, "%s/rag-bench-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(v->dir))
        return rag_error_set(err, RAG_E_IO, "no temporary folder");
    int rc = rag_path_place(RAG_PLACE_CACHE, &cache, err);
    if (!rc)
        rc = rag_path_join(cache, RAG_LLAMA_SERVER, &server, err);
    if (!rc)
        rc = rag_path_join(cache, RAG_GENERATOR_FILE, &model, err);
    rag_generator_options o = {.child_program = server,
                               .model_path = model,
                               .lora_path = RAG_SOURCE_DIR
                               "/generate/models/" RAG_ADAPTER_FILE,
                               .child_args = v->args,
                               .run_dir = v->dir,
                               .token_timeout_ms = 60000};
    if (!rc)
        rc = rag_generator_open(&o, &v->g, err);
    if (!rc)
        rc = rag_generator_wait_ready(v->g, 120000, err);
    free(cache);
    free(server);
    free(model);
    return rc;
}

static void close_variant(variant *v) {
    static const char *const FILES[] = {"generator.log", "generator.log.1",
                                        "generator.lock", "generator.sock"};
    rag_generator_close(v->g);
    for (size_t i = 0; *v->dir && i < sizeof FILES / sizeof FILES[0]; i++) {
        char p[256];
        snprintf(p, sizeof p, "%s/%s", v->dir, FILES[i]);
        (void)unlink(p);
    }
    if (*v->dir)
        (void)rmdir(v->dir);
}

/* Tokens a second of the engine alone on this prompt. */
static double raw_speed(const variant *v, const rag_prompt *p) {
    char socket[256];
    rag_error err = {0};
    rag_http *http = NULL;
    rag_http_response res = {0};
    rag_buf body;
    json_t *reply = NULL;
    double speed = NAN;
    json_t *o = json_pack("{ss% si sb sf sb}", "prompt", rag_buf_str(&p->text),
                          p->text.len, "n_predict", RAW_TOKENS, "ignore_eos", 1,
                          "temperature", 0.0, "cache_prompt", 1);
    rag_buf_init(&body, 0);
    snprintf(socket, sizeof socket, "%.127s/generator.sock", v->dir);
    if (rag_json_dump(o, &body, &err) || rag_http_open(socket, &http, &err))
        goto out;
    rag_http_request req = {.method = "POST",
                            .url = "http://localhost/completion",
                            .body = body.data,
                            .body_len = body.len,
                            .idle_timeout_ms = 120000};
    if (!rag_http_do(http, &req, &res, &err) &&
        !rag_json_parse(rag_buf_str(&res.body), res.body.len, FILE_BYTES,
                        &reply, &err))
        speed = json_number_value(json_object_get(
            json_object_get(reply, "timings"), "predicted_per_second"));
out:
    json_decref(reply);
    json_decref(o);
    rag_http_response_free(&res);
    rag_http_close(http);
    rag_buf_free(&body);
    return speed;
}

/* ---- measuring -------------------------------------------------------------------- */

typedef struct figures {
    size_t n, ratios;
    double share[QUESTIONS_MAX], prompt[QUESTIONS_MAX], cached[QUESTIONS_MAX];
} figures;

static int measure(const char *question, const char *lang, figures *f,
                   rag_error *err) {
    rag_passage near[TAKEN];
    rag_evidence_options o = {0};
    rag_evidence ev;
    rag_prompt prompt = {0};
    size_t n = nearest(question, near);
    rag_card_windows(card, lang, &o);
    int rc = rag_evidence_select(question, near, n, &o, sentences, &ev, err);
    if (!rc && ev.n)
        rc = rag_prompt_build(card, lang, question, &ev, &prompt, err);
    for (size_t i = 0; i < NVARIANTS && !rc && ev.n; i++) {
        variant *v = &VARIANTS[i];
        rag_generation r = {0};
        rc = rag_generator_run(v->g, &prompt, NULL, &r, err);
        v->first[f->n] = r.first_token_ms;
        v->total[f->n] = r.total_ms;
        if (!rc && i == 0) {
            fprintf(stderr, "%zu of %zu prompt tokens known, %zu said\n",
                    r.cached_tokens, r.prompt_tokens, r.tokens);
            f->prompt[f->n] = (double)r.prompt_tokens;
            f->cached[f->n] = (double)r.cached_tokens;
            double took = r.total_ms - r.first_token_ms;
            double raw = r.tokens > 8 ? raw_speed(v, &prompt) : NAN;
            if (took > 0 && isfinite(raw) && raw > 0)
                f->share[f->ratios++] =
                    1000 * (double)(r.tokens - 1) / took / raw;
        }
        rag_generation_free(&r);
    }
    f->n += !rc && ev.n;
    rag_prompt_free(&prompt);
    return rc;
}

static void report(figures *f) {
    variant *plain = &VARIANTS[0];
    char name[64];
    for (size_t i = 1; i < NVARIANTS; i++) {
        double ratio[QUESTIONS_MAX];
        for (size_t k = 0; k < f->n; k++)
            ratio[k] = VARIANTS[i].total[k] / plain->total[k];
        snprintf(name, sizeof name, "answer_total_%s_over_plain",
                 VARIANTS[i].name);
        line(name, median(ratio, f->n), "ratio");
    }
    line("answer_first_token_ms_p50", median(plain->first, f->n), "ms");
    line("answer_first_token_ms_min", plain->first[0], "ms");
    line("answer_total_ms_p50", median(plain->total, f->n), "ms");
    line("answer_total_ms_min", plain->total[0], "ms");
    line("prompt_tokens_p50", median(f->prompt, f->n), "tokens");
    /* The first question of all knows nothing yet. */
    line("prompt_tokens_known_p50", median(f->cached, f->n), "tokens");
    line("generator_share_of_raw_speed", median(f->share, f->ratios), "ratio");
}

static int all_questions(long limit, figures *f, rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, FILE_BYTES + 1);
    int rc = rag_file_read(RAG_SOURCE_DIR "/samples/questions.jsonl",
                           FILE_BYTES, &b, err);
    const char *s = rag_buf_str(&b);
    while (!rc && *s && f->n < (size_t)limit) {
        size_t len = strcspn(s, "\n");
        json_t *q = NULL;
        const char *corpus = "", *question = "", *lang = "";
        rc = rag_json_parse(s, len, len + 1, &q, err);
        if (!rc)
            rc = rag_json_str(q, "corpus", "", &corpus, err);
        if (!rc)
            rc = rag_json_str(q, "question", "", &question, err);
        if (!rc)
            rc = rag_json_str(q, "lang", "ko", &lang, err);
        if (!rc && strcmp(corpus, "company") == 0 &&
            json_is_true(json_object_get(q, "answerable")))
            rc = measure(question, strcmp(lang, "en") == 0 ? "en" : "ko", f,
                         err);
        json_decref(q);
        s += len + (s[len] == '\n');
    }
    rag_buf_free(&b);
    return rc;
}

int main(void) {
    static figures f;
    rag_error err = {0};
    long limit = 24;
    const char *many = getenv("RAG_BENCH_QUESTIONS");
    if (many && rag_str_to_long(many, 1, QUESTIONS_MAX, &limit, &err))
        return die("RAG_BENCH_QUESTIONS", &err);
    int rc = rag_http_global_init(&err);
    if (!rc)
        rc = rag_sentences_open(&sentences, &err);
    if (!rc)
        rc = rag_card_load(RAG_SOURCE_DIR "/generate/models/" RAG_CARD_FILE,
                           &card, &err);
    add_files();
    for (size_t i = 0; i < NVARIANTS && !rc; i++)
        rc = open_variant(&VARIANTS[i], &err);
    if (!rc)
        rc = all_questions(limit, &f, &err);
    if (!rc && f.n)
        report(&f);
    for (size_t i = 0; i < NVARIANTS; i++)
        close_variant(&VARIANTS[i]);
    rag_card_free(card);
    rag_sentences_close(sentences);
    return rc ? die("the model", &err) : 0;
}
