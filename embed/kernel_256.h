/*
 * kernel_256.h - vectors of eight lanes for kernel_body.h, out of AVX2 and
 * FMA: all but the dot products and MR, the rows of a micro-tile, in which
 * kernel_avx2.c and kernel_avxvnni.c differ.
 */
#include <immintrin.h>

#define INLINE2 static inline __attribute__((always_inline))

#define LANES 8
#define NV 2
#define AR 4
#define AV 2
#define vf __m256
#define vi __m256i
#define v_load(p) _mm256_loadu_ps(p)
#define v_store(p, x) _mm256_storeu_ps(p, x)
#define v_set(x) _mm256_set1_ps(x)
#define v_add(a, b) _mm256_add_ps(a, b)
#define v_sub(a, b) _mm256_sub_ps(a, b)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_div(a, b) _mm256_div_ps(a, b)
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_min(a, b) _mm256_min_ps(a, b)
#define v_abs(a) _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define i_load(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define i_store(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), x)
#define i_set(x) _mm256_set1_epi32(x)
#define i_zero() _mm256_setzero_si256()
#define i_add(a, b) _mm256_add_epi32(a, b)
#define i_max(a, b) _mm256_max_epi32(a, b)
#define i_of_bits(a) _mm256_castps_si256(a)
#define i_zip_low(a, b) zip(a, b, 0x20)
#define i_zip_high(a, b) zip(a, b, 0x31)
#define zip(a, b, half)                                                        \
    _mm256_permute2x128_si256(_mm256_unpacklo_epi32(a, b),                     \
                              _mm256_unpackhi_epi32(a, b), half)
#define i_to_f(a) _mm256_cvtepi32_ps(a)
#define f_to_i(a) _mm256_cvtps_epi32(a)
#define i_pair(lo, hi) _mm256_blend_epi16(lo, _mm256_slli_epi32(hi, 16), 0xAA)

INLINE2 void i_store_u8(uint8_t *p, __m256i x) {
    __m128i y = _mm_packus_epi32(_mm256_castsi256_si128(x),
                                 _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(y, y));
}

INLINE2 float v_sum(__m256 a) {
    __m128 x =
        _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

INLINE2 float v_top(__m256 a) {
    __m128 x =
        _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

/* As in kernel_avx512.c; the exponent is added as an integer, with x kept
 * above the smallest exponent. */
INLINE2 __m256 v_exp2(__m256 x) {
    __m256 z = _mm256_max_ps(x, _mm256_set1_ps(-126.0f));
    __m256i n = _mm256_cvtps_epi32(z);
    __m256 f = _mm256_sub_ps(z, _mm256_cvtepi32_ps(n));
    __m256 p = _mm256_set1_ps(0.009570080786943436f);
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.05591787025332451f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.2402474582195282f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.6931217908859253f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.9999992847442627f));
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(n, 23)));
}
