/* What the files of this folder share of ONNX Runtime and of a session. */
#pragma once

#include "onnx/session.h"

#include <onnxruntime_c_api.h>
#include <pthread.h>
#include <semaphore.h>

/* --- ONNX Runtime --- */

typedef struct cdul_ort {
    const OrtApi *api;
    OrtEnv *env; /* one for the process; ONNX Runtime counts its users */
    char *path; /* of the graph: what errors begin with */
} cdul_ort;

/* Version of the loaded library: "1.32.0". */
const char *cdul_ort_version(void);

/* NULL is success. Otherwise releases `failed` and reports its first line, after the path and
 * `doing`, as CDUL_ERR_RUNTIME or as `status`. */
cdul_status cdul_ort_check(const cdul_ort *ort, OrtStatus *failed, const char *doing,
                           cdul_error *err);
cdul_status cdul_ort_check_as(const cdul_ort *ort, OrtStatus *failed, cdul_status status,
                              const char *doing, cdul_error *err);
/* Releases a failure that does not matter; NULL is success. */
void cdul_ort_drop(const OrtApi *api, OrtStatus *failed);

/* --- A session --- */

#define CDUL_PROVIDER_NAME 64 /* bytes: "CUDA", "OpenVINO" */

struct cdul_session {
    cdul_ort ort;
    OrtSession *session;
    OrtAllocator *allocator; /* ONNX Runtime's default, which is never released */
    OrtMemoryInfo *memory;
    cdul_port *inputs, *outputs; /* their names are the allocator's */
    size_t n_inputs, n_outputs;
    cdul_strings properties; /* key, value, key, value, ... */
    char provider[CDUL_PROVIDER_NAME + 10]; /* "OpenVINO on CPU"; "": ONNX Runtime's CPU alone */
    char placement[160];
    const cdul_callbacks *callbacks; /* the caller's */
    OrtRunOptions *run_options; /* NULL if there is nobody to ask whether to stop */
    pthread_t watcher; /* asks, as long as there are run_options */
    sem_t end; /* of the watcher */
};

/* Appends the provider to the options, and writes s->provider. `threads` is told to providers that
 * do not see the session's number. */
cdul_status cdul_provider_append(cdul_session *s, OrtSessionOptions *options,
                                 const cdul_provider *from, int threads,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* Opens the graph so that its large weights are mapped, not copied. s->session stays NULL, without
 * a failure, if there are none. `doing` is for messages. */
cdul_status cdul_weights_open(cdul_session *s, OrtSessionOptions *options, const char *doing,
                              cdul_error *err) CDUL_MUST_CHECK;
/* The graph of a file with its tensors of `least` bytes or more declared as external data in that
 * same file. *out is the caller's to free; NULL, and success, if there are no such tensors, if some
 * are external already, or if the file is no graph. */
cdul_status cdul_weights_outline(const char *path, size_t least, char **out, size_t *size,
                                 cdul_error *err) CDUL_MUST_CHECK;

/* Starts a thread that asks callbacks->should_stop; its yes ends every run. */
cdul_status cdul_watch_start(cdul_session *s, cdul_error *err) CDUL_MUST_CHECK;
void cdul_watch_end(cdul_session *s);

/* Element type, rank and dims [CDUL_PORT_RANK] of a tensor. One of more dimensions is OTHER. */
cdul_status cdul_element_shape(const cdul_ort *ort, const OrtTensorTypeAndShapeInfo *info,
                               cdul_element *element, size_t *rank, int64_t *dims,
                               cdul_error *err) CDUL_MUST_CHECK;
