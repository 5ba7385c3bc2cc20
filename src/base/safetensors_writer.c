/* Writes safetensors: the header first, then the data in the declared order. */
#include "base/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define LARGEST_OFFSET ((size_t)1 << 53) /* JSON readers hold numbers in doubles */

struct cdul_safetensors_writer {
    cdul_file *file;
    char *path;
    size_t declared, appended; /* bytes of data */
    XXH3_state_t *hash; /* of all bytes so far */
};

/* The checks of these functions refuse what the reader would: better now than when the file is
 * wanted. */
static cdul_status write_metadata(FILE *stream, const cdul_metadata *metadata, size_t n,
                                  const char *path, cdul_error *err) {
    fputs("\"" CDUL_METADATA_KEY "\":{", stream);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            if (strcmp(metadata[i].key, metadata[j].key) == 0)
                return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"%s\" occurs twice", path,
                                 metadata[i].key);
        if (i) fputc(',', stream);
        cdul_json_write_string(stream, metadata[i].key, false);
        fputc(':', stream);
        cdul_json_write_string(stream, metadata[i].value, false);
    }
    fputc('}', stream);
    return CDUL_OK;
}

static cdul_status write_entry(FILE *stream, const cdul_tensor_decl *tensor, size_t *offset,
                               const char *path, cdul_error *err) {
    size_t elements, bytes, end;
    if (tensor->rank > CDUL_MAX_RANK)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: tensor \"%s\": more than %d dimensions", path,
                         tensor->name, CDUL_MAX_RANK);
    if (!cdul_tensor_bytes(tensor->dtype, tensor->rank, tensor->shape, &elements, &bytes) ||
        __builtin_add_overflow(*offset, bytes, &end) || end > LARGEST_OFFSET)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: tensor \"%s\": too large", path, tensor->name);
    cdul_json_write_string(stream, tensor->name, false);
    fprintf(stream, ":{\"dtype\":\"%s\",\"shape\":[", cdul_dtype_name(tensor->dtype));
    for (size_t i = 0; i < tensor->rank; i++) fprintf(stream, i ? ",%zu" : "%zu", tensor->shape[i]);
    fprintf(stream, "],\"data_offsets\":[%zu,%zu]}", *offset, end);
    *offset = end;
    return CDUL_OK;
}

/* Makes the header as text, padded with spaces so that the data begins at a multiple of 8, and
 * counts the bytes of the data. */
static cdul_status make_header(cdul_safetensors_writer *writer, const cdul_metadata *metadata,
                               size_t n_metadata, const cdul_tensor_decl *tensors, size_t n_tensors,
                               char **text, cdul_error *err) {
    const char *path = writer->path;
    size_t size = 0, position;
    cdul_names names = {0};
    FILE *stream = open_memstream(text, &size);
    if (!stream) return cdul_fail_memory(err, path);
    cdul_status status = cdul_names_get(&names, CDUL_METADATA_KEY, &position, err);
    fputc('{', stream);
    if (status == CDUL_OK && n_metadata)
        status = write_metadata(stream, metadata, n_metadata, path, err);
    for (size_t i = 0; i < n_tensors && status == CDUL_OK; i++) {
        if (i || n_metadata) fputc(',', stream);
        status = cdul_names_get(&names, tensors[i].name, &position, err);
        if (status == CDUL_OK && position != i + 1)
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: tensor names: \"%s\" occurs twice", path,
                               tensors[i].name);
        if (status == CDUL_OK)
            status = write_entry(stream, &tensors[i], &writer->declared, path, err);
    }
    cdul_names_free(&names);
    fputc('}', stream);
    fflush(stream); /* brings `size` up to date */
    for (size_t i = size; i % 8; i++) fputc(' ', stream);
    bool failed = ferror(stream) != 0;
    failed = fclose(stream) != 0 || failed;
    if (status == CDUL_OK && failed) status = cdul_fail_memory(err, path);
    if (status == CDUL_OK && size > CDUL_SAFETENSORS_HEADER_BYTES)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: a header of %zu bytes; the format allows %u",
                           path, size, CDUL_SAFETENSORS_HEADER_BYTES);
    return status;
}

static cdul_status put(cdul_safetensors_writer *writer, const void *data, size_t bytes,
                       cdul_error *err) {
    if (bytes && fwrite(data, 1, bytes, cdul_file_stream(writer->file)) != bytes)
        return cdul_fail_errno(err, "%s: cannot be written", writer->path);
    if (bytes) XXH3_64bits_update(writer->hash, data, bytes);
    return CDUL_OK;
}

cdul_status cdul_safetensors_create(const char *path, const cdul_metadata *metadata,
                                    size_t n_metadata, const cdul_tensor_decl *tensors,
                                    size_t n_tensors, cdul_safetensors_writer **out,
                                    cdul_error *err) {
    char *text = NULL;
    cdul_safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return cdul_fail_memory(err, path);
    writer->hash = XXH3_createState();
    writer->path = strdup(path);
    cdul_status status = writer->path && writer->hash ? CDUL_OK : cdul_fail_memory(err, path);
    if (status == CDUL_OK)
        status = make_header(writer, metadata, n_metadata, tensors, n_tensors, &text, err);
    if (status == CDUL_OK) status = cdul_file_create(path, &writer->file, err);
    if (status == CDUL_OK) {
        const uint64_t length = strlen(text);
        XXH3_64bits_reset(writer->hash);
        status = put(writer, &length, sizeof length, err);
        if (status == CDUL_OK) status = put(writer, text, length, err);
    }
    if (status == CDUL_OK)
        *out = writer;
    else
        cdul_safetensors_discard(&writer);
    free(text);
    return status;
}

cdul_status cdul_safetensors_append(cdul_safetensors_writer *writer, const void *data, size_t bytes,
                                    cdul_error *err) {
    if (bytes > writer->declared - writer->appended)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: more data than the %zu bytes declared",
                         writer->path, writer->declared);
    writer->appended += bytes;
    return put(writer, data, bytes, err);
}

cdul_status cdul_safetensors_seal(cdul_safetensors_writer *writer, cdul_error *err) {
    const uint64_t hash = XXH3_64bits_digest(writer->hash);
    return cdul_safetensors_append(writer, &hash, sizeof hash, err);
}

cdul_status cdul_safetensors_commit(cdul_safetensors_writer **writer, cdul_error *err) {
    cdul_safetensors_writer *w = *writer;
    cdul_status status;
    if (w->appended != w->declared)
        status = cdul_fail(err, CDUL_ERR_USAGE, "%s: %zu bytes of data appended of %zu declared",
                           w->path, w->appended, w->declared);
    else
        status = cdul_file_commit(&w->file, err);
    cdul_safetensors_discard(writer);
    return status;
}

void cdul_safetensors_discard(cdul_safetensors_writer **writer) {
    if (!writer || !*writer) return;
    cdul_file_discard(&(*writer)->file);
    XXH3_freeState((*writer)->hash);
    free((*writer)->path);
    free(*writer);
    *writer = NULL;
}
