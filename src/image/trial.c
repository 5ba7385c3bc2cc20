/* Tries a network in reduced precision on the first images: encoders and classifiers use it. */
#include "image/trial.h"

#include <stdlib.h>

#define TRIED 16 /* images that both graphs run on, uncropped */

/* The whole of the first TRIED images that can be read, as views *out [*count, 3, H, W]. *out is
 * the caller's to free, and NULL on failure. */
static cdul_status first_images(const cdul_strings *paths, const cdul_decode_options *decode,
                                const cdul_preprocess *preprocess, float **out, size_t *count,
                                cdul_error *err) {
    const size_t view = 3 * preprocess->height * preprocess->width;
    unsigned char *scratch = malloc(view);
    *out = scratch ? calloc(TRIED, view * sizeof **out) : NULL;
    *count = 0;
    for (size_t i = 0; *out && i < paths->count && *count < TRIED; i++) {
        cdul_image image = {0};
        if (cdul_image_decode_file(paths->items[i], decode, &image, NULL) == CDUL_OK &&
            cdul_preprocess_apply(preprocess, &image, NULL, scratch, *out + *count * view, NULL) ==
                CDUL_OK)
            ++*count;
        cdul_image_free(&image);
    }
    free(scratch);
    return *out ? CDUL_OK : cdul_fail_memory(err, "first images");
}

cdul_status cdul_trial_run(const cdul_trial *trial, const cdul_strings *paths,
                           const cdul_decode_options *decode, cdul_error *err) {
    void *user = trial->user;
    const cdul_trial_shape shape = trial->shape(user);
    const size_t width = shape.width;
    size_t n = 0;
    bool agrees = false;
    float *pixels = NULL, *exact = calloc(2 * TRIED, width * sizeof *exact);
    if (!exact) return cdul_fail_memory(err, "the first images");
    float *rows = exact + TRIED * width;
    cdul_status status = first_images(paths, decode, &shape.preprocess, &pixels, &n, err);
    if (status == CDUL_OK) status = trial->run(user, pixels, n, exact, err);
    if (status == CDUL_OK) status = trial->open(user, trial->reduced, err);
    cdul_trial_shape reduced = shape;
    if (status == CDUL_OK) reduced = trial->shape(user);
    if (status == CDUL_OK && reduced.width == width &&
        reduced.preprocess.height == shape.preprocess.height &&
        reduced.preprocess.width == shape.preprocess.width) {
        status = trial->run(user, pixels, n, rows, err);
        agrees = status == CDUL_OK && trial->agrees(user, rows, exact, n, width);
    }
    if (status == CDUL_OK && !agrees) status = trial->open(user, CDUL_INFERENCE_FP32, err);
    free(pixels);
    free(exact);
    return status;
}
