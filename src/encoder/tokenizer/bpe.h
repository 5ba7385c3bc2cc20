/* Byte-pair encoding (Sennrich et al. 2016) over bytes, with CLIP's end-of-word symbols: the
 * arithmetic of the tokenizer, without files and without Unicode. */
#pragma once

#include "base/map.h"

/* A merge of two neighbouring tokens into one. */
typedef struct cdul_merge {
    int32_t left, right, merged;
} cdul_merge;

/* Start from {0} and set the ids. */
typedef struct cdul_bpe {
    /* The token of a byte inside a word, and of a word's last byte. */
    int32_t byte_ids[256], end_ids[256];
    cdul_merge *merges; /* [count]: the earlier goes first */
    size_t count, capacity;
    cdul_map ranks; /* positions of the merges by their pairs */
} cdul_bpe;

void cdul_bpe_free(cdul_bpe *bpe);
/* CDUL_ERR_INPUT: the pair is there already. */
cdul_status cdul_bpe_add(cdul_bpe *bpe, cdul_merge merge, cdul_error *err) CDUL_MUST_CHECK;

/* A growing list of token ids. Start from {0}; the caller frees `items`. */
typedef struct cdul_ids {
    int32_t *items;
    size_t count, capacity;
} cdul_ids;

cdul_status cdul_ids_add(cdul_ids *ids, int32_t id, cdul_error *err) CDUL_MUST_CHECK;

/* Bytes of a word at most: the time grows with the square of its length. CLIP's context of 77
 * tokens, of at most 32 bytes each, ends long before. */
#define CDUL_BPE_LONGEST 4096

/* Appends the tokens of one word of 1 to CDUL_BPE_LONGEST bytes: always the merge of lowest rank,
 * the leftmost of equals. */
cdul_status cdul_bpe_word(const cdul_bpe *bpe, const char *word, size_t size, cdul_ids *out,
                          cdul_error *err) CDUL_MUST_CHECK;
