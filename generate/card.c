/*
 * card.c - model cards: how a model wants to be asked, as an ini file.
 *
 * Called when a generator is set up; a card never changes after that and may
 * be read by many threads. The format is described in docs/MODEL-CARDS.md.
 *
 * A card is foreign input: its size, its lines, its values and the number of
 * examples are limited, unknown keys are errors (a misspelt key would
 * otherwise silently change what the model is asked).
 */
#include "generate/generate_int.h"

#include "base/file.h"
#include "base/unicode.h"

#include <ini.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* inih reads lines into 200 bytes and cuts longer ones without a word. */
#define CARD_LINE_MAX 197

int rag_card_lang_of(const char *lang) {
    return lang && strcmp(lang, "ko") == 0 ? RAG_CARD_KO : RAG_CARD_EN;
}

void rag_card_free(rag_card *c) {
    if (!c)
        return;
    free(c->name);
    free(c->user_open);
    free(c->user_close);
    free(c->model_open);
    free(c->answer_label);
    for (size_t i = 0; i < c->nstops; i++)
        free(c->stops[i]);
    for (int l = 0; l < RAG_CARD_LANGS; l++) {
        rag_card_lang *cl = &c->lang[l];
        free(cl->instruction);
        free(cl->question);
        free(cl->refusal);
        for (size_t i = 0; i < RAG_CARD_EXAMPLES_MAX; i++) {
            free(cl->examples[i].sources);
            free(cl->examples[i].question);
            free(cl->examples[i].answer);
        }
    }
    free(c);
}

const char *rag_card_name(const rag_card *c) {
    return c ? c->name : "";
}

static int card_new(rag_card **out, rag_error *err) {
    rag_card *c = calloc(1, sizeof *c);
    if (!c)
        return rag_error_set(err, RAG_E_NOMEM, "out of memory");
    for (int l = 0; l < RAG_CARD_LANGS; l++)
        c->lang[l].adapter_scale = NAN;
    *out = c;
    return 0;
}

/* ---- reading ------------------------------------------------------------- */

typedef struct card_reader {
    rag_card *card;
    const char *name; /* of the file, for messages */
    rag_error *err;
    int rc;
} card_reader;

/*
 * Puts value into *slot; a key that comes again goes on with the next line of
 * the same text: after a space, or directly when the text so far ends in "\n".
 */
static int card_text(card_reader *r, char **slot, const char *value) {
    size_t old = *slot ? strlen(*slot) : 0;
    size_t add = strlen(value);
    if (old + add + 2 > RAG_CARD_VALUE_MAX)
        return rag_error_set(r->err, RAG_E_LIMIT,
                             "%s: a value is longer than %d bytes", r->name,
                             RAG_CARD_VALUE_MAX);
    char *s = realloc(*slot, old + add + 2);
    if (!s)
        return rag_error_set(r->err, RAG_E_NOMEM, "out of memory");
    *slot = s;
    if (old && !(old >= 2 && memcmp(s + old - 2, "\\n", 2) == 0))
        s[old++] = ' ';
    memcpy(s + old, value, add + 1);
    return 0;
}

static int card_size(card_reader *r, const char *key, const char *value,
                     long max, size_t *out) {
    long v = 0;
    int rc = rag_str_to_long(value, 0, max, &v, NULL);
    if (rc)
        return rag_error_set(r->err, RAG_E_DATA,
                             "%s: %s = %s: a whole number from 0 to %ld is "
                             "wanted",
                             r->name, key, value, max);
    *out = (size_t)v;
    return 0;
}

static int card_number(card_reader *r, const char *key, const char *value,
                       double min, double max, double *out) {
    if (rag_str_to_double(value, min, max, out, NULL) || !isfinite(*out))
        return rag_error_set(r->err, RAG_E_DATA,
                             "%s: %s = %s: a number from %g to %g is wanted",
                             r->name, key, value, min, max);
    return 0;
}

