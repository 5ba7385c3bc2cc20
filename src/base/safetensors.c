/* Reads safetensors, whose whole header is checked before any tensor is given out, and writes them:
 * the header first, then the data in the declared order. */
#include "base/safetensors.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian and is mapped as it is"
#endif

#define LARGEST_INTEGER ((size_t)1 << 53) /* JSON numbers are doubles here: exact up to this */

/* --- Reading --- */

static bool to_size(const cJSON *item, size_t *out) {
    double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (!(value >= 0 && value <= (double)LARGEST_INTEGER)) return false;
    *out = (size_t)value;
    return (double)*out == value;
}

/* The errors of this one and the next begin with what is wrong; read_entries says where. */
static cdul_status read_shape(const cJSON *shape, cdul_tensor_view *view, cdul_error *err) {
    if (!cJSON_IsArray(shape)) return cdul_fail(err, CDUL_ERR_INPUT, "shape: expected a list");
    for (const cJSON *item = shape->child; item; item = item->next) {
        if (view->rank == CDUL_MAX_RANK)
            return cdul_fail(err, CDUL_ERR_INPUT, "more than 8 dimensions");
        if (!to_size(item, &view->shape[view->rank++]))
            return cdul_fail(err, CDUL_ERR_INPUT, "shape: expected whole numbers");
    }
    return CDUL_OK;
}

/* One member of the header: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}. */
static cdul_status read_entry(const cJSON *json, const unsigned char *data, size_t data_bytes,
                              cdul_tensor_view *view, cdul_error *err) {
    size_t begin, end, bytes;
    view->name = json->string;
    if (!cJSON_IsObject(json)) return cdul_fail(err, CDUL_ERR_INPUT, "expected an object");
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "dtype"));
    if (!dtype || !cdul_dtype_find(dtype, &view->dtype))
        return cdul_fail(err, CDUL_ERR_INPUT, "dtype %s is not supported",
                         dtype ? dtype : "(missing)");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(json, "shape");
    cdul_status status = read_shape(shape, view, err);
    if (status != CDUL_OK) return status;

    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(json, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !to_size(offsets->child, &begin) || !to_size(offsets->child->next, &end) || begin > end)
        return cdul_fail(err, CDUL_ERR_INPUT, "data_offsets: expected [begin, end]");
    if (end > data_bytes)
        return cdul_fail(err, CDUL_ERR_INPUT, "ends at byte %zu of %zu; is the file cut off?", end,
                         data_bytes);
    if (!cdul_tensor_bytes(view->dtype, view->rank, view->shape, &view->elements, &bytes))
        return cdul_fail(err, CDUL_ERR_INPUT, "shape: too large");
    if (bytes != end - begin)
        return cdul_fail(err, CDUL_ERR_INPUT, "shape and dtype make %zu bytes, data_offsets %zu",
                         bytes, end - begin);
    view->data = data + begin;
    return CDUL_OK;
}

static size_t bytes_of(const cdul_tensor_view *view) {
    return view->elements * cdul_dtype_size(view->dtype);
}

static int by_offset(const void *a, const void *b) {
    const cdul_tensor_view *x = a, *y = b;
    const uintptr_t x_at = (uintptr_t)x->data, y_at = (uintptr_t)y->data;
    if (x_at != y_at) return x_at < y_at ? -1 : 1;
    if (bytes_of(x) != bytes_of(y)) return bytes_of(x) < bytes_of(y) ? -1 : 1;
    /* Empty tensors at one place: any order will do, so long as it is always the same. */
    return strcmp(x->name, y->name);
}

/* The tensors in order of offset must tile the data without overlap or hole. */
static cdul_status check_layout(cdul_safetensors *file, const unsigned char *data,
                                cdul_error *err) {
    const size_t data_bytes = (size_t)(file->map.data + file->map.size - data);
    size_t at = 0, position;
    cdul_status status = CDUL_OK;
    if (file->count) qsort(file->tensors, file->count, sizeof *file->tensors, by_offset);
    for (size_t i = 0; i < file->count && status == CDUL_OK; i++) {
        const cdul_tensor_view *tensor = &file->tensors[i];
        const size_t begin = (size_t)((const unsigned char *)tensor->data - data);
        if (begin != at)
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: tensor \"%s\": begins at byte %zu, which makes %s: expected %zu",
                             file->path, tensor->name, begin, begin < at ? "an overlap" : "a hole",
                             at);
        status = cdul_names_get(&file->names, tensor->name, &position, err);
        at += bytes_of(tensor);
    }
    if (status == CDUL_OK && at != data_bytes)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: %zu bytes behind the last tensor belong to none",
                         file->path, data_bytes - at);
    return status;
}

static cdul_status check_metadata(const cdul_safetensors *file, cdul_error *err) {
    if (!file->metadata) return CDUL_OK;
    if (!cJSON_IsObject(file->metadata))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: " CDUL_METADATA_KEY ": expected an object",
                         file->path);
    for (const cJSON *item = file->metadata->child; item; item = item->next)
        if (!cJSON_IsString(item))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: " CDUL_METADATA_KEY ": %s: expected a string", file->path,
                             item->string);
    return CDUL_OK;
}

static cdul_status read_header(cdul_safetensors *file, size_t *data_at, cdul_error *err) {
    const unsigned char *bytes = file->map.data;
    size_t length = 0;
    if (file->map.size < sizeof length)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: %zu bytes are too few for a safetensors file",
                         file->path, file->map.size);
    memcpy(&length, bytes, sizeof length);
    if (length > CDUL_SAFETENSORS_HEADER_BYTES)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: is not a safetensors file (header of %zu bytes)",
                         file->path, length);
    if (length > file->map.size - sizeof length)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: the header's %zu bytes reach beyond the file; is it cut off?",
                         file->path, length);
    *data_at = sizeof length + length;
    const char *text = (const char *)bytes + sizeof length;
    if (length == 0 || text[0] != '{')
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: is not a safetensors file: the header is no JSON object", file->path);
    return cdul_json_parse(text, length, file->path, &file->header, err);
}

