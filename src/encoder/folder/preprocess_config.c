/* preprocessor_config.json, as transformers writes and reads it. */
#include "encoder/folder/preprocess_values.h"

#include <stdlib.h>
#include <string.h>

/* --- What a processor class does when its file is silent --- */

/* From transformers, models/<name>/image_processing_*.py. */
typedef struct processor {
    const char *name;
    size_t shortest; /* default size {"shortest_edge": ...}, 0 = squash to `crop` x `crop` */
    size_t crop; /* side of the result */
    /* default of do_center_crop; false also means that the class has no such step */
    bool center_crop;
    bool int_is_shortest; /* what a bare number in `size` means */
    int resample;
    const float *mean, *std; /* [3] */
} processor;

static const float half[3] = {0.5f, 0.5f, 0.5f};

static const processor processors[] = {
    {"CLIPImageProcessor", 224, 224, true, true, 3, cdul_openai_mean, cdul_openai_std},
    {"CLIPFeatureExtractor", 224, 224, true, true, 3, cdul_openai_mean, cdul_openai_std},
    {"ChineseCLIPImageProcessor", 224, 224, true, true, 3, cdul_openai_mean, cdul_openai_std},
    {"ChineseCLIPFeatureExtractor", 224, 224, true, true, 3, cdul_openai_mean, cdul_openai_std},
    {"SiglipImageProcessor", 0, 224, false, false, 3, half, half},
    {"ViTImageProcessor", 0, 224, false, false, 2, half, half},
    {"ViTFeatureExtractor", 0, 224, false, false, 2, half, half},
};

/* Keys that are read below, or that change no pixel. */
static const char *const known_keys[] = {
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "do_convert_rgb",
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "_valid_processor_keys",
    "data_format",
    "input_data_format",
    "default_to_square",
    "return_tensors",
    "device",
    "disable_grouping",
    "_name_or_path",
    NULL,
};

/* The file while it is being read. */
typedef struct reader {
    const cJSON *json;
    const char *where;
    const processor *class_; /* NULL: not named, or not known */
    const char *class_name; /* as the file says, or "no processor class" */
} reader;

static cdul_status find_class(reader *r, cdul_error *err) {
    bool found = false;
    r->class_name = "no processor class";
    cdul_status status =
        cdul_json_string(r->json, "image_processor_type", r->where, &r->class_name, &found, err);
    if (status == CDUL_OK && !found)
        status = cdul_json_string(r->json, "feature_extractor_type", r->where, &r->class_name,
                                  &found, err);
    if (status != CDUL_OK || !found) return status;
    /* "Fast" and "Pil" name another implementation of the same steps */
    size_t length = strlen(r->class_name);
    if (length > 4 && strcmp(r->class_name + length - 4, "Fast") == 0)
        length -= 4;
    else if (length > 3 && strcmp(r->class_name + length - 3, "Pil") == 0)
        length -= 3;
    for (size_t i = 0; i < sizeof processors / sizeof *processors; i++)
        if (strlen(processors[i].name) == length &&
            strncmp(processors[i].name, r->class_name, length) == 0)
            r->class_ = &processors[i];
    return CDUL_OK;
}

static cdul_status missing(const reader *r, const char *key, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: key '%s' is missing, and its default for %s is not known; add it",
                     r->where, key, r->class_name);
}

/* NULL: the file does not say it, or says null. */
static const cJSON *find(const reader *r, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(r->json, key);
    return cJSON_IsNull(item) ? NULL : item;
}

/* A step's switch; absent = the class's default. */
static cdul_status read_switch(const reader *r, const char *key, bool fallback, bool *out,
                               cdul_error *err) {
    if (find(r, key)) return cdul_json_bool(r->json, key, r->where, out, NULL, err);
    if (!r->class_) return missing(r, key, err);
    *out = fallback;
    return CDUL_OK;
}

/* --- Sizes --- */

/* A number (a square), or {"height": h, "width": w} and nothing else. */
static bool rectangle_of(const cJSON *item, size_t *height, size_t *width) {
    if (cdul_preprocess_side(item, height)) return cdul_preprocess_side(item, width);
    return cJSON_IsObject(item) && cJSON_GetArraySize(item) == 2 &&
           cdul_preprocess_side(cJSON_GetObjectItemCaseSensitive(item, "height"), height) &&
           cdul_preprocess_side(cJSON_GetObjectItemCaseSensitive(item, "width"), width);
}

