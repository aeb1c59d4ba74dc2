/*
 * main_expand.c - see main_expand.h.
 *
 * A document at a time: questions for each chunk that has none kept, each
 * committed as it comes; then their vectors, and the document is put again.
 * The generator starts with the first chunk that needs it, on a private
 * socket, and ends with this run. It has two slots, so that the examples of
 * both languages stay in its cache; more in parallel gained nothing.
 */
#include "ingest/main_expand.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef RAG_GENERATOR_FILE
#define RAG_GENERATOR_FILE "models/generator.gguf"
#endif
#ifndef RAG_LLAMA_SERVER
#define RAG_LLAMA_SERVER "bin/llama-server"
#endif

#define TOKENS_MAX 192 /* of one reply */
#define CONTEXT_TOKENS 2048 /* prompt and reply */
#define SLOTS 2
#define START_MS 120000 /* our own: it reads its model */
#define ENDPOINT_MS 5000.0 /* an endpoint is there or not */
#define RESTARTS_MAX 2 /* of our own that never becomes ready */
#define TOKEN_MS 60000
#define REPLY_MS 180000
#define TRIES 3 /* of a chunk, when the model is lost */
#define SAY_MS 30000.0 /* between lines where there is no bar */

typedef struct expansion {
    const rag_expand_options *opt;
    rag_expand_counts *n;
    rag_generator *generator;
    char *model, *program; /* paths; NULL with an endpoint */
    char *run_dir; /* of our own generator */
    size_t missing, noted;
    rag_progress bar;
    double began_ms, said_ms;
    int dim;
} expansion;

static bool stopped(const expansion *x) {
    return x->opt->stop && *x->opt->stop;
}

static int stopped_fn(void *user) {
    return stopped(user);
}

static int cancelled(rag_error *err) {
    return rag_error_set(err, RAG_E_CANCELLED, "stopped by a signal");
}

/* ---- the generator ------------------------------------------------------------ */

static int find_file(const char *name, const char *what, char **out,
                     rag_error *err) {
    char *cache = NULL;
    int rc = rag_path_place(RAG_PLACE_CACHE, &cache, err);
    if (!rc)
        rc = rag_path_join(cache, name, out, err);
    if (!rc && !rag_file_exists(*out))
        rc = rag_error_set(err, RAG_E_UNAVAILABLE,
                           "there is no %s at %s: run ./setup, or use "
                           "--generator-url",
                           what, *out);
    free(cache);
    return rc;
}

static int find_generator(expansion *x, rag_error *err) {
    if (x->opt->url)
        return RAG_OK;
    int rc = find_file(RAG_LLAMA_SERVER, "llama-server", &x->program, err);
    if (!rc && x->opt->model)
        rc = rag_str_dup(x->opt->model, &x->model, err);
    else if (!rc)
        rc = find_file(RAG_GENERATOR_FILE, "generator model", &x->model, err);
    if (!rc && !rag_file_exists(x->model))
        rc = rag_error_set(err, RAG_E_UNAVAILABLE,
                           "there is no generator model at %s", x->model);
    return rc;
}

/* Who writes: prompt and rules, and the model's bytes, or its name where the
 * endpoint has it. */
static int name_writer(const expansion *x, char out[RAG_INDEX_EXTRA_BY_MAX + 1],
                       rag_error *err) {
    rag_sha256 h = {{0}};
    char hex[65];
    int rc = RAG_OK;
    if (x->opt->url)
        rag_hash_sha256(x->opt->name, strlen(x->opt->name), &h);
    else
        rc = rag_hash_file(x->model, &h, err);
    rag_hash_hex(&h, hex);
    snprintf(out, RAG_INDEX_EXTRA_BY_MAX + 1, "questions-%d/%s-%.32s",
             RAG_QUESTIONS_VERSION, x->opt->url ? "name" : "model", hex);
    return rc;
}

/* A folder of our own with a path short enough for a socket. */
static int make_run_dir(expansion *x, rag_error *err) {
    static const char *const NAMES[] = {"XDG_RUNTIME_DIR", "TMPDIR"};
    const char *base = "/tmp";
    rag_buf b;
    for (size_t i = 2; i-- > 0;) {
        const char *s = getenv(NAMES[i]);
        if (s && *s == '/' && strlen(s) < 60)
            base = s;
    }
    rag_buf_init(&b, 0);
    int rc = rag_buf_printf(&b, err, "%s/rag-ingest-XXXXXX", base);
    if (!rc && !mkdtemp(b.data))
        rc = rag_error_errno(err, RAG_E_IO, errno, "%s", b.data);
    if (!rc)
        rc = rag_buf_steal(&b, &x->run_dir, NULL, err);
    rag_buf_free(&b);
    return rc;
}

