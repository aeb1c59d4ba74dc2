/*
 * decode.c - bytes of a file to UTF-8.
 *
 * Order of trust: a byte order mark; valid UTF-8; the look of UTF-16 without
 * a mark; what an HTML page declares; a strict reading as CP949 whose result
 * looks like Korean; uchardet; Windows-1252. Conversions are strict: a
 * charset that does not fit to the last byte is not the right one.
 * No state; called by read.c and the fuzz targets.
 */
#include "ingest/ingest_int.h"

#include "base/unicode.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <uchardet/uchardet.h>

/* How many bytes are looked at to tell text from data, and charsets apart. */
#define SNIFF_MAX ((size_t)256 << 10)

static int too_long(size_t max, rag_error *err) {
    return rag_error_set(err, RAG_E_LIMIT,
                         "its text is over the limit of %zu MiB", max >> 20);
}

/* Strict conversion; RAG_E_DATA when a byte does not fit. */
static int convert(const char *charset, const char *bytes, size_t n, size_t max,
                   rag_buf *out, rag_error *err) {
    iconv_t cd = iconv_open("UTF-8", charset);
    if (cd == (iconv_t)-1)
        return rag_error_set(err, RAG_E_UNSUPPORTED, "unknown charset \"%s\"",
                             charset);
    size_t before = out->len;
    char *in = (char *)(uintptr_t)bytes; /* iconv does not write to it */
    size_t left = n;
    int rc = RAG_OK;
    while (!rc && left > 0) {
        size_t room = left + left / 2 + 64;
        if (room > 1u << 20)
            room = 1u << 20;
        if ((rc = rag_buf_reserve(out, room, err)))
            break;
        char *to = out->data + out->len;
        size_t to_left = room;
        size_t r = iconv(cd, &in, &left, &to, &to_left);
        int e = errno;
        out->len += room - to_left;
        out->data[out->len] = '\0';
        if (out->len - before > max)
            rc = too_long(max, err);
        else if (r == (size_t)-1 && e != E2BIG)
            rc = rag_error_set(err, RAG_E_DATA,
                               "byte %zu does not fit the charset %s", n - left,
                               charset);
    }
    iconv_close(cd);
    if (rc) {
        out->len = before;
        if (out->data)
            out->data[before] = '\0';
    }
    return rc;
}

/* Control characters that no text holds, among s[0..n) in UTF-8. */
static bool has_controls(const char *s, size_t n) {
    size_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == 0)
            return true;
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' &&
             c != '\v' && c != 0x1B && c != '\b') ||
            c == 0x7F)
            bad++;
    }
    return bad > 4 && bad > n / 2000;
}

/* Checks and cleans up what a conversion gave: text, not data. */
static int accept_text(rag_buf *out, size_t before, rag_error *err) {
    if (has_controls(out->data ? out->data + before : "", out->len - before)) {
        out->len = before;
        if (out->data)
            out->data[before] = '\0';
        return rag_error_set(err, RAG_E_DATA, "it holds binary data, not text");
    }
    return RAG_OK;
}

/* The charset that a byte order mark names; *skip its length. */
static const char *from_mark(const unsigned char *b, size_t n, size_t *skip) {
    *skip = 3;
    if (n >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF)
        return "UTF-8";
    *skip = 4;
    if (n >= 4 && b[0] == 0xFF && b[1] == 0xFE && !b[2] && !b[3])
        return "UTF-32LE";
    if (n >= 4 && !b[0] && !b[1] && b[2] == 0xFE && b[3] == 0xFF)
        return "UTF-32BE";
    *skip = 2;
    if (n >= 2 && b[0] == 0xFF && b[1] == 0xFE)
        return "UTF-16LE";
    if (n >= 2 && b[0] == 0xFE && b[1] == 0xFF)
        return "UTF-16BE";
    *skip = 0;
    return NULL;
}

/*
 * UTF-16 without a mark: line ends, spaces and digits put a zero in every
 * other byte, nearly always on the same side (a syllable such as U+AC00 has
 * one on the other).
 */
static const char *looks_utf16(const unsigned char *b, size_t n) {
    if (n < 8 || n % 2)
        return NULL;
    size_t zero[2] = {0, 0}, seen = n < 4096 ? n : 4096;
    for (size_t i = 0; i < seen; i++)
        if (b[i] == 0)
            zero[i % 2]++;
    if (zero[1] > seen / 20 && zero[0] * 8 < zero[1])
        return "UTF-16LE";
    if (zero[0] > seen / 20 && zero[1] * 8 < zero[0])
        return "UTF-16BE";
    return NULL;
}

/*
 * Strict shape of CP949 text whose double bytes are the syllables in common
 * use (KS X 1001 rows 16-40) or its symbols: what Windows-1252 or a Chinese
 * text, read so, does not give.
 */
static bool looks_cp949(const unsigned char *b, size_t n) {
    size_t pairs = 0, common = 0, hangul = 0, end = n;
    if (end > SNIFF_MAX)
        end = SNIFF_MAX;
    for (size_t i = 0; i < end;) {
        if (b[i] < 0x80) {
            i++;
            continue;
        }
        if (i + 1 >= n)
            return false;
        unsigned char hi = b[i], lo = b[i + 1];
        if (hi < 0x81 || hi > 0xFE || lo < 0x41 || lo == 0xFF ||
            (lo > 0x5A && lo < 0x61) || (lo > 0x7A && lo < 0x81))
            return false;
        pairs++;
        if (hi >= 0xB0 && hi <= 0xC8 && lo >= 0xA1)
            common++, hangul++;
        else if (hi >= 0xA1 && hi <= 0xAC && lo >= 0xA1)
            common++;
        i += 2;
    }
    return pairs > 0 && hangul > 0 && common * 100 >= pairs * 85 &&
           hangul * 2 >= pairs;
}

