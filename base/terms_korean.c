/*
 * terms_korean.c - particles, verb endings and function words of Korean.
 *
 * No dictionary of nouns: an eojeol loses what the tables know, guarded by
 * vowel harmony between a particle and the syllable before it (final
 * consonant or not), so that "나이" keeps its 이 and "은행이" loses it. What
 * cannot be told apart is given as a second reading. Called by terms.c only;
 * no state.
 */
#include "base/terms_int.h"

#include <stdint.h>
#include <string.h>

#define SYL 3 /* bytes of a Hangul syllable in UTF-8 */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef enum before { /* what must stand before a particle */
                      ANY,
                      CLOSED, /* a syllable with final consonant */
                      OPEN, /* one without */
                      OPEN_RIEUL /* one without, or with rieul */
} before;

typedef enum place { /* in a cluster of particles */
                     LAST, /* nothing may stand behind it */
                     INNER, /* others may follow: "에서|는", "만|을" */
                     SUFFIX /* of the noun itself, before all others */
} place;

typedef struct particle {
    const char *s;
    before needs;
    unsigned char keep; /* syllables that must remain */
    place place;
} particle;

static const particle particles[] = {
    {"은", CLOSED, 1, LAST},      {"는", OPEN, 1, LAST},
    {"이", CLOSED, 2, LAST},      {"가", OPEN, 2, LAST},
    {"을", CLOSED, 1, LAST},      {"를", OPEN, 1, LAST},
    {"의", ANY, 2, LAST},         {"에", ANY, 2, INNER},
    {"와", OPEN, 2, INNER},       {"과", CLOSED, 2, INNER},
    {"도", ANY, 2, LAST},         {"만", ANY, 2, INNER},
    {"로", OPEN_RIEUL, 2, INNER}, {"으로", CLOSED, 1, INNER},
    {"나", OPEN, 3, LAST},        {"이나", CLOSED, 1, LAST},
    {"랑", OPEN, 2, INNER},       {"이랑", CLOSED, 1, INNER},
    {"에서", ANY, 1, INNER},      {"에게", ANY, 1, INNER},
    {"에게서", ANY, 1, INNER},    {"한테", ANY, 1, INNER},
    {"한테서", ANY, 1, INNER},    {"께", ANY, 2, INNER},
    {"께서", ANY, 1, INNER},      {"로서", OPEN_RIEUL, 1, INNER},
    {"으로서", CLOSED, 1, INNER}, {"로써", OPEN_RIEUL, 1, INNER},
    {"으로써", CLOSED, 1, INNER}, {"까지", ANY, 1, INNER},
    {"부터", ANY, 1, INNER},      {"마저", ANY, 1, INNER},
    {"조차", ANY, 1, INNER},      {"밖에", ANY, 1, INNER},
    {"처럼", ANY, 1, INNER},      {"보다", ANY, 2, INNER},
    {"만큼", ANY, 1, INNER},      {"대로", ANY, 2, INNER},
    {"마다", ANY, 1, INNER},      {"든지", OPEN, 1, LAST},
    {"이든지", CLOSED, 1, LAST},  {"라도", OPEN, 1, LAST},
    {"이라도", CLOSED, 1, LAST},  {"이란", CLOSED, 1, LAST},
    {"란", OPEN, 2, LAST},        {"이라는", CLOSED, 1, LAST},
    {"라는", OPEN, 1, LAST},      {"이라고", CLOSED, 1, INNER},
    {"라고", OPEN, 1, INNER},     {"이며", CLOSED, 1, LAST},
    {"이고", CLOSED, 1, LAST},    {"이나마", CLOSED, 1, LAST},
    {"이야", CLOSED, 1, LAST},    {"에는", ANY, 1, LAST},
    {"에도", ANY, 1, LAST},       {"에만", ANY, 1, LAST},
    {"에의", ANY, 1, LAST},       {"하고", ANY, 2, INNER},
    {"뿐", ANY, 2, INNER},        {"씩", ANY, 2, INNER},
    {"요", OPEN, 3, LAST},        {"이요", CLOSED, 2, LAST},
    {"이면", CLOSED, 1, LAST},    {"라면", OPEN, 2, LAST},
    {"이라면", CLOSED, 1, LAST},  {"인가요", ANY, 1, LAST},
    {"인가", ANY, 2, LAST},       {"인지", ANY, 1, LAST},
    {"인데", ANY, 1, LAST},       {"입니까", ANY, 1, LAST},
    {"입니다", ANY, 1, LAST},     {"이에요", CLOSED, 1, LAST},
    {"예요", OPEN, 1, LAST},      {"이다", CLOSED, 2, LAST},
    {"일까요", ANY, 1, LAST},     {"일까", ANY, 2, LAST},
    {"이었다", CLOSED, 1, LAST},  {"였다", OPEN, 1, LAST},
    {"이라", CLOSED, 2, LAST},    {"이므로", CLOSED, 1, LAST},
    {"들", ANY, 2, SUFFIX},       {"님", ANY, 2, SUFFIX},
    {"에서의", ANY, 1, LAST},     {"으로의", CLOSED, 1, LAST},
    {"이신", CLOSED, 1, LAST},    {"이어야", CLOSED, 1, LAST},
    {"여야", OPEN, 2, LAST},      {"는요", OPEN, 1, LAST},
    {"은요", CLOSED, 1, LAST},    {"도요", ANY, 2, LAST},
    {"밖에는", ANY, 1, LAST},
};

