/*
 * store_desk_faq.c - entries of the desk and their versions.
 *
 *   put      -> draft
 *   approve: draft -> approved; what was approved before -> replaced
 *   retire:  approved -> retired; drafts stay and may be approved again
 *
 * Every move writes an audit record in the same transaction.
 */
#include "index/store_desk_int.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/unicode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

const char *rag_desk_state_name(rag_desk_state s) {
    static const char *const name[] = {"draft", "approved", "retired",
                                       "replaced"};
    return (unsigned)s < RAG_DESK_STATES ? name[s] : "?";
}

void rag_desk_entry_free(rag_desk_entry *e) {
    free(e->id);
    free(e->question);
    for (size_t i = 0; i < e->nvariants; i++)
        free(e->variants[i]);
    free(e->variants);
    free(e->answer);
    free(e->lang);
    free(e->collection);
    free(e->category);
    free(e->url);
    free(e->citations);
    free(e->author);
    free(e->approver);
    free(e->note);
    memset(e, 0, sizeof *e);
}

void rag_desk_list_free(rag_desk_list *l) {
    for (size_t i = 0; i < l->n; i++)
        rag_desk_entry_free(&l->v[i]);
    free(l->v);
    memset(l, 0, sizeof *l);
}

/* ---- checking what is put ------------------------------------------------ */

static int check(const char *s, const char *name, size_t min, size_t max,
                 rag_error *err) {
    size_t n = s ? strlen(s) : 0;
    if (n < min)
        return rag_error_set(err, RAG_E_DATA, "an entry needs its %s", name);
    if (n > max)
        return rag_error_set(err, RAG_E_DATA,
                             "the entry's %s has %zu bytes; at most %zu", name,
                             n, max);
    if (n && !rag_utf8_valid(s, n, NULL))
        return rag_error_set(err, RAG_E_DATA, "the entry's %s is no UTF-8",
                             name);
    return 0;
}

static bool id_is_plain(const char *s) {
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F)
            return false;
    return true;
}

static int check_entry(const rag_desk_entry *e, rag_error *err) {
    const struct {
        const char *s, *name;
        size_t min, max;
    } field[] = {{e->id, "id", 0, RAG_DESK_ID_MAX},
                 {e->question, "question", 1, RAG_DESK_QUESTION_MAX},
                 {e->answer, "answer", 1, RAG_DESK_ANSWER_MAX},
                 {e->lang, "language", 0, 16},
                 {e->collection, "collection", 0, RAG_DESK_ID_MAX},
                 {e->category, "category", 0, RAG_DESK_FIELD_MAX},
                 {e->url, "url", 0, RAG_DESK_FIELD_MAX},
                 {e->citations, "citations", 0, RAG_DESK_JSON_MAX},
                 {e->author, "author", 0, RAG_DESK_FIELD_MAX},
                 {e->note, "note", 0, RAG_DESK_FIELD_MAX}};
    int rc = 0;
    for (size_t i = 0; i < sizeof field / sizeof field[0] && !rc; i++)
        rc = check(field[i].s, field[i].name, field[i].min, field[i].max, err);
    if (!rc && e->nvariants > RAG_DESK_VARIANTS_MAX)
        rc = rag_error_set(err, RAG_E_DATA,
                           "an entry has at most %d other wordings",
                           RAG_DESK_VARIANTS_MAX);
    for (size_t i = 0; i < e->nvariants && !rc; i++)
        rc = check(e->variants[i], "other wording", 1, RAG_DESK_QUESTION_MAX,
                   err);
    if (!rc && e->id && !id_is_plain(e->id))
        rc = rag_error_set(err, RAG_E_DATA, "an id has no control characters");
    if (!rc && e->valid_from != RAG_TIME_NONE &&
        e->valid_until != RAG_TIME_NONE && e->valid_from > e->valid_until)
        rc = rag_error_set(err, RAG_E_DATA,
                           "the entry ends before it begins to be valid");
    return rc;
}

