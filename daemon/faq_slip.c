/*
 * faq_slip.c - slips of the finger: a word one key away from the entry's.
 *
 * Texts are compared as the keys that were struck (two-set Korean layout), so
 * that a key left out in Korean is one difference however the syllables then
 * fall ("해지" struck without its vowel is "ㅎ지"). A slip is one key too
 * many, too few, another one, or two swapped. What spells a real word is never
 * taken for a slip of another ("charge" for "change", "임금" for "입금").
 * Pure; any thread.
 */
#include "daemon/faq_int.h"

#include "base/unicode.h"

#include <string.h>

#define KEYS_MIN_TEXT 12 /* of a whole question that is one slip away */
#define KEYS_MIN_WORD 4 /* of a word: two Korean syllables */
#define KEYS_MAX 2048 /* of a text; longer ones are no slips */
#define SYLLABLE 3

/* Keys of the parts of a syllable, in Unicode's order. */
static const char *const INITIAL[] = {"r", "R", "s", "e", "E", "f", "a",
                                      "q", "Q", "t", "T", "d", "w", "W",
                                      "c", "z", "x", "v", "g"};
static const char *const MEDIAL[] = {"k",  "o",  "i",  "O",  "j",  "p",  "u",
                                     "P",  "h",  "hk", "ho", "hl", "y",  "n",
                                     "nj", "np", "nl", "b",  "m",  "ml", "l"};
static const char *const FINAL[] = {"",   "r",  "R",  "rt", "s",  "sw", "sg",
                                    "e",  "f",  "fr", "fa", "fq", "ft", "fx",
                                    "fv", "fg", "a",  "q",  "qt", "t",  "T",
                                    "d",  "w",  "c",  "z",  "x",  "v",  "g"};

/* Words of their own that stand one key from a word of a bank's: such a word
 * is meant, not mistyped. By how they begin. */
static const char *const REAL[] = {
    "입금",    "출금",   "예금",   "적금",    "송금",   "가입",   "해지",
    "해제",    "등록",   "신청",   "취소",    "변경",   "개설",   "통장",
    "서류",    "보증",   "담보",   "분실",    "도난",   "상속",   "판매",
    "구매",    "만기",   "중도",   "환매",    "요금",   "임금",   "출근",
    "상황",    "시점",   "전기",   "이사",    "이자",   "투표",   "수표",
    "공통",    "공동",   "인정",   "인증",    "연계",   "연체",   "연금",
    "월급",    "원금",   "급료",   "금리",    "살때",   "팔때",   "카트",
    "카드",    "지급",   "자금",   "지금",    "보험",   "모험",   "한도",
    "한동",    "상한",   "하한",   "상담",    "상당",   "정기",   "장기",
    "단기",    "경기",   "입사",   "퇴사",    "증액",   "감액",   "잔액",
    "전액",    "금액",   "매수",   "매도",    "환전",   "환불",   "환율",
    "환급",    "발급",   "반환",   "상환",    "대출",   "대추",   "이체",
    "이제",    "연차",   "병가",   "휴가",    "휴일",   "후일",   "주식",
    "주소",    "수수",   "기간",   "시간",    "기관",   "계좌",   "계약",
    "지점",    "직원",   "지원",   "회원",    "charge", "change", "fee",
    "free",    "cost",   "lost",   "form",    "from",   "rate",   "date",
    "late",    "cash",   "card",   "case",    "lend",   "send",   "sell",
    "tell",    "hours",  "house",  "price",   "prize",  "prime",  "month",
    "mouth",   "safe",   "save",   "fund",    "found",  "refund", "bank",
    "back",    "block",  "clock",  "borrow",  "loan",   "load",   "check",
    "cheque",  "credit", "debit",  "quite",   "quit",   "quiet",  "paid",
    "paint",   "limit",  "living", "receive", "order",  "older",  "close",
    "clothes", "lower",  "lover",  "power",   "spend",  "speed",  "state",
    "stake",   "status", "letter", "better",  "latter", "later",  "there",
    "these",   "those",  "three",  "where",   "while",  "which",  "when",
    "then",    "than",   "that",   "this",    "must",   "most",   "cost",
    "last",    "fast",   "past",   "part",    "port",   "post",   "most",
    "move",    "more",   "make",   "take",    "made",   "sale",   "same",
    "some",    "come",   "home",   "long",    "word",   "work",   "week",
    "wear",    "year",   "near",   "need",    "note",   "vote",   "cancel"};

static size_t put(char *out, size_t cap, size_t n, const char *keys) {
    while (*keys && n + 1 < cap)
        out[n++] = (char)(*keys++ | 0x80);
    return n;
}

