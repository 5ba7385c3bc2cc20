/* Evaluation: ground truth from the files that people have, and the measures of multi-label
 * classification. report.h does all of this for whole files.
 *
 *   truth     what is in each image, by name                        cdul_truth_read
 *   matched   truth laid beside the scores that it judges           cdul_truth_match
 *   metrics   mean average precision, F1, calibration of them       cdul_metrics_compute
 *
 * Letters: N images and C classes of the truth or of the scores, n images that both know. */
#pragma once

#include "cdul/strings.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Ground truth --- */

enum { CDUL_ABSENT = 0, CDUL_PRESENT = 1, CDUL_DIFFICULT = 2 };

typedef enum cdul_truth_kind {
    CDUL_TRUTH_CSV, /* image,<class>...: 1 present, 0 absent */
    CDUL_TRUTH_CSV_VOC, /* the same with 1 present, 0 difficult, -1 absent */
    CDUL_TRUTH_TAGS, /* image,tags: the classes present, separated by ; or | or , */
    CDUL_TRUTH_VOC, /* a folder of PASCAL VOC annotations, one XML file an image */
    CDUL_TRUTH_COCO, /* COCO "instances" JSON */
} cdul_truth_kind;

/* Start from {0}; free with cdul_truth_free. */
typedef struct cdul_truth {
    cdul_truth_kind kind;
    cdul_strings images, classes; /* N and C names, distinct */
    uint8_t *values; /* [N, C]: CDUL_ABSENT, CDUL_PRESENT or CDUL_DIFFICULT */
} cdul_truth;

/* Reads what `path` turns out to hold:
 * - A folder, or its subfolder Annotations: VOC. An image has the name of its file without ".xml".
 *   A class is present if any of its objects is not difficult, and difficult if all are. A file
 *   that declares an XML entity is refused.
 * - Text that starts with '{': COCO. An image has the name that file_name says. A class is present
 *   if the image has any annotation of it, iscrowd or not, as in the multi-label literature; an
 *   image without annotations has none.
 * - Anything else: CSV with a header line. If the file holds any -1, then 0 means difficult
 *   (PASCAL's convention), else absent. A file of two columns, the second named "tags" or "labels",
 *   lists names, with one separator of ; | , in the whole file.
 * CDUL_ERR_INPUT says where the file is wrong. */
