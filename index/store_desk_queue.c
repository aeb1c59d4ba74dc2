/*
 * store_desk_queue.c - feedback, and the queue of what was not answered.
 *
 * Questions that ask the same share a group: the same key, or enough content
 * words in common (with a vector: fewer words and a high cosine), and the same
 * numbers and codes, unless the caller's rule keeps them apart. A group that
 * was dismissed or answered is opened again by the next question, because
 * then the answer did not reach it.
 */
#include "index/store_desk_int.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/terms.h"

#include <stdlib.h>
#include <string.h>

#define OVERLAP 0.6 /* Jaccard of content words that is enough */
#define OVERLAP_COSINE 0.25 /* ... beside a cosine of at least: */
#define COSINE 0.92
#define TERMS_MAX 64
#define EXAMPLES 5

/* ---- content words ------------------------------------------------------- */

static int collect(void *user, const rag_term *t) {
    rag_buf *b = user;
    char mark =
        t->kind == RAG_TERM_NUMBER || t->kind == RAG_TERM_CODE ? '#' : '=';
    if (t->kind == RAG_TERM_PART)
        return 0;
    int rc = rag_buf_append_char(b, mark, NULL);
    if (!rc)
        rc = rag_buf_append(b, t->text, t->len, NULL);
    return rc ? rc : rag_buf_append_char(b, '\n', NULL);
}

/* "=word\n#number\n...": content words of a question. */
static int terms_of(const char *s, rag_buf *out, rag_error *err) {
    int rc = rag_terms_content(s, strlen(s), collect, out, err);
    return rc ? rag_error_set(err, RAG_E_NOMEM, "no memory for words") : 0;
}

typedef struct words {
    struct {
        const char *s;
        size_t n;
    } w[TERMS_MAX];
    size_t n;
} words;

static bool holds(const words *set, const char *s, size_t n) {
    for (size_t i = 0; i < set->n; i++)
        if (set->w[i].n == n && memcmp(set->w[i].s, s, n) == 0)
            return true;
    return false;
}

static void split(const char *terms, words *out) {
    out->n = 0;
    while (*terms && out->n < TERMS_MAX) {
        size_t n = strcspn(terms, "\n");
        if (n && !holds(out, terms, n)) {
            out->w[out->n].s = terms;
            out->w[out->n++].n = n;
        }
        terms += n;
        terms += *terms == '\n';
    }
}

/* How many words of a stand in the other question, whose key (no spaces)
 * shows them however it is spaced. */
static size_t covered(const words *a, const char *key) {
    size_t n = 0, len = strlen(key);
    for (size_t i = 0; i < a->n; i++)
        n += memmem(key, len, a->w[i].s + 1, a->w[i].n - 1) != NULL;
    return n;
}

static bool same_numbers(const words *a, const words *b) {
    for (size_t i = 0; i < a->n; i++)
        if (a->w[i].s[0] == '#' && !holds(b, a->w[i].s, a->w[i].n))
            return false;
    return true;
}

/* Share of words in common, 0 to 1; negative when numbers or codes differ. */
static double overlap(const words *a, const char *akey, const words *b,
                      const char *bkey) {
    if (!same_numbers(a, b) || !same_numbers(b, a))
        return -1;
    size_t all = a->n + b->n;
    return all ? (double)(covered(a, bkey) + covered(b, akey)) / (double)all
               : 0;
}

