/*
 * ground_numbers.c - numbers, amounts, dates, times, phone numbers and codes
 * of a folded text, in a form in which they can be compared.
 *
 * Called by ground_facts.c. What is the same: "30,000원", "3만 원" and
 * "₩30000" (value 30000, unit krw); "2026년 3월 1일", "2026. 3. 1." and
 * "2026-03-01"; "09:00" and "9:00"; "1588-0000" and "15880000". What is not:
 * "3일" and "3영업일", "3~5일" and "5일", "10% 이상" and "10% 이하".
 */
#include "generate/ground_int.h"

#include "base/unicode.h"

#include <stdio.h>
#include <string.h>

/* ---- units ------------------------------------------------------------------ */

typedef struct unit {
    const char *text, *name;
} unit;

/* Hangul units: the longest that begins the text counts. */
static const unit KOREAN_UNITS[] = {
    {"영업일", "bday"},
    {"근무일", "bday"},
    {"개월", "month"},
    {"달", "month"},
    {"년도", "year"},
    {"년", "year"},
    {"월", "mon"},
    {"주일", "week"},
    {"주", "week"},
    {"일", "day"},
    {"시간", "hour"},
    {"시", "clock"},
    {"분기", "quarter"},
    {"분", "min"},
    {"초", "sec"},
    {"원", "krw"},
    {"달러", "usd"},
    {"불", "usd"},
    {"엔", "jpy"},
    {"유로", "eur"},
    {"위안", "cny"},
    {"퍼센트포인트", "pp"},
    {"퍼센트", "%"},
    {"프로", "%"},
    {"명", "person"},
    {"사람", "person"},
    {"인", "person"},
    {"세기", "century"},
    {"세대", "generation"},
    {"세", "age"},
    {"살", "age"},
    {"건", "case"},
    {"회", "time"},
    {"번", "number"},
    {"개소", "place"},
    {"개", "piece"},
    {"장", "sheet"},
    {"권", "volume"},
    {"대", "machine"},
    {"층", "floor"},
    {"호선", "line"},
    {"호", "item"},
    {"평", "pyeong"},
    {"박", "night"},
    {"점", "point"},
    {"배", "times"},
    {"조", "article"},
    {"항", "clause"},
    {"목", "subitem"},
    {"급", "grade"},
    {"등급", "rank"},
    {"위", "place"},
    {"석", "seat"},
    {"곳", "place"},
    {"마리", "animal"},
    {"가지", "kind"},
    {"단계", "step"},
    {"종", "kind"},
    {"도", "degree"},
    {"리터", "l"},
    {"킬로미터", "km"},
    {"센티미터", "cm"},
    {"밀리미터", "mm"},
    {"미터", "m"},
    {"킬로그램", "kg"},
    {"그램", "g"},
    {"톤", "t"},
    {"페이지", "page"},
    {"쪽", "page"},
    {"글자", "char"},
    {"자리", "digit"},
    {"자", "char"},
    {"학년", "schoolyear"},
    {"학기", "term"},
    {"차례", "time"},
    {"시리즈", "series"},
    {"기가바이트", "gb"},
    {"메가바이트", "mb"},
    {"볼트", "v"},
    {"와트", "w"},
    {"암페어", "a"},
    {"킬로", "kg"},
    {"여", "odd"},
};

