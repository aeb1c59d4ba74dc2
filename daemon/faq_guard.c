/*
 * faq_guard.c - whether two questions ask the same.
 *
 * Four checks, cheapest first; the first that fails gives the verdict:
 *   1. opposites   same sides of every group of the table
 *   2. numbers     same numbers with the same units
 *   3. the question has nothing the entry lacks: each Hangul run is covered
 *      by pieces of the entry (two syllables or more), words of the same side
 *      of the table and light words (particles, endings, politeness); each
 *      Latin word and code occurs in the entry, a slip of one letter allowed
 *   4. the entry has nothing the question lacks, else the question is vague
 * Pure; any thread.
 */
#include "daemon/faq_int.h"

#include "base/terms.h"
#include "base/unicode.h"

#include <stdio.h>
#include <string.h>

#define SYLLABLE 3 /* bytes of a Hangul syllable in UTF-8 */
#define ITEMS_MAX 64

/* What is left of a Hangul run once the entry's pieces are out may hold only
 * these. Longest first where one begins another. */
static const char *const LIGHT[] = {
    "아요",
    "어요",
    "여요",
    "아야",
    "어야",
    "아도",
    "어도",
    "아서",
    "어서",
    "을까요",
    "냐고",
    "냐",
    "니",
    "아",
    "어",
    "려",
    "얼마인가요",
    "얼마예요",
    "얼마인지",
    "얼마나",
    "얼마",
    "언제",
    "어디서",
    "어디",
    "누구",
    "누가",
    "왜",
    "며칠",
    "알려주시겠어요",
    "알려주실수있나요",
    "가르쳐주세요",
    "알려주십시오",
    "안내부탁드립니다",
    "궁금합니다",
    "알고싶습니다",
    "알고싶어요",
    "하고싶습니다",
    "하고싶은데요",
    "하고싶은데",
    "하고싶어요",
    "싶습니다",
    "싶은데요",
    "싶은데",
    "싶어요",
    "알려주세요",
    "부탁드립니다",
    "부탁해요",
    "해주세요",
    "주세요",
    "알려줘",
    "궁금해요",
    "궁금해",
    "어떻게되나요",
    "어떻게하나요",
    "어떻게해야하나요",
    "어떻게해요",
    "어떻게",
    "어떤",
    "어떡해",
    "어찌",
    "무엇인가요",
    "무엇이",
    "무엇을",
    "무엇",
    "뭔가요",
    "뭐예요",
    "뭐가",
    "뭐를",
    "뭐",
    "뭘",
    "방법",
    "필요한가요",
    "필요한",
    "필요해요",
    "필요",
    "하려면",
    "하려고",
    "하려는데",
    "하려",
    "려면",
    "려고",
    "려는데",
    "되나요",
    "되는지",
    "되는가요",
    "되죠",
    "돼요",
    "되요",
    "되면",
    "됩니까",
    "합니까",
    "하나요",
    "하는지",
    "하는데",
    "하는",
    "하면",
    "하죠",
    "해요",
    "하고",
    "해야",
    "한가요",
    "할까요",
    "할수있나요",
    "할수",
    "하기",
    "인가요",
    "인지요",
    "인지",
    "입니까",
    "이에요",
    "예요",
    "이죠",
    "나요",
    "까요",
    "는데요",
    "는데",
    "은데",
    "는지",
    "은지",
    "을까",
    "습니까",
    "습니다",
    "니까",
    "있습니까",
    "있나요",
    "있어요",
    "있는",
    "있을",
    "있",
    "가능한가요",
    "가능해요",
    "가능",
    "혹시",
    "좀",
    "제가",
    "저는",
    "저희",
    "제",
    "내",
    "나의",
    "그",
    "이",
    "새로",
    "다시",
    "관련",
    "대해서",
    "대해",
    "대한",
    "관해",
    "관한",
    "문의",
    "질문",
    "그리고",
    "그럼",
    "그러면",
    "에서는",
    "에서",
    "에게",
    "에는",
    "에도",
    "으로",
    "로는",
    "로",
    "까지",
    "부터",
    "마다",
    "하고",
    "이나",
    "이랑",
    "랑",
    "과",
    "와",
    "은",
    "는",
    "가",
    "을",
    "를",
    "에",
    "의",
    "도",
    "만",
    "요",
    "죠",
    "다",
    "고",
    "서",
    "면",
    "건",
    "게",
    "지",
    "수",
    "것",
    "거",
    "기",
    "때",
    "할",
    "한",
    "해",
    "하",
    "된",
    "될",
    "되",
    "인",
    "일",
    "으",
    "야",
    "음",
    "나",
};

