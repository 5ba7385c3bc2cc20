/* The run, from beginning to end: its folder, its parts, its epochs, its step. */
#include "train/trainer.h"

#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* --- The parts --- */

/* A run that cannot write its first checkpoint should not start. A checkpoint is replaced by a
 * whole new one beside it; then come the model, its ONNX graph and the labels. */
static cdul_status check_disk(const cdul_trainer *t, cdul_error *err) {
    const cdul_resnet *net = t->learner.net;
    double weights = 0, trained = 0;
    for (size_t i = 0; i < net->entry_count; i++) {
        double bytes = (double)cdul_tensor_elements(net->entries[i].tensor) * sizeof(float);
        weights += bytes;
        if (net->entries[i].trained) trained += bytes;
    }
    double labels = (double)t->targets.n * (double)t->targets.c * sizeof(float);
    double want = 2 * (weights + 3 * trained + labels) + 2 * weights + labels;
    struct statvfs disk;
    if (statvfs(t->params->output, &disk) != 0)
        return cdul_fail_errno(err, "%s", t->params->output);
    double have = (double)disk.f_bavail * (double)disk.f_frsize;
    if (want < have) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_IO, "%s: a run needs %.2f GB and the disk has %.2f GB",
                     t->params->output, want / 1e9, have / 1e9);
}

cdul_status cdul_trainer_open(cdul_trainer *t, cdul_error *err) {
    const cdul_train_params *p = t->params;
    cdul_safetensors *weights = NULL;
    cdul_torch_set_threads(p->threads);
    cdul_status status = cdul_feed_open(&t->feed, p, err);
    const cdul_labels *labels = &t->feed.data.labels;
    if (status == CDUL_OK) status = cdul_targets_open(&t->targets, labels, err);
    if (status == CDUL_OK) status = cdul_record_open(&t->record, p, labels, err);
    if (status == CDUL_OK && p->init) status = cdul_safetensors_open(p->init, &weights, err);
    if (status == CDUL_OK) status = cdul_feed_open_views(&t->feed, weights, err);
    if (status == CDUL_OK) status = cdul_learner_open(&t->learner, p, weights, labels, err);
    if (status == CDUL_OK) status = check_disk(t, err);
    if (status == CDUL_OK) status = cdul_feed_open_cache(&t->feed, t->learner.net, err);
    if (status == CDUL_OK)
        cdul_learner_plan(&t->learner, cdul_dataset_rows(&t->feed.data, CDUL_SUBSET_TRAIN, NULL));
    cdul_safetensors_close(weights);
    return status;
}

void cdul_trainer_free(cdul_trainer *t) {
    cdul_record_free(&t->record);
    cdul_learner_free(&t->learner);
    cdul_targets_free(&t->targets);
    cdul_feed_free(&t->feed);
}

/* --- Numbers that are not finite --- */

/* The first output [B, C] that is not finite; B x C if there is none. */
static size_t bad_output(const cdul_tensor *logits, size_t count) {
    float *values = calloc(count, sizeof *values);
    cdul_scope s = {.no_grad = true};
    if (values) cdul_tensor_read(&s, logits, CDUL_F32, values, count);
    size_t i = values && cdul_scope_close(&s, NULL) == CDUL_OK ? 0 : count;
    while (i < count && isfinite(values[i])) i++;
    free(values);
    return i;
}

/* The first label [B, C] that is not finite, likewise. */
static size_t bad_label(const cdul_trainer *t, const cdul_batch *batch) {
    const size_t c = t->targets.c;
    size_t i = 0;
    while (i < batch->count * c && isfinite(t->targets.labels[batch->rows[i / c] * c + i % c])) i++;
    return i;
}

/* Writes the first cause that is found into `text`: weights, then outputs, labels, gradients.
 * *ruined: it is the weights, and no batch will be better. */