/* Latin units and signs: whole words. */
static const unit LATIN_UNITS[] = {
    {"business days", "bday"},
    {"business day", "bday"},
    {"working days", "bday"},
    {"working day", "bday"},
    {"calendar days", "cday"},
    {"calendar day", "cday"},
    {"days", "day"},
    {"day", "day"},
    {"weeks", "week"},
    {"week", "week"},
    {"months", "month"},
    {"month", "month"},
    {"years", "year"},
    {"year", "year"},
    {"yrs", "year"},
    {"hours", "hour"},
    {"hour", "hour"},
    {"hrs", "hour"},
    {"hr", "hour"},
    {"h", "hour"},
    {"minutes", "min"},
    {"minute", "min"},
    {"mins", "min"},
    {"min", "min"},
    {"seconds", "sec"},
    {"second", "sec"},
    {"secs", "sec"},
    {"sec", "sec"},
    {"ms", "ms"},
    {"milliseconds", "ms"},
    {"percentage points", "pp"},
    {"percentage point", "pp"},
    {"percent", "%"},
    {"per cent", "%"},
    {"%p", "pp"},
    {"%", "%"},
    {"won", "krw"},
    {"krw", "krw"},
    {"dollars", "usd"},
    {"dollar", "usd"},
    {"usd", "usd"},
    {"euros", "eur"},
    {"euro", "eur"},
    {"eur", "eur"},
    {"yen", "jpy"},
    {"jpy", "jpy"},
    {"pounds", "pound"},
    {"pound", "pound"},
    {"gbp", "gbp"},
    {"cents", "cent"},
    {"km", "km"},
    {"kilometers", "km"},
    {"kilometres", "km"},
    {"m", "m"},
    {"meters", "m"},
    {"metres", "m"},
    {"cm", "cm"},
    {"mm", "mm"},
    {"kg", "kg"},
    {"g", "g"},
    {"mg", "mg"},
    {"tons", "t"},
    {"tonnes", "t"},
    {"miles", "mile"},
    {"mile", "mile"},
    {"feet", "foot"},
    {"ft", "foot"},
    {"inches", "inch"},
    {"inch", "inch"},
    {"l", "l"},
    {"ml", "ml"},
    {"v", "v"},
    {"kv", "kv"},
    {"mv", "mv"},
    {"w", "w"},
    {"kw", "kw"},
    {"kwh", "kwh"},
    {"a", "a"},
    {"ma", "ma"},
    {"hz", "hz"},
    {"khz", "khz"},
    {"mhz", "mhz"},
    {"ghz", "ghz"},
    {"kb", "kb"},
    {"mb", "mb"},
    {"gb", "gb"},
    {"tb", "tb"},
    {"mbps", "mbps"},
    {"gbps", "gbps"},
    {"rpm", "rpm"},
    {"bar", "bar"},
    {"°c", "celsius"},
    {"°f", "fahrenheit"},
    {"°", "degree"},
    {"times", "times"},
    {"people", "person"},
    {"persons", "person"},
    {"employees", "employee"},
    {"st", "ord"},
    {"nd", "ord"},
    {"rd", "ord"},
    {"th", "ord"},
    {"century", "century"},
    {"nights", "night"},
    {"night", "night"},
    {"floor", "floor"},
    {"pages", "page"},
    {"points", "point"},
};

static const unit CURRENCY[] = {
    {"us$", "usd"}, {"usd", "usd"}, {"krw", "krw"}, {"eur", "eur"},
    {"$", "usd"},   {"₩", "krw"},   {"€", "eur"},   {"£", "gbp"},
    {"¥", "jpy"},   {"￦", "krw"},
};

static const char *const MONTHS[] = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december"};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c) {
    return is_digit(c) || is_alpha(c);
}

static bool starts(const char *s, size_t n, const char *w) {
    size_t len = strlen(w);
    return len <= n && memcmp(s, w, len) == 0;
}

static bool ends_at(const char *s, size_t i, const char *w) {
    size_t len = strlen(w);
    return len <= i && memcmp(s + i - len, w, len) == 0;
}

static bool is_hangul(const char *s, size_t n) {
    uint32_t cp;
    if (!n)
        return false;
    (void)rag_utf8_next(s, n, &cp);
    return rag_unicode_syllable(cp);
}