static int card_format(card_reader *r, const char *value,
                       rag_card_format *out) {
    if (strcmp(value, "turns") == 0)
        *out = RAG_CARD_TURNS;
    else if (strcmp(value, "chat") == 0)
        *out = RAG_CARD_CHAT;
    else if (strcmp(value, "few-shot") == 0)
        *out = RAG_CARD_FEW_SHOT;
    else
        return rag_error_set(r->err, RAG_E_DATA,
                             "%s: format = %s: turns, chat or few-shot is "
                             "wanted",
                             r->name, value);
    return 0;
}

static int card_unknown(card_reader *r, const char *section, const char *key) {
    return rag_error_set(r->err, RAG_E_DATA,
                         "%s: unknown key \"%s\" in section [%s]", r->name, key,
                         section);
}

static int card_key_card(card_reader *r, const char *key, const char *value) {
    rag_card *c = r->card;
    if (strcmp(key, "name") == 0)
        return card_text(r, &c->name, value);
    if (strcmp(key, "format") == 0)
        return card_format(r, value, &c->format);
    if (strcmp(key, "user_open") == 0)
        return card_text(r, &c->user_open, value);
    if (strcmp(key, "user_close") == 0)
        return card_text(r, &c->user_close, value);
    if (strcmp(key, "model_open") == 0)
        return card_text(r, &c->model_open, value);
    if (strcmp(key, "stop") == 0) {
        if (c->nstops == RAG_CARD_STOPS_MAX)
            return rag_error_set(r->err, RAG_E_LIMIT,
                                 "%s: more than %d stop strings", r->name,
                                 RAG_CARD_STOPS_MAX);
        int rc = card_text(r, &c->stops[c->nstops], value);
        if (c->stops[c->nstops])
            c->nstops++;
        return rc;
    }
    return card_unknown(r, "card", key);
}

static int card_key_lang(card_reader *r, rag_card_lang *l, const char *section,
                         const char *key, const char *value) {
    if (strcmp(key, "format") == 0) {
        l->has_format = true;
        return card_format(r, value, &l->format);
    }
    if (strcmp(key, "instruction") == 0)
        return card_text(r, &l->instruction, value);
    if (strcmp(key, "question") == 0)
        return card_text(r, &l->question, value);
    if (strcmp(key, "refusal") == 0)
        return card_text(r, &l->refusal, value);
    if (strcmp(key, "adapter_scale") == 0)
        return card_number(r, key, value, 0.0, 4.0, &l->adapter_scale);
    if (strcmp(key, "refusal_bias") == 0)
        return card_number(r, key, value, -50.0, 50.0, &l->refusal_bias);
    if (strcmp(key, "max_items") == 0)
        return card_size(r, key, value, RAG_EVIDENCE_MAX, &l->max_items);
    if (strcmp(key, "max_tokens") == 0)
        return card_size(r, key, value, 100000, &l->max_tokens);
    if (strcmp(key, "max_chars") == 0)
        return card_size(r, key, value, 20000, &l->max_chars);
    if (strcmp(key, "titles") == 0) {
        l->titles = strcmp(value, "yes") == 0;
        if (!l->titles && strcmp(value, "no") != 0)
            return rag_error_set(r->err, RAG_E_DATA,
                                 "%s: titles = %s: yes or no is wanted",
                                 r->name, value);
        return 0;
    }
    return card_unknown(r, section, key);
}

