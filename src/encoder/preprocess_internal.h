/* What the readers of preprocessing files share. */
#ifndef CDUL_ENCODER_PREPROCESS_INTERNAL_H
#define CDUL_ENCODER_PREPROCESS_INTERNAL_H

#include "base/json.h"
#include "cdul/image.h"

extern const double cdul_openai_mean[3], cdul_openai_std[3]; /* CLIP's, RGB */

/* A side in pixels: a whole number up to 8,192, which no encoder reaches. */
bool cdul_preprocess_side(const cJSON *item, size_t *out);
/* Three numbers, or one that stands for all three channels. */
cdul_status cdul_preprocess_triple(const cJSON *item, const char *key, const char *where, bool positive,
                                   float *out, cdul_error *err) CDUL_MUST_CHECK;
/* The graph's own input size wins, with a note: it cannot take another. 0 x 0: the graph leaves it free. */
cdul_status cdul_preprocess_fit(size_t height, size_t width, cdul_preprocess *out, cdul_strings *notes,
                                cdul_error *err) CDUL_MUST_CHECK;

/* As cdul_preprocess_read, for open_clip_config.json (its preprocess_cfg), or preprocess_cfg.json at top
 * level or in visual/, with open_clip's defaults (open_clip/transform.py). *found: whether there is one. */
cdul_status cdul_preprocess_open_clip(const char *folder, size_t height, size_t width, cdul_preprocess *out,
                                      cdul_strings *notes, bool *found, cdul_error *err) CDUL_MUST_CHECK;

#endif
