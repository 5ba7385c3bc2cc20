/* Options of cdul-eval. */
#ifndef CDUL_CLI_EVAL_OPTIONS_H
#define CDUL_CLI_EVAL_OPTIONS_H

#include <stdbool.h>

typedef struct cdul_eval_options {
    /* Input */
    const char *truth; /* CSV, folder of VOC XML, or COCO instances JSON */
    int difficult; /* cdul_difficult */
    bool drop_empty; /* leave out images on which every class is absent */

    /* Measures */
    int ap; /* cdul_ap */
    double threshold; /* of CF1 and OF1, 0 .. 1 */
    long long top_k; /* of CF1 and OF1 at the best k classes */

    /* Output */
    bool per_class; /* the table of classes as well */
    bool json;
    const char *plots; /* folder of curves, or NULL */
} cdul_eval_options;

#endif
