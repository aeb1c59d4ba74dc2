/*
 * desk_faq.c - requests about entries, feedback and the queue.
 *
 * Called on a worker. What comes in is checked by index/desk.h once more;
 * here it is only read. After a change that touches what answers, the picture
 * is made anew before the request returns: approved means answering.
 */
#include "daemon/desk_int.h"

#include "base/json.h"
#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>

/* ---- entries as JSON --------------------------------------------------------- */

json_t *rag_desk_entry_json(const rag_desk_entry *e) {
    json_t *variants = json_array(), *citations = NULL;
    for (size_t i = 0; i < e->nvariants; i++)
        json_array_append_new(variants, json_string(e->variants[i]));
    if (*e->citations)
        rag_json_parse(e->citations, strlen(e->citations), RAG_DESK_JSON_MAX,
                       &citations, NULL);
    return json_pack(
        "{ss sI ss sI ss so ss ss ss ss ss so so so ss ss ss so so}", "id",
        e->id, "version", (json_int_t)e->version, "state",
        rag_desk_state_name(e->state), "live", (json_int_t)e->live, "question",
        e->question, "variants", variants, "answer", e->answer, "lang", e->lang,
        "collection", e->collection, "category", e->category, "url", e->url,
        "valid_from", rag_desk_time_json(e->valid_from), "valid_until",
        rag_desk_time_json(e->valid_until), "citations",
        citations ? citations : json_array(), "author", e->author, "approver",
        e->approver, "note", e->note, "created_at",
        rag_desk_time_json(e->created_at), "decided_at",
        rag_desk_time_json(e->decided_at));
}

/* A field that is given replaces what is there; null and absent leave it. */
static int take_str(const json_t *o, const char *key, char **to,
                    rag_error *err) {
    const char *s = NULL;
    int rc = rag_json_str(o, key, NULL, &s, err);
    if (rc || !s)
        return rc;
    free(*to);
    *to = NULL;
    return rag_str_dup(s, to, err);
}

/* Questions are kept as they are asked: cleaned. */
static int take_question(const json_t *v, char **to, rag_error *err) {
    rag_buf b;
    const char *s = json_string_value(v);
    rag_buf_init(&b, 0);
    if (!s)
        return rag_error_set(err, RAG_E_DATA, "a question is a string");
    int rc = rag_unicode_clean(s, strlen(s), &b, err);
    if (!rc) {
        free(*to);
        *to = NULL;
        rc = rag_buf_steal(&b, to, NULL, err);
    }
    rag_buf_free(&b);
    return rc;
}

static int take_variants(const json_t *o, rag_desk_entry *e, rag_error *err) {
    json_t *list = json_object_get(o, "variants"), *v;
    size_t i;
    int rc = 0;
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list) || json_array_size(list) > RAG_DESK_VARIANTS_MAX)
        return rag_error_set(err, RAG_E_DATA,
                             "\"variants\" is a list of at most %d questions",
                             RAG_DESK_VARIANTS_MAX);
    for (i = 0; i < e->nvariants; i++)
        free(e->variants[i]);
    free(e->variants);
    e->nvariants = 0;
    e->variants = calloc(json_array_size(list) + 1, sizeof *e->variants);
    if (!e->variants)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for an entry");
    json_array_foreach(list, i, v) {
        rc = take_question(v, &e->variants[e->nvariants], err);
        if (rc)
            break;
        e->nvariants++;
    }
    return rc;
}

static int take_time(const json_t *o, const char *key, bool end, int64_t *to,
                     rag_error *err) {
    const char *s = NULL;
    long long t;
    int rc = rag_json_str(o, key, NULL, &s, err);
    if (rc || !s)
        return rc;
    if (!*s) { /* "" takes the limit away */
        *to = RAG_TIME_NONE;
        return 0;
    }
    rc = rag_str_to_time(s, end, &t, err);
    if (rc)
        return rag_error_prefix(err, "\"%s\"", key);
    *to = t;
    return 0;
}

/* Fields of a request over e. */
static int take_entry(const json_t *o, rag_desk_entry *e, rag_error *err) {
    const struct {
        const char *key;
        char **to;
    } text[] = {{"id", &e->id},
                {"answer", &e->answer},
                {"lang", &e->lang},
                {"collection", &e->collection},
                {"category", &e->category},
                {"url", &e->url},
                {"note", &e->note},
                {"by", &e->author}};
    int rc = 0;
    for (size_t i = 0; i < sizeof text / sizeof text[0] && !rc; i++)
        rc = take_str(o, text[i].key, text[i].to, err);
    json_t *question = json_object_get(o, "question");
    if (!rc && question && !json_is_null(question))
        rc = take_question(question, &e->question, err);
    if (!rc)
        rc = take_variants(o, e, err);
    if (!rc)
        rc = take_time(o, "valid_from", false, &e->valid_from, err);
    if (!rc)
        rc = take_time(o, "valid_until", true, &e->valid_until, err);
    if (!rc && e->question && (!e->lang || !*e->lang)) {
        free(e->lang);
        e->lang = NULL;
        rc = rag_str_dup(rag_unicode_lang(e->question, strlen(e->question)),
                         &e->lang, err);
    }
    return rc;
}

