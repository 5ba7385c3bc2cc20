/* Records are made by a prefetcher, straight into the memory of the batch they belong to. */
#include "train/loader.h"

#include "base/prefetch.h"
#include "base/progress.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Batches in flight: one with the consumer, the others being filled. */
#define AHEAD 3

typedef struct loader {
    const cdul_pass *pass;
    size_t batch; /* records in one */
    size_t passed;
    cdul_prefetch *prefetch;
    /* [AHEAD * batch, bytes]: item i lies in slot i % (AHEAD * batch), so a batch is one piece of
     * memory */
    unsigned char *slots;
    size_t *rows; /* [batch] of the batch given out */
} loader;

static cdul_status produce(void *user, size_t i, size_t slot, cdul_error *err) {
    const loader *l = user;
    const cdul_source *source = &l->pass->source;
    return source->read(source->user, l->pass->rows[i], l->slots + slot * source->bytes, err);
}

static cdul_status open_loader(loader *l, cdul_error *err) {
    size_t bytes = l->pass->source.bytes, depth = AHEAD * l->batch;
    l->rows = calloc(l->batch, sizeof *l->rows);
    if (bytes <= SIZE_MAX / depth) l->slots = malloc(depth * bytes);
    if (!l->rows || !l->slots)
        return cdul_fail(err, CDUL_ERR_MEMORY,
                         "out of memory for %d batches of %zu x %zu bytes; lower the batch", AHEAD,
                         l->batch, bytes);
    return cdul_prefetch_open(l->pass->count, l->pass->params->threads, depth, produce, l,
                              &l->prefetch, err);
}

/* Fills one batch, has it used, and gives its slots back. */
static cdul_status run_batch(loader *l, cdul_error *err) {
    size_t bytes = l->pass->source.bytes, count = 0, held = 0;
    unsigned char *data = NULL;
    cdul_status status = CDUL_OK;
    cdul_prefetched item;
    while (status == CDUL_OK && held < l->batch && cdul_prefetch_next(l->prefetch, &item)) {
        unsigned char *record = l->slots + item.slot * bytes;
        if (held++ == 0) data = record;
        l->passed++;
        const size_t row = l->pass->rows[item.i];
        if (item.status == CDUL_ERR_INPUT || item.status == CDUL_ERR_IO) {
            status = cdul_dataset_skip(l->pass->data, row, item.error.message, err);
        } else if (item.status != CDUL_OK) {
            status = cdul_fail(err, item.status, "%s", item.error.message);
        } else {
            /* Close the gaps that skipped records leave. */
            if (record != data + count * bytes) memcpy(data + count * bytes, record, bytes);
            l->rows[count++] = row;
        }
    }
    if (status == CDUL_OK && cdul_stopped(l->pass->params->callbacks))
        status = cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
    if (status == CDUL_OK)
        status = l->pass->use(l->pass->user, &(cdul_batch){count, l->passed, l->rows, data}, err);
    for (; held > 0; held--) cdul_prefetch_release(l->prefetch);
    return status;
}

cdul_status cdul_pass_run(const cdul_pass *pass, cdul_error *err) {
    loader l = {.pass = pass, .batch = pass->params->batch};
    if (pass->count == 0) return CDUL_OK;
    if (l.batch > pass->count) l.batch = pass->count;
    cdul_status status = open_loader(&l, err);
    while (status == CDUL_OK && l.passed < pass->count) status = run_batch(&l, err);
    cdul_prefetch_close(l.prefetch);
    free(l.slots);
    free(l.rows);
    return status;
}
