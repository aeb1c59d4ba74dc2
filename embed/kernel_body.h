/*
 * kernel_body.h - the int8 encoder's arithmetic over vectors of LANES floats.
 *
 * Included once by each kernel_*.c, which defines before:
 *   LANES, MR (rows of a micro-tile), NV (vectors of a micro-tile)
 *   vf, vi            vectors of LANES floats, 32-bit integers
 *   v_load v_store v_set v_add v_sub v_mul v_fma(a,b,c)=a*b+c v_max v_min
 *   v_abs v_sum v_top (largest lane) v_exp2 (of x <= 0)
 *   i_load i_set i_zero i_to_f f_to_i (round to nearest even)
 *   i_store_i16, i_store_u8 (the lanes' low parts), i_pair(lo, hi): 16-bit
 *   lo in the low and hi in the high half of each lane
 *   dot4(acc, a, b)   acc += sum of four products of bytes a (unsigned, 128
 *                     added) and b (signed)
 *   dot2(acc, a, b)   acc += sum of two products of 16-bit integers
 *   ACC_INIT(sum)     what the accumulator of dot4 starts from, given
 *                     128 * sum of the weights
 *
 * The micro-tile keeps MR x NV accumulators in registers while it walks the
 * inputs: each step loads NV vectors of weights and broadcasts MR groups of
 * activations (Goto and van de Geijn 2008, without their copying: the
 * weights are packed once for all, the activations fit the caches as they
 * are).
 */
#include "embed/kernel.h"

#include <math.h>
#include <string.h>

/* The accumulators become registers only when the loops over them are gone.
 * Builds that look for faults are spared that: it takes them minutes. */
#if defined(__clang__) || defined(__SANITIZE_ADDRESS__) ||                     \
    defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define UNROLL
#define INLINE static inline
#else
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))
#endif

