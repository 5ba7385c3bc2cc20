/* ONNX Runtime's environment and its errors. */
#include "onnx/ort.h"

#include <string.h>

#define LONGEST_LINE 700 /* bytes: leaves room for the file's name */

cdul_status cdul_ort_check_as(const cdul_ort *ort, OrtStatus *status, cdul_status failure,
                              const char *doing, cdul_error *err) {
    if (!status) return CDUL_OK;
    if (ort->api->GetErrorCode(status) == ORT_NO_SUCHFILE) failure = CDUL_ERR_IO;
    const char *message = ort->api->GetErrorMessage(status);
    int line = (int)strcspn(message, "\n");
    /* OpenVINO says first where and only then what: "Exception from file.cpp:54:" */
    while (line > 0 && message[line - 1] == ':' && message[line] && message[line + 1]) {
        message += line + 1;
        line = (int)strcspn(message, "\n");
    }
    if (line > LONGEST_LINE) line = LONGEST_LINE;
    cdul_fail(err, failure, "%s: %s: %.*s", ort->path, doing, line, message);
    ort->api->ReleaseStatus(status);
    return failure;
}

cdul_status cdul_ort_check(const cdul_ort *ort, OrtStatus *status, const char *doing,
                           cdul_error *err) {
    return cdul_ort_check_as(ort, status, CDUL_ERR_RUNTIME, doing, err);
}

void cdul_ort_drop(const OrtApi *api, OrtStatus *status) {
    if (status) api->ReleaseStatus(status);
}

const char *cdul_ort_version(void) {
    return OrtGetApiBase()->GetVersionString();
}

/* ONNX Runtime logs to stderr by itself; a library must not. What matters comes back as a
 * status. */
static void ORT_API_CALL swallow_log(void *param, OrtLoggingLevel severity, const char *category,
                                     const char *id, const char *location, const char *message) {
    (void)param, (void)severity, (void)category, (void)id, (void)location, (void)message;
}

/* Microsoft's builds report what is run. What is left of that where the environment does not forbid
 * it is their first report: see cdul/provider.h. */
cdul_status cdul_ort_start(cdul_ort *ort, cdul_error *err) {
    ort->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!ort->api)
        return cdul_fail(err, CDUL_ERR_RUNTIME,
                         "ONNX Runtime %s is older than the header cdul was built with (API %d)",
                         cdul_ort_version(), ORT_API_VERSION);
    cdul_status status =
        cdul_ort_check(ort,
                       ort->api->CreateEnvWithCustomLogger(
                           swallow_log, NULL, ORT_LOGGING_LEVEL_ERROR, "cdul", &ort->env),
                       "ONNX Runtime", err);
    if (status != CDUL_OK) return status;
    return cdul_ort_check(ort, ort->api->DisableTelemetryEvents(ort->env), "ONNX Runtime", err);
}

void cdul_ort_end(cdul_ort *ort) {
    if (ort->env) ort->api->ReleaseEnv(ort->env);
    ort->env = NULL;
}

/* --- Tensors --- */

static const ONNXTensorElementDataType types[] = {
    [CDUL_ELEMENT_F32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    [CDUL_ELEMENT_F16] = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
    [CDUL_ELEMENT_F64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    [CDUL_ELEMENT_I64] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
    [CDUL_ELEMENT_I32] = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
    [CDUL_ELEMENT_OTHER] = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED,
};

ONNXTensorElementDataType cdul_ort_type(cdul_element element) {
    return types[element];
}

cdul_status cdul_ort_shape(const cdul_ort *ort, const OrtTensorTypeAndShapeInfo *info,
                           cdul_element *element, size_t *rank, int64_t *dims, cdul_error *err) {
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    cdul_status status =
        cdul_ort_check(ort, ort->api->GetTensorElementType(info, &type), "type", err);
    if (status == CDUL_OK)
        status = cdul_ort_check(ort, ort->api->GetDimensionsCount(info, rank), "shape", err);
    *element = CDUL_ELEMENT_OTHER;
    if (status != CDUL_OK || *rank > CDUL_PORT_RANK) return status;
    for (int e = 0; e < CDUL_ELEMENT_OTHER; e++)
        if (types[e] == type) *element = (cdul_element)e;
    return cdul_ort_check(ort, ort->api->GetDimensions(info, dims, *rank), "shape", err);
}