/* ---- reading ------------------------------------------------------------- */

#define VERSION                                                                \
    "SELECT v.id,v.version,v.state,v.question,v.variants,v.answer,v.lang,"     \
    "v.collection,v.category,v.url,v.citations,v.author,v.approver,v.note,"    \
    "v.valid_from,v.valid_until,v.created_at,v.decided_at,e.live"              \
    " FROM version v JOIN entry e ON e.id=v.id "

static int read_variants(rag_desk_link *l, sqlite3_stmt *st, rag_desk_entry *e,
                         rag_error *err) {
    char *s = NULL;
    json_t *a = NULL, *v;
    size_t i;
    int rc = rag_desk_text(l, st, 4, RAG_DESK_JSON_MAX, false, &s, err);
    if (rc)
        return rc;
    if (rag_json_parse(s, strlen(s), RAG_DESK_JSON_MAX, &a, NULL) ||
        !json_is_array(a) || json_array_size(a) > RAG_DESK_VARIANTS_MAX) {
        rc = rag_desk_corrupt(l, err, "variants");
        goto out;
    }
    e->variants = calloc(json_array_size(a) + 1, sizeof *e->variants);
    if (!e->variants) {
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for an entry");
        goto out;
    }
    json_array_foreach(a, i, v) {
        const char *t = json_string_value(v);
        if (!t)
            rc = rag_desk_corrupt(l, err, "variants");
        else if (!(rc = rag_str_dup(t, &e->variants[e->nvariants], err)))
            e->nvariants++;
        if (rc)
            break;
    }
out:
    json_decref(a);
    free(s);
    return rc;
}

static int read_time(rag_desk_link *l, sqlite3_stmt *st, int col, int64_t *out,
                     rag_error *err) {
    if (sqlite3_column_type(st, col) == SQLITE_NULL) {
        *out = RAG_TIME_NONE;
        return 0;
    }
    return rag_desk_number(l, st, col, INT64_MIN + 1, INT64_MAX, out, err);
}

static int read_entry(rag_desk_link *l, sqlite3_stmt *st, rag_desk_entry *e,
                      rag_error *err) {
    int64_t state = 0;
    memset(e, 0, sizeof *e);
    const struct {
        int col;
        size_t max;
        char **to;
    } text[] = {{0, RAG_DESK_ID_MAX, &e->id},
                {3, RAG_DESK_QUESTION_MAX, &e->question},
                {5, RAG_DESK_ANSWER_MAX, &e->answer},
                {6, 16, &e->lang},
                {7, RAG_DESK_ID_MAX, &e->collection},
                {8, RAG_DESK_FIELD_MAX, &e->category},
                {9, RAG_DESK_FIELD_MAX, &e->url},
                {10, RAG_DESK_JSON_MAX, &e->citations},
                {11, RAG_DESK_FIELD_MAX, &e->author},
                {12, RAG_DESK_FIELD_MAX, &e->approver},
                {13, RAG_DESK_FIELD_MAX, &e->note}};
    int rc = 0;
    for (size_t i = 0; i < sizeof text / sizeof text[0] && !rc; i++)
        rc = rag_desk_text(l, st, text[i].col, text[i].max, false, text[i].to,
                           err);
    if (!rc)
        rc = rag_desk_number(l, st, 1, 1, INT64_MAX, &e->version, err);
    if (!rc)
        rc = rag_desk_number(l, st, 2, 0, RAG_DESK_STATES - 1, &state, err);
    e->state = (rag_desk_state)state;
    if (!rc)
        rc = read_variants(l, st, e, err);
    if (!rc)
        rc = read_time(l, st, 14, &e->valid_from, err);
    if (!rc)
        rc = read_time(l, st, 15, &e->valid_until, err);
    if (!rc)
        rc = rag_desk_number(l, st, 16, INT64_MIN, INT64_MAX, &e->created_at,
                             err);
    if (!rc)
        rc = rag_desk_number(l, st, 17, INT64_MIN, INT64_MAX, &e->decided_at,
                             err);
    if (!rc)
        rc = rag_desk_number(l, st, 18, 0, INT64_MAX, &e->live, err);
    return rc;
}

