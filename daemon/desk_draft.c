/*
 * desk_draft.c - proposing an entry from the documents; feedback; the queue;
 * which request goes where.
 *
 * A proposal is a draft like any other: it answers nobody until a person has
 * approved it. What it was made from is kept with it as citations.
 */
#include "daemon/desk_int.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define PASSAGES 5
#define VARIANTS_TAKEN 5
#define QUEUE_MAX 1000

/* ---- proposing an answer -------------------------------------------------------- */

/* The answer without its [n] marks. */
static int without_marks(const char *s, rag_buf *out, rag_error *err) {
    int rc = 0;
    while (*s && !rc) {
        size_t n = strcspn(s, "[");
        rc = rag_buf_append(out, s, n, err);
        s += n;
        size_t digits = *s ? strspn(s + 1, "0123456789") : 0;
        if (*s && digits && s[1 + digits] == ']') {
            s += digits + 2;
            while (out->len && out->data[out->len - 1] == ' ')
                out->data[--out->len] = '\0';
        } else if (*s && !rc) {
            rc = rag_buf_append_char(out, *s++, err);
        }
    }
    return rc;
}

/* What the pipeline refuses to a customer a person may still want to read:
 * the sentences nearest to the question. */
static int nearest_sentences(rag_pipeline *p, const char *question,
                             const char *collection, rag_buf *answer,
                             json_t *citations, rag_error *err) {
    rag_found f = {0};
    rag_evidence ev = {0};
    rag_passage passages[PASSAGES];
    rag_search s = {.query = question,
                    .len = strlen(question),
                    .k = PASSAGES,
                    .chunks = 1,
                    .collection = collection,
                    .weight = -1};
    size_t n = 0;
    int rc = rag_pipeline_search(p, &s, &f, err);
    for (size_t i = 0; !rc && i < f.result.n && n < PASSAGES; i++)
        passages[n++] = rag_pipeline_passage(&f.result.hits[i]);
    if (!rc && !n)
        rc = rag_error_set(err, RAG_E_NOTFOUND,
                           "the documents hold nothing near to it");
    rag_evidence_options opt = {.max_tokens = 200, .max_items = 1};
    if (!rc)
        rc = rag_evidence_select(f.query, passages, n, &opt,
                                 rag_pipeline_uses(p)->sentences, &ev, err);
    if (!rc && !ev.n)
        rc = rag_error_set(err, RAG_E_NOTFOUND,
                           "the documents hold nothing near to it");
    if (!rc) {
        const rag_evidence_item *it = &ev.items[0];
        const rag_passage *from = &passages[it->passage];
        rc = rag_buf_append(answer, it->text, it->end - it->start, err);
        json_array_append_new(
            citations,
            json_pack("{si ss ss sI sI sI ss%}", "n", 1, "doc", from->doc,
                      "title", from->title ? from->title : "", "chunk",
                      (json_int_t)from->chunk, "start", (json_int_t)it->start,
                      "end", (json_int_t)it->end, "quote", it->text,
                      it->end - it->start));
    }
    rag_found_free(&f);
    return rc;
}

typedef struct proposal {
    const char *question, *collection, *by, *id;
    const rag_desk_group *group; /* NULL: of a question alone */
    rag_buf answer;
    json_t *citations;
    const char *note;
} proposal;

static int propose(rag_pipeline *p, proposal *x, rag_error *err) {
    rag_answer a = {0};
    rag_ask ask = {.question = x->question,
                   .len = strlen(x->question),
                   .collection = x->collection,
                   .unrecorded = true};
    int rc = rag_pipeline_ask(p, &ask, &a, err);
    x->note = "from an answer";
    if (!rc && (a.status == RAG_ANSWERED || a.status == RAG_ANSWER_EXTRACT)) {
        x->citations = rag_answer_citations(&a);
        rc = without_marks(a.text, &x->answer, err);
        if (a.status == RAG_ANSWER_EXTRACT)
            x->note = "quoted from the documents";
    } else if (!rc && a.status == RAG_ANSWER_FAQ) {
        rc = rag_error_set(err, RAG_E_CONFLICT,
                           "entry \"%s\" answers that already",
                           a.nsources ? a.sources[0].doc : "?");
    } else if (!rc) {
        x->citations = json_array();
        x->note = "nearest sentences; the documents may not answer it";
        rc = nearest_sentences(p, x->question, x->collection, &x->answer,
                               x->citations, err);
    }
    rag_answer_free(&a);
    return rc;
}

