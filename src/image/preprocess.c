/* Turns an image into a network's input, to the last pixel as torchvision (Resize, CenterCrop, Pad,
 * ToTensor, Normalize) and open_clip (resize modes) do, each with its own rounding of sizes. */
#include "base/machine.h"
#include "image/resize.h"

#include <math.h>
#include <string.h>

/* One axis: the resized image is cropped or padded to the input. */
typedef struct fit {
    size_t first; /* the first pixel that is kept */
    size_t count; /* pixels that are kept */
    size_t offset; /* of the first kept pixel in the input */
} fit;

/* center_crop of torchvision.transforms.functional or, with `floor`, of
 * transformers.image_transforms. A smaller image is padded by (target - size) / 2 in front, which
 * torchvision rounds down and transformers up. */
static fit center(size_t size, size_t target, bool floor) {
    if (size < target) return (fit){0, size, (target - size + floor) / 2};
    double half = (double)(size - target) / 2; /* Python's round() goes to the even neighbour */
    return (fit){(size_t)(floor ? half : nearbyint(half)), target, 0};
}

/* torchvision.transforms.functional.resize with one number: int(shortest * long / short). */
static size_t longer_side(size_t shortest, size_t longer, size_t shorter) {
    return (size_t)((double)shortest * (double)longer / (double)shorter);
}

/* open_clip's ResizeKeepRatio: round(side / ratio). */
static size_t divided(size_t side, double ratio) {
    size_t size = (size_t)nearbyint((double)side / ratio);
    return size ? size : 1;
}

static void resized_size(const cdul_preprocess *p, size_t w, size_t h, cdul_window *out) {
    if (p->mode == CDUL_RESIZE_SQUASH) {
        out->width = p->squash_width ? p->squash_width : p->width;
        out->height = p->squash_height ? p->squash_height : p->height;
    } else if (p->mode == CDUL_RESIZE_SHORTEST && (p->shortest || p->width == p->height)) {
        size_t shortest = p->shortest ? p->shortest : p->width;
        out->width = w <= h ? shortest : longer_side(shortest, w, h);
        out->height = w <= h ? longer_side(shortest, h, w) : shortest;
    } else {
        double across = (double)w / (double)p->width, down = (double)h / (double)p->height;
        bool longest = p->mode == CDUL_RESIZE_LONGEST;
        double ratio = (across > down) == longest ? across : down;
        out->width = divided(w, ratio);
        out->height = divided(h, ratio);
    }
}

static cdul_status check(const cdul_preprocess *p, cdul_error *err) {
    if (p->width == 0 || p->height == 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "preprocess: input of %zu x %zu pixels", p->width,
                         p->height);
    for (int c = 0; c < 3; c++)
        if (!(p->std[c] > 0) || !isfinite(p->std[c]) || !isfinite(p->mean[c]))
            return cdul_fail(err, CDUL_ERR_USAGE,
                             "preprocess: mean %g, std %g: expected finite, std over 0",
                             (double)p->mean[c], (double)p->std[c]);
    if (!isfinite(p->scale))
        return cdul_fail(err, CDUL_ERR_USAGE, "preprocess: scale is not finite");
    return CDUL_OK;
}

cdul_status cdul_preprocess_pixels(const cdul_preprocess *p, const cdul_image *image,
                                   const cdul_rect *rect, uint8_t *pixels, cdul_error *err) {
    cdul_status status = check(p, err);
    if (status != CDUL_OK) return status;
    if (rect || (p->mode == CDUL_RESIZE_SQUASH && !p->squash_width))
        return cdul_image_resize(image, rect, p->width, p->height, p->filter, pixels, err);
    cdul_window window = {.stride = p->width * 3};
    resized_size(p, image->width, image->height, &window);
    fit across = center(window.width, p->width, p->crop_floor),
        down = center(window.height, p->height, p->crop_floor);
    if (across.count < p->width || down.count < p->height) {
        const uint8_t *fill = p->mode == CDUL_RESIZE_LONGEST ? p->fill : (const uint8_t[3]){0};
        for (size_t i = 0; i < p->width * p->height; i++) memcpy(pixels + 3 * i, fill, 3);
    }
    window.rect = (cdul_rect){across.first, down.first, across.count, down.count};
    window.out = pixels + (down.offset * p->width + across.offset) * 3;
    return cdul_image_resize_window(image, NULL, p->filter, &window, err);
}

/* All three channels in one loop: otherwise compilers do not vectorise the loads. */
FOR_AVX2_TOO void cdul_preprocess_planes(const cdul_preprocess *p, const uint8_t *restrict pixels,
                                         float *restrict out) {
    const size_t n = p->width * p->height;
    const float scale = p->scale, mean0 = p->mean[0], mean1 = p->mean[1], mean2 = p->mean[2],
                std0 = p->std[0], std1 = p->std[1], std2 = p->std[2];
    for (size_t i = 0; i < n; i++) {
        out[i] = ((float)pixels[3 * i] * scale - mean0) / std0;
        out[n + i] = ((float)pixels[3 * i + 1] * scale - mean1) / std1;
        out[2 * n + i] = ((float)pixels[3 * i + 2] * scale - mean2) / std2;
    }
}

cdul_status cdul_preprocess_apply(const cdul_preprocess *preprocess, const cdul_image *image,
                                  const cdul_rect *rect, uint8_t *scratch, float *out,
                                  cdul_error *err) {
    cdul_status status = cdul_preprocess_pixels(preprocess, image, rect, scratch, err);
    if (status == CDUL_OK) cdul_preprocess_planes(preprocess, scratch, out);
    return status;
}
