#include "predict/thresholds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

cdul_status cdul_threshold_parse(const char *text, cdul_threshold *out, cdul_error *err) {
    char *end;
    double value = strtod(text, &end);
    out->value = 0;
    if (strcmp(text, "auto") == 0) {
        out->kind = CDUL_THRESHOLD_AUTO;
    } else if (strcmp(text, "relative") == 0) {
        out->kind = CDUL_THRESHOLD_RELATIVE;
    } else if (end != text && *end == '\0' && value >= 0 && value <= 1) {
        out->kind = CDUL_THRESHOLD_FIXED;
        out->value = (float)value;
    } else {
        return cdul_fail(err, CDUL_ERR_USAGE,
                         "threshold \"%s\": expected auto, relative or a number in 0 .. 1", text);
    }
    return CDUL_OK;
}

/* min + 0.5 (max - min) over the scores of an image */
static float halfway(const float *scores, size_t c) {
    float low = scores[0], high = scores[0];
    for (size_t i = 1; i < c; i++) {
        low = fminf(low, scores[i]);
        high = fmaxf(high, scores[i]);
    }
    return low + 0.5F * (high - low);
}

/* Whether class a comes before class b in the order of falling score, then of number. */
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
