/* A folder of shards: its key, its lock, and the shards, which are listed, checked, written and set
 * aside. */
#include "base/shards.h"

#include "base/file.h"
#include "base/progress.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Makes the state of a hash a complete type: it needs no allocation that could fail. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#define MAX_METADATA 4 /* of a shard, the checksum included */

/* --- The folder --- */

/* Writes the key of a new folder. Shards that are there without one are of unknown origin. */
static cdul_status write_key(const char *folder, const char *path, const cJSON *key,
                             cdul_error *err) {
    cdul_strings shards = {0};
    cdul_status status = cdul_shards_list(folder, &shards, err);
    if (status == CDUL_OK && shards.count > 0)
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: shards but no %s, so what they were made with is not known; use "
                           "another folder, or delete this one",
                           folder, cdul_path_base(path));
    if (status == CDUL_OK) status = cdul_json_write(path, key, err);
    cdul_strings_free(&shards);
    return status;
}

cdul_status cdul_shards_open(cdul_shards *out, const char *folder, const char *key_file,
                             const cJSON *key, cJSON **was, const cJSON **part, cdul_error *err) {
    out->folder = strdup(folder);
    out->lock = -1;
    *was = NULL;
    *part = NULL;
    char *path = cdul_path_join(folder, key_file);
    cdul_status status = out->folder && path ? CDUL_OK : cdul_fail_memory(err, folder);
    if (status == CDUL_OK) status = cdul_path_make_folder(folder, err);
    if (status == CDUL_OK)
        status = cdul_path_exists(path) ? cdul_json_read(path, was, err)
                                        : write_key(folder, path, key, err);
    for (const cJSON *item = key->child; *was && item && !*part; item = item->next)
        if (!cJSON_Compare(item, cJSON_GetObjectItemCaseSensitive(*was, item->string), true))
            *part = item;
    free(path);
    return status;
}

void cdul_shards_close(cdul_shards *shards) {
    cdul_lock_release(&shards->lock);
    free(shards->folder);
    shards->folder = NULL;
}

cdul_status cdul_shards_lock(cdul_shards *shards, cdul_error *err) {
    cdul_status status = cdul_lock_try(shards->folder, &shards->lock, err);
    if (shards->lock >= 0) cdul_file_sweep(shards->folder);
    return status;
}

static int is_numbered(const struct dirent *entry) {
    const char *name = entry->d_name;
    if (strspn(name, "0123456789") != 6) return false;
    return strcmp(name + 6, ".safetensors") == 0 || strcmp(name + 6, ".safetensors.damaged") == 0;
}

cdul_status cdul_shards_list(const char *folder, cdul_strings *names, cdul_error *err) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_numbered, NULL);
    if (count < 0) return cdul_fail_errno(err, "%s: cannot be read", folder);
    cdul_status status = CDUL_OK;
    for (int i = 0; i < count; i++) {
        if (status == CDUL_OK) status = cdul_strings_add(names, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    cdul_strings_sort(names);
    return status;
}

void cdul_shards_set_aside(const cdul_shards *shards, const char *name, const char *reason,
                           const char *remedy, const cdul_callbacks *callbacks) {
    char *from = cdul_path_join(shards->folder, name), *to = NULL;
    bool renamed = from && asprintf(&to, "%s.damaged", from) >= 0 && rename(from, to) == 0;
    cdul_warn(callbacks, "%s; %s (%s%s)", reason, remedy,
              renamed ? "kept as " : "it could not be renamed: ",
              renamed ? cdul_path_base(to) : strerror(errno));
    free(from);
    free(to);
}

/* --- Reading --- */

cdul_status cdul_shard_open(const cdul_shards *shards, const char *name, cdul_shard *out,
                            cdul_error *err) {
    *out = (cdul_shard){.sealed = shards->form.sealed};
    char *path = cdul_path_join(shards->folder, name);
    cdul_status status = path ? cdul_safetensors_open(path, &out->file, err)
                              : cdul_fail_memory(err, "path of a shard");
    for (size_t i = 0; status == CDUL_OK && i < shards->form.tensor_count; i++) {
        cdul_tensor_decl want = shards->form.tensors[i];
        cdul_tensor_view *got = &out->tensors[i];
        want.shape[0] = out->rows;
        status = cdul_safetensors_expect(out->file, want.name, want.rank, want.shape, got, err);
        if (status == CDUL_OK && (got->dtype != want.dtype || got->shape[0] == 0))
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: tensor \"%s\": is not %s or has no rows",
                               path, want.name, cdul_dtype_name(want.dtype));
        out->rows = got->shape[0];
    }
    if (status == CDUL_OK && !out->sealed) {
        const char *sum = cdul_safetensors_metadata(out->file, "checksum");
        if (!sum || sscanf(sum, "%" SCNx64, &out->checksum) != 1)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no metadata \"checksum\"", path);
    }
    if (status != CDUL_OK) cdul_shard_close(out);
    free(path);
    return status;
}

