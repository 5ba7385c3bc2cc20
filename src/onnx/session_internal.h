/* What a session is, for the two files that it is made of: session.c opens it, run.c runs it. */
#ifndef CDUL_ONNX_SESSION_INTERNAL_H
#define CDUL_ONNX_SESSION_INTERNAL_H

#include "onnx/ort.h"
#include "onnx/provider.h"
#include "onnx/session.h"
#include "onnx/stop.h"

struct cdul_session {
    cdul_ort ort;
    OrtSession *session;
    OrtAllocator *allocator; /* ONNX Runtime's default; not ours to release */
    OrtMemoryInfo *memory;
    OrtModelMetadata *metadata;
    const cdul_callbacks *callbacks; /* the caller's */
    cdul_stop *stop; /* NULL: nobody asks to stop */
    cdul_port *inputs, *outputs;
    size_t n_inputs, n_outputs;
    char *path;
    cdul_strings properties; /* key, value, key, value, ... */
    char provider[CDUL_PROVIDER_NAME];
    char placement[160];
};

#endif
