/* A trainer that is set up on the pictures of train_fixture.h, in the folder "run". */
#ifndef CDUL_TESTS_TRAINER_FIXTURE_H
#define CDUL_TESTS_TRAINER_FIXTURE_H

#include "train/trainer.h"
#include "train_fixture.h"

#include <math.h>

static cdul_train_params fixture_params(void) {
    cdul_train_params params = cdul_train_defaults();
    params.labels = "labels.csv";
    params.root = "photos";
    params.holdout = 0.2;
    params.arch = "resnet18";
    params.size = FIXTURE_SIDE;
    params.resize = CDUL_RESIZE_SHORTEST;
    params.epochs = 2;
    params.batch = 4;
    params.lr = 1e-3;
    params.head_lr_mult = 10;
    params.schedule = CDUL_SCHEDULE_CONSTANT;
    params.seed = 7;
    params.warmup = 1;
    params.precision = CDUL_PRECISION_FP32;
    params.activation_copies = 2;
    params.threads = 2;
    params.output = "run";
    params.config = "{\"train\": {\"lr\": 0.001, \"sigma\": 1}}";
    return params;
}

typedef struct fixture {
    cdul_train_params params;
    cdul_trainer trainer;
} fixture;

/* Lies where it was made: the trainer points into it. */
static fixture *fixture_open(const cdul_train_params *params) {
    cdul_error e;
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->params = *params;
    f->trainer.params = &f->params;
    if (cdul_path_make_folder(params->output, &e) != CDUL_OK ||
        cdul_trainer_open(&f->trainer, &e) != CDUL_OK)
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
    cdul_epoch_record record = cdul_nothing_measured;
    cdul_status status = cdul_trainer_train(&f->trainer, &record, &e);
    f->trainer.epoch++;
    if (status == CDUL_OK) status = cdul_trainer_measure(&f->trainer, &record, &e);
    if (status != CDUL_OK) fail_msg("%s", e.message);
    return record;
}

#endif
