/*
 * questions.c - questions that a passage answers: the prompt that asks for
 * them, and what is taken of the reply.
 *
 * Called by rag-ingest --expand for each chunk; no state, any thread.
 *
 * The default model is a base model of 270M parameters: it is shown examples,
 * a grammar keeps the form, and DRY keeps it from copying the passage, which
 * it otherwise does with every second one. In the other language it writes
 * nothing of use (measured), so only a chat model is asked for that. What
 * comes back is foreign text: the rules below decide line by line.
 */
#include "generate/generate_int.h"

#include "base/json.h"
#include "base/terms.h"
#include "base/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PASSAGE_CHARS 900 /* of the passage that the model reads */
#define HEAD_CHARS 120 /* of title and heading each */
#define LINES_MAX 32 /* of the reply that are looked at */
#define CHARS_MIN 6
#define COPY_SHARE 0.8 /* of a question's bytes in one stretch */
#define TERMS_MAX 64
#define PROMPT_MAX ((size_t)64 << 10)

/* ---- prompts --------------------------------------------------------------- */

typedef struct asking {
    const char *examples, *text, *first; /* few-shot */
    const char *grammar;
    const char *instruction; /* chat */
} asking;

/* The first question's label stands at the prompt's end already. */
static const asking KOREAN = {
    "글을 읽고, 이 글에서 답을 찾을 수 있는 질문을 사람이 물어보듯이 씁니다.\n"
    "\n"
    "글: [체크카드 분실] 카드를 잃어버리면 앱이나 고객센터(24시간)에서 바로 "
    "사용을 정지할 수 있습니다. 재발급 수수료는 2,000원이며 새 카드는 영업일 "
    "기준 3~5일 안에 등기우편으로 도착합니다.\n"
    "질문 1: 카드를 잃어버렸을 때 어디에서 정지하나요?\n"
    "질문 2: 재발급 수수료가 얼마예요?\n"
    "질문 3: 새 카드를 받으려면 며칠이나 걸리나요?\n"
    "\n"
    "글: [재택근무 지침 > 신청] 재택근무는 주 2일까지 할 수 있으며 전날 오후 "
    "4시까지 팀장의 승인을 받아야 한다. 수습 기간 중인 직원은 신청할 수 없다.\n"
    "질문 1: 일주일에 재택을 며칠까지 할 수 있나요?\n"
    "질문 2: 집에서 일하려면 언제까지 누구에게 승인을 받아야 하죠?\n"
    "질문 3: 수습 사원도 재택근무를 쓸 수 있나요?\n"
    "\n"
    "글: [제12조(자료의 보존)] 이 법에 따른 거래 기록은 거래가 끝난 날부터 "
    "5년간 보존하여야 하며, 이를 위반한 자에게는 3천만원 이하의 과태료를 "
    "부과한다.\n"
    "질문 1: 거래 기록은 몇 년 동안 보관해야 합니까?\n"
    "질문 2: 자료를 보존하지 않으면 과태료가 얼마나 나오나요?\n"
    "질문 3: 보존 기간은 언제부터 계산하나요?\n"
    "\n",
    "글: ", "\n질문 1:",
    "root ::= \" \" q \"\\n질문 2: \" q \"\\n질문 3: \" q \"\\n\"\n"
    "q ::= [^?\\n.①-⑳\"<>:]{8,48} \"?\"\n",
    "아래 글에서 답을 찾을 수 있는 질문을 사람이 물어보듯이 쓰세요. 서로 다른 "
    "것을 묻는 한국어 질문 세 개와 영어 질문 한 개를, 한 줄에 하나씩, 번호나 "
    "설명 없이 쓰세요."};

