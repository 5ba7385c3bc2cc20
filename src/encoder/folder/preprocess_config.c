/* How pictures become the network's input, as a folder's files say it: preprocessor_config.json, as
 * transformers writes and reads it, or open_clip's configuration. */
#include "base/json.h"
#include "encoder/folder/folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What a processor class does when its file is silent --- */

/* From transformers, models/<name>/image_processing_*.py; all make DEFAULT_SIDE pixels. */
typedef struct processor {
    const char *name;
    /* The shorter side, which a bare number in `size` means, then a centre crop; else a square. */
    bool crops;
    int resample;
    const float *mean, *std; /* [3], RGB */
} processor;

#define DEFAULT_SIDE 224

static const float openai_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f},
                   openai_std[3] = {0.26862954f, 0.26130258f, 0.27577711f},
                   half[3] = {0.5f, 0.5f, 0.5f};

static const processor processors[] = {
    {"CLIPImageProcessor", true, 3, openai_mean, openai_std},
    {"CLIPFeatureExtractor", true, 3, openai_mean, openai_std},
    {"ChineseCLIPImageProcessor", true, 3, openai_mean, openai_std},
    {"ChineseCLIPFeatureExtractor", true, 3, openai_mean, openai_std},
    {"SiglipImageProcessor", false, 3, half, half},
    {"ViTImageProcessor", false, 2, half, half},
    {"ViTFeatureExtractor", false, 2, half, half},
};

/* --- Values, whoever's file it is --- */

/* A file while it is being read. */
typedef struct reader {
    const cJSON *json;
    const char *where;
    const processor *class_; /* transformers: NULL: not named, or not known */
    const char *class_name; /* as the file says, or "no processor class" */
    const cdul_input_size *known;
    cdul_preprocess *out;
    cdul_strings *notes;
} reader;

/* NULL: the file does not say it, or says null, which keeps the default. */
static const cJSON *find(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

/* A key that is not among `known`, nor null, nor (with `off`) false: a step that is not taken. */
static cdul_status check_keys(const reader *r, const char *const *known, bool off,
                              cdul_error *err) {
    for (const cJSON *item = r->json ? r->json->child : NULL; item; item = item->next) {
        bool good = cJSON_IsNull(item) || (off && cJSON_IsFalse(item));
        for (size_t i = 0; !good && known[i]; i++) good = strcmp(item->string, known[i]) == 0;
        if (!good)
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: key '%s' is not understood, and it may change the pixels; remove "
                             "it if it does not",
                             r->where, item->string);
    }
    return CDUL_OK;
}

/* A side in pixels: a whole number up to 8,192, which no encoder reaches. */
static bool side_of(const cJSON *item, size_t *out) {
    if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > 8192 ||
        item->valuedouble != floor(item->valuedouble))
        return false;
    *out = (size_t)item->valuedouble;
    return true;
}

cdul_status cdul_preprocess_sides(const cJSON *object, const char *key, const char *where,
                                  size_t *height, size_t *width, cdul_error *err) {
    const cJSON *item = find(object, key);
    if (!item) return CDUL_OK;
    int count = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 0;
    const cJSON *first = count ? cJSON_GetArrayItem(item, 0) : item;
    const cJSON *second = count == 2 ? cJSON_GetArrayItem(item, 1) : first;
    if (count <= 2 && side_of(first, height) && side_of(second, width)) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: %s is neither a number of pixels nor [height, width]", where, key);
}

static cdul_status missing(const reader *r, const char *key, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: key '%s' is missing, and its default for %s is not known; add it",
                     r->where, key, r->class_name);
}

/* Three numbers, or one that stands for all three channels; absent: `fallback`, if it is known. */
static cdul_status read_triple(const reader *r, const char *key, bool positive,
                               const float *fallback, float *out, cdul_error *err) {
    const cJSON *item = find(r->json, key);
    bool good = !cJSON_IsArray(item) || cJSON_GetArraySize(item) == 3;
    if (!item && !fallback) return missing(r, key, err);
    for (int i = 0; good && i < 3; i++) {
        const cJSON *one = cJSON_IsNumber(item) ? item : cJSON_GetArrayItem(item, i);
        out[i] = !item ? fallback[i] : cJSON_IsNumber(one) ? (float)one->valuedouble : NAN;
        good = isfinite(out[i]) && (!positive || out[i] > 0);
    }
    return good ? CDUL_OK
                : cdul_fail(err, CDUL_ERR_INPUT, "%s: %s is not three %snumbers, one a channel",
                            r->where, key, positive ? "positive " : "");
}