static double cosine(const float *a, const float *b, int dim) {
    double sum = 0;
    for (int i = 0; i < dim; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* ---- grouping ------------------------------------------------------------ */

typedef struct asked {
    const char *question, *key;
    words words;
    const float *vector;
    int dim;
} asked;

/* Columns: id, question, terms, v, key. How well the row fits; below zero not. */
static double fit(rag_deskdb *db, sqlite3_stmt *st, const asked *a) {
    const char *question = (const char *)sqlite3_column_text(st, 1);
    const char *terms = (const char *)sqlite3_column_text(st, 2);
    const char *key = (const char *)sqlite3_column_text(st, 4);
    words w;
    if (!question || !terms || !key)
        return -1;
    split(terms, &w);
    double o = overlap(&a->words, a->key, &w, key), c = -1;
    if (o < OVERLAP_COSINE)
        return -1;
    if (a->vector && sqlite3_column_type(st, 3) == SQLITE_BLOB &&
        (size_t)sqlite3_column_bytes(st, 3) == sizeof(float) * (size_t)a->dim)
        c = cosine(a->vector, sqlite3_column_blob(st, 3), a->dim);
    if (o < OVERLAP && c < COSINE)
        return -1;
    if (db->apart && db->apart(db->apart_user, a->question, question))
        return -1;
    return o;
}

static int find_group(rag_deskdb *db, const asked *a, int64_t *id,
                      rag_error *err) {
    bool row;
    double best = -1;
    *id = 0;
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w, "SELECT id FROM queue_group WHERE key=? AND key<>'' LIMIT 1",
        err);
    int rc = st ? 0 : rag_desk_finish(&db->w, NULL, err);
    if (!rc) {
        rag_desk_bind_str(st, 1, a->key);
        rc = rag_desk_step(&db->w, st, &row, err);
        if (!rc && row)
            *id = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    if (rc || *id || !a->words.n)
        return rc;
    st = rag_desk_prepare(&db->w,
                          "SELECT id, question, terms, v, key FROM queue_group"
                          " ORDER BY id DESC LIMIT ?",
                          err);
    if (!st)
        return rag_desk_finish(&db->w, NULL, err);
    sqlite3_bind_int64(st, 1, RAG_DESK_GROUPS_LOOKED_AT);
    while (!(rc = rag_desk_step(&db->w, st, &row, err)) && row) {
        double f = fit(db, st, a);
        if (f > best) {
            best = f;
            *id = sqlite3_column_int64(st, 0);
        }
    }
    sqlite3_finalize(st);
    return rc;
}

static int new_group(rag_deskdb *db, const asked *a, const char *terms,
                     const char *lang, const char *why, int64_t at, int64_t *id,
                     rag_error *err) {
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w,
        "INSERT INTO queue_group(key,question,lang,why,terms,v,n,first_at,"
        "last_at,state,entry) VALUES(?,?,?,?,?,?,0,?,?,'open','')",
        err);
    if (st) {
        rag_desk_bind_str(st, 1, a->key);
        rag_desk_bind_str(st, 2, a->question);
        rag_desk_bind_str(st, 3, lang);
        rag_desk_bind_str(st, 4, why);
        rag_desk_bind_str(st, 5, terms);
        if (a->vector)
            sqlite3_bind_blob(st, 6, a->vector, (int)sizeof(float) * a->dim,
                              SQLITE_TRANSIENT);
        sqlite3_bind_int64(st, 7, at);
        sqlite3_bind_int64(st, 8, at);
    }
    int rc = rag_desk_finish(&db->w, st, err);
    *id = sqlite3_last_insert_rowid(db->w.db);
    return rc;
}

static int add_item(rag_deskdb *db, int64_t group, const char *exchange,
                    int64_t at, const char *question, const char *why,
                    rag_error *err) {
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w,
        "INSERT OR IGNORE INTO queue_item(exchange,grp,at,question,why)"
        " VALUES(?,?,?,?,?)",
        err);
    if (st) {
        rag_desk_bind_str(st, 1, exchange);
        sqlite3_bind_int64(st, 2, group);
        sqlite3_bind_int64(st, 3, at);
        rag_desk_bind_str(st, 4, question);
        rag_desk_bind_str(st, 5, why);
    }
    int rc = rag_desk_finish(&db->w, st, err);
    if (rc || !sqlite3_changes(db->w.db))
        return rc; /* it is in the queue already */
    st = rag_desk_prepare(&db->w,
                          "UPDATE queue_group SET n=n+1, last_at=max(last_at,"
                          "?1), state=CASE WHEN state='drafted' THEN state"
                          " ELSE 'open' END WHERE id=?2",
                          err);
    if (st) {
        sqlite3_bind_int64(st, 1, at);
        sqlite3_bind_int64(st, 2, group);
    }
    return rag_desk_finish(&db->w, st, err);
}

