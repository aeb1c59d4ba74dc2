/*
 * Promises: words of both languages find their document whatever particle,
 * spacing, width or case; what users type is never query syntax; filters and
 * validity hold; both sides' scores are exact; exact FAQ questions are found.
 */
#include "test_index_support.h"

#include "index/search_int.h"

static const test_doc bank[] = {
    {.id = "internet",
     .title = "전자금융",
     .text = "인터넷뱅킹 이용 시간은 하루 종일입니다."},
    {.id = "loan",
     .title = "대출",
     .text = "신용대출의 금리는 연 3.5%이며 한도는 1,000만원입니다."},
    {.id = "card",
     .title = "카드",
     .text = "체크카드를 잃어버리면 1588-0000으로 분실 신고를 합니다."},
    {.id = "code",
     .title = "서류",
     .text = "해외송금에는 서식 PPR-9087이 필요합니다."},
    {.id = "vpn",
     .title = "Remote work",
     .text = "Connect to the VPN before opening the payroll application."},
    {.id = "expense",
     .title = "Expenses",
     .text = "Travel expenses are reimbursed within thirty days."},
    {.id = "plan",
     .title = "요금",
     .text = "B 등급 고객은 수수료가 면제됩니다."},
    {.id = "statute",
     .title = "법",
     .text = "제17조에 따라 과태료를 부과한다."},
};

static const struct {
    const char *question, *id;
} table[] = {
    {"인터넷뱅킹은 언제 되나요", "internet"},
    {"인터넷 뱅킹 시간", "internet"},
    {"뱅킹", "internet"},
    {"대출금리", "loan"},
    {"대출 금리가 몇 퍼센트예요?", "loan"},
    {"3.5%", "loan"},
    {"1000만원", "loan"},
    {"１，０００만원", "loan"},
    {"체크카드를 분실했어요", "card"},
    {"카드", "card"},
    {"15880000", "card"},
    {"1588-0000 번호", "card"},
    {"ppr-9087", "code"},
    {"PPR9087 서식", "code"},
    {"9087", "code"},
    {"해외 송금", "code"},
    {"\xE1\x84\x83\xE1\x85\xA2\xE1\x84\x8E\xE1\x85\xAE\xE1\x86\xAF", "loan"},
    {"ＶＰＮ connection", "vpn"},
    {"how do i get reimbursement for traveling", "expense"},
    {"등급 B", "plan"},
    {"수수료 면제", "plan"},
    {"17조", "statute"},
    {"제17조는 무엇인가요", "statute"},
};

static void words_find_their_document(void **state) {
    char *dir = test_dir();
    rag_index *ix;

    (void)state;
    test_store(dir, bank, sizeof(bank) / sizeof(bank[0]));
    ix = test_open(dir);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_finds(ix, table[i].question, table[i].id);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void what_users_type_is_no_syntax(void **state) {
    static const char *const nasty[] = {
        "\"",        "\"\"\"",     "'",    "*",        "(",
        ")",         "AND",        "OR",   "NOT",      "NEAR(a b)",
        "title:vpn", "vpn*",       "^vpn", "-vpn",     "vpn AND NOT payroll",
        "a\"b",      "{title}: x", "\\",   "%",        "_",
        ";",         "--",         "\x01", "\xFF\xFE", "\"vpn OR (",
        "col:\"",    "NULL",       "+",    "a + b",    "💥",
        "ㅋㅋㅋ",    "、。",
    };
    char *dir = test_dir();
    rag_index *ix;
    char best[64];

    (void)state;
    test_store(dir, bank, sizeof(bank) / sizeof(bank[0]));
    ix = test_open(dir);
    for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++)
        test_best(ix, nasty[i], false, best);
    assert_finds(ix, "title:vpn* \"payroll", "vpn");
    rag_index_close(ix);
    test_dir_free(dir);
}

