/* The precision of a classifier: the fastest whose scores agree with float32's. */
#include "predict/precision.h"

#include "base/file.h"
#include "base/progress.h"
#include "image/trial.h"
#include "onnx/session.h"

#include <math.h>
#include <stdlib.h>

typedef struct choice {
    const char *path;
    const cdul_classifier_options *options;
    cdul_inference reduced;
    cdul_classifier *classifier;
} choice;

static cdul_status open_in(void *user, cdul_inference precision, cdul_error *err) {
    choice *c = user;
    cdul_classifier_options options = *c->options;
    options.precision = precision;
    cdul_classifier_close(c->classifier);
    c->classifier = NULL;
    return cdul_classifier_open(c->path, &options, &c->classifier, err);
}

static cdul_trial_shape shape_of(void *user) {
    const choice *c = user;
    return (cdul_trial_shape){*cdul_classifier_preprocess(c->classifier),
                              cdul_classifier_classes(c->classifier)->count};
}

static cdul_status score(void *user, const float *pixels, size_t n, float *rows, cdul_error *err) {
    const choice *c = user;
    return cdul_classifier_views(c->classifier, pixels, n, rows, err);
}

/* The largest difference of any score counts. */
static bool agrees(void *user, const float *rows, const float *exact, size_t n, size_t width) {
    const choice *c = user;
    double difference = n ? 0 : INFINITY;
    for (size_t i = 0; i < n * width; i++)
        difference = fmax(difference, fabs((double)rows[i] - (double)exact[i]));
    const bool taken = difference <= CDUL_SCORE_BOUND;
    cdul_say(c->options->callbacks,
             taken ? "precision: %s, scores of the first images within %.3f of float32's"
                   : "precision: fp32, as %s's scores of the first images are off by up to %.3f",
             c->reduced == CDUL_INFERENCE_INT8 ? "int8" : "bf16", difference);
    return taken;
}

/* What may be faster than float32 there; FP32 if nothing. */
static cdul_inference candidate(const char *path, const cdul_provider *provider) {
    const cdul_inference reduced = cdul_provider_reduced(provider);
    if (reduced != CDUL_INFERENCE_INT8) return reduced;
    char *int8 = cdul_classifier_int8_path(path);
    bool there = int8 && cdul_path_exists(int8);
    free(int8);
    return there ? reduced : CDUL_INFERENCE_FP32;
}

cdul_status cdul_classifier_choose(const char *path, const cdul_classifier_options *options,
                                   const cdul_strings *paths, const cdul_decode_options *decode,
                                   cdul_classifier **out, cdul_error *err) {
    choice c = {path, options, candidate(path, &options->provider), NULL};
    const cdul_trial trial = {c.reduced, open_in, shape_of, score, agrees, &c};
    *out = NULL;
    cdul_status status = open_in(&c, CDUL_INFERENCE_FP32, err);
    const bool worth_it = c.reduced != CDUL_INFERENCE_FP32 && paths->count >= CDUL_TRIAL_LEAST;
    if (status == CDUL_OK && worth_it) status = cdul_trial_run(&trial, paths, decode, err);
    if (status == CDUL_OK && !worth_it) cdul_detail(options->callbacks, "precision: fp32");
    if (status == CDUL_OK)
        *out = c.classifier;
    else
        cdul_classifier_close(c.classifier);
    return status;
}