static const asking ENGLISH = {
    "Read the text and write questions that people would ask and that the "
    "text answers.\n"
    "\n"
    "Text: [Lost debit card] Block a lost card at once in the app or by "
    "calling the service line, day or night. A replacement costs 2,000 won "
    "and arrives by registered mail within 3 to 5 business days.\n"
    "Question 1: What should I do if I lose my card?\n"
    "Question 2: How much do you charge for a new card?\n"
    "Question 3: When will the replacement get to me?\n"
    "\n"
    "Text: [Remote work > Requests] Staff may work from home up to two days "
    "a week with the approval of their team lead by 4 pm of the day before. "
    "Employees on probation cannot apply.\n"
    "Question 1: How many days can I work from home?\n"
    "Question 2: Who has to approve it and by when?\n"
    "Question 3: Can new hires on probation work remotely?\n"
    "\n"
    "Text: [Coral reefs] Reef-building corals live in clear, shallow water "
    "between 23 and 29 degrees. When the sea stays too warm they expel the "
    "algae that feed them and turn white, which is called bleaching.\n"
    "Question 1: What water temperature do corals need?\n"
    "Question 2: Why do coral reefs turn white?\n"
    "Question 3: What happens to the algae when the sea gets too warm?\n"
    "\n",
    "Text: ", "\nQuestion 1:",
    "root ::= \" \" q \"\\nQuestion 2: \" q \"\\nQuestion 3: \" q \"\\n\"\n"
    "q ::= (\"What\"|\"How\"|\"When\"|\"Where\"|\"Who\"|\"Why\"|\"Can\"|\"Do\""
    "|\"Does\"|\"Is\"|\"Are\"|\"Which\"|\"May\"|\"Should\"|\"Must\"|\"Will\")"
    " \" \" [^?\\n.:\"<>]{6,90} \"?\"\n",
    "Write questions that people would ask and that the text below answers: "
    "three in English, about different things, and one in Korean. One "
    "question a line, without numbers or explanations."};

static bool is_korean(const rag_passage *p) {
    return strcmp(rag_unicode_lang(p->text, p->len), "ko") == 0;
}

/* "[title > heading] text", one line. */
static int put_passage(const rag_passage *p, rag_buf *b, rag_error *err) {
    const char *head[2] = {p->title, p->heading};
    bool any = false;
    int rc = 0;
    for (int i = 0; i < 2 && !rc; i++) {
        if (!head[i] || !*head[i])
            continue;
        rc = rag_buf_append_str(b, any ? " > " : "[", err);
        if (!rc)
            rc = rag_prompt_neutralise(NULL, head[i], strlen(head[i]),
                                       HEAD_CHARS, b, err);
        any = true;
    }
    if (!rc && any)
        rc = rag_buf_append_str(b, "] ", err);
    return rc ? rc
              : rag_prompt_neutralise(NULL, p->text, p->len, PASSAGE_CHARS, b,
                                      err);
}

static int put_chat(const asking *a, const rag_passage *p, rag_buf *out,
                    rag_error *err) {
    json_t *messages = NULL;
    rag_buf b;
    rag_buf_init(&b, PROMPT_MAX);
    int rc = rag_buf_printf(&b, err, "%s\n\n", a->instruction);
    if (!rc)
        rc = put_passage(p, &b, err);
    if (rc)
        goto out;
    messages = json_pack("[{s:s, s:s%}]", "role", "user", "content",
                         rag_buf_str(&b), b.len);
    rc = messages
             ? rag_json_dump(messages, out, err)
             : rag_error_set(err, RAG_E_DATA, "the passage is not valid UTF-8");
out:
    json_decref(messages);
    rag_buf_free(&b);
    return rc;
}

int rag_questions_prompt(const rag_passage *p, bool chat, rag_prompt *out,
                         rag_error *err) {
    const asking *a = is_korean(p) ? &KOREAN : &ENGLISH;
    memset(out, 0, sizeof *out);
    rag_buf_init(&out->text, PROMPT_MAX);
    rag_buf_init(&out->messages, 2 * PROMPT_MAX);
    out->adapter_scale = NAN;
    int rc;
    if (chat) {
        rc = put_chat(a, p, &out->messages, err);
    } else {
        out->grammar = a->grammar;
        out->fresh = true;
        rc = rag_buf_printf(&out->text, err, "%s%s", a->examples, a->text);
        if (!rc)
            rc = put_passage(p, &out->text, err);
        if (!rc)
            rc = rag_buf_append_str(&out->text, a->first, err);
        /* Where there is no grammar, the next example ends it. */
        if (!rc)
            rc = rag_str_dup("\n\n", &out->stop[0], err);
    }
    if (rc)
        rag_prompt_free(out);
    return rc;
}

/* ---- terms ------------------------------------------------------------------- */

typedef struct terms {
    rag_buf b; /* each with a NUL behind it */
    size_t n;
    rag_error *err;
} terms;

static int add_term(void *user, const rag_term *t) {
    terms *x = user;
    if (x->n >= TERMS_MAX * 64)
        return 0;
    x->n++;
    int rc = rag_buf_append(&x->b, t->text, t->len, x->err);
    return rc ? rc : rag_buf_append_char(&x->b, '\0', x->err);
}

