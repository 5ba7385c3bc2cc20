/* Encoder folders as other people have them: which files are the towers, and what the files beside
 * them say. Nothing is run here; what is not understood is CDUL_ERR_INPUT, never a guess. */
#pragma once

#include "cdul/encoder.h"
#include "onnx/session.h"

/* --- Which files are the towers: names alone decide (layout.c) --- */

/* Start from {0}. */
typedef struct cdul_layout {
    char *vision; /* graph of the image tower; of both towers, perhaps, if `combined` */
    bool combined; /* `vision` is called model.onnx: its inputs will tell what it holds */
    char *text; /* graph of the text tower, or NULL */
    char *text_note; /* what to tell the user of that choice, or NULL */
    /* folder with the tokenizer's files: the text graph's if they are there, else the top */
    char *tokenizer;
} cdul_layout;

/* Looks for, with a suffix "_<variant>" if one is asked for (NULL: the plain float32 names alone):
 *   vision_model.onnx, text_model.onnx       in the folder or its onnx/ (transformers.js, optimum)
 *   visual/model.onnx, textual/model.onnx    (immich)
 *   *visual*.onnx, *textual*.onnx            in the folder or its onnx/ (clip-variants, rclip)
 *   model.onnx                               likewise, if none of the others is there
 * Two files for one tower, or none for the image tower, is CDUL_ERR_INPUT: the message lists what
 * is there. A text tower of another variant than the image tower's is chosen with a note. */
cdul_status cdul_layout_find(const char *folder, const char *variant, cdul_layout *out,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Path of the image tower's graph in eight bits, variant int8 or else quantized; NULL if there is
 * none. The caller frees. */
cdul_status cdul_layout_int8(const char *folder, char **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_layout_free(cdul_layout *layout);

/* --- A JSON file that may be there (encoder_config.c) --- */

struct cJSON;
/* Reads folder/name. *path is the caller's to free, *json to delete: NULL if there is no such
 * file. */
cdul_status cdul_folder_json(const char *folder, const char *name, struct cJSON **json, char **path,
                             cdul_error *err) CDUL_MUST_CHECK;

/* --- What the model is: config.json, open_clip_config.json, cdul.json (encoder_config.c) --- */

typedef struct cdul_encoder_config {
    char *model_type; /* NULL if not said */
    size_t projection; /* projection_dim, 0 if not said */
    size_t image_height, image_width; /* image_size of vision_config, 0 if not said */
    size_t context; /* text_config.max_position_embeddings; CLIP's 77; 0 if not known */
    double logit_scale; /* exponent: cosines are multiplied by exp(logit_scale); NAN: not known */
    bool scale_assumed; /* only because CLIPs end there: whoever knows it replaces it */
    const char *scale_source;
    bool sigmoid; /* trained with a sigmoid and a bias, known or not: SigLIP */
    double logit_bias; /* NAN: not known */
    const char *bias_source;
    char *provenance; /* cdul.json's, or NULL */
    cdul_strings templates; /* cdul.json's prompts, for want of the user's */
} cdul_encoder_config;

cdul_status cdul_encoder_config_read(const char *folder, cdul_encoder_config *out,
                                     cdul_error *err) CDUL_MUST_CHECK;
void cdul_encoder_config_free(cdul_encoder_config *config);

/* Replaces what is not NAN; `source`, a literal: where it is from. A bias makes scores a
 * sigmoid's. */
void cdul_encoder_config_score(cdul_encoder_config *config, double scale, double bias,
                               const char *source);
/* A factor, such as 100, written where its logarithm belongs would make every label 0 or 1:
 * CDUL_ERR_INPUT. */
cdul_status cdul_logit_scale_check(double scale, const char *where,
                                   cdul_error *err) CDUL_MUST_CHECK;

/* --- How a picture becomes the network's input (preprocess_config.c) --- */

/* Who else says how large the network's input is; 0: it does not. */
typedef struct cdul_input_size {
    size_t height, width; /* the graph: it wins over the file */
    size_t model_height, model_width; /* image_size in config.json: for want of the other two */
} cdul_input_size;

/* Reads the folder's preprocessor_config.json, the file by which Hugging Face says it (or the
 * image_processor part of processor_config.json, which newer files have instead); else open_clip's
 * configuration. Assumptions worth telling the user are added to `notes`, a line each.
 *
 * A key that would change pixels and is not known here, or a combination that has no fixed output
 * size, is CDUL_ERR_INPUT. A key that is absent takes the default of the named processor class; a
 * class that is not known must have every key. */
cdul_status cdul_preprocess_read(const char *folder, const cdul_input_size *known,
                                 cdul_preprocess *out, cdul_strings *notes,
                                 cdul_error *err) CDUL_MUST_CHECK;
/* A member that is a number (a square), [side] or [height, width] in pixels; absent or null: both
 * are left as they are. */
cdul_status cdul_preprocess_sides(const struct cJSON *object, const char *key, const char *where,
                                  size_t *height, size_t *width, cdul_error *err) CDUL_MUST_CHECK;

/* --- Class vectors that were made elsewhere: text.safetensors (text_file.c) --- */

/* `text` gets `rows` zeroed vectors, and with `by_word` class_of. */
cdul_status cdul_text_allocate(cdul_text *text, size_t rows, size_t width, bool by_word,
                               cdul_error *err) CDUL_MUST_CHECK;
/* The name that a row belongs to. */
const char *cdul_text_class(const cdul_text *text, size_t row);
/* The vectors of `classes` from text.safetensors; all of the file's if that is NULL. */
cdul_status cdul_text_choose(const char *path, const cdul_classes *classes, size_t width,
                             cdul_text *out, cdul_error *err) CDUL_MUST_CHECK;
/* Scales `vector` [D] to length 1; false if it is zero or not finite. */
bool cdul_unit(float *vector, size_t width);
