/*
 * ground_words.c - content words, relations, negations and clauses of a
 * folded text.
 *
 * Called by ground.c and extract.c through ground_int.h; no state.
 *
 * Negation in Korean stands behind what it negates (하지 않습니다, 없습니다,
 * 불가) or just before the verb (안 됩니다); in English before it, or at the
 * verb. A clause ends where Korean puts a connective ending (-면, -지만, -며)
 * and English a conjunction; a comma alone ends none, since lists have commas
 * as well ("A, B and C are not covered").
 */
#include "generate/generate_int.h"
#include "generate/ground_int.h"

#include "base/hash.h"
#include "base/terms.h"
#include "base/unicode.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- words --------------------------------------------------------------------- */

/* Words that a question does not lend to an answer: spelled-out numbers and
 * relations. The term analysis takes many of them for stop words. */
static const char *const STRICT[] = {
    "one",      "two",       "three",    "four",    "five",    "six",
    "seven",    "eight",     "nine",     "ten",     "eleven",  "twelve",
    "thirteen", "fourteen",  "fifteen",  "sixteen", "twenty",  "thirty",
    "forty",    "fifty",     "sixty",    "ninety",  "hundred", "thousand",
    "million",  "billion",   "half",     "double",  "twice",   "once",
    "third",    "quarter",   "dozen",    "first",   "second",  "before",
    "after",    "above",     "below",    "under",   "over",    "until",
    "within",   "only",      "all",      "every",   "each",    "both",
    "most",     "more",      "less",     "least",   "fewer",   "between",
    "always",   "sometimes", "optional", "during",  "except",  "either",
};

static const char *const STRICT_KO[] = {
    "한",   "두",   "세",   "네",     "다섯", "여섯", "일곱", "여덟",
    "아홉", "열",   "스무", "하루",   "이틀", "사흘", "나흘", "닷새",
    "열흘", "보름", "반",   "절반",   "두배", "전",   "후",   "전에",
    "후에", "모든", "모두", "각각",   "매일", "매월", "매년", "매주",
    "항상", "가끔", "일부", "반드시", "최대", "최소", "이전", "이후",
    "이상", "이하", "미만", "초과",   "이내", "전부",
};

static bool among(const char *const *list, size_t n, const char *s,
                  size_t len) {
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == len && memcmp(list[i], s, len) == 0)
            return true;
    return false;
}

static bool has_digit(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] >= '0' && s[i] <= '9')
            return true;
    return false;
}

/* Hash of a Hangul stem without the final consonant of its last syllable:
 * "걸립" and "걸린" are the same verb. 0 when there is nothing to take. */
static uint64_t loose_hash(const char *s, size_t n) {
    char b[RAG_TERM_MAX + 4];
    uint32_t cp = 0;
    if (n < 6 || n > RAG_TERM_MAX)
        return 0;
    size_t last = rag_utf8_prev(s, n);
    (void)rag_utf8_next(s + last, n - last, &cp);
    if (!rag_unicode_syllable(cp))
        return 0;
    memcpy(b, s, last);
    size_t k = rag_utf8_put(cp - (cp - 0xAC00) % 28, b + last);
    return rag_hash_fast(b, last + k);
}

typedef struct word_sink {
    rag_facts *f;
    bool content;
} word_sink;

static void add_word(rag_facts *f, rag_word w) {
    for (size_t i = 0; i < f->nwords; i++)
        if (f->word[i].hash == w.hash && f->word[i].start == w.start) {
            f->word[i].content = f->word[i].content || w.content;
            return;
        }
    if (f->nwords == RAG_FACT_WORDS_MAX)
        f->full = true;
    else
        f->word[f->nwords++] = w;
}

static int on_word(void *user, const rag_term *t) {
    word_sink *k = user;
    if (t->kind == RAG_TERM_BIGRAM || t->kind == RAG_TERM_NUMBER ||
        t->kind == RAG_TERM_PART || has_digit(t->text, t->len))
        return 0; /* numbers are compared as numbers, with their units */
    for (size_t i = 0; i < k->f->nnumbers; i++)
        if (t->start < k->f->number[i].end && t->end > k->f->number[i].start)
            return 0;
    add_word(k->f, (rag_word){.start = t->start,
                              .end = t->end,
                              .hash = rag_hash_fast(t->text, t->len),
                              .loose = loose_hash(t->text, t->len),
                              .content = k->content});
    return 0;
}

