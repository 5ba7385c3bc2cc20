/* The ranking of one class's entries by score, which average precision and the precision-recall
 * curve are computed from. */
#pragma once

#include "cdul/eval.h"

#include <stdint.h>

/* One entry: the bits of the float score, which sort like scores >= 0, above its truth bit. Scores
 * in [0, 1] give 31 bits, which three radix passes of 11 bits sort. */
typedef uint32_t cdul_entry;

cdul_entry cdul_entry_make(float score, bool positive);
float cdul_entry_score(cdul_entry entry);

/* Sorts by falling score. `scratch` holds `count` entries as well. */
void cdul_entries_sort(cdul_entry *entries, cdul_entry *scratch, size_t count);

/* Average precision in [0, 1] of sorted entries; equal scores are one step. NaN if none is
 * positive, as there is nothing to rank then. */
double cdul_average_precision(const cdul_entry *entries, size_t count, size_t positives,
                              cdul_ap ap);
