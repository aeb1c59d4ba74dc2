/*
 * followup.c - rewriting a follow-up, and the memory of conversations.
 *
 * Order of the rules; the first that fits decides:
 *   1. no earlier question                          alone
 *   2. an ellipsis ("X은요?", "what about X?"):
 *      X is the other side of something said        swap
 *      X is a scope (개인, 해외, weekend, 2025년)     narrow
 *      X is one word                                subject
 *   3. a pronoun stands for what was said           subject
 *   4. at most one content word behind "그럼" or a question word
 *      ("얼마나 걸려요?"), or none at all            subject
 *   5. otherwise                                    alone
 */
#include "daemon/followup.h"

#include "daemon/faq.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/terms.h"
#include "base/unicode.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_IN_ELLIPSIS 3
#define SYLLABLE 3

/* ---- words ---------------------------------------------------------------- */

/* Longest first where one begins another. */
static const char *const MARKERS[] = {
    "그렇다면", "그러면", "그럼", "그리고", "그런데", "근데", "아니면",
    "그래서",   "만약에", "만약", "혹시",   "또",     "okay", "ok",
    "and",      "so",     "then", "but",    "also",   "or"};
static const char *const ABOUT[] = {"what about", "how about", "what if it is",
                                    "what if it's"};
static const char *const PRONOUNS_KO[] = {
    "그 경우에는", "그 경우는", "그 경우", "이 경우에는", "이 경우는",
    "이 경우",     "그것은",    "그것도",  "그것을",      "그것",
    "이것은",      "이것도",    "이것",    "그거는",      "그거",
    "그건",        "그게",      "이거는",  "이거",        "이건",
    "이게",        "거기서는",  "거기는",  "거기",        "그때는",
    "그때",        "그 상품은", "그 상품", "해당 상품은", "해당 상품"};
static const char *const PRONOUNS_EN[] = {"it",    "that", "this", "those",
                                          "these", "they", "them", "there"};
/* How an ellipsis ends; what stands before is X. */
static const char *const ENDS_KO[] = {
    "의 경우에는요", "의 경우는요", "의 경우에는", "의 경우는", "인 경우에는요",
    "인 경우는요",   "인 경우에는", "인 경우는",   "이라면요",  "이라면",
    "라면요",        "라면",        "이면요",      "일 때는요", "일 때는",
    "에서는요",      "에서는",      "에는요",      "은요",      "는요",
    "도요",          "이요",        "은",          "는",        "요"};
/* Said for politeness: about nothing, and no follow-up. */
static const char *const SMALL_TALK[] = {
    "감사", "고마", "고맙", "네 알겠", "네, 알겠", "알겠습", "알겠어", "안녕",
    "수고", "네",   "예",   "아하",    "오케이",   "thank",  "thanks", "hello",
    "hi",   "bye",  "okay", "ok",      "great",    "got it", "i see",  "yes"};
/* Where an earlier question stops to name its subject. */
static const char *const ASKING_KO[] = {
    "며칠",    "어떻게", "무엇",   "뭐",     "뭔",     "얼마",   "언제",
    "어디",    "누구",   "누가",   "왜",     "몇",     "어떤",   "무슨",
    "알려",    "가르쳐", "궁금",   "하려면", "하나요", "되나요", "있나요",
    "인가요",  "할까요", "필요한", "필요하", "가능한", "가능하", "할 수",
    "하고 싶", "해야",   "싶"};
/* ... after which the last noun is what was asked of the subject. */
static const char *const ATTRIBUTE_KO[] = {"무엇", "뭐", "뭔",        "얼마",
                                           "언제", "몇", "어떻게 되", "알려"};
