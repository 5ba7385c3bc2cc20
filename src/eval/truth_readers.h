/* The readers of ground truth in folders and JSON, and the facts that they collect. */
#pragma once

#include "base/file.h"
#include "base/map.h"
#include "cdul/eval.h"

cdul_status cdul_truth_read_voc(const char *folder, cdul_truth *truth,
                                cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_truth_read_coco(const char *path, const cdul_mapping *text, cdul_truth *truth,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* What is said of one image and class, by their positions: collected until all are known. Start
 * from {0}; free() the items. */
typedef struct cdul_fact {
    size_t image, class_index;
    uint8_t value;
} cdul_fact;

typedef struct cdul_facts {
    cdul_fact *items;
    size_t count, capacity;
} cdul_facts;

cdul_status cdul_facts_add(cdul_facts *facts, size_t image, size_t class_index, uint8_t value,
                           cdul_error *err) CDUL_MUST_CHECK;
/* The same of a class by its name, which joins `classes` if it is new. */
cdul_status cdul_facts_add_named(cdul_facts *facts, size_t image, cdul_names *classes,
                                 const char *name, uint8_t value, cdul_error *err) CDUL_MUST_CHECK;
/* Cuts white space off both ends of `text`, in place. */
char *cdul_trim(char *text);

/* Fills truth->values [N, C]: absent where no fact is given, and present wins over difficult. */
cdul_status cdul_truth_fill(cdul_truth *truth, const cdul_facts *facts,
                            cdul_error *err) CDUL_MUST_CHECK;
