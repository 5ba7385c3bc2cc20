/* The two inner loops of resize.c: sums of samples, each times a coefficient, rounded to samples.
 * Two implementations give the same to the last bit; the one for AVX2 runs where the processor has
 * it. */
#ifndef CDUL_IMAGE_RESIZE_SUMS_H
#define CDUL_IMAGE_RESIZE_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* Coefficients are scaled by 2^22: 8 bits are the sample's, 2 are room for overshoot of the sum. */
#define CDUL_PRECISION_BITS (32 - 8 - 2)

/* out[j] = clip(sum over t of coefficients[t] * from[t * stride + j]), j < bytes. */
void cdul_resize_sums(const uint8_t *from, size_t stride, const int32_t *coefficients, size_t count,
                      size_t bytes, uint8_t *out);
/* For processors without AVX2, and to compare with. */
void cdul_resize_sums_portable(const uint8_t *from, size_t stride, const int32_t *coefficients,
                               size_t count, size_t bytes, uint8_t *out);

#endif