/* The input's size where the file does not say it: the graph's, else the model's. Returns what to
 * call it; NULL: neither is known. */
static const char *take_known_size(const reader *r) {
    const bool graph = r->known->height && r->known->width;
    r->out->height = graph ? r->known->height : r->known->model_height;
    r->out->width = graph ? r->known->width : r->known->model_width;
    return graph ? "what the graph takes" : r->out->height ? "image_size in config.json" : NULL;
}

/* Such as "do_resize is false: pictures are squashed to 64 x 48, what the graph takes". */
static cdul_status note_size(const reader *r, const char *what, const char *source,
                             cdul_error *err) {
    char note[200];
    snprintf(note, sizeof note, "%s to %zu x %zu, %s", what, r->out->width, r->out->height, source);
    return cdul_strings_add(r->notes, note, err);
}

/* side * to / from, rounded, at least 1. */
static size_t scaled(size_t side, size_t from, size_t to) {
    const size_t size = (side * to + from / 2) / from;
    return size ? size : 1;
}

/* The graph's own input size wins, with a note: it cannot take another. */
static cdul_status fit_graph(const reader *r, cdul_error *err) {
    cdul_preprocess *out = r->out;
    const size_t height = r->known->height ? r->known->height : out->height;
    const size_t width = r->known->width ? r->known->width : out->width;
    if (height == out->height && width == out->width) return CDUL_OK;
    char note[200];
    snprintf(note, sizeof note,
             "the graph takes %zu x %zu pixels, the preprocessor file says %zu x %zu: the graph's "
             "size is used",
             width, height, out->width, out->height);
    /* the same share is cropped away, or padding */
    if (out->shortest) {
        bool covers = out->shortest >= out->height && out->shortest >= out->width;
        out->shortest = scaled(out->shortest, out->height < out->width ? out->height : out->width,
                               height < width ? height : width);
        if (covers && out->shortest < height) out->shortest = height;
        if (covers && out->shortest < width) out->shortest = width;
    }
    if (out->squash_width) {
        out->squash_height = scaled(out->squash_height, out->height, height);
        out->squash_width = scaled(out->squash_width, out->width, width);
    }
    out->height = height;
    out->width = width;
    return cdul_strings_add(r->notes, note, err);
}

/* --- transformers --- */

static cdul_status find_class(reader *r, cdul_error *err) {
    const char **name = &r->class_name;
    bool found = false;
    cdul_status status =
        cdul_json_string(r->json, "image_processor_type", r->where, name, &found, err);
    if (status == CDUL_OK && !found)
        status = cdul_json_string(r->json, "feature_extractor_type", r->where, name, &found, err);
    for (size_t i = 0; status == CDUL_OK && i < sizeof processors / sizeof *processors; i++) {
        const size_t length = strlen(processors[i].name);
        if (strncmp(*name, processors[i].name, length) != 0) continue;
        /* "Fast" and "Pil" name another implementation of the same steps */
        const char *rest = *name + length;
        if (!*rest || strcmp(rest, "Fast") == 0 || strcmp(rest, "Pil") == 0)
            r->class_ = &processors[i];
    }
    return status;
}

/* A step's switch; absent = the class's default. */
static cdul_status read_switch(const reader *r, const char *key, bool fallback, bool *out,
                               cdul_error *err) {
    if (find(r->json, key)) return cdul_json_bool(r->json, key, r->where, out, NULL, err);
    if (!r->class_) return missing(r, key, err);
    *out = fallback;
    return CDUL_OK;
}

/* A number (a square), or {"height": h, "width": w} and nothing else. */
static bool rectangle_of(const cJSON *item, size_t *height, size_t *width) {
    if (side_of(item, height)) return side_of(item, width);
    return cJSON_GetArraySize(item) == 2 && side_of(find(item, "height"), height) &&
           side_of(find(item, "width"), width);
}

