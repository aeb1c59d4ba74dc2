/*
 * meta.c - what documents say about themselves, and handing them on.
 *
 * Names of fields in English and Korean, dates as people write them, and the
 * one place where a document gets its hash. Called by the readers of the
 * formats; no state.
 */
#include "ingest/ingest_int.h"

#include "base/file.h"
#include "base/unicode.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_MAX 400 /* bytes of a title */
#define FIELD_MAX 2048 /* bytes of any other field */
#define QUESTION_MAX 4096 /* bytes of one question */
#define QUESTIONS_MAX 256 /* variants of one FAQ */

static const struct {
    const char *name; /* folded: lower case, no spaces, "-" or "_" */
    rag_meta_key key;
} META_NAMES[] = {
    {"title", RAG_META_TITLE},
    {"제목", RAG_META_TITLE},
    {"id", RAG_META_ID},
    {"문서id", RAG_META_ID},
    {"번호", RAG_META_ID},
    {"lang", RAG_META_LANG},
    {"language", RAG_META_LANG},
    {"언어", RAG_META_LANG},
    {"url", RAG_META_URL},
    {"link", RAG_META_URL},
    {"링크", RAG_META_URL},
    {"주소", RAG_META_URL},
    {"category", RAG_META_CATEGORY},
    {"분류", RAG_META_CATEGORY},
    {"카테고리", RAG_META_CATEGORY},
    {"구분", RAG_META_CATEGORY},
    {"validfrom", RAG_META_VALID_FROM},
    {"effectivedate", RAG_META_VALID_FROM},
    {"effectivefrom", RAG_META_VALID_FROM},
    {"effective", RAG_META_VALID_FROM},
    {"시행일", RAG_META_VALID_FROM},
    {"시행일자", RAG_META_VALID_FROM},
    {"적용일", RAG_META_VALID_FROM},
    {"유효시작일", RAG_META_VALID_FROM},
    {"시작일", RAG_META_VALID_FROM},
    {"validuntil", RAG_META_VALID_UNTIL},
    {"validto", RAG_META_VALID_UNTIL},
    {"expires", RAG_META_VALID_UNTIL},
    {"expirydate", RAG_META_VALID_UNTIL},
    {"expirationdate", RAG_META_VALID_UNTIL},
    {"effectiveuntil", RAG_META_VALID_UNTIL},
    {"만료일", RAG_META_VALID_UNTIL},
    {"종료일", RAG_META_VALID_UNTIL},
    {"폐지일", RAG_META_VALID_UNTIL},
    {"유효종료일", RAG_META_VALID_UNTIL},
    {"question", RAG_META_QUESTION},
    {"질문", RAG_META_QUESTION},
    {"answer", RAG_META_ANSWER},
    {"답변", RAG_META_ANSWER},
    {"답", RAG_META_ANSWER},
    {"variants", RAG_META_VARIANTS},
    {"variant", RAG_META_VARIANTS},
    {"유사질문", RAG_META_VARIANTS},
    {"동의질문", RAG_META_VARIANTS},
};

static void fold_name(const char *name, size_t n, char *out, size_t cap) {
    size_t k = 0;
    for (size_t i = 0; i < n && k + 1 < cap; i++) {
        unsigned char c = (unsigned char)name[i];
        if (isspace(c) || c == '-' || c == '_')
            continue;
        out[k++] = (char)(c < 0x80 ? tolower(c) : c);
    }
    out[k] = '\0';
}

rag_meta_key rag_meta_key_of(const char *name, size_t n) {
    rag_buf nfc;
    rag_buf_init(&nfc, 4096);
    char folded[64];
    /* A name from a file made on a Mac is decomposed. */
    if (n < 256 && !rag_unicode_nfc(name, n, &nfc, NULL))
        fold_name(rag_buf_str(&nfc), nfc.len, folded, sizeof folded);
    else
        folded[0] = '\0';
    rag_buf_free(&nfc);
    for (size_t i = 0; i < sizeof META_NAMES / sizeof *META_NAMES; i++)
        if (!strcmp(folded, META_NAMES[i].name))
            return META_NAMES[i].key;
    return RAG_META_NONE;
}

bool rag_meta_is_strict(const char *name, size_t n) {
    char folded[64];
    fold_name(name, n, folded, sizeof folded);
    return !strcmp(folded, "validfrom") || !strcmp(folded, "validuntil");
}

