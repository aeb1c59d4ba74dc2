/*
 * config.c - the table of configuration keys and the file reader (inih).
 *
 * Owns: what keys there are, their types, limits and defaults. Called by
 * main.c at start and on SIGHUP, from the main thread. The table below is the
 * only list of keys: reading, flags, comparing and the documents' test all
 * walk it.
 */
#include "daemon/cache.h"
#include "daemon/config.h"

#include "base/buf.h"
#include "base/file.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum key_type {
    KEY_STR,
    KEY_PATH,
    KEY_INT,
    KEY_MODE,
    KEY_NUM,
    KEY_BOOL
} key_type;

typedef struct key {
    const char *name; /* section.key */
    key_type type;
    size_t offset;
    const char *def; /* NULL: found out by rag_config_finish */
    double min, max; /* numbers; strings: max is the length, 0 any */
    bool reloadable;
} key;

#define AT(field) offsetof(rag_config, field)
#define LIVE true
#define FIXED false

static const key KEYS[] = {
    {"server.socket", KEY_PATH, AT(socket), NULL, 0, 0, FIXED},
    {"server.socket_mode", KEY_MODE, AT(socket_mode), "0660", 0, 0777, FIXED},
    {"server.listen", KEY_STR, AT(listen), "", 0, 260, FIXED},
    {"server.token_file", KEY_PATH, AT(token_file), "", 0, 0, FIXED},
    {"server.workers", KEY_INT, AT(workers), "16", 1, 256, FIXED},
    {"server.queue", KEY_INT, AT(queue), "256", 0, 65536, FIXED},
    {"server.connections", KEY_INT, AT(connections), "512", 1, 65536, FIXED},
    {"server.body_bytes", KEY_INT, AT(body_bytes), "1048576", 1024, 1 << 28,
     LIVE},
    {"server.receive_ms", KEY_INT, AT(receive_ms), "10000", 100, 600000, LIVE},
    {"server.answer_ms", KEY_INT, AT(answer_ms), "60000", 100, 3600000, LIVE},
    {"server.stop_ms", KEY_INT, AT(stop_ms), "20000", 0, 600000, LIVE},

    {"data.dir", KEY_PATH, AT(data), NULL, 0, 0, FIXED},
    {"data.refresh_ms", KEY_INT, AT(refresh_ms), "500", 20, 60000, FIXED},

    {"index.kind", KEY_STR, AT(index_kind), "auto", 0, 8, FIXED},
    {"index.memory_mb", KEY_INT, AT(index_memory), "0", 0, 1 << 20, FIXED},
    {"index.lexicon", KEY_PATH, AT(lexicon), "", 0, 0, FIXED},

    {"encoder.model", KEY_PATH, AT(encoder), NULL, 0, 0, FIXED},
    {"encoder.adapter", KEY_PATH, AT(encoder_adapter), NULL, 0, 0, FIXED},
    {"encoder.url", KEY_STR, AT(encoder_url), "", 0, 0, FIXED},
    {"encoder.unix_socket", KEY_PATH, AT(encoder_unix), "", 0, 0, FIXED},
    {"encoder.key_file", KEY_PATH, AT(encoder_key_file), "", 0, 0, FIXED},
    {"encoder.name", KEY_STR, AT(encoder_name), "", 0, 0, FIXED},
    {"encoder.query_prefix", KEY_STR, AT(query_prefix), "", 0, 0, FIXED},
    {"encoder.passage_prefix", KEY_STR, AT(passage_prefix), "", 0, 0, FIXED},
    {"encoder.dim", KEY_INT, AT(encoder_dim), "0", 0, 65536, FIXED},
    {"encoder.threads", KEY_INT, AT(encoder_threads), "0", 0, 1024, FIXED},

    {"reader.model", KEY_PATH, AT(reader), NULL, 0, 0, FIXED},
    {"reader.passages", KEY_INT, AT(read_passages), "16", 1, 16, LIVE},

    {"generator.enabled", KEY_BOOL, AT(generator_on), "yes", 0, 0, FIXED},
    {"generator.program", KEY_PATH, AT(server_program), NULL, 0, 0, FIXED},
    {"generator.model", KEY_PATH, AT(generator), NULL, 0, 0, FIXED},
    {"generator.adapter", KEY_PATH, AT(adapter), NULL, 0, 0, FIXED},
    {"generator.card", KEY_PATH, AT(card), NULL, 0, 0, FIXED},
    {"generator.url", KEY_STR, AT(generator_url), "", 0, 0, FIXED},
    {"generator.unix_socket", KEY_PATH, AT(generator_unix), "", 0, 0, FIXED},
    {"generator.key_file", KEY_PATH, AT(generator_key_file), "", 0, 0, FIXED},
    {"generator.name", KEY_STR, AT(generator_name), "", 0, 0, FIXED},
    {"generator.threads", KEY_INT, AT(generator_threads), "0", 0, 1024, FIXED},
    {"generator.context", KEY_INT, AT(context), "2048", 256, 1 << 20, FIXED},
    {"generator.parallel", KEY_INT, AT(parallel), "1", 1, 64, FIXED},
    {"generator.waiting", KEY_INT, AT(waiting), "8", 0, 4096, LIVE},
    {"generator.start_ms", KEY_INT, AT(start_ms), "60000", 1000, 3600000,
     FIXED},
    {"generator.token_ms", KEY_INT, AT(token_ms), "15000", 100, 600000, FIXED},
    {"generator.generation_ms", KEY_INT, AT(generation_ms), "45000", 100,
     3600000, FIXED},
    {"generator.max_tokens", KEY_INT, AT(max_tokens), "160", 1, 4096, LIVE},

    {"answer.contact", KEY_STR, AT(contact), "", 0, 0, LIVE},
    {"answer.language", KEY_STR, AT(language), "ko", 0, 8, LIVE},
    {"answer.passages", KEY_INT, AT(passages), "10", 1, 64, LIVE},
    {"answer.evidence_items", KEY_INT, AT(evidence_items), "3", 1, 8, LIVE},
    {"answer.evidence_tokens", KEY_INT, AT(evidence_tokens), "300", 32, 8192,
     LIVE},
    {"answer.faq", KEY_BOOL, AT(faq), "yes", 0, 0, LIVE},
    {"answer.faq_cosine", KEY_NUM, AT(faq_cosine), "0.85", 0, 1, LIVE},
    {"answer.faq_certainty", KEY_NUM, AT(faq_certainty), "0.80", 0, 2, LIVE},
    {"answer.gate", KEY_NUM, AT(gate), "0.5", 0, 1, LIVE},
    {"answer.false_answers", KEY_NUM, AT(false_answers), "1", 0, 1, LIVE},
    {"answer.cache_entries", KEY_INT, AT(cache_entries), "1000", 0,
     RAG_CACHE_ENTRIES_MAX, LIVE},
    {"answer.cache_bytes", KEY_INT, AT(cache_bytes), "8388608", 0,
     RAG_CACHE_BYTES_MAX, LIVE},
    {"answer.gate_file", KEY_PATH, AT(gate_file), "", 0, 0, FIXED},

    {"desk.enabled", KEY_BOOL, AT(desk_on), "yes", 0, 0, FIXED},
    {"desk.record", KEY_BOOL, AT(desk_record), "yes", 0, 0, FIXED},
    {"desk.two_persons", KEY_BOOL, AT(desk_two_persons), "no", 0, 0, FIXED},
    {"desk.tcp", KEY_BOOL, AT(desk_tcp), "no", 0, 0, LIVE},

    {"privacy.mask", KEY_STR, AT(mask), "default", 0, 160, FIXED},
    {"privacy.keep", KEY_STR, AT(mask_keep), "none", 0, 160, FIXED},
    {"privacy.remote", KEY_BOOL, AT(mask_remote), "yes", 0, 0, LIVE},

    {"log.level", KEY_STR, AT(log_level), "info", 0, 8, LIVE},
    {"log.format", KEY_STR, AT(log_format), "text", 0, 8, LIVE},
    {"log.questions", KEY_BOOL, AT(log_questions), "no", 0, 0, LIVE},
};

