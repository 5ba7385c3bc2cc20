/* A trained classifier as a file: model.safetensors holds the weights under torchvision's names
 * and, as metadata, the card (labels/card.h): everything else that using it takes. */
#ifndef CDUL_TRAIN_MODEL_H
#define CDUL_TRAIN_MODEL_H

#include "labels/card.h"
#include "train/resnet.h"

/* Atomic. */
cdul_status cdul_model_write(const char *path, const cdul_resnet *net, const cdul_card *card,
                             cdul_error *err) CDUL_MUST_CHECK;

/* Reads such a file. The network is in evaluation form, on the CPU. The caller frees *net and
 * *card; after a failure nothing is left to free. */
cdul_status cdul_model_read(const char *path, cdul_resnet **net, cdul_card *card,
                            cdul_error *err) CDUL_MUST_CHECK;

/* Declares a tensor as it is, and appends its elements: for every file that holds weights. */
cdul_tensor_decl cdul_model_declare(const cdul_tensor *tensor, const char *name);
cdul_status cdul_model_append(const cdul_tensor *tensor, cdul_safetensors_writer *writer,
                              cdul_error *err) CDUL_MUST_CHECK;

#endif