static void entry_init(rag_desk_entry *e) {
    memset(e, 0, sizeof *e);
    e->valid_from = e->valid_until = RAG_TIME_NONE;
}

static int reply_entry(rag_desk *d, const char *id, int64_t version,
                       json_t **out, rag_error *err) {
    rag_desk_entry e;
    int rc = rag_deskdb_get(d->db, id, version, &e, err);
    if (rc)
        return rc;
    *out = rag_desk_entry_json(&e);
    rag_desk_entry_free(&e);
    return 0;
}

static int need_id(const json_t *body, const char **id, rag_error *err) {
    int rc = rag_json_str(body, "id", NULL, id, err);
    if (!rc && (!*id || !**id))
        rc = rag_error_set(err, RAG_E_DATA, "\"id\" is missing");
    return rc;
}

/* ---- the store's entries ------------------------------------------------------- */

/* The question of a FAQ document, found by its own answer's words; its id
 * when that finds it not. */
static int store_question(rag_index *ix, const char *id, const char *answer,
                          char **out, rag_error *err) {
    rag_index_result r = {0};
    size_t n = strlen(answer);
    const char *title = id;
    rag_index_query q = {.text = answer,
                         .len = rag_utf8_floor(answer, n, n < 300 ? n : 300),
                         .k = 50,
                         .kind = RAG_DOC_FAQ,
                         .now = RAG_TIME_NONE,
                         .vector_weight = 0};
    int rc = rag_index_search(ix, &q, &r, err);
    for (size_t i = 0; i < r.n && !rc; i++)
        if (r.hits[i].doc && strcmp(r.hits[i].doc, id) == 0 &&
            r.hits[i].title && *r.hits[i].title)
            title = r.hits[i].title;
    if (!rc)
        rc = rag_str_dup(title, out, err);
    rag_index_result_free(&r);
    return rc;
}

/* A document of the store as an entry to copy; RAG_E_NOTFOUND. Its other
 * wordings stay in the file. */
static int from_store(rag_pipeline *p, const char *id, rag_desk_entry *e,
                      rag_error *err) {
    rag_index *ix = NULL;
    rag_serving *store = p ? rag_pipeline_uses(p)->store : NULL;
    entry_init(e);
    int rc = store ? rag_serving_borrow(store, &ix, err) : RAG_E_NOINPUT;
    if (!rc)
        rc = rag_index_text(ix, id, 0, RAG_DESK_ANSWER_MAX, &e->answer, NULL,
                            err);
    if (rc == RAG_E_NOTFOUND || rc == RAG_E_NOINPUT)
        rc = rag_error_set(err, RAG_E_NOTFOUND, "there is no entry \"%s\"", id);
    if (!rc)
        rc = store_question(ix, id, e->answer, &e->question, err);
    if (store)
        rag_serving_return(store, ix);
    if (!rc)
        rc = rag_str_dup(id, &e->id, err);
    if (rc)
        rag_desk_entry_free(e);
    return rc;
}

/* ---- rag faq --------------------------------------------------------------------- */

static int faq_list(rag_desk *d, const json_t *body, bool live, json_t **out,
                    rag_error *err) {
    const char *state = NULL;
    int64_t limit;
    rag_desk_filter f = {.state = live ? RAG_DESK_APPROVED : -1};
    rag_desk_list l = {0};
    int rc = rag_json_str(body, "state", NULL, &state, err);
    if (!rc)
        rc = rag_json_str(body, "collection", NULL, &f.collection, err);
    if (!rc)
        rc = rag_json_str(body, "contains", NULL, &f.contains, err);
    if (!rc)
        rc = rag_json_str(body, "after", NULL, &f.after, err);
    if (!rc)
        rc = rag_json_int(body, "limit", live ? RAG_DESK_ENTRIES_MAX : 100, 1,
                          RAG_DESK_ENTRIES_MAX, &limit, err);
    if (rc)
        return rc;
    if (state && strcmp(state, "all") != 0) {
        for (f.state = 0; f.state < RAG_DESK_STATES; f.state++)
            if (strcmp(state, rag_desk_state_name(f.state)) == 0)
                break;
        if (f.state == RAG_DESK_STATES)
            return rag_error_set(err, RAG_E_DATA, "no state is called \"%s\"",
                                 state);
    }
    f.limit = (size_t)limit;
    rc = rag_deskdb_list(d->db, &f, &l, err);
    if (rc)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < l.n; i++)
        json_array_append_new(list, rag_desk_entry_json(&l.v[i]));
    *out = json_pack("{so sb}", "entries", list, "more", l.more);
    rag_desk_list_free(&l);
    return 0;
}

