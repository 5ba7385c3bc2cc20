/* Resizes and crops in one step: only the wanted window of the result is computed. A long thin
 * image would otherwise grow to thousands of times the crop. */
#pragma once

#include "cdul/image.h"

/* What is wanted of a resized image, and where it goes. */
typedef struct cdul_window {
    size_t width, height; /* of the whole result */
    cdul_rect rect; /* the wanted part of it */
    uint8_t *out; /* where the rect's first pixel goes */
    size_t stride; /* bytes from row to row of out */
} cdul_window;

/* As cdul_image_resize, but writes only the window. */
cdul_status cdul_image_resize_window(const cdul_image *image, const cdul_rect *rect,
                                     cdul_filter filter, const cdul_window *window,
                                     cdul_error *err) CDUL_MUST_CHECK;

/* out[j] = clip(sum over t of coefficients[t] * from[t * stride + j]), j < bytes. Coefficients are
 * scaled by 2^22. Uses AVX2 where the processor has it, with the same result to the last bit. */
void cdul_resize_sums(const uint8_t *from, size_t stride, const int32_t *coefficients, size_t count,
                      size_t bytes, uint8_t *out);
