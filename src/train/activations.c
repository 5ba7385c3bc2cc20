#include "train/activations_internal.h"

#include "base/file.h"
#include "base/json.h"
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

/* --- The key --- */

static cdul_status hash_weights(cdul_resnet *net, unsigned long long *hash, cdul_error *err) {
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
    const double mean[3] = {(double)p->mean[0], (double)p->mean[1], (double)p->mean[2]};
    const double std[3] = {(double)p->std[0], (double)p->std[1], (double)p->std[2]};
    return cJSON_AddBoolToObject(key, "exif", views->decode.exif) &&
           cJSON_AddNumberToObject(key, "background",
                                   background[0] * 65536 + background[1] * 256 + background[2]) &&
           cJSON_AddNumberToObject(key, "max_pixels", (double)views->decode.max_pixels) &&
           cJSON_AddNumberToObject(key, "width", (double)p->width) &&
           cJSON_AddNumberToObject(key, "height", (double)p->height) &&
           cJSON_AddNumberToObject(key, "resize", p->mode) &&
           cJSON_AddNumberToObject(key, "filter", p->filter) &&
           cJSON_AddNumberToObject(key, "scale", (double)p->scale) &&
           cJSON_AddItemToObject(key, "mean", cJSON_CreateDoubleArray(mean, 3)) &&
           cJSON_AddItemToObject(key, "std", cJSON_CreateDoubleArray(std, 3)) &&
           cJSON_AddNumberToObject(key, "crop_scale", a->scale) &&
           cJSON_AddBoolToObject(key, "flip", a->flip) &&
           cJSON_AddNumberToObject(key, "brightness", a->brightness) &&
           cJSON_AddNumberToObject(key, "contrast", a->contrast) &&
           cJSON_AddNumberToObject(key, "saturation", a->saturation) &&
           add_hash(key, "seed", views->seed);
}

/* Everything the records depend on. Not the number of copies: a run with more of them adds to the
 * cache. */
static cdul_status make_key(const cdul_dataset *data, cdul_resnet *net,
                            const cdul_image_views *views, cJSON **out, cdul_error *err) {
    unsigned long long weights = CDUL_HASH_START, images = CDUL_HASH_START;
    cdul_status status = hash_weights(net, &weights, err);
    if (status == CDUL_OK) status = hash_images(data, &images, err);
    if (status != CDUL_OK) return status;
    cJSON *key = cJSON_CreateObject();
    bool good = cJSON_AddNumberToObject(key, "format", FORMAT) &&
                cJSON_AddStringToObject(key, "architecture", net->options.arch->name) &&
                cJSON_AddNumberToObject(key, "stages", (double)net->options.freeze) &&
                add_hash(key, "weights", weights) &&
                cJSON_AddBoolToObject(key, "bfloat16", net->options.bfloat16) &&
                cJSON_AddBoolToObject(key, "cuda", net->options.device.cuda) &&
                add_views(key, views) &&
                cJSON_AddNumberToObject(key, "images", (double)data->labels.images.count) &&
                add_hash(key, "image_list", images);
    if (good) {
        *out = key;
        return CDUL_OK;
    }
    cJSON_Delete(key);
    return cdul_fail_memory(err, "the key of the activation cache");
}

/* Creates <folder>/<hash of key>/key.json, or checks the one that is there. */
static cdul_status find_folder(cdul_activations *cache, const cJSON *key, cdul_error *err) {
    char name[32];
    char *text = cJSON_PrintUnformatted(key), *file = NULL;
    if (!text) return cdul_fail_memory(err, "the key of the activation cache");
    snprintf(name, sizeof name, "%016llx", cdul_hash(CDUL_HASH_START, text, strlen(text)));
    free(text);
    cache->path = cdul_path_join(cache->options.folder, name);
    if (cache->path) file = cdul_path_join(cache->path, "key.json");
    if (!file) return cdul_fail_memory(err, "a path");
    cJSON *there = NULL;
    cdul_status status = cdul_path_make_folder(cache->path, err);
    if (status == CDUL_OK && !cdul_path_exists(file)) {
        status = cdul_json_write(file, key, err);
    } else if (status == CDUL_OK) {
        status = cdul_json_read(file, &there, err);
        if (status == CDUL_OK && !cJSON_Compare(key, there, true))
            status = cdul_fail(err, CDUL_ERR_INPUT,
                               "%s does not describe this run; delete the folder", file);
    }
    cJSON_Delete(there);
    free(file);
    return status;
}

/* --- Shards --- */

size_t cdul_activations_shard_rows(const cdul_activations *cache, size_t shard, size_t *first) {
    *first = shard * cache->shard_rows;
    size_t left = cache->images - *first;
    return left < cache->shard_rows ? left : cache->shard_rows;
}

char *cdul_activations_shard_path(const cdul_activations *cache, size_t pass, size_t shard) {
    char name[64];
    if (pass == 0)
        snprintf(name, sizeof name, "plain-%05zu.safetensors", shard);
    else
        snprintf(name, sizeof name, "copy%zu-%05zu.safetensors", pass - 1, shard);
    return cdul_path_join(cache->path, name);
}

