/* Which files of an encoder folder are the towers. Nothing is opened here: names alone decide. */
#ifndef CDUL_ENCODER_FOLDER_LAYOUT_H
#define CDUL_ENCODER_FOLDER_LAYOUT_H

#include "cdul/error.h"

#include <stdbool.h>

/* Paths are the owner's to free, by cdul_layout_free. */
typedef struct cdul_layout {
    char *vision; /* graph of the image tower; of both towers, perhaps, if `combined` */
    bool combined; /* `vision` is called model.onnx: its inputs will tell what it holds */
    char *text; /* graph of the text tower, or NULL */
    char *text_note; /* what to tell the user of that choice, or NULL */
    /* folder with the tokenizer's files: the text graph's if they are there, else the top */
    char *tokenizer;
} cdul_layout;

/* Looks for, with a suffix "_<variant>" if one is asked for (NULL: the plain float32 names alone):
 *   vision_model.onnx, text_model.onnx            in the folder or its onnx/ (transformers.js,
 * optimum) visual/model.onnx, textual/model.onnx         (immich) *visual*.onnx, *textual*.onnx in
 * the folder or its onnx/ (clip-variants, rclip) model.onnx                                    in
 * the folder or its onnx/, if none of the others is there Two files for one tower, or none for the
 * image tower, is CDUL_ERR_INPUT: the message lists what is there. A text tower of another variant
 * than the image tower's is chosen with a note. */
cdul_status cdul_layout_find(const char *folder, const char *variant, cdul_layout *out,
                             cdul_error *err) CDUL_MUST_CHECK;
/* Path of the image tower's graph in eight bits, variant int8 or else quantized; NULL if there is
 * none. The caller frees. */
cdul_status cdul_layout_int8(const char *folder, char **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_layout_free(cdul_layout *layout);

#endif