/* `size`: either *shortest is set, or *height and *width. */
static cdul_status read_size(const reader *r, size_t *shortest, size_t *height, size_t *width,
                             cdul_error *err) {
    const cJSON *item = find(r->json, "size");
    size_t side = DEFAULT_SIDE;
    if (!item && !r->class_) return missing(r, "size", err);
    if (!item || side_of(item, &side)) {
        if (!r->class_)
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: size %zu may mean the shorter side or a square for %s; write "
                             "{\"shortest_edge\": %zu} or {\"height\": %zu, \"width\": %zu}",
                             r->where, side, r->class_name, side, side, side);
        if (r->class_->crops)
            *shortest = side;
        else
            *height = *width = side;
        return CDUL_OK;
    }
    if (rectangle_of(item, height, width) ||
        (cJSON_GetArraySize(item) == 1 && side_of(find(item, "shortest_edge"), shortest)))
        return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: size is neither a number of pixels, nor {\"shortest_edge\": n}, nor "
                     "{\"height\": h, \"width\": w}",
                     r->where);
}

/* crop_size; else the class's default; else the input's size from elsewhere. */
static cdul_status read_crop_size(const reader *r, cdul_error *err) {
    const cJSON *item = find(r->json, "crop_size");
    if (item && rectangle_of(item, &r->out->height, &r->out->width)) return CDUL_OK;
    if (item)
        return cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: crop_size is neither a number of pixels nor {\"height\": h, \"width\": w}",
            r->where);
    if (r->class_) {
        r->out->height = r->out->width = DEFAULT_SIDE;
        return CDUL_OK;
    }
    const char *source = take_known_size(r);
    return source ? note_size(r, "the preprocessor file has no crop_size: pictures are cropped",
                              source, err)
                  : missing(r, "crop_size", err);
}

/* A file that fixes no size and has no crop: pictures are squashed to what the graph takes, else to
 * the file's size, which a processor that does not resize leaves unread, else to the model's. */
static cdul_status squash(const reader *r, bool resize, cdul_error *err) {
    cdul_preprocess *out = r->out;
    const char *source = "the file's size";
    size_t shortest = 0;
    out->mode = CDUL_RESIZE_SQUASH;
    if (!(r->known->height && r->known->width) && find(r->json, "size")) {
        cdul_status status = read_size(r, &shortest, &out->height, &out->width, err);
        if (status != CDUL_OK) return status;
        if (shortest) out->height = out->width = shortest;
    } else {
        source = take_known_size(r);
    }
    if (source)
        return note_size(r,
                         resize ? "the preprocessor file has no size: pictures are squashed"
                                : "do_resize is false: pictures are squashed",
                         source, err);
    if (resize) return missing(r, "size", err);
    return cdul_fail(
        err, CDUL_ERR_INPUT,
        "%s: do_resize is false, so pictures of any size would go in; set it, with a size",
        r->where);
}

/* Mode and sizes from do_resize, size, do_center_crop and crop_size. */
static cdul_status read_geometry(const reader *r, cdul_error *err) {
    cdul_preprocess *out = r->out;
    bool resize = true, crop = false;
    size_t height = 0, width = 0;
    cdul_status status = read_switch(r, "do_resize", true, &resize, err);
    if (status == CDUL_OK)
        status = read_switch(r, "do_center_crop", r->class_ && r->class_->crops, &crop, err);
    if (status != CDUL_OK) return status;
    if (!crop && (!resize || (!r->class_ && !find(r->json, "size")))) return squash(r, resize, err);
    if (!resize)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: do_resize is false, so the centre crop would be of pictures of any "
                         "size, which is not supported; set it, with a size",
                         r->where);
    status = read_size(r, &out->shortest, &height, &width, err);
    if (status == CDUL_OK && crop) status = read_crop_size(r, err);
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