/* Sections [ko.example.1] ... [en.example.6]. */
static int card_key_example(card_reader *r, const char *section,
                            const char *key, const char *value) {
    rag_card_lang *l =
        &r->card->lang[section[0] == 'k' ? RAG_CARD_KO : RAG_CARD_EN];
    long n = 0;
    if (rag_str_to_long(section + strlen("ko.example."), 1,
                        RAG_CARD_EXAMPLES_MAX, &n, NULL))
        return rag_error_set(r->err, RAG_E_DATA,
                             "%s: section [%s]: examples are numbered from 1 "
                             "to %d",
                             r->name, section, RAG_CARD_EXAMPLES_MAX);
    if ((size_t)n > l->nexamples + 1)
        return rag_error_set(r->err, RAG_E_DATA,
                             "%s: section [%s]: example %zu is missing before "
                             "it",
                             r->name, section, l->nexamples + 1);
    rag_card_example *e = &l->examples[n - 1];
    if ((size_t)n > l->nexamples)
        l->nexamples = (size_t)n;
    if (strcmp(key, "source") == 0) {
        /* One line a source; numbered when the card is finished. */
        if (e->sources) {
            int rc = card_text(r, &e->sources, "\\n");
            if (rc)
                return rc;
        }
        return card_text(r, &e->sources, value);
    }
    if (strcmp(key, "question") == 0)
        return card_text(r, &e->question, value);
    if (strcmp(key, "answer") == 0)
        return card_text(r, &e->answer, value);
    return card_unknown(r, section, key);
}

/* inih's handler: nonzero goes on, 0 is an error. */
static int card_handler(void *user, const char *section, const char *key,
                        const char *value) {
    card_reader *r = user;
    if (r->rc)
        return 0;
    if (!value)
        value = "";
    if (strcmp(section, "card") == 0)
        r->rc = card_key_card(r, key, value);
    else if (strcmp(section, "ko") == 0)
        r->rc =
            card_key_lang(r, &r->card->lang[RAG_CARD_KO], section, key, value);
    else if (strcmp(section, "en") == 0)
        r->rc =
            card_key_lang(r, &r->card->lang[RAG_CARD_EN], section, key, value);
    else if (strncmp(section, "ko.example.", 11) == 0 ||
             strncmp(section, "en.example.", 11) == 0)
        r->rc = card_key_example(r, section, key, value);
    else
        r->rc = rag_error_set(r->err, RAG_E_DATA,
                              "%s: unknown section [%s] (known: card, ko, en, "
                              "ko.example.N, en.example.N)",
                              r->name, section);
    return r->rc == 0;
}

/* Resolves \n \t \s \\ in place. */
static int card_unescape(card_reader *r, char *s) {
    char *w = s;
    for (; s && *s; s++) {
        if (*s != '\\') {
            *w++ = *s;
            continue;
        }
        s++;
        if (*s == 'n')
            *w++ = '\n';
        else if (*s == 't')
            *w++ = '\t';
        else if (*s == 's')
            *w++ = ' ';
        else if (*s == '\\')
            *w++ = '\\';
        else
            return rag_error_set(r->err, RAG_E_DATA,
                                 "%s: after a backslash only n, t, s or a "
                                 "backslash may stand",
                                 r->name);
    }
    if (s)
        *w = '\0';
    return 0;
}

static int card_default(card_reader *r, char **slot, const char *value) {
    return *slot ? 0 : card_text(r, slot, value);
}

/* Numbers the lines of an example's sources. */
static int card_number_sources(card_reader *r, rag_card_example *e) {
    rag_buf b;
    rag_buf_init(&b, 2 * RAG_CARD_VALUE_MAX);
    int rc = 0;
    unsigned n = 1;
    for (const char *s = e->sources; s && *s && !rc; n++) {
        size_t len = strcspn(s, "\n");
        while (len && *s == ' ')
            s++, len--;
        size_t keep = len;
        while (keep && s[keep - 1] == ' ')
            keep--;
        rc = rag_buf_printf(&b, r->err, "[%u] %.*s%s", n, (int)keep, s,
                            s[len] ? "\n" : "");
        s += len + (s[len] != '\0');
    }
    if (!rc) {
        free(e->sources);
        e->sources = NULL;
        rc = rag_buf_steal(&b, &e->sources, NULL, r->err);
    }
    rag_buf_free(&b);
    return rc;
}

static const char *const INSTRUCTION[RAG_CARD_LANGS] = {
    "아래 자료만 보고 질문에 짧게 답하고 근거 번호를 붙이세요. "
    "자료에 답이 없으면 \"자료에 없음\"이라고만 쓰세요.",
    "Answer the question briefly using only the sources below and cite the "
    "source number. If the sources do not contain the answer, write only "
    "\"not in the sources\"."};