/* Windows-1252: no undefined byte, and mostly plain letters around. */
static bool looks_cp1252(const unsigned char *b, size_t n) {
    size_t high = 0, end = n < SNIFF_MAX ? n : SNIFF_MAX;
    for (size_t i = 0; i < end; i++) {
        unsigned char c = b[i];
        if (c == 0x81 || c == 0x8D || c == 0x8F || c == 0x90 || c == 0x9D)
            return false;
        high += c >= 0x80;
    }
    return high * 4 < end;
}

/* charset=... in the first bytes of a page; false when there is none. */
static bool declared(const char *bytes, size_t n, char *name, size_t cap) {
    size_t end = n < 2048 ? n : 2048;
    for (size_t i = 0; i + 8 < end; i++) {
        if (strncasecmp(bytes + i, "charset", 7) != 0)
            continue;
        size_t j = i + 7;
        while (j < end && (bytes[j] == ' ' || bytes[j] == '='))
            j++;
        if (j < end && (bytes[j] == '"' || bytes[j] == '\''))
            j++;
        size_t k = 0;
        while (j < end && k + 1 < cap &&
               (isalnum((unsigned char)bytes[j]) || bytes[j] == '-' ||
                bytes[j] == '_' || bytes[j] == ':'))
            name[k++] = bytes[j++];
        name[k] = '\0';
        if (k < 2)
            continue;
        if (!strcasecmp(name, "euc-kr") ||
            !strcasecmp(name, "ks_c_5601-1987") ||
            !strcasecmp(name, "ksc5601") || !strcasecmp(name, "korean"))
            snprintf(name, cap, "CP949");
        else if (!strcasecmp(name, "iso-8859-1") ||
                 !strcasecmp(name, "latin1") || !strcasecmp(name, "us-ascii"))
            snprintf(name, cap, "WINDOWS-1252");
        return true;
    }
    return false;
}

static bool guess(const char *bytes, size_t n, char *name, size_t cap) {
    uchardet_t ud = uchardet_new();
    if (!ud)
        return false;
    bool ok =
        uchardet_handle_data(ud, bytes, n < SNIFF_MAX ? n : SNIFF_MAX) == 0;
    uchardet_data_end(ud);
    const char *cs = ok ? uchardet_get_charset(ud) : "";
    ok = cs && *cs && strcmp(cs, "ASCII") != 0 && strcmp(cs, "UTF-8") != 0;
    if (ok)
        snprintf(name, cap, "%s",
                 !strcmp(cs, "EUC-KR") || !strcmp(cs, "UHC") ? "CP949" : cs);
    uchardet_delete(ud);
    return ok;
}

/* UTF-8 with a stray byte or two (a cut end, a bad paste): kept, each bad
 * byte as U+FFFD, rather than losing the document. */
static bool nearly_utf8(const char *s, size_t n) {
    size_t bad = 0, good = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t k = rag_utf8_next(s + i, n - i, &cp);
        if (cp == RAG_CP_INVALID)
            bad++;
        else if (k > 1)
            good++;
        i += k;
    }
    return bad > 0 && good >= 20 && bad * 100 <= good;
}

int rag_decode(const char *bytes, size_t n, bool html, size_t max, rag_buf *out,
               rag_error *err) {
    const unsigned char *b = (const unsigned char *)bytes;
    size_t before = out->len, skip;
    const char *charset = from_mark(b, n, &skip);
    char name[64];
    int rc;
    if (charset && strcmp(charset, "UTF-8") != 0) {
        rc = convert(charset, bytes + skip, n - skip, max, out, err);
        return rc ? rc : accept_text(out, before, err);
    }
    bytes += skip;
    b += skip;
    n -= skip;
    if (rag_utf8_valid(bytes, n, NULL) && !memchr(bytes, 0, n)) {
        if (n > max)
            return too_long(max, err);
        rc = rag_buf_append(out, bytes, n, err);
        return rc ? rc : accept_text(out, before, err);
    }
    if ((charset = looks_utf16(b, n)) != NULL) {
        rc = convert(charset, bytes, n, max, out, err);
        return rc ? rc : accept_text(out, before, err);
    }
    if (memchr(bytes, 0, n) || has_controls(bytes, n < 65536 ? n : 65536))
        return rag_error_set(err, RAG_E_DATA, "it holds binary data, not text");
    if (nearly_utf8(bytes, n)) {
        if (n > max / 3)
            return too_long(max / 3, err);
        return rag_utf8_sanitize(bytes, n, out, err);
    }
    if (html && declared(bytes, n, name, sizeof name)) {
        rc = convert(name, bytes, n, max, out, err);
        if (!rc || rc == RAG_E_LIMIT || rc == RAG_E_NOMEM)
            return rc ? rc : accept_text(out, before, err);
    }
    if (looks_cp949(b, n)) {
        rc = convert("CP949", bytes, n, max, out, err);
        if (!rc || rc == RAG_E_LIMIT || rc == RAG_E_NOMEM)
            return rc ? rc : accept_text(out, before, err);
    }
    if (guess(bytes, n, name, sizeof name)) {
        rc = convert(name, bytes, n, max, out, err);
        if (!rc || rc == RAG_E_LIMIT || rc == RAG_E_NOMEM)
            return rc ? rc : accept_text(out, before, err);
    }
    if (looks_cp1252(b, n)) {
        rc = convert("WINDOWS-1252", bytes, n, max, out, err);
        if (!rc || rc == RAG_E_LIMIT || rc == RAG_E_NOMEM)
            return rc ? rc : accept_text(out, before, err);
    }
    return rag_error_set(err, RAG_E_DATA,
                         "its character encoding is not known; save it as "
                         "UTF-8");
}
