/*
 * desk.db: an entry answers from its approval until its retirement and in its
 * latest approved words; what was reported done survives a kill; the audit
 * chain notices every change and survives erasing; hostile rows are errors.
 */
#include "index/desk.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/terms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct desk {
    char dir[64], file[96];
    rag_deskdb *db;
} desk;

static int setup(void **state) {
    desk *d = calloc(1, sizeof *d);
    const char *tmp = getenv("TMPDIR");
    snprintf(d->dir, sizeof d->dir, "%s/deskXXXXXX", tmp ? tmp : "/tmp");
    if (!d || !mkdtemp(d->dir))
        return -1;
    snprintf(d->file, sizeof d->file, "%s/desk.db", d->dir);
    *state = d;
    return rag_deskdb_open(d->dir, &d->db, NULL);
}

static int teardown(void **state) {
    desk *d = *state;
    char path[128];
    rag_deskdb_close(d->db);
    const char *const names[] = {"desk.db", "desk.db-wal", "desk.db-shm",
                                 "desk.lock"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", d->dir, names[i]);
        unlink(path);
    }
    rmdir(d->dir);
    free(d);
    return 0;
}

static void reopen(desk *d) {
    rag_error failed = {0};
    rag_deskdb_close(d->db);
    d->db = NULL;
    if (rag_deskdb_open(d->dir, &d->db, &failed))
        fail_msg("%s", failed.message);
}

