/* Batches of records, made ahead by threads, in a given order whatever their number. A record is
 * whatever a network starts from: the planes of an augmented view (image_views.h) or cached
 * activations (activations.h). */
#ifndef CDUL_TRAIN_LOADER_H
#define CDUL_TRAIN_LOADER_H

#include "cdul/error.h"

#include <stddef.h>

/* Where records come from. */
typedef struct cdul_source {
    size_t bytes; /* of one record */
    /* Writes the record of `row` to `out`. Called from several threads at once. */
    cdul_status (*read)(const void *user, size_t row, void *out, cdul_error *err);
    const void *user;
} cdul_source;

typedef struct cdul_loader_options {
    size_t batch; /* records in a batch, >= 1; the last may hold fewer */
    size_t threads; /* 0 = read in the caller's thread */
    /* Told, in the caller's thread, of each row that could not be read; it is left out of its
     * batch. A status other than CDUL_OK ends the epoch with it. */
    cdul_status (*skip)(void *user, size_t row, const char *reason, cdul_error *err);
    void *user;
} cdul_loader_options;

typedef struct cdul_loader cdul_loader;

/* Reads rows[0 .. count - 1] in that order. `rows` and what source->user points to must outlive the
 * loader. */
cdul_status cdul_loader_open(const cdul_source *source, const size_t *rows, size_t count,
                             const cdul_loader_options *options, cdul_loader **out,
                             cdul_error *err) CDUL_MUST_CHECK;

typedef struct cdul_batch {
    size_t count; /* records, 0 if all of the batch were skipped */
    size_t passed; /* rows behind us with this batch, skipped ones too */
    const size_t *rows; /* [count] */
    const void *data; /* [count, source.bytes], until the next call */
} cdul_batch;

/* *end is set, and nothing else, after the last batch. */
cdul_status cdul_loader_next(cdul_loader *loader, cdul_batch *batch, int *end,
                             cdul_error *err) CDUL_MUST_CHECK;
void cdul_loader_close(cdul_loader *loader);

#endif
