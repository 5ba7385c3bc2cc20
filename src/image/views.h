/* Runs a network over the views of image files, in one pass: worker threads decode images and cut
 * them into V views, and views of many images share batches of B. Memory is bounded by the images
 * in flight and one batch, whatever N is. Embedding and prediction both use it.
 *
 * The views of an image are the whole and S crops; with `mirror`, also their mirror images. */
#pragma once

#include "cdul/image.h"
#include "cdul/progress.h"

typedef struct cdul_view_options {
    const cdul_preprocess *preprocess; /* gives H and W */
    const cdul_crops *crops; /* S crops besides the whole image; NULL = none */
    bool mirror;
    cdul_decode_options decode; /* .least_width and .least_height are set by the run */
    /* Decode large JPEGs at 1/2, 1/4 or 1/8 of their size, as long as every view keeps twice the
     * pixels that it needs along both sides. Resizing then hides the difference. */
    bool reduce;
    size_t threads; /* workers that decode and resize; 0 = the caller's thread does it */
    size_t batch; /* B, at least 1 */
    size_t width; /* D: numbers the network gives a view */
    const char *verb; /* shown with the progress, such as "label" */
    const cdul_callbacks *callbacks;
} cdul_view_options;

/* What the caller does. All but `keep` are called in the caller's thread. */
typedef struct cdul_view_calls {
    /* The network: pixels [n, 3, H, W], n <= B, to rows [n, D]. A failure ends the run. */
    cdul_status (*network)(void *user, const float *pixels, size_t n, float *rows, cdul_error *err);
    /* Looks at the rows [V, D] of one image and may change them. Returns NULL, or why the image is
     * to be skipped. */
    const char *(*check)(void *user, float *rows);
    /* Image i, in order: rows [V, D] and what `keep` made, valid during the call. A failure ends
     * the run. */
    cdul_status (*done)(void *user, size_t i, const float *rows, void *kept, cdul_error *err);
    /* Image i is skipped, in order too; the run goes on. */
    void (*skipped)(void *user, size_t i, const char *reason);
    /* Makes something of decoded image i for `done`, such as a thumbnail. Called in worker threads.
     * May be NULL, and may leave *kept NULL. `drop` frees *kept. */
    cdul_status (*keep)(void *user, size_t i, const cdul_image *image, void **kept,
                        cdul_error *err);
    void (*drop)(void *kept);
    void *user;
} cdul_view_calls;

size_t cdul_views_count(const cdul_view_options *options); /* V */

/* Runs over the images paths[which[0..n-1]] (`which` NULL: paths[0..n-1]); `i` above indexes
 * `paths`. CDUL_ERR_CANCELLED if should_stop says so, when all images whose rows are computed have
 * been handed over. */
cdul_status cdul_views_run(const cdul_strings *paths, const size_t *which, size_t n,
                           const cdul_view_options *options, const cdul_view_calls *calls,
                           cdul_error *err) CDUL_MUST_CHECK;
