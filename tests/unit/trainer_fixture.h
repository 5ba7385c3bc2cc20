/* A trainer that is set up on the pictures of train_fixture.h, in the folder "run". */
#ifndef CDUL_TESTS_TRAINER_FIXTURE_H
#define CDUL_TESTS_TRAINER_FIXTURE_H

#include "train/trainer_internal.h"
#include "train_fixture.h"

#include <math.h>

static cdul_train_options fixture_options(void) {
    return (cdul_train_options){.labels = "labels.csv",
                                .exif = true,
                                .background = "ffffff",
                                .holdout = 0.2,
                                .arch = "resnet18",
                                .head_bias = true,
                                .size = FIXTURE_SIDE,
                                .epochs = 2,
                                .batch = 4,
                                .lr = 1e-3,
                                .head_lr_mult = 10,
                                .weight_decay = 0.01,
                                .momentum = 0.9,
                                .schedule = CDUL_SCHEDULE_CONSTANT,
                                .seed = 7,
                                .align = 1,
                                .sigma = 1,
                                .eta = 5,
                                .warmup = 1,
                                .period = 1,
                                .flip = true,
                                .crop_scale_min = 0.5,
                                .device = "cpu",
                                .precision = CDUL_PRECISION_FP32,
                                .channels_last = true,
                                .activation_copies = 2,
                                .output = "run"};
}

typedef struct fixture {
    cdul_train_options options;
    cdul_strings images;
    cdul_train_call call;
    cdul_trainer trainer;
} fixture;

/* Lies where it was made: the trainer points into it. */
static fixture *fixture_open(const cdul_train_options *options) {
    cdul_error e;
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->options = *options;
    f->options.root = "photos";
    f->call = (cdul_train_call){&f->images, 2, "{\"train\": {\"lr\": 0.001, \"sigma\": 1}}", NULL};
    f->trainer.options = &f->options;
    f->trainer.call = &f->call;
    if (cdul_path_make_folder(options->output, &e) != CDUL_OK ||
        cdul_trainer_setup(&f->trainer, &e) != CDUL_OK)
        fail_msg("%s", e.message);
    return f;
}

static void fixture_close(fixture *f) {
    cdul_trainer_free(&f->trainer);
    free(f);
}

/* One epoch, as cdul_train runs it, without the files. */
static cdul_epoch_record fixture_epoch(fixture *f) {
    cdul_error e;
    cdul_epoch_record record = {.eval_predictions_map = NAN, .eval_labels_map = NAN};
    cdul_status status = cdul_trainer_train(&f->trainer, &record, &e);
    f->trainer.epoch++;
    if (status == CDUL_OK) status = cdul_trainer_measure(&f->trainer, &record, &e);
    if (status != CDUL_OK) fail_msg("%s", e.message);
    return record;
}

#endif
