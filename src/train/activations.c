/* The cache of frozen stages' outputs: its key, its shards, and making those that are missing. */
#include "train/activations.h"

#include "base/file.h"
#include "base/progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A shard is what is written at once, and so what an interrupt can cost. */
#define SHARD_BYTES ((size_t)64 << 20)
#define FORMAT      2
#define NAME_BYTES  64

/* The cache being opened, and the shard that is being filled, row by row. */
typedef struct maker {
    cdul_activations *cache;
    const cdul_train_params *params;
    cdul_dataset *data;
    const cdul_resnet *net;
    cdul_image_views views; /* of this shard */
    uint16_t *records; /* [shard_rows, record] */
    uint16_t *batch; /* [batch, record] */
    size_t *rows; /* [shard_rows]: those that have pixels */
    size_t first; /* row of the shard */
    size_t done, total; /* rows to make, of all passes */
} maker;

/* --- The key --- */

static cdul_status hash_weights(const cdul_resnet *net, unsigned long long *hash, cdul_error *err) {
    for (size_t i = 0; i < net->entry_count; i++) {
        const cdul_resnet_entry *entry = &net->entries[i];
        if (entry->stage > net->options.freeze) continue;
        size_t count = cdul_tensor_elements(entry->tensor);
        float *values = malloc(count * sizeof *values);
        if (!values) return cdul_fail_memory(err, "a tensor");
        cdul_scope scope = {.no_grad = true};
        cdul_tensor_read(&scope, entry->tensor, CDUL_F32, values, count);
        *hash = cdul_hash(*hash, values, count * sizeof *values);
        free(values);
        cdul_status status = cdul_scope_close(&scope, err);
        if (status != CDUL_OK) return status;
    }
    return CDUL_OK;
}

/* Names, sizes and times: a changed file is seen without reading it. */
static cdul_status hash_images(const cdul_dataset *data, unsigned long long *hash,
                               cdul_error *err) {
    for (size_t i = 0; i < data->labels.images.count; i++) {
        const char *name = data->labels.images.items[i], *path = data->paths.items[i];
        struct stat info = {0};
        if (path[0] && stat(path, &info) != 0) {
            if (errno != ENOENT) return cdul_fail_errno(err, "%s", path);
            info = (struct stat){0};
        }
        long long facts[] = {(long long)info.st_size, (long long)info.st_mtim.tv_sec,
                             (long long)info.st_mtim.tv_nsec};
        *hash = cdul_hash(*hash, name, strlen(name) + 1);
        *hash = cdul_hash(*hash, facts, sizeof facts);
    }
    return CDUL_OK;
}

static bool add_hash(cJSON *key, const char *name, unsigned long long hash) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", hash);
    return cJSON_AddStringToObject(key, name, text) != NULL;
}

/* False, here and below: no memory. A key that lacks a member would be another cache's. */
static bool add_views(cJSON *key, const cdul_image_views *views) {
    const cdul_preprocess *p = &views->preprocess;
    const cdul_augment_options *a = &views->augment;
    const unsigned char *background = views->decode.background;
    return cJSON_AddBoolToObject(key, "exif", views->decode.exif) &&
           cJSON_AddNumberToObject(key, "background",
                                   background[0] * 65536 + background[1] * 256 + background[2]) &&
           cJSON_AddNumberToObject(key, "max_pixels", (double)views->decode.max_pixels) &&
           cJSON_AddNumberToObject(key, "width", (double)p->width) &&
           cJSON_AddNumberToObject(key, "height", (double)p->height) &&
           cJSON_AddNumberToObject(key, "resize", p->mode) &&
           cJSON_AddNumberToObject(key, "filter", p->filter) &&
           cJSON_AddNumberToObject(key, "scale", (double)p->scale) &&
           cJSON_AddItemToObject(key, "mean", cJSON_CreateFloatArray(p->mean, 3)) &&
           cJSON_AddItemToObject(key, "std", cJSON_CreateFloatArray(p->std, 3)) &&
           cJSON_AddNumberToObject(key, "crop_scale", a->scale) &&
           cJSON_AddBoolToObject(key, "flip", a->flip) &&
           cJSON_AddNumberToObject(key, "brightness", a->brightness) &&
           cJSON_AddNumberToObject(key, "contrast", a->contrast) &&
           cJSON_AddNumberToObject(key, "saturation", a->saturation) &&
           add_hash(key, "seed", views->seed);
}

