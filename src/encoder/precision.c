#include "base/processor.h"
#include "cdul/encoder.h"
#include "encoder/cache_key.h"
#include "encoder/encoder_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORTH_IT 64 /* images: with fewer, opening a second graph takes longer than it saves */
#define TRIED    16 /* images of which both graphs embed the whole                         */

/* What may be faster than float32 there; FP32 if nothing. */
static cdul_status candidate(const char *folder, const cdul_encoder_options *options, cdul_inference *out,
                             cdul_error *err) {
    const cdul_provider *provider = &options->provider;
    const char *name = provider->name ? provider->name : "cpu";
    *out = CDUL_INFERENCE_FP32;
    if (options->variant) return CDUL_OK;
    if (strncasecmp(name, "openvino", strlen("openvino")) == 0) {
        if (cdul_processor_has_bfloat16() && provider->options.count == 0) *out = CDUL_INFERENCE_BF16;
        return CDUL_OK;
    }
    char *int8 = NULL;
    cdul_status status = strcasecmp(name, "cpu") == 0 ? cdul_layout_int8(folder, &int8, err) : CDUL_OK;
    if (int8) *out = CDUL_INFERENCE_INT8;
    free(int8);
    return status;
}

/* Views [n, 3, H, W] of the first images that can be read; returns n, TRIED at most. */
static size_t read_views(const cdul_strings *paths, const cdul_decode_options *decode,
                         const cdul_preprocess *p, unsigned char *scratch, float *out) {
    const size_t view = 3 * p->height * p->width;
    size_t count = 0;
    for (size_t i = 0; i < paths->count && count < TRIED; i++) {
        cdul_image image = {0};
        if (cdul_image_decode_file(paths->items[i], decode, &image, NULL) == CDUL_OK &&
            cdul_preprocess_apply(p, &image, NULL, scratch, out + count * view, NULL) == CDUL_OK)
            count++;
        cdul_image_free(&image);
    }
    return count;
}

/* Smallest cosine between both encoders' vectors of the first images. */
static cdul_status compare(cdul_encoder *a, cdul_encoder *b, const cdul_strings *paths,
                           const cdul_decode_options *decode, double *smallest, cdul_error *err) {
    const cdul_preprocess *p = &a->preprocess;
    const size_t view = 3 * p->height * p->width, width = a->width;
    unsigned char *scratch = malloc(view);
    float *pixels = calloc(TRIED, view * sizeof *pixels),
          *vectors = calloc(2 * TRIED, width * sizeof *vectors);
    cdul_status status = scratch && pixels && vectors ? CDUL_OK : cdul_fail_memory(err, "first images");
    const size_t count = status == CDUL_OK ? read_views(paths, decode, p, scratch, pixels) : 0;
    if (status == CDUL_OK) status = cdul_encoder_views(a, pixels, count, vectors, err);
    if (status == CDUL_OK) status = cdul_encoder_views(b, pixels, count, vectors + TRIED * width, err);
    *smallest = count ? 1 : -1;
    for (size_t i = 0; status == CDUL_OK && i < count; i++) {
        double dot = 0;
        for (size_t d = 0; d < width; d++)
            dot += (double)vectors[i * width + d] * (double)vectors[(TRIED + i) * width + d];
        *smallest = fmin(*smallest, dot);
    }
    free(scratch);
    free(pixels);
    free(vectors);
    return status;
}

/* Whether `reduced` is to be used. */
static cdul_status weigh(cdul_encoder *plain, cdul_encoder *reduced, const char *name,
                         const cdul_strings *paths, const cdul_decode_options *decode, bool *taken,
                         char *note, size_t size, cdul_error *err) {
    double cosine = 0;
    if (plain->width != reduced->width || plain->preprocess.height != reduced->preprocess.height ||
        plain->preprocess.width != reduced->preprocess.width)
        return CDUL_OK; /* of another model */
    cdul_status status = compare(plain, reduced, paths, decode, &cosine, err);
    *taken = status == CDUL_OK && cosine >= CDUL_COSINE_BOUND;
    if (*taken)
        snprintf(note, size, "%s, with a cosine of at least %.5f to float32 on the first images", name,
                 cosine);
    else
        snprintf(note, size, "fp32, as %s has cosines down to %.4f to it on the first images", name, cosine);
    return status;
}

cdul_status cdul_encoder_choose(const char *folder, const cdul_encoder_options *options,
                                const cdul_strings *paths, const cdul_decode_options *decode,
                                const char *cache, cdul_encoder **out, char *note, size_t size,
                                cdul_error *err) {
    cdul_encoder_options plain = *options, reduced = *options;
    cdul_encoder *other = NULL;
    bool holds = false, same = false, taken = false;
    note[0] = '\0';
    plain.precision = CDUL_INFERENCE_FP32;
    cdul_status status = cdul_encoder_open(folder, &plain, out, err);
    if (status == CDUL_OK) status = candidate(folder, options, &reduced.precision, err);
    if (status == CDUL_OK && reduced.precision == CDUL_INFERENCE_FP32) return CDUL_OK;
    if (status == CDUL_OK && cache) status = cdul_cache_key_encoder(cache, *out, &holds, &same, err);
    if (status == CDUL_OK && (same || (!holds && paths->count < WORTH_IT))) return CDUL_OK;
    if (status == CDUL_OK) status = cdul_encoder_open(folder, &reduced, &other, err);
    if (status == CDUL_OK && holds)
        status = cdul_cache_key_encoder(cache, other, &holds, &taken, err);
    else if (status == CDUL_OK)
        status = weigh(*out, other, reduced.precision == CDUL_INFERENCE_INT8 ? "int8" : "bf16", paths, decode,
                       &taken, note, size, err);
    if (taken) {
        cdul_encoder *kept = other;
        other = *out;
        *out = kept;
        if (holds) snprintf(note, size, "that of the cache");
    }
    cdul_encoder_close(other);
    if (status == CDUL_OK) return CDUL_OK;
    cdul_encoder_close(*out);
    *out = NULL;
    return status;
}
