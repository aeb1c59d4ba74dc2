/*
 * fts.c - the FTS5 side: our tokenizer, document frequencies, and one pass
 * over the rows that match.
 *
 * Tokens are terms (base/terms.h); a stem or a one-syllable word gets "=" put
 * before it, so that the word 은행 and the bigram 은행 are counted apart. Query
 * text never reaches FTS5's syntax: the MATCH expression is made here, of
 * quoted tokens joined by OR, and the tokenizer takes a quoted token as it is.
 *
 * FTS5 only finds: an auxiliary function hands the occurrences of every term
 * in a row to search.c, which scores (BM25 over columns, our weights). State
 * belongs to the connection, so to one thread.
 */
#include "index/posting.h"
#include "index/store_int.h"

#include <stdlib.h>
#include <string.h>

size_t rag_fts_token(rag_term_kind kind, const char *text, size_t len,
                     char out[RAG_TOKEN_MAX]) {
    size_t n = 0;

    if (kind == RAG_TERM_STEM || kind == RAG_TERM_UNIGRAM)
        out[n++] = '=';
    if (len > RAG_TERM_MAX)
        len = RAG_TERM_MAX;
    memcpy(out + n, text, len);
    out[n + len] = '\0';
    return n + len;
}

/* ---- tokenizer ---------------------------------------------------------------- */

typedef struct token_sink {
    void *context;
    int (*token)(void *, int, const char *, int, int, int);
    int rc; /* of SQLite */
    unsigned last;
    bool any;
} token_sink;

static int give_token(void *user, const rag_term *t) {
    token_sink *k = user;
    char token[RAG_TOKEN_MAX];
    size_t n = rag_fts_token(t->kind, t->text, t->len, token);
    int flags = k->any && t->position == k->last ? FTS5_TOKEN_COLOCATED : 0;

    k->any = true;
    k->last = t->position;
    k->rc =
        k->token(k->context, flags, token, (int)n, (int)t->start, (int)t->end);
    return k->rc == SQLITE_OK ? 0 : 1;
}

static int tokenizer_create(void *context, const char **argv, int argc,
                            Fts5Tokenizer **out) {
    (void)context;
    (void)argv;
    (void)argc;
    /* No state: any address that is not NULL will do. */
    *out = sqlite3_malloc(1);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static void tokenizer_delete(Fts5Tokenizer *t) {
    sqlite3_free(t);
}

static int tokenizer_run(Fts5Tokenizer *t, void *context, int flags,
                         const char *text, int n,
                         int (*token)(void *, int, const char *, int, int,
                                      int)) {
    token_sink k = {.context = context, .token = token};

    (void)t;
    if (text == NULL || n <= 0)
        return SQLITE_OK;
    if (flags & FTS5_TOKENIZE_QUERY)
        return token(context, 0, text, n, 0, n);
    if (rag_terms_each(text, (size_t)n, give_token, &k, NULL) != 0)
        return k.rc != SQLITE_OK ? k.rc : SQLITE_NOMEM;
    return SQLITE_OK;
}

/* ---- matches -------------------------------------------------------------------- */

typedef struct match {
    rag_match_fn fn;
    void *user;
    uint16_t *tf; /* terms * RAG_COLS */
    size_t terms;
} match;

static void give_match(const Fts5ExtensionApi *api, Fts5Context *fts,
                       sqlite3_context *context, int argc,
                       sqlite3_value **argv) {
    match *m = argc > 0 ? sqlite3_value_pointer(argv[0], "rag_match") : NULL;

    if (m == NULL || (size_t)api->xPhraseCount(fts) != m->terms) {
        sqlite3_result_error(context, "rag_match: not called by us", -1);
        return;
    }
    memset(m->tf, 0, m->terms * RAG_COLS * sizeof(*m->tf));
    for (size_t i = 0; i < m->terms; i++) {
        Fts5PhraseIter it;
        int col, off, rc;

        rc = api->xPhraseFirst(fts, (int)i, &it, &col, &off);
        if (rc != SQLITE_OK) {
            sqlite3_result_error_code(context, rc);
            return;
        }
        for (; col >= 0; api->xPhraseNext(fts, &it, &col, &off)) {
            uint16_t *tf = &m->tf[i * RAG_COLS + (unsigned)col];

            if (col < RAG_COLS && *tf < UINT16_MAX)
                ++*tf;
        }
    }
    m->fn(m->user, api->xRowid(fts), m->tf);
    sqlite3_result_null(context);
}

/* The MATCH expression: each token in quotes, with quotes in it doubled. */
static int match_expression(const rag_query_term *terms, size_t n, rag_buf *out,
                            size_t *used, rag_error *err) {
    int rc = 0;

    *used = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (terms[i].weight <= 0)
            continue;
        rc = rag_buf_append_str(out, *used > 0 ? " OR \"" : "\"", err);
        for (size_t j = 0; j < terms[i].len && rc == 0; j++) {
            char c = terms[i].token[j];

            if (c == '"')
                rc = rag_buf_append_char(out, c, err);
            if (rc == 0)
                rc = rag_buf_append_char(out, c, err);
        }
        if (rc == 0)
            rc = rag_buf_append_char(out, '"', err);
        ++*used;
    }
    return rc;
}