/* "1 March 2026", "March 1, 2026" to numbers. */
static bool english_date(const char *s, int *y, int *m, int *d) {
    static const char MONTHS[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    char month[16];
    int used = 0;
    if (sscanf(s, "%2d %15[A-Za-z]%*1[., ] %4d%n", d, month, y, &used) != 3 &&
        sscanf(s, "%2d %15[A-Za-z] %4d%n", d, month, y, &used) != 3 &&
        sscanf(s, "%15[A-Za-z]%*1[. ]%2d, %4d%n", month, d, y, &used) != 3)
        return false;
    if (strlen(month) < 3 || s[used] != '\0')
        return false;
    for (int i = 0; i < 3; i++)
        month[i] = (char)tolower((unsigned char)month[i]);
    for (int i = 0; i < 12; i++)
        if (!strncmp(MONTHS + (size_t)i * 3, month, 3)) {
            *m = i + 1;
            return true;
        }
    return false;
}

/* Three numbers in the order year, month, day with anything of .-/ 년월일
 * and spaces between and behind them. */
static bool numeric_date(const char *s, int *y, int *m, int *d) {
    int *to[3] = {y, m, d};
    const char *p = s;
    for (int i = 0; i < 3; i++) {
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > 4 || (i == 0 && digits != 4) ||
            (i > 0 && digits > 2))
            return false;
        *to[i] = (int)strtol(p, NULL, 10);
        p += digits;
        for (;;) {
            if (*p && strchr(" .-/", *p))
                p++;
            else if (rag_str_starts(p, "년") || rag_str_starts(p, "월") ||
                     rag_str_starts(p, "일"))
                p += 3;
            else
                break;
        }
    }
    return *p == '\0';
}

int rag_meta_time(const char *s, size_t n, bool end_of_day, int64_t *out,
                  rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, 4096);
    int rc = n > 200 ? RAG_E_DATA : rag_unicode_clean(s, n, &b, NULL);
    long long t = 0;
    const char *v = rag_buf_str(&b);
    int y, m, d;
    char iso[40];
    if (!rc && (rc = rag_str_to_time(v, end_of_day, &t, NULL)) != 0) {
        bool ok = strspn(v, "0123456789") == 8 && b.len == 8 &&
                  sscanf(v, "%4d%2d%2d", &y, &m, &d) == 3;
        if (ok || numeric_date(v, &y, &m, &d) || english_date(v, &y, &m, &d)) {
            snprintf(iso, sizeof iso, "%04d-%02d-%02d", y, m, d);
            rc = rag_str_to_time(iso, end_of_day, &t, NULL);
        }
    }
    if (rc)
        rc = rag_error_set(err, RAG_E_DATA,
                           "\"%.60s\" is no date (write it as 2026-03-01)", v);
    else
        *out = (int64_t)t;
    rag_buf_free(&b);
    return rc;
}

static int set_clean(char **field, const char *v, size_t n, size_t max,
                     rag_error *err) {
    rag_buf b;
    rag_buf_init(&b, 0);
    int rc = rag_unicode_clean(v, n, &b, err);
    if (!rc && b.len > 0) {
        size_t keep = rag_utf8_floor(b.data, b.len, b.len < max ? b.len : max);
        char *copy;
        if (!(rc = rag_str_dup_n(b.data, keep, &copy, err))) {
            free(*field);
            *field = copy;
        }
    }
    rag_buf_free(&b);
    return rc;
}

/* An id or address: as it came, but for white space around it. */
static int set_exact(char **field, const char *name, const char *v, size_t n,
                     rag_error *err) {
    while (n > 0 && (unsigned char)v[0] <= ' ')
        v++, n--;
    while (n > 0 && (unsigned char)v[n - 1] <= ' ')
        n--;
    if (n > FIELD_MAX)
        return rag_error_set(err, RAG_E_LIMIT, "its %s is over %d bytes long",
                             name, FIELD_MAX);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)v[i] < ' ' || v[i] == 0x7F)
            return rag_error_set(err, RAG_E_DATA,
                                 "its %s holds a control character", name);
    char *copy;
    if (n == 0)
        return RAG_OK;
    int rc = rag_str_dup_n(v, n, &copy, err);
    if (rc)
        return rc;
    free(*field);
    *field = copy;
    return RAG_OK;
}

int rag_document_set(rag_document *doc, rag_meta_key key, const char *v,
                     size_t n, rag_error *err) {
    if (n == 0)
        return RAG_OK;
    switch (key) {
    case RAG_META_TITLE:
        return set_clean(&doc->title, v, n, TITLE_MAX, err);
    case RAG_META_ID:
        return set_exact(&doc->id, "id", v, n, err);
    case RAG_META_LANG:
        return set_clean(&doc->lang, v, n, 16, err);
    case RAG_META_URL:
        return set_exact(&doc->url, "url", v, n, err);
    case RAG_META_CATEGORY:
        return set_clean(&doc->category, v, n, TITLE_MAX, err);
    case RAG_META_VALID_FROM:
        return rag_meta_time(v, n, false, &doc->valid_from, err);
    case RAG_META_VALID_UNTIL:
        return rag_meta_time(v, n, true, &doc->valid_until, err);
    default:
        return RAG_OK;
    }
}

