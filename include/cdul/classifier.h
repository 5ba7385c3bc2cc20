/* The trained classifier: images to scores of C classes, with the ONNX graph that cdul-train
 * exports.
 *
 *   model    a run folder, or its model.onnx alone                      cdul_classifier
 *   scores   images to [C] each, from one view or from several          cdul_classifier_predict
 *
 * Letters: N images, C classes, V views of an image, B views in a batch, H, W pixels. */
#ifndef CDUL_CLASSIFIER_H
#define CDUL_CLASSIFIER_H

#include "cdul/error.h"
#include "cdul/image.h"
#include "cdul/progress.h"
#include "cdul/provider.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cdul_classifier_options {
    size_t threads; /* of the network, within an operator; 0 = one per processor */
    size_t batch; /* B: views in one run; 0 = two for each thread, 4 at least */
    cdul_provider provider; /* used while the classifier is opened */
    cdul_inference precision; /* not AUTO, which cdul_classifier_choose settles; default FP32 */
    /* Of all that the classifier does; borrowed until it is closed. */
    const cdul_callbacks *callbacks;
} cdul_classifier_options;

cdul_classifier_options cdul_classifier_defaults(void);

typedef struct cdul_classifier cdul_classifier;

/* Opens a run folder (its model.onnx) or a model.onnx. The graph must have an input `image` float32
 * [B, 3, H, W], an output `scores` float32 [B, C], and metadata that says classes, thresholds and
 * input size: otherwise CDUL_ERR_INPUT. `options` NULL = defaults. */
cdul_status cdul_classifier_open(const char *path, const cdul_classifier_options *options,
                                 cdul_classifier **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_classifier_close(cdul_classifier *classifier);

/* What the model says of itself. Lives as long as the classifier. */
const cdul_strings *cdul_classifier_classes(const cdul_classifier *classifier); /* C names */
/* [C]: a class is in an image whose score of one view reaches this. Found in training, without
 * ground truth. */
const float *cdul_classifier_thresholds(const cdul_classifier *classifier);
/* JSON: how it was trained */
const char *cdul_classifier_provenance(const cdul_classifier *classifier);
/* Who runs it: "CPU", or such as "CUDA: 98 of 103 nodes, 5 on the CPU provider". */
const char *cdul_classifier_placement(const cdul_classifier *classifier);
const char *cdul_classifier_path(const cdul_classifier *classifier); /* of model.onnx */
/* W, H */
void cdul_classifier_size(const cdul_classifier *classifier, size_t *width, size_t *height);

/* Scores [n, C] in 0 .. 1 of n views, pixels [n, 3, H, W] in 0 .. 1, RGB. */
cdul_status cdul_classifier_views(cdul_classifier *classifier, const float *pixels, size_t n,
                                  float *scores, cdul_error *err) CDUL_MUST_CHECK;

/* Which views of an image are looked at, and how their scores become one. */
typedef enum cdul_test_views {
    CDUL_TEST_VIEWS_NONE, /* V = 1: the whole image */
    CDUL_TEST_VIEWS_FLIP, /* V = 2: mean of the image and its mirror image */
    /* V = 10: mean of the whole image and of the largest over 3 x 3 tiles, as the pseudo-labels are
     * aggregated with zeta = 0 and lambda = 0 (equations 5, 6) */
    CDUL_TEST_VIEWS_GRID,
} cdul_test_views;

typedef struct cdul_predict_settings {
    cdul_decode_options decode;
    /* decode large JPEGs at a part of their size, where every view keeps twice its pixels */
    bool reduce;
    size_t threads; /* that decode and resize; 0 = in the caller's thread */
    cdul_test_views views;
    /* the score becomes sigmoid((l - mean_c l) / std_c l), l its logit: images that the model finds
     * rich or poor in everything can then be ranked by one class */
    bool standardise;
} cdul_predict_settings;

cdul_predict_settings cdul_predict_defaults(void);

/* Opens the model as cdul_classifier_open does, in the fastest precision whose scores differ from
 * float32's by CDUL_SCORE_BOUND at most on the first images: int8 on the CPU if the model has it,
 * bfloat16 on OpenVINO; else, and for too few images to be worth the trial, float32. What a trial
 * found is a note to options->callbacks. options->precision is not read. */
#define CDUL_SCORE_BOUND 0.1
cdul_status cdul_classifier_choose(const char *path, const cdul_classifier_options *options,
                                   const cdul_strings *paths, const cdul_decode_options *decode,
                                   cdul_classifier **out, cdul_error *err) CDUL_MUST_CHECK;

/* What becomes of each image, in order. */
typedef struct cdul_predict_sink {
    /* Image i: scores [C] in 0 .. 1 and what `keep` made, valid during the call. A failure stops
     * the run. */
    cdul_status (*predicted)(void *user, size_t i, const float *scores, void *kept,
                             cdul_error *err);
    /* Image i could not be read; the run goes on. */
    void (*skipped)(void *user, size_t i, const char *reason);
    /* Makes of decoded image i what `predicted` shall be given, such as a thumbnail: called from
     * worker threads. May be NULL, and may leave *kept NULL. `drop` frees it. */
    cdul_status (*keep)(void *user, size_t i, const cdul_image *image, void **kept,
                        cdul_error *err);
    void (*drop)(void *kept);
    void *user;
} cdul_predict_sink;

/* Views of different images share batches; memory does not grow with the number of images.
 * CDUL_ERR_CANCELLED if the classifier's should_stop says so, when everything finished has been
 * handed over. */
cdul_status cdul_classifier_predict(cdul_classifier *classifier, const cdul_strings *paths,
                                    const cdul_predict_settings *settings,
                                    const cdul_predict_sink *sink, cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
