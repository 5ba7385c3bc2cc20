#include "predict/precision.h"

#include "base/file.h"
#include "base/processor.h"
#include "cdul/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORTH_IT 64 /* images: with fewer, opening a second graph takes longer than it saves */
#define TRIED    16 /* images that both graphs score                                        */

/* The planes [3, H, W] of an image as both graphs want them, or false for one that cannot be read. */
static bool read_view(const char *path, const cdul_decode_options *decode, const cdul_preprocess *p,
                      unsigned char *scratch, float *out) {
    cdul_image image = {0};
    bool good = cdul_image_decode_file(path, decode, &image, NULL) == CDUL_OK &&
                cdul_preprocess_apply(p, &image, NULL, scratch, out, NULL) == CDUL_OK;
    cdul_image_free(&image);
    return good;
}

/* Views of the first images that can be read, up to TRIED of them. */
static size_t read_views(const cdul_strings *paths, const cdul_decode_options *decode,
                         const cdul_preprocess *p, unsigned char *scratch, float *out) {
    const size_t view = 3 * p->height * p->width;
    size_t count = 0;
    for (size_t i = 0; i < paths->count && count < TRIED; i++)
        count += read_view(paths->items[i], decode, p, scratch, out + count * view);
    return count;
}

/* The largest difference of any score of both models' on the first images. */
static cdul_status compare(cdul_classifier *a, cdul_classifier *b, const cdul_strings *paths,
                           const cdul_decode_options *decode, double *difference, cdul_error *err) {
    cdul_preprocess p = *cdul_classifier_preprocess(a);
    const size_t view = 3 * p.height * p.width, c = cdul_classifier_classes(a)->count;
    unsigned char *scratch = malloc(view);
    float *pixels = calloc(TRIED, view * sizeof *pixels), *scores = calloc(2 * TRIED, c * sizeof *scores);
    cdul_status status = scratch && pixels && scores ? CDUL_OK : cdul_fail_memory(err, "first images");
    size_t count = status == CDUL_OK ? read_views(paths, decode, &p, scratch, pixels) : 0;
    if (status == CDUL_OK) status = cdul_classifier_views(a, pixels, count, scores, err);
    if (status == CDUL_OK) status = cdul_classifier_views(b, pixels, count, scores + TRIED * c, err);
    *difference = count ? 0 : INFINITY;
    for (size_t i = 0; status == CDUL_OK && i < count * c; i++)
        *difference = fmax(*difference, fabs((double)scores[i] - (double)scores[TRIED * c + i]));
    free(scratch);
    free(pixels);
    free(scores);
    return status;
}

/* What may be faster than float32 there; FP32 if nothing. */
static cdul_inference candidate(const char *path, const cdul_provider *provider) {
    const char *name = provider->name ? provider->name : "cpu";
    if (strncasecmp(name, "openvino", strlen("openvino")) == 0)
        return cdul_processor_has_bfloat16() && provider->options.count == 0 ? CDUL_INFERENCE_BF16
                                                                             : CDUL_INFERENCE_FP32;
    if (strcasecmp(name, "cpu") != 0) return CDUL_INFERENCE_FP32;
    char *int8 = cdul_classifier_int8_path(path);
    bool there = int8 && cdul_path_exists(int8);
    free(int8);
    return there ? CDUL_INFERENCE_INT8 : CDUL_INFERENCE_FP32;
}

cdul_status cdul_classifier_choose(const char *path, const cdul_classifier_options *options,
                                   const cdul_strings *paths, const cdul_decode_options *decode,
                                   cdul_classifier **out, char *note, size_t size, cdul_error *err) {
    cdul_classifier_options plain = *options, reduced = *options;
    plain.precision = CDUL_INFERENCE_FP32;
    reduced.precision = candidate(path, &options->provider);
    note[0] = '\0';
    cdul_status status = cdul_classifier_open(path, &plain, out, err);
    if (status != CDUL_OK || reduced.precision == CDUL_INFERENCE_FP32 || paths->count < WORTH_IT)
        return status;
    cdul_classifier *other = NULL;
    double difference = 0;
    status = cdul_classifier_open(path, &reduced, &other, err);
    if (status == CDUL_OK) status = compare(*out, other, paths, decode, &difference, err);
    bool taken = status == CDUL_OK && difference <= CDUL_SCORE_BOUND;
    const char *name = reduced.precision == CDUL_INFERENCE_INT8 ? "int8" : "bf16";
    if (taken)
        snprintf(note, size, "%s, scores of the first images within %.3f of float32's", name, difference);
    else if (status == CDUL_OK)
        snprintf(note, size, "fp32, as %s's scores of the first images are off by up to %.3f", name,
                 difference);
    cdul_classifier_close(taken || status != CDUL_OK ? *out : other);
    if (taken) *out = other;
    if (status != CDUL_OK) {
        cdul_classifier_close(other);
        *out = NULL;
    }
    return status;
}
