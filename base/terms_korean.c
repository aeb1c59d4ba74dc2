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
#include "base/unicode.h"

#include <stdint.h>
#include <string.h>

#define SYL 3 /* bytes of a Hangul syllable in UTF-8 */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Bytes of a word: all comparing is done at its end, a few hundred times. */
typedef struct affix {
    const char *s;
    size_t n;
} affix;

#define W(s)                                                                   \
    { s, sizeof(s) - 1 }

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
    affix text;
    before needs;
    unsigned char keep; /* syllables that must remain */
    place place;
} particle;

static const particle particles[] = {
    {W("은"), CLOSED, 1, LAST},      {W("는"), OPEN, 1, LAST},
    {W("이"), CLOSED, 2, LAST},      {W("가"), OPEN, 2, LAST},
    {W("을"), CLOSED, 1, LAST},      {W("를"), OPEN, 1, LAST},
    {W("의"), ANY, 2, LAST},         {W("에"), ANY, 2, INNER},
    {W("와"), OPEN, 2, INNER},       {W("과"), CLOSED, 2, INNER},
    {W("도"), ANY, 2, LAST},         {W("만"), ANY, 2, INNER},
    {W("로"), OPEN_RIEUL, 2, INNER}, {W("으로"), CLOSED, 1, INNER},
    {W("나"), OPEN, 3, LAST},        {W("이나"), CLOSED, 1, LAST},
    {W("랑"), OPEN, 2, INNER},       {W("이랑"), CLOSED, 1, INNER},
    {W("에서"), ANY, 1, INNER},      {W("에게"), ANY, 1, INNER},
    {W("에게서"), ANY, 1, INNER},    {W("한테"), ANY, 1, INNER},
    {W("한테서"), ANY, 1, INNER},    {W("께"), ANY, 2, INNER},
    {W("께서"), ANY, 1, INNER},      {W("로서"), OPEN_RIEUL, 1, INNER},
    {W("으로서"), CLOSED, 1, INNER}, {W("로써"), OPEN_RIEUL, 1, INNER},
    {W("으로써"), CLOSED, 1, INNER}, {W("까지"), ANY, 1, INNER},
    {W("부터"), ANY, 1, INNER},      {W("마저"), ANY, 1, INNER},
    {W("조차"), ANY, 1, INNER},      {W("밖에"), ANY, 1, INNER},
    {W("처럼"), ANY, 1, INNER},      {W("보다"), ANY, 2, INNER},
    {W("만큼"), ANY, 1, INNER},      {W("대로"), ANY, 2, INNER},
    {W("마다"), ANY, 1, INNER},      {W("든지"), OPEN, 1, LAST},
    {W("이든지"), CLOSED, 1, LAST},  {W("라도"), OPEN, 1, LAST},
    {W("이라도"), CLOSED, 1, LAST},  {W("이란"), CLOSED, 1, LAST},
    {W("란"), OPEN, 2, LAST},        {W("이라는"), CLOSED, 1, LAST},
    {W("라는"), OPEN, 1, LAST},      {W("이라고"), CLOSED, 1, INNER},
    {W("라고"), OPEN, 1, INNER},     {W("이며"), CLOSED, 1, LAST},
    {W("이고"), CLOSED, 1, LAST},    {W("이나마"), CLOSED, 1, LAST},
    {W("이야"), CLOSED, 1, LAST},    {W("에는"), ANY, 1, LAST},
    {W("에도"), ANY, 1, LAST},       {W("에만"), ANY, 1, LAST},
    {W("에의"), ANY, 1, LAST},       {W("하고"), ANY, 2, INNER},
    {W("뿐"), ANY, 2, INNER},        {W("씩"), ANY, 2, INNER},
    {W("요"), OPEN, 3, LAST},        {W("이요"), CLOSED, 2, LAST},
    {W("이면"), CLOSED, 1, LAST},    {W("라면"), OPEN, 2, LAST},
    {W("이라면"), CLOSED, 1, LAST},  {W("인가요"), ANY, 1, LAST},
    {W("인가"), ANY, 2, LAST},       {W("인지"), ANY, 1, LAST},
    {W("인데"), ANY, 1, LAST},       {W("입니까"), ANY, 1, LAST},
    {W("입니다"), ANY, 1, LAST},     {W("이에요"), CLOSED, 1, LAST},
    {W("예요"), OPEN, 1, LAST},      {W("이다"), CLOSED, 2, LAST},
    {W("일까요"), ANY, 1, LAST},     {W("일까"), ANY, 2, LAST},
    {W("이었다"), CLOSED, 1, LAST},  {W("였다"), OPEN, 1, LAST},
    {W("이라"), CLOSED, 2, LAST},    {W("이므로"), CLOSED, 1, LAST},
    {W("들"), ANY, 2, SUFFIX},       {W("님"), ANY, 2, SUFFIX},
    {W("에서의"), ANY, 1, LAST},     {W("으로의"), CLOSED, 1, LAST},
    {W("이신"), CLOSED, 1, LAST},    {W("이어야"), CLOSED, 1, LAST},
    {W("여야"), OPEN, 2, LAST},      {W("는요"), OPEN, 1, LAST},
    {W("은요"), CLOSED, 1, LAST},    {W("도요"), ANY, 2, LAST},
    {W("밖에는"), ANY, 1, LAST},
};

