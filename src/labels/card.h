/* The model card: what a classifier must carry besides its weights to be used right. cdul-train
 * writes it as string pairs into the metadata of model.onnx and model.safetensors, and as
 * model.json (train/model.h); cdul-predict reads it.
 *
 *   - classes: JSON list of C names
 *   - thresholds: JSON list of C numbers in 0 .. 1
 *   - input_size: JSON list [height, width], pixels
 *   - resize: "squash", the whole image, aspect ratio not kept
 *   - filter: "bilinear" or "bicubic"
 *   - mean, std: JSON lists of 3, RGB, for pixels in 0 .. 1
 *   - provenance: JSON object, how it was trained */
#ifndef CDUL_LABELS_CARD_H
#define CDUL_LABELS_CARD_H

#include "cdul/image.h"
#include "cdul/strings.h"

/* Start from {0}. */
typedef struct cdul_model_card {
    cdul_strings classes; /* C */
    float *thresholds; /* [C]: a class is reported where its score reaches this */
    cdul_preprocess preprocess; /* SQUASH; mean and std as stored: model.onnx applies them itself */
    char *provenance; /* JSON text */
} cdul_model_card;

/* Looks a key up: NULL if there is none. */
typedef const char *cdul_metadata_lookup(const void *source, const char *key);

/* Reads a card; what is missing or malformed is CDUL_ERR_INPUT that names `where` and the key. */
cdul_status cdul_model_card_read(cdul_metadata_lookup *lookup, const void *source,
                                 const char *where, cdul_model_card *out,
                                 cdul_error *err) CDUL_MUST_CHECK;
void cdul_model_card_free(cdul_model_card *card);

#endif
