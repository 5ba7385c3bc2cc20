/* Runs a network over the views of many images: worker threads decode and cut views, the caller's
 * thread collects batches and runs them. */
#include "image/views.h"

#include "base/prefetch.h"
#include "base/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An image whose rows are not all computed yet. */
typedef struct waiting {
    size_t image;
    void *kept;
} waiting;

/* Workers decode an image and write its V views into a slot. The caller's thread copies views in
 * order from slots into a batch, runs the batch when it is full, and hands an image over once all
 * its rows are computed. */
typedef struct runner {
    const cdul_strings *paths;
    const size_t *which;
    cdul_view_options options; /* .decode with the gate that the workers share */
    const cdul_view_calls *calls;
    size_t n, views, view_size; /* N, V, 3 H W */
    float *slots; /* [depth, V, 3, H, W] */
    unsigned char *scratch; /* [depth, H, W, 3] */
    void **kept; /* [depth]: what calls->keep made of the image in the slot */
    size_t depth;
    float *batch; /* [B, 3, H, W] */
    size_t filled; /* views in the batch */
    float *rows; /* [V + B, D]: rows of images not handed over yet, in order */
    size_t done; /* rows computed */
    waiting *queue; /* the images of these rows and of the batch, in order */
    size_t queued;
    size_t skipped, handed;
} runner;

size_t cdul_views_count(const cdul_view_options *options) {
    return (1 + (options->crops ? options->crops->count : 0)) * (options->mirror ? 2 : 1);
}

#define MARGIN 2 /* decoded pixels for each pixel of a view, along a side */

/* Sets the smallest size at which JPEGs may be decoded. */
static void reduce(const cdul_preprocess *p, const cdul_crops *crops, cdul_decode_options *out) {
    double across = 1, down = 1; /* sides of the smallest crop, as fractions of the image's */
    for (size_t s = 0; crops && s < crops->count; s++) {
        const double *box = crops->boxes + 4 * s;
        across = fmin(across, box[2] - box[0]);
        down = fmin(down, box[3] - box[1]);
    }
    out->least_width = (size_t)ceil(MARGIN * fmax((double)p->shortest, (double)p->width) / across);
    out->least_height = (size_t)ceil(MARGIN * fmax((double)p->shortest, (double)p->height) / down);
}

static size_t image_at(const runner *r, size_t i) { return r->which ? r->which[i] : i; }

static void drop(const runner *r, void **kept) {
    if (*kept) r->calls->drop(*kept);
    *kept = NULL;
}

/* --- In the workers --- */

static cdul_status make_views(const runner *r, const cdul_image *image, unsigned char *scratch,
                              float *out, cdul_error *err) {
    const cdul_preprocess *preprocess = r->options.preprocess;
    size_t plain = r->options.mirror ? r->views / 2 : r->views;
    cdul_status status = cdul_preprocess_apply(preprocess, image, NULL, scratch, out, err);
    for (size_t v = 1; status == CDUL_OK && v < plain; v++) {
        cdul_rect rect = cdul_crops_rect(r->options.crops, v - 1, image->width, image->height);
        status =
            cdul_preprocess_apply(preprocess, image, &rect, scratch, out + v * r->view_size, err);
    }
    if (status != CDUL_OK || !r->options.mirror) return status;
    /* Every row again, with left and right swapped. */
    const size_t width = preprocess->width, rows = plain * r->view_size / width;
    float *mirrored = out + rows * width;
    for (size_t row = 0; row < rows; row++, out += width, mirrored += width)
        for (size_t x = 0; x < width; x++) mirrored[x] = out[width - 1 - x];
    return CDUL_OK;
}

static cdul_status produce(void *user, size_t i, size_t slot, cdul_error *err) {
    const runner *r = user;
    size_t index = image_at(r, i);
    cdul_image image = {0};
    cdul_status status =
        cdul_image_decode_file(r->paths->items[index], &r->options.decode, &image, err);
    if (status == CDUL_OK)
        status = make_views(r, &image, r->scratch + slot * r->view_size,
                            r->slots + slot * r->views * r->view_size, err);
    if (status == CDUL_OK && r->calls->keep)
        status = r->calls->keep(r->calls->user, index, &image, &r->kept[slot], err);
    cdul_image_free(&image);
    return status;
}

/* --- In the caller's thread --- */

/* Gives the caller the images whose V rows are all computed. */
static cdul_status hand_over(runner *r, cdul_error *err) {
    const size_t width = r->options.width, complete = r->done / r->views;
    for (size_t k = 0; k < complete; k++) {
        float *rows = r->rows + k * r->views * width;
        waiting *w = &r->queue[k];
        const char *reason = r->calls->check(r->calls->user, rows);
        cdul_status status = CDUL_OK;
        if (reason) {
            r->skipped++;
            r->calls->skipped(r->calls->user, w->image, reason);
        } else {
            r->handed++;
            status = r->calls->done(r->calls->user, w->image, rows, w->kept, err);
        }
        drop(r, &w->kept);
        if (status != CDUL_OK) return status;
    }
    r->done -= complete * r->views;
    r->queued -= complete;
    memmove(r->rows, r->rows + complete * r->views * width, r->done * width * sizeof *r->rows);
    memmove(r->queue, r->queue + complete, r->queued * sizeof *r->queue);
    return CDUL_OK;
}

