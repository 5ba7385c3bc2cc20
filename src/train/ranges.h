/* How large a network's activations become: what eight bits must span. */
#ifndef CDUL_TRAIN_RANGES_H
#define CDUL_TRAIN_RANGES_H

#include "torch/torch.h"

#include <stddef.h>

/* Of a ResNet, in the order in which a pass comes by: the input, the stem, and of each block the
 * outputs of its shortcut if that is a unit, of its units (the last before the addition), and of
 * the whole. ReLU is inside, where one follows. */
#define CDUL_RANGES 256 /* ResNet-152 has 206 */

typedef struct cdul_ranges {
    double low[CDUL_RANGES], high[CDUL_RANGES];
    size_t count; /* known */
    size_t next; /* of the pass that is under way; a pass begins at 0 */
} cdul_ranges;

/* Widens the next range by the tensor's elements. `ranges` NULL: nothing. */
void cdul_ranges_observe(cdul_ranges *ranges, cdul_scope *scope, const cdul_tensor *x);

#endif
