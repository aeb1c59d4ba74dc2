/*
 * pii_check.c - what a format fixes beyond its pattern: check digits, dates,
 * prefixes, lengths, and the words that stand before a number.
 *
 * Called by pii.c with a match in the folded text. Pure; any thread.
 */
#include "base/pii_int.h"

#include <stdlib.h>
#include <string.h>

#define NEAR_BYTES 40 /* how far back a word may stand; a Hangul takes 3 */
#define DIGITS_MAX 40

/* Digits of [start,end) into out, at most max; returns how many there are. */
static size_t digits_of(const rag_pii_candidate *c, size_t start, size_t end,
                        char *out, size_t max) {
    size_t n = 0;
    for (size_t i = start; i < end; i++)
        if (c->text[i] >= '0' && c->text[i] <= '9') {
            if (n < max)
                out[n] = c->text[i];
            n++;
        }
    return n < max ? n : max;
}

static int number(const char *d, size_t n) {
    int v = 0;
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (d[i] - '0');
    return v;
}

static char lower(char ch) {
    return ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch;
}

/*
 * One of the words (separated by "|", lower case) stands in the text before
 * the match, on the same line, within NEAR_BYTES. The nearest of several
 * kinds of words decides, so the distance is told: larger is nearer.
 */
static size_t word_before(const rag_pii_candidate *c, const char *words) {
    size_t from = c->start > NEAR_BYTES ? c->start - NEAR_BYTES : 0;
    size_t best = 0;
    for (size_t i = c->start; i > from; i--)
        if (c->text[i - 1] == '\n') {
            from = i;
            break;
        }
    while (*words) {
        size_t n = strcspn(words, "|");
        for (size_t at = from; at + n <= c->start; at++) {
            size_t k = 0;
            while (k < n && lower(c->text[at + k]) == words[k])
                k++;
            if (k == n && at + n > best)
                best = at + n;
        }
        words += n;
        if (*words)
            words++;
    }
    return best;
}

/* What a number that is nobody's personal data is called. */
#define OTHER_NUMBERS                                                                              \
    "주문|송장|운송장|접수|예약|품번|모델|제품|상품코드|버전|일련번호|" \
    "문서번호|등기|관리번호|승인번호|쿠폰|order|tracking|invoice|ticket|"          \
    "booking|ref|reference|serial|model|part no|part number|sku|isbn|version|"                     \
    "coupon|document no|case no|case id|id:"
#define ACCOUNT_WORDS                                                                           \
    "계좌|account|acct|a/c|은행|뱅크|bank|국민|신한|우리|하나|농협|기업|"     \
    "카카오|토스|케이|수협|신협|새마을|우체국|씨티|제일|kb|nh|ibk|입금|" \
    "예금주"

static bool is_other_number(const rag_pii_candidate *c, const char *own) {
    size_t other = word_before(c, OTHER_NUMBERS);
    return other && other > word_before(c, own);
}

/* ---- resident and foreigner registration numbers ----------------------- */

static bool real_date(int y, int m, int d) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (m < 1 || m > 12 || d < 1)
        return false;
    int max = days[m - 1];
    if (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0))
        max = 29;
    return d <= max;
}

/* Weights 2..9, 2..5; modulo 11. A foreigner's digit is 2 further. */
static bool resident_digit_right(const char d[13], bool foreigner) {
    static const int w[] = {2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5};
    int sum = 0;
    for (int i = 0; i < 12; i++)
        sum += w[i] * (d[i] - '0');
    int check = (11 - sum % 11) % 10;
    if (foreigner)
        check = (check + 2) % 10;
    return check == d[12] - '0';
}

