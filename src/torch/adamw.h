/* One step of AdamW (Loshchilov and Hutter, 2019, algorithm 2) in one pass over memory, on the CPU:
 * torch::optim takes eleven, which is a tenth of a step on cached activations. The arithmetic is
 * torch's, in float32. */
#ifndef CDUL_TORCH_ADAMW_H
#define CDUL_TORCH_ADAMW_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct adamw_step {
    double lr, beta1, beta2, eps, weight_decay;
    double steps; /* of this parameter, with this one: 1, 2, ... */
} adamw_step;

/* All [count], in the same order: the parameter, its gradient, and its moments, which start from
 * 0. */
void adamw_update(const adamw_step *step, size_t count, float *parameter, const float *gradient,
                  float *exp_avg, float *exp_avg_sq);

#ifdef __cplusplus
}
#endif
#endif