static void find_cause(const cdul_trainer *t, const cdul_batch *batch, double loss,
                       const cdul_tensor *logits, bool *ruined, char *text, size_t size) {
    const char *weights = cdul_learner_bad(&t->learner, false), *what = "output";
    const size_t c = t->targets.c, count = batch->count * c;
    *ruined = weights != NULL;
    if (weights) {
        snprintf(text, size, "weights %s are not finite", weights);
        return;
    }
    size_t entry = bad_output(logits, count);
    if (entry == count) entry = bad_label(t, batch), what = "label";
    const char *gradient =
        entry == count && isfinite(loss) ? cdul_learner_bad(&t->learner, true) : NULL;
    if (entry < count)
        snprintf(text, size, "the %s for image %s, class %s is not finite", what,
                 t->targets.initial->images.items[batch->rows[entry / c]],
                 t->targets.initial->classes.items[entry % c]);
    else if (gradient)
        snprintf(text, size, "the gradient of %s is not finite", gradient);
    else
        snprintf(text, size, "the %s too large", isfinite(loss) ? "gradients are" : "outputs are");
}

static void list_images(const cdul_trainer *t, const cdul_batch *batch, char *text, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < batch->count && i < 4 && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
                                 t->targets.initial->images.items[batch->rows[i]]);
}

/* A batch whose loss or gradient is not finite: names its images and the cause. CDUL_OK if it may
 * be left out. */
static cdul_status bad_batch(const cdul_trainer *t, const cdul_batch *batch, double loss,
                             const cdul_tensor *logits, cdul_error *err) {
    char images[320] = "", cause[320];
    bool ruined = false, skip = t->params->bad_batch == CDUL_BAD_BATCH_SKIP;
    const char *more = batch->count > 4 ? ", ..." : "";
    list_images(t, batch, images, sizeof images);
    find_cause(t, batch, loss, logits, &ruined, cause, sizeof cause);
    if (skip && !ruined) {
        cdul_warn(t->params->callbacks,
                  "the loss is %g at epoch %zu, step %zu (images %s%s): %s; the batch is left out",
                  loss, t->epoch + 1, t->learner.step + 1, images, more, cause);
        return CDUL_OK;
    }
    return cdul_fail(err, CDUL_ERR_RUNTIME,
                     "the loss is %g at epoch %zu, step %zu (images %s%s): %s: lower --lr or "
                     "--head-lr-mult, train with --precision fp32%s; the last checkpoint is kept",
                     loss, t->epoch + 1, t->learner.step + 1, images, more, cause,
                     skip ? "" : ", or leave such batches out with --bad-batch skip");
}

/* --- A step --- */

/* A pass under way, to train or to predict. */
typedef struct pass {
    cdul_trainer *trainer;
    size_t total; /* rows */
    float *values; /* [B, C] of the batch: labels to learn, or logits */
    double loss_sum;
    size_t images, left_out; /* left_out: batches */
} pass;

/* Logits [B, C] of the batch. `statistics`: batch norm uses and updates those of the batch. */
static cdul_tensor *forward(cdul_scope *s, const cdul_trainer *t, const cdul_batch *batch,
                            bool statistics) {
    const cdul_resnet *net = t->learner.net;
    cdul_tensor *x = cdul_feed_input(s, &t->feed, batch);
    size_t done = t->feed.cache.shards ? t->params->freeze : 0;
    return cdul_resnet_forward_from(s, net, x, done, statistics);
}

/* Step 1 of the method: the labels are fixed, the network learns them. */
static cdul_status train_batch(pass *e, const cdul_batch *batch, cdul_error *err) {
    cdul_trainer *t = e->trainer;
    const cdul_train_params *p = t->params;
    cdul_optimizer *optimizer = t->learner.optimizer;
    const size_t c = t->targets.c;
    for (size_t i = 0; i < batch->count; i++)
        memcpy(e->values + i * c, t->targets.labels + batch->rows[i] * c, c * sizeof *e->values);

    cdul_scope s = {0};
    cdul_tensor *logits = forward(&s, t, batch, p->bn == CDUL_BN_TRAIN);
    cdul_tensor *loss =
        cdul_loss(&s, p->loss, logits, e->values, batch->count, c, t->learner.net->options.device);
    double value = cdul_tensor_item(&s, loss);
    bool good = isfinite(value);
    cdul_optimizer_zero_grad(&s, optimizer);
    if (good) cdul_tensor_backward(&s, loss);
    /* A gradient that is not finite would show in the next loss, when it has ruined the weights.
     * The search looks at each, which costs time. */
    if (good && p->bad_batch == CDUL_BAD_BATCH_SKIP)
        good = isfinite(cdul_optimizer_gradient_norm(&s, optimizer));
    if (s.status == CDUL_OK && !good) {
        cdul_status status = bad_batch(t, batch, value, logits, err);
        e->left_out++;
        cdul_scope_close(&s, NULL);
        return status;
    }
    cdul_learner_step(&s, &t->learner);
    e->loss_sum += value * (double)batch->count;
    e->images += batch->count;
    return cdul_scope_close(&s, err);
}