/* Keys of s[0..len), in out; cut at cap. */
static size_t keys_of(const char *s, size_t len, char *out, size_t cap) {
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, len - i, &cp);
        if (cp == ' ')
            continue;
        if (rag_unicode_syllable(cp)) {
            cp -= 0xAC00;
            n = put(out, cap, n, INITIAL[cp / 588]);
            n = put(out, cap, n, MEDIAL[cp / 28 % 21]);
            n = put(out, cap, n, FINAL[cp % 28]);
        } else if (cp >= 0x1100 && cp <= 0x1112) {
            n = put(out, cap, n, INITIAL[cp - 0x1100]);
        } else if (cp >= 0x1161 && cp <= 0x1175) {
            n = put(out, cap, n, MEDIAL[cp - 0x1161]);
        } else if (cp >= 0x11A8 && cp <= 0x11C2) {
            n = put(out, cap, n, FINAL[cp - 0x11A7]);
        } else if (n + 1 < cap) {
            out[n++] = cp < 0x80 ? (char)cp : '?';
        }
    }
    out[n] = '\0';
    return n;
}

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

/* One key put in, left out, changed or two swapped, never a digit. */
static bool one_key(const char *a, size_t n, const char *b, size_t m) {
    size_t i = 0;
    if ((n > m ? n - m : m - n) > 1)
        return false;
    while (a[i] && a[i] == b[i])
        i++;
    if (digit(a[i]) || digit(b[i]))
        return false;
    if (n == m && a[i])
        return strcmp(a + i + 1, b + i + 1) == 0 ||
               (a[i + 1] && !digit(a[i + 1]) && a[i] == b[i + 1] &&
                a[i + 1] == b[i] && strcmp(a + i + 2, b + i + 2) == 0);
    return n > m ? strcmp(a + i + 1, b + i) == 0
                 : n < m && strcmp(a + i, b + i + 1) == 0;
}

static bool latin(const char *s) {
    return (unsigned char)*s < 0x80;
}

