/*
 * generator.c - the generator's life: one supervising thread that starts the
 * child, watches it and starts it again (or probes an endpoint), and the
 * queue of requests for its slots.
 *
 * State diagram (only the supervising thread moves it):
 *
 *   STARTING --health 200--> READY --ended, hung, lost--> FAILED
 *      |                                                    |
 *      +--ended, start time-out--> FAILED <---------------- +
 *   FAILED --back-off over--> STARTING
 *
 * With an endpoint there is no STARTING after the first probe, and FAILED
 * goes back to READY when a probe succeeds.
 *
 * What must hold: the child was forked by the supervising thread, and that
 * thread ends only after the child (PDEATHSIG, see child.h).
 */
#include "generate/generator_int.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "generate/child.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONTEXT_DEFAULT 2048
#define START_TIMEOUT_MS 60000
#define TOKEN_TIMEOUT_MS 15000
#define ANSWER_TIMEOUT_MS 60000
#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 15000
#define SETTLED_MS 10000 /* ready so long: back-off begins anew */
#define PROBE_EVERY_MS 5000 /* of a ready server */
#define PROBE_TIMEOUT_MS 4000
#define PROBES_LOST_MAX 3

/* ---- state ----------------------------------------------------------------- */

static void set_state(rag_generator *g, rag_generator_state state,
                      const char *message) {
    pthread_mutex_lock(&g->lock);
    g->state = state;
    snprintf(g->message, sizeof g->message, "%s",
             state == RAG_GENERATOR_READY ? "" : message);
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static bool stopping(rag_generator *g) {
    pthread_mutex_lock(&g->lock);
    bool stop = g->stop;
    pthread_mutex_unlock(&g->lock);
    return stop;
}

static int stopping_fn(void *user) {
    return stopping(user);
}

static void wake(rag_generator *g) {
    uint64_t one = 1;
    (void)!write(g->wake_fd, &one, sizeof one);
}

void rag_generator_doubt(rag_generator *g, unsigned epoch, bool hung) {
    pthread_mutex_lock(&g->lock);
    if (epoch == g->epoch && (hung || !g->is_child))
        g->suspect = true;
    pthread_mutex_unlock(&g->lock);
    wake(g);
}

static bool take_suspicion(rag_generator *g) {
    pthread_mutex_lock(&g->lock);
    bool s = g->suspect;
    g->suspect = false;
    pthread_mutex_unlock(&g->lock);
    return s;
}

/* ---- probing ---------------------------------------------------------------- */

/* One GET; the HTTP status, or 0 with the reason in err. */
static long probe(rag_generator *g, const char *path, long timeout_ms,
                  rag_error *err) {
    rag_http *h = NULL;
    rag_http_response res = {0};
    char url[1024];
    long status = 0;
    snprintf(url, sizeof url, "%s%s", g->base, path);
    if (rag_http_open(g->socket, &h, err) == 0) {
        rag_http_request req = {.method = "GET",
                                .url = url,
                                .bearer = g->api_key,
                                .connect_timeout_ms = timeout_ms,
                                .idle_timeout_ms = timeout_ms,
                                .total_timeout_ms = timeout_ms,
                                .max_body = 4 << 20,
                                .cancelled = stopping_fn,
                                .user = g};
        if (rag_http_do(h, &req, &res, err) == 0)
            status = res.status;
        rag_http_response_free(&res);
        rag_http_close(h);
    }
    return status;
}

/* ---- the child's life -------------------------------------------------------- */

static int usable_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    return 1;
}