/* Endings that say of themselves that a verb stands before them. */
static const affix endings[] = {
    W("려면"),     W("으려면"),   W("려고"),     W("으려고"), W("려는"),
    W("습니다"),   W("습니까"),   W("니다"),     W("니까"),   W("나요"),
    W("는데요"),   W("는데"),     W("는지"),     W("는지요"), W("을까요"),
    W("을까"),     W("까요"),     W("세요"),     W("으세요"), W("셔요"),
    W("시면"),     W("으시면"),   W("시는"),     W("신가요"), W("십시오"),
    W("십니까"),   W("시오"),     W("어요"),     W("아요"),   W("여요"),
    W("었다"),     W("았다"),     W("였다"),     W("었던"),   W("았던"),
    W("었습니다"), W("았습니다"), W("였습니다"), W("었어요"), W("았어요"),
    W("였어요"),   W("었는데"),   W("았는데"),   W("었을"),   W("았을"),
    W("었으면"),   W("았으면"),   W("겠습니다"), W("겠어요"), W("겠다"),
    W("거나"),     W("면서"),     W("으면서"),   W("도록"),   W("더라도"),
    W("아서"),     W("어서"),     W("여서"),     W("아야"),   W("어야"),
    W("여야"),     W("어도"),     W("아도"),     W("여도"),   W("으면"),
    W("는다"),     W("는다면"),   W("지만"),     W("지요"),   W("지도"),
    W("지는"),     W("네요"),     W("군요"),     W("던데"),   W("을지"),
    W("은지"),     W("느냐"),     W("므로"),     W("으므로"), W("으며"),
    W("자마자"),   W("는가"),     W("는가요"),   W("은가요"), W("은가"),
    W("을게요"),   W("게요"),     W("고요"),     W("고는"),   W("고서"),
    W("기만"),     W("기도"),     W("기는"),     W("기를"),   W("기에"),
    W("었고"),     W("았고"),     W("였고"),     W("어진"),   W("아진"),
    W("어지는"),   W("어야만"),   W("라면"),     W("다면"),   W("다는"),
    W("다고"),     W("던"),       W("해"),
};

/* Bare endings, taken off only behind a verb maker below. */
static const affix weak[] = {
    W("고"), W("며"),   W("면"),   W("지"),   W("게"),   W("서"),   W("는"),
    W("던"), W("기"),   W("여"),   W("어"),   W("자"),   W("나"),   W("니"),
    W("도"), W("야"),   W("다"),   W("음"),   W("러"),   W("를"),   W("요"),
    W("죠"), W("다가"), W("어"),   W("기가"), W("기로"), W("어야"), W("여야"),
    W("였"), W("었"),   W("여서"), W("도록"),
};

/* What makes a verb of a noun, with what contracts onto it. */
static const affix makers[] = {
    W("하"),   W("해"),   W("했"),   W("되"),   W("돼"),   W("됐"),   W("한"),
    W("할"),   W("함"),   W("합"),   W("된"),   W("될"),   W("됨"),   W("됩"),
    W("하였"), W("되었"), W("시키"), W("시켜"), W("시킨"), W("시킬"), W("당하"),
    W("당한"), W("받는"), W("받은"), W("받을"), W("받고"), W("받"),   W("드리"),
    W("드립"), W("드릴"), W("하시"), W("되시"), W("하셔"), W("하신"), W("하실"),
    W("하려"), W("되려"),
};

