/* The classifier as one ONNX graph, written with protobuf-c from ONNX's own onnx.proto.
 *
 *   image float32 [B, 3, H, W], RGB in 0 .. 1  ->  scores float32 [B, C] in 0 .. 1
 *
 * Mean, standard deviation and sigmoid are inside, batch norm is folded into the convolutions (in
 * float64, so that the graph equals the network to about 1e-6), B is free, H and W are those of
 * the card's input size. The card stands in metadata_props. */
#ifndef CDUL_TRAIN_EXPORT_H
#define CDUL_TRAIN_EXPORT_H

#include "train/model.h"
#include "train/resnet.h"

/* `card` is that of the same network. With `ranges`, what cdul_resnet_observe saw of it,
 * convolutions and additions are in eight bits (export.c); NULL: in float32. Atomic. */
cdul_status cdul_export_onnx(const char *path, const cdul_resnet *net, const cdul_card *card,
                             const cdul_ranges *ranges, cdul_error *err) CDUL_MUST_CHECK;

#endif
