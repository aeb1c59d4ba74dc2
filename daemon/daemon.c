/*
 * daemon.c - building the daemon from its parts and taking it down.
 *
 * Order of start: sockets (so that a second daemon fails before it loads a
 * model), self-test, encoder, store, generator, pipeline, server. Stop is
 * the reverse. Main thread only.
 */
#include "daemon/daemon.h"
#include "daemon/desk.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/http.h"
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX 4096 /* bytes of a token or key file */
#define TICK_MS 1000.0

struct rag_daemon {
    rag_config *config;
    rag_listeners listeners;
    rag_encoder *encoder;
    rag_encoder_info encoder_info;
    rag_reader *reader; /* NULL: none */
    rag_serving *store;
    rag_sentences *sentences;
    rag_gate *gate;
    rag_card *card;
    rag_generator *generator;
    rag_desk *desk;
    char *run_dir;
    rag_pipeline *pipeline;
    rag_server *server;
    rag_metrics metrics;
    double ticked_ms;
};

/* ---- files ------------------------------------------------------------------------ */

static int need_file(const char *path, const char *what, const char *key,
                     rag_error *err) {
    if (access(path, R_OK) == 0)
        return 0;
    return rag_error_errno(err, RAG_E_NOINPUT, errno,
                           "%s %s (setting %s; ./setup fetches the default)",
                           what, path, key);
}

int rag_daemon_check(const rag_config *c, rag_error *err) {
    int rc = 0;
    if (!*c->encoder_url &&
        (rc = need_file(c->encoder, "encoder", "encoder.model", err)))
        return rc;
    if (*c->encoder_adapter &&
        (rc = need_file(c->encoder_adapter, "adapter", "encoder.adapter", err)))
        return rc;
    if (*c->reader &&
        (rc = need_file(c->reader, "reader", "reader.model", err)))
        return rc;
    if (*c->token_file &&
        (rc = need_file(c->token_file, "token", "server.token_file", err)))
        return rc;
    if ((rc = rag_index_lexicon_check(c->lexicon, err)))
        return rc;
    if (!c->generator_on || *c->generator_url)
        return 0;
    if ((rc = need_file(c->server_program, "program", "generator.program",
                        err)) ||
        (rc = need_file(c->generator, "model", "generator.model", err)))
        return rc;
    if (*c->adapter &&
        (rc = need_file(c->adapter, "adapter", "generator.adapter", err)))
        return rc;
    if (*c->card && (rc = need_file(c->card, "card", "generator.card", err)))
        return rc;
    return 0;
}

/* First line of a file that others cannot read. *out NULL for path "". */
static int read_secret(const char *path, char **out, rag_error *err) {
    struct stat st;
    rag_buf b;
    *out = NULL;
    if (!*path)
        return 0;
    rag_buf_init(&b, SECRET_MAX + 1);
    int rc = rag_file_read(path, SECRET_MAX, &b, err);
    if (!rc && stat(path, &st) == 0 && (st.st_mode & 077))
        rc = rag_error_set(err, RAG_E_PERMISSION,
                           "%s: others can read it: chmod 600 %s", path, path);
    if (!rc) {
        size_t n = strcspn(rag_buf_str(&b), "\r\n");
        rc = n ? rag_str_dup_n(rag_buf_str(&b), n, out, err)
               : rag_error_set(err, RAG_E_DATA, "%s: is empty", path);
    }
    if (b.data)
        explicit_bzero(b.data, b.len);
    rag_buf_free(&b);
    return rc;
}

