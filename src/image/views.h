/* From image files to what a network says of their views, in one pass: images are decoded in worker
 * threads, cut into V views, and the views of many images share batches of B. Memory is the images
 * in flight and one batch, whatever N is. Embedding and predicting are this with different
 * networks.
 *
 * The views of an image: the whole, then S crops; with `mirror`, the same again, left and right
 * swapped. */
#ifndef CDUL_IMAGE_VIEWS_H
#define CDUL_IMAGE_VIEWS_H

#include "cdul/image.h"
#include "cdul/progress.h"

typedef struct cdul_view_options {
    const cdul_preprocess *preprocess; /* gives H and W */
    const cdul_crops *crops; /* S crops besides the whole image; NULL = none */
    bool mirror;
    cdul_decode_options decode; /* its least sizes are set here */
    /* Decode large JPEGs at 1/2, 1/4 or 1/8 of their size, where every view still has twice the
     * pixels that it needs in both directions. Resizing halves them at least, which hides what the
     * decoder did. */
    bool reduce;
    size_t threads; /* that decode and resize; 0 = in the caller's thread */
    size_t batch; /* B, at least 1 */
    size_t width; /* D: numbers the network gives a view */
    const char *verb; /* of the progress: "label" */
    const cdul_callbacks *callbacks;
} cdul_view_options;

/* What the caller does. All but `keep` are called in the caller's thread. */
typedef struct cdul_view_calls {
    /* The network: pixels [n, 3, H, W], n <= B, to rows [n, D]. A failure ends the run. */
    cdul_status (*network)(void *user, const float *pixels, size_t n, float *rows, cdul_error *err);
    /* Looks at the rows [V, D] of one image and may change them. Returns NULL, or why the image is
     * to be skipped. May be NULL. */
    const char *(*check)(void *user, float *rows);
    /* Image i, in order: rows [V, D] and what `keep` made, valid during the call. A failure ends
     * the run. */
    cdul_status (*done)(void *user, size_t i, const float *rows, void *kept, cdul_error *err);
    /* Image i is passed over, in order too; the run goes on. */
    void (*skipped)(void *user, size_t i, const char *reason);
    /* Makes of decoded image i what `done` shall be given, such as a thumbnail. Called in worker
     * threads. May be NULL, and may leave *kept NULL. `drop` frees it. */
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

/* The whole of the first images that can be read, `most` at most, as views *out [*count, 3, H, W]:
 * to try a network on. *out is the caller's to free, and NULL on failure. */
cdul_status cdul_views_first(const cdul_strings *paths, const cdul_decode_options *decode,
                             const cdul_preprocess *preprocess, size_t most, float **out,
                             size_t *count, cdul_error *err) CDUL_MUST_CHECK;

#endif