/* Metadata "skipped": the numbers of unreadable rows and the reasons, in turn. */
static cdul_status read_skipped(const cdul_activations *cache, cdul_dataset *data,
                                const cdul_safetensors *file, cdul_error *err) {
    const char *text = cdul_safetensors_metadata(file, "skipped");
    if (!text) return CDUL_OK;
    cdul_strings list = {0};
    cdul_status status =
        cdul_json_to_strings(text, strlen(text), cdul_safetensors_path(file), &list, err);
    for (size_t i = 0; status == CDUL_OK && i + 1 < list.count; i += 2) {
        char *end = NULL;
        unsigned long long row = strtoull(list.items[i], &end, 10);
        if (end == list.items[i] || *end || row >= cache->images)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: skipped: no row \"%s\"",
                               cdul_safetensors_path(file), list.items[i]);
        else
            status = cdul_dataset_skip(data, (size_t)row, list.items[i + 1], err);
    }
    cdul_strings_free(&list);
    return status;
}

static cdul_status read_shard(cdul_activations *cache, cdul_dataset *data, size_t pass,
                              size_t shard, cdul_safetensors *file, cdul_error *err) {
    size_t first, rows = cdul_activations_shard_rows(cache, shard, &first);
    size_t shape[4] = {rows, cache->shape[0], cache->shape[1], cache->shape[2]};
    cdul_tensor_view view;
    cdul_status status = cdul_safetensors_expect(file, "activations", 4, shape, &view, err);
    if (status == CDUL_OK && view.dtype != CDUL_F16)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: activations are not F16",
                           cdul_safetensors_path(file));
    if (status == CDUL_OK) status = read_skipped(cache, data, file, err);
    if (status == CDUL_OK) cache->passes[pass].data[shard] = view.data;
    return status;
}

cdul_status cdul_activations_open_shard(cdul_activations *cache, cdul_dataset *data, size_t pass,
                                        size_t shard, bool check, cdul_error *err) {
    char *path = cdul_activations_shard_path(cache, pass, shard);
    if (!path) return cdul_fail_memory(err, "a path");
    cdul_safetensors *file = NULL;
    cdul_status status = cdul_safetensors_open(path, &file, err);
    if (status == CDUL_OK && check) status = cdul_safetensors_check(file, err);
    if (status == CDUL_OK) status = read_shard(cache, data, pass, shard, file, err);
    if (status == CDUL_OK)
        cache->passes[pass].shards[shard] = file;
    else
        cdul_safetensors_close(file);
    free(path);
    return status;
}

/* Opens what is there; what is damaged counts as missing, and the new shard takes its place. */
static cdul_status open_shards(cdul_activations *cache, cdul_dataset *data,
                               const cdul_callbacks *callbacks, size_t *missing_rows,
                               cdul_error *err) {
    *missing_rows = 0;
    for (size_t pass = 0; pass <= cache->options.copies; pass++) {
        for (size_t shard = 0; shard < cache->shard_count; shard++) {
            char *path = cdul_activations_shard_path(cache, pass, shard);
            if (!path) return cdul_fail_memory(err, "a path");
            bool there = cdul_path_exists(path);
            free(path);
            cdul_error why = {{0}};
            cdul_status status =
                there ? cdul_activations_open_shard(cache, data, pass, shard, true, &why) : CDUL_OK;
            if (status == CDUL_ERR_INPUT)
                cdul_warn(callbacks, "%s; it is computed again", why.message);
            else if (status != CDUL_OK)
                return cdul_fail(err, status, "%s", why.message);
            size_t first, rows = cdul_activations_shard_rows(cache, shard, &first);
            if (!cache->passes[pass].shards[shard]) *missing_rows += rows;
            if (cdul_stopped(callbacks)) return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        }
    }
    return CDUL_OK;
}

/* --- Opening --- */

/* A run at work on the same cache is waited for: its shards are then found. */
static cdul_status take_lock(const cdul_activations *cache, const cdul_callbacks *callbacks,
                             int *lock, cdul_error *err) {
    for (bool said = false;; said = true) {
        cdul_status status = cdul_lock_try(cache->path, lock, err);
        if (status != CDUL_OK || *lock >= 0) return status;
        if (cdul_stopped(callbacks)) return cdul_fail(err, CDUL_ERR_CANCELLED, "interrupted");
        if (!said)
            cdul_say(callbacks, "another run is making the activation cache %s: waiting",
                     cache->path);
        usleep(200000);
    }
}

static cdul_status check_disk(const cdul_activations *cache, size_t rows, cdul_error *err) {
    struct statvfs disk;
    if (statvfs(cache->path, &disk) != 0) return cdul_fail_errno(err, "%s", cache->path);
    double want = (double)rows * (double)cache->record_bytes;
    double have = (double)disk.f_bavail * (double)disk.f_frsize;
    if (want < have) return CDUL_OK;
    return cdul_fail(
        err, CDUL_ERR_IO,
        "%s: the activation cache needs %.1f GB more and the disk has %.1f GB; choose another "
        "folder, fewer copies or a smaller size",
        cache->path, want / 1e9, have / 1e9);
}

