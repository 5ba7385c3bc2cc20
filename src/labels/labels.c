/* The label matrix: allocated, checked, read and written as safetensors and CSV, and merged. */
#include "cdul/labels.h"

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "base/map.h"
#include "labels/label_file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

cdul_status cdul_labels_allocate(cdul_labels *labels, cdul_error *err) {
    const size_t c = labels->classes.count;
    /* A row more than there are images, so that there is one. */
    float *values = calloc(labels->images.count + 1, (c ? c : 1) * sizeof *values);
    if (!values) return cdul_fail_memory(err, "label matrix");
    free(labels->values);
    labels->values = values;
    return CDUL_OK;
}

void cdul_labels_free(cdul_labels *labels) {
    if (!labels) return;
    cdul_strings_free(&labels->images);
    cdul_strings_free(&labels->classes);
    free(labels->values);
    free(labels->config);
    *labels = (cdul_labels){0};
}

/* --- What every label file promises --- */

cdul_status cdul_names_distinct(const cdul_strings *names, const char *path, const char *what,
                                cdul_error *err) {
    cdul_index *index = NULL;
    cdul_status status = cdul_index_new(names, &index, err);
    if (status != CDUL_OK) cdul_error_prefix(err, "%s: %s", path, what);
    cdul_index_free(index);
    return status;
}

static cdul_status check_labels(const cdul_labels *labels, const char *path, cdul_error *err) {
    size_t c = labels->classes.count;
    cdul_status status = cdul_names_distinct(&labels->images, path, "images", err);
    if (status == CDUL_OK) status = cdul_names_distinct(&labels->classes, path, "classes", err);
    for (size_t i = 0; i < labels->images.count * c && status == CDUL_OK; i++) {
        float value = labels->values[i];
        if (!(value >= 0.0f && value <= 1.0f)) /* true for NaN */
            status = cdul_fail(err, CDUL_ERR_INPUT,
                               "%s: image \"%s\", class \"%s\": label %g is not a number in [0, 1]",
                               path, labels->images.items[i / c], labels->classes.items[i % c],
                               (double)value);
    }
    return status;
}

/* --- safetensors --- */

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

bool cdul_names_fit(const cdul_metadata *metadata, size_t count) {
    size_t size = 1024; /* room for the tensors' entries */
    for (size_t i = 0; i < count; i++) {
        size += 2; /* quotes */
        for (const char *c = metadata[i].value; *c; c++) size += *c == '"' || *c == '\\' ? 2 : 1;
    }
    return size <= CDUL_SAFETENSORS_HEADER_BYTES;
}

static cdul_status read_safetensors(const char *path, cdul_labels *labels, cdul_error *err) {
    cdul_safetensors *file = NULL;
    cdul_tensor_view view;
    size_t shape[2] = {0, 0};
    cdul_status status = cdul_safetensors_open(path, &file, err);
    if (status == CDUL_OK) status = cdul_safetensors_expect(file, "labels", 2, shape, &view, err);
    if (status == CDUL_OK)
        status = cdul_names_read(file, "images", "labels", shape[0], &labels->images, err);
    if (status == CDUL_OK)
        status = cdul_names_read(file, "classes", "labels", shape[1], &labels->classes, err);
    if (status == CDUL_OK) status = cdul_labels_allocate(labels, err);
    if (status == CDUL_OK) {
        cdul_tensor_to_f32(&view, 0, view.elements, labels->values);
        const char *config = cdul_safetensors_metadata(file, "config");
        if (config && !(labels->config = strdup(config))) status = cdul_fail_memory(err, path);
    }
    cdul_safetensors_close(file);
    return status;
}

cdul_status cdul_labels_write(const char *path, const cdul_labels *labels, cdul_error *err) {
    const size_t n = labels->images.count, c = labels->classes.count;
    char *images = NULL, *classes = NULL;
    cdul_safetensors_writer *writer = NULL;
    cdul_status status = check_labels(labels, path, err);
    if (status == CDUL_OK) status = cdul_json_from_strings(&labels->images, &images, err);
    if (status == CDUL_OK) status = cdul_json_from_strings(&labels->classes, &classes, err);
    if (status != CDUL_OK) goto done;
    cdul_metadata metadata[4] = {{"classes", classes}, {"version", "cdul " CDUL_VERSION}};
    size_t used = 2;
    if (labels->config) metadata[used++] = (cdul_metadata){"config", labels->config};
    metadata[used++] = (cdul_metadata){"images", images};
    const bool fit = cdul_names_fit(metadata, used);
    const cdul_tensor_decl tensors[] = {{"labels", CDUL_F32, 2, {n, c}},
                                        {"images", CDUL_U8, 1, {strlen(images)}}};
    status = cdul_safetensors_create(path, metadata, fit ? used : used - 1, tensors, fit ? 1 : 2,
                                     &writer, err);
    if (status == CDUL_OK)
        status = cdul_safetensors_append(writer, labels->values, n * c * sizeof(float), err);
    if (status == CDUL_OK && !fit)
        status = cdul_safetensors_append(writer, images, strlen(images), err);
    if (status == CDUL_OK) status = cdul_safetensors_commit(&writer, err);
done:
    cdul_safetensors_discard(&writer);
    free(images);
    free(classes);
    return status;
}

