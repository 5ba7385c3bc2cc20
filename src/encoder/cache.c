#include "base/file.h"
#include "base/progress.h"
#include "encoder/cache_key.h"
#include "encoder/cache_shard.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_SECONDS 300 /* a row waits no longer than this for its shard */
#define MAX_NUMBER    999999 /* six digits in a shard's name */
#define SHARD_BYTES   (128 << 20)

/* Where a row's views are: in a shard, waiting to be written, or nowhere (the image was asked for
 * and is to be computed). */
enum { WAITING = -1, MISSING = -2 };

typedef struct row {
    int32_t shard; /* index into shards, or one of the above */
    uint32_t at; /* row in it, or among those that wait */
    cdul_identity identity;
} row;

typedef struct open_shard {
    cdul_shard data;
    unsigned number;
    enum { UNCHECKED, INTACT, DAMAGED } state;
} open_shard;

struct cdul_cache {
    char *folder;
    const cdul_callbacks *callbacks;
    size_t width, crops; /* D, S */
    size_t shard_rows; /* of a full shard: CDUL_SHARD_ROWS, or fewer if they are long */
    open_shard *shards;
    size_t n_shards;
    size_t current, checked; /* the shards read and checked last */
    unsigned next; /* number of the next shard */

    /* of all rows ever seen, [count]; of two rows of one name the later counts */
    cdul_strings names;
    row *rows; /* [capacity of names] */
    size_t rows_capacity;
    /* hash table over names: row + 1, or 0; a power of two in size, at most half full */
    size_t *slots;
    size_t n_slots;

    int lock; /* descriptor of the lock file, -1: no right to write */
    uint16_t *global; /* [shard_rows, D]: rows that wait */
    uint16_t *crop_views; /* [shard_rows, S, D] */
    size_t *waiting; /* [shard_rows]: their rows */
    size_t n_waiting;
    double since; /* when the first of them came, monotonic */
};

/* --- Rows by name --- */

/* Slot of the name, or the free slot where it would be. */
static size_t *find_slot(const cdul_cache *c, const char *name) {
    size_t at = (size_t)cdul_hash(CDUL_HASH_START, name, strlen(name));
    for (;; at++) {
        size_t *slot = &c->slots[at & (c->n_slots - 1)];
        if (*slot == 0 || strcmp(c->names.items[*slot - 1], name) == 0) return slot;
    }
}

static cdul_status grow_slots(cdul_cache *c, cdul_error *err) {
    if (c->n_slots > 2 * c->names.count + 2) return CDUL_OK;
    size_t *old = c->slots, n_old = c->n_slots, n = n_old ? 2 * n_old : 1024;
    size_t *slots = calloc(n, sizeof *slots);
    if (!slots) return cdul_fail_memory(err, "cache index");
    c->slots = slots;
    c->n_slots = n;
    for (size_t i = 0; i < n_old; i++)
        if (old[i]) *find_slot(c, c->names.items[old[i] - 1]) = old[i];
    free(old);
    return CDUL_OK;
}

static cdul_status add_row(cdul_cache *c, const char *name, row r, cdul_error *err) {
    cdul_status status = grow_slots(c, err);
    if (status != CDUL_OK) return status;
    if (c->names.count == c->rows_capacity) {
        size_t capacity = c->rows_capacity ? 2 * c->rows_capacity : 1024;
        row *rows = realloc(c->rows, capacity * sizeof *rows);
        if (!rows) return cdul_fail_memory(err, "cache index");
        c->rows = rows;
        c->rows_capacity = capacity;
    }
    size_t *slot = find_slot(c, name);
    status = cdul_strings_add(&c->names, name, err);
    if (status != CDUL_OK) return status;
    *slot = c->names.count;
    c->rows[c->names.count - 1] = r;
    return CDUL_OK;
}

/* --- Shards --- */

static char *shard_path(const cdul_cache *c, unsigned number, const char *suffix) {
    char name[64];
    snprintf(name, sizeof name, "%06u.safetensors%s", number, suffix);
    return cdul_path_join(c->folder, name);
}

/* Renames the damaged shard out of the way and says so. */
static void set_aside(cdul_cache *c, unsigned number, const char *reason) {
    char *from = shard_path(c, number, ""), *to = shard_path(c, number, ".damaged");
    bool renamed = from && to && rename(from, to) == 0;
    cdul_warn(c->callbacks, "%s; its images will be computed again (%s%s)", reason,
              renamed ? "kept as " : "it could not be renamed: ",
              renamed ? cdul_path_base(to) : strerror(errno));
    free(from);
    free(to);
}