#define OK(call)                                                               \
    do {                                                                       \
        rag_error e_ = {0};                                                    \
        rag_error *err = &e_;                                                  \
        if ((call) != 0)                                                       \
            fail_msg("%s: %s", #call, e_.message);                             \
    } while (0)

static char *own(const char *s) {
    char *copy = NULL;
    assert_int_equal(rag_str_dup(s, &copy, NULL), 0);
    return copy;
}

static int64_t put(desk *d, const char *id, const char *question,
                   const char *answer) {
    int64_t version = 0;
    rag_desk_entry e = {.id = own(id),
                        .question = own(question),
                        .answer = own(answer),
                        .author = own("kim"),
                        .valid_from = RAG_TIME_NONE,
                        .valid_until = RAG_TIME_NONE};
    OK(rag_deskdb_put(d->db, &e, -1, NULL, &version, err));
    rag_desk_entry_free(&e);
    return version;
}

/* The answer to a question by its key now, or "". */
static void answer(desk *d, const char *question, int64_t now, char *out,
                   size_t cap) {
    rag_desk_live *live;
    rag_index_result r = {0};
    rag_buf key;
    rag_buf_init(&key, 0);
    OK(rag_deskdb_live(d->db, "enc", 4, &live, err));
    OK(rag_terms_key(question, strlen(question), &key, err));
    OK(rag_desk_live_exact(live, rag_buf_str(&key), key.len, NULL, now, &r,
                           err));
    snprintf(out, cap, "%s", r.n ? r.hits[0].text : "");
    rag_index_result_free(&r);
    rag_buf_free(&key);
    rag_desk_live_unref(live);
}

static void expect_answer(desk *d, const char *question, const char *want) {
    char got[256];
    answer(d, question, 0, got, sizeof got);
    assert_string_equal(got, want);
}

static void approval_decides_what_answers(void **state) {
    desk *d = *state;
    rag_desk_entry e;
    rag_error failed = {0};
    assert_int_equal(put(d, "card", "카드를 잃어버렸어요?", "하나"), 1);
    expect_answer(d, "카드를 잃어버렸어요", "");
    OK(rag_deskdb_approve(d->db, "card", 0, "lee", NULL, false, err));
    expect_answer(d, "카드를  잃어버렸어요!", "하나");
    /* An edit does not answer before it is approved; nor does it silence. */
    assert_int_equal(put(d, "card", "카드를 잃어버렸어요?", "둘"), 2);
    expect_answer(d, "카드를 잃어버렸어요", "하나");
    reopen(d);
    expect_answer(d, "카드를 잃어버렸어요", "하나");
    OK(rag_deskdb_approve(d->db, "card", 0, "lee", NULL, false, err));
    expect_answer(d, "카드를 잃어버렸어요", "둘");
    assert_int_equal(
        rag_deskdb_approve(d->db, "card", 0, "lee", NULL, false, &failed),
        RAG_E_CONFLICT);
    rag_desk_list h;
    OK(rag_deskdb_history(d->db, "card", &h, err));
    assert_int_equal(h.n, 2);
    assert_int_equal(h.v[0].state, RAG_DESK_REPLACED);
    assert_int_equal(h.v[1].state, RAG_DESK_APPROVED);
    assert_string_equal(h.v[1].approver, "lee");
    assert_string_equal(h.v[0].answer, "하나");
    rag_desk_list_free(&h);
    OK(rag_deskdb_retire(d->db, "card", "lee", "old", NULL, err));
    expect_answer(d, "카드를 잃어버렸어요", "");
    OK(rag_deskdb_get(d->db, "card", 0, &e, err));
    assert_int_equal(e.state, RAG_DESK_RETIRED);
    assert_int_equal(e.live, 0);
    rag_desk_entry_free(&e);
    /* Editing what was retired does not bring it back by itself. */
    put(d, "card", "카드를 잃어버렸어요?", "셋");
    expect_answer(d, "카드를 잃어버렸어요", "");
    rag_desk_live *live;
    OK(rag_deskdb_live(d->db, NULL, 0, &live, err));
    assert_true(rag_desk_live_hides(live, "card"));
    rag_desk_live_unref(live);
}

static void only_live_and_retired_ids_hide(void **state) {
    desk *d = *state;
    rag_desk_live *live;
    rag_desk_entry copy = {.id = own("file"),
                           .question = own("q"),
                           .answer = own("a"),
                           .valid_from = RAG_TIME_NONE,
                           .valid_until = RAG_TIME_NONE};
    rag_error failed = {0};
    put(d, "draft", "q1", "a1");
    put(d, "live", "q2", "a2");
    OK(rag_deskdb_approve(d->db, "live", 1, "lee", NULL, false, err));
    assert_int_equal(rag_deskdb_retire(d->db, "file", "lee", "", NULL, &failed),
                     RAG_E_NOTFOUND);
    OK(rag_deskdb_retire(d->db, "file", "lee", "", &copy, err));
    rag_desk_entry_free(&copy);
    OK(rag_deskdb_live(d->db, NULL, 0, &live, err));
    assert_false(rag_desk_live_hides(live, "draft"));
    assert_true(rag_desk_live_hides(live, "live"));
    assert_true(rag_desk_live_hides(live, "file"));
    assert_false(rag_desk_live_hides(live, "other"));
    assert_int_equal(rag_desk_live_version(live, "live"), 1);
    assert_int_equal(rag_desk_live_version(live, "draft"), 0);
    /* Hits of hidden ids go, the others keep their order. */
    rag_index_result r = {.hits = calloc(4, sizeof *r.hits), .n = 4};
    const char *const ids[] = {"live", "x", "x", "y"};
    const size_t number[] = {0, 1, 1, 2};
    for (size_t i = 0; i < 4; i++) {
        r.hits[i].doc = own(ids[i]);
        r.hits[i].document = number[i];
    }
    r.documents = 3;
    rag_desk_live_filter(live, &r);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.documents, 2);
    assert_string_equal(r.hits[0].doc, "x");
    assert_int_equal(r.hits[1].document, 0);
    assert_int_equal(r.hits[2].document, 1);
    rag_index_result_free(&r);
    rag_desk_live_unref(live);
}

static void an_entry_answers_within_its_dates(void **state) {
    desk *d = *state;
    char got[64];
    rag_desk_entry e = {.id = own("rate"),
                        .question = own("What is the rate?"),
                        .answer = own("3.5%"),
                        .valid_from = 1000,
                        .valid_until = 2000};
    OK(rag_deskdb_put(d->db, &e, -1, NULL, NULL, err));
    rag_desk_entry_free(&e);
    OK(rag_deskdb_approve(d->db, "rate", 0, "lee", NULL, false, err));
    const struct {
        int64_t at;
        const char *want;
    } row[] = {{999, ""}, {1000, "3.5%"}, {2000, "3.5%"}, {2001, ""}};
    for (size_t i = 0; i < 4; i++) {
        answer(d, "what is the rate", row[i].at, got, sizeof got);
        assert_string_equal(got, row[i].want);
    }
}

