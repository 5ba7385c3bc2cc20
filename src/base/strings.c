/* Lists of strings, and the word that a typing slip meant. */
#include "cdul/strings.h"

#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* --- List --- */

cdul_status cdul_strings_add_n(cdul_strings *list, const char *text, size_t length,
                               cdul_error *err) {
    cdul_status status = cdul_grow(&list->items, list->count + 1, &list->capacity,
                                   sizeof *list->items, "list of strings", err);
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

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Optimal string alignment: an insertion, deletion, substitution or swap of neighbours costs 1. */
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
