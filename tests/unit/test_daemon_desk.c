/*
 * The desk inside ragd: what is approved answers at once and first; what is
 * recorded is masked, in order and complete; hostile requests are refused.
 */
#include "daemon/desk.h"
#include "daemon/desk_int.h"
#include "daemon/faq.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    char dir[64];
    rag_desk *desk;
} fixture;

static void open_desk(fixture *f) {
    rag_error err = {0};
    rag_desk_options opt = {.dir = f->dir,
                            .mask = RAG_PII_DEFAULT,
                            .contact = "전화 02-2345-6789 (평일) 또는 "
                                       "+82-2-2345-6780",
                            .record = true};
    if (rag_desk_open(&opt, &f->desk, &err))
        fail_msg("%s", err.message);
}

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");
    if (!f)
        return -1;
    snprintf(f->dir, sizeof f->dir, "%s/deskXXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(f->dir))
        return -1;
    open_desk(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"desk.db", "desk.db-wal", "desk.db-shm",
                                        "desk.lock"};
    rag_desk_close(f->desk);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

/* The reply of a request, or NULL with its code in *rc. */
static json_t *call(fixture *f, const char *path, const char *text, int *rc) {
    rag_error err = {0};
    json_t *body = NULL, *out = NULL;
    assert_int_equal(rag_json_parse(text, strlen(text), 1 << 20, &body, &err),
                     0);
    *rc = rag_desk_call(f->desk, NULL, path, body, &out, &err);
    json_decref(body);
    assert_true((*rc == 0) == (out != NULL));
    return out;
}

static void good(fixture *f, const char *path, const char *text) {
    int rc;
    json_t *v = call(f, path, text, &rc);
    if (rc)
        fail_msg("%s %s: %d", path, text, rc);
    json_decref(v);
}

static void refused(fixture *f, const char *path, const char *text, int want) {
    int rc;
    json_decref(call(f, path, text, &rc));
    if (rc != want)
        fail_msg("%s %s: %d instead of %d", path, text, rc, want);
}

/* What an exact question gets when the store had one hit with id `other`. */
static rag_index_result exact(fixture *f, const char *question,
                              const char *other) {
    rag_index_result r = {0};
    rag_buf key;
    rag_buf_init(&key, 0);
    if (other) {
        r.hits = calloc(1, sizeof *r.hits);
        r.n = r.documents = 1;
        assert_non_null(r.hits);
        rag_str_dup(other, &r.hits[0].doc, NULL);
        rag_str_dup("from the file", &r.hits[0].text, NULL);
        r.hits[0].chunk = 7;
    }
    rag_terms_key(question, strlen(question), &key, NULL);
    assert_int_equal(
        rag_desk_exact(f->desk, rag_buf_str(&key), key.len, NULL, &r, NULL), 0);
    rag_buf_free(&key);
    return r;
}

static void approved_answers_at_once(void **state) {
    fixture *f = *state;
    rag_index_result r;
    assert_false(rag_desk_answers(f->desk));
    good(f, "/v1/faq",
         "{\"op\":\"add\",\"id\":\"a\",\"question\":\"카드  한도는?\","
         "\"answer\":\"백만 원\",\"variants\":[\"한도 알려줘\"],\"by\":\"k\"}");
    r = exact(f, "카드 한도는", "a");
    assert_int_equal(r.n, 1); /* a draft hides nothing */
    assert_string_equal(r.hits[0].text, "from the file");
    rag_index_result_free(&r);
    good(f, "/v1/faq", "{\"op\":\"approve\",\"id\":\"a\",\"by\":\"l\"}");
    r = exact(f, "카드 한도는", "a");
    assert_int_equal(r.n, 1);
    assert_string_equal(r.hits[0].text, "백만 원");
    assert_int_equal(rag_desk_hit_version(&r.hits[0]), 1);
    rag_index_result_free(&r);
    r = exact(f, "한도 알려줘!", NULL);
    assert_int_equal(r.n, 1);
    rag_index_result_free(&r);
    /* Beside another entry of the store: a choice, as for any two. */
    r = exact(f, "카드 한도는", "b");
    assert_int_equal(r.n, 2);
    assert_int_equal(rag_desk_hit_version(&r.hits[0]), 0);
    rag_faq_match m;
    rag_faq_decide_exact(&r, &m);
    assert_int_equal(m.decision, RAG_FAQ_CLARIFY);
    rag_index_result_free(&r);
    good(f, "/v1/faq", "{\"op\":\"retire\",\"id\":\"a\",\"by\":\"l\"}");
    r = exact(f, "카드 한도는", "a");
    assert_int_equal(r.n, 0);
    rag_index_result_free(&r);
    assert_int_equal(rag_desk_version(f->desk, "a"), 0);
}

static void a_missing_desk_harms_nothing(void **state) {
    (void)state;
    rag_index_result r = {0};
    rag_buf b;
    json_t *out;
    rag_error err = {0};
    rag_buf_init(&b, 0);
    assert_false(rag_desk_answers(NULL));
    rag_desk_hide(NULL, &r);
    assert_int_equal(rag_desk_exact(NULL, "k", 1, NULL, &r, NULL), 0);
    assert_int_equal(rag_desk_near(NULL, NULL, NULL, 0, &r, NULL), 0);
    assert_int_equal(rag_desk_version(NULL, "x"), 0);
    assert_null(rag_desk_conversations(NULL));
    rag_desk_mask(NULL, NULL, "010-1234-5678", 13, &b);
    assert_string_equal(rag_buf_str(&b), "[withheld]");
    rag_buf_free(&b);
    assert_int_equal(rag_desk_call(NULL, NULL, "/v1/faq", NULL, &out, &err),
                     RAG_E_UNAVAILABLE);
    rag_desk_record(NULL, NULL, NULL);
    json_decref(rag_desk_status(NULL));
    rag_desk_close(NULL);
}

/* ---- recording ------------------------------------------------------------- */

static void record(fixture *f, const char *id, const char *question,
                   rag_answer_status status) {
    rag_answer a = {.status = status,
                    .lang = "ko",
                    .ms = {NAN, NAN, NAN, NAN, 3},
                    .confidence = NAN,
                    .generation = 4};
    rag_source s = {.n = 1};
    snprintf(a.id, sizeof a.id, "%s", id);
    char *text = NULL, *doc = NULL, *quote = NULL;
    rag_buf b;
    rag_buf_init(&b, 0);
    rag_buf_append_str(&b, "답: kim@example.com 문의", NULL);
    if (status == RAG_ANSWER_REFUSED) {
        rag_desk_code(a.id, a.code);
        rag_desk_code_line("ko", a.code, &b, NULL);
        snprintf(a.reason, sizeof a.reason, "gate");
    } else {
        rag_str_dup("doc.md", &doc, NULL);
        rag_str_dup("quote", &quote, NULL);
        s.doc = doc;
        s.quote = quote;
        a.sources = &s;
        a.nsources = 1;
    }
    rag_buf_steal(&b, &text, NULL, NULL);
    a.text = text;
    rag_desk_asked asked = {.question = question, .model_encoder = "enc"};
    rag_desk_record(f->desk, &asked, &a);
    free(text);
    free(doc);
    free(quote);
}

static json_t *body_of(fixture *f, const char *id) {
    char text[64];
    int rc;
    snprintf(text, sizeof text, "{\"op\":\"show\",\"id\":\"%s\"}", id);
    json_t *v = call(f, "/v1/audit", text, &rc);
    assert_int_equal(rc, 0);
    json_t *body = json_incref(json_object_get(
        json_array_get(json_object_get(v, "records"), 0), "body"));
    json_decref(v);
    return body;
}

static const char *field(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void records_are_masked_and_found_by_code(void **state) {
    fixture *f = *state;
    record(f, "7k3m9qabcdef", "010-1234-5678로 펀드 되나요",
           RAG_ANSWER_REFUSED);
    record(f, "answered0001", "펀드 되나요 02-2345-6789", RAG_ANSWERED);
    json_t *b = body_of(f, "7K3-M9Q");
    assert_string_equal(field(b, "question"), "[전화번호]로 펀드 되나요");
    assert_string_equal(field(b, "status"), "refused");
    /* Without the code of this asking, so that replays compare. */
    assert_string_equal(field(b, "answer"), "답: [이메일] 문의");
    json_decref(b);
    b = body_of(f, "answered0001");
    /* The company's own number is nobody's data. */
    assert_string_equal(field(b, "question"), "펀드 되나요 02-2345-6789");
    json_t *e = json_array_get(json_object_get(b, "evidence"), 0);
    assert_string_equal(field(e, "doc"), "doc.md");
    assert_int_equal(strlen(field(e, "sha256")), 64);
    json_decref(b);
    refused(f, "/v1/audit", "{\"id\":\"zzzzzz\"}", RAG_E_NOTFOUND);
    refused(f, "/v1/audit", "{\"id\":\"7k3\"}", RAG_E_NOTFOUND);
    int rc;
    json_t *v = call(f, "/v1/queue", "{}", &rc);
    json_t *g = json_object_get(v, "groups");
    assert_int_equal(json_array_size(g), 1); /* only the refused one */
    assert_string_equal(field(json_array_get(g, 0), "question"),
                        "[전화번호]로 펀드 되나요");
    json_decref(v);
}

static void closing_writes_what_waits(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        char id[16];
        snprintf(id, sizeof id, "bulk%08d", i);
        record(f, id, "질문", RAG_ANSWERED);
    }
    rag_desk_close(f->desk);
    f->desk = NULL;
    open_desk(f);
    rag_desk_verdict v;
    assert_int_equal(rag_deskdb_verify(f->desk->db, 0, NULL, &v, NULL), 0);
    assert_true(v.whole);
    assert_int_equal(v.records, 1000);
    /* In the order they came. */
    rag_desk_audits a;
    assert_int_equal(rag_deskdb_audit(f->desk->db, NULL, 1, &a, NULL), 0);
    assert_string_equal(a.v[0].subject, "bulk00000999");
    rag_desk_audits_free(&a);
}

static void ids_are_new_and_codes_read_out(void **state) {
    (void)state;
    char a[RAG_ANSWER_ID_MAX], b[RAG_ANSWER_ID_MAX], code[RAG_ANSWER_CODE_MAX];
    for (int i = 0; i < 1000; i++) {
        rag_desk_new_id(a);
        rag_desk_new_id(b);
        assert_string_not_equal(a, b);
        assert_int_equal(strlen(a), RAG_ANSWER_ID_MAX - 1);
        assert_null(strpbrk(a, "ilou")); /* misheard, misread */
    }
    rag_desk_code("7k3m9qabcdef", code);
    assert_string_equal(code, "7K3-M9Q");
    rag_desk_code("ab", code);
    assert_string_equal(code, "AB");
}

static void imports_are_idempotent_and_name_what_failed(void **state) {
    fixture *f = *state;
    static const char text[] =
        "{\"op\":\"import\",\"approve\":true,\"by\":\"k\",\"entries\":["
        "{\"id\":\"1\",\"question\":\"a?\",\"answer\":\"A\"},"
        "{\"id\":\"2\",\"question\":\"b?\"},"
        "7,"
        "{\"id\":\"3\",\"question\":\"c?\",\"answer\":\"C\","
        "\"valid_until\":\"soon\"}]}";
    int rc;
    json_t *v = call(f, "/v1/faq", text, &rc);
    assert_int_equal(rc, 0);
    assert_int_equal(json_integer_value(json_object_get(v, "added")), 1);
    json_t *failed = json_object_get(v, "failed");
    assert_int_equal(json_array_size(failed), 3);
    assert_int_equal(json_integer_value(
                         json_object_get(json_array_get(failed, 0), "number")),
                     2);
    json_decref(v);
    v = call(f, "/v1/faq", text, &rc);
    assert_int_equal(json_integer_value(json_object_get(v, "unchanged")), 1);
    assert_int_equal(json_integer_value(json_object_get(v, "added")), 0);
    json_decref(v);
}

static void hostile_requests_are_refused(void **state) {
    fixture *f = *state;
    static const char *const paths[] = {"/v1/faq", "/v1/feedback", "/v1/queue",
                                        "/v1/audit", "/v1/replay"};
    static const char *const bodies[] = {
        "{\"op\":1}",
        "{\"op\":\"fly\"}",
        "{\"id\":[]}",
        "{\"op\":\"approve\",\"id\":{}}",
        "{\"op\":\"add\",\"question\":7}",
        "{\"op\":\"add\",\"question\":\"q\",\"answer\":\"a\",\"variants\":7}",
        "{\"op\":\"add\",\"question\":\"q\",\"answer\":\"a\",\"variants\":[7]}",
        "{\"op\":\"add\",\"question\":\"q\",\"answer\":\"a\","
        "\"valid_from\":\"2026-13-01\"}",
        "{\"op\":\"list\",\"limit\":0}",
        "{\"op\":\"list\",\"state\":\"x\"}",
        "{\"op\":\"dismiss\",\"group\":\"1\"}",
        "{\"op\":\"purge\"}",
        "{\"op\":\"purge\",\"days\":-2}",
        "{\"op\":\"verify\",\"seq\":1}",
        "{\"id\":\"x\",\"vote\":\"sideways\"}",
        "{\"op\":\"import\",\"entries\":{}}",
        "{\"op\":\"draft\"}"};
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++)
        for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++) {
            int rc;
            json_decref(call(f, paths[p], bodies[b], &rc));
            assert_true(rc == 0 || rc == RAG_E_DATA || rc == RAG_E_NOTFOUND ||
                        rc == RAG_E_LIMIT);
        }
    refused(f, "/v1/faq", "{\"op\":\"get\",\"id\":\"none\"}", RAG_E_NOTFOUND);
    refused(f, "/v1/faq", "{\"op\":\"edit\",\"id\":\"none\"}", RAG_E_NOTFOUND);
    refused(f, "/v1/faq", "{\"op\":\"retire\",\"id\":\"none\"}",
            RAG_E_NOTFOUND);
    refused(f, "/v1/elsewhere", "{}", RAG_E_NOTFOUND);
    good(f, "/v1/faq", "{}");
    good(f, "/v1/audit", "{\"op\":\"verify\"}");
}

