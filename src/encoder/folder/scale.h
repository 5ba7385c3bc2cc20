/* The logit scale and bias that a graph itself holds. */
#ifndef CDUL_ENCODER_FOLDER_SCALE_H
#define CDUL_ENCODER_FOLDER_SCALE_H

#include "encoder/encoder_internal.h"

/* Fills e->config's scale and bias if cdul.json did not: from metadata of the image tower's graph
 * (`logit_scale`, an exponent, and `logit_bias`); else, if a graph of both towers has the output
 * `logits_per_image` = exp(scale) cos + bias, from a few runs, solved for them to four digits. A
 * graph that has neither leaves e->config as it is. Metadata that is no number is
 * CDUL_ERR_INPUT. */
cdul_status cdul_scale_from_graph(cdul_encoder *e, cdul_error *err) CDUL_MUST_CHECK;

#endif
