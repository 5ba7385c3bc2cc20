/* Whether a network may compute in a reduced precision: it is tried against float32 on the first
 * images. One graph is open at a time, so that no more memory is needed than for the larger one. */
#ifndef CDUL_IMAGE_TRIAL_H
#define CDUL_IMAGE_TRIAL_H

#include "cdul/image.h"
#include "cdul/provider.h"

/* Images: with fewer, opening a second graph takes longer than it saves. */
#define CDUL_TRIAL_LEAST 64

/* What a network takes and gives. */
typedef struct cdul_trial_shape {
    cdul_preprocess preprocess; /* gives H and W */
    size_t width; /* D: numbers the network gives a view */
} cdul_trial_shape;

typedef struct cdul_trial {
    cdul_inference reduced;
    /* Closes the network that is open and opens it in this precision. */
    cdul_status (*open)(void *user, cdul_inference precision, cdul_error *err);
    /* Of the network that is open. */
    cdul_trial_shape (*shape)(void *user);
    /* Pixels [n, 3, H, W] to rows [n, D]. */
    cdul_status (*run)(void *user, const float *pixels, size_t n, float *rows, cdul_error *err);
    /* Whether the rows [n, D] of the reduced precision are near enough to those of float32, and
     * tells the user. n = 0 if no image could be read. */
    bool (*agrees)(void *user, const float *rows, const float *exact, size_t n, size_t width);
    void *user;
} cdul_trial;

/* Float32 is open. Leaves the reduced precision open if it agrees; a network of another shape, so
 * of another model, is not asked. */
cdul_status cdul_trial_run(const cdul_trial *trial, const cdul_strings *paths,
                           const cdul_decode_options *decode, cdul_error *err) CDUL_MUST_CHECK;

#endif
