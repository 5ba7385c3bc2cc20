#include "train/trainer_internal.h"

#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- The run folder --- */

static cdul_status check_folder(const cdul_train_options *o, const char *checkpoint,
                                cdul_error *err) {
    char *model = cdul_path_join(o->output, "model.safetensors");
    const char *const traces[] = {checkpoint, model};
    struct stat info;
    cdul_status status = model ? CDUL_OK : cdul_fail_memory(err, "a path");
    for (size_t i = 0; i < 2 && status == CDUL_OK && !o->resume; i++) {
        if (stat(traces[i], &info) == 0)
            status =
                cdul_fail(err, CDUL_ERR_USAGE,
                          "%s already holds a run: go on with it (--resume), or choose another -o",
                          o->output);
        else if (errno != ENOENT)
            status = cdul_fail_errno(err, "%s", traces[i]);
    }
    free(model);
    return status;
}

/* Makes the folder and keeps others out of it. */
static cdul_status enter_folder(const cdul_train_options *o, const char *checkpoint, int *lock,
                                cdul_error *err) {
    cdul_status status = cdul_path_make_folder(o->output, err);
    if (status == CDUL_OK) status = cdul_lock_try(o->output, lock, err);
    if (status == CDUL_OK && *lock < 0)
        status = cdul_fail(
            err, CDUL_ERR_IO,
            "%s: another cdul-train is at work in this folder: wait for it, or choose another -o",
            o->output);
    if (status == CDUL_OK) status = check_folder(o, checkpoint, err);
    if (status == CDUL_OK) cdul_file_sweep(o->output);
    return status;
}

static void leave_folder(const cdul_train_options *o, int *lock) {
    char *path = *lock >= 0 ? cdul_path_join(o->output, "lock") : NULL;
    if (path) unlink(path);
    free(path);
    cdul_lock_release(lock);
}

static cdul_status write_config(const cdul_trainer *t, cdul_error *err) {
    char *path = cdul_path_join(t->options->output, "config.json");
    cJSON *json = NULL;
    cdul_status status = path ? CDUL_OK : cdul_fail_memory(err, "a path");
    if (status == CDUL_OK)
        status = cdul_json_parse(t->call->config, strlen(t->call->config), "options", &json, err);
    if (status == CDUL_OK) status = cdul_json_write(path, json, err);
    cJSON_Delete(json);
    free(path);
    return status;
}

/* --- The run --- */

static void introduce(const cdul_trainer *t) {
    const cdul_resnet_options *net = &t->net->options;
    size_t held = 0;
    for (size_t i = 0; i < t->n; i++) held += t->data.held[i];
    cdul_say(
        t->call->callbacks, "%zu images (%zu held out), %zu classes; %s at %lld pixels, %s%s%s",
        t->n, held, t->c, net->arch->name, t->options->size, net->bfloat16 ? "bfloat16" : "float32",
        net->freeze ? ", first stages frozen" : "", t->cache ? ", from cached activations" : "");
    if (!t->options->init)
        cdul_warn(t->call->callbacks, "random weights: with --init, far fewer images are enough");
}

static cdul_status run_epoch(cdul_trainer *t, const char *checkpoint, cdul_error *err) {
    cdul_epoch_record record = {.held_loss = NAN,
                                .held_agreement = NAN,
                                .eval_predictions_map = NAN,
                                .eval_predictions_bce = NAN,
                                .eval_predictions_mass = NAN,
                                .eval_labels_map = NAN,
                                .eval_labels_bce = NAN};
    cdul_status status = cdul_trainer_train(t, &record, err);
    if (status != CDUL_OK) return status;
    t->epoch++;
    status = cdul_trainer_measure(t, &record, err);
    /* The log first: a line too many is cut off again when the run is resumed, one too few stays
     * missing. */
    if (status == CDUL_OK) status = cdul_trainer_log(t, &record, err);
    if (status == CDUL_OK) status = cdul_checkpoint_save(t, checkpoint, err);
    return status;
}

static cdul_status run(cdul_trainer *t, const char *checkpoint, cdul_error *err) {
    size_t epochs = (size_t)t->options->epochs;
    cdul_status status = CDUL_OK;
    if (cdul_path_exists(checkpoint)) {
        status = cdul_checkpoint_load(t, checkpoint, err);
        if (status == CDUL_OK)
            cdul_say(t->call->callbacks, "resuming after epoch %zu of %zu", t->epoch, epochs);
        /* Predictions are not in the checkpoint; a finished run needs them for its thresholds. */
        if (status == CDUL_OK && t->epoch == epochs)
            status = cdul_trainer_predict(t, CDUL_SUBSET_ALL, err);
    }
    if (status == CDUL_OK) status = cdul_trainer_trim_log(t, err);
    if (status == CDUL_OK && t->epoch < epochs)
        status = cdul_events_open(t->options->output, &t->events, err);
    while (status == CDUL_OK && t->epoch < epochs) status = run_epoch(t, checkpoint, err);
    if (status == CDUL_OK) status = cdul_trainer_write(t, err);
    return status;
}

/* What an interrupt keeps, and how to go on. */
static cdul_status say_interrupted(const char *checkpoint, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted; %s",
                     cdul_path_exists(checkpoint)
                         ? "the finished epochs are kept: the same command with --resume goes on"
                         : "no epoch was finished: the same command starts again");
}

static cdul_status finish(cdul_trainer *t, cdul_train_result *result, cdul_error *err) {
    result->images = t->n;
    result->classes = t->c;
    result->skipped = t->data.list.paths.count;
    char *output = cdul_path_join(t->options->output, "images");
    if (!output) return cdul_fail_memory(err, "a path");
    cdul_status status = cdul_skipped_write(&t->data.list, output, &result->skipped_list, err);
    free(output);
    return status;
}

cdul_status cdul_train(const cdul_train_options *options, const cdul_train_call *call,
                       cdul_train_result *result, cdul_error *err) {
    *result = (cdul_train_result){0};
    cdul_trainer t = {.options = options, .call = call};
    cdul_status status = cdul_trainer_check(options, err);
    if (status != CDUL_OK) return status;
    char *checkpoint = cdul_path_join(options->output, "checkpoint.safetensors");
    if (!checkpoint) return cdul_fail_memory(err, "a path");
    bool existed = cdul_path_exists(options->output);
    int lock = -1;
    status = enter_folder(options, checkpoint, &lock, err);
    if (status == CDUL_OK) status = cdul_trainer_setup(&t, err);
    if (status == CDUL_OK) status = write_config(&t, err);
    if (status == CDUL_OK) introduce(&t);
    if (status == CDUL_OK) status = run(&t, checkpoint, err);
    if (status == CDUL_OK) status = finish(&t, result, err);
    cdul_trainer_free(&t);
    leave_folder(options, &lock);
    if (status == CDUL_ERR_CANCELLED) status = say_interrupted(checkpoint, err);
    /* if empty: a mistake leaves nothing */
    if (status != CDUL_OK && !existed) rmdir(options->output);
    free(checkpoint);
    return status;
}
