/* cmd_status.c - rag status, rag doctor, rag help. */
#include "client/client.h"

#include "base/file.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char rag_usage_status[] =
    "usage: rag status [--json]\n"
    "\n"
    "Says what ragd serves. Exit status: 0 when questions can be answered,\n"
    "otherwise 69, with what is missing.\n";

const char rag_usage_doctor[] =
    "usage: rag doctor\n"
    "\n"
    "Checks models, store, socket and daemon one after the other and says "
    "what\n"
    "to do about what is wrong. Exit status: 0 when all is well, else 69.\n";

const char rag_usage_help[] = "usage: rag help [COMMAND]\n";

/* ---- status ------------------------------------------------------------------------- */

static json_t *absent(const rag_error *err) {
    return json_pack("{ss sb s[s]}", "status", "not running", "ready", 0,
                     "missing", err->message);
}

static long long number(const json_t *v, const char *key) {
    return (long long)json_integer_value(json_object_get(v, key));
}

static void print_row(rag_printer *p, const char *label, const char *text) {
    fprintf(p->file, "%s%*s", label, *label ? 11 - (int)strlen(label) : 2, "");
    p->column = p->indent = 11;
    rag_printer_text(p, text, strlen(text));
    p->indent = 0;
    rag_printer_end(p);
}

static void print_status(const json_t *v) {
    const json_t *index = json_object_get(v, "index");
    const json_t *encoder = json_object_get(v, "encoder");
    const json_t *generator = json_object_get(v, "generator");
    rag_printer p;
    char line[1024];
    rag_printer_init(&p, stdout);
    bool ready = json_is_true(json_object_get(v, "ready"));
    rag_printer_style(&p, ready ? RAG_STYLE_GOOD : RAG_STYLE_BAD);
    fputs(ready ? "ready    " : "not ready", stdout);
    rag_printer_style(&p, RAG_STYLE_PLAIN);
    snprintf(line, sizeof line, "ragd %s, up %.0f s", rag_field(v, "version"),
             json_number_value(json_object_get(v, "uptime_s")));
    print_row(&p, "", line);
    snprintf(line, sizeof line,
             "%s, %lld documents (%lld FAQ), %lld chunks, generation %lld, %s",
             rag_field(index, "state"), number(index, "documents"),
             number(index, "faqs"), number(index, "chunks"),
             number(index, "generation"), rag_field(index, "ann"));
    print_row(&p, "index", line);
    snprintf(line, sizeof line, "%s, %s", rag_field(encoder, "model"),
             rag_field(encoder, "kernel"));
    print_row(&p, "encoder", line);
    snprintf(line, sizeof line, "%s %s", rag_field(generator, "state"),
             rag_field(generator, "model"));
    print_row(&p, "generator", line);
    rag_printer_free(&p);
}

