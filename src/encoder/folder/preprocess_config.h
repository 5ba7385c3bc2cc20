/* preprocessor_config.json, the file by which Hugging Face says how a picture becomes a network's
 * input. */
#ifndef CDUL_ENCODER_FOLDER_PREPROCESS_CONFIG_H
#define CDUL_ENCODER_FOLDER_PREPROCESS_CONFIG_H

#include "cdul/image.h"
#include "cdul/strings.h"

/* Who else says how large the network's input is; 0: it does not. */
typedef struct cdul_input_size {
    size_t height, width; /* the graph: it wins over the file */
    size_t model_height, model_width; /* image_size in config.json: for want of the other two */
} cdul_input_size;

/* Reads the folder's preprocessor_config.json (or the image_processor part of
 * processor_config.json, which newer files have instead). Assumptions worth telling the user are
 * added to `notes`, a line each.
 *
 * A key that would change pixels and is not known here, or a combination that has no fixed output
 * size, is CDUL_ERR_INPUT. A key that is absent takes the default of the named processor class; a
 * class that is not known must have every key. */
cdul_status cdul_preprocess_read(const char *folder, const cdul_input_size *known,
                                 cdul_preprocess *out, cdul_strings *notes,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* The settings as text, equal if and only if they make the same pixels: for cache keys and
 * --inspect. */
void cdul_preprocess_text(const cdul_preprocess *preprocess, char *text, size_t size);

#endif
