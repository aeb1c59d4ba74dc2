/*
 * terms_english.c - a light English stemmer and stop words.
 *
 * The stemmer follows the steps of Porter's second algorithm
 * (snowballstem.org, "The English (Porter2) stemming algorithm"): plural and
 * tense endings, then derivational suffixes inside the regions R1 and R2. It
 * leaves out the rarely met corners. Called by terms.c only; no state.
 */
#include "base/terms_int.h"

#include <string.h>

typedef struct word {
    char *w;
    size_t n, r1, r2;
} word;

static bool is_vowel(const char *w, size_t i) {
    switch (w[i]) {
    case 'a':
    case 'e':
    case 'i':
    case 'o':
    case 'u':
        return true;
    case 'y': /* a consonant at the start and after a vowel */
        return i > 0 && !is_vowel(w, i - 1);
    default:
        return false;
    }
}

static bool has_vowel(const char *w, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (is_vowel(w, i))
            return true;
    return false;
}

/* First position after the first non-vowel that follows a vowel. */
static size_t region(const char *w, size_t n, size_t from) {
    size_t i = from;

    while (i < n && !is_vowel(w, i))
        i++;
    while (i < n && is_vowel(w, i))
        i++;
    return i < n ? i + 1 : n;
}

static bool ends(const word *x, const char *suffix, size_t *at) {
    size_t len = strlen(suffix);

    if (len > x->n || memcmp(x->w + x->n - len, suffix, len) != 0)
        return false;
    *at = x->n - len;
    return true;
}

/* consonant, vowel, consonant (not w, x, y) at the end, or vowel, consonant
 * when that is the whole word */
static bool short_syllable(const word *x) {
    size_t n = x->n;

    if (n == 2)
        return is_vowel(x->w, 0) && !is_vowel(x->w, 1);
    return n > 2 && !is_vowel(x->w, n - 3) && is_vowel(x->w, n - 2) &&
           !is_vowel(x->w, n - 1) && !strchr("wxy", x->w[n - 1]);
}

static bool is_short(const word *x) {
    return x->r1 >= x->n && short_syllable(x);
}

static void plural(word *x) {
    size_t at;

    if (ends(x, "sses", &at)) {
        x->n -= 2;
    } else if (ends(x, "ied", &at) || ends(x, "ies", &at)) {
        x->n -= at > 1 ? 2 : 1;
    } else if (ends(x, "us", &at) || ends(x, "ss", &at) || ends(x, "is", &at)) {
        return;
    } else if (ends(x, "s", &at) && at > 1 && has_vowel(x->w, at - 1)) {
        x->n -= 1;
    } else if (ends(x, "s", &at) && at > 1) {
        x->n -= 1;
    }
}

static void tense(word *x) {
    static const char doubles[] = "bdfgmnprt";
    size_t at;

    if (ends(x, "eedly", &at) || ends(x, "eed", &at)) {
        if (at >= x->r1)
            x->n = at + 2;
        return;
    }
    if (!(ends(x, "ingly", &at) || ends(x, "edly", &at) ||
          ends(x, "ing", &at) || ends(x, "ed", &at)) ||
        !has_vowel(x->w, at))
        return;
    x->n = at;
    if (ends(x, "at", &at) || ends(x, "bl", &at) || ends(x, "iz", &at))
        x->w[x->n++] = 'e';
    else if (x->n > 2 && x->w[x->n - 1] == x->w[x->n - 2] &&
             strchr(doubles, x->w[x->n - 1]))
        x->n--;
    else if (is_short(x))
        x->w[x->n++] = 'e';
}

typedef struct rule {
    const char *suffix, *becomes;
} rule;

/* The first rule that fits is the only one tried, so longer suffixes stand
 * before their own ends. */
