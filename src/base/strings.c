/* Lists of strings, and the word that a typing slip meant. */
#include "cdul/strings.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

/* --- List --- */

cdul_status cdul_strings_add_n(cdul_strings *list, const char *text, size_t length,
                               cdul_error *err) {
    cdul_status status = cdul_grow(&list->items, list->count + 1, &list->capacity,
                                   sizeof *list->items, "list of strings", err);
    if (status != CDUL_OK) return status;
    char *copy = strndup(length ? text : "", length);
    if (!copy) return cdul_fail_memory(err, "string");
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
    if (status == CDUL_OK) {
        cdul_strings_free(to);
        *to = copy;
    } else {
        cdul_strings_free(&copy);
    }
    return status;
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

/* Nobody mistypes a longer option name, and the table below stays on the stack. */
#define LONGEST_WORD 63

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Optimal string alignment: an insertion, deletion, substitution or swap of neighbours costs 1. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t cost[LONGEST_WORD + 1][LONGEST_WORD + 1]; /* of the first i and j letters */
    for (size_t i = 0; i <= a_length; i++) {
        for (size_t j = 0; j <= b_length; j++) {
            size_t least = i + j; /* one of them is 0 */
            if (i > 0 && j > 0)
                least = smaller(smaller(cost[i - 1][j], cost[i][j - 1]) + 1,
                                cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                least = smaller(least, cost[i - 2][j - 2] + 1);
            cost[i][j] = least;
        }
    }
    return cost[a_length][b_length];
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
