/*
 * test_base_sentence.c - sentences end where readers of Korean and English
 * see them end (base/sentence.h).
 *
 * The table writes each text with a "¦" at every place where a sentence must
 * end, and nowhere else.
 */
#include "base/sentence.h"

#include "base/buf.h"
#include "base/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MARK "¦"

static rag_sentences *S;

static const char *const TABLE[] = {
    /* Korean, polite and plain */
    "오늘은 영업하지 않습니다.¦ 내일 다시 오세요.",
    "연차는 15일이다.¦ 반차는 4시간이다.¦ 반반차는 2시간이다.",
    "통장을 만들 수 있나요?¦ 네, 신분증만 있으면 됩니다!¦ 앱에서도 됩니다.",
    "해지할까?¦ 말까?¦ 고민된다.",
    "그렇죠.¦ 맞아요.¦ 고맙습니다.",
    "신청서를 냄.¦ 승인을 받음.¦ 출력함.",
    "했다.¦그리고 갔다.",
    "수수료는 없습니다.¦다만 우편료는 내야 합니다.",
    "가능한가요?¦네 가능합니다.",
    "정말요?!¦ 믿을 수 없어요…",
    "어제는 비가 왔다...¦ 오늘은 맑다.",
    "음... 그건 잘 모르겠습니다.¦ 확인하겠습니다.",
    "비밀번호는 6자리다.¦ iPhone에서도 같다.",
    "한도는 100만 원입니다.¦ 3회 틀리면 잠깁니다.",
    /* quotations */
    "\"안녕하세요.\"¦ 그가 말했다.",
    "그는 \"곧 갑니다.\" 라고 말했다.¦ 그리고 왔다.",
    "그는 “곧 갑니다.”라고 말했다.¦ 그리고 왔다.",
    "'해지하시겠습니까?'라는 창이 뜬다.¦ '예'를 누른다.",
    "“출금이 안 돼요.”¦ “카드를 확인해 주세요.”",
    /* brackets */
    "회사(이하 '갑'이라 한다. 자회사는 뺀다)는 직원을 보호한다.¦ 끝.",
    "문의하십시오(평일 9시. 점심 제외).¦ 감사합니다.",
    "적용한다.¦ (단, 계약직은 제외한다.)¦ 이 규정은 유효하다.",
    "제출한다(사본도 된다).¦ 기한은 3일이다.",
    "The rule (see Sec. 4. It is short) applies.¦ Nothing else does.",
    "He left (in 2010).¦ She stayed.",
    "It works.¦ (It always did.)¦ We use it.",
    /* dates, numbers, versions */
    "2026. 3. 1. 부터 시행한다.¦ 예외는 없다.",
    "2026.3.1.부터 시행한다.¦ 예외는 없다.",
    "이 법은 2026. 3. 1. 시행된다.¦ 2027. 1. 에 고친다.",
    "개정 2011. 4. 30., 2016. 3. 2., 2017. 1. 17. 에 따른다.¦ 끝이다.",
    "기한은 3. 15. 까지다.¦ 늦으면 안 된다.",
    "금리는 3.5%다.¦ 4.25%로 오른다.",
    "판 3.0을 따른다.¦ 판 2.1은 버린다.",
    "v1.2.3을 설치한다.¦ v1.2.4는 아직이다.",
    "Version 2.0.1 is out.¦ Use it.",
    "The rate is 3.5 percent.¦ It was 4.25 percent.",
    "It costs $5.¦ Twenty people bought it.",
    "Pi is 3.14159.¦ That is enough.",
    "서버는 10.0.0.1에 있다.¦ 포트는 80이다.",
    "1.5배로 준다.¦ 0.5일은 반차다.",
    /* URLs, mail, files, codes */
    "자세한 내용은 www.hanbit.example에 있다.¦ 전화는 1588-0000이다.",
    "https://example.com/a.b?c=d 를 여세요.¦ 그다음 로그인하세요.",
    "Write to help@example.com.¦ We answer within a day.",
    "Open report.final.pdf first.¦ Then print it.",
    "See https://example.com/x.y.z.¦ It has more.",
    "코드는 PPR-9087.A1입니다.¦ 적어 두세요.",
    /* English abbreviations */
    "Dr. Kim is in.¦ Mr. Lee is not.",
    "Use strong words, e.g. four unrelated ones.¦ Short ones fail.",
    "That is, i.e. Monday, is fine.¦ Come then.",
    "See No. 5 and Fig. 3.¦ Then go on.",
    "Ask No. 12.¦ He knows.",
    "The answer is no.¦ Nothing helps.",
    "Hanbit Co., Ltd. makes resin.¦ It is small.",
    "Smith et al. wrote it.¦ Read it.",
    "The U.S. Army came.¦ It left.",
    "They live in the U.S.¦ They like it.",
    "J. R. R. Tolkien wrote it.¦ He was a professor.",
    "John F. Kennedy spoke.¦ People listened.",
    "Choose plan B.¦ The other one is dearer.",
    "We open at 9 a.m. on weekdays.¦ We close at 6 p.m.",
    "Bring pens, paper, etc. to class.¦ Be early.",
    "Bring pens, paper, etc.¦ Be early.",
    "Approx. 5 km. away from here.",
    "Prof. Dr. Park vs. the rest.¦ He won.",
    "It was in Jan. 2024.¦ Or in Feb. 2025.",
    /* English marks */
    "What is it?¦ I don't know!¦ Really?!",
    "\"Stop!\" he said.¦ \"Why?\" she asked.",
    "\"It is over.\"¦ He left.",
    "Wait... what?¦ No...¦ Yes.",
    "Yahoo! is a company.¦ So is another.",
    "one.¦ Two.\tthree stays. four stays.",
    /* full-width */
    "これは本です。¦それはペンです。",
    "정말입니까？¦네！¦좋습니다。",
    "정말입니까？라고 물었다.",
    /* mixed */
    "VPN을 켠다.¦ Then log in.¦ 끝나면 끈다.",
    "API는 3.2.1절을 보라.¦ See Sec. 3.2.1.",
    "OTP가 없으면?¦ 영업점으로 오세요.",
    /* markers at the start of a line are not sentences */
    "1. 신분증을 준비한다.¦\n2. 영업점에 온다.",
    "가. 목적¦\n나. 범위¦\n다. 적용",
    "(1) 첫째다.¦ 이어진다.¦\n(2) 둘째다.",
    "① 다음과 같다.¦ 다만, 예외가 있다.¦ ② 그 밖에는 아니다.",
    "1) Open it.¦\n2) Close it.",
    "A. First choice¦\nB. Second choice",
    "한다.¦ 1. 신청한다.¦ 2. 접수한다.",
    "제32조(과태료) ① 다음 각 호의 자에게는 과태료를 부과한다.¦ 다만, 예외다.",
    /* lines */
    "# 휴가 규정¦\n연차는 15일이다.",
    "## 3. 연차¦\n\n### 3.1 발생¦\n\n한 달에 하루다.",
    "- 신분증¦\n- 도장¦\n- 통장",
    "• 신분증\n  (주민등록증)¦\n• 도장",
    "| 코드 | 뜻 |¦\n|---|---|¦\n| E-1 | 회의비. 간식 포함 |",
    "담당: 인사팀¦\n내선: 5200",
    "이 문장은 줄이 바뀌어도\n이어지는 문장이다.¦ 그다음이다.",
    "This sentence goes on\nover two lines.¦ This one not.",
    "제목 없는 문단¦\n\n다음 문단",
    "신청은 앱에서 합니다¦\n취소는 지점에서 합니다",
    "처리 완료됨¦\n담당자 확인",
    "이 규정은 다음을 포함\n하는 것으로 본다.",
    "Terms:¦\n- one¦\n- two",
    "Effective Date: 1 March 2026¦\nOwner: Security Team",
    "> 이 문서는 예전 것이다.¦\n> 새 것을 보라.",
    "문서\r\n이어짐.¦\r\n\r\n새 문단.",
    "[주의]¦\n뜨거움.¦ 만지지 말 것.",
    "Q. 해지는요?¦\nA. 앱에서 하세요.",
};

