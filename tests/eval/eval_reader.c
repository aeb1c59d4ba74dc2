/*
 * eval_reader.c - a reader over lines of questions and passages.
 *
 *   eval_reader [--encoder FILE] [--kernel NAME] [--threads N] [--batch N]
 *               [--repeat N] READER.gguf < PAIRS.jsonl > READINGS.jsonl
 *
 * Reads lines {"question","passage"}, writes for each, in order, a line
 * {"answerable","probability","none","spans":[[start,end,score],...]}, with
 * "truncated" where something was not read; start and end count bytes of the
 * passage. Neighbouring lines with the same question are read as one batch
 * of at most N (32). --repeat reads each batch N times and adds the "ms" of
 * the quickest. Says at the end how long the reading took.
 */
#include "embed/embed.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 256
#define LINE_MAX_BYTES ((size_t)16 << 20)

static void die(const rag_error *err, const char *what) {
    fprintf(stderr, "eval_reader: %s: %s\n", what, err->message);
    exit(rag_code_exit_status(err->code));
}

typedef struct batch {
    json_t *line[BATCH_MAX]; /* own the texts */
    const char *question;
    rag_text passage[BATCH_MAX];
    size_t n;
    size_t pairs;
    double ms;
} batch;

static long repeat; /* 0: once, and no "ms" */

static void print(const rag_reading *r, double ms) {
    printf("{\"answerable\":%.6g,\"probability\":%.6g,\"none\":%.6g,"
           "\"spans\":[",
           (double)r->answerable, (double)r->probability, (double)r->none);
    for (size_t i = 0; i < r->n; i++) {
        printf("%s[%zu,%zu,%.6g]", i ? "," : "", r->span[i].start,
               r->span[i].end, (double)r->span[i].score);
    }
    printf("]%s", r->truncated ? ",\"truncated\":true" : "");
    if (repeat > 0) {
        printf(",\"ms\":%.3f", ms);
    }
    puts("}");
}

static void flush(rag_reader *r, batch *b) {
    static rag_reading out[BATCH_MAX];
    rag_text question;
    double best = INFINITY;
    rag_error err;
    if (b->n == 0) {
        return;
    }
    question = (rag_text){b->question, strlen(b->question)};
    for (long i = 0; i < (repeat > 0 ? repeat : 1); i++) {
        double before = rag_clock_ms();
        if (rag_reader_read(r, &question, b->passage, b->n, out, &err) != 0) {
            die(&err, "reading");
        }
        best = fmin(best, rag_clock_ms() - before);
    }
    b->ms += best;
    for (size_t i = 0; i < b->n; i++) {
        print(&out[i], best);
        json_decref(b->line[i]);
    }
    b->pairs += b->n;
    b->n = 0;
}

static void take(rag_reader *r, batch *b, const char *s, size_t n, size_t max) {
    const char *question, *passage;
    json_t *line;
    rag_error err;
    if (rag_json_parse(s, n, LINE_MAX_BYTES, &line, &err) != 0 ||
        rag_json_str(line, "question", "", &question, &err) != 0 ||
        rag_json_str(line, "passage", "", &passage, &err) != 0) {
        die(&err, "line");
    }
    if (b->n > 0 && (b->n == max || strcmp(question, b->question) != 0)) {
        flush(r, b);
    }
    b->question = b->n == 0 ? question : b->question;
    b->passage[b->n] = (rag_text){passage, strlen(passage)};
    b->line[b->n++] = line;
}

int main(int argc, char **argv) {
    const char *encoder = NULL, *reader = NULL;
    rag_encoder_options opt = {0};
    rag_reader_info info;
    rag_reader *r;
    long max = 32, threads = 0;
    char *found = NULL, *line = NULL;
    size_t cap = 0;
    ssize_t len;
    static batch b;
    rag_error err;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--encoder") == 0) {
            encoder = argv[++i];
        } else if (more && strcmp(argv[i], "--kernel") == 0) {
            opt.kernel = argv[++i];
        } else if (more && strcmp(argv[i], "--threads") == 0) {
            if (rag_str_to_long(argv[++i], 0, 256, &threads, &err) != 0) {
                die(&err, "--threads");
            }
        } else if (more && strcmp(argv[i], "--repeat") == 0) {
            if (rag_str_to_long(argv[++i], 1, 100, &repeat, &err) != 0) {
                die(&err, "--repeat");
            }
        } else if (more && strcmp(argv[i], "--batch") == 0) {
            if (rag_str_to_long(argv[++i], 1, BATCH_MAX, &max, &err) != 0) {
                die(&err, "--batch");
            }
        } else if (argv[i][0] != '-' && !reader) {
            reader = argv[i];
        } else {
            reader = NULL;
            break;
        }
    }
    if (!reader) {
        fputs("usage: eval_reader [--encoder FILE] [--kernel NAME] "
              "[--threads N] [--batch N] [--repeat N] READER.gguf < "
              "PAIRS.jsonl\n",
              stderr);
        return 64;
    }
    opt.threads = (int)threads;
    if (!encoder) {
        char *cache;
        if (rag_path_place(RAG_PLACE_CACHE, &cache, &err) != 0 ||
            rag_path_join(cache, RAG_ENCODER_FILE, &found, &err) != 0) {
            die(&err, "encoder");
        }
        free(cache);
        encoder = found;
    }
    if (rag_reader_open(encoder, reader, &opt, &r, &err) != 0) {
        die(&err, "reader");
    }
    rag_reader_describe(r, &info);
    while ((len = getline(&line, &cap, stdin)) > 0) {
        take(r, &b, line, (size_t)len, (size_t)max);
    }
    flush(r, &b);
    fprintf(stderr, "%s (%s, %d threads): %zu pairs, %.1f ms a pair\n",
            info.name, info.kernel, info.threads, b.pairs,
            b.pairs ? b.ms / (double)b.pairs : 0.0);
    rag_reader_close(r);
    free(found);
    free(line);
    return 0;
}
