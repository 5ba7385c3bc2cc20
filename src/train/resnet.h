/* ResNet-18, 34, 50, 101 and 152 ("Deep Residual Learning for Image Recognition", He et al. 2015)
 * as a plain structure of units and blocks over torch/torch.h. Tensors have torchvision's names and
 * shapes, and outputs equal torchvision's. What walks the network (export, optimiser groups,
 * checkpoint) reads the structure. */
#pragma once

#include "base/safetensors.h"
#include "torch/torch.h"

/* A stage is what can be frozen: 1 = stem and layer1, 2..4 = layer2..4. The head is never
 * frozen. */
#define CDUL_RESNET_STAGES 4
#define CDUL_RESNET_HEAD   (CDUL_RESNET_STAGES + 1)
#define CDUL_RESNET_BLOCKS 50 /* of ResNet-152 */

typedef struct cdul_resnet_arch {
    const char *name;
    size_t blocks[CDUL_RESNET_STAGES];
    bool bottleneck; /* 1x1, 3x3, 1x1 units; else 3x3, 3x3 */
    bool stride_first; /* Caffe's: the stride is in the first 1x1 unit, not in the 3x3 */
    double bn_eps;
} cdul_resnet_arch;

/* "resnet50-caffe" (101, 152) has the stride in the first 1x1 and BN eps 1e-3, as the networks of
 * He et al. that Keras distributes. An unknown name is CDUL_ERR_USAGE and the message lists them.
 */
cdul_status cdul_resnet_arch_find(const char *name, const cdul_resnet_arch **out,
                                  cdul_error *err) CDUL_MUST_CHECK;

/* A convolution without bias and the batch norm after it. */
typedef struct cdul_resnet_unit {
    size_t inputs, outputs, kernel, stride; /* padding is (kernel - 1) / 2 */
    cdul_tensor *weight; /* [outputs, inputs, kernel, kernel] */
    cdul_tensor *bn_weight, *bn_bias, *bn_mean, *bn_var; /* [outputs] */
} cdul_resnet_unit;

/* relu(units(x) + shortcut(x)), relu between units; without `projects` the shortcut is x itself. */
typedef struct cdul_resnet_block {
    size_t stage; /* 1..4 */
    size_t count;
    cdul_resnet_unit units[3];
    bool projects;
    cdul_resnet_unit shortcut;
} cdul_resnet_block;

typedef enum cdul_parameter_kind {
    CDUL_CONV_WEIGHT,
    CDUL_BN_WEIGHT,
    CDUL_BN_BIAS,
    CDUL_BN_MEAN, /* running mean and variance: in files, but not parameters */
    CDUL_BN_VAR,
    CDUL_HEAD_WEIGHT,
    CDUL_HEAD_BIAS,
} cdul_parameter_kind;

/* One tensor of the network under its name in files. */
typedef struct cdul_resnet_entry {
    char name[40]; /* "layer1.0.downsample.1.running_mean" */
    cdul_tensor *tensor;
    cdul_parameter_kind kind;
    size_t stage; /* 1..4, or CDUL_RESNET_HEAD */
    bool trained; /* gradients are computed for it: give it to the optimiser */
} cdul_resnet_entry;

typedef struct cdul_resnet_options {
    const cdul_resnet_arch *arch;
    size_t classes;
    uint64_t seed; /* of the initial weights, and of a replaced head */
    cdul_device device;
    size_t freeze; /* the first k stages are not trained, 0..4; default 0 */
    bool freeze_bn; /* batch norm keeps its statistics, weight and bias everywhere; default true */
    bool bfloat16; /* convolutions compute in bfloat16; weights stay float32; default false */
    /* memory layout of activations and weights; default true: as fast or faster */
    bool channels_last;
} cdul_resnet_options;

typedef struct cdul_resnet {
    cdul_resnet_options options;
    cdul_resnet_unit stem; /* 7x7 / 2, relu, then 3x3 / 2 maximum (padding 1) */
    cdul_resnet_block blocks[CDUL_RESNET_BLOCKS];
    size_t block_count;
    cdul_tensor *head_weight; /* [classes, features] */
    cdul_tensor *head_bias; /* [classes] */
    size_t features; /* channels of the last stage: 512 or 2048 */
    cdul_resnet_entry *entries; /* every tensor above, in the order of torchvision's state_dict */
    size_t entry_count;
} cdul_resnet;

#define CDUL_RANGES 256 /* ResNet-152 has 206 */

/* How large activations become: what eight bits must span. In the order in which a pass comes by:
 * the input, the stem, and of each block the outputs of its shortcut if that is a unit, of its
 * units (the last before the addition), and of the whole. ReLU is inside, where one follows. */
typedef struct cdul_ranges {
    double low[CDUL_RANGES], high[CDUL_RANGES];
    size_t count; /* known */
    size_t next; /* of the pass that is under way; a pass begins at 0 */
} cdul_ranges;

cdul_resnet_options cdul_resnet_defaults(void);

/* Creates the network with initial weights as torchvision's (convolutions normal with variance 2 /
 * fan_out, BN 1 and 0, head uniform), or, if `weights` is not NULL, with those of the file under
 * torchvision's names. A tensor that is missing, of another shape or unknown is CDUL_ERR_INPUT and
 * is named ("num_batches_tracked" is passed over). A head of another class count is not taken and
 * *head_replaced (may be NULL) set. */
cdul_status cdul_resnet_new(const cdul_resnet_options *options, const cdul_safetensors *weights,
                            bool *head_replaced, cdul_resnet **out,
                            cdul_error *err) CDUL_MUST_CHECK;
void cdul_resnet_free(cdul_resnet *net);

/* Sets the head's bias to the logit of each class's mean over labels [n, classes], kept within
 * [1e-4, 1 - 1e-4]: the first predictions are then the frequencies, and the first steps need not
 * find them. */
cdul_status cdul_resnet_set_head_bias(cdul_resnet *net, const float *labels, size_t n,
                                      cdul_error *err) CDUL_MUST_CHECK;

/* Logits float32 [B, classes] of activations x after the first `from` stages, of any float type and
 * layout; from = 0: of normalised images [B, 3, H, W]. `training`: batch norm uses and updates
 * batch statistics, in stages that are not frozen and unless freeze_bn. */
cdul_tensor *cdul_resnet_forward_from(cdul_scope *scope, const cdul_resnet *net,
                                      const cdul_tensor *x, size_t from, bool training);
/* Activations of normalised images [B, 3, H, W] after the first `upto` stages (1..4), in evaluation
 * mode: float32, or bfloat16 if the network computes in it. [B, 256, H/4, W/4] for upto 1 of
 * ResNet-50, and so on: channels twice, sides half, a stage. */
cdul_tensor *cdul_resnet_forward_features(cdul_scope *scope, const cdul_resnet *net,
                                          const cdul_tensor *x, size_t upto);
/* Widens `ranges` by the activations of normalised images [B, 3, H, W] in evaluation mode. */
void cdul_resnet_observe(cdul_scope *scope, const cdul_resnet *net, const cdul_tensor *x,
                         cdul_ranges *ranges);