static int read_list(rag_desk_link *l, sqlite3_stmt *st, size_t max,
                     rag_desk_list *out, rag_error *err) {
    bool row;
    int rc = 0;
    size_t cap = 0;
    while (!rc && !(rc = rag_desk_step(l, st, &row, err)) && row) {
        if (max && out->n == max) {
            out->more = true;
            break;
        }
        if (out->n == cap) {
            cap = cap ? cap * 2 : 16;
            rag_desk_entry *v = realloc(out->v, cap * sizeof *v);
            if (!v)
                return rag_error_set(err, RAG_E_NOMEM,
                                     "no memory for the entries");
            out->v = v;
        }
        rc = read_entry(l, st, &out->v[out->n++], err);
    }
    return rc;
}

int rag_deskdb_get(rag_deskdb *db, const char *id, int64_t version,
                   rag_desk_entry *out, rag_error *err) {
    rag_desk_list l = {0};
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&db->r.lock);
    sqlite3_stmt *st = rag_desk_prepare(
        &db->r,
        VERSION "WHERE v.id=?1 AND v.version=CASE ?2 WHEN 0 THEN e.newest"
                " WHEN -1 THEN e.live ELSE ?2 END",
        err);
    int rc = st ? 0 : rag_desk_finish(&db->r, NULL, err);
    if (st) {
        rag_desk_bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, version);
        rc = read_list(&db->r, st, 1, &l, err);
    }
    sqlite3_finalize(st);
    pthread_mutex_unlock(&db->r.lock);
    if (!rc && !l.n)
        rc = rag_error_set(err, RAG_E_NOTFOUND,
                           "the desk has no such version of \"%s\"", id);
    if (!rc) {
        *out = l.v[0];
        l.n = 0;
    }
    rag_desk_list_free(&l);
    return rc;
}

int rag_deskdb_list(rag_deskdb *db, const rag_desk_filter *f,
                    rag_desk_list *out, rag_error *err) {
    size_t limit = f->limit ? f->limit : 100;
    memset(out, 0, sizeof *out);
    if (limit > RAG_DESK_ENTRIES_MAX)
        limit = RAG_DESK_ENTRIES_MAX;
    pthread_mutex_lock(&db->r.lock);
    sqlite3_stmt *st = rag_desk_prepare(
        &db->r,
        VERSION "WHERE v.version=e.newest AND v.id>?1 AND"
                " (?2<0 OR v.state=?2) AND (?3 IS NULL OR v.collection=?3) AND"
                " (?4 IS NULL OR instr(v.id,?4) OR instr(v.question,?4) OR"
                " instr(v.answer,?4)) ORDER BY v.id LIMIT ?5",
        err);
    int rc = st ? 0 : rag_desk_finish(&db->r, NULL, err);
    if (st) {
        rag_desk_bind_str(st, 1, f->after);
        sqlite3_bind_int64(st, 2, f->state);
        if (f->collection)
            rag_desk_bind_str(st, 3, f->collection);
        if (f->contains)
            rag_desk_bind_str(st, 4, f->contains);
        sqlite3_bind_int64(st, 5, (int64_t)limit + 1);
        rc = read_list(&db->r, st, limit, out, err);
    }
    sqlite3_finalize(st);
    pthread_mutex_unlock(&db->r.lock);
    if (rc)
        rag_desk_list_free(out);
    return rc;
}

int rag_desk_live_entries(rag_deskdb *db, rag_desk_list *out, rag_error *err) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&db->r.lock);
    sqlite3_stmt *st = rag_desk_prepare(
        &db->r, VERSION "WHERE v.version=e.live ORDER BY v.id", err);
    int rc = st ? read_list(&db->r, st, 0, out, err)
                : rag_desk_finish(&db->r, NULL, err);
    sqlite3_finalize(st);
    pthread_mutex_unlock(&db->r.lock);
    if (rc)
        rag_desk_list_free(out);
    return rc;
}

