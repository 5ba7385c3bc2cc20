/* Reads and writes the card of a classifier. */
#include "labels/card.h"

#include "base/json.h"
#include "labels/label_file.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Parses a JSON text, which `is_type` must accept if it is given. The caller deletes *out after a
 * failure as well. */
static cdul_status get_json(const reader *r, const char *key, cJSON_bool (*is_type)(const cJSON *),
                            const char *expected, cJSON **out, cdul_error *err) {
    const char *text;
    cdul_status status = get(r, key, &text, err);
    if (status == CDUL_OK) status = cdul_json_parse(text, strlen(text), r->where, out, err);
    if (status == CDUL_OK && is_type && !is_type(*out))
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"%s\": expected %s", r->where, key,
                           expected);
    return status;
}

/* A list, and what its numbers must be. */
typedef struct numbers {
    const char *key;
    size_t count;
    float least, most;
    bool whole;
    const char *expected; /* the same in words */
} numbers;

static cdul_status get_numbers(const reader *r, numbers list, float *out, cdul_error *err) {
    cJSON *json = NULL;
    char name[64];
    snprintf(name, sizeof name, "metadata \"%s\"", list.key);
    cdul_status status = get_json(r, list.key, NULL, NULL, &json, err);
    if (status == CDUL_OK) status = cdul_json_numbers(json, name, r->where, list.count, out, err);
    cJSON_Delete(json);
    for (size_t i = 0; i < list.count && status == CDUL_OK; i++)
        if (out[i] < list.least || out[i] > list.most || (list.whole && out[i] != floorf(out[i])))
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: %s: %g is not %s", r->where, name,
                               (double)out[i], list.expected);
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
    static const numbers sizes = {"input_size", 2,    1,
                                  16384,        true, "a number of pixels (1 .. 16384)"};
    static const numbers mean = {"mean", 3, -FLT_MAX, FLT_MAX, false, ""};
    static const numbers std = {"std", 3, FLT_TRUE_MIN, FLT_MAX, false, "a deviation (> 0)"};
    bool squash = false, bicubic = false;
    float size[2];
    *out = (cdul_preprocess){.scale = 1.0F / 255};
    cdul_status status = get_either(r, "resize", resizes, &squash, err);
    if (status == CDUL_OK) status = get_either(r, "filter", filters, &bicubic, err);
    if (status == CDUL_OK) status = get_numbers(r, sizes, size, err);
    if (status == CDUL_OK) status = get_numbers(r, mean, out->mean, err);
    if (status == CDUL_OK) status = get_numbers(r, std, out->std, err);
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
    return get_numbers(r, (numbers){"thresholds", c, 0, 1, false, "in 0 .. 1"}, *out, err);
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
    cJSON *provenance = NULL, *eps = NULL;
    cdul_status status = get_json(r, "provenance", cJSON_IsObject, "an object", &provenance, err);
    if (status == CDUL_OK) status = keep(r, "provenance", out, &out->provenance, err);
    if (status == CDUL_OK) status = keep(r, "version", out, &out->version, err);
    if (status == CDUL_OK) status = keep(r, "arch", out, &out->arch, err);
    if (status == CDUL_OK && out->arch) {
        status = get_json(r, "bn_eps", cJSON_IsNumber, "a number", &eps, err);
        if (status == CDUL_OK) out->bn_eps = eps->valuedouble;
    }
    cJSON_Delete(provenance);
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
    for (size_t i = 0; i < count && list; i++) {
        char text[32];
        for (int digits = 6; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, (double)values[i]);
            if (strtof(text, NULL) == values[i]) break;
        }
        if (cJSON_AddItemToArray(list, cJSON_CreateNumber(strtod(text, NULL)))) continue;
        cJSON_Delete(list);
        list = NULL;
    }
    return list;
}

static const char *const facts[CDUL_CARD_FACTS] = {
    "format", "version", "arch", "bn_eps", "classes",    "input_size",
    "resize", "filter",  "mean", "std",    "thresholds", "provenance",
};

/* The card as a JSON object, its members in that order. */
static cdul_status describe(const cdul_card *card, cJSON **out, cdul_error *err) {
    const cdul_preprocess *p = &card->preprocess;
    const cdul_strings *classes = &card->classes;
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
        cJSON_CreateStringArray((const char *const *)classes->items, (int)classes->count),
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
