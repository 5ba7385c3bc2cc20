#include "labels/thresholds.h"

#include <math.h>
#include <stdlib.h>

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
