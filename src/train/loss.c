/* Losses in terms of libtorch, with the constants that make a cross-entropy a divergence. */
#include "train/trainer.h"

#include "base/maths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean over images and classes of the labels' Bernoulli entropy: what separates cross-entropy from
 * KL. */
static double mean_entropy(const float *labels, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += cdul_entropy((double)labels[i]);
    return sum / (double)count;
}

/* Divides each row of q [B, C] by its sum (a row of zeros becomes uniform). Returns
 * sum(q log q). */
static double normalise_rows(float *q, size_t b, size_t c) {
    double negative_entropy = 0;
    for (size_t i = 0; i < b; i++) {
        double sum = 0;
        for (size_t k = 0; k < c; k++) sum += (double)q[i * c + k];
        for (size_t k = 0; k < c; k++) {
            double value = sum > 0 ? (double)q[i * c + k] / sum : 1 / (double)c;
            q[i * c + k] = (float)value;
            negative_entropy += cdul_x_log_x(value);
        }
    }
    return negative_entropy;
}

static cdul_tensor *softmax_kl(cdul_scope *scope, const cdul_tensor *logits, const float *labels,
                               size_t b, size_t c, cdul_device device) {
    float *q = malloc(b * c * sizeof *q);
    if (!q) {
        if (scope->status == CDUL_OK) scope->status = cdul_fail_memory(&scope->error, "the loss");
        return NULL;
    }
    memcpy(q, labels, b * c * sizeof *q);
    double constant = normalise_rows(q, b, c) / (double)b;
    cdul_tensor *target =
        cdul_tensor_to(scope, cdul_tensor_from(scope, q, CDUL_F32, 2, (size_t[]){b, c}), device);
    free(q);
    cdul_tensor *log_p = cdul_tensor_log_softmax(scope, logits);
    return cdul_tensor_affine(scope, cdul_tensor_sum(scope, cdul_tensor_mul(scope, log_p, target)),
                              -1 / (double)b, constant);
}

cdul_tensor *cdul_loss(cdul_scope *scope, cdul_loss_kind kind, const cdul_tensor *logits,
                       const float *labels, size_t b, size_t c, cdul_device device) {
    logits = cdul_tensor_cast(scope, logits, CDUL_F32);
    if (kind == CDUL_LOSS_SOFTMAX_KL) return softmax_kl(scope, logits, labels, b, c, device);
    cdul_tensor *y = cdul_tensor_to(
        scope, cdul_tensor_from(scope, labels, CDUL_F32, 2, (size_t[]){b, c}), device);
    cdul_tensor *bce = cdul_tensor_bce_with_logits(scope, logits, y);
    return kind == CDUL_LOSS_BCE ? bce
                                 : cdul_tensor_affine(scope, bce, 1, -mean_entropy(labels, b * c));
}