static bool apply(word *x, const rule *rules, size_t n, size_t from) {
    for (size_t i = 0; i < n; i++) {
        size_t at, len = strlen(rules[i].becomes);

        if (!ends(x, rules[i].suffix, &at))
            continue;
        if (at < from)
            return false;
        memcpy(x->w + at, rules[i].becomes, len);
        x->n = at + len;
        return true;
    }
    return false;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const rule derive[] = {
    {"ational", "ate"}, {"tional", "tion"}, {"ization", "ize"},
    {"isation", "ize"}, {"ation", "ate"},   {"fulness", "ful"},
    {"ousness", "ous"}, {"iveness", "ive"}, {"biliti", "ble"},
    {"lessli", "less"}, {"entli", "ent"},   {"fulli", "ful"},
    {"ousli", "ous"},   {"aliti", "al"},    {"alism", "al"},
    {"iviti", "ive"},   {"enci", "ence"},   {"anci", "ance"},
    {"abli", "able"},   {"izer", "ize"},    {"iser", "ize"},
    {"ator", "ate"},    {"alli", "al"},     {"bli", "ble"},
    {"ogi", "og"},
};

static const rule derive2[] = {
    {"ational", "ate"}, {"tional", "tion"}, {"alize", "al"},
    {"alise", "al"},    {"icate", "ic"},    {"iciti", "ic"},
    {"ical", "ic"},     {"ful", ""},        {"ness", ""},
};

static const rule drop[] = {
    {"ement", ""}, {"ance", ""}, {"ence", ""}, {"able", ""}, {"ible", ""},
    {"ment", ""},  {"ant", ""},  {"ent", ""},  {"ism", ""},  {"ate", ""},
    {"iti", ""},   {"ous", ""},  {"ive", ""},  {"ize", ""},  {"ise", ""},
    {"al", ""},    {"er", ""},   {"ic", ""},
};

static void derivations(word *x) {
    size_t at;

    if (!apply(x, derive, COUNT(derive), x->r1) && ends(x, "li", &at) &&
        at >= x->r1 && at > 0 && strchr("cdeghkmnrt", x->w[at - 1]))
        x->n = at;
    apply(x, derive2, COUNT(derive2), x->r1);
    if (ends(x, "ion", &at)) {
        if (at >= x->r2 && at > 0 && strchr("st", x->w[at - 1]))
            x->n = at;
    } else {
        apply(x, drop, COUNT(drop), x->r2);
    }
}

static void final_e(word *x) {
    if (x->n == 0)
        return;
    if (x->w[x->n - 1] == 'e') {
        word before = *x;

        before.n--;
        if (before.n >= x->r2 ||
            (before.n >= x->r1 && !short_syllable(&before)))
            x->n--;
    } else if (x->w[x->n - 1] == 'l' && x->n > 1 && x->w[x->n - 2] == 'l' &&
               x->n - 1 >= x->r2) {
        x->n--;
    }
}

/* Words whose forms the rules would part. */
static const struct {
    const char *form, *stem;
} irregular[] = {
    {"skies", "sky"},
    {"dying", "die"},
    {"lying", "lie"},
    {"tying", "tie"},
    {"news", "news"},
    {"paid", "pay"},
    {"sent", "send"},
    {"lost", "lose"},
    {"bought", "buy"},
    {"taken", "take"},
    {"took", "take"},
    {"made", "make"},
    {"written", "write"},
    {"wrote", "write"},
    {"chosen", "choose"},
    {"chose", "choose"},
    {"children", "child"},
    {"women", "woman"},
    {"cancelled", "cancel"},
    {"cancelling", "cancel"},
    {"cancellation", "cancel"},
    {"went", "go"},
    {"gone", "go"},
    {"goes", "go"},
    {"built", "build"},
    {"spent", "spend"},
    {"sold", "sell"},
    {"kept", "keep"},
    {"held", "hold"},
    {"told", "tell"},
    {"found", "find"},
    {"founded", "found"},
    {"lent", "lend"},
    {"withdrawn", "withdraw"},
    {"withdrew", "withdraw"},
    {"stolen", "steal"},
    {"stole", "steal"},
};

size_t rag_terms_english_stem(char *w, size_t n) {
    word x = {w, n, 0, 0};

    if (n < 4)
        return n;
    for (size_t i = 0; i < COUNT(irregular); i++)
        if (strlen(irregular[i].form) == n &&
            memcmp(irregular[i].form, w, n) == 0) {
            size_t len = strlen(irregular[i].stem);

            memcpy(w, irregular[i].stem, len);
            return len;
        }
    if (strncmp(w, "gener", 5) == 0 || strncmp(w, "arsen", 5) == 0)
        x.r1 = 5;
    else if (n >= 6 && strncmp(w, "commun", 6) == 0)
        x.r1 = 6;
    else
        x.r1 = region(w, n, 0);
    x.r2 = region(w, n, x.r1);
    plural(&x);
    tense(&x);
    if (x.n > 2 && x.w[x.n - 1] == 'y' && !is_vowel(x.w, x.n - 2))
        x.w[x.n - 1] = 'i';
    derivations(&x);
    final_e(&x);
    return x.n;
}

/* Sorted by bytes: searched by halves. */
static const char *const stops[] = {
    "a",        "about",  "above",    "after",   "again",   "against", "all",
    "also",     "am",     "an",       "and",     "any",     "anybody", "anyone",
    "anything", "are",    "as",       "at",      "be",      "because", "been",
    "before",   "being",  "below",    "between", "both",    "but",     "by",
    "can",      "cannot", "could",    "did",     "do",      "does",    "doing",
    "during",   "each",   "either",   "else",    "explain", "for",     "from",
    "further",  "get",    "give",     "got",     "had",     "has",     "have",
    "having",   "he",     "hello",    "help",    "her",     "here",    "hers",
    "herself",  "hi",     "him",      "himself", "his",     "how",     "i",
    "if",       "in",     "into",     "is",      "it",      "its",     "itself",
    "just",     "kindly", "know",     "let",     "like",    "long",    "many",
    "may",      "me",     "might",    "mine",    "more",    "most",    "much",
    "must",     "my",     "myself",   "need",    "no",      "nor",     "not",
    "of",       "off",    "on",       "once",    "only",    "or",      "other",
    "our",      "ours",   "out",      "over",    "own",     "please",  "same",
    "shall",    "she",    "should",   "so",      "some",    "such",    "tell",
    "than",     "thank",  "thanks",   "that",    "the",     "their",   "theirs",
    "them",     "then",   "there",    "these",   "they",    "this",    "those",
    "through",  "to",     "too",      "under",   "until",   "up",      "upon",
    "us",       "very",   "want",     "was",     "we",      "were",    "what",
    "when",     "where",  "whether",  "which",   "while",   "who",     "whom",
    "whose",    "why",    "will",     "with",    "would",   "yes",     "you",
    "your",     "yours",  "yourself",
};

bool rag_terms_english_stop(const char *w, size_t n) {
    size_t lo = 0, hi = COUNT(stops);

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strncmp(stops[mid], w, n);

        if (c == 0 && stops[mid][n] != '\0')
            c = 1;
        if (c == 0)
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}