/* Runs one black image through the frozen stages to learn what they return. */
static cdul_status find_shape(cdul_activations *cache, cdul_resnet *net,
                              const cdul_image_views *views, cdul_error *err) {
    cdul_scope s = {.no_grad = true};
    size_t shape[4] = {1, 3, views->preprocess.height, views->preprocess.width};
    cdul_tensor *x =
        cdul_tensor_to(&s, cdul_tensor_full(&s, 0, CDUL_F32, 4, shape), net->options.device);
    cdul_tensor *y = cdul_resnet_forward_features(&s, net, x, net->options.freeze);
    cache->record_bytes = sizeof(uint16_t);
    for (size_t i = 0; i < 3; i++) {
        cache->shape[i] = cdul_tensor_size(y, i < 2 ? i + 2 : 1);
        cache->record_bytes *= cache->shape[i];
    }
    return cdul_scope_close(&s, err);
}

static cdul_status allocate(cdul_activations *cache, size_t images, cdul_error *err) {
    cache->images = images;
    cache->shard_rows = SHARD_BYTES / cache->record_bytes;
    if (cache->shard_rows == 0) cache->shard_rows = 1;
    cache->shard_count = (images + cache->shard_rows - 1) / cache->shard_rows;
    cache->passes = calloc(1 + cache->options.copies, sizeof *cache->passes);
    if (!cache->passes) return cdul_fail_memory(err, "the activation cache");
    for (size_t i = 0; i <= cache->options.copies; i++) {
        cdul_activations_pass *pass = &cache->passes[i];
        pass->cache = cache;
        pass->number = i;
        pass->shards = calloc(cache->shard_count, sizeof *pass->shards);
        pass->data = calloc(cache->shard_count, sizeof *pass->data);
        if (!pass->shards || !pass->data) return cdul_fail_memory(err, "the activation cache");
    }
    return CDUL_OK;
}

static cdul_status fill(cdul_activations *cache, cdul_dataset *data, cdul_resnet *net,
                        const cdul_image_views *views, const cdul_callbacks *callbacks,
                        cdul_error *err) {
    int lock = -1;
    size_t missing = 0;
    cdul_status status = take_lock(cache, callbacks, &lock, err);
    if (status == CDUL_OK) cdul_file_sweep(cache->path);
    if (status == CDUL_OK) status = open_shards(cache, data, callbacks, &missing, err);
    if (status == CDUL_OK && missing > 0) status = check_disk(cache, missing, err);
    if (status == CDUL_OK && missing > 0)
        status = cdul_activations_make(cache, data, net, views, callbacks, err);
    cdul_lock_release(&lock);
    return status;
}

cdul_status cdul_activations_open(const cdul_activations_options *options, cdul_dataset *data,
                                  cdul_resnet *net, const cdul_image_views *views,
                                  const cdul_callbacks *callbacks, cdul_activations **out,
                                  cdul_error *err) {
    *out = NULL;
    cJSON *key = NULL;
    cdul_activations *cache = calloc(1, sizeof *cache);
    if (!cache) return cdul_fail_memory(err, "the activation cache");
    cache->options = *options;
    cdul_status status = make_key(data, net, views, &key, err);
    if (status == CDUL_OK) status = find_folder(cache, key, err);
    if (status == CDUL_OK) status = find_shape(cache, net, views, err);
    if (status == CDUL_OK) status = allocate(cache, data->labels.images.count, err);
    if (status == CDUL_OK) status = fill(cache, data, net, views, callbacks, err);
    cJSON_Delete(key);
    if (status == CDUL_OK)
        *out = cache;
    else
        cdul_activations_close(cache);
    return status;
}

void cdul_activations_close(cdul_activations *cache) {
    if (!cache) return;
    for (size_t i = 0; cache->passes && i <= cache->options.copies; i++) {
        cdul_activations_pass *pass = &cache->passes[i];
        for (size_t k = 0; pass->shards && k < cache->shard_count; k++)
            cdul_safetensors_close(pass->shards[k]);
        free(pass->shards);
        free(pass->data);
    }
    free(cache->passes);
    free(cache->path);
    free(cache);
}

/* --- Use --- */

const size_t *cdul_activations_shape(const cdul_activations *cache) {
    return cache->shape;
}

const char *cdul_activations_path(const cdul_activations *cache) {
    return cache->path;
}

static cdul_status read_record(const void *user, size_t row, void *out, cdul_error *err) {
    (void)err; /* opening has checked all shards */
    const cdul_activations_pass *pass = user;
    size_t bytes = pass->cache->record_bytes, per_shard = pass->cache->shard_rows;
    memcpy(out, pass->data[row / per_shard] + row % per_shard * bytes, bytes);
    return CDUL_OK;
}

cdul_source cdul_activations_plain(const cdul_activations *cache) {
    return (cdul_source){cache->record_bytes, read_record, &cache->passes[0]};
}

cdul_source cdul_activations_augmented(const cdul_activations *cache, size_t epoch) {
    return (cdul_source){cache->record_bytes, read_record,
                         &cache->passes[1 + epoch % cache->options.copies]};
}
