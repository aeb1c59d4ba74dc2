/*
 * neutral.c - foreign text on its way into a prompt: made one harmless line.
 *
 * Called by prompt.c for every window, title and question; any thread.
 *
 * What must hold afterwards, whatever the input was:
 *  1. No line end: nothing in a document can begin a line of the prompt, so
 *     neither a forged "[2] ..." nor a forged "Question:" stands where ours
 *     do.
 *  2. No '<' before a letter, '/', '|', '!' or '<', no "[INST]", no "[7]", no
 *     "|>", none of the card's tokens or stop strings: a tokenizer finds no
 *     special token. They are replaced by full-width look-alikes, which
 *     tokenizers match against special tokens only before they normalise.
 *  3. No invisible characters, so 2 cannot be got round by hiding one inside
 *     a marker (they are dropped first), and what people do not see the model
 *     does not read either.
 * The stored text, and so every quote, stays as it is.
 */
#include "generate/generate_int.h"

#include "base/unicode.h"

#include <string.h>

/* Characters without width or look: hidden text is made of them. */
bool rag_prompt_invisible(uint32_t cp) {
    static const struct {
        uint32_t from, to;
    } range[] = {{0x00AD, 0x00AD},   {0x034F, 0x034F},   {0x061C, 0x061C},
                 {0x115F, 0x1160},   {0x17B4, 0x17B5},   {0x180B, 0x180F},
                 {0x200B, 0x200F},   {0x202A, 0x202E},   {0x2060, 0x206F},
                 {0x2800, 0x2800},   {0x3164, 0x3164},   {0xFE00, 0xFE0F},
                 {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},
                 {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++)
        if (cp >= range[i].from && cp <= range[i].to)
            return true;
    return false;
}

static bool blank(uint32_t cp) {
    return cp <= 0x20 || (cp >= 0x7F && cp <= 0xA0) || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202F || cp == 0x205F || cp == 0x3000 || cp == RAG_CP_INVALID;
}

/* First pass: white space collapsed, invisible characters dropped. */
static int clean(const char *s, size_t n, size_t max_chars, rag_buf *out,
                 rag_error *err) {
    bool gap = false;
    size_t chars = 0, start = out->len;
    int rc = 0;
    for (size_t i = 0; i < n && !rc;) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (rag_prompt_invisible(cp)) {
            i += k;
            continue;
        }
        if (blank(cp)) {
            gap = out->len > start;
            i += k;
            continue;
        }
        if (max_chars && chars + gap >= max_chars)
            break;
        if (gap) {
            rc = rag_buf_append_char(out, ' ', err);
            chars++;
            gap = false;
        }
        if (!rc)
            rc = rag_buf_append(out, s + i, k, err);
        chars++;
        i += k;
    }
    return rc;
}

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* '<' that could open a control token or a tag. */
static bool opens_tag(const char *s, size_t n) {
    if (s[0] != '<' || n < 2)
        return false;
    char c = s[1] == ' ' && n > 2 ? s[2] : s[1];
    return letter(c) || c == '/' || c == '|' || c == '!' || c == '<' ||
           c == '_' || (unsigned char)c >= 0x80;
}

/* "[7]", "[1, 2]": looks like one of our source numbers. Length or 0. */
static size_t source_number(const char *s, size_t n) {
    size_t i = 1;
    bool digit = false;
    while (i < n && i < 24 &&
           ((s[i] >= '0' && s[i] <= '9') || s[i] == ' ' || s[i] == ',' ||
            s[i] == '^' || s[i] == '-')) {
        digit = digit || (s[i] >= '0' && s[i] <= '9');
        i++;
    }
    return digit && i < n && s[i] == ']' ? i + 1 : 0;
}

/* "[INST]", "[/INST]", "[SYSTEM_PROMPT]": capitals in brackets. */
static bool template_mark(const char *s, size_t n) {
    size_t i = 1;
    if (i < n && (s[i] == '/' || s[i] == '|'))
        i++;
    size_t from = i;
    while (i < n && i < 40 &&
           ((s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_' || s[i] == '|'))
        i++;
    return i - from >= 3 && i < n && s[i] == ']';
}

/* Length of one of the card's own tokens at s, 0 when there is none. */
static size_t card_token(const rag_card *card, const char *s, size_t n) {
    if (!card)
        return 0;
    const char *own[3 + RAG_CARD_STOPS_MAX] = {
        card->user_open, card->user_close, card->model_open};
    size_t nown = 3;
    for (size_t i = 0; i < card->nstops; i++)
        own[nown++] = card->stops[i];
    for (size_t i = 0; i < nown; i++) {
        const char *t = own[i];
        t += strspn(t, " \n\t");
        size_t len = strcspn(t, "\n");
        if (len >= 2 && len <= n && memcmp(s, t, len) == 0)
            return len;
    }
    return 0;
}

/* Second pass: markers taken apart. */
static int defuse(const rag_card *card, const char *s, size_t n, rag_buf *out,
                  rag_error *err) {
    int rc = 0;
    for (size_t i = 0; i < n && !rc;) {
        const char *p = s + i;
        size_t left = n - i, k = 0;
        if (opens_tag(p, left)) {
            rc = rag_buf_append_str(out, "\xEF\xBC\x9C", err); /* U+FF1C */
            i++;
        } else if (*p == '[' && (k = source_number(p, left)) > 0) {
            rc = rag_buf_printf(out, err, "(%.*s)", (int)(k - 2), p + 1);
            i += k;
        } else if (*p == '[' && template_mark(p, left)) {
            rc = rag_buf_append_str(out, "\xEF\xBC\xBB", err); /* U+FF3B */
            i++;
        } else if (left >= 2 && p[0] == '|' && p[1] == '>') {
            rc = rag_buf_append_str(out, "| ", err);
            i++;
        } else if ((k = card_token(card, p, left)) > 0) {
            size_t first = rag_utf8_floor(p, left, 1);
            if (!first) {
                uint32_t cp;
                first = rag_utf8_next(p, left, &cp);
            }
            rc = rag_buf_append(out, p, first, err);
            if (!rc)
                rc = rag_buf_append_char(out, ' ', err);
            i += first;
        } else {
            rc = rag_buf_append(out, p, 1, err);
            i++;
        }
    }
    return rc;
}

int rag_prompt_neutralise(const rag_card *card, const char *s, size_t n,
                          size_t max_chars, rag_buf *out, rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = clean(s, n, max_chars, &b, err);
    if (!rc)
        rc = defuse(card, rag_buf_str(&b), b.len, out, err);
    rag_buf_free(&b);
    return rc;
}

int rag_prompt_plain(const char *s, size_t n, rag_buf *out, rag_error *err) {
    return clean(s, n, 0, out, err);
}
