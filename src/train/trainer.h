/* The parts of a run. A part is changed by its own file alone; the others are given it as const:
 *   feed      the images, their views, cached activations: how batches come about    feed.c
 *   targets   the labels as they move, and the predictions that they move towards    targets.c
 *   learner   the network, its optimiser, the average of its weights                 learner.c
 *   record    what an epoch is worth: measures, alarm, log.jsonl, TensorBoard events record.c
 * trainer.c is the run from beginning to end, output.c writes what is left of it, and checkpoint.c
 * takes all parts to disk and back. Parts start from {0}, and are freed after a failure as well. */
#pragma once

#include "cdul/eval.h"
#include "report/tensorboard.h"
#include "train/activations.h"

/* --- Feed --- */

typedef struct cdul_feed {
    const cdul_train_params *params;
    cdul_dataset data;
    size_t *rows; /* [N] scratch: the rows of a pass */
    cdul_image_views plain, augmented;
    cdul_activations cache; /* .shards NULL = from pixels */
} cdul_feed;

/* Opens the data; then the views, with mean and deviation of `weights`, which may be NULL; then,
 * where the network has frozen stages, the cache of what they compute. */
cdul_status cdul_feed_open(cdul_feed *f, const cdul_train_params *p,
                           cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_feed_open_views(cdul_feed *f, const cdul_safetensors *weights,
                                 cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_feed_open_cache(cdul_feed *f, const cdul_resnet *net,
                                 cdul_error *err) CDUL_MUST_CHECK;
void cdul_feed_free(cdul_feed *f);

/* One pass over images, each batch given to `use`: the training images as `epoch` sees them, in its
 * order; plain views of the subset; or plain views of at most `most` training images, evenly
 * spread, as pixels even if there is a cache. */
cdul_status cdul_feed_train(cdul_feed *f, size_t epoch, cdul_use *use, void *user,
                            cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_feed_plain(cdul_feed *f, cdul_subset subset, cdul_use *use, void *user,
                            cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_feed_sample(cdul_feed *f, size_t most, cdul_use *use, void *user,
                             cdul_error *err) CDUL_MUST_CHECK;

/* The batch: normalised pixels [B, 3, H, W], or what the frozen stages made of them. */
cdul_tensor *cdul_feed_pixels(cdul_scope *scope, const cdul_feed *f, const cdul_batch *batch);
cdul_tensor *cdul_feed_input(cdul_scope *scope, const cdul_feed *f, const cdul_batch *batch);

/* --- Alignment: section 3.2 of the paper, equations (7) and (8) (targets.c) --- */

/* A label is kept as its latent logit u, y = sigmoid(u). With the classifier held fixed,
 *
 *     u <- u - eta psi(y) dL/du,     psi(y) = exp(-((y - 0.5) / sigma)^2 / 2) / (sigma sqrt(2 pi))
 *
 * psi is largest at y = 0.5: uncertain labels move most. It is a weight and is not differentiated.
 * p = sigmoid(logit) is the classifier's prediction. */

/* Labels of 0 and 1 have no finite logit: they are clamped to [eps, 1 - eps] with this eps. */
#define CDUL_ALIGN_CLAMP 1e-4

/* u = logit(clamp(y)) and back, over `count` entries. */
void cdul_align_to_latent(const float *labels, size_t count, float *latent);
void cdul_align_to_labels(const float *latent, size_t count, float *labels);

/* psi(y) of equation (7). */
double cdul_align_psi(double y, double sigma);

/* One label: y = sigmoid(u), L and dL/du. */
typedef struct cdul_align_entry {
    double y, loss, gradient;
} cdul_align_entry;

cdul_align_entry cdul_align_evaluate(cdul_align_target target, double u, double logit);

typedef struct cdul_align_step {
    double loss; /* mean L before the step */
    double moved; /* mean |y_after - y_before| */
    /* share of entries, 0 .. 1, whose psi was at least half its peak: those psi selects */
    double reached;
} cdul_align_step;

/* Equation (8) on latent and logits [N, C]. Rows with `skip` set (NULL: none) have no prediction
 * and stay. Means are over the rows that took part. `step` may be NULL. */
void cdul_align_update(const cdul_align_options *options, const float *logits, const bool *skip,
                       size_t n, size_t c, float *latent, cdul_align_step *step);

typedef struct cdul_align_state {
    double drift; /* mean |y - y_0| */
    double mass; /* mean over images of the sum of y: expected positives an image */
    double entropy; /* mean Bernoulli entropy, nats */
} cdul_align_state;

/* What labels [N, C] look like, against the initial ones [N, C]. */
cdul_align_state cdul_align_describe(const float *labels, const float *initial, size_t n, size_t c);

/* --- Targets --- */

typedef struct cdul_targets {
    const cdul_labels *initial; /* y_0, names of images and classes */
    size_t n, c;
    float *latent; /* [N, C] u */
    float *labels; /* [N, C] y = sigmoid(u) as trained on; y_0 until they first move */
    float *logits; /* [N, C] of the last predictions on plain views; of some rows older ones */
} cdul_targets;

/* Borrows `initial`. */
cdul_status cdul_targets_open(cdul_targets *t, const cdul_labels *initial,
                              cdul_error *err) CDUL_MUST_CHECK;
void cdul_targets_free(cdul_targets *t);

/* True once labels have moved by the end of `epoch` (1 is the first): until then they are y_0. */
bool cdul_targets_moved(const cdul_train_params *p, size_t epoch);
/* True if they are to move at the end of this one. */
bool cdul_targets_due(const cdul_train_params *p, size_t epoch);
/* Equation (8), for all rows but those skipped [N]. A label that becomes no number is named. */
cdul_status cdul_targets_align(cdul_targets *t, const cdul_align_options *options,
                               const bool *skipped, cdul_align_step *step,
                               cdul_error *err) CDUL_MUST_CHECK;
/* Takes latents [N, C] back from a checkpoint. */
void cdul_targets_restore(cdul_targets *t, const float *latent, bool moved);
/* Takes the batch's logits [B, C]. A value that is not finite stops it, and its place in the matrix
 * is returned, else N x C. */
size_t cdul_targets_predicted(cdul_targets *t, const cdul_batch *batch, const float *logits);
/* sigmoid(logits) [N, C], the caller's to free. NULL: no memory. */
float *cdul_targets_scores(const cdul_targets *t);

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

/* `weights` may be NULL. */
cdul_status cdul_learner_open(cdul_learner *l, const cdul_train_params *p,
                              const cdul_safetensors *weights, const cdul_labels *labels,
                              cdul_error *err) CDUL_MUST_CHECK;
void cdul_learner_free(cdul_learner *l);
/* Spreads the schedule over the run, of so many training images. */
void cdul_learner_plan(cdul_learner *l, size_t images);
/* One step along the gradients that backward has left, and the average after it. */
void cdul_learner_step(cdul_scope *scope, cdul_learner *l);
/* Exchanges weights and averages. Nothing without EMA. */
void cdul_learner_swap_average(cdul_learner *l);
/* Names the first tensor, or the first gradient, that holds NaN or infinity; NULL if none does. */
const char *cdul_learner_bad(const cdul_learner *l, bool gradients);

/* The loss [] on pseudo-labels y, which are held fixed (loss.c). logits [B, C] of any float type,
 * on `device`; it is computed in float32. labels [B, C] in [0, 1] in the caller's memory. */
cdul_tensor *cdul_loss(cdul_scope *scope, cdul_loss_kind kind, const cdul_tensor *logits,
                       const float *labels, size_t b, size_t c, cdul_device device);

/* --- Record --- */

/* What ground truth says of scores. NAN, here and below = not measured. */
typedef struct cdul_judgement {
    double map, bce, mass;
} cdul_judgement;

/* What the log says of one epoch. */
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

/* Reads the ground truth, if there is any. */
cdul_status cdul_record_open(cdul_record *record, const cdul_train_params *p,
                             const cdul_labels *labels, cdul_error *err) CDUL_MUST_CHECK;
void cdul_record_free(cdul_record *record);
/* Cuts log.jsonl back to the `epoch` epochs that the checkpoint knows, and begins TensorBoard's
 * file if there are more to come. */
cdul_status cdul_record_begin(cdul_record *record, size_t epoch, cdul_error *err) CDUL_MUST_CHECK;
/* Compares predictions and labels with the initial labels and with the ground truth; warns if the
 * held-out loss rises. */
cdul_status cdul_record_measure(cdul_record *record, const cdul_dataset *data,
                                const cdul_targets *t, cdul_epoch_record *epoch,
                                cdul_error *err) CDUL_MUST_CHECK;
/* Appends the epoch to log.jsonl and to the events, and says it. */
cdul_status cdul_record_log(cdul_record *record, const cdul_epoch_record *epoch,
                            cdul_error *err) CDUL_MUST_CHECK;

/* --- The run --- */

typedef struct cdul_trainer {
    const cdul_train_params *params; /* set before it is opened */
    cdul_feed feed;
    cdul_targets targets;
    cdul_learner learner;
    cdul_record record;
    size_t epoch; /* epochs done */
} cdul_trainer;

cdul_status cdul_trainer_open(cdul_trainer *t, cdul_error *err) CDUL_MUST_CHECK;
void cdul_trainer_free(cdul_trainer *t);
/* One epoch of optimisation on the training images. Fills what is measured on the way. */
cdul_status cdul_trainer_train(cdul_trainer *t, cdul_epoch_record *record,
                               cdul_error *err) CDUL_MUST_CHECK;
/* The end of an epoch: predicts, moves the labels if it is time to, and measures. */
cdul_status cdul_trainer_measure(cdul_trainer *t, cdul_epoch_record *record,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Logits of the subset's plain views, by the averaged weights if there are any. */
cdul_status cdul_trainer_predict(cdul_trainer *t, cdul_subset subset,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* model.safetensors, labels.safetensors, model.json, model.onnx, model_int8.onnx (output.c). */
cdul_status cdul_trainer_write(cdul_trainer *t, cdul_error *err) CDUL_MUST_CHECK;

cdul_status cdul_checkpoint_save(const cdul_trainer *t, const char *path,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Refuses a checkpoint of other options, labels or images, and names the difference. */
cdul_status cdul_checkpoint_load(cdul_trainer *t, const char *path,
                                 cdul_error *err) CDUL_MUST_CHECK;
