/* What is done by hand because it takes 5 % or more off a training step: AdamW alone. One update of
 * the 14 million weights that a ResNet-50 trains with three frozen stages takes 0.022 s of
 * processor time in place of 0.097 s, 12 % of a step of 16 images from cached activations in
 * bfloat16; of its 23 million weights in full 0.038 s in place of 0.192 s, 4 % of a step.
 * (libtorch 1.13, two processors with AMX.) */
#include "torch/kernels.h"

#include "base/machine.h"

#include <math.h>

/* Elements that a thread takes at a time: their four arrays fit into its own cache. */
#define PIECE 16384

/* What is the same for every element. */
typedef struct factors {
    float keep, beta1, rest1, beta2, rest2, root, eps, rate;
} factors;

FOR_AVX512_TOO static void update(factors f, size_t count, float *restrict w,
                                  const float *restrict g, float *restrict m, float *restrict v) {
    for (size_t i = 0; i < count; i++) {
        m[i] = m[i] * f.beta1 + g[i] * f.rest1;
        v[i] = v[i] * f.beta2 + g[i] * g[i] * f.rest2;
        w[i] = w[i] * f.keep - f.rate * m[i] / (sqrtf(v[i]) / f.root + f.eps);
    }
}

void adamw_update(const adamw_step *s, size_t count, float *parameter, const float *gradient,
                  float *exp_avg, float *exp_avg_sq) {
    const factors f = {.keep = (float)(1 - s->lr * s->weight_decay),
                       .beta1 = (float)s->beta1,
                       .rest1 = (float)(1 - s->beta1),
                       .beta2 = (float)s->beta2,
                       .rest2 = (float)(1 - s->beta2),
                       .root = (float)sqrt(1 - pow(s->beta2, s->steps)),
                       .eps = (float)s->eps,
                       .rate = (float)(s->lr / (1 - pow(s->beta1, s->steps)))};
    const size_t pieces = (count + PIECE - 1) / PIECE;
#pragma omp parallel for schedule(static) if (pieces > 1)
    for (size_t piece = 0; piece < pieces; piece++) {
        size_t at = piece * PIECE, some = count - at < PIECE ? count - at : PIECE;
        update(f, some, parameter + at, gradient + at, exp_avg + at, exp_avg_sq + at);
    }
}
