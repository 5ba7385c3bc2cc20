/* The label matrix and its files: what cdul-label writes, cdul-train reads and refines, cdul-eval
 * judges. And thresholds: from which label or score on a class counts as present.
 *
 * Letters: N images, C classes. */
#pragma once

#include "cdul/strings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pseudo-labels (or scores) of N images and C classes. Start from {0}; the caller frees. */
typedef struct cdul_labels {
    cdul_strings images, classes; /* N and C names, distinct */
    float *values; /* [N, C] in [0, 1] */
    char *config; /* JSON text that says how they were made, or NULL */
} cdul_labels;

/* Allocates the values for the lists that are already in `labels`, all 0. */
cdul_status cdul_labels_allocate(cdul_labels *labels, cdul_error *err) CDUL_MUST_CHECK;
void cdul_labels_free(cdul_labels *labels);

/* --- Files --- */

/* Reads labels.safetensors, or a table `image,<class>...` if the name ends in .csv. Values outside
 * [0, 1], names that occur twice and shapes that do not fit the lists are CDUL_ERR_INPUT. After a
 * failure *out is as it was. */
cdul_status cdul_labels_read(const char *path, cdul_labels *out, cdul_error *err) CDUL_MUST_CHECK;
/* Writes a tensor `labels` float32 [N, C] and metadata images, classes, config, version. Atomic. */
cdul_status cdul_labels_write(const char *path, const cdul_labels *labels,
                              cdul_error *err) CDUL_MUST_CHECK;
/* Writes the table that cdul_labels_read reads; `config` is left out. */
cdul_status cdul_labels_write_csv(const char *path, const cdul_labels *labels,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* Puts the rows of several files one after another. They must have the same classes, and no image
 * twice; otherwise CDUL_ERR_INPUT names both files. After a failure *out is as it was. */
cdul_status cdul_labels_merge(const char *const *paths, size_t count, cdul_labels *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* --- Thresholds --- */

/* Chooses thresholds [C] so that each class is found as often as the labels expect it: halfway
 * between the m-th and the next smaller score of the class, m = sum over images of labels[., c],
 * rounded. A class that is never expected gets a threshold above its largest score, one that is
 * expected everywhere 0. scores, labels: [N, C] in [0, 1]. Rows whose `skip` [N] is set are left
 * out; NULL: none. */
cdul_status cdul_thresholds_from_labels(const float *scores, const float *labels, const bool *skip,
                                        size_t n, size_t c, float *thresholds,
                                        cdul_error *err) CDUL_MUST_CHECK;

typedef enum cdul_threshold_kind {
    CDUL_THRESHOLD_AUTO, /* the model's own, one a class */
    CDUL_THRESHOLD_FIXED, /* one for all classes; 0 = every class */
    CDUL_THRESHOLD_RELATIVE, /* halfway between the image's smallest and largest score */
} cdul_threshold_kind;

/* Which classes of an image are reported. */
typedef struct cdul_threshold {
    cdul_threshold_kind kind;
    float value; /* of FIXED, 0 .. 1 */
    size_t top_k; /* of the classes that reach the threshold, the k best; 0 = all */
} cdul_threshold;

/* Sets picked [C] for the finite scores [C] of one image, and returns how many are picked. A score
 * that equals its threshold reaches it; of equal scores the earlier class is the better. model [C]:
 * the model's own thresholds, read for AUTO. */
size_t cdul_threshold_pick(const cdul_threshold *threshold, const float *model, const float *scores,
                           size_t c, bool *picked);

#ifdef __cplusplus
}
#endif