/* No Hangul follows, or only what a particle or copula begins with. */
static bool word_ends(const char *s, size_t n) {
    static const char *const NEXT[] = {
        "은", "는", "이", "가", "을", "를", "의", "에", "도", "만",
        "로", "으", "까", "부", "과", "와", "입", "씩", "미", "초",
        "간", "전", "후", "내", "당", "짜", "보", "정", "인", "어"};
    if (!is_hangul(s, n))
        return true;
    for (size_t i = 0; i < sizeof NEXT / sizeof NEXT[0]; i++)
        if (starts(s, n, NEXT[i]))
            return true;
    return false;
}

static size_t skip_spaces(const char *s, size_t i, size_t n) {
    while (i < n && s[i] == ' ')
        i++;
    return i;
}

/* ---- comparisons ---------------------------------------------------------------- */

typedef struct comparison {
    const char *text;
    uint8_t what;
} comparison;

/* Behind a Korean number, or behind its unit. */
static const comparison CMP_BEHIND[] = {
    {"이상", RAG_CMP_AT_LEAST},
    {"이하", RAG_CMP_AT_MOST},
    {"미만", RAG_CMP_LESS},
    {"초과", RAG_CMP_MORE},
    {"전부터", RAG_CMP_SINCE_BEFORE},
    {"이전부터", RAG_CMP_SINCE_BEFORE},
    {"후까지", RAG_CMP_UNTIL_AFTER},
    {"이후까지", RAG_CMP_UNTIL_AFTER},
    {"뒤까지", RAG_CMP_UNTIL_AFTER},
    {"이내", RAG_CMP_WITHIN},
    {"안에", RAG_CMP_WITHIN},
    {"내에", RAG_CMP_WITHIN},
    {"이전", RAG_CMP_BEFORE},
    {"전까지", RAG_CMP_BEFORE},
    {"전에", RAG_CMP_BEFORE},
    {"전", RAG_CMP_BEFORE},
    {"이후", RAG_CMP_AFTER},
    {"후에", RAG_CMP_AFTER},
    {"뒤에", RAG_CMP_AFTER},
    {"후", RAG_CMP_AFTER},
    {"뒤", RAG_CMP_AFTER},
    {"까지", RAG_CMP_UNTIL},
    {"부터", RAG_CMP_FROM},
    {"or more", RAG_CMP_AT_LEAST},
    {"and more", RAG_CMP_AT_LEAST},
    {"or over", RAG_CMP_AT_LEAST},
    {"and over", RAG_CMP_AT_LEAST},
    {"or above", RAG_CMP_AT_LEAST},
    {"or under", RAG_CMP_AT_MOST},
    {"or less", RAG_CMP_AT_MOST},
    {"or fewer", RAG_CMP_AT_MOST},
    {"or older", RAG_CMP_AT_LEAST},
    {"or later", RAG_CMP_AFTER},
    {"or earlier", RAG_CMP_BEFORE},
    {"before", RAG_CMP_BEFORE},
    {"after", RAG_CMP_AFTER},
};

/* Before an English number; longer ones first. */
static const comparison CMP_FRONT[] = {
    {"no more than", RAG_CMP_AT_MOST},
    {"not more than", RAG_CMP_AT_MOST},
    {"no less than", RAG_CMP_AT_LEAST},
    {"not less than", RAG_CMP_AT_LEAST},
    {"no later than", RAG_CMP_UNTIL},
    {"no fewer than", RAG_CMP_AT_LEAST},
    {"a maximum of", RAG_CMP_AT_MOST},
    {"a minimum of", RAG_CMP_AT_LEAST},
    {"at least", RAG_CMP_AT_LEAST},
    {"at most", RAG_CMP_AT_MOST},
    {"up to", RAG_CMP_AT_MOST},
    {"more than", RAG_CMP_MORE},
    {"less than", RAG_CMP_LESS},
    {"fewer than", RAG_CMP_LESS},
    {"greater than", RAG_CMP_MORE},
    {"exceeding", RAG_CMP_MORE},
    {"exceeds", RAG_CMP_MORE},
    {"over", RAG_CMP_MORE},
    {"above", RAG_CMP_MORE},
    {"under", RAG_CMP_LESS},
    {"below", RAG_CMP_LESS},
    {"within", RAG_CMP_WITHIN},
    {"before", RAG_CMP_BEFORE},
    {"after", RAG_CMP_AFTER},
    {"until", RAG_CMP_UNTIL},
    {"till", RAG_CMP_UNTIL},
    {"by", RAG_CMP_UNTIL},
    {"since", RAG_CMP_FROM},
    {"from", RAG_CMP_FROM},
    {"최대", RAG_CMP_AT_MOST},
    {"최소", RAG_CMP_AT_LEAST},
    {"최고", RAG_CMP_AT_MOST},
};

