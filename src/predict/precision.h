/* What settles a classifier's precision. */
#ifndef CDUL_PREDICT_PRECISION_H
#define CDUL_PREDICT_PRECISION_H

#include "cdul/classifier.h"

/* Where it is if the model at `path` has one: model_int8.onnx beside model.onnx. The caller frees;
 * NULL: no memory. */
char *cdul_classifier_int8_path(const char *path);

#endif