static bool check(const char *marked) {
    char *text = malloc(strlen(marked) + 1);
    size_t ends[64], n_ends = 0, len = 0;
    for (const char *p = marked; *p;) {
        if (!strncmp(p, MARK, strlen(MARK))) {
            ends[n_ends++] = len;
            p += strlen(MARK);
        } else {
            text[len++] = *p++;
        }
    }
    text[len] = '\0';
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\n'))
        len--;
    ends[n_ends++] = len;
    rag_span *v;
    size_t n;
    rag_error err = {0};
    if (rag_sentences_split(S, text, len, &v, &n, &err))
        fail_msg("%s", err.message);
    bool same = n == n_ends;
    for (size_t i = 0; same && i < n; i++)
        same = v[i].end == ends[i];
    if (!same) {
        rag_buf got;
        rag_buf_init(&got, 0);
        for (size_t i = 0; i < n; i++)
            rag_buf_printf(&got, NULL, "[%.*s]", (int)(v[i].end - v[i].start),
                           text + v[i].start);
        print_error("wanted: %s\ngot:    %s\n", marked, rag_buf_str(&got));
        rag_buf_free(&got);
    }
    free(v);
    free(text);
    return same;
}

static void table_is_kept(void **state) {
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++)
        bad += !check(TABLE[i]);
    assert_int_equal(bad, 0);
}

