/* ONNX Runtime's functions, environment and errors, for the files of this folder. */
#pragma once

#include "cdul/error.h"

#include <onnxruntime_c_api.h>

/* Start from {0} and a path. */
typedef struct cdul_ort {
    const OrtApi *api;
    OrtEnv *env; /* one for the process; ONNX Runtime counts its users */
    const char *path; /* of the graph or plug-in: what errors begin with */
} cdul_ort;

/* Version of the loaded library: "1.32.0". */
const char *cdul_ort_version(void);

cdul_status cdul_ort_start(cdul_ort *ort, cdul_error *err) CDUL_MUST_CHECK;
void cdul_ort_end(cdul_ort *ort);

/* NULL is success. Otherwise releases `failed` and reports its first line, after the path and
 * `doing`, as CDUL_ERR_RUNTIME or as `status`. */
cdul_status cdul_ort_check(const cdul_ort *ort, OrtStatus *failed, const char *doing,
                           cdul_error *err);
cdul_status cdul_ort_check_as(const cdul_ort *ort, OrtStatus *failed, cdul_status status,
                              const char *doing, cdul_error *err);
/* Releases a failure that does not matter; NULL is success. */
void cdul_ort_drop(const OrtApi *api, OrtStatus *failed);
