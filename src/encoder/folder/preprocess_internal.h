/* What the readers of preprocessing files share. */
#ifndef CDUL_ENCODER_FOLDER_PREPROCESS_INTERNAL_H
#define CDUL_ENCODER_FOLDER_PREPROCESS_INTERNAL_H

#include "base/json.h"
#include "cdul/image.h"
#include "encoder/folder/preprocess_config.h"

extern const double cdul_openai_mean[3], cdul_openai_std[3]; /* CLIP's, RGB */

/* A side in pixels: a whole number up to 8,192, which no encoder reaches. */
bool cdul_preprocess_side(const cJSON *item, size_t *out);
/* A number (a square), [side] or [height, width]; NULL or null: left as it is. */
cdul_status cdul_preprocess_sides(const cJSON *item, const char *key, const char *where,
                                  size_t *height, size_t *width, cdul_error *err) CDUL_MUST_CHECK;
/* Three numbers, or one that stands for all three channels. */
cdul_status cdul_preprocess_triple(const cJSON *item, const char *key, const char *where,
                                   bool positive, float *out, cdul_error *err) CDUL_MUST_CHECK;
/* The input's size where the file does not say it: the graph's, else the model's. Returns what to
 * call it; NULL: neither is known. */
const char *cdul_preprocess_known_size(const cdul_input_size *known, size_t *height, size_t *width);
/* Adds such as "do_resize is false: pictures are squashed to 64 x 48, what the graph takes". */
cdul_status cdul_preprocess_note(cdul_strings *notes, const char *what, size_t height, size_t width,
                                 const char *source, cdul_error *err) CDUL_MUST_CHECK;
/* The graph's own input size wins, with a note: it cannot take another. */
cdul_status cdul_preprocess_fit(const cdul_input_size *known, cdul_preprocess *out,
                                cdul_strings *notes, cdul_error *err) CDUL_MUST_CHECK;

/* As cdul_preprocess_read, for open_clip_config.json (its preprocess_cfg), or preprocess_cfg.json
 * at top level or in visual/, with open_clip's defaults (open_clip/transform.py). *found: whether
 * there is one. */
cdul_status cdul_preprocess_open_clip(const char *folder, const cdul_input_size *known,
                                      cdul_preprocess *out, cdul_strings *notes, bool *found,
                                      cdul_error *err) CDUL_MUST_CHECK;

#endif