/* --- CSV: image,<class>... --- */

static cdul_status read_csv_header(cdul_csv *csv, const char *path, cdul_strings *classes,
                                   cdul_error *err) {
    bool end = false;
    const cdul_strings *fields = NULL;
    cdul_status status = cdul_csv_next(csv, &fields, &end, err);
    if (status != CDUL_OK) return status;
    if (end)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: empty; expected a header line image,<class>...",
                         path);
    if (strcmp(fields->items[0], "image") != 0)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: the first column is \"%s\"; expected a header line image,<class>...",
                         path, fields->items[0]);
    if (fields->count < 2)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: the header line names no class", path);
    for (size_t i = 1; i < fields->count && status == CDUL_OK; i++) {
        if (!fields->items[i][0])
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: column %zu has no class name", path, i + 1);
        status = cdul_strings_add(classes, fields->items[i], err);
    }
    return status;
}

/* One record into `row` [C]. */
static cdul_status parse_row(const cdul_strings *fields, const cdul_strings *classes,
                             size_t *blanks, float *row, const char *path, size_t line,
                             cdul_error *err) {
    if (fields->count != classes->count + 1)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: line %zu: %zu fields, the header line has %zu",
                         path, line, fields->count, classes->count + 1);
    for (size_t i = 0; i < classes->count; i++) {
        const char *text = fields->items[i + 1];
        char *rest;
        if (blanks && !text[0]) {
            row[i] = 0;
            ++*blanks;
            continue;
        }
        row[i] = strtof(text, &rest);
        while (*rest == ' ') rest++;
        if (rest == text || *rest)
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: line %zu: class \"%s\": \"%s\" is not a number", path, line,
                             classes->items[i], text);
    }
    return CDUL_OK;
}

static cdul_status read_csv(const char *path, size_t *blanks, cdul_labels *labels,
                            cdul_error *err) {
    cdul_csv *csv = NULL;
    const cdul_strings *fields = NULL;
    size_t capacity = 0;
    bool end = false;
    cdul_status status = cdul_csv_open(path, ',', &csv, err);
    if (status == CDUL_OK) status = read_csv_header(csv, path, &labels->classes, err);
    const size_t c = labels->classes.count;
    while (status == CDUL_OK) {
        /* Also before the end is seen: a file without rows has values, too, not NULL. */
        status = cdul_grow(&labels->values, labels->images.count + 1, &capacity,
                           c * sizeof *labels->values, "label matrix", err);
        if (status == CDUL_OK) status = cdul_csv_next(csv, &fields, &end, err);
        if (status != CDUL_OK || end) break;
        float *row = labels->values + labels->images.count * c;
        status = parse_row(fields, &labels->classes, blanks, row, path, cdul_csv_line(csv), err);
        if (status == CDUL_OK) status = cdul_strings_add(&labels->images, fields->items[0], err);
    }
    cdul_csv_close(csv);
    return status;
}

void cdul_labels_write_value(FILE *stream, float value) {
    char text[32];
    snprintf(text, sizeof text, "%.6g", (double)value);
    if (strtof(text, NULL) != value) snprintf(text, sizeof text, "%.9g", (double)value);
    fputs(text, stream);
}

void cdul_labels_write_header(FILE *stream, const cdul_strings *classes) {
    fputs("image", stream);
    for (size_t i = 0; i < classes->count; i++) {
        putc(',', stream);
        cdul_csv_write_field(stream, classes->items[i]);
    }
    putc('\n', stream);
}

void cdul_labels_write_row(FILE *stream, const char *image, const float *row, const bool *picked,
                           size_t c) {
    cdul_csv_write_field(stream, image);
    for (size_t i = 0; i < c; i++) {
        putc(',', stream);
        if (!picked || picked[i]) cdul_labels_write_value(stream, row[i]);
    }
    putc('\n', stream);
}

cdul_status cdul_labels_write_csv(const char *path, const cdul_labels *labels, cdul_error *err) {
    const size_t c = labels->classes.count;
    cdul_file *file = NULL;
    cdul_status status = check_labels(labels, path, err);
    if (status == CDUL_OK) status = cdul_file_create(path, &file, err);
    if (status != CDUL_OK) return status;
    FILE *stream = cdul_file_stream(file);
    cdul_labels_write_header(stream, &labels->classes);
    for (size_t i = 0; i < labels->images.count; i++)
        cdul_labels_write_row(stream, labels->images.items[i], labels->values + i * c, NULL, c);
    return cdul_file_commit(&file, err);
}

/* --- Reading either --- */

