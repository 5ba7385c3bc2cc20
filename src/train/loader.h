/* Batches of records, made ahead by threads, in a given order whatever their number. A record is
 * whatever a network starts from: the planes of an augmented view (augment.h) or cached
 * activations (activations.h). */
#pragma once

#include "cdul/error.h"
#include "cdul/progress.h"

#include <stddef.h>

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

/* What is read, and what is done with it. The callbacks run in the caller's thread; a status other
 * than CDUL_OK ends the pass with it. */
typedef struct cdul_pass {
    cdul_source source;
    const size_t *rows; /* [count] in the order wanted */
    size_t count;
    size_t batch; /* records in a batch, >= 1; the last may hold fewer */
    size_t threads; /* 0 = read in the caller's thread */
    /* Told of each row that could not be read; it is left out of its batch. */
    cdul_status (*skip)(void *user, size_t row, const char *reason, cdul_error *err);
    /* Given each batch in turn, empty ones too. */
    cdul_use *use;
    void *user;
    const cdul_callbacks *callbacks; /* NULL = never stopped */
} cdul_pass;

/* One pass over the rows. Asks before each batch whether to stop: CDUL_ERR_CANCELLED. */
cdul_status cdul_pass_run(const cdul_pass *pass, cdul_error *err) CDUL_MUST_CHECK;
