/*
 * sentence.c - where sentences end, in Korean and English.
 *
 * Two steps. A line scanner cuts the text into segments that no sentence
 * crosses (paragraphs, list items, headings, table rows); patterns then find
 * the ends inside each segment. The patterns live here, the rules that need
 * memory (open brackets, the ceiling of a span) in C.
 *
 * Called by ingest/ (chunks) and generate/ (evidence windows). A splitter is
 * immutable once open; any thread may use it.
 */
#include "base/sentence.h"

#include "base/pattern.h"
#include "base/unicode.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Hangul syllables, and the jamo they are made of when decomposed (NFD). */
#define HANGUL "\\x{AC00}-\\x{D7A3}\\x{1100}-\\x{11FF}"
/* What may stand behind a full stop and still belongs to the sentence. */
#define CLOSERS                                                                \
    "[\"'\\x{2019}\\x{201D}\\x{00BB})\\]\\x{FF09}\\x{300D}\\x{300F}\\x{300B}"  \
    "\\x{3009}\\x{3011}]"
/* Opening quotes and brackets that can only begin something. */
#define OPENERS "[\\x{2018}\\x{201C}\\x{00AB}\\x{300C}\\x{300E}]"
/* Final syllables of a Korean sentence, composed and decomposed. */
#define FINAL                                                                  \
    "(?:(?<=[다요까죠음함임됨])|(?<=\\x{1103}\\x{1161})|"              \
    "(?<=\\x{110B}\\x{116D})|(?<=\\x{1101}\\x{1161})|"                         \
    "(?<=\\x{110C}\\x{116D})|(?<=\\x{11B7}))"
/* A quotation goes on with one of these: "..." 라고 말했다. */
#define QUOTATIVE "(?:이?라고|이?라는|이?라며|이?란|하고|하며|하는|고|는|라)"

/* Not before a word that begins sentences. */
#define NO_STARTER                                                             \
    "(?!(?:The|This|That|These|Those|It|Its|He|She|They|We|You|If|When|While|" \
    "However|But|And|In|On|At|For|From|To|As|All|No|Please|Our|Your|There|"    \
    "Then|After|Before|Each|Every|Use|See|Do|Does|Is|Are)\\b)"

/*
 * Things that hold full stops and end nothing. Each takes the whole of it, so
 * that the search goes on behind. First titles and abbreviations that always
 * have something behind them;
 */
#define KEEP_TITLE                                                             \
    "(?<![A-Za-z.])(?:Dr|Mr|Mrs|Ms|Mx|Prof|St|Messrs|Gen|Rep|Sen|Gov|Capt|"    \
    "Lt|Col|Sgt|Hon|Rev|Pres|vs|cf|viz|[Aa]pprox|incl|excl|resp|dept|est|Mt|"  \
    "Ft|"                                                                      \
    "Ave|Blvd|[eE]\\.\\s?g|[iI]\\.\\s?e|ca|et al)\\.(?=[\\s,])"
/* those that have a number behind them; */
#define KEEP_NUMBERED                                                          \
    "(?<![A-Za-z.])(?:[Nn]os?|[Ff]igs?|Eqs?|[Ss]ecs?|[Aa]rts?|[Cc]h|[Vv]ol|"   \
    "[Pp]p?|[Pp]ara|[Tt]el|[Ee]xt|App|Cl|cl|Reg|Rs|Rm|[Vv]er|Jan|Feb|Mar|"     \
    "Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\\.(?=\\s*\\d)"
/* those that may end a sentence, but not like this; */
#define KEEP_COMPANY                                                           \
    "(?<![A-Za-z])(?:etc|Inc|Ltd|Co|Corp|Jr|Sr|Bros|Dept|GmbH)\\."             \
    "(?=\\s*[,;:)]|\\s(?:Inc|Ltd|Corp)\\b)"
/* initials (U.S. Army, John F. Kennedy), not before a word that begins
 * sentences; hours; */
#define KEEP_INITIALS                                                          \
    "(?<![A-Za-z])(?:[A-Z]\\.\\s?){2,}(?=\\s*" NO_STARTER "[A-Za-z])"          \
    "|(?<![A-Za-z])[A-Z][a-z]+\\s(?:[A-Z]\\.\\s?)+(?=\\s*" NO_STARTER          \
    "[A-Z][a-z])"                                                              \
    "|(?<![A-Za-z])[ap]\\.\\s?m\\.(?=\\s+(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|KST|"  \
    "UTC|GMT|EST|EDT|PST|PDT)|[,;)])"