static void long_questions_are_cut_not_refused(void **state) {
    char *dir = test_dir(), *s = malloc(200001), best[64];
    rag_index *ix;

    (void)state;
    test_store(dir, bank, sizeof(bank) / sizeof(bank[0]));
    ix = test_open(dir);
    for (int i = 0; i < 200000; i++)
        s[i] = "vpn word payroll "[i % 17];
    s[200000] = '\0';
    test_best(ix, s, true, best);
    assert_string_equal(best, "vpn");
    free(s);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void filters_and_validity_hold(void **state) {
    char *dir = test_dir();
    const test_doc docs[] = {
        {.id = "old",
         .text = "수수료 안내",
         .until = 1000,
         .collection = "fees",
         .source = "/nowhere/a/x"},
        {.id = "now",
         .text = "수수료 안내",
         .from = 1001,
         .collection = "fees",
         .source = "/nowhere/a/y"},
        {.id = "other",
         .text = "수수료 안내",
         .collection = "misc",
         .source = "/nowhere/b/z"},
        {.id = "faq",
         .text = "수수료는 없습니다.",
         .question = "수수료 안내 있나요"},
    };
    const struct {
        const char *collection, *source;
        int kind;
        int64_t now;
        size_t n;
        const char *first; /* NULL: not looked at */
    } cases[] = {
        {NULL, NULL, -1, RAG_TIME_NONE, 4, NULL},
        {NULL, NULL, -1, 500, 3, NULL},
        {"fees", NULL, -1, 500, 1, "old"},
        {"fees", NULL, -1, 1000, 1, "old"},
        {"fees", NULL, -1, 1001, 1, "now"},
        {"fees", NULL, -1, RAG_TIME_NONE, 2, NULL},
        {"none", NULL, -1, RAG_TIME_NONE, 0, NULL},
        {NULL, "/nowhere/b", -1, RAG_TIME_NONE, 1, "other"},
        {NULL, "/nowhere/a/", -1, RAG_TIME_NONE, 2, NULL},
        {NULL, NULL, RAG_DOC_FAQ, RAG_TIME_NONE, 1, "faq"},
        {NULL, NULL, RAG_DOC_TEXT, RAG_TIME_NONE, 3, NULL},
    };
    const char *text = "수수료 안내";
    float v[DIM];
    rag_index *ix;

    (void)state;
    test_store(dir, docs, 4);
    ix = test_open(dir);
    test_vector(text, v);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int side = 0; side < 3; side++) {
            rag_index_query q = {.text = side == 1 ? NULL : text,
                                 .len = side == 1 ? 0 : strlen(text),
                                 .vector = side == 0 ? NULL : v,
                                 .kind = cases[i].kind,
                                 .collection = cases[i].collection,
                                 .source = cases[i].source,
                                 .now = cases[i].now,
                                 .vector_weight = -1};
            rag_index_result r;
            rag_error err;

            must(rag_index_search(ix, &q, &r, &err), &err);
            assert_int_equal(r.documents, cases[i].n);
            if (cases[i].first)
                assert_string_equal(r.hits[0].doc, cases[i].first);
            rag_index_result_free(&r);
        }
    rag_index_close(ix);
    test_dir_free(dir);
}

static void scores_of_both_sides_are_exact(void **state) {
    char *dir = test_dir();
    const char *text = "대출 금리";
    float v[DIM], w[DIM];
    rag_index_query q = {.text = text,
                         .len = strlen(text),
                         .vector = v,
                         .kind = -1,
                         .vector_weight = -1};
    rag_index_result r;
    rag_index *ix;
    rag_error err;

    (void)state;
    test_store(dir, bank, sizeof(bank) / sizeof(bank[0]));
    ix = test_open(dir);
    test_vector(text, v);
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_true(r.n >= 2);
    assert_string_equal(r.hits[0].doc, "loan");
    assert_int_equal(r.hits[0].lexical_rank, 1);
    for (size_t i = 0; i < r.n; i++) {
        double dot = 0;

        test_vector(r.hits[i].text, w);
        for (int j = 0; j < DIM; j++)
            dot += (double)v[j] * w[j];
        assert_true(fabs(dot - r.hits[i].vector) < 2e-3);
        assert_true(i == 0 || r.hits[i].score <= r.hits[i - 1].score);
        assert_int_equal(r.hits[i].document, i);
    }
    assert_true(r.best_cosine >= r.hits[0].vector - 1e-6);
    assert_true(fabs(r.best_bm25 - r.hits[0].lexical) < 1e-9);
    rag_index_result_free(&r);
    /* the caller's weight is obeyed */
    q.vector_weight = 1;
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_true(r.vector_weight == 1);
    assert_int_equal(r.hits[0].vector_rank, 1);
    rag_index_result_free(&r);
    rag_index_result_free(&r);
    q.vector_weight = 2;
    assert_int_equal(rag_index_search(ix, &q, &r, &err), RAG_E_USAGE);
    rag_index_close(ix);
    test_dir_free(dir);
}

