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
    if (t->cache) x = cdul_tensor_permute(s, x, (size_t[]){0, 3, 1, 2});
    return cdul_tensor_to(s, x, t->net->options.device);
}

static size_t first_stage(const cdul_trainer *t) {
    return t->cache ? t->net->options.freeze : 0;
}

/* --- Training --- */

/* average <- average + (1 - decay) (weights - average), with a decay that starts low, so that the
 * random head of the first steps is soon forgotten (as in tf.train.ExponentialMovingAverage). */
static void update_average(cdul_scope *s, cdul_trainer *t) {
    if (!t->average) return;
    double steps = (double)t->step, decay = fmin(t->options->ema, (1 + steps) / (10 + steps));
    for (size_t i = 0; i < t->net->entry_count; i++)
        if (t->average[i])
            cdul_tensor_lerp_(s, t->average[i], t->net->entries[i].tensor, 1 - decay);
}

/* Of the batches of an epoch. */
typedef struct progress {
    size_t rows; /* of the epoch */
    double loss_sum;
    size_t images, left_out; /* left_out: batches */
} progress;

static cdul_status train_batch(cdul_trainer *t, const cdul_batch *batch, progress *p,
                               cdul_error *err) {
    for (size_t i = 0; i < batch->count; i++)
        memcpy(t->scratch + i * t->c, t->labels + batch->rows[i] * t->c, t->c * sizeof *t->scratch);
    cdul_scope s = {0};
    cdul_tensor *x = batch_input(&s, t, batch);
    cdul_tensor *logits =
        cdul_resnet_forward_from(&s, t->net, x, first_stage(t), t->options->bn == CDUL_BN_TRAIN);
    cdul_tensor *loss = cdul_loss(&s, (cdul_loss_kind)t->options->loss, logits, t->scratch,
                                  batch->count, t->c, t->net->options.device);
    double value = cdul_tensor_item(&s, loss);
    bool good = isfinite(value);
    cdul_optimizer_zero_grad(&s, t->optimizer);
    if (good) cdul_tensor_backward(&s, loss);
    /* Without this a gradient shows in the next loss, when it has ruined the weights. It costs a
     * look at each. */
    if (good && t->options->bad_batch == CDUL_BAD_BATCH_SKIP)
        good = isfinite(cdul_optimizer_gradient_norm(&s, t->optimizer));
    if (s.status == CDUL_OK && !good) {
        cdul_status status = cdul_trainer_bad_batch(t, batch, value, logits, err);
        p->left_out++;
        cdul_scope_close(&s, NULL);
        return status;
    }
    double factor = cdul_schedule_factor(&t->schedule, t->step);
    for (size_t group = 0; group < t->groups; group++)
        cdul_optimizer_set_lr(&s, t->optimizer, group, t->base_lr[group] * factor);
    cdul_optimizer_step(&s, t->optimizer);
    t->step++;
    update_average(&s, t);
    p->loss_sum += value * (double)batch->count;
    p->images += batch->count;
    return cdul_scope_close(&s, err);
}

/* Batch statistics of one image mean nothing, and one value a channel has no variance. */
static bool too_small(const cdul_trainer *t, const cdul_batch *batch) {
    return batch->count == 0 || (batch->count == 1 && t->options->bn == CDUL_BN_TRAIN);
}

static void show(const cdul_trainer *t, const cdul_batch *batch, const progress *p) {
    char note[64];
    size_t skipped = t->data.list.paths.count;
    int length =
        snprintf(note, sizeof note, "loss %.4f", p->images ? p->loss_sum / (double)p->images : 0.0);
    if (skipped && length > 0)
        snprintf(note + length, sizeof note - (size_t)length, "  skipped %zu", skipped);
    cdul_progress_update(t->call->callbacks, batch->passed, p->rows, note);
}

static cdul_status run_epoch(cdul_trainer *t, cdul_loader *loader, progress *p, cdul_error *err) {
    cdul_batch batch;
    int end = 0;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK) {
        status = cdul_loader_next(loader, &batch, &end, err);
        if (status != CDUL_OK || end) break;
        if (cdul_stopped(t->call->callbacks))
            return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        if (too_small(t, &batch)) continue;
        status = train_batch(t, &batch, p, err);
        show(t, &batch, p);
    }
    return status;
}