static cdul_status read_filter(const reader *r, cdul_error *err) {
    const cJSON *item = find(r->json, "resample");
    if (!item && !r->class_) return missing(r, "resample", err);
    double filter = !item ? r->class_->resample : cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (filter < CDUL_NEAREST || filter > CDUL_HAMMING || filter != floor(filter))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: resample is not one of Pillow's filters: 0 nearest, 1 Lanczos, 2 "
                         "bilinear, 3 bicubic, 4 box, 5 Hamming",
                         r->where);
    r->out->filter = (cdul_filter)filter;
    return CDUL_OK;
}

static cdul_status read_numbers(const reader *r, cdul_error *err) {
    cdul_preprocess *out = r->out;
    bool rescale = true, normalize = true, found = false;
    double factor = 1.0 / 255.0;
    cdul_status status = read_filter(r, err);
    if (status == CDUL_OK) status = read_switch(r, "do_rescale", true, &rescale, err);
    if (status == CDUL_OK) status = read_switch(r, "do_normalize", true, &normalize, err);
    if (status == CDUL_OK && find(r->json, "rescale_factor"))
        status = cdul_json_number(r->json, "rescale_factor", r->where, &factor, &found, err);
    if (status == CDUL_OK && !(factor > 0 && factor < 1e6))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: rescale_factor %g is not a positive number",
                           r->where, factor);
    out->scale = rescale ? (float)factor : 1.0f;
    for (size_t i = 0; i < 3; i++) out->std[i] = 1;
    if (status == CDUL_OK && normalize)
        status =
            read_triple(r, "image_mean", false, r->class_ ? r->class_->mean : NULL, out->mean, err);
    if (status == CDUL_OK && normalize)
        status =
            read_triple(r, "image_std", true, r->class_ ? r->class_->std : NULL, out->std, err);
    return status;
}

static cdul_status read_transformers(reader *r, cdul_error *err) {
    /* read above, or of no effect on pixels */
    static const char *const keys[] = {"do_resize",
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
                                       NULL};
    if (!cJSON_IsObject(r->json))
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no image processor in it", r->where);
    cdul_status status = find_class(r, err);
    if (status == CDUL_OK) status = check_keys(r, keys, true, err);
    if (status == CDUL_OK) status = read_geometry(r, err);
    if (status == CDUL_OK) status = read_numbers(r, err);
    return status == CDUL_OK ? fit_graph(r, err) : status;
}

/* --- open_clip, with its defaults (open_clip/transform.py) --- */

/* The position of a string among `choices`; absent: *out stays 0. */
static cdul_status read_choice(const reader *r, const char *key, const char *const *choices,
                               size_t *out, cdul_error *err) {
    const char *text = choices[0];
    cdul_status status = CDUL_OK;
    if (find(r->json, key)) status = cdul_json_string(r->json, key, r->where, &text, NULL, err);
    while (status == CDUL_OK && strcmp(text, choices[*out]) != 0)
        if (!choices[++*out])
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %s '%s' is not one of open_clip's",
                               r->where, key, text);
    return status;
}

/* Means, deviations, and the padding: a grey value, or RGB. */
static cdul_status read_colours(const reader *r, cdul_error *err) {
    float fill[3] = {0, 0, 0};
    cdul_preprocess *out = r->out;
    out->scale = (float)(1.0 / 255.0);
    cdul_status status = read_triple(r, "mean", false, openai_mean, out->mean, err);
    if (status == CDUL_OK) status = read_triple(r, "std", true, openai_std, out->std, err);
    if (status == CDUL_OK) status = read_triple(r, "fill_color", false, fill, fill, err);
    for (int i = 0; status == CDUL_OK && i < 3; i++) {
        if (fill[i] < 0 || fill[i] > 255 || fill[i] != floorf(fill[i]))
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: fill_color is not in 0 .. 255", r->where);
        out->fill[i] = (uint8_t)fill[i];
    }
    return status;
}

static cdul_status default_size(const reader *r, cdul_error *err) {
    const char *source = take_known_size(r);
    if (!source)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: no size of the pictures: neither the graph, nor preprocess_cfg's "
                         "size, nor vision_cfg's image_size says it",
                         r->where);
    /* that of open_clip's own default: the model's */
    if (r->known->height && r->known->width) return CDUL_OK;
    return note_size(r, "preprocess_cfg has no size: pictures are resized", source, err);
}

