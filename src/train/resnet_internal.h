/* What resnet.c and resnet_weights.c share. */
#ifndef CDUL_TRAIN_RESNET_INTERNAL_H
#define CDUL_TRAIN_RESNET_INTERNAL_H

#include "train/resnet.h"

/* Random convolutions (unless head_only) and head; BN as created is BN's initial state. */
cdul_status cdul_resnet_initialize(cdul_resnet *net, bool head_only, cdul_error *err);

#endif
