/* A trained classifier as a file: model.safetensors holds the weights under torchvision's names,
 * and, as metadata, everything else that using it takes. The same facts stand in model.json and in
 * the ONNX graph. */
#ifndef CDUL_TRAIN_MODEL_H
#define CDUL_TRAIN_MODEL_H

#include "base/json.h"
#include "cdul/image.h"
#include "train/resnet.h"

/* Facts, as a JSON object:
 *   - format: "cdul-model"
 *   - version: "cdul 0.1.0"
 *   - arch: "resnet50-caffe"
 *   - bn_eps: 1e-3
 *   - classes: [C names]
 *   - input_size: [height, width] in pixels
 *   - resize, filter: "shortest" or "squash", "bilinear": how images come to that size
 *   - mean, std: [r, g, b]; input = (pixel / 255 - mean) / std
 *   - thresholds: [C]; a score of at least this is a positive
 *   - provenance: object, what it was trained on and how
 * Metadata values are strings: a fact that is no string is JSON text there. label/model_card.h
 * reads them. */
typedef struct cdul_model_facts {
    const cdul_strings *classes;
    const cdul_preprocess *preprocess;
    const float *thresholds;
    const cJSON *provenance;
} cdul_model_facts;

cdul_status cdul_model_describe(const cdul_resnet *net, const cdul_model_facts *facts, cJSON **out,
                                cdul_error *err) CDUL_MUST_CHECK;
/* The facts as metadata pairs: *out [*count], freed with cdul_model_metadata_free. Keys and strings
 * point into `description`. */
cdul_status cdul_model_metadata(const cJSON *description, cdul_metadata **out, size_t *count,
                                cdul_error *err) CDUL_MUST_CHECK;
void cdul_model_metadata_free(const cJSON *description, cdul_metadata *metadata, size_t count);

/* Atomic. `description` is what cdul_model_describe made. */
cdul_status cdul_model_write(const char *path, const cdul_resnet *net, const cJSON *description,
                             cdul_error *err) CDUL_MUST_CHECK;

/* Reads such a file. The network is in evaluation form, on the CPU. `preprocess` and `description`
 * are what it was written with. The caller frees *net and *description. */
cdul_status cdul_model_read(const char *path, cdul_resnet **net, cdul_preprocess *preprocess,
                            cJSON **description, cdul_error *err) CDUL_MUST_CHECK;

/* Declares a tensor as it is, and appends its elements: for every file that holds weights. */
cdul_tensor_decl cdul_model_declare(const cdul_tensor *tensor, const char *name);
cdul_status cdul_model_append(const cdul_tensor *tensor, cdul_safetensors_writer *writer,
                              cdul_error *err) CDUL_MUST_CHECK;

#endif
