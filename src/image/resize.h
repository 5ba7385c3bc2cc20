/* Resizing to a part of the output only, for resize-then-crop: a long thin image would otherwise be
 * blown up to thousands of times the crop that is wanted of it. */
#ifndef CDUL_IMAGE_RESIZE_H
#define CDUL_IMAGE_RESIZE_H

#include "cdul/image.h"

/* What is wanted of a resized image, and where it goes. */
typedef struct cdul_window {
    cdul_rect rect; /* columns and rows of the whole result */
    uint8_t *out; /* the rect's first pixel */
    size_t stride; /* bytes from row to row of out */
} cdul_window;

/* As cdul_image_resize, but writes only the window of the width x height result. */
cdul_status cdul_image_resize_window(const cdul_image *image, const cdul_rect *rect, size_t width,
                                     size_t height, cdul_filter filter, const cdul_window *window,
                                     cdul_error *err) CDUL_MUST_CHECK;

/* out[j] = clip(sum over t of coefficients[t] * from[t * stride + j]), j < bytes. Coefficients are
 * scaled by 2^22. Two implementations give the same to the last bit; the one for AVX2 runs where
 * the processor has it. */
void cdul_resize_sums(const uint8_t *from, size_t stride, const int32_t *coefficients, size_t count,
                      size_t bytes, uint8_t *out);
/* For processors without AVX2, and to compare with. */
void cdul_resize_sums_portable(const uint8_t *from, size_t stride, const int32_t *coefficients,
                               size_t count, size_t bytes, uint8_t *out);

#endif
