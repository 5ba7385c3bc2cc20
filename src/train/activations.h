/* Cached outputs of frozen stages. With the first k stages frozen, what they compute for an image
 * never changes: it is computed once for the plain view and for a few augmented copies, kept on
 * disk in float16, and training then runs the remaining stages alone. Epoch e trains on copy e %
 * copies.
 *
 * A cache is a folder of shards below options.folder, named by a hash of everything its content
 * depends on (key.json spells it out): runs that agree in it share it. Shards are whole or absent,
 * so a run that was interrupted goes on where it stopped; processes that want the same cache take
 * turns. */
#pragma once

#include "cdul/progress.h"
#include "train/augment.h"
#include "train/resnet.h"

typedef struct cdul_activations_options {
    const char *folder; /* of all caches; created */
    size_t copies; /* augmented copies of each image, >= 1 */
    size_t threads; /* of the loader */
    size_t batch; /* images in one forward pass while the cache is made */
} cdul_activations_options;

typedef struct cdul_activations cdul_activations;

/* Opens the cache for the network's frozen stages (net->options.freeze >= 1) and makes what it
 * lacks. Images that cannot be read are marked in `data`. Disk space is checked before anything is
 * computed. `views` says size, augmentation and seed; its `plain` and `epoch` are not looked at.
 * CDUL_ERR_CANCELLED if should_stop says so: finished shards stay. */
cdul_status cdul_activations_open(const cdul_activations_options *options, cdul_dataset *data,
                                  cdul_resnet *net, const cdul_image_views *views,
                                  const cdul_callbacks *callbacks, cdul_activations **out,
                                  cdul_error *err) CDUL_MUST_CHECK;
void cdul_activations_close(cdul_activations *cache);

/* Sides of one record, [height, width, channels]. */
const size_t *cdul_activations_shape(const cdul_activations *cache);
/* Where the cache lies. */
const char *cdul_activations_path(const cdul_activations *cache);

/* Records are float16 [height, width, channels], as networks that keep channels innermost want
 * them. A source lives as long as the cache. */
cdul_source cdul_activations_plain(const cdul_activations *cache);
cdul_source cdul_activations_augmented(const cdul_activations *cache, size_t epoch);