/* Only terms with weight > 0 are in the expression; the caller sees all. */
typedef struct spread {
    const rag_query_term *terms;
    size_t n;
    rag_match_fn fn;
    void *user;
    uint16_t *tf;
} spread;

static void give_all(void *user, int64_t chunk, const uint16_t *tf) {
    spread *s = user;
    size_t used = 0;

    memset(s->tf, 0, s->n * RAG_COLS * sizeof(*s->tf));
    for (size_t i = 0; i < s->n; i++)
        if (s->terms[i].weight > 0)
            memcpy(s->tf + i * RAG_COLS, tf + used++ * RAG_COLS,
                   RAG_COLS * sizeof(*tf));
    s->fn(s->user, chunk, s->tf);
}

int rag_fts_match(rag_store *s, const rag_query_term *terms, size_t n,
                  int64_t after, rag_match_fn fn, void *user, rag_error *err) {
    spread all = {terms, n, fn, user, NULL};
    match m = {give_all, &all, NULL, 0};
    rag_buf expression;
    sqlite3_stmt *st;
    bool row = true;
    int rc;

    rag_buf_init(&expression, 1 << 20);
    rc = match_expression(terms, n, &expression, &m.terms, err);
    if (rc != 0 || m.terms == 0)
        goto out;
    all.tf = calloc(n * RAG_COLS, sizeof(*all.tf));
    m.tf = calloc(m.terms * RAG_COLS, sizeof(*m.tf));
    if (all.tf == NULL || m.tf == NULL) {
        rc = rag_error_set(err, RAG_E_NOMEM, "out of memory");
        goto out;
    }
    rc = rag_store_prepare(
        s,
        "SELECT rag_match(fts, ?2) FROM fts WHERE fts MATCH ?1"
        " AND rowid > ?3",
        &st, err);
    if (rc != 0)
        goto out;
    sqlite3_bind_text64(st, 1, rag_buf_str(&expression), expression.len,
                        SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_pointer(st, 2, &m, "rag_match", NULL);
    sqlite3_bind_int64(st, 3, after);
    while (rc == 0 && row)
        rc = rag_store_row(s, st, "searching terms", &row, err);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
out:
    free(m.tf);
    free(all.tf);
    rag_buf_free(&expression);
    return rc;
}

void rag_fts_lexicon(rag_store *s, const rag_postings *p) {
    s->lexicon = p;
}

static rag_query_term *nth(rag_query_term *terms, const size_t *which,
                           size_t i) {
    return &terms[which ? which[i] : i];
}

/* The tokens whose frequency is asked for, as a JSON array. */
static int token_array(rag_query_term *terms, const size_t *which, size_t n,
                       rag_buf *out, rag_error *err) {
    int rc = rag_buf_append_char(out, '[', err);

    for (size_t i = 0; i < n && rc == 0; i++) {
        const rag_query_term *t = nth(terms, which, i);

        rc = rag_buf_append_str(out, i > 0 ? ",\"" : "\"", err);
        for (size_t j = 0; j < t->len && rc == 0; j++) {
            if (t->token[j] == '"' || t->token[j] == '\\')
                rc = rag_buf_append_char(out, '\\', err);
            if (rc == 0)
                rc = rag_buf_append_char(out, t->token[j], err);
        }
        if (rc == 0)
            rc = rag_buf_append_char(out, '"', err);
    }
    return rc == 0 ? rag_buf_append_char(out, ']', err) : rc;
}

int rag_fts_dfs(rag_store *s, rag_query_term *terms, const size_t *which,
                size_t n, rag_error *err) {
    sqlite3_stmt *st;
    rag_buf tokens;
    bool row = true;
    int rc = 0;

    for (size_t i = 0; i < n && s->lexicon && rc == 0; i++) {
        rag_query_term *t = nth(terms, which, i);

        rc = rag_postings_df(s->lexicon, t->token, t->len, NULL, &t->df, err);
    }
    if (n == 0 || s->lexicon)
        return rc;
    for (size_t i = 0; i < n; i++)
        nth(terms, which, i)->df = 0;
    rag_buf_init(&tokens, 1 << 20);
    rc = token_array(terms, which, n, &tokens, err);
    /* One statement: fts5vocab prepares one of its own each time it is
     * opened, which costs more than looking a term up. */
    if (rc == 0)
        rc = rag_store_prepare(s,
                               "SELECT j.key, v.doc FROM json_each(?1) j"
                               " CROSS JOIN temp.vocab v ON v.term = j.value",
                               &st, err);
    if (rc != 0)
        goto out;
    sqlite3_bind_text64(st, 1, rag_buf_str(&tokens), tokens.len, SQLITE_STATIC,
                        SQLITE_UTF8);
    while (rc == 0) {
        size_t i;

        rc = rag_store_row(s, st, "counting terms", &row, err);
        if (rc != 0 || !row)
            break;
        i = (size_t)sqlite3_column_int64(st, 0);
        if (i < n)
            nth(terms, which, i)->df = (size_t)sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
out:
    rag_buf_free(&tokens);
    return rc;
}

int rag_fts_range(rag_store *s, const char *from, size_t from_len,
                  const char *to, size_t to_len, rag_token_fn fn, void *user,
                  rag_error *err) {
    char after[RAG_TOKEN_MAX];
    sqlite3_stmt *st;
    bool row = true;
    int rc;

    if (to_len == 0 || to_len >= sizeof(after))
        return 0;
    if (s->lexicon)
        return rag_postings_range(s->lexicon, from, from_len, to, to_len, fn,
                                  user, err);
    memcpy(after, to, to_len);
    /* The next string that does not begin so; tokens are UTF-8, so that the
     * last byte is never 0xff. */
    after[to_len - 1] = (char)((unsigned char)after[to_len - 1] + 1);
    rc = rag_store_prepare(s,
                           "SELECT term, doc FROM temp.vocab"
                           " WHERE term >= ?1 AND term < ?2",
                           &st, err);
    if (rc != 0)
        return rc;
    sqlite3_bind_text64(st, 1, from, from_len, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_text64(st, 2, after, to_len, SQLITE_STATIC, SQLITE_UTF8);
    while (rc == 0) {
        const void *t;

        rc = rag_store_row(s, st, "listing terms", &row, err);
        if (rc != 0 || !row)
            break;
        t = sqlite3_column_text(st, 0);
        if (t && fn(user, t, (size_t)sqlite3_column_bytes(st, 0),
                    (size_t)sqlite3_column_int64(st, 1)) != 0)
            break;
    }
    sqlite3_reset(st);
    return rc;
}

int rag_fts_prefix(rag_store *s, const char *prefix, size_t len,
                   rag_token_fn fn, void *user, rag_error *err) {
    return rag_fts_range(s, prefix, len, prefix, len, fn, user, err);
}

/* ---- everything ------------------------------------------------------------------ */

int rag_fts_instances(rag_store *s, rag_instance_fn fn, void *user,
                      rag_error *err) {
    static const char *const columns[RAG_COLS] = {"title", "heading",
                                                  "question", "body", "extra"};
    sqlite3_stmt *st = NULL;
    bool row = true;
    int rc = rag_store_prepare(s, "SELECT term, doc, col FROM temp.instances",
                               &st, err);

    while (rc == 0) {
        const char *term, *column;
        int col = 0;

        rc = rag_store_row(s, st, "listing occurrences", &row, err);
        if (rc != 0 || !row)
            break;
        term = (const char *)sqlite3_column_text(st, 0);
        column = (const char *)sqlite3_column_text(st, 2);
        while (column && col < RAG_COLS && strcmp(column, columns[col]) != 0)
            col++;
        if (term && column && col < RAG_COLS)
            rc = fn(user, term, (size_t)sqlite3_column_bytes(st, 0),
                    sqlite3_column_int64(st, 1), col);
    }
    if (st)
        sqlite3_reset(st);
    return rc;
}

/* ---- registration ----------------------------------------------------------------- */

static int find_api(sqlite3 *db, fts5_api **out) {
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &st, NULL);

    *out = NULL;
    if (rc == SQLITE_OK) {
        sqlite3_bind_pointer(st, 1, out, "fts5_api_ptr", NULL);
        sqlite3_step(st);
    }
    sqlite3_finalize(st);
    return *out ? SQLITE_OK : SQLITE_ERROR;
}

int rag_fts_register(void *handle, rag_error *err) {
    sqlite3 *db = handle;
    fts5_tokenizer tokenizer = {tokenizer_create, tokenizer_delete,
                                tokenizer_run};
    fts5_api *api;

    if (find_api(db, &api) != SQLITE_OK || api->iVersion < 2)
        return rag_error_set(err, RAG_E_UNSUPPORTED,
                             "this SQLite (%s) has no FTS5: install Debian's "
                             "libsqlite3-0",
                             sqlite3_libversion());
    if (api->xCreateTokenizer(api, "rag", NULL, &tokenizer, NULL) !=
            SQLITE_OK ||
        api->xCreateFunction(api, "rag_match", NULL, give_match, NULL) !=
            SQLITE_OK)
        return rag_error_set(err, RAG_E_NOMEM,
                             "the full-text functions could not be set up");
    return 0;
}
