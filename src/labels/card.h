/* The card of a classifier: what it must carry besides its weights to be used right. cdul-train
 * writes it into the metadata of model.safetensors and model.onnx, and as model.json; cdul-train
 * --export and cdul-predict read it. Metadata values are strings: a fact that is no string is JSON
 * text there.
 *
 *   - format: "cdul-model"
 *   - version: "cdul 0.1.0"
 *   - arch: "resnet50-caffe"
 *   - bn_eps: 1e-3
 *   - classes: [C names], distinct
 *   - input_size: [height, width] in pixels, 1 to 16384
 *   - resize: "shortest" or "squash"; filter: "bilinear" or "bicubic": how an image comes to that
 *     size
 *   - mean, std: [r, g, b]; input = (pixel / 255 - mean) / std
 *   - thresholds: [C] in 0 .. 1
 *   - provenance: object, what it was trained on and how */
#pragma once

#include "base/safetensors.h"
#include "cdul/image.h"
#include "cdul/strings.h"

/* Start from {0}. */
typedef struct cdul_card {
    /* Said by cdul-train. A graph of another maker may lack them: NULL, NULL and 0. */
    const char *version, *arch;
    double bn_eps;
    cdul_strings classes; /* C */
    float *thresholds; /* [C]: a class is reported where its score reaches this */
    cdul_preprocess preprocess; /* mean and std as stored: model.onnx applies them itself */
    const char *provenance; /* JSON object */
    cdul_strings texts; /* owns version, arch and provenance of a card that was read */
} cdul_card;

/* --- Reading --- */

/* Looks a key up: NULL if there is none. */
typedef const char *cdul_metadata_lookup(const void *source, const char *key);

/* Reads a card; what is missing or malformed is CDUL_ERR_INPUT that names `where` and the key.
 * Nothing is left to free after a failure. */
cdul_status cdul_card_read(cdul_metadata_lookup *lookup, const void *source, const char *where,
                           cdul_card *out, cdul_error *err) CDUL_MUST_CHECK;
/* The error for a key that `where` does not have. */
cdul_status cdul_card_lacks(const char *where, const char *key, cdul_error *err);
/* Frees a card that was read. */
void cdul_card_free(cdul_card *card);

/* --- Writing --- */

#define CDUL_CARD_FACTS 12

/* The facts in the order of the list above. Start from {0}. */
typedef struct cdul_card_metadata {
    cdul_metadata pairs[CDUL_CARD_FACTS];
    cdul_strings texts; /* the values, to be freed */
} cdul_card_metadata;

/* Free out->texts after a failure as well. */
cdul_status cdul_card_to_metadata(const cdul_card *card, cdul_card_metadata *out,
                                  cdul_error *err) CDUL_MUST_CHECK;
/* As one JSON object. Atomic. */
cdul_status cdul_card_write(const char *path, const cdul_card *card,
                            cdul_error *err) CDUL_MUST_CHECK;