static const char *const OPENINGS_EN[] = {"how do i",
                                          "how can i",
                                          "how would i",
                                          "how much is",
                                          "how much does",
                                          "how much",
                                          "how long does",
                                          "how long",
                                          "what is",
                                          "what are",
                                          "what's",
                                          "what do i need to",
                                          "what",
                                          "where do i",
                                          "where can i",
                                          "where is",
                                          "where",
                                          "when can i",
                                          "when do i",
                                          "when is",
                                          "when",
                                          "can i",
                                          "do i",
                                          "is there",
                                          "are there",
                                          "tell me about",
                                          "may i",
                                          "should i",
                                          "who",
                                          "why",
                                          "is",
                                          "are",
                                          "does",
                                          "the",
                                          "an",
                                          "a"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool latin(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* s begins with w, case aside, and a Latin word ends there. */
static bool begins(const char *s, const char *w) {
    size_t n = 0;
    while (w[n] && lower(s[n]) == w[n])
        n++;
    return !w[n] && !(latin(w[0]) && latin(s[n]));
}

static const char *skip_spaces(const char *s) {
    return s + strspn(s, " ,:;");
}

/* Words are whole: "또" is no marker of "또는". Hangul markers want a space
 * or comma behind them. */
static const char *skip_one(const char *s, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        size_t k = strlen(list[i]);
        if (begins(s, list[i]) && (s[k] == ' ' || s[k] == ','))
            return skip_spaces(s + k);
    }
    return NULL;
}

static int count_word(void *user, const rag_term *t) {
    size_t *n = user; /* n[0] words, n[1] position of the last + 1 */
    if (t->kind != RAG_TERM_PART && n[1] != t->position + 1u) {
        n[0]++;
        n[1] = t->position + 1u;
    }
    return 0;
}

static size_t content_words(const char *s) {
    size_t n[2] = {0, 0};
    rag_terms_content(s, strlen(s), count_word, n, NULL);
    return n[0];
}

static size_t spaces(const char *s) {
    size_t n = 0;
    for (; *s; s++)
        n += *s == ' ';
    return n;
}

/* ---- sides of the table of opposites ---------------------------------------- */

typedef struct place {
    size_t group, side, at, len;
    const char *word;
} place;

static const char *plain(const char *w) {
    return w + (*w == '=' || *w == '~');
}

static bool skip_group(size_t g) {
    const char *name = rag_faq_group(g);
    return strcmp(name, "asked") == 0 || strcmp(name, "negation") == 0 ||
           strcmp(name, "matter") == 0 || strcmp(name, "polarity") == 0 ||
           strcmp(name, "possibility") == 0;
}

/* Where s (folded as it is) holds w: at a word's start for Latin. */
static const char *find(const char *s, const char *w) {
    for (const char *p = s; *p; p++) {
        size_t n = 0;
        while (w[n] && lower(p[n]) == w[n])
            n++;
        if (!w[n] && (!latin(w[0]) || p == s || !latin(p[-1])))
            return p;
    }
    return NULL;
}

/* The longest word of any side of group g that s holds. */
static bool find_side(const char *s, size_t g, place *out) {
    out->len = 0;
    for (size_t side = 0; rag_faq_word(g, side, 0); side++)
        for (size_t w = 0; rag_faq_word(g, side, w); w++) {
            const char *word = plain(rag_faq_word(g, side, w));
            const char *at = find(s, word);
            size_t n = strlen(word);
            if (at && n > out->len)
                *out = (place){g, side, (size_t)(at - s), n, word};
        }
    return out->len > 0;
}

/* ---- particles ----------------------------------------------------------------- */

static bool ends_in_consonant(const char *s, size_t n, bool *rieul) {
    uint32_t cp;
    *rieul = false;
    if (n < SYLLABLE)
        return false;
    rag_utf8_next(s + n - SYLLABLE, SYLLABLE, &cp);
    if (!rag_unicode_syllable(cp))
        return false;
    uint32_t tail = (cp - 0xAC00) % 28;
    *rieul = tail == 8;
    return tail != 0;
}

/* The particle at rest in the form that the word before wants; *n its bytes
 * in rest, 0 when there is none of these. */
static const char *agree(const char *word, size_t len, const char *rest,
                         size_t *n) {
    static const char *const pair[][2] = {
        {"은", "는"}, {"이", "가"}, {"을", "를"}, {"과", "와"}};
    bool rieul, closed = ends_in_consonant(word, len, &rieul);
    *n = 0;
    for (size_t i = 0; i < COUNT(pair); i++)
        for (int k = 0; k < 2; k++) {
            size_t m = strlen(pair[i][k]);
            if (strncmp(rest, pair[i][k], m) == 0 &&
                (rest[m] == ' ' || !rest[m] || rest[m] == '?')) {
                *n = m;
                return pair[i][closed ? 0 : 1];
            }
        }
    for (int k = 0; k < 2; k++) {
        const char *form = k ? "로" : "으로";
        size_t m = strlen(form);
        if (strncmp(rest, form, m) == 0 && (rest[m] == ' ' || !rest[m])) {
            *n = m;
            return closed && !rieul ? "으로" : "로";
        }
    }
    return "";
}

/* ---- the subject of the earlier question ----------------------------------------- */

static bool starts_any(const char *s, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (begins(s, list[i]) || strncmp(s, list[i], strlen(list[i])) == 0)
            return true;
    return false;
}

/* "해외 송금 수수료는요": asks of the words before for its last one. */
static bool asks_by_particle(const char *s, size_t end) {
    static const char *const ends[] = {"은요", "는요", "은", "는"};
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t k = strlen(ends[i]);
        if (end > k && memcmp(s + end - k, ends[i], k) == 0)
            return true;
    }
    return false;
}

