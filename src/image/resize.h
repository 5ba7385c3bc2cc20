/* Resizing to a part of the output only, for resize-then-crop: a long thin image would otherwise be
 * blown up to thousands of times the crop that is wanted of it. */
#ifndef CDUL_IMAGE_RESIZE_H
#define CDUL_IMAGE_RESIZE_H

#include "cdul/image.h"

/* As cdul_image_resize, but writes only columns and rows `window` of the width x height result. Row
 * i of the window starts at out + i * stride; stride is in bytes. */
cdul_status cdul_image_resize_window(const cdul_image *image, const cdul_rect *rect, size_t width,
                                     size_t height, cdul_filter filter, const cdul_rect *window,
                                     uint8_t *out, size_t stride, cdul_error *err) CDUL_MUST_CHECK;

#endif