static void free_secret(char *s) {
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

/* ---- the model's private folder ------------------------------------------------------- */

static const char *run_base(void) {
    static const char *const names[] = {"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR",
                                        "TMPDIR"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *s = getenv(names[i]);
        if (s && *s == '/' && !strchr(s, ':') && strlen(s) < 60)
            return s;
    }
    return "/tmp";
}

/*
 * One folder a socket path: whoever holds the socket's lock owns it, so what
 * a killed daemon left in it can be taken over. Refused unless it is ours
 * alone.
 */
static int make_run_dir(const rag_config *c, char **out, rag_error *err) {
    rag_sha256 h;
    char hex[65];
    rag_buf b;
    struct stat st;
    const char *name = *c->socket ? c->socket : c->listen;
    rag_hash_sha256(name, strlen(name), &h);
    rag_hash_hex(&h, hex);
    rag_buf_init(&b, 0);
    int rc = rag_buf_printf(&b, err, "%s/ragd-%ld-%.10s", run_base(),
                            (long)getuid(), hex);
    if (rc)
        goto out;
    if (mkdir(b.data, 0700) && errno != EEXIST) {
        rc = rag_error_errno(err, RAG_E_IO, errno, "%s", b.data);
        goto out;
    }
    if (lstat(b.data, &st) || !S_ISDIR(st.st_mode) || st.st_uid != getuid() ||
        (st.st_mode & 077)) {
        rc = rag_error_set(err, RAG_E_PERMISSION,
                           "%s is not a folder of this user alone: remove it",
                           b.data);
        goto out;
    }
    rc = rag_buf_steal(&b, out, NULL, err);
out:
    rag_buf_free(&b);
    return rc;
}

/* ---- parts ---------------------------------------------------------------------------------- */

static int start_sockets(rag_daemon *d, rag_error *err) {
    rag_config *c = d->config;
    int rc = rag_listeners_take(&d->listeners, err);
    if (rc)
        return rc;
    bool passed = d->listeners.n > 0;
    if (!passed && *c->socket)
        rc = rag_listeners_unix(&d->listeners, c->socket,
                                (mode_t)c->socket_mode, err);
    if (!rc && *c->listen)
        rc = rag_listeners_tcp(&d->listeners, c->listen, err);
    if (!rc && !d->listeners.n)
        rc = rag_error_set(err, RAG_E_USAGE, "no socket to serve on");
    return rc;
}

static int start_encoder(rag_daemon *d, rag_error *err) {
    rag_config *c = d->config;
    char *key = NULL;
    int rc;
    if (!*c->encoder_url) {
        rag_encoder_options opt = {
            .threads = (int)c->encoder_threads,
            .adapter = *c->encoder_adapter ? c->encoder_adapter : NULL};
        rc = rag_encoder_open(c->encoder, &opt, &d->encoder, err);
    } else if (!(rc = read_secret(c->encoder_key_file, &key, err))) {
        rag_encoder_remote remote = {
            .url = c->encoder_url,
            .unix_socket = *c->encoder_unix ? c->encoder_unix : NULL,
            .api_key = key,
            .model = c->encoder_name,
            .query_prefix = c->query_prefix,
            .passage_prefix = c->passage_prefix,
            .dim = (int)c->encoder_dim};
        rc = rag_encoder_open_remote(&remote, &d->encoder, err);
    }
    free_secret(key);
    if (!rc)
        rag_encoder_describe(d->encoder, &d->encoder_info);
    return rc;
}

static int start_reader(rag_daemon *d, rag_error *err) {
    rag_config *c = d->config;
    rag_encoder_options opt = {.threads = (int)c->encoder_threads};
    if (!*c->reader || *c->encoder_url)
        return 0;
    return rag_reader_open(c->encoder, c->reader, &opt, &d->reader, err);
}

static int start_store(rag_daemon *d, rag_error *err) {
    rag_serving_options opt = {
        .dir = d->config->data,
        .index = {.fingerprint = {.dim = d->encoder_info.dim,
                                  .encoder = d->encoder_info.fingerprint,
                                  .model = d->encoder_info.name},
                  .memory = (size_t)d->config->index_memory << 20,
                  .lexicon = d->config->lexicon},
        .refresh_ms = d->config->refresh_ms};
    int rc;

    rag_index_kind_from(d->config->index_kind, &opt.index.kind);
    rc = rag_serving_open(&opt, &d->store, err);
    return rc ? rc : rag_serving_watch(d->store, err);
}

static int start_desk(rag_daemon *d, rag_error *err) {
    rag_config *c = d->config;
    rag_desk_options opt = {.dir = c->data,
                            .encoder = d->encoder,
                            .contact = c->contact,
                            .two_persons = c->desk_two_persons,
                            .record = c->desk_record};
    if (!c->desk_on)
        return 0;
    int rc = rag_pii_kinds_parse(c->mask, &opt.mask, err);
    if (!rc)
        rc = rag_pii_kinds_parse(c->mask_keep, &opt.keep, err);
    return rc ? rc : rag_desk_open(&opt, &d->desk, err);
}

static int start_card(rag_daemon *d, rag_error *err) {
    rag_config *c = d->config;
    if (*c->card)
        return rag_card_load(c->card, &d->card, err);
    /* A bare GGUF may have no chat template; an endpoint has one. */
    return rag_card_builtin(*c->generator_url ? "chat" : "few-shot", &d->card,
                            err);
}

static int start_generator(rag_daemon *d, rag_error *err) {
    rag_config *c = d->config;
    char *key = NULL;
    if (!c->generator_on)
        return 0;
    int rc = start_card(d, err);
    if (rc || (rc = make_run_dir(c, &d->run_dir, err)) ||
        (rc = read_secret(c->generator_key_file, &key, err)))
        return rc;
    bool child = !*c->generator_url;
    rag_generator_options opt = {
        .url = child ? NULL : c->generator_url,
        .unix_socket = child || !*c->generator_unix ? NULL : c->generator_unix,
        .api_key = key,
        .model = *c->generator_name ? c->generator_name : NULL,
        .child_program = child ? c->server_program : NULL,
        .model_path = child ? c->generator : NULL,
        .lora_path = child && *c->adapter ? c->adapter : NULL,
        .run_dir = d->run_dir,
        .threads = (int)c->generator_threads,
        .context = (int)c->context,
        .parallel = (int)c->parallel,
        .start_timeout_ms = c->start_ms,
        .token_timeout_ms = c->token_ms,
        .answer_timeout_ms = c->generation_ms};
    rc = rag_generator_open(&opt, &d->generator, err);
    free_secret(key);
    return rc;
}

static rag_pipeline_parts parts_of(const rag_daemon *d) {
    return (rag_pipeline_parts){.encoder = d->encoder,
                                .reader = d->reader,
                                .store = d->store,
                                .generator = d->generator,
                                .card = d->card,
                                .sentences = d->sentences,
                                .gate = d->gate,
                                .desk = d->desk};
}

/* What a bound on false answers costs, told to whoever set it. */
static void tell_gate(const rag_daemon *d, const rag_config *config) {
    double refused, least = rag_gate_point(d->gate, config, &refused);
    if (isnan(refused))
        return;
    rag_log(least < 1 ? RAG_LOG_INFO : RAG_LOG_WARN, "gate.point",
            RAG_D("false_answers", config->false_answers), RAG_D("gate", least),
            RAG_D("false_refusals", refused));
}

/* A gate is fitted for one encoder and one way of asking: with others its
 * probabilities would mean nothing. */
static int start_gate(rag_daemon *d, rag_error *err) {
    const char *file = d->config->gate_file;
    int rc;
    if (!*file) {
        rc = rag_gate_default(d->reader != NULL, &d->gate, err);
    } else {
        char *fingerprint = NULL;
        rag_pipeline_parts parts = parts_of(d);
        rc = rag_gate_name(&parts, &fingerprint, err);
        if (!rc)
            rc = rag_gate_load(file, fingerprint, &d->gate, err);
        free(fingerprint);
    }
    if (!rc)
        tell_gate(d, d->config);
    return rc;
}

static int start_server(rag_daemon *d, rag_error *err) {
    rag_config *c = d->config;
    rag_pipeline_parts parts = parts_of(d);
    char *token = NULL;
    int rc = rag_pipeline_open(&parts, c, &d->pipeline, err);
    if (rc || (rc = read_secret(c->token_file, &token, err)))
        return rc;
    rag_server_options opt = {.pipeline = d->pipeline,
                              .metrics = &d->metrics,
                              .token = token,
                              .workers = c->workers,
                              .queue = c->queue,
                              .connections = c->connections};
    rc = rag_server_open(&opt, &d->listeners, &d->server, err);
    free_secret(token);
    return rc;
}

int rag_daemon_start(rag_config *config, rag_daemon **out, rag_error *err) {
    static const struct {
        const char *name;
        int (*fn)(rag_daemon *, rag_error *);
    } steps[] = {{"sockets", start_sockets}, {"encoder", start_encoder},
                 {"reader", start_reader},   {"store", start_store},
                 {"desk", start_desk},       {"generator", start_generator},
                 {"gate", start_gate},       {"server", start_server}};
    *out = NULL;
    rag_daemon *d = calloc(1, sizeof *d);
    if (!d)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the daemon");
    d->config = rag_config_ref(config);
    rag_listeners_init(&d->listeners);
    int rc;
    if ((rc = rag_daemon_check(config, err)) ||
        (rc = rag_http_global_init(err)) ||
        (rc = rag_sentences_open(&d->sentences, err)) ||
        (rc = rag_index_self_test(err)))
        goto out;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        double started = rag_clock_ms();
        if ((rc = steps[i].fn(d, err)))
            goto out;
        rag_log(RAG_LOG_DEBUG, "daemon.start", RAG_S("part", steps[i].name),
                RAG_D("ms", rag_clock_ms() - started));
    }
    for (size_t i = 0; i < d->listeners.n; i++)
        rag_log(RAG_LOG_INFO, "daemon.listen",
                RAG_S("on", d->listeners.of[i].name));
    *out = d;
    return 0;
out:
    rag_daemon_stop(d);
    return rc;
}