/* Whole tokens between spaces and punctuation, for the strict lists. */
static size_t next_token(const char *s, size_t n, size_t *i) {
    while (*i < n) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + *i, n - *i, &cp);
        rag_char_class c = rag_unicode_class(cp);
        if (c == RAG_CHAR_LATIN || c == RAG_CHAR_HANGUL)
            break;
        *i += k;
    }
    size_t e = *i;
    while (e < n) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + e, n - e, &cp);
        rag_char_class c = rag_unicode_class(cp);
        if (c != RAG_CHAR_LATIN && c != RAG_CHAR_HANGUL && cp != '\'' &&
            cp != 0x2019)
            break;
        e += k;
    }
    return e;
}

static void scan_strict(rag_facts *f) {
    const char *s = f->text.data;
    for (size_t i = 0, n = f->text.len; i < n;) {
        size_t e = next_token(s, n, &i);
        if (e <= i)
            break;
        size_t len = e - i;
        if (among(STRICT, COUNT(STRICT), s + i, len) ||
            among(STRICT_KO, COUNT(STRICT_KO), s + i, len)) {
            /* The same word may be there as a content word: now strict. */
            uint64_t h = rag_hash_fast(s + i, len) ^ 0x5bd1e995u;
            add_word(f, (rag_word){.start = i,
                                   .end = e,
                                   .hash = h,
                                   .content = true,
                                   .strict = true});
        }
        i = e;
    }
}

int rag_words_scan(rag_facts *f, rag_error *err) {
    word_sink k = {f, true};
    int rc = rag_terms_content(f->text.data, f->text.len, on_word, &k, err);
    k.content = false;
    if (!rc)
        rc = rag_terms_each(f->text.data, f->text.len, on_word, &k, err);
    if (!rc)
        scan_strict(f);
    return rc;
}

bool rag_words_have(const rag_facts *b, const rag_facts *a, const rag_word *w) {
    for (size_t i = 0; i < b->nwords; i++)
        if (b->word[i].hash == w->hash ||
            (!w->strict && w->loose && b->word[i].loose == w->loose))
            return true;
    if (w->strict)
        return false;
    /* Compounds: "신분증" in "신분증사본". Not for a single syllable, and for
     * Latin words only what the analysis says. */
    size_t len = w->end - w->start;
    const char *s = a->text.data + w->start;
    uint32_t cp;
    (void)rag_utf8_next(s, len, &cp);
    if (!rag_unicode_syllable(cp) || len < 6)
        return false;
    return b->text.len >= len &&
           memmem(b->text.data, b->text.len, s, len) != NULL;
}

/* ---- negations --------------------------------------------------------------------- */

static bool begins(const char *s, size_t n, const char *w) {
    size_t len = strlen(w);
    return len <= n && memcmp(s, w, len) == 0;
}

static bool contains(const char *s, size_t n, const char *w) {
    return memmem(s, n, w, strlen(w)) != NULL;
}

static bool ends(const char *s, size_t n, const char *w) {
    size_t len = strlen(w);
    return len <= n && memcmp(s + n - len, w, len) == 0;
}

static bool korean_negation(const char *t, size_t n, bool *adnominal) {
    static const char *const INSIDE[] = {
        "않",   "없",     "아닙",   "아니",   "아닌",   "아닐",
        "금지", "불가",   "불허",   "제외",   "미포함", "안됩",
        "안되", "안돼",   "안된",   "말아",   "마세요", "마십",
        "마시", "말고",   "말것",   "아녜",   "아녀",   "불필요",
        "거절", "미해당", "비해당", "불인정", "미지급", "못합",
        "못한", "못하",   "못할",   "못했",   "못됩",   "면제"};
    static const char *const NOUN_ENDS[] = {
        "않은",   "않는",   "않을",   "없는",     "없을",    "아닌", "아닐",
        "금지된", "제외한", "제외된", "못한",     "못하는",  "못할", "불가능한",
        "불가한", "안되는", "안된",   "금지하는", "제외하는"};
    static const char *const NOT[] = {"못지않", "아니라면", "끊임없"};
    bool yes = n == 3 && (memcmp(t, "안", 3) == 0 || memcmp(t, "못", 3) == 0);
    for (size_t i = 0; i < COUNT(NOT); i++)
        if (contains(t, n, NOT[i]))
            return false;
    for (size_t i = 0; i < COUNT(INSIDE) && !yes; i++)
        yes = contains(t, n, INSIDE[i]);
    *adnominal = false;
    for (size_t i = 0; i < COUNT(NOUN_ENDS); i++)
        *adnominal = *adnominal || ends(t, n, NOUN_ENDS[i]);
    return yes;
}