/* Everything the records depend on. Not the number of copies: a run with more of them adds to the
 * cache. */
static cdul_status make_key(const maker *m, cJSON *key, cdul_error *err) {
    const cdul_resnet_options *net = &m->net->options;
    unsigned long long weights = CDUL_HASH_START, images = CDUL_HASH_START;
    cdul_status status = hash_weights(m->net, &weights, err);
    if (status == CDUL_OK) status = hash_images(m->data, &images, err);
    if (status != CDUL_OK) return status;
    bool good = cJSON_AddNumberToObject(key, "format", FORMAT) &&
                cJSON_AddStringToObject(key, "architecture", net->arch->name) &&
                cJSON_AddNumberToObject(key, "stages", (double)net->freeze) &&
                add_hash(key, "weights", weights) &&
                cJSON_AddBoolToObject(key, "bfloat16", net->bfloat16) &&
                cJSON_AddBoolToObject(key, "cuda", net->device.cuda) && add_views(key, &m->views) &&
                cJSON_AddNumberToObject(key, "images", (double)m->data->labels.images.count) &&
                add_hash(key, "image_list", images);
    return good ? CDUL_OK : cdul_fail_memory(err, "the key of the activation cache");
}

/* <folder of all caches>/<hash of key>. That folder is "activations" beside the run folder unless
 * the caller names one: the runs of one project share it. NULL: no memory. */
static char *folder_of(const cdul_train_params *p, const char *key) {
    char name[17], *path = NULL;
    snprintf(name, sizeof name, "%016llx", cdul_hash(CDUL_HASH_START, key, strlen(key)));
    if (p->activation_cache) return cdul_path_join(p->activation_cache, name);
    size_t length = strlen(p->output);
    while (length > 1 && p->output[length - 1] == '/') length--;
    while (length > 0 && p->output[length - 1] != '/') length--;
    bool good = asprintf(&path, "%.*sactivations/%s", (int)length, p->output, name) >= 0;
    return good ? path : NULL;
}

static cdul_status open_folder(const maker *m, cdul_error *err) {
    cJSON *key = cJSON_CreateObject(), *was = NULL;
    const cJSON *differs = NULL;
    cdul_status status = make_key(m, key, err);
    char *text = status == CDUL_OK ? cJSON_PrintUnformatted(key) : NULL;
    char *path = text ? folder_of(m->params, text) : NULL;
    if (status == CDUL_OK)
        status =
            path ? cdul_shards_open(&m->cache->folder, path, "key.json", key, &was, &differs, err)
                 : cdul_fail_memory(err, "the key of the activation cache");
    if (status == CDUL_OK && differs)
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s/key.json does not describe this run (%s); delete the folder", path,
                           differs->string);
    cJSON_Delete(was);
    cJSON_Delete(key);
    free(path);
    cJSON_free(text);
    return status;
}

/* --- Shards --- */

/* First row and number of rows of a shard. */
static size_t rows_of(const cdul_activations *cache, size_t shard, size_t *first) {
    *first = shard % cache->shard_count * cache->shard_rows;
    size_t left = cache->images - *first;
    return left < cache->shard_rows ? left : cache->shard_rows;
}

/* "plain-00012.safetensors", "copy0-00012.safetensors". */
static void name_of(const cdul_activations *cache, size_t shard, char name[NAME_BYTES]) {
    char pass_name[24] = "plain";
    const size_t copies = shard / cache->shard_count;
    if (copies > 0) snprintf(pass_name, sizeof pass_name, "copy%zu", copies - 1);
    snprintf(name, NAME_BYTES, "%s-%05zu.safetensors", pass_name, shard % cache->shard_count);
}