/* `size`: either *shortest is set, or *height and *width. */
static cdul_status read_size(const reader *r, size_t *shortest, size_t *height, size_t *width,
                             cdul_error *err) {
    const cJSON *item = find(r, "size");
    size_t side = 0;
    if (!item) {
        if (!r->class_) return missing(r, "size", err);
        *shortest = r->class_->shortest;
        if (!*shortest) *height = *width = r->class_->crop;
        return CDUL_OK;
    }
    const bool number = cdul_preprocess_side(item, &side);
    if (number && !r->class_)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: size %zu may mean the shorter side or a square for %s; write "
                         "{\"shortest_edge\": %zu} or {\"height\": %zu, \"width\": %zu}",
                         r->where, side, r->class_name, side, side, side);
    if (number && r->class_->int_is_shortest) {
        *shortest = side;
        return CDUL_OK;
    }
    if (rectangle_of(item, height, width)) return CDUL_OK;
    if (cJSON_IsObject(item) && cJSON_GetArraySize(item) == 1 &&
        cdul_preprocess_side(cJSON_GetObjectItemCaseSensitive(item, "shortest_edge"), shortest))
        return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: size is neither a number of pixels, nor {\"shortest_edge\": n}, nor "
                     "{\"height\": h, \"width\": w}",
                     r->where);
}

static cdul_status read_crop_size(const reader *r, size_t *height, size_t *width, cdul_error *err) {
    const cJSON *item = find(r, "crop_size");
    if (!item) {
        if (!r->class_) return missing(r, "crop_size", err);
        *height = *width = r->class_->crop;
        return CDUL_OK;
    }
    if (rectangle_of(item, height, width)) return CDUL_OK;
    return cdul_fail(
        err, CDUL_ERR_INPUT,
        "%s: crop_size is neither a number of pixels nor {\"height\": h, \"width\": w}", r->where);
}

/* For a file that fixes no size and has no crop: pictures are squashed to what the graph takes;
 * else to the file's size, which a processor that does not resize leaves unread; else to the
 * model's. */
static cdul_status squash(const reader *r, bool resize, const cdul_input_size *known,
                          cdul_preprocess *out, cdul_strings *notes, cdul_error *err) {
    const bool graph_has_it = known->height && known->width;
    const char *source = "the file's size";
    size_t shortest = 0;
    out->mode = CDUL_RESIZE_SQUASH;
    if (!graph_has_it && find(r, "size")) {
        cdul_status status = read_size(r, &shortest, &out->height, &out->width, err);
        if (status != CDUL_OK) return status;
        if (shortest) out->height = out->width = shortest;
    } else {
        source = cdul_preprocess_known_size(known, out);
    }
    if (!source && resize) return missing(r, "size", err);
    if (!source)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: do_resize is false, so pictures of any size would go in; set it, with a size",
            r->where);
    return cdul_preprocess_note(notes,
                                resize ? "the preprocessor file has no size: pictures are squashed"
                                       : "do_resize is false: pictures are squashed",
                                out, source, err);
}

/* crop_size; where there is none, and no class to have a default, the input's size from
 * elsewhere. */
static cdul_status settle_crop(const reader *r, const cdul_input_size *known, cdul_preprocess *out,
                               cdul_strings *notes, cdul_error *err) {
    const char *source = NULL;
    if (!r->class_ && !find(r, "crop_size")) source = cdul_preprocess_known_size(known, out);
    if (!source) return read_crop_size(r, &out->height, &out->width, err);
    return cdul_preprocess_note(
        notes, "the preprocessor file has no crop_size: pictures are cropped", out, source, err);
}

/* Mode and sizes from do_resize, size, do_center_crop and crop_size. */
static cdul_status read_geometry(const reader *r, const cdul_input_size *known,
                                 cdul_preprocess *out, cdul_strings *notes, cdul_error *err) {
    bool resize = true, crop = false;
    size_t height = 0, width = 0;
    cdul_status status = read_switch(r, "do_resize", true, &resize, err);
    if (status == CDUL_OK)
        status = read_switch(r, "do_center_crop", r->class_ && r->class_->center_crop, &crop, err);
    if (status != CDUL_OK) return status;
    if (!crop && (!resize || (!r->class_ && !find(r, "size"))))
        return squash(r, resize, known, out, notes, err);
    if (!resize)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: do_resize is false, so the centre crop would be of pictures of any "
                         "size, which is not supported; set it, with a size",
                         r->where);
    status = read_size(r, &out->shortest, &height, &width, err);
    if (status == CDUL_OK && crop) status = settle_crop(r, known, out, notes, err);
    if (status != CDUL_OK) return status;
    if (out->shortest && !crop)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: size.shortest_edge without do_center_crop gives every picture its "
                         "own shape; set do_center_crop, or size to {\"height\": h, \"width\": w}",
                         r->where);
    out->mode = out->shortest ? CDUL_RESIZE_SHORTEST : CDUL_RESIZE_SQUASH;
    out->crop_floor = true; /* transformers' way; torchvision rounds */
    if (!crop) {
        out->height = height;
        out->width = width;
    } else if (!out->shortest && (out->height != height || out->width != width)) {
        out->squash_height = height;
        out->squash_width = width;
    }
    return CDUL_OK;
}

