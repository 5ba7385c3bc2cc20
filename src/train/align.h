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
#ifndef CDUL_TRAIN_ALIGN_H
#define CDUL_TRAIN_ALIGN_H

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Which loss L the label descends. */
typedef enum cdul_align_target {
    /* cross-entropy, the label as prediction and p as target: dL/du = y - p, bounded */
    CDUL_ALIGN_BCE,
    CDUL_ALIGN_KL, /* the training loss itself, KL(y || p): dL/du = y (1 - y) (u - logit p) */
} cdul_align_target;

typedef struct cdul_align_options {
    cdul_align_target target;
    double sigma; /* > 0: width of psi. At 0.2 only the uncertain move, from 0.4 on nearly all */
    /* >= 0: step size; 0 = labels stay. The largest step of a latent logit is eta psi(0.5) under
     * BCE */
    double eta;
} cdul_align_options;

/* Labels of exactly 0 and 1 have no finite logit: they are clamped to [eps, 1 - eps] with this
 * eps. */
#define CDUL_ALIGN_CLAMP 1e-4

/* BCE, sigma 1, eta 5: the largest step is 2 (docs/results.md compares). */
cdul_align_options cdul_align_defaults(void);
cdul_status cdul_align_check(const cdul_align_options *options, cdul_error *err) CDUL_MUST_CHECK;

/* u = logit(clamp(y)) and back, over `count` entries. */
void cdul_align_to_latent(const float *labels, size_t count, float *latent);
void cdul_align_to_labels(const float *latent, size_t count, float *labels);

/* psi(y) of equation (7). */
double cdul_align_psi(double y, double sigma);
/* L and dL/du of one entry. */
double cdul_align_loss(cdul_align_target target, double u, double logit);
double cdul_align_gradient(cdul_align_target target, double u, double logit);

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

#endif
