/* A vocabulary: texts of tokens and their ids. */
#pragma once

#include "base/map.h"
#include "cdul/strings.h"

#include <stdint.h>

/* Start from {0}. */
typedef struct cdul_vocabulary {
    cdul_strings tokens;
    int32_t *ids; /* [tokens.count] */
    cdul_index *index;
} cdul_vocabulary;

/* Id of a token, -1 if there is none. */
static inline int32_t cdul_vocabulary_find(const cdul_vocabulary *vocabulary, const char *text) {
    const size_t at = cdul_index_find(vocabulary->index, text);
    return at == CDUL_NOT_FOUND ? -1 : vocabulary->ids[at];
}