static bool has_word(const rag_faq_text *t, const char *w) {
    if (!latin(w))
        return strstr(t->joined, w) != NULL;
    size_t n = strlen(w);
    for (const char *p = t->spaced; (p = strstr(p, w)); p++)
        if ((p == t->spaced || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

/* q holds a word of the list that e does not: it is meant. */
static bool means_another(const rag_faq_text *q, const rag_faq_text *e) {
    for (size_t i = 0; i < sizeof REAL / sizeof REAL[0]; i++)
        if (has_word(q, REAL[i]) && !has_word(e, REAL[i]))
            return true;
    return false;
}

static bool real_word(const char *w, size_t len) {
    for (size_t i = 0; i < sizeof REAL / sizeof REAL[0]; i++) {
        size_t n = strlen(REAL[i]);
        if (len >= n && memcmp(w, REAL[i], n) == 0 &&
            (!latin(REAL[i]) || len == n))
            return true;
    }
    return false;
}

/* A word as it was struck; n 0 when it is too short or too long to tell. */
typedef struct struck {
    char keys[4 * RAG_TERM_MAX];
    size_t n;
} struck;

static void strike(const char *w, size_t len, struck *out) {
    out->n =
        len <= RAG_TERM_MAX ? keys_of(w, len, out->keys, sizeof out->keys) : 0;
    if (out->n < KEYS_MIN_WORD)
        out->n = 0;
}

static bool one_key_apart(const struck *a, const struck *b) {
    return a->n && b->n && one_key(a->keys, a->n, b->keys, b->n);
}

bool rag_faq_slip_word(const char *a, size_t alen, const char *b, size_t blen) {
    struck x, y;
    if ((alen > blen ? alen - blen : blen - alen) > 1 || real_word(a, alen))
        return false;
    strike(a, alen, &x);
    strike(b, blen, &y);
    return one_key_apart(&x, &y);
}

/* The word of b that word w[0..n) of a mistypes, whole or without particles;
 * *mlen its bytes, *wlen how much of w it stands for. */
static const char *meant(const char *w, size_t n, const rag_faq_text *b,
                         size_t *wlen, size_t *mlen) {
    struck whole, bare, x;
    size_t ws = rag_terms_strip_particle(w, n);
    if (real_word(w, n))
        return NULL;
    strike(w, n, &whole);
    strike(w, ws, &bare);
    for (const char *p = b->spaced; *p;) {
        size_t k = strcspn(p, " "), ps = rag_terms_strip_particle(p, k);
        strike(p, k, &x);
        if (one_key_apart(&whole, &x)) {
            *wlen = n;
            *mlen = k;
            return p;
        }
        strike(p, ps, &x);
        if ((ws < n || ps < k) && one_key_apart(&bare, &x)) {
            *wlen = ws;
            *mlen = ps;
            return p;
        }
        p += k;
        p += strspn(p, " ");
    }
    return NULL;
}

/* True when w[0..n) occurs in any of the texts. */
static bool known(const char *w, size_t n, const rag_faq_text *const *texts,
                  size_t ntexts) {
    n = rag_terms_strip_particle(w, n);
    for (size_t i = 0; i < ntexts; i++)
        if (memmem(texts[i]->joined, strlen(texts[i]->joined), w, n))
            return true;
    return false;
}

int rag_faq_mend(const rag_faq_text *q, const rag_faq_text *e,
                 const rag_faq_text *const *others, size_t nothers,
                 rag_faq_text *out, bool *mended, rag_error *err) {
    rag_buf b;
    int rc = 0;
    *mended = false;
    memset(out, 0, sizeof *out);
    rag_buf_init(&b, 0);
    for (const char *p = q->spaced; *p && !rc;) {
        size_t n = strcspn(p, " "), wlen = 0, mlen = 0;
        const char *m = NULL;
        if (!known(p, n, &e, 1) && !known(p, n, others, nothers))
            m = meant(p, n, e, &wlen, &mlen);
        if (m) {
            *mended = true;
            rc = rag_buf_append(&b, m, mlen, err);
        }
        if (!rc)
            rc = rag_buf_append(&b, p + wlen, n - wlen, err);
        p += n;
        p += strspn(p, " ");
        if (!rc && *p)
            rc = rag_buf_append_char(&b, ' ', err);
    }
    if (!rc && *mended)
        rc = rag_faq_text_init(out, rag_buf_str(&b), b.len, err);
    rag_buf_free(&b);
    return rc;
}

/* a says what b does not, by the table of opposites. */
static bool says_more(const rag_faq_text *a, const rag_faq_text *b) {
    for (size_t g = 0; g < rag_faq_groups(); g++)
        if (!RAG_FAQ_IS_LOOSE(rag_faq_kind_of(g)) &&
            (a->sides[g] & ~b->sides[g]))
            return true;
    return rag_faq_sides_differ(a, b);
}

/* A word of q that is not e's stands in another text. */
static bool other_has(const rag_faq_text *q, const rag_faq_text *e,
                      const rag_faq_text *const *others, size_t nothers) {
    for (const char *p = q->spaced; *p;) {
        size_t n = strcspn(p, " ");
        if (n >= 2 * SYLLABLE && !known(p, n, &e, 1) &&
            known(p, n, others, nothers))
            return true;
        p += n;
        p += strspn(p, " ");
    }
    return false;
}

bool rag_faq_one_slip(const rag_faq_text *q, const rag_faq_text *e,
                      const rag_faq_text *const *others, size_t nothers) {
    char x[KEYS_MAX], y[KEYS_MAX];
    size_t n = keys_of(q->joined, strlen(q->joined), x, sizeof x);
    size_t m = keys_of(e->joined, strlen(e->joined), y, sizeof y);
    if (n + 1 == sizeof x || m + 1 == sizeof y || says_more(q, e) ||
        means_another(q, e) || other_has(q, e, others, nothers))
        return false;
    return n >= KEYS_MIN_TEXT && m >= KEYS_MIN_TEXT && one_key(x, n, y, m);
}

/* ---- likeness -------------------------------------------------------------- */

#define GRAM_SLOTS 1024

/* Dice coefficient of the sets of three keys in a row, a bitmap each. */
double rag_faq_likeness(const rag_faq_text *a, const rag_faq_text *b) {
    unsigned char seen[2][GRAM_SLOTS * 8] = {{0}};
    const rag_faq_text *t[2] = {a, b};
    size_t count[2] = {0, 0}, both = 0;
    char keys[KEYS_MAX];
    for (int k = 0; k < 2; k++) {
        size_t n =
            keys_of(t[k]->joined, strlen(t[k]->joined), keys, sizeof keys);
        for (size_t i = 0; i + 2 < n; i++) {
            unsigned h = (unsigned char)keys[i] * 2654435761u ^
                         (unsigned char)keys[i + 1] * 40503u * 131u ^
                         (unsigned char)keys[i + 2] * 977u;
            h ^= h >> 15;
            h %= GRAM_SLOTS * 8;
            count[k] += !seen[k][h];
            if (k && !seen[1][h] && seen[0][h])
                both++;
            seen[k][h] = 1;
        }
    }
    size_t all = count[0] + count[1];
    return all ? 2.0 * (double)both / (double)all : 0;
}