static int start_child(rag_generator *g, rag_child *c, rag_error *err) {
    char threads[16], context[16], parallel[16];
    const char *argv[RAG_CHILD_ARGS_MAX + 1];
    size_t n = 0;
    snprintf(threads, sizeof threads, "%d",
             g->threads > 0 ? g->threads : usable_cpus());
    /* The server divides its context among its slots. */
    snprintf(context, sizeof context, "%d", g->context * g->parallel);
    snprintf(parallel, sizeof parallel, "%d", g->parallel);
    argv[n++] = g->program;
    argv[n++] = "--model";
    argv[n++] = g->model_path;
    if (g->lora_path) {
        argv[n++] = "--lora";
        argv[n++] = g->lora_path;
    }
    argv[n++] = "--host";
    argv[n++] = g->socket;
    argv[n++] = "--ctx-size";
    argv[n++] = context;
    argv[n++] = "--parallel";
    argv[n++] = parallel;
    argv[n++] = "--threads";
    argv[n++] = threads;
    /* Without it nothing of a prompt is reused with Gemma 3's sliding
     * windows. */
    argv[n++] = "--swa-full";
    argv[n++] = "--offline";
    argv[n++] = "--no-webui";
    argv[n++] = "--no-slots";
    /* The default keeps up to 8 GiB of old prompts in memory. */
    argv[n++] = "--cache-ram";
    argv[n++] = "0";
    argv[n++] = "--log-colors";
    argv[n++] = "off";
    for (size_t i = 0; g->extra && g->extra[i]; i++) {
        if (n == RAG_CHILD_ARGS_MAX)
            return rag_error_set(err, RAG_E_LIMIT, "too many arguments for %s",
                                 g->program);
        argv[n++] = g->extra[i];
    }
    argv[n] = NULL;
    if (unlink(g->socket) != 0 && errno != ENOENT)
        return rag_error_errno(err, RAG_E_IO, errno,
                               "removing the old socket %s", g->socket);
    return rag_child_start(c, argv, g->log_path, err);
}

static void set_pid(rag_generator *g, long pid) {
    pthread_mutex_lock(&g->lock);
    g->pid = pid;
    if (pid) {
        g->epoch++;
        g->suspect = false;
    }
    pthread_mutex_unlock(&g->lock);
}

/* Runs one child to its end (or ours). True when it had settled. */
static bool run_child(rag_generator *g, rag_child *c, char *why, size_t cap) {
    double started = rag_clock_ms(), ready = 0, probed = 0;
    int lost = 0;
    rag_error err;
    char reason[512];
    for (;;) {
        rag_child_pump(c, g->wake_fd, ready > 0 ? 500 : 40);
        if (stopping(g))
            return true;
        if (rag_child_ended(c, reason, sizeof reason)) {
            snprintf(why, cap, "the generator %.200s", reason);
            break;
        }
        double now = rag_clock_ms();
        if (take_suspicion(g) && ready > 0) {
            snprintf(why, cap, "the generator stopped answering");
            break;
        }
        if (ready > 0 && now - probed < PROBE_EVERY_MS)
            continue;
        rag_error_clear(&err);
        long status =
            probe(g, "/health", ready > 0 ? PROBE_TIMEOUT_MS : 1000, &err);
        probed = rag_clock_ms();
        if (status == 200) {
            lost = 0;
            if (ready > 0)
                continue;
            ready = probed;
            set_state(g, RAG_GENERATOR_READY, "");
            rag_log(RAG_LOG_INFO, "generator.ready", RAG_I("pid", c->pid),
                    RAG_I("ms", probed - started));
        } else if (ready > 0 && ++lost >= PROBES_LOST_MAX) {
            snprintf(why, cap, "the generator does not answer (%.150s)",
                     err.message);
            break;
        } else if (ready <= 0 && now - started > (double)g->start_timeout_ms) {
            snprintf(why, cap,
                     "the generator was not ready after %ld ms: %.150s",
                     g->start_timeout_ms, c->said);
            break;
        }
    }
    return ready > 0 && rag_clock_ms() - ready > SETTLED_MS;
}

/* Waits ms, or until the generator is closed. */
static void pause_for(rag_generator *g, double ms) {
    rag_child none;
    rag_child_init(&none);
    double until = rag_clock_ms() + ms;
    for (double now = rag_clock_ms(); now < until && !stopping(g);
         now = rag_clock_ms())
        rag_child_pump(&none, g->wake_fd, (int)(until - now) + 1);
}

static void supervise_child(rag_generator *g) {
    rag_child c;
    rag_error err;
    char why[256];
    double backoff = BACKOFF_MIN_MS;
    rag_child_init(&c);
    while (!stopping(g)) {
        set_state(g, RAG_GENERATOR_STARTING, "the generator is starting");
        rag_error_clear(&err);
        if (start_child(g, &c, &err) == 0) {
            set_pid(g, c.pid);
            if (run_child(g, &c, why, sizeof why))
                backoff = BACKOFF_MIN_MS;
        } else {
            snprintf(why, sizeof why, "%.255s", err.message);
        }
        if (stopping(g))
            break;
        set_pid(g, 0);
        set_state(g, RAG_GENERATOR_FAILED, why);
        rag_log(RAG_LOG_WARN, "generator.lost", RAG_S("why", why),
                RAG_D("again_in_ms", backoff));
        rag_child_free(&c);
        pause_for(g, backoff);
        backoff = fmin(2 * backoff, BACKOFF_MAX_MS);
        pthread_mutex_lock(&g->lock);
        g->restarts += !g->stop;
        pthread_mutex_unlock(&g->lock);
    }
    set_state(g, RAG_GENERATOR_FAILED, "the generator was stopped");
    rag_child_free(&c);
    set_pid(g, 0);
    (void)unlink(g->socket);
}

