/*
 * spell.c - words the index does not have: one typing error away, or the
 * same word in the other script.
 *
 * Asked only for words with no match, so that it costs nothing otherwise:
 *  - Latin: tokens at one insertion, deletion, substitution or transposition
 *    (Damerau), looked for under the prefixes such a word can have;
 *  - Hangul: one letter (jamo) of one syllable changed, in the whole or in one
 *    of the two known words that it is put together from;
 *  - short forms: 예담대 is 예금담보대출, the first syllables of its words;
 *  - letter names: 에이티엠 is ATM;
 *  - loan words: both scripts are reduced to their consonants as Korean
 *    writes them (Kubernetes and 쿠버네티스 are KBNTS), and words of the other
 *    script with the same consonants are taken.
 * What is found is added to the question's terms with less weight. Any
 * thread; state is the caller's.
 */
#include "index/spell.h"

#include "base/unicode.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 3 /* unknown words that are looked after */
#define FOUND_MAX 3 /* replacements a word */
#define SCAN_MAX 4000 /* tokens read under one prefix */
#define LETTERS_MAX 32 /* characters of a word that is compared */
#define TYPO_SYLLABLES 6 /* of a word whose errors are tried */
#define PART_SYLLABLES 4 /* ... of a part of a compound */
#define PROPOSED_MAX 2048 /* tokens looked up for one question */
#define SKELETON_MIN 3 /* consonants below which too many words agree */

/* Tokens that may be known: those up to `counted` were looked up. */
typedef struct proposals {
    size_t n, counted;
    rag_query_term t[PROPOSED_MAX];
} proposals;

typedef struct spell {
    rag_store *store;
    rag_query_term *terms;
    size_t *n;
    const rag_query_term *from; /* the unknown word */
    double weight;
    uint32_t word[LETTERS_MAX]; /* its characters */
    size_t len;
    char skeleton[LETTERS_MAX + 1];
    size_t scanned, found;
    proposals *proposed; /* of the whole question */
    rag_error *err;
    int rc;
} spell;

/* ---- adding --------------------------------------------------------------------- */

static void add(spell *s, rag_term_kind kind, const char *token, size_t len,
                size_t df) {
    rag_query_term *t;

    if (*s->n == RAG_QUERY_TERMS_MAX || s->found == FOUND_MAX ||
        len >= RAG_TOKEN_MAX || df == 0)
        return;
    for (size_t i = 0; i < *s->n; i++)
        if (s->terms[i].len == len &&
            memcmp(s->terms[i].token, token, len) == 0)
            return;
    t = &s->terms[(*s->n)++];
    memset(t, 0, sizeof(*t));
    memcpy(t->token, token, len);
    t->token[len] = '\0';
    t->len = len;
    t->kind = kind;
    t->word = s->from->word;
    t->weight = s->weight;
    t->df = df;
    s->found++;
}

static size_t decode(const char *p, size_t n, uint32_t out[LETTERS_MAX]) {
    size_t len = 0;

    for (size_t i = 0; i < n && len < LETTERS_MAX;)
        i += rag_utf8_next(p + i, n - i, &out[len++]);
    return len;
}

static size_t encode(const uint32_t *w, size_t n, char out[4 * LETTERS_MAX]) {
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += rag_utf8_put(w[i], out + len);
    return len;
}

/* ---- looking up ----------------------------------------------------------------- */

/* Puts a token down to be looked up with others in one statement, which costs
 * more than the tokens in it. */
static void propose(spell *s, rag_term_kind kind, const char *prefix,
                    const uint32_t *w, size_t n) {
    proposals *p = s->proposed;
    char token[1 + 4 * LETTERS_MAX];
    size_t at = strlen(prefix), len;
    rag_query_term *t = &p->t[p->n];

    memcpy(token, prefix, at);
    len = at + encode(w, n, token + at);
    if (p->n == PROPOSED_MAX || len >= RAG_TOKEN_MAX)
        return;
    memset(t, 0, sizeof(*t));
    memcpy(t->token, token, len);
    t->len = len;
    t->kind = kind;
    p->n++;
}

/* Looks up what was proposed since the last call: t[from..n). */
static size_t look_up(spell *s) {
    proposals *p = s->proposed;
    size_t from = p->counted;

    if (s->rc == 0)
        s->rc = rag_fts_dfs(s->store, p->t + from, NULL, p->n - from, s->err);
    p->counted = p->n;
    return from;
}

static void add_known(spell *s) {
    for (size_t i = look_up(s); i < s->proposed->n && s->rc == 0; i++) {
        const rag_query_term *t = &s->proposed->t[i];

        add(s, t->kind, t->token, t->len, t->df);
    }
}