int rag_document_add_question(rag_document *doc, const char *s, size_t n,
                              rag_error *err) {
    char *q = NULL;
    if (n > QUESTION_MAX)
        return rag_error_set(err, RAG_E_LIMIT,
                             "a question is over %d bytes long", QUESTION_MAX);
    int rc = set_clean(&q, s, n, QUESTION_MAX, err);
    if (rc || !q)
        return rc;
    for (size_t i = 0; i < doc->nquestions; i++)
        if (!strcmp(doc->questions[i], q)) {
            free(q);
            return RAG_OK;
        }
    if (doc->nquestions == QUESTIONS_MAX) {
        free(q);
        return rag_error_set(err, RAG_E_LIMIT, "it has over %d variants",
                             QUESTIONS_MAX);
    }
    char **v = realloc(doc->questions, (doc->nquestions + 1) * sizeof *v);
    if (!v) {
        free(q);
        return rag_error_set(err, RAG_E_NOMEM, "no memory for questions");
    }
    doc->questions = v;
    v[doc->nquestions++] = q;
    return RAG_OK;
}

void rag_source_problem(const rag_source *src, size_t line, rag_code code,
                        const char *fmt, ...) {
    rag_error e;
    va_list ap;
    va_start(ap, fmt);
    char text[RAG_ERROR_MESSAGE_MAX];
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rag_error_set(&e, code, "%s", text); /* cuts at a character */
    src->on_problem(src->user, src->path, line, code, e.message);
}

static int set_default(char **field, const char *value, rag_error *err) {
    return *field ? RAG_OK : rag_str_dup(value ? value : "", field, err);
}

/* The file's name without folder and extension. */
static int title_from_path(rag_document *doc, const char *path,
                           rag_error *err) {
    const char *base = rag_path_base(path);
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    return set_clean(&doc->title, base, n, TITLE_MAX, err);
}

static void add_field(rag_hasher *h, const char *s) {
    rag_hasher_field(h, s ? s : "", s ? strlen(s) : 0);
}

/* Hash of all that came from the source; not of id, source and root, so that
 * a file that moved is known again. */
static int hash_document(rag_document *doc, rag_error *err) {
    rag_hasher *h = rag_hasher_new();
    if (!h)
        return rag_error_set(err, RAG_E_NOMEM, "no memory for a hash");
    int64_t numbers[3] = {doc->kind, doc->valid_from, doc->valid_until};
    rag_hasher_field(h, numbers, sizeof numbers);
    add_field(h, doc->title);
    rag_hasher_field(h, doc->text, doc->text_len);
    add_field(h, doc->lang);
    add_field(h, doc->collection);
    add_field(h, doc->url);
    add_field(h, doc->category);
    for (size_t i = 0; i < doc->nquestions; i++)
        add_field(h, doc->questions[i]);
    rag_hasher_end(h, &doc->hash);
    return RAG_OK;
}

/* True when s holds nothing but white space and characters without width. */
static bool is_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += rag_utf8_next(s + i, n - i, &cp);
        bool nothing = cp < 0x21 || cp == 0xFEFF || cp == 0x200B ||
                       rag_unicode_class(cp) == RAG_CHAR_SPACE;
        if (!nothing)
            return false;
    }
    return true;
}

int rag_document_emit(const rag_source *src, rag_document *doc, size_t line,
                      rag_error *err) {
    int rc = RAG_OK;
    if (!doc->text || is_blank(doc->text, doc->text_len)) {
        rag_source_problem(src, line, RAG_E_DATA, "it holds no text");
        goto out;
    }
    if (doc->text_len > RAG_INGEST_TEXT_MAX) {
        rag_source_problem(src, line, RAG_E_LIMIT,
                           "its text is over the limit of %zu MiB",
                           RAG_INGEST_TEXT_MAX >> 20);
        goto out;
    }
    if (!doc->title && doc->nquestions > 0)
        rc = rag_str_dup(doc->questions[0], &doc->title, err);
    else if (!doc->title && doc->kind == RAG_DOC_TEXT && line == 0)
        rc = title_from_path(doc, src->path, err);
    if (!rc)
        rc = set_default(&doc->title, "", err);
    if (!rc)
        rc = set_default(&doc->id, src->path, err);
    if (!rc)
        rc = rag_str_dup(src->path, &doc->source, err);
    if (!rc)
        rc = rag_str_dup(src->root, &doc->root, err);
    if (!rc)
        rc = set_default(&doc->collection, src->opt->collection, err);
    if (!rc)
        rc = set_default(&doc->url, "", err);
    if (!rc)
        rc = set_default(&doc->category, "", err);
    if (!rc)
        rc = set_default(&doc->lang, rag_unicode_lang(doc->text, doc->text_len),
                         err);
    if (!rc)
        rc = hash_document(doc, err);
    if (!rc)
        rc = src->on_document(src->user, doc);
out:
    rag_document_free(doc);
    return rc;
}