#define NKEYS (sizeof KEYS / sizeof KEYS[0])

static char **str_at(const rag_config *c, const key *k) {
    return (char **)((uintptr_t)c + k->offset);
}

static long *long_at(const rag_config *c, const key *k) {
    return (long *)((uintptr_t)c + k->offset);
}

static double *num_at(const rag_config *c, const key *k) {
    return (double *)((uintptr_t)c + k->offset);
}

static bool *bool_at(const rag_config *c, const key *k) {
    return (bool *)((uintptr_t)c + k->offset);
}

static const key *key_find(const char *name) {
    for (size_t i = 0; i < NKEYS; i++)
        if (strcmp(KEYS[i].name, name) == 0)
            return &KEYS[i];
    return NULL;
}

/* ---- values ---------------------------------------------------------------- */

static int parse_bool(const char *v, bool *out, rag_error *err) {
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(v, yes[i]) == 0) {
            *out = true;
            return 0;
        }
        if (strcmp(v, no[i]) == 0) {
            *out = false;
            return 0;
        }
    }
    return rag_error_set(err, RAG_E_DATA, "'%s' is neither yes nor no", v);
}

static int parse_mode(const char *v, long *out, rag_error *err) {
    char *end = NULL;
    errno = 0;
    long m = strtol(v, &end, 8);
    if (errno || end == v || *end || m < 0 || m > 0777)
        return rag_error_set(err, RAG_E_DATA,
                             "'%s' is no octal mode such as 0660", v);
    *out = m;
    return 0;
}

