/*
 * kernel_avx2.c - the int8 encoder on AVX2 with FMA (Haswell, Zen and later).
 *
 * Without a byte dot product, four products are made by vpmaddubsw, whose
 * sums of two saturate at 16 bits: the activation's sign is moved to the
 * weight first, so that both are at most 127 in magnitude and a sum of two
 * stays below 2^15. The result is exact, and equal to the other kernels'.
 */
#include "embed/kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))),              \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define MR 4
#include "embed/kernel_256.h"

#define dot2(acc, a, b) _mm256_add_epi32(acc, _mm256_madd_epi16(a, b))
/* dot4 takes the 128 off the activations itself. */
#define ACC_INIT(sum) _mm256_and_si256(sum, _mm256_setzero_si256())

INLINE2 __m256i dot4(__m256i acc, __m256i a, __m256i b) {
    __m256i x = _mm256_xor_si256(a, _mm256_set1_epi8((char)0x80));
    __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(b, x));
    return _mm256_add_epi32(acc,
                            _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "embed/kernel_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool usable(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const rag_kernel rag_kernel_avx2 = {"avx2",   usable, product,
                                    quantise, norm,   attend};

#else

static bool usable(void) {
    return false;
}
const rag_kernel rag_kernel_avx2 = {.name = "avx2", .usable = usable};

#endif
