/* What readers of ground truth find, before they know all images and classes. */
#include "eval/truth_readers.h"

#include <stdlib.h>

cdul_status cdul_facts_add(cdul_facts *facts, size_t image, size_t class_index, uint8_t value,
                           cdul_error *err) {
    cdul_status status = cdul_grow(&facts->items, facts->count + 1, &facts->capacity,
                                   sizeof *facts->items, "ground truth", err);
    if (status == CDUL_OK) facts->items[facts->count++] = (cdul_fact){image, class_index, value};
    return status;
}

void cdul_facts_free(cdul_facts *facts) {
    free(facts->items);
    *facts = (cdul_facts){0};
}

cdul_status cdul_truth_fill(cdul_truth *truth, const cdul_facts *facts, cdul_error *err) {
    size_t n = truth->images.count, c = truth->classes.count;
    if (c != 0 && n > SIZE_MAX / c) return cdul_fail_memory(err, "ground truth");
    size_t total = n * c;
    truth->values = calloc(total ? total : 1, 1);
    if (!truth->values) return cdul_fail_memory(err, "ground truth");
    for (size_t i = 0; i < facts->count; i++) {
        const cdul_fact *fact = &facts->items[i];
        uint8_t *value = &truth->values[fact->image * c + fact->class_index];
        if (*value != CDUL_PRESENT) *value = fact->value;
    }
    return CDUL_OK;
}
