/*
 * posting_block.c - blocks of up to 128 postings, packed and unpacked.
 *
 * A full block: bits of a gap, bits of a count, the packed gaps (rows less
 * the one before less one), the packed counts, exceptions. A count stands
 * for a term that is only in the body, less one; all ones (unless there are
 * no bits) is an exception: a byte of columns and a varint for each. A block
 * that is not full has varints: gap, then the count in the body, 0 standing
 * for an exception that follows at once. Pure functions.
 */
#include "index/posting_int.h"

#define FULL RAG_POSTING_BLOCK
#define EXCEPTION_COST 3 /* bytes, about */

/* ---- varints -------------------------------------------------------------------- */

static int put_varint(rag_buf *out, uint32_t v, rag_error *err) {
    char bytes[5];
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    return rag_buf_append(out, bytes, n, err);
}

static inline bool get_varint(const unsigned char **p, const unsigned char *end,
                              uint32_t *v) {
    uint32_t x = 0;

    for (unsigned shift = 0; shift < 35 && *p < end; shift += 7) {
        unsigned char c = *(*p)++;

        x |= (uint32_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *v = x;
            return true;
        }
    }
    return false;
}

/* ---- bits ------------------------------------------------------------------------- */

static unsigned bits_of(uint32_t v) {
    unsigned n = 0;

    for (; v; v >>= 1)
        n++;
    return n;
}

static int put_bits(rag_buf *out, const uint32_t *v, size_t n, unsigned bits,
                    rag_error *err) {
    uint64_t word = 0;
    unsigned have = 0;

    for (size_t i = 0; i < n; i++) {
        word |= (uint64_t)v[i] << have;
        have += bits;
        while (have >= 8) {
            int rc = rag_buf_append_char(out, (char)word, err);

            if (rc != 0)
                return rc;
            word >>= 8;
            have -= 8;
        }
    }
    return 0; /* 128 values end at a byte */
}

/* n values of at most 32 bits; up to 8 bytes past the last may be read. */
static inline uint32_t get_bits(const unsigned char *p, size_t i,
                                unsigned bits) {
    size_t at = i * bits;
    uint64_t word;

    memcpy(&word, p + at / 8, sizeof(word));
    return (uint32_t)(word >> (at % 8) & ((1ull << bits) - 1));
}

/* ---- exceptions --------------------------------------------------------------------- */

static bool body_only(const uint16_t *tf) {
    for (int j = 0; j < RAG_COLS; j++)
        if (j != RAG_COL_BODY && tf[j] > 0)
            return false;
    return tf[RAG_COL_BODY] > 0;
}

static int put_exception(rag_buf *out, const uint16_t *tf, rag_error *err) {
    unsigned mask = 0;
    int rc;

    for (int j = 0; j < RAG_COLS; j++)
        if (tf[j] > 0)
            mask |= 1u << j;
    rc = rag_buf_append_char(out, (char)mask, err);
    for (int j = 0; j < RAG_COLS && rc == 0; j++)
        if (tf[j] > 0)
            rc = put_varint(out, tf[j], err);
    return rc;
}

static inline bool get_exception(const unsigned char **p,
                                 const unsigned char *end, uint16_t *tf) {
    unsigned mask;

    if (*p >= end)
        return false;
    mask = *(*p)++;
    for (int j = 0; j < RAG_COLS; j++) {
        uint32_t v = 0;

        if (mask >> j & 1 && !get_varint(p, end, &v))
            return false;
        tf[j] = (uint16_t)(v > UINT16_MAX ? UINT16_MAX : v);
    }
    return true;
}

/* ---- blocks --------------------------------------------------------------------------- */

/* Bits a count that make the block shortest. */
static unsigned count_bits(const rag_posting *p) {
    unsigned best = 0;
    size_t least = SIZE_MAX;

    for (unsigned bits = 0; bits <= 12; bits++) {
        uint32_t escape = bits ? (1u << bits) - 1 : 1;
        size_t cost = FULL / 8 * bits;
        bool fits = true;

        for (size_t i = 0; i < FULL; i++)
            if (!body_only(p[i].tf) || p[i].tf[RAG_COL_BODY] - 1u >= escape) {
                cost += EXCEPTION_COST;
                fits = false;
            }
        if ((bits > 0 || fits) && cost < least) {
            least = cost;
            best = bits;
        }
    }
    return best;
}

