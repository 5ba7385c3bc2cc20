/* Images as records: decode, augment (or not), resize, normalise. */
#ifndef CDUL_TRAIN_IMAGE_VIEWS_H
#define CDUL_TRAIN_IMAGE_VIEWS_H

#include "train/augment.h"
#include "train/dataset.h"
#include "train/loader.h"

/* One way of seeing the set: plain for evaluation (the whole image squashed to the input), or
 * augmented, a different draw for each `epoch`. */
typedef struct cdul_image_views {
    const cdul_dataset *data;
    cdul_decode_options decode;
    cdul_preprocess preprocess; /* of the whole */
    cdul_augment_options augment;
    bool plain;
    uint64_t seed;
    size_t epoch;
} cdul_image_views;

/* Records are float32 [3, height, width]. `views` must outlive the source. */
cdul_source cdul_image_views_source(const cdul_image_views *views);

#endif