bool rag_pii_check_resident(rag_pii_candidate *c) {
    char d[DIGITS_MAX];
    size_t n = digits_of(c, c->start, c->end, d, sizeof d);
    int sex = d[6] - '0';
    int year = (sex == 3 || sex == 4 || sex == 7 || sex == 8 ? 2000 : 1900) +
               number(d, 2);
    bool split = c->m->end[2] > c->m->start[2];
    bool named = word_before(c, "주민|resident|rrn|생년월일|외국인|foreigner|"
                                "alien") != 0;
    if (!real_date(year, number(d + 2, 2), number(d + 4, 2)) || year > c->year)
        return false;
    if (sex >= 5)
        c->kind = RAG_PII_FOREIGNER;
    /* A company's registration number has the same shape. */
    if (word_before(c, "법인") && !named)
        return false;
    if (n < 13) /* the end is already hidden; a birthday is not */
        return true;
    if (is_other_number(c, "주민|resident|rrn"))
        return resident_digit_right(d, sex >= 5) && split;
    /* Split as only these numbers are: the check digit is not asked, because
     * numbers given since October 2020 have none. */
    if (split || named)
        return true;
    return resident_digit_right(d, sex >= 5) ||
           (year * 100 + number(d + 2, 2) >= 202010);
}

/* ---- cards, accounts ---------------------------------------------------- */

static bool luhn(const char *d, size_t n) {
    int sum = 0;
    for (size_t i = 0; i < n; i++) {
        int v = d[n - 1 - i] - '0';
        if (i % 2) {
            v *= 2;
            v = v > 9 ? v - 9 : v;
        }
        sum += v;
    }
    return sum % 10 == 0;
}

/* Prefix and length as issuers are given them (ISO/IEC 7812; 9 is used by
 * Korean cards that work at home only). */
static bool card_prefix(const char *d, size_t n) {
    int p2 = number(d, 2), p3 = number(d, 3), p4 = number(d, 4);
    if (d[0] == '4')
        return n == 13 || n == 16 || n == 19;
    if ((p2 >= 51 && p2 <= 55) || (p4 >= 2221 && p4 <= 2720) || d[0] == '9')
        return n == 16;
    if (p2 == 34 || p2 == 37)
        return n == 15;
    if ((p3 >= 300 && p3 <= 305) || p2 == 36 || p2 == 38 || p2 == 39)
        return n == 14;
    if (p4 == 6011 || (p3 >= 644 && p3 <= 649) || p2 == 65 || p2 == 62 ||
        (p4 >= 3528 && p4 <= 3589))
        return n >= 16;
    return (p2 == 50 || (p2 >= 56 && p2 <= 69)) && n >= 16;
}

bool rag_pii_check_card(rag_pii_candidate *c) {
    char d[DIGITS_MAX];
    size_t n = digits_of(c, c->start, c->end, d, sizeof d);
    if (n > 19 || !card_prefix(d, n))
        return false;
    bool named = word_before(c, "카드|card|visa|master|amex") != 0;
    if (is_other_number(c, "카드|card"))
        return false;
    return luhn(d, n) || named; /* named: a slip of the finger, still a card */
}

/* Groups of digits of account numbers, by the banks' own notation. */
static const char *const SHAPES[] = {
    "3-2-4-3", /* 국민 (old) */
    "6-2-6", /* 국민, 우체국 */
    "3-3-6", /* 신한, 케이, 광주, 신협 */
    "3-2-6",   "3-2-6-1", /* 신한 (old), 농협 (old), 제일, 대구 */
    "4-3-6", /* 우리 */
    "3-6-5", /* 하나 */
    "3-6-2-3", /* 기업 */
    "3-4-4-2", "3-4-4-3", "3-4-4-1", /* 농협, 부산, 산업, 수협 */
    "4-2-7",   "4-2-6",   "4-2-6-1", /* 카카오, 전북, 새마을 (old) */
    "3-6-3",   "3-2-7", /* 씨티, 경남 */
    "4-4-4-1", /* 새마을 */
};
/* Shapes that dates, keys and codes have too: only beside a word. */
static const char *const WEAK_SHAPES[] = {"4-4-4", "2-2-6", "2-6-4", "3-3-5",
                                          "3-5-5", "4-3-5", "6-6"};

static bool in_shapes(const char *s, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, list[i]) == 0)
            return true;
    return false;
}