static void the_nearest_vector_is_found(void **state) {
    desk *d = *state;
    const float a[] = {1, 0, 0, 0}, b[] = {0, 1, 0, 0};
    rag_desk_vectors va = {"enc", 4, 1, a}, vb = {"enc", 4, 1, b};
    put(d, "a", "question a", "A");
    put(d, "b", "question b", "B");
    put(d, "c", "question c", "C");
    OK(rag_deskdb_approve(d->db, "a", 0, "lee", &va, false, err));
    OK(rag_deskdb_approve(d->db, "b", 0, "lee", &vb, false, err));
    OK(rag_deskdb_approve(d->db, "c", 0, "lee", NULL, false, err));
    const float q[] = {0.6f, 0.8f, 0, 0};
    rag_desk_live *live;
    rag_index_result r = {0};
    const rag_desk_entry *e;
    OK(rag_deskdb_live(d->db, "enc", 4, &live, err));
    OK(rag_desk_live_near(live, q, NULL, 0, 5, .5, &r, err));
    assert_int_equal(r.n, 2);
    assert_string_equal(r.hits[0].text, "B");
    assert_true(fabs(r.hits[0].vector - .8) < 1e-6);
    assert_int_equal(r.hits[0].kind, RAG_DOC_FAQ);
    assert_false(rag_desk_live_lacks_vectors(live, 0, &e));
    assert_true(rag_desk_live_lacks_vectors(live, 2, &e));
    assert_string_equal(e->id, "c");
    rag_index_result_free(&r);
    rag_desk_live_unref(live);
    /* Another encoder's vectors are not compared. */
    OK(rag_deskdb_live(d->db, "other", 4, &live, err));
    OK(rag_desk_live_near(live, q, NULL, 0, 5, -1, &r, err));
    assert_int_equal(r.n, 0);
    rag_index_result_free(&r);
    rag_desk_live_unref(live);
}

static void near_entries_stand_among_what_was_found(void **state) {
    desk *d = *state;
    const float a[] = {1, 0, 0, 0}, b[] = {0.8f, 0.6f, 0, 0};
    rag_desk_vectors va = {"enc", 4, 1, a}, vb = {"enc", 4, 1, b};
    put(d, "a", "question a", "A");
    put(d, "b", "question b", "B");
    OK(rag_deskdb_approve(d->db, "a", 0, "lee", &va, false, err));
    OK(rag_deskdb_approve(d->db, "b", 0, "lee", &vb, false, err));
    rag_desk_live *live;
    OK(rag_deskdb_live(d->db, "enc", 4, &live, err));
    /* Documents x (two chunks), y, z by score; y is the nearest. */
    rag_index_result r = {.hits = calloc(4, sizeof *r.hits),
                          .n = 4,
                          .documents = 3,
                          .best_cosine = .95};
    const double cosine[] = {.7, .6, .95, .3}, score[] = {9, 8, 5, 2};
    const double lead = 2; /* of x, beside which a and b are put */
    const size_t number[] = {0, 0, 1, 2};
    const char *const doc[] = {"x", "x", "y", "z"};
    for (size_t i = 0; i < 4; i++) {
        r.hits[i].doc = own(doc[i]);
        r.hits[i].vector = cosine[i];
        r.hits[i].score = score[i];
        r.hits[i].own = score[i] - (number[i] == 0 ? lead : 0);
        r.hits[i].document = number[i];
    }
    /* a is nearer than all, b nearer than x. */
    OK(rag_desk_live_join(live, "question a", a, NULL, 0, 3, .5, &r, err));
    assert_int_equal(r.n, 6);
    assert_int_equal(r.documents, 5);
    const char *const want[] = {"a", "b", "x", "x", "y", "z"};
    const size_t numbers[] = {0, 1, 2, 2, 3, 4};
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(r.hits[i].doc, want[i]);
        assert_int_equal(r.hits[i].document, numbers[i]);
        assert_true(!i || r.hits[i].score <= r.hits[i - 1].score);
    }
    for (size_t i = 0; i < 2; i++)
        assert_true(fabs(r.hits[i].score - r.hits[i].own - lead) < 1e-9);
    assert_true(r.best_cosine > .99);
    rag_index_result_free(&r);
    /* Nothing found: the nearest, if near enough. */
    OK(rag_desk_live_join(live, "question a", a, NULL, 0, 3, .9, &r, err));
    assert_int_equal(r.n, 1);
    assert_string_equal(r.hits[0].doc, "a");
    rag_index_result_free(&r);
    rag_desk_live_unref(live);
}