/* XXH3-64 of arrays, one after the other. */
static uint64_t hash_of(const void *const *data, const size_t *bytes, size_t count) {
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < count; i++)
        if (bytes[i]) XXH3_64bits_update(&state, data[i], bytes[i]);
    return XXH3_64bits_digest(&state);
}

/* The tensors in the order of the form: other writers may have them in another in the file. */
static bool matches(const cdul_shard *shard) {
    const void *data[CDUL_SHARD_TENSORS];
    size_t bytes[CDUL_SHARD_TENSORS];
    if (shard->sealed) return cdul_safetensors_check(shard->file, NULL) == CDUL_OK;
    for (size_t i = 0; i < CDUL_SHARD_TENSORS; i++) {
        data[i] = shard->tensors[i].data;
        bytes[i] = shard->tensors[i].elements * cdul_dtype_size(shard->tensors[i].dtype);
    }
    return shard->checksum == hash_of(data, bytes, CDUL_SHARD_TENSORS);
}

cdul_status cdul_shard_check(cdul_shard *shard, cdul_error *err) {
    if (shard->state == CDUL_SHARD_UNCHECKED)
        shard->state = matches(shard) ? CDUL_SHARD_INTACT : CDUL_SHARD_DAMAGED;
    if (shard->state == CDUL_SHARD_INTACT) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: damaged: its %s do not match its checksum",
                     cdul_safetensors_path(shard->file), shard->sealed ? "bytes" : "data");
}

void cdul_shard_close(cdul_shard *shard) {
    cdul_safetensors_close(shard->file);
    *shard = (cdul_shard){0};
}

/* --- Writing --- */

cdul_status cdul_shard_write(const cdul_shards *shards, const char *name, size_t rows,
                             const void *const *data, const cdul_metadata *metadata,
                             size_t n_metadata, cdul_error *err) {
    const size_t count = shards->form.tensor_count;
    const bool sealed = shards->form.sealed;
    cdul_tensor_decl tensors[CDUL_SHARD_TENSORS + 1];
    cdul_metadata all[MAX_METADATA];
    size_t elements, bytes[CDUL_SHARD_TENSORS] = {0};
    char sum[20] = "", *path = cdul_path_join(shards->folder, name);
    cdul_safetensors_writer *writer = NULL;
    cdul_status status = path ? CDUL_OK : cdul_fail_memory(err, "path of a shard");
    for (size_t i = 0; i < count; i++) {
        tensors[i] = shards->form.tensors[i];
        tensors[i].shape[0] = rows;
        cdul_tensor_bytes(tensors[i].dtype, tensors[i].rank, tensors[i].shape, &elements,
                          bytes + i);
    }
    tensors[count] = CDUL_SEAL;
    if (n_metadata) memcpy(all, metadata, n_metadata * sizeof *all);
    all[n_metadata] = (cdul_metadata){"checksum", sum};
    if (!sealed) snprintf(sum, sizeof sum, "%016" PRIx64, hash_of(data, bytes, count));
    if (status == CDUL_OK)
        status = cdul_safetensors_create(path, all, n_metadata + !sealed, tensors, count + sealed,
                                         &writer, err);
    for (size_t i = 0; status == CDUL_OK && i < count; i++)
        status = cdul_safetensors_append(writer, data[i], bytes[i], err);
    if (status == CDUL_OK && sealed) status = cdul_safetensors_seal(writer, err);
    if (status == CDUL_OK) status = cdul_safetensors_commit(&writer, err);
    cdul_safetensors_discard(&writer);
    free(path);
    return status;
}
