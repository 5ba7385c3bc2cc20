/* The state of a run, and what the files of the trainer do with it:
 *   trainer.c          the run from beginning to end
 *   trainer_setup.c    data, network, optimiser, cache, from the options
 *   trainer_epoch.c    one pass of training; predictions on plain views; the weights' average
 *   trainer_bad.c      numbers that are not finite: whose they are
 *   trainer_measure.c  what an epoch is worth: held-out images, labels, ground truth; log and
 * alarms trainer_output.c   the files that a run leaves checkpoint.c       everything above, to
 * disk and back */
#ifndef CDUL_TRAIN_TRAINER_INTERNAL_H
#define CDUL_TRAIN_TRAINER_INTERNAL_H

#include "base/progress.h"
#include "cdul/eval.h"
#include "report/tensorboard.h"
#include "train/activations.h"
#include "train/align.h"
#include "train/loss.h"
#include "train/schedule.h"
#include "train/trainer.h"

#define CDUL_TRAINER_GROUPS 4 /* body and head, each with and without weight decay */

typedef struct cdul_trainer {
    const cdul_train_options *options;
    const cdul_train_call *call;

    cdul_dataset data;
    size_t n, c;
    size_t *rows; /* [N] scratch: the rows of a pass */
    float *latent; /* [N, C] u */
    float *labels; /* [N, C] y = sigmoid(u) as trained on */
    /* [N, C] of the last predictions on plain views; rows not predicted keep old values */
    float *logits;
    float *scratch; /* [max(batch, C), C] */
    bool truth_given;
    cdul_matched truth;

    cdul_resnet *net;
    /* [entry_count] moving average of what changes, else NULL; NULL without EMA */
    cdul_tensor **average;
    cdul_optimizer *optimizer;
    double base_lr[CDUL_TRAINER_GROUPS];
    size_t groups;
    cdul_schedule schedule;
    cdul_image_views plain, augmented;
    cdul_activations *cache; /* NULL = from pixels */
    cdul_events *events;

    size_t epoch; /* epochs done */
    size_t step; /* optimiser steps done */
    double best_held_loss; /* lowest held-out loss so far, +INFINITY before the first */
    size_t worse_epochs; /* epochs in a row with a held-out loss clearly above it */
} cdul_trainer;

/* What the log says of one epoch. NAN = not measured. */
typedef struct cdul_epoch_record {
    double loss, lr, seconds, images_per_second;
    size_t left_out; /* batches that were not finite */
    double held_loss, held_agreement;
    bool aligned;
    cdul_align_step step;
    cdul_align_state labels;
    double eval_predictions_map, eval_predictions_bce, eval_predictions_mass;
    double eval_labels_map, eval_labels_bce;
} cdul_epoch_record;

/* --- trainer_setup.c --- */

cdul_status cdul_trainer_check(const cdul_train_options *options, cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_trainer_setup(cdul_trainer *trainer, cdul_error *err) CDUL_MUST_CHECK;
void cdul_trainer_free(cdul_trainer *trainer);

/* --- trainer_epoch.c --- */

/* One epoch of optimisation on the training images. Fills loss, lr, seconds, images_per_second. */
cdul_status cdul_trainer_train(cdul_trainer *trainer, cdul_epoch_record *record,
                               cdul_error *err) CDUL_MUST_CHECK;
/* Logits of the subset's plain views, in evaluation mode, by the averaged weights if there are
 * any. */
cdul_status cdul_trainer_predict(cdul_trainer *trainer, cdul_subset subset,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Ranges of the network's activations, over some of the training images. ranges->count is 0 if none
 * of them could be read. */
cdul_status cdul_trainer_observe(cdul_trainer *trainer, cdul_ranges *ranges,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Exchanges weights and averages. Nothing without EMA. */
void cdul_trainer_swap_average(cdul_trainer *trainer);

/* --- trainer_bad.c --- */

/* Names the first tensor of the network that holds NaN or infinity; NULL if none does. */
const char *cdul_trainer_bad_weights(const cdul_trainer *trainer);
/* A batch whose loss or gradient is not finite: names its images and the cause. CDUL_OK if it may
 * be left out. */
cdul_status cdul_trainer_bad_batch(const cdul_trainer *trainer, const cdul_batch *batch,
                                   double loss, const cdul_tensor *logits,
                                   cdul_error *err) CDUL_MUST_CHECK;

/* --- trainer_measure.c --- */

/* Predicts, aligns if it is time to, and measures. */
cdul_status cdul_trainer_measure(cdul_trainer *trainer, cdul_epoch_record *record,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* True once the labels have moved: until then they are exactly the initial ones. */
bool cdul_trainer_has_aligned(const cdul_trainer *trainer);
/* Appends the epoch to log.jsonl and the TensorBoard events, and says it. */
cdul_status cdul_trainer_log(cdul_trainer *trainer, const cdul_epoch_record *record,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Cuts log.jsonl back to the epochs that the checkpoint knows. */
cdul_status cdul_trainer_trim_log(const cdul_trainer *trainer, cdul_error *err) CDUL_MUST_CHECK;

/* --- trainer_output.c --- */

/* model.safetensors, labels.safetensors, model.json, model.onnx, model_int8.onnx. */
cdul_status cdul_trainer_write(cdul_trainer *trainer, cdul_error *err) CDUL_MUST_CHECK;

/* --- checkpoint.c --- */

cdul_status cdul_checkpoint_save(cdul_trainer *trainer, const char *path,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Refuses a checkpoint of other options, labels or images, and names the difference. */
cdul_status cdul_checkpoint_load(cdul_trainer *trainer, const char *path,
                                 cdul_error *err) CDUL_MUST_CHECK;

#endif
