/* Which classes of an image are reported. */
#ifndef CDUL_PREDICT_THRESHOLDS_H
#define CDUL_PREDICT_THRESHOLDS_H

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum cdul_threshold_kind {
    CDUL_THRESHOLD_AUTO, /* the model's own, one a class */
    CDUL_THRESHOLD_FIXED, /* one for all; 0 = every class */
    CDUL_THRESHOLD_RELATIVE, /* halfway between the smallest and the largest score of the image */
} cdul_threshold_kind;

typedef struct cdul_threshold {
    cdul_threshold_kind kind;
    float value; /* FIXED: 0 .. 1 */
    size_t top_k; /* of the classes that reach the threshold, the k best; 0 = all */
} cdul_threshold;

/* "auto", "relative" or a number in 0 .. 1: sets kind and value. Anything else is
 * CDUL_ERR_USAGE. */
cdul_status cdul_threshold_parse(const char *text, cdul_threshold *out,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* Sets picked [C] for the scores [C] of one image, finite, and returns how many are picked. A score
 * that equals its threshold reaches it. model [C]: the model's own thresholds. Of equal scores the
 * earlier class is the better. */
size_t cdul_threshold_pick(const cdul_threshold *threshold, const float *model, const float *scores,
                           size_t c, bool *picked);

#endif
