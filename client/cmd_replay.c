/* cmd_replay.c - rag replay: an answer run again, and what changed. */
#include "client/desk.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char rag_usage_replay[] =
    "usage: rag replay ID [--json]\n"
    "\n"
    "Asks the recorded question of an answer again (its id or the code of a\n"
    "refusal) and says what is different: the words, the evidence, the\n"
    "versions of what made it. Nothing is recorded. Personal data was masked\n"
    "when it was recorded and is asked as it was masked.\n"
    "\n"
    "Exit status: 0 the same answer, 1 another one, 65 erased, 66 nothing\n"
    "recorded, 69 no daemon.\n";

static void show_side(rag_printer *p, const char *label, json_t *v) {
    char *text = v && !json_is_string(v)
                     ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY)
                     : NULL;
    rag_desk_line(p, label,
                  text                ? text
                  : json_is_string(v) ? json_string_value(v)
                                      : "-");
    free(text);
}

static void show_replay(rag_printer *p, const json_t *v) {
    json_t *list = json_object_get(v, "changes"), *c;
    size_t i;
    rag_desk_line(p, "answered", rag_field(v, "at"));
    rag_desk_line(p, "question",
                  rag_field(json_object_get(v, "then"), "question"));
    rag_desk_line(p, "answer",
                  json_is_true(json_object_get(v, "same")) ? "the same"
                                                           : "another");
    json_array_foreach(list, i, c) {
        rag_printer_end(p);
        rag_desk_line(p, "changed", rag_field(c, "what"));
        show_side(p, "then", json_object_get(c, "then"));
        show_side(p, "now", json_object_get(c, "now"));
    }
}

int rag_cmd_replay(rag_client *c, int argc, char **argv) {
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
            fputs(rag_usage_replay, stdout);
            return 0;
        }
        if (o != 'j')
            return RAG_EXIT_USAGE;
        json = true;
    }
    if (argc - optind != 1)
        return rag_complain(RAG_EXIT_USAGE, "replay takes one id");
    if (rag_desk_post(c, "/v1/replay", json_pack("{ss}", "id", argv[optind]),
                      &v, &err))
        return rag_complain_error(&err);
    int rc = rag_desk_print(json, v, show_replay);
    if (!rc && !json_is_true(json_object_get(v, "same")))
        rc = 1;
    json_decref(v);
    return rc;
}