cdul_status cdul_trainer_train(cdul_trainer *t, cdul_epoch_record *record, cdul_error *err) {
    t->augmented.epoch = t->epoch;
    cdul_source source = t->cache ? cdul_activations_augmented(t->cache, t->epoch)
                                  : cdul_image_views_source(&t->augmented);
    size_t count = cdul_dataset_shuffle(&t->data, CDUL_SUBSET_TRAIN, (uint64_t)t->options->seed,
                                        t->epoch, t->rows);
    cdul_loader_options options = {(size_t)t->options->batch, t->call->threads, skip_row, t};
    cdul_loader *loader = NULL;
    cdul_status status = cdul_loader_open(&source, t->rows, count, &options, &loader, err);
    if (status != CDUL_OK) return status;
    char verb[64];
    snprintf(verb, sizeof verb, "train %zu/%lld", t->epoch + 1, t->options->epochs);
    cdul_progress_begin(t->call->callbacks, verb, count);
    double start = cdul_seconds();
    progress p = {.rows = count};
    record->lr = t->options->lr * cdul_schedule_factor(&t->schedule, t->step);
    status = run_epoch(t, loader, &p, err);
    cdul_progress_end(t->call->callbacks);
    cdul_loader_close(loader);
    if (status == CDUL_OK && p.images == 0)
        return p.left_out
                   ? cdul_fail(err, CDUL_ERR_RUNTIME, "all %zu batches of epoch %zu were left out",
                               p.left_out, t->epoch + 1)
                   : cdul_fail(err, CDUL_ERR_INPUT, "no image could be read in epoch %zu",
                               t->epoch + 1);
    record->seconds = cdul_seconds() - start;
    record->loss = p.images ? p.loss_sum / (double)p.images : NAN;
    record->images_per_second = (double)p.images / record->seconds;
    record->left_out = p.left_out;
    return status;
}

/* --- Predictions --- */

void cdul_trainer_swap_average(cdul_trainer *t) {
    for (size_t i = 0; t->average && i < t->net->entry_count; i++)
        if (t->average[i]) cdul_tensor_swap(t->average[i], t->net->entries[i].tensor);
}

static cdul_status bad_prediction(const cdul_trainer *t, size_t row, size_t k, cdul_error *err) {
    const char *weights = cdul_trainer_bad_weights(t);
    return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the network's output for class %s is %g%s%s%s",
                     t->data.labels.images.items[row], t->data.labels.classes.items[k],
                     (double)t->logits[row * t->c + k], weights ? ", as weights " : "",
                     weights ? weights : "", weights ? " are not finite" : "");
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
        for (size_t k = 0; k < t->c && status == CDUL_OK; k++)
            if (!isfinite(t->logits[row * t->c + k])) status = bad_prediction(t, row, k, err);
    }
    return status;
}

static cdul_status predict_rows(cdul_trainer *t, cdul_loader *loader, size_t count,
                                cdul_error *err) {
    cdul_batch batch;
    int end = 0;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK) {
        status = cdul_loader_next(loader, &batch, &end, err);
        if (status != CDUL_OK || end) break;
        if (cdul_stopped(t->call->callbacks))
            return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        if (batch.count > 0) status = predict_batch(t, &batch, err);
        cdul_progress_update(t->call->callbacks, batch.passed, count, NULL);
    }
    return status;
}

cdul_status cdul_trainer_predict(cdul_trainer *t, cdul_subset subset, cdul_error *err) {
    cdul_source source =
        t->cache ? cdul_activations_plain(t->cache) : cdul_image_views_source(&t->plain);
    size_t count = cdul_dataset_rows(&t->data, subset, t->rows);
    if (count == 0) return CDUL_OK;
    cdul_loader_options options = {(size_t)t->options->batch, t->call->threads, skip_row, t};
    cdul_loader *loader = NULL;
    cdul_status status = cdul_loader_open(&source, t->rows, count, &options, &loader, err);
    if (status != CDUL_OK) return status;
    cdul_progress_begin(t->call->callbacks, "predict", count);
    cdul_trainer_swap_average(t);
    status = predict_rows(t, loader, count, err);
    cdul_trainer_swap_average(t);
    cdul_progress_end(t->call->callbacks);
    cdul_loader_close(loader);
    return status;
}

/* --- Ranges --- */

#define OBSERVED                                                                                   \
    64 /* images: with four times as many, the ranges of a ResNet-50 widen by a few per cent */

cdul_status cdul_trainer_observe(cdul_trainer *t, cdul_ranges *ranges, cdul_error *err) {
    const size_t all = cdul_dataset_rows(&t->data, CDUL_SUBSET_TRAIN, t->rows);
    const size_t count = all < OBSERVED ? all : OBSERVED;
    for (size_t i = 0; i < count; i++) t->rows[i] = t->rows[i * all / count]; /* evenly spread */
    /* cached activations lack the frozen stages' */
    cdul_source source = cdul_image_views_source(&t->plain);
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
        const size_t shape[4] = {batch.count, 3, t->plain.preprocess.height,
                                 t->plain.preprocess.width};
        cdul_tensor *x = cdul_tensor_from(&s, batch.data, CDUL_F32, 4, shape);
        cdul_resnet_observe(&s, t->net, x, ranges);
        status = cdul_scope_close(&s, err);
    }
    cdul_loader_close(loader);
    return status;
}
