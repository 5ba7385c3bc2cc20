/* Per-class decision thresholds without ground truth. */
#ifndef CDUL_LABELS_THRESHOLDS_H
#define CDUL_LABELS_THRESHOLDS_H

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Chooses thresholds [C] so that each class is found as often as the labels expect it: with m = sum
 * over images of labels[., c], rounded, the threshold lies halfway between the m-th and the next
 * smaller score of the class. A class that is not expected at all gets a threshold above its
 * largest score, one expected everywhere gets 0. scores, labels [N, C] in [0, 1]; rows with `skip`
 * set (NULL: none) are left out. A prediction is positive if its score is at least the
 * threshold. */
cdul_status cdul_thresholds_from_labels(const float *scores, const float *labels, const bool *skip,
                                        size_t n, size_t c, float *thresholds,
                                        cdul_error *err) CDUL_MUST_CHECK;

#endif