static cdul_status index_shard(cdul_cache *c, const cdul_strings *names,
                               const cdul_identity *identities, cdul_error *err) {
    cdul_status status = CDUL_OK;
    for (size_t i = 0; status == CDUL_OK && i < names->count; i++)
        status = add_row(c, names->items[i],
                         (row){(int32_t)c->n_shards - 1, (uint32_t)i, identities[i]}, err);
    return status;
}

static cdul_status load_shard(cdul_cache *c, unsigned number, cdul_error *err) {
    char *path = shard_path(c, number, "");
    cdul_strings names = {0};
    cdul_identity *identities = NULL;
    open_shard *shards = realloc(c->shards, (c->n_shards + 1) * sizeof *shards);
    if (shards) c->shards = shards;
    cdul_status status = shards && path ? CDUL_OK : cdul_fail_memory(err, "cache");
    cdul_error why = {{0}};
    if (status == CDUL_OK) {
        open_shard *shard = &shards[c->n_shards];
        *shard = (open_shard){.number = number, .state = UNCHECKED};
        status = cdul_shard_open(path, c->width, c->crops, &shard->data, &names, &identities, &why);
        if (status == CDUL_OK) {
            c->n_shards++;
            status = index_shard(c, &names, identities, err);
        } else if (status == CDUL_ERR_INPUT) {
            set_aside(c, number, why.message);
            status = CDUL_OK;
        } else if (err) {
            *err = why;
        }
    }
    free(identities);
    cdul_strings_free(&names);
    free(path);
    return status;
}

/* Number of a file called NNNNNN.safetensors (also .damaged: its number is not used again), -1 for
 * others. */
static long number_of(const char *name, bool *damaged) {
    char *end = NULL;
    if (strspn(name, "0123456789") != 6) return -1;
    long number = strtol(name, &end, 10);
    *damaged = strcmp(end, ".safetensors.damaged") == 0;
    return *damaged || strcmp(end, ".safetensors") == 0 ? number : -1;
}

static int compare_numbers(const void *a, const void *b) {
    const unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

/* Loads the shards from number c->next on, in order: all of them at first, then those that others
 * have written. */
static cdul_status load_new_shards(cdul_cache *c, cdul_error *err) {
    DIR *folder = opendir(c->folder);
    if (!folder) return cdul_fail_errno(err, "%s: cannot be read", c->folder);
    unsigned *numbers = NULL, next = c->next;
    size_t count = 0, capacity = 0;
    cdul_status status = CDUL_OK;
    while (status == CDUL_OK) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry && errno) status = cdul_fail_errno(err, "%s: cannot be read", c->folder);
        if (!entry) break;
        bool damaged = false;
        long number = number_of(entry->d_name, &damaged);
        if (number < (long)c->next) continue;
        if ((unsigned)number >= next) next = (unsigned)number + 1;
        if (damaged) continue;
        if (count == capacity) {
            unsigned *grown =
                realloc(numbers, (capacity = capacity ? 2 * capacity : 64) * sizeof *grown);
            if (!grown) {
                status = cdul_fail_memory(err, "cache");
                break;
            }
            numbers = grown;
        }
        numbers[count++] = (unsigned)number;
    }
    closedir(folder);
    if (count) qsort(numbers, count, sizeof *numbers, compare_numbers);
    for (size_t i = 0; status == CDUL_OK && i < count; i++) status = load_shard(c, numbers[i], err);
    free(numbers);
    c->next = next;
    return status;
}

/* --- Opening --- */

cdul_status cdul_cache_open(const char *folder, const cdul_cache_key *key,
                            const cdul_callbacks *callbacks, cdul_cache **out, cdul_error *err) {
    *out = NULL;
    cdul_cache *c = calloc(1, sizeof *c);
    if (!c) return cdul_fail_memory(err, "cache");
    c->lock = -1;
    c->callbacks = callbacks;
    c->width = key->width;
    c->crops = key->crops ? key->crops->count : key->patches.rows * key->patches.columns;
    c->shard_rows = SHARD_BYTES / ((1 + c->crops) * c->width * sizeof *c->global);
    if (c->shard_rows > CDUL_SHARD_ROWS) c->shard_rows = CDUL_SHARD_ROWS;
    if (c->shard_rows == 0) c->shard_rows = 1;
    c->folder = strdup(folder);
    cdul_status status = c->folder ? grow_slots(c, err) : cdul_fail_memory(err, "cache");
    if (status == CDUL_OK) status = cdul_path_make_folder(folder, err);
    /* the key first: a shard of another width is not damaged */
    char *first = c->folder ? shard_path(c, 0, "") : NULL;
    if (status == CDUL_OK)
        status = cdul_cache_key_settle(folder, key, first && cdul_path_exists(first), err);
    free(first);
    if (status == CDUL_OK) status = load_new_shards(c, err);
    if (status != CDUL_OK) {
        cdul_cache_close(c);
        return status;
    }
    *out = c;
    return CDUL_OK;
}

