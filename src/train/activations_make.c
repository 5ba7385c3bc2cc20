#include "train/activations_internal.h"

#include "base/json.h"
#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shard that is being filled, row by row. */
typedef struct maker {
    cdul_activations *cache;
    cdul_dataset *data;
    cdul_resnet *net;
    const cdul_callbacks *callbacks;
    uint16_t *records; /* [shard_rows, record] */
    uint16_t *batch; /* [batch, record] */
    size_t done, total; /* rows, of all passes */
} maker;

static cdul_status skip_row(void *user, size_t row, const char *reason, cdul_error *err) {
    const maker *m = user;
    return cdul_dataset_skip(m->data, row, reason, err);
}

/* --- Writing --- */

/* The rows of the shard that have no pixels, with reasons, as the text of metadata "skipped". */
static cdul_status list_skipped(const maker *m, size_t first, size_t rows, char **out,
                                cdul_error *err) {
    cdul_strings list = {0};
    const cdul_dataset *data = m->data;
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < data->list.paths.count && status == CDUL_OK; i++) {
        for (size_t row = first; row < first + rows && status == CDUL_OK; row++) {
            if (!data->skipped[row] ||
                strcmp(data->labels.images.items[row], data->list.paths.items[i]) != 0)
                continue;
            char number[24];
            snprintf(number, sizeof number, "%zu", row);
            status = cdul_strings_add(&list, number, err);
            if (status == CDUL_OK)
                status = cdul_strings_add(&list, data->list.reasons.items[i], err);
        }
    }
    if (status == CDUL_OK) status = cdul_json_from_strings(&list, out, err);
    cdul_strings_free(&list);
    return status;
}

static cdul_status write_shard(maker *m, size_t pass, size_t shard, cdul_error *err) {
    const cdul_activations *cache = m->cache;
    size_t first, rows = cdul_activations_shard_rows(cache, shard, &first);
    cdul_tensor_decl tensors[] = {
        {"activations", CDUL_F16, 4, {rows, cache->shape[0], cache->shape[1], cache->shape[2]}},
        CDUL_SEAL};
    char *skipped = NULL, *path = cdul_activations_shard_path(cache, pass, shard);
    cdul_safetensors_writer *writer = NULL;
    cdul_status status =
        path ? list_skipped(m, first, rows, &skipped, err) : cdul_fail_memory(err, "a path");
    cdul_metadata metadata = {"skipped", skipped};
    if (status == CDUL_OK)
        status = cdul_safetensors_create(path, &metadata, 1, tensors, 2, &writer, err);
    if (status == CDUL_OK)
        status = cdul_safetensors_append(writer, m->records, rows * cache->record_bytes, err);
    if (status == CDUL_OK) status = cdul_safetensors_seal(writer, err);
    if (status == CDUL_OK) status = cdul_safetensors_commit(&writer, err);
    cdul_safetensors_discard(&writer);
    if (status == CDUL_OK)
        status = cdul_activations_open_shard(m->cache, m->data, pass, shard, false, err);
    free(skipped);
    free(path);
    return status;
}

/* --- Computing --- */

/* An exponent of all ones: infinite or not a number in half precision. */
static bool is_finite(const uint16_t *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((values[i] & 0x7c00) == 0x7c00) return false;
    return true;
}

static cdul_status forward(maker *m, const cdul_image_views *views, const cdul_batch *batch,
                           cdul_error *err) {
    cdul_scope s = {.no_grad = true};
    size_t shape[4] = {batch->count, 3, views->preprocess.height, views->preprocess.width};
    size_t count = batch->count * m->cache->record_bytes / sizeof(uint16_t);
    cdul_tensor *x = cdul_tensor_to(&s, cdul_tensor_from(&s, batch->data, CDUL_F32, 4, shape),
                                    m->net->options.device);
    cdul_tensor *y = cdul_resnet_forward_features(&s, m->net, x, m->net->options.freeze);
    y = cdul_tensor_permute(&s, y, (size_t[]){0, 2, 3, 1});
    cdul_tensor_read(&s, y, CDUL_F16, m->batch, count);
    cdul_status status = cdul_scope_close(&s, err);
    if (status != CDUL_OK || is_finite(m->batch, count)) return status;
    return cdul_fail(
        err, CDUL_ERR_INPUT,
        "activations of %s and the %zu images after it exceed float16; train without a cache "
        "(--activation-copies 0)",
        m->data->labels.images.items[batch->rows[0]], batch->count - 1);
}

