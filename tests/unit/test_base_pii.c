/*
 * Personal data is found in every kind and format we know of, whatever its
 * digits, dashes and spaces look like, and what only looks alike is left.
 *
 * The table is ours: values by kind, sentences that hold what is marked as
 * {kind:value}, and look-alikes. Each value is put into sentences of both
 * languages, in plain, full-width and decomposed writing. Precision and
 * recall by kind are printed (CMOCKA_MESSAGE_OUTPUT unset) and held at what
 * they are.
 */
#include "base/pii.h"
#include "base/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define YEAR 2026

typedef struct value {
    rag_pii_kind kind;
    const char *text;
} value;

/* Found wherever they stand. */
static const value VALUES[] = {
    {RAG_PII_RESIDENT, "850312-1234565"},
    {RAG_PII_RESIDENT, "850312 - 1234565"},
    {RAG_PII_RESIDENT, "850312 1234565"},
    {RAG_PII_RESIDENT, "850312.1234565"},
    {RAG_PII_RESIDENT, "8503121234565"},
    {RAG_PII_RESIDENT, "991231-2234561"},
    {RAG_PII_RESIDENT, "030405-3123453"},
    {RAG_PII_RESIDENT, "000229-4123456"}, /* split: digit not asked */
    {RAG_PII_RESIDENT, "2103153456789"}, /* since 2020: has no digit */
    {RAG_PII_RESIDENT, "850312-1******"},
    {RAG_PII_FOREIGNER, "880101-5123452"},
    {RAG_PII_FOREIGNER, "8801015123452"},
    {RAG_PII_FOREIGNER, "950630-6234567"},
    {RAG_PII_FOREIGNER, "010203-7123456"},
    {RAG_PII_PASSPORT, "M12345678"},
    {RAG_PII_PASSPORT, "M123A4567"},
    {RAG_PII_PASSPORT, "S987B6543"},
    {RAG_PII_LICENCE, "11-12-345678-90"},
    {RAG_PII_LICENCE, "28 05 123456 01"},
    {RAG_PII_LICENCE, "서울 02-123456-78"},
    {RAG_PII_LICENCE, "경기-99-654321-10"},
    {RAG_PII_CARD, "4111-1111-1111-1111"},
    {RAG_PII_CARD, "4111 1111 1111 1111"},
    {RAG_PII_CARD, "4111111111111111"},
    {RAG_PII_CARD, "5555.5555.5555.4444"},
    {RAG_PII_CARD, "2223000048410010"},
    {RAG_PII_CARD, "3782-822463-10005"},
    {RAG_PII_CARD, "378282246310005"},
    {RAG_PII_CARD, "3056 930902 5904"},
    {RAG_PII_CARD, "6011111111111117"},
    {RAG_PII_CARD, "3530-1113-3330-0000"},
    {RAG_PII_CARD, "6200-0000-0000-0005"},
    {RAG_PII_CARD, "9410-1234-5678-9010"},
    {RAG_PII_ACCOUNT, "123-45-6789-012"},
    {RAG_PII_ACCOUNT, "123456-04-123456"},
    {RAG_PII_ACCOUNT, "110-123-456789"},
    {RAG_PII_ACCOUNT, "110-12-345678"},
    {RAG_PII_ACCOUNT, "1002-123-456789"},
    {RAG_PII_ACCOUNT, "123-910123-12345"},
    {RAG_PII_ACCOUNT, "123-456789-01-012"},
    {RAG_PII_ACCOUNT, "301-1234-5678-91"},
    {RAG_PII_ACCOUNT, "020-1234-5678-901"},
    {RAG_PII_ACCOUNT, "3333-01-1234567"},
    {RAG_PII_ACCOUNT, "1000-1234-5678"},
    {RAG_PII_ACCOUNT, "9002-1234-5678-9"},
    {RAG_PII_ACCOUNT, "505-10-123456-7"},
    {RAG_PII_ACCOUNT, "302 - 1234 - 5678 - 91"},
    {RAG_PII_ACCOUNT, "DE89370400440532013000"},
    {RAG_PII_ACCOUNT, "DE89 3704 0044 0532 0130 00"},
    {RAG_PII_ACCOUNT, "GB82 WEST 1234 5698 7654 32"},
    {RAG_PII_PHONE, "010-1234-5678"},
    {RAG_PII_PHONE, "010.1234.5678"},
    {RAG_PII_PHONE, "010 1234 5678"},
    {RAG_PII_PHONE, "01012345678"},
    {RAG_PII_PHONE, "011-234-5678"},
    {RAG_PII_PHONE, "02-345-6789"},
    {RAG_PII_PHONE, "02)2345-6789"},
    {RAG_PII_PHONE, "(02) 2345-6789"},
    {RAG_PII_PHONE, "031-987-6543"},
    {RAG_PII_PHONE, "064 712 3456"},
    {RAG_PII_PHONE, "070-8123-4567"},
    {RAG_PII_PHONE, "0505-234-5678"},
    {RAG_PII_PHONE, "+82 10-1234-5678"},
    {RAG_PII_PHONE, "+82-10-1234-5678"},
    {RAG_PII_PHONE, "+821012345678"},
    {RAG_PII_PHONE, "+82 (0)10 1234 5678"},
    {RAG_PII_PHONE, "+82 2 2345 6789"},
    {RAG_PII_PHONE, "0082 10 1234 5678"},
    {RAG_PII_PHONE, "+1 415 555 2671"},
    {RAG_PII_PHONE, "+1 (415) 555-2671"},
    {RAG_PII_PHONE, "(415) 555-2671"},
    {RAG_PII_PHONE, "415-555-2671"},
    {RAG_PII_PHONE, "1-415-555-2671"},
    {RAG_PII_PHONE, "+44 20 7946 0958"},
    {RAG_PII_PHONE, "020 7946 0958"},
    {RAG_PII_PHONE, "07911 123456"},
    {RAG_PII_PHONE, "+81-3-1234-5678"},
    {RAG_PII_PHONE, "+4915112345678"},
    {RAG_PII_EMAIL, "kim.minsu@example.com"},
    {RAG_PII_EMAIL, "kim_minsu+bank@mail.example.co.kr"},
    {RAG_PII_EMAIL, "a@b.io"},
    {RAG_PII_EMAIL, "minsu(at)example.com"},
    {RAG_PII_EMAIL, "minsu [at] example.com"},
    {RAG_PII_IP, "203.0.113.45"},
    {RAG_PII_IP, "192.168.0.10"},
    {RAG_PII_IP, "2001:db8:85a3:0:0:8a2e:370:7334"},
    {RAG_PII_IP, "fe80::1ff:fe23:4567:890a"},
    {RAG_PII_BUSINESS, "123-45-67891"},
    {RAG_PII_BUSINESS, "220-81-23455"},
    {RAG_PII_ADDRESS, "서울특별시 강남구 테헤란로 152"},
    {RAG_PII_ADDRESS, "서울 강남구 테헤란로5길 15-3"},
    {RAG_PII_ADDRESS, "서울시 강남구 테헤란로 152, 1203호"},
    {RAG_PII_ADDRESS, "경기도 성남시 분당구 판교역로 235 (삼평동)"},
    {RAG_PII_ADDRESS, "부산광역시 해운대구 센텀중앙로 97번길 12"},
    {RAG_PII_ADDRESS, "강원도 춘천시 남산면 북한강변길 688"},
    {RAG_PII_ADDRESS, "제주특별자치도 제주시 첨단로 242"},
    {RAG_PII_ADDRESS, "종로구 새문안로 68, 101동 1203호"},
    {RAG_PII_ADDRESS, "서울 강남구 역삼동 737-1"},
    {RAG_PII_ADDRESS, "경기도 용인시 처인구 양지면 대대리 12-3"},
    {RAG_PII_ADDRESS, "전북 전주시 완산구 효자동2가 1234번지"},
    {RAG_PII_ADDRESS, "152 Teheran-ro, Gangnam-gu, Seoul"},
    {RAG_PII_ADDRESS, "15, Sejong-daero, Jung-gu, Seoul"},
    {RAG_PII_ADDRESS, "221B Baker Street, London NW1 6XE"},
    {RAG_PII_ADDRESS, "742 Evergreen Terrace, Springfield"},
    {RAG_PII_ADDRESS, "350 Fifth Ave, New York, NY 10118"},
};