static void what_is_put_is_checked(void **state) {
    desk *d = *state;
    rag_error failed = {0};
    char *big = malloc(RAG_DESK_ANSWER_MAX + 2);
    assert_non_null(big);
    memset(big, 'x', RAG_DESK_ANSWER_MAX + 1);
    big[RAG_DESK_ANSWER_MAX + 1] = '\0';
    char *none = own(""), *bad = own("\xff"), *good = own("good"),
         *line = own("a\nb");
    const struct {
        char *id, *question, *answer;
        int64_t from, until;
    } row[] = {
        {good, none, good, RAG_TIME_NONE, RAG_TIME_NONE},
        {good, good, none, RAG_TIME_NONE, RAG_TIME_NONE},
        {good, bad, good, RAG_TIME_NONE, RAG_TIME_NONE},
        {good, good, big, RAG_TIME_NONE, RAG_TIME_NONE},
        {line, good, good, RAG_TIME_NONE, RAG_TIME_NONE},
        {good, good, good, 2000, 1000},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rag_desk_entry e = {.id = row[i].id,
                            .question = row[i].question,
                            .answer = row[i].answer,
                            .valid_from = row[i].from,
                            .valid_until = row[i].until};
        assert_int_equal(rag_deskdb_put(d->db, &e, -1, NULL, NULL, &failed),
                         RAG_E_DATA);
    }
    rag_desk_entry e = {.id = none,
                        .question = good,
                        .answer = good,
                        .author = good,
                        .valid_from = RAG_TIME_NONE,
                        .valid_until = RAG_TIME_NONE};
    char *id = NULL;
    int64_t version;
    OK(rag_deskdb_put(d->db, &e, 0, &id, &version, err));
    assert_true(rag_str_starts(id, "desk-"));
    /* Somebody else has changed it meanwhile. */
    e.id = id;
    assert_int_equal(rag_deskdb_put(d->db, &e, 0, NULL, NULL, &failed),
                     RAG_E_CONFLICT);
    OK(rag_deskdb_put(d->db, &e, 1, NULL, NULL, err));
    /* Two persons, where that is asked for. */
    assert_int_equal(
        rag_deskdb_approve(d->db, id, 0, "good", NULL, true, &failed),
        RAG_E_PERMISSION);
    OK(rag_deskdb_approve(d->db, id, 0, "lee", NULL, true, err));
    assert_int_equal(rag_deskdb_approve(d->db, "?", 0, "lee", NULL, 0, &failed),
                     RAG_E_NOTFOUND);
    free(id);
    free(big);
    free(none);
    free(bad);
    free(good);
    free(line);
}

static void entries_are_listed_by_filter(void **state) {
    desk *d = *state;
    rag_desk_list l;
    put(d, "a", "apple", "red");
    put(d, "b", "banana", "yellow");
    put(d, "c", "cherry", "red");
    OK(rag_deskdb_approve(d->db, "b", 0, "lee", NULL, false, err));
    rag_desk_filter f = {.state = -1, .limit = 2};
    OK(rag_deskdb_list(d->db, &f, &l, err));
    assert_int_equal(l.n, 2);
    assert_true(l.more);
    rag_desk_list_free(&l);
    f.after = "b";
    OK(rag_deskdb_list(d->db, &f, &l, err));
    assert_int_equal(l.n, 1);
    assert_false(l.more);
    rag_desk_list_free(&l);
    f = (rag_desk_filter){.state = RAG_DESK_APPROVED};
    OK(rag_deskdb_list(d->db, &f, &l, err));
    assert_int_equal(l.n, 1);
    assert_string_equal(l.v[0].id, "b");
    rag_desk_list_free(&l);
    f = (rag_desk_filter){.state = -1, .contains = "red"};
    OK(rag_deskdb_list(d->db, &f, &l, err));
    assert_int_equal(l.n, 2);
    rag_desk_list_free(&l);
}

/* ---- queue, feedback ------------------------------------------------------ */

static void ask(desk *d, const char *id, int64_t at, const char *question,
                const char *why, const char *doc) {
    char body[512];
    snprintf(body, sizeof body,
             "{\"question\":\"%s\",\"lang\":\"ko\",\"secret\":\"s3cr3t-%s\"}",
             question, id);
    rag_desk_exchange x = {.id = id,
                           .at = at,
                           .body = body,
                           .docs = &doc,
                           .ndocs = doc ? 1 : 0,
                           .queue_why = why,
                           .question = question,
                           .lang = "ko"};
    OK(rag_deskdb_record(d->db, &x, 1, err));
}

static bool opposite(void *user, const char *a, const char *b) {
    (void)user;
    return (strstr(a, "해지") != NULL) != (strstr(b, "해지") != NULL);
}

