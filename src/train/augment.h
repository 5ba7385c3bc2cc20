/* Images as records: the plain view, for evaluation, or an augmented one for one epoch of training,
 * drawn from (seed, epoch, image) alone, so that threads and the order of work change nothing.
 * Distributions are torchvision's (RandomResizedCrop, RandomHorizontalFlip, ColorJitter without
 * hue); pixels are Pillow's (resize, ImageEnhance). */
#pragma once

#include "base/random.h"
#include "cdul/image.h"
#include "train/loader.h"

typedef struct cdul_augment_options {
    double scale; /* smallest share of the image's area that a crop may take, (0, 1]; 1 = no crop */
    bool flip; /* mirrored in half of the views */
    double brightness, contrast, saturation; /* factor drawn from [max(0, 1 - x), 1 + x]; 0 = off */
} cdul_augment_options;

/* What was drawn for one view. */
typedef struct cdul_augmentation {
    /* the part of the image that is squashed to the network's input; width 0 = no crop: the plain
     * view, by the preprocessing's own mode */
    cdul_rect rect;
    bool flip;
    size_t order[3]; /* of the colour changes: 0 brightness, 1 contrast, 2 saturation */
    double factor[3]; /* of each, 1 = unchanged */
} cdul_augmentation;

cdul_augmentation cdul_augment_draw(const cdul_augment_options *options, cdul_random random,
                                    size_t width, size_t height);

/* Writes the drawn view as planes [3, height, width], sized and normalised by `preprocess`.
 * `scratch` holds height x width x 3 bytes. */
cdul_status cdul_augment_apply(const cdul_augmentation *drawn, const cdul_preprocess *preprocess,
                               const cdul_image *image, uint8_t *scratch, float *out,
                               cdul_error *err) CDUL_MUST_CHECK;

/* One way of seeing the set: plain, or augmented, a different draw for each `epoch`. */
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
