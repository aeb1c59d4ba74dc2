/*
 * eval_run.c - runs a set through the real programs: rag-ingest into a
 * scratch store (or one that is named and stays), ragd on a scratch socket,
 * then each question.
 *
 * Both programs are the ones beside this one. Children are ended by their
 * pid, and the scratch folder is removed on every way out.
 */
#include "client/eval.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/http.h"
#include "base/json.h"
#include "base/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_TIMEOUT_MS 120000.0
#define ARGS_MAX 64
#define BASE_URL "http://localhost"

extern char **environ;

typedef struct run {
    const rag_eval_set *set;
    const rag_eval_options *opt;
    char scratch[PATH_MAX], data[PATH_MAX], socket[108], log[PATH_MAX];
    char bin[PATH_MAX]; /* folder of this program */
    pid_t daemon;
    rag_http *http;
} run;

/* ---- children and scratch ---------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int flag,
                        struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int program_folder(char *out, size_t cap, rag_error *err) {
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    char *slash;

    if (n < 0)
        return rag_error_errno(err, RAG_E_INTERNAL, errno, "/proc/self/exe");
    out[n] = 0;
    slash = strrchr(out, '/');
    if (slash)
        *slash = 0;
    return 0;
}

/* Starts bin/name with args; stdout and stderr go to the scratch log. */
static int start(run *r, const char *name, const char *const *args, pid_t *pid,
                 rag_error *err) {
    char path[PATH_MAX + 32];
    char *argv[ARGS_MAX];
    posix_spawn_file_actions_t fa;
    size_t n = 0;
    int rc;

    snprintf(path, sizeof path, "%s/%s", r->bin, name);
    argv[n++] = path;
    for (; *args && n + 1 < ARGS_MAX; args++)
        argv[n++] = (char *)(uintptr_t)*args; /* execve does not write them */
    argv[n] = NULL;
    if (*args)
        return rag_error_set(err, RAG_E_LIMIT, "too many arguments for %s",
                             name);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, r->log,
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&fa, 1, 2);
    rc = posix_spawn(pid, path, &fa, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    if (rc)
        return rag_error_errno(err, RAG_E_UNAVAILABLE, rc, "cannot start %s",
                               path);
    return 0;
}

/* The log's last lines, for an error message. */
static void log_tail(const run *r, char *out, size_t cap) {
    rag_buf b;
    size_t from;

    *out = 0;
    rag_buf_init(&b, 0);
    if (!rag_file_read(r->log, RAG_BUF_MAX_DEFAULT - 1, &b, NULL) && b.len) {
        from = b.len > cap - 1 ? b.len - (cap - 1) : 0;
        snprintf(out, cap, "%s", b.data + from);
    }
    rag_buf_free(&b);
}

static int ingest(run *r, double *seconds, rag_error *err) {
    const char *args[ARGS_MAX] = {"--data", r->data, "--quiet"};
    size_t n = 3;
    double began = rag_clock_ms();
    char tail[400];
    pid_t pid;
    int status, rc;

    if (r->opt->expand)
        args[n++] = "--expand";
    for (size_t i = 0; i < r->set->nsources && n + 1 < ARGS_MAX; i++)
        args[n++] = r->set->sources[i];
    args[n] = NULL;
    if ((rc = start(r, "rag-ingest", args, &pid, err)))
        return rc;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return rag_error_errno(err, RAG_E_INTERNAL, errno, "waitpid");
    *seconds = (rag_clock_ms() - began) / 1000;
    /* 65: something could not be read; what could be was. */
    if (!WIFEXITED(status) ||
        (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 65)) {
        log_tail(r, tail, sizeof tail);
        return rag_error_set(err, RAG_E_UNAVAILABLE, "rag-ingest failed: %s",
                             tail);
    }
    return 0;
}

static int daemon_start(run *r, rag_error *err) {
    const char *args[ARGS_MAX] = {"--data", r->data, "--socket", r->socket};
    size_t n = 4;

    if (!r->opt->answers)
        args[n++] = "--no-generator";
    for (const char *const *a = r->opt->daemon_args;
         a && *a && n + 1 < ARGS_MAX; a++)
        args[n++] = *a;
    args[n] = NULL;
    return start(r, "ragd", args, &r->daemon, err);
}

static void daemon_stop(run *r) {
    int status;

    if (r->daemon <= 0)
        return;
    kill(r->daemon, SIGTERM);
    for (int i = 0; i < 100; i++) {
        if (waitpid(r->daemon, &status, WNOHANG) == r->daemon)
            return;
        rag_clock_sleep_ms(100);
    }
    kill(r->daemon, SIGKILL);
    waitpid(r->daemon, &status, 0);
}

/* ---- requests ------------------------------------------------------------------ */

static int request(run *r, const char *path, const char *body, size_t len,
                   long *status, json_t **out, rag_error *err) {
    rag_http_request req = {.method = body ? "POST" : "GET",
                            .url = path,
                            .body = body,
                            .body_len = len,
                            .idle_timeout_ms = 120000};
    rag_http_response res = {0};
    int rc = rag_http_do(r->http, &req, &res, err);

    *out = NULL;
    if (!rc) {
        *status = res.status;
        rc = rag_json_parse(rag_buf_str(&res.body), res.body.len,
                            RAG_BUF_MAX_DEFAULT, out, err);
    }
    rag_http_response_free(&res);
    return rc;
}

