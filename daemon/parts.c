/*
 * parts.c - the rules by which a question is taken apart.
 */
#include "daemon/parts.h"

#include "daemon/followup.h"

#include "base/buf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 80 /* of a question that is looked at */
#define FEW_WORDS 3 /* "and how often?": not to be asked by themselves */
#define FEW_WORDS_KO 2
#define REACH 4 /* words from a Korean question word to its connective */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Beginnings of words. */
static const char *const ASKING_KO[] = {
    "며칠", "얼마", "언제", "어디", "누구", "누가", "몇", "무엇",
    "무슨", "뭐",   "뭘",   "뭔",   "어떤", "어느", "왜", "어떻게"};
static const char *const ASKING_EN[] = {"what",  "what's", "when",  "where",
                                        "who",   "whom",   "whose", "how",
                                        "which", "why"};
static const char *const AUXILIARY[] = {
    "is",  "are",   "was", "were", "do",     "does", "did",
    "can", "could", "may", "must", "should", "will", "would"};
static const char *const SUBJECT[] = {"i",   "we",  "it",   "there",  "the",
                                      "my",  "our", "this", "that",   "they",
                                      "you", "a",   "an",   "someone"};
static const char *const SUBJECT_WH[] = {"who", "what", "which", "whose",
                                         "what's"};
static const char *const BEFORE_WH[] = {"by", "at",   "for",  "to",
                                        "in", "from", "with", "on"};
/* Connectives that end the word of a clause, longest first. */
static const char *const LINKING[] = {"고요",   "구요", "이며", "인지랑",
                                      "는지랑", "고",   "며"};
/* ... unless these follow: one predicate of several words. */
static const char *const GOES_ON[] = {"싶", "있", "나서", "나면", "나니",
                                      "계", "말", "보",   "가",   "오"};
/* What ends like one: what another said, and nouns. */
static const char *const NOT_LINKING[] = {
    "냐고", "다고", "라고", "자고", "중고", "최고", "신고", "보고",
    "사고", "창고", "재고", "광고", "예고", "공고", "참고", "경고"};
static const char *const ALSO[] = {"그리고", "또", "또한", "및"};

/* Words that ask for no other thing: "and how much is it?". */
static const char *const EMPTY[] = {
    "much", "many", "long", "high", "often", "far",    "big",  "soon",  "late",
    "most", "now",  "then", "it",   "that",  "this",   "them", "there", "at",
    "by",   "for",  "to",   "from", "in",    "what's", "the",  "be"};
static const char *const EMPTY_KO[] = {
    "얼마예요",   "얼마인가요", "얼마나요",   "얼마죠",     "얼마야",
    "언제예요",   "언제인가요", "언제까지요", "언제요",     "언제죠",
    "어디예요",   "어디인가요", "누구예요",   "누구인가요", "며칠이에요",
    "며칠인가요", "왜요"};

typedef struct word {
    const char *s; /* without the marks around it */
    size_t n;
    const char *end; /* with them */
    char mark; /* the last one behind it: ',', '?', ... or 0 */
    bool asks, auxiliary;
} word;

typedef struct words {
    word of[WORDS_MAX];
    size_t n;
    bool korean;
} words;

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is(const word *w, const char *s) {
    size_t i = 0;
    while (i < w->n && s[i] && lower(w->s[i]) == s[i])
        i++;
    return i == w->n && !s[i];
}

static bool is_any(const word *w, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (is(w, list[i]))
            return true;
    return false;
}

static bool begins_any(const word *w, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t k = strlen(list[i]);
        if (w->n >= k && memcmp(w->s, list[i], k) == 0)
            return true;
    }
    return false;
}

static bool ends_any(const word *w, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t k = strlen(list[i]);
        if (w->n > k && memcmp(w->s + w->n - k, list[i], k) == 0)
            return true;
    }
    return false;
}

/* False when there are too many words to look at. */
static bool read_words(const char *s, words *out) {
    memset(out, 0, sizeof *out);
    while (*(s += strspn(s, " \n\t"))) {
        size_t n = strcspn(s, " \n\t"), from = strspn(s, "\"'(");
        word *w = &out->of[out->n];
        if (out->n++ == WORDS_MAX)
            return false;
        from = from < n ? from : n - 1;
        w->s = s + from;
        w->end = s + n;
        w->n = n - from;
        while (w->n > 1 && strchr(",;:.?!\"')~", w->s[w->n - 1])) {
            char c = w->s[--w->n];
            w->mark = strchr(",;?.!", c) && w->mark != '?' ? c : w->mark;
        }
        w->asks = begins_any(w, ASKING_KO, COUNT(ASKING_KO)) ||
                  is_any(w, ASKING_EN, COUNT(ASKING_EN));
        w->auxiliary = is_any(w, AUXILIARY, COUNT(AUXILIARY));
        out->korean |= (unsigned char)w->s[0] >= 0xEA;
        s += n;
    }
    return true;
}

