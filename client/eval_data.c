/* eval_data.c - reads the questions and finds the documents of a set. */
#include "client/eval.h"

#include "base/file.h"
#include "base/json.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void query_free(rag_eval_query *q) {
    free(q->id);
    free(q->question);
    for (size_t i = 0; i < q->nrelevant; i++)
        free(q->relevant[i]);
    for (size_t i = 0; i < q->nanswers; i++)
        free(q->answers[i]);
    free(q->relevant);
    free(q->answers);
    memset(q, 0, sizeof *q);
}

void rag_eval_set_free(rag_eval_set *s) {
    for (size_t i = 0; i < s->n; i++)
        query_free(&s->queries[i]);
    for (size_t i = 0; i < s->nsources; i++)
        free(s->sources[i]);
    free(s->queries);
    free(s->sources);
    free(s->dir);
    free(s->name);
    memset(s, 0, sizeof *s);
}

void rag_eval_outcome_free(rag_eval_outcome *o) {
    free(o->answer);
    json_decref(o->features);
    o->answer = NULL;
    o->features = NULL;
}

/* An array of strings under key; a missing key is an empty array. */
static int strings(const json_t *obj, const char *key, char ***out, size_t *n,
                   rag_error *err) {
    const json_t *a = json_object_get(obj, key), *item;
    size_t i;

    if (!a || json_is_null(a) || (json_is_array(a) && !json_array_size(a)))
        return 0;
    if (!json_is_array(a))
        return rag_error_set(err, RAG_E_DATA, "\"%s\" is no array", key);
    *out = calloc(json_array_size(a), sizeof **out);
    if (!*out)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    json_array_foreach(a, i, item) {
        if (!json_is_string(item))
            return rag_error_set(err, RAG_E_DATA,
                                 "\"%s\" holds something that is no string",
                                 key);
        if (rag_str_dup(json_string_value(item), &(*out)[i], err))
            return RAG_E_NOMEM;
        *n = i + 1;
    }
    return 0;
}

static int query_parse(const char *line, size_t len, rag_eval_query *q,
                       rag_error *err) {
    json_t *obj = NULL;
    const char *id, *question;
    int rc;

    if ((rc = rag_json_parse(line, len, RAG_EVAL_LINE_MAX, &obj, err)))
        return rc;
    if ((rc = rag_json_str(obj, "id", NULL, &id, err)) ||
        (rc = rag_json_str(obj, "question", NULL, &question, err)))
        goto out;
    if (!id || !question) {
        rc = rag_error_set(err, RAG_E_DATA, "needs \"id\" and \"question\"");
        goto out;
    }
    if ((rc = strings(obj, "relevant", &q->relevant, &q->nrelevant, err)) ||
        (rc = strings(obj, "answers", &q->answers, &q->nanswers, err)) ||
        (rc = rag_json_bool(obj, "answerable", true, &q->answerable, err)) ||
        (rc = rag_str_dup(id, &q->id, err)) ||
        (rc = rag_str_dup(question, &q->question, err)))
        goto out;
out:
    json_decref(obj);
    return rc;
}

static int add_query(rag_eval_set *s, const char *line, size_t len,
                     rag_error *err) {
    int rc;

    if (s->n == RAG_EVAL_QUERIES_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "more than %d questions",
                             RAG_EVAL_QUERIES_MAX);
    if ((s->n & (s->n - 1)) == 0) { /* grows at powers of two */
        size_t cap = s->n ? 2 * s->n : 1;
        rag_eval_query *p = realloc(s->queries, cap * sizeof *p);
        if (!p)
            return rag_error_set(err, RAG_E_NOMEM, "out of memory");
        s->queries = p;
    }
    memset(&s->queries[s->n], 0, sizeof *s->queries);
    rc = query_parse(line, len, &s->queries[s->n], err);
    if (rc)
        query_free(&s->queries[s->n]);
    else
        s->n++;
    return rc;
}

static int read_queries(const char *path, rag_eval_set *s, rag_error *err) {
    rag_buf b;
    int rc;
    size_t at = 0, line = 1;

    rag_buf_init(&b, 0);
    rc = rag_file_read(path, RAG_BUF_MAX_DEFAULT - 1, &b, err);
    for (; !rc && at < b.len; line++) {
        const char *p = b.data + at;
        const char *nl = memchr(p, '\n', b.len - at);
        size_t n = nl ? (size_t)(nl - p) : b.len - at;

        if (strspn(p, " \t\r") < n)
            rc = add_query(s, p, n, err);
        if (rc)
            rag_error_prefix(err, "%s:%zu", path, line);
        at += n + 1;
    }
    if (!rc && !s->n)
        rc = rag_error_set(err, RAG_E_DATA, "%s: holds no question", path);
    rag_buf_free(&b);
    return rc;
}

/* Keeps an even sample, so that a set ordered by kind stays mixed. */
static void sample(rag_eval_set *s, size_t limit) {
    size_t kept = 0;

    if (!limit || s->n <= limit)
        return;
    for (size_t i = 0; i < s->n; i++) {
        if (i == 0 || (i - 1) * limit / s->n != i * limit / s->n)
            s->queries[kept++] = s->queries[i];
        else
            query_free(&s->queries[i]);
    }
    s->n = kept;
}

static int add_source(rag_eval_set *s, char *path, rag_error *err) {
    char **p = realloc(s->sources, (s->nsources + 1) * sizeof *p);

    if (!p) {
        free(path);
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    }
    s->sources = p;
    s->sources[s->nsources++] = path;
    return 0;
}

/* docs.jsonl when there is one, otherwise every folder in the set's. */
static int find_sources(const char *dir, rag_eval_set *s, rag_error *err) {
    char *path = NULL;
    struct dirent *e;
    DIR *d;
    int rc;

    if ((rc = rag_path_join(dir, "docs.jsonl", &path, err)))
        return rc;
    if (rag_file_exists(path))
        return add_source(s, path, err);
    free(path);
    d = opendir(dir);
    while (!rc && d && (e = readdir(d))) {
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        if ((rc = rag_path_join(dir, e->d_name, &path, err)))
            break;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            rc = add_source(s, path, err);
        else
            free(path);
    }
    if (d)
        closedir(d);
    if (!rc && !s->nsources)
        rc = rag_error_set(err, RAG_E_NOINPUT,
                           "%s: neither docs.jsonl nor a folder of documents",
                           dir);
    return rc;
}

int rag_eval_load(const char *dir, size_t limit, rag_eval_set *out,
                  rag_error *err) {
    static const char *const names[] = {"queries.jsonl", "questions.jsonl"};
    char *path = NULL, full[PATH_MAX];
    int rc = 0;

    memset(out, 0, sizeof *out);
    if (!realpath(dir, full))
        return rag_error_set(err, RAG_E_NOINPUT, "%s: no such folder", dir);
    for (size_t i = 0; i < 2; i++) {
        free(path);
        if ((rc = rag_path_join(full, names[i], &path, err)))
            goto out;
        if (rag_file_exists(path))
            break;
    }
    if (!rag_file_exists(path)) {
        rc =
            rag_error_set(err, RAG_E_NOINPUT,
                          "%s: no queries.jsonl or questions.jsonl in it", dir);
        goto out;
    }
    if ((rc = rag_str_dup(full, &out->dir, err)) ||
        (rc = rag_str_dup(rag_path_base(full), &out->name, err)) ||
        (rc = read_queries(path, out, err)) ||
        (rc = find_sources(full, out, err)))
        goto out;
    sample(out, limit);
out:
    free(path);
    if (rc)
        rag_eval_set_free(out);
    return rc;
}
