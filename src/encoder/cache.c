/* Rows of the encoder's cache: found by name and file, read out of shards, or waiting in memory for
 * their shard to be written. */
#include "encoder/cache.h"

#include "base/file.h"
#include "base/map.h"
#include "base/progress.h"
#include "base/shards.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FLUSH_SECONDS 300 /* a row waits no longer than this for its shard */
#define MAX_NUMBER    999999 /* six digits in a shard's name */
#define SHARD_BYTES   (128 << 20)

/* Where a row's views are: in a shard, waiting to be written, or nowhere (the image was asked for
 * and is to be computed). */
enum { WAITING = -1, MISSING = -2 };

typedef struct row {
    int32_t shard; /* index into shards, or one of the above */
    uint32_t at; /* row in it, or among those that wait */
    /* What tells whether the image's file is still the same. */
    uint64_t size; /* bytes */
    int64_t mtime; /* nanoseconds; -1: there is no file */
} row;

struct cdul_cache {
    cdul_shards folder;
    const cdul_callbacks *callbacks;
    size_t sizes[CDUL_SHARD_TENSORS]; /* values of a row in each of its tensors: D and S x D */
    size_t shard_rows; /* of a full shard: CDUL_CACHE_ROWS, or fewer if they are long */
    cdul_shard *shards;
    size_t n_shards, capacity;
    size_t current, checked; /* the shards read and checked last */
    unsigned next; /* number of the next shard */

    /* Images by name, and where each is, [count of names]. */
    cdul_names names;
    row *rows;
    size_t rows_capacity;

    uint16_t *views[CDUL_SHARD_TENSORS]; /* [shard_rows, sizes[i]]: rows that wait */
    size_t *waiting; /* [shard_rows]: their rows */
    size_t n_waiting;
    double since; /* when the first of them came, monotonic */
};

/* --- Rows --- */

/* Size and time of the file as it is now; false if there is no such file. */
static bool look_at(const char *path, row *out) {
    struct stat info;
    if (stat(path, &info) != 0) return false;
    out->size = (uint64_t)info.st_size;
    out->mtime = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    return true;
}

/* The row of `name` becomes `r`; *index, if it is asked for: which that is. */
static cdul_status put_row(cdul_cache *c, const char *name, row r, size_t *index, cdul_error *err) {
    size_t at;
    cdul_status status = cdul_grow(&c->rows, c->names.list.count + 1, &c->rows_capacity,
                                   sizeof *c->rows, "cache index", err);
    if (status == CDUL_OK) status = cdul_names_get(&c->names, name, &at, err);
    if (status != CDUL_OK) return status;
    c->rows[at] = r;
    if (index) *index = at;
    return CDUL_OK;
}

/* --- Shards --- */

/* Opens c->shards[c->n_shards], which the caller counts. */
static cdul_status open_shard(cdul_cache *c, const char *name, cdul_error *err) {
    cdul_status status =
        cdul_grow(&c->shards, c->n_shards + 1, &c->capacity, sizeof *c->shards, "cache", err);
    if (status == CDUL_OK) status = cdul_shard_open(&c->folder, name, &c->shards[c->n_shards], err);
    return status;
}

/* Points the names of a shard's rows at them. */
static cdul_status index_shard(cdul_cache *c, cdul_shard *shard, cdul_error *err) {
    const char *path = cdul_safetensors_path(shard->file);
    const char *images = cdul_safetensors_metadata(shard->file, "images");
    const char *files = cdul_safetensors_metadata(shard->file, "identities");
    cdul_strings names = {0}, identities = {0};
    cdul_status status = CDUL_OK;
    if (!images || !files)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no metadata images and identities", path);
    if (status == CDUL_OK) status = cdul_json_to_strings(images, strlen(images), path, &names, err);
    if (status == CDUL_OK)
        status = cdul_json_to_strings(files, strlen(files), path, &identities, err);
    if (status == CDUL_OK && (names.count != shard->rows || identities.count != shard->rows))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %zu rows, %zu images and %zu identities", path,
                           shard->rows, names.count, identities.count);
    for (size_t i = 0; status == CDUL_OK && i < names.count; i++) {
        row r = {(int32_t)(shard - c->shards), (uint32_t)i, 0, 0};
        if (sscanf(identities.items[i], "%" SCNu64 " %" SCNd64, &r.size, &r.mtime) == 2)
            status = put_row(c, names.items[i], r, NULL, err);
        else
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: '%s' is no identity of a file", path,
                               identities.items[i]);
    }
    cdul_strings_free(&names);
    cdul_strings_free(&identities);
    cdul_safetensors_drop_metadata(shard->file); /* a thousand shards may be open */
    return status;
}

