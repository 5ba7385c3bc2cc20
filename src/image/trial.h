/* Decides whether a network may run in reduced precision, by comparing its outputs on the first
 * images with those of float32. Only one graph is open at a time, which saves memory. */
#pragma once

#include "cdul/image.h"
#include "cdul/provider.h"

/* With fewer images than this, opening a second graph takes longer than it saves. */
#define CDUL_TRIAL_LEAST 64

typedef struct cdul_trial_shape {
    cdul_preprocess preprocess; /* gives H and W */
    size_t width; /* D: numbers the network gives a view */
} cdul_trial_shape;

typedef struct cdul_trial {
    cdul_inference reduced;
    /* Closes the open network and opens it again in this precision. */
    cdul_status (*open)(void *user, cdul_inference precision, cdul_error *err);
    /* What the open network takes and gives. */
    cdul_trial_shape (*shape)(void *user);
    /* Runs the open network: pixels [n, 3, H, W] to rows [n, D]. */
    cdul_status (*run)(void *user, const float *pixels, size_t n, float *rows, cdul_error *err);
    /* Whether the rows [n, D] of the reduced precision are close enough to those of float32. Tells
     * the user so. n = 0 if no image could be read. */
    bool (*agrees)(void *user, const float *rows, const float *exact, size_t n, size_t width);
    void *user;
} cdul_trial;

/* Starts with float32 open. Leaves the reduced precision open if it agrees, else float32. A reduced
 * network of another shape belongs to another model: it does not agree. */
cdul_status cdul_trial_run(const cdul_trial *trial, const cdul_strings *paths,
                           const cdul_decode_options *decode, cdul_error *err) CDUL_MUST_CHECK;
