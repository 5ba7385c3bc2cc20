/* Training on pseudo-labels with gradient alignment: section 3.2 of CDUL (ICCV 2023, arXiv
 * 2307.16634).
 *
 * One call does a whole run. Each epoch trains the network on the labels as they are; then, from
 * epoch `warmup` on and every `period` epochs, the network is held fixed and the labels of all
 * images, held-out ones too, move towards its predictions on plain views (align.h). The held-out
 * images are never trained on and are compared with their initial labels: an alarm, not a way to
 * choose an epoch. */
#ifndef CDUL_TRAIN_TRAINER_H
#define CDUL_TRAIN_TRAINER_H

#include "cdul/error.h"
#include "cdul/progress.h"
#include "cdul/strings.h"

#include <stdbool.h>

enum { CDUL_PRECISION_AUTO, CDUL_PRECISION_BF16, CDUL_PRECISION_FP32 };
enum { CDUL_BN_FROZEN, CDUL_BN_TRAIN };
enum { CDUL_BAD_BATCH_STOP, CDUL_BAD_BATCH_SKIP };

/* What a run is made from. The types are those of an option table (base/options.h): the program
 * parses its command line straight into this. Choices are positions in the lists named. */
typedef struct cdul_train_options {
    /* Input */
    const char *labels; /* pseudo-labels: safetensors or CSV */
    /* folder that lists and, if no images are named, the labels' names are relative to; NULL =
     * current */
    const char *root;
    bool null; /* lists are separated by NUL */
    bool exif; /* turn images as their EXIF orientation says */
    const char *background; /* "RRGGBB" under transparent pixels */
    long long max_pixels; /* of an image; 0 or less: cdul_decode_most_pixels */
    const char *eval_labels; /* ground truth, for measuring only; NULL = none */
    double holdout; /* share of the images kept out of training, [0, 0.9] */

    /* Network */
    const char *arch; /* as in cdul_resnet_arch_find; NULL = what `init` says, else resnet50 */
    const char *init; /* weights under torchvision's names; NULL = random */
    /* the first k stages stay as they are, 0..4: 1 = stem and layer1, 3 = all but layer4 */
    long long freeze;
    int bn; /* CDUL_BN_FROZEN: batch norm keeps statistics and weights everywhere */
    bool head_bias; /* a new head starts from the labels' class means */
    long long size; /* side of the input, pixels */
    int resize; /* of a whole image to that: CDUL_RESIZE_SHORTEST, CDUL_RESIZE_SQUASH */

    /* Optimisation */
    long long epochs, batch;
    double lr; /* of the body */
    double head_lr_mult; /* the head's lr as a multiple of the body's */
    double weight_decay; /* of convolution and head weights; batch norm and biases have none */
    double momentum; /* SGD */
    int optimizer; /* cdul_optimizer_kind: adamw, sgd */
    int schedule; /* cdul_schedule_kind: constant, cosine, step */
    double lr_warmup; /* epochs in which the lr rises */
    int loss; /* cdul_loss_kind: bernoulli_kl, bce, softmax_kl */
    /* decay a step of the weights' moving average, which then predicts and is saved; 0 = none */
    double ema;
    int bad_batch; /* CDUL_BAD_BATCH_...: of a batch whose loss or gradient is not finite */
    long long seed;

    /* Alignment: symbols as in align.h */
    int align; /* 0 = off, 1 = on */
    double sigma, eta;
    int target; /* cdul_align_target: bce, kl */
    long long warmup, period; /* epochs: the labels first move after epoch `warmup` */

    /* Augmentation */
    bool flip;
    double crop_scale_min; /* smallest share of the area that a random crop takes; 1 = no crops */
    double jitter; /* of brightness, contrast and saturation, [0, 1]; 0 = off */

    /* Engine */
    const char *device; /* as in cdul_device_parse */
    int precision; /* CDUL_PRECISION_... */
    bool channels_last;
    const char *activation_cache; /* folder; NULL = "activations" beside the run folder */
    /* cached augmented copies of each image; 0 = frozen stages are computed in every epoch. Without
     * frozen stages there is nothing to cache */
    long long activation_copies;

    /* Output */
    const char *output; /* run folder */
    bool resume; /* go on with the run that is in it */
} cdul_train_options;

/* What main() adds. */
typedef struct cdul_train_call {
    const cdul_strings *images; /* folders, files and lists the user named */
    size_t threads; /* >= 1: of libtorch, and of the loader */
    /* the options as JSON {"train": {...}}: config.json, and what --resume compares */
    const char *config;
    const cdul_callbacks *callbacks;
} cdul_train_call;

typedef struct cdul_train_result {
    size_t images, classes, skipped;
    char *skipped_list; /* path of the list, NULL if nothing was skipped; the caller's to free */
} cdul_train_result;

/* Trains and writes everything that a run folder holds. CDUL_ERR_CANCELLED if should_stop says so:
 * the last epoch's checkpoint stays. */
cdul_status cdul_train(const cdul_train_options *options, const cdul_train_call *call,
                       cdul_train_result *result, cdul_error *err) CDUL_MUST_CHECK;

#endif