static const char *const QUESTION[RAG_CARD_LANGS] = {"질문: ", "Question: "};
static const char *const REFUSAL[RAG_CARD_LANGS] = {"자료에 없음",
                                                    "not in the sources"};

static int card_finish_lang(card_reader *r, int which) {
    rag_card_lang *l = &r->card->lang[which];
    const char *lang = which == RAG_CARD_KO ? "ko" : "en";
    if (!l->has_format)
        l->format = r->card->format;
    int rc = card_default(r, &l->instruction, INSTRUCTION[which]);
    if (!rc)
        rc = card_default(r, &l->question, QUESTION[which]);
    if (!rc)
        rc = card_default(r, &l->refusal, REFUSAL[which]);
    if (rc || (rc = card_unescape(r, l->instruction)) ||
        (rc = card_unescape(r, l->question)) ||
        (rc = card_unescape(r, l->refusal)))
        return rc;
    if (strlen(l->refusal) < 4 || strchr(l->refusal, '\n'))
        return rag_error_set(r->err, RAG_E_DATA,
                             "%s: [%s] refusal must be one line of at least 4 "
                             "bytes",
                             r->name, lang);
    for (size_t i = 0; i < l->nexamples; i++) {
        rag_card_example *e = &l->examples[i];
        if (!e->sources || !e->question || !e->answer)
            return rag_error_set(r->err, RAG_E_DATA,
                                 "%s: [%s.example.%zu] needs source, question "
                                 "and answer",
                                 r->name, lang, i + 1);
        if ((rc = card_unescape(r, e->sources)) ||
            (rc = card_unescape(r, e->question)) ||
            (rc = card_unescape(r, e->answer)) ||
            (rc = card_number_sources(r, e)))
            return rc;
    }
    if (l->format == RAG_CARD_FEW_SHOT && !l->nexamples)
        return rag_error_set(
            r->err, RAG_E_DATA,
            "%s: format few-shot needs at least [%s.example.1]", r->name, lang);
    return 0;
}

static int card_finish(card_reader *r) {
    rag_card *c = r->card;
    int rc = card_default(r, &c->name, r->name);
    if (!rc)
        rc = card_default(r, &c->user_open, "");
    if (!rc)
        rc = card_default(r, &c->user_close, "");
    if (!rc)
        rc = card_default(r, &c->model_open, "");
    if (rc || (rc = card_unescape(r, c->user_open)) ||
        (rc = card_unescape(r, c->user_close)) ||
        (rc = card_unescape(r, c->model_open)))
        return rc;
    for (size_t i = 0; i < c->nstops; i++) {
        if ((rc = card_unescape(r, c->stops[i])))
            return rc;
        if (!c->stops[i][0])
            return rag_error_set(r->err, RAG_E_DATA,
                                 "%s: a stop string is empty", r->name);
    }
    for (int l = 0; l < RAG_CARD_LANGS; l++) {
        if ((rc = card_finish_lang(r, l)))
            return rc;
        if (c->lang[l].format == RAG_CARD_TURNS &&
            (!c->user_open[0] || !c->model_open[0]))
            return rag_error_set(r->err, RAG_E_DATA,
                                 "%s: format turns needs user_open and "
                                 "model_open",
                                 r->name);
    }
    return 0;
}

