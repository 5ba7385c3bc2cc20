/* Values of preprocessing files, whoever's they are: sides, colours, and what is done where a file
 * and its graph disagree. */
#include "encoder/folder/preprocess_values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const float cdul_openai_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
const float cdul_openai_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

cdul_status cdul_preprocess_keys(const cJSON *json, const char *where, const char *const *known,
                                 bool off, cdul_error *err) {
    for (const cJSON *item = json ? json->child : NULL; item; item = item->next) {
        bool good = cJSON_IsNull(item) || (off && cJSON_IsFalse(item));
        for (size_t i = 0; !good && known[i]; i++) good = strcmp(item->string, known[i]) == 0;
        if (!good)
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: key '%s' is not understood, and it may change the pixels; remove "
                             "it if it does not",
                             where, item->string);
    }
    return CDUL_OK;
}

bool cdul_preprocess_side(const cJSON *item, size_t *out) {
    if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > 8192 ||
        item->valuedouble != floor(item->valuedouble))
        return false;
    *out = (size_t)item->valuedouble;
    return true;
}

cdul_status cdul_preprocess_sides(const cJSON *item, const char *key, const char *where,
                                  size_t *height, size_t *width, cdul_error *err) {
    if (!item || cJSON_IsNull(item)) return CDUL_OK;
    int count = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 0;
    const cJSON *first = count ? cJSON_GetArrayItem(item, 0) : item;
    const cJSON *second = count == 2 ? cJSON_GetArrayItem(item, 1) : first;
    if (count > 2 || !cdul_preprocess_side(first, height) || !cdul_preprocess_side(second, width))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: %s is neither a number of pixels nor [height, width]", where, key);
    return CDUL_OK;
}

cdul_status cdul_preprocess_triple(const cJSON *item, const char *key, const char *where,
                                   bool positive, float *out, cdul_error *err) {
    for (int i = 0; i < 3; i++) {
        const cJSON *one = cJSON_IsNumber(item) ? item : cJSON_GetArrayItem(item, i);
        out[i] = cJSON_IsNumber(one) ? (float)one->valuedouble : NAN;
        bool good = isfinite(out[i]) && (!positive || out[i] > 0);
        if (!good || (cJSON_IsArray(item) && cJSON_GetArraySize(item) != 3))
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: %s is not three %snumbers, one a channel",
                             where, key, positive ? "positive " : "");
    }
    return CDUL_OK;
}

const char *cdul_preprocess_known_size(const cdul_input_size *known, cdul_preprocess *out) {
    const bool graph = known->height && known->width;
    out->height = graph ? known->height : known->model_height;
    out->width = graph ? known->width : known->model_width;
    return graph ? "what the graph takes" : out->height ? "image_size in config.json" : NULL;
}

cdul_status cdul_preprocess_note(cdul_strings *notes, const char *what, const cdul_preprocess *from,
                                 const char *source, cdul_error *err) {
    char note[200];
    snprintf(note, sizeof note, "%s to %zu x %zu, %s", what, from->width, from->height, source);
    return cdul_strings_add(notes, note, err);
}

/* side * to / from, rounded, at least 1. */
static size_t scaled(size_t side, size_t from, size_t to) {
    const size_t size = (side * to + from / 2) / from;
    return size ? size : 1;
}

cdul_status cdul_preprocess_fit(const cdul_input_size *known, cdul_preprocess *out,
                                cdul_strings *notes, cdul_error *err) {
    const size_t height = known->height ? known->height : out->height;
    const size_t width = known->width ? known->width : out->width;
    if (height == out->height && width == out->width) return CDUL_OK;
    char note[200];
    snprintf(note, sizeof note,
             "the graph takes %zu x %zu pixels, the preprocessor file says %zu x %zu: the graph's "
             "size is used",
             width, height, out->width, out->height);
    /* the same share is cropped away, or padding */
    if (out->shortest) {
        bool covers = out->shortest >= out->height && out->shortest >= out->width;
        size_t smaller = out->height < out->width ? out->height : out->width;
        out->shortest = scaled(out->shortest, smaller, height < width ? height : width);
        if (covers && out->shortest < height) out->shortest = height;
        if (covers && out->shortest < width) out->shortest = width;
    }
    if (out->squash_width) {
        out->squash_height = scaled(out->squash_height, out->height, height);
        out->squash_width = scaled(out->squash_width, out->width, width);
    }
    out->height = height;
    out->width = width;
    return cdul_strings_add(notes, note, err);
}

void cdul_preprocess_text(const cdul_preprocess *p, char *text, size_t size) {
    static const char *const modes[] = {"shortest", "squash", "longest"};
    static const char *const filters[] = {"nearest", "Lanczos", "bilinear",
                                          "bicubic", "box",     "Hamming"};
    char side[60] = "", crop[40] = "";
    if (p->mode == CDUL_RESIZE_SHORTEST && p->shortest)
        snprintf(side, sizeof side, " %zu", p->shortest);
    else if (p->mode == CDUL_RESIZE_SHORTEST)
        snprintf(side, sizeof side, " that covers it");
    else if (p->mode == CDUL_RESIZE_SQUASH && p->squash_width)
        snprintf(side, sizeof side, " to %zux%zu", p->squash_width, p->squash_height);
    if (side[0])
        snprintf(crop, sizeof crop, " then centre crop (%s)", p->crop_floor ? "floor" : "round");
    if (p->mode == CDUL_RESIZE_LONGEST)
        snprintf(side, sizeof side, ", padded with %u %u %u", p->fill[0], p->fill[1], p->fill[2]);
    snprintf(text, size, "%zux%zu, %s%s%s, %s, scale %.9g, mean %.9g %.9g %.9g, std %.9g %.9g %.9g",
             p->width, p->height, modes[p->mode], side, crop, filters[p->filter], (double)p->scale,
             (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], (double)p->std[0],
             (double)p->std[1], (double)p->std[2]);
}