/* %s: the value. Words around it must not decide. */
static const char *const FRAMES[] = {
    "%s",          "안녕하세요, %s 확인 부탁드려요.", "제 정보는 %s입니다",
    "(%s)",        "Please check %s for me.",         "It is %s, thanks",
    "%s\n다음 줄",
};

/* {kind:value} is found, nothing else is. */
static const char *const SENTENCES[] = {
    "주민등록번호 {resident:8503121234560} 조회",
    "주민번호는 {resident:850312-1234560}이고 전화는 {phone:010-9876-5432}예요",
    "외국인등록번호 {foreigner:8801015123459}",
    "생년월일과 뒷자리 첫 숫자 {resident:850312-1******}",
    "여권번호 {passport:S12345678} 재발급",
    "My passport number is {passport:C01X00T47}.",
    "passport no. {passport:533401372}",
    "운전면허 {licence:111234567890} 등록",
    "카드번호 {card:4111-1111-1111-1112} 분실", /* a slip, but named */
    "계좌번호 {account:12345678901234}로 보냈어요",
    "국민은행 {account:123456041234567} 예금주 홍길동",
    "농협 {account:3011234567891} 계좌",
    "연락처 {phone:0223456789}",
    "전화 {phone:0223456789}, 팩스 {phone:02-2345-6780}",
    "call me at {phone:0319876543}",
    "메일은 {email:hong@example.com}으로 주세요",
    "홍길동 주소 {address:테헤란로 152}",
    "배송지: {address:역삼동 737-1}",
    "집은 {address:테헤란로 152 101동 1203호}",
    "{phone:010-1111-2222}/{phone:010-3333-4444}",
    "카드 {card:5555 5555 5555 4444}, 계좌 {account:110-123-456789}",
    "이름 홍길동 {phone:０１０－１２３４－５６７８} 입니다",
    "번호 {phone:010\u20111234\u20115678}",
    "번호 {phone:010\u200b1234\u200b5678}",
    "번호 {phone:010\u00a01234\u00a05678}",
    "{phone:0\u2460"
    "0-1234-5678}",
    "접속 주소 ip {ip:10.0.0.1} 차단",
};

