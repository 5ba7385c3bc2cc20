/* Growing arrays, a hash table, and a set of names made of both. */
#pragma once

#include "cdul/error.h"
#include "cdul/strings.h"

#include <stddef.h>
#include <stdint.h>

/* --- Growing arrays --- */

/* cdul_grow makes room for `count` items of `size` bytes in the array at whose address `array` is,
 * by doubling. Start from NULL and capacity 0. A failure, which names `what`, changes nothing. */
cdul_status cdul_grow_more(void *array, size_t count, size_t *capacity, size_t size,
                           const char *what, cdul_error *err) CDUL_MUST_CHECK;

static inline CDUL_MUST_CHECK cdul_status cdul_grow(void *array, size_t count, size_t *capacity,
                                                    size_t size, const char *what,
                                                    cdul_error *err) {
    if (count <= *capacity) return CDUL_OK;
    return cdul_grow_more(array, count, capacity, size, what, err);
}

/* --- Hash table --- */

/* Positions of things by the hashes of their keys: open addressing, at most half full. The things
 * and their keys stay with the caller, who compares them. Start from {0}. */
typedef struct cdul_map {
    /* Upper half: the hash; lower half: position + 1. 0 is a free slot. */
    uint64_t *slots;
    size_t size, count;
} cdul_map;

/* Makes room for `count` positions. */
cdul_status cdul_map_reserve(cdul_map *map, size_t count, cdul_error *err) CDUL_MUST_CHECK;
/* Adds the position, below 2^32 - 1, of a thing whose key is not in the map. */
cdul_status cdul_map_add(cdul_map *map, uint32_t hash, size_t position,
                         cdul_error *err) CDUL_MUST_CHECK;
/* Each call returns the next position with this hash, and CDUL_NOT_FOUND at the end. Start with
 * *step = 0. */
size_t cdul_map_next(const cdul_map *map, uint32_t hash, size_t *step);
void cdul_map_free(cdul_map *map);

/* Spreads 64 bits over the 32 that a map wants (Fibonacci hashing). */
static inline uint32_t cdul_map_hash(uint64_t key) {
    return (uint32_t)(((key ^ key >> 32) * 0x9e3779b97f4a7c15ull) >> 32);
}

/* --- Sets of names --- */

/* Names with their positions, in the order in which they came; cdul_index_find finds them. New ones
 * may be added at any time, unlike to an index, which borrows its list. Start from {0}. */
typedef struct cdul_index {
    cdul_strings list;
    cdul_map map;
} cdul_names;

/* Position of `name`, added if it is new. */
cdul_status cdul_names_get(cdul_names *names, const char *name, size_t *position,
                           cdul_error *err) CDUL_MUST_CHECK;
void cdul_names_free(cdul_names *names);
