/* One tower of an encoder: an ONNX graph whose input and embedding have been found. */
#pragma once

#include "encoder/folder/folder.h"

#define CDUL_DENSE_OUTPUT "dense_embeds" /* patch tokens, of a graph that gives them */

typedef struct cdul_tower {
    cdul_session *session;
    bool borrowed; /* the session is the other tower's */
    const cdul_port *input; /* pixels [B, 3, H, W], or token ids [B, L] */
    const cdul_port *mask; /* text: attention_mask [B, L], or NULL */
    const cdul_port *token_types; /* token_type_ids likewise: all of the first text, 0 */
    const cdul_port *positions; /* position_ids likewise, or [1, L]: 0 .. L - 1 */
    const cdul_port *output; /* the embedding [B, D] */
    const char *chosen; /* why this output: for --inspect */
    size_t batch; /* B if the graph fixes it, else 0 */
    bool both; /* the graph holds the other tower too, which must be fed in every run */
    cdul_feed filler[4]; /* what the other tower is fed: as few rows as it takes, of nothing */
    size_t n_filler;
    void *numbers; /* the filler's */
} cdul_tower;

/* Opens the graph and finds its ports. A graph that wants anything but pixels (text: token ids, and
 * what else is above), or whose embedding cannot be told, is CDUL_ERR_INPUT; only if `combined` may
 * the image tower's graph want tokens as well: it then holds `both` towers, and
 * cdul_tower_fill_other must follow before anything is run. */
cdul_status cdul_tower_open_vision(cdul_tower *tower, const char *path, bool combined,
                                   const cdul_session_options *options,
                                   const cdul_encoder_config *config,
                                   cdul_error *err) CDUL_MUST_CHECK;
/* If `vision` holds both towers, in its session, which must stay open; `path` is then not read. */
cdul_status cdul_tower_open_text(cdul_tower *tower, const cdul_tower *vision, const char *path,
                                 const cdul_session_options *options,
                                 const cdul_encoder_config *config,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* Prepares what the other tower of a graph of both is fed in each run of this one: a black picture
 * of height x width, or a text. Where the graph leaves the length of that free it has two tokens if
 * the graph runs with so few, which is tried on a black picture, else `context`. */
cdul_status cdul_tower_fill_other(cdul_tower *tower, size_t height, size_t width, size_t context,
                                  cdul_error *err) CDUL_MUST_CHECK;
void cdul_tower_close(cdul_tower *tower);

/* D of an image tower, from the graph; one that leaves it free is run once on black pictures of
 * height x width. */
cdul_status cdul_tower_width(cdul_tower *tower, size_t height, size_t width, size_t *out,
                             cdul_error *err) CDUL_MUST_CHECK;

/* Embeds the n rows of `input`, n <= batch: tower->input's name and pixels [n, 3, H, W], or ids
 * [n, L] with their mask [n, L]. Writes [n, 1 + P, D] as the graph gives it, not normalised: the
 * embedding, then the P = `patches` patch tokens of the output CDUL_DENSE_OUTPUT [n, P, D], which
 * is not asked for if P = 0. A graph of fixed batch must be given n = batch. */
cdul_status cdul_tower_run(cdul_tower *tower, const cdul_feed *input, const int64_t *mask,
                           size_t width, size_t patches, float *out,
                           cdul_error *err) CDUL_MUST_CHECK;
