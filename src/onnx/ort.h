/* ONNX Runtime itself: its functions, the environment of the process, its errors as ours. What all
 * files of this folder stand on. */
#ifndef CDUL_ONNX_ORT_H
#define CDUL_ONNX_ORT_H

#include "cdul/error.h"
#include "onnx/values.h"

#include <onnxruntime_c_api.h>

/* Start from {0} and a path. */
typedef struct cdul_ort {
    const OrtApi *api;
    OrtEnv *env; /* one for the process; ONNX Runtime counts its users */
    const char *path; /* of the graph or plug-in: what errors begin with */
} cdul_ort;

/* Version of the library that is loaded: "1.32.0". */
const char *cdul_ort_version(void);

cdul_status cdul_ort_start(cdul_ort *ort, cdul_error *err) CDUL_MUST_CHECK;
void cdul_ort_end(cdul_ort *ort);

/* Releases `status` and reports its first line, after the path and `doing`, as CDUL_ERR_RUNTIME, or
 * as `failure`; NULL is success. */
cdul_status cdul_ort_check(const cdul_ort *ort, OrtStatus *status, const char *doing,
                           cdul_error *err);
cdul_status cdul_ort_check_as(const cdul_ort *ort, OrtStatus *status, cdul_status failure,
                              const char *doing, cdul_error *err);
/* Releases a failure that nobody need know of; NULL is none. */
void cdul_ort_drop(const OrtApi *api, OrtStatus *status);

/* ONNX Runtime's name of an element type. */
ONNXTensorElementDataType cdul_ort_type(cdul_element element);
/* Element type and dims [CDUL_PORT_RANK] of a tensor; one of more dims is OTHER. */
cdul_status cdul_ort_shape(const cdul_ort *ort, const OrtTensorTypeAndShapeInfo *info,
                           cdul_element *element, size_t *rank, int64_t *dims,
                           cdul_error *err) CDUL_MUST_CHECK;

#endif
