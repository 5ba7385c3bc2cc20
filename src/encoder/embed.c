/* From image files to vectors of length 1: of views, or of the whole and its patch tokens. */
#include "encoder/encoder_internal.h"
#include "image/views.h"

typedef struct embedder {
    cdul_encoder *encoder;
    const cdul_embed_sink *sink;
    size_t vectors; /* V = 1 + S of an image */
    cdul_patches patches;
    bool mirror; /* the network gives 2 V vectors: the views, then their mirror images */
} embedder;

size_t cdul_embed_locals(const cdul_embed_options *options) {
    return options->crops ? options->crops->count
                          : options->patches.rows * options->patches.columns;
}

static cdul_status embed_views(void *user, const float *pixels, size_t n, float *rows,
                               cdul_error *err) {
    embedder *e = user;
    return cdul_encoder_raw_views(e->encoder, pixels, n, e->patches.rows * e->patches.columns, rows,
                                  err);
}

/* Which vector of the mirror images shows what vector v does: its own, but patch tokens change
 * sides. */
static size_t partner(const embedder *e, size_t v) {
    size_t columns = e->patches.columns;
    if (v == 0 || columns == 0) return v;
    size_t column = (v - 1) % columns;
    return v - column + (columns - 1 - column);
}

/* Brings the V vectors of an image to length 1; with mirror images, the sums of the pairs. */
static const char *normalise(void *user, float *rows) {
    embedder *e = user;
    static const char *const reason = "the encoder's vector is zero or not finite";
    const size_t width = e->encoder->width;
    for (size_t v = 0; v < (e->mirror ? 2 : 1) * e->vectors; v++)
        if (!cdul_unit(rows + v * width, width)) return reason;
    if (!e->mirror) return NULL;
    const float *mirrored = rows + e->vectors * width;
    for (size_t v = 0; v < e->vectors; v++) {
        float *vector = rows + v * width;
        const float *other = mirrored + partner(e, v) * width;
        for (size_t d = 0; d < width; d++) vector[d] += other[d];
        if (!cdul_unit(vector, width)) return reason;
    }
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

cdul_status cdul_encoder_embed(cdul_encoder *encoder, const cdul_strings *paths,
                               const size_t *which, size_t n, const cdul_embed_options *options,
                               const cdul_embed_sink *sink, cdul_error *err) {
    const size_t patches = options->patches.rows * options->patches.columns;
    if (options->crops && patches)
        return cdul_fail(err, CDUL_ERR_USAGE, "either crops or patch tokens, not both");
    /* patch tokens are no views to the network: they come with the whole image's vector, as one
     * long row */
    const cdul_view_options views = {.preprocess = &encoder->preprocess,
                                     .crops = options->crops,
                                     .mirror = options->mirror,
                                     .decode = options->decode,
                                     .reduce = options->reduce,
                                     .threads = options->threads,
                                     .batch = encoder->batch,
                                     .width = (1 + patches) * encoder->width,
                                     .verb = "label",
                                     .callbacks = encoder->session.callbacks};
    embedder e = {encoder, sink, 1 + cdul_embed_locals(options), options->patches, options->mirror};
    const cdul_view_calls calls = {
        .network = embed_views, .check = normalise, .done = hand_over, .skipped = skip, .user = &e};
    return cdul_views_run(paths, which, n, &views, &calls, err);
}