#define HITS_MAX 10

/* Until searching works (and, for answers, the generator is ready). */
static int wait_ready(run *r, rag_eval_about *about, rag_error *err) {
    double until = rag_clock_ms() + READY_TIMEOUT_MS;
    char tail[400];
    int status;

    while (rag_clock_ms() < until) {
        json_t *v = NULL;
        long http = 0;
        bool ready = false;

        if (waitpid(r->daemon, &status, WNOHANG) == r->daemon) {
            r->daemon = 0;
            log_tail(r, tail, sizeof tail);
            return rag_error_set(err, RAG_E_UNAVAILABLE, "ragd ended: %s",
                                 tail);
        }
        if (!request(r, BASE_URL "/v1/status", NULL, 0, &http, &v, NULL)) {
            const char *index = NULL;
            const json_t *store = json_object_get(v, "index");
            const char *gate = json_string_value(
                json_object_get(json_object_get(v, "gate"), "fingerprint"));
            snprintf(about->gate, sizeof about->gate, "%s", gate ? gate : "");
            rag_json_bool(v, "ready", false, &ready, NULL);
            if (!r->opt->answers && json_is_object(store) &&
                !rag_json_str(store, "state", "", &index, NULL))
                ready = ready || !strcmp(index, "open");
        }
        json_decref(v);
        if (ready)
            return 0;
        rag_clock_sleep_ms(100);
    }
    return rag_error_set(err, RAG_E_TIMEOUT, "ragd was not ready in %.0f s",
                         READY_TIMEOUT_MS / 1000);
}

static int one(run *r, const char *path, const char *key, const char *text,
               int chunks, json_t **reply, double *ms, rag_error *err) {
    json_t *obj =
        json_pack("{s:s,s:i,s:i}", key, text, "k", HITS_MAX, "chunks", chunks);
    rag_buf body;
    long status = 0;
    double began;
    int rc;

    rag_buf_init(&body, 0);
    if (!obj)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    if (!strcmp(key, "question")) {
        json_object_del(obj, "k");
        json_object_del(obj, "chunks");
        json_object_set_new(obj, "explain", json_true());
    }
    if (!(rc = rag_json_dump(obj, &body, err))) {
        began = rag_clock_ms();
        rc = request(r, path, body.data, body.len, &status, reply, err);
        *ms = rag_clock_ms() - began;
    }
    json_decref(obj);
    rag_buf_free(&body);
    if (!rc && status != 200) {
        const char *why = NULL;
        rag_json_str(json_object_get(*reply, "error"), "message", "?", &why,
                     NULL);
        rc = rag_error_set(err, RAG_E_UNAVAILABLE, "%s answered %ld: %s", path,
                           status, why ? why : "?");
        json_decref(*reply);
        *reply = NULL;
    }
    return rc;
}

static int search_one(run *r, const rag_eval_query *q, rag_eval_outcome *o,
                      rag_error *err) {
    const char *docs[HITS_MAX];
    const json_t *hits, *hit;
    json_t *reply = NULL;
    size_t i, n = 0;
    int rc = one(r, BASE_URL "/v1/search", "query", q->question, 1, &reply,
                 &o->search_ms, err);

    o->confidence = NAN;
    if (rc)
        return rc;
    hits = json_object_get(reply, "hits");
    json_array_foreach(hits, i, hit) {
        const char *doc = json_string_value(json_object_get(hit, "doc"));
        if (doc && n < HITS_MAX)
            docs[n++] = doc;
    }
    rag_eval_rank(q, docs, n, o);
    json_decref(reply);
    return 0;
}

#define CHUNKS 20 /* of each document that is looked at */

/* Whether the store has every quote where its citation says, by what it gives
 * out when it is searched for those words: the quote is not taken on trust
 * from whoever wrote the answer. */
static int quotes_exact(run *r, const json_t *citations, bool *exact,
                        rag_error *err) {
    const json_t *c;
    size_t i;
    int rc = 0;

    *exact = json_array_size(citations) > 0;
    json_array_foreach(citations, i, c) {
        const char *quote = NULL, *title = NULL;
        int found = -1;

        if ((rc = rag_json_str(c, "quote", "", &quote, err)) ||
            (rc = rag_json_str(c, "title", "", &title, err)))
            return rc;
        for (int with_title = 0; found < 0 && with_title < 2; with_title++) {
            json_t *reply = NULL;
            rag_buf query;
            double ms;

            rag_buf_init(&query, 0);
            rc = rag_buf_printf(&query, err, "%s %s", with_title ? title : "",
                                quote);
            if (!rc)
                rc = one(r, BASE_URL "/v1/search", "query", rag_buf_str(&query),
                         CHUNKS, &reply, &ms, err);
            rag_buf_free(&query);
            if (rc)
                return rc;
            found = rag_eval_quote_in(c, json_object_get(reply, "hits"));
            json_decref(reply);
        }
        *exact = *exact && found == 1;
    }
    return 0;
}