int rag_card_parse(const char *text, size_t len, const char *name,
                   rag_card **out, rag_error *err) {
    *out = NULL;
    size_t bad = 0;
    if (len > RAG_CARD_FILE_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "%s: larger than %zu bytes",
                             name, RAG_CARD_FILE_MAX);
    if (memchr(text, '\0', len) || !rag_utf8_valid(text, len, &bad))
        return rag_error_set(err, RAG_E_DATA, "%s: not UTF-8 text", name);
    size_t line = 1, from = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != '\n')
            continue;
        if (i - from > CARD_LINE_MAX)
            return rag_error_set(err, RAG_E_DATA,
                                 "%s: line %zu is longer than %d bytes; give "
                                 "the key again on a second line, its value "
                                 "is appended",
                                 name, line, CARD_LINE_MAX);
        from = i + 1;
        line++;
    }
    card_reader r = {.name = name, .err = err};
    int rc = card_new(&r.card, err);
    if (rc)
        return rc;
    char *copy = NULL;
    rc = rag_str_dup_n(text, len, &copy, err);
    if (rc)
        goto out;
    int at = ini_parse_string(copy, card_handler, &r);
    rc = r.rc;
    if (!rc && at)
        rc = at < 0 ? rag_error_set(err, RAG_E_NOMEM, "out of memory")
                    : rag_error_set(err, RAG_E_DATA,
                                    "%s: line %d is neither a section nor "
                                    "key = value",
                                    name, at);
    if (!rc)
        rc = card_finish(&r);
out:
    free(copy);
    if (rc)
        rag_card_free(r.card);
    else
        *out = r.card;
    return rc;
}

int rag_card_load(const char *path, rag_card **out, rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, RAG_CARD_FILE_MAX + 1);
    *out = NULL;
    int rc = rag_file_read(path, RAG_CARD_FILE_MAX, &b, err);
    if (!rc)
        rc = rag_card_parse(rag_buf_str(&b), b.len, path, out, err);
    rag_buf_free(&b);
    return rc;
}

/* Examples of our own for a bare base model: a fact, a number, a refusal. */
static const char CARD_FEW_SHOT[] =
    "[card]\n"
    "name = few-shot\n"
    "format = few-shot\n"
    "stop = \\n\n"
    "[ko.example.1]\n"
    "source = 도서관은 평일 09:00부터 20:00까지 문을 연다. 월요일은 쉰다.\n"
    "source = 열람실 자리는 모두 120석이며 예약은 받지 않는다.\n"
    "question = 열람실은 몇 석인가요?\n"
    "answer = 120석 [2]\n"
    "[ko.example.2]\n"
    "source = 주차장은 지하 2층에 있으며 처음 30분은 무료다.\n"
    "question = 자전거는 어디에 세우나요?\n"
    "answer = 자료에 없음\n"
    "[ko.example.3]\n"
    "source = 분실한 사원증은 총무팀에 알리면 이틀 안에 다시 만들어 준다.\n"
    "source = 식당은 11시 30분에 연다.\n"
    "question = 사원증을 잃어버리면 어디에 알려야 하나요?\n"
    "answer = 총무팀 [1]\n"
    "[en.example.1]\n"
    "source = The library opens on weekdays from 09:00 to 20:00.\n"
    "source = The reading room has 120 seats and takes no reservations.\n"
    "question = How many seats does the reading room have?\n"
    "answer = 120 seats [2]\n"
    "[en.example.2]\n"
    "source = The car park is on level B2; the first 30 minutes are free.\n"
    "question = Where can bicycles be left?\n"
    "answer = not in the sources\n"
    "[en.example.3]\n"
    "source = Report a lost badge to General Affairs for a new one.\n"
    "source = The canteen opens at 11:30.\n"
    "question = Who should be told about a lost badge?\n"
    "answer = General Affairs [1]\n";

static const char CARD_CHAT[] = "[card]\n"
                                "name = chat\n"
                                "format = chat\n";

int rag_card_builtin(const char *style, rag_card **out, rag_error *err) {
    *out = NULL;
    if (style && strcmp(style, "chat") == 0)
        return rag_card_parse(CARD_CHAT, sizeof CARD_CHAT - 1, "chat", out,
                              err);
    if (style && strcmp(style, "few-shot") == 0)
        return rag_card_parse(CARD_FEW_SHOT, sizeof CARD_FEW_SHOT - 1,
                              "few-shot", out, err);
    return rag_error_set(err, RAG_E_USAGE,
                         "model card style \"%s\": chat or few-shot is wanted",
                         style ? style : "");
}