static int put_draft(rag_desk *d, const proposal *x, char **id,
                     int64_t *version, rag_error *err) {
    rag_buf citations;
    rag_desk_entry e = {.valid_from = RAG_TIME_NONE,
                        .valid_until = RAG_TIME_NONE};
    rag_buf_init(&citations, 0);
    int rc = rag_json_dump(x->citations, &citations, err);
    const struct {
        const char *from;
        char **to;
    } text[] = {{x->id, &e.id},
                {x->question, &e.question},
                {rag_buf_str(&x->answer), &e.answer},
                {x->collection, &e.collection},
                {rag_buf_str(&citations), &e.citations},
                {x->by, &e.author},
                {x->note, &e.note}};
    for (size_t i = 0; i < sizeof text / sizeof text[0] && !rc; i++)
        rc = rag_str_dup(text[i].from ? text[i].from : "", text[i].to, err);
    const rag_desk_group *g = x->group;
    if (!rc && g) {
        rc = rag_str_dup(g->lang, &e.lang, err);
        e.variants = calloc(g->nexamples + 1, sizeof *e.variants);
        if (!e.variants)
            rc = rag_error_set(err, RAG_E_NOMEM, "no memory for an entry");
        for (size_t i = 0; !rc && i < g->nexamples && i < VARIANTS_TAKEN; i++)
            if (!(rc = rag_str_dup(g->examples[i], &e.variants[e.nvariants],
                                   err)))
                e.nvariants++;
    }
    if (!rc)
        rc = rag_deskdb_put(d->db, &e, *x->id ? 0 : -1, id, version, err);
    rag_desk_entry_free(&e);
    rag_buf_free(&citations);
    return rc;
}

int rag_desk_draft(rag_desk *d, rag_pipeline *p, const json_t *body,
                   json_t **out, rag_error *err) {
    proposal x = {0};
    rag_desk_groups g = {0};
    int64_t group, version = 0;
    char *id = NULL;
    rag_buf_init(&x.answer, 0);
    int rc = rag_json_str(body, "question", NULL, &x.question, err);
    if (!rc)
        rc = rag_json_str(body, "collection", NULL, &x.collection, err);
    if (!rc)
        rc = rag_json_str(body, "by", "", &x.by, err);
    if (!rc)
        rc = rag_json_str(body, "id", "", &x.id, err);
    if (!rc)
        rc = rag_json_int(body, "group", 0, 0, INT64_MAX, &group, err);
    if (!rc && group) {
        rag_desk_flush(d);
        rc = rag_deskdb_group(d->db, group, &g, err);
        x.group = rc ? NULL : &g.v[0];
        if (!rc && !x.question)
            x.question = g.v[0].question;
    }
    if (!rc && !x.question)
        rc = rag_error_set(err, RAG_E_DATA,
                           "draft needs a \"question\" or a \"group\"");
    if (!rc)
        rc = propose(p, &x, err);
    if (!rc)
        rc = put_draft(d, &x, &id, &version, err);
    if (!rc && group)
        rc = rag_deskdb_group_set(d->db, group, "drafted", id, x.by, err);
    rag_desk_entry e = {0};
    if (!rc)
        rc = rag_deskdb_get(d->db, id, version, &e, err);
    if (!rc)
        *out = rag_desk_entry_json(&e);
    rag_desk_entry_free(&e);
    rag_desk_groups_free(&g);
    json_decref(x.citations);
    rag_buf_free(&x.answer);
    free(id);
    return rc;
}

/* ---- feedback, queue --------------------------------------------------------------- */

static int feedback(rag_desk *d, const json_t *body, json_t **out,
                    rag_error *err) {
    const char *said = NULL, *vote = NULL, *comment = NULL, *by = NULL;
    char *id = NULL;
    rag_buf masked;
    rag_buf_init(&masked, 0);
    int rc = rag_json_str(body, "id", NULL, &said, err);
    if (!rc)
        rc = rag_json_str(body, "vote", "", &vote, err);
    if (!rc)
        rc = rag_json_str(body, "comment", "", &comment, err);
    if (!rc)
        rc = rag_json_str(body, "by", "", &by, err);
    int up = rc                          ? 0
             : strcmp(vote, "up") == 0   ? 1
             : strcmp(vote, "down") == 0 ? -1
                                         : 0;
    if (!rc && (!said || !up))
        rc = rag_error_set(err, RAG_E_DATA,
                           "feedback needs an \"id\" and a \"vote\": up or "
                           "down");
    if (!rc)
        rc = rag_desk_resolve(d, said, &id, err);
    if (!rc) {
        rag_desk_mask(d, NULL, comment, strlen(comment), &masked);
        rc = rag_deskdb_feedback(d->db, id, up, rag_buf_str(&masked), by, err);
    }
    if (!rc)
        *out = json_pack("{ss ss}", "id", id, "vote", vote);
    rag_buf_free(&masked);
    free(id);
    return rc;
}

