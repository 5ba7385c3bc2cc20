/* Batch norm by the batch's own statistics, a sum and ReLU in one pass forward and two backward,
 * for activations on the CPU with their channels innermost: what libtorch does in five and six, and
 * a fifth of a training step is that.
 *
 * Activations are [rows, channels], rows = B x H x W, in float32 or bfloat16; what is computed of
 * them is float32, with sums in double, in an order that does not depend on the number of threads.
 * Statistics are [channels]. */
#ifndef CDUL_TORCH_NORM_RELU_H
#define CDUL_TORCH_NORM_RELU_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct norm_shape {
    size_t rows, channels; /* both 1 or more */
    bool bfloat16; /* else float32 */
} norm_shape;

/* Mean and variance (divided by rows) of each channel. False if memory runs out. */
bool norm_statistics(norm_shape shape, const void *x, float *mean, float *variance);

/* y = x scale + shift, + residual unless that is NULL, and max(0, that) if `relu`. y may be x. */
void norm_forward(norm_shape shape, const void *x, const float *scale, const float *shift,
                  const void *residual, bool relu, void *y);

/* Of the loss by what ReLU was given: g = dy + more where y > 0, else 0; more NULL: nothing. g may
 * be dy. */
void relu_backward(size_t elements, bool bfloat16, const void *dy, const void *more, const void *y,
                   void *g);

/* The same with the sums over rows of g and of g (x - mean); y NULL: no ReLU and nothing more, g
 * must be dy and is not written. False if memory runs out. */
bool norm_backward_sums(norm_shape shape, const void *dy, const void *more, const void *y,
                        const void *x, const float *mean, void *g, float *sum_g, float *sum_gx);

/* dx = a g + b (x - mean) + c. dx may be g. */
void norm_backward(norm_shape shape, const void *g, const void *x, const float *mean,
                   const float *a, const float *b, const float *c, void *dx);

#ifdef __cplusplus
}
#endif
#endif
