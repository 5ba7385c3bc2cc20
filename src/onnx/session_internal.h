/* What the files of src/onnx share. */
#ifndef CDUL_ONNX_SESSION_INTERNAL_H
#define CDUL_ONNX_SESSION_INTERNAL_H

#include "onnx/session.h"

#include <onnxruntime_c_api.h>

struct cdul_session {
    const OrtApi *api;
    OrtEnv *env;
    OrtSession *session;
    OrtAllocator *allocator; /* ONNX Runtime's default; not ours to release */
    OrtMemoryInfo *memory;
    OrtModelMetadata *metadata;
    cdul_port *inputs, *outputs;
    size_t n_inputs, n_outputs;
    char *path;
    char **properties; /* values handed out by cdul_session_metadata, kept until close */
    size_t n_properties;
};

const OrtApi *cdul_session_api(void);

/* Releases `status` and reports its first line, after the file's name and `doing`; NULL is success. */
cdul_status cdul_session_check(const cdul_session *s, OrtStatus *status, cdul_status failure,
                               const char *doing, cdul_error *err);

/* ONNX Runtime's session options for ours, the provider among them. The caller releases *out, set on failure
 * too. */
cdul_status cdul_session_prepare(const cdul_session *s, const cdul_session_options *from,
                                 OrtSessionOptions **out, cdul_error *err);

/* Element type and dims of a tensor; one of more than CDUL_PORT_RANK dims is OTHER. */
cdul_status cdul_session_shape(const cdul_session *s, const OrtTensorTypeAndShapeInfo *info,
                               cdul_element *element, size_t *rank, int64_t *dims, cdul_error *err);

#endif
