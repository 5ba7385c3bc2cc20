/* Evaluation: ground truth from the files that people have, and the measures of multi-label
 * classification.
 *
 *   truth     what is in each image, by name                        cdul_truth_read
 *   matched   truth laid beside the scores that it judges           cdul_truth_match
 *   metrics   mean average precision, F1, calibration of them       cdul_metrics_compute
 *
 * Letters: N images and C classes of the truth or of the scores, n images that both know. report.h
 * does all of this for whole files. */
#pragma once

#include "cdul/error.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Ground truth --- */

enum { CDUL_ABSENT = 0, CDUL_PRESENT = 1, CDUL_DIFFICULT = 2 };

typedef enum cdul_truth_kind {
    /* image,<class>...: 1 present, 0 absent */
    CDUL_TRUTH_CSV,
    /* the same with 1 present, 0 difficult, -1 absent */
    CDUL_TRUTH_CSV_VOC,
    /* image,tags: the classes present, separated by ; or | or , */
    CDUL_TRUTH_TAGS,
    /* a folder of PASCAL VOC annotations, one XML file an image */
    CDUL_TRUTH_VOC,
    /* COCO "instances" JSON */
    CDUL_TRUTH_COCO,
} cdul_truth_kind;

/* Start from {0}; free with cdul_truth_free. */
typedef struct cdul_truth {
    cdul_truth_kind kind;
    /* N names, distinct. */
    cdul_strings images;
    /* C names, distinct. */
    cdul_strings classes;
    /* [N, C]: CDUL_ABSENT, CDUL_PRESENT or CDUL_DIFFICULT. */
    uint8_t *values;
} cdul_truth;

/* Reads what `path` turns out to hold:
 * - A folder, or its subfolder Annotations: VOC. An image has the name of its file without ".xml".
 *   A class is present if any of its objects is not difficult, and difficult if all are. Entities
 *   are not expanded: a file that declares any is refused.
 * - Text that starts with '{': COCO. An image has the name that file_name says. A class is present
 *   if the image has any annotation of it, iscrowd or not, as in the multi-label literature. In
 *   images without annotations all classes are absent.
 * - Anything else: CSV with a header line. If the file holds any -1, then 0 means difficult
 *   (PASCAL's convention), else 0 means absent. A file of two columns, the second named "tags" or
 *   "labels", lists names: the whole file must use one separator of ; | , and an empty field is an
 *   image without any class.
 * CDUL_ERR_INPUT says where the file is wrong. */
cdul_status cdul_truth_read(const char *path, cdul_truth *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_truth_free(cdul_truth *truth);
/* One phrase for people: "CSV, 1 present, 0 difficult, -1 absent". */
const char *cdul_truth_describe(cdul_truth_kind kind);

/* Truth laid beside scores: only images that both know, classes in the order of the scores. */
typedef struct cdul_matched {
    /* n, C */
    size_t images, classes;
    /* [n]: the row of scores that row i of `values` judges, rising. */
    size_t *rows;
    /* [n, C], as in cdul_truth. */
    uint8_t *values;
    /* Scored images that the truth lacks. */
    size_t without_truth;
    /* Images of the truth that have no scores. */
    size_t without_scores;
    /* Scored images left out because their base name is not unique. */
    size_t ambiguous;
    /* Classes of the truth that have no scores. */
    size_t unused_classes;
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
    /* Left out of every measure: the VOC protocol. */
    CDUL_DIFFICULT_IGNORE,
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
    /* CF1, OF1: a score of at least this is a positive; default 0.5. */
    double threshold;
    /* CF1, OF1 of the best scored classes of each image: how many; default 3. */
    size_t top;
    /* 0, the default, = one for each processor. The result does not depend on it. */
    size_t threads;
} cdul_metrics_options;

cdul_metrics_options cdul_metrics_defaults(void);

/* Precision, recall and their harmonic mean. */
typedef struct cdul_f1 {
    /* Means over the classes that have a positive. */
    double cp, cr, cf1;
    /* From counts pooled over classes. */
    double op, or_, of1;
} cdul_f1;

/* Scores in [b / 15, (b + 1) / 15) for bin b; the last bin holds 1 too. */
typedef struct cdul_bin {
    size_t count;
    /* Divided by count: the mean score. */
    double score_sum;
    /* Divided by count: how often such a score was right. */
    size_t positives;
} cdul_bin;

typedef struct cdul_class_metrics {
    /* entries: images judged, positive or not. */
    size_t positives, entries;
    /* In [0, 1]; NaN without positives. */
    double ap;
    /* Means over entries; mass: mean score over all images. */
    double bce, brier, mass;
    /* At the threshold. */
    size_t true_positives, predicted;
    /* Among the best scored classes of each image. */
    size_t top_true_positives, top_predicted;
    cdul_bin bins[CDUL_ECE_BINS];
} cdul_class_metrics;

typedef struct cdul_metrics {
    /* n, C; then entries [n, C] that are judged, and those that are not. */
    size_t images, classes, entries, ignored;
    /* map, cp and cr are means over these. */
    size_t classes_with_positives;
    /* Mean average precision in [0, 1]; NaN if no class has a positive. */
    double map;
    cdul_f1 at_threshold, at_top;
    /* Cross-entropy, nats an entry. */
    double bce;
    /* Mean squared error of the scores. */
    double brier;
    /* Expected calibration error: sum over bins of their share x |mean score - share of
     * positives|. */
    double ece;
    /* Sum of the scores of an image, difficult entries included: what the classifier expects. */
    double mass;
    /* Positives of an image, after the choice about difficult ones: what is there. */
    double truth_mass;
    cdul_bin bins[CDUL_ECE_BINS];
    /* [C] */
    cdul_class_metrics *per_class;
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