/* --- Numbers --- */

static cdul_status read_filter(const reader *r, cdul_filter *out, cdul_error *err) {
    const cJSON *item = find(r, "resample");
    if (!item) {
        if (!r->class_) return missing(r, "resample", err);
        *out = (cdul_filter)r->class_->resample;
        return CDUL_OK;
    }
    for (int filter = CDUL_NEAREST; filter <= CDUL_HAMMING; filter++)
        if (cJSON_IsNumber(item) && item->valuedouble == filter) {
            *out = (cdul_filter)filter;
            return CDUL_OK;
        }
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: resample is not one of Pillow's filters: 0 nearest, 1 Lanczos, 2 "
                     "bilinear, 3 bicubic, 4 box, 5 Hamming",
                     r->where);
}

static cdul_status read_triple(const reader *r, const char *key, bool positive,
                               const float *fallback, float *out, cdul_error *err) {
    const cJSON *item = find(r, key);
    if (item) return cdul_preprocess_triple(item, key, r->where, positive, out, err);
    if (!r->class_) return missing(r, key, err);
    memcpy(out, fallback, 3 * sizeof *out);
    return CDUL_OK;
}

static cdul_status read_numbers(const reader *r, cdul_preprocess *out, cdul_error *err) {
    static const float none[3] = {0, 0, 0}, one[3] = {1, 1, 1};
    const float *mean = r->class_ ? r->class_->mean : NULL,
                *std = r->class_ ? r->class_->std : NULL;
    bool rescale = true, normalize = true, found = false;
    double factor = 1.0 / 255.0;
    cdul_status status = read_filter(r, &out->filter, err);
    if (status == CDUL_OK) status = read_switch(r, "do_rescale", true, &rescale, err);
    if (status == CDUL_OK) status = read_switch(r, "do_normalize", true, &normalize, err);
    if (status == CDUL_OK && find(r, "rescale_factor"))
        status = cdul_json_number(r->json, "rescale_factor", r->where, &factor, &found, err);
    if (status == CDUL_OK && !(factor > 0 && factor < 1e6))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: rescale_factor %g is not a positive number",
                           r->where, factor);
    out->scale = rescale ? (float)factor : 1.0f;
    memcpy(out->mean, none, sizeof none);
    memcpy(out->std, one, sizeof one);
    if (status == CDUL_OK && normalize)
        status = read_triple(r, "image_mean", false, mean, out->mean, err);
    if (status == CDUL_OK && normalize)
        status = read_triple(r, "image_std", true, std, out->std, err);
    return status;
}

/* --- The file --- */

/* Old file name, then new. *part points into *json; neither file: both are NULL. */
static cdul_status open_file(const char *folder, char **path, cJSON **json, const cJSON **part,
                             cdul_error *err) {
    cdul_status status = cdul_folder_json(folder, "preprocessor_config.json", json, path, err);
    *part = *json;
    if (status != CDUL_OK || *json) return status;
    free(*path);
    status = cdul_folder_json(folder, "processor_config.json", json, path, err);
    *part = cJSON_GetObjectItemCaseSensitive(*json, "image_processor");
    return status;
}

cdul_status cdul_preprocess_read(const char *folder, const cdul_input_size *known,
                                 cdul_preprocess *out, cdul_strings *notes, cdul_error *err) {
    char *path = NULL;
    cJSON *json = NULL;
    reader r = {NULL, NULL, NULL, NULL};
    *out = (cdul_preprocess){0};
    cdul_status status = open_file(folder, &path, &json, &r.json, err);
    r.where = path;
    if (status == CDUL_OK && !json) {
        free(path);
        return cdul_preprocess_open_clip(folder, known, out, notes, err);
    }
    if (status == CDUL_OK && !cJSON_IsObject(r.json))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: no image processor in it", path);
    if (status == CDUL_OK) status = find_class(&r, err);
    if (status == CDUL_OK) status = cdul_preprocess_keys(r.json, r.where, known_keys, true, err);
    if (status == CDUL_OK) status = read_geometry(&r, known, out, notes, err);
    if (status == CDUL_OK) status = read_numbers(&r, out, err);
    if (status == CDUL_OK) status = cdul_preprocess_fit(known, out, notes, err);
    cJSON_Delete(json);
    free(path);
    return status;
}
