#include "image/resize_sums.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define ONE_HALF (1 << (CDUL_PRECISION_BITS - 1))

static inline uint8_t clip8(int32_t sum) {
    sum >>= CDUL_PRECISION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

void cdul_resize_sums_portable(const uint8_t *from, size_t stride, const int32_t *coefficients,
                               size_t count, size_t bytes, uint8_t *out) {
    for (size_t j = 0; j < bytes; j++) {
        int32_t sum = ONE_HALF;
        for (size_t t = 0; t < count; t++) sum += coefficients[t] * from[t * stride + j];
        out[j] = clip8(sum);
    }
}

#ifdef __x86_64__
#define STEP 16 /* samples: two registers of sums, one of clipped bytes */

__attribute__((target("avx2"))) static inline __m256i widen(const uint8_t *from) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
}

/* Sixteen sums to sixteen bytes; the packing instructions clip. */
__attribute__((target("avx2"))) static inline void store(__m256i low, __m256i high, uint8_t *out) {
    low = _mm256_srai_epi32(low, CDUL_PRECISION_BITS);
    high = _mm256_srai_epi32(high, CDUL_PRECISION_BITS);
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    __m128i packed =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)out, packed);
}

/* `step` samples at once, 16 or 48: what stays in registers from tap to tap. */
#define SUMS_OF(name, registers)                                                                   \
    __attribute__((target("avx2"))) static inline void name(const uint8_t *from, size_t stride,    \
                                                            const int32_t *coefficients,           \
                                                            size_t count, uint8_t *out) {          \
        __m256i sum[registers];                                                                    \
        for (int r = 0; r < registers; r++) sum[r] = _mm256_set1_epi32(ONE_HALF);                  \
        for (size_t t = 0; t < count; t++, from += stride) {                                       \
            const __m256i coefficient = _mm256_set1_epi32(coefficients[t]);                        \
            for (int r = 0; r < registers; r++)                                                    \
                sum[r] = _mm256_add_epi32(sum[r],                                                  \
                                          _mm256_mullo_epi32(coefficient, widen(from + 8 * r)));   \
        }                                                                                          \
        for (int r = 0; r < registers; r += 2) store(sum[r], sum[r + 1], out + 8 * r);             \
    }

SUMS_OF(sums_of_48, 6)
SUMS_OF(sums_of_16, 2)

__attribute__((target("avx2"))) static void sums_avx2(const uint8_t *from, size_t stride,
                                                      const int32_t *coefficients, size_t count,
                                                      size_t bytes, uint8_t *out) {
    size_t j = 0;
    for (; j + 48 <= bytes; j += 48) sums_of_48(from + j, stride, coefficients, count, out + j);
    for (; j + STEP <= bytes; j += STEP) sums_of_16(from + j, stride, coefficients, count, out + j);
    cdul_resize_sums_portable(from + j, stride, coefficients, count, bytes - j, out + j);
}
#endif

void cdul_resize_sums(const uint8_t *from, size_t stride, const int32_t *coefficients, size_t count,
                      size_t bytes, uint8_t *out) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        sums_avx2(from, stride, coefficients, count, bytes, out);
        return;
    }
#endif
    cdul_resize_sums_portable(from, stride, coefficients, count, bytes, out);
}
