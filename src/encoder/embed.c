#include "encoder/encoder_internal.h"
#include "image/views.h"

typedef struct embedder {
    cdul_encoder *encoder;
    const cdul_embed_sink *sink;
    size_t views; /* V */
    bool mirror;  /* the network gives 2 V rows: the views, then their mirror images */
} embedder;

static cdul_status embed_views(void *user, const float *pixels, size_t n, float *rows, cdul_error *err) {
    embedder *e = user;
    return cdul_encoder_raw_views(e->encoder, pixels, n, rows, err);
}

/* Brings the V vectors of an image to length 1; with mirror images, the sums of the pairs. */
static const char *normalise(void *user, float *rows) {
    embedder *e = user;
    static const char *const reason = "the encoder's vector is zero or not finite";
    const size_t width = e->encoder->width, half = e->views * width;
    for (size_t v = 0; v < (e->mirror ? 2 : 1) * e->views; v++)
        if (!cdul_unit(rows + v * width, width)) return reason;
    if (!e->mirror) return NULL;
    for (size_t i = 0; i < half; i++) rows[i] += rows[half + i];
    for (size_t v = 0; v < e->views; v++)
        if (!cdul_unit(rows + v * width, width)) return reason;
    return NULL;
}

static cdul_status hand_over(void *user, size_t i, const float *rows, void *kept, cdul_error *err) {
    embedder *e = user;
    (void)kept;
    return e->sink->embedded(e->sink->user, i, rows, err);
}

static void skip(void *user, size_t i, const char *reason) {
    embedder *e = user;
    e->sink->skipped(e->sink->user, i, reason);
}

cdul_status cdul_encoder_embed(cdul_encoder *encoder, const cdul_strings *paths, const size_t *which,
                               size_t n, const cdul_embed_options *options, const cdul_embed_sink *sink,
                               cdul_reporter *reporter, cdul_error *err) {
    const cdul_view_options views = {.preprocess = &encoder->preprocess,
                                     .crops = options->crops,
                                     .mirror = options->mirror,
                                     .decode = options->decode,
                                     .threads = options->threads,
                                     .batch = encoder->batch,
                                     .width = encoder->width,
                                     .verb = "label"};
    embedder e = {encoder, sink, cdul_views_count(&views) / (options->mirror ? 2 : 1), options->mirror};
    const cdul_view_calls calls = {
        .network = embed_views, .check = normalise, .done = hand_over, .skipped = skip, .user = &e};
    return cdul_views_run(paths, which, n, &views, &calls, reporter, err);
}