static cdul_status run_batch(runner *r, cdul_error *err) {
    if (r->filled == 0) return CDUL_OK;
    cdul_status status = r->calls->network(r->calls->user, r->batch, r->filled,
                                           r->rows + r->done * r->options.width, err);
    if (status != CDUL_OK) return status;
    r->done += r->filled;
    r->filled = 0;
    return hand_over(r, err);
}

static cdul_status add_image(runner *r, size_t image, size_t slot, cdul_error *err) {
    const float *views = r->slots + slot * r->views * r->view_size;
    cdul_status status = CDUL_OK;
    r->queue[r->queued++] = (waiting){image, r->kept[slot]};
    r->kept[slot] = NULL;
    for (size_t v = 0; status == CDUL_OK && v < r->views; v++) {
        memcpy(r->batch + r->filled * r->view_size, views + v * r->view_size,
               r->view_size * sizeof *views);
        if (++r->filled == r->options.batch) status = run_batch(r, err);
    }
    return status;
}

static void report(const runner *r) {
    char note[40];
    snprintf(note, sizeof note, "skipped %zu", r->skipped);
    cdul_progress_update(r->options.callbacks, r->handed + r->skipped, r->n,
                         r->skipped ? note : NULL);
}

static cdul_status consume(runner *r, cdul_prefetch *prefetch, cdul_error *err) {
    cdul_prefetched item;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK && cdul_prefetch_next(prefetch, &item)) {
        size_t image = image_at(r, item.i);
        if (item.status == CDUL_OK) {
            status = add_image(r, image, item.slot, err);
        } else if (item.status != CDUL_ERR_MEMORY) {
            drop(r, &r->kept[item.slot]);
            r->skipped++;
            r->calls->skipped(r->calls->user, image, item.error.message);
        } else {
            status = item.status;
            if (err) *err = item.error;
        }
        cdul_prefetch_release(prefetch);
        report(r);
        if (status == CDUL_ERR_CANCELLED ||
            (status == CDUL_OK && cdul_stopped(r->options.callbacks)))
            status = cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted after %zu of %zu images",
                               r->handed, r->n);
    }
    if (status == CDUL_OK) status = run_batch(r, err);
    report(r);
    return status;
}

/* --- Both --- */

static cdul_status allocate(runner *r, cdul_error *err) {
    const size_t batch = r->options.batch, pixels = r->view_size * sizeof(float);
    r->slots = calloc(r->depth * r->views, pixels);
    r->scratch = calloc(r->depth, r->view_size);
    r->kept = calloc(r->depth, sizeof *r->kept);
    r->batch = calloc(batch, pixels);
    r->rows = calloc(r->views + batch, r->options.width * sizeof *r->rows);
    /* As many images can be in rows and batch at once. */
    r->queue = calloc(batch / r->views + 2, sizeof *r->queue);
    return r->slots && r->scratch && r->kept && r->batch && r->rows && r->queue
               ? CDUL_OK
               : cdul_fail_memory(err, "views in flight");
}

static void release(runner *r) {
    for (size_t slot = 0; r->kept && slot < r->depth; slot++) drop(r, &r->kept[slot]);
    for (size_t k = 0; k < r->queued; k++) drop(r, &r->queue[k].kept);
    free(r->slots);
    free(r->scratch);
    free(r->kept);
    free(r->batch);
    free(r->rows);
    free(r->queue);
}

cdul_status cdul_views_run(const cdul_strings *paths, const size_t *which, size_t n,
                           const cdul_view_options *options, const cdul_view_calls *calls,
                           cdul_error *err) {
    runner r = {.paths = paths,
                .which = which,
                .options = *options,
                .calls = calls,
                .n = n,
                .views = cdul_views_count(options),
                .view_size = 3 * options->preprocess->height * options->preprocess->width};
    cdul_prefetch *prefetch = NULL;
    cdul_decode_options *decode = &r.options.decode;
    if (options->reduce) reduce(options->preprocess, options->crops, decode);
    /* Enough slots to prepare the next batch while this one runs. */
    r.depth = options->threads + 1 + options->batch / r.views;
    /* Once for all images: it reads files of the system. */
    if (decode->max_pixels == 0) decode->max_pixels = cdul_decode_most_pixels();
    cdul_status status = cdul_decode_gate_new(0, &decode->gate, err);
    if (status == CDUL_OK) status = allocate(&r, err);
    if (status == CDUL_OK)
        status = cdul_prefetch_open(n, options->threads, r.depth, produce, &r, &prefetch, err);
    if (status == CDUL_OK) {
        cdul_progress_begin(options->callbacks, options->verb, n);
        status = consume(&r, prefetch, err);
        cdul_progress_end(options->callbacks);
    }
    cdul_prefetch_close(prefetch);
    cdul_decode_gate_free(decode->gate);
    release(&r);
    return status;
}
