/* The training set: the rows of a label file, each with the file its image is in. Which rows are
 * held out, and which had to be skipped. */
#pragma once

#include "cdul/labels.h"
#include "cdul/skipped.h"
#include "cdul/train.h"

typedef struct cdul_dataset {
    cdul_labels labels; /* N names, C classes, initial labels y_0 [N, C] */
    cdul_strings paths; /* [N] files to open; "" for an image that was not found (it is skipped) */
    uint64_t *keys; /* [N] hash of the name: what an image's random numbers depend on */
    bool *held; /* [N] held out: never trained on, so that agreement with y_0 means something */
    bool *skipped; /* [N] no pixels: not found or unreadable */
    cdul_skipped list; /* their names and reasons, in the order they were found */
} cdul_dataset;

/* Reads the labels, finds every image and chooses the held-out ones: they depend on the seed and on
 * names, not on the order of the file. Images that are not found are skipped; more than half of
 * them is CDUL_ERR_INPUT, because then the folder is the wrong one. Start from {0}; free after a
 * failure as well. */
cdul_status cdul_dataset_open(const cdul_train_params *params, cdul_dataset *out,
                              cdul_error *err) CDUL_MUST_CHECK;
void cdul_dataset_free(cdul_dataset *data);

/* Marks row `i` as skipped, once. */
cdul_status cdul_dataset_skip(cdul_dataset *data, size_t i, const char *reason,
                              cdul_error *err) CDUL_MUST_CHECK;

typedef enum cdul_subset { CDUL_SUBSET_ALL, CDUL_SUBSET_TRAIN, CDUL_SUBSET_HELD } cdul_subset;

/* Rows of the subset that are not skipped, ascending. `rows` has room for N, or is NULL. Returns
 * their number. */
size_t cdul_dataset_rows(const cdul_dataset *data, cdul_subset subset, size_t *rows);

/* The training rows in the order of an epoch: shuffled by (seed, epoch). */
size_t cdul_dataset_shuffle(const cdul_dataset *data, uint64_t seed, size_t epoch, size_t *rows);