/* Takes a shard that is damaged out of use. */
static void lose(cdul_cache *c, size_t index, const char *name, const char *reason) {
    for (size_t i = 0; i < c->names.list.count; i++)
        if (c->rows[i].shard == (int32_t)index) c->rows[i].shard = MISSING;
    cdul_shards_set_aside(&c->folder, name, reason, "its images will be computed again",
                          c->callbacks);
}

static cdul_status load_shard(cdul_cache *c, const char *name, cdul_error *err) {
    cdul_error why = {{0}};
    cdul_status status = open_shard(c, name, &why);
    if (status == CDUL_OK) status = index_shard(c, &c->shards[c->n_shards], &why);
    if (status == CDUL_OK) {
        c->n_shards++;
        return CDUL_OK;
    }
    if (status != CDUL_ERR_INPUT) return cdul_fail(err, status, "%s", why.message);
    lose(c, c->n_shards, name, why.message);
    cdul_shard_close(&c->shards[c->n_shards]);
    return CDUL_OK;
}

/* Loads the shards from number c->next on, in order: all of them at first, then those that others
 * have written. The number of one that was set aside is not used again. */
static cdul_status load_new_shards(cdul_cache *c, cdul_error *err) {
    cdul_strings names = {0};
    const unsigned first = c->next;
    cdul_status status = cdul_shards_list(c->folder.folder, &names, err);
    for (size_t i = 0; status == CDUL_OK && i < names.count; i++) {
        const char *name = names.items[i];
        const unsigned number = (unsigned)strtoul(name, NULL, 10);
        if (number < first) continue;
        c->next = number + 1;
        if (strcmp(cdul_path_extension(name), ".safetensors") == 0)
            status = load_shard(c, name, err);
    }
    cdul_strings_free(&names);
    return status;
}

/* --- Opening --- */

static cdul_status refuse(const cdul_cache *c, const cJSON *was, const cJSON *is, cdul_error *err) {
    static const struct {
        const char *key, *what;
    } parts[] = {
        {"version", "version of the cache's layout"},
        {"encoder", "encoder (the image tower's file)"},
        {"width", "embedding width"},
        {"preprocess", "preprocessing"},
        {"decode", "decoding of pictures"},
        {"crops", "choice of --local or --grid"},
        {"mirror", "choice of --mirror"},
    };
    const char *folder = c->folder.folder, *what = is->string;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].key, is->string) == 0) what = parts[i].what;
    const cJSON *old = cJSON_GetObjectItemCaseSensitive(was, is->string);
    if (!old)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s/cache.json: no key '%s': not a cache's", folder,
                         is->string);
    const char *before = cJSON_GetStringValue(old), *now = cJSON_GetStringValue(is);
    if (!now) before = NULL; /* crops against patch tokens */
    return cdul_fail(err, CDUL_ERR_USAGE,
                     "%s: this cache was made with another %s%s%s%s%s%s; use another --cache "
                     "folder, or delete this one",
                     folder, what, before ? ": '" : "", before ? before : "",
                     before ? "', now '" : "", before ? now : "", before ? "'" : "");
}

cdul_status cdul_cache_open_key(const char *folder, const cJSON *key, size_t width, size_t locals,
                                const cdul_callbacks *callbacks, cdul_cache **out,
                                cdul_error *err) {
    *out = NULL;
    cJSON *was = NULL;
    const cJSON *differs = NULL;
    cdul_cache *c = calloc(1, sizeof *c);
    if (!c) return cdul_fail_memory(err, "cache");
    c->folder.lock = -1;
    c->callbacks = callbacks;
    c->folder.form = (cdul_shard_form){.tensor_count = locals ? 2 : 1,
                                       .tensors = {{"global", CDUL_F16, 2, {0, width}},
                                                   {"crops", CDUL_F16, 3, {0, locals, width}}}};
    c->sizes[0] = width;
    c->sizes[1] = locals * width;
    c->shard_rows = SHARD_BYTES / ((1 + locals) * width * sizeof **c->views);
    if (c->shard_rows > CDUL_CACHE_ROWS) c->shard_rows = CDUL_CACHE_ROWS;
    if (c->shard_rows == 0) c->shard_rows = 1;
    /* The key first: a shard of another width is not damaged. */
    cdul_status status =
        cdul_shards_open(&c->folder, folder, "cache.json", key, &was, &differs, err);
    if (status == CDUL_OK && differs) status = refuse(c, was, differs, err);
    if (status == CDUL_OK) status = load_new_shards(c, err);
    cJSON_Delete(was);
    if (status == CDUL_OK)
        *out = c;
    else
        cdul_cache_close(c);
    return status;
}