/* Nothing is found. */
static const char *const LOOK_ALIKES[] = {
    "HB-2107",
    "모델 HB-2107-A",
    "PPR-9087",
    "1588-0000",
    "1588-0000으로 전화",
    "대표번호 1599-1234",
    "1644-5678 고객센터",
    "080-123-4567 수신거부",
    "02-1588-0000",
    "2026-03-01",
    "2026. 3. 1.",
    "2026/03/01",
    "20260301",
    "2026-03-01 ~ 2026-12-31",
    "2026년 3월 1일 14:30:15",
    "12:30:45.123",
    "1,000,000원",
    "100000000원",
    "5000000000 won",
    "3.5%",
    "연 3.75%",
    "한도 100,000,000원",
    "1회 5000만원",
    "USD 12,345.67",
    "KRW 1000000000",
    "주문번호 20260301-000123",
    "주문번호 2026-0301-1234",
    "주문 123-456-789012",
    "order 110-123-456789",
    "order no. 1234567890123",
    "송장 6012-3456-7890",
    "tracking 123456789012",
    "invoice 2026-00123",
    "ref 0212345678",
    "접수번호 010-1234-5678-9",
    "문서번호 123-45-67890",
    "v1.2.3.4",
    "버전 10.0.19.1",
    "version 1.2.3.4",
    "제3.1.2.4절",
    "999.999.999.999",
    "256.1.1.1",
    "1.2.3",
    "ISBN 978-89-123-4567-8",
    "ISBN 9788912345678",
    "상품코드 8801234567893",
    "8801234567893",
    "1234567890123456", /* Luhn */
    "4111-1111-1111-1112",
    "0000000000000000",
    "1763800000000",
    "991332-1234567" /* no such month */,
    "850230-1234567",
    "850312-9234567",
    "법인등록번호 110111-1234567",
    "법인번호 110111-0123456",
    "123-45",
    "우편번호 06236",
    "06236",
    "서울 강남구",
    "서울특별시",
    "강남구 지점 3개",
    "테헤란로",
    "서울 지점 영업시간",
    "앞으로 3개월",
    "바로 2번 누르세요",
    "별도로 10분",
    "카드로 3회",
    "새로 5개",
    "그대로 3",
    "순서대로 1",
    "다시 바로 3",
    "자동 2회",
    "이동 2시간",
    "제주 2박 3일",
    "휴가 15일",
    "최대 10일까지",
    "부서 이동 3건",
    "영업시간 09:00-18:00",
    "09:00~16:00",
    "24/7",
    "1/2",
    "A4 100장",
    "EOS-5000",
    "KS X 1001",
    "ISO 9001:2015",
    "RFC 8259",
    "제12조 제3항",
    "제2024-15호",
    "표 3-2",
    "그림 3-2-1",
    "1-2-3",
    "12-34-56",
    "2-3-5",
    "10-20-30-40",
    "1234-5678",
    "12345-67890",
    "a@b",
    "@mention",
    "3 @ 5",
    "user@",
    "a.b.c",
    "x::y",
    "std::string",
    "rag_pii::find",
    "10:20:30:40",
    "1:2",
    "2026-11-22T10:51:02Z",
    "M1234567",
    "m16",
    "AB12345678",
    "S12345678 부품",
    "G20",
    "COVID-19",
    "3 Business Days",
    "the 5 Year Fixed Rate",
    "10 Working Days",
    "Top 10",
    "in 30 days",
    "Call 1588-0000",
    "Section 4.2.1",
    "page 12 of 30",
    "GPT-4",
    "RTX 4090",
    "+5%",
    "-3.2",
    "+100",
    "1e10",
    "0.001",
    "12.5.3",
    "No. 12",
    "1,234,567,890",
    "12 345 678",
    "2,026",
    "통장 3개",
    "적금 12개월",
    "금리 3.5~4.2%",
    "나이 만 19세 이상",
    "100% 환급",
    "1일 1회 100만원",
    "OTP 6자리",
    "비밀번호 4자리",
    "인증번호 123456",
    "코드 12345678",
    "PO-2026-0301",
    "SKU 110-123-456789",
    "id: 123456-12-123456",
    "serial 0123-4567-8901",
    "DE00 0000 0000 0000 0000 00",
    "ABCD1234EFGH5678",
};