static int set_path(char **field, const char *v, const char *folder,
                    rag_error *err) {
    char *p = NULL;
    int rc;
    if (!*v) {
        rc = rag_str_dup("", &p, err);
    } else if (rag_str_starts(v, "~/")) {
        const char *home = getenv("HOME");
        if (!home || !*home)
            return rag_error_set(err, RAG_E_DATA,
                                 "'%s': HOME is not set, write the whole path",
                                 v);
        rc = rag_path_join(home, v + 2, &p, err);
    } else if (folder || *v == '/') {
        rc = rag_path_join(folder ? folder : "/", v, &p, err);
    } else {
        char cwd[PATH_MAX];
        if (!getcwd(cwd, sizeof cwd))
            return rag_error_errno(err, RAG_E_IO, errno, "current folder");
        rc = rag_path_join(cwd, v, &p, err);
    }
    if (rc)
        return rc;
    free(*field);
    *field = p;
    return 0;
}

static int set_str(const key *k, char **field, const char *v, rag_error *err) {
    if (k->max > 0 && (double)strlen(v) > k->max)
        return rag_error_set(err, RAG_E_DATA, "longer than %.0f bytes", k->max);
    char *s = NULL;
    if (rag_str_dup(v, &s, err))
        return err ? (int)err->code : RAG_E_NOMEM;
    free(*field);
    *field = s;
    return 0;
}

static int key_set(rag_config *c, const key *k, const char *v,
                   const char *folder, rag_error *err) {
    switch (k->type) {
    case KEY_STR:
        return set_str(k, str_at(c, k), v, err);
    case KEY_PATH:
        return set_path(str_at(c, k), v, folder, err);
    case KEY_INT:
        return rag_str_to_long(v, (long)k->min, (long)k->max, long_at(c, k),
                               err);
    case KEY_MODE:
        return parse_mode(v, long_at(c, k), err);
    case KEY_NUM:
        return rag_str_to_double(v, k->min, k->max, num_at(c, k), err);
    case KEY_BOOL:
        return parse_bool(v, bool_at(c, k), err);
    }
    return rag_error_set(err, RAG_E_INTERNAL, "key of no type");
}

int rag_config_set(rag_config *c, const char *name, const char *value,
                   const char *folder, rag_error *err) {
    const key *k = key_find(name);
    if (!k)
        return rag_error_set(err, RAG_E_DATA, "there is no setting '%s'", name);
    int rc = key_set(c, k, value, folder, err);
    if (rc)
        rag_error_prefix(err, "%s", name);
    return rc;
}

/* ---- life ------------------------------------------------------------------- */

int rag_config_new(rag_config **out, rag_error *err) {
    *out = NULL;
    rag_config *c = calloc(1, sizeof *c);
    if (!c)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for settings");
    c->refs = 1;
    for (size_t i = 0; i < NKEYS; i++) {
        if (!KEYS[i].def)
            continue;
        int rc = key_set(c, &KEYS[i], KEYS[i].def, NULL, err);
        if (rc) {
            rag_config_unref(c);
            return rc;
        }
    }
    *out = c;
    return 0;
}

rag_config *rag_config_ref(rag_config *c) {
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void rag_config_unref(rag_config *c) {
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < NKEYS; i++)
        if (KEYS[i].type == KEY_STR || KEYS[i].type == KEY_PATH)
            free(*str_at(c, &KEYS[i]));
    free(c->path);
    free(c);
}

/* ---- the file ---------------------------------------------------------------- */

typedef struct reading {
    rag_config *config;
    const char *path, *folder;
    const char *text; /* what is left */
    size_t left;
    long line;
    bool section_only_known;
    bool failed; /* err holds the first failure */
    unsigned char seen[NKEYS];
    rag_error *err;
} reading;

static int reading_fail(reading *r) {
    r->failed = true;
    rag_error_prefix(r->err, "%s:%ld", r->path, r->line);
    return 0;
}

/* A line for inih, which has no line numbers of its own and would cut a long
 * line in two without a word. */