/* Endings that say of themselves that a verb stands before them. */
static const char *const endings[] = {
    "려면",     "으려면",   "려고",   "으려고", "려는",   "습니다",
    "습니까",   "니다",     "니까",   "나요",   "는데요", "는데",
    "는지",     "는지요",   "을까요", "을까",   "까요",   "세요",
    "으세요",   "셔요",     "시면",   "으시면", "시는",   "신가요",
    "십시오",   "십니까",   "시오",   "어요",   "아요",   "여요",
    "었다",     "았다",     "였다",   "었던",   "았던",   "었습니다",
    "았습니다", "였습니다", "었어요", "았어요", "였어요", "었는데",
    "았는데",   "었을",     "았을",   "었으면", "았으면", "겠습니다",
    "겠어요",   "겠다",     "거나",   "면서",   "으면서", "도록",
    "더라도",   "아서",     "어서",   "여서",   "아야",   "어야",
    "여야",     "어도",     "아도",   "여도",   "으면",   "는다",
    "는다면",   "지만",     "지요",   "지도",   "지는",   "네요",
    "군요",     "던데",     "을지",   "은지",   "느냐",   "므로",
    "으므로",   "으며",     "자마자", "는가",   "는가요", "은가요",
    "은가",     "을게요",   "게요",   "고요",   "고는",   "고서",
    "기만",     "기도",     "기는",   "기를",   "기에",   "었고",
    "았고",     "였고",     "어진",   "아진",   "어지는", "어야만",
    "라면",     "다면",     "다는",   "다고",   "던",     "해",
};

/* Bare endings, taken off only behind a verb maker below. */
static const char *const weak[] = {
    "고",   "며",   "면",   "지",   "게", "서", "는",   "던",
    "기",   "여",   "어",   "자",   "나", "니", "도",   "야",
    "다",   "음",   "러",   "를",   "요", "죠", "다가", "어",
    "기가", "기로", "어야", "여야", "였", "었", "여서", "도록",
};

/* What makes a verb of a noun, with what contracts onto it. */
static const char *const makers[] = {
    "하",   "해",   "했",   "되",   "돼",   "됐",   "한",   "할",
    "함",   "합",   "된",   "될",   "됨",   "됩",   "하였", "되었",
    "시키", "시켜", "시킨", "시킬", "당하", "당한", "받는", "받은",
    "받을", "받고", "받",   "드리", "드립", "드릴", "하시", "되시",
    "하셔", "하신", "하실", "하려", "되려",
};

/* Nouns that end like a contracted verb maker: their last two syllables. */
static const char *const nouns[] = {
    "제한", "권한", "기한", "상한", "하한", "소한", "대한", "무한", "유한",
    "북한", "남한", "분할", "역할", "관할", "포함", "보함", "편함", "물함",
    "결함", "관함", "통합", "조합", "연합", "종합", "결합", "화합", "혼합",
    "적합", "부합", "융합", "집합", "이해", "손해", "피해", "재해", "상해",
    "침해", "저해", "공해", "올해", "방해", "새해", "지하", "이하", "상하",
    "인하", "저하", "부하", "산하", "투하", "시한", "국한", "한한", "최대한",
    "격하", "강하", "낙하", "귀하", "각하", "은하", "고시", "통합",
};

static const char *const verb_stops[] = {
    "하", "되", "있", "없", "않", "알", "싶", "주", "보", "드리", "말",
};

static bool ends_with(const char *w, size_t n, const char *s, size_t *at) {
    size_t len = strlen(s);

    if (len > n || w[n - 1] != s[len - 1] || memcmp(w + n - len, s, len) != 0)
        return false;
    *at = n - len;
    return true;
}

