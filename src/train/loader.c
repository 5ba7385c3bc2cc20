#include "train/loader.h"

#include "base/prefetch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Batches in flight: one with the consumer, the others being filled. */
#define AHEAD 3

struct cdul_loader {
    cdul_source source;
    cdul_loader_options options;
    const size_t *rows;
    size_t count, passed;
    cdul_prefetch *prefetch;
    /* [AHEAD * batch, bytes]: item i lies in slot i % (AHEAD * batch), so a batch is one piece of
     * memory */
    unsigned char *slots;
    size_t held; /* slots that the batch given out still occupies */
    size_t *batch_rows; /* [batch] */
};

static cdul_status produce(void *user, size_t i, size_t slot, cdul_error *err) {
    const cdul_loader *loader = user;
    return loader->source.read(loader->source.user, loader->rows[i],
                               loader->slots + slot * loader->source.bytes, err);
}

cdul_status cdul_loader_open(const cdul_source *source, const size_t *rows, size_t count,
                             const cdul_loader_options *options, cdul_loader **out,
                             cdul_error *err) {
    *out = NULL;
    cdul_loader *loader = calloc(1, sizeof *loader);
    if (!loader) return cdul_fail_memory(err, "the loader");
    loader->source = *source;
    loader->options = *options;
    loader->rows = rows;
    loader->count = count;
    if (loader->options.batch > count && count > 0) loader->options.batch = count;
    size_t batch = loader->options.batch, depth = AHEAD * batch;
    loader->batch_rows = calloc(batch, sizeof *loader->batch_rows);
    if (source->bytes <= SIZE_MAX / depth) loader->slots = malloc(depth * source->bytes);
    if (!loader->batch_rows || !loader->slots) {
        cdul_loader_close(loader);
        return cdul_fail(err, CDUL_ERR_MEMORY,
                         "out of memory for %d batches of %zu x %zu bytes; lower the batch", AHEAD,
                         batch, source->bytes);
    }
    cdul_status status =
        cdul_prefetch_open(count, options->threads, depth, produce, loader, &loader->prefetch, err);
    if (status != CDUL_OK) {
        cdul_loader_close(loader);
        return status;
    }
    *out = loader;
    return CDUL_OK;
}

static void release(cdul_loader *loader) {
    for (; loader->held > 0; loader->held--) cdul_prefetch_release(loader->prefetch);
}

cdul_status cdul_loader_next(cdul_loader *loader, cdul_batch *batch, int *end, cdul_error *err) {
    size_t bytes = loader->source.bytes, count = 0;
    unsigned char *data = NULL;
    release(loader);
    *end = loader->passed == loader->count;
    while (loader->held < loader->options.batch && loader->passed < loader->count) {
        cdul_prefetched item;
        if (!cdul_prefetch_next(loader->prefetch, &item)) break;
        unsigned char *record = loader->slots + item.slot * bytes;
        if (loader->held++ == 0) data = record;
        loader->passed++;
        size_t row = loader->rows[item.i];
        if (item.status == CDUL_ERR_INPUT || item.status == CDUL_ERR_IO) {
            cdul_status status =
                loader->options.skip(loader->options.user, row, item.error.message, err);
            if (status != CDUL_OK) return status;
            continue;
        }
        if (item.status != CDUL_OK) return cdul_fail(err, item.status, "%s", item.error.message);
        /* Close the gaps that skipped records leave. */
        if (record != data + count * bytes) memcpy(data + count * bytes, record, bytes);
        loader->batch_rows[count++] = row;
    }
    *batch = (cdul_batch){count, loader->passed, loader->batch_rows, data};
    return CDUL_OK;
}

void cdul_loader_close(cdul_loader *loader) {
    if (!loader) return;
    cdul_prefetch_close(loader->prefetch);
    free(loader->slots);
    free(loader->batch_rows);
    free(loader);
}
