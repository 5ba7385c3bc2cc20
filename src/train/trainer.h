/* The parts of a run. A part is changed by its own file alone; the others are given it as const:
 *   feed      the images, their views, cached activations: how batches come about    feed.c
 *   targets   the labels as they move, and the predictions that they move towards    targets.c
 *   learner   the network, its optimiser, the average of its weights                 learner.c
 *   record    what an epoch is worth: measures, alarm, log.jsonl, TensorBoard events record.c
 * trainer.c is the run from beginning to end, output.c writes what is left of it, and checkpoint.c
 * takes all parts to disk and back. */
#pragma once

#include "cdul/eval.h"
#include "cdul/train.h"
#include "report/tensorboard.h"
#include "train/activations.h"
#include "train/align.h"
#include "train/resnet.h"

/* --- Feed --- */

typedef struct cdul_feed {
    const cdul_train_params *params;
    cdul_dataset data;
    size_t *rows; /* [N] scratch: the rows of a pass */
    cdul_image_views plain, augmented;
    cdul_activations cache; /* .shards NULL = from pixels */
} cdul_feed;

/* Opens the data; then the views, with mean and deviation of `weights`, which may be NULL; then,
 * where the network has frozen stages, the cache of what they compute. Start from {0}; free after a
 * failure as well. */
