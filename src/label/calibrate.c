/* Shifts labels to an expected number of positives an image, and sums labels up in few numbers. */
#include "cdul/label.h"

#include "base/maths.h"

#include <math.h>
#include <stdlib.h>

/* Labels are clamped to [EPSILON, 1 - EPSILON], as 0 and 1 have no finite logit. */
static const double EPSILON = 1e-7;

cdul_status cdul_calibrate_positives(float *labels, size_t n, size_t c, double positives,
                                     double *bias, cdul_error *err) {
    if (!(positives > 0 && positives < (double)c))
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "expected positives %g: must lie between 0 and the %zu classes", positives,
                         c);
    for (size_t i = 0; i < n * c; i++) labels[i] = (float)cdul_logit(labels[i], EPSILON);
    /* Bisection. Logits lie in -16.2 .. 16.2, so a bias of 64 reaches every mean. */
    double low = -64, high = 64;
    for (int step = 0; step < 60 && n; step++) {
        double middle = 0.5 * (low + high), sum = 0;
#pragma omp parallel for reduction(+ : sum) schedule(static)
        for (size_t i = 0; i < n * c; i++) sum += cdul_sigmoid(labels[i] + middle);
        if (sum / (double)n < positives)
            low = middle;
        else
            high = middle;
    }
    double b = 0.5 * (low + high);
    for (size_t i = 0; i < n * c; i++) labels[i] = (float)cdul_sigmoid(labels[i] + b);
    if (bias) *bias = b;
    return CDUL_OK;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

cdul_status cdul_label_summarise(const float *labels, size_t n, size_t c, cdul_label_summary *out,
                                 cdul_error *err) {
    *out = (cdul_label_summary){0};
    if (n == 0 || c == 0) return CDUL_OK;
    float *contrast = malloc(n * sizeof *contrast);
    if (!contrast) return cdul_fail_memory(err, "label summary");
    double mass = 0, total_entropy = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0, top = 0;
        for (size_t j = 0; j < c; j++) {
            double y = labels[i * c + j];
            sum += y;
            top = fmax(top, y);
            total_entropy += cdul_entropy(y);
        }
        mass += sum;
        contrast[i] = sum > 0 ? (float)(top * (double)c / sum) : 0;
    }
    qsort(contrast, n, sizeof *contrast, by_value);
    out->mass = mass / (double)n;
    out->entropy = total_entropy / (double)(n * c);
    out->contrast = contrast[n / 2];
    out->flat = c >= 3 && out->contrast < 1.5;
    free(contrast);
    return CDUL_OK;
}