int rag_desk_queue_add(rag_deskdb *db, const char *exchange, int64_t at,
                       const char *question, const char *lang, const char *why,
                       const float *vector, int dim, rag_error *err) {
    rag_buf key, terms;
    int64_t group = 0;
    question = question ? question : "";
    asked a = {.question = question, .vector = vector, .dim = dim};
    rag_buf_init(&key, 0);
    rag_buf_init(&terms, 0);
    int rc = rag_terms_key(question, strlen(question), &key, err);
    if (!rc)
        rc = terms_of(question, &terms, err);
    if (!rc) {
        a.key = rag_buf_str(&key);
        split(rag_buf_str(&terms), &a.words);
        rc = find_group(db, &a, &group, err);
    }
    if (!rc && !group)
        rc = new_group(db, &a, rag_buf_str(&terms), lang, why, at, &group, err);
    if (!rc)
        rc = add_item(db, group, exchange, at, question, why, err);
    rag_buf_free(&key);
    rag_buf_free(&terms);
    return rc;
}

int rag_desk_queue_answered(rag_deskdb *db, const char *entry, rag_error *err) {
    sqlite3_stmt *st =
        rag_desk_prepare(&db->w,
                         "UPDATE queue_group SET state='answered' WHERE entry=?"
                         " AND state='drafted'",
                         err);
    if (st)
        rag_desk_bind_str(st, 1, entry);
    return rag_desk_finish(&db->w, st, err);
}

/* ---- feedback ------------------------------------------------------------ */

/* What was asked in an exchange, from its audit record. */
static int exchange_question(rag_deskdb *db, const char *exchange,
                             char **question, char **lang, rag_error *err) {
    bool row;
    char *body = NULL;
    json_t *o = NULL;
    const char *q = NULL, *l = NULL;
    *question = *lang = NULL;
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w, "SELECT body FROM audit WHERE subject=? AND kind='ask'", err);
    if (!st)
        return rag_desk_finish(&db->w, NULL, err);
    rag_desk_bind_str(st, 1, exchange);
    int rc = rag_desk_step(&db->w, st, &row, err);
    if (!rc && !row)
        rc =
            rag_error_set(err, RAG_E_NOTFOUND,
                          "no answer with the id \"%s\" is recorded", exchange);
    if (!rc)
        rc = rag_desk_text(&db->w, st, 0, RAG_DESK_JSON_MAX, true, &body, err);
    sqlite3_finalize(st);
    if (!rc && !body)
        rc = rag_error_set(err, RAG_E_DATA,
                           "the text of \"%s\" has been erased", exchange);
    if (!rc)
        rc = rag_json_parse(body, strlen(body), RAG_DESK_JSON_MAX, &o, err);
    if (!rc)
        rc = rag_json_str(o, "question", "", &q, err);
    if (!rc)
        rc = rag_json_str(o, "lang", "", &l, err);
    if (!rc)
        rc = rag_str_dup(q, question, err);
    if (!rc)
        rc = rag_str_dup(l, lang, err);
    json_decref(o);
    free(body);
    return rc;
}

static int put_feedback(rag_deskdb *db, const char *exchange, int vote,
                        const char *comment, const char *who, int64_t now,
                        rag_error *err) {
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w,
        "INSERT OR REPLACE INTO feedback(exchange,at,vote,who,comment)"
        " VALUES(?,?,?,?,?)",
        err);
    if (st) {
        rag_desk_bind_str(st, 1, exchange);
        sqlite3_bind_int64(st, 2, now);
        sqlite3_bind_int64(st, 3, vote);
        rag_desk_bind_str(st, 4, who);
        rag_desk_bind_str(st, 5, comment);
    }
    int rc = rag_desk_finish(&db->w, st, err);
    rag_buf body;
    rag_buf_init(&body, 0);
    json_t *o = json_pack("{s:i, s:s, s:s}", "vote", vote, "comment",
                          comment ? comment : "", "who", who ? who : "");
    if (!rc && !o)
        rc = rag_error_set(err, RAG_E_DATA, "the comment is no UTF-8");
    if (!rc)
        rc = rag_json_dump(o, &body, err);
    if (!rc)
        rc = rag_desk_audit_add(db, now, "feedback", exchange,
                                rag_buf_str(&body), NULL, 0, err);
    json_decref(o);
    rag_buf_free(&body);
    return rc;
}