static uint8_t compare_behind(const char *s, size_t i, size_t n) {
    size_t at = skip_spaces(s, i, n);
    if (at > i + 1)
        return RAG_CMP_NONE;
    for (size_t k = 0; k < sizeof CMP_BEHIND / sizeof CMP_BEHIND[0]; k++)
        if (starts(s + at, n - at, CMP_BEHIND[k].text))
            return CMP_BEHIND[k].what;
    return RAG_CMP_NONE;
}

static uint8_t compare_front(const char *s, size_t i) {
    while (i && s[i - 1] == ' ')
        i--;
    for (size_t k = 0; k < sizeof CMP_FRONT / sizeof CMP_FRONT[0]; k++) {
        size_t len = strlen(CMP_FRONT[k].text);
        if (ends_at(s, i, CMP_FRONT[k].text) &&
            (len == i || !is_alpha(s[i - len - 1])))
            return CMP_FRONT[k].what;
    }
    return RAG_CMP_NONE;
}

/* ---- values ------------------------------------------------------------------ */

/* A decimal: m * 10^exp; false past 18 digits. */
typedef struct decimal {
    uint64_t m;
    int exp;
} decimal;

/* Reads digits with "," between groups of three and a decimal part. */
static size_t read_decimal(const char *s, size_t i, size_t n, decimal *d,
                           bool *exact) {
    size_t from = i, digits = 0;
    *d = (decimal){0, 0};
    *exact = true;
    while (i < n) {
        if (is_digit(s[i])) {
            if (++digits > 18)
                *exact = false;
            else
                d->m = d->m * 10 + (uint64_t)(s[i] - '0');
            i++;
        } else if (s[i] == ',' && i > from && i + 3 < n + 0 &&
                   is_digit(s[i + 1]) && is_digit(s[i + 2]) &&
                   is_digit(s[i + 3]) && !(i + 4 < n && is_digit(s[i + 4]))) {
            i++;
        } else {
            break;
        }
    }
    if (i + 1 < n && s[i] == '.' && is_digit(s[i + 1])) {
        i++;
        while (i < n && is_digit(s[i])) {
            if (++digits > 18) {
                *exact = false;
            } else {
                d->m = d->m * 10 + (uint64_t)(s[i] - '0');
                d->exp--;
            }
            i++;
        }
    }
    return i;
}

static bool times_ten(decimal *d, int power) {
    d->exp += power;
    while (d->exp > 0) {
        if (d->m > UINT64_MAX / 10)
            return false;
        d->m *= 10;
        d->exp--;
    }
    return true;
}

static bool add(decimal *a, decimal b) {
    if (a->exp != 0 || b.exp != 0 || a->m > UINT64_MAX - b.m)
        return false;
    a->m += b.m;
    return true;
}

static void write_value(const decimal *d, char out[40]) {
    decimal v = *d;
    while (v.exp < 0 && v.m % 10 == 0) {
        v.m /= 10;
        v.exp++;
    }
    if (v.exp >= 0) {
        snprintf(out, 40, "%llu", (unsigned long long)v.m);
        return;
    }
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%0*llu", -v.exp + 1,
                     (unsigned long long)v.m);
    snprintf(out, 40, "%.*s.%s", n + v.exp, digits, digits + n + v.exp);
}