static void supervise_endpoint(rag_generator *g) {
    double backoff = BACKOFF_MIN_MS;
    rag_error err;
    char why[256];
    while (!stopping(g)) {
        (void)take_suspicion(g);
        rag_error_clear(&err);
        long status = probe(g, "/models", PROBE_TIMEOUT_MS, &err);
        double wait = PROBE_EVERY_MS;
        /* Some servers have no list of models: any answer but a refusal of
         * the key or a fault means that it is there. */
        if (status > 0 && status < 500 && status != 401 && status != 403) {
            set_state(g, RAG_GENERATOR_READY, "");
            backoff = BACKOFF_MIN_MS;
        } else {
            if (status == 401 || status == 403)
                snprintf(why, sizeof why, "%.200s refuses the key (%ld)",
                         g->base, status);
            else if (status)
                snprintf(why, sizeof why, "%.200s answers with status %ld",
                         g->base, status);
            else
                snprintf(why, sizeof why, "%.255s", err.message);
            set_state(g, RAG_GENERATOR_FAILED, why);
            wait = backoff;
            backoff = fmin(2 * backoff, BACKOFF_MAX_MS);
        }
        double until = rag_clock_ms() + wait;
        rag_child none;
        rag_child_init(&none);
        for (double now = rag_clock_ms(); now < until && !stopping(g);
             now = rag_clock_ms()) {
            rag_child_pump(&none, g->wake_fd, (int)(until - now) + 1);
            pthread_mutex_lock(&g->lock);
            bool suspect = g->suspect;
            pthread_mutex_unlock(&g->lock);
            if (suspect)
                break;
        }
    }
}

static void *supervise(void *user) {
    rag_generator *g = user;
    if (g->is_child)
        supervise_child(g);
    else
        supervise_endpoint(g);
    return NULL;
}

/* ---- slots ------------------------------------------------------------------ */

static rag_slot *free_slot(rag_generator *g) {
    for (int i = 0; i < g->parallel; i++)
        if (!g->slot[i].busy)
            return &g->slot[i];
    return NULL;
}

static void leave_queue(rag_generator *g, rag_waiter *w) {
    rag_waiter **p = &g->first, *before = NULL;
    while (*p && *p != w) {
        before = *p;
        p = &(*p)->next;
    }
    if (*p)
        *p = w->next;
    if (g->last == w)
        g->last = before;
}

static void wait_changed(rag_generator *g, double ms) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    long ns = t.tv_nsec + (long)(ms * 1e6);
    t.tv_sec += ns / 1000000000L;
    t.tv_nsec = ns % 1000000000L;
    (void)pthread_cond_timedwait(&g->changed, &g->lock, &t);
}

int rag_generator_take(rag_generator *g, const rag_generation_options *opt,
                       double deadline_ms, rag_slot **out, rag_error *err) {
    rag_waiter me = {NULL};
    int rc = 0;
    rag_slot *s = NULL;
    *out = NULL;
    pthread_mutex_lock(&g->lock);
    if (g->last)
        g->last->next = &me;
    else
        g->first = &me;
    g->last = &me;
    for (;;) {
        if (g->stop || g->state != RAG_GENERATOR_READY) {
            rc = rag_error_set(err, RAG_E_UNAVAILABLE, "%s",
                               g->stop ? "the generator was stopped"
                                       : g->message);
            break;
        }
        if (g->first == &me && (s = free_slot(g)) != NULL) {
            s->busy = true;
            break;
        }
        if (rag_clock_ms() > deadline_ms) {
            rc = rag_error_set(err, RAG_E_TIMEOUT,
                               "the generator was busy all the time");
            break;
        }
        wait_changed(g, 50);
        if (opt->cancelled) {
            pthread_mutex_unlock(&g->lock);
            bool gone = opt->cancelled(opt->user) != 0;
            pthread_mutex_lock(&g->lock);
            if (gone) {
                rc = rag_error_set(err, RAG_E_CANCELLED, "cancelled");
                break;
            }
        }
    }
    leave_queue(g, &me);
    pthread_cond_broadcast(&g->changed);
    unsigned epoch = g->epoch;
    pthread_mutex_unlock(&g->lock);
    if (rc)
        return rc;
    if (s->http && s->epoch != epoch) {
        rag_http_close(s->http);
        s->http = NULL;
    }
    s->epoch = epoch;
    if (!s->http && (rc = rag_http_open(g->socket, &s->http, err)) != 0) {
        rag_generator_give(g, s);
        return rc;
    }
    *out = s;
    return 0;
}