int rag_deskdb_history(rag_deskdb *db, const char *id, rag_desk_list *out,
                       rag_error *err) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&db->r.lock);
    sqlite3_stmt *st = rag_desk_prepare(
        &db->r, VERSION "WHERE v.id=? ORDER BY v.version", err);
    int rc = st ? 0 : rag_desk_finish(&db->r, NULL, err);
    if (st) {
        rag_desk_bind_str(st, 1, id);
        rc = read_list(&db->r, st, 0, out, err);
    }
    sqlite3_finalize(st);
    pthread_mutex_unlock(&db->r.lock);
    if (!rc && !out->n)
        rc = rag_error_set(err, RAG_E_NOTFOUND, "the desk has no entry \"%s\"",
                           id);
    if (rc)
        rag_desk_list_free(out);
    return rc;
}

/* ---- changing ------------------------------------------------------------ */

/* The entry's row: *newest 0 when there is none. */
static int entry_row(rag_deskdb *db, const char *id, int64_t *newest,
                     int64_t *live, rag_error *err) {
    bool row;
    *newest = *live = 0;
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w, "SELECT newest, live FROM entry WHERE id=?", err);
    if (!st)
        return rag_desk_finish(&db->w, NULL, err);
    rag_desk_bind_str(st, 1, id);
    int rc = rag_desk_step(&db->w, st, &row, err);
    if (!rc && row)
        rc = rag_desk_number(&db->w, st, 0, 1, INT64_MAX - 1, newest, err);
    if (!rc && row)
        rc = rag_desk_number(&db->w, st, 1, 0, *newest, live, err);
    sqlite3_finalize(st);
    return rc;
}

/* retired: 1, 0, or -1 as it was. */
static int write_entry_row(rag_deskdb *db, const char *id, int64_t newest,
                           int64_t live, int retired, rag_error *err) {
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w,
        "INSERT INTO entry(id,newest,live,retired) VALUES(?1,?2,?3,max(?4,0))"
        " ON CONFLICT(id) DO UPDATE SET newest=?2, live=?3,"
        " retired=CASE WHEN ?4<0 THEN retired ELSE ?4 END",
        err);
    if (st) {
        rag_desk_bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, newest);
        sqlite3_bind_int64(st, 3, live);
        sqlite3_bind_int(st, 4, retired);
    }
    return rag_desk_finish(&db->w, st, err);
}

static int set_state(rag_deskdb *db, const char *id, int64_t version,
                     rag_desk_state state, const char *who, int64_t now,
                     rag_error *err) {
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w,
        "UPDATE version SET state=?3, decided_at=CASE WHEN ?3=3 THEN"
        " decided_at ELSE ?5 END, approver=CASE WHEN ?3=1 THEN ?4 ELSE"
        " approver END WHERE id=?1 AND version=?2",
        err);
    if (st) {
        rag_desk_bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, version);
        sqlite3_bind_int(st, 3, (int)state);
        rag_desk_bind_str(st, 4, who);
        sqlite3_bind_int64(st, 5, now);
    }
    return rag_desk_finish(&db->w, st, err);
}

/* The record says who did what to which version, and the hash of its words:
 * the words themselves are in the version. */