static cdul_status read_either(const char *path, bool csv, size_t *blanks, cdul_labels *out,
                               cdul_error *err) {
    cdul_labels labels = {0};
    cdul_status status =
        csv ? read_csv(path, blanks, &labels, err) : read_safetensors(path, &labels, err);
    if (status == CDUL_OK) status = check_labels(&labels, path, err);
    if (status == CDUL_OK)
        *out = labels;
    else
        cdul_labels_free(&labels);
    return status;
}

cdul_status cdul_labels_read_csv(const char *path, size_t *blanks, cdul_labels *out,
                                 cdul_error *err) {
    if (blanks) *blanks = 0;
    return read_either(path, true, blanks, out, err);
}

cdul_status cdul_labels_read(const char *path, cdul_labels *out, cdul_error *err) {
    return read_either(path, strcasecmp(cdul_path_extension(path), ".csv") == 0, NULL, out, err);
}

/* --- Merging --- */

/* The config that all parts share; if they differ, as those of shards do, a list of all. */
static cdul_status merge_configs(const cdul_labels *parts, size_t count, char **out,
                                 cdul_error *err) {
    bool same = true;
    for (size_t i = 1; i < count; i++) {
        const char *a = parts[0].config, *b = parts[i].config;
        same = same && ((!a && !b) || (a && b && strcmp(a, b) == 0));
    }
    if (same) {
        if (parts[0].config && !(*out = strdup(parts[0].config)))
            return cdul_fail_memory(err, "merged config");
        return CDUL_OK;
    }
    cJSON *merged = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(merged, "merged");
    for (size_t i = 0; i < count && list; i++) {
        const char *text = parts[i].config;
        cJSON *item = NULL;
        cdul_status status =
            text ? cdul_json_parse(text, strlen(text), "config", &item, NULL) : CDUL_OK;
        if (!text) item = cJSON_CreateNull();
        /* A config that is no JSON is kept as text. */
        if (status == CDUL_ERR_INPUT) item = cJSON_CreateString(text);
        if (!cJSON_AddItemToArray(list, item)) list = NULL;
    }
    if (list) *out = cJSON_PrintUnformatted(merged);
    cJSON_Delete(merged);
    return *out ? CDUL_OK : cdul_fail_memory(err, "merged config");
}

static cdul_status merge_images(const char *const *paths, const cdul_labels *parts, size_t count,
                                cdul_names *out, cdul_error *err) {
    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; i < parts[p].images.count; i++) {
            const char *name = parts[p].images.items[i];
            size_t before = out->list.count, row = 0, first = 0;
            cdul_status status = cdul_names_get(out, name, &row, err);
            if (status != CDUL_OK) return status;
            if (row == before) continue;
            while (row >= parts[first].images.count) row -= parts[first++].images.count;
            return cdul_fail(err, CDUL_ERR_INPUT, "%s and %s both hold image \"%s\"", paths[first],
                             paths[p], name);
        }
    return CDUL_OK;
}

static cdul_status concatenate(const char *const *paths, cdul_labels *parts, size_t count,
                               cdul_labels *out, cdul_error *err) {
    cdul_names images = {0};
    cdul_status status = merge_images(paths, parts, count, &images, err);
    cdul_map_free(&images.map);
    out->images = images.list;
    if (status == CDUL_OK) status = cdul_strings_copy(&parts[0].classes, &out->classes, err);
    if (status == CDUL_OK) status = merge_configs(parts, count, &out->config, err);
    if (status == CDUL_OK) status = cdul_labels_allocate(out, err);
    float *row = out->values;
    for (size_t p = 0; p < count && status == CDUL_OK; p++) {
        size_t size = parts[p].images.count * parts[p].classes.count;
        memcpy(row, parts[p].values, size * sizeof *row);
        row += size;
        /* Not held twice: the matrix may be most of the memory. */
        free(parts[p].values);
        parts[p].values = NULL;
    }
    return status;
}

cdul_status cdul_labels_merge(const char *const *paths, size_t count, cdul_labels *out,
                              cdul_error *err) {
    if (count == 0) return cdul_fail(err, CDUL_ERR_USAGE, "no label files to merge");
    cdul_labels merged = {0}, *parts = calloc(count, sizeof *parts);
    cdul_status status = parts ? CDUL_OK : cdul_fail_memory(err, "label files to merge");
    for (size_t i = 0; i < count && status == CDUL_OK; i++) {
        status = cdul_labels_read(paths[i], &parts[i], err);
        if (status == CDUL_OK && !cdul_strings_equal(&parts[0].classes, &parts[i].classes))
            status = cdul_fail(err, CDUL_ERR_INPUT,
                               "%s and %s have different classes (%zu and %zu, or another order)",
                               paths[0], paths[i], parts[0].classes.count, parts[i].classes.count);
    }
    if (status == CDUL_OK) status = concatenate(paths, parts, count, &merged, err);
    for (size_t i = 0; i < count && parts; i++) cdul_labels_free(&parts[i]);
    free(parts);
    if (status == CDUL_OK)
        *out = merged;
    else
        cdul_labels_free(&merged);
    return status;
}