static double mean_loss(const pass *e) { return e->images ? e->loss_sum / (double)e->images : 0; }

static cdul_status use_for_training(void *user, const cdul_batch *batch, cdul_error *err) {
    pass *e = user;
    /* Batch statistics of one image mean nothing, and one value a channel has no variance. */
    size_t least = e->trainer->params->bn == CDUL_BN_TRAIN ? 2 : 1;
    if (batch->count < least) return CDUL_OK;
    cdul_status status = train_batch(e, batch, err);
    char note[64], skipped[32] = "";
    const size_t count = e->trainer->feed.data.list.paths.count;
    if (count > 0) snprintf(skipped, sizeof skipped, "  skipped %zu", count);
    snprintf(note, sizeof note, "loss %.4f%s", mean_loss(e), skipped);
    cdul_progress_update(e->trainer->params->callbacks, batch->passed, e->total, note);
    return status;
}

/* --- An epoch --- */

cdul_status cdul_trainer_train(cdul_trainer *t, cdul_epoch_record *record, cdul_error *err) {
    const cdul_train_params *p = t->params;
    pass e = {.trainer = t,
              .total = cdul_dataset_rows(&t->feed.data, CDUL_SUBSET_TRAIN, NULL),
              .values = malloc(p->batch * t->targets.c * sizeof(float))};
    if (!e.values) return cdul_fail_memory(err, "the labels of a batch");
    char verb[64];
    snprintf(verb, sizeof verb, "train %zu/%zu", t->epoch + 1, p->epochs);
    cdul_progress_begin(p->callbacks, verb, e.total);
    double start = cdul_seconds();
    record->lr = p->lr * cdul_schedule_factor(&t->learner.schedule, t->learner.step);
    cdul_status status = cdul_feed_train(&t->feed, t->epoch, use_for_training, &e, err);
    cdul_progress_end(p->callbacks);
    free(e.values);
    if (status == CDUL_OK && e.images == 0)
        return e.left_out
                   ? cdul_fail(err, CDUL_ERR_RUNTIME, "all %zu batches of epoch %zu were left out",
                               e.left_out, t->epoch + 1)
                   : cdul_fail(err, CDUL_ERR_INPUT, "no image could be read in epoch %zu",
                               t->epoch + 1);
    record->seconds = cdul_seconds() - start;
    record->loss = mean_loss(&e);
    record->images_per_second = (double)e.images / record->seconds;
    record->left_out = e.left_out;
    return status;
}

static cdul_status bad_prediction(const cdul_trainer *t, size_t at, cdul_error *err) {
    const cdul_labels *names = t->targets.initial;
    const char *weights = cdul_learner_bad(&t->learner, false);
    return cdul_fail(err, CDUL_ERR_RUNTIME, "%s: the network's output for class %s is %g%s%s%s",
                     names->images.items[at / t->targets.c],
                     names->classes.items[at % t->targets.c], (double)t->targets.logits[at],
                     weights ? ", as weights " : "", weights ? weights : "",
                     weights ? " are not finite" : "");
}

static cdul_status use_for_prediction(void *user, const cdul_batch *batch, cdul_error *err) {
    const pass *p = user;
    cdul_trainer *t = p->trainer;
    cdul_status status = CDUL_OK;
    if (batch->count > 0) {
        cdul_scope s = {.no_grad = true};
        cdul_tensor *logits = forward(&s, t, batch, false);
        cdul_tensor_read(&s, logits, CDUL_F32, p->values, batch->count * t->targets.c);
        status = cdul_scope_close(&s, err);
    }
    if (status == CDUL_OK) {
        size_t bad = cdul_targets_predicted(&t->targets, batch, p->values);
        if (bad < t->targets.n * t->targets.c) status = bad_prediction(t, bad, err);
    }
    cdul_progress_update(t->params->callbacks, batch->passed, p->total, NULL);
    return status;
}

