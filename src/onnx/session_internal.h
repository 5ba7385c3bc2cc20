/* What the files of src/onnx share. */
#ifndef CDUL_ONNX_SESSION_INTERNAL_H
#define CDUL_ONNX_SESSION_INTERNAL_H

#include "onnx/session.h"

#include <onnxruntime_c_api.h>

typedef struct cdul_stop cdul_stop;

struct cdul_session {
    const OrtApi *api;
    OrtEnv *env;
    OrtSession *session;
    OrtAllocator *allocator; /* ONNX Runtime's default; not ours to release */
    OrtMemoryInfo *memory;
    OrtModelMetadata *metadata;
    const cdul_callbacks *callbacks; /* the caller's */
    cdul_stop *stop; /* NULL: nobody asks to stop */
    cdul_port *inputs, *outputs;
    size_t n_inputs, n_outputs;
    char *path;
    char **properties; /* values handed out by cdul_session_metadata, kept until close */
    size_t n_properties;
    char provider[80]; /* for people: "CUDA", "OpenVINO on CPU"; "" = the CPU alone */
    char placement[160];
};

/* Releases `status` and reports its first line, after the file's name and `doing`; NULL is
 * success. */
cdul_status cdul_session_check(const cdul_session *s, OrtStatus *status, cdul_status failure,
                               const char *doing, cdul_error *err);

/* The environment is one for the process; ONNX Runtime counts its users. */
cdul_status cdul_session_start(cdul_session *s, cdul_error *err);

/* ONNX Runtime's session options for ours, the provider among them. The caller releases *out, set
 * on failure too. */
cdul_status cdul_session_prepare(cdul_session *s, const cdul_session_options *from,
                                 OrtSessionOptions **out, cdul_error *err);
/* Creates s->session. On the CPU alone large weights are mapped, not copied: see weights.c. */
cdul_status cdul_session_create(cdul_session *s, OrtSessionOptions *options, const char *doing,
                                cdul_error *err);
/* The graph of a file with its tensors of `least` bytes or more left where they are: external data
 * in that same file. *out is the caller's to free; NULL, and success, if there are none, if some
 * are external already, or if the file is no graph. */
cdul_status cdul_weights_outline(const char *path, size_t least, char **out, size_t *size,
                                 cdul_error *err);
/* After the session is created: counts the nodes that the provider took, and refuses one that took
 * none. */
cdul_status cdul_session_place(cdul_session *s, cdul_error *err);

/* From here on should_stop ends a run of the session. Nothing if the caller gave none. */
cdul_status cdul_stop_open(cdul_session *s, cdul_error *err);
const OrtRunOptions *cdul_stop_options(const cdul_session *s);
void cdul_stop_close(cdul_session *s);

/* A provider's name for people, ONNX Runtime's without "ExecutionProvider"; returns `text`. */
const char *cdul_provider_short(const char *name, char *text, size_t size);

/* The provider's options as ONNX Runtime takes them. */
typedef struct cdul_provider_pairs {
    const char **keys, **values; /* [count], with room for one more: both point into `text` */
    size_t count;
    cdul_strings text;
} cdul_provider_pairs;

/* NULL if the user did not give the key. */
const char *cdul_provider_pairs_get(const cdul_provider_pairs *pairs, const char *key);
/* For keys that the user did not give; `key` and `value` are borrowed. Only once. */
void cdul_provider_pairs_default(cdul_provider_pairs *pairs, const char *key, const char *value);
cdul_status cdul_provider_refuse_bfloat16(const cdul_session *session, cdul_error *err);

/* Appends the provider that `from` names, of its plug-in library. `threads` is for providers that
 * do not see the session's. */
cdul_status cdul_plugin_append(cdul_session *s, OrtSessionOptions *options,
                               const cdul_provider *from, cdul_provider_pairs *pairs, int threads,
                               cdul_error *err);

/* Element type and dims of a tensor; one of more than CDUL_PORT_RANK dims is OTHER. */
cdul_status cdul_session_shape(const cdul_session *s, const OrtTensorTypeAndShapeInfo *info,
                               cdul_element *element, size_t *rank, int64_t *dims, cdul_error *err);

#endif
