/*
 * unicode.h - UTF-8 checks, walking and normalisation (utf8proc).
 *
 * Thread-safe: no state. Nothing here changes stored text: normalised forms
 * are only for index terms, keys and what models see.
 */
#ifndef RAG_BASE_UNICODE_H
#define RAG_BASE_UNICODE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define RAG_CP_INVALID 0xFFFFFFFFu

/* Decodes the character at s[0..n), n > 0. Returns its length in bytes (1-4)
 * and the code point; a byte that starts no valid sequence (overlong forms,
 * surrogates, past U+10FFFF included) gives length 1, RAG_CP_INVALID. */
size_t rag_utf8_next(const char *s, size_t n, uint32_t *cp);
/* Start of the character that ends just before s + i (i > 0). */
size_t rag_utf8_prev(const char *s, size_t i);
/* Writes cp to out (4 bytes); returns the length, 0 for no valid cp. */
size_t rag_utf8_put(uint32_t cp, char out[4]);
/* True when s[0..n) is valid UTF-8; *bad (may be NULL) gets the first bad
 * byte's offset. */
bool rag_utf8_valid(const char *s, size_t n, size_t *bad);
/* Characters in s[0..n) (bad bytes count one each). */
size_t rag_utf8_count(const char *s, size_t n);
/* Largest i <= n at which a character of s starts or ends. */
size_t rag_utf8_floor(const char *s, size_t len, size_t n);
/* Appends s with each bad byte replaced by U+FFFD. */
int rag_utf8_sanitize(const char *s, size_t n, rag_buf *out, rag_error *err);

/* Appends s in NFC / NFKC / NFKC with full case folding. Input is valid
 * UTF-8 (RAG_E_DATA otherwise). */
int rag_unicode_nfc(const char *s, size_t n, rag_buf *out, rag_error *err);
int rag_unicode_nfkc(const char *s, size_t n, rag_buf *out, rag_error *err);
int rag_unicode_fold(const char *s, size_t n, rag_buf *out, rag_error *err);

/*
 * A question or title as every room wants it: NFC, full-width ASCII to ASCII,
 * control characters dropped, every run of white space one space, trimmed.
 * Dropped too: what is invisible and only hides or reorders text (soft hyphen,
 * zero-width space, BOM, direction marks). The joiners U+200C and U+200D,
 * which spell words and emoji, stay.
 */
int rag_unicode_clean(const char *s, size_t n, rag_buf *out, rag_error *err);

/* A precomposed Hangul syllable, U+AC00 to U+D7A3. */
static inline bool rag_unicode_syllable(uint32_t cp) {
    return cp >= 0xAC00 && cp <= 0xD7A3;
}

/* What a character is, for tokenising. Hangul: syllables and jamo. */
typedef enum rag_char_class {
    RAG_CHAR_OTHER, /* punctuation, symbols, bad */
    RAG_CHAR_SPACE,
    RAG_CHAR_LATIN, /* any letter that is none of the below, and marks */
    RAG_CHAR_HANGUL,
    RAG_CHAR_CJK, /* Han, Kana */
    RAG_CHAR_DIGIT
} rag_char_class;
rag_char_class rag_unicode_class(uint32_t cp);

/* "ko" when a good part of the letters is Hangul, "en" when they are Latin,
 * else "" ; static string. The rule: Hangul share >= 0.2 of letters. */
const char *rag_unicode_lang(const char *s, size_t n);
/* Columns the text takes on a terminal (wide characters two). */
size_t rag_unicode_width(const char *s, size_t n);

#endif