static int audit(rag_deskdb *db, const char *kind, const rag_desk_entry *e,
                 int64_t version, const char *who, const char *note,
                 rag_error *err) {
    rag_buf body;
    rag_sha256 h = {{0}};
    char hex[65] = "";
    rag_buf_init(&body, 0);
    if (e && e->question) {
        rag_hasher *x = rag_hasher_new();
        if (!x)
            return rag_error_set(err, RAG_E_NOMEM, "no memory for a record");
        rag_hasher_field(x, e->question, strlen(e->question));
        for (size_t i = 0; i < e->nvariants; i++)
            rag_hasher_field(x, e->variants[i], strlen(e->variants[i]));
        rag_hasher_field(x, e->answer, strlen(e->answer));
        rag_hasher_end(x, &h);
        rag_hash_hex(&h, hex);
    }
    json_t *o = json_pack("{s:s, s:I, s:s, s:s, s:s}", "id", e ? e->id : "",
                          "version", (json_int_t)version, "by", who ? who : "",
                          "note", note ? note : "", "sha256", hex);
    int rc = o ? rag_json_dump(o, &body, err)
               : rag_error_set(err, RAG_E_DATA, "a name is no UTF-8");
    if (!rc)
        rc = rag_desk_audit_add(db, rag_clock_now(), kind, e ? e->id : "",
                                rag_buf_str(&body), NULL, 0, err);
    json_decref(o);
    rag_buf_free(&body);
    return rc;
}

static int insert_version(rag_deskdb *db, const char *id, int64_t version,
                          const rag_desk_entry *e, rag_error *err) {
    rag_buf variants;
    rag_buf_init(&variants, 0);
    json_t *a = json_array();
    int rc = a ? 0 : rag_error_set(err, RAG_E_NOMEM, "no memory");
    for (size_t i = 0; i < e->nvariants && !rc; i++)
        if (json_array_append_new(a, json_string(e->variants[i])))
            rc = rag_error_set(err, RAG_E_NOMEM, "no memory for an entry");
    if (!rc)
        rc = rag_json_dump(a, &variants, err);
    json_decref(a);
    sqlite3_stmt *st = NULL;
    if (!rc) {
        st = rag_desk_prepare(
            &db->w,
            "INSERT INTO version(id,version,state,question,variants,answer,"
            "lang,collection,category,url,citations,author,approver,note,"
            "valid_from,valid_until,created_at,decided_at)"
            " VALUES(?,?,0,?,?,?,?,?,?,?,?,?,'',?,?,?,?,0)",
            err);
        rc = st ? 0 : rag_desk_finish(&db->w, NULL, err);
    }
    if (!rc) {
        rag_desk_bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, version);
        rag_desk_bind_str(st, 3, e->question);
        rag_desk_bind_str(st, 4, rag_buf_str(&variants));
        const char *rest[] = {e->answer,   e->lang, e->collection,
                              e->category, e->url,  e->citations,
                              e->author,   e->note};
        for (int i = 0; i < 8; i++)
            rag_desk_bind_str(st, 5 + i, rest[i]);
        if (e->valid_from != RAG_TIME_NONE)
            sqlite3_bind_int64(st, 13, e->valid_from);
        if (e->valid_until != RAG_TIME_NONE)
            sqlite3_bind_int64(st, 14, e->valid_until);
        sqlite3_bind_int64(st, 15, rag_clock_now());
        rc = rag_desk_finish(&db->w, st, err);
    }
    rag_buf_free(&variants);
    return rc;
}