int rag_deskdb_feedback(rag_deskdb *db, const char *exchange, int vote,
                        const char *comment, const char *who, rag_error *err) {
    char *question = NULL, *lang = NULL;
    int64_t now = rag_clock_now();
    if (vote != 1 && vote != -1)
        return rag_error_set(err, RAG_E_DATA, "a vote is 1 or -1");
    if (comment && strlen(comment) > RAG_DESK_FIELD_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "a comment has at most %d bytes",
                             RAG_DESK_FIELD_MAX);
    int rc = rag_desk_begin(db, err);
    if (rc)
        return rc;
    rc = exchange_question(db, exchange, &question, &lang, err);
    if (!rc)
        rc = put_feedback(db, exchange, vote, comment, who, now, err);
    if (!rc && vote < 0)
        rc = rag_desk_queue_add(db, exchange, now, question, lang, "thumb down",
                                NULL, 0, err);
    free(question);
    free(lang);
    return rag_desk_end(db, rc, err);
}

/* ---- showing ------------------------------------------------------------- */

static void group_free(rag_desk_group *g) {
    free(g->question);
    free(g->why);
    free(g->state);
    free(g->entry);
    free(g->lang);
    for (size_t i = 0; i < g->nexamples; i++)
        free(g->examples[i]);
    for (size_t i = 0; i < g->nexchanges; i++)
        free(g->exchanges[i]);
    free(g->examples);
    free(g->exchanges);
}

void rag_desk_groups_free(rag_desk_groups *g) {
    for (size_t i = 0; i < g->n; i++)
        group_free(&g->v[i]);
    free(g->v);
    memset(g, 0, sizeof *g);
}

static int read_group(rag_desk_link *l, sqlite3_stmt *st, rag_desk_group *g,
                      rag_error *err) {
    memset(g, 0, sizeof *g);
    int rc = rag_desk_number(l, st, 0, 1, INT64_MAX, &g->id, err);
    if (!rc)
        rc = rag_desk_number(l, st, 1, 0, INT64_MAX, &g->count, err);
    if (!rc)
        rc = rag_desk_number(l, st, 2, INT64_MIN, INT64_MAX, &g->first_at, err);
    if (!rc)
        rc = rag_desk_number(l, st, 3, INT64_MIN, INT64_MAX, &g->last_at, err);
    char **to[] = {&g->question, &g->why, &g->state, &g->entry, &g->lang};
    for (int i = 0; i < 5 && !rc; i++)
        rc = rag_desk_text(l, st, 4 + i, RAG_DESK_QUESTION_MAX, false, to[i],
                           err);
    return rc;
}

static bool shown_already(const rag_desk_group *g, const char *question) {
    if (strcmp(g->question, question) == 0)
        return true;
    for (size_t i = 0; i < g->nexamples; i++)
        if (strcmp(g->examples[i], question) == 0)
            return true;
    return false;
}

static int read_examples(rag_desk_link *l, rag_desk_group *g, rag_error *err) {
    bool row;
    g->examples = calloc(EXAMPLES, sizeof *g->examples);
    g->exchanges = calloc(EXAMPLES, sizeof *g->exchanges);
    if (!g->examples || !g->exchanges)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the queue");
    sqlite3_stmt *st =
        rag_desk_prepare(l,
                         "SELECT exchange, question FROM queue_item WHERE grp=?"
                         " ORDER BY at DESC LIMIT 50",
                         err);
    int rc = st ? 0 : rag_desk_finish(l, NULL, err);
    if (st)
        sqlite3_bind_int64(st, 1, g->id);
    while (!rc && !(rc = rag_desk_step(l, st, &row, err)) && row) {
        char *q = NULL;
        if (g->nexchanges < EXAMPLES &&
            !(rc = rag_desk_text(l, st, 0, RAG_DESK_ID_MAX, false,
                                 &g->exchanges[g->nexchanges], err)))
            g->nexchanges++;
        if (!rc)
            rc = rag_desk_text(l, st, 1, RAG_DESK_QUESTION_MAX, false, &q, err);
        if (!rc && g->nexamples < EXAMPLES && !shown_already(g, q)) {
            g->examples[g->nexamples++] = q;
            q = NULL;
        }
        free(q);
    }
    sqlite3_finalize(st);
    return rc;
}

#define GROUP                                                                  \
    "SELECT id,n,first_at,last_at,question,why,state,entry,lang FROM "         \
    "queue_group "

