/* Evaluation: ground truth from the files that people have, and the measures of multi-label
 * classification. */
#ifndef CDUL_EVAL_H
#define CDUL_EVAL_H

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
    CDUL_TRUTH_CSV, /* image,<class>...: 1 present, 0 absent */
    CDUL_TRUTH_CSV_VOC, /* the same with 1 present, 0 difficult, -1 absent */
    CDUL_TRUTH_TAGS, /* image,tags: the classes present, separated by ; or | or , */
    CDUL_TRUTH_VOC, /* folder of PASCAL VOC annotations, one XML file an image */
    CDUL_TRUTH_COCO, /* COCO "instances" JSON */
} cdul_truth_kind;

/* Start from {0}. */
typedef struct cdul_truth {
    cdul_truth_kind kind;
    cdul_strings images; /* N names, distinct */
    cdul_strings classes; /* C names, distinct */
    uint8_t *values; /* [N, C]: CDUL_ABSENT, CDUL_PRESENT, CDUL_DIFFICULT */
} cdul_truth;

/* Reads what `path` turns out to hold:
 * - a folder (or its subfolder Annotations): VOC XML. An image is named by its file without ".xml".
 * A class is present if any of its objects is not difficult, difficult if all are. Entities are not
 * expanded: a file that declares any is refused.
 * - text that starts with '{': COCO. An image is named by file_name. A class is present if the
 * image has any annotation of it, iscrowd or not (as in the multi-label literature); images without
 * annotations are all absent.
 * - otherwise CSV with a header line. If the file holds any -1, 0 means difficult (PASCAL's
 * convention), else 0 means absent. A file of two columns, the second named "tags" or "labels",
 * lists names: one separator of ; | , must do for the whole file; an empty field is an image
 * without any class. */
cdul_status cdul_truth_read(const char *path, cdul_truth *out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_truth_free(cdul_truth *truth);
/* One phrase for people: "CSV (1 present, 0 difficult, -1 absent)". */
const char *cdul_truth_describe(cdul_truth_kind kind);

/* Truth laid beside a set of scored images: only images that both know, classes in the scores'
 * order. */
typedef struct cdul_aligned {
    size_t images, classes; /* n, C */
    size_t *rows; /* [n]: row of the scores that entry i of `values` judges, ascending */
    uint8_t *values; /* [n, C] as in cdul_truth */
    size_t without_truth; /* scored images that the truth lacks */
    size_t without_scores; /* images of the truth that are not scored */
    size_t ambiguous; /* scored images left out because their base name is not unique */
    size_t unused_classes; /* classes of the truth that are not scored */
} cdul_aligned;

/* Images are matched by their whole name first, then by base name without image extension
 * ("images/000005.jpg" with "000005") where that is unique on both sides. CDUL_ERR_INPUT if no
 * image matches, or if a scored class is not in the truth (the message suggests the nearest
 * name). */
cdul_status cdul_truth_align(const cdul_truth *truth, const cdul_strings *images,
                             const cdul_strings *classes, cdul_aligned *out,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Leaves out images on which every class is absent: COCO's 40,504 validation images become the
 * papers' 40,137. */
void cdul_aligned_drop_empty(cdul_aligned *aligned);
void cdul_aligned_free(cdul_aligned *aligned);

/* --- Measures --- */

typedef enum cdul_difficult {
    CDUL_DIFFICULT_IGNORE, /* such entries are left out of every measure (the VOC protocol) */
    CDUL_DIFFICULT_POSITIVE,
    CDUL_DIFFICULT_NEGATIVE,
} cdul_difficult;

typedef enum cdul_ap {
    /* sum over ranks of precision x recall step, not interpolated: scikit-learn's
     * average_precision_score and what the papers of this field report */
    CDUL_AP_AREA,
    CDUL_AP_VOC2010, /* area under the interpolated curve: VOC devkit from 2010 on */
    /* mean interpolated precision at recall 0, 0.1, ... 1: VOC devkit until 2009 */
    CDUL_AP_11POINT,
} cdul_ap;

/* Bins of equal width over [0, 1] (Guo et al. 2017); bin b holds [b/15, (b + 1)/15). */
#define CDUL_ECE_BINS 15
/* Cross-entropy sees probabilities in [1e-7, 1 - 1e-7]. */
#define CDUL_LOG_CLAMP 1e-7

typedef struct cdul_metrics_options {
    cdul_difficult difficult;
    cdul_ap ap;
    double threshold; /* CF1, OF1: a score of at least this is a positive; default 0.5 */
    size_t top; /* CF1, OF1 of the k best scored classes of each image; default 3 */
    size_t threads; /* >= 1. The result does not depend on it */
} cdul_metrics_options;

cdul_metrics_options cdul_metrics_defaults(void);

typedef struct cdul_f1 {
    /* precision, recall averaged over classes with a positive; harmonic mean of both */
    double cp, cr, cf1;
    double op, or_, of1; /* the same from counts pooled over classes */
} cdul_f1;

typedef struct cdul_bin {
    size_t count;
    double score_sum; /* / count: mean score */
    size_t positives; /* / count: how often such a score was right */
} cdul_bin;

typedef struct cdul_class_metrics {
    size_t positives, entries; /* entries: judged, positive or not */
    double ap; /* in [0, 1]; NaN without positives */
    double bce, brier, mass; /* means over entries; mass: mean score over all images */
    size_t true_positives, predicted; /* at the threshold */
    size_t top_true_positives, top_predicted; /* among the top k */
    cdul_bin bins[CDUL_ECE_BINS];
} cdul_class_metrics;

typedef struct cdul_metrics {
    size_t images, classes, entries, ignored;
    size_t classes_with_positives; /* map and f1 are over these */
    double map; /* in [0, 1]; NaN if no class has a positive */
    cdul_f1 at_threshold, at_top;
    double bce; /* nats per entry */
    double brier; /* mean squared error of the score */
    double ece; /* sum over bins of share x |mean score - share of positives| */
    double mass; /* scores' sum per image, difficult entries included */
    double truth_mass; /* positives per image, after the choice about difficult ones */
    cdul_bin bins[CDUL_ECE_BINS];
    cdul_class_metrics *per_class; /* [C] */
} cdul_metrics;

/* `scores` [*, C] in [0, 1]: row aligned->rows[i] is judged by aligned->values row i. Ties: scores
 * that are equal enter the precision-recall curve together; among the top k the class that stands
 * first in the list wins, and a score of 0 is never among them. */
cdul_status cdul_metrics_compute(const float *scores, const cdul_aligned *aligned,
                                 const cdul_metrics_options *options, cdul_metrics *out,
                                 cdul_error *err) CDUL_MUST_CHECK;
void cdul_metrics_free(cdul_metrics *metrics);

/* The precision-recall curve of one class, for drawing. Points in order of falling threshold, one
 * for each distinct score. The caller frees `points` with cdul_curve_free. */
typedef struct cdul_curve_point {
    double recall, precision;
    float threshold;
} cdul_curve_point;

typedef struct cdul_curve {
    size_t count;
    cdul_curve_point *points;
} cdul_curve;

cdul_status cdul_curve_compute(const float *scores, const cdul_aligned *aligned, size_t class_index,
                               cdul_difficult difficult, cdul_curve *out,
                               cdul_error *err) CDUL_MUST_CHECK;
void cdul_curve_free(cdul_curve *curve);

#ifdef __cplusplus
}
#endif
#endif
