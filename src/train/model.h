/* A trained classifier as a file: model.safetensors, to go on from, and one ONNX graph, to predict
 * with. Both hold, as metadata, the card (labels/card.h): everything else that using it takes. */
#pragma once

#include "labels/card.h"
#include "train/resnet.h"

/* --- model.safetensors: weights under torchvision's names --- */

/* Atomic. */
cdul_status cdul_model_write(const char *path, const cdul_resnet *net, const cdul_card *card,
                             cdul_error *err) CDUL_MUST_CHECK;

/* Reads such a file. The network is in evaluation form, on the CPU. The caller frees *net and
 * *card; after a failure nothing is left to free. */
cdul_status cdul_model_read(const char *path, cdul_resnet **net, cdul_card *card,
                            cdul_error *err) CDUL_MUST_CHECK;

/* Closes the scope, which has come by a tensor, and appends its elements, declared as it is: for
 * every file that holds weights. */
cdul_status cdul_model_append(cdul_scope *scope, const cdul_tensor *tensor,
                              cdul_safetensors_writer *writer, cdul_error *err) CDUL_MUST_CHECK;

/* --- model.onnx ---
 *
 *   image float32 [B, 3, H, W], RGB in 0 .. 1  ->  scores float32 [B, C] in 0 .. 1
 *
 * Mean, standard deviation and sigmoid are inside. Batch norm is folded into the convolutions (in
 * float64, so that the graph equals the network to about 1e-6). B is free, H and W are those of
 * the card's input size. */

/* `card` is that of the same network. With `ranges`, what cdul_resnet_observe saw of it,
 * convolutions and additions are in eight bits (export.c); NULL: in float32. Atomic. */
cdul_status cdul_export_onnx(const char *path, const cdul_resnet *net, const cdul_card *card,
                             const cdul_ranges *ranges, cdul_error *err) CDUL_MUST_CHECK;
