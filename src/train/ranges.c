#include "train/ranges.h"

#include <math.h>

void cdul_ranges_observe(cdul_ranges *r, cdul_scope *scope, const cdul_tensor *x) {
    if (!r || r->next >= CDUL_RANGES) return;
    double low, high;
    cdul_tensor_range(scope, x, &low, &high);
    size_t i = r->next++;
    bool first = i >= r->count;
    r->low[i] = first ? low : fmin(low, r->low[i]);
    r->high[i] = first ? high : fmax(high, r->high[i]);
    if (first) r->count = i + 1;
}