INLINE int32_t bytes4(const uint8_t *p) {
    int32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/*
 * Phi(x), the normal distribution function, as 1/2 + x P(x^2) on [-4,4], by
 * a least-squares fit of P (degree 8) weighted for x Phi(x): largest error
 * of GELU 1.3e-5 inside, 3e-5 |x| outside, far below a step of an 8-bit row.
 */
INLINE vf gelu(vf x) {
    static const float c[9] = {0.3988809883594513f,    -0.06632359325885773f,
                               0.009815778583288193f,  -0.0011128486366942525f,
                               9.493886318523437e-05f, -5.860449164174497e-06f,
                               2.440749824472732e-07f, -6.066582791675046e-09f,
                               6.739937774558058e-11f};
    vf z = v_max(v_min(x, v_set(4.0f)), v_set(-4.0f)), t = v_mul(z, z);
    vf p = v_set(c[8]);
    UNROLL
    for (int i = 7; i >= 0; i--) {
        p = v_fma(p, t, v_set(c[i]));
    }
    return v_mul(x, v_fma(z, p, v_set(0.5f)));
}

/* One micro-tile of mr rows: all constants after inlining. */
INLINE void tile(const rag_matrix *m, rag_rows a, const int8_t *w, size_t n,
                 size_t nvec, float *y, size_t ldy, rag_epilogue e,
                 const int mr) {
    vi acc[MR][NV];
    size_t in = m->in, filled = rag_matrix_panels(m->out) * RAG_PANEL;
    UNROLL
    for (int v = 0; v < NV; v++) {
        vi start = ACC_INIT(i_load(m->sum + n + (size_t)v * LANES));
        UNROLL
        for (int r = 0; r < mr; r++) {
            acc[r][v] = start;
        }
    }
    for (size_t k = 0; k < in; k += 4, w += 4 * RAG_PANEL) {
        vi b[NV];
        UNROLL
        for (int v = 0; v < NV; v++) {
            b[v] = i_load(w + (size_t)v * LANES * 4);
        }
        UNROLL
        for (int r = 0; r < mr; r++) {
            vi x = i_set(bytes4(a.q + (size_t)r * in + k));
            UNROLL
            for (int v = 0; v < NV; v++) {
                acc[r][v] = dot4(acc[r][v], x, b[v]);
            }
        }
    }
    UNROLL
    for (int v = 0; v < NV; v++) {
        size_t at = n + (size_t)v * LANES;
        vf scale, bias, exact[RAG_OUTLIERS];
        if ((size_t)v >= nvec) {
            break;
        }
        scale = v_load(m->scale + at);
        bias = v_load(m->bias + at);
        UNROLL
        for (size_t j = 0; j < RAG_OUTLIERS; j++) {
            exact[j] = v_load(m->exact + j * filled + at);
        }
        UNROLL
        for (int r = 0; r < mr; r++) {
            float *out = y + (size_t)r * ldy + at;
            vf f =
                v_fma(v_mul(i_to_f(acc[r][v]), scale), v_set(a.scale[r]), bias);
            UNROLL
            for (size_t j = 0; j < RAG_OUTLIERS; j++) {
                f = v_fma(exact[j],
                          v_set(a.exact[(size_t)r * RAG_OUTLIERS + j]), f);
            }
            if (e == RAG_GELU) {
                f = gelu(f);
            } else if (e == RAG_ADD) {
                f = v_add(f, v_load(out));
            }
            v_store(out, f);
        }
    }
}

/* All rows against the NV vectors of outputs from n on. */
INLINE void column(const rag_matrix *m, rag_rows a, size_t rows,
                   const int8_t *w, size_t n, size_t nvec, float *y, size_t ldy,
                   rag_epilogue e) {
    size_t r = 0;
#define TILE(mr)                                                               \
    tile(m, rag_rows_from(a, r, m->in), w, n, nvec, y + r * ldy, ldy, e, mr)
    for (; r + MR <= rows; r += MR) {
        TILE(MR);
    }
    switch (rows - r) {
#if MR > 5
    case 5:
        TILE(5);
        break;
    case 4:
        TILE(4);
        break;
#endif
#if MR > 3
    case 3:
        TILE(3);
        break;
    case 2:
        TILE(2);
        break;
#endif
    case 1:
        TILE(1);
        break;
    default:
        break;
    }
#undef TILE
}

INLINE void panels(const rag_matrix *m, rag_rows a, size_t rows, size_t p0,
                   size_t p1, float *y, size_t ldy, rag_epilogue e) {
    for (size_t p = p0; p < p1; p++) {
        const int8_t *w = m->w + p * m->in * RAG_PANEL;
        for (size_t c = 0; c < RAG_PANEL; c += NV * LANES) {
            size_t n = p * RAG_PANEL + c;
            if (n >= m->out) {
                break;
            }
            column(m, a, rows, w + c * 4, n, (m->out - n) / LANES, y, ldy, e);
        }
    }
}

static void product(const rag_matrix *m, rag_rows a, size_t rows, size_t p0,
                    size_t p1, float *y, size_t ldy, rag_epilogue e) {
    /* One copy of the code a kind of epilogue. */
    switch (e) {
    case RAG_STORE:
        panels(m, a, rows, p0, p1, y, ldy, RAG_STORE);
        break;
    case RAG_GELU:
        panels(m, a, rows, p0, p1, y, ldy, RAG_GELU);
        break;
    case RAG_ADD:
        panels(m, a, rows, p0, p1, y, ldy, RAG_ADD);
        break;
    }
}

/* One row; its outliers are moved from x to to.exact. */
INLINE void quantise_row(const rag_matrix *m, float *x, rag_rows to) {
    size_t n = m->in;
    vf top = v_set(0), inverse;
    vi offset = i_set(128);
    float t;
    for (size_t j = 0; j < RAG_OUTLIERS; j++) {
        to.exact[j] = x[m->outlier[j]];
        x[m->outlier[j]] = 0;
    }
    for (size_t i = 0; i < n; i += LANES) {
        top = v_max(top, v_abs(v_load(x + i)));
    }
    t = v_top(top);
    *to.scale = t / 127.0f;
    inverse = v_set(t > 0 ? 127.0f / t : 0);
    for (size_t i = 0; i < n; i += LANES) {
        i_store_u8(to.q + i,
                   i_add(f_to_i(v_mul(v_load(x + i), inverse)), offset));
    }
}

static void quantise(const rag_matrix *m, float *x, size_t rows, rag_rows to) {
    for (size_t r = 0; r < rows; r++) {
        quantise_row(m, x + r * m->in, rag_rows_from(to, r, m->in));
    }
}

static void norm(const rag_matrix *m, float *x, size_t rows, float eps,
                 const float *w, const float *b, rag_rows to) {
    size_t n = m->in;
    for (size_t r = 0; r < rows; r++, x += n) {
        rag_rows row = rag_rows_from(to, r, n);
        vf sum = v_set(0), square = v_set(0), mean, inverse;
        for (size_t i = 0; i < n; i += LANES) {
            sum = v_add(sum, v_load(x + i));
        }
        mean = v_set(v_sum(sum) / (float)n);
        for (size_t i = 0; i < n; i += LANES) {
            vf d = v_sub(v_load(x + i), mean);
            square = v_fma(d, d, square);
        }
        inverse = v_set(1 / sqrtf(v_sum(square) / (float)n + eps));
        for (size_t i = 0; i < n; i += LANES) {
            vf d = v_mul(v_sub(v_load(x + i), mean), inverse);
            v_store(x + i, v_fma(d, v_load(w + i), v_load(b + i)));
        }
        quantise_row(m, x, row);
        for (size_t j = 0; j < RAG_OUTLIERS; j++) {
            x[m->outlier[j]] = row.exact[j];
        }
    }
}

/* --- attention --- */

INLINE float largest(const float *x, size_t ld, size_t rows, size_t n) {
    vf top = v_set(0);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i += LANES) {
            top = v_max(top, v_abs(v_load(x + r * ld + i)));
        }
    }
    return v_top(top);
}

