/* Combines the scores of an image's views, and standardises scores over the classes. */
#include "predict/combine.h"

#include "base/maths.h"

#include <math.h>
#include <string.h>

/* Scores that saturate at 0 or 1 have infinite logits: logits are clamped to +-16. */
#define EPSILON 1e-7

void cdul_combine_views(cdul_test_views views, const float *rows, size_t v, size_t c,
                        float *scores) {
    memcpy(scores, rows, c * sizeof *scores);
    if (views == CDUL_TEST_VIEWS_NONE) return;
    for (size_t i = 0; i < c; i++) {
        float largest = rows[c + i]; /* of the views after the first; FLIP has one such */
        for (size_t j = 2; j < v; j++) largest = fmaxf(largest, rows[j * c + i]);
        scores[i] = 0.5F * (scores[i] + largest);
    }
}

void cdul_standardise_scores(float *scores, size_t c) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < c; i++) sum += cdul_logit(scores[i], EPSILON);
    double mean = sum / (double)c;
    for (size_t i = 0; i < c; i++) {
        double difference = cdul_logit(scores[i], EPSILON) - mean;
        squares += difference * difference;
    }
    double deviation = sqrt(squares / (double)c);
    for (size_t i = 0; i < c; i++) {
        double z = cdul_z_score(cdul_logit(scores[i], EPSILON), mean, deviation);
        scores[i] = (float)cdul_sigmoid(z);
    }
}
