/* Versions of the libraries that train and write ONNX, as lines for --version: "name 1.2.3". */
#ifndef CDUL_TRAIN_VERSIONS_H
#define CDUL_TRAIN_VERSIONS_H

#include <stdio.h>

void cdul_train_versions(FILE *out);

#endif