/* Bytes of s that name its subject: the words before what asks. With
 * attribute, the noun asked of it is left off ("수수료는 얼마"). */
static size_t subject_ko(const char *s, bool attribute) {
    size_t end = 0, before = 0, words = 0;
    for (const char *p = s; *p;) {
        size_t n = strcspn(p, " ?");
        if (!n || starts_any(p, ASKING_KO, COUNT(ASKING_KO)))
            break;
        before = end;
        end = (size_t)(p - s) + n;
        words++;
        p += n;
        p += strspn(p, " ?");
    }
    const char *next = s + end + strspn(s + end, " ?");
    if (attribute && words > 1 &&
        (starts_any(next, ATTRIBUTE_KO, COUNT(ATTRIBUTE_KO)) ||
         (!*next && asks_by_particle(s, end))))
        end = before;
    size_t last = end;
    while (last && s[last - 1] != ' ')
        last--;
    /* "휴가는" ends in "는", not in "가는". */
    static const char *const topic[] = {"은", "는", "을", "를"};
    for (size_t i = 0; i < COUNT(topic); i++)
        if (end - last > 2 * SYLLABLE &&
            memcmp(s + end - SYLLABLE, topic[i], SYLLABLE) == 0)
            return end - SYLLABLE;
    return last + rag_terms_strip_particle(s + last, end - last);
}

static const char *subject_en(const char *s) {
    const char *next;
    while ((next = skip_one(s, OPENINGS_EN, COUNT(OPENINGS_EN))) != NULL &&
           *next)
        s = next;
    return s;
}

/* ---- the three ways of rewriting --------------------------------------------------- */

static size_t without_end(const char *s) {
    size_t n = strlen(s);
    while (n && strchr("?!. ", s[n - 1]))
        n--;
    return n;
}

static int swap(const char *previous, const place *old, const char *x,
                size_t xlen, rag_followup *out, rag_error *err) {
    rag_buf b;
    size_t n;
    rag_buf_init(&b, 0);
    const char *rest = previous + old->at + old->len;
    /* An English stem of the table ends inside a word: take it whole. */
    while (latin(old->word[0]) && latin(*rest))
        rest++;
    const char *particle = agree(x, xlen, rest, &n);
    int rc = rag_buf_append(&b, previous, old->at, err);
    if (!rc)
        rc = rag_buf_append(&b, x, xlen, err);
    if (!rc)
        rc = rag_buf_append_str(&b, particle, err);
    if (!rc)
        rc = rag_buf_append_str(&b, rest + n, err);
    if (!rc)
        rc = rag_buf_steal(&b, &out->question, NULL, err);
    rag_buf_free(&b);
    out->kind = RAG_FOLLOWUP_SWAP;
    return rc;
}

static int narrow(const char *previous, const char *x, size_t xlen, bool korean,
                  rag_followup *out, rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = korean ? rag_buf_printf(&b, err, "%.*s %s", (int)xlen, x, previous)
                    : rag_buf_printf(&b, err, "%.*s (%.*s)?",
                                     (int)without_end(previous), previous,
                                     (int)xlen, x);
    if (!rc)
        rc = rag_buf_steal(&b, &out->question, NULL, err);
    rag_buf_free(&b);
    out->kind = RAG_FOLLOWUP_NARROW;
    return rc;
}

static int with_subject(const char *previous, const char *rest, bool attribute,
                        bool korean, rag_followup *out, rag_error *err) {
    rag_buf b;
    int rc;
    rag_buf_init(&b, 0);
    if (korean) {
        size_t n = subject_ko(previous, attribute);
        if (!n)
            return 0;
        rc = rag_buf_printf(&b, err, "%.*s %s", (int)n, previous, rest);
    } else {
        /* Of "send money abroad: fee?" the subject is before the colon. */
        const char *s = subject_en(previous), *colon = strstr(s, ": ");
        size_t n = colon ? (size_t)(colon - s) : without_end(s);
        rc = rag_buf_printf(&b, err, "%.*s: %s", (int)n, s, rest);
    }
    if (!rc)
        rc = rag_buf_steal(&b, &out->question, NULL, err);
    rag_buf_free(&b);
    out->kind = RAG_FOLLOWUP_SUBJECT;
    return rc;
}

