/* How an image becomes a record: decoded, augmented (or not), resized, normalised. */
#include "train/augment.h"

#include <math.h>
#include <stdlib.h>

/* --- Draws --- */

/* torchvision's RandomResizedCrop: aspect ratios log-uniform between these, ten attempts. */
#define RATIO_MIN (3.0 / 4)
#define RATIO_MAX (4.0 / 3)
#define ATTEMPTS  10

static double uniform(cdul_random *random, double low, double high) {
    return low + (high - low) * cdul_random_uniform(random);
}

/* No attempt fitted: the largest centred rectangle whose ratio is allowed. */
static cdul_rect centre_rect(size_t width, size_t height) {
    double ratio = (double)width / (double)height;
    size_t w = width, h = height;
    if (ratio < RATIO_MIN) h = (size_t)lrint((double)w / RATIO_MIN);
    if (ratio > RATIO_MAX) w = (size_t)lrint((double)h * RATIO_MAX);
    return (cdul_rect){(width - w) / 2, (height - h) / 2, w, h};
}

static cdul_rect draw_rect(cdul_random *random, double scale, size_t width, size_t height) {
    if (scale >= 1) return (cdul_rect){0};
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        double area = (double)width * (double)height * uniform(random, scale, 1);
        double ratio = exp(uniform(random, log(RATIO_MIN), log(RATIO_MAX)));
        size_t w = (size_t)lrint(sqrt(area * ratio)), h = (size_t)lrint(sqrt(area / ratio));
        if (w == 0 || h == 0 || w > width || h > height) continue;
        size_t y = cdul_random_below(random, height - h + 1),
               x = cdul_random_below(random, width - w + 1);
        return (cdul_rect){x, y, w, h};
    }
    return centre_rect(width, height);
}

cdul_augmentation cdul_augment_draw(const cdul_augment_options *options, cdul_random random,
                                    size_t width, size_t height) {
    cdul_augmentation drawn = {.order = {0, 1, 2}};
    const double strength[3] = {options->brightness, options->contrast, options->saturation};
    drawn.rect = draw_rect(&random, options->scale, width, height);
    drawn.flip = options->flip && cdul_random_uniform(&random) < 0.5;
    cdul_random_shuffle(&random, drawn.order, 3);
    for (size_t i = 0; i < 3; i++)
        drawn.factor[i] =
            strength[i] > 0 ? uniform(&random, fmax(0, 1 - strength[i]), 1 + strength[i]) : 1;
    return drawn;
}

/* --- Pixels --- */

/* Pillow's convert("L"): ITU-R 601-2 luma in 16-bit fixed point, rounded. */
static uint8_t luma(const uint8_t *rgb) {
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* Pillow's Image.blend(degenerate, image, factor): float32, cut off towards zero, clipped. */
static uint8_t blend(uint8_t degenerate, uint8_t value, float factor) {
    float mixed = (float)degenerate + factor * (float)((int)value - (int)degenerate);
    if (mixed <= 0) return 0;
    return mixed >= 255 ? 255 : (uint8_t)mixed;
}

/* The grey that contrast pulls towards: the mean luma, rounded half up as ImageEnhance.Contrast
 * does. */
static uint8_t mean_luma(const uint8_t *pixels, size_t count) {
    unsigned long long sum = 0;
    for (size_t i = 0; i < count; i++) sum += luma(pixels + 3 * i);
    return (uint8_t)((double)sum / (double)count + 0.5);
}

/* Pixels [height, width, 3] in place, as Pillow's ImageEnhance.{Brightness, Contrast, Color}. */
static void change_colours(uint8_t *pixels, size_t width, size_t height,
                           const cdul_augmentation *drawn) {
    size_t count = width * height;
    for (size_t step = 0; step < 3; step++) {
        size_t kind = drawn->order[step];
        float factor = (float)drawn->factor[kind];
        if (drawn->factor[kind] == 1) continue;
        uint8_t grey = kind == 1 ? mean_luma(pixels, count) : 0;
        for (size_t i = 0; i < count; i++) {
            uint8_t *rgb = pixels + 3 * i;
            if (kind == 2) grey = luma(rgb);
            for (size_t channel = 0; channel < 3; channel++)
                rgb[channel] = blend(grey, rgb[channel], factor);
        }
    }
}

/* Mirrors pixels [height, width, 3] in place. */
static void mirror(uint8_t *pixels, size_t width, size_t height) {
    for (size_t y = 0; y < height; y++) {
        uint8_t *left = pixels + y * width * 3, *right = left + (width - 1) * 3;
        for (; left < right; left += 3, right -= 3) {
            for (size_t channel = 0; channel < 3; channel++) {
                uint8_t kept = left[channel];
                left[channel] = right[channel];
                right[channel] = kept;
            }
        }
    }
}

cdul_status cdul_augment_apply(const cdul_augmentation *drawn, const cdul_preprocess *preprocess,
                               const cdul_image *image, uint8_t *scratch, float *out,
                               cdul_error *err) {
    const cdul_rect *rect = drawn->rect.width ? &drawn->rect : NULL;
    cdul_status status = cdul_preprocess_pixels(preprocess, image, rect, scratch, err);
    if (status != CDUL_OK) return status;
    if (drawn->flip) mirror(scratch, preprocess->width, preprocess->height);
    change_colours(scratch, preprocess->width, preprocess->height, drawn);
    cdul_preprocess_planes(preprocess, scratch, out);
    return CDUL_OK;
}

/* --- Records --- */

static cdul_status read_view(const void *user, size_t row, void *out, cdul_error *err) {
    const cdul_image_views *v = user;
    const cdul_preprocess *p = &v->preprocess;
    cdul_image image = {0};
    cdul_augmentation drawn = {.order = {0, 1, 2}, .factor = {1, 1, 1}}; /* the plain view */
    uint8_t *scratch = malloc(p->width * p->height * 3);
    if (!scratch) return cdul_fail_memory(err, "a view");
    cdul_status status = cdul_image_decode_file(v->data->paths.items[row], &v->decode, &image, err);
    if (status == CDUL_OK && !v->plain)
        drawn = cdul_augment_draw(&v->augment,
                                  cdul_random_seeded(v->seed, v->epoch, v->data->keys[row]),
                                  image.width, image.height);
    if (status == CDUL_OK) status = cdul_augment_apply(&drawn, p, &image, scratch, out, err);
    cdul_image_free(&image);
    free(scratch);
    return status;
}

cdul_source cdul_image_views_source(const cdul_image_views *views) {
    size_t pixels = views->preprocess.width * views->preprocess.height;
    return (cdul_source){pixels * 3 * sizeof(float), read_view, views};
}