static void similar_questions_share_a_group(void **state) {
    desk *d = *state;
    rag_desk_groups g;
    rag_deskdb_set_apart(d->db, opposite, NULL);
    ask(d, "x1", 100, "펀드 상품 가입 서류 알려주세요", "refused", NULL);
    ask(d, "x2", 101, "펀드상품 가입서류 알려주세요?", "refused", NULL);
    ask(d, "x3", 102, "펀드 상품 가입에 필요한 서류", "refused", NULL);
    ask(d, "x4", 103, "펀드 상품 해지 서류 알려주세요", "refused", NULL);
    ask(d, "x5", 104, "대출 한도 1000만원 되나요", "refused", NULL);
    ask(d, "x6", 105, "대출 한도 2000만원 되나요", "refused", NULL);
    ask(d, "x7", 106, "answered", NULL, NULL);
    OK(rag_deskdb_queue(d->db, NULL, 0, &g, err));
    assert_int_equal(g.n, 4);
    assert_int_equal(g.open, 4);
    assert_int_equal(g.v[0].count, 3);
    assert_string_equal(g.v[0].question, "펀드 상품 가입 서류 알려주세요");
    assert_int_equal(g.v[0].nexchanges, 3);
    assert_string_equal(g.v[0].exchanges[0], "x3");
    assert_int_equal(g.v[0].first_at, 100);
    assert_int_equal(g.v[0].last_at, 102);
    int64_t id = g.v[0].id;
    rag_desk_groups_free(&g);
    /* Drafted, approved: answered. Asked again in vain: open again. */
    put(d, "fund", "펀드 상품 가입 서류", "신분증");
    OK(rag_deskdb_group_set(d->db, id, "drafted", "fund", "kim", err));
    OK(rag_deskdb_approve(d->db, "fund", 0, "lee", NULL, false, err));
    OK(rag_deskdb_group(d->db, id, &g, err));
    assert_string_equal(g.v[0].state, "answered");
    rag_desk_groups_free(&g);
    ask(d, "x8", 200, "펀드 상품 가입 서류 알려주세요", "refused", NULL);
    OK(rag_deskdb_group(d->db, id, &g, err));
    assert_string_equal(g.v[0].state, "open");
    assert_int_equal(g.v[0].count, 4);
    rag_desk_groups_free(&g);
    rag_error failed = {0};
    assert_int_equal(rag_deskdb_group(d->db, 99, &g, &failed), RAG_E_NOTFOUND);
    assert_int_equal(rag_deskdb_group_set(d->db, id, "gone", NULL, "", &failed),
                     RAG_E_DATA);
}

static void vectors_bring_paraphrases_together(void **state) {
    desk *d = *state;
    rag_desk_groups g;
    const float v[] = {1, 0, 0, 0}, w[] = {0, 1, 0, 0};
    const struct {
        const char *id, *q;
        const float *v;
    } row[] = {{"p1", "해외에서 카드가 정지되면 어디로 연락하나요", v},
               {"p2", "외국 여행 중 카드 사용 중지 연락처", v},
               {"p3", "카드 연회비 할인 연락처", w}};
    for (size_t i = 0; i < 3; i++) {
        rag_desk_exchange x = {.id = row[i].id,
                               .at = 1,
                               .body = "{}",
                               .queue_why = "refused",
                               .question = row[i].q,
                               .lang = "ko",
                               .vector = row[i].v,
                               .dim = 4};
        OK(rag_deskdb_record(d->db, &x, 1, err));
    }
    OK(rag_deskdb_queue(d->db, NULL, 0, &g, err));
    assert_true(g.n >= 2);
    for (size_t i = 0; i < g.n; i++)
        for (size_t k = 0; k < g.v[i].nexchanges; k++)
            if (strcmp(g.v[i].exchanges[k], "p3") == 0)
                assert_int_equal(g.v[i].count, 1);
    rag_desk_groups_free(&g);
}