void rag_generator_give(rag_generator *g, rag_slot *slot) {
    pthread_mutex_lock(&g->lock);
    slot->busy = false;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* ---- open, close, describe ----------------------------------------------------- */

static int need_file(const char *what, const char *path, rag_error *err) {
    if (!path || !rag_file_exists(path))
        return rag_error_set(err, RAG_E_NOINPUT,
                             "%s %s does not exist: run ./setup, or name it "
                             "in the configuration",
                             what, path ? path : "(none given)");
    return 0;
}

static int copy_extra(rag_generator *g, const char *const *args,
                      rag_error *err) {
    size_t n = 0;
    while (args && args[n])
        n++;
    if (!n)
        return 0;
    g->extra = calloc(n + 1, sizeof *g->extra);
    if (!g->extra)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = rag_str_dup(args[i], &g->extra[i], err);
    return rc;
}

static int open_child(rag_generator *g, const rag_generator_options *o,
                      rag_error *err) {
    g->is_child = true;
    int rc = need_file("the generator's program", o->child_program, err);
    if (!rc)
        rc = need_file("the generator's model", o->model_path, err);
    if (!rc && o->lora_path && o->lora_path[0])
        rc = need_file("the generator's adapter", o->lora_path, err);
    if (!rc && (!o->run_dir || !o->run_dir[0]))
        rc = rag_error_set(err, RAG_E_USAGE,
                           "the generator needs a folder for its socket");
    if (rc)
        return rc;
    if (strlen(o->run_dir) + sizeof "/generator.sock" >
        sizeof((struct sockaddr_un *)NULL)->sun_path)
        return rag_error_set(err, RAG_E_LIMIT,
                             "the path %s is too long for a Unix socket; use "
                             "a shorter run folder",
                             o->run_dir);
    char *lock = NULL;
    rc = rag_file_mkdirs(o->run_dir, 0700, err);
    if (!rc)
        rc = rag_path_join(o->run_dir, "generator.lock", &lock, err);
    if (!rc)
        rc = rag_file_lock(lock, &g->lock_fd, err);
    free(lock);
    if (!rc)
        rc = rag_path_join(o->run_dir, "generator.sock", &g->socket, err);
    if (!rc)
        rc = rag_path_join(o->run_dir, "generator.log", &g->log_path, err);
    if (!rc)
        rc = rag_str_dup("http://localhost", &g->base, err);
    if (!rc)
        rc = rag_str_dup(o->child_program, &g->program, err);
    if (!rc)
        rc = rag_str_dup(o->model_path, &g->model_path, err);
    if (!rc && o->lora_path && o->lora_path[0])
        rc = rag_str_dup(o->lora_path, &g->lora_path, err);
    if (!rc)
        rc = copy_extra(g, o->child_args, err);
    if (!rc && !g->model)
        rc = rag_str_dup(rag_path_base(o->model_path), &g->model, err);
    return rc;
}

static int open_endpoint(rag_generator *g, const rag_generator_options *o,
                         rag_error *err) {
    if (!o->url || (!rag_str_starts(o->url, "http://") &&
                    !rag_str_starts(o->url, "https://")))
        return rag_error_set(err, RAG_E_USAGE,
                             "the generator needs a program and a model, or "
                             "the URL of an endpoint (http:// or https://)");
    if (strlen(o->url) > 512)
        return rag_error_set(err, RAG_E_LIMIT,
                             "the generator's URL is too "
                             "long");
    int rc = rag_str_dup(o->url, &g->base, err);
    if (rc)
        return rc;
    for (size_t n = strlen(g->base); n && g->base[n - 1] == '/';)
        g->base[--n] = '\0';
    if (o->unix_socket && o->unix_socket[0])
        rc = rag_str_dup(o->unix_socket, &g->socket, err);
    if (!rc && o->api_key && o->api_key[0])
        rc = rag_str_dup(o->api_key, &g->api_key, err);
    return rc;
}

static int open_sync(rag_generator *g, rag_error *err) {
    pthread_condattr_t attr;
    g->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->wake_fd < 0)
        return rag_error_errno(err, RAG_E_IO, errno, "eventfd");
    int e = pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!e)
        e = pthread_cond_init(&g->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (e)
        return rag_error_errno(err, RAG_E_NOMEM, e, "starting the generator");
    return 0;
}

