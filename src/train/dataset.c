/* From a label file to the files of its images, and to the rows of an epoch. */
#include "train/dataset.h"

#include "base/file.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Streams of random numbers that must not be those of an (epoch, image). */
#define STREAM_HOLDOUT 0x686f6c646f757400ull
#define STREAM_SHUFFLE 0x73687566666c6500ull

typedef struct ranked {
    uint64_t rank;
    size_t row;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* The images with the smallest hash of (seed, name): exactly the share asked for, and an image that
 * is added to the set moves at most one other. */
static cdul_status hold_out(cdul_dataset *data, const cdul_train_params *p, cdul_error *err) {
    size_t n = data->labels.images.count, count = (size_t)lround(p->holdout * (double)n);
    ranked *order = malloc(n * sizeof *order);
    if (!order) return cdul_fail_memory(err, "the choice of held-out images");
    for (size_t i = 0; i < n; i++) {
        cdul_random random = cdul_random_seeded(p->seed, STREAM_HOLDOUT, data->keys[i]);
        order[i] = (ranked){cdul_random_bits(&random), i};
    }
    qsort(order, n, sizeof *order, compare_ranked);
    for (size_t i = 0; i < count; i++) data->held[order[i].row] = true;
    free(order);
    if (count < n) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_USAGE, "holdout %g of %zu images leaves none to train on",
                     p->holdout, n);
}

static cdul_status add_path(cdul_dataset *data, size_t i, const char *path, cdul_error *err) {
    cdul_status status = cdul_strings_add(&data->paths, path ? path : "", err);
    if (status == CDUL_OK && !path) status = cdul_dataset_skip(data, i, "not found", err);
    return status;
}

/* Files are those the arguments list; a label's name is looked up among the names they have
 * there. */
static cdul_status find_in_lists(cdul_dataset *data, const cdul_train_params *p, cdul_error *err) {
    const cdul_list_options options = {p->root, p->nul_separated};
    cdul_strings paths = {0}, names = {0};
    cdul_index *index = NULL;
    cdul_status status = cdul_list_images((const char *const *)p->images->items, p->images->count,
                                          &options, &paths, &names, err);
    if (status == CDUL_OK) status = cdul_index_new(&names, &index, err);
    for (size_t i = 0; status == CDUL_OK && i < data->labels.images.count; i++) {
        size_t at = cdul_index_find(index, data->labels.images.items[i]);
        status = add_path(data, i, at == CDUL_NOT_FOUND ? NULL : paths.items[at], err);
    }
    cdul_index_free(index);
    cdul_strings_free(&paths);
    cdul_strings_free(&names);
    return status;
}

static cdul_status find_under_root(cdul_dataset *data, const char *root, cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < data->labels.images.count; i++) {
        char *path = cdul_path_join(root, data->labels.images.items[i]);
        if (!path) return cdul_fail_memory(err, "a path");
        status = add_path(data, i, cdul_path_exists(path) ? path : NULL, err);
        free(path);
    }
    return status;
}

cdul_status cdul_dataset_open(const cdul_train_params *p, cdul_dataset *out, cdul_error *err) {
    const bool listed = p->images && p->images->count > 0;
    cdul_status status = cdul_labels_read(p->labels, &out->labels, err);
    if (status != CDUL_OK) return status;
    size_t n = out->labels.images.count;
    if (n == 0 || out->labels.classes.count == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: %zu images, %zu classes: nothing to train on",
                         p->labels, n, out->labels.classes.count);
    out->keys = calloc(n, sizeof *out->keys);
    out->held = calloc(n, sizeof *out->held);
    out->skipped = calloc(n, sizeof *out->skipped);
    if (!out->keys || !out->held || !out->skipped) return cdul_fail_memory(err, "the training set");
    for (size_t i = 0; i < n; i++) {
        const char *name = out->labels.images.items[i];
        out->keys[i] = cdul_hash(CDUL_HASH_START, name, strlen(name));
    }
    status = listed ? find_in_lists(out, p, err) : find_under_root(out, p->root, err);
    if (status != CDUL_OK) return status;
    size_t missing = out->list.paths.count;
    if (missing * 2 > n)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%zu of the %zu images in %s are not under %s (the first: %s); name the "
                         "folder that the labels were made from",
                         missing, n, p->labels,
                         listed    ? p->images->items[0]
                         : p->root ? p->root
                                   : ".",
                         out->list.paths.items[0]);
    return hold_out(out, p, err);
}

void cdul_dataset_free(cdul_dataset *data) {
    cdul_labels_free(&data->labels);
    cdul_strings_free(&data->paths);
    cdul_skipped_free(&data->list);
    free(data->keys);
    free(data->held);
    free(data->skipped);
    *data = (cdul_dataset){0};
}

cdul_status cdul_dataset_skip(cdul_dataset *data, size_t i, const char *reason, cdul_error *err) {
    if (data->skipped[i]) return CDUL_OK;
    data->skipped[i] = true;
    return cdul_skipped_add(&data->list, data->labels.images.items[i], reason, err);
}

size_t cdul_dataset_rows(const cdul_dataset *data, cdul_subset subset, size_t *rows) {
    size_t count = 0;
    for (size_t i = 0; i < data->labels.images.count; i++) {
        bool wanted = subset == CDUL_SUBSET_ALL || data->held[i] == (subset == CDUL_SUBSET_HELD);
        if (!wanted || data->skipped[i]) continue;
        if (rows) rows[count] = i;
        count++;
    }
    return count;
}

size_t cdul_dataset_shuffle(const cdul_dataset *data, uint64_t seed, size_t epoch, size_t *rows) {
    size_t count = cdul_dataset_rows(data, CDUL_SUBSET_TRAIN, rows);
    cdul_random random = cdul_random_seeded(seed, STREAM_SHUFFLE, epoch);
    cdul_random_shuffle(&random, rows, count);
    return count;
}
