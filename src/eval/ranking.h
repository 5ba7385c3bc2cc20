/* Ranking one class's entries by score: the common ground of average precision and the
 * precision-recall curve. */
#ifndef CDUL_EVAL_RANKING_H
#define CDUL_EVAL_RANKING_H

#include "cdul/eval.h"

#include <stdint.h>

/* One entry: the score's IEEE bits (order-preserving for scores >= 0) above its truth bit. 31 bits
 * for scores in [0, 1], so that three radix passes of eleven sort them. */
typedef uint32_t cdul_entry;

cdul_entry cdul_entry_make(float score, bool positive);
float cdul_entry_score(cdul_entry entry);

/* Sorts by falling score. `scratch` holds `count` entries as well. */
void cdul_entries_sort(cdul_entry *entries, cdul_entry *scratch, size_t count);

/* Average precision in [0, 1] of sorted entries; NaN if none is positive. Equal scores count as one
 * step. */
double cdul_average_precision(const cdul_entry *entries, size_t count, size_t positives,
                              cdul_ap ap);

#endif
