/* ONNX Runtime's environment and its errors. */
#include "onnx/session_internal.h"

#include <string.h>

#define LONGEST_LINE 700 /* bytes: leaves room for the file's name */

cdul_status cdul_ort_check_as(const cdul_ort *ort, OrtStatus *failed, cdul_status status,
                              const char *doing, cdul_error *err) {
    if (!failed) return CDUL_OK;
    if (ort->api->GetErrorCode(failed) == ORT_NO_SUCHFILE) status = CDUL_ERR_IO;
    const char *message = ort->api->GetErrorMessage(failed);
    int line = (int)strcspn(message, "\n");
    /* OpenVINO's message begins with where it failed, "Exception from file.cpp:54:". Skip that. */
    while (line > 0 && message[line - 1] == ':' && message[line] && message[line + 1]) {
        message += line + 1;
        line = (int)strcspn(message, "\n");
    }
    if (line > LONGEST_LINE) line = LONGEST_LINE;
    cdul_fail(err, status, "%s: %s: %.*s", ort->path, doing, line, message);
    ort->api->ReleaseStatus(failed);
    return status;
}

cdul_status cdul_ort_check(const cdul_ort *ort, OrtStatus *failed, const char *doing,
                           cdul_error *err) {
    return cdul_ort_check_as(ort, failed, CDUL_ERR_RUNTIME, doing, err);
}

void cdul_ort_drop(const OrtApi *api, OrtStatus *failed) {
    if (failed) api->ReleaseStatus(failed);
}

const char *cdul_ort_version(void) { return OrtGetApiBase()->GetVersionString(); }

/* By itself ONNX Runtime logs to stderr, which a library must not. Errors come back as statuses. */
static void ORT_API_CALL swallow_log(void *param, OrtLoggingLevel severity, const char *category,
                                     const char *id, const char *location, const char *message) {
    (void)param, (void)severity, (void)category, (void)id, (void)location, (void)message;
}

/* Microsoft's builds send telemetry, which is switched off as soon as it can be; cdul/provider.h
 * says what remains. */
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
    if (status == CDUL_OK)
        status =
            cdul_ort_check(ort, ort->api->DisableTelemetryEvents(ort->env), "ONNX Runtime", err);
    return status;
}
