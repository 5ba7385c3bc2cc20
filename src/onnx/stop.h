/* Ends a run of the network when the caller says stop. */
#ifndef CDUL_ONNX_STOP_H
#define CDUL_ONNX_STOP_H

#include "cdul/progress.h"
#include "onnx/ort.h"

typedef struct cdul_stop cdul_stop;

/* From here on callbacks->should_stop is asked, and its yes ends every run with the options below.
 * *out is NULL if there is nobody to ask. */
cdul_status cdul_stop_open(const cdul_ort *ort, const cdul_callbacks *callbacks, cdul_stop **out,
                           cdul_error *err) CDUL_MUST_CHECK;
/* NULL for NULL. */
const OrtRunOptions *cdul_stop_options(const cdul_stop *stop);
void cdul_stop_close(cdul_stop *stop);

#endif
