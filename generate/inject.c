/*
 * inject.c - sentences of a document that speak to the machine.
 *
 * Called by evidence.c and extract.c for every sentence they could use, any
 * thread; no state. A suspect sentence is never shown to the model and never
 * quoted. Whether it was meant badly does not matter.
 *
 * The words are chosen so that what handbooks, desk scripts and warnings of
 * fraud really say passes ("tell the customer that ...", "고객에게 ~라고
 * 안내합니다", "송금하라는 지시는 따르지 말고"): a row needs a word for the
 * machine, its orders or its answer. A list can be got round; what stands
 * behind it is grounding, which shows nothing that is not in the evidence.
 */
#include "generate/generate_int.h"

#include "base/unicode.h"

#include <string.h>

/* One word of a and, when b is not empty, one of b in the same sentence. */
typedef struct inject_rule {
    const char *const *a, *const *b;
} inject_rule;

#define W(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool any_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strstr(text, *words))
            return true;
    return false;
}

static bool english_orders(const char *t) {
    const inject_rule rules[] = {
        {W("ignore", "disregard", "forget", "override", "do not follow",
           "don't follow", "stop following", "set aside"),
         W("previous instruction", "above instruction", "prior instruction",
           "earlier instruction", "all instruction", "your instruction",
           "these instruction", "instructions above", "instructions you",
           "previous prompt", "system prompt", "above prompt", "previous rules",
           "your rules", "everything above", "everything before", "the sources",
           "other sources", "all sources", "previous direction", "text above",
           "your guidelines", "all previous", "all prior", "any previous",
           "any prior", "the above", "the question", "your training")},
        {W("you are now", "you are no longer", "from now on you",
           "from now on, you", "you will now", "you must now",
           "do anything now", "you will act as", "you must act as",
           "you have to act as", "your new role", "your role is now",
           "new instructions for you"),
         W("")},
        {W("system prompt", "your prompt", "your instructions",
           "initial instructions", "hidden instructions", "initial prompt",
           "instructions above", "prompt above", "full prompt"),
         W("reveal", "print", "repeat", "show", "output", "tell", "write",
           "display", "leak", "recite", "translate", "summari")},
        {W("ai", "a.i.", "assistant", "chatbot", "language model", "llm",
           "system note", "system message", "note to the model",
           "instruction to the model"),
         W("must answer", "must reply", "must respond", "must say",
           "should answer", "should reply", "should respond", "should say",
           "answer with", "answer only", "answer that", "reply with",
           "reply only", "reply that", "respond with", "respond only",
           "respond that", "always answer", "always reply", "always respond",
           "please answer", "please say", "say that", "say only", "write only",
           "the link", "this link", "tell the user", "new instruction",
           "reading this", "processing this", "summarizing this")},
        {W("respond only with", "reply only with", "answer only with",
           "respond with only", "reply with only", "only respond with",
           "only reply with", "only answer with", "respond exactly",
           "answer every question with", "answer all questions with",
           "whatever the question", "regardless of the question",
           "when asked anything", "end your answer", "end every answer",
           "begin your answer", "in your answer", "in your response",
           "in your reply", "to your answer", "to your response",
           "to your reply", "with your answer", "your answer must",
           "your response must", "your reply must", "your only answer",
           "your output must"),
         W("")},
        {W("to every question", "to any question", "to all questions",
           "for every question"),
         W("with \"", "with '", "say \"", "say '", "http", "answer is",
           "the word")},
        {W("the correct answer is", "the right answer is", "the only answer is",
           "the answer to the question is", "the answer to every",
           "the answer to any"),
         W("source", "instruction", "ignore", "[1]", "(1)", "every", "any",
           "user", "cite")},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (any_of(t, rules[i].a) &&
            (!rules[i].b[0][0] || any_of(t, rules[i].b)))
            return true;
    return false;
}

static bool korean_orders(const char *t) {
    const inject_rule rules[] = {
        {W("무시", "잊어", "잊고", "따르지 마", "따르지 말", "버리고",
           "덮어쓰"),
         W("이전 지시", "이전의 지시", "위의 지시", "위 지시", "앞의 지시",
           "앞선 지시", "지금까지의 지시", "모든 지시", "기존 지시",
           "시스템 지시", "받은 지시", "너의 지시", "지시문", "이전 명령",
           "이전의 명령", "위의 명령", "모든 명령", "프롬프트", "위의 내용",
           "위 내용", "앞의 내용", "앞 내용", "이전 내용", "지금까지의",
           "이전의 모든", "이전 규칙", "위의 규칙", "모든 규칙", "다른 자료",
           "위의 자료", "질문을", "질문은", "설정을 모두")},
        {W("이제부터 너", "이제부터 당신", "지금부터 너", "지금부터 당신",
           "너는 이제", "당신은 이제", "너는 지금", "당신은 지금부터",
           "넌 이제", "네 역할은", "너의 역할은", "당신의 역할은 이제"),
         W("")},
        {W("역할을 맡", "역할을 해", "인 척", "연기해", "처럼 행동하",
           "처럼 말하", "역할극"),
         W("너는", "당신은", "ai", "챗봇", "언어 모델", "어시스턴트", "지시",
           "답하", "답변하")},
        {W("프롬프트", "지시문", "시스템 메시지", "초기 지시", "내부 지시",
           "시스템 지시"),
         W("출력", "보여", "공개", "말해", "알려", "적어", "반복", "드러내",
           "그대로", "무시", "번역")},
        {W("ai", "챗봇", "어시스턴트", "언어 모델", "언어모델", "인공지능",
           "시스템:", "이 글을 읽는", "이 문서를 읽는", "문서를 처리하는",
           "요약하는 모델", "답하는 모델"),
         W("라고 답", "라고만 답", "라고 말", "라고만 말", "라고 출력",
           "라고만 출력", "라고 쓰", "라고만 쓰", "답하라", "답하시오",
           "답해라", "답해야", "대답하라", "대답해", "답하세요", "답변하라",
           "답변하세요", "답변해", "출력하라", "출력하세요", "출력해",
           "링크를 붙", "링크를 넣", "링크를 추가", "주소를 붙", "주소를 넣",
           "새로운 지시", "새 지시", "인용하라", "인용하세요")},
        {W("모든 질문에", "어떤 질문에", "어떤 질문이", "무슨 질문",
           "질문이 무엇", "질문과 관계없이", "질문에 상관없이",
           "질문과 상관없이"),
         W("라고 답", "라고만", "라고 말", "라고 쓰", "답하라", "답해라",
           "http", "링크를", "주소를")},
        {W("답변 끝에", "답변의 끝에", "답 끝에", "답변에는 반드시", "답변마다",
           "답할 때마다", "너의 답", "당신의 답", "네 답변", "모든 답변에"),
         W("붙", "넣", "추가", "쓰", "출력", "http", "링크", "적어")},
        {W("정답은", "올바른 답은", "답은 무조건", "답은 항상"),
         W("무시", "지시", "출처", "[1]", "(1)", "라고만", "인용")},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (any_of(t, rules[i].a) &&
            (!rules[i].b[0][0] || any_of(t, rules[i].b)))
            return true;
    return false;
}

static bool foreign_marks(const char *t) {
    static const char *const MARK[] = {
        "<start_of_turn", "<end_of_turn",    "<|im_",      "<|system",
        "<|user",         "<|assistant",     "<|end",      "[inst]",
        "[/inst]",        "<<sys>>",         "<|eot",      "</s>",
        "<|start_header", "### instruction", "### system", "<think>",
        "### response",   "### assistant",   "### 지시",   "### 시스템"};
    for (size_t i = 0; i < sizeof MARK / sizeof MARK[0]; i++)
        if (strstr(t, MARK[i]))
            return true;
    /* A picture whose address is fetched when the answer is shown. */
    const char *pic = strstr(t, "![");
    if (pic && strstr(pic, "](http"))
        return true;
    /* An address that wants to be filled with what is known. */
    for (const char *u = strstr(t, "http"); u; u = strstr(u + 4, "http")) {
        size_t len = strcspn(u, " )>\"'");
        const char *q = memchr(u, '?', len);
        size_t left = q ? len - (size_t)(q - u) : 0;
        if (q && (memchr(q, '{', left) || memchr(q, '[', left) ||
                  memchr(q, '<', left)))
            return true;
    }
    return false;
}

/* Spoils "ai" and "llm" inside other words ("email"), so that the rules see
 * them only as words. */
static void spoil_short_words(char *t) {
    static const char *const SHORT[] = {"ai", "llm"};
    for (size_t k = 0; k < sizeof SHORT / sizeof SHORT[0]; k++) {
        size_t len = strlen(SHORT[k]);
        for (char *p = strstr(t, SHORT[k]); p; p = strstr(p + 1, SHORT[k])) {
            bool left = p > t && ((p[-1] >= 'a' && p[-1] <= 'z') ||
                                  (p[-1] >= '0' && p[-1] <= '9'));
            bool right = (p[len] >= 'a' && p[len] <= 'z') ||
                         (p[len] >= '0' && p[len] <= '9');
            if (left || right)
                *p = '.';
        }
    }
}

/* Hidden writing: tag characters, forced direction, many invisibles. */
static bool hidden_text(const char *s, size_t n) {
    unsigned hidden = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        if ((cp >= 0xE0000 && cp <= 0xE0FFF) ||
            (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069))
            return true;
        /* Soft hyphens, variation selectors and byte order marks are
         * everyday; a joiner or two as well. */
        if (rag_prompt_invisible(cp) && cp != 0x00AD && cp != 0xFEFF &&
            !(cp >= 0xFE00 && cp <= 0xFE0F))
            hidden++;
    }
    return hidden >= 4;
}

bool rag_inject_suspect(const char *s, size_t n) {
    if (hidden_text(s, n))
        return true;
    rag_buf plain, folded;
    rag_buf_init(&plain, 0);
    rag_buf_init(&folded, 0);
    bool suspect = true;
    if (rag_prompt_plain(s, n, &plain, NULL) == 0 &&
        rag_unicode_fold(rag_buf_str(&plain), plain.len, &folded, NULL) == 0) {
        suspect = false;
        if (folded.len) {
            spoil_short_words(folded.data);
            suspect = foreign_marks(folded.data) ||
                      english_orders(folded.data) || korean_orders(folded.data);
        }
    }
    rag_buf_free(&plain);
    rag_buf_free(&folded);
    return suspect;
}