static bool english_negation(const char *s, size_t n, size_t i, size_t e) {
    static const char *const WORD[] = {
        "not",      "no",         "never",      "cannot",    "without",
        "none",     "nor",        "neither",    "nobody",    "nothing",
        "nowhere",  "unless",     "except",     "unable",    "excluding",
        "excluded", "excludes",   "prohibited", "forbidden", "ineligible",
        "refuse",   "refused",    "denied",     "barely",    "hardly",
        "fails",    "failed",     "lack",       "lacks",     "dont",
        "doesnt",   "cant",       "wont",       "isnt",      "unavailable",
        "invalid",  "impossible", "disallowed"};
    const char *t = s + i;
    size_t len = e - i;
    if (len > 3 && (ends(t, len, "n't") || ends(t, len, "n\xE2\x80\x99t")))
        return true;
    if (!among(WORD, COUNT(WORD), t, len))
        return false;
    /* "No. 5", "no 5" */
    if (len == 2 && t[0] == 'n' && e < n) {
        size_t k = e + (s[e] == '.');
        while (k < n && s[k] == ' ')
            k++;
        if (s[e] == '.' && k < n && s[k] >= '0' && s[k] <= '9')
            return false;
    }
    return true;
}

void rag_negations_scan(rag_facts *f) {
    const char *s = f->text.data;
    for (size_t i = 0, n = f->text.len; i < n;) {
        size_t e = next_token(s, n, &i);
        bool adnominal = false, yes;
        if (e <= i)
            break;
        if ((unsigned char)s[i] < 0x80)
            yes = english_negation(s, n, i, e);
        else
            yes = korean_negation(s + i, e - i, &adnominal);
        if (yes) {
            if (f->nnegations == RAG_FACT_NEGATIONS_MAX)
                f->full = true;
            else
                f->negation[f->nnegations++] = (rag_negation){i, e, adnominal};
        }
        i = e;
    }
}

unsigned rag_negations_in(const rag_facts *f, size_t start, size_t end) {
    unsigned n = 0;
    for (size_t i = 0; i < f->nnegations; i++)
        n += f->negation[i].start >= start && f->negation[i].start < end;
    return n;
}

/* ---- clauses ------------------------------------------------------------------------ */

/* The eojeol t ends a clause. */
static bool korean_connective(const char *t, size_t n) {
    static const char *const END[] = {
        "으면",   "하면", "되면", "이면",   "라면",     "다면",   "리면",
        "오면",   "나면", "보면", "시면",   "지면",     "으며",   "하며",
        "되며",   "이며", "지며", "있으며", "없으며",   "지만",   "는데",
        "은데",   "인데", "하고", "되고",   "있고",     "없고",   "않고",
        "이고",   "지고", "받고", "으나",   "하나",     "되나",   "거나",
        "어서",   "아서", "해서", "하여",   "되어",     "므로",   "니까",
        "더라도", "라도", "경우", "경우에", "경우에는", "경우는", "때는",
        "때에는", "때에", "후에", "뒤에",   "다음",     "아니라", "아니고",
        "하되",   "다가", "도록"};
    for (size_t i = 0; i < COUNT(END); i++)
        if (ends(t, n, END[i]))
            return true;
    return false;
}

static bool english_conjunction(const char *s, size_t i, size_t e) {
    static const char *const ALWAYS[] = {"but",     "although", "though",
                                         "because", "whereas",  "while",
                                         "however", "otherwise"};
    static const char *const BEHIND_COMMA[] = {
        "and", "or", "which", "who",  "so", "if",  "when", "as",    "then",
        "it",  "he", "she",   "they", "we", "you", "i",    "since", "where"};
    if (among(ALWAYS, COUNT(ALWAYS), s + i, e - i))
        return true;
    size_t k = i;
    while (k && s[k - 1] == ' ')
        k--;
    return k && s[k - 1] == ',' &&
           among(BEHIND_COMMA, COUNT(BEHIND_COMMA), s + i, e - i);
}

/* What stands behind e is a negation: in "환불하면 안 됩니다" it belongs to
 * the verb that only looks like the end of a clause. */
static bool negated(const char *s, size_t n, size_t e) {
    bool adnominal;
    size_t i = e, end = next_token(s, n, &i);
    return end > i && (unsigned char)s[i] >= 0x80 &&
           korean_negation(s + i, end - i, &adnominal);
}

static bool hard_break(char c) {
    return c == ';' || c == '\n';
}