static void a_thumb_down_queues_the_question_once(void **state) {
    desk *d = *state;
    rag_desk_groups g;
    rag_desk_counts c;
    rag_error failed = {0};
    ask(d, "x1", 100, "카드 한도", NULL, NULL);
    assert_int_equal(rag_deskdb_feedback(d->db, "nope", -1, "", "", &failed),
                     RAG_E_NOTFOUND);
    assert_int_equal(rag_deskdb_feedback(d->db, "x1", 0, "", "", &failed),
                     RAG_E_DATA);
    OK(rag_deskdb_feedback(d->db, "x1", 1, "good", "c", err));
    OK(rag_deskdb_queue(d->db, NULL, 0, &g, err));
    assert_int_equal(g.n, 0);
    rag_desk_groups_free(&g);
    OK(rag_deskdb_feedback(d->db, "x1", -1, "wrong limit", "c", err));
    OK(rag_deskdb_feedback(d->db, "x1", -1, "still", "c", err));
    OK(rag_deskdb_queue(d->db, NULL, 0, &g, err));
    assert_int_equal(g.n, 1);
    assert_int_equal(g.v[0].count, 1);
    assert_string_equal(g.v[0].why, "thumb down");
    rag_desk_groups_free(&g);
    OK(rag_deskdb_counts(d->db, &c, err));
    assert_int_equal(c.down, 1);
    assert_int_equal(c.up, 0);
    assert_int_equal(c.exchanges, 1);
}

/* ---- audit ---------------------------------------------------------------- */

static void sql(desk *d, const char *text) {
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(d->file, &db), 0);
    if (sqlite3_exec(db, text, NULL, NULL, &why))
        fail_msg("%s: %s", text, why);
    sqlite3_close(db);
}

static void verify(desk *d, bool whole, int64_t bad) {
    rag_desk_verdict v;
    OK(rag_deskdb_verify(d->db, 0, NULL, &v, err));
    assert_int_equal(v.whole, whole);
    assert_int_equal(v.bad, bad);
}

static void the_file_itself_refuses_changes(void **state) {
    desk *d = *state;
    static const char *const row[] = {
        "UPDATE audit SET body='{}'",         "UPDATE audit SET at=at+1",
        "UPDATE audit SET subject='x9'",      "UPDATE audit SET kind='x'",
        "UPDATE audit SET hash=zeroblob(32)", "DELETE FROM audit"};
    ask(d, "x1", 100, "질문", NULL, NULL);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        sqlite3 *db;
        assert_int_equal(sqlite3_open(d->file, &db), 0);
        assert_int_not_equal(sqlite3_exec(db, row[i], NULL, NULL, NULL), 0);
        sqlite3_close(db);
    }
    verify(d, true, 0);
}

/* An intruder drops the triggers first. */
static void an_intruder_is_noticed(void **state) {
    desk *d = *state;
    static const struct {
        const char *sql;
        int64_t bad;
    } row[] = {
        {"UPDATE audit SET body='{}' WHERE seq=3", 3},
        {"UPDATE audit SET at=at+1 WHERE seq=2", 2},
        {"UPDATE audit SET subject='x9' WHERE seq=4", 4},
        {"UPDATE audit SET kind='faq.approve' WHERE seq=1", 1},
        {"UPDATE audit SET salt=zeroblob(16) WHERE seq=5", 5},
        {"UPDATE audit SET salt=NULL WHERE seq=5", 5},
        {"UPDATE audit SET digest=zeroblob(32) WHERE seq=2", 2},
        {"UPDATE audit SET hash=zeroblob(32) WHERE seq=2", 2},
        {"UPDATE audit SET hash=x'00' WHERE seq=2", 2},
        {"UPDATE audit SET kind=zeroblob(4) WHERE seq=2", 2},
        {"DELETE FROM audit WHERE seq=3", 4},
        {"DELETE FROM audit WHERE seq=5", 5},
        {"DELETE FROM audit WHERE seq=1", 2},
        {"DELETE FROM audit", 1},
    };
    for (int i = 1; i <= 5; i++) {
        char id[8];
        snprintf(id, sizeof id, "x%d", i);
        ask(d, id, 100 + i, "질문", NULL, NULL);
    }
    verify(d, true, 0);
    sql(d, "DROP TRIGGER audit_fixed; DROP TRIGGER audit_kept;"
           "CREATE TABLE saved AS SELECT * FROM audit;");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        sql(d, row[i].sql);
        verify(d, false, row[i].bad);
        sql(d, "DELETE FROM audit; INSERT INTO audit SELECT * FROM saved;");
        verify(d, true, 0);
    }
    /* Even one who also resets the counter is, by a noted head. */
    rag_desk_verdict v;
    OK(rag_deskdb_verify(d->db, 0, NULL, &v, err));
    char *noted = own(v.head_hash);
    sql(d, "DELETE FROM audit WHERE seq=5;"
           "UPDATE sqlite_sequence SET seq=4 WHERE name='audit'");
    verify(d, true, 0);
    OK(rag_deskdb_verify(d->db, 5, noted, &v, err));
    assert_false(v.whole);
    ask(d, "y5", 105, "질문", NULL, NULL);
    OK(rag_deskdb_verify(d->db, 5, noted, &v, err));
    assert_false(v.whole);
    assert_int_equal(v.bad, 5);
    free(noted);
}

