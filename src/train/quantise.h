/* Eight-bit numbers in an ONNX graph, as pairs of QuantizeLinear and DequantizeLinear, which
 * runtimes turn into integer arithmetic. Source: Jacob et al., arXiv 1712.05877.
 *
 * Activations are uint8, one scale and zero point a tensor. Weights are int8, one scale an output
 * channel, and use seven of their bits: eight would overflow in processors without VNNI, so that
 * the same file would give other scores there. */
#ifndef CDUL_TRAIN_QUANTISE_H
#define CDUL_TRAIN_QUANTISE_H

#include "train/onnx_graph.h"

/* Rounds `x`, whose elements are in low .. high, and returns what it has become. What lies outside
 * is cut off: a low of 0 is a ReLU. *scale is that of one step. */
char *onnx_quantised(onnx_graph *graph, char *x, double low, double high, float *scale);

/* The constants `name`.weight [dims] and `name`.bias [dims[0]] of a convolution whose input has
 * steps of `input_scale`, rounded. */
void onnx_quantised_filters(onnx_graph *graph, const char *name, const int64_t dims[4],
                            const float *weight, const float *bias, float input_scale,
                            char **weight_out, char **bias_out);

#endif