void rag_daemon_stop(rag_daemon *d) {
    if (!d)
        return;
    if (d->server) {
        double started = rag_clock_ms();
        rag_config *now = rag_pipeline_config(d->pipeline);
        bool clean = rag_server_drain(d->server, (double)now->stop_ms);
        rag_config_unref(now);
        rag_log(clean ? RAG_LOG_INFO : RAG_LOG_WARN, "daemon.drain",
                RAG_S("finished", clean ? "yes" : "no"),
                RAG_D("ms", rag_clock_ms() - started));
    }
    rag_server_close(d->server);
    rag_pipeline_close(d->pipeline);
    rag_desk_close(d->desk);
    rag_generator_close(d->generator);
    rag_card_free(d->card);
    rag_file_remove_folder(d->run_dir);
    free(d->run_dir);
    rag_serving_close(d->store);
    rag_reader_close(d->reader);
    rag_encoder_close(d->encoder);
    rag_gate_free(d->gate);
    rag_sentences_close(d->sentences);
    rag_listeners_close(&d->listeners);
    rag_config_unref(d->config);
    free(d);
}

static void on_difference(void *user, const char *name, bool reloadable) {
    (void)user;
    rag_log(reloadable ? RAG_LOG_INFO : RAG_LOG_WARN, "config.change",
            RAG_S("setting", name),
            RAG_S("effect", reloadable ? "now" : "after a restart"));
}

void rag_daemon_reload(rag_daemon *d, rag_config *config) {
    rag_config *now = rag_pipeline_config(d->pipeline);
    rag_config_diff(now, config, on_difference, NULL);
    rag_config_unref(now);
    rag_pipeline_configure(d->pipeline, config);
    tell_gate(d, config);
}

void rag_daemon_tick(rag_daemon *d) {
    double now = rag_clock_ms();
    if (now - d->ticked_ms < TICK_MS)
        return;
    d->ticked_ms = now;
    rag_server_tick(d->server);
}

void rag_daemon_describe(rag_daemon *d, char *out, size_t cap) {
    rag_error why = {0};
    bool index = rag_serving_ready(d->store, &why);
    const char *generator = "off";
    if (d->generator) {
        rag_generator_status s;
        rag_generator_describe(d->generator, &s);
        generator = s.state == RAG_GENERATOR_READY      ? "ready"
                    : s.state == RAG_GENERATOR_STARTING ? "starting"
                                                        : "not running";
    }
    snprintf(out, cap, "%s; generator %s", index ? "serving" : why.message,
             generator);
}