static rag_pii *rules;

typedef struct score {
    size_t right, missed, wrong;
} score;

static score by_kind[RAG_PII_KINDS];
static size_t texts_tried;

static int setup(void **state) {
    (void)state;
    rag_error err = {0};
    if (rag_pii_open(YEAR, &rules, &err))
        fail_msg("%s", err.message);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    rag_pii_close(rules);
    return 0;
}

static rag_pii_options all_kinds = {.kinds = RAG_PII_ALL};

/* Counts text against the wanted spans; says what differs. */
static void tally(const char *text, const rag_pii_span *want, size_t nwant) {
    rag_pii_span *got = NULL;
    size_t n = 0;
    rag_error err = {0};
    assert_int_equal(
        rag_pii_find(rules, text, strlen(text), &all_kinds, &got, &n, &err), 0);
    texts_tried++;
    for (size_t i = 0; i < nwant; i++) {
        size_t k = 0;
        while (k < n &&
               (got[k].kind != want[i].kind || got[k].start != want[i].start ||
                got[k].end != want[i].end))
            k++;
        if (k < n) {
            by_kind[want[i].kind].right++;
        } else {
            by_kind[want[i].kind].missed++;
            print_message("missed %s: %s\n", rag_pii_word(want[i].kind), text);
        }
    }
    for (size_t k = 0; k < n; k++) {
        size_t i = 0;
        while (i < nwant &&
               (got[k].kind != want[i].kind || got[k].start != want[i].start ||
                got[k].end != want[i].end))
            i++;
        if (i == nwant) {
            by_kind[got[k].kind].wrong++;
            print_message("wrong %s \"%.*s\": %s\n", rag_pii_word(got[k].kind),
                          (int)(got[k].end - got[k].start), text + got[k].start,
                          text);
        }
    }
    free(got);
}

/* "{kind:value}" to plain text and wanted spans. */
static void tally_marked(const char *marked) {
    rag_pii_span want[8];
    size_t nwant = 0;
    rag_buf b;
    rag_buf_init(&b, 0);
    for (const char *s = marked; *s; s++) {
        if (*s != '{') {
            rag_buf_append_char(&b, *s, NULL);
            continue;
        }
        const char *colon = strchr(s, ':'), *close = strchr(s, '}');
        assert_non_null(colon);
        assert_non_null(close);
        size_t k = 0;
        while (k < RAG_PII_KINDS &&
               (strlen(rag_pii_word(k)) != (size_t)(colon - s - 1) ||
                memcmp(rag_pii_word(k), s + 1, (size_t)(colon - s - 1)) != 0))
            k++;
        assert_true(k < RAG_PII_KINDS);
        want[nwant] = (rag_pii_span){(rag_pii_kind)k, b.len, 0};
        rag_buf_append(&b, colon + 1, (size_t)(close - colon - 1), NULL);
        want[nwant++].end = b.len;
        s = close;
    }
    tally(rag_buf_str(&b), want, nwant);
    rag_buf_free(&b);
}

/* Writings of the same characters. */
enum { PLAIN, FULL_WIDTH, DECOMPOSED, WRITINGS };