cdul_status cdul_trainer_predict(cdul_trainer *t, cdul_subset subset, cdul_error *err) {
    pass p = {.trainer = t, .total = cdul_dataset_rows(&t->feed.data, subset, NULL)};
    if (p.total == 0) return CDUL_OK;
    p.values = malloc(t->params->batch * t->targets.c * sizeof *p.values);
    if (!p.values) return cdul_fail_memory(err, "the predictions of a batch");
    cdul_progress_begin(t->params->callbacks, "predict", p.total);
    cdul_learner_swap_average(&t->learner);
    cdul_status status = cdul_feed_plain(&t->feed, subset, use_for_prediction, &p, err);
    cdul_learner_swap_average(&t->learner);
    cdul_progress_end(t->params->callbacks);
    free(p.values);
    return status;
}

/* Step 2 of the method: the network is fixed, the labels move. */
cdul_status cdul_trainer_measure(cdul_trainer *t, cdul_epoch_record *record, cdul_error *err) {
    const cdul_train_params *p = t->params;
    record->aligned = cdul_targets_due(p, t->epoch);
    /* The last predictions become the model's thresholds. */
    bool all = record->aligned || t->epoch == p->epochs || p->eval_labels;
    cdul_status status = cdul_trainer_predict(t, all ? CDUL_SUBSET_ALL : CDUL_SUBSET_HELD, err);
    if (status == CDUL_OK && record->aligned)
        status = cdul_targets_align(&t->targets, &p->alignment, t->feed.data.skipped, &record->move,
                                    err);
    if (status == CDUL_OK)
        status = cdul_record_measure(&t->record, &t->feed.data, &t->targets, record, err);
    record->epoch = t->epoch;
    record->step = t->learner.step;
    record->skipped = t->feed.data.list.paths.count;
    return status;
}

static cdul_status run_epoch(cdul_trainer *t, const char *checkpoint, cdul_error *err) {
    cdul_epoch_record record = cdul_nothing_measured;
    cdul_status status = cdul_trainer_train(t, &record, err);
    if (status != CDUL_OK) return status;
    t->epoch++;
    status = cdul_trainer_measure(t, &record, err);
    /* The log first: a line too many is cut off again when the run is resumed, one too few stays
     * missing. */
    if (status == CDUL_OK) status = cdul_record_log(&t->record, &record, err);
    if (status == CDUL_OK) status = cdul_checkpoint_save(t, checkpoint, err);
    return status;
}

/* --- The run folder --- */

static cdul_status check_folder(const cdul_train_params *p, const char *checkpoint,
                                cdul_error *err) {
    char *model = cdul_path_join(p->output, "model.safetensors");
    if (!model) return cdul_fail_memory(err, "a path");
    bool used = cdul_path_exists(checkpoint) || cdul_path_exists(model);
    free(model);
    if (!used || p->resume) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%s already holds a run: go on with it (--resume), or choose another -o",
                     p->output);
}

/* Makes the folder and keeps others out of it. */
static cdul_status enter_folder(const cdul_train_params *p, const char *checkpoint, int *lock,
                                cdul_error *err) {
    cdul_status status = cdul_path_make_folder(p->output, err);
    if (status == CDUL_OK) status = cdul_lock_try(p->output, lock, err);
    if (status == CDUL_OK && *lock < 0)
        status = cdul_fail(
            err, CDUL_ERR_IO,
            "%s: another cdul-train is at work in this folder: wait for it, or choose another -o",
            p->output);
    if (status == CDUL_OK) status = check_folder(p, checkpoint, err);
    if (status == CDUL_OK) cdul_file_sweep(p->output);
    return status;
}

static void leave_folder(const cdul_train_params *p, int *lock) {
    char *path = *lock >= 0 ? cdul_path_join(p->output, "lock") : NULL;
    if (path) unlink(path);
    free(path);
    cdul_lock_release(lock);
}

static cdul_status write_config(const cdul_train_params *p, cdul_error *err) {
    if (!p->config) return CDUL_OK;
    char *path = cdul_path_join(p->output, "config.json");
    cJSON *json = NULL;
    cdul_status status = cdul_json_parse(p->config, strlen(p->config), "options", &json, err);
    if (status == CDUL_OK)
        status = path ? cdul_json_write(path, json, err) : cdul_fail_memory(err, "a path");
    cJSON_Delete(json);
    free(path);
    return status;
}

