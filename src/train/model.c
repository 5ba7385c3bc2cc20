#include "train/model.h"

#include <stdio.h>
#include <stdlib.h>

/* --- Facts --- */

/* Numbers as short as float32 allows: 0.229, not 0.229000002. NULL: no memory. */
static cJSON *floats(const float *values, size_t count) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        char text[32];
        for (int digits = 6; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, (double)values[i]);
            if (strtof(text, NULL) == values[i]) break;
        }
        cJSON *number = cJSON_CreateNumber(strtod(text, NULL));
        if (number && cJSON_AddItemToArray(list, number)) continue;
        cJSON_Delete(number);
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

static cJSON *strings(const cdul_strings *list) {
    return cJSON_CreateStringArray((const char *const *)list->items, (int)list->count);
}

cdul_status cdul_model_describe(const cdul_resnet *net, const cdul_model_facts *facts, cJSON **out,
                                cdul_error *err) {
    const cdul_preprocess *p = facts->preprocess;
    const int size[2] = {(int)p->height, (int)p->width};
    cJSON *d = cJSON_CreateObject();
    bool good =
        cJSON_AddStringToObject(d, "format", "cdul-model") &&
        cJSON_AddStringToObject(d, "version", "cdul " CDUL_VERSION) &&
        cJSON_AddStringToObject(d, "arch", net->options.arch->name) &&
        cJSON_AddNumberToObject(d, "bn_eps", net->options.arch->bn_eps) &&
        cJSON_AddItemToObject(d, "classes", strings(facts->classes)) &&
        cJSON_AddItemToObject(d, "input_size", cJSON_CreateIntArray(size, 2)) &&
        cJSON_AddStringToObject(d, "resize",
                                p->mode == CDUL_RESIZE_SQUASH ? "squash" : "shortest") &&
        cJSON_AddStringToObject(d, "filter", p->filter == CDUL_BICUBIC ? "bicubic" : "bilinear") &&
        cJSON_AddItemToObject(d, "mean", floats(p->mean, 3)) &&
        cJSON_AddItemToObject(d, "std", floats(p->std, 3)) &&
        cJSON_AddItemToObject(d, "thresholds", floats(facts->thresholds, facts->classes->count)) &&
        cJSON_AddItemToObject(d, "provenance", cJSON_Duplicate(facts->provenance, true));
    *out = good ? d : NULL;
    if (!good) cJSON_Delete(d);
    return good ? CDUL_OK : cdul_fail_memory(err, "the model's description");
}

/* --- The file --- */

cdul_tensor_decl cdul_model_declare(const cdul_tensor *tensor, const char *name) {
    cdul_tensor_decl decl = {
        .name = name, .dtype = cdul_tensor_dtype(tensor), .rank = cdul_tensor_rank(tensor)};
    for (size_t axis = 0; axis < decl.rank; axis++)
        decl.shape[axis] = cdul_tensor_size(tensor, axis);
    return decl;
}

cdul_status cdul_model_append(const cdul_tensor *tensor, cdul_safetensors_writer *writer,
                              cdul_error *err) {
    size_t count = cdul_tensor_elements(tensor),
           bytes = count * cdul_dtype_size(cdul_tensor_dtype(tensor));
    void *data = malloc(bytes ? bytes : 1);
    if (!data) return cdul_fail_memory(err, "a tensor");
    cdul_scope s = {.no_grad = true};
    cdul_tensor_read(&s, tensor, cdul_tensor_dtype(tensor), data, count);
    cdul_status status = cdul_scope_close(&s, err);
    if (status == CDUL_OK) status = cdul_safetensors_append(writer, data, bytes, err);
    free(data);
    return status;
}

static cdul_status write_tensors(const char *path, const cdul_resnet *net,
                                 const cdul_metadata *metadata, size_t n_metadata,
                                 cdul_error *err) {
    cdul_safetensors_writer *writer = NULL;
    cdul_tensor_decl *decls = calloc(net->entry_count, sizeof *decls);
    if (!decls) return cdul_fail_memory(err, path);
    for (size_t i = 0; i < net->entry_count; i++)
        decls[i] = cdul_model_declare(net->entries[i].tensor, net->entries[i].name);
    cdul_status status =
        cdul_safetensors_create(path, metadata, n_metadata, decls, net->entry_count, &writer, err);
    for (size_t i = 0; i < net->entry_count && status == CDUL_OK; i++)
        status = cdul_model_append(net->entries[i].tensor, writer, err);
    if (status == CDUL_OK) status = cdul_safetensors_commit(&writer, err);
    cdul_safetensors_discard(&writer);
    free(decls);
    return status;
}

cdul_status cdul_model_metadata(const cJSON *description, cdul_metadata **out, size_t *count,
                                cdul_error *err) {
    size_t n = 0;
    cdul_metadata *pairs = calloc((size_t)cJSON_GetArraySize(description) + 1, sizeof *pairs);
    if (!pairs) return cdul_fail_memory(err, "the model's metadata");
    const cJSON *fact = NULL;
    cJSON_ArrayForEach(fact, description) {
        const char *value = cJSON_IsString(fact) ? fact->valuestring : cJSON_PrintUnformatted(fact);
        if (!value) {
            cdul_model_metadata_free(description, pairs, n);
            return cdul_fail_memory(err, "the model's metadata");
        }
        pairs[n++] = (cdul_metadata){fact->string, value};
    }
    *out = pairs;
    *count = n;
    return CDUL_OK;
}

void cdul_model_metadata_free(const cJSON *description, cdul_metadata *metadata, size_t count) {
    const cJSON *fact = description ? description->child : NULL;
    for (size_t i = 0; i < count; i++, fact = fact->next) /* printed above */
        if (!cJSON_IsString(fact)) cJSON_free((char *)(uintptr_t)metadata[i].value);
    free(metadata);
}

cdul_status cdul_model_write(const char *path, const cdul_resnet *net, const cJSON *description,
                             cdul_error *err) {
    cdul_metadata *metadata;
    size_t count;
    cdul_status status = cdul_model_metadata(description, &metadata, &count, err);
    if (status != CDUL_OK) return status;
    status = write_tensors(path, net, metadata, count, err);
    cdul_model_metadata_free(description, metadata, count);
    return status;
}