/* mr x nv sums of 16-bit products over steps pairs: b advances one vector a
 * step, its nv vectors lie bs bytes apart. */
INLINE void tile16(const int16_t *a, size_t lda, const char *b, size_t bs,
                   size_t steps, vi acc[MR][NV], const int nv) {
    UNROLL
    for (int r = 0; r < MR; r++) {
        UNROLL
        for (int v = 0; v < nv; v++) {
            acc[r][v] = i_zero();
        }
    }
    for (size_t k = 0; k < steps; k++, b += LANES * 4) {
        vi x[NV];
        UNROLL
        for (int v = 0; v < nv; v++) {
            x[v] = i_load(b + (size_t)v * bs);
        }
        UNROLL
        for (int r = 0; r < MR; r++) {
            vi y =
                i_set(bytes4((const uint8_t *)(a + (size_t)r * lda + 2 * k)));
            UNROLL
            for (int v = 0; v < nv; v++) {
                acc[r][v] = dot2(acc[r][v], y, x[v]);
            }
        }
    }
}

/* MR rows of results from nv vectors of columns: out = factor[r] * sums. */
INLINE void rows16(const int16_t *a, size_t lda, const char *b, size_t bs,
                   size_t steps, const float *factor, size_t rows, float *out,
                   size_t ldo, const int nv) {
    vi acc[MR][NV];
    tile16(a, lda, b, bs, steps, acc, nv);
    UNROLL
    for (int r = 0; r < MR; r++) {
        if ((size_t)r >= rows) {
            break;
        }
        UNROLL
        for (int v = 0; v < nv; v++) {
            v_store(out + (size_t)r * ldo + (size_t)v * LANES,
                    v_mul(i_to_f(acc[r][v]), v_set(factor[r])));
        }
    }
}

/* The same over nvec vectors of columns. */
INLINE void block16(const int16_t *a, size_t lda, const char *b, size_t bs,
                    size_t steps, const float *factor, size_t rows, size_t nvec,
                    float *out, size_t ldo) {
    size_t v = 0;
    for (; v + NV <= nvec; v += NV) {
        rows16(a, lda, b + v * bs, bs, steps, factor, rows, out + v * LANES,
               ldo, NV);
    }
#if NV > 2
    for (; v + 2 <= nvec; v += 2) {
        rows16(a, lda, b + v * bs, bs, steps, factor, rows, out + v * LANES,
               ldo, 2);
    }
#endif
    for (; v < nvec; v++) {
        rows16(a, lda, b + v * bs, bs, steps, factor, rows, out + v * LANES,
               ldo, 1);
    }
}

/* Row of scores (base 2, the last ones of a vector filled up) to 16-bit
 * probabilities that sum to about 32767. */
INLINE void softmax16(float *s, size_t len, size_t padded, int16_t *p) {
    vf top = v_set(-1e30f), sum = v_set(0), scale;
    for (size_t i = len; i < padded; i++) {
        s[i] = -1e30f;
    }
    for (size_t i = 0; i < padded; i += LANES) {
        top = v_max(top, v_load(s + i));
    }
    top = v_set(v_top(top));
    for (size_t i = 0; i < padded; i += LANES) {
        vf e = v_exp2(v_sub(v_load(s + i), top));
        sum = v_add(sum, e);
        v_store(s + i, e);
    }
    scale = v_set(32767.0f / v_sum(sum));
    for (size_t i = 0; i < padded; i += LANES) {
        i_store_i16(p + i, f_to_i(v_mul(v_load(s + i), scale)));
    }
}

