#include "cdul/strings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* --- List --- */

static cdul_status reserve(cdul_strings *list, size_t count, cdul_error *err) {
    if (count <= list->capacity) return CDUL_OK;
    size_t capacity = list->capacity ? list->capacity : 8;
    while (capacity < count) {
        if (capacity > SIZE_MAX / sizeof *list->items / 2)
            return cdul_fail_memory(err, "list of strings");
        capacity *= 2;
    }
    char **items = realloc(list->items, capacity * sizeof *items);
    if (!items) return cdul_fail_memory(err, "list of strings");
    list->items = items;
    list->capacity = capacity;
    return CDUL_OK;
}

cdul_status cdul_strings_add_n(cdul_strings *list, const char *text, size_t length,
                               cdul_error *err) {
    cdul_status status = reserve(list, list->count + 1, err);
    if (status != CDUL_OK) return status;
    char *copy = length < SIZE_MAX ? malloc(length + 1) : NULL;
    if (!copy) return cdul_fail_memory(err, "string");
    if (length) memcpy(copy, text, length);
    copy[length] = '\0';
    list->items[list->count++] = copy;
    return CDUL_OK;
}

cdul_status cdul_strings_add(cdul_strings *list, const char *text, cdul_error *err) {
    return cdul_strings_add_n(list, text, strlen(text), err);
}

cdul_status cdul_strings_copy(const cdul_strings *from, cdul_strings *to, cdul_error *err) {
    cdul_strings copy = {0};
    cdul_status status = CDUL_OK;
    for (size_t i = 0; i < from->count && status == CDUL_OK; i++)
        status = cdul_strings_add(&copy, from->items[i], err);
    if (status != CDUL_OK) {
        cdul_strings_free(&copy);
        return status;
    }
    cdul_strings_free(to);
    *to = copy;
    return CDUL_OK;
}

bool cdul_strings_equal(const cdul_strings *a, const cdul_strings *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0) return false;
    return true;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void cdul_strings_sort(cdul_strings *list) {
    if (list->count > 1) qsort(list->items, list->count, sizeof *list->items, by_bytes);
}

void cdul_strings_clear(cdul_strings *list) {
    for (size_t i = 0; i < list->count; i++) free(list->items[i]);
    list->count = 0;
}

void cdul_strings_free(cdul_strings *list) {
    cdul_strings_clear(list);
    free(list->items);
    *list = (cdul_strings){0};
}

/* --- Nearest word --- */

/* Nobody mistypes a longer option name, and the rows of the table below stay on the stack. */
#define LONGEST_WORD 63

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours cost 1
 * each. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[3][LONGEST_WORD + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_length; j++) last[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t cost =
                smaller(smaller(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost = smaller(cost, before[j - 2] + 1);
            row[j] = cost;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_length];
}

const char *cdul_strings_nearest(const char *word, const char *const *candidates, size_t count) {
    const char *nearest = NULL;
    size_t length = strlen(word);
    if (length > LONGEST_WORD) return NULL;
    size_t best = smaller((length + 2) / 3, 3) + 1; /* a third of the letters, at most three */
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(candidates[i]);
        if (other > LONGEST_WORD) continue;
        size_t distance = edit_distance(word, length, candidates[i], other);
        /* A candidate that shares no letter with the word is not a slip of it. */
        if (distance < best && distance < (length > other ? length : other)) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* --- Hash index: open addressing, at most half full --- */

/* Bits of the hash in a slot beside the position: another text is mostly seen to be another without
 * a look at it, which in a list of a million would be two reads from main memory. */
#define HASH_BITS ((uint64_t)0xffff << 48)

struct cdul_index {
    const cdul_strings *list;
    size_t mask;
    uint64_t slots[]; /* position in the list + 1, with HASH_BITS; 0 = empty */
};

unsigned long long cdul_hash(unsigned long long start, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) start = (start ^ bytes[i]) * 0x100000001b3ull;
    return start;
}

static size_t position(uint64_t slot) {
    return (size_t)(slot & ~HASH_BITS) - 1;
}

/* The slot that holds `text`, or the empty one where it belongs. *bits: those of the text. */
static size_t slot_of(const cdul_index *index, const char *text, uint64_t *bits) {
    unsigned long long hash = cdul_hash(CDUL_HASH_START, text, strlen(text));
    hash =
        /* FNV leaves names that differ in few digits close */
        (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15ull;
    size_t at = (size_t)(hash >> 24) & index->mask;
    *bits = hash & HASH_BITS;
    for (uint64_t slot; (slot = index->slots[at]); at = (at + 1) & index->mask)
        if ((slot & HASH_BITS) == *bits && strcmp(index->list->items[position(slot)], text) == 0)
            break;
    return at;
}

cdul_status cdul_index_new(const cdul_strings *list, cdul_index **out, cdul_error *err) {
    size_t slots = 8;
    while (slots / 2 < list->count) {
        if (slots > SIZE_MAX / sizeof(uint64_t) / 4)
            return cdul_fail_memory(err, "index of strings");
        slots *= 2;
    }
    cdul_index *index = calloc(1, sizeof *index + slots * sizeof *index->slots);
    if (!index) return cdul_fail_memory(err, "index of strings");
    index->list = list;
    index->mask = slots - 1;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t bits;
        size_t at = slot_of(index, list->items[i], &bits);
        if (index->slots[at]) {
            size_t first = position(index->slots[at]);
            free(index);
            return cdul_fail(err, CDUL_ERR_INPUT, "\"%s\" occurs twice (entries %zu and %zu)",
                             list->items[i], first + 1, i + 1);
        }
        index->slots[at] = bits | (i + 1);
    }
    *out = index;
    return CDUL_OK;
}

size_t cdul_index_find(const cdul_index *index, const char *text) {
    uint64_t bits, slot = index->slots[slot_of(index, text, &bits)];
    return slot ? position(slot) : CDUL_NOT_FOUND;
}

void cdul_index_free(cdul_index *index) {
    free(index);
}