/* ---- one error: Latin ------------------------------------------------------------ */

bool rag_spell_one_edit(const uint32_t *a, size_t n, const uint32_t *b,
                        size_t m) {
    size_t i = 0, tail;

    if (n > m + 1 || m > n + 1)
        return false;
    while (i < n && i < m && a[i] == b[i])
        i++;
    if (i == n && i == m)
        return false; /* the same word */
    if (n == m) {
        if (i + 1 < n && a[i] == b[i + 1] && a[i + 1] == b[i])
            return memcmp(a + i + 2, b + i + 2, (n - i - 2) * sizeof(*a)) == 0;
        return memcmp(a + i + 1, b + i + 1, (n - i - 1) * sizeof(*a)) == 0;
    }
    tail = (n < m ? n : m) - i;
    return memcmp(a + n - tail, b + m - tail, tail * sizeof(*a)) == 0;
}

static int try_token(void *user, const char *token, size_t len, size_t df) {
    spell *s = user;
    uint32_t w[LETTERS_MAX];
    size_t n = decode(token, len, w);

    if (n < LETTERS_MAX && rag_spell_one_edit(s->word, s->len, w, n))
        add(s, RAG_TERM_WORD, token, len, df);
    return ++s->scanned >= SCAN_MAX || s->found == FOUND_MAX;
}

static void try_prefix(spell *s, const uint32_t *w, size_t n) {
    char prefix[4 * LETTERS_MAX];

    s->scanned = 0;
    if (s->rc == 0 && s->found < FOUND_MAX)
        s->rc = rag_fts_prefix(s->store, prefix, encode(w, n, prefix),
                               try_token, s, s->err);
}

/* The right word begins with the same letter, or the error is in the first
 * letter and the next two follow it. */
static void latin_typos(spell *s) {
    uint32_t p[3];

    try_prefix(s, s->word, 1);
    if (s->found > 0)
        return;
    p[0] = s->word[1];
    p[1] = s->word[0]; /* the first two transposed */
    try_prefix(s, p, 2);
    try_prefix(s, s->word + 1, 2); /* one too many */
    for (uint32_t c = 'a'; c <= 'z' && s->found < FOUND_MAX; c++) {
        p[0] = c; /* another */
        p[1] = s->word[1];
        p[2] = s->word[2];
        try_prefix(s, p, 3);
        p[1] = s->word[0]; /* one missing */
        p[2] = s->word[1];
        try_prefix(s, p, 3);
    }
}

/* ---- one error: Hangul ------------------------------------------------------------ */

/* Proposes each word one letter away. */
static void hangul_typos(spell *s, const uint32_t *word, size_t len) {
    static const uint32_t step[3] = {588, 28, 1}, count[3] = {19, 21, 28};
    uint32_t w[TYPO_SYLLABLES];

    if (len > TYPO_SYLLABLES)
        return;
    memcpy(w, word, len * sizeof(*w));
    for (size_t i = 0; i < len; i++) {
        for (int j = 0; j < 3; j++) {
            uint32_t digit = (word[i] - 0xAC00) / step[j] % count[j];

            for (uint32_t d = 0; d < count[j]; d++) {
                if (d == digit)
                    continue;
                w[i] = word[i] - digit * step[j] + d * step[j];
                propose(s, RAG_TERM_STEM, "=", w, len);
                if (len == 2) /* inside a compound */
                    propose(s, RAG_TERM_BIGRAM, "", w, len);
            }
        }
        w[i] = word[i];
    }
}

/* ---- short forms and compounds ----------------------------------------------------- */

static int try_long_form(void *user, const char *token, size_t len, size_t df) {
    spell *s = user;
    uint32_t w[LETTERS_MAX];
    size_t n = decode(token + 1, len - 1, w);
    bool same = n == 2 * s->len;

    for (size_t i = 0; i < s->len && same; i++)
        same = w[2 * i] == s->word[i];
    if (same)
        add(s, RAG_TERM_STEM, token, len, df);
    return ++s->scanned >= SCAN_MAX || s->found == FOUND_MAX;
}

/* The first syllables of words of two: most words of a compound are such.
 * Each syllable stands for a word, and weighs as one. */
static void long_forms(spell *s) {
    double weight = s->weight;
    char prefix[8] = "=";

    if (s->len > 4)
        return;
    s->scanned = 0;
    s->weight *= (double)s->len;
    s->rc = rag_fts_prefix(s->store, prefix,
                           1 + rag_utf8_put(s->word[0], prefix + 1),
                           try_long_form, s, s->err);
    s->weight = weight;
}