cdul_status cdul_feed_open(cdul_feed *feed, const cdul_train_params *params,
                           cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_feed_open_views(cdul_feed *feed, const cdul_safetensors *weights,
                                 cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_feed_open_cache(cdul_feed *feed, cdul_resnet *net,
                                 cdul_error *err) CDUL_MUST_CHECK;
void cdul_feed_free(cdul_feed *feed);

/* One pass over images, each batch given to `use`. The training images as `epoch` sees them, in
 * its order. */
cdul_status cdul_feed_train(cdul_feed *feed, size_t epoch, cdul_use *use, void *user,
                            cdul_error *err) CDUL_MUST_CHECK;
/* The same for plain views of the subset. */
cdul_status cdul_feed_plain(cdul_feed *feed, cdul_subset subset, cdul_use *use, void *user,
                            cdul_error *err) CDUL_MUST_CHECK;
/* The same for plain views of at most `most` training images, evenly spread, as pixels even if
 * there is a cache. */
cdul_status cdul_feed_sample(cdul_feed *feed, size_t most, cdul_use *use, void *user,
                             cdul_error *err) CDUL_MUST_CHECK;

/* The batch: normalised pixels [B, 3, H, W], or what the frozen stages made of them. */
cdul_tensor *cdul_feed_pixels(cdul_scope *scope, const cdul_feed *feed, const cdul_batch *batch);
cdul_tensor *cdul_feed_input(cdul_scope *scope, const cdul_feed *feed, const cdul_batch *batch);

/* --- Targets --- */

typedef struct cdul_targets {
    const cdul_labels *initial; /* y_0, names of images and classes */
    size_t n, c;
    float *latent; /* [N, C] u */
    float *labels; /* [N, C] y = sigmoid(u) as trained on; y_0 until they first move */
    /* [N, C] of the last predictions on plain views; rows not predicted keep old values */
    float *logits;
} cdul_targets;

/* Borrows `initial`. Start from {0}; free after a failure as well. */
cdul_status cdul_targets_open(cdul_targets *targets, const cdul_labels *initial,
                              cdul_error *err) CDUL_MUST_CHECK;
void cdul_targets_free(cdul_targets *targets);

/* True once labels have moved by the end of `epoch` (1 is the first): until then they are exactly
 * the initial ones. */
bool cdul_targets_moved(const cdul_train_params *params, size_t epoch);
/* True if they are to move at the end of this one. */
bool cdul_targets_due(const cdul_train_params *params, size_t epoch);
/* Equation (8), for all rows but those skipped [N]. A label that becomes no number is named. */
cdul_status cdul_targets_align(cdul_targets *targets, const cdul_align_options *options,
                               const bool *skipped, cdul_align_step *step,
                               cdul_error *err) CDUL_MUST_CHECK;
/* Takes latents [N, C] back from a checkpoint. */
void cdul_targets_restore(cdul_targets *targets, const float *latent, bool moved);
/* Takes the batch's logits [B, C]. A value that is not finite stops it, and its place in the matrix
 * is returned, else N x C. */
size_t cdul_targets_predicted(cdul_targets *targets, const cdul_batch *batch, const float *logits);
/* Copies the labels of the batch to `out` [B, C]. */
void cdul_targets_of_batch(const cdul_targets *targets, const cdul_batch *batch, float *out);
/* sigmoid(logits) [N, C], the caller's to free. NULL: no memory. */
float *cdul_targets_scores(const cdul_targets *targets);

/* --- Learner --- */

#define CDUL_LEARNER_GROUPS 4 /* body and head, each with and without weight decay */

/* The learning rate of a step, as a factor of the base rate. */
typedef struct cdul_schedule {
    cdul_schedule_kind kind;
    size_t steps; /* of the whole run, >= 1 */
    size_t warmup; /* steps of linear rise before the shape begins; < steps */
} cdul_schedule;

/* Factor in [0, 1] for step 0 .. steps - 1. Warm-up: (step + 1) / (warmup + 1). */
double cdul_schedule_factor(const cdul_schedule *schedule, size_t step);

typedef struct cdul_learner {
    const cdul_train_params *params;
    cdul_resnet *net;
    /* [entry_count] moving average of what changes, else NULL; NULL without EMA */
    cdul_tensor **average;
    cdul_optimizer *optimizer;
    double base_lr[CDUL_LEARNER_GROUPS];
    size_t groups;
    cdul_schedule schedule;
    size_t step; /* optimiser steps done */
} cdul_learner;

/* `weights` may be NULL. Start from {0}; free after a failure as well. */
cdul_status cdul_learner_open(cdul_learner *learner, const cdul_train_params *params,
                              const cdul_safetensors *weights, const cdul_labels *labels,
                              cdul_error *err) CDUL_MUST_CHECK;
void cdul_learner_free(cdul_learner *learner);
/* Spreads the schedule over the run, of so many training images. */
void cdul_learner_plan(cdul_learner *learner, size_t images);

/* One step along the gradients that backward has left, and the average after it. */
void cdul_learner_step(cdul_scope *scope, cdul_learner *learner);
/* Exchanges weights and averages. Nothing without EMA. */
void cdul_learner_swap_average(cdul_learner *learner);
/* Names the first tensor, or the first gradient, that holds NaN or infinity; NULL if none does. */
const char *cdul_learner_bad(const cdul_learner *learner, bool gradients);

/* The loss on pseudo-labels y, which are held fixed (loss.c). logits [B, C] of any float type, on
 * `device`; it is computed in float32. labels [B, C] in [0, 1] in the caller's memory. Returns
 * []. */
cdul_tensor *cdul_loss(cdul_scope *scope, cdul_loss_kind kind, const cdul_tensor *logits,
                       const float *labels, size_t b, size_t c, cdul_device device);

/* --- Record --- */

/* What ground truth says of scores. NAN = not measured. */
typedef struct cdul_judgement {
    double map, bce, mass;
} cdul_judgement;

/* What the log says of one epoch. NAN = not measured. */
typedef struct cdul_epoch_record {
    size_t epoch, step, skipped; /* done, done, images */
    double loss, lr, seconds, images_per_second;
    size_t left_out; /* batches that were not finite */
    double held_loss, held_agreement;
    bool aligned;
    cdul_align_step move;
    cdul_align_state labels;
    cdul_judgement predictions, targets;
} cdul_epoch_record;

extern const cdul_epoch_record cdul_nothing_measured;

typedef struct cdul_record {
    const cdul_train_params *params;
    bool truth_given;
    cdul_matched truth;
    cdul_events *events; /* NULL: none are written */
    double best_held_loss; /* lowest held-out loss so far, +INFINITY before the first */
    size_t worse_epochs; /* epochs in a row with a held-out loss clearly above it */
} cdul_record;

/* Reads the ground truth, if there is any. Start from {0}; free after a failure as well. */
cdul_status cdul_record_open(cdul_record *record, const cdul_train_params *params,
                             const cdul_labels *labels, cdul_error *err) CDUL_MUST_CHECK;
void cdul_record_free(cdul_record *record);
/* Cuts log.jsonl back to the `epoch` epochs that the checkpoint knows, and begins TensorBoard's
 * file if there are more to come. */
cdul_status cdul_record_begin(cdul_record *record, size_t epoch, cdul_error *err) CDUL_MUST_CHECK;
/* Compares predictions and labels with the initial labels and with the ground truth; warns if the
 * held-out loss rises. */
cdul_status cdul_record_measure(cdul_record *record, const cdul_dataset *data,
                                const cdul_targets *targets, cdul_epoch_record *epoch,
                                cdul_error *err) CDUL_MUST_CHECK;
/* Appends the epoch to log.jsonl and to the events, and says it. */
cdul_status cdul_record_log(cdul_record *record, const cdul_epoch_record *epoch,
                            cdul_error *err) CDUL_MUST_CHECK;

/* --- The run --- */

typedef struct cdul_trainer {
    const cdul_train_params *params;
    cdul_feed feed;
    cdul_targets targets;
    cdul_learner learner;
    cdul_record record;
    size_t epoch; /* epochs done */
} cdul_trainer;

/* Opens every part. Start from {.params}; free after a failure as well. */
cdul_status cdul_trainer_open(cdul_trainer *trainer, cdul_error *err) CDUL_MUST_CHECK;
void cdul_trainer_free(cdul_trainer *trainer);
/* One epoch of optimisation on the training images. Fills what is measured on the way. */
cdul_status cdul_trainer_train(cdul_trainer *trainer, cdul_epoch_record *record,
                               cdul_error *err) CDUL_MUST_CHECK;
/* The end of an epoch: predicts, moves the labels if it is time to, and measures. */
cdul_status cdul_trainer_measure(cdul_trainer *trainer, cdul_epoch_record *record,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Logits of the subset's plain views, in evaluation mode, by the averaged weights if there are
 * any. */
cdul_status cdul_trainer_predict(cdul_trainer *trainer, cdul_subset subset,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* model.safetensors, labels.safetensors, model.json, model.onnx, model_int8.onnx (output.c). */
cdul_status cdul_trainer_write(cdul_trainer *trainer, cdul_error *err) CDUL_MUST_CHECK;

cdul_status cdul_checkpoint_save(const cdul_trainer *trainer, const char *path,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Refuses a checkpoint of other options, labels or images, and names the difference. */
cdul_status cdul_checkpoint_load(cdul_trainer *trainer, const char *path,
                                 cdul_error *err) CDUL_MUST_CHECK;
