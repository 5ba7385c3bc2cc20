/* Byte-pair encoding (Sennrich et al. 2016) over bytes, with CLIP's end-of-word symbols: the
 * arithmetic of the tokenizer, without files and without Unicode. */
#pragma once

#include "cdul/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cdul_bpe cdul_bpe;

/* `byte_ids` [256]: the token of a byte inside a word; `end_ids` [256]: of a word's last byte.
 * `merges` is how many calls of cdul_bpe_add follow. */
cdul_status cdul_bpe_new(const int32_t byte_ids[256], const int32_t end_ids[256], size_t merges,
                         cdul_bpe **out, cdul_error *err) CDUL_MUST_CHECK;
void cdul_bpe_free(cdul_bpe *bpe);

/* Adds a merge of two neighbouring tokens into one; earlier merges go first. False if the pair is
 * there already or more merges come than were announced. */
bool cdul_bpe_add(cdul_bpe *bpe, int32_t left, int32_t right, int32_t merged);

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
cdul_status cdul_bpe_word(const cdul_bpe *bpe, const unsigned char *word, size_t size,
                          cdul_ids *out, cdul_error *err) CDUL_MUST_CHECK;
