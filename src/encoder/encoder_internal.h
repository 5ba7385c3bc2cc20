/* What the files of src/encoder share. */
#pragma once

#include "cdul/encoder.h"
#include "encoder/folder/folder.h"
#include "encoder/tower.h"

struct cdul_encoder {
    char *folder;
    char *provider, *library; /* copies that `session` points to */
    cdul_session_options session; /* for both towers; owns .provider.options */
    cdul_encoder_config config;
    cdul_layout layout; /* .text: path of the text tower's graph, or NULL */
    cdul_tower vision;
    bool ready; /* to run: until then `vision` is open to be asked */
    cdul_preprocess preprocess;
    cdul_strings notes; /* assumptions, for --inspect */
    cdul_inference precision; /* of the image tower */
    size_t width; /* D */
    size_t batch; /* B */
    bool hashed;
    uint64_t hash; /* of the image tower's files, once `hashed` */
};

/* The settings as text, equal if and only if they make the same pixels: for cache keys and
 * --inspect. */
void cdul_preprocess_text(const cdul_preprocess *preprocess, char *text, size_t size);
/* Pixels [rows, 3, H, W] as the image tower's input. */
cdul_feed cdul_encoder_pixels(const cdul_encoder *encoder, const float *pixels, size_t rows);
/* As cdul_encoder_views, but rows are left as the graph gives them, and each is followed by those
 * of its P = `patches` patch tokens: [n, 1 + P, D]. */
cdul_status cdul_encoder_raw_views(cdul_encoder *encoder, const float *pixels, size_t n,
                                   size_t patches, float *out, cdul_error *err) CDUL_MUST_CHECK;

/* What cdul_encoder_describe says of the text tower, or of what stands in for it. */
cdul_status cdul_text_describe(const cdul_encoder *encoder, FILE *stream,
                               cdul_error *err) CDUL_MUST_CHECK;

/* Fills e->config's scale and bias if cdul.json did not: from the metadata of the image tower's
 * graph; else, if a graph of both towers has the output `logits_per_image` = exp(scale) cos + bias,
 * from a few runs, solved for them to four digits. A graph that has neither leaves e->config as it
 * is. */
cdul_status cdul_scale_from_graph(cdul_encoder *e, cdul_error *err) CDUL_MUST_CHECK;