/* Whether a question begins at word i: "how", "by when", "is there"; neither
 * "what to say" nor "when I quit, ..." nor "Fred, who knows, ...". */
static bool opens(const words *w, size_t i) {
    static const char *const RELATIVE[] = {"who", "which", "whose"};
    const word *a = &w->of[i], *b = i + 1 < w->n ? a + 1 : NULL;
    if (is(a, "what's"))
        return true;
    if (b && is_any(a, BEFORE_WH, COUNT(BEFORE_WH)) && b->asks)
        return true;
    if (!a->asks)
        return a->auxiliary && b && is_any(b, SUBJECT, COUNT(SUBJECT));
    if (i && w->of[i - 1].mark == ',' && is_any(a, RELATIVE, COUNT(RELATIVE)))
        return b && b->auxiliary;
    return !b || !(is(b, "to") || is_any(b, SUBJECT, COUNT(SUBJECT)));
}

/* Whether a clause can begin at word i of those from `from` on. */
static bool begins_clause(const words *w, size_t from, size_t i) {
    static const char *const AND[] = {"and", "but", "so", "also"};
    return i == from || w->of[i - 1].mark ||
           is_any(&w->of[i - 1], AND, COUNT(AND));
}

/* Whether something is asked in words [from, to). */
static bool asked(const words *w, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        if (w->korean ? w->of[i].asks
                      : begins_clause(w, from, i) && opens(w, i))
            return true;
    return false;
}

/* Whether a part that began at `from` ends with word i; *next: where the next
 * one begins. */
static bool ends_korean(const words *w, size_t from, size_t i, size_t *next) {
    const word *x = &w->of[i], *y = x + 1;
    size_t reach = i + 1 > from + REACH ? i + 1 - REACH : from;
    *next = i + 1;
    if (!asked(w, reach, i + 1))
        return false;
    if (begins_any(x, ALSO, COUNT(ALSO)))
        return false;
    if (is_any(y, ALSO, COUNT(ALSO)) && i + 2 < w->n) {
        *next = i + 2;
        return true;
    }
    if (!ends_any(x, LINKING, COUNT(LINKING)) ||
        ends_any(x, NOT_LINKING, COUNT(NOT_LINKING)) ||
        is_any(x, NOT_LINKING, COUNT(NOT_LINKING)) ||
        (!x->mark && begins_any(y, GOES_ON, COUNT(GOES_ON))))
        return false;
    for (size_t k = i + 1; k < w->n && !w->of[k].asks; k++)
        if (w->of[k].mark == '.') /* "누가 들고 튀었어요. 어디로 ...?" */
            return false;
    return true;
}

static bool ends_english(const words *w, size_t from, size_t i, size_t *next) {
    *next = i + 1;
    if (!asked(w, from, i + 1))
        return false;
    if (is(&w->of[*next], "and") || is(&w->of[*next], "also"))
        ++*next;
    else if (!w->of[i].mark)
        return false;
    if (*next >= w->n || !opens(w, *next))
        return false;
    /* "when on my last day" is no clause, "who pays" is one. */
    bool clause = is_any(&w->of[*next], SUBJECT_WH, COUNT(SUBJECT_WH));
    for (size_t k = *next; k < w->n && !clause; k++)
        clause = w->of[k].auxiliary;
    return clause;
}

/* The same of a sentence with a question word that ends with a question mark:
 * the next one needs no such word when it ends with one, too. (Without such a
 * word in the first, the next mostly leans on it: "Can I ...? How much?") */
static bool ends_sentence(const words *w, size_t from, size_t i, size_t *next) {
    static const char *const ALSO_EN[] = {"and", "also"};
    *next = i + 1;
    size_t k = from;
    while (k <= i && !(w->of[k].asks && (w->korean || opens(w, k))))
        k++;
    if (w->of[i].mark != '?' || k > i)
        return false;
    if (*next + 1 < w->n && (is_any(&w->of[*next], ALSO, COUNT(ALSO)) ||
                             is_any(&w->of[*next], ALSO_EN, COUNT(ALSO_EN))))
        ++*next;
    return (w->of[w->n - 1].mark == '?' && w->n - *next > FEW_WORDS_KO) ||
           asked(w, *next, w->n);
}

