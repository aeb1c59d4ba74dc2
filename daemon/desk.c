/*
 * desk.c - the desk's life: picture of live entries, masking, recorder.
 *
 * Owns desk.db while ragd runs. Invariants:
 *   1. live is replaced only after the change it shows is durable;
 *   2. what the recorder has taken is written in the order it came, several
 *      in one transaction, so that answering never waits for a disk;
 *   3. _close writes everything that was handed over.
 */
#include "daemon/desk_int.h"

#include "daemon/faq.h"
#include "daemon/followup.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/unicode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define OPEN_WAIT_MS 5000.0 /* for a predecessor to let go */
#define BATCH 256
#define JOINED 1 /* entries put among a search's hits */
#define JOIN_COSINE 0.82 /* what is less near is not worth looking at */
#define ENCODE_BATCH 32
#define TRIES 3
#define TRY_AGAIN_MS 200.0

/* ---- the picture ----------------------------------------------------------- */

rag_desk_live *rag_desk_live_now(rag_desk *d) {
    if (!d)
        return NULL;
    pthread_mutex_lock(&d->live_lock);
    rag_desk_live *l = rag_desk_live_ref(d->live);
    pthread_mutex_unlock(&d->live_lock);
    return l;
}

int rag_desk_refresh(rag_desk *d, rag_error *err) {
    rag_desk_live *l;
    int rc = rag_deskdb_live(d->db, d->encoder ? d->info.fingerprint : NULL,
                             d->encoder ? d->info.dim : 0, &l, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&d->live_lock);
    rag_desk_live *old = d->live;
    d->live = l;
    d->revision++;
    pthread_mutex_unlock(&d->live_lock);
    rag_desk_live_unref(old);
    return 0;
}

uint64_t rag_desk_revision(rag_desk *d) {
    if (!d)
        return 0;
    pthread_mutex_lock(&d->live_lock);
    uint64_t n = d->revision;
    pthread_mutex_unlock(&d->live_lock);
    return n;
}

bool rag_desk_answers(rag_desk *d) {
    rag_desk_live *l = rag_desk_live_now(d);
    bool any = rag_desk_live_count(l) > 0;
    rag_desk_live_unref(l);
    return any;
}

void rag_desk_hide(rag_desk *d, rag_index_result *r) {
    rag_desk_live *l = rag_desk_live_now(d);
    rag_desk_live_filter(l, r);
    rag_desk_live_unref(l);
}

int rag_desk_exact(rag_desk *d, const char *key, size_t len,
                   const char *collection, rag_index_result *r,
                   rag_error *err) {
    rag_desk_live *l = rag_desk_live_now(d);
    rag_desk_live_filter(l, r);
    int rc = rag_desk_live_exact(l, key, len, collection, 0, r, err);
    rag_desk_live_unref(l);
    return rc;
}

int rag_desk_join(rag_desk *d, const char *question, const float *vector,
                  const char *collection, rag_index_result *r, rag_error *err) {
    rag_desk_live *l = rag_desk_live_now(d);
    rag_desk_live_filter(l, r);
    int rc = rag_desk_live_join(l, question, vector, collection, 0, JOINED,
                                JOIN_COSINE, r, err);
    rag_desk_live_unref(l);
    return rc;
}

int rag_desk_near(rag_desk *d, const float *vector, const char *collection,
                  double least, rag_index_result *r, rag_error *err) {
    rag_desk_live *l = rag_desk_live_now(d);
    rag_desk_live_filter(l, r);
    int rc = rag_desk_live_near(l, vector, collection, 0, 8, least, r, err);
    rag_desk_live_unref(l);
    return rc;
}

int64_t rag_desk_version(rag_desk *d, const char *id) {
    rag_desk_live *l = rag_desk_live_now(d);
    int64_t v = id ? rag_desk_live_version(l, id) : 0;
    rag_desk_live_unref(l);
    return v;
}

/* ---- vectors ---------------------------------------------------------------- */

