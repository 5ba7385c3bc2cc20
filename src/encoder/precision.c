/* The precision of an image tower: that of the cache, or the fastest whose vectors agree with
 * float32's. */
#include "base/progress.h"
#include "encoder/cache.h"
#include "encoder/encoder_internal.h"
#include "image/trial.h"

#include <math.h>
#include <stdlib.h>

typedef struct choice {
    const char *folder;
    const cdul_encoder_options *options;
    cdul_inference reduced; /* what may be faster than float32; FP32 if nothing */
    cdul_encoder *encoder;
} choice;

static cdul_status open_in(void *user, cdul_inference precision, cdul_error *err) {
    choice *c = user;
    cdul_encoder_options options = *c->options;
    options.precision = precision;
    cdul_encoder_close(c->encoder);
    c->encoder = NULL;
    return cdul_encoder_open(c->folder, &options, &c->encoder, err);
}

static cdul_trial_shape shape_of(void *user) {
    const choice *c = user;
    return (cdul_trial_shape){c->encoder->preprocess, c->encoder->width};
}

static cdul_status embed(void *user, const float *pixels, size_t n, float *rows, cdul_error *err) {
    const choice *c = user;
    return cdul_encoder_views(c->encoder, pixels, n, rows, err);
}

/* The smallest cosine of an image's two vectors counts. */
static bool agrees(void *user, const float *rows, const float *exact, size_t n, size_t width) {
    const choice *c = user;
    double smallest = n ? 1 : -1;
    for (size_t i = 0; i < n; i++) {
        double dot = 0;
        for (size_t d = 0; d < width; d++)
            dot += (double)exact[i * width + d] * (double)rows[i * width + d];
        smallest = fmin(smallest, dot);
    }
    const bool taken = smallest >= CDUL_COSINE_BOUND;
    cdul_say(c->options->callbacks,
             taken ? "precision: %s, with a cosine of at least %.5f to float32 on the first images"
                   : "precision: fp32, as %s has cosines down to %.4f to it on the first images",
             c->reduced == CDUL_INFERENCE_INT8 ? "int8" : "bf16", smallest);
    return taken;
}

static cdul_status find_candidate(choice *c, cdul_error *err) {
    char *int8 = NULL;
    if (!c->options->variant) c->reduced = cdul_provider_reduced(&c->options->provider);
    if (c->reduced != CDUL_INFERENCE_INT8) return CDUL_OK;
    cdul_status status = cdul_layout_int8(c->folder, &int8, err);
    if (!int8) c->reduced = CDUL_INFERENCE_FP32;
    free(int8);
    return status;
}

/* Float32 is open, which is not what the cache was made in. */
static cdul_status try_the_caches(choice *c, const char *cache, cdul_error *err) {
    bool holds = false, same = false;
    cdul_status status = open_in(c, c->reduced, err);
    if (status == CDUL_OK) status = cdul_cache_key_encoder(cache, c->encoder, &holds, &same, err);
    if (status == CDUL_OK && !same) return open_in(c, CDUL_INFERENCE_FP32, err);
    if (status == CDUL_OK) cdul_say(c->options->callbacks, "precision: that of the cache");
    return status;
}

/* Float32 is open. */
static cdul_status choose(choice *c, const cdul_strings *paths, const cdul_decode_options *decode,
                          const char *cache, cdul_error *err) {
    const cdul_trial trial = {c->reduced, open_in, shape_of, embed, agrees, c};
    bool holds = false, same = false;
    cdul_status status = CDUL_OK;
    if (cache) status = cdul_cache_key_encoder(cache, c->encoder, &holds, &same, err);
    if (status != CDUL_OK) return status;
    if (holds) return same ? CDUL_OK : try_the_caches(c, cache, err);
    return paths->count < CDUL_TRIAL_LEAST ? CDUL_OK : cdul_trial_run(&trial, paths, decode, err);
}

cdul_status cdul_encoder_choose(const char *folder, const cdul_encoder_options *options,
                                const cdul_strings *paths, const cdul_decode_options *decode,
                                const char *cache, cdul_encoder **out, cdul_error *err) {
    choice c = {folder, options, CDUL_INFERENCE_FP32, NULL};
    *out = NULL;
    cdul_status status = open_in(&c, CDUL_INFERENCE_FP32, err);
    if (status == CDUL_OK) status = find_candidate(&c, err);
    if (status == CDUL_OK && c.reduced != CDUL_INFERENCE_FP32)
        status = choose(&c, paths, decode, cache, err);
    if (status == CDUL_OK)
        *out = c.encoder;
    else
        cdul_encoder_close(c.encoder);
    return status;
}
