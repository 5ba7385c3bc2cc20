/* From the scores of an image's views to the scores of the image. */
#pragma once

#include "cdul/classifier.h"

/* rows [V, C] to scores [C]:
 *   NONE  V = 1            rows[0]
 *   FLIP  V = 2            the mean of both
 *   GRID  V = 1 + S        1/2 (rows[0] + max_j rows[j]), j = 1..S
 * GRID is how pseudo-labels are fused, equations (5) and (6), with zeta = 0 and lambda = 0. */
void cdul_combine_views(cdul_test_views views, const float *rows, size_t v, size_t c,
                        float *scores);

/* scores [C] in 0 .. 1, in place: sigmoid((l - mean_c l) / std_c l), l = logit(score). Where all
 * are equal, all become 1/2. */
void cdul_standardise_scores(float *scores, size_t c);
