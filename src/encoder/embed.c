#include "base/prefetch.h"
#include "base/progress.h"
#include "encoder/encoder_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From files to views. Workers decode an image and write its V views into a slot; the caller's thread moves
 * views, in order, from slots into a batch of B, runs it when it is full, and hands each image over when all
 * its views are there. So crops of different images share batches, and memory is slots and one batch,
 * whatever n is. */
typedef struct embedder {
    cdul_encoder *encoder;
    const cdul_strings *paths;
    const size_t *which;
    const cdul_embed_options *options;
    const cdul_embed_sink *sink;
    size_t n, views, view_size; /* N, V, 3 H W                                                       */
    float *slots;               /* [depth, V, 3, H, W]                                               */
    unsigned char *scratch;     /* [depth, H, W, 3]                                                  */
    float *batch;               /* [B, 3, H, W]                                                      */
    size_t filled;              /* views in the batch                                                */
    float *rows;   /* [capacity, D]: vectors of images that are not complete, in order               */
    size_t done;   /* of them computed                                                               */
    size_t *queue; /* images whose views are in rows or batch, in order                              */
    size_t queued;
    size_t skipped, handed;
} embedder;

static size_t image_at(const embedder *e, size_t i) {
    return e->which ? e->which[i] : i;
}

static cdul_status produce(void *user, size_t i, size_t slot, cdul_error *err) {
    const embedder *e = user;
    const cdul_preprocess *preprocess = &e->encoder->preprocess;
    const cdul_crops *crops = e->options->crops;
    float *out = e->slots + slot * e->views * e->view_size;
    unsigned char *scratch = e->scratch + slot * e->view_size;
    cdul_image image = {0};
    cdul_status status =
        cdul_image_decode_file(e->paths->items[image_at(e, i)], &e->options->decode, &image, err);
    if (status == CDUL_OK) status = cdul_preprocess_apply(preprocess, &image, NULL, scratch, out, err);
    for (size_t s = 0; status == CDUL_OK && s + 1 < e->views; s++) {
        cdul_rect rect = cdul_crops_rect(crops, s, image.width, image.height);
        status = cdul_preprocess_apply(preprocess, &image, &rect, scratch, out + (s + 1) * e->view_size, err);
    }
    cdul_image_free(&image);
    return status;
}

static void skip(embedder *e, size_t image, const char *reason) {
    e->skipped++;
    e->sink->skipped(e->sink->user, image, reason);
}

/* Hands over the images whose V vectors are all computed. */
static cdul_status hand_over(embedder *e, cdul_error *err) {
    const size_t width = e->encoder->width;
    size_t complete = e->done / e->views;
    cdul_status status = CDUL_OK;
    for (size_t k = 0; status == CDUL_OK && k < complete; k++) {
        float *views = e->rows + k * e->views * width;
        bool good = true;
        for (size_t v = 0; good && v < e->views; v++) good = cdul_unit(views + v * width, width);
        if (!good) {
            skip(e, e->queue[k], "the encoder's vector is zero or not finite");
            continue;
        }
        status = e->sink->embedded(e->sink->user, e->queue[k], views, err);
        e->handed++;
    }
    e->done -= complete * e->views;
    e->queued -= complete;
    memmove(e->rows, e->rows + complete * e->views * width, e->done * width * sizeof *e->rows);
    memmove(e->queue, e->queue + complete, e->queued * sizeof *e->queue);
    return status;
}

static cdul_status run_batch(embedder *e, cdul_error *err) {
    if (e->filled == 0) return CDUL_OK;
    cdul_status status =
        cdul_encoder_raw_views(e->encoder, e->batch, e->filled, e->rows + e->done * e->encoder->width, err);
    if (status != CDUL_OK) return status;
    e->done += e->filled;
    e->filled = 0;
    return hand_over(e, err);
}

static cdul_status add_image(embedder *e, size_t image, const float *views, cdul_error *err) {
    cdul_status status = CDUL_OK;
    e->queue[e->queued++] = image;
    for (size_t v = 0; status == CDUL_OK && v < e->views; v++) {
        memcpy(e->batch + e->filled * e->view_size, views + v * e->view_size, e->view_size * sizeof *views);
        if (++e->filled == e->encoder->batch) status = run_batch(e, err);
    }
    return status;
}

static void report(const embedder *e, cdul_reporter *reporter) {
    char note[40] = "";
    if (e->skipped) snprintf(note, sizeof note, "skipped %zu", e->skipped);
    cdul_progress_update(reporter, e->handed + e->skipped, e->skipped ? note : NULL);
}

static cdul_status consume(embedder *e, cdul_prefetch *prefetch, cdul_reporter *reporter, cdul_error *err) {
    cdul_prefetched item;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK && cdul_prefetch_next(prefetch, &item)) {
        size_t image = image_at(e, item.i);
        if (item.status == CDUL_OK)
            status = add_image(e, image, e->slots + item.slot * e->views * e->view_size, err);
        else if (item.status != CDUL_ERR_MEMORY)
            skip(e, image, item.error.message);
        else {
            status = item.status;
            if (err) *err = item.error;
        }
        cdul_prefetch_release(prefetch);
        report(e, reporter);
        if (status == CDUL_OK && cdul_interrupted())
            status =
                cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted after %zu of %zu images", e->handed, e->n);
    }
    if (status == CDUL_OK) status = run_batch(e, err);
    report(e, reporter);
    return status;
}

/* Buffers for `depth` images in flight. */
static cdul_status allocate(embedder *e, size_t depth, cdul_error *err) {
    size_t batch = e->encoder->batch,
           images = batch / e->views + 2; /* that can be in rows and batch at once */
    size_t slot = 0, total = 0;
    if (__builtin_mul_overflow(e->views, e->view_size * sizeof(float), &slot) ||
        __builtin_mul_overflow(depth, slot, &total))
        return cdul_fail_memory(err, "views in flight");
    e->slots = malloc(total);
    e->scratch = malloc(depth * e->view_size);
    e->batch = calloc(batch, e->view_size * sizeof *e->batch);
    e->rows = calloc(e->views + batch, e->encoder->width * sizeof *e->rows);
    e->queue = calloc(images, sizeof *e->queue);
    return e->slots && e->scratch && e->batch && e->rows && e->queue
               ? CDUL_OK
               : cdul_fail_memory(err, "views in flight");
}

cdul_status cdul_encoder_embed(cdul_encoder *encoder, const cdul_strings *paths, const size_t *which,
                               size_t n, const cdul_embed_options *options, const cdul_embed_sink *sink,
                               cdul_reporter *reporter, cdul_error *err) {
    embedder e = {.encoder = encoder,
                  .paths = paths,
                  .which = which,
                  .options = options,
                  .sink = sink,
                  .n = n,
                  .views = 1 + (options->crops ? options->crops->count : 0),
                  .view_size = 3 * encoder->preprocess.height * encoder->preprocess.width};
    cdul_prefetch *prefetch = NULL;
    /* enough images ahead to fill the next batch while this one runs */
    size_t depth = options->threads + 1 + encoder->batch / e.views;
    cdul_status status = allocate(&e, depth, err);
    if (status == CDUL_OK)
        status = cdul_prefetch_open(n, options->threads, depth, produce, &e, &prefetch, err);
    if (status == CDUL_OK) {
        cdul_progress_begin(reporter, "label", n);
        status = consume(&e, prefetch, reporter, err);
        cdul_progress_end(reporter);
    }
    cdul_prefetch_close(prefetch);
    free(e.slots);
    free(e.scratch);
    free(e.batch);
    free(e.rows);
    free(e.queue);
    return status;
}
