#include "eval/ranking.h"

#include <math.h>
#include <string.h>

#define RADIX_BITS 11
#define RADIX      (1u << RADIX_BITS)
#define PASSES     3

cdul_entry cdul_entry_make(float score, bool positive) {
    uint32_t bits;
    score += 0.0f; /* -0 becomes +0 */
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
        for (unsigned digit = RADIX; digit-- > 0;) { /* from the top: falling order */
            size_t held = place[digit];
            place[digit] = sum;
            sum += held;
        }
        for (size_t i = 0; i < count; i++) to[place[(from[i] >> shift) & (RADIX - 1)]++] = from[i];
        cdul_entry *swap = from;
        from = to;
        to = swap;
    }
    /* an odd number of passes ends in the scratch */
    memcpy(entries, from, count * sizeof *entries);
}

/* First entry after `i` with another score; adds the positives passed to *hits. */
static size_t next_step(const cdul_entry *entries, size_t count, size_t i, size_t *hits) {
    cdul_entry score = entries[i] >> 1;
    while (i < count && entries[i] >> 1 == score) *hits += entries[i++] & 1u;
    return i;
}

/* AP = sum_n (R_n - R_{n-1}) P_n over the distinct scores n. */
static double area(const cdul_entry *entries, size_t count, size_t positives) {
    double sum = 0;
    size_t hits = 0;
    for (size_t i = 0; i < count && hits < positives;) {
        size_t before = hits;
        i = next_step(entries, count, i, &hits);
        sum += (double)(hits - before) * ((double)hits / (double)i);
    }
    return sum / (double)positives;
}

/* The best precision at this recall or any higher one, met while walking the steps backwards.
 * `ends[k]` is the number of entries ranked up to step k, `steps` their count. */
static size_t step_ends(const cdul_entry *entries, size_t count, size_t positives, cdul_entry *ends,
                        size_t *all_hits) {
    size_t steps = 0, hits = 0;
    for (size_t i = 0; i < count && hits < positives;) {
        i = next_step(entries, count, i, &hits);
        ends[steps++] = (cdul_entry)i;
    }
    *all_hits = hits;
    return steps;
}

static size_t hits_between(const cdul_entry *entries, size_t first, size_t end) {
    size_t hits = 0;
    for (size_t i = first; i < end; i++) hits += entries[i] & 1u;
    return hits;
}

/* Interpolated precision at a recall is the best at that recall or any higher one: steps are walked
 * backwards, `best` holds it. */
static double interpolated(const cdul_entry *entries, size_t count, size_t positives, bool eleven,
                           cdul_entry *ends) {
    size_t hits, steps = step_ends(entries, count, positives, ends, &hits);
    double best = 0, sum = 0;
    size_t point = 11; /* recall points point/10 .. 1 are settled */
    for (size_t k = steps; k-- > 0;) {
        size_t first = k ? ends[k - 1] : 0, gained = hits_between(entries, first, ends[k]);
        /* Points above this step's recall take the best of the steps behind it. Whole numbers: 3/10
         * must not miss the point 0.3 by a rounding error. */
        for (; eleven && point > 0 && (point - 1) * positives > hits * 10; point--) sum += best;
        best = fmax(best, (double)hits / (double)ends[k]);
        if (!eleven) sum += (double)gained * best;
        hits -= gained;
    }
    if (!eleven) return sum / (double)positives;
    return (sum + (double)point * best) / 11.0;
}

double cdul_average_precision(const cdul_entry *entries, size_t count, size_t positives, cdul_ap ap,
                              cdul_entry *scratch) {
    if (positives == 0) return NAN;
    if (ap == CDUL_AP_AREA) return area(entries, count, positives);
    return interpolated(entries, count, positives, ap == CDUL_AP_11POINT, scratch);
}
