/* A step of the optimiser on the CPU. torch.cpp calls it where the elements lie as it needs them,
 * and libtorch itself elsewhere. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* AdamW (Loshchilov and Hutter, 2019, algorithm 2) in one pass over memory, where torch::optim
 * takes eleven (kernels.c says what that gains). The arithmetic is torch's, in float32. */
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
