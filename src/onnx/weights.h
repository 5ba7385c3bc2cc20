/* Opens graphs so that their large weights are mapped, not copied: see weights.c. */
#pragma once

#include "onnx/ort.h"

#include <stddef.h>

/* Opens ort->path. *out stays NULL, without a failure, if there is nothing to map. `doing` is for
 * messages. */
cdul_status cdul_weights_open(const cdul_ort *ort, OrtSessionOptions *options, const char *doing,
                              OrtSession **out, cdul_error *err) CDUL_MUST_CHECK;

/* The graph of a file with its tensors of `least` bytes or more declared as external data in that
 * same file. *out is the caller's to free; NULL, and success, if there are no such tensors, if some
 * are external already, or if the file is no graph. */
cdul_status cdul_weights_outline(const char *path, size_t least, char **out, size_t *size,
                                 cdul_error *err) CDUL_MUST_CHECK;