void cdul_cache_close(cdul_cache *c) {
    if (!c) return;
    for (size_t i = 0; i < c->n_shards; i++) cdul_shard_close(&c->shards[i].data);
    cdul_lock_release(&c->lock);
    cdul_strings_free(&c->names);
    free(c->shards);
    free(c->rows);
    free(c->slots);
    free(c->global);
    free(c->crop_views);
    free(c->waiting);
    free(c->folder);
    free(c);
}

/* --- Reading --- */

size_t cdul_cache_find(cdul_cache *c, const char *name, const char *path) {
    size_t slot = *find_slot(c, name);
    cdul_identity now;
    if (!cdul_identity_of(path, &now)) return CDUL_NOT_FOUND;
    if (slot == 0) {
        /* what the file is now, before it is decoded, is what the views to come belong to; without
         * memory for that, append looks at the file itself */
        cdul_status noted = add_row(c, name, (row){MISSING, 0, now}, NULL);
        (void)noted;
        return CDUL_NOT_FOUND;
    }
    row *r = &c->rows[slot - 1];
    if (now.size != r->identity.size || now.mtime != r->identity.mtime) {
        r->identity = now;
        r->shard = MISSING;
    }
    return r->shard == MISSING ? CDUL_NOT_FOUND : slot - 1;
}

static void look_into(open_shard *shard) {
    if (shard->state == UNCHECKED)
        shard->state = cdul_shard_intact(&shard->data) ? INTACT : DAMAGED;
}

static void lose(cdul_cache *c, size_t index) {
    const open_shard *shard = &c->shards[index];
    char reason[600];
    snprintf(reason, sizeof reason, "%s: damaged: its data do not match its checksum",
             cdul_safetensors_path(shard->data.file));
    set_aside(c, shard->number, reason);
    for (size_t i = 0; i < c->names.count; i++)
        if (c->rows[i].shard == (int32_t)index) c->rows[i].shard = MISSING;
}

/* Rows mostly come in the order of the shards, and a cache may be larger than memory: of those that
 * are looked into, only the one that is read and the last one stay there. */
bool cdul_cache_check(cdul_cache *c, size_t index) {
    if (c->rows[index].shard < 0) return c->rows[index].shard == WAITING;
    size_t shard = (size_t)c->rows[index].shard;
    if (shard != c->checked && c->checked != c->current)
        cdul_shard_release(&c->shards[c->checked].data);
    c->checked = shard;
    look_into(&c->shards[shard]);
    if (c->shards[shard].state == INTACT) return true;
    lose(c, shard);
    return false;
}

void cdul_cache_check_ahead(cdul_cache *c, size_t index) {
    if (c->rows[index].shard >= 0) look_into(&c->shards[c->rows[index].shard]);
}

void cdul_cache_advance(cdul_cache *c, size_t index) {
    if (c->rows[index].shard < 0) return;
    size_t shard = (size_t)c->rows[index].shard;
    if (shard != c->current) cdul_shard_release(&c->shards[c->current].data);
    c->current = shard;
}

void cdul_cache_read(const cdul_cache *c, size_t index, float *views) {
    const row *r = &c->rows[index];
    const size_t width = c->width, parts = c->crops * width;
    if (r->shard >= 0) {
        const cdul_shard *shard = &c->shards[r->shard].data;
        cdul_tensor_to_f32(&shard->global, r->at * width, width, views);
        if (parts) cdul_tensor_to_f32(&shard->crops, r->at * parts, parts, views + width);
    } else {
        cdul_f16s_to_f32s(c->global + r->at * width, width, views);
        cdul_f16s_to_f32s(c->crop_views + r->at * parts, parts, views + width);
    }
}

/* --- Writing --- */

static cdul_status take_lock(cdul_cache *c, cdul_error *err) {
    cdul_status status = cdul_lock_try(c->folder, &c->lock, err);
    if (status == CDUL_OK && c->lock < 0)
        status = cdul_fail(
            err, CDUL_ERR_IO,
            "%s: another process is writing this cache; wait for it, or use another --cache folder",
            c->folder);
    if (status == CDUL_OK) cdul_file_sweep(c->folder);
    return status;
}

