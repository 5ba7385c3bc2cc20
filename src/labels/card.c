/* Reads and writes the card of a classifier. */
#include "labels/card.h"

#include "base/json.h"
#include "labels/label_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUT 16384 /* pixels */

/* --- Reading --- */

typedef struct reader {
    cdul_metadata_lookup *lookup;
    const void *source;
    const char *where;
} reader;

cdul_status cdul_card_lacks(const char *where, const char *key, cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: metadata lacks \"%s\": was this classifier written by cdul-train?", where,
                     key);
}

static cdul_status get(const reader *r, const char *key, const char **text, cdul_error *err) {
    *text = r->lookup(r->source, key);
    return *text ? CDUL_OK : cdul_card_lacks(r->where, key, err);
}

static cdul_status get_json(const reader *r, const char *key, cJSON **out, cdul_error *err) {
    const char *text;
    cdul_status status = get(r, key, &text, err);
    if (status == CDUL_OK) status = cdul_json_parse(text, strlen(text), r->where, out, err);
    return status;
}

static cdul_status get_numbers(const reader *r, const char *key, size_t count, float *out,
                               cdul_error *err) {
    cJSON *list = NULL;
    cdul_status status = get_json(r, key, &list, err);
    char name[64];
    snprintf(name, sizeof name, "metadata \"%s\"", key);
    if (status == CDUL_OK) status = cdul_json_numbers(list, name, r->where, count, out, err);
    cJSON_Delete(list);
    return status;
}

/* The text must be one of two; *second: it is the second. */
static cdul_status get_either(const reader *r, const char *key, const char *const choices[2],
                              bool *second, cdul_error *err) {
    const char *text;
    cdul_status status = get(r, key, &text, err);
    if (status != CDUL_OK) return status;
    *second = strcmp(text, choices[1]) == 0;
    if (*second || strcmp(text, choices[0]) == 0) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT,
                     "%s: metadata \"%s\" is \"%s\": expected \"%s\" or \"%s\"", r->where, key,
                     text, choices[0], choices[1]);
}

static const char *const resizes[] = {"shortest", "squash"};
static const char *const filters[] = {"bilinear", "bicubic"};

static cdul_status get_preprocess(const reader *r, cdul_preprocess *out, cdul_error *err) {
    bool squash = false, bicubic = false;
    float size[2];
    *out = (cdul_preprocess){.scale = 1.0F / 255};
    cdul_status status = get_either(r, "resize", resizes, &squash, err);
    if (status == CDUL_OK) status = get_either(r, "filter", filters, &bicubic, err);
    if (status == CDUL_OK) status = get_numbers(r, "input_size", 2, size, err);
    if (status == CDUL_OK) status = get_numbers(r, "mean", 3, out->mean, err);
    if (status == CDUL_OK) status = get_numbers(r, "std", 3, out->std, err);
    for (int i = 0; i < 2 && status == CDUL_OK; i++)
        if (!(size[i] >= 1 && size[i] <= MAX_INPUT) || size[i] != floorf(size[i]))
            status =
                cdul_fail(err, CDUL_ERR_INPUT,
                          "%s: metadata \"input_size\": %g is not a number of pixels (1 .. %d)",
                          r->where, (double)size[i], MAX_INPUT);
    for (int i = 0; i < 3 && status == CDUL_OK; i++)
        if (!(out->std[i] > 0))
            status =
                cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"std\": %g is not a deviation (> 0)",
                          r->where, (double)out->std[i]);
    if (status != CDUL_OK) return status;
    out->height = (size_t)size[0];
    out->width = (size_t)size[1];
    out->mode = squash ? CDUL_RESIZE_SQUASH : CDUL_RESIZE_SHORTEST;
    out->filter = bicubic ? CDUL_BICUBIC : CDUL_BILINEAR;
    return CDUL_OK;
}

static cdul_status get_classes(const reader *r, cdul_strings *out, cdul_error *err) {
    const char *text;
    cdul_status status = get(r, "classes", &text, err);
    if (status == CDUL_OK) status = cdul_json_to_strings(text, strlen(text), r->where, out, err);
    if (status != CDUL_OK) return status;
    if (out->count == 0)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"classes\" is empty", r->where);
    return cdul_names_distinct(out, r->where, "classes", err);
}

static cdul_status get_thresholds(const reader *r, size_t c, float **out, cdul_error *err) {
    *out = calloc(c, sizeof **out);
    if (!*out) return cdul_fail_memory(err, "thresholds");
    cdul_status status = get_numbers(r, "thresholds", c, *out, err);
    for (size_t i = 0; i < c && status == CDUL_OK; i++)
        if (!((*out)[i] >= 0 && (*out)[i] <= 1))
            status =
                cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"thresholds\": %g is not in 0 .. 1",
                          r->where, (double)(*out)[i]);
    return status;
}

/* *out points to a copy of the text; it stays as it is if there is none. */
static cdul_status keep(const reader *r, const char *key, cdul_card *card, const char **out,
                        cdul_error *err) {
    const char *text = r->lookup(r->source, key);
    if (!text) return CDUL_OK;
    cdul_status status = cdul_strings_add(&card->texts, text, err);
    if (status == CDUL_OK) *out = card->texts.items[card->texts.count - 1];
    return status;
}

