/* What a classifier said of each image, for people, jq and pandas. Two formats with the same
 * content: JSON lines
 * {"image":"a.jpg","labels":[{"name":"cat","score":0.91},{"name":"dog","score":0.4}]} CSV
 * image,<class>...  with the score of each picked class and nothing for the others In JSON lines
 * labels stand in order of falling score. */
#ifndef CDUL_REPORT_PREDICTIONS_H
#define CDUL_REPORT_PREDICTIONS_H

#include "cdul/labels.h"

#include <stdbool.h>

typedef enum cdul_predictions_format {
    CDUL_PREDICTIONS_JSONL,
    CDUL_PREDICTIONS_CSV
} cdul_predictions_format;

typedef struct cdul_predictions cdul_predictions;

/* "-" is standard output. `classes` [C] is borrowed until the end. */
cdul_status cdul_predictions_create(const char *path, cdul_predictions_format format,
                                    const cdul_strings *classes, cdul_predictions **out,
                                    cdul_error *err) CDUL_MUST_CHECK;
/* scores [C] in [0, 1]; picked [C] says which to write, NULL = all. Write errors surface at
 * commit. */
void cdul_predictions_add(cdul_predictions *predictions, const char *image, const float *scores,
                          const bool *picked);
/* Atomic. Frees and clears either way. */
cdul_status cdul_predictions_commit(cdul_predictions **predictions,
                                    cdul_error *err) CDUL_MUST_CHECK;
void cdul_predictions_discard(cdul_predictions **predictions);

/* Reads what there is to judge: predictions (JSON lines if the text starts with '{', CSV by its
 * name), or a label file. JSON lines have no list of classes: `classes` [C] gives it, and a name
 * outside is CDUL_ERR_INPUT with the nearest one suggested. A class that is not mentioned has score
 * 0; *given counts those that are (N x C = all). */
cdul_status cdul_predictions_read(const char *path, const cdul_strings *classes, cdul_labels *out,
                                  size_t *given, cdul_error *err) CDUL_MUST_CHECK;

#endif