static int ask_one(run *r, const rag_eval_query *q, rag_eval_outcome *o,
                   rag_error *err) {
    const json_t *citations, *timings;
    const char *status, *answer, *bare;
    json_t *reply = NULL;
    int rc = one(r, BASE_URL "/v1/ask", "question", q->question, 1, &reply,
                 &o->ask_ms, err);

    o->asked = true;
    snprintf(o->status, sizeof o->status, "error");
    if (rc)
        return rc;
    citations = json_object_get(reply, "citations");
    timings = json_object_get(reply, "timings_ms");
    if ((rc = rag_json_str(reply, "status", "", &status, err)) ||
        (rc = rag_json_str(reply, "answer", "", &answer, err)) ||
        (rc = rag_json_str(reply, "short", NULL, &bare, err)) ||
        (rc = rag_str_dup(answer, &o->answer, err)))
        goto out;
    snprintf(o->status, sizeof o->status, "%s", status);
    o->features = json_incref(json_object_get(reply, "features"));
    o->first_ms = NAN;
    rag_json_num(timings, "first_text", NAN, &o->first_ms, NULL);
    if (json_is_true(json_object_get(reply, "cached"))) /* asked before */
        o->ask_ms = o->first_ms = NAN;
    rag_json_num(reply, "confidence", NAN, &o->confidence, NULL);
    if (isnan(o->confidence)) /* settled before the gate had to judge */
        o->confidence = strcmp(status, "refused") != 0;
    if (!strcmp(status, "refused"))
        goto out;
    o->given = strcmp(status, "clarify") != 0;
    o->cited = json_array_size(citations) > 0;
    o->numbers_grounded = rag_eval_numbers_in(answer, citations);
    if (o->given && (rc = quotes_exact(r, citations, &o->exact_quotes, err)))
        goto out;
    if (q->nanswers) {
        o->right = rag_eval_contains(answer, q->answers, q->nanswers);
        o->exact =
            rag_eval_exact(bare ? bare : answer, q->answers, q->nanswers);
        o->f1 = rag_eval_f1(bare ? bare : answer, q->answers, q->nanswers);
    }
out:
    json_decref(reply);
    return rc;
}

/* ---- the run ----------------------------------------------------------------------- */

static int questions(run *r, rag_eval_outcome *o, rag_error *err) {
    rag_progress bar;
    int rc = 0;

    rag_progress_start(&bar, "asking", "questions", r->set->n, r->opt->quiet);
    for (size_t i = 0; !rc && i < r->set->n; i++) {
        const rag_eval_query *q = &r->set->queries[i];
        rc = search_one(r, q, &o[i], err);
        if (!rc)
            rc = ask_one(r, q, &o[i], err);
        if (rc)
            rag_error_prefix(err, "question %s", q->id);
        rag_progress_set(&bar, i + 1, r->set->n);
    }
    rag_progress_end(&bar);
    return rc;
}

int rag_eval_run(const rag_eval_set *set, const rag_eval_options *opt,
                 rag_eval_outcome **outcomes, rag_eval_about *about,
                 rag_error *err) {
    run r = {.set = set, .opt = opt};
    const char *tmp = getenv("TMPDIR");
    int rc;

    *outcomes = calloc(set->n, sizeof **outcomes);
    if (!*outcomes)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    snprintf(r.scratch, sizeof r.scratch - 16, "%s/rag-eval-XXXXXX",
             tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(r.scratch)) {
        rc = rag_error_errno(err, RAG_E_IO, errno, "%s", r.scratch);
        r.scratch[0] = 0;
        goto out;
    }
    if (strlen(r.scratch) + sizeof "/ragd.sock" > sizeof r.socket) {
        rc = rag_error_set(err, RAG_E_LIMIT,
                           "TMPDIR is too long for a socket's path");
        goto out;
    }
    memcpy(r.socket, r.scratch, strlen(r.scratch) + 1);
    memcpy(r.socket + strlen(r.scratch), "/ragd.sock", sizeof "/ragd.sock");
    if (opt->data)
        snprintf(r.data, sizeof r.data, "%s", opt->data);
    else
        snprintf(r.data, sizeof r.data, "%.*s/data", PATH_MAX - 8, r.scratch);
    snprintf(r.log, sizeof r.log, "%.*s/log", PATH_MAX - 8, r.scratch);
    if ((rc = program_folder(r.bin, sizeof r.bin, err)) ||
        (rc = ingest(&r, &about->ingest_s, err)) ||
        (rc = daemon_start(&r, err)) ||
        (rc = rag_http_open(r.socket, &r.http, err)) ||
        (rc = wait_ready(&r, about, err)) ||
        (rc = questions(&r, *outcomes, err)))
        goto out;
out:
    rag_http_close(r.http);
    daemon_stop(&r);
    if (r.scratch[0])
        nftw(r.scratch, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (rc) {
        for (size_t i = 0; i < set->n; i++)
            rag_eval_outcome_free(&(*outcomes)[i]);
        free(*outcomes);
        *outcomes = NULL;
    }
    return rc;
}