static json_t *strings(char *const *s, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(s[i]));
    return list;
}

static json_t *group_json(const rag_desk_group *g) {
    return json_pack("{sI sI ss ss ss ss ss so so so so}", "group",
                     (json_int_t)g->id, "count", (json_int_t)g->count,
                     "question", g->question, "lang", g->lang, "why", g->why,
                     "state", g->state, "entry", g->entry, "first_at",
                     rag_desk_time_json(g->first_at), "last_at",
                     rag_desk_time_json(g->last_at), "examples",
                     strings(g->examples, g->nexamples), "exchanges",
                     strings(g->exchanges, g->nexchanges));
}

static int queue_list(rag_desk *d, const json_t *body, json_t **out,
                      rag_error *err) {
    const char *state = NULL;
    int64_t limit;
    rag_desk_groups g = {0};
    int rc = rag_json_str(body, "state", NULL, &state, err);
    if (!rc)
        rc = rag_json_int(body, "limit", 50, 1, QUEUE_MAX, &limit, err);
    if (!rc)
        rc = rag_deskdb_queue(d->db, state, (size_t)limit, &g, err);
    if (rc)
        return rc;
    json_t *list = json_array();
    for (size_t i = 0; i < g.n; i++)
        json_array_append_new(list, group_json(&g.v[i]));
    *out = json_pack("{so sI}", "groups", list, "open", (json_int_t)g.open);
    rag_desk_groups_free(&g);
    return 0;
}

static int queue(rag_desk *d, const json_t *body, json_t **out,
                 rag_error *err) {
    const char *op = NULL, *by = NULL;
    int64_t group;
    rag_desk_groups g = {0};
    int rc = rag_json_str(body, "op", "list", &op, err);
    if (!rc)
        rc = rag_json_str(body, "by", "", &by, err);
    if (!rc)
        rc = rag_json_int(body, "group", 0, 0, INT64_MAX, &group, err);
    if (rc)
        return rc;
    rag_desk_flush(d);
    if (strcmp(op, "list") == 0)
        return queue_list(d, body, out, err);
    const char *state = strcmp(op, "dismiss") == 0  ? "dismissed"
                        : strcmp(op, "reopen") == 0 ? "open"
                                                    : NULL;
    if (!state)
        return rag_error_set(err, RAG_E_DATA, "queue cannot \"%s\"", op);
    rc = rag_deskdb_group_set(d->db, group, state, NULL, by, err);
    if (!rc)
        rc = rag_deskdb_group(d->db, group, &g, err);
    if (!rc)
        *out = group_json(&g.v[0]);
    rag_desk_groups_free(&g);
    return rc;
}

/* ---- which -------------------------------------------------------------------------- */

int rag_desk_call(rag_desk *d, rag_pipeline *p, const char *path,
                  const json_t *body, json_t **out, rag_error *err) {
    int rc;
    *out = NULL;
    if (!d)
        return rag_error_set(err, RAG_E_UNAVAILABLE,
                             "this ragd runs without a desk");
    if (strcmp(path, "/v1/faq") == 0)
        rc = rag_desk_faq(d, p, body, out, err);
    else if (strcmp(path, "/v1/feedback") == 0)
        rc = feedback(d, body, out, err);
    else if (strcmp(path, "/v1/queue") == 0)
        rc = queue(d, body, out, err);
    else if (strcmp(path, "/v1/audit") == 0)
        rc = rag_desk_audit_call(d, body, out, err);
    else if (strcmp(path, "/v1/replay") == 0)
        rc = rag_desk_replay(d, p, body, out, err);
    else
        rc = rag_error_set(err, RAG_E_NOTFOUND, "the desk has no %s", path);
    if (!rc && !*out)
        rc = rag_error_set(err, RAG_E_NOMEM, "no memory for a reply");
    return rc;
}
