#include "base/machine.h"
#include "cdul/encoder.h"
#include "encoder/cache.h"
#include "encoder/encoder_internal.h"
#include "image/views.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORTH_IT 64 /* images: with fewer, opening a second graph takes longer than it saves */
#define TRIED    16 /* images of which both graphs embed the whole */

/* What may be faster than float32 there; FP32 if nothing. */
static cdul_status candidate(const char *folder, const cdul_encoder_options *options,
                             cdul_inference *out, cdul_error *err) {
    const cdul_provider *provider = &options->provider;
    const char *name = provider->name ? provider->name : "cpu";
    *out = CDUL_INFERENCE_FP32;
    if (options->variant) return CDUL_OK;
    if (strncasecmp(name, "openvino", strlen("openvino")) == 0) {
        if (cdul_processor_has_bfloat16() && provider->options.count == 0)
            *out = CDUL_INFERENCE_BF16;
        return CDUL_OK;
    }
    char *int8 = NULL;
    cdul_status status =
        cdul_provider_is_cpu(provider) ? cdul_layout_int8(folder, &int8, err) : CDUL_OK;
    if (int8) *out = CDUL_INFERENCE_INT8;
    free(int8);
    return status;
}

/* The first images as both graphs see them, and the vectors of both. One graph is open at a time,
 * so that no more memory is needed than for the larger one. */
typedef struct trial {
    cdul_preprocess preprocess;
    size_t count, width;
    float *pixels; /* [TRIED, 3, H, W] */
    float *vectors; /* [2, TRIED, D] */
} trial;

static void free_trial(trial *t) {
    free(t->pixels);
    free(t->vectors);
}

static cdul_status read_trial(const cdul_encoder *e, const cdul_strings *paths,
                              const cdul_decode_options *decode, trial *t, cdul_error *err) {
    t->preprocess = e->preprocess;
    t->width = e->width;
    t->vectors = calloc(2 * TRIED, t->width * sizeof *t->vectors);
    if (!t->vectors) return cdul_fail_memory(err, "vectors of the first images");
    return cdul_views_first(paths, decode, &t->preprocess, TRIED, &t->pixels, &t->count, err);
}

static bool of_one_model(const trial *t, const cdul_encoder *e) {
    return e->width == t->width && e->preprocess.height == t->preprocess.height &&
           e->preprocess.width == t->preprocess.width;
}

static double smallest_cosine(const trial *t) {
    double smallest = t->count ? 1 : -1;
    for (size_t i = 0; i < t->count; i++) {
        const float *a = t->vectors + i * t->width, *b = a + TRIED * t->width;
        double dot = 0;
        for (size_t d = 0; d < t->width; d++) dot += (double)a[d] * (double)b[d];
        smallest = fmin(smallest, dot);
    }
    return smallest;
}

/* Closes *encoder and opens the folder in another precision in its place. */
static cdul_status reopen(const char *folder, const cdul_encoder_options *options,
                          cdul_inference precision, cdul_encoder **encoder, cdul_error *err) {
    cdul_encoder_options other = *options;
    other.precision = precision;
    cdul_encoder_close(*encoder);
    return cdul_encoder_open(folder, &other, encoder, err);
}

/* *encoder is open in float32 and stays so, or is opened in the precision that keeps the
 * cosines. */
static cdul_status try_reduced(const char *folder, const cdul_encoder_options *options,
                               cdul_inference reduced, const cdul_strings *paths,
                               const cdul_decode_options *decode, cdul_encoder **encoder,
                               char *note, size_t size, cdul_error *err) {
    trial t = {0};
    bool taken = false;
    cdul_status status = read_trial(*encoder, paths, decode, &t, err);
    if (status == CDUL_OK) status = cdul_encoder_views(*encoder, t.pixels, t.count, t.vectors, err);
    if (status == CDUL_OK) status = reopen(folder, options, reduced, encoder, err);
    if (status == CDUL_OK && of_one_model(&t, *encoder)) {
        status = cdul_encoder_views(*encoder, t.pixels, t.count, t.vectors + TRIED * t.width, err);
        const double cosine = smallest_cosine(&t);
        taken = cosine >= CDUL_COSINE_BOUND;
        snprintf(note, size,
                 taken ? "%s, with a cosine of at least %.5f to float32 on the first images"
                       : "fp32, as %s has cosines down to %.4f to it on the first images",
                 reduced == CDUL_INFERENCE_INT8 ? "int8" : "bf16", cosine);
    }
    if (status == CDUL_OK && !taken)
        status = reopen(folder, options, CDUL_INFERENCE_FP32, encoder, err);
    free_trial(&t);
    return status;
}

/* *encoder is open in float32, which is not what the cache was made in. */
static cdul_status try_the_caches(const char *folder, const cdul_encoder_options *options,
                                  cdul_inference reduced, const char *cache, cdul_encoder **encoder,
                                  char *note, size_t size, cdul_error *err) {
    bool holds = false, same = false;
    cdul_status status = reopen(folder, options, reduced, encoder, err);
    if (status == CDUL_OK) status = cdul_cache_key_encoder(cache, *encoder, &holds, &same, err);
    if (status == CDUL_OK && same) snprintf(note, size, "that of the cache");
    return status == CDUL_OK && !same ? reopen(folder, options, CDUL_INFERENCE_FP32, encoder, err)
                                      : status;
}

cdul_status cdul_encoder_choose(const char *folder, const cdul_encoder_options *options,
                                const cdul_strings *paths, const cdul_decode_options *decode,
                                const char *cache, cdul_encoder **out, char *note, size_t size,
                                cdul_error *err) {
    cdul_inference reduced = CDUL_INFERENCE_FP32;
    bool holds = false, same = false;
    *out = NULL;
    note[0] = '\0';
    cdul_status status = reopen(folder, options, CDUL_INFERENCE_FP32, out, err);
    if (status == CDUL_OK) status = candidate(folder, options, &reduced, err);
    if (status == CDUL_OK && reduced == CDUL_INFERENCE_FP32) return CDUL_OK;
    if (status == CDUL_OK && cache)
        status = cdul_cache_key_encoder(cache, *out, &holds, &same, err);
    if (status == CDUL_OK && holds && !same)
        status = try_the_caches(folder, options, reduced, cache, out, note, size, err);
    else if (status == CDUL_OK && !holds && paths->count >= WORTH_IT)
        status = try_reduced(folder, options, reduced, paths, decode, out, note, size, err);
    if (status == CDUL_OK) return CDUL_OK;
    cdul_encoder_close(*out);
    *out = NULL;
    return status;
}