cdul_status cdul_truth_read(const char *path, cdul_truth *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_truth_free(cdul_truth *truth);
/* One phrase for people: "CSV, 1 present, 0 difficult, -1 absent". */
const char *cdul_truth_describe(cdul_truth_kind kind);

/* Truth laid beside scores: only images that both know, classes in the order of the scores. */
typedef struct cdul_matched {
    size_t images, classes; /* n, C */
    size_t *rows; /* [n]: the row of scores that row i of `values` judges, rising */
    uint8_t *values; /* [n, C], as in cdul_truth */
    size_t without_truth; /* scored images that the truth lacks */
    size_t without_scores; /* images of the truth that have no scores */
    size_t ambiguous; /* scored images left out because their base name is not unique */
    size_t unused_classes; /* classes of the truth that have no scores */
} cdul_matched;

/* An image is found by its whole name, else by its base name without the extension
 * ("images/000005.jpg" by "000005") if that is unique on both sides. CDUL_ERR_INPUT if no image is
 * found, or if the truth lacks a scored class; the message suggests the nearest name. */
cdul_status cdul_truth_match(const cdul_truth *truth, const cdul_strings *images,
                             const cdul_strings *classes, cdul_matched *out,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Leaves out images in which every class is absent: COCO's 40,504 validation images become the
 * 40,137 of the papers. */
void cdul_matched_drop_empty(cdul_matched *matched);
void cdul_matched_free(cdul_matched *matched);

/* --- Measures --- */

/* What a difficult entry counts as. */
typedef enum cdul_difficult {
    CDUL_DIFFICULT_IGNORE, /* left out of every measure: the VOC protocol */
    CDUL_DIFFICULT_POSITIVE,
    CDUL_DIFFICULT_NEGATIVE,
} cdul_difficult;

/* Which average precision. */
typedef enum cdul_ap {
    /* Sum over ranks of precision x recall step, not interpolated: scikit-learn's
     * average_precision_score, and what the papers of this field report. */
    CDUL_AP_AREA,
    /* Area under the interpolated curve: the VOC devkit from 2010 on. */
    CDUL_AP_VOC2010,
    /* Mean interpolated precision at recall 0, 0.1, ... 1: the VOC devkit until 2009. */
    CDUL_AP_11POINT,
} cdul_ap;

/* Bins of equal width over [0, 1] for the calibration error (Guo et al. 2017, section 2). */
#define CDUL_ECE_BINS 15
/* Cross-entropy sees probabilities in [1e-7, 1 - 1e-7]. */
#define CDUL_LOG_CLAMP 1e-7

typedef struct cdul_metrics_options {
    cdul_difficult difficult;
    cdul_ap ap;
    double threshold; /* CF1, OF1: a score of at least this is a positive; default 0.5 */
    size_t top; /* CF1, OF1 of so many best scored classes of each image; default 3 */
    size_t threads; /* 0, the default, = one per processor. The result does not depend on it */
} cdul_metrics_options;

cdul_metrics_options cdul_metrics_defaults(void);

/* Precision, recall and their harmonic mean. */
typedef struct cdul_f1 {
    double cp, cr, cf1; /* means over the classes that have a positive */
    double op, or_, of1; /* from counts pooled over classes */
} cdul_f1;

/* Scores in [b / 15, (b + 1) / 15) for bin b; the last bin holds 1 too. */
typedef struct cdul_bin {
    size_t count;
    double score_sum; /* divided by count: the mean score */
    size_t positives; /* divided by count: how often such a score was right */
} cdul_bin;

typedef struct cdul_class_metrics {
    size_t positives, entries; /* entries: images judged, positive or not */
    double ap; /* in [0, 1]; NaN without positives */
    double bce, brier, mass; /* means over entries; mass: mean score over all images */
    size_t true_positives, predicted; /* at the threshold */
    size_t top_true_positives, top_predicted; /* among the best scored classes of each image */
    cdul_bin bins[CDUL_ECE_BINS];
} cdul_class_metrics;

typedef struct cdul_metrics {
    /* n, C; then entries [n, C] that are judged, and those that are not. */
    size_t images, classes, entries, ignored;
    size_t classes_with_positives; /* map, cp and cr are means over these */
    double map; /* mean average precision in [0, 1]; NaN if no class has a positive */
    cdul_f1 at_threshold, at_top;
    double bce; /* cross-entropy, nats an entry */
    double brier; /* mean squared error of the scores */
    /* Expected calibration error: sum over bins of their share x |mean score - share of
     * positives|. */
    double ece;
    double mass; /* sum of the scores of an image, difficult entries included */
    double truth_mass; /* positives of an image, after the choice about difficult ones */
    cdul_bin bins[CDUL_ECE_BINS];
    cdul_class_metrics *per_class; /* [C] */
} cdul_metrics;

/* `scores` [*, C] in [0, 1]: row matched->rows[i] is judged by row i of matched->values. Equal
 * scores enter the precision-recall curve together. Among the best scored classes of an image the
 * one that stands first in the list wins, and a score of 0 is never among them. CDUL_ERR_INPUT:
 * nothing to judge, or a score outside [0, 1]. */
cdul_status cdul_metrics_compute(const float *scores, const cdul_matched *matched,
                                 const cdul_metrics_options *options, cdul_metrics *out,
                                 cdul_error *err) CDUL_MUST_CHECK;
void cdul_metrics_free(cdul_metrics *metrics);

/* The precision-recall curve of one class: a point for each distinct score, from the highest. */
typedef struct cdul_curve_point {
    double recall, precision;
    float threshold;
} cdul_curve_point;

typedef struct cdul_curve {
    size_t count;
    cdul_curve_point *points;
} cdul_curve;

cdul_status cdul_curve_compute(const float *scores, const cdul_matched *matched, size_t class_index,
                               cdul_difficult difficult, cdul_curve *out,
                               cdul_error *err) CDUL_MUST_CHECK;
void cdul_curve_free(cdul_curve *curve);

#ifdef __cplusplus
}
#endif
