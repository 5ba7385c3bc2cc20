/* Losses in terms of libtorch, with the constants that make a cross-entropy a divergence. */
#include "train/trainer.h"

#include "base/maths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Mean Bernoulli entropy of the labels: what separates cross-entropy from KL. */
static double mean_entropy(const float *labels, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += cdul_entropy((double)labels[i]);
    return sum / (double)count;
}

/* Divides each row of q [B, C] by its sum (zeros become uniform). Returns sum(q log q). */
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

cdul_tensor *cdul_loss(cdul_scope *s, cdul_loss_kind kind, const cdul_tensor *logits,
                       const float *labels, size_t b, size_t c, cdul_device device) {
    double constant = 0;
    float *y = malloc(b * c * sizeof *y);
    if (!y) {
        if (s->status == CDUL_OK) s->status = cdul_fail_memory(&s->error, "the loss");
        return NULL;
    }
    memcpy(y, labels, b * c * sizeof *y);
    if (kind == CDUL_LOSS_SOFTMAX_KL) constant = normalise_rows(y, b, c) / (double)b;
    if (kind == CDUL_LOSS_BERNOULLI_KL) constant = -mean_entropy(y, b * c);
    cdul_tensor *target =
        cdul_tensor_to(s, cdul_tensor_from(s, y, CDUL_F32, 2, (size_t[]){b, c}), device);
    free(y);
    logits = cdul_tensor_cast(s, logits, CDUL_F32);
    if (kind == CDUL_LOSS_SOFTMAX_KL) {
        cdul_tensor *products = cdul_tensor_mul(s, cdul_tensor_log_softmax(s, logits), target);
        return cdul_tensor_affine(s, cdul_tensor_sum(s, products), -1 / (double)b, constant);
    }
    cdul_tensor *bce = cdul_tensor_bce_with_logits(s, logits, target);
    return kind == CDUL_LOSS_BCE ? bce : cdul_tensor_affine(s, bce, 1, constant);
}