/* Power of ten of the Korean magnitudes at s ("천만": 7); bytes or 0. */
static size_t korean_magnitude(const char *s, size_t n, int *power) {
    static const struct {
        const char *text;
        int power;
        bool big;
    } M[] = {{"십", 1, false}, {"백", 2, false}, {"천", 3, false},
             {"만", 4, true},  {"억", 8, true},  {"조", 12, true}};
    size_t i = 0;
    bool big = false;
    *power = 0;
    for (;;) {
        size_t k = 0;
        while (k < 6 && !starts(s + i, n - i, M[k].text))
            k++;
        if (k == 6 || (big && !M[k].big) || (big && M[k].big))
            break;
        /* "3조" is an article more often than a trillion: only before
         * another word of money. */
        if (M[k].power == 12 && !starts(s + i + 3, n - i - 3, "원") &&
            !starts(s + i + 3, n - i - 3, " 원") &&
            !(i + 4 < n && s[i + 3] == ' ' && is_digit(s[i + 4])))
            break;
        *power += M[k].power;
        big = M[k].big;
        i += 3;
    }
    return i;
}

static size_t english_magnitude(const char *s, size_t n, int *power) {
    static const struct {
        const char *text;
        int power;
    } M[] = {{"hundred", 2},
             {"thousand", 3},
             {"million", 6},
             {"billion", 9},
             {"trillion", 12}};
    size_t sp = skip_spaces(s, 0, n);
    for (size_t k = 0; k < 5; k++) {
        size_t len = strlen(M[k].text);
        if (sp <= 1 && starts(s + sp, n - sp, M[k].text) &&
            !(sp + len < n && is_alpha(s[sp + len]))) {
            *power = M[k].power;
            return sp + len;
        }
    }
    return 0;
}

/* Magnitudes behind a number: multiplied in, further parts added ("1억
 * 2,000만"). Returns where they end. */
static size_t read_magnitudes(const char *s, size_t i, size_t n, decimal *d,
                              bool *exact) {
    int power = 0;
    size_t k = korean_magnitude(s + i, n - i, &power);
    if (!k) {
        k = english_magnitude(s + i, n - i, &power);
        if (k && !times_ten(d, power))
            *exact = false;
        return i + k;
    }
    if (!times_ten(d, power))
        *exact = false;
    i += k;
    while (*exact && power > 0) {
        size_t at = skip_spaces(s, i, n);
        if (at >= n || at > i + 1 || !is_digit(s[at]))
            break;
        decimal more;
        bool ok;
        int next = 0;
        size_t e = read_decimal(s, at, n, &more, &ok);
        k = korean_magnitude(s + e, n - e, &next);
        /* A smaller part: "3만 5천", "1만 2000" before a unit. */
        if (!ok || next >= power || (!k && !starts(s + e, n - e, "원")))
            break;
        if (!times_ten(&more, next) || !add(d, more)) {
            *exact = false;
            break;
        }
        i = e + k;
        power = next;
    }
    return i;
}

/* ---- one number ------------------------------------------------------------------ */

static void set_unit(rag_number *x, const char *name, const char *text,
                     size_t len) {
    snprintf(x->unit, sizeof x->unit, "%s", name);
    if (len >= sizeof x->unit_text)
        len = sizeof x->unit_text - 1;
    memcpy(x->unit_text, text, len);
    x->unit_text[len] = '\0';
}

