/* Batches of records, the planes of augmented views (augment.h) or cached activations
 * (activations.h), made ahead by threads, in a given order whatever their number. */
#pragma once

#include "train/dataset.h"

/* Where records come from. */
typedef struct cdul_source {
    size_t bytes; /* of one record */
    /* Writes the record of `row` to `out`. Called from several threads at once. */
    cdul_status (*read)(const void *user, size_t row, void *out, cdul_error *err);
    const void *user;
} cdul_source;

typedef struct cdul_batch {
    size_t count; /* records, 0 if all of the batch were skipped */
    size_t passed; /* rows behind us with this batch, skipped ones too */
    const size_t *rows; /* [count] */
    const void *data; /* [count, source.bytes], until the callback returns */
} cdul_batch;

/* What is done with a batch. */
typedef cdul_status cdul_use(void *user, const cdul_batch *batch, cdul_error *err);

/* What is read, and what is done with it. */
typedef struct cdul_pass {
    const cdul_train_params *params; /* batch: the last may hold fewer; threads; callbacks */
    cdul_dataset *data; /* a row that cannot be read is skipped, and left out of its batch */
    cdul_source source;
    const size_t *rows; /* [count] in the order wanted */
    size_t count;
    /* Given each batch in turn, empty ones too, in the caller's thread. A failure ends the pass. */
    cdul_use *use;
    void *user;
} cdul_pass;

/* One pass over the rows. Asks before each batch whether to stop: CDUL_ERR_CANCELLED. */
cdul_status cdul_pass_run(const cdul_pass *pass, cdul_error *err) CDUL_MUST_CHECK;
