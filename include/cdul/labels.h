/* The label matrix and its files: what cdul-label writes, cdul-train reads and refines, cdul-eval
 * judges. And thresholds: from which label or score on a class counts as present.
 *
 * Letters: N images, C classes. */
#pragma once

#include "cdul/error.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Pseudo-labels (or scores) of N images and C classes. Start from {0}; the caller frees. */
typedef struct cdul_labels {
    /* N names, distinct. */
    cdul_strings images;
    /* C names, distinct. */
    cdul_strings classes;
    /* [N, C] in [0, 1]. */
    float *values;
    /* JSON text that says how they were made, or NULL. */
    char *config;
} cdul_labels;

/* Allocates the values for the lists that are already in `labels`, all 0. */
cdul_status cdul_labels_allocate(cdul_labels *labels, cdul_error *err) CDUL_MUST_CHECK;
/* NULL is allowed. */
void cdul_labels_free(cdul_labels *labels);

/* --- Files --- */

/* Reads labels.safetensors, or a table `image,<class>...` if the name ends in .csv. Values that are
 * not in [0, 1], names that occur twice and shapes that do not fit the lists are CDUL_ERR_INPUT;
 * the message names image and class. After a failure *out is as it was. */
cdul_status cdul_labels_read(const char *path, cdul_labels *out, cdul_error *err) CDUL_MUST_CHECK;
/* Writes a tensor `labels` float32 [N, C] and the metadata `images`, `classes`, `config` and
 * `version`. The file is there as a whole, or not at all. */
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

/* Chooses thresholds [C] so that each class is found as often as the labels expect it. With m = sum
 * over images of labels[., c], rounded, the threshold lies halfway between the m-th and the next
 * smaller score of the class. A class that is not expected at all gets a threshold above its
 * largest score, one that is expected everywhere gets 0. scores, labels: [N, C] in [0, 1]. Rows
 * whose `skip` [N] is set are left out; NULL: none. */
cdul_status cdul_thresholds_from_labels(const float *scores, const float *labels, const bool *skip,
                                        size_t n, size_t c, float *thresholds,
                                        cdul_error *err) CDUL_MUST_CHECK;

typedef enum cdul_threshold_kind {
    /* The model's own, one a class. */
    CDUL_THRESHOLD_AUTO,
    /* One for all classes; 0 = every class. */
    CDUL_THRESHOLD_FIXED,
    /* Halfway between the smallest and the largest score of the image. */
    CDUL_THRESHOLD_RELATIVE,
} cdul_threshold_kind;

/* Which classes of an image are reported. */
typedef struct cdul_threshold {
    cdul_threshold_kind kind;
    /* Of FIXED, 0 .. 1. */
    float value;
    /* Of the classes that reach the threshold, the k best; 0 = all. */
    size_t top_k;
} cdul_threshold;

/* Sets picked [C] for the scores [C] of one image, which must be finite, and returns how many are
 * picked. A score that equals its threshold reaches it. Of equal scores the earlier class is the
 * better. model [C]: the model's own thresholds, read for AUTO. */
size_t cdul_threshold_pick(const cdul_threshold *threshold, const float *model, const float *scores,
                           size_t c, bool *picked);

#ifdef __cplusplus
}
#endif