/* Metadata "skipped": the numbers of unreadable rows and the reasons, in turn. */
static cdul_status read_skipped(cdul_dataset *data, const cdul_safetensors *file, cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, "skipped");
    const char *path = cdul_safetensors_path(file);
    if (!text) return CDUL_OK;
    cdul_strings list = {0};
    cdul_status status = cdul_json_to_strings(text, strlen(text), path, &list, err);
    for (size_t i = 0; status == CDUL_OK && i + 1 < list.count; i += 2) {
        char *end = NULL;
        unsigned long long row = strtoull(list.items[i], &end, 10);
        if (end == list.items[i] || *end || row >= data->labels.images.count)
            status =
                cdul_fail(err, CDUL_ERR_INPUT, "%s: skipped: no row \"%s\"", path, list.items[i]);
        else
            status = cdul_dataset_skip(data, (size_t)row, list.items[i + 1], err);
    }
    cdul_strings_free(&list);
    return status;
}

/* Opens, checks, and marks the images that it says could not be read. CDUL_ERR_INPUT: damaged. */
static cdul_status open_shard(maker *m, size_t shard, const char *name, cdul_error *err) {
    cdul_shard *out = &m->cache->shards[shard];
    size_t first, rows = rows_of(m->cache, shard, &first);
    cdul_status status = cdul_shard_open(&m->cache->folder, name, out, err);
    if (status == CDUL_OK && out->rows != rows)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %zu records; expected %zu",
                           cdul_safetensors_path(out->file), out->rows, rows);
    if (status == CDUL_OK) status = cdul_shard_check(out, err);
    if (status == CDUL_OK) status = read_skipped(m->data, out->file, err);
    if (status != CDUL_OK) cdul_shard_close(out);
    return status;
}

/* Opens what is there; what is damaged counts as missing, and the new shard takes its place. */
static cdul_status open_shards(maker *m, cdul_error *err) {
    cdul_activations *cache = m->cache;
    for (size_t shard = 0; shard < cache->total; shard++) {
        cdul_status status = CDUL_OK;
        char name[NAME_BYTES];
        name_of(cache, shard, name);
        char *path = cdul_path_join(cache->folder.folder, name);
        cdul_error why = {{0}};
        size_t first;
        if (!path) return cdul_fail_memory(err, "a path");
        if (cdul_path_exists(path)) status = open_shard(m, shard, name, &why);
        free(path);
        if (status == CDUL_ERR_INPUT)
            cdul_warn(m->params->callbacks, "%s; it is computed again", why.message);
        else if (status != CDUL_OK)
            return cdul_fail(err, status, "%s", why.message);
        if (!cache->shards[shard].file) m->total += rows_of(cache, shard, &first);
        if (cdul_stopped(m->params->callbacks))
            return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
    }
    return CDUL_OK;
}

/* --- Computing what is missing --- */

