/* One tower of an encoder: an ONNX graph whose input and embedding have been found. */
#ifndef CDUL_ENCODER_TOWER_H
#define CDUL_ENCODER_TOWER_H

#include "cdul/error.h"
#include "onnx/session.h"

typedef struct cdul_tower {
    cdul_session *session;
    const cdul_port *input;  /* pixels [B, 3, H, W], or token ids [B, L]                                 */
    const cdul_port *mask;   /* text: attention mask [B, L], or NULL                                     */
    const cdul_port *output; /* the embedding [B, D]                                                     */
    const char *chosen;      /* why this output: for --inspect                                           */
    size_t batch;            /* B if the graph fixes it, else 0                                          */
} cdul_tower;

/* Looks for `name` in folder/onnx and folder. *path is the caller's to free; NULL if there is none. */
cdul_status cdul_tower_find(const char *folder, const char *name, char **path,
                            cdul_error *err) CDUL_MUST_CHECK;

/* Opens the graph and finds its ports. `model_type` is config.json's, or NULL. A graph that wants anything
 * but pixels (text: token ids and a mask), or whose embedding cannot be told, is CDUL_ERR_INPUT. */
cdul_status cdul_tower_open_vision(cdul_tower *tower, const char *path, const cdul_session_options *options,
                                   const char *model_type, cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_tower_open_text(cdul_tower *tower, const char *path, const cdul_session_options *options,
                                 const char *model_type, cdul_error *err) CDUL_MUST_CHECK;
void cdul_tower_close(cdul_tower *tower);

/* Embeds n rows, n <= batch: pixels [n, 3, H, W], or ids and mask [n, L]. Writes [n, D] as the graph gives
 * it, not normalised. A graph of fixed batch must be given n = batch. */
cdul_status cdul_tower_run(cdul_tower *tower, const float *pixels, const int64_t *ids, const int64_t *mask,
                           const int64_t *dims, size_t rank, size_t width, float *out,
                           cdul_error *err) CDUL_MUST_CHECK;

#endif