static void add_stem(spell *s, const uint32_t *w, size_t n, size_t df) {
    char token[4 * LETTERS_MAX + 1] = "=";

    add(s, RAG_TERM_STEM, token, 1 + encode(w, n, token + 1), df);
}

/* How many chunks have what stands before and after each place, as words. */
static void count_parts(spell *s, size_t head[LETTERS_MAX],
                        size_t tail[LETTERS_MAX]) {
    const proposals *p = s->proposed;
    size_t j;

    for (size_t i = 2; i + 2 <= s->len; i++) {
        propose(s, RAG_TERM_STEM, "=", s->word, i);
        propose(s, RAG_TERM_STEM, "=", s->word + i, s->len - i);
    }
    j = look_up(s);
    for (size_t i = 2; i + 2 <= s->len && j + 2 <= p->n; i++, j += 2) {
        head[i] = p->t[j].df;
        tail[i] = p->t[j + 1].df;
    }
}

/* Two known words written as one, or a known one and one with an error. */
static void compounds(spell *s) {
    const uint32_t *w = s->word;
    size_t head[LETTERS_MAX] = {0}, tail[LETTERS_MAX] = {0}, best = 0, most = 0;

    count_parts(s, head, tail);
    for (size_t i = 2; i + 2 <= s->len; i++) {
        size_t less = head[i] < tail[i] ? head[i] : tail[i];

        if (less > most) {
            most = less;
            best = i;
        }
    }
    if (best > 0) {
        add_stem(s, w, best, head[best]);
        add_stem(s, w + best, s->len - best, tail[best]);
        return;
    }
    for (size_t i = 2; i + 2 <= s->len && s->found == 0; i++) {
        if (head[i] > 0 && s->len - i <= PART_SYLLABLES) {
            hangul_typos(s, w + i, s->len - i);
            add_known(s);
            if (s->found > 0)
                add_stem(s, w, i, head[i]);
        } else if (tail[i] > 0 && i <= PART_SYLLABLES) {
            hangul_typos(s, w, i);
            add_known(s);
            if (s->found > 0)
                add_stem(s, w + i, s->len - i, tail[i]);
        }
    }
}

/* ---- letter names -------------------------------------------------------------------- */

static const struct {
    const char *name;
    char letter;
} letters[] = {
    {"에이치", 'h'}, {"더블유", 'w'}, {"에이", 'a'}, {"에프", 'f'},
    {"아이", 'i'},   {"제이", 'j'},   {"케이", 'k'}, {"에스", 's'},
    {"브이", 'v'},   {"엑스", 'x'},   {"와이", 'y'}, {"제트", 'z'},
    {"비", 'b'},     {"씨", 'c'},     {"시", 'c'},   {"디", 'd'},
    {"이", 'e'},     {"지", 'g'},     {"엘", 'l'},   {"엠", 'm'},
    {"엔", 'n'},     {"오", 'o'},     {"피", 'p'},   {"큐", 'q'},
    {"알", 'r'},     {"티", 't'},     {"유", 'u'},
};

size_t rag_spell_letters(const char *word, size_t n, char *out, size_t cap) {
    size_t at = 0, len = 0;

    while (at < n && len + 1 < cap) {
        size_t i;

        for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
            size_t m = strlen(letters[i].name);

            if (m <= n - at && memcmp(word + at, letters[i].name, m) == 0) {
                out[len++] = letters[i].letter;
                at += m;
                break;
            }
        }
        if (i == sizeof(letters) / sizeof(letters[0]))
            return 0;
    }
    out[len] = '\0';
    return at == n && len >= 2 ? len : 0;
}

static void letter_names(spell *s) {
    char name[LETTERS_MAX];
    const char *word = s->from->token + 1; /* past "=" */
    uint32_t w[LETTERS_MAX];
    size_t n = rag_spell_letters(word, s->from->len - 1, name, sizeof(name));

    if (n == 0)
        return;
    propose(s, RAG_TERM_WORD, "", w, decode(name, n, w));
    add_known(s);
}

/* ---- consonants ------------------------------------------------------------------------ */

static void push(char *out, size_t *n, char c) {
    if (*n < LETTERS_MAX)
        out[(*n)++] = c;
}

/* What Korean makes of the initial and final consonants; '.' is silent. */
static const char initials[] = "GGNDDLMBBSS.JJCKTPH";
static const char finals[] = ".KKKNNNTLKMLLLPLMPPTTXTTKTPT";

