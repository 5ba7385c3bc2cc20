/* The label matrix and its files: what cdul-label writes, cdul-train reads and refines, cdul-eval
 * judges. */
#ifndef CDUL_LABELS_H
#define CDUL_LABELS_H

#include "cdul/error.h"
#include "cdul/strings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pseudo-labels (or scores) of N images and C classes. Start from {0}. */
typedef struct cdul_labels {
    cdul_strings images; /* N names, distinct */
    cdul_strings classes; /* C names, distinct */
    float *values; /* [N, C] in [0, 1] */
    char *config; /* JSON text that says how they were made, or NULL */
} cdul_labels;

/* Allocates values for the lists already in `labels`, zeroed. */
cdul_status cdul_labels_allocate(cdul_labels *labels, cdul_error *err) CDUL_MUST_CHECK;
void cdul_labels_free(cdul_labels *labels);

/* Reads labels.safetensors, or CSV `image,<class>...` if the name ends in .csv. Checked: shape
 * against lists, values finite and in [0, 1] (the message names image and class), names
 * distinct. */
cdul_status cdul_labels_read(const char *path, cdul_labels *out, cdul_error *err) CDUL_MUST_CHECK;
/* Tensor `labels` float32 [N, C]; metadata `images`, `classes`, `config`, `version`. Atomic. */
cdul_status cdul_labels_write(const char *path, const cdul_labels *labels,
                              cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_labels_write_csv(const char *path, const cdul_labels *labels,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* Concatenates parts by rows. Classes must be equal and images distinct across parts; errors name
 * both files. */
cdul_status cdul_labels_merge(const char *const *paths, size_t count, cdul_labels *out,
                              cdul_error *err) CDUL_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