/* dates (2026. 3. 1. and 3. 1. and 2026.3.1.); */
#define KEEP_DATE                                                              \
    "(?<!\\d)\\d{4}\\.\\s?\\d{1,2}\\.\\s?\\d{1,2}\\.(?=\\s?\\S)(?!\\s[A-Z])"   \
    "|(?<!\\d)\\d{4}\\.\\s?\\d{1,2}\\.(?=\\s?\\S)(?!\\s[A-Z])"                 \
    "|(?<![\\d.])\\d{1,2}\\.\\s\\d{1,2}\\.(?=\\s?\\S)(?!\\s[A-Z])"             \
    "|(?<![\\d.])\\d{4}\\.(?=\\s\\d{1,2}[.\\s])"
/* an ellipsis in the middle. */
#define KEEP_ELLIPSIS                                                          \
    "(?<![다요까죠])(?:\\.{2,}|\\x{2026}+)" CLOSERS "*(?=\\s+[^A-Z\\s])"
#define NO_END                                                                 \
    KEEP_TITLE "|" KEEP_NUMBERED "|" KEEP_COMPANY "|" KEEP_INITIALS            \
               "|" KEEP_DATE "|" KEEP_ELLIPSIS

/* A quotation that goes on behind its closing quote. */
#define NOT_QUOTED                                                             \
    "(?!(?<=[\"'\\x{2019}\\x{201D}])\\s+" QUOTATIVE "(?![가-힣]))"
/*
 * What ends a sentence. Full-width marks need no space behind them;
 */
#define END_WIDE "[\\x{3002}\\x{FF01}\\x{FF1F}]+" CLOSERS "*+(?!" QUOTATIVE ")"
/* a Korean ending may run into the next sentence ("했다.그리고"); */
#define END_TIGHT                                                              \
    "(?<=[" HANGUL "]{2})" FINAL "\\.(?=[가-힣]{2}|" OPENERS ")(?!" QUOTATIVE  \
    "(?![가-힣]))"                                                           \
    "|(?<=[요까죠니다])[!?]+(?=[가-힣])(?!" QUOTATIVE ")"
/* ! and ? with space behind and then no small letter; */
#define END_MARK                                                               \
    "(?:[!?]+|[\\x{203D}\\x{2048}\\x{2049}])\\.*" CLOSERS                      \
    "*+(?=\\z|\\s++(?![a-z]))" NOT_QUOTED
/* a full stop behind Hangul, with space behind; */
#define END_HANGUL                                                             \
    "(?<=[" HANGUL "])[\"'\\x{2019}\\x{201D})\\]]*\\.+" CLOSERS                \
    "*+(?=\\z|\\s)" NOT_QUOTED
/* a full stop behind anything else, with space and then no small letter. */
#define END_STOP                                                               \
    "(?:\\.+|\\x{2026}+|\\x{FF0E})" CLOSERS                                    \
    "*+(?=\\z|\\s++(?![a-z]))" NOT_QUOTED
#define END END_WIDE "|" END_TIGHT "|" END_MARK "|" END_HANGUL "|" END_STOP

static const char END_PATTERN[] = "(?:" NO_END ")(*SKIP)(*FAIL)|(?:" END ")";

/* A number or bullet that begins an item, here taken together with the text
 * behind it. */
#define MARKER                                                                      \
    "(?:[-*+\\x{2022}\\x{00B7}\\x{25AA}\\x{25A0}\\x{25A1}\\x{25E6}\\x{25CB}"        \
    "\\x{25CF}\\x{25B6}\\x{25B7}\\x{203B}\\x{2192}\\x{2013}\\x{2014}"               \
    "\\x{318D}\\x{2605}\\x{2606}\\x{2713}\\x{2714}\\x{3147}][ \\t]"                 \
    "|\\(?(?:\\d{1,3}(?:\\.\\d{1,3}){0,4}|[a-zA-Z]|[ivxIVX]{1,5}|"                  \
    "[가나다라마바사아자차카타파하])[.)][ \\t]"                       \
    "|\\d{1,2}(?:\\.\\d{1,2}){1,4}[ \\t]"                                           \
    "|[\\x{2460}-\\x{2473}\\x{3260}-\\x{327B}\\x{2776}-\\x{277F}]"                  \
    "|제\\s?\\d{1,4}\\s?(?:[편장절관][ \\t]|조(?:의\\d{1,3})?\\s?[(\\[【])" \
    "|[QA문답][.:)][ \\t])"

static const char MARKER_PATTERN[] =
    "\\G[ \\t>]*(?:#{1,6}[ \\t]+)?" MARKER "*[ \\t]*";

/* A line that begins something new, whatever the line above was. */
static const char LINE_START_PATTERN[] =
    "\\G[ \\t>]*(?:" MARKER "|#{1,6}[ \\t]|\\||```|~~~|\\[[^\\]\\n]{1,40}\\]"
    "[ \\t]*$|[가-힣][가-힣 ]{0,11}[ \\t]?[:\\x{FF1A}][ \\t]"
    "|[A-Z][A-Za-z]{1,20}(?: [A-Za-z]{1,12}){0,2}:[ \\t])";