void cdul_cache_close(cdul_cache *c) {
    if (!c) return;
    for (size_t i = 0; i < c->n_shards; i++) cdul_shard_close(&c->shards[i]);
    cdul_shards_close(&c->folder);
    cdul_names_free(&c->names);
    free(c->shards);
    free(c->rows);
    for (size_t i = 0; i < CDUL_SHARD_TENSORS; i++) free(c->views[i]);
    free(c->waiting);
    free(c);
}

/* --- Reading --- */

size_t cdul_cache_find(cdul_cache *c, const char *name, const char *path) {
    row now = {.shard = MISSING};
    if (!look_at(path, &now)) return CDUL_NOT_FOUND;
    size_t index = cdul_index_find(&c->names, name);
    if (index == CDUL_NOT_FOUND) {
        /* What the file is now, before it is decoded, is what the views to come belong to; without
         * memory for that, append looks at the file itself. */
        cdul_status noted = put_row(c, name, now, NULL, NULL);
        (void)noted;
        return CDUL_NOT_FOUND;
    }
    row *r = &c->rows[index];
    if (now.size != r->size || now.mtime != r->mtime) *r = now;
    return r->shard == MISSING ? CDUL_NOT_FOUND : index;
}

/* Rows mostly come in the order of the shards, and a cache may be larger than memory: of those that
 * are looked into, only the one that is read and the last one stay there. */
bool cdul_cache_check(cdul_cache *c, size_t index) {
    cdul_error why = {{0}};
    if (c->rows[index].shard < 0) return c->rows[index].shard == WAITING;
    size_t at = (size_t)c->rows[index].shard;
    if (at != c->checked && c->checked != c->current)
        cdul_mapping_release(&c->shards[c->checked].file->map);
    c->checked = at;
    if (cdul_shard_check(&c->shards[at], &why) == CDUL_OK) return true;
    lose(c, at, cdul_path_base(cdul_safetensors_path(c->shards[at].file)), why.message);
    return false;
}

void cdul_cache_check_ahead(cdul_cache *c, size_t index) {
    if (c->rows[index].shard < 0) return;
    /* What it finds, the check to come says. */
    cdul_status found = cdul_shard_check(&c->shards[c->rows[index].shard], NULL);
    (void)found;
}

void cdul_cache_advance(cdul_cache *c, size_t index) {
    if (c->rows[index].shard < 0) return;
    size_t at = (size_t)c->rows[index].shard;
    if (at != c->current) cdul_mapping_release(&c->shards[c->current].file->map);
    c->current = at;
}

void cdul_cache_read(const cdul_cache *c, size_t index, float *views) {
    const row *r = &c->rows[index];
    for (size_t i = 0; i < c->folder.form.tensor_count; i++) {
        const size_t size = c->sizes[i], first = r->at * size;
        if (r->shard >= 0)
            cdul_tensor_to_f32(&c->shards[r->shard].tensors[i], first, size, views);
        else
            cdul_f16s_to_f32s(c->views[i] + first, size, views);
        views += size;
    }
}

/* --- Writing --- */

cdul_status cdul_cache_begin(cdul_cache *c, cdul_error *err) {
    if (c->folder.lock >= 0) return CDUL_OK;
    cdul_status status = CDUL_OK;
    if (!c->waiting) c->waiting = calloc(c->shard_rows, sizeof *c->waiting);
    if (!c->waiting) status = cdul_fail_memory(err, "cache");
    for (size_t i = 0; i < c->folder.form.tensor_count; i++) {
        if (!c->views[i]) c->views[i] = calloc(c->shard_rows, c->sizes[i] * sizeof *c->views[i]);
        if (!c->views[i]) status = cdul_fail_memory(err, "cache");
    }
    if (status == CDUL_OK) status = cdul_shards_lock(&c->folder, err);
    if (status == CDUL_OK && c->folder.lock < 0)
        status = cdul_fail(
            err, CDUL_ERR_IO,
            "%s: another process is writing this cache; wait for it, or use another --cache folder",
            c->folder.folder);
    if (status == CDUL_OK) status = load_new_shards(c, err);
    return status;
}

