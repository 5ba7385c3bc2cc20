/* Lists of strings, and an index from string to position: image names, class names, paths. */
#pragma once

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A growing list that owns its strings. Start from {0}. */
typedef struct cdul_strings {
    char **items;
    size_t count, capacity;
} cdul_strings;

cdul_status cdul_strings_add(cdul_strings *list, const char *text, cdul_error *err) CDUL_MUST_CHECK;
/* As above for `length` bytes that need not end in NUL. */
cdul_status cdul_strings_add_n(cdul_strings *list, const char *text, size_t length,
                               cdul_error *err) CDUL_MUST_CHECK;
cdul_status cdul_strings_copy(const cdul_strings *from, cdul_strings *to,
                              cdul_error *err) CDUL_MUST_CHECK;
bool cdul_strings_equal(const cdul_strings *a, const cdul_strings *b);
/* Sorts by bytes (strcmp): the order does not depend on the locale. */
void cdul_strings_sort(cdul_strings *list);
/* Removes the strings and keeps the room. */
void cdul_strings_clear(cdul_strings *list);
void cdul_strings_free(cdul_strings *list);

/* The candidate nearest to `word` in edit distance; NULL if none is near enough to be a slip. */
const char *cdul_strings_nearest(const char *word, const char *const *candidates, size_t count);

/* Hash index over a list, which it borrows: the list must not change while the index lives. */
typedef struct cdul_index cdul_index;

#define CDUL_NOT_FOUND ((size_t)-1)

/* A string that occurs twice is CDUL_ERR_INPUT; the message names it. */
cdul_status cdul_index_new(const cdul_strings *list, cdul_index **out,
                           cdul_error *err) CDUL_MUST_CHECK;
size_t cdul_index_find(const cdul_index *index, const char *text);
void cdul_index_free(cdul_index *index);

/* 64-bit FNV-1a, the same on every machine. Start from CDUL_HASH_START; chain calls for pieces. */
#define CDUL_HASH_START 0xcbf29ce484222325ull
unsigned long long cdul_hash(unsigned long long start, const void *data, size_t size);

#ifdef __cplusplus
}
#endif