static bool file_holds(desk *d, const char *what) {
    const char *const end[] = {"", "-wal"};
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        rag_buf b;
        rag_buf_init(&b, 0);
        snprintf(path, sizeof path, "%s%s", d->file, end[i]);
        if (rag_file_exists(path))
            OK(rag_file_read(path, 64 << 20, &b, err));
        found = found || (b.len && memmem(b.data, b.len, what, strlen(what)));
        rag_buf_free(&b);
    }
    return found;
}

static void erased_text_is_gone_and_the_chain_whole(void **state) {
    desk *d = *state;
    rag_desk_audits a;
    rag_desk_verdict v;
    int64_t n = 0;
    ask(d, "old1", 100, "오래된 질문", "refused", NULL);
    ask(d, "new1", 1000, "문서를 인용", NULL, "contract.pdf");
    ask(d, "new2", 1001, "다른 문서", NULL, "other.pdf");
    OK(rag_deskdb_feedback(d->db, "new2", 1, "s3cr3t-praise", "", err));
    assert_true(file_holds(d, "s3cr3t-old1"));
    OK(rag_deskdb_purge(d->db, 500, NULL, "kim", &n, err));
    assert_int_equal(n, 1);
    assert_false(file_holds(d, "s3cr3t-old1"));
    assert_false(file_holds(d, "오래된"));
    OK(rag_deskdb_purge(d->db, RAG_TIME_NONE, "contract.pdf", "kim", &n, err));
    assert_int_equal(n, 1);
    assert_false(file_holds(d, "s3cr3t-new1"));
    assert_false(file_holds(d, "contract.pdf"));
    assert_true(file_holds(d, "s3cr3t-new2"));
    OK(rag_deskdb_verify(d->db, 0, NULL, &v, err));
    assert_true(v.whole);
    assert_int_equal(v.erased, 2);
    OK(rag_deskdb_audit(d->db, "old1", 0, &a, err));
    assert_int_equal(a.n, 1);
    assert_null(a.v[0].body);
    rag_desk_audits_free(&a);
    rag_error failed = {0};
    assert_int_equal(rag_deskdb_feedback(d->db, "old1", -1, "", "", &failed),
                     RAG_E_DATA);
    OK(rag_deskdb_audit(d->db, "new2", 0, &a, err));
    assert_int_equal(a.n, 2); /* asked, praised */
    assert_string_equal(a.v[1].kind, "feedback");
    rag_desk_audits_free(&a);
    assert_int_equal(rag_deskdb_audit(d->db, "nope", 0, &a, &failed),
                     RAG_E_NOTFOUND);
}

/* ---- the file ------------------------------------------------------------- */

