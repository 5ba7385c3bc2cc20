/* From cosines to pseudo-labels: section 3.1 of CDUL (ICCV 2023, arXiv 2307.16634), equations (1)
 * to (6).
 *
 * Letters: N images, S crops, C classes, D embedding width. A view is the whole image or one crop
 * of it. Background words are classes that compete with the others and get no label; they come
 * last. */
#ifndef CDUL_LABEL_H
#define CDUL_LABEL_H

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Similarity --- */

/* Class vectors, packed so that the product below runs along the classes. */
typedef struct cdul_class_vectors {
    size_t c, d;
    size_t stride; /* C rounded up to a whole number of SIMD registers */
    float *transposed; /* [D, stride] */
} cdul_class_vectors;

/* Packs unit vectors [C, D]. */
cdul_status cdul_class_vectors_pack(const float *vectors, size_t c, size_t d,
                                    cdul_class_vectors *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_class_vectors_free(cdul_class_vectors *vectors);

/* cosines [M, C] of M unit embeddings [M, D] (1): every dot product is summed in the order of d, so
 * a row's result does not depend on M. */
void cdul_similarity(const cdul_class_vectors *vectors, const float *embeddings, size_t m,
                     float *cosines);

/* Cosines [M, rows] with words become cosines [M, C] with classes, in place: of the words of a
 * class the largest counts. class_of [rows] never falls and takes every value of 0 .. C - 1. */
void cdul_similarity_of_words(float *cosines, size_t m, size_t rows, const size_t *class_of,
                              size_t c);

/* --- Aggregation --- */

/* How the cosines of a view become scores. */
typedef enum cdul_score {
    CDUL_SCORE_SOFTMAX, /* s = softmax_c(cos / T): CLIP, which is trained to tell classes apart */
    CDUL_SCORE_SIGMOID, /* s = sigmoid(cos / T + bias), each class by itself: SigLIP */
} cdul_score;

/* How the S local score vectors become one (s_agg), which is then fused with the whole image's
 * (s_glob). */
typedef enum cdul_aggregator {
    /* the paper: the largest where it reaches zeta, else the smallest (5), (6) */
    CDUL_AGGREGATE_CDUL,
    CDUL_AGGREGATE_GLOBAL, /* the whole image alone: y = s_glob */
    CDUL_AGGREGATE_MEAN, /* mean over crops */
    CDUL_AGGREGATE_MAX, /* largest over crops */
    CDUL_AGGREGATE_TOP2, /* mean of the two largest over crops */
    /* cosines standardised over the classes of each view instead of any score; largest over crops;
     * y = sigmoid of the fused value (SPARC's observation) */
    CDUL_AGGREGATE_ZSCORE,
} cdul_aggregator;

typedef struct cdul_aggregate_options {
    cdul_aggregator aggregator;
    cdul_score score; /* not used by ZSCORE */
    double temperature; /* T > 0: 1 / exp(logit_scale), 0.01 for CLIP. Not used by ZSCORE */
    double bias; /* logit_bias, SIGMOID only */
    /* the last so many of the C columns are background words; 0 with SIGMOID, where classes do not
     * compete */
    size_t background;
    double zeta; /* 0 .. 1, CDUL only: below it a class counts as absent from every crop */
    double lambda; /* -1 .. 1: y = ((s_glob + s_agg) + lambda |s_glob - s_agg|) / 2; 0 = mean */
} cdul_aggregate_options;

/* aggregator CDUL, score SOFTMAX, temperature 0.01, zeta 0, lambda 0, no background words. */
cdul_aggregate_options cdul_aggregate_defaults(void);
cdul_status cdul_aggregate_check(const cdul_aggregate_options *options,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* Labels y [C - background] in [0, 1] of one image from the cosines of its views [1 + S, C], whole
 * image first. `scratch` holds (1 + S) x C floats. With S = 0 the whole image is the only evidence
 * and y = s_glob. */
void cdul_aggregate(const cdul_aggregate_options *options, const float *cosines, size_t s, size_t c,
                    float *scratch, float *y);

/* --- Calibration without ground truth --- */

/* Shifts every label by one bias in logit space so that an image holds `positives` classes on
 * average: y <- sigmoid(logit(y) + b),  sum(y) / N = positives, found by bisection. The order of
 * labels does not change. positives in (0, C). *bias (may be NULL) receives b. */
cdul_status cdul_calibrate_positives(float *labels, size_t n, size_t c, double positives,
                                     double *bias, cdul_error *err) CDUL_MUST_CHECK;

/* --- What a label matrix looks like --- */

typedef struct cdul_label_summary {
    double mass; /* mean over images of the sum of labels: expected positives an image */
    double entropy; /* mean over entries of the Bernoulli entropy, nats */
    double contrast; /* median over images of max_c y / mean_c y; 1 = flat, C = one-hot */
    /* contrast < 1.5 with C >= 3: almost surely a wrong temperature, or a bias far above the right
     * one. Dividing by ln(100) instead of multiplying by 100 gives about 1.02, with a softmax as
     * with a sigmoid */
    bool flat;
} cdul_label_summary;

cdul_status cdul_label_summarise(const float *labels, size_t n, size_t c, cdul_label_summary *out,
                                 cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
