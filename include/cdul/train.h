/* Training on pseudo-labels with gradient alignment: section 3.2 of CDUL (ICCV 2023, arXiv
 * 2307.16634). Link libcdul_train, which brings libtorch.
 *
 *     cdul_train_params params = cdul_train_defaults();
 *     params.labels = "labels.safetensors", params.root = "photos";
 *     params.init = "resnet50.safetensors", params.output = "run";
 *     cdul_status status = cdul_train(&params, NULL, &err);
 *
 * One call does a whole run. Each epoch trains the network on the labels as they are; then, from
 * epoch `warmup` on and every `period` epochs, the network is held fixed and the labels of all
 * images, held-out ones too, move towards its predictions on plain views. The held-out images are
 * never trained on and are compared with their initial labels: an alarm, not a way to choose an
 * epoch. */
#pragma once

#include "cdul/image.h"
#include "cdul/progress.h"
#include "cdul/strings.h"

#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Choices --- */

typedef enum cdul_batch_norm {
    CDUL_BN_FROZEN, /* keeps its statistics and weights everywhere */
    CDUL_BN_TRAIN, /* uses and updates those of the batch, in stages that are not frozen */
} cdul_batch_norm;

typedef enum cdul_optimizer_kind { CDUL_ADAMW, CDUL_SGD } cdul_optimizer_kind;

/* How the learning rate falls. */
typedef enum cdul_schedule_kind {
    CDUL_SCHEDULE_CONSTANT,
    CDUL_SCHEDULE_COSINE, /* from 1 to 0 along half a cosine */
    CDUL_SCHEDULE_STEP, /* times 0.1 after every third of the run */
} cdul_schedule_kind;

/* What the classifier minimises on pseudo-labels y [B, C], which are held fixed. */
typedef enum cdul_loss_kind {
    CDUL_LOSS_BERNOULLI_KL, /* KL(y || sigmoid(logit)), mean over images and classes */
    CDUL_LOSS_BCE, /* binary cross-entropy: the KL plus the labels' entropy, same gradient */
    /* the paper read literally: KL(y / sum(y) || softmax(logits)) over the classes of an image,
     * mean over images. Knows nothing of how many labels an image has */
    CDUL_LOSS_SOFTMAX_KL,
} cdul_loss_kind;

/* What to do with a batch whose loss or gradient is not finite. */
typedef enum cdul_bad_batch {
    CDUL_BAD_BATCH_STOP,
    CDUL_BAD_BATCH_SKIP, /* leave it out, and say so */
} cdul_bad_batch;

/* Numbers that convolutions compute in; weights are float32. */
typedef enum cdul_train_precision {
    CDUL_PRECISION_AUTO, /* bfloat16 where the processor is fast at it, and on a GPU */
    CDUL_PRECISION_BF16,
    CDUL_PRECISION_FP32,
} cdul_train_precision;

/* Which loss L a label descends. p = sigmoid(logit) is the classifier's prediction, u the label's
 * latent logit, y = sigmoid(u). */
typedef enum cdul_align_target {
    CDUL_ALIGN_BCE, /* cross-entropy, p as target of the label: dL/du = y - p, bounded */
    CDUL_ALIGN_KL, /* the training loss itself, KL(y || p): dL/du = y (1 - y) (u - logit p) */
} cdul_align_target;

/* The update of the labels, (7) and (8): u <- u - eta psi(y) dL/du, where psi is the normal density
 * around 0.5 with deviation sigma. */
typedef struct cdul_align_options {
    cdul_align_target target;
    double sigma; /* width of psi, 0.001 to 1000: 0.2 moves the uncertain only, 0.4 nearly all */
    double eta; /* step size, 0 = labels stay to 10,000; BCE moves u by eta psi(0.5) at most */
} cdul_align_options;

/* --- A run --- */

