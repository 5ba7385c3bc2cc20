/* From images to pseudo-labels: section 3.1 of CDUL (ICCV 2023, arXiv 2307.16634), equations (1)
 * to (6).
 *
 *   labelling     images and class names to a label matrix      cdul_label
 *                 the same from cosines that were saved         cdul_label_scores
 *   similarity    vectors to cosines                            cdul_similarity
 *   aggregation   cosines to the labels of an image             cdul_aggregate
 *   calibration   labels to an expected number of positives     cdul_calibrate_positives
 *   summary       is this label matrix plausible?               cdul_label_summarise
 *
 * Letters: N images, S local views, C classes, D embedding width. A view is the whole image, or one
 * crop or patch of it. Background words are classes that compete with the others and get no label;
 * they come last. */
#pragma once

#include "cdul/encoder.h"
#include "cdul/labels.h"
#include "cdul/skipped.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Similarity --- */

/* Class vectors (the rows of a cdul_text), packed so that a product runs along the classes. */
typedef struct cdul_class_vectors {
    size_t c, d;
    size_t stride; /* C rounded up to a whole number of SIMD registers */
    float *transposed; /* [D, stride] */
} cdul_class_vectors;

/* Packs unit vectors [C, D]. CDUL_ERR_INPUT if there are none. */
cdul_status cdul_class_vectors_pack(const float *vectors, size_t c, size_t d,
                                    cdul_class_vectors *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_class_vectors_free(cdul_class_vectors *vectors);

/* Writes the cosines [M, C] of M unit embeddings [M, D], equation (1). Every dot product is summed
 * in the order of d, so that a row's result does not depend on M. */
void cdul_similarity(const cdul_class_vectors *vectors, const float *embeddings, size_t m,
                     float *cosines);

/* Turns cosines [M, rows] with words into cosines [M, C] with classes, in place: of the words of a
 * class the largest counts. class_of [rows], the class of each word, never falls and takes every
 * value of 0 .. C - 1. */
void cdul_similarity_of_words(float *cosines, size_t m, size_t rows, const size_t *class_of,
                              size_t c);

/* --- Aggregation --- */

/* How the cosines of a view become scores. */
typedef enum cdul_score {
    CDUL_SCORE_AUTO = -1, /* cdul_label_params: as the encoder was trained. Elsewhere SOFTMAX */
    CDUL_SCORE_SOFTMAX, /* s = softmax_c(cos / T): CLIP, which is trained to tell classes apart */
    CDUL_SCORE_SIGMOID, /* s = sigmoid(cos / T + bias), each class by itself: SigLIP */
} cdul_score;

/* How the scores of the S local views become one (s_agg), which is then fused with the whole
 * image's (s_glob). */
typedef enum cdul_aggregator {
    /* The paper's, equations (5) and (6): of each class the largest score if it reaches zeta, else
     * the smallest. */
    CDUL_AGGREGATE_CDUL,
    CDUL_AGGREGATE_GLOBAL, /* the whole image alone: y = s_glob */
    CDUL_AGGREGATE_MEAN, /* over the local views */
    CDUL_AGGREGATE_MAX, /* the largest */
    CDUL_AGGREGATE_TOP2, /* the mean of the two largest */
    /* In place of scores, the cosines standardised over the classes of each view; the largest over
     * the local views; y = sigmoid of the fused value (SPARC's observation). */
    CDUL_AGGREGATE_ZSCORE,
    /* ZSCORE of the sum of two standardised scores of each view: its cosines, and a Gaussian
     * discriminant that is fitted to the surest views of the run itself (label/discriminant.h). */
    CDUL_AGGREGATE_DISCRIMINANT,
} cdul_aggregator;

typedef struct cdul_aggregate_options {
    cdul_aggregator aggregator;
    cdul_score score; /* not used by ZSCORE and DISCRIMINANT, nor is the next */
    double temperature; /* T > 0: 1 / exp(logit_scale), 0.01 for CLIP */
    double bias; /* logit_bias, SIGMOID alone */
    size_t background; /* words: the last so many of the C columns. 0 with SIGMOID */
    double zeta; /* 0 .. 1, CDUL alone: below it a class counts as absent from every local view */
    double lambda; /* -1 .. 1: y = ((s_glob + s_agg) + lambda |s_glob - s_agg|) / 2; 0 = the mean */
} cdul_aggregate_options;

/* Aggregator CDUL, score SOFTMAX, temperature 0.01, zeta 0, lambda 0, no background words. */
cdul_aggregate_options cdul_aggregate_defaults(void);
/* What is out of its range is CDUL_ERR_USAGE. */
cdul_status cdul_aggregate_check(const cdul_aggregate_options *options,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* Writes the labels y [C - background], in [0, 1], of one image from the cosines of its views
 * [1 + S, C], the whole image first. `scratch` holds (1 + S) x C floats. With S = 0 the whole image
 * is the only evidence, and y = s_glob. */
void cdul_aggregate(const cdul_aggregate_options *options, const float *cosines, size_t s, size_t c,
                    float *scratch, float *y);

/* --- Calibration without ground truth --- */

/* Shifts all labels [N, C] by one bias, so that an image holds `positives` classes on average, in
 * (0, C): y <- sigmoid(logit(y) + b) with sum(y) / N = positives, found by bisection. The order of
 * the labels does not change. *bias (may be NULL) receives b. */
cdul_status cdul_calibrate_positives(float *labels, size_t n, size_t c, double positives,
                                     double *bias, cdul_error *err) CDUL_MUST_CHECK;

/* --- What a label matrix looks like --- */

typedef struct cdul_label_summary {
    double mass; /* mean over images of the sum of labels: expected positives an image */
    double entropy; /* mean over entries of the Bernoulli entropy, nats */
    double contrast; /* median over images of max_c y / mean_c y; 1 = flat, C = one-hot */
    /* Contrast < 1.5 with C >= 3: almost surely a wrong temperature, or a bias far too high.
     * Cosines divided by ln(100) instead of multiplied by 100 give about 1.02. */
    bool flat;
} cdul_label_summary;

cdul_status cdul_label_summarise(const float *labels, size_t n, size_t c, cdul_label_summary *out,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* --- Labelling: all of the above, from images --- */

/* What is looked at besides the whole image. */
typedef enum cdul_local {
    CDUL_LOCAL_CROPS, /* the crops of a grid, each embedded by itself */
    CDUL_LOCAL_DENSE, /* the patch tokens of an encoder with dense output, all from one pass */
} cdul_local;

#define CDUL_DEFAULT_GRID "3x3" /* nine crops */

/* What to label, and how. Start from cdul_label_defaults(). Pointers are borrowed for the call. */
typedef struct cdul_label_params {
    const char *encoder; /* its folder (cdul_encoder_open). Must be given */
    /* As in cdul_encoder_options. Precision AUTO, the default, is settled by cdul_encoder_choose;
     * with `parts` it is FP32, so that all parts agree. */
    cdul_provider provider;
    const char *variant;
    cdul_inference precision;
    size_t batch;
    size_t threads; /* that compute, decode and resize; 0, the default, = one per processor */

    const cdul_classes *classes; /* NULL, or without a class: all names of the text file */
    const cdul_strings *templates; /* prompts; NULL or none: CDUL_DEFAULT_TEMPLATE */
    const char *text; /* a text.safetensors instead of the encoder's text tower, or NULL */

    const char *const *images; /* [n_images] as cdul_list_images takes them */
    size_t n_images;
    cdul_list_options list;
    /* Label part `part` of `parts`, from 1, for several machines; 0 of 0, the default, = all. An
     * image's part depends on its name alone. */
    size_t part, parts;
    cdul_decode_options decode;
    /* Decode large JPEGs at a part of their size, where every view keeps twice its pixels; default
     * true. */
    bool reduce;

    cdul_local local;
    /* As cdul_crops_parse reads it; NULL, the default, = CDUL_DEFAULT_GRID. CDUL_ERR_USAGE if it is
     * given with DENSE. */
    const char *grid;
    bool mirror; /* the mean direction of each view and its mirror image: twice the work */
    const char *cache; /* folder that keeps the embeddings, for later runs too; NULL = none */

    /* Score AUTO, temperature NAN and bias NAN, the defaults, are what the encoder, or else the
     * text file, knows of itself. `background` is not read: the classes say it. */
    cdul_aggregate_options aggregate;
    /* Expected positives an image (cdul_calibrate_positives). 0 = labels stay as they are, and NAN,
     * the default, the same, but that ZSCORE and DISCRIMINANT, which have no scale of their own,
     * are scaled to agree with the encoder's own probabilities, the labels of CDUL (Platt 1999; at
     * most 65,536 images are looked at). Where the temperature is not known, NAN is 1.5. */
    double positives;
    /* The most views of each class that DISCRIMINANT is fitted to: C x that x D floats of memory.
     * Default 256. DISCRIMINANT reads the views twice, so it needs `cache`; with `parts`, or from
     * cosines alone, CDUL_ERR_USAGE. */
    size_t discriminant_views;
    const char *save_scores; /* file for the cosines, for cdul_label_scores; NULL = none */
    const cdul_callbacks *callbacks;
} cdul_label_params;

cdul_label_params cdul_label_defaults(void);

typedef struct cdul_label_result {
    cdul_labels labels; /* rows of the images that could be read, in the order given; no config */
    cdul_skipped skipped; /* the other images */
    size_t embedded; /* images that went through the encoder; the others were in the cache */
    double seconds; /* what the call took */
    cdul_inference precision; /* of the image tower; AUTO without one */
    cdul_label_summary summary;
} cdul_label_result;

/* Labels images. What the user should know of the encoder, and the progress, goes to the callbacks.
 * CDUL_ERR_USAGE and CDUL_ERR_INPUT as the functions above and in encoder.h say; if no image can be
 * read, CDUL_ERR_INPUT. CDUL_ERR_CANCELLED when the callbacks say stop: with a cache, everything
 * embedded is in it and the same call goes on from there. On failure *out is empty. */
cdul_status cdul_label(const cdul_label_params *params, cdul_label_result *out,
                       cdul_error *err) CDUL_MUST_CHECK;

/* The same from the cosines in a scores.safetensors. Of `params`, classes, aggregate and positives
 * are read. The columns of the classes are chosen by name, in their order; without classes all are
 * taken that are no background words. Without background words those count that the file's metadata
 * names. The temperature must be given, but with ZSCORE. */
cdul_status cdul_label_scores(const char *path, const cdul_label_params *params,
                              cdul_label_result *out, cdul_error *err) CDUL_MUST_CHECK;

void cdul_label_result_free(cdul_label_result *result);

/* Tells the callbacks the classes by mass and the summary, and warns of labels that are flat. */
cdul_status cdul_label_report(const cdul_label_result *result, const cdul_callbacks *callbacks,
                              cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
