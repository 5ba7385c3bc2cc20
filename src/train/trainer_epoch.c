#include "train/trainer_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static cdul_status skip_row(void *user, size_t row, const char *reason, cdul_error *err) {
    cdul_trainer *t = user;
    return cdul_dataset_skip(&t->data, row, reason, err);
}

/* The batch as the network's input: normalised pixels, or what the frozen stages made of them. */
static cdul_tensor *batch_input(cdul_scope *s, const cdul_trainer *t, const cdul_batch *batch) {
    size_t shape[4] = {batch->count, 3, t->plain.preprocess.height, t->plain.preprocess.width};
    if (t->cache) memcpy(shape + 1, cdul_activations_shape(t->cache), 3 * sizeof *shape);
    cdul_tensor *x = cdul_tensor_from(s, batch->data, t->cache ? CDUL_F16 : CDUL_F32, 4, shape);
    return cdul_tensor_to(s, x, t->net->options.device);
}

static size_t first_stage(const cdul_trainer *t) {
    return t->cache ? t->net->options.freeze : 0;
}

/* --- Training --- */

static cdul_status bad_loss(const cdul_trainer *t, const cdul_batch *batch, double loss, cdul_error *err) {
    char names[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < batch->count && i < 4 && length < sizeof names; i++)
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                                   t->data.labels.images.items[batch->rows[i]]);
    return cdul_fail(
        err, CDUL_ERR_RUNTIME,
        "the loss is %g at epoch %zu, step %zu (images %s%s): lower --lr or --head-lr-mult, or train with "
        "--precision fp32; the last checkpoint is kept",
        loss, t->epoch + 1, t->step + 1, names, batch->count > 4 ? ", ..." : "");
}

/* average <- average + (1 - decay) (weights - average), with a decay that starts low, so that the random head
 * of the first steps is soon forgotten (as in tf.train.ExponentialMovingAverage). */
static void update_average(cdul_scope *s, cdul_trainer *t) {
    if (!t->average) return;
    double steps = (double)t->step, decay = fmin(t->options->ema, (1 + steps) / (10 + steps));
    for (size_t i = 0; i < t->net->entry_count; i++)
        if (t->average[i]) cdul_tensor_lerp_(s, t->average[i], t->net->entries[i].tensor, 1 - decay);
}

static cdul_status train_batch(cdul_trainer *t, const cdul_batch *batch, double *loss_sum, cdul_error *err) {
    for (size_t i = 0; i < batch->count; i++)
        memcpy(t->scratch + i * t->c, t->labels + batch->rows[i] * t->c, t->c * sizeof *t->scratch);
    cdul_scope s = {0};
    cdul_tensor *x = batch_input(&s, t, batch);
    cdul_tensor *logits =
        cdul_resnet_forward_from(&s, t->net, x, first_stage(t), t->options->bn == CDUL_BN_TRAIN);
    cdul_tensor *loss = cdul_loss(&s, (cdul_loss_kind)t->options->loss, logits, t->scratch, batch->count,
                                  t->c, t->net->options.device);
    double value = cdul_tensor_item(&s, loss);
    if (s.status == CDUL_OK && !isfinite(value)) {
        cdul_scope_close(&s, NULL);
        return bad_loss(t, batch, value, err);
    }
    cdul_optimizer_zero_grad(&s, t->optimizer);
    cdul_tensor_backward(&s, loss);
    double factor = cdul_schedule_factor(&t->schedule, t->step);
    for (size_t group = 0; group < t->groups; group++)
        cdul_optimizer_set_lr(&s, t->optimizer, group, t->base_lr[group] * factor);
    cdul_optimizer_step(&s, t->optimizer);
    t->step++;
    update_average(&s, t);
    *loss_sum += value * (double)batch->count;
    return cdul_scope_close(&s, err);
}

/* Batch statistics of one image mean nothing, and one value a channel has no variance. */
static bool too_small(const cdul_trainer *t, const cdul_batch *batch) {
    return batch->count == 0 || (batch->count == 1 && t->options->bn == CDUL_BN_TRAIN);
}

static void show(const cdul_trainer *t, const cdul_batch *batch, double loss_sum, size_t images) {
    char note[64];
    size_t skipped = t->data.list.paths.count;
    int length = snprintf(note, sizeof note, "loss %.4f", images ? loss_sum / (double)images : 0.0);
    if (skipped && length > 0)
        snprintf(note + length, sizeof note - (size_t)length, "  skipped %zu", skipped);
    cdul_progress_update(t->call->reporter, batch->passed, note);
}

static cdul_status run_epoch(cdul_trainer *t, cdul_loader *loader, double *loss_sum, size_t *images,
                             cdul_error *err) {
    cdul_batch batch;
    int end = 0;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK) {
        status = cdul_loader_next(loader, &batch, &end, err);
        if (status != CDUL_OK || end) break;
        if (cdul_interrupted()) return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        if (too_small(t, &batch)) continue;
        status = train_batch(t, &batch, loss_sum, err);
        *images += batch.count;
        show(t, &batch, *loss_sum, *images);
    }
    return status;
}

