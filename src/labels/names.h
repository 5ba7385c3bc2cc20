/* Names in a safetensors file: metadata, a JSON list; a tensor uint8 of the same text where the
 * header, which takes 100 MB, has no room for it: some four million images. */
#ifndef CDUL_LABELS_NAMES_H
#define CDUL_LABELS_NAMES_H

#include "base/safetensors.h"
#include "cdul/error.h"
#include "cdul/strings.h"

#include <stdbool.h>

/* `count` names under `key`, of which `tensor` has a row or column each. */
cdul_status cdul_names_read(const cdul_safetensors *file, const char *key, const char *tensor,
                            size_t count, cdul_strings *out, cdul_error *err) CDUL_MUST_CHECK;

/* Whether all these values fit into one header, tensors and small things beside them. */
bool cdul_names_fit(const cdul_metadata *metadata, size_t count);

#endif
