/*
 * batch.c - one JSON object a line in, one a line out, in order.
 *
 * A bad line gives {"id","error"} in its place and the rest goes on; the exit
 * status is then 65. When the daemon goes away for good nothing more can be
 * answered: each remaining line says so and the status is 69.
 */
#include "client/client.h"

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/unicode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

typedef struct batch {
    const char *const *keys; /* field of the text: any of these */
    rag_batch_fn one;
    void *user;
    size_t done;
    bool bad, lost;
    rag_progress progress;
} batch;

/* The text under the first key that is there. */
static int text_of(const batch *b, const json_t *line, const char **out,
                   rag_error *err) {
    *out = NULL;
    for (size_t i = 0; b->keys[i]; i++) {
        int rc = rag_json_str(line, b->keys[i], NULL, out, err);
        if (rc || *out)
            return rc;
    }
    return rag_error_set(err, RAG_E_DATA, "\"%s\" is missing", b->keys[0]);
}

static int parse_line(const char *s, size_t n, json_t **out, rag_error *err) {
    size_t bad;
    if (!rag_utf8_valid(s, n, &bad))
        return rag_error_set(err, RAG_E_DATA, "not UTF-8 (byte %zu)", bad);
    int rc = rag_json_parse(s, n, LINE_MAX_BYTES, out, err);
    if (rc || json_is_object(*out))
        return rc;
    return rag_error_set(err, RAG_E_DATA, "no JSON object");
}

/* The line's id stays; the answer's own goes beside it. */
static void add_result(json_t *v, json_t *out) {
    json_t *own = json_object_get(out, "id");
    if (own) {
        json_object_set(v, "answer_id", own);
        json_object_del(out, "id");
    }
    json_object_update(v, out);
}

static json_t *result_of(batch *b, const char *s, size_t n) {
    rag_error err = {0};
    json_t *line = NULL, *out = NULL, *v = json_object();
    const char *text = NULL;
    int rc = parse_line(s, n, &line, &err);
    json_t *id = json_object_get(line, "id");
    json_object_set_new(v, "id", id ? json_incref(id) : json_null());
    if (!rc)
        rc = text_of(b, line, &text, &err);
    if (rc)
        b->bad = true;
    else if ((rc = b->one(b->user, line, text, &out, &err))) {
        if (rag_code_exit_status(err.code) == RAG_EXIT_DATA)
            b->bad = true;
        else
            b->lost = true;
    }
    if (rc)
        json_object_set_new(v, "error",
                            json_pack("{ss ss}", "code",
                                      rag_code_name(err.code), "message",
                                      err.message));
    else
        add_result(v, out);
    json_decref(line);
    json_decref(out);
    return v;
}

static int one_line(batch *b, const char *s, size_t n, rag_error *err) {
    while (n && (s[n - 1] == '\n' || s[n - 1] == '\r'))
        n--;
    if (strspn(s, " \t") >= n)
        return 0; /* an empty line is none */
    json_t *v = result_of(b, s, n);
    rag_progress_hide(&b->progress);
    int rc = rag_print_json(v, err);
    json_decref(v);
    rag_progress_set(&b->progress, ++b->done, 0);
    return rc;
}

int rag_batch(const char *file, const char *const *keys, rag_batch_fn one,
              void *user) {
    batch b = {.keys = keys, .one = one, .user = user};
    rag_error err = {0};
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int rc = 0;
    bool in = strcmp(file, "-") == 0;
    FILE *f = in ? stdin : fopen(file, "re");
    if (!f)
        return rag_complain(RAG_EXIT_NOINPUT, "%s: %s", file, strerror(errno));
    /* On the terminal the results are the progress. */
    rag_progress_start(&b.progress, "asking", "lines", 0, isatty(1) != 0);
    while (!rc && (n = getline(&line, &cap, f)) >= 0)
        rc = one_line(&b, line, (size_t)n, &err);
    rag_progress_end(&b.progress);
    bool failed = ferror(f);
    free(line);
    if (!in)
        fclose(f);
    if (rc)
        return rag_complain_error(&err);
    if (failed)
        return rag_complain(RAG_EXIT_NOINPUT, "%s: cannot be read", file);
    if (b.lost)
        return rag_complain(RAG_EXIT_UNAVAILABLE,
                            "some lines could not be answered");
    return b.bad ? rag_complain(RAG_EXIT_DATA, "some lines were bad") : 0;
}

int rag_words(int argc, char **argv, int first, rag_buf *out, rag_error *err) {
    int rc = 0;
    if (first + 1 == argc && strcmp(argv[first], "-") == 0) {
        char block[4096];
        size_t n;
        while (!rc && (n = fread(block, 1, sizeof block, stdin)) > 0)
            rc = rag_buf_append(out, block, n, err);
    } else {
        for (int i = first; i < argc && !rc; i++) {
            if (i > first)
                rc = rag_buf_append_char(out, ' ', err);
            if (!rc)
                rc = rag_buf_append_str(out, argv[i], err);
        }
    }
    if (rc)
        return rc;
    if (!rag_utf8_valid(rag_buf_str(out), out->len, NULL))
        return rag_error_set(err, RAG_E_DATA, "the question is not UTF-8");
    if (strspn(rag_buf_str(out), " \t\r\n") == out->len)
        return rag_error_set(err, RAG_E_USAGE,
                             "what is the question? See rag help");
    return 0;
}