static void place(maker *m, const cdul_batch *batch, size_t first, size_t rows) {
    size_t bytes = m->cache->record_bytes, values = bytes / sizeof(uint16_t);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->rows[i] - first < rows)
            memcpy(m->records + (batch->rows[i] - first) * values, m->batch + i * values, bytes);
}

static cdul_status make_shard(maker *m, const cdul_image_views *views, size_t pass, size_t shard,
                              size_t *rows, cdul_error *err) {
    size_t first, count = cdul_activations_shard_rows(m->cache, shard, &first), wanted = 0;
    for (size_t row = first; row < first + count; row++)
        if (!m->data->skipped[row]) rows[wanted++] = row;
    memset(m->records, 0, count * m->cache->record_bytes);
    cdul_source source = cdul_image_views_source(views);
    cdul_loader_options options = {m->cache->options.batch, m->cache->options.threads, skip_row, m};
    cdul_loader *loader = NULL;
    cdul_status status = cdul_loader_open(&source, rows, wanted, &options, &loader, err);
    cdul_batch batch;
    int end = 0;
    while (status == CDUL_OK && !end) {
        status = cdul_loader_next(loader, &batch, &end, err);
        if (status != CDUL_OK || end || batch.count == 0) continue;
        if (cdul_stopped(m->callbacks)) {
            status = cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        } else {
            status = forward(m, views, &batch, err);
            if (status == CDUL_OK) place(m, &batch, first, count);
            cdul_progress_update(m->callbacks, m->done + batch.passed, m->total, NULL);
        }
    }
    cdul_loader_close(loader);
    if (status == CDUL_OK) status = write_shard(m, pass, shard, err);
    m->done += count;
    return status;
}

static cdul_status make_pass(maker *m, const cdul_image_views *like, size_t pass, size_t *rows,
                             cdul_error *err) {
    cdul_image_views views = *like;
    views.plain = pass == 0;
    views.epoch = pass == 0 ? 0 : pass - 1;
    cdul_status status = CDUL_OK;
    for (size_t shard = 0; shard < m->cache->shard_count && status == CDUL_OK; shard++)
        if (!m->cache->passes[pass].shards[shard])
            status = make_shard(m, &views, pass, shard, rows, err);
    return status;
}

cdul_status cdul_activations_make(cdul_activations *cache, cdul_dataset *data, cdul_resnet *net,
                                  const cdul_image_views *views, const cdul_callbacks *callbacks,
                                  cdul_error *err) {
    maker m = {.cache = cache, .data = data, .net = net, .callbacks = callbacks};
    size_t rows_bytes = cache->shard_rows * sizeof(size_t);
    for (size_t pass = 0; pass <= cache->options.copies; pass++) {
        for (size_t shard = 0; shard < cache->shard_count; shard++) {
            size_t first, rows = cdul_activations_shard_rows(cache, shard, &first);
            if (!cache->passes[pass].shards[shard]) m.total += rows;
        }
    }
    size_t *rows = malloc(rows_bytes);
    m.records = malloc(cache->shard_rows * cache->record_bytes);
    m.batch = malloc(cache->options.batch * cache->record_bytes);
    cdul_status status =
        rows && m.records && m.batch ? CDUL_OK : cdul_fail_memory(err, "a shard of activations");
    if (status == CDUL_OK) {
        cdul_progress_begin(callbacks, "activations", m.total);
        for (size_t pass = 0; pass <= cache->options.copies && status == CDUL_OK; pass++)
            status = make_pass(&m, views, pass, rows, err);
        cdul_progress_end(callbacks);
    }
    free(m.records);
    free(m.batch);
    free(rows);
    return status;
}