/* What a run is made from. Everything pointed to is borrowed for the call. */
typedef struct cdul_train_params {
    /* Input */

    const char *labels; /* pseudo-labels: safetensors or CSV; required */
    /* files, folders and lists as in cdul_list_images, which must hold the images that the labels
     * name; NULL or empty: files are root/name */
    const cdul_strings *images;
    const char *root; /* of relative names in lists and, without `images`, labels; NULL = current */
    bool nul_separated; /* lists are separated by NUL */
    bool exif; /* turn images as their EXIF orientation says */
    uint8_t background[3]; /* RGB under transparent pixels */
    size_t max_pixels; /* of an image; 0 = cdul_decode_most_pixels */
    const char *eval_labels; /* ground truth, for measuring only; NULL = none */
    double holdout; /* share of the images kept out of training, 0 to 0.9 */

    /* Network */

    /* resnet18, resnet34, resnet50, resnet101 or resnet152, the last three also with "-caffe"
     * (stride in the first 1x1); NULL = what `init` says, else resnet50 */
    const char *arch;
    const char *init; /* weights under torchvision's names, safetensors; NULL = random */
    size_t freeze; /* first stages that stay, 0 to 4: 1 = stem and layer1, 3 = all but layer4 */
    cdul_batch_norm bn;
    bool head_bias; /* a new head starts from the labels' class means */
    size_t size; /* side of the input, 32 to 2048 pixels */
    cdul_resize_mode resize; /* of a whole image to that: SHORTEST or SQUASH */

    /* Optimisation */

    size_t epochs; /* 1 to 100,000 */
    size_t batch; /* images in one step, 1 to 65,536 */
    double lr; /* learning rate of the body, 0 to 100 */
    double head_lr_mult; /* the head's as a multiple of the body's, 0 to 1e6 */
    double weight_decay; /* of convolution and head weights alone, 0 to 10 */
    double momentum; /* of SGD, 0 to 0.9999 */
    cdul_optimizer_kind optimizer;
    cdul_schedule_kind schedule;
    double lr_warmup; /* epochs in which the learning rate rises, 0 to 1000; less than `epochs` */
    cdul_loss_kind loss;
    double
        ema; /* decay of the weights' average, which predicts and is saved; 0 = none to 0.99999 */
    cdul_bad_batch bad_batch;
    uint64_t seed; /* of everything that is random */

    /* Alignment */

    bool align; /* labels move; otherwise they stay as they are */
    cdul_align_options alignment;
    size_t warmup; /* epochs before the labels first move, 0 to 100,000 */
    size_t period; /* epochs from one move to the next, 1 to 100,000 */

    /* Augmentation */

    bool flip; /* mirror half of the images */
    double crop_scale_min; /* smallest share of the area that a crop takes, 0.01 to 1 = no crops */
    double jitter; /* of brightness, contrast and saturation, 0 = off to 1 */

    /* Engine */

    const char *device; /* "cpu", "cuda" (= "cuda:0"), "cuda:1", ... */
    cdul_train_precision precision;
    bool channels_last; /* channels innermost in memory: as fast or faster */
    const char *activation_cache; /* of frozen stages; NULL = "activations" beside the run folder */
    size_t activation_copies; /* cached augmented copies of an image, 0 = no cache to 1000 */
    size_t threads; /* of libtorch, and of the loader; 0, the default, = one per processor */

    /* Output */

    const char *output; /* run folder, made if need be; required */
    bool resume; /* go on with the run that is in it */
    /* JSON text {"train": {...}} of the caller's options: kept in config.json, in the model's
     * provenance and in the checkpoint; a run is resumed with equal ones only. NULL = none: nothing
     * is kept, nothing compared */
    const char *config;
    const cdul_callbacks *callbacks; /* NULL = silent, never stopped */
} cdul_train_params;

typedef struct cdul_train_result {
    size_t images, classes, skipped;
    char *skipped_list; /* path of the list; NULL if nothing was skipped */
} cdul_train_result;

/* The defaults of cdul-train; `labels` and `output` are the caller's to set. */
cdul_train_params cdul_train_defaults(void);
/* CDUL_ERR_USAGE that names the first field that is out of its range or does not go with another.
 * cdul_train asks it first. */
cdul_status cdul_train_check(const cdul_train_params *params, cdul_error *err) CDUL_MUST_CHECK;
/* Trains and writes everything that a run folder holds. CDUL_ERR_CANCELLED if should_stop says so:
 * the last epoch's checkpoint stays. Sets libtorch's number of threads for the whole process. The
 * result, which may be NULL, is to be freed, after a failure too. */
cdul_status cdul_train(const cdul_train_params *params, cdul_train_result *result,
                       cdul_error *err) CDUL_MUST_CHECK;
void cdul_train_result_free(cdul_train_result *result);

/* Writes the model of a run folder, or a model.safetensors, to `output` as one ONNX graph, float32:
 * image [B, 3, H, W], RGB in 0 .. 1, to scores [B, C] in 0 .. 1. Atomic. */
cdul_status cdul_train_export(const char *model, const char *output,
                              cdul_error *err) CDUL_MUST_CHECK;

/* Of what only training stands on, libtorch: a line, as in versions.h. */
void cdul_train_versions(FILE *out);

#ifdef __cplusplus
}
#endif
