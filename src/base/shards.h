/* A folder of shards, as the encoder's cache of vectors and training's of activations: safetensors
 * files of float16 rows, and a JSON file, the key, that says what the rows depend on.
 *
 * A shard is never changed, carries an XXH3-64 of what it holds, and is mapped: a folder may be
 * larger than memory. One process writes at a time, the one with the lock; reading needs none. */
#pragma once

#include "base/json.h"
#include "base/safetensors.h"
#include "cdul/progress.h"

#define CDUL_SHARD_TENSORS 2

/* What a shard holds: tensors of equally many rows. Shapes are [0, ...]: 0 stands for the rows. */
typedef struct cdul_shard_form {
    size_t tensor_count;
    cdul_tensor_decl tensors[CDUL_SHARD_TENSORS];
    /* The checksum is in CDUL_SEAL, over all bytes before it; else it is the metadata "checksum",
     * in hexadecimal, over the tensors' bytes in this order. */
    bool sealed;
} cdul_shard_form;

typedef struct cdul_shards {
    char *folder;
    cdul_shard_form form; /* the caller's to set: it is the same for all shards */
    int lock; /* descriptor of the lock file; -1: no right to write */
} cdul_shards;

/* Opens or creates the folder. *was: its file `key_file`, the caller's to delete; NULL if there was
 * none and `key` is written (shards without a key are CDUL_ERR_INPUT). *part: the first member of
 * `key` that differs from *was or is missing there, or NULL. Close after a failure as well. */
cdul_status cdul_shards_open(cdul_shards *out, const char *folder, const char *key_file,
                             const cJSON *key, cJSON **was, const cJSON **part,
                             cdul_error *err) CDUL_MUST_CHECK;
void cdul_shards_close(cdul_shards *shards);
/* Takes the right to write, and removes what killed writers left. `lock` stays -1 if another
 * process has it. */
cdul_status cdul_shards_lock(cdul_shards *shards, cdul_error *err) CDUL_MUST_CHECK;

/* Adds the names of the numbered shards, NNNNNN.safetensors, ascending; those set aside too. */
cdul_status cdul_shards_list(const char *folder, cdul_strings *names,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Renames a damaged shard to NAME.damaged, and warns: `reason`, then `remedy`. */
void cdul_shards_set_aside(const cdul_shards *shards, const char *name, const char *reason,
                           const char *remedy, const cdul_callbacks *callbacks);

/* A shard that is open. Start from {0}. */
typedef struct cdul_shard {
    cdul_safetensors *file;
    cdul_tensor_view tensors[CDUL_SHARD_TENSORS];
    size_t rows;
    bool sealed; /* as in the form */
    enum { CDUL_SHARD_UNCHECKED, CDUL_SHARD_INTACT, CDUL_SHARD_DAMAGED } state;
    uint64_t checksum; /* as metadata say */
} cdul_shard;

/* Maps a shard. CDUL_ERR_INPUT: it is not of this form, is cut off or has no rows. */
cdul_status cdul_shard_open(const cdul_shards *shards, const char *name, cdul_shard *out,
                            cdul_error *err) CDUL_MUST_CHECK;
/* Reads all of it, the first time, and compares its checksum. CDUL_ERR_INPUT: damaged. */
cdul_status cdul_shard_check(cdul_shard *shard, cdul_error *err) CDUL_MUST_CHECK;
void cdul_shard_close(cdul_shard *shard);

/* Writes a shard of so many rows: data[i] are those of tensor i. The checksum is added to
 * `metadata`, of which there are at most three. */
cdul_status cdul_shard_write(const cdul_shards *shards, const char *name, size_t rows,
                             const void *const *data, const cdul_metadata *metadata,
                             size_t n_metadata, cdul_error *err) CDUL_MUST_CHECK;