/* A year, a date or an amount narrows by itself. */
static bool is_measure(const char *x, size_t n) {
    return n && *x >= '0' && *x <= '9';
}

static int ellipsis(const char *previous, const char *rest, const char *x,
                    size_t xlen, bool korean, rag_followup *out,
                    rag_error *err) {
    char *word = NULL;
    int rc = rag_str_dup_n(x, xlen, &word, err);
    if (rc)
        return rc;
    bool scope = false;
    for (size_t g = 0; rag_faq_group(g); g++) {
        place old, new;
        if (skip_group(g) || !find_side(word, g, &new))
            continue;
        scope = true;
        if (find_side(previous, g, &old) && old.side != new.side) {
            /* "법인 통장" for "개인": only the side itself is put in. */
            size_t n = content_words(word) > 1 ? new.len : xlen;
            rc = swap(previous, &old, n == xlen ? x : x + new.at, n, out, err);
            goto out;
        }
    }
    if (content_words(word) > 1)
        goto out; /* names a subject of its own */
    if (scope || is_measure(word, xlen))
        rc = narrow(previous, x, xlen, korean, out, err);
    else
        rc = with_subject(previous, rest, true, korean, out, err);
out:
    free(word);
    return rc;
}

/* X of "X은요?": bytes of s before the ending; 0 when it is no ellipsis. */
static size_t ellipsis_ko(const char *s, size_t n) {
    if (spaces(s) >= WORDS_IN_ELLIPSIS)
        return 0;
    for (size_t i = 0; i < COUNT(ENDS_KO); i++) {
        size_t k = strlen(ENDS_KO[i]);
        if (n <= k || memcmp(s + n - k, ENDS_KO[i], k) != 0)
            continue;
        /* A bare "요" ends every polite verb: only "법인요". */
        if (strcmp(ENDS_KO[i], "요") == 0 &&
            (spaces(s) || starts_any(s, ASKING_KO, COUNT(ASKING_KO)) ||
             rag_utf8_count(s, n) > 4))
            return 0;
        while (n > k && s[n - k - 1] == ' ')
            n--;
        return n - k;
    }
    return 0;
}