static int new_id(char out[24], rag_error *err) {
    static const char digit[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char r[12];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        return rag_error_errno(err, RAG_E_IO, errno, "no random bytes");
    memcpy(out, "desk-", 5);
    for (size_t i = 0; i < sizeof r; i++)
        out[5 + i] = digit[r[i] & 31];
    out[5 + sizeof r] = '\0';
    return 0;
}

int rag_deskdb_put(rag_deskdb *db, const rag_desk_entry *e, int64_t base,
                   char **id_out, int64_t *version, rag_error *err) {
    char made[24] = "";
    int64_t newest, live, count;
    if (id_out)
        *id_out = NULL;
    int rc = check_entry(e, err);
    const char *id = e->id ? e->id : "";
    if (!rc && !*id) {
        rc = new_id(made, err);
        id = made;
    }
    if (!rc)
        rc = rag_desk_begin(db, err);
    if (rc)
        return rc;
    rc = entry_row(db, id, &newest, &live, err);
    if (!rc && base >= 0 && base != newest)
        rc = rag_error_set(err, RAG_E_CONFLICT,
                           "\"%s\" is at version %lld, not %lld: look at it "
                           "again before changing it",
                           id, (long long)newest, (long long)base);
    if (!rc && !newest) {
        rc = rag_desk_int(&db->w, "SELECT count(*) FROM entry", &count, err);
        if (!rc && count >= RAG_DESK_ENTRIES_MAX)
            rc = rag_error_set(err, RAG_E_LIMIT,
                               "the desk holds %d entries; ingest more as a "
                               "FAQ file",
                               RAG_DESK_ENTRIES_MAX);
    }
    if (!rc)
        rc = insert_version(db, id, newest + 1, e, err);
    if (!rc)
        rc = write_entry_row(db, id, newest + 1, live, -1, err);
    rag_desk_entry named = *e;
    char *copy = NULL;
    if (!rc)
        rc = rag_str_dup(id, &copy, err);
    named.id = copy;
    if (!rc)
        rc = audit(db, newest ? "faq.edit" : "faq.add", &named, newest + 1,
                   e->author, e->note, err);
    rc = rag_desk_end(db, rc, err);
    if (!rc && version)
        *version = newest + 1;
    if (!rc && id_out) {
        *id_out = copy;
        copy = NULL;
    }
    free(copy);
    return rc;
}

/* ---- vectors ------------------------------------------------------------- */

static int put_vectors(rag_deskdb *db, const char *id, int64_t version,
                       const rag_desk_vectors *vec, rag_error *err) {
    sqlite3_stmt *st = rag_desk_prepare(
        &db->w, "DELETE FROM vector WHERE id=? AND version=?", err);
    if (st) {
        rag_desk_bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, version);
    }
    int rc = rag_desk_finish(&db->w, st, err);
    for (size_t i = 0; i < vec->n && !rc; i++) {
        st = rag_desk_prepare(&db->w,
                              "INSERT INTO vector(id,version,ord,fingerprint,"
                              "v) VALUES(?,?,?,?,?)",
                              err);
        if (st) {
            rag_desk_bind_str(st, 1, id);
            sqlite3_bind_int64(st, 2, version);
            sqlite3_bind_int64(st, 3, (int64_t)i);
            rag_desk_bind_str(st, 4, vec->fingerprint);
            sqlite3_bind_blob(st, 5, vec->v + i * (size_t)vec->dim,
                              (int)sizeof(float) * vec->dim, SQLITE_TRANSIENT);
        }
        rc = rag_desk_finish(&db->w, st, err);
    }
    return rc;
}

int rag_deskdb_set_vectors(rag_deskdb *db, const char *id, int64_t version,
                           const rag_desk_vectors *vec, rag_error *err) {
    int rc = rag_desk_begin(db, err);
    if (rc)
        return rc;
    return rag_desk_end(db, put_vectors(db, id, version, vec, err), err);
}

/* ---- approving, retiring ------------------------------------------------- */

/* A version through the writer's connection, inside its transaction. */
static int version_row(rag_deskdb *db, const char *id, int64_t version,
                       rag_desk_entry *out, rag_error *err) {
    rag_desk_list l = {0};
    memset(out, 0, sizeof *out);
    sqlite3_stmt *st =
        rag_desk_prepare(&db->w, VERSION "WHERE v.id=? AND v.version=?", err);
    int rc = st ? 0 : rag_desk_finish(&db->w, NULL, err);
    if (st) {
        rag_desk_bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, version);
        rc = read_list(&db->w, st, 1, &l, err);
    }
    sqlite3_finalize(st);
    if (!rc && !l.n)
        rc = rag_error_set(err, RAG_E_NOTFOUND,
                           "the desk has no such version of \"%s\"", id);
    if (!rc) {
        *out = l.v[0];
        l.n = 0;
    }
    rag_desk_list_free(&l);
    return rc;
}

