/*
 * gguf_types.c - the ways GGUF stores numbers, and how they become float32.
 *
 * The block layouts are ggml's: a block of 32 (or, for the _K kinds, 256)
 * numbers has one or more scales and the numbers as small integers. Plain
 * portable code: it runs when a model is packed and when rows of the token
 * table are looked up, never inside the matrix products.
 */
#include "embed/gguf.h"

#include <math.h>
#include <string.h>

static const struct {
    rag_gguf_type type;
    const char *name;
    uint32_t numbers, bytes;
} types[] = {
    {RAG_GGUF_T_F32, "F32", 1, 4},       {RAG_GGUF_T_F16, "F16", 1, 2},
    {RAG_GGUF_T_BF16, "BF16", 1, 2},     {RAG_GGUF_T_Q4_0, "Q4_0", 32, 18},
    {RAG_GGUF_T_Q4_1, "Q4_1", 32, 20},   {RAG_GGUF_T_Q5_0, "Q5_0", 32, 22},
    {RAG_GGUF_T_Q5_1, "Q5_1", 32, 24},   {RAG_GGUF_T_Q8_0, "Q8_0", 32, 34},
    {RAG_GGUF_T_Q4_K, "Q4_K", 256, 144}, {RAG_GGUF_T_Q6_K, "Q6_K", 256, 210},
};

const char *rag_gguf_type_name(rag_gguf_type t) {
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == t) {
            return types[i].name;
        }
    }
    return "?";
}

bool rag_gguf_type_block(uint32_t type, uint32_t *numbers, uint32_t *bytes) {
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if ((uint32_t)types[i].type == type) {
            *numbers = types[i].numbers;
            *bytes = types[i].bytes;
            return true;
        }
    }
    return false;
}

static float from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

/* IEEE 754 half precision at p. */
static float half(const unsigned char *p) {
    uint32_t h = (uint32_t)p[0] | (uint32_t)p[1] << 8;
    uint32_t sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31u;
    uint32_t fraction = h & 1023u;
    if (exponent == 31) {
        return from_bits(sign | 0x7f800000u | fraction << 13);
    }
    if (exponent == 0) {
        float f = (float)fraction * 0x1p-24f;
        return sign ? -f : f;
    }
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static void block_q4_0(const unsigned char *p, float *out) {
    float d = half(p);
    for (int j = 0; j < 16; j++) {
        out[j] = d * (float)((p[2 + j] & 15) - 8);
        out[j + 16] = d * (float)((p[2 + j] >> 4) - 8);
    }
}

static void block_q4_1(const unsigned char *p, float *out) {
    float d = half(p), m = half(p + 2);
    for (int j = 0; j < 16; j++) {
        out[j] = d * (float)(p[4 + j] & 15) + m;
        out[j + 16] = d * (float)(p[4 + j] >> 4) + m;
    }
}

/* Q5: the fifth bits of all 32 numbers come first, then the low nibbles. */
static void block_q5(const unsigned char *p, bool with_min, float *out) {
    float d = half(p), m = with_min ? half(p + 2) : 0;
    const unsigned char *hi = p + (with_min ? 4 : 2), *q = hi + 4;
    int bias = with_min ? 0 : 16;
    for (int j = 0; j < 16; j++) {
        int a = (hi[j / 8] >> (j % 8) & 1) << 4;
        int b = (hi[2 + j / 8] >> (j % 8) & 1) << 4;
        out[j] = d * (float)(((q[j] & 15) | a) - bias) + m;
        out[j + 16] = d * (float)(((q[j] >> 4) | b) - bias) + m;
    }
}

static void block_q8_0(const unsigned char *p, float *out) {
    float d = half(p);
    for (int j = 0; j < 32; j++) {
        out[j] = d * (float)(p[2 + j] < 128 ? p[2 + j] : p[2 + j] - 256);
    }
}

/* Eight groups of 32 with 6-bit scales and minima packed in 12 bytes. */
static void block_q4_k(const unsigned char *p, float *out) {
    float d = half(p), dmin = half(p + 2);
    const unsigned char *s = p + 4, *q = p + 16;
    for (int g = 0; g < 8; g++) {
        int scale, min;
        if (g < 4) {
            scale = s[g] & 63;
            min = s[g + 4] & 63;
        } else {
            scale = (s[g + 4] & 15) | (s[g - 4] >> 6) << 4;
            min = (s[g + 4] >> 4) | (s[g] >> 6) << 4;
        }
        for (int j = 0; j < 32; j++) {
            int b = q[g / 2 * 32 + j];
            int v = g % 2 ? b >> 4 : b & 15;
            out[g * 32 + j] = d * (float)scale * (float)v - dmin * (float)min;
        }
    }
}

/* Sixteen groups of 16 with 8-bit scales; four low and two high bits. */
static void block_q6_k(const unsigned char *p, float *out) {
    float d = half(p + 208);
    for (int h = 0; h < 2; h++) {
        const unsigned char *lo = p + 64 * h, *hi = p + 128 + 32 * h;
        const unsigned char *s = p + 192 + 8 * h;
        for (int j = 0; j < 32; j++) {
            int q[4] = {(lo[j] & 15) | (hi[j] & 3) << 4,
                        (lo[j + 32] & 15) | (hi[j] >> 2 & 3) << 4,
                        (lo[j] >> 4) | (hi[j] >> 4 & 3) << 4,
                        (lo[j + 32] >> 4) | (hi[j] >> 6 & 3) << 4};
            for (int k = 0; k < 4; k++) {
                int sc = s[j / 16 + 2 * k];
                sc = sc < 128 ? sc : sc - 256;
                out[128 * h + 32 * k + j] = d * (float)sc * (float)(q[k] - 32);
            }
        }
    }
}

void rag_gguf_dequantise(rag_gguf_type type, const unsigned char *p, size_t n,
                         float *out) {
    uint32_t numbers = 1, bytes = 1;
    (void)rag_gguf_type_block((uint32_t)type, &numbers, &bytes);
    for (size_t i = 0; i < n; i += numbers, p += bytes) {
        switch (type) {
        case RAG_GGUF_T_F32:
            out[i] = from_bits((uint32_t)p[0] | (uint32_t)p[1] << 8 |
                               (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
            break;
        case RAG_GGUF_T_F16:
            out[i] = half(p);
            break;
        case RAG_GGUF_T_BF16:
            out[i] = from_bits((uint32_t)p[0] << 16 | (uint32_t)p[1] << 24);
            break;
        case RAG_GGUF_T_Q4_0:
            block_q4_0(p, out + i);
            break;
        case RAG_GGUF_T_Q4_1:
            block_q4_1(p, out + i);
            break;
        case RAG_GGUF_T_Q5_0:
        case RAG_GGUF_T_Q5_1:
            block_q5(p, type == RAG_GGUF_T_Q5_1, out + i);
            break;
        case RAG_GGUF_T_Q8_0:
            block_q8_0(p, out + i);
            break;
        case RAG_GGUF_T_Q4_K:
            block_q4_k(p, out + i);
            break;
        case RAG_GGUF_T_Q6_K:
            block_q6_k(p, out + i);
            break;
        }
    }
}

void rag_gguf_row(const rag_gguf_tensor *t, uint64_t row, float *out) {
    rag_gguf_dequantise(t->type, t->data + (size_t)row * t->row_size,
                        (size_t)t->dims[0], out);
}