/* Final consonant of the syllable that ends at w + n: 0 none, 8 rieul. */
static int final_of(const char *w, size_t n) {
    const unsigned char *p = (const unsigned char *)w + n - SYL;
    uint32_t cp = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
                  (p[2] & 0x3f);

    if (cp < 0xAC00 || cp > 0xD7A3)
        return 0;
    return (int)((cp - 0xAC00) % 28);
}

static bool fits(const char *w, size_t at, before needs) {
    int f;

    if (at < SYL)
        return false;
    f = final_of(w, at);
    switch (needs) {
    case CLOSED:
        return f != 0;
    case OPEN:
        return f == 0;
    case OPEN_RIEUL:
        return f == 0 || f == 8;
    default:
        return true;
    }
}

/* Longest particle that may stand at the end, outer being what was taken off
 * behind it (NULL: nothing); its start, or n. keep_min overrides. */
static size_t one_particle(const char *w, size_t n, const particle **outer,
                           bool lenient) {
    const particle *last = *outer;
    size_t best = n;

    for (size_t i = 0; i < COUNT(particles); i++) {
        const particle *p = &particles[i];
        size_t at, keep = lenient ? 1 : p->keep;

        if (last &&
            (p->place == LAST || (last->place == SUFFIX && p->place != SUFFIX)))
            continue;
        if (ends_with(w, n, p->s, &at) && at < best && at >= keep * SYL &&
            fits(w, at, p->needs)) {
            best = at;
            *outer = p;
        }
    }
    return best;
}

/*
 * Nouns of two syllables whose last one looks like a particle. A word they
 * end is that noun alone or a compound, and compounds of such nouns have an
 * even number of syllables ("연차|휴가", but "문제|도" is no 제도).
 */
static const char *const particle_nouns[] = {
    "휴가", "허가", "추가", "결과", "효과", "통과", "경과", "한도", "제도",
    "정도", "연도", "년도", "속도", "온도", "양도", "용도", "별도", "태도",
    "동의", "문의", "협의", "합의", "결의", "논의", "심의", "강의", "명의",
    "불만", "길이", "높이", "깊이", "개요", "수요", "소요",
};

/* Nouns that are never read otherwise, however long the word. */
static const char *const whole_nouns[] = {
    "미만",
    "어린이",
    "젊은이",
    "인허가",
};

static bool ends_in(const char *const *list, size_t count, const char *w,
                    size_t n) {
    size_t at;

    for (size_t i = 0; i < count; i++)
        if (ends_with(w, n, list[i], &at))
            return true;
    return false;
}

static bool is_noun(const char *w, size_t n) {
    return ends_in(whole_nouns, COUNT(whole_nouns), w, n) ||
           (n / SYL % 2 == 0 &&
            ends_in(particle_nouns, COUNT(particle_nouns), w, n));
}

/* A cluster is what may follow one another ("에서|만|은"), at most four; it
 * never goes on into a noun. */
size_t rag_terms_korean_strip(const char *w, size_t n) {
    const particle *outer = NULL;
    size_t at = n;

    for (int i = 0; i < 4 && !is_noun(w, at); i++) {
        size_t next = one_particle(w, at, &outer, false);

        if (next == at)
            break;
        at = next;
    }
    return at;
}

bool rag_terms_korean_is_particle(const char *w, size_t n) {
    for (int round = 0; round < 3 && n > 0; round++) {
        size_t best = n;

        for (size_t i = 0; i < COUNT(particles); i++) {
            size_t at;

            if ((round == 0 || particles[i].place != LAST) &&
                ends_with(w, n, particles[i].s, &at) && at < best)
                best = at;
        }
        if (best == n)
            return false;
        n = best;
    }
    return n == 0;
}

static bool in_list(const char *const *list, size_t count, const char *w,
                    size_t n) {
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == n && memcmp(list[i], w, n) == 0)
            return true;
    return false;
}

static size_t longest(const char *const *list, size_t count, const char *w,
                      size_t n, size_t keep) {
    size_t best = n;

    for (size_t i = 0; i < count; i++) {
        size_t at;

        if (ends_with(w, n, list[i], &at) && at < best && at >= keep)
            best = at;
    }
    return best;
}

/* Takes 하, 되, 시키 and their forms off a noun of at least two syllables. */
static size_t strip_maker(const char *w, size_t n) {
    if (ends_in(nouns, COUNT(nouns), w, n))
        return n;
    return longest(makers, COUNT(makers), w, n, 2 * SYL);
}