/* r->json is the PreprocessCfg, or NULL: all defaults. open_clip prefers the image_size of the
 * model's `vision`, if there is one, to the size in there. */
static cdul_status read_cfg(const reader *r, const cJSON *vision, cdul_error *err) {
    static const char *const fields[] = {"size",          "mode",        "mean",       "std",
                                         "interpolation", "resize_mode", "fill_color", NULL};
    /* as cdul_resize_mode */
    static const char *const modes[] = {"shortest", "squash", "longest", NULL};
    static const char *const filters[] = {"bicubic", "bilinear", "random", NULL};
    static const char *const colours[] = {"RGB", NULL};
    size_t mode = 0, filter = 0, colour = 0, *height = &r->out->height, *width = &r->out->width;
    cdul_status status = check_keys(r, fields, false, err);
    if (status == CDUL_OK) status = read_choice(r, "mode", colours, &colour, err);
    if (status == CDUL_OK) status = read_choice(r, "resize_mode", modes, &mode, err);
    if (status == CDUL_OK) status = read_choice(r, "interpolation", filters, &filter, err);
    if (status == CDUL_OK) status = read_colours(r, err);
    if (status == CDUL_OK)
        status = cdul_preprocess_sides(r->json, "size", r->where, height, width, err);
    if (status == CDUL_OK)
        status = cdul_preprocess_sides(vision, "image_size", r->where, height, width, err);
    if (status == CDUL_OK && !*height) status = default_size(r, err);
    r->out->mode = (cdul_resize_mode)mode;
    if (status == CDUL_OK) status = fit_graph(r, err);
    /* open_clip resizes to a shape that is not square in its own way, which does not pass the
     * filter on */
    bool own_way = mode == CDUL_RESIZE_SHORTEST && *height != *width;
    r->out->filter = filter == 1 && !own_way ? CDUL_BILINEAR : CDUL_BICUBIC;
    return status;
}

/* open_clip_config.json (its preprocess_cfg), or preprocess_cfg.json at top level or in visual/. */
static cdul_status read_open_clip(reader *r, const char *folder, cdul_error *err) {
    static const char *const names[] = {"open_clip_config.json", "preprocess_cfg.json",
                                        "visual/preprocess_cfg.json"};
    cdul_status status = CDUL_OK;
    bool found = false;
    for (size_t i = 0; status == CDUL_OK && !found && i < sizeof names / sizeof *names; i++) {
        cJSON *json = NULL;
        char *path = NULL;
        status = cdul_folder_json(folder, names[i], &json, &path, err);
        found = json != NULL;
        r->where = path;
        r->json = i ? json : find(json, "preprocess_cfg");
        const cJSON *vision = i ? NULL : find(find(json, "model_cfg"), "vision_cfg");
        if (found && (!cJSON_IsObject(json) || (r->json && !cJSON_IsObject(r->json))))
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: expected JSON objects", path);
        if (status == CDUL_OK && found) status = read_cfg(r, vision, err);
        cJSON_Delete(json);
        free(path);
    }
    if (status == CDUL_OK && !found)
        status = cdul_fail(
            err, CDUL_ERR_INPUT,
            "%s: no preprocessor_config.json, nor open_clip's configuration: how pictures become "
            "the network's input is not known; copy the file from where the model came from",
            folder);
    return status;
}

cdul_status cdul_preprocess_read(const char *folder, const cdul_input_size *known,
                                 cdul_preprocess *out, cdul_strings *notes, cdul_error *err) {
    char *path = NULL;
    cJSON *json = NULL;
    reader r = {.class_name = "no processor class", .known = known, .out = out, .notes = notes};
    *out = (cdul_preprocess){0};
    cdul_status status = cdul_folder_json(folder, "preprocessor_config.json", &json, &path, err);
    r.json = json;
    if (status == CDUL_OK && !json) {
        free(path);
        status = cdul_folder_json(folder, "processor_config.json", &json, &path, err);
        r.json = cJSON_GetObjectItemCaseSensitive(json, "image_processor");
    }
    r.where = path;
    if (status == CDUL_OK)
        status = json ? read_transformers(&r, err) : read_open_clip(&r, folder, err);
    cJSON_Delete(json);
    free(path);
    return status;
}
