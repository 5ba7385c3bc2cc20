/* What the classifier minimises on pseudo-labels y [B, C], which are held fixed. */
#ifndef CDUL_TRAIN_LOSS_H
#define CDUL_TRAIN_LOSS_H

#include "torch/torch.h"

typedef enum cdul_loss_kind {
    /* KL(y || sigmoid(logit)) of each class on its own, mean over images and classes */
    CDUL_LOSS_BERNOULLI_KL,
    /* binary cross-entropy, same mean: the KL plus the labels' entropy, same gradient */
    CDUL_LOSS_BCE,
    /* the paper read literally: KL(y / sum(y) || softmax(logits)) over the classes of an image,
     * mean over images. Knows nothing of how many labels an image has */
    CDUL_LOSS_SOFTMAX_KL,
} cdul_loss_kind;

/* logits [B, C] of any float type (the loss is computed in float32); labels [B, C] in [0, 1] in the
 * caller's memory; `device` is where logits live. Returns []. */
cdul_tensor *cdul_loss(cdul_scope *scope, cdul_loss_kind kind, const cdul_tensor *logits,
                       const float *labels, size_t b, size_t c, cdul_device device);

#endif