#define NLIGHT (sizeof LIGHT / sizeof LIGHT[0])

static void say(rag_guard_result *out, rag_guard_verdict v, const char *what,
                const char *detail, size_t n) {
    out->verdict = v;
    size_t max = sizeof out->reason - strlen(what) - 3;
    n = rag_utf8_floor(detail, n, n < max ? n : max);
    snprintf(out->reason, sizeof out->reason, "%s: %.*s", what, (int)n, detail);
}

/* ---- 1. opposites --------------------------------------------------------------- */

static void check_opposites(const rag_faq_text *q, const rag_faq_text *e,
                            rag_guard_result *out) {
    for (size_t g = 0; g < rag_faq_groups(); g++) {
        unsigned a = rag_faq_sides(q, g), b = rag_faq_sides(e, g);
        const char *name = rag_faq_group(g);
        if (a == b)
            continue;
        if (a & ~b) {
            say(out, RAG_GUARD_OTHER, "opposite", name, strlen(name));
            return;
        }
        /* What is asked (how much, when) may be left out: "transfer limit".
         * Negation never is. */
        if (g == 0)
            continue;
        if (strcmp(name, "negation") == 0) {
            say(out, RAG_GUARD_OTHER, "opposite", name, strlen(name));
            return;
        }
        if (out->verdict == RAG_GUARD_SAME)
            say(out, RAG_GUARD_VAGUE, "left open", name, strlen(name));
    }
}

/* ---- 2. numbers ------------------------------------------------------------------ */

typedef struct number {
    char digits[RAG_TERM_MAX + 1];
    char unit[8]; /* the character behind, "" at the end */
} number;

typedef struct numbers {
    number of[ITEMS_MAX];
    size_t n;
} numbers;

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits with separators between them ("1,000" "3.5" "1588-0000"): their
 * length. */
static size_t number_length(const char *s) {
    size_t n = 0;
    while (digit(s[n]) ||
           (n && strchr(",.-:/", s[n]) && s[n] && digit(s[n + 1])))
        n++;
    return n;
}

/* A word of letters, digits and hyphens with a digit in it ("PPR-9087"). */
static size_t code_length(const char *s) {
    size_t n = 0;
    bool digits = false;
    while (letter(s[n]) || digit(s[n]) ||
           (n && s[n] == '-' && (letter(s[n + 1]) || digit(s[n + 1])))) {
        digits = digits || digit(s[n]);
        n++;
    }
    return digits ? n : 0;
}

static void number_add(numbers *ns, const char *s, size_t n, bool unit) {
    if (ns->n == ITEMS_MAX)
        return;
    number *x = &ns->of[ns->n++];
    size_t k = 0;
    for (size_t i = 0; i < n && k < sizeof x->digits - 1; i++)
        if (s[i] != ',')
            x->digits[k++] = letter(s[i]) ? (char)(s[i] | 0x20) : s[i];
    x->digits[k] = '\0';
    x->unit[0] = '\0';
    const char *at = s + n;
    while (*at == ' ')
        at++;
    uint32_t cp = 0;
    size_t len = unit && *at ? rag_utf8_next(at, strlen(at), &cp) : 0;
    if (len && (cp == '%' || rag_unicode_class(cp) == RAG_CHAR_HANGUL)) {
        memcpy(x->unit, at, len);
        x->unit[len] = '\0';
    }
}