static size_t read_unit(const char *s, size_t i, size_t n, rag_number *x) {
    size_t at = skip_spaces(s, i, n), best = 0;
    if (at > i + 1 || at >= n)
        return i;
    if (s[at] == '-' && at == i)
        at++; /* "30-day" */
    for (size_t k = 0; k < sizeof KOREAN_UNITS / sizeof KOREAN_UNITS[0]; k++) {
        const unit *u = &KOREAN_UNITS[k];
        size_t len = strlen(u->text);
        if (len <= best || !starts(s + at, n - at, u->text))
            continue;
        /* Behind a space only a unit that stands for itself: "3 분", "3
         * 분은" but not "3 인사팀". */
        if (at > i && len == 3 && !word_ends(s + at + len, n - at - len))
            continue;
        best = len;
        set_unit(x, u->name, s + at, len);
    }
    /* "10여 명": the unit comes after. */
    if (best && strcmp(x->unit, "odd") == 0) {
        x->compare = RAG_CMP_ABOUT;
        x->unit[0] = '\0';
        return read_unit(s, at + best, n, x);
    }
    if (best)
        return at + best;
    for (size_t k = 0; k < sizeof LATIN_UNITS / sizeof LATIN_UNITS[0]; k++) {
        const unit *u = &LATIN_UNITS[k];
        size_t len = strlen(u->text);
        if (len <= best || !starts(s + at, n - at, u->text))
            continue;
        bool word = is_alpha(u->text[len - 1]);
        if (word && at + len < n && is_alnum(s[at + len]))
            continue;
        /* "3 a day", "5 m": one letter counts only when attached. */
        if (at > i && word && len <= 2 && s[at - 1] == ' ' &&
            (len == 1 || strcmp(u->name, "ord") == 0))
            continue;
        best = len;
        set_unit(x, u->name, s + at, len);
    }
    return best ? at + best : i;
}

static void read_currency(const char *s, size_t i, rag_number *x) {
    size_t at = i;
    if (at && s[at - 1] == ' ')
        at--;
    for (size_t k = 0; k < sizeof CURRENCY / sizeof CURRENCY[0]; k++)
        if (ends_at(s, at, CURRENCY[k].text)) {
            size_t len = strlen(CURRENCY[k].text);
            if (is_alpha(CURRENCY[k].text[0]) && at > len &&
                is_alpha(s[at - len - 1]))
                continue;
            set_unit(x, CURRENCY[k].name, CURRENCY[k].text, len);
            x->start = at - len;
            return;
        }
}

static void read_half(const char *s, size_t from, size_t to, size_t n,
                      rag_number *x) {
    size_t i = from;
    while (i && s[i - 1] == ' ')
        i--;
    if (ends_at(s, i, "오전") || ends_at(s, i, "새벽") || ends_at(s, i, "아침"))
        x->half = 1;
    else if (ends_at(s, i, "오후") || ends_at(s, i, "저녁") ||
             ends_at(s, i, "밤"))
        x->half = 2;
    size_t at = skip_spaces(s, to, n);
    if (starts(s + at, n - at, "am") || starts(s + at, n - at, "a.m"))
        x->half = 1;
    else if (starts(s + at, n - at, "pm") || starts(s + at, n - at, "p.m"))
        x->half = 2;
}

static rag_number *new_number(rag_facts *f) {
    if (f->nnumbers == RAG_FACT_NUMBERS_MAX) {
        f->full = true;
        return NULL;
    }
    rag_number *x = &f->number[f->nnumbers++];
    memset(x, 0, sizeof *x);
    return x;
}

/* Copies a code without spaces, hyphens and slashes of phone numbers. */
static void set_code(rag_number *x, const char *s, size_t from, size_t to,
                     bool keep_marks) {
    size_t k = 0;
    for (size_t i = from; i < to && k < sizeof x->value - 1; i++)
        if (keep_marks || (s[i] != '-' && s[i] != '_'))
            x->value[k++] = s[i];
    x->value[k] = '\0';
    x->kind = RAG_NUMBER_CODE;
}

/* End of the unbroken run of letters, digits and what joins them. */
static size_t joined_end(const char *s, size_t i, size_t n) {
    while (i < n) {
        if (is_alnum(s[i]))
            i++;
        else if (strchr("-_./:@", s[i]) && i + 1 < n && is_alnum(s[i + 1]))
            i++;
        else
            break;
    }
    return i;
}

