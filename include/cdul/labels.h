/* The label matrix and its files: what cdul-label writes, cdul-train reads and refines, cdul-eval
 * judges. */
#ifndef CDUL_LABELS_H
#define CDUL_LABELS_H

#include "cdul/error.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Pseudo-labels (or scores) of N images and C classes. Start from {0}. */
typedef struct cdul_labels {
    cdul_strings images; /* N names, distinct */
    cdul_strings classes; /* C names, distinct */
    float *values; /* [N, C] in [0, 1] */
    char *config; /* JSON text that says how they were made, or NULL */
} cdul_labels;

/* Allocates values for the lists already in `labels`, zeroed. */
cdul_status cdul_labels_allocate(cdul_labels *labels, cdul_error *err) CDUL_MUST_CHECK;
void cdul_labels_free(cdul_labels *labels);

/* Reads labels.safetensors, or CSV `image,<class>...` if the name ends in .csv. Checked: shape
 * against lists, values finite and in [0, 1] (the message names image and class), names
 * distinct. */
cdul_status cdul_labels_read(const char *path, cdul_labels *out, cdul_error *err) CDUL_MUST_CHECK;
/* Tensor `labels` float32 [N, C]; metadata `images`, `classes`, `config`, `version`. Atomic. */
cdul_status cdul_labels_write(const char *path, const cdul_labels *labels,
                              cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_labels_write_csv(const char *path, const cdul_labels *labels,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* Concatenates parts by rows. Classes must be equal and images distinct across parts; errors name
 * both files. */
cdul_status cdul_labels_merge(const char *const *paths, size_t count, cdul_labels *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* --- Thresholds --- */

/* Chooses thresholds [C] so that each class is found as often as the labels expect it: with m = sum
 * over images of labels[., c], rounded, the threshold lies halfway between the m-th and the next
 * smaller score of the class. A class that is not expected at all gets a threshold above its
 * largest score, one expected everywhere gets 0. scores, labels [N, C] in [0, 1]; rows with `skip`
 * set (NULL: none) are left out. A prediction is positive if its score is at least the
 * threshold. */
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
    /* FIXED: 0 .. 1. */
    float value;
    /* Of the classes that reach the threshold, the k best; 0 = all. */
    size_t top_k;
} cdul_threshold;

/* Sets picked [C] for the scores [C] of one image, finite, and returns how many are picked. A score
 * that equals its threshold reaches it. model [C]: the model's own thresholds. Of equal scores the
 * earlier class is the better. */
size_t cdul_threshold_pick(const cdul_threshold *threshold, const float *model, const float *scores,
                           size_t c, bool *picked);

#ifdef __cplusplus
}
#endif
#endif