/* s is cleaned: full-width digits are plain ones. */
static void numbers_find(const char *s, numbers *ns) {
    for (size_t i = 0; s[i];) {
        size_t n = digit(s[i]) ? number_length(s + i) : 0;
        size_t code = letter(s[i]) ? code_length(s + i) : 0;
        if (n)
            number_add(ns, s + i, n, true);
        else if (code)
            number_add(ns, s + i, code, false);
        n = n ? n : code;
        if (!n && letter(s[i]))
            while (letter(s[i + n]))
                n++;
        i += n ? n : 1;
    }
}

/* Sides agree when each number of a occurs in b with the same unit, where
 * both have one. Returns the one that does not. */
static const number *number_missing(const numbers *a, const numbers *b) {
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;
        for (size_t j = 0; j < b->n && !found; j++) {
            const number *x = &a->of[i], *y = &b->of[j];
            found = strcmp(x->digits, y->digits) == 0 &&
                    (!*x->unit || !*y->unit || strcmp(x->unit, y->unit) == 0);
        }
        if (!found)
            return &a->of[i];
    }
    return NULL;
}

static int check_numbers(const char *q, const char *e, rag_guard_result *out,
                         rag_error *err) {
    numbers *a = calloc(2, sizeof *a);
    if (!a)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to compare numbers");
    numbers *b = a + 1;
    numbers_find(q, a);
    numbers_find(e, b);
    const number *x = number_missing(a, b), *y = number_missing(b, a);
    if (x)
        say(out, RAG_GUARD_OTHER, "number", x->digits, strlen(x->digits));
    else if (y && a->n)
        say(out, RAG_GUARD_OTHER, "number", y->digits, strlen(y->digits));
    else if (y && out->verdict == RAG_GUARD_SAME)
        say(out, RAG_GUARD_VAGUE, "left open", y->digits, strlen(y->digits));
    free(a);
    return 0;
}

/* ---- 3 and 4. words ---------------------------------------------------------------- */

static size_t light_length(const char *s, size_t n) {
    size_t best = 0;
    for (size_t i = 0; i < NLIGHT; i++) {
        size_t k = strlen(LIGHT[i]);
        if (k > best && k <= n && memcmp(s, LIGHT[i], k) == 0)
            best = k;
    }
    return best;
}

static bool hangul_at(const char *s, size_t n) {
    uint32_t cp;
    return n && rag_utf8_next(s, n, &cp) == SYLLABLE &&
           rag_unicode_class(cp) == RAG_CHAR_HANGUL;
}

/* Longest piece at s (two syllables or more) that occurs in text. */
static size_t shared_length(const char *s, size_t n, const char *text) {
    char piece[SYLLABLE * 32 + 1];
    size_t best = 0;
    for (size_t k = 2 * SYLLABLE; k <= n && k < sizeof piece; k += SYLLABLE) {
        memcpy(piece, s, k);
        piece[k] = '\0';
        if (!strstr(text, piece))
            break;
        best = k;
    }
    return best;
}

/* One Hangul syllable that is a word's beginning in both texts ("앱에서"). */
static bool starts_word(const char *spaced, const char *syllable) {
    for (const char *p = spaced; *p;) {
        if (strncmp(p, syllable, SYLLABLE) == 0)
            return true;
        p = strchr(p, ' ');
        if (!p)
            return false;
        p++;
    }
    return false;
}

/*
 * Bytes of Hangul in a's run [s, s+n) that b neither has nor are light;
 * *first gets the first such piece, *content the bytes that are not light.
 * Taken piece by piece from the left, the longest that fits each time.
 */
