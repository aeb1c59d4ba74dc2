/*
 * charsmap.c - SentencePiece's precompiled normaliser table.
 *
 * The table (NormalizerSpec.precompiled_charsmap) is a u32 size, a double
 * array of darts-clone (u32 units) over the byte strings to be replaced, and
 * a pool of NUL-terminated replacements. The longest match at a place wins,
 * as in sentencepiece's Normalizer::NormalizePrefix.
 *
 * The table comes from a model file: every step is bounded by its size.
 */
#include "embed/tokenizer.h"

#include "base/unicode.h"

#include <string.h>

static inline uint32_t unit(const rag_charsmap *m, uint32_t i) {
    const unsigned char *p = m->units + (size_t)i * 4;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* darts-clone's unit: bit 31 value, bits 0-7 label, bit 8 "has a value",
 * bits 10-30 offset, shifted by 8 when bit 9 is set. */
static inline uint32_t offset(uint32_t u) {
    return (u >> 10) << ((u & (1u << 9)) >> 6);
}

static inline bool step(const rag_charsmap *m, uint32_t *node, unsigned char c,
                        uint32_t *u) {
    uint32_t at = *node ^ c;
    if (at >= m->nunits) {
        return false;
    }
    *u = unit(m, at);
    if ((*u & (1u << 31 | 255u)) != c) {
        return false;
    }
    *node = at ^ offset(*u);
    return true;
}

/* Value of the string that ended with unit u at node. */
static inline bool value(const rag_charsmap *m, uint32_t node, uint32_t u,
                         size_t *out) {
    if (!(u >> 8 & 1) || node >= m->nunits) {
        return false;
    }
    *out = unit(m, node) & 0x7fffffffu;
    return *out < m->pool_len;
}

/* Which ASCII bytes need no look at the table: neither replaced alone nor
 * together with a following ASCII byte. */
static void find_plain(rag_charsmap *m) {
    for (unsigned c = 1; c < 128; c++) {
        uint32_t node = m->nunits ? offset(unit(m, 0)) : 0, u;
        m->plain[c] = true;
        if (!step(m, &node, (unsigned char)c, &u)) {
            continue;
        }
        if (u >> 8 & 1) {
            m->plain[c] = false;
        }
        for (unsigned d = 1; d < 128; d++) {
            uint32_t next = node;
            if (step(m, &next, (unsigned char)d, &u)) {
                m->plain[c] = false;
            }
        }
    }
}

int rag_charsmap_open(const unsigned char *data, size_t len, const char *file,
                      rag_charsmap *out, rag_error *err) {
    uint32_t size;
    memset(out, 0, sizeof(*out));
    if (len > 0) {
        if (len < 4 || len > RAG_CHARSMAP_MAX) {
            goto damaged;
        }
        size = (uint32_t)data[0] | (uint32_t)data[1] << 8 |
               (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        if (size % 4 != 0 || size > len - 4) {
            goto damaged;
        }
        out->units = data + 4;
        out->nunits = size / 4;
        out->pool = (const char *)data + 4 + size;
        out->pool_len = len - 4 - size;
        /* A final NUL makes every value inside the pool a C string. */
        if (out->nunits > 0 &&
            (out->pool_len == 0 || out->pool[out->pool_len - 1] != 0)) {
            goto damaged;
        }
    }
    find_plain(out);
    return 0;
damaged:
    return rag_error_set(err, RAG_E_CORRUPT,
                         "%s: tokenizer.ggml.precompiled_charsmap is "
                         "damaged; fetch the model again",
                         file);
}

size_t rag_charsmap_next(const rag_charsmap *m, const char *s, size_t n,
                         const char **out, size_t *out_len) {
    unsigned char c = (unsigned char)s[0];
    size_t best = 0, where = 0;
    uint32_t cp;
    if (c < 128 && m->plain[c] && (n == 1 || (unsigned char)s[1] < 128)) {
        *out = s;
        *out_len = 1;
        return 1;
    }
    if (m->nunits > 0) {
        uint32_t node = offset(unit(m, 0)), u;
        for (size_t i = 0; i < n; i++) {
            size_t v;
            if (s[i] == 0 || !step(m, &node, (unsigned char)s[i], &u)) {
                break;
            }
            if (value(m, node, u, &v)) {
                best = i + 1;
                where = v;
            }
        }
    }
    if (best > 0) {
        *out = m->pool + where;
        *out_len = strlen(*out);
        return best;
    }
    best = rag_utf8_next(s, n, &cp);
    if (cp == RAG_CP_INVALID) {
        *out = "\xEF\xBF\xBD";
        *out_len = 3;
        return 1;
    }
    *out = s;
    *out_len = best;
    return best;
}
