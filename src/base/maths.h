/* The small functions that equations share, in double, for finite arguments. */
#pragma once

#include <math.h>
#include <stddef.h>

/* 1 / (1 + e^-x). Below -709 the exponential overflows and the result is 0. */
static inline double cdul_sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* log(p / (1 - p)) of p in [0, 1], clamped to [epsilon, 1 - epsilon] so that it is finite. */
static inline double cdul_logit(double p, double epsilon) {
    p = fmin(fmax(p, epsilon), 1 - epsilon);
    return log(p / (1 - p));
}

/* x log x, and its limit 0 where x is 0. */
static inline double cdul_x_log_x(double x) { return x > 0 ? x * log(x) : 0; }

/* Entropy in nats of a Bernoulli variable. p comes from a float: 1 - p loses nothing. */
static inline double cdul_entropy(double p) { return -(cdul_x_log_x(p) + cdul_x_log_x(1 - p)); }

/* Mean and standard deviation (of the population) of x [n]. */
static inline void cdul_mean_deviation(const float *x, size_t n, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *deviation = sqrt(squares / (double)n);
}

/* z = (x - mean) / deviation. Equal values differ from their mean by rounding alone, which is below
 * 1e-12 and says nothing: z = 0. Cosines and logits that differ as floats lie further apart. */
static inline double cdul_z_score(double x, double mean, double deviation) {
    return deviation > 1e-12 ? (x - mean) / deviation : 0;
}
