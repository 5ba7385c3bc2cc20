/* Reads ground truth from COCO "instances" JSON. The document is walked as text and each list
 * element parsed by itself: instances_train2014.json is a third of a gigabyte of outlines, and as
 * one tree would take ten times that. */
#include "eval/truth_readers.h"

#include "base/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct document {
    const char *path;
    const char *start, *end;
} document;

static cdul_status malformed(const document *doc, const char *at, const char *expected,
                             cdul_error *err) {
    return cdul_fail(err, CDUL_ERR_INPUT, "%s: byte %zu: malformed JSON, expected %s", doc->path,
                     (size_t)(at - doc->start), expected);
}

static const char *skip_space(const document *doc, const char *at) {
    while (at < doc->end && isspace((unsigned char)*at)) at++;
    return at;
}

/* The end of the string that begins at `at`; doc->end if it is not closed. */
static const char *skip_string(const document *doc, const char *at) {
    for (at++; at < doc->end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < doc->end) at++;
    return at < doc->end ? at + 1 : at;
}

/* The end of the value that begins at `at`. Only counts brackets; the rest is checked later. */
static const char *skip_value(const document *doc, const char *at) {
    size_t depth = 0;
    while (at < doc->end) {
        if (*at == '"') {
            at = skip_string(doc, at);
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

/* Where the lists that matter begin; NULL if missing. */
typedef struct lists {
    const char *images, *categories, *annotations;
} lists;

static void keep(lists *out, const char *key, size_t length, const char *value) {
    if (length == 6 && memcmp(key, "images", 6) == 0) out->images = value;
    if (length == 10 && memcmp(key, "categories", 10) == 0) out->categories = value;
    if (length == 11 && memcmp(key, "annotations", 11) == 0) out->annotations = value;
}

static cdul_status find_lists(const document *doc, const char *at, lists *out, cdul_error *err) {
    at = skip_space(doc, at + 1); /* behind '{' */
    while (at < doc->end && *at == '"') {
        const char *key = at + 1;
        at = skip_string(doc, at);
        size_t length = (size_t)(at - key) - 1;
        at = skip_space(doc, at);
        if (at == doc->end || *at != ':') return malformed(doc, at, "':'", err);
        at = skip_space(doc, at + 1);
        keep(out, key, length, at);
        at = skip_space(doc, skip_value(doc, at));
        if (at < doc->end && *at == '}') break;
        if (at == doc->end || *at != ',') return malformed(doc, at, "',' or '}'", err);
        at = skip_space(doc, at + 1);
        if (at == doc->end || *at != '"') return malformed(doc, at, "a key", err);
    }
    if (at == doc->end || *at != '}') return malformed(doc, at, "a key or '}'", err);
    at = skip_space(doc, at + 1);
    return at == doc->end ? CDUL_OK : malformed(doc, at, "the end of the file", err);
}

typedef cdul_status on_element(void *user, const cJSON *element, const char *where,
                               cdul_error *err);

static cdul_status for_each(const document *doc, const char *list, const char *name,
                            on_element *visit, void *user, cdul_error *err) {
    if (!list)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: no list \"%s\": not COCO instances", doc->path,
                         name);
    if (list == doc->end || *list != '[') return malformed(doc, list, "'['", err);
    const char *at = skip_space(doc, list + 1);
    for (size_t i = 0; at < doc->end && *at != ']'; i++) {
        const char *first = at;
        char where[512];
        cJSON *element = NULL;
        at = skip_value(doc, at);
        snprintf(where, sizeof where, "%.400s: %s[%zu]", doc->path, name, i);
        cdul_status status = cdul_json_parse(first, (size_t)(at - first), where, &element, err);
        if (status == CDUL_OK) status = visit(user, element, where, err);
        cJSON_Delete(element);
        if (status != CDUL_OK) return status;
        at = skip_space(doc, at);
        if (at < doc->end && *at == ']') break;
        if (at == doc->end || *at != ',') return malformed(doc, at, "',' or ']'", err);
        at = skip_space(doc, at + 1);
        if (at < doc->end && *at == ']') return malformed(doc, at, "a value", err);
    }
    return at < doc->end ? CDUL_OK : malformed(doc, at, "']'", err);
}

/* --- Ids are sparse: COCO's 80 categories run from 1 to 90, image ids to 581,929 --- */

typedef struct id_entry {
    double id;
    size_t position;
} id_entry;

typedef struct id_map {
    id_entry *items;
    size_t count, capacity;
} id_map;

static cdul_status id_add(id_map *map, double id, size_t position, cdul_error *err) {
    cdul_status status =
        cdul_grow(&map->items, map->count + 1, &map->capacity, sizeof *map->items, "COCO ids", err);
    if (status == CDUL_OK) map->items[map->count++] = (id_entry){id, position};
    return status;
}

static int by_id(const void *a, const void *b) {
    double x = ((const id_entry *)a)->id, y = ((const id_entry *)b)->id;
    return (x > y) - (x < y);
}

static cdul_status id_sort(id_map *map, const char *path, const char *what, cdul_error *err) {
    if (map->count) qsort(map->items, map->count, sizeof *map->items, by_id);
    for (size_t i = 1; i < map->count; i++)
        if (map->items[i].id == map->items[i - 1].id)
            return cdul_fail(err, CDUL_ERR_INPUT, "%s: two %s have id %.0f", path, what,
                             map->items[i].id);
    return CDUL_OK;
}

static cdul_status id_find(const id_map *map, double id, const char *where, const char *what,
                           size_t *position, cdul_error *err) {
    const id_entry key = {id, 0}, *found = NULL;
    if (map->count) found = bsearch(&key, map->items, map->count, sizeof key, by_id);
    if (!found) return cdul_fail(err, CDUL_ERR_INPUT, "%s: no %s has id %.0f", where, what, id);
    *position = found->position;
    return CDUL_OK;
}

/* --- The three lists --- */

typedef struct reading {
    cdul_truth *truth;
    cdul_names images; /* finds a file_name that occurs twice */
    id_map image_ids, class_ids;
    cdul_facts facts;
} reading;

static cdul_status on_image(void *user, const cJSON *element, const char *where, cdul_error *err) {
    reading *r = user;
    double id;
    const char *name;
    size_t known = r->images.list.count, position;
    cdul_status status = cdul_json_number(element, "id", where, &id, NULL, err);
    if (status == CDUL_OK) status = cdul_json_string(element, "file_name", where, &name, NULL, err);
    if (status == CDUL_OK) status = cdul_names_get(&r->images, name, &position, err);
    if (status != CDUL_OK) return status;
    if (position < known)
        return cdul_fail(err, CDUL_ERR_INPUT, "%s: file_name \"%s\" occurs twice", where, name);
    return id_add(&r->image_ids, id, position, err);
}

static cdul_status on_category(void *user, const cJSON *element, const char *where,
                               cdul_error *err) {
    reading *r = user;
    double id;
    const char *name;
    cdul_status status = cdul_json_number(element, "id", where, &id, NULL, err);
    if (status == CDUL_OK) status = cdul_json_string(element, "name", where, &name, NULL, err);
    if (status == CDUL_OK) status = id_add(&r->class_ids, id, r->truth->classes.count, err);
    if (status == CDUL_OK) status = cdul_strings_add(&r->truth->classes, name, err);
    return status;
}

static cdul_status on_annotation(void *user, const cJSON *element, const char *where,
                                 cdul_error *err) {
    reading *r = user;
    double image_id, category_id;
    size_t image = 0, class_index = 0;
    cdul_status status = cdul_json_number(element, "image_id", where, &image_id, NULL, err);
    if (status == CDUL_OK)
        status = cdul_json_number(element, "category_id", where, &category_id, NULL, err);
    if (status == CDUL_OK) status = id_find(&r->image_ids, image_id, where, "image", &image, err);
    if (status == CDUL_OK)
        status = id_find(&r->class_ids, category_id, where, "category", &class_index, err);
    if (status == CDUL_OK)
        status = cdul_facts_add(&r->facts, image, class_index, CDUL_PRESENT, err);
    return status;
}

cdul_status cdul_truth_read_coco(const char *path, const cdul_mapping *text, cdul_truth *truth,
                                 cdul_error *err) {
    const char *start = (const char *)text->data;
    const document doc = {path, start, start + text->size};
    lists found = {0};
    reading r = {.truth = truth};
    truth->kind = CDUL_TRUTH_COCO;
    cdul_status status = find_lists(&doc, memchr(start, '{', text->size), &found, err);
    if (status == CDUL_OK) status = for_each(&doc, found.images, "images", on_image, &r, err);
    if (status == CDUL_OK)
        status = for_each(&doc, found.categories, "categories", on_category, &r, err);
    if (status == CDUL_OK) status = id_sort(&r.image_ids, path, "images", err);
    if (status == CDUL_OK) status = id_sort(&r.class_ids, path, "categories", err);
    if (status == CDUL_OK)
        status = for_each(&doc, found.annotations, "annotations", on_annotation, &r, err);
    if (status == CDUL_OK) status = cdul_strings_copy(&r.images.list, &truth->images, err);
    if (status == CDUL_OK) status = cdul_truth_fill(truth, &r.facts, err);
    cdul_names_free(&r.images);
    free(r.image_ids.items);
    free(r.class_ids.items);
    cdul_facts_free(&r.facts);
    return status;
}