static size_t run_missing(const char *s, size_t n, const rag_faq_text *a,
                          const rag_faq_text *b, const char **first,
                          size_t *content) {
    size_t missing = 0, i = 0;
    while (i < n) {
        size_t left = n - i, side = 0;
        size_t shared = shared_length(s + i, left, b->joined);
        size_t light = light_length(s + i, left);
        rag_faq_shares_side(b, s + i, left, &side);
        size_t have = shared > side ? shared : side;
        if (light > have) {
            i += light;
            continue;
        }
        if (have) {
            *content += have;
            i += have;
            continue;
        }
        *content += SYLLABLE;
        bool alone =
            starts_word(a->spaced, s + i) && starts_word(b->spaced, s + i);
        if (!alone) {
            if (!missing && !*first)
                *first = s + i;
            missing += SYLLABLE;
        }
        i += SYLLABLE;
    }
    return missing;
}

static size_t hangul_missing(const rag_faq_text *a, const rag_faq_text *b,
                             const char **first, size_t *content) {
    size_t missing = 0, n = strlen(a->joined);
    const char *s = a->joined;
    for (size_t i = 0; i < n;) {
        size_t run = 0;
        while (hangul_at(s + i + run, n - i - run))
            run += SYLLABLE;
        if (run)
            missing += run_missing(s + i, run, a, b, first, content);
        uint32_t cp;
        i += run ? run : rag_utf8_next(s + i, n - i, &cp);
    }
    return missing;
}

typedef struct words {
    char of[ITEMS_MAX][RAG_TERM_MAX + 1];
    size_t n;
} words;

static int on_word(void *user, const rag_term *t) {
    words *ws = user;
    bool latin = t->len && (unsigned char)t->text[0] < 0x80;
    /* Codes have been compared with the numbers. */
    if (t->kind != RAG_TERM_WORD || !latin || ws->n == ITEMS_MAX)
        return 0;
    size_t n = t->len < RAG_TERM_MAX ? t->len : RAG_TERM_MAX;
    memcpy(ws->of[ws->n], t->text, n);
    ws->of[ws->n++][n] = '\0';
    return 0;
}

/* One letter put in, left out, changed or two swapped, never the first. */
static bool slip(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), i = 0;
    if (n < 5 || m < 5 || *a != *b || (n > m ? n - m : m - n) > 1)
        return false;
    while (a[i] && a[i] == b[i])
        i++;
    if (n == m)
        return strcmp(a + i + 1, b + i + 1) == 0 ||
               (a[i] && a[i + 1] && a[i] == b[i + 1] && a[i + 1] == b[i] &&
                strcmp(a + i + 2, b + i + 2) == 0);
    return n > m ? strcmp(a + i + 1, b + i) == 0
                 : strcmp(a + i, b + i + 1) == 0;
}

static const char *word_missing(const words *a, const words *b,
                                const rag_faq_text *tb, size_t *missing,
                                size_t *content) {
    const char *first = NULL;
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;
        size_t side = 0, len = strlen(a->of[i]);
        for (size_t j = 0; j < b->n && !found; j++)
            found = strcmp(a->of[i], b->of[j]) == 0 || slip(a->of[i], b->of[j]);
        if (!found)
            found = rag_faq_shares_side(tb, a->of[i], len, &side);
        *content += len;
        if (!found) {
            *missing += len;
            if (!first)
                first = a->of[i];
        }
    }
    return first;
}

/* What a has and b lacks. */
typedef struct gap {
    size_t missing, content;
    char what[RAG_TERM_MAX + 1];
} gap;

static void gap_find(const rag_faq_text *a, const words *wa,
                     const rag_faq_text *b, const words *wb, gap *out) {
    const char *first = NULL;
    memset(out, 0, sizeof *out);
    out->missing = hangul_missing(a, b, &first, &out->content);
    if (strcmp(a->joined, b->joined) == 0) {
        first = NULL; /* the same but for spaces: nothing can be missing */
        out->missing = 0;
    }
    const char *word = word_missing(wa, wb, b, &out->missing, &out->content);
    if (first) {
        size_t n = strlen(first);
        n = rag_utf8_floor(first, n, n < 12 ? n : 12);
        memcpy(out->what, first, n);
    } else if (word) {
        snprintf(out->what, sizeof out->what, "%s", word);
    }
}