/* The same ends are found in text whose syllables are decomposed (NFD). */
static void nfd_splits_like_nfc(void **state) {
    (void)state;
    static const char NFD[] =
        "\xE1\x84\x92\xE1\x85\xA2\xE1\x86\xBB\xE1\x84\x83\xE1\x85\xA1."
        "\xE1\x84\x80\xE1\x85\xB3\xE1\x84\x85\xE1\x85\xA5\xE1\x86\xAB "
        "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xBB\xE1\x84\x83\xE1\x85\xA1. "
        "\xE1\x84\x81\xE1\x85\xB3\xE1\x87\x80.";
    rag_span *v;
    size_t n;
    assert_int_equal(rag_sentences_split(S, NFD, strlen(NFD), &v, &n, NULL), 0);
    assert_true(n >= 2);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(
            rag_utf8_valid(NFD + v[i].start, v[i].end - v[i].start, NULL),
            true);
    free(v);
}

/* Spans are in order, do not overlap, hold all that is no white space, have
 * none at their ends, and none is over the ceiling - whatever the text. */
static void spans_cover_everything(void **state) {
    (void)state;
    static const char *const PIECES[] = {
        "가",
        "나다",
        "다.",
        "요? ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "(",
        ")",
        "\"",
        "”",
        " ",
        "a",
        ".",
        "...",
        "！",
        "U.S. ",
        "|",
        "#",
        "\xE2\x80\xA6",
        "긴글자들",
        "2026. 3. 1. ",
        "\t",
        "\xC2\xA0",
        "e.g. ",
    };
    uint32_t seed = 12345;
    for (int round = 0; round < 300; round++) {
        rag_buf b;
        rag_buf_init(&b, 0);
        int count = round < 290 ? 60 : 3000;
        for (int i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            /* Long rounds have few ends, to reach the ceiling. */
            size_t k = round < 290 ? (seed >> 16) % 26 : (seed >> 16) % 2;
            assert_int_equal(rag_buf_append_str(&b, PIECES[k], NULL), 0);
        }
        rag_span *v;
        size_t n, at = 0;
        assert_int_equal(
            rag_sentences_split(S, rag_buf_str(&b), b.len, &v, &n, NULL), 0);
        for (size_t i = 0; i < n; i++) {
            assert_true(v[i].start >= at && v[i].end > v[i].start);
            assert_true(v[i].end - v[i].start <= RAG_SENTENCE_MAX);
            for (; at < v[i].start; at++)
                assert_true(strchr(" \t\r\n\xC2\xA0", b.data[at]) != NULL);
            assert_true(rag_utf8_valid(b.data + v[i].start,
                                       v[i].end - v[i].start, NULL));
            assert_null(strchr(" \t\r\n", b.data[v[i].start]));
            assert_null(strchr(" \t\r\n", b.data[v[i].end - 1]));
            at = v[i].end;
        }
        for (; at < b.len; at++)
            assert_true(strchr(" \t\r\n\xC2\xA0", b.data[at]) != NULL);
        free(v);
        rag_buf_free(&b);
    }
}

static void empty_and_blank_give_none(void **state) {
    (void)state;
    static const char *const BLANK[] = {"", " ", "\n\n", "\xC2\xA0\t \n"};
    for (size_t i = 0; i < 4; i++) {
        rag_span *v;
        size_t n;
        assert_int_equal(
            rag_sentences_split(S, BLANK[i], strlen(BLANK[i]), &v, &n, NULL),
            0);
        assert_int_equal(n, 0);
        assert_non_null(v);
        free(v);
    }
}

/* A long run without an end is cut at a space where there is one. */
static void long_runs_are_cut(void **state) {
    (void)state;
    char text[9001];
    for (size_t i = 0; i < 9000; i++)
        text[i] = i % 10 == 9 ? ' ' : 'a';
    text[9000] = '\0';
    rag_span *v;
    size_t n;
    assert_int_equal(rag_sentences_split(S, text, 9000, &v, &n, NULL), 0);
    assert_true(n >= 5);
    for (size_t i = 0; i < n; i++)
        assert_int_equal((v[i].end - v[i].start) % 10, 9);
    free(v);
}

static int open_splitter(void **state) {
    (void)state;
    rag_error err = {0};
    int rc = rag_sentences_open(&S, &err);
    if (rc)
        print_error("%s\n", err.message);
    return rc;
}

static int close_splitter(void **state) {
    (void)state;
    rag_sentences_close(S);
    rag_sentences_close(NULL);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_kept),
        cmocka_unit_test(nfd_splits_like_nfc),
        cmocka_unit_test(spans_cover_everything),
        cmocka_unit_test(empty_and_blank_give_none),
        cmocka_unit_test(long_runs_are_cut),
    };
    return cmocka_run_group_tests(tests, open_splitter, close_splitter);
}