/* Nouns that end like a contracted verb maker: their last two syllables. */
static const affix nouns[] = {
    W("제한"), W("권한"), W("기한"), W("상한"), W("하한"), W("소한"),
    W("대한"), W("무한"), W("유한"), W("북한"), W("남한"), W("분할"),
    W("역할"), W("관할"), W("포함"), W("보함"), W("편함"), W("물함"),
    W("결함"), W("관함"), W("통합"), W("조합"), W("연합"), W("종합"),
    W("결합"), W("화합"), W("혼합"), W("적합"), W("부합"), W("융합"),
    W("집합"), W("이해"), W("손해"), W("피해"), W("재해"), W("상해"),
    W("침해"), W("저해"), W("공해"), W("올해"), W("방해"), W("새해"),
    W("지하"), W("이하"), W("상하"), W("인하"), W("저하"), W("부하"),
    W("산하"), W("투하"), W("시한"), W("국한"), W("한한"), W("최대한"),
    W("격하"), W("강하"), W("낙하"), W("귀하"), W("각하"), W("은하"),
    W("고시"), W("통합"),
};

static const affix verb_stops[] = {
    W("하"), W("되"), W("있"), W("없"),   W("않"), W("알"),
    W("싶"), W("주"), W("보"), W("드리"), W("말"),
};

static bool ends_with(const char *w, size_t n, const affix *a, size_t *at) {
    if (a->n > n || w[n - 1] != a->s[a->n - 1] || w[n - 2] != a->s[a->n - 2] ||
        memcmp(w + n - a->n, a->s, a->n) != 0)
        return false;
    *at = n - a->n;
    return true;
}

/* Final consonant of the syllable that ends at w + n: 0 none, 8 rieul. */
static int final_of(const char *w, size_t n) {
    const unsigned char *p = (const unsigned char *)w + n - SYL;
    uint32_t cp = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
                  (p[2] & 0x3f);

    if (!rag_unicode_syllable(cp))
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
        if (ends_with(w, n, &p->text, &at) && at < best && at >= keep * SYL &&
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
static const affix particle_nouns[] = {
    W("휴가"), W("허가"), W("추가"), W("결과"), W("효과"), W("통과"), W("경과"),
    W("한도"), W("제도"), W("정도"), W("연도"), W("년도"), W("속도"), W("온도"),
    W("양도"), W("용도"), W("별도"), W("태도"), W("동의"), W("문의"), W("협의"),
    W("합의"), W("결의"), W("논의"), W("심의"), W("강의"), W("명의"), W("불만"),
    W("길이"), W("높이"), W("깊이"), W("개요"), W("수요"), W("소요"),
};

/* Nouns that are never read otherwise, however long the word. */
static const affix whole_nouns[] = {
    W("미만"),
    W("어린이"),
    W("젊은이"),
    W("인허가"),
};

static bool ends_in(const affix *list, size_t count, const char *w, size_t n) {
    size_t at;

    for (size_t i = 0; i < count; i++)
        if (ends_with(w, n, &list[i], &at))
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
                ends_with(w, n, &particles[i].text, &at) && at < best)
                best = at;
        }
        if (best == n)
            return false;
        n = best;
    }
    return n == 0;
}

static bool in_list(const affix *list, size_t count, const char *w, size_t n) {
    for (size_t i = 0; i < count; i++)
        if (list[i].n == n && memcmp(list[i].s, w, n) == 0)
            return true;
    return false;
}

