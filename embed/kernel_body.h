/*
 * kernel_body.h - the int8 encoder's arithmetic over vectors of LANES floats.
 *
 * Included once by each kernel_*.c, which defines before:
 *   LANES, MR (rows of a micro-tile), NV (vectors of a micro-tile)
 *   vf, vi            vectors of LANES floats, 32-bit integers
 *   AR (rows of a micro-tile of attention), AV (vectors of it)
 *   v_load v_store v_set v_add v_sub v_mul v_div v_fma(a,b,c)=a*b+c v_max
 *   v_min v_abs v_sum v_top (largest lane) v_exp2 (of x <= 0)
 *   i_load i_store i_set i_zero i_add i_max i_to_f f_to_i (round to nearest
 *   even) i_of_bits (a float's) i_store_u8 (the lanes' low parts)
 *   i_pair(lo, hi): 16-bit lo in the low and hi in the high half of each lane
 *   i_zip_low(a, b), i_zip_high: the lanes of the lower (higher) halves in
 *   turn
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

/*
 * --- attention ---
 *
 * One head of one text, LANES queries in the lanes of a vector (AV of them at
 * once), so that a key's scores lie side by side and softmax needs no sums
 * across lanes. Keys and values stay as they are but for their pairs; only
 * queries are transposed on their way in, and results on their way out.
 *
 * Queries, keys, probabilities and values are 16-bit integers. Keys come in
 * blocks of KEY_BLOCK, which keeps the work in the first cache; between
 * blocks sums are float32 and follow the largest score so far (Milakov and
 * Gimelshein 2018, "Online normalizer calculation for softmax").
 */
#define KEY_BLOCK ((size_t)128)
#define PROBABILITY_TOP 32767.0f /* of a block's probabilities, in all */
#define VALUE_TOP 32767.0f /* of a value; both, rounding added: below 2^31 */
#define PAIR ((size_t)(2 * LANES)) /* numbers in a vector of pairs */

typedef struct head {
    size_t len, d, pairs; /* pairs: vectors of LANES a row, times LANES */
    const float *q, *k, *v; /* rows of ld */
    size_t ld;
    float to_q, base; /* float to int; a score of 1 as exponent of 2 */
    char *kp; /* a row of pairs a key, of zeros past the last */
    char *vp; /* pairs of keys, d each */
    char *qp; /* pairs by queries */
    char *s; /* keys of a block by queries; then probabilities */
    char *o; /* dimensions by queries, float32 */
} head;

/* Vectors of queries in work: sums and largest scores so far. */
typedef struct sums {
    vf sum[AV];
    vi top[AV];
} sums;

/* acc[r][v] = sum over steps of pairs a[r] and b[v]: a's rows and steps lie
 * `row` and `step` bytes apart, b's vectors of one step side by side. */
INLINE void tile16(const char *a, size_t row, size_t step, const char *b,
                   size_t steps, vi acc[AR][AV], const int nv) {
    UNROLL
    for (int r = 0; r < AR; r++) {
        UNROLL
        for (int v = 0; v < nv; v++) {
            acc[r][v] = i_zero();
        }
    }
    for (size_t i = 0; i < steps; i++, a += step) {
        vi x[AV];
        UNROLL
        for (int v = 0; v < nv; v++, b += LANES * 4) {
            x[v] = i_load(b);
        }
        UNROLL
        for (int r = 0; r < AR; r++) {
            vi y = i_set(bytes4((const uint8_t *)a + (size_t)r * row));
            UNROLL
            for (int v = 0; v < nv; v++) {
                acc[r][v] = dot2(acc[r][v], y, x[v]);
            }
        }
    }
}

/* Rows of a square to columns: as often as LANES has bits, the two halves of
 * the rows are shuffled like cards. */