int rag_cmd_status(rag_client *c, int argc, char **argv) {
    static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    rag_error err = {0};
    json_t *v = NULL;
    bool json = false;
    int o;
    optind = 1;
    while ((o = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (o == 'h') {
            fputs(rag_usage_status, stdout);
            return 0;
        }
        if (o != 'j')
            return RAG_EXIT_USAGE;
        json = true;
    }
    if (optind < argc)
        return rag_complain(RAG_EXIT_USAGE, "status takes no argument");
    bool running =
        rag_client_call(c, "GET", "/v1/status", NULL, 0, &v, &err) == 0;
    if (!running)
        v = absent(&err);
    if (json)
        rag_print_json(v, &err);
    else if (running)
        print_status(v);
    json_t *missing = json_object_get(v, "missing");
    for (size_t i = 0; i < json_array_size(missing); i++) {
        const char *s = json_string_value(json_array_get(missing, i));
        rag_complain(0, "%s", s ? s : "");
    }
    int status =
        json_is_true(json_object_get(v, "ready")) ? 0 : RAG_EXIT_UNAVAILABLE;
    json_decref(v);
    return status;
}

/* ---- doctor --------------------------------------------------------------------------- */

typedef struct doctor {
    rag_printer out;
    unsigned wrong;
} doctor;

static void say(doctor *d, bool ok, const char *what, const char *detail,
                const char *advice) {
    rag_printer *p = &d->out;
    rag_printer_style(p, ok ? RAG_STYLE_GOOD : RAG_STYLE_BAD);
    fputs(ok ? "ok    " : "WRONG ", p->file);
    rag_printer_style(p, RAG_STYLE_PLAIN);
    p->indent = 6;
    p->column = 6;
    rag_printer_text(p, what, strlen(what));
    if (*detail) {
        rag_printer_text(p, ": ", 2);
        rag_printer_text(p, detail, strlen(detail));
    }
    if (!ok && *advice) {
        rag_printer_text(p, "\n", 1);
        rag_printer_text(p, advice, strlen(advice));
    }
    p->indent = 0;
    rag_printer_end(p);
    d->wrong += !ok;
}

static void check_file(doctor *d, const char *folder, const char *name,
                       const char *what, const char *advice) {
    char *path = NULL;
    if (rag_path_join(folder, name, &path, NULL))
        return;
    say(d, access(path, R_OK) == 0, what, path, advice);
    free(path);
}

static void check_places(doctor *d) {
    char *cache = NULL, *data = NULL;
    if (rag_path_place(RAG_PLACE_CACHE, &cache, NULL) == 0) {
        check_file(d, cache, RAG_ENCODER_FILE, "encoder model",
                   "run ./setup, or name another with ragd --model");
        check_file(d, cache, RAG_GENERATOR_FILE, "generative model",
                   "run ./setup, or name another with ragd --generator");
        check_file(d, cache, RAG_LLAMA_SERVER, "llama-server",
                   "run ./setup, or use an endpoint with ragd --generator-url");
    }
    if (rag_path_place(RAG_PLACE_DATA, &data, NULL) == 0)
        check_file(d, data, "store.db", "store",
                   "run rag-ingest on your documents");
    free(cache);
    free(data);
}

static void check_socket(doctor *d, const rag_client *c) {
    struct stat st;
    if (!c->socket)
        return;
    bool there = lstat(c->socket, &st) == 0 && S_ISSOCK(st.st_mode);
    say(d, there, "socket", c->socket, "start the daemon: ragd &");
    if (there)
        say(d, access(c->socket, R_OK | W_OK) == 0, "permission to use it", "",
            "ask for membership in the socket's group, or run as its owner");
}

static void check_daemon(doctor *d, rag_client *c) {
    rag_error err = {0};
    json_t *v = NULL;
    if (rag_client_call(c, "GET", "/v1/status", NULL, 0, &v, &err)) {
        say(d, false, "daemon", err.message, "");
        return;
    }
    const char *version = rag_field(v, "version");
    say(d, true, "daemon answers", "", "");
    say(d, strcmp(version, RAG_VERSION) == 0, "version of daemon and client",
        version, "restart ragd after an upgrade");
    json_t *missing = json_object_get(v, "missing");
    for (size_t i = 0; i < json_array_size(missing); i++) {
        const char *s = json_string_value(json_array_get(missing, i));
        say(d, false, s ? s : "", "", "");
    }
    if (json_is_true(json_object_get(v, "ready")))
        say(d, true, "ready to answer", "", "");
    json_decref(v);
}

int rag_cmd_doctor(rag_client *c, int argc, char **argv) {
    doctor d = {0};
    if (argc > 1) {
        bool help =
            strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0;
        fputs(rag_usage_doctor, help ? stdout : stderr);
        return help ? 0 : RAG_EXIT_USAGE;
    }
    rag_printer_init(&d.out, stdout);
    check_places(&d);
    check_socket(&d, c);
    check_daemon(&d, c);
    rag_printer_free(&d.out);
    return d.wrong ? RAG_EXIT_UNAVAILABLE : 0;
}

/* ---- help ------------------------------------------------------------------------------- */

int rag_cmd_help(rag_client *c, int argc, char **argv) {
    (void)c;
    if (argc > 1 && argv[1][0] != '-') {
        const rag_command *command = rag_command_find(argv[1]);
        if (!command)
            return rag_complain(RAG_EXIT_USAGE, "unknown command '%s'",
                                argv[1]);
        fputs(command->usage, stdout);
        return 0;
    }
    puts("usage: rag [--socket PATH | --url URL [--token-file FILE]] COMMAND "
         "...\n"
         "Asks ragd about your documents.\n");
    for (const rag_command *k = rag_commands; k->name; k++)
        printf("  %-8s %s\n", k->name, k->summary);
    puts("\nrag help COMMAND says more. Documents are read by rag-ingest.");
    return 0;
}