static bool has_term(const terms *x, const char *s, size_t len) {
    for (size_t at = 0; at < x->b.len;) {
        const char *t = x->b.data + at;
        size_t n = strlen(t);
        if (n == len && memcmp(t, s, n) == 0)
            return true;
        at += n + 1;
    }
    return false;
}

/* Content terms of a passage with its title and heading. */
static int terms_of(const rag_passage *p, terms *x, rag_error *err) {
    const char *head[2] = {p->title, p->heading};
    x->n = 0;
    x->err = err;
    rag_buf_init(&x->b, 0);
    int rc = rag_terms_content(p->text, p->len, add_term, x, err);
    for (int i = 0; i < 2 && !rc; i++)
        if (head[i])
            rc = rag_terms_content(head[i], strlen(head[i]), add_term, x, err);
    return rc;
}

typedef struct comparison {
    const terms *with;
    bool shares, invents;
} comparison;

static int compare_term(void *user, const rag_term *t) {
    comparison *c = user;
    bool number = t->kind == RAG_TERM_NUMBER || t->kind == RAG_TERM_CODE;
    bool has = has_term(c->with, t->text, t->len);
    c->shares |= has;
    c->invents |= number && !has;
    return 0;
}

/* ---- rules ---------------------------------------------------------------------- */

/* What stands before a question: "3.", "Q2)", "- ", "질문 1:", quotes. */
static void strip_label(const char **s, size_t *n) {
    static const char *const LABELS[] = {"Question", "질문", "Q"};
    const char *p = *s, *end = *s + *n;
    while (p < end && strchr(" \t-*\"'", *p))
        p++;
    for (size_t i = 0; i < sizeof LABELS / sizeof *LABELS; i++) {
        size_t k = strlen(LABELS[i]);
        if ((size_t)(end - p) > k && memcmp(p, LABELS[i], k) == 0 &&
            strchr(" 0123456789:.", p[k])) {
            p += k;
            break;
        }
    }
    const char *q = p;
    while (q < end && (*q == ' ' || (*q >= '0' && *q <= '9')))
        q++;
    /* A number that no sign follows belongs to the question. */
    if (q < end && strchr(":.)", *q))
        p = q + 1;
    while (p < end && strchr(" \t\"'", *p))
        p++;
    while (end > p && strchr(" \t\"'\r", end[-1]))
        end--;
    *s = p;
    *n = (size_t)(end - p);
}

/* With a question mark, and in Korean with the syllable of an ending before
 * it: where the grammar had to end a line, it stands in the midst of a word. */
static bool ends_asking(const char *s, size_t n) {
    static const char WIDE[] = "\xEF\xBC\x9F"; /* full-width question mark */
    static const char ENDINGS[] = "요까가나지니냐야죠데래은는";
    if (n > 0 && s[n - 1] == '?')
        n--;
    else if (n >= 3 && memcmp(s + n - 3, WIDE, 3) == 0)
        n -= 3;
    else
        return false;
    while (n > 0 && strchr(" \"')", s[n - 1]))
        n--;
    if (n == 0)
        return false;
    size_t last = rag_utf8_prev(s, n);
    uint32_t cp;
    (void)rag_utf8_next(s + last, n - last, &cp);
    if (rag_unicode_class(cp) != RAG_CHAR_HANGUL)
        return strcmp(rag_unicode_lang(s, n), "ko") != 0;
    return memmem(ENDINGS, sizeof ENDINGS - 1, s + last, n - last) != NULL;
}

/* The longest stretch of q that stands in s, in bytes. */
static size_t longest_common(const char *q, size_t n, const char *s,
                             size_t len) {
    size_t best = 0;
    for (size_t i = 0; i + best < n; i++) {
        size_t k = best + 1;
        while (i + k <= n && memmem(s, len, q + i, k))
            k++;
        best = k - 1;
    }
    return best;
}

static bool is_echo(const char *q, size_t n, const asking *a) {
    static const char *const MARKS[] = {
        "글:",      "Text:",   "질문 ", "Question ",
        "English:", "한국어:", "://",   "www."};
    for (size_t i = 0; i < sizeof MARKS / sizeof *MARKS; i++)
        if (memmem(q, n, MARKS[i], strlen(MARKS[i])))
            return true;
    return memmem(a->examples, strlen(a->examples), q, n) != NULL;
}

typedef struct judge {
    const rag_passage *p;
    const asking *a;
    const char *lang;
    bool chat;
    rag_buf text; /* the passage as one line, as questions are */
    terms of;
    char *keys[RAG_QUESTIONS_MAX]; /* of what was taken */
    size_t taken, foreign;
} judge;