/* A line that ends something, whatever the line below is: headings, table
 * rows, and lines of ASCII rules. */
static const char LINE_WHOLE_PATTERN[] =
    "\\G[ \\t>]*(?:#{1,6}[ \\t]|\\||```|~~~|[-=_*~]{3,}[ \\t]*\\r?$|"
    "\\[[^\\]\\n]{1,40}\\][ \\t]*\\r?$)";

/* Korean note style: a line that ends in a final ending without full stop;
 * nouns that end the same way are left out. */
static const char LINE_END_PATTERN[] =
    "(?:(?:니다|습니까|하다|한다|된다|이다|있다|없다|않다|는다|인다|린다|"
    "세요|어요|아요|해요|네요|나요|가요|까요|지요|예요|에요|거죠|하죠)"
    "|(?<![포결명위보])함|됨|없음|있음|같음|않음|받음|바람)"
    "[ \\t]*\\r?$";

struct rag_sentences {
    rag_pattern *end, *marker, *line_start, *line_whole, *line_end;
};

typedef struct spans {
    rag_span *v;
    size_t n, cap;
} spans;

int rag_sentences_open(rag_sentences **out, rag_error *err) {
    *out = NULL;
    rag_sentences *s = calloc(1, sizeof *s);
    if (!s)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for sentences");
    const unsigned ml = RAG_PATTERN_MULTILINE;
    int rc = rag_pattern_open(END_PATTERN, 0, &s->end, err);
    if (!rc)
        rc = rag_pattern_open(MARKER_PATTERN, 0, &s->marker, err);
    if (!rc)
        rc = rag_pattern_open(LINE_START_PATTERN, ml, &s->line_start, err);
    if (!rc)
        rc = rag_pattern_open(LINE_WHOLE_PATTERN, ml, &s->line_whole, err);
    if (!rc)
        rc = rag_pattern_open(LINE_END_PATTERN, ml, &s->line_end, err);
    if (rc) {
        rag_sentences_close(s);
        return rc;
    }
    *out = s;
    return RAG_OK;
}

void rag_sentences_close(rag_sentences *s) {
    if (!s)
        return;
    rag_pattern_close(s->end);
    rag_pattern_close(s->marker);
    rag_pattern_close(s->line_start);
    rag_pattern_close(s->line_whole);
    rag_pattern_close(s->line_end);
    free(s);
}

/* Length of the white space at s[i..end), 0 when there is none: ASCII's, and
 * the spaces of Unicode that pages use (no-break, em, ideographic, BOM). */
static size_t space_at(const char *s, size_t i, size_t end) {
    unsigned char c = (unsigned char)s[i];
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    if (c < 0xC2)
        return 0;
    uint32_t cp;
    size_t n = rag_utf8_next(s + i, end - i, &cp);
    bool white = cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
                 (cp >= 0x2000 && cp <= 0x200B) || cp == 0x2028 ||
                 cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000 ||
                 cp == 0xFEFF;
    return white ? n : 0;
}

static size_t skip_space(const char *s, size_t i, size_t end) {
    while (i < end) {
        size_t n = space_at(s, i, end);
        if (!n)
            break;
        i += n;
    }
    return i;
}

static size_t trim_end(const char *s, size_t start, size_t end) {
    while (end > start) {
        size_t p = rag_utf8_prev(s, end);
        if (p < start || !space_at(s, p, end))
            break;
        end = p;
    }
    return end;
}

static int add_span(spans *a, const char *text, size_t start, size_t end,
                    rag_error *err) {
    start = skip_space(text, start, end);
    end = trim_end(text, start, end);
    if (start == end)
        return RAG_OK;
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 32;
        rag_span *v = realloc(a->v, cap * sizeof *v);
        if (!v)
            return rag_error_set(err, RAG_E_NOMEM, "no memory for sentences");
        a->v = v;
        a->cap = cap;
    }
    a->v[a->n++] = (rag_span){start, end};
    return RAG_OK;
}

/* Whether p matches at i (patterns that begin with \G); *to its end. A match
 * that hits a limit counts as none: the text is then cut elsewhere. */
static bool matches_at(const rag_pattern *p, const char *text, size_t end,
                       size_t i, size_t *to) {
    bool found;
    rag_match m;
    if (rag_pattern_find(p, text, end, i, &found, &m, NULL) || !found)
        return false;
    if (to)
        *to = m.end[0];
    return true;
}

/*
 * True when an end at e lies inside brackets that opened within this
 * sentence: "회사(이하 '갑'이라 한다. 자회사 제외)는". A bracket the sentence
 * begins with, and one that is not closed soon, holds nothing back.
 */