/* What a run of letters and digits is made of. */
typedef struct shape {
    bool letters;
    unsigned groups[8]; /* lengths of its groups of digits */
    unsigned n;
    char mark; /* what joins them, '?' when mixed */
} shape;

static shape shape_of(const char *s, size_t from, size_t to) {
    shape h = {.n = 0};
    unsigned run = 0;
    for (size_t i = from; i <= to; i++) {
        char c = i < to ? s[i] : '\0';
        if (is_digit(c)) {
            run++;
            continue;
        }
        if (run) {
            if (h.n < 8)
                h.groups[h.n] = run;
            h.n++;
            run = 0;
        }
        if (is_alpha(c) || c == '@' || c == '_')
            h.letters = true;
        else if (c && h.mark && h.mark != c)
            h.mark = '?';
        else if (c)
            h.mark = c;
    }
    return h;
}

static void add_date_part(rag_facts *f, const char *s, size_t from, size_t to,
                          const char *name, bool follows) {
    rag_number *x = new_number(f);
    if (!x)
        return;
    while (from + 1 < to && s[from] == '0')
        from++;
    x->start = from;
    x->end = to;
    snprintf(x->value, sizeof x->value, "%.*s", (int)(to - from), s + from);
    snprintf(x->unit, sizeof x->unit, "%s", name);
    x->follows = follows;
}

/* 2026-03-01, 2026.3.1, 2026/03/01 */
static bool read_joined_date(rag_facts *f, const char *s, size_t from,
                             size_t to, const shape *h) {
    static const char *const NAME[] = {"year", "mon", "day"};
    if (h->letters || h->n != 3 || h->groups[0] != 4 || h->groups[1] > 2 ||
        h->groups[2] > 2 ||
        !(h->mark == '-' || h->mark == '.' || h->mark == '/'))
        return false;
    size_t i = from;
    for (int k = 0; k < 3; k++) {
        size_t e = i;
        while (e < to && is_digit(s[e]))
            e++;
        add_date_part(f, s, i, e, NAME[k], k > 0);
        i = e + 1;
    }
    return true;
}

static void finish_number(rag_facts *f, rag_number *x, size_t from,
                          size_t end) {
    const char *s = f->text.data;
    size_t n = f->text.len;
    if (!x->unit[0])
        read_currency(s, from, x);
    size_t e = read_unit(s, end, n, x);
    read_half(s, from, e, n, x);
    if (!x->compare)
        x->compare = compare_behind(s, e, n);
    if (!x->compare)
        x->compare = compare_front(s, x->start);
    x->end = e;
}