static cdul_status read_entries(cdul_safetensors *file, size_t data_at, cdul_error *err) {
    const size_t members = (size_t)cJSON_GetArraySize(file->header);
    const unsigned char *data = file->map.data + data_at;
    file->tensors = calloc(members + 1, sizeof *file->tensors);
    if (!file->tensors) return cdul_fail_memory(err, file->path);
    for (const cJSON *item = file->header->child; item; item = item->next) {
        if (strcmp(item->string, CDUL_METADATA_KEY) == 0) {
            file->metadata = item;
            continue;
        }
        cdul_status status =
            read_entry(item, data, file->map.size - data_at, &file->tensors[file->count++], err);
        if (status == CDUL_OK) continue;
        cdul_error_prefix(err, "%s: tensor \"%s\"", file->path, item->string);
        return status;
    }
    cdul_status status = check_layout(file, data, err);
    return status == CDUL_OK ? check_metadata(file, err) : status;
}

cdul_status cdul_safetensors_open(const char *path, cdul_safetensors **out, cdul_error *err) {
    size_t data_at = 0;
    cdul_safetensors *file = calloc(1, sizeof *file);
    if (!file) return cdul_fail_memory(err, path);
    file->path = strdup(path);
    cdul_status status = file->path ? CDUL_OK : cdul_fail_memory(err, path);
    if (status == CDUL_OK) status = cdul_mapping_open(path, &file->map, err);
    if (status == CDUL_OK) status = read_header(file, &data_at, err);
    if (status == CDUL_OK) status = read_entries(file, data_at, err);
    if (status == CDUL_OK)
        *out = file;
    else
        cdul_safetensors_close(file);
    return status;
}

void cdul_safetensors_close(cdul_safetensors *file) {
    if (!file) return;
    cdul_names_free(&file->names);
    cJSON_Delete(file->header);
    cdul_mapping_close(&file->map);
    free(file->tensors);
    free(file->path);
    free(file);
}

void cdul_safetensors_drop_metadata(cdul_safetensors *file) {
    cJSON_DeleteItemFromObjectCaseSensitive(file->header, CDUL_METADATA_KEY);
    file->metadata = NULL;
}

const cdul_tensor_view *cdul_safetensors_find(const cdul_safetensors *file, const char *name) {
    size_t i = cdul_index_find(&file->names, name);
    return i == CDUL_NOT_FOUND ? NULL : &file->tensors[i];
}

const char *cdul_safetensors_metadata(const cdul_safetensors *file, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(file->metadata, key);
    return item ? item->valuestring : NULL;
}

/* Errors begin with what is wrong. */
static cdul_status expect(const cdul_tensor_view *view, size_t rank, const size_t *shape,
                          cdul_error *err) {
    if (!view) return cdul_fail(err, CDUL_ERR_INPUT, "is missing");
    if (view->dtype > CDUL_F64)
        return cdul_fail(err, CDUL_ERR_INPUT, "is %s; expected F32, F16, BF16 or F64",
                         cdul_dtype_name(view->dtype));
    if (view->rank != rank)
        return cdul_fail(err, CDUL_ERR_INPUT, "has %zu dimensions; expected %zu", view->rank, rank);
    for (size_t i = 0; i < rank; i++)
        if (shape[i] && shape[i] != view->shape[i])
            return cdul_fail(err, CDUL_ERR_INPUT, "dimension %zu is %zu; expected %zu", i + 1,
                             view->shape[i], shape[i]);
    return CDUL_OK;
}

cdul_status cdul_safetensors_expect(const cdul_safetensors *file, const char *name, size_t rank,
                                    size_t *shape, cdul_tensor_view *out, cdul_error *err) {
    const cdul_tensor_view *view = cdul_safetensors_find(file, name);
    cdul_status status = expect(view, rank, shape, err);
    if (status != CDUL_OK) {
        cdul_error_prefix(err, "%s: tensor \"%s\"", file->path, name);
        return status;
    }
    if (rank) memcpy(shape, view->shape, rank * sizeof *shape);
    *out = *view;
    return CDUL_OK;
}

const char *cdul_safetensors_path(const cdul_safetensors *file) { return file->path; }

cdul_status cdul_safetensors_check(const cdul_safetensors *file, cdul_error *err) {
    const cdul_tensor_decl seal = CDUL_SEAL;
    const cdul_tensor_view *last = file->count ? &file->tensors[file->count - 1] : NULL;
    uint64_t said;
    if (!last || strcmp(last->name, seal.name) != 0 || last->dtype != seal.dtype ||
        last->elements != 1)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: has no checksum", file->path);
    memcpy(&said, last->data, sizeof said);
    if (said == XXH3_64bits(file->map.data, file->map.size - sizeof said)) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: damaged: its bytes do not match its checksum",
                     file->path);
}

/* --- Writing --- */

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
        __builtin_add_overflow(*offset, bytes, &end) || end > LARGEST_INTEGER)
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
    cdul_status status =
        w->appended == w->declared
            ? cdul_file_commit(&w->file, err)
            : cdul_fail(err, CDUL_ERR_USAGE, "%s: %zu bytes of data appended of %zu declared",
                        w->path, w->appended, w->declared);
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
