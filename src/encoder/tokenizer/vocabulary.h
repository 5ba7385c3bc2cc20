/* A vocabulary: texts of tokens and their ids. */
#pragma once

#include "cdul/strings.h"

#include <stdint.h>

/* Start from {0}. */
typedef struct cdul_vocabulary {
    cdul_strings tokens;
    int32_t *ids; /* [tokens.count] */
    cdul_index *index;
} cdul_vocabulary;

/* Id of a token, -1 if there is none. */
int32_t cdul_vocabulary_find(const cdul_vocabulary *vocabulary, const char *text);