static size_t longest(const affix *list, size_t count, const char *w, size_t n,
                      size_t keep) {
    size_t best = n;

    for (size_t i = 0; i < count; i++) {
        size_t at;

        if (ends_with(w, n, &list[i], &at) && at < best && at >= keep)
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

static const affix stops[] = {
    W("그"),           W("이"),         W("저"),         W("것"),
    W("거"),           W("게"),         W("등"),         W("및"),
    W("또는"),         W("또"),         W("혹은"),       W("그리고"),
    W("그런데"),       W("그러나"),     W("하지만"),     W("그래서"),
    W("따라서"),       W("그럼"),       W("그러면"),     W("만약"),
    W("만일"),         W("혹시"),       W("좀"),         W("잘"),
    W("더"),           W("다시"),       W("제"),         W("저는"),
    W("저의"),         W("제가"),       W("내"),         W("내가"),
    W("나"),           W("나는"),       W("우리"),       W("저희"),
    W("여기"),         W("거기"),       W("이것"),       W("그것"),
    W("저것"),         W("무엇"),       W("무슨"),       W("무얼"),
    W("뭐"),           W("뭔가"),       W("뭔지"),       W("뭘"),
    W("어느"),         W("어떤"),       W("어떻게"),     W("어떡해"),
    W("어떠한"),       W("어디"),       W("언제"),       W("누구"),
    W("누가"),         W("왜"),         W("얼마"),       W("얼마나"),
    W("몇"),           W("대해"),       W("대해서"),     W("대한"),
    W("대하여"),       W("관해"),       W("관한"),       W("관하여"),
    W("관련"),         W("위해"),       W("위한"),       W("위하여"),
    W("통해"),         W("통한"),       W("통하여"),     W("따라"),
    W("따른"),         W("의해"),       W("의한"),       W("경우"),
    W("때"),           W("때문"),       W("수"),         W("줄"),
    W("건가요"),       W("건지"),       W("있"),         W("없"),
    W("있나"),         W("있는"),       W("있을"),       W("있어"),
    W("있으"),         W("있다"),       W("있고"),       W("없는"),
    W("없이"),         W("없나"),       W("하"),         W("하는"),
    W("할"),           W("한"),         W("해"),         W("해야"),
    W("해서"),         W("하면"),       W("하고"),       W("하려면"),
    W("하나"),         W("하나요"),     W("하는지"),     W("합니까"),
    W("합니다"),       W("할까요"),     W("되"),         W("되는"),
    W("된"),           W("될"),         W("되나"),       W("되나요"),
    W("되면"),         W("되는지"),     W("됩니까"),     W("됩니다"),
    W("돼요"),         W("되요"),       W("돼"),         W("되죠"),
    W("인가요"),       W("인가"),       W("인지"),       W("입니까"),
    W("입니다"),       W("이에요"),     W("예요"),       W("이란"),
    W("알려"),         W("알려줘"),     W("알려주"),     W("알려주세요"),
    W("알려주십시오"), W("알고"),       W("알"),         W("알 수"),
    W("싶어요"),       W("싶은데"),     W("싶습니다"),   W("싶은"),
    W("싶"),           W("주세요"),     W("주"),         W("줘"),
    W("줘요"),         W("주십시오"),   W("주시"),       W("주나요"),
    W("설명"),         W("설명해"),     W("궁금"),       W("궁금해요"),
    W("궁금합니다"),   W("부탁"),       W("부탁드려요"), W("부탁드립니다"),
    W("말씀"),         W("말해"),       W("안녕"),       W("안녕하세요"),
    W("감사합니다"),   W("네"),         W("예"),         W("아니요"),
    W("어떻"),         W("어떤가요"),   W("어떻습니까"), W("무엇인가요"),
    W("무엇인지"),     W("뭐예요"),     W("뭔가요"),     W("뭐야"),
    W("언제인가요"),   W("어디인가요"), W("어디서"),     W("어디에서"),
    W("누구인가요"),   W("얼마인가요"), W("얼마예요"),   W("얼마입니까"),
    W("있나요"),       W("있습니까"),   W("있습니다"),   W("있어요"),
    W("있는지"),       W("있을까요"),   W("없나요"),     W("없습니까"),
    W("가능한가요"),   W("해주세요"),   W("해줘"),       W("해도"),
    W("하는데"),       W("하는데요"),   W("했는데"),     W("했어요"),
    W("되었"),         W("않"),         W("않는"),       W("않은"),
    W("못"),           W("안"),         W("말"),         W("및"),
    W("것이"),         W("것은"),       W("것을"),       W("수가"),
    W("수는"),         W("거예요"),     W("건"),         W("걸"),
    W("점"),           W("쪽"),         W("중"),         W("간"),
    W("후"),           W("전"),         W("내에"),       W("시"),
};

bool rag_terms_korean_stop(const char *w, size_t n) {
    return in_list(stops, COUNT(stops), w, n) ||
           in_list(verb_stops, COUNT(verb_stops), w, n);
}