/* Names and identities of the rows that wait, as metadata, the caller's to free. */
static cdul_status describe(const cdul_cache *c, char **images, char **files, cdul_error *err) {
    cdul_strings names = {0}, identities = {0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < c->n_waiting; i++) {
        const row *r = &c->rows[c->waiting[i]];
        char text[48];
        snprintf(text, sizeof text, "%" PRIu64 " %" PRId64, r->size, r->mtime);
        status = cdul_strings_add(&identities, text, err);
        if (status == CDUL_OK)
            status = cdul_strings_add(&names, c->names.list.items[c->waiting[i]], err);
    }
    if (status == CDUL_OK) status = cdul_json_from_strings(&names, images, err);
    if (status == CDUL_OK) status = cdul_json_from_strings(&identities, files, err);
    cdul_strings_free(&names);
    cdul_strings_free(&identities);
    return status;
}

cdul_status cdul_cache_flush(cdul_cache *c, cdul_error *err) {
    if (c->n_waiting == 0) return CDUL_OK;
    if (c->next > MAX_NUMBER)
        return cdul_fail(err, CDUL_ERR_IO,
                         "%s: a cache holds %d shards at most; use another --cache folder",
                         c->folder.folder, MAX_NUMBER + 1);
    char name[32], *images = NULL, *files = NULL;
    snprintf(name, sizeof name, "%06u.safetensors", c->next);
    cdul_status status = describe(c, &images, &files, err);
    const cdul_metadata metadata[] = {{"images", images}, {"identities", files}};
    const void *const data[] = {c->views[0], c->views[1]};
    if (status == CDUL_OK)
        status = cdul_shard_write(&c->folder, name, c->n_waiting, data, metadata, 2, err);
    if (status == CDUL_OK) status = open_shard(c, name, err);
    if (status == CDUL_OK) {
        /* The rows that waited are now in the shard. */
        cdul_safetensors_drop_metadata(c->shards[c->n_shards].file);
        for (size_t i = 0; i < c->n_waiting; i++)
            c->rows[c->waiting[i]].shard = (int32_t)c->n_shards;
        c->n_shards++;
        c->next++;
        c->n_waiting = 0;
    }
    free(images);
    free(files);
    return status;
}

/* The row of an image that is to be appended. Its identity is that of the last look before it was
 * decoded. */
static cdul_status place_row(cdul_cache *c, const char *name, const char *path, size_t *index,
                             cdul_error *err) {
    *index = cdul_index_find(&c->names, name);
    if (*index != CDUL_NOT_FOUND && c->rows[*index].shard == MISSING) return CDUL_OK;
    row r = {.shard = MISSING, .mtime = -1}; /* an identity that no file has, if it has gone */
    look_at(path, &r);
    return put_row(c, name, r, index, err);
}

cdul_status cdul_cache_append(cdul_cache *c, const char *name, const char *path, const float *views,
                              cdul_error *err) {
    size_t index = 0;
    if (c->folder.lock < 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: cdul_cache_begin was not called",
                         c->folder.folder);
    /* Full only if a flush has failed. */
    cdul_status status = c->n_waiting == c->shard_rows ? cdul_cache_flush(c, err) : CDUL_OK;
    if (status == CDUL_OK) status = place_row(c, name, path, &index, err);
    if (status != CDUL_OK) return status;
    for (size_t i = 0; i < c->folder.form.tensor_count; i++) {
        uint16_t *to = c->views[i] + c->n_waiting * c->sizes[i];
        for (size_t k = 0; k < c->sizes[i]; k++) to[k] = cdul_f32_to_f16(*views++);
    }
    if (c->n_waiting == 0) c->since = cdul_seconds();
    c->rows[index].shard = WAITING;
    c->rows[index].at = (uint32_t)c->n_waiting;
    c->waiting[c->n_waiting++] = index;
    bool due = c->n_waiting == c->shard_rows || cdul_seconds() - c->since >= FLUSH_SECONDS;
    return due ? cdul_cache_flush(c, err) : CDUL_OK;
}
