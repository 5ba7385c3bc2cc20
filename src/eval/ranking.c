/* Sorts the entries of a class by score, and computes average precision along the ranking. */
#include "eval/ranking.h"

#include <math.h>
#include <string.h>

#define RADIX_BITS 11
#define RADIX      (1u << RADIX_BITS)
#define PASSES     3

cdul_entry cdul_entry_make(float score, bool positive) {
    uint32_t bits;
    score += 0.0f; /* turns -0 into +0 */
    memcpy(&bits, &score, sizeof bits);
    return bits << 1 | (positive ? 1u : 0u);
}

float cdul_entry_score(cdul_entry entry) {
    uint32_t bits = entry >> 1;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

void cdul_entries_sort(cdul_entry *entries, cdul_entry *scratch, size_t count) {
    cdul_entry *from = entries, *to = scratch;
    for (unsigned pass = 0; pass < PASSES; pass++) {
        unsigned shift = pass * RADIX_BITS;
        size_t place[RADIX] = {0}, sum = 0;
        for (size_t i = 0; i < count; i++) place[(from[i] >> shift) & (RADIX - 1)]++;
        /* The highest digit first, for falling order. */
        for (unsigned digit = RADIX; digit-- > 0;) {
            size_t held = place[digit];
            place[digit] = sum;
            sum += held;
        }
        for (size_t i = 0; i < count; i++) to[place[(from[i] >> shift) & (RADIX - 1)]++] = from[i];
        cdul_entry *swap = from;
        from = to;
        to = swap;
    }
    /* After an odd number of passes the result lies in `scratch`. */
    memcpy(entries, from, count * sizeof *entries);
}

/* AP = sum_n (R_n - R_{n-1}) P_n over the distinct scores n. */
static double area(const cdul_entry *entries, size_t count, size_t positives) {
    double sum = 0;
    size_t hits = 0;
    for (size_t i = 0; i < count && hits < positives;) {
        size_t before = hits;
        cdul_entry score = entries[i] >> 1;
        while (i < count && entries[i] >> 1 == score) hits += entries[i++] & 1u;
        sum += (double)(hits - before) * ((double)hits / (double)i);
    }
    return sum / (double)positives;
}

/* Interpolated precision is the best precision at this recall or a higher one. The distinct scores
 * are walked from the lowest up (falling recall), so `best` is a running maximum. */
static double interpolated(const cdul_entry *entries, size_t count, size_t positives, bool eleven) {
    double best = 0, sum = 0;
    size_t point = 11, hits = positives; /* recall points point/10 .. 1 are settled */
    for (size_t end = count; end > 0;) {
        size_t first = end, gained = 0;
        cdul_entry score = entries[end - 1] >> 1;
        while (first > 0 && entries[first - 1] >> 1 == score) gained += entries[--first] & 1u;
        /* Points above this recall take the best so far. Compared in whole numbers, as 3/10 must
         * not miss the point 0.3 by rounding. */
        for (; eleven && point > 0 && (point - 1) * positives > hits * 10; point--) sum += best;
        best = fmax(best, (double)hits / (double)end);
        if (!eleven) sum += (double)gained * best;
        hits -= gained;
        end = first;
    }
    if (!eleven) return sum / (double)positives;
    return (sum + (double)point * best) / 11.0;
}

double cdul_average_precision(const cdul_entry *entries, size_t count, size_t positives,
                              cdul_ap ap) {
    if (positives == 0) return NAN;
    if (ap == CDUL_AP_AREA) return area(entries, count, positives);
    return interpolated(entries, count, positives, ap == CDUL_AP_11POINT);
}