/* The rows of the shard that have no pixels, with reasons, as the text of metadata "skipped". */
static cdul_status list_skipped(const cdul_dataset *data, size_t first, size_t rows, char **out,
                                cdul_error *err) {
    cdul_strings list = {0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < data->list.paths.count; i++) {
        for (size_t row = first; row < first + rows && status == CDUL_OK; row++) {
            char number[24];
            if (!data->skipped[row] ||
                strcmp(data->labels.images.items[row], data->list.paths.items[i]) != 0)
                continue;
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

static cdul_status forward(maker *m, const cdul_batch *batch, cdul_error *err) {
    cdul_scope s = {.no_grad = true};
    size_t shape[4] = {batch->count, 3, m->views.preprocess.height, m->views.preprocess.width};
    size_t count = batch->count * m->cache->record_bytes / sizeof(uint16_t);
    cdul_tensor *x = cdul_tensor_from(&s, batch->data, CDUL_F32, 4, shape);
    cdul_tensor *y = cdul_resnet_forward_features(&s, m->net, x, m->net->options.freeze);
    y = cdul_tensor_permute(&s, y, (size_t[]){0, 2, 3, 1});
    cdul_tensor_read(&s, y, CDUL_F16, m->batch, count);
    cdul_status status = cdul_scope_close(&s, err);
    const cdul_tensor_view halves = {.dtype = CDUL_F16, .elements = count, .data = m->batch};
    if (status != CDUL_OK || cdul_tensor_first_bad(&halves) == count) return status;
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "activations of %s and the %zu images after it exceed float16; train without "
                     "a cache (--activation-copies 0)",
                     m->data->labels.images.items[batch->rows[0]], batch->count - 1);
}

static cdul_status use_batch(void *user, const cdul_batch *batch, cdul_error *err) {
    maker *m = user;
    const size_t bytes = m->cache->record_bytes, values = bytes / sizeof(uint16_t);
    if (batch->count == 0) return CDUL_OK;
    cdul_status status = forward(m, batch, err);
    for (size_t i = 0; status == CDUL_OK && i < batch->count; i++)
        memcpy(m->records + (batch->rows[i] - m->first) * values, m->batch + i * values, bytes);
    cdul_progress_update(m->params->callbacks, m->done + batch->passed, m->total, NULL);
    return status;
}

static cdul_status make_shard(maker *m, size_t shard, cdul_error *err) {
    cdul_activations *cache = m->cache;
    const size_t copies = shard / cache->shard_count; /* 0 = plain, 1 + k = copy k */
    m->views.plain = copies == 0;
    m->views.epoch = copies == 0 ? 0 : copies - 1;
    size_t count = rows_of(cache, shard, &m->first), wanted = 0;
    for (size_t row = m->first; row < m->first + count; row++)
        if (!m->data->skipped[row]) m->rows[wanted++] = row;
    memset(m->records, 0, count * cache->record_bytes);
    char name[NAME_BYTES], *skipped = NULL;
    name_of(cache, shard, name);
    const cdul_source source = cdul_image_views_source(&m->views);
    cdul_status status =
        cdul_pass_run(&(cdul_pass){m->params, m->data, source, m->rows, wanted, use_batch, m}, err);
    if (status == CDUL_OK) status = list_skipped(m->data, m->first, count, &skipped, err);
    const cdul_metadata metadata = {"skipped", skipped};
    const void *const data[] = {m->records};
    if (status == CDUL_OK)
        status = cdul_shard_write(&cache->folder, name, count, data, &metadata, 1, err);
    if (status == CDUL_OK) status = open_shard(m, shard, name, err);
    m->done += count;
    free(skipped);
    return status;
}

static cdul_status check_disk(const cdul_activations *cache, size_t rows, cdul_error *err) {
    struct statvfs disk;
    const char *folder = cache->folder.folder;
    if (statvfs(folder, &disk) != 0) return cdul_fail_errno(err, "%s", folder);
    double want = (double)rows * (double)cache->record_bytes;
    double have = (double)disk.f_bavail * (double)disk.f_frsize;
    if (want < have) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_IO,
                     "%s: the activation cache needs %.1f GB more and the disk has %.1f GB; choose "
                     "another folder, fewer copies or a smaller size",
                     folder, want / 1e9, have / 1e9);
}

static cdul_status make_shards(maker *m, cdul_error *err) {
    const cdul_activations *cache = m->cache;
    cdul_status status = check_disk(cache, m->total, err);
    if (status != CDUL_OK) return status;
    m->rows = malloc(cache->shard_rows * sizeof *m->rows);
    m->records = malloc(cache->shard_rows * cache->record_bytes);
    m->batch = malloc(m->params->batch * cache->record_bytes);
    if (!m->rows || !m->records || !m->batch)
        status = cdul_fail_memory(err, "a shard of activations");
    if (status == CDUL_OK) {
        cdul_progress_begin(m->params->callbacks, "activations", m->total);
        for (size_t shard = 0; status == CDUL_OK && shard < cache->total; shard++)
            if (!cache->shards[shard].file) status = make_shard(m, shard, err);
        cdul_progress_end(m->params->callbacks);
    }
    free(m->rows);
    free(m->records);
    free(m->batch);
    return status;
}

/* --- Opening --- */

/* A run at work on the same cache is waited for: its shards are then found. */
static cdul_status take_lock(cdul_shards *folder, const cdul_callbacks *callbacks,
                             cdul_error *err) {
    for (bool said = false;; said = true) {
        cdul_status status = cdul_shards_lock(folder, err);
        if (status != CDUL_OK || folder->lock >= 0) return status;
        if (cdul_stopped(callbacks)) return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        if (!said)
            cdul_say(callbacks, "another run is making the activation cache %s: waiting",
                     folder->folder);
        usleep(200000);
    }
}

/* Runs one black image through the frozen stages to learn what they return, and divides the passes
 * over the set into shards of such records. */
static cdul_status lay_out(const maker *m, cdul_error *err) {
    cdul_activations *cache = m->cache;
    cdul_scope s = {.no_grad = true};
    size_t image[4] = {1, 3, m->views.preprocess.height, m->views.preprocess.width};
    cdul_tensor *x = cdul_tensor_full(&s, 0, CDUL_F32, 4, image);
    cdul_tensor *y = cdul_resnet_forward_features(&s, m->net, x, m->net->options.freeze);
    y = cdul_tensor_permute(&s, y, (size_t[]){0, 2, 3, 1});
    const size_t bytes = cdul_tensor_elements(y) * sizeof(uint16_t);
    cdul_shard_form *form = &cache->folder.form;
    *form = (cdul_shard_form){1, {cdul_tensor_declare(y, "activations")}, .sealed = true};
    form->tensors[0].dtype = CDUL_F16;
    form->tensors[0].shape[0] = 0;
    cdul_status status = cdul_scope_close(&s, err);
    if (status != CDUL_OK) return status;
    memcpy(cache->shape, form->tensors[0].shape + 1, sizeof cache->shape);
    cache->record_bytes = bytes;
    cache->images = m->data->labels.images.count;
    cache->copies = m->params->activation_copies;
    cache->shard_rows = bytes < SHARD_BYTES ? SHARD_BYTES / bytes : 1;
    cache->shard_count = (cache->images + cache->shard_rows - 1) / cache->shard_rows;
    cache->total = (1 + cache->copies) * cache->shard_count;
    cache->shards = calloc(cache->total, sizeof *cache->shards);
    return cache->shards ? CDUL_OK : cdul_fail_memory(err, "the activation cache");
}

cdul_status cdul_activations_open(cdul_activations *cache, const cdul_train_params *p,
                                  cdul_dataset *data, const cdul_resnet *net,
                                  const cdul_image_views *views, cdul_error *err) {
    maker m = {.cache = cache, .params = p, .data = data, .net = net, .views = *views};
    cache->folder.lock = -1;
    cdul_status status = open_folder(&m, err);
    if (status == CDUL_OK) status = lay_out(&m, err);
    if (status == CDUL_OK) status = take_lock(&cache->folder, p->callbacks, err);
    if (status == CDUL_OK) status = open_shards(&m, err);
    if (status == CDUL_OK && m.total > 0) status = make_shards(&m, err);
    cdul_lock_release(&cache->folder.lock);
    return status;
}

void cdul_activations_close(cdul_activations *cache) {
    if (!cache->folder.folder) return;
    for (size_t i = 0; cache->shards && i < cache->total; i++) cdul_shard_close(&cache->shards[i]);
    free(cache->shards);
    cdul_shards_close(&cache->folder);
    *cache = (cdul_activations){0};
}

/* --- Use --- */

static cdul_status read_record(const void *user, size_t row, void *out, cdul_error *err) {
    (void)err; /* opening has checked all shards */
    const cdul_shard *shards = user; /* of the pass; all but the last are as long as the first */
    size_t bytes = shards->tensors[0].elements / shards->rows * sizeof(uint16_t);
    const unsigned char *data = shards[row / shards->rows].tensors[0].data;
    memcpy(out, data + row % shards->rows * bytes, bytes);
    return CDUL_OK;
}

cdul_source cdul_activations_source(const cdul_activations *cache, const cdul_image_views *views) {
    const size_t pass = views->plain ? 0 : 1 + views->epoch % cache->copies;
    return (cdul_source){cache->record_bytes, read_record,
                         cache->shards + pass * cache->shard_count};
}