static int may_approve(const rag_desk_entry *e, const char *who,
                       bool other_person, rag_error *err) {
    if (e->state != RAG_DESK_DRAFT)
        return rag_error_set(
            err, RAG_E_CONFLICT, "version %lld of \"%s\" is %s, not a draft",
            (long long)e->version, e->id, rag_desk_state_name(e->state));
    if (!who || !*who)
        return rag_error_set(err, RAG_E_DATA, "say who approves it");
    if (strlen(who) > RAG_DESK_FIELD_MAX ||
        !rag_utf8_valid(who, strlen(who), NULL))
        return rag_error_set(err, RAG_E_DATA, "the approver is no name");
    if (other_person && strcmp(who, e->author) == 0)
        return rag_error_set(err, RAG_E_PERMISSION,
                             "%s wrote it: somebody else has to approve it",
                             who);
    return 0;
}

int rag_deskdb_approve(rag_deskdb *db, const char *id, int64_t version,
                       const char *who, const rag_desk_vectors *vec,
                       bool other_person, rag_error *err) {
    rag_desk_entry e = {0};
    int64_t newest, live, now = rag_clock_now();
    int rc = rag_desk_begin(db, err);
    if (rc)
        return rc;
    rc = entry_row(db, id, &newest, &live, err);
    if (!rc && !newest)
        rc = rag_error_set(err, RAG_E_NOTFOUND, "the desk has no entry \"%s\"",
                           id);
    version = version ? version : newest;
    if (!rc)
        rc = version_row(db, id, version, &e, err);
    if (!rc)
        rc = may_approve(&e, who, other_person, err);
    if (!rc && vec && vec->n != e.nvariants + 1)
        rc = rag_error_set(err, RAG_E_INTERNAL, "vectors of another version");
    if (!rc && live)
        rc = set_state(db, id, live, RAG_DESK_REPLACED, who, now, err);
    if (!rc)
        rc = set_state(db, id, version, RAG_DESK_APPROVED, who, now, err);
    if (!rc)
        rc = write_entry_row(db, id, newest, version, 0, err);
    if (!rc && vec)
        rc = put_vectors(db, id, version, vec, err);
    if (!rc)
        rc = rag_desk_queue_answered(db, id, err);
    if (!rc)
        rc = audit(db, "faq.approve", &e, version, who, "", err);
    rag_desk_entry_free(&e);
    return rag_desk_end(db, rc, err);
}

int rag_deskdb_retire(rag_deskdb *db, const char *id, const char *who,
                      const char *note, const rag_desk_entry *copy,
                      rag_error *err) {
    int64_t newest, live;
    rag_desk_entry blank = {
        .id = NULL, .valid_from = RAG_TIME_NONE, .valid_until = RAG_TIME_NONE};
    char *name = NULL;
    int rc = check(id, "id", 1, RAG_DESK_ID_MAX, err);
    if (!rc)
        rc = check(note, "note", 0, RAG_DESK_FIELD_MAX, err);
    if (!rc && copy)
        rc = check_entry(copy, err);
    if (!rc)
        rc = rag_str_dup(id, &name, err);
    if (!rc)
        rc = rag_desk_begin(db, err);
    if (rc) {
        free(name);
        return rc;
    }
    blank.id = name;
    rc = entry_row(db, id, &newest, &live, err);
    if (!rc && !newest && !copy)
        rc = rag_error_set(err, RAG_E_NOTFOUND, "there is no entry \"%s\"", id);
    if (!rc && !newest) {
        newest = live = 1;
        rc = insert_version(db, id, 1, copy, err);
    }
    if (!rc && live)
        rc = set_state(db, id, live, RAG_DESK_RETIRED, who, rag_clock_now(),
                       err);
    if (!rc)
        rc = write_entry_row(db, id, newest, 0, 1, err);
    if (!rc)
        rc = audit(db, "faq.retire", &blank, live, who, note, err);
    free(name);
    return rag_desk_end(db, rc, err);
}