cdul_status cdul_trainer_train(cdul_trainer *t, cdul_epoch_record *record, cdul_error *err) {
    t->augmented.epoch = t->epoch;
    cdul_source source =
        t->cache ? cdul_activations_augmented(t->cache, t->epoch) : cdul_image_views_source(&t->augmented);
    size_t count =
        cdul_dataset_shuffle(&t->data, CDUL_SUBSET_TRAIN, (uint64_t)t->options->seed, t->epoch, t->rows);
    cdul_loader_options options = {(size_t)t->options->batch, t->call->threads, skip_row, t};
    cdul_loader *loader = NULL;
    cdul_status status = cdul_loader_open(&source, t->rows, count, &options, &loader, err);
    if (status != CDUL_OK) return status;
    char verb[64];
    snprintf(verb, sizeof verb, "train %zu/%lld", t->epoch + 1, t->options->epochs);
    cdul_progress_begin(t->call->reporter, verb, count);
    double start = cdul_seconds(), loss_sum = 0;
    size_t images = 0;
    record->lr = t->options->lr * cdul_schedule_factor(&t->schedule, t->step);
    status = run_epoch(t, loader, &loss_sum, &images, err);
    cdul_progress_end(t->call->reporter);
    cdul_loader_close(loader);
    if (status == CDUL_OK && images == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "no image could be read in epoch %zu", t->epoch + 1);
    record->seconds = cdul_seconds() - start;
    record->loss = images ? loss_sum / (double)images : NAN;
    record->images_per_second = (double)images / record->seconds;
    return status;
}

/* --- Predictions --- */

void cdul_trainer_swap_average(cdul_trainer *t) {
    for (size_t i = 0; t->average && i < t->net->entry_count; i++)
        if (t->average[i]) cdul_tensor_swap(t->average[i], t->net->entries[i].tensor);
}

static cdul_status predict_batch(cdul_trainer *t, const cdul_batch *batch, cdul_error *err) {
    cdul_scope s = {.no_grad = true};
    cdul_tensor *x = batch_input(&s, t, batch);
    cdul_tensor *logits = cdul_resnet_forward_from(&s, t->net, x, first_stage(t), false);
    cdul_tensor_read(&s, logits, CDUL_F32, t->scratch, batch->count * t->c);
    cdul_status status = cdul_scope_close(&s, err);
    for (size_t i = 0; status == CDUL_OK && i < batch->count; i++) {
        size_t row = batch->rows[i];
        memcpy(t->logits + row * t->c, t->scratch + i * t->c, t->c * sizeof *t->logits);
        for (size_t k = 0; k < t->c; k++)
            if (!isfinite(t->logits[row * t->c + k]))
                return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the network's output for class %s is %g",
                                 t->data.labels.images.items[row], t->data.labels.classes.items[k],
                                 (double)t->logits[row * t->c + k]);
    }
    return status;
}

static cdul_status predict_rows(cdul_trainer *t, cdul_loader *loader, cdul_error *err) {
    cdul_batch batch;
    int end = 0;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK) {
        status = cdul_loader_next(loader, &batch, &end, err);
        if (status != CDUL_OK || end) break;
        if (cdul_interrupted()) return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        if (batch.count > 0) status = predict_batch(t, &batch, err);
        cdul_progress_update(t->call->reporter, batch.passed, NULL);
    }
    return status;
}

cdul_status cdul_trainer_predict(cdul_trainer *t, cdul_subset subset, cdul_error *err) {
    cdul_source source = t->cache ? cdul_activations_plain(t->cache) : cdul_image_views_source(&t->plain);
    size_t count = cdul_dataset_rows(&t->data, subset, t->rows);
    if (count == 0) return CDUL_OK;
    cdul_loader_options options = {(size_t)t->options->batch, t->call->threads, skip_row, t};
    cdul_loader *loader = NULL;
    cdul_status status = cdul_loader_open(&source, t->rows, count, &options, &loader, err);
    if (status != CDUL_OK) return status;
    cdul_progress_begin(t->call->reporter, "predict", count);
    cdul_trainer_swap_average(t);
    status = predict_rows(t, loader, err);
    cdul_trainer_swap_average(t);
    cdul_progress_end(t->call->reporter);
    cdul_loader_close(loader);
    return status;
}

/* --- Ranges --- */

#define OBSERVED 64 /* images: with four times as many, the ranges of a ResNet-50 widen by a few per cent */

cdul_status cdul_trainer_observe(cdul_trainer *t, cdul_ranges *ranges, cdul_error *err) {
    const size_t all = cdul_dataset_rows(&t->data, CDUL_SUBSET_TRAIN, t->rows);
    const size_t count = all < OBSERVED ? all : OBSERVED;
    for (size_t i = 0; i < count; i++) t->rows[i] = t->rows[i * all / count]; /* evenly spread */
    cdul_source source = cdul_image_views_source(&t->plain); /* cached activations lack the frozen stages' */
    cdul_loader_options options = {(size_t)t->options->batch, t->call->threads, skip_row, t};
    cdul_loader *loader = NULL;
    cdul_batch batch;
    int end = 0;
    cdul_status status = cdul_loader_open(&source, t->rows, count, &options, &loader, err);
    *ranges = (cdul_ranges){0};
    while (status == CDUL_OK) {
        status = cdul_loader_next(loader, &batch, &end, err);
        if (status != CDUL_OK || end) break;
        if (batch.count == 0) continue;
        cdul_scope s = {.no_grad = true};
        const size_t shape[4] = {batch.count, 3, t->plain.preprocess.height, t->plain.preprocess.width};
        cdul_tensor *x = cdul_tensor_from(&s, batch.data, CDUL_F32, 4, shape);
        cdul_resnet_observe(&s, t->net, x, ranges);
        status = cdul_scope_close(&s, err);
    }
    cdul_loader_close(loader);
    return status;
}