int rag_generator_open(const rag_generator_options *opt, rag_generator **out,
                       rag_error *err) {
    *out = NULL;
    rag_generator *g = calloc(1, sizeof *g);
    if (!g)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    g->wake_fd = g->lock_fd = -1;
    g->threads = opt->threads;
    g->context = opt->context > 0 ? opt->context : CONTEXT_DEFAULT;
    g->parallel = opt->parallel > 0 ? opt->parallel : 1;
    if (g->parallel > RAG_GENERATOR_SLOTS_MAX)
        g->parallel = RAG_GENERATOR_SLOTS_MAX;
    g->start_timeout_ms =
        opt->start_timeout_ms > 0 ? opt->start_timeout_ms : START_TIMEOUT_MS;
    g->token_timeout_ms =
        opt->token_timeout_ms > 0 ? opt->token_timeout_ms : TOKEN_TIMEOUT_MS;
    g->answer_timeout_ms =
        opt->answer_timeout_ms > 0 ? opt->answer_timeout_ms : ANSWER_TIMEOUT_MS;
    snprintf(g->message, sizeof g->message, "the generator is starting");
    int rc = rag_http_global_init(err);
    if (!rc && opt->model && opt->model[0])
        rc = rag_str_dup(opt->model, &g->model, err);
    if (!rc)
        rc = opt->child_program ? open_child(g, opt, err)
                                : open_endpoint(g, opt, err);
    if (!rc && !(rc = open_sync(g, err))) {
        int e = pthread_create(&g->thread, NULL, supervise, g);
        if (e)
            rc = rag_error_errno(err, RAG_E_NOMEM, e, "starting a thread");
        else
            g->has_thread = true;
    }
    if (rc)
        rag_generator_close(g);
    else
        *out = g;
    return rc;
}

void rag_generator_close(rag_generator *g) {
    if (!g)
        return;
    if (g->has_thread) {
        pthread_mutex_lock(&g->lock);
        g->stop = true;
        pthread_cond_broadcast(&g->changed);
        pthread_mutex_unlock(&g->lock);
        wake(g);
        pthread_join(g->thread, NULL);
        pthread_cond_destroy(&g->changed);
        pthread_mutex_destroy(&g->lock);
    }
    for (int i = 0; i < RAG_GENERATOR_SLOTS_MAX; i++)
        rag_http_close(g->slot[i].http);
    if (g->wake_fd >= 0)
        close(g->wake_fd);
    if (g->lock_fd >= 0)
        close(g->lock_fd);
    for (size_t i = 0; g->extra && g->extra[i]; i++)
        free(g->extra[i]);
    free(g->extra);
    free(g->base);
    free(g->socket);
    free(g->api_key);
    free(g->model);
    free(g->program);
    free(g->model_path);
    free(g->lora_path);
    free(g->log_path);
    free(g);
}

void rag_generator_describe(rag_generator *g, rag_generator_status *out) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&g->lock);
    out->state = g->state;
    out->pid = g->pid;
    out->restarts = g->restarts;
    snprintf(out->model, sizeof out->model, "%s", g->model ? g->model : "");
    snprintf(out->message, sizeof out->message, "%s", g->message);
    pthread_mutex_unlock(&g->lock);
}

int rag_generator_wait_ready(rag_generator *g, long timeout_ms,
                             rag_error *err) {
    double until = rag_clock_ms() + (double)timeout_ms;
    int rc = 0;
    pthread_mutex_lock(&g->lock);
    while (g->state != RAG_GENERATOR_READY) {
        double left = until - rag_clock_ms();
        if (g->stop || left <= 0) {
            bool failed = g->state == RAG_GENERATOR_FAILED;
            rc = rag_error_set(err, failed ? RAG_E_UNAVAILABLE : RAG_E_TIMEOUT,
                               "%s", g->message);
            break;
        }
        wait_changed(g, fmin(left, 1000));
    }
    pthread_mutex_unlock(&g->lock);
    return rc;
}