static int encode_full(const rag_posting *p, uint32_t first, rag_buf *out,
                       rag_error *err) {
    uint32_t gap[FULL], count[FULL], widest = 0, escape;
    unsigned bits = count_bits(p), gap_bits;
    bool exception[FULL];
    int rc;

    escape = bits ? (1u << bits) - 1 : 1;
    for (size_t i = 0; i < FULL; i++) {
        uint32_t c = p[i].tf[RAG_COL_BODY] - 1u;

        gap[i] = p[i].row - first;
        first = p[i].row + 1;
        widest |= gap[i];
        exception[i] = !body_only(p[i].tf) || c >= escape;
        count[i] = exception[i] ? escape : c;
    }
    gap_bits = bits_of(widest);
    rc = rag_buf_append_char(out, (char)gap_bits, err);
    if (rc == 0)
        rc = rag_buf_append_char(out, (char)bits, err);
    if (rc == 0)
        rc = put_bits(out, gap, FULL, gap_bits, err);
    if (rc == 0)
        rc = put_bits(out, count, FULL, bits, err);
    for (size_t i = 0; i < FULL && rc == 0; i++)
        if (exception[i])
            rc = put_exception(out, p[i].tf, err);
    return rc;
}

int rag_posting_encode(const rag_posting *p, size_t n, uint32_t first,
                       rag_buf *out, rag_error *err) {
    int rc = 0;

    if (n == FULL)
        return encode_full(p, first, out, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        bool plain = body_only(p[i].tf);

        rc = put_varint(out, p[i].row - first, err);
        first = p[i].row + 1;
        if (rc == 0)
            rc = put_varint(out, plain ? p[i].tf[RAG_COL_BODY] : 0, err);
        if (rc == 0 && !plain)
            rc = put_exception(out, p[i].tf, err);
    }
    return rc;
}

static bool short_rows(const unsigned char *p, size_t len, size_t n,
                       uint64_t next, uint32_t limit, uint32_t *rows) {
    const unsigned char *end = p + len;
    uint16_t tf[RAG_COLS];
    uint32_t gap, count;

    for (size_t i = 0; i < n; i++) {
        if (!get_varint(&p, end, &gap) || !get_varint(&p, end, &count) ||
            (count == 0 && !get_exception(&p, end, tf)))
            return false;
        next += gap;
        if (next >= limit)
            return false;
        rows[i] = (uint32_t)next++;
    }
    return true;
}

bool rag_posting_rows(const unsigned char *p, size_t len, size_t n,
                      uint32_t first, uint32_t limit, uint32_t *rows) {
    uint64_t next = first;
    unsigned bits;

    if (n != FULL)
        return short_rows(p, len, n, next, limit, rows);
    bits = len >= 2 ? p[0] : 33;
    if (bits > 32 || len - 2 < (size_t)FULL / 8 * bits)
        return false;
    for (size_t i = 0; i < FULL; i++) {
        next += get_bits(p + 2, i, bits);
        rows[i] = (uint32_t)next++;
    }
    return next <= limit;
}

static bool short_counts(const unsigned char *p, size_t len, size_t n,
                         uint16_t (*tf)[RAG_COLS]) {
    const unsigned char *end = p + len;
    uint32_t gap, count;

    for (size_t i = 0; i < n; i++) {
        if (!get_varint(&p, end, &gap) || !get_varint(&p, end, &count))
            return false;
        memset(tf[i], 0, sizeof(tf[i]));
        tf[i][RAG_COL_BODY] =
            (uint16_t)(count > UINT16_MAX ? UINT16_MAX : count);
        if (count == 0 && !get_exception(&p, end, tf[i]))
            return false;
    }
    return true;
}

bool rag_posting_counts(const unsigned char *p, size_t len, size_t n,
                        uint16_t (*tf)[RAG_COLS]) {
    const unsigned char *end = p + len, *counts, *more;
    unsigned bits;
    uint32_t escape;

    if (n != FULL)
        return short_counts(p, len, n, tf);
    if (len < 2 || p[0] > 32 || p[1] > 16)
        return false;
    bits = p[1];
    if (len - 2 < (size_t)FULL / 8 * (p[0] + bits))
        return false;
    counts = p + 2 + (size_t)FULL / 8 * p[0];
    more = counts + (size_t)FULL / 8 * bits;
    escape = bits ? (1u << bits) - 1 : 1;
    memset(tf, 0, FULL * sizeof(*tf));
    for (size_t i = 0; i < FULL; i++) {
        uint32_t c = get_bits(counts, i, bits);

        if (c < escape)
            tf[i][RAG_COL_BODY] = (uint16_t)(c + 1);
        else if (!get_exception(&more, end, tf[i]))
            return false;
    }
    return true;
}
