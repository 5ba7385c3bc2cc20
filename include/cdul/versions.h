/* Versions of the libraries that libcdul stands on: a line "name 1.2.3" each, as the programs'
 * --version prints them. A function for each part, so that a program names what it uses. */
#pragma once

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What decodes pictures: libjpeg-turbo, libpng, libwebp, stb_image. */
void cdul_image_versions(FILE *out);
/* What reads prompts: utf8proc. */
void cdul_encoder_versions(FILE *out);
/* What compares vectors: OpenMP, by year and month of its specification, which is all it tells. */
void cdul_label_versions(FILE *out);
/* What reads ground truth and measures: expat, OpenMP. */
void cdul_eval_versions(FILE *out);
/* ONNX Runtime and the providers it was built with. */
void cdul_session_versions(FILE *out);

#ifdef __cplusplus
}
#endif