static char *read_line(char *buf, int cap, void *user) {
    reading *r = user;
    if (r->failed || !r->left)
        return NULL;
    const char *nl = memchr(r->text, '\n', r->left);
    size_t n = nl ? (size_t)(nl - r->text) + 1 : r->left;
    size_t limit = RAG_CONFIG_LINE_MAX;
    if ((size_t)cap <= limit + 1)
        limit = (size_t)cap - 2;
    r->line++;
    if (n > limit) {
        rag_error_set(r->err, RAG_E_LIMIT, "line longer than %zu bytes", limit);
        reading_fail(r);
        return NULL;
    }
    memcpy(buf, r->text, n);
    buf[n] = '\0';
    r->text += n;
    r->left -= n;
    return buf;
}

static int on_pair(void *user, const char *section, const char *name,
                   const char *value) {
    reading *r = user;
    if (r->failed)
        return 0;
    char full[RAG_CONFIG_LINE_MAX * 2 + 2];
    rag_buf b;
    rag_buf_init(&b, sizeof full);
    int rc = rag_buf_printf(&b, r->err, "%s.%s", section, name);
    if (!rc) {
        const key *k = key_find(rag_buf_str(&b));
        if (!k)
            rc = rag_error_set(r->err, RAG_E_DATA,
                               "there is no setting '%s' in section [%s]", name,
                               section);
        else if (r->seen[k - KEYS])
            rc = rag_error_set(r->err, RAG_E_DATA, "'%s' is set twice", name);
        else
            r->seen[k - KEYS] = 1;
    }
    if (!rc)
        rc = rag_config_set(r->config, rag_buf_str(&b), value, r->folder,
                            r->err);
    rag_buf_free(&b);
    return rc ? reading_fail(r) : 1;
}

static int folder_of(const char *path, char **out, rag_error *err) {
    char *full = NULL;
    *out = NULL;
    int rc = set_path(&full, path, NULL, err);
    if (rc)
        return rc;
    char *slash = strrchr(full, '/');
    if (slash == full)
        slash++;
    if (slash)
        *slash = '\0';
    *out = full;
    return 0;
}

int rag_config_read(rag_config *c, const char *path, rag_error *err) {
    rag_error local = {0};
    if (!err)
        err = &local;
    rag_buf text;
    char *folder = NULL, *copy = NULL;
    rag_buf_init(&text, RAG_CONFIG_FILE_MAX + 1);
    int rc = rag_file_read(path, RAG_CONFIG_FILE_MAX, &text, err);
    if (rc)
        goto out;
    if (text.len && memchr(text.data, '\0', text.len)) {
        rc = rag_error_set(err, RAG_E_DATA, "%s: not a text file", path);
        goto out;
    }
    if ((rc = folder_of(path, &folder, err)) ||
        (rc = rag_str_dup(path, &copy, err)))
        goto out;
    reading r = {.config = c,
                 .path = path,
                 .folder = folder,
                 .text = text.data,
                 .left = text.len,
                 .err = err};
    rag_error_clear(err);
    int line = ini_parse_stream(read_line, &r, on_pair, &r);
    if (r.failed) {
        rc = (int)err->code;
        goto out;
    }
    if (line) {
        rc = rag_error_set(err, line < 0 ? RAG_E_NOMEM : RAG_E_DATA,
                           "%s:%d: neither '[section]' nor 'key = value'", path,
                           line);
        goto out;
    }
    free(c->path);
    c->path = copy;
    copy = NULL;
out:
    free(copy);
    free(folder);
    rag_buf_free(&text);
    return rc;
}

/* ---- comparing ---------------------------------------------------------------- */

static bool key_same(const rag_config *a, const rag_config *b, const key *k) {
    switch (k->type) {
    case KEY_STR:
    case KEY_PATH: {
        const char *x = *str_at(a, k), *y = *str_at(b, k);
        return strcmp(x ? x : "", y ? y : "") == 0;
    }
    case KEY_INT:
    case KEY_MODE:
        return *long_at(a, k) == *long_at(b, k);
    case KEY_NUM:
        return !(*num_at(a, k) < *num_at(b, k)) &&
               !(*num_at(a, k) > *num_at(b, k));
    case KEY_BOOL:
        return *bool_at(a, k) == *bool_at(b, k);
    }
    return true;
}

void rag_config_diff(const rag_config *a, const rag_config *b,
                     rag_config_diff_fn fn, void *user) {
    for (size_t i = 0; i < NKEYS; i++)
        if (!key_same(a, b, &KEYS[i]))
            fn(user, KEYS[i].name, KEYS[i].reloadable);
}

void rag_config_keys(rag_config_key_fn fn, void *user) {
    for (size_t i = 0; i < NKEYS; i++)
        fn(user, KEYS[i].name);
}