int rag_desk_encode(rag_desk *d, const rag_desk_entry *e, float **v,
                    rag_error *err) {
    rag_text text[1 + RAG_DESK_VARIANTS_MAX];
    size_t n = 1 + e->nvariants;
    *v = NULL;
    if (n > sizeof text / sizeof text[0])
        return rag_error_set(err, RAG_E_LIMIT, "too many other wordings");
    text[0] = (rag_text){e->question, strlen(e->question)};
    for (size_t i = 0; i < e->nvariants; i++)
        text[i + 1] = (rag_text){e->variants[i], strlen(e->variants[i])};
    float *rows = calloc(n * (size_t)d->info.dim, sizeof *rows);
    if (!rows)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for vectors");
    int rc = rag_encoder_encode(d->encoder, RAG_TEXT_QUERY, text, n, rows, NULL,
                                err);
    if (rc) {
        free(rows);
        return rc;
    }
    *v = rows;
    return 0;
}

/* Entries approved while there was no encoder, or another one. */
static int encode_missing(rag_desk *d, rag_error *err) {
    rag_desk_live *l = rag_desk_live_now(d);
    size_t made = 0;
    int rc = 0;
    for (size_t i = 0; i < rag_desk_live_count(l) && !rc; i++) {
        const rag_desk_entry *e;
        float *v = NULL;
        if (!rag_desk_live_lacks_vectors(l, i, &e))
            continue;
        rc = rag_desk_encode(d, e, &v, err);
        if (!rc) {
            rag_desk_vectors vec = {d->info.fingerprint, d->info.dim,
                                    1 + e->nvariants, v};
            rc = rag_deskdb_set_vectors(d->db, e->id, e->version, &vec, err);
            made++;
        }
        free(v);
    }
    rag_desk_live_unref(l);
    if (made)
        rag_log(RAG_LOG_INFO, "desk.encode", RAG_I("entries", made));
    return rc || !made ? rc : rag_desk_refresh(d, err);
}

/* ---- ids --------------------------------------------------------------------- */

void rag_desk_new_id(char out[RAG_ANSWER_ID_MAX]) {
    /* Crockford's base 32: nothing that is misheard or misread. */
    static const char digit[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char r[RAG_ANSWER_ID_MAX - 1];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r) {
        /* Unique enough without the system's help: time and address. */
        uint64_t x = (uint64_t)(rag_clock_ms() * 1e6) ^ (uintptr_t)out;
        for (size_t i = 0; i < sizeof r; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            r[i] = (unsigned char)(x >> 40);
        }
    }
    for (size_t i = 0; i < sizeof r; i++)
        out[i] = digit[r[i] & 31];
    out[sizeof r] = '\0';
}

void rag_desk_code(const char *id, char out[RAG_ANSWER_CODE_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < 6 && id[i]; i++) {
        if (i == 3)
            out[n++] = '-';
        out[n++] = (char)toupper((unsigned char)id[i]);
    }
    out[n] = '\0';
}

int rag_desk_code_line(const char *lang, const char *code, rag_buf *out,
                       rag_error *err) {
    return rag_buf_printf(out, err,
                          strcmp(lang, "ko") == 0 ? " (상담 코드: %s)"
                                                  : " (Reference: %s)",
                          code);
}

struct rag_conversations *rag_desk_conversations(rag_desk *d) {
    return d ? d->conversations : NULL;
}

int64_t rag_desk_hit_version(const rag_index_hit *hit) {
    return hit->chunk < 0 ? -hit->chunk : 0;
}

int rag_desk_resolve(rag_desk *d, const char *said, char **id, rag_error *err) {
    char plain[RAG_DESK_ID_MAX + 1];
    size_t n = 0;
    rag_desk_audits a;
    *id = NULL;
    if (strlen(said) > RAG_DESK_ID_MAX)
        return rag_error_set(err, RAG_E_DATA, "that is no id");
    rag_desk_flush(d);
    if (rag_deskdb_audit(d->db, said, 1, &a, NULL) == 0) {
        rag_desk_audits_free(&a);
        return rag_str_dup(said, id, err);
    }
    for (const char *s = said; *s; s++)
        if (*s != '-' && *s != ' ')
            plain[n++] = (char)tolower((unsigned char)*s);
    plain[n] = '\0';
    return rag_deskdb_find(d->db, plain, id, err);
}

