#include "train/model.h"

#include <string.h>

/* In the order of cdul_model_describe, so that an export is the same from a file as from a run. */
static const struct {
    const char *name;
    bool text; /* the value itself; otherwise JSON */
} facts_read[] = {
    {"format", true},   {"version", true},     {"arch", true},        {"bn_eps", false},
    {"classes", false}, {"input_size", false}, {"resize", true},      {"filter", true},
    {"mean", false},    {"std", false},        {"thresholds", false}, {"provenance", false},
};

static cdul_status lacks(const cdul_safetensors *file, const char *fact, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: metadata \"%s\" is missing; is it a model of cdul-train?",
                     cdul_safetensors_path(file), fact);
}

static cdul_status read_description(const cdul_safetensors *file, cJSON *out, cdul_error *err) {
    const char *path = cdul_safetensors_path(file);
    for (size_t i = 0; i < sizeof facts_read / sizeof *facts_read; i++) {
        const char *name = facts_read[i].name, *text = cdul_safetensors_metadata(file, name);
        if (!text) return lacks(file, name, err);
        cJSON *value = NULL;
        cdul_status status = CDUL_OK;
        if (facts_read[i].text)
            value = cJSON_CreateString(text);
        else
            status = cdul_json_parse(text, strlen(text), path, &value, err);
        if (status != CDUL_OK) return status;
        if (!cJSON_AddItemToObject(out, name, value)) return cdul_fail_memory(err, path);
    }
    return CDUL_OK;
}

/* Member `fact`, a list of `count` numbers. */
static cdul_status read_numbers(const cJSON *description, const char *fact, const char *path,
                                int count, double *out, cdul_error *err) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(description, fact);
    bool good = cJSON_IsArray(list) && cJSON_GetArraySize(list) == count;
    for (int i = 0; good && i < count; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, i);
        good = cJSON_IsNumber(item);
        if (good) out[i] = item->valuedouble;
    }
    if (good) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"%s\" is not a list of %d numbers", path,
                     fact, count);
}

static cdul_status read_preprocess(const cJSON *description, const char *path, cdul_preprocess *out,
                                   cdul_error *err) {
    double size[2], mean[3], std[3];
    const char *filter = NULL, *resize = NULL;
    cdul_status status = read_numbers(description, "input_size", path, 2, size, err);
    if (status == CDUL_OK) status = read_numbers(description, "mean", path, 3, mean, err);
    if (status == CDUL_OK) status = read_numbers(description, "std", path, 3, std, err);
    if (status == CDUL_OK)
        status = cdul_json_string(description, "resize", path, &resize, NULL, err);
    if (status == CDUL_OK)
        status = cdul_json_string(description, "filter", path, &filter, NULL, err);
    if (status != CDUL_OK) return status;
    if (!(size[0] >= 1 && size[0] <= 65536 && size[1] >= 1 && size[1] <= 65536))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: input size %g x %g", path, size[0], size[1]);
    *out = (cdul_preprocess){.width = (size_t)size[1],
                             .height = (size_t)size[0],
                             .mode = strcmp(resize, "squash") ? CDUL_RESIZE_SHORTEST
                                                              : CDUL_RESIZE_SQUASH,
                             .filter = strcmp(filter, "bicubic") ? CDUL_BILINEAR : CDUL_BICUBIC,
                             .scale = 1 / 255.0f};
    for (int i = 0; i < 3; i++) {
        out->mean[i] = (float)mean[i];
        out->std[i] = (float)std[i];
    }
    return CDUL_OK;
}

static cdul_status read_network(const cdul_safetensors *file, const cJSON *description,
                                cdul_resnet **net, cdul_error *err) {
    const char *path = cdul_safetensors_path(file), *arch = NULL;
    cdul_resnet_options options = cdul_resnet_defaults();
    cdul_status status = cdul_json_string(description, "arch", path, &arch, NULL, err);
    if (status == CDUL_OK) status = cdul_resnet_arch_find(arch, &options.arch, err);
    if (status != CDUL_OK) return status;
    options.classes =
        (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(description, "classes"));
    bool head_replaced = false;
    status = cdul_resnet_new(&options, file, &head_replaced, net, err);
    if (status == CDUL_OK && head_replaced)
        status = cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: the head is not for the %zu classes of the metadata", path,
                           options.classes);
    return status;
}

cdul_status cdul_model_read(const char *path, cdul_resnet **net, cdul_preprocess *preprocess,
                            cJSON **description, cdul_error *err) {
    *net = NULL;
    *description = NULL;
    cdul_safetensors *file = NULL;
    cdul_status status = cdul_safetensors_open(path, &file, err);
    if (status != CDUL_OK) return status;
    cJSON *facts = cJSON_CreateObject();
    status = facts ? read_description(file, facts, err) : cdul_fail_memory(err, path);
    if (status == CDUL_OK) status = read_preprocess(facts, path, preprocess, err);
    if (status == CDUL_OK) status = read_network(file, facts, net, err);
    if (status == CDUL_OK) {
        *description = facts;
    } else {
        cJSON_Delete(facts);
        cdul_resnet_free(*net);
        *net = NULL;
    }
    cdul_safetensors_close(file);
    return status;
}
