#include "encoder/cache_shard.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_STATIC_LINKING_ONLY    /* the state of a hash as a type: without memory, a shard is not \
                                      damaged */
#include <xxhash.h>

bool cdul_identity_of(const char *path, cdul_identity *out) {
    struct stat info;
    if (stat(path, &info) != 0) return false;
    out->size = (uint64_t)info.st_size;
    out->mtime = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    return true;
}

/* XXH3-64 of two arrays, one after the other. */
static uint64_t checksum(const void *a, size_t a_size, const void *b, size_t b_size) {
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, a, a_size);
    if (b_size) XXH3_64bits_update(&state, b, b_size);
    return XXH3_64bits_digest(&state);
}

/* --- Reading --- */

static cdul_status read_identities(const char *path, const char *text, size_t rows,
                                   cdul_identity **out, cdul_error *err) {
    cdul_strings list = {0};
    cdul_status status = cdul_json_to_strings(text, strlen(text), path, &list, err);
    if (status == CDUL_OK && list.count != rows)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %zu images and %zu identities", path, rows,
                           list.count);
    if (status == CDUL_OK && !(*out = calloc(rows ? rows : 1, sizeof **out)))
        status = cdul_fail_memory(err, "cache");
    for (size_t i = 0; status == CDUL_OK && i < rows; i++)
        if (sscanf(list.items[i], "%" SCNu64 " %" SCNd64, &(*out)[i].size, &(*out)[i].mtime) != 2)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: '%s' is no identity of a file", path,
                               list.items[i]);
    cdul_strings_free(&list);
    return status;
}

static cdul_status read_tensor(const cdul_shard *shard, const char *name, size_t rank,
                               size_t *shape, cdul_tensor_view *out, cdul_error *err) {
    cdul_status status = cdul_safetensors_expect(shard->file, name, rank, shape, out, err);
    if (status == CDUL_OK && out->dtype != CDUL_F16)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %s is not float16",
                           cdul_safetensors_path(shard->file), name);
    return status;
}

cdul_status cdul_shard_open(const char *path, size_t width, size_t crops, cdul_shard *out,
                            cdul_strings *names, cdul_identity **identities, cdul_error *err) {
    *out = (cdul_shard){0};
    *identities = NULL;
    cdul_status status = cdul_safetensors_open(path, &out->file, err);
    if (status != CDUL_OK) return status;
    const char *images = cdul_safetensors_metadata(out->file, "images");
    const char *files = cdul_safetensors_metadata(out->file, "identities");
    const char *sum = cdul_safetensors_metadata(out->file, "checksum");
    if (!images || !files || !sum || sscanf(sum, "%" SCNx64, &out->checksum) != 1)
        status =
            cdul_fail(err, CDUL_ERR_INPUT, "%s: no metadata images, identities and checksum", path);
    if (status == CDUL_OK) status = cdul_json_to_strings(images, strlen(images), path, names, err);
    if (status == CDUL_OK) {
        out->rows = names->count;
        size_t whole[2] = {out->rows, width}, parts[3] = {out->rows, crops, width};
        status = out->rows ? read_tensor(out, "global", 2, whole, &out->global, err)
                           : cdul_fail(err, CDUL_ERR_INPUT, "%s: no images in it", path);
        if (status == CDUL_OK && crops)
            status = read_tensor(out, "crops", 3, parts, &out->crops, err);
    }
    if (status == CDUL_OK) status = read_identities(path, files, out->rows, identities, err);
    /* a thousand shards may be open */
    if (status == CDUL_OK) cdul_safetensors_drop_metadata(out->file);
    if (status != CDUL_OK) {
        cdul_shard_close(out);
        free(*identities);
        *identities = NULL;
    }
    return status;
}

bool cdul_shard_intact(const cdul_shard *shard) {
    return shard->checksum == checksum(shard->global.data,
                                       shard->global.elements * sizeof(uint16_t), shard->crops.data,
                                       shard->crops.elements * sizeof(uint16_t));
}

void cdul_shard_release(const cdul_shard *shard) {
    cdul_safetensors_release(shard->file);
}

void cdul_shard_close(cdul_shard *shard) {
    cdul_safetensors_close(shard->file);
    *shard = (cdul_shard){0};
}

/* --- Writing --- */

static cdul_status identities_text(const cdul_identity *identities, size_t n, char **out,
                                   cdul_error *err) {
    cdul_strings list = {0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < n; i++) {
        char text[48];
        snprintf(text, sizeof text, "%" PRIu64 " %" PRId64, identities[i].size,
                 identities[i].mtime);
        status = cdul_strings_add(&list, text, err);
    }
    if (status == CDUL_OK) status = cdul_json_from_strings(&list, out, err);
    cdul_strings_free(&list);
    return status;
}

cdul_status cdul_shard_write(const char *path, size_t width, size_t n_crops,
                             const cdul_strings *names, const cdul_identity *identities,
                             const uint16_t *global, const uint16_t *crops, cdul_error *err) {
    const size_t n = names->count, whole = n * width * sizeof *global, parts = n_crops * whole;
    char *images = NULL, *files = NULL, sum[20];
    cdul_safetensors_writer *writer = NULL;
    cdul_status status = cdul_json_from_strings(names, &images, err);
    if (status == CDUL_OK) status = identities_text(identities, n, &files, err);
    if (status == CDUL_OK) {
        snprintf(sum, sizeof sum, "%016" PRIx64, checksum(global, whole, crops, parts));
        const cdul_metadata metadata[] = {
            {"images", images}, {"identities", files}, {"checksum", sum}};
        const cdul_tensor_decl tensors[] = {{"global", CDUL_F16, 2, {n, width}},
                                            {"crops", CDUL_F16, 3, {n, n_crops, width}}};
        status = cdul_safetensors_create(path, metadata, 3, tensors, n_crops ? 2 : 1, &writer, err);
    }
    if (status == CDUL_OK) status = cdul_safetensors_append(writer, global, whole, err);
    if (status == CDUL_OK && parts) status = cdul_safetensors_append(writer, crops, parts, err);
    if (status == CDUL_OK)
        status = cdul_safetensors_commit(&writer, err);
    else
        cdul_safetensors_discard(&writer);
    free(images);
    free(files);
    return status;
}
