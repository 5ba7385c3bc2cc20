/* Values that the two kinds of preprocessing files have in common (preprocess_values.c), and the
 * reader of open_clip's (preprocess_open_clip.c). */
#pragma once

#include "base/json.h"
#include "encoder/folder/folder.h"

extern const float cdul_openai_mean[3], cdul_openai_std[3]; /* CLIP's, RGB */

/* A key that is not among `known`, nor null, nor (with `off`) false: a step that is not taken. */
cdul_status cdul_preprocess_keys(const cJSON *json, const char *where, const char *const *known,
                                 bool off, cdul_error *err) CDUL_MUST_CHECK;
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
const char *cdul_preprocess_known_size(const cdul_input_size *known, cdul_preprocess *out);
/* Adds such as "do_resize is false: pictures are squashed to 64 x 48, what the graph takes", of the
 * size in `from`. */
cdul_status cdul_preprocess_note(cdul_strings *notes, const char *what, const cdul_preprocess *from,
                                 const char *source, cdul_error *err) CDUL_MUST_CHECK;
/* The graph's own input size wins, with a note: it cannot take another. */
cdul_status cdul_preprocess_fit(const cdul_input_size *known, cdul_preprocess *out,
                                cdul_strings *notes, cdul_error *err) CDUL_MUST_CHECK;

/* cdul_preprocess_read for a folder without transformers' files: open_clip_config.json (its
 * preprocess_cfg), or preprocess_cfg.json at top level or in visual/, with open_clip's defaults
 * (open_clip/transform.py). */
cdul_status cdul_preprocess_open_clip(const char *folder, const cdul_input_size *known,
                                      cdul_preprocess *out, cdul_strings *notes,
                                      cdul_error *err) CDUL_MUST_CHECK;