/* Takes a verb's ending off; n when w does not look like a verb. */
static size_t strip_ending(const char *w, size_t n) {
    size_t at = longest(endings, COUNT(endings), w, n, SYL), base;

    if (at < n) {
        base = strip_maker(w, at);
        return base;
    }
    at = longest(weak, COUNT(weak), w, n, SYL);
    if (at < n) {
        base = strip_maker(w, at);
        if (base < at)
            return base;
    }
    base = strip_maker(w, n);
    return base;
}

size_t rag_terms_korean_stem(const char *w, size_t n, size_t *alt) {
    size_t noun, verb, stem;

    if (alt)
        *alt = 0;
    if (n < 2 * SYL)
        return n;
    noun = rag_terms_korean_strip(w, n);
    verb = strip_ending(w, n);
    stem = noun < verb ? noun : verb;
    /* "신청할인지", "가능한가": a maker under the particle. */
    if (noun < n && stem == noun && noun > 2 * SYL) {
        size_t inner = strip_maker(w, noun);

        if (inner < noun)
            stem = inner;
    }
    if (alt && stem == n) {
        const particle *none = NULL;
        size_t other = one_particle(w, n, &none, true);

        if (other < n)
            *alt = other;
    }
    return stem;
}

static const char *const stops[] = {
    "그",           "이",         "저",         "것",           "거",
    "게",           "등",         "및",         "또는",         "또",
    "혹은",         "그리고",     "그런데",     "그러나",       "하지만",
    "그래서",       "따라서",     "그럼",       "그러면",       "만약",
    "만일",         "혹시",       "좀",         "잘",           "더",
    "다시",         "제",         "저는",       "저의",         "제가",
    "내",           "내가",       "나",         "나는",         "우리",
    "저희",         "여기",       "거기",       "이것",         "그것",
    "저것",         "무엇",       "무슨",       "무얼",         "뭐",
    "뭔가",         "뭔지",       "뭘",         "어느",         "어떤",
    "어떻게",       "어떡해",     "어떠한",     "어디",         "언제",
    "누구",         "누가",       "왜",         "얼마",         "얼마나",
    "몇",           "대해",       "대해서",     "대한",         "대하여",
    "관해",         "관한",       "관하여",     "관련",         "위해",
    "위한",         "위하여",     "통해",       "통한",         "통하여",
    "따라",         "따른",       "의해",       "의한",         "경우",
    "때",           "때문",       "수",         "줄",           "건가요",
    "건지",         "있",         "없",         "있나",         "있는",
    "있을",         "있어",       "있으",       "있다",         "있고",
    "없는",         "없이",       "없나",       "하",           "하는",
    "할",           "한",         "해",         "해야",         "해서",
    "하면",         "하고",       "하려면",     "하나",         "하나요",
    "하는지",       "합니까",     "합니다",     "할까요",       "되",
    "되는",         "된",         "될",         "되나",         "되나요",
    "되면",         "되는지",     "됩니까",     "됩니다",       "돼요",
    "되요",         "돼",         "되죠",       "인가요",       "인가",
    "인지",         "입니까",     "입니다",     "이에요",       "예요",
    "이란",         "알려",       "알려줘",     "알려주",       "알려주세요",
    "알려주십시오", "알고",       "알",         "알 수",        "싶어요",
    "싶은데",       "싶습니다",   "싶은",       "싶",           "주세요",
    "주",           "줘",         "줘요",       "주십시오",     "주시",
    "주나요",       "설명",       "설명해",     "궁금",         "궁금해요",
    "궁금합니다",   "부탁",       "부탁드려요", "부탁드립니다", "말씀",
    "말해",         "안녕",       "안녕하세요", "감사합니다",   "네",
    "예",           "아니요",     "어떻",       "어떤가요",     "어떻습니까",
    "무엇인가요",   "무엇인지",   "뭐예요",     "뭔가요",       "뭐야",
    "언제인가요",   "어디인가요", "어디서",     "어디에서",     "누구인가요",
    "얼마인가요",   "얼마예요",   "얼마입니까", "있나요",       "있습니까",
    "있습니다",     "있어요",     "있는지",     "있을까요",     "없나요",
    "없습니까",     "가능한가요", "해주세요",   "해줘",         "해도",
    "하는데",       "하는데요",   "했는데",     "했어요",       "되었",
    "않",           "않는",       "않은",       "못",           "안",
    "말",           "및",         "것이",       "것은",         "것을",
    "수가",         "수는",       "거예요",     "건",           "걸",
    "점",           "쪽",         "중",         "간",           "후",
    "전",           "내에",       "시",
};

bool rag_terms_korean_stop(const char *w, size_t n) {
    return in_list(stops, COUNT(stops), w, n) ||
           in_list(verb_stops, COUNT(verb_stops), w, n);
}