/* ---- masking ------------------------------------------------------------------ */

static void mask_into(rag_desk *d, const char *lang, const char *s, size_t n,
                      rag_buf *out, bool *whole) {
    rag_error err = {0};
    *whole = true;
    if (d && !d->mask) { /* masking is off */
        *whole = rag_buf_append(out, s, n, NULL) == 0;
    } else if (!d || n > RAG_PII_TEXT_MAX) {
        *whole = false;
    } else {
        rag_pii_options opt = {.kinds = d->mask,
                               .keep = d->keep,
                               .allow = d->allow,
                               .lang = lang && *lang ? lang : NULL};
        if (rag_pii_mask(d->pii, s, n, &opt, out, NULL, &err)) {
            rag_log(RAG_LOG_WARN, "desk.mask", RAG_S("why", err.message));
            *whole = false;
        }
    }
}

void rag_desk_mask(rag_desk *d, const char *lang, const char *s, size_t n,
                   rag_buf *out) {
    bool whole;
    mask_into(d, lang, s, n, out, &whole);
    if (!whole)
        rag_buf_append_str(out, "[withheld]", NULL);
}

/* Numbers of the contact line: runs of digits with what may join them. */
static int read_contact(rag_desk *d, const char *contact, rag_error *err) {
    size_t n = 0;
    int rc = rag_str_dup(contact ? contact : "", &d->contact, err);
    for (char *s = rc ? NULL : d->contact; s && *s && n < RAG_DESK_ALLOW_MAX;) {
        size_t len = strspn(s, "0123456789-+() ."), digits = 0;
        for (size_t i = 0; i < len; i++)
            digits += s[i] >= '0' && s[i] <= '9';
        if (digits >= 7)
            d->allow[n++] = s;
        s += len;
        size_t gap = strcspn(s, "0123456789+(");
        if (gap) {
            *s = '\0'; /* ends the number; contact is only for this */
            s += gap;
        } else if (!len && *s) {
            s++;
        }
    }
    d->allow[n] = NULL;
    return rc;
}

/* ---- the recorder -------------------------------------------------------------- */

static void waiting_free(rag_desk_waiting *w) {
    for (size_t i = 0; i < w->ndocs; i++)
        free(w->docs[i]);
    free(w->docs);
    free(w->body);
    free(w->question);
    free(w->queue_why);
    free(w->vector);
    free(w);
}

/* Writes a list of at most BATCH; true when it is stored. */
static bool write_all(rag_desk *d, rag_desk_waiting *list, size_t n) {
    rag_error err = {0};
    rag_desk_exchange *x = calloc(n, sizeof *x);
    if (!x)
        return false;
    size_t i = 0;
    for (rag_desk_waiting *w = list; w && i < n; w = w->next)
        x[i++] = (rag_desk_exchange){.id = w->id,
                                     .at = w->at,
                                     .body = w->body,
                                     .docs = (const char *const *)w->docs,
                                     .ndocs = w->ndocs,
                                     .queue_why = w->queue_why,
                                     .question = w->question,
                                     .lang = w->lang,
                                     .vector = w->vector,
                                     .dim = d->info.dim};
    int rc = 0;
    for (int tries = 0; tries < TRIES; tries++) {
        if (tries)
            rag_clock_sleep_ms(TRY_AGAIN_MS);
        if (!(rc = rag_deskdb_record(d->db, x, i, &err)))
            break;
    }
    if (rc)
        rag_log(RAG_LOG_ERROR, "desk.record", RAG_I("lost", i),
                RAG_S("why", err.message));
    free(x);
    return !rc;
}

