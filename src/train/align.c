#include "train/align.h"

#include <math.h>

#define PI 3.14159265358979323846

static double sigmoid(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* log(1 + e^x), so that -log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x). */
static double softplus(double x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double x_log_x(double x) {
    return x > 0 ? x * log(x) : 0;
}

/* H(sigmoid(u)) in nats. */
static double entropy(double u) {
    double y = sigmoid(u);
    return y * softplus(-u) + (1 - y) * softplus(u);
}

cdul_align_options cdul_align_defaults(void) {
    return (cdul_align_options){.target = CDUL_ALIGN_BCE, .sigma = 1, .eta = 5};
}

cdul_status cdul_align_check(const cdul_align_options *options, cdul_error *err) {
    if (!(options->sigma > 0) || !isfinite(options->sigma))
        return cdul_fail(err, CDUL_ERR_USAGE, "sigma is %g: it must be above 0", options->sigma);
    if (!(options->eta >= 0) || !isfinite(options->eta))
        return cdul_fail(err, CDUL_ERR_USAGE, "eta is %g: it must be 0 or more", options->eta);
    return CDUL_OK;
}

void cdul_align_to_latent(const float *labels, size_t count, float *latent) {
    for (size_t i = 0; i < count; i++) {
        double y = fmin(fmax((double)labels[i], CDUL_ALIGN_CLAMP), 1 - CDUL_ALIGN_CLAMP);
        latent[i] = (float)log(y / (1 - y));
    }
}

void cdul_align_to_labels(const float *latent, size_t count, float *labels) {
    for (size_t i = 0; i < count; i++) labels[i] = (float)sigmoid((double)latent[i]);
}

double cdul_align_psi(double y, double sigma) {
    double z = (y - 0.5) / sigma;
    return exp(-z * z / 2) / (sigma * sqrt(2 * PI));
}

double cdul_align_loss(cdul_align_target target, double u, double logit) {
    double y = sigmoid(u), p = sigmoid(logit);
    if (target == CDUL_ALIGN_BCE) return p * softplus(-u) + (1 - p) * softplus(u);
    return y * softplus(-logit) + (1 - y) * softplus(logit) - entropy(u);
}

double cdul_align_gradient(cdul_align_target target, double u, double logit) {
    double y = sigmoid(u);
    if (target == CDUL_ALIGN_BCE) return y - sigmoid(logit);
    return y * (1 - y) * (u - logit);
}

void cdul_align_update(const cdul_align_options *options, const float *logits, const bool *skip, size_t n,
                       size_t c, float *latent, cdul_align_step *step) {
    cdul_align_step sum = {0};
    double half_peak = cdul_align_psi(0.5, options->sigma) / 2;
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (skip && skip[i]) continue;
        rows++;
        for (size_t k = i * c; k < (i + 1) * c; k++) {
            double u = (double)latent[k], q = (double)logits[k], y = sigmoid(u);
            double psi = cdul_align_psi(y, options->sigma);
            latent[k] =
                (float)(u - options->eta * psi * cdul_align_gradient(options->target, u, q)); /* (8) */
            sum.loss += cdul_align_loss(options->target, u, q);
            sum.moved += fabs(sigmoid((double)latent[k]) - y);
            sum.reached += psi >= half_peak;
        }
    }
    if (!step) return;
    double entries = rows > 0 ? (double)rows * (double)c : 1;
    *step = (cdul_align_step){sum.loss / entries, sum.moved / entries, sum.reached / entries};
}

cdul_align_state cdul_align_describe(const float *labels, const float *initial, size_t n, size_t c) {
    cdul_align_state sum = {0};
    for (size_t k = 0; k < n * c; k++) {
        double y = (double)labels[k];
        sum.drift += fabs(y - (double)initial[k]);
        sum.mass += y;
        sum.entropy -= x_log_x(y) + x_log_x(1 - y);
    }
    double entries = n > 0 ? (double)n * (double)c : 1;
    return (cdul_align_state){sum.drift / entries, sum.mass * (double)c / entries, sum.entropy / entries};
}
