/* Reads ground truth from COCO "instances" JSON. The document is walked as text and each list
 * element parsed by itself: instances_train2014.json is a third of a gigabyte of outlines, and as
 * one tree would take ten times that. */
#include "eval/truth_readers.h"

#include "base/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    const char *path;
    const char *start, *end; /* of the text */
    cdul_truth *truth;
    cdul_names images; /* finds a file_name that occurs twice */
    /* Ids are sparse (COCO's 80 categories run from 1 to 90, image ids to 581,929): as text, each
     * has the position of its image or category. */
    cdul_names image_ids, class_ids;
    cdul_facts facts;
} reading;

/* --- The elements of the three lists --- */

enum { ID_TEXT = 32 };

/* The number of `key` as text: the same text for the same number, however it is written. */
static cdul_status read_id(const cJSON *element, const char *key, const char *where,
                           char text[ID_TEXT], cdul_error *err) {
    double id = 0;
    cdul_status status = cdul_json_number(element, key, where, &id, NULL, err);
    snprintf(text, ID_TEXT, "%.17g", id + 0.0); /* -0 is 0 */
    return status;
}

/* Gives the element's id the next position. */
static cdul_status add_id(const reading *r, cdul_names *ids, const cJSON *element, const char *what,
                          const char *where, cdul_error *err) {
    char id[ID_TEXT];
    size_t known = ids->list.count, position;
    cdul_status status = read_id(element, "id", where, id, err);
    if (status == CDUL_OK) status = cdul_names_get(ids, id, &position, err);
    if (status == CDUL_OK && position < known)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: two %s have id %s", r->path, what, id);
    return status;
}

/* The position of the image or category that `key`, image_id or category_id, names. */
static cdul_status find_id(const cdul_names *ids, const cJSON *element, const char *key,
                           const char *where, size_t *position, cdul_error *err) {
    char id[ID_TEXT];
    cdul_status status = read_id(element, key, where, id, err);
    if (status != CDUL_OK) return status;
    *position = cdul_index_find(ids, id);
    if (*position != CDUL_NOT_FOUND) return CDUL_OK;
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: no %.*s has id %s", where,
                     (int)(strlen(key) - strlen("_id")), key, id);
}

static cdul_status on_image(reading *r, const cJSON *element, const char *where, cdul_error *err) {
    const char *name;
    size_t known = r->images.list.count, position;
    cdul_status status = add_id(r, &r->image_ids, element, "images", where, err);
    if (status == CDUL_OK) status = cdul_json_string(element, "file_name", where, &name, NULL, err);
    if (status == CDUL_OK) status = cdul_names_get(&r->images, name, &position, err);
    if (status == CDUL_OK && position < known)
        status = cdul_fail(err, CDUL_ERR_INPUT, "%s: file_name \"%s\" occurs twice", where, name);
    return status;
}

static cdul_status on_category(reading *r, const cJSON *element, const char *where,
                               cdul_error *err) {
    const char *name;
    cdul_status status = add_id(r, &r->class_ids, element, "categories", where, err);
    if (status == CDUL_OK) status = cdul_json_string(element, "name", where, &name, NULL, err);
    if (status == CDUL_OK) status = cdul_strings_add(&r->truth->classes, name, err);
    return status;
}

static cdul_status on_annotation(reading *r, const cJSON *element, const char *where,
                                 cdul_error *err) {
    size_t image, category;
    cdul_status status = find_id(&r->image_ids, element, "image_id", where, &image, err);
    if (status == CDUL_OK)
        status = find_id(&r->class_ids, element, "category_id", where, &category, err);
    return status == CDUL_OK ? cdul_facts_add(&r->facts, image, category, CDUL_PRESENT, err)
                             : status;
}

/* In the order in which they are read: annotations name the others. */
static const struct {
    const char *name;
    cdul_status (*visit)(reading *r, const cJSON *element, const char *where, cdul_error *err);
} lists[3] = {{"images", on_image}, {"categories", on_category}, {"annotations", on_annotation}};

/* --- The text --- */

static cdul_status malformed(const reading *r, const char *at, const char *expected,
                             cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: byte %zu: malformed JSON, expected %s", r->path,
                     (size_t)(at - r->start), expected);
}