INLINE void transpose(vi x[LANES]) {
    UNROLL
    for (int n = 1; n < LANES; n *= 2) {
        vi y[LANES];
        UNROLL
        for (int i = 0; i < LANES / 2; i++) {
            y[2 * i] = i_zip_low(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = i_zip_high(x[i], x[i + LANES / 2]);
        }
        UNROLL
        for (int i = 0; i < LANES; i++) {
            x[i] = y[i];
        }
    }
}

/* Pairs of the numbers i + lane and i + LANES + lane of a row of d. */
INLINE vi pair_at(const float *x, size_t i, size_t d, vf scale) {
    vi low = f_to_i(v_mul(v_load(x + i), scale));
    return i_pair(low, i + LANES < d
                           ? f_to_i(v_mul(v_load(x + i + LANES), scale))
                           : i_zero());
}

INLINE void pack_keys(const head *h, float scale) {
    size_t filled = (h->len + AR - 1) / AR * AR;
    for (size_t j = 0; j < filled; j++) {
        char *to = h->kp + j * h->pairs * 4;
        for (size_t i = 0; i < h->d; i += PAIR, to += LANES * 4) {
            i_store(to, j < h->len
                            ? pair_at(h->k + j * h->ld, i, h->d, v_set(scale))
                            : i_zero());
        }
    }
}

INLINE void pack_values(const head *h, float scale) {
    vf s = v_set(scale);
    char *to = h->vp;
    for (size_t j = 0; j < h->len; j += 2) {
        const float *a = h->v + j * h->ld, *b = a + h->ld;
        for (size_t i = 0; i < h->d; i += LANES, to += LANES * 4) {
            vi x = f_to_i(v_mul(v_load(a + i), s)), y = i_zero();
            if (j + 1 < h->len) {
                y = f_to_i(v_mul(v_load(b + i), s));
            }
            i_store(to, i_pair(x, y));
        }
    }
}

/* nv vectors of queries from row `from` on. */
INLINE void pack_queries(const head *h, size_t from, const int nv) {
    vf scale = v_set(h->to_q);
    for (int v = 0; v < nv; v++) {
        const float *q = h->q + (from + (size_t)v * LANES) * h->ld;
        size_t rows = h->len - from - (size_t)v * LANES;
        for (size_t i = 0; i < h->d; i += PAIR) {
            char *to = h->qp + (i / 2 * (size_t)nv + (size_t)v) * LANES * 4;
            vi x[LANES];
            UNROLL
            for (size_t r = 0; r < LANES; r++) {
                x[r] = r < rows ? pair_at(q + r * h->ld, i, h->d, scale)
                                : i_zero();
            }
            transpose(x);
            UNROLL
            for (size_t r = 0; r < LANES; r++) {
                i_store(to + r * (size_t)nv * LANES * 4, x[r]);
            }
        }
    }
}

/* Scores of n keys from key `from` on; raises the largest. */
INLINE void scores(const head *h, size_t from, size_t n, vi top[AV],
                   const int nv) {
    const char *k = h->kp + from * h->pairs * 4;
    char *s = h->s;
    for (size_t j = 0; j < n; j += AR, k += AR * h->pairs * 4) {
        vi acc[AR][AV];
        tile16(k, h->pairs * 4, 4, h->qp, h->pairs, acc, nv);
        UNROLL
        for (size_t r = 0; r < AR; r++) {
            UNROLL
            for (int v = 0; v < nv; v++, s += LANES * 4) {
                i_store(s, acc[r][v]);
                if (j + r < n) {
                    top[v] = i_max(top[v], acc[r][v]);
                }
            }
        }
    }
}

/* Scores to pairs of probabilities, in their place: PROBABILITY_TOP is their
 * sum, so that no sum of values overflows. Returns what it stands for. */
INLINE vf softmax(const head *h, size_t n, int v, vi top, const int nv) {
    vf base = v_set(h->base), sum = v_set(0), scale;
    vf low = v_sub(v_set(0), v_mul(i_to_f(top), base));
    size_t step = (size_t)nv * LANES;
    float *s = (float *)(void *)h->s + (size_t)v * LANES, *p = s;
    for (size_t j = 0; j < n; j++) {
        float *at = s + j * step;
        vf e = v_exp2(v_fma(i_to_f(i_load(at)), base, low));
        sum = v_add(sum, e);
        v_store(at, e);
    }
    scale = v_div(v_set(PROBABILITY_TOP), sum);
    for (size_t j = 0; j < n; j += 2, s += 2 * step, p += step) {
        vi x = f_to_i(v_mul(v_load(s), scale)), y = i_zero();
        if (j + 1 < n) {
            y = f_to_i(v_mul(v_load(s + step), scale));
        }
        i_store(p, i_pair(x, y));
    }
    return sum;
}

/* o = o * keep + share * probabilities times values of n keys from `from`. */
INLINE void weigh(const head *h, size_t from, size_t n, const vf keep[AV],
                  const vf share[AV], const int nv) {
    const char *v0 = h->vp + from / 2 * h->d * 4;
    for (size_t i = 0; i < h->d; i += AR) {
        float *o = (float *)(void *)h->o + i * (size_t)nv * LANES;
        vi acc[AR][AV];
        tile16(v0 + i * 4, 4, h->d * 4, h->s, (n + 1) / 2, acc, nv);
        UNROLL
        for (int r = 0; r < AR; r++) {
            UNROLL
            for (int v = 0; v < nv; v++, o += LANES) {
                vf y = v_mul(i_to_f(acc[r][v]), share[v]);
                v_store(o, from ? v_fma(v_load(o), keep[v], y) : y);
            }
        }
    }
}

/* The results of nv vectors of queries, by query again. */
INLINE void hand_out(const head *h, size_t from, const vf factor[AV],
                     float *ctx, size_t ldc, const int nv) {
    for (int v = 0; v < nv; v++) {
        size_t first = from + (size_t)v * LANES, rows = h->len - first;
        for (size_t i = 0; i < h->d; i += LANES) {
            const float *o =
                (float *)(void *)h->o + (i * (size_t)nv + (size_t)v) * LANES;
            vi x[LANES];
            UNROLL
            for (size_t j = 0; j < LANES; j++) {
                vf y = v_load(o + j * (size_t)nv * LANES);
                x[j] = i_of_bits(v_mul(y, factor[v]));
            }
            transpose(x);
            UNROLL
            for (size_t j = 0; j < LANES; j++) {
                if (j < rows) {
                    i_store(ctx + (first + j) * ldc + i, x[j]);
                }
            }
        }
    }
}

INLINE void attend_queries(const head *h, size_t from, float to_v, float *ctx,
                           size_t ldc, const int nv) {
    vf sum[AV], keep[AV], share[AV];
    vi top[AV];
    pack_queries(h, from, nv);
    for (size_t k = 0; k < h->len; k += KEY_BLOCK) {
        size_t n = h->len - k < KEY_BLOCK ? h->len - k : KEY_BLOCK;
        vi before[AV];
        for (int v = 0; v < nv; v++) {
            before[v] = top[v] = k > 0 ? top[v] : i_set(INT32_MIN);
        }
        scores(h, k, n, top, nv);
        for (int v = 0; v < nv; v++) {
            vf more = softmax(h, n, v, top[v], nv);
            keep[v] = v_exp2(v_mul(v_sub(i_to_f(before[v]), i_to_f(top[v])),
                                   v_set(h->base)));
            share[v] = v_mul(more, v_set(1 / (PROBABILITY_TOP * to_v)));
            sum[v] = k > 0 ? v_fma(sum[v], keep[v], more) : more;
        }
        weigh(h, k, n, keep, share, nv);
    }
    for (int v = 0; v < nv; v++) {
        keep[v] = v_div(v_set(1), sum[v]);
    }
    hand_out(h, from, keep, ctx, ldc, nv);
}

INLINE float largest(const float *x, size_t ld, size_t rows, size_t n) {
    vf top = v_set(0);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i += LANES) {
            top = v_max(top, v_abs(v_load(x + r * ld + i)));
        }
    }
    return v_top(top);
}