bool rag_pii_check_account(rag_pii_candidate *c) {
    char shape[16];
    size_t n = 0, run = 0;
    bool hyphens = true;
    for (size_t i = c->start; i <= c->end; i++) {
        bool digit = i < c->end && c->text[i] >= '0' && c->text[i] <= '9';
        if (digit) {
            run++;
        } else if (run) {
            if (n + 2 >= sizeof shape)
                return false;
            if (n)
                shape[n++] = '-';
            shape[n++] = (char)('0' + run);
            run = 0;
        }
        if (i < c->end && !digit && c->text[i] != '-' &&
            !(c->text[i] == ' ' &&
              (c->text[i - 1] == '-' || c->text[i + 1] == '-')))
            hyphens = false;
    }
    shape[n] = '\0';
    bool named = word_before(c, ACCOUNT_WORDS) != 0;
    if (is_other_number(c, ACCOUNT_WORDS))
        return false;
    if (in_shapes(shape, SHAPES, sizeof SHAPES / sizeof SHAPES[0]))
        return hyphens || named;
    if (strcmp(shape, "4-4-4") == 0 && hyphens &&
        (strncmp(c->text + c->start, "1000", 4) == 0 ||
         strncmp(c->text + c->start, "190", 3) == 0)) /* 토스 */
        return true;
    return named && in_shapes(shape, WEAK_SHAPES,
                              sizeof WEAK_SHAPES / sizeof WEAK_SHAPES[0]);
}

/* A unit right behind makes a number an amount. */
static bool amount_follows(const rag_pii_candidate *c) {
    static const char *const units[] = {"원", "won", "krw", "달러", "usd", "개",
                                        "건", "명",  "점",  "%",    "엔"};
    const char *s = c->text + c->end;
    while (*s == ' ')
        s++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t k = 0;
        while (units[i][k] && lower(s[k]) == units[i][k])
            k++;
        if (!units[i][k])
            return true;
    }
    return false;
}

bool rag_pii_check_bare_account(rag_pii_candidate *c) {
    size_t n = c->end - c->start, zeros = 0;
    while (zeros < n && c->text[c->end - 1 - zeros] == '0')
        zeros++;
    return n >= 10 && zeros < 5 && word_before(c, ACCOUNT_WORDS) &&
           !is_other_number(c, ACCOUNT_WORDS) && !amount_follows(c);
}

/* ISO 13616: letters are 10..35, the first four characters go last, mod 97. */
bool rag_pii_check_iban(rag_pii_candidate *c) {
    char s[48];
    size_t n = 0;
    for (size_t i = c->start; i < c->end && n < sizeof s; i++)
        if (c->text[i] != ' ')
            s[n++] = c->text[i];
    if (n < 15 || n > 34)
        return false;
    int rest = 0;
    for (size_t i = 0; i < n; i++) {
        char ch = s[(i + 4) % n];
        int v = ch >= 'A' ? ch - 'A' + 10 : ch - '0';
        rest = (rest * (v > 9 ? 100 : 10) + v) % 97;
    }
    return rest == 1;
}

/* ---- phones -------------------------------------------------------------- */

#define PHONE_WORDS                                                                              \
    "전화|연락처|휴대폰|핸드폰|휴대전화|번호|팩스|tel|phone|fax|call|mobile|" \
    "cell|contact"

/* Any number of a distinctive shape, unless the words call it another. */
bool rag_pii_check_number(rag_pii_candidate *c) {
    return !is_other_number(c, PHONE_WORDS);
}

bool rag_pii_check_bare_phone(rag_pii_candidate *c) {
    return word_before(c, PHONE_WORDS) && !is_other_number(c, PHONE_WORDS) &&
           !word_before(c, "계좌|account") && !amount_follows(c);
}

/* E.164: at most fifteen digits. */
bool rag_pii_check_international(rag_pii_candidate *c) {
    char d[DIGITS_MAX];
    size_t n = digits_of(c, c->start, c->end, d, sizeof d);
    return n >= 8 && n <= 15 && !amount_follows(c);
}