static const rag_index_query five_chunks = {.text = "휴가 신청",
                                            .len = sizeof("휴가 신청") - 1,
                                            .kind = -1,
                                            .chunks = 5,
                                            .vector_weight = -1};

static void chunks_of_a_document_stand_together(void **state) {
    char *dir = test_dir();
    const test_doc docs[] = {
        {.id = "two", .text = "휴가 신청 방법 ---휴가 신청 기한 안내 ---식당"},
        {.id = "one", .text = "휴가 정책"},
    };
    rag_index_query q = five_chunks;
    rag_index_result r;
    rag_index *ix;
    rag_error err;

    (void)state;
    test_store(dir, docs, 2);
    ix = test_open(dir);
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_int_equal(r.documents, 2);
    assert_int_equal(r.n, 3);
    assert_string_equal(r.hits[0].doc, "two");
    assert_string_equal(r.hits[1].doc, "two");
    assert_int_equal(r.hits[1].document, 0);
    assert_int_equal(r.hits[2].document, 1);
    rag_index_result_free(&r);
    q.k = 1;
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_int_equal(r.documents, 1);
    rag_index_result_free(&r);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void chunks_of_a_document_share_its_score(void **state) {
    char *dir = test_dir();
    const test_doc docs[] = {
        {.id = "twice", .text = "휴가 신청 방법 ---휴가 신청 방법 ---식당"},
        {.id = "one", .text = "휴가 정책"},
        {.id = "two", .text = "출장 신청 정책"},
        {.id = "three", .text = "식당 안내"},
    };
    rag_index_query q = five_chunks;
    rag_index_result r;
    rag_index *ix;
    rag_error err;

    (void)state;
    test_store(dir, docs, 4);
    ix = test_open(dir);
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_true(r.n > 3);
    assert_string_equal(r.hits[1].doc, "twice");
    assert_true(fabs(r.hits[0].score - r.hits[1].score) < 1e-9);
    assert_true(r.hits[1].score > r.hits[2].score);
    rag_index_result_free(&r);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void a_chunk_has_a_score_of_its_own(void **state) {
    char *dir = test_dir();
    const test_doc docs[] = {
        {.id = "more", .text = "휴가 신청 방법 ---휴가 신청 기한 안내"},
        {.id = "less", .text = "휴가 신청 방법 ---식당 안내"},
        {.id = "one", .text = "출장 신청 정책"},
        {.id = "two", .text = "식당 안내"},
    };
    rag_index_query q = five_chunks;
    rag_index_result r;
    rag_index *ix;
    rag_error err;
    float v[DIM];
    const rag_index_hit *same[2] = {NULL, NULL};

    (void)state;
    test_store(dir, docs, 4);
    ix = test_open(dir);
    test_vector(q.text, v);
    q.vector = v;
    must(rag_index_search(ix, &q, &r, &err), &err);
    for (size_t i = 0; i < r.n; i++) {
        const rag_index_hit *h = &r.hits[i];

        if (strcmp(h->text, "휴가 신청 방법 ") == 0)
            same[strcmp(h->doc, "less") == 0] = h;
        if (i && h->document == h[-1].document)
            assert_true(fabs((h->own - h[-1].own) - (h->score - h[-1].score)) <
                        1e-9);
    }
    assert_non_null(same[0]);
    assert_non_null(same[1]);
    assert_true(fabs(same[0]->own - same[1]->own) < 1e-9);
    assert_true(same[0]->score > same[0]->own + 0.1);
    rag_index_result_free(&r);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void exact_questions_are_found_by_key(void **state) {
    char *dir = test_dir();
    const test_doc docs[] = {
        {.id = "open",
         .text = "지점에서 개설합니다.",
         .question = "통장 개설은 어떻게 하나요?"},
        {.id = "close",
         .text = "지점에서 해지합니다.",
         .question = "통장 해지는 어떻게 하나요?"},
        {.id = "expired",
         .text = "지난 답",
         .until = 10,
         .question = "통장 개설은 어떻게 하나요?"},
    };
    const char *asked = "통장개설은 어떻게하나요";
    rag_index_result r;
    rag_index *ix;
    rag_error err;
    rag_buf key;

    (void)state;
    test_store(dir, docs, 3);
    ix = test_open(dir);
    rag_buf_init(&key, 0);
    must(rag_terms_key(asked, strlen(asked), &key, &err), &err);
    must(rag_index_faq_exact(ix, key.data, key.len, NULL, 0, 5, &r, &err),
         &err);
    assert_int_equal(r.n, 1);
    assert_string_equal(r.hits[0].doc, "open");
    assert_string_equal(r.hits[0].text, "지점에서 개설합니다.");
    assert_string_equal(r.hits[0].question, "통장 개설은 어떻게 하나요?");
    rag_index_result_free(&r);
    must(rag_index_faq_exact(ix, key.data, key.len, "none", 0, 5, &r, &err),
         &err);
    assert_int_equal(r.n, 0);
    rag_index_result_free(&r);
    must(rag_index_faq_exact(ix, "x", 1, NULL, 0, 5, &r, &err), &err);
    assert_int_equal(r.n, 0);
    rag_index_result_free(&r);
    rag_buf_free(&key);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void older_versions_give_way(void **state) {
    static const struct {
        const char *ot, *oi, *nt, *ni, *question;
        bool succeeds;
    } t[] = {
        {"출장 규정 (2024년판)", "a", "출장 규정 (2026년판)", "b", "일비",
         true},
        {"출장 규정 (2026년판)", "a", "출장 규정 (2024년판)", "b", "일비",
         false},
        {"출장 규정 (2024년판)", "a", "출장 규정 (2026년판)", "b",
         "2024년 출장의 일비", false},
        {"Security policy v1", "a", "Security policy v2", "b", "x", true},
        {"Security policy v1.4", "a", "Security policy, version 2.0", "b", "x",
         true},
        {"보안 지침 버전 1", "a", "보안 지침 버전 2", "b", "x", true},
        {"x", "h/remote-work-2023.en.txt", "y", "h/remote-work-2026.en.md", "x",
         true},
        {"Chapter 1", "a", "Chapter 2", "b", "x", false},
        {"은행법 제28조", "a", "은행법 제29조", "b", "x", false},
        {"Leave 2023", "a", "Travel 2026", "b", "x", false},
        {"", "1", "", "2", "x", false},
    };
    char *dir = test_dir();
    const test_doc docs[] = {
        {.id = "old",
         .title = "출장 규정 (2024년판)",
         .text = "출장 일비 일비 일비는 삼만 원"},
        {.id = "new",
         .title = "출장 규정 (2026년판)",
         .text = "출장 일비는 사만 원이며 식비를 포함합니다."},
        {.id = "etc", .title = "식당", .text = "식당 안내"},
    };
    const char *daily = "출장 일비";
    rag_index_query q = {.text = daily,
                         .len = strlen(daily),
                         .k = 3,
                         .kind = -1,
                         .vector_weight = -1};
    rag_index_result r;
    rag_index *ix;
    rag_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
        if (rag_order_succeeds(t[i].ot, t[i].oi, t[i].nt, t[i].ni,
                               t[i].question) != t[i].succeeds)
            fail_msg("%s / %s", t[i].ot, t[i].nt);
    test_store(dir, docs, 3);
    ix = test_open(dir);
    assert_finds(ix, daily, "new");
    assert_finds(ix, "2024년 출장 일비", "old");
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_string_equal(r.hits[1].doc, "old");
    assert_true(r.hits[0].score >= r.hits[1].score);
    assert_true(r.hits[0].own >= r.hits[1].own);
    rag_index_result_free(&r);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void the_same_passage_does_not_fill_the_list(void **state) {
    char *dir = test_dir();
    const char *same = "주차 요금은 무료입니다.";
    const test_doc docs[] = {
        {.id = "a", .text = same},
        {.id = "b", .text = "주차 요금은  무료입니다"},
        {.id = "c", .text = same},
        {.id = "d", .text = same},
        {.id = "e", .text = "주차 요금과 관련이 적은 긴 글도 하나 있습니다."},
    };
    rag_index_query q = {.text = "주차 요금",
                         .len = strlen("주차 요금"),
                         .k = 3,
                         .kind = -1,
                         .vector_weight = -1};
    rag_index_result r;
    rag_index *ix;
    rag_error err;

    (void)state;
    test_store(dir, docs, 5);
    ix = test_open(dir);
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_int_equal(r.documents, 3);
    assert_string_equal(r.hits[2].doc, "e");
    rag_index_result_free(&r);
    q.k = 10; /* nothing is lost */
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_int_equal(r.documents, 5);
    for (size_t i = 0; i < r.n; i++)
        assert_int_equal(r.hits[i].document, i);
    rag_index_result_free(&r);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void parts_of_a_chunk_mix_into_its_cosine(void **state) {
    char *dir = test_dir();
    const char *part = "세 번째 문장은 급여일";
    rag_index_writer *w = test_writer(dir);
    float whole[DIM], piece[DIM], asked[DIM];
    rag_vector v[2] = {{RAG_VECTOR_CHUNK, 0, 0, whole},
                       {RAG_VECTOR_SENTENCE, 0, 1, piece}};
    rag_index_query q = {.vector = asked, .kind = -1, .vector_weight = -1};
    double a = 0, b = 0, share = rag_tuning_default.sentence;
    rag_index_result r;
    rag_document d;
    rag_index *ix;
    rag_error err;

    (void)state;
    test_document(&bank[0], &d);
    test_vector(d.text, whole);
    test_vector(part, piece);
    test_vector("급여일", asked);
    must(rag_index_writer_put(w, &d, v, 2, &err), &err);
    test_commit(w);
    rag_index_writer_close(w);
    rag_document_free(&d);
    for (int i = 0; i < DIM; i++) {
        a += (double)asked[i] * whole[i];
        b += (double)asked[i] * piece[i];
    }
    assert_true(b > a);
    ix = test_open(dir);
    must(rag_index_search(ix, &q, &r, &err), &err);
    assert_int_equal(r.n, 1);
    assert_true(fabs(r.hits[0].vector - ((1 - share) * a + share * b)) < 2e-3);
    rag_index_result_free(&r);
    rag_index_close(ix);
    test_dir_free(dir);
}

static void self_test_passes(void **state) {
    rag_error err;

    (void)state;
    must(rag_index_self_test(&err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_find_their_document),
        cmocka_unit_test(what_users_type_is_no_syntax),
        cmocka_unit_test(long_questions_are_cut_not_refused),
        cmocka_unit_test(filters_and_validity_hold),
        cmocka_unit_test(scores_of_both_sides_are_exact),
        cmocka_unit_test(chunks_of_a_document_stand_together),
        cmocka_unit_test(chunks_of_a_document_share_its_score),
        cmocka_unit_test(a_chunk_has_a_score_of_its_own),
        cmocka_unit_test(exact_questions_are_found_by_key),
        cmocka_unit_test(older_versions_give_way),
        cmocka_unit_test(the_same_passage_does_not_fill_the_list),
        cmocka_unit_test(parts_of_a_chunk_mix_into_its_cosine),
        cmocka_unit_test(self_test_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