static void an_edit_over_another_is_a_conflict(void **state) {
    fixture *f = *state;
    good(f, "/v1/faq",
         "{\"op\":\"add\",\"id\":\"a\",\"question\":\"q?\",\"answer\":\"1\"}");
    refused(f, "/v1/faq",
            "{\"op\":\"add\",\"id\":\"a\",\"question\":\"q?\","
            "\"answer\":\"2\"}",
            RAG_E_CONFLICT);
    good(f, "/v1/faq",
         "{\"op\":\"edit\",\"id\":\"a\",\"answer\":\"2\",\"base\":1}");
    refused(f, "/v1/faq",
            "{\"op\":\"edit\",\"id\":\"a\",\"answer\":\"3\",\"base\":1}",
            RAG_E_CONFLICT);
    int rc;
    json_t *v = call(f, "/v1/faq", "{\"op\":\"get\",\"id\":\"a\"}", &rc);
    assert_string_equal(field(v, "answer"), "2");
    assert_string_equal(field(v, "question"), "q?");
    json_decref(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(approved_answers_at_once),
        cmocka_unit_test(a_missing_desk_harms_nothing),
        T(records_are_masked_and_found_by_code),
        T(closing_writes_what_waits),
        cmocka_unit_test(ids_are_new_and_codes_read_out),
        T(imports_are_idempotent_and_name_what_failed),
        T(hostile_requests_are_refused),
        T(an_edit_over_another_is_a_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
