/* Options of cdul-train. */
#ifndef CDUL_CLI_TRAIN_OPTIONS_H
#define CDUL_CLI_TRAIN_OPTIONS_H

#include <stdbool.h>

enum { CDUL_OPTIMIZER_ADAMW, CDUL_OPTIMIZER_SGD };
enum { CDUL_PRECISION_AUTO, CDUL_PRECISION_BF16, CDUL_PRECISION_FP32 };
enum { CDUL_BN_FROZEN, CDUL_BN_TRAIN };

typedef struct cdul_train_options {
    /* Input */
    const char *labels; /* pseudo-labels: safetensors or CSV                                           */
    const char *root;   /* folder that lists and the labels' names are relative to; NULL = current     */
    bool null;          /* lists are separated by NUL                                                 */
    bool exif;
    const char *background;  /* "RRGGBB"                                                               */
    const char *eval_labels; /* ground truth, for measuring only; NULL = none                          */
    double holdout;          /* share of images kept out of training, 0 .. 0.9                        */

    /* Network */
    int arch;         /* position in the choices; CDUL_CHOICE_NONE = what `init` says, else resnet50    */
    const char *init; /* weights under torchvision's names, or NULL                                   */
    long long freeze; /* first stages that stay as they are, 0 .. 4                                   */
    int bn;           /* CDUL_BN_...                                                                   */
    long long size;   /* input side, pixels                                                           */

    /* Optimisation */
    long long epochs, batch;
    double lr, head_lr_mult, weight_decay, momentum;
    int optimizer;    /* CDUL_OPTIMIZER_...                                                           */
    int schedule;     /* cdul_schedule_kind                                                          */
    double lr_warmup; /* epochs of linear rise                                                       */
    int loss;         /* cdul_loss_kind                                                              */
    double ema;       /* decay of the weights' moving average a step, 0 = off                         */
    long long seed;

    /* Alignment: symbols as in the paper, equations (7), (8) */
    int align; /* 0 = off, 1 = on                                                                      */
    double sigma, eta;
    int target;               /* cdul_align_target                                                    */
    long long warmup, period; /* epochs                                                               */

    /* Augmentation */
    bool flip;
    double crop_scale_min; /* smallest share of the area, 1 = no crops                                 */
    double jitter;         /* of brightness, contrast and saturation, 0 = off                          */

    /* Engine */
    const char *device; /* "cpu", "cuda", "cuda:1"                                                     */
    int precision;      /* CDUL_PRECISION_...                                                          */
    bool channels_last;
    const char *activation_cache; /* folder, or NULL = frozen stages are computed every epoch          */
    long long activation_copies;  /* augmented copies of an image in it                                */

    /* Output and other work */
    const char *output; /* run folder; with `export` the ONNX file                                    */
    bool resume;
    const char *export; /* run folder to write as ONNX, or NULL                                        */
} cdul_train_options;

#endif
