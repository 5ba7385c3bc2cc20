/* Options of cdul-train: a run, or the export of one. */
#ifndef CDUL_CLI_TRAIN_OPTIONS_H
#define CDUL_CLI_TRAIN_OPTIONS_H

#include "cdul/train.h"

typedef struct cdul_train_cli_options {
    cdul_train_params train; /* `output` is the ONNX file with `export` */
    unsigned align; /* 0 = off, 1 = on */
    const char *export; /* run folder to write as ONNX, or NULL */
} cdul_train_cli_options;

#endif
