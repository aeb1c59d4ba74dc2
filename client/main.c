/*
 * main.c - rag: global options, then a command.
 */
#include "client/client.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct globals {
    const char *socket, *url, *token_file;
    int next; /* first argument that is not ours */
} globals;

static int value_of(int argc, char **argv, int *i, const char *flag,
                    const char **out) {
    size_t n = strlen(flag);
    if (argv[*i][n] == '=') {
        *out = argv[*i] + n + 1;
        return 0;
    }
    if (*i + 1 >= argc)
        return rag_complain(RAG_EXIT_USAGE, "%s needs a value", flag);
    *out = argv[++*i];
    return 0;
}

static bool is_flag(const char *arg, const char *flag) {
    size_t n = strlen(flag);
    return strncmp(arg, flag, n) == 0 && (!arg[n] || arg[n] == '=');
}

static int read_globals(int argc, char **argv, globals *g) {
    int i = 1, rc = 0;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] && !rc; i++) {
        if (is_flag(argv[i], "--socket"))
            rc = value_of(argc, argv, &i, "--socket", &g->socket);
        else if (is_flag(argv[i], "--url"))
            rc = value_of(argc, argv, &i, "--url", &g->url);
        else if (is_flag(argv[i], "--token-file"))
            rc = value_of(argc, argv, &i, "--token-file", &g->token_file);
        else
            break;
    }
    g->next = i;
    return rc;
}

int main(int argc, char **argv) {
    globals g = {0};
    rag_client client = {0};
    rag_error err = {0};
    setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN); /* a closed pager is an error, not a death */
    int rc = read_globals(argc, argv, &g);
    if (rc)
        return rc;
    const char *name = g.next < argc ? argv[g.next] : NULL;
    if (!name) {
        rag_cmd_help(NULL, 1, argv);
        return RAG_EXIT_USAGE;
    }
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        name = "help";
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0) {
        puts("rag " RAG_VERSION);
        return 0;
    }
    const rag_command *command = rag_command_find(name);
    if (!command)
        return rag_complain(RAG_EXIT_USAGE,
                            "unknown command '%s'; see rag help", name);
    if (rag_http_global_init(&err) ||
        rag_client_open(g.socket, g.url, g.token_file, &client, &err))
        rc = rag_complain_error(&err);
    else
        rc = command->run(&client, argc - g.next, argv + g.next);
    rag_client_close(&client);
    return rc;
}
