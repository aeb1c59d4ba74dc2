/*
 * kernel_avxvnni.c - the int8 encoder on AVX2 with AVX-VNNI (Alder Lake and
 * later cores that have no AVX-512): vpdpbusd on 32 bytes.
 *
 * The same instructions have a second encoding on CPUs with AVX-512, which
 * have no AVX-VNNI as a rule. With RAG_KERNEL_EVEX this file is made for
 * those, so that a test there can run it.
 */
#include "embed/kernel.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#ifdef RAG_KERNEL_EVEX
#define dot4(acc, a, b) _mm256_dpbusd_epi32(acc, a, b)
#define dot2(acc, a, b) _mm256_dpwssd_epi32(acc, a, b)
#else
#define dot4(acc, a, b) _mm256_dpbusd_avx_epi32(acc, a, b)
#define dot2(acc, a, b) _mm256_dpwssd_avx_epi32(acc, a, b)
#endif

#if defined(__clang__) && defined(RAG_KERNEL_EVEX)
#pragma clang attribute push(                                                  \
    __attribute__((target("avx2,fma,avx512vl,avx512vnni"))),                   \
    apply_to = function)
#elif defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))),      \
                             apply_to = function)
#elif defined(RAG_KERNEL_EVEX)
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512vl,avx512vnni")
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avxvnni")
#endif

#define MR 6
#include "embed/kernel_256.h"

#define ACC_INIT(sum) _mm256_sub_epi32(_mm256_setzero_si256(), sum)

#include "embed/kernel_body.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool usable(void) {
#ifdef RAG_KERNEL_EVEX
    return __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
#else
    /* Not every compiler's __builtin_cpu_supports knows "avxvnni". */
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
#endif
}

const rag_kernel rag_kernel_avxvnni = {"avx-vnni", usable, product,
                                       quantise,   norm,   attend};

#else

static bool usable(void) {
    return false;
}
const rag_kernel rag_kernel_avxvnni = {.name = "avx-vnni", .usable = usable};

#endif
