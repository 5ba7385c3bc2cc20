/* open_clip's configuration of its pictures. */
#include "encoder/folder/preprocess_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fields of open_clip's PreprocessCfg. */
static const char *const known_keys[] = {"size",          "mode",        "mean",       "std",
                                         "interpolation", "resize_mode", "fill_color", NULL};

static const cJSON *member(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item; /* null keeps the default, as there */
}

/* The position of a string among `choices`; absent: 0. */
static cdul_status read_choice(const cJSON *cfg, const char *key, const char *where,
                               const char *const *choices, size_t *out, cdul_error *err) {
    const char *text = choices[0];
    bool found = false;
    cdul_status status =
        member(cfg, key) ? cdul_json_string(cfg, key, where, &text, &found, err) : CDUL_OK;
    if (status != CDUL_OK) return status;
    for (*out = 0; choices[*out]; ++*out)
        if (strcmp(text, choices[*out]) == 0) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s '%s' is not one of open_clip's", where, key,
                     text);
}

/* A grey value, or RGB. */
static cdul_status read_fill(const cJSON *item, const char *where, uint8_t *out, cdul_error *err) {
    float fill[3] = {0, 0, 0};
    cdul_status status =
        item ? cdul_preprocess_triple(item, "fill_color", where, false, fill, err) : CDUL_OK;
    for (int i = 0; status == CDUL_OK && i < 3; i++) {
        if (fill[i] < 0 || fill[i] > 255 || fill[i] != floorf(fill[i]))
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: fill_color is not in 0 .. 255", where);
        out[i] = (uint8_t)fill[i];
    }
    return status;
}

static cdul_status read_colours(const cJSON *cfg, const char *where, cdul_preprocess *out,
                                cdul_error *err) {
    const cJSON *mean = member(cfg, "mean"), *std = member(cfg, "std");
    cdul_status status = CDUL_OK;
    out->scale = (float)(1.0 / 255.0);
    memcpy(out->mean, cdul_openai_mean, sizeof out->mean);
    memcpy(out->std, cdul_openai_std, sizeof out->std);
    if (mean) status = cdul_preprocess_triple(mean, "mean", where, false, out->mean, err);
    if (status == CDUL_OK && std)
        status = cdul_preprocess_triple(std, "std", where, true, out->std, err);
    if (status == CDUL_OK) status = read_fill(member(cfg, "fill_color"), where, out->fill, err);
    return status;
}

static cdul_status take_known_size(const cdul_input_size *known, const char *where,
                                   cdul_preprocess *out, cdul_strings *notes, cdul_error *err) {
    const char *source = cdul_preprocess_known_size(known, out);
    if (!source)
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: no size of the pictures: neither the graph, nor preprocess_cfg's "
                         "size, nor vision_cfg's image_size says it",
                         where);
    /* that of open_clip's own default: the model's */
    if (known->height && known->width) return CDUL_OK;
    return cdul_preprocess_note(notes, "preprocess_cfg has no size: pictures are resized", out,
                                source, err);
}

/* `cfg` is the PreprocessCfg, or NULL: all defaults. `image_size`: the model's own, which open_clip
 * prefers to the size in there, or NULL. */
static cdul_status read_cfg(const cJSON *cfg, const cJSON *image_size, const char *where,
                            const cdul_input_size *known, cdul_preprocess *out, cdul_strings *notes,
                            cdul_error *err) {
    /* as cdul_resize_mode */
    static const char *const modes[] = {"shortest", "squash", "longest", NULL};
    static const char *const filters[] = {"bicubic", "bilinear", "random", NULL};
    static const char *const colours[] = {"RGB", NULL};
    size_t mode = 0, filter = 0, colour = 0;
    cdul_status status = cdul_preprocess_keys(cfg, where, known_keys, false, err);
    if (status == CDUL_OK) status = read_choice(cfg, "mode", where, colours, &colour, err);
    if (status == CDUL_OK) status = read_choice(cfg, "resize_mode", where, modes, &mode, err);
    if (status == CDUL_OK) status = read_choice(cfg, "interpolation", where, filters, &filter, err);
    if (status == CDUL_OK) status = read_colours(cfg, where, out, err);
    if (status == CDUL_OK)
        status = cdul_preprocess_sides(member(cfg, "size"), "size", where, &out->height,
                                       &out->width, err);
    if (status == CDUL_OK)
        status =
            cdul_preprocess_sides(image_size, "image_size", where, &out->height, &out->width, err);
    if (status == CDUL_OK && !out->height) status = take_known_size(known, where, out, notes, err);
    if (status != CDUL_OK) return status;
    out->mode = (cdul_resize_mode)mode;
    if ((status = cdul_preprocess_fit(known, out, notes, err)) != CDUL_OK) return status;
    /* open_clip resizes to a shape that is not square in its own way, which does not pass the
     * filter on */
    bool own_way = mode == CDUL_RESIZE_SHORTEST && out->height != out->width;
    out->filter = filter == 1 && !own_way ? CDUL_BILINEAR : CDUL_BICUBIC;
    return CDUL_OK;
}

cdul_status cdul_preprocess_open_clip(const char *folder, const cdul_input_size *known,
                                      cdul_preprocess *out, cdul_strings *notes, cdul_error *err) {
    static const char *const names[] = {"open_clip_config.json", "preprocess_cfg.json",
                                        "visual/preprocess_cfg.json"};
    cdul_status status = CDUL_OK;
    bool found = false;
    for (size_t i = 0; status == CDUL_OK && !found && i < sizeof names / sizeof *names; i++) {
        cJSON *json = NULL;
        char *path = NULL;
        status = cdul_folder_json(folder, names[i], &json, &path, err);
        found = json != NULL;
        const cJSON *cfg = i ? json : member(json, "preprocess_cfg");
        const cJSON *vision = i ? NULL : member(member(json, "model_cfg"), "vision_cfg");
        if (found && (!cJSON_IsObject(json) || (cfg && !cJSON_IsObject(cfg))))
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: expected JSON objects", path);
        if (status == CDUL_OK && found)
            status = read_cfg(cfg, member(vision, "image_size"), path, known, out, notes, err);
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