/* Waits in short steps, so that a signal is heard. */
static int wait_ready(expansion *x, rag_error *err) {
    bool child = !x->opt->url;
    double until = rag_clock_ms() + (child ? START_MS : ENDPOINT_MS);
    rag_generator_status now;
    rag_generator_describe(x->generator, &now);
    unsigned restarts = now.restarts;
    for (;;) {
        rag_error why = {0};
        if (!rag_generator_wait_ready(x->generator, 250, &why))
            return RAG_OK;
        if (stopped(x))
            return cancelled(err);
        rag_generator_describe(x->generator, &now);
        if (rag_clock_ms() > until || now.restarts - restarts > RESTARTS_MAX)
            return rag_error_set(err, RAG_E_UNAVAILABLE,
                                 "no generator is ready: %.300s", why.message);
    }
}

static int start_generator(expansion *x, rag_error *err) {
    bool child = !x->opt->url;
    int rc = child ? make_run_dir(x, err) : RAG_OK;
    rag_generator_options o = {.url = x->opt->url,
                               .api_key = child ? NULL : x->opt->api_key,
                               .model = child ? NULL : x->opt->name,
                               .child_program = x->program,
                               .model_path = x->model,
                               .run_dir = x->run_dir,
                               .threads = x->opt->threads,
                               .context = CONTEXT_TOKENS,
                               .parallel = SLOTS,
                               .start_timeout_ms = START_MS,
                               .token_timeout_ms = TOKEN_MS,
                               .answer_timeout_ms = REPLY_MS};
    if (!rc)
        rc = rag_generator_open(&o, &x->generator, err);
    return rc ? rc : wait_ready(x, err);
}

/* ---- writing -------------------------------------------------------------------- */

static void say_progress(expansion *x) {
    double now = rag_clock_ms(), passed = (now - x->began_ms) / 1e3;
    rag_progress_set(&x->bar, x->noted, x->missing);
    if (x->opt->quiet || x->bar.enabled || now - x->said_ms < SAY_MS)
        return;
    x->said_ms = now;
    double left = passed / (double)x->noted * (double)(x->missing - x->noted);
    fprintf(stderr,
            "rag-ingest: questions for %zu of %zu chunks, %.1f s a chunk, "
            "about %.0f min left\n",
            x->noted, x->missing, passed / (double)x->noted, left / 60);
}

/* One reply; a model that was lost is waited for and asked again. */
static int reply(expansion *x, const rag_prompt *prompt, rag_generation *out,
                 rag_error *err) {
    rag_generation_options o = {
        .max_tokens = TOKENS_MAX, .cancelled = stopped_fn, .user = x};
    int rc = RAG_OK;
    for (int i = 0; i < TRIES; i++) {
        if (i > 0)
            rag_generation_free(out);
        rag_error_clear(err);
        rc = rag_generator_run(x->generator, prompt, &o, out, err);
        if (stopped(x))
            return cancelled(err);
        if (rc != RAG_E_UNAVAILABLE && rc != RAG_E_TIMEOUT && rc != RAG_E_BUSY)
            return rc;
        rag_error why = {0};
        int ready = wait_ready(x, &why);
        if (ready)
            return rag_error_set(err, why.code, "%s", why.message);
    }
    return rc;
}

/* Questions for one chunk, kept. A chunk that the model's server refuses has
 * none: it would refuse it again. */
static int write_chunk(expansion *x, rag_index_extra *e, size_t i,
                       rag_error *err) {
    const rag_chunk *c = &e->doc.chunks[i];
    rag_passage p = {.title = e->doc.title,
                     .heading = c->heading,
                     .text = e->doc.text + c->start,
                     .len = c->end - c->start};
    bool chat = x->opt->url != NULL;
    size_t counts[RAG_QUESTION_FAULTS] = {0};
    rag_generation g = {0};
    rag_prompt prompt = {0};
    rag_buf lines;
    rag_buf_init(&lines, RAG_INDEX_EXTRA_MAX + 1);
    int rc = rag_questions_prompt(&p, chat, &prompt, err);
    if (!rc)
        rc = reply(x, &prompt, &g, err);
    if (!rc)
        rc = rag_questions_take(&p, chat, rag_buf_str(&g.text), g.text.len,
                                &lines, counts, err);
    if (rc == RAG_E_DATA || rc == RAG_E_LIMIT) {
        rag_buf_clear(&lines);
        rc = RAG_OK;
    }
    if (!rc)
        rc = rag_index_writer_extra_note(x->opt->writer, e, i,
                                         rag_buf_str(&lines), err);
    if (!rc)
        rc = rag_index_writer_commit(x->opt->writer, err);
    for (int k = 0; k < RAG_QUESTION_FAULTS && !rc; k++)
        x->n->faults[k] += counts[k];
    x->n->questions += rc ? 0 : counts[RAG_QUESTION_TAKEN];
    x->n->written += !rc;
    rag_buf_free(&lines);
    rag_generation_free(&g);
    rag_prompt_free(&prompt);
    return rc;
}