static int read_groups(rag_desk_link *l, sqlite3_stmt *st, rag_desk_groups *out,
                       rag_error *err) {
    bool row;
    int rc = 0;
    while (!rc && !(rc = rag_desk_step(l, st, &row, err)) && row) {
        rag_desk_group *v = realloc(out->v, (out->n + 1) * sizeof *v);
        if (!v)
            return rag_error_set(err, RAG_E_NOMEM, "no memory for the queue");
        out->v = v;
        rc = read_group(l, st, &v[out->n++], err);
    }
    for (size_t i = 0; i < out->n && !rc; i++)
        rc = read_examples(l, &out->v[i], err);
    return rc ? rc
              : rag_desk_int(l,
                             "SELECT count(*) FROM queue_group"
                             " WHERE state='open'",
                             &out->open, err);
}

static int query_groups(rag_deskdb *db, const char *sql, const char *text,
                        int64_t n, rag_desk_groups *out, rag_error *err) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&db->r.lock);
    sqlite3_stmt *st = rag_desk_prepare(&db->r, sql, err);
    int rc = st ? 0 : rag_desk_finish(&db->r, NULL, err);
    if (st) {
        if (text)
            rag_desk_bind_str(st, 1, text);
        sqlite3_bind_int64(st, 2, n);
        rc = read_groups(&db->r, st, out, err);
    }
    sqlite3_finalize(st);
    pthread_mutex_unlock(&db->r.lock);
    if (rc)
        rag_desk_groups_free(out);
    return rc;
}

int rag_deskdb_queue(rag_deskdb *db, const char *state, size_t limit,
                     rag_desk_groups *out, rag_error *err) {
    limit = limit ? limit : 50;
    if (!state)
        return query_groups(db,
                            GROUP "WHERE state IN (?1,'open','drafted')"
                                  " ORDER BY n DESC, last_at DESC LIMIT ?2",
                            "open", (int64_t)limit, out, err);
    return query_groups(db,
                        GROUP "WHERE ?1='all' OR state=?1"
                              " ORDER BY n DESC, last_at DESC LIMIT ?2",
                        state, (int64_t)limit, out, err);
}

int rag_deskdb_group(rag_deskdb *db, int64_t id, rag_desk_groups *out,
                     rag_error *err) {
    int rc = query_groups(db, GROUP "WHERE ?1='' AND id=?2", "", id, out, err);
    if (!rc && !out->n) {
        rag_desk_groups_free(out);
        rc = rag_error_set(err, RAG_E_NOTFOUND, "the queue has no group %lld",
                           (long long)id);
    }
    return rc;
}

int rag_deskdb_group_set(rag_deskdb *db, int64_t id, const char *state,
                         const char *entry, const char *who, rag_error *err) {
    if (strcmp(state, "dismissed") != 0 && strcmp(state, "open") != 0 &&
        strcmp(state, "drafted") != 0)
        return rag_error_set(err, RAG_E_DATA, "a group cannot be made \"%s\"",
                             state);
    rag_buf body;
    rag_buf_init(&body, 0);
    int rc = rag_desk_begin(db, err);
    if (rc)
        return rc;
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w, "UPDATE queue_group SET state=?, entry=? WHERE id=?", err);
    if (st) {
        rag_desk_bind_str(st, 1, state);
        rag_desk_bind_str(st, 2, entry);
        sqlite3_bind_int64(st, 3, id);
    }
    rc = rag_desk_finish(&db->w, st, err);
    if (!rc && !sqlite3_changes(db->w.db))
        rc = rag_error_set(err, RAG_E_NOTFOUND, "the queue has no group %lld",
                           (long long)id);
    json_t *o =
        json_pack("{s:I, s:s, s:s, s:s}", "group", (json_int_t)id, "state",
                  state, "entry", entry ? entry : "", "who", who ? who : "");
    if (!rc && !o)
        rc = rag_error_set(err, RAG_E_DATA, "a name is no UTF-8");
    if (!rc)
        rc = rag_json_dump(o, &body, err);
    if (!rc)
        rc = rag_desk_audit_add(db, rag_clock_now(), "queue", "queue",
                                rag_buf_str(&body), NULL, 0, err);
    json_decref(o);
    rag_buf_free(&body);
    return rag_desk_end(db, rc, err);
}
