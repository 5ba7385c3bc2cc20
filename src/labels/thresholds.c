/* Decision thresholds without ground truth: chooses those of a model, and picks the classes of an
 * image that reach them. */
#include "cdul/labels.h"

#include <math.h>
#include <stdlib.h>

/* --- Of a model --- */

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Halfway between sorted[m - 1] and sorted[m], where 1 and 0 stand beyond the ends. */
static float between(const float *sorted, size_t rows, size_t m) {
    float above = m > 0 ? sorted[m - 1] : 1, below = m < rows ? sorted[m] : 0;
    return m == rows ? 0 : above - (above - below) / 2;
}

cdul_status cdul_thresholds_from_labels(const float *scores, const float *labels, const bool *skip,
                                        size_t n, size_t c, float *thresholds, cdul_error *err) {
    float *column = malloc((n ? n : 1) * sizeof *column);
    if (!column) return cdul_fail_memory(err, "thresholds");
    for (size_t k = 0; k < c; k++) {
        size_t rows = 0;
        double expected = 0;
        for (size_t i = 0; i < n; i++) {
            if (skip && skip[i]) continue;
            column[rows++] = scores[i * c + k];
            expected += (double)labels[i * c + k];
        }
        qsort(column, rows, sizeof *column, descending);
        size_t m = (size_t)lround(expected);
        thresholds[k] = rows ? between(column, rows, m < rows ? m : rows) : 0.5f;
    }
    free(column);
    return CDUL_OK;
}

/* --- Of an image --- */

/* min + 0.5 (max - min) over the scores [C] of an image. */
static float halfway(const float *scores, size_t c) {
    float low = scores[0], high = scores[0];
    for (size_t i = 1; i < c; i++) {
        low = fminf(low, scores[i]);
        high = fmaxf(high, scores[i]);
    }
    return low + 0.5F * (high - low);
}

/* Whether class a ranks before class b: by falling score, then by index. */
static bool before(const float *scores, size_t a, size_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/* The k-th best of the picked classes, k from 1 to their number. */
static size_t kth_best(const float *scores, size_t c, const bool *picked, size_t k) {
    size_t last = c;
    for (size_t rank = 0; rank < k; rank++) {
        size_t best = c;
        for (size_t i = 0; i < c; i++) {
            bool is_left = picked[i] && (last == c || before(scores, last, i));
            if (is_left && (best == c || before(scores, i, best))) best = i;
        }
        last = best;
    }
    return last;
}

size_t cdul_threshold_pick(const cdul_threshold *threshold, const float *model, const float *scores,
                           size_t c, bool *picked) {
    float common =
        threshold->kind == CDUL_THRESHOLD_RELATIVE ? halfway(scores, c) : threshold->value;
    size_t count = 0;
    for (size_t i = 0; i < c; i++) {
        picked[i] = scores[i] >= (threshold->kind == CDUL_THRESHOLD_AUTO ? model[i] : common);
        count += picked[i];
    }
    if (threshold->top_k == 0 || threshold->top_k >= count) return count;
    size_t worst = kth_best(scores, c, picked, threshold->top_k);
    for (size_t i = 0; i < c; i++) picked[i] = picked[i] && !before(scores, worst, i);
    return threshold->top_k;
}