static void *recorder(void *arg) {
    rag_desk *d = arg;
    rag_error err = {0};
    if (d->encoder && encode_missing(d, &err))
        rag_log(RAG_LOG_WARN, "desk.encode", RAG_S("why", err.message));
    pthread_mutex_lock(&d->lock);
    for (;;) {
        while (!d->first && !d->stop)
            pthread_cond_wait(&d->wake, &d->lock);
        if (!d->first)
            break;
        rag_desk_waiting *list = d->first, *end = list;
        size_t n = 1;
        while (end->next && n < BATCH) {
            end = end->next;
            n++;
        }
        d->first = end->next;
        if (!d->first)
            d->last = &d->first;
        end->next = NULL;
        d->waiting -= n;
        d->busy = true;
        pthread_cond_broadcast(&d->space);
        pthread_mutex_unlock(&d->lock);
        bool stored = write_all(d, list, n);
        while (list) {
            rag_desk_waiting *next = list->next;
            waiting_free(list);
            list = next;
        }
        pthread_mutex_lock(&d->lock);
        d->lost += stored ? 0 : n;
        d->busy = false;
        pthread_cond_broadcast(&d->idle);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

void rag_desk_flush(rag_desk *d) {
    pthread_mutex_lock(&d->lock);
    while (d->running && (d->first || d->busy))
        pthread_cond_wait(&d->idle, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

static void hand_over(rag_desk *d, rag_desk_waiting *w) {
    pthread_mutex_lock(&d->lock);
    while (d->waiting >= RAG_DESK_WAITING_MAX)
        pthread_cond_wait(&d->space, &d->lock);
    *d->last = w;
    d->last = &w->next;
    d->waiting++;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

static int copy_docs(rag_desk_waiting *w, const rag_answer *a, rag_error *err) {
    w->docs = calloc(a->nsources + 1, sizeof *w->docs);
    if (!w->docs)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for a record");
    int rc = 0;
    for (size_t i = 0; i < a->nsources && !rc; i++)
        if (a->sources[i].doc &&
            !(rc = rag_str_dup(a->sources[i].doc, &w->docs[w->ndocs], err)))
            w->ndocs++;
    return rc;
}

static int make_waiting(rag_desk *d, const rag_desk_asked *asked,
                        const rag_answer *a, rag_desk_waiting *w,
                        rag_error *err) {
    rag_buf body, question;
    json_t *v = NULL;
    rag_buf_init(&body, 0);
    rag_buf_init(&question, 0);
    memcpy(w->id, a->id, sizeof w->id);
    w->at = rag_clock_now();
    w->lang = a->lang;
    int rc = rag_desk_body(d, asked, a, &v, err);
    if (!rc)
        rc = rag_json_dump(v, &body, err);
    if (!rc)
        rc = rag_buf_steal(&body, &w->body, NULL, err);
    rag_desk_mask(d, a->lang, asked->question, strlen(asked->question),
                  &question);
    if (!rc)
        rc = rag_buf_steal(&question, &w->question, NULL, err);
    if (!rc)
        rc = copy_docs(w, a, err);
    if (!rc && a->status == RAG_ANSWER_REFUSED)
        rc =
            rag_str_dup(*a->reason ? a->reason : "refused", &w->queue_why, err);
    if (!rc && w->queue_why && asked->vector && d->info.dim > 0) {
        size_t bytes = sizeof(float) * (size_t)d->info.dim;
        w->vector = malloc(bytes);
        if (w->vector)
            memcpy(w->vector, asked->vector, bytes);
    }
    json_decref(v);
    rag_buf_free(&body);
    rag_buf_free(&question);
    return rc;
}

void rag_desk_record(rag_desk *d, const rag_desk_asked *asked,
                     const rag_answer *a) {
    rag_error err = {0};
    if (!d || !d->record || !*a->id)
        return;
    rag_desk_waiting *w = calloc(1, sizeof *w);
    if (w && !make_waiting(d, asked, a, w, &err)) {
        hand_over(d, w);
        return;
    }
    rag_log(RAG_LOG_ERROR, "desk.record", RAG_I("lost", 1),
            RAG_S("why", w ? err.message : "out of memory"));
    if (w)
        waiting_free(w);
    pthread_mutex_lock(&d->lock);
    d->lost++;
    pthread_mutex_unlock(&d->lock);
}

/* ---- life ---------------------------------------------------------------------- */

/* Questions of opposite meaning are never one group of the queue. */
static bool apart(void *user, const char *a, const char *b) {
    rag_guard_result g;
    (void)user;
    return rag_faq_guard(a, b, &g, NULL) ||
           strncmp(g.reason, "opposite", 8) == 0;
}

static int open_db(rag_desk *d, const char *dir, rag_error *err) {
    double until = rag_clock_ms() + OPEN_WAIT_MS;
    int rc;
    while ((rc = rag_deskdb_open(dir, &d->db, err)) == RAG_E_BUSY &&
           rag_clock_ms() < until)
        rag_clock_sleep_ms(50);
    return rc;
}

int rag_desk_open(const rag_desk_options *opt, rag_desk **out, rag_error *err) {
    *out = NULL;
    rag_desk *d = calloc(1, sizeof *d);
    if (!d)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for the desk");
    d->encoder = opt->encoder;
    if (d->encoder)
        rag_encoder_describe(d->encoder, &d->info);
    d->mask = opt->mask;
    d->keep = opt->keep;
    d->two_persons = opt->two_persons;
    d->record = opt->record;
    d->last = &d->first;
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->live_lock, NULL);
    pthread_cond_init(&d->wake, NULL);
    pthread_cond_init(&d->space, NULL);
    pthread_cond_init(&d->idle, NULL);
    int rc = rag_pii_open(0, &d->pii, err);
    if (!rc)
        rc = read_contact(d, opt->contact, err);
    if (!rc)
        rc = rag_conversations_open(&d->conversations, err);
    if (!rc)
        rc = open_db(d, opt->dir, err);
    if (!rc) {
        rag_deskdb_set_apart(d->db, apart, NULL);
        rc = rag_desk_refresh(d, err);
    }
    if (!rc) {
        int e = pthread_create(&d->thread, NULL, recorder, d);
        d->running = !e;
        if (e)
            rc = rag_error_errno(err, RAG_E_NOMEM, e, "thread of the desk");
    }
    if (rc) {
        rag_desk_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

void rag_desk_close(rag_desk *d) {
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_signal(&d->wake);
    pthread_mutex_unlock(&d->lock);
    if (d->running)
        pthread_join(d->thread, NULL);
    rag_desk_live_unref(d->live);
    rag_deskdb_close(d->db);
    rag_pii_close(d->pii);
    rag_conversations_close(d->conversations);
    pthread_cond_destroy(&d->wake);
    pthread_cond_destroy(&d->space);
    pthread_cond_destroy(&d->idle);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->live_lock);
    free(d->contact);
    free(d);
}

json_t *rag_desk_status(rag_desk *d) {
    rag_desk_counts c;
    rag_error err = {0};
    if (!d)
        return json_pack("{ss}", "state", "off");
    if (rag_deskdb_counts(d->db, &c, &err))
        return json_pack("{ss ss}", "state", "failed", "message", err.message);
    pthread_mutex_lock(&d->lock);
    json_int_t waiting = (json_int_t)d->waiting, lost = (json_int_t)d->lost;
    pthread_mutex_unlock(&d->lock);
    return json_pack("{ss sI sI sI sI sI sI sI sI sI}", "state", "open",
                     "entries", (json_int_t)c.entries, "live",
                     (json_int_t)c.live, "drafts", (json_int_t)c.drafts,
                     "queue", (json_int_t)c.groups_open, "recorded",
                     (json_int_t)c.exchanges, "up", (json_int_t)c.up, "down",
                     (json_int_t)c.down, "waiting", waiting, "lost", lost);
}