static void write_as(int how, const char *s, rag_buf *out) {
    for (size_t i = 0, n = strlen(s); i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        if (how == FULL_WIDTH && cp > 0x20 && cp < 0x7F) {
            cp += 0xFF01 - 0x21;
        } else if (how == FULL_WIDTH && cp == ' ') {
            cp = 0x3000;
        } else if (how == DECOMPOSED && cp >= 0xAC00 && cp <= 0xD7A3) {
            uint32_t x = cp - 0xAC00;
            rag_buf_append_codepoint(out, 0x1100 + x / 588, NULL);
            rag_buf_append_codepoint(out, 0x1161 + x % 588 / 28, NULL);
            cp = x % 28 ? 0x11A7 + x % 28 : 0;
        }
        if (cp)
            rag_buf_append_codepoint(out, cp, NULL);
    }
}

static void every_format_in_every_writing(void **state) {
    (void)state;
    for (size_t v = 0; v < sizeof VALUES / sizeof VALUES[0]; v++)
        for (size_t f = 0; f < sizeof FRAMES / sizeof FRAMES[0]; f++)
            for (int how = 0; how < WRITINGS; how++) {
                const char *gap = strstr(FRAMES[f], "%s");
                /* "(02)2345-6789)": whose bracket is it? */
                if (FRAMES[f][0] == '(' && !strchr(VALUES[v].text, '(') &&
                    strchr(VALUES[v].text, ')'))
                    continue;
                rag_buf frame, b;
                rag_buf_init(&frame, 0);
                rag_buf_init(&b, 0);
                rag_buf_append(&frame, FRAMES[f], (size_t)(gap - FRAMES[f]),
                               NULL);
                write_as(how, rag_buf_str(&frame), &b);
                rag_pii_span want = {VALUES[v].kind, b.len, 0};
                write_as(how, VALUES[v].text, &b);
                want.end = b.len;
                write_as(how, gap + 2, &b);
                tally(rag_buf_str(&b), &want, 1);
                rag_buf_free(&frame);
                rag_buf_free(&b);
            }
}

static void sentences_as_people_write_them(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SENTENCES / sizeof SENTENCES[0]; i++)
        tally_marked(SENTENCES[i]);
}

static void look_alikes_are_left(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof LOOK_ALIKES / sizeof LOOK_ALIKES[0]; i++)
        for (int how = 0; how < WRITINGS; how++) {
            rag_buf b;
            rag_buf_init(&b, 0);
            write_as(how, LOOK_ALIKES[i], &b);
            tally(rag_buf_str(&b), NULL, 0);
            rag_buf_free(&b);
        }
}

/* Runs last: what the three before have counted. */
static void precision_and_recall_hold(void **state) {
    (void)state;
    score all = {0};
    print_message("%-10s %6s %6s %6s %9s %7s\n", "kind", "right", "missed",
                  "wrong", "precision", "recall");
    for (int k = 0; k < RAG_PII_KINDS; k++) {
        score *s = &by_kind[k];
        print_message("%-10s %6zu %6zu %6zu %9.4f %7.4f\n", rag_pii_word(k),
                      s->right, s->missed, s->wrong,
                      (double)s->right / (double)(s->right + s->wrong),
                      (double)s->right / (double)(s->right + s->missed));
        assert_true(s->right > 0);
        all.right += s->right;
        all.missed += s->missed;
        all.wrong += s->wrong;
    }
    print_message("all: %zu texts, precision %.4f, recall %.4f\n", texts_tried,
                  (double)all.right / (double)(all.right + all.wrong),
                  (double)all.right / (double)(all.right + all.missed));
    assert_int_equal(all.missed, 0);
    assert_int_equal(all.wrong, 0);
}

static void expect_masked(const char *s, const rag_pii_options *opt,
                          const char *want) {
    rag_buf b;
    rag_error err = {0};
    rag_buf_init(&b, 0);
    assert_int_equal(rag_pii_mask(rules, s, strlen(s), opt, &b, NULL, &err), 0);
    assert_string_equal(rag_buf_str(&b), want);
    rag_buf_free(&b);
}

