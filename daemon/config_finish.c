/*
 * config_finish.c - the defaults that depend on this machine, the checks of
 * what belongs together, and ragd's command line.
 *
 * Called by main.c from the main thread, after config.c has read the file.
 */
#include "daemon/config.h"

#include "base/buf.h"
#include "base/file.h"
#include "index/index.h"

#include <stdlib.h>
#include <string.h>

static int from_cache(char **field, const char *name, rag_error *err) {
    if (*field)
        return 0;
    char *cache = NULL;
    int rc = rag_path_place(RAG_PLACE_CACHE, &cache, err);
    if (!rc)
        rc = rag_path_join(cache, name, field, err);
    free(cache);
    return rc;
}

static int from_place(char **field, rag_place place, rag_error *err) {
    return *field ? 0 : rag_path_place(place, field, err);
}

/* Where the source tree has files of our own. */
#define GENERATOR_FILES RAG_SOURCE_DIR "/generate/models"
#define ENCODER_FILES RAG_SOURCE_DIR "/embed/models"

static int own_file(char **field, const char *program_dir, const char *tree,
                    const char *name, rag_error *err) {
    return *field ? 0 : rag_path_own(program_dir, tree, name, field, err);
}

static int need(bool ok, rag_error *err, const char *what) {
    return ok ? 0 : rag_error_set(err, RAG_E_DATA, "%s", what);
}

static int check(const rag_config *c, rag_error *err) {
    rag_log_level level;
    rag_index_kind kind;
    int rc = 0;
    if ((rc = need(!*c->listen || *c->token_file, err,
                   "server.listen needs server.token_file: a door on the "
                   "network is never open without a token")) ||
        (rc = need(!*c->listen || strrchr(c->listen, ':'), err,
                   "server.listen must be HOST:PORT")) ||
        (rc = need(!*c->encoder_url || !*c->encoder_adapter, err,
                   "encoder.adapter goes with encoder.model, not with "
                   "encoder.url")) ||
        (rc = need(rag_index_kind_from(c->index_kind, &kind), err,
                   "index.kind must be auto, flat, ivf or hnsw")) ||
        (rc = need(rag_log_level_from(c->log_level, &level), err,
                   "log.level must be error, warn, info or debug")) ||
        (rc = need(strcmp(c->log_format, "text") == 0 ||
                       strcmp(c->log_format, "json") == 0,
                   err, "log.format must be text or json")) ||
        (rc = need(strcmp(c->language, "ko") == 0 ||
                       strcmp(c->language, "en") == 0,
                   err, "answer.language must be ko or en")) ||
        (rc = need(c->waiting + c->parallel < c->workers, err,
                   "server.workers must be more than generator.parallel + "
                   "generator.waiting, or slow answers hold up quick ones")) ||
        (rc = need(!*c->generator_url || *c->generator_name ||
                       !*c->generator_key_file,
                   err,
                   "generator.name must say which model the endpoint "
                   "of generator.url is to run")))
        return rc;
    return 0;
}

int rag_config_finish(rag_config *c, const char *program_dir, rag_error *err) {
    int rc = 0;
    bool own_model = c->generator != NULL, own_encoder = c->encoder != NULL;
    if ((rc = from_place(&c->socket, RAG_PLACE_SOCKET, err)) ||
        (rc = from_place(&c->data, RAG_PLACE_DATA, err)) ||
        (rc = from_cache(&c->encoder, RAG_ENCODER_FILE, err)) ||
        (rc = from_cache(&c->server_program, RAG_LLAMA_SERVER, err)) ||
        (rc = from_cache(&c->generator, RAG_GENERATOR_FILE, err)))
        return rc;
    /* Adapter and reader were made for the default encoder. */
    if ((own_encoder || *c->encoder_url) && !c->encoder_adapter &&
        (rc = rag_str_dup("", &c->encoder_adapter, err)))
        return rc;
    if ((own_encoder || *c->encoder_url) && !c->reader &&
        (rc = rag_str_dup("", &c->reader, err)))
        return rc;
    if ((rc = own_file(&c->encoder_adapter, program_dir, ENCODER_FILES,
                       RAG_ENCODER_ADAPTER_FILE, err)))
        return rc;
    if ((rc = own_file(&c->reader, program_dir, ENCODER_FILES, RAG_READER_FILE,
                       err)))
        return rc;
    /* Adapter and card belong to the default model: another model, or an
     * endpoint, has its own or none. */
    if (own_model || *c->generator_url) {
        if (!c->adapter && (rc = rag_str_dup("", &c->adapter, err)))
            return rc;
        if (!c->card && (rc = rag_str_dup("", &c->card, err)))
            return rc;
    }
    bool own_adapter = c->adapter && *c->adapter;
    if ((rc = own_file(&c->adapter, program_dir, GENERATOR_FILES,
                       RAG_ADAPTER_FILE, err)))
        return rc;
    /* Without its adapter the default model does not know the card's form. */
    if (!c->card && (own_adapter || !*c->adapter) &&
        (rc = rag_str_dup("", &c->card, err)))
        return rc;
    if ((rc = own_file(&c->card, program_dir, GENERATOR_FILES, RAG_CARD_FILE,
                       err)))
        return rc;
    return check(c, err);
}

/* ---- the command line --------------------------------------------------------- */