void rag_clause_around(const rag_facts *f, size_t *start, size_t *end) {
    const char *s = f->text.data;
    size_t lo = 0, hi = f->text.len, n = f->text.len;
    for (size_t i = 0; i < n;) {
        size_t from = i, e = next_token(s, n, &i);
        for (size_t k = from; k < i; k++)
            if (hard_break(s[k])) {
                if (k < *start)
                    lo = k + 1;
                else if (k >= *end && hi == n)
                    hi = k;
            }
        if (e <= i)
            break;
        bool korean = (unsigned char)s[i] >= 0x80;
        if (korean && korean_connective(s + i, e - i) && !negated(s, n, e)) {
            if (e <= *start)
                lo = e;
            else if (e >= *end && hi == n)
                hi = e;
        } else if (!korean && english_conjunction(s, i, e)) {
            if (i < *start)
                lo = i;
            else if (i >= *end && hi == n)
                hi = i;
        }
        i = e;
    }
    *start = lo;
    *end = hi;
}

/* ---- predicates and stances ---------------------------------------------------------- */

bool rag_facts_predicative(const rag_facts *f) {
    static const char *const KO_ONE[] = {
        "니다", "어요", "아요", "해요", "돼요", "세요",   "나요", "이다",
        "한다", "된다", "가능", "불가", "없음", "불가능", "있음", "금지"};
    static const char *const KO[] = {"다",     "요",   "죠",   "까",   "음",
                                     "함",     "됨",   "임",   "불가", "가능",
                                     "불가능", "없음", "있음", "금지", "필요",
                                     "불필요", "해당", "제외"};
    static const char *const EN[] = {
        "is",     "are",  "was",   "were",  "be",     "can",   "may",  "must",
        "should", "will", "would", "could", "do",     "does",  "did",  "has",
        "have",   "had",  "need",  "needs", "cannot", "shall", "might"};
    const char *s = f->text.data;
    size_t n = f->text.len;
    while (n && strchr(" .!?)\"'", s[n - 1]))
        n--;
    if (f->korean) {
        /* One word may be a noun that ends like a verb ("광양함", "바다"). */
        bool one = !memchr(s, ' ', n);
        for (size_t i = 0; i < (one ? COUNT(KO_ONE) : COUNT(KO)); i++)
            if (ends(s, n, one ? KO_ONE[i] : KO[i]))
                return true;
        return false;
    }
    unsigned words = 0;
    bool verb = false;
    for (size_t i = 0; i < n;) {
        size_t e = next_token(s, n, &i);
        if (e <= i)
            break;
        words++;
        verb = verb || among(EN, COUNT(EN), s + i, e - i) ||
               english_negation(s, n, i, e);
        i = e;
    }
    return verb && words >= 3;
}

int rag_facts_stance(const rag_facts *f, size_t *len) {
    static const struct {
        const char *text;
        int what;
    } S[] = {{"yes", 1},   {"no", -1},        {"네", 1},
             {"예", 1},    {"아니요", -1},    {"아니오", -1},
             {"아뇨", -1}, {"그렇습니다", 1}, {"맞습니다", 1}};
    const char *s = f->text.data;
    size_t n = f->text.len;
    for (size_t i = 0; i < COUNT(S); i++) {
        size_t k = strlen(S[i].text);
        if (!begins(s, n, S[i].text) || (k < n && !strchr(",. !?", s[k])))
            continue;
        /* "no fee applies" is no stance, "no, ..." is. */
        if (S[i].what < 0 && k == 2 && k < n && s[k] == ' ')
            continue;
        while (k < n && strchr(",. !?", s[k]))
            k++;
        *len = k;
        return S[i].what;
    }
    *len = 0;
    return 0;
}

/* ---- all of it -------------------------------------------------------------------------- */

int rag_facts_read_numbers(const char *s, size_t n, rag_facts *out,
                           rag_error *err) {
    memset(out, 0, sizeof *out);
    rag_buf_init(&out->text, 0);
    rag_buf plain;
    rag_buf_init(&plain, 0);
    int rc = rag_prompt_plain(s, n, &plain, err);
    if (!rc)
        rc = rag_unicode_fold(rag_buf_str(&plain), plain.len, &out->text, err);
    if (!rc)
        rc = rag_buf_reserve(&out->text, 1, err);
    rag_buf_free(&plain);
    if (rc) {
        rag_buf_free(&out->text);
        return rc;
    }
    if (!out->text.len)
        out->text.data[0] = '\0';
    out->korean =
        strcmp(rag_unicode_lang(out->text.data, out->text.len), "ko") == 0;
    rag_numbers_scan(out);
    return 0;
}

int rag_facts_read(const char *s, size_t n, rag_facts *out, rag_error *err) {
    int rc = rag_facts_read_numbers(s, n, out, err);
    if (rc)
        return rc;
    rc = rag_words_scan(out, err);
    if (!rc)
        rag_negations_scan(out);
    if (rc)
        rag_facts_free(out);
    return rc;
}

void rag_facts_free(rag_facts *f) {
    if (f)
        rag_buf_free(&f->text);
}
