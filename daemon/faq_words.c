/*
 * faq_words.c - what one question says and another does not.
 *
 * Hangul runs are covered by pieces of the other text (two syllables or more),
 * words of the same side of the table of opposites and light words (particles,
 * endings, politeness), so that spaces do not matter; Latin words must occur
 * in the other text, a slip of one letter allowed. Pure; any thread.
 */
#include "daemon/faq_int.h"

#include "base/unicode.h"

#include <stdio.h>
#include <string.h>

#define SYLLABLE 3 /* bytes of a Hangul syllable in UTF-8 */

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
        size_t noun = rag_faq_matter_noun(s + i, left);
        size_t light = noun ? 0 : light_length(s + i, left);
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
        if (noun) {
            if (!missing && !*first)
                *first = s + i;
            *content += noun;
            missing += noun;
            i += noun;
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

/* Latin words of a that b lacks; returns the first. */
static const char *word_missing(const rag_faq_text *a, const rag_faq_text *b,
                                size_t *missing, size_t *content) {
    const char *first = NULL;
    for (size_t i = 0; i < a->nwords; i++) {
        const char *w = a->words[i];
        bool found = false;
        size_t side = 0, len = strlen(w);
        for (size_t j = 0; j < b->nwords && !found; j++)
            found = strcmp(w, b->words[j]) == 0 || slip(w, b->words[j]);
        if (!found)
            found = rag_faq_shares_side(b, w, len, &side);
        *content += len;
        if (!found) {
            *missing += len;
            if (!first)
                first = w;
        }
    }
    return first;
}

void rag_faq_compare(const rag_faq_text *a, const rag_faq_text *b,
                     rag_faq_gap *out) {
    const char *first = NULL;
    memset(out, 0, sizeof *out);
    out->missing = hangul_missing(a, b, &first, &out->content);
    if (strcmp(a->joined, b->joined) == 0) {
        first = NULL; /* the same but for spaces: nothing can be missing */
        out->missing = 0;
    }
    const char *word = word_missing(a, b, &out->missing, &out->content);
    if (first) {
        size_t n = strlen(first);
        n = rag_utf8_floor(first, n, n < 12 ? n : 12);
        memcpy(out->what, first, n);
    } else if (word) {
        snprintf(out->what, sizeof out->what, "%s", word);
    }
}