/* Reads what begins at i (a digit, or a letter of a code); its end. */
static size_t read_number(rag_facts *f, size_t i) {
    const char *s = f->text.data;
    size_t n = f->text.len;
    size_t end = joined_end(s, i, n);
    shape h = shape_of(s, i, end);
    rag_number *x;
    if (read_joined_date(f, s, i, end, &h))
        return end;
    decimal d;
    bool exact = true;
    size_t e = read_decimal(s, i, n, &d, &exact);
    /* Digits with a unit of letters: "10gb", "30-day", "5pm", "1st". */
    if (h.letters && is_digit(s[i]) && h.n == 1 + (s[i + h.groups[0]] == '.')) {
        rag_number probe = {0};
        size_t u = read_unit(s, e, n, &probe);
        bool half = starts(s + e, n - e, "am") || starts(s + e, n - e, "pm");
        if (u != end && !half && !starts(s + u, end - u, "-old"))
            goto code;
    } else if (h.letters) {
        goto code;
    }
    if (!h.letters && h.n >= 2 && h.mark == ':' && h.groups[0] <= 2) {
        if (!(x = new_number(f)))
            return end;
        x->start = i;
        x->kind = RAG_NUMBER_TIME;
        size_t from = s[i] == '0' && h.groups[0] == 2 ? i + 1 : i;
        snprintf(x->value, sizeof x->value, "%.*s", (int)(end - from),
                 s + from);
        finish_number(f, x, i, end);
        return x->end;
    }
    if (!h.letters && h.n == 2 && h.mark == '-' && h.groups[0] <= 3 &&
        h.groups[1] <= 3) { /* a range: 3-5 */
        for (int k = 0; k < 2; k++) {
            if (!(x = new_number(f)))
                return end;
            size_t to = k ? end : i + h.groups[0];
            x->start = i;
            (void)read_decimal(s, i, to, &d, &exact);
            write_value(&d, x->value);
            x->range = k > 0;
            if (k)
                finish_number(f, x, i, end);
            else
                x->end = to;
            i = to + 1;
        }
        return f->number[f->nnumbers - 1].end;
    }
    if (!h.letters && h.n >= 2 && e < end && s[e] != ':' && s[e] != ',')
        goto code; /* phone numbers, versions, fractions */
    if (!(x = new_number(f)))
        return e;
    x->start = i;
    size_t digits = e - i;
    e = read_magnitudes(s, e, n, &d, &exact);
    if (!exact || (s[i] == '0' && digits > 2 && is_digit(s[i + 1])))
        set_code(x, s, i, e, false); /* 0123 is no number to count with */
    else
        write_value(&d, x->value);
    if (i && s[i - 1] == '-' &&
        (i == 1 || s[i - 2] == ' ' || s[i - 2] == '(')) {
        char v[40];
        snprintf(v, sizeof v, "-%.38s", x->value);
        memcpy(x->value, v, sizeof v);
    }
    finish_number(f, x, i, e);
    return x->end > i ? x->end : e;
code:
    if (!(x = new_number(f)))
        return end;
    x->start = i;
    set_code(x, s, i, end, h.mark == '/' || h.mark == '.' || h.mark == '?');
    x->end = end;
    return end;
}

static size_t read_month(rag_facts *f, size_t i) {
    const char *s = f->text.data;
    for (int m = 0; m < 12; m++) {
        size_t len = strlen(MONTHS[m]);
        if (!starts(s + i, f->text.len - i, MONTHS[m]) ||
            (i + len < f->text.len && is_alnum(s[i + len])))
            continue;
        /* "may" is a verb unless a number is beside it. */
        size_t after = skip_spaces(s, i + len, f->text.len);
        bool number = (after < f->text.len && is_digit(s[after])) ||
                      (i >= 2 && s[i - 1] == ' ' && is_digit(s[i - 2]));
        if (m == 4 && !number)
            return 0;
        rag_number *x = new_number(f);
        if (!x)
            return i + len;
        x->start = i;
        x->end = i + len;
        snprintf(x->value, sizeof x->value, "%d", m + 1);
        snprintf(x->unit, sizeof x->unit, "mon");
        x->compare = compare_front(s, i);
        return i + len;
    }
    return 0;
}

void rag_numbers_scan(rag_facts *f) {
    const char *s = f->text.data;
    size_t n = f->text.len;
    for (size_t i = 0; i < n;) {
        if (is_digit(s[i])) {
            size_t e = read_number(f, i);
            i = e > i ? e : i + 1;
        } else if (is_alpha(s[i])) {
            size_t e = read_month(f, i);
            if (!e) {
                e = joined_end(s, i, n);
                shape h = shape_of(s, i, e);
                if (h.n > 0)
                    e = read_number(f, i);
                else /* letters only: words are looked at elsewhere */
                    for (e = i; e < n && is_alpha(s[e]);)
                        e++;
            }
            i = e > i ? e : i + 1;
        } else {
            i++;
        }
        if (f->full)
            return;
    }
    rag_numbers_link(f);
}
