/* The training set: the rows of a label file, each with the file its image is in. Which rows are
 * held out, and which had to be skipped. */
#pragma once

#include "cdul/image.h"
#include "cdul/labels.h"
#include "cdul/skipped.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct cdul_dataset {
    cdul_labels labels; /* N names, C classes, initial labels y_0 [N, C] */
    cdul_strings paths; /* [N] files to open; "" for an image that was not found (it is skipped) */
    uint64_t *keys; /* [N] hash of the name: what an image's random numbers depend on */
    bool *held; /* [N] held out: never trained on, so that agreement with y_0 means something */
    bool *skipped; /* [N] no pixels: not found or unreadable */
    cdul_skipped list; /* their names and reasons, in the order they were found */
} cdul_dataset;

typedef struct cdul_dataset_options {
    const char *labels; /* label file, or CSV */
    /* folders, files and lists as in cdul_list_images, by whose names the label file's are found;
     * none: files are root/name */
    const char *const *arguments;
    size_t argument_count;
    cdul_list_options list;
    double holdout; /* share of the images that is held out, [0, 1) */
    uint64_t seed; /* the held-out images depend on it and on names, not on the order of the file */
} cdul_dataset_options;

/* Reads the labels and finds every image. Images that are not found are skipped; more than half of
 * them is CDUL_ERR_INPUT, because then the folder is the wrong one. Start from {0}; free after a
 * failure as well. */
cdul_status cdul_dataset_open(const cdul_dataset_options *options, cdul_dataset *out,
                              cdul_error *err) CDUL_MUST_CHECK;
void cdul_dataset_free(cdul_dataset *data);

/* Marks row `i` as skipped, once. */
cdul_status cdul_dataset_skip(cdul_dataset *data, size_t i, const char *reason,
                              cdul_error *err) CDUL_MUST_CHECK;

typedef enum cdul_subset { CDUL_SUBSET_ALL, CDUL_SUBSET_TRAIN, CDUL_SUBSET_HELD } cdul_subset;

/* Rows of the subset that are not skipped, ascending. `rows` has room for N, or is NULL. Returns
 * their number. */
size_t cdul_dataset_rows(const cdul_dataset *data, cdul_subset subset, size_t *rows);

/* The same rows in the order of an epoch: shuffled by (seed, epoch). */
size_t cdul_dataset_shuffle(const cdul_dataset *data, cdul_subset subset, uint64_t seed,
                            size_t epoch, size_t *rows);