cdul_status cdul_cache_begin(cdul_cache *c, cdul_error *err) {
    if (c->lock >= 0) return CDUL_OK;
    const size_t rows = c->shard_rows;
    if (!c->waiting) {
        c->global = calloc(rows, c->width * sizeof *c->global);
        c->crop_views = calloc(rows, (c->crops ? c->crops : 1) * c->width * sizeof *c->crop_views);
        c->waiting = calloc(rows, sizeof *c->waiting);
    }
    if (!c->global || !c->crop_views || !c->waiting) return cdul_fail_memory(err, "cache");
    cdul_status status = take_lock(c, err);
    return status == CDUL_OK ? load_new_shards(c, err) : status;
}

/* Maps the shard just written and points the rows that waited into it. */
static cdul_status adopt(cdul_cache *c, const char *path, cdul_error *err) {
    open_shard *shards = realloc(c->shards, (c->n_shards + 1) * sizeof *shards);
    if (!shards) return cdul_fail_memory(err, "cache");
    c->shards = shards;
    open_shard *shard = &shards[c->n_shards];
    *shard = (open_shard){.number = c->next, .state = UNCHECKED};
    cdul_strings names = {0};
    cdul_identity *identities = NULL;
    cdul_status status =
        cdul_shard_open(path, c->width, c->crops, &shard->data, &names, &identities, err);
    cdul_strings_free(&names);
    free(identities);
    if (status != CDUL_OK) return status;
    for (size_t i = 0; i < c->n_waiting; i++) c->rows[c->waiting[i]].shard = (int32_t)c->n_shards;
    c->n_shards++;
    c->next++;
    c->n_waiting = 0;
    return CDUL_OK;
}

cdul_status cdul_cache_flush(cdul_cache *c, cdul_error *err) {
    if (c->n_waiting == 0) return CDUL_OK;
    if (c->next > MAX_NUMBER)
        return cdul_fail(err, CDUL_ERR_IO,
                         "%s: a cache holds %d shards at most; use another --cache folder",
                         c->folder, MAX_NUMBER + 1);
    cdul_strings names = {0};
    cdul_identity *identities = calloc(c->n_waiting, sizeof *identities);
    char *path = shard_path(c, c->next, "");
    cdul_status status = identities && path ? CDUL_OK : cdul_fail_memory(err, "cache");
    for (size_t i = 0; status == CDUL_OK && i < c->n_waiting; i++) {
        identities[i] = c->rows[c->waiting[i]].identity;
        status = cdul_strings_add(&names, c->names.items[c->waiting[i]], err);
    }
    if (status == CDUL_OK)
        status = cdul_shard_write(path, c->width, c->crops, &names, identities, c->global,
                                  c->crop_views, err);
    if (status == CDUL_OK) status = adopt(c, path, err);
    cdul_strings_free(&names);
    free(identities);
    free(path);
    return status;
}

/* The row of an image that is to be appended. Its identity is that of the last look before it was
 * decoded. */
static cdul_status place_row(cdul_cache *c, const char *name, const char *path, size_t *index,
                             cdul_error *err) {
    size_t slot = *find_slot(c, name);
    if (slot && c->rows[slot - 1].shard == MISSING) {
        *index = slot - 1;
        return CDUL_OK;
    }
    row r = {MISSING, 0, {0, -1}}; /* a file that has gone has an identity that no file has */
    if (!cdul_identity_of(path, &r.identity)) r.identity.mtime = -1;
    cdul_status status = add_row(c, name, r, err);
    *index = c->names.count - 1;
    return status;
}

cdul_status cdul_cache_append(cdul_cache *c, const char *name, const char *path, const float *views,
                              cdul_error *err) {
    size_t index = 0;
    if (c->lock < 0)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: cdul_cache_begin was not called", c->folder);
    /* one failed */
    cdul_status status = c->n_waiting == c->shard_rows ? cdul_cache_flush(c, err) : CDUL_OK;
    if (status == CDUL_OK) status = place_row(c, name, path, &index, err);
    if (status != CDUL_OK) return status;
    const size_t width = c->width, parts = c->crops * width;
    uint16_t *global = c->global + c->n_waiting * width,
             *crops = c->crop_views + c->n_waiting * parts;
    for (size_t i = 0; i < width; i++) global[i] = cdul_f32_to_f16(views[i]);
    for (size_t i = 0; i < parts; i++) crops[i] = cdul_f32_to_f16(views[width + i]);
    if (c->n_waiting == 0) c->since = cdul_seconds();
    c->rows[index].shard = WAITING;
    c->rows[index].at = (uint32_t)c->n_waiting;
    c->waiting[c->n_waiting++] = index;
    bool due = c->n_waiting == c->shard_rows || cdul_seconds() - c->since >= FLUSH_SECONDS;
    return due ? cdul_cache_flush(c, err) : CDUL_OK;
}