/* ---- passports, licences, firms ----------------------------------------- */

bool rag_pii_check_passport(rag_pii_candidate *c) {
    bool named = word_before(c, "여권|passport") != 0;
    size_t n = c->end - c->start;
    char first = c->text[c->start];
    if (named)
        return true;
    if (is_other_number(c, "여권|passport") || word_before(c, "코드|code"))
        return false;
    /* Letter, 3 digits, letter, 4 digits is a passport's; letter and eight
     * digits alone is so only with the letter of most passports. */
    char fifth = n == 9 ? c->text[c->start + 4] : '0';
    bool upper = first >= 'A' && first <= 'Z';
    return n == 9 && upper && ((fifth >= 'A' && fifth <= 'Z') || first == 'M');
}

bool rag_pii_check_foreign_passport(rag_pii_candidate *c) {
    char d[DIGITS_MAX];
    return digits_of(c, c->start, c->end, d, sizeof d) >= 4 &&
           word_before(c, "passport|여권");
}

bool rag_pii_check_bare_licence(rag_pii_candidate *c) {
    return word_before(c, "면허|licence|license") &&
           !is_other_number(c, "면허|licence|license");
}

/* Weights 1 3 7 1 3 7 1 3 5, and the carry of the last product. */
bool rag_pii_check_business(rag_pii_candidate *c) {
    static const int w[] = {1, 3, 7, 1, 3, 7, 1, 3, 5};
    char d[DIGITS_MAX];
    if (digits_of(c, c->start, c->end, d, sizeof d) != 10)
        return false;
    int sum = (d[8] - '0') * 5 / 10;
    for (int i = 0; i < 9; i++)
        sum += w[i] * (d[i] - '0');
    bool right = (10 - sum % 10) % 10 == d[9] - '0';
    bool named = word_before(c, "사업자|business") != 0;
    if (c->m->end[1] == c->m->start[1]) /* no hyphens: only by name */
        return right && named;
    return right || named;
}

/* ---- addresses ----------------------------------------------------------- */

bool rag_pii_check_ip4(rag_pii_candidate *c) {
    const char *s = c->text + c->start;
    for (int i = 0; i < 4; i++) {
        int v = 0, n = 0;
        while (*s >= '0' && *s <= '9') {
            v = v * 10 + (*s++ - '0');
            n++;
        }
        if (v > 255 || n == 0)
            return false;
        s++;
    }
    if (c->start > 0 && strchr("vV", c->text[c->start - 1]))
        return false;
    size_t other = word_before(c, "버전|version|ver.|ver |v.|release|section|"
                                  "절|항목|§");
    if (c->start >= 3 && memcmp(c->text + c->start - 3, "제", 3) == 0)
        other = c->start;
    return !other || word_before(c, "ip|address|서버|server|접속") > other;
}

bool rag_pii_check_ip6(rag_pii_candidate *c) {
    const char *s = c->text + c->start, *end = c->text + c->end;
    int groups = 0, empty = 0, digits = 0;
    if (end - s < 5 || (s[0] == ':' && s[1] != ':') ||
        (end[-1] == ':' && end[-2] != ':'))
        return false;
    for (const char *p = s; p <= end; p++) {
        if (p < end && *p != ':') {
            digits++;
            continue;
        }
        groups += digits > 0;
        empty += digits == 0 && p > s && p < end;
        digits = 0;
    }
    /* Eight groups, or fewer and one "::"; a time has neither. */
    return groups == 8 ? !empty
                       : groups >= 2 && strstr(s, "::") &&
                             strstr(s, "::") < end && empty <= 1;
}

/* Group g of the match ends with one of the words. */
static bool ends_in(const rag_pii_candidate *c, unsigned g,
                    const char *const *words, size_t nwords) {
    size_t start = c->m->start[g], end = c->m->end[g];
    while (end > start && c->text[end - 1] == ' ')
        end--;
    for (size_t i = 0; i < nwords; i++) {
        size_t n = strlen(words[i]);
        if (end - start >= n && memcmp(c->text + end - n, words[i], n) == 0)
            return true;
    }
    return false;
}

