/* Writes safetensors: the header first, then the data in the declared order. */
#include "base/safetensors.h"

#include "base/file.h"
#include "base/json.h"
#include "cdul/strings.h"

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

/* These checks refuse what the reader would: better now than when the file is wanted. */
static cdul_status check_names(const cdul_tensor_decl *tensors, size_t n_tensors, const char *path,
                               cdul_error *err) {
    cdul_strings names = {0};
    cdul_index *index = NULL;
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < n_tensors && status == CDUL_OK; i++)
        status = cdul_strings_add(&names, tensors[i].name, err);
    if (status == CDUL_OK) status = cdul_strings_add(&names, CDUL_METADATA_KEY, err);
    if (status == CDUL_OK) status = cdul_index_new(&names, &index, err);
    if (status == CDUL_ERR_INPUT) cdul_error_prefix(err, "%s: tensor names", path);
    cdul_index_free(index);
    cdul_strings_free(&names);
    return status;
}

static cdul_status check_keys(const cdul_metadata *metadata, size_t n, const char *path,
                              cdul_error *err) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(metadata[i].key, metadata[j].key) == 0)
                return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"%s\" occurs twice", path,
                                 metadata[i].key);
    return CDUL_OK;
}

static void write_metadata(FILE *stream, const cdul_metadata *metadata, size_t n) {
    fputs("\"" CDUL_METADATA_KEY "\":{", stream);
    for (size_t i = 0; i < n; i++) {
        if (i) fputc(',', stream);
        cdul_json_write_string(stream, metadata[i].key, false);
        fputc(':', stream);
        cdul_json_write_string(stream, metadata[i].value, false);
    }
    fputc('}', stream);
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
    size_t size = 0;
    cdul_status status = CDUL_OK;
    FILE *stream = open_memstream(text, &size);
    if (!stream) return cdul_fail_memory(err, path);
    fputc('{', stream);
    if (n_metadata) write_metadata(stream, metadata, n_metadata);
    for (size_t i = 0; i < n_tensors && status == CDUL_OK; i++) {
        if (i || n_metadata) fputc(',', stream);
        status = write_entry(stream, &tensors[i], &writer->declared, path, err);
    }
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

cdul_status cdul_safetensors_create(const char *path, const cdul_metadata *metadata,
                                    size_t n_metadata, const cdul_tensor_decl *tensors,
                                    size_t n_tensors, cdul_safetensors_writer **out,
                                    cdul_error *err) {
    char *text = NULL;
    cdul_safetensors_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return cdul_fail_memory(err, path);
    cdul_status status = CDUL_OK;
    writer->hash = XXH3_createState();
    if (!(writer->path = strdup(path)) || !writer->hash) status = cdul_fail_memory(err, path);
    if (status == CDUL_OK) status = check_names(tensors, n_tensors, path, err);
    if (status == CDUL_OK) status = check_keys(metadata, n_metadata, path, err);
    if (status == CDUL_OK)
        status = make_header(writer, metadata, n_metadata, tensors, n_tensors, &text, err);
    if (status == CDUL_OK) status = cdul_file_create(path, &writer->file, err);
    if (status == CDUL_OK) {
        const uint64_t length = strlen(text);
        FILE *stream = cdul_file_stream(writer->file);
        fwrite(&length, sizeof length, 1, stream); /* a failure surfaces at append or commit */
        fwrite(text, 1, length, stream);
        XXH3_64bits_reset(writer->hash);
        XXH3_64bits_update(writer->hash, &length, sizeof length);
        XXH3_64bits_update(writer->hash, text, length);
        *out = writer;
    } else {
        cdul_safetensors_discard(&writer);
    }
    free(text);
    return status;
}

cdul_status cdul_safetensors_append(cdul_safetensors_writer *writer, const void *data, size_t bytes,
                                    cdul_error *err) {
    if (bytes > writer->declared - writer->appended)
        return cdul_fail(err, CDUL_ERR_USAGE, "%s: more data than the %zu bytes declared",
                         writer->path, writer->declared);
    if (bytes && fwrite(data, 1, bytes, cdul_file_stream(writer->file)) != bytes)
        return cdul_fail_errno(err, "%s: cannot be written", writer->path);
    if (bytes) XXH3_64bits_update(writer->hash, data, bytes);
    writer->appended += bytes;
    return CDUL_OK;
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