static int faq_get(rag_desk *d, const json_t *body, json_t **out,
                   rag_error *err) {
    const char *id;
    int64_t version;
    int rc = need_id(body, &id, err);
    if (!rc)
        rc = rag_json_int(body, "version", 0, 0, INT64_MAX, &version, err);
    return rc ? rc : reply_entry(d, id, version, out, err);
}

static int faq_history(rag_desk *d, const json_t *body, json_t **out,
                       rag_error *err) {
    const char *id;
    rag_desk_list l = {0};
    int rc = need_id(body, &id, err);
    if (!rc)
        rc = rag_deskdb_history(d->db, id, &l, err);
    if (rc)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < l.n; i++)
        json_array_append_new(list, rag_desk_entry_json(&l.v[i]));
    *out = json_pack("{ss so}", "id", id, "versions", list);
    rag_desk_list_free(&l);
    return 0;
}

/* Approves without making the picture anew. */
static int approve_one(rag_desk *d, const char *id, int64_t version,
                       const char *who, bool two_persons, rag_error *err) {
    rag_desk_entry e = {0};
    float *v = NULL;
    int rc = rag_deskdb_get(d->db, id, version, &e, err);
    if (!rc && d->encoder)
        rc = rag_desk_encode(d, &e, &v, err);
    if (!rc) {
        rag_desk_vectors vec = {d->info.fingerprint, d->info.dim,
                                1 + e.nvariants, v};
        rc = rag_deskdb_approve(d->db, id, e.version, who, v ? &vec : NULL,
                                two_persons, err);
    }
    free(v);
    rag_desk_entry_free(&e);
    return rc;
}

static int faq_approve(rag_desk *d, const json_t *body, json_t **out,
                       rag_error *err) {
    const char *id, *by = NULL;
    int64_t version;
    int rc = need_id(body, &id, err);
    if (!rc)
        rc = rag_json_int(body, "version", 0, 0, INT64_MAX, &version, err);
    if (!rc)
        rc = rag_json_str(body, "by", "", &by, err);
    if (!rc)
        rc = approve_one(d, id, version, by, d->two_persons, err);
    if (!rc)
        rc = rag_desk_refresh(d, err);
    return rc ? rc : reply_entry(d, id, -1, out, err);
}

static int faq_retire(rag_desk *d, rag_pipeline *p, const json_t *body,
                      json_t **out, rag_error *err) {
    const char *id, *by = NULL, *note = NULL;
    rag_desk_entry copy = {0}, known;
    bool copied = false;
    int rc = need_id(body, &id, err);
    if (!rc)
        rc = rag_json_str(body, "by", "", &by, err);
    if (!rc)
        rc = rag_json_str(body, "note", "", &note, err);
    if (rc)
        return rc;
    rc = rag_deskdb_get(d->db, id, 0, &known, err);
    if (!rc) {
        rag_desk_entry_free(&known);
    } else if (rc == RAG_E_NOTFOUND) {
        rc = from_store(p, id, &copy, err);
        copied = !rc;
    }
    if (!rc)
        rc = rag_deskdb_retire(d->db, id, by, note, copied ? &copy : NULL, err);
    if (copied)
        rag_desk_entry_free(&copy);
    if (!rc)
        rc = rag_desk_refresh(d, err);
    return rc ? rc : reply_entry(d, id, 0, out, err);
}

static int faq_add(rag_desk *d, const json_t *body, json_t **out,
                   rag_error *err) {
    rag_desk_entry e;
    char *id = NULL;
    int64_t version = 0;
    entry_init(&e);
    int rc = take_entry(body, &e, err);
    /* A new entry: the id must not be taken. */
    if (!rc)
        rc = rag_deskdb_put(d->db, &e, 0, &id, &version, err);
    rag_desk_entry_free(&e);
    if (!rc)
        rc = reply_entry(d, id, version, out, err);
    free(id);
    return rc;
}

static int faq_edit(rag_desk *d, rag_pipeline *p, const json_t *body,
                    json_t **out, rag_error *err) {
    const char *id;
    rag_desk_entry e;
    int64_t base, version = 0;
    int rc = need_id(body, &id, err);
    if (!rc)
        rc = rag_json_int(body, "base", -1, 0, INT64_MAX, &base, err);
    if (rc)
        return rc;
    rc = rag_deskdb_get(d->db, id, 0, &e, err);
    if (rc == RAG_E_NOTFOUND)
        rc = from_store(p, id, &e, err);
    if (rc)
        return rc;
    free(e.author);
    free(e.note);
    e.author = e.note = NULL;
    rc = take_entry(body, &e, err);
    if (!rc)
        rc = rag_deskdb_put(d->db, &e, base, NULL, &version, err);
    rag_desk_entry_free(&e);
    return rc ? rc : reply_entry(d, id, version, out, err);
}