INLINE void attend_head(head h, void *scratch, float *ctx, size_t ldc,
                        const size_t d) {
    /* |q| and |k| up to `limit` keep a sum of d products below 2^31. */
    float limit = floorf(sqrtf(2147483000.0f / (float)d)), to_v;
    float tq = largest(h.q, h.ld, h.len, d), tk = largest(h.k, h.ld, h.len, d);
    float tv = largest(h.v, h.ld, h.len, d);
    size_t i = 0;
    limit = limit > 32767.0f ? 32767.0f : limit;
    tq = tq > 0 ? limit / tq : 1;
    tk = tk > 0 ? limit / tk : 1;
    to_v = tv > 0 ? VALUE_TOP / tv : 1;
    h.d = d;
    h.pairs = (d + PAIR - 1) / PAIR * LANES;
    h.to_q = tq;
    h.base = 1.44269504f / (tq * tk * sqrtf((float)d)); /* log2(e) */
    h.kp = scratch;
    h.vp = h.kp + (h.len + AR) * h.pairs * 4;
    h.qp = h.vp + (h.len + 1) * d * 2;
    h.s = h.qp + h.pairs * AV * LANES * 4;
    h.o = h.s + (KEY_BLOCK + AR) * AV * LANES * 4;
    pack_keys(&h, tk);
    pack_values(&h, to_v);
    for (; i + LANES * (AV - 1) < h.len; i += LANES * AV) {
        attend_queries(&h, i, to_v, ctx, ldc, AV);
    }
    for (; i < h.len; i += LANES) {
        attend_queries(&h, i, to_v, ctx, ldc, 1);
    }
}

static void attend(const float *q, const float *k, const float *v, size_t ld,
                   size_t len, size_t d, void *scratch, float *ctx,
                   size_t ldc) {
    head h = {.len = len, .q = q, .k = k, .v = v, .ld = ld};
    if (d == 32) { /* a number the compiler knows makes straight code */
        attend_head(h, scratch, ctx, ldc, 32);
    } else {
        attend_head(h, scratch, ctx, ldc, d);
    }
}