static bool inside_brackets(const char *text, size_t start, size_t e,
                            size_t end) {
    size_t depth = 0, opened = start;
    bool closed_late = false;
    for (size_t i = start; i < e; i++) {
        if (text[i] == '(' || text[i] == '[') {
            if (depth++ == 0)
                opened = i;
        } else if ((text[i] == ')' || text[i] == ']') && depth > 0) {
            depth--;
            closed_late = depth == 0 && i + 1 >= e && opened > start;
        }
    }
    if (depth == 0) {
        /* The closing bracket is the last character: "(2010.) 다음은" goes
         * on, unless a capital letter begins something new. */
        size_t next = skip_space(text, e, end);
        return closed_late && next < end &&
               !(text[next] >= 'A' && text[next] <= 'Z');
    }
    if (opened == start)
        return false;
    size_t stop = end - e > 400 ? e + 400 : end;
    for (size_t i = e; i < stop; i++)
        if (text[i] == ')' || text[i] == ']')
            return true;
    return false;
}

/* Where to cut a span that has no end within the ceiling: at the last white
 * space in its second half, else at a character. */
static size_t cut_long(const char *text, size_t start, size_t ceiling) {
    for (size_t i = ceiling; i > start + RAG_SENTENCE_MAX / 2;) {
        i = rag_utf8_prev(text, i);
        if (space_at(text, i, ceiling))
            return i;
    }
    return ceiling;
}

/* A row of a table is read as a whole: cells cut apart say nothing. */
#define ROW_MAX 1000
static bool is_row(const char *text, size_t start, size_t end) {
    return text[start] == '|' && end - start <= ROW_MAX &&
           !memchr(text + start, '\n', end - start);
}

/* Sentences of one segment: nothing outside [from,end) is looked at but what
 * stands just before it. */
static int split_segment(const rag_sentences *s, const char *text, size_t from,
                         size_t end, spans *out, rag_error *err) {
    size_t start = skip_space(text, from, end);
    if (start < end && is_row(text, start, end))
        return add_span(out, text, start, end, err);
    while (start < end) {
        size_t ceiling = end;
        if (end - start > RAG_SENTENCE_MAX)
            ceiling = rag_utf8_floor(text, end, start + RAG_SENTENCE_MAX);
        /* A little more is visible to look-ahead than may be taken. */
        size_t view =
            end - ceiling > 64 ? rag_utf8_floor(text, end, ceiling + 64) : end;
        size_t at = start, cut = 0;
        matches_at(s->marker, text, view, start, &at);
        if (at >= view)
            at = start;
        for (;;) {
            bool found;
            rag_match m;
            if (rag_pattern_find(s->end, text, view, at, &found, &m, NULL) ||
                !found || m.end[0] > ceiling)
                break;
            if (!inside_brackets(text, start, m.end[0], end)) {
                cut = m.end[0];
                break;
            }
            at = m.end[0];
        }
        if (!cut)
            cut = ceiling < end ? cut_long(text, start, ceiling) : end;
        int rc = add_span(out, text, start, cut, err);
        if (rc)
            return rc;
        start = skip_space(text, cut, end);
    }
    return RAG_OK;
}

int rag_sentences_split(const rag_sentences *s, const char *text, size_t len,
                        rag_span **out, size_t *n, rag_error *err) {
    *out = NULL;
    *n = 0;
    spans a = {0};
    int rc = RAG_OK;
    size_t segment = 0, line = 0;
    while (line < len && !rc) {
        const char *nl = memchr(text + line, '\n', len - line);
        size_t eol = nl ? (size_t)(nl - text) : len;
        size_t next = nl ? eol + 1 : len;
        size_t seen = skip_space(text, line, eol);
        bool cut = seen == eol || next == len;
        if (!cut) {
            /* Patterns see this line and a little of the next one. */
            size_t reach =
                next + 200 < len ? rag_utf8_floor(text, len, next + 200) : len;
            size_t tail =
                eol > line + 64 ? rag_utf8_floor(text, len, eol - 64) : line;
            size_t head = eol > line + 1000
                              ? rag_utf8_floor(text, len, line + 1000)
                              : eol;
            cut = matches_at(s->line_whole, text, head, line, NULL) ||
                  matches_at(s->line_start, text, reach, next, NULL) ||
                  matches_at(s->line_end, text, eol, tail, NULL);
        }
        if (cut) {
            rc = split_segment(s, text, segment, eol, &a, err);
            segment = next;
        }
        line = next;
    }
    if (!rc && segment < len)
        rc = split_segment(s, text, segment, len, &a, err);
    if (rc) {
        free(a.v);
        return rc;
    }
    if (!a.v) {
        a.v = malloc(sizeof *a.v);
        if (!a.v)
            return rag_error_set(err, RAG_E_NOMEM, "no memory for sentences");
    }
    *out = a.v;
    *n = a.n;
    return RAG_OK;
}