static bool has(const rag_pii_candidate *c, unsigned g) {
    return g < c->m->groups && c->m->start[g] != (size_t)-1 &&
           c->m->end[g] > c->m->start[g];
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
/* Words that end like a town or a district and are none. */
static const char *const NO_TOWN[] = {
    "다시",   "역시",   "반드시", "즉시",   "잠시",   "혹시",   "수시",
    "동시",   "일시",   "임시",   "정시",   "필요시", "무시",   "표시",
    "공시",   "지시",   "제시",   "친구",   "도구",   "기구",   "연구",
    "요구",   "지구",   "인구",   "입구",   "출구",   "창구",   "복구",
    "누구",   "가구",   "야구",   "축구",   "청구",   "신청시", "발급시",
    "해지시", "가입시", "분실시", "이용시", "변경시", "개설시", "환전시",
    "이체시"};
/* ... like a road ... */
static const char *const NO_ROAD[] = {
    "으로",     "바로",     "새로",   "별로",   "따로",   "서로",
    "주로",     "대체로",   "그대로", "이대로", "제대로", "마음대로",
    "순서대로", "절차대로", "실제로", "새로",   "자로",   "함부로",
    "스스로",   "홀로",     "진짜로", "최대로", "최소로", "기준일로",
    "계좌로",   "카드로",   "전화로", "회사로", "번호로", "원화로",
    "달러로",   "경로",     "도로",   "통로",   "회로",   "진로",
    "피로",     "항로",     "선로",   "활로",   "하루로", "최고로",
    "코드로",   "별도로",   "추가로", "무료로", "유료로", "단위로",
    "이자로",   "금리로",   "나이로", "날짜로", "회차로", "종류로",
    "가지로"};
/* ... like a quarter or a village. */
static const char *const NO_QUARTER[] = {
    "자동",   "이동",   "활동",   "변동",   "연동",   "공동",     "행동",
    "작동",   "수동",   "운동",   "노동",   "부동",   "진동",     "감동",
    "출동",   "금리",   "관리",   "처리",   "수리",   "거리",     "정리",
    "원리",   "분리",   "권리",   "대리",   "자리",   "우리",     "마리",
    "빨리",   "미리",   "심리",   "논리",   "유리",   "고객가",   "평가",
    "물가",   "주가",   "단가",   "추가",   "증가",   "휴가",     "허가",
    "원가",   "국가",   "참가",   "불가",   "가가",   "최저가",   "최고가",
    "정가",   "종가",   "시가",   "제가",   "내가",   "수수료가", "한도가",
    "이자가", "금액가", "번호가", "회사가", "계좌가", "카드가",   "합계가",
    "나이가", "하루가", "차이가"};

#define ADDRESS_WORDS "주소|거주|배송지|자택|사는|살고|본적|address|주소지|이사"

bool rag_pii_check_road(rag_pii_candidate *c) {
    bool town = has(c, 2) && !ends_in(c, 2, NO_TOWN, COUNT(NO_TOWN));
    if (ends_in(c, 3, NO_ROAD, COUNT(NO_ROAD)) ||
        c->m->end[3] - c->m->start[3] < 6)
        return false;
    return has(c, 1) || town || has(c, 4) || has(c, 5) ||
           word_before(c, ADDRESS_WORDS);
}

bool rag_pii_check_lot(rag_pii_candidate *c) {
    bool town = has(c, 2) && !ends_in(c, 2, NO_TOWN, COUNT(NO_TOWN));
    bool township = has(c, 3), numbered = has(c, 5);
    if (c->m->end[4] - c->m->start[4] < 6 ||
        (!township && ends_in(c, 4, NO_QUARTER, COUNT(NO_QUARTER))))
        return false;
    return town || numbered || (has(c, 1) && (township || has(c, 6))) ||
           word_before(c, ADDRESS_WORDS);
}