static void the_file_is_private_and_has_one_writer(void **state) {
    desk *d = *state;
    rag_deskdb *other;
    rag_error failed = {0};
    struct stat st;
    assert_int_equal(stat(d->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(rag_deskdb_open(d->dir, &other, &failed), RAG_E_BUSY);
    assert_null(other);
    rag_deskdb_close(d->db);
    d->db = NULL;
    assert_int_equal(chmod(d->file, 0644), 0);
    reopen(d);
    assert_int_equal(stat(d->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void strange_files_are_refused(void **state) {
    desk *d = *state;
    rag_error failed = {0};
    rag_deskdb_close(d->db);
    d->db = NULL;
    sql(d, "PRAGMA user_version=99");
    assert_int_equal(rag_deskdb_open(d->dir, &d->db, &failed),
                     RAG_E_UNSUPPORTED);
    sql(d, "PRAGMA user_version=1; PRAGMA application_id=7");
    assert_int_equal(rag_deskdb_open(d->dir, &d->db, &failed), RAG_E_CORRUPT);
    char rubbish[4096];
    memset(rubbish, 'r', sizeof rubbish);
    OK(rag_file_replace(d->file, rubbish, sizeof rubbish, 0600, err));
    assert_int_equal(rag_deskdb_open(d->dir, &d->db, &failed), RAG_E_CORRUPT);
    assert_null(d->db);
}

static void hostile_rows_are_errors(void **state) {
    desk *d = *state;
    static const char *const row[] = {
        "UPDATE version SET question=x'ff'",
        "UPDATE version SET question=CAST(x'ff' AS TEXT)",
        "UPDATE version SET question=CAST(x'610062' AS TEXT)",
        "UPDATE version SET answer=CAST(zeroblob(100000) AS TEXT)",
        "UPDATE version SET variants='{}'",
        "UPDATE version SET variants='[1]'",
        "UPDATE version SET variants='[\"a'",
        "UPDATE version SET state=77",
        "UPDATE version SET state='draft'",
        "UPDATE version SET valid_from='soon'",
        "UPDATE version SET created_at='x'",
        "UPDATE entry SET live=-1",
        "UPDATE version SET approver=x'00'",
    };
    put(d, "a", "question", "answer");
    OK(rag_deskdb_approve(d->db, "a", 0, "lee", NULL, false, err));
    sql(d, "CREATE TABLE v0 AS SELECT * FROM version;"
           "CREATE TABLE e0 AS SELECT * FROM entry;");
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        rag_desk_list l;
        rag_error failed = {0};
        rag_desk_filter f = {.state = -1};
        sql(d, row[i]);
        int rc = rag_deskdb_list(d->db, &f, &l, &failed);
        if (rc != RAG_E_CORRUPT)
            fail_msg("%s: %d", row[i], rc);
        sql(d, "DELETE FROM version; INSERT INTO version SELECT * FROM v0;"
               "DELETE FROM entry; INSERT INTO entry SELECT * FROM e0;");
    }
    /* Vectors of a wrong size or no numbers are only left out. */
    const float v[] = {1, 0, 0, 0};
    rag_desk_vectors vec = {"enc", 4, 1, v};
    OK(rag_deskdb_set_vectors(d->db, "a", 1, &vec, err));
    sql(d, "UPDATE vector SET v=x'0000c07f0000c07f0000c07f0000c07f'");
    rag_desk_live *live;
    const rag_desk_entry *e;
    OK(rag_deskdb_live(d->db, "enc", 4, &live, err));
    assert_true(rag_desk_live_lacks_vectors(live, 0, &e));
    rag_desk_live_unref(live);
    sql(d, "UPDATE vector SET v='text', ord=-5");
    OK(rag_deskdb_live(d->db, "enc", 4, &live, err));
    assert_true(rag_desk_live_lacks_vectors(live, 0, &e));
    rag_desk_live_unref(live);
}

static void what_was_reported_done_survives_a_kill(void **state) {
    desk *d = *state;
    int pipes[2];
    char last = 0, c;
    rag_deskdb_close(d->db);
    d->db = NULL;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        rag_deskdb *db;
        if (rag_deskdb_open(d->dir, &db, NULL))
            _exit(1);
        for (char i = 'a'; i <= 'z'; i++) {
            char id[] = {i, '\0'};
            rag_desk_entry e = {.id = id,
                                .question = id,
                                .answer = id,
                                .valid_from = RAG_TIME_NONE,
                                .valid_until = RAG_TIME_NONE};
            if (rag_deskdb_put(db, &e, -1, NULL, NULL, NULL) ||
                rag_deskdb_approve(db, id, 0, "lee", NULL, false, NULL) ||
                write(pipes[1], &i, 1) != 1)
                _exit(1);
        }
        pause();
        _exit(0);
    }
    close(pipes[1]);
    for (int i = 0; i < 12 && read(pipes[0], &c, 1) == 1; i++)
        last = c;
    kill(child, SIGKILL);
    while (read(pipes[0], &c, 1) == 1)
        last = c;
    waitpid(child, NULL, 0);
    close(pipes[0]);
    assert_true(last >= 'l');
    reopen(d);
    for (char i = 'a'; i <= last; i++) {
        char id[] = {i, '\0'};
        expect_answer(d, id, id);
    }
    verify(d, true, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(approval_decides_what_answers),
        T(only_live_and_retired_ids_hide),
        T(an_entry_answers_within_its_dates),
        T(the_nearest_vector_is_found),
        T(near_entries_stand_among_what_was_found),
        T(what_is_put_is_checked),
        T(entries_are_listed_by_filter),
        T(similar_questions_share_a_group),
        T(vectors_bring_paraphrases_together),
        T(a_thumb_down_queues_the_question_once),
        T(the_file_itself_refuses_changes),
        T(an_intruder_is_noticed),
        T(erased_text_is_gone_and_the_chain_whole),
        T(the_file_is_private_and_has_one_writer),
        T(strange_files_are_refused),
        T(hostile_rows_are_errors),
        T(what_was_reported_done_survives_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
