/* Gradient alignment: how the pseudo-labels follow the classifier. Section 3.2 of CDUL (ICCV 2023,
 * arXiv 2307.16634), equations (7) and (8).
 *
 * A label is kept as its latent logit u, y = sigmoid(u). With the classifier held fixed,
 *
 *     u <- u - eta psi(y) dL/du,     psi(y) = exp(-((y - 0.5) / sigma)^2 / 2) / (sigma sqrt(2 pi))
 *
 * psi is largest at y = 0.5: uncertain labels move most. It is a weight and is not differentiated.
 *
 * Letters: N images, C classes. p = sigmoid(logit) is the classifier's prediction. */
#pragma once

#include "cdul/train.h"

#include <stdbool.h>
#include <stddef.h>

/* Labels of exactly 0 and 1 have no finite logit: they are clamped to [eps, 1 - eps] with this
 * eps. */
#define CDUL_ALIGN_CLAMP 1e-4

/* u = logit(clamp(y)) and back, over `count` entries. */
void cdul_align_to_latent(const float *labels, size_t count, float *latent);
void cdul_align_to_labels(const float *latent, size_t count, float *labels);

/* psi(y) of equation (7). */
double cdul_align_psi(double y, double sigma);

/* One label: y = sigmoid(u), L and dL/du. */
typedef struct cdul_align_entry {
    double y, loss, gradient;
} cdul_align_entry;

cdul_align_entry cdul_align_evaluate(cdul_align_target target, double u, double logit);

typedef struct cdul_align_step {
    double loss; /* mean L before the step */
    double moved; /* mean |y_after - y_before| */
    /* share of entries, 0 .. 1, whose psi was at least half its peak: those psi selects */
    double reached;
} cdul_align_step;

/* Equation (8) on the whole matrix: latent [N, C], logits [N, C]. Rows with `skip` set (NULL: none)
 * have no prediction and stay. Means are over the rows that took part. `step` may be NULL. */
void cdul_align_update(const cdul_align_options *options, const float *logits, const bool *skip,
                       size_t n, size_t c, float *latent, cdul_align_step *step);

typedef struct cdul_align_state {
    double drift; /* mean |y - y_0| */
    double mass; /* mean over images of the sum of y: expected positives an image */
    double entropy; /* mean Bernoulli entropy, nats */
} cdul_align_state;

/* What labels [N, C] look like, against the initial ones [N, C]. */
cdul_align_state cdul_align_describe(const float *labels, const float *initial, size_t n, size_t c);