static const char USAGE[] =
    "usage: ragd [options]\n"
    "Answers questions from the documents that rag-ingest has read.\n"
    "\n"
    "  --config FILE         settings (default: ~/.config/ragd/ragd.conf,\n"
    "                        when it exists)\n"
    "  --data DIR            folder of the store\n"
    "  --socket PATH         Unix socket to serve on\n"
    "  --listen HOST:PORT    also serve TCP; needs --token-file\n"
    "  --token-file FILE     bearer token that TCP clients must show\n"
    "  --model GGUF          encoder\n"
    "  --reader FILE         adapter that makes it judge and find answers\n"
    "  --generator GGUF      generative model\n"
    "  --lora FILE           adapter for it\n"
    "  --card FILE           how that model wants to be asked\n"
    "  --generator-url URL   an OpenAI-compatible endpoint instead\n"
    "  --no-generator        answer with extracts only\n"
    "  -n                    check settings and files, then exit\n"
    "  --fit-gate OUT REPORT...\n"
    "                        fit the evidence gate on reports of rag eval\n"
    "  -v                    log more\n"
    "  -h, --help            this text\n"
    "  -V, --version         version\n"
    "\n"
    "Signals: TERM ends after what runs has finished, HUP reads the settings\n"
    "again. Settings are described in ragd.conf(5).\n";

const char *rag_daemon_usage(void) {
    return USAGE;
}

static const struct {
    const char *flag, *name;
} FLAGS[] = {
    {"--data", "data.dir"},
    {"--socket", "server.socket"},
    {"--listen", "server.listen"},
    {"--token-file", "server.token_file"},
    {"--model", "encoder.model"},
    {"--reader", "reader.model"},
    {"--generator", "generator.model"},
    {"--lora", "generator.adapter"},
    {"--card", "generator.card"},
    {"--generator-url", "generator.url"},
};

static const char *flag_name(const char *flag, size_t n) {
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++)
        if (strlen(FLAGS[i].flag) == n && memcmp(FLAGS[i].flag, flag, n) == 0)
            return FLAGS[i].name;
    return NULL;
}

/* "--flag VALUE" or "--flag=VALUE"; *i moves past what was used. */
static int flag_value(int argc, char **argv, int *i, const char **value,
                      rag_error *err) {
    const char *eq = strchr(argv[*i], '=');
    if (eq) {
        *value = eq + 1;
        return 0;
    }
    if (*i + 1 >= argc)
        return rag_error_set(err, RAG_E_USAGE, "%s needs a value", argv[*i]);
    *value = argv[++*i];
    return 0;
}

/* The file must be read before flags override it, so it is looked for
 * first. */
static int read_file(int argc, char **argv, rag_config *c, rag_error *err) {
    const char *path = NULL;
    char *place = NULL;
    int rc = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 ||
            rag_str_starts(argv[i], "--config=")) {
            if ((rc = flag_value(argc, argv, &i, &path, err)))
                return rc;
        }
    }
    if (path)
        return rag_config_read(c, path, err);
    if ((rc = rag_path_place(RAG_PLACE_CONFIG, &place, err)))
        return rc;
    if (rag_file_exists(place))
        rc = rag_config_read(c, place, err);
    free(place);
    return rc;
}

static int one_flag(int argc, char **argv, int *i, rag_daemon_args *a,
                    rag_error *err) {
    const char *s = argv[*i], *value = NULL;
    if (strcmp(s, "-n") == 0) {
        a->check = true;
    } else if (strcmp(s, "-v") == 0) {
        a->verbose = true;
    } else if (strcmp(s, "-h") == 0 || strcmp(s, "--help") == 0) {
        a->help = true;
    } else if (strcmp(s, "-V") == 0 || strcmp(s, "--version") == 0) {
        a->version = true;
    } else if (strcmp(s, "--no-generator") == 0) {
        return rag_config_set(a->config, "generator.enabled", "no", NULL, err);
    } else if (strcmp(s, "--config") == 0 || rag_str_starts(s, "--config=")) {
        return flag_value(argc, argv, i, &value, err);
    } else {
        const char *name = flag_name(s, strcspn(s, "="));
        if (!name)
            return rag_error_set(err, RAG_E_USAGE,
                                 "unknown option '%s'; see ragd --help", s);
        int rc = flag_value(argc, argv, i, &value, err);
        return rc ? rc : rag_config_set(a->config, name, value, NULL, err);
    }
    return 0;
}

int rag_daemon_args_parse(int argc, char **argv, const char *program_dir,
                          rag_daemon_args *out, rag_error *err) {
    memset(out, 0, sizeof *out);
    int rc = rag_config_new(&out->config, err);
    if (rc)
        return rc;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0 ||
            strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
            out->help = argv[i][1] == 'h' || strcmp(argv[i], "--help") == 0;
            out->version = !out->help;
            return 0;
        }
    if ((rc = read_file(argc, argv, out->config, err)))
        goto fail;
    for (int i = 1; i < argc; i++)
        if ((rc = one_flag(argc, argv, &i, out, err)))
            goto fail;
    if ((rc = rag_config_finish(out->config, program_dir, err)))
        goto fail;
    return 0;
fail:
    rag_daemon_args_free(out);
    return rc;
}

void rag_daemon_args_free(rag_daemon_args *a) {
    rag_config_unref(a->config);
    memset(a, 0, sizeof *a);
}
