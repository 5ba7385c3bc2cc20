/* One shard of the cache: up to CDUL_SHARD_ROWS images in one safetensors file. */
#ifndef CDUL_ENCODER_CACHE_SHARD_H
#define CDUL_ENCODER_CACHE_SHARD_H

#include "base/safetensors.h"
#include "cdul/strings.h"

#include <stdbool.h>
#include <stdint.h>

#define CDUL_SHARD_ROWS 1024

/* What tells whether an image's file is still the same. */
typedef struct cdul_identity {
    uint64_t size; /* bytes */
    int64_t mtime; /* nanoseconds */
} cdul_identity;

/* False if there is no such file. */
bool cdul_identity_of(const char *path, cdul_identity *out);

/* A shard that is read. Start from {0}. */
typedef struct cdul_shard {
    cdul_safetensors *file;
    cdul_tensor_view global, crops; /* [n, D], [n, S, D]; crops only if S > 0 */
    size_t rows; /* n */
    uint64_t checksum; /* as the file says; XXH3-64 of global's bytes, then crops' */
} cdul_shard;

/* Maps the file and checks its header against D and S. Fills `names` and `identities` (the caller's
 * to free). A file that is not a whole shard is CDUL_ERR_INPUT. */
cdul_status cdul_shard_open(const char *path, size_t width, size_t crops, cdul_shard *out,
                            cdul_strings *names, cdul_identity **identities,
                            cdul_error *err) CDUL_MUST_CHECK;
/* Reads all of it and compares. */
bool cdul_shard_intact(const cdul_shard *shard);
/* What was read of it no longer takes memory of this process. */
void cdul_shard_release(const cdul_shard *shard);
void cdul_shard_close(cdul_shard *shard);

/* Writes a shard whole or not at all. `global` [n, D], `crops` [n, S, D]: halves. */
cdul_status cdul_shard_write(const char *path, size_t width, size_t n_crops,
                             const cdul_strings *names, const cdul_identity *identities,
                             const uint16_t *global, const uint16_t *crops,
                             cdul_error *err) CDUL_MUST_CHECK;

#endif