static cdul_status get_origin(const reader *r, cdul_card *out, cdul_error *err) {
    cJSON *provenance = NULL;
    cdul_status status = get_json(r, "provenance", &provenance, err);
    if (status == CDUL_OK && !cJSON_IsObject(provenance))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"provenance\": expected an object",
                           r->where);
    cJSON_Delete(provenance);
    if (status == CDUL_OK) status = keep(r, "provenance", out, &out->provenance, err);
    if (status == CDUL_OK) status = keep(r, "version", out, &out->version, err);
    if (status == CDUL_OK) status = keep(r, "arch", out, &out->arch, err);
    if (status != CDUL_OK || !out->arch) return status;
    cJSON *eps = NULL;
    status = get_json(r, "bn_eps", &eps, err);
    if (status == CDUL_OK && !cJSON_IsNumber(eps))
        status =
            cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"bn_eps\": expected a number", r->where);
    if (status == CDUL_OK) out->bn_eps = eps->valuedouble;
    cJSON_Delete(eps);
    return status;
}

cdul_status cdul_card_read(cdul_metadata_lookup *lookup, const void *source, const char *where,
                           cdul_card *out, cdul_error *err) {
    const reader r = {lookup, source, where};
    *out = (cdul_card){0};
    cdul_status status = get_classes(&r, &out->classes, err);
    if (status == CDUL_OK) status = get_thresholds(&r, out->classes.count, &out->thresholds, err);
    if (status == CDUL_OK) status = get_preprocess(&r, &out->preprocess, err);
    if (status == CDUL_OK) status = get_origin(&r, out, err);
    if (status != CDUL_OK) cdul_card_free(out);
    return status;
}

void cdul_card_free(cdul_card *card) {
    if (!card) return;
    cdul_strings_free(&card->classes);
    cdul_strings_free(&card->texts);
    free(card->thresholds);
    *card = (cdul_card){0};
}

/* --- Writing --- */

/* Writes as few digits as read back as the same float: 0.229, not 0.229000002. NULL: no memory. */
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

static const char *const facts[CDUL_CARD_FACTS] = {
    "format", "version", "arch", "bn_eps", "classes",    "input_size",
    "resize", "filter",  "mean", "std",    "thresholds", "provenance",
};

/* The card as a JSON object, its members in that order. */
static cdul_status describe(const cdul_card *card, cJSON **out, cdul_error *err) {
    const cdul_preprocess *p = &card->preprocess;
    const int size[2] = {(int)p->height, (int)p->width};
    cJSON *provenance = NULL;
    cdul_status status =
        cdul_json_parse(card->provenance, strlen(card->provenance), "provenance", &provenance, err);
    if (status != CDUL_OK) return status;
    cJSON *values[CDUL_CARD_FACTS] = {
        cJSON_CreateString("cdul-model"),
        cJSON_CreateString(card->version),
        cJSON_CreateString(card->arch),
        cJSON_CreateNumber(card->bn_eps),
        strings(&card->classes),
        cJSON_CreateIntArray(size, 2),
        cJSON_CreateString(resizes[p->mode == CDUL_RESIZE_SQUASH]),
        cJSON_CreateString(filters[p->filter == CDUL_BICUBIC]),
        floats(p->mean, 3),
        floats(p->std, 3),
        floats(card->thresholds, card->classes.count),
        provenance,
    };
    *out = cJSON_CreateObject();
    for (size_t i = 0; i < CDUL_CARD_FACTS; i++) {
        if (status == CDUL_OK && cJSON_AddItemToObject(*out, facts[i], values[i])) continue;
        status = CDUL_ERR_MEMORY;
        cJSON_Delete(values[i]);
    }
    if (status == CDUL_OK) return CDUL_OK;
    cJSON_Delete(*out);
    *out = NULL;
    return cdul_fail_memory(err, "the model's card");
}

cdul_status cdul_card_to_metadata(const cdul_card *card, cdul_card_metadata *out, cdul_error *err) {
    cJSON *object = NULL;
    cdul_status status = describe(card, &object, err);
    const cJSON *fact = object ? object->child : NULL;
    for (size_t i = 0; fact && status == CDUL_OK; fact = fact->next, i++) {
        char *json = cJSON_IsString(fact) ? NULL : cJSON_PrintUnformatted(fact);
        const char *text = cJSON_IsString(fact) ? fact->valuestring : json;
        status = text ? cdul_strings_add(&out->texts, text, err)
                      : cdul_fail_memory(err, "the model's card");
        if (status == CDUL_OK) out->pairs[i] = (cdul_metadata){facts[i], out->texts.items[i]};
        cJSON_free(json);
    }
    cJSON_Delete(object);
    return status;
}

cdul_status cdul_card_write(const char *path, const cdul_card *card, cdul_error *err) {
    cJSON *object = NULL;
    cdul_status status = describe(card, &object, err);
    if (status == CDUL_OK) status = cdul_json_write(path, object, err);
    cJSON_Delete(object);
    return status;
}
