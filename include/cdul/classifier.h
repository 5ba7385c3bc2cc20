/* The trained classifier: images to scores of C classes, with the ONNX graph that cdul-train
 * exports.
 *
 *     cdul_status status = cdul_classifier_open("run/", NULL, &classifier, &err);
 *     if (status == CDUL_OK) status = cdul_classifier_predict(classifier, &paths, &params, &err);
 *
 * where `params` comes from cdul_predict_defaults() and says in `predicted` what becomes of the
 * scores. A classifier is used by one thread at a time; several classifiers may be open at once.
 *
 * Letters: N images, C classes, V views of an image, B views in a batch, H, W pixels. */
#pragma once

#include "cdul/image.h"
#include "cdul/progress.h"
#include "cdul/provider.h"
#include "cdul/strings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- The model --- */

typedef struct cdul_classifier_options {
    size_t threads; /* of the network, within an operator; 0 = one per processor */
    size_t batch; /* B, the views in one run; 0 = two for each thread, at least 4 */
    cdul_provider provider; /* read while the classifier is opened */
    /* AUTO, the default: what cdul_classifier_choose finds; FP32 in cdul_classifier_open, which has
     * no images to try. */
    cdul_inference precision;
    const cdul_callbacks *callbacks; /* of all that it does; borrowed until it is closed */
} cdul_classifier_options;

cdul_classifier_options cdul_classifier_defaults(void);

typedef struct cdul_classifier cdul_classifier;

/* Opens a run folder (its model.onnx) or a model.onnx. The graph must have an input `image` float32
 * [B, 3, H, W], an output `scores` float32 [B, C], and the metadata that cdul-train writes:
 * classes, thresholds, and how an image becomes the input. Anything else is CDUL_ERR_INPUT.
 * `options` NULL = defaults. The caller closes *out. */
cdul_status cdul_classifier_open(const char *path, const cdul_classifier_options *options,
                                 cdul_classifier **out, cdul_error *err) CDUL_MUST_CHECK;

/* The largest difference of any score to float32's. */
#define CDUL_SCORE_BOUND 0.1
/* The same, and precision AUTO becomes the fastest that keeps the scores: int8 on the CPU if the
 * model has it, bfloat16 on OpenVINO, if the scores of the first images are within CDUL_SCORE_BOUND
 * of float32's. Else, and for too few images to be worth the trial, float32. What a trial found is
 * a note to options->callbacks. */
cdul_status cdul_classifier_choose(const char *path, const cdul_classifier_options *options,
                                   const cdul_strings *paths, const cdul_decode_options *decode,
                                   cdul_classifier **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_classifier_close(cdul_classifier *classifier);

/* --- What the model says of itself: lives as long as the classifier --- */

const cdul_strings *cdul_classifier_classes(const cdul_classifier *classifier); /* C names */
/* [C]: a class is in an image whose score of one view reaches this. Found in training, without
 * ground truth. */
const float *cdul_classifier_thresholds(const cdul_classifier *classifier);
/* How an image becomes a view: H, W, the resizing; pixels are then in 0 .. 1, for the graph itself
 * takes mean and deviation into account. */
const cdul_preprocess *cdul_classifier_preprocess(const cdul_classifier *classifier);
/* How it was trained: a JSON object. */
const char *cdul_classifier_provenance(const cdul_classifier *classifier);
/* Who runs it: "CPU", or such as "CUDA: 98 of 103 nodes, 5 on the CPU provider". */
const char *cdul_classifier_placement(const cdul_classifier *classifier);
const char *cdul_classifier_path(const cdul_classifier *classifier); /* of the graph */

/* --- Scores --- */

/* Scores [n, C] in 0 .. 1 of n views, pixels [n, 3, H, W] in 0 .. 1, RGB. */
cdul_status cdul_classifier_views(cdul_classifier *classifier, const float *pixels, size_t n,
                                  float *scores, cdul_error *err) CDUL_MUST_CHECK;

/* Which views of an image are looked at, and how their scores become one. */
typedef enum cdul_test_views {
    CDUL_TEST_VIEWS_NONE, /* V = 1: the whole image */
    CDUL_TEST_VIEWS_FLIP, /* V = 2: the mean of the image and its mirror image */
    /* V = 10: the mean of the whole image and of the largest over 3 x 3 tiles, as pseudo-labels are
     * aggregated with zeta = 0 and lambda = 0 (equations 5, 6). */
    CDUL_TEST_VIEWS_GRID,
} cdul_test_views;

/* How images are looked at, and what becomes of each, in order. */
typedef struct cdul_predict_params {
    cdul_decode_options decode;
    /* Decode large JPEGs at a part of their size, where every view keeps twice its pixels; default
     * true. */
    bool reduce;
    size_t threads; /* that decode and resize; 0, the default, = one per processor */
    cdul_test_views views;
    /* The score becomes sigmoid((l - mean_c l) / std_c l), l its logit: images that the model finds
     * rich or poor in everything can then be ranked by one class. */
    bool standardise;

    /* Image i: scores [C] in 0 .. 1 and what `keep` made, valid during the call. A failure stops
     * the run. */
    cdul_status (*predicted)(void *user, size_t i, const float *scores, void *kept,
                             cdul_error *err);
    /* Image i could not be read; the run goes on. May be NULL. */
    void (*skipped)(void *user, size_t i, const char *reason);
    /* Makes of decoded image i what `predicted` shall be given, such as a thumbnail: called from
     * worker threads. May be NULL, and may leave *kept NULL. `drop` frees it. */
    cdul_status (*keep)(void *user, size_t i, const cdul_image *image, void **kept,
                        cdul_error *err);
    void (*drop)(void *kept);
    void *user; /* given to predicted, skipped and keep */
} cdul_predict_params;

/* One view; `predicted` is still to be set. */
cdul_predict_params cdul_predict_defaults(void);

/* Views of different images share batches; memory does not grow with the number of images.
 * CDUL_ERR_CANCELLED if should_stop of the classifier's callbacks says so, when everything finished
 * has been handed over. */
cdul_status cdul_classifier_predict(cdul_classifier *classifier, const cdul_strings *paths,
                                    const cdul_predict_params *params,
                                    cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