static size_t hangul_skeleton(const uint32_t *w, size_t n, char *out) {
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t at = w[i] - 0xAC00;
        char c = initials[at / 588];

        /* 을래, 플로: the doubled liquid is one */
        if (c != '.' && !(c == 'L' && len > 0 && out[len - 1] == 'L' && i > 0 &&
                          (w[i - 1] - 0xAC00) % 28 == 8))
            push(out, &len, c);
        c = finals[at % 28];
        if (c != '.')
            push(out, &len, c);
    }
    out[len] = '\0';
    return len;
}

static bool is_vowel(uint32_t c) {
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y';
}

static char latin_sound(const uint32_t *w, size_t n, size_t *i) {
    uint32_t c = w[*i], next = *i + 1 < n ? w[*i + 1] : 0;
    bool soft = next == 'e' || next == 'i' || next == 'y';

    if (next == 'h' && (c == 'c' || c == 's' || c == 't' || c == 'p')) {
        ++*i;
        return c == 'c' ? 'C' : c == 'p' ? 'P' : 'S';
    }
    if (next == c && !is_vowel(c))
        ++*i; /* doubled */
    switch (c) {
    case 'b':
    case 'v':
        return 'B';
    case 'c':
        if (next == 'k')
            ++*i;
        return soft ? 'S' : 'K';
    case 'd':
        return 'D';
    case 'f':
    case 'p':
        return 'P';
    case 'g':
        return soft ? '?' : 'G'; /* 엔진, 로그인: either is written */
    case 'h':
        return 'H';
    case 'j':
    case 'z':
        return 'J';
    case 'k':
    case 'q':
        return 'K';
    case 'l':
        return 'L';
    case 'm':
        return 'M';
    case 'n':
        if (next == 'g' && (*i + 2 == n || !is_vowel(w[*i + 2]))) {
            ++*i;
            return 'X';
        }
        return next == 'k' ? 'X' : 'N';
    case 'r': /* heard only before a vowel */
        return is_vowel(next) ? 'L' : '.';
    case 's':
        return 'S';
    case 't':
        return 'T';
    default:
        return '.';
    }
}

static size_t latin_skeleton(const uint32_t *w, size_t n, char *out) {
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (w[i] == 'x') {
            push(out, &len, 'K');
            push(out, &len, 'S');
            continue;
        }
        char c = latin_sound(w, n, &i);

        if (c != '.')
            push(out, &len, c);
    }
    out[len] = '\0';
    return len;
}

size_t rag_spell_skeleton(const char *word, size_t n, char out[RAG_SPELL_MAX]) {
    uint32_t w[LETTERS_MAX];
    size_t len = decode(word, n, w);
    bool hangul = true, latin = true;

    out[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        hangul &= rag_unicode_syllable(w[i]);
        latin &= w[i] >= 'a' && w[i] <= 'z';
    }
    if (len == 0 || len == LETTERS_MAX || (!hangul && !latin))
        return 0;
    return hangul ? hangul_skeleton(w, len, out) : latin_skeleton(w, len, out);
}

/* The stemmer takes "s" and "e" off, which Korean writes: 쿠버네티스, Kubernet.
 * A Latin stem may miss a last S. */
bool rag_spell_same_sound(const char *hangul, const char *latin) {
    size_t n = strlen(hangul), m = strlen(latin);

    if (n != m && !(n == m + 1 && hangul[m] == 'S' && m >= SKELETON_MIN))
        return false;
    for (size_t i = 0; i < m; i++)
        if (hangul[i] != latin[i] &&
            !(latin[i] == '?' && (hangul[i] == 'G' || hangul[i] == 'J')))
            return false;
    return true;
}

static int try_sound(void *user, const char *token, size_t len, size_t df) {
    spell *s = user;
    char other[RAG_SPELL_MAX];
    bool stem = token[0] == '=';

    if (rag_spell_skeleton(token + stem, len - stem, other) > 0 &&
        (stem ? rag_spell_same_sound(other, s->skeleton)
              : rag_spell_same_sound(s->skeleton, other)))
        add(s, stem ? RAG_TERM_STEM : RAG_TERM_WORD, token, len, df);
    return ++s->scanned >= SCAN_MAX || s->found == FOUND_MAX;
}

