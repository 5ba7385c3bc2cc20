/* The loss of the classifier on pseudo-labels y [B, C], which are held fixed. */
#ifndef CDUL_TRAIN_LOSS_H
#define CDUL_TRAIN_LOSS_H

#include "cdul/train.h"
#include "torch/torch.h"

/* logits [B, C] of any float type (the loss is computed in float32); labels [B, C] in [0, 1] in the
 * caller's memory; `device` is where logits live. Returns []. */
cdul_tensor *cdul_loss(cdul_scope *scope, cdul_loss_kind kind, const cdul_tensor *logits,
                       const float *labels, size_t b, size_t c, cdul_device device);

#endif