static const char *skip_space(const reading *r, const char *at) {
    while (at < r->end && isspace((unsigned char)*at)) at++;
    return at;
}

/* The end of the string that begins at `at`; r->end if it is not closed. */
static const char *skip_string(const reading *r, const char *at) {
    for (at++; at < r->end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < r->end) at++;
    return at < r->end ? at + 1 : at;
}

/* The end of the value that begins at `at`. Only counts brackets; the rest is checked later. */
static const char *skip_value(const reading *r, const char *at) {
    size_t depth = 0;
    while (at < r->end) {
        if (*at == '"') {
            at = skip_string(r, at);
            if (depth == 0) return at;
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        }
        if (depth == 0 && (*at == ',' || isspace((unsigned char)*at))) return at;
        at++;
    }
    return at;
}

/* Finds where the lists begin, in a text whose '{' is at `at`; a missing one stays NULL. */
static cdul_status find_lists(const reading *r, const char *at, const char *found[3],
                              cdul_error *err) {
    at = skip_space(r, at + 1); /* behind '{' */
    while (at < r->end && *at == '"') {
        const char *key = at + 1;
        at = skip_string(r, at);
        size_t length = (size_t)(at - key) - 1;
        at = skip_space(r, at);
        if (at == r->end || *at != ':') return malformed(r, at, "':'", err);
        at = skip_space(r, at + 1);
        for (size_t k = 0; k < 3; k++)
            if (strlen(lists[k].name) == length && memcmp(lists[k].name, key, length) == 0)
                found[k] = at;
        at = skip_space(r, skip_value(r, at));
        if (at < r->end && *at == '}') break;
        if (at == r->end || *at != ',') return malformed(r, at, "',' or '}'", err);
        at = skip_space(r, at + 1);
        if (at == r->end || *at != '"') return malformed(r, at, "a key", err);
    }
    if (at == r->end || *at != '}') return malformed(r, at, "a key or '}'", err);
    at = skip_space(r, at + 1);
    return at == r->end ? CDUL_OK : malformed(r, at, "the end of the file", err);
}

/* Visits each element of list `k`, which begins at `list`. */
static cdul_status for_each(reading *r, const char *list, size_t k, cdul_error *err) {
    const char *name = lists[k].name;
    if (!list)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no list \"%s\": not COCO instances", r->path,
                         name);
    if (list == r->end || *list != '[') return malformed(r, list, "'['", err);
    const char *at = skip_space(r, list + 1);
    for (size_t i = 0; at < r->end && *at != ']'; i++) {
        const char *first = at;
        char where[512];
        cJSON *element = NULL;
        at = skip_value(r, at);
        snprintf(where, sizeof where, "%.400s: %s[%zu]", r->path, name, i);
        cdul_status status = cdul_json_parse(first, (size_t)(at - first), where, &element, err);
        if (status == CDUL_OK) status = lists[k].visit(r, element, where, err);
        cJSON_Delete(element);
        if (status != CDUL_OK) return status;
        at = skip_space(r, at);
        if (at < r->end && *at == ']') break;
        if (at == r->end || *at != ',') return malformed(r, at, "',' or ']'", err);
        at = skip_space(r, at + 1);
        if (at < r->end && *at == ']') return malformed(r, at, "a value", err);
    }
    return at < r->end ? CDUL_OK : malformed(r, at, "']'", err);
}

cdul_status cdul_truth_read_coco(const char *path, const cdul_mapping *text, cdul_truth *truth,
                                 cdul_error *err) {
    const char *start = (const char *)text->data, *found[3] = {NULL};
    reading r = {.path = path, .start = start, .end = start + text->size, .truth = truth};
    truth->kind = CDUL_TRUTH_COCO;
    cdul_status status = find_lists(&r, memchr(start, '{', text->size), found, err);
    for (size_t k = 0; k < 3 && status == CDUL_OK; k++) status = for_each(&r, found[k], k, err);
    if (status == CDUL_OK) status = cdul_strings_copy(&r.images.list, &truth->images, err);
    if (status == CDUL_OK) status = cdul_truth_fill(truth, &r.facts, err);
    cdul_names_free(&r.images);
    cdul_names_free(&r.image_ids);
    cdul_names_free(&r.class_ids);
    free(r.facts.items);
    return status;
}
