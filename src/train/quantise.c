#include "train/quantise.h"

#include <math.h>
#include <stdlib.h>

#define LARGEST_WEIGHT 64 /* 2 * 255 * 64 fits into 16 bits */
#define LARGEST_BIAS   1e9 /* of a 32-bit sum: room for the products */

char *onnx_quantised(onnx_graph *g, char *x, double low, double high, float *scale) {
    low = fmin(low, 0); /* padding is 0, which must be exact */
    high = fmax(high, 0);
    *scale = high > low ? (float)((high - low) / 255) : 1;
    const uint8_t zero = (uint8_t)fmin(255, round(-low / (double)*scale));
    char *step = onnx_constant(g, onnx_name(g, "%s.scale", x), 0, NULL, scale);
    char *origin =
        onnx_typed_constant(g, onnx_name(g, "%s.zero", x), ONNX_UINT8, 0, NULL, &zero, sizeof zero);
    char *rounded = onnx_node(g, "QuantizeLinear", onnx_name(g, "%s.uint8", x),
                              (char *[]){x, step, origin, NULL});
    return onnx_node(g, "DequantizeLinear", onnx_name(g, "%s.float", x),
                     (char *[]){rounded, step, origin, NULL});
}

/* An int8 or int32 constant with a scale for each element of its first axis, as float32. */
static char *dequantised(onnx_graph *g, char *name, onnx_type type, size_t rank,
                         const int64_t *dims, const void *values, size_t size, const float *scales,
                         const void *zeros) {
    char *rounded =
        onnx_typed_constant(g, onnx_name(g, "%s.rounded", name), type, rank, dims, values, size);
    char *steps = onnx_constant(g, onnx_name(g, "%s.scale", name), 1, dims, scales);
    char *origins =
        onnx_typed_constant(g, onnx_name(g, "%s.zero", name), type, 1, dims, zeros, size);
    onnx_node(g, "DequantizeLinear", name, (char *[]){rounded, steps, origins, NULL});
    onnx_int(g, "axis", 0);
    return name;
}

static float largest(const float *values, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, fabsf(values[i]));
    return most;
}

/* The step of one filter's weights. The bias counts in steps of the product: a filter of next to
 * nothing is given coarser weights, rather than a bias that does not fit. */
static float filter_scale(const float *weight, size_t count, float bias, float input_scale) {
    float scale = largest(weight, count) / LARGEST_WEIGHT;
    float least = (float)((double)fabsf(bias) / ((double)input_scale * LARGEST_BIAS));
    scale = fmaxf(scale, least);
    return scale > 0 ? scale : 1;
}

void onnx_quantised_filters(onnx_graph *g, const char *name, const int64_t dims[4],
                            const float *weight, const float *bias, float input_scale,
                            char **weight_out, char **bias_out) {
    const size_t outputs = (size_t)dims[0], each = (size_t)(dims[1] * dims[2] * dims[3]);
    int8_t *weights = malloc(outputs * each);
    int32_t *biases = malloc(outputs * sizeof *biases);
    void *zeros = calloc(outputs, sizeof(int32_t));
    float *scales = malloc(outputs * sizeof *scales),
          *products = malloc(outputs * sizeof *products);
    *weight_out = *bias_out = NULL;
    if (!weights || !biases || !zeros || !scales || !products) {
        onnx_fail(g);
        goto done;
    }
    for (size_t o = 0; o < outputs; o++) {
        scales[o] = filter_scale(weight + o * each, each, bias[o], input_scale);
        products[o] = scales[o] * input_scale;
        for (size_t i = 0; i < each; i++)
            weights[o * each + i] = (int8_t)roundf(weight[o * each + i] / scales[o]);
        biases[o] = (int32_t)round((double)bias[o] / (double)products[o]);
    }
    *weight_out = dequantised(g, onnx_name(g, "%s.weight", name), ONNX_INT8, 4, dims, weights,
                              sizeof *weights, scales, zeros);
    *bias_out = dequantised(g, onnx_name(g, "%s.bias", name), ONNX_INT32, 1, dims, biases,
                            sizeof *biases, products, zeros);
done:
    free(weights);
    free(biases);
    free(zeros);
    free(scales);
    free(products);
}