static bool has_pronoun_en(const char *s) {
    for (const char *p = s; *p;) {
        for (size_t i = 0; i < COUNT(PRONOUNS_EN); i++)
            if (begins(p, PRONOUNS_EN[i]))
                return true;
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    return false;
}

static bool small_talk(const char *s) {
    for (size_t i = 0; i < COUNT(SMALL_TALK); i++) {
        size_t n = strlen(SMALL_TALK[i]);
        if (!begins(s, SMALL_TALK[i]) || content_words(s) > 2)
            continue;
        /* A short word only when nothing else is said. */
        if (n > 2 * SYLLABLE || without_end(s) == n || s[n] == '!' ||
            (latin(*s) ? n > 3 && content_words(s + n) == 0
                       : n >= 2 * SYLLABLE))
            return true;
    }
    return false;
}

int rag_followup_rewrite(const char *previous, const char *question,
                         rag_followup *out, rag_error *err) {
    const char *s = question, *next;
    bool marked = false, about = false;
    memset(out, 0, sizeof *out);
    if (!*previous || small_talk(question))
        return 0;
    bool korean =
        strcmp(rag_unicode_lang(question, strlen(question)), "ko") == 0;
    while ((next = skip_one(s, MARKERS, COUNT(MARKERS))) && *next) {
        marked = true;
        s = next;
    }
    if ((next = skip_one(s, ABOUT, COUNT(ABOUT))) && *next) {
        about = true;
        s = next;
    }
    /* "and overseas?" */
    about = about || (!korean && marked && !spaces(s) && content_words(s) == 1);
    size_t n = without_end(s), x = about ? n : korean ? ellipsis_ko(s, n) : 0;
    if (about &&
        (next = skip_one(s, (const char *const[]){"the", "an", "a"}, 3))) {
        x -= (size_t)(next - s);
        n -= (size_t)(next - s);
        s = next;
    }
    next = korean ? skip_one(s, PRONOUNS_KO, COUNT(PRONOUNS_KO)) : NULL;
    if (next && *next)
        return with_subject(previous, next, false, true, out, err);
    if (x && content_words(s) > 0)
        return ellipsis(previous, s, s, x, korean, out, err);
    if (!korean && has_pronoun_en(s) && content_words(s) <= 2)
        return with_subject(previous, s, false, false, out, err);
    size_t words = content_words(s);
    bool asks = korean && starts_any(s, ASKING_KO, COUNT(ASKING_KO));
    if (words == 0 || (words == 1 && (marked || asks)))
        return with_subject(previous, s, true, korean, out, err);
    return 0;
}

int rag_followup_rewrite_after(const char *const *turn, size_t n,
                               const char *question, rag_followup *out,
                               rag_error *err) {
    while (n && (small_talk(turn[n - 1]) || !content_words(turn[n - 1])))
        n--;
    return rag_followup_rewrite(n ? turn[n - 1] : "", question, out, err);
}

void rag_followup_free(rag_followup *f) {
    free(f->question);
    memset(f, 0, sizeof *f);
}

const char *rag_followup_name(rag_followup_kind k) {
    static const char *const name[] = {"alone", "swap", "narrow", "subject"};
    return (unsigned)k < COUNT(name) ? name[k] : "?";
}

/* ---- conversations ----------------------------------------------------------------- */

typedef struct conversation {
    char name[RAG_SESSION_NAME_MAX + 1];
    rag_turns turns;
    double used_ms;
} conversation;

struct rag_conversations {
    pthread_mutex_t lock;
    conversation of[RAG_SESSIONS_MAX];
    size_t n;
};

int rag_conversations_open(rag_conversations **out, rag_error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for conversations");
    pthread_mutex_init(&(*out)->lock, NULL);
    return 0;
}

void rag_conversations_close(rag_conversations *c) {
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        rag_turns_free(&c->of[i].turns);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool rag_session_name_ok(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:");
    return n > 0 && n <= RAG_SESSION_NAME_MAX && !name[n];
}

/* Called with the lock held. */
static conversation *look_up(rag_conversations *c, const char *session) {
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->of[i].name, session) == 0)
            return &c->of[i];
    return NULL;
}

void rag_turns_free(rag_turns *t) {
    for (size_t i = 0; i < t->n; i++)
        free(t->of[i]);
    memset(t, 0, sizeof *t);
}

int rag_conversations_turns(rag_conversations *c, const char *session,
                            rag_turns *out, rag_error *err) {
    int rc = 0;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&c->lock);
    conversation *v = look_up(c, session);
    bool fresh = v && rag_clock_ms() - v->used_ms < RAG_SESSION_IDLE_MS;
    for (size_t i = 0; fresh && i < v->turns.n && !rc; i++)
        if (!(rc = rag_str_dup(v->turns.of[i], &out->of[i], err)))
            out->n++;
    pthread_mutex_unlock(&c->lock);
    if (rc)
        rag_turns_free(out);
    return rc;
}

/* Takes question; what was said too long ago is forgotten. */
static void add_turn(conversation *v, char *question) {
    rag_turns *t = &v->turns;
    if (t->n && rag_clock_ms() - v->used_ms >= RAG_SESSION_IDLE_MS)
        rag_turns_free(t);
    if (t->n == RAG_SESSION_TURNS_MAX) {
        free(t->of[0]);
        memmove(t->of, t->of + 1, --t->n * sizeof *t->of);
    }
    t->of[t->n++] = question;
    v->used_ms = rag_clock_ms();
}

int rag_conversations_note(rag_conversations *c, const char *session,
                           const char *question, rag_error *err) {
    char *copy = NULL;
    int rc = rag_session_name_ok(session)
                 ? rag_str_dup(question, &copy, err)
                 : rag_error_set(err, RAG_E_DATA, "that names no session");
    if (rc)
        return rc;
    pthread_mutex_lock(&c->lock);
    conversation *v = look_up(c, session);
    if (!v && c->n < RAG_SESSIONS_MAX) {
        v = &c->of[c->n++];
    } else if (!v) {
        v = &c->of[0];
        for (size_t i = 1; i < c->n; i++)
            if (c->of[i].used_ms < v->used_ms)
                v = &c->of[i];
    }
    if (strcmp(v->name, session) != 0)
        rag_turns_free(&v->turns);
    memcpy(v->name, session, strlen(session) + 1);
    add_turn(v, copy);
    pthread_mutex_unlock(&c->lock);
    return 0;
}
