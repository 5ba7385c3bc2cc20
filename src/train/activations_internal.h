/* Shared by activations.c (the cache) and activations_make.c (computing what it lacks). */
#ifndef CDUL_TRAIN_ACTIVATIONS_INTERNAL_H
#define CDUL_TRAIN_ACTIVATIONS_INTERNAL_H

#include "train/activations.h"

/* One pass over the set: the plain view, or one augmented copy. */
typedef struct cdul_activations_pass {
    const cdul_activations *cache;
    size_t number; /* 0 = plain, 1 + k = copy k */
    cdul_safetensors **shards; /* [shard_count], NULL where missing */
    const unsigned char **data; /* [shard_count]: tensor "activations" of each */
} cdul_activations_pass;

struct cdul_activations {
    cdul_activations_options options;
    char *path; /* of this cache's folder */
    size_t shape[3], record_bytes; /* [height, width, channels] */
    size_t images; /* N */
    size_t shard_rows; /* rows of a shard; the last holds what is left */
    size_t shard_count; /* of a pass */
    cdul_activations_pass *passes; /* [1 + copies] */
};

/* First row and number of rows of a shard. */
size_t cdul_activations_shard_rows(const cdul_activations *cache, size_t shard, size_t *first);
/* "plain-00012.safetensors", "copy0-00012.safetensors" below the cache's folder. NULL: no
 * memory. */
char *cdul_activations_shard_path(const cdul_activations *cache, size_t pass, size_t shard);
/* Opens one shard, checks its shape and (`check`) its bytes, and marks the images that it says
 * could not be read. CDUL_ERR_INPUT: damaged. */
cdul_status cdul_activations_open_shard(cdul_activations *cache, cdul_dataset *data, size_t pass,
                                        size_t shard, bool check, cdul_error *err) CDUL_MUST_CHECK;
/* Computes and opens the shards that are missing from all passes. */
cdul_status cdul_activations_make(cdul_activations *cache, cdul_dataset *data, cdul_resnet *net,
                                  const cdul_image_views *views, const cdul_callbacks *callbacks,
                                  cdul_error *err) CDUL_MUST_CHECK;

#endif
