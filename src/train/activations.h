/* Cached outputs of frozen stages: computed once for the plain view and for a few augmented copies
 * of each image, kept on disk in float16, so that training runs the remaining stages alone. Epoch e
 * trains on copy e % copies.
 *
 * A cache is a folder of shards, named by a hash of everything they depend on (key.json spells it
 * out): runs that agree in it share it. Shards are whole or absent, so a run that was interrupted
 * goes on where it stopped; processes that want the same cache take turns. */
#pragma once

#include "base/shards.h"
#include "train/augment.h"
#include "train/resnet.h"

typedef struct cdul_activations {
    cdul_shards folder;
    size_t shape[3], record_bytes; /* [height, width, channels] */
    size_t copies; /* augmented ones of each image */
    size_t images; /* N */
    size_t shard_rows; /* rows of a shard; the last of a pass holds what is left */
    size_t shard_count; /* of a pass over the set: the plain view, or one augmented copy */
    size_t total; /* shards of all passes: the plain view's, then those of each copy */
    cdul_shard *shards; /* [total], .file NULL where missing */
} cdul_activations;

/* Opens the cache for the network's frozen stages (net->options.freeze >= 1) and makes what it
 * lacks. Images that cannot be read are marked in `data`. Disk space is checked before anything is
 * computed. `views` says size, augmentation and seed; its `plain` and `epoch` are not looked at.
 * CDUL_ERR_CANCELLED if should_stop says so: finished shards stay. Start from {0}; close after a
 * failure as well. */
cdul_status cdul_activations_open(cdul_activations *cache, const cdul_train_params *params,
                                  cdul_dataset *data, const cdul_resnet *net,
                                  const cdul_image_views *views, cdul_error *err) CDUL_MUST_CHECK;
void cdul_activations_close(cdul_activations *cache);

/* What the frozen stages made of these views: float16 [height, width, channels], as networks that
 * keep channels innermost want them. Lives as long as the cache. */
cdul_source cdul_activations_source(const cdul_activations *cache, const cdul_image_views *views);
