/* The main job of cdul-label: from images (or their cosines) to a label matrix.
 *
 *   images -> views [1 + S, D] -> cosines [1 + S, C + B] -> labels [C]    one image at a time, in
 * the order given
 *
 * With a cache, what it lacks is embedded into it first and everything is then read from it. */
#ifndef CDUL_LABEL_PIPELINE_H
#define CDUL_LABEL_PIPELINE_H

#include "base/progress.h"
#include "base/skipped.h"
#include "cdul/encoder.h"
#include "cdul/label.h"
#include "cdul/labels.h"
#include "encoder/cache.h"

typedef struct cdul_label_settings {
    cdul_aggregate_options aggregate; /* .background is set here, from the text or the file */
    double positives; /* expected positives an image, for calibration; 0 = no calibration */
    const char *save_scores; /* also write the cosines here, background words' too; NULL = do not */
} cdul_label_settings;

typedef struct cdul_label_result {
    cdul_labels labels; /* rows of the images that could be read; classes and images filled */
    /* images that went through the encoder in this run; the others came from the cache */
    size_t embedded;
} cdul_label_result;

/* `names` [N] stand for paths [N] in outputs. `cache` NULL = embed everything, keep nothing.
 * Unreadable images go to `skipped`. CDUL_ERR_CANCELLED after a signal: what was embedded is in the
 * cache. Free with cdul_labels_free. */
cdul_status cdul_label_images(cdul_encoder *encoder, const cdul_text *text,
                              const cdul_strings *paths, const cdul_strings *names,
                              const cdul_embed_options *embed, cdul_cache *cache,
                              const cdul_label_settings *options, cdul_skipped *skipped,
                              const cdul_callbacks *callbacks, cdul_label_result *out,
                              cdul_error *err) CDUL_MUST_CHECK;

/* The same from scores.safetensors. `classes` are chosen by name, in this order; of two parts each
 * may be left to the file: classes, when there are none, are all of its columns that are not
 * background words, and so are background words those that its metadata names. NULL leaves both to
 * it. */
cdul_status cdul_label_scores(const char *path, const cdul_classes *classes,
                              const cdul_label_settings *options, cdul_label_result *out,
                              cdul_error *err) CDUL_MUST_CHECK;

#endif
