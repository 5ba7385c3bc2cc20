/* Growing arrays, the hash table, and strings that are found by it. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

/* --- Growing arrays --- */

cdul_status cdul_grow_more(void *array, size_t count, size_t *capacity, size_t size,
                           const char *what, cdul_error *err) {
    size_t wanted = *capacity < 8 ? 16 : *capacity;
    while (wanted < count && wanted <= SIZE_MAX / 2) wanted *= 2;
    /* memcpy: the array's pointer is of another type than void *. */
    void *items = NULL;
    memcpy(&items, array, sizeof items);
    void *grown =
        count <= wanted && wanted <= SIZE_MAX / size ? realloc(items, wanted * size) : NULL;
    if (!grown) return cdul_fail_memory(err, what);
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return CDUL_OK;
}

/* --- Hash table --- */

static void put(cdul_map *map, uint64_t slot) {
    size_t at = (size_t)(slot >> 32) & (map->size - 1);
    while (map->slots[at]) at = (at + 1) & (map->size - 1);
    map->slots[at] = slot;
    map->count++;
}

cdul_status cdul_map_reserve(cdul_map *map, size_t count, cdul_error *err) {
    if (count <= map->size / 2) return CDUL_OK;
    if (count > UINT32_MAX - 1u) return cdul_fail_memory(err, "hash table of 2^32 entries");
    cdul_map larger = {.size = 16};
    while (larger.size / 2 < count) larger.size *= 2;
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (!larger.slots) return cdul_fail_memory(err, "hash table");
    for (size_t i = 0; i < map->size; i++)
        if (map->slots[i]) put(&larger, map->slots[i]);
    free(map->slots);
    *map = larger;
    return CDUL_OK;
}

cdul_status cdul_map_add(cdul_map *map, uint32_t hash, size_t position, cdul_error *err) {
    if (position >= UINT32_MAX) return cdul_fail_memory(err, "hash table of 2^32 entries");
    cdul_status status = cdul_map_reserve(map, map->count + 1, err);
    if (status == CDUL_OK) put(map, (uint64_t)hash << 32 | (position + 1));
    return status;
}

size_t cdul_map_next(const cdul_map *map, uint32_t hash, size_t *step) {
    while (map->size) {
        uint64_t slot = map->slots[(hash + (*step)++) & (map->size - 1)];
        if (!slot) break;
        if (slot >> 32 == hash) return (size_t)(slot & UINT32_MAX) - 1;
    }
    return CDUL_NOT_FOUND;
}

void cdul_map_free(cdul_map *map) {
    free(map->slots);
    *map = (cdul_map){0};
}

/* --- Strings by their hash --- */

unsigned long long cdul_hash(unsigned long long start, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) start = (start ^ bytes[i]) * 0x100000001b3ull;
    return start;
}

static uint32_t hash_of(const char *text) {
    return cdul_map_hash(cdul_hash(CDUL_HASH_START, text, strlen(text)));
}

static size_t find(const cdul_index *index, const char *text, uint32_t hash) {
    size_t step = 0, at = cdul_map_next(&index->map, hash, &step);
    while (at != CDUL_NOT_FOUND && strcmp(index->list.items[at], text) != 0)
        at = cdul_map_next(&index->map, hash, &step);
    return at;
}

size_t cdul_index_find(const cdul_index *index, const char *text) {
    return find(index, text, hash_of(text));
}

cdul_status cdul_names_get(cdul_names *names, const char *name, size_t *position, cdul_error *err) {
    const uint32_t hash = hash_of(name);
    *position = find(names, name, hash);
    if (*position != CDUL_NOT_FOUND) return CDUL_OK;
    *position = names->list.count;
    cdul_status status = cdul_map_reserve(&names->map, *position + 1, err);
    if (status == CDUL_OK) status = cdul_strings_add(&names->list, name, err);
    return status == CDUL_OK ? cdul_map_add(&names->map, hash, *position, err) : status;
}

void cdul_names_free(cdul_names *names) {
    cdul_strings_free(&names->list);
    cdul_map_free(&names->map);
}

cdul_status cdul_index_new(const cdul_strings *list, cdul_index **out, cdul_error *err) {
    cdul_index *index = calloc(1, sizeof *index);
    if (!index) return cdul_fail_memory(err, "index of strings");
    index->list = *list; /* borrowed: cdul_index_free leaves it */
    cdul_status status = cdul_map_reserve(&index->map, list->count, err);
    for (size_t i = 0; status == CDUL_OK && i < list->count; i++) {
        const uint32_t hash = hash_of(list->items[i]);
        size_t first = find(index, list->items[i], hash);
        status = first == CDUL_NOT_FOUND
                     ? cdul_map_add(&index->map, hash, i, err)
                     : cdul_fail(err, CDUL_ERR_INPUT, "\"%s\" occurs twice (entries %zu and %zu)",
                                 list->items[i], first + 1, i + 1);
    }
    if (status == CDUL_OK)
        *out = index;
    else
        cdul_index_free(index);
    return status;
}

void cdul_index_free(cdul_index *index) {
    if (index) cdul_map_free(&index->map);
    free(index);
}
