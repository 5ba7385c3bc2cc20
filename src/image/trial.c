/* The trial of a reduced precision, for encoder and classifier. */
#include "image/trial.h"

#include "image/views.h"

#include <stdlib.h>

#define TRIED 16 /* images of which both graphs see the whole */

static bool is_same(cdul_trial_shape a, cdul_trial_shape b) {
    return a.width == b.width && a.preprocess.height == b.preprocess.height &&
           a.preprocess.width == b.preprocess.width;
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
    cdul_status status =
        cdul_views_first(paths, decode, &shape.preprocess, TRIED, &pixels, &n, err);
    if (status == CDUL_OK) status = trial->run(user, pixels, n, exact, err);
    if (status == CDUL_OK) status = trial->open(user, trial->reduced, err);
    if (status == CDUL_OK && is_same(shape, trial->shape(user))) {
        status = trial->run(user, pixels, n, rows, err);
        agrees = status == CDUL_OK && trial->agrees(user, rows, exact, n, width);
    }
    if (status == CDUL_OK && !agrees) status = trial->open(user, CDUL_INFERENCE_FP32, err);
    free(pixels);
    free(exact);
    return status;
}
