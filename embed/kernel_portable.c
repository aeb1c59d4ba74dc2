/*
 * kernel_portable.c - the int8 encoder in plain C, for any CPU.
 *
 * A "vector" is a struct of four lanes and every operation a loop over them,
 * which a compiler turns into whatever the plainest CPU of its target has.
 */
#include "embed/kernel.h"

#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LANES 4
#define MR 2
#define NV 4
#define AR 4
#define AV 2

typedef struct vf {
    float x[LANES];
} vf;
typedef struct vi {
    int32_t x[LANES];
} vi;

#define EACH for (int i = 0; i < LANES; i++)
#define OP2(name, type, expr)                                                  \
    static inline type name(type a, type b) {                                  \
        type o;                                                                \
        EACH {                                                                 \
            o.x[i] = (expr);                                                   \
        }                                                                      \
        return o;                                                              \
    }

OP2(v_add, vf, a.x[i] + b.x[i])
OP2(v_sub, vf, a.x[i] - b.x[i])
OP2(v_mul, vf, a.x[i] * b.x[i])
OP2(v_max, vf, a.x[i] > b.x[i] ? a.x[i] : b.x[i])
OP2(v_min, vf, a.x[i] < b.x[i] ? a.x[i] : b.x[i])
OP2(v_div, vf, a.x[i] / b.x[i])
OP2(i_add, vi, a.x[i] + b.x[i])
OP2(i_max, vi, a.x[i] > b.x[i] ? a.x[i] : b.x[i])
OP2(i_zip_low, vi, i % 2 ? b.x[i / 2] : a.x[i / 2])
OP2(i_zip_high, vi, i % 2 ? b.x[2 + i / 2] : a.x[2 + i / 2])

static inline vf v_load(const float *p) {
    vf o;
    memcpy(&o, p, sizeof(o));
    return o;
}

static inline void v_store(float *p, vf a) {
    memcpy(p, &a, sizeof(a));
}

static inline vf v_set(float s) {
    vf o;
    EACH {
        o.x[i] = s;
    }
    return o;
}

static inline vf v_fma(vf a, vf b, vf c) {
    vf o;
    EACH {
        o.x[i] = a.x[i] * b.x[i] + c.x[i];
    }
    return o;
}

static inline vf v_abs(vf a) {
    EACH {
        a.x[i] = fabsf(a.x[i]);
    }
    return a;
}

static inline float v_sum(vf a) {
    return (a.x[0] + a.x[2]) + (a.x[1] + a.x[3]);
}

static inline float v_top(vf a) {
    float t = a.x[0];
    EACH {
        t = a.x[i] > t ? a.x[i] : t;
    }
    return t;
}

static inline vi i_load(const void *p) {
    vi o;
    memcpy(&o, p, sizeof(o));
    return o;
}

static inline void i_store(void *p, vi a) {
    memcpy(p, &a, sizeof(a));
}

static inline vi i_of_bits(vf a) {
    vi o;
    memcpy(&o, &a, sizeof(o));
    return o;
}

static inline vi i_set(int32_t s) {
    vi o;
    EACH {
        o.x[i] = s;
    }
    return o;
}

static inline vi i_zero(void) {
    return i_set(0);
}

static inline vf i_to_f(vi a) {
    vf o;
    EACH {
        o.x[i] = (float)a.x[i];
    }
    return o;
}

/* To the nearest, ties to even: adding 1.5 * 2^23 leaves no room for a
 * fraction, and the low bits are the number. For |x| < 2^22, which quantised
 * numbers are. Through memory, where a float is a float on every CPU. */
static inline vi f_to_i(vf a) {
    vi o;
    EACH {
        a.x[i] += 12582912.0f;
    }
    memcpy(&o, &a, sizeof(o));
    EACH {
        o.x[i] -= 0x4B400000;
    }
    return o;
}

/* As in kernel_256.h. */
static inline vf v_exp2(vf x) {
    vf z = v_max(x, v_set(-126.0f)), f, p = v_set(0.009570080786943436f);
    vi n = f_to_i(z), bits;
    f = v_sub(z, i_to_f(n));
    p = v_fma(p, f, v_set(0.05591787025332451f));
    p = v_fma(p, f, v_set(0.2402474582195282f));
    p = v_fma(p, f, v_set(0.6931217908859253f));
    p = v_fma(p, f, v_set(0.9999992847442627f));
    memcpy(&bits, &p, sizeof(bits));
    EACH {
        bits.x[i] += n.x[i] * (1 << 23);
    }
    memcpy(&p, &bits, sizeof(p));
    return p;
}

static inline void i_store_u8(uint8_t *p, vi a) {
    EACH {
        p[i] = (uint8_t)a.x[i];
    }
}

static inline vi i_pair(vi lo, vi hi) {
    vi o;
    EACH {
        int16_t two[2] = {(int16_t)lo.x[i], (int16_t)hi.x[i]};
        memcpy(&o.x[i], two, sizeof(two));
    }
    return o;
}

/* The lanes of a are all alike: see i_set in kernel_body.h. Every x86-64 has
 * pmaddwd, which no compiler finds in the plain loops. */
#ifdef __SSE2__
static inline __m128i sse(vi a) {
    return _mm_loadu_si128((const __m128i *)(const void *)&a);
}

static inline vi of_sse(__m128i a) {
    vi o;
    _mm_storeu_si128((__m128i *)(void *)&o, a);
    return o;
}

static inline vi dot4(vi acc, vi a, vi b) {
    __m128i x = _mm_unpacklo_epi8(sse(a), _mm_setzero_si128()), y = sse(b);
    __m128 low = _mm_castsi128_ps(
        _mm_madd_epi16(x, _mm_srai_epi16(_mm_unpacklo_epi8(y, y), 8)));
    __m128 high = _mm_castsi128_ps(
        _mm_madd_epi16(x, _mm_srai_epi16(_mm_unpackhi_epi8(y, y), 8)));
    __m128i even = _mm_castps_si128(_mm_shuffle_ps(low, high, 0x88));
    __m128i odd = _mm_castps_si128(_mm_shuffle_ps(low, high, 0xDD));
    return of_sse(_mm_add_epi32(sse(acc), _mm_add_epi32(even, odd)));
}

static inline vi dot2(vi acc, vi a, vi b) {
    return of_sse(_mm_add_epi32(sse(acc), _mm_madd_epi16(sse(a), sse(b))));
}
#else
static inline vi dot4(vi acc, vi a, vi b) {
    uint8_t x[4];
    int8_t y[4 * LANES];
    memcpy(x, &a, sizeof(x));
    memcpy(y, &b, sizeof(y));
    EACH {
        acc.x[i] += x[0] * y[4 * i] + x[1] * y[4 * i + 1] +
                    x[2] * y[4 * i + 2] + x[3] * y[4 * i + 3];
    }
    return acc;
}

static inline vi dot2(vi acc, vi a, vi b) {
    int16_t x[2], y[2 * LANES];
    memcpy(x, &a, sizeof(x));
    memcpy(y, &b, sizeof(y));
    EACH {
        acc.x[i] += x[0] * y[2 * i] + x[1] * y[2 * i + 1];
    }
    return acc;
}
#endif

static inline vi ACC_INIT(vi sum) {
    EACH {
        sum.x[i] = -sum.x[i];
    }
    return sum;
}

#include "embed/kernel_body.h"

static bool usable(void) {
    return true;
}

const rag_kernel rag_kernel_portable = {"portable", usable, product,
                                        quantise,   norm,   attend};