static int check_words(const char *q, const rag_faq_text *tq, const char *e,
                       const rag_faq_text *te, rag_guard_result *out,
                       rag_error *err) {
    words *wq = calloc(2, sizeof *wq);
    if (!wq)
        return rag_error_set(err, RAG_E_NOMEM, "no memory to compare words");
    words *we = wq + 1;
    gap of_question, of_entry;
    int rc = rag_terms_content(q, strlen(q), on_word, wq, err);
    if (!rc)
        rc = rag_terms_content(e, strlen(e), on_word, we, err);
    if (rc)
        goto out;
    gap_find(tq, wq, te, we, &of_question);
    gap_find(te, we, tq, wq, &of_entry);
    if (of_entry.content)
        out->coverage =
            1.0 - (double)of_entry.missing / (double)of_entry.content;
    if (of_question.missing)
        say(out, RAG_GUARD_OTHER, "word", of_question.what,
            strlen(of_question.what));
    else if (!of_question.content)
        say(out, RAG_GUARD_OTHER, "word", "none", 4);
    else if (of_entry.missing && out->verdict == RAG_GUARD_SAME)
        say(out, RAG_GUARD_VAGUE, "left open", of_entry.what,
            strlen(of_entry.what));
out:
    free(wq);
    return rc;
}

int rag_faq_guard(const char *question, const char *entry,
                  rag_guard_result *out, rag_error *err) {
    rag_faq_text q = {0}, e = {0};
    rag_buf cq, ce;
    memset(out, 0, sizeof *out);
    rag_buf_init(&cq, 0);
    rag_buf_init(&ce, 0);
    int rc;
    if ((rc = rag_unicode_clean(question, strlen(question), &cq, err)) ||
        (rc = rag_unicode_clean(entry, strlen(entry), &ce, err)) ||
        (rc = rag_faq_text_init(&q, rag_buf_str(&cq), err)) ||
        (rc = rag_faq_text_init(&e, rag_buf_str(&ce), err)))
        goto out;
    check_opposites(&q, &e, out);
    if (out->verdict != RAG_GUARD_OTHER)
        rc = check_numbers(rag_buf_str(&cq), rag_buf_str(&ce), out, err);
    if (!rc && out->verdict != RAG_GUARD_OTHER)
        rc = check_words(rag_buf_str(&cq), &q, rag_buf_str(&ce), &e, out, err);
out:
    rag_faq_text_free(&q);
    rag_faq_text_free(&e);
    rag_buf_free(&cq);
    rag_buf_free(&ce);
    return rc;
}

int rag_faq_contrary(const char *question, const char *entry, bool *out,
                     rag_error *err) {
    rag_faq_text q = {0}, e = {0};
    rag_buf cq, ce;
    *out = false;
    rag_buf_init(&cq, 0);
    rag_buf_init(&ce, 0);
    int rc;
    if ((rc = rag_unicode_clean(question, strlen(question), &cq, err)) ||
        (rc = rag_unicode_clean(entry, strlen(entry), &ce, err)) ||
        (rc = rag_faq_text_init(&q, rag_buf_str(&cq), err)) ||
        (rc = rag_faq_text_init(&e, rag_buf_str(&ce), err)))
        goto out;
    for (size_t g = 0; g < rag_faq_groups() && !*out; g++) {
        unsigned sq = rag_faq_sides(&q, g), se = rag_faq_sides(&e, g);
        *out = sq && se && !(sq & se);
    }
out:
    rag_faq_text_free(&q);
    rag_faq_text_free(&e);
    rag_buf_free(&cq);
    rag_buf_free(&ce);
    return rc;
}