/* Whether words [from, to) ask for a thing that the part before does not name:
 * what only leans on it is the same question. */
static bool names(const words *w, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        const word *x = &w->of[i];
        if (is_any(x, EMPTY_KO, COUNT(EMPTY_KO)))
            continue;
        if (w->korean
                ? !x->asks || to - from == 1
                : !x->asks && !x->auxiliary && !is_any(x, EMPTY, COUNT(EMPTY)))
            return true;
    }
    return false;
}

/* First words of the parts; 0 or 1 when it is one question. */
static size_t cut(const words *w, size_t first[RAG_PARTS_MAX],
                  size_t last[RAG_PARTS_MAX]) {
    size_t n = 1, next;
    first[0] = 0;
    for (size_t i = 0; i + 1 < w->n; i++) {
        bool end = ends_sentence(w, first[n - 1], i, &next);
        if (!end)
            end = (w->korean ? ends_korean : ends_english)(w, first[n - 1], i,
                                                           &next) &&
                  asked(w, next, w->n);
        if (!end)
            continue;
        if (n == RAG_PARTS_MAX)
            return 0;
        last[n - 1] = i;
        first[n++] = next;
    }
    last[n - 1] = w->n - 1;
    if (last[0] == first[0]) /* "When and where ...?" */
        return 0;
    for (size_t k = 1; k < n; k++)
        if (!names(w, first[k], last[k] + 1))
            return 0;
    return n;
}

/* What is said before anything is asked: up to the first part's question. */
static size_t said_first(const words *w, size_t last) {
    for (size_t i = 0; i <= last; i++)
        if (w->korean ? w->of[i].asks : begins_clause(w, 0, i) && opens(w, i))
            return i;
    return 0;
}

/* Words [first, last] as a question, behind `before`. */
static int write_part(const words *w, const char *before, size_t before_len,
                      size_t first, size_t last, char **out, rag_error *err) {
    const word *a = &w->of[first], *b = &w->of[last];
    rag_buf text;
    rag_buf_init(&text, 0);
    int rc =
        rag_buf_printf(&text, err, "%.*s%s%.*s?", (int)before_len, before,
                       before_len ? " " : "", (int)(b->s + b->n - a->s), a->s);
    if (!rc)
        rc = rag_buf_steal(&text, out, NULL, err);
    rag_buf_free(&text);
    return rc;
}

/* A later part: as a follow-up of the first, or behind what was said first;
 * one of few words behind all of the first. */
static int write_later(const words *w, rag_parts *p, size_t said, size_t first,
                       size_t last, rag_error *err) {
    char **out = &p->of[p->n], **bare = &p->bare[p->n];
    bool few = last - first < (w->korean ? FEW_WORDS_KO : FEW_WORDS);
    rag_followup f = {0};
    int rc = write_part(w, "", 0, first, last, bare, err);
    if (!rc)
        rc = rag_followup_rewrite(p->of[0], *bare, &f, err);
    if (!rc && f.question) {
        *out = f.question;
        f.question = NULL;
    } else if (!rc && few) {
        rc = write_part(w, p->of[0], strlen(p->of[0]), first, last, out, err);
    } else if (!rc) {
        rc = write_part(w, w->of[0].s,
                        said ? (size_t)(w->of[said - 1].end - w->of[0].s) : 0,
                        first, last, out, err);
    }
    if (few || rc || strcmp(*out, *bare) == 0) {
        free(*bare);
        *bare = NULL;
    }
    p->n += !rc;
    rag_followup_free(&f);
    return rc;
}

int rag_parts_read(const char *question, rag_parts *out, rag_error *err) {
    size_t first[RAG_PARTS_MAX], last[RAG_PARTS_MAX], n, said;
    words w;
    memset(out, 0, sizeof *out);
    if (!read_words(question, &w) || w.n < 2 || (n = cut(&w, first, last)) < 2)
        return 0;
    said = said_first(&w, last[0]);
    int rc = write_part(&w, "", 0, first[0], last[0], &out->of[0], err);
    out->n = !rc;
    for (size_t i = 1; i < n && !rc; i++)
        rc = write_later(&w, out, said, first[i], last[i], err);
    if (rc)
        rag_parts_free(out);
    return rc;
}

void rag_parts_free(rag_parts *p) {
    for (size_t i = 0; i < p->n; i++) {
        free(p->of[i]);
        free(p->bare[i]);
    }
    memset(p, 0, sizeof *p);
}