/* --- The run --- */

static void introduce(const cdul_trainer *t) {
    const cdul_resnet_options *net = &t->learner.net->options;
    size_t held = 0;
    for (size_t i = 0; i < t->targets.n; i++) held += t->feed.data.held[i];
    cdul_say(t->params->callbacks,
             "%zu images (%zu held out), %zu classes; %s at %zu pixels, %s%s%s", t->targets.n, held,
             t->targets.c, net->arch->name, t->params->size, net->bfloat16 ? "bfloat16" : "float32",
             net->freeze ? ", first stages frozen" : "",
             t->feed.cache.shards ? ", from cached activations" : "");
    if (!t->params->init)
        cdul_warn(t->params->callbacks, "random weights: with --init, far fewer images are enough");
}

static cdul_status run(cdul_trainer *t, const char *checkpoint, cdul_error *err) {
    const size_t epochs = t->params->epochs;
    cdul_status status = CDUL_OK;
    if (cdul_path_exists(checkpoint)) {
        status = cdul_checkpoint_load(t, checkpoint, err);
        if (status == CDUL_OK)
            cdul_say(t->params->callbacks, "resuming after epoch %zu of %zu", t->epoch, epochs);
        /* Predictions are not in the checkpoint; a finished run needs them for its thresholds. */
        if (status == CDUL_OK && t->epoch == epochs)
            status = cdul_trainer_predict(t, CDUL_SUBSET_ALL, err);
    }
    if (status == CDUL_OK) status = cdul_record_begin(&t->record, t->epoch, err);
    while (status == CDUL_OK && t->epoch < epochs) status = run_epoch(t, checkpoint, err);
    if (status == CDUL_OK) status = cdul_trainer_write(t, err);
    return status;
}

static cdul_status finish(const cdul_trainer *t, cdul_train_result *result, cdul_error *err) {
    const cdul_skipped *skipped = &t->feed.data.list;
    result->images = t->targets.n;
    result->classes = t->targets.c;
    result->skipped = skipped->paths.count;
    char *output = cdul_path_join(t->params->output, "images");
    if (!output) return cdul_fail_memory(err, "a path");
    cdul_status status = cdul_skipped_write(skipped, output, &result->skipped_list, err);
    free(output);
    return status;
}

cdul_status cdul_train(const cdul_train_params *params, cdul_train_result *result,
                       cdul_error *err) {
    cdul_train_result unwanted;
    if (!result) result = &unwanted;
    *result = (cdul_train_result){0};
    cdul_train_params settled = *params;
    settled.threads = cdul_threads(params->threads);
    cdul_trainer t = {.params = &settled};
    cdul_status status = cdul_train_check(params, err);
    if (status != CDUL_OK) return status;
    char *checkpoint = cdul_path_join(params->output, "checkpoint.safetensors");
    if (!checkpoint) return cdul_fail_memory(err, "a path");
    bool existed = cdul_path_exists(params->output);
    int lock = -1;
    status = enter_folder(params, checkpoint, &lock, err);
    if (status == CDUL_OK) status = cdul_trainer_open(&t, err);
    if (status == CDUL_OK) status = write_config(params, err);
    if (status == CDUL_OK) introduce(&t);
    if (status == CDUL_OK) status = run(&t, checkpoint, err);
    if (status == CDUL_OK) status = finish(&t, result, err);
    cdul_trainer_free(&t);
    leave_folder(params, &lock);
    if (result == &unwanted) cdul_train_result_free(result);
    if (status == CDUL_ERR_CANCELLED)
        status =
            cdul_fail(err, status, "interrupted; %s",
                      cdul_path_exists(checkpoint)
                          ? "the finished epochs are kept: the same command with --resume goes on"
                          : "no epoch was finished: the same command starts again");
    /* Only if it is empty: a run that could not begin leaves nothing. */
    if (status != CDUL_OK && !existed) rmdir(params->output);
    free(checkpoint);
    return status;
}

void cdul_train_result_free(cdul_train_result *result) {
    free(result->skipped_list);
    *result = (cdul_train_result){0};
}
