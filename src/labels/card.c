#include "labels/card.h"

#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUT = 16384 };

typedef struct reader {
    cdul_metadata_lookup *lookup;
    const void *source;
    const char *where;
} reader;

static cdul_status get(const reader *r, const char *key, const char **text, cdul_error *err) {
    *text = r->lookup(r->source, key);
    return *text
               ? CDUL_OK
               : cdul_fail(err, CDUL_ERR_INPUT,
                           "%s: metadata lacks \"%s\": was this classifier written by cdul-train?",
                           r->where, key);
}

static cdul_status get_numbers(const reader *r, const char *key, size_t count, float *out,
                               cdul_error *err) {
    const char *text;
    cJSON *list = NULL;
    cdul_status status = get(r, key, &text, err);
    if (!status) status = cdul_json_parse(text, strlen(text), r->where, &list, err);
    if (!status && (!cJSON_IsArray(list) || (size_t)cJSON_GetArraySize(list) != count))
        status =
            cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"%s\": expected a list of %zu numbers",
                      r->where, key, count);
    size_t i = 0;
    for (const cJSON *item = status ? NULL : list->child; item && !status; item = item->next) {
        if (!cJSON_IsNumber(item))
            status = cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"%s\": item %zu is not a number",
                               r->where, key, i);
        else
            out[i++] = (float)item->valuedouble;
    }
    cJSON_Delete(list);
    return status;
}

static cdul_status get_preprocess(const reader *r, cdul_preprocess *out, cdul_error *err) {
    const char *resize, *filter;
    float size[2];
    *out = (cdul_preprocess){.scale = 1.0F / 255};
    cdul_status status = get(r, "resize", &resize, err);
    if (status || (status = get(r, "filter", &filter, err)) ||
        (status = get_numbers(r, "input_size", 2, size, err)) ||
        (status = get_numbers(r, "mean", 3, out->mean, err)) ||
        (status = get_numbers(r, "std", 3, out->std, err)))
        return status;
    for (int i = 0; i < 2; i++)
        if (!(size[i] >= 1 && size[i] <= MAX_INPUT) || size[i] != floorf(size[i]))
            return cdul_fail(err, CDUL_ERR_INPUT,
                             "%s: metadata \"input_size\": %g is not a number of pixels (1 .. %d)",
                             r->where, (double)size[i], MAX_INPUT);
    if (strcmp(resize, "shortest") && strcmp(resize, "squash"))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: metadata \"resize\" is \"%s\": expected \"shortest\" or \"squash\"",
                         r->where, resize);
    if (strcmp(filter, "bilinear") && strcmp(filter, "bicubic"))
        return cdul_fail(err, CDUL_ERR_INPUT,
                         "%s: metadata \"filter\" is \"%s\": expected \"bilinear\" or \"bicubic\"",
                         r->where, filter);
    out->height = (size_t)size[0];
    out->width = (size_t)size[1];
    out->mode = strcmp(resize, "squash") ? CDUL_RESIZE_SHORTEST : CDUL_RESIZE_SQUASH;
    out->filter = strcmp(filter, "bicubic") ? CDUL_BILINEAR : CDUL_BICUBIC;
    return CDUL_OK;
}

cdul_status cdul_model_card_read(cdul_metadata_lookup *lookup, const void *source,
                                 const char *where, cdul_model_card *out, cdul_error *err) {
    reader r = {lookup, source, where};
    const char *classes, *provenance;
    cdul_index *distinct = NULL;
    *out = (cdul_model_card){0};
    cdul_status status = get(&r, "classes", &classes, err);
    if (status ||
        (status = cdul_json_to_strings(classes, strlen(classes), where, &out->classes, err)))
        goto done;
    if ((status = cdul_index_new(&out->classes, &distinct, err))) {
        cdul_error_prefix(err, "%s: classes", where);
        goto done;
    }
    if (out->classes.count == 0) {
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: metadata \"classes\" is empty", where);
        goto done;
    }
    if (!(out->thresholds = calloc(out->classes.count, sizeof(float)))) {
        status = cdul_fail_memory(err, "thresholds");
        goto done;
    }
    if ((status = get_numbers(&r, "thresholds", out->classes.count, out->thresholds, err)))
        goto done;
    if ((status = get_preprocess(&r, &out->preprocess, err))) goto done;
    if ((status = get(&r, "provenance", &provenance, err))) goto done;
    if (!(out->provenance = strdup(provenance))) status = cdul_fail_memory(err, "provenance");
done:
    cdul_index_free(distinct);
    if (status) cdul_model_card_free(out);
    return status;
}

void cdul_model_card_free(cdul_model_card *card) {
    if (!card) return;
    cdul_strings_free(&card->classes);
    free(card->thresholds);
    free(card->provenance);
    *card = (cdul_model_card){0};
}
