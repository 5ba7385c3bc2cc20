/* What a folder says of its model: config.json, open_clip_config.json and cdul.json. */
#include "base/file.h"
#include "base/json.h"
#include "encoder/folder/folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLIP_CONTEXT 77 /* tokens: Radford et al. 2021, section 2.4 */
/* "clipped to prevent scaling the logits by more than 100": section 2.5 */
#define CLIP_FINAL_SCALE 100.0

cdul_status cdul_folder_json(const char *folder, const char *name, cJSON **json, char **path,
                             cdul_error *err) {
    *path = cdul_path_join(folder, name);
    if (!*path) return cdul_fail_memory(err, "path");
    return cdul_path_exists(*path) ? cdul_json_read(*path, json, err) : CDUL_OK;
}

/* Takes what a file says, an object or NULL, into the configuration. */
typedef cdul_status taker(const char *folder, const cJSON *json, const char *path,
                          cdul_encoder_config *out, cdul_error *err);

static cdul_status read_file(const char *folder, const char *name, taker *take,
                             cdul_encoder_config *out, cdul_error *err) {
    cJSON *json = NULL;
    char *path = NULL;
    cdul_status status = cdul_folder_json(folder, name, &json, &path, err);
    if (status == CDUL_OK && json && !cJSON_IsObject(json))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: expected a JSON object", path);
    if (status == CDUL_OK) status = take(folder, json, path, out, err);
    cJSON_Delete(json);
    free(path);
    return status;
}

static const cJSON *member(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static cdul_status copy_string(const cJSON *json, const char *key, const char *where, char **out,
                               cdul_error *err) {
    const char *text = NULL;
    bool found = false;
    cdul_status status = cdul_json_string(json, key, where, &text, &found, err);
    if (status == CDUL_OK && found && !(*out = strdup(text))) status = cdul_fail_memory(err, key);
    return status;
}

/* A positive whole number below 2^24, which no width or context reaches. */
static cdul_status read_count(const cJSON *json, const char *key, const char *where, size_t *out,
                              cdul_error *err) {
    double value = 0;
    bool found = false;
    cdul_status status = cdul_json_number(json, key, where, &value, &found, err);
    if (status != CDUL_OK || !found) return status;
    if (value < 1 || value >= 1 << 24 || value != floor(value))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s is %g, expected a positive whole number",
                         where, key, value);
    *out = (size_t)value;
    return CDUL_OK;
}

static bool is_clip(const char *model_type) {
    return model_type &&
           (strcmp(model_type, "clip") == 0 || strcmp(model_type, "chinese_clip") == 0);
}

void cdul_encoder_config_score(cdul_encoder_config *config, double scale, double bias,
                               const char *source) {
    if (!isnan(scale)) {
        config->logit_scale = scale;
        config->scale_assumed = false;
        config->scale_source = source;
    }
    if (!isnan(bias)) {
        config->sigmoid = true;
        config->logit_bias = bias;
        config->bias_source = source;
    }
}

static void assume_clip(cdul_encoder_config *out) {
    out->context = CLIP_CONTEXT;
    cdul_encoder_config_score(out, log(CLIP_FINAL_SCALE), NAN, "where CLIP's training ends");
    out->scale_assumed = true;
}

/* open_clip's description of a model: a CLIP unless it starts with a bias, as its SigLIPs do. */
static cdul_status take_open_clip(const cJSON *model, const char *path, cdul_encoder_config *out,
                                  cdul_error *err) {
    out->sigmoid = member(model, "init_logit_bias") != NULL;
    if (!out->sigmoid) assume_clip(out);
    cdul_status status = read_count(model, "embed_dim", path, &out->projection, err);
    out->context = CLIP_CONTEXT; /* open_clip's default too */
    if (status == CDUL_OK && cJSON_IsObject(member(model, "text_cfg")))
        status = read_count(member(model, "text_cfg"), "context_length", path, &out->context, err);
    return status;
}

