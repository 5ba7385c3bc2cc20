/* The small functions of the method's equations, each in one place: in double, for finite
 * arguments. */
#ifndef CDUL_BASE_MATHS_H
#define CDUL_BASE_MATHS_H

#include <math.h>
#include <stddef.h>

/* 1 / (1 + e^-x). Below -709 the exponential is infinite and the answer 0, which it is as a float.
 */
static inline double cdul_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* log(p / (1 - p)) of p in [0, 1], clamped to [epsilon, 1 - epsilon]: 0 and 1 themselves have
 * infinite logits. */
static inline double cdul_logit(double p, double epsilon) {
    p = fmin(fmax(p, epsilon), 1 - epsilon);
    return log(p / (1 - p));
}

/* Its limit where x is 0. */
static inline double cdul_x_log_x(double x) {
    return x > 0 ? x * log(x) : 0;
}

/* Of a Bernoulli variable, in nats. p comes from a float, so that 1 - p loses nothing that matters.
 */
static inline double cdul_entropy(double p) {
    return -(cdul_x_log_x(p) + cdul_x_log_x(1 - p));
}

/* z = (x - mean) / deviation. Equal values differ from their mean by rounding alone, which is below
 * 1e-12 and says nothing: z = 0. Cosines and logits that differ as floats lie further apart. */
static inline double cdul_z_score(double x, double mean, double deviation) {
    return deviation > 1e-12 ? (x - mean) / deviation : 0;
}

#endif
