/* The parts of a session: session.c opens it, run.c runs it, stop.c ends a run early. */
#pragma once

#include "onnx/ort.h"
#include "onnx/provider.h"
#include "onnx/session.h"

/* What there is to know of each cdul_element. */
typedef struct cdul_element_facts {
    const char *name; /* "float16" */
    size_t size; /* bytes; 0 of OTHER */
    bool floating;
    ONNXTensorElementDataType type;
} cdul_element_facts;

extern const cdul_element_facts cdul_elements[];

/* Element type, rank and dims [CDUL_PORT_RANK] of a tensor. One of more dimensions is OTHER. */
cdul_status cdul_element_shape(const cdul_ort *ort, const OrtTensorTypeAndShapeInfo *info,
                               cdul_element *element, size_t *rank, int64_t *dims,
                               cdul_error *err) CDUL_MUST_CHECK;

typedef struct cdul_stop cdul_stop;

/* Starts a thread that asks callbacks->should_stop; its yes ends every run with the options below.
 * *out is NULL if there is nobody to ask. */
cdul_status cdul_stop_open(const cdul_ort *ort, const cdul_callbacks *callbacks, cdul_stop **out,
                           cdul_error *err) CDUL_MUST_CHECK;
/* NULL for NULL. */
const OrtRunOptions *cdul_stop_options(const cdul_stop *stop);
void cdul_stop_close(cdul_stop *stop);

struct cdul_session {
    cdul_ort ort;
    OrtSession *session;
    OrtAllocator *allocator; /* ONNX Runtime's default, which is never released */
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
