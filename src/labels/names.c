#include "labels/names.h"

#include "base/json.h"

#include <string.h>

cdul_status cdul_names_read(const cdul_safetensors *file, const char *key, const char *tensor,
                            size_t count, cdul_strings *out, cdul_error *err) {
    const char *path = cdul_safetensors_path(file), *text = cdul_safetensors_metadata(file, key);
    const cdul_tensor_view *bytes = cdul_safetensors_find(file, key);
    if (!text && (!bytes || bytes->dtype != CDUL_U8))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata lacks \"%s\", a JSON list of names",
                         path, key);
    cdul_status status = text ? cdul_json_to_strings(text, strlen(text), key, out, err)
                              : cdul_json_to_strings(bytes->data, bytes->elements, key, out, err);
    if (status != CDUL_OK) {
        cdul_error_prefix(err, "%s: metadata", path);
        return status;
    }
    if (out->count != count)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: metadata \"%s\" has %zu names, tensor \"%s\" needs %zu", path, key,
                         out->count, tensor, count);
    return CDUL_OK;
}

/* Bytes of the text as a string in JSON. */
static size_t quoted_size(const char *text) {
    size_t size = 2;
    for (; *text; text++) size += *text == '"' || *text == '\\' ? 2 : 1;
    return size;
}

bool cdul_names_fit(const cdul_metadata *metadata, size_t count) {
    size_t size = 1024; /* the rest */
    for (size_t i = 0; i < count; i++) size += quoted_size(metadata[i].value);
    return size <= CDUL_SAFETENSORS_HEADER_BYTES;
}