/* Keys in vectors of LANES keys, one pair of dimensions a step. */
INLINE void pack_keys(const float *k, size_t ld, size_t len, size_t padded,
                      size_t d, float scale, char *out) {
    int16_t row[256];
    vf s = v_set(scale);
    for (size_t j = 0; j < len; j++) {
        char *to = out + j / LANES * (d / 2 * LANES * 4) + j % LANES * 4;
        for (size_t i = 0; i < d; i += LANES) {
            i_store_i16(row + i, f_to_i(v_mul(v_load(k + j * ld + i), s)));
        }
        for (size_t t = 0; t < d / 2; t++) {
            memcpy(to + t * LANES * 4, row + 2 * t, 4);
        }
    }
    for (size_t j = len; j < padded; j++) {
        char *to = out + j / LANES * (d / 2 * LANES * 4) + j % LANES * 4;
        for (size_t t = 0; t < d / 2; t++) {
            memset(to + t * LANES * 4, 0, 4);
        }
    }
}

/* Values in vectors of LANES dimensions, one pair of keys a step. */
INLINE void pack_values(const float *v, size_t ld, size_t len, size_t d,
                        float scale, size_t steps, char *out) {
    vf s = v_set(scale);
    for (size_t j = 0; j < steps; j++) {
        const float *a = v + 2 * j * ld, *b = a + ld;
        for (size_t i = 0; i < d; i += LANES) {
            vi x = 2 * j < len ? f_to_i(v_mul(v_load(a + i), s)) : i_zero();
            vi y = 2 * j + 1 < len ? f_to_i(v_mul(v_load(b + i), s)) : i_zero();
            i_store(out + (i / LANES * steps + j) * LANES * 4, i_pair(x, y));
        }
    }
}

static void attend(const float *q, const float *k, const float *v, size_t ld,
                   size_t len, size_t d, void *scratch, float *ctx,
                   size_t ldc) {
    /* |q| and |k| up to `limit` keep a sum of d products below 2^31. */
    float limit = floorf(sqrtf(2147483000.0f / (float)d));
    float tq = largest(q, ld, len, d), tk = largest(k, ld, len, d);
    float tv = largest(v, ld, len, d), score[MR], value[MR];
    size_t padded = (len + RAG_LANES_MAX - 1) & ~(size_t)(RAG_LANES_MAX - 1);
    size_t steps = padded / 2, keys = padded / LANES, r;
    char *kp = scratch, *vp = kp + padded * d * 2;
    float *s = (float *)(void *)(vp + padded * d * 2);
    int16_t *p = (int16_t *)(void *)(s + MR * padded);
    int16_t *qp = p + MR * padded;
    vf sq;
    limit = limit > 32767.0f ? 32767.0f : limit;
    tq = tq > 0 ? tq / limit : 1;
    tk = tk > 0 ? tk / limit : 1;
    tv = tv > 0 ? tv / 32767.0f : 1;
    pack_keys(k, ld, len, padded, d, 1 / tk, kp);
    pack_values(v, ld, len, d, 1 / tv, steps, vp);
    sq = v_set(1 / tq);
    for (r = 0; r < MR; r++) {
        /* scores in base 2: log2(e) / sqrt(d) */
        score[r] = tq * tk * 1.44269504f / sqrtf((float)d);
        value[r] = tv / 32767.0f;
    }
    for (size_t i = 0; i < len; i += MR) {
        size_t rows = len - i < MR ? len - i : MR;
        for (r = 0; r < MR; r++) {
            /* rows past the end repeat the last one */
            const float *from = q + (r < rows ? i + r : len - 1) * ld;
            for (size_t j = 0; j < d; j += LANES) {
                i_store_i16(qp + r * d + j,
                            f_to_i(v_mul(v_load(from + j), sq)));
            }
        }
        block16(qp, d, kp, d / 2 * LANES * 4, d / 2, score, MR, keys, s,
                padded);
        for (r = 0; r < rows; r++) {
            softmax16(s + r * padded, len, padded, p + r * padded);
        }
        block16(p, padded, vp, steps * LANES * 4, steps, value, rows, d / LANES,
                ctx + i * ldc, ldc);
    }
}