/* Hangul to Latin: words that begin with a letter of the first sound. */
static void sound_in_latin(spell *s) {
    static const char *const spelt[][2] = {
        {"G", "g"},  {"N", "n"},    {"D", "d"},   {"L", "lr"}, {"M", "m"},
        {"B", "bv"}, {"S", "scpt"}, {"J", "jzg"}, {"C", "c"},  {"K", "kcq"},
        {"T", "t"},  {"P", "pf"},   {"H", "h"},   {"X", ""},
    };
    const char *first = "aeiouyw"; /* the word begins with a vowel */

    if (initials[(s->word[0] - 0xAC00) / 588] != '.')
        for (size_t i = 0; i < sizeof(spelt) / sizeof(spelt[0]); i++)
            if (spelt[i][0][0] == s->skeleton[0])
                first = spelt[i][1];
    for (; *first; first++) {
        s->scanned = 0;
        if (s->rc == 0 && s->found < FOUND_MAX)
            s->rc = rag_fts_prefix(s->store, first, 1, try_sound, s, s->err);
    }
}

/* Latin to Hangul: stems whose first syllable begins with the sound. */
static void sound_in_hangul(spell *s) {
    bool vowel = is_vowel(s->word[0]);

    for (uint32_t i = 0; i < 19 && s->rc == 0; i++) {
        char from[8] = "=", to[8] = "=";

        if (initials[i] != (vowel ? '.' : s->skeleton[0]) &&
            !(s->skeleton[0] == '?' && strchr("GJ", initials[i])))
            continue;
        s->scanned = 0;
        rag_utf8_put(0xAC00 + i * 588, from + 1);
        rag_utf8_put(0xAC00 + i * 588 + 587, to + 1);
        s->rc = rag_fts_range(s->store, from, 4, to, 4, try_sound, s, s->err);
    }
}

/* ---- the whole ------------------------------------------------------------------------ */

static bool is_unknown(const rag_query_term *t) {
    return t->df == 0 && !t->stop &&
           (t->kind == RAG_TERM_WORD || t->kind == RAG_TERM_STEM);
}

/* True when part of the word is unknown, too: a compound of known parts needs
 * no help. */
static bool parts_unknown(const rag_query_term *terms, size_t n,
                          unsigned word) {
    for (size_t i = 0; i < n; i++)
        if (terms[i].word == word && terms[i].kind == RAG_TERM_BIGRAM &&
            terms[i].df == 0)
            return true;
    return false;
}

static void repair_hangul(spell *s, const rag_query_term *terms, size_t n) {
    s->len = decode(s->from->token + 1, s->from->len - 1, s->word);
    for (size_t i = 0; i < s->len; i++)
        if (!rag_unicode_syllable(s->word[i]))
            return;
    if (s->len < 2 || s->len == LETTERS_MAX)
        return;
    letter_names(s);
    if (s->found == 0 && parts_unknown(terms, n, s->from->word) &&
        hangul_skeleton(s->word, s->len, s->skeleton) >= SKELETON_MIN)
        sound_in_latin(s);
    if (s->rc != 0 || s->found > 0 || !parts_unknown(terms, n, s->from->word))
        return;
    long_forms(s);
    if (s->rc == 0 && s->found == 0) {
        hangul_typos(s, s->word, s->len);
        add_known(s);
    }
    if (s->rc == 0 && s->found == 0)
        compounds(s);
}

static void repair_latin(spell *s) {
    s->len = decode(s->from->token, s->from->len, s->word);
    for (size_t i = 0; i < s->len; i++)
        if (s->word[i] < 'a' || s->word[i] > 'z')
            return;
    if (s->len < 4 || s->len == LETTERS_MAX)
        return;
    latin_typos(s);
    if (s->rc == 0 && s->found == 0 &&
        latin_skeleton(s->word, s->len, s->skeleton) >= SKELETON_MIN)
        sound_in_hangul(s);
}

int rag_spell_repair(rag_store *store, double weight, rag_query_term *terms,
                     size_t *n, rag_error *err) {
    size_t known = *n, words = 0;
    proposals *proposed = NULL;
    int rc = 0;

    for (size_t i = 0; i < known && words < WORDS_MAX && rc == 0; i++) {
        rag_query_term word = terms[i];

        if (!is_unknown(&word) || (i > 0 && terms[i - 1].word == word.word))
            continue;
        if (words++ == 0) {
            proposed = malloc(sizeof(*proposed));
            if (proposed == NULL)
                return rag_error_set(err, RAG_E_NOMEM,
                                     "no memory to mend words");
            proposed->n = proposed->counted = 0;
        }
        spell s = {.store = store,
                   .terms = terms,
                   .n = n,
                   .from = &word,
                   .weight = weight,
                   .proposed = proposed,
                   .err = err};

        if (word.kind == RAG_TERM_STEM)
            repair_hangul(&s, terms, known);
        else
            repair_latin(&s);
        rc = s.rc;
    }
    free(proposed);
    return rc;
}