static bool same_words(const rag_desk_entry *a, const rag_desk_entry *b) {
    bool same =
        strcmp(a->question, b->question) == 0 &&
        strcmp(a->answer, b->answer) == 0 && a->nvariants == b->nvariants &&
        a->valid_from == b->valid_from && a->valid_until == b->valid_until;
    for (size_t i = 0; same && i < a->nvariants; i++)
        same = strcmp(a->variants[i], b->variants[i]) == 0;
    return same;
}

/* One line of an import. What the desk has in the same words stays. */
static int import_one(rag_desk *d, const json_t *o, const char *by,
                      bool approve, size_t *added, size_t *same,
                      rag_error *err) {
    rag_desk_entry e, known = {0};
    char *id = NULL;
    int64_t version = 0;
    entry_init(&e);
    int rc = json_is_object(o)
                 ? take_entry(o, &e, err)
                 : rag_error_set(err, RAG_E_DATA, "an entry is a JSON object");
    if (!rc && !e.author)
        rc = rag_str_dup(by, &e.author, err);
    if (!rc && (!e.question || !e.answer))
        rc = rag_error_set(err, RAG_E_DATA,
                           "an entry needs question and answer");
    if (!rc && e.id && *e.id &&
        rag_deskdb_get(d->db, e.id, 0, &known, NULL) == 0 &&
        known.state != RAG_DESK_RETIRED && same_words(&e, &known) &&
        (known.state == RAG_DESK_APPROVED || !approve)) {
        (*same)++;
    } else if (!rc) {
        rc = rag_deskdb_put(d->db, &e, -1, &id, &version, err);
        if (!rc && approve)
            rc = approve_one(d, id, version, by, d->two_persons, err);
        *added += !rc;
    }
    free(id);
    rag_desk_entry_free(&e);
    rag_desk_entry_free(&known);
    return rc;
}

static int faq_import(rag_desk *d, const json_t *body, json_t **out,
                      rag_error *err) {
    const char *by = NULL;
    bool approve = false;
    size_t i, added = 0, same = 0;
    json_t *list = json_object_get(body, "entries"), *o;
    int rc = rag_json_str(body, "by", "", &by, err);
    if (!rc)
        rc = rag_json_bool(body, "approve", false, &approve, err);
    if (!rc &&
        (!json_is_array(list) || json_array_size(list) > RAG_DESK_IMPORT_MAX))
        rc = rag_error_set(err, RAG_E_DATA,
                           "\"entries\" is a list of at most %d entries",
                           RAG_DESK_IMPORT_MAX);
    if (rc)
        return rc;
    json_t *failed = json_array();
    json_array_foreach(list, i, o) {
        rag_error why = {0};
        if (!import_one(d, o, by, approve, &added, &same, &why))
            continue;
        json_t *id = json_object_get(o, "id");
        json_array_append_new(failed, json_pack("{sI sO? ss}", "number",
                                                (json_int_t)i + 1, "id", id,
                                                "message", why.message));
    }
    rc = rag_desk_refresh(d, err);
    if (rc)
        json_decref(failed);
    else
        *out = json_pack("{sI sI so}", "added", (json_int_t)added, "unchanged",
                         (json_int_t)same, "failed", failed);
    return rc;
}

int rag_desk_faq(rag_desk *d, rag_pipeline *p, const json_t *body, json_t **out,
                 rag_error *err) {
    const char *op = NULL;
    int rc = rag_json_str(body, "op", "list", &op, err);
    if (rc)
        return rc;
    if (strcmp(op, "list") == 0)
        return faq_list(d, body, false, out, err);
    if (strcmp(op, "get") == 0)
        return faq_get(d, body, out, err);
    if (strcmp(op, "history") == 0)
        return faq_history(d, body, out, err);
    if (strcmp(op, "export") == 0)
        return faq_list(d, body, true, out, err);
    if (strcmp(op, "add") == 0)
        return faq_add(d, body, out, err);
    if (strcmp(op, "edit") == 0)
        return faq_edit(d, p, body, out, err);
    if (strcmp(op, "approve") == 0)
        return faq_approve(d, body, out, err);
    if (strcmp(op, "retire") == 0)
        return faq_retire(d, p, body, out, err);
    if (strcmp(op, "import") == 0)
        return faq_import(d, body, out, err);
    if (strcmp(op, "draft") == 0)
        return rag_desk_draft(d, p, body, out, err);
    return rag_error_set(err, RAG_E_DATA, "faq cannot \"%s\"", op);
}