static bool is_twin(const judge *j, const char *key) {
    for (size_t i = 0; i < j->taken; i++)
        if (strcmp(j->keys[i], key) == 0)
            return true;
    return false;
}

/* What remains of the rules once a line is known to be short and asked. */
static int judge_content(judge *j, const char *q, size_t n, char **key,
                         rag_question_fault *out, rag_error *err) {
    comparison c = {.with = &j->of};
    rag_buf k;
    rag_buf_init(&k, 0);
    bool own = strcmp(rag_unicode_lang(q, n), j->lang) == 0;
    int rc = rag_terms_key(q, n, &k, err);
    if (!rc)
        rc = rag_buf_steal(&k, key, NULL, err);
    if (!rc)
        rc = rag_terms_content(q, n, compare_term, &c, err);
    size_t run = longest_common(q, n - 1, rag_buf_str(&j->text), j->text.len);
    if (rc)
        *out = RAG_QUESTION_SHORT;
    else if (is_echo(q, n, j->a))
        *out = RAG_QUESTION_ECHO;
    else if ((double)run >= COPY_SHARE * (double)(n - 1))
        *out = RAG_QUESTION_COPY;
    else if (!own && (!j->chat || j->foreign > 0))
        *out = RAG_QUESTION_FOREIGN;
    else if (c.invents)
        *out = RAG_QUESTION_NUMBER;
    else if (own && !c.shares)
        *out = RAG_QUESTION_UNRELATED;
    else if (is_twin(j, *key))
        *out = RAG_QUESTION_TWIN;
    else if (j->taken == RAG_QUESTIONS_MAX)
        *out = RAG_QUESTION_SURPLUS;
    else
        j->foreign += !own;
    rag_buf_free(&k);
    return rc;
}

static int judge_line(judge *j, const char *line, size_t len, rag_buf *out,
                      rag_question_fault *fault, rag_error *err) {
    rag_buf b;
    char *key = NULL;
    rag_buf_init(&b, 0);
    /* One line without control and invisible characters. */
    int rc = rag_prompt_plain(line, len, &b, err);
    const char *q = rag_buf_str(&b);
    size_t n = b.len;
    strip_label(&q, &n);
    size_t chars = rag_utf8_count(q, n);
    *fault = chars < CHARS_MIN                ? RAG_QUESTION_SHORT
             : chars > RAG_QUESTION_CHARS_MAX ? RAG_QUESTION_LONG
             : !ends_asking(q, n)             ? RAG_QUESTION_NOT_ASKED
                                              : RAG_QUESTION_TAKEN;
    if (!rc && *fault == RAG_QUESTION_TAKEN)
        rc = judge_content(j, q, n, &key, fault, err);
    if (!rc && *fault == RAG_QUESTION_TAKEN) {
        if (j->taken > 0)
            rc = rag_buf_append_char(out, '\n', err);
        if (!rc)
            rc = rag_buf_append(out, q, n, err);
        j->keys[j->taken++] = key;
        key = NULL;
    }
    free(key);
    rag_buf_free(&b);
    return rc;
}

int rag_questions_take(const rag_passage *p, bool chat, const char *written,
                       size_t len, rag_buf *out,
                       size_t counts[RAG_QUESTION_FAULTS], rag_error *err) {
    bool korean = is_korean(p);
    judge j = {.p = p,
               .a = korean ? &KOREAN : &ENGLISH,
               .lang = korean ? "ko" : "en",
               .chat = chat};
    memset(counts, 0, RAG_QUESTION_FAULTS * sizeof *counts);
    rag_buf_init(&j.text, 0);
    int rc = terms_of(p, &j.of, err);
    if (!rc)
        rc = rag_prompt_plain(p->text, p->len, &j.text, err);
    const char *s = written, *end = written + len;
    for (size_t lines = 0; s < end && !rc && lines < LINES_MAX; lines++) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((stop ? stop : end) - s);
        rag_question_fault fault = RAG_QUESTION_SHORT;
        /* A line of many kilobytes is no question whatever is in it. */
        if (n > 16 * RAG_QUESTION_CHARS_MAX)
            fault = RAG_QUESTION_LONG;
        else if (n > 0)
            rc = judge_line(&j, s, n, out, &fault, err);
        if (n > 0)
            counts[fault]++;
        s += n + 1;
    }
    for (size_t i = 0; i < j.taken; i++)
        free(j.keys[i]);
    rag_buf_free(&j.of.b);
    rag_buf_free(&j.text);
    return rc;
}
