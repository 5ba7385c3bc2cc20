#include "predict/precision.h"

#include "base/file.h"
#include "base/machine.h"
#include "cdul/classifier.h"
#include "image/views.h"
#include "onnx/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORTH_IT 64 /* images: with fewer, opening a second graph takes longer than it saves */
#define TRIED    16 /* images that both graphs score */

/* The first images as both graphs see them, and the scores of both. One graph is open at a time, so
 * that no more memory is needed than for the larger one. */
typedef struct trial {
    size_t count, c;
    float *pixels; /* [TRIED, 3, H, W] */
    float *scores; /* [2, TRIED, C] */
} trial;

static void free_trial(trial *t) {
    free(t->pixels);
    free(t->scores);
}

static cdul_status read_trial(const cdul_classifier *classifier, const cdul_strings *paths,
                              const cdul_decode_options *decode, trial *t, cdul_error *err) {
    const cdul_preprocess *preprocess = cdul_classifier_preprocess(classifier);
    t->c = cdul_classifier_classes(classifier)->count;
    t->scores = calloc(2 * TRIED, t->c * sizeof *t->scores);
    if (!t->scores) return cdul_fail_memory(err, "scores of the first images");
    return cdul_views_first(paths, decode, preprocess, TRIED, &t->pixels, &t->count, err);
}

/* The largest difference of any score. */
static double compare(const trial *t) {
    double difference = t->count ? 0 : INFINITY;
    for (size_t i = 0; i < t->count * t->c; i++)
        difference =
            fmax(difference, fabs((double)t->scores[i] - (double)t->scores[TRIED * t->c + i]));
    return difference;
}

/* What may be faster than float32 there; FP32 if nothing. */
static cdul_inference candidate(const char *path, const cdul_provider *provider) {
    const char *name = provider->name ? provider->name : "cpu";
    if (strncasecmp(name, "openvino", strlen("openvino")) == 0)
        return cdul_processor_has_bfloat16() && provider->options.count == 0 ? CDUL_INFERENCE_BF16
                                                                             : CDUL_INFERENCE_FP32;
    if (!cdul_provider_is_cpu(provider)) return CDUL_INFERENCE_FP32;
    char *int8 = cdul_classifier_int8_path(path);
    bool there = int8 && cdul_path_exists(int8);
    free(int8);
    return there ? CDUL_INFERENCE_INT8 : CDUL_INFERENCE_FP32;
}

/* Closes *classifier and opens the model in another precision in its place. */
static cdul_status reopen(const char *path, const cdul_classifier_options *options,
                          cdul_inference precision, cdul_classifier **classifier, cdul_error *err) {
    cdul_classifier_options other = *options;
    other.precision = precision;
    cdul_classifier_close(*classifier);
    return cdul_classifier_open(path, &other, classifier, err);
}

cdul_status cdul_classifier_choose(const char *path, const cdul_classifier_options *options,
                                   const cdul_strings *paths, const cdul_decode_options *decode,
                                   cdul_classifier **out, char *note, size_t size,
                                   cdul_error *err) {
    const cdul_inference reduced = candidate(path, &options->provider);
    const char *name = reduced == CDUL_INFERENCE_INT8 ? "int8" : "bf16";
    trial t = {0};
    *out = NULL;
    note[0] = '\0';
    cdul_status status = reopen(path, options, CDUL_INFERENCE_FP32, out, err);
    if (status != CDUL_OK || reduced == CDUL_INFERENCE_FP32 || paths->count < WORTH_IT)
        return status;
    status = read_trial(*out, paths, decode, &t, err);
    if (status == CDUL_OK) status = cdul_classifier_views(*out, t.pixels, t.count, t.scores, err);
    if (status == CDUL_OK) status = reopen(path, options, reduced, out, err);
    if (status == CDUL_OK)
        status = cdul_classifier_views(*out, t.pixels, t.count, t.scores + TRIED * t.c, err);
    if (status == CDUL_OK) {
        const double difference = compare(&t);
        const bool taken = difference <= CDUL_SCORE_BOUND;
        snprintf(note, size,
                 taken ? "%s, scores of the first images within %.3f of float32's"
                       : "fp32, as %s's scores of the first images are off by up to %.3f",
                 name, difference);
        if (!taken) status = reopen(path, options, CDUL_INFERENCE_FP32, out, err);
    }
    free_trial(&t);
    if (status != CDUL_OK) {
        cdul_classifier_close(*out);
        *out = NULL;
    }
    return status;
}