static int write_missing(expansion *x, rag_index_extra *e, rag_error *err) {
    int rc = RAG_OK;
    for (size_t i = 0; i < e->doc.nchunks && !rc; i++) {
        if (e->text[i])
            continue;
        if (stopped(x))
            return cancelled(err);
        if (!x->generator)
            rc = start_generator(x, err);
        if (!x->began_ms)
            x->began_ms = x->said_ms = rag_clock_ms();
        if (!rc)
            rc = write_chunk(x, e, i, err);
        x->noted += !rc;
        if (!rc)
            say_progress(x);
    }
    return rc;
}

/* ---- storing -------------------------------------------------------------------- */

static size_t count_lines(const rag_index_extra *e) {
    size_t n = 0;
    for (size_t i = 0; i < e->doc.nchunks; i++)
        for (const char *s = e->text[i]; *s; n++) {
            s += strcspn(s, "\n");
            s += *s == '\n';
        }
    return n;
}

/* Puts the document again with the vectors of its questions. */
static int put_again(expansion *x, const rag_index_extra *e, rag_error *err) {
    size_t n = count_lines(e), at = 0, dim = (size_t)x->dim;
    rag_vector *v = calloc(n + 1, sizeof *v);
    rag_text *t = calloc(n + 1, sizeof *t);
    float *floats = malloc((n + 1) * dim * sizeof *floats);
    int rc = v && t && floats
                 ? RAG_OK
                 : rag_error_set(err, RAG_E_NOMEM, "no memory for vectors");
    for (size_t i = 0; i < e->doc.nchunks && !rc; i++) {
        const char *s = e->text[i];
        for (size_t k = 0; *s; k++, at++) {
            size_t len = strcspn(s, "\n");
            t[at] = (rag_text){s, len};
            v[at] = (rag_vector){RAG_VECTOR_EXTRA, i, k, floats + at * dim};
            s += len + (s[len] == '\n');
        }
    }
    if (!rc && n > 0)
        rc = rag_encoder_encode(x->opt->encoder, RAG_TEXT_QUERY, t, n, floats,
                                NULL, err);
    if (!rc)
        rc = rag_index_writer_extra_put(x->opt->writer, e, v, n, err);
    if (!rc)
        rc = rag_index_writer_commit(x->opt->writer, err);
    x->n->documents += !rc;
    free(floats);
    free(t);
    free(v);
    return rc;
}

static int expand_documents(expansion *x, rag_error *err) {
    int rc = RAG_OK;
    while (!rc) {
        rag_index_extra e;
        bool found;
        rc = rag_index_writer_extra_next(x->opt->writer, &e, &found, err);
        if (!rc && found)
            rc = write_missing(x, &e, err);
        if (!rc && found)
            rc = put_again(x, &e, err);
        rag_index_extra_free(&e);
        if (!found)
            break;
    }
    return rc;
}

int rag_expand_run(const rag_expand_options *opt, rag_expand_counts *out,
                   rag_error *err) {
    char by[RAG_INDEX_EXTRA_BY_MAX + 1];
    rag_encoder_info info;
    expansion x = {.opt = opt, .n = out};
    memset(out, 0, sizeof *out);
    rag_encoder_describe(opt->encoder, &info);
    x.dim = info.dim;
    int rc = find_generator(&x, err);
    if (!rc)
        rc = name_writer(&x, by, err);
    if (!rc)
        rc = rag_index_writer_extra_begin(opt->writer, by, &out->chunks,
                                          &x.missing, err);
    if (!rc) {
        rag_progress_start(&x.bar, "writing questions", "chunks", x.missing,
                           opt->quiet);
        rc = expand_documents(&x, err);
        rag_progress_end(&x.bar);
        out->kept = out->chunks > out->written ? out->chunks - out->written : 0;
        out->seconds = x.began_ms ? (rag_clock_ms() - x.began_ms) / 1e3 : 0;
    }
    rag_generator_close(x.generator);
    rag_file_remove_folder(x.run_dir);
    free(x.run_dir);
    free(x.program);
    free(x.model);
    return rc;
}