/* open_clip_config.json, where no config.json tells what model it is. */
static cdul_status take_open_clip_config(const char *folder, const cJSON *json, const char *path,
                                         cdul_encoder_config *out, cdul_error *err) {
    (void)folder;
    const cJSON *model = member(json, "model_cfg");
    return cJSON_IsObject(model) ? take_open_clip(model, path, out, err) : CDUL_OK;
}

static cdul_status take_config(const char *folder, const cJSON *json, const char *path,
                               cdul_encoder_config *out, cdul_error *err) {
    /* immich's config.json is open_clip's model_cfg */
    const cJSON *vision = member(json, "vision_cfg"), *text = member(json, "text_config");
    cdul_status status = CDUL_OK;
    if (!vision && !member(json, "model_type"))
        status = read_file(folder, "open_clip_config.json", take_open_clip_config, out, err);
    if (status != CDUL_OK || !json) return status;
    status = copy_string(json, "model_type", path, &out->model_type, err);
    if (status == CDUL_OK) status = read_count(json, "projection_dim", path, &out->projection, err);
    /* or siglip2, ... */
    if (out->model_type) out->sigmoid = strncmp(out->model_type, "siglip", 6) == 0;
    if (is_clip(out->model_type)) assume_clip(out);
    if (status == CDUL_OK && !out->model_type && vision)
        status = take_open_clip(json, path, out, err);
    if (status == CDUL_OK && cJSON_IsObject(text))
        status = read_count(text, "max_position_embeddings", path, &out->context, err);
    if (!vision) vision = member(json, "vision_config");
    /* or a vision model's own */
    return status == CDUL_OK ? cdul_preprocess_sides(vision ? vision : json, "image_size", path,
                                                     &out->image_height, &out->image_width, err)
                             : status;
}

cdul_status cdul_logit_scale_check(double scale, const char *where, cdul_error *err) {
    if (fabs(scale) < 20) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: logit_scale is %g; it is an exponent, such as 4.605 for a factor of 100",
                     where, scale);
}

/* --- cdul.json --- */

/* Prompts with {} in place of the class, of an encoder that works best with others than CLIP's. */
static cdul_status read_templates(const cJSON *json, const char *path, cdul_strings *out,
                                  cdul_error *err) {
    const cJSON *list = member(json, "templates"), *item;
    cdul_status status = CDUL_OK;
    if (list && (!cJSON_IsArray(list) || !list->child))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: templates is no list of prompts", path);
    cJSON_ArrayForEach(item, list) {
        const char *text = cJSON_GetStringValue(item);
        if (!text || !strstr(text, "{}"))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: templates: expected texts with {} in place of the class", path);
        if (status == CDUL_OK) status = cdul_strings_add(out, text, err);
    }
    return status;
}

static cdul_status take_sidecar(const char *folder, const cJSON *json, const char *path,
                                cdul_encoder_config *out, cdul_error *err) {
    double scale = NAN, bias = NAN;
    bool found = false;
    (void)folder;
    if (!json) return CDUL_OK;
    cdul_status status = copy_string(json, "provenance", path, &out->provenance, err);
    if (status == CDUL_OK) status = read_templates(json, path, &out->templates, err);
    if (status == CDUL_OK)
        status = cdul_json_number(json, "logit_scale", path, &scale, &found, err);
    if (status == CDUL_OK && found) status = cdul_logit_scale_check(scale, path, err);
    if (status == CDUL_OK) status = cdul_json_number(json, "logit_bias", path, &bias, &found, err);
    if (status == CDUL_OK) cdul_encoder_config_score(out, scale, bias, "cdul.json");
    return status;
}

cdul_status cdul_encoder_config_read(const char *folder, cdul_encoder_config *out,
                                     cdul_error *err) {
    *out = (cdul_encoder_config){.logit_scale = NAN, .logit_bias = NAN};
    cdul_status status = read_file(folder, "config.json", take_config, out, err);
    if (status == CDUL_OK) status = read_file(folder, "cdul.json", take_sidecar, out, err);
    if (status != CDUL_OK) cdul_encoder_config_free(out);
    return status;
}

void cdul_encoder_config_free(cdul_encoder_config *config) {
    free(config->model_type);
    free(config->provenance);
    cdul_strings_free(&config->templates);
    *config = (cdul_encoder_config){0};
}