static void masks_by_label_or_last_digits(void **state) {
    (void)state;
    rag_pii_options keep = {.keep = RAG_PII_BIT(RAG_PII_CARD) |
                                    RAG_PII_BIT(RAG_PII_ACCOUNT)};
    expect_masked("제 번호 010-1234-5678", NULL, "제 번호 [전화번호]");
    expect_masked("My card 4111-1111-1111-1111", NULL, "My card [card]");
    expect_masked("카드 4111-1111-1111-1111 분실", &keep,
                  "카드 [카드번호 *1111] 분실");
    expect_masked("account 110-123-456789", &keep, "account [account *6789]");
    rag_pii_options only = {.kinds = RAG_PII_BIT(RAG_PII_EMAIL)};
    expect_masked("a@b.io 010-1234-5678", &only, "[e-mail] 010-1234-5678");
    expect_masked("사업자 123-45-67891", NULL, "사업자 123-45-67891");
    expect_masked("사업자 123-45-67891", &all_kinds, "사업자 [사업자번호]");
    const char *ours[] = {"02-2345-6789", NULL};
    rag_pii_options allow = {.allow = ours};
    expect_masked("02)2345-6789 말고 010-1234-5678", &allow,
                  "02)2345-6789 말고 [전화번호]");
}

static void masking_again_changes_nothing(void **state) {
    (void)state;
    rag_pii_options keep = {.kinds = RAG_PII_ALL, .keep = RAG_PII_ALL};
    for (size_t v = 0; v < sizeof VALUES / sizeof VALUES[0]; v++) {
        rag_buf a, b;
        rag_buf_init(&a, 0);
        rag_buf_init(&b, 0);
        assert_int_equal(rag_pii_mask(rules, VALUES[v].text,
                                      strlen(VALUES[v].text), &keep, &a, NULL,
                                      NULL),
                         0);
        assert_int_equal(
            rag_pii_mask(rules, rag_buf_str(&a), a.len, &keep, &b, NULL, NULL),
            0);
        assert_string_equal(rag_buf_str(&a), rag_buf_str(&b));
        rag_buf_free(&a);
        rag_buf_free(&b);
    }
}

static void hostile_text_is_an_error_or_quick(void **state) {
    (void)state;
    rag_pii_span *got;
    size_t n;
    rag_error err = {0};
    assert_int_equal(rag_pii_find(rules, "\xff", 1, NULL, &got, &n, &err),
                     RAG_E_DATA);
    assert_null(got);
    char *big = malloc(RAG_PII_TEXT_MAX + 1);
    assert_non_null(big);
    memset(big, '1', RAG_PII_TEXT_MAX + 1);
    assert_int_equal(
        rag_pii_find(rules, big, RAG_PII_TEXT_MAX + 1, NULL, &got, &n, &err),
        RAG_E_LIMIT);
    /* What makes patterns go back and forth, in 64 KiB each; the time limit
     * of the runner is the assertion. */
    const char *unit[] = {"1",   "1-",    "0:", "a.",      "서울 ",
                          "1 1", "A1A1 ", "@.", "시 로 1", "12 Aa Aa "};
    for (size_t u = 0; u < sizeof unit / sizeof unit[0]; u++) {
        size_t len = strlen(unit[u]), max = (64 << 10) / len * len;
        for (size_t i = 0; i < max; i++)
            big[i] = unit[u][i % len];
        int rc = rag_pii_find(rules, big, max, NULL, &got, &n, &err);
        assert_true(rc == 0 || rc == RAG_E_LIMIT);
        free(got);
    }
    free(big);
    rag_pii_span *none;
    assert_int_equal(rag_pii_find(rules, "", 0, NULL, &none, &n, NULL), 0);
    assert_int_equal(n, 0);
    free(none);
}

static void kinds_are_read_from_words(void **state) {
    (void)state;
    unsigned set;
    rag_error err = {0};
    assert_int_equal(rag_pii_kinds_parse("card, phone", &set, &err), 0);
    assert_int_equal(set,
                     RAG_PII_BIT(RAG_PII_CARD) | RAG_PII_BIT(RAG_PII_PHONE));
    assert_int_equal(rag_pii_kinds_parse("all", &set, &err), 0);
    assert_int_equal(set, RAG_PII_ALL);
    assert_int_equal(rag_pii_kinds_parse("none", &set, &err), 0);
    assert_int_equal(set, 0);
    assert_int_equal(rag_pii_kinds_parse("cards", &set, &err), RAG_E_DATA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_in_every_writing),
        cmocka_unit_test(sentences_as_people_write_them),
        cmocka_unit_test(look_alikes_are_left),
        cmocka_unit_test(precision_and_recall_hold),
        cmocka_unit_test(masks_by_label_or_last_digits),
        cmocka_unit_test(masking_again_changes_nothing),
        cmocka_unit_test(hostile_text_is_an_error_or_quick),
        cmocka_unit_test(kinds_are_read_from_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
