/*
 * kernel_avx512.c - the int8 encoder on AVX-512 with VNNI (Cascade Lake,
 * Ice Lake, Zen 4 and later): vpdpbusd does 64 multiply-adds at once.
 *
 * Compiled for that CPU function by function; called only after usable()
 * said yes.
 */
#include "embed/kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#ifdef __clang__
#pragma clang attribute push(                                                  \
    __attribute__((                                                            \
        target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma"))),         \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")
#endif

#define LANES 16
#define MR 6
#define NV 4
#define AR 8
#define AV 2
#define vf __m512
#define vi __m512i
#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, x) _mm512_storeu_ps(p, x)
#define v_set(x) _mm512_set1_ps(x)
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_div(a, b) _mm512_div_ps(a, b)
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_min(a, b) _mm512_min_ps(a, b)
#define v_abs(a) _mm512_abs_ps(a)
#define v_sum(a) _mm512_reduce_add_ps(a)
#define v_top(a) _mm512_reduce_max_ps(a)
#define i_load(p) _mm512_loadu_si512(p)
#define i_store(p, x) _mm512_storeu_si512(p, x)
#define i_set(x) _mm512_set1_epi32(x)
#define i_zero() _mm512_setzero_si512()
#define i_add(a, b) _mm512_add_epi32(a, b)
#define i_max(a, b) _mm512_max_epi32(a, b)
#define i_of_bits(a) _mm512_castps_si512(a)
#define i_zip_low(a, b) _mm512_permutex2var_epi32(a, zip(0), b)
#define i_zip_high(a, b) _mm512_permutex2var_epi32(a, zip(8), b)
#define i_to_f(a) _mm512_cvtepi32_ps(a)
#define f_to_i(a) _mm512_cvtps_epi32(a)
#define i_store_u8(p, x)                                                       \
    _mm_storeu_si128((__m128i *)(void *)(p), _mm512_cvtepi32_epi8(x))
#define i_pair(lo, hi)                                                         \
    _mm512_mask_blend_epi16(0xAAAAAAAAu, lo, _mm512_slli_epi32(hi, 16))
#define dot4(acc, a, b) _mm512_dpbusd_epi32(acc, a, b)
#define dot2(acc, a, b) _mm512_dpwssd_epi32(acc, a, b)
#define ACC_INIT(sum) _mm512_sub_epi32(_mm512_setzero_si512(), sum)

/* 2^x for x <= 0: the integer part by scaling the exponent, the rest in
 * [-1/2,1/2] by a polynomial (least squares, relative error 2.6e-6). */
static inline __attribute__((always_inline)) __m512 v_exp2(__m512 x) {
    __m512 n =
        _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 f = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(0.0551716648f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.24261114f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693260968f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999928057f));
    return _mm512_scalef_ps(p, n);
}

/* Lanes from, from + 1, ... of two vectors in turn. */
static inline __attribute__((always_inline)) __m512i zip(int from) {
    return _mm512_add_epi32(_mm512_set1_epi32(from),
                            _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                              5, 21, 6, 22, 7, 23));
}

#include "embed/kernel_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("fma");
}

const rag_kernel rag_kernel_avx512 = {"avx512-vnni", usable, product,
                                      quantise,      norm,   attend};

#else

static bool usable(void) {
    return false;
}
const rag_kernel rag_kernel_avx512 = {.name = "avx512-vnni", .usable = usable};

#endif
