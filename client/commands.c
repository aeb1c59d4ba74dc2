/* commands.c - the table of commands. A new command is one line here. */
#include "client/client.h"

#include <string.h>

const rag_command rag_commands[] = {
    {"ask", "ask a question and get a cited answer", rag_usage_ask,
     rag_cmd_ask},
    {"search", "find the passages that speak of something", rag_usage_search,
     rag_cmd_search},
    {"status", "say what ragd serves and whether it is ready", rag_usage_status,
     rag_cmd_status},
    {"doctor", "look for what is wrong with the installation", rag_usage_doctor,
     rag_cmd_doctor},
    {"faq", "write, approve and retire answers of the desk", rag_usage_faq,
     rag_cmd_faq},
    {"queue", "what could not be answered", rag_usage_queue, rag_cmd_queue},
    {"feedback", "say whether an answer helped", rag_usage_feedback,
     rag_cmd_feedback},
    {"audit", "show and verify what was answered", rag_usage_audit,
     rag_cmd_audit},
    {"replay", "run a recorded answer again", rag_usage_replay, rag_cmd_replay},
    {"eval", "measure the product on labelled questions", rag_usage_eval,
     rag_cmd_eval},
    {"help", "explain a command", rag_usage_help, rag_cmd_help},
    {0},
};

const rag_command *rag_command_find(const char *name) {
    for (const rag_command *c = rag_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
